"""Images that were moved since the run are found again by their series, or said to be gone; save replays."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lesiontrack.errors import LesiontrackError, StudyError
from lesiontrack.io.store import read_table
from lesiontrack_napari.deciding import Deciding
from lesiontrack_napari.opening import replay_command
from lesiontrack_napari.session import Session, open_case
from tests.reading import SUBJECT, make_result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``study`` and ``out``; never write into it."""
    return make_result(tmp_path_factory.mktemp("reading"), others=False).parent


@pytest.fixture
def both(made: Path, tmp_path: Path) -> Path:
    """Return a copy of both folders, for one test."""
    return Path(shutil.copytree(made, tmp_path / "here"))


def _first_slice(out: Path, study: Path | None = None) -> np.ndarray:
    session = Session(open_case(out, SUBJECT, study=study), "anna")
    return session.images.volume(session.scans(0)[0]).voxels


def test_both_folders_moved_together_need_no_word(both: Path, made: Path) -> None:
    """The run's own files are out of reach for the copy: they are hidden for the time of the test."""
    expected = _first_slice(made / "out")
    hidden = made / "study.away"
    (made / "study").rename(hidden)
    try:
        np.testing.assert_array_equal(_first_slice(both / "out"), expected)
    finally:
        hidden.rename(made / "study")


def test_moved_images_are_asked_for_and_found_by_their_series(both: Path, made: Path) -> None:
    """Their files have other names too."""
    expected = _first_slice(made / "out")
    elsewhere = both / "archive" / "study"
    shutil.copytree(both / "study", elsewhere)
    for number, file in enumerate(sorted(elsewhere.rglob("*.dcm"), reverse=True)):
        file.rename(file.with_name(f"renamed{number:05d}.dcm"))
    shutil.rmtree(both / "study")
    hidden = made / "study.away"
    (made / "study").rename(hidden)
    try:
        with pytest.raises(StudyError, match=r"no longer where the run found them.*--study STUDY"):
            open_case(both / "out", SUBJECT)
        np.testing.assert_array_equal(_first_slice(both / "out", elsewhere), expected)
    finally:
        hidden.rename(made / "study")


def test_a_study_without_a_measured_series_is_refused(both: Path) -> None:
    """The error names subject, visit and what is missing."""
    case = open_case(both / "out", SUBJECT)
    scan = next(scan for scan in case.machine.visit(2).scans if scan.measured)
    inside = Path(scan.files[0]).parent
    study = both / "study"
    at = next(path for path in study.rglob(inside.name) if path.is_dir() and scan.date.isoformat() in str(path))
    shutil.rmtree(at)
    with pytest.raises(LesiontrackError, match=rf"{SUBJECT}.*{scan.date.isoformat()}.*does not hold a measured series"):
        open_case(both / "out", SUBJECT, study=study)


def test_what_save_runs_brings_the_endpoints_up_to_the_decisions(both: Path) -> None:
    """A new lesion is progression at visit 1; rejected wherever it is seen, the targets' growth is it, at visit 3."""
    out = both / "out"
    session = Session(open_case(out, SUBJECT), "anna")
    assert _progression(out) == ("machine", "2020-03-02")
    new = next(track for track in session.history.tracks if track.first_timepoint == 1)
    for timepoint, number in new.lesions:
        track = session.track_of(timepoint, number)
        session.select(None if track is None else track.track_id)
        session.current = timepoint
        Deciding(session).reject("a vessel")
    done = subprocess.run([sys.executable, *replay_command(out, SUBJECT)], check=False, capture_output=True)
    assert done.returncode in (0, 1), done.stderr.decode()
    assert _progression(out) == ("anna", "2020-07-06")
    assert "2020-07-06" in session.verdicts[0].progression


def _progression(out: Path) -> tuple[str, str]:
    events = read_table(out / "cohort", "events")
    row = events[events["endpoint"] == "PFS"].iloc[0]
    return str(row["reader"]), str(row["date"])[:10]
