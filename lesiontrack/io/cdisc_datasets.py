"""CDISC data sets in their containers: CSV, SAS transport (XPT version 5) and Dataset-JSON 1.1."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import pandas as pd
import pyreadstat

from lesiontrack import __version__
from lesiontrack.errors import TableError

__all__ = ["Container", "Dataset", "Variable", "write_dataset"]

Value = str | int | float | Decimal | None
Record = Mapping[str, Value]

# SAS transport, version 5: what a name, a label and a text may hold.
_NAME, _LABEL, _TEXT = 8, 40, 200


class Container(StrEnum):
    """File format of a data set."""

    CSV = "csv"
    XPT = "xpt"
    DATASET_JSON = "dataset-json"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: its name (8 characters), its label (40), and whether it holds numbers."""

    name: str
    label: str
    number: bool = False

    def __post_init__(self) -> None:
        if not (self.name.isascii() and 0 < len(self.name) <= _NAME and len(self.label) <= _LABEL):
            raise TableError("a variable does not fit SAS transport", found=f"{self.name}: {self.label}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set: its variables in order, and records that may leave some of them out."""

    name: str
    label: str
    variables: tuple[Variable, ...]
    records: Sequence[Record]
    keys: tuple[str, ...] = ("STUDYID", "USUBJID")


def write_dataset(data: Dataset, folder: Path, container: Container) -> Path:
    """Write a data set as ``<name>.csv``, ``.xpt`` or ``.json``; whole or not at all.

    Raises
    ------
    TableError
        If a text does not fit the container.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writers = {Container.CSV: _csv, Container.XPT: _xpt, Container.DATASET_JSON: _json}
    ending = "json" if container is Container.DATASET_JSON else container.value
    path = folder / f"{data.name.lower()}.{ending}"
    aside = path.with_name(f".{path.name}.part")
    try:
        writers[container](data, aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def _rows(data: Dataset) -> Iterable[list[Value]]:
    for record in data.records:
        yield [record.get(variable.name) for variable in data.variables]


def _csv(data: Dataset, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([variable.name for variable in data.variables])
        writer.writerows([["" if value is None else value for value in row] for row in _rows(data)])


def _xpt(data: Dataset, path: Path) -> None:
    columns: dict[str, pd.Series[float] | pd.Series[str]] = {}
    for place, variable in enumerate(data.variables):
        values = [row[place] for row in _rows(data)]
        if variable.number:
            columns[variable.name] = pd.Series([None if v is None else float(v) for v in values], dtype="float64")
            continue
        texts = ["" if value is None else str(value) for value in values]
        longest = max((text for text in texts), key=lambda text: len(text.encode()), default="")
        if len(longest.encode()) > _TEXT:
            raise TableError(
                f"{data.name}.{variable.name} does not fit SAS transport",
                found=f"{len(longest.encode())} bytes",
                expected=f"at most {_TEXT}; use --container csv or dataset-json",
            )
        columns[variable.name] = pd.Series(texts, dtype="object")
    pyreadstat.write_xport(
        pd.DataFrame(columns),
        str(path),
        file_label=data.label[:_LABEL],
        column_labels=[variable.label for variable in data.variables],
        table_name=data.name[:_NAME],
        file_format_version=5,
    )


def _json(data: Dataset, path: Path) -> None:
    columns = [
        {
            "itemOID": f"IT.{data.name}.{variable.name}",
            "name": variable.name,
            "label": variable.label,
            "dataType": "double" if variable.number else "string",
            **({"keySequence": data.keys.index(variable.name) + 1} if variable.name in data.keys else {}),
        }
        for variable in data.variables
    ]
    rows = [[_cell(variable, value) for variable, value in zip(data.variables, row)] for row in _rows(data)]
    document = {
        "datasetJSONCreationDateTime": "1970-01-01T00:00:00",
        "datasetJSONVersion": "1.1.0",
        "originator": "lesiontrack",
        "sourceSystem": {"name": "lesiontrack", "version": __version__},
        "itemGroupOID": f"IG.{data.name}",
        "records": len(rows),
        "name": data.name,
        "label": data.label,
        "columns": columns,
        "rows": rows,
    }
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _cell(variable: Variable, value: Value) -> str | int | float | None:
    """Return a value as JSON has it: whole numbers without a point, as `assess` compares visit numbers."""
    if not variable.number:
        return "" if value is None else str(value)
    return value if value is None or isinstance(value, int) else float(value)
