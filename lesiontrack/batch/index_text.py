"""What ``lesiontrack index`` prints: subjects, visits and series; then what was left out, by reason; then problems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from lesiontrack.domain.rivals import preference
from lesiontrack.domain.study import Scan, Subject
from lesiontrack.io.catalogue import Catalogue, Notice
from lesiontrack.io.settings import ArchiveSettings

__all__ = ["catalogue_text"]


def catalogue_text(catalogue: Catalogue, settings: ArchiveSettings) -> str:
    """Return the catalogue for people. Files are named from the archive's root; files.json has each one."""
    ignored, refused = (sum(n.files for n in part) for part in (catalogue.ignored, catalogue.refused))
    counts = f"{catalogue.files} files, {catalogue.fresh} opened, {ignored} ignored, {refused} refused"
    lines = [f"{counts}; {len(catalogue.subjects)} subjects, {len(catalogue.failures)} problems"]
    for subject in catalogue.subjects:
        lines += _subject_lines(subject, settings)
    lines += _notice_lines("ignored", catalogue.ignored, catalogue.root)
    lines += _notice_lines("refused", catalogue.refused, catalogue.root)
    lines += [f"label map without [labels]: {_short(name, catalogue.root)}" for name in catalogue.needs_labels]
    lines += [f"content changed behind an unchanged size and time: {name}" for name in catalogue.changed]
    lines += [f"problem: {problem.message.replace(f'{catalogue.root}/', '')}" for problem in catalogue.failures]
    return "\n".join(lines)


def _subject_lines(subject: Subject, settings: ArchiveSettings) -> Iterator[str]:
    yield f"subject {subject.subject_id}: {len(subject.visits)} visits"
    patterns = [str(pattern) for pattern in settings.series_preference]
    baseline: str | None = None
    for visit in subject.visits:
        state = "" if visit.usable else f"  UNUSABLE: {visit.problem}"
        yield f"  visit {visit.timepoint}  {visit.date.isoformat()}{state}"
        rivals = sorted(visit.measured_scans, key=lambda scan: preference(scan, patterns, baseline_modality=baseline))
        if rivals and baseline is None:
            baseline = rivals[0].modality
        for scan in visit.scans:
            yield from _scan_lines(scan, rivals, told=visit.problem)


def _scan_lines(scan: Scan, rivals: Sequence[Scan], *, told: str) -> Iterator[str]:
    shape = "x".join(str(n) for n in scan.grid.shape[::-1]) if scan.grid is not None else "no grid"
    thickness = f" {scan.slice_thickness_mm:g} mm" if scan.slice_thickness_mm else ""
    marks = "measured" if scan.measured else "not measured"
    if len(rivals) > 1 and scan in rivals:
        # Of several that show liver lesions one is measured; which, is said here and can be set.
        marks = f"measured, choice {rivals.index(scan) + 1} of {len(rivals)}"
    problem = f"  {scan.problem}" if scan.problem and scan.problem != told else ""
    yield f"    {scan.modality} {scan.phase_of_contrast or '-'} {shape}{thickness} {marks} {scan.series_uid}{problem}"
    for note in scan.notes:
        yield f"      note: {note}"


def _notice_lines(state: str, notices: Sequence[Notice], root: str) -> Iterator[str]:
    """Yield one line for each folder and reason: a folder of a thousand such files is one line."""
    alike: dict[tuple[str, str], list[Notice]] = defaultdict(list)
    for notice in notices:
        alike[(str(PurePath(notice.file).parent), notice.reason)].append(notice)
    for (_, reason), group in alike.items():
        count = sum(notice.files for notice in group)
        more = f" and {count - 1} more" if count > 1 else ""
        yield f"{state}: {_short(group[0].file or group[0].series_uid, root)}{more}: {reason}"


def _short(name: str, root: str) -> str:
    return name.removeprefix(f"{root}/")
