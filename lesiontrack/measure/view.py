"""What a reader sees: a lesion in its slice, the place of one that is gone, a whole slice.

Pixels are made square by linear interpolation. Slices of an axial volume are shown the radiological way, the
patient's right on the left and front up, whichever way the array runs; others as they were acquired.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

from lesiontrack.domain.geometry import Grid, Volume
from lesiontrack.domain.lesion import Lesion
from lesiontrack.domain.view import View, ViewKind

__all__ = ["lesion_view", "place_view", "slice_view"]

Floats = NDArray[np.float64]
LabelMap = NDArray[np.uint16]
PointLps = tuple[float, float, float]

# The usual liver window: level 60, width 240 HU.
CT_WINDOW_HU = (-60.0, 180.0)
MR_PERCENTILES = (1.0, 99.0)
# Enough voxels for a percentile that does not change from view to view.
SAMPLED_PER_AXIS = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Screen:
    """A rectangle of square pixels in the plane of one slice.

    Attributes
    ----------
    origin_lps_mm
        Centre of voxel (k, 0, 0).
    axes
        (2, 3) unit vectors in LPS: down the rows, along the columns.
    corner_mm
        (2,) centre of the first pixel along ``axes``, from the origin.
    shape
        Rows, columns.
    """

    grid: Grid
    k: int
    origin_lps_mm: Floats
    axes: Floats
    corner_mm: Floats
    pixel_mm: float
    shape: tuple[int, int]

    def to_pixels(self, points_lps_mm: Floats) -> Floats:
        """Map points (n, 3), LPS mm, to (row, column) in pixels (n, 2), straight onto the slice."""
        pixels: Floats = ((points_lps_mm - self.origin_lps_mm) @ self.axes.T - self.corner_mm) / self.pixel_mm
        return pixels

    def pixel_index_ji(self) -> Floats:
        """Return the in-plane index (j, i) of every pixel, (2, rows, columns)."""
        rows_mm, columns_mm = (
            corner + self.pixel_mm * np.arange(n) for corner, n in zip(self.corner_mm, self.shape, strict=True)
        )
        place_mm = np.stack(np.meshgrid(rows_mm, columns_mm, indexing="ij")).reshape(2, -1)
        index: Floats = np.linalg.solve(self.axes @ self.grid.affine[:3, 1:3], place_mm).reshape(2, *self.shape)
        return index

    def centre_lps_mm(self) -> PointLps:
        """Return the middle of the rectangle, LPS mm."""
        middle_mm = self.corner_mm + self.pixel_mm * (np.array(self.shape) - 1) / 2.0
        x, y, z = (float(c) for c in self.origin_lps_mm + middle_mm @ self.axes)
        return x, y, z


def lesion_view(
    volume: Volume,
    label_map: LabelMap,
    lesion: Lesion,
    *,
    box_mm: float = 70.0,
    zones: LabelMap | None = None,
) -> View:
    """Show a lesion in the slice of its longest diameter, with both diameters and all outlines there.

    Parameters
    ----------
    label_map
        uint16 (k, j, i), value = lesion number.
    box_mm
        Edge of the square around the middle of the longest diameter, mm.
    zones
        uint16 (k, j, i) of treated zones, outlined too.
    """
    middle = np.array(lesion.diameter_ends_lps_mm).mean(axis=0)
    screen = _square(volume.grid, lesion.slice_index, middle, box_mm)
    short = lesion.short_axis_ends_lps_mm
    shown = _view(volume, screen, ViewKind.LESION, lesion.timepoint, _outlines(screen, label_map, zones))
    return replace(
        shown,
        lesion_id=lesion.lesion_id,
        diameter_px=screen.to_pixels(np.array(lesion.diameter_ends_lps_mm)),
        short_axis_px=None if short is None else screen.to_pixels(np.array(short)),
    )


def place_view(
    volume: Volume,
    label_map: LabelMap,
    place_lps_mm: PointLps,
    *,
    timepoint: int,
    box_mm: float = 70.0,
    zones: LabelMap | None = None,
) -> View:
    """Show a place, such as that of a lesion that is gone, in the slice nearest to it; see `lesion_view`."""
    place = np.array(place_lps_mm, dtype=np.float64)
    k = int(np.clip(np.rint(volume.grid.to_index(place)[0]), 0, volume.grid.shape[0] - 1))
    screen = _square(volume.grid, k, place, box_mm)
    return _view(volume, screen, ViewKind.PLACE, timepoint, _outlines(screen, label_map, zones))


def slice_view(
    volume: Volume,
    label_map: LabelMap,
    k: int,
    *,
    timepoint: int,
    max_px: int = 320,
    zones: LabelMap | None = None,
) -> View:
    """Show a whole slice with the outlines of all its lesions, at most ``max_px`` pixels wide and high."""
    screen = _whole(volume.grid, k, max_px)
    return _view(volume, screen, ViewKind.SLICE, timepoint, _outlines(screen, label_map, zones))


def _view(
    volume: Volume,
    screen: _Screen,
    kind: ViewKind,
    timepoint: int,
    contours: tuple[tuple[int, Floats], ...],
) -> View:
    return View(
        timepoint=timepoint,
        series_uid=volume.series_uid,
        kind=kind,
        lesion_id=None,
        centre_lps_mm=screen.centre_lps_mm(),
        pixels=_pixels(volume, screen),
        pixel_mm=screen.pixel_mm,
        contours=contours,
        slice_index=screen.k,
    )


def _display_axes(grid: Grid) -> Floats:
    """Return unit vectors (2, 3) in LPS down the rows and along the columns of the screen."""
    step_j, step_i = grid.affine[:3, 1], grid.affine[:3, 2]
    normal = np.cross(step_i, step_j)
    down, along = step_j, step_i
    if np.argmax(np.abs(normal)) == 2:
        if abs(step_j[0]) / np.linalg.norm(step_j) > abs(step_i[0]) / np.linalg.norm(step_i):
            down, along = step_i, step_j
        # LPS: x grows to the patient's left, y to the back; on the screen they grow to the right and down.
        along = along if along[0] > 0 else -along
        down = down if down[1] > 0 else -down
    column = along / np.linalg.norm(along)
    # On an in-plane sheared grid the screen's rows still are perpendicular to its columns.
    row = down - (down @ column) * column
    return np.stack([row / np.linalg.norm(row), column])


def _square(grid: Grid, k: int, centre_lps_mm: Floats, box_mm: float) -> _Screen:
    """Return a square of ``box_mm`` around a point, at the finer of the slice's two pixel spacings."""
    axes = _display_axes(grid)
    origin = grid.to_lps_mm(np.array([k, 0.0, 0.0]))
    n = max(2, int(np.ceil(box_mm / float(grid.spacing_mm[1:].min()))))
    pixel_mm = box_mm / n
    corner = axes @ (centre_lps_mm - origin) - pixel_mm * (n - 1) / 2.0
    return _Screen(grid=grid, k=k, origin_lps_mm=origin, axes=axes, corner_mm=corner, pixel_mm=pixel_mm, shape=(n, n))


def _whole(grid: Grid, k: int, max_px: int) -> _Screen:
    """Return the rectangle that a whole slice fills."""
    axes = _display_axes(grid)
    corners = np.array([(k, j, i) for j in (-0.5, grid.shape[1] - 0.5) for i in (-0.5, grid.shape[2] - 0.5)])
    origin = grid.to_lps_mm(np.array([k, 0.0, 0.0]))
    along_mm = (grid.to_lps_mm(corners) - origin) @ axes.T
    low, size = along_mm.min(axis=0), np.ptp(along_mm, axis=0)
    pixel_mm = max(float(grid.spacing_mm[1:].min()), float(size.max()) / max_px)
    # A little less than a pixel too much must not make another row.
    rows, columns = (max(1, int(np.ceil(n / pixel_mm - 1e-6))) for n in size)
    return _Screen(
        grid=grid,
        k=k,
        origin_lps_mm=origin,
        axes=axes,
        corner_mm=low + pixel_mm / 2.0,
        pixel_mm=pixel_mm,
        shape=(rows, columns),
    )


def _pixels(volume: Volume, screen: _Screen) -> NDArray[np.uint8]:
    """Resample and window the slice; outside the image is black."""
    low, high = _window(volume)
    plane = volume.voxels[screen.k].astype(np.float32)
    coarser = screen.pixel_mm / volume.grid.spacing_mm[1:]
    if coarser.max() > 1.0:
        # Half a screen pixel of smoothing, so that fine texture does not alias.
        plane = ndimage.gaussian_filter(plane, tuple(np.where(coarser > 1.0, 0.5 * coarser, 0.0)), mode="nearest")
    values = ndimage.map_coordinates(plane, screen.pixel_index_ji(), order=1, mode="constant", cval=low)
    scaled = np.clip((values - low) / (high - low), 0.0, 1.0) * 255.0
    return np.rint(scaled).astype(np.uint8)


def _window(volume: Volume) -> tuple[float, float]:
    """Return the grey window: the liver's for CT, percentiles of the volume for all else."""
    if volume.modality == "CT":
        return CT_WINDOW_HU
    steps = tuple(slice(None, None, max(1, n // SAMPLED_PER_AXIS)) for n in volume.voxels.shape)
    low, high = (float(v) for v in np.percentile(volume.voxels[steps], MR_PERCENTILES))
    return (low, high) if high > low else (low, low + 1.0)


def _outlines(screen: _Screen, label_map: LabelMap, zones: LabelMap | None) -> tuple[tuple[int, Floats], ...]:
    """Outline every lesion, and as negative numbers every zone, that reaches into the screen."""
    found = _outlines_of(screen, label_map, sign=1)
    if zones is not None:
        found += _outlines_of(screen, zones, sign=-1)
    return tuple(found)


def _outlines_of(screen: _Screen, labels: LabelMap, *, sign: int) -> list[tuple[int, Floats]]:
    """Return the closed 0.5 contours of each label of a slice, in pixels of the screen."""
    plane = labels[screen.k]
    outlines: list[tuple[int, Floats]] = []
    for label, box in enumerate(ndimage.find_objects(plane), start=1):
        if box is None:
            continue
        corner = np.array([screen.k, box[0].start - 1, box[1].start - 1], dtype=np.float64)
        mask = np.pad(plane[box] == label, 1).astype(np.float32)
        for contour in find_contours(mask, 0.5):
            index = np.insert(contour, 0, 0.0, axis=1) + corner
            places = screen.to_pixels(screen.grid.to_lps_mm(index))
            if (places.max(axis=0) >= 0).all() and (places.min(axis=0) <= np.array(screen.shape) - 1).all():
                outlines.append((sign * label, places))
    return outlines
