"""What a judged visit says beside its categories: sums, flags, scans, queries."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from lesiontrack.assess import AssessSettings, assess
from lesiontrack.domain.lesion import Role
from lesiontrack.domain.outcome import Assessment
from lesiontrack.domain.reads import (
    Form,
    Measurement,
    NonTargetRead,
    NonTargetStatus,
    ReadLesion,
    Reads,
    ReadVisit,
    SiteRead,
    SiteStatus,
)
from tests.cases.catalogue import EQ, NODE, ONE, Case, new, visit

DAYS = (dt.date(2024, 1, 2), dt.date(2024, 3, 4), dt.date(2024, 4, 29))


def judged(*visits: dict[str, object], **more: object) -> Assessment:
    case = Case(name="S", rule="", visits=visits, expected=(), **more)  # type: ignore[arg-type]
    return assess(case.reads(), case.settings())


def test_visits_after_the_first_progression_are_marked() -> None:
    found = judged(visit(T1=30), visit(T1=30), visit([new()], T1=30), visit(T1=30), lesions=ONE)
    assert [v.post_pd for v in found.visits] == [False, False, True]


def test_sums_of_a_visit_are_those_it_was_compared_with() -> None:
    found = judged(visit(T1=30), visit(T1=20), visit(T1=24), visit(), lesions=ONE)
    assert [v.baseline_sum_mm for v in found.visits] == [30, 30, 30]
    assert [v.nadir_sum_mm for v in found.visits] == [30, 20, 20]
    assert [v.sum_mm for v in found.visits] == [20, 24, None]


def test_between_sessions_no_sum_is_shown_and_the_re_baseline_shows_its_own() -> None:
    found = judged(
        visit(T1=30, T2=20, T3=15),
        visit(T2=18, T3=15, sites={"T1": "NO_VIABLE"}),
        visit(T2=16, rebaseline=True, sites={"T1": "NO_VIABLE", "T3": "NO_VIABLE"}),
        visit(T2=14, sites={"T1": "NO_VIABLE", "T3": "NO_VIABLE"}),
        lesions={"T1": "LIVER", "T2": "LIVER", "T3": "LUNG"},
        treated=(("T1", "ABLATION", 2), ("T3", "ABLATION", 72)),
    )
    assert [v.sum_mm for v in found.visits] == [None, 16, 14]
    assert [v.baseline_sum_mm for v in found.visits] == [None, 16, 16]
    assert [v.treatment_phase for v in found.visits] == [True, True, False]
    assert [v.rebaseline for v in found.visits] == [False, True, False]


def test_nothing_is_summed_at_the_re_baseline_of_a_subject_without_untreated_targets() -> None:
    found = judged(
        visit(T1=30),
        visit(rebaseline=True, sites={"T1": "NO_VIABLE"}),
        visit(sites={"T1": "NO_VIABLE"}),
        lesions=ONE,
        treated=(("T1", "ABLATION", 2),),
    )
    assert [(v.sum_mm, v.baseline_sum_mm, v.nadir_sum_mm) for v in found.visits] == [(None, None, None)] * 2


@pytest.mark.parametrize(
    ("liver_mm", "node", "codes"),
    [
        # Sum 15 -> 23; without the node 10 -> 14: no progression.
        (14, 9, ["PD_WITH_NORMAL_NODES"]),
        # Without the node 10 -> 15: exactly 5 mm, and 150 %.
        (15, 9, []),
        # The node is pathological again: it counts.
        (14, 10, []),
    ],
)
def test_a_progression_that_needs_normal_nodes_is_queried(liver_mm: int, node: int, codes: list[str]) -> None:
    found = judged(visit(T1=25, T2=15), visit(T1=10, T2=5), visit(T1=liver_mm, T2=node), lesions=NODE)
    assert found.visits[-1].overall == "PD"
    assert [query.code for query in found.queries] == codes


def test_triggers_name_the_scan_that_shows_them() -> None:
    def at(index: int, target: str, status: NonTargetStatus) -> ReadVisit:
        form = Form.ABSENT if target == "0" else Form.MM
        return ReadVisit(
            timepoint=index,
            date=DAYS[index],
            targets=(
                Measurement(
                    lesions=("T1",), form=form, mm=None if form is Form.ABSENT else Decimal(target), scan=f"1.1.{index}"
                ),
            ),
            nontargets=(NonTargetRead(lesion="N1", status=status, scan=f"1.2.{index}"),),
            sites=(SiteRead(lesion="T9", status=SiteStatus.NO_VIABLE if index < 2 else SiteStatus.LTP),),
        )

    lesions = (
        ReadLesion(lesion_id="T1", role=Role.TARGET, organ="LIVER"),
        ReadLesion(lesion_id="N1", role=Role.NON_TARGET, organ="LUNG"),
    )
    visits = (
        at(0, "20", NonTargetStatus.PRESENT),
        at(1, "0", NonTargetStatus.ABSENT),
        at(2, "3", NonTargetStatus.UNEQUIVOCAL),
    )
    found = assess(Reads(subject_id="S", lesions=lesions, visits=visits), AssessSettings())
    scans = {trigger.kind.value: trigger.scans for trigger in found.visits[-1].triggers}
    assert scans == {"NON-TARGET": ("1.2.2",), "LTP": ("2024-04-29",)}


def test_reappearance_names_its_scans() -> None:
    def at(index: int, length: str) -> ReadVisit:
        value = Measurement(lesions=("T1",), form=Form.MM, mm=Decimal(length), scan="1.1.2" if index == 2 else "")
        return ReadVisit(timepoint=index, date=DAYS[index], targets=(value,))

    lesions = (ReadLesion(lesion_id="T1", role=Role.TARGET, organ="LIVER"),)
    reads = Reads(subject_id="S", lesions=lesions, visits=(at(0, "20"), at(1, "0"), at(2, "3")))
    (trigger,) = assess(reads, AssessSettings()).visits[-1].triggers
    assert (trigger.kind, trigger.scans, trigger.lesions) == ("REAPPEARANCE", ("1.1.2",), ("T1",))


def test_the_column_of_new_lesions() -> None:
    found = judged(
        visit(T1=30),
        visit(T1=30),
        visit([new(status=EQ)], T1=30),
        visit([new(status=EQ), new("X2")], T1=30),
        lesions=ONE,
    )
    assert [v.new_lesion for v in found.visits] == ["NO", "EQUIVOCAL", "YES"]


@pytest.mark.parametrize(("partial_pd", "overall"), [(True, "PD"), (False, "REBASELINE")])
def test_growth_before_the_re_baseline_by_a_partial_sum(partial_pd: bool, overall: str) -> None:
    """T2 and T3 are untreated, 30 mm together; T2 alone is 36 at the re-baseline: +6 mm, exactly 20 %."""
    found = judged(
        visit(T1=30, T2=20, T3=10),
        visit(T2=36, T3="NE", rebaseline=True, sites={"T1": "NO_VIABLE"}),
        lesions={"T1": "LIVER", "T2": "LIVER", "T3": "LUNG"},
        treated=(("T1", "ABLATION", 2),),
        options={"pd_in_treatment_phase": True, "partial_pd": partial_pd},
    )
    assert [v.overall for v in found.visits] == [overall]


def test_growth_before_the_re_baseline_is_none_where_all_targets_are_treated() -> None:
    found = judged(
        visit(T1=30),
        visit(T1=50, rebaseline=True, sites={"T1": "NO_VIABLE"}),
        lesions=ONE,
        treated=(("T1", "ABLATION", 2),),
        options={"pd_in_treatment_phase": True},
    )
    assert [v.overall for v in found.visits] == ["REBASELINE"]
    assert [query.code for query in found.queries] == []


def test_target_cr_without_growth_since_the_nadir_is_placed_by_what_is_seen() -> None:
    """CR with a node of 9.5; then the liver lesion is back with 1 mm and the node at 8: 9 mm against 9.5."""
    found = judged(
        visit(T1=30, T2=20),
        visit(T1="ABSENT", T2="9.5"),
        visit(T1=1, T2=8),
        lesions=NODE,
        options={"reappear_after_cr": "target_cr"},
    )
    assert (found.visits[-1].target, found.pd_site, found.pd_reasons) == ("PD", "HEPATIC", ("TARGET",))
    assert found.pd_triggers[0].lesions == ("T1",)


def test_growth_before_the_re_baseline_compares_with_the_earliest_of_equal_nadirs() -> None:
    """Untreated 60 -> 30 -> 30 -> 40 mm. Against the first 30 the lung grew 10 -> 20, against the second the liver."""
    found = judged(
        visit(T1=25, T2=30, T3=30),
        visit(T2=20, T3=10, sites={"T1": "NO_VIABLE"}),
        visit(T2=10, T3=20, sites={"T1": "NO_VIABLE"}),
        visit(T2=20, T3=20, rebaseline=True, sites={"T1": "NO_VIABLE"}),
        lesions={"T1": "LIVER", "T2": "LIVER", "T3": "LUNG"},
        treated=(("T1", "ABLATION", 2),),
        options={"pd_in_treatment_phase": True},
    )
    assert [v.overall for v in found.visits] == ["NE", "NE", "PD"]
    assert (found.pd_site, found.pd_reasons) == ("EXTRAHEPATIC", ("TARGET",))
