"""The worklist: what to read first, and what a reader must not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lesiontrack.errors import StudyError
from lesiontrack.io.store import write_table
from lesiontrack.tables import frame
from lesiontrack_napari.worklist import Wanted, entries, shown, with_share

CASES = {"A": (0.9, "LOCAL", "LIVER"), "B": (0.3, "CHEMO", "LUNG"), "C": (0.6, "LOCAL", "LIVER")}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a cohort of three cases whose least sure links differ."""
    fixed = {"usable": True, "date": "2024-01-01"}
    timepoints = [{"subject_id": name, "timepoint": t, **fixed} for name in CASES for t in (0, 1)]
    links = [
        {"subject_id": name, "timepoint_from": 0, "lesion_from": 1, "timepoint_to": 1, "lesion_to": 1}
        | {"kind": "SAME", "distance_mm": 1.0, "confidence": sure, "author": "machine"}
        for name, (sure, _, _) in CASES.items()
    ]
    tracks = [
        {"subject_id": name, "track_id": "L01", "tracking_uid": "1.2", "site": site, "compartment": "HEPATIC"}
        | {"first_timepoint": 0, "last_seen_timepoint": 1, "fate": "PERSISTS", "needs_review": sure < 0.5}
        for name, (sure, _, site) in CASES.items()
    ]
    subjects = [{"subject_id": name, "arm": arm} for name, (_, arm, _) in CASES.items()]
    rows: dict[str, list[dict[str, Any]]] = {
        "timepoints": timepoints,
        "links": links,
        "tracks": tracks,
        "subjects": subjects,
    }
    for name, found in rows.items():
        write_table(tmp_path / "cohort", name, frame(name, found))
    return tmp_path


def test_unread_first_and_the_least_sure_first(out: Path) -> None:
    listed = entries(out, {"B": 1.0, "C": 0.5}, hide_arm=True)
    assert [(entry.subject_id, entry.status) for entry in listed] == [("A", "unread"), ("C", "begun"), ("B", "read")]
    assert [entry.subject_id for entry in entries(out, {}, hide_arm=True)] == ["B", "C", "A"]
    assert [entry.to_review for entry in entries(out, {}, hide_arm=True)] == [1, 0, 0]


def test_a_case_that_was_read_goes_down_the_list(out: Path) -> None:
    listed = with_share(entries(out, {}, hide_arm=True), "B", 1.0)
    assert [(entry.subject_id, entry.status) for entry in listed] == [("C", "unread"), ("A", "unread"), ("B", "read")]


def test_the_arm_is_known_only_where_it_may_be(out: Path) -> None:
    assert {entry.arm for entry in entries(out, {}, hide_arm=True)} == {""}
    assert {entry.arm for entry in entries(out, {}, hide_arm=False)} == {"LOCAL", "CHEMO"}


def test_filters_narrow_and_keep_the_order(out: Path) -> None:
    listed = entries(out, {"A": 0.5}, hide_arm=False)
    assert [entry.subject_id for entry in shown(listed, Wanted(arm="LOCAL"))] == ["C", "A"]
    assert [entry.subject_id for entry in shown(listed, Wanted(site="lung"))] == ["B"]
    assert [entry.subject_id for entry in shown(listed, Wanted(status="begun"))] == ["A"]
    assert [entry.subject_id for entry in shown(listed, Wanted(text="c"))] == ["C"]


def test_a_folder_without_a_cohort_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no case to read"):
        entries(tmp_path, {}, hide_arm=True)
