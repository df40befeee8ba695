"""Docket: the decisions in force, what each of them touches, and what became of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from lesiontrack.domain.grouping import Key
from lesiontrack.domain.history import History
from lesiontrack.errors import DecisionError
from lesiontrack.review.closed import too_late
from lesiontrack.review.decision import Decision, alive
from lesiontrack.review.find import Finder
from lesiontrack.review.references import LesionRef
from lesiontrack.review.revision import Entry, State

__all__ = ["Docket"]

A = TypeVar("A")


class Docket:
    """What is known of the decisions on one history while they are worked in."""

    def __init__(self, machine: History, decisions: Sequence[Decision]) -> None:
        self.machine = machine
        self.finder = Finder(machine)
        late = too_late(decisions, self.finder)
        self.live, revoked, void = alive([decision for decision in decisions if decision.id not in late])
        self.place = {decision.id: number for number, decision in enumerate(decisions)}
        self.entries: list[Entry] = []
        self.touches: dict[str, set[Key]] = {decision.id: set() for decision in decisions}
        self.states: dict[str, State] = {decision.id: State.REVOKED for decision in revoked}
        self.why: dict[str, str] = {}
        self.rejected: dict[Key, Decision] = {}
        for decision in void:
            self.drop(decision, "it revokes no earlier decision of this reader")
        for decision in decisions:
            if decision.id in late:
                self.drop(decision, f"visit {late[decision.id]} was closed before; a reader opens it with a reason")

    def of(self, kind: type[A]) -> Iterator[tuple[Decision, A]]:
        """Yield the decisions of a kind that still stand, in order, each with its act."""
        for decision in self.live:
            if isinstance(decision.act, kind) and decision.id not in self.states:
                yield decision, decision.act

    def drop(self, decision: Decision, why: str) -> None:
        """List a decision that cannot be applied."""
        self.states[decision.id] = State.INAPPLICABLE
        self.why[decision.id] = why

    def supersede(self, decision: Decision) -> None:
        """Let later decisions stand in the place of one."""
        self.states[decision.id] = State.SUPERSEDED

    def lesions(self, decision: Decision, refs: Iterable[LesionRef]) -> tuple[Key, ...] | None:
        """Return the lesions that a decision names; None, and the decision listed, where one is not there."""
        found: list[Key] = []
        for ref in refs:
            try:
                key = self.finder.lesion(ref)
            except DecisionError as error:
                self.drop(decision, str(error))
                return None
            found.append(key)
        self.touches[decision.id].update(found)
        for key in found:
            rejection = self.rejected.get(key)
            if rejection is not None:
                self._after_rejection(decision, key, rejection)
                return None
        if len(set(found)) != len(found):
            self.drop(decision, f"it speaks of several lesions and one alone is there: lesion {found[0][1]}")
            return None
        return tuple(found)

    def _after_rejection(self, decision: Decision, key: Key, rejection: Decision) -> None:
        if self.place[rejection.id] > self.place[decision.id]:
            self.supersede(decision)
        else:
            self.drop(decision, f"lesion {key[1]} at visit {key[0]} was rejected before")

    def enter(
        self,
        decision: Decision,
        field: str,
        what: Hashable,
        *,
        old: str | None,
        new: str | None,
        timepoint: int | None = None,
        lesions: tuple[Key, ...] = (),
    ) -> None:
        """Record a value that a decision gives; of two for one ``field`` and ``what`` the later one holds."""
        self.entries.append(
            Entry(
                slot=(field, what),
                field=field,
                decision=decision,
                old=old,
                new=new,
                timepoint=timepoint,
                lesions=lesions,
            )
        )

    def in_order(self) -> tuple[Entry, ...]:
        """Return the entries in the order of their decisions."""
        return tuple(sorted(self.entries, key=lambda entry: self.place[entry.decision.id]))
