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
from lesiontrack.survival.facts import as_date, as_text

__all__ = ["Cue", "Judged", "choose_reader", "judged_visits", "progression_cues"]

_NEW = ("YES", "UNEQUIVOCAL")
_UNEQUIVOCAL_KINDS = (TriggerKind.NEW, TriggerKind.NON_TARGET, TriggerKind.LTP)
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


def choose_reader(readers: Iterable[str], wanted: str | None) -> tuple[str | None, str | None]:
    """Return whose responses decide, and a remark where the choice is not plain.

    The reader asked for; else an adjudicator's; else the only one; else the first by name other than the machine.
    """
    found = sorted(set(readers))
    if wanted is not None and wanted in found:
        return wanted, None
    remark = None if wanted is None else f"reader {wanted} has no responses"
    adjudicated = [reader for reader in found if reader.lower().startswith(_ADJUDICATED)]
    people = [reader for reader in found if reader != "machine"]
    chosen = next(iter([*adjudicated, *people, *found]), None)
    if not adjudicated and len(people) > 1:
        remark = f"several readers ({', '.join(people)}) and none adjudicated; {chosen} decides"
    return chosen, remark


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
