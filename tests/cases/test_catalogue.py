"""Every named timeline is assessed as the rule book says."""

from __future__ import annotations

import pytest

from lesiontrack.assess import assess
from lesiontrack.io.reads import CaseResult, case_document
from tests.cases.catalogue import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_named_timeline(case: Case) -> None:
    found = assess(case.reads(), case.settings())
    assert [(v.target, v.non_target, v.overall) for v in found.visits] == list(case.expected)
    document = case_document(CaseResult(case_id=case.name, assessment=found))
    assert {key: document[key] for key in case.outcome} == dict(case.outcome)


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
