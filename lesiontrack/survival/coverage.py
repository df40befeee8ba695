"""What each visit imaged: an unscanned region is not free of progression.

Source: contract, section 4: a visit covers the liver when its volume is usable; regions outside the liver by the
clinical table ``coverage`` and, where that says nothing of the visit, as ``assume_extrahepatic_imaged``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lesiontrack.errors import ClinicalError
from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.facts import as_date, as_text

__all__ = ["ImagedVisit", "imaged_visits"]

_LIVER = ("LIVER", "HEPATIC")
_YES = ("Y", "YES", "TRUE", "1")
_NO = ("N", "NO", "FALSE", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagedVisit:
    """One visit and what it can tell: nothing where it is not usable."""

    timepoint: int
    date: dt.date
    usable: bool
    liver: bool
    extrahepatic: bool
    phase: str | None = None

    @property
    def complete(self) -> bool:
        """Whether the liver and the required regions outside it were imaged."""
        return self.liver and self.extrahepatic


def imaged_visits(
    subject_id: str,
    timepoints: Iterable[Mapping[str, Any]],
    coverage: Iterable[Mapping[str, Any]],
    settings: EventSettings,
) -> tuple[tuple[ImagedVisit, ...], tuple[str, ...]]:
    """Return a subject's visits in date order, and what is wrong with its rows of ``coverage``.

    Parameters
    ----------
    timepoints, coverage
        This subject's rows of the tables of these names.

    Raises
    ------
    ClinicalError
        If a date cannot be read.
    """
    listed = [(_date(row, subject_id), int(row["timepoint"]), row) for row in timepoints]
    visits = sorted(listed, key=lambda visit: visit[:2])
    dates = [date for date, _, _ in visits]
    stated: dict[dt.date, dict[str, bool]] = {}
    wrong: list[str] = []
    for row in coverage:
        day = as_date(row.get("date"), column="coverage.date", subject_id=subject_id)
        visit = None if day is None else _visit_of(day, dates, settings.coverage_window_days)
        assessed = (as_text(row.get("assessed")) or "").upper()
        if visit is None:
            wrong.append(f"coverage of {day or 'no date'} belongs to no visit")
        elif assessed not in _YES + _NO:
            wrong.append(f"coverage of {day}: assessed is {assessed or 'empty'}, expected Y or N")
        else:
            region = (as_text(row.get("region")) or "").upper()
            regions = stated.setdefault(visit, {})
            # Said twice of one region and visit: imaged on either day is imaged.
            regions[region] = regions.get(region, False) or assessed in _YES
    return tuple(_imaged(date, number, row, stated.get(date, {}), settings) for date, number, row in visits), tuple(
        wrong
    )


def _date(row: Mapping[str, Any], subject_id: str) -> dt.date:
    date = as_date(row.get("date"), column="timepoints.date", subject_id=subject_id)
    if date is None:
        raise ClinicalError("a visit without a date", subject_id=subject_id, visit=str(row["timepoint"]))
    return date


def _visit_of(day: dt.date, visits: list[dt.date], window_days: int) -> dt.date | None:
    """Return the visit that a day belongs to: its date is that of its last scan, so never before the day."""
    later = [date for date in visits if 0 <= (date - day).days <= window_days]
    return min(later, default=None)


def _imaged(
    date: dt.date, timepoint: int, row: Mapping[str, Any], stated: Mapping[str, bool], settings: EventSettings
) -> ImagedVisit:
    usable = row.get("usable") is None or bool(row["usable"])
    liver = all(assessed for region, assessed in stated.items() if region in _LIVER)
    return ImagedVisit(
        timepoint=timepoint,
        date=date,
        usable=usable,
        liver=usable and liver,
        extrahepatic=usable and _extrahepatic(stated, settings),
        phase=as_text(row.get("phase")),
    )


def _extrahepatic(stated: Mapping[str, bool], settings: EventSettings) -> bool:
    required = tuple(region.upper() for region in settings.required_regions)
    outside = {name: yes for name, yes in stated.items() if name not in _LIVER and (not required or name in required)}
    if not all(outside.values()):
        return False
    if settings.assume_extrahepatic_imaged:
        return True
    return bool(outside) and all(region in outside for region in required)
