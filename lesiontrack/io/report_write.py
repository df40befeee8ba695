"""A visit to a DICOM SR: imaging measurement report (TID 1500) with its time point (TID 1502), Comprehensive 3D SR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import highdicom as hd
import numpy as np
from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    CoordinatesForMeasurement3D,
    FindingSite,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceImageForMeasurement,
    SourceImageForSegmentation,
    SourceSeriesForSegmentation,
    TextContentItem,
    TimePointContext,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from lesiontrack import __version__
from lesiontrack.io.codes import ABNORMAL, ALGORITHM, MALIGNANT, REGIONS
from lesiontrack.io.measurement_report import Reference
from lesiontrack.io.seg_write import fixed_clock, named_uid
from lesiontrack.io.visit_report import (
    CONCEPTS,
    RECIST11,
    Chord,
    ReportedLesion,
    ReportedResponse,
    VisitReport,
    word_code,
)

__all__ = ["write_visit_report"]

_OBSERVER_UID = "2.25.151517186419417046312931741513406093844"
_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
_Group: TypeAlias = MeasurementsAndQualitativeEvaluations | VolumetricROIMeasurementsAndQualitativeEvaluations
_COMPONENTS = ("overall", "target", "non_target", "new_lesion")


def write_visit_report(report: VisitReport, evidence: Sequence[Dataset], path: Path, *, series_number: int) -> Path:
    """Write a report; the same input gives the same bytes.

    Parameters
    ----------
    evidence
        Headers of all images and segmentations that the report refers to; the first gives patient and study.
    """
    content = _content(report, str(evidence[0].SeriesInstanceUID))
    series_uid = named_uid(evidence[0].StudyInstanceUID, repr(report), __version__)
    document = hd.sr.Comprehensive3DSR(
        evidence=list(evidence),
        content=content,
        series_instance_uid=series_uid,
        series_number=series_number,
        sop_instance_uid=named_uid(series_uid, "report"),
        instance_number=1,
        manufacturer=ALGORITHM,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="lesiontrack export",
    )
    fixed_clock(document, evidence[0], "")
    path.parent.mkdir(parents=True, exist_ok=True)
    document.save_as(path, enforce_file_format=True)
    return path


def _content(report: VisitReport, series_uid: str) -> Dataset:
    groups = [group for lesion in report.lesions for group in _groups(lesion, report, series_uid)]
    # A report of a visit without lesions still says which visit it is.
    groups = groups or [_no_lesions(report)]
    made = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_device_context=hd.sr.ObserverContext(
                observer_type=codes.DCM.Device,
                observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
                    uid=_OBSERVER_UID, manufacturer_name=ALGORITHM, model_name=ALGORITHM
                ),
            )
        ),
        procedure_reported=Code("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    root: Dataset = made[0]
    if report.responses:
        root.ContentSequence.append(_evaluations(report.responses))
    return root


def _time_point(report: VisitReport) -> TimePointContext:
    return TimePointContext(
        time_point=report.date.isoformat(),
        time_point_type=codes.DCM.Baseline if report.is_baseline else codes.DCM.Posttreatment,
        time_point_order=report.timepoint,
        temporal_offset_from_event=hd.sr.LongitudinalTemporalOffsetFromEvent(
            value=report.days_from_baseline, unit=codes.UCUM.Day, event_type=codes.DCM.Baseline
        ),
    )


def _groups(lesion: ReportedLesion, report: VisitReport, series_uid: str) -> Iterator[_Group]:
    """Yield a lesion's groups: its lengths with their points (TID 1501), and what its mask gives (TID 1411).

    TID 1411 forbids points below its measurements, and TID 1501 has no place for a segment.
    """
    common = {
        "tracking_identifier": TrackingIdentifier(uid=lesion.tracking_uid, identifier=lesion.tracking_id),
        "time_point_context": _time_point(report),
        "finding_category": ABNORMAL,
        "finding_type": MALIGNANT,
        "finding_sites": [FindingSite(anatomic_location=REGIONS.get(lesion.site, REGIONS["OTHER"]))],
    }
    volume = [_volume(lesion.volume_mm3)] if lesion.volume_mm3 is not None else []
    lengths = list(_lengths(lesion))
    group = MeasurementsAndQualitativeEvaluations(
        **common, measurements=lengths if lesion.segment is not None else [*lengths, *volume]
    )
    group[0].ContentSequence.extend(_judgements(lesion))
    yield group
    if lesion.segment is not None:
        yield VolumetricROIMeasurementsAndQualitativeEvaluations(
            **common, measurements=volume, referenced_segment=_segment(lesion.segment, lesion.image, series_uid)
        )


def _no_lesions(report: VisitReport) -> MeasurementsAndQualitativeEvaluations:
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=named_uid(report.subject_id, report.timepoint, "no lesions"), identifier="no lesions"
        ),
        time_point_context=_time_point(report),
    )


def _segment(segment: Reference, image: Reference | None, series_uid: str) -> ReferencedSegment:
    images = None
    if image is not None:
        images = [SourceImageForSegmentation(image.sop_class_uid, image.sop_instance_uid)]
    return ReferencedSegment(
        sop_class_uid=segment.sop_class_uid,
        sop_instance_uid=segment.sop_instance_uid,
        segment_number=segment.segment or 1,
        source_images=images,
        source_series=SourceSeriesForSegmentation(series_uid) if images is None else None,
    )


def _volume(volume_mm3: Decimal) -> Measurement:
    return Measurement(name=codes.SCT.Volume, value=float(volume_mm3), unit=codes.UCUM.CubicMillimeter)


def _lengths(lesion: ReportedLesion) -> Iterator[Measurement]:
    if lesion.longest_diameter_mm is not None:
        yield _length(codes.SCT.LongAxis, lesion.longest_diameter_mm, lesion.longest_ends_lps_mm, lesion)
    if lesion.short_axis_mm is not None:
        yield _length(codes.SCT.ShortAxis, lesion.short_axis_mm, lesion.short_ends_lps_mm, lesion)


def _length(name: Code, value: Decimal, ends: Chord | None, lesion: ReportedLesion) -> Measurement:
    coordinates, images = None, None
    if ends is not None and lesion.frame_of_reference_uid:
        coordinates = [
            CoordinatesForMeasurement3D(
                graphic_type=hd.sr.GraphicTypeValues3D.POLYLINE,
                graphic_data=np.array(ends),
                frame_of_reference_uid=lesion.frame_of_reference_uid,
            )
        ]
    if lesion.image is not None:
        frames = list(lesion.image.frames) or None
        images = [SourceImageForMeasurement(lesion.image.sop_class_uid, lesion.image.sop_instance_uid, frames)]
    return Measurement(
        name=name,
        value=float(value),
        unit=codes.UCUM.Millimeter,
        referenced_coordinates=coordinates,
        referenced_images=images,
    )


def _judgements(lesion: ReportedLesion) -> Iterator[Dataset]:
    yield _judgement("status", lesion.status)
    for phase, role in lesion.roles:
        yield _judgement("role", role, phase=phase)


def _evaluations(responses: Sequence[ReportedResponse]) -> Dataset:
    container: Dataset = ContainerContentItem(name=_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS)
    container.ContentSequence = Items(
        [
            _judgement(
                component,
                getattr(response, component),
                criteria=True,
                phase=response.phase,
                rules=response.rules,
                reader=response.reader,
                provisional="YES" if response.provisional else "NO",
            )
            for response in responses
            for component in _COMPONENTS
            if getattr(response, component)
        ]
    )
    return container


def _judgement(concept: str, word: str, *, criteria: bool = False, **said: str) -> Dataset:
    """Return a CODE item, with what qualifies it below it: coded where there are codes, else as text."""
    item: Dataset = CodeContentItem(
        name=CONCEPTS[concept], value=word_code(concept, word), relationship_type=RelationshipTypeValues.CONTAINS
    )
    modifiers: list[Dataset] = []
    if criteria:
        modifiers.append(CodeContentItem(CONCEPTS["criteria"], RECIST11, RelationshipTypeValues.HAS_CONCEPT_MOD))
    for name, value in said.items():
        if name in ("phase", "provisional"):
            modifiers.append(
                CodeContentItem(CONCEPTS[name], word_code(name, value), RelationshipTypeValues.HAS_CONCEPT_MOD)
            )
        elif value:
            modifiers.append(TextContentItem(CONCEPTS[name], value, RelationshipTypeValues.HAS_CONCEPT_MOD))
    if modifiers:
        item.ContentSequence = Items(modifiers)
    return item
