"""Decision: an act with who, when and why, and its place in the chain of its reader's decisions."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lesiontrack.domain.chain import canonical, genesis, seal
from lesiontrack.domain.reading import MACHINE
from lesiontrack.errors import DecisionError
from lesiontrack.review.acts import Act, Revoke, act_from_plain, act_to_plain, needs_reason

__all__ = ["RESERVED_READERS", "Decision", "alive", "first_of", "reader_name", "sequence"]

# Names of readings that no person gives.
RESERVED_READERS = frozenset({MACHINE, "adjudicated", "majority"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision.

    Attributes
    ----------
    time
        UTC, ISO 8601 with microseconds and ``Z``.
    reason
        Why; never empty where the rule book wants a reason (`acts.needs_reason`).
    previous
        Identifier of the decision before it, of the same subject and reader.
    id
        SHA-256 over ``previous`` and all else.

    Raises
    ------
    DecisionError
        When a reason is wanted and missing, or the identifier is not that of its contents.
    """

    act: Act
    reader: str
    time: str
    reason: str
    previous: str
    id: str

    def __post_init__(self) -> None:
        if self.reader != reader_name(self.reader):
            expected = repr(reader_name(self.reader))
            raise DecisionError("a reader's name is not in its one form", found=repr(self.reader), expected=expected)
        wanted = needs_reason(self.act)
        if wanted is not None and not self.reason.strip():
            raise DecisionError(f"{type(self.act).__name__} needs a reason", expected=wanted)
        if self.id != seal(self.previous, self.payload()):
            raise DecisionError("a decision is not what was recorded", found=self.id[:12])

    def payload(self) -> dict[str, Any]:
        """Return all but the chain, in types that JSON knows."""
        return {"reader": self.reader, "time": self.time, "reason": self.reason, **act_to_plain(self.act)}

    def record(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {**self.payload(), "previous": self.previous, "id": self.id}

    @classmethod
    def make(
        cls, act: Act, *, reader: str, previous: str, reason: str = "", time: dt.datetime | None = None
    ) -> Decision:
        """Decide: give an act its reader, its time (now, unless given) and its place after ``previous``.

        Raises
        ------
        DecisionError
            If it could not be read again as it is: nothing may be written of it then.
        """
        # As it will be read: end points given as integers or NumPy numbers become the numbers that the log holds.
        act, reader = _as_read(act), reader_name(reader)
        at = (time or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        payload = {"reader": reader, "time": at, "reason": reason, **act_to_plain(act)}
        identifier = seal(previous, payload)
        return cls(act=act, reader=reader, time=at, reason=reason, previous=previous, id=identifier)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Decision:
        """Rebuild a stored decision.

        Raises
        ------
        DecisionError
            If the record is none, or was changed since.
        """
        own = ("reader", "time", "reason", "previous", "id")
        if any(not isinstance(record.get(name), str) for name in own):
            raise DecisionError("a decision lacks an entry", expected=", ".join(own))
        act = act_from_plain({name: value for name, value in record.items() if name not in own})
        return cls(act=act, **{name: record[name] for name in own})


def _as_read(act: Act) -> Act:
    try:
        plain = act_to_plain(act)
        canonical(plain)
    except (TypeError, ValueError) as error:
        raise DecisionError(f"a {type(act).__name__} cannot be stored: {error}") from error
    return act_from_plain(plain)


def reader_name(name: str) -> str:
    """Return the one form of a reader's name: composed characters (Unicode NFC), no space around.

    Raises
    ------
    DecisionError
        If it is empty, runs over lines, or is one that no person has.
    """
    plain = unicodedata.normalize("NFC", name).strip()
    if not plain or not plain.isprintable() or plain.casefold() in RESERVED_READERS:
        raise DecisionError("no name of a reader", found=repr(name), expected="a person's name or initials")
    return plain


def first_of(subject_id: str, reader: str) -> str:
    """Return what the first decision of a reader on a subject follows."""
    return genesis(log="decisions", subject_id=subject_id, reader=reader)


def sequence(
    acts: Iterable[Act | tuple[Act, str]], *, subject_id: str, reader: str, start: dt.datetime | None = None
) -> tuple[Decision, ...]:
    """Return decisions of acts, or of (act, reason), one second apart: a script of a reader."""
    at = start or dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    made: list[Decision] = []
    for number, entry in enumerate(acts):
        act, reason = entry if isinstance(entry, tuple) else (entry, "")
        previous = made[-1].id if made else first_of(subject_id, reader)
        time = at + dt.timedelta(seconds=number)
        made.append(Decision.make(act, reader=reader, previous=previous, reason=reason, time=time))
    return tuple(made)


def alive(decisions: Sequence[Decision]) -> tuple[tuple[Decision, ...], tuple[Decision, ...], tuple[Decision, ...]]:
    """Return the decisions in force, those that were revoked, and revocations of nothing; each in order.

    A revocation reaches back only, to a decision of the same reader; a revocation that is itself revoked does nothing.
    """
    known = {decision.id: (place, decision.reader) for place, decision in enumerate(decisions)}
    gone: set[str] = set()
    void: set[str] = set()
    for place in range(len(decisions) - 1, -1, -1):
        decision = decisions[place]
        if not isinstance(decision.act, Revoke) or decision.id in gone:
            continue
        target = known.get(decision.act.decision)
        if target is None or target[0] >= place or target[1] != decision.reader:
            void.add(decision.id)
        else:
            gone.add(decision.act.decision)
    live = tuple(d for d in decisions if d.id not in gone and not isinstance(d.act, Revoke))
    revoked = tuple(d for d in decisions if d.id in gone and not isinstance(d.act, Revoke))
    return live, revoked, tuple(d for d in decisions if d.id in void)
