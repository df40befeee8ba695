"""Views: orientation, square pixels, window, outlines and end points in the right place."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.domain.view import View, ViewKind
from lesiontrack.measure import Measured, MeasureSettings, lesion_view, measure, place_view, slice_view

# Steps along k, j, i in LPS mm: the same body on arrays that run every which way.
AXIAL = {
    "standard": [[0, 0, 2.0], [0, 1.0, 0], [1.0, 0, 0]],
    "feet first": [[0, 0, -2.0], [0, 1.0, 0], [1.0, 0, 0]],
    "left to right": [[0, 0, 2.0], [0, 1.0, 0], [-1.0, 0, 0]],
    "back to front": [[0, 0, 2.0], [0, -1.0, 0], [1.0, 0, 0]],
    "transposed": [[0, 0, 2.0], [1.0, 0, 0], [0, 1.0, 0]],
    "transposed and turned": [[0, 0, 2.0], [-1.0, 0, 0], [0, -1.0, 0]],
    "anisotropic": [[0, 0, 2.0], [0, 1.6, 0], [0.8, 0, 0]],
}
CENTRE = np.array([12.0, -8.0, 40.0])


def volume_on(steps: list[list[float]], shape: tuple[int, int, int] = (9, 70, 80), modality: str = "CT") -> Volume:
    """A volume around CENTRE: 100 HU; a lesion at CENTRE, and a bright mark 15 mm to the patient's right of it."""
    rows = np.array(steps, dtype=float)
    grid = Grid.from_axes(shape=shape, origin_lps_mm=CENTRE - ((np.array(shape) - 1) // 2) @ rows, steps_lps_mm=rows)
    points = points_of(grid)
    voxels = np.full(shape, 100, dtype=np.int16)
    voxels[np.linalg.norm(points - CENTRE, axis=-1) <= 7] = 40
    voxels[np.linalg.norm(points - CENTRE - np.array([-15.0, 0, 0]), axis=-1) <= 4] = 180
    voxels[np.linalg.norm(points - CENTRE - np.array([0, 15.0, 0]), axis=-1) <= 4] = -60
    return Volume(grid=grid, voxels=voxels, modality=modality, series_uid="1.2", slice_thickness_mm=2.0)


def points_of(grid: Grid) -> NDArray[np.float64]:
    return grid.to_lps_mm(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1).astype(float))


def measured_on(volume: Volume) -> Measured:
    labels = (np.linalg.norm(points_of(volume.grid) - CENTRE, axis=-1) <= 7).astype(np.uint16)
    segment = Segment(label=1, name="a", kind=SegmentKind.LESION, site="LIVER")
    segmentation = Segmentation(grid=volume.grid, liver=None, lesions=labels, segments=(segment,))
    return measure(volume, segmentation, timepoint=1, date=dt.date(2020, 1, 1), settings=MeasureSettings())


@pytest.mark.parametrize("kind", AXIAL)
def test_the_patient_s_right_is_on_the_left_and_the_back_below(kind: str) -> None:
    volume = volume_on(AXIAL[kind])
    found = measured_on(volume)
    view = lesion_view(volume, found.label_map, found.lesions[0], box_mm=50)
    middle = (np.array(view.pixels.shape) - 1) / 2
    brightest, darkest = (np.argwhere(view.pixels == value).mean(axis=0) for value in (255, 0))
    for place, (down_mm, right_mm) in ((brightest, (0.0, -15.0)), (darkest, (15.0, 0.0))):
        assert (place - middle) * view.pixel_mm == pytest.approx((down_mm, right_mm), abs=1.2)


@pytest.mark.parametrize("kind", AXIAL)
def test_outline_and_diameters_lie_on_the_lesion(kind: str) -> None:
    volume = volume_on(AXIAL[kind])
    found = measured_on(volume)
    (lesion,) = found.lesions
    view = lesion_view(volume, found.label_map, lesion, box_mm=50)
    middle = (np.array(view.pixels.shape) - 1) / 2
    ((number, outline),) = view.contours
    assert number == lesion.lesion_id
    assert np.linalg.norm(outline - middle, axis=1) * view.pixel_mm == pytest.approx(7.0, abs=1.3)
    assert outline[0] == pytest.approx(outline[-1])
    for ends, length_mm in (
        (view.diameter_px, lesion.longest_diameter_mm),
        (view.short_axis_px, lesion.short_axis_mm),
    ):
        assert ends is not None
        # Rounded to a tenth of a millimetre on one side.
        assert np.linalg.norm(ends[1] - ends[0]) * view.pixel_mm == pytest.approx(float(length_mm), abs=0.051)
        assert np.linalg.norm(ends - middle, axis=1).max() * view.pixel_mm < 8.5


def test_the_window_is_the_liver_s_for_ct() -> None:
    volume = volume_on(AXIAL["standard"])
    found = measured_on(volume)
    view = lesion_view(volume, found.label_map, found.lesions[0])
    middle = view.pixels.shape[0] // 2
    assert view.pixels.dtype == np.uint8
    assert view.pixels[middle, middle] == round((40 + 60) / 240 * 255)
    assert view.pixel_mm * view.pixels.shape[0] == pytest.approx(70.0)


def test_other_modalities_are_windowed_by_percentiles() -> None:
    grid = Grid.from_axes(shape=(4, 50, 50), origin_lps_mm=np.zeros(3), steps_lps_mm=np.eye(3)[::-1])
    voxels = np.broadcast_to(np.linspace(0, 1000, 50, dtype=np.float32), (4, 50, 50)).copy()
    volume = Volume(grid=grid, voxels=voxels, modality="MR", series_uid="1")
    view = slice_view(volume, np.zeros((4, 50, 50), dtype=np.uint16), 1, timepoint=0)
    assert (view.pixels.min(), view.pixels.max()) == (0, 255)
    assert view.pixels[0, 25] == pytest.approx(130, abs=2)
    flat = Volume(grid=grid, voxels=np.zeros_like(voxels), modality="MR", series_uid="1")
    assert not slice_view(flat, np.zeros((4, 50, 50), dtype=np.uint16), 1, timepoint=0).pixels.any()


def test_pixels_are_square_on_anisotropic_slices() -> None:
    volume = volume_on(AXIAL["anisotropic"])
    found = measured_on(volume)
    view = slice_view(volume, found.label_map, 4, timepoint=1)
    assert view.pixel_mm == pytest.approx(0.8)
    assert view.pixels.shape == (140, 80)
    ((_, outline),) = view.contours
    assert np.ptp(outline, axis=0) * view.pixel_mm == pytest.approx((14.0, 14.0), abs=1.6)


def test_a_whole_slice_is_kept_small_and_covers_the_field() -> None:
    volume = volume_on(AXIAL["standard"], shape=(3, 400, 500))
    view = slice_view(volume, np.zeros((3, 400, 500), dtype=np.uint16), 1, timepoint=3, max_px=100)
    assert (view.kind, view.timepoint, view.slice_index, view.lesion_id) == (ViewKind.SLICE, 3, 1, None)
    assert view.pixels.shape == (80, 100)
    assert view.pixel_mm == pytest.approx(5.0)
    assert (view.pixels[[0, -1]][:, [0, -1]] == round(160 / 240 * 255)).all()


def test_zones_are_outlined_with_negative_numbers() -> None:
    volume = volume_on(AXIAL["standard"])
    zones = np.zeros(volume.grid.shape, dtype=np.uint16)
    zones[4, 10:20, 10:20] = 3
    view = slice_view(volume, np.zeros_like(zones), 4, timepoint=0, zones=zones)
    ((number, outline),) = view.contours
    assert number == -3
    assert outline.min() == pytest.approx(9.5)
    assert outline.max() == pytest.approx(19.5)


def test_the_place_of_a_vanished_lesion_is_the_middle() -> None:
    volume = volume_on(AXIAL["left to right"])
    empty = np.zeros(volume.grid.shape, dtype=np.uint16)
    place = (10.0, -5.0, 43.2)
    view = place_view(volume, empty, place, timepoint=4, box_mm=40)
    assert (view.kind, view.lesion_id, view.contours, view.diameter_px) == (ViewKind.PLACE, None, (), None)
    assert view.slice_index == 6
    # In the plane of the nearest slice, straight above the place.
    assert view.centre_lps_mm == pytest.approx((10.0, -5.0, 44.0))


def test_a_place_beyond_the_volume_is_black_and_not_an_error() -> None:
    volume = volume_on(AXIAL["standard"])
    view = place_view(volume, np.zeros(volume.grid.shape, dtype=np.uint16), (500.0, 0.0, 900.0), timepoint=0)
    assert view.slice_index == 8
    assert not view.pixels.any()


def test_a_sheared_grid_shows_the_place_straight_below() -> None:
    volume = volume_on([[0, 0.9, 2.0], [0, 1.0, 0], [1.0, 0, 0]])
    view = place_view(volume, np.zeros(volume.grid.shape, dtype=np.uint16), (12.0, -8.0, 44.3), timepoint=0)
    assert view.centre_lps_mm == pytest.approx((12.0, -8.0, 44.0))


def test_coronal_slices_are_shown_as_acquired() -> None:
    volume = volume_on([[0, 2.0, 0], [0, 0, -1.0], [-1.0, 0, 0]])
    view = slice_view(volume, np.zeros(volume.grid.shape, dtype=np.uint16), 4, timepoint=0)
    low, high = -60, 180
    expected = np.rint(np.clip((volume.voxels[4].astype(float) - low) / (high - low), 0, 1) * 255)
    assert view.pixels.shape == (70, 80)
    assert np.abs(view.pixels - expected).max() <= 1


def test_a_view_survives_being_described() -> None:
    volume = volume_on(AXIAL["standard"])
    found = measured_on(volume)
    for view in (
        lesion_view(volume, found.label_map, found.lesions[0]),
        place_view(volume, found.label_map, (0.0, 0.0, 40.0), timepoint=1),
    ):
        again = View.from_description(json.loads(json.dumps(view.describe())), view.pixels)
        assert again.describe() == view.describe()
        assert again.pixels is view.pixels
