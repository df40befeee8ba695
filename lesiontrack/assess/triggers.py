"""What makes a visit a progression, each cause with its own site and date (response rules, section 9)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from lesiontrack.assess.settings import AssessSettings
from lesiontrack.assess.site import attribute_sum
from lesiontrack.assess.sums import TargetSum, Value, progressed, smallest
from lesiontrack.domain.outcome import Query, Trigger, TriggerKind
from lesiontrack.domain.reads import (
    NewLesionRead,
    NonTargetRead,
    NonTargetStatus,
    ReadLesion,
    Reads,
    ReadVisit,
    SiteRead,
    SiteStatus,
)
from lesiontrack.domain.study import Compartment

__all__ = ["Sighting", "TriggerFinder"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """When a lesion that the baseline does not know was first seen."""

    timepoint: int
    date: dt.date
    visit_date: dt.date
    scan: str

    @classmethod
    def of(cls, finding: NewLesionRead, visit: ReadVisit) -> Sighting:
        """Return the sighting of a finding at a visit, dated by its own scan."""
        return cls(visit.timepoint, finding.date or visit.date, visit.date, finding.scan)


class TriggerFinder:
    """Turns the entries of a visit into triggers; knows the lesions and the dating rules, but no state."""

    def __init__(self, reads: Reads, settings: AssessSettings) -> None:
        self._settings = settings
        self._lesions: dict[str, ReadLesion] = {x.lesion_id: x for x in reads.lesions}
        self._new = {x.lesion: x.compartment for visit in reads.visits for x in visit.new}

    # --- one function a trigger -------------------------------------------------------------------------------------

    def new_lesion(self, visit: ReadVisit, finding: NewLesionRead, first: Sighting) -> Trigger:
        """NEW: dated by the scan on which it was first seen, when it was still equivocal included."""
        seen = first if self._settings.backdate else Sighting.of(finding, visit)
        by_scan = self._settings.pd_scan_date == "scan"
        return Trigger(
            kind=TriggerKind.NEW,
            timepoint=visit.timepoint,
            date=seen.date if by_scan else seen.visit_date,
            compartments=(finding.compartment,),
            lesions=(finding.lesion,),
            first_timepoint=seen.timepoint,
            scans=(seen.scan or seen.date.isoformat(),),
        )

    def non_targets(self, visit: ReadVisit, statuses: Mapping[str, NonTargetStatus]) -> list[Trigger]:
        """NON-TARGET: one for each untreated non-target that progresses unequivocally, dated by the scan showing it."""
        ltp = {x.lesion for x in visit.sites if x.status is SiteStatus.LTP}
        return [
            self._simple(TriggerKind.NON_TARGET, visit, name)
            for name, status in statuses.items()
            if status is NonTargetStatus.UNEQUIVOCAL and name not in ltp
        ]

    def treated_sites(self, visit: ReadVisit) -> list[Trigger]:
        """LTP: progression in every mode (settled points)."""
        return [self._simple(TriggerKind.LTP, visit, x.lesion) for x in visit.sites if x.status is SiteStatus.LTP]

    def target_sum(
        self, visit: ReadVisit, now: TargetSum, nadir: TargetSum, baseline: TargetSum
    ) -> tuple[Trigger, list[Query]]:
        """TARGET: dated by the last scan of the targets, attributed to the compartments that grew."""
        compartments, lesions = attribute_sum(now, nadir, baseline, self._lesions, self._settings)
        if not compartments and self._settings.reappear_after_cr == "target_cr":
            compartments, lesions = self._visible(now)
        queries: list[Query] = []
        if not compartments:
            text = "a sum progression that only normal nodes explain: it has no site"
            queries.append(Query(code="PD_BY_NORMAL_NODES", text=text, timepoint=visit.timepoint))
        elif self._needs_normal_nodes(now, nadir):
            text = "a sum progression that is none without the nodes that are still normal"
            queries.append(Query(code="PD_WITH_NORMAL_NODES", text=text, timepoint=visit.timepoint))
        merged = [mass for mass in now.masses if mass not in nadir.masses]
        if merged:
            text = "a sum progression at a visit where lesions have coalesced"
            names = tuple(name for mass in merged for name in mass)
            queries.append(Query(code="PD_WITH_MERGE", text=text, timepoint=visit.timepoint, lesions=names))
        return self._sum_trigger(visit, now, compartments, lesions), queries

    def growth(self, visit: ReadVisit, now: TargetSum, earlier: Iterable[TargetSum]) -> list[Trigger]:
        """Growth of untreated targets before the re-baseline, against their own smallest sum so far."""
        smallest_sum = smallest(earlier)
        if smallest_sum is None:
            return []
        if now.missing and not self._settings.partial_pd:
            return []
        if not progressed(now.known_mm, smallest_sum.known_mm, self._settings):
            return []
        if not any(value.is_visible(self._settings.node_normal_mm) for value in now.values):
            return []
        compartments, lesions = attribute_sum(now, smallest_sum, smallest_sum, self._lesions, self._settings)
        return [self._sum_trigger(visit, now, compartments, lesions)]

    def seen_again(self, visit: ReadVisit, now: TargetSum, present: Iterable[str]) -> list[Trigger]:
        """REAPPEARANCE: after a complete response, a target above 0 (a node from 10 mm), or a non-target present."""
        found = [
            Trigger(
                kind=TriggerKind.REAPPEARANCE,
                timepoint=visit.timepoint,
                date=self._dated(value.date, visit),
                compartments=self._compartments(value.lesions),
                lesions=value.lesions,
                first_timepoint=visit.timepoint,
                scans=(value.scan or value.date.isoformat(),),
            )
            for value in now.values
            if value.is_visible(self._settings.node_normal_mm)
        ]
        found.extend(self._simple(TriggerKind.REAPPEARANCE, visit, name) for name in present)
        return found

    # --- dates and sites --------------------------------------------------------------------------------------------

    def _simple(self, kind: TriggerKind, visit: ReadVisit, name: str) -> Trigger:
        entries: tuple[SiteRead | NonTargetRead, ...] = (*visit.sites, *visit.nontargets)
        entry = next(x for x in entries if x.lesion == name)
        shown = entry.date or visit.date
        return Trigger(
            kind=kind,
            timepoint=visit.timepoint,
            date=self._dated(shown, visit),
            compartments=self._compartments((name,)),
            lesions=(name,),
            first_timepoint=visit.timepoint,
            scans=(entry.scan or shown.isoformat(),),
        )

    def _dated(self, shown: dt.date, visit: ReadVisit) -> dt.date:
        return shown if self._settings.pd_scan_date == "scan" else visit.date

    def _sum_trigger(
        self, visit: ReadVisit, now: TargetSum, compartments: tuple[Compartment, ...], lesions: tuple[str, ...]
    ) -> Trigger:
        return Trigger(
            kind=TriggerKind.TARGET,
            timepoint=visit.timepoint,
            date=self._sum_date(visit, now.values),
            compartments=compartments,
            lesions=lesions or now.measured,
            first_timepoint=visit.timepoint,
            scans=now.scans,
        )

    def _sum_date(self, visit: ReadVisit, values: tuple[Value, ...]) -> dt.date:
        """Date a sum progression: by the last scan of the measured targets, or as the settings say."""
        dates = [value.date for value in values]
        if self._settings.target_pd_date == "last_target_scan":
            return max(dates)
        if self._settings.target_pd_date == "earliest_target_scan":
            return min(dates)
        return min((*dates, *visit.scan_dates, visit.date))

    def _compartments(self, names: tuple[str, ...]) -> tuple[Compartment, ...]:
        """Return where lesions sit; a site that no lesion tells of is one of the liver, which is what is treated."""
        found = {
            self._lesions[name].compartment if name in self._lesions else self._new.get(name, Compartment.HEPATIC)
            for name in names
        }
        return tuple(compartment for compartment in Compartment if compartment in found)

    def _visible(self, now: TargetSum) -> tuple[tuple[Compartment, ...], tuple[str, ...]]:
        names = tuple(
            name for value in now.values if value.is_visible(self._settings.node_normal_mm) for name in value.lesions
        )
        return self._compartments(names), names

    def _needs_normal_nodes(self, now: TargetSum, nadir: TargetSum) -> bool:
        normal = {x for v in now.values if v.node and v.mm < self._settings.node_normal_mm for x in v.lesions}
        if not normal:
            return False
        after = sum((v.mm for v in now.values if normal.isdisjoint(v.lesions)), Decimal(0))
        before = sum((v.mm for v in nadir.values if normal.isdisjoint(v.lesions)), Decimal(0))
        return not progressed(after, before, self._settings)
