"""Nothing but the subject id leaves the reader: headers full of marked words, and every file and message searched."""

from __future__ import annotations

import gzip
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from tests.road.small import SmallStudy, six
from tests.running import lesiontrack

SUBJECT = "PA-1"
# Words and a date that occur nowhere else.
WORD, DAY, AGE = "Zwiebelfisch", "19130417", "087Y"
# What a series, a segmentation or a segment calls itself: the catalogue keeps it, because ``segmentation_source`` and
# ``[labels]`` are searched in it, and nothing else does.
CALLED = "Quetschkommode"
CALLS_ITSELF = (
    "SeriesDescription",
    "ContentLabel",
    "ContentDescription",
    "ContentCreatorName",
    "ManufacturerModelName",
)
# Attributes of patient, study, site, staff and device in which archives hold what names a person.
MARKED = (
    "PatientName",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientBirthName",
    "PatientMotherBirthName",
    "OtherPatientNames",
    "OtherPatientIDs",
    "PatientAge",
    "PatientWeight",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientComments",
    "PatientReligiousPreference",
    "Occupation",
    "EthnicGroup",
    "AdditionalPatientHistory",
    "MedicalRecordLocator",
    "MilitaryRank",
    "CountryOfResidence",
    "ResponsiblePerson",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "ProtocolName",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
    "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy",
    "RequestingPhysician",
    "RequestedProcedureDescription",
    "StationName",
    "DeviceSerialNumber",
    "ImageComments",
    "StudyComments",
    "AdmissionID",
    "CurrentPatientLocation",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSponsorName",
    "SoftwareVersions",
)


def _mark(dataset: Dataset) -> None:
    """Fill every attribute that may hold a person's words, two levels deep and in a private block."""
    for keyword in MARKED:
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        kind = dictionary_VR(tag)
        value = {"DA": DAY, "AS": AGE, "DS": "98765", "TM": "031415", "PN": f"{WORD}^{WORD}", "CS": WORD.upper()}.get(
            kind
        )
        setattr(dataset, keyword, value if value is not None else f"{WORD} {keyword}"[:16])
    for keyword in CALLS_ITSELF:
        setattr(dataset, keyword, CALLED.upper() if keyword == "ContentLabel" else CALLED)
    requested = Dataset()
    requested.RequestedProcedureDescription = WORD
    requested.RequestedProcedureComments = WORD
    dataset.RequestAttributesSequence = Items([requested])
    block = dataset.private_block(0x0099, "LOCAL", create=True)
    block.add_new(0x01, "LO", WORD)
    for segment in dataset.get("SegmentSequence") or ():
        segment.SegmentDescription = WORD
        if segment.SegmentedPropertyTypeCodeSequence[0].CodeValue != "10200004":
            segment.SegmentLabel = f"{CALLED} {segment.SegmentNumber}"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two visits whose headers are full of marked words; and files that are refused, whose words must not be told."""
    made = SmallStudy(tmp_path_factory.mktemp("marked") / "study")
    for number, date in enumerate(("2020-01-06", "2020-03-02")):
        made.scan(SUBJECT, date, six(40 - number, 30, 24, 20, 16, 14))
    made.subject(SUBJECT, treatment_start_date="2020-01-10")
    folder = made.write()
    for path in sorted((folder / "images").rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        _mark(dataset)
        dataset.save_as(path)
    first = sorted((folder / "images").rglob("volume/*.dcm"))[0]
    bad = pydicom.dcmread(first)
    for name, change in (("no-position", "ImagePositionPatient"), ("no-id", "PatientID"), ("no-date", "StudyDate")):
        again = pydicom.dcmread(first)
        again.SeriesInstanceUID = again.SOPInstanceUID = f"{bad.SOPInstanceUID}.{len(name)}"
        for keyword in {"StudyDate": ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")}.get(
            change, (change,)
        ):
            del again[keyword]
        again.save_as(folder / "images" / f"{name}.dcm")
    (folder / "images" / "cut.dcm").write_bytes(first.read_bytes()[:900])
    return folder


def _contents(root: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file's bytes, unpacked where they are packed, and the names of files."""
    for path in root.rglob("*"):
        yield path, path.name.encode()
        if not path.is_file():
            continue
        raw = path.read_bytes()
        yield path, raw
        if path.suffix == ".gz":
            yield path, gzip.decompress(raw)
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                yield from ((path, arrays[name].tobytes()) for name in arrays.files)
        elif path.suffix == ".parquet":
            import pandas as pd

            yield path, pd.read_parquet(path).to_csv().encode()
        elif path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as base:
                for line in base.iterdump():
                    yield path, line.encode()
                for (value,) in base.execute("SELECT value FROM facts"):
                    yield path, _unpacked(value)
                for row in base.execute("SELECT * FROM files"):
                    for value in row:
                        yield path, _unpacked(value)


def _unpacked(value: object) -> bytes:
    raw = value if isinstance(value, bytes) else str(value).encode()
    try:
        return zlib.decompress(raw)
    except zlib.error:
        return raw


def _require_clean(where: str, content: bytes) -> None:
    low = content.lower()
    marks = [WORD, DAY, AGE, f"{DAY[:4]}-{DAY[4:6]}-{DAY[6:]}"]
    if not where.endswith("catalogue.sqlite"):
        marks.append(CALLED)
    assert [mark for mark in marks if mark.lower().encode() in low] == [], where


def test_the_search_finds_what_is_there(study: Path) -> None:
    """The marks are in the files that are read, each kind of them."""
    whole = b"".join(content for _, content in _contents(study / "images")).lower()
    assert all(mark.lower().encode() in whole for mark in (WORD, CALLED, DAY, AGE))


def test_no_other_attribute_is_in_any_result_or_message(study: Path, tmp_path: Path) -> None:
    """``index``, ``run``, ``report``, ``trace``, ``export``, each with its messages, also with --debug."""
    out = tmp_path / "out"
    commands = (
        ("index", study, "--out", tmp_path / "index"),
        ("run", study, "--out", out),
        ("report", out),
        ("trace", out, "--subject", SUBJECT, "--endpoint", "PFS"),
        ("export", out, "--format", "dicom-sr", "--to", tmp_path / "bits"),
        ("export", out, "--format", "dicom-seg", "--segmentation", "labelmap", "--to", tmp_path / "maps"),
    )
    for command in commands:
        done = lesiontrack("--debug", *command)
        assert done.returncode in (0, 1), done.stderr
        _require_clean(f"messages of {command[0]}", (done.stdout + done.stderr).encode())
    seen = 0
    for path, content in _contents(tmp_path):
        _require_clean(str(path), content)
        seen += 1
    assert seen > 60
    assert len(list((tmp_path / "bits").rglob("sr.dcm"))) == 2
    assert SUBJECT.encode() in b"".join(content for _, content in _contents(out / "cohort"))
