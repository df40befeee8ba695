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
# What is expected of a displacement before any landmark is seen, standard deviations: a common shift, mm; a slope; a
# smooth local part, mm, alike over the next length, mm; and what is a landmark's own, mm (outlines, pulsation).
_SHIFT_MM = 4.0
_SLOPE = 0.05
_LOCAL_MM = 5.0
_LENGTH_MM = 40.0
_OWN_MM = 1.0


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

    def interpolate(self, at_lps_mm: Points) -> Points:
        """Return the most probable displacement at points, given all landmarks (kriging with a trend).

        Closer to the landmarks than ``predict``, to what they say together where they crowd, and falling to their
        trend away from them: for places between landmarks that are believed, not for telling which to believe
        (Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, section 2.2).

        Parameters
        ----------
        at_lps_mm
            (m, 3), LPS mm of the source.

        Returns
        -------
        (m, 3) mm; zero without landmarks.
        """
        at = np.asarray(at_lps_mm, dtype=np.float64).reshape(-1, 3)
        known = self.weight > 0.0
        points = self.points_lps_mm[known]
        if not len(points):
            return np.zeros_like(at)
        own = np.diag(_OWN_MM**2 / self.weight[known])
        centre = points.mean(axis=0)
        share = np.linalg.solve(_alike(points, points, centre) + own, self.displacement_mm[known])
        parts = [_alike(at[n : n + _CHUNK], points, centre) @ share for n in range(0, len(at), _CHUNK)]
        return np.concatenate([np.zeros((0, 3)), *parts])

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


def _alike(first: Points, second: Points, centre: Points) -> Points:
    """Return (m, n) covariances of the displacements at points, mm2."""
    apart = ((first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None] - 2.0 * first @ second.T).clip(0.0)
    local = _LOCAL_MM**2 * np.exp(-0.5 * apart / _LENGTH_MM**2)
    covariance: Points = _SHIFT_MM**2 + _SLOPE**2 * (first - centre) @ (second - centre).T + local
    return covariance
