"""The named timelines and censoring cases through the command line, as the contract (section 5) has it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tests.cases.catalogue import ANY
from tests.cases.every import CASES
from tests.cases.test_censoring_catalogue import PFS, SD56, START, pfs
from tests.running import lesiontrack


def test_assess_gives_every_named_timeline_its_expected_outcome(tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    # A byte order mark and a case that cannot be assessed stop no other.
    wrong = {**CASES[0].document(), "id": "wrong", "treatment_start": "soon"}
    text = json.dumps({"cases": [wrong, *(case.document() for case in CASES)]})
    file.write_text(text, encoding="utf-8-sig")
    done = lesiontrack("assess", file, "--out", tmp_path / "out")
    assert done.returncode == 1, done.stderr
    first, *found = json.loads((tmp_path / "out" / "assessments.json").read_text(encoding="utf-8"))["cases"]
    assert first == {"id": "wrong", "error": first["error"]}
    assert "treatment_start is no date" in first["error"]
    assert [one["id"] for one in found] == [case.name for case in CASES]
    for case, one in zip(CASES, found, strict=True):
        for point, wanted in zip(one["timepoints"], case.expected, strict=True):
            got = (point["target"], point["nontarget"], point["overall"])
            assert all(right in (ANY, left) for left, right in zip(got, wanted, strict=True)), (case.name, point["tp"])
        assert {key: one[key] for key in case.outcome} == dict(case.outcome), case.name
    cohort = tmp_path / "out" / "cohort"
    subjects = pd.read_parquet(cohort / "subjects.parquet")
    assert list(subjects["subject_id"]) == [case.name for case in CASES]
    assert set(subjects["treatment_start_date"]) == {START.isoformat()}
    assert list(pd.read_parquet(cohort / "failures.parquet")["subject_id"]) == ["wrong"]
    responses = pd.read_parquet(cohort / "responses.parquet")
    judged = sum(len(case.expected) for case in CASES)
    rule_sets = ("recist11-local", "recist11", "recist11-as-measured")
    assert responses["rules"].value_counts().to_dict() == dict.fromkeys(rule_sets, judged)


def test_endpoints_judges_censoring_cases_and_tells_which_cannot_be(tmp_path: Path) -> None:
    file, out = tmp_path / "cases.json", tmp_path / "out"
    good = [{"id": name, **case} for name, case, _, _ in PFS]
    wrong = {"id": "wrong", **pfs(SD56, pd_date=112, death_date=100)}
    file.write_text(json.dumps({"pfs": [*good, wrong]}), encoding="utf-8")
    done = lesiontrack("endpoints", "--cases", file, "--out", out)
    assert done.returncode == 1, done.stderr
    assert "wrong: progression after death" in done.stderr
    found = json.loads((out / "censoring.json").read_text(encoding="utf-8"))
    assert found["competing"] == []
    assert [(one["id"], one["fda"]["days"], one["ema"]["days"]) for one in found["pfs"][:-1]] == [
        (name, fda[0], ema[0]) for name, _, fda, ema in PFS
    ]
    assert list(pd.read_parquet(out / "cohort" / "failures.parquet")["subject_id"]) == ["wrong"]
    # Put right, it leaves no row behind.
    file.write_text(json.dumps({"pfs": [{"id": "wrong", **pfs(SD56, pd_date=112)}]}), encoding="utf-8")
    done = lesiontrack("endpoints", "--cases", file, "--out", out)
    assert done.returncode == 0, done.stderr
    assert pd.read_parquet(out / "cohort" / "failures.parquet").empty
