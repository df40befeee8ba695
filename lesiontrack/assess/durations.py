"""How long a response or stable disease lasted, and disease control on a fixed day (response rules, section 8)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from lesiontrack.assess.best import TimedResponse
from lesiontrack.assess.progression import Progression
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.outcome import Duration, Response, VisitResponse
from lesiontrack.domain.reads import Reads

__all__ = ["control_at", "controls", "response_duration", "stable_duration"]

_CONTROL = (Response.CR, Response.PR, Response.SD)


def response_duration(
    reads: Reads, sequence: Sequence[TimedResponse], visits: Sequence[VisitResponse], progression: Progression
) -> Duration | None:
    """Duration of response: first CR or PR to progression or death (RECIST 1.1, 4.6.2); None without a response.

    Parameters
    ----------
    sequence
        The responses that best overall response looks at.
    """
    first = next((item for item in sequence if item.response in (Response.CR, Response.PR)), None)
    return None if first is None else _lasting_from(first.date, reads, visits, progression)


def stable_duration(
    reads: Reads, visits: Sequence[VisitResponse], progression: Progression, best: Response, start: dt.date
) -> Duration | None:
    """Duration of stable disease: treatment start to progression or death (RECIST 1.1, 4.6.3); None unless best is SD.

    Parameters
    ----------
    best
        Unconfirmed best overall response.
    """
    return _lasting_from(start, reads, visits, progression) if best is Response.SD else None


def _lasting_from(start: dt.date, reads: Reads, visits: Sequence[VisitResponse], progression: Progression) -> Duration:
    """Last to progression or death, else to the last evaluable visit: there is one where there was a response or SD."""
    if progression.date is not None:
        return Duration(start=start, end=progression.date, event=True, reason="PD")
    if reads.death_date is not None:
        return Duration(start=start, end=reads.death_date, event=True, reason="DEATH")
    last = max(visit.date for visit in visits if visit.overall is not Response.NE)
    return Duration(start=start, end=last, event=False, reason="LAST_ADEQUATE")


def controls(best: Response, settings: AssessSettings) -> bool:
    """Tell whether a response is disease control."""
    if best is Response.NON_CR_NON_PD:
        return settings.non_cr_non_pd_is_control
    if best is Response.NED:
        return settings.ned_is_control
    return best in _CONTROL


def control_at(
    day: int, visits: Sequence[VisitResponse], progression: Progression, start: dt.date, settings: AssessSettings
) -> bool | None:
    """Disease control on a fixed day: no progression by then, and seen to be so on that day or later."""
    if progression.date is not None:
        return (progression.date - start).days > day
    seen = any(controls(visit.overall, settings) and (visit.date - start).days >= day for visit in visits)
    return True if seen else None
