"""Two visits: where each lesion should be at the other, and the odds that two lesions are one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.special import gammaln

from lesiontrack.domain.landmarks import Landmarks
from lesiontrack.link.routes import Route
from lesiontrack.link.settings import LinkSettings

__all__ = ["Crowd", "Pairing", "pair"]

Points = NDArray[np.float64]
Ints = NDArray[np.intp]

# Log odds beyond these say no more: one pair of visits must not outvote all others.
ODDS_LIMIT = 8.0
# Degrees of freedom of the distribution of places: its tails are far heavier than a Gaussian's, since some lesions lie
# where the map must extrapolate.
_FREEDOM = 4.0
# A lesion as far from its nearest landmarks as most others has the common spread; bounds of the factor for the rest.
_NEIGHBOURS = 3
_SPREAD_FACTORS = (0.7, 3.0)
# Pairs nearer than this are rivals worth a second look, mm.
_RIVAL_MM = 25.0
_PRIOR_PAIRS = 4.0
# The median of the length of a three-dimensional Gaussian vector, in standard deviations (Maxwell distribution).
_MAXWELL_MEDIAN = 1.538


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crowd:
    """Lesions of one group (the liver's, or one site's) in one scan: (n, 3) LPS mm and (n,) mm."""

    points_lps_mm: Points
    radii_mm: Points
    hepatic: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairing:
    """What two scans say of each other's lesions.

    Attributes
    ----------
    log_odds
        (n, m): same lesion against unrelated ones, by place and size, without the rivals.
    distance_mm
        (n, m): projected earlier centre to later centre.
    forward_lps_mm, backward_lps_mm
        (n, 3) places of the earlier lesions in the later scan, predicted without themselves; (m, 3) the reverse.
    spread_mm
        Standard deviation of those predictions along each axis.
    forward, backward
        Landmarks that refine the route, for places that are no lesion.
    """

    log_odds: Points
    distance_mm: Points
    forward_lps_mm: Points
    backward_lps_mm: Points
    spread_mm: float
    forward: Landmarks
    backward: Landmarks
    trusted: bool


def pair(earlier: Crowd, later: Crowd, there: Route, back: Route, settings: LinkSettings) -> Pairing:
    """Refine the projection between two scans by their lesions and weigh every possible pair.

    Parameters
    ----------
    there, back
        Routes from the earlier scan to the later and back.
    """
    forward_start = there.project(earlier.points_lps_mm)
    backward_start = back.project(later.points_lps_mm)
    gate = settings.gate_start_mm if there.trusted else settings.gate_untrusted_mm
    if not earlier.hepatic:
        gate = settings.extrahepatic_gate_mm
    size = np.log((earlier.radii_mm[:, None] + 1.0) / (later.radii_mm[None] + 1.0))
    forward, backward = np.zeros_like(forward_start), np.zeros_like(backward_start)
    none = Landmarks.between(np.zeros((0, 3)), np.zeros((0, 3)))
    marks = (none, none)
    rows = columns = np.zeros(0, dtype=np.intp)
    width = settings.smoothness_end_mm
    for step in range(settings.rounds):
        share = step / max(settings.rounds - 1, 1)
        limit = _between(gate, _last_gates(earlier, settings), share)
        width = float(_between(settings.smoothness_start_mm, settings.smoothness_end_mm, share))
        distance = _distance(earlier, later, forward_start + forward, backward_start + backward)
        rows, columns = _assign(distance + settings.size_weight_mm * np.abs(size), limit)
        # Landmarks lie on the lesions themselves, so that a place in the earlier scan is what the forward ones take.
        first = Landmarks.between(earlier.points_lps_mm[rows], later.points_lps_mm[columns] - forward_start[rows])
        second = Landmarks.between(later.points_lps_mm[columns], earlier.points_lps_mm[rows] - backward_start[columns])
        scale = max(float(limit.min()) / 3.0, 2.0)
        marks = (first.robust(smoothness_mm=width, scale_mm=scale), second.robust(smoothness_mm=width, scale_mm=scale))
        forward = _without_self(marks[0], earlier.points_lps_mm, rows, width)
        backward = _without_self(marks[1], later.points_lps_mm, columns, width)
    distance = _distance(earlier, later, forward_start + forward, backward_start + backward)
    ahead = _Side(earlier.points_lps_mm, forward_start, later.points_lps_mm, marks[0], width)
    behind = _Side(later.points_lps_mm, backward_start, earlier.points_lps_mm, marks[1], width)
    distance = _without_either(distance, ahead, behind, (rows, columns))
    spread = _spread(distance[rows, columns], settings, hepatic=earlier.hepatic)
    own = spread * np.sqrt(_support(earlier, rows)[:, None] * _support(later, columns)[None])
    return Pairing(
        log_odds=_log_odds(distance, size, own, (earlier, later), settings),
        distance_mm=np.linalg.norm((forward_start + forward)[:, None] - later.points_lps_mm[None], axis=-1),
        forward_lps_mm=forward_start + forward,
        backward_lps_mm=backward_start + backward,
        spread_mm=spread,
        forward=marks[0],
        backward=marks[1],
        trusted=there.trusted,
    )


def _distance(earlier: Crowd, later: Crowd, forward: Points, backward: Points) -> Points:
    """Return (n, m) distances, the mean of both directions, so that turning time round changes nothing."""
    there = np.linalg.norm(forward[:, None] - later.points_lps_mm[None], axis=-1)
    back = np.linalg.norm(backward[None] - earlier.points_lps_mm[:, None], axis=-1)
    mean: Points = (there + back) / 2.0
    return mean


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One direction of a pair of visits: source points, where they start in the target, target points, landmarks."""

    points: Points
    started: Points
    targets: Points
    marks: Landmarks
    width_mm: float

    def distance(self, pick: Ints, against: Ints, unused: Ints) -> Points:
        """Return (q,) distances of chosen sources' predictions from chosen targets, some landmarks left out."""
        moved = self.marks.predict(self.points[pick], smoothness_mm=self.width_mm, leave_out=unused)
        length: Points = np.linalg.norm(self.started[pick] + moved - self.targets[against], axis=1)
        return length


def _without_either(distance: Points, ahead: _Side, behind: _Side, pairs: tuple[Ints, Ints]) -> Points:
    """Measure close rivals anew without the landmarks of either end.

    The pair that a rival already has must not pull its neighbours' predictions away: that would make it look right by
    its own doing.
    """
    near_rows, near_columns = np.nonzero(distance < _RIVAL_MM)
    first, second = np.full(len(distance), -1, dtype=np.intp), np.full(distance.shape[1], -1, dtype=np.intp)
    first[pairs[0]] = second[pairs[1]] = np.arange(len(pairs[0]))
    unused = np.stack([first[near_rows], second[near_columns]], axis=1)
    there = ahead.distance(near_rows, near_columns, unused)
    back = behind.distance(near_columns, near_rows, unused)
    fair = distance.copy()
    fair[near_rows, near_columns] = (there + back) / 2.0
    return fair


def _without_self(marks: Landmarks, points: Points, pairs: NDArray[np.intp], width: float) -> Points:
    own = np.full(len(points), -1, dtype=np.intp)
    own[pairs] = np.arange(len(pairs))
    return marks.predict(points, smoothness_mm=width, leave_out=own)


def _last_gates(crowd: Crowd, settings: LinkSettings) -> Points:
    """Return (n,) gates of the last round: a share of the way to the nearest neighbour, within bounds."""
    if not crowd.hepatic:
        return np.full(len(crowd.points_lps_mm), settings.extrahepatic_gate_mm)
    if len(crowd.points_lps_mm) < 2:
        return np.full(len(crowd.points_lps_mm), settings.gate_sparse_mm)
    near = cKDTree(crowd.points_lps_mm).query(crowd.points_lps_mm, k=2)[0]
    gates: Points = np.clip(settings.gate_share * np.asarray(near)[:, 1], settings.gate_end_mm, settings.gate_sparse_mm)
    return gates


def _between(first: float, last: Points | float, share: float) -> Points:
    return np.asarray(first * (last / first) ** share, dtype=np.float64)


def _assign(cost: Points, gate: Points) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the cheapest pairs; each earlier lesion may stay alone at the cost of its gate, (n,)."""
    n, m = cost.shape
    padded = np.full((n, m + n), 1e4)
    padded[:, :m] = np.where(cost < gate[:, None], cost, 1e4)
    padded[np.arange(n), m + np.arange(n)] = gate
    rows, columns = linear_sum_assignment(padded)
    real = columns < m
    return rows[real], columns[real]


def _spread(residual: Points, settings: LinkSettings, *, hepatic: bool) -> float:
    """Return the error of a prediction along each axis: the pairs' own, held by a prior worth a few pairs."""
    prior = settings.spread_mm if hepatic else settings.extrahepatic_spread_mm
    n = len(residual)
    seen = float(np.median(residual)) / _MAXWELL_MEDIAN if n else prior
    variance = (n * seen**2 + _PRIOR_PAIRS * prior**2) / (n + _PRIOR_PAIRS)
    return max(float(np.sqrt(variance)), settings.spread_floor_mm)


def _log_odds(
    distance: Points, size: Points, spread: Points, crowds: tuple[Crowd, Crowd], settings: LinkSettings
) -> Points:
    """Return log odds of same against unrelated: place (multivariate t) and size, against the crowd's own density."""
    half = (_FREEDOM + 3.0) / 2.0
    constant = gammaln(half) - gammaln(_FREEDOM / 2.0) - 1.5 * np.log(_FREEDOM * np.pi)
    place = constant - 3.0 * np.log(spread) - half * np.log1p((distance / spread) ** 2 / _FREEDOM)
    alike = np.log(np.exp(-0.5 * (size / settings.size_spread) ** 2) + 0.02)
    random = settings.alone_odds * max(_density(crowds[0]), _density(crowds[1]))
    odds: Points = np.clip(place + alike - np.log(random), -ODDS_LIMIT, ODDS_LIMIT)
    return odds


def _support(crowd: Crowd, pairs: NDArray[np.intp]) -> Points:
    """Return (n,) factors of the spread: how far each lesion's nearest landmarks are, against the usual."""
    n = len(crowd.points_lps_mm)
    if len(pairs) < _NEIGHBOURS + 1:
        return np.ones(n)
    distance = np.linalg.norm(crowd.points_lps_mm[:, None] - crowd.points_lps_mm[pairs][None], axis=-1)
    distance[pairs, np.arange(len(pairs))] = np.inf
    mean = np.sort(distance, axis=1)[:, :_NEIGHBOURS].mean(axis=1)
    factors: Points = np.clip(mean / np.median(mean[pairs]), *_SPREAD_FACTORS)
    return factors


def _density(crowd: Crowd) -> float:
    """Return lesions per mm3 in the ball that has the crowd's spread, at least that of one in a litre and a half."""
    n = len(crowd.points_lps_mm)
    centred = crowd.points_lps_mm - crowd.points_lps_mm.mean(axis=0)
    radius = max(float(np.sqrt(5.0 / 3.0 * (centred**2).sum(axis=1).mean())), 40.0)
    return max(n / (4.0 / 3.0 * np.pi * radius**3), 1.0 / 1.5e6)
