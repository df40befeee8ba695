"""The tables of the result folder (contract, section 3), and frames that keep to their declarations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

import pandas as pd
import pandera.pandas as pa

from lesiontrack.errors import TableError
from lesiontrack.tables.columns import DTYPES, Kind, Table
from lesiontrack.tables.reading import AUDIT, DECISIONS, DISCORDANCES, PROGRESS
from lesiontrack.tables.response import (
    EVENTS,
    EXPLORATORY,
    FAILURES,
    OUTCOMES,
    QUERIES,
    RESPONSES,
    ROBUSTNESS,
    SUBJECTS,
)
from lesiontrack.tables.seen import LESIONS, LINKS, MISSING, REGISTRATIONS, ROLES, SCANS, TIMEPOINTS, TRACKS

__all__ = ["COHORT_TABLES", "empty", "frame", "validate"]

COHORT_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        SCANS,
        TIMEPOINTS,
        LESIONS,
        LINKS,
        TRACKS,
        ROLES,
        MISSING,
        REGISTRATIONS,
        RESPONSES,
        OUTCOMES,
        ROBUSTNESS,
        EXPLORATORY,
        QUERIES,
        DISCORDANCES,
        SUBJECTS,
        DECISIONS,
        AUDIT,
        PROGRESS,
        EVENTS,
        FAILURES,
    )
}


def empty(name: str) -> pd.DataFrame:
    """Return a table without rows, with its declared columns and types."""
    return frame(name, [])


def frame(name: str, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a table from rows of domain values.

    Dates become ISO text, decimals floats whose shortest form is the decimal, enumerations their codes, lists and
    objects JSON text; what a row does not name is empty.

    Raises
    ------
    TableError
        If a row names an undeclared column of a closed table, or a value breaks the declared schema.
    """
    table = COHORT_TABLES[name]
    listed = [dict(row) for row in rows]
    extra = sorted({key for row in listed for key in row} - set(table.columns))
    if extra and not table.open:
        raise TableError(f"table {name} does not declare these columns", found=", ".join(extra))
    data: dict[str, pd.Series[Any]] = {}
    for column, declared in table.columns.items():
        values = [_cell(row.get(column), declared.kind) for row in listed]
        data[column] = pd.Series(values, dtype=DTYPES[declared.kind])
    for column in extra:
        data[column] = pd.Series([_cell(row.get(column), None) for row in listed]).convert_dtypes(
            convert_floating=False, convert_integer=True
        )
    return validate(name, pd.DataFrame(data))


def validate(name: str, data: pd.DataFrame) -> pd.DataFrame:
    """Check a frame against its declared schema and return it.

    Raises
    ------
    TableError
        With the table, the column and the offending value.
    """
    try:
        validated: pd.DataFrame = COHORT_TABLES[name].schema().validate(data)
    except (pa.errors.SchemaError, pa.errors.SchemaErrors) as error:
        raise TableError(f"table {name} breaks its declared schema: {str(error).splitlines()[0]}") from error
    return validated


def _cell(value: Any, kind: Kind | None) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if value is None or (value == "" and kind is Kind.DATE):
        return None
    if kind is Kind.JSON and not isinstance(value, str):
        return json.dumps(value, default=_jsonable, sort_keys=True)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value


def _jsonable(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
