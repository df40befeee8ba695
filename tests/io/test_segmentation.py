"""DICOM SEG onto the image: binary, fractional, label map, overlapping, on other grids; codes to kinds and sites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.domain.geometry import Grid, Segmentation, SegmentKind, Volume
from lesiontrack.errors import SegmentationError
from lesiontrack.io.archive import index
from lesiontrack.io.placing import voxels_on
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.sites import meaning_of_segment, site_of_region
from lesiontrack.io.study import read_scan

MakeSeg = Callable[..., Any]


def _box(shape: tuple[int, int, int], *corners: int) -> NDArray[np.uint8]:
    mask = np.zeros(shape, dtype=np.uint8)
    k0, k1, j0, j1, i0, i1 = corners
    mask[k0:k1, j0:j1, i0:i1] = 1
    return mask


LIVER = _box((8, 12, 14), 1, 7, 1, 11, 1, 12)
SMALL = _box((8, 12, 14), 2, 4, 3, 5, 3, 6)
LARGE = _box((8, 12, 14), 3, 7, 4, 10, 5, 11)


def _read(maker: Any, settings: ArchiveSettings | None = None, labels: LabelSettings | None = None) -> Any:
    settings, labels = settings or ArchiveSettings(), labels or LabelSettings()
    catalogue = index(maker.folder, settings, labels=labels)
    (subject,) = catalogue.subjects
    (visit,) = subject.visits
    (scan,) = visit.scans
    assert visit.usable, visit.problem
    volume, segmentation = read_scan(settings, labels)(scan)
    assert isinstance(volume, Volume) and isinstance(segmentation, Segmentation)
    return segmentation


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("omit", [True, False])
def test_liver_and_lesions_of_each_segmentation_type(maker: Any, make_seg: MakeSeg, kind: str, omit: bool) -> None:
    slices = maker.stack()
    masks = np.stack([LIVER & ~SMALL & ~LARGE & 1, SMALL & ~LARGE & 1, LARGE], axis=-1)
    segments = [
        {"label": "Liver", "category": "anatomy", "type": "liver"},
        {"label": "Lesion 1", "region": "liver", "tracking_uid": "1.2.77"},
        {"label": "Node", "region": "node"},
    ]
    options = {"max_fractional_value": 200} if kind == "FRACTIONAL" else {}
    array = masks.astype(np.float32) if kind == "FRACTIONAL" else masks
    maker.write(slices)
    maker.write([make_seg(slices, array, segments, kind=kind, omit_empty_frames=omit, **options)], prefix="seg")
    found = _read(maker)
    assert np.array_equal(found.liver, masks[..., 0])
    assert np.array_equal(found.lesions, masks[..., 1] + 2 * masks[..., 2])
    assert found.zones is None
    assert [(s.label, s.name, s.kind, s.site, s.tracking_uid, s.single) for s in found.segments] == [
        (1, "Lesion 1", SegmentKind.LESION, "LIVER", "1.2.77", False),
        (2, "Node", SegmentKind.LESION, "LYMPH_NODE", None, False),
    ]
    assert found.sources == ("1.2.9.1.1",)


@pytest.mark.parametrize(("threshold", "level"), [(0.5, 0.5), (0.25, 0.25), (1.0, 0.9)])
def test_a_fractional_segment_is_cut_at_the_threshold(
    maker: Any, make_seg: MakeSeg, threshold: float, level: float
) -> None:
    slices = maker.stack()
    share = np.linspace(0, 1, 8 * 12 * 14, dtype=np.float32).reshape(8, 12, 14, 1)
    maker.write(slices)
    maker.write([make_seg(slices, share, [{}], kind="FRACTIONAL", max_fractional_value=100)], prefix="seg")
    found = _read(maker, ArchiveSettings(fractional_threshold=threshold))
    stored = np.rint(share[..., 0] * 100)
    assert np.array_equal(found.lesions > 0, stored >= 100 * threshold)
    assert level <= 1


def test_overlapping_lesions_keep_the_smaller_whole_and_say_so(maker: Any, make_seg: MakeSeg) -> None:
    slices = maker.stack()
    maker.write(slices)
    masks = np.stack([LARGE, SMALL], axis=-1)
    maker.write([make_seg(slices, masks, [{"label": "large"}, {"label": "small"}])], prefix="seg")
    found = _read(maker)
    assert np.array_equal(found.lesions == 2, SMALL)
    assert np.array_equal(found.lesions == 1, LARGE & ~SMALL & 1)
    shared = int((LARGE & SMALL).sum())
    assert shared and f"overlap in {shared} voxels" in found.notes[0]


def test_lesions_within_the_liver_segment_leave_the_liver_whole(maker: Any, make_seg: MakeSeg) -> None:
    slices = maker.stack()
    maker.write(slices)
    segments = [{"category": "tissue", "type": "liver"}, {"label": "Lesion"}]
    maker.write([make_seg(slices, np.stack([LIVER, SMALL], axis=-1), segments)], prefix="seg")
    found = _read(maker)
    assert np.array_equal(found.liver, LIVER)
    assert np.array_equal(found.lesions > 0, SMALL)
    assert found.segments[0].site is None
    assert found.notes == ()


def test_a_liver_without_a_lesion_is_a_visit_without_visible_lesions(maker: Any, make_seg: MakeSeg) -> None:
    slices = maker.stack()
    maker.write(slices)
    maker.write([make_seg(slices, LIVER[..., None], [{"category": "anatomy", "type": "liver"}])], prefix="seg")
    found = _read(maker)
    assert found.lesions.max() == 0 and found.segments == ()


@pytest.mark.parametrize("label", ["Ablation zone 2", "ABLATED", "treated area", "treatment-zone"])
def test_a_segment_named_a_treated_zone_is_never_a_lesion(maker: Any, make_seg: MakeSeg, label: str) -> None:
    slices = maker.stack()
    maker.write(slices)
    masks = np.stack([SMALL, LARGE & ~SMALL & 1], axis=-1)
    maker.write([make_seg(slices, masks, [{"label": label, "region": "liver"}, {"label": "untreated"}])], prefix="seg")
    found = _read(maker)
    assert np.array_equal(found.zones > 0, SMALL)
    assert np.array_equal(found.lesions > 0, LARGE & ~SMALL & 1)


def test_a_segmentation_on_a_finer_grid_is_resampled_with_a_note(maker: Any, make_seg: MakeSeg) -> None:
    slices = maker.stack()
    fine = type(maker)(maker.folder, maker.axis)
    fine.shape, fine.spacing, fine.series_uid = (24, 28), (1.0, 1.0), "1.2.3.2"
    other = fine.stack(origin=(-10.5, -20.5, -30))
    made = make_seg(other, ndimage.zoom(LARGE, (1, 2, 2), order=0)[..., None], [{}])
    _reference(made, slices)
    maker.write(slices)
    maker.write([made], prefix="seg")
    found = _read(maker)
    assert np.array_equal(found.lesions > 0, LARGE)
    assert "resampled" in found.notes[0]


def test_a_segmentation_stored_with_flipped_rows_lands_on_the_same_voxels(maker: Any, make_seg: MakeSeg) -> None:
    slices = maker.stack()
    flipped = maker.stack(origin=(-10, -20 + 11 * 2, -30), orientation=(1, 0, 0, 0, -1, 0))
    made = make_seg(flipped, LARGE[:, ::-1, :, None], [{}])
    _reference(made, slices)
    maker.write(slices)
    maker.write([made], prefix="seg")
    found = _read(maker)
    assert np.array_equal(found.lesions > 0, LARGE)
    assert found.notes == ()


def _reference(made: Any, slices: list[Any]) -> None:
    """Make a SEG reference other images than it was built on, as a resampling segmenter does."""
    made.ReferencedSeriesSequence[0].SeriesInstanceUID = slices[0].SeriesInstanceUID
    for group in made.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence


def _shifted(made: Any, by_mm: tuple[float, float, float]) -> None:
    for group in made.PerFrameFunctionalGroupsSequence:
        plane = group.PlanePositionSequence[0]
        plane.ImagePositionPatient = [a + b for a, b in zip(plane.ImagePositionPatient, by_mm, strict=True)]


@pytest.mark.parametrize(
    ("by_mm", "reason"),
    [
        ((3.0, 0, 0), r"does not lie on the image that it names as its source \(found 3\.00 mm away"),
        ((0, 0, 5.0), r"found 5\.00 mm away"),
    ],
)
def test_a_frame_off_the_image_it_names_is_refused_with_the_distance(
    maker: Any, make_seg: MakeSeg, by_mm: tuple[float, float, float], reason: str
) -> None:
    slices = maker.stack()
    made = make_seg(slices, LARGE[..., None], [{}])
    _shifted(made, by_mm)
    maker.write(slices)
    maker.write([made], prefix="seg")
    with pytest.raises(SegmentationError, match=reason) as caught:
        _read(maker)
    assert caught.value.file and caught.value.file.endswith("seg0000")


def test_a_segmentation_beside_the_image_is_refused_with_both_boxes(maker: Any, make_seg: MakeSeg) -> None:
    slices = maker.stack()
    made = make_seg(slices, LARGE[..., None], [{}])
    _reference(made, slices)
    _shifted(made, (500.0, 0, 0))
    maker.write(slices)
    maker.write([made], prefix="seg")
    with pytest.raises(SegmentationError, match=r"lie outside the image \(found mask at 50.*expected within"):
        _read(maker)


def test_another_frame_of_reference_is_refused_off_the_voxels_and_noted_on_them(maker: Any, make_seg: MakeSeg) -> None:
    slices = maker.stack()
    made = make_seg(slices, LARGE[..., None], [{}])
    _reference(made, slices)
    made.FrameOfReferenceUID = "1.2.5.999"
    maker.write(slices)
    maker.write([made], prefix="seg")
    assert "another frame of reference" in _read(maker).notes[0]
    _shifted(made, (0.7, 0, 0))
    maker.write([made], prefix="seg")
    with pytest.raises(SegmentationError, match="another frame of reference than the image's, and not on its voxels"):
        _read(maker)


def test_a_cut_segmentation_is_refused(maker: Any, make_seg: MakeSeg) -> None:
    slices = maker.stack()
    maker.write(slices)
    maker.write([make_seg(slices, LARGE[..., None], [{}])], prefix="seg")
    path = maker.folder / "seg0000"
    path.write_bytes(path.read_bytes()[:-60])
    catalogue = index(maker.folder, ArchiveSettings())
    (visit,) = catalogue.subjects[0].visits
    assert not visit.usable and "truncated" in visit.problem
    (failure,) = catalogue.failures
    assert (failure.stage, failure.severity, failure.timepoint) == ("segmentation", "ERROR", 0)
    assert failure.file.endswith("seg0000")


@pytest.mark.parametrize(
    ("code", "site"),
    [
        ("SCT|10200004|Liver", "LIVER"),
        ("SRT|T-62000|Liver", "LIVER"),
        ("SCT|39607008|Lung", "LUNG"),
        ("SCT|3341006|Right lung", "LUNG"),
        ("SCT|59441001|Lymph node", "LYMPH_NODE"),
        ("SCT|99|Hepatic lymph node", "LYMPH_NODE"),
        ("SCT|15425007|Peritoneum", "PERITONEUM"),
        ("SCT|23451007|Adrenal gland", "ADRENAL"),
        ("SCT|12738006|Brain", "BRAIN"),
        ("SCT|51282000|Vertebra", "BONE"),
        ("SCT|64033007|Kidney", "OTHER"),
        ("", None),
    ],
)
def test_regions_to_sites(code: str, site: str | None) -> None:
    assert site_of_region(code) == site


def test_a_spleen_is_of_no_interest() -> None:
    entry = ("1", "Spleen", "SCT|123037004|Anatomical Structure", "SCT|78961009|Spleen", "", "")
    assert meaning_of_segment(entry, LabelSettings()) is None


@given(
    mask=st.integers(0, 2**24 - 1),
    order=st.permutations([0, 1, 2]),
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_a_mask_with_its_axes_permuted_and_flipped_lands_on_the_same_voxels(
    mask: int, order: list[int], flips: tuple[bool, bool, bool]
) -> None:
    shape = (2, 3, 4)
    truth = np.array([mask >> n & 1 for n in range(24)], dtype=bool).reshape(shape)
    grid = Grid.from_axes(
        shape=shape,
        origin_lps_mm=np.array([3.0, -7.0, 11.0]),
        steps_lps_mm=np.array([[0, 0, 5.0], [0.3, 1.9, 0], [1.9, -0.3, 0]]),
    )
    affine = np.array(grid.affine)
    array = truth
    for axis, flip in enumerate(flips):
        if flip:
            affine[:3, 3] += affine[:3, axis] * (shape[axis] - 1)
            affine[:3, axis] *= -1
            array = np.flip(array, axis)
    affine[:, :3] = affine[:, order]
    own = Grid(shape=(shape[order[0]], shape[order[1]], shape[order[2]]), affine=affine)
    voxels, note = voxels_on(grid, own, array.transpose(order))
    assert note == ""
    assert np.array_equal(np.sort(voxels), np.flatnonzero(truth))
