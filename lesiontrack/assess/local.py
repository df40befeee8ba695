"""Locally treated lesions (response rules, section 10): which visit is what, and what a treated lesion counts there.

A treatment on the day of a scan comes after that scan: a visit never spans a treatment, and a scan on the day counts
as before it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from lesiontrack.assess.settings import AssessSettings, LocalMode
from lesiontrack.domain.outcome import Query
from lesiontrack.domain.reads import LocalTherapy, NewLesionRead, Reads, ReadVisit, SiteStatus
from lesiontrack.domain.study import Method

__all__ = ["LocalPlan", "Stage", "VisitPlan", "locally_treated"]

_NONE: frozenset[str] = frozenset()


class Stage(StrEnum):
    """Where a visit stands to local treatment under ``rebaseline``; elsewhere every visit is ORDINARY."""

    ORDINARY = "ORDINARY"
    TREATMENT = "TREATMENT"
    REBASELINE = "REBASELINE"
    FOLLOW_UP = "FOLLOW_UP"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPlan:
    """What local treatment means for one visit.

    Attributes
    ----------
    left
        Lesions that have left the sum and the non-targets: treated by the re-baseline.
    lost
        Treated lesions that stay in the set without a value: NE.
    gone
        Resected lesions that count 0 (as_measured).
    sites
        Treated sites that act as non-targets here.
    planned
        All that the plan in force treats, sooner or later: their growth before the re-baseline means nothing.
    """

    stage: Stage = Stage.ORDINARY
    left: frozenset[str] = _NONE
    lost: frozenset[str] = _NONE
    gone: frozenset[str] = _NONE
    sites: frozenset[str] = _NONE
    planned: frozenset[str] = _NONE


_ORDINARY = VisitPlan()


def locally_treated(reads: Reads) -> bool:
    """Tell whether anything in the reads speaks of local treatment; where nothing does, the three modes are one."""
    return bool(_therapies(reads)) or any(visit.rebaseline or visit.sites for visit in reads.visits)


def _therapies(reads: Reads) -> tuple[LocalTherapy, ...]:
    """Leave out what was treated before the baseline: the lesion was taken into the baseline nevertheless."""
    return tuple(t for t in reads.therapies if t.date >= reads.baseline.date)


class LocalPlan:
    """The local treatments of one subject against its visits, under one mode."""

    def __init__(self, reads: Reads, settings: AssessSettings) -> None:
        self._reads = reads
        self._settings = settings
        self._therapies = _therapies(reads)
        self._flagged = [v for v in reads.visits[1:] if v.rebaseline]
        self.untouched = not locally_treated(reads)

    def at(self, index: int) -> VisitPlan:
        """Return the plan for the visit at an index of ``reads.visits``, after the baseline."""
        if self.untouched:
            return _ORDINARY
        visit = self._reads.visits[index]
        if self._settings.local_mode is LocalMode.STRICT_NE:
            return VisitPlan(lost=self._treated(visit.date) | self._sites_read(visit.date))
        if self._settings.local_mode is LocalMode.AS_MEASURED:
            return VisitPlan(gone=self._resected(visit.date))
        return self._rebaselined(visit)

    # --- the three modes -------------------------------------------------------------------------------------------

    def _treated(self, before: dt.date) -> frozenset[str]:
        return frozenset(t.lesion for t in self._therapies if t.date < before)

    def _resected(self, before: dt.date) -> frozenset[str]:
        return frozenset(t.lesion for t in self._therapies if t.date < before and t.method == Method.RESECTION)

    def _sites_read(self, until: dt.date) -> frozenset[str]:
        return frozenset(s.lesion for v in self._reads.visits if v.date <= until for s in v.sites)

    def _rebaselined(self, visit: ReadVisit) -> VisitPlan:
        last = max((v.date for v in self._flagged if v.date <= visit.date), default=None)
        coming = min((v.date for v in self._flagged if v.date >= visit.date), default=None)
        left = _NONE
        if last is not None:
            left = frozenset(t.lesion for t in self._therapies if t.date <= last) | self._sites_read(last)
        # Lost are the treated that no re-baseline has let go: outside the plan, or still waiting for a re-baseline.
        lost = self._treated(visit.date) - left
        if visit.rebaseline:
            return VisitPlan(stage=Stage.REBASELINE, left=left, lost=lost, planned=left)
        if any(self._pending(t, visit, last) for t in self._therapies):
            plan = frozenset(
                t.lesion for t in self._therapies if self.is_planned(t) and (coming is None or t.date <= coming)
            )
            return VisitPlan(stage=Stage.TREATMENT, left=left, lost=lost, planned=plan | left)
        if last is None:
            return VisitPlan(lost=lost)
        read_here = frozenset(s.lesion for s in visit.sites)
        return VisitPlan(stage=Stage.FOLLOW_UP, left=left, lost=lost, sites=left | read_here, planned=left)

    def _pending(self, therapy: LocalTherapy, visit: ReadVisit, last: dt.date | None) -> bool:
        """Tell whether a planned treatment lies behind the visit without a re-baseline since."""
        return self.is_planned(therapy) and therapy.date < visit.date and (last is None or therapy.date > last)

    # --- what the plan says ----------------------------------------------------------------------------------------

    def is_planned(self, therapy: LocalTherapy) -> bool:
        """Tell whether a treatment is of a plan: as stated, else when dated no later than a re-baseline visit.

        Without any re-baseline visit nothing says what the plan was; the subject then waits for one (NE).
        """
        if therapy.planned is not None:
            return therapy.planned
        return not self._flagged or any(therapy.date <= v.date for v in self._flagged)

    def plan_treats(self, finding: NewLesionRead, index: int) -> bool:
        """Tell whether the plan treats a new lesion: in a planned session before the next visit (settled points).

        A recurrence, seen after a re-baseline, is progression whatever is done about it later.
        """
        visits = self._reads.visits
        visit = visits[index]
        if any(v.date < visit.date for v in self._flagged):
            return False
        following = visits[index + 1].date if index + 1 < len(visits) else None
        for therapy in self._therapies:
            stated = bool(therapy.planned) or (
                therapy.planned is None and any(therapy.date <= v.date for v in self._flagged)
            )
            in_time = following is None or therapy.date < following
            if therapy.lesion == finding.lesion and stated and in_time:
                return True
        return False

    # --- what a reader must look at --------------------------------------------------------------------------------

    def queries(self) -> list[Query]:
        """Return what the dates and statuses of local treatment leave to a person."""
        return [*self._window_queries(), *self._residual_queries(), *self._quiet_queries()]

    def _window_queries(self) -> list[Query]:
        settings, found = self._settings, []
        planned = [t for t in self._therapies if self.is_planned(t)]
        if planned and not self._flagged and settings.local_mode is LocalMode.REBASELINE:
            text = "locally treated, but no visit is the re-baseline: not evaluable since"
            found.append(Query(code="NO_REBASELINE", text=text, lesions=tuple(sorted({t.lesion for t in planned}))))
        for visit in self._flagged:
            sessions = [t.date for t in planned if t.date <= visit.date]
            if not sessions:
                text = "re-baseline without a local treatment before it"
                found.append(Query(code="REBASELINE_WITHOUT_TREATMENT", text=text, timepoint=visit.timepoint))
                continue
            days = (visit.date - max(sessions)).days
            if not settings.rebaseline_min_days <= days <= settings.rebaseline_max_days:
                text = (
                    f"re-baseline {days} days after the last planned session, outside "
                    f"{settings.rebaseline_min_days} to {settings.rebaseline_max_days} days"
                )
                found.append(Query(code="REBASELINE_OUTSIDE_WINDOW", text=text, timepoint=visit.timepoint))
        return found

    def _residual_queries(self) -> list[Query]:
        found: list[Query] = []
        first = min((t.date for t in self._therapies), default=None)
        clean: set[str] = set()
        for visit in self._reads.visits:
            for site in visit.sites:
                if site.status is SiteStatus.NO_VIABLE:
                    clean.add(site.lesion)
                if site.status is not SiteStatus.RESIDUAL:
                    continue
                if site.lesion in clean:
                    text = "residual tumour at a site that had no viable tumour before: local progression?"
                    found.append(_query("RESIDUAL_AFTER_NO_VIABLE", text, visit, site.lesion))
                if first is not None and (visit.date - first).days > self._settings.retreat_window_days:
                    text = (
                        f"residual tumour more than {self._settings.retreat_window_days} days after the first session"
                    )
                    found.append(_query("RESIDUAL_BEYOND_WINDOW", text, visit, site.lesion))
        return found

    def _quiet_queries(self) -> list[Query]:
        found: list[Query] = []
        for therapy in self._therapies:
            if therapy.method != Method.SBRT:
                continue
            for visit in self._reads.visits:
                quiet = 0 < (visit.date - therapy.date).days < self._settings.sbrt_quiet_days
                if quiet and any(s.lesion == therapy.lesion and s.status is SiteStatus.LTP for s in visit.sites):
                    text = f"local progression within {self._settings.sbrt_quiet_days} days of SBRT: more than size?"
                    found.append(_query("LTP_IN_QUIET_TIME", text, visit, therapy.lesion))
        return found


def _query(code: str, text: str, visit: ReadVisit, lesion: str) -> Query:
    return Query(code=code, text=text, timepoint=visit.timepoint, lesions=(lesion,))
