"""Records of TR -> the visits of one evaluator, by visit number and scan date (response rules, sections 1 and 12)."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lesiontrack.errors import ReadsError

__all__ = ["Record", "SdtmVisit", "visits_of"]

Record = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SdtmVisit:
    """One visit as an evaluator records it.

    ``date_text`` is the date as recorded; ``imputed`` when it is partial, and ``date`` then the earliest day that it
    allows after the visit before.
    """

    timepoint: int
    number: str
    name: str
    date: dt.date
    date_text: str
    imputed: bool
    link_group: str
    accepted: str
    records: tuple[Record, ...]


def visits_of(results: Iterable[Record]) -> list[SdtmVisit]:
    """Make visits of the records of one evaluator, in the order of visit number and date.

    Raises
    ------
    ReadsError
        If there is none, or a date cannot be read.
    """
    groups: dict[tuple[str, str], dict[str, list[Record]]] = {}
    for record in results:
        dates = groups.setdefault((record.get("VISITNUM", ""), record.get("VISIT", "")), {})
        dates.setdefault(record.get("TRDTC", ""), []).append(record)
    parted = [part for (number, name), dates in groups.items() for part in _part(number, name, dates)]
    if not parted:
        raise ReadsError("no results in TR")
    found: list[SdtmVisit] = []
    for part in _in_order(parted):
        date, imputed = _date(part.text, after=found[-1].date if found else None, visit=part.name)
        accepted = {record.get("TRACPTFL", "") for record in part.records}
        found.append(
            SdtmVisit(
                timepoint=len(found),
                number=part.number,
                name=part.name,
                date=date,
                date_text=part.text,
                imputed=imputed,
                link_group=next((r["TRLNKGRP"] for r in part.records if r.get("TRLNKGRP")), ""),
                accepted="Y" if accepted == {"Y"} else "",
                records=tuple(part.records),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class _Part:
    number: str
    name: str
    text: str
    records: list[Record]


def _part(number: str, name: str, dates: dict[str, list[Record]]) -> list[_Part]:
    """Keep a visit's scan days together, unless one lesion has results on two of them: then they are two visits.

    Records of what was not done carry no date; they join the first day.
    """
    undated = dates.get("", [])
    days = sorted(day for day in dates if day)
    if not days:
        raise ReadsError("TRDTC is empty", visit=name or number, expected="a date")
    read: dict[tuple[str, str], set[str]] = {}
    for day in days:
        for record in dates[day]:
            read.setdefault((record["TRLNKID"], record["TRTESTCD"]), set()).add(day)
    if any(len(on) > 1 for on in read.values()):
        parts = [_Part(number, name, day, list(dates[day])) for day in days]
    else:
        parts = [_Part(number, name, days[-1], [record for day in days for record in dates[day]])]
    parts[0].records.extend(undated)
    return parts


def _in_order(parts: list[_Part]) -> list[_Part]:
    """Sort visits by date; one with a partial date comes after the visits of lower number."""
    ordered = sorted(
        (part for part in parts if len(part.text) >= 10), key=lambda part: (part.text, _number(part.number))
    )
    for part in sorted((part for part in parts if len(part.text) < 10), key=lambda part: _number(part.number)):
        lower = [place for place, other in enumerate(ordered, 1) if _number(other.number) < _number(part.number)]
        ordered.insert(max(lower, default=0), part)
    return ordered


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _date(text: str, *, after: dt.date | None, visit: str) -> tuple[dt.date, bool]:
    """Return a date, and whether it was imputed: never before the visit before it (response rules, section 9)."""
    parts = text[:10].split("-")
    try:
        if len(parts) == 3:
            return dt.date.fromisoformat(text[:10]), False
        numbers = [int(part) for part in parts]
        year, month = numbers[0], numbers[1] if len(numbers) > 1 else 1
        earliest = dt.date(year, month, 1)
        last_month = month if len(numbers) > 1 else 12
        latest = dt.date(year, last_month, calendar.monthrange(year, last_month)[1])
    except (ValueError, IndexError) as error:
        raise ReadsError("TRDTC is no date", visit=visit, found=repr(text), expected="YYYY-MM-DD") from error
    if after is not None and after >= earliest:
        earliest = min(after + dt.timedelta(days=1), latest)
    return earliest, True
