"""The liver's surface as a landmark: rigid, then affine, on its signed distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.align.grids import points_of
from lesiontrack.align.prepare import Prepared
from lesiontrack.align.settings import AlignSettings
from lesiontrack.domain.geometry import Transform

__all__ = ["LiverFit", "compose", "fit_liver", "liver_overlap", "volume_ratio"]

Points = NDArray[np.float64]

# Only the shell around the surface tells anything; samples beyond it are left out, mm.
_SHELL_MM = 15.0
_SAMPLES = 3000
# Robust scale, from far to near: after a resection the cut surface has no partner and must not pull.
_SCALES_MM = (12.0, 8.0, 5.0, 4.0)
_STEPS = 6
# Coarse tries use every n-th sample, from turns of a fifth of a radian about each axis; the best are refined.
_COARSE = 4
_EVERY = 2
_REFINED = 3
_TURN = 0.2
_TURNS = np.concatenate([np.zeros((1, 3)), _TURN * np.eye(3), -_TURN * np.eye(3)])
# How much the affine stage is held to the rigid one: standard deviation of a strain, against 1 mm at each sample.
_STRAIN = 0.08
_SAMPLES_WORTH = 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiverFit:
    """A map of the later scan's points to the earlier's, from the livers' surfaces.

    Attributes
    ----------
    affine
        (4, 4), later LPS mm to earlier LPS mm.
    rigid
        The rigid stage of the same fit.
    method
        ``affine``, ``rigid`` (the affine left its bounds).
    cost_mm
        Mean robust distance between the surfaces.
    """

    affine: Points
    rigid: Points
    method: str
    cost_mm: float


def compose(linear: Points, centre_mm: Points, shift_mm: Points) -> Points:
    """Return the (4, 4) map ``p -> linear (p - centre) + centre + shift``."""
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = centre_mm + shift_mm - linear @ centre_mm
    return matrix


def volume_ratio(earlier: Prepared, later: Prepared) -> float | None:
    """Return later over earlier liver volume; None when either is missing or cut by the edge of its scan."""
    if not earlier.liver_volume_mm3 or not later.liver_volume_mm3 or earlier.liver_cut or later.liver_cut:
        return None
    return later.liver_volume_mm3 / earlier.liver_volume_mm3


def fit_liver(earlier: Prepared, later: Prepared, settings: AlignSettings) -> LiverFit | None:
    """Fit the later liver's surface to the earlier's, the later scan being fixed; None when a liver is missing.

    Gauss-Newton on the difference of signed distances with Cauchy weights. No random numbers: the samples are every
    n-th voxel of the shell. Falls back to the rigid stage when the affine's determinant leaves its bounds.
    """
    start, goal = later.liver_centre_lps_mm, earlier.liver_centre_lps_mm
    if start is None or goal is None or later.distance_mm is None or earlier.distance_mm is None:
        return None
    points, values = _shell(later)
    coarse = _Problem(earlier, points[::_COARSE], values[::_COARSE], start)
    problem = _Problem(earlier, points, values, start)
    tries = [
        coarse.solve(np.concatenate([shift, turn]), scales_mm=_SCALES_MM[:2])
        for shift in (goal - start, np.zeros(3))
        for turn in _TURNS
    ]
    tries.sort(key=coarse.cost)
    solved = [problem.solve(parameters) for parameters in tries[:_REFINED]]
    parameters = min(solved, key=problem.cost)
    linear = _rotation(parameters[3:6])
    rigid = compose(linear, start, parameters[:3])
    full = problem.solve(np.concatenate([parameters[:3], linear.ravel()]))
    cost = problem.cost(parameters)
    determinant = float(np.linalg.det(full[3:].reshape(3, 3)))
    if not settings.determinant_low <= determinant <= settings.determinant_high:
        return LiverFit(affine=rigid, rigid=rigid, method="rigid", cost_mm=cost)
    affine = compose(full[3:].reshape(3, 3), start, full[:3])
    return LiverFit(affine=affine, rigid=rigid, method="affine", cost_mm=problem.cost(full))


def liver_overlap(earlier: Prepared, later: Prepared, backward: Transform) -> tuple[float, float] | None:
    """Return Dice and the share of the later liver that falls into the earlier, where both scans see.

    Every other voxel of the working grid along each axis is asked.

    Parameters
    ----------
    backward
        Later LPS mm to earlier LPS mm.

    Returns
    -------
    None without both livers.
    """
    if earlier.distance_mm is None or later.distance_mm is None:
        return None
    every = (slice(None, None, _EVERY),) * 3
    points = points_of(later.grid)[every].reshape(-1, 3)
    mapped = backward.apply(points)
    inside = later.distance_mm[every].ravel() < 0
    seen = earlier.scan.contains(mapped) & later.scan.contains(points)
    old = sample(earlier.distance_mm.astype(np.float32), earlier.grid.to_index(mapped)) < 0
    old &= earlier.grid.contains(mapped)
    both = float(np.count_nonzero(old & inside & seen))
    a, b = float(np.count_nonzero(old & seen)), float(np.count_nonzero(inside & seen))
    if a + b == 0:
        return None
    return 2.0 * both / (a + b), both / b if b else 0.0


def sample(values: NDArray[np.float32], index_kji: Points) -> Points:
    """Interpolate (k, j, i) values linearly at (n, 3) index coordinates, nearest outside."""
    out: Points = ndimage.map_coordinates(values, index_kji.T, order=1, mode="nearest", output=np.float64)
    return out


def _shell(later: Prepared) -> tuple[Points, Points]:
    """Return points and distances of every n-th voxel near the later liver's surface that its scan sees."""
    assert later.distance_mm is not None
    index = np.argwhere(np.abs(later.distance_mm) < _SHELL_MM)
    points = later.grid.to_lps_mm(index.astype(np.float64))
    keep = later.scan.contains(points, margin_mm=0.0)
    index, points = index[keep], points[keep]
    stride = max(len(index) // _SAMPLES, 1)
    index, points = index[::stride], points[::stride]
    return points, later.distance_mm[tuple(index.T)].astype(np.float64)


def _rotation(vector: Points) -> Points:
    """Return the rotation matrix of a rotation vector (Rodrigues' formula)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    axis = vector / angle
    cross = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    rotation: Points = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return rotation


class _Problem:
    """The least-squares problem: signed distances of the later shell against the earlier's at the mapped points.

    Parameters are a shift and a rotation vector (6), or a shift and a matrix (12), about the later liver's centre.
    """

    def __init__(self, earlier: Prepared, points: Points, values: Points, centre: Points) -> None:
        assert earlier.distance_mm is not None
        self._earlier = earlier
        self._distance = earlier.distance_mm.astype(np.float32)
        self._gradient = [g / earlier.grid.spacing_mm[0] for g in np.gradient(self._distance)]
        self._offset = points - centre
        self._centre = centre
        self._values = values

    def cost(self, parameters: Points) -> float:
        """Return the mean Cauchy distance over the samples that the earlier scan sees, mm; large when it sees few."""
        residual, _, seen = self._evaluate(parameters)
        if np.count_nonzero(seen) < 0.3 * len(seen):
            return 1e6
        scale = _SCALES_MM[-1]
        return float(scale * np.sqrt(np.log1p((residual[seen] / scale) ** 2).mean()))

    def solve(self, parameters: Points, *, scales_mm: tuple[float, ...] = _SCALES_MM) -> Points:
        """Return the parameters after Gauss-Newton steps with a shrinking robust scale; 6 are rigid, 12 affine."""
        first = parameters
        for scale in scales_mm:
            for _ in range(_STEPS):
                step = self._step(parameters, first, scale)
                parameters = self._moved(parameters, step)
                if np.abs(step[:3]).max() < 0.02 and np.abs(step[3:]).max() < 1e-4:
                    break
        return parameters

    def _step(self, parameters: Points, first: Points, scale: float) -> Points:
        residual, index, seen = self._evaluate(parameters)
        weight = seen / (1.0 + (residual / scale) ** 2)
        # LPS axes of the working grid: x along i, y along j, z along k.
        gradient = np.stack([sample(self._gradient[axis], index) for axis in (2, 1, 0)], axis=1)
        jacobian = self._jacobian(gradient, parameters)
        normal = jacobian.T @ (jacobian * weight[:, None])
        right = -(jacobian.T @ (weight * residual))
        normal += np.diag(1e-3 * np.diag(normal) + 1e-9)
        if len(parameters) == 12:
            hold = _SAMPLES_WORTH * len(residual) * scale**2 / _STRAIN**2 / 9.0
            normal[3:, 3:] += hold * np.eye(9)
            right[3:] -= hold * (parameters - first)[3:]
        return np.asarray(np.linalg.solve(normal, right), dtype=np.float64)

    def _linear(self, parameters: Points) -> Points:
        return _rotation(parameters[3:]) if len(parameters) == 6 else parameters[3:].reshape(3, 3)

    def _evaluate(self, parameters: Points) -> tuple[Points, Points, NDArray[np.bool_]]:
        turned = self._offset @ self._linear(parameters).T
        mapped = turned + self._centre + parameters[:3]
        index = self._earlier.grid.to_index(mapped)
        residual = np.clip(sample(self._distance, index), -2 * _SHELL_MM, 2 * _SHELL_MM) - self._values
        return residual, index, self._earlier.scan.contains(mapped)

    def _jacobian(self, gradient: Points, parameters: Points) -> Points:
        if len(parameters) == 6:
            turned = self._offset @ self._linear(parameters).T
            return np.concatenate([gradient, np.cross(turned, gradient)], axis=1)
        return np.concatenate([gradient, (gradient[:, :, None] * self._offset[:, None, :]).reshape(-1, 9)], axis=1)

    def _moved(self, parameters: Points, step: Points) -> Points:
        if len(parameters) == 12:
            return parameters + step
        turned = _rotation(step[3:]) @ _rotation(parameters[3:])
        return np.concatenate([parameters[:3] + step[:3], _vector(turned)])


def _vector(rotation: Points) -> Points:
    """Return the rotation vector of a rotation matrix of less than half a turn."""
    cosine = float(np.clip((np.trace(rotation) - 1.0) / 2.0, -1.0, 1.0))
    angle = float(np.arccos(cosine))
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    sine = np.sin(angle)
    if sine < 1e-9:
        return np.zeros(3)
    vector: Points = skew * (angle / (2.0 * sine))
    return vector
