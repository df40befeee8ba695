"""Structures to SEG and back, on the geometries that are hard: tilted, oblique, multi-frame, one phase of several."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Segmentation, SegmentKind
from lesiontrack.domain.study import Scan, Site
from lesiontrack.errors import GeometryError, SegmentationError
from lesiontrack.io.archive import index
from lesiontrack.io.codes import ABNORMAL, ANATOMICAL, LIVER, MALIGNANT, REGIONS, TREATED_ZONE
from lesiontrack.io.seg_write import SegKind, SegWriter, Structure, layers_of
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.source_images import read_source_images
from lesiontrack.io.study import read_scan

SHAPE = (8, 12, 14)
COSINE, SINE = float(np.cos(0.3)), float(np.sin(0.3))


def _scans(maker: Any) -> tuple[Scan, ...]:
    catalogue = index(maker.folder, ArchiveSettings())
    return catalogue.subjects[0].visits[0].scans


def _box(*corners: int) -> NDArray[np.intp]:
    mask = np.zeros(SHAPE, dtype=bool)
    k0, k1, j0, j1, i0, i1 = corners
    mask[k0:k1, j0:j1, i0:i1] = True
    return np.flatnonzero(mask)


def _structures(*, zone: bool = True) -> list[Structure]:
    """Return a liver, two lesions in it that touch, one of them with a part of its own, and a zone over a lesion."""
    first, second = (
        _box(2, 4, 3, 5, 3, 6),
        np.sort(np.concatenate([_box(4, 6, 4, 8, 5, 9), _box(0, 1, 10, 12, 12, 14)])),
    )
    liver = Structure(label="Liver", voxels=_box(1, 7, 1, 11, 1, 12), category=ANATOMICAL, kind=LIVER)
    lesions = [
        Structure(
            label=name,
            voxels=voxels,
            category=ABNORMAL,
            kind=MALIGNANT,
            region=REGIONS[site],
            tracking=(name, f"2.25.{number}"),
            max_components=number,
        )
        for number, (name, voxels, site) in enumerate((("L01", first, "LIVER"), ("L02", second, "OTHER")), start=1)
    ]
    treated = Structure(label="Zone", voxels=_box(1, 5, 2, 6, 2, 7), category=ABNORMAL, kind=TREATED_ZONE, region=LIVER)
    return [liver, *lesions, *([treated] if zone else [])]


def _write(scan: Scan, kind: SegKind, folder: Path, structures: list[Structure] | None = None) -> list[Path]:
    images = read_source_images(scan, ArchiveSettings())
    writer = SegWriter(images, kind=kind, series_number=9, description="test")
    _, files = writer.write(structures or _structures(), folder / "ours.dcm")
    return files


def _mask(voxels: NDArray[np.intp]) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, dtype=bool)
    mask.reshape(-1)[voxels] = True
    return mask


def _require_back(found: Segmentation | None) -> None:
    liver, first, second, zone = _structures()
    assert found is not None and found.liver is not None and found.zones is not None
    assert np.array_equal(found.liver, _mask(liver.voxels))
    assert np.array_equal(found.lesions == 1, _mask(first.voxels))
    assert np.array_equal(found.lesions == 2, _mask(second.voxels))
    assert np.array_equal(found.zones == 1, _mask(zone.voxels))
    lesions = [s for s in found.segments if s.kind == SegmentKind.LESION]
    assert [(s.name, s.kind, s.site, s.tracking_uid, s.single, s.tracked, s.max_components) for s in lesions] == [
        ("L01", SegmentKind.LESION, Site.LIVER, "2.25.1", True, True, 1),
        ("L02", SegmentKind.LESION, Site.OTHER, "2.25.2", True, True, 2),
    ]
    assert found.notes == ()


def _plain(maker: Any) -> None:
    maker.write(maker.stack())


def _backwards(maker: Any) -> None:
    maker.write(maker.stack(), backwards=True)


def _oblique(maker: Any) -> None:
    orientation = (COSINE, SINE, 0.0, 0.0, 0.0, -1.0)
    maker.write(maker.stack(step=(4 * -SINE, 4 * COSINE, 0.0), orientation=orientation))


def _tilted(maker: Any) -> None:
    maker.write(maker.stack(step=(0.0, 1.5, 5.0)))


def _enhanced(maker: Any) -> None:
    frames = [{"position": (-10.0, -20.0, -30.0 + 5 * k), "slope": 2} for k in (3, 0, 7, 1, 6, 2, 5, 4)]
    maker.write([maker.enhanced(frames)])


def _without_thickness(maker: Any) -> None:
    maker.write(maker.stack(SliceThickness=None))


@pytest.mark.parametrize("kind", list(SegKind))
@pytest.mark.parametrize("make", [_plain, _backwards, _oblique, _tilted, _enhanced, _without_thickness])
def test_every_voxel_comes_back(maker: Any, make: Any, kind: SegKind) -> None:
    make(maker)
    (scan,) = _scans(maker)
    _write(scan, kind, maker.folder)
    (scan,) = _scans(maker)
    volume, found = read_scan(ArchiveSettings(), LabelSettings())(scan)
    _require_back(found)
    for path in maker.folder.glob("ours*.dcm"):
        written = pydicom.dcmread(path)
        assert (written.PatientName, written.PatientBirthDate, written.PatientSex) == ("", "", "")
        (referenced,) = written.ReferencedSeriesSequence
        named = {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence}
        assert named <= set(volume.sop_instance_uids)


def test_one_phase_of_a_series_of_two(maker: Any) -> None:
    """Two phases under one series UID: the segmentation of the second names its images and comes back on it alone."""
    maker.write(maker.stack(AcquisitionNumber=1), prefix="a")
    maker.write(maker.stack(AcquisitionNumber=2, offset=11000), prefix="b")
    second = _scans(maker)[1]
    _write(second, SegKind.BINARY, maker.folder)
    found = {scan.series_uid: scan for scan in _scans(maker)}
    assert [scan.measured for scan in found.values()] == [False, True]
    _require_back(read_scan(ArchiveSettings(), LabelSettings())(found[second.series_uid])[1])


def test_only_occupied_slices_are_stored(maker: Any) -> None:
    maker.write(maker.stack())
    (scan,) = _scans(maker)
    (path,) = _write(scan, SegKind.BINARY, maker.folder)
    assert pydicom.dcmread(path).NumberOfFrames == 6 + 2 + 3 + 4


def test_a_label_map_puts_what_overlaps_into_a_further_object(maker: Any) -> None:
    maker.write(maker.stack())
    (scan,) = _scans(maker)
    files = _write(scan, SegKind.LABELMAP, maker.folder)
    labels = [[segment.SegmentLabel for segment in pydicom.dcmread(path).SegmentSequence[1:]] for path in files]
    assert [path.name for path in files] == ["ours.dcm", "ours_2.dcm", "ours_3.dcm"]
    assert labels == [["Liver"], ["L01", "L02"], ["Zone"]]
    assert len({pydicom.dcmread(path).SeriesInstanceUID for path in files}) == 1


def test_a_zone_is_known_by_its_code_whatever_the_settings_call_zones(maker: Any) -> None:
    maker.write(maker.stack())
    (scan,) = _scans(maker)
    _write(scan, SegKind.BINARY, maker.folder)
    labels = LabelSettings.model_validate({"ablation_zone": "thermal", "hepatic": "zone"})
    (scan,) = _scans(maker)
    _require_back(read_scan(ArchiveSettings(), labels)(scan)[1])


def test_another_content_has_another_uid_and_the_same_the_same(maker: Any, tmp_path: Path) -> None:
    maker.write(maker.stack())
    (scan,) = _scans(maker)
    uids = []
    for number, structures in enumerate((_structures(), _structures(), _structures(zone=False))):
        (path,) = _write(scan, SegKind.BINARY, tmp_path / str(number), structures)
        uids.append(pydicom.dcmread(path).SOPInstanceUID)
    assert uids[0] == uids[1] != uids[2]


def test_slices_between_the_images_have_no_image_to_name(maker: Any) -> None:
    slices = maker.stack()
    maker.write([*slices[:3], *slices[4:]])
    settings = ArchiveSettings(missing_slices="resample")
    scan = index(maker.folder, settings).subjects[0].visits[0].scans[0]
    with pytest.raises(GeometryError, match="interpolated"):
        read_source_images(scan, settings)


def test_a_volume_file_has_no_images_to_name(tmp_path: Path) -> None:
    scan = Scan(series_uid="x", date=dt.date(2020, 1, 1), modality="CT", files=("a.nii.gz",))
    with pytest.raises(SegmentationError, match="no DICOM images"):
        read_source_images(scan, ArchiveSettings())


def test_images_without_frame_of_reference_are_refused(maker: Any) -> None:
    maker.write(maker.stack(FrameOfReferenceUID=None))
    (scan,) = _scans(maker)
    with pytest.raises(GeometryError, match="no frame of reference"):
        read_source_images(scan, ArchiveSettings())


@given(st.lists(st.sets(st.integers(0, 30), max_size=12), max_size=8))
def test_no_layer_holds_a_voxel_twice_and_nothing_is_lost(sets: list[set[int]]) -> None:
    structures = [
        Structure(label=str(n), voxels=np.array(sorted(voxels), dtype=np.intp), category=ABNORMAL, kind=MALIGNANT)
        for n, voxels in enumerate(sets)
    ]
    layers = layers_of(structures)
    assert sorted(s.label for layer in layers for s in layer) == sorted(s.label for s in structures)
    for layer in layers:
        held = np.concatenate([structure.voxels for structure in layer])
        assert len(held) == len(np.unique(held))
