"""The catalogue of an archive: which files it holds, what was made of them, what was ignored or refused and why."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lesiontrack.domain.problem import Problem
from lesiontrack.domain.study import Subject
from lesiontrack.errors import StudyError

__all__ = ["Catalogue", "Found", "Notice", "Problem", "Progress", "walk"]

Found = tuple[str, int, int]
"""Path relative to the root, size in bytes, modification time in ns."""

Progress = Callable[[int, int], None]
"""Called with the number of files done and the number of files in all."""

_SKIPPED_FOLDERS = frozenset({"clinical", "truth", "__MACOSX"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A file or series that was ignored or refused.

    Attributes
    ----------
    file
        The file, or the one of a series that the reason is about.
    others
        Further files that share its fate: those of its series.
    """

    file: str
    reason: str
    subject_id: str = ""
    series_uid: str = ""
    others: tuple[str, ...] = ()

    @property
    def files(self) -> int:
        """How many files it stands for."""
        return 1 + len(self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What an archive holds.

    Attributes
    ----------
    subjects
        With visits in time order, without clinical facts.
    ignored
        Files and series that are no part of a volume: other objects, localizers, single slices.
    refused
        Files and series that were meant as images or segmentations and cannot be trusted.
    failures
        What goes into the table ``failures``.
    notes
        (series_uid, what was mended), for each volume that was made right.
    files, fresh
        Number of files seen, and of those that had to be opened.
    needs_labels
        Label maps (NIfTI, NRRD, MHA) that mean nothing without ``[labels]``.
    changed
        Files whose content differs from the catalogue though size and time do not (``verify``).
    """

    root: str
    subjects: tuple[Subject, ...]
    ignored: tuple[Notice, ...] = ()
    refused: tuple[Notice, ...] = ()
    failures: tuple[Problem, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    files: int = 0
    fresh: int = 0
    needs_labels: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def subject(self, subject_id: str) -> Subject:
        """Return a subject by id.

        Raises
        ------
        StudyError
            If the archive holds no such subject.
        """
        for subject in self.subjects:
            if subject.subject_id == subject_id:
                return subject
        raise StudyError("the archive holds no such subject", subject_id=subject_id)


def walk(root: Path) -> list[Found]:
    """Return every file that may be data, in order of path.

    Folders behind links are not followed. A folder that cannot be listed, or lies behind a link, and a link to nothing
    stand for themselves: reading them will say why.
    """
    found: list[Found] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.name.startswith(".") or path in _SKIPPED_FOLDERS:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(path)
                    elif entry.is_file():
                        found.append(_found(path, entry))
                    elif entry.is_symlink():
                        found.append((path, 0, 0))
        except OSError:
            found.append((folder, 0, 0))
    return sorted(found)


def _found(path: str, entry: os.DirEntry[str]) -> Found:
    try:
        stat = entry.stat()
    except OSError:
        return (path, 0, 0)
    return (path, stat.st_size, stat.st_mtime_ns)
