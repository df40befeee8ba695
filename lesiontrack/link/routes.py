"""From any scan to any other, through the registrations that there are."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.history import Registration
from lesiontrack.domain.study import Subject

__all__ = ["Route", "Routes"]

Points = NDArray[np.float64]

_TRUSTED_COST = 1.0
_UNTRUSTED_COST = 4.0
# Scans of one visit without a registration between them: the patient's coordinates are taken as shared, as a last way.
_SAME_VISIT_COST = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """A chain of maps from one scan to another.

    Attributes
    ----------
    steps
        Maps in the order of their application.
    trusted
        Whether every registration on the way is.
    cost
        1 for each trusted registration, 4 for each other, 10 for a step within a visit without one.
    residual_mm
        Root of the summed squares of the registrations' residuals; None where one of them has none.
    """

    steps: tuple[Transform, ...]
    trusted: bool
    cost: float
    residual_mm: float | None

    def project(self, points_lps_mm: Points) -> Points:
        """Map points (n, 3) of the first scan into the last, LPS mm."""
        points = np.asarray(points_lps_mm, dtype=np.float64).reshape(-1, 3)
        for step in self.steps:
            points = step.apply(points)
        return points


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    step: Transform
    cost: float
    trusted: bool
    residual_mm: float | None


class Routes:
    """The registrations of a subject as a graph of scans; the cheapest way between two of them, found once."""

    def __init__(self, subject: Subject, registrations: Iterable[Registration]) -> None:
        self._edges: dict[str, dict[str, _Edge]] = {}
        self._found: dict[tuple[str, str], Route | None] = {}
        for visit in subject.visits:
            uids = sorted(scan.series_uid for scan in visit.measured_scans)
            for first in uids:
                for second in uids:
                    if first != second:
                        self._add(first, second, _Edge(Transform.identity(), _SAME_VISIT_COST, False, None))
        for registration in registrations:
            cost = _TRUSTED_COST if registration.trusted else _UNTRUSTED_COST
            for source, target, step in (
                (registration.series_from, registration.series_to, registration.forward),
                (registration.series_to, registration.series_from, registration.backward),
            ):
                self._add(source, target, _Edge(step, cost, registration.trusted, registration.residual_mm))

    def between(self, source: str, target: str) -> Route | None:
        """Return the cheapest route between two series, None where no registration leads there."""
        key = (source, target)
        if key not in self._found:
            self._found[key] = self._search(source, target)
        return self._found[key]

    def _add(self, source: str, target: str, edge: _Edge) -> None:
        known = self._edges.setdefault(source, {}).get(target)
        if known is None or edge.cost < known.cost:
            self._edges[source][target] = edge

    def _search(self, source: str, target: str) -> Route | None:
        """Find the cheapest way (Dijkstra 1959); among equals the one first in order of series UIDs."""
        queue: list[tuple[float, tuple[str, ...]]] = [(0.0, (source,))]
        done: set[str] = set()
        while queue:
            cost, path = heapq.heappop(queue)
            here = path[-1]
            if here == target:
                return self._route(path, cost)
            if here in done:
                continue
            done.add(here)
            for there, edge in self._edges.get(here, {}).items():
                if there not in done:
                    heapq.heappush(queue, (cost + edge.cost, (*path, there)))
        return None

    def _route(self, path: tuple[str, ...], cost: float) -> Route:
        edges = [self._edges[a][b] for a, b in pairwise(path)]
        residuals = [edge.residual_mm for edge in edges]
        known = [residual for residual in residuals if residual is not None]
        total = float(np.sqrt(np.square(known).sum())) if len(known) == len(residuals) else None
        return Route(
            steps=tuple(edge.step for edge in edges),
            trusted=all(edge.trusted for edge in edges),
            cost=cost,
            residual_mm=total,
        )
