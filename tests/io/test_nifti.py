"""NIfTI, NRRD and MHA: patient space, axes, labels; what is damaged is refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from lesiontrack.domain.geometry import Grid, Segmentation, SegmentKind, Volume
from lesiontrack.errors import GeometryError, ImageError, LesiontrackError, StudyError
from lesiontrack.io.label_map import read_label_map
from lesiontrack.io.nifti import read_array, write_label_map
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import open_study, read_scan

SETTINGS = ArchiveSettings()
LABELS = LabelSettings.model_validate({"liver": 1, "hepatic": [2], "lung": [3], "ablation_zone": 7})
AFFINE = np.array([[-0.8, 0, 0, 100], [0, -0.8, 0, 120], [0, 0, 2.5, -300], [0, 0, 0, 1.0]])


def _world(shape: tuple[int, ...], affine: NDArray[Any], axis: int) -> NDArray[np.int16]:
    """Voxel values that encode a coordinate of the file's own space, 20 x mm."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    values: NDArray[np.int16] = np.rint(20 * (index @ affine[:3, :3].T + affine[:3, 3])[..., axis]).astype(np.int16)
    return values


def _save(path: Path, array: NDArray[Any], affine: NDArray[Any] = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def _labels(shape: tuple[int, ...] = (12, 11, 6)) -> NDArray[np.uint8]:
    array = np.zeros(shape, dtype=np.uint8)
    array[1:10, 1:10, 1:5] = 1
    array[2:5, 2:5, 2:4] = 2
    array[6:8, 6:8, 2:4] = 3
    array[8:9, 2:4, 2:4] = 7
    array[0, 0, 0] = 40
    return array


def _study(folder: Path, *, suffix: str = ".nii.gz") -> Path:
    visit = folder / "images" / "P-1" / "2021-05-04"
    if suffix.startswith(".nii"):
        _save(visit / f"portal{suffix}", np.full((12, 11, 6), -300, dtype=np.int16))
        _save(visit / f"portal_seg{suffix}", _labels())
        return folder
    visit.mkdir(parents=True)
    for name, array in (("portal", np.full((12, 11, 6), -300, dtype=np.int16)), ("portal_seg", _labels())):
        image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
        image.SetSpacing((0.8, 0.8, 2.5))
        image.SetOrigin((-100, -120, -300))
        sitk.WriteImage(image, str(visit / f"{name}{suffix}"), useCompression=True)
    return folder


def _read(folder: Path, labels: LabelSettings = LABELS) -> tuple[Volume, Segmentation]:
    study = open_study(folder, SETTINGS, labels)
    (visit,) = study.subjects[0].visits
    assert visit.usable, visit.problem
    volume, segmentation = read_scan(SETTINGS, labels)(visit.scans[0])
    assert segmentation is not None
    return volume, segmentation


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_study_in_each_format(tmp_path: Path, suffix: str) -> None:
    volume, found = _read(_study(tmp_path, suffix=suffix))
    expected = _labels().transpose(2, 1, 0)
    assert (volume.modality, str(volume.voxels.dtype), volume.voxels.shape) == ("CT", "int16", (6, 11, 12))
    assert np.allclose(volume.grid.to_lps_mm(np.array([1, 2, 3])), [-100 + 2.4, -120 + 1.6, -300 + 2.5])
    assert found.liver is not None and found.zones is not None
    assert np.array_equal(found.liver, expected == 1)
    assert np.array_equal(found.lesions, (expected == 2) + 2 * (expected == 3))
    assert np.array_equal(found.zones > 0, expected == 7)
    assert [(s.label, s.name, s.kind, s.site, s.single) for s in found.segments] == [
        (1, "2", SegmentKind.LESION, "LIVER", False),
        (2, "3", SegmentKind.LESION, "LUNG", False),
        (1, "7", SegmentKind.ABLATION_ZONE, None, False),
    ]


def test_subject_and_date_come_from_the_layout(tmp_path: Path) -> None:
    study = open_study(_study(tmp_path), SETTINGS, LABELS)
    (subject,) = study.subjects
    assert subject.subject_id == "P-1"
    assert subject.visits[0].date.isoformat() == "2021-05-04"


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("order", ["RAS", "LPS", "LAI", "PIR", "SRA", "ASL"])
def test_every_voxel_lies_where_the_affine_says_whatever_the_axes(tmp_path: Path, order: str, axis: int) -> None:
    image = nibabel.Nifti1Image(_world((12, 11, 6), AFFINE, axis), AFFINE)
    turned = image.as_reoriented(
        nibabel.orientations.ornt_transform(
            nibabel.orientations.io_orientation(AFFINE), nibabel.orientations.axcodes2ornt(order)
        )
    )
    nibabel.save(turned, tmp_path / "a.nii.gz")
    grid, array = read_array(tmp_path / "a.nii.gz")
    assert grid.shape[0] == 6, "slices are axial in whatever order they are stored"
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    lps = grid.to_lps_mm(index.astype(np.float64))[..., axis] * (1 if axis == 2 else -1)
    assert np.abs(array / 20 - lps).max() <= 0.05


def test_a_mask_in_other_axes_than_its_image_lands_on_the_same_voxels(tmp_path: Path) -> None:
    _study(tmp_path)
    path = tmp_path / "images" / "P-1" / "2021-05-04" / "portal_seg.nii.gz"
    mask = nibabel.Nifti1Image(_labels(), AFFINE)
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(AFFINE), nibabel.orientations.axcodes2ornt("SAR")
    )
    nibabel.save(mask.as_reoriented(turn), path)
    _, found = _read(tmp_path)
    assert np.array_equal(found.lesions > 0, np.isin(_labels(), [2, 3]).transpose(2, 1, 0))


def test_a_mask_off_its_image_is_refused_with_numbers(tmp_path: Path) -> None:
    _study(tmp_path)
    shifted = AFFINE.copy()
    shifted[0, 3] += 60
    _save(tmp_path / "images" / "P-1" / "2021-05-04" / "portal_seg.nii.gz", _labels(), shifted)
    study = open_study(tmp_path, SETTINGS, LABELS)
    with pytest.raises(LesiontrackError, match="marked voxels lie outside the image"):
        read_scan(SETTINGS, LABELS)(study.subjects[0].visits[0].scans[0])


def test_instances_are_single_lesions(tmp_path: Path) -> None:
    _study(tmp_path)
    labels = LabelSettings.model_validate({"liver": 1, "hepatic": "instances", "ablation_zone": 7})
    _, found = _read(tmp_path, labels)
    assert [(s.name, s.single, s.site) for s in found.segments if s.kind == SegmentKind.LESION] == [
        ("2", True, "LIVER"),
        ("3", True, "LIVER"),
        ("40", True, "LIVER"),
    ]


def test_label_maps_without_labels_are_unusable(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"label maps need \[labels\]"):
        open_study(_study(tmp_path), SETTINGS, LabelSettings())


def test_a_label_map_that_marks_nothing_known_makes_the_visit_fail(tmp_path: Path) -> None:
    _study(tmp_path)
    labels = LabelSettings.model_validate({"liver": 90, "hepatic": 91})
    study = open_study(tmp_path, SETTINGS, labels)
    with pytest.raises(LesiontrackError, match=r"no label that \[labels\] names.*\[1, 2, 3, 7, 40\]"):
        read_scan(SETTINGS, labels)(study.subjects[0].visits[0].scans[0])


def test_a_label_map_without_its_image_is_a_failure(tmp_path: Path) -> None:
    _study(tmp_path)
    visit = tmp_path / "images" / "P-1" / "2021-05-04"
    (visit / "portal_seg.nii.gz").rename(visit / "other_seg.nii.gz")
    study = open_study(tmp_path, SETTINGS, LABELS)
    assert not study.subjects[0].visits[0].usable
    assert any(problem.file.endswith("other_seg.nii.gz") for problem in study.problems)


def _damaged(path: Path, how: str) -> Path:
    array = np.arange(12 * 11 * 6, dtype=np.int16).reshape(12, 11, 6)
    if how == "truncated nifti":
        plain = _save(path / "a.nii", array)
        plain.write_bytes(plain.read_bytes()[:-200])
        return plain
    if how == "truncated gzip":
        packed = _save(path / "a.nii.gz", array)
        packed.write_bytes(packed.read_bytes()[:-60])
        return packed
    if how == "not gzip":
        (path / "a.nii.gz").write_bytes(b"nothing of the kind")
        return path / "a.nii.gz"
    if how == "gzip of text":
        (path / "a.nii.gz").write_bytes(gzip.compress(b"nothing of the kind" * 40))
        return path / "a.nii.gz"
    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    name = str(path / ("a.mha" if "mha" in how else "a.nrrd"))
    sitk.WriteImage(image, name)
    content = Path(name).read_bytes()
    if "space" in how:
        lines = [line for line in content.split(b"\n", 30) if not line.startswith((b"space", b"kinds"))]
        Path(name).write_bytes(b"\n".join(lines))
    else:
        Path(name).write_bytes(content[:-200])
    return Path(name)


@pytest.mark.parametrize(
    "how",
    [
        "truncated nifti",
        "truncated gzip",
        "not gzip",
        "gzip of text",
        "truncated mha",
        "truncated nrrd",
        "nrrd no space",
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, how: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_array(_damaged(tmp_path, how))
    assert caught.value.file


@pytest.mark.parametrize(
    ("affine", "reason"),
    [
        (np.full((4, 4), np.nan), "impossible|damaged"),
        (np.diag([0.0, 1, 1, 1]), "without volume|damaged"),
    ],
)
def test_impossible_affines_are_refused(tmp_path: Path, affine: NDArray[Any], reason: str) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4), dtype=np.int16), np.eye(4))
    image.header["sform_code"] = 1
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        image.header[name] = affine[row]
    path = tmp_path / "a.nii"
    nibabel.save(image, path)
    content = bytearray(path.read_bytes())
    content[280:328] = np.asarray(affine[:3], dtype="<f4").tobytes()
    content[254:256] = (1).to_bytes(2, "little")
    path.write_bytes(bytes(content))
    with pytest.raises(ImageError, match=reason):
        read_array(path)


def test_a_nifti_without_any_patient_space_is_refused(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4), dtype=np.int16), np.eye(4))
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(GeometryError, match="neither sform nor qform"):
        read_array(tmp_path / "a.nii")


def test_four_axes_are_no_volume(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.nii", np.zeros((4, 4, 4, 3), dtype=np.int16))
    with pytest.raises(ImageError, match="not a volume"):
        read_array(path)


def test_scaled_values_become_float(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(64, dtype=np.int16).reshape(4, 4, 4), np.eye(4))
    image.header.set_slope_inter(0.5, 3)
    nibabel.save(image, tmp_path / "a.nii")
    _, array = read_array(tmp_path / "a.nii")
    reference = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nii")))
    assert array.dtype == np.float32
    assert np.allclose(np.sort(array.ravel()), np.sort(reference.ravel()))


def test_a_file_outside_the_layout_is_refused_by_name(tmp_path: Path) -> None:
    _study(tmp_path)
    _save(tmp_path / "images" / "stray.nii.gz", np.zeros((4, 4, 4), dtype=np.int16))
    study = open_study(tmp_path, SETTINGS, LABELS)
    (notice,) = study.catalogue.refused
    assert notice.file.endswith("stray.nii.gz") and "<subject>/<YYYY-MM-DD>" in notice.reason


@given(values=st.binary(min_size=24, max_size=24), shear=st.floats(-1, 1))
def test_a_written_label_map_reads_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, values: bytes, shear: float
) -> None:
    path = tmp_path_factory.mktemp("labels") / "lesions.nii.gz"
    labels = np.frombuffer(values, dtype=np.uint8).reshape(2, 3, 4).astype(np.uint16) * 256
    grid = Grid.from_axes(
        shape=(2, 3, 4),
        origin_lps_mm=np.array([-5.0, 7.0, 90.0]),
        steps_lps_mm=np.array([[0, shear, 5.0], [0, 1.5, 0], [1.5, 0, 0]]),
    )
    write_label_map(path, grid, labels)
    again, array = read_array(path)
    assert again.is_close(grid, tolerance_mm=1e-4)
    assert np.array_equal(array, labels)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"liver": 1, "hepatic": [1]}, "stands both in liver and in hepatic"),
        ({"hepatic": "instances", "lung": "instances"}, "'instances' can be said of one entry only"),
        ({"liver": "instances"}, "of lesions only"),
        ({"liver": 0}, "0 is background"),
        ({"hepatic": "(unclosed"}, "is not a pattern"),
        ({"spleen": 3}, "Extra inputs"),
    ],
)
def test_contradicting_labels_are_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        LabelSettings.model_validate(values)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, -3.0, 1e30, 0.5])
def test_a_value_that_is_no_label_refuses_the_map_alone(tmp_path: Path, value: float) -> None:
    """Infinity, NaN, negative, huge and fractional values are refused by name; the largest plain label is read."""
    array = np.zeros((4, 5, 6), dtype=np.float64)
    array[1, 2, 3] = value
    path = tmp_path / "x_seg.nii.gz"
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    with pytest.raises(ImageError, match="no label"):
        read_label_map(path)
    array[1, 2, 3] = 2**31 - 1
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    assert read_label_map(path).segments()
