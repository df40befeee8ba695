"""Reads: what one reader says of one subject in one phase, visit by visit; all that a response criterion may see.

The forms of a value are those of the response rules, section 1: a number, ABSENT, TSTM (too small to measure), NE (not
evaluable), fragments whose parts add up, or one diameter for a coalesced mass. NE is a value; NaN never means it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from lesiontrack.domain.lesion import Role
from lesiontrack.domain.study import Compartment, compartment_of
from lesiontrack.errors import ReadsError

__all__ = [
    "Form",
    "LocalTherapy",
    "Measurement",
    "NewLesionRead",
    "NewStatus",
    "NonTargetRead",
    "NonTargetStatus",
    "Phase",
    "ReadLesion",
    "ReadVisit",
    "Reads",
    "SiteRead",
    "SiteStatus",
]

# Sums of some hundreds of lesions, times a percentage, then stay exact within the 28 digits of a decimal context.
_FINEST_MM = Decimal("1E-12")
_LONGEST_MM = Decimal(2000)


class Phase(StrEnum):
    """The two parts of the trial, each with its own baseline."""

    INDUCTION = "INDUCTION"
    STUDY = "STUDY"


class Form(StrEnum):
    """How a target's value is given at a visit."""

    MM = "MM"
    ABSENT = "ABSENT"
    TSTM = "TSTM"
    NE = "NE"
    PARTS = "PARTS"


class NonTargetStatus(StrEnum):
    """What is seen of a non-target; UNEQUIVOCAL is unequivocal progression, and only a reader says it."""

    PRESENT = "PRESENT"
    ABSENT = "ABSENT"
    UNEQUIVOCAL = "UNEQUIVOCAL"
    NE = "NE"


class SiteStatus(StrEnum):
    """What is seen at a locally treated site."""

    NO_VIABLE = "NO_VIABLE"
    RESIDUAL = "RESIDUAL"
    LTP = "LTP"
    NE = "NE"


class NewStatus(StrEnum):
    """How sure it is that a finding is a new lesion."""

    EQUIVOCAL = "EQUIVOCAL"
    UNEQUIVOCAL = "UNEQUIVOCAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLesion:
    """A lesion of the baseline: its role and where it sits.

    ``organ`` decides the cap of two targets an organ and the compartment; ``node`` that its short axis counts.
    """

    lesion_id: str
    role: Role
    organ: str
    node: bool = False
    measurable: bool | None = None

    @property
    def compartment(self) -> Compartment:
        """Hepatic or extrahepatic, by organ."""
        return compartment_of(self.organ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One value of a target, or of several that have coalesced into one mass.

    Attributes
    ----------
    lesions
        The target that it measures; two or more for a coalesced mass.
    form, mm, parts
        ``mm`` with MM, ``parts`` (mm) with PARTS, neither otherwise.
    date
        Its own scan's date; None: the visit's.
    scan
        Identifies that scan (series UID), where known.
    reason
        Why it is NE, or a remark.
    """

    lesions: tuple[str, ...]
    form: Form
    mm: Decimal | None = None
    parts: tuple[Decimal, ...] = ()
    date: dt.date | None = None
    scan: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if not self.lesions or len(set(self.lesions)) != len(self.lesions):
            raise ReadsError("a measurement names no lesion, or one twice", found="/".join(self.lesions))
        if (self.form == Form.MM) != (self.mm is not None) or (self.form == Form.PARTS) != bool(self.parts):
            raise ReadsError(f"value of {'/'.join(self.lesions)} does not fit its form", found=self.form.value)
        if self.mm is not None:
            self._check(self.mm)
        for part in self.parts:
            self._check(part)

    def _check(self, length_mm: Decimal) -> None:
        name = "/".join(self.lesions)
        if not length_mm.is_finite() or length_mm < 0:
            raise ReadsError(f"diameter of {name} is no length", found=str(length_mm), expected="0 mm or more")
        if length_mm > _LONGEST_MM or (length_mm != 0 and length_mm != length_mm.quantize(_FINEST_MM)):
            raise ReadsError(
                f"diameter of {name} is not plausible",
                found=str(length_mm),
                expected=f"at most {_LONGEST_MM} mm, in steps of at least {_FINEST_MM} mm",
            )

    @property
    def name(self) -> str:
        """Its lesion, or the members of the mass joined by a slash."""
        return "/".join(self.lesions)


@dataclass(frozen=True, slots=True, kw_only=True)
class NonTargetRead:
    """Status of one non-target at a visit."""

    lesion: str
    status: NonTargetStatus
    date: dt.date | None = None
    scan: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRead:
    """Status of one locally treated site at a visit; ``lesion`` is the treated one."""

    lesion: str
    status: SiteStatus
    date: dt.date | None = None
    scan: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLesionRead:
    """A finding that was not there at the baseline, at one visit.

    Attributes
    ----------
    reason
        Why it is equivocal: MODALITY_CHANGE, FLARE, BIOPSY, a node below 15 mm, ...
    date
        Its own scan's date; None: the visit's.
    """

    lesion: str
    organ: str
    status: NewStatus
    node: bool = False
    date: dt.date | None = None
    scan: str = ""
    reason: str = ""

    @property
    def compartment(self) -> Compartment:
        """Hepatic or extrahepatic, by organ."""
        return compartment_of(self.organ)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTherapy:
    """One lesion treated locally on one day.

    ``planned`` None: a session is planned when dated no later than the re-baseline visit (case files).
    """

    lesion: str
    method: str
    date: dt.date
    session: str | None = None
    planned: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVisit:
    """All that is read at one visit. A baseline lesion that is not mentioned is missing (NE).

    Attributes
    ----------
    date
        Of the last scan of the visit.
    scan_dates
        Of all its scans, where they differ.
    rebaseline
        The first scan after the last planned session: the baseline restarts here (response rules, section 10).
    regions
        What was imaged, where known.
    provisional
        Something here no reader has confirmed.
    notes
        What a reader should look at.
    """

    timepoint: int
    date: dt.date
    targets: tuple[Measurement, ...] = ()
    nontargets: tuple[NonTargetRead, ...] = ()
    new: tuple[NewLesionRead, ...] = ()
    sites: tuple[SiteRead, ...] = ()
    rebaseline: bool = False
    scan_dates: tuple[dt.date, ...] = ()
    regions: tuple[str, ...] = ()
    provisional: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """One subject, one phase, one reader. The first visit is the baseline.

    Attributes
    ----------
    treatment_start
        Day 0 of minimum stable disease, best overall response and stable-disease duration.
    new_therapy_date, death_date
        Where known: the first ends best overall response where the settings say so, the second ends a response.

    Raises
    ------
    ReadsError
        When the reads contradict themselves: no visit, dates out of order, a lesion twice, a value of a lesion that
        the baseline does not know.
    """

    subject_id: str
    lesions: tuple[ReadLesion, ...]
    visits: tuple[ReadVisit, ...]
    treatment_start: dt.date | None = None
    phase: Phase = Phase.STUDY
    reader: str = "machine"
    therapies: tuple[LocalTherapy, ...] = ()
    new_therapy_date: dt.date | None = None
    death_date: dt.date | None = None

    def __post_init__(self) -> None:
        if not self.visits:
            raise ReadsError("no visit", subject_id=self.subject_id, expected="at least a baseline")
        self._check_dates()
        targets = self._ids(Role.TARGET)
        nontargets = self._ids(Role.NON_TARGET)
        if len({lesion.lesion_id for lesion in self.lesions}) != len(self.lesions):
            twice = sorted(x for x in targets | nontargets if sum(y.lesion_id == x for y in self.lesions) > 1)
            raise ReadsError("duplicate lesion in lesions", subject_id=self.subject_id, found=", ".join(twice))
        for visit in self.visits:
            measured = [name for value in visit.targets for name in value.lesions]
            self._check_names("targets", visit, measured, targets)
            self._check_names("nontargets", visit, [x.lesion for x in visit.nontargets], nontargets)
            self._check_names("new", visit, [x.lesion for x in visit.new], None)
            self._check_names("treated_sites", visit, [x.lesion for x in visit.sites], None)
        if self.visits[0].new:
            found = ", ".join(x.lesion for x in self.visits[0].new)
            raise ReadsError("new lesion at the baseline", **self._at(self.visits[0]), found=found)

    def _ids(self, role: Role) -> set[str]:
        return {lesion.lesion_id for lesion in self.lesions if lesion.role == role}

    def _at(self, visit: ReadVisit) -> dict[str, str]:
        return {"subject_id": self.subject_id, "visit": visit.date.isoformat()}

    def _check_dates(self) -> None:
        baseline = self.visits[0]
        for earlier, later in zip(self.visits, self.visits[1:], strict=False):
            if later.date < baseline.date:
                raise ReadsError(
                    "date of a visit before the baseline",
                    **self._at(later),
                    found=later.date.isoformat(),
                    expected=f"after {baseline.date.isoformat()}",
                )
            if later.date <= earlier.date:
                raise ReadsError(
                    "dates out of order: date of the visit is not after that of the visit before it",
                    **self._at(later),
                    found=later.date.isoformat(),
                    expected=f"after {earlier.date.isoformat()}",
                )

    def _check_names(self, field: str, visit: ReadVisit, names: list[str], known: set[str] | None) -> None:
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ReadsError(f"duplicate lesion in {field}", **self._at(visit), found=", ".join(twice))
        if known is not None and not known.issuperset(names):
            raise ReadsError(
                f"{field} names a lesion without that role in lesions",
                **self._at(visit),
                found=", ".join(sorted(set(names) - known)),
                expected=", ".join(sorted(known)) or "none",
            )

    @property
    def baseline(self) -> ReadVisit:
        """The first visit."""
        return self.visits[0]

    @property
    def targets(self) -> tuple[ReadLesion, ...]:
        """Baseline lesions that are measured."""
        return tuple(lesion for lesion in self.lesions if lesion.role == Role.TARGET)

    @property
    def nontargets(self) -> tuple[ReadLesion, ...]:
        """Baseline lesions that are followed without being summed."""
        return tuple(lesion for lesion in self.lesions if lesion.role == Role.NON_TARGET)
