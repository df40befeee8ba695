"""One pass over one DICOM file's header: what the catalogue keeps of it, and nothing that names a patient.

Only the subject id leaves a header. Name, birth date and sex are compared, never kept: the catalogue stores a keyed
digest of each.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lesiontrack.errors import ImageError

__all__ = [
    "DECODE_ERRORS",
    "PHASE_KEYS",
    "Header",
    "Plane",
    "day",
    "frame_count",
    "is_dicom",
    "numbers",
    "planes_of",
    "quiet_pydicom",
    "read_dataset",
    "read_header",
    "text",
]

# What pydicom and its decoders raise on damaged files, by experience with damaged files. Listed rather than caught
# broadly, so that a fault of our own is not taken for a fault of the data.
DECODE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    AttributeError,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    OverflowError,
    struct.error,
    zlib.error,
    RecursionError,
    AssertionError,
)

# Attributes that tell the phases (or echoes, or stacks) of one series apart, most telling first.
PHASE_KEYS = (
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "AcquisitionNumber",
    "StackID",
    "EchoNumbers",
    "EchoTime",
    "InversionTime",
    "DiffusionBValue",
    "TriggerTime",
    "ImageType",
    "FrameType",
    "ComplexImageComponent",
    "ConvolutionKernel",
    "KVP",
    "FlipAngle",
    "AcquisitionTime",
    "AcquisitionDateTime",
    "ContentTime",
    "SeriesDescription",
)

# Deflate packs zeros a thousandfold, so a ratio tells nothing; a header with its frames, and a whole object, do not
# honestly pass these.
_LARGEST_HEADER_BYTES = 64 * 2**20
_LARGEST_OBJECT_BYTES = 2**30
_IDENTITY = ("PatientName", "PatientBirthDate", "PatientSex")


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom's warnings and log lines from echoing values of the header, while the block runs."""
    logger = logging.getLogger("pydicom")
    was, mode = logger.disabled, pydicom.config.settings.reading_validation_mode
    logger.disabled = True
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was
        pydicom.config.settings.reading_validation_mode = mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One image plane: a single-frame file or one frame of a multi-frame file.

    Attributes
    ----------
    position_lps_mm
        Centre of the first pixel, or None where the header does not say.
    orientation
        Direction of increasing column, then of increasing row, LPS; or None.
    spacing_mm
        Between rows, between columns; or None.
    keys
        Values of ``PHASE_KEYS``, in that order; empty where absent.
    """

    file: str
    frame: int
    sop_instance_uid: str
    rows: int
    columns: int
    position_lps_mm: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    spacing_mm: tuple[float, ...] | None = None
    instance: int | None = None
    localizer: bool = False
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the catalogue keeps of one DICOM object.

    Attributes
    ----------
    kind
        "image", "segmentation", "structures" or "other".
    identity
        Keyed digests of name, birth date and sex; empty where absent.
    references
        Series that a segmentation references, each with the SOP instances of it.
    contents
        Of a segmentation: (number, label, category, type, region) of each segment; of structures: (number, name, ...).
    source
        Of a segmentation: texts that ``segmentation_source`` is searched in.
    problem
        Why the file cannot be used; empty when it can.
    """

    path: str
    kind: str
    subject_id: str = ""
    issuer: str = ""
    identity: tuple[str, ...] = ()
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    series_uid: str = ""
    study_uid: str = ""
    frame_of_reference_uid: str = ""
    modality: str = ""
    date: str = ""
    phase_text: str = ""
    body_part: str = ""
    slice_thickness_mm: float | None = None
    references: tuple[tuple[str, tuple[str, ...]], ...] = ()
    contents: tuple[tuple[str, ...], ...] = ()
    source: tuple[str, ...] = ()
    planes: tuple[Plane, ...] = field(default=(), repr=False)
    problem: str = ""


def text(dataset: Dataset, keyword: str) -> str:
    """Return an element as stripped text; empty where absent or unreadable."""
    try:
        value = dataset.get(keyword)
    except DECODE_ERRORS:
        return ""
    if value is None:
        return ""
    if isinstance(value, pydicom.multival.MultiValue | list | tuple):
        return "\\".join(str(part) for part in value).strip("\0 ")
    return str(value).strip("\0 ")


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return an element as ``count`` finite numbers; None where it is absent or anything else."""
    parts = text(dataset, keyword).split("\\")
    if len(parts) != count:
        return None
    try:
        values = tuple(float(part) for part in parts)
    except ValueError:
        return None
    return values if all(math.isfinite(value) for value in values) else None


def frame_count(dataset: Dataset) -> int:
    """Return the number of frames that a header claims; 1 where it claims none."""
    value = numbers(dataset, "NumberOfFrames", 1)
    return max(1, int(value[0])) if value else 1


def day(dataset: Dataset, keyword: str) -> str:
    """Return a DICOM date (also the old form with dots, and the start of a date-time) as ISO 8601; empty if none."""
    value = text(dataset, keyword).replace(".", "") if keyword.endswith("Date") else text(dataset, keyword)
    try:
        return dt.date(int(value[:4]), int(value[4:6]), int(value[6:8])).isoformat()
    except ValueError:
        return ""


def is_dicom(path: Path) -> bool:
    """Tell by content whether a file is DICOM: the magic word, or a data set that starts with group 2 or 8."""
    with path.open("rb") as file:
        head = file.read(132)
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8 or head[:4] not in _FIRST_TAGS:
        return False
    # An explicit VR is two capitals; an implicit length of a first element is small.
    return head[4:6].isalpha() or int.from_bytes(head[4:8], "little") < 256


# (0002,xxxx) and (0008,00xx), little and big endian: the first element of a data set without a preamble.
_FIRST_TAGS = frozenset(
    struct.pack(order, group, element)
    for order in ("<HH", ">HH")
    for group, elements in ((2, range(0x20)), (8, range(0x100)))
    for element in elements
)


def read_dataset(path: Path | str, *, pixels: bool = True) -> tuple[Dataset, int | None]:
    """Read a DICOM file, with or without its pixels; never more than a bounded amount of inflated data.

    Returns
    -------
    dataset
        With ``file_meta.TransferSyntaxUID`` always set.
    left
        Bytes that follow the header; None when pixels are read or when their number is not known.

    Raises
    ------
    ImageError
        If the file is no readable DICOM object.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            stream, size = _inflated(file, path, whole=pixels)
            dataset = pydicom.dcmread(stream, stop_before_pixels=not pixels, force=True)
            left = None if pixels or size is None else size - stream.tell()
    except DECODE_ERRORS as error:
        raise ImageError("not a readable DICOM object", file=str(path), found=type(error).__name__) from error
    meta = dataset.file_meta if hasattr(dataset, "file_meta") else FileMetaDataset()
    if "TransferSyntaxUID" not in meta:
        implicit = dataset.original_encoding[0]
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset.file_meta = meta
    return dataset, left


def _inflated(file: BinaryIO, path: Path, *, whole: bool) -> tuple[BinaryIO, int | None]:
    """Return a stream of the file and its size; a deflated data set is inflated, to a limit.

    A header needs little: where only that is wanted, inflation stops early and the size is not known.
    """
    head = file.read(132)
    file.seek(0)
    meta = read_file_meta_info(path) if head[128:132] == b"DICM" else FileMetaDataset()
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return file, path.stat().st_size
    file.seek(132 + 12 + int(meta.FileMetaInformationGroupLength))
    limit = _LARGEST_OBJECT_BYTES if whole else _LARGEST_HEADER_BYTES
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(file.read(), limit)
    cut = bool(inflater.unconsumed_tail)
    if cut and whole:
        raise ImageError("deflated data expands too far", file=str(path), expected=f"at most {limit} bytes")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta, is_implicit_VR=False, is_little_endian=True)
    out = io.BytesIO()
    pydicom.dcmwrite(out, plain, implicit_vr=False, little_endian=True, enforce_file_format=False)
    out.write(body)
    size = None if cut else out.tell()
    out.seek(0)
    return out, size


def read_header(path: Path | str, *, key: bytes = b"") -> Header:
    """Read what the catalogue keeps of a file. A file that is damaged gives a header with a ``problem``.

    Parameters
    ----------
    key
        Of the digests of identity; one for each database, so that digests cannot be compared across databases.
    """
    path = Path(path)
    with quiet_pydicom():
        try:
            dataset, left = read_dataset(path, pixels=False)
            return _header(dataset, str(path), left, key)
        except ImageError as error:
            return Header(path=str(path), kind="other", problem=f"{error.message} ({error.found or error.expected})")
        except DECODE_ERRORS as error:
            return Header(path=str(path), kind="other", problem=f"unreadable header ({type(error).__name__})")


def _header(dataset: Dataset, path: str, left: int | None, key: bytes) -> Header:
    modality, sop_class = text(dataset, "Modality"), text(dataset, "SOPClassUID")
    has_pixels = "Rows" in dataset and "Columns" in dataset
    if modality == "SEG":
        kind = "segmentation"
    elif modality == "RTSTRUCT":
        kind = "structures"
    else:
        kind = "image" if has_pixels else "other"
    problem = ""
    if not sop_class and not modality and not has_pixels:
        problem = "no DICOM object: neither class, modality nor pixels"
    planes = planes_of(dataset, path) if kind == "image" and modality in ("CT", "MR") else ()
    if kind in ("image", "segmentation") and not problem:
        problem = _size_problem(dataset, path, left)
    dates = (day(dataset, word) for word in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"))
    return Header(
        path=path,
        kind=kind,
        subject_id=text(dataset, "PatientID"),
        issuer=text(dataset, "IssuerOfPatientID"),
        identity=tuple(_digest(_plain(text(dataset, word)), key) for word in _IDENTITY),
        sop_class_uid=sop_class,
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        study_uid=text(dataset, "StudyInstanceUID"),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        modality=modality,
        date=next((date for date in dates if date), ""),
        phase_text=" ".join(
            text(dataset, word) for word in ("SeriesDescription", "ProtocolName", "ContrastBolusAgent")
        ).strip(),
        body_part=text(dataset, "BodyPartExamined"),
        slice_thickness_mm=_thickness(dataset),
        references=_references(dataset, kind),
        contents=_contents(dataset, kind),
        source=_source(dataset, path) if kind in ("segmentation", "structures") else (),
        planes=planes,
        problem=problem,
    )


def _plain(value: str) -> str:
    return " ".join(value.replace("^", " ").split()).casefold()


def _digest(value: str, key: bytes) -> str:
    return hashlib.blake2b(value.encode(), key=key[:64], digest_size=8).hexdigest() if value else ""


def _thickness(dataset: Dataset) -> float | None:
    value = numbers(dataset, "SliceThickness", 1)
    if value is None:
        for group in _items(dataset, "SharedFunctionalGroupsSequence"):
            for measures in _items(group, "PixelMeasuresSequence"):
                value = numbers(measures, "SliceThickness", 1)
    return value[0] if value and value[0] > 0 else None


def _size_problem(dataset: Dataset, path: str, left: int | None) -> str:
    """Say whether the file can hold the pixels that its header claims."""
    voxels = int(dataset.Rows) * int(dataset.Columns) * frame_count(dataset)
    bits = voxels * int(dataset.get("BitsAllocated", 16) or 16) * int(dataset.get("SamplesPerPixel", 1) or 1)
    syntax = dataset.file_meta.TransferSyntaxUID
    size = Path(path).stat().st_size
    if syntax.is_compressed or left is None:
        if bits // 8 > 256 * 2**20 and bits // 8 > 1000 * size:
            return f"claims {bits // 8} bytes of pixels in a file of {size}"
        return ""
    if left < bits // 8:
        return f"pixel data truncated (found {left} bytes, expected {bits // 8})"
    return ""


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    value = dataset.get(keyword)
    return list(value) if isinstance(value, pydicom.sequence.Sequence) else []


def planes_of(dataset: Dataset, path: str) -> tuple[Plane, ...]:
    """Return the image planes of a data set: one, or one for each frame (functional groups of enhanced images)."""
    if "PerFrameFunctionalGroupsSequence" in dataset:
        shared = (_items(dataset, "SharedFunctionalGroupsSequence") or [Dataset()])[0]
        frames = _items(dataset, "PerFrameFunctionalGroupsSequence")
        return tuple(_frame_plane(dataset, shared, group, path, number) for number, group in enumerate(frames))
    if frame_count(dataset) > 1:
        return tuple(
            Plane(
                file=path,
                frame=number,
                sop_instance_uid=text(dataset, "SOPInstanceUID"),
                rows=int(dataset.Rows),
                columns=int(dataset.Columns),
            )
            for number in range(frame_count(dataset))
        )
    instance = numbers(dataset, "InstanceNumber", 1)
    return (
        Plane(
            file=path,
            frame=0,
            sop_instance_uid=text(dataset, "SOPInstanceUID"),
            rows=int(dataset.Rows),
            columns=int(dataset.Columns),
            position_lps_mm=numbers(dataset, "ImagePositionPatient", 3),
            orientation=numbers(dataset, "ImageOrientationPatient", 6),
            spacing_mm=numbers(dataset, "PixelSpacing", 2),
            instance=int(instance[0]) if instance else None,
            localizer=_is_localizer(text(dataset, "ImageType")),
            keys=tuple(text(dataset, word) for word in PHASE_KEYS),
        ),
    )


def _is_localizer(image_type: str) -> bool:
    parts = image_type.upper().split("\\")
    return any(word in part for part in parts[2:] for word in ("LOCALIZER", "SCOUT", "TOPOGRAM"))


def _frame_plane(dataset: Dataset, shared: Dataset, group: Dataset, path: str, number: int) -> Plane:
    """Gather one frame's plane: its own functional groups go before the shared ones."""
    flat: dict[str, Dataset] = {}
    for source in (shared, group):
        for element in source:
            if element.VR == "SQ" and element.value:
                for inner in element.value[0]:
                    if inner.keyword:
                        flat[inner.keyword] = element.value[0]

    def found(keyword: str) -> Dataset:
        return flat.get(keyword, dataset)

    frame_type = text(found("FrameType"), "FrameType") or text(dataset, "ImageType")
    return Plane(
        file=path,
        frame=number,
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        position_lps_mm=numbers(found("ImagePositionPatient"), "ImagePositionPatient", 3),
        orientation=numbers(found("ImageOrientationPatient"), "ImageOrientationPatient", 6),
        spacing_mm=numbers(found("PixelSpacing"), "PixelSpacing", 2),
        instance=number,
        localizer=_is_localizer(frame_type),
        keys=tuple(_frame_key(found, word) for word in PHASE_KEYS),
    )


def _frame_key(found: Any, keyword: str) -> str:
    word = {
        "EchoTime": "EffectiveEchoTime",
        "AcquisitionNumber": "FrameAcquisitionNumber",
        "AcquisitionDateTime": "FrameAcquisitionDateTime",
        "TriggerTime": "NominalCardiacTriggerDelayTime",
    }.get(keyword, keyword)
    return text(found(word), word)


def _references(dataset: Dataset, kind: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the series that a segmentation or structure set references, with their instances."""
    if kind == "structures":
        series = [
            item
            for frame in _items(dataset, "ReferencedFrameOfReferenceSequence")
            for study in _items(frame, "RTReferencedStudySequence")
            for item in _items(study, "RTReferencedSeriesSequence")
        ]
        word = "ContourImageSequence"
    elif kind == "segmentation":
        series, word = _items(dataset, "ReferencedSeriesSequence"), "ReferencedInstanceSequence"
    else:
        return ()
    named = tuple(
        (
            text(item, "SeriesInstanceUID"),
            tuple(text(instance, "ReferencedSOPInstanceUID") for instance in _items(item, word)),
        )
        for item in series
    )
    if named or kind == "structures":
        return named
    derived = tuple(
        text(source, "ReferencedSOPInstanceUID")
        for frame in _items(dataset, "PerFrameFunctionalGroupsSequence")
        for derivation in _items(frame, "DerivationImageSequence")
        for source in _items(derivation, "SourceImageSequence")
    )
    return (("", tuple(dict.fromkeys(derived))),) if derived else ()


def _code(dataset: Dataset, keyword: str) -> str:
    """Return ``scheme|value|meaning`` of a coded entry; empty where absent."""
    for item in _items(dataset, keyword):
        return "|".join(text(item, word) for word in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning"))
    return ""


def _contents(dataset: Dataset, kind: str) -> tuple[tuple[str, ...], ...]:
    if kind == "segmentation":
        return tuple(
            (
                text(item, "SegmentNumber"),
                text(item, "SegmentLabel"),
                _code(item, "SegmentedPropertyCategoryCodeSequence"),
                _code(item, "SegmentedPropertyTypeCodeSequence"),
                _code(item, "AnatomicRegionSequence"),
                text(item, "TrackingUID"),
            )
            for item in _items(dataset, "SegmentSequence")
        )
    if kind == "structures":
        return tuple(
            (text(item, "ROINumber"), text(item, "ROIName"), "", "", "", "")
            for item in _items(dataset, "StructureSetROISequence")
        )
    return ()


def _source(dataset: Dataset, path: str) -> tuple[str, ...]:
    words = ("SeriesDescription", "ContentLabel", "ContentDescription", "ContentCreatorName", "Manufacturer")
    more = ("ManufacturerModelName", "StructureSetLabel", "StructureSetName", "SeriesInstanceUID", "SOPInstanceUID")
    texts = [text(dataset, word) for word in (*words, *more)]
    for item in _items(dataset, "SegmentSequence"):
        texts += [text(item, "SegmentAlgorithmName"), text(item, "SegmentAlgorithmType")]
    return tuple(dict.fromkeys(value for value in (*texts, Path(path).name) if value))
