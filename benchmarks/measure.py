"""Accuracy of diameters and of the separation of touching lesions, and the speed of measuring.

Truth is analytic: ellipsoids (and lobulated bodies) voxelised on random grids, a voxel being inside when its centre is.
The diameter's truth is the longest chord of the best-cut slice: the true ellipse in which a slice plane cuts the
ellipsoid, for the plane where it is longest.

    python benchmarks/measure.py [--lesions N] [--seed S]

Exit code 1 when a figure misses its limit.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.measure import MeasureSettings, count, longest_diameters, measure

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Random = np.random.Generator

GRIDS = ("plain", "oblique", "anisotropic", "sheared")
PIXELS_MM = (0.7, 1.0, 1.5, 2.0)
RADII_MM = ((3.0, 5.0), (5.0, 10.0), (10.0, 20.0), (20.0, 35.0))
BIAS_LIMIT_PIXELS = 0.15
ERROR_LIMIT_PIXELS = 0.40


class Body:
    """An ellipsoid at a random place and turn: ``(p - c)' A (p - c) <= 1``; with ``lobes`` its surface is wavy."""

    def __init__(self, random: Random, semi_axes_mm: Floats, centre_mm: Floats, *, lobes: float = 0.0) -> None:
        rotation = Rotation.random(rng=random).as_matrix()
        self.centre_mm = centre_mm
        self.form = rotation @ np.diag(1.0 / semi_axes_mm**2) @ rotation.T
        self.reach_mm = float(semi_axes_mm.max()) * (1.0 + 3.0 * lobes)
        self.waves = [
            (random.normal(0.0, lobes), n, Rotation.random(rng=random).as_matrix()[0], random.uniform(0.0, 2.0 * np.pi))
            for n in (1, 2, 3)
            if lobes > 0.0
        ]

    def contains(self, points_mm: Floats) -> Bools:
        """Tell for points (..., 3) whether they are inside."""
        offset = points_mm - self.centre_mm
        radius = np.sqrt(np.einsum("...a,ab,...b->...", offset, self.form, offset))
        surface = np.ones_like(radius)
        unit = offset / np.maximum(np.linalg.norm(offset, axis=-1, keepdims=True), 1e-9)
        for height, n, axis, phase in self.waves:
            surface += height * np.cos(2.2 * n * (unit @ axis) + phase)
        inside: Bools = radius <= surface
        return inside

    def best_cut_mm(self, grid: Grid) -> tuple[float, float]:
        """Return longest and shortest diameter, mm, of the section with the longest one among the slice planes."""
        axes = np.linalg.qr(grid.affine[:3, 1:3])[0]
        section = axes.T @ self.form @ axes
        best = (0.0, 0.0)
        for k in range(grid.shape[0]):
            offset = grid.to_lps_mm(np.array([k, 0.0, 0.0])) - self.centre_mm
            side = axes.T @ self.form @ offset
            size = 1.0 - offset @ self.form @ offset + side @ np.linalg.solve(section, side)
            if size > 0.0:
                low, high = np.linalg.eigvalsh(section)
                best = max(best, (2.0 * float(np.sqrt(size / low)), 2.0 * float(np.sqrt(size / high))))
        return best


def random_grid(random: Random, kind: str, pixel_mm: float, slice_mm: float, reach_mm: float) -> Grid:
    """Build a grid of a kind, with its middle near the origin, that holds a sphere of ``reach_mm``."""
    in_plane = (pixel_mm * 1.25, pixel_mm / 1.25) if kind == "anisotropic" else (pixel_mm, pixel_mm)
    steps = np.array([[0.0, 0.0, slice_mm], [0.0, in_plane[0], 0.0], [in_plane[1], 0.0, 0.0]])
    shear = np.zeros(3)
    if kind == "sheared":
        shear[1] = slice_mm * np.tan(np.radians(random.uniform(5.0, 25.0)))
    shape = np.ceil(2.0 * reach_mm / np.array([slice_mm, *in_plane])).astype(int) + 4
    shape[1] += int(np.ceil(abs(shear[1]) * shape[0] / in_plane[0]))
    steps[0] += shear
    if kind in ("oblique", "sheared"):
        steps = steps @ Rotation.random(rng=random).as_matrix()
    origin = -((shape - 1) / 2.0) @ steps
    return Grid.from_axes(shape=(int(shape[0]), int(shape[1]), int(shape[2])), origin_lps_mm=origin, steps_lps_mm=steps)


def voxelised(bodies: Iterable[Body], grid: Grid) -> Bools:
    """Return the mask of all bodies together."""
    points = grid.to_lps_mm(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1).astype(float))
    mask = np.zeros(grid.shape, dtype=bool)
    for body in bodies:
        mask |= body.contains(points)
    return mask


def hull_diameter_mm(mask: Bools, grid: Grid, points_of: Callable[[Bools], Floats]) -> float:
    """Return the longest chord over all slices of the hull of chosen points; what simpler estimators would say."""
    best = 0.0
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        points = points_of(mask[k])
        points_mm = grid.to_lps_mm(np.insert(points, 0, float(k), axis=1)) @ np.linalg.qr(grid.affine[:3, 1:3])[0]
        if len(points) > 2 and np.linalg.matrix_rank(points_mm - points_mm[0]) == 2:
            points_mm = points_mm[ConvexHull(points_mm).vertices]
        best = max(best, float(pdist(points_mm).max()) if len(points) > 1 else 0.0)
    return best


def centres(section: Bools) -> Floats:
    """Return the voxel centres of a section."""
    return np.argwhere(section).astype(np.float64)


def around(offsets: Iterable[tuple[float, float]]) -> Callable[[Bools], Floats]:
    """Return the points at fixed offsets from each voxel centre: edge midpoints, corners."""
    shifts = np.array(list(offsets))
    return lambda section: (np.argwhere(section)[:, None, :] + shifts).reshape(-1, 2)


ESTIMATORS: dict[str, Callable[[Bools, Grid], float]] = {
    "lesiontrack": lambda mask, grid: longest_diameters(mask, grid).longest_mm,
    "hull of voxel centres": lambda mask, grid: hull_diameter_mm(mask, grid, centres),
    "hull of edge midpoints": lambda mask, grid: hull_diameter_mm(
        mask, grid, around([(0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5)])
    ),
    "hull of pixel corners": lambda mask, grid: hull_diameter_mm(
        mask, grid, around([(a, b) for a in (-0.5, 0.5) for b in (-0.5, 0.5)])
    ),
}


def ellipsoid_on_grid(random: Random, kind: str, pixel_mm: float, radius_mm: float) -> tuple[Bools, Grid, Body]:
    """Draw an ellipsoid (axes within a factor 1.4 of the radius) and a grid, slices 0.8 to 5 mm."""
    semi_axes = radius_mm * np.exp(random.uniform(-np.log(1.4), np.log(1.4), 3))
    # A slice distance at which the lesion lies on more than one slice: on one it is too small to measure.
    slice_mm = min(float(random.choice([0.8, 1.25, 2.5, 5.0])), 0.8 * float(semi_axes.min()))
    reach = float(semi_axes.max()) + slice_mm
    grid = random_grid(random, kind, pixel_mm, slice_mm, reach)
    body = Body(random, semi_axes, random.uniform(-0.5, 0.5, 3) * pixel_mm)
    return voxelised([body], grid), grid, body


def diameters(random: Random, lesions: int) -> bool:
    """Print bias and mean absolute error in pixels; return whether each stratum keeps the limits."""
    kept = True
    print(f"longest diameter, error in in-plane pixels, {lesions} ellipsoids a cell: bias / mean absolute error")
    print(f"{'grid':12} {'pixel mm':>8}  " + "  ".join(f"r {low:g}-{high:g} mm".rjust(13) for low, high in RADII_MM))
    for kind in GRIDS:
        for pixel_mm in PIXELS_MM:
            cells = []
            for low, high in RADII_MM:
                errors = []
                for _ in range(lesions):
                    mask, grid, body = ellipsoid_on_grid(random, kind, pixel_mm, random.uniform(low, high))
                    if mask.any():
                        found = longest_diameters(mask, grid)
                        errors.append((found.longest_mm - body.best_cut_mm(grid)[0]) / pixel_mm)
                bias, error = float(np.mean(errors)), float(np.mean(np.abs(errors)))
                good = abs(bias) <= BIAS_LIMIT_PIXELS and error <= ERROR_LIMIT_PIXELS
                kept &= good
                cells.append(f"{bias:+.2f} / {error:.2f}{' ' if good else '!'}")
            print(f"{kind:12} {pixel_mm:8.1f}  " + "  ".join(cell.rjust(13) for cell in cells))
    return kept


def peers(random: Random, lesions: int) -> None:
    """Print the same error of simpler estimators, and that of the short axis, over all strata."""
    errors: dict[str, list[float]] = {name: [] for name in (*ESTIMATORS, "lesiontrack, short axis")}
    for _ in range(lesions):
        pixel_mm = random.uniform(0.7, 2.0)
        kind = str(random.choice(GRIDS))
        mask, grid, body = ellipsoid_on_grid(
            random, kind, pixel_mm, float(np.exp(random.uniform(np.log(3), np.log(30))))
        )
        if not mask.any():
            continue
        longest_mm, short_mm = body.best_cut_mm(grid)
        for name, estimate in ESTIMATORS.items():
            errors[name].append((estimate(mask, grid) - longest_mm) / pixel_mm)
        errors["lesiontrack, short axis"].append((longest_diameters(mask, grid).short_mm - short_mm) / pixel_mm)
    print(
        f"\nall strata, {len(errors['lesiontrack'])} ellipsoids: bias / mean absolute error / 95th percentile, pixels"
    )
    for name, values in errors.items():
        size = np.abs(values)
        print(f"{name:26} {np.mean(values):+.2f} / {size.mean():.2f} / {np.percentile(size, 95):.2f}")


def group(random: Random, n: int, closeness: float) -> tuple[Bools, Grid]:
    """Draw ``n`` bodies around the first, each at ``closeness`` times the sum of both radii, voxelised together."""
    radii = [random.uniform(4.0, 15.0)]
    radii += [radii[0] * random.uniform(0.45, 1.0) for _ in range(n - 1)]
    places = [np.zeros(3)]
    while len(places) < n:
        towards = random.normal(size=3)
        radius = radii[len(places)]
        place = towards / np.linalg.norm(towards) * closeness * (radii[0] + radius)
        gaps = [np.linalg.norm(place - p) - closeness * (radius + r) for p, r in zip(places, radii, strict=False)]
        if min(gaps) > -1e-6:
            places.append(place)
    axes = [r * np.exp(random.uniform(-0.15, 0.15, 3)) for r in radii]
    slice_mm = float(random.choice([1.0, 2.5, 5.0]))
    bodies = [Body(random, a, p) for a, p in zip(axes, places, strict=True)]
    reach = max(float(np.linalg.norm(b.centre_mm)) + b.reach_mm for b in bodies) + slice_mm
    grid = random_grid(random, "plain", random.uniform(0.7, 1.6), slice_mm, reach)
    return voxelised(bodies, grid), grid


def one_body(random: Random, lobes: float) -> tuple[Bools, Grid]:
    """Draw one ellipsoid (axes up to 1 : 2.2), smooth or lobulated."""
    axes = random.uniform(4.0, 15.0) * np.exp(random.uniform(-0.4, 0.4, 3))
    slice_mm = float(random.choice([1.0, 2.5, 5.0]))
    body = Body(random, axes, random.uniform(-0.5, 0.5, 3), lobes=lobes)
    grid = random_grid(random, "plain", random.uniform(0.7, 1.6), slice_mm, body.reach_mm + slice_mm)
    return voxelised([body], grid), grid


def counted(mask: Bools, grid: Grid) -> tuple[int, int, int]:
    """Return low, hepatic and high count of one mask, without image."""
    volume, segmentation = scene(np.zeros(grid.shape, dtype=np.int16), mask.astype(np.uint16), grid)
    found = measure(volume, segmentation, timepoint=0, date=dt.date(2020, 1, 1), settings=MeasureSettings())
    total = count(found.lesions)
    return total.low, total.hepatic, total.high


def scene(voxels: NDArray[np.int16], labels: NDArray[np.uint16], grid: Grid) -> tuple[Volume, Segmentation]:
    """Wrap arrays as a CT with one segment of liver lesions."""
    segment = Segment(label=1, name="lesions", kind=SegmentKind.LESION, site="LIVER")
    volume = Volume(grid=grid, voxels=voxels, modality="CT", series_uid="1", slice_thickness_mm=1.25)
    return volume, Segmentation(grid=grid, liver=None, lesions=labels, segments=(segment,))


def touching(random: Random, trials: int) -> None:
    """Print how often touching lesions are counted rightly, and single ones left whole."""
    print(f"\ntouching lesions in one mask, {trials} masks a row (slices 1 to 5, pixels 0.7 to 1.6, radii 2 to 17 mm)")
    print(f"{'mask':44} {'exact':>6} {'in low-high':>12} {'too many':>9} {'high-low':>9}")
    rows: list[tuple[str, int, Callable[[], tuple[Bools, Grid]]]] = [
        ("one ellipsoid", 1, lambda: one_body(random, 0.0)),
        ("one lobulated body", 1, lambda: one_body(random, 0.08)),
    ]
    for n in (2, 3):
        for closeness in (0.7, 0.8, 0.9, 1.0):
            name = f"{n} bodies, centres {closeness:g} of the radii's sum apart"
            rows.append((name, n, lambda n=n, closeness=closeness: group(random, n, closeness)))  # type: ignore[misc]
    for name, truth, draw in rows:
        found = np.array([counted(*draw()) for _ in range(trials)])
        low, number, high = found.T
        print(
            f"{name:44} {np.mean(number == truth):6.2f} {np.mean((low <= truth) & (truth <= high)):12.2f} "
            f"{np.mean(number > truth):9.3f} {np.mean(high - low):9.2f}"
        )


def speed(random: Random) -> None:
    """Print CPU seconds for 40 lesions in a volume of 512 x 512 x 300."""
    shape = (300, 512, 512)
    steps = np.array([[0.0, 0.0, 1.25], [0.0, 0.75, 0.0], [0.75, 0.0, 0.0]])
    grid = Grid.from_axes(shape=shape, origin_lps_mm=np.zeros(3), steps_lps_mm=steps)
    labels = np.zeros(shape, dtype=np.uint16)
    for place in range(40):
        axes = random.uniform(3.0, 13.0, 3)
        corner = (40 + 45 * (place % 5), 120 + 65 * (place // 5 % 4), 120 + 110 * (place // 20))
        box = (40, 60, 60)
        part = grid.crop(corner, box)
        body = Body(random, axes, part.to_lps_mm((np.array(box) - 1) / 2.0))
        labels[tuple(slice(c, c + n) for c, n in zip(corner, box, strict=True))] |= voxelised([body], part).astype(
            np.uint16
        )
    noise = random.integers(-15, 16, shape, dtype=np.int16) + np.int16(110)
    volume, segmentation = scene(noise - (40 * labels).astype(np.int16), labels, grid)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        found = measure(volume, segmentation, timepoint=0, date=dt.date(2020, 1, 1), settings=MeasureSettings())
        seconds.append(time.process_time() - start)
    print(f"\n512 x 512 x 300, {len(found.lesions)} lesions, components included: {min(seconds):.2f} CPU s (best of 3)")


def main() -> int:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lesions", type=int, default=50, help="lesions or masks a cell")
    parser.add_argument("--seed", type=int, default=2026, help="the estimator was tuned on seeds 0 to 5")
    parser.add_argument("--touching", action="store_true", help="only the masks of touching lesions")
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    if options.touching:
        touching(random, options.lesions)
        return 0
    kept = diameters(random, options.lesions)
    peers(random, 5 * options.lesions)
    touching(random, options.lesions)
    speed(random)
    print(f"diameter limits ({BIAS_LIMIT_PIXELS} / {ERROR_LIMIT_PIXELS} pixels) {'kept' if kept else 'MISSED'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
