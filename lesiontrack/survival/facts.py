"""What the tables say of one subject, as typed values: clinical facts, visits and their coverage.

Dates are read from ISO text, dates or timestamps; anything else is an error that names the subject and the column.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from lesiontrack.errors import ClinicalError

__all__ = ["ClinicalRecord", "Rows", "as_date", "as_text", "clinical_record", "rows_by_subject"]

Row = dict[str, Any]
Rows = Mapping[str, list[Row]]

_DATES = (
    "diagnosis_date",
    "enrolment_date",
    "randomisation_date",
    "induction_start_date",
    "treatment_start_date",
    "death_date",
    "last_alive_date",
    "data_cutoff_date",
)
_NO = ("N", "NO", "FALSE", "0")


def rows_by_subject(table: pd.DataFrame | None) -> Rows:
    """Return a table's rows by subject, in their order, with None for every empty cell."""
    grouped: dict[str, list[Row]] = defaultdict(list)
    if table is None or table.empty:
        return grouped
    plain = table.astype(object).where(table.notna(), None)
    for row in plain.to_dict("records"):
        grouped[str(row["subject_id"])].append({str(key): value for key, value in row.items()})
    return grouped


def as_text(value: object) -> str | None:
    """Return text without surrounding blanks, None where there is none."""
    text = "" if value is None else str(value).strip()
    return text or None


def as_date(value: object, *, column: str, subject_id: str) -> dt.date | None:
    """Return a calendar date; None where the cell is empty.

    Raises
    ------
    ClinicalError
        If the cell is neither empty nor an ISO 8601 calendar date.
    """
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    text = as_text(value)
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text[:10] if text[10:11] in ("T", " ") else text)
    except ValueError as error:
        raise ClinicalError(
            f"{column} is no date", subject_id=subject_id, found=repr(value), expected="YYYY-MM-DD"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalRecord:
    """What the clinical tables say of one subject, up to the data cut-off.

    Attributes
    ----------
    therapies
        Days of anticancer therapies outside the protocol, in order.
    covariates
        Columns of the clinical table ``subjects`` that the contract does not name.
    """

    subject_id: str
    arm: str | None = None
    diagnosis_date: dt.date | None = None
    enrolment_date: dt.date | None = None
    randomisation_date: dt.date | None = None
    induction_start_date: dt.date | None = None
    treatment_start_date: dt.date | None = None
    death_date: dt.date | None = None
    last_alive_date: dt.date | None = None
    data_cutoff_date: dt.date | None = None
    therapies: tuple[dt.date, ...] = ()
    covariates: dict[str, Any] = field(default_factory=dict)

    @property
    def death_contradicted(self) -> bool:
        """Whether the subject is said to be alive after the day of death."""
        return (
            self.death_date is not None and self.last_alive_date is not None and self.death_date < self.last_alive_date
        )

    def new_therapy(self, start: dt.date) -> dt.date | None:
        """Return the first new anticancer therapy on or after ``start``."""
        return min((date for date in self.therapies if date >= start), default=None)

    def until_cutoff(self) -> ClinicalRecord:
        """Return what was known at the data cut-off: a later death is then a subject alive on that day."""
        cutoff = self.data_cutoff_date
        if cutoff is None:
            return self
        died_later = self.death_date is not None and self.death_date > cutoff
        alive = self.last_alive_date
        return replace(
            self,
            death_date=None if died_later else self.death_date,
            last_alive_date=cutoff if died_later or (alive is not None and alive > cutoff) else alive,
            therapies=tuple(date for date in self.therapies if date <= cutoff),
        )


def clinical_record(subject_id: str, rows: list[Row], therapies: list[Row]) -> ClinicalRecord:
    """Read one subject's row of ``subjects`` and rows of ``therapies``.

    Raises
    ------
    ClinicalError
        If the subject has several rows, or a date cannot be read.
    """
    if len(rows) > 1:
        raise ClinicalError("several rows in the clinical table subjects", subject_id=subject_id, found=str(len(rows)))
    row = rows[0] if rows else {}
    outside = [
        as_date(entry.get("date"), column="therapies.date", subject_id=subject_id)
        for entry in therapies
        if (as_text(entry.get("in_protocol")) or "").upper() in _NO
    ]
    return ClinicalRecord(
        subject_id=subject_id,
        arm=as_text(row.get("arm")),
        therapies=tuple(sorted(date for date in outside if date is not None)),
        covariates={key: value for key, value in row.items() if key not in {"subject_id", "arm", *_DATES}},
        **{name: as_date(row.get(name), column=name, subject_id=subject_id) for name in _DATES},
    )
