"""Two phases, two baselines; what is missing is said."""

from __future__ import annotations

import datetime as dt

from lesiontrack.assess import AssessSettings, judge, timepoint_phases
from lesiontrack.assess.phases import split_phases
from lesiontrack.domain.lesion import Certainty
from lesiontrack.domain.outcome import Judgement, Response
from tests.assess.build import Builder, day


def judged(builder: Builder, **settings: object) -> Judgement:
    return judge(builder.build(), AssessSettings.model_validate(settings))


def ten_lesions(builder: Builder, *sizes: float | None, n: int = 10) -> Builder:
    for _ in range(n):
        builder.track(*sizes)
    return builder


def test_the_study_baseline_is_the_last_usable_visit_on_or_before_treatment_start() -> None:
    builder = ten_lesions(Builder([day(1), day(60), day(120)], start=day(60)), 30, 20, 20)
    assert timepoint_phases(builder.build()) == {0: "INDUCTION", 1: "BOTH", 2: "STUDY"}
    found = judged(builder)
    assert found.induction is not None and found.study is not None
    assert found.induction.baseline_timepoint == 0
    assert found.study.baseline_timepoint == 1
    assert [v.timepoint for v in found.induction.assessments["recist11"].visits] == [1]
    assert [v.timepoint for v in found.study.assessments["recist11"].visits] == [2]


def test_an_unusable_scan_on_the_day_is_no_baseline_and_keeps_its_phase() -> None:
    builder = Builder([day(1), day(60), day(120)], start=day(60), usable=[True, False, True]).track(30, None, 20)
    assert timepoint_phases(builder.build()) == {0: "BOTH", 1: "STUDY", 2: "STUDY"}


def test_each_phase_has_its_baseline_first() -> None:
    phases = split_phases(ten_lesions(Builder([day(1), day(60), day(120)], start=day(60)), 30, 20, 20).build().subject)
    assert (phases.induction_baseline, phases.study_baseline) == (0, 1)
    assert (phases.induction, phases.study) == ((0, 1), (1, 2))


def test_an_unusable_scan_on_the_day_of_treatment_start_is_of_the_induction() -> None:
    builder = Builder([day(1), day(60), day(120)], start=day(60), usable=[False, False, True]).track(None, None, 20)
    assert timepoint_phases(builder.build()) == {0: "INDUCTION", 1: "INDUCTION", 2: "STUDY"}


def test_without_treatment_start_what_a_reader_says_before_the_first_usable_scan_has_no_baseline() -> None:
    subject = Builder([day(1), day(60), day(120)], start=None, usable=[False, True, True]).track(None, 20, 20).build()
    assert split_phases(subject.subject, frozenset({0})).induction == (1, 2)
    nothing = Builder([day(1), day(60)], start=None, usable=[False, False]).build().subject
    assert split_phases(nothing, frozenset({0, 1})).induction == ()


def test_disease_control_is_the_induction_response_at_the_study_baseline() -> None:
    found = judged(ten_lesions(Builder([day(1), day(60), day(120)], start=day(70)), 30, 20, 20))
    assert found.eligibility.induction_response is Response.PR
    assert found.eligibility.disease_control == "YES"
    assert found.eligibility.eligible == "YES"


def test_progression_at_an_earlier_induction_visit_is_no_control_even_after_shrinkage() -> None:
    found = judged(ten_lesions(Builder([day(1), day(60), day(110)], start=day(120)), 30, 40, 20))
    assert found.eligibility.induction_response is Response.PR
    assert found.eligibility.disease_control == "NO"
    assert found.eligibility.eligible == "NO"


def test_one_visit_before_treatment_leaves_disease_control_not_assessed() -> None:
    found = judged(ten_lesions(Builder([day(1), day(60)], start=day(8)), 30, 20))
    assert found.eligibility.disease_control == "NOT ASSESSED"
    assert found.eligibility.induction_response is None
    assert found.eligibility.count_eligible == "YES"
    assert found.eligibility.eligible == "UNCERTAIN"


def test_an_unevaluable_study_baseline_leaves_disease_control_not_assessed() -> None:
    builder = ten_lesions(Builder([day(1), day(60), day(120)], start=day(70), trusted={1: False}), 30, None, 20)
    found = judged(builder)
    assert found.eligibility.induction_response is Response.NE
    assert found.eligibility.disease_control == "NOT ASSESSED"


def test_without_treatment_start_nothing_is_invented() -> None:
    found = judged(ten_lesions(Builder([day(1), day(60)], start=None), 30, 20))
    assert found.study is None
    assert found.primary is None
    assert found.phases == {}
    assert "no treatment_start_date" in found.missing[0]
    assert found.eligibility.count_eligible == "YES"
    assert found.eligibility.disease_control == "NOT ASSESSED"


def test_without_a_clinical_row_the_count_and_the_way_since_the_first_scan_are_told() -> None:
    found = judged(ten_lesions(Builder([day(1), day(60)], clinical=None), 30, 20))
    assert found.missing[0].startswith("no clinical row")
    assert found.eligibility.count_hepatic == 10
    assert found.induction is not None
    assert [v.overall for v in found.induction.assessments["recist11"].visits] == [Response.PR]


def test_without_a_scan_before_treatment_there_is_no_baseline() -> None:
    found = judged(ten_lesions(Builder([day(30), day(90)], start=day(8)), 30, 20))
    assert (found.induction, found.study) == (None, None)
    assert found.phases == {0: "STUDY", 1: "STUDY"}
    assert found.eligibility.count_hepatic is None
    assert found.eligibility.count_eligible == "UNCERTAIN"
    assert "count not assessed" in found.eligibility.flags[0]


def test_the_count_is_that_of_the_first_scan_and_lesions_that_vanish_still_count() -> None:
    builder = Builder([day(1), day(60), day(120)], start=day(70))
    ten_lesions(builder, 30, 20, 20, n=8)
    builder.track(12, None, None).track(12, None, None).track(15, 15, 15, site="LUNG")
    found = judged(builder)
    assert found.eligibility.count_hepatic == 10
    assert found.eligibility.extrahepatic_at_baseline is True


def test_the_count_has_bounds_and_names_the_lesions_that_decide_it() -> None:
    builder = Builder([day(1)], start=day(8))
    ten_lesions(builder, 30, n=8)
    builder.track(12, certainty=Certainty.PROBABLE).track(40, certainty=Certainty.CONFLUENT, max_components=3)
    found = judged(builder).eligibility
    assert (found.count_low, found.count_hepatic, found.count_high) == (9, 10, 12)
    assert found.count_eligible == "UNCERTAIN"
    assert found.deciding_lesions == ("L09", "L10")
    assert found.margin_to_limit == 0


def test_a_limit_that_only_a_doubtful_lesion_reaches_is_uncertain() -> None:
    builder = ten_lesions(Builder([day(1)], start=day(8)), 30, n=9).track(12, certainty=Certainty.PROBABLE)
    found = judged(builder).eligibility
    assert (found.count_low, found.count_high, found.count_eligible) == (9, 10, "UNCERTAIN")


def test_a_mask_that_may_hold_two_lesions_is_one_that_decides() -> None:
    builder = ten_lesions(Builder([day(1)], start=day(8)), 30, n=8)
    found = judged(builder.track(40, certainty=Certainty.CONFLUENT, max_components=2)).eligibility
    assert (found.count_hepatic, found.count_high, found.deciding_lesions) == (9, 10, ("L09",))


def test_disease_outside_the_liver_is_told_at_the_study_baseline_and_without_one_at_the_first_scan() -> None:
    between = day(70)

    def outside(first: float | None, second: float | None, start: dt.date | None = between) -> bool | None:
        builder = Builder([day(1), day(60), day(120)], start=start).track(30, 30, 30)
        return judged(builder.track(first, second, 20, site="LUNG")).eligibility.extrahepatic_at_baseline

    assert outside(20, None) is False
    assert outside(None, 20) is True
    assert outside(20, None, start=None) is True
    assert outside(None, 20, start=None) is False
    assert outside(20, 20, start=day(0)) is None


def test_nine_certain_lesions_and_no_more_are_not_eligible() -> None:
    found = judged(ten_lesions(Builder([day(1)], start=day(8)), 30, n=9)).eligibility
    assert (found.count_eligible, found.eligible, found.margin_to_limit) == ("NO", "NO", -1)


def test_a_first_scan_after_the_start_of_induction_flags_the_count() -> None:
    builder = ten_lesions(Builder([day(5)], start=day(8), clinical={"induction_start_date": day(4)}), 30)
    assert "after chemotherapy" in judged(builder).eligibility.flags[0]
    builder = ten_lesions(Builder([day(5)], start=day(8), clinical={"induction_start_date": day(5)}), 30)
    assert judged(builder).eligibility.flags == ()


def test_two_targets_an_organ_the_largest_and_by_id_where_equal() -> None:
    builder = Builder([day(1), day(60)]).track(20, 20).track(30, 30).track(20, 20).track(9, 9)
    found = judged(builder)
    assert found.study is not None
    roles = {role.track_id: (role.role.value, role.measurable) for role in found.study.roles}
    assert roles == {
        "L01": ("TARGET", True),
        "L02": ("TARGET", True),
        "L03": ("NON_TARGET", True),
        "L04": ("NON_TARGET", False),
    }


def test_five_targets_in_all_largest_first() -> None:
    builder = Builder([day(1), day(60)])
    for site, size in (("LIVER", 40), ("LIVER", 39), ("LUNG", 20), ("LUNG", 19), ("BONE", 18), ("ADRENAL", 17)):
        builder.track(size, size, site=site)
    found = judged(builder)
    assert found.study is not None
    assert [r.track_id for r in found.study.roles if r.role == "TARGET"] == ["L01", "L02", "L03", "L04", "L05"]


def test_what_the_machine_alone_says_is_provisional_and_a_reader_s_history_is_not() -> None:
    history = Builder([day(1), day(60)]).track(30, 20).build()
    assert judge(history, AssessSettings()).provisional
    read = judge(history, AssessSettings(), reader="anna")
    assert not read.provisional
    assert read.primary is not None and read.primary.reader == "anna"


def test_regions_are_the_liver_of_a_usable_visit_and_what_the_coverage_table_says() -> None:
    from lesiontrack.domain.study import Coverage

    rows = (Coverage(date=day(1), region="LUNG", assessed=True), Coverage(date=day(60), region="LIVER", assessed=False))
    builder = Builder([day(1), day(60), day(120)], usable=[True, True, False], clinical={"coverage": rows})
    found = judged(builder.track(30, 20, None))
    assert found.regions == {0: ("LIVER", "LUNG"), 1: (), 2: ()}
