"""The contract's defaults for what the machine sees: new lesions, absence, small lesions, masses, modality."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from lesiontrack.assess import AssessSettings, judge
from lesiontrack.domain.lesion import MissingState
from lesiontrack.domain.outcome import Assessment, Response, VisitResponse
from lesiontrack.domain.study import Finding
from tests.assess.build import Builder, day

DATES = [day(1), day(60), day(120), day(180)]


def primary(builder: Builder, **settings: object) -> Assessment:
    found = judge(builder.build(), AssessSettings.model_validate(settings)).primary
    assert found is not None
    return found


def visit(builder: Builder, timepoint: int, **settings: object) -> VisitResponse:
    found = primary(builder, **settings).visit(timepoint)
    assert found is not None
    return found


def finding(date: dt.date, lesion: str, status: str, role: str, site: str = "LIVER", **more: Any) -> Finding:
    return Finding(date=date, lesion=lesion, site=site, role=role, status=status, **more)


# --- new lesions ----------------------------------------------------------------------------------------------------


def test_a_new_lesion_that_passes_every_gate_is_unequivocal() -> None:
    found = visit(Builder(DATES).track(30, 30, 30, 30).track(None, 5.0, 6, 7), 1)
    assert (found.new_lesion, found.overall) == ("YES", Response.PD)


@pytest.mark.parametrize(
    ("site", "size", "new"),
    [
        ("LIVER", 5.0, "YES"),
        ("LIVER", 4.9, "EQUIVOCAL"),
        ("LYMPH_NODE", 15.0, "YES"),
        ("LYMPH_NODE", 14.9, "EQUIVOCAL"),
    ],
)
def test_the_size_of_a_new_lesion(site: str, size: float, new: str) -> None:
    assert visit(Builder(DATES).track(30, 30, 30, 30).track(None, size, None, None, site=site), 1).new_lesion == new


def test_a_new_lesion_on_an_untrusted_registration_is_equivocal() -> None:
    builder = Builder(DATES, trusted={1: False}).track(30, 30, 30, 30).track(None, 12, None, None)
    assert visit(builder, 1).new_lesion == "EQUIVOCAL"


def test_a_new_lesion_on_the_first_mr_after_ct_is_equivocal_and_stays_so() -> None:
    builder = Builder(DATES, modality=["CT", "MR", "MR", "MR"]).track(30, 30, 30, 30).track(None, 12, 14, 14)
    assert [v.new_lesion for v in primary(builder).visits] == ["EQUIVOCAL"] * 3


def test_a_new_lesion_that_could_be_an_earlier_one_is_equivocal() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30)
    builder.track(None, 12, 12, 12, reasons=("NEW_MAYBE_SAME: could be L01 (0.85)",))
    assert visit(builder, 1).new_lesion == "EQUIVOCAL"
    builder = Builder(DATES).track(30, 30, 30, 30)
    builder.track(None, 12, 12, 12, reasons=("NEW_UNSURE: could be L01 (0.40)",))
    assert visit(builder, 1).new_lesion == "YES"


def test_a_new_lesion_whose_place_was_never_in_view_is_equivocal() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30)
    builder.place = lambda number: (20.0, 30.0, 60.0) if number == 0 else (20.0, 30.0, 900.0)  # type: ignore[method-assign]
    assert visit(builder.track(None, 12, 12, 12), 1).new_lesion == "EQUIVOCAL"


def test_a_new_lesion_inside_a_treated_zone_is_equivocal() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30).track(None, 12, 12, 12).zone(1, 1)
    assert visit(builder, 1).new_lesion == "EQUIVOCAL"


def test_an_equivocal_lesion_that_grows_is_unequivocal_and_dates_progression_back() -> None:
    found = primary(Builder(DATES).track(30, 30, 30, 30).track(None, 4.0, 8.0, 9.0))
    assert [v.overall for v in found.visits] == [Response.SD, Response.PD, Response.PD]
    assert (found.pd_date, found.pd_declared_date) == (DATES[1], DATES[2])


def test_a_reader_decides_an_equivocal_lesion() -> None:
    rows = [finding(DATES[1], "L02", "UNEQUIVOCAL", "NEW")]
    builder = Builder(DATES, clinical={"findings": rows}).track(30, 30, 30, 30).track(None, 4, None, None)
    assert visit(builder, 1).overall is Response.PD
    rows = [finding(DATES[1], "L02", "ABSENT", "NEW"), finding(DATES[2], "L02", "ABSENT", "NEW")]
    builder = Builder(DATES, clinical={"findings": rows}).track(30, 30, 30, 30).track(None, 12, 12, None)
    assert [v.new_lesion for v in primary(builder).visits] == ["NO", "NO", "NO"]


def test_a_lesion_gone_before_the_study_baseline_and_seen_after_it_is_new_and_flagged() -> None:
    builder = Builder(DATES, start=day(70)).track(30, 30, 30, 30).track(12, None, 12, 12)
    judgement = judge(builder.build(), AssessSettings())
    assert judgement.primary is not None
    found = judgement.primary.visit(2)
    assert found is not None and (found.new_lesion, found.overall) == ("YES", Response.PD)
    assert "REAPPEARING_NEW" in [query.code for query in judgement.queries]
    assert visit(builder, 2, reappearing_counts_as_new=False).overall is Response.SD


def test_a_lesion_out_of_view_at_the_study_baseline_is_a_non_target_and_never_new() -> None:
    builder = Builder(DATES, start=day(70)).track(30, 30, 30, 30)
    builder.track(12, None, 12, 12, states={1: MissingState.OUT_OF_VIEW})
    found = visit(builder, 2)
    assert (found.new_lesion, found.non_target, found.overall) == ("NO", Response.NON_CR_NON_PD, Response.SD)


# --- absence ----------------------------------------------------------------------------------------------------------


def test_a_lesion_not_seen_is_absent_when_trusted_in_view_and_segmented_completely() -> None:
    assert visit(Builder(DATES).track(30, None, None, None), 1).overall is Response.CR


def test_a_lesion_not_seen_is_not_evaluable_otherwise() -> None:
    assert visit(Builder(DATES, trusted={1: False}).track(30, None, None, None), 1).overall is Response.NE
    assert visit(Builder(DATES).track(30, None, 30, 30, state=MissingState.OUT_OF_VIEW), 1).overall is Response.NE
    assert visit(Builder(DATES).track(30, None, None, None), 1, segmentation_complete=False).overall is Response.NE


def test_non_targets_are_present_while_seen_absent_when_gone_and_unequivocal_by_a_reader_only() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30).track(9, 20, 60, None)
    assert [v.non_target for v in primary(builder).visits] == [
        Response.NON_CR_NON_PD,
        Response.NON_CR_NON_PD,
        Response.CR,
    ]
    rows = (finding(DATES[1], "L02", "UNEQUIVOCAL", "NON_TARGET"),)
    builder = Builder(DATES, clinical={"findings": rows}).track(30, 30, 30, 30).track(9, 20, 60, None)
    assert visit(builder, 1).non_target is Response.PD


def test_growth_of_all_lesions_is_proposed_and_not_decided() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30).track(30, 30, 30, 30).track(29, 80, 29, 29)
    judgement = judge(builder.build(), AssessSettings())
    assert judgement.primary is not None
    assert [v.overall for v in judgement.primary.visits] == [Response.SD] * 3
    assert [q.timepoint for q in judgement.queries if q.code == "ALL_LESION_GROWTH"] == [1]


# --- values -----------------------------------------------------------------------------------------------------------


def test_too_small_to_measure_counts_5_mm() -> None:
    assert visit(Builder(DATES).track(30, "TSTM", 4, 4), 1).sum_mm == 5


def test_fragments_add_up() -> None:
    assert visit(Builder(DATES).track(30, [12.5, 10.1], 4, 4), 1).sum_mm == Decimal("22.6")


def test_coalesced_targets_share_one_diameter() -> None:
    builder = Builder(DATES).track(20, 20, None, None, merged_into="L02").track(18, 18, 42, 42)
    found = primary(builder)
    assert [v.sum_mm for v in found.visits] == [38, 42, 42]
    assert [v.overall for v in found.visits] == [Response.SD] * 3


def test_a_target_that_coalesces_with_a_non_target_takes_the_mass() -> None:
    builder = Builder(DATES).track(20, None, None, None, merged_into="L02").track(8, 40, 40, 40)
    found = visit(builder, 1)
    assert found.sum_mm == 40
    assert (found.target, found.non_target) == (Response.PD, Response.NON_CR_NON_PD)


def test_a_reader_s_measurement_wins_over_the_machine() -> None:
    rows = (finding(DATES[1], "L01", "PRESENT", "TARGET", longest_diameter_mm=Decimal("41.25")),)
    builder = Builder(DATES, clinical={"findings": rows}).track(30, 31, 31, 31)
    assert visit(builder, 1).sum_mm == Decimal("41.25")


def test_an_unusable_visit_is_not_judged_unless_a_reader_speaks_of_it() -> None:
    builder = Builder(DATES, usable=[True, False, True, True]).track(30, None, 20, 20)
    assert [v.timepoint for v in primary(builder).visits] == [2, 3]
    rows = (finding(DATES[1], "X1", "UNEQUIVOCAL", "NEW", "LUNG"),)
    builder = Builder(DATES, usable=[True, False, True, True], clinical={"findings": rows}).track(30, None, 20, 20)
    found = primary(builder)
    assert (found.pd_date, found.pd_site) == (DATES[1], "EXTRAHEPATIC")
    assert found.visits[0].target is Response.NE


def test_a_finding_without_a_segmentation_is_followed_by_its_name() -> None:
    rows = (
        finding(DATES[0], "X1", "PRESENT", "NON_TARGET", "LUNG"),
        finding(DATES[1], "X1", "PRESENT", "NON_TARGET", "LUNG"),
        finding(DATES[2], "X1", "UNEQUIVOCAL", "NON_TARGET", "LUNG"),
    )
    builder = Builder(DATES, clinical={"findings": rows}).track(30, 20, 20, 20)
    found = primary(builder)
    assert [v.non_target for v in found.visits] == [Response.NON_CR_NON_PD, Response.PD, Response.NE]
    assert found.pd_site == "EXTRAHEPATIC"


def test_a_finding_of_a_day_without_a_scan_is_a_data_error() -> None:
    rows = (finding(day(90), "X1", "UNEQUIVOCAL", "NEW"),)
    judgement = judge(Builder(DATES, clinical={"findings": rows}).track(30, 20, 20, 20).build(), AssessSettings())
    assert [q.code for q in judgement.queries] == ["FINDING_WITHOUT_VISIT"]


def test_a_reader_sets_the_targets_and_the_reason_says_so() -> None:
    rows = (finding(DATES[0], "L01", "PRESENT", "NON_TARGET"), finding(DATES[0], "L03", "PRESENT", "TARGET"))
    builder = Builder(DATES, clinical={"findings": rows})
    builder.track(30, 30, 30, 30).track(20, 20, 20, 20).track(15, 15, 15, 15)
    judgement = judge(builder.build(), AssessSettings())
    assert judgement.study is not None
    roles = {role.track_id: role for role in judgement.study.roles}
    assert [name for name, role in roles.items() if role.role == "TARGET"] == ["L02", "L03"]
    assert roles["L01"].reason.startswith("by a reader")
    assert roles["L03"].reason.startswith("by a reader")


def test_a_reader_s_own_reason_for_a_target_is_kept() -> None:
    rows = (finding(DATES[0], "L02", "PRESENT", "TARGET", reason="well delimited"),)
    builder = Builder(DATES, clinical={"findings": rows}).track(30, 30, 30, 30).track(20, 20, 20, 20)
    judgement = judge(builder.build(), AssessSettings())
    assert judgement.study is not None
    assert {role.track_id: role.reason for role in judgement.study.roles} == {
        "L01": "measurable, 30 mm",
        "L02": "by a reader: well delimited; measurable, 20 mm",
    }


def test_new_therapy_ends_best_response_where_the_settings_say_so() -> None:
    for therapies, best in (((day(2), day(61)), "SD"), ((day(120),), "PR"), ((), "PR")):
        builder = Builder(DATES, clinical={"new_therapies": therapies}).track(30, 30, 20, 20)
        assert primary(builder, bor_stops_at_new_therapy=True).bor_unconfirmed == best
        assert primary(builder).bor_unconfirmed == "PR"


def test_reasons_name_the_series_that_was_measured() -> None:
    found = visit(Builder(DATES).track(30, 20, 20, 20), 1)
    assert found.reasons[0].scans == ("1.2.1",)
