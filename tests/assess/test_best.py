"""Best overall response of short sequences, with and without confirmation (response rules, section 8)."""

from __future__ import annotations

import datetime as dt

import pytest

from lesiontrack.assess import AssessSettings
from lesiontrack.assess.best import (
    TimedResponse,
    best_overall_response,
    confirmed_best_overall_response,
    until_progression,
)
from lesiontrack.domain.outcome import Response

START = dt.date(2024, 1, 8)
NEITHER = "NON-CR/NON-PD"


def sequence(text: str, *, target_disease: bool = True) -> list[TimedResponse]:
    """Read "PR@56 NE@84": responses on days from treatment start."""
    parts = [item.split("@") for item in text.split()]
    days = [(Response(response), START + dt.timedelta(days=int(day))) for response, day in parts]
    return until_progression([TimedResponse(date, response, target_disease) for response, date in days])


@pytest.mark.parametrize(
    ("text", "unconfirmed", "confirmed"),
    [
        ("", "NE", "NE"),
        ("NE@56", "NE", "NE"),
        ("SD@41", "NE", "NE"),
        ("SD@42", "SD", "SD"),
        ("SD@41 PD@80", "PD", "PD"),
        (f"{NEITHER}@41", "NE", "NE"),
        (f"{NEITHER}@42", NEITHER, NEITHER),
        (f"{NEITHER}@42 SD@56", "SD", "SD"),
        ("PD@56 CR@112", "PD", "PD"),
        ("CR@56", "CR", "SD"),
        ("CR@41", "CR", "NE"),
        ("CR@41 PD@80", "CR", "PD"),
        ("PR@56", "PR", "SD"),
        ("PR@41", "PR", "NE"),
        ("CR@56 CR@84", "CR", "CR"),
        ("CR@56 CR@83", "CR", "SD"),
        ("CR@56 CR@80 CR@84", "CR", "CR"),
        ("CR@56 NE@70 CR@84", "CR", "CR"),
        ("CR@56 NE@70 NE@80 CR@90", "CR", "SD"),
        ("CR@56 SD@70 CR@90", "CR", "SD"),
        ("PR@56 PR@84", "PR", "PR"),
        ("PR@56 PR@83", "PR", "SD"),
        ("PR@56 NE@70 PR@84", "PR", "PR"),
        ("PR@56 NE@70 NE@80 PR@90", "PR", "SD"),
        ("PR@56 SD@70 PR@90", "PR", "SD"),
        ("PR@56 CR@84", "CR", "PR"),
        ("PR@56 CR@70 NE@80 CR@90", "CR", "PR"),
        ("PR@56 CR@70 PR@90", "CR", "SD"),
        ("CR@56 PR@84 PR@112", "CR", "SD"),
        ("CR@56 PR@84 CR@112", "CR", "PR"),
        ("SD@56 PR@84 PR@112 SD@140", "PR", "PR"),
        ("PR@56 REBASELINE@84 PR@112", "PR", "SD"),
        ("NED@20", "NED", "NED"),
        ("SD@56 NED@84", "NED", "NED"),
        ("PR@56 NED@84", "PR", "NED"),
        ("REBASELINE@56", "NE", "NE"),
        ("REBASELINE@56 NED@112 PD@168", "NED", "NED"),
    ],
)
def test_best_overall_response(text: str, unconfirmed: str, confirmed: str) -> None:
    found = sequence(text)
    assert best_overall_response(found, START, AssessSettings()).response == unconfirmed
    assert confirmed_best_overall_response(found, START, AssessSettings()).response == confirmed


def test_a_cr_of_non_target_disease_alone() -> None:
    for text, confirmed in (("CR@56", NEITHER), ("CR@41", "NE"), ("CR@56 CR@84", "CR"), ("CR@41 PD@60", "PD")):
        found = sequence(text, target_disease=False)
        assert confirmed_best_overall_response(found, START, AssessSettings()).response == confirmed


def test_confirmation_asks_for_another_visit_even_on_the_same_terms() -> None:
    settings = AssessSettings(confirm_days=0)
    assert confirmed_best_overall_response(sequence("CR@56"), START, settings).response == "SD"
    assert confirmed_best_overall_response(sequence("PR@56"), START, settings).response == "SD"
    assert confirmed_best_overall_response(sequence("PR@56 PR@57"), START, settings).response == "PR"


def test_more_visits_that_cannot_be_evaluated_may_stand_between() -> None:
    settings = AssessSettings(max_ne_between=2)
    for response in ("CR", "PR"):
        two = f"{response}@56 NE@60 NE@70 {response}@84"
        three = f"{response}@56 NE@60 NE@70 NE@75 {response}@84"
        assert confirmed_best_overall_response(sequence(two), START, settings).response == response
        assert confirmed_best_overall_response(sequence(three), START, settings).response == "SD"


def test_one_sd_may_stand_between_by_option_and_nothing_else() -> None:
    settings = AssessSettings(accept_sd_between=True)
    assert confirmed_best_overall_response(sequence("PR@56 SD@70 PR@84"), START, settings).response == "PR"
    assert confirmed_best_overall_response(sequence("PR@56 SD@60 SD@70 PR@84"), START, settings).response == "SD"
    assert confirmed_best_overall_response(sequence(f"PR@56 {NEITHER}@70 PR@84"), START, settings).response == "SD"
    assert confirmed_best_overall_response(sequence("CR@56 SD@70 CR@84"), START, settings).response == "SD"
