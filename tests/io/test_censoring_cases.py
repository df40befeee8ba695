"""Files of censoring cases: the reference cases exactly, and what a bad case or file does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lesiontrack.errors import StudyError
from lesiontrack.io.censoring_cases import read_censoring_cases
from lesiontrack.survival.censor_cases import censoring_document

PFS: dict[str, Any] = {
    "id": "A",
    "treatment_start": "2024-01-08",
    "interval_days": 56,
    "window_days": 7,
    "baseline": True,
    "assessments": [{"date": "2024-03-04", "overall": "SD"}],
    "pd_date": None,
    "death_date": None,
    "new_therapy_date": None,
    "clinical_progression_date": None,
}


def judged(tmp_path: Path, document: object) -> dict[str, list[dict[str, Any]]]:
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return censoring_document(read_censoring_cases(file))


def test_reference_cases_are_exact(shared_data: Path) -> None:
    file = shared_data / "recist" / "golden_censoring_dev.json"
    expected = json.loads(file.read_text(encoding="utf-8"))
    found = censoring_document(read_censoring_cases(file))
    compared = 0
    for kind in ("pfs", "competing"):
        assert [case["id"] for case in found[kind]] == [case["id"] for case in expected[kind]]
        for ours, reference in zip(found[kind], expected[kind], strict=True):
            assert {key: ours[key] for key in reference["expected"]} == reference["expected"], ours["id"]
            compared += 1
    assert compared == len(expected["pfs"]) + len(expected["competing"]) > 0


def test_progression_after_death_carries_an_error_and_the_others_go_on(tmp_path: Path) -> None:
    wrong = PFS | {"id": "B", "pd_date": "2024-06-01", "death_date": "2024-05-01"}
    found = judged(tmp_path, {"pfs": [wrong, PFS]})["pfs"]
    assert (found[0]["fda"], found[0]["ema"]) == (None, None)
    assert "progression after death" in found[0]["error"]
    assert "B" in found[0]["error"]
    assert found[1]["fda"] == {"date": "2024-03-04", "event": 0, "reason": "LAST_ADEQUATE", "days": 56}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"treatment_start": None}, "treatment_start is missing"),
        ({"treatment_start": "08/01/2024"}, "treatment_start is no date"),
        ({"interval_days": "56"}, "interval_days is no whole number"),
        ({"interval_days": 0}, "positive interval"),
        ({"baseline": "yes"}, "true or false"),
        ({"assessments": {"date": "2024-03-04"}}, "assessments is no list"),
        ({"assessments": ["2024-03-04"]}, "an assessment is an object"),
        ({"assessments": [{"overall": "SD"}]}, "date is missing"),
        ({"assessments": [{"date": "2024-03-04", "overall": "STABLE"}]}, "unknown overall response"),
        ({"assessments": [{"date": "2024-03-04", "overall": "PD"}]}, "pd_date is empty"),
        ({"death_date": "2023-12-01"}, "death before the start"),
    ],
)
def test_a_case_that_cannot_be_judged_says_why(tmp_path: Path, change: dict[str, object], text: str) -> None:
    case = judged(tmp_path, {"pfs": [PFS | change]})["pfs"][0]
    assert case["fda"] is None
    assert text in case["error"]


def test_a_case_that_is_no_object_is_named_by_its_place(tmp_path: Path) -> None:
    assert judged(tmp_path, {"pfs": [PFS, 7]})["pfs"][1]["id"] == "#2"


def test_competing_case_after_death_has_an_error(tmp_path: Path) -> None:
    case = {
        "id": "C",
        "treatment_start": "2024-01-08",
        "first_hepatic_pd_date": "2024-05-01",
        "death_date": "2024-04-01",
    }
    found = judged(tmp_path, {"competing": [case]})["competing"][0]
    assert found["any_liver"] is None
    assert "hepatic progression after death" in found["error"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pfs": 3}', "{not json"])
def test_a_file_without_cases_is_unusable(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cases.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=r"cases"):
        read_censoring_cases(file)


def test_a_missing_file_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be read"):
        read_censoring_cases(tmp_path / "none.json")
