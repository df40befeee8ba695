"""Where a lesion's place is when its own pair says nothing of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.landmarks import Landmarks
from lesiontrack.link.draft import Draft
from lesiontrack.link.evidence import Evidence

__all__ = ["unpulled_place_mm"]

Points = NDArray[np.float64]

# With fewer other lesions the registration's own field knows more than they do.
_LEAST_PAIRS = 3


def unpulled_place_mm(
    index: int, series_uid: str, drafts: Sequence[Draft], mine: Collection[int], evidence: Evidence, width_mm: float
) -> Points | None:
    """Project a lesion by the affine part of the registration and by what all other lesions say of the rest.

    The field of a registration follows every pair of lesions, also the pair of a whole and its larger part: it moves
    the whole's centre onto that part's, and the whole then looks as if it had never had another. The affine part rests
    on the liver's surface.

    Parameters
    ----------
    index
        Which lesion of ``evidence``.
    series_uid
        The scan to project into.
    drafts
        Where each has one lesion in both scans, it is a landmark.
    mine
        Lesions whose drafts are none.
    width_mm
        Over which lesions share their residual.

    Returns
    -------
    (3,) LPS mm; None without a route or with fewer than three landmarks.
    """
    lesion = evidence.lesions[index]
    route = evidence.routes.between(lesion.series_uid, series_uid)
    if route is None:
        return None
    pairs = [
        (first[0], second[0])
        for draft in drafts
        if not set(draft.members) & set(mine)
        for first, second in [_both(draft, lesion.series_uid, series_uid, evidence)]
        if len(first) == len(second) == 1 and evidence.group(first[0]) == evidence.group(index)
    ]
    if len(pairs) < _LEAST_PAIRS:
        return None
    centres = np.array([[evidence.lesions[m].centroid_lps_mm for m in pair] for pair in pairs])
    start = np.array([lesion.centroid_lps_mm])
    for step in route.steps:
        linear, shift = step.affine[:3, :3].T, step.affine[:3, 3]
        start, centres[:, 0] = start @ linear + shift, centres[:, 0] @ linear + shift
    marks = Landmarks.between(centres[:, 0], centres[:, 1] - centres[:, 0])
    place: Points = (start + marks.predict(start, smoothness_mm=width_mm))[0]
    return place


def _both(draft: Draft, source: str, target: str, evidence: Evidence) -> tuple[list[int], list[int]]:
    first = [m for m in draft.members if evidence.lesions[m].series_uid == source]
    return first, [m for m in draft.members if evidence.lesions[m].series_uid == target]
