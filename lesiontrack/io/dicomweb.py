"""A DICOMweb archive by its address, and the names of what lies there.

Nothing here talks to a server; ``io/dicomweb_server.py`` does, and needs the extra ``dicomweb``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lesiontrack.domain.study import Scan
from lesiontrack.errors import ArchiveError, StudyError
from lesiontrack.io.held import held
from lesiontrack.io.settings import ArchiveSettings

if TYPE_CHECKING:
    from lesiontrack.io.dicomweb_server import Server

__all__ = [
    "DicomwebAddress",
    "WebObject",
    "at_hand",
    "fetched",
    "is_dicomweb",
    "is_uid",
    "open_server",
    "stamp_of",
    "store_back",
]

_SCHEME = "dicomweb+"
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_OBJECT = re.compile(r"(?P<server>.+)/studies/(?P<study>[^/]+)/series/(?P<series>[^/]+)/instances/(?P<uid>[^/#]+)#.*")


def is_dicomweb(name: str) -> bool:
    """Tell whether a name is that of a DICOMweb archive, or of an object in one, and no path."""
    return name.startswith(_SCHEME)


def is_uid(value: object) -> bool:
    """Tell whether a value is a DICOM UID: digits and dots, at most 64; nothing that could change an address."""
    return isinstance(value, str) and len(value) <= 64 and _UID.fullmatch(value) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomwebAddress:
    """Where a DICOMweb service answers.

    Attributes
    ----------
    url
        Base address of QIDO-RS, WADO-RS and STOW-RS, without a slash at the end.
    """

    url: str

    @classmethod
    def parse(cls, name: str) -> DicomwebAddress:
        """Read ``dicomweb+http://host/path`` or ``dicomweb+https://host/path``.

        Raises
        ------
        StudyError
            If it is no such address, or holds credentials (which the message does not repeat).
        """
        expected = "dicomweb+https://host/path"
        try:
            parts = urlsplit(name.removeprefix(_SCHEME))
            _ = parts.port
        except ValueError as error:
            raise StudyError("no address of a DICOMweb archive", expected=expected) from error
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise StudyError(
                "an archive's address holds no credentials, query or fragment",
                expected=f"{expected}, and the credentials in the environment (see `lesiontrack settings`, images)",
            )
        if not is_dicomweb(name) or parts.scheme not in ("http", "https") or not parts.hostname:
            raise StudyError("no address of a DICOMweb archive", found=name, expected=expected)
        return cls(url=f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}")

    @property
    def name(self) -> str:
        """The address as settings write it."""
        return _SCHEME + self.url

    def series(self, study_uid: str, series_uid: str) -> str:
        """Return the name of a series."""
        return f"{self.name}/studies/{study_uid}/series/{series_uid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebObject:
    """One object of a DICOMweb archive.

    Attributes
    ----------
    stamp
        Digest of its metadata: part of its name, so that whatever rests on the object by name is done again when the
        server's content changes.
    """

    address: DicomwebAddress
    study_uid: str
    series_uid: str
    uid: str
    stamp: str

    @property
    def name(self) -> str:
        """What stands for a path in headers, scans and messages."""
        return f"{self.address.series(self.study_uid, self.series_uid)}/instances/{self.uid}#{self.stamp}"

    @classmethod
    def parse(cls, name: str) -> WebObject:
        """Read the name of an object."""
        match = _OBJECT.fullmatch(name)
        if match is None or not all(is_uid(match[part]) for part in ("study", "series", "uid")):
            raise ArchiveError("no name of an object in a DICOMweb archive", file=name)
        return cls(
            address=DicomwebAddress.parse(match["server"]),
            study_uid=match["study"],
            series_uid=match["series"],
            uid=match["uid"],
            stamp=name.rpartition("#")[2],
        )


def open_server(address: DicomwebAddress, settings: ArchiveSettings) -> Server:
    """Return the server at an address: one for each process, so that it remembers whether it answers.

    Raises
    ------
    StudyError
        If the extra ``dicomweb`` is not installed.
    """
    return _server(
        address, settings.dicomweb_timeout_s, settings.dicomweb_attempts, settings.dicomweb_least_bytes_per_s
    )


@cache
def _server(address: DicomwebAddress, timeout_s: float, attempts: int, least_bytes_per_s: float) -> Server:
    try:
        from lesiontrack.io.dicomweb_server import Server
    except ModuleNotFoundError as error:
        raise StudyError(
            "DICOMweb archives need the extra dicomweb",
            file=address.name,
            found=f"no module {error.name}",
            expected="pip install 'lesiontrack-crlm[dicomweb]'",
        ) from error
    return Server(address, timeout_s=timeout_s, attempts=attempts, least_bytes_per_s=least_bytes_per_s)


def store_back(url: str, files: Iterable[Path], settings: ArchiveSettings | None = None) -> int:
    """Store DICOM files in an archive by STOW-RS, one in a request; return their number.

    Parameters
    ----------
    url
        ``dicomweb+http://host/path`` or ``dicomweb+https://host/path``.

    Raises
    ------
    StudyError
        If the address is none, or the extra is not installed.
    ArchiveError
        If the server does not confirm an object. Those before it are stored; storing an object again does no harm.
    """
    server = open_server(DicomwebAddress.parse(url), settings or ArchiveSettings())
    count = 0
    for file in files:
        server.store(file)
        count += 1
    return count


@contextmanager
def at_hand(scan: Scan, settings: ArchiveSettings) -> Iterator[None]:
    """Let a scan's objects be read by their names, like files, while the block lasts.

    Those of a DICOMweb archive are fetched into memory; for files there is nothing to do.

    Raises
    ------
    ArchiveError
        If the server does not hand out every object whole.
    ImageError
        If an object cannot hold the pixels that it claims.
    """
    names = [name for name in (*scan.files, *scan.segmentation_files) if is_dicomweb(name)]
    with held(fetched(names, settings)):
        yield


def fetched(names: Iterable[str], settings: ArchiveSettings, *, by_series: bool = True) -> dict[str, memoryview]:
    """Fetch objects; return name -> object.

    Parameters
    ----------
    by_series
        Ask for each series as a whole, which is several times faster than one by one where most of it is wanted.

    Raises
    ------
    ArchiveError
        If the server does not hand out every object whole.
    ImageError
        If an object cannot hold the pixels that it claims.
    """
    series: dict[str, list[WebObject]] = {}
    for name in dict.fromkeys(names):
        one = WebObject.parse(name)
        series.setdefault(one.address.series(one.study_uid, one.series_uid), []).append(one)
    objects: dict[str, memoryview] = {}
    for wanted in series.values():
        server = open_server(wanted[0].address, settings)
        uids = {one.uid for one in wanted}
        found = server.fetch(wanted[0].study_uid, wanted[0].series_uid, uids, by_series=by_series)
        objects |= {one.name: found[one.uid] for one in wanted}
    return objects


def stamp_of(text: str) -> str:
    """Return a short digest of an object's metadata."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
