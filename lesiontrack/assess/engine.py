"""assess(reads, settings) -> Assessment: one subject, one phase, one reader, one rule set."""

from __future__ import annotations

import datetime as dt

from lesiontrack.assess.baseline import baseline_queries
from lesiontrack.assess.best import (
    TimedResponse,
    best_overall_response,
    confirmed_best_overall_response,
    until_progression,
)
from lesiontrack.assess.durations import control_at, controls, response_duration, stable_duration
from lesiontrack.assess.progression import Progression, first_progression, first_site_reason, first_triggers
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.assess.timeline import Timeline, judge_visits
from lesiontrack.domain.outcome import Assessment, Response, Trigger, VisitResponse
from lesiontrack.domain.reads import Reads
from lesiontrack.domain.study import Compartment

__all__ = ["assess"]


def assess(reads: Reads, settings: AssessSettings, *, rules: str = "recist11-local") -> Assessment:
    """Judge one subject's reads by RECIST 1.1, with locally treated lesions by ``settings.local_mode``.

    Parameters
    ----------
    rules
        The name under which the outcome is stored.

    Raises
    ------
    ReadsError
        Never for reads that exist: they are checked when made.
    """
    timeline = judge_visits(reads, settings)
    visits = timeline.visits
    progression = first_progression(visits)
    start = reads.treatment_start or reads.baseline.date
    sequence = _counted(reads, timeline, progression, start, settings)
    unconfirmed = best_overall_response(sequence, start, settings)
    confirmed = confirmed_best_overall_response(sequence, start, settings)
    first = first_triggers(visits)
    return Assessment(
        subject_id=reads.subject_id,
        phase=reads.phase,
        rules=rules,
        reader=reads.reader,
        baseline_timepoint=reads.baseline.timepoint,
        baseline_date=reads.baseline.date,
        baseline_sum_mm=timeline.baseline.complete_mm if reads.targets else None,
        visits=visits,
        bor_unconfirmed=unconfirmed.response,
        bor_confirmed=confirmed.response,
        n_assessed=len(visits),
        pd_date=progression.date,
        pd_declared_date=progression.declared_date,
        pd_timepoint=progression.timepoint,
        pd_site=progression.site,
        pd_subtype=progression.subtype,
        pd_reasons=progression.kinds,
        pd_triggers=progression.triggers,
        first_hepatic_pd_date=_date_of(first.get(Compartment.HEPATIC)),
        first_extrahepatic_pd_date=_date_of(first.get(Compartment.EXTRAHEPATIC)),
        disease_control=controls(unconfirmed.response, settings),
        control_by_ned=unconfirmed.response is Response.NED and settings.ned_is_control,
        disease_control_at_days=tuple(
            (day, control_at(day, visits, progression, start, settings)) for day in settings.disease_control_days
        ),
        duration_of_response=response_duration(reads, sequence, visits, progression),
        duration_of_stable_disease=stable_duration(reads, visits, progression, unconfirmed.response, start),
        treatment_start=reads.treatment_start,
        reasons=(
            unconfirmed.reason("bor.unconfirmed", start, settings),
            confirmed.reason("bor.confirmed", start, settings),
            *progression.reasons,
            *(first_site_reason(compartment, trigger) for compartment, trigger in first.items()),
        ),
        queries=(*baseline_queries(reads, settings), *timeline.queries),
        provisional=any(visit.provisional for visit in reads.visits),
    )


def _date_of(trigger: Trigger | None) -> dt.date | None:
    return trigger.date if trigger is not None else None


def _counted(
    reads: Reads, timeline: Timeline, progression: Progression, start: dt.date, settings: AssessSettings
) -> list[TimedResponse]:
    """Return the responses that best overall response looks at, up to the first progression (rule book, section 8).

    The visit to which a progression moves back counts as PD (settled points). What follows a progression never counts,
    also where that came before treatment start.
    """
    end = reads.new_therapy_date if settings.bor_stops_at_new_therapy else None
    sequence = until_progression(
        [
            TimedResponse(
                _response_date(reads, visit, settings),
                Response.PD if visit.timepoint == progression.timepoint else visit.overall,
                visit.target is not Response.NA,
            )
            for visit in timeline.visits
        ]
    )
    return [item for item in sequence if start <= item.date and (end is None or item.date <= end)]


def _response_date(reads: Reads, visit: VisitResponse, settings: AssessSettings) -> dt.date:
    """Date CR, PR and SD by the last scan of the visit, or its earliest."""
    if settings.response_date == "last_scan":
        return visit.date
    read = next(v for v in reads.visits if v.timepoint == visit.timepoint)
    return min((visit.date, *read.scan_dates))
