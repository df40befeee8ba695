"""A reader on the phantom study: wrong links, a diameter and a status corrected, and what becomes of it all."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesiontrack import review
from lesiontrack.batch import replay_result
from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.grouping import Grouping, Key
from lesiontrack.domain.history import History, Registration
from lesiontrack.domain.reading import LesionWord
from lesiontrack.io.decision_log import DecisionLog
from lesiontrack.io.history import load_history
from lesiontrack.io.store import read_table, subject_folder
from lesiontrack.link import LinkSettings, Regrouper, chain
from lesiontrack.review import LesionRef, VisitRef
from tests.review.result import rerun
from tests.running import Ran, lesiontrack

SUBJECT = "PHANTOM-001"
# The visit at which the sum of the targets progresses, by the study's truth; it is the last but one.
VISIT = 3
# A new therapy began before the last visit, which ends PFS by the FDA's rule.
ENDPOINT = "PFS_EMA"


@pytest.fixture(scope="module")
def right(sample_run: Ran) -> History:
    """What the program's own engine makes of the subject: every link is right."""
    return load_history(subject_folder(sample_run.out, SUBJECT))


@pytest.fixture
def out(sample_run: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Statistics and figures take most of the time, and are tested for themselves.
    monkeypatch.setattr("lesiontrack.batch.study.analyse", lambda *_: None)
    shutil.copytree(sample_run.out, tmp_path / "out")
    return tmp_path / "out"


def swapped(right: History) -> tuple[History, list[tuple[Key, Key]]]:
    """Return the history of an engine that links three lesions wrongly, and the three links that would be right.

    From ``VISIT`` on the two targets and a small lesion go on as one another.
    """
    whole = [track for track in right.tracks if len(track.lesions) == len(right.subject.visits)]
    three = [whole[0], whole[1], whole[-1]]
    heads = [tuple(key for key in track.lesions if key[0] < VISIT) for track in three]
    tails = [tuple(key for key in track.lesions if key[0] >= VISIT) for track in three]
    others = [track.lesions for track in right.tracks if track not in three]
    groups = (*others, *(head + tails[(n + 1) % 3] for n, head in enumerate(heads)))
    found = Regrouper(right, LinkSettings()).tracking(right.lesions, Grouping(groups=groups))
    wrong = replace(right, links=found.links, tracks=found.tracks, missing=found.missing)
    return wrong, [(head[-1], tail[0]) for head, tail in zip(heads, tails, strict=True)]


def shifted(right: History, by_mm: float) -> History:
    """Return the history of an engine that misses every place at one visit."""
    shift = np.eye(4)
    shift[:3, 3] = [by_mm, -by_mm / 2.0, 0.0]

    def moved(way: Registration) -> Registration:
        if way.timepoint_to != VISIT:
            return way
        back = replace(way.backward, affine=way.backward.affine @ np.linalg.inv(shift))
        affine = shift @ way.forward.affine
        forward = Transform(
            affine=affine,
            displacement_mm=way.forward.displacement_mm,
            grid=way.forward.grid,
        )
        return replace(way, forward=forward, backward=back, trusted=False, reason="another engine")

    ways = tuple(moved(way) for way in right.registrations)
    found = chain(right.subject, right.lesions, right.zones, ways, LinkSettings())
    return replace(right, registrations=ways, links=found.links, tracks=found.tracks, missing=found.missing)


def cohort(out: Path, name: str) -> pd.DataFrame:
    table = read_table(out / "cohort", name)
    return table[table["subject_id"] == SUBJECT].reset_index(drop=True)


def progression(out: Path) -> tuple[object, ...]:
    events = cohort(out, "events")
    row = events[events["endpoint"] == ENDPOINT].iloc[0].to_dict()
    subject = cohort(out, "subjects").iloc[0].to_dict()
    return row["date"], int(row["status"]), row["reader"], subject["pd_date"], subject["pd_reasons"]


def decide(out: Path, right: History, links: list[tuple[Key, Key]]) -> tuple[str, Decimal]:
    """Let a reader correct three links, one diameter and one status; return the date and length to be found."""
    log = DecisionLog(out, SUBJECT, "Dr. A")
    for earlier, later in links:
        ends = LesionRef.of(right.lesion(*earlier)), LesionRef.of(right.lesion(*later))
        log.append(review.Link(earlier=ends[0], later=ends[1]))
    # The largest target is measured at the visit of progression as long as it was at the visit before.
    target = next(t for t in right.tracks if links[0][0] in t.lesions)
    before, now = (right.lesion(t, target.at(t)[0]) for t in (VISIT - 1, VISIT))
    x, y, z = now.centroid_lps_mm
    half = float(before.longest_diameter_mm) / 2.0
    log.append(
        review.CorrectDiameter(lesion=LesionRef.of(now), ends_lps_mm=((x - half, y, z), (x + half, y, z))),
        reason="a vessel was measured with it",
    )
    # A lesion that is no target progresses unequivocally at the last visit.
    other = next(t for t in right.tracks if len(t.lesions) == len(right.subject.visits) and t.track_id == "L04")
    last = right.subject.visits[-1]
    log.append(
        review.SetStatus(
            lesion=LesionRef.of(right.lesion(*other.lesions[0])),
            visit=VisitRef.of(last),
            status=LesionWord.UNEQUIVOCAL,
        ),
        reason="twice as large as at the baseline",
    )
    return last.date.isoformat(), before.longest_diameter_mm


def test_a_reading_survives_other_engines_and_reaches_the_curve(out: Path, right: History) -> None:
    """Decisions on an engine's result still stand on another's, and say where the date comes from."""
    truth = progression(out)
    assert truth[:2] == (right.visit(VISIT).date.isoformat(), 1) and truth[4] == '["TARGET"]'
    wrong, links = swapped(right)
    rerun(out, SUBJECT, wrong)
    replay_result(out)
    assert progression(out)[2] == "machine" and progression(out) != truth
    day, length = decide(out, right, links)
    done = replay_result(out)
    assert (done.failures, done.changed) == (0, True)
    read = progression(out)
    assert read == (day, 1, "Dr. A", day, '["NON-TARGET", "TARGET"]')
    _stands(out, right, links, length)
    _is_traced(out, day, length)
    for engine in (right, shifted(right, 12.0), wrong):
        rerun(out, SUBJECT, engine)
        done = replay_result(out)
        assert done.failures == 0
        assert set(cohort(out, "decisions")["state"]) == {"APPLIED"}
        assert progression(out) == read
        _stands(out, right, links, length)


def _stands(out: Path, right: History, links: list[tuple[Key, Key]], length: Decimal) -> None:
    """The three links are there, by the reader; the diameter is the reader's; all else that is changed is listed."""
    table = cohort(out, "links")
    by_reader = table[table["author"] == "Dr. A"]
    found = {((r.timepoint_from, r.lesion_from), (r.timepoint_to, r.lesion_to)) for r in by_reader.itertuples()}
    assert found == set(links)
    lesions = cohort(out, "lesions").set_index(["timepoint", "lesion_id"])
    assert lesions.loc[links[0][1], "longest_diameter_mm"] == float(length)
    audit = cohort(out, "audit")
    changed = audit[audit["field"] != "link"]
    assert list(changed["field"]) == ["longest_diameter_mm", "status"]
    old = str(right.lesion(*links[0][1]).longest_diameter_mm)
    assert list(changed.iloc[0][["old", "new", "reason"]]) == [old, str(length), "a vessel was measured with it"]
    assert (audit["reader"] == "Dr. A").all()


def _is_traced(out: Path, day: str, length: Decimal) -> None:
    """The date leads to the rule, the lesion, the reader's words; the corrected image back to what rests on it."""
    said = lesiontrack("trace", out, "--subject", SUBJECT, "--endpoint", ENDPOINT)
    assert said.returncode == 0
    assert f"{ENDPOINT} on {day}" in said.stdout and "event, PD at HEPATIC" in said.stdout
    assert "Dr. A, SetStatus of L04: twice as large as at the baseline" in said.stdout
    assert "made by: lesiontrack" in said.stdout and "registration visit" in said.stdout
    found = json.loads(lesiontrack("trace", out, "--subject", SUBJECT, "--endpoint", ENDPOINT, "--json").stdout)
    (decision,) = [x for x in found["decisions"] if x["act"] == "SetStatus"]
    assert (decision["reader"], decision["state"]) == ("Dr. A", "APPLIED")
    assert found["readers"] == ["Dr. A", "machine"] and found["made_by"]["version"]
    assert {"L01", "L02", "L04"} <= {lesion["track_id"] for lesion in found["lesions"]}
    for lesion in found["lesions"]:
        assert lesion["links"] and all(0 < link["confidence"] <= 1 for link in lesion["links"])
        assert all(m["sop_instance_uid"] and len(m["ends_lps_mm"]) == 2 for m in lesion["measurements"])
    corrected = cohort(out, "lesions")
    corrected = corrected[(corrected["timepoint"] == VISIT) & (corrected["longest_diameter_mm"] == float(length))]
    back = lesiontrack("trace", out, "--sop-instance", corrected.iloc[0]["sop_instance_uid"], "--json")
    rests = json.loads(back.stdout)
    assert {"CorrectDiameter", "Link"} <= {x["act"] for x in rests["decisions"]}
    assert rests["responses"]
