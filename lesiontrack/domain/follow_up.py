"""FollowUp, SiteFollowUp, Outcome: what time-to-event rules are given for one subject, and what they give back.

All of it is whole calendar days. An object that exists is free of contradictions: building one from impossible dates
raises, naming the two dates.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from lesiontrack.errors import ClinicalError

__all__ = [
    "Assessed",
    "Cause",
    "CensoringCases",
    "CompetingCase",
    "EventReason",
    "EventStatus",
    "FollowUp",
    "Outcome",
    "PfsCase",
    "Schedule",
    "ScheduleStep",
    "SiteFollowUp",
]


class EventStatus(IntEnum):
    """Column ``status`` of the table ``events``."""

    CENSORED = 0
    EVENT = 1
    COMPETING = 2


class EventReason(StrEnum):
    """Why a time ends where it does (response rules, settled points; ``LAST_ALIVE`` is overall survival's own)."""

    PD = "PD"
    DEATH = "DEATH"
    LAST_ADEQUATE = "LAST_ADEQUATE"
    MISSED = "MISSED"
    NEW_THERAPY = "NEW_THERAPY"
    NO_POSTBASELINE = "NO_POSTBASELINE"
    NO_BASELINE = "NO_BASELINE"
    LAST_ALIVE = "LAST_ALIVE"
    DATA_CUTOFF = "DATA_CUTOFF"


class Cause(StrEnum):
    """What happened: the site of a progression, or death."""

    HEPATIC = "HEPATIC"
    EXTRAHEPATIC = "EXTRAHEPATIC"
    BOTH = "BOTH"
    DEATH = "DEATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStep:
    """Assessments every ``interval_days``, each allowed ``window_days`` late, from a date on (None: from the start)."""

    interval_days: int
    window_days: int
    from_date: dt.date | None = None

    def __post_init__(self) -> None:
        if self.interval_days < 1 or self.window_days < 0:
            raise ClinicalError(
                "a schedule needs a positive interval and a window that is not negative",
                found=f"{self.interval_days} and {self.window_days} days",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When assessments are planned; the first step has no date, the others are in date order."""

    steps: tuple[ScheduleStep, ...]

    def __post_init__(self) -> None:
        dates = [step.from_date for step in self.steps[1:]]
        if not self.steps or self.steps[0].from_date is not None or None in dates:
            raise ClinicalError("a schedule has one undated first step, and each change has a date")
        if dates != sorted(dates, key=lambda date: date or dt.date.min):
            raise ClinicalError("the changes of a schedule are not in date order", found=str(dates))

    def in_force(self, date: dt.date) -> ScheduleStep:
        """Return the step in force on a day; a change is in force from its own date on."""
        return [step for step in self.steps if step.from_date is None or step.from_date <= date][-1]

    def two_missed_deadline(self, last_adequate: dt.date) -> dt.date:
        """Return the last day that is not yet after two missed assessments.

        With a constant schedule: two intervals and two windows after ``last_adequate`` (response rules, section 11:
        date gap > 2 x interval + 2 x window is missed; 8-weekly +- 1 week: 126 days pass, 127 do not). Where the
        schedule changes, each of the two assessments is due by the step in force when the one before it was due.
        """
        due, windows_days = last_adequate, 0
        for _ in range(2):
            step = self.in_force(due)
            due += dt.timedelta(days=step.interval_days)
            windows_days += step.window_days
        return due + dt.timedelta(days=windows_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """One tumour assessment after baseline; adequate when it could have shown progression."""

    date: dt.date
    adequate: bool
    timepoint: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """What the censoring of progression-free survival needs to know of one subject.

    Attributes
    ----------
    start
        Day 0.
    baseline
        Whether there is a usable scan on or before treatment start.
    assessments
        After baseline, in any order.
    pd_date
        First documented progression.
    new_therapy_date
        First anticancer therapy outside the protocol; before ``start`` it plays no part.
    schedule_start
        Where the planned assessments are counted from, when that is not ``start``.
    """

    start: dt.date
    baseline: bool
    schedule: Schedule
    assessments: tuple[Assessed, ...] = ()
    pd_date: dt.date | None = None
    death_date: dt.date | None = None
    new_therapy_date: dt.date | None = None
    schedule_start: dt.date | None = None

    def __post_init__(self) -> None:
        _refuse_before(self.start, progression=self.pd_date, death=self.death_date)
        _refuse_after_death(self.death_date, progression=self.pd_date)

    def last_adequate(self, *, until: dt.date | None = None, before: dt.date | None = None) -> Assessed | None:
        """Return the last adequate assessment after the start, up to and including ``until``, before ``before``."""
        fitting = [
            assessed
            for assessed in self.assessments
            if assessed.adequate
            and assessed.date > self.start
            and (until is None or assessed.date <= until)
            and (before is None or assessed.date < before)
        ]
        return max(fitting, key=lambda assessed: assessed.date, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFollowUp:
    """What competing events by site need to know of one subject.

    Attributes
    ----------
    same_visit
        Whether the first hepatic and the first extrahepatic progression were found at one visit, whatever the days of
        its scans.
    liver_imaging, extrahepatic_imaging
        Days of adequate imaging of each compartment, in any order; those up to the start play no part.
    unsited_pd_date
        First progression, where no site explains it (a sum that grew by normal nodes alone).
    """

    start: dt.date
    first_hepatic_pd_date: dt.date | None = None
    first_extrahepatic_pd_date: dt.date | None = None
    same_visit: bool = False
    death_date: dt.date | None = None
    liver_imaging: tuple[dt.date, ...] = ()
    extrahepatic_imaging: tuple[dt.date, ...] = ()
    unsited_pd_date: dt.date | None = None

    def __post_init__(self) -> None:
        sites = {
            "hepatic progression": self.first_hepatic_pd_date,
            "extrahepatic progression": self.first_extrahepatic_pd_date,
            "progression": self.unsited_pd_date,
        }
        _refuse_before(self.start, **sites, death=self.death_date)
        _refuse_after_death(self.death_date, **sites)

    def last_imaging(self, site: Cause, *, before: dt.date | None = None) -> dt.date | None:
        """Return the last day after the start on which a compartment was imaged, before ``before`` where given."""
        days = self.liver_imaging if site is Cause.HEPATIC else self.extrahepatic_imaging
        return max((day for day in days if day > self.start and (before is None or day < before)), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where a time ends.

    Attributes
    ----------
    left, right
        The event lies in (left, right]; the two are the same day for a death. None for ``right``: not yet seen.
    rule
        The rule that decided, in one sentence with its section.
    """

    date: dt.date
    status: EventStatus
    reason: EventReason
    left: dt.date
    right: dt.date | None
    rule: str
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PfsCase:
    """One censoring case; ``error`` where its dates contradict each other, and then no follow-up."""

    case_id: str
    follow_up: FollowUp | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompetingCase:
    """One case of competing events by site; ``error`` as in :class:`PfsCase`."""

    case_id: str
    follow_up: SiteFollowUp | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CensoringCases:
    """A file of cases, in its order."""

    pfs: tuple[PfsCase, ...]
    competing: tuple[CompetingCase, ...]


def _refuse_before(start: dt.date, **events: dt.date | None) -> None:
    for name, date in events.items():
        if date is not None and date < start:
            raise ClinicalError(f"{name} before the start: negative time", found=str(date), expected=f"from {start} on")


def _refuse_after_death(death: dt.date | None, **events: dt.date | None) -> None:
    for name, date in events.items():
        if death is not None and date is not None and date > death:
            raise ClinicalError(f"{name} after death", found=str(date), expected=f"at the latest {death}")
