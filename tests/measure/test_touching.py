"""Touching lesions: separated where the shape says so, never across what is plainly one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from lesiontrack.domain.geometry import Grid
from lesiontrack.domain.lesion import Certainty
from lesiontrack.measure import MeasureSettings
from lesiontrack.measure.touching import Pieces, ellipsoid_fill, separate

Bools = NDArray[np.bool_]
SETTINGS = MeasureSettings()


def grid_of(slice_mm: float) -> Grid:
    shape = (int(60 / slice_mm), 60, 80)
    return Grid.from_axes(
        shape=shape, origin_lps_mm=np.zeros(3), steps_lps_mm=np.array([[0, 0, slice_mm], [0, 1.0, 0], [1.0, 0, 0]])
    )


def ball(grid: Grid, centre_mm: tuple[float, float, float], radius_mm: float) -> Bools:
    points = grid.to_lps_mm(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1).astype(float))
    inside: Bools = np.linalg.norm(points - np.array(centre_mm), axis=-1) <= radius_mm
    return inside


def split(mask: Bools, grid: Grid, settings: MeasureSettings = SETTINGS) -> Pieces:
    """Separate the crop of a mask, and give its labels back in the whole."""
    (box,) = ndimage.find_objects(mask.astype(np.int8))
    k, j, i = box
    crop = grid.crop((k.start, j.start, i.start), mask[box].shape)
    pieces = separate(mask[box], crop, settings)
    labels = np.zeros(mask.shape, dtype=np.int32)
    labels[box] = pieces.labels
    return replace(pieces, labels=labels)


@pytest.mark.parametrize("slice_mm", [1.0, 2.5, 5.0])
@pytest.mark.parametrize("apart", [1.7, 1.9])
def test_two_balls_that_touch_are_two_lesions(slice_mm: float, apart: float) -> None:
    grid = grid_of(slice_mm)
    left, right = ball(grid, (25.2, 30, 30), 10), ball(grid, (25.2 + 10 * apart, 30, 30), 10)
    pieces = split(left | right, grid)
    assert pieces.count == 2
    assert pieces.max_components == (1, 1)
    # The cut lies in the middle between both: each keeps its own.
    found = {int(np.median(pieces.labels[left & ~right])), int(np.median(pieces.labels[right & ~left]))}
    assert found == {1, 2}
    wrong = min(
        np.count_nonzero((pieces.labels == a) & right & ~left)
        + np.count_nonzero((pieces.labels == 3 - a) & left & ~right)
        for a in (1, 2)
    )
    assert wrong <= 0.02 * np.count_nonzero(left | right)
    assert pieces.notes[0].startswith("separated from a mask of 2 touching lesions: necks up to 0.")


def test_pieces_cover_the_mask_and_nothing_else() -> None:
    grid = grid_of(2.5)
    mask = ball(grid, (20, 30, 30), 10) | ball(grid, (38, 30, 30), 9) | ball(grid, (20, 47, 30), 8)
    pieces = split(mask, grid)
    assert pieces.count == 3
    assert ((pieces.labels > 0) == mask).all()


def test_narrow_necks_leave_all_certain_and_wider_ones_only_the_largest() -> None:
    grid = grid_of(1.0)
    narrow = split(ball(grid, (20, 30, 30), 10) | ball(grid, (36.5, 30, 30), 7), grid)
    assert narrow.certainty == (Certainty.CERTAIN, Certainty.CERTAIN)
    wide = split(ball(grid, (20, 30, 30), 10) | ball(grid, (35, 30, 30), 8.5), grid)
    assert wide.count == 2
    sizes = np.bincount(wide.labels.ravel())[1:]
    assert wide.certainty[int(sizes.argmax())] is Certainty.CERTAIN
    assert wide.certainty[int(sizes.argmin())] is Certainty.PROBABLE


def test_a_wide_neck_is_not_cut_but_counted() -> None:
    grid = grid_of(1.0)
    mask = ball(grid, (25, 30, 30), 10) | ball(grid, (37.5, 30, 30), 10)
    pieces = split(mask, grid)
    assert (pieces.count, pieces.certainty, pieces.max_components) == (1, (Certainty.CONFLUENT,), (2,))
    assert pieces.notes == ("may be up to 2 lesions: necks up to 0.95 of the inner radius",)


def test_splitting_can_be_turned_off() -> None:
    grid = grid_of(1.0)
    mask = ball(grid, (20, 30, 30), 10) | ball(grid, (39, 30, 30), 10)
    pieces = split(mask, grid, MeasureSettings(split_touching=False))
    assert (pieces.count, pieces.max_components) == (1, (2,))


@pytest.mark.parametrize("slice_mm", [1.0, 2.5, 5.0])
def test_no_ellipsoid_is_ever_cut(slice_mm: float) -> None:
    random = np.random.default_rng(3)
    grid = grid_of(slice_mm)
    points = grid.to_lps_mm(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1).astype(float))
    for _ in range(25):
        axes = random.uniform(4, 11) * np.exp(random.uniform(-0.45, 0.45, 3))
        offset = (points - np.array([40, 30, 30]) - random.uniform(-1, 1, 3)) @ Rotation.random(rng=random).as_matrix()
        mask = ((offset / axes) ** 2).sum(axis=-1) <= 1
        assert split(mask, grid).count == 1


def test_a_long_lesion_is_one() -> None:
    grid = grid_of(2.5)
    cylinder = np.zeros(grid.shape, dtype=bool)
    cylinder[8:14, 20:35, 5:75] = True
    assert split(cylinder, grid).count == 1


def test_a_bean_is_one() -> None:
    grid = grid_of(2.0)
    bean = ball(grid, (40, 30, 30), 16) & ~ball(grid, (40, 12, 30), 9)
    assert split(bean, grid).count == 1


@pytest.mark.parametrize("slice_mm", [1.0, 2.5])
def test_an_ellipsoid_fills_its_moments_and_two_balls_do_not(slice_mm: float) -> None:
    grid = grid_of(slice_mm)
    one, other = ball(grid, (25, 30, 30), 10), ball(grid, (45, 30, 30), 10)
    assert ellipsoid_fill(one) == pytest.approx(1.0, abs=0.02)
    # Two touching unit balls: variance 1/5 across, 1/5 + 1 along; hence 2 / sqrt(6).
    assert ellipsoid_fill(one | other) == pytest.approx(2 / 6**0.5, abs=0.02)


def test_empty_slices_around_a_mask_change_nothing() -> None:
    grid = grid_of(5.0)
    mask = ball(grid, (25, 30, 30), 10) | ball(grid, (43, 30, 30), 10)
    assert (separate(mask, grid, SETTINGS).labels == split(mask, grid).labels).all()


def test_a_small_lesion_on_two_slices_is_not_cut_between_them() -> None:
    """Two discs side by side, each on a slice of its own: what lies between the slices nobody has seen."""
    grid = grid_of(5.0)
    mask = np.zeros(grid.shape, dtype=bool)
    mask[5, 28:33, 26:31] = mask[6, 31:36, 29:34] = True
    pieces = split(mask, grid)
    assert pieces.count == 1
    in_plane = np.zeros_like(mask)
    in_plane[5:8] = (ball(grid, (20, 30, 30), 7) | ball(grid, (32.5, 30, 30), 7))[6]
    assert split(in_plane, grid).count == 2


@pytest.mark.parametrize("apart", [1.1, 1.2])
def test_bodies_that_overlap_without_a_neck_are_counted_as_maybe_two(apart: float) -> None:
    grid = grid_of(1.0)
    together = ball(grid, (25.2, 30, 30), 10) | ball(grid, (25.2 + 10 * apart, 30, 30), 9)
    pieces = split(together, grid)
    assert (pieces.count, pieces.certainty, pieces.max_components) == (1, (Certainty.CONFLUENT,), (2,))
    assert split(together, grid, MeasureSettings(lobulated_fill=0.0, confluent_neck_ratio=0.75)).max_components == (1,)


@pytest.mark.parametrize("radius", [3.5, 5.0, 8.0, 12.0])
def test_an_uneven_outline_makes_no_lesion_several(radius: float) -> None:
    """Outlines off by half a millimetre, as readers and networks draw them, are no sign of a second lesion."""
    random = np.random.default_rng(7)
    grid = grid_of(1.0)
    points = grid.to_lps_mm(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1).astype(float))
    distance_mm = np.linalg.norm(points - np.array([40.0, 30.0, 30.0]), axis=-1) - radius
    several = []
    for _ in range(20):
        uneven = ndimage.gaussian_filter(random.standard_normal(grid.shape), (0.0, 2.0, 2.0))
        mask = distance_mm + 0.5 * uneven / uneven.std() < 0
        parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
        largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
        several.append(sum(split(largest, grid).max_components) > 1)
    assert np.mean(several) <= 0.1
