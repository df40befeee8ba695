"""Frame: how a scan's voxels lie on napari's axes, and which world millimetre is which patient millimetre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid
from lesiontrack.errors import GeometryError

__all__ = ["Frame", "frame_of", "onto"]

Points = NDArray[np.float64]

# napari's axes in LPS: superior (z), posterior (y), left (x). Shown with rows down and columns to the right, that is
# the view from the feet: anterior up, the patient's right on the left of the screen.
_WORLD_AXES = (2, 1, 0)
_LETTERS = (("S", "I"), ("P", "A"), ("L", "R"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A scan on the axes of napari's world: the patient's axes that lie nearest to its own.

    World coordinates are (superior, posterior, left) millimetres. For a scan that is not oblique they are its LPS
    coordinates; an oblique one is shown on its own axes, unturned, because napari cannot show a slice that is turned
    out of its plane. Measuring always goes through `to_lps_mm`.

    Attributes
    ----------
    order
        For each world axis, the axis of the array (0 is k) that is shown on it.
    flipped
        For each world axis, whether the array runs against it.
    scale_mm, translate_mm
        (3,) step and place of the first voxel on each world axis, mm; the steps are positive.
    """

    grid: Grid
    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    scale_mm: Points
    translate_mm: Points

    def view(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a (k, j, i) array on the world's axes: a view, never a copy."""
        return array.transpose(self.order)[self._flips]

    def unview(self, turned: NDArray[Any]) -> NDArray[Any]:
        """Return an array on the world's axes as (k, j, i): what ``view`` was taken of, a view as well."""
        return turned[self._flips].transpose(np.argsort(self.order))

    @property
    def _flips(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)

    @property
    def slice_axis(self) -> int:
        """World axis along which the scan was sliced: 0 for axial, 1 for coronal, 2 for sagittal slices."""
        return self.order.index(0)

    @property
    def oblique(self) -> bool:
        """Whether the world's axes are not the patient's."""
        direction = np.abs(self.grid.direction[list(_WORLD_AXES)][:, list(self.order)])
        return bool((np.diag(direction) < 0.9999).any())

    def to_world(self, points_lps_mm: Points) -> Points:
        """Map LPS mm (..., 3) to world mm (..., 3)."""
        return self.index_to_world(self.grid.to_index(points_lps_mm))

    def index_to_world(self, index_kji: Points) -> Points:
        """Map index coordinates (..., 3) in (k, j, i) to world mm (..., 3)."""
        index = np.asarray(index_kji, dtype=np.float64)[..., list(self.order)]
        last = np.array(self.grid.shape, dtype=np.float64)[list(self.order)] - 1.0
        along: Points = np.where(self.flipped, last - index, index)
        return along * self.scale_mm + self.translate_mm

    def world_to_index(self, points_world_mm: Points) -> Points:
        """Map world mm (..., 3) to index coordinates (..., 3) in (k, j, i)."""
        along = (np.asarray(points_world_mm, dtype=np.float64) - self.translate_mm) / self.scale_mm
        last = np.array(self.grid.shape, dtype=np.float64)[list(self.order)] - 1.0
        along = np.where(self.flipped, last - along, along)
        index: Points = np.empty_like(along)
        index[..., list(self.order)] = along
        return index

    def to_lps_mm(self, points_world_mm: Points) -> Points:
        """Map world mm (..., 3) to LPS mm (..., 3)."""
        return self.grid.to_lps_mm(self.world_to_index(points_world_mm))

    def on_slice(self, points_world_mm: Points) -> Points:
        """Move points (..., 3) onto the nearest of the scan's own slices: world mm (..., 3)."""
        index = self.world_to_index(points_world_mm)
        index[..., 0] = np.clip(np.round(index[..., 0]), 0, self.grid.shape[0] - 1)
        return self.index_to_world(index)

    @property
    def drawing_scale_mm(self) -> Points:
        """(3,) scale of a layer of points or lines: millimetres in the slice, whole slices across.

        So a point belongs to exactly one slice, and napari's slider goes slice by slice.
        """
        scale = np.ones(3)
        scale[self.slice_axis] = self.scale_mm[self.slice_axis]
        return scale

    @property
    def drawing_translate_mm(self) -> Points:
        """(3,) world place of the first voxel across the slices, 0 in the slice."""
        translate = np.zeros(3)
        translate[self.slice_axis] = self.translate_mm[self.slice_axis]
        return translate

    def to_drawing(self, points_world_mm: Points) -> Points:
        """Map world mm (..., 3) to the coordinates of a layer with the two above, the slice rounded to a whole one."""
        along: Points = (
            np.asarray(points_world_mm, dtype=np.float64) - self.drawing_translate_mm
        ) / self.drawing_scale_mm
        along[..., self.slice_axis] = np.round(along[..., self.slice_axis])
        return along

    def letters(self, rows: int, columns: int) -> dict[str, str]:
        """Return the patient's side at each edge of the screen, for world axes shown downwards and to the right.

        An axis of the head is shown upwards, as readers are used to.
        """
        (below, above), (right, left) = _LETTERS[rows], _LETTERS[columns]
        if rows == 0:
            above, below = below, above
        return {"top": above, "bottom": below, "left": left, "right": right}


def frame_of(grid: Grid) -> Frame:
    """Return the frame of a grid: each world axis shows the array's axis that runs most nearly along it."""
    along = grid.direction[list(_WORLD_AXES)]
    order = max(permutations(range(3)), key=lambda chosen: _agreement(along, chosen))
    flipped = tuple(bool(along[world, axis] < 0) for world, axis in enumerate(order))
    scale_mm = grid.spacing_mm[list(order)]
    first = np.zeros(3)
    for world, axis in enumerate(order):
        first[axis] = grid.shape[axis] - 1 if flipped[world] else 0
    translate_mm = grid.to_lps_mm(first)[list(_WORLD_AXES)]
    k, j, i = order
    z, y, x = flipped
    return Frame(grid=grid, order=(k, j, i), flipped=(z, y, x), scale_mm=scale_mm, translate_mm=translate_mm)


def _agreement(along: Points, order: Sequence[int]) -> float:
    return float(sum(abs(along[world, axis]) for world, axis in enumerate(order)))


def onto(grid: Grid, stored: Grid, array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of an array that lies on the same voxels, but maybe on other axes, on a grid's own axes (k, j, i).

    A NIfTI file does not say which of its axes the slices were cut along: its reader may take another for k.

    Raises
    ------
    GeometryError
        If the two grids are not the same voxels.
    """
    here, there = frame_of(grid), frame_of(stored)
    shown = there.view(array)
    result = here.unview(shown)
    same = result.shape == grid.shape and np.allclose(here.translate_mm, there.translate_mm, atol=0.05)
    if not same or not np.allclose(here.scale_mm, there.scale_mm, atol=0.01):
        raise GeometryError("a label map that is not of its scan", found=str(stored.shape), expected=str(grid.shape))
    return result
