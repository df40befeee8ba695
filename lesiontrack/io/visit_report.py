"""What a visit's report says of lesions and responses, and how those words are coded in TID 1500."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from lesiontrack.errors import ImageError
from lesiontrack.io.codes import NON_TARGET_RESPONSES, REGIONS, ROLES, TARGET_RESPONSES, own_code
from lesiontrack.io.measurement_report import Evaluation, Group, Measured, Reference, read_measurement_report
from lesiontrack.io.sites import site_of_region

__all__ = ["CONCEPTS", "PHASES", "ReportedLesion", "ReportedResponse", "VisitReport", "read_visit_report", "word_code"]

PointLps = tuple[float, float, float]
Chord = tuple[PointLps, PointLps]

CONCEPTS: Mapping[str, Code] = {
    "role": own_code("RECIST_ROLE", "RECIST role at baseline"),
    "status": own_code("LESION_STATUS", "Lesion status"),
    "target": own_code("TARGET_RESP", "Target response"),
    "non_target": own_code("NON_TARGET_RESP", "Non-target response"),
    "new_lesion": own_code("NEW_LESIONS", "New lesions"),
    "overall": Code("112048", "DCM", "Current Response"),
    "phase": own_code("TRIAL_PHASE", "Phase of the trial"),
    "rules": own_code("RULE_SET", "Rule set"),
    "reader": own_code("READER", "Reader"),
    "provisional": own_code("PROVISIONAL", "Not confirmed by a reader"),
    "criteria": Code("112021", "DCM", "Response Evaluation Method"),
}
RECIST11 = Code("126081", "DCM", "RECIST 1.1")
PHASES: Mapping[str, Code] = {
    "INDUCTION": own_code("INDUCTION", "Induction phase"),
    "STUDY": own_code("STUDY", "Study phase"),
}
# Words that the standard has no code for; each goes out as itself.
_WORDS: Mapping[str, str] = {
    "CR": "Complete response",
    "PR": "Partial response",
    "SD": "Stable disease",
    "PD": "Progressive disease",
    "NE": "Not evaluable",
    "NA": "Not applicable",
    "NED": "No evidence of disease",
    "NON-CR/NON-PD": "Neither complete response nor progressive disease",
    "REBASELINE": "New baseline after local treatment",
    "YES": "Yes",
    "NO": "No",
    "EQUIVOCAL": "Equivocal",
    "PRESENT": "Present",
    "TSTM": "Too small to measure",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedLesion:
    """One lesion of a visit.

    Attributes
    ----------
    tracking_id
        Its track, and for a fragment which: ``L03``, ``L03.7``; unique in the visit.
    tracking_uid
        Of its track.
    longest_diameter_mm, short_axis_mm, volume_mm3
        None where it was not measured.
    longest_ends_lps_mm, short_ends_lps_mm
        End points in the frame of reference of its scan.
    roles
        (phase, role) of its track.
    image
        The image that holds the longest diameter.
    segment
        Its segment, where it has a mask.
    """

    tracking_id: str
    tracking_uid: str
    site: str
    status: str
    frame_of_reference_uid: str
    longest_diameter_mm: Decimal | None = None
    longest_ends_lps_mm: Chord | None = None
    short_axis_mm: Decimal | None = None
    short_ends_lps_mm: Chord | None = None
    volume_mm3: Decimal | None = None
    roles: tuple[tuple[str, str], ...] = ()
    image: Reference | None = None
    segment: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedResponse:
    """The response at a visit in one phase, by one rule set and reader; components may be empty."""

    phase: str
    rules: str
    reader: str
    overall: str
    target: str = ""
    non_target: str = ""
    new_lesion: str = ""
    provisional: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitReport:
    """All that is reported of one visit.

    Attributes
    ----------
    is_baseline
        Whether it is the baseline of a phase.
    days_from_baseline
        From the baseline that its time points count from: the study's, or without one the first visit.
    """

    subject_id: str
    timepoint: int
    date: dt.date
    is_baseline: bool
    days_from_baseline: int
    lesions: tuple[ReportedLesion, ...]
    responses: tuple[ReportedResponse, ...] = ()


def word_code(concept: str, word: str) -> Code:
    """Return the code of a word for a concept, the standard's own where it has one."""
    known: Mapping[str, Mapping[str, Code]] = {
        "target": TARGET_RESPONSES,
        "non_target": NON_TARGET_RESPONSES,
        "role": ROLES,
        "phase": PHASES,
    }
    found = known.get(concept, {}).get(word)
    return found if found is not None else own_code(word, _WORDS.get(word, word))


def _word_of(concept: str, code: Code) -> str:
    for words in (TARGET_RESPONSES, NON_TARGET_RESPONSES, ROLES, PHASES):
        for word, known in words.items():
            if _is(known, code):
                return word
    return str(code.value)


def _is(one: Code, other: Code) -> bool:
    return (one.scheme_designator, one.value) == (other.scheme_designator, other.value)


def read_visit_report(path: Path | str) -> VisitReport:
    """Read a report that this program wrote, as what it was written from.

    Raises
    ------
    ImageError
        If it is no such report.
    """
    report = read_measurement_report(path)
    days = {group.time_point for group in report.groups}
    if len(days) > 1:
        raise ImageError("groups of several time points in one report", file=str(path), found=str(len(days)))
    point = next(iter(days), None)
    if point is None or point.order is None or point.offset is None or point.name is None:
        raise ImageError("report without a time point", file=str(path), expected="TID 1502 with order and offset")
    return VisitReport(
        subject_id=report.subject_id,
        timepoint=point.order,
        date=dt.date.fromisoformat(point.name),
        is_baseline=point.kind is not None and _is(point.kind, codes.DCM.Baseline),
        days_from_baseline=int(point.offset),
        lesions=tuple(_lesions(report.groups)),
        responses=_responses(report.evaluations),
    )


def _lesions(groups: tuple[Group, ...]) -> Iterator[ReportedLesion]:
    """Join the groups of one lesion: that of its lengths and that of its mask have one tracking identifier and UID."""
    found: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        if group.finding is not None:
            found.setdefault((group.tracking_id, group.tracking_uid), []).append(group)
    for same in found.values():
        yield _lesion(
            replace(
                same[0],
                measurements=tuple(measured for group in same for measured in group.measurements),
                references=tuple(reference for group in same for reference in group.references),
            )
        )


def _lesion(group: Group) -> ReportedLesion:
    longest = _measurement(group, codes.SCT.LongAxis)
    short = _measurement(group, codes.SCT.ShortAxis)
    volume = _measurement(group, codes.SCT.Volume)
    region = group.sites[0] if group.sites else REGIONS["OTHER"]
    said = {(e.name.scheme_designator, e.name.value): e.value for e in group.evaluations}
    status = CONCEPTS["status"]
    return ReportedLesion(
        tracking_id=group.tracking_id,
        tracking_uid=group.tracking_uid,
        site=str(site_of_region(f"{region.scheme_designator}|{region.value}|{region.meaning}")),
        status=_word_of("status", said[status.scheme_designator, status.value]),
        frame_of_reference_uid=next((c.frame_of_reference_uid for m in group.measurements for c in m.coordinates), ""),
        longest_diameter_mm=longest.value if longest else None,
        longest_ends_lps_mm=_chord(longest),
        short_axis_mm=short.value if short else None,
        short_ends_lps_mm=_chord(short),
        volume_mm3=volume.value if volume else None,
        roles=tuple(
            (_said(e, "phase"), _word_of("role", e.value)) for e in group.evaluations if _is(e.name, CONCEPTS["role"])
        ),
        image=longest.images[0] if longest and longest.images else None,
        segment=group.segments[0] if group.segments else None,
    )


def _measurement(group: Group, name: Code) -> Measured | None:
    return next((found for found in group.measurements if _is(found.name, name)), None)


def _chord(measured: Measured | None) -> Chord | None:
    if measured is None or not measured.coordinates:
        return None
    first, second = (tuple(round(value, 3) for value in point) for point in measured.coordinates[0].points)
    return (first[0], first[1], first[2]), (second[0], second[1], second[2])


def _said(evaluation: Evaluation, concept: str) -> str:
    for name, value in evaluation.said:
        if _is(name, CONCEPTS[concept]):
            return value if isinstance(value, str) else _word_of(concept, value)
    return ""


def _responses(evaluations: tuple[Evaluation, ...]) -> tuple[ReportedResponse, ...]:
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    provisional: dict[tuple[str, str, str], bool] = {}
    for evaluation in evaluations:
        concept = next((name for name, code in CONCEPTS.items() if _is(code, evaluation.name)), None)
        key = (_said(evaluation, "phase"), _said(evaluation, "rules"), _said(evaluation, "reader"))
        if concept is None or not key[1]:
            continue
        found.setdefault(key, {})[concept] = _word_of(concept, evaluation.value)
        provisional[key] = _said(evaluation, "provisional") == "YES"
    return tuple(
        ReportedResponse(
            phase=key[0],
            rules=key[1],
            reader=key[2],
            overall=words.get("overall", ""),
            target=words.get("target", ""),
            non_target=words.get("non_target", ""),
            new_lesion=words.get("new_lesion", ""),
            provisional=provisional[key],
        )
        for key, words in found.items()
    )
