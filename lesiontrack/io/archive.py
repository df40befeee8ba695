"""An archive to subjects, visits and scans: from headers alone, every file accounted for."""

from __future__ import annotations

import datetime as dt
import filecmp
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lesiontrack import __version__
from lesiontrack.domain.study import ClinicalFacts, Scan, Subject, Visit
from lesiontrack.errors import ArchiveError, GeometryError, LesiontrackError, SegmentationError, StudyError
from lesiontrack.io.attach import Content, VolumeKey, contents_of, free_of_rivals, target_volume, volume_beside
from lesiontrack.io.catalogue import (
    Catalogue,
    Found,
    Notice,
    Problem,
    Progress,
    Reading,
    read_files,
    remember,
    remembered,
    walk,
)
from lesiontrack.io.dicom import same_pixels
from lesiontrack.io.dicomweb import DicomwebAddress, open_server
from lesiontrack.io.headers import Header
from lesiontrack.io.label_map import is_single_mask
from lesiontrack.io.nifti import image_name, read_grid
from lesiontrack.io.phases import phase_of_contrast, regions_of
from lesiontrack.io.remembered import catalogue_from_text, catalogue_to_text
from lesiontrack.io.series import NotAVolumeError, SameContent, Stack, stacks_of
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.visits import group_into_visits, treatment_dates, visit_of

__all__ = ["index"]

_NO_CLINICAL: Mapping[str, ClinicalFacts] = {}
_SEGMENTATIONS = frozenset({"segmentation", "structures"})


def index(
    root: Path | DicomwebAddress,
    settings: ArchiveSettings,
    *,
    labels: LabelSettings | None = None,
    clinical: Mapping[str, ClinicalFacts] = _NO_CLINICAL,
    database: Path | None = None,
    verify: bool = False,
    progress: Progress | None = None,
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
        return _catalogue(root.name, reading, _Desk(settings=settings, labels=labels, same_content=there), clinical)
    if not root.is_dir():
        raise StudyError("the archive is no folder", file=str(root))
    found = walk(root)
    stamp = _stamp(root, found, settings, labels, clinical)
    kept = None if verify else remembered(database, stamp)
    if kept is not None:
        if progress:
            progress(len(found), len(found))
        return catalogue_from_text(kept)
    reading = read_files(root, found, database=database, verify=verify, progress=progress)
    catalogue = _catalogue(str(root), reading, _Desk(settings=settings, labels=labels), clinical)
    remember(database, stamp, catalogue_to_text(catalogue))
    return catalogue


def _catalogue(root: str, reading: Reading, desk: _Desk, clinical: Mapping[str, ClinicalFacts]) -> Catalogue:
    """Sort what was read into subjects and account for the rest."""
    desk.failures += reading.failures
    for header in reading.headers:
        desk.sort(header)
    desk.settle_identities()
    subjects = [desk.subject(subject_id, clinical.get(subject_id)) for subject_id in sorted(desk.by_subject)]
    return Catalogue(
        root=root,
        subjects=tuple(subject for subject in subjects if subject is not None),
        ignored=tuple(desk.ignored),
        refused=tuple(desk.refused),
        failures=tuple(desk.failures),
        notes=tuple(desk.notes),
        files=len(reading.headers),
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


@dataclass(slots=True)
class _Series:
    """One volume on its way to a scan, with what a segmentation may reference of it."""

    scan: Scan
    key: VolumeKey
    study_uid: str


@dataclass(slots=True)
class _Desk:
    """Sorts headers into subjects and keeps account of everything that is not used."""

    settings: ArchiveSettings
    labels: LabelSettings
    same_content: SameContent = same_pixels
    by_subject: dict[str, list[Header]] = field(default_factory=lambda: defaultdict(list))
    ignored: list[Notice] = field(default_factory=list)
    refused: list[Notice] = field(default_factory=list)
    failures: list[Problem] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    needs_labels: list[str] = field(default_factory=list)

    def sort(self, header: Header) -> None:
        """Put one file where it belongs."""
        if header.kind == "foreign":
            self._ignore(header, "neither DICOM nor NIfTI, NRRD or MHA")
        elif header.problem and not (header.subject_id and header.date):
            self._refuse(header, header.problem)
        elif header.kind == "other" or (header.kind == "image" and header.modality not in ("CT", "MR")):
            what = f"modality {header.modality}" if header.modality else "no modality"
            self._ignore(header, f"no CT or MR image ({what})")
        elif not header.subject_id:
            self._refuse(header, "no PatientID: the subject is not known")
        elif header.kind in ("image", "volume") and not header.date:
            self._refuse(header, "no date")
        else:
            if header.kind == "label map" and not self.labels.is_set:
                self.needs_labels.append(header.path)
            self.by_subject[header.subject_id].append(header)

    def settle_identities(self) -> None:
        """Refuse subjects whose id stands for more than one person."""
        for subject_id in list(self.by_subject):
            reason = _contradiction(self.by_subject[subject_id])
            if not reason:
                continue
            for header in self.by_subject.pop(subject_id):
                self._refuse(header, reason)
            contradiction = StudyError(reason, subject_id=subject_id)
            self.failures.append(Problem.of(contradiction, subject_id=subject_id, stage="index"))

    def subject(self, subject_id: str, clinical: ClinicalFacts | None) -> Subject | None:
        """Assemble one subject; None when nothing of it is a volume, or its archive does not hand out what is asked."""
        try:
            series = self._volumes(subject_id)
        except ArchiveError as error:
            self.failures.append(Problem.of(error.at(subject_id=subject_id), subject_id=subject_id, stage="index"))
            return None
        stray = self._attach(subject_id, series)
        if not series:
            self._subject_without_volume(subject_id, stray)
            return None
        groups = group_into_visits(
            [one.scan for one in series],
            window_days=self.settings.visit_window_days,
            barriers=treatment_dates(clinical),
        )
        visits = tuple(visit_of(number, scans) for number, scans in enumerate(groups))
        self._account(subject_id, visits, stray, series)
        return Subject(subject_id=subject_id, visits=visits)

    def _subject_without_volume(self, subject_id: str, stray: Sequence[tuple[Header, SegmentationError]]) -> None:
        for header, error in stray:
            self._refuse(header, error.message)
        empty = StudyError("no volume in the archive", subject_id=subject_id)
        self.failures.append(Problem.of(empty, subject_id=subject_id, stage="index"))

    def _volumes(self, subject_id: str) -> list[_Series]:
        headers = self.by_subject[subject_id]
        series: dict[str, list[Header]] = defaultdict(list)
        for header in headers:
            if header.kind == "image":
                series[header.series_uid].append(header)
        out = [one for uid in sorted(series) for one in self._series(uid, series[uid])]
        out += [self._volume_file(header) for header in headers if header.kind == "volume"]
        return out

    def _series(self, series_uid: str, headers: list[Header]) -> list[_Series]:
        """Return the volumes of one series; a refused series is one unusable scan, an ignored one none."""
        first = min(headers, key=lambda header: header.path)
        if not series_uid:
            for header in headers:
                self._refuse(header, "no series instance UID")
            return []
        for header in headers:
            if header.problem:
                self._notice(self.refused, header, header.problem, len(headers))
                return [_series_of(header, headers, None, header.problem)]
        try:
            if len({header.modality for header in headers}) > 1:
                raise GeometryError("mixed modalities in one series")
            planes = [plane for header in headers for plane in header.planes]
            stacks = stacks_of(planes, self.settings, self.same_content)
        except NotAVolumeError as error:
            self._notice(self.ignored, first, str(error), len(headers))
            return []
        except GeometryError as error:
            self._notice(self.refused, first, str(error), len(headers))
            return [_series_of(first, headers, None, str(error))]
        for stack in stacks:
            self.notes += [(_volume_id(series_uid, stack), note) for note in stack.notes]
        return [_series_of(first, headers, stack, "") for stack in stacks]

    def _volume_file(self, header: Header) -> _Series:
        problem, grid = header.problem, None
        if problem:
            self._notice(self.refused, header, problem)
        else:
            grid = read_grid(header)
        modality = header.modality if self.settings.modality == "auto" else self.settings.modality
        scan = Scan(
            series_uid=header.series_uid,
            date=dt.date.fromisoformat(header.date),
            modality=modality,
            phase_of_contrast=phase_of_contrast(image_name(Path(header.path))[0]),
            slice_thickness_mm=header.slice_thickness_mm,
            grid=grid,
            files=(header.path,),
            usable=not problem,
            problem=problem,
        )
        return _Series(
            scan=scan,
            key=VolumeKey(series_uid=header.series_uid, volume_id=header.series_uid, sop_instance_uids=frozenset()),
            study_uid="",
        )

    def _attach(self, subject_id: str, series: list[_Series]) -> list[tuple[Header, SegmentationError]]:
        """Give each volume its segmentations; return those that belong to none or cannot be used."""
        stray: list[tuple[Header, SegmentationError]] = []
        wanted: dict[str, dict[str, tuple[Header, frozenset[Content]]]] = defaultdict(dict)
        seen: dict[str, Header] = {}
        for header in sorted(self.by_subject[subject_id], key=lambda header: header.path):
            if header.kind not in _SEGMENTATIONS and header.kind != "label map":
                continue
            if is_single_mask(header) and not header.problem and not contents_of(header, self.labels):
                self._ignore(header, "[labels] does not name this structure")
                continue
            if header.kind != "label map" and _same_file(seen.setdefault(header.sop_instance_uid, header), header):
                self._ignore(header, "a second copy of a segmentation")
                continue
            volume = None
            try:
                if header.kind == "label map":
                    volume = volume_beside(header, [one.scan for one in series])
                else:
                    volume = target_volume(header, [one.key for one in series]).volume_id
                if header.problem:
                    raise SegmentationError(header.problem, file=header.path)
                wanted[volume][header.path] = (header, contents_of(header, self.labels))
            except SegmentationError as error:
                stray.append((header, error))
                for one in series:
                    if one.scan.series_uid == volume and not one.scan.problem:
                        one.scan = replace(one.scan, problem=error.message)
        for one in series:
            self._give(one, wanted.get(one.scan.series_uid, {}), subject_id)
        return stray

    def _give(self, one: _Series, found: Mapping[str, tuple[Header, frozenset[Content]]], subject_id: str) -> None:
        if not found:
            return
        try:
            files = free_of_rivals(found, self.settings)
        except SegmentationError as error:
            one.scan = replace(one.scan, problem=error.message)
            for header, _ in found.values():
                self._refuse(header, error.message)
            self.failures.append(Problem.of(error, subject_id=subject_id, stage="segmentation", date=one.scan.date))
            return
        problem = one.scan.problem if not one.scan.usable else ""
        one.scan = replace(one.scan, segmentation_files=files, measured=one.scan.usable, problem=problem)

    def _account(
        self,
        subject_id: str,
        visits: Sequence[Visit],
        stray: Sequence[tuple[Header, SegmentationError]],
        series: Sequence[_Series],
    ) -> None:
        """Write the failures of a subject: refused series, stray segmentations, visits that cannot be used."""
        study_dates = {one.study_uid: one.scan.date for one in series if one.study_uid}
        named: set[dt.date] = {
            problem.date for problem in self.failures if problem.date and problem.subject_id == subject_id
        }
        for header, error in stray:
            self._refuse(header, error.message)
            date = study_dates.get(header.study_uid) or (dt.date.fromisoformat(header.date) if header.date else None)
            self._fail(error.at(subject_id=subject_id, file=header.path), "segmentation", visits, date)
            named |= {date} if date else set()
        for visit in visits:
            dates = {scan.date for scan in visit.scans}
            for scan in visit.scans:
                if not scan.usable:
                    file = scan.files[0] if scan.files else None
                    bad = GeometryError(scan.problem, subject_id=subject_id, visit=str(scan.date), file=file)
                    self._fail(bad, "read", visits, scan.date)
                    named.add(scan.date)
            if not visit.usable and not dates & named:
                problem = SegmentationError(visit.problem, subject_id=subject_id, visit=str(visit.date))
                self._fail(problem, "segmentation", visits, visit.date)
        self.failures[:] = [_with_timepoint(problem, subject_id, visits) for problem in self.failures]

    def _fail(self, error: LesiontrackError, stage: str, visits: Sequence[Visit], date: dt.date | None) -> None:
        visit = _visit_on(date, visits)
        severity = "WARNING" if visit is not None and visit.usable else "ERROR"
        problem = Problem.of(error, subject_id=error.subject_id or "", stage=stage, date=date, severity=severity)
        self.failures.append(problem)

    def _ignore(self, header: Header, reason: str) -> None:
        self._notice(self.ignored, header, reason)

    def _refuse(self, header: Header, reason: str) -> None:
        self._notice(self.refused, header, reason)

    def _notice(self, where: list[Notice], header: Header, reason: str, files: int = 1) -> None:
        where.append(
            Notice(
                file=header.path,
                reason=reason,
                subject_id=header.subject_id,
                series_uid=header.series_uid,
                files=files,
            )
        )


def _contradiction(headers: Sequence[Header]) -> str:
    """Say why the files of one id cannot be one person's; empty when they can."""
    issuers = {header.issuer for header in headers if header.issuer}
    if len(issuers) > 1:
        return f"one PatientID from {len(issuers)} issuers"
    for place, name in enumerate(("name", "birth date", "sex")):
        found = {header.identity[place] for header in headers if header.identity and header.identity[place]}
        if len(found) > 1:
            return f"one PatientID with {len(found)} different values of the patient's {name}"
    return ""


def _same_file(one: Header, other: Header) -> bool:
    """Tell whether two different files have equal bytes."""
    return one.path != other.path and filecmp.cmp(one.path, other.path, shallow=False)


def _volume_id(series_uid: str, stack: Stack) -> str:
    return f"{series_uid}#{stack.part}" if stack.part else series_uid


def _series_of(first: Header, headers: Sequence[Header], stack: Stack | None, problem: str) -> _Series:
    """Build the scan of one volume; without a stack it is unusable and says why."""
    files: tuple[str, ...]
    if stack is None:
        volume_id, files = first.series_uid, tuple(sorted(header.path for header in headers))
        instances = frozenset(header.sop_instance_uid for header in headers)
    else:
        volume_id = _volume_id(first.series_uid, stack)
        files = tuple(dict.fromkeys(plane.file for plane in stack.planes))
        instances = frozenset(plane.sop_instance_uid for plane in stack.planes)
    of_files = [header for header in headers if header.path in set(files)]
    scan = Scan(
        series_uid=volume_id,
        date=min(dt.date.fromisoformat(header.date) for header in headers),
        modality=first.modality,
        phase_of_contrast=phase_of_contrast(first.phase_text),
        regions=regions_of(first.body_part),
        slice_thickness_mm=next((h.slice_thickness_mm for h in of_files if h.slice_thickness_mm), None),
        grid=stack.grid if stack else None,
        files=files,
        usable=stack is not None,
        problem=problem,
        notes=stack.notes if stack else (),
    )
    key = VolumeKey(series_uid=first.series_uid, volume_id=volume_id, sop_instance_uids=instances)
    return _Series(scan=scan, key=key, study_uid=first.study_uid)


def _visit_on(date: dt.date | None, visits: Sequence[Visit]) -> Visit | None:
    for visit in visits:
        if date is not None and any(scan.date == date for scan in visit.scans):
            return visit
    return None


def _with_timepoint(problem: Problem, subject_id: str, visits: Sequence[Visit]) -> Problem:
    if problem.subject_id != subject_id or problem.timepoint is not None:
        return problem
    visit = _visit_on(problem.date, visits)
    return replace(problem, timepoint=visit.timepoint) if visit is not None else problem
