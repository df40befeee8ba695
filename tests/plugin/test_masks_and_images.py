"""Painted masks are measured as the machine measures, and volumes do not pile up."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from lesiontrack.domain.geometry import Grid, Volume
from lesiontrack.domain.study import Scan
from lesiontrack.errors import SegmentationError
from lesiontrack.measure import MeasureSettings
from lesiontrack_napari.images import Images
from lesiontrack_napari.masks import measured

GRID = Grid.from_axes(
    shape=(20, 60, 60),
    origin_lps_mm=np.array([-60.0, -60.0, -50.0]),
    steps_lps_mm=np.array([[0, 0, 5.0], [0, 2.0, 0], [2.0, 0, 0]]),
)
SCAN = Scan(series_uid="1.2", date=dt.date(2024, 1, 2), modality="CT", grid=GRID, files=("x",), measured=True)


def _volume() -> Volume:
    uids = tuple(f"1.2.{k}" for k in range(20))
    voxels = np.zeros(GRID.shape, dtype=np.int16)
    return Volume(grid=GRID, voxels=voxels, modality="CT", series_uid="1.2", sop_instance_uids=uids)


def test_a_painted_ball_has_its_diameter_its_slice_and_its_place() -> None:
    """A ball of 30 mm around a slice's middle, within half a pixel; the crop leaves no trace."""
    points = GRID.to_lps_mm(np.indices(GRID.shape).reshape(3, -1).T.astype(float)).reshape(*GRID.shape, 3)
    ball = np.linalg.norm(points - np.array([10.0, -8.0, 5.0]), axis=-1) <= 15
    lesion = measured(_volume(), ball, SCAN, timepoint=2, site="LIVER", settings=MeasureSettings())
    assert abs(float(lesion.longest_diameter_mm) - 30) <= 1
    np.testing.assert_allclose(lesion.centroid_lps_mm, (10, -8, 5), atol=0.6)
    assert (lesion.slice_index, lesion.sop_instance_uid) == (11, "1.2.11")
    assert (lesion.timepoint, lesion.site, lesion.measurable) == (2, "LIVER", True)
    assert not any("edge" in note for note in lesion.notes)


def test_nothing_painted_is_refused() -> None:
    with pytest.raises(SegmentationError, match="nothing is painted"):
        measured(_volume(), np.zeros(GRID.shape, bool), SCAN, timepoint=0, site="LIVER", settings=MeasureSettings())


def test_two_volumes_are_kept_and_the_oldest_goes() -> None:
    read: list[str] = []

    def reader(scan: Scan) -> Volume:
        read.append(scan.series_uid)
        return _volume()

    images = Images(reader)
    for uid in ("a", "b", "a", "c", "a", "b"):
        images.volume(replace(SCAN, series_uid=uid))
    assert read == ["a", "b", "c", "b"]
