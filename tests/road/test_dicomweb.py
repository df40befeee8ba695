"""The main job from a real PACS equals that from a folder; a server that dies half way fails what it kept back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pydicom
import pytest

from lesiontrack.batch.export_dicom import DicomExport, export_dicom
from lesiontrack.errors import ArchiveError
from lesiontrack.io.archive import index
from lesiontrack.io.dicomweb import DicomwebAddress, store_back
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read
from tests.road.small import PATIENT_NAME, SmallStudy, six
from tests.running import Ran, lesiontrack
from tests.servers.fake_dicomweb import Fault, serve
from tests.servers.orthanc import MISSING, Orthanc, program, run_orthanc

# Of the tables' columns, the one that says how long something took.
TAKES_TIME = {"registrations": ["seconds"]}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study of two subjects with two visits each."""
    small = SmallStudy(tmp_path_factory.mktemp("study") / "study")
    for subject_id, growth in (("PEAR", 1.4), ("QUINCE", 0.7)):
        small.subject(subject_id, treatment_start_date="2020-01-08", enrolment_date="2020-01-02")
        for date, factor in (("2020-01-06", 1.0), ("2020-03-02", growth)):
            small.scan(subject_id, date, six(20 * factor, 24 * factor), slices=22, bottom_mm=-55.0)
    return small.write()


@pytest.fixture(scope="module")
def from_folder(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Return the main job on the study's folder."""
    return _ran(study, tmp_path_factory.mktemp("folder") / "out")


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, study: Path) -> Iterator[Orthanc]:
    """Run a PACS that holds the study's images."""
    if program() is None:
        pytest.skip(MISSING)
    with run_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        server.add(sorted((study / "images").rglob("*.dcm")))
        yield server


def _ran(study: Path, out: Path) -> Ran:
    done = lesiontrack("run", study, "--out", out)
    return Ran(study=study, out=out, code=done.returncode, said=done.stdout + done.stderr)


def _web_study(study: Path, folder: Path, archive: str, **settings: Any) -> Path:
    """Return the study with its images on a server: clinical tables and settings, no image."""
    shutil.copytree(study / "clinical", folder / "clinical")
    lines = [f'images = "{archive}"', *(f"{name} = {value}" for name, value in settings.items())]
    (folder / "study.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _require_same_tables(one: Ran, other: Ran) -> None:
    names = sorted(path.stem for path in (one.out / "cohort").glob("*.parquet"))
    assert names == sorted(path.stem for path in (other.out / "cohort").glob("*.parquet"))
    for name in names:
        ignored = TAKES_TIME.get(name, [])
        pd.testing.assert_frame_equal(one.table(name).drop(columns=ignored), other.table(name).drop(columns=ignored))
    assert len(one.table("lesions")) == 8


def _left_over(out: Path) -> list[str]:
    return [path.name for path in out.rglob("*") if path.name.startswith(".") or path.suffix == ".dcm"]


def test_the_main_job_from_a_pacs_equals_that_from_a_folder(
    study: Path, from_folder: Ran, orthanc: Orthanc, tmp_path: Path
) -> None:
    web = _web_study(study, tmp_path / "web", orthanc.archive)
    ran = _ran(web, tmp_path / "out")
    assert (ran.code, from_folder.code) == (0, 0), ran.said
    _require_same_tables(ran, from_folder)
    assert not _left_over(ran.out)
    name = PATIENT_NAME.split("^")[0].encode()
    assert not [path for path in ran.out.rglob("*") if path.is_file() and name in path.read_bytes()]
    assert name.decode() not in ran.said
    again = _ran(web, ran.out)
    assert "0 done, 2 already done" in again.said


def _require_stored_results_come_back(orthanc: Orthanc) -> None:
    """What was stored is the rival of the original on the server, and can be chosen by name."""
    address = DicomwebAddress.parse(orthanc.archive)
    rivals = index(address, ArchiveSettings())
    assert sum("2 rival lesion segmentations" in problem.message for problem in rivals.failures) == 4
    ours = ArchiveSettings(segmentation_source=("^lesiontrack export$",))
    for subject in index(address, ours).subjects:
        for visit in subject.visits:
            volume, segmentation = read(visit.scans[0], ours, LabelSettings())
            assert segmentation is not None and segmentation.lesions.shape == volume.voxels.shape
            assert len(segmentation.segments) == 2


def test_an_index_of_a_pacs_is_printed(orthanc: Orthanc, tmp_path: Path) -> None:
    done = lesiontrack("index", orthanc.archive, "--out", tmp_path / "catalogue")
    assert done.returncode == 0, done.stderr
    assert "92 files, 92 opened, 0 ignored, 0 refused; 2 subjects, 0 problems" in done.stdout
    assert done.stdout.count(" measured ") == 4


def test_a_pacs_stores_results_and_hands_them_out_unchanged(study: Path, orthanc: Orthanc, tmp_path: Path) -> None:
    scan = index(DicomwebAddress.parse(orthanc.archive), ArchiveSettings()).subject("PEAR").visits[0].scans[0]
    result = pydicom.dcmread(next((study / "images").rglob("seg.dcm")))
    result.SOPInstanceUID = result.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3.4.5")
    result.SeriesInstanceUID, result.PatientID, result.StudyInstanceUID = "1.2.3.4", "STORED", "1.2.3"
    # Larger than what the client sends at once, so that it comes in pieces.
    result.add_new((0x0009, 0x0010), "LO", "TEST")
    result.add_new((0x0009, 0x1001), "OB", bytes(range(256)) * 10_000)
    result.save_as(tmp_path / "result.dcm")
    assert scan.usable and store_back(orthanc.archive, [tmp_path / "result.dcm"]) == 1
    found = [study for study in _studies(orthanc) if study["00100020"]["Value"] == ["STORED"]]
    assert len(found) == 1
    back = orthanc.call("GET", "/instances/" + _orthanc_id(orthanc, "1.2.3.4.5") + "/file")
    stored = pydicom.dcmread(pydicom.filebase.DicomBytesIO(back))
    assert stored == result and stored.PixelData == result.PixelData
    orthanc.call("DELETE", "/instances/" + _orthanc_id(orthanc, "1.2.3.4.5"))


def test_results_of_a_pacs_are_exported_as_from_a_folder_and_stored_in_it(
    study: Path, from_folder: Ran, orthanc: Orthanc, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(from_folder.out, out)
    kept = (out / "settings.toml").read_text(encoding="utf-8")
    web = _web_study(study, tmp_path / "web", orthanc.archive)
    export_dicom(DicomExport(out=out, to=tmp_path / "folder", study=study, reports=True))
    (out / "settings.toml").write_text(kept.replace('images = ""', f'images = "{orthanc.archive}"'), encoding="utf-8")
    done = export_dicom(DicomExport(out=out, to=tmp_path / "pacs", study=web, reports=True, store=True))
    assert (done.refused, len(done.files)) == (0, 8)
    _require_stored_results_come_back(orthanc)
    for file in done.files:
        assert file.read_bytes() == (tmp_path / "folder" / file.relative_to(tmp_path / "pacs")).read_bytes()
        uid = pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID
        orthanc.call("DELETE", "/instances/" + _orthanc_id(orthanc, str(uid)))


def _studies(orthanc: Orthanc) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(orthanc.call("GET", "/dicom-web/studies"))
    return found


def _orthanc_id(orthanc: Orthanc, uid: str) -> str:
    (found,) = json.loads(orthanc.call("POST", "/tools/lookup", uid.encode()))
    return str(found["ID"])


def test_what_a_pacs_no_longer_has_is_named_and_what_it_has_again_is_read(study: Path, orthanc: Orthanc) -> None:
    scan = index(DicomwebAddress.parse(orthanc.archive), ArchiveSettings()).subject("PEAR").visits[0].scans[0]
    uid = scan.files[4].rpartition("/")[2].partition("#")[0]
    file = next(
        path
        for path in sorted((study / "images").rglob("*.dcm"))
        if str(pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID) == uid
    )
    orthanc.call("DELETE", "/instances/" + _orthanc_id(orthanc, uid))
    with pytest.raises(ArchiveError, match=f"found 21 of 22; {uid} is missing"):
        read(scan, ArchiveSettings(), LabelSettings())
    found = index(DicomwebAddress.parse(orthanc.archive), ArchiveSettings())
    assert any("missing slice" in problem.message for problem in found.failures)
    orthanc.add([file])
    volume, _ = read(scan, ArchiveSettings(), LabelSettings())
    assert volume.grid.shape[0] == 22


def test_a_pacs_with_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if program() is None:
        pytest.skip(MISSING)
    with run_orthanc(tmp_path, users={"reader": "sesame"}) as server:
        address = DicomwebAddress.parse(server.archive)
        with pytest.raises(ArchiveError, match=r"HTTP 401.*LESIONTRACK_DICOMWEB_USER"):
            index(address, ArchiveSettings())
        monkeypatch.setenv("LESIONTRACK_DICOMWEB_USER", "reader")
        monkeypatch.setenv("LESIONTRACK_DICOMWEB_PASSWORD", "sesame")
        assert index(address, ArchiveSettings()).files == 0


def test_a_server_that_dies_half_way_fails_one_subject_and_a_rerun_does_the_rest(
    study: Path, from_folder: Ran, tmp_path: Path
) -> None:
    files = sorted((study / "images").rglob("*.dcm"))
    with serve(*files) as server:
        web = _web_study(study, tmp_path / "web", server.archive, dicomweb_attempts=2)
        last = max(
            entry["0020000D"]["Value"][0]
            for _, entry in server.metadata()
            if entry["00100020"]["Value"] == ["QUINCE"] and entry["00080020"]["Value"] == ["20200302"]
        )
        server.faults = [Fault(f"{last}/series/[0-9.]+$", how="cut", share=0.7)]
        first = _ran(web, tmp_path / "out")
        assert first.code == 1
        (failure,) = first.table("failures").to_dict("records")
        assert (failure["subject_id"], failure["error"]) == ("QUINCE", "ArchiveError")
        assert "breaks off, 2 times" in failure["message"]
        assert set(first.table("lesions")["subject_id"]) == {"PEAR"}
        assert sorted(path.name for path in (first.out / "subjects").iterdir() if path.is_dir()) == ["PEAR"]
        assert not _left_over(first.out)
        server.faults = []
        server.requests.clear()
        second = _ran(web, first.out)
        assert second.code == 0 and "1 done, 1 already done" in second.said
        # Two scans and their segmentations: nothing of the subject that was done is fetched again.
        assert server.asked("series/[0-9.]+$") == 4
        assert not _left_over(second.out)
        _require_same_tables(second, from_folder)


def test_a_server_that_is_not_there_is_one_line(study: Path, tmp_path: Path) -> None:
    web = _web_study(study, tmp_path / "web", "dicomweb+http://127.0.0.1:9/dicom-web", dicomweb_attempts=1)
    done = lesiontrack("run", web, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("lesiontrack: file dicomweb+http://127.0.0.1:9/")
    assert "no connection" in done.stderr and "Traceback" not in done.stderr
