"""Correspondence: the place in one visit's scan that shows what another's shows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.history import Registration

__all__ = ["Correspondence", "Way"]

Points = NDArray[np.float64]
Key = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Way:
    """A chain of transforms from one scan's patient space to another's.

    ``trusted`` is False when any step of it is not, or when there is no registration at all and the scanner's
    coordinates stand in for one; ``steps`` is empty then, and within a visit.
    """

    steps: tuple[Transform, ...]
    trusted: bool
    known: bool = True

    def apply(self, points_lps_mm: Points) -> Points:
        """Map points (..., 3), LPS mm to LPS mm."""
        points = np.asarray(points_lps_mm, dtype=np.float64)
        for step in self.steps:
            points = step.apply(points)
        return points


class Correspondence:
    """Finds the way between any two scans of a subject: the shortest chain of its registrations."""

    def __init__(self, registrations: Iterable[Registration]) -> None:
        self._edges: dict[Key, list[tuple[Key, Transform, bool]]] = {}
        self._visits: dict[int, set[Key]] = {}
        for entry in registrations:
            earlier = (entry.timepoint_from, entry.series_from)
            later = (entry.timepoint_to, entry.series_to)
            self._join(earlier, later, entry.forward, trusted=entry.trusted)
            self._join(later, earlier, entry.backward, trusted=entry.trusted)
        self._found: dict[tuple[Key, Key], Way] = {}

    def _join(self, start: Key, end: Key, transform: Transform, *, trusted: bool) -> None:
        self._edges.setdefault(start, []).append((end, transform, trusted))
        self._visits.setdefault(start[0], set()).add(start)

    def way(self, timepoint_from: int, series_from: str, timepoint_to: int, series_to: str) -> Way:
        """Return the way from one scan to another; scans of one visit share the patient's coordinates."""
        start, end = (timepoint_from, series_from), (timepoint_to, series_to)
        if (start, end) not in self._found:
            self._found[start, end] = self._search(start, end)
        return self._found[start, end]

    def _search(self, start: Key, end: Key) -> Way:
        if start[0] == end[0]:
            return Way(steps=(), trusted=True)
        # A series that was never registered stands where the registered ones of its visit stand.
        queue: deque[tuple[Key, tuple[Transform, ...], bool]] = deque((key, (), True) for key in self._aliases(start))
        seen = {key for key, _, _ in queue}
        goals = set(self._aliases(end))
        while queue:
            here, steps, trusted = queue.popleft()
            if here in goals:
                return Way(steps=steps, trusted=trusted)
            for there, transform, believed in self._sorted(here):
                if there not in seen:
                    seen.add(there)
                    queue.append((there, (*steps, transform), trusted and believed))
        return Way(steps=(), trusted=False, known=False)

    def _aliases(self, key: Key) -> Sequence[Key]:
        known = self._visits.get(key[0], set())
        return [key] if key in known else sorted(known)

    def _sorted(self, key: Key) -> list[tuple[Key, Transform, bool]]:
        """Return a scan's registrations, the trusted ones first."""
        return sorted(self._edges.get(key, ()), key=lambda edge: (not edge[2], edge[0]))
