"""What must hold of any decisions on any history: identity, commutation, revocation, storage."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lesiontrack import review
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import LinkKind, Role, TreatedZone
from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.reads import NewStatus
from lesiontrack.domain.study import LocalTreatment, Method
from lesiontrack.errors import DecisionError
from lesiontrack.pipeline import Replayer, replay
from lesiontrack.review import Decision, LesionRef, VisitRef, sequence
from lesiontrack.review.acts import Act, act_from_plain, act_to_plain
from lesiontrack.settings import Settings
from tests.review.machine import CENTRES, RADII, day, machine, make_extra

SETTINGS = Settings()


def _zone(visit: int, number: int) -> TreatedZone:
    x, y, z = (float(c) for c in CENTRES[number])
    radius = RADII[number] + 6.0
    return TreatedZone(
        timepoint=visit,
        zone_id=1,
        series_uid=f"S{visit}",
        centroid_lps_mm=(x, y, z),
        volume_mm3=4.19 * radius**3,
        longest_diameter_mm=make_extra(visit, 90, CENTRES[number], radius).longest_diameter_mm,
    )


# Everything that linking knows of: gaps, vanished and new lesions, a split, a merge, treatments by name, by trace and
# by place, a recurrence after a clean control.
MACHINES: dict[str, History] = {
    "plain": machine(3),
    "gaps": machine(4, skip={(1, 2), (2, 3), (3, 3), (0, 4), (0, 5), (1, 5)}),
    "treated": machine(
        5,
        skip={(2, 1), (3, 1), (2, 6), (3, 6)},
        treatments=[
            LocalTreatment(date=day(1.5), method="RESECTION", place_lps_mm=(40.0, 0.0, 5.0), place_date=day(1)),
            LocalTreatment(date=day(1.5), method="ABLATION", track_id="L03"),
            LocalTreatment(date=day(3.5), method="SBRT"),
        ],
        zones=[_zone(2, 6), _zone(3, 6)],
    ),
    "split and merge": machine(
        3,
        skip={(1, 8), (2, 8), (0, 7), (1, 7)},
        radius={(0, 8): 11.0},
        extra=[
            make_extra(1, 30, CENTRES[8] + [-6.0, 0.0, 0.0], 6.5),
            make_extra(1, 31, CENTRES[8] + [6.5, 0.0, 0.0], 6.0),
            make_extra(2, 30, CENTRES[8] + [-6.0, 0.0, 0.0], 6.5),
            make_extra(2, 31, CENTRES[8] + [6.5, 0.0, 0.0], 6.0),
            make_extra(0, 32, CENTRES[7] + [-5.0, 0.0, 0.0], 6.0),
            make_extra(0, 33, CENTRES[7] + [6.0, 0.0, 0.0], 5.5),
            make_extra(1, 32, CENTRES[7] + [-5.0, 0.0, 0.0], 6.0),
            make_extra(1, 33, CENTRES[7] + [6.0, 0.0, 0.0], 5.5),
        ],
    ),
}
REPLAYERS = {name: Replayer(found, SETTINGS) for name, found in MACHINES.items()}
names = st.sampled_from(sorted(MACHINES))


def essence(history: History) -> tuple[object, ...]:
    """All of a history that decisions can change, but whose it is."""
    said = replace(history.reading, reader="")
    return history.lesions, history.links, history.tracks, history.missing, said


@st.composite
def acts(draw: st.DrawFn, history: History, *, only: frozenset[tuple[int, int]] | None = None) -> tuple[Act, str]:
    """An act on lesions of a history, or of some of them, with a reason."""
    keys = sorted(only if only is not None else {(x.timepoint, x.lesion_id) for x in history.lesions})
    key = draw(st.sampled_from(keys))
    lesion = history.lesion(*key)
    ref = LesionRef.of(lesion)
    other = draw(st.sampled_from(keys))
    visit = VisitRef.of(history.visit(draw(st.integers(0, len(history.subject.visits) - 1))))
    x, y, z = lesion.centroid_lps_mm
    half = draw(st.integers(10, 400)) / 20
    single: list[Act] = [
        review.Reject(lesion=ref),
        review.SetSite(lesion=ref, site=draw(st.sampled_from(["LIVER", "LYMPH_NODE", "LUNG"]))),
        review.SetRole(lesion=ref, role=draw(st.sampled_from([Role.TARGET, Role.NON_TARGET]))),
        review.SetStatus(
            lesion=ref, visit=visit, status=draw(st.sampled_from([w for w in LesionWord if w != "EQUIVOCAL"]))
        ),
        review.SetNewness(lesion=ref, newness=draw(st.sampled_from(NewStatus))),
        review.SetTreated(lesion=ref, method=draw(st.sampled_from(Method)), date=day(draw(st.integers(1, 30)) / 10)),
        review.CorrectDiameter(
            lesion=ref,
            ends_lps_mm=((x - half, y, z), (x + half, y, z)),
            axis=draw(st.sampled_from(["LONGEST", "SHORT"])),
        ),
        review.ConfirmLesion(lesion=ref),
        review.Comment(text="seen", lesion=ref),
        review.Redraw(
            lesion=ref,
            drawing=review.Drawing.of_diameter(
                ((x - half, y, z), (x + half, y, z)), date=lesion.date, series_uid=lesion.series_uid, site="LIVER"
            ),
        ),
    ]
    if other != key:
        earlier, later = sorted((key, other))
        ends = LesionRef.of(history.lesion(*earlier)), LesionRef.of(history.lesion(*later))
        single += [
            review.Link(earlier=ends[0], later=ends[1]),
            review.Unlink(earlier=ends[0], later=ends[1]),
            review.ConfirmLink(earlier=ends[0], later=ends[1], kind=draw(st.sampled_from(LinkKind))),
        ]
    return draw(st.sampled_from(single)), "because"


@st.composite
def scripts(draw: st.DrawFn) -> tuple[str, tuple[Decision, ...]]:
    """A history and decisions on it, some revoked."""
    name = draw(names)
    given_acts = [draw(acts(MACHINES[name])) for _ in range(draw(st.integers(1, 7)))]
    made = sequence(given_acts, subject_id="TEST", reader="anna")
    for target in draw(st.lists(st.sampled_from(made), max_size=2, unique_by=lambda d: d.id)):
        last = made[-1]
        undo = Decision.make(review.Revoke(decision=target.id), reader="anna", previous=last.id)
        made = (*made, undo)
    return name, made


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_the_machines_own_groups_give_the_machines_own_tracks(name: str) -> None:
    """A remark changes nothing, though everything is derived anew: links, tracks, fates, the ledger, reasons, names."""
    found = MACHINES[name]
    remark = sequence([review.Comment(text="seen")], subject_id="TEST", reader="anna")
    assert essence(replay(found, remark, SETTINGS).history) == essence(found)
    assert any(track.reasons for track in found.tracks) == (name != "plain")


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_replay_of_nothing_is_identity(name: str) -> None:
    done = REPLAYERS[name].replay(())
    assert done.history is MACHINES[name]
    assert (done.standings, done.changes, done.read_state) == ((), (), "UNREAD")


@given(st.data())
def test_decisions_that_touch_different_lesions_commute(data: st.DataObject) -> None:
    name = data.draw(names)
    found = MACHINES[name]
    first = data.draw(acts(found))
    touched = _touched(name, first)
    rest = frozenset((x.timepoint, x.lesion_id) for x in found.lesions) - touched
    second = data.draw(acts(found, only=rest))
    assume(not touched & _touched(name, second))
    one, other = (
        REPLAYERS[name].replay(sequence(order, subject_id="TEST", reader="anna"))
        for order in ([first, second], [second, first])
    )
    assert _undated(one.history) == _undated(other.history)
    assert {s.state for s in one.standings} == {s.state for s in other.standings}


def _touched(name: str, act: tuple[Act, str]) -> frozenset[tuple[int, int]]:
    """Lesions of all tracks that an act speaks of: a site, a role, a status is one of the track."""
    done = REPLAYERS[name].replay(sequence([act], subject_id="TEST", reader="anna"))
    named = {key for standing in done.standings for key in standing.touches}
    tracks = [*MACHINES[name].tracks, *done.history.tracks]
    return frozenset(named | {key for track in tracks if named & set(track.lesions) for key in track.lesions})


def _undated(history: History) -> tuple[object, ...]:
    reading = history.reading
    words = {replace(word, decision="") for word in reading.words}
    roles = {replace(word, decision="") for word in reading.roles}
    return (history.lesions, history.links, history.tracks, history.missing, words, roles, reading.confirmed)


@given(scripts(), st.data())
def test_revocation_restores_exactly(script: tuple[str, tuple[Decision, ...]], data: st.DataObject) -> None:
    """With a decision and its revocation everything is as without the decision, whatever else was decided."""
    name, decisions = script
    chosen = data.draw(st.sampled_from([d for d in decisions if not isinstance(d.act, review.Revoke)]))
    # A revocation of it, or of its revocation, belongs to it.
    about = {chosen.id}
    for decision in decisions:
        if isinstance(decision.act, review.Revoke) and decision.act.decision in about:
            about.add(decision.id)
    kept = [d for d in decisions if d.id not in about]
    undone = [d for d in decisions if d.id not in about or d is chosen]
    revoke = Decision.make(review.Revoke(decision=chosen.id), reader="anna", previous=undone[-1].id)
    done, without = REPLAYERS[name].replay([*undone, revoke]), REPLAYERS[name].replay(kept)
    assert essence(done.history) == essence(without.history)
    assert (done.changes, done.items, done.locked) == (without.changes, without.items, without.locked)
    assert chosen in done.revoked
    again = Decision.make(review.Revoke(decision=revoke.id), reader="anna", previous=revoke.id)
    redone, as_before = REPLAYERS[name].replay([*undone, revoke, again]), REPLAYERS[name].replay(undone)
    assert essence(redone.history) == essence(as_before.history)


@given(scripts())
def test_every_decision_is_accounted_for(script: tuple[str, tuple[Decision, ...]]) -> None:
    """What is decided is applied, superseded, revoked or listed with the reason why not; nothing is dropped."""
    name, decisions = script
    done = REPLAYERS[name].replay(decisions)
    told = {standing.decision.id for standing in done.standings}
    assert {d.id for d in decisions if not isinstance(d.act, review.Revoke)} <= told
    assert all(standing.why for standing in done.inapplicable)
    assert all(change.old != change.new for change in done.changes)
    # A history that exists is consistent: every lesion in one track, every track known.
    keys = [key for track in done.history.tracks for key in track.lesions]
    assert sorted(keys) == sorted((x.timepoint, x.lesion_id) for x in done.history.lesions)
    assert len({track.track_id for track in done.history.tracks}) == len(done.history.tracks)
    known = {track.track_id for track in done.history.tracks}
    assert {m.track_id for m in done.history.missing} <= known
    assert {t.merged_into for t in done.history.tracks} <= {None, *known}


@given(scripts())
def test_a_decision_is_the_same_after_storage_and_cannot_be_changed(
    script: tuple[str, tuple[Decision, ...]],
) -> None:
    _, decisions = script
    stored = [json.loads(json.dumps(decision.record())) for decision in decisions]
    assert tuple(Decision.from_record(record) for record in stored) == decisions
    for earlier, later in pairwise(decisions):
        assert later.previous == earlier.id
    for record in stored:
        for name in record:
            changed = {**record, name: "x"}
            with pytest.raises(DecisionError):
                Decision.from_record(changed)


@given(scripts())
def test_an_act_is_the_same_after_storage(script: tuple[str, tuple[Decision, ...]]) -> None:
    for decision in script[1]:
        assert act_from_plain(json.loads(json.dumps(act_to_plain(decision.act)))) == decision.act
