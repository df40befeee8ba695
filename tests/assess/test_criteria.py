"""The door for criteria: RECIST 1.1 goes through it, and so does a toy criterion from outside."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lesiontrack.assess import AssessSettings, by_every_criterion, criteria, judge
from lesiontrack.batch.reads import assess_reads
from lesiontrack.errors import SettingsError
from lesiontrack.io.store import read_table
from tests.assess.build import Builder, day
from tests.cases import treatment_phase
from tests.cases.catalogue import by_name

TOY = '''
"""A criterion that knows only progressive disease."""
from dataclasses import replace

from lesiontrack.assess import assess
from lesiontrack.domain.outcome import Response


def toy(reads, settings):
    found = assess(reads, settings, rules="toy")
    return replace(found, visits=tuple(replace(visit, overall=Response.PD) for visit in found.visits))


number = 3
'''


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make an installed package beside the project, and forget it afterwards."""
    (tmp_path / "toy_criterion.py").write_text(TOY)
    (tmp_path / "toy_criterion-1.0.dist-info").mkdir()
    (tmp_path / "toy_criterion-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    criteria.cache_clear()
    yield tmp_path / "toy_criterion-1.0.dist-info" / "entry_points.txt"
    criteria.cache_clear()
    sys.modules.pop("toy_criterion", None)


def test_the_three_rule_sets_of_the_contract_are_registered() -> None:
    assert list(criteria())[:3] == ["recist11-local", "recist11", "recist11-as-measured"]


def test_a_criterion_from_outside_judges_beside_recist(outside: Path) -> None:
    outside.write_text("[lesiontrack.criteria]\ntoy = toy_criterion:toy\n")
    found = judge(Builder([day(1), day(60)]).track(30, 20).build(), AssessSettings())
    assert found.study is not None
    overall = {name: assessment.visits[0].overall.value for name, assessment in found.study.assessments.items()}
    assert overall == {"recist11-local": "PR", "recist11": "PR", "recist11-as-measured": "PR", "toy": "PD"}
    assert found.study.assessments["toy"].rules == "toy"


def test_a_criterion_from_outside_is_stored_beside_recist_for_reads_without_images(
    outside: Path, tmp_path: Path
) -> None:
    outside.write_text("[lesiontrack.criteria]\ntoy = toy_criterion:toy\n")
    case = by_name("exactly 30 % below is PR").document()
    (tmp_path / "cases.json").write_text(json.dumps({"cases": [case]}), encoding="utf-8")
    assert assess_reads(tmp_path / "cases.json", tmp_path / "out", settings_file=None) == 0
    rows = read_table(tmp_path / "out" / "cohort", "responses").to_dict("records")
    first = {row["rules"]: row["overall"] for row in rows if row["timepoint"] == 1}
    assert first == {"recist11-local": "PR", "recist11": "PR", "recist11-as-measured": "PR", "toy": "PD"}


def test_the_project_s_own_rule_sets_differ_where_a_lesion_was_treated_and_nowhere_else() -> None:
    name = "a new lesion that the plan treated progresses from the day on which it is seen again"
    treated = next(case for case in treatment_phase.CASES if case.name == name)
    found = by_every_criterion(treated.reads(), treated.settings())
    assert {name: found[name].rules for name in found} == {name: name for name in found}
    assert [visit.overall for visit in found["recist11-local"].visits] == ["NE", "REBASELINE", "PD"]
    assert [visit.overall for visit in found["recist11"].visits] == ["NE", "NE", "PD"]
    untreated = by_name("exactly 30 % below is PR")
    found = by_every_criterion(untreated.reads(), untreated.settings())
    assert {name: found[name].rules for name in found} == {name: name for name in found}
    assert len({assessment.visits for assessment in found.values()}) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("toy = toy_criterion:none", "cannot be loaded"),
        ("toy = no_such_module:toy", "cannot be loaded"),
        ("toy = toy_criterion:number", "is no function"),
        ("recist11 = toy_criterion:toy", "registered twice"),
    ],
)
def test_a_door_that_does_not_open_is_an_error_that_names_it(outside: Path, line: str, said: str) -> None:
    outside.write_text(f"[lesiontrack.criteria]\n{line}\n")
    with pytest.raises(SettingsError, match=said):
        criteria()
