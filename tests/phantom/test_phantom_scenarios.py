"""The scenarios' hand-written truth against plain RECIST arithmetic on the planned sizes, done here with decimals.

This is a second, independent working of each truth (Eisenhauer et al. 2009, section 4.3), with the margins that a
measuring error must not cross; no part of the assessing program is used.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise

import pytest

from lesiontrack.errors import StudyError
from lesiontrack.phantom import LesionPlan, SubjectPlan, subject_plans

PLANS = subject_plans(subjects=12, seed=20)
ERROR_MM = Decimal("1.5")
"""Largest error of one measured diameter that no category may depend on."""

plans = pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.subject_id)


def exact(value: float | None) -> Decimal:
    return Decimal(str(value or 0))


def targets(plan: SubjectPlan, visit: int) -> list[LesionPlan]:
    """The two largest liver lesions, and any node of at least 15 mm short axis."""
    there = [lesion for lesion in plan.lesions if lesion.diameters_mm[visit] is not None]
    liver = sorted((lesion for lesion in there if lesion.site == "LIVER"), key=lambda a: -exact(a.diameters_mm[visit]))
    nodes = [lesion for lesion in there if lesion.site == "LYMPH_NODE" and exact(lesion.diameters_mm[visit]) >= 15]
    return [*liver[:2], *nodes]


def total(lesions: list[LesionPlan], visit: int) -> Decimal:
    return sum((exact(lesion.diameters_mm[visit]) for lesion in lesions), Decimal(0))


def new_at(plan: SubjectPlan, visit: int) -> list[LesionPlan]:
    return [
        lesion
        for lesion in plan.lesions
        if all(size is None for size in lesion.diameters_mm[:visit]) and lesion.diameters_mm[visit] is not None
    ]


def sum_category(now: Decimal, baseline: Decimal, nadir: Decimal) -> str:
    if now - nadir >= 5 and 100 * now >= 120 * nadir:
        return "PD"
    return "PR" if 100 * now <= 70 * baseline else "SD"


@plans
def test_count_and_eligibility(plan: SubjectPlan) -> None:
    hepatic = [lesion for lesion in plan.lesions if lesion.site == "LIVER" and lesion.diameters_mm[0] is not None]
    assert len(hepatic) == plan.expected.count_hepatic
    assert plan.expected.count_eligible == ("YES" if len(hepatic) >= 10 else "NO")
    assert plan.expected.disease_control == ("NO" if "PD" in plan.expected.induction else "YES")


@plans
@pytest.mark.parametrize("baseline", [0, 1])
def test_targets_lead_the_third_lesion_by_more_than_three_mm(plan: SubjectPlan, baseline: int) -> None:
    sizes = sorted((exact(a.diameters_mm[baseline]) for a in plan.lesions if a.site == "LIVER"), reverse=True)
    assert sizes[1] - sizes[2] > 3
    assert min(total([lesion], baseline) for lesion in targets(plan, baseline)) >= 15


@plans
def test_induction_response(plan: SubjectPlan) -> None:
    chosen = targets(plan, 0)
    baseline, now = total(chosen, 0), total(chosen, 1)
    assert [sum_category(now, baseline, baseline)] == list(plan.expected.induction)
    slack = ERROR_MM * len(chosen)
    assert sum_category(now - slack, baseline, baseline) == sum_category(now + slack, baseline, baseline)
    assert not new_at(plan, 1)


@plans
def test_study_responses(plan: SubjectPlan) -> None:
    treated = {lesion.name for lesion in plan.lesions if lesion.treated_by}
    chosen = [lesion for lesion in targets(plan, 1) if lesion.name not in treated]
    sums = [total(chosen, visit) for visit in range(len(plan.visits))]
    first = 2 if treated else 1  # after local treatment the first control is the new baseline
    recurrent = False
    for visit, overall in enumerate(plan.expected.study, start=2):
        appeared = new_at(plan, visit)
        recurrent |= any(lesion.place.edge_of for lesion in appeared)
        if treated and visit == first:
            assert overall == "REBASELINE"
            assert not appeared
            continue
        if appeared or recurrent:
            assert overall == "PD"
            continue
        if not chosen:
            assert overall == "NED"
            continue
        nadir = min(sums[first:visit])
        assert overall == sum_category(sums[visit], sums[first], nadir)
        slack = ERROR_MM * len(chosen)
        assert sum_category(sums[visit] - slack, sums[first], nadir) == overall
        assert sum_category(sums[visit] + slack, sums[first], nadir) == overall


@plans
def test_progression_is_the_first_pd_and_its_site_that_of_its_cause(plan: SubjectPlan) -> None:
    expected = plan.expected
    first = next((n for n, overall in enumerate(expected.study, start=2) if overall == "PD"), None)
    assert expected.pd_visit == first
    if first is None:
        assert (expected.pd_site, expected.pd_subtype, expected.pd_reasons) == ("", "", ())
        assert expected.first_hepatic_visit is None
        assert expected.first_extrahepatic_visit is None
        return
    appeared = new_at(plan, first)
    if appeared:
        hepatic = {lesion.site == "LIVER" for lesion in appeared}
        assert expected.pd_site == ("HEPATIC" if hepatic == {True} else "EXTRAHEPATIC")
        local = appeared[0].place.edge_of is not None
        assert expected.pd_reasons == (("LTP",) if local else ("NEW",))
        assert expected.pd_subtype == ("" if not any(hepatic) else "LOCAL" if local else "INTRAHEPATIC_NEW")
    else:
        assert (expected.pd_site, expected.pd_subtype, expected.pd_reasons) == ("HEPATIC", "GROWTH", ("TARGET",))
    by_site = {"HEPATIC": expected.first_hepatic_visit, "EXTRAHEPATIC": expected.first_extrahepatic_visit}
    assert by_site[expected.pd_site] == first


@plans
def test_new_lesions_are_unequivocal_and_none_comes_back(plan: SubjectPlan) -> None:
    for lesion in plan.lesions:
        seen = [size is not None for size in lesion.diameters_mm]
        assert sum(a != b for a, b in pairwise([False, *seen, False])) == 2, lesion.name
        if not seen[0]:
            assert min(exact(size) for size in lesion.diameters_mm if size is not None) >= 14
        assert min(exact(size) for size in lesion.diameters_mm if size is not None) >= Decimal("9.8")


@plans
def test_dates_are_in_the_order_of_a_trial(plan: SubjectPlan) -> None:
    clinical = plan.clinical
    days = [visit.day for visit in plan.visits]
    assert days[0] == 0
    assert all(40 <= later - earlier <= 100 for earlier, later in pairwise(days))
    assert clinical.diagnosis_day < 0 < clinical.induction_day < days[1] < clinical.enrolment_day
    assert clinical.enrolment_day < clinical.treatment_day < days[2]
    assert clinical.treatment_day - days[1] <= 28
    assert clinical.last_alive_day > days[-1]
    assert clinical.death_day is None or clinical.death_day > clinical.last_alive_day
    assert sum(day <= clinical.treatment_day for day in days) == plan.baseline + 1
    for _, day, inside in clinical.therapies:
        late = plan.expected.pd_visit is not None and day > days[plan.expected.pd_visit]
        assert inside == "Y" or late
    assert clinical.date(0) == clinical.first_scan


@plans
def test_the_first_control_is_in_the_window_after_the_last_planned_session(plan: SubjectPlan) -> None:
    if not plan.treatments:
        assert plan.clinical.arm == "CHEMO"
        return
    assert plan.clinical.arm == "LOCAL"
    assert min(treatment.day for treatment in plan.treatments) == plan.clinical.treatment_day
    last = max(treatment.day for treatment in plan.treatments)
    assert 28 <= plan.visits[plan.baseline + 1].day - last <= 84
    names = {lesion.name: lesion for lesion in plan.lesions}
    for treatment in plan.treatments:
        if treatment.lesion is not None:
            assert treatment.seen_at == plan.baseline
            assert names[treatment.lesion].treated_by == treatment.method
            assert names[treatment.lesion].diameters_mm[plan.baseline] is not None


def test_the_first_six_cover_what_the_sample_study_promises() -> None:
    first = PLANS[:6]
    assert {plan.clinical.arm for plan in first} == {"LOCAL", "CHEMO"}
    reasons = {(plan.expected.pd_site, plan.expected.pd_subtype) for plan in first}
    assert reasons == {
        ("HEPATIC", "GROWTH"),
        ("HEPATIC", "INTRAHEPATIC_NEW"),
        ("HEPATIC", "LOCAL"),
        ("EXTRAHEPATIC", ""),
        ("", ""),
    }
    assert sorted(plan.expected.count_hepatic for plan in first)[0] == 7
    assert {treatment.method for plan in first for treatment in plan.treatments} == {"ABLATION", "RESECTION", "SBRT"}
    assert {plan.instances for plan in first} == {True, False}
    assert any(visit.imaging.localizer for plan in first for visit in plan.visits)
    assert {visit.imaging.modality for plan in first for visit in plan.visits} == {"CT", "MR"}
    assert {lesion.site for plan in first for lesion in plan.lesions} == {"LIVER", "LUNG", "LYMPH_NODE"}


def test_plans_follow_from_the_seed_and_repeat_with_a_difference() -> None:
    assert subject_plans(subjects=12, seed=20) == PLANS
    assert subject_plans(subjects=3, seed=20) == PLANS[:3]
    assert subject_plans(subjects=6, seed=21) != PLANS[:6]
    again, once = PLANS[6], PLANS[0]
    assert again.scenario == once.scenario
    assert again.expected == once.expected
    assert again.lesions != once.lesions
    assert again.clinical.first_scan != once.clinical.first_scan
    assert len({plan.subject_id for plan in PLANS}) == len({plan.seed for plan in PLANS}) == 12


def test_a_plan_that_forgets_a_visit_is_refused() -> None:
    plan = PLANS[0]
    short = LesionPlan(name="T99", site="LIVER", diameters_mm=(10.0, 10.0))
    with pytest.raises(StudyError, match="T99: one diameter for each visit"):
        SubjectPlan(
            subject_id="X",
            scenario="",
            seed=1,
            clinical=plan.clinical,
            visits=plan.visits,
            lesions=(short,),
            expected=plan.expected,
        )
    with pytest.raises(StudyError, match="never there"):
        LesionPlan(name="T98", site="LIVER", diameters_mm=(None, None))
    with pytest.raises(StudyError, match="one zone diameter"):
        LesionPlan(name="T97", site="LIVER", diameters_mm=(10.0, None), zone_mm=(20.0,))
    assert plan.visit_date(1) == dt.date(2019, 5, 13)
