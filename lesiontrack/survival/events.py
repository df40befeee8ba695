"""Derive every endpoint of every subject from tables: responses, visits, clinical facts. No image is touched.

One subject's impossible dates become rows of ``failures`` and stop nothing else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lesiontrack.domain.follow_up import EventStatus
from lesiontrack.domain.study import Compartment
from lesiontrack.errors import LesiontrackError
from lesiontrack.survival.endpoints import Ended, endpoints_of
from lesiontrack.survival.event_checks import os_before_pfs, problem, problems_of
from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.facts import as_text
from lesiontrack.survival.record import Sources, SubjectRecord, read_record
from lesiontrack.tables import COHORT_TABLES, frame

__all__ = ["FOLLOW_UP_COLUMNS", "Derived", "derive"]

FOLLOW_UP_COLUMNS = (
    "new_therapy_date",
    "last_adequate_overall",
    "last_adequate_liver",
    "last_adequate_extrahepatic",
    "imaging_end",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Derived:
    """What event derivation yields.

    Attributes
    ----------
    events
        Table ``events``, by subject and then in the contract's order of endpoints.
    follow_up
        One row for each subject: subject_id and :data:`FOLLOW_UP_COLUMNS`, to be put into ``subjects``.
    problems
        Rows of ``failures`` (stage ``events``).
    """

    events: pd.DataFrame
    follow_up: pd.DataFrame
    problems: tuple[dict[str, Any], ...]


def derive(
    tables: Mapping[str, pd.DataFrame], clinical: Mapping[str, pd.DataFrame], settings: EventSettings
) -> Derived:
    """Derive the events of a cohort.

    Parameters
    ----------
    tables
        Of the result folder: ``responses``, ``timepoints``, ``subjects``, ``tracks``, ``failures``; an absent one is
        empty. Where ``clinical`` lacks a subject, its dates are those in ``subjects``.
    clinical
        Of the study: ``subjects``, ``therapies``, ``coverage``; further columns of ``subjects`` become covariates, as
        do count, eligibility, extrahepatic disease at baseline and margin from the result's ``subjects``.
    settings
        Schedule, coverage, reader and rule sets.
    """
    sources = Sources.from_tables(tables, clinical)
    rows: list[dict[str, Any]] = []
    follow_up: list[dict[str, Any]] = []
    problems: list[dict[str, Any]] = []
    for subject_id in sources.subject_ids():
        try:
            record = read_record(subject_id, sources, settings)
        except LesiontrackError as error:
            problems.append(problem(subject_id, type(error).__name__, str(error.at(subject_id=subject_id))))
            continue
        ended = tuple(endpoints_of(record, settings))
        rows.extend(_row(record, entry) for entry in ended)
        follow_up.append(_follow_up(record, settings))
        problems.extend(problems_of(record, ended))
    events = frame("events", rows)
    problems.extend(os_before_pfs(events))
    return Derived(
        events=events,
        follow_up=pd.DataFrame(follow_up, columns=["subject_id", *FOLLOW_UP_COLUMNS], dtype="string"),
        problems=tuple(problems),
    )


def _row(record: SubjectRecord, ended: Ended) -> dict[str, Any]:
    outcome, start = ended.outcome, ended.start
    reserved = COHORT_TABLES["events"].columns
    row: dict[str, Any] = {
        (f"clinical_{name}" if name in reserved else name): as_text(value) if isinstance(value, str) else value
        for name, value in (record.baseline_facts | record.clinical.covariates).items()
    }
    row |= {
        "subject_id": record.clinical.subject_id,
        "arm": record.clinical.arm,
        "endpoint": ended.endpoint,
        "track_id": ended.track_id,
        "rules": ended.rules,
        "reader": ended.reader,
        "start_date": start,
        "reason": ended.why,
        "evidence": _evidence(record, ended),
    }
    if outcome is None or start is None:
        return row
    return row | {
        "entry_days": 0 if ended.entry is None else (ended.entry - start).days,
        "date": outcome.date,
        "time_days": (outcome.date - start).days,
        "left_days": (outcome.left - start).days,
        "right_days": None if outcome.right is None else (outcome.right - start).days,
        "status": int(outcome.status),
        "cause": outcome.cause,
        "reason": outcome.reason,
    }


def _evidence(record: SubjectRecord, ended: Ended) -> dict[str, Any]:
    """Return where a date comes from: the rule, the row of ``responses``, the lesions, the clinical columns.

    ``response`` is the visit that shows the progression; ``visit`` the one at which a time is censored.
    """
    if ended.outcome is None:
        return {"rule": f"not derived: {ended.why}", **({"error": ended.error} if ended.error else {})}
    evidence: dict[str, Any] = {"rule": ended.outcome.rule}
    if ended.cue is not None:
        cue = ended.cue
        evidence["response"] = {
            "phase": "STUDY",
            "rules": ended.rules,
            "reader": ended.reader,
            "timepoint": cue.timepoint,
            "first_timepoint": cue.first_timepoint,
        }
        evidence["trigger"] = cue.kind
        evidence["lesions"] = list(cue.lesions)
    elif ended.outcome.status is EventStatus.CENSORED:
        date = ended.outcome.date
        at = [visit.timepoint for visit in record.visits if visit.date == date]
        if at:
            evidence["visit"] = {"timepoint": at[-1], "date": date.isoformat()}
    if ended.sources:
        evidence["clinical"] = ended.sources
    if ended.flags:
        evidence["flags"] = list(ended.flags)
    return evidence


def _follow_up(record: SubjectRecord, settings: EventSettings) -> dict[str, Any]:
    start = record.clinical.treatment_start_date
    adequate = [entry.date for entry in record.assessments(settings.primary_rules) if entry.adequate]
    dates: dict[str, dt.date | None] = {
        "new_therapy_date": None if start is None else record.clinical.new_therapy(start),
        "last_adequate_overall": max(adequate, default=None),
        "last_adequate_liver": max(record.imaging(Compartment.HEPATIC), default=None),
        "last_adequate_extrahepatic": max(record.imaging(Compartment.EXTRAHEPATIC), default=None),
        "imaging_end": max((visit.date for visit in record.visits if visit.usable), default=None),
    }
    text = {name: None if date is None else date.isoformat() for name, date in dates.items()}
    return {"subject_id": record.clinical.subject_id, **text}
