"""Decisions on which lesions are one: link, unlink, split, merge, and links that were confirmed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from lesiontrack.domain.grouping import Grouping, Key, Pair, pair_of
from lesiontrack.domain.lesion import Lesion, LinkKind
from lesiontrack.domain.study import LocalTreatment
from lesiontrack.review.acts import ConfirmLink, Link, Merge, SetTreated, Split, Unlink
from lesiontrack.review.decision import Decision
from lesiontrack.review.docket import Docket
from lesiontrack.review.partition import Partition, coalesced_by_machine, machine_edges

__all__ = ["grouping_of"]


@dataclass(slots=True)
class _Draft:
    """What decisions have said so far of lesions that are one, can be undone as a whole."""

    partition: Partition
    coalesced: dict[Pair, Decision] = field(default_factory=dict)
    apart: set[Pair] = field(default_factory=set)
    joined: dict[Pair, str] = field(default_factory=dict)

    def copy(self) -> _Draft:
        return _Draft(self.partition.copy(), dict(self.coalesced), set(self.apart), dict(self.joined))


def grouping_of(docket: Docket, lesions: dict[Key, Lesion]) -> Grouping:
    """Return the lesions in groups: the reader's decisions first, later ones before earlier ones, then the machine's.

    Parameters
    ----------
    lesions
        Those that are there.
    """
    there = frozenset(lesions)
    edges, fragments = machine_edges(docket.machine, there)
    draft = _Draft(Partition(there, fragments))
    machine = [pair for pair in coalesced_by_machine(docket.machine) if there.issuperset(pair)]
    for decision in reversed(docket.live):
        if decision.id in docket.states or not isinstance(decision.act, Link | Unlink | Split | Merge | ConfirmLink):
            continue
        trial, entries = draft.copy(), len(docket.entries)
        if _decide(docket, decision, trial, lesions):
            draft = trial
            continue
        del docket.entries[entries:]
        if decision.id not in docket.states:
            docket.supersede(decision)
    for first, second in edges:
        draft.partition.join(first, second)
    return Grouping(
        groups=draft.partition.groups(),
        coalesced=_coalesced(draft, machine),
        apart=frozenset(draft.apart),
        joined=draft.joined,
        treated=_treated(docket),
    )


def _decide(docket: Docket, decision: Decision, draft: _Draft, lesions: dict[Key, Lesion]) -> bool:
    """Enter one decision; False when it contradicts what later decisions said."""
    act = decision.act
    if isinstance(act, Split):
        return _split(docket, decision, act, draft)
    if isinstance(act, Merge):
        return _merge(docket, decision, act, draft, lesions)
    assert isinstance(act, Link | Unlink | ConfirmLink)  # the caller's choice
    found = docket.lesions(decision, [act.earlier, act.later])
    if found is None:
        return False
    first, second = pair_of(found[0], found[1])
    if isinstance(act, Unlink):
        return _unlink(docket, decision, draft, first, second)
    if first[0] == second[0]:
        docket.drop(decision, f"both lesions are of visit {first[0]}")
        return False
    coalesces = isinstance(act, ConfirmLink) and act.kind is LinkKind.MERGE and not _one_track(docket, first, second)
    if coalesces:
        return _coalesce(docket, decision, draft, first, second)
    return _join(docket, decision, draft, first, second)


def _one_track(docket: Docket, first: Key, second: Key) -> bool:
    return any(first in track.lesions and second in track.lesions for track in docket.machine.tracks)


def _join(docket: Docket, decision: Decision, draft: _Draft, first: Key, second: Key) -> bool:
    if not draft.partition.join(first, second):
        return False
    pair = pair_of(first, second)
    draft.joined.setdefault(pair, decision.reader)
    _enter(docket, decision, pair, "linked")
    return True


def _unlink(docket: Docket, decision: Decision, draft: _Draft, first: Key, second: Key) -> bool:
    if (first, second) in draft.coalesced or not draft.partition.part(first, second):
        return False
    draft.apart.add((first, second))
    _enter(docket, decision, (first, second), "not linked")
    return True


def _coalesce(docket: Docket, decision: Decision, draft: _Draft, part: Key, mass: Key) -> bool:
    if pair_of(part, mass) in draft.apart or mass in draft.partition.group(part):
        return False
    if not draft.partition.end(part, mass[0]):
        return False
    draft.coalesced.setdefault((part, mass), decision)
    draft.joined.setdefault((part, mass), decision.reader)
    _enter(docket, decision, (part, mass), "coalesced")
    return True


def _split(docket: Docket, decision: Decision, act: Split, draft: _Draft) -> bool:
    found = docket.lesions(decision, [act.whole, *act.parts])
    if found is None:
        return False
    whole, parts = found[0], found[1:]
    if any(part[0] < whole[0] for part in parts):
        docket.drop(decision, f"a part is seen before the whole, which is of visit {whole[0]}")
        return False
    draft.partition.allow(found)
    return all(_join(docket, decision, draft, whole, part) for part in parts)


def _merge(docket: Docket, decision: Decision, act: Merge, draft: _Draft, lesions: dict[Key, Lesion]) -> bool:
    """Let the part that the machine follows into the mass, else the largest, go on as it, and the others end in it."""
    found = docket.lesions(decision, [*act.parts, act.mass])
    if found is None:
        return False
    parts, mass = found[:-1], found[-1]
    if any(part[0] >= mass[0] for part in parts):
        docket.drop(decision, f"a part is not seen before the mass, which is of visit {mass[0]}")
        return False
    lead = min(
        parts,
        key=lambda p: (not _one_track(docket, p, mass), -lesions[p].longest_diameter_mm, p[0], lesions[p].volume_mm3),
    )
    if not _join(docket, decision, draft, lead, mass):
        return False
    return all(_coalesce(docket, decision, draft, part, mass) for part in parts if part != lead)


def _enter(docket: Docket, decision: Decision, pair: Pair, new: str) -> None:
    first, second = pair
    known = {(k.timepoint_from, k.lesion_from, k.timepoint_to, k.lesion_to): k.kind for k in docket.machine.links}
    kind = known.get((*first, *second))
    together = _one_track(docket, first, second)
    old = "linked" if together else "coalesced" if kind is LinkKind.MERGE else "not linked"
    docket.enter(decision, "link", pair, old=old, new=new, timepoint=second[0], lesions=pair)


def _coalesced(draft: _Draft, machine: Collection[Pair]) -> tuple[Pair, ...]:
    """Return what ends in a mass: by the reader, and by the machine where nothing contradicts it now."""
    kept: dict[Key, Pair] = {}
    for part, mass in [*sorted(draft.coalesced), *sorted(machine)]:
        group = draft.partition.group(part)
        last = max(key[0] for key in group)
        cut = pair_of(part, mass) in draft.apart or any(pair_of(p, mass) in draft.apart for p in group)
        if part[0] == last and last < mass[0] and not cut:
            lead = min(group)
            if lead not in kept or kept[lead][1] == mass:
                kept.setdefault(lead, (part, mass))
    return tuple(sorted(kept.values()))


def _treated(docket: Docket) -> tuple[tuple[Key, LocalTreatment], ...]:
    given: list[tuple[Key, LocalTreatment]] = []
    for decision, act in docket.of(SetTreated):
        found = docket.lesions(decision, [act.lesion])
        if found is None:
            continue
        key = found[0]
        given.append((key, LocalTreatment(date=act.date, method=act.method.value)))
        known = next((track for track in docket.machine.tracks if key in track.lesions), None)
        old = "; ".join(f"{t.method} {t.date.isoformat()}" for t in known.treatments) if known is not None else ""
        new = f"{act.method.value} {act.date.isoformat()}"
        # A lesion may be treated more than once: each day is a value of its own.
        what = (known.lesions[0] if known is not None else key, act.date)
        docket.enter(decision, "treatment", what, old=old or "none", new=new, timepoint=key[0], lesions=(key,))
    return tuple(sorted(given, key=lambda item: (item[0], item[1].date, item[1].method)))
