"""Splits and merges: lesions that fall apart or flow together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lesiontrack.link.draft import Draft, Visits, members_at, members_before
from lesiontrack.link.evidence import Evidence
from lesiontrack.link.settings import LinkSettings
from lesiontrack.link.told import told_apart
from lesiontrack.link.unpulled import unpulled_place_mm

__all__ = ["merge", "split"]

Points = NDArray[np.float64]

# Centres are known to about this, mm.
_SLACK_MM = 1.0
# Parts may hold this much more than the whole: lesions grow between visits.
_VOLUME_EXCESS = 1.4


def split(drafts: list[Draft], evidence: Evidence, visits: Visits, settings: LinkSettings) -> list[Draft]:
    """Give fragments back to the lesion that they split from; parts of one lesion add up (response rules, section 4).

    A group that begins at a later visit is a fragment of a lesion seen before when its centre lies within that
    lesion's extent as projected, it is smaller, and the parts together agree better with the projected centre (and
    hold no more than ``_VOLUME_EXCESS`` of the volume) than the lesion's other part alone.
    """
    first = visits.numbers[0] if visits.numbers else 0
    merged = list(drafts)
    for draft in sorted(drafts, key=lambda d: d.members[0]):
        begins = evidence.lesions[draft.members[0]].timepoint
        if begins == first or draft not in merged:
            continue
        parent = _parent(draft, merged, evidence, visits, settings)
        if parent is None:
            continue
        joined = replace(parent, members=tuple(sorted((*parent.members, *draft.members))))
        had = bool(members_at(parent, evidence, begins))
        label = "SPLIT" if had else "MOVED"
        joined = joined.because(f"{label}: at visit {begins}")
        merged = [joined if d is parent else d for d in merged if d is not draft]
    return merged


def _parent(
    draft: Draft, drafts: list[Draft], evidence: Evidence, visits: Visits, settings: LinkSettings
) -> Draft | None:
    """Return the draft that a later beginner is a fragment of, the nearest one by the whole's radius."""
    child = evidence.lesions[draft.members[0]]
    best: tuple[float, int, Draft] | None = None
    for other in drafts:
        before = members_before(other, evidence, child.timepoint)
        if other is draft or len(before) != 1 or visits.next(evidence.lesions[before[0]].timepoint) != child.timepoint:
            continue
        parts = [*members_at(other, evidence, child.timepoint), draft.members[0]]
        if not _overlap_free(other, draft, evidence, child.timepoint):
            continue
        if told_apart(other.members, draft.members, evidence):
            continue
        nearness = _whole_and_part(evidence, before[0], parts, drafts, settings)
        if nearness is not None and (best is None or (nearness, before[0]) < best[:2]):
            best = (nearness, before[0], other)
    return None if best is None else best[2]


def _overlap_free(parent: Draft, child: Draft, evidence: Evidence, timepoint: int) -> bool:
    """Tell whether all lesions of both are of one group, so that a hepatic one never takes in another."""
    groups = {evidence.group(m) for m in (*parent.members, *child.members)}
    return len(groups) == 1 and evidence.lesions[child.members[0]].timepoint == timepoint


def _whole_and_part(
    evidence: Evidence, whole: int, parts: list[int], drafts: list[Draft], settings: LinkSettings
) -> float | None:
    """Return how far the last part lies from the whole's projected centre, in radii; None when it is no part."""
    place = _place(whole, evidence.lesions[parts[-1]].series_uid, (whole, *parts), drafts, evidence, settings)
    if place is None:
        return None
    centres = np.array([evidence.lesions[part].centroid_lps_mm for part in parts])
    volumes = np.array([evidence.lesions[part].volume_mm3 for part in parts])
    return _fits(place, evidence.lesions[whole].volume_mm3, centres, volumes, settings)


def _fits(
    whole_centre: Points, whole_volume: float, centres: Points, volumes: Points, settings: LinkSettings
) -> float | None:
    """Tell whether parts make up a whole, and how near the last of them is, in radii of the whole."""
    radius = (3.0 * whole_volume / (4.0 * np.pi)) ** (1.0 / 3.0)
    distance = np.linalg.norm(centres - whole_centre, axis=1)
    inside = distance[-1] <= settings.fragment_reach * radius + _SLACK_MM
    if not inside or volumes[-1] >= whole_volume or volumes.sum() > _VOLUME_EXCESS * whole_volume:
        return None
    if len(volumes) > 1:
        together = float(np.linalg.norm(np.average(centres, axis=0, weights=volumes) - whole_centre))
        alone = float(np.linalg.norm(np.average(centres[:-1], axis=0, weights=volumes[:-1]) - whole_centre))
        if together > alone - _SLACK_MM / 2.0:
            return None
    return float(distance[-1] / max(radius, _SLACK_MM))


def merge(drafts: list[Draft], evidence: Evidence, visits: Visits, settings: LinkSettings) -> list[Draft]:
    """Find tracks that coalesce into another's lesion: the mirror image of a split, but each keeps its own identity."""
    result = list(drafts)
    for position, draft in enumerate(drafts):
        ends = evidence.lesions[draft.members[-1]].timepoint
        now = visits.next(ends)
        last = members_at(draft, evidence, ends)
        if now is None or len(last) != 1:
            continue
        best: tuple[float, int] | None = None
        for other in drafts:
            here = members_at(other, evidence, now)
            if other is draft or len(here) != 1 or evidence.group(here[0]) != evidence.group(last[0]):
                continue
            parts = [*members_before(other, evidence, now), last[0]]
            nearness = _part_of(evidence, here[0], parts, drafts, settings)
            if nearness is not None and (best is None or (nearness, here[0]) < best):
                best = (nearness, here[0])
        if best is not None:
            result[position] = replace(draft, merged=(now, best[1])).because(f"MERGE: at visit {now}")
    return result


def _part_of(
    evidence: Evidence, whole: int, parts: list[int], drafts: list[Draft], settings: LinkSettings
) -> float | None:
    """Return how far the last of earlier ``parts`` is projected from a later whole, in radii; None when no part."""
    target = evidence.lesions[whole]
    mine = (whole, *parts)
    places = [_place(part, target.series_uid, mine, drafts, evidence, settings) for part in parts]
    centres = [place for place in places if place is not None]
    if len(parts) < 2 or len(centres) != len(parts):
        return None
    volumes = np.array([evidence.lesions[part].volume_mm3 for part in parts])
    return _fits(np.array(target.centroid_lps_mm), target.volume_mm3, np.array(centres), volumes, settings)


def _place(
    index: int,
    series_uid: str,
    mine: tuple[int, ...],
    drafts: list[Draft],
    evidence: Evidence,
    settings: LinkSettings,
) -> Points | None:
    """Project a whole or a part without what the pair in question did to the field; as usual with too few others."""
    unpulled = unpulled_place_mm(index, series_uid, drafts, mine, evidence, settings.smoothness_start_mm)
    if unpulled is not None:
        return unpulled
    place = evidence.place(index, series_uid)
    return None if place is None else place.point_lps_mm
