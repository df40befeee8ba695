"""What alignment keeps of a scan: a few megabytes, made once, so that no volume is read twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.align.settings import AlignSettings
from lesiontrack.domain.geometry import Grid, Segmentation, Volume
from lesiontrack.domain.lesion import Lesion
from lesiontrack.domain.study import Compartment

__all__ = ["Prepared", "prepare"]

Points = NDArray[np.float64]

# Distances further than this from the liver's surface are all alike, mm.
DISTANCE_CLAMP_MM = 40.0
# CT window that holds everything soft; air, fat and bone beyond it are clamped (registration notes).
CT_WINDOW_HU = (-120.0, 260.0)
CT_BODY_WINDOW_HU = (-300.0, 700.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """One scan, reduced to what aligning it needs.

    Attributes
    ----------
    scan
        The scan's own grid: what was in view.
    grid, image
        Working image (k, j, i) on LPS axes around the liver (the whole scan without one), clamped, int16.
    distance_mm
        Signed distance to the liver's surface on ``grid``, mm, negative inside, float16; None without a liver.
    body_grid, body
        The whole scan, coarse.
    points_lps_mm, radii_mm
        (n, 3) hepatic lesions and treated zones in order of position, (n,): a zone lies where its lesion lay.
    other_points_lps_mm
        (m, 3) extrahepatic lesions in order of position.
    liver_volume_mm3
        Within the field of view; 0 without a liver.
    liver_cut
        The liver reaches the first or last slice of the scan.
    """

    timepoint: int
    series_uid: str
    modality: str
    scan: Grid
    grid: Grid
    image: NDArray[np.int16]
    distance_mm: NDArray[np.float16] | None
    body_grid: Grid
    body: NDArray[np.int16]
    points_lps_mm: Points
    radii_mm: Points
    other_points_lps_mm: Points
    liver_volume_mm3: float
    liver_cut: bool

    @property
    def liver_centre_lps_mm(self) -> Points | None:
        """Centroid of the liver, LPS mm; None without a liver."""
        if self.distance_mm is None:
            return None
        inside = np.argwhere(self.distance_mm < 0)
        centre: Points = self.grid.to_lps_mm(inside.mean(axis=0))
        return centre


def prepare(
    volume: Volume,
    segmentation: Segmentation | None,
    lesions: tuple[Lesion, ...],
    *,
    timepoint: int,
    settings: AlignSettings,
) -> Prepared:
    """Reduce a scan to what alignment needs.

    Parameters
    ----------
    volume, segmentation
        The scan and what is marked in it, on the scan's grid.
    lesions
        Those measured in this volume (others are ignored).
    timepoint
        The visit.

    Returns
    -------
    Prepared
        Picklable, a few megabytes.
    """
    own = [lesion for lesion in lesions if lesion.series_uid == volume.series_uid]
    hepatic = sorted(
        [(lesion.centroid_lps_mm, lesion.radius_mm) for lesion in own if lesion.compartment is Compartment.HEPATIC]
        + _zone_marks(segmentation)
    )
    other = sorted(lesion.centroid_lps_mm for lesion in own if lesion.compartment is not Compartment.HEPATIC)
    liver = _liver_with_lesions(segmentation, own)
    box = None if liver is None else _box(liver)
    grid = _lps_grid(volume.grid, settings.spacing_mm, settings.margin_mm, box)
    if box is None:
        grid = _lps_grid(volume.grid, max(settings.spacing_mm, 4.0), 0.0, None)
    body_grid = _lps_grid(volume.grid, settings.body_spacing_mm, 0.0, None)
    return Prepared(
        timepoint=timepoint,
        series_uid=volume.series_uid,
        modality=volume.modality,
        scan=volume.grid,
        grid=grid,
        image=_window(_resample(volume.voxels, volume.grid, grid), volume.modality, CT_WINDOW_HU),
        distance_mm=None if liver is None else _signed_distance(liver, volume.grid, grid),
        body_grid=body_grid,
        body=_window(_resample(volume.voxels, volume.grid, body_grid), volume.modality, CT_BODY_WINDOW_HU),
        points_lps_mm=np.array([point for point, _ in hepatic], dtype=np.float64).reshape(-1, 3),
        radii_mm=np.array([radius for _, radius in hepatic], dtype=np.float64),
        other_points_lps_mm=np.array(other, dtype=np.float64).reshape(-1, 3),
        liver_volume_mm3=0.0 if liver is None else float(np.count_nonzero(liver)) * volume.grid.voxel_volume_mm3,
        liver_cut=liver is not None and bool(liver[0].any() or liver[-1].any()),
    )


def _zone_marks(segmentation: Segmentation | None) -> list[tuple[tuple[float, float, float], float]]:
    """Return centroid, LPS mm, and radius, mm, of each treated zone."""
    if segmentation is None or segmentation.zones is None:
        return []
    marks = []
    for label, place in enumerate(ndimage.find_objects(segmentation.zones), start=1):
        if place is None:
            continue
        index = np.argwhere(segmentation.zones[place] == label)
        first = np.array([part.start for part in place], dtype=np.float64)
        x, y, z = (float(v) for v in segmentation.grid.to_lps_mm(first + index.mean(axis=0)))
        volume = len(index) * segmentation.grid.voxel_volume_mm3
        marks.append(((x, y, z), float((3.0 * volume / (4.0 * np.pi)) ** (1.0 / 3.0))))
    return marks


def _liver_with_lesions(segmentation: Segmentation | None, lesions: list[Lesion]) -> NDArray[np.bool_] | None:
    """Return the liver with lesions and zones filled in, since a mask may leave them out; None without a liver."""
    if segmentation is None or segmentation.liver is None or not segmentation.liver.any():
        return None
    liver: NDArray[np.bool_] = segmentation.liver
    if segmentation.zones is not None:
        liver = liver | (segmentation.zones > 0)
    labels = _hepatic_labels(segmentation, lesions)
    if labels:
        liver = liver | np.isin(segmentation.lesions, list(labels))
    return liver


def _hepatic_labels(segmentation: Segmentation, lesions: list[Lesion]) -> set[int]:
    """Return the segment labels under the centroids of hepatic lesions."""
    labels: set[int] = set()
    shape = np.array(segmentation.grid.shape)
    for lesion in lesions:
        if lesion.compartment is not Compartment.HEPATIC:
            continue
        index = np.rint(segmentation.grid.to_index(np.array(lesion.centroid_lps_mm))).astype(int)
        if np.all((index >= 0) & (index < shape)):
            labels.add(int(segmentation.lesions[tuple(index)]))
    return labels - {0}


def _box(mask: NDArray[np.bool_]) -> tuple[Points, Points]:
    """Return the first and last index (k, j, i) of a mask along each axis."""
    low, high = [], []
    for axis in range(3):
        used = np.nonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))[0]
        low.append(float(used[0]))
        high.append(float(used[-1]))
    return np.array(low), np.array(high)


def _lps_grid(scan: Grid, spacing_mm: float, margin_mm: float, box: tuple[Points, Points] | None) -> Grid:
    """Return an isotropic grid along the LPS axes around an index box of a scan."""
    low, high = box if box is not None else (np.zeros(3), np.array(scan.shape) - 1.0)
    corners = np.array([[(low, high)[(c >> axis) & 1][axis] for axis in range(3)] for c in range(8)])
    points = scan.to_lps_mm(corners)
    start = points.min(axis=0) - margin_mm
    size = np.maximum(np.ceil((points.max(axis=0) + margin_mm - start) / spacing_mm), 1.0) + 1.0
    steps = np.array([[0.0, 0.0, spacing_mm], [0.0, spacing_mm, 0.0], [spacing_mm, 0.0, 0.0]])
    return Grid.from_axes(shape=(int(size[2]), int(size[1]), int(size[0])), origin_lps_mm=start, steps_lps_mm=steps)


def _resample(values: NDArray[np.generic], source: Grid, target: Grid) -> NDArray[np.float32]:
    """Average blocks of the source down to about the target's spacing, then interpolate linearly; nearest outside."""
    block = np.maximum(np.floor(target.spacing_mm.min() / source.spacing_mm + 0.25), 1.0).astype(int)
    block = np.minimum(block, np.array(source.shape))
    region = _needed(source, target, block)
    shrunk = _block_mean(values[region], block)
    first = np.array([part.start for part in region], dtype=np.float64)
    # target index -> LPS -> source index -> index into the shrunk block means (centre of a block of b voxels: (b-1)/2)
    to_source = np.linalg.inv(source.affine) @ target.affine
    matrix = to_source[:3, :3] / block[:, None]
    offset = (to_source[:3, 3] - first - (block - 1) / 2.0) / block
    out: NDArray[np.float32] = ndimage.affine_transform(
        shrunk, matrix, offset=offset, output_shape=target.shape, order=1, mode="nearest", output=np.float32
    )
    return out


def _needed(source: Grid, target: Grid, block: NDArray[np.intp]) -> tuple[slice, slice, slice]:
    """Return the part of the source that the target's box touches, in whole blocks where the source allows it."""
    shape = np.array(source.shape)
    corners = np.array([[((c >> axis) & 1) * (target.shape[axis] - 1) for axis in range(3)] for c in range(8)])
    index = source.to_index(target.to_lps_mm(corners.astype(np.float64)))
    low = np.clip(np.floor(index.min(axis=0)) - 2 * block, 0, np.maximum(shape - block, 0)).astype(int)
    high = np.clip(np.ceil(index.max(axis=0)) + 2 * block + 1, low + block, shape).astype(int)
    count = (high - low) // block * block
    return (
        slice(int(low[0]), int(low[0] + count[0])),
        slice(int(low[1]), int(low[1] + count[1])),
        slice(int(low[2]), int(low[2] + count[2])),
    )


def _block_mean(values: NDArray[np.generic], block: NDArray[np.intp]) -> NDArray[np.float32]:
    """Average non-overlapping blocks; the shape is a multiple of the block."""
    out = values.astype(np.float32)
    for axis in (2, 1, 0):
        if block[axis] > 1:
            shape = out.shape
            split = (*shape[:axis], shape[axis] // int(block[axis]), int(block[axis]), *shape[axis + 1 :])
            out = out.reshape(split).mean(axis=axis + 1, dtype=np.float32)
    return out


def _signed_distance(liver: NDArray[np.bool_], source: Grid, target: Grid) -> NDArray[np.float16]:
    """Return the signed distance to the liver's surface on the target grid, mm, clamped.

    Outside the field of view the mask goes on as it ends there, so that a liver that is cut by the edge of the scan
    has no surface at the cut.
    """
    inside = _resample(liver, source, target) >= 0.5
    spacing = tuple(target.spacing_mm)
    outer = ndimage.distance_transform_edt(~inside, sampling=spacing) if inside.any() else np.full(inside.shape, 1e3)
    inner = ndimage.distance_transform_edt(inside, sampling=spacing) if not inside.all() else np.full(inside.shape, 1e3)
    half = float(target.spacing_mm.min()) / 2.0
    signed = np.where(inside, half - inner, outer - half)
    return np.clip(signed, -DISTANCE_CLAMP_MM, DISTANCE_CLAMP_MM).astype(np.float16)


def _window(values: NDArray[np.float32], modality: str, window_hu: tuple[float, float]) -> NDArray[np.int16]:
    """Clamp CT to a window in HU; scale other modalities so that their 1st and 99th percentile fill 0 to 400."""
    if modality == "CT":
        windowed: NDArray[np.int16] = np.clip(np.rint(values), *window_hu).astype(np.int16)
        return windowed
    low, high = (float(p) for p in np.percentile(values, [1.0, 99.0]))
    scaled = (values - low) * (400.0 / max(high - low, 1e-6))
    clamped: NDArray[np.int16] = np.clip(np.rint(scaled), 0.0, 400.0).astype(np.int16)
    return clamped
