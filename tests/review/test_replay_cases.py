"""Named cases of decisions: what each kind does to tracks, lesions and what reaches assessment."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from lesiontrack import review
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Certainty, Fate, LinkKind, Role
from lesiontrack.domain.outcome import Response
from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.reads import NewStatus
from lesiontrack.domain.study import Method
from lesiontrack.errors import DecisionError
from lesiontrack.pipeline import judge, replay
from lesiontrack.review import Drawing, LesionRef, Mask, Replayed, VisitRef, sequence
from lesiontrack.review.acts import Act
from lesiontrack.review.find import sphere_overlap
from lesiontrack.settings import Settings
from tests.review.machine import CENTRES, day, machine, make_extra, ref, track_of, visit_ref

SETTINGS = Settings()


def read(history: History, *acts: Act | tuple[Act, str]) -> Replayed:
    return replay(history, sequence(acts, subject_id="TEST", reader="anna"), SETTINGS)


def states(done: Replayed) -> list[str]:
    return [standing.state.value for standing in done.standings]


def link(history: History, earlier: tuple[int, int], later: tuple[int, int]) -> review.Link:
    return review.Link(earlier=ref(history, *earlier), later=ref(history, *later))


# --- which lesions are one --------------------------------------------------------------------------------------------


def test_a_link_cuts_what_contradicts_it_and_nothing_else() -> None:
    found = machine(4)
    done = read(found, link(found, (1, 1), (2, 2)))
    tracks = {track.lesions for track in done.history.tracks}
    assert ((0, 1), (1, 1), (2, 2), (3, 2)) in tracks and ((2, 1), (3, 1)) in tracks and ((0, 2), (1, 2)) in tracks
    assert {t.lesions for t in found.tracks} - tracks == {tuple((v, n) for v in range(4)) for n in (1, 2)}
    (made,) = [x for x in done.history.links if x.author == "anna"]
    assert (made.lesion_from, made.lesion_to, made.confidence, made.kind) == (1, 2, 1.0, LinkKind.SAME)
    gone = track_of(done.history, 1, 2)
    assert {m.timepoint for m in done.history.missing if m.track_id == gone.track_id} == {2, 3}


def test_two_links_that_swap_give_no_rest() -> None:
    found = machine(4)
    done = read(found, link(found, (1, 1), (2, 2)), link(found, (1, 2), (2, 1)))
    assert len(done.history.tracks) == len(found.tracks) and not done.history.missing
    assert track_of(done.history, 3, 2).track_id == track_of(found, 0, 1).track_id


def test_an_unlinked_lesion_is_new_without_a_doubt_about_the_one_it_is_not() -> None:
    found = machine(3)
    done = read(found, review.Unlink(earlier=ref(found, 1, 3), later=ref(found, 2, 3)))
    new = track_of(done.history, 2, 3)
    assert new.lesions == ((2, 3),) and new.track_id == "L11"
    assert not any(reason.startswith("NEW_") for reason in new.reasons)
    assert track_of(done.history, 0, 3).track_id == track_of(found, 0, 3).track_id


def test_of_two_decisions_on_one_pair_the_later_holds() -> None:
    found = machine(3)
    cut = review.Unlink(earlier=ref(found, 1, 3), later=ref(found, 2, 3))
    joined = link(found, (1, 3), (2, 3))
    for first, second, together in ((cut, joined, True), (joined, cut, False)):
        done = read(found, first, second)
        assert states(done) == ["SUPERSEDED", "APPLIED"]
        assert ((1, 3) in track_of(done.history, 2, 3).lesions) == together


def test_lesions_of_one_visit_are_not_one_unless_they_are_fragments() -> None:
    found = machine(3, extra=[make_extra(2, 40, CENTRES[8] + [9.0, 0.0, 0.0], 3.0)])
    assert states(read(found, link(found, (2, 9), (2, 40)))) == ["INAPPLICABLE"]
    done = read(found, review.Split(whole=ref(found, 1, 9), parts=(ref(found, 2, 9), ref(found, 2, 40))))
    track = track_of(done.history, 1, 9)
    assert track.at(2) == (9, 40)
    assert {x.kind for x in done.history.links if x.author == "anna"} == {LinkKind.SPLIT}


def test_lesions_that_coalesce_end_in_the_mass() -> None:
    found = machine(3, skip={(2, 1)})
    done = read(found, review.Merge(parts=(ref(found, 1, 1), ref(found, 1, 2)), mass=ref(found, 2, 3)))
    lead, other = track_of(done.history, 2, 3), track_of(done.history, 1, 1)
    assert other.merged_into == lead.track_id and other.fate is Fate.MERGED
    # The larger part goes on as the mass; what the machine had after the smaller one begins anew.
    assert lead.lesions == ((0, 2), (1, 2), (2, 3)) and track_of(done.history, 2, 1).lesions == ((2, 1),)


# --- what there is and what it measures -------------------------------------------------------------------------------


def test_a_rejected_lesion_is_gone_and_what_was_said_of_it_before_is_superseded() -> None:
    found = machine(3)
    site = review.SetSite(lesion=ref(found, 1, 4), site="LUNG")
    done = read(found, site, (review.Reject(lesion=ref(found, 1, 4)), "vessel"), site)
    assert states(done) == ["SUPERSEDED", "APPLIED", "INAPPLICABLE"]
    assert (1, 4) not in {(x.timepoint, x.lesion_id) for x in done.history.lesions}
    assert {(m.timepoint, m.state) for m in done.history.missing} == {(1, "NOT_SEEN")}


def test_a_drawn_lesion_is_one_like_any_other() -> None:
    """By a diameter alone: numbered above the machine's, measurable by the slices of its series, linked, a target."""
    found = machine(3)
    x, y, z = 60.0, 60.0, 10.0
    drawings = [
        Drawing.of_diameter(((x - 15, y, z), (x + 15, y, z)), date=day(visit), series_uid=f"S{visit}", site="LIVER")
        for visit in (0, 1)
    ]
    done = read(
        found,
        *(review.Add(drawing=drawing) for drawing in drawings),
        review.Link(earlier=drawings[0].ref, later=drawings[1].ref),
    )
    assert states(done) == ["APPLIED"] * 3
    track = track_of(done.history, 0, 11)
    assert track.lesions == ((0, 11), (1, 11)) and done.history.lesion(0, 11).measurable
    assert done.history.lesion(0, 11).longest_diameter_mm == Decimal("30.0")
    judged = judge(done.history, SETTINGS)
    assert judged.study is not None
    roles = {entry.track_id: entry.role for entry in judged.study.roles}
    assert roles[track.track_id] is Role.TARGET
    twice = read(found, review.Add(drawing=drawings[0]), review.Add(drawing=drawings[0]))
    assert states(twice) == ["APPLIED", "INAPPLICABLE"]
    there = Drawing.of(found.lesion(0, 5))
    assert states(read(found, review.Add(drawing=there))) == ["INAPPLICABLE"]


def test_a_redrawn_lesion_is_found_by_its_old_and_by_its_new_place() -> None:
    found = machine(3)
    lesion = found.lesion(1, 6)
    x, y, z = lesion.centroid_lps_mm
    small = replace(Drawing.of(lesion), centroid_lps_mm=(x + 7.0, y, z), volume_mm3=60.0)
    done = read(
        found,
        review.Redraw(lesion=LesionRef.of(lesion), drawing=small),
        review.ConfirmLesion(lesion=small.ref),
        review.Comment(text="old place", lesion=LesionRef.of(lesion)),
    )
    assert states(done) == ["APPLIED"] * 3
    assert {standing.touches for standing in done.standings} == {frozenset({(1, 6)})}


def test_a_diameter_is_rounded_once() -> None:
    assert review.length_mm(((0.0, 0.0, 0.0), (10.25, 0.0, 0.0))) == Decimal("10.2")
    assert review.length_mm(((0.0, 0.0, 0.0), (0.0, 10.35, 0.0))) == Decimal("10.3")
    with pytest.raises(DecisionError, match="span no diameter"):
        review.length_mm(((0.0, 0.0, 0.0), (0.0, 0.0, math.nan)))
    with pytest.raises(DecisionError, match="span no diameter"):
        review.length_mm(((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)))


@pytest.mark.parametrize(("beside_mm", "state"), [(0.0, "APPLIED"), (9.0, "APPLIED"), (11.0, "INAPPLICABLE")])
def test_a_diameter_drawn_beside_its_lesion_is_not_its_own(beside_mm: float, state: str) -> None:
    history = machine()
    lesion = history.lesion(1, 2)
    x, y, z = lesion.centroid_lps_mm
    away = y + lesion.radius_mm + beside_mm if beside_mm else y
    done = read(
        history, review.CorrectDiameter(lesion=ref(history, 1, 2), ends_lps_mm=((x - 9, away, z), (x + 9, away, z)))
    )
    assert states(done) == [state]
    assert (done.history.lesion(1, 2).longest_diameter_mm == Decimal("18.0")) == (state == "APPLIED")
    assert all("beside lesion 2 of visit 1" in left.why for left in done.inapplicable)


def test_a_mask_comes_back_as_it_was_drawn() -> None:
    mask = np.zeros((6, 20, 30), dtype=np.bool_)
    mask[2:4, 3:9, 11:17] = np.random.default_rng(7).random((2, 6, 6)) > 0.4
    packed = Mask.of(mask)
    np.testing.assert_array_equal(packed.on(mask.shape), mask)
    with pytest.raises(DecisionError, match="does not lie in its series"):
        packed.on((3, 20, 30))


# --- what reaches assessment ------------------------------------------------------------------------------------------


def overall(done: Replayed) -> list[Response]:
    judged = judge(done.history, SETTINGS)
    assert judged.primary is not None
    return [visit.overall for visit in judged.primary.visits]


def test_words_reach_the_categories() -> None:
    found = machine(3)
    assert overall(read(found)) == [Response.SD, Response.SD]
    target = ref(found, 0, 9)
    ne = review.SetStatus(lesion=target, visit=visit_ref(found, 2), status=LesionWord.NE)
    assert overall(read(found, (ne, "motion"))) == [Response.SD, Response.NE]
    worse = review.SetStatus(lesion=ref(found, 1, 1), visit=visit_ref(found, 2), status=LesionWord.UNEQUIVOCAL)
    done = read(found, (worse, "twice as large"))
    assert overall(done) == [Response.SD, Response.PD]
    assert [(change.field, change.old, change.new) for change in done.changes] == [("status", "PRESENT", "UNEQUIVOCAL")]


def test_a_new_lesion_is_as_sure_as_the_reader_says() -> None:
    found = machine(3, extra=[make_extra(2, 30, CENTRES[3] + [-20.0, 20.0, 10.0], 6.0)])
    assert overall(read(found))[-1] is Response.PD
    doubt = review.SetNewness(lesion=ref(found, 2, 30), newness=NewStatus.EQUIVOCAL)
    assert overall(read(found, (doubt, "MODALITY_CHANGE")))[-1] is Response.SD


def test_a_lesion_of_the_baseline_cannot_be_called_new() -> None:
    """Else a word on newness would be one of unequivocal progression, without the reason that this wants."""
    found = machine(3)
    for visit, newness in ((2, NewStatus.UNEQUIVOCAL), (0, NewStatus.UNEQUIVOCAL)):
        done = read(found, review.SetNewness(lesion=ref(found, visit, 1), newness=newness))
        assert states(done) == ["INAPPLICABLE"] and "not a new one" in done.standings[0].why
        assert overall(done) == [Response.SD, Response.SD]


def test_a_lesion_that_a_reader_cuts_off_is_new_and_can_be_called_so() -> None:
    found = machine(3)
    cut = review.Unlink(earlier=ref(found, 1, 3), later=ref(found, 2, 3))
    done = read(found, cut, review.SetNewness(lesion=ref(found, 2, 3), newness=NewStatus.UNEQUIVOCAL))
    assert states(done) == ["APPLIED", "APPLIED"]


def test_targets_are_the_readers_choice_and_only_at_a_baseline() -> None:
    found = machine(3)
    chosen = tuple(ref(found, 0, number) for number in (1, 2))
    done = read(found, (review.SetTargets(visit=visit_ref(found, 0), lesions=chosen), "near the surface"))
    judged = judge(done.history, SETTINGS)
    assert judged.study is not None
    targets = {entry.track_id for entry in judged.study.roles if entry.role is Role.TARGET}
    assert targets == {track_of(found, 0, number).track_id for number in (1, 2)}
    assert any("near the surface" in entry.reason for entry in judged.study.roles)
    late = review.SetRole(lesion=ref(found, 2, 1), role=Role.TARGET)
    assert states(read(found, (late, "why not"))) == ["INAPPLICABLE"]


def test_a_treated_lesion_is_followed_as_a_site() -> None:
    found = machine(3, skip={(1, 9), (2, 9)})
    treated = review.SetTreated(
        lesion=ref(found, 0, 9),
        method=Method.ABLATION,
        date=day(0.6),
        visit=visit_ref(found, 2),
        outcome=LesionWord.LTP,
    )
    done = read(found, treated)
    assert track_of(done.history, 0, 9).fate is Fate.ABLATED
    judged = judge(done.history, SETTINGS)
    assert judged.primary is not None and judged.primary.pd_reasons == ("LTP",)


def test_a_confirmed_visit_is_no_longer_provisional_and_a_closed_one_can_be_opened() -> None:
    found = machine(3)
    lock = review.Lock(visit=visit_ref(found, 1))
    done = read(found, lock)
    judged = judge(done.history, SETTINGS)
    assert judged.primary is not None
    assert [visit.provisional for visit in judged.primary.visits] == [False, True]
    assert done.locked == {1}
    opened = read(found, lock, (review.Unlock(visit=visit_ref(found, 1)), "a lesion was missed"))
    assert opened.locked == frozenset() and states(opened) == ["SUPERSEDED", "APPLIED"]


def test_of_a_closed_visit_nothing_more_is_decided() -> None:
    found = machine(3)
    lock = review.Lock(visit=visit_ref(found, 1))
    site = review.SetSite(lesion=ref(found, 1, 4), site="LUNG")
    later = review.SetSite(lesion=ref(found, 2, 5), site="LUNG")
    done = read(found, lock, site, later, link(found, (1, 1), (2, 2)), review.ConfirmLesion(lesion=ref(found, 1, 3)))
    assert states(done) == ["APPLIED", "INAPPLICABLE", "APPLIED", "APPLIED", "APPLIED"]
    assert "visit 1 was closed before" in done.inapplicable[0].why
    assert track_of(done.history, 1, 4).site == "LIVER"
    opened = read(found, lock, (review.Unlock(visit=visit_ref(found, 1)), "a lesion was missed"), site)
    assert states(opened) == ["SUPERSEDED", "APPLIED", "APPLIED"]


def test_what_a_visit_was_closed_with_is_not_taken_back_and_what_came_too_late_is() -> None:
    found = machine(3)
    site = review.SetSite(lesion=ref(found, 1, 4), site="LUNG")
    lock = review.Lock(visit=visit_ref(found, 1))
    before = sequence([site, lock], subject_id="TEST", reader="anna")
    undone = sequence([site, lock, review.Revoke(decision=before[0].id)], subject_id="TEST", reader="anna")
    done = replay(found, undone, SETTINGS)
    assert states(done) == ["APPLIED", "APPLIED", "INAPPLICABLE"] and track_of(done.history, 1, 4).site == "LUNG"
    late = sequence([lock, site], subject_id="TEST", reader="anna")
    taken_back = sequence([lock, site, review.Revoke(decision=late[1].id)], subject_id="TEST", reader="anna")
    assert states(replay(found, taken_back, SETTINGS)) == ["APPLIED", "REVOKED"]
    # To take back the lock itself is to have never closed the visit.
    never = sequence([lock, site, review.Revoke(decision=late[0].id)], subject_id="TEST", reader="anna")
    assert states(replay(found, never, SETTINGS)) == ["REVOKED", "APPLIED"]


def test_a_confirmed_case_says_nothing_of_a_visit_that_came_later() -> None:
    found = machine(4)
    for visit, left in ((2, [3]), (3, [])):
        at = dt.datetime.combine(day(visit + 0.5), dt.time(), dt.UTC)
        signed = sequence([review.ConfirmCase()], subject_id="TEST", reader="anna", start=at)
        done = replay(found, signed, SETTINGS)
        assert done.history.reading.confirmed == tuple(range(visit + 1))
        assert [item.timepoint for item in done.items if item.kind is review.ItemKind.VISIT] == left
        assert done.read_state == ("IN_PROGRESS" if left else "COMPLETE")


def test_a_lesion_that_was_looked_at_needs_no_further_look() -> None:
    found = machine(4, skip={(1, 5)})
    flagged = track_of(found, 0, 6)
    assert flagged.needs_review
    done = read(found, review.ConfirmLesion(lesion=ref(found, 2, 6)))
    track = track_of(done.history, 0, 6)
    assert not track.needs_review and track.reasons == flagged.reasons
    assert "LESION" not in {item.kind for item in done.items if item.track_id == track.track_id}


def test_a_probable_lesion_that_is_confirmed_counts_for_certain_and_a_confluent_one_does_not() -> None:
    doubted = {2: Certainty.PROBABLE, 3: Certainty.CONFLUENT}
    known = machine(3)
    unsure = [
        replace(x, certainty=doubted[x.lesion_id], max_components=x.lesion_id - 1) if x.lesion_id in doubted else x
        for x in known.lesions
    ]
    found = replace(known, lesions=tuple(unsure))
    acts = [review.ConfirmLesion(lesion=ref(found, 1, number)) for number in (2, 3)]
    done = read(found, *acts)
    certainties = {x.lesion_id: x.certainty for x in done.history.lesions if x.timepoint == 0}
    assert (certainties[2], certainties[3]) == (Certainty.CERTAIN, Certainty.CONFLUENT)
    before, after = (judge(x, SETTINGS).eligibility.count_low for x in (found, done.history))
    assert (before, after) == (9, 10)
    told = [(c.timepoint, c.old, c.new) for c in done.changes if c.field == "certainty"]
    assert told == [(visit, "PROBABLE", "CERTAIN") for visit in range(3)]
    assert states(done) == ["APPLIED", "APPLIED"]


# --- finding again ----------------------------------------------------------------------------------------------------


def test_overlap_of_spheres() -> None:
    ball = 4.0 / 3.0 * math.pi
    assert sphere_overlap(((0, 0, 0), ball), ((0, 0, 0), ball)) == 1.0
    assert sphere_overlap(((0, 0, 0), ball), ((2, 0, 0), ball)) == 0.0
    assert sphere_overlap(((0, 0, 0), ball), ((0.1, 0, 0), 8 * ball)) == pytest.approx(2 / 9)
    # Two unit spheres one radius apart share 5 pi / 12 (Weisstein, "Sphere-Sphere Intersection").
    assert sphere_overlap(((0, 0, 0), ball), ((1, 0, 0), ball)) == pytest.approx((5 * math.pi / 12) / ball)


def test_a_lesion_cut_in_two_is_not_taken_for_either_half() -> None:
    """Each half holds as much of the whole as the other: which is meant cannot be told, and that is said."""
    halves = [make_extra(1, n, CENTRES[8] + [x, 0.0, 0.0], 8.0) for n, x in ((50, -5.5), (51, 5.5))]
    whole = machine(3)
    cut = machine(3, skip={(1, 8)}, extra=halves)
    decided = sequence([review.ConfirmLesion(lesion=ref(whole, 1, 9))], subject_id="TEST", reader="anna")
    (standing,) = replay(cut, decided, SETTINGS).standings
    assert standing.state == "INAPPLICABLE" and "two lesions are where one was seen" in standing.why


def test_a_visit_is_found_by_its_date_when_its_series_is_gone() -> None:
    found = machine(3)
    other = VisitRef(date=found.visit(1).date, series_uid="of another export")
    assert states(read(found, review.ConfirmVisit(visit=other))) == ["APPLIED"]
    nowhere = VisitRef(date=day(0.3), series_uid="?")
    assert states(read(found, review.ConfirmVisit(visit=nowhere))) == ["INAPPLICABLE"]
