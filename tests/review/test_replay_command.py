"""`lesiontrack replay` on a result folder: what it updates, what it leaves alone, what it lists."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from lesiontrack import review
from lesiontrack.batch import replay_result
from lesiontrack.domain.history import History
from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.reads import NewStatus
from lesiontrack.errors import StudyError
from lesiontrack.io.decision_log import DecisionLog
from lesiontrack.io.history import load_history
from lesiontrack.io.store import read_table, subject_folder
from tests.review.machine import CENTRES, RADII, day, machine, make_extra, ref, renumbered, visit_ref
from tests.review.result import files_of, make_result, rerun


def growing() -> History:
    """A machine's history in which the two targets keep their size and a new lesion appears at the last visit."""
    clinical_end = day(6)
    found = machine(4, extra=[make_extra(3, 50, CENTRES[3] + [-25.0, 22.0, 10.0], 6.0)])
    clinical = found.subject.clinical
    assert clinical is not None
    facts = replace(clinical, diagnosis_date=day(-1), enrolment_date=day(0.2), last_alive_date=clinical_end)
    return replace(found, subject=replace(found.subject, clinical=facts))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("made") / "out", {"A": growing(), "B": growing()})


@pytest.fixture
def whole(made: Path, tmp_path: Path) -> Path:
    """A result folder of its own, statistics and figures included."""
    shutil.copytree(made, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def out(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same where nobody asks for statistics: they take most of the time and are tested for themselves."""
    monkeypatch.setattr("lesiontrack.batch.study.analyse", lambda *_: None)
    return whole


def cohort(out: Path, name: str) -> pd.DataFrame:
    return read_table(out / "cohort", name)


def event(out: Path, subject_id: str, endpoint: str = "PFS") -> tuple[object, object, object]:
    events = cohort(out, "events")
    row = events[(events["subject_id"] == subject_id) & (events["endpoint"] == endpoint)].iloc[0]
    return row["date"], int(row["status"]), row["reader"]


def test_the_machines_history_is_read_again_to_the_last_bit(out: Path) -> None:
    stored, made = load_history(subject_folder(out, "A")), growing()
    for name in ("lesions", "zones", "links", "tracks", "missing"):
        assert getattr(stored, name) == getattr(made, name)
    assert stored.subject.clinical == made.subject.clinical
    assert [v.scans[0].series_uid for v in stored.subject.visits] == ["S0", "S1", "S2", "S3"]
    for one, other in zip(stored.registrations, made.registrations, strict=True):
        assert (one.forward.affine == other.forward.affine).all() and one.residual_mm == other.residual_mm


def test_nothing_decided_changes_nothing(whole: Path) -> None:
    out = whole
    before = files_of(out)
    done = replay_result(out)
    assert (done.failures, done.changed) == (0, False)
    assert files_of(out) == before


def test_a_decision_reaches_the_curve_and_leaves_all_else_alone(whole: Path) -> None:
    """The new lesion that made a progression is a biopsy track: no progression; the other subject is not touched."""
    out = whole
    assert event(out, "A") == (day(3).isoformat(), 1, "machine")
    before = files_of(out)
    DecisionLog(out, "A", "anna").append(review.Reject(lesion=ref(growing(), 3, 50)), reason="biopsy track")
    done = replay_result(out)
    assert (done.failures, done.changed) == (0, True)
    assert event(out, "A") == (day(3).isoformat(), 0, "anna")
    assert event(out, "B") == (day(3).isoformat(), 1, "machine")
    after = files_of(out)
    changed = {name for name in after if after[name] != before.get(name)}
    assert not [
        name for name in changed if name.startswith("subjects/") and "readings/" not in name and "anna" not in name
    ]
    assert not [name for name in changed if "registrations" in name and name.startswith("cohort/")]
    assert {"cohort/events.parquet", "cohort/responses.parquet", "cohort/audit.csv"} <= changed
    assert {"endpoints/summary.json", "endpoints/PFS_km.csv"} <= changed and "endpoints/OS_km.csv" in set(
        after
    ) - changed
    responses = cohort(out, "responses")
    assert set(responses[responses["subject_id"] == "A"]["reader"]) == {"machine", "anna"}
    lesions = cohort(out, "lesions")
    assert (lesions["subject_id"] == "A").sum() + 1 == (lesions["subject_id"] == "B").sum()
    quiet = files_of(out)
    assert not replay_result(out).changed
    assert files_of(out) == quiet


def test_undoing_gives_the_tables_of_before(out: Path) -> None:
    names = ("lesions", "links", "tracks", "roles", "missing", "responses", "events", "subjects")
    before = {name: cohort(out, name) for name in names}
    log = DecisionLog(out, "A", "anna")
    rejected = log.append(review.Reject(lesion=ref(growing(), 3, 50)), reason="biopsy track")
    replay_result(out)
    log.append(review.Revoke(decision=rejected.id))
    replay_result(out)
    for name in names:
        pd.testing.assert_frame_equal(cohort(out, name), before[name])
    assert list(cohort(out, "decisions")["state"]) == ["REVOKED"]
    assert not len(cohort(out, "audit"))


def test_what_no_longer_applies_is_listed_and_never_dropped(out: Path) -> None:
    log = DecisionLog(out, "A", "anna")
    gone = replace(ref(growing(), 3, 50), place_lps_mm=(150.0, 150.0, 150.0))
    log.append(review.Reject(lesion=gone), reason="biopsy track")
    log.append(review.ConfirmLesion(lesion=ref(growing(), 0, 1)))
    done = replay_result(out)
    assert done.failures == 1
    row = cohort(out, "failures").iloc[0]
    assert (row["stage"], row["severity"], row["subject_id"]) == ("review", "WARNING", "A")
    assert "Reject by anna" in row["message"] and "no lesion is where it was seen" in row["message"]
    assert list(cohort(out, "decisions")["state"]) == ["INAPPLICABLE", "APPLIED"]
    subjects = cohort(out, "subjects").set_index("subject_id")
    assert subjects.loc["A", "n_inapplicable"] == 1


def test_a_broken_log_takes_its_subject_out_and_names_the_line(out: Path) -> None:
    log = DecisionLog(out, "A", "anna")
    for text in ("one", "two", "three"):
        log.append(review.Comment(text=text))
    lines = log.path.read_text().splitlines(keepends=True)
    log.path.write_text(lines[0] + lines[2])
    done = replay_result(out)
    assert done.failures == 1
    row = cohort(out, "failures").iloc[0]
    assert (row["stage"], row["severity"], row["error"]) == ("review", "ERROR", "DecisionError")
    assert "line 2" in row["message"] and "chain is broken" in row["message"]
    assert set(cohort(out, "responses")["subject_id"]) == {"B"}
    log.path.write_text("".join(lines))
    assert replay_result(out).failures == 0
    assert set(cohort(out, "responses")["subject_id"]) == {"A", "B"}


def test_how_far_a_case_is_read(out: Path) -> None:
    """Unread, in progress, complete; what is left is listed with the least certain first."""
    subjects = cohort(out, "subjects").set_index("subject_id")
    assert list(subjects["read_state"]) == ["UNREAD", "UNREAD"]
    left = cohort(out, "progress")
    assert subjects.loc["A", "n_to_review"] == (left["subject_id"] == "A").sum() >= 4
    own = left[left["subject_id"] == "A"]
    assert own["confidence"].is_monotonic_increasing and {"VISIT"} <= set(own["kind"])
    log = DecisionLog(out, "A", "anna")
    for visit in range(4):
        log.append(review.ConfirmVisit(visit=visit_ref(growing(), visit)))
    replay_result(out)
    state = cohort(out, "subjects").set_index("subject_id").loc["A"]
    left_kinds = set(cohort(out, "progress").query("subject_id == 'A'")["kind"])
    assert "VISIT" not in left_kinds
    assert state["read_state"] == ("IN_PROGRESS" if left_kinds else "COMPLETE")
    responses = cohort(out, "responses").query("subject_id == 'A'")
    assert not responses[responses["reader"] == "anna"]["provisional"].any()
    assert responses[responses["reader"] == "machine"]["provisional"].all()
    log.append(review.ConfirmCase())
    replay_result(out)
    assert cohort(out, "subjects").set_index("subject_id").loc["A", "read_state"] == "COMPLETE"


def test_the_audit_trail_is_net(out: Path) -> None:
    """Who, what, when, why, old and new; of ten drags of a diameter the last; what is taken back is not there."""
    log, history = DecisionLog(out, "A", "anna"), growing()
    lesion = ref(history, 1, 1)
    x, y, z = lesion.place_lps_mm
    for half in (7.0, 7.25, 7.4000000001):
        log.append(review.CorrectDiameter(lesion=lesion, ends_lps_mm=((x - half, y, z), (x + half, y, z))))
    when = dt.datetime(2025, 3, 1, 12, tzinfo=dt.UTC)
    log.append(
        review.SetStatus(lesion=ref(history, 1, 2), visit=visit_ref(history, 2), status=LesionWord.NE),
        reason="motion",
        time=when,
    )
    same = ref(history, 2, 3)
    for half in (3.0, RADII[2]):
        x, y, z = same.place_lps_mm
        log.append(review.CorrectDiameter(lesion=same, ends_lps_mm=((x - half, y, z), (x + half, y, z))))
    replay_result(out)
    audit = cohort(out, "audit")
    rows = [
        tuple(row) for row in audit[["field", "timepoint", "track_id", "old", "new", "reason"]].astype(object).values
    ]
    track = {t.lesions[0][1]: t.track_id for t in history.tracks}
    assert rows[0][:5] == ("longest_diameter_mm", 1, track[1], "12.0", "14.8")
    assert rows[1] == ("status", 2, track[2], "PRESENT", "NE", "motion")
    assert len(rows) == 2
    assert list(audit["reader"]) == ["anna", "anna"]
    assert audit.iloc[1]["time"] == "2025-03-01T12:00:00.000000Z"
    assert (out / "cohort" / "audit.csv").is_file()
    assert list(cohort(out, "decisions")["state"]) == ["SUPERSEDED"] * 2 + ["APPLIED"] * 2 + ["SUPERSEDED", "APPLIED"]


def test_decisions_find_their_lesions_after_a_rerun_under_other_numbers(out: Path) -> None:
    """Another engine numbers lesions otherwise and links them otherwise: what was decided still stands."""
    history = growing()
    log = DecisionLog(out, "A", "anna")
    log.append(review.Unlink(earlier=ref(history, 1, 4), later=ref(history, 2, 4)))
    log.append(review.Link(earlier=ref(history, 1, 4), later=ref(history, 2, 5)))
    log.append(review.SetNewness(lesion=ref(history, 3, 50), newness=NewStatus.EQUIVOCAL), reason="MODALITY_CHANGE")
    replay_result(out)
    before = cohort(out, "audit")[["field", "timepoint", "new", "reason"]]
    first = event(out, "A")
    rerun(out, "A", renumbered(history, 80))
    assert not (subject_folder(out, "A") / "readings").exists()
    done = replay_result(out)
    assert (done.failures, done.changed) == (0, True)
    assert set(cohort(out, "decisions")["state"]) == {"APPLIED"}
    pd.testing.assert_frame_equal(cohort(out, "audit")[["field", "timepoint", "new", "reason"]], before)
    assert event(out, "A") == first
    links = cohort(out, "links").query("subject_id == 'A' and author == 'anna'")
    assert [(r.timepoint_from, r.lesion_from, r.timepoint_to, r.lesion_to) for r in links.itertuples()] == [
        (1, 76, 2, 75)
    ]


def test_one_subject_alone_and_one_that_is_not_there(out: Path) -> None:
    for subject_id in ("A", "B"):
        DecisionLog(out, subject_id, "anna").append(review.Reject(lesion=ref(growing(), 3, 50)), reason="biopsy")
    replay_result(out, subjects=["B"])
    assert (event(out, "A")[1], event(out, "B")[1]) == (1, 0)
    with pytest.raises(StudyError, match="no such subject"):
        replay_result(out, subjects=["C"])


def test_a_killed_replay_is_done_again(out: Path) -> None:
    """Killed after the reading and before the cohort was written: the next one finishes it."""
    DecisionLog(out, "A", "anna").append(review.Reject(lesion=ref(growing(), 3, 50)), reason="biopsy track")
    before = {name: (out / "cohort" / f"{name}.parquet").read_bytes() for name in ("events", "responses")}
    record = (out / "run.json").read_text()
    replay_result(out)
    wanted = {name: digest for name, (_, digest) in files_of(out).items()}
    for name, held in before.items():
        (out / "cohort" / f"{name}.parquet").write_bytes(held)
    (out / "run.json").write_text(record)
    assert replay_result(out).changed
    assert {name: digest for name, (_, digest) in files_of(out).items()} == wanted
