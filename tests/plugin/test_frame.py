"""A scan on napari's axes: no voxel is copied, no millimetre is lost, right is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid
from lesiontrack.errors import GeometryError
from lesiontrack_napari.frame import frame_of, onto

SHAPE = (4, 5, 6)
# Steps of k, j, i in LPS (x, y, z): as acquired in each plane, and one that runs against every axis.
PLANES = {
    "axial": ([0, 0, 5], [0, 2, 0], [2, 0, 0]),
    "axial from the head": ([0, 0, -5], [0, 2, 0], [2, 0, 0]),
    "coronal": ([0, 5, 0], [0, 0, -2], [2, 0, 0]),
    "sagittal": ([5, 0, 0], [0, 0, -2], [0, 2, 0]),
    "against": ([0, 0, -5], [0, -2, 0], [-2, 0, 0]),
}


def _grid(plane: str, tilt: float = 0.0) -> Grid:
    steps = np.array(PLANES[plane], dtype=float)
    cosine, sine = np.cos(tilt), np.sin(tilt)
    turned = steps @ np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])
    return Grid.from_axes(shape=SHAPE, origin_lps_mm=np.array([-10.0, 20.0, 30.0]), steps_lps_mm=turned)


@pytest.mark.parametrize("plane", PLANES)
def test_world_is_the_patients_own_coordinates(plane: str) -> None:
    """Not oblique: (superior, posterior, left) of a voxel is its LPS place, read backwards."""
    grid = _grid(plane)
    index = np.argwhere(np.ones(SHAPE, bool)).astype(float)
    np.testing.assert_allclose(frame_of(grid).index_to_world(index), grid.to_lps_mm(index)[:, ::-1], atol=1e-9)
    assert not frame_of(grid).oblique


@pytest.mark.parametrize("plane", PLANES)
def test_the_view_shows_each_voxel_at_its_place_and_is_no_copy(plane: str) -> None:
    grid, array = _grid(plane), np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    frame = frame_of(grid)
    view = frame.view(array)
    assert np.shares_memory(view, array)
    for index in ((0, 0, 0), (3, 1, 5), (2, 4, 0)):
        at = np.round((frame.index_to_world(np.array(index, float)) - frame.translate_mm) / frame.scale_mm).astype(int)
        assert view[tuple(at)] == array[index]
    assert (frame.scale_mm > 0).all()


@given(
    plane=st.sampled_from(sorted(PLANES)),
    tilt=st.floats(-0.6, 0.6),
    point=st.tuples(*[st.floats(-200, 200)] * 3).map(np.array),
)
def test_lps_and_back_through_any_tilt(plane: str, tilt: float, point: NDArray[np.float64]) -> None:
    """An oblique scan is shown unturned; measuring goes back through its true geometry."""
    frame = frame_of(_grid(plane, tilt))
    np.testing.assert_allclose(frame.to_lps_mm(frame.to_world(point)), point, atol=1e-6)


@pytest.mark.parametrize(
    ("plane", "axis", "letters"),
    [
        ("axial", 0, {"top": "A", "bottom": "P", "left": "R", "right": "L"}),
        ("coronal", 1, {"top": "S", "bottom": "I", "left": "R", "right": "L"}),
        ("sagittal", 2, {"top": "S", "bottom": "I", "left": "A", "right": "P"}),
    ],
)
def test_the_scans_own_slices_are_shown_with_their_letters(plane: str, axis: int, letters: dict[str, str]) -> None:
    frame = frame_of(_grid(plane))
    assert frame.slice_axis == axis
    rows, columns = (other for other in range(3) if other != axis)
    assert frame.letters(rows, columns) == letters


@given(tilt=st.floats(-0.3, 0.3), point=st.tuples(*[st.floats(-30, 60)] * 3).map(np.array))
def test_points_are_put_onto_whole_slices(tilt: float, point: NDArray[np.float64]) -> None:
    """On a slice stays on that slice; a drawing's slice coordinate is a whole number."""
    frame = frame_of(_grid("axial", tilt))
    once = frame.on_slice(frame.to_world(point))
    np.testing.assert_allclose(frame.on_slice(once), once, atol=1e-9)
    assert float(frame.to_drawing(once)[0]) == round(float(frame.to_drawing(once)[0]))


def test_a_label_map_stored_on_other_axes_lies_on_the_same_voxels() -> None:
    """A file whose reader took x for the slice axis: each voxel keeps its place; another scan's is refused."""
    grid, labels = _grid("against"), np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    axes = [2, 0, 1, 3]
    moved = Grid(shape=(SHAPE[2], SHAPE[0], SHAPE[1]), affine=np.array(grid.affine)[:, axes])
    stored = np.ascontiguousarray(labels.transpose(2, 0, 1))
    np.testing.assert_array_equal(onto(grid, moved, stored), labels)
    with pytest.raises(GeometryError, match="not of its scan"):
        onto(_grid("axial"), moved.crop((1, 0, 0), (5, 4, 5)), stored[1:])
