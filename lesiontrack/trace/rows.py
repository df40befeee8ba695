"""Rows of the result tables as the values of a trace."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from lesiontrack.errors import TableError
from lesiontrack.trace.values import (
    Measured,
    Row,
    TracedDecision,
    TracedEvent,
    TracedLink,
    TracedRegistration,
    TracedResponse,
)

__all__ = [
    "as_decision",
    "as_event",
    "as_link",
    "as_measured",
    "as_registration",
    "as_response",
    "own_rows",
    "parsed",
]


def own_rows(table: pd.DataFrame, subject_id: str) -> list[Row]:
    """Return one subject's rows of a table, with None for every empty cell."""
    if table.empty or "subject_id" not in table.columns:
        return []
    own = table[table["subject_id"].astype(str) == subject_id]
    plain = own.astype(object).where(own.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


def parsed(cell: Any, default: Any) -> Any:
    """Return a JSON cell; the default where it is empty or of another type."""
    if cell is None or cell == "":
        return default
    try:
        value = json.loads(cell) if isinstance(cell, str) else cell
    except json.JSONDecodeError as error:
        raise TableError("a cell is no JSON", found=str(cell)[:60]) from error
    return value if isinstance(value, type(default)) else default


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def as_measured(row: Row) -> Measured:
    """Return a row of ``lesions``."""
    return Measured(
        timepoint=int(row["timepoint"]),
        date=_text(row.get("date")),
        lesion_id=_whole(row.get("lesion_id")),
        longest_diameter_mm=_number(row.get("longest_diameter_mm")),
        short_axis_mm=_number(row.get("short_axis_mm")),
        volume_mm3=_number(row.get("volume_mm3")),
        status=_text(row.get("status")),
        series_uid=_text(row.get("series_uid")),
        sop_instance_uid=_text(row.get("sop_instance_uid")),
        ends_lps_mm=_ends(row),
    )


def _ends(row: Row) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return the end points of the longest diameter, where both are known."""
    ends = [[_number(row.get(f"{end}_{axis}_lps_mm")) for axis in "xyz"] for end in ("d1", "d2")]
    first, second = (tuple(x for x in end if x is not None) for end in ends)
    return (first, second) if len(first) == len(second) == 3 else None


def as_link(row: Row) -> TracedLink:
    """Return a row of ``links``."""
    return TracedLink(
        timepoint_from=int(row["timepoint_from"]),
        timepoint_to=int(row["timepoint_to"]),
        kind=str(row.get("kind") or "SAME"),
        confidence=_number(row.get("confidence")),
        distance_mm=_number(row.get("distance_mm")),
        author=str(row.get("author") or ""),
    )


def as_registration(row: Row) -> TracedRegistration:
    """Return a row of ``registrations``."""
    return TracedRegistration(
        timepoint_from=int(row["timepoint_from"]),
        timepoint_to=int(row["timepoint_to"]),
        method=str(row.get("method") or ""),
        liver_dice=_number(row.get("liver_dice")),
        residual_mm=_number(row.get("residual_mm")),
        trusted=bool(row.get("trusted")),
        reason=_text(row.get("reason")) or None,
    )


def as_decision(row: Row) -> TracedDecision:
    """Return a row of ``decisions``."""
    return TracedDecision(
        reader=str(row["reader"]),
        time=str(row["time"]),
        act=str(row["act"]),
        state=str(row["state"]),
        tracks=tuple(parsed(row.get("tracks"), [])),
        reason=_text(row.get("reason")),
        why=_text(row.get("why")),
        decision_id=str(row["decision_id"]),
        what=parsed(row.get("what"), {}),
    )


def as_response(row: Row) -> TracedResponse:
    """Return a row of ``responses``."""
    return TracedResponse(
        phase=str(row.get("phase") or "STUDY"),
        rules=str(row.get("rules") or ""),
        reader=str(row.get("reader") or ""),
        timepoint=int(row["timepoint"]),
        date=_text(row.get("date")),
        target=_text(row.get("target")),
        non_target=_text(row.get("non_target")),
        new_lesion=_text(row.get("new_lesion")),
        overall=_text(row.get("overall")),
        sum_mm=_number(row.get("sum_mm")),
        baseline_sum_mm=_number(row.get("baseline_sum_mm")),
        nadir_sum_mm=_number(row.get("nadir_sum_mm")),
        provisional=bool(row.get("provisional")),
        reasons=tuple(parsed(row.get("reasons"), [])),
    )


def as_event(row: Row, evidence: Row) -> TracedEvent:
    """Return a row of ``events`` with its parsed evidence."""
    return TracedEvent(
        subject_id=str(row["subject_id"]),
        endpoint=str(row["endpoint"]),
        track_id=_text(row.get("track_id")),
        rules=_text(row.get("rules")),
        reader=_text(row.get("reader")),
        start_date=_text(row.get("start_date")),
        date=_text(row.get("date")),
        time_days=_whole(row.get("time_days")),
        status=_whole(row.get("status")),
        cause=_text(row.get("cause")),
        reason=_text(row.get("reason")),
        rule=_text(evidence.get("rule")),
    )
