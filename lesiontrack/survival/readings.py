"""The readings of several readers from the tables: how they differ, and the one reading made of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from lesiontrack.review.agreement_settings import AgreementSettings
from lesiontrack.review.case_reading import CaseReading
from lesiontrack.review.choices import ADJUDICATED, MAJORITY, Adjudicated, Choice, Standing, adjudicate, majority
from lesiontrack.review.discordance import Discordance, discordances
from lesiontrack.survival.case_readings import TablesOf, case_reading, outcome_of_visits
from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.facts import Row, as_date, as_text, rows_by_subject
from lesiontrack.survival.judged import MACHINE, people_of
from lesiontrack.tables import frame

__all__ = ["Case", "Compared", "Made", "compare_readers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A reading made of several: the reader whose it is, but for the visits (by date) that are another's."""

    base: str
    owners: Mapping[dt.date, str] = field(default_factory=dict)

    def owner(self, date: dt.date | None) -> str:
        """Return the reader whose visit of a date it is."""
        return self.base if date is None else self.owners.get(date, self.base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One subject that several readers read.

    Attributes
    ----------
    made
        ``adjudicated`` or ``majority`` -> the reading made of theirs, where there is one.
    own_adjudication
        An adjudicator has read the case, and no choice among the others is needed.
    """

    subject_id: str
    readings: tuple[CaseReading, ...]
    found: tuple[Discordance, ...]
    adjudicated: Adjudicated
    made: Mapping[str, Made]
    own_adjudication: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """The readers of a cohort compared.

    Attributes
    ----------
    cases
        Every subject with two readers or more.
    responses
        The table given, with the readings that were made of several in place of those made before.
    """

    cases: Mapping[str, Case]
    responses: pd.DataFrame

    def outcomes(self, outcomes: pd.DataFrame) -> pd.DataFrame:
        """Return the table ``outcomes`` with those of the readings made of several, in place of those made before.

        A reading that is one reader's throughout has that reader's outcomes; one put together of several has none.
        """
        if not self.cases and not outcomes["reader"].isin([ADJUDICATED, MAJORITY]).any():
            return outcomes
        made = set(zip(self.responses["subject_id"], self.responses["reader"], self.responses["taken_from"].notna()))
        kept = [
            row
            for own in rows_by_subject(outcomes).values()
            for row in own
            if row["reader"] not in (ADJUDICATED, MAJORITY) or (row["subject_id"], row["reader"], False) in made
        ]
        copied = [
            {**row, "reader": name}
            for row in kept
            if (case := self.cases.get(str(row["subject_id"]))) is not None
            for name, reading in case.made.items()
            if row["reader"] == reading.base and not reading.owners
        ]
        return frame("outcomes", [*kept, *copied]) if copied or len(kept) < len(outcomes) else outcomes

    def discordances(self) -> pd.DataFrame:
        """Return the table ``discordances``."""
        rows = [_row(entry, case) for case in self.cases.values() for entry in case.found]
        return frame("discordances", rows)


def compare_readers(
    responses: pd.DataFrame,
    tables_of: TablesOf,
    choices: Mapping[str, Sequence[Choice]],
    events: EventSettings,
    agreement: AgreementSettings,
) -> Compared:
    """Compare the readers of every subject and make one reading of theirs where agreement or choices allow it.

    Parameters
    ----------
    responses
        Of all readers.
    tables_of
        The rest of what a reader says of a subject.
    choices
        Subject -> the adjudicators' choices in the order in which they were made.
    events, agreement
        Rule set that feeds the endpoints, whose reading is asked for; when two readers differ.
    """
    cases: dict[str, Case] = {}
    kept: list[Row] = []
    for subject_id, rows in rows_by_subject(responses).items():
        own = [row for row in rows if as_text(row.get("taken_from")) is None]
        kept += own
        readers = {as_text(row.get("reader")) or "" for row in own}
        people = people_of(readers)
        if len(people) < 2:
            continue
        readings = tuple(
            case_reading(subject_id, reader, own, tables_of(subject_id, reader), events) for reader in people
        )
        cases[subject_id] = case = _case(readings, choices.get(subject_id, ()), agreement, readers, events)
        kept += [row for name, made in case.made.items() for row in _made_rows(name, made, own)]
    return Compared(
        cases=cases, responses=frame("responses", kept) if cases or len(kept) < len(responses) else responses
    )


def _case(
    readings: tuple[CaseReading, ...],
    choices: Sequence[Choice],
    settings: AgreementSettings,
    readers: set[str],
    events: EventSettings,
) -> Case:
    found = discordances(readings, settings)
    adjudicated = adjudicate(readings, found, choices, outcome_of_visits)
    own_adjudication = bool(readers - set(people_of(readers)) - {MACHINE, MAJORITY, ""})
    made: dict[str, Made] = {}
    if adjudicated.base is not None and not own_adjudication:
        made[ADJUDICATED] = Made(base=adjudicated.base, owners=adjudicated.owners)
    most = majority(readings) if events.reader == MAJORITY else None
    if most is not None:
        made[MAJORITY] = Made(base=most)
    return Case(
        subject_id=readings[0].subject_id,
        readings=readings,
        found=found,
        adjudicated=adjudicated,
        made=made,
        own_adjudication=own_adjudication,
    )


def _made_rows(name: str, made: Made, rows: Sequence[Row]) -> Iterator[Row]:
    """Yield each visit's rows of the reader whose visit it is, as rows of the reading made."""
    for row in rows:
        reader = as_text(row.get("reader"))
        date = as_date(row.get("date"), column="responses.date", subject_id=str(row["subject_id"]))
        if reader == made.owner(date):
            yield {**row, "reader": name, "taken_from": reader}


def _row(entry: Discordance, case: Case) -> Row:
    state, choice = case.adjudicated.standings[entry.item]
    if case.own_adjudication and state in (Standing.OPEN, Standing.STALE):
        state = Standing.SETTLED
    chosen = (
        {}
        if choice is None
        else {
            "chosen_reader": choice.chosen_reader,
            "choice_reason": choice.reason,
            "adjudicator": choice.adjudicator,
            "chosen_at": choice.time,
            "choice": choice.id,
        }
    )
    return {
        "subject_id": entry.subject_id,
        "item": entry.item,
        "kind": entry.kind,
        "phase": entry.phase,
        "timepoint": entry.timepoint,
        "date": entry.date,
        "readings": dict(entry.values),
        "reason": entry.reason,
        "lesions": list(entry.lesions),
        "numbers": {name: str(value) for name, value in entry.numbers},
        "decisions": [list(pair) for pair in entry.decisions],
        "decides": entry.kind.decides,
        "state": state,
        **chosen,
    }
