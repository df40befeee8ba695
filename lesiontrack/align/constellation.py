"""The lesions themselves as landmarks: assignment and prediction in turns, from coarse to fine.

Each round assigns the lesions of one scan to those of the other (Kuhn 1955, Hungarian assignment with a dummy partner
for each lesion), then predicts every lesion's displacement from the pairs of all others. The gate shrinks and the
displacement may bend more from round to round, so that a wrong early pair is outvoted before it can hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from lesiontrack.align.settings import AlignSettings
from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.landmarks import Landmarks

__all__ = ["Constellation", "Matched", "candidate_shifts", "match"]

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Constellation:
    """Lesions of two scans.

    Attributes
    ----------
    fixed_lps_mm, moving_lps_mm
        (n, 3) in the later scan, (m, 3) in the earlier.
    fixed_radii_mm, moving_radii_mm
        (n,), (m,).
    """

    fixed_lps_mm: Points
    moving_lps_mm: Points
    fixed_radii_mm: Points
    moving_radii_mm: Points

    def size_change(self) -> Points:
        """Return (n, m) absolute log ratios of the sizes, 1 mm added so that tiny ones do not dominate."""
        change: Points = np.abs(np.log((self.fixed_radii_mm[:, None] + 1.0) / (self.moving_radii_mm[None] + 1.0)))
        return change


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matched:
    """The pairs of a constellation, and the landmarks that they make.

    Attributes
    ----------
    fixed, moving
        (p,) indices of the pairs.
    landmarks
        On the later scan's points; displacement in the earlier scan's space, after the start map.
    residual_mm
        (p,) leave-one-out residuals.
    score
        Sum over the pairs of how far their cost stays below the last gate, mm.
    """

    fixed: NDArray[np.intp]
    moving: NDArray[np.intp]
    landmarks: Landmarks
    residual_mm: Points
    score: float


def match(lesions: Constellation, start: Transform, settings: AlignSettings) -> Matched:
    """Match two constellations from a start map of the later scan's points into the earlier's space."""
    started = start.apply(lesions.fixed_lps_mm)
    size_cost = settings.size_weight_mm * lesions.size_change()
    n = len(started)
    predicted = np.zeros((n, 3))
    fixed = moving = np.zeros(0, dtype=np.intp)
    landmarks = Landmarks.between(np.zeros((0, 3)), np.zeros((0, 3)))
    cost = np.zeros((n, len(lesions.moving_lps_mm)))
    last = _last_gates(lesions, settings)
    gate = last
    for step in range(settings.rounds):
        share = step / max(settings.rounds - 1, 1)
        gate = _between(settings.gate_start_mm, last, share)
        width = float(_between(settings.smoothness_start_mm, settings.smoothness_end_mm, share))
        cost = np.linalg.norm((started + predicted)[:, None] - lesions.moving_lps_mm[None], axis=-1) + size_cost
        fixed, moving = _assign(cost, gate)
        landmarks = Landmarks.between(
            lesions.fixed_lps_mm[fixed], lesions.moving_lps_mm[moving] - started[fixed]
        ).robust(smoothness_mm=width, scale_mm=max(float(gate.min()) / 3.0, 2.0))
        own = np.full(n, -1, dtype=np.intp)
        own[fixed] = np.arange(len(fixed))
        predicted = landmarks.predict(lesions.fixed_lps_mm, smoothness_mm=width, leave_out=own)
    left = np.linalg.norm((started + predicted)[fixed] - lesions.moving_lps_mm[moving], axis=-1)
    score = float(np.clip(gate[fixed] - left - size_cost[fixed, moving], 0.0, None).sum())
    return Matched(fixed=fixed, moving=moving, landmarks=landmarks, residual_mm=left, score=score)


def candidate_shifts(
    lesions: Constellation, linear: Points, *, radius_mm: float = 10.0, count: int = 8
) -> list[Points]:
    """Return the translations on which most pairs of lesions agree, best first (a generalised Hough vote).

    Parameters
    ----------
    linear
        (3, 3) turn (and scale) that is applied to the later scan's points first.
    radius_mm
        How far apart two pairs' translations may be and still agree.
    """
    if not len(lesions.fixed_lps_mm) or not len(lesions.moving_lps_mm):
        return []
    turned = lesions.fixed_lps_mm @ linear.T
    shifts = (lesions.moving_lps_mm[None] - turned[:, None]).reshape(-1, 3)
    shifts = shifts[lesions.size_change().ravel() < 1.0] if (lesions.size_change() < 1.0).any() else shifts
    tree = cKDTree(shifts)
    votes = tree.query_ball_point(shifts, radius_mm, return_length=True)
    order = np.lexsort((*np.round(shifts, 6).T, -votes))
    chosen: list[Points] = []
    for index in order:
        near = tree.query_ball_point(shifts[index], radius_mm)
        mean = shifts[near].mean(axis=0)
        if all(np.linalg.norm(mean - other) > radius_mm for other in chosen):
            chosen.append(mean)
        if len(chosen) == count:
            break
    return chosen


def _last_gates(lesions: Constellation, settings: AlignSettings) -> Points:
    """Return (n,) gates of the last round: a share of the distance to the nearest neighbour, within bounds.

    Where lesions stand apart a wide gate is safe and the prediction from far neighbours needs it; where they crowd only
    a narrow one tells them apart.
    """
    n = len(lesions.fixed_lps_mm)
    if n < 2:
        return np.full(n, settings.gate_sparse_mm)
    near = cKDTree(lesions.fixed_lps_mm).query(lesions.fixed_lps_mm, k=2)[0]
    gates: Points = np.clip(settings.gate_share * np.asarray(near)[:, 1], settings.gate_end_mm, settings.gate_sparse_mm)
    return gates


def _between(first: float, last: Points | float, share: float) -> Points:
    """Interpolate geometrically."""
    return np.asarray(first * (last / first) ** share, dtype=np.float64)


def _assign(cost: Points, gate: Points) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs of the cheapest assignment in which staying alone costs a lesion its gate, (n,)."""
    n, m = cost.shape
    if not n or not m:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    padded = np.full((n, m + n), 1e6)
    padded[:, :m] = np.where(cost < gate[:, None], cost, 1e6)
    padded[np.arange(n), m + np.arange(n)] = gate
    rows, columns = linear_sum_assignment(padded)
    real = columns < m
    return rows[real], columns[real]
