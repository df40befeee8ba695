"""What the images inside the liver say of how it bent: vessels and the texture around them, followed block by block.

Every block of the later liver is compared with the earlier one at all displacements within reach; the displacements
of all blocks are then found together, each held ever closer to the smooth mean of its neighbours (coupled convex
optimisation: Steinbruecker et al. 2009, ICCV; Heinrich et al. 2014, MICCAI; Siebert et al. 2021, arXiv:2111.03096).
Nothing is random and nothing is descended, so no start is too far that lies within reach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from lesiontrack.align.descriptor import BITS, self_similarity
from lesiontrack.align.grids import composed, lps_grid, over_grid, points_of
from lesiontrack.align.liver import sample
from lesiontrack.align.prepare import Prepared
from lesiontrack.domain.geometry import Grid, Transform

__all__ = ["follow_interior", "refine_interior"]

Points = NDArray[np.float64]
Field = NDArray[np.float32]
Words = NDArray[np.uint64]
Ints = NDArray[np.intp]

# Voxels this far outside the liver take part: its surface is the strongest edge, what lies behind moves otherwise.
_SHELL_MM = 4.0
_CONTROL_MM = 12.0
# A voxel's description takes in voxels this far away.
_PATCH_REACH = 4
# A block's cost takes in its neighbours' by a Gaussian of this width, in controls: one block alone may hold no vessel.
_SHARED = 0.7
# Without any liver marked, tissue this near to a lesion in it is taken for liver.
_AROUND_MM = 35.0


@dataclass(frozen=True, slots=True)
class _Level:
    """One round of search.

    Attributes
    ----------
    step, reach
        Voxels from one displacement to the next; how many steps in each direction.
    width
        Standard deviation of the smoothing, in controls.
    stride
        Every how-manieth voxel takes part.
    """

    step: int
    reach: int
    width: float
    stride: int


_FINE = (_Level(1, 2, 1.3, 1), _Level(1, 2, 1.0, 1))
_LEVELS = (_Level(2, 4, 2.0, 8), *_FINE)
# In bits for each square voxel.
_COUPLING = tuple(BITS * weight for weight in (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03))


def follow_interior(earlier: Prepared, later: Prepared, start: Transform) -> Transform | None:
    """Refine a map of the later scan's points to the earlier's by what both images show inside the liver.

    Returns
    -------
    Transform
        The affine of ``start`` and a displacement on a grid around the later liver; None where neither a liver nor a
        lesion says where to look, or where either image shows nothing.
    """
    return _followed(earlier, later, start, _LEVELS)


def refine_interior(earlier: Prepared, later: Prepared, start: Transform) -> Transform | None:
    """Refine a map that is already good to a few millimetres: the fine rounds of ``follow_interior`` alone."""
    return _followed(earlier, later, start, _FINE)


def _followed(earlier: Prepared, later: Prepared, start: Transform, levels: tuple[_Level, ...]) -> Transform | None:
    mask = _liver(earlier, later, start)
    if mask is None or not mask.any() or not later.image.any() or not earlier.image.any():
        return None
    pair, current = _Pair(earlier, later, mask), start
    for level in levels:
        current = pair.refined(current, level)
    return current


def _liver(earlier: Prepared, later: Prepared, start: Transform) -> NDArray[np.bool_] | None:
    """Return where to look on the later working grid: its liver, else the earlier one's, else around its lesions."""
    if later.distance_mm is not None:
        return np.asarray(later.distance_mm < _SHELL_MM)
    points = points_of(later.grid)
    if earlier.distance_mm is not None:
        distance = sample(
            earlier.distance_mm.astype(np.float32), earlier.grid.to_index(start.apply(points.reshape(-1, 3)))
        )
        return np.asarray(distance.reshape(later.grid.shape) < _SHELL_MM)
    if not len(later.points_lps_mm):
        return None
    near = cKDTree(later.points_lps_mm).query(points.reshape(-1, 3), distance_upper_bound=_AROUND_MM)[0]
    return np.asarray(np.isfinite(near).reshape(later.grid.shape))


class _Pair:
    """Two prepared scans and what of them does not change from level to level."""

    def __init__(self, earlier: Prepared, later: Prepared, mask: NDArray[np.bool_]) -> None:
        self.earlier = earlier
        self.grid = later.grid
        self.mask = mask
        self.fixed = self_similarity(later.image.astype(np.float32))
        self.image = earlier.image.astype(np.float32)

    def refined(self, start: Transform, level: _Level) -> Transform:
        """Return the map after one round of search."""
        box = _box(self.mask, level.reach * level.step + _PATCH_REACH)
        spacing_mm = float(self.grid.spacing_mm[0])
        first = np.array([part.start for part in box], dtype=np.float64)
        grid = lps_grid(self.fixed[box].shape, self.grid.to_lps_mm(first), spacing_mm)
        there = over_grid(start, grid)
        index = np.moveaxis(self.earlier.grid.to_index(there), -1, 0)
        moving = ndimage.map_coordinates(self.image, index, order=1, mode="nearest", output=np.float32)
        seen = self.earlier.scan.contains(there) & self.earlier.grid.contains(there)
        lattice = _Lattice(grid, self.mask[box], level)
        cost = _costs(self.fixed[box], self_similarity(moving), seen, lattice, level)
        return composed(start, lattice.grid, lattice.coupled(cost, level) * spacing_mm)


def _box(mask: NDArray[np.bool_], margin: int) -> tuple[slice, ...]:
    """Return the box of a mask and a margin, in voxels, within its array."""
    box = ndimage.find_objects(mask.astype(np.int8))[0]
    return tuple(slice(max(s.start - margin, 0), min(s.stop + margin, n)) for s, n in zip(box, mask.shape, strict=True))


class _Lattice:
    """Blocks of voxels of one level: which voxel is in which block, and how blocks smooth."""

    def __init__(self, grid: Grid, mask: NDArray[np.bool_], level: _Level) -> None:
        self.block = max(round(_CONTROL_MM / float(grid.spacing_mm[0])), 1)
        voxels = np.argwhere(mask)
        voxels = voxels[voxels @ np.array([1, 2, 4]) % level.stride == 0]
        self.shape = tuple(int(-(-n // self.block)) for n in mask.shape)
        cells = np.ravel_multi_index(tuple((voxels // self.block).T), self.shape)
        order = np.argsort(cells, kind="stable")
        # Voxels block after block, so that sums over blocks are sums over stretches.
        self.voxels = voxels[order]
        self.used, self.first, count = np.unique(cells[order], return_index=True, return_counts=True)
        self.size = count.astype(np.float32)
        origin = grid.to_lps_mm(np.full(3, (self.block - 1) / 2.0))
        self.grid = lps_grid(self.shape, origin, self.block * float(grid.spacing_mm[0]))

    def total(self, values: NDArray[np.generic]) -> Field:
        """Sum values of the voxels over each block."""
        return np.asarray(np.add.reduceat(values, self.first, dtype=np.int32), dtype=np.float32)

    def smooth(self, values: Field, width: float) -> Field:
        """Average (blocks, c) over neighbouring blocks, each by how many voxels it has; (k, j, i, c) everywhere."""
        weight = np.zeros(int(np.prod(self.shape)), dtype=np.float32)
        weight[self.used] = self.size / self.block**3
        spread = np.zeros((len(weight), values.shape[1]), dtype=np.float32)
        spread[self.used] = values * weight[self.used, None]
        sigma = (width, width, width, 0)
        top = ndimage.gaussian_filter(spread.reshape(*self.shape, -1), sigma, mode="constant", truncate=3.0)
        bottom = ndimage.gaussian_filter(weight.reshape(self.shape), width, mode="constant", truncate=3.0)
        return np.asarray(top / np.maximum(bottom, 1e-6)[..., None], dtype=np.float32)

    def coupled(self, cost: Field, level: _Level) -> Field:
        """Return the displacement (k, j, i, 3) in voxels along x, y, z."""
        steps = _steps(level).astype(np.float32)
        length = (steps**2).sum(axis=1)
        cost = self.smooth(cost, _SHARED).reshape(-1, len(steps))[self.used]
        chosen = steps[cost.argmin(axis=1)]
        field = self.smooth(chosen, level.width)
        for weight in _COUPLING:
            near = field.reshape(-1, 3)[self.used]
            apart = length[None] - 2.0 * near @ steps.T
            chosen = steps[(cost + weight * apart).argmin(axis=1)]
            field = self.smooth(chosen, level.width)
        return field[..., ::-1]


def _steps(level: _Level) -> Ints:
    """Return all displacements of a level, (n, 3) voxels k, j, i."""
    axis = level.step * np.arange(-level.reach, level.reach + 1)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def _costs(fixed: Words, moving: Words, seen: NDArray[np.bool_], lattice: _Lattice, level: _Level) -> Field:
    """Return (blocks, displacements) bits in which a voxel differs; where the earlier scan does not see, the mean."""
    pad = level.reach * level.step
    padded = np.pad(moving, pad, mode="edge")
    visible = np.pad(seen, pad, mode="edge").ravel()
    everywhere = bool(visible.all())
    flat = padded.ravel()
    at = np.ravel_multi_index(tuple((lattice.voxels + pad).T), padded.shape)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    here = fixed[tuple(lattice.voxels.T)]
    steps = _steps(level)
    total = np.empty((len(lattice.used), len(steps)), dtype=np.float32)
    counted = np.repeat(lattice.size[:, None], len(steps), axis=1)
    for number, step in enumerate(steps):
        moved = at + int(step @ strides)
        unlike = np.bitwise_count(here ^ flat[moved])
        if not everywhere:
            unlike *= visible[moved]
            counted[:, number] = lattice.total(visible[moved])
        total[:, number] = lattice.total(unlike)
    mean = float(total.sum() / max(float(counted.sum()), 1.0))
    known = (total + mean * (lattice.size[:, None] - counted)) / lattice.size[:, None]
    return np.asarray(known, dtype=np.float32)
