"""Subjects with images whose anatomy, motion and lesions share nothing with the project's phantom.

The liver is a sum of random blobs with two branching trees of vessels; its motion is a random B-spline with its own
turn and breath, so that it slides along a body that moves otherwise; lesions are star-shaped and lumpy; outlines are
drawn unevenly. The truth is the map that the images were sampled with: lesion ``n`` lies at the inverse of its place.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from benchmarks.imaged_anatomy import HIGH_MM, LOOKS, LOW_MM, ImagedAnatomy, Look, raster_points
from benchmarks.imaged_course import Course
from benchmarks.imaged_plan import ImagedPlan, scan_grid
from benchmarks.simulated_subjects import START, Simulated
from benchmarks.true_chords import longest_chord_mm
from lesiontrack.align import AlignSettings, Prepared, prepare
from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.domain.lesion import Lesion
from lesiontrack.domain.study import ClinicalFacts, Scan, Subject, Visit
from lesiontrack.measure import MeasureSettings, count, measure

__all__ = ["Imaged", "ImagedPlan", "imaged"]

Points = NDArray[np.float64]
Field = NDArray[np.float32]

_KNOT_MM = 65.0
_FINE_MM = 8.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pose:
    """Patient to own space at a visit: ``r = M (p - t)``, ``q = r + u(r)``, u a cubic B-spline; the body is rigid."""

    linear: Points
    shift: Points
    spline: Field
    body_linear: Points
    body_shift: Points

    @classmethod
    def draw(cls, rng: np.random.Generator, plan: ImagedPlan, *, resected: bool) -> _Pose:
        turn = Rotation.from_euler("xyz", rng.normal(0.0, plan.turn_deg, 3), degrees=True).as_matrix()
        place = rng.normal(0.0, [12.0, 12.0, 25.0])
        breath = rng.uniform(*plan.breathing_mm) * rng.choice([-1.0, 1.0])
        own = Rotation.from_euler("xyz", rng.normal(0.0, plan.turn_deg, 3), degrees=True).as_matrix()
        linear, shift = own @ turn, place + np.array([0.0, 0.2 * breath, breath])
        if resected:
            linear = linear / rng.uniform(1.03, 1.12)
            shift = shift + rng.normal(0.0, [12.0, 8.0, 12.0])
        size = np.ceil((HIGH_MM - LOW_MM + 160.0) / _KNOT_MM).astype(int) + 1
        knots = rng.normal(0.0, plan.bend_mm, (*size[::-1], 3))
        zoom = _KNOT_MM / _FINE_MM
        fine = np.stack([ndimage.zoom(knots[..., a], zoom, order=3, grid_mode=True, mode="nearest") for a in range(3)])
        return cls(linear=linear, shift=shift, spline=fine.astype(np.float32), body_linear=turn, body_shift=place)

    def own(self, patient: Points) -> Points:
        """Map patient space to the liver's own space."""
        r = (patient - self.shift) @ self.linear.T
        return r + self._bend(r)

    def patient(self, own: Points) -> Points:
        """Map the liver's own space back to patient space."""
        r = own.copy()
        for _ in range(60):
            r = own - self._bend(r)
        return np.asarray(r @ np.linalg.inv(self.linear).T + self.shift, dtype=np.float64)

    def of_body(self, patient: Points) -> Points:
        """Map patient space to the body's own space."""
        return np.asarray((patient - self.body_shift) @ self.body_linear.T, dtype=np.float64)

    def _bend(self, r: Points) -> Points:
        index = np.moveaxis(((r - (LOW_MM - 80.0)) / _FINE_MM)[..., ::-1], -1, 0)
        moved = [ndimage.map_coordinates(part, index, order=1, mode="nearest") for part in self.spline]
        return np.asarray(np.stack(moved, axis=-1), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Imaged:
    """A simulated subject with what its visits were made of.

    Attributes
    ----------
    counts
        (true, low, hepatic, high) of each visit.
    diameters_mm
        (measured, true) longest diameters of the lesions that are one mask each: against the outline as it was drawn,
        before it was made of voxels.
    volumes
        Volume and segmentation of each visit.
    """

    simulated: Simulated
    counts: tuple[tuple[int, int, int, int], ...]
    diameters_mm: tuple[tuple[float, float], ...]
    pixel_mm: float
    volumes: tuple[tuple[Volume, Segmentation], ...]


def _voxels(grid: Grid) -> Points:
    return grid.to_lps_mm(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1).astype(np.float64))


def _painted(
    rng: np.random.Generator, anatomy: ImagedAnatomy, pose: _Pose, look: Look, points: Points, cut: float | None
) -> tuple[Field, Field]:
    """Return the image without lesions and the signed distance to the liver."""
    half_width, half_depth, lumps = anatomy.body
    b = pose.of_body(points)
    skin = np.sqrt((b[..., 0] / half_width) ** 2 + ((b[..., 1] - 10) / half_depth) ** 2)
    lump = ndimage.map_coordinates(lumps, np.moveaxis(b / 14.0 + 20.0, -1, 0), order=1, mode="wrap")
    ct = look.modality == "CT"
    air, fat, soft, bone = (-1000.0, -100.0, 50.0, 420.0) if ct else (5.0, 300.0, 240.0, 60.0)
    image = np.where(skin > 1, air, np.where(lump > 0.2, soft + 12 * lump, fat)).astype(np.float32)
    image[(skin < 0.98) & (skin > 0.86)] = soft
    ribs = (skin < 0.95) & (skin > 0.88) & (np.mod(b[..., 2] + 0.4 * b[..., 1], 28.0) < 9.0)
    spine = (b[..., 0] / 20) ** 2 + ((b[..., 1] - 75) / 20) ** 2 < 1
    image[ribs | spine] = bone
    image[(b[..., 2] > 75 + 0.2 * b[..., 1]) & (skin < 0.86)] = -850.0 if ct else 15.0
    q = pose.own(points)
    distance = anatomy.liver.at(q)
    if cut is not None:
        distance = np.maximum(distance, cut - q[..., 0])
    liver = look.liver + (3.5 if ct else 12.0) * anatomy.texture.at(q)
    liver += (look.portal - look.liver) * anatomy.portal.at(q)
    liver += (look.veins - look.liver) * anatomy.veins.at(q)
    share = np.clip(0.5 - distance / 2.0, 0, 1)
    return (image * (1 - share) + liver * share).astype(np.float32), distance.astype(np.float32)


def _exposed(rng: np.random.Generator, image: Field, look: Look) -> NDArray[np.int16]:
    noise = rng.standard_normal(image.shape).astype(np.float32)
    image = ndimage.gaussian_filter(image, (0.0, 0.5, 0.5)) + look.noise * noise
    if look.modality != "CT":
        k, j, i = np.ogrid[tuple(slice(0, 1, n * 1j) for n in image.shape)]
        phase = rng.uniform(0, np.pi, 3)
        image = image * (1 + 0.2 * np.sin(2 * i + phase[0]) + 0.15 * np.cos(3 * j + phase[1]) + 0.1 * np.sin(2 * k))
    return np.asarray(np.clip(np.rint(image), -1024, 3000), dtype=np.int16)


class _Maker:
    """Makes the visits of one subject."""

    def __init__(self, plan: ImagedPlan, seed: int) -> None:
        self.plan, self.seed = plan, seed
        self.rng = np.random.default_rng([seed, 77])
        self.anatomy = ImagedAnatomy(self.rng)
        self.course = Course.draw(self.rng, plan, self.anatomy)
        self.cut_x = float(self.rng.uniform(-30.0, 0.0))
        inside = raster_points()[self.anatomy.liver.values < 0]
        self.corners = inside[:: max(len(inside) // 4000, 1)]
        self.centres = np.array([t.centre for t in self.course.tumours]).reshape(-1, 3)
        self.removed = self.centres[:, 0] < self.cut_x + 4.0
        self.places = {n: np.zeros((plan.visits, 3)) for n in range(len(self.centres))}
        self.truth: dict[tuple[int, int], int] = {}
        self.gone: dict[tuple[int, int], bool] = {}
        self.family = {*self.course.whole_of, *self.course.whole_of.values()}
        self.counts: list[tuple[int, int, int, int]] = []
        self.diameters: list[tuple[float, float]] = []
        self.outlines: dict[int, Points] = {}
        self.prepare_s: list[float] = []

    def visit(self, visit: int) -> tuple[Volume, Segmentation, Visit, tuple[Lesion, ...], Prepared]:
        """Make one visit: image, outlines, what is measured in it."""
        plan, rng, look = self.plan, self.rng, LOOKS[self.plan.looks[visit]]
        resected = plan.resected_at is not None and visit >= plan.resected_at
        pose = _Pose.draw(rng, plan, resected=resected)
        corners = self.corners[self.corners[:, 0] >= self.cut_x] if resected else self.corners
        grid = scan_grid(rng, plan, pose.patient(corners))
        points = _voxels(grid)
        image, distance = _painted(rng, self.anatomy, pose, look, points, self.cut_x if resected else None)
        at = pose.patient(self.centres) if len(self.centres) else self.centres
        there = (self.course.born <= visit) & (self.course.dies > visit) & ~(self.removed & resected)
        marked = there & (rng.random(len(there)) >= plan.missed)
        labels = self._draw(image, grid, look, pose, at, np.nonzero(there)[0], np.nonzero(marked)[0], visit)
        uneven = ndimage.gaussian_filter(rng.standard_normal(grid.shape).astype(np.float32), 3.0 / grid.spacing_mm)
        liver = distance + 3.0 * plan.outline_mm * uneven / max(float(uneven.std()), 1e-6) < 0
        volume = self._volume(grid, _exposed(rng, image, look), look, visit)
        segmentation = Segmentation(
            grid=grid,
            liver=None if visit in plan.unmarked else liver | (labels > 0),
            lesions=(labels > 0).astype(np.uint16),
            segments=(Segment(label=1, name="metastases", kind=SegmentKind.LESION, site="LIVER"),)
            if labels.any()
            else (),
        )
        date = START + dt.timedelta(days=56 * visit)
        found = measure(volume, segmentation, timepoint=visit, date=date, settings=MeasureSettings())
        self._note(visit, found.lesions, found.label_map, labels, at, there, grid, resected=resected)
        scan = Scan(series_uid=volume.series_uid, date=date, modality=look.modality, grid=grid, measured=True)
        began = time.process_time()
        kept = prepare(volume, segmentation, found.lesions, timepoint=visit, settings=AlignSettings())
        self.prepare_s.append(time.process_time() - began)
        return volume, segmentation, Visit(timepoint=visit, scans=(scan,)), found.lesions, kept

    def _volume(self, grid: Grid, voxels: NDArray[np.int16], look: Look, visit: int) -> Volume:
        return Volume(
            grid=grid,
            voxels=voxels,
            modality=look.modality,
            series_uid=f"1.2.{self.seed}.{visit}",
            slice_thickness_mm=float(grid.spacing_mm[0]),
        )

    def _draw(
        self,
        image: Field,
        grid: Grid,
        look: Look,
        pose: _Pose,
        at: Points,
        there: NDArray[np.intp],
        marked: NDArray[np.intp],
        visit: int,
    ) -> NDArray[np.uint16]:
        """Draw the lesions into the image and mark those that a reader would; labels are true numbers plus one."""
        labels = np.zeros(grid.shape, dtype=np.uint16)
        self.outlines.clear()
        for number in there:
            tumour, factor = self.course.tumours[number], float(self.course.factor[visit, number])
            reach = tumour.reach * factor + 6.0
            ends = grid.to_index(
                at[number] + reach * np.array([[(c >> a & 1) * 2 - 1 for a in range(3)] for c in range(8)])
            )
            low = np.clip(np.floor(ends.min(axis=0)).astype(int), 0, grid.shape)
            high = np.clip(np.ceil(ends.max(axis=0)).astype(int) + 1, 0, grid.shape)
            if (high <= low).any():
                continue
            box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
            index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), axis=-1)
            offset = (grid.to_lps_mm(index.astype(np.float64)) - at[number]) @ pose.linear.T
            level = tumour.level(offset, factor)
            size = tumour.radius * factor
            rough = self.rng.standard_normal(level.shape)
            rough = ndimage.gaussian_filter(rough, 2.0)
            rough = rough / max(float(rough.std()), 1e-6) * self.plan.outline_mm / size
            share = np.clip(0.5 - (level - 1) * size / 2.0, 0, 1)
            core = np.clip(0.5 - (level - 0.75) * size / 2.0, 0, 1)
            image[box] = image[box] * (1 - share) + share * (look.rim * (1 - core) + look.lesion * core)
            if number in marked:
                labels[box][(level + rough < 1) & (labels[box] == 0)] = number + 1
                if (low > 0).all() and (high < grid.shape).all():
                    self.outlines[int(number)] = level + rough
        return labels

    def _note(
        self,
        visit: int,
        lesions: tuple[Lesion, ...],
        label_map: NDArray[np.uint16],
        labels: NDArray[np.uint16],
        at: Points,
        there: NDArray[np.bool_],
        grid: Grid,
        *,
        resected: bool,
    ) -> None:
        """Keep the truth of a visit; a lesion found is the true one that most of its voxels belong to."""
        for lesion in lesions:
            inside = labels[label_map == lesion.lesion_id]
            number = int(np.bincount(inside).argmax()) - 1
            self.truth[(visit, lesion.lesion_id)] = number
            outline = self.outlines.get(number)
            if outline is not None and (inside == number + 1).all() and np.count_nonzero(outline < 1) == len(inside):
                chord_mm = longest_chord_mm(outline, self.plan.pixel_mm)
                self.diameters.append((float(lesion.longest_diameter_mm), chord_mm))
        total = count(lesions)
        self.counts.append((len(np.unique(labels[labels > 0])), total.low, total.hepatic, total.high))
        for number in range(len(at)):
            self.places[number][visit] = at[number]
            known = self.course.born[number] < visit
            known &= number not in self.family
            if known and not there[number] and not (resected and self.removed[number]):
                self.gone[(visit, number)] = bool(grid.contains(at[number]))


def imaged(plan: ImagedPlan, seed: int) -> Imaged:
    """Simulate one subject; the same seed gives the same subject."""
    maker = _Maker(plan, seed)
    made = [maker.visit(visit) for visit in range(plan.visits)]
    simulated = Simulated(
        subject=Subject(subject_id=f"IMG{seed}", visits=tuple(m[2] for m in made), clinical=ClinicalFacts()),
        lesions=tuple(lesion for m in made for lesion in m[3]),
        prepared=tuple(m[4] for m in made),
        truth=maker.truth,
        places=maker.places,
        gone=maker.gone,
        whole_of=maker.course.whole_of,
        prepare_s=tuple(maker.prepare_s),
    )
    return Imaged(
        simulated=simulated,
        counts=tuple(maker.counts),
        diameters_mm=tuple(maker.diameters),
        pixel_mm=plan.pixel_mm,
        volumes=tuple((m[0], m[1]) for m in made),
    )
