"""The date of progression, its site and its reasons, from the judged visits (response rules, section 9)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from lesiontrack.assess.site import pd_site, pd_subtype
from lesiontrack.domain.outcome import Reason, Response, Trigger, VisitResponse
from lesiontrack.domain.study import Compartment

__all__ = ["Progression", "first_progression", "first_site_reason", "first_triggers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progression:
    """The first progression; everything empty when there is none."""

    date: dt.date | None = None
    declared_date: dt.date | None = None
    timepoint: int | None = None
    site: str | None = None
    subtype: str | None = None
    kinds: tuple[str, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    reasons: tuple[Reason, ...] = ()


def first_progression(visits: Sequence[VisitResponse]) -> Progression:
    """Return the first progression: the earliest trigger of the first PD visit, unless first sight was earlier.

    An equivocal lesion confirmed at any visit moves the date back to the scan on which it was first seen, when that
    precedes the first PD; site and reasons are then that lesion's (settled points).
    """
    declared = next((visit for visit in visits if visit.overall is Response.PD), None)
    if declared is None:
        return Progression()
    own = [trigger for trigger in declared.triggers if not _is_backdated(trigger)]
    first_date = min((trigger.date for trigger in own), default=declared.date)
    confirmed = [trigger for visit in visits for trigger in visit.triggers if _is_backdated(trigger)]
    earlier = [trigger for trigger in confirmed if trigger.date < first_date]
    # Where dates contradict visits, first sight may not precede the PD visit: then nothing moves back.
    triggers, timepoint = declared.triggers, declared.timepoint
    if earlier:
        first = min(earlier, key=lambda trigger: (trigger.date, trigger.first_timepoint))
        first_date, timepoint = first.date, first.first_timepoint
        # Lesions first seen at one visit are one progression, whatever the calendar days of its scans.
        triggers = tuple(trigger for trigger in confirmed if trigger.first_timepoint == timepoint)
    return Progression(
        date=first_date,
        declared_date=declared.date,
        timepoint=timepoint,
        site=pd_site(triggers),
        subtype=pd_subtype(triggers),
        kinds=tuple(sorted({trigger.kind.value for trigger in triggers})),
        triggers=triggers,
        reasons=_reasons(triggers, first_date, declared, bool(earlier)),
    )


def _is_backdated(trigger: Trigger) -> bool:
    return trigger.first_timepoint < trigger.timepoint


def first_triggers(visits: Sequence[VisitResponse]) -> dict[Compartment, Trigger]:
    """Return the earliest cause of progression in each compartment that has one, over the whole follow-up."""
    found: dict[Compartment, Trigger] = {}
    for trigger in sorted((t for visit in visits for t in visit.triggers), key=lambda t: (t.date, t.timepoint)):
        for compartment in trigger.compartments:
            found.setdefault(compartment, trigger)
    return found


def first_site_reason(compartment: Compartment, trigger: Trigger) -> Reason:
    """Return why the first progression in a compartment has its date."""
    return Reason(
        rule=f"first_{compartment.value.lower()}_pd_date.earliest_trigger",
        section="rule book, 9",
        outcome=trigger.date.isoformat(),
        text=f"earliest scan that shows {compartment.value.lower()} progression: {trigger.kind.value}",
        lesions=trigger.lesions,
        scans=trigger.scans,
    )


def _reasons(
    triggers: tuple[Trigger, ...], date: dt.date, declared: VisitResponse, backdated: bool
) -> tuple[Reason, ...]:
    lesions = tuple(dict.fromkeys(name for trigger in triggers for name in trigger.lesions))
    scans = tuple(sorted({scan for trigger in triggers for scan in trigger.scans}))
    kinds = ", ".join(sorted({trigger.kind.value for trigger in triggers}))
    if backdated:
        rule = "pd_date.first_sight"
        text = f"first sight of an equivocal lesion that a later visit confirmed; declared {declared.date.isoformat()}"
    else:
        rule = "pd_date.earliest_trigger"
        text = f"earliest scan that shows progression by {kinds} at visit {declared.timepoint}"
    dated = Reason(rule=rule, section="rule book, 9", outcome=date.isoformat(), text=text, lesions=lesions, scans=scans)
    placed = Reason(
        rule="pd_site.triggers",
        section="rule book, 9",
        outcome=pd_site(triggers) or "no site",
        text=f"site of progression by {kinds}",
        lesions=lesions,
        scans=scans,
    )
    return dated, placed
