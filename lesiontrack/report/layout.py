"""Where things stand in a drawing: dates along an axis, names that do not cover each other, round steps."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["DateAxis", "Tick", "apart", "lanes", "nice_step", "text_width"]

# Mean width of a character in the size of its letters, rounded up for the fonts of all systems.
_CHARACTER = 0.58


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is, in the unit of ``size``."""
    return len(text) * size * _CHARACTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DateAxis:
    """Calendar days along ``left`` to ``right``."""

    first: dt.date
    last: dt.date
    left: float
    right: float

    @classmethod
    def over(cls, dates: Sequence[str], *, left: float, right: float) -> DateAxis:
        """Return the axis that holds all dates (ISO 8601), with a little room at both ends."""
        days = sorted(dt.date.fromisoformat(date) for date in dates)
        room = dt.timedelta(days=max(7, (days[-1] - days[0]).days // 40))
        return cls(first=days[0] - room, last=days[-1] + room, left=left, right=right)

    def holds(self, date: str) -> bool:
        """Tell whether a date (ISO 8601) lies on the axis."""
        return self.first <= dt.date.fromisoformat(date) <= self.last

    def at(self, date: str) -> float:
        """Return the place of a date (ISO 8601); one beyond an end stands at that end."""
        day = min(max(dt.date.fromisoformat(date), self.first), self.last)
        days = (day - self.first).days
        return round(self.left + (self.right - self.left) * days / (self.last - self.first).days, 1)

    def ticks(self, *, room: float = 76.0) -> list[Tick]:
        """Return first days of months at a round step, at least ``room`` apart."""
        months = (self.last.year - self.first.year) * 12 + self.last.month - self.first.month
        most = max(1, int((self.right - self.left) / room))
        step = next((n for n in (1, 2, 3, 6, 12, 24, 60, 120) if months / n <= most), 240)
        ticks = []
        for month in range(self.first.year * 12, self.last.year * 12 + 12, step):
            day = dt.date(month // 12, month % 12 + 1, 1)
            if self.first <= day <= self.last:
                ticks.append(Tick(at=self.at(day.isoformat()), text=day.isoformat()[:7]))
        return ticks


def nice_step(highest: float, *, most: int = 6) -> float:
    """Return a round step that divides 0 to ``highest`` into at most ``most`` parts."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest / most))
    return next(n * power for n in (1, 2, 5, 10) if highest / (n * power) <= most)


def apart(wanted: Sequence[float], *, room: float, low: float, high: float) -> list[float]:
    """Return places near the wanted ones, ``room`` apart and between ``low`` and ``high`` where that is possible."""
    order = sorted(range(len(wanted)), key=lambda n: (wanted[n], n))
    placed = [0.0] * len(wanted)
    at = -math.inf
    for n in order:
        at = max(wanted[n], at + room, low)
        placed[n] = at
    limit = high
    for n in reversed(order):
        placed[n] = min(placed[n], limit)
        limit = placed[n] - room
    return [round(place, 1) for place in placed]


def lanes(spans: Sequence[tuple[float, float]]) -> list[int]:
    """Return for each span (left, right) the first lane in which it covers no earlier one; left ones choose first."""
    ends: list[float] = []
    chosen = [0] * len(spans)
    for n in sorted(range(len(spans)), key=lambda n: (spans[n], n)):
        left, right = spans[n]
        lane = next((k for k, end in enumerate(ends) if end <= left), len(ends))
        if lane == len(ends):
            ends.append(right)
        else:
            ends[lane] = right
        chosen[n] = lane
    return chosen
