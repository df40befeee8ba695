"""Opening an archive's files in processes that may die: what kills a reader is one refused file, not the run.

Headers of DICOM files are read by Python alone, which a damaged file cannot bring down; pixels and volume files go
through compiled decoders, which it can. So decoders always run in a process of their own, and headers do where there
are enough of them to share out.
"""

from __future__ import annotations

import atexit
import filecmp
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from lesiontrack.io.header_text import header_to_text
from lesiontrack.io.headers import VOLUME_SUFFIXES, Header, Plane
from lesiontrack.io.reader import Decode, Open, Opened, answer

__all__ = ["Opener"]

# Files that one process is sent at once, and from how many on processes are worth their start for headers alone.
_CHUNK = 64
_WORTH_A_PROCESS = 2000


class _Reader:
    """One reader process and the task that it is at."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        # Its libraries' messages may quote what a file says of a patient: nobody gets to see them.
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from lesiontrack.io.reader import serve; serve({theirs.fileno()})"],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self.task: Open | Decode | None = None

    def start(self, task: Open | Decode) -> None:
        """Send a task."""
        self.task = task
        self.connection.send(task)

    def end(self) -> None:
        """Let the process go."""
        self.connection.close()
        self.process.wait()


# Readers without a task. Starting one takes as long as thousands of headers, so they are kept for the next archive.
_idle: list[_Reader] = []


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().end()


class Opener:
    """Opens the files of one archive, in processes of their own where that is safer or faster.

    Parameters
    ----------
    workers
        Processes; None: one for each core that this process may use.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or len(os.sched_getaffinity(0))
        self._digests: dict[Plane, str] = {}

    def open(self, root: Path, paths: Sequence[str], *, key: bytes, hashed: bool) -> Iterator[list[Opened]]:
        """Open files and yield what was read, a few at a time, in no order; every path is answered once.

        Parameters
        ----------
        paths
            Relative to the root.
        key
            Of the digests of identity.
        hashed
            Hash the content too.
        """
        # A volume file is read whole, so each is a task of its own.
        volumes = [path for path in paths if path.lower().endswith(VOLUME_SUFFIXES)]
        others = [path for path in paths if not path.lower().endswith(VOLUME_SUFFIXES)]
        single = [Open(str(root), [path], key, hashed) for path in volumes]
        chunks = [Open(str(root), others[n : n + _CHUNK], key, hashed) for n in range(0, len(others), _CHUNK)]
        if hashed or len(others) >= _WORTH_A_PROCESS:
            yield from self._shared_out([*single, *chunks])
            return
        yield from (_opened(answer(task)) for task in chunks)
        yield from self._shared_out(single)

    def same_pixels(self, one: Plane, other: Plane) -> bool:
        """Tell whether two planes have equal stored pixels; what cannot be decoded equals nothing."""
        if one.frame == other.frame and (one.file == other.file or filecmp.cmp(one.file, other.file, shallow=False)):
            return True
        found = [self._digest(plane) for plane in (one, other)]
        return "" not in found and found[0] == found[1]

    def _digest(self, plane: Plane) -> str:
        """Return the digest of a plane's pixels, decoded once; empty where they cannot be."""
        if plane not in self._digests:
            _, found = next(_answers([Decode(plane)], 1))
            self._digests[plane] = found if isinstance(found, str) else ""
        return self._digests[plane]

    def _shared_out(self, tasks: Sequence[Open]) -> Iterator[list[Opened]]:
        """Share tasks out; the files of one that killed its reader are opened again one by one."""
        suspects: list[Open] = []
        for task, found in _answers(tasks, self.workers):
            assert isinstance(task, Open)
            if found is not None:
                yield _opened(found)
            elif len(task.paths) == 1:
                yield [_deadly(task.paths[0])]
            else:
                suspects += [Open(task.root, [path], task.key, task.hashed) for path in task.paths]
        if suspects:
            yield from self._shared_out(suspects)


def _answers(tasks: Iterable[Open | Decode], workers: int) -> Iterator[tuple[Open | Decode, list[Opened] | str | None]]:
    """Yield each task with its answer as it comes; None for one that killed its reader."""
    waiting = list(tasks)[::-1]
    busy: dict[Connection[Any, Any], _Reader] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                reader = _at_work(waiting.pop())
                busy[reader.connection] = reader
            for connection in wait(list(busy)):
                reader = busy.pop(connection)  # type: ignore[call-overload]
                task, reader.task = reader.task, None
                try:
                    found = reader.connection.recv()
                except (EOFError, ConnectionError):
                    reader.end()
                    found = None
                else:
                    _idle.append(reader)
                yield task, found
    finally:
        # Left early: what the others would still answer is of no use to anybody.
        for reader in busy.values():
            reader.process.kill()
            reader.end()


def _at_work(task: Open | Decode) -> _Reader:
    """Return a reader that has been sent a task: one that is idle, unless it has died meanwhile, or a new one."""
    while _idle:
        reader = _idle.pop()
        try:
            reader.start(task)
        except ConnectionError:
            reader.end()
        else:
            return reader
    reader = _Reader()
    reader.start(task)
    return reader


def _opened(found: list[Opened] | str) -> list[Opened]:
    assert isinstance(found, list)
    return found


def _deadly(path: str) -> Opened:
    reason = "reading it killed the reading process: a damaged file, or out of memory"
    return Opened(path, "", header_to_text(Header(path=path, kind="other", problem=reason)), None)
