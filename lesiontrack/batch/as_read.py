"""A stored subject's histories again: the machine's, and each reader's, with what readers drew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lesiontrack.domain.grouping import Key
from lesiontrack.domain.history import History
from lesiontrack.io.decision_log import read_decisions
from lesiontrack.io.history import load_history
from lesiontrack.io.store import subject_folder
from lesiontrack.pipeline import replay
from lesiontrack.review.acts import Add, Redraw
from lesiontrack.review.drawing import Mask
from lesiontrack.settings import Settings

__all__ = ["drawn_masks", "histories"]


def histories(out: Path, subject_id: str, settings: Settings) -> Iterator[History]:
    """Yield the machine's history, then that of each reader who has decided anything.

    Raises
    ------
    LesiontrackError
        If the stored history or a log of decisions cannot be read.
    """
    machine = load_history(subject_folder(out, subject_id))
    yield machine
    for reader, decisions in read_decisions(out, subject_id).items():
        yield replay(machine, decisions, settings, reader=reader).history


def drawn_masks(out: Path, subject_id: str, settings: Settings) -> dict[Key, list[Mask]]:
    """Return by (visit, lesion number) the outlines that readers drew and that are in force.

    Raises
    ------
    LesiontrackError
        If the stored history or a log of decisions cannot be read.
    """
    found: dict[Key, list[Mask]] = {}
    logs = read_decisions(out, subject_id)
    machine = load_history(subject_folder(out, subject_id)) if logs else None
    for reader, decisions in logs.items():
        assert machine is not None  # there are logs
        for standing in replay(machine, decisions, settings, reader=reader).applied:
            act = standing.decision.act
            if isinstance(act, Add | Redraw) and act.drawing.mask is not None:
                for key in standing.touches:
                    found.setdefault(key, []).append(act.drawing.mask)
    return found
