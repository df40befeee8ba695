"""Contours to masks: even-odd at voxel centres, holes and keyholes, oblique planes, volume bias."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import RTStructureSetStorage

from lesiontrack.domain.geometry import Grid, SegmentKind
from lesiontrack.errors import SegmentationError
from lesiontrack.io.archive import index
from lesiontrack.io.rtstruct import even_odd_mask, region_mask
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read_scan

Points = NDArray[np.float64]


def _square(j0: float, j1: float, i0: float, i1: float) -> Points:
    return np.array([[j0, i0], [j0, i1], [j1, i1], [j1, i0]], dtype=np.float64)


def _inside(polygon: Points, point: tuple[float, float]) -> bool:
    """Count crossings of a ray, one edge at a time: slow and plain."""
    hits = 0
    for (j0, i0), (j1, i1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if (j0 <= point[0]) != (j1 <= point[0]):
            hits += i0 + (point[0] - j0) * (i1 - i0) / (j1 - j0) <= point[1]
    return hits % 2 == 1


def test_a_square_covers_the_voxels_whose_centres_it_holds() -> None:
    mask = even_odd_mask([_square(1.5, 4.5, 2.5, 6.5)], (8, 9))
    expected = np.zeros((8, 9), dtype=bool)
    expected[2:5, 3:7] = True
    assert np.array_equal(mask, expected)


def test_a_contour_within_a_contour_is_a_hole() -> None:
    mask = even_odd_mask([_square(0.5, 7.5, 0.5, 7.5), _square(2.5, 5.5, 2.5, 5.5)], (9, 9))
    assert mask.sum() == 49 - 9
    assert not mask[4, 4]


def test_a_keyhole_gives_the_same_mask_as_a_hole() -> None:
    outer, inner = _square(0.5, 7.5, 0.5, 7.5), _square(2.5, 5.5, 2.5, 5.5)
    keyhole = np.concatenate([outer, outer[:1], inner[::-1], inner[-1:]])
    assert np.array_equal(even_odd_mask([keyhole], (9, 9)), even_odd_mask([outer, inner], (9, 9)))


def test_polygons_that_leave_the_image_are_clipped() -> None:
    mask = even_odd_mask([_square(-5, 3.5, -5, 20)], (6, 7))
    assert mask[:4].all() and not mask[4:].any()


@given(
    corners=st.lists(
        st.tuples(st.floats(-2, 12, allow_nan=False), st.floats(-2, 12, allow_nan=False)), min_size=3, max_size=12
    )
)
def test_the_raster_equals_counting_crossings_voxel_by_voxel(corners: list[tuple[float, float]]) -> None:
    polygon = np.array(corners)
    mask = even_odd_mask([polygon], (10, 11))
    expected = [[_inside(polygon, (j, i)) for i in range(11)] for j in range(10)]
    assert np.array_equal(mask, np.array(expected))


@pytest.mark.parametrize("radius_mm", [3.0, 5.0, 10.0, 20.0])
@pytest.mark.parametrize("pixel_mm", [0.7, 0.9])
def test_volume_bias_is_at_most_one_percent_from_three_millimetres(radius_mm: float, pixel_mm: float) -> None:
    """Many spheres at random sub-voxel places, drawn as 1 mm slices of fine circles."""
    chance = np.random.default_rng(7)
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    ratio = []
    for _ in range(60 if radius_mm < 10 else 12):
        centre = chance.uniform(-0.5, 0.5, 3)
        total = 0
        for k in range(-int(radius_mm) - 2, int(radius_mm) + 3):
            cut = radius_mm**2 - (k - centre[0]) ** 2
            if cut <= 0:
                continue
            # Circumscribed so that the polygon has the circle's area.
            size = np.sqrt(cut * 2 * np.pi / (len(angles) * np.sin(2 * np.pi / len(angles)))) / pixel_mm
            polygon = 40 + centre[1:] + size * np.stack([np.sin(angles), np.cos(angles)], axis=1)
            total += int(even_odd_mask([polygon], (80, 80)).sum())
        ratio.append(total * pixel_mm**2 / (4 / 3 * np.pi * radius_mm**3))
    assert abs(float(np.mean(ratio)) - 1) <= 0.01


def _structures(maker: Any, slices: Sequence[Any], regions: dict[str, list[Points]]) -> Any:
    """Build an RTSTRUCT; contours in LPS mm, (n, 3)."""
    data = maker.slice((0, 0, 0))
    for name in ("Rows", "Columns", "PixelData", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del data[name]
    data.Modality, data.SOPClassUID = "RTSTRUCT", RTStructureSetStorage
    data.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    reference = Dataset()
    reference.SeriesInstanceUID = slices[0].SeriesInstanceUID
    study, frame = Dataset(), Dataset()
    study.RTReferencedSeriesSequence = Items([reference])
    frame.RTReferencedStudySequence = Items([study])
    data.ReferencedFrameOfReferenceSequence = Items([frame])
    data.SeriesInstanceUID = "1.2.9.77"
    rois, contours = [], []
    for number, (name, polygons) in enumerate(regions.items(), start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = Items([_contour(points) for points in polygons])
        rois.append(roi)
        contours.append(drawn)
    data.StructureSetROISequence, data.ROIContourSequence = Items(rois), Items(contours)
    return data


def _contour(points: Points) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
    contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
    return contour


def _in_world(slices: Sequence[Any], k: int, polygon: Points) -> Points:
    first = slices[k]
    row, column = np.array(first.ImageOrientationPatient[:3]), np.array(first.ImageOrientationPatient[3:])
    points: Points = (
        np.array(first.ImagePositionPatient)
        + polygon[:, :1] * column * first.PixelSpacing[0]
        + polygon[:, 1:] * row * first.PixelSpacing[1]
    )
    return points


LABELS = LabelSettings.model_validate({"liver": "^liver$", "hepatic": ["^met", "lesion"], "lung": "lung"})
TILT = (1.0, 0.0, 0.0, 0.0, float(np.cos(0.3)), float(np.sin(0.3)))


@pytest.mark.parametrize(
    ("orientation", "step"),
    [((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 5.0)), (TILT, (0.0, -5 * np.sin(0.3), 5 * np.cos(0.3)))],
)
def test_named_regions_become_liver_lesions_and_zones(
    maker: Any, orientation: tuple[float, ...], step: tuple[float, ...]
) -> None:
    slices = maker.stack(orientation=orientation, step=step)
    squares = {
        "Liver": _square(0.5, 9.5, 0.5, 11.5),
        "MET 1": _square(2.5, 5.5, 3.5, 6.5),
        "liver lesion 2": _square(6.5, 8.5, 7.5, 9.5),
        "Ablation zone": _square(1.5, 2.5, 8.5, 9.5),
        "Spinal cord": _square(0.5, 3.5, 0.5, 3.5),
    }
    maker.write(slices)
    regions = {name: [_in_world(slices, k, polygon) for k in (2, 3)] for name, polygon in squares.items()}
    maker.write([_structures(maker, slices, regions)], prefix="rs")
    (visit,) = index(maker.folder, ArchiveSettings(), labels=LABELS).subjects[0].visits
    _, found = read_scan(ArchiveSettings(), LABELS)(visit.scans[0])
    assert found is not None and found.liver is not None and found.zones is not None
    assert [(s.label, s.name, s.kind, s.site) for s in found.segments] == [
        (1, "MET 1", SegmentKind.LESION, "LIVER"),
        (2, "liver lesion 2", SegmentKind.LESION, "LIVER"),
        (1, "Ablation zone", SegmentKind.ABLATION_ZONE, None),
    ]
    expected = np.zeros(found.grid.shape, dtype=int)
    expected[2:4, 3:6, 4:7] = 1
    expected[2:4, 7:9, 8:10] = 2
    assert np.array_equal(found.lesions, expected)
    assert found.liver.sum() == 2 * 9 * 11
    assert found.zones.sum() == 2


@pytest.mark.parametrize(
    ("shift", "reason"),
    [
        ((0, 0, 2.0), r"does not lie in a slice .*found 2\.00 mm from slice"),
        ((0, 0, 500.0), "lies outside the image"),
        ((90.0, 0, 0), "lies outside the image"),
    ],
)
def test_a_contour_off_the_image_is_refused_with_the_distance(shift: tuple[float, ...], reason: str) -> None:
    grid = Grid.from_axes(
        shape=(5, 12, 14), origin_lps_mm=np.zeros(3), steps_lps_mm=np.array([[0, 0, 5.0], [0, 2.0, 0], [2.0, 0, 0]])
    )
    points = grid.to_lps_mm(np.array([[2, 3, 3], [2, 3, 6], [2, 6, 6]])) + np.array(shift)
    data, drawn = Dataset(), Dataset()
    drawn.ReferencedROINumber = 1
    drawn.ContourSequence = Items([_contour(points)])
    data.ROIContourSequence = Items([drawn])
    with pytest.raises(SegmentationError, match=reason):
        region_mask(data, 1, grid)
