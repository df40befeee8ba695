"""The plan of local treatment by dates: its sessions, and the visit at which the baseline restarts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest

from lesiontrack.assess import AssessSettings
from lesiontrack.assess.rebaseline import Plan, make_plan
from lesiontrack.domain.reads import LocalTherapy
from tests.assess.build import Builder, day


def therapy(date: dt.date, *, planned: bool | None = True) -> LocalTherapy:
    return LocalTherapy(lesion="L01", method="ABLATION", date=date, planned=planned)


def plan(visits: Sequence[int], sessions: Sequence[int], usable: Sequence[bool] | None = None) -> Plan:
    builder = Builder([day(n) for n in visits], usable=usable)
    timepoints = tuple(range(len(visits)))
    return make_plan(builder.build(), [therapy(day(n)) for n in sessions], timepoints, AssessSettings())


@pytest.mark.parametrize(
    ("visits", "sessions", "rebaseline"),
    [
        ((1,), (10,), None),
        ((1, 60), (), None),
        ((1, 60), (10,), 1),
        # On the day of a scan the treatment comes after it, as does one after the last scan: they wait for a scan.
        ((1, 60), (10, 60), 1),
        ((1, 60), (10, 61), 1),
        ((1, 60), (60,), None),
        ((1, 60, 100), (10, 60), 2),
        ((1, 60, 61), (10, 60), None),
        ((1, 37), (10,), None),
        ((1, 38), (10,), 1),
        ((1, 60), (1,), 1),
    ],
)
def test_the_first_scan_late_enough_after_the_last_session_behind_a_scan(
    visits: Sequence[int], sessions: Sequence[int], rebaseline: int | None
) -> None:
    assert plan(visits, sessions).rebaseline == rebaseline


def test_a_scan_that_cannot_be_used_is_none() -> None:
    assert plan((1, 60, 100), (10,), usable=[True, False, True]).rebaseline == 2
    assert plan((1, 60, 100), (10, 70), usable=[True, True, False]).rebaseline == 1


def test_a_session_before_the_baseline_is_history() -> None:
    assert plan((5, 60), (4,)).sessions == frozenset()
    assert plan((5, 60), (5,)).sessions == {day(5)}


def test_sessions_are_of_one_plan_up_to_180_days_from_the_first() -> None:
    assert plan((1, 60, 300), (10, 190)).sessions == {day(10), day(190)}
    assert plan((1, 60, 300), (10, 191)).sessions == {day(10)}


def test_a_treatment_is_of_the_plan_when_it_is_said_to_be_and_on_a_day_of_it() -> None:
    found = Plan(sessions=frozenset({day(10)}), rebaseline=None)
    assert found.includes(therapy(day(10)))
    assert not found.includes(therapy(day(10), planned=False))
    assert not found.includes(therapy(day(10), planned=None))
    assert not found.includes(therapy(day(11)))
