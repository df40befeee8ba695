"""An archive to subjects, visits and scans: from headers alone, every file accounted for."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from lesiontrack import __version__
from lesiontrack.domain.study import ClinicalFacts
from lesiontrack.errors import StudyError
from lesiontrack.io.catalogue import Catalogue, Found, Progress, walk
from lesiontrack.io.desk import Desk
from lesiontrack.io.dicomweb import DicomwebAddress, open_server
from lesiontrack.io.file_table import Reading, read_files, remember, remembered
from lesiontrack.io.opening import Opener
from lesiontrack.io.remembered import catalogue_from_text, catalogue_to_text
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.visits import treatment_dates

__all__ = ["index"]

_NO_CLINICAL: Mapping[str, ClinicalFacts] = {}


def index(
    root: Path | DicomwebAddress,
    settings: ArchiveSettings,
    *,
    labels: LabelSettings | None = None,
    clinical: Mapping[str, ClinicalFacts] = _NO_CLINICAL,
    database: Path | None = None,
    verify: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Catalogue:
    """Catalogue an archive. Files are opened only when they are new or have changed; no pixel of DICOM is read.

    Parameters
    ----------
    root
        Folder with DICOM files in any order, or NIfTI, NRRD, MHA laid out as ``<subject>/<YYYY-MM-DD>/``; or a
        DICOMweb archive, of which the metadata is read.
    labels
        What names and label values mean.
    clinical
        Facts by subject id: visits never span a treatment.
    database
        SQLite file that remembers headers between runs.
    verify
        Hash every file and name those whose content changed behind an unchanged size and time; of a DICOMweb archive,
        those whose metadata changed behind an unchanged search result.
    workers
        Processes that open files; None: one for each core.

    Raises
    ------
    StudyError
        If the root is no folder, or the extra ``dicomweb`` is not installed.
    ArchiveError
        If a DICOMweb archive does not list its studies.
    """
    labels = labels or LabelSettings()
    if isinstance(root, DicomwebAddress):
        open_server(root, settings)
        from lesiontrack.io.dicomweb_catalogue import read_archive, same_pixels_there

        reading = read_archive(root, settings, database=database, verify=verify, progress=progress)
        there = partial(same_pixels_there, settings=settings)
        return _catalogue(root.name, reading, Desk(settings=settings, labels=labels, same_pixels=there), clinical)
    if not root.is_dir():
        raise StudyError("the archive is no folder", file=str(root))
    found = walk(root)
    stamp = _stamp(root, found, settings, labels, clinical)
    kept = None if verify else remembered(database, stamp)
    if kept is not None:
        if progress:
            progress(len(found), len(found))
        return catalogue_from_text(kept)
    opener = Opener(workers)
    reading = read_files(root, found, opener, database=database, verify=verify, progress=progress)
    desk = Desk(settings=settings, labels=labels, same_pixels=opener.same_pixels)
    catalogue = _catalogue(str(root), reading, desk, clinical)
    remember(database, stamp, catalogue_to_text(catalogue))
    return catalogue


def _catalogue(root: str, reading: Reading, desk: Desk, clinical: Mapping[str, ClinicalFacts]) -> Catalogue:
    """Take what was read to the desk, subject by subject."""
    desk.failures += reading.failures
    subjects = [
        subject
        for subject_id, headers in itertools.groupby(reading.headers, key=lambda header: header.subject_id)
        if (subject := desk.subject(subject_id, headers, clinical.get(subject_id))) is not None
    ]
    return Catalogue(
        root=root,
        subjects=tuple(sorted(subjects, key=lambda subject: subject.subject_id)),
        ignored=tuple(desk.ignored),
        refused=tuple(desk.refused),
        failures=tuple(desk.failures),
        notes=tuple(desk.notes),
        files=reading.files,
        fresh=reading.fresh,
        needs_labels=tuple(desk.needs_labels),
        changed=reading.changed,
    )


def _stamp(
    root: Path,
    found: Sequence[Found],
    settings: ArchiveSettings,
    labels: LabelSettings,
    clinical: Mapping[str, ClinicalFacts],
) -> str:
    """Return a digest of all that a catalogue depends on: the program, the settings, treatments, and every file."""
    barriers = sorted((name, treatment_dates(facts)) for name, facts in clinical.items())
    parts = (__version__, str(root), settings.model_dump_json(), labels.model_dump_json(), repr(barriers), repr(found))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
