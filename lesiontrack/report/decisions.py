"""What readers decided on a subject, what it changed, what is left to look at; and where each date comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from lesiontrack.report import words
from lesiontrack.report.judged import linked
from lesiontrack.report.source import Case, Row
from lesiontrack.trace import traces_of

__all__ = ["DecisionLine", "decision_lines", "left_to_review", "net_changes", "traces"]

_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DECISION = re.compile(r"\(([0-9a-f]{12})\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLine:
    """One decision: ``anchor`` is where other parts of the page link to."""

    row: Row
    anchor: str
    time: str
    act: str
    state: str
    lesions: Markup
    remark: Markup


def decision_lines(case: Case) -> list[DecisionLine]:
    """Return the decisions of all readers in order of time."""
    found = sorted(case.rows("decisions"), key=lambda row: (row["time"], row["decision_id"]))
    return [
        DecisionLine(
            row=row,
            anchor=_anchor(row["decision_id"]),
            time=row["time"][:19].replace("T", " "),
            act=_CAPITAL.sub(" ", row["act"]).lower(),
            state=words.phrase(row["state"]),
            lesions=linked(case, ", ".join(row["tracks"] or ())),
            remark=linked(case, "; ".join(text for text in (row["reason"], row["why"]) if text)),
        )
        for row in found
    ]


def _anchor(decision_id: str) -> str:
    return f"decision-{decision_id[:12]}"


def net_changes(case: Case) -> list[tuple[Row, Markup, str, str]]:
    """Return what differs in the end from the machine: row, lesion, time, and the anchor of its decision."""
    return [
        (row, linked(case, row["track_id"] or ""), row["time"][:19].replace("T", " "), _anchor(row["decision_id"]))
        for row in case.rows("audit")
    ]


def left_to_review(case: Case) -> list[tuple[Row, Markup]]:
    """Return what is left to look at, the least certain first, each with its lesion."""
    return [(row, linked(case, row["track_id"] or "")) for row in case.rows("progress")]


def traces(case: Case) -> list[tuple[Markup, ...]]:
    """Return for each endpoint where its date comes from, line by line; each told once."""
    if not case.rows("events"):
        return []
    tables = {name: pd.DataFrame(rows, dtype=object) for name, rows in case.tables.items()}
    said: set[str] = set()
    found: list[tuple[Markup, ...]] = []
    for one in traces_of(tables, case.subject_id):
        body = str(one).split("\n", 1)
        told = body[1] if len(body) > 1 else ""
        lines = [] if told in said else told.split("\n")
        said.add(told)
        found.append(tuple(_with_decisions(linked(case, line.strip())) for line in lines if line.strip()))
    return found


def _with_decisions(line: Markup) -> Markup:
    """Link the decisions that a line names; their identifiers hold nothing but hexadecimal digits."""
    return Markup(_DECISION.sub(r'(<a href="#decision-\1">\1</a>)', str(line)))
