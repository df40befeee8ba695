"""SDTM domains as tables of text: CSV, SAS transport (XPT) and Dataset-JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from lesiontrack.errors import StudyError, TableError

__all__ = ["find_domain", "read_domain"]

_ENDINGS = (".csv", ".xpt", ".json", ".ndjson")


def find_domain(folder: Path, domain: str) -> Path | None:
    """Return the file of a domain (``tu.csv``, ``TR.xpt``, ``rs.json``, ...), whatever its case; None without one.

    Raises
    ------
    StudyError
        If there is more than one.
    """
    found = sorted(
        path for path in folder.iterdir() if path.stem.lower() == domain.lower() and path.suffix.lower() in _ENDINGS
    )
    if len(found) > 1:
        raise StudyError(f"several files of domain {domain}", file=str(folder), found=", ".join(p.name for p in found))
    return found[0] if found else None


def read_domain(path: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a domain: one dictionary of text for each record, empty text where there is nothing.

    Numbers keep the digits of the file; a length is best read from its character column.

    Raises
    ------
    TableError
        If the file is none of the three formats, or lacks a required column.
    """
    readers = {".csv": _csv, ".xpt": _xpt, ".json": _dataset_json, ".ndjson": _dataset_ndjson}
    frame = readers[path.suffix.lower()](path)
    frame.columns = [str(name).strip().upper() for name in frame.columns]
    absent = [name for name in required if name not in frame.columns]
    if absent:
        hint = " (is the separator a semicolon?)" if len(frame.columns) == 1 and ";" in frame.columns[0] else ""
        raise TableError(
            f"columns {', '.join(absent)} are missing{hint}", file=str(path), found=", ".join(frame.columns)
        )
    if frame.columns.has_duplicates:
        twice = sorted(frame.columns[frame.columns.duplicated()])
        raise TableError("a column occurs twice", file=str(path), found=", ".join(twice))
    return [{str(key): _text(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _text(value: Any) -> str:
    """Return a cell as text: whole numbers without a point, nothing for a missing value."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value).strip()


def _csv(path: Path) -> pd.DataFrame:
    try:
        # utf-8-sig: a byte order mark would otherwise become part of the first column's name.
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise TableError(f"no CSV in UTF-8: {error}", file=str(path)) from error


def _xpt(path: Path) -> pd.DataFrame:
    try:
        return pd.read_sas(path, format="xport", encoding="utf-8")
    except (ValueError, UnicodeDecodeError) as error:
        raise TableError(f"no SAS transport file, version 5: {error}", file=str(path)) from error


def _dataset_json(path: Path) -> pd.DataFrame:
    """Read Dataset-JSON 1.1 (``columns``, ``rows``) or 1.0 (``itemGroupData``)."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
        if "rows" in document:
            return _table([column["name"] for column in document["columns"]], document["rows"])
        part = document.get("clinicalData") or document["referenceData"]
        group = next(iter(part["itemGroupData"].values()))
        return _table([item["name"] for item in group["items"]], group["itemData"])
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise TableError(f"no Dataset-JSON: {type(error).__name__} {error}", file=str(path)) from error


def _dataset_ndjson(path: Path) -> pd.DataFrame:
    """Read Dataset-JSON 1.1 with one record a line; the first line holds the columns."""
    try:
        lines = [
            json.loads(line, parse_float=Decimal)
            for line in path.read_text(encoding="utf-8-sig").splitlines()
            if line.strip()
        ]
        return _table([column["name"] for column in lines[0]["columns"]], lines[1:])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise TableError(f"no Dataset-JSON: {type(error).__name__} {error}", file=str(path)) from error


def _table(columns: list[str], rows: list[list[Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns, dtype=object)
