"""The adjudicator's choices, and the reading that they make of those of the readers."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lesiontrack.review.case_reading import CaseReading, Outcome, ReadVisit
from lesiontrack.review.discordance import Discordance, DiscordanceKind

__all__ = ["ADJUDICATED", "CASE", "MAJORITY", "Adjudicated", "Choice", "Standing", "adjudicate", "basis", "majority"]

CASE = "case"
"""The item that is the whole case: its choice takes one reader's reading wherever no other choice says otherwise."""
ADJUDICATED = "adjudicated"
MAJORITY = "majority"

OutcomeOf = Callable[[Sequence[ReadVisit]], Outcome]

_OUTCOMES = (
    DiscordanceKind.PD_DATE,
    DiscordanceKind.PD_SITE,
    DiscordanceKind.FIRST_HEPATIC_PD_DATE,
    DiscordanceKind.FIRST_EXTRAHEPATIC_PD_DATE,
)


class Standing(StrEnum):
    """What has become of a discordance.

    ``CHOSEN``: an adjudicator chose. ``SETTLED``: nobody had to, since it follows from what was chosen or no endpoint
    depends on it. ``STALE``: a reader changed the reading after the choice, which therefore counts no more. ``OPEN``.
    """

    OPEN = "OPEN"
    CHOSEN = "CHOSEN"
    SETTLED = "SETTLED"
    STALE = "STALE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One choice of an adjudicator.

    Attributes
    ----------
    item
        Of a discordance; or a kind of discordance in small letters, for all of that kind; or ``case``.
    basis
        Digest of what the readers said when it was made: it holds as long as they say the same.
    id
        Of its line in the log.
    """

    subject_id: str
    item: str
    chosen_reader: str
    reason: str
    adjudicator: str
    time: str
    basis: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjudicated:
    """One subject's reading after adjudication.

    Attributes
    ----------
    standings
        Item -> what has become of it, and the choice that did it.
    open
        Items that an endpoint depends on and nobody has chosen; empty where the reading is complete.
    base
        The reader whose reading it is, but for ``owners``; None where it is not complete.
    owners
        Date of a visit -> the reader whose visit it is.
    contradiction
        Why the choices cannot hold together; None where they do.
    in_force, stale
        The latest choice of each item: those made on the readings of now, and those made on others.
    """

    standings: Mapping[str, tuple[Standing, Choice | None]]
    open: tuple[str, ...] = ()
    base: str | None = None
    owners: Mapping[dt.date, str]
    contradiction: str | None = None
    in_force: tuple[Choice, ...] = ()
    stale: tuple[Choice, ...] = ()


def basis(readings: Sequence[CaseReading], item: str, found: Sequence[Discordance]) -> str:
    """Return a digest of what a choice of ``item`` rests on.

    Of a visit, what reaches a date at that visit; of a measurement, series or target set, what each reader has there;
    of PD date, PD site, a whole kind or the case, what reaches a date at any visit.
    """
    one = next((entry for entry in found if entry.item == item), None)
    if one is not None and not one.kind.decides:
        said: object = one.values
    elif one is not None and one.kind is DiscordanceKind.CATEGORY:
        at = [(reading.reader, reading.visit(one.date)) for reading in readings if one.date is not None]
        said = [(reader, None if visit is None else visit.essence) for reader, visit in at]
    else:
        said = [(r.reader, [(v.date.isoformat(), v.essence) for v in r.visits]) for r in readings]
    text = json.dumps(sorted(said, key=str) if isinstance(said, list) else said, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def adjudicate(
    readings: Sequence[CaseReading], found: Sequence[Discordance], choices: Iterable[Choice], outcome_of: OutcomeOf
) -> Adjudicated:
    """Make one reading of several, by an adjudicator's choices alone.

    A category chosen at a visit takes that visit from the chosen reader; a choice of PD date, PD site or the case takes
    every other visit from there. Where nothing says whose the other visits are, the reading is complete only if it does
    not depend on that.

    Parameters
    ----------
    readings, found
        Of one subject, and how they differ.
    choices
        In the order in which they were made; a later one of the same item replaces an earlier one.
    outcome_of
        Judges visits: date and site of progression.
    """
    return _Table(readings, found, choices, outcome_of).adjudicated()


def majority(readings: Sequence[CaseReading]) -> str | None:
    """Return the first reader, by name, of those more than half who agree on progression; None without a majority."""
    agreed: dict[Outcome, list[str]] = {}
    for reading in readings:
        agreed.setdefault(reading.outcome, []).append(reading.reader)
    largest = max(agreed.values(), key=len, default=[])
    return min(largest) if 2 * len(largest) > len(readings) else None


class _Table:
    """The choices of one subject laid against its discordances."""

    def __init__(
        self,
        readings: Sequence[CaseReading],
        found: Sequence[Discordance],
        choices: Iterable[Choice],
        outcome_of: OutcomeOf,
    ) -> None:
        self.readings = {reading.reader: reading for reading in sorted(readings, key=lambda reading: reading.reader)}
        self.found, self.outcome_of = found, outcome_of
        latest = {choice.item: choice for choice in choices}
        current = {item: basis(tuple(self.readings.values()), item, found) for item in latest}
        self.fresh = {i: c for i, c in latest.items() if c.basis == current[i] and c.chosen_reader in self.readings}
        self.stale = {item: choice for item, choice in latest.items() if item not in self.fresh}

    def adjudicated(self) -> Adjudicated:
        owners = {
            entry.date: choice.chosen_reader
            for entry in self.found
            if entry.kind is DiscordanceKind.CATEGORY and entry.date is not None
            for choice in [self._own(entry)]
            if choice is not None
        }
        stated = self._bases()
        base, contradiction = self._base(stated, owners)
        open_items = self._open(stated, owners) if contradiction is None else self._contradicted()
        standings = {entry.item: self._standing(entry, open_items) for entry in self.found}
        done = not open_items
        return Adjudicated(
            standings=standings,
            open=open_items,
            base=base if done else None,
            owners={date: reader for date, reader in owners.items() if reader != base} if done else {},
            contradiction=contradiction,
            in_force=tuple(self.fresh.values()),
            stale=tuple(self.stale.values()),
        )

    def _own(self, entry: Discordance) -> Choice | None:
        """Return the fresh choice of this very item, or of its kind."""
        return self.fresh.get(entry.item) or self.fresh.get(entry.kind.value.lower())

    def _bases(self) -> list[str]:
        """Return the readers whose reading fills what no category choice says, the most specific choice first."""
        own = [self._own(entry) for kind in _OUTCOMES for entry in self.found if entry.kind is kind]
        chosen = [choice for choice in (*own, self.fresh.get(CASE)) if choice is not None]
        return list(dict.fromkeys(choice.chosen_reader for choice in chosen))

    def _base(self, stated: Sequence[str], owners: Mapping[dt.date, str]) -> tuple[str, str | None]:
        """Return the first reader with whose reading every chosen date and site comes out as chosen."""
        wanted = {
            entry.item: getattr(self.readings[choice.chosen_reader].outcome, entry.kind.value.lower())
            for entry in self.found
            if entry.kind in _OUTCOMES
            for choice in [self._own(entry)]
            if choice is not None
        }
        for reader in stated or list(self.readings):
            made = self.outcome_of(self._composed(reader, owners))
            if all(getattr(made, item) == value for item, value in wanted.items()):
                return reader, None
        said = ", ".join(f"{item} {value}" for item, value in wanted.items())
        return next(iter(self.readings)), f"the choices contradict each other: with the categories chosen, not {said}"

    def _composed(self, base: str, owners: Mapping[dt.date, str]) -> list[ReadVisit]:
        dates = sorted({visit.date for reading in self.readings.values() for visit in reading.visits})
        visits = [self.readings[owners.get(date, base)].visit(date) for date in dates]
        return [visit for visit in visits if visit is not None]

    def _open(self, stated: Sequence[str], owners: Mapping[dt.date, str]) -> tuple[str, ...]:
        """Return what depends on whose reading fills the visits that no choice speaks of."""
        if stated:
            return ()
        unread = [e.item for e in self.found if e.kind is DiscordanceKind.CATEGORY and e.date not in owners]
        made = [self.outcome_of(self._composed(reader, owners)) for reader in self.readings]
        names = [kind.value.lower() for kind in _OUTCOMES]
        return (*(name for name in names if len({getattr(outcome, name) for outcome in made}) > 1), *unread)

    def _contradicted(self) -> tuple[str, ...]:
        return tuple(entry.item for entry in self.found if entry.kind in _OUTCOMES)

    def _standing(self, entry: Discordance, open_items: Sequence[str]) -> tuple[Standing, Choice | None]:
        kind = entry.kind.value.lower()
        choice = self._own(entry) or (self.fresh.get(CASE) if entry.kind.decides else None)
        if choice is not None:
            return Standing.CHOSEN, choice
        stale = self.stale.get(entry.item) or self.stale.get(kind)
        if stale is None and entry.kind.decides:
            stale = self.stale.get(CASE)
        if stale is not None and (entry.item in open_items or not entry.kind.decides):
            return Standing.STALE, stale
        return (Standing.OPEN if entry.item in open_items else Standing.SETTLED), None
