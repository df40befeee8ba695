"""CaseReading: what one reader says of one subject, as far as two readers can differ in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

__all__ = ["Cause", "Outcome", "ReadLesion", "ReadVisit", "CaseReading"]

PointLps = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One trigger of progression: its kind, the date that it alone would give, its compartments and lesions.

    ``first_timepoint`` is the visit at which its lesion was first seen.
    """

    kind: str
    date: dt.date
    first_timepoint: int
    compartments: tuple[str, ...] = ()
    lesions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVisit:
    """One visit of a reading under the rule set that feeds the endpoints.

    Attributes
    ----------
    phase
        ``INDUCTION`` or ``STUDY``.
    sum_mm, nadir_sum_mm, baseline_sum_mm
        None where there is none.
    """

    timepoint: int
    date: dt.date
    phase: str
    overall: str | None
    target: str | None = None
    non_target: str | None = None
    new_lesion: str | None = None
    sum_mm: Decimal | None = None
    nadir_sum_mm: Decimal | None = None
    baseline_sum_mm: Decimal | None = None
    causes: tuple[Cause, ...] = ()

    @property
    def essence(self) -> tuple[object, ...]:
        """What of a visit reaches a date: its category, and the kinds, dates and sites of its progression."""
        causes = sorted((cause.kind, cause.date.isoformat(), cause.compartments) for cause in self.causes)
        return (self.overall, self.new_lesion, tuple(causes))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLesion:
    """One lesion in one visit, as a reader left it.

    Attributes
    ----------
    length_mm
        The diameter that counts: the longest, of a node the short axis; None where nothing is measured.
    centroid_lps_mm
        In the scan's own patient coordinates, LPS mm; None where the place is not known.
    role
        In the study phase, or before it in the induction phase; None for a lesion without one.
    """

    timepoint: int
    lesion_id: int
    track_id: str | None
    site: str
    length_mm: Decimal | None
    series_uid: str = ""
    centroid_lps_mm: PointLps | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a reading says of progression in the study phase; ``site`` is None also where nothing explains it."""

    pd_date: dt.date | None = None
    pd_site: str | None = None
    first_hepatic_pd_date: dt.date | None = None
    first_extrahepatic_pd_date: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReading:
    """One subject as read by one reader.

    Attributes
    ----------
    visits
        After the baseline of their phase, by date.
    lesions
        Of all visits; empty for reads without images.
    targets
        Phase -> tracks that are targets.
    dates
        Timepoint -> date of every visit, baselines included.
    decisions
        (timepoint, lesion number) -> what the reader decided of that lesion, in words that name the decision.
    """

    subject_id: str
    reader: str
    visits: tuple[ReadVisit, ...]
    outcome: Outcome = field(default_factory=Outcome)
    lesions: tuple[ReadLesion, ...] = ()
    targets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    dates: Mapping[int, dt.date] = field(default_factory=dict)
    decisions: Mapping[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)

    def visit(self, date: dt.date) -> ReadVisit | None:
        """Return the visit of a date, None where the reader has none."""
        return next((visit for visit in self.visits if visit.date == date), None)

    def lesions_at(self, timepoint: int) -> tuple[ReadLesion, ...]:
        """Return the lesions of a visit."""
        return tuple(lesion for lesion in self.lesions if lesion.timepoint == timepoint)
