"""What the report is made of: the tables, settings and statistics of a result folder, and one subject's share."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from lesiontrack.io.store import read_json, read_table, safe_name
from lesiontrack.settings import Settings, load_settings
from lesiontrack.tables import COHORT_TABLES
from lesiontrack.tables.columns import Kind

__all__ = ["Case", "Result", "Row", "page_of", "rows_of", "what_happened"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One subject's rows of each table; ``subject`` is its row of ``subjects``, empty where it has none."""

    subject_id: str
    tables: Mapping[str, list[Row]]

    @property
    def subject(self) -> Row:
        """The row of ``subjects``; every column None where there is none."""
        found = self.tables.get("subjects") or [dict.fromkeys(COHORT_TABLES["subjects"].columns)]
        return found[0]

    def rows(self, table: str) -> list[Row]:
        """Return the subject's rows of a table, in the order stored."""
        return self.tables.get(table, [])

    @property
    def dates(self) -> dict[int, str]:
        """Timepoint -> date."""
        return {row["timepoint"]: row["date"] for row in self.rows("timepoints")}

    @property
    def tracks(self) -> dict[str, int]:
        """Track -> its place in the subject's order, by which it gets its colour and its anchor."""
        return {row["track_id"]: place for place, row in enumerate(self.rows("tracks"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A result folder, read.

    Attributes
    ----------
    run, summary
        The documents ``run.json`` and ``endpoints/summary.json``; empty where absent.
    cases
        Every subject that any table names, in the order of ids.
    stray
        Failures that belong to no subject.
    """

    out: Path
    run: Mapping[str, Any]
    summary: Mapping[str, Any]
    settings: Settings
    cases: tuple[Case, ...]
    stray: tuple[Row, ...]

    @classmethod
    def read(cls, out: Path) -> Result:
        """Read a result folder; a table or document that is not there counts as empty.

        Raises
        ------
        TableError, SettingsError
            A table or the settings file is damaged.
        """
        by_subject: dict[str, dict[str, list[Row]]] = defaultdict(dict)
        stray: list[Row] = []
        for name in COHORT_TABLES:
            for row in rows_of(name, read_table(out / "cohort", name)):
                if row["subject_id"] is None:
                    stray.append(row)
                else:
                    by_subject[row["subject_id"]].setdefault(name, []).append(row)
        stored = out / "settings.toml"
        return cls(
            out=out,
            run=_document(out / "run.json"),
            summary=_document(out / "endpoints" / "summary.json"),
            settings=load_settings(*([stored] if stored.is_file() else [])),
            cases=tuple(Case(subject_id=name, tables=by_subject[name]) for name in sorted(by_subject)),
            stray=tuple(stray),
        )


def _document(path: Path) -> Mapping[str, Any]:
    return dict(read_json(path)) if path.is_file() else {}


def rows_of(name: str, data: pd.DataFrame) -> list[Row]:
    """Return a table's rows as plain values: None for empty, JSON cells parsed."""
    columns = COHORT_TABLES[name].columns
    parsed = [column for column, declared in columns.items() if declared.kind is Kind.JSON]
    rows: list[Row] = data.astype(object).where(data.notna(), None).to_dict("records")  # type: ignore[assignment]
    for row in rows:
        for column in parsed:
            row[column] = json.loads(row[column]) if row[column] else None
    return rows


def page_of(subject_id: str) -> tuple[str, str]:
    """Return the file name of a subject's page, and the link to it from a page beside it."""
    name = safe_name(subject_id)
    # Where the file system ignores case, a subject INDEX must not overwrite the index.
    file = f"{name}~.html" if name.lower() == "index" else f"{name}.html"
    return file, quote(file)


def what_happened(failure: Row) -> str:
    """Return the message of a failure without the subject, visit and file, which stand beside it."""
    message: str = failure["message"]
    if not message.startswith(("subject ", "visit ", "file ")):
        return message
    for end in (f"file {failure['file']}: ", f"subject {failure['subject_id']}: "):
        if end in message:
            return message.split(end, 1)[1]
    return message
