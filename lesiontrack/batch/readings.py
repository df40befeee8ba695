"""The cohort's tables where subjects have several readings: all responses, and the rest of the reading that decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lesiontrack.domain.problem import Problem
from lesiontrack.io.store import join_tables, read_table, reading_folder, reading_folders, subject_folder
from lesiontrack.review.choices import Choice
from lesiontrack.settings import Settings
from lesiontrack.survival.judged import Chosen, choose_reader
from lesiontrack.survival.made_reading import undecided_row, with_made_outcome
from lesiontrack.survival.readings import Case, Compared, compare_readers
from lesiontrack.tables import frame, validate

__all__ = ["STAGE", "Assembled", "cohort_tables", "reassembled"]

STAGE = "adjudicate"
# Of which the cohort holds every reader's rows; of all others those of the reading that decides.
OF_ALL_READERS = ("responses", "outcomes", "decisions", "audit", "failures")
# Of which no reader's folder has anything.
_NOT_READ = ("failures", "discordances", "scans", "registrations")
# What a reader's folder tells of how the reading came about.
_GROUNDS = ("lesions", "roles", "timepoints", "decisions")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assembled:
    """The cohort's tables, and how its readers compare."""

    tables: dict[str, pd.DataFrame]
    compared: Compared

    def problems(self, settings: Settings) -> list[Problem]:
        """Return what waits for an adjudicator where that is asked for, and the choices that hold no more."""
        wanted = settings.events.reader
        return [problem for case in self.compared.cases.values() for problem in _problems(case, wanted)]


def cohort_tables(
    out: Path,
    names: Iterable[str],
    subject_ids: Sequence[str],
    settings: Settings,
    choices: Mapping[str, Sequence[Choice]],
) -> Assembled:
    """Join the subjects' tables into the cohort's.

    ``responses`` has the rows of every reader, and of the reading made of theirs where there is one; every other table
    has those of the reading that feeds the endpoints, and what a reader leaves untouched is the machine's.

    Parameters
    ----------
    names
        Of the tables.
    subject_ids
        In the order in which the tables shall have them.
    choices
        Subject -> the adjudicators' choices.
    """
    folders = {s: [subject_folder(out, s), *reading_folders(out, s)] for s in subject_ids}
    everyone = [folder for own in folders.values() for folder in own]
    responses = join_tables("responses", everyone)
    compared = _compare(out, responses, settings, choices)
    deciding = _deciding(compared.responses, settings)
    tables: dict[str, pd.DataFrame] = {}
    for name in names:
        if name == "progress":
            tables[name] = join_tables(name, [x for own in folders.values() for x in _where_it_is_read(own)])
        elif name in OF_ALL_READERS:
            tables[name] = join_tables(name, everyone)
        else:
            tables[name] = join_tables(name, [_folder(out, s, name, deciding.get(s), compared) for s in subject_ids])
    tables["subjects"] = _as_decided(tables["subjects"], compared, deciding, settings)
    return _with_made(tables, compared)


def _with_made(tables: Mapping[str, pd.DataFrame], compared: Compared) -> Assembled:
    made = {
        "responses": compared.responses,
        "outcomes": compared.outcomes(tables["outcomes"]),
        "discordances": compared.discordances(),
    }
    return Assembled(tables={**tables, **made}, compared=compared)


def _where_it_is_read(folders: Sequence[Path]) -> Sequence[Path]:
    """Return the readers' folders of a subject, the machine's while nobody has read it."""
    machine, *read = folders
    return [folder for folder in read if (folder / "responses.parquet").is_file()] or [machine]


def reassembled(
    out: Path, tables: Mapping[str, pd.DataFrame], settings: Settings, choices: Mapping[str, Sequence[Choice]]
) -> Assembled:
    """Return the cohort's stored tables as the readings, settings and choices of now have them.

    Where no subject has a reader's folder (nobody has read, or the reads came without images) the responses stored are
    all there is.
    """
    stored = tables["timepoints"]["subject_id"].unique().tolist()
    if not any(reading_folders(out, subject_id) for subject_id in stored):
        return _with_made(tables, _compare(out, tables["responses"], settings, choices))
    names = [name for name in tables if name not in _NOT_READ]
    assembled = cohort_tables(out, names, stored, settings, choices)
    subjects = assembled.tables["subjects"]
    unseen = tables["subjects"][~tables["subjects"]["subject_id"].isin(set(subjects["subject_id"]))]
    joined = pd.concat([part for part in (subjects, unseen) if len(part)], ignore_index=True)
    ordered = joined.sort_values("subject_id", kind="stable", ignore_index=True)
    return Assembled(
        tables={**tables, **assembled.tables, "subjects": validate("subjects", ordered)}, compared=assembled.compared
    )


def _compare(
    out: Path, responses: pd.DataFrame, settings: Settings, choices: Mapping[str, Sequence[Choice]]
) -> Compared:
    def tables_of(subject_id: str, reader: str) -> dict[str, pd.DataFrame]:
        folder = reading_folder(out, subject_id, reader)
        return {name: read_table(folder, name) for name in _GROUNDS if (folder / f"{name}.parquet").is_file()}

    return compare_readers(responses, tables_of, choices, settings.events, settings.agreement)


def _deciding(responses: pd.DataFrame, settings: Settings) -> dict[str, Chosen]:
    readers = responses.groupby("subject_id", sort=False)["reader"].unique()
    return {str(subject): choose_reader(map(str, own), settings.events) for subject, own in readers.items()}


def _folder(out: Path, subject_id: str, name: str, chosen: Chosen | None, compared: Compared) -> Path:
    """Return where a table of the reading that decides lies."""
    machine = subject_folder(out, subject_id)
    if chosen is None or chosen.reader is None:
        return machine
    case = compared.cases.get(subject_id)
    made = case.made.get(chosen.reader) if case is not None else None
    folder = reading_folder(out, subject_id, made.base if made is not None else chosen.reader)
    return folder if (folder / f"{name}.parquet").is_file() else machine


def _as_decided(
    subjects: pd.DataFrame, compared: Compared, deciding: Mapping[str, Chosen], settings: Settings
) -> pd.DataFrame:
    """Give the subjects whose reading was made of several, or whose readers differ, the row that follows from that."""
    plain = subjects.astype(object).where(subjects.notna(), None).to_dict("records")
    rows: list[dict[str, Any]] = []
    changed = False
    for row in ({str(name): value for name, value in one.items()} for one in plain):
        chosen = deciding.get(str(row["subject_id"]))
        case = compared.cases.get(str(row["subject_id"]))
        if chosen is not None and chosen.unresolved:
            row, changed = undecided_row(row), True
        elif case is not None and chosen is not None and (made := case.made.get(str(chosen.reader))) and made.owners:
            row = with_made_outcome(row, str(chosen.reader), made, compared.responses, settings.events)
            changed = True
        rows.append(row)
    return frame("subjects", rows) if changed else subjects


def _problems(case: Case, wanted: str | None) -> Iterable[Problem]:
    def warn(message: str) -> Problem:
        return Problem(
            subject_id=case.subject_id,
            stage=STAGE,
            error="ReadsError",
            severity="WARNING",
            message=f"subject {case.subject_id}: {message}",
        )

    adjudicated = case.adjudicated
    for choice in adjudicated.stale:
        yield warn(
            f"the choice of {choice.item} ({choice.chosen_reader}, by {choice.adjudicator} on {choice.time[:10]}) was "
            "made on other readings than those of now and counts no more"
        )
    if case.own_adjudication:
        return
    if adjudicated.contradiction is not None:
        yield warn(adjudicated.contradiction)
    if adjudicated.open and wanted == "adjudicated":
        readers = ", ".join(reading.reader for reading in case.readings)
        values = {entry.item: ", ".join(f"{r} {v}" for r, v in entry.values) for entry in case.found}
        # What hangs on these alone is settled with them and not listed.
        listed = [item for item in adjudicated.open if item in values] or list(adjudicated.open)
        said = "; ".join(f"{item} ({values[item]})" if item in values else item for item in listed)
        yield warn(f"readers {readers} differ and nobody has chosen: {said}")
