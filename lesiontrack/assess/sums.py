"""Values of targets and their sums, in exact decimals (response rules, sections 1 and 4)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.reads import Form, Measurement, ReadLesion, ReadVisit

__all__ = ["TargetSum", "Value", "add_up", "counted_mm", "progressed"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Value:
    """What one measurement contributes: the lesions it covers, its length in mm, whether all of them are nodes."""

    lesions: tuple[str, ...]
    mm: Decimal
    node: bool
    date: dt.date
    scan: str

    def is_visible(self, node_normal_mm: Decimal) -> bool:
        """Tell whether disease is seen: any length, or for a node a short axis that is not normal."""
        return self.mm >= node_normal_mm if self.node else self.mm > _ZERO


@dataclass(frozen=True, slots=True)
class TargetSum:
    """The targets of one visit added up.

    Attributes
    ----------
    known_mm
        Sum of what could be read.
    missing
        Targets without a value; the sum is complete when there are none.
    """

    timepoint: int
    date: dt.date
    values: tuple[Value, ...]
    known_mm: Decimal
    missing: tuple[str, ...]

    @property
    def complete_mm(self) -> Decimal | None:
        """The sum, or None when a target is missing."""
        return None if self.missing else self.known_mm

    @property
    def measured(self) -> tuple[str, ...]:
        """Lesions that have a value."""
        return tuple(name for value in self.values for name in value.lesions)

    @property
    def masses(self) -> tuple[tuple[str, ...], ...]:
        """Coalesced masses."""
        return tuple(value.lesions for value in self.values if len(value.lesions) > 1)

    @property
    def scans(self) -> tuple[str, ...]:
        """Scans that the values come from: series where known, else dates."""
        return tuple(sorted({value.scan or value.date.isoformat() for value in self.values}))

    def restricted(self, lesions: frozenset[str]) -> TargetSum:
        """Return the same visit for some of the targets only; a mass counts when all its members are among them."""
        values = tuple(value for value in self.values if lesions.issuperset(value.lesions))
        covered = {name for value in values for name in value.lesions}
        known = {*self.measured, *self.missing}
        return TargetSum(
            timepoint=self.timepoint,
            date=self.date,
            values=values,
            known_mm=sum((value.mm for value in values), _ZERO),
            missing=tuple(sorted((lesions & known) - covered)),
        )


def counted_mm(measurement: Measurement, settings: AssessSettings) -> Decimal | None:
    """Return what a value contributes to the sum, mm; None when it is not evaluable.

    A readable length is kept as it is, also below 5 mm; ABSENT counts 0; too small to measure counts 5 mm; fragments
    add up (response rules, section 1; RECIST 1.1, 4.3.2).
    """
    if measurement.form is Form.MM:
        return measurement.mm
    if measurement.form is Form.ABSENT:
        return _ZERO
    if measurement.form is Form.TSTM:
        return settings.tstm_mm
    if measurement.form is Form.PARTS:
        return sum(measurement.parts, _ZERO)
    return None


def add_up(
    visit: ReadVisit,
    targets: Mapping[str, ReadLesion],
    settings: AssessSettings,
    *,
    without: frozenset[str] = frozenset(),
    gone: frozenset[str] = frozenset(),
) -> TargetSum:
    """Add up the targets of a visit.

    Parameters
    ----------
    targets
        The target set in force.
    without
        Targets whose values do not count (treated, under strict_ne): missing.
    gone
        Targets that count 0 unless a length is read (resected, under as_measured).
    """
    values: list[Value] = []
    covered: set[str] = set()
    for measurement in visit.targets:
        members = measurement.lesions
        # A mass that has grown together with a treated or a dropped lesion cannot be told apart: not evaluable.
        if not targets.keys() >= set(members) or not without.isdisjoint(members):
            continue
        length_mm = counted_mm(measurement, settings)
        if length_mm is None:
            continue
        node = all(targets[name].node for name in members)
        values.append(Value(members, length_mm, node, measurement.date or visit.date, measurement.scan))
        covered.update(members)
    for name in sorted((gone & targets.keys()) - covered - without):
        values.append(Value((name,), _ZERO, targets[name].node, visit.date, ""))
        covered.add(name)
    return TargetSum(
        timepoint=visit.timepoint,
        date=visit.date,
        values=tuple(values),
        known_mm=sum((value.mm for value in values), _ZERO),
        missing=tuple(name for name in targets if name not in covered),
    )


def progressed(now_mm: Decimal, reference_mm: Decimal, settings: AssessSettings) -> bool:
    """Tell whether a length grew by 20 % and by 5 mm at least: exact, and never dividing by the reference.

    What did not grow is no growth, also where the settings ask for 0 mm. Response rules, section 4, condition 4;
    RECIST 1.1, 4.3.1.
    """
    if now_mm <= reference_mm:
        return False
    return now_mm - reference_mm >= settings.pd_abs_mm and 100 * now_mm >= (100 + settings.pd_pct) * reference_mm


def smallest(sums: Iterable[TargetSum]) -> TargetSum | None:
    """Return the earliest of the smallest complete sums, or None (response rules, settled points: nadir ties)."""
    best: TargetSum | None = None
    for candidate in sums:
        if not candidate.missing and (best is None or candidate.known_mm < best.known_mm):
            best = candidate
    return best
