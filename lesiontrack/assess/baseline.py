"""What is wrong with a baseline: the subject is judged nevertheless (response rules, sections 2, 3 and 4, note f)."""

from __future__ import annotations

from collections.abc import Iterable

from lesiontrack.assess.measurability import LesionKind, Verdict, judge_measurability
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.assess.sums import TargetSum, add_up
from lesiontrack.domain.outcome import Query
from lesiontrack.domain.reads import Reads

__all__ = ["baseline_queries"]


def baseline_queries(reads: Reads, settings: AssessSettings) -> tuple[Query, ...]:
    """Return what a reader or data manager must look at in the baseline."""
    total = add_up(reads.baseline, {x.lesion_id: x for x in reads.targets}, settings)
    return (*_without_value(reads, total), *_timing(reads, settings), *_choice(reads, total, settings))


def _without_value(reads: Reads, total: TargetSum) -> Iterable[Query]:
    """Section 4, note f: an incomplete baseline leaves nothing to compare with."""
    if total.missing:
        text = f"target without a baseline value at visit {reads.baseline.date.isoformat()}: no sum can be compared"
        yield Query(
            code="TARGET_WITHOUT_BASELINE",
            severity="DATA_ERROR",
            text=text,
            timepoint=reads.baseline.timepoint,
            lesions=total.missing,
        )


def _timing(reads: Reads, settings: AssessSettings) -> Iterable[Query]:
    """Section 3: the last scan before treatment start, and not too old."""
    baseline = reads.baseline
    if reads.treatment_start is None:
        text = "no treatment start: durations count from the baseline"
        yield Query(code="NO_TREATMENT_START", severity="DATA_ERROR", text=text)
        return
    days = (reads.treatment_start - baseline.date).days
    if days < 0:
        text = f"baseline {-days} days after treatment start"
        yield Query(code="BASELINE_AFTER_START", severity="DATA_ERROR", text=text, timepoint=baseline.timepoint)
    elif days > settings.baseline_max_age_days:
        text = f"baseline {days} days before treatment start, more than {settings.baseline_max_age_days}"
        yield Query(code="BASELINE_TOO_OLD", text=text, timepoint=baseline.timepoint)


def _choice(reads: Reads, total: TargetSum, settings: AssessSettings) -> Iterable[Query]:
    """Sections 2 and 3: targets that are too small to be one, and more of them than RECIST allows.

    Slice thickness and modality are not known here; what images say of a lesion was judged when it was measured.
    """
    timepoint = reads.baseline.timepoint
    for value in total.values:
        kind = LesionKind.NODE if value.node else LesionKind.SOLID
        found = judge_measurability(value.mm, settings, kind=kind)
        if found.verdict in (Verdict.NON_MEASURABLE, Verdict.NORMAL):
            text = f"target that is not measurable at the baseline: {found.reason}"
            yield Query(code="TARGET_NOT_MEASURABLE", text=text, timepoint=timepoint, lesions=value.lesions)
    names = tuple(lesion.lesion_id for lesion in reads.targets)
    if len(names) > settings.max_targets:
        text = f"{len(names)} targets, more than {settings.max_targets}"
        yield Query(code="TOO_MANY_TARGETS", text=text, timepoint=timepoint, lesions=names)
    for organ in sorted({lesion.organ for lesion in reads.targets}):
        there = tuple(lesion.lesion_id for lesion in reads.targets if lesion.organ == organ)
        if len(there) > settings.max_targets_per_organ:
            text = f"{len(there)} targets in {organ}, more than {settings.max_targets_per_organ}"
            yield Query(code="TOO_MANY_TARGETS_IN_ORGAN", text=text, timepoint=timepoint, lesions=there)
