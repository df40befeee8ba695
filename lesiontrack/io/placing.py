"""Masks from one grid onto another: voxel for voxel where the grids agree, nearest neighbour where they do not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, SegmentKind
from lesiontrack.errors import SegmentationError

__all__ = ["Mark", "same_lattice", "share_voxels", "voxels_on"]

# Two grids agree when every voxel of one lies within a tenth of a voxel of one of the other.
LATTICE_TOLERANCE_VOXELS = 0.1
# A segmentation may reach a little over the edge of its image; more than this share is another image's.
_OUTSIDE_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mark:
    """One marked structure: its voxels as flat indices (n,) into the image's array (k, j, i)."""

    name: str
    kind: SegmentKind
    voxels: NDArray[np.intp] = field(repr=False)
    site: str | None = None
    single: bool = False
    tracking_uid: str | None = None
    tracked: bool = False
    max_components: int = 1


def same_lattice(steps: NDArray[np.float64], extent: NDArray[np.float64]) -> bool:
    """Tell whether steps (3, n), in voxels of the target, are unit steps along its axes over an extent (n,)."""
    whole = np.rint(steps)
    drift = np.abs(steps - whole) * extent
    return bool((np.abs(whole).sum(axis=0) == 1).all() and drift.max() <= LATTICE_TOLERANCE_VOXELS)


def share_voxels(grid: Grid, own: Grid) -> bool:
    """Tell whether every voxel of ``own``, whole or cut out, in any order of axes, is a voxel of ``grid``."""
    steps = np.linalg.inv(grid.affine[:3, :3]) @ own.affine[:3, :3]
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in own.shape])).reshape(3, -1).T
    index = grid.to_index(own.to_lps_mm(corners))
    inside = (index > -0.5) & (index < np.array(grid.shape) - 0.5)
    on_voxels = np.abs(index - np.rint(index)).max() <= LATTICE_TOLERANCE_VOXELS
    return bool(inside.all() and on_voxels and same_lattice(steps, np.array(own.shape)))


def voxels_on(grid: Grid, own: Grid, mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], str]:
    """Bring a mask onto an image's grid.

    Parameters
    ----------
    grid
        Of the image.
    own
        Of the mask.
    mask
        bool (k, j, i) on ``own``.

    Returns
    -------
    voxels
        Flat indices into the image's array.
    note
        What was done, when the grids do not agree voxel for voxel.

    Raises
    ------
    SegmentationError
        If more than a hundredth of the mask lies outside the image.
    """
    marked = np.argwhere(mask).astype(np.float64)
    if not len(marked):
        return np.empty(0, dtype=np.intp), ""
    index = grid.to_index(own.to_lps_mm(marked))
    steps = np.linalg.inv(grid.affine[:3, :3]) @ own.affine[:3, :3]
    off = np.abs(index - np.rint(index)).max()
    # Clipped just outside, so that what lies far away still fits a whole number.
    whole = np.rint(np.clip(index, -1, np.array(grid.shape))).astype(np.intp)
    inside = np.all((whole >= 0) & (whole < np.array(grid.shape)), axis=1)
    require_inside(inside, grid, own.to_lps_mm(marked))
    if off <= LATTICE_TOLERANCE_VOXELS and same_lattice(steps, np.ptp(marked, axis=0)):
        return flat(whole[inside], grid), ""
    return _nearest(grid, own, mask), "segmentation resampled onto the image (nearest neighbour)"


def flat(index_kji: NDArray[np.intp], grid: Grid) -> NDArray[np.intp]:
    """Return flat indices of (n, 3) whole index coordinates."""
    out: NDArray[np.intp] = np.ravel_multi_index(tuple(index_kji.T), grid.shape).astype(np.intp)
    return out


def require_inside(inside: NDArray[np.bool_], grid: Grid, points_lps_mm: NDArray[np.float64]) -> None:
    """Refuse a mask of which more than a hundredth lies outside the image."""
    outside = int((~inside).sum())
    if outside <= _OUTSIDE_SHARE * len(inside):
        return
    corners = grid.to_lps_mm(np.array(np.meshgrid(*[(0, n - 1) for n in grid.shape])).reshape(3, -1).T)
    raise SegmentationError(
        f"{outside} of {len(inside)} marked voxels lie outside the image",
        found=f"mask at {_box(points_lps_mm)} mm",
        expected=f"within {_box(corners)} mm",
    )


def _box(points: NDArray[np.float64]) -> str:
    low, high = points.min(axis=0), points.max(axis=0)
    return " x ".join(f"{a:.1f}..{b:.1f}" for a, b in zip(low, high))


def _nearest(grid: Grid, own: Grid, mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Look up, for each image voxel near the mask, the nearest voxel of the mask's grid."""
    marked = np.argwhere(mask)
    low, high = marked.min(axis=0) - 1, marked.max(axis=0) + 1
    corners = np.array(np.meshgrid(*zip(low, high))).reshape(3, -1).T
    box = grid.to_index(own.to_lps_mm(corners))
    start = np.clip(np.floor(box.min(axis=0)), 0, np.array(grid.shape) - 1).astype(np.intp)
    stop = np.clip(np.ceil(box.max(axis=0)), 0, np.array(grid.shape) - 1).astype(np.intp) + 1
    found = []
    for k in range(start[0], stop[0]):
        cell = np.stack(
            np.meshgrid([k], np.arange(start[1], stop[1]), np.arange(start[2], stop[2]), indexing="ij"), axis=-1
        ).reshape(-1, 3)
        index = np.rint(own.to_index(grid.to_lps_mm(cell))).astype(np.intp)
        inside = np.all((index >= 0) & (index < np.array(own.shape)), axis=1)
        hit = cell[inside][mask[tuple(index[inside].T)]]
        found.append(flat(hit, grid))
    return np.concatenate(found) if found else np.empty(0, dtype=np.intp)
