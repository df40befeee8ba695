"""Links of a track from visit to visit, with their confidence."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.lesion import Link, LinkKind
from lesiontrack.link.clusters import confidences
from lesiontrack.link.draft import Draft, members_at
from lesiontrack.link.evidence import Evidence
from lesiontrack.link.settings import LinkSettings

__all__ = ["Sureness", "links_of", "probability"]

# A part of a split or merge is believed this much at the whole's centre, falling to the second at its rim.
_PART_CONFIDENCE = (0.9, 0.5)


class Sureness:
    """How sure each pair of lesions of one group is."""

    def __init__(self, evidence: Evidence, label: NDArray[np.intp], settings: LinkSettings) -> None:
        visit = np.array([lesion.timepoint for lesion in evidence.lesions], dtype=np.intp)
        self._label = label
        self._sure = probability(confidences(evidence.log_odds, visit, label), settings)

    def of(self, first: int, second: int) -> float | None:
        """Return the calibrated probability that two lesions are one; None when they were not grouped."""
        if self._label[first] != self._label[second]:
            return None
        return float(self._sure[first, second])


def probability(log_odds: NDArray[np.float64], settings: LinkSettings) -> NDArray[np.float64]:
    """Return calibrated probabilities (Platt scaling) from log odds."""
    value = settings.confidence_scale * log_odds + settings.confidence_offset
    probability: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(value, -30.0, 30.0)))
    return probability


def links_of(draft: Draft, evidence: Evidence, sureness: Sureness) -> list[Link]:
    """Return the links of a track from visit to visit, and the one by which it coalesced."""
    seen = sorted({evidence.lesions[m].timepoint for m in draft.members})
    links: list[Link] = []
    for before, now in pairwise(seen):
        first, second = members_at(draft, evidence, before), members_at(draft, evidence, now)
        for a, b in _joins(first, second, evidence):
            kind = LinkKind.SAME
            if len(second) > len(first):
                kind = LinkKind.SPLIT
            elif len(second) < len(first):
                kind = LinkKind.MERGE
            confidence = sureness.of(a, b) if kind is LinkKind.SAME else None
            links.append(_link(a, b, kind, confidence, evidence))
    if draft.merged is not None:
        links += [
            _link(m, draft.merged[1], LinkKind.MERGE, None, evidence) for m in members_at(draft, evidence, seen[-1])
        ]
    return links


def _joins(first: list[int], second: list[int], evidence: Evidence) -> list[tuple[int, int]]:
    """Return who goes with whom between two visits of one track: each of the more numerous to the nearest other."""
    if len(second) >= len(first):
        return [(min(first, key=lambda a: (_apart(a, b, evidence), a)), b) for b in second]
    return [(a, min(second, key=lambda b: (_apart(a, b, evidence), b))) for a in first]


def _apart(a: int, b: int, evidence: Evidence) -> float:
    distance = float(evidence.distance_mm[a, b])
    return distance if np.isfinite(distance) else 1e6


def _link(a: int, b: int, kind: LinkKind, confidence: float | None, evidence: Evidence) -> Link:
    first, second = evidence.lesions[a], evidence.lesions[b]
    distance = _apart(a, b, evidence)
    if confidence is None:
        high, low = _PART_CONFIDENCE
        radius = max(first.radius_mm, second.radius_mm, 1.0)
        confidence = float(np.clip(high - (high - low) * distance / radius, 0.3, high))
    return Link(
        timepoint_from=first.timepoint,
        lesion_from=first.lesion_id,
        timepoint_to=second.timepoint,
        lesion_to=second.lesion_id,
        kind=kind,
        distance_mm=round(distance, 2),
        confidence=round(confidence, 4),
    )
