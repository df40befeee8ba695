"""What a baseline lacks is said, and the subject is judged nevertheless (response rules, sections 2 to 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lesiontrack.assess import assess
from lesiontrack.domain.outcome import Query
from tests.cases.catalogue import Case, visit

LIVER = {"T1": "LIVER"}
NODE = {"T1": "LYMPH NODE"}


def queries(lesions: Mapping[str, str], **sizes: Any) -> list[Query]:
    case = Case(name="made here", rule="", lesions=lesions, visits=[visit(**sizes)] * 2, expected=())
    return list(assess(case.reads(), case.settings()).queries)


@pytest.mark.parametrize(
    ("lesions", "size", "said"),
    [
        (LIVER, "9.9", "9.9 mm is below 10 mm"),
        (LIVER, "10.0", None),
        (LIVER, "TSTM", "5 mm is below 10 mm"),
        (LIVER, "ABSENT", "0 mm is below 10 mm"),
        (NODE, "9.9", "short axis 9.9 mm is below 10 mm"),
        (NODE, "14.9", "14.9 mm is below 15 mm"),
        (NODE, "15.0", None),
    ],
)
def test_a_target_that_is_too_small_to_be_one(lesions: Mapping[str, str], size: object, said: str | None) -> None:
    found = queries(lesions, T1=size)
    if said is None:
        assert found == []
        return
    (query,) = found
    assert (query.code, query.timepoint, query.lesions) == ("TARGET_NOT_MEASURABLE", 0, ("T1",))
    assert query.text.endswith(said)


def test_five_targets_and_two_an_organ_are_allowed_and_no_more() -> None:
    five = {"T1": "LIVER", "T2": "LIVER", "T3": "LUNG", "T4": "LUNG", "T5": "BONE"}
    assert queries(five, **dict.fromkeys(five, 20)) == []
    (many,) = queries({**five, "T6": "BRAIN"}, **dict.fromkeys([*five, "T6"], 20))
    assert (many.code, many.lesions) == ("TOO_MANY_TARGETS", ("T1", "T2", "T3", "T4", "T5", "T6"))
    assert many.text == "6 targets, more than 5"
    liver = {"T1": "LIVER", "T2": "LUNG", "T3": "LIVER", "T4": "LIVER"}
    (crowded,) = queries(liver, **dict.fromkeys(liver, 20))
    assert (crowded.code, crowded.lesions) == ("TOO_MANY_TARGETS_IN_ORGAN", ("T1", "T3", "T4"))
    assert crowded.text == "3 targets in LIVER, more than 2"


def test_nodes_are_one_organ_and_so_is_a_pair() -> None:
    nodes = {"T1": "lymph node", "T2": "LYMPH_NODE", "T3": "LYMPH NODES"}
    assert [query.code for query in queries(nodes, **dict.fromkeys(nodes, 20))] == ["TOO_MANY_TARGETS_IN_ORGAN"]
    lungs = {"T1": "LUNG", "T2": "LEFT LUNG", "T3": "RIGHT LUNG"}
    assert [query.code for query in queries(lungs, **dict.fromkeys(lungs, 20))] == ["TOO_MANY_TARGETS_IN_ORGAN"]


def test_a_target_without_a_value_is_a_data_error_of_the_baseline() -> None:
    case = Case(
        name="made here",
        rule="",
        lesions={"T1": "LIVER", "T2": "LUNG"},
        visits=[visit(T1=20, T2="NE"), visit(T1=20, T2=20)],
        expected=(),
    )
    (query,) = assess(case.reads(), case.settings()).queries
    assert (query.code, query.severity, query.lesions) == ("TARGET_WITHOUT_BASELINE", "DATA_ERROR", ("T2",))
    assert (query.timepoint, "2024-01-02" in query.text) == (0, True)


def test_a_baseline_without_a_treatment_start_is_not_too_old() -> None:
    case = Case(name="made here", rule="", lesions=LIVER, days=(-400, 56), visits=[visit(T1=20)] * 2, expected=())
    found = assess(replace(case.reads(), treatment_start=None), case.settings()).queries
    assert [(query.code, query.severity) for query in found] == [("NO_TREATMENT_START", "DATA_ERROR")]


def test_a_baseline_after_treatment_start_says_by_how_much() -> None:
    case = Case(name="made here", rule="", lesions=LIVER, days=(3, 56), visits=[visit(T1=20)] * 2, expected=())
    (query,) = assess(case.reads(), case.settings()).queries
    assert (query.code, query.severity, query.text) == (
        "BASELINE_AFTER_START",
        "DATA_ERROR",
        "baseline 3 days after treatment start",
    )
