"""Where a result's images are now: beside the result as the run found them, or where the user says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lesiontrack.domain.study import Scan, Subject, Visit
from lesiontrack.errors import GeometryError, StudyError
from lesiontrack.io.dicomweb import is_dicomweb
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.store import read_json
from lesiontrack.io.study import open_study

__all__ = ["images_found_again", "study_of_result"]


def study_of_result(out: Path, study: Path | None = None) -> Path:
    """Return the study folder of a result: ``study`` when it is named, else where the run found it, seen from ``out``.

    Raises
    ------
    StudyError
        If it is not there, or the result folder does not say.
    """
    if study is not None:
        if not study.is_dir():
            raise StudyError("no study folder", file=str(study), expected="--study STUDY")
        return study
    run = out / "run.json"
    known = read_json(run).get("inputs", {}).get("archive") if run.is_file() else None
    if known is None:
        raise StudyError("the result folder does not say where its images are", file=str(run), expected="--study STUDY")
    found = Path(os.path.normpath(out.resolve() / str(known)))
    if not found.is_dir():
        raise StudyError("the images are no longer where the run found them", file=str(found), expected="--study STUDY")
    return found


def images_found_again(
    subject: Subject, out: Path, settings: ArchiveSettings, labels: LabelSettings, *, study: Path | None = None
) -> Subject:
    """Return a subject of a result with its scans' files where they are now.

    Nothing is looked for as long as all files are where the run found them and no ``study`` is named; images of a
    DICOMweb archive are never looked for. Otherwise the study is catalogued anew and its series are known by their
    Series Instance UID, never by the names of files.

    Raises
    ------
    StudyError
        If there is no such study, or it does not hold the subject or one of its measured series.
    GeometryError
        If a measured series has another grid than the run found.
    """
    if is_dicomweb(settings.images) or (study is None and _all_there(subject)):
        return subject
    root = study_of_result(out, study)
    # A catalogue of its own: the result folder's is that of the run.
    found = {scan.series_uid: scan for scan in _scans_of(root, subject.subject_id, settings, labels)}
    return replace(subject, visits=tuple(_visit_again(subject, visit, found, root) for visit in subject.visits))


def _all_there(subject: Subject) -> bool:
    return all(Path(file).is_file() for visit in subject.visits for scan in visit.scans for file in scan.files)


def _scans_of(root: Path, subject_id: str, settings: ArchiveSettings, labels: LabelSettings) -> Iterator[Scan]:
    """Yield the scans of a subject of a study."""
    there = [subject for subject in open_study(root, settings, labels).subjects if subject.subject_id == subject_id]
    if not there:
        raise StudyError("the study holds no images of the subject", subject_id=subject_id, file=str(root))
    for visit in there[0].visits:
        yield from visit.scans


def _visit_again(subject: Subject, visit: Visit, found: dict[str, Scan], root: Path) -> Visit:
    return replace(
        visit, scans=tuple(_scan_again(subject, scan, found.get(scan.series_uid), root) for scan in visit.scans)
    )


def _scan_again(subject: Subject, scan: Scan, found: Scan | None, root: Path) -> Scan:
    """Return a scan with the files that are there now; one that is not measured may be gone."""
    where = {"subject_id": subject.subject_id, "visit": scan.date.isoformat(), "file": str(root)}
    if found is None:
        if scan.measured:
            raise StudyError("the study does not hold a measured series", found=scan.series_uid, **where)
        return replace(scan, files=(), segmentation_files=())
    if scan.measured and (scan.grid is None or found.grid is None or not scan.grid.is_close(found.grid)):
        raise GeometryError("the series has another grid than the run found", **where)
    return replace(scan, files=found.files, segmentation_files=found.segmentation_files)
