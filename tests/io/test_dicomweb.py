"""DICOMweb archives: what a server hands out equals the files, and no failure of a server passes for data."""

from __future__ import annotations

import datetime as dt
import gc
import json
import logging
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from lesiontrack.batch.pool import subject_key
from lesiontrack.domain.study import Scan
from lesiontrack.errors import ArchiveError, ImageError, LesiontrackError, StudyError
from lesiontrack.io import dicomweb, dicomweb_catalogue, dicomweb_server, dicomweb_session, held
from lesiontrack.io.archive import index
from lesiontrack.io.catalogue import Catalogue
from lesiontrack.io.dicomweb import DicomwebAddress, WebObject, at_hand, store_back
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read
from lesiontrack.settings import Settings
from tests.road.small import SmallStudy, six
from tests.servers.fake_dicomweb import BOUNDARY, FakeDicomweb, Fault, multipart, serve

# Long enough for a busy machine; of silence alone it is waited out.
SETTINGS = ArchiveSettings(dicomweb_timeout_s=60, dicomweb_attempts=3)
IMPATIENT = ArchiveSettings(dicomweb_timeout_s=1.5, dicomweb_attempts=3)
NO_LABELS = LabelSettings()
SLICES = 10


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait little between attempts, and use no credentials of whoever runs the tests."""
    monkeypatch.setattr(dicomweb_server, "_FIRST_WAIT_S", 0.01)
    for name in (dicomweb_session.USER, dicomweb_session.PASSWORD, dicomweb_session.TOKEN):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def two_subjects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study of two subjects, one with two visits."""
    study = SmallStudy(tmp_path_factory.mktemp("two") / "study")
    for subject, date, lesions in (
        ("A", "2020-01-06", six(20, 24)),
        ("A", "2020-03-02", six(30, 24)),
        ("B", "2020-01-06", six(18, 22)),
    ):
        study.scan(subject, date, lesions, slices=SLICES, bottom_mm=-25.0)
    return study.write()


@pytest.fixture
def images(two_subjects: Path, tmp_path: Path) -> Path:
    """Return a copy of the images that a test may change."""
    return Path(shutil.copytree(two_subjects / "images", tmp_path / "images"))


@pytest.fixture
def server(images: Path) -> Iterator[FakeDicomweb]:
    """Run a server that has the study's images."""
    with serve(*sorted(images.rglob("*.dcm"))) as fake:
        yield fake


def catalogue(
    server: FakeDicomweb,
    *,
    verify: bool = False,
    database: Path | None = None,
    settings: ArchiveSettings = SETTINGS,
) -> Catalogue:
    return index(DicomwebAddress.parse(server.archive), settings, database=database, verify=verify)


def scans(found: Catalogue) -> list[tuple[str, int, Scan]]:
    return [(s.subject_id, v.timepoint, scan) for s in found.subjects for v in s.visits for scan in v.scans]


def _without_place(scan: Scan) -> Scan:
    return replace(scan, grid=None, files=(), segmentation_files=())


# --- the same as files ----------------------------------------------------------------------------------------------


def test_the_catalogue_of_a_server_is_that_of_its_files(server: FakeDicomweb, images: Path) -> None:
    there, here = catalogue(server), index(images, SETTINGS)
    for (subject, visit, web), (subject_here, visit_here, local) in zip(scans(there), scans(here), strict=True):
        assert (subject, visit) == (subject_here, visit_here)
        assert web.grid is not None and local.grid is not None and web.grid.is_close(local.grid)
        assert _without_place(web) == _without_place(local)
        uids = [WebObject.parse(name).uid for name in web.files]
        assert uids == [str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in local.files]
    assert there.files == here.files and not there.failures


def test_a_scan_reads_as_from_its_files_and_leaves_nothing_behind(
    server: FakeDicomweb, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (_, _, web), *_ = scans(catalogue(server))
    (_, _, local), *_ = scans(index(images, SETTINGS))
    volume, marked = read(web, SETTINGS, NO_LABELS)
    expected, expected_marks = read(local, SETTINGS, NO_LABELS)
    assert np.array_equal(volume.voxels, expected.voxels) and volume.sop_instance_uids == expected.sop_instance_uids
    assert marked is not None and expected_marks is not None
    assert np.array_equal(marked.lesions, expected_marks.lesions)
    assert [path.name for path in tmp_path.iterdir()] == ["images"] and not held_now()


def held_now() -> list[str]:
    return [name for objects in held._HELD for name in objects]


def test_objects_are_at_hand_by_name_and_only_for_a_while(server: FakeDicomweb) -> None:
    (_, _, scan), *_ = scans(catalogue(server))
    stored = server.files[WebObject.parse(scan.files[0]).uid].read_bytes()
    with at_hand(scan, SETTINGS):
        with at_hand(scan, SETTINGS), held.open_object(scan.files[0]) as file:
            assert file.read() == stored
        with held.open_object(scan.files[0]) as file:
            assert file.read() == stored
    with pytest.raises(OSError, match="No such file"):
        held.open_object(scan.files[0])


def test_files_need_no_fetching(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a file")
    scan = Scan(series_uid="1", date=dt.date(2020, 1, 1), modality="CT", files=(str(tmp_path / "a"),))
    with at_hand(scan, SETTINGS), held.open_object(scan.files[0]) as file:
        assert file.read() == b"a file" and not held_now()


def test_series_of_other_modalities_are_ignored_by_name_without_their_metadata(
    server: FakeDicomweb, images: Path, tmp_path: Path
) -> None:
    other = pydicom.dcmread(next(images.rglob("seg.dcm")).parent / "volume" / "0001.dcm")
    other.Modality, other.SeriesInstanceUID = "US", "1.2.3"
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    other.save_as(tmp_path / "us.dcm")
    server.add(tmp_path / "us.dcm")
    found = catalogue(server)
    assert [(notice.series_uid, notice.reason) for notice in found.ignored] == [
        ("1.2.3", "no CT or MR image (modality US)")
    ]
    assert not server.asked("series/1.2.3/")


def test_duplicates_are_compared_by_their_pixels_and_only_they_are_fetched(images: Path) -> None:
    files = sorted((images).rglob("volume/*.dcm"))[:SLICES]
    twin = pydicom.dcmread(files[2])
    twin.SOPInstanceUID = twin.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.9")
    twin.save_as(files[2].with_name("twin.dcm"))
    with serve(*files, files[2].with_name("twin.dcm")) as server:
        ((_, _, scan),) = scans(catalogue(server))
        assert scan.usable and len(scan.files) == SLICES
        assert scan.notes == ("1 duplicate slice(s) dropped",)
        assert server.asked("/instances/[0-9.]+$") == 2


# --- what is remembered, and when it is not -------------------------------------------------------------------------


def test_metadata_is_asked_for_again_only_where_the_listing_changed(
    server: FakeDicomweb, images: Path, tmp_path: Path
) -> None:
    database = tmp_path / "catalogue.sqlite"
    first = catalogue(server, database=database)
    server.requests.clear()
    again = catalogue(server, database=database)
    assert scans_names(again) == scans_names(first) and again.fresh == 0
    # Of segmentations alone, which are corrected under an unchanged UID.
    assert server.asked("/metadata$") == 3
    gone = next(uid for uid, file in server.files.items() if file.name == f"{SLICES:04d}.dcm")
    del server.files[gone]
    server.requests.clear()
    assert catalogue(server, database=database).fresh == SLICES - 1
    assert server.asked("/metadata$") == 4


def scans_names(found: Catalogue) -> list[tuple[str, ...]]:
    return [(*scan.files, *scan.segmentation_files) for _, _, scan in scans(found)]


def keys(found: Catalogue) -> dict[str, str]:
    return {subject.subject_id: subject_key(subject, Settings(archive=SETTINGS)) for subject in found.subjects}


def test_a_segmentation_that_is_corrected_under_its_uid_changes_the_key_of_its_subject_alone(
    server: FakeDicomweb, tmp_path: Path
) -> None:
    database = tmp_path / "catalogue.sqlite"
    before = keys(catalogue(server, database=database))
    assert keys(catalogue(server, database=database)) == before
    file = next(
        file for file, entry in server.metadata() if file.name == "seg.dcm" and entry["00100020"]["Value"] == ["B"]
    )
    corrected = pydicom.dcmread(file)
    corrected.SegmentSequence[1].SegmentLabel = "corrected"
    corrected.save_as(file)
    after = keys(catalogue(server, database=database))
    assert after["A"] == before["A"] and after["B"] != before["B"]


def test_verify_names_images_that_changed_behind_an_unchanged_listing(server: FakeDicomweb, tmp_path: Path) -> None:
    database = tmp_path / "catalogue.sqlite"
    before = keys(catalogue(server, database=database))
    file = next(file for file, _ in server.metadata() if file.name == "0005.dcm")
    edited = pydicom.dcmread(file)
    edited.RescaleIntercept = -1000
    edited.save_as(file)
    assert keys(catalogue(server, database=database)) == before
    found = catalogue(server, verify=True, database=database)
    assert [WebObject.parse(name).uid for name in found.changed] == [str(edited.SOPInstanceUID)]
    assert keys(found) != before


def test_how_a_server_is_asked_changes_no_key(server: FakeDicomweb) -> None:
    (subject, *_) = catalogue(server).subjects
    patient = Settings(archive=SETTINGS.model_copy(update={"dicomweb_timeout_s": 99.0, "dicomweb_attempts": 9}))
    assert subject_key(subject, patient) == subject_key(subject, Settings(archive=SETTINGS))


def test_where_a_server_keeps_an_object_is_no_part_of_its_content() -> None:
    there = {
        "00081190": {"vr": "UR", "Value": ["http://one/studies/1"]},
        "00400555": {"vr": "SQ", "Value": [{"00280010": {"vr": "US", "BulkDataURI": "http://one/bulk"}}]},
        "00280010": {"vr": "US", "Value": [4]},
    }
    elsewhere = json.loads(json.dumps(there).replace("http://one", "http://two"))
    assert dicomweb_catalogue.content_of(there) == dicomweb_catalogue.content_of(elsewhere)
    elsewhere["00280010"]["Value"] = [5]
    assert dicomweb_catalogue.content_of(there) != dicomweb_catalogue.content_of(elsewhere)


# --- servers that fail ----------------------------------------------------------------------------------------------

PASSING = {
    "503": Fault("", times=2),
    "429 with a wait": Fault("", times=1, status=429, headers={"Retry-After": "1"}),
    "500": Fault("", times=2, status=500),
    "silence": Fault("", how="silent", times=1),
    "hanging up": Fault("", how="hang up", times=2),
    "half an answer": Fault("", how="cut", times=2),
    "half an answer without a length": Fault("", how="cut", times=2, unannounced=True),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_failure_that_passes_is_outlasted_when_a_series_is_read(
    server: FakeDicomweb, images: Path, name: str
) -> None:
    (_, _, scan), *_ = scans(catalogue(server))
    server.faults = [replace(PASSING[name])]
    started = time.monotonic()
    volume, _ = read(scan, IMPATIENT if name == "silence" else SETTINGS, NO_LABELS)
    assert time.monotonic() - started > (1 if "wait" in name else 0)
    expected, _ = read(scans(index(images, SETTINGS))[0][2], SETTINGS, NO_LABELS)
    assert np.array_equal(volume.voxels, expected.voxels)


@pytest.mark.parametrize("name", [name for name in PASSING if "without" not in name])
def test_a_failure_that_passes_is_outlasted_when_the_archive_is_indexed(server: FakeDicomweb, name: str) -> None:
    whole = scans_names(catalogue(server))
    server.faults = [replace(PASSING[name], path="metadata$|instances$")]
    found = catalogue(server, settings=IMPATIENT if name == "silence" else SETTINGS)
    assert scans_names(found) == whole


LASTING = {
    "503": (Fault("series/[0-9.]+$"), "HTTP 503, 3 times", 3),
    "404": (Fault("series/[0-9.]+$", status=404), "HTTP 404", 1),
    "401": (Fault("series/[0-9.]+$", status=401), "LESIONTRACK_DICOMWEB_USER", 1),
    "silence": (Fault("series/[0-9.]+$", how="silent"), "no answer in time, 3 times", 3),
    "a trickle": (Fault("series/[0-9.]+$", how="trickle"), "an answer that trickles, 3 times", 3),
    "a header that trickles": (
        Fault("series/[0-9.]+$", how="trickle", unannounced=True),
        "an answer that trickles, 3 times",
        3,
    ),
    "silence in the middle": (
        Fault("series/[0-9.]+$", how="trickle", pause_s=4.0),
        "no answer in time, 3 times",
        3,
    ),
    "hanging up": (Fault("series/[0-9.]+$", how="hang up"), "no connection, 3 times", 3),
    "half": (Fault("series/[0-9.]+$", how="cut"), "breaks off, 3 times", 3),
    "half, no length": (Fault("series/[0-9.]+$", how="cut", unannounced=True), "breaks off, 3 times", 3),
    "a redirect": (
        Fault("series/[0-9.]+$", status=302, headers={"Location": "http://127.0.0.1:9/?token=SECRET"}),
        "sends us elsewhere",
        1,
    ),
    "a web page": (
        Fault("series/[0-9.]+$", how="answer", body=b"<html>ZWETSCHGE", content_type="text/html"),
        "found text/html",
        1,
    ),
    "no boundary": (
        Fault("series/[0-9.]+$", how="answer", body=b"x", content_type="multipart/related"),
        "found multipart/related",
        1,
    ),
    "malformed": (
        Fault(
            "series/[0-9.]+$",
            how="answer",
            body=multipart([b"ZWETSCHGE" * 40]),
            content_type=f"multipart/related; boundary={BOUNDARY}",
        ),
        "no DICOM object",
        1,
    ),
    "nothing of it": (
        Fault(
            "series/[0-9.]+$",
            how="answer",
            body=multipart([]),
            content_type=f"multipart/related; boundary={BOUNDARY}",
        ),
        "found 0 of 10",
        1,
    ),
    "no end of headers": (
        Fault(
            "series/[0-9.]+$", how="endless", body=b"x" * 4096, content_type=f"multipart/related; boundary={BOUNDARY}"
        ),
        "more than 16384 bytes",
        1,
    ),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_failure_that_lasts_is_named_and_leaves_nothing_behind(
    server: FakeDicomweb, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault, why, asked = LASTING[name]
    (_, _, scan), *_ = scans(catalogue(server))
    server.faults = [replace(fault)]
    server.requests.clear()
    with pytest.raises(ArchiveError) as caught:
        read(scan, IMPATIENT if "silence" in name or "trickle" in name else SETTINGS, NO_LABELS)
    message = str(caught.value)
    assert why in message and "2020-01-06" in message and scan.series_uid in message
    assert server.asked("series/[0-9.]+$") == asked
    assert "ZWETSCHGE" not in message + caplog.text and "SECRET" not in message + caplog.text
    assert not held_now()


def test_a_server_that_trickles_for_one_subject_fails_that_subject_alone(server: FakeDicomweb) -> None:
    (_, _, scan), *_ = scans(catalogue(server))
    study = WebObject.parse(scan.files[0]).study_uid
    server.faults = [Fault(f"{study}/series$", how="trickle")]
    found = catalogue(server, settings=IMPATIENT)
    assert [subject.subject_id for subject in found.subjects] == ["B"]
    (problem,) = found.failures
    assert problem.subject_id == "A" and "an answer that trickles, 3 times" in problem.message
    assert f"{server.archive}/studies/{study}/series" in problem.message


def test_a_trickle_that_passes_is_outlasted_and_a_slow_answer_may_be_allowed(server: FakeDicomweb) -> None:
    whole = scans_names(catalogue(server))
    server.faults = [Fault("series$", how="trickle", times=1)]
    assert scans_names(catalogue(server, settings=IMPATIENT)) == whole
    # Some 200 bytes a second, for longer than the time-out; the server drops connections that it has failed on.
    server.faults = [Fault("studies$", how="trickle", pause_s=0.005)]
    allowed = IMPATIENT.model_copy(update={"dicomweb_least_bytes_per_s": 10.0})
    assert scans_names(catalogue(server, settings=allowed)) == whole


def test_an_object_without_end_is_stopped(server: FakeDicomweb, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, _, scan), *_ = scans(catalogue(server))
    monkeypatch.setattr(dicomweb_server, "_MOST_OBJECT_BYTES", 10**6)
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    server.faults = [
        Fault("", how="endless", body=head + b"\0" * 10**6, content_type=f"multipart/related; boundary={BOUNDARY}")
    ]
    with pytest.raises(ArchiveError, match="more than 1000000 bytes"):
        read(scan, SETTINGS, NO_LABELS)


def test_a_series_that_is_too_large_is_stopped(server: FakeDicomweb, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, _, scan), *_ = scans(catalogue(server))
    monkeypatch.setattr(dicomweb_server, "_MOST_HELD_BYTES", 20_000)
    with pytest.raises(ArchiveError, match="more than 20000 bytes of a series"):
        read(scan, SETTINGS, NO_LABELS)


def test_metadata_without_end_is_stopped(server: FakeDicomweb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb_session, "_MOST_JSON_BYTES", 10**6)
    server.faults = [Fault("metadata", how="endless", body=b"[" + b" " * 10**5, content_type="application/json")]
    found = catalogue(server)
    assert not found.subjects
    assert all("an answer without end" in problem.message for problem in found.failures)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("metadata", how="endless", body=b"[" + b" " * 10**5, content_type="application/json"),
        Fault("metadata", how="answer", body=b"no gzip" * 10**5, headers={"Content-Encoding": "gzip"}),
        Fault("metadata", how="cut", unannounced=True),
    ],
    ids=["without end", "not what it is packed as", "cut"],
)
def test_the_connection_of_an_answer_that_is_given_up_is_closed_at_once(
    server: FakeDicomweb, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(dicomweb_session, "_MOST_JSON_BYTES", 10**6)
    server.faults = [replace(fault)]
    # Collected, an open connection would warn or not, as luck has it.
    gc.disable()
    try:
        assert not catalogue(server, settings=IMPATIENT).subjects
        assert not [one for one in gc.get_objects() if isinstance(one, socket.socket) and _is_open_to(one, server)]
    finally:
        gc.enable()


def _is_open_to(connection: socket.socket, server: FakeDicomweb) -> bool:
    try:
        return connection.fileno() >= 0 and connection.getpeername()[1] == urlsplit(server.url).port
    except OSError:
        return False


@pytest.mark.parametrize("how", ["twice", "of another series", "one short"])
def test_a_series_with_wrong_instances_is_refused(server: FakeDicomweb, how: str) -> None:
    (_, _, scan), (_, _, other), *_ = scans(catalogue(server))
    bodies = [server.files[WebObject.parse(name).uid].read_bytes() for name in scan.files]
    wrong = server.files[WebObject.parse(other.files[0]).uid].read_bytes()
    parts = {"twice": [*bodies, bodies[3]], "of another series": [*bodies[1:], wrong], "one short": bodies[1:]}[how]
    server.faults = [
        Fault(
            f"series/{scan.series_uid}$",
            how="answer",
            body=multipart(parts),
            content_type=f"multipart/related; boundary={BOUNDARY}",
        )
    ]
    with pytest.raises(ArchiveError, match=r"instance twice|another series|found 9 of 10"):
        read(scan, SETTINGS, NO_LABELS)


def test_an_object_that_is_stored_truncated_is_a_fault_of_the_data(server: FakeDicomweb) -> None:
    (_, _, scan), *_ = scans(catalogue(server))
    file = server.files[WebObject.parse(scan.files[3]).uid]
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ImageError, match="pixel data") as caught:
        read(scan, SETTINGS, NO_LABELS)
    assert WebObject.parse(scan.files[3]).uid in str(caught.value)


def test_an_object_that_claims_more_than_it_holds_is_refused_before_anything_is_allocated(server: FakeDicomweb) -> None:
    (_, _, scan), *_ = scans(catalogue(server))
    file = server.files[WebObject.parse(scan.files[3]).uid]
    forged = pydicom.dcmread(file)
    forged.Rows = forged.Columns = 60000
    forged.save_as(file)
    with pytest.raises(ImageError, match="claims 7200000000 bytes"):
        read(scan, SETTINGS, NO_LABELS)


def test_a_dead_server_is_not_asked_for_every_subject_in_turn(server: FakeDicomweb) -> None:
    for letter in "CDEFG":
        _another_subject(server, letter)
    server.faults = [Fault("series$")]
    found = catalogue(server)
    assert not found.subjects
    assert [problem.subject_id for problem in found.failures if "not asked" in problem.message] != []
    # Three requests with all their attempts; a kept-alive connection that the server dropped uses one up unseen.
    assert 2 * SETTINGS.dicomweb_attempts <= server.asked("series$") <= 3 * SETTINGS.dicomweb_attempts
    assert {problem.subject_id for problem in found.failures} == set("ABCDEFG")


def _another_subject(server: FakeDicomweb, letter: str) -> None:
    source = next(file for file in server.files.values() if file.name == "0001.dcm")
    dataset = pydicom.dcmread(source)
    number = str(ord(letter))
    dataset.PatientID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = letter, f"1.{number}", f"2.{number}"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"3.{number}")
    file = source.with_name(f"of-{letter}.dcm")
    dataset.save_as(file)
    server.add(file)


@pytest.mark.parametrize("place", ["series$", "instances$", "metadata$"])
def test_a_subject_of_whom_not_everything_is_told_is_left_out_whole_and_comes_back(
    server: FakeDicomweb, tmp_path: Path, place: str
) -> None:
    database = tmp_path / "catalogue.sqlite"
    study = max(e["0020000D"]["Value"][0] for _, e in server.metadata() if e["00100020"]["Value"] == ["A"])
    server.faults = [Fault(f"{study}.*{place}")]
    found = catalogue(server, database=database)
    assert [subject.subject_id for subject in found.subjects] == ["B"]
    (problem,) = found.failures
    assert (problem.subject_id, problem.error, problem.severity) == ("A", "ArchiveError", "ERROR")
    server.faults = []
    again = catalogue(server, database=database)
    assert [(s.subject_id, len(s.visits)) for s in again.subjects] == [("A", 2), ("B", 1)]


def test_a_server_that_lists_less_than_it_counts_fails_the_subject(server: FakeDicomweb) -> None:
    study = max(e["0020000D"]["Value"][0] for _, e in server.metadata() if e["00100020"]["Value"] == ["A"])
    server.faults = [Fault(f"{study}/series$", how="answer", body=b"[]")]
    found = catalogue(server)
    assert [subject.subject_id for subject in found.subjects] == ["B"]
    assert "found 0; expected 2" in found.failures[0].message


def test_a_server_that_hands_out_few_results_at_a_time_is_asked_until_all_are_there(server: FakeDicomweb) -> None:
    whole = scans_names(catalogue(server))
    server.most_results = 2
    assert scans_names(catalogue(server)) == whole


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("studies$", b"<html>", "no DICOM JSON"),
        ("studies$", b'[{"0020000D": {"vr": "UI", "Value": ["../../etc"]}}]', "without a valid UID"),
        ("studies$", b'"text"', "no list of data sets"),
        ("studies$", b"[" * 100_000, "."),
    ],
)
def test_a_listing_that_is_none_stops_the_whole(server: FakeDicomweb, path: str, body: bytes, why: str) -> None:
    server.faults = [Fault(path, how="answer", body=body)]
    with pytest.raises(ArchiveError, match=why):
        catalogue(server)


@pytest.mark.parametrize("change", ["PatientID", "SOPInstanceUID", "SeriesInstanceUID", "no value", "not a list"])
def test_metadata_that_contradicts_the_search_fails_the_subject(server: FakeDicomweb, change: str) -> None:
    entries = [e for f, e in server.metadata() if f.name == "seg.dcm" and e["00100020"]["Value"] == ["B"]]
    series = entries[0]["0020000E"]["Value"][0]
    wrong = json.loads(json.dumps(entries))
    tag = {"PatientID": "00100020", "SOPInstanceUID": "00080018", "SeriesInstanceUID": "0020000E"}.get(change)
    if tag:
        wrong[0][tag]["Value"] = ["1.2.3"]
    elif change == "no value":
        wrong[0]["00280010"] = {"vr": "US", "Value": ["ZWETSCHGE"]}
    else:
        wrong[0]["00620002"] = "ZWETSCHGE"
    server.faults = [Fault(f"{series}/metadata", how="answer", body=json.dumps(wrong).encode())]
    found = catalogue(server)
    assert [subject.subject_id for subject in found.subjects] == ["A"]
    assert [problem.subject_id for problem in found.failures] == ["B"]
    assert "ZWETSCHGE" not in str(found.failures)


# --- addresses, credentials, the extra ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dicomweb+http://pacs:8042/dicom-web", "dicomweb+https://pacs/"])
def test_an_address_is_read_and_written(name: str) -> None:
    assert DicomwebAddress.parse(name).name == name.rstrip("/")


@pytest.mark.parametrize(
    "name",
    [
        "dicomweb+ftp://pacs/x",
        "dicomweb+http:///x",
        "dicomweb+http://pacs:port/x",
        "dicomweb+http://[x/y",
        "http://pacs/x",
        "dicomweb+http://me:SECRET@pacs/x",
        "dicomweb+http://pacs/x?token=SECRET",
        "dicomweb+http://pacs/x#SECRET",
    ],
)
def test_what_is_no_address_or_holds_credentials_is_refused_without_repeating_them(name: str) -> None:
    with pytest.raises(StudyError) as caught:
        DicomwebAddress.parse(name)
    assert "SECRET" not in str(caught.value) and "dicomweb+https://host/path" in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"USER": "reader", "PASSWORD": "secret"}, "Basic cmVhZGVyOnNlY3JldA=="),
        ({"USER": "reader"}, "Basic cmVhZGVyOg=="),
        ({"TOKEN": "abc", "USER": "reader", "PASSWORD": "secret"}, "Bearer abc"),
    ],
)
def test_credentials_come_from_the_environment_alone(
    server: FakeDicomweb,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    expected: str | None,
) -> None:
    (tmp_path / ".netrc").write_text("default login someone password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name, value in environment.items():
        monkeypatch.setenv(f"LESIONTRACK_DICOMWEB_{name}", value)
    (_, _, scan), *_ = scans(catalogue(server))
    read(scan, SETTINGS, NO_LABELS)
    assert set(server.authorizations) == {expected}


def test_no_credentials_in_messages_or_logs(
    server: FakeDicomweb, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(dicomweb_session.USER, "SECRETUSER")
    monkeypatch.setenv(dicomweb_session.PASSWORD, "SECRETWORD")
    server.faults = [Fault("studies$", status=403)]
    with caplog.at_level(logging.DEBUG), pytest.raises(ArchiveError) as caught:
        catalogue(server)
    assert "SECRET" not in f"{caught.value}{caught.value.__cause__!r}{caplog.text}"
    assert "HTTP 403" in str(caught.value) and dicomweb_session.PASSWORD in str(caught.value)


@pytest.mark.parametrize(
    ("url", "user", "warned"),
    [
        ("http://pacs.example.org/x", "reader", True),
        ("http://pacs.example.org/x", "", False),
        ("https://pacs.example.org/x", "reader", False),
        ("http://127.0.0.1:1/x", "reader", False),
        ("http://[::1]:1/x", "reader", False),
    ],
)
def test_credentials_that_travel_in_the_open_are_warned_of(
    url: str, user: str, warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(dicomweb_session.USER, user)
    monkeypatch.setenv(dicomweb_session.PASSWORD, "SECRET")
    dicomweb_session.new_session(url, 1.0)
    assert ("unencrypted" in caplog.text) == warned
    assert "SECRET" not in caplog.text and "reader" not in caplog.text


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dicomweb_client.web", None)
    monkeypatch.delitem(sys.modules, "lesiontrack.io.dicomweb_server")
    dicomweb._server.cache_clear()
    with pytest.raises(StudyError, match=r"lesiontrack-crlm\[dicomweb\]"):
        index(DicomwebAddress.parse("dicomweb+http://127.0.0.1:1/x"), SETTINGS)


# --- storing back ---------------------------------------------------------------------------------------------------


def test_results_are_stored_one_by_one_and_confirmed(server: FakeDicomweb, images: Path) -> None:
    files = sorted(images.rglob("seg.dcm"))
    assert store_back(server.archive, files, SETTINGS) == 3
    uids = [str(pydicom.dcmread(pydicom.filebase.DicomBytesIO(part)).SOPInstanceUID) for part in server.stored]
    assert uids == [str(pydicom.dcmread(file).SOPInstanceUID) for file in files]


def test_storing_outlasts_a_failure_that_passes(server: FakeDicomweb, images: Path) -> None:
    server.faults = [Fault("POST", times=2)]
    assert store_back(server.archive, [next(images.rglob("seg.dcm"))], SETTINGS) == 1


REFUSALS = {
    "409": (Fault("POST", status=409), "HTTP 409"),
    "accepted in part": (
        Fault(
            "POST",
            how="answer",
            body=b'{"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [43264]}}]}}',
        ),
        "failure reason 43264",
    ),
    "no word of it": (Fault("POST", how="answer", body=b"{}"), "no reference to it"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_the_server_does_not_confirm_is_not_stored(server: FakeDicomweb, images: Path, name: str) -> None:
    fault, why = REFUSALS[name]
    server.faults = [replace(fault)]
    with pytest.raises(LesiontrackError, match=why):
        store_back(server.archive, [next(images.rglob("seg.dcm"))], SETTINGS)
