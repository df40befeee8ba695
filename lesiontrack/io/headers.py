"""One pass over one DICOM file's header: what the catalogue keeps of it, and nothing that names a patient.

Only the subject id leaves a header. Name, birth date and sex are compared, never kept: the catalogue stores a keyed
digest of each.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom.dataset import Dataset

from lesiontrack.errors import ImageError
from lesiontrack.io.dataset import (
    DECODE_ERRORS,
    Headed,
    day,
    frame_count,
    is_dicom,
    items,
    numbers,
    quiet_pydicom,
    read_dataset,
    text,
    transfer_syntax,
    whole,
)
from lesiontrack.io.elements import plain_elements
from lesiontrack.io.held import open_object
from lesiontrack.io.measurement_report import tracking_uids
from lesiontrack.io.phases import phase_of_contrast, regions_of

__all__ = [
    "PHASE_KEYS",
    "SIZE_KEYWORDS",
    "VOLUME_SUFFIXES",
    "Header",
    "Plane",
    "header_of",
    "planes_of",
    "read_header",
    "read_planes",
    "size_problem",
]

# Names of NIfTI, NRRD and MetaImage files; when packed, their content has no reliable magic.
VOLUME_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")

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

# The standard functional groups that are read, and no other: private groups repeat positions with other meanings
# (Philips: half a pixel off).
_FRAME_GROUPS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "FrameContentSequence",
    "TemporalPositionSequence",
    "CTImageFrameTypeSequence",
    "MRImageFrameTypeSequence",
    "CTReconstructionSequence",
    "CTXRayDetailsSequence",
    "MREchoSequence",
    "MRModifierSequence",
    "MRDiffusionSequence",
    "MRTimingAndRelatedParametersSequence",
    "CardiacSynchronizationSequence",
)
_IDENTITY = ("PatientName", "PatientBirthDate", "PatientSex")
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
_PHASE_TEXTS = ("SeriesDescription", "ProtocolName", "ContrastBolusAgent")
# What ``size_problem`` asks for.
SIZE_KEYWORDS = ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "NumberOfFrames")
# All that is asked of an image without functional groups; anything else is read by pydicom.
_PLAIN = tuple(
    dict.fromkeys(
        (
            *("Modality", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"),
            *("FrameOfReferenceUID", "PatientID", "IssuerOfPatientID", "BodyPartExamined", "SliceThickness"),
            *SIZE_KEYWORDS,
            *("BitsStored", "HighBit", "InstanceNumber"),
            *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
            *_IDENTITY,
            *_DATES,
            *_PHASE_TEXTS,
            *PHASE_KEYS,
        )
    )
)
_NOT_PLAIN = frozenset({0x52009229, 0x52009230})
_WITH_SEQUENCES = frozenset({"SEG", "RTSTRUCT", "SR"})


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
        "image", "segmentation", "structures", "report" (of measurements, TID 1500) or "other".
    issuer
        Keyed digest of the issuer of the patient's id; empty where absent.
    identity
        Keyed digests of name, birth date and sex; empty where absent.
    references
        Series that a segmentation references, each with the SOP instances of it.
    contents
        Of a segmentation: (number, label, category, type, region, tracking UID, algorithm) of each segment; of
        structures: (number, name, ...); of a report: those of its findings, of which the tracking UID alone is kept.
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
    phase_of_contrast: str = ""
    regions: tuple[str, ...] = ()
    slice_thickness_mm: float | None = None
    references: tuple[tuple[str, tuple[str, ...]], ...] = ()
    contents: tuple[tuple[str, ...], ...] = ()
    source: tuple[str, ...] = ()
    planes: tuple[Plane, ...] = field(default=(), repr=False)
    problem: str = ""


def read_header(path: Path | str, *, key: bytes = b"") -> Header:
    """Read what the catalogue keeps of a file. A file that is damaged gives a header with a ``problem``.

    Parameters
    ----------
    key
        Of the digests of identity; one for each database, so that digests cannot be compared across databases.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """
    elements, head = plain_elements(path, _PLAIN, _NOT_PLAIN)
    if elements is not None and elements.texts.get("Modality") not in _WITH_SEQUENCES:
        try:
            return _sized(elements, str(path), elements.size, elements.left, key)
        except DECODE_ERRORS as error:
            return Header(path=str(path), kind="other", problem=f"unreadable header ({type(error).__name__})")
    if not is_dicom(head):
        return Header(path=str(path), kind="foreign")
    with quiet_pydicom():
        try:
            dataset, left = read_dataset(path, pixels=False)
            with open_object(path) as file:
                size = file.seek(0, os.SEEK_END)
            return _sized(dataset, str(path), size, left, key)
        except ImageError as error:
            return Header(path=str(path), kind="other", problem=f"{error.message} ({error.found or error.expected})")
        except DECODE_ERRORS as error:
            return Header(path=str(path), kind="other", problem=f"unreadable header ({type(error).__name__})")


def read_planes(path: str) -> tuple[Plane, ...]:
    """Read where the image planes of a DICOM file lie.

    Raises
    ------
    ImageError
        If the file is no readable DICOM object.
    """
    elements, _ = plain_elements(path, _PLAIN, _NOT_PLAIN)
    return planes_of(elements if elements is not None else read_dataset(path, pixels=False)[0], path)


def _sized(dataset: Headed, path: str, size: int, left: int | None, key: bytes) -> Header:
    """Return the header of a file whose pixels are checked to fit into it."""
    header = header_of(dataset, path, key=key)
    if header.kind in ("image", "segmentation") and not header.problem:
        problem = size_problem(dataset, size, left)
        return replace(header, problem=problem) if problem else header
    return header


def header_of(dataset: Headed, path: str, *, key: bytes = b"") -> Header:
    """Return what the catalogue keeps of a data set, wherever it comes from; its pixels are not asked after.

    Parameters
    ----------
    path
        Where it comes from: what the header, its planes and messages call it.
    key
        As of ``read_header``.
    """
    modality, sop_class = text(dataset, "Modality"), text(dataset, "SOPClassUID")
    has_pixels = "Rows" in dataset and "Columns" in dataset
    if modality == "SEG":
        kind = "segmentation"
    elif modality == "RTSTRUCT":
        kind = "structures"
    elif modality == "SR" and isinstance(dataset, Dataset) and tracking_uids(dataset) is not None:
        kind = "report"
    else:
        kind = "image" if has_pixels else "other"
    problem = ""
    if not sop_class and not modality and not has_pixels:
        problem = "no DICOM object: neither class, modality nor pixels"
    elif kind == "image" and modality in ("CT", "MR"):
        problem = _pixel_problem(dataset)
    dates = (day(dataset, word) for word in _DATES)
    return Header(
        path=path,
        kind=kind,
        subject_id=text(dataset, "PatientID"),
        issuer=_digest(text(dataset, "IssuerOfPatientID"), key),
        identity=tuple(_digest(_plain(text(dataset, word)), key) for word in _IDENTITY),
        sop_class_uid=sop_class,
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        study_uid=text(dataset, "StudyInstanceUID"),
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        modality=modality,
        date=next((date for date in dates if date), ""),
        phase_of_contrast=phase_of_contrast(" ".join(text(dataset, word) for word in _PHASE_TEXTS)),
        regions=regions_of(text(dataset, "BodyPartExamined")),
        slice_thickness_mm=_thickness(dataset),
        references=_references(dataset, kind),
        contents=_contents(dataset, kind),
        source=_source(dataset, path) if kind in ("segmentation", "structures") else (),
        planes=planes_of(dataset, path) if kind == "image" and modality in ("CT", "MR") else (),
        problem=problem,
    )


def _plain(value: str) -> str:
    return " ".join(value.replace("^", " ").split()).casefold()


def _digest(value: str, key: bytes) -> str:
    return hashlib.blake2b(value.encode(), key=key[:64], digest_size=8).hexdigest() if value else ""


def _thickness(dataset: Headed) -> float | None:
    value = numbers(dataset, "SliceThickness", 1)
    if value is None:
        for group in items(dataset, "SharedFunctionalGroupsSequence"):
            for measures in items(group, "PixelMeasuresSequence"):
                value = numbers(measures, "SliceThickness", 1)
    return value[0] if value and value[0] > 0 else None


def _pixel_problem(dataset: Headed) -> str:
    """Say why pixels cannot be read as the header describes them; empty when they can."""
    stored, high = whole(dataset, "BitsStored"), whole(dataset, "HighBit")
    if stored is not None and high is not None and high != stored - 1:
        return f"the high bit is not the last of the bits stored (found {high}, expected {stored - 1})"
    frames, groups = frame_count(dataset), items(dataset, "PerFrameFunctionalGroupsSequence")
    if groups and len(groups) != frames:
        return f"claims {frames} frames and describes {len(groups)}"
    return ""


def size_problem(dataset: Headed, size: int, left: int | None) -> str:
    """Say why a file cannot hold the pixels that its header claims; empty when it can.

    Parameters
    ----------
    size
        Of the file, bytes.
    left
        Bytes that follow the header; None when not known.
    """
    voxels = (whole(dataset, "Rows") or 0) * (whole(dataset, "Columns") or 0) * frame_count(dataset)
    bits = voxels * (whole(dataset, "BitsAllocated") or 16) * (whole(dataset, "SamplesPerPixel") or 1)
    if left is None or transfer_syntax(dataset).is_compressed:
        if bits // 8 > 256 * 2**20 and bits // 8 > 1000 * size:
            return f"claims {bits // 8} bytes of pixels in a file of {size}"
        return ""
    if left < bits // 8:
        return f"pixel data truncated (found {left} bytes, expected {bits // 8})"
    return ""


def planes_of(dataset: Headed, path: str) -> tuple[Plane, ...]:
    """Return the image planes of a data set: one, or one for each frame (functional groups of enhanced images)."""
    rows, columns = whole(dataset, "Rows") or 0, whole(dataset, "Columns") or 0
    if isinstance(dataset, Dataset) and "PerFrameFunctionalGroupsSequence" in dataset:
        shared = (items(dataset, "SharedFunctionalGroupsSequence") or [Dataset()])[0]
        frames = items(dataset, "PerFrameFunctionalGroupsSequence")
        return tuple(_frame_plane(dataset, shared, group, path, number) for number, group in enumerate(frames))
    if frame_count(dataset) > 1:
        return tuple(
            Plane(
                file=path,
                frame=number,
                sop_instance_uid=text(dataset, "SOPInstanceUID"),
                rows=rows,
                columns=columns,
            )
            for number in range(frame_count(dataset))
        )
    instance = numbers(dataset, "InstanceNumber", 1)
    return (
        Plane(
            file=path,
            frame=0,
            sop_instance_uid=text(dataset, "SOPInstanceUID"),
            rows=rows,
            columns=columns,
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
        for sequence in _FRAME_GROUPS:
            for item in items(source, sequence)[:1]:
                flat.update((element.keyword, item) for element in item if element.keyword)

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


def _frame_key(found: Callable[[str], Dataset], keyword: str) -> str:
    word = {
        "EchoTime": "EffectiveEchoTime",
        "AcquisitionNumber": "FrameAcquisitionNumber",
        "AcquisitionDateTime": "FrameAcquisitionDateTime",
        "TriggerTime": "NominalCardiacTriggerDelayTime",
    }.get(keyword, keyword)
    return text(found(word), word)


def _references(dataset: Headed, kind: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the series that a segmentation or structure set references, with their instances."""
    if kind == "structures":
        series = [
            item
            for frame in items(dataset, "ReferencedFrameOfReferenceSequence")
            for study in items(frame, "RTReferencedStudySequence")
            for item in items(study, "RTReferencedSeriesSequence")
        ]
        word = "ContourImageSequence"
    elif kind == "segmentation":
        series, word = items(dataset, "ReferencedSeriesSequence"), "ReferencedInstanceSequence"
    else:
        return ()
    named = tuple(
        (
            text(item, "SeriesInstanceUID"),
            tuple(text(instance, "ReferencedSOPInstanceUID") for instance in items(item, word)),
        )
        for item in series
    )
    if named or kind == "structures":
        return named
    derived = tuple(
        text(source, "ReferencedSOPInstanceUID")
        for frame in items(dataset, "PerFrameFunctionalGroupsSequence")
        for derivation in items(frame, "DerivationImageSequence")
        for source in items(derivation, "SourceImageSequence")
    )
    return (("", tuple(dict.fromkeys(derived))),) if derived else ()


def _code(dataset: Dataset, keyword: str) -> str:
    """Return ``scheme|value|meaning`` of a coded entry; empty where absent."""
    for item in items(dataset, keyword):
        return "|".join(text(item, word) for word in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning"))
    return ""


def _contents(dataset: Headed, kind: str) -> tuple[tuple[str, ...], ...]:
    if kind == "segmentation":
        return tuple(
            (
                text(item, "SegmentNumber"),
                text(item, "SegmentLabel"),
                _code(item, "SegmentedPropertyCategoryCodeSequence"),
                _code(item, "SegmentedPropertyTypeCodeSequence"),
                _code(item, "AnatomicRegionSequence"),
                text(item, "TrackingUID"),
                text(item, "SegmentAlgorithmName"),
            )
            for item in items(dataset, "SegmentSequence")
        )
    if kind == "structures":
        return tuple(
            (text(item, "ROINumber"), text(item, "ROIName"), "", "", "", "", "")
            for item in items(dataset, "StructureSetROISequence")
        )
    if kind == "report" and isinstance(dataset, Dataset):
        uids = tracking_uids(dataset) or ()
        return tuple((str(number), "", "", "", "", uid, "") for number, uid in enumerate(uids, start=1))
    return ()


def _source(dataset: Headed, path: str) -> tuple[str, ...]:
    words = ("SeriesDescription", "ContentLabel", "ContentDescription", "ContentCreatorName", "Manufacturer")
    more = ("ManufacturerModelName", "StructureSetLabel", "StructureSetName", "SeriesInstanceUID", "SOPInstanceUID")
    texts = [text(dataset, word) for word in (*words, *more)]
    for item in items(dataset, "SegmentSequence"):
        texts += [text(item, "SegmentAlgorithmName"), text(item, "SegmentAlgorithmType")]
    return tuple(dict.fromkeys(value for value in (*texts, Path(path).name) if value))
