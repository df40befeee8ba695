"""Every named timeline is assessed as the rule book says."""

from __future__ import annotations

import pytest

from tests.cases.catalogue import Case
from tests.cases.every import CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_named_timeline(case: Case) -> None:
    assert case.differences() == []


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
