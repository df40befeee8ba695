"""What is damaged ends in failures with its stage; the others are complete; what is unusable is one clear line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pydicom
import pytest

from tests.road.conftest import Ran, lesiontrack


def _few_visits(study: Path, target: Path, subjects: int, visits: int) -> list[str]:
    """Copy the first visits of the first subjects; return their ids."""
    shutil.copytree(study / "clinical", target / "clinical")
    shutil.copy(study / "study.toml", target / "study.toml")
    names = sorted(path.name for path in (study / "images").iterdir())[:subjects]
    for name in names:
        for visit in sorted((study / "images" / name).iterdir())[:visits]:
            shutil.copytree(visit, target / "images" / name / visit.name)
    return names


def _segmentation(folder: Path) -> Path:
    """Return a visit's DICOM SEG."""
    found = [p for p in sorted(folder.rglob("*")) if p.is_file() and _modality(p) == "SEG"]
    assert found
    return found[0]


def _modality(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).Modality)


@pytest.fixture(scope="module")
def damaged(sample_scans: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, list[str]]:
    """Return a run on four subjects: a cut slice, a SEG that references nothing, no clinical row, and a sound one."""
    study = tmp_path_factory.mktemp("damaged") / "study"
    names = _few_visits(sample_scans, study, subjects=4, visits=2)
    cut, foreign, missing, _ = names
    last_visit = sorted((study / "images" / cut).iterdir())[-1]
    slices = [p for p in sorted(last_visit.rglob("*")) if p.is_file() and _modality(p) == "CT"]
    middle = slices[len(slices) // 2]
    middle.write_bytes(middle.read_bytes()[: middle.stat().st_size // 2])
    seg = _segmentation(sorted((study / "images" / foreign).iterdir())[-1])
    dataset = pydicom.dcmread(seg)
    for series in dataset.ReferencedSeriesSequence:
        series.SeriesInstanceUID = "1.2.3.4"
        for instance in series.ReferencedInstanceSequence:
            instance.ReferencedSOPInstanceUID = "1.2.3.4.5"
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        for derivation in frame.DerivationImageSequence:
            for source in derivation.SourceImageSequence:
                source.ReferencedSOPInstanceUID = "1.2.3.4.5"
    dataset.save_as(seg)
    subjects = pd.read_csv(study / "clinical" / "subjects.csv", dtype="string")
    subjects[subjects["subject_id"] != missing].to_csv(study / "clinical" / "subjects.csv", index=False)
    out = study.parent / "out"
    done = lesiontrack("run", study, "--out", out, "--workers", "2")
    return Ran(study=study, out=out, code=done.returncode, said=done.stdout + done.stderr), names


def test_exit_code_1_and_no_traceback(damaged: tuple[Ran, list[str]]) -> None:
    """The job is done, with rows in failures."""
    ran, _ = damaged
    assert ran.code == 1, ran.said
    assert "Traceback" not in ran.said


def test_each_failure_names_subject_stage_and_message(damaged: tuple[Ran, list[str]]) -> None:
    """The cut file, the foreign SEG and the missing row are told apart; the sound subject has none."""
    ran, (cut, foreign, missing, sound) = damaged
    failures = ran.table("failures").groupby("subject_id")
    said = {str(name): (set(rows["stage"]), " ".join(rows["message"])) for name, rows in failures}
    assert set(said) == {cut, foreign, missing}, said
    assert said[missing][0] == {"clinical"}
    assert "subjects" in said[missing][1]
    assert all(stage for stages, _ in said.values() for stage in stages)
    assert ran.table("failures").loc[lambda t: t["subject_id"] == cut, "timepoint"].notna().any()
    assert sound not in said


def test_the_others_are_complete_and_the_visit_is_unusable(damaged: tuple[Ran, list[str]]) -> None:
    """A damaged visit stays in timepoints as unusable; everything else is measured."""
    ran, (cut, foreign, missing, sound) = damaged
    visits = ran.table("timepoints").set_index(["subject_id", "timepoint"])
    assert len(visits) == 8
    for subject_id in (cut, foreign):
        assert visits.loc[(subject_id, 0), "usable"]
        assert not visits.loc[(subject_id, 1), "usable"]
        assert visits.loc[(subject_id, 1), "problem"]
    assert all(visits.loc[(name, timepoint), "usable"] for name in (missing, sound) for timepoint in (0, 1))
    lesions = ran.table("lesions").groupby("subject_id")["timepoint"].agg(set)
    assert lesions[sound] == lesions[missing] == {0, 1}
    assert lesions[cut] == lesions[foreign] == {0}
    assert (ran.out / "report" / "index.html").is_file()


def test_a_mended_study_is_taken_up_again(damaged: tuple[Ran, list[str]], sample_scans: Path) -> None:
    """A second run on the mended study does just the two subjects whose input changed."""
    ran, (cut, foreign, *_) = damaged
    for name in (cut, foreign):
        shutil.rmtree(ran.study / "images" / name)
        for visit in sorted((sample_scans / "images" / name).iterdir())[:2]:
            shutil.copytree(visit, ran.study / "images" / name / visit.name)
    shutil.copy(sample_scans / "clinical" / "subjects.csv", ran.study / "clinical" / "subjects.csv")
    done = lesiontrack("run", ran.study, "--out", ran.out, "--workers", "2")
    assert "1 already done" in done.stderr
    assert done.returncode == 0, (done.stderr, ran.table("failures")["message"].tolist())
    assert ran.table("timepoints")["usable"].all()


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda folder: None, "no study folder"),
        (lambda folder: folder.mkdir(), "no subject"),
        (lambda folder: (folder.mkdir(), (folder / "study.toml").write_text("nonsense = 1")), "nonsense"),
        (lambda folder: (folder.mkdir(), (folder / "study.toml").write_text("[labels\n")), "settings"),
    ],
    ids=["absent", "empty", "unknown setting", "broken settings"],
)
def test_an_unusable_study_is_one_clear_line(tmp_path: Path, build: object, said: str) -> None:
    """Exit code 2, one line, no traceback."""
    study = tmp_path / "study"
    build(study)  # type: ignore[operator]
    done = lesiontrack("run", study, "--out", tmp_path / "out")
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("lesiontrack:")]
    assert len(lines) == 1
    assert said in lines[0]
    assert "Traceback" not in done.stderr


def test_results_never_go_among_the_images_or_over_other_files(sample_scans: Path, tmp_path: Path) -> None:
    """A mistyped --out cannot harm anybody's folder."""
    (tmp_path / "thesis.txt").write_text("mine")
    for out in (tmp_path, sample_scans / "images" / "out"):
        done = lesiontrack("run", sample_scans, "--out", out)
        assert done.returncode == 2
        assert str(out) in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert not (sample_scans / "images" / "out").exists()
