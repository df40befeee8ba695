"""Landmarks: matched points of two scans, and the smooth displacement that they imply."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lesiontrack.errors import GeometryError

__all__ = ["Landmarks"]

Points = NDArray[np.float64]

# Weight that every landmark keeps however far it is, so that far from all of them the global linear trend holds.
_FAR_WEIGHT = 1e-3
# Pulls, in landmarks' worth of evidence: the constant towards no displacement, the slopes (per kernel width) to none.
_RIDGE_CONSTANT = 0.02
_RIDGE_SLOPE = 0.5
_CHUNK = 8192


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Landmarks:
    """Points and how far each of them moved.

    The displacement elsewhere is predicted by a locally linear fit with Gaussian weights (Cleveland & Devlin 1988,
    J Am Stat Assoc 83:596-610), held by a small ridge so that few or collinear landmarks never give a wild slope.

    Attributes
    ----------
    points_lps_mm
        (n, 3), LPS mm of the source.
    displacement_mm
        (n, 3), target minus (already aligned) source.
    weight
        (n,), 0 to 1; how far each landmark is believed.
    """

    points_lps_mm: Points
    displacement_mm: Points
    weight: Points

    def __post_init__(self) -> None:
        n = len(self.points_lps_mm)
        if self.points_lps_mm.shape != (n, 3) or self.displacement_mm.shape != (n, 3) or self.weight.shape != (n,):
            raise GeometryError("landmarks, displacements and weights differ in number", found=str(n))

    @classmethod
    def between(cls, points_lps_mm: Points, displacement_mm: Points) -> Landmarks:
        """Build with full belief in every landmark."""
        points = np.asarray(points_lps_mm, dtype=np.float64).reshape(-1, 3)
        moved = np.asarray(displacement_mm, dtype=np.float64).reshape(-1, 3)
        return cls(points_lps_mm=points, displacement_mm=moved, weight=np.ones(len(points)))

    def predict(self, at_lps_mm: Points, *, smoothness_mm: float, leave_out: NDArray[np.intp] | None = None) -> Points:
        """Predict the displacement at points.

        Parameters
        ----------
        at_lps_mm
            (m, 3), LPS mm of the source.
        smoothness_mm
            Standard deviation of the Gaussian weights, mm.
        leave_out
            (m,) or (m, c) landmarks that each point must not use (its own), -1 for none.

        Returns
        -------
        (m, 3) mm; zero without landmarks.
        """
        at = np.asarray(at_lps_mm, dtype=np.float64).reshape(-1, 3)
        predicted = np.zeros_like(at)
        if not len(self.points_lps_mm):
            return predicted
        unused = None if leave_out is None else leave_out.reshape(len(at), -1)
        for begin in range(0, len(at), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            out = None if unused is None else unused[part]
            predicted[part] = self._fit(at[part], smoothness_mm, out)
        return predicted

    def residuals_mm(self, *, smoothness_mm: float) -> Points:
        """Return (n,) distances of each landmark from where the others predict it, mm."""
        own = np.arange(len(self.points_lps_mm))
        predicted = self.predict(self.points_lps_mm, smoothness_mm=smoothness_mm, leave_out=own)
        distance: Points = np.linalg.norm(self.displacement_mm - predicted, axis=1)
        return distance

    def robust(self, *, smoothness_mm: float, scale_mm: float, rounds: int = 2) -> Landmarks:
        """Return the same landmarks with belief falling with their leave-one-out residual (squared Cauchy weights)."""
        current = self
        for _ in range(rounds if len(self.points_lps_mm) > 3 else 0):
            residual = current.residuals_mm(smoothness_mm=smoothness_mm)
            current = replace(current, weight=1.0 / (1.0 + (residual / scale_mm) ** 2) ** 2)
        return current

    def _fit(self, at: Points, smoothness_mm: float, leave_out: NDArray[np.intp] | None) -> Points:
        offset = (self.points_lps_mm[None] - at[:, None]) / smoothness_mm
        weight = (np.exp(-0.5 * (offset**2).sum(axis=-1)) + _FAR_WEIGHT) * self.weight
        if leave_out is not None:
            rows, columns = np.nonzero(leave_out >= 0)
            weight[rows, leave_out[rows, columns]] = 0.0
        # Only ratios matter: the nearest landmark counts as one, so that the ridge means the same everywhere.
        weight /= np.maximum(weight.max(axis=1, keepdims=True), 1e-12)
        design = np.concatenate([np.ones((*offset.shape[:2], 1)), offset], axis=-1)
        weighted = design * weight[..., None]
        normal = np.swapaxes(weighted, 1, 2) @ design
        normal += np.diag([_RIDGE_CONSTANT, _RIDGE_SLOPE, _RIDGE_SLOPE, _RIDGE_SLOPE])
        right = np.swapaxes(weighted, 1, 2) @ self.displacement_mm
        solved: Points = np.linalg.solve(normal, right)[:, 0, :]
        return solved
