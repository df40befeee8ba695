"""Non-target response at a visit (response rules, section 5; RECIST 1.1, 4.3.3)."""

from __future__ import annotations

from collections.abc import Mapping

from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.outcome import Reason, Response
from lesiontrack.domain.reads import NonTargetStatus, SiteStatus

__all__ = ["SITE_AS_NONTARGET", "non_target_response"]

_SECTION = "RECIST 1.1, 4.3.3"

# In Table 1 a treated site acts as a non-target (response rules, section 10, rebaseline 3).
SITE_AS_NONTARGET = {
    SiteStatus.NO_VIABLE: NonTargetStatus.ABSENT,
    SiteStatus.RESIDUAL: NonTargetStatus.PRESENT,
    SiteStatus.LTP: NonTargetStatus.UNEQUIVOCAL,
    SiteStatus.NE: NonTargetStatus.NE,
}


def non_target_response(statuses: Mapping[str, NonTargetStatus], settings: AssessSettings) -> tuple[Response, Reason]:
    """Return the non-target response and why.

    Parameters
    ----------
    statuses
        Status of each non-target, and of each treated site that acts as one.
    """
    if not statuses:
        return Response.NA, _reason("na", Response.NA, "there is no non-target", ())
    by = {status: tuple(x for x, s in statuses.items() if s is status) for status in NonTargetStatus}
    if by[NonTargetStatus.UNEQUIVOCAL]:
        return Response.PD, _reason("pd", Response.PD, "unequivocal progression", by[NonTargetStatus.UNEQUIVOCAL])
    unread, present = by[NonTargetStatus.NE], by[NonTargetStatus.PRESENT]
    if unread and not (present and settings.nt_partial == "NON-CR/NON-PD"):
        return Response.NE, _reason("ne", Response.NE, "not evaluable", unread)
    if present:
        response = Response.NON_CR_NON_PD
        return response, _reason("non_cr_non_pd", response, "still there, without unequivocal progression", present)
    return Response.CR, _reason("cr", Response.CR, "all gone", by[NonTargetStatus.ABSENT])


def _reason(rule: str, outcome: Response, text: str, lesions: tuple[str, ...]) -> Reason:
    return Reason(rule=f"non_target.{rule}", section=_SECTION, outcome=outcome.value, text=text, lesions=lesions)
