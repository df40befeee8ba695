"""A volume and its segmentation to lesions: numbered, measured, located and graded."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, Segmentation, Volume
from lesiontrack.domain.lesion import Certainty, Lesion, LesionStatus, TreatedZone
from lesiontrack.domain.study import Site
from lesiontrack.errors import GeometryError, SegmentationError
from lesiontrack.measure.components import Part, lesion_parts, zone_parts
from lesiontrack.measure.diameter import Diameters, longest_diameters, tenth_mm
from lesiontrack.measure.settings import MeasureSettings
from lesiontrack.measure.surroundings import contrast_ratio, site_of, surroundings

__all__ = ["Measured", "is_measurable", "measure"]

PointLps = tuple[float, float, float]
LARGEST_NUMBER = int(np.iinfo(np.uint16).max)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What one segmented volume holds.

    Attributes
    ----------
    lesions
        By number: from ``first_lesion_id`` on, the largest first.
    zones
        By number: from 1 on in each scan, the largest first.
    label_map
        uint16 (k, j, i) on the volume's grid; the value is the lesion number, 0 outside.
    notes
        What was left out or assumed, in words.
    """

    lesions: tuple[Lesion, ...]
    zones: tuple[TreatedZone, ...]
    label_map: NDArray[np.uint16]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scene:
    """What every lesion of one volume is measured against."""

    volume: Volume
    segmentation: Segmentation
    timepoint: int
    date: dt.date
    settings: MeasureSettings
    slice_thickness_mm: Decimal


def measure(
    volume: Volume,
    segmentation: Segmentation,
    *,
    timepoint: int,
    date: dt.date,
    first_lesion_id: int = 1,
    settings: MeasureSettings,
) -> Measured:
    """Measure every lesion and treated zone of a volume.

    Parameters
    ----------
    volume, segmentation
        On the same grid. "In-plane" is the plane of the volume's own slices, axial or not.
    timepoint, date
        Of the visit and of this scan.
    first_lesion_id
        Number of the largest lesion; another scan of the same visit goes on from there.
    settings
        See `MeasureSettings`.

    Returns
    -------
    Measured
        Numbers follow volume (largest first), then place (k, j, i of the centroid): the same on every run.

    Raises
    ------
    GeometryError
        If volume and segmentation are not on the same grid, or a label is described by no segment.
    SegmentationError
        If there are more lesions than numbers.
    """
    if not volume.grid.is_close(segmentation.grid):
        raise GeometryError("volume and segmentation are not on the same grid", found=str(segmentation.grid.shape))
    thickness_mm, notes = _slice_thickness_mm(volume)
    scene = _Scene(
        volume=volume,
        segmentation=segmentation,
        timepoint=timepoint,
        date=date,
        settings=settings,
        slice_thickness_mm=thickness_mm,
    )
    found = lesion_parts(segmentation, settings)
    parts = _numbered(found.parts)
    if first_lesion_id + len(parts) - 1 > LARGEST_NUMBER:
        raise SegmentationError(
            "more lesions than a label map can number",
            visit=date.isoformat(),
            found=str(len(parts)),
            expected=f"at most {LARGEST_NUMBER}",
        )
    label_map = np.zeros(volume.grid.shape, dtype=np.uint16)
    lesions = []
    for number, part in enumerate(parts, start=first_lesion_id):
        label_map[part.box][part.mask] = number
        lesions.append(_lesion(part, number, scene))
    zones = _numbered(zone_parts(segmentation))
    return Measured(
        lesions=tuple(lesions),
        zones=tuple(_zone(part, number, scene) for number, part in enumerate(zones, start=1)),
        label_map=label_map,
        notes=notes + found.dropped,
    )


def _slice_thickness_mm(volume: Volume) -> tuple[Decimal, tuple[str, ...]]:
    """Return the slice thickness that decides measurability, mm, and what had to be assumed for it.

    The larger of declared thickness and slice distance: in a gap between slices nothing is seen (RECIST 1.1,
    appendix II, asks for contiguous slices).
    """
    normal = np.cross(volume.grid.affine[:3, 1], volume.grid.affine[:3, 2])
    distance = abs(float(volume.grid.affine[:3, 0] @ normal)) / float(np.linalg.norm(normal))
    hundredth = Decimal("0.01")
    distance_mm = Decimal(distance).quantize(hundredth, rounding=ROUND_HALF_EVEN)
    if volume.slice_thickness_mm is None:
        return distance_mm, (f"slice thickness not declared: slice distance {distance_mm} mm taken",)
    declared_mm = Decimal(volume.slice_thickness_mm).quantize(hundredth, rounding=ROUND_HALF_EVEN)
    if distance_mm > declared_mm:
        return distance_mm, (f"slices {declared_mm} mm thick lie {distance_mm} mm apart: the distance taken",)
    return declared_mm, ()


def _numbered(parts: tuple[Part, ...]) -> list[Part]:
    """Sort parts into the order of their numbers: most voxels first, then by centroid (k, j, i)."""

    def key(part: Part) -> tuple[float, ...]:
        centre = _centroid_index(part)
        return (-float(np.count_nonzero(part.mask)), *(float(c) for c in centre), part.segment.label)

    return sorted(parts, key=key)


def _centroid_index(part: Part) -> NDArray[np.float64]:
    """Return a part's centroid in index coordinates (k, j, i) of the volume."""
    corner = np.array([s.start for s in part.box], dtype=np.float64)
    centre: NDArray[np.float64] = np.argwhere(part.mask).mean(axis=0) + corner
    return centre


def _diameters(part: Part, grid: Grid) -> Diameters:
    k, j, i = part.box
    shape = (k.stop - k.start, j.stop - j.start, i.stop - i.start)
    return longest_diameters(part.mask, grid.crop((k.start, j.start, i.start), shape))


def _point(grid: Grid, index_kji: NDArray[np.float64]) -> PointLps:
    x, y, z = (float(c) for c in grid.to_lps_mm(index_kji))
    return x, y, z


def _ends(grid: Grid, part: Part, ends_kji: NDArray[np.float64]) -> tuple[PointLps, PointLps]:
    """Map the two ends of a chord from a part's crop to LPS mm."""
    corner = np.array([s.start for s in part.box], dtype=np.float64)
    return _point(grid, ends_kji[0] + corner), _point(grid, ends_kji[1] + corner)


def _lesion(part: Part, number: int, scene: _Scene) -> Lesion:
    """Measure one lesion."""
    grid, volume = scene.volume.grid, scene.volume
    diameters = _diameters(part, grid)
    around = surroundings(part, scene.segmentation, scene.settings)
    site = site_of(part, around, scene.segmentation, scene.settings)
    longest_mm, short_mm = tenth_mm(diameters.longest_mm), tenth_mm(diameters.short_mm)
    n_slices = int(np.count_nonzero(part.mask.any(axis=(1, 2))))
    slice_index = part.box[0].start + diameters.slice_index
    size_mm = short_mm if site == Site.LYMPH_NODE else longest_mm
    too_small = size_mm < scene.settings.too_small_mm or (n_slices == 1 and scene.settings.one_slice_too_small)
    doubts = _doubts(part, contrast_ratio(volume, around), too_small, scene)
    certainty = part.certainty
    if doubts and certainty is Certainty.CERTAIN:
        certainty = Certainty.PROBABLE
    return Lesion(
        timepoint=scene.timepoint,
        lesion_id=number,
        series_uid=volume.series_uid,
        date=scene.date,
        site=site,
        centroid_lps_mm=_point(grid, _centroid_index(part)),
        longest_diameter_mm=longest_mm,
        short_axis_mm=short_mm,
        volume_mm3=float(np.count_nonzero(part.mask) * grid.voxel_volume_mm3),
        measurable=not too_small and is_measurable(size_mm, site, scene.slice_thickness_mm, scene.settings),
        status=LesionStatus.TSTM if too_small else LesionStatus.PRESENT,
        sop_instance_uid=volume.sop_instance_uids[slice_index] if volume.sop_instance_uids else "",
        diameter_ends_lps_mm=_ends(grid, part, diameters.longest_ends_kji),
        short_axis_ends_lps_mm=_ends(grid, part, diameters.short_ends_kji),
        slice_index=slice_index,
        n_slices=n_slices,
        slice_thickness_mm=float(scene.slice_thickness_mm),
        tracking_uid=part.segment.tracking_uid,
        tracked=part.segment.tracked,
        certainty=certainty,
        max_components=part.max_components,
        notes=part.notes + doubts + _zone_note(part, scene),
    )


def is_measurable(size_mm: Decimal, site: str, slice_thickness_mm: Decimal, settings: MeasureSettings) -> bool:
    """Tell whether a lesion is measurable by size, slice thickness and site (response rules, section 2).

    Parameters
    ----------
    size_mm
        Longest diameter; the short axis of a node.
    """
    if site == Site.BONE and not settings.bone_measurable:
        return False
    least_mm = settings.measurable_node_mm if site == Site.LYMPH_NODE else settings.measurable_mm
    return size_mm >= max(least_mm, settings.measurable_slices * slice_thickness_mm)


def _doubts(part: Part, contrast: float | None, too_small: bool, scene: _Scene) -> tuple[str, ...]:
    """Return the reasons for which a lesion is only probable."""
    doubts = []
    if too_small:
        doubts.append("too small to measure")
    shape = scene.volume.grid.shape
    # A volume of one slice has no inside along k.
    cut = any(s.start == 0 or s.stop == n for s, n in zip(part.box, shape, strict=True) if n > 1)
    if cut:
        doubts.append("cut by the edge of the volume")
    if contrast is not None and contrast < scene.settings.low_contrast_ratio:
        doubts.append(f"low contrast: {contrast:.2f} standard deviations of the tissue around it")
    return tuple(doubts)


def _zone_note(part: Part, scene: _Scene) -> tuple[str, ...]:
    """Say so where a lesion lies in a treated zone; whether it is residual or progression is decided later."""
    zones = scene.segmentation.zones
    return ("overlaps a treated zone",) if zones is not None and zones[part.box][part.mask].any() else ()


def _zone(part: Part, number: int, scene: _Scene) -> TreatedZone:
    """Measure one treated zone."""
    grid = scene.volume.grid
    return TreatedZone(
        timepoint=scene.timepoint,
        zone_id=number,
        series_uid=scene.volume.series_uid,
        centroid_lps_mm=_point(grid, _centroid_index(part)),
        volume_mm3=float(np.count_nonzero(part.mask) * grid.voxel_volume_mm3),
        longest_diameter_mm=tenth_mm(_diameters(part, grid).longest_mm),
    )
