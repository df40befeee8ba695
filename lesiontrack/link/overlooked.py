"""Lesions that were probably there before they were first marked: a suggestion where to look, never a finding."""

from __future__ import annotations

from lesiontrack.link.draft import Draft, Visits
from lesiontrack.link.evidence import Evidence
from lesiontrack.link.ledger import look
from lesiontrack.link.settings import LinkSettings

__all__ = ["OVERLOOKED", "overlooked"]

OVERLOOKED = "MAYBE_MISSED"

# A place that no registration leads to is told by a spread beyond this.
_NOWHERE_MM = 100.0


def overlooked(draft: Draft, evidence: Evidence, visits: Visits, settings: LinkSettings) -> tuple[str, ...]:
    """Name the last visit before its first sight at which a lesion should have been large enough to be marked.

    It rests on sizes and dates alone, no image is asked: a lesion of diameter d was at least
    ``d 2^(-days / (3 T))`` mm the given days before, where its volume takes T days or more to double. The place was
    in view then, and nothing is marked there that it could be. Linking, ledger and newness do not change by it.

    Returns
    -------
    One reason with the visit, the size and the place to look at (LPS mm of that visit's scan), or none.
    """
    first = evidence.lesions[draft.members[0]]
    size_mm = max(float(evidence.lesions[m].longest_diameter_mm) for m in _first_members(draft, evidence))
    for timepoint in reversed([n for n in visits.numbers if n < first.timepoint]):
        if not evidence.subject.visits[timepoint].measured_scans:
            continue
        scan, place, in_view = look(draft, timepoint, evidence, settings)
        days = (first.date - scan.date).days
        was_mm = size_mm * 2.0 ** (-max(days, 0) / (3.0 * settings.missed_doubling_days))
        if was_mm < settings.missed_from_mm:
            return ()
        if in_view and place.spread_mm < _NOWHERE_MM:
            x, y, z = place.point_lps_mm
            doubt = "" if place.trusted else ", by an untrusted registration"
            return (
                f"{OVERLOOKED}: {size_mm:.0f} mm at first sight, so {was_mm:.0f} mm or more at visit {timepoint}, "
                f"unless its volume doubles in under {settings.missed_doubling_days:g} days; look there at "
                f"{x:.0f}, {y:.0f}, {z:.0f} mm{doubt}",
            )
    return ()


def _first_members(draft: Draft, evidence: Evidence) -> list[int]:
    first = evidence.lesions[draft.members[0]].timepoint
    return [m for m in draft.members if evidence.lesions[m].timepoint == first]
