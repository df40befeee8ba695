"""Readings as rows: every decision with what became of it, the net changes, and what is left to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from lesiontrack.domain.history import History
from lesiontrack.domain.problem import Problem
from lesiontrack.domain.reading import MACHINE
from lesiontrack.errors import DecisionError
from lesiontrack.review import Change, Item, Replayed, Standing
from lesiontrack.review.acts import act_to_plain
from lesiontrack.tables import frame

__all__ = ["decision_problems", "reading_frames", "with_progress"]

Row = dict[str, Any]
# Why a proposal has no single value to be compared with: only judging tells, by the gates of a new lesion.
_ROLE = "role"


def reading_frames(
    replayed: Replayed, machine: History, roles: Mapping[tuple[str, int], str]
) -> dict[str, pd.DataFrame]:
    """Return the tables ``decisions``, ``audit`` and ``progress`` of one reading.

    Parameters
    ----------
    roles
        (track of the machine, baseline) -> the role that the machine proposes: the old value of a role.
    """
    history = replayed.history
    subject_id, reader = history.subject.subject_id, history.reading.reader
    track_of = {key: track.track_id for track in history.tracks for key in track.lesions}
    old_track = {key: track.track_id for track in machine.tracks for key in track.lesions}
    tracks = {**old_track, **track_of}
    rows = {
        "decisions": [_decision(standing, tracks) for standing in replayed.standings],
        "audit": [row for change in replayed.changes for row in _changed(change, history, old_track, roles)],
        "progress": [_item(item, reader) for item in replayed.items],
    }
    return {name: frame(name, [{"subject_id": subject_id, **row} for row in table]) for name, table in rows.items()}


def _decision(standing: Standing, track_of: Mapping[tuple[int, int], str]) -> Row:
    decision = standing.decision
    touched = sorted(standing.touches)
    return {
        "reader": decision.reader,
        "decision_id": decision.id,
        "time": decision.time,
        "act": type(decision.act).__name__,
        "state": standing.state,
        "why": standing.why or None,
        "reason": decision.reason or None,
        "tracks": sorted({track_of[key] for key in touched if key in track_of}),
        "touches": touched,
        "what": act_to_plain(decision.act),
        "previous": decision.previous,
    }


def _changed(
    change: Change, history: History, old_track: Mapping[tuple[int, int], str], roles: Mapping[tuple[str, int], str]
) -> Iterable[Row]:
    old = change.old
    if change.field == _ROLE and change.timepoint is not None:
        old = roles.get((old_track.get(change.lesions[0], ""), change.timepoint))
        if old == change.new:
            return
    date = None if change.timepoint is None else history.visit(change.timepoint).date
    yield {
        "reader": change.decision.reader,
        "time": change.decision.time,
        "field": change.field,
        "timepoint": change.timepoint,
        "date": date,
        "track_id": change.track_id or (old_track.get(change.lesions[0]) if change.lesions else None),
        "lesions": [list(key) for key in change.lesions],
        "old": old,
        "new": change.new,
        "reason": change.decision.reason or None,
        "decision_id": change.decision.id,
    }


def _item(item: Item, reader: str) -> Row:
    names = ("kind", "timepoint", "track_id", "confidence")
    return {
        "reader": reader,
        **{name: getattr(item, name) for name in names},
        "lesions": [list(key) for key in item.lesions],
        "reasons": list(item.reasons),
    }


def with_progress(subjects: pd.DataFrame, replayed: Replayed) -> pd.DataFrame:
    """Return a subject's row of ``subjects`` with whose reading it is, and how far the case is read."""
    plain = subjects.astype(object).where(subjects.notna(), None).to_dict("records")
    read = {
        "reading": replayed.history.reading.reader or MACHINE,
        "read_state": replayed.read_state,
        "n_to_review": len(replayed.items),
        "n_inapplicable": len(replayed.inapplicable),
    }
    return frame("subjects", [{**{str(name): value for name, value in row.items()}, **read} for row in plain])


def decision_problems(replayed: Replayed) -> Iterable[Problem]:
    """Yield a warning for every decision that no longer applies."""
    for standing in replayed.inapplicable:
        decision = standing.decision
        yield Problem(
            subject_id=replayed.history.subject.subject_id,
            stage="review",
            error=DecisionError.__name__,
            severity="WARNING",
            message=f"{type(decision.act).__name__} by {decision.reader} of {decision.time[:19]}Z no longer applies: "
            f"{standing.why} (decision {decision.id[:12]})",
        )
