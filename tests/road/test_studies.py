"""Studies that nobody tidied: what the tables say of them, to the letter of the contract."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from lesiontrack.io.store import subject_folder
from lesiontrack.tables import COHORT_TABLES
from tests.road.conftest import Ran, lesiontrack
from tests.road.small import PATIENT_NAME, Place, SmallStudy, six

BOTH = six(20, 24)
LUNG = (Place((60.0, -10.0, 110.0), 18.0, "LUNG"),)


def _write(study: SmallStudy) -> Path:
    start = {"treatment_start_date": "2020-03-01", "enrolment_date": "2020-02-20", "ecog": "1"}
    for date, chest in (("2020-01-01", "2020-01-08"), ("2020-02-20", "2020-03-01")):
        study.scan("volumes", date, BOTH, modality="MR", slices=26)
        study.scan("volumes", chest, LUNG, name="c", bottom_mm=60, slices=20, liver=False, body_part="CHEST")
    study.subject("volumes", **start)
    for date in ("2020-03-01", "2020-03-04"):
        study.scan("day-of", date, BOTH, slices=26)
    study.subject("day-of", **{**start, "arm": "Arm C"})
    study.scan("gap", "2020-02-01", BOTH, slices=26)
    study.scan("gap", "2020-04-01", BOTH, slices=26, segmented=False)
    study.subject("gap", **start)
    study.scan("blind", "2020-02-01", BOTH, slices=26, segmented=False)
    study.subject("blind", **start)
    study.scan("late/Ü", "2020-05-01", BOTH, slices=26)
    study.subject("late/Ü", **start)
    for date in ("2020-02-01", "2020-05-01"):
        study.scan("=1+1", date, BOTH, slices=26)
    study.subject("=1+1", **start)
    new = {"subject_id": "=1+1", "site": "LUNG", "role": "NEW", "status": "UNEQUIVOCAL"}
    study.row("findings", **new, date="2020-05-01", lesion="lung 1", longest_diameter_mm="11.5")
    study.row("findings", **new, date="2020-09-01", lesion="lung 2", longest_diameter_mm="12")
    study.row("coverage", subject_id="volumes", date="2020-03-01", region="CHEST", assessed="N")
    study.subject("paper", **start, death_date="2021-01-01", last_alive_date="2021-01-01")
    return study.write()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Return a run over all of them."""
    study = _write(SmallStudy(tmp_path_factory.mktemp("untidy") / "study"))
    out = study.parent / "out"
    done = lesiontrack("run", study, "--out", out, "--workers", "2")
    return Ran(study=study, out=out, code=done.returncode, said=done.stdout + done.stderr)


def _of(ran: Ran, table: str, subject_id: str) -> list[dict[str, Any]]:
    rows = ran.table(table)
    plain = rows[rows["subject_id"] == subject_id].astype(object)
    return [{str(k): v for k, v in row.items()} for row in plain.where(plain.notna(), None).to_dict("records")]


def test_volumes_of_two_weeks_are_one_visit_and_no_lesion_counts_twice(ran: Ran) -> None:
    """Liver MR and chest CT a week apart: one visit, dated by the last; each lesion on its own scan."""
    visits = _of(ran, "timepoints", "volumes")
    assert [(v["date"], v["phase"], v["n_hepatic"], v["n_extrahepatic"]) for v in visits] == [
        ("2020-01-08", "INDUCTION", 2, 1),
        ("2020-03-01", "BOTH", 2, 1),
    ]
    assert "CHEST" in json.loads(visits[0]["regions_assessed"])
    assert "CHEST" not in json.loads(visits[1]["regions_assessed"])
    lesions = _of(ran, "lesions", "volumes")
    assert {(x["site"], x["date"]) for x in lesions if x["timepoint"] == 0} == {
        ("LIVER", "2020-01-01"),
        ("LUNG", "2020-01-08"),
    }
    assert len({x["track_id"] for x in lesions}) == 3
    (subject,) = _of(ran, "subjects", "volumes")
    assert subject["last_adequate_extrahepatic"] == "2020-01-08"


def test_a_scan_on_the_day_of_treatment_is_the_baseline_and_one_after_it_is_not(ran: Ran) -> None:
    """No visit spans treatment start, though three days apart."""
    visits = _of(ran, "timepoints", "day-of")
    assert [(v["date"], v["phase"]) for v in visits] == [("2020-03-01", "BOTH"), ("2020-03-04", "STUDY")]
    (subject,) = _of(ran, "subjects", "day-of")
    assert (subject["arm"], subject["disease_control"]) == ("Arm C", "NOT ASSESSED")


def test_a_visit_without_a_segmentation_is_no_visit_without_lesions(ran: Ran) -> None:
    """It stays, unusable, with a row in failures; nothing is counted there."""
    last = _of(ran, "timepoints", "gap")[-1]
    assert (last["usable"], last["n_hepatic"], bool(last["problem"])) == (False, None, True)
    assert json.loads(last["regions_assessed"]) == []
    assert [(f["timepoint"], f["stage"]) for f in _of(ran, "failures", "gap")] == [(1, "segmentation")]


@pytest.mark.parametrize("subject_id", ["blind", "late/Ü"])
def test_a_subject_without_a_usable_baseline_is_a_failure_and_nothing_is_invented(ran: Ran, subject_id: str) -> None:
    """Its visits stay known; count, control and response are not assessed."""
    assert any(
        "baseline" in f["message"] or "no visit can be used" in f["message"] for f in _of(ran, "failures", subject_id)
    )
    assert len(_of(ran, "timepoints", subject_id)) == 1
    (subject,) = _of(ran, "subjects", subject_id)
    assert (subject["count_hepatic"], subject["count_eligible"]) == (None, "UNCERTAIN")
    assert (subject["disease_control"], subject["eligible"], subject["pd_date"]) == ("NOT ASSESSED", "UNCERTAIN", None)


def test_a_subject_of_the_clinical_tables_alone_has_its_line_and_its_survival(ran: Ran) -> None:
    """No image, no failure: death is known, the image endpoints are null with a reason."""
    (subject,) = _of(ran, "subjects", "paper")
    assert (subject["death_date"], subject["eligible"]) == ("2021-01-01", "UNCERTAIN")
    events = {row["endpoint"]: row for row in _of(ran, "events", "paper")}
    assert (events["OS"]["status"], events["OS"]["date"]) == (1, "2021-01-01")
    assert (events["HEPATIC_PD"]["status"], events["HEPATIC_PD"]["reason"]) == (None, "NO_IMAGES")
    assert not _of(ran, "failures", "paper")


def test_a_reader_sees_what_no_segmentation_shows(ran: Ran) -> None:
    """An unequivocal new lung lesion is extrahepatic progression; a row that lies in no visit is a failure."""
    (subject,) = _of(ran, "subjects", "=1+1")
    assert (subject["pd_date"], subject["pd_site"]) == ("2020-05-01", "EXTRAHEPATIC")
    assert subject["first_hepatic_pd_date"] is None
    assert any("2020-09-01" in failure["message"] for failure in _of(ran, "failures", "=1+1"))
    assert {row["ecog"] for row in _of(ran, "events", "=1+1")} == {"1"}


def test_every_table_is_there_in_both_forms_with_its_columns(ran: Ran) -> None:
    """Parquet and CSV, for the cohort and for each subject."""
    for name, declared in COHORT_TABLES.items():
        parquet = ran.table(name)
        text = pd.read_csv(ran.out / "cohort" / f"{name}.csv", dtype="string", keep_default_na=False)
        assert (
            list(parquet.columns)[: len(declared.columns)]
            == list(declared.columns)
            == list(text)[: len(declared.columns)]
        )
        assert len(parquet) == len(text)
    assert "'=1+1" in set(pd.read_csv(ran.out / "cohort" / "subjects.csv", dtype="string")["subject_id"])
    assert json.loads((ran.out / "status.json").read_text())["state"] == "finished"
    assert ran.code == 1


def test_label_maps_hold_lesion_numbers(ran: Ran) -> None:
    """A voxel at a lesion's centre, found by its place in the scan's own coordinates, has the lesion's number."""
    folder = subject_folder(ran.out, "volumes")
    maps = [sitk.ReadImage(str(path)) for path in sorted(folder.glob("lesions_t00*.nii.gz"))]
    assert len(maps) == 2
    for lesion in _of(ran, "lesions", "volumes"):
        if lesion["timepoint"] == 0:
            found = [_label_at(image, [lesion[f"{axis}_lps_mm"] for axis in "xyz"]) for image in maps]
            assert lesion["lesion_id"] in found
    assert json.loads((folder / "provenance.json").read_text())["subject_id"] == "volumes"
    assert (folder / "transforms.npz").is_file()


def _label_at(image: sitk.Image, place: list[float]) -> int:
    index = image.TransformPhysicalPointToIndex(place)
    inside = all(0 <= i < n for i, n in zip(index, image.GetSize(), strict=True))
    return int(image[index]) if inside else 0


def test_nothing_names_the_patient(ran: Ran) -> None:
    """No part of the name or the comments is in any file of the result, its name, or what the run said."""
    words = [*PATIENT_NAME.split("^"), "the mill"]
    for word in words:
        assert word.lower() not in ran.said.lower()
    for path in ran.out.rglob("*"):
        assert not any(word.lower() in path.name.lower() for word in words)
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as arrays:
                    content = b"".join(arrays[name].tobytes() for name in arrays.files)
            assert not any(word.lower().encode() in content.lower() for word in words), path


def test_one_subject_alone_gives_the_same_tables(ran: Ran, tmp_path: Path) -> None:
    """``--subject`` in a folder of its own: byte for byte what the whole run says of it; then nothing is left to do."""
    out = tmp_path / "out"
    lesiontrack("run", ran.study, "--out", out, "--subject", "=1+1")
    for path in sorted(subject_folder(ran.out, "=1+1").glob("*.csv")):
        if path.name != "registrations.csv":  # holds the seconds that it took
            assert path.read_bytes() == (subject_folder(out, "=1+1") / path.name).read_bytes(), path.name
    again = lesiontrack("run", ran.study, "--out", out, "--subject", "=1+1")
    assert "0 done, 1 already done" in again.stderr
    assert lesiontrack("run", ran.study, "--out", out, "--subject", "nobody").returncode == 2


def test_events_derived_anew_hold_until_the_next_run(ran: Ran, tmp_path: Path) -> None:
    """``endpoints`` with a later death: dates and events follow, failures stay; a run then takes its own tables."""
    out, clinical = tmp_path / "out", tmp_path / "clinical"
    shutil.copytree(ran.out, out)
    shutil.copytree(ran.out / "clinical", clinical)
    text = (clinical / "subjects.csv").read_text(encoding="utf-8")
    (clinical / "subjects.csv").write_text(text.replace("2021-01-01", "2021-03-03"), encoding="utf-8")
    lesiontrack("endpoints", out, "--clinical", clinical)
    anew = Ran(study=ran.study, out=out, code=1, said="")
    assert {row["death_date"] for row in _of(anew, "subjects", "paper")} == {"2021-03-03"}
    assert "2021-03-03" in {row["date"] for row in _of(anew, "events", "paper")}
    assert len(anew.table("failures")) == len(ran.table("failures"))
    done = lesiontrack("run", ran.study, "--out", out)
    assert "0 done, 6 already done" in done.stderr
    for name in COHORT_TABLES:
        assert (out / "cohort" / f"{name}.csv").read_bytes() == (ran.out / "cohort" / f"{name}.csv").read_bytes()
