"""DICOM as written: read back with pydicom and highdicom, attribute by attribute and voxel by voxel."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import tomllib
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGLSLossless

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.errors import GeometryError, SegmentationError, StudyError
from lesiontrack.io.dicom_write import SeriesHeader, localizer_slices, write_segmentation, write_series
from lesiontrack.io.phantom_study import write_phantom_study, write_subjects
from lesiontrack.phantom import Imaging, PhantomSubject, SubjectPlan, subject_plans, uid_of

HEADER = SeriesHeader(
    subject_id="PHANTOM-777",
    patient_name="PHANTOM^777",
    date=dt.date(2020, 2, 29),
    time="093000",
    study_uid=uid_of("study"),
    frame_of_reference_uid=uid_of("frame"),
    series_number=2,
    study_description="CT abdomen",
    series_description="Abdomen portal venous 5 mm",
    sex="F",
    age_years=61,
)

# Type 1 attributes (must be there with a value) and type 2 (must be there) of the two image objects, PS3.3.
TYPE_1 = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "FrameOfReferenceUID",
    "ImageType",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
]
TYPE_2 = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "SeriesNumber",
    "PositionReferenceIndicator",
    "Manufacturer",
    "AcquisitionNumber",
    "InstanceNumber",
    "SliceThickness",
    "PatientPosition",
    "ContrastBolusAgent",
]
CT_ONLY = ["RescaleIntercept", "RescaleSlope", "RescaleType", "KVP"]
MR_ONLY = [
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "MRAcquisitionType",
    "RepetitionTime",
    "EchoTime",
    "EchoTrainLength",
]


def volume(modality: str = "CT", *, oblique: bool = False) -> Volume:
    rng = np.random.default_rng(7)
    low, high = (-1000, 1500) if modality == "CT" else (0, 900)
    steps = np.array([[0, 0, 5.0], [0, 1.5, 0], [1.25, 0, 0]])
    if oblique:
        c, s = np.cos(0.2), np.sin(0.2)
        steps = steps @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    grid = Grid.from_axes(shape=(6, 24, 32), origin_lps_mm=np.array([-20.5, -10.25, 33.1]), steps_lps_mm=steps)
    voxels = rng.integers(low, high, grid.shape).astype(np.int16)
    uids = tuple(uid_of("slice", modality, k) for k in range(6))
    return Volume(
        grid=grid,
        voxels=voxels,
        modality=modality,
        series_uid=uid_of("series", modality),
        sop_instance_uids=uids,
        slice_thickness_mm=5.0,
    )


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("oblique", [False, True])
def test_voxels_and_geometry_come_back(tmp_path: Path, modality: str, oblique: bool) -> None:
    written = volume(modality, oblique=oblique)
    paths = write_series(written, HEADER, tmp_path)
    assert len(paths) == 6
    for k, path in enumerate(paths):
        dataset = dcmread(path)
        assert dataset.file_meta.TransferSyntaxUID == JPEGLSLossless
        assert dataset.SOPInstanceUID == written.sop_instance_uids[k] == dataset.file_meta.MediaStorageSOPInstanceUID
        values = dataset.pixel_array.astype(int)
        if modality == "CT":
            values = values * int(dataset.RescaleSlope) + int(dataset.RescaleIntercept)
        assert np.array_equal(values, written.voxels[k])
        origin = written.grid.to_lps_mm(np.array([k, 0, 0]))
        assert np.array(dataset.ImagePositionPatient, float) == pytest.approx(origin, abs=1e-6)
        row, column = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
        assert row * float(dataset.PixelSpacing[1]) == pytest.approx(written.grid.affine[:3, 2], abs=1e-6)
        assert column * float(dataset.PixelSpacing[0]) == pytest.approx(written.grid.affine[:3, 1], abs=1e-6)
        assert (dataset.SliceThickness, dataset.SpacingBetweenSlices) == (5.0, 5.0)


@pytest.mark.parametrize(("modality", "more"), [("CT", CT_ONLY), ("MR", MR_ONLY)])
def test_required_attributes_are_there(tmp_path: Path, modality: str, more: list[str]) -> None:
    dataset = dcmread(write_series(volume(modality), HEADER, tmp_path)[0])
    for keyword in TYPE_1:
        assert keyword in dataset, keyword
        assert dataset[keyword].value not in ("", None), keyword
    for keyword in (*TYPE_2, *more):
        assert keyword in dataset, keyword
    assert "Laterality" not in dataset
    assert dataset.PatientID == "PHANTOM-777"
    assert {dataset[k].value for k in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")} == {"20200229"}
    assert dataset.SeriesDescription == "Abdomen portal venous 5 mm"
    assert dataset.Modality == modality
    assert dataset.PatientAge == "061Y"


def test_a_series_is_one_series_for_highdicom(tmp_path: Path) -> None:
    written = volume(oblique=True)
    datasets = [dcmread(path) for path in write_series(written, HEADER, tmp_path)]
    read = hd.get_volume_from_series(datasets)
    assert read.spatial_shape == (6, 24, 32)
    assert sorted(read.spacing) == pytest.approx([1.25, 1.5, 5.0])


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (write_series(volume(), HEADER, tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_values_beyond_twelve_bits_are_refused(tmp_path: Path) -> None:
    bright = volume()
    voxels = bright.voxels.copy()
    voxels[0, 0, 0] = 3072
    with pytest.raises(GeometryError, match="12 bits"):
        write_series(replace(bright, voxels=voxels), HEADER, tmp_path)


def test_sheared_rows_are_refused(tmp_path: Path) -> None:
    straight = volume()
    affine = np.array(straight.grid.affine)
    affine[0, 1] += 0.4
    with pytest.raises(GeometryError, match="perpendicular"):
        write_series(replace(straight, grid=Grid(shape=straight.grid.shape, affine=affine)), HEADER, tmp_path)


def test_a_localizer_is_one_coronal_image_of_its_own_series(tmp_path: Path) -> None:
    written = volume()
    path = localizer_slices(written, HEADER, tmp_path, series_uid=uid_of("loc"), sop_uid=uid_of("loc", 1))
    dataset = dcmread(path)
    assert list(dataset.ImageType) == ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    assert dataset.SeriesInstanceUID != written.series_uid
    assert dataset.pixel_array.shape == (6, 32)
    assert np.array(dataset.ImageOrientationPatient, float) == pytest.approx([1, 0, 0, 0, 0, -1])
    assert float(dataset.ImagePositionPatient[2]) == pytest.approx(33.1 + 5 * 5.0)


# --- segmentations --------------------------------------------------------------------------------------------------


def segmentation(grid: Grid) -> Segmentation:
    liver, lesions, zones = np.zeros(grid.shape, bool), np.zeros(grid.shape, np.uint16), np.zeros(grid.shape, np.uint16)
    liver[1:5, 4:20, 4:28] = True
    lesions[2:4, 6:9, 6:10], lesions[3, 12:15, 12:16], lesions[5, 1:3, 1:3] = 1, 2, 3
    zones[2, 16:18, 20:24] = 1
    tracking = uid_of("tracking")
    kinds = (
        Segment(label=1, name="Lesion 1", kind=SegmentKind.LESION, site="LIVER", single=True),
        Segment(label=2, name="Lesion 2", kind=SegmentKind.LESION, tracking_uid=tracking, single=True),
        Segment(label=3, name="Lesion 3", kind=SegmentKind.LESION, site="LYMPH_NODE", single=True),
        Segment(label=4, name="Lesion 4", kind=SegmentKind.LESION, site="LUNG", single=True),
        Segment(label=1, name="Ablation zone 1", kind=SegmentKind.ABLATION_ZONE, site="LIVER", single=True),
    )
    return Segmentation(grid=grid, liver=liver, lesions=lesions, zones=zones, segments=kinds)


def written_seg(folder: Path) -> tuple[Segmentation, Path, tuple[Path, ...]]:
    source = volume()
    files = write_series(source, HEADER, folder / "volume")
    marked = segmentation(source.grid)
    return (
        marked,
        write_segmentation(marked, files, folder / "seg.dcm", series_number=100, description="Lesions"),
        files,
    )


def test_masks_come_back_voxel_for_voxel(tmp_path: Path) -> None:
    marked, path, files = written_seg(tmp_path)
    seg = hd.seg.segread(path)
    assert seg.number_of_segments == 5  # the lesion without a voxel is not written
    uids = [dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in files]
    masks = seg.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True)
    assert marked.liver is not None
    assert marked.zones is not None
    expected = [marked.liver, *(marked.lesions == n for n in (1, 2, 3)), marked.zones == 1]
    for number, mask in enumerate(expected):
        assert np.array_equal(masks[..., number] > 0, mask), number


def test_codes_name_what_is_marked(tmp_path: Path) -> None:
    _, path, _ = written_seg(tmp_path)
    seg = hd.seg.segread(path)
    found = [seg.get_segment_description(number) for number in seg.segment_numbers]
    assert [one.segment_label for one in found] == ["Liver", "Lesion 1", "Lesion 2", "Lesion 3", "Ablation zone 1"]
    assert found[0].segmented_property_category.meaning == "Anatomical Structure"
    assert (found[0].segmented_property_type.value, found[0].segmented_property_type.scheme_designator) == (
        "10200004",
        "SCT",
    )
    assert {one.segmented_property_category.value for one in found[1:]} == {"49755003"}
    regions = [one.anatomic_regions[0].value if one.anatomic_regions else None for one in found]
    assert regions == [None, "10200004", None, "59441001", "10200004"]
    assert [one.tracking_uid for one in found] == [None, None, uid_of("tracking"), None, None]


def test_empty_frames_are_left_out_and_the_file_is_deflated(tmp_path: Path) -> None:
    _, path, files = written_seg(tmp_path)
    dataset = dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    assert dataset.NumberOfFrames == 4 + 2 + 1 + 1 + 1
    source = dcmread(files[0], stop_before_pixels=True)
    assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    assert dataset.StudyInstanceUID == source.StudyInstanceUID
    assert dataset.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert {dataset.SeriesDate, dataset.ContentDate} == {"20200229"}


def test_a_plain_file_holds_the_same_segmentation(tmp_path: Path) -> None:
    marked, path, files = written_seg(tmp_path)
    plain = tmp_path / "plain.dcm"
    write_segmentation(marked, files, plain, series_number=100, description="Lesions", deflated=False)
    one, two = dcmread(path), dcmread(plain)
    assert two.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert one.to_json_dict() == two.to_json_dict()


def test_a_segmentation_is_the_same_every_time(tmp_path: Path) -> None:
    first, second = (written_seg(tmp_path / name)[1] for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_segmentation_needs_its_slices_and_something_marked(tmp_path: Path) -> None:
    source = volume()
    files = write_series(source, HEADER, tmp_path)
    marked = segmentation(source.grid)
    with pytest.raises(SegmentationError, match="each slice"):
        write_segmentation(marked, files[:-1], tmp_path / "s.dcm", series_number=1, description="")
    empty = Segmentation(grid=source.grid, liver=None, lesions=np.zeros(source.grid.shape, np.uint16))
    with pytest.raises(SegmentationError, match="without any segment"):
        write_segmentation(empty, files, tmp_path / "s.dcm", series_number=1, description="")


# --- a whole study --------------------------------------------------------------------------------------------------

TINY = Imaging(pixel_mm=5.0, slice_mm=8.0, matrix=80)


def tiny_plans(*numbers: int) -> list[SubjectPlan]:
    plans = subject_plans(subjects=6, seed=20)
    found = []
    for number in numbers:
        visits = tuple(
            replace(visit, imaging=replace(TINY, modality=visit.imaging.modality, localizer=visit.imaging.localizer))
            for visit in plans[number].visits
        )
        found.append(replace(plans[number], visits=visits))
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom_study")
    write_subjects(folder, tiny_plans(0, 4, 5))
    return folder


def test_a_study_has_its_folders_and_tables(study: Path) -> None:
    assert {path.name for path in study.iterdir()} == {"images", "clinical", "truth", "study.toml"}
    tables = {path.stem for path in (study / "clinical").iterdir()}
    assert tables == {"subjects", "local_treatments", "therapies", "adverse_events"}
    truths = {path.stem for path in (study / "truth").iterdir()}
    assert truths == {"subjects", "responses", "lesions", "zones", "visits"}
    settings = tomllib.loads((study / "study.toml").read_text(encoding="utf-8"))
    assert settings == {"labels": {"ablation_zone": "ablation|zone|treated"}}


def test_truth_of_a_study_is_that_of_its_plans(study: Path) -> None:
    plans = tiny_plans(0, 4, 5)
    truth = {row["subject_id"]: row for row in rows(study / "truth" / "subjects.csv")}
    assert truth["PHANTOM-001"]["pd_date"] == "2019-09-16"
    assert truth["PHANTOM-001"]["pd_site"] == "HEPATIC"
    assert truth["PHANTOM-005"]["pd_date"] == ""
    assert truth["PHANTOM-005"]["eligible"] == "NO"
    assert truth["PHANTOM-006"]["pd_reasons"] == "LTP"
    lesions = rows(study / "truth" / "lesions.csv")
    for plan in plans:
        person = PhantomSubject(plan)
        for number in range(len(plan.visits)):
            date = plan.visit_date(number).isoformat()
            here = {r["true_lesion"]: r for r in lesions if r["subject_id"] == plan.subject_id and r["date"] == date}
            bodies = person.lesions_at(number)
            assert set(here) == {lesion.name for lesion in bodies}
            for lesion in bodies:
                row = here[lesion.name]
                place = [float(row[f"{axis}_lps_mm"]) for axis in "xyz"]
                assert place == pytest.approx(lesion.body.centre_lps_mm, abs=6e-4)
                longest, short = lesion.body.axial_diameters_mm()
                assert float(row["longest_diameter_mm"]) == pytest.approx(longest, abs=6e-4)
                assert float(row["short_axis_mm"]) == pytest.approx(short, abs=6e-4)
                assert float(row["sampled_longest_diameter_mm"]) <= longest + 6e-4
                assert float(row["volume_mm3"]) == pytest.approx(lesion.body.volume_mm3, abs=0.06)


def test_clinical_rows_say_what_was_treated_in_all_the_ways_a_study_may(study: Path) -> None:
    treatments = rows(study / "clinical" / "local_treatments.csv")
    everything = [row for row in treatments if row["subject_id"] == "PHANTOM-005"]
    assert [(row["track_id"], row["x_lps_mm"], row["planned"]) for row in everything] == [("ALL", "", "Y")]
    placed = [row for row in treatments if row["subject_id"] == "PHANTOM-006"]
    assert len(placed) == 6
    truth = [row for row in rows(study / "truth" / "lesions.csv") if row["subject_id"] == "PHANTOM-006"]
    for row in placed:
        assert row["track_id"] == ""
        at = [lesion for lesion in truth if lesion["date"] == row["timepoint_date"]]
        offsets = [
            max(abs(float(lesion[f"{axis}_lps_mm"]) - float(row[f"{axis}_lps_mm"])) for axis in "xyz") for lesion in at
        ]
        assert sum(offset <= 0.051 for offset in offsets) == 1
    subjects = {row["subject_id"]: row for row in rows(study / "clinical" / "subjects.csv")}
    assert {row["arm"] for row in subjects.values()} == {"CHEMO", "LOCAL"}
    assert subjects["PHANTOM-001"]["death_date"] == "2021-06-28"
    assert subjects["PHANTOM-005"]["death_date"] == ""


def test_every_visit_has_a_volume_and_a_seg_of_its_own_frame_of_reference(study: Path) -> None:
    frames = set()
    for visit in rows(study / "truth" / "visits.csv"):
        folder = study / "images" / visit["subject_id"] / visit["date"]
        files = sorted((folder / "volume").glob("*.dcm"))
        first = dcmread(files[0], stop_before_pixels=True)
        assert first.SeriesInstanceUID == visit["series_uid"]
        assert first.PatientID == visit["subject_id"]
        assert first.StudyDate == visit["date"].replace("-", "")
        assert visit["phase_of_contrast"] in first.SeriesDescription
        seg = dcmread(folder / "seg.dcm")
        assert seg.FrameOfReferenceUID == first.FrameOfReferenceUID
        assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == first.SeriesInstanceUID
        frames.add(first.FrameOfReferenceUID)
        zones = [s for s in seg.SegmentSequence if "zone" in s.SegmentLabel]
        assert len(zones) == int(visit["n_zones"])
    assert len(frames) == 16
    assert (study / "images" / "PHANTOM-001" / "2019-02-11" / "localizer" / "0001.dcm").is_file()


def test_a_study_is_written_byte_for_byte_the_same(tmp_path: Path, study: Path) -> None:
    write_subjects(tmp_path, tiny_plans(0))
    for path in (tmp_path / "images").rglob("*.dcm"):
        twin = study / path.relative_to(tmp_path)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(twin.read_bytes()).digest()


def test_a_study_is_never_mixed_with_another(tmp_path: Path) -> None:
    (tmp_path / "left.txt").write_text("something of somebody's")
    with pytest.raises(StudyError, match="never written over"):
        write_phantom_study(tmp_path, subjects=1, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["left.txt"]
