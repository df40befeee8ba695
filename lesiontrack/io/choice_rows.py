"""The adjudicator's choices as a table: subject_id, item, chosen_reader, reason."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesiontrack.errors import TableError

__all__ = ["ChoiceRow", "read_choice_rows"]

COLUMNS = ("subject_id", "item", "chosen_reader", "reason")
_FORMULA_GUARD = re.compile(r"^'(?=[=+\-@\t\r'])")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceRow:
    """One row; ``number`` is that of its line in the file."""

    number: int
    subject_id: str
    item: str
    chosen_reader: str
    reason: str


def read_choice_rows(file: Path) -> list[ChoiceRow]:
    """Read the choices of a CSV file; further columns are ignored, and rows that choose nobody and say nothing.

    Raises
    ------
    TableError
        If the file cannot be read, lacks a column, or a row lacks a subject, an item, a reader or a reason. It names
        file and row.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "no text in UTF-8"
        raise TableError("choices cannot be read", file=str(file), found=why, expected="a CSV file") from error
    lines = csv.reader(text.splitlines())
    header = [name.strip().lower() for name in next(lines, [])]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise TableError(
            f"choices lack the column {missing[0]}",
            file=str(file),
            found=", ".join(header)[:80] or "an empty file",
            expected=", ".join(COLUMNS),
        )
    return list(_rows(file, header, lines))


def _rows(file: Path, header: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterable[ChoiceRow]:
    for number, cells in enumerate(lines, start=2):
        row = {name: _FORMULA_GUARD.sub("", cell.strip()) for name, cell in zip(header, cells, strict=False)}
        if not any(row.values()) or not (row.get("chosen_reader") or row.get("reason")):
            continue
        empty = [name for name in COLUMNS if not row.get(name)]
        if empty:
            raise TableError(f"row {number} of the choices has no {empty[0]}", file=str(file), expected=_SAYS[empty[0]])
        yield ChoiceRow(number=number, **{name: row[name] for name in COLUMNS})


_SAYS: Mapping[str, str] = {
    "subject_id": "a subject",
    "item": "an item of the list of discordances, a kind of item, or case",
    "chosen_reader": "one of the readers compared",
    "reason": "why this reader's reading was chosen",
}
