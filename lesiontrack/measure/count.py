"""How many lesions there are, and which of them make that uncertain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lesiontrack.domain.lesion import Certainty, Lesion
from lesiontrack.domain.study import Compartment

__all__ = ["Count", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Number of hepatic lesions in a visit, with its bounds.

    Attributes
    ----------
    low
        Those that are certain to be there; a confluent mask counts once.
    hepatic
        Those that were measured.
    high
        A confluent mask counts as often as it may be separate lesions.
    deciding
        (timepoint, lesion_id) of the lesions that make ``low`` and ``high`` differ.
    """

    low: int
    hepatic: int
    high: int
    deciding: tuple[tuple[int, int], ...] = ()


def count(lesions: Iterable[Lesion]) -> Count:
    """Count the hepatic lesions of a visit; order does not matter."""
    hepatic = [lesion for lesion in lesions if lesion.compartment is Compartment.HEPATIC]
    probable = [lesion for lesion in hepatic if lesion.certainty is Certainty.PROBABLE]
    several = [lesion for lesion in hepatic if lesion.max_components > 1]
    keys = {(lesion.timepoint, lesion.lesion_id) for lesion in (*probable, *several)}
    return Count(
        low=len(hepatic) - len(probable),
        hepatic=len(hepatic),
        high=sum(max(1, lesion.max_components) for lesion in hepatic),
        deciding=tuple(sorted(keys)),
    )
