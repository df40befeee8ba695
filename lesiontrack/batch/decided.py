"""The readings of a subject beside the machine's results, brought up to date with what was decided since.

``subjects/<id>/readings/<reader>/`` holds what a reader's decisions make of the machine's history: the same tables as
the subject's folder. They follow from the log of decisions and the machine's history, and can be thrown away.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lesiontrack import __version__
from lesiontrack.batch.reading_rows import decision_problems, reading_frames, with_progress
from lesiontrack.domain.history import History
from lesiontrack.domain.reading import MACHINE
from lesiontrack.io.decision_log import read_decisions
from lesiontrack.io.history import load_history
from lesiontrack.io.store import read_table, stored_key, stored_readings, subject_folder, write_reading
from lesiontrack.pipeline import Replayer, judge
from lesiontrack.review import Decision, Replayed
from lesiontrack.settings import Settings
from lesiontrack.tables import failures_frame, history_frames, judgement_frames

__all__ = ["bring_up_to_date", "machine_progress", "readings_digest"]

# Steps whose settings a reading depends on, beside the machine's history.
_STEPS = ("measure", "link", "assess")


def bring_up_to_date(out: Path, subject_id: str, settings: Settings) -> bool:
    """Replay what readers have decided since, onto the machine's history as it is now; tell whether anything changed.

    Raises
    ------
    LesiontrackError
        If a log of decisions is damaged, or what was decided cannot be judged: then nothing is known of the subject.
    """
    folder = subject_folder(out, subject_id)
    decided = {reader: found for reader, found in read_decisions(out, subject_id).items() if found}
    stored = stored_readings(folder)
    stamps = {reader: _stamp(out, subject_id, found, settings) for reader, found in decided.items()}
    stale = [reader for reader in decided if stored.get(reader, (None, {}))[1].get("stamp") != stamps[reader]]
    gone = [reader for reader in stored if reader not in decided]
    for reader in gone:
        shutil.rmtree(stored[reader][0])
    if stale:
        machine = load_history(folder)
        replayer, roles = Replayer(machine, settings), _proposed_roles(folder, machine)
        for reader in stale:
            replayed = replayer.replay(decided[reader], reader=reader)
            frames = _frames(replayed, machine, settings, roles)
            record = {"stamp": stamps[reader], "in_force": bool(_in_force(replayed))}
            write_reading(folder, reader, frames, record)
    return bool(stale or gone)


def _stamp(out: Path, subject_id: str, decisions: tuple[Decision, ...], settings: Settings) -> dict[str, Any]:
    """Return all that a reading is made from."""
    steps = {name: getattr(settings, name).model_dump(mode="json") for name in _STEPS}
    digest = hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()
    return {
        "decisions": len(decisions),
        "last": decisions[-1].id,
        "machine": stored_key(out, subject_id),
        "settings": digest,
        "version": __version__,
    }


def _in_force(replayed: Replayed) -> bool:
    return replayed.history.reading.reader != MACHINE


def _frames(
    replayed: Replayed, machine: History, settings: Settings, roles: Mapping[tuple[str, int], str]
) -> dict[str, pd.DataFrame]:
    told = {
        **reading_frames(replayed, machine, roles),
        "failures": failures_frame(problem.row() for problem in decision_problems(replayed)),
    }
    if not _in_force(replayed):
        # Nothing holds of what was decided: that is all there is to say of it.
        return told
    judgement = judge(replayed.history, settings)
    frames = {
        **history_frames(replayed.history, phases=judgement.phases, regions=judgement.regions),
        **judgement_frames(judgement, machine.subject.clinical),
        **told,
    }
    return {**frames, "subjects": with_progress(frames["subjects"], replayed)}


def _proposed_roles(folder: Path, machine: History) -> dict[tuple[str, int], str]:
    """Return the machine's role of each track at each baseline: (track, visit) -> role."""
    phase_of = {int(row["timepoint"]): row["phase"] for row in _rows(read_table(folder, "timepoints"))}
    study = {t for t, phase in phase_of.items() if phase == "BOTH"}
    first = {min((v.timepoint for v in machine.subject.visits if v.usable), default=0)}
    baselines = {"STUDY": study, "INDUCTION": first}
    roles = _rows(read_table(folder, "roles"))
    # Where one visit is the baseline of both phases, the study's role is the one that counts.
    ordered = sorted(roles, key=lambda row: row["phase"] == "STUDY")
    return {(str(row["track_id"]), t): str(row["role"]) for row in ordered for t in baselines[str(row["phase"])]}


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def machine_progress(machine: History, settings: Settings, subjects: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the tables that say how far a subject is read of which nobody has decided anything yet."""
    replayed = Replayer(machine, settings).replay(())
    return {**reading_frames(replayed, machine, {}), "subjects": with_progress(subjects, replayed)}


def readings_digest(out: Path, subject_ids: Iterable[str]) -> str:
    """Return a digest of all readings of these subjects: whose they are and what they were made from."""
    digest = hashlib.sha256()
    for subject_id in subject_ids:
        for reader, (_, record) in stored_readings(subject_folder(out, subject_id)).items():
            digest.update(json.dumps([subject_id, reader, record], sort_keys=True).encode())
    return digest.hexdigest()
