"""Replayed: a history as read, what became of each decision, what changed in the end, and what is left to look at."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace

from lesiontrack.domain.grouping import Key
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Link, Missing, Track
from lesiontrack.domain.reading import Reading, RoleWord, Word
from lesiontrack.review.acts import Revoke
from lesiontrack.review.decision import Decision
from lesiontrack.review.progress import Item, ReadState, items_of
from lesiontrack.review.revision import Entry, Revision, RoleSaid, Said, State

__all__ = ["Change", "Standing", "Replayed", "complete", "untouched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What became of a decision.

    ``touches`` are the lesions (visit, number) that it speaks of; ``why`` says what stands against it.
    """

    decision: Decision
    state: State
    why: str = ""
    touches: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that differs in the end from the machine's: who, what, when, why, old and new.

    ``old`` is None where the machine has no value, or one that only judging tells.
    """

    field: str
    old: str | None
    new: str | None
    timepoint: int | None
    lesions: tuple[Key, ...]
    track_id: str | None
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replayed:
    """One reading of one subject.

    Attributes
    ----------
    history
        As read; judge it.
    standings
        One for each decision but revocations, in order.
    changes
        Net, in the order of the decisions that made them.
    items
        What is left to look at, the least certain first.
    locked
        Visits that are closed.
    """

    history: History
    standings: tuple[Standing, ...]
    changes: tuple[Change, ...]
    items: tuple[Item, ...]
    locked: frozenset[int]

    @property
    def applied(self) -> tuple[Standing, ...]:
        """Return what the history rests on."""
        return tuple(standing for standing in self.standings if standing.state is State.APPLIED)

    @property
    def inapplicable(self) -> tuple[Standing, ...]:
        """Return what no longer applies, each with why."""
        return tuple(standing for standing in self.standings if standing.state is State.INAPPLICABLE)

    @property
    def revoked(self) -> tuple[Decision, ...]:
        """Return what was undone."""
        return tuple(standing.decision for standing in self.standings if standing.state is State.REVOKED)

    @property
    def read_state(self) -> ReadState:
        """Return how far the case is read."""
        if not any(standing.state in (State.APPLIED, State.SUPERSEDED) for standing in self.standings):
            return ReadState.UNREAD
        return ReadState.IN_PROGRESS if self.items else ReadState.COMPLETE


def untouched(revision: Revision, *, review_below: float) -> Replayed:
    """Return the machine's history as it is: no decision is in force."""
    return Replayed(
        history=revision.machine,
        standings=standings_of(revision, revision.states),
        changes=(),
        items=items_of(revision.machine, review_below=review_below),
        locked=frozenset(),
    )


def complete(
    revision: Revision,
    *,
    links: tuple[Link, ...],
    tracks: tuple[Track, ...],
    missing: tuple[Missing, ...],
    review_below: float,
) -> Replayed:
    """Return the reading, the tracks that follow from a revision's grouping being derived.

    Parameters
    ----------
    links, tracks, missing
        As linking derives them from ``revision.lesions`` and ``revision.grouping``.
    """
    seen = revision.looked_at | {said.lesion for said in revision.said}
    history = replace(
        revision.machine,
        lesions=revision.lesions,
        links=links,
        tracks=tuple(_looked_at(track, seen, whole_case=revision.whole_case) for track in tracks),
        missing=missing,
        reading=Reading(reader=revision.reader),
    )
    track_of = {key: track.track_id for track in tracks for key in track.lesions}
    words = [_word(said, track_of) for said in revision.said]
    roles = [word for said in revision.roles for word in _role_words(said, history, track_of)]
    entries = _in_order(revision, [*revision.entries, *_word_entries(revision, history, track_of)])
    reading = Reading(
        reader=revision.reader,
        words=tuple({(w.track_id, w.timepoint): w for w in words}.values()),
        roles=tuple({(w.track_id, w.timepoint): w for w in roles}.values()),
        confirmed=tuple(sorted(revision.confirmed)),
    )
    last = {entry.slot: entry for entry in entries}
    states = {**_superseded(entries, last), **revision.states}
    return Replayed(
        history=replace(history, reading=reading),
        standings=standings_of(revision, states),
        changes=tuple(_change(e, track_of) for e in entries if last[e.slot] is e and e.old != e.new),
        items=items_of(
            history,
            review_below=review_below,
            confirmed=revision.confirmed,
            looked_at=seen,
            whole_case=revision.whole_case,
        ),
        locked=revision.locked,
    )


def _looked_at(track: Track, seen: frozenset[Key], *, whole_case: bool) -> Track:
    """Return a track that no longer needs a look, where a reader has had one; why it did stays known."""
    return replace(track, needs_review=False) if whole_case or seen & set(track.lesions) else track


def standings_of(revision: Revision, states: Mapping[str, State]) -> tuple[Standing, ...]:
    """Return what became of each decision; revocations themselves are listed only where they revoke nothing."""
    shown = [d for d in revision.decisions if not isinstance(d.act, Revoke) or states.get(d.id) is State.INAPPLICABLE]
    return tuple(
        Standing(
            decision=decision,
            state=states.get(decision.id, State.APPLIED),
            why=revision.why.get(decision.id, ""),
            touches=revision.touches.get(decision.id, frozenset()),
        )
        for decision in shown
    )


def _word(said: Said, track_of: Mapping[Key, str]) -> Word:
    return Word(
        track_id=track_of[said.lesion],
        timepoint=said.timepoint,
        status=said.status,
        date=said.date,
        series_uid=said.series_uid,
        reason=said.decision.reason,
        decision=said.decision.id,
    )


def _role_words(said: RoleSaid, history: History, track_of: Mapping[Key, str]) -> Iterable[RoleWord]:
    named = [t.track_id for t in history.tracks if t.at(said.timepoint)]
    for track_id in [track_of[said.lesion]] if said.lesion is not None else named:
        yield RoleWord(
            track_id=track_id,
            timepoint=said.timepoint,
            role=said.role,
            reason=said.decision.reason,
            decision=said.decision.id,
        )


def _word_entries(revision: Revision, history: History, track_of: Mapping[Key, str]) -> Iterable[Entry]:
    """Yield what words set: the status of a track at a visit, its role at a baseline."""
    tracks = {track.track_id: track for track in history.tracks}
    for said in revision.said:
        track = tracks[track_of[said.lesion]]
        yield Entry(
            slot=("status", track.track_id, said.timepoint),
            field="status",
            decision=said.decision,
            old=_status(history, track, said.timepoint),
            new=said.status.value,
            timepoint=said.timepoint,
            lesions=(said.lesion,),
        )
    for role in revision.roles:
        keys = [role.lesion] if role.lesion is not None else _others(revision, role.timepoint, role.decision, history)
        for key in keys:
            slot: Hashable = ("role", track_of[key], role.timepoint)
            yield Entry(
                slot=slot,
                field="role",
                decision=role.decision,
                new=role.role.value,
                timepoint=role.timepoint,
                lesions=(key,),
            )


def _others(revision: Revision, timepoint: int, decision: Decision, history: History) -> list[Key]:
    """Return a lesion of each track seen at a baseline that a set of targets leaves out."""
    chosen = {said.lesion for said in revision.roles if said.decision is decision and said.lesion is not None}
    seen = [[(timepoint, n) for n in t.at(timepoint)] for t in history.tracks]
    return [keys[0] for keys in seen if keys and not chosen & set(keys)]


def _status(history: History, track: Track, timepoint: int) -> str | None:
    """Return the state that the machine gives a track at a visit."""
    fragments = history.fragments(track, timepoint)
    if fragments:
        return fragments[0].status.value
    entry = history.missing_at(track, timepoint)
    return None if entry is None else entry.state.value


def _in_order(revision: Revision, entries: list[Entry]) -> list[Entry]:
    place = {decision.id: number for number, decision in enumerate(revision.decisions)}
    return sorted(entries, key=lambda entry: place[entry.decision.id])


def _superseded(entries: list[Entry], last: Mapping[Hashable, Entry]) -> dict[str, State]:
    """Return the decisions of which no value is in force any more."""
    standing = {entry.decision.id for entry in entries if last[entry.slot].decision is entry.decision}
    return {e.decision.id: State.SUPERSEDED for e in entries if e.decision.id not in standing}


def _change(entry: Entry, track_of: Mapping[Key, str]) -> Change:
    tracks = [track_of[key] for key in entry.lesions if key in track_of]
    return Change(
        field=entry.field,
        old=entry.old,
        new=entry.new,
        timepoint=entry.timepoint,
        lesions=entry.lesions,
        track_id=tracks[-1] if tracks else None,
        decision=entry.decision,
    )
