"""The table ``responses`` of one subject as typed values: judged visits, what made them progression, and when.

Beside the contract's columns it reads, where they are there: ``triggers`` and ``treatment_phase_growth`` (JSON lists of
objects with ``kind``, ``date``, ``compartments``, ``lesions``, ``first_timepoint``) and ``site_status`` (JSON object,
treated lesion to ``NO_VIABLE``, ``RESIDUAL``, ``LTP`` or ``NE``). Without them a progression is dated by its visit and
told apart by the component columns.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lesiontrack.domain.outcome import Response, TriggerKind
from lesiontrack.errors import TableError
from lesiontrack.review.choices import ADJUDICATED, MAJORITY
from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.facts import as_date, as_text

__all__ = [
    "MACHINE",
    "Chosen",
    "Cue",
    "Judged",
    "choose_reader",
    "judged_visits",
    "people_of",
    "progression_cues",
]

_NEW = ("YES", "UNEQUIVOCAL")
_UNEQUIVOCAL_KINDS = (TriggerKind.NEW, TriggerKind.NON_TARGET, TriggerKind.LTP)
MACHINE = "machine"
# An adjudicator who reads has a reading of that name's beginning.
_ADJUDICATED = "adjudicat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One cause of progression at a visit, with the date that it alone would give.

    ``stated`` is False where it is told from the component columns only: its compartments are then not known.
    """

    kind: str
    date: dt.date
    timepoint: int
    compartments: tuple[str, ...] = ()
    lesions: tuple[str, ...] = ()
    first_timepoint: int
    stated: bool = True

    @property
    def backdated(self) -> bool:
        """Whether it lies in an equivocal lesion seen before the visit that confirmed it."""
        return self.first_timepoint < self.timepoint

    @property
    def unequivocal(self) -> bool:
        """Whether it is a new lesion, an unequivocal non-target or a treated site: the same reading in both arms."""
        return self.kind in _UNEQUIVOCAL_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One row of ``responses``: one visit of the study phase under one rule set, one reader."""

    timepoint: int
    date: dt.date
    rules: str
    reader: str
    overall: str | None
    cues: tuple[Cue, ...] = ()
    growth: tuple[Cue, ...] = ()
    site_status: Mapping[str, str]

    @property
    def evaluable(self) -> bool:
        """Whether the visit has an overall response other than NE."""
        return self.overall is not None and self.overall != Response.NE


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Whose responses of a subject feed the endpoints.

    Attributes
    ----------
    reader
        None where there are no responses, or nobody's may decide.
    remark
        Where the choice is not plain.
    unresolved
        The readers differ and what was asked for, adjudication or a majority, is not there.
    """

    reader: str | None = None
    remark: str | None = None
    unresolved: bool = False


def people_of(readers: Iterable[str]) -> list[str]:
    """Return the readers who are compared: not the machine, no adjudicator, and no reading made of others."""
    return sorted({r for r in readers if r not in (MACHINE, MAJORITY, "") and not r.lower().startswith(_ADJUDICATED)})


def choose_reader(readers: Iterable[str], settings: EventSettings) -> Chosen:
    """Choose whose responses decide, as the settings ``reader`` and ``unresolved_reader`` say.

    Unset, it is the adjudicated reading, an adjudicator's own before one made of choices; else the only reader's; else
    that of the first by name, with a remark; else the machine's.
    """
    found = sorted(set(readers))
    adjudicated = sorted((r for r in found if r.lower().startswith(_ADJUDICATED)), key=lambda r: r == ADJUDICATED)
    people, wanted = people_of(found), settings.reader
    made = {ADJUDICATED: adjudicated, MAJORITY: [r for r in found if r == MAJORITY]}.get(wanted or "")
    if made is not None and not made and len(people) > 1:
        return _unresolved(str(wanted), found, people, settings)
    if made:
        return Chosen(reader=made[0])
    if wanted in found:
        return Chosen(reader=wanted)
    remark = None
    if wanted is not None and found:
        short = "nobody has read" if not people else f"only {people[0]} has read"
        remark = f"reader {wanted} has no responses" if made is None else f"reader = {wanted}, and {short}"
    chosen = next(iter([*adjudicated, *people, *found]), None)
    if not adjudicated and len(people) > 1:
        remark = f"several readers ({', '.join(people)}) and none adjudicated; {chosen} decides"
    return Chosen(reader=chosen, remark=remark)


def _unresolved(wanted: str, found: list[str], people: list[str], settings: EventSettings) -> Chosen:
    stands = settings.unresolved_reader
    why = f"readers {', '.join(people)} differ and there is no {wanted} reading"
    if stands is not None and stands in found:
        return Chosen(reader=stands, remark=f"{why}; that of {stands} stands until then (unresolved_reader)")
    return Chosen(remark=f"{why}; endpoints from imaging are not derived", unresolved=True)


def judged_visits(subject_id: str, rows: Iterable[Mapping[str, Any]]) -> tuple[Judged, ...]:
    """Return a subject's judged visits of the study phase, by date.

    Raises
    ------
    ClinicalError, TableError
        If a date or a JSON cell cannot be read.
    """
    study = [row for row in rows if as_text(row.get("phase")) in (None, "STUDY")]
    return tuple(sorted((_judged(subject_id, row) for row in study), key=lambda visit: (visit.date, visit.timepoint)))


def progression_cues(visits: Iterable[Judged], *, unequivocal: bool = False, growth: bool = False) -> tuple[Cue, ...]:
    """Return the causes of progression in date order; the first one dates it.

    An equivocal lesion that a later visit confirms carries the date on which it was first seen, and so moves the
    progression back (response rules, settled points).

    Parameters
    ----------
    unequivocal
        Only new lesions, unequivocal non-targets and treated sites.
    growth
        With growth during the treatment phase that the default does not call progression.
    """
    cues = [cue for visit in visits for cue in (*visit.cues, *(visit.growth if growth else ()))]
    return tuple(sorted((c for c in cues if c.unequivocal or not unequivocal), key=lambda c: (c.date, c.timepoint)))


def _judged(subject_id: str, row: Mapping[str, Any]) -> Judged:
    date = as_date(row.get("date"), column="responses.date", subject_id=subject_id)
    if date is None:
        raise TableError("a response without a date", subject_id=subject_id)
    timepoint, overall = int(row["timepoint"]), as_text(row.get("overall"))
    cues: tuple[Cue, ...] = ()
    if overall == Response.PD:
        cues = _cues(subject_id, row, "triggers") or _from_components(row, timepoint, date)
    return Judged(
        timepoint=timepoint,
        date=date,
        rules=as_text(row.get("rules")) or "",
        reader=as_text(row.get("reader")) or "",
        overall=overall,
        cues=cues,
        growth=_cues(subject_id, row, "treatment_phase_growth"),
        site_status={str(key): str(value) for key, value in _parsed(subject_id, row, "site_status", {}).items()},
    )


def _cues(subject_id: str, row: Mapping[str, Any], column: str) -> tuple[Cue, ...]:
    timepoint = int(row["timepoint"])
    visit = as_date(row.get("date"), column="responses.date", subject_id=subject_id)
    cues = []
    for entry in _parsed(subject_id, row, column, []):
        date = as_date(entry.get("date"), column=f"responses.{column}", subject_id=subject_id) or visit
        if date is None:
            raise TableError(f"responses.{column} has no date", subject_id=subject_id)
        first = entry.get("first_timepoint")
        cues.append(
            Cue(
                kind=str(entry.get("kind", "")),
                date=date,
                timepoint=timepoint,
                compartments=tuple(str(item) for item in entry.get("compartments", ())),
                lesions=tuple(str(item) for item in entry.get("lesions", ())),
                first_timepoint=timepoint if first is None else int(first),
            )
        )
    return tuple(cues)


def _from_components(row: Mapping[str, Any], timepoint: int, date: dt.date) -> tuple[Cue, ...]:
    """Tell the causes from the component columns, all dated by the visit."""
    kinds = []
    if (as_text(row.get("new_lesion")) or "").upper() in _NEW:
        kinds.append(TriggerKind.NEW)
    if as_text(row.get("non_target")) == Response.PD:
        kinds.append(TriggerKind.NON_TARGET)
    if as_text(row.get("target")) == Response.PD or not kinds:
        kinds.append(TriggerKind.TARGET)
    return tuple(
        Cue(kind=kind, date=date, timepoint=timepoint, first_timepoint=timepoint, stated=False) for kind in kinds
    )


def _parsed(subject_id: str, row: Mapping[str, Any], column: str, default: Any) -> Any:
    """Return a JSON cell; the default's type is the type it must have."""
    cell = row.get(column)
    if cell is None or cell == "":
        return default
    try:
        value = json.loads(cell) if isinstance(cell, str) else cell
    except json.JSONDecodeError as error:
        raise TableError(f"responses.{column} is no JSON", subject_id=subject_id, found=str(cell)[:60]) from error
    if not isinstance(value, type(default)):
        raise TableError(
            f"responses.{column} has the wrong form",
            subject_id=subject_id,
            found=type(value).__name__,
            expected=type(default).__name__,
        )
    return value
