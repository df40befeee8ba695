"""Which lesions are one: the machine's tracks, changed as little as a reader's decisions demand.

What a reader says holds; then the machine's own links are taken back in, surest first, as long as they contradict
nothing. The result depends on the set of decisions in force, not on the order in which they were made, but where two of
them contradict each other: then the later one holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise, product

from lesiontrack.domain.grouping import Key, Pair, pair_of
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import LinkKind, Track

__all__ = ["Partition", "coalesced_by_machine", "machine_edges"]


class Partition:
    """Lesions in groups, what may not be in one group, and what ends where.

    Parameters
    ----------
    keys
        All lesions.
    fragments
        Pairs of one visit that may be in one group.
    """

    def __init__(self, keys: Iterable[Key], fragments: Iterable[Pair]) -> None:
        self._members: dict[Key, frozenset[Key]] = {key: frozenset((key,)) for key in keys}
        self._fragments: set[Pair] = set(fragments)
        self._apart: dict[Key, set[Key]] = {}
        self._ends: dict[Key, int] = {}

    def copy(self) -> Partition:
        """Return one that can be changed on trial."""
        other = Partition((), self._fragments)
        other._members = dict(self._members)
        other._apart = {key: set(found) for key, found in self._apart.items()}
        other._ends = dict(self._ends)
        return other

    def group(self, key: Key) -> frozenset[Key]:
        """Return the lesions that are one with a lesion."""
        return self._members[key]

    def join(self, first: Key, second: Key) -> bool:
        """Put two lesions into one group, unless something speaks against it."""
        one, two = self._members[first], self._members[second]
        if one is two or second in one:
            return True
        both = one | two
        if self._contradicts(one, two) or not self._ends_hold(both):
            return False
        for key in both:
            self._members[key] = both
        return True

    def part(self, first: Key, second: Key) -> bool:
        """Keep two lesions in different groups from now on, unless they are in one."""
        if second in self._members[first]:
            return False
        self._apart.setdefault(first, set()).add(second)
        self._apart.setdefault(second, set()).add(first)
        return True

    def allow(self, parts: Sequence[Key]) -> None:
        """Let lesions of one visit be fragments of one."""
        self._fragments.update(pair_of(a, b) for a, b in combinations(parts, 2))

    def end(self, key: Key, timepoint: int) -> bool:
        """Let the group of a lesion hold nothing at a visit or after it, unless it does already."""
        before = self._ends.get(key)
        self._ends[key] = timepoint if before is None else min(timepoint, before)
        if self._ends_hold(self._members[key]):
            return True
        if before is None:
            del self._ends[key]
        else:
            self._ends[key] = before
        return False

    def groups(self) -> tuple[tuple[Key, ...], ...]:
        """Return all groups, each sorted, in order of their first lesions."""
        return tuple(sorted({tuple(sorted(found)) for found in self._members.values()}))

    def _contradicts(self, one: frozenset[Key], two: frozenset[Key]) -> bool:
        if any(self._apart.get(key, frozenset()) & two for key in one if key in self._apart):
            return True
        visits = {key[0] for key in one} & {key[0] for key in two}
        return any(
            a[0] == b[0] and pair_of(a, b) not in self._fragments for a, b in product(one, two) if a[0] in visits
        )

    def _ends_hold(self, group: frozenset[Key]) -> bool:
        limits = [self._ends[key] for key in group if key in self._ends]
        return not limits or max(key[0] for key in group) < min(limits)


def machine_edges(history: History, alive: frozenset[Key]) -> tuple[list[Pair], set[Pair]]:
    """Return the machine's links as pairs to join, surest first, and the pairs that it holds to be fragments.

    Lesions of a track at consecutive sightings are linked each with each, so that all of a track hangs together also
    where the table of links names the nearest alone.
    """
    sure = {(link.timepoint_from, link.lesion_from, link.timepoint_to, link.lesion_to): link for link in history.links}
    edges: dict[Pair, float] = {}
    fragments: set[Pair] = set()
    for track in history.tracks:
        for before, now in _sightings(track, alive):
            for a, b in product(before, now):
                link = sure.get((*a, *b))
                edges[a, b] = link.confidence if link is not None else 0.0
        for visit in {key[0] for key in track.lesions}:
            here = [key for key in track.lesions if key[0] == visit]
            for a, b in combinations(here, 2):
                fragments.add((a, b))
                if a in alive and b in alive:
                    edges[a, b] = -1.0
    return sorted(edges, key=lambda pair: (-edges[pair], pair)), fragments


def _sightings(track: Track, alive: frozenset[Key]) -> Iterable[tuple[list[Key], list[Key]]]:
    seen: dict[int, list[Key]] = {}
    for key in track.lesions:
        if key in alive:
            seen.setdefault(key[0], []).append(key)
    visits = sorted(seen)
    return ((seen[before], seen[now]) for before, now in pairwise(visits))


def coalesced_by_machine(history: History) -> list[Pair]:
    """Return (lesion, mass) for every lesion with which a track ends in another's mass."""
    own = {track.track_id: set(track.lesions) for track in history.tracks if track.merged_into is not None}
    found: list[Pair] = []
    for link in history.links:
        start, mass = (link.timepoint_from, link.lesion_from), (link.timepoint_to, link.lesion_to)
        if link.kind is LinkKind.MERGE and any(start in lesions and mass not in lesions for lesions in own.values()):
            found.append((start, mass))
    return found
