"""Real archives: every volume right or refused with its reason, and masks equal to those that lie beside them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from lesiontrack.domain.geometry import Grid, Segmentation, Volume
from lesiontrack.errors import LesiontrackError
from lesiontrack.io.archive import index
from lesiontrack.io.catalogue import Catalogue
from lesiontrack.io.nifti import read_array
from lesiontrack.io.seg import segment_voxels
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import open_study, read_scan

NONE = LabelSettings()


@pytest.fixture(scope="module")
def imaging(shared_data: Path) -> Path:
    return shared_data / "imaging"


def _volumes(catalogue: Catalogue, labels: LabelSettings = NONE) -> list[tuple[Volume, Segmentation | None]]:
    read = read_scan(ArchiveSettings(), labels)
    return [
        read(scan) for subject in catalogue.subjects for visit in subject.visits for scan in visit.scans if scan.usable
    ]


def test_the_whole_reference_archive_is_listed_or_refused_without_a_crash(imaging: Path) -> None:
    catalogue = index(imaging, ArchiveSettings())
    files = {str(path) for path in imaging.rglob("*") if path.is_file()}
    used = {
        name
        for subject in catalogue.subjects
        for visit in subject.visits
        for scan in visit.scans
        for name in (*scan.files, *scan.segmentation_files)
    }
    told = {notice.file for notice in (*catalogue.ignored, *catalogue.refused)}
    whole_series = sum(notice.files for notice in (*catalogue.ignored, *catalogue.refused))
    assert catalogue.files == len(files)
    assert told <= files and used <= files
    # Every file is used by a scan or stands for itself or its series in a notice.
    assert len(used - told) + whole_series >= len(files)
    assert all(notice.reason for notice in (*catalogue.ignored, *catalogue.refused))


def test_every_usable_reference_volume_can_be_read_or_says_why_not(imaging: Path) -> None:
    catalogue = index(imaging, ArchiveSettings())
    read = read_scan(ArchiveSettings(), NONE)
    seen = 0
    for subject in catalogue.subjects:
        for visit in subject.visits:
            for scan in visit.scans:
                if not scan.usable:
                    assert scan.problem
                    continue
                try:
                    volume, _ = read(scan)
                except LesiontrackError as error:
                    assert error.file and error.visit == scan.date.isoformat()
                else:
                    assert volume.grid.shape[0] >= 3
                seen += 1
    assert seen >= 7


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("notavolume", "several different images at one place"),
        ("slicecount", "too few slices"),
        ("sliceincrement", r"missing slice.*10\.00 mm"),
        ("sliceorientation", "mixed orientation"),
    ],
)
def test_dicom2nifti_series_that_are_no_volume(imaging: Path, folder: str, reason: str) -> None:
    catalogue = index(imaging / "dicom2nifti" / folder, ArchiveSettings())
    assert _volumes(catalogue) == []
    assert any(re.search(reason, notice.reason) for notice in (*catalogue.ignored, *catalogue.refused))


def test_dicom2nifti_gantry_tilt_places_every_slice_where_its_header_says(imaging: Path) -> None:
    folder = imaging / "dicom2nifti" / "gantrytilting"
    ((volume, _),) = _volumes(index(folder, ArchiveSettings()))
    by_uid = {d.SOPInstanceUID: d for d in (pydicom.dcmread(path) for path in folder.rglob("*.dcm"))}
    for k, uid in enumerate(volume.sop_instance_uids):
        data = by_uid[uid]
        assert np.allclose(volume.grid.to_lps_mm(np.array([k, 0, 0])), data.ImagePositionPatient, atol=0.05)
        row, column = np.array(data.ImageOrientationPatient[:3]), np.array(data.ImageOrientationPatient[3:])
        corner = np.array(data.ImagePositionPatient) + 511 * (row + column) * float(data.PixelSpacing[0])
        assert np.allclose(volume.grid.to_lps_mm(np.array([k, 511, 511])), corner, atol=0.05)
        stored = data.pixel_array.astype(int)
        assert np.array_equal(volume.voxels[k], stored * int(data.RescaleSlope) + int(data.RescaleIntercept))
    assert "gantry tilt of 14.0 degrees" in volume.notes[0]


def test_enhanced_mr_uses_the_rescale_of_each_frame(imaging: Path) -> None:
    folder = imaging / "dicom2nifti" / "enhanced_mr_philips"
    ((volume, _),) = _volumes(index(folder, ArchiveSettings()))
    (path,) = folder.rglob("*.dcm")
    data = pydicom.dcmread(path)
    frames = pixel_array(data)
    for number, group in enumerate(data.PerFrameFunctionalGroupsSequence):
        place = volume.grid.to_index(np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float))
        assert np.allclose(place, [round(place[0]), 0, 0], atol=0.02)
        rescale = group.PixelValueTransformationSequence[0]
        expected = frames[number] * float(rescale.RescaleSlope) + float(rescale.RescaleIntercept)
        assert np.allclose(volume.voxels[round(place[0])], expected, rtol=1e-5)


def test_oblique_prostate_mr_lies_where_simpleitk_puts_it(imaging: Path) -> None:
    folder = imaging / "ohif" / "prostatex_t2tra_oblique"
    ((volume, _),) = _volumes(index(folder, ArchiveSettings()))
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = sitk.ReadImage(names)
    for k, j, i in ((0, 0, 0), (20, 383, 0), (10, 100, 383)):
        at = image.TransformIndexToPhysicalPoint((i, j, k))
        assert np.allclose(volume.grid.to_lps_mm(np.array([k, j, i])), at, atol=0.05)
    assert np.array_equal(volume.voxels, sitk.GetArrayFromImage(image))


def test_each_transfer_syntax_gives_the_pixels_of_the_plain_one(imaging: Path, tmp_path: Path) -> None:
    """The same slice in each lossless syntax, as one of three slices of a volume each."""
    folder = imaging / "ct_transfer_syntaxes"
    plain = pydicom.dcmread(next(folder.glob("*LittleEndianImplicit*"))).pixel_array.astype(int)
    lossy = ("JPEG2000TransferSyntax", "JPEGLSLossy", "JPEGProcess1T")
    seen = 0
    for path in sorted(folder.glob("CTImage*")):
        volume = _volume_of_three(path, tmp_path / path.name)
        data = pydicom.dcmread(path)
        expected = plain * int(data.RescaleSlope) + int(data.RescaleIntercept)
        difference = np.abs(volume.voxels[1].astype(int) - expected)
        seen += 1
        if any(word in path.name for word in lossy):
            continue
        assert difference.max() == 0, path.name
    assert seen == 11


def _volume_of_three(path: Path, folder: Path) -> Volume:
    folder.mkdir()
    for number in range(3):
        data = pydicom.dcmread(path)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number}")
        data.ImagePositionPatient = [-161.4, -148.8, 5.0 * number]
        data.InstanceNumber = number
        data.save_as(folder / f"{number}.dcm")
    ((volume, _),) = _volumes(index(folder, ArchiveSettings()))
    return volume


def test_a_truncated_image_makes_its_series_unusable(imaging: Path, tmp_path: Path) -> None:
    shutil.copy(imaging / "malformed" / "MR_truncated.dcm", tmp_path)
    catalogue = index(tmp_path, ArchiveSettings())
    (visit,) = catalogue.subjects[0].visits
    assert not visit.usable
    assert visit.problem == "pixel data truncated (found 8142 bytes, expected 8192)"
    assert [failure.error for failure in catalogue.failures] == ["GeometryError"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("badVR.dcm", "modality RTDOSE"),
        ("emri_small_jpeg_2k_lossless_too_short.dcm", "no PatientID"),
        ("no_meta.dcm", "neither DICOM"),
        ("nested_priv_SQ.dcm", "no DICOM object"),
        ("image_dfl.dcm", "modality OT"),
        ("rtplan_truncated.dcm", "modality RTPLAN"),
        ("bad_sequence.dcm", "too few slices"),
        ("liver_1frame.dcm", "references no volume"),
    ],
)
def test_malformed_files_are_named_with_their_reason(imaging: Path, tmp_path: Path, name: str, reason: str) -> None:
    shutil.copy(imaging / "malformed" / name, tmp_path)
    catalogue = index(tmp_path, ArchiveSettings())
    assert catalogue.subjects == ()
    (notice,) = [*catalogue.ignored, *catalogue.refused]
    assert reason in notice.reason


def test_rtstruct_of_the_ibsi_set_equals_its_nifti_mask_exactly(imaging: Path) -> None:
    labels = LabelSettings.model_validate({"other": "gtv"})
    catalogue = index(imaging / "sts_007" / "CT", ArchiveSettings(), labels=labels)
    ((volume, segmentation),) = _volumes(catalogue, labels)
    grid, mask = read_array(imaging / "sts_007" / "CT_mask.nii.gz")
    assert segmentation is not None
    assert grid.is_close(volume.grid)
    assert int(mask.sum()) == 174544
    assert np.array_equal(segmentation.lesions > 0, mask > 0)
    assert [(segment.name, segment.site) for segment in segmentation.segments] == [("GTV_Mass_CT", "OTHER")]


def test_rtstruct_without_labels_makes_the_visit_unusable(imaging: Path) -> None:
    catalogue = index(imaging / "sts_007" / "CT", ArchiveSettings())
    (visit,) = catalogue.subjects[0].visits
    assert not visit.usable
    assert "[labels]" in visit.problem
    assert [failure.stage for failure in catalogue.failures] == ["segmentation"]


def _ct_of_dcmqi(imaging: Path) -> Volume:
    ((volume, _),) = _volumes(index(imaging / "dcmqi" / "segmentations" / "ct-3slice", ArchiveSettings()))
    return volume


def _label(path: Path, grid: Grid) -> np.ndarray[Any, Any]:
    own, array = read_array(path)
    assert own.is_close(grid, tolerance_mm=0.2), path.name
    return array


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("liver.dcm", {1: ("liver_seg.nrrd", 1)}),
        (
            "partial_overlaps.dcm",
            {
                1: ("partial_overlaps-1.nrrd", 1),
                2: ("partial_overlaps-2.nrrd", 2),
                3: ("partial_overlaps-3.nrrd", 3),
                4: ("partial_overlaps-1.nrrd", 4),
                5: ("partial_overlaps-1.nrrd", 5),
            },
        ),
    ],
)
def test_dcmqi_segments_equal_the_label_maps_beside_them(
    imaging: Path, name: str, truth: dict[int, tuple[str, int]]
) -> None:
    folder = imaging / "dcmqi" / "segmentations"
    volume = _ct_of_dcmqi(imaging)
    voxels, notes = segment_voxels(str(folder / name), volume, "", 0.5, frozenset(truth))
    assert notes == ()
    for number, (file, label) in truth.items():
        expected = _label(folder / file, volume.grid) == label
        assert np.array_equal(np.sort(voxels[number]), np.flatnonzero(expected))
        assert expected.any()


@pytest.mark.parametrize("size", ["23x38x3", "24x38x3"])
def test_dcmqi_liver_on_odd_sizes(imaging: Path, size: str) -> None:
    catalogue = index(imaging / "dcmqi" / "segmentations" / size, ArchiveSettings())
    ((volume, segmentation),) = [pair for pair in _volumes(catalogue) if pair[1] is not None]
    assert segmentation is not None and segmentation.liver is not None
    expected = _label(imaging / "dcmqi" / "segmentations" / size / "nrrd" / "label.nrrd", volume.grid)
    assert np.array_equal(segmentation.liver, expected == 1)


@pytest.mark.parametrize(("name", "truth"), [("noppv", "noppv"), ("ppv5", "ppv5")])
def test_dcmqi_label_map_segmentation(imaging: Path, name: str, truth: str) -> None:
    folder = imaging / "dcmqi" / "segmentations"
    volume = next(v for v, _ in _volumes(index(folder / "24x38x3" / "image", ArchiveSettings())))
    voxels, _ = segment_voxels(str(folder / f"sparse-labelmap-{name}.dcm"), volume, "", 0.5, frozenset({1}))
    expected = _label(folder / f"sparse_labelmap_{truth}_seg.nrrd", volume.grid)
    assert np.array_equal(np.sort(voxels[1]), np.flatnonzero(expected == 1))


def test_a_segmentation_of_another_grid_is_refused_with_numbers(imaging: Path) -> None:
    folder = imaging / "dcmqi" / "segmentations"
    volume = _ct_of_dcmqi(imaging)
    with pytest.raises(LesiontrackError, match=r"marked voxels lie outside the image \(found mask at"):
        segment_voxels(str(folder / "24x38x3" / "seg" / "label.seg"), volume, "", 0.5, frozenset({1}))


def _nifti_study(imaging: Path, folder: Path, image: str, mask: str, name: str) -> Path:
    visit = folder / "images" / "T1" / "2020-03-01"
    visit.mkdir(parents=True, exist_ok=True)
    shutil.copy(imaging / "totalseg" / image, visit / f"{name}.nii.gz")
    shutil.copy(imaging / "totalseg" / mask, visit / f"{name}_seg.nii.gz")
    return folder


@pytest.mark.parametrize(
    ("image", "mask", "modality", "liver", "shape"),
    [
        ("example_ct_sm.nii.gz", "example_seg.nii.gz", "CT", 5, (30, 101, 122)),
        ("example_mr_sm.nii.gz", "example_seg_mr.nii.gz", "MR", 5, (20, 91, 117)),
        ("example_ct.nii.gz", "example_seg_fast_force_split.nii.gz", "CT", 5, (112, 101, 122)),
    ],
)
def test_totalseg_volumes_with_their_livers(
    imaging: Path, tmp_path: Path, image: str, mask: str, modality: str, liver: int, shape: tuple[int, ...]
) -> None:
    labels = LabelSettings.model_validate({"liver": liver})
    study = open_study(_nifti_study(imaging, tmp_path, image, mask, "abdomen"), ArchiveSettings(), labels)
    ((volume, segmentation),) = _volumes(study.catalogue, labels)
    assert segmentation is not None and segmentation.liver is not None
    assert volume.modality == modality
    assert volume.voxels.shape == shape
    # Against SimpleITK, which reads NIfTI by other code: the same voxel at the same place.
    reference = sitk.ReadImage(str(imaging / "totalseg" / image))
    labelled = sitk.GetArrayFromImage(sitk.ReadImage(str(imaging / "totalseg" / mask)))
    assert np.array_equal(volume.voxels, sitk.GetArrayFromImage(reference))
    assert np.array_equal(segmentation.liver, labelled == liver)
    for k, j, i in ((0, 0, 0), (shape[0] - 1, 3, 5), (4, shape[1] - 1, shape[2] - 1)):
        at = reference.TransformIndexToPhysicalPoint((i, j, k))
        assert np.allclose(volume.grid.to_lps_mm(np.array([k, j, i])), at, atol=0.01)


def test_totalseg_dicom_carries_no_patient_and_is_refused_by_name(imaging: Path) -> None:
    catalogue = index(imaging / "totalseg" / "example_ct_dicom", ArchiveSettings())
    assert catalogue.subjects == ()
    assert {notice.reason for notice in catalogue.refused} == {"no PatientID: the subject is not known"}
    assert len(catalogue.refused) == 20
