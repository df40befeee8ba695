"""Worker processes that never come back: one failed subject, and the others are done all the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lesiontrack.batch.pool import Job, Outcome, process_all, subject_key
from lesiontrack.io.study import open_study
from lesiontrack.settings import Settings, load_settings
from tests.road.small import SmallStudy, six


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return a study of two subjects, a visit each."""
    study = SmallStudy(tmp_path / "study")
    for subject in "AB":
        study.scan(subject, "2020-01-06", six(20, 24), slices=10, bottom_mm=-25.0)
    return study.write()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_hangs_on_reading_fails_its_subject_alone(study: Path, tmp_path: Path, workers: int) -> None:
    settings, out = Settings(), tmp_path / "out"
    subjects = open_study(study, settings.archive, settings.labels).subjects
    hanging = Path(subjects[0].visits[0].scans[0].files[3])
    hanging.unlink()
    # A read of it waits for a writer that never comes, as one from a lost network mount does.
    os.mkfifo(hanging)
    # The other one has no limit here, however busy the machine is; in a run it has the same.
    limits = {"A": 3.0, "B": 0.0}
    jobs = [
        Job(
            subject=subject,
            settings=Settings.model_validate({"run": {"subject_limit_s": limits[subject.subject_id]}}),
            out=out,
            key=subject.subject_id,
        )
        for subject in subjects
    ]
    found: dict[str, Outcome] = {}
    process_all(jobs, workers=workers, done=lambda outcome: found.update({outcome.subject_id: outcome}))
    assert {name: outcome.state for name, outcome in found.items()} == {"A": "failed", "B": "done"}
    (problem,) = found["A"].problems
    assert (problem.error, problem.stage) == ("TookTooLong", "observe")
    assert "longer than 3 s" in problem.message and "subject_limit_s" in problem.message
    assert (out / "subjects" / "B" / "provenance.json").is_file()


def test_the_limit_changes_no_key_and_can_be_named_without_its_section(study: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("subject_limit_s = 60\n", encoding="utf-8")
    settings = load_settings(tmp_path / "settings.toml")
    assert settings.run.subject_limit_s == 60.0
    subject = open_study(study, settings.archive, settings.labels).subjects[0]
    assert subject_key(subject, settings) == subject_key(subject, Settings())
