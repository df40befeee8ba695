"""A pane draws in true millimetres, whichever way the scan was taken."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, Volume
from lesiontrack_napari.frame import frame_of
from lesiontrack_napari.layers import Lines, Marks, window_of
from lesiontrack_napari.panels.pane import Pane

X, Y, Z = np.eye(3)
PLANES = {"axial": (5 * Z, Y, X), "coronal": (5 * Y, -Z, X), "sagittal": (5 * X, -Z, Y)}
SIZES_MM = np.array([1.8, 30.0])


@pytest.mark.parametrize("plane", PLANES)
def test_marks_have_their_size_on_every_plane(plane: str) -> None:
    steps: NDArray[np.float64] = np.array(PLANES[plane])
    grid = Grid.from_axes(shape=(8, 20, 20), origin_lps_mm=np.zeros(3), steps_lps_mm=steps)
    voxels = np.zeros(grid.shape, dtype=np.int16)
    volume = Volume(grid=grid, voxels=voxels, modality="CT", series_uid="1.2")
    frame, pane = frame_of(grid), Pane(ViewerModel())
    pane.show_scan(volume, frame, window_of(volume), "visit 0")
    features = pd.DataFrame(
        {
            "track_id": ["L01", "L02"],
            "kind": ["end", "treated"],
            "symbol": ["disc", "square"],
            "colour": ["#ffffff", "#ffffff"],
            "text": ["", ""],
            "ink": ["#ffffff", "#ffffff"],
            "drawn": [True, True],
        }
    )
    places = frame.to_world(np.array([grid.to_lps_mm(np.array([4.0, 10.0, 10.0]))] * 2))
    lesion = pd.DataFrame({"lesion": [1], "track_id": ["L01"], "colour": ["#ffffff"]})
    lines = Lines(ends_mm=places[None], features=lesion)
    pane.show_lesions(None, {}, lines, Marks(places_mm=places, sizes_mm=SIZES_MM, features=features))
    assert pane.marks is not None
    # napari draws a size in the units of the last axis.
    np.testing.assert_allclose(pane.marks.size * pane.marks.scale[-1], SIZES_MM)
