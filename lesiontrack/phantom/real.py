"""Synthetic lesions in a real volume: the anatomy and its noise are real, lesions, motion and contrast are not.

The first visit is the given volume itself, at the spacing that the plan asks for. Later visits are the same volume
moved by a known smooth map with a breath, with other contrast, other spacing and noise of their own. Lesions are drawn
in each visit's own space as exact ellipsoids, as in every other phantom, so that their truth is analytic.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.domain.geometry import Grid, Volume
from lesiontrack.errors import GeometryError, StudyError
from lesiontrack.phantom.contrast import Appearance, Tissue
from lesiontrack.phantom.exposure import own_space_points
from lesiontrack.phantom.motion import Motion, MotionLimits
from lesiontrack.phantom.organs import Canvas
from lesiontrack.phantom.placement import PlacedLesion, Room, place_lesions
from lesiontrack.phantom.plan import SubjectPlan
from lesiontrack.phantom.shapes import Coordinates, Field
from lesiontrack.phantom.subject import POINT_SPREAD_PIXELS, MadeSubject, TrueLesion

__all__ = ["RealAnatomy", "RealSubject"]

Points = NDArray[np.float64]

_ABOVE_AND_BELOW_MM = 30.0
_ROOM_STEP_MM = 3.0
_CAPSULE_MM = 4.0
_TEXTURE_MM = 2.5
_CONTRAST = 0.12
_CT_AIR, _CT_DENSEST = -1000.0, 3000.0
_CT_WATERY = 20.0
"""Hounsfield units above which soft tissue takes up contrast."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealAnatomy:
    """A real volume, and where in it lesions may lie.

    The own space of a subject made from it is LPS mm with its origin in the middle of ``region``.

    Attributes
    ----------
    volume
        CT in Hounsfield units, or MR in any units.
    region
        bool (k, j, i) on the volume's grid: the liver, or what is taken for it.
    marked
        The region is the liver, and segmentations say so; False: segmentations hold lesions alone.
    limits
        How far later visits differ from the volume.
    """

    volume: Volume
    region: NDArray[np.bool_]
    marked: bool = True
    limits: MotionLimits = field(default_factory=MotionLimits)

    def __post_init__(self) -> None:
        if self.region.shape != self.volume.grid.shape:
            raise GeometryError(
                "the region is not on the volume's grid",
                found=str(self.region.shape),
                expected=str(self.volume.grid.shape),
            )
        if not self.region.any():
            raise StudyError("no region to put lesions into")
        axes = self.volume.grid.direction
        if not np.allclose(np.abs(axes), np.eye(3)[::-1], atol=1e-3):
            raise GeometryError("lesions are put into axial volumes only", found=str(axes.round(3).tolist()))

    @property
    def centre_lps_mm(self) -> Points:
        """Middle of the region's box, (3,), in the volume's patient space: the origin of the own space."""
        low, high = self.region_box_lps_mm
        middle: Points = (low + high) / 2
        return middle

    @property
    def region_box_lps_mm(self) -> tuple[Points, Points]:
        """Lowest and highest corner of the region, (3,) each, in the volume's patient space."""
        inside = np.argwhere(self.region)
        ends = self.volume.grid.to_lps_mm(np.array([inside.min(axis=0), inside.max(axis=0)], dtype=np.float64))
        return ends.min(axis=0), ends.max(axis=0)

    @property
    def slab_mm(self) -> tuple[float, float]:
        """Height of the lowest and of the highest plane of the volume within 30 mm of the region, own space."""
        (_, _, low), (_, _, high) = self.region_box_lps_mm
        planes = np.sort(_planes(self.volume.grid))
        kept = planes[(planes >= low - _ABOVE_AND_BELOW_MM) & (planes <= high + _ABOVE_AND_BELOW_MM)]
        return float(kept[0] - self.centre_lps_mm[2]), float(kept[-1] - self.centre_lps_mm[2])

    def sample(self, points: Coordinates) -> tuple[Field, Field]:
        """Return the image, and the share of the region (0 to 1), at own-space points; outside, the nearest voxel."""
        inverse = np.linalg.inv(self.volume.grid.affine[:3, :3])
        start = inverse @ (self.centre_lps_mm - self.volume.grid.origin_lps_mm)
        x, y, z = points
        index = [
            np.float32(a) * x + np.float32(b) * y + np.float32(c) * z + np.float32(s)
            for (a, b, c), s in zip(inverse, start, strict=True)
        ]
        image = self.volume.voxels.astype(np.float32)
        if self.volume.modality == "CT":
            np.clip(image, _CT_AIR, _CT_DENSEST, out=image)
        else:
            np.clip(image, 0, None, out=image)
        sampled, share = (
            ndimage.map_coordinates(values, index, order=1, mode="nearest", prefilter=False)
            for values in (image, self.region.astype(np.float32))
        )
        return sampled, share


class RealSubject(MadeSubject):
    """A subject with a real body and planned lesions.

    Parameters
    ----------
    plan
        What the subject is to be; all lesions in the liver, nothing treated. ``pixel_mm`` and ``slice_mm`` of its
        imaging hold; the extent and the modality follow from the volume.
    anatomy
        Its body.

    Raises
    ------
    StudyError
        If the region has no room for the lesions, or the plan asks for what a real volume does not have.
    """

    def __init__(self, plan: SubjectPlan, anatomy: RealAnatomy) -> None:
        if any(lesion.site != "LIVER" or lesion.zone_mm or lesion.treated_by for lesion in plan.lesions):
            raise StudyError(
                "only untreated lesions in the liver are put into real volumes", subject_id=plan.subject_id
            )
        self.plan = plan
        self.anatomy = anatomy
        self.motions = (
            Motion.identity(),
            *(
                Motion.random(np.random.default_rng([plan.seed, 3, number]), anatomy.limits)
                for number in range(1, len(plan.visits))
            ),
        )
        self.grids = tuple(self._grid(number) for number in range(len(plan.visits)))
        self.placed: tuple[PlacedLesion, ...] = place_lesions(plan, self._room(), np.random.default_rng([plan.seed, 2]))

    def grid_at(self, number: int) -> Grid:
        """Return the grid of a visit, LPS mm."""
        return self.grids[number]

    def _grid(self, number: int) -> Grid:
        """Find the planes of a visit: those that show the liver's surroundings from end to end of the real volume."""
        imaging, motion = self.plan.visits[number].imaging, self.motions[number]
        low, high = self.anatomy.region_box_lps_mm - self.anatomy.centre_lps_mm
        x, y = np.meshgrid(np.linspace(low[0], high[0], 9), np.linspace(low[1], high[1], 9))
        bottom, top = (
            motion.to_patient_space(np.stack([x, y, np.full_like(x, z)], axis=-1))[..., 2] for z in self.anatomy.slab_mm
        )
        first = float(bottom.max())
        slices = int((float(top.min()) - first) / imaging.slice_mm + 1e-6) + 1
        whole = self.anatomy.volume.grid
        corners = whole.to_lps_mm(np.array([[0, 0, 0], np.array(whole.shape) - 1], dtype=np.float64))
        start = corners.min(axis=0)[:2] - self.anatomy.centre_lps_mm[:2] + motion.shift_mm[:2]
        extent = np.abs(corners[1] - corners[0])[:2]
        columns, rows = (int(length / imaging.pixel_mm + 1e-6) + 1 for length in extent)
        steps = np.zeros((3, 3))
        steps[0, 2], steps[1, 1], steps[2, 0] = imaging.slice_mm, imaging.pixel_mm, imaging.pixel_mm
        return Grid.from_axes(
            shape=(max(slices, 1), rows, columns), origin_lps_mm=np.array([*start, first]), steps_lps_mm=steps
        )

    def _room(self) -> Room:
        """Return where a lesion can lie: inside the region, and in view at every visit."""
        anatomy = self.anatomy
        spacing = anatomy.volume.grid.spacing_mm
        # Beyond the volume's ends the liver goes on; in view is asked of every visit below.
        padded = np.pad(anatomy.region, ((1, 1), (0, 0), (0, 0)), mode="edge")
        depth = ndimage.distance_transform_edt(padded, sampling=spacing)[1:-1] - spacing.min() / 2
        thin = tuple(slice(None, None, max(1, round(_ROOM_STEP_MM / step))) for step in spacing)
        chosen = np.zeros_like(anatomy.region)
        chosen[thin] = depth[thin] > _CAPSULE_MM
        places = np.argwhere(chosen)
        # A lesion's centre falls anywhere between planes: on them, every lesion would be cut at its widest.
        aside = np.random.default_rng([self.plan.seed, 10]).uniform(-0.5, 0.5, places.shape)
        points = anatomy.volume.grid.to_lps_mm(places + aside) - anatomy.centre_lps_mm
        deep = depth[chosen] - np.linalg.norm(aside * spacing, axis=1)
        for motion, grid in zip(self.motions, self.grids, strict=True):
            z = motion.to_patient_space(points)[:, 2]
            lowest, highest = grid.origin_lps_mm[2], grid.to_lps_mm(np.array([grid.shape[0] - 1, 0, 0]))[2]
            # A lesion's own reach and the capsule's 4 mm are asked for later; no capsule lies at the end of the view.
            deep = np.minimum(deep, np.minimum(z - lowest, highest - z) + _CAPSULE_MM)
        return Room(points_mm=points, depth_mm=deep)

    def painted(self, number: int, grid: Grid) -> tuple[Canvas, NDArray[np.bool_] | None]:
        """Return the real body as it lies at a visit, and the liver's mask (k, j, i) where the region is the liver."""
        imaging = self.plan.visits[number].imaging
        points = own_space_points(grid, self.motions[number])
        image, share = self.anatomy.sample(points)
        inside = share > 0.5
        values = self._contrast(number, image)
        canvas = Canvas(
            points=points,
            values=values,
            appearance=_appearance(self.anatomy.volume.modality, imaging.phase, values[inside]),
            edge_mm=POINT_SPREAD_PIXELS * imaging.pixel_mm,
        )
        return canvas, inside if self.anatomy.marked else None

    def _contrast(self, number: int, image: Field) -> Field:
        """Return the image with the contrast of another day: up to 12 % more or less; the first visit as it is."""
        gain = 1.0 + np.random.default_rng([self.plan.seed, 7, number]).uniform(-_CONTRAST, _CONTRAST)
        if number == 0:
            return image
        if self.anatomy.volume.modality != "CT":
            return np.asarray(image * np.float32(gain), dtype=np.float32)
        above = np.maximum(image - np.float32(_CT_WATERY), 0)
        return np.asarray(image + above * np.float32(gain - 1.0), dtype=np.float32)

    def _draw_lesions(
        self, number: int, canvas: Canvas, grid: Grid, lesions: tuple[TrueLesion, ...]
    ) -> tuple[NDArray[np.uint16], dict[int, str]]:
        """Draw the lesions with an uneven inside; its grain is about 2.5 mm."""
        lesion_map, labels = super()._draw_lesions(number, canvas, grid, lesions)
        rng = np.random.default_rng([self.plan.seed, 8, number])
        for where in ndimage.find_objects(lesion_map):
            if where is None:
                continue
            inside = lesion_map[where] > 0
            grain = rng.standard_normal(inside.shape).astype(np.float32)
            grain = ndimage.gaussian_filter(grain, _TEXTURE_MM / grid.spacing_mm)
            grain *= np.float32(canvas.appearance.texture / max(float(grain.std()), 1e-6))
            canvas.values[where][inside] += grain[inside]
        return lesion_map, labels


def _appearance(modality: str, phase: str, liver: Field) -> Appearance:
    """Return what lesions look like in this liver: hypodense, with a rim halfway to the liver's own value.

    CT: 45 HU below the liver's median, as colorectal metastases are in the portal venous phase; MR: two fifths below.
    """
    middle = float(np.median(liver))
    if modality == "CT":
        values = {Tissue.LESION_CORE: middle - 45.0, Tissue.LESION_RIM: middle - 25.0}
        return Appearance(modality="CT", phase=phase, values=values, noise=5.0, texture=5.0, window=(60, 400))
    values = {Tissue.LESION_CORE: 0.6 * middle, Tissue.LESION_RIM: 0.8 * middle}
    window = (round(2 * middle), round(4 * middle))
    return Appearance(
        modality=modality, phase=phase, values=values, noise=0.04 * middle, texture=0.04 * middle, window=window
    )


def _planes(grid: Grid) -> Points:
    """Return the height of every plane, (k,) LPS mm."""
    return grid.to_lps_mm(np.array([[k, 0, 0] for k in range(grid.shape[0])], dtype=np.float64))[:, 2]
