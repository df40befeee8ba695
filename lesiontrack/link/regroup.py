"""Tracks, fates and the ledger of the missing from groups that a reader has corrected.

Nothing is clustered again: the groups are taken as they are, and only what follows from them is derived, by the same
steps as in `chain`. What a reader did not touch keeps its links, its confidence and its names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lesiontrack.domain.grouping import Grouping, Key, pair_of
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Lesion, Link, Track
from lesiontrack.link.chain import Tracking
from lesiontrack.link.draft import Draft, Visits, in_order
from lesiontrack.link.evidence import Evidence
from lesiontrack.link.finish import Finish
from lesiontrack.link.ledger import ledger
from lesiontrack.link.linking import Sureness, links_of
from lesiontrack.link.naming import made_uid, name
from lesiontrack.link.routes import Routes
from lesiontrack.link.settings import LinkSettings
from lesiontrack.link.sites import CUT, cut_at_control, recurrences
from lesiontrack.link.treatments import Names, treat

__all__ = ["Regrouper"]

# A reader leaves no doubt.
_SURE = 1.0


class Regrouper:
    """Derives tracks of one machine's history for any grouping of its lesions; keeps what is costly to compute."""

    def __init__(self, machine: History, settings: LinkSettings) -> None:
        self._machine = machine
        self._settings = settings
        self._evidence: Evidence | None = None
        self._track_of = {key: track for track in machine.tracks for key in track.lesions}
        self._links = {_ends(link): link for link in machine.links}

    def tracking(self, lesions: Sequence[Lesion], grouping: Grouping) -> Tracking:
        """Return what follows from a grouping.

        Parameters
        ----------
        lesions
            Those that are there, corrected ones as corrected.
        grouping
            Each of them in one group.

        Returns
        -------
        Tracking
            The machine's own when the lesions and the grouping are.
        """
        evidence = self._evidence_of(lesions)
        visits = Visits(self._machine.subject, tuple(lesions))
        number = {(x.timepoint, x.lesion_id): n for n, x in enumerate(evidence.lesions)}
        step = _Step(self._machine, grouping, evidence, number)
        drafts = in_order(step.drafts(), evidence)
        names = self._old_names(drafts, evidence)
        read = tuple((number[key], treatment) for key, treatment in grouping.treated if key in number)
        treated = treat(drafts, evidence, visits, self._machine.zones, names, self._settings, read=read)
        drafts = in_order(cut_at_control(treated.drafts, evidence, visits), evidence)
        drafts = step.not_beside(recurrences(drafts, evidence, visits, self._machine.zones, self._settings))
        return self._finished(drafts, step, visits, treated.problems)

    def _finished(self, drafts: list[Draft], step: _Step, visits: Visits, problems: tuple[str, ...]) -> Tracking:
        evidence = step.evidence
        names = self._new_names(drafts, evidence)
        sureness = Sureness(evidence, _labels(drafts, len(evidence.lesions)), self._settings)
        links = [[self._link(x, step.grouping) for x in links_of(d, evidence, sureness)] for d in drafts]
        missing = ledger(drafts, names.track_ids, evidence, visits, self._settings)
        finish = Finish(drafts, names, missing, evidence, visits, self._settings, apart=step.apart)
        tracks = [finish.track(n, found) for n, found in enumerate(links)]
        return Tracking(
            links=tuple(sorted((x for found in links for x in found), key=_ends_by_visits)),
            tracks=tuple(sorted(tracks, key=lambda t: (len(t.track_id), t.track_id))),
            missing=missing,
            problems=problems,
        )

    def _evidence_of(self, lesions: Sequence[Lesion]) -> Evidence:
        """Return the evidence on the lesions; the machine's where nothing moved, which also holds rejected ones."""
        machine = {_geometry(x) for x in self._machine.lesions}
        if all(_geometry(lesion) in machine for lesion in lesions):
            if self._evidence is None:
                self._evidence = self._weighed(self._machine.lesions)
            return self._evidence.restated(lesions)
        return self._weighed(lesions)

    def _weighed(self, lesions: Iterable[Lesion]) -> Evidence:
        routes = Routes(self._machine.subject, self._machine.registrations)
        return Evidence(self._machine.subject, lesions, routes, self._settings)

    # --- links ------------------------------------------------------------------------------------------------------

    def _link(self, link: Link, grouping: Grouping) -> Link:
        """Keep the machine's own link where it is one, and give a reader's its author."""
        known = self._links.get(_ends(link))
        kept = known if known is not None and known.kind is link.kind else link
        author = grouping.joined.get(pair_of(*_ends(link)))
        if author is None:
            return kept
        return replace(kept, author=author, confidence=kept.confidence if kept is known else _SURE)

    # --- names ------------------------------------------------------------------------------------------------------

    def _old_names(self, drafts: Sequence[Draft], evidence: Evidence) -> Names:
        """Return the names by which the clinical tables know drafts: those that linking gave before it knew them.

        A draft has the name of the machine's group that begins with one of its lesions.
        """
        groups = [_machine_group(track, self._machine) for track in self._machine.tracks if not _was_cut(track)]
        old = self._weighed(self._machine.lesions) if self._evidence is None else self._evidence
        number = {(x.timepoint, x.lesion_id): n for n, x in enumerate(old.lesions)}
        made = in_order([Draft(members=tuple(sorted(number[key] for key in group))) for group in groups], old)
        known = name(made, old)
        owner = {_key(old, draft.members[0]): place for place, draft in enumerate(made)}
        ids: list[str] = []
        uids: list[str] = []
        for draft in drafts:
            place = next((owner[key] for m in draft.members if (key := _key(evidence, m)) in owner), None)
            ids.append("" if place is None else known.track_ids[place])
            uids.append(made_uid(draft.members[0], evidence) if place is None else known.tracking_uids[place])
        begun = tuple(frozenset(made_uid(m, evidence) for m in draft.members) for draft in drafts)
        return Names(track_ids=tuple(ids), tracking_uids=tuple(uids), begun_uids=begun)

    def _new_names(self, drafts: Sequence[Draft], evidence: Evidence) -> Names:
        """Let a track keep the machine's name while it holds the first of its lesions that is left; number the rest."""
        left = {_key(evidence, m) for draft in drafts for m in draft.members}
        first = {next(k for k in t.lesions if k in left): t for t in self._machine.tracks if left & set(t.lesions)}
        taken = [t.track_id for t in self._machine.tracks]
        width = max((len(track_id) - 1 for track_id in taken), default=2)
        following = 1 + max((int(track_id[1:]) for track_id in taken), default=0)
        ids: list[str] = []
        uids: list[str] = []
        for draft in drafts:
            track = next((first[key] for m in draft.members if (key := _key(evidence, m)) in first), None)
            if track is None:
                ids.append(f"L{following:0{width}d}")
                following += 1
            else:
                ids.append(track.track_id)
            uids.append(made_uid(draft.members[0], evidence) if track is None else track.tracking_uid)
        return Names(track_ids=tuple(ids), tracking_uids=tuple(uids))


@dataclass(frozen=True, slots=True)
class _Step:
    """A grouping on the evidence: its lesions by their numbers there."""

    machine: History
    grouping: Grouping
    evidence: Evidence
    number: dict[Key, int]

    def drafts(self) -> list[Draft]:
        """Return one draft a group, before treatments are looked at: a recurrence is still with its treated lesion."""
        groups = self._with_cut_off(list(self.grouping.groups))
        mass_of = dict(self.grouping.coalesced)
        return [self._draft(group, mass_of) for group in groups]

    def apart(self, first: Draft, second: Draft) -> bool:
        """Tell whether a reader said that two drafts are not the same lesion."""
        return self.grouping.are_apart(self._keys(first), self._keys(second))

    def not_beside(self, drafts: list[Draft]) -> list[Draft]:
        """Take back a recurrence at the site of a lesion that a reader said it has nothing to do with."""
        home = {m: draft for draft in drafts for m in draft.members}
        result: list[Draft] = []
        for draft in drafts:
            source = None if draft.recurrence_of is None else home[draft.recurrence_of]
            if source is not None and self.apart(source, draft):
                reasons = tuple(r for r in draft.reasons if not r.startswith("RECURRENCE"))
                draft = replace(draft, recurrence_of=None, reasons=reasons)
            result.append(draft)
        return result

    def _keys(self, draft: Draft) -> tuple[Key, ...]:
        return tuple(_key(self.evidence, m) for m in draft.members)

    def _with_cut_off(self, groups: list[tuple[Key, ...]]) -> list[tuple[Key, ...]]:
        """Give back to treated lesions what was cut off them, for the treatments to be looked at as in `chain`."""
        for track in self.machine.tracks:
            source = _source(track, self.machine) if _was_cut(track) else None
            if source is None:
                continue
            later = next((g for g in groups if track.lesions[0] in g), None)
            earlier = next((g for g in groups if source.lesions[0] in g), None)
            if later is None or earlier is None or later == earlier or self.grouping.are_apart(earlier, later):
                continue
            if max(earlier)[0] < min(later)[0]:
                groups = [g for g in groups if g not in (earlier, later)] + [(*earlier, *later)]
        return groups

    def _draft(self, group: tuple[Key, ...], mass_of: dict[Key, Key]) -> Draft:
        mass = next((mass_of[key] for key in group if key in mass_of), None)
        members = tuple(sorted(self.number[key] for key in group))
        merged = None if mass is None else (mass[0], self.number[mass])
        return Draft(members=members, merged=merged, reasons=self._shape_reasons(group, mass))

    def _shape_reasons(self, group: tuple[Key, ...], mass: Key | None) -> tuple[str, ...]:
        """Keep the machine's doubts about splits and merges that still stand and that no reader has spoken of."""
        first = next((t for t in self.machine.tracks if t.lesions[0] in group), None)
        reasons: list[str] = []
        for reason in first.reasons if first is not None else ():
            code, _, where = reason.partition(": at visit ")
            here = [key for key in group if where.isdigit() and key[0] == int(where)]
            said = any(key in pair for pair in self.grouping.joined for key in here)
            stands = {
                "SPLIT": len(here) > 1,
                "MOVED": bool(here),
                "MERGE": mass is not None and mass[0] == int(where or 0),
            }
            if stands.get(code, False) and not said and not (code == "MERGE" and self._merge_read(group, mass)):
                reasons.append(reason)
        return tuple(reasons)

    def _merge_read(self, group: tuple[Key, ...], mass: Key | None) -> bool:
        return mass is not None and any(pair_of(key, mass) in self.grouping.joined for key in group)


def _was_cut(track: Track) -> bool:
    return track.recurrence_of is not None and CUT in track.reasons


def _source(track: Track, machine: History) -> Track | None:
    return next((other for other in machine.tracks if other.track_id == track.recurrence_of), None)


def _machine_group(track: Track, machine: History) -> tuple[Key, ...]:
    """Return a track's lesions with those that were cut off it."""
    cut = [t for t in machine.tracks if _was_cut(t) and t.recurrence_of == track.track_id]
    return (*track.lesions, *(key for other in cut for key in other.lesions))


def _key(evidence: Evidence, member: int) -> Key:
    lesion = evidence.lesions[member]
    return lesion.timepoint, lesion.lesion_id


def _geometry(lesion: Lesion) -> tuple[object, ...]:
    """Return all of a lesion that linking computes with."""
    return (
        lesion.timepoint,
        lesion.lesion_id,
        lesion.series_uid,
        lesion.centroid_lps_mm,
        lesion.volume_mm3,
        lesion.tracking_uid,
        lesion.tracked,
        str(lesion.site),
    )


def _labels(drafts: Sequence[Draft], n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """Return a group number for each lesion of the evidence; those of no draft each have their own."""
    label = np.arange(len(drafts), len(drafts) + n, dtype=np.intp)
    for number, draft in enumerate(drafts):
        label[list(draft.members)] = number
    return np.unique(label, return_inverse=True)[1].astype(np.intp)


def _ends(link: Link) -> tuple[Key, Key]:
    return (link.timepoint_from, link.lesion_from), (link.timepoint_to, link.lesion_to)


def _ends_by_visits(link: Link) -> tuple[int, int, int, int]:
    return link.timepoint_from, link.timepoint_to, link.lesion_from, link.lesion_to
