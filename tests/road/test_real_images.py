"""The road on real images: NIfTI CT and MR with a liver mask, and a catalogue of everything there is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd

from tests.road.conftest import lesiontrack


def test_run_on_nifti_ct_and_mr_with_a_liver_mask(shared_data: Path, tmp_path: Path) -> None:
    """TotalSegmentator's label 5 is the liver and label 4, the gallbladder, stands in for a lesion."""
    source = shared_data / "imaging" / "totalseg"
    study = tmp_path / "study"
    for subject, image, labels in (
        ("CT-1", "example_ct_sm.nii.gz", "example_seg.nii.gz"),
        ("MR-1", "example_mr_sm.nii.gz", "example_seg_mr.nii.gz"),
    ):
        folder = study / "images" / subject / "2024-01-15"
        folder.mkdir(parents=True)
        shutil.copy(source / image, folder / "scan.nii.gz")
        shutil.copy(source / labels, folder / "scan_seg.nii.gz")
    (study / "study.toml").write_text("[labels]\nliver = 5\nhepatic = [4]\n")
    (study / "clinical").mkdir()
    (study / "clinical" / "subjects.csv").write_text(
        "subject_id,arm,diagnosis_date,enrolment_date,treatment_start_date,death_date,last_alive_date\n"
        "CT-1,LOCAL,2023-10-01,2024-01-20,2024-02-01,,2024-06-01\n"
        "MR-1,CHEMO,2023-11-01,2024-01-20,2024-02-01,,2024-06-01\n"
    )
    done = lesiontrack("run", study, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    scans = pd.read_parquet(tmp_path / "out" / "cohort" / "scans.parquet").set_index("subject_id")
    assert scans["modality"].to_dict() == {"CT-1": "CT", "MR-1": "MR"}
    assert scans["measured"].all()
    lesions = pd.read_parquet(tmp_path / "out" / "cohort" / "lesions.parquet")
    assert set(lesions["subject_id"]) <= {"CT-1", "MR-1"}
    assert len(lesions) >= 1
    assert lesions["longest_diameter_mm"].between(5, 120).all()
    assert (tmp_path / "out" / "report" / "index.html").is_file()


def test_label_maps_without_labels_are_refused(shared_data: Path, tmp_path: Path) -> None:
    """NIfTI without [labels] is unusable: exit code 2, and the line says what to write."""
    folder = tmp_path / "study" / "images" / "A" / "2024-01-15"
    folder.mkdir(parents=True)
    shutil.copy(shared_data / "imaging" / "totalseg" / "example_ct_sm.nii.gz", folder / "scan.nii.gz")
    shutil.copy(shared_data / "imaging" / "totalseg" / "example_seg.nii.gz", folder / "scan_seg.nii.gz")
    done = lesiontrack("run", tmp_path / "study", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "[labels]" in done.stderr


def test_index_lists_or_refuses_every_file(shared_data: Path, tmp_path: Path) -> None:
    """Over all the imaging there is: no crash, and every file is in a volume, or listed with a reason."""
    done = lesiontrack("index", shared_data / "imaging", "--out", tmp_path / "out")
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    scans = pd.read_parquet(tmp_path / "out" / "scans.parquet")
    assert len(scans) >= 5
    assert {"CT", "MR"} <= set(scans["modality"])
    notices = json.loads((tmp_path / "out" / "files.json").read_text())
    assert len(notices) >= 30
    assert all(notice["reason"] for notice in notices)
    # A second look opens nothing and says the same.
    again = lesiontrack("index", shared_data / "imaging", "--out", tmp_path / "out")
    assert again.returncode == done.returncode
    assert ", 0 opened," in again.stdout
    assert again.stdout.splitlines()[1:] == done.stdout.splitlines()[1:]
