"""What a result holds of one visit, as a report: lesions with their lengths, roles, and the visit's responses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lesiontrack.batch.subject_tables import Row, SubjectTables, decimal_of, point_of, text_of
from lesiontrack.io.measurement_report import Reference
from lesiontrack.io.seg_write import WrittenSegment
from lesiontrack.io.source_images import SourceImages
from lesiontrack.io.visit_report import Chord, ReportedLesion, ReportedResponse, VisitReport

__all__ = ["SeenScan", "visit_report"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenScan:
    """One scan of a visit: its images, and by lesion number where each mask went."""

    series_uid: str
    images: SourceImages
    segments: Mapping[int, WrittenSegment]


def visit_report(tables: SubjectTables, visit: Row, seen: Sequence[SeenScan]) -> VisitReport:
    """Return the report of a visit, by its row of ``timepoints`` and the scans that it was measured on."""
    timepoint = int(visit["timepoint"])
    baseline = tables.baseline()
    date, first = (dt.date.fromisoformat(str(row["date"])) for row in (visit, baseline))
    return VisitReport(
        subject_id=tables.subject_id,
        timepoint=timepoint,
        date=date,
        is_baseline=timepoint in (0, int(baseline["timepoint"])),
        days_from_baseline=(date - first).days,
        lesions=tuple(lesion for one in seen for lesion in _lesions(tables, timepoint, one)),
        responses=tuple(_responses(tables, timepoint)),
    )


def _lesions(tables: SubjectTables, timepoint: int, seen: SeenScan) -> Iterator[ReportedLesion]:
    for row in tables.lesions(timepoint, seen.series_uid):
        track_id = str(row["track_id"])
        where = seen.segments.get(int(row["lesion_id"]))
        yield ReportedLesion(
            tracking_id=row["label"],
            tracking_uid=tables.tracking_uid(track_id),
            site=str(row["site"]),
            status=str(row["status"]),
            frame_of_reference_uid=seen.images.frame_of_reference_uid,
            longest_diameter_mm=decimal_of(row["longest_diameter_mm"]),
            longest_ends_lps_mm=_chord(row, "d"),
            short_axis_mm=decimal_of(row["short_axis_mm"]),
            short_ends_lps_mm=_chord(row, "s"),
            volume_mm3=decimal_of(row["volume_mm3"]),
            roles=tuple((str(role["phase"]), str(role["role"])) for role in tables.rows("roles", track_id=track_id)),
            image=_image(row, seen.images),
            segment=None if where is None else _segment(where),
        )


def _responses(tables: SubjectTables, timepoint: int) -> Iterator[ReportedResponse]:
    for row in tables.rows("responses", timepoint=timepoint):
        yield ReportedResponse(
            phase=str(row["phase"]),
            rules=str(row["rules"]),
            reader=str(row["reader"]),
            provisional=bool(row["provisional"]),
            overall=text_of(row["overall"]),
            target=text_of(row["target"]),
            non_target=text_of(row["non_target"]),
            new_lesion=text_of(row["new_lesion"]),
        )


def _chord(row: Row, letter: str) -> Chord | None:
    first, second = point_of(row, f"{letter}1_"), point_of(row, f"{letter}2_")
    return None if first is None or second is None else (first, second)


def _image(row: Row, images: SourceImages) -> Reference | None:
    """Return the image of the longest diameter, and of a multi-frame image the frame."""
    uid = text_of(row["sop_instance_uid"])
    classes = {str(header.SOPInstanceUID): str(header.SOPClassUID) for header in images.headers}
    if uid not in classes:
        return None
    ends = _chord(row, "d")
    frames: tuple[int, ...] = ()
    if images.is_multi_frame and ends is not None:
        k = round(float(images.grid.to_index(np.array(ends))[:, 0].mean()))
        frames = (images.frames[k][1] + 1,)
    return Reference(sop_class_uid=classes[uid], sop_instance_uid=uid, frames=frames)


def _segment(where: WrittenSegment) -> Reference:
    return Reference(
        sop_class_uid=where.sop_class_uid, sop_instance_uid=where.sop_instance_uid, segment=where.segment_number
    )
