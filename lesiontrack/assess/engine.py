"""assess(reads, settings) -> Assessment: one subject, one phase, one reader, one rule set."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from lesiontrack.assess.best import (
    TimedResponse,
    best_overall_response,
    confirmed_best_overall_response,
    until_progression,
)
from lesiontrack.assess.progression import Progression, first_date_of, first_progression
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.assess.timeline import Timeline, judge_visits
from lesiontrack.domain.outcome import Assessment, Duration, Query, Response, VisitResponse
from lesiontrack.domain.reads import Reads
from lesiontrack.domain.study import Compartment

__all__ = ["assess"]

_CONTROL = (Response.CR, Response.PR, Response.SD)


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
    progression = first_progression(timeline.visits)
    start = reads.treatment_start or reads.baseline.date
    sequence = _counted(reads, timeline, progression, start, settings)
    unconfirmed = best_overall_response(sequence, start, settings)
    visits = timeline.visits
    return Assessment(
        subject_id=reads.subject_id,
        phase=reads.phase,
        rules=rules,
        reader=reads.reader,
        baseline_timepoint=reads.baseline.timepoint,
        baseline_date=reads.baseline.date,
        baseline_sum_mm=timeline.baseline.complete_mm if reads.targets else None,
        visits=visits,
        bor_unconfirmed=unconfirmed,
        bor_confirmed=confirmed_best_overall_response(sequence, start, settings),
        n_assessed=len(visits),
        pd_date=progression.date,
        pd_declared_date=progression.declared_date,
        pd_timepoint=progression.timepoint,
        pd_site=progression.site,
        pd_subtype=progression.subtype,
        pd_reasons=progression.kinds,
        pd_triggers=progression.triggers,
        first_hepatic_pd_date=first_date_of(Compartment.HEPATIC, visits),
        first_extrahepatic_pd_date=first_date_of(Compartment.EXTRAHEPATIC, visits),
        disease_control=_controls(unconfirmed, settings),
        control_by_ned=unconfirmed is Response.NED and settings.ned_is_control,
        disease_control_at_days=tuple(
            (day, _control_at(day, visits, progression, start, settings)) for day in settings.disease_control_days
        ),
        duration_of_response=_response_duration(reads, visits, progression, settings),
        duration_of_stable_disease=_stable_duration(reads, visits, progression, unconfirmed, start),
        treatment_start=reads.treatment_start,
        reasons=progression.reasons,
        queries=(*_baseline_queries(reads, timeline, settings), *timeline.queries),
        provisional=any(visit.provisional for visit in visits) or reads.baseline.provisional,
    )


def _counted(
    reads: Reads, timeline: Timeline, progression: Progression, start: dt.date, settings: AssessSettings
) -> list[TimedResponse]:
    """Return the responses that best overall response looks at, up to the first progression (rule book, section 8).

    The visit to which a progression moves back counts as PD (settled points).
    """
    end = reads.new_therapy_date if settings.bor_stops_at_new_therapy else None
    sequence: list[TimedResponse] = []
    for visit in timeline.visits:
        if visit.date < start or (end is not None and visit.date > end):
            continue
        overall = Response.PD if visit.timepoint == progression.timepoint else visit.overall
        target_disease = visit.target is not Response.NA
        sequence.append(TimedResponse(_response_date(reads, visit, settings), overall, target_disease))
    return until_progression(sequence)


def _response_date(reads: Reads, visit: VisitResponse, settings: AssessSettings) -> dt.date:
    """Date CR, PR and SD by the last scan of the visit, or its earliest."""
    if settings.response_date == "last_scan":
        return visit.date
    read = next(v for v in reads.visits if v.timepoint == visit.timepoint)
    return min((visit.date, *read.scan_dates))


def _controls(best: Response, settings: AssessSettings) -> bool:
    """Disease control by best overall response (rule book, section 8)."""
    if best is Response.NON_CR_NON_PD:
        return settings.non_cr_non_pd_is_control
    if best is Response.NED:
        return settings.ned_is_control
    return best in _CONTROL


def _control_at(
    day: int, visits: Sequence[VisitResponse], progression: Progression, start: dt.date, settings: AssessSettings
) -> bool | None:
    """Disease control on a fixed day: no progression by then, and seen to be so on that day or later."""
    if progression.date is not None:
        return (progression.date - start).days > day
    seen = any(_controls(visit.overall, settings) and (visit.date - start).days >= day for visit in visits)
    return True if seen else None


def _end(reads: Reads, visits: Sequence[VisitResponse], progression: Progression) -> tuple[dt.date, bool, str] | None:
    """Return what ends a duration: progression or death, else the last evaluable assessment."""
    if progression.date is not None:
        return progression.date, True, "PD"
    if reads.death_date is not None:
        return reads.death_date, True, "DEATH"
    evaluable = [visit.date for visit in visits if visit.overall is not Response.NE]
    return (evaluable[-1], False, "LAST_ADEQUATE") if evaluable else None


def _response_duration(
    reads: Reads, visits: Sequence[VisitResponse], progression: Progression, settings: AssessSettings
) -> Duration | None:
    """Duration of response: first CR or PR to progression or death (RECIST 1.1, 4.6.2)."""
    first = next((visit for visit in visits if visit.overall in (Response.CR, Response.PR)), None)
    end = _end(reads, visits, progression)
    if first is None or end is None:
        return None
    start = _response_date(reads, first, settings)
    if progression.timepoint is not None and first.timepoint >= progression.timepoint:
        return None
    return Duration(start=start, end=end[0], event=end[1], reason=end[2])


def _stable_duration(
    reads: Reads, visits: Sequence[VisitResponse], progression: Progression, best: Response, start: dt.date
) -> Duration | None:
    """Duration of stable disease: treatment start to progression or death (RECIST 1.1, 4.6.3)."""
    end = _end(reads, visits, progression)
    if best is not Response.SD or end is None:
        return None
    return Duration(start=start, end=end[0], event=end[1], reason=end[2])


def _baseline_queries(reads: Reads, timeline: Timeline, settings: AssessSettings) -> list[Query]:
    """Say what is wrong with the baseline or the visits' dates; the subject is judged nevertheless."""
    found: list[Query] = []
    baseline = reads.baseline
    if timeline.baseline.missing:
        text = f"target without a baseline value at visit {baseline.date.isoformat()}: no sum can be compared"
        found.append(
            Query(
                code="TARGET_WITHOUT_BASELINE",
                severity="DATA_ERROR",
                text=text,
                timepoint=baseline.timepoint,
                lesions=timeline.baseline.missing,
            )
        )
    if reads.treatment_start is None:
        text = "no treatment start: durations count from the baseline"
        found.append(Query(code="NO_TREATMENT_START", severity="DATA_ERROR", text=text))
        return found
    days = (reads.treatment_start - baseline.date).days
    if days < 0:
        text = f"baseline {-days} days after treatment start"
        found.append(Query(code="BASELINE_AFTER_START", severity="DATA_ERROR", text=text, timepoint=baseline.timepoint))
    elif days > settings.baseline_max_age_days:
        text = f"baseline {days} days before treatment start, more than {settings.baseline_max_age_days}"
        found.append(Query(code="BASELINE_TOO_OLD", text=text, timepoint=baseline.timepoint))
    return found
