"""Scans to visits (contract, section 2): a window of days, never across a treatment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from lesiontrack.domain.study import ClinicalFacts, Scan, Visit
from lesiontrack.io.settings import ArchiveSettings

__all__ = ["NO_SEGMENTATION", "group_into_visits", "treatment_dates", "visits_of"]

NO_SEGMENTATION = "no segmentation belongs to any scan of this visit"


def treatment_dates(clinical: ClinicalFacts | None) -> tuple[dt.date, ...]:
    """Return the dates that no visit may span: treatment start and each local treatment."""
    if clinical is None:
        return ()
    dates = {treatment.date for treatment in clinical.local_treatments}
    if clinical.treatment_start_date is not None:
        dates.add(clinical.treatment_start_date)
    return tuple(sorted(dates))


def group_into_visits(
    scans: Iterable[Scan], *, window_days: int, barriers: Sequence[dt.date]
) -> tuple[tuple[Scan, ...], ...]:
    """Group scans into visits, in time order.

    A visit starts with the earliest scan that has none yet and takes every later one up to ``window_days`` after it.
    A scan on the day of a treatment belongs before it (the study baseline is the last scan on or before the start of
    treatment), so a barrier parts scans up to its date from scans after it.
    """
    groups: list[list[Scan]] = []
    for scan in sorted(scans, key=lambda scan: (scan.date, scan.series_uid)):
        if groups:
            first = groups[-1][0].date
            parted = any(first <= barrier < scan.date for barrier in barriers)
            if not parted and (scan.date - first).days <= window_days:
                groups[-1].append(scan)
                continue
        groups.append([scan])
    return tuple(tuple(group) for group in groups)


def visit_of(timepoint: int, scans: tuple[Scan, ...]) -> Visit:
    """Build a visit; without a usable segmented scan it is unusable, and says why."""
    if any(scan.usable and scan.measured for scan in scans):
        return Visit(timepoint=timepoint, scans=scans)
    reasons = dict.fromkeys(scan.problem for scan in scans if scan.problem)
    problem = "; ".join(reasons) or NO_SEGMENTATION
    return Visit(timepoint=timepoint, scans=scans, usable=False, problem=problem)


def visits_of(scans: Iterable[Scan], settings: ArchiveSettings, clinical: ClinicalFacts | None) -> tuple[Visit, ...]:
    """Group a subject's scans into numbered visits, in time order."""
    groups = group_into_visits(scans, window_days=settings.visit_window_days, barriers=treatment_dates(clinical))
    return tuple(visit_of(number, scans) for number, scans in enumerate(groups))
