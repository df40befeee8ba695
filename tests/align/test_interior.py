"""What images alone say inside the liver: a known bend in a texture, whatever its brightness; engines and the extra."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.align import AlignSettings, Prepared, require_engine
from lesiontrack.align.descriptor import BITS, self_similarity
from lesiontrack.align.engines import engine
from lesiontrack.align.grids import lps_grid, over_grid, points_of
from lesiontrack.align.interior import follow_interior
from lesiontrack.domain.geometry import Grid, Transform
from lesiontrack.errors import SettingsError

GRID = lps_grid((44, 44, 44), np.full(3, -64.5), 3.0)
RADIUS_MM = 48.0
BEND_MM = 7.0


def bent(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Later to earlier: a smooth bend, up to 7 mm along each axis."""
    moved = points.copy()
    for axis in range(3):
        moved[..., axis] += BEND_MM * np.sin(points[..., (axis + 1) % 3] / 35.0 + axis)
    return moved


def scan(image: NDArray[np.float64], timepoint: int) -> Prepared:
    distance = np.linalg.norm(points_of(GRID), axis=-1) - RADIUS_MM
    return Prepared(
        timepoint=timepoint,
        series_uid=f"S{timepoint}",
        modality="CT",
        scan=GRID,
        grid=GRID,
        image=np.rint(image).astype(np.int16),
        distance_mm=np.clip(distance, -40, 40).astype(np.float16),
        body_grid=GRID,
        body=np.zeros(GRID.shape, dtype=np.int16),
        points_lps_mm=np.zeros((0, 3)),
        radii_mm=np.zeros(0),
        other_points_lps_mm=np.zeros((0, 3)),
        liver_volume_mm3=4.6e5,
        liver_cut=False,
    )


@pytest.fixture(scope="module")
def pair() -> tuple[Prepared, Prepared]:
    rng = np.random.default_rng(4)
    texture = ndimage.gaussian_filter(rng.standard_normal(GRID.shape), 1.6)
    texture *= 60.0 / texture.std()
    index = np.moveaxis(GRID.to_index(bent(points_of(GRID))), -1, 0)
    later = ndimage.map_coordinates(texture, index, order=1, mode="nearest")
    return scan(texture, 0), scan(later, 1)


def error_mm(found: Transform | None) -> float:
    assert found is not None
    points = points_of(GRID)[::4, ::4, ::4].reshape(-1, 3)
    points = points[np.linalg.norm(points, axis=1) < RADIUS_MM - 5.0]
    return float(np.linalg.norm(found.apply(points) - bent(points), axis=1).mean())


def test_a_bend_is_followed_without_any_lesion(pair: tuple[Prepared, Prepared]) -> None:
    assert error_mm(Transform.identity()) > 7.0
    assert error_mm(follow_interior(*pair, Transform.identity())) < 1.5


def test_brightness_turned_over_makes_no_difference(pair: tuple[Prepared, Prepared]) -> None:
    """As from CT to MR: what is bright in one is dark in the other, and unevenly lit."""
    earlier, later = pair
    light = 1.0 + 0.3 * np.sin(np.arange(44) / 20.0)[:, None, None]
    turned = replace(later, image=np.rint((300.0 - 0.7 * later.image) * light).astype(np.int16), modality="MR")
    assert error_mm(follow_interior(earlier, turned, Transform.identity())) < 1.7


def test_a_bad_start_is_mended_and_the_result_is_always_the_same(pair: tuple[Prepared, Prepared]) -> None:
    start = np.eye(4)
    start[:3, 3] = (9.0, -8.0, 10.0)
    first, second = (follow_interior(*pair, Transform(affine=start)) for _ in range(2))
    assert error_mm(first) < 2.0
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.displacement_mm, second.displacement_mm)


def test_a_missing_liver_mask_is_made_up_for(pair: tuple[Prepared, Prepared]) -> None:
    """By the earlier one where there is one, else by what lies around the lesions."""
    later = replace(pair[1], distance_mm=None)
    assert error_mm(follow_interior(pair[0], later, Transform.identity())) < 2.5
    lesion = replace(later, points_lps_mm=np.zeros((1, 3)), radii_mm=np.array([5.0]))
    found = follow_interior(replace(pair[0], distance_mm=None), lesion, Transform.identity())
    assert found is not None
    assert np.linalg.norm(found.apply(np.zeros(3)) - bent(np.zeros(3))) < 2.5


def test_images_that_show_nothing_say_nothing(pair: tuple[Prepared, Prepared]) -> None:
    flat = replace(pair[0], image=np.zeros_like(pair[0].image))
    assert follow_interior(flat, pair[1], Transform.identity()) is None
    unmarked = [replace(prepared, distance_mm=None) for prepared in pair]
    assert follow_interior(unmarked[0], unmarked[1], Transform.identity()) is None
    assert engine(AlignSettings(engine="surface"))(*pair, Transform.identity()) is None


# SWIG's own warning at import, which an error would crash.
@pytest.mark.filterwarnings("ignore:builtin type:DeprecationWarning")
def test_elastix_does_the_same_where_it_is_installed(pair: tuple[Prepared, Prepared]) -> None:
    pytest.importorskip("itk", reason="the extra elastix is not installed")
    assert error_mm(engine(AlignSettings(engine="elastix"))(*pair, Transform.identity())) < 2.0


def test_elastix_without_its_extra_is_refused_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("lesiontrack.align.elastix.version", absent)
    require_engine(AlignSettings())
    with pytest.raises(SettingsError, match=r"lesiontrack-crlm\[elastix\]"):
        require_engine(AlignSettings(engine="elastix"))


def test_a_map_over_a_grid_is_the_map_of_its_points() -> None:
    rng = np.random.default_rng(5)
    affine = np.eye(4)
    affine[:3] += rng.normal(0.0, 0.05, (3, 4))
    bend = rng.normal(size=(6, 7, 8, 3)).astype(np.float32)
    coarse, fine = lps_grid((6, 7, 8), np.array([1.0, 2.0, 3.0]), 12.0), lps_grid((30, 33, 36), np.full(3, -4.0), 3.0)
    turned = Grid(shape=coarse.shape, affine=affine @ coarse.affine)
    for way in (
        Transform(affine=affine),
        *(Transform(affine=affine, displacement_mm=bend, grid=g) for g in (coarse, turned)),
    ):
        np.testing.assert_allclose(over_grid(way, fine), way.apply(points_of(fine)), atol=1e-5)


def test_words_differ_in_more_bits_the_less_alike_voxels_are() -> None:
    rng = np.random.default_rng(6)
    image = ndimage.gaussian_filter(rng.standard_normal((20, 20, 20)), 2.0).astype(np.float32)
    words = self_similarity(image)

    def bits(other: NDArray[np.uint64]) -> float:
        return float(np.bitwise_count(words ^ other)[4:-4, 4:-4, 4:-4].mean())

    assert bits(self_similarity(300.0 - 0.7 * image)) < 0.05 * BITS
    near, far = (bits(np.roll(words, n, axis=0)) for n in (1, 6))
    assert 0.0 < near < 0.7 * far
    assert far < BITS
    assert len(np.unique(self_similarity(np.full((9, 9, 9), 7.0, dtype=np.float32)))) == 1
