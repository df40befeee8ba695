"""How far a run is: a bar on a terminal, plain log lines otherwise, and ``status.json`` for those who watch."""

from __future__ import annotations

import datetime as dt
import logging
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lesiontrack.batch.pool import Outcome
from lesiontrack.io.store import write_json

__all__ = ["FileCount", "Watch", "new_bar"]

log = logging.getLogger(__name__)

# In a log, files are reported at most this often; a terminal's bar moves at every one.
_FILES_A_LINE = 5000


class FileCount:
    """Reports how many files are catalogued; call it with the number done and the number in all.

    Parameters
    ----------
    bar
        Where there is a terminal; None: log lines.
    """

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._task: Any = None
        self._logged = 0

    def __call__(self, seen: int, total: int) -> None:
        """Report a state; in a log, no more often than anybody wants to read."""
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task("files", total=total)
            self._bar.update(self._task, completed=seen, total=total)
        elif seen == total or seen >= self._logged + _FILES_A_LINE:
            self._logged = seen
            log.info("catalogued %d of %d files", seen, total)


def new_bar() -> Progress | None:
    """Return a bar for a terminal; None where stderr is none."""
    if not sys.stderr.isatty():
        return None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(file=sys.stderr))


class Watch:
    """Reports progress; use it as a context."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.counts = {"done": 0, "kept": 0, "failed": 0}
        self.total = 0
        self._bar = new_bar()
        self.files = FileCount(self._bar)
        self._task: Any = None

    def __enter__(self) -> Watch:
        """Start the bar; from here on the folder is known as ours, however early the run is killed."""
        self._status("cataloguing")
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the bar, and say so where the run was interrupted."""
        if self._bar is not None:
            self._bar.stop()
        if kind is not None:
            self._status("interrupted")

    def start(self, total: int) -> None:
        """Begin with the subjects."""
        self.total = total
        if self._bar is not None:
            self._task = self._bar.add_task("subjects", total=total)
        self._status("running")

    def subject(self, outcome: Outcome) -> None:
        """Report one subject."""
        self.counts[outcome.state] += 1
        number = sum(self.counts.values())
        if self._bar is not None:
            self._bar.update(self._task, completed=number)
        elif outcome.state != "kept":
            log.info("%d of %d: subject %s %s", number, self.total, outcome.subject_id, outcome.state)
        self._status("running")

    def finish(self, failures: int) -> None:
        """Report the end of a run."""
        self._status("finished")
        log.info(
            "subjects: %d done, %d already done, %d failed; rows in cohort/failures: %d",
            self.counts["done"],
            self.counts["kept"],
            self.counts["failed"],
            failures,
        )

    def _status(self, state: str) -> None:
        now = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
        write_json(self.out / "status.json", {"state": state, "total": self.total, **self.counts, "updated": now})
