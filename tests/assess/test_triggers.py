"""Lesions and scans that a trigger names: the scan's own identifier where it has one, else its date."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lesiontrack.assess import assess
from lesiontrack.domain.outcome import Trigger
from tests.cases.catalogue import ONE, WITH_N, Case, by_name, new, on, visit

SCAN = "1.2.840.7"


def last_triggers(case: Case, scan: str) -> tuple[Trigger, ...]:
    """Return the triggers of the last visit, when all that is read there comes from one scan."""
    reads = case.reads()
    last = reads.visits[-1]
    last = replace(
        last,
        targets=tuple(replace(x, scan=scan) for x in last.targets),
        nontargets=tuple(replace(x, scan=scan) for x in last.nontargets),
        new=tuple(replace(x, scan=scan) for x in last.new),
        sites=tuple(replace(x, scan=scan) for x in last.sites),
    )
    found = assess(replace(reads, visits=(*reads.visits[:-1], last)), case.settings())
    return found.visits[-1].triggers


CASES = (
    Case(name="NEW", rule="9", lesions=ONE, visits=[visit(T1=20), visit([new()], T1=20)], expected=()),
    Case(
        name="NON-TARGET",
        rule="9",
        lesions=WITH_N,
        visits=[visit(T1=20, n={"N1": "PRESENT"}), visit(T1=20, n={"N1": "UNEQUIVOCAL"})],
        expected=(),
    ),
    Case(
        name="LTP",
        rule="9",
        lesions=ONE,
        treated=(("T1", "ABLATION", 2),),
        visits=[visit(T1=20), visit(sites={"T1": "LTP"})],
        expected=(),
    ),
    Case(
        name="REAPPEARANCE",
        rule="7",
        lesions=ONE,
        visits=[visit(T1=20), visit(T1="ABSENT"), visit(T1=3)],
        expected=(),
    ),
    Case(name="TARGET", rule="9", lesions=ONE, visits=[visit(T1=20), visit(T1=30)], expected=()),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trigger_names_its_scan_or_the_date_of_it(case: Case) -> None:
    day = case.days[len(case.visits) - 1]
    for scan, named in ((SCAN, SCAN), ("", on(day))):
        assert [(t.kind.value, t.scans) for t in last_triggers(case, scan)] == [(case.name, (named,))]


def test_a_progression_by_normal_nodes_names_all_that_was_measured() -> None:
    case = by_name("a sum progression by normal nodes alone has no site")
    (trigger,) = assess(case.reads(), case.settings()).pd_triggers
    assert (trigger.lesions, trigger.compartments) == (("T1", "T2"), ())
