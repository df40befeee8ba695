"""What of a case still needs a reader's look, the least certain first; a case is complete when nothing is left."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lesiontrack.domain.grouping import Key
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Link, Track
from lesiontrack.domain.reading import MACHINE

__all__ = ["Item", "ItemKind", "ReadState", "items_of"]

# Linking's own word for a doubt about a link; that link is an item of its own.
_LINK = "LINK_UNSURE"
_NEW = ("NEW", "MAYBE_MISSED")
_TREATMENT = "TREATMENT_PLACED"
# How sure the machine is of a lesion that it wants looked at for a reason without a number.
_UNKNOWN = 0.5
_NUMBER = re.compile(r"^NEW_\w+: .*\((0\.\d+|1\.0+)\)$")


class ItemKind(StrEnum):
    """What is to be looked at."""

    LINK = "LINK"
    LESION = "LESION"
    VISIT = "VISIT"


class ReadState(StrEnum):
    """How far a case is read: no decision yet, some, nothing left to look at."""

    UNREAD = "UNREAD"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that a reader has not looked at.

    Attributes
    ----------
    timepoint
        Visit to look at it: of a link the later one; of a new lesion its first, of a treated one the first scan after
        its treatment, of any other its last.
    lesions
        Both ends of a link; all of a lesion's; none of a visit.
    confidence
        The machine's, 0 to 1, that it is right; 1 for a visit that is only to be signed.
    """

    kind: ItemKind
    timepoint: int
    lesions: tuple[Key, ...]
    track_id: str | None
    confidence: float
    reasons: tuple[str, ...]


def items_of(
    history: History,
    *,
    review_below: float,
    confirmed: frozenset[int] = frozenset(),
    looked_at: frozenset[Key] = frozenset(),
    whole_case: bool = False,
) -> tuple[Item, ...]:
    """Return what is left to look at.

    Parameters
    ----------
    history
        As read so far.
    review_below
        Links of the machine with less confidence are shown to a reader.
    confirmed
        Visits that are signed.
    looked_at
        Lesions of which the reader said that they, or something of them, is right or otherwise.
    """
    if whole_case:
        return ()
    track_of = {key: track for track in history.tracks for key in track.lesions}
    unsure = [x for x in history.links if x.author == MACHINE and x.confidence < review_below]
    found = [_link(link, track_of) for link in unsure if not looked_at & set(_link(link, track_of).lesions)]
    found += [x for track in history.tracks if not looked_at & set(track.lesions) for x in _lesion(track, history)]
    found += [
        Item(kind=ItemKind.VISIT, timepoint=v.timepoint, lesions=(), track_id=None, confidence=1.0, reasons=("UNREAD",))
        for v in history.subject.visits
        if v.usable and v.timepoint not in confirmed
    ]
    return tuple(sorted(found, key=lambda x: (x.confidence, x.kind, x.timepoint, x.track_id or "", x.lesions)))


def _link(link: Link, track_of: dict[Key, Track]) -> Item:
    start, end = (link.timepoint_from, link.lesion_from), (link.timepoint_to, link.lesion_to)
    return Item(
        kind=ItemKind.LINK,
        timepoint=link.timepoint_to,
        lesions=(start, end),
        track_id=track_of[start].track_id if start in track_of else None,
        confidence=link.confidence,
        reasons=(f"{link.kind.value}_UNSURE",),
    )


def _lesion(track: Track, history: History) -> Iterable[Item]:
    reasons = tuple(reason for reason in track.reasons if not reason.startswith(_LINK))
    if not reasons:
        return
    own = set(track.lesions)
    sure = [x.confidence for x in history.links if (x.timepoint_to, x.lesion_to) in own]
    sure += [1.0 - float(found[1]) for reason in reasons if (found := _NUMBER.match(reason))]
    yield Item(
        kind=ItemKind.LESION,
        timepoint=_where_to_look(track, history, reasons),
        lesions=track.lesions,
        track_id=track.track_id,
        confidence=round(min([*sure, _UNKNOWN]), 4),
        reasons=reasons,
    )


def _where_to_look(track: Track, history: History, reasons: tuple[str, ...]) -> int:
    """Return the visit that shows what is in doubt about a lesion."""
    if any(reason.startswith(_NEW) for reason in reasons):
        return track.lesions[0][0]
    if track.treatments and any(reason.startswith(_TREATMENT) for reason in reasons):
        treated = track.treatments[-1].date
        after = [v.timepoint for v in history.subject.visits if v.usable and v.date > treated]
        return after[0] if after else track.last_seen_timepoint
    return track.last_seen_timepoint
