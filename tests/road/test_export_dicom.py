"""The standard DICOM results of a run: read back exactly, by ourselves and by others, and run again as the input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.batch.export_dicom import DicomExport, export_dicom
from lesiontrack.domain.geometry import Segment, Segmentation, SegmentKind
from lesiontrack.domain.lesion import Lesion
from lesiontrack.errors import StudyError
from lesiontrack.io.dataset import items
from lesiontrack.io.decision_log import DecisionLog
from lesiontrack.io.history import load_history
from lesiontrack.io.nifti import read_array
from lesiontrack.io.placing import voxels_on
from lesiontrack.io.seg_write import SegKind
from lesiontrack.io.store import subject_folder
from lesiontrack.io.study import open_study, read_scan
from lesiontrack.io.visit_report import VisitReport, read_visit_report
from lesiontrack.measure import measure
from lesiontrack.review import Drawing, LesionRef, Redraw, Reject, Unlink
from lesiontrack.settings import load_settings
from tests.road.small import FAR, PLACES, Place, SmallStudy, six
from tests.running import BIN, Ran, lesiontrack

SUBJECT = "EX-1"
DATES = ("2020-01-06", "2020-03-02", "2020-05-04")
PLAIN = ("PatientID", "StudyInstanceUID", "StudyDate", "StudyTime")
EMPTY = ("PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "ReferringPhysicianName")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three visits: lesions that come, go and are treated, a lung lesion on a second scan of a visit."""
    made = SmallStudy(tmp_path_factory.mktemp("export") / "study")
    made.scan(SUBJECT, DATES[0], six(40, 30, 24, 20, 16, 14))
    made.scan(SUBJECT, DATES[1], [*six(36, 26, None, 24, 16, 14), Place(PLACES[2], 34, zone=True)], shift=(4, -3, 5))
    made.scan(
        SUBJECT, DATES[1], [Place(FAR, 22, site="LUNG")], name="b", liver=False, body_part="CHEST", shift=(4, -3, 5)
    )
    made.scan(SUBJECT, DATES[2], [*six(42, 26, None, 30, None, 14), Place((-30.0, -10.0, 20.0), 18)], shift=(-3, 2, 0))
    made.subject(SUBJECT, treatment_start_date="2020-01-10", arm="LOCAL")
    made.row("local_treatments", subject_id=SUBJECT, date="2020-01-20", method="ABLATION", planned="Y")
    return made.write()


@pytest.fixture(scope="module")
def ran(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The run of that study."""
    out = tmp_path_factory.mktemp("export") / "out"
    done = lesiontrack("run", study, "--out", out)
    assert done.returncode in (0, 1), done.stderr
    return Ran(study=study, out=out, code=done.returncode, said=done.stderr)


@pytest.fixture(scope="module")
def exported(ran: Ran, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segmentations and reports of the run, by the command."""
    to = tmp_path_factory.mktemp("export") / "dicom"
    done = lesiontrack("export", ran.out, "--to", to, "--format", "dicom-sr")
    assert (done.returncode, "arning" in done.stderr) == (0, False), done.stderr
    return to


@pytest.fixture(scope="module")
def maps(ran: Ran, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segmentations of the run as label maps."""
    to = tmp_path_factory.mktemp("export") / "maps"
    export_dicom(DicomExport(out=ran.out, to=to, kind=SegKind.LABELMAP))
    return to


def _visits(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / SUBJECT).iterdir())


def _with_ours(study: Path, exported: Path, to: Path) -> Path:
    """Return the study again with what was exported in the place of its own segmentations."""
    shutil.copytree(study, to, ignore=shutil.ignore_patterns("seg.dcm"))
    shutil.copytree(exported / SUBJECT, to / "images" / "ours")
    return to


# --- what is written ------------------------------------------------------------------------------------------------


def test_every_file_is_listed(exported: Path) -> None:
    listed = json.loads((exported / "export.json").read_text())
    found = sorted(str(path.relative_to(exported)) for path in exported.rglob("*.dcm"))
    assert listed == {"files": found, "refused": []}
    assert [path.name for path in _visits(exported)] == [f"t{n:02d}_{date}" for n, date in enumerate(DATES)]
    assert sorted(path.name for path in _visits(exported)[1].iterdir()) == ["seg1.dcm", "seg2.dcm", "sr.dcm"]


def test_of_the_patient_only_the_id_is_copied(exported: Path, study: Path) -> None:
    image = pydicom.dcmread(next((study / "images").rglob("volume/*.dcm")), stop_before_pixels=True)
    assert image.PatientName and image.PatientSex and image.PatientComments
    for path in exported.rglob("*.dcm"):
        written = pydicom.dcmread(path, stop_before_pixels=True)
        assert written.PatientID == SUBJECT
        assert all(keyword in written for keyword in PLAIN)
        assert [str(written.get(keyword)) for keyword in EMPTY] == [""] * len(EMPTY)
        words = {element.keyword for element in written if element.tag.group == 0x0010}
        assert words <= {"PatientID", "PatientName", "PatientBirthDate", "PatientSex"}


def test_one_tracking_uid_a_lesion_the_same_at_every_visit(exported: Path, ran: Ran) -> None:
    seen: dict[str, set[str]] = {}
    for visit in _visits(exported):
        for path in visit.glob("seg*.dcm"):
            for segment in pydicom.dcmread(path).SegmentSequence:
                if "TrackingUID" in segment:
                    seen.setdefault(str(segment.TrackingUID), set()).add(segment.SegmentLabel.split(".")[0])
    tracks = ran.table("tracks")
    assert {uid: next(iter(names)) for uid, names in seen.items()} == dict(
        zip(tracks["tracking_uid"], tracks["track_id"])
    )
    assert all(len(names) == 1 for names in seen.values())


def test_frames_name_the_images_that_they_lie_on(exported: Path, study: Path) -> None:
    places = {}
    for path in (study / "images").rglob("volume/*.dcm"):
        image = pydicom.dcmread(path, stop_before_pixels=True)
        places[image.SOPInstanceUID] = (image.SeriesInstanceUID, tuple(image.ImagePositionPatient))
    frames = 0
    for path in exported.rglob("seg*.dcm"):
        written = pydicom.dcmread(path)
        (series,) = items(written, "ReferencedSeriesSequence")
        for frame in items(written, "PerFrameFunctionalGroupsSequence"):
            (source,) = items(items(frame, "DerivationImageSequence")[0], "SourceImageSequence")
            position = tuple(items(frame, "PlanePositionSequence")[0].ImagePositionPatient)
            assert places[source.ReferencedSOPInstanceUID] == (series.SeriesInstanceUID, position)
            frames += 1
    assert frames > 50


def test_a_second_export_gives_the_same_bytes(ran: Ran, exported: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    export_dicom(DicomExport(out=ran.out, to=again, reports=True))
    for path in exported.rglob("*.dcm"):
        assert path.read_bytes() == (again / path.relative_to(exported)).read_bytes()


# --- read back by ourselves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["exported", "maps"])
def test_masks_come_back_voxel_for_voxel(
    kind: str, ran: Ran, study: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    exported: Path = request.getfixturevalue(kind)
    ours = _segmentations(_with_ours(study, exported, tmp_path / "ours"))
    theirs = _segmentations(study)
    lesions = {(row["timepoint"], row["track_id"]): row for row in ran.table("lesions").to_dict("records")}
    uids = dict(zip(ran.table("tracks")["track_id"], ran.table("tracks")["tracking_uid"]))
    assert list(ours) == list(theirs) and len(ours) == 4
    compared = []
    for (timepoint, series), found in ours.items():
        source = theirs[timepoint, series]
        for name in ("liver", "zones", "lesions"):
            mine, original = (getattr(one, name) for one in (found, source))
            assert (mine is None) == (original is None)
            assert mine is None or np.array_equal(mine > 0, original > 0)
        for segment in (segment for segment in found.segments if segment.kind == "LESION"):
            row = lesions[timepoint, segment.name]
            assert np.array_equal(found.lesions == segment.label, _labels(ran, timepoint, found) == row["lesion_id"])
            assert (row["series_uid"], row["site"]) == (series, segment.site)
            assert (segment.tracking_uid, segment.single) == (uids[segment.name], True)
            compared.append((timepoint, segment.name))
    assert sorted(compared) == sorted(lesions)


def _segmentations(study: Path) -> dict[tuple[int, str], Segmentation]:
    settings = load_settings()
    opened = open_study(study, settings.archive, settings.labels)
    read = read_scan(settings.archive, settings.labels)
    found = {}
    for visit in opened.subjects[0].visits:
        for scan in sorted(visit.measured_scans, key=lambda scan: scan.series_uid):
            _, segmentation = read(scan)
            assert segmentation is not None
            found[visit.timepoint, scan.series_uid] = segmentation
    return found


def _labels(ran: Ran, timepoint: int, found: Segmentation) -> NDArray[np.uint16]:
    """Return the stored lesion numbers on a scan's grid."""
    joined = np.zeros(found.grid.shape, dtype=np.uint16)
    for path in (ran.out / "subjects" / SUBJECT).glob(f"lesions_t{timepoint:02d}*.nii.gz"):
        grid, labels = read_array(path)
        for number in np.unique(labels[labels > 0]).tolist():
            voxels, _ = voxels_on(found.grid, grid, labels == number)
            joined.reshape(-1)[voxels] = number
    return joined


def test_reports_come_back_as_the_tables_have_it(exported: Path, ran: Ran) -> None:
    reports = [read_visit_report(visit / "sr.dcm") for visit in _visits(exported)]
    lesions, tracks, roles = ran.table("lesions"), ran.table("tracks"), ran.table("roles")
    uids = dict(zip(tracks["track_id"], tracks["tracking_uid"]))
    assert [(r.subject_id, r.timepoint, r.date.isoformat()) for r in reports] == [
        (SUBJECT, number, date) for number, date in enumerate(DATES)
    ]
    assert [(r.is_baseline, r.days_from_baseline) for r in reports] == [(True, 0), (False, 56), (False, 119)]
    for report in reports:
        rows = lesions[lesions["timepoint"] == report.timepoint]
        assert len(rows) == len(report.lesions) > 0
        by_track = {lesion.tracking_id: lesion for lesion in report.lesions}
        for row in rows.to_dict("records"):
            found = by_track[row["track_id"]]
            assert found.tracking_uid == uids[row["track_id"]]
            assert (found.site, found.status) == (row["site"], row["status"])
            assert float(found.longest_diameter_mm or 0) == row["longest_diameter_mm"]
            assert float(found.short_axis_mm or 0) == row["short_axis_mm"]
            assert float(found.volume_mm3 or 0) == row["volume_mm3"]
            for letter, ends in (("d", found.longest_ends_lps_mm), ("s", found.short_ends_lps_mm)):
                assert ends == tuple(tuple(row[f"{letter}{n}_{axis}_lps_mm"] for axis in "xyz") for n in (1, 2))
            assert found.image is not None and found.image.sop_instance_uid == row["sop_instance_uid"]
            own = roles[roles["track_id"] == row["track_id"]]
            assert Counter(found.roles) == Counter(zip(own["phase"], own["role"]))
        _same_responses(report, ran)


def _same_responses(report: VisitReport, ran: Ran) -> None:
    table = ran.table("responses")
    rows = table[table["timepoint"] == report.timepoint]
    names = ["phase", "rules", "reader", "overall", "target", "non_target", "new_lesion", "provisional"]
    expected = [tuple(row) for row in rows[names].astype(object).where(rows[names].notna(), "").to_numpy().tolist()]
    assert Counter(tuple(getattr(r, name) for name in names) for r in report.responses) == Counter(expected)


def test_a_report_names_the_segment_of_each_lesion(exported: Path) -> None:
    for visit in _visits(exported):
        segments = {}
        for path in visit.glob("seg*.dcm"):
            written = pydicom.dcmread(path)
            for segment in written.SegmentSequence:
                segments[written.SOPInstanceUID, segment.SegmentNumber] = segment
        for lesion in read_visit_report(visit / "sr.dcm").lesions:
            assert lesion.segment is not None
            named = segments[lesion.segment.sop_instance_uid, lesion.segment.segment]
            assert (named.SegmentLabel, named.TrackingUID) == (lesion.tracking_id, lesion.tracking_uid)


# --- run again ------------------------------------------------------------------------------------------------------


@pytest.mark.soak
def test_what_was_exported_is_an_input_that_keeps_the_tracks(
    ran: Ran, study: Path, exported: Path, tmp_path: Path
) -> None:
    if not os.environ.get("LESIONTRACK_SOAK"):
        pytest.skip("one more run, of what the test after it proves with corrections: in `make soak`")
    second = _run_again(study, exported, tmp_path)
    assert second.code == ran.code, second.said
    _require_same_tracks(ran, second)
    responses = ["phase", "rules", "timepoint", "overall", "target", "non_target", "sum_mm"]
    pd.testing.assert_frame_equal(ran.table("responses")[responses], second.table("responses")[responses])


def _run_again(study: Path, exported: Path, folder: Path) -> Ran:
    done = lesiontrack("run", _with_ours(study, exported, folder / "study"), "--out", folder / "again")
    return Ran(study=study, out=folder / "again", code=done.returncode, said=done.stderr)


def _require_same_tracks(first: Ran, second: Ran) -> None:
    """Hold every lesion, by place and size, against the tracking UID that it has."""
    keys = ["timepoint", "x_lps_mm", "y_lps_mm", "z_lps_mm", "longest_diameter_mm", "short_axis_mm", "site"]
    before, after = (
        one.table("lesions")
        .merge(one.table("tracks")[["track_id", "tracking_uid"]], on="track_id")[[*keys, "tracking_uid"]]
        .sort_values(keys)
        .reset_index(drop=True)
        for one in (first, second)
    )
    pd.testing.assert_frame_equal(before, after)
    assert set(first.table("tracks")["tracking_uid"]) == set(second.table("tracks")["tracking_uid"])


def _redrawn(study: Path, lesion: Lesion, mask: NDArray[np.bool_]) -> Redraw:
    """Return the decision of a reader who gives a lesion another outline, measured as the viewer measures it."""
    settings = load_settings()
    opened = open_study(study, settings.archive, settings.labels)
    (scan,) = [s for v in opened.subjects[0].visits for s in v.scans if s.series_uid == lesion.series_uid]
    volume, source = read_scan(settings.archive, settings.labels)(scan)
    assert source is not None
    drawn = Segmentation(
        grid=volume.grid,
        liver=source.liver,
        lesions=mask.astype(np.uint16),
        segments=(Segment(label=1, name="drawn", kind=SegmentKind.LESION, site=lesion.site, single=True),),
    )
    measured = measure(volume, drawn, timepoint=lesion.timepoint, date=lesion.date, settings=settings.measure)
    return Redraw(lesion=LesionRef.of(lesion), drawing=Drawing.of(measured.lesions[0], mask))


def test_what_readers_corrected_survives(ran: Ran, study: Path, tmp_path: Path) -> None:
    """A reader cuts a track, rejects a lesion and draws another outline: exported and run again, all three hold."""
    out = tmp_path / "out"
    shutil.copytree(ran.out, out)
    machine = load_history(subject_folder(out, SUBJECT))
    cut, rejected, redrawn = machine.tracks[0], machine.tracks[4], machine.tracks[1]
    whole = _segmentations(study)[0, machine.lesion(*redrawn.lesions[0]).series_uid]
    lesion = machine.lesion(*redrawn.lesions[0])
    smaller = ndimage.binary_erosion(_labels(ran, 0, whole) == lesion.lesion_id, np.ones((1, 3, 3), dtype=bool))
    log = DecisionLog(out, SUBJECT, "A. Reader")
    first, second = (LesionRef.of(machine.lesion(*key)) for key in cut.lesions[:2])
    log.append(Unlink(earlier=first, later=second), reason="another one")
    for key in rejected.lesions:
        log.append(Reject(lesion=LesionRef.of(machine.lesion(*key))), reason="vessel")
    log.append(_redrawn(study, lesion, smaller), reason="too large")
    done = lesiontrack("replay", out)
    assert done.returncode in (0, 1), done.stderr
    read = Ran(study=study, out=out, code=done.returncode, said=done.stderr)
    assert len(read.table("lesions")) == len(ran.table("lesions")) - len(rejected.lesions)
    assert len(read.table("tracks")) == len(ran.table("tracks"))  # one more by the cut, one less by the rejection
    exported = tmp_path / "dicom"
    export_dicom(DicomExport(out=out, to=exported, study=study, reports=True))
    again = _run_again(study, exported, tmp_path)
    _require_same_tracks(read, again)
    found = _segmentations(tmp_path / "study")[0, lesion.series_uid]
    (segment,) = [s for s in found.segments if s.tracking_uid == redrawn.tracking_uid]
    assert np.array_equal(found.lesions == segment.label, smaller)


# --- read by others -------------------------------------------------------------------------------------------------


def _tool(name: str) -> str:
    if not (BIN / name).exists():
        pytest.skip(f"{name} is not installed (extra `test`)")
    return str(BIN / name)


def test_dciodvfy_finds_no_error(exported: Path, maps: Path) -> None:
    tool = _tool("dciodvfy")
    for path in [*exported.rglob("*.dcm"), *maps.rglob("*.dcm")]:
        said = subprocess.run([tool, str(path)], capture_output=True, text=True, check=False)
        lines = (said.stdout + said.stderr).splitlines()
        assert [line for line in lines if line.startswith("Error")] == []
        # It says which kind of object it took the file for: it did read it.
        assert {"Segmentation", "Comprehensive3DSR", "LabelMapSegmentation"} & set(lines), lines


@pytest.mark.parametrize("kind", ["exported", "maps"])
def test_dcmqi_reads_the_same_masks(kind: str, ran: Ran, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tool = _tool("segimage2itkimage")
    exported: Path = request.getfixturevalue(kind)
    grid, labels = read_array(ran.out / "subjects" / SUBJECT / "lesions_t00.nii.gz")
    numbers = {
        row["track_id"]: row["lesion_id"] for row in ran.table("lesions").to_dict("records") if row["timepoint"] == 0
    }
    compared = []
    for path in sorted(_visits(exported)[0].glob("seg*.dcm")):
        to = tmp_path / f"{kind}-{path.stem}"
        to.mkdir()
        command = [tool, "--inputDICOM", str(path), "--outputDirectory", str(to), "--outputType", "nrrd"]
        subprocess.run(command, capture_output=True, check=True)
        tracks = {segment.SegmentNumber: segment.SegmentLabel for segment in pydicom.dcmread(path).SegmentSequence}
        for file in to.glob("*.nrrd"):
            own, values = read_array(file)
            for value in np.unique(values[values > 0]).tolist():
                if tracks[value] in numbers:
                    voxels, note = voxels_on(grid, own, values == value)
                    assert note == ""
                    assert np.array_equal(np.sort(voxels), np.flatnonzero(labels == numbers[tracks[value]]))
                compared.append(tracks[value])
    assert sorted(compared) == sorted([*numbers, "Liver"])


def test_dcmqi_reads_the_same_report(exported: Path, tmp_path: Path) -> None:
    tool = _tool("tid1500reader")
    for visit in _visits(exported):
        to = tmp_path / f"{visit.name}.json"
        command = [tool, "--inputDICOM", str(visit / "sr.dcm"), "--outputMetadata", str(to)]
        subprocess.run(command, capture_output=True, check=True)
        read: dict[str, dict[str, float]] = {}
        for group in json.loads(to.read_text())["Measurements"]:
            found = read.setdefault(group["TrackingUniqueIdentifier"], {})
            found |= {item["quantity"]["CodeMeaning"]: float(item["value"]) for item in group["measurementItems"]}
        for lesion in read_visit_report(visit / "sr.dcm").lesions:
            found = read[lesion.tracking_uid]
            assert found["Long axis"] == float(lesion.longest_diameter_mm or -1)
            assert found["Short axis"] == float(lesion.short_axis_mm or -1)
            assert found["Volume"] == float(lesion.volume_mm3 or -1)


# --- refusals -------------------------------------------------------------------------------------------------------


def test_where_the_images_are_must_be_known(ran: Ran, study: Path, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere" / "out"
    shutil.copytree(ran.out, out)
    with pytest.raises(StudyError, match=r"no longer where the run found them.*--study STUDY"):
        export_dicom(DicomExport(out=out, to=tmp_path / "a"))
    export_dicom(DicomExport(out=out, to=tmp_path / "a", study=study))
    assert (tmp_path / "a" / SUBJECT / f"t00_{DATES[0]}" / "seg.dcm").is_file()


def test_a_series_that_the_archive_lacks_refuses_its_visit_by_name(ran: Ran, study: Path, tmp_path: Path) -> None:
    less = tmp_path / "study"
    shutil.copytree(study, less, ignore=shutil.ignore_patterns(f"{DATES[1]}b"))
    to = tmp_path / "to"
    assert export_dicom(DicomExport(out=ran.out, to=to, study=less)).refused == 1
    (refused,) = json.loads((to / "export.json").read_text())["refused"]
    assert (refused["subject_id"], refused["timepoint"]) == (SUBJECT, 1)
    assert "does not hold this series" in refused["message"]
    assert [visit.name for visit in _visits(to)] == [f"t00_{DATES[0]}", f"t02_{DATES[2]}"]


def test_what_cannot_be_asked_for(ran: Ran, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such subject"):
        export_dicom(DicomExport(out=ran.out, to=tmp_path / "to", subjects=("nobody",)))
    done = lesiontrack("export", ran.out, "--to", tmp_path / "to", "--format", "dicom-sr", "--segmentation", "labelmap")
    assert (done.returncode, "bit masks" in done.stderr) == (2, True)
    assert not (tmp_path / "to").exists()


def test_a_folder_with_other_things_is_not_written_to(ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StudyError, match="holds no export of ours"):
        export_dicom(DicomExport(out=ran.out, to=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
