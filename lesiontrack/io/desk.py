"""The desk: one subject's headers to volumes, segmentations and visits, with an account of everything else."""

from __future__ import annotations

import datetime as dt
import filecmp
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from lesiontrack.domain.problem import Problem
from lesiontrack.domain.study import ClinicalFacts, Subject, Visit
from lesiontrack.errors import ArchiveError, GeometryError, LesiontrackError, SegmentationError, StudyError
from lesiontrack.io.attach import Content, contents_of, free_of_rivals, target_volume, volume_beside
from lesiontrack.io.candidates import Candidate, of_series, of_volume_file, volume_name
from lesiontrack.io.catalogue import Notice
from lesiontrack.io.headers import Header
from lesiontrack.io.label_map import is_single_mask
from lesiontrack.io.series import NotAVolumeError, SameContent, Stack, stacks_of
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.visits import NO_SEGMENTATION, visits_of

__all__ = ["Desk"]

_SEGMENTATIONS = frozenset({"segmentation", "structures", "label map"})

Stray = tuple[Header, SegmentationError]
"""A segmentation that cannot be used, and why."""

Rivals = tuple[dt.date, SegmentationError]
"""The date of a volume that rival segmentations claim, and which they are."""


@dataclass(slots=True)
class Desk:
    """Takes the headers of one subject after another, and keeps account of everything that is not used.

    Attributes
    ----------
    same_pixels
        Tells whether two planes have equal pixels.
    """

    settings: ArchiveSettings
    labels: LabelSettings
    same_pixels: SameContent
    ignored: list[Notice] = field(default_factory=list)
    refused: list[Notice] = field(default_factory=list)
    failures: list[Problem] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    needs_labels: list[str] = field(default_factory=list)

    def subject(self, subject_id: str, headers: Iterable[Header], clinical: ClinicalFacts | None) -> Subject | None:
        """Assemble one subject; None when nothing of it is a volume, or its archive does not hand out what is asked."""
        reported: set[str] = set()
        kept = [header for header in headers if self._is_of_use(header, reported)]
        if not kept:
            return None
        reason = _contradiction(kept)
        if reason:
            for header in kept:
                self._refuse(header, reason)
            self._fail(StudyError(reason, subject_id=subject_id), "index")
            return None
        try:
            series = self._volumes(kept)
        except ArchiveError as silence:
            self._fail(silence.at(subject_id=subject_id), "index")
            return None
        stray, rivals = self._attach(kept, series)
        if not series:
            for header, error in stray:
                self._refuse(header, error.message)
            self._fail(StudyError("no volume in the archive", subject_id=subject_id), "index")
            return None
        visits = _beside_reports(visits_of([one.scan for one in series], self.settings, clinical), kept, reported)
        self._account(subject_id, visits, series, stray, rivals)
        return Subject(subject_id=subject_id, visits=visits)

    def _is_of_use(self, header: Header, reported: set[str]) -> bool:
        """Keep a file, or put it on the list where it belongs; ``reported`` gets the study of a measurement report."""
        if header.kind == "foreign":
            self._ignore(header, "neither DICOM nor NIfTI, NRRD or MHA")
        elif header.problem and not (header.subject_id and header.date):
            self._refuse(header, header.problem)
        elif header.kind == "report":
            reported.add(header.study_uid)
            tracked = sum(bool(content[5]) for content in header.contents)
            self._ignore(
                header,
                f"a measurement report (findings: {len(header.contents)}, with a tracking UID: {tracked}): lesions are "
                "measured from segmentations, and what was read without one enters by the table findings",
            )
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
            return True
        return False

    def _volumes(self, headers: Sequence[Header]) -> list[Candidate]:
        series: dict[str, list[Header]] = defaultdict(list)
        for header in headers:
            if header.kind == "image":
                series[header.series_uid].append(header)
        out = [one for uid in sorted(series) for one in self._series(uid, series[uid])]
        for header in headers:
            if header.kind == "volume":
                if header.problem:
                    self._refuse(header, header.problem)
                out.append(of_volume_file(header, self.settings.modality))
        return out

    def _series(self, series_uid: str, headers: list[Header]) -> list[Candidate]:
        """Return the volumes of one series; a refused series is one unusable scan, an ignored one none."""
        first = min(headers, key=lambda header: header.path)
        if not series_uid:
            for header in headers:
                self._refuse(header, "no series instance UID")
            return []
        for header in headers:
            if header.problem:
                self._refuse(header, header.problem, headers)
                return [of_series(header, headers, None, header.problem)]
        try:
            _require_one_origin(headers)
            planes = [plane for header in headers for plane in header.planes]
            stacks = stacks_of(planes, self.settings, self.same_pixels)
            _require_one_frame_of_reference(headers, stacks)
        except NotAVolumeError as error:
            self._ignore(first, str(error), headers)
            return []
        except GeometryError as error:
            self._refuse(first, str(error), headers)
            # One for each study that the series claims to be of, so that each of its visits knows.
            parts = [[one for one in headers if one.study_uid == uid] for uid in sorted({h.study_uid for h in headers})]
            return [of_series(part[0], part, None, str(error)) for part in parts]
        for stack in stacks:
            self.notes += [(volume_name(series_uid, stack), note) for note in stack.notes]
        used = {plane.file for stack in stacks for plane in stack.planes}
        left_out = [header for header in headers if header.path not in used]
        if left_out:
            self._ignore(left_out[0], "; ".join(note for note in stacks[0].notes if "dropped" in note), left_out)
        return [of_series(first, headers, stack, "") for stack in stacks]

    def _attach(self, headers: Sequence[Header], series: list[Candidate]) -> tuple[list[Stray], list[Rivals]]:
        """Give each volume its segmentations; return those that belong to none or cannot be used, and rivals."""
        stray: list[Stray] = []
        wanted: dict[str, dict[str, tuple[Header, frozenset[Content]]]] = defaultdict(dict)
        for header in self._segmentations(headers):
            volume = None
            try:
                if header.kind == "label map":
                    volume, note = volume_beside(header, [one.scan for one in series], self.settings)
                    if note:
                        self._remark(series, volume, note)
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
        rivals = [self._give(one, wanted[one.scan.series_uid]) for one in series if one.scan.series_uid in wanted]
        return stray, [found for found in rivals if found is not None]

    def _remark(self, series: Sequence[Candidate], volume: str, note: str) -> None:
        """Keep what was decided about a volume with it."""
        self.notes.append((volume, note))
        for one in series:
            if one.scan.series_uid == volume and note not in one.scan.notes:
                one.scan = replace(one.scan, notes=(*one.scan.notes, note))

    def _segmentations(self, headers: Sequence[Header]) -> Iterator[Header]:
        """Yield the segmentations in order of path; second copies and masks of no interest are ignored."""
        seen: dict[str, Header] = {}
        for header in sorted(headers, key=lambda header: header.path):
            if header.kind not in _SEGMENTATIONS:
                continue
            if is_single_mask(header) and not header.problem and not contents_of(header, self.labels):
                self._ignore(header, "[labels] does not name this structure")
                continue
            if header.kind != "label map":
                first = seen.setdefault(header.sop_instance_uid, header)
                if first is not header and filecmp.cmp(first.path, header.path, shallow=False):
                    self._ignore(header, "a second copy of a segmentation")
                    continue
            yield header

    def _give(self, one: Candidate, found: Mapping[str, tuple[Header, frozenset[Content]]]) -> Rivals | None:
        """Give a volume its segmentations, or none of them when they are rivals."""
        try:
            files = free_of_rivals(found, self.settings)
        except SegmentationError as error:
            one.scan = replace(one.scan, problem=error.message)
            for header, _ in found.values():
                self._refuse(header, error.message)
            return (one.scan.date, error)
        problem = one.scan.problem if not one.scan.usable else ""
        one.scan = replace(one.scan, segmentation_files=files, measured=one.scan.usable, problem=problem)
        return None

    def _account(
        self,
        subject_id: str,
        visits: Sequence[Visit],
        series: Sequence[Candidate],
        stray: Sequence[Stray],
        rivals: Sequence[Rivals],
    ) -> None:
        """Write the failures of a subject: rivals, stray segmentations, refused series, visits that cannot be used."""
        study_dates = {one.study_uid: one.scan.date for one in series if one.study_uid}
        named: set[dt.date | None] = set()

        def fail(error: LesiontrackError, stage: str, date: dt.date | None) -> None:
            named.add(date)
            self._fail(error.at(subject_id=subject_id), stage, date, _visit_on(date, visits))

        for date, rivalry in rivals:
            fail(rivalry, "segmentation", date)
        for header, error in stray:
            self._refuse(header, error.message)
            own = dt.date.fromisoformat(header.date) if header.date else None
            fail(error.at(file=header.path), "segmentation", study_dates.get(header.study_uid) or own)
        for visit in visits:
            for scan in visit.scans:
                if not scan.usable:
                    file = scan.files[0] if scan.files else None
                    fail(GeometryError(scan.problem, visit=str(scan.date), file=file), "read", scan.date)
            if not visit.usable and not {scan.date for scan in visit.scans} & named:
                fail(SegmentationError(visit.problem, visit=str(visit.date)), "segmentation", visit.date)

    def _fail(
        self, error: LesiontrackError, stage: str, date: dt.date | None = None, visit: Visit | None = None
    ) -> None:
        self.failures.append(
            Problem.of(
                error,
                subject_id=error.subject_id,
                stage=stage,
                date=date,
                timepoint=visit.timepoint if visit is not None else None,
                severity="WARNING" if visit is not None and visit.usable else "ERROR",
            )
        )

    def _ignore(self, header: Header, reason: str, headers: Sequence[Header] = ()) -> None:
        self.ignored.append(_notice(header, reason, headers))

    def _refuse(self, header: Header, reason: str, headers: Sequence[Header] = ()) -> None:
        self.refused.append(_notice(header, reason, headers))


def _notice(header: Header, reason: str, headers: Sequence[Header]) -> Notice:
    """Return the notice of a file, and of others that share its fate."""
    return Notice(
        file=header.path,
        reason=reason,
        subject_id=header.subject_id,
        series_uid=header.series_uid,
        others=tuple(sorted(other.path for other in headers if other is not header)),
    )


def _require_one_origin(headers: Sequence[Header]) -> None:
    """Refuse a series of several studies, dates or modalities: its images do not belong together."""
    studies, modalities = {header.study_uid for header in headers}, {header.modality for header in headers}
    if len(studies) > 1:
        raise GeometryError(f"one series instance UID in {len(studies)} studies")
    if len(modalities) > 1:
        raise GeometryError("mixed modalities in one series", found=" and ".join(sorted(modalities)))
    days = sorted({dt.date.fromisoformat(header.date) for header in headers})
    # An examination may run past midnight.
    if (days[-1] - days[0]).days > 1:
        raise GeometryError("one series with dates apart", found=f"{days[0]} and {days[-1]}")


def _require_one_frame_of_reference(headers: Sequence[Header], stacks: Sequence[Stack]) -> None:
    """Refuse a volume of images whose positions are counted from different origins."""
    frames = {header.path: header.frame_of_reference_uid for header in headers}
    for stack in stacks:
        found = {frames[plane.file] for plane in stack.planes} - {""}
        if len(found) > 1:
            raise GeometryError(f"{len(found)} frames of reference in one volume")


def _beside_reports(visits: tuple[Visit, ...], headers: Sequence[Header], reported: Set[str]) -> tuple[Visit, ...]:
    """Say of a visit without a segmentation that its study holds a measurement report, which does not replace one."""
    series = {header.series_uid for header in headers if header.study_uid in reported}
    return tuple(
        replace(visit, problem=f"{visit.problem}; the measurement report of its study does not replace one")
        if visit.problem == NO_SEGMENTATION and any(scan.series_uid.partition("#")[0] in series for scan in visit.scans)
        else visit
        for visit in visits
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


def _visit_on(date: dt.date | None, visits: Sequence[Visit]) -> Visit | None:
    for visit in visits:
        if date is not None and any(scan.date == date for scan in visit.scans):
            return visit
    return None
