"""Target selection: the machine's proposal, and every other choice that RECIST admits (response rules, section 3)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, product
from math import comb, prod

from lesiontrack.assess.settings import AssessSettings

__all__ = ["Candidate", "TargetChoices", "propose_targets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A lesion of the baseline that may be a target: measurable, and not locally treated before."""

    lesion_id: str
    organ: str
    length_mm: Decimal


def propose_targets(
    candidates: Iterable[Candidate], settings: AssessSettings, *, fixed: Sequence[Candidate] = ()
) -> tuple[str, ...]:
    """Take the largest lesions within the two caps: deterministic, by diameter and then by id.

    Parameters
    ----------
    fixed
        Targets that a reader has set; they come first and count towards the caps.
    """
    chosen = [candidate.lesion_id for candidate in fixed]
    taken = Counter(candidate.organ for candidate in fixed)
    for candidate in sorted(candidates, key=lambda c: (-c.length_mm, c.lesion_id)):
        if len(chosen) >= settings.max_targets:
            break
        if candidate.lesion_id in chosen or taken[candidate.organ] >= settings.max_targets_per_organ:
            continue
        chosen.append(candidate.lesion_id)
        taken[candidate.organ] += 1
    return tuple(chosen)


class TargetChoices:
    """All choices of targets that fill the two caps: as many lesions as they allow, none of them preferred."""

    def __init__(self, candidates: Iterable[Candidate], settings: AssessSettings) -> None:
        self._settings = settings
        organs: dict[str, list[str]] = {}
        for candidate in sorted(candidates, key=lambda c: c.lesion_id):
            organs.setdefault(candidate.organ, []).append(candidate.lesion_id)
        self._organs = [organs[name] for name in sorted(organs)]
        caps = [min(settings.max_targets_per_organ, len(ids)) for ids in self._organs]
        size = min(settings.max_targets, sum(caps))
        shares = product(*(range(cap + 1) for cap in caps))
        self._shares = [share for share in shares if sum(share) == size]
        self._weights = [
            prod(comb(len(ids), k) for ids, k in zip(self._organs, share, strict=True)) for share in self._shares
        ]

    @property
    def n_admissible(self) -> int:
        """How many choices there are."""
        return sum(self._weights)

    @property
    def sampled(self) -> bool:
        """Whether there are more than are judged one by one."""
        return self.n_admissible > self._settings.max_choices

    def __iter__(self) -> Iterator[frozenset[str]]:
        """Yield every choice, or where there are too many a seeded sample of different ones."""
        return self._sample() if self.sampled else self._all()

    def _all(self) -> Iterator[frozenset[str]]:
        for share in self._shares:
            parts = (combinations(ids, k) for ids, k in zip(self._organs, share, strict=True))
            for chosen in product(*parts):
                yield frozenset(name for part in chosen for name in part)

    def _sample(self) -> Iterator[frozenset[str]]:
        source = random.Random(self._settings.choice_seed)
        seen: set[frozenset[str]] = set()
        while len(seen) < self._settings.max_choices:
            (share,) = source.choices(self._shares, weights=self._weights)
            chosen = frozenset(
                name for ids, k in zip(self._organs, share, strict=True) for name in source.sample(ids, k)
            )
            if chosen not in seen:
                seen.add(chosen)
                yield chosen
