"""The plan of local treatment and its re-baseline, by dates (response rules, section 10; contract, section 4)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.history import History
from lesiontrack.domain.reads import LocalTherapy

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Days of the planned sessions, and the visit at which the baseline restarts.

    ``rebaseline`` is None without a planned session, or when nothing was scanned late enough.
    """

    sessions: frozenset[dt.date]
    rebaseline: int | None

    def includes(self, therapy: LocalTherapy) -> bool:
        """Tell whether a treatment is of the plan: said to be planned, and on a day of it."""
        return bool(therapy.planned) and therapy.date in self.sessions


def make_plan(
    history: History, therapies: Iterable[LocalTherapy], timepoints: tuple[int, ...], settings: AssessSettings
) -> Plan:
    """Return the plan of a phase and its re-baseline.

    The re-baseline is the first usable scan 28 to 84 days after the last planned session, without one the first later
    scan. Each planned session extends the plan, up to ``retreat_window_days`` after the first one. Rows of
    ``local_treatments`` count also when no track could be named for them.

    Parameters
    ----------
    timepoints
        Visits of the phase, its baseline first; sessions before the baseline are history.
    """
    subject = history.subject
    baseline = subject.visits[timepoints[0]].date
    visits = [subject.visits[t] for t in timepoints if subject.visits[t].usable]
    rows = subject.clinical.local_treatments if subject.clinical else ()
    planned = {row.date for row in rows if row.planned} | {t.date for t in therapies if t.planned}
    planned = {day for day in planned if day >= baseline}
    sessions = frozenset(day for day in planned if (day - min(planned)).days <= settings.retreat_window_days)
    # What is treated on the day of the last scan, or after it, has no scan behind it that could be a re-baseline.
    last = max((day for day in sessions if any(day < visit.date for visit in visits)), default=None)
    if last is None:
        return Plan(sessions=sessions, rebaseline=None)
    late = (v.timepoint for v in visits if (v.date - last).days >= settings.rebaseline_min_days)
    return Plan(sessions=sessions, rebaseline=next(late, None))
