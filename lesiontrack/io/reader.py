"""A process that opens files for another (``opening`` starts it).

It answers tasks until its caller is gone. A damaged file that makes a decoder abort, or that asks for memory that is
not there, ends this process and not the caller's. Libraries that only volume files need are loaded for the first of
them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from lesiontrack.errors import ImageError
from lesiontrack.io.header_text import header_to_text
from lesiontrack.io.headers import VOLUME_SUFFIXES, Header, Plane, read_header

__all__ = ["Decode", "Open", "Opened", "answer", "serve"]


@dataclass(frozen=True, slots=True)
class Open:
    """A task: headers of files, relative to a root; with the hash of their content if asked."""

    root: str
    paths: Sequence[str]
    key: bytes
    hashed: bool


@dataclass(frozen=True, slots=True)
class Decode:
    """A task: the digest of a plane's pixels, empty where they cannot be decoded."""

    plane: Plane


@dataclass(frozen=True, slots=True)
class Opened:
    """What was read of one file: its path relative to the root, subject, header as a row, and its hash if asked."""

    path: str
    subject_id: str
    row: str
    digest: str | None


def answer(task: Open | Decode) -> list[Opened] | str:
    """Do a task."""
    if isinstance(task, Decode):
        return _digest(task.plane)
    return [_opened(task, path) for path in task.paths]


def _digest(plane: Plane) -> str:
    from lesiontrack.io.dicom import pixel_digest

    try:
        return pixel_digest(plane)
    except ImageError:
        return ""


def _opened(task: Open, path: str) -> Opened:
    place = f"{task.root}/{path}" if path else task.root
    header = _read(place, task.key)
    digest = _sha256(place) if task.hashed else None
    return Opened(path, header.subject_id, header_to_text(header), digest)


def _read(path: str, key: bytes) -> Header:
    try:
        if path.lower().endswith(VOLUME_SUFFIXES):
            return _read_volume(Path(path))
        return read_header(path, key=key)
    except IsADirectoryError:
        reason = "a folder that cannot be listed, or a link to one, which is not followed"
        return Header(path=path, kind="other", problem=reason)
    except OSError as error:
        return Header(path=path, kind="other", problem=f"cannot be read ({error.strerror})")
    except MemoryError:
        return Header(path=path, kind="other", problem="needs more memory than there is")


def _read_volume(path: Path) -> Header:
    from lesiontrack.io.label_map import read_map_header
    from lesiontrack.io.nifti import image_name, read_volume_header

    return read_map_header(path) if image_name(path)[1] else read_volume_header(path)


def _sha256(path: str) -> str | None:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def serve(descriptor: int) -> None:
    """Answer tasks that come over a socket until the caller is gone; the body of the process."""
    connection = Connection(descriptor)
    logging.getLogger().addHandler(logging.NullHandler())
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_AS, (there, resource.getrlimit(resource.RLIMIT_AS)[1]))
    while True:
        try:
            task = connection.recv()
        except (EOFError, ConnectionError):
            return
        connection.send(answer(task))
