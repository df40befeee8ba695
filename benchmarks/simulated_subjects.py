"""Simulated subjects for tracking: a liver under known smooth maps, lesions with an identity, no voxels.

The truth is analytic: lesion ``n`` is at ``phi_v(c_n)`` in visit ``v``. The deformation is smooth, without organ
sliding; figures made with it are upper bounds of what real visits would give.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.align import Prepared
from lesiontrack.domain.geometry import Grid
from lesiontrack.domain.lesion import Lesion
from lesiontrack.domain.study import ClinicalFacts, Scan, Subject, Visit

__all__ = ["Deformation", "Plan", "Simulated", "make_lesion", "make_subject", "simulate"]

Points = NDArray[np.float64]
START = dt.date(2024, 1, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to simulate.

    Attributes
    ----------
    n
        Lesions at the first visit.
    level
        ``mild`` (breathing 10 mm) or ``hard`` (breathing 30 mm, turned patient, stronger bending, cut fields of view).
    apart_mm
        Least distance between lesions; ``crowded`` ones also keep no more than a little over it.
    vanish, new, missed
        Share per visit.
    resected_at
        Visit from which the right part of the liver is gone; None for none.
    """

    n: int
    visits: int = 3
    level: str = "mild"
    apart_mm: float = 17.0
    crowded: bool = False
    vanish: float = 0.06
    new: float = 0.06
    missed: float = 0.0
    cut_views: bool = False
    resected_at: int | None = None
    noise_mm: float = 0.6
    size_noise: float = 0.12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deformation:
    """``p -> L p + t + sum of Gaussian bumps``, smooth and without folds."""

    linear: Points
    shift: Points
    centres: Points
    bumps: Points
    widths: Points

    @classmethod
    def draw(cls, rng: np.random.Generator, level: str) -> Deformation:
        """Draw one of a level."""
        hard = level == "hard"
        degrees = rng.normal(0.0, 3.5 if hard else 1.5, 3)
        linear = _turn(np.deg2rad(degrees)) * (1.0 + rng.normal(0.0, 0.03 if hard else 0.01))
        breathing = rng.uniform(18.0, 38.0) * rng.choice([-1.0, 1.0]) if hard else rng.normal(0.0, 8.0)
        shift = np.array([rng.normal(0.0, 12.0), rng.normal(0.0, 12.0), breathing + rng.normal(0.0, 15.0)])
        count = 8
        return cls(
            linear=linear,
            shift=shift,
            centres=rng.uniform([-80, -60, -80], [100, 60, 70], (count, 3)),
            bumps=rng.normal(0.0, 5.5 if hard else 2.5, (count, 3)),
            widths=rng.uniform(32.0, 55.0, count),
        )

    def apply(self, points: Points) -> Points:
        """Map (n, 3) canonical points."""
        d2 = ((points[:, None] - self.centres[None]) ** 2).sum(-1)
        weight = np.exp(-0.5 * d2 / self.widths**2)
        out: Points = points @ self.linear.T + self.shift + weight @ self.bumps
        return out

    def invert(self, points: Points) -> Points:
        """Map (n, 3) points back by fixed-point iteration."""
        back = np.linalg.inv(self.linear)
        found = (points - self.shift) @ back.T
        for _ in range(5):
            found = found + (points - self.apply(found)) @ back.T
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulated:
    """One subject, what alignment would keep of its scans, and the truth.

    Attributes
    ----------
    truth
        (timepoint, lesion_id) to the lesion's number.
    places
        number to its true place (visits, 3) in each visit's space.
    gone
        (timepoint, number) of lesions that are absent there though known earlier, not cut away; in view or not.
    whole_of
        Number of a part to that of the lesion that fell into it, or that it flowed into.
    prepare_s
        CPU seconds of preparing each visit, where there are images.
    """

    subject: Subject
    lesions: tuple[Lesion, ...]
    prepared: tuple[Prepared, ...]
    truth: dict[tuple[int, int], int]
    places: dict[int, Points]
    gone: dict[tuple[int, int], bool] = field(default_factory=dict)
    whole_of: dict[int, int] = field(default_factory=dict)
    prepare_s: tuple[float, ...] = ()


def _turn(radians: Points) -> Points:
    x, y, z = radians
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return np.asarray(rz @ ry @ rx, dtype=np.float64)


def _in_liver(points: Points, shape: Points, inset: float = 0.0) -> NDArray[np.bool_]:
    """Three fused ellipsoids with a notch, about 1.7 L; ``shape`` scales them, ``inset`` shrinks the whole, mm."""
    right = (points / (np.array([75.0, 65.0, 75.0]) * shape - inset)) ** 2
    left = ((points - np.array([68.0, -22.0, 22.0])) / (np.array([62.0, 40.0, 36.0]) * shape - inset)) ** 2
    tip = ((points - np.array([-38.0, 8.0, -52.0])) / (np.array([34.0, 42.0, 52.0]) * shape - inset)) ** 2
    notch = ((points - np.array([15.0, 45.0, -35.0])) / (np.array([30.0, 35.0, 45.0]) + inset)) ** 2
    inside: NDArray[np.bool_] = (right.sum(-1) < 1) | (left.sum(-1) < 1) | (tip.sum(-1) < 1)
    notched: NDArray[np.bool_] = inside & (notch.sum(-1) >= 1)
    return notched


def _place_lesions(rng: np.random.Generator, plan: Plan, count: int, shape: Points) -> Points:
    """Draw centres inside the liver, ``apart_mm`` apart; crowded ones near another."""
    centres: list[Points] = []
    spacing = plan.apart_mm
    tries = 0
    while len(centres) < count:
        tries += 1
        if plan.crowded and centres:
            direction = rng.normal(size=3)
            base = centres[int(rng.integers(len(centres)))]
            point = base + direction / np.linalg.norm(direction) * rng.uniform(spacing, 1.25 * spacing)
        else:
            point = rng.uniform([-75, -65, -105], [130, 65, 75])
        far = all(np.linalg.norm(point - other) >= spacing for other in centres)
        if far and _in_liver(point[None], shape, inset=6.0)[0]:
            centres.append(point)
        if tries % 4000 == 0:
            spacing *= 0.95
    return np.array(centres)


def simulate(plan: Plan, seed: int) -> Simulated:
    """Simulate one subject; the same seed gives the same subject."""
    rng = np.random.default_rng(seed)
    shape = rng.uniform(0.92, 1.08, 3)
    total = plan.n + round(plan.n * plan.new * (plan.visits - 1))
    centres = _place_lesions(rng, plan, total, shape)
    order = rng.permutation(total)
    centres = centres[order]
    low, high = (2.5, 4.2) if plan.crowded else (3.0, 9.0)
    radii = rng.uniform(low, high, total)
    born = np.zeros(total, dtype=int)
    born[plan.n :] = 1 + np.arange(total - plan.n) % max(plan.visits - 1, 1)
    dies = np.full(total, plan.visits)
    for visit in range(1, plan.visits):
        alive = np.nonzero((born < visit) & (dies > visit))[0]
        dies[alive[rng.random(len(alive)) < plan.vanish]] = visit
    cut_x = rng.uniform(-25.0, 5.0)
    removed = centres[:, 0] < cut_x
    return _observe(plan, rng, _Anatomy(centres, radii, born, dies, removed, cut_x, shape), seed)


@dataclass(frozen=True, slots=True, eq=False)
class _Anatomy:
    centres: Points
    radii: Points
    born: NDArray[np.intp]
    dies: NDArray[np.intp]
    removed: NDArray[np.bool_]
    cut_x: float
    shape: Points


def _observe(plan: Plan, rng: np.random.Generator, anatomy: _Anatomy, seed: int) -> Simulated:
    lesions: list[Lesion] = []
    prepared: list[Prepared] = []
    visits: list[Visit] = []
    truth: dict[tuple[int, int], int] = {}
    gone: dict[tuple[int, int], bool] = {}
    places = {n: np.zeros((plan.visits, 3)) for n in range(len(anatomy.centres))}
    factor = np.ones(len(anatomy.centres))
    for visit in range(plan.visits):
        resected = plan.resected_at is not None and visit >= plan.resected_at
        deformation = Deformation.draw(rng, plan.level)
        if resected:
            moved = np.array([rng.normal(-15.0, 8.0), rng.normal(0.0, 8.0), rng.normal(0.0, 10.0)])
            deformation = Deformation(
                linear=deformation.linear * rng.uniform(1.03, 1.12),
                shift=deformation.shift + moved,
                centres=deformation.centres,
                bumps=deformation.bumps,
                widths=deformation.widths,
            )
        at = deformation.apply(anatomy.centres)
        scan_grid = _view(plan, rng, at)
        present = (anatomy.born <= visit) & (anatomy.dies > visit) & ~(anatomy.removed & resected)
        seen = present & (rng.random(len(present)) >= plan.missed) & scan_grid.contains(at, margin_mm=2.0)
        factor = factor * np.exp(rng.normal(0.0, plan.size_noise, len(factor)))
        series = f"1.2.{seed}.{visit}"
        date = START + dt.timedelta(days=56 * visit)
        numbers = rng.permutation(np.nonzero(seen)[0])
        found = []
        for lesion_id, number in enumerate(numbers, start=1):
            places_noise = rng.normal(0.0, plan.noise_mm, 3)
            radius = float(anatomy.radii[number] * factor[number])
            found.append(make_lesion(visit, lesion_id, at[number] + places_noise, radius, series=series))
            truth[(visit, lesion_id)] = int(number)
        for number in range(len(at)):
            places[number][visit] = at[number]
            cut_away = bool(anatomy.removed[number]) and resected
            if not seen[number] and anatomy.born[number] < visit and not cut_away:
                gone[(visit, number)] = bool(scan_grid.contains(at[number]))
        lesions += found
        prepared.append(_prepared(visit, series, scan_grid, deformation, anatomy, found, resected=resected))
        visits.append(
            Visit(
                timepoint=visit,
                scans=(Scan(series_uid=series, date=date, modality="CT", grid=scan_grid, measured=True),),
            )
        )
    subject = Subject(subject_id=f"SIM{seed}", visits=tuple(visits), clinical=ClinicalFacts())
    return Simulated(
        subject=subject, lesions=tuple(lesions), prepared=tuple(prepared), truth=truth, places=places, gone=gone
    )


def _view(plan: Plan, rng: np.random.Generator, at: Points) -> Grid:
    """Return the scan's grid: the whole abdomen, or, now and then, one that cuts the liver's top or bottom."""
    low, high = at.mean(axis=0) - 190.0, at.mean(axis=0) + 190.0
    low[2], high[2] = at[:, 2].min() - 60.0, at[:, 2].max() + 60.0
    if plan.cut_views and rng.random() < 0.4:
        extent = at[:, 2].max() - at[:, 2].min()
        share = rng.uniform(0.05, 0.15)
        if rng.random() < 0.5:
            high[2] = at[:, 2].max() - share * extent
        else:
            low[2] = at[:, 2].min() + share * extent
    spacing = 4.0
    size = np.maximum(np.floor((high - low) / spacing), 1).astype(int)
    steps = np.array([[0.0, 0.0, spacing], [0.0, spacing, 0.0], [spacing, 0.0, 0.0]])
    return Grid.from_axes(shape=(int(size[2]), int(size[1]), int(size[0])), origin_lps_mm=low, steps_lps_mm=steps)


def _prepared(
    visit: int,
    series: str,
    scan: Grid,
    deformation: Deformation,
    anatomy: _Anatomy,
    lesions: list[Lesion],
    *,
    resected: bool,
) -> Prepared:
    """Return what alignment keeps: the liver's signed distance on a 5 mm grid, the lesions, an empty image."""
    corners = deformation.apply(np.array([[x, y, z] for x in (-80, 135) for y in (-70, 70) for z in (-110, 80)], float))
    low, high = corners.min(axis=0) - 20.0, corners.max(axis=0) + 20.0
    size = np.ceil((high - low) / 5.0).astype(int)
    steps = np.array([[0.0, 0.0, 5.0], [0.0, 5.0, 0.0], [5.0, 0.0, 0.0]])
    grid = Grid.from_axes(shape=(int(size[2]), int(size[1]), int(size[0])), origin_lps_mm=low, steps_lps_mm=steps)
    points = grid.to_lps_mm(np.indices(grid.shape).reshape(3, -1).T.astype(np.float64))
    # Where the scan ends, its mask goes on as it ends (as the real preparation has it).
    top, bottom = scan.origin_lps_mm[2] + 4.0 * (scan.shape[0] - 1), scan.origin_lps_mm[2]
    clamped = points.copy()
    clamped[:, 2] = np.clip(points[:, 2], bottom, top)
    canonical = deformation.invert(clamped)
    inside = _in_liver(canonical, anatomy.shape)
    if resected:
        inside &= canonical[:, 0] >= anatomy.cut_x
    mask = inside.reshape(grid.shape)
    outer = ndimage.distance_transform_edt(~mask, sampling=5.0)
    inner = ndimage.distance_transform_edt(mask, sampling=5.0)
    distance = np.clip(np.where(mask, 2.5 - inner, outer - 2.5), -40, 40).astype(np.float16)
    in_view = (points[:, 2] >= bottom) & (points[:, 2] <= top)
    ordered = sorted((lesion.centroid_lps_mm, lesion.radius_mm) for lesion in lesions)
    empty = np.zeros((1, 1, 1), dtype=np.int16)
    return Prepared(
        timepoint=visit,
        series_uid=series,
        modality="CT",
        scan=scan,
        grid=grid,
        image=np.zeros(grid.shape, dtype=np.int16),
        distance_mm=distance,
        body_grid=Grid(shape=(1, 1, 1), affine=np.eye(4)),
        body=empty,
        points_lps_mm=np.array([p for p, _ in ordered], dtype=np.float64).reshape(-1, 3),
        radii_mm=np.array([r for _, r in ordered], dtype=np.float64),
        other_points_lps_mm=np.zeros((0, 3)),
        liver_volume_mm3=float(np.count_nonzero(inside & in_view)) * 125.0,
        liver_cut=bool(
            (inside & (np.abs(points[:, 2] - bottom) < 5)).any() or (inside & (np.abs(points[:, 2] - top) < 5)).any()
        ),
    )


def make_lesion(
    visit: int, lesion_id: int, centre: Points, radius: float, *, series: str | None = None, site: str = "LIVER"
) -> Lesion:
    """Return a spherical lesion."""
    x, y, z = (float(v) for v in centre)
    diameter = Decimal(str(round(2 * radius, 1)))
    return Lesion(
        timepoint=visit,
        lesion_id=lesion_id,
        series_uid=series or f"S{visit}",
        date=START + dt.timedelta(days=56 * visit),
        site=site,
        centroid_lps_mm=(x, y, z),
        longest_diameter_mm=diameter,
        short_axis_mm=diameter,
        volume_mm3=4.0 / 3.0 * np.pi * radius**3,
        measurable=True,
        diameter_ends_lps_mm=((x - radius, y, z), (x + radius, y, z)),
    )


def make_subject(n_visits: int, *, clinical: ClinicalFacts | None = None, extent_mm: float = 600.0) -> Subject:
    """Return a subject whose scans, ``S0``, ``S1``, ..., all see a cube around the origin."""
    steps = 10.0 * np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    count = int(extent_mm / 10.0)
    grid = Grid.from_axes(shape=(count, count, count), origin_lps_mm=np.full(3, -extent_mm / 2.0), steps_lps_mm=steps)
    visits = [
        Visit(
            timepoint=visit,
            scans=(
                Scan(
                    series_uid=f"S{visit}",
                    date=START + dt.timedelta(days=56 * visit),
                    modality="CT",
                    grid=grid,
                    measured=True,
                ),
            ),
        )
        for visit in range(n_visits)
    ]
    return Subject(subject_id="TEST", visits=tuple(visits), clinical=clinical or ClinicalFacts())
