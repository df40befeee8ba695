"""From an events table, ours or anyone's, to the observations of each endpoint.

What makes a row unusable is counted and said; what makes the table wrong (a negative time, a status that does not
exist, a subject twice) is refused with the subject's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesiontrack.errors import TableError
from lesiontrack.survival.sample import FloatArray, IntArray, Sample

__all__ = ["ALL", "EVENT", "EndpointData", "Plan", "endpoints", "level_labels", "read_table"]

ALL = "ALL"
"""The group of a table that is not split."""
EVENT = "EVENT"
"""The endpoint of a table without an ``endpoint`` column."""
_MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "."]
_SPREADSHEET = ("'=", "'+", "'-", "'@", "'\t", "'\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which columns split, stratify and adjust the analysis; None and () for none."""

    by: str | None = None
    strata: str | None = None
    adjust: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the table must have."""
        return tuple(c for c in (self.by, self.strata) if c is not None) + self.adjust


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointData:
    """The usable rows of one endpoint.

    Parameters
    ----------
    name
        Endpoint code.
    sample
        (n,) follow-up.
    labels
        (k,) names of the groups in order; a group may be empty.
    group
        (n,) group of each row, 0..k-1.
    covariates
        n rows: the columns of the plan, missing values included.
    dropped
        How many rows were left out, by reason.
    interval
        (n,) left and right ends of the intervals (left, right] that hold the events; None where the table has none.
    """

    name: str
    sample: Sample
    labels: tuple[str, ...]
    group: IntArray
    covariates: pd.DataFrame
    dropped: dict[str, int]
    interval: tuple[FloatArray, FloatArray] | None = None

    @property
    def competing(self) -> bool:
        """Whether any row has a competing event."""
        return bool((self.sample.status == 2).any())

    def members(self, group: int) -> Sample:
        """Return the rows of one group."""
        return self.sample.take(self.group == group)


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or Parquet table; ids stay text, and the ' before a spreadsheet formula is taken off.

    Raises
    ------
    TableError
        The file is missing, empty, or not a table.
    """
    if not path.is_file():
        raise TableError("no such table", file=str(path), expected="a CSV or Parquet file")
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            frame = pd.read_parquet(path)
        else:
            text = {"subject_id": "string", "track_id": "string", "endpoint": "string"}
            frame = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=_MISSING, encoding="utf-8-sig")
    except pd.errors.EmptyDataError as error:
        raise TableError("the table is empty", file=str(path), expected="a header and rows") from error
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, ValueError) as error:
        raise TableError(
            "the file cannot be read as a table", file=str(path), found=str(error), expected="CSV in UTF-8, or Parquet"
        ) from error
    for column in frame.select_dtypes(include=["object", "string"]).columns:
        frame[column] = frame[column].map(_plain, na_action="ignore")
    return frame


def _plain(cell: object) -> object:
    return cell[1:] if isinstance(cell, str) and cell.startswith(_SPREADSHEET) else cell


def endpoints(events: pd.DataFrame, plan: Plan) -> Iterator[EndpointData]:
    """Yield the endpoints of ``events`` in the order in which they occur.

    Parameters
    ----------
    events
        Columns ``time_days``, ``status`` (0, 1, 2); optional ``subject_id``, ``endpoint``, ``entry_days``,
        ``track_id``; and those of the plan.
    plan
        Grouping, strata and covariates.

    Raises
    ------
    TableError
        A column is missing, or a value is impossible.
    """
    needed = ("time_days", "status", *plan.columns)
    absent = [column for column in needed if column not in events.columns]
    if absent:
        raise TableError(
            f"the events table lacks {', '.join(absent)}",
            found=", ".join(str(c) for c in events.columns) or "no columns",
            expected=", ".join(needed),
        )
    events = events.reset_index(drop=True)
    labels = level_labels(events[plan.by]) if plan.by is not None else (ALL,)
    if "endpoint" not in events.columns:
        yield _endpoint(EVENT, events, plan, labels)
        return
    if events["endpoint"].isna().any():
        raise TableError("a row has no endpoint", subject_id=_name(events, events["endpoint"].isna().to_numpy()))
    for name in events["endpoint"].unique():
        yield _endpoint(str(name), events[events["endpoint"] == name].reset_index(drop=True), plan, labels)


def level_labels(column: pd.Series[Any]) -> tuple[str, ...]:
    """Return the distinct values as text, in sorted order (numbers by size); missing ones are left out."""
    return tuple(_label(v) for v in sorted(column.dropna().unique(), key=_sort_key))


def _sort_key(value: object) -> tuple[int, float, str]:
    if isinstance(value, bool | np.bool_ | int | float | np.integer | np.floating):
        return (0, float(value), "")
    return (1, 0.0, str(value))


def _label(value: object) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _endpoint(name: str, rows: pd.DataFrame, plan: Plan, labels: tuple[str, ...]) -> EndpointData:
    time, status = _numbers(rows, "time_days", name), _numbers(rows, "status", name)
    _refuse(rows, np.isinf(time) | (time < 0), name, "time_days", "a time of 0 or more")
    _refuse(rows, ~np.isnan(status) & ~np.isin(status, (0, 1, 2)), name, "status", "0 censored, 1 event, 2 competing")
    entry = _entry(rows, name)
    by_lesion = "track_id" in rows.columns and "subject_id" in rows.columns and bool(rows["track_id"].notna().any())
    _refuse_repeated(rows, name, by_lesion=by_lesion)
    why = _why_dropped(rows, plan, time, status, entry)
    keep = np.array([reason is None for reason in why], dtype=bool)
    used = rows[keep]
    cluster = None
    if by_lesion:
        cluster = np.unique(used["subject_id"].astype(str).to_numpy(), return_inverse=True)[1].astype(np.int64)
    return EndpointData(
        name=name,
        sample=Sample(
            time=time[keep],
            status=status[keep].astype(np.int64),
            entry=None if entry is None else entry[keep],
            cluster=cluster,
        ),
        labels=labels,
        group=_codes(used[plan.by], labels) if plan.by is not None else np.zeros(len(used), dtype=np.int64),
        covariates=used[list(dict.fromkeys(plan.columns))].reset_index(drop=True),
        dropped=dict(Counter(reason for reason in why if reason is not None)),
        interval=_interval(used.reset_index(drop=True), time[keep], status[keep], name),
    )


def _entry(rows: pd.DataFrame, name: str) -> FloatArray | None:
    """Return delayed entry; None where the endpoint has none."""
    if "entry_days" not in rows.columns or rows["entry_days"].isna().all():
        return None
    entry = _numbers(rows, "entry_days", name)
    _refuse(rows, np.isinf(entry), name, "entry_days", "a finite number")
    return entry


def _interval(
    rows: pd.DataFrame, time: FloatArray, status: FloatArray, name: str
) -> tuple[FloatArray, FloatArray] | None:
    """Return (left, right] of each row: as given, exact without an interval, open to the right when censored."""
    if not {"left_days", "right_days"} <= set(rows.columns):
        return None
    left, right = _numbers(rows, "left_days", name), _numbers(rows, "right_days", name)
    given = (status == 1) & ~np.isnan(left) & ~np.isnan(right)
    if not given.any():
        return None
    _refuse(rows, given & ((left < 0) | (right < left)), name, "left_days", "0 or more, and at most right_days")
    last = np.where(given, right, time)
    # An exactly known time (a death) is the shortest interval that ends there.
    first = np.where(given & (left < right), left, np.nextafter(last, -np.inf))
    return np.where(status == 1, first, time), np.where(status == 1, last, np.inf)


def _why_dropped(
    rows: pd.DataFrame, plan: Plan, time: FloatArray, status: FloatArray, entry: FloatArray | None
) -> list[str | None]:
    """Return the first reason for which each row is left out, None for a usable row."""
    why = np.full(len(rows), None, dtype=object)
    checks = [("missing time", np.isnan(time)), ("missing status", np.isnan(status))]
    if plan.by is not None:
        checks.append((f"missing {plan.by}", rows[plan.by].isna().to_numpy()))
    if entry is not None:
        checks.append(("missing entry", np.isnan(entry)))
        with np.errstate(invalid="ignore"):
            checks.append(("entry not before the end of follow-up", (entry > 0) & (entry >= time)))
    for reason, applies in reversed(checks):
        why[applies] = reason
    return why.tolist()


def _codes(column: pd.Series[Any], labels: Sequence[str]) -> IntArray:
    place = {label: index for index, label in enumerate(labels)}
    found = {value: place[_label(value)] for value in column.unique()}
    return column.map(found).to_numpy(dtype=np.int64)


def _numbers(rows: pd.DataFrame, column: str, endpoint: str) -> FloatArray:
    """Return a column as floats, missing values NaN; text that is no number is refused."""
    values = pd.to_numeric(rows[column], errors="coerce")
    wrong = (values.isna() & rows[column].notna()).to_numpy()
    _refuse(rows, wrong, endpoint, column, "a number")
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _refuse(rows: pd.DataFrame, wrong: np.ndarray, endpoint: str, column: str, expected: str) -> None:
    if wrong.any():
        first = int(np.argmax(wrong))
        raise TableError(
            f"{endpoint}: impossible {column}" + (f" in {int(wrong.sum())} rows, the first" if wrong.sum() > 1 else ""),
            subject_id=_name(rows, wrong),
            found=str(rows[column].iloc[first]),
            expected=expected,
        )


def _refuse_repeated(rows: pd.DataFrame, endpoint: str, *, by_lesion: bool) -> None:
    if "subject_id" not in rows.columns:
        return
    keys = ["subject_id", "track_id"] if by_lesion else ["subject_id"]
    twice = rows["subject_id"].notna().to_numpy() & rows.duplicated(keys).to_numpy()
    if twice.any():
        what = "lesion of the subject" if by_lesion else "subject"
        raise TableError(
            f"{endpoint}: a {what} occurs more than once",
            subject_id=_name(rows, twice),
            expected="one row (one reader, one rule set) each; lesions told apart by track_id",
        )


def _name(rows: pd.DataFrame, wrong: np.ndarray) -> str:
    """Return the subject of the first wrong row, or its row number where the table has no subjects."""
    first = int(np.argmax(wrong))
    if "subject_id" in rows.columns and not pd.isna(rows["subject_id"].iloc[first]):
        return str(rows["subject_id"].iloc[first])
    return f"(row {first + 1})"
