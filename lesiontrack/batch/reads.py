"""``assess``: response from measurements alone, a case file or SDTM tables; streamed, so that size does not matter."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from lesiontrack.domain.outcome import Assessment
from lesiontrack.domain.problem import Problem
from lesiontrack.errors import LesiontrackError, StudyError
from lesiontrack.io.cdisc import RsWriter, assess_sdtm
from lesiontrack.io.reads import AssessmentsWriter, CaseResult, assess_cases
from lesiontrack.io.store import TableWriter
from lesiontrack.settings import Settings, load_settings
from lesiontrack.tables import (
    assessment_rows,
    assessment_subject_row,
    failures_frame,
    frame,
    outcome_row,
    query_rows,
)

__all__ = ["assess_reads"]

log = logging.getLogger(__name__)

_TABLES = ("responses", "outcomes", "queries", "subjects")
# Cases held in memory at once; the tables' rows are tens of kilobytes a case.
_CHUNK = 1000


def assess_reads(reads: Path, out: Path, *, settings_file: Path | None) -> int:
    """Assess a case file, or a folder with SDTM ``tu`` and ``tr``; return the number that could not be assessed.

    Raises
    ------
    StudyError
        If it is neither, or ``out`` holds the results of a run.
    """
    settings = load_settings(*([settings_file] if settings_file is not None else []))
    if (out / "status.json").is_file():
        # Its responses and subjects would be overwritten.
        raise StudyError("the folder holds the results of a run", file=str(out), expected="another folder")
    if reads.is_dir():
        return _assess_folder(reads, out, settings)
    if not reads.is_file():
        raise StudyError("no such reads", file=str(reads), expected="a case file, or a folder with tu and tr tables")
    with AssessmentsWriter(out / "assessments.json") as writer:
        failures = _write_tables(out / "cohort", _noted(assess_cases(reads, settings.assess), writer))
    log.info("cases: %d assessed, %d with an error", writer.n_cases - writer.n_errors, writer.n_errors)
    return failures


def _assess_folder(reads: Path, out: Path, settings: Settings) -> int:
    """Assess SDTM TU and TR, one evaluator at a time, into ``rs.csv`` and the cohort's tables."""
    with RsWriter(out / "rs.csv") as writer:
        failures = _write_tables(out / "cohort", _as_cases(reads, settings, writer), several_readers=True)
    n_failed = len(writer.failed)
    log.info(
        "evaluators: %d assessed, %d with an error; RS records: %d",
        writer.n_results - n_failed,
        n_failed,
        writer.n_records,
    )
    return failures


def _as_cases(reads: Path, settings: Settings, writer: RsWriter) -> Iterator[CaseResult]:
    for result in assess_sdtm(reads, settings.assess):
        writer.add(result)
        yield CaseResult(
            case_id=result.subject_id, assessment=result.assessment, by_rules=result.by_rules, error=result.error
        )


def _noted(results: Iterable[CaseResult], writer: AssessmentsWriter) -> Iterator[CaseResult]:
    for result in results:
        writer.add(result)
        for query in result.assessment.queries if result.assessment else ():
            # The case is judged nevertheless; its file carries all queries, this is for the person at the terminal.
            if query.severity == "DATA_ERROR":
                log.warning("subject %s: %s (%s)", result.case_id, query.text, ", ".join(query.lesions) or query.code)
        yield result


def _write_tables(cohort: Path, results: Iterable[CaseResult], *, several_readers: bool = False) -> int:
    """Write the tables that reads alone can fill, piece by piece; return the number of failures."""
    failures = 0
    with ExitStack() as stack:
        writers = {name: stack.enter_context(TableWriter(cohort, name)) for name in (*_TABLES, "failures")}
        source = iter(results)
        while chunk := list(islice(source, _CHUNK)):
            for name, data in _frames(chunk, several_readers=several_readers).items():
                writers[name].write(data)
            problems = [_problem(result.case_id, result.error) for result in chunk if result.error is not None]
            writers["failures"].write(failures_frame(problem.row() for problem in problems))
            failures += len(problems)
    return failures


def _frames(chunk: list[CaseResult], *, several_readers: bool) -> dict[str, pd.DataFrame]:
    """Return the tables of some cases: every rule set in ``responses`` and ``outcomes``, the case's own elsewhere."""
    shown = [result.assessment for result in chunk if result.assessment is not None]
    queries = [{"subject_id": one.subject_id, **row} for one in shown for row in query_rows(one)]
    # One row for each subject: which reader's it would be is for the adjudicator to say.
    subjects = [] if several_readers else [assessment_subject_row(one) for one in shown]
    return {
        "responses": _by_rules("responses", chunk, assessment_rows),
        "outcomes": _by_rules("outcomes", chunk, lambda one: [outcome_row(one)]),
        "queries": frame("queries", queries),
        "subjects": frame("subjects", subjects),
    }


def _by_rules(
    name: str, chunk: list[CaseResult], rows_of: Callable[[Assessment], list[dict[str, Any]]]
) -> pd.DataFrame:
    """Return a table of every rule set, case by case; what rule sets say alike is made into rows once."""
    rows: list[dict[str, Any]] = []
    pieces: list[tuple[slice, str]] = []
    for result in chunk:
        made: list[tuple[Assessment, slice]] = []
        for rules, one in result.by_rules.items():
            like = next((place for other, place in made if one == replace(other, rules=rules)), None)
            if like is None:
                own = rows_of(one)
                like = slice(len(rows), len(rows) + len(own))
                rows.extend(own)
                made.append((one, like))
            pieces.append((like, rules))
    data = frame(name, rows)
    places = [place for piece, _ in pieces for place in range(piece.start, piece.stop)]
    named = [rules for piece, rules in pieces for _ in range(piece.start, piece.stop)]
    return data.iloc[places].reset_index(drop=True).assign(rules=pd.array(named, dtype="string"))


def _problem(subject_id: str, error: LesiontrackError) -> Problem:
    return Problem.of(error, subject_id=subject_id, stage="assess")
