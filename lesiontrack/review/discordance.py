"""Where the readers of one subject differ, case by case, and the grounds at the level of lesions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from lesiontrack.review.agreement_settings import AgreementSettings
from lesiontrack.review.case_reading import CaseReading, ReadVisit
from lesiontrack.review.lesion_differences import LesionDifference, VisitLesions, beyond

__all__ = ["Discordance", "DiscordanceKind", "NOT_READ", "NO_PD", "discordances"]

NOT_READ = "not read"
NO_PD = "no PD"
NO_SITE = "no site"


class DiscordanceKind(StrEnum):
    """What readers differ in."""

    CATEGORY = "CATEGORY"
    PD_DATE = "PD_DATE"
    PD_SITE = "PD_SITE"
    FIRST_HEPATIC_PD_DATE = "FIRST_HEPATIC_PD_DATE"
    FIRST_EXTRAHEPATIC_PD_DATE = "FIRST_EXTRAHEPATIC_PD_DATE"
    NEW_LESION = "NEW_LESION"
    TARGETS = "TARGETS"
    MEASUREMENT = "MEASUREMENT"
    SERIES = "SERIES"

    @property
    def decides(self) -> bool:
        """Whether an endpoint can depend on it directly; the others are grounds."""
        return self in _DECIDING


_DECIDING = (
    DiscordanceKind.CATEGORY,
    DiscordanceKind.PD_DATE,
    DiscordanceKind.PD_SITE,
    DiscordanceKind.FIRST_HEPATIC_PD_DATE,
    DiscordanceKind.FIRST_EXTRAHEPATIC_PD_DATE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discordance:
    """One item in which the readers of a subject differ.

    Attributes
    ----------
    item
        Its name, unique in the subject: ``pd_date``, ``category@2021-03-04``, ``measurement@2021-03-04:L03``.
    values
        (reader, what that reader says), in the order of the readers' names.
    reason
        Why, in a sentence for each ground: which lesions, which numbers, which decisions.
    lesions
        The lesions among the grounds.
    numbers
        (name, mm), of the sums or lengths compared.
    decisions
        (reader, what that reader decided) of the lesions among the grounds.
    """

    subject_id: str
    item: str
    kind: DiscordanceKind
    values: tuple[tuple[str, str], ...]
    phase: str | None = None
    timepoint: int | None = None
    date: dt.date | None = None
    reason: str = ""
    lesions: tuple[str, ...] = ()
    numbers: tuple[tuple[str, Decimal], ...] = ()
    decisions: tuple[tuple[str, str], ...] = ()


def discordances(readings: Sequence[CaseReading], settings: AgreementSettings) -> tuple[Discordance, ...]:
    """Compare the readings of one subject.

    Parameters
    ----------
    readings
        Of different readers, each made without sight of the others; fewer than two differ in nothing.
    settings
        From what difference on a measurement is a discordance.

    Returns
    -------
    tuple of Discordance
        Those that an endpoint depends on first, then by date.
    """
    ordered = sorted(readings, key=lambda reading: reading.reader)
    return _Comparison(ordered, settings).all() if len(ordered) > 1 else ()


class _Comparison:
    """The readings of one subject side by side, by the dates of their visits."""

    def __init__(self, readings: Sequence[CaseReading], settings: AgreementSettings) -> None:
        self.readings, self.settings = readings, settings
        self.dates = sorted({visit.date for reading in readings for visit in reading.visits})
        timepoints = sorted({lesion.timepoint for reading in readings for lesion in reading.lesions})
        within_mm = settings.same_lesion_mm
        self.lesions = {t: VisitLesions(readings, t, within_mm=within_mm) for t in timepoints}

    def all(self) -> tuple[Discordance, ...]:
        found = [*self._outcomes(), *self._visits(), *self._targets(), *self._measurements(), *self._series()]
        order = list(DiscordanceKind)
        return tuple(
            sorted(found, key=lambda d: (not d.kind.decides, d.date or dt.date.min, order.index(d.kind), d.item))
        )

    # --- what an endpoint depends on --------------------------------------------------------------------------------

    def _outcomes(self) -> Iterator[Discordance]:
        """Yield PD date and site; the first date of a compartment where neither of these says that they differ."""
        outcomes = {reading.reader: reading.outcome for reading in self.readings}
        dates = {reader: _iso(outcome.pd_date) for reader, outcome in outcomes.items()}
        first = min((outcome.pd_date for outcome in outcomes.values() if outcome.pd_date), default=None)
        if len(set(dates.values())) > 1:
            yield self._of_subject(DiscordanceKind.PD_DATE, dates, first)
        sites = {r: o.pd_site or NO_SITE for r, o in outcomes.items() if o.pd_date is not None}
        if len(set(sites.values())) > 1:
            yield self._of_subject(DiscordanceKind.PD_SITE, sites, first)
        if len(set(dates.values())) > 1 or len(set(sites.values())) > 1:
            return
        for kind in (DiscordanceKind.FIRST_HEPATIC_PD_DATE, DiscordanceKind.FIRST_EXTRAHEPATIC_PD_DATE):
            later = {reader: getattr(outcome, kind.value.lower()) for reader, outcome in outcomes.items()}
            if len(set(later.values())) > 1:
                at = min(date for date in later.values() if date is not None)
                yield self._of_subject(kind, {reader: _iso(date) for reader, date in later.items()}, at)

    def _of_subject(self, kind: DiscordanceKind, values: Mapping[str, str], date: dt.date | None) -> Discordance:
        """Return a discordance of the whole follow-up, with the grounds of the visit from which it stems."""
        plain = Discordance(
            subject_id=self.readings[0].subject_id,
            item=kind.value.lower(),
            kind=kind,
            values=tuple(values.items()),
            phase="STUDY",
        )
        at = date if date in self.dates else next((d for d in self.dates if date is not None and d >= date), None)
        return plain if at is None else self._with_grounds(plain, at)

    def _visits(self) -> Iterator[Discordance]:
        for date in self.dates:
            seen = {reading.reader: reading.visit(date) for reading in self.readings}
            categories = {reader: (v.overall or NOT_READ) if v else NOT_READ for reader, v in seen.items()}
            if len(set(categories.values())) > 1:
                yield self._with_grounds(self._of_visit(DiscordanceKind.CATEGORY, date, categories), date)
            new = {reader: self._new(visit) for reader, visit in seen.items() if visit is not None}
            if len(set(new.values())) > 1:
                yield self._with_grounds(self._of_visit(DiscordanceKind.NEW_LESION, date, new), date)

    def _new(self, visit: ReadVisit) -> str:
        return visit.new_lesion or "NO"

    def _of_visit(self, kind: DiscordanceKind, date: dt.date, values: Mapping[str, str], of: str = "") -> Discordance:
        timepoint, phase = self._placed(date)
        return Discordance(
            subject_id=self.readings[0].subject_id,
            item=f"{kind.value.lower()}@{date.isoformat()}" + (f":{of}" if of else ""),
            kind=kind,
            values=tuple(values.items()),
            phase=phase,
            timepoint=timepoint,
            date=date,
        )

    def _placed(self, date: dt.date) -> tuple[int | None, str | None]:
        visit = next((v for reading in self.readings for v in reading.visits if v.date == date), None)
        return (None, None) if visit is None else (visit.timepoint, visit.phase)

    # --- grounds ----------------------------------------------------------------------------------------------------

    def _with_grounds(self, found: Discordance, date: dt.date) -> Discordance:
        """Add why: what each reader says of the visit, and how its lesions, or those of an earlier one, differ."""
        timepoint, phase = self._placed(date)
        said, numbers = [], []
        for reading in self.readings:
            visit = reading.visit(date)
            said.append(f"{reading.reader}: {_as_said(visit)}")
            numbers += [] if visit is None else [(f"{reading.reader} {n}", v) for n, v in _sums(visit)]
        differences, where = self._differences(timepoint)
        grounds = [f"{where}{difference.sentence()}" for difference in differences]
        targets = next((d.reason for d in self._targets() if d.phase == phase), None)
        return replace(
            found,
            timepoint=timepoint,
            date=date,
            phase=phase or found.phase,
            reason=". ".join([*said, *([targets] if targets else []), *grounds]),
            lesions=tuple(dict.fromkeys(difference.lesion for difference in differences)),
            numbers=tuple(numbers),
            decisions=tuple(dict.fromkeys(one for difference in differences for one in difference.decisions)),
        )

    def _differences(self, timepoint: int | None) -> tuple[list[LesionDifference], str]:
        """Return how the lesions of a visit differ; else those of the last visit before it at which some do."""
        if timepoint is None:
            return [], ""
        for earlier in sorted((t for t in self.lesions if t <= timepoint), reverse=True):
            found = self.lesions[earlier].differences()
            if found:
                return found, "" if earlier == timepoint else f"at visit {earlier} "
        return [], ""

    def _targets(self) -> Iterator[Discordance]:
        """Yield the choice of targets; a lesion is one by what it is at the baseline, whatever a reader calls it."""
        for phase in sorted({phase for reading in self.readings for phase in reading.targets}):
            chosen = {reading.reader: self._target_names(reading, phase) for reading in self.readings}
            if len(set(chosen.values())) < 2:
                continue
            common = frozenset.intersection(*chosen.values())
            values = {reader: ", ".join(sorted(names)) or "none" for reader, names in chosen.items()}
            alone = [f"{r} alone {', '.join(sorted(n - common))}" for r, n in chosen.items() if n - common]
            yield Discordance(
                subject_id=self.readings[0].subject_id,
                item="targets" if phase == "STUDY" else f"targets:{phase.lower()}",
                kind=DiscordanceKind.TARGETS,
                values=tuple(values.items()),
                phase=phase,
                reason=f"targets of the {phase.lower()} phase differ: {'; '.join(alone)}",
                lesions=tuple(sorted(frozenset.union(*chosen.values()) - common)),
            )

    def _target_names(self, reading: CaseReading, phase: str) -> frozenset[str]:
        """Return a reader's targets by the names that all readers share: those of the first visit that shows each."""
        tracks = reading.targets.get(phase, frozenset())
        names: dict[str, str] = {}
        for visit in self.lesions.values():
            names = visit.names_of(reading.reader, tracks) | names
        return frozenset(names.get(track, track) for track in tracks)

    def _measurements(self) -> Iterator[Discordance]:
        settings = self.settings
        for timepoint, visit in self.lesions.items():
            date = self._date_of(timepoint)
            named: set[str] = set()
            for _, difference in visit.lengths():
                lengths = [length for _, length in difference.numbers]
                if not beyond(
                    lengths, limit_mm=settings.measurement_limit_mm, limit_percent=settings.measurement_limit_percent
                ):
                    continue
                name = difference.lesion
                of = f"{name}#{difference.lesion_id}" if name in named else name
                named.add(name)
                values = {reader: str(length) for reader, length in difference.numbers}
                yield replace(
                    self._of_visit(DiscordanceKind.MEASUREMENT, date, values, of),
                    timepoint=timepoint,
                    reason=f"{difference.sentence()}: {_apart(lengths)}",
                    lesions=(name,),
                    numbers=difference.numbers,
                    decisions=difference.decisions,
                )

    def _series(self) -> Iterator[Discordance]:
        for timepoint, visit in self.lesions.items():
            series = visit.series()
            if len(set(series.values())) > 1:
                values = {reader: ", ".join(uids) for reader, uids in series.items()}
                date = self._date_of(timepoint)
                yield replace(
                    self._of_visit(DiscordanceKind.SERIES, date, values),
                    timepoint=timepoint,
                    reason="lesions were read on different series of the visit",
                )

    def _date_of(self, timepoint: int) -> dt.date:
        """Return the date of a visit; of a baseline the responses have no row."""
        dates = {t: date for reading in self.readings for t, date in reading.dates.items()}
        dates |= {visit.timepoint: visit.date for reading in self.readings for visit in reading.visits}
        return dates[timepoint]


def _iso(date: dt.date | None) -> str:
    return NO_PD if date is None else date.isoformat()


def _as_said(visit: ReadVisit | None) -> str:
    if visit is None:
        return NOT_READ
    sums = ", ".join(f"{name} {value} mm" for name, value in _sums(visit))
    parts = [
        f"target {visit.target or 'none'}" + (f" ({sums})" if sums else ""),
        f"non-target {visit.non_target or 'none'}",
        f"new lesion {visit.new_lesion or 'NO'}",
    ]
    causes = "; ".join(
        f"{cause.kind} in {', '.join(cause.lesions)}" if cause.lesions else cause.kind for cause in visit.causes
    )
    return f"{visit.overall or NOT_READ}: {', '.join(parts)}" + (f", progression by {causes}" if causes else "")


def _sums(visit: ReadVisit) -> list[tuple[str, Decimal]]:
    named = (("sum", visit.sum_mm), ("nadir", visit.nadir_sum_mm), ("baseline", visit.baseline_sum_mm))
    return [(name, value) for name, value in named if value is not None]


def _apart(lengths: Sequence[Decimal]) -> str:
    smallest, largest = min(lengths), max(lengths)
    apart = largest - smallest
    percent = f", {100 * apart / smallest:.0f} % of the smaller" if smallest else ""
    return f"{apart} mm apart{percent}"
