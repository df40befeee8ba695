"""A phantom subject: its visits as volumes and segmentations, and the exact truth of each lesion."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.phantom.anatomy import Anatomy, Canvas, Defect
from lesiontrack.phantom.contrast import Appearance, Tissue, appearance_of
from lesiontrack.phantom.motion import Motion, MotionLimits
from lesiontrack.phantom.placement import PlacedLesion, place_lesions
from lesiontrack.phantom.plan import SubjectPlan, VisitPlan
from lesiontrack.phantom.shapes import Ellipsoid

__all__ = ["PhantomSubject", "PhantomVisit", "TrueLesion", "TrueZone", "uid_of"]

Points = NDArray[np.float64]

_RESECTION_MARGIN_MM = 6.0


def uid_of(*parts: object) -> str:
    """Return a DICOM UID under 2.25 that follows from ``parts`` alone (a name-based UUID, RFC 9562 version 8)."""
    digest = bytearray(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(bytes(digest), 'big')}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueLesion:
    """A lesion as it truly is at a visit: a body in that visit's patient space.

    ``recurrence_of`` names the treated lesion at whose zone it grew.
    """

    name: str
    site: str
    body: Ellipsoid
    recurrence_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueZone:
    """The ablation zone of a lesion at a visit: a ball in patient space (nodules of recurrence cut into it)."""

    lesion: str
    body: Ellipsoid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhantomVisit:
    """One visit: image, segmentation, truth.

    Attributes
    ----------
    segmentation
        Labels are numbers in an order that carries no identity; ``labels`` maps a label to the true lesion.
    labels
        True lesion name for each label of an instance segmentation; empty for one segment of all lesions.
    """

    number: int
    plan: VisitPlan
    motion: Motion
    volume: Volume
    segmentation: Segmentation
    lesions: tuple[TrueLesion, ...]
    zones: tuple[TrueZone, ...]
    labels: dict[int, str]
    appearance: Appearance


class PhantomSubject:
    """A subject made from a plan; the constellation of lesions is known before, and without, any image.

    Parameters
    ----------
    plan
        What the subject is to be; everything random follows from ``plan.seed``.
    limits
        How far its visits differ from each other.
    """

    def __init__(self, plan: SubjectPlan, limits: MotionLimits | None = None) -> None:
        self.plan = plan
        self.anatomy = Anatomy.random(np.random.default_rng([plan.seed, 1]))
        self.placed: tuple[PlacedLesion, ...] = place_lesions(plan, self.anatomy, np.random.default_rng([plan.seed, 2]))
        reach = limits or MotionLimits()
        self.motions = tuple(
            Motion.random(np.random.default_rng([plan.seed, 3, number]), reach) for number in range(len(plan.visits))
        )

    def lesions_at(self, number: int) -> tuple[TrueLesion, ...]:
        """Return the lesions that are there at a visit, in that visit's patient space."""
        motion = self.motions[number]
        found = []
        for lesion in self.placed:
            size = lesion.plan.diameters_mm[number]
            if size is None:
                continue
            centre = motion.to_patient_space(lesion.centre_mm)
            axis = "short" if lesion.plan.site == "LYMPH_NODE" else "longest"
            body = lesion.shape.placed(centre, motion.turn).scaled_to(size, axis=axis)
            found.append(
                TrueLesion(
                    name=lesion.plan.name, site=lesion.plan.site, body=body, recurrence_of=lesion.plan.place.edge_of
                )
            )
        return tuple(found)

    def zones_at(self, number: int) -> tuple[TrueZone, ...]:
        """Return the ablation zones at a visit, in that visit's patient space."""
        found = []
        for lesion in self.placed:
            size = lesion.plan.zone_mm[number] if lesion.plan.zone_mm else None
            if size is not None:
                centre = self.motions[number].to_patient_space(lesion.centre_mm)
                ball = Ellipsoid(centre_lps_mm=centre, semi_axes_mm=np.full(3, size / 2.0), rotation=np.eye(3))
                found.append(TrueZone(lesion=lesion.plan.name, body=ball))
        return tuple(found)

    def defects_at(self, number: int) -> tuple[Defect, ...]:
        """Return what resections have taken out of the liver by a visit (own space)."""
        return tuple(
            Defect(
                centre_mm=(float(lesion.centre_mm[0]), float(lesion.centre_mm[1]), float(lesion.centre_mm[2])),
                radius_mm=float(lesion.plan.diameters_mm[self.plan.baseline] or 0.0) / 2.0 + _RESECTION_MARGIN_MM,
            )
            for lesion in self.placed
            if lesion.plan.treated_by == "RESECTION" and number > self.plan.baseline
        )

    def grid_at(self, number: int) -> Grid:
        """Return the grid of a visit: axial, centred near the body, its place rounded as a scanner's is."""
        imaging = self.plan.visits[number].imaging
        rng = np.random.default_rng([self.plan.seed, 4, number])
        centre = self.motions[number].shift_mm + rng.uniform(-1, 1, 3) * (6, 6, 4) + (0, 0, 6)
        slices = int(imaging.height_mm // imaging.slice_mm)
        extent = np.array([imaging.matrix * imaging.pixel_mm, imaging.matrix * imaging.pixel_mm, slices * imaging.slice_mm])
        steps = np.zeros((3, 3))
        steps[0, 2], steps[1, 1], steps[2, 0] = imaging.slice_mm, imaging.pixel_mm, imaging.pixel_mm
        origin = np.round(centre - extent / 2, 1)
        return Grid.from_axes(
            shape=(slices, imaging.matrix, imaging.matrix), origin_lps_mm=origin, steps_lps_mm=steps
        )

    def visits(self) -> Iterator[PhantomVisit]:
        """Yield the visits in order, one volume in memory at a time."""
        for number in range(len(self.plan.visits)):
            yield self.visit(number)

    def visit(self, number: int) -> PhantomVisit:
        """Make one visit: image, segmentation and truth."""
        plan, grid, motion = self.plan.visits[number], self.grid_at(number), self.motions[number]
        appearance = appearance_of(plan.imaging.modality, plan.imaging.phase)
        lesions, zones = self.lesions_at(number), self.zones_at(number)
        canvas = Canvas(
            points=_own_space_points(grid, motion),
            values=np.empty(grid.shape, dtype=np.float32),
            appearance=appearance,
            edge_mm=plan.imaging.pixel_mm,
        )
        liver = self.anatomy.paint(canvas, self.defects_at(number))
        zone_map, lesion_map = np.zeros(grid.shape, np.uint16), np.zeros(grid.shape, np.uint16)
        for label, zone in enumerate(zones, start=1):
            _draw(canvas, grid, zone.body, (Tissue.ABLATION_ZONE, Tissue.ZONE_RIM), zone_map, label)
        order = np.random.default_rng([self.plan.seed, 5, number]).permutation(len(lesions))
        labels: dict[int, str] = {}
        for label, index in enumerate(order, start=1):
            lesion = lesions[index]
            labels[label] = lesion.name
            _draw(canvas, grid, lesion.body, _tissues(lesion.site), lesion_map, label)
            liver |= (lesion_map == label) if lesion.site == "LIVER" else False
        liver |= zone_map > 0
        zone_map[lesion_map > 0] = 0
        uid = uid_of(self.plan.seed, self.plan.subject_id, number, "series")
        volume = Volume(
            grid=grid,
            voxels=_exposed(canvas, np.random.default_rng([self.plan.seed, 6, number])),
            modality=appearance.modality,
            series_uid=uid,
            sop_instance_uids=tuple(uid_of(uid, k) for k in range(grid.shape[0])),
            slice_thickness_mm=plan.imaging.slice_mm,
        )
        segmentation, labels = self._segmentation(grid, liver, lesion_map, zone_map, lesions, labels)
        return PhantomVisit(
            number=number,
            plan=plan,
            motion=motion,
            volume=volume,
            segmentation=segmentation,
            lesions=lesions,
            zones=zones,
            labels=labels,
            appearance=appearance,
        )

    def _segmentation(
        self,
        grid: Grid,
        liver: NDArray[np.bool_],
        lesion_map: NDArray[np.uint16],
        zone_map: NDArray[np.uint16],
        lesions: tuple[TrueLesion, ...],
        labels: dict[int, str],
    ) -> tuple[Segmentation, dict[int, str]]:
        """Return the segmentation as a segmenter hands it over: instances, or one segment for each site."""
        site_of = {lesion.name: lesion.site for lesion in lesions}
        if not self.plan.instances:
            sites = sorted({*site_of.values(), "LIVER"})
            merged = np.zeros_like(lesion_map)
            for label, name in labels.items():
                merged[lesion_map == label] = sites.index(site_of[name]) + 1
            segments = [
                Segment(label=n, name=f"{site.replace('_', ' ').capitalize()} lesions", kind=SegmentKind.LESION, site=site)
                for n, site in enumerate(sites, start=1)
                if np.any(merged == n)
            ]
            lesion_map, labels = merged, {}
        else:
            segments = [
                Segment(
                    label=label,
                    name=f"Lesion {label}",
                    kind=SegmentKind.LESION,
                    site=site_of[name] if self.plan.regions_named else None,
                    single=True,
                )
                for label, name in labels.items()
            ]
        zones = [
            Segment(label=int(n), name=f"Ablation zone {n}", kind=SegmentKind.ABLATION_ZONE, site="LIVER", single=True)
            for n in np.unique(zone_map)
            if n
        ]
        segmentation = Segmentation(
            grid=grid,
            liver=liver,
            lesions=lesion_map,
            zones=zone_map if zones else None,
            segments=(*segments, *zones),
        )
        return segmentation, labels


def _tissues(site: str) -> tuple[Tissue, Tissue]:
    if site == "LIVER":
        return Tissue.LESION_CORE, Tissue.LESION_RIM
    return Tissue.SOFT_METASTASIS, Tissue.SOFT_METASTASIS


def _own_space_points(grid: Grid, motion: Motion) -> tuple[NDArray[np.float32], ...]:
    """Return own-space x, y, z of every voxel, float32 (k, j, i); 1e-4 mm of rounding is nothing to an image."""
    whole = motion.linear @ grid.affine[:3, :3]
    start = motion.linear @ (grid.origin_lps_mm - motion.shift_mm)
    k, j, i = np.ogrid[tuple(slice(0, n) for n in grid.shape)]
    x, y, z = (
        (whole[a, 0] * k + (whole[a, 1] * j + whole[a, 2] * i + start[a])).astype(np.float32) for a in range(3)
    )
    ux, uy, uz = motion.displacement_mm(x, y, z)
    return x + ux, y + uy, z + uz


def _draw(
    canvas: Canvas,
    grid: Grid,
    body: Ellipsoid,
    tissues: tuple[Tissue, Tissue],
    labels: NDArray[np.uint16],
    label: int,
) -> None:
    """Draw a body with core and rim, and label the voxels whose centres lie in it: no warp, its truth stays exact."""
    reach = body.half_extent_mm + 2 * canvas.edge_mm
    corners = grid.to_index(np.array([body.centre_lps_mm - reach, body.centre_lps_mm + reach]))
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, grid.shape)
    if (high <= low).any():
        return
    where = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), axis=-1)
    level = body.level(grid.to_lps_mm(index))
    size = float(body.semi_axes_mm.min())
    core, rim = tissues
    canvas.paint(rim, ((level - 1.0) * size).astype(np.float32), where)
    canvas.paint(core, ((level - 1.0) * size + max(1.5, 0.18 * size)).astype(np.float32), where)
    labels[where][level <= 1.0] = label


def _exposed(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.int16]:
    """Add the scanner's noise, correlated in the plane as a soft kernel makes it, and store as 16-bit integers."""
    appearance = canvas.appearance
    noise = rng.standard_normal(canvas.values.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, (0.0, 0.9, 0.9))
    values = canvas.values
    if appearance.modality == "CT":
        exposed = values + noise * np.float32(appearance.noise / noise.std())
        exposed[values < -995] = -1000
        return np.clip(np.rint(exposed), -1000, 3000).astype(np.int16)
    k, j, i = np.ogrid[tuple(slice(0, 1, n * 1j) for n in values.shape)]
    coil = (1.0 + 0.18 * np.cos(np.pi * (j - 0.35)) + 0.06 * np.sin(2 * np.pi * i) + 0.0 * k).astype(np.float32)
    exposed = np.abs(values * coil + noise * np.float32(appearance.noise / noise.std()))
    exposed[values < 8.5] = np.abs(np.rint(noise[values < 8.5] * 2))
    return np.clip(np.rint(exposed), 0, 4095).astype(np.int16)
