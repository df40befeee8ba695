"""Grouping: which lesions a reader holds to be one, so that linking can derive tracks, fates and the ledger from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lesiontrack.domain.study import LocalTreatment

__all__ = ["Grouping", "Key", "Pair", "pair_of"]

# Visit and number of a lesion.
Key = tuple[int, int]
Pair = tuple[Key, Key]


def pair_of(first: Key, second: Key) -> Pair:
    """Return two lesions in time order."""
    return (first, second) if first <= second else (second, first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """The lesions of all visits as groups that are one lesion each.

    Attributes
    ----------
    groups
        Every lesion in exactly one, each sorted.
    coalesced
        (lesion, mass) for each track that ends with the lesion and goes on in another's mass.
    apart
        Pairs that a reader says are not the same lesion.
    joined
        Pairs that a reader says, or confirms, are the same lesion, or part and mass; and the reader's name.
    treated
        Local treatments that a reader gives to the group of a lesion.
    """

    groups: tuple[tuple[Key, ...], ...]
    coalesced: tuple[Pair, ...] = ()
    apart: frozenset[Pair] = frozenset()
    joined: Mapping[Pair, str] = field(default_factory=dict)
    treated: tuple[tuple[Key, LocalTreatment], ...] = ()

    def are_apart(self, first: tuple[Key, ...], second: tuple[Key, ...]) -> bool:
        """Tell whether any two lesions of two groups were said not to be the same."""
        return bool(self.apart) and any(pair_of(a, b) in self.apart for a in first for b in second)
