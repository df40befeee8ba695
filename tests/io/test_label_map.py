"""Label maps as other programs write them: 3D Slicer's .seg.nrrd, folders of masks, maps beside DICOM."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, Segmentation, SegmentKind, Volume
from lesiontrack.errors import ImageError
from lesiontrack.io.dicom_write import SeriesHeader, write_series
from lesiontrack.io.label_map import read_label_map
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.sites import meaning_of_segment
from lesiontrack.io.study import Study, open_study, read_scan
from lesiontrack.phantom import uid_of

SETTINGS = ArchiveSettings()
SHAPE = (6, 11, 12)
TISSUE = "SCT|85756007|Tissue"


def _mask(*box: tuple[int, int]) -> NDArray[np.uint8]:
    """Return 1 within (first, end) of k, j, i."""
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[tuple(slice(first, end) for first, end in box)] = 1
    return array


LIVER = _mask((1, 5), (1, 10), (1, 10))
ONE = _mask((2, 4), (2, 5), (2, 5))
TWO = _mask((2, 4), (6, 8), (6, 8))


def write_seg_nrrd(path: Path, layers: Sequence[NDArray[np.uint8]], segments: Sequence[tuple[str, int, int]]) -> Path:
    """Write a file as 3D Slicer does: (name, layer, value) of each segment, layers as a first axis."""
    path.parent.mkdir(parents=True, exist_ok=True)
    many = len(layers) > 1
    k, j, i = layers[0].shape
    lines = [
        "NRRD0004",
        "type: unsigned char",
        f"dimension: {4 if many else 3}",
        "space: left-posterior-superior",
        f"sizes: {f'{len(layers)} ' if many else ''}{i} {j} {k}",
        f"space directions: {'none ' if many else ''}(0.8,0,0) (0,0.8,0) (0,0,2.5)",
        f"kinds: {'list ' if many else ''}domain domain domain",
        "encoding: raw",
        "space origin: (-100,-120,-300)",
    ]
    for number, (name, layer, value) in enumerate(segments):
        lines += [
            f"Segment{number}_ID:=Segment_{number + 1}",
            f"Segment{number}_LabelValue:={value}",
            f"Segment{number}_Layer:={layer}",
            f"Segment{number}_Name:={name}",
        ]
    pixels = np.stack(layers, axis=-1) if many else layers[0]
    path.write_bytes("\n".join([*lines, "", ""]).encode() + pixels.tobytes())
    return path


def _nifti(path: Path, array: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-0.8, -0.8, 2.5, 1.0])
    affine[:3, 3] = (100, 120, -300)
    nibabel.save(nibabel.Nifti1Image(array.transpose(2, 1, 0), affine), path)
    return path


def _study(folder: Path, labels: dict[str, object]) -> tuple[Study, LabelSettings, Path]:
    visit = folder / "images" / "P-1" / "2021-05-04"
    _nifti(visit / "scan.nii.gz", np.full(SHAPE, -300, dtype=np.int16))
    settings = LabelSettings.model_validate(labels)
    return open_study(folder, SETTINGS, settings), settings, visit


def _read(folder: Path, labels: dict[str, object]) -> Segmentation:
    study, settings, _ = _study(folder, labels)
    (visit,) = study.subjects[0].visits
    assert visit.usable, visit.problem
    _, found = read_scan(SETTINGS, settings)(visit.scans[0])
    assert found is not None
    return found


def _liver(found: Segmentation) -> NDArray[np.bool_]:
    assert found.liver is not None
    return found.liver


def test_segments_that_overlap_lie_in_layers(tmp_path: Path) -> None:
    """The liver holds its lesions; Slicer stores overlapping segments in layers, and names each."""
    seg = tmp_path / "images" / "P-1" / "2021-05-04" / "scan.seg.nrrd"
    write_seg_nrrd(seg, [LIVER, ONE + 2 * TWO], [("Liver", 0, 1), ("Metastasis 1", 1, 1), ("Metastasis 2", 1, 2)])
    found = _read(tmp_path, {"liver": "^liver$", "hepatic": "metastasis"})
    assert np.array_equal(_liver(found), LIVER > 0)
    assert np.array_equal(found.lesions, ONE + 2 * TWO)
    assert [(s.name, s.site) for s in found.segments] == [("Metastasis 1", "LIVER"), ("Metastasis 2", "LIVER")]


def test_names_go_before_values(tmp_path: Path) -> None:
    """Value 1 is a lesion in one visit and the liver in another; the name tells."""
    seg = tmp_path / "images" / "P-1" / "2021-05-04" / "scan.seg.nrrd"
    write_seg_nrrd(seg, [ONE + 2 * TWO], [("tumour", 0, 1), ("liver", 0, 2)])
    found = _read(tmp_path, {"liver": "^liver$", "hepatic": ["tumou?r", 2]})
    assert np.array_equal(found.lesions > 0, ONE > 0)
    assert np.array_equal(_liver(found), TWO > 0)


def test_a_segment_without_a_voxel_is_known_by_name(tmp_path: Path) -> None:
    """A visit whose lesions are gone holds an empty segment: the map is understood, and marks no lesion."""
    seg = tmp_path / "images" / "P-1" / "2021-05-04" / "scan.seg.nrrd"
    write_seg_nrrd(seg, [LIVER], [("liver", 0, 1), ("lesions", 0, 2)])
    found = _read(tmp_path, {"liver": "liver", "hepatic": "lesion"})
    assert not found.lesions.any()
    assert [segment.name for segment in found.segments] == ["lesions"]


def test_a_folder_of_masks_is_one_segmentation(tmp_path: Path) -> None:
    """Masks named by their files; what [labels] does not name is listed as ignored, rivals there are none."""
    masks = tmp_path / "images" / "P-1" / "2021-05-04" / "scan_seg"
    for name, mask in (("liver", LIVER), ("liver_tumor", ONE), ("lesion_2", TWO), ("spleen", TWO)):
        _nifti(masks / f"{name}.nii.gz", mask)
    labels: dict[str, object] = {"liver": "^liver$", "hepatic": ["liver_tumor", "lesion_"]}
    found = _read(tmp_path, labels)
    assert np.array_equal(_liver(found), LIVER > 0)
    assert np.array_equal(found.lesions > 0, ONE + TWO > 0)
    study, _, _ = _study(tmp_path, labels)
    assert [(Path(n.file).name, n.reason) for n in study.catalogue.ignored] == [
        ("spleen.nii.gz", "[labels] does not name this structure")
    ]


def test_a_map_of_values_goes_with_a_folder_of_masks(tmp_path: Path) -> None:
    """The liver by value from one task and the tumours by name from another; value 2 of the first is a kidney."""
    visit = tmp_path / "images" / "P-1" / "2021-05-04"
    _nifti(visit / "scan_seg.nii.gz", 5 * LIVER - 3 * TWO)
    _nifti(visit / "scan_seg" / "liver_tumor.nii.gz", ONE)
    found = _read(tmp_path, {"liver": 5, "hepatic": "liver_tumor"})
    assert np.array_equal(found.lesions > 0, ONE > 0)
    assert np.array_equal(_liver(found), (LIVER > 0) & (TWO == 0))


def test_lesions_both_by_value_and_in_a_folder_are_rivals(tmp_path: Path) -> None:
    """Two segmentations of the liver's lesions are never mixed."""
    visit = tmp_path / "images" / "P-1" / "2021-05-04"
    _nifti(visit / "scan_seg.nii.gz", ONE)
    _nifti(visit / "scan_seg" / "lesions.nii.gz", TWO)
    study, _, _ = _study(tmp_path, {"hepatic": [1, "lesion"]})
    assert "rival" in study.subjects[0].visits[0].problem


def test_several_values_in_a_folder_of_masks_are_refused(tmp_path: Path) -> None:
    path = _nifti(tmp_path / "scan_seg" / "liver.nii.gz", LIVER + ONE)
    with pytest.raises(ImageError, match=r"one structure.*found values 1, 2"):
        read_label_map(path)


def test_values_that_are_no_whole_numbers_are_refused(tmp_path: Path) -> None:
    """Resampled with interpolation: no label can be told."""
    with pytest.raises(ImageError, match=r"values that are no labels.*whole numbers"):
        read_label_map(_nifti(tmp_path / "scan_seg.nii.gz", LIVER.astype(np.float32) / 3))


# --- beside DICOM ---------------------------------------------------------------------------------------------------


def _dicom(folder: Path, name: str, *, shift_mm: float = 0.0, day: int = 4) -> None:
    """Write a DICOM series on the voxels of the masks, or off them."""
    origin = np.array([-100.0 + shift_mm, -120.0, -300.0])
    steps = np.array([[0, 0, 2.5], [0, 0.8, 0], [0.8, 0, 0]])
    uid = uid_of(name)
    volume = Volume(
        grid=Grid.from_axes(shape=SHAPE, origin_lps_mm=origin, steps_lps_mm=steps),
        voxels=np.full(SHAPE, -300, dtype=np.int16),
        modality="CT",
        series_uid=uid,
        sop_instance_uids=tuple(uid_of(uid, k) for k in range(SHAPE[0])),
        slice_thickness_mm=2.5,
    )
    header = SeriesHeader(
        subject_id="P-1",
        patient_name="P^1",
        date=dt.date(2021, 5, day),
        time="080000",
        study_uid=uid_of("study", day),
        frame_of_reference_uid=uid_of("frame"),
        series_number=1,
        series_description=name,
    )
    write_series(volume, header, folder / "images" / "anywhere" / name)


@pytest.mark.parametrize("name", ["Segmentation.seg.nrrd", "scan_seg.nii.gz", "scan_seg/lesion.nii.gz"])
def test_a_map_on_the_voxels_of_a_dicom_series_belongs_to_it(tmp_path: Path, name: str) -> None:
    """By PatientID and date from the folders, and by the voxels; another series of the day lies elsewhere."""
    _dicom(tmp_path, "portal")
    _dicom(tmp_path, "lung", shift_mm=0.3)
    path = tmp_path / "images" / "P-1" / "2021-05-04" / name
    if name.endswith(".nrrd"):
        write_seg_nrrd(path, [ONE], [("lesion", 0, 1)])
    else:
        _nifti(path, ONE)
    labels = LabelSettings.model_validate({"hepatic": ["lesion", 1]})
    (visit,) = open_study(tmp_path, SETTINGS, labels).subjects[0].visits
    measured = [scan for scan in visit.scans if scan.measured]
    assert [scan.series_uid for scan in measured] == [uid_of("portal")]
    _, found = read_scan(SETTINGS, labels)(measured[0])
    assert found is not None
    assert np.array_equal(found.lesions > 0, ONE > 0)


def _map_on_two_series(tmp_path: Path, texts: tuple[str, str], preference: tuple[str, ...] = ()) -> Any:
    for text in texts:
        _dicom(tmp_path, text)
    _nifti(tmp_path / "images" / "P-1" / "2021-05-04" / "scan_seg.nii.gz", ONE)
    settings = ArchiveSettings(series_preference=preference)
    return open_study(tmp_path, settings, LabelSettings.model_validate({"hepatic": 1}))


@pytest.mark.parametrize(
    ("preference", "phase"), [((), "PORTAL_VENOUS"), (("arterial",), "ARTERIAL"), (("none", "portal"), "PORTAL_VENOUS")]
)
def test_a_map_that_fits_two_dicom_series_goes_to_the_one_that_is_preferred(
    tmp_path: Path, preference: tuple[str, ...], phase: str
) -> None:
    """Two phases on the same voxels: portal venous, unless the settings say otherwise; a note says so."""
    study = _map_on_two_series(tmp_path, ("arterial", "portal"), preference)
    (scan,) = study.subjects[0].visits[0].measured_scans
    assert scan.phase_of_contrast == phase
    assert any("fits 2 series" in note for note in scan.notes)


def test_a_map_that_fits_two_dicom_series_without_a_reason_to_prefer_one_is_refused(tmp_path: Path) -> None:
    study = _map_on_two_series(tmp_path, ("first", "second"))
    assert not study.subjects[0].visits[0].usable
    assert any("several DICOM series" in problem.message for problem in study.problems)


@pytest.mark.parametrize("how", [{"shift_mm": 0.3}, {"day": 5}])
def test_a_map_off_the_voxels_or_of_another_day_belongs_to_no_dicom_series(tmp_path: Path, how: dict[str, Any]) -> None:
    """A map is never laid over a scan that only looks like its own."""
    _dicom(tmp_path, "portal", **how)
    _nifti(tmp_path / "images" / "P-1" / "2021-05-04" / "scan_seg.nii.gz", ONE)
    study = open_study(tmp_path, SETTINGS, LabelSettings.model_validate({"hepatic": 1}))
    assert not study.subjects[0].visits[0].scans[0].measured
    assert any("label map without its volume" in problem.message for problem in study.problems)


def test_a_damaged_map_beside_dicom_says_that_it_is_damaged(tmp_path: Path) -> None:
    """What is wrong with the file goes before whose it may be."""
    _dicom(tmp_path, "portal")
    path = _nifti(tmp_path / "images" / "P-1" / "2021-05-04" / "scan_seg.nii.gz", ONE)
    path.write_bytes(path.read_bytes()[:60])
    study = open_study(tmp_path, SETTINGS, LabelSettings.model_validate({"hepatic": 1}))
    assert any("damaged NIfTI" in problem.message for problem in study.problems), study.problems


# --- names in DICOM SEG ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "expected"),
    [("Liver", (SegmentKind.LIVER, None)), ("lesion 4", (SegmentKind.LESION, "LIVER")), ("aorta", None)],
)
def test_a_segment_coded_as_tissue_is_known_by_its_name(label: str, expected: object) -> None:
    """3D Slicer codes segments as "Tissue" until the user says otherwise."""
    labels = LabelSettings.model_validate({"liver": "^liver$", "hepatic": "lesion"})
    assert meaning_of_segment(("1", label, TISSUE, TISSUE, "", ""), labels) == expected
    assert meaning_of_segment(("1", label, TISSUE, TISSUE, "", ""), LabelSettings()) is None


def test_codes_go_before_names() -> None:
    """A segment coded as the liver is the liver, whatever a pattern finds in its label."""
    labels = LabelSettings.model_validate({"hepatic": "lesion"})
    entry = ("1", "liver with lesions", "SCT|123037004|Anatomical Structure", "SCT|10200004|Liver", "", "")
    assert meaning_of_segment(entry, labels) == (SegmentKind.LIVER, None)
