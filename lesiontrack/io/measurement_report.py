"""Imaging measurement reports (DICOM SR, TID 1500) as plain values: anybody's, and those of this program.

A report is read as what it says, group by group. What TID 1502 says of the time point stands in each group among the
measurements; it is told apart here by its concept, so that an order or an offset in days never passes for a length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from lesiontrack.errors import ImageError
from lesiontrack.io.dataset import DECODE_ERRORS, items, quiet_pydicom, read_dataset, text

__all__ = [
    "Coordinates",
    "Evaluation",
    "Group",
    "Measured",
    "MeasurementReport",
    "Reference",
    "TimePoint",
    "read_measurement_report",
    "tracking_uids",
]

_REPORT = ("DCM", "126000")
_MEASUREMENTS = ("DCM", "126010")
_EVALUATIONS = ("UMLS", "C0034375")
_GROUP = ("DCM", "125007")
_TRACKING_ID, _TRACKING_UID = ("DCM", "112039"), ("DCM", "112040")
_FINDING = ("DCM", "121071")
_CATEGORY = (("SCT", "276214006"), ("SRT", "M-01000"))
_SITE = (("SCT", "363698007"), ("SRT", "G-C0E3"))
_DERIVATION = ("DCM", "121401")
_TIME_POINT = {("DCM", code) for code in ("126070", "126071", "126072", "126073", "128740")} | {("UMLS", "C2348792")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image, or a segment of a segmentation, that a report refers to."""

    sop_class_uid: str
    sop_instance_uid: str
    frames: tuple[int, ...] = ()
    segment: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    """Points of a report.

    Attributes
    ----------
    points
        (column, row) pairs in pixels of ``image`` (SCOORD), or LPS mm triples in a frame of reference (SCOORD3D).
    """

    graphic_type: str
    points: tuple[tuple[float, ...], ...]
    frame_of_reference_uid: str = ""
    image: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A number with its unit, and the points and images that it was inferred from.

    Attributes
    ----------
    derivation
        How it follows from many numbers (mean, maximum, ...), where the report says so.
    """

    name: Code
    value: Decimal
    unit: str
    derivation: Code | None = None
    coordinates: tuple[Coordinates, ...] = ()
    images: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A coded judgement with what is said of it: (concept, code or text) pairs."""

    name: Code
    value: Code
    said: tuple[tuple[Code, Code | str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePoint:
    """Time point context (TID 1502); None where the report does not say."""

    name: str | None = None
    kind: Code | None = None
    order: int | None = None
    subject_identifier: str | None = None
    protocol_identifier: str | None = None
    offset: Decimal | None = None
    offset_unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A measurement group (TID 1410, 1411 or 1501): all that is said of one finding."""

    tracking_id: str = ""
    tracking_uid: str = ""
    finding: Code | None = None
    category: Code | None = None
    sites: tuple[Code, ...] = ()
    measurements: tuple[Measured, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    regions: tuple[Coordinates, ...] = ()
    references: tuple[Reference, ...] = ()
    time_point: TimePoint = TimePoint()

    @property
    def segments(self) -> tuple[Reference, ...]:
        """References to segments of segmentations."""
        return tuple(reference for reference in self.references if reference.segment is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementReport:
    """A report: whose, its groups, and the judgements that concern no single finding."""

    subject_id: str
    study_uid: str
    sop_instance_uid: str
    groups: tuple[Group, ...]
    evaluations: tuple[Evaluation, ...] = ()


def read_measurement_report(path: Path | str) -> MeasurementReport:
    """Read a report.

    Raises
    ------
    ImageError
        If the file is damaged, or no imaging measurement report.
    """
    with quiet_pydicom():
        dataset, _ = read_dataset(path)
        try:
            return _report(dataset)
        except ImageError as error:
            raise error.at(file=str(path)) from error
        except (*DECODE_ERRORS, InvalidOperation) as error:
            raise ImageError("report cannot be read", file=str(path), found=type(error).__name__) from error


def tracking_uids(dataset: Dataset) -> tuple[str, ...] | None:
    """Return the tracking UID of each measurement group, empty where it has none; None for what is no such report."""
    if _key(dataset) != _REPORT:
        return None
    containers = [item for item in items(dataset, "ContentSequence") if _key(item) == _MEASUREMENTS]
    groups = [item for held in containers for item in items(held, "ContentSequence") if _key(item) == _GROUP]
    return tuple(
        next((text(child, "UID") for child in items(group, "ContentSequence") if _key(child) == _TRACKING_UID), "")
        for group in groups
    )


def _report(dataset: Dataset) -> MeasurementReport:
    if text(dataset, "Modality") != "SR" or _key(dataset) != _REPORT:
        raise ImageError("no imaging measurement report (TID 1500)", found=text(dataset, "Modality") or "no modality")
    groups: list[Group] = []
    evaluations: list[Evaluation] = []
    for item in items(dataset, "ContentSequence"):
        if _key(item) == _MEASUREMENTS:
            groups += [_group(child) for child in items(item, "ContentSequence") if _key(child) == _GROUP]
        elif _key(item) == _EVALUATIONS:
            evaluations += [_evaluation(child) for child in items(item, "ContentSequence") if _type(child) == "CODE"]
    return MeasurementReport(
        subject_id=text(dataset, "PatientID"),
        study_uid=text(dataset, "StudyInstanceUID"),
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        groups=tuple(groups),
        evaluations=tuple(evaluations),
    )


def _group(container: Dataset) -> Group:
    children = items(container, "ContentSequence")
    own = [child for child in children if _key(child) not in _TIME_POINT]
    coded = [child for child in own if _type(child) == "CODE"]
    named = {
        "finding": next((_value(child) for child in coded if _key(child) == _FINDING), None),
        "category": next((_value(child) for child in coded if _key(child) in _CATEGORY), None),
    }
    taken = {_FINDING, *_CATEGORY, *_SITE}
    return Group(
        tracking_id=next((text(child, "TextValue") for child in own if _key(child) == _TRACKING_ID), ""),
        tracking_uid=next((text(child, "UID") for child in own if _key(child) == _TRACKING_UID), ""),
        sites=tuple(_value(child) for child in coded if _key(child) in _SITE),
        measurements=tuple(found for child in own if _type(child) == "NUM" for found in _measured(child)),
        evaluations=tuple(_evaluation(child) for child in coded if _key(child) not in taken),
        regions=tuple(_coordinates(child) for child in own if _type(child) in ("SCOORD", "SCOORD3D")),
        references=tuple(_references(own)),
        time_point=_time_point(children),
        **named,
    )


def _type(item: Dataset) -> str:
    return text(item, "ValueType")


def _key(item: Dataset) -> tuple[str, str]:
    """Return (scheme, value) of an item's concept name."""
    for code in items(item, "ConceptNameCodeSequence"):
        return text(code, "CodingSchemeDesignator"), text(code, "CodeValue")
    return "", ""


def _code(item: Dataset, keyword: str) -> Code:
    for code in items(item, keyword):
        return Code(text(code, "CodeValue"), text(code, "CodingSchemeDesignator"), text(code, "CodeMeaning"))
    raise ImageError("an item without its code", found=keyword)


def _value(item: Dataset) -> Code:
    return _code(item, "ConceptCodeSequence")


def _measured(item: Dataset) -> Iterator[Measured]:
    """Yield a NUM item's value; nothing where it says that there is none."""
    children = items(item, "ContentSequence")
    for value in items(item, "MeasuredValueSequence"):
        yield Measured(
            name=_code(item, "ConceptNameCodeSequence"),
            value=Decimal(text(value, "NumericValue")),
            unit=_code(value, "MeasurementUnitsCodeSequence").value,
            derivation=next((_value(c) for c in children if _key(c) == _DERIVATION and _type(c) == "CODE"), None),
            coordinates=tuple(_coordinates(child) for child in children if _type(child).startswith("SCOORD")),
            images=tuple(_references(children)),
        )


def _evaluation(item: Dataset) -> Evaluation:
    said: list[tuple[Code, Code | str]] = []
    for child in items(item, "ContentSequence"):
        if _type(child) == "CODE":
            said.append((_code(child, "ConceptNameCodeSequence"), _value(child)))
        elif _type(child) == "TEXT":
            said.append((_code(child, "ConceptNameCodeSequence"), text(child, "TextValue")))
    return Evaluation(name=_code(item, "ConceptNameCodeSequence"), value=_value(item), said=tuple(said))


def _coordinates(item: Dataset) -> Coordinates:
    flat = [float(value) for value in text(item, "GraphicData").split("\\")]
    size = 3 if _type(item) == "SCOORD3D" else 2
    if len(flat) % size:
        raise ImageError("points of a report are incomplete", found=f"{len(flat)} numbers", expected=f"{size} a point")
    selected = list(_references(items(item, "ContentSequence")))
    return Coordinates(
        graphic_type=text(item, "GraphicType"),
        points=tuple(tuple(flat[start : start + size]) for start in range(0, len(flat), size)),
        frame_of_reference_uid=text(item, "ReferencedFrameOfReferenceUID"),
        image=selected[0] if selected else None,
    )


def _references(children: list[Dataset]) -> Iterator[Reference]:
    for child in children:
        if _type(child) not in ("IMAGE", "COMPOSITE"):
            continue
        for found in items(child, "ReferencedSOPSequence"):
            frames, segment = text(found, "ReferencedFrameNumber"), text(found, "ReferencedSegmentNumber")
            yield Reference(
                sop_class_uid=text(found, "ReferencedSOPClassUID"),
                sop_instance_uid=text(found, "ReferencedSOPInstanceUID"),
                frames=tuple(int(frame) for frame in frames.split("\\")) if frames else (),
                segment=int(segment.split("\\")[0]) if segment else None,
            )


def _time_point(children: list[Dataset]) -> TimePoint:
    found = {_key(child): child for child in children if _key(child) in _TIME_POINT}

    def said(scheme: str, code: str) -> str | None:
        return text(found[scheme, code], "TextValue") if (scheme, code) in found else None

    kind, order, offset = (found.get(("DCM", code)) for code in ("126072", "126073", "128740"))
    number = next(_measured(order), None) if order is not None else None
    elapsed = next(_measured(offset), None) if offset is not None else None
    return TimePoint(
        name=said("UMLS", "C2348792"),
        kind=_value(kind) if kind is not None else None,
        order=int(number.value) if number is not None else None,
        subject_identifier=said("DCM", "126070"),
        protocol_identifier=said("DCM", "126071"),
        offset=elapsed.value if elapsed is not None else None,
        offset_unit=elapsed.unit if elapsed is not None else "",
    )
