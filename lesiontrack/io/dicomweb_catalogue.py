"""The catalogue of a DICOMweb archive: what its searches list and its metadata say, as headers like those of files.

Metadata of image series is remembered beside the results and asked for again only where the list of instances, with
what the search says of each, has changed. Segmentations are few and are corrected under an unchanged UID more often
than images: theirs is asked for each time.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from lesiontrack.domain.problem import Problem
from lesiontrack.errors import ArchiveError
from lesiontrack.io.catalogue import Progress
from lesiontrack.io.dataset import DECODE_ERRORS, quiet_pydicom
from lesiontrack.io.dicom import same_pixels
from lesiontrack.io.dicomweb import DicomwebAddress, WebObject, fetched, open_server, stamp_of
from lesiontrack.io.dicomweb_server import Json, Server, value_of
from lesiontrack.io.file_table import Reading, identity_key, open_database
from lesiontrack.io.header_text import header_from_text, header_to_text
from lesiontrack.io.headers import Header, Plane, header_of
from lesiontrack.io.held import held
from lesiontrack.io.settings import ArchiveSettings

__all__ = ["content_of", "read_archive", "same_pixels_there"]

_IMAGES = frozenset({"CT", "MR"})
_READ = _IMAGES | {"SEG", "RTSTRUCT"}
# Where and how fast an object can be had says nothing of what it is: retrieve address, application, availability.
_OF_THE_SERVER = frozenset({"00081190", "00080054", "00080056", "BulkDataURI"})


def read_archive(
    address: DicomwebAddress,
    settings: ArchiveSettings,
    *,
    database: Path | None,
    verify: bool = False,
    progress: Progress | None = None,
) -> Reading:
    """Return one header for each CT, MR, SEG and RTSTRUCT instance, and one for each series of another kind.

    Parameters
    ----------
    verify
        Ask for the metadata of every series, and name instances that changed behind an unchanged search result.

    Returns
    -------
    Reading
        A study of which the server does not tell everything is a failure of its subject, and no header of that
        subject is in the reading: half a subject would look like a whole one.

    Raises
    ------
    ArchiveError
        If the server does not list its studies.
    """
    server = open_server(address, settings)
    with closing(open_database(database)) as base:
        desk = _Listing(server=server, base=base, key=identity_key(base), verify=verify)
        studies = server.studies()
        sizes = [value_of(study, "00201208") or 1 for study in studies]
        for done, study in enumerate(studies, start=1):
            desk.add(study)
            base.commit()
            if progress:
                progress(sum(sizes[:done]), sum(sizes))
        desk.forget_the_rest()
        base.commit()
    broken = {problem.subject_id for problem in desk.failures}
    whole = [header for header in desk.headers if header.subject_id not in broken]
    return Reading(
        headers=iter(sorted(whole, key=lambda header: header.subject_id)),
        files=len(whole),
        fresh=desk.fresh,
        changed=tuple(desk.changed),
        failures=tuple(desk.failures),
    )


@dataclass(slots=True)
class _Listing:
    """Goes through studies and keeps account of what was asked for, what changed and what failed."""

    server: Server
    base: sqlite3.Connection
    key: bytes
    verify: bool
    headers: list[Header] = field(default_factory=list)
    failures: list[Problem] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    fresh: int = 0
    _seen: set[str] = field(default_factory=set)
    _instances: set[str] = field(default_factory=set)

    def add(self, study: Json) -> None:
        """Read a study's headers: all of them, or a failure of its subject."""
        subject_id = _text(study, "00100020")
        try:
            self.headers += self._study(study, subject_id)
        except ArchiveError as error:
            self.failures.append(Problem.of(error.at(subject_id=subject_id), subject_id=subject_id, stage="index"))

    def _study(self, study: Json, subject_id: str) -> list[Header]:
        study_uid = _text(study, "0020000D")
        headers: list[Header] = []
        for series in self.server.series(study):
            series_uid, modality = _text(series, "0020000E"), _text(series, "00080060")
            name = self.server.address.series(study_uid, series_uid)
            if modality in _READ:
                headers += self._series(name, study_uid, series, subject_id)
            else:
                headers.append(
                    Header(path=name, kind="other", subject_id=subject_id, series_uid=series_uid, modality=modality)
                )
        return headers

    def _series(self, name: str, study_uid: str, series: Json, subject_id: str) -> list[Header]:
        instances = self.server.instances(study_uid, series)
        self._once(name, instances)
        listing = stamp_of(content_of([series, *sorted(instances, key=lambda one: _text(one, "00080018"))]))
        row = self.base.execute("SELECT listing, rows FROM series WHERE name = ?", (name,)).fetchone()
        kept = _headers_of(row[1]) if row and row[0] == listing else None
        self._seen.add(name)
        if kept is not None and not self.verify and _text(series, "00080060") in _IMAGES:
            return kept
        headers = [
            self._header(study_uid, _text(series, "0020000E"), entry)
            for entry in self.server.metadata(study_uid, _text(series, "0020000E"))
        ]
        _require_same(name, subject_id, headers, instances)
        if kept is not None:
            known = {header.path for header in kept}
            changed = [header.path for header in headers if header.path not in known]
            self.changed += changed if self.verify else ()
            self.fresh += len(changed)
        else:
            self.fresh += len(headers)
        rows = json.dumps([[header.path, header_to_text(header)] for header in headers])
        self.base.execute("INSERT OR REPLACE INTO series VALUES (?, ?, ?)", (name, listing, rows))
        return headers

    def _once(self, name: str, instances: list[Json]) -> None:
        uids = {_text(instance, "00080018") for instance in instances}
        twice = uids & self._instances
        if twice:
            raise ArchiveError("a SOP instance that also belongs to another series", file=name, found=min(twice))
        self._instances |= uids

    def _header(self, study_uid: str, series_uid: str, entry: Json) -> Header:
        one = WebObject(
            address=self.server.address,
            study_uid=study_uid,
            series_uid=series_uid,
            uid=_text(entry, "00080018"),
            stamp=stamp_of(content_of(entry)),
        )
        with quiet_pydicom():
            try:
                # Without a handler bulk data is left empty; with one, each element costs half as much again.
                dataset = Dataset.from_json(dict(entry))
                return header_of(dataset, one.name, key=self.key)
            except DECODE_ERRORS as error:
                raise ArchiveError(
                    "metadata that cannot be understood", file=one.name, found=type(error).__name__
                ) from error

    def forget_the_rest(self) -> None:
        """Drop what was remembered of series that the archive no longer lists; not where a study failed."""
        if not self.failures:
            known = [name for (name,) in self.base.execute("SELECT name FROM series")]
            gone = [(name,) for name in known if name not in self._seen]
            self.base.executemany("DELETE FROM series WHERE name = ?", gone)


def _require_same(name: str, subject_id: str, headers: list[Header], instances: list[Json]) -> None:
    """Refuse metadata that does not belong to the instances, or to the subject, that the search listed."""
    listed, told = sorted(_text(one, "00080018") for one in instances), sorted(one.sop_instance_uid for one in headers)
    if listed != told:
        raise ArchiveError(
            "metadata of other instances than the search lists",
            file=name,
            found=str(len(told)),
            expected=str(len(listed)),
        )
    if any(subject_id and header.subject_id != subject_id for header in headers):
        raise ArchiveError("metadata of another PatientID than the search gives", file=name)
    series_uid = name.rpartition("/")[2]
    if any(header.series_uid != series_uid for header in headers):
        raise ArchiveError("metadata of another series", file=name)


def _headers_of(rows: str) -> list[Header]:
    return [header_from_text(row, path) for path, row in json.loads(rows)]


def _text(result: Json, tag: str) -> str:
    value = value_of(result, tag)
    return str(value).strip("\0 ") if value is not None else ""


def content_of(value: Any) -> str:
    """Return DICOM JSON as text that depends on the content alone."""
    return json.dumps(_without_the_servers_own(value), sort_keys=True, separators=(",", ":"))


def _without_the_servers_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_the_servers_own(part) for name, part in value.items() if name not in _OF_THE_SERVER}
    if isinstance(value, list):
        return [_without_the_servers_own(part) for part in value]
    return value


def same_pixels_there(one: Plane, other: Plane, settings: ArchiveSettings) -> bool:
    """Tell whether two planes of a DICOMweb archive have equal stored pixels; just these two objects are fetched."""
    with held(fetched((one.file, other.file), settings, by_series=False)):
        return same_pixels(one, other)
