"""What is known before a case is open: who reads, by which settings, and how far each case is read."""

from __future__ import annotations

import getpass
from pathlib import Path

from lesiontrack.errors import DecisionError
from lesiontrack.io.decision_log import DecisionLog, readers
from lesiontrack.io.store import read_table
from lesiontrack.review import ConfirmCase, alive, reader_name
from lesiontrack.settings import Settings, load_settings

__all__ = ["reader_of", "replay_command", "settings_of", "share_read", "shares_read"]

_BEGUN = 0.5


def settings_of(out: Path) -> Settings:
    """Return the settings of a result folder, the defaults where it has none."""
    stored = out / "settings.toml"
    return load_settings(*([stored] if stored.is_file() else []))


def reader_of(out: Path, named: str = "") -> str:
    """Return who reads: as named on the command line, else by the settings, else the account."""
    return reader_name(named or settings_of(out).review.reader_name or getpass.getuser())


def replay_command(out: Path, subject_id: str) -> list[str]:
    """Return what Python is called with to bring a case's responses and endpoints up to the decisions."""
    return ["-m", "lesiontrack.cli", "replay", str(out), "--subject", subject_id]


def shares_read(out: Path, reader: str) -> tuple[Settings, dict[str, float]]:
    """Return the settings, and how far this reader has read each case: 0 not begun, 1 confirmed.

    Other readers' decisions are never looked at.
    """
    shares: dict[str, float] = {}
    for subject_id in dict.fromkeys(read_table(out / "cohort", "timepoints")["subject_id"].astype(str)):
        if reader in readers(out, subject_id):
            shares[subject_id] = share_read(out, subject_id, reader)
    return settings_of(out), shares


def share_read(out: Path, subject_id: str, reader: str) -> float:
    """Return how far this reader has read a case: 0 not begun, 1 confirmed."""
    try:
        decisions, _, _ = alive(DecisionLog(out, subject_id, reader).read())
    except DecisionError:
        # Opening the case says what is wrong with its log.
        return _BEGUN
    if any(isinstance(decision.act, ConfirmCase) for decision in decisions):
        return 1.0
    return _BEGUN if decisions else 0.0
