"""A phantom subject: its visits as volumes and segmentations, and the exact truth of each lesion."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.phantom.anatomy import Anatomy, Defect
from lesiontrack.phantom.contrast import Appearance, Tissue, appearance_of
from lesiontrack.phantom.exposure import draw_body, expose, own_space_points, tissues_of
from lesiontrack.phantom.motion import Motion, MotionLimits
from lesiontrack.phantom.organs import Canvas
from lesiontrack.phantom.placement import PlacedLesion, place_lesions, room_of
from lesiontrack.phantom.plan import SubjectPlan, VisitPlan
from lesiontrack.phantom.shapes import Ellipsoid

__all__ = ["POINT_SPREAD_PIXELS", "MadeSubject", "PhantomSubject", "PhantomVisit", "TrueLesion", "TrueZone", "uid_of"]

Points = NDArray[np.float64]

POINT_SPREAD_PIXELS = 1.8
"""Width over which two tissues blend, in pixels."""
_RESECTION_MARGIN_MM = 6.0
_BEYOND_CAPSULE_MM = 20.0


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


class MadeSubject(ABC):
    """A subject whose lesions are planned; what its body looks like is for a subclass to say.

    Attributes
    ----------
    plan
        What the subject is to be; everything random follows from ``plan.seed``.
    placed
        Its lesions in its own space.
    motions
        How the body lies, for each visit.
    """

    plan: SubjectPlan
    placed: tuple[PlacedLesion, ...]
    motions: tuple[Motion, ...]

    @abstractmethod
    def grid_at(self, number: int) -> Grid:
        """Return the grid of a visit, LPS mm."""

    @abstractmethod
    def painted(self, number: int, grid: Grid) -> tuple[Canvas, NDArray[np.bool_] | None]:
        """Return the body of a visit without lesions, and the liver's mask (k, j, i); None: no liver is marked."""

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

    def visits(self) -> Iterator[PhantomVisit]:
        """Yield the visits in order, one volume in memory at a time."""
        for number in range(len(self.plan.visits)):
            yield self.visit(number)

    def visit(self, number: int) -> PhantomVisit:
        """Make one visit: image, segmentation and truth."""
        grid = self.grid_at(number)
        lesions, zones = self.lesions_at(number), self.zones_at(number)
        canvas, liver = self.painted(number, grid)
        zone_map = np.zeros(grid.shape, np.uint16)
        for label, zone in enumerate(zones, start=1):
            draw_body(canvas, grid, zone.body, (Tissue.ABLATION_ZONE, Tissue.ZONE_RIM), (zone_map, label))
        lesion_map, labels = self._draw_lesions(number, canvas, grid, lesions)
        hepatic = [label for label, name in labels.items() if self._site(name) == "LIVER"]
        if liver is not None:
            liver |= np.isin(lesion_map, hepatic) | (zone_map > 0)
        zone_map[lesion_map > 0] = 0
        segmentation = self._segmentation(grid, liver, (lesion_map, zone_map), labels)
        return PhantomVisit(
            number=number,
            plan=self.plan.visits[number],
            motion=self.motions[number],
            volume=self._exposed(number, canvas, grid),
            segmentation=segmentation,
            lesions=lesions,
            zones=zones,
            labels=labels if self.plan.instances else {},
            appearance=canvas.appearance,
        )

    def _site(self, name: str) -> str:
        return next(lesion.site for lesion in self.plan.lesions if lesion.name == name)

    def _draw_lesions(
        self, number: int, canvas: Canvas, grid: Grid, lesions: tuple[TrueLesion, ...]
    ) -> tuple[NDArray[np.uint16], dict[int, str]]:
        """Draw the lesions; label them in an order that is new at every visit."""
        order = np.random.default_rng([self.plan.seed, 5, number]).permutation(len(lesions))
        labels = {label: lesions[index].name for label, index in enumerate(order, start=1)}
        lesion_map = np.zeros(grid.shape, np.uint16)
        for label, index in enumerate(order, start=1):
            lesion = lesions[index]
            draw_body(canvas, grid, lesion.body, tissues_of(lesion.site), (lesion_map, label))
        return lesion_map, labels

    def _exposed(self, number: int, canvas: Canvas, grid: Grid) -> Volume:
        uid = uid_of(self.plan.seed, self.plan.subject_id, number, "series")
        return Volume(
            grid=grid,
            voxels=expose(canvas, np.random.default_rng([self.plan.seed, 6, number])),
            modality=canvas.appearance.modality,
            series_uid=uid,
            sop_instance_uids=tuple(uid_of(uid, k) for k in range(grid.shape[0])),
            slice_thickness_mm=self.plan.visits[number].imaging.slice_mm,
        )

    def _segmentation(
        self,
        grid: Grid,
        liver: NDArray[np.bool_] | None,
        maps: tuple[NDArray[np.uint16], NDArray[np.uint16]],
        labels: dict[int, str],
    ) -> Segmentation:
        """Return the segmentation as a segmenter hands it over: instances, or one segment for each site."""
        lesion_map, zone_map = maps
        named = self.plan.regions_named
        if self.plan.instances:
            segments = [
                _lesion_segment(label, f"Lesion {label}", self._site(name) if named else None, single=True)
                for label, name in labels.items()
            ]
        else:
            sites = sorted({"LIVER", *(self._site(name) for name in labels.values())})
            number_of = np.zeros(len(labels) + 1, np.uint16)
            for label, name in labels.items():
                number_of[label] = sites.index(self._site(name)) + 1
            lesion_map = number_of[lesion_map]
            segments = [
                _lesion_segment(
                    n, f"{site.replace('_', ' ').capitalize()} lesions", site if named else None, single=False
                )
                for n, site in enumerate(sites, start=1)
            ]
        zones = [
            Segment(label=int(n), name=f"Ablation zone {n}", kind=SegmentKind.ABLATION_ZONE, site="LIVER", single=True)
            for n in np.unique(zone_map)
            if n
        ]
        return Segmentation(
            grid=grid,
            liver=liver,
            lesions=lesion_map,
            zones=zone_map if zones else None,
            segments=(*segments, *zones),
        )


class PhantomSubject(MadeSubject):
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
        self.placed = place_lesions(plan, room_of(self.anatomy), np.random.default_rng([plan.seed, 2]))
        reach = limits or MotionLimits()
        self.motions = tuple(
            Motion.random(np.random.default_rng([plan.seed, 3, number]), reach) for number in range(len(plan.visits))
        )

    def defects_at(self, number: int) -> tuple[Defect, ...]:
        """Return what resections have taken out of the liver by a visit (own space)."""
        found = []
        for lesion in self.placed:
            if lesion.plan.treated_by != "RESECTION" or number <= self.plan.baseline:
                continue
            radius = float(lesion.plan.diameters_mm[self.plan.baseline] or 0.0) / 2.0 + _RESECTION_MARGIN_MM
            outside = lesion.centre_mm + self.anatomy.outward(lesion.centre_mm) * (radius + _BEYOND_CAPSULE_MM)
            found.append(Defect(centre_mm=_triple(lesion.centre_mm), outside_mm=_triple(outside), radius_mm=radius))
        return tuple(found)

    def grid_at(self, number: int) -> Grid:
        """Return the grid of a visit: axial, centred near the body, its place rounded as a scanner's is."""
        imaging = self.plan.visits[number].imaging
        rng = np.random.default_rng([self.plan.seed, 4, number])
        centre = self.motions[number].shift_mm + rng.uniform(-1, 1, 3) * (6, 6, 4) + (0, 0, 8 + imaging.up_mm)
        slices = int(imaging.height_mm // imaging.slice_mm)
        extent = np.array(
            [imaging.matrix * imaging.pixel_mm, imaging.matrix * imaging.pixel_mm, slices * imaging.slice_mm]
        )
        steps = np.zeros((3, 3))
        steps[0, 2], steps[1, 1], steps[2, 0] = imaging.slice_mm, imaging.pixel_mm, imaging.pixel_mm
        origin = np.round(centre - extent / 2, 1)
        return Grid.from_axes(shape=(slices, imaging.matrix, imaging.matrix), origin_lps_mm=origin, steps_lps_mm=steps)

    def painted(self, number: int, grid: Grid) -> tuple[Canvas, NDArray[np.bool_] | None]:
        """Return the body of a visit without lesions, and the liver's mask (k, j, i)."""
        imaging = self.plan.visits[number].imaging
        canvas = Canvas(
            points=own_space_points(grid, self.motions[number]),
            values=np.empty(grid.shape, dtype=np.float32),
            appearance=appearance_of(imaging.modality, imaging.phase),
            edge_mm=POINT_SPREAD_PIXELS * imaging.pixel_mm,
        )
        liver = self.anatomy.paint(canvas, self.defects_at(number))
        return canvas, liver if imaging.liver_marked else None


def _lesion_segment(label: int, name: str, site: str | None, *, single: bool) -> Segment:
    return Segment(label=label, name=name, kind=SegmentKind.LESION, site=site, single=single)


def _triple(point: Points) -> tuple[float, float, float]:
    x, y, z = point
    return float(x), float(y), float(z)
