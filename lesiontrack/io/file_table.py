"""The catalogue's memory: one row for each file, in SQLite beside the results.

Rows are keyed by path, size and modification time: a file that has not changed is never opened again. They are handed
out subject by subject, so that no more than one subject's headers are in memory, whatever the archive's size.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lesiontrack.domain.problem import Problem
from lesiontrack.errors import StudyError
from lesiontrack.io.catalogue import Found, Progress
from lesiontrack.io.header_text import header_from_text
from lesiontrack.io.headers import Header
from lesiontrack.io.opening import Opener
from lesiontrack.io.reader import Opened

__all__ = ["Reading", "identity_key", "open_database", "read_files", "remember", "remembered"]

_VERSION = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All files or objects of an archive, with what was opened and what differs.

    Attributes
    ----------
    headers
        One for each, all of a subject one after the other; to be gone through once.
    failures
        Of subjects of which not everything could be read, so that nothing of them is there.
    """

    headers: Iterator[Header]
    files: int
    fresh: int
    changed: tuple[str, ...]
    failures: tuple[Problem, ...] = ()


def read_files(
    root: Path,
    found: Sequence[Found],
    opener: Opener,
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
    base = open_database(database)
    try:
        known = {
            os.fsdecode(path): (size, mtime_ns, digest)
            for path, size, mtime_ns, digest in base.execute("SELECT path, size, mtime_ns, digest FROM files")
        }
        stamps = {path: (size, mtime_ns) for path, size, mtime_ns in found}
        fresh = {path for path, stamp in stamps.items() if path not in known or known[path][:2] != stamp}
        wanted = list(stamps) if verify else [path for path in stamps if path in fresh]
        changed = []
        done = len(stamps) - len(wanted)
        for opened in opener.open(root, wanted, key=identity_key(base), hashed=verify):
            differs = [one.path for one in opened if one.path not in fresh and _differs(known[one.path][2], one)]
            changed += differs
            base.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        os.fsencode(one.path),
                        *stamps[one.path],
                        one.subject_id.encode("utf-8", "surrogatepass"),
                        one.row,
                        one.digest,
                    )
                    for one in opened
                ],
            )
            base.commit()
            done += len(opened)
            if progress:
                progress(done, len(stamps))
        gone = [(os.fsencode(path),) for path in known.keys() - stamps.keys()]
        base.executemany("DELETE FROM files WHERE path = ?", gone)
        base.commit()
    except BaseException:
        base.close()
        raise
    return Reading(
        headers=_by_subject(base, root),
        files=len(stamps),
        fresh=len(fresh) + len(changed),
        changed=tuple(sorted(changed)),
    )


def _differs(before: str | None, now: Opened) -> bool:
    return before is not None and before != now.digest


def _by_subject(base: sqlite3.Connection, root: Path) -> Iterator[Header]:
    with closing(base):
        for path, row in base.execute("SELECT path, row FROM files ORDER BY subject, path"):
            place = os.fsdecode(path)
            yield header_from_text(row, f"{root}/{place}" if place else str(root))


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
    """Open the SQLite file that remembers headers, or a temporary one; made anew where it is of another version."""
    if database is not None:
        database.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Without a file to keep it in, SQLite's own temporary one: memory stays bounded.
        base = sqlite3.connect(database or "")
        version = base.execute("PRAGMA user_version").fetchone()[0]
        if version != _VERSION:
            base.execute("DROP TABLE IF EXISTS files")
            base.execute("DROP TABLE IF EXISTS facts")
            base.execute("DROP TABLE IF EXISTS series")
            base.execute(f"PRAGMA user_version = {_VERSION}")
        base.execute(
            "CREATE TABLE IF NOT EXISTS files"
            " (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, subject BLOB, row TEXT, digest TEXT)"
            " WITHOUT ROWID"
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
