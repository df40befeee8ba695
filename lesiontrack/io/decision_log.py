"""The decisions of readers in a result folder: ``subjects/<id>/decisions-<reader>.jsonl``, one file a reader."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lesiontrack.errors import DecisionError
from lesiontrack.io.chained_log import ChainedLog, Logged
from lesiontrack.io.store import safe_name, subject_folder, subject_lock
from lesiontrack.review.acts import Act
from lesiontrack.review.decision import Decision, first_of, reader_name

__all__ = ["DecisionLog", "read_decisions", "readers"]

log = logging.getLogger(__name__)


class DecisionLog:
    """What one reader has decided on one subject.

    Raises
    ------
    DecisionError
        If the subject has no results, or the name is no reader's.
    """

    def __init__(self, out: Path, subject_id: str, reader: str) -> None:
        folder = subject_folder(out, subject_id)
        if not (folder / "provenance.json").is_file():
            raise DecisionError("there is nothing to decide on", subject_id=subject_id, file=str(folder))
        self.subject_id = subject_id
        try:
            self.reader = reader = reader_name(reader)
        except DecisionError as error:
            raise error.at(subject_id=subject_id) from error
        self._first = first_of(subject_id, reader)
        path = folder / f"decisions-{safe_name(reader)}.jsonl"
        self._log = ChainedLog(path, subject_lock(out, subject_id), self._first)
        self._made: list[Decision] = []

    @property
    def path(self) -> Path:
        """The file."""
        return self._log.path

    def read(self) -> tuple[Decision, ...]:
        """Return the decisions in the order in which they were made.

        What a crash left half written is no decision; it is named in the log of the program.

        Raises
        ------
        DecisionError
            If the log is damaged, naming the file and the line.
        """
        found = self._in_place(self._log.read)
        if found.torn:
            log.warning("subject %s: a decision was cut off in mid-write in %s", self.subject_id, self.path.name)
        return self._decisions(found)

    def append(self, act: Act, *, reason: str = "", time: dt.datetime | None = None) -> Decision:
        """Record a decision; when this returns it is stored and will survive a crash.

        Raises
        ------
        DecisionError
            If the act is impossible, the log is damaged, or nothing could be written: then it was not recorded.
        """

        def make(previous: str) -> Mapping[str, Any]:
            if not self.path.parent.is_dir():
                raise DecisionError("the subject's results are gone", subject_id=self.subject_id)
            decision = Decision.make(act, reader=self.reader, previous=previous, reason=reason, time=time)
            return decision.record()

        return Decision.from_record(self._in_place(lambda: self._log.append(make)))

    def _in_place(self, do: Any) -> Any:
        try:
            return do()
        except DecisionError as error:
            raise error.at(subject_id=self.subject_id) from error

    def _decisions(self, found: Logged) -> tuple[Decision, ...]:
        """Rebuild what is new; what was rebuilt before is the same as long as its identifiers are."""
        known = self._made
        if [decision.id for decision in known] != [record["id"] for record in found.records[: len(known)]]:
            known.clear()
        for number, record in enumerate(found.records[len(known) :], start=len(known) + 1):
            try:
                decision = Decision.from_record(record)
            except DecisionError as error:
                where = f"{self.path}, line {number}"
                raise error.at(subject_id=self.subject_id, file=where) from error
            if decision.reader != self.reader:
                raise DecisionError(
                    "a decision of another reader",
                    subject_id=self.subject_id,
                    file=f"{self.path}, line {number}",
                    found=decision.reader,
                    expected=self.reader,
                )
            known.append(decision)
        return tuple(known)


def readers(out: Path, subject_id: str) -> tuple[str, ...]:
    """Return who has decided something on a subject, sorted.

    Raises
    ------
    DecisionError
        If a log does not say whose it is.
    """
    names: list[str] = []
    for path in sorted(subject_folder(out, subject_id).glob("decisions-*.jsonl")):
        name = _reader_of(path, subject_id)
        if name is not None:
            names.append(name)
    return tuple(sorted(names))


def _reader_of(path: Path, subject_id: str) -> str | None:
    """Return the reader named in the first record of a log; None while it has no whole record."""
    with path.open("rb") as file:
        line = file.readline()
    if not line.endswith(b"\n"):
        return None
    try:
        name = json.loads(line)["reader"]
    except (ValueError, KeyError, TypeError) as error:
        raise DecisionError(
            "a log of decisions does not say whose it is", subject_id=subject_id, file=str(path)
        ) from error
    if not isinstance(name, str) or path.name != f"decisions-{safe_name(name)}.jsonl":
        raise DecisionError(
            "a log of decisions is not its reader's", subject_id=subject_id, file=str(path), found=str(name)
        )
    return name


def read_decisions(out: Path, subject_id: str) -> dict[str, tuple[Decision, ...]]:
    """Return the decisions of all readers on a subject, by reader.

    Raises
    ------
    DecisionError
        If a log is damaged.
    """
    return {name: DecisionLog(out, subject_id, name).read() for name in readers(out, subject_id)}
