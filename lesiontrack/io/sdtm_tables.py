"""SDTM domains as text: CSV, SAS transport (XPT) and Dataset-JSON; read piece by piece, each text kept once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
from numpy.typing import NDArray

from lesiontrack.errors import StudyError, TableError
from lesiontrack.io.json_stream import stream_items

__all__ = ["Domain", "find_domain", "read_domain"]

# Records in memory at once as the file has them.
_PIECE = 100_000
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


class Domain:
    """The records of a domain, subject by subject; a text that occurs often is held once, so that size matters little.

    Parameters
    ----------
    columns
        The columns to keep.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns = {name: _Column() for name in columns}

    def add(self, records: pd.DataFrame) -> None:
        """Take in some records."""
        for name, column in self._columns.items():
            column.add(records[name])

    def close(self) -> Domain:
        """Sort the records by subject; to be called when all are in."""
        for column in self._columns.values():
            column.close()
        subjects = self._columns["USUBJID"]
        self._ids = {text: code for code, text in enumerate(subjects.texts)}
        self._order = np.argsort(subjects.codes, kind="stable")
        self._starts = np.searchsorted(subjects.codes[self._order], np.arange(len(subjects.texts) + 1))
        return self

    @property
    def subjects(self) -> Iterator[str]:
        """Subjects that have a record, in the order in which the file names them first."""
        return (text for text, code in self._ids.items() if self._starts[code] < self._starts[code + 1])

    def of(self, subject_id: str) -> list[dict[str, str]]:
        """Return a subject's records in the order of the file."""
        code = self._ids.get(subject_id)
        if code is None:
            return []
        places = self._order[self._starts[code] : self._starts[code + 1]]
        cells = [[column.texts[n] for n in column.codes[places]] for column in self._columns.values()]
        return [dict(zip(self._columns, row, strict=True)) for row in zip(*cells, strict=True)]


class _Column:
    """One column as numbers that stand for its texts."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._parts: list[NDArray[np.int32]] = []

    def add(self, values: pd.Series[Any]) -> None:
        codes, distinct = pd.factorize(values)
        # The last one is what a missing value, coded -1, stands for.
        texts = [*(_text(value) for value in distinct), ""]
        numbers = np.array([self._known.setdefault(text, len(self._known)) for text in texts], dtype=np.int32)
        self._parts.append(numbers[codes])

    def close(self) -> None:
        self.texts = list(self._known)
        self.codes = np.concatenate(self._parts)
        self._parts.clear()


def read_domain(path: Path, required: tuple[str, ...], optional: tuple[str, ...]) -> Domain:
    """Read a domain: text for each cell, empty where there is nothing, and where an optional column is missing.

    Numbers keep the digits of the file; a length is best read from its character column.

    Raises
    ------
    TableError
        If the file is none of the three formats, or lacks a required column.
    """
    readers = {".csv": _csv, ".xpt": _xpt, ".json": _dataset_json, ".ndjson": _dataset_ndjson}
    domain: Domain | None = None
    for piece in readers[path.suffix.lower()](path):
        piece.columns = [str(name).strip().upper() for name in piece.columns]
        if domain is None:
            _check_columns(path, piece.columns, required)
            domain = Domain(name for name in (*required, *optional) if name in piece.columns)
        domain.add(piece)
    if domain is None:
        raise TableError("no records", file=str(path))
    return domain.close()


def _check_columns(path: Path, columns: pd.Index[Any], required: tuple[str, ...]) -> None:
    absent = [name for name in required if name not in columns]
    if absent:
        hint = " (is the separator a semicolon?)" if len(columns) == 1 and ";" in columns[0] else ""
        raise TableError(f"columns {', '.join(absent)} are missing{hint}", file=str(path), found=", ".join(columns))
    if columns.has_duplicates:
        twice = sorted(columns[columns.duplicated()])
        raise TableError("a column occurs twice", file=str(path), found=", ".join(twice))


def _text(value: Any) -> str:
    """Return a cell as text: whole numbers without a point, nothing for a missing value."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value).strip()


def _csv(path: Path) -> Iterator[pd.DataFrame]:
    try:
        # utf-8-sig: a byte order mark would otherwise become part of the first column's name.
        with pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", chunksize=_PIECE) as pieces:
            yield from pieces
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise TableError(f"no CSV in UTF-8: {error}", file=str(path)) from error


def _xpt(path: Path) -> Iterator[pd.DataFrame]:
    """Read a transport file piece by piece; pandas loses the last record where that ends with blanks."""
    done = 0
    while True:
        try:
            piece: pd.DataFrame = pyreadstat.read_xport(
                str(path), disable_datetime_conversion=True, row_offset=done, row_limit=_PIECE
            )[0]
        except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError) as error:
            raise TableError(f"no SAS transport file: {error}", file=str(path)) from error
        if not done or len(piece):
            yield piece
        if len(piece) < _PIECE:
            return
        done += len(piece)


def _dataset_json(path: Path) -> Iterator[pd.DataFrame]:
    """Read Dataset-JSON 1.1 (``columns``, then ``rows``) piece by piece, or 1.0 (``itemGroupData``)."""
    names: list[str] | None = None
    rows: list[list[Any]] = []
    try:
        for member in stream_items(path, "rows"):
            if member.is_item:
                rows.append(member.value)
            elif member.key == "columns":
                names = [column["name"] for column in member.value]
            elif member.key in ("clinicalData", "referenceData"):
                group = next(iter(member.value["itemGroupData"].values()))
                names, rows = [item["name"] for item in group["items"]], group["itemData"]
            elif member.key == "rows":
                raise TypeError("rows is no list")
            if names is not None and len(rows) >= _PIECE:
                yield _table(names, rows)
                rows = []
        if names is None:
            raise KeyError("columns")
        yield _table(names, rows)
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise TableError(f"no Dataset-JSON: {type(error).__name__} {error}", file=str(path)) from error


def _dataset_ndjson(path: Path) -> Iterator[pd.DataFrame]:
    """Read Dataset-JSON 1.1 with one record a line; the first line holds the columns."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = (json.loads(line, parse_float=Decimal) for line in file if line.strip())
            names = [column["name"] for column in next(lines)["columns"]]
            while rows := list(islice(lines, _PIECE)):
                yield _table(names, rows)
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise TableError(f"no Dataset-JSON: {type(error).__name__} {error}", file=str(path)) from error


def _table(columns: list[str], rows: list[list[Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns, dtype=object)
