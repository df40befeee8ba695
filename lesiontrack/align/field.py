"""From landmarks and affines to the two stored maps: a displacement grid, its inverse, and where it folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.align.grids import lattice_over, lps_grid, over_grid, points_of
from lesiontrack.align.liver import sample
from lesiontrack.align.prepare import Prepared
from lesiontrack.domain.geometry import Grid, Transform
from lesiontrack.domain.landmarks import Landmarks

__all__ = ["backward_map", "bent", "folding", "inverse_map", "scan_box"]

Points = NDArray[np.float64]

# The liver's own map holds up to the first distance outside it and has given way to the body's at the second, mm.
_LIVER_REACH_MM = (10.0, 40.0)
_INVERSE_STEPS = 12
_BENT_SPACING_MM = 8.0


def scan_box(scan: Grid, spacing_mm: float, margin_mm: float = 12.0) -> Grid:
    """Return an LPS-aligned grid of nodes that covers a scan and a margin."""
    corners = np.array([[((c >> axis) & 1) * (scan.shape[axis] - 1) for axis in range(3)] for c in range(8)])
    points = scan.to_lps_mm(corners.astype(np.float64))
    start = points.min(axis=0) - margin_mm
    size = np.ceil((points.max(axis=0) + margin_mm - start) / spacing_mm).astype(int) + 1
    return lps_grid(tuple(size[::-1]), start, spacing_mm)


def nodes(grid: Grid) -> Points:
    """Return the (n, 3) positions of a grid's nodes, LPS mm, in array order."""
    return points_of(grid).reshape(-1, 3)


def backward_map(
    later: Prepared, *, body: Points, liver: Transform, landmarks: Landmarks, spacing_mm: float
) -> Transform:
    """Return the map of the later scan's points to the earlier's.

    In and near the liver it is the liver's own map and the displacement that the landmarks imply; further away it gives
    way to the rigid map of the body.

    Parameters
    ----------
    body
        (4, 4) affine, later LPS mm to earlier LPS mm.
    liver
        Map of the liver alone.
    landmarks
        On the later scan's points, displacement after ``liver``.
    """
    if not len(landmarks.points_lps_mm) and liver.displacement_mm is None and np.array_equal(body, liver.affine):
        return liver
    grid = scan_box(later.scan, spacing_mm)
    at = nodes(grid)
    share = _liver_share(later, at)
    close = share > 0
    moved = at @ body[:3, :3].T + body[:3, 3]
    displacement = np.zeros_like(at)
    near = at[close]
    by_liver = liver.apply(near) + landmarks.interpolate(near)
    displacement[close] = (by_liver - moved[close]) * share[close, None]
    return Transform(affine=body, displacement_mm=displacement.reshape(*grid.shape, 3).astype(np.float32), grid=grid)


def bent(later: Prepared, way: Transform, landmarks: Landmarks, smoothness_mm: float | None = None) -> Transform:
    """Return a map of the later scan's points with what landmarks say of the rest, on its working grid.

    Parameters
    ----------
    smoothness_mm
        Over which the landmarks share what they say; None follows each of them.
    """
    lattice = lattice_over(later.grid, _BENT_SPACING_MM)
    at = points_of(lattice)
    straight = at @ way.affine[:3, :3].T + way.affine[:3, 3]
    nodes_lps_mm = at.reshape(-1, 3)
    if smoothness_mm is None:
        moved = landmarks.interpolate(nodes_lps_mm).reshape(at.shape)
    else:
        moved = landmarks.predict(nodes_lps_mm, smoothness_mm=smoothness_mm).reshape(at.shape)
    displacement = (over_grid(way, lattice) + moved - straight).astype(np.float32)
    return Transform(affine=way.affine, displacement_mm=displacement, grid=lattice)


def _liver_share(later: Prepared, at: Points) -> Points:
    """Return how much the liver's map counts at points, 1 to 0; everywhere 1 without a liver."""
    if later.distance_mm is None:
        return np.ones(len(at))
    outside = sample(later.distance_mm.astype(np.float32), later.grid.to_index(at)).astype(np.float64)
    # Beyond the working image the nearest value understates the distance: add the way to its box.
    box_low, box_high = later.grid.to_lps_mm(np.zeros(3)), later.grid.to_lps_mm(np.array(later.grid.shape) - 1.0)
    outside += np.linalg.norm(at - np.clip(at, box_low, box_high), axis=1)
    near, far = _LIVER_REACH_MM
    ramp = np.clip((far - outside) / (far - near), 0.0, 1.0)
    smooth: Points = ramp * ramp * (3.0 - 2.0 * ramp)
    return smooth


def inverse_map(backward: Transform, earlier_scan: Grid, spacing_mm: float) -> Transform:
    """Return the inverse of a map, sampled on a grid of the earlier scan (damped fixed-point iteration)."""
    back = np.asarray(np.linalg.inv(backward.affine), dtype=np.float64)
    if backward.displacement_mm is None:
        return Transform(affine=back)
    grid = scan_box(earlier_scan, spacing_mm)
    goal = nodes(grid)
    straight = goal @ back[:3, :3].T + back[:3, 3]
    found = straight.copy()
    for step in range(_INVERSE_STEPS):
        error = (goal - backward.apply(found)) @ back[:3, :3].T
        found = found + (1.0 if step < _INVERSE_STEPS // 2 else 0.7) * error
    displacement = (found - straight).reshape(*grid.shape, 3).astype(np.float32)
    return Transform(affine=back, displacement_mm=displacement, grid=grid)


def folding(backward: Transform, later: Prepared) -> float:
    """Return the share of the later liver (or, without one, of the field) where the Jacobian is not positive."""
    if backward.displacement_mm is None or backward.grid is None:
        return 0.0 if np.linalg.det(backward.affine[:3, :3]) > 0 else 1.0
    spacing = float(backward.grid.spacing_mm[0])
    # Derivatives along x, y, z are along i, j, k of an LPS-aligned grid.
    slopes = [np.gradient(backward.displacement_mm.astype(np.float64), spacing, axis=axis) for axis in (2, 1, 0)]
    jacobian = np.stack(slopes, axis=-1) + backward.affine[:3, :3]
    negative = np.linalg.det(jacobian) <= 0
    if later.distance_mm is None:
        return float(negative.mean())
    at = nodes(backward.grid)
    liver = ndimage.map_coordinates(
        later.distance_mm.astype(np.float32), later.grid.to_index(at).T, order=1, mode="constant", cval=99.0
    )
    inside = liver.reshape(backward.grid.shape) < 0
    return float(negative[inside].mean()) if inside.any() else 0.0
