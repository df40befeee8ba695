"""One reader's tables of one subject as a reading that can be held against another's."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from lesiontrack.assess.looks import is_node
from lesiontrack.review.case_reading import CaseReading, Cause, Outcome, ReadLesion, ReadVisit
from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.facts import Row, as_date, as_text, rows_by_subject
from lesiontrack.survival.judged import Cue, Judged, judged_visits
from lesiontrack.survival.record import progression

__all__ = ["TablesOf", "case_reading", "outcome_of_visits"]

TablesOf = Callable[[str, str], Mapping[str, pd.DataFrame]]
"""(subject, reader) -> that reader's tables: ``lesions``, ``roles``, ``timepoints``, ``decisions``, where there."""


def case_reading(
    subject_id: str, reader: str, rows: Sequence[Row], tables: Mapping[str, pd.DataFrame], settings: EventSettings
) -> CaseReading:
    """Return one reader's reading of one subject.

    Parameters
    ----------
    rows
        The subject's rows of ``responses``, of all readers and rule sets.
    tables
        The rest of what the reader says; an absent table says nothing.
    settings
        The rule set that feeds the endpoints.

    Raises
    ------
    ClinicalError, TableError
        If a date or a JSON cell cannot be read.
    """
    mine = [r for r in rows if as_text(r.get("reader")) == reader and as_text(r.get("rules")) == settings.primary_rules]
    visits = tuple(sorted((_visit(subject_id, row) for row in mine), key=lambda visit: visit.date))
    plain = {name: rows_by_subject(table).get(subject_id, []) for name, table in tables.items()}
    roles = plain.get("roles", [])
    return CaseReading(
        subject_id=subject_id,
        reader=reader,
        visits=visits,
        outcome=_outcome(judged_visits(subject_id, mine)),
        lesions=tuple(_lesion(row, _roles(roles)) for row in plain.get("lesions", [])),
        targets={
            phase: frozenset(str(r["track_id"]) for r in roles if (r["phase"], r["role"]) == (phase, "TARGET"))
            for phase in sorted({str(row["phase"]) for row in roles})
        },
        dates={
            int(row["timepoint"]): dt.date.fromisoformat(str(row["date"]))
            for name in ("lesions", "timepoints")
            for row in plain.get(name, [])
        },
        decisions=_decisions(plain.get("decisions", [])),
    )


def _visit(subject_id: str, row: Row) -> ReadVisit:
    date = as_date(row.get("date"), column="responses.date", subject_id=subject_id)
    assert date is not None  # the schema has it so
    judged = judged_visits(subject_id, [{**row, "phase": "STUDY"}])[0]
    return ReadVisit(
        timepoint=int(row["timepoint"]),
        date=date,
        phase=as_text(row.get("phase")) or "STUDY",
        overall=as_text(row.get("overall")),
        target=as_text(row.get("target")),
        non_target=as_text(row.get("non_target")),
        new_lesion=as_text(row.get("new_lesion")),
        sum_mm=_mm(row.get("sum_mm")),
        nadir_sum_mm=_mm(row.get("nadir_sum_mm")),
        baseline_sum_mm=_mm(row.get("baseline_sum_mm")),
        causes=tuple(
            Cause(
                kind=cue.kind,
                date=cue.date,
                compartments=cue.compartments,
                lesions=cue.lesions,
                first_timepoint=cue.first_timepoint,
            )
            for cue in judged.cues
        ),
    )


def _mm(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _roles(rows: Sequence[Row]) -> dict[str, str]:
    """Return each track's role, that of the study phase where it has one."""
    by_phase = {(str(row["phase"]), str(row["track_id"])): str(row["role"]) for row in rows}
    return {track: role for phase in ("INDUCTION", "STUDY") for (p, track), role in by_phase.items() if p == phase}


def _lesion(row: Row, roles: Mapping[str, str]) -> ReadLesion:
    track, site = as_text(row.get("track_id")), str(row["site"])
    place = [float(value) for axis in "xyz" if (value := row.get(f"{axis}_lps_mm")) is not None]
    length = row.get("short_axis_mm" if is_node(site) else "longest_diameter_mm")
    return ReadLesion(
        timepoint=int(row["timepoint"]),
        lesion_id=int(row["lesion_id"]),
        track_id=track,
        site=site,
        length_mm=_mm(length),
        series_uid=as_text(row.get("series_uid")) or "",
        centroid_lps_mm=(place[0], place[1], place[2]) if len(place) == 3 else None,
        role=roles.get(track or ""),
    )


def _decisions(rows: Sequence[Row]) -> dict[tuple[int, int], tuple[str, ...]]:
    """Return, for each lesion, the decisions in force that touched it: what, why, and which."""
    found: dict[tuple[int, int], list[str]] = {}
    for row in rows:
        if row.get("state") != "APPLIED":
            continue
        why = f" ({row['reason']})" if row.get("reason") else ""
        what = f"{row.get('act')}{why}, decision {str(row.get('decision_id'))[:12]}"
        for timepoint, lesion_id in json.loads(row.get("touches") or "[]"):
            found.setdefault((int(timepoint), int(lesion_id)), []).append(what)
    return {key: tuple(said) for key, said in found.items()}


# --- progression ----------------------------------------------------------------------------------------------------


def _outcome(visits: Sequence[Judged]) -> Outcome:
    first = progression(visits, {})
    return Outcome(
        pd_date=first.date,
        pd_site=first.site,
        first_hepatic_pd_date=first.hepatic,
        first_extrahepatic_pd_date=first.extrahepatic,
    )


def outcome_of_visits(visits: Sequence[ReadVisit]) -> Outcome:
    """Judge visits of several readers put together as those of one are judged."""
    study = [visit for visit in visits if visit.phase == "STUDY"]
    return _outcome([_judged(visit) for visit in study])


def _judged(visit: ReadVisit) -> Judged:
    return Judged(
        timepoint=visit.timepoint,
        date=visit.date,
        rules="",
        reader="",
        overall=visit.overall,
        cues=tuple(
            Cue(
                kind=cause.kind,
                date=cause.date,
                timepoint=visit.timepoint,
                compartments=cause.compartments,
                lesions=cause.lesions,
                first_timepoint=cause.first_timepoint,
            )
            for cause in visit.causes
        ),
        site_status={},
    )
