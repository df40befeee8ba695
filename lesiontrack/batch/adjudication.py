"""``adjudicate``: compare the readers of a result, list where they differ, take an adjudicator's choices."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lesiontrack.batch.readings import STAGE, Assembled, reassembled
from lesiontrack.batch.study import Finished, require_result, rewrite_cohort, stored_settings
from lesiontrack.errors import DecisionError
from lesiontrack.io.choice_rows import ChoiceRow, read_choice_rows
from lesiontrack.io.choices import append_choices, stored_choices
from lesiontrack.io.store import read_table, write_table
from lesiontrack.review.choice_checks import checked_item, checked_reader
from lesiontrack.review.choices import Choice, Standing, basis
from lesiontrack.settings import Settings
from lesiontrack.survival.agreement_files import write_agreement
from lesiontrack.survival.readings import Case
from lesiontrack.tables import COHORT_TABLES, failures_frame, validate

__all__ = ["Adjudicated", "adjudicate_readings"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Adjudicated:
    """What to print, and what it did to the result folder."""

    text: str
    finished: Finished


def adjudicate_readings(
    out: Path, *, choices_file: Path | None, adjudicator: str, settings_file: Path | None
) -> Adjudicated:
    """Compare readers, store an adjudicator's choices, and bring the tables up to date where they change.

    Raises
    ------
    StudyError, TableError, DecisionError
        If the folder is no result, or a row of the choices cannot be taken: then none of them is.
    """
    require_result(out)
    settings = stored_settings(out, settings_file)
    tables = {name: read_table(out / "cohort", name) for name in COHORT_TABLES if name != "events"}
    assembled = reassembled(out, tables, settings, stored_choices(out))
    if choices_file is not None:
        wanted = _checked(read_choice_rows(choices_file), choices_file, assembled.compared.cases, adjudicator)
        new = [choice for choice in wanted if not _is_made(choice, assembled.compared.cases[choice.subject_id])]
        append_choices(out, new)
        log.info("choices: %d taken, %d were there already", len(new), len(wanted) - len(new))
        assembled = reassembled(out, tables, settings, stored_choices(out))
    changed = settings_file is not None or any(
        not assembled.tables[name].equals(tables[name]) for name in ("responses", "outcomes", "discordances")
    )
    return Adjudicated(
        text="\n".join(_text(assembled.compared.cases)), finished=_stored(out, assembled, settings, changed=changed)
    )


def _stored(out: Path, assembled: Assembled, settings: Settings, *, changed: bool) -> Finished:
    """Write what changed; of reads without images there are no endpoints to derive."""
    if (out / "cohort" / "events.parquet").is_file():
        if changed:
            return rewrite_cohort(out, assembled, settings)
        return Finished(failures=len(read_table(out / "cohort", "failures")), changed=False)
    before = read_table(out / "cohort", "failures")
    kept = before[before["stage"] != STAGE]
    problems = failures_frame(problem.row() for problem in assembled.problems(settings))
    failures = validate("failures", pd.concat([part for part in (kept, problems) if len(part)] or [before.head(0)]))
    for name, data in {**assembled.tables, "failures": failures.reset_index(drop=True)}.items():
        if name in ("responses", "outcomes", "discordances", "failures"):
            write_table(out / "cohort", name, data)
    write_agreement(assembled.compared.cases.values(), out / "endpoints", settings.agreement, settings.survival)
    return Finished(failures=len(failures), changed=False)


# --- choices --------------------------------------------------------------------------------------------------------


def _checked(rows: Sequence[ChoiceRow], file: Path, cases: Mapping[str, Case], adjudicator: str) -> list[Choice]:
    """Hold every row against what there is to choose; the first that cannot be taken refuses all of them."""
    chosen: dict[tuple[str, str], tuple[int, Choice]] = {}
    for row in rows:
        try:
            choice = _choice(row, cases, adjudicator)
            number, before = chosen.get((choice.subject_id, choice.item), (0, choice))
            if before.chosen_reader != choice.chosen_reader:
                raise DecisionError(
                    f"row {number} chooses another reader for {choice.item}",
                    subject_id=row.subject_id,
                    found=choice.chosen_reader,
                    expected=before.chosen_reader,
                )
        except DecisionError as error:
            located = f"{file}, row {row.number}"
            raise error.at(subject_id=row.subject_id, file=located) from error
        chosen[choice.subject_id, choice.item] = (row.number, choice)
    return [choice for _, choice in chosen.values()]


def _choice(row: ChoiceRow, cases: Mapping[str, Case], adjudicator: str) -> Choice:
    case = cases.get(row.subject_id)
    if case is None:
        known = sorted(cases)
        raise DecisionError(
            "no subject that two readers have read",
            found=row.subject_id,
            expected=", ".join([*known[:8], *(["..."] if len(known) > 8 else [])]) or "two readers' decisions",
        )
    item = checked_item(row.item, case.found, subject_id=row.subject_id)
    readers = [reading.reader for reading in case.readings]
    return Choice(
        subject_id=row.subject_id,
        item=item,
        chosen_reader=checked_reader(row.chosen_reader, item, case.found, readers, subject_id=row.subject_id),
        reason=row.reason,
        adjudicator=adjudicator,
        time="",
        basis=basis(case.readings, item, case.found),
    )


def _is_made(choice: Choice, case: Case) -> bool:
    """Tell whether the same choice on the same readings is in force."""
    said = ("item", "chosen_reader", "reason", "adjudicator", "basis")
    return any(all(getattr(choice, name) == getattr(made, name) for name in said) for made in case.adjudicated.in_force)


# --- the list -------------------------------------------------------------------------------------------------------


def _text(cases: Mapping[str, Case]) -> Iterator[str]:
    differ = [case for case in cases.values() if case.found]
    states = Counter(case.adjudicated.standings[entry.item][0] for case in differ for entry in case.found)
    counted = ", ".join(f"{states[state]} {state.value.lower()}" for state in Standing)
    yield f"{len(cases)} subjects read by two readers or more, {len(differ)} with discordances: {counted}"
    for case in differ:
        yield from _case_text(case)


def _case_text(case: Case) -> Iterator[str]:
    """Yield a subject's items, each with what was chosen and its grounds; the same grounds stand once."""
    readers = ", ".join(reading.reader for reading in case.readings)
    yield f"subject {case.subject_id} ({readers}){_outcome(case)}"
    said: set[str] = set()
    for entry in case.found:
        state, choice = case.adjudicated.standings[entry.item]
        values = " | ".join(f"{reader} {value}" for reader, value in entry.values)
        yield f"  {state.value:<8}{entry.item:<34}{values}"
        if choice is not None:
            by = f"by {choice.adjudicator} on {choice.time[:10]}"
            yield f"          chosen: {choice.chosen_reader}, {by}: {choice.reason}"
        if entry.reason not in said:
            yield from (f"          {ground}" for ground in entry.reason.split(". ") if ground)
        said.add(entry.reason)


def _outcome(case: Case) -> str:
    if case.own_adjudication:
        return ": an adjudicator has read this case"
    return f": {case.adjudicated.contradiction}" if case.adjudicated.contradiction is not None else ""
