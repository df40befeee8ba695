"""Which lesion of one reader is which of another: by number where both have it from the machine, else by place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lesiontrack.review.case_reading import ReadLesion

__all__ = ["SeenBy", "same_lesions"]

SeenBy = Mapping[str, ReadLesion]
"""One lesion of a visit: reader -> the lesion as that reader left it; who has none does not see it."""

# A lesion of the machine keeps its number and its centroid in every reading; this is for the rounding of tables.
_UNMOVED_MM = 1.0


def same_lesions(seen: Mapping[str, Sequence[ReadLesion]], *, within_mm: float) -> tuple[SeenBy, ...]:
    """Group the lesions of one visit, as several readers left them, by what is one lesion.

    Parameters
    ----------
    seen
        Reader -> that reader's lesions of the visit.
    within_mm
        Two lesions of the same site that are each other's nearest are one where their centroids are no farther apart.

    Returns
    -------
    tuple of mappings
        Each lesion once, in the order of the first reader that has it. No group holds two lesions of one reader.
    """
    groups: list[dict[str, ReadLesion]] = []
    for reader, lesions in seen.items():
        rest = list(lesions)
        for group in groups:
            mine = next((x for x in rest if any(_is_unchanged(x, other) for other in group.values())), None)
            if mine is not None:
                group[reader] = mine
                rest.remove(mine)
        open_groups = [group for group in groups if reader not in group]
        for group, lesion in _nearest_pairs(open_groups, rest, within_mm):
            group[reader] = lesion
            rest.remove(lesion)
        groups.extend({reader: lesion} for lesion in rest)
    return tuple(groups)


def _is_unchanged(lesion: ReadLesion, other: ReadLesion) -> bool:
    if lesion.lesion_id != other.lesion_id or lesion.series_uid != other.series_uid:
        return False
    apart_mm = _apart_mm(lesion, other)
    return apart_mm is None or apart_mm <= _UNMOVED_MM


def _nearest_pairs(
    groups: Sequence[dict[str, ReadLesion]], lesions: Sequence[ReadLesion], within_mm: float
) -> list[tuple[dict[str, ReadLesion], ReadLesion]]:
    """Pair groups and lesions, the nearest first, each once."""
    found = []
    for g, group in enumerate(groups):
        for n, lesion in enumerate(lesions):
            apart = [_apart_mm(lesion, other) for other in group.values() if other.site == lesion.site]
            known = [distance for distance in apart if distance is not None]
            if known and min(known) <= within_mm:
                found.append((min(known), g, n))
    pairs, used_groups, used_lesions = [], set(), set()
    for _, g, n in sorted(found):
        if g not in used_groups and n not in used_lesions:
            used_groups.add(g)
            used_lesions.add(n)
            pairs.append((groups[g], lesions[n]))
    return pairs


def _apart_mm(lesion: ReadLesion, other: ReadLesion) -> float | None:
    if lesion.centroid_lps_mm is None or other.centroid_lps_mm is None:
        return None
    return math.dist(lesion.centroid_lps_mm, other.centroid_lps_mm)
