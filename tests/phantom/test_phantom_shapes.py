"""The lesion's body: its axial diameters, extent and volume against brute force and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from lesiontrack.errors import StudyError
from lesiontrack.phantom.shapes import (
    Ellipsoid,
    capsule_distance_mm,
    ellipsoid_distance_mm,
    random_rotation,
)

axes = st.tuples(*[st.floats(3.0, 40.0)] * 3)
seeds = st.integers(0, 2**31)


def body(axes_mm: tuple[float, ...], seed: int) -> Ellipsoid:
    rng = np.random.default_rng(seed)
    return Ellipsoid(
        centre_lps_mm=rng.uniform(-50, 50, 3), semi_axes_mm=np.array(axes_mm), rotation=random_rotation(rng)
    )


def outline(ellipsoid: Ellipsoid, offset_mm: float, n: int = 360) -> np.ndarray:
    """Points (n, 2) of the section at a height above the centre, as the affine image of a circle."""
    form = ellipsoid.matrix
    block, column, corner = form[:2, :2], form[:2, 2], form[2, 2]
    middle = -np.linalg.solve(block, column) * offset_mm
    level = 1.0 - offset_mm**2 * (corner - column @ np.linalg.solve(block, column))
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    return np.asarray(middle + np.sqrt(level) * np.linalg.solve(np.linalg.cholesky(block).T, circle).T)


@settings(max_examples=40)
@given(axes, seeds, st.floats(-0.95, 0.95))
def test_section_diameters_equal_the_brute_force_chords(axes_mm: tuple[float, ...], seed: int, part: float) -> None:
    ellipsoid = body(axes_mm, seed)
    offset = part * ellipsoid.half_height_mm
    points = outline(ellipsoid, offset)
    on_surface = np.column_stack([points, np.full(len(points), offset)]) + ellipsoid.centre_lps_mm
    assert ellipsoid.level(on_surface) == pytest.approx(np.ones(len(points)), abs=1e-9)
    longest, short = ellipsoid.axial_diameters_mm(offset)
    distances = pdist(points)
    assert longest == pytest.approx(distances.max(), rel=1e-4)
    first, second = np.triu_indices(len(points), 1)
    axis = points[second[distances.argmax()]] - points[first[distances.argmax()]]
    across = np.array([-axis[1], axis[0]]) / np.linalg.norm(axis)
    if longest > 1.05 * short:
        assert short == pytest.approx(np.ptp(points @ across), rel=2e-2)


@given(axes, seeds)
def test_the_central_section_is_the_longest(axes_mm: tuple[float, ...], seed: int) -> None:
    ellipsoid = body(axes_mm, seed)
    longest, short = ellipsoid.axial_diameters_mm()
    for part in np.linspace(-1.2, 1.2, 9):
        other = ellipsoid.axial_diameters_mm(float(part) * ellipsoid.half_height_mm)
        assert other[0] <= longest + 1e-9
        assert other[1] <= short + 1e-9
    planes = ellipsoid.centre_lps_mm[2] + np.arange(-60, 60, 2.5) + 1.1
    assert ellipsoid.sampled_diameters_mm(planes)[0] <= longest
    assert short <= longest


@given(axes, seeds, st.floats(5.0, 60.0))
def test_scaling_sets_the_diameter_exactly_and_keeps_the_shape(
    axes_mm: tuple[float, ...], seed: int, mm: float
) -> None:
    ellipsoid = body(axes_mm, seed)
    assert ellipsoid.scaled_to(mm).axial_diameters_mm()[0] == pytest.approx(mm, rel=1e-12)
    short = ellipsoid.scaled_to(mm, axis="short")
    assert short.axial_diameters_mm()[1] == pytest.approx(mm, rel=1e-12)
    ratio = short.semi_axes_mm / ellipsoid.semi_axes_mm
    assert ratio == pytest.approx(np.full(3, ratio[0]))


@given(axes, seeds, st.floats(0, 360))
def test_turning_about_the_body_axis_changes_no_diameter(axes_mm: tuple[float, ...], seed: int, degrees: float) -> None:
    ellipsoid = body(axes_mm, seed)
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turned = ellipsoid.placed(np.zeros(3), np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]))
    assert turned.axial_diameters_mm() == pytest.approx(ellipsoid.axial_diameters_mm())
    assert turned.volume_mm3 == pytest.approx(ellipsoid.volume_mm3)


def test_volume_and_extent_agree_with_counted_points() -> None:
    ellipsoid = body((12.0, 9.0, 7.0), 5)
    step = 0.25
    index = np.arange(-14, 14, step)
    grid = np.stack(np.meshgrid(index, index, index, indexing="ij"), axis=-1) + ellipsoid.centre_lps_mm
    inside = ellipsoid.level(grid) <= 1
    assert inside.sum() * step**3 == pytest.approx(ellipsoid.volume_mm3, rel=2e-3)
    spread = np.ptp(grid[inside], axis=0) / 2
    assert spread == pytest.approx(ellipsoid.half_extent_mm, abs=step)


def test_a_sphere_has_its_own_diameter_in_every_direction() -> None:
    sphere = Ellipsoid(centre_lps_mm=np.zeros(3), semi_axes_mm=np.full(3, 8.0), rotation=np.eye(3))
    assert sphere.axial_diameters_mm() == pytest.approx((16.0, 16.0))
    assert sphere.axial_diameters_mm(4.8) == pytest.approx((12.8, 12.8))
    assert sphere.axial_diameters_mm(8.1) == (0.0, 0.0)


def test_an_ellipsoid_without_extent_is_refused() -> None:
    with pytest.raises(StudyError, match="positive axes"):
        Ellipsoid(centre_lps_mm=np.zeros(3), semi_axes_mm=np.array([5.0, 0.0, 5.0]), rotation=np.eye(3))


def test_organ_distances_have_the_right_sign_and_are_exact_where_they_can_be() -> None:
    x, y, z = (np.array(values, np.float32) for values in ([0, 20, 30, 0], [0, 0, 0, 15], [0, 0, 0, 0]))
    sphere = ellipsoid_distance_mm((x, y, z), (0, 0, 0), (20, 20, 20))
    assert sphere[1:] == pytest.approx([0.0, 10.0, -5.0], abs=1e-4)
    assert sphere[0] <= 0
    tube = capsule_distance_mm((x, y, z), (0, 0, -10), (0, 0, 10), (5, 3))
    assert tube == pytest.approx([-4.0, 16.0, 26.0, 11.0], abs=1e-4)


def test_a_tilted_ellipsoid_turns_about_the_body_axis() -> None:
    along = np.array([20 * np.cos(np.deg2rad(30))], np.float32), np.array([20 * np.sin(np.deg2rad(30))], np.float32)
    zero = np.zeros(1, np.float32)
    assert ellipsoid_distance_mm((*along, zero), (0, 0, 0), (20, 5, 5), 30.0) == pytest.approx([0.0], abs=1e-4)
