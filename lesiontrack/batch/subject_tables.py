"""One subject's rows of the cohort's tables, as an export asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from lesiontrack.io.store import read_table

__all__ = ["CohortTables", "SubjectTables", "decimal_of", "point_of", "text_of"]

Row = dict[str, Any]
PointLps = tuple[float, float, float]

_NAMES = ("scans", "timepoints", "lesions", "tracks", "roles", "responses", "missing", "subjects", "events")


class CohortTables:
    """The tables of a result folder that exports rest on; they are what was replayed, where readers decided."""

    def __init__(self, out: Path) -> None:
        self._tables = {name: read_table(out / "cohort", name) for name in _NAMES}

    @property
    def subject_ids(self) -> list[str]:
        """Subjects with visits, in order."""
        return sorted({str(name) for name in self._tables["timepoints"]["subject_id"]})

    def of(self, subject_id: str) -> SubjectTables:
        """Return one subject's rows."""
        own = {name: table[table["subject_id"] == subject_id] for name, table in self._tables.items()}
        return SubjectTables(subject_id, own)


class SubjectTables:
    """One subject's rows."""

    def __init__(self, subject_id: str, tables: Mapping[str, pd.DataFrame]) -> None:
        self.subject_id = subject_id
        self._tables = tables
        tracks = tables["tracks"]
        self._uids = dict(zip(tracks["track_id"].astype(str), tracks["tracking_uid"].astype(str)))

    def rows(self, name: str, **where: object) -> list[Row]:
        """Return the rows of a table that have these values, in the order of the table."""
        table = self._tables[name]
        for column, value in where.items():
            table = table[(table[column] == value).fillna(False)]
        return [{str(column): value for column, value in row.items()} for row in table.to_dict("records")]

    def tracking_uid(self, track_id: str) -> str:
        """Return the tracking UID of a track."""
        return self._uids[track_id]

    def usable_visits(self) -> Iterator[Row]:
        """Yield the rows of ``timepoints`` of usable visits, in time order."""
        yield from sorted(self.rows("timepoints", usable=True), key=lambda row: int(row["timepoint"]))

    def baseline(self) -> Row:
        """Return the study's baseline visit; without one the first visit."""
        visits = sorted(self.rows("timepoints"), key=lambda row: int(row["timepoint"]))
        return next((row for row in visits if row["phase"] == "BOTH"), visits[0])

    def measured_series(self, timepoint: int) -> list[str]:
        """Return the series that a visit was measured on."""
        return [str(row["series_uid"]) for row in self.rows("scans", timepoint=timepoint, measured=True, usable=True)]

    def lesions(self, timepoint: int, series_uid: str) -> list[Row]:
        """Return the tracked lesions of a scan by track, each with its ``label``: its track, and of fragments which."""
        found = [r for r in self.rows("lesions", timepoint=timepoint, series_uid=series_uid) if text_of(r["track_id"])]
        shared = [row["track_id"] for row in found]
        for row in found:
            part = f".{row['lesion_id']}" if shared.count(row["track_id"]) > 1 else ""
            row["label"] = f"{row['track_id']}{part}"
        return sorted(found, key=lambda row: (row["track_id"], row["lesion_id"]))


def text_of(value: Any) -> str:
    """Return a cell as text, empty where it is."""
    return "" if pd.isna(value) else str(value)


def decimal_of(value: Any) -> Decimal | None:
    """Return a number of a table as the decimal that it was."""
    return None if pd.isna(value) else Decimal(repr(float(value)))


def point_of(row: Row, prefix: str) -> PointLps | None:
    """Return a point, LPS mm; None where the table has none."""
    x, y, z = (row[f"{prefix}{axis}_lps_mm"] for axis in "xyz")
    return None if pd.isna(x) or pd.isna(y) or pd.isna(z) else (float(x), float(y), float(z))
