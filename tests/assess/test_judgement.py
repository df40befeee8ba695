"""What is told beside the response: growth of all lesions, exploratory curves, regions, treatments without a lesion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lesiontrack.assess import AssessSettings, judge
from lesiontrack.assess.judgement import baselines
from lesiontrack.domain.lesion import Fate, MissingState
from lesiontrack.domain.outcome import Judgement
from lesiontrack.domain.study import Coverage, Scan
from tests.assess.build import Builder, day, treatment

DATES = [day(1), day(60), day(120)]


def judged(builder: Builder) -> Judgement:
    return judge(builder.build(), AssessSettings())


def growth(found: Judgement) -> list[int | None]:
    return [query.timepoint for query in found.queries if query.code == "ALL_LESION_GROWTH"]


# --- growth of all lesions together -----------------------------------------------------------------------------------


def of_volumes(*volumes_mm3: float, start: int = 8) -> Judgement:
    """Judge one lesion of 30 mm whose volume alone changes."""
    history = Builder(DATES, start=day(start)).track(*[30] * len(volumes_mm3)).build()
    lesions = tuple(replace(x, volume_mm3=volumes_mm3[x.timepoint]) for x in history.lesions)
    return judge(replace(history, lesions=lesions), AssessSettings())


@pytest.mark.parametrize(
    ("volumes", "grown"),
    [
        ((1000, 1729, 1729), []),
        ((1000, 1730, 1000), [1]),
        ((1000, 500, 865), [2]),
        ((1000, 500, 864), []),
        ((0, 100, 100), []),
        ((0.9, 1.6, 1.6), [1, 2]),
    ],
)
def test_a_volume_that_grows_by_73_percent_over_its_smallest_is_proposed(
    volumes: Sequence[float], grown: list[int]
) -> None:
    assert growth(of_volumes(*volumes)) == grown


def test_growth_is_proposed_in_the_study_phase_only() -> None:
    assert growth(of_volumes(1000, 1800, 1800, start=8)) == [1, 2]
    assert growth(of_volumes(1000, 1800, 1800, start=70)) == []


@pytest.mark.parametrize(
    ("sizes", "grown"), [((20, 24.9, 24), []), ((20, 25, 20), [1]), ((20, 15, 20), [2]), ((20, 15, 19.9), [])]
)
def test_diameters_that_grow_by_20_percent_and_5_mm_are_proposed(sizes: Sequence[float], grown: list[int]) -> None:
    history = Builder(DATES).track(*sizes).build()
    flat = tuple(replace(lesion, volume_mm3=1000.0) for lesion in history.lesions)
    assert growth(judge(replace(history, lesions=flat), AssessSettings())) == grown


# --- exploratory curves -----------------------------------------------------------------------------------------------


def test_a_curve_counts_fragments_once_and_leaves_out_unusable_visits() -> None:
    builder = Builder(DATES, usable=[True, False, True])
    builder.track(30, None, 14).track(None, None, 12, parent_track_id="L01")
    curve = judged(builder).curves
    assert [(p.timepoint, p.n_lesions, str(p.all_lesion_sum_mm)) for p in curve] == [(0, 1, "30"), (2, 2, "26")]
    assert [p.total_volume_mm3 for p in curve] == [30**3 / 2, 14**3 / 2 + 12**3 / 2]


def test_a_curve_is_complete_when_every_lesion_known_by_then_is_told() -> None:
    builder = Builder(DATES).track(30, 30, 30)
    builder.track(None, 12, None, states={2: MissingState.OUT_OF_VIEW})
    assert [point.complete for point in judged(builder).curves] == [True, True, False]


# --- phases -----------------------------------------------------------------------------------------------------------


def test_roles_are_given_where_a_phase_starts() -> None:
    assert baselines(Builder(DATES, start=day(70)).track(30, 30, 30).build()) == {0, 1}
    assert baselines(Builder(DATES, start=day(8)).track(30, 30, 30).build()) == {0}


# --- regions ----------------------------------------------------------------------------------------------------------


def regions(*rows: Coverage, scans: tuple[Scan, ...] = ()) -> tuple[str, ...]:
    """Return the regions of a visit with scans on days 60 and 64."""
    history = Builder([day(1), day(64)], clinical={"coverage": rows}).track(30, 30).build()
    visits = list(history.subject.visits)
    early = Scan(series_uid="1.1.1", date=day(60), modality="CT")
    visits[1] = replace(visits[1], scans=(early, *visits[1].scans, *scans))
    history = replace(history, subject=replace(history.subject, visits=tuple(visits)))
    return judge(history, AssessSettings()).regions[1]


def row(date: int, region: str, *, assessed: bool = True) -> Coverage:
    return Coverage(date=day(date), region=region, assessed=assessed)


def test_a_row_of_coverage_counts_from_the_first_scan_of_a_visit_to_its_last() -> None:
    rows = [row(59, "BONE"), row(60, "LUNG"), row(62, "BRAIN"), row(64, "ADRENAL"), row(65, "OTHER")]
    assert regions(*rows) == ("ADRENAL", "BRAIN", "LIVER", "LUNG")


def test_a_usable_scan_shows_its_regions_and_another_none() -> None:
    def scan(number: int, *, usable: bool, region: str) -> Scan:
        return Scan(series_uid=f"1.9.{number}", date=day(62), modality="CT", usable=usable, regions=(region,))

    scans = (scan(1, usable=True, region="LUNG"), scan(2, usable=False, region="BRAIN"))
    assert regions(scans=scans) == ("LIVER", "LUNG")


@pytest.mark.parametrize("name", ["LIVER", "liver", "HEPATIC"])
def test_a_liver_that_was_not_assessed_is_none_by_either_name(name: str) -> None:
    assert regions(row(64, name, assessed=False), row(64, "LUNG")) == ("LUNG",)
    assert regions(row(64, "LUNG", assessed=False)) == ("LIVER",)


# --- treatments -------------------------------------------------------------------------------------------------------


def test_a_treatment_is_placed_when_a_track_has_it_on_that_day_by_that_method() -> None:
    rows = [treatment(day(10), "ABLATION"), treatment(day(10), "SBRT"), treatment(day(11), "ABLATION")]
    builder = Builder(DATES, start=day(10), clinical={"local_treatments": tuple(rows)})
    builder.track(30, None, None, state=MissingState.TREATED, treatments=(rows[0],), fate=Fate.ABLATED)
    unplaced = [query.text for query in judged(builder).queries if query.code == "TREATMENT_UNPLACED"]
    assert unplaced == [
        f"SBRT of {day(10)}: no lesion is known that it treated",
        f"ABLATION of {day(11)}: no lesion is known that it treated",
    ]


def test_day_0_of_the_induction_is_its_start_where_known_and_else_its_baseline() -> None:
    for clinical, start in (({"induction_start_date": day(5)}, day(5)), ({}, day(1))):
        found = judged(Builder(DATES, start=day(70), clinical=clinical).track(30, 30, 30)).induction
        assert found is not None
        assert found.assessments["recist11-local"].treatment_start == start
