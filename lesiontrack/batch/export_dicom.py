"""Results to DICOM: what the cohort's tables say, as SEG and SR that refer to the images they rest on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset

from lesiontrack.batch.as_read import drawn_masks
from lesiontrack.batch.export_report import SeenScan, visit_report
from lesiontrack.batch.export_segments import LesionMasks, lesion_structures, surroundings
from lesiontrack.batch.study import require_result
from lesiontrack.batch.subject_tables import CohortTables, Row, SubjectTables
from lesiontrack.domain.grouping import Key
from lesiontrack.domain.study import Scan, Subject
from lesiontrack.errors import LesiontrackError, SegmentationError, StudyError
from lesiontrack.io.dicomweb import at_hand, store_back
from lesiontrack.io.moved import study_of_result
from lesiontrack.io.report_write import write_visit_report
from lesiontrack.io.seg_write import SegKind, SegWriter
from lesiontrack.io.source_images import read_source_images
from lesiontrack.io.store import safe_name, subject_folder, write_json
from lesiontrack.io.study import open_study
from lesiontrack.io.visit_report import VisitReport
from lesiontrack.review.drawing import Mask
from lesiontrack.settings import Settings, load_settings

__all__ = ["DicomExport", "Exported", "export_dicom"]

log = logging.getLogger(__name__)

_SEG_SERIES, _SR_SERIES = 9001, 9002
_DESCRIPTION = "lesiontrack export"


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomExport:
    """What to export.

    Attributes
    ----------
    study
        Study folder with the images; None: where the run found it, seen from the result folder.
    reports
        Whether each visit's report is written beside its segmentation.
    subjects
        Only these; empty: all.
    store
        Store what was written in the study's DICOMweb archive too.
    """

    out: Path
    to: Path
    study: Path | None = None
    reports: bool = False
    kind: SegKind = SegKind.BINARY
    subjects: tuple[str, ...] = ()
    store: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how many visits were refused."""

    files: tuple[Path, ...]
    refused: int


def export_dicom(request: DicomExport) -> Exported:
    """Write each visit's segmentation, and report, into ``to/<subject>/t<visit>_<date>/``, and a list of all.

    A visit that cannot be exported is named in the list with its reason, and in the log, and stops no other.

    Raises
    ------
    StudyError
        If there is no result folder, or the images cannot be found.
    """
    require_result(request.out)
    if request.to.is_dir() and any(request.to.iterdir()) and not (request.to / "export.json").is_file():
        raise StudyError(
            "the folder is not empty and holds no export of ours", file=str(request.to), expected="a new folder"
        )
    stored = request.out / "settings.toml"
    settings = load_settings(*([stored] if stored.is_file() else []))
    if request.store and not settings.archive.images.startswith("dicomweb+"):
        raise StudyError(
            "the study has no archive to store in",
            found=settings.archive.images or "a folder",
            expected="dicomweb+http",
        )
    tables = CohortTables(request.out)
    wanted = _wanted(request, tables)
    study = open_study(
        study_of_result(request.out, request.study),
        settings.archive,
        settings.labels,
        database=request.out / "catalogue.sqlite",
    )
    subjects = {subject.subject_id: subject for subject in study.subjects}
    files: list[Path] = []
    refused: list[dict[str, Any]] = []
    for subject_id in wanted:
        desk = _Desk(request, settings, tables.of(subject_id), subjects.get(subject_id))
        desk.export()
        files += desk.files
        refused += desk.refused
    names = sorted(str(file.relative_to(request.to)) for file in files)
    write_json(request.to / "export.json", {"files": names, "refused": refused})
    log.info("%d files written; visits refused: %d", len(files), len(refused))
    if request.store:
        log.info("%d files stored", store_back(settings.archive.images, files, settings.archive))
    return Exported(files=tuple(files), refused=len(refused))


def _wanted(request: DicomExport, tables: CohortTables) -> list[str]:
    unknown = sorted(set(request.subjects) - set(tables.subject_ids))
    if unknown:
        raise StudyError("no such subject in the result folder", subject_id=unknown[0])
    return [name for name in tables.subject_ids if not request.subjects or name in request.subjects]


class _Desk:
    """Exports one subject, visit by visit."""

    def __init__(
        self, request: DicomExport, settings: Settings, tables: SubjectTables, subject: Subject | None
    ) -> None:
        self._request = request
        self._settings = settings
        self._tables = tables
        scans = () if subject is None else (scan for visit in subject.visits for scan in visit.scans)
        self._held = {scan.series_uid: scan for scan in scans}
        self._drawn: dict[Key, list[Mask]] = {}
        self.files: list[Path] = []
        self.refused: list[dict[str, Any]] = []

    def export(self) -> None:
        """Write all usable visits."""
        subject_id = self._tables.subject_id
        try:
            self._drawn = drawn_masks(self._request.out, subject_id, self._settings)
        except LesiontrackError as error:
            self._refuse(error)
            return
        for visit in self._tables.usable_visits():
            timepoint = int(visit["timepoint"])
            folder = self._request.to / safe_name(subject_id) / f"t{timepoint:02d}_{visit['date']}"
            try:
                self._visit(visit, folder)
            except LesiontrackError as error:
                self._refuse(error, timepoint)

    def _refuse(self, error: LesiontrackError, timepoint: int | None = None) -> None:
        placed = error.at(subject_id=self._tables.subject_id)
        placed = placed if timepoint is None else placed.at(visit=str(timepoint))
        row = {"subject_id": self._tables.subject_id, "timepoint": timepoint, "error": type(error).__name__}
        self.refused.append({**row, "message": str(placed)})
        log.warning("%s", placed)

    def _visit(self, visit: Row, folder: Path) -> None:
        timepoint = int(visit["timepoint"])
        scans = self._scans(timepoint)
        seen: list[SeenScan] = []
        segmentations: list[Path] = []
        for number, scan in enumerate(scans, start=1):
            name = "seg.dcm" if len(scans) == 1 else f"seg{number}.dcm"
            one, written = self._scan(timepoint, scan, folder / name)
            seen.append(one)
            segmentations += written
            self.files += written
        if self._request.reports and seen:
            report = visit_report(self._tables, visit, seen)
            evidence = _evidence(report, seen, segmentations)
            self.files.append(write_visit_report(report, evidence, folder / "sr.dcm", series_number=_SR_SERIES))

    def _scans(self, timepoint: int) -> list[Scan]:
        """Return the scans that a visit was measured on, from the archive."""
        series = self._tables.measured_series(timepoint)
        lacking = [uid for uid in series if uid not in self._held]
        if lacking:
            raise StudyError("the archive does not hold this series", found=lacking[0], expected="the STUDY of the run")
        return [self._held[uid] for uid in series]

    def _scan(self, timepoint: int, scan: Scan, path: Path) -> tuple[SeenScan, list[Path]]:
        with at_hand(scan, self._settings.archive):
            return self._scan_at_hand(timepoint, scan, path)

    def _scan_at_hand(self, timepoint: int, scan: Scan, path: Path) -> tuple[SeenScan, list[Path]]:
        images = read_source_images(scan, self._settings.archive)
        results = subject_folder(self._request.out, self._tables.subject_id)
        masks = LesionMasks(
            maps=sorted(results.glob(f"lesions_t{timepoint:02d}*.nii.gz")),
            drawn={number: drawn for (visit, number), drawn in self._drawn.items() if visit == timepoint},
        )
        lesions = lesion_structures(self._tables, timepoint, images, scan.series_uid, masks)
        liver, zones = surroundings(scan, images, self._settings)
        structures = [*liver, *(structure for _, structure in lesions), *zones]
        if not structures:
            raise SegmentationError("nothing is marked in this scan", file=scan.files[0])
        writer = SegWriter(images, kind=self._request.kind, series_number=_SEG_SERIES, description=_DESCRIPTION)
        where, files = writer.write(structures, path)
        segments = {number: where[len(liver) + place] for place, (number, _) in enumerate(lesions)}
        return SeenScan(series_uid=scan.series_uid, images=images, segments=segments), files


def _evidence(report: VisitReport, seen: Sequence[SeenScan], segmentations: Sequence[Path]) -> list[Dataset]:
    """Return the headers of what a report refers to; at least the first image, which gives patient and study."""
    named = {lesion.image.sop_instance_uid for lesion in report.lesions if lesion.image is not None}
    images = [h for one in seen for h in one.images.headers if str(h.SOPInstanceUID) in named]
    written = [dcmread(path, stop_before_pixels=True) for path in segmentations]
    return [*(images or [seen[0].images.headers[0]]), *written]
