"""The one door for the pipeline: a study folder to subjects, and a scan to its voxels and what is marked in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lesiontrack.domain.geometry import Segmentation, Volume
from lesiontrack.domain.study import Scan, Subject
from lesiontrack.errors import ArchiveError, GeometryError, LesiontrackError, StudyError
from lesiontrack.io.archive import index
from lesiontrack.io.catalogue import Catalogue, Problem, Progress
from lesiontrack.io.clinical import Clinical, read_clinical
from lesiontrack.io.dicom import read_dicom_volume
from lesiontrack.io.dicomweb import DicomwebAddress, at_hand, is_dicomweb
from lesiontrack.io.nifti import is_label_map_or_volume, read_volume_file
from lesiontrack.io.segmentation import read_segmentation
from lesiontrack.io.settings import ArchiveSettings, LabelSettings

__all__ = ["Study", "StudyFolder", "at_hand", "locate", "open_study", "read", "read_image", "read_scan", "without_row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFolder:
    """Where the parts of a study lie.

    Attributes
    ----------
    images
        A folder, or a DICOMweb archive.
    settings_file
        ``study.toml``, or None where there is none.
    """

    root: Path
    images: Path | DicomwebAddress
    clinical: Path
    settings_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study that can be run.

    Attributes
    ----------
    subjects
        With their clinical facts, where the tables give any.
    problems
        Of the archive and of the clinical tables, as rows of ``failures``.
    """

    folder: StudyFolder
    catalogue: Catalogue
    clinical: Clinical
    subjects: tuple[Subject, ...]
    problems: tuple[Problem, ...]


def locate(path: Path, images: str = "") -> StudyFolder:
    """Find the parts of a study folder; a folder without ``images/`` is itself the archive.

    Parameters
    ----------
    images
        Of the settings, where the images lie elsewhere.

    Raises
    ------
    StudyError
        If the folder, or the images that the settings name, are not there, or an archive's address is none.
    """
    if not path.is_dir():
        raise StudyError("no study folder", file=str(path), expected="a folder with images/")
    settings_file = path / "study.toml"
    return StudyFolder(
        root=path,
        images=_place_of_images(path, images),
        clinical=path / "clinical",
        settings_file=settings_file if settings_file.is_file() else None,
    )


def _place_of_images(path: Path, images: str) -> Path | DicomwebAddress:
    if is_dicomweb(images):
        return DicomwebAddress.parse(images)
    where = path / images if images else path / "images"
    if images and not where.is_dir():
        raise StudyError("the images that the settings name are not there", file=str(where))
    return where if where.is_dir() else path


def open_study(
    path: Path,
    settings: ArchiveSettings,
    labels: LabelSettings,
    *,
    database: Path | None = None,
    verify: bool = False,
    progress: Progress | None = None,
) -> Study:
    """Open a study: clinical tables, catalogue of the images, subjects with their facts.

    Raises
    ------
    StudyError
        If there is no such folder, no usable subject at all, or label maps but no ``[labels]``.
    ClinicalError
        If a clinical table as a whole cannot be used.
    """
    folder = locate(path, settings.images)
    clinical = read_clinical(folder.clinical)
    catalogue = index(
        folder.images,
        settings,
        labels=labels,
        clinical=clinical.facts,
        database=database,
        verify=verify,
        progress=progress,
    )
    if catalogue.needs_labels:
        raise StudyError(
            "label maps need [labels] in study.toml",
            file=catalogue.needs_labels[0],
            expected="for example [labels] with liver = 1 and hepatic = [2]",
        )
    if not catalogue.subjects:
        _require_answers(catalogue)
        refused = f"{len(catalogue.refused)} refused, {len(catalogue.ignored)} ignored of {catalogue.files} files"
        raise StudyError(
            "no subject with a volume in the archive",
            file=catalogue.root,
            found=refused,
            expected="CT or MR as DICOM, or <subject>/<YYYY-MM-DD>/ with NIfTI; `lesiontrack index` says more",
        )
    subjects = tuple(
        replace(subject, clinical=clinical.facts.get(subject.subject_id)) for subject in catalogue.subjects
    )
    missing = without_row((subject.subject_id for subject in subjects), clinical)
    return Study(
        folder=folder,
        catalogue=catalogue,
        clinical=clinical,
        subjects=subjects,
        problems=(*catalogue.failures, *clinical.problems, *missing),
    )


def _require_answers(catalogue: Catalogue) -> None:
    """Say what the archive's server did rather than that there is nothing, where that is why."""
    for problem in catalogue.failures:
        if problem.error == ArchiveError.__name__:
            raise ArchiveError(f"no subject could be read from the archive; the first: {problem.message}")


def without_row(subject_ids: Iterable[str], clinical: Clinical) -> tuple[Problem, ...]:
    """Return a problem for each imaged subject that the clinical table ``subjects`` does not have."""
    named = {problem.subject_id for problem in clinical.problems}
    return tuple(
        Problem(
            subject_id=subject_id,
            stage="clinical",
            error="ClinicalError",
            message=f"subject {subject_id}: no row in the clinical table subjects",
        )
        for subject_id in subject_ids
        if subject_id not in clinical.facts and subject_id not in named
    )


def read(scan: Scan, settings: ArchiveSettings, labels: LabelSettings) -> tuple[Volume, Segmentation | None]:
    """Read a scan's voxels and what is marked in them.

    Raises
    ------
    ArchiveError
        If the archive's server does not hand out every object whole: nothing is known of the scan.
    LesiontrackError
        With visit and file, if either cannot be trusted.
    """
    try:
        if not scan.usable or not scan.files:
            raise GeometryError(scan.problem or "the scan has no files")
        with at_hand(scan, settings):
            volume = _volume(scan, settings)
            return volume, read_segmentation(scan, volume, settings, labels)
    except LesiontrackError as error:
        raise error.at(visit=scan.date.isoformat(), file=scan.files[0] if scan.files else None) from error


def read_image(scan: Scan, settings: ArchiveSettings) -> Volume:
    """Read a scan's voxels alone, as a viewer needs them.

    Raises
    ------
    ArchiveError
        If the archive's server does not hand out every object whole.
    LesiontrackError
        With visit and file, if they cannot be trusted or are no longer where they were catalogued.
    """
    try:
        if not scan.usable or not scan.files:
            raise GeometryError(scan.problem or "the scan has no files")
        with at_hand(scan, settings):
            return _volume(scan, settings)
    except LesiontrackError as error:
        raise error.at(visit=scan.date.isoformat(), file=scan.files[0] if scan.files else None) from error


def _volume(scan: Scan, settings: ArchiveSettings) -> Volume:
    """Read a scan by whichever reader its files want."""
    if is_label_map_or_volume(Path(scan.files[0])):
        return read_volume_file(scan)
    return read_dicom_volume(scan, settings)


def read_scan(settings: ArchiveSettings, labels: LabelSettings) -> Callable[[Scan], tuple[Volume, Segmentation | None]]:
    """Return ``read`` with its settings filled in, as the pipeline takes it; it can be sent to another process."""
    return partial(read, settings=settings, labels=labels)
