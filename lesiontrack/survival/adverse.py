"""Worst grade of each adverse event by subject and arm (CTCAE grades 1 to 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lesiontrack.errors import TableError
from lesiontrack.survival.intake import ALL, level_labels

__all__ = ["ANY_TERM", "worst_grades"]

ANY_TERM = "ANY"
"""The row that takes each subject's worst grade over all terms."""
_GRADES = (1, 2, 3, 4, 5)


def worst_grades(adverse_events: pd.DataFrame, subjects: pd.DataFrame, by: str | None) -> pd.DataFrame:
    """Return how many subjects of each group had each term, by worst grade.

    Parameters
    ----------
    adverse_events
        ``subject_id``, ``term``, ``grade`` (1-5), optional ``related`` (Y/N).
    subjects
        One or more rows for each subject: ``subject_id`` and the column ``by``; everybody in it is counted in the
        denominator, with or without an event.
    by
        Column of the groups; None for one group.

    Returns
    -------
    pandas.DataFrame
        ``relation`` (``ALL``, ``RELATED``), ``term``, ``group``, ``subjects`` (denominator), ``grade_1`` ...
        ``grade_5`` (subjects by worst grade), ``any_grade``, ``grade_3_or_worse`` and their percentages.

    Raises
    ------
    TableError
        A column is missing or a grade is not 1 to 5.
    """
    events = _checked(adverse_events)
    if "subject_id" not in subjects.columns:
        raise TableError("adverse events need subject_id in the events table", expected="subject_id")
    arms = _arms(subjects, by)
    labels = level_labels(subjects[by]) if by is not None else (ALL,)
    events["group"] = events["subject_id"].map(arms)
    known = events[events["group"].notna()]
    size = arms.value_counts()
    parts = [_count(known, "ALL", labels, size)]
    if "related" in known.columns:
        parts.append(_count(known[known["related"].astype(str).str.upper() == "Y"], "RELATED", labels, size))
    return pd.concat(parts, ignore_index=True)


def _checked(adverse_events: pd.DataFrame) -> pd.DataFrame:
    absent = [c for c in ("subject_id", "term", "grade") if c not in adverse_events.columns]
    if absent:
        raise TableError(
            f"the adverse events table lacks {', '.join(absent)}",
            found=", ".join(map(str, adverse_events.columns)),
            expected="subject_id, term, grade",
        )
    events = adverse_events.copy()
    grade = pd.to_numeric(events["grade"], errors="coerce")
    wrong = ~grade.isin(_GRADES)
    if wrong.any():
        row = events[wrong].iloc[0]
        raise TableError(
            "impossible grade", subject_id=str(row["subject_id"]), found=str(row["grade"]), expected="1 to 5"
        )
    return events.assign(
        grade=grade.astype(np.int64), subject_id=events["subject_id"].astype(str), term=events["term"].astype(str)
    )


def _arms(subjects: pd.DataFrame, by: str | None) -> pd.Series[Any]:
    """Return each subject's group; a subject in two groups is refused."""
    frame = pd.DataFrame({"subject_id": subjects["subject_id"].astype(str)})
    frame["group"] = ALL if by is None else _as_labels(subjects[by])
    frame = frame.dropna().drop_duplicates()
    twice = frame["subject_id"].duplicated()
    if twice.any():
        raise TableError(
            f"a subject is in two groups of {by}",
            subject_id=str(frame.loc[twice, "subject_id"].iloc[0]),
            expected="one",
        )
    return frame.set_index("subject_id")["group"]


def _as_labels(column: pd.Series[Any]) -> pd.Series[Any]:
    names = {value: level_labels(pd.Series([value]))[0] for value in column.dropna().unique()}
    return column.map(names)


def _count(events: pd.DataFrame, relation: str, labels: tuple[str, ...], size: pd.Series[Any]) -> pd.DataFrame:
    """Return one row for each term (and ANY) and group."""
    everything = events.assign(term=ANY_TERM)
    worst = pd.concat([everything, events]).groupby(["term", "group", "subject_id"])["grade"].max().reset_index()
    rows = []
    for term in [ANY_TERM, *sorted(set(events["term"]) - {ANY_TERM})]:
        for label in labels:
            grades = worst.loc[(worst["term"] == term) & (worst["group"] == label), "grade"]
            total = int(size.get(label, 0))
            severe, anyone = int((grades >= 3).sum()), int(grades.size)
            row: dict[str, object] = {"relation": relation, "term": term, "group": label, "subjects": total}
            row |= {f"grade_{g}": int((grades == g).sum()) for g in _GRADES}
            row |= {
                "any_grade": anyone,
                "any_grade_percent": round(100 * anyone / total, 1) if total else None,
                "grade_3_or_worse": severe,
                "grade_3_or_worse_percent": round(100 * severe / total, 1) if total else None,
            }
            rows.append(row)
    return pd.DataFrame(rows)
