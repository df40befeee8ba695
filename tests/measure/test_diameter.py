"""Diameters: analytic truth, rigid motion, and grids of every kind."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from lesiontrack.domain.geometry import Grid
from lesiontrack.measure import longest_diameters, tenth_mm

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def grid_of(shape: tuple[int, int, int], steps: Floats, origin: Floats | None = None) -> Grid:
    return Grid.from_axes(
        shape=shape, origin_lps_mm=np.zeros(3) if origin is None else origin, steps_lps_mm=np.asarray(steps)
    )


def plain(shape: tuple[int, int, int], slice_mm: float, pixel_mm: float) -> Grid:
    return grid_of(shape, np.array([[0, 0, slice_mm], [0, pixel_mm, 0], [pixel_mm, 0, 0]], dtype=float))


def ellipsoid(grid: Grid, centre: Floats, semi_axes: Floats, turn: Floats) -> Bools:
    points = grid.to_lps_mm(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1).astype(float))
    offset = (points - centre) @ turn
    inside: Bools = ((offset / semi_axes) ** 2).sum(axis=-1) <= 1.0
    return inside


def best_cut_mm(grid: Grid, centre: Floats, semi_axes: Floats, turn: Floats) -> tuple[float, float]:
    """Both axes of the longest true section among the slice planes."""
    form = turn @ np.diag(semi_axes**-2.0) @ turn.T
    axes = np.linalg.qr(grid.affine[:3, 1:3])[0]
    section = axes.T @ form @ axes
    low, high = np.linalg.eigvalsh(section)
    best = (0.0, 0.0)
    for k in range(grid.shape[0]):
        offset = grid.to_lps_mm(np.array([k, 0.0, 0.0])) - centre
        side = axes.T @ form @ offset
        size = 1.0 - offset @ form @ offset + side @ np.linalg.solve(section, side)
        if size > 0:
            best = max(best, (2 * float(np.sqrt(size / low)), 2 * float(np.sqrt(size / high))))
    return best


KINDS = {
    "plain": np.array([[0, 0, 2.0], [0, 1.0, 0], [1.0, 0, 0]]),
    "anisotropic": np.array([[0, 0, 2.0], [0, 1.25, 0], [0.8, 0, 0]]),
    "sheared": np.array([[0, 0.8, 2.0], [0, 1.0, 0], [1.0, 0, 0]]),
    "left handed": np.array([[0, 0, -2.0], [0, -1.0, 0], [1.0, 0, 0]]),
    "oblique": np.array([[0, 0, 2.0], [0, 1.0, 0], [1.0, 0, 0]])
    @ Rotation.from_euler("xyz", [20, 35, 50], True).as_matrix(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("radius_mm", [3.0, 6.0, 12.0])
def test_ellipsoids_are_measured_within_the_stated_error(kind: str, radius_mm: float) -> None:
    random = np.random.default_rng(7)
    scale = 1.0 if radius_mm > 4 else 0.8
    errors, short_errors = [], []
    for _ in range(30):
        n = int(np.ceil(2 * 1.36 * radius_mm / scale)) + 5
        grid = grid_of((n // 2 + 3, n + (n // 2 if kind == "sheared" else n // 4), n + n // 4), KINDS[kind] * scale)
        middle = grid.to_lps_mm((np.array(grid.shape) - 1) / 2)
        centre = middle + random.uniform(-1, 1, 3)
        semi_axes = radius_mm * np.exp(random.uniform(-0.3, 0.3, 3))
        turn = Rotation.random(rng=random).as_matrix()
        mask = ellipsoid(grid, centre, semi_axes, turn)
        truth = best_cut_mm(grid, centre, semi_axes, turn)
        found = longest_diameters(mask, grid)
        errors.append((found.longest_mm - truth[0]) / scale)
        short_errors.append((found.short_mm - truth[1]) / scale)
    # Thirty lesions: the limits of the benchmark (0.15 and 0.4) plus two standard errors of a mean over thirty.
    for name, values in (("longest", errors), ("short", short_errors)):
        assert abs(np.mean(values)) <= 0.15 + 2 * np.std(values) / 30**0.5, name
        assert np.mean(np.abs(values)) <= 0.4, name


def test_the_best_cut_slice_is_found() -> None:
    grid = plain((9, 40, 40), 5.0, 1.0)
    centre = grid.to_lps_mm(np.array([5.0, 20.0, 20.0]))
    found = longest_diameters(ellipsoid(grid, centre, np.array([12.0, 8.0, 14.0]), np.eye(3)), grid)
    assert found.slice_index == 5
    assert found.longest_mm == pytest.approx(24.0, abs=0.4)
    assert found.short_mm == pytest.approx(16.0, abs=0.4)


def test_end_points_span_the_diameter_and_lie_in_the_slice() -> None:
    grid = grid_of((20, 50, 50), KINDS["oblique"])
    mask = ellipsoid(grid, grid.to_lps_mm(np.array([9.3, 25.1, 24.2])), np.array([15.0, 9.0, 11.0]), np.eye(3))
    found = longest_diameters(mask, grid)
    longest, short = grid.to_lps_mm(found.longest_ends_kji), grid.to_lps_mm(found.short_ends_kji)
    assert np.linalg.norm(longest[1] - longest[0]) == pytest.approx(found.longest_mm)
    assert np.linalg.norm(short[1] - short[0]) == pytest.approx(found.short_mm)
    assert (longest[1] - longest[0]) @ (short[1] - short[0]) == pytest.approx(0.0, abs=1e-6)
    assert (found.longest_ends_kji[:, 0] == found.slice_index).all()
    assert (found.short_ends_kji[:, 0] == found.slice_index).all()


def test_a_rectangle_has_its_diagonal() -> None:
    grid = plain((3, 30, 40), 3.0, 1.0)
    mask = np.zeros(grid.shape, dtype=bool)
    mask[1, 5:20, 5:30] = True
    found = longest_diameters(mask, grid)
    # Corners are rounded by the smoothing along the boundary: between the diagonal of centres and that of pixels.
    assert np.hypot(14, 24) - 1e-6 <= found.longest_mm < np.hypot(15, 25)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (1, 7), (2, 2), (1, 150)])
def test_the_smallest_shapes_have_a_size(rows: int, columns: int) -> None:
    grid = plain((1, rows + 2, columns + 2), 3.0, 1.0)
    mask = np.zeros(grid.shape, dtype=bool)
    mask[0, 1 : 1 + rows, 1 : 1 + columns] = True
    found = longest_diameters(mask, grid)
    assert max(rows, columns) - 1 <= found.longest_mm <= np.hypot(rows, columns)
    assert 0 <= found.short_mm <= found.longest_mm


def test_a_lesion_at_the_border_of_the_array_ends_half_a_voxel_beyond_its_last_voxel() -> None:
    grid = plain((1, 20, 20), 3.0, 1.0)
    found = longest_diameters(np.ones(grid.shape, dtype=bool), grid)
    assert np.hypot(19, 19) - 1e-6 <= found.longest_mm < np.hypot(20, 20)


def test_the_perpendicular_of_a_concave_lesion_spans_its_outline() -> None:
    grid = plain((1, 24, 44), 3.0, 1.0)
    mask = np.zeros(grid.shape, dtype=bool)
    mask[0, 2:22, 2:12] = True
    mask[0, 2:22, 32:42] = True
    mask[0, 2:7, 2:42] = True
    found = longest_diameters(mask, grid)
    assert found.longest_mm == pytest.approx(np.hypot(40, 20), abs=1.5)


masks = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((2, 6, 7)) < 0.5).filter(np.any)


@settings(max_examples=60)
@given(mask=masks, angles=st.tuples(*[st.floats(-180, 180)] * 3), shift=st.floats(-300, 300))
def test_moving_the_patient_changes_no_length(mask: Bools, angles: tuple[float, float, float], shift: float) -> None:
    steps = KINDS["anisotropic"]
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    still = longest_diameters(mask, grid_of((2, 6, 7), steps))
    moved = longest_diameters(mask, grid_of((2, 6, 7), steps @ turn.T, np.full(3, shift)))
    assert moved.longest_mm == pytest.approx(still.longest_mm, abs=1e-6)


@settings(max_examples=60)
@given(mask=masks)
def test_turning_the_array_turns_the_diameter(mask: Bools) -> None:
    grid = grid_of((2, 6, 7), KINDS["plain"])
    turned = grid_of((2, 7, 6), KINDS["plain"])
    here = longest_diameters(mask, grid)
    there = longest_diameters(np.ascontiguousarray(mask.transpose(0, 2, 1)), turned)
    assert there.longest_mm == pytest.approx(here.longest_mm, abs=1e-5)


@settings(max_examples=60)
@given(mask=masks, scale=st.floats(0.1, 10))
def test_lengths_scale_with_the_voxels(mask: Bools, scale: float) -> None:
    one = longest_diameters(mask, grid_of((2, 6, 7), KINDS["plain"]))
    other = longest_diameters(mask, grid_of((2, 6, 7), KINDS["plain"] * scale))
    assert other.longest_mm == pytest.approx(scale * one.longest_mm)


@settings(max_examples=60)
@given(mask=masks)
def test_the_diameter_lies_between_that_of_voxel_centres_and_that_of_voxel_corners(mask: Bools) -> None:
    grid = grid_of((2, 6, 7), KINDS["plain"])
    lengths = []
    for reach in (0.0, 0.5):
        widest = 0.0
        for k in range(2):
            at = np.argwhere(mask[k])[:, None, :] + np.array([(a, b) for a in (-reach, reach) for b in (-reach, reach)])
            at = at.reshape(-1, 2)
            if len(at):
                widest = max(widest, float(np.linalg.norm(at[:, None] - at[None], axis=-1).max()))
        lengths.append(widest)
    assert lengths[0] - 1e-6 <= longest_diameters(mask, grid).longest_mm <= lengths[1] + 1e-6


@pytest.mark.parametrize(
    ("length_mm", "rounded"),
    [(10.04, "10.0"), (10.06, "10.1"), (0.25, "0.2"), (0.75, "0.8"), (12.0, "12.0"), (9.999, "10.0"), (9.949, "9.9")],
)
def test_lengths_are_rounded_once_half_to_even(length_mm: float, rounded: str) -> None:
    assert tenth_mm(length_mm) == Decimal(rounded)
    assert str(tenth_mm(length_mm)) == rounded
