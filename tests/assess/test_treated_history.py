"""Local treatment read from images: plan, re-baseline by dates, residual tumour, local progression, the three modes."""

from __future__ import annotations

import datetime as dt

import pytest

from lesiontrack.assess import AssessSettings, judge
from lesiontrack.domain.lesion import Fate, MissingState
from lesiontrack.domain.outcome import Assessment, Judgement, Response, TriggerKind
from lesiontrack.domain.study import Finding, LocalTreatment
from tests.assess.build import Builder, day, treatment

SESSION = day(10)
# Baseline, then 20, 50, 106 and 162 days after the session.
DATES = [day(1), day(60), day(116), day(172)]
TREATED = MissingState.TREATED


def judgement(builder: Builder, **settings: object) -> Judgement:
    return judge(builder.build(), AssessSettings.model_validate(settings))


def primary(builder: Builder, **settings: object) -> Assessment:
    found = judgement(builder, **settings).primary
    assert found is not None
    return found


def treated_builder(*rows: LocalTreatment, dates: list[dt.date] | None = None) -> Builder:
    return Builder(dates or DATES, start=SESSION, clinical={"local_treatments": rows})


def all_treated(session: LocalTreatment | None = None) -> Builder:
    session = session or treatment(SESSION)
    builder = treated_builder(session)
    for _ in range(2):
        builder.track(30, None, None, None, state=TREATED, treatments=(session,), fate=Fate.ABLATED)
    return builder


def codes(found: Judgement) -> set[str]:
    assert found.primary is not None
    return {query.code for query in (*found.queries, *found.primary.queries)}


def test_everything_treated_is_rebaselined_and_then_ned() -> None:
    found = primary(all_treated())
    assert [v.overall for v in found.visits] == [Response.REBASELINE, Response.NED, Response.NED]
    assert found.bor_unconfirmed is Response.NED
    assert found.control_by_ned


def test_recurrence_after_ned_is_progression() -> None:
    found = primary(all_treated().track(None, None, 9, 12, site="LUNG"))
    assert [v.overall for v in found.visits] == [Response.REBASELINE, Response.PD, Response.PD]
    assert (found.pd_site, found.pd_reasons) == ("EXTRAHEPATIC", ("NEW",))


@pytest.mark.parametrize(
    ("days_after", "overall"),
    [(27, "NE"), (28, "REBASELINE"), (84, "REBASELINE"), (85, "REBASELINE")],
)
def test_the_window_of_the_rebaseline(days_after: int, overall: str) -> None:
    session = treatment(SESSION)
    dates = [day(1), SESSION + dt.timedelta(days=days_after)]
    builder = treated_builder(session, dates=dates)
    builder.track(30, None, state=TREATED, treatments=(session,), fate=Fate.ABLATED)
    found = judgement(builder)
    assert found.primary is not None
    assert found.primary.visits[0].overall == overall
    assert ("REBASELINE_OUTSIDE_WINDOW" in codes(found)) == (days_after == 85)
    assert ("NO_REBASELINE" in codes(found)) == (days_after == 27)


def test_an_unusable_scan_in_the_window_gives_way_to_the_next() -> None:
    session = treatment(SESSION)
    builder = treated_builder(session)
    builder.usable = [True, False, True, True]
    builder.track(30, None, None, None, state=TREATED, treatments=(session,), fate=Fate.ABLATED)
    assert [(v.timepoint, v.overall) for v in primary(builder).visits] == [(2, Response.REBASELINE), (3, Response.NED)]


def test_each_planned_session_moves_the_rebaseline() -> None:
    first, second = treatment(SESSION), treatment(day(70))
    builder = treated_builder(first, second)
    builder.track(30, None, None, None, state=TREATED, treatments=(first,), fate=Fate.ABLATED)
    builder.track(20, 20, None, None, state=TREATED, treatments=(second,), fate=Fate.ABLATED)
    found = primary(builder)
    assert [v.overall for v in found.visits] == [Response.NE, Response.REBASELINE, Response.NED]


def test_a_session_outside_the_plan_moves_nothing_and_its_target_is_lost() -> None:
    first, later = treatment(SESSION), treatment(day(120), planned=False)
    builder = treated_builder(first, later)
    builder.track(30, None, None, None, state=TREATED, treatments=(first,), fate=Fate.ABLATED)
    builder.track(20, 20, 20, None, state=TREATED, treatments=(later,), fate=Fate.ABLATED)
    found = primary(builder)
    assert [v.overall for v in found.visits] == [Response.REBASELINE, Response.SD, Response.NE]


def test_a_planned_session_beyond_the_cap_is_no_part_of_the_plan() -> None:
    first, late = treatment(SESSION), treatment(SESSION + dt.timedelta(days=181))
    builder = treated_builder(first, late, dates=[day(1), day(60), day(116), day(240)])
    builder.track(30, None, None, None, state=TREATED, treatments=(first,), fate=Fate.ABLATED)
    builder.track(20, 20, 20, None, state=TREATED, treatments=(late,), fate=Fate.ABLATED)
    assert primary(builder).visits[0].overall is Response.REBASELINE
    inside = treatment(SESSION + dt.timedelta(days=180))
    builder = treated_builder(first, inside, dates=[day(1), day(60), day(116), day(240)])
    builder.track(30, None, None, None, state=TREATED, treatments=(first,), fate=Fate.ABLATED)
    builder.track(20, 20, 20, None, state=TREATED, treatments=(inside,), fate=Fate.ABLATED)
    assert [v.overall for v in primary(builder).visits] == [Response.NE, Response.NE, Response.REBASELINE]


def test_untreated_disease_restarts_its_sum() -> None:
    session = treatment(SESSION)
    builder = treated_builder(session)
    builder.track(40, None, None, None, state=TREATED, treatments=(session,), fate=Fate.ABLATED)
    builder.track(25, 30, 21, 27)
    found = judgement(builder)
    assert found.primary is not None
    assert [v.overall for v in found.primary.visits] == [Response.REBASELINE, Response.PR, Response.PD]
    assert [v.baseline_sum_mm for v in found.primary.visits] == [30, 30, 30]
    assert "TREATMENT_PHASE_GROWTH" in codes(found)
    assert found.primary.visits[0].treatment_phase_growth[0].kind is TriggerKind.TARGET
    grown = primary(builder, pd_in_treatment_phase=True)
    assert (grown.visits[0].overall, grown.visits[0].target) == (Response.PD, Response.REBASELINE)


def test_tumour_at_the_site_at_the_first_control_is_residual_and_no_progression() -> None:
    session = treatment(SESSION)
    builder = treated_builder(session)
    builder.track(30, 12, 14, 20, treatments=(session,), fate=Fate.ABLATED)
    found = primary(builder)
    assert [dict(v.site_status)["L01"] for v in found.visits] == ["RESIDUAL"] * 3
    assert [v.overall for v in found.visits] == [Response.REBASELINE, Response.NON_CR_NON_PD, Response.NON_CR_NON_PD]


def test_tumour_at_the_site_after_a_clean_control_is_local_progression() -> None:
    found = primary(all_treated().track(None, None, 12, 14, near=0, recurrence_of="L01"))
    assert [dict(v.site_status)["L01"] for v in found.visits] == ["NO_VIABLE", "LTP", "LTP"]
    assert [v.new_lesion for v in found.visits] == ["NO", "NO", "NO"]
    assert (found.pd_reasons, found.pd_site, found.pd_subtype) == (("LTP",), "HEPATIC", "LOCAL")


def test_a_recurrence_that_fails_the_gates_of_a_new_lesion_has_no_effect() -> None:
    found = primary(all_treated().track(None, None, 4.9, 4.9, near=0, recurrence_of="L01"))
    assert [v.overall for v in found.visits] == [Response.REBASELINE, Response.NED, Response.NED]


def test_a_lesion_that_begins_beside_the_site_at_the_first_control_is_residual() -> None:
    found = primary(all_treated().track(None, 12, 12, None, near=0, recurrence_of="L01"))
    assert [dict(v.site_status)["L01"] for v in found.visits] == ["RESIDUAL", "RESIDUAL", "NO_VIABLE"]
    assert Response.PD not in {v.overall for v in found.visits}


def test_a_reader_s_word_on_a_site_wins_and_residual_after_clean_is_queried_not_converted() -> None:
    builder = all_treated()
    rows = (
        Finding(date=DATES[2], lesion="L01", site="LIVER", role="TARGET", status="RESIDUAL"),
        Finding(date=DATES[3], lesion="L01", site="LIVER", role="TARGET", status="LTP"),
    )
    builder.clinical = {**(builder.clinical or {}), "findings": rows}
    found = judgement(builder)
    assert found.primary is not None
    assert [v.overall for v in found.primary.visits] == [Response.REBASELINE, Response.NON_CR_NON_PD, Response.PD]
    assert "RESIDUAL_AFTER_NO_VIABLE" in codes(found)


def test_local_progression_is_progression_under_every_rule_set() -> None:
    found = judgement(all_treated().track(None, None, 12, 14, near=0, recurrence_of="L01"))
    assert found.study is not None
    assert {a.pd_date for a in found.study.assessments.values()} == {DATES[2]}


def test_the_three_modes_side_by_side() -> None:
    session = treatment(SESSION)
    builder = treated_builder(session)
    builder.track(20, None, None, None, state=TREATED, treatments=(session,), fate=Fate.ABLATED)
    builder.track(20, 20, 20, 20)
    builder.zone(1, 0, "35.0").zone(2, 0, "28.0").zone(3, 0, "22.0")
    found = judgement(builder)
    assert found.study is not None
    overall = {name: [v.overall.value for v in a.visits] for name, a in found.study.assessments.items()}
    assert overall["recist11-local"] == ["REBASELINE", "SD", "SD"]
    assert overall["recist11"] == ["NE", "NE", "NE"]
    assert overall["recist11-as-measured"] == ["PD", "PD", "SD"]
    assert [v.sum_mm for v in found.study.assessments["recist11-as-measured"].visits] == [55, 48, 42]


def test_a_resected_lesion_counts_nothing_as_measured() -> None:
    session = treatment(SESSION, "RESECTION")
    builder = treated_builder(session)
    builder.track(20, None, None, None, state=TREATED, treatments=(session,), fate=Fate.RESECTED)
    builder.track(20, 20, 20, 20)
    found = judgement(builder)
    assert found.study is not None
    assert [v.overall for v in found.study.assessments["recist11-as-measured"].visits] == [Response.PR] * 3


def test_a_new_lesion_that_the_plan_treats_before_the_next_visit_is_no_progression() -> None:
    first, second = treatment(SESSION), treatment(day(70))
    builder = treated_builder(first, second)
    builder.track(30, None, None, None, state=TREATED, treatments=(first,), fate=Fate.ABLATED)
    builder.track(None, 12, None, None, state=TREATED, treatments=(second,), fate=Fate.ABLATED)
    found = primary(builder)
    assert [v.overall for v in found.visits] == [Response.NE, Response.REBASELINE, Response.NED]


def test_a_lesion_treated_before_the_study_baseline_is_no_target() -> None:
    session = treatment(day(2))
    builder = Builder([day(1), day(60), day(120)], start=day(70), clinical={"local_treatments": (session,)})
    builder.track(30, 30, 30, treatments=(session,)).track(20, 20, 20)
    found = judgement(builder)
    assert found.study is not None
    assert {r.track_id: r.role.value for r in found.study.roles} == {"L01": "NON_TARGET", "L02": "TARGET"}


def test_a_zone_that_no_row_explains_is_a_treatment_of_its_lesion() -> None:
    builder = Builder(DATES, start=SESSION)
    builder.track(30, None, None, None, state=TREATED, fate=Fate.ABLATED)
    found = primary(builder)
    assert [v.overall for v in found.visits] == [Response.REBASELINE, Response.NED, Response.NED]


def test_a_treatment_without_a_known_lesion_is_queried() -> None:
    found = judgement(treated_builder(treatment(SESSION)).track(30, 30, 30, 30))
    assert "TREATMENT_UNPLACED" in codes(found)


def test_a_site_out_of_view_or_in_an_incomplete_segmentation_is_not_evaluable() -> None:
    found = primary(all_treated(), segmentation_complete=False)
    assert [v.overall for v in found.visits] == [Response.REBASELINE, Response.NE, Response.NE]


# --- what a site shows ------------------------------------------------------------------------------------------------


def sites(found: Assessment, lesion: str = "L01") -> list[str | None]:
    return [dict(visit.site_status).get(lesion) for visit in found.visits]


def said(builder: Builder, *rows: tuple[int, str, str]) -> Builder:
    """Add a reader's rows: visit, lesion, status."""
    findings = tuple(
        Finding(date=builder.dates[t], lesion=lesion, site="LIVER", role="TARGET", status=status)
        for t, lesion, status in rows
    )
    builder.clinical = {**(builder.clinical or {}), "findings": findings}
    return builder


def test_a_treated_lesion_that_is_seen_again_after_a_clean_control_is_local_progression() -> None:
    session = treatment(SESSION)
    builder = treated_builder(session)
    builder.track(30, None, 12, 14, state=TREATED, treatments=(session,), fate=Fate.ABLATED)
    found = primary(builder)
    assert sites(found) == ["NO_VIABLE", "LTP", "LTP"]
    assert (found.pd_date, found.pd_subtype) == (DATES[2], "LOCAL")


def test_a_site_has_a_status_from_the_first_scan_after_the_day_of_its_treatment() -> None:
    session = treatment(DATES[1])
    builder = treated_builder(session)
    builder.track(30, 30, None, None, state=TREATED, treatments=(session,), fate=Fate.ABLATED)
    assert sites(primary(builder)) == [None, "NO_VIABLE", "NO_VIABLE"]


def test_a_lesion_beside_a_site_that_is_not_yet_treated_is_a_new_lesion() -> None:
    session = treatment(day(70), planned=False)
    builder = treated_builder(session)
    builder.track(30, 30, None, None, state=TREATED, treatments=(session,), fate=Fate.ABLATED)
    found = primary(builder.track(None, 12, None, None, near=0, recurrence_of="L01"))
    assert found.visits[0].new_lesion == "YES"


def test_a_reader_may_speak_of_the_site_by_the_lesion_beside_it() -> None:
    def builder() -> Builder:
        return all_treated().track(None, None, 4.9, 4.9, near=0, recurrence_of="L01")

    assert sites(primary(builder())) == ["NO_VIABLE", "NO_VIABLE", "NO_VIABLE"]
    assert sites(primary(said(builder(), (2, "L03", "LTP")))) == ["NO_VIABLE", "LTP", "NO_VIABLE"]
    # Neither that it is there nor that it cannot be evaluated is a word on the site.
    assert sites(primary(said(builder(), (2, "L03", "PRESENT")))) == ["NO_VIABLE", "NO_VIABLE", "NO_VIABLE"]
    assert sites(primary(said(builder(), (2, "L03", "NE")))) == ["NO_VIABLE", "NO_VIABLE", "NO_VIABLE"]


def test_a_reader_s_ne_on_the_site_itself_counts() -> None:
    assert sites(primary(said(all_treated(), (2, "L01", "NE")))) == ["NO_VIABLE", "NE", "NO_VIABLE"]


def test_a_reader_s_word_on_a_site_dates_its_progression_and_needs_no_usable_scan() -> None:
    builder = said(all_treated(), (2, "L01", "LTP"))
    builder.usable = [True, True, False, True]
    found = primary(builder)
    assert [visit.timepoint for visit in found.visits] == [1, 2, 3]
    assert sites(found) == ["NO_VIABLE", "LTP", "NO_VIABLE"]
    assert found.pd_date == DATES[2]
