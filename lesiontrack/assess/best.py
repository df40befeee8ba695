"""Best overall response, with and without confirmation (response rules, section 8; RECIST 1.1, 4.4.3, 4.6, table 3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.outcome import Reason, Response

__all__ = ["Best", "TimedResponse", "best_overall_response", "confirmed_best_overall_response", "until_progression"]

_SECTION = "rule book, 8; RECIST 1.1, 4.4.3"


@dataclass(frozen=True, slots=True)
class TimedResponse:
    """An overall response on a day; ``target_disease`` False where only non-targets are followed."""

    date: dt.date
    response: Response
    target_disease: bool


@dataclass(frozen=True, slots=True)
class Best:
    """A best overall response, and the visits that make it: a response and its confirmation, or the first such visit.

    Without visits there was none that counts.
    """

    response: Response
    visits: tuple[TimedResponse, ...] = ()

    def reason(self, rule: str, start: dt.date, settings: AssessSettings) -> Reason:
        """Return why it is that; ``rule`` names the kind, ``start`` is day 0."""
        days = [Decimal((visit.date - start).days) for visit in self.visits]
        numbers = [("day", day) for day in days[:1]]
        if not days:
            text = "no visit from treatment start to the first progression counts"
        elif len(days) > 1:
            text = "on day {day}, confirmed {days_between} days later, at least {confirm_days}"
            first, later = days
            numbers += [("days_between", later - first), ("confirm_days", Decimal(settings.confirm_days))]
        elif self.response in (Response.SD, Response.NON_CR_NON_PD):
            text = "no better response counts, and on day {day}, at least {min_sd_days}, the disease was no worse"
            numbers.append(("min_sd_days", Decimal(settings.min_sd_days)))
        elif self.response is Response.PD:
            text = "progression on day {day}, and no better response counts before it"
        else:
            text = "the first of the best responses is on day {day}"
        return Reason(
            rule=rule,
            section=_SECTION,
            outcome=self.response.value,
            text=text,
            numbers=tuple(numbers),
            scans=tuple(visit.date.isoformat() for visit in self.visits),
        )


def until_progression(sequence: Sequence[TimedResponse]) -> list[TimedResponse]:
    """Return the responses up to the first progression, that one included."""
    kept: list[TimedResponse] = []
    for item in sequence:
        kept.append(item)
        if item.response is Response.PD:
            break
    return kept


def best_overall_response(sequence: Sequence[TimedResponse], start: dt.date, settings: AssessSettings) -> Best:
    """Return the best response without confirmation.

    CR > PR > NED > SD > NON-CR/NON-PD > PD > NE; SD and NON-CR/NON-PD count from the minimum duration on.

    Parameters
    ----------
    sequence
        Overall responses from treatment start to the first progression, in time order.
    start
        Day 0 of the minimum duration.
    """
    for response in (Response.CR, Response.PR, Response.NED):
        found = _first(sequence, response)
        if found is not None:
            return Best(response, (found,))
    return _without_response(sequence, start, settings, as_stable=(Response.SD,), as_neither=(Response.NON_CR_NON_PD,))


def confirmed_best_overall_response(
    sequence: Sequence[TimedResponse], start: dt.date, settings: AssessSettings
) -> Best:
    """Return the best response where CR and PR must be confirmed (RECIST 1.1, table 3).

    A response that is never confirmed leaves SD when a CR, PR or SD visit is late enough; a CR of non-target disease
    alone leaves NON-CR/NON-PD.
    """
    for response, confirming in ((Response.CR, _confirming_cr), (Response.PR, _confirming_pr)):
        for place, item in enumerate(sequence):
            later = confirming(sequence, place, settings)
            if later is not None:
                return Best(response, (item, later))
    disease_free = _first(sequence, Response.NED)
    if disease_free is not None:
        return Best(Response.NED, (disease_free,))
    return _without_response(
        sequence,
        start,
        settings,
        as_stable=(Response.CR, Response.PR, Response.SD),
        as_neither=(Response.CR, Response.NON_CR_NON_PD),
    )


def _first(sequence: Sequence[TimedResponse], *wanted: Response) -> TimedResponse | None:
    return next((item for item in sequence if item.response in wanted), None)


def _without_response(
    sequence: Sequence[TimedResponse],
    start: dt.date,
    settings: AssessSettings,
    *,
    as_stable: tuple[Response, ...],
    as_neither: tuple[Response, ...],
) -> Best:
    late = [item for item in sequence if (item.date - start).days >= settings.min_sd_days]
    # Of the responses that leave SD only a CR occurs without target disease.
    stable = _first([item for item in late if item.target_disease], *as_stable)
    neither = _first(late, *as_neither)
    progressed = _first(sequence, Response.PD)
    for response, item in (
        (Response.SD, stable),
        (Response.NON_CR_NON_PD, neither),
        (Response.PD, progressed),
    ):
        if item is not None:
            return Best(response, (item,))
    return Best(Response.NE)


def _confirming_cr(sequence: Sequence[TimedResponse], first: int, settings: AssessSettings) -> TimedResponse | None:
    """Return what confirms a CR at ``first``: a CR far enough, only CR and NE between, NE not too often; else None."""
    if sequence[first].response is not Response.CR:
        return None
    unread = 0
    for later in sequence[first + 1 :]:
        if later.response is Response.CR:
            if _far_enough(sequence[first], later, settings):
                return later
        elif later.response is Response.NE:
            unread += 1
            if unread > settings.max_ne_between:
                return None
        else:
            return None
    return None


def _confirming_pr(sequence: Sequence[TimedResponse], first: int, settings: AssessSettings) -> TimedResponse | None:
    """Return the CR or PR that confirms a PR at ``first``, else None; a PR after any CR confirms nothing."""
    if sequence[first].response is not Response.PR:
        return None
    unread = 0
    had_sd = False
    had_cr = any(item.response is Response.CR for item in sequence[:first])
    for later in sequence[first + 1 :]:
        if later.response is Response.CR or (later.response is Response.PR and not had_cr):
            had_cr = later.response is Response.CR
            if _far_enough(sequence[first], later, settings):
                return later
        elif later.response is Response.NE and unread < settings.max_ne_between:
            unread += 1
        elif later.response is Response.SD and settings.accept_sd_between and not had_sd:
            had_sd = True
        else:
            return None
    return None


def _far_enough(first: TimedResponse, later: TimedResponse, settings: AssessSettings) -> bool:
    return (later.date - first.date).days >= settings.confirm_days
