"""How often the count of a whole scan is right: many scans that are only label maps and noise, no images to align.

    python -m benchmarks.scan_counts [--scans N] [--seed S]

Lesions are star-shaped (``imaged_anatomy.Tumour``), outlined smoothly or as unevenly as by hand, on grids of any kind.
Exit code 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.imaged_anatomy import Tumour
from benchmarks.measure import GRIDS, random_grid, scene
from lesiontrack.domain.geometry import Grid
from lesiontrack.measure import MeasureSettings, count, measure

Floats = NDArray[np.float64]
Labels = NDArray[np.uint16]
Random = np.random.Generator

EXACT_LIMIT, WITHIN_LIMIT = 0.99, 0.95
_REACH_MM = 80.0
_CONNECTED = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPlan:
    """What a row's scans hold: lesions that touch or not, outlines with so much unevenness (mm), how many lesions."""

    name: str
    touching: bool
    outline_mm: float
    lesions: tuple[int, int] = (2, 20)


ROWS = tuple(
    ScanPlan(name=f"{place}, {outline}", touching=touches, outline_mm=uneven)
    for touches, place in ((False, "none touch"), (True, "some touch"))
    for outline, uneven in (("smooth outlines", 0.0), ("uneven outlines, 0.5 mm", 0.5))
)


def places(random: Random, plan: ScanPlan, total: int) -> tuple[list[Floats], list[float]]:
    """Draw centres and radii within a ball: apart, or every third one against another, 0.8 to 1 of the radii's sum."""
    centres: list[Floats] = []
    radii: list[float] = []
    for _ in range(4000):
        if len(centres) == total:
            break
        radius = float(np.exp(random.uniform(np.log(3.0), np.log(15.0))))
        towards = random.normal(size=3)
        towards /= np.linalg.norm(towards)
        partner = None
        if plan.touching and centres and len(centres) % 3 == 1:
            partner = len(centres) - 1
            radius = float(np.clip(radius, 0.45 * radii[partner], radii[partner]))
            centre = centres[partner] + random.uniform(0.8, 1.0) * (radius + radii[partner]) * towards
        else:
            centre = towards * (_REACH_MM - 25.0) * random.uniform() ** (1 / 3)
        gaps = [
            np.linalg.norm(centre - c) - 1.35 * (radius + r) - 6.0
            for n, (c, r) in enumerate(zip(centres, radii, strict=True))
            if n != partner
        ]
        if min(gaps, default=1.0) > 0.0:
            centres.append(centre)
            radii.append(radius)
    return centres, radii


def drawn(random: Random, plan: ScanPlan) -> tuple[Labels, Grid]:
    """Draw one scan: each lesion's voxels have its number, from 1 on; the earlier one keeps what two share."""
    centres, radii = places(random, plan, int(random.integers(plan.lesions[0], plan.lesions[1] + 1)))
    pixel_mm, slice_mm = random.uniform(0.7, 1.6), float(random.choice([0.8, 1.25, 2.5, 5.0]))
    grid = random_grid(random, str(random.choice(GRIDS)), pixel_mm, slice_mm, _REACH_MM)
    labels = np.zeros(grid.shape, dtype=np.uint16)
    for number, (centre, radius) in enumerate(zip(centres, radii, strict=True), start=1):
        tumour = Tumour.draw(random, np.zeros(3), radius).smoothed()
        box, points = _around(grid, centre, tumour.reach + 3.0)
        level = tumour.level(points - centre, 1.0)
        if plan.outline_mm:
            rough = ndimage.gaussian_filter(random.standard_normal(level.shape), 2.0)
            level += rough / max(float(rough.std()), 1e-6) * plan.outline_mm / radius
        labels[box][(level < 1.0) & (labels[box] == 0)] = number
    return labels, grid


def _around(grid: Grid, centre: Floats, reach_mm: float) -> tuple[tuple[slice, ...], Floats]:
    """Return the box of voxels around a point, and their places."""
    corners = centre + reach_mm * np.array([[(c >> a & 1) * 2 - 1 for a in range(3)] for c in range(8)])
    index = grid.to_index(corners)
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, grid.shape)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, grid.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    inside = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), axis=-1)
    return box, grid.to_lps_mm(inside.astype(np.float64))


def scan(random: Random, plan: ScanPlan) -> tuple[int, int, int, int]:
    """Draw scans until one is as planned; return its true, low, hepatic and high count."""
    while True:
        labels, grid = drawn(random, plan)
        true = len(np.unique(labels[labels > 0]))
        components = int(ndimage.label(labels > 0, structure=_CONNECTED)[1])
        if (components < true) == plan.touching and components <= true:
            break
    noise = random.integers(-15, 16, grid.shape, dtype=np.int16) + np.int16(110)
    marked = (labels > 0).astype(np.uint16)
    volume, segmentation = scene(noise - (45 * marked).astype(np.int16), marked, grid)
    found = measure(volume, segmentation, timepoint=0, date=dt.date(2020, 1, 1), settings=MeasureSettings())
    total = count(found.lesions)
    return true, total.low, total.hepatic, total.high


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=200, help="scans in each row")
    parser.add_argument("--seed", type=int, default=50000)
    options = parser.parse_args()
    random, kept = np.random.default_rng(options.seed), True
    print("| scans in which | scans | lesions | count exact | within low and high | mean error | high - low |")
    print("|---|---|---|---|---|---|---|")
    for plan in ROWS:
        true, low, found, high = np.array([scan(random, plan) for _ in range(options.scans)]).T
        exact, within = float(np.mean(true == found)), float(np.mean((low <= true) & (true <= high)))
        kept &= within >= WITHIN_LIMIT if plan.touching else exact >= EXACT_LIMIT
        error, width = np.abs(true - found).mean(), (high - low).mean()
        print(
            f"| {plan.name} | {len(true)} | {true.sum()} | {100 * exact:.1f} % | {100 * within:.1f} % "
            f"| {error:.2f} | {width:.2f} |",
            flush=True,
        )
    print(f"limits (exact {EXACT_LIMIT:g} where none touch, within {WITHIN_LIMIT:g} where some do): ", end="")
    print("kept" if kept else "MISSED")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
