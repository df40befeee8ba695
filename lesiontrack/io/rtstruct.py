"""RTSTRUCT contours to masks: even-odd polygons rastered at voxel centres.

The even-odd rule over all contours of a region in a slice gives holes and keyholes without knowing which is which;
it reproduces the masks of the IBSI soft-tissue-sarcoma set exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lesiontrack.domain.geometry import Grid
from lesiontrack.errors import SegmentationError
from lesiontrack.io.dataset import text

__all__ = ["even_odd_mask", "region_mask"]

# A contour further than this from every slice, in slices, was drawn on another image.
_OFF_SLICE = 0.25


def even_odd_mask(polygons: list[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Raster closed polygons by the even-odd rule: a voxel is in when its centre is.

    Parameters
    ----------
    polygons
        Each (n, 2), in index coordinates (j, i).
    shape
        (rows, columns).

    Notes
    -----
    Each edge toggles, on every row whose centre it crosses, all voxels from its crossing on; a running sum modulo 2
    along the rows is the mask. Rows are half open (an end point on a row belongs to one of its two edges).
    """
    rows, columns = shape
    toggles = np.zeros((rows, columns + 1), dtype=np.int64)
    for polygon in polygons:
        (j0, i0), (j1, i1) = polygon.T, np.roll(polygon, -1, axis=0).T
        first = np.clip(np.ceil(np.minimum(j0, j1)), 0, rows).astype(np.intp)
        last = np.clip(np.ceil(np.maximum(j0, j1)), 0, rows).astype(np.intp)
        edge = np.repeat(np.arange(len(polygon)), last - first)
        # Rows first .. last - 1 of each edge, one after the other.
        crossed = np.arange(len(edge)) - np.repeat(np.cumsum(last - first) - last, last - first)
        at = i0[edge] + (crossed - j0[edge]) * (i1 - i0)[edge] / (j1 - j0)[edge]
        np.add.at(toggles, (crossed, np.clip(np.ceil(at), 0, columns).astype(np.intp)), 1)
    inside: NDArray[np.bool_] = (np.cumsum(toggles, axis=1)[:, :columns] % 2).astype(bool)
    return inside


def region_mask(dataset: Dataset, number: int, grid: Grid) -> NDArray[np.bool_]:
    """Return the mask (k, j, i) of a region of interest on an image's grid.

    Raises
    ------
    SegmentationError
        If a contour lies outside the image, between its slices, or across them.
    """
    mask = np.zeros(grid.shape, dtype=bool)
    for k, polygons in _by_slice(dataset, number, grid).items():
        mask[k] = even_odd_mask(polygons, (grid.shape[1], grid.shape[2]))
    return mask


def _by_slice(dataset: Dataset, number: int, grid: Grid) -> dict[int, list[NDArray[np.float64]]]:
    found: dict[int, list[NDArray[np.float64]]] = {}
    for region in dataset.get("ROIContourSequence") or []:
        if int(region.get("ReferencedROINumber", -1)) != number:
            continue
        for contour in region.get("ContourSequence") or []:
            if text(contour, "ContourGeometricType") not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
                continue
            points = np.array(text(contour, "ContourData").split("\\"), dtype=np.float64).reshape(-1, 3)
            if len(points) < 3:
                continue
            index = grid.to_index(points)
            k = round(float(index[:, 0].mean()))
            _require_in_slice(index, k, grid)
            found.setdefault(k, []).append(index[:, 1:])
    return found


def _require_in_slice(index: NDArray[np.float64], k: int, grid: Grid) -> None:
    off = float(np.abs(index[:, 0] - k).max())
    if off > _OFF_SLICE:
        raise SegmentationError(
            "a contour does not lie in a slice of the image it references",
            found=f"{off * grid.spacing_mm[0]:.2f} mm from slice {k + 1}",
            expected=f"at most {_OFF_SLICE * grid.spacing_mm[0]:.2f} mm",
        )
    outside = not 0 <= k < grid.shape[0]
    beyond = max(0.0, float((-index[:, 1:]).max()), float((index[:, 1:] - np.array(grid.shape[1:])).max()) + 1)
    if outside or beyond > 1:
        raise SegmentationError(
            "a contour lies outside the image it references",
            found=f"slice {k + 1}, {beyond:.1f} voxels beyond the edge",
            expected=f"slices 1 to {grid.shape[0]}",
        )
