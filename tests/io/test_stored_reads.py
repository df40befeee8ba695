"""What ``assess`` stores of reads without images: every rule set side by side, outcomes with reasons, queries."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from lesiontrack.batch.reads import assess_reads
from lesiontrack.errors import StudyError
from lesiontrack.io.store import read_table
from tests.cases.catalogue import ONE, Case, on, visit

RULES = ["recist11-local", "recist11", "recist11-as-measured"]
CLEAN = {"T1": "NO_VIABLE"}

TREATED = Case(
    name="treated",
    rule="",
    treated=[("T1", "RESECTION", 2)],
    visits=[
        visit(T1=30, T2=20),
        visit(T2=20, sites=CLEAN, rebaseline=True),
        visit(T2=20, sites=CLEAN),
        visit(T2=27, sites=CLEAN),
    ],
    expected=(),
)
UNTREATED = Case(name="untreated", rule="", lesions=ONE, visits=[visit(T1=30), visit(T1=20), visit(T1=20)], expected=())


def stored(tmp_path: Path, *cases: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Assess cases and return the rows of each table, and the documents."""
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": cases}), encoding="utf-8")
    assert assess_reads(path, tmp_path / "out", settings_file=None) == sum("bad" in case for case in cases)
    names = ("responses", "outcomes", "queries", "subjects", "failures")
    tables = {name: read_table(tmp_path / "out" / "cohort", name).to_dict("records") for name in names}
    documents = json.loads((tmp_path / "out" / "assessments.json").read_text(encoding="utf-8"))["cases"]
    return {**tables, "documents": documents}


def overall(rows: list[dict[str, Any]], subject_id: str, rules: str) -> list[str]:
    return [row["overall"] for row in rows if (row["subject_id"], row["rules"]) == (subject_id, rules)]


def test_three_rule_sets_are_stored_side_by_side(tmp_path: Path) -> None:
    found = stored(tmp_path, TREATED.document(), UNTREATED.document())
    rows = found["responses"]
    assert [row["subject_id"] for row in rows] == ["treated"] * 9 + ["untreated"] * 6
    assert overall(rows, "treated", "recist11-local") == ["REBASELINE", "SD", "PD"]
    assert overall(rows, "treated", "recist11") == ["NE", "NE", "NE"]
    # The resected lesion counts 0: 20 of 50 mm.
    assert overall(rows, "treated", "recist11-as-measured") == ["PR", "PR", "PD"]
    for rules in RULES:
        assert overall(rows, "untreated", rules) == ["PR", "PR"]
    assert [(row["subject_id"], row["rules"]) for row in found["outcomes"]] == [
        (name, rules) for name in ("treated", "untreated") for rules in RULES
    ]
    assert [row["subject_id"] for row in found["subjects"]] == ["treated", "untreated"]


def test_an_outcome_holds_durations_and_reasons(tmp_path: Path) -> None:
    rows = {(row["subject_id"], row["rules"]): row for row in stored(tmp_path, UNTREATED.document())["outcomes"]}
    row = rows["untreated", "recist11-local"]
    assert (row["bor_unconfirmed"], row["bor_confirmed"], row["disease_control"]) == ("PR", "PR", True)
    assert (row["response_days"], row["response_ended"], row["baseline_sum_mm"]) == (56, False, 30)
    lasted = {"start": on(56), "end": on(112), "days": 56, "event": False, "reason": "LAST_ADEQUATE"}
    assert json.loads(row["duration_of_response"]) == lasted
    assert json.loads(row["disease_control_at_days"]) == {"84": True}
    reasons = {reason["rule"]: reason for reason in json.loads(row["reasons"])}
    assert reasons["bor.confirmed"]["scans"] == [on(56), on(112)]


@pytest.mark.parametrize(
    ("mode", "wanted"), [("rebaseline", "SD"), ("strict_ne", "NE"), ("as_measured", "PR")], ids=lambda x: str(x)
)
def test_a_case_shows_the_rule_set_that_it_asks_for_and_all_are_stored(tmp_path: Path, mode: str, wanted: str) -> None:
    found = stored(tmp_path, {**TREATED.document(), "options": {"local_mode": mode}})
    (document,) = found["documents"]
    assert document["timepoints"][1]["overall"] == wanted
    assert overall(found["responses"], "treated", "recist11-local") == ["REBASELINE", "SD", "PD"]
    assert overall(found["responses"], "treated", "recist11") == ["NE", "NE", "NE"]


def test_the_document_of_a_case_says_how_long_and_why(tmp_path: Path) -> None:
    case = {**UNTREATED.document(), "death_date": "2024-08-01"}
    (document,) = stored(tmp_path, case)["documents"]
    assert document["duration_of_response"]["end"] == "2024-08-01"
    assert document["duration_of_response"]["reason"] == "DEATH"
    assert document["duration_of_stable_disease"] is None
    assert [reason["rule"] for reason in document["reasons"]] == ["bor.unconfirmed", "bor.confirmed"]


def test_queries_and_failures_have_their_rows_and_the_others_go_on(tmp_path: Path) -> None:
    small = replace_sizes(UNTREATED, 8)
    bad = {**UNTREATED.document(), "id": "bad one", "bad": True, "treatment_start": "soon"}
    found = stored(tmp_path, small, bad, TREATED.document())
    assert [(row["subject_id"], row["code"]) for row in found["queries"]] == [("untreated", "TARGET_NOT_MEASURABLE")]
    (failure,) = found["failures"]
    assert (failure["subject_id"], failure["stage"]) == ("bad one", "assess")
    assert "treatment_start" in failure["message"]
    assert "error" in found["documents"][1]
    assert {row["subject_id"] for row in found["outcomes"]} == {"untreated", "treated"}


def replace_sizes(case: Case, size: int) -> dict[str, Any]:
    document = case.document()
    for point in document["timepoints"]:
        point["targets"] = {"T1": {"mm": size}}
    return document


def test_nothing_is_left_behind_where_tables_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "sdtm").mkdir()
    (tmp_path / "sdtm" / "tr.csv").write_text("USUBJID\n", encoding="utf-8")
    with pytest.raises(StudyError, match="no domain TU"):
        assess_reads(tmp_path / "sdtm", tmp_path / "out", settings_file=None)
    assert list((tmp_path / "out").glob("rs.csv*")) == []


def test_every_evaluator_of_sdtm_tables_has_every_rule_set(tmp_path: Path) -> None:
    folder = tmp_path / "sdtm"
    folder.mkdir()
    tumours = [
        {"USUBJID": "S1", "TULNKID": "T01", "TUSTRESC": "TARGET", "TULOC": "LIVER", "TUEVALID": reader}
        for reader in ("R1", "R2")
    ]
    results = [
        {"USUBJID": "S1", "TRLNKID": "T01", "TRTESTCD": "LDIAM", "TRSTRESC": size, "TRDTC": date, "TREVALID": reader}
        for reader, sizes in (("R1", ("30", "20")), ("R2", ("30", "30")))
        for size, date in zip(sizes, ("2024-01-02", "2024-03-04"), strict=True)
    ]
    for name, rows in (("tu", tumours), ("tr", results)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    assert assess_reads(folder, tmp_path / "out", settings_file=None) == 0
    stored_rows = read_table(tmp_path / "out" / "cohort", "outcomes").to_dict("records")
    assert [(row["reader"], row["rules"], row["bor_unconfirmed"]) for row in stored_rows] == [
        (reader, rules, best) for reader, best in (("R1", "PR"), ("R2", "SD")) for rules in RULES
    ]
