"""Revision: what decisions make of a machine's history before tracks are derived; and what became of each decision."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lesiontrack.domain.grouping import Grouping, Key
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Lesion, Role
from lesiontrack.domain.reading import LesionWord
from lesiontrack.review.acts import Revoke
from lesiontrack.review.decision import Decision

__all__ = ["Entry", "RoleSaid", "Revision", "Said", "State"]


class State(StrEnum):
    """What became of a decision.

    SUPERSEDED: a later decision of the same reader says otherwise of the same thing. INAPPLICABLE: what it speaks of
    is not there, or it contradicts what is.
    """

    APPLIED = "APPLIED"
    SUPERSEDED = "SUPERSEDED"
    REVOKED = "REVOKED"
    INAPPLICABLE = "INAPPLICABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value that a decision gives, in words.

    Attributes
    ----------
    slot
        What it is the value of: of two entries with one slot the later one holds.
    old
        The machine's value; None where it has none or only judging can tell.
    """

    slot: Hashable
    field: str
    decision: Decision
    new: str | None
    old: str | None = None
    timepoint: int | None = None
    lesions: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A word on the track that will hold a lesion, at a visit."""

    lesion: Key
    timepoint: int
    status: LesionWord
    date: dt.date
    series_uid: str
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSaid:
    """A role for the track that will hold a lesion; ``lesion`` None: for every other track seen at that baseline."""

    lesion: Key | None
    timepoint: int
    role: Role
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Revision:
    """Everything that decisions say, resolved to this history's lesions and visits.

    Attributes
    ----------
    lesions
        As corrected, rejected ones left out, added ones included.
    touches
        Decision -> lesions that it speaks of.
    states, why
        Of decisions that are not APPLIED; and for inapplicable ones the reason.
    confirmed, locked
        Visits.
    looked_at
        Lesions that were confirmed.
    whole_case
        The case was confirmed as a whole.
    """

    machine: History
    reader: str
    decisions: tuple[Decision, ...]
    lesions: tuple[Lesion, ...]
    grouping: Grouping
    entries: tuple[Entry, ...]
    said: tuple[Said, ...]
    roles: tuple[RoleSaid, ...]
    touches: Mapping[str, frozenset[Key]]
    states: Mapping[str, State]
    why: Mapping[str, str]
    confirmed: frozenset[int]
    locked: frozenset[int]
    looked_at: frozenset[Key]
    whole_case: bool

    @property
    def in_force(self) -> bool:
        """Whether any decision is: neither revoked nor inapplicable."""
        gone = (State.REVOKED, State.INAPPLICABLE)
        return any(self.states.get(d.id) not in gone for d in self.decisions if not isinstance(d.act, Revoke))
