"""The clinical tables of a study, CSV or Parquet, to typed facts (contract, section 2).

One subject's impossible row withholds that subject's facts and stops nobody else.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from lesiontrack.domain.study import ClinicalFacts, Coverage, Finding, LocalTreatment
from lesiontrack.errors import ClinicalError
from lesiontrack.io.catalogue import Problem

__all__ = ["TABLES", "Clinical", "read_clinical"]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}$")
_FORMULA_GUARD = re.compile(r"^'(?=[=+\-@\t\r])")

_SUBJECT_DATES = (
    "diagnosis_date",
    "enrolment_date",
    "randomisation_date",
    "induction_start_date",
    "treatment_start_date",
    "death_date",
    "last_alive_date",
    "data_cutoff_date",
)

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """How a column is read, and whether a table cannot do without it or a row may leave it empty."""

    read: Callable[[str], Any]
    needed: bool = False
    filled: bool = False


def _text(value: str) -> str:
    return value


def _date(value: str) -> dt.date:
    if not _DATE.match(value):
        raise ValueError("an ISO 8601 date, YYYY-MM-DD")
    try:
        return dt.date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("a date of the calendar") from error


def _number(value: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        hint = ", with a point and not a comma" if "," in value else ""
        raise ValueError(f"a number{hint}") from error
    if not number.is_finite():
        raise ValueError("a finite number")
    return number


def _length(value: str) -> Decimal:
    number = _number(value)
    if number < 0 or number > 1000:
        raise ValueError("a length from 0 to 1000 mm")
    return number


def _flag(value: str) -> str:
    if value.upper() not in ("Y", "N"):
        raise ValueError("Y or N")
    return value.upper()


def _grade(value: str) -> int:
    if value not in ("1", "2", "3", "4", "5"):
        raise ValueError("a grade from 1 to 5")
    return int(value)


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        word = value.upper().replace("-", "_").replace(" ", "_")
        if word not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return word

    return read


def _site(value: str) -> str:
    return value.upper().replace(" ", "_")


_ID = _Column(read=_text, needed=True, filled=True)
_WHEN = _Column(read=_date, needed=True, filled=True)

TABLES: Mapping[str, Mapping[str, _Column]] = {
    "subjects": {
        "subject_id": _ID,
        "arm": _Column(read=_text),
        **{name: _Column(read=_date) for name in _SUBJECT_DATES},
    },
    "local_treatments": {
        "subject_id": _ID,
        "date": _WHEN,
        "method": _Column(read=_one_of("RESECTION", "ABLATION", "SBRT", "OTHER"), needed=True, filled=True),
        "track_id": _Column(read=_text),
        "tracking_uid": _Column(read=_text),
        "what": _Column(read=_text),
        "x_lps_mm": _Column(read=_number),
        "y_lps_mm": _Column(read=_number),
        "z_lps_mm": _Column(read=_number),
        "timepoint_date": _Column(read=_date),
        "session": _Column(read=_text),
        "planned": _Column(read=_flag),
        "margin": _Column(read=_one_of("R0", "R1", "R2")),
    },
    "therapies": {
        "subject_id": _ID,
        "date": _WHEN,
        "name": _Column(read=_text),
        "in_protocol": _Column(read=_flag, needed=True, filled=True),
    },
    "findings": {
        "subject_id": _ID,
        "date": _WHEN,
        "lesion": _Column(read=_text, needed=True, filled=True),
        "site": _Column(read=_site),
        "role": _Column(read=_one_of("TARGET", "NON_TARGET", "NEW"), needed=True, filled=True),
        "status": _Column(
            read=_one_of("PRESENT", "ABSENT", "TSTM", "NE", "UNEQUIVOCAL", "EQUIVOCAL", "NO_VIABLE", "RESIDUAL", "LTP"),
            needed=True,
            filled=True,
        ),
        "longest_diameter_mm": _Column(read=_length),
        "short_axis_mm": _Column(read=_length),
        "reason": _Column(read=_text),
    },
    "adverse_events": {
        "subject_id": _ID,
        "term": _Column(read=_text, needed=True, filled=True),
        "grade": _Column(read=_grade, needed=True, filled=True),
        "start_date": _Column(read=_date),
        "related": _Column(read=_flag),
    },
    "coverage": {
        "subject_id": _ID,
        "date": _WHEN,
        "region": _Column(read=_site, needed=True, filled=True),
        "assessed": _Column(read=_flag, needed=True, filled=True),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinical:
    """What the clinical tables say.

    Attributes
    ----------
    facts
        By subject id; a subject without a row in ``subjects``, or with an impossible row anywhere, is absent.
    covariates
        By subject id: extra columns of ``subjects``, as written.
    tables
        Every table that is there, typed: dates as ``datetime.date``, lengths as ``Decimal``, empty as None; rows of
        subjects in ``problems`` left out; extra columns kept as text.
    problems
        Rows for ``failures``, stage ``clinical``.
    """

    facts: Mapping[str, ClinicalFacts] = field(default_factory=dict)
    covariates: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def read_clinical(folder: Path) -> Clinical:
    """Read all clinical tables of a folder; a folder or table that is not there is empty.

    Raises
    ------
    ClinicalError
        If a table as a whole cannot be used: no header, a needed column is missing, or it is not text.
    """
    typed: dict[str, list[dict[str, Any]]] = {}
    bad: dict[str, ClinicalError] = {}
    for table in TABLES:
        rows = _rows(folder, table)
        if rows is not None:
            typed[table] = _typed(table, rows, bad)
    _require_one_row_each(typed.get("subjects", []), bad)
    facts = _facts(typed, bad)
    kept = {table: [row for row in rows if row["subject_id"] not in bad] for table, rows in typed.items()}
    return Clinical(
        facts={subject_id: facts[subject_id] for subject_id in facts if subject_id not in bad},
        covariates={
            row["subject_id"]: {name: row[name] or "" for name in row if name not in TABLES["subjects"]}
            for row in kept.get("subjects", [])
        },
        tables={table: _frame(table, rows) for table, rows in kept.items()},
        problems=tuple(Problem.of(bad[name], subject_id=name, stage="clinical") for name in sorted(bad)),
    )


def _rows(folder: Path, table: str) -> list[dict[str, str]] | None:
    """Return a table's rows as text; None when there is no such table."""
    text, packed = folder / f"{table}.csv", folder / f"{table}.parquet"
    if text.is_file() and packed.is_file():
        raise ClinicalError(f"table {table} is there twice", file=str(text), found=packed.name)
    if packed.is_file():
        try:
            frame = pd.read_parquet(packed)
        except (OSError, pa.ArrowException) as error:
            raise ClinicalError(f"table {table} is no Parquet file that can be read", file=str(packed)) from error
        rows = [{str(name): _as_text(value) for name, value in row.items()} for row in frame.to_dict("records")]
        _require_columns(table, [str(name) for name in frame.columns], packed)
        return rows
    return _csv_rows(text, table) if text.is_file() else None


def _as_text(value: Any) -> str:
    """Write a Parquet value as a CSV would have it; a time of midnight is a date, a whole float a whole number."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _csv_rows(path: Path, table: str) -> list[dict[str, str]]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClinicalError(f"table {table} is not UTF-8 text", file=str(path), found=f"byte {error.start}") from error
    try:
        lines = list(csv.reader(io.StringIO(content, newline=""), delimiter=_delimiter(content)))
    except csv.Error as error:
        raise ClinicalError(f"table {table} is no CSV that can be read: {error}", file=str(path)) from error
    if not lines or not any(lines[0]):
        raise ClinicalError(f"table {table} has no header", file=str(path))
    header = [name.strip() for name in lines[0]]
    _require_columns(table, header, path)
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        cells = [_FORMULA_GUARD.sub("", cell).strip() for cell in line]
        if len(cells) > len(header) and any(cells[len(header) :]):
            # Most often a decimal comma: the row must not be read shifted by one column.
            rows.append({"subject_id": cells[header.index("subject_id")], _ROW: str(number), _TORN: str(len(cells))})
            continue
        rows.append({**dict(zip(header, [*cells, *[""] * len(header)])), _ROW: str(number)})
    return rows


_ROW, _TORN = "\0row", "\0torn"


def _delimiter(content: str) -> str:
    """Return the delimiter of the header line: semicolons and tabs are accepted, as spreadsheets write them."""
    first = content.split("\n", 1)[0]
    return max((",", ";", "\t"), key=first.count)


def _require_columns(table: str, header: Sequence[str], path: Path) -> None:
    missing = [name for name, column in TABLES[table].items() if column.needed and name not in header]
    if missing:
        raise ClinicalError(
            f"table {table} lacks the column {' and '.join(missing)}",
            file=str(path),
            found=", ".join(name[:40] for name in header)[:200],
            expected=", ".join(TABLES[table]),
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ClinicalError(f"table {table} has the column {twice[0]} twice", file=str(path))


def _typed(table: str, rows: list[dict[str, str]], bad: dict[str, ClinicalError]) -> list[dict[str, Any]]:
    out = []
    for number, row in enumerate(rows, start=2):
        where = row.pop(_ROW, str(number))
        subject_id = row.get("subject_id", "")
        try:
            out.append(_typed_row(table, row, where))
        except ClinicalError as error:
            bad.setdefault(subject_id, error)
    return out


def _typed_row(table: str, row: dict[str, str], where: str) -> dict[str, Any]:
    subject_id = row.get("subject_id", "")
    if _TORN in row:
        raise ClinicalError(
            f"table {table}, row {where}: more cells than columns (a decimal comma?)",
            subject_id=subject_id,
            found=f"{row[_TORN]} cells",
        )
    typed: dict[str, Any] = {name: value or None for name, value in row.items()}
    for name, column in TABLES[table].items():
        value = row.get(name, "")
        if not value:
            if column.filled:
                raise ClinicalError(f"table {table}, row {where}, column {name}: empty", subject_id=subject_id)
            typed[name] = None
            continue
        try:
            typed[name] = column.read(value)
        except ValueError as error:
            raise ClinicalError(
                f"table {table}, row {where}, column {name}",
                subject_id=subject_id,
                found=repr(value[:40]),
                expected=str(error),
            ) from error
    return typed


def _require_one_row_each(rows: Sequence[Mapping[str, Any]], bad: dict[str, ClinicalError]) -> None:
    seen: set[str] = set()
    for row in rows:
        subject_id = row["subject_id"]
        if subject_id in seen:
            bad.setdefault(
                subject_id, ClinicalError("table subjects has two rows of this subject", subject_id=subject_id)
            )
        seen.add(subject_id)


def _facts(tables: Mapping[str, list[dict[str, Any]]], bad: dict[str, ClinicalError]) -> dict[str, ClinicalFacts]:
    """Gather each subject's rows; a treatment that names its place by halves is the subject's problem."""
    by_subject: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for table, rows in tables.items():
        for row in rows:
            by_subject[row["subject_id"]][table].append(row)
    facts = {}
    for subject_id, own in by_subject.items():
        if not own["subjects"]:
            continue
        row = own["subjects"][0]
        try:
            treatments = tuple(_treatment(entry) for entry in own["local_treatments"])
        except ClinicalError as error:
            bad.setdefault(subject_id, error)
            continue
        facts[subject_id] = ClinicalFacts(
            arm=row["arm"],
            diagnosis_date=row["diagnosis_date"],
            enrolment_date=row["enrolment_date"],
            randomisation_date=row["randomisation_date"],
            induction_start_date=row["induction_start_date"],
            treatment_start_date=row["treatment_start_date"],
            death_date=row["death_date"],
            last_alive_date=row["last_alive_date"],
            local_treatments=tuple(sorted(treatments, key=lambda treatment: treatment.date)),
            findings=tuple(_finding(entry) for entry in own["findings"]),
            coverage=tuple(
                Coverage(date=entry["date"], region=entry["region"], assessed=entry["assessed"] == "Y")
                for entry in own["coverage"]
            ),
            new_therapies=tuple(sorted(x["date"] for x in own["therapies"] if x["in_protocol"] == "N")),
        )
    return facts


def _treatment(row: Mapping[str, Any]) -> LocalTreatment:
    place = [row["x_lps_mm"], row["y_lps_mm"], row["z_lps_mm"]]
    given = [value is not None for value in place]
    if any(given) and not (all(given) and row["timepoint_date"] is not None):
        raise ClinicalError(
            "table local_treatments: a place needs x_lps_mm, y_lps_mm, z_lps_mm and timepoint_date",
            subject_id=row["subject_id"],
            found=str(row["date"]),
        )
    named = [value for value in (row["track_id"], row["what"]) if value]
    everything = any(value.upper() == "ALL" for value in named)
    track = next((value for value in named if value.upper() != "ALL"), None)
    return LocalTreatment(
        date=row["date"],
        method=row["method"],
        track_id=track,
        tracking_uid=row["tracking_uid"],
        place_lps_mm=(float(place[0]), float(place[1]), float(place[2])) if all(given) else None,
        place_date=row["timepoint_date"],
        all_lesions=everything,
        session=row["session"],
        planned=row["planned"] != "N",
        margin=row["margin"],
    )


def _finding(row: Mapping[str, Any]) -> Finding:
    return Finding(
        date=row["date"],
        lesion=row["lesion"],
        site=row["site"] or "LIVER",
        role=row["role"],
        status=row["status"],
        longest_diameter_mm=row["longest_diameter_mm"],
        short_axis_mm=row["short_axis_mm"],
        reason=row["reason"] or "",
    )


def _frame(table: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, dtype=object)
    known = [name for name in TABLES[table] if name not in frame.columns]
    for name in known:
        frame[name] = pd.Series([None] * len(frame), dtype=object)
    return frame
