"""Censoring and competing events: the rules of section 11 of the response rules, one function each.

Nothing here knows of tables: a rule takes a :class:`FollowUp` or a :class:`SiteFollowUp` and gives an :class:`Outcome`
that says which rule decided.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from lesiontrack.domain.follow_up import Cause, EventReason, EventStatus, FollowUp, Outcome, SiteFollowUp

__all__ = ["any_site", "first_progression", "first_site", "pfs_ema", "pfs_fda"]


def pfs_fda(follow_up: FollowUp) -> Outcome:
    """Progression-free survival under FDA-type censoring.

    Source: FDA, Clinical Trial Endpoints for the Approval of Cancer Drugs and Biologics, PFS Table A; response rules,
    section 11 and settled points. In this order: no baseline; new anticancer therapy before the event; two missed
    assessments before the event; the event; the last adequate assessment.
    """
    if not follow_up.baseline and follow_up.death_date is None:
        return _no_baseline(follow_up)
    event = _event(follow_up)
    therapy = _new_therapy(follow_up)
    # On one day progression and death come first: a therapy begun that day does not censor.
    if therapy is not None and (event is None or therapy < event.date):
        last = _last_adequate(follow_up, until=therapy)
        rule = "section 11: new anticancer therapy before progression; last adequate assessment before it"
        return _censored(last or follow_up.start, EventReason.NEW_THERAPY, rule)
    if event is None:
        return _without_event(follow_up)
    before = _last_before(follow_up, event)
    counted_from = before or follow_up.schedule_start or follow_up.start
    if event.date > follow_up.schedule.two_missed_deadline(counted_from):
        gap_days = (event.date - counted_from).days
        rule = f"section 11: {event.reason.value} after two or more missed assessments ({gap_days} days without one)"
        return _censored(before or follow_up.start, EventReason.MISSED, rule)
    return event


def pfs_ema(follow_up: FollowUp) -> Outcome:
    """Progression-free survival under EMA-type censoring: gaps and new therapy do not censor.

    Source: EMA/CHMP/27994/2008 Rev. 1; response rules, section 11.
    """
    if not follow_up.baseline and follow_up.death_date is None:
        return _no_baseline(follow_up)
    return _event(follow_up) or _without_event(follow_up)


def any_site(follow_up: SiteFollowUp, site: Cause) -> Outcome:
    """First progression at a site, whatever came before it elsewhere; death without it competes.

    Source: response rules, section 11, "any liver progression". Without either, censored at the last adequate imaging
    of that compartment.

    Parameters
    ----------
    site
        ``HEPATIC`` or ``EXTRAHEPATIC``.
    """
    own, _ = _by_site(follow_up, site)
    if own is not None:
        return _progression(follow_up, own, site, cause=site, rule=f"section 11: first {site.value} progression")
    if follow_up.death_date is not None:
        return _competing_death(follow_up.death_date, f"section 11: death without {site.value} progression competes")
    imaged = follow_up.last_imaging(site)
    return _censored_at_imaging(follow_up.start, imaged, f"section 11: last adequate {site.value} imaging")


def first_site(follow_up: SiteFollowUp, site: Cause) -> Outcome:
    """First progression is at a site; the other site first, or death, competes.

    Source: response rules, section 11, "first-progression site", and settled points: both at one visit is an event in
    each curve at that compartment's own date; without an event censored at the earlier of the two imaging ends.
    """
    unsited = _unsited_first(follow_up)
    if unsited is not None:
        return replace(unsited, status=EventStatus.COMPETING)
    own, other = _by_site(follow_up, site)
    if own is not None and (other is None or own <= other or follow_up.same_visit):
        both = other is not None and (own == other or follow_up.same_visit)
        rule = f"section 11: first progression is {site.value}{' and the other site at the same visit' if both else ''}"
        return _progression(follow_up, own, site, cause=Cause.BOTH if both else site, rule=rule)
    if other is not None:
        elsewhere = Cause.EXTRAHEPATIC if site is Cause.HEPATIC else Cause.HEPATIC
        rule = f"section 11: first progression is {elsewhere.value}, which competes"
        outcome = _progression(follow_up, other, elsewhere, cause=elsewhere, rule=rule)
        return replace(outcome, status=EventStatus.COMPETING)
    return _no_progression(follow_up)


def first_progression(follow_up: SiteFollowUp) -> Outcome:
    """First progression with its site as one of three causes; death without progression competes.

    Source: response rules, section 11, "report HEPATIC / EXTRAHEPATIC / BOTH as 3 causes as well".
    """
    unsited = _unsited_first(follow_up)
    if unsited is not None:
        return unsited
    hepatic, extrahepatic = follow_up.first_hepatic_pd_date, follow_up.first_extrahepatic_pd_date
    known = [date for date in (hepatic, extrahepatic) if date is not None]
    if not known:
        return _no_progression(follow_up)
    site = Cause.HEPATIC if hepatic == min(known) else Cause.EXTRAHEPATIC
    both = len(known) == 2 and (hepatic == extrahepatic or follow_up.same_visit)
    cause = Cause.BOTH if both else site
    return _progression(follow_up, min(known), site, cause=cause, rule=f"section 11: first progression, {cause.value}")


def _event(follow_up: FollowUp) -> Outcome | None:
    """Return the first of progression and death; on one day progression. Without a baseline nothing can progress."""
    if follow_up.pd_date is not None and follow_up.baseline:
        last = _last_adequate(follow_up, before=follow_up.pd_date)
        return Outcome(
            date=follow_up.pd_date,
            status=EventStatus.EVENT,
            reason=EventReason.PD,
            left=last or follow_up.start,
            right=follow_up.pd_date,
            rule="section 11: documented progression",
        )
    if follow_up.death_date is not None:
        return Outcome(
            date=follow_up.death_date,
            status=EventStatus.EVENT,
            reason=EventReason.DEATH,
            left=follow_up.death_date,
            right=follow_up.death_date,
            rule="section 11: death without documented progression",
            cause=Cause.DEATH,
        )
    return None


def _last_adequate(
    follow_up: FollowUp, *, until: dt.date | None = None, before: dt.date | None = None
) -> dt.date | None:
    # Without a baseline there is nothing to compare with: no later assessment is adequate.
    if not follow_up.baseline:
        return None
    last = follow_up.last_adequate(until=until, before=before)
    return None if last is None else last.date


def _last_before(follow_up: FollowUp, event: Outcome) -> dt.date | None:
    """Return the last event-free adequate assessment: a scan on the day of death still counts as one."""
    if event.reason is EventReason.PD:
        return _last_adequate(follow_up, before=event.date)
    return _last_adequate(follow_up, until=event.date)


def _new_therapy(follow_up: FollowUp) -> dt.date | None:
    date = follow_up.new_therapy_date
    return None if date is None or date < follow_up.start else date


def _no_baseline(follow_up: FollowUp) -> Outcome:
    return _censored(follow_up.start, EventReason.NO_BASELINE, "section 11: no baseline scan, alive; censored at start")


def _without_event(follow_up: FollowUp) -> Outcome:
    last = _last_adequate(follow_up)
    if last is None:
        rule = "section 11: no adequate assessment after baseline, alive; censored at start"
        return _censored(follow_up.start, EventReason.NO_POSTBASELINE, rule)
    return _censored(last, EventReason.LAST_ADEQUATE, "section 11: no progression; last adequate assessment")


def _no_progression(follow_up: SiteFollowUp) -> Outcome:
    if follow_up.death_date is not None:
        return _competing_death(follow_up.death_date, "section 11: death without progression competes")
    ends = [follow_up.last_imaging(site) for site in (Cause.HEPATIC, Cause.EXTRAHEPATIC)]
    known = [end for end in ends if end is not None]
    # A compartment that was never imaged is not free of progression from the start on.
    end = min(known) if len(known) == len(ends) else None
    return _censored_at_imaging(follow_up.start, end, "section 11: earlier of the two imaging ends")


def _by_site(follow_up: SiteFollowUp, site: Cause) -> tuple[dt.date | None, dt.date | None]:
    """Return the site's own first progression and the other site's."""
    hepatic, extrahepatic = follow_up.first_hepatic_pd_date, follow_up.first_extrahepatic_pd_date
    if site is Cause.HEPATIC:
        return hepatic, extrahepatic
    if site is Cause.EXTRAHEPATIC:
        return extrahepatic, hepatic
    raise ValueError(f"{site.value} is no site")


def _unsited_first(follow_up: SiteFollowUp) -> Outcome | None:
    """Return the first progression where no site explains it: an event without a cause, so no site is ever first."""
    date = follow_up.unsited_pd_date
    if date is None:
        return None
    rule = "section 11: first progression has no site (normal nodes alone explain the sum)"
    last = [follow_up.last_imaging(site, before=date) for site in (Cause.HEPATIC, Cause.EXTRAHEPATIC)]
    left = max((day for day in last if day is not None), default=follow_up.start)
    return Outcome(date=date, status=EventStatus.EVENT, reason=EventReason.PD, left=left, right=date, rule=rule)


def _progression(follow_up: SiteFollowUp, date: dt.date, site: Cause, *, cause: Cause, rule: str) -> Outcome:
    return Outcome(
        date=date,
        status=EventStatus.EVENT,
        reason=EventReason.PD,
        left=follow_up.last_imaging(site, before=date) or follow_up.start,
        right=date,
        rule=rule,
        cause=cause,
    )


def _competing_death(date: dt.date, rule: str) -> Outcome:
    return Outcome(
        date=date,
        status=EventStatus.COMPETING,
        reason=EventReason.DEATH,
        left=date,
        right=date,
        rule=rule,
        cause=Cause.DEATH,
    )


def _censored_at_imaging(start: dt.date, imaged: dt.date | None, rule: str) -> Outcome:
    if imaged is None or imaged <= start:
        return _censored(start, EventReason.NO_POSTBASELINE, f"{rule}: none after the start")
    return _censored(imaged, EventReason.LAST_ADEQUATE, rule)


def _censored(date: dt.date, reason: EventReason, rule: str) -> Outcome:
    return Outcome(date=date, status=EventStatus.CENSORED, reason=reason, left=date, right=None, rule=rule)
