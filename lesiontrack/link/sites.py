"""Treated sites through time: where a treated lesion ends, and what begins beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lesiontrack.domain.lesion import TreatedZone
from lesiontrack.link.draft import Draft, Visits
from lesiontrack.link.evidence import Evidence
from lesiontrack.link.settings import LinkSettings

__all__ = ["CUT", "cut_at_control", "recurrences"]

# Why the later part of a treated track that was cut is a track of its own.
CUT = "RECURRENCE: back after a clean control"


def cut_at_control(drafts: list[Draft], evidence: Evidence, visits: Visits) -> list[Draft]:
    """End a treated track at its first control without it; what is seen there later is a track of its own.

    A lesion that is still seen after its treatment (residual tumour, a slowly shrinking irradiated lesion) stays in
    its track; one that was gone at a control and is back is a recurrence (SIO/DATECAN 2014, local tumour progression).
    """
    result: list[Draft] = []
    for draft in drafts:
        seen = {evidence.lesions[m].timepoint for m in draft.members}
        controls = [n for n in visits.numbers if draft.treated_from is not None and n >= draft.treated_from]
        clean = next((n for n in controls if n not in seen), None)
        before = tuple(m for m in draft.members if clean is None or evidence.lesions[m].timepoint < clean)
        after = draft.members[len(before) :]
        # A draft with nothing before its own treatment was named by hand for a lesion that only shows later.
        if clean is None or not after or not before:
            result.append(draft)
            continue
        result.append(replace(draft, members=before))
        result.append(Draft(members=after, recurrence_of=before[0], reasons=(CUT,)))
    return result


def recurrences(
    drafts: list[Draft], evidence: Evidence, visits: Visits, zones: Sequence[TreatedZone], settings: LinkSettings
) -> list[Draft]:
    """Name the treated site beside which a later track begins, the nearest within ``recurrence_mm`` edge to edge."""
    result: list[Draft] = []
    for draft in drafts:
        first = evidence.lesions[draft.members[0]].timepoint
        sources = [d for d in drafts if d is not draft and d.treated_from is not None and d.treated_from <= first]
        # Seen before the treatment: a neighbour, not a recurrence.
        if draft.recurrence_of is not None or not visits.numbers or first == visits.numbers[0]:
            result.append(draft)
            continue
        near = [(d, s) for s in sources if (d := _gap_to_site(draft, s, evidence, zones, settings)) is not None]
        near = [(d, s) for d, s in near if d <= settings.recurrence_mm]
        if near:
            distance, source = min(near, key=lambda found: (found[0], found[1].members[0]))
            draft = replace(draft, recurrence_of=source.members[0]).because(
                f"RECURRENCE: begins {max(distance, 0.0):.0f} mm from a treated site"
            )
        result.append(draft)
    return result


def _gap_to_site(
    draft: Draft, source: Draft, evidence: Evidence, zones: Sequence[TreatedZone], settings: LinkSettings
) -> float | None:
    """Return the distance from a new lesion's edge to a treated site's edge, mm; None where no route leads."""
    lesion = evidence.lesions[draft.members[0]]
    if evidence.group(draft.members[0]) != evidence.group(source.members[0]):
        return None
    members = [m for m in source.members if evidence.lesions[m].timepoint < lesion.timepoint]
    place = evidence.joint_place(members, lesion.series_uid)
    if place is None:
        return None
    centre, radius = place.point_lps_mm, evidence.lesions[source.members[-1]].radius_mm
    own = [zone for zone in zones if zone.series_uid == lesion.series_uid]
    gaps = {z: float(np.linalg.norm(np.array(z.centroid_lps_mm) - centre)) - z.radius_mm for z in own}
    if gaps:
        zone = min(gaps, key=lambda z: (gaps[z], z.centroid_lps_mm))
        if gaps[zone] <= settings.zone_gate_mm:
            centre, radius = np.array(zone.centroid_lps_mm), zone.radius_mm
    return float(np.linalg.norm(np.array(lesion.centroid_lps_mm) - centre)) - radius - lesion.radius_mm
