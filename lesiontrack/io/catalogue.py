"""The catalogue of an archive: which files it holds, what their headers say, what was ignored or refused and why.

File rows live in SQLite beside the results, keyed by path, size and modification time: a file that has not changed
is never opened again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lesiontrack.domain.problem import Problem
from lesiontrack.domain.study import Subject
from lesiontrack.errors import StudyError
from lesiontrack.io.dataset import is_dicom
from lesiontrack.io.headers import Header, Plane, read_header
from lesiontrack.io.label_map import read_map_header
from lesiontrack.io.nifti import image_name, is_label_map_or_volume, read_volume_header

__all__ = [
    "Catalogue",
    "Found",
    "Notice",
    "Problem",
    "Progress",
    "Reading",
    "header_from_text",
    "header_to_text",
    "identity_key",
    "open_database",
    "read_files",
    "remember",
    "remembered",
    "walk",
]

Found = tuple[str, int, int]
"""Path relative to the root, size in bytes, modification time in ns."""

Progress = Callable[[int, int], None]
"""Called with the number of files done and the number of files in all."""

_VERSION = 2
_BATCH = 500
_SKIPPED_FOLDERS = frozenset({"clinical", "truth", "__MACOSX"})
_STORED = tuple(field.name for field in fields(Header) if field.name not in ("path", "planes"))
_PLANE_STORED = tuple(field.name for field in fields(Plane) if field.name != "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A file or series that was ignored or refused.

    Attributes
    ----------
    file
        The file, or the first of the series.
    files
        How many files it stands for.
    """

    file: str
    reason: str
    subject_id: str = ""
    series_uid: str = ""
    files: int = 1


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All files or objects of an archive, with what was opened and what differs.

    Attributes
    ----------
    failures
        Of subjects of which not everything could be read, so that nothing of them is there.
    """

    headers: tuple[Header, ...]
    fresh: int
    changed: tuple[str, ...]
    failures: tuple[Problem, ...] = ()


def read_files(
    root: Path,
    found: Sequence[Found],
    *,
    database: Path | None,
    verify: bool = False,
    progress: Progress | None = None,
) -> Reading:
    """Return one header for each file, opening only what is new or changed.

    Parameters
    ----------
    found
        What ``walk`` found.
    database
        SQLite file, made where absent; None keeps nothing.
    verify
        Hash every file and tell which differ from their hash in the catalogue (first time: store the hash).
    """
    with closing(open_database(database)) as base:
        key = identity_key(base)
        known = {row[0]: row[1:] for row in base.execute("SELECT path, size, mtime_ns, row, digest FROM files")}
        headers: list[Header] = []
        changed: list[str] = []
        fresh = 0
        for done, (path, size, mtime_ns) in enumerate(found, start=1):
            old = known.pop(os.fsencode(path), None)
            digest = _sha256(root / path) if verify else (old[3] if old else None)
            same = old is not None and (old[0], old[1]) == (size, mtime_ns)
            if same and verify and old and old[3] and old[3] != digest:
                changed.append(path)
                same = False
            if same and old:
                headers.append(header_from_text(old[2], str(root / path)))
            else:
                fresh += 1
                headers.append(_read(root / path, key))
            if not same or verify:
                values = (os.fsencode(path), size, mtime_ns, header_to_text(headers[-1]), digest if verify else None)
                base.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", values)
            if done % _BATCH == 0:
                base.commit()
            if progress:
                progress(done, len(found))
        base.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in known])
        base.commit()
    return Reading(headers=tuple(headers), fresh=fresh, changed=tuple(changed))


def walk(root: Path) -> list[Found]:
    """Return every file that may be data, in order of path; links to folders are not followed.

    A folder that cannot be listed stands for itself: reading it will say why.
    """
    found: list[Found] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if folder or entry.name not in _SKIPPED_FOLDERS:
                            pending.append(path)
                    elif entry.is_file():
                        stat = entry.stat()
                        found.append((path, stat.st_size, stat.st_mtime_ns))
        except OSError:
            found.append((folder, 0, 0))
    return sorted(found)


def remembered(database: Path | None, stamp: str) -> str | None:
    """Return the finished catalogue that was kept for an archive in this state; None when there is none."""
    if database is None or not database.is_file():
        return None
    with closing(open_database(database)) as base:
        row = base.execute("SELECT value FROM facts WHERE name = ?", (f"catalogue {stamp}",)).fetchone()
    return str(row[0]) if row else None


def remember(database: Path | None, stamp: str, text: str) -> None:
    """Keep a finished catalogue for an archive in this state, in place of any other."""
    if database is None:
        return
    with closing(open_database(database)) as base:
        base.execute("DELETE FROM facts WHERE name LIKE 'catalogue %'")
        base.execute("INSERT INTO facts VALUES (?, ?)", (f"catalogue {stamp}", text))
        base.commit()


def open_database(database: Path | None) -> sqlite3.Connection:
    """Open the SQLite file that remembers headers, or one in memory; made anew where it is of another version."""
    if database is not None:
        database.parent.mkdir(parents=True, exist_ok=True)
    try:
        base = sqlite3.connect(database or ":memory:")
        version = base.execute("PRAGMA user_version").fetchone()[0]
        if version != _VERSION:
            base.execute("DROP TABLE IF EXISTS files")
            base.execute("DROP TABLE IF EXISTS facts")
            base.execute("DROP TABLE IF EXISTS series")
            base.execute(f"PRAGMA user_version = {_VERSION}")
        base.execute(
            "CREATE TABLE IF NOT EXISTS files"
            " (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, row TEXT, digest TEXT) WITHOUT ROWID"
        )
        base.execute("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB)")
        base.execute("CREATE TABLE IF NOT EXISTS series (name TEXT PRIMARY KEY, listing TEXT, rows TEXT)")
    except sqlite3.DatabaseError as error:
        raise StudyError("the catalogue is no SQLite database; remove it", file=str(database)) from error
    return base


def identity_key(base: sqlite3.Connection) -> bytes:
    """Return the key of identity digests: random, one for each database."""
    row = base.execute("SELECT value FROM facts WHERE name = 'key'").fetchone()
    if row:
        return bytes(row[0])
    key = secrets.token_bytes(32)
    base.execute("INSERT INTO facts VALUES ('key', ?)", (key,))
    return key


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path, key: bytes) -> Header:
    try:
        if is_label_map_or_volume(path):
            return read_map_header(path) if image_name(path)[1] else read_volume_header(path)
        if is_dicom(path):
            return read_header(path, key=key)
    except OSError as error:
        return Header(path=str(path), kind="other", problem=f"cannot be read ({error.strerror})")
    return Header(path=str(path), kind="foreign")


def header_to_text(header: Header) -> str:
    """Return a header, without its path, as JSON text."""
    values = [getattr(header, name) for name in _STORED]
    planes = [[getattr(plane, name) for name in _PLANE_STORED] for plane in header.planes]
    return json.dumps([values, planes], separators=(",", ":"))


def header_from_text(row: str, path: str) -> Header:
    """Build the header that the text holds."""
    values, planes = json.loads(row)
    named = dict(zip(_STORED, (_tuples(value) for value in values)))
    return Header(path=path, planes=tuple(_plane(path, plane) for plane in planes), **named)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _plane(path: str, values: list[Any]) -> Plane:
    frame, uid, rows, columns, position, orientation, spacing, instance, localizer, keys = values
    return Plane(
        file=path,
        frame=frame,
        sop_instance_uid=uid,
        rows=rows,
        columns=columns,
        position_lps_mm=None if position is None else tuple(position),
        orientation=None if orientation is None else tuple(orientation),
        spacing_mm=None if spacing is None else tuple(spacing),
        instance=instance,
        localizer=localizer,
        keys=tuple(keys),
    )
