"""Best overall response, with and without confirmation (response rules, section 8; RECIST 1.1, 4.4.3, 4.6, table 3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.outcome import Response

__all__ = ["TimedResponse", "best_overall_response", "confirmed_best_overall_response", "until_progression"]


@dataclass(frozen=True, slots=True)
class TimedResponse:
    """An overall response on a day; ``target_disease`` False where only non-targets are followed."""

    date: dt.date
    response: Response
    target_disease: bool = True


def until_progression(sequence: Sequence[TimedResponse]) -> list[TimedResponse]:
    """Return the responses up to the first progression, that one included."""
    kept: list[TimedResponse] = []
    for item in sequence:
        kept.append(item)
        if item.response is Response.PD:
            break
    return kept


def best_overall_response(sequence: Sequence[TimedResponse], start: dt.date, settings: AssessSettings) -> Response:
    """Return the best response without confirmation.

    CR > PR > NED > SD > NON-CR/NON-PD > PD > NE; SD and NON-CR/NON-PD count from the minimum duration on.

    Parameters
    ----------
    sequence
        Overall responses from treatment start to the first progression, in time order.
    start
        Day 0 of the minimum duration.
    """
    seen = {item.response for item in sequence}
    for response in (Response.CR, Response.PR, Response.NED):
        if response in seen:
            return response
    return _without_response(sequence, start, settings, as_stable=(Response.SD,), as_neither=(Response.NON_CR_NON_PD,))


def confirmed_best_overall_response(
    sequence: Sequence[TimedResponse], start: dt.date, settings: AssessSettings
) -> Response:
    """Return the best response where CR and PR must be confirmed (RECIST 1.1, table 3).

    A response that is never confirmed leaves SD when a CR, PR or SD visit is late enough; a CR of non-target disease
    alone leaves NON-CR/NON-PD.
    """
    if any(_confirms_cr(sequence, i, settings) for i in range(len(sequence))):
        return Response.CR
    if any(_confirms_pr(sequence, i, settings) for i in range(len(sequence))):
        return Response.PR
    if any(item.response is Response.NED for item in sequence):
        return Response.NED
    return _without_response(
        sequence,
        start,
        settings,
        as_stable=(Response.CR, Response.PR, Response.SD),
        as_neither=(Response.CR, Response.NON_CR_NON_PD),
    )


def _without_response(
    sequence: Sequence[TimedResponse],
    start: dt.date,
    settings: AssessSettings,
    *,
    as_stable: tuple[Response, ...],
    as_neither: tuple[Response, ...],
) -> Response:
    late = [item for item in sequence if (item.date - start).days >= settings.min_sd_days]
    # Of the responses that leave SD only a CR occurs without target disease.
    if any(item.response in as_stable and item.target_disease for item in late):
        return Response.SD
    if any(item.response in as_neither for item in late):
        return Response.NON_CR_NON_PD
    if any(item.response is Response.PD for item in sequence):
        return Response.PD
    return Response.NE


def _confirms_cr(sequence: Sequence[TimedResponse], first: int, settings: AssessSettings) -> bool:
    """Tell whether the CR at ``first`` is confirmed: a CR far enough, only CR and NE between, NE not too often."""
    if sequence[first].response is not Response.CR:
        return False
    unread = 0
    for later in sequence[first + 1 :]:
        if later.response is Response.CR:
            if _far_enough(sequence[first], later, settings):
                return True
        elif later.response is Response.NE:
            unread += 1
            if unread > settings.max_ne_between:
                return False
        else:
            return False
    return False


def _confirms_pr(sequence: Sequence[TimedResponse], first: int, settings: AssessSettings) -> bool:
    """Tell whether the PR at ``first`` is confirmed by a CR or PR; a PR after any CR confirms nothing."""
    if sequence[first].response is not Response.PR:
        return False
    unread = 0
    had_sd = False
    had_cr = any(item.response is Response.CR for item in sequence[:first])
    for later in sequence[first + 1 :]:
        if later.response is Response.CR or (later.response is Response.PR and not had_cr):
            had_cr = later.response is Response.CR
            if _far_enough(sequence[first], later, settings):
                return True
        elif later.response is Response.NE and unread < settings.max_ne_between:
            unread += 1
        elif later.response is Response.SD and settings.accept_sd_between and not had_sd:
            had_sd = True
        else:
            return False
    return False


def _far_enough(first: TimedResponse, later: TimedResponse, settings: AssessSettings) -> bool:
    return (later.date - first.date).days >= settings.confirm_days
