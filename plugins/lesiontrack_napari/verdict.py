"""The live verdict: what the readings say now, as lines and numbers that a panel shows without thinking."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from lesiontrack.domain.outcome import Assessment, Judgement, PhaseJudgement, VisitResponse
from lesiontrack.report import words
from lesiontrack.settings import Settings

__all__ = ["PhaseVerdict", "VisitVerdict", "live", "verdicts"]

PRIMARY = "recist11-local"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitVerdict:
    """One visit after the baseline.

    Attributes
    ----------
    from_baseline, from_nadir
        Change of the sum in percent, as text; empty where it cannot be said.
    reasons
        One sentence for each rule that decided.
    """

    timepoint: int
    date: dt.date
    sum_mm: Decimal | None
    nadir_mm: Decimal | None
    from_baseline: str
    from_nadir: str
    target: str
    non_target: str
    new_lesion: str
    overall: str
    provisional: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseVerdict:
    """One phase under the rule set that feeds the endpoints.

    Attributes
    ----------
    progression
        In one line: the date, the site and the cause; or that there is none.
    curve
        (date, sum in mm) of the baseline and of each visit with a sum.
    limit_mm
        (date, sum in mm from which the visit progresses): what was in force at each visit.
    """

    phase: str
    baseline_timepoint: int
    baseline_date: dt.date
    baseline_sum_mm: Decimal | None
    targets: tuple[str, ...]
    visits: tuple[VisitVerdict, ...]
    progression: str
    best: str
    curve: tuple[tuple[dt.date, Decimal], ...]
    limit_mm: tuple[tuple[dt.date, Decimal], ...]
    queries: tuple[str, ...]

    def visit(self, timepoint: int) -> VisitVerdict | None:
        """Return the verdict at a visit; None for the baseline and for visits of the other phase."""
        return next((visit for visit in self.visits if visit.timepoint == timepoint), None)


def live(settings: Settings) -> Settings:
    """Return the settings for judging at every decision: one choice of targets, the others are the report's matter."""
    return settings.model_copy(update={"assess": settings.assess.model_copy(update={"max_choices": 1})})


def verdicts(judgement: Judgement, settings: Settings) -> tuple[PhaseVerdict, ...]:
    """Return the verdict of each phase that can be told, the study phase first."""
    parts = [part for part in (judgement.study, judgement.induction) if part is not None]
    return tuple(_phase(part, part.assessments[PRIMARY], settings) for part in parts if PRIMARY in part.assessments)


def _phase(part: PhaseJudgement, assessment: Assessment, settings: Settings) -> PhaseVerdict:
    curve = [(assessment.baseline_date, assessment.baseline_sum_mm)]
    curve += [(visit.date, visit.sum_mm) for visit in assessment.visits]
    return PhaseVerdict(
        phase=part.phase.value,
        baseline_timepoint=assessment.baseline_timepoint,
        baseline_date=assessment.baseline_date,
        baseline_sum_mm=assessment.baseline_sum_mm,
        targets=tuple(entry.track_id for entry in part.roles if entry.role == "TARGET"),
        visits=tuple(_visit(visit) for visit in assessment.visits),
        progression=_progression(assessment),
        best=f"best response {assessment.bor_unconfirmed.value}",
        curve=tuple((date, value) for date, value in curve if value is not None),
        limit_mm=tuple(_limits(assessment.visits, settings)),
        queries=tuple(query.text for query in assessment.queries),
    )


def _visit(visit: VisitResponse) -> VisitVerdict:
    return VisitVerdict(
        timepoint=visit.timepoint,
        date=visit.date,
        sum_mm=visit.sum_mm,
        nadir_mm=visit.nadir_sum_mm,
        from_baseline=_percent(visit.sum_mm, visit.baseline_sum_mm),
        from_nadir=_percent(visit.sum_mm, visit.nadir_sum_mm),
        target=visit.target.value,
        non_target=visit.non_target.value,
        new_lesion=visit.new_lesion,
        overall=visit.overall.value,
        provisional=visit.provisional,
        reasons=tuple(reason.sentence() for reason in visit.reasons),
    )


def _percent(now: Decimal | None, before: Decimal | None) -> str:
    if now is None or before is None or before == 0:
        return ""
    return f"{words.signed_percent(100 * (now - before) / before)} %"


def _limits(visits: Iterable[VisitResponse], settings: Settings) -> Iterable[tuple[dt.date, Decimal]]:
    """Yield the least sum that progresses at each visit: by percent and by millimetres over the nadir."""
    rules = settings.assess
    for visit in visits:
        if visit.nadir_sum_mm is not None:
            by_percent = visit.nadir_sum_mm * (1 + rules.pd_pct / 100)
            yield visit.date, max(by_percent, visit.nadir_sum_mm + rules.pd_abs_mm)


def _progression(assessment: Assessment) -> str:
    if assessment.pd_date is None:
        return "no progression"
    causes = ", ".join(words.trigger(kind) for kind in assessment.pd_reasons)
    site = f", {words.phrase(assessment.pd_site)}" if assessment.pd_site else ""
    return f"progression {assessment.pd_date.isoformat()}{site}: {causes}"
