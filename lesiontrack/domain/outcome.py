"""Outcome: what a criterion says of reads, each category with the rule, the lesions and the numbers that made it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from lesiontrack.domain.lesion import Role
from lesiontrack.domain.reads import Phase
from lesiontrack.domain.study import Compartment

__all__ = [
    "Assessment",
    "Duration",
    "Eligibility",
    "ExploratoryPoint",
    "Judgement",
    "PhaseJudgement",
    "Query",
    "Reason",
    "Response",
    "Robustness",
    "RoleAssignment",
    "Trigger",
    "TriggerKind",
    "VisitResponse",
]


class Response(StrEnum):
    """Categories. NED and REBASELINE are no RECIST terms; NA is a component without lesions, never an overall one."""

    CR = "CR"
    PR = "PR"
    SD = "SD"
    PD = "PD"
    NE = "NE"
    NON_CR_NON_PD = "NON-CR/NON-PD"
    NED = "NED"
    REBASELINE = "REBASELINE"
    NA = "NA"


class TriggerKind(StrEnum):
    """What makes a visit a progression (response rules, section 9)."""

    LTP = "LTP"
    NEW = "NEW"
    NON_TARGET = "NON-TARGET"
    REAPPEARANCE = "REAPPEARANCE"
    TARGET = "TARGET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a component of a visit, or a date, is what it is.

    Attributes
    ----------
    rule
        Stable identifier, ``<component>.<rule>``, for example ``target.pd_sum``.
    section
        Section of RECIST 1.1 (Eisenhauer et al. 2009) or of the rule book that states it.
    outcome
        What it made: a category, a date, a site.
    text
        One sentence; names in braces stand for ``numbers``.
    lesions
        The lesions it rests on.
    numbers
        What was compared, name and exact value; lengths in mm.
    scans
        Dates, or series identifiers where known, of the scans it rests on.
    """

    rule: str
    section: str
    outcome: str
    text: str
    lesions: tuple[str, ...] = ()
    numbers: tuple[tuple[str, Decimal], ...] = ()
    scans: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it for a program: plain JSON values, decimals as text."""
        return {
            "rule": self.rule,
            "section": self.section,
            "outcome": self.outcome,
            "lesions": list(self.lesions),
            "numbers": {name: str(value) for name, value in self.numbers},
            "scans": list(self.scans),
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """Return it for a person."""
        of = f" [{', '.join(self.lesions)}]" if self.lesions else ""
        numbers = {name: format(value.normalize(), "f") for name, value in self.numbers}
        return f"{self.outcome}: {self.text.format(**numbers)}{of} ({self.section})."


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Something that a reader or data manager must look at; the engine decides nothing by it.

    ``code`` is stable, for example ``RESIDUAL_AFTER_NO_VIABLE``; ``severity`` is ``DATA_ERROR``, ``QUERY`` or ``NOTE``.
    """

    code: str
    text: str
    severity: str = "QUERY"
    timepoint: int | None = None
    lesions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "code": self.code,
            "severity": self.severity,
            "timepoint": self.timepoint,
            "lesions": list(self.lesions),
            "text": self.text,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One cause of progression at a visit, with its own site and date.

    Attributes
    ----------
    compartments
        One or both; empty when a sum progression is explained by normal nodes only.
    date
        The date that this cause alone would give the progression.
    first_timepoint
        Visit at which its lesion was first seen; before ``timepoint`` when an equivocal lesion is confirmed.
    treatment_phase
        Growth between treatment and re-baseline, which is progression only where the settings say so.
    """

    kind: TriggerKind
    timepoint: int
    date: dt.date
    compartments: tuple[Compartment, ...]
    lesions: tuple[str, ...]
    first_timepoint: int
    treatment_phase: bool = False
    scans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitResponse:
    """One visit after the baseline under one rule set.

    Attributes
    ----------
    sum_mm
        The sum of diameters; the known part at a partial-sum progression, None when otherwise incomplete. At a
        re-baseline visit the sum of the untreated targets: the new baseline.
    baseline_sum_mm, nadir_sum_mm
        In force at this visit; the nadir is that of earlier visits, baseline included.
    nadir_timepoint
        The earliest visit with that nadir.
    new_lesion
        ``YES``, ``EQUIVOCAL`` or ``NO``.
    post_pd
        After the first progression: judged from its own entries, left out of best overall response.
    treatment_phase
        Between the first local treatment and the re-baseline, that visit included.
    triggers
        Why it is PD; empty when it is not.
    treatment_phase_growth
        Growth of untreated lesions in the treatment phase that would be progression if the settings said so.
    site_status
        Status of each treated site, lesion and code.
    new_or_unequivocal
        Progression by a new lesion, unequivocal non-target progression or local tumour progression: the reading that
        is the same in both arms.
    """

    timepoint: int
    date: dt.date
    target: Response
    non_target: Response
    new_lesion: str
    overall: Response
    sum_mm: Decimal | None = None
    baseline_sum_mm: Decimal | None = None
    nadir_sum_mm: Decimal | None = None
    nadir_timepoint: int | None = None
    provisional: bool = False
    post_pd: bool = False
    rebaseline: bool = False
    treatment_phase: bool = False
    reasons: tuple[Reason, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    treatment_phase_growth: tuple[Trigger, ...] = ()
    site_status: tuple[tuple[str, str], ...] = ()
    regions: tuple[str, ...] = ()

    @property
    def new_or_unequivocal(self) -> bool:
        """Whether a new lesion, a non-target or a treated site progresses unequivocally here."""
        return any(t.kind in (TriggerKind.NEW, TriggerKind.NON_TARGET, TriggerKind.LTP) for t in self.triggers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A time from ``start`` to ``end``: ended by an event, or open (last evaluable assessment)."""

    start: dt.date
    end: dt.date
    event: bool
    reason: str

    @property
    def days(self) -> int:
        """Date difference."""
        return (self.end - self.start).days

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "days": self.days,
            "event": self.event,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One subject, one phase, one rule set, one reader.

    Attributes
    ----------
    baseline_date, baseline_sum_mm
        Of the pre-treatment baseline; the sum is None when a target is missing or there is none.
    visits
        After the baseline.
    bor_unconfirmed, bor_confirmed
        Best overall response; NE without an assessment (``MISSING`` in ADaM: see ``n_assessed``).
    pd_date
        Of the first progression, back-dated to the first sight of an equivocal lesion confirmed later.
    pd_declared_date
        Visit at which progression was first declared.
    pd_timepoint
        Visit that ``pd_date`` belongs to.
    pd_site
        ``HEPATIC``, ``EXTRAHEPATIC``, ``BOTH``, or None.
    pd_subtype
        Hepatic only: ``LOCAL``, ``INTRAHEPATIC_NEW``, ``GROWTH``, joined by ``+`` where several hold at once.
    pd_reasons
        Kinds of trigger, sorted.
    pd_triggers
        The triggers behind ``pd_date``.
    first_hepatic_pd_date, first_extrahepatic_pd_date
        Over the whole follow-up, later than the first progression included.
    disease_control
        By unconfirmed best overall response; ``control_by_ned`` when NED alone says so.
    disease_control_at_days
        Days from treatment start -> whether progression-free and assessed then; None: not assessed.
    duration_of_response, duration_of_stable_disease
        None where there was no response, or best overall response is not SD.
    treatment_start
        As the reads give it.
    reasons
        Of best overall response, of date and site of the first progression, and of the first one in each compartment.
    """

    subject_id: str
    phase: Phase
    rules: str
    reader: str
    baseline_timepoint: int
    baseline_date: dt.date
    baseline_sum_mm: Decimal | None
    visits: tuple[VisitResponse, ...]
    bor_unconfirmed: Response
    bor_confirmed: Response
    n_assessed: int
    pd_date: dt.date | None = None
    pd_declared_date: dt.date | None = None
    pd_timepoint: int | None = None
    pd_site: str | None = None
    pd_subtype: str | None = None
    pd_reasons: tuple[str, ...] = ()
    pd_triggers: tuple[Trigger, ...] = ()
    first_hepatic_pd_date: dt.date | None = None
    first_extrahepatic_pd_date: dt.date | None = None
    disease_control: bool = False
    control_by_ned: bool = False
    disease_control_at_days: tuple[tuple[int, bool | None], ...] = ()
    duration_of_response: Duration | None = None
    duration_of_stable_disease: Duration | None = None
    treatment_start: dt.date | None = None
    reasons: tuple[Reason, ...] = ()
    queries: tuple[Query, ...] = ()
    provisional: bool = False

    def visit(self, timepoint: int) -> VisitResponse | None:
        """Return the response at a visit, or None for the baseline and for visits that are not assessed."""
        for visit in self.visits:
            if visit.timepoint == timepoint:
                return visit
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """What a track is to RECIST in a phase, and why."""

    phase: Phase
    track_id: str
    role: Role
    measurable: bool | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """How far the outcome of a phase depends on the choice of targets.

    Attributes
    ----------
    n_choices
        Choices judged; ``n_admissible`` is how many there are, ``sampled`` that not all were judged.
    pd_date_min, pd_date_max
        Earliest and latest date of progression over the choices that progress.
    n_pd
        Choices that progress.
    overall_agreement
        Mean over visits of the share of choices with the most frequent overall response; None without a visit.
    response_depends_on_choice
        Overall response at some visit, best overall response or date of progression differs between choices.
    bor_counts
        Best overall response -> number of choices.
    """

    phase: Phase
    rules: str
    n_choices: int
    n_admissible: int
    sampled: bool
    n_pd: int
    pd_date_min: dt.date | None
    pd_date_max: dt.date | None
    overall_agreement: float | None
    response_depends_on_choice: bool
    bor_counts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploratoryPoint:
    """All lesions of a visit together, beside RECIST and never in its place.

    ``all_lesion_sum_mm`` is the sum over all measured lesions (short axis for nodes), ``total_volume_mm3`` their
    volume; ``complete`` when no known lesion of the visit is unevaluable.
    """

    timepoint: int
    date: dt.date
    n_lesions: int
    all_lesion_sum_mm: Decimal
    total_volume_mm3: float
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """Ten or more colorectal liver metastases, and disease control.

    Attributes
    ----------
    count_hepatic, count_low, count_high
        On the induction baseline: components as marked; certain ones only; as many as confluent ones may hold.
    count_eligible
        ``YES`` when even the low count reaches the limit, ``NO`` when not even the high one does, else ``UNCERTAIN``.
    deciding_lesions
        The uncertain ones.
    disease_control
        ``YES``, ``NO`` or ``NOT ASSESSED``.
    flags
        What must be known with it, for example a first scan after the start of induction.
    """

    count_hepatic: int | None
    count_low: int | None
    count_high: int | None
    count_eligible: str
    deciding_lesions: tuple[str, ...]
    margin_to_limit: int | None
    induction_response: Response | None
    disease_control: str
    eligible: str
    extrahepatic_at_baseline: bool | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseJudgement:
    """All of one phase: one assessment for each rule set, keyed by its name."""

    phase: Phase
    baseline_timepoint: int
    timepoints: tuple[int, ...]
    assessments: Mapping[str, Assessment]
    roles: tuple[RoleAssignment, ...]
    robustness: Robustness | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything that judging one subject yields.

    Attributes
    ----------
    induction, study
        None where the phase cannot be told, with the reason in ``missing``.
    phases
        Timepoint -> ``INDUCTION``, ``STUDY`` or ``BOTH`` (the study baseline).
    regions
        Timepoint -> regions assessed.
    missing
        What cannot be said, and why.
    """

    subject_id: str
    reader: str
    induction: PhaseJudgement | None
    study: PhaseJudgement | None
    eligibility: Eligibility
    phases: Mapping[int, str]
    regions: Mapping[int, tuple[str, ...]]
    curves: tuple[ExploratoryPoint, ...] = ()
    missing: tuple[str, ...] = ()
    queries: tuple[Query, ...] = field(default=())

    @property
    def primary(self) -> Assessment | None:
        """The study phase under the rule set that feeds the endpoints."""
        return self.study.assessments.get("recist11-local") if self.study else None

    @property
    def provisional(self) -> bool:
        """Whether any assessment rests on something that no reader has confirmed."""
        parts = [part for part in (self.induction, self.study) if part is not None]
        return any(assessment.provisional for part in parts for assessment in part.assessments.values())
