"""Which visit belongs to which part of the trial (mission, "two phases"; contract, section 3, ``timepoints.phase``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lesiontrack.domain.study import Subject

__all__ = ["Phases", "split_phases"]

_BOTH, _INDUCTION, _STUDY = "BOTH", "INDUCTION", "STUDY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """The two baselines and the visits of each phase, baseline included.

    Attributes
    ----------
    labels
        Timepoint -> ``INDUCTION``, ``STUDY`` or ``BOTH``; a visit that cannot be placed is not in it.
    induction, study
        Visits that can be judged, in time order, the baseline first; empty without a baseline.
    missing
        What cannot be told, and why.
    """

    labels: Mapping[int, str]
    induction: tuple[int, ...]
    study: tuple[int, ...]
    missing: tuple[str, ...] = ()

    @property
    def induction_baseline(self) -> int | None:
        """The first usable visit, when it is not after treatment start."""
        return self.induction[0] if self.induction else None

    @property
    def study_baseline(self) -> int | None:
        """The last usable visit on or before treatment start."""
        return self.study[0] if self.study else None


def split_phases(subject: Subject, read_visits: frozenset[int] = frozenset()) -> Phases:
    """Split a subject's visits at treatment start.

    The study baseline is the last usable visit on or before ``treatment_start_date`` and belongs to both phases; the
    induction baseline is the first usable visit. Without a treatment start no visit is placed: all that can be said is
    how the later visits compare with the first. Without a usable visit on or before it there is no baseline.

    Parameters
    ----------
    read_visits
        Visits without a usable volume of which a reader says something: judged, but never a baseline.
    """
    usable = [visit for visit in subject.visits if visit.usable]
    judged = [visit.timepoint for visit in subject.visits if visit.usable or visit.timepoint in read_visits]
    start = subject.clinical.treatment_start_date if subject.clinical else None
    if start is None:
        why = "no clinical row" if subject.clinical is None else "no treatment_start_date"
        first = usable[0].timepoint if usable else None
        induction = tuple(t for t in judged if first is not None and t >= first)
        missing = (f"{why}: study phase, disease control and phases of visits cannot be told",)
        return Phases(labels={}, induction=induction, study=(), missing=missing)
    before = [visit.timepoint for visit in usable if visit.date <= start]
    if not before:
        labels = {v.timepoint: _INDUCTION if v.date <= start else _STUDY for v in subject.visits}
        missing = ("no usable scan on or before treatment start: no baseline",)
        return Phases(labels=labels, induction=(), study=(), missing=missing)
    baseline = before[-1]
    labels = {
        v.timepoint: _BOTH if v.timepoint == baseline else _INDUCTION if v.timepoint < baseline else _STUDY
        for v in subject.visits
    }
    return Phases(
        labels=labels,
        induction=tuple(t for t in judged if before[0] <= t <= baseline),
        study=tuple(t for t in judged if t >= baseline),
    )
