"""Case files: streaming, spelling, and a clear message for everything that is wrong with one case."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesiontrack.assess import AssessSettings
from lesiontrack.errors import StudyError
from lesiontrack.io.json_stream import stream_items
from lesiontrack.io.reads import AssessmentsWriter, assess_cases, case_document


def case(**changes: Any) -> dict[str, Any]:
    """Return a case of two visits, with members replaced."""
    return {
        "id": "S1",
        "treatment_start": "2024-01-08",
        "options": {},
        "lesions": [
            {"id": "T1", "role": "TARGET", "organ": "LIVER", "node": False},
            {"id": "N1", "role": "NON-TARGET", "organ": "LUNG", "node": False},
        ],
        "local_treatment": [],
        "timepoints": [
            {"date": "2024-01-02", "targets": {"T1": {"mm": 30}}, "nontargets": {"N1": "PRESENT"}},
            {"date": "2024-03-04", "targets": {"T1": {"mm": 20}}, "nontargets": {"N1": "PRESENT"}},
        ],
        **changes,
    }


def good(name: str = "S2") -> dict[str, Any]:
    return {**case(), "id": name}


def assessed(tmp_path: Path, *cases: Any, **more: Any) -> list[dict[str, Any]]:
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": list(cases), **more}), encoding="utf-8")
    return [case_document(result) for result in assess_cases(path, AssessSettings())]


def visit(index: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["timepoints"][index] = {**document["timepoints"][index], **changes}

    return change


def member(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(changes)


LESION = {"id": "T1", "role": "TARGET", "organ": "LIVER", "node": False}

BAD: list[tuple[str, Callable[[dict[str, Any]], None], tuple[str, ...]]] = [
    ("a visit before the baseline", visit(1, date="2023-12-31"), ("visit 2023-12-31", "date", "before the baseline")),
    ("two visits on one day", visit(1, date="2024-01-02"), ("visit 2024-01-02", "dates out of order")),
    ("a negative diameter", visit(1, targets={"T1": {"mm": -3}}), ("visit 2024-03-04", "targets.T1.mm", "negative")),
    ("a decimal comma", visit(1, targets={"T1": {"mm": "12,5"}}), ("visit 2024-03-04", "targets.T1.mm", "comma")),
    ("a word for a length", visit(1, targets={"T1": {"mm": "big"}}), ("targets.T1.mm", "no number")),
    ("not a number", visit(1, targets={"T1": {"mm": float("nan")}}), ("targets.T1.mm", "no number")),
    ("a truth value for a length", visit(1, targets={"T1": {"mm": True}}), ("targets.T1.mm", "no number")),
    ("an implausible length", visit(1, targets={"T1": {"mm": 20001}}), ("visit 2024-03-04", "T1", "not plausible")),
    ("an unknown state", visit(1, targets={"T1": {"state": "SMALL"}}), ("targets.T1.state", "SMALL")),
    ("two forms at once", visit(1, targets={"T1": {"mm": 3, "state": "NE"}}), ("targets.T1", "several")),
    ("no parts", visit(1, targets={"T1": {"parts": []}}), ("targets.T1.parts", "empty")),
    ("a negative part", visit(1, targets={"T1": {"parts": [3, -1]}}), ("targets.T1.parts", "negative")),
    ("a target that is none", visit(1, targets={"T9": {"mm": 3}}), ("visit 2024-03-04", "targets", "T9")),
    ("a non-target as target", visit(1, targets={"N1": {"mm": 3}}), ("visit 2024-03-04", "targets", "N1")),
    (
        "a lesion measured twice",
        visit(1, targets={"T1": {"mm": 3}, "T1/T1": {"mm": 3}}),
        ("visit 2024-03-04", "T1/T1"),
    ),
    ("an unknown non-target", visit(1, nontargets={"N9": "PRESENT"}), ("nontargets", "N9")),
    ("an unknown non-target status", visit(1, nontargets={"N1": "GROWN"}), ("nontargets.N1", "GROWN")),
    ("an unknown site status", visit(1, treated_sites={"T1": "FINE"}), ("treated_sites.T1", "FINE")),
    (
        "an unknown new status",
        visit(1, new=[{"id": "X1", "organ": "LUNG", "status": "MAYBE"}]),
        ("new.status", "MAYBE"),
    ),
    ("a new lesion without an organ", visit(1, new=[{"id": "X1", "status": "UNEQUIVOCAL"}]), ("new.organ of X1",)),
    (
        "a new lesion at the baseline",
        visit(0, new=[{"id": "X1", "organ": "LUNG", "status": "UNEQUIVOCAL"}]),
        ("visit 2024-01-02", "new lesion at the baseline", "X1"),
    ),
    ("a date that is none", visit(1, date="2024-02-30"), ("visit 2024-02-30", "date", "YYYY-MM-DD")),
    ("a lesion date that is none", visit(1, lesion_dates={"T1": "4.3.24"}), ("lesion_dates.T1", "YYYY-MM-DD")),
    ("a rebaseline that is neither", visit(1, rebaseline="yes"), ("rebaseline", "yes")),
    ("an unknown role", member(lesions=[{**LESION, "role": "INDEX"}]), ("lesions.role of T1", "INDEX")),
    ("a duplicate lesion", member(lesions=[LESION, LESION]), ("duplicate lesion in lesions", "T1")),
    ("a lesion without an organ", member(lesions=[{"id": "T1", "role": "TARGET"}]), ("lesions.organ of T1",)),
    ("a node that is neither", member(lesions=[{**LESION, "node": "no"}]), ("lesions.node of T1",)),
    ("an unknown option", member(options={"pd_percent": 25}), ("option pd_percent",)),
    ("an option out of bounds", member(options={"pr_pct": 130}), ("option pr_pct", "130")),
    (
        "an unknown method",
        member(local_treatment=[{"lesion": "T1", "method": "HEAT", "date": "2024-01-10"}]),
        ("HEAT",),
    ),
    ("no visits", member(timepoints=[]), ("no timepoints",)),
    ("visits that are no list", member(timepoints={}), ("timepoints is no list",)),
    ("a start that is no date", member(treatment_start="soon"), ("treatment_start", "soon")),
]


@pytest.mark.parametrize(("change", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_wrong_is_said_and_the_other_subjects_go_on(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], said: tuple[str, ...]
) -> None:
    bad = case()
    change(bad)
    found = assessed(tmp_path, good("S0"), bad, good("S2"))
    assert [set(document) >= {"error"} for document in found] == [False, True, False]
    for words in ("subject S1", *said):
        assert words in found[1]["error"]


def test_a_name_twice_in_one_object_is_a_duplicate(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    text = json.dumps({"cases": [case(), good()]})
    path.write_text(text.replace('"targets": {"T1": {"mm": 20}}', '"targets": {"T1": {"mm": 20}, "T1": {"mm": 9}}', 1))
    found = [case_document(result) for result in assess_cases(path, AssessSettings())]
    assert "targets holds one name twice" in found[0]["error"]
    assert "visit 2024-03-04" in found[0]["error"]
    assert "error" not in found[1]


def test_an_id_twice_or_missing(tmp_path: Path) -> None:
    found = assessed(tmp_path, case(), case(), {"lesions": []}, 7)
    assert "id occurs twice" in found[1]["error"]
    assert (found[2]["id"], found[3]["id"]) == ("case 2", "case 3")
    assert "id is missing" in found[2]["error"] and "id is missing" in found[3]["error"]


def test_a_target_without_a_baseline_value_is_a_data_error_and_still_has_a_result(tmp_path: Path) -> None:
    bad = case()
    bad["timepoints"][0]["targets"] = {}
    found = assessed(tmp_path, bad)[0]
    assert found["timepoints"][0]["target"] == "NE"
    assert found["queries"][0]["code"] == "TARGET_WITHOUT_BASELINE"
    assert found["queries"][0]["severity"] == "DATA_ERROR"
    assert found["queries"][0]["lesions"] == ["T1"]
    assert "2024-01-02" in found["queries"][0]["text"]


def test_numbers_keep_every_decimal(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    text = json.dumps({"cases": [case()]}).replace('{"mm": 30}', '{"mm": 33.0}').replace('{"mm": 20}', '{"mm": 23.1}')
    path.write_text(text)
    found = next(iter(assess_cases(path, AssessSettings())))
    assert found.assessment is not None
    assert str(found.assessment.visits[0].sum_mm) == "23.1"
    assert found.assessment.visits[0].target == "PR"


def test_organs_are_spelled_with_a_space_or_an_underscore(tmp_path: Path) -> None:
    for organ in ("LYMPH NODE", "LYMPH_NODE", "lymph node"):
        lesions = [{"id": "T1", "role": "TARGET", "organ": organ, "node": True}]
        points = [
            {"date": "2024-01-02", "targets": {"T1": {"mm": 20}}},
            {"date": "2024-03-04", "targets": {"T1": {"mm": 30}}},
        ]
        assert assessed(tmp_path, case(lesions=lesions, timepoints=points))[0]["pd_site"] == "EXTRAHEPATIC"


def test_the_defaults_of_the_file_are_options_of_every_case(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    path.write_text(
        json.dumps({"meta": {"defaults": {"pr_pct": 40}}, "cases": [case(), case(id="S2", options={"pr_pct": 30})]})
    )
    found = [case_document(result) for result in assess_cases(path, AssessSettings())]
    assert [document["timepoints"][0]["target"] for document in found] == ["SD", "PR"]


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"cases": [case()]}).encode())
    assert [result.error for result in assess_cases(path, AssessSettings())] == [None]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "file ends too early"),
        ("[]", "'{'"),
        ("{}", "no case file"),
        ('{"cases": {"id": 1}}', "no list"),
        ('{"cases": [{"id": 1}', "file ends too early"),
        ('{"cases": [{"id": 1} {"id": 2}]}', "comma"),
        ('{"cases": [{"id": }]}', "at character 18"),
        ('{"cases": [] "x": 1}', "comma"),
        ("{cases: []}", "at character 1"),
    ],
)
def test_a_file_that_is_no_case_file_is_refused_as_a_whole(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "cases.json"
    path.write_text(content)
    with pytest.raises(StudyError) as caught:
        list(assess_cases(path, AssessSettings()))
    assert said in str(caught.value)
    assert "cases.json" in str(caught.value)


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be read"):
        list(assess_cases(tmp_path / "none.json", AssessSettings()))
    (tmp_path / "binary.json").write_bytes(b'{"cases": ["\xff\xfe"]}')
    with pytest.raises(StudyError, match="not UTF-8"):
        list(assess_cases(tmp_path / "binary.json", AssessSettings()))


def test_an_empty_list_of_cases_is_no_error(tmp_path: Path) -> None:
    assert assessed(tmp_path) == []


def test_items_are_whole_wherever_a_chunk_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "items.json"
    items = [{"n": n, "text": "ä" * n, "list": [1.5, None, True]} for n in range(40)]
    path.write_text(
        json.dumps({"before": 12345, "cases": items, "after": [1, 2]}, ensure_ascii=False), encoding="utf-8"
    )
    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr("lesiontrack.io.json_stream._CHUNK", size)
        found = list(stream_items(path, "cases"))
        assert [m.key for m in found] == ["before", *["cases"] * 40, "after"]
        assert found[0].value == 12345
        assert [m.value["n"] for m in found if m.is_item] == list(range(40))


def test_the_writer_writes_whole_files_only(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": [case(), {"id": "bad"}]}))
    out = tmp_path / "out" / "assessments.json"
    with AssessmentsWriter(out) as writer:
        for result in assess_cases(path, AssessSettings()):
            writer.add(result)
    assert (writer.n_cases, writer.n_errors) == (2, 1)
    document = json.loads(out.read_text())
    assert [entry["id"] for entry in document["cases"]] == ["S1", "bad"]
    assert document["cases"][0]["timepoints"][0] | {"reasons": []} == {
        "tp": 1,
        "date": "2024-03-04",
        "target": "PR",
        "nontarget": "NON-CR/NON-PD",
        "overall": "PR",
        "sum_mm": 20,
        "reasons": [],
    }
    with pytest.raises(RuntimeError, match="stop"), AssessmentsWriter(out):
        raise RuntimeError("stop")
    assert json.loads(out.read_text()) == document
    assert [path.name for path in out.parent.iterdir()] == ["assessments.json"]


@pytest.mark.parametrize(
    ("mode", "rules"),
    [("rebaseline", "recist11-local"), ("strict_ne", "recist11"), ("as_measured", "recist11-as-measured")],
)
def test_a_case_is_stored_under_the_rule_set_that_its_option_names(tmp_path: Path, mode: str, rules: str) -> None:
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": [case(options={"local_mode": mode})]}))
    (result,) = assess_cases(path, AssessSettings())
    assert result.assessment is not None
    assert result.assessment.rules == rules
    assert str(result.assessment.treatment_start) == "2024-01-08"


def test_a_member_of_a_mass_may_be_said_to_be_not_done(tmp_path: Path) -> None:
    lesions = [{"id": name, "role": "TARGET", "organ": "LIVER", "node": False} for name in ("T1", "T2")]
    points = [
        {"date": "2024-01-02", "targets": {"T1": {"mm": 20}, "T2": {"mm": 10}}},
        {"date": "2024-03-04", "targets": {"T1/T2": {"mm": 21}, "T1": {"state": "NE"}, "T2": {"state": "NE"}}},
        {"date": "2024-04-29", "targets": {"T1/T2": {"mm": 21}, "T1": {"mm": 12}}},
    ]
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": [case(lesions=lesions, timepoints=points[:2])]}))
    (result,) = assess_cases(path, AssessSettings())
    assert case_document(result)["timepoints"][0]["target"] == "PR"
    path.write_text(json.dumps({"cases": [case(lesions=lesions, timepoints=[points[0], points[2]])]}))
    (result,) = assess_cases(path, AssessSettings())
    assert "duplicate lesion in targets" in str(result.error)


def test_responses_may_be_dated_by_the_earliest_scan(tmp_path: Path) -> None:
    """Section 9: 28 days between the last scans of two visits, 27 between their earliest ones."""
    points = [
        {"date": "2024-01-02", "targets": {"T1": {"mm": 30}}, "nontargets": {"N1": "PRESENT"}},
        {"date": "2024-03-04", "targets": {"T1": {"mm": 20}}, "nontargets": {"N1": "PRESENT"}},
        {
            "date": "2024-04-01",
            "targets": {"T1": {"mm": 20}},
            "nontargets": {"N1": "PRESENT"},
            "lesion_dates": {"T1": "2024-03-31"},
        },
    ]
    path = tmp_path / "cases.json"
    for option, expected in (("last_scan", "PR"), ("earliest_scan", "SD"), ("earliest", "SD")):
        path.write_text(json.dumps({"cases": [case(options={"response_date": option}, timepoints=points)]}))
        (result,) = assess_cases(path, AssessSettings())
        assert case_document(result)["bor_confirmed"] == expected, option
