"""What a judged visit shows beside its categories: sums compared, phase, new lesions, what came after progression."""

from __future__ import annotations

from decimal import Decimal

from lesiontrack.assess import assess
from lesiontrack.domain.outcome import VisitResponse
from tests.cases.catalogue import BOTH_TREATED, CLEAN, EQ, ONE, ONLY_N, Case, new, visit

SITE = {"T1": "NO_VIABLE"}


def judged(case: Case) -> tuple[VisitResponse, ...]:
    return assess(case.reads(), case.settings()).visits


def sums(found: VisitResponse) -> tuple[Decimal | int | None, ...]:
    return found.sum_mm, found.baseline_sum_mm, found.nadir_sum_mm, found.nadir_timepoint


def test_visits_after_the_first_progression_are_marked() -> None:
    case = Case(name="", rule="7", lesions=ONE, visits=[visit(T1=size) for size in (30, 30, 40, 31, 31)], expected=())
    assert [v.overall.value for v in judged(case)] == ["SD", "PD", "SD", "SD"]
    assert [v.post_pd for v in judged(case)] == [False, False, True, True]


def test_the_sums_that_a_visit_is_compared_with() -> None:
    case = Case(name="", rule="4", visits=[visit(T1=30, T2=20), visit(T1=25, T2=20), visit(T1=26, T2=20)], expected=())
    assert [sums(v) for v in judged(case)] == [(45, 50, 50, 0), (46, 50, 45, 1)]


def test_without_targets_there_is_no_sum() -> None:
    status = {"N1": "PRESENT", "N2": "PRESENT"}
    case = Case(name="", rule="7 table 2", lesions=ONLY_N, visits=[visit(n=status), visit(n=status)], expected=())
    assert [sums(v) for v in judged(case)] == [(None, None, None, None)]


def test_only_a_rebaseline_that_leaves_targets_has_a_sum_in_the_treatment_phase() -> None:
    case = Case(
        name="",
        rule="10 rebaseline 2",
        treated=(("T1", "ABLATION", 2),),
        visits=[
            visit(T1=30, T2=20),
            visit(T2=20, sites=SITE),
            visit(T2=19, rebaseline=True, sites=SITE),
            visit(T2=18, sites=SITE),
        ],
        expected=(),
    )
    none = (None, None, None, None)
    assert [sums(v) for v in judged(case)] == [none, (19, 19, None, None), (18, 19, 19, 2)]
    assert [v.treatment_phase for v in judged(case)] == [True, True, False]
    nothing_left = Case(
        name="",
        rule="10 rebaseline 2",
        treated=BOTH_TREATED,
        visits=[visit(T1=30, T2=20), visit(rebaseline=True, sites=CLEAN)],
        expected=(),
    )
    assert [sums(v) for v in judged(nothing_left)] == [none]


def test_a_complete_sum_is_not_shown_while_a_treated_site_waits_for_its_second_rebaseline() -> None:
    case = Case(
        name="",
        rule="10 rebaseline 2 and 5",
        treated=(("T1", "ABLATION", 2), ("T1", "ABLATION", 60)),
        visits=[
            visit(T1=30, T2=20),
            visit(T2=20, rebaseline=True, sites={"T1": "RESIDUAL"}),
            visit(T2=20, sites=SITE),
            visit(T2=20, rebaseline=True, sites=SITE),
        ],
        expected=(),
    )
    assert [v.overall.value for v in judged(case)] == ["REBASELINE", "NE", "REBASELINE"]
    assert [sums(v)[:2] for v in judged(case)] == [(20, 20), (None, None), (20, 20)]


def test_growth_in_the_treatment_phase_is_marked_as_such() -> None:
    case = Case(
        name="",
        rule="10 rebaseline 8",
        treated=(("T1", "ABLATION", 2),),
        visits=[visit(T1=30, T2=20), visit(T2=30, rebaseline=True, sites=SITE)],
        expected=(),
    )
    (found,) = judged(case)
    assert [(t.lesions, t.treatment_phase) for t in found.treatment_phase_growth] == [(("T2",), True)]
    assert found.triggers == ()


def test_the_new_lesion_column() -> None:
    treated = (*BOTH_TREATED, ("X1", "ABLATION", 70))
    for seen, expected in (
        ([], "NO"),
        ([new("X2", status=EQ)], "EQUIVOCAL"),
        ([new("X1")], "NO"),
        ([new("X1"), new("X2", status=EQ)], "EQUIVOCAL"),
        ([new("X1"), new("X2")], "YES"),
    ):
        visits = [visit(T1=25, T2=20), visit(seen, sites=CLEAN), visit(rebaseline=True, sites=CLEAN)]
        case = Case(name="", rule="6", treated=treated, visits=visits, expected=())
        assert judged(case)[0].new_lesion == expected


def test_a_target_missing_at_the_rebaseline_is_judged_by_table_1_not_as_free_of_disease() -> None:
    case = Case(
        name="",
        rule="4 note f",
        treated=(("T1", "ABLATION", 2),),
        visits=[visit(T1=30, T2=20), visit(T2="NE", rebaseline=True, sites=SITE), visit(T2=20, sites=SITE)],
        expected=(),
    )
    reason = judged(case)[-1].reasons[-1]
    assert (reason.rule, reason.section, reason.outcome) == ("overall.table", "RECIST 1.1, 4.4.1, table 1", "NE")
