"""Grid, Volume, Segmentation, Transform: index <-> LPS millimetres.

Arrays are indexed ``[k, j, i]`` (slice, row, column), and index coordinates are given in that order too, so that no
axis is ever swapped between an array and its coordinates. Points are LPS (left, posterior, superior) millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from lesiontrack.errors import GeometryError

__all__ = ["Grid", "SegmentKind", "Segment", "Segmentation", "Transform", "Volume"]

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """A regular, possibly oblique or sheared grid of voxel centres.

    Attributes
    ----------
    shape
        Number of voxels along (k, j, i).
    affine
        (4, 4) matrix; maps homogeneous index coordinates (k, j, i, 1) to LPS mm (x, y, z, 1).
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError("affine is not a finite 4 x 4 matrix")
        if min(self.shape) < 1:
            raise GeometryError("grid without voxels", found=str(self.shape))
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise GeometryError("voxels without volume", found=str(affine[:3, :3].tolist()))
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)

    @classmethod
    def from_axes(cls, *, shape: tuple[int, int, int], origin_lps_mm: Points, steps_lps_mm: Points) -> Grid:
        """Build from the centre of voxel (0, 0, 0) and the three steps (rows of a (3, 3) array: k, j, i), in LPS mm."""
        affine = np.eye(4)
        affine[:3, :3] = np.asarray(steps_lps_mm, dtype=np.float64).T
        affine[:3, 3] = origin_lps_mm
        return cls(shape=shape, affine=affine)

    @property
    def origin_lps_mm(self) -> Points:
        """Centre of voxel (0, 0, 0), LPS mm, shape (3,)."""
        return self.affine[:3, 3]

    @property
    def spacing_mm(self) -> Points:
        """Length of the step along (k, j, i), mm, shape (3,); on a sheared grid k is not the slice distance."""
        length: Points = np.linalg.norm(self.affine[:3, :3], axis=0)
        return length

    @property
    def direction(self) -> Points:
        """(3, 3) matrix whose columns are the unit directions of k, j, i in LPS."""
        direction: Points = self.affine[:3, :3] / self.spacing_mm
        return direction

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel, mm3."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def to_lps_mm(self, index_kji: Points) -> Points:
        """Map index coordinates (..., 3) in (k, j, i) to LPS mm (..., 3)."""
        points: Points = np.asarray(index_kji, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]
        return points

    def to_index(self, points_lps_mm: Points) -> Points:
        """Map LPS mm (..., 3) to index coordinates (..., 3) in (k, j, i)."""
        inverse = np.linalg.inv(self.affine[:3, :3])
        index: Points = (np.asarray(points_lps_mm, dtype=np.float64) - self.affine[:3, 3]) @ inverse.T
        return index

    def contains(self, points_lps_mm: Points, *, margin_mm: float = 0.0) -> NDArray[np.bool_]:
        """Tell for each point (..., 3) in LPS mm whether it lies in the imaged box, ``margin_mm`` inside its faces."""
        index = self.to_index(points_lps_mm)
        margin = margin_mm / self.spacing_mm
        inside: NDArray[np.bool_] = np.all(
            (index >= margin - 0.5) & (index <= np.array(self.shape) - 0.5 - margin), axis=-1
        )
        return inside

    def crop(self, start_kji: tuple[int, int, int], shape: tuple[int, int, int]) -> Grid:
        """Return the grid of the sub-array that starts at ``start_kji``."""
        affine = np.array(self.affine)
        affine[:3, 3] = self.to_lps_mm(np.array(start_kji, dtype=np.float64))
        return Grid(shape=shape, affine=affine)

    def is_close(self, other: Grid, *, tolerance_mm: float = 1e-2) -> bool:
        """Tell whether all eight corners of both grids agree within ``tolerance_mm`` and their shapes are equal."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1).T
        return bool(np.abs(self.to_lps_mm(corners) - other.to_lps_mm(corners)).max() <= tolerance_mm)


class SegmentKind(StrEnum):
    """What a segment or a label marks."""

    LIVER = "LIVER"
    LESION = "LESION"
    ABLATION_ZONE = "ABLATION_ZONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One label of a segmentation.

    Attributes
    ----------
    label
        Its value in ``Segmentation.lesions`` or ``Segmentation.zones``.
    site
        A ``domain.study.Site`` value where the segment names one; None: by overlap with the liver.
    tracking_uid
        DICOM tracking UID, where the segment carries one.
    single
        True when the segmenter says that the label is one lesion (an instance); False: one or more.
    tracked
        The tracking UID is one that this program gave: an earlier run, or its readers, made out which lesion it is.
    max_components
        How many lesions a single one may be at most, as an earlier run made out; above 1 when confluent.
    """

    label: int
    name: str
    kind: SegmentKind
    site: str | None = None
    tracking_uid: str | None = None
    single: bool = False
    tracked: bool = False
    max_components: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmentation:
    """What is marked in one volume, on the volume's own grid.

    Attributes
    ----------
    liver
        bool (k, j, i), or None where no liver is marked. May or may not include the lesions.
    lesions
        uint16 (k, j, i); 0 is background, other values are ``Segment.label``.
    zones
        uint16 (k, j, i) of ablation zones, or None.
    segments
        One entry for each label of ``lesions`` and ``zones``, those without a voxel included.
    sources
        Identifiers of the objects that it was read from.
    notes
        What was mended or decided while reading ("overlapping segments", "resampled onto the image").
    """

    grid: Grid
    liver: NDArray[np.bool_] | None
    lesions: NDArray[np.uint16]
    zones: NDArray[np.uint16] | None = None
    segments: tuple[Segment, ...] = ()
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("liver", "lesions", "zones"):
            array = getattr(self, name)
            if array is not None and array.shape != self.grid.shape:
                raise GeometryError(
                    f"mask {name} is not on the volume's grid",
                    found=str(array.shape),
                    expected=str(self.grid.shape),
                )

    def segment(self, label: int, kind: SegmentKind = SegmentKind.LESION) -> Segment:
        """Return the segment of a label.

        Raises
        ------
        GeometryError
            If no segment describes the label.
        """
        for candidate in self.segments:
            if candidate.label == label and candidate.kind == kind:
                return candidate
        raise GeometryError(f"label {label} is described by no segment")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """Voxels on a grid.

    Attributes
    ----------
    voxels
        (k, j, i); Hounsfield units for CT (int16), arbitrary units for MR (int16 or float32).
    modality
        DICOM modality, "CT" or "MR".
    sop_instance_uids
        One for each k; empty where the source has none.
    slice_thickness_mm
        As declared by the source, or the slice distance.
    notes
        What was mended while reading ("gantry tilt resampled", "duplicate slice dropped").
    """

    grid: Grid
    voxels: NDArray[np.int16] | NDArray[np.float32]
    modality: str
    series_uid: str
    sop_instance_uids: tuple[str, ...] = ()
    slice_thickness_mm: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.shape != self.grid.shape:
            raise GeometryError(
                "voxels do not fit the grid", found=str(self.voxels.shape), expected=str(self.grid.shape)
            )
        if self.sop_instance_uids and len(self.sop_instance_uids) != self.grid.shape[0]:
            raise GeometryError(
                "one SOP instance UID for each slice is needed",
                found=str(len(self.sop_instance_uids)),
                expected=str(self.grid.shape[0]),
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transform:
    """A map of points from one scan's patient space to another's, LPS mm to LPS mm.

    ``p -> A p + u(p)``: an affine part and an optional smooth displacement, sampled on a coarse grid of the source
    space and interpolated linearly; outside that grid the nearest face's displacement holds.

    Attributes
    ----------
    affine
        (4, 4), LPS mm to LPS mm.
    displacement_mm
        (k, j, i, 3) in LPS mm, on ``grid``; None for a purely affine map.
    """

    affine: NDArray[np.float64]
    displacement_mm: NDArray[np.float32] | None = None
    grid: Grid | None = None

    def __post_init__(self) -> None:
        if (self.displacement_mm is None) != (self.grid is None):
            raise GeometryError("a displacement needs its grid")
        if (
            self.displacement_mm is not None
            and self.grid is not None
            and self.displacement_mm.shape != (*self.grid.shape, 3)
        ):
            raise GeometryError("displacement does not fit its grid", found=str(self.displacement_mm.shape))

    @classmethod
    def identity(cls) -> Transform:
        """Return the map that moves nothing."""
        return cls(affine=np.eye(4))

    def apply(self, points_lps_mm: Points) -> Points:
        """Map points (..., 3), LPS mm of the source, to LPS mm of the target."""
        points = np.asarray(points_lps_mm, dtype=np.float64)
        moved: Points = points @ self.affine[:3, :3].T + self.affine[:3, 3]
        if self.displacement_mm is None or self.grid is None or points.size == 0:
            return moved
        return moved + _trilinear(self.displacement_mm, self.grid.to_index(points))


def _trilinear(values: NDArray[np.float32], index_kji: Points) -> Points:
    """Interpolate (k, j, i, c) values at index coordinates (..., 3), clamped to the array."""
    shape = np.array(values.shape[:3])
    clamped = np.clip(index_kji, 0, shape - 1)
    low = np.minimum(np.floor(clamped).astype(np.intp), np.maximum(shape - 2, 0))
    frac = clamped - low
    high = np.minimum(low + 1, shape - 1)
    total = np.zeros((*index_kji.shape[:-1], values.shape[-1]))
    for corner in range(8):
        pick = [(corner >> axis) & 1 for axis in range(3)]
        at = tuple(high[..., a] if pick[a] else low[..., a] for a in range(3))
        weight = np.prod([frac[..., a] if pick[a] else 1 - frac[..., a] for a in range(3)], axis=0)
        total += weight[..., None] * values[at]
    return total
