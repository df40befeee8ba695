"""Subjects with images whose anatomy, motion and lesions share nothing with the project's phantom.

The liver is a sum of random blobs with two branching trees of vessels; its motion is a random B-spline with its own
turn and breath, so that it slides along a body that moves otherwise; lesions are star-shaped and lumpy; outlines are
drawn unevenly. The truth is the map that the images were sampled with: lesion ``n`` lies at the inverse of its place.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from benchmarks.imaged_anatomy import HIGH_MM, LOOKS, LOW_MM, ImagedAnatomy, Look, Tumour, raster_points
from benchmarks.simulated_subjects import START, Simulated
from lesiontrack.align import AlignSettings, Prepared, prepare
from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.domain.lesion import Lesion
from lesiontrack.domain.study import ClinicalFacts, Scan, Subject, Visit
from lesiontrack.measure import MeasureSettings, count, measure

__all__ = ["Imaged", "ImagedPlan", "imaged"]

Points = NDArray[np.float64]
Field = NDArray[np.float32]

METASTASES = Segment(label=1, name="metastases", kind=SegmentKind.LESION, site="LIVER")
_CORNERS = np.array([[(c >> a & 1) * 2 - 1 for a in range(3)] for c in range(8)])
_KNOT_MM = 65.0
_FINE_MM = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagedPlan:
    """What to simulate.

    Attributes
    ----------
    n, apart_mm, radii_mm
        Lesions at the first visit, least distance of their centres, range of their mean radii.
    looks
        Names in ``LOOKS``, one for each visit.
    slices_mm
        To be drawn from.
    breathing_mm, turn_deg, bend_mm
        Range of the liver's own shift along the body; standard deviations of its turn and of the spline's knots.
    unmarked
        Visits whose segmentation marks no liver.
    outline_mm
        Standard deviation of the unevenness of drawn outlines.
    """

    n: int
    looks: tuple[str, ...] = ("portal", "portal")
    apart_mm: float = 16.0
    radii_mm: tuple[float, float] = (4.0, 12.0)
    slices_mm: tuple[float, ...] = (1.0, 2.5, 5.0)
    pixel_mm: float = 1.6
    breathing_mm: tuple[float, float] = (3.0, 12.0)
    turn_deg: float = 2.0
    bend_mm: float = 5.0
    vanish: float = 0.08
    new: float = 0.08
    missed: float = 0.0
    cut_views: bool = False
    resected_at: int | None = None
    unmarked: tuple[int, ...] = ()
    outline_mm: float = 0.5
    oblique: bool = False

    @property
    def visits(self) -> int:
        """How many visits."""
        return len(self.looks)


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
    volumes
        Volume and segmentation of each visit.
    """

    simulated: Simulated
    counts: tuple[tuple[int, int, int, int], ...]
    volumes: tuple[tuple[Volume, Segmentation], ...]


@dataclass(slots=True)
class _Course:
    """Which lesions there are, when, and of which size."""

    tumours: list[Tumour]
    born: NDArray[np.intp]
    dies: NDArray[np.intp]
    factor: Points

    @classmethod
    def draw(cls, rng: np.random.Generator, plan: ImagedPlan, anatomy: ImagedAnatomy) -> _Course:
        total = plan.n + round(plan.n * plan.new * (plan.visits - 1))
        radii = np.exp(rng.uniform(np.log(plan.radii_mm[0]), np.log(plan.radii_mm[1]), total))
        centres = _centres(rng, plan, anatomy, radii)
        total = len(centres)
        first = min(plan.n, total)
        born = np.zeros(total, dtype=np.intp)
        born[first:] = 1 + np.arange(total - first) % max(plan.visits - 1, 1)
        dies = np.full(total, plan.visits, dtype=np.intp)
        for visit in range(1, plan.visits):
            alive = np.nonzero((born < visit) & (dies > visit))[0]
            dies[alive[rng.random(len(alive)) < plan.vanish]] = visit
        growth = np.exp(np.cumsum(rng.normal(0.0, 0.14, (plan.visits, total)), axis=0))
        tumours = [Tumour.draw(rng, c, r) for c, r in zip(centres, radii, strict=False)]
        return cls(tumours, born, dies, growth)


def _centres(rng: np.random.Generator, plan: ImagedPlan, anatomy: ImagedAnatomy, radii: Points) -> list[Points]:
    places = raster_points()[anatomy.liver.values < -4.0]
    found: list[Points] = []
    spacing = plan.apart_mm
    for radius in radii:
        for attempt in range(3000):
            centre = places[int(rng.integers(len(places)))] + rng.uniform(-1.2, 1.2, 3)
            gaps = [
                np.linalg.norm(centre - o) - max(spacing, 1.45 * (radius + r))
                for o, r in zip(found, radii, strict=False)
            ]
            if min(gaps, default=1.0) > 0:
                found.append(centre)
                break
            if attempt % 1000 == 999:
                spacing *= 0.9
    return found


def _grid(rng: np.random.Generator, plan: ImagedPlan, pose: _Pose, corners: Points) -> Grid:
    """Return the scan's grid: liver and some of the body; now and then a field of view that cuts the liver."""
    at = pose.patient(corners)
    around = np.array([35.0, 30.0, 0.0])
    low, high = at.min(axis=0) - around, at.max(axis=0) + around
    low[2], high[2] = low[2] - rng.uniform(10, 50), high[2] + rng.uniform(10, 40)
    if plan.cut_views and rng.random() < 0.5:
        cut = rng.uniform(0.06, 0.22) * (at[:, 2].max() - at[:, 2].min())
        if rng.random() < 0.5:
            high[2] = at[:, 2].max() - cut
        else:
            low[2] = at[:, 2].min() + cut
    slice_mm = float(rng.choice(plan.slices_mm))
    spacing = np.array([slice_mm, plan.pixel_mm, plan.pixel_mm])
    size = np.maximum(np.floor((high - low)[::-1] / spacing).astype(int), 3)
    steps = np.array([[0, 0, slice_mm], [0, plan.pixel_mm, 0], [plan.pixel_mm, 0, 0]], dtype=np.float64)
    if plan.oblique:
        steps = steps @ Rotation.from_euler("xyz", rng.uniform(-12, 12, 3), degrees=True).as_matrix().T
    origin = (low + high) / 2 - ((size - 1) / 2.0) @ steps
    return Grid.from_axes(shape=(int(size[0]), int(size[1]), int(size[2])), origin_lps_mm=origin, steps_lps_mm=steps)


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
        self.course = _Course.draw(self.rng, plan, self.anatomy)
        self.cut_x = float(self.rng.uniform(-30.0, 0.0))
        inside = raster_points()[self.anatomy.liver.values < 0]
        self.corners = inside[:: max(len(inside) // 4000, 1)]
        self.centres = np.array([t.centre for t in self.course.tumours]).reshape(-1, 3)
        self.removed = self.centres[:, 0] < self.cut_x + 4.0
        self.places = {n: np.zeros((plan.visits, 3)) for n in range(len(self.centres))}
        self.truth: dict[tuple[int, int], int] = {}
        self.gone: dict[tuple[int, int], bool] = {}
        self.counts: list[tuple[int, int, int, int]] = []

    def visit(self, visit: int) -> tuple[Volume, Segmentation, Visit, tuple[Lesion, ...], Prepared]:
        """Make one visit: image, outlines, what is measured in it."""
        plan, rng, look = self.plan, self.rng, LOOKS[self.plan.looks[visit]]
        resected = plan.resected_at is not None and visit >= plan.resected_at
        pose = _Pose.draw(rng, plan, resected=resected)
        corners = self.corners[self.corners[:, 0] >= self.cut_x] if resected else self.corners
        grid = _grid(rng, plan, pose, corners)
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
        kept = prepare(volume, segmentation, found.lesions, timepoint=visit, settings=AlignSettings())
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
        for number in there:
            tumour, factor = self.course.tumours[number], float(self.course.factor[visit, number])
            reach = 2.0 * tumour.radius * factor + 6.0
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
            self.truth[(visit, lesion.lesion_id)] = int(np.bincount(inside).argmax()) - 1
        total = count(lesions)
        self.counts.append((len(np.unique(labels[labels > 0])), total.low, total.hepatic, total.high))
        for number in range(len(at)):
            self.places[number][visit] = at[number]
            known = self.course.born[number] < visit
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
    )
    return Imaged(simulated=simulated, counts=tuple(maker.counts), volumes=tuple((m[0], m[1]) for m in made))
