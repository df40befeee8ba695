"""How long a response or stable disease lasts, what counts before that, and what is stored of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from lesiontrack.assess import AssessSettings, assess
from lesiontrack.domain.outcome import Assessment, Duration
from tests.cases.catalogue import ONE, START, Case, new, on, visit

DAYS = (-6, 56, 112, 168, 224)


def timeline(*sizes: object, days: tuple[int, ...] = DAYS, **options: object) -> Case:
    visits = [visit(T1=size) for size in sizes]
    return Case(name="made here", rule="", lesions=ONE, days=days, visits=visits, expected=(), options=options)


def assessed(case: Case) -> Assessment:
    return assess(case.reads(), case.settings())


def lasting(found: Duration | None) -> tuple[str, str, bool, str] | None:
    return None if found is None else (found.start.isoformat(), found.end.isoformat(), found.event, found.reason)


def test_stable_disease_lasts_from_treatment_start_to_progression() -> None:
    found = assessed(timeline(30, 30, 40))
    assert lasting(found.duration_of_stable_disease) == (START.isoformat(), on(112), True, "PD")
    assert found.duration_of_response is None


def test_stable_disease_without_progression_is_open_at_the_last_evaluable_visit() -> None:
    found = assessed(timeline(30, 30, 30, "NE", days=DAYS))
    assert lasting(found.duration_of_stable_disease) == (START.isoformat(), on(112), False, "LAST_ADEQUATE")


def test_death_ends_stable_disease() -> None:
    case = timeline(30, 30)
    found = assess(replace(case.reads(), death_date=dt.date(2024, 6, 1)), case.settings())
    assert lasting(found.duration_of_stable_disease) == (START.isoformat(), "2024-06-01", True, "DEATH")


@pytest.mark.parametrize("sizes", [(30, 20), (30, 40), (30, "NE")])
def test_only_stable_disease_has_a_duration_of_it(sizes: tuple[object, ...]) -> None:
    assert assessed(timeline(*sizes)).duration_of_stable_disease is None


def test_a_response_after_the_first_progression_has_no_duration() -> None:
    found = assessed(timeline(30, 40, 20))
    assert (found.bor_unconfirmed, found.duration_of_response) == ("PD", None)


def test_a_response_at_the_visit_to_which_progression_moves_back_has_no_duration() -> None:
    seen = [visit(T1=30), visit([new("X1", "LIVER", "EQUIVOCAL")], T1=20), visit([new()], T1=20)]
    found = assessed(replace(timeline(30), visits=seen))
    assert found.pd_timepoint == 1
    assert (found.bor_unconfirmed, found.duration_of_response) == ("PD", None)


def test_a_response_on_the_day_of_treatment_start_counts_and_one_before_it_does_not() -> None:
    on_the_day = assessed(timeline(30, 20, 30, days=(-6, 0, 56)))
    assert on_the_day.bor_unconfirmed == "PR"
    before = assessed(timeline(30, 20, 30, days=(-6, -1, 56)))
    # The nadir is 20 mm all the same: 30 mm is progression.
    assert (before.bor_unconfirmed, before.duration_of_response) == ("PD", None)


def test_nothing_after_a_progression_before_treatment_start_counts() -> None:
    found = assessed(timeline(30, 40, 20, 20, days=(-60, -6, 56, 112)))
    assert str(found.pd_date) == on(-6)
    assert (found.bor_unconfirmed, found.bor_confirmed, found.duration_of_response) == ("NE", "NE", None)


def test_new_therapy_ends_what_counts_for_a_duration_too() -> None:
    case = timeline(30, 30, 20, bor_stops_at_new_therapy=True)
    reads = replace(case.reads(), new_therapy_date=dt.date(2024, 4, 1))
    assert assess(reads, case.settings()).duration_of_response is None


def test_control_on_a_day_needs_a_visit_on_that_day_or_later_that_shows_it() -> None:
    days = [84]
    assert assessed(timeline(30, 30, 30, disease_control_days=days)).disease_control_at_days == ((84, True),)
    assert assessed(timeline(30, 30, "NE", disease_control_days=days)).disease_control_at_days == ((84, None),)
    on_day = timeline(30, 30, days=(-6, 84), disease_control_days=days)
    assert assessed(on_day).disease_control_at_days == ((84, True),)
    pd_on_day = timeline(30, 40, days=(-6, 84), disease_control_days=days)
    assert assessed(pd_on_day).disease_control_at_days == ((84, False),)


def test_a_baseline_on_the_day_of_treatment_start_is_in_time() -> None:
    assert assessed(timeline(30, 30, days=(0, 56))).queries == ()


def test_the_baseline_sum_is_that_of_the_targets_and_none_without_one() -> None:
    assert assessed(timeline(30, 30)).baseline_sum_mm == Decimal(30)
    only = Case(name="", rule="", lesions={"N1": "LIVER"}, visits=[visit(n={"N1": "PRESENT"})] * 2, expected=())
    assert assessed(only).baseline_sum_mm is None


@pytest.mark.parametrize(("baseline", "later"), [(False, False), (True, False), (False, True), (True, True)])
def test_an_assessment_is_provisional_when_any_of_its_visits_is(baseline: bool, later: bool) -> None:
    reads = timeline(30, 30, 30).reads()
    first, second, third = reads.visits
    visits = (replace(first, provisional=baseline), second, replace(third, provisional=later))
    assert assess(replace(reads, visits=visits), AssessSettings()).provisional is (baseline or later)


# --- why a best response is what it is --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "unconfirmed", "confirmed"),
    [
        (
            (30, 20, 20),
            "PR: the first of the best responses is on day 56 (rule book, 8; RECIST 1.1, 4.4.3).",
            "PR: on day 56, confirmed 56 days later, at least 28 (rule book, 8; RECIST 1.1, 4.4.3).",
        ),
        (
            (30, 20, 40),
            "PR: the first of the best responses is on day 56 (rule book, 8; RECIST 1.1, 4.4.3).",
            "SD: no better response counts, and on day 56, at least 42, the disease was no worse "
            "(rule book, 8; RECIST 1.1, 4.4.3).",
        ),
        (
            (30, "NE", 40),
            "PD: progression on day 112, and no better response counts before it (rule book, 8; RECIST 1.1, 4.4.3).",
            "PD: progression on day 112, and no better response counts before it (rule book, 8; RECIST 1.1, 4.4.3).",
        ),
        (
            (30, "NE"),
            "NE: no visit from treatment start to the first progression counts (rule book, 8; RECIST 1.1, 4.4.3).",
            "NE: no visit from treatment start to the first progression counts (rule book, 8; RECIST 1.1, 4.4.3).",
        ),
    ],
)
def test_a_best_response_says_which_visits_make_it(sizes: tuple[object, ...], unconfirmed: str, confirmed: str) -> None:
    first, second = assessed(timeline(*sizes)).reasons[:2]
    assert (first.rule, first.sentence()) == ("bor.unconfirmed", unconfirmed)
    assert (second.rule, second.sentence()) == ("bor.confirmed", confirmed)


def test_a_confirmed_response_names_both_scans() -> None:
    found = assessed(timeline(30, 20, 20))
    assert found.reasons[1].scans == (on(56), on(112))
    assert dict(found.reasons[1].numbers) == {"day": 56, "days_between": 56, "confirm_days": 28}
