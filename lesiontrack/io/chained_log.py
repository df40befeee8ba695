"""An append-only log of JSON records, each with the digest of the one before.

A record is on disk before `append` returns; what a crash left half written is no record, is put aside and named. Two
programs may write at once: each reads what the other wrote before it adds its own. Any prefix of a log is a valid log;
a record that was changed, left out or put in is found, and its line named.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lesiontrack.domain.chain import canonical, seal
from lesiontrack.errors import DecisionError

__all__ = ["ChainedLog", "Logged", "locked"]

_WAIT_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """The records of a log, in order, and what stood torn at its end (empty: nothing)."""

    records: tuple[dict[str, Any], ...]
    torn: str = ""


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold a lock file against all other programs; the lock goes when the program does.

    Raises
    ------
    DecisionError
        If another program has held it for too long.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=_WAIT_SECONDS):
            yield
    except Timeout as error:
        raise DecisionError(
            "another program has kept the decisions locked", file=str(lock), expected=f"free within {_WAIT_SECONDS:g} s"
        ) from error


class ChainedLog:
    """One log file.

    Parameters
    ----------
    path
        Need not exist; its folder must.
    lock
        Lock file shared by all who write to this log, outside of any folder that may be replaced as a whole.
    genesis
        What the first record follows: says what the log is and whose.
    """

    def __init__(self, path: Path, lock: Path, genesis: str) -> None:
        self.path = path
        self._lock = lock
        self._genesis = genesis
        self._known = _Known(self._genesis)

    def read(self) -> Logged:
        """Return all records, checked; empty where there is no file.

        Raises
        ------
        DecisionError
            If a record was changed, left out or put in, or the file cannot be read.
        """
        with locked(self._lock):
            torn = self._catch_up()
            return Logged(records=tuple(self._known.records), torn=torn)

    def append(self, make: Callable[[str], Mapping[str, Any]]) -> dict[str, Any]:
        """Add a record; when this returns it is on disk.

        Parameters
        ----------
        make
            Given the identifier of the record before, returns the new one with ``previous`` and ``id`` (`chain.seal`).

        Raises
        ------
        DecisionError
            If the log is damaged or the record could not be written; then nothing of it is there.
        """
        with locked(self._lock):
            if self._catch_up():
                self._put_torn_aside()
            record = dict(make(self._known.last))
            if record.get("previous") != self._known.last or record.get("id") != _digest(record):
                raise DecisionError("a record does not follow the one before it", file=str(self.path))
            line = (canonical(record) + "\n").encode("ascii")
            self._write(line)
            self._known.add(record, len(line))
            return record

    # --- reading ----------------------------------------------------------------------------------------------------

    def _catch_up(self) -> str:
        """Check what was added since the last look, all of it where the file is another; return what is torn."""
        try:
            with self.path.open("rb") as file:
                state = os.fstat(file.fileno())
                if (state.st_dev, state.st_ino) != self._known.file or state.st_size < self._known.size:
                    self._known = _Known(self._genesis)
                    self._known.file = (state.st_dev, state.st_ino)
                file.seek(self._known.size)
                fresh = file.read()
        except FileNotFoundError:
            self._known = _Known(self._genesis)
            return ""
        except OSError as error:
            raise DecisionError("the log cannot be read", file=str(self.path), found=error.strerror) from error
        whole, end, torn = fresh.rpartition(b"\n")
        for line in whole.split(b"\n") if end else ():
            self._known.add(self._checked(line), len(line) + 1)
        return torn.decode("utf-8", "backslashreplace")

    def _checked(self, line: bytes) -> dict[str, Any]:
        where = f"{self.path}, line {len(self._known.records) + 1}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DecisionError("a line of the log is no record", file=where) from error
        if not isinstance(record, dict) or canonical(record).encode("ascii") != line:
            raise DecisionError("a line of the log is not as it was written", file=where)
        if record.get("previous") != self._known.last:
            raise DecisionError("the chain is broken: a record before this one was left out or changed", file=where)
        if record.get("id") != _digest(record):
            raise DecisionError("the chain is broken: this record was changed", file=where)
        return record

    # --- writing ----------------------------------------------------------------------------------------------------

    def _put_torn_aside(self) -> None:
        """Keep what a crash left half written beside the log, and cut it off there."""
        with self.path.open("r+b") as file:
            file.seek(self._known.size)
            torn = file.read()
            beside = self.path.with_suffix(f".torn-{self._known.size}")
            beside.write_bytes(torn)
            file.truncate(self._known.size)
            os.fsync(file.fileno())

    def _write(self, line: bytes) -> None:
        handle = -1
        try:
            is_new = not self.path.exists()
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            _write_all(handle, line)
            os.fsync(handle)
            if is_new:
                _sync_folder(self.path.parent)
            state = os.fstat(handle)
            self._known.file = (state.st_dev, state.st_ino)
        except OSError as error:
            if handle >= 0:
                self._undo(handle)
            raise DecisionError(
                "the decision could not be stored", file=str(self.path), found=error.strerror or type(error).__name__
            ) from error
        finally:
            if handle >= 0:
                os.close(handle)

    def _undo(self, handle: int) -> None:
        """Take back a half-written line; where even that fails, the next to write puts it aside."""
        try:
            os.ftruncate(handle, self._known.size)
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT):
                raise


class _Known:
    """What of the file has been checked: how many bytes, which records, the identifier of the last."""

    def __init__(self, genesis: str) -> None:
        self.file: tuple[int, int] | None = None
        self.size = 0
        self.last = genesis
        self.records: list[dict[str, Any]] = []

    def add(self, record: dict[str, Any], size: int) -> None:
        self.records.append(record)
        self.size += size
        self.last = str(record["id"])


def _digest(record: Mapping[str, Any]) -> str:
    own = {name: value for name, value in record.items() if name not in ("previous", "id")}
    return seal(str(record.get("previous")), own)


def _write_all(handle: int, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _sync_folder(folder: Path) -> None:
    """Make a new file's name last; some systems cannot sync a folder, and need not."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EACCES):
            raise
    finally:
        os.close(handle)
