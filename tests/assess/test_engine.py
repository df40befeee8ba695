"""Durations, disease control on a day, queries, reasons and options that the catalogue does not show."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import ValidationError

from lesiontrack.assess import AssessSettings, assess
from lesiontrack.domain.outcome import Assessment, Reason
from lesiontrack.domain.reads import Form, Measurement, Reads
from lesiontrack.errors import ReadsError
from tests.cases.catalogue import ONE, START, Case, by_name, new, on, visit


def assessed(case: Case) -> Assessment:
    return assess(case.reads(), case.settings())


def timeline(*sizes: object, days: tuple[int, ...] = (-6, 56, 112, 168, 224), **options: object) -> Case:
    return Case(
        name="made here",
        rule="",
        lesions=ONE,
        days=days,
        visits=[visit(T1=size) for size in sizes],
        expected=(),
        options=options,
    )


def codes(found: Assessment) -> list[str]:
    return [query.code for query in found.queries]


def test_duration_of_response_runs_from_the_first_response_to_progression() -> None:
    found = assessed(timeline(30, 20, 20, 28)).duration_of_response
    assert found is not None
    assert (found.start.isoformat(), found.end.isoformat(), found.event, found.reason) == (on(56), on(168), True, "PD")
    assert found.days == 112


def test_duration_of_response_is_open_at_the_last_evaluable_visit() -> None:
    found = assessed(timeline(30, 20, 20, "NE")).duration_of_response
    assert found is not None
    assert (found.end.isoformat(), found.event, found.reason) == (on(112), False, "LAST_ADEQUATE")


def test_death_ends_a_response_that_did_not_progress() -> None:
    case = timeline(30, 20)
    reads = replace(case.reads(), death_date=dt.date(2024, 6, 1))
    found = assess(reads, case.settings()).duration_of_response
    assert found is not None
    assert (found.end, found.event, found.reason) == (dt.date(2024, 6, 1), True, "DEATH")


def test_without_a_response_there_is_no_duration_of_one() -> None:
    found = assessed(timeline(30, 30))
    assert found.duration_of_response is None
    assert found.duration_of_stable_disease is not None
    assert found.duration_of_stable_disease.start == START


def test_disease_control_on_a_day() -> None:
    days = [56, 84, 112, 168]
    assert assessed(timeline(30, 30, 40, disease_control_days=days)).disease_control_at_days == (
        (56, True),
        (84, True),
        (112, False),
        (168, False),
    )
    assert assessed(timeline(30, 30, disease_control_days=days)).disease_control_at_days == (
        (56, True),
        (84, None),
        (112, None),
        (168, None),
    )


@pytest.mark.parametrize(("option", "expected"), [(True, True), (False, False)])
def test_ned_and_non_cr_non_pd_as_control_are_options(option: bool, expected: bool) -> None:
    ned = replace(by_name("no disease at baseline is NED until something new"), options={"ned_is_control": option})
    assert assessed(ned).disease_control is expected
    assert assessed(ned).control_by_ned is expected
    neither = replace(
        by_name("an unconfirmed CR of non-target disease leaves NON-CR/NON-PD"),
        visits=[visit(n={"N1": "PRESENT", "N2": "PRESENT"})] * 2,
        options={"non_cr_non_pd_is_control": option},
    )
    assert assessed(neither).disease_control is expected


def test_best_response_may_stop_at_new_therapy() -> None:
    case = timeline(30, 30, 20, bor_stops_at_new_therapy=True)
    for day, best in ((dt.date(2024, 4, 1), "SD"), (dt.date(2024, 4, 29), "PR")):
        assert assess(replace(case.reads(), new_therapy_date=day), case.settings()).bor_unconfirmed == best
    assert assessed(case).bor_unconfirmed == "PR"


def test_the_earliest_scan_may_date_a_response() -> None:
    visits = [visit(T1=30), visit(T1=20, dates={"T1": on(50)}), visit(T1=20, dates={"T1": on(110)})]
    case = replace(timeline(30), visits=visits, options={"response_date": "earliest_scan"})
    found = assessed(case).duration_of_response
    assert found is not None and found.start.isoformat() == on(50)


def test_the_visit_may_date_progression_by_a_scan() -> None:
    visits = [visit(T1=30), visit([new()], T1=30, dates={"X1": on(50)})]
    assert str(assessed(replace(timeline(30), visits=visits)).pd_date) == on(50)
    by_visit = replace(timeline(30), visits=visits, options={"pd_scan_date": "visit"})
    assert str(assessed(by_visit).pd_date) == on(56)


def test_baselines_that_need_a_look() -> None:
    assert codes(assessed(timeline(30, 30, days=(-28, 56)))) == []
    assert codes(assessed(timeline(30, 30, days=(-29, 56)))) == ["BASELINE_TOO_OLD"]
    assert codes(assessed(timeline(30, 30, days=(1, 56)))) == ["BASELINE_AFTER_START"]
    case = timeline(30, 30)
    assert codes(assess(replace(case.reads(), treatment_start=None), case.settings())) == ["NO_TREATMENT_START"]


def test_progressions_that_need_a_look() -> None:
    assert codes(assessed(by_name("growth of a normal node is counted in the sum and flagged"))) == [
        "PD_WITH_NORMAL_NODES"
    ]
    assert codes(assessed(by_name("a sum progression by normal nodes alone has no site"))) == ["PD_BY_NORMAL_NODES"]
    merged = replace(
        timeline(30), lesions={"T1": "LIVER", "T2": "LIVER"}, visits=[visit(T1=20, T2=18), visit(T1_T2=46)]
    )
    assert codes(assessed(merged)) == ["PD_WITH_MERGE"]


def test_lesions_that_part_again_are_no_merge() -> None:
    case = replace(
        timeline(30),
        lesions={"T1": "LIVER", "T2": "LIVER"},
        visits=[visit(T1=20, T2=18), visit(T1_T2=30), visit(T1=20, T2=18)],
    )
    found = assessed(case)
    assert found.visits[1].overall == "PD"
    assert codes(found) == []


def test_the_rule_of_an_overall_response_is_named() -> None:
    wanted = {
        "a node of 10 after overall CR is reappearance": ("overall.reappearance", "RECIST 1.1, 4.4.4"),
        "27 to 32.4 is PD, exactly 20 %": ("overall.pd", "RECIST 1.1, 4.4.1, table 1"),
        "29.9 % below is SD": ("overall.table", "RECIST 1.1, 4.4.1, table 1"),
        "non-target disease not evaluable is NE": ("overall.table", "RECIST 1.1, 4.4.1, table 2"),
        "an absent non-target at the re-baseline does not prevent NED": ("overall.ned", "rule book, 7 and 10"),
    }
    for name, expected in wanted.items():
        last = assessed(by_name(name)).visits[-1].reasons[-1]
        assert (last.rule, last.section) == expected


def test_a_mass_is_attributed_to_the_organ_of_its_larger_member() -> None:
    case = replace(timeline(30), lesions={"T1": "LUNG", "T2": "LIVER"}, visits=[visit(T1=30, T2=20), visit(T1_T2=70)])
    assert assessed(case).pd_site == "EXTRAHEPATIC"


def test_residual_tumour_beyond_the_window_is_queried() -> None:
    for day, expected in ((180, []), (181, ["RESIDUAL_BEYOND_WINDOW"])):
        case = Case(
            name="residual",
            rule="10",
            lesions=ONE,
            treated=(("T1", "ABLATION", 0),),
            days=(-6, 56, day),
            visits=[visit(T1=30), visit(rebaseline=True, sites={"T1": "RESIDUAL"}), visit(sites={"T1": "RESIDUAL"})],
            expected=(),
        )
        assert codes(assessed(case)) == expected


def test_the_window_of_residual_tumour_counts_from_the_first_session() -> None:
    case = Case(
        name="residual",
        rule="10",
        treated=(("T1", "ABLATION", 0), ("T2", "ABLATION", 30)),
        days=(-6, 70, 181),
        visits=[
            visit(T1=30, T2=20),
            visit(rebaseline=True, sites={"T1": "NO_VIABLE", "T2": "RESIDUAL"}),
            visit(sites={"T1": "NO_VIABLE", "T2": "RESIDUAL"}),
        ],
        expected=(),
    )
    assert codes(assessed(case)) == ["RESIDUAL_BEYOND_WINDOW"]


def test_a_treatment_without_a_rebaseline_is_queried_where_it_matters() -> None:
    never = by_name("treated and never re-baselined is not evaluable, whatever grows")
    assert codes(assessed(never)) == ["TREATMENT_PHASE_GROWTH", "NO_REBASELINE"]
    assert codes(assessed(replace(never, options={"local_mode": "strict_ne"}))) == []
    read_only = by_name("strict_ne: a site that is read is a treated one")
    assert codes(assessed(replace(read_only, options={}))) == []


def test_local_progression_soon_after_sbrt_is_queried() -> None:
    for method, day, expected in (("SBRT", 179, ["LTP_IN_QUIET_TIME"]), ("SBRT", 180, []), ("ABLATION", 100, [])):
        case = Case(
            name="quiet",
            rule="10 rebaseline 7",
            lesions=ONE,
            treated=(("T1", method, 0),),
            days=(-6, 56, day),
            visits=[visit(T1=30), visit(rebaseline=True, sites={"T1": "NO_VIABLE"}), visit(sites={"T1": "LTP"})],
            expected=(),
        )
        assert codes(assessed(case)) == expected


def test_a_rebaseline_flag_without_treatment_is_obeyed_and_queried() -> None:
    case = replace(timeline(30), visits=[visit(T1=30), visit(T1=20, rebaseline=True), visit(T1=20)])
    found = assessed(case)
    assert [v.overall for v in found.visits] == ["REBASELINE", "SD"]
    assert codes(found) == ["REBASELINE_WITHOUT_TREATMENT"]


def test_a_reason_reads_as_a_sentence_and_as_data() -> None:
    reason = assessed(by_name("exactly 30 % below is PR")).visits[0].reasons[0]
    assert reason.sentence() == (
        "PR: the sum 70 mm is at least 30 % below the baseline 100 mm [T1, T2] (RECIST 1.1, 4.3.1)."
    )
    assert reason.to_dict() == {
        "rule": "target.pr",
        "section": "RECIST 1.1, 4.3.1",
        "outcome": "PR",
        "lesions": ["T1", "T2"],
        "numbers": {"sum_mm": "70", "baseline_mm": "100", "nadir_mm": "100", "pr_pct": "30"},
        "scans": ["2024-03-04"],
        "sentence": reason.sentence(),
    }


def test_the_numbers_of_a_progression() -> None:
    reason = assessed(timeline(30, 25, 31)).visits[1].reasons[0]
    assert reason.sentence() == (
        "PD: the sum 31 mm is 6 mm over the nadir 25 mm, at least 5 mm and 20 % [T1] (RECIST 1.1, 4.3.1)."
    )
    partial = replace(
        timeline(30), lesions={"T1": "LIVER", "T2": "LIVER"}, visits=[visit(T1=30, T2=20), visit(T1=60, T2="NE")]
    )
    assert dict(assessed(partial).visits[0].reasons[0].numbers)["change_mm"] == 10


def reasons(found: Assessment) -> dict[str, Reason]:
    return {reason.rule: reason for reason in found.reasons}


def test_a_date_carries_the_rule_that_made_it() -> None:
    found = assessed(by_name("a later confirmation moves an earlier progression back, and takes site and reasons"))
    moved = reasons(found)["pd_date.first_sight"]
    assert (moved.outcome, moved.lesions) == (on(56), ("X1",))
    assert reasons(found)["pd_site.triggers"].outcome == "EXTRAHEPATIC"
    assert found.visit(1) is not None and found.visit(0) is None
    without_site = assessed(by_name("a sum progression by normal nodes alone has no site"))
    assert reasons(without_site)["pd_site.triggers"].outcome == "no site"
    assert not any(rule.startswith("first_") for rule in reasons(without_site))
    alone = assessed(by_name("a compartment that grew enough is named alone"))
    assert [trigger.lesions for trigger in alone.pd_triggers] == [("T1",)]


def test_the_first_date_of_each_compartment_carries_its_lesion_and_scan() -> None:
    visits = [visit(T1=30), visit([new("X1", "LUNG")], T1=30), visit([new("X1", "LUNG")], T1=40)]
    found = assessed(replace(timeline(30), visits=visits))
    outside = reasons(found)["first_extrahepatic_pd_date.earliest_trigger"]
    assert (outside.outcome, outside.lesions, outside.scans) == (on(56), ("X1",), (on(56),))
    inside = reasons(found)["first_hepatic_pd_date.earliest_trigger"]
    assert (inside.outcome, inside.lesions) == (on(112), ("T1",))
    assert inside.sentence() == (
        f"{on(112)}: earliest scan that shows hepatic progression: TARGET [T1] (rule book, 9)."
    )


def test_values_that_are_none_are_refused() -> None:
    for mm in ("-1", "NaN", "Infinity", "2000.1", "1E-13"):
        with pytest.raises(ReadsError):
            Measurement(lesions=("T1",), form=Form.MM, mm=Decimal(mm))
    with pytest.raises(ReadsError):
        Measurement(lesions=("T1",), form=Form.MM)
    with pytest.raises(ReadsError):
        Measurement(lesions=("T1",), form=Form.NE, mm=Decimal(1))
    with pytest.raises(ReadsError):
        Measurement(lesions=(), form=Form.NE)
    with pytest.raises(ReadsError, match="no visit"):
        Reads(subject_id="S", lesions=(), visits=())


def test_settings_refuse_what_contradicts_itself() -> None:
    with pytest.raises(ValidationError, match="rebaseline_max_days"):
        AssessSettings(rebaseline_min_days=90)
    assert AssessSettings.model_validate({"nt_partial": True}).nt_partial == "NON-CR/NON-PD"
    assert AssessSettings.model_validate({"nt_partial": False}).nt_partial == "NE"
    assert all(field.description for field in AssessSettings.model_fields.values())
