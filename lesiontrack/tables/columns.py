"""What a declared table is made of: kinds of columns, columns, and those that many tables share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pandera.pandas as pa

__all__ = ["Column", "Kind", "Table", "point"]


class Kind(StrEnum):
    """How a column is held in a frame and in Parquet."""

    TEXT = "text"
    DATE = "date"  # ISO 8601 calendar date as text: exact, sortable, the same in CSV and Parquet
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    JSON = "json"  # a list or an object, as JSON text


DTYPES = {
    Kind.TEXT: "string",
    Kind.DATE: "string",
    Kind.INT: "Int64",
    Kind.FLOAT: "float64",
    Kind.BOOL: "boolean",
    Kind.JSON: "string",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its kind, whether it may be empty, and the codes it is restricted to."""

    kind: Kind
    nullable: bool = True
    codes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name and its columns in order. ``open`` tables may carry further columns (covariates)."""

    name: str
    columns: Mapping[str, Column]
    open: bool = False

    def schema(self) -> pa.DataFrameSchema:
        """Return the pandera schema."""
        return pa.DataFrameSchema(
            {
                name: pa.Column(DTYPES[c.kind], checks=_checks(c), nullable=c.nullable)
                for name, c in self.columns.items()
            },
            strict=not self.open,
            ordered=not self.open,
            name=self.name,
        )


def _checks(column: Column) -> list[pa.Check]:
    checks: list[pa.Check] = []
    if column.codes is not None:
        checks.append(pa.Check.isin(column.codes))
    if column.kind is Kind.DATE:
        checks.append(pa.Check.str_matches(r"^\d{4}-\d{2}-\d{2}$"))
    return checks


TEXT = Column(Kind.TEXT)
ID = Column(Kind.TEXT, nullable=False)
DATE = Column(Kind.DATE)
DAY = Column(Kind.DATE, nullable=False)
INT = Column(Kind.INT)
NUMBER = Column(Kind.INT, nullable=False)
FLOAT = Column(Kind.FLOAT)
BOOL = Column(Kind.BOOL)
FLAG = Column(Kind.BOOL, nullable=False)
JSON = Column(Kind.JSON)
COMPARTMENT = Column(Kind.TEXT, nullable=False, codes=("HEPATIC", "EXTRAHEPATIC"))
PD_SITE = Column(Kind.TEXT, codes=("HEPATIC", "EXTRAHEPATIC", "BOTH"))
YES_NO_UNCERTAIN = Column(Kind.TEXT, codes=("YES", "NO", "UNCERTAIN"))
CONTROL = Column(Kind.TEXT, codes=("YES", "NO", "NOT ASSESSED"))
OVERALL = Column(Kind.TEXT, codes=("CR", "PR", "SD", "PD", "NE", "NON-CR/NON-PD", "NED", "REBASELINE"))
PHASE = Column(Kind.TEXT, nullable=False, codes=("INDUCTION", "STUDY"))


def point(prefix: str = "") -> dict[str, Column]:
    """Return the columns of a point, LPS mm."""
    return {f"{prefix}{axis}_lps_mm": FLOAT for axis in "xyz"}
