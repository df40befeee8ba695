"""``assess``: response from measurements alone, a case file or SDTM tables; streamed, so that size does not matter."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from lesiontrack.domain.problem import Problem
from lesiontrack.errors import LesiontrackError, StudyError
from lesiontrack.io.cdisc import SdtmResult, assess_sdtm, write_rs
from lesiontrack.io.reads import AssessmentsWriter, CaseResult, assess_cases
from lesiontrack.io.store import TableWriter
from lesiontrack.settings import Settings, load_settings
from lesiontrack.tables import assessment_rows, assessment_subject_row, failures_frame, frame

__all__ = ["assess_reads"]

log = logging.getLogger(__name__)

# Cases held in memory at once; the tables' rows are several kilobytes a case.
_CHUNK = 2000


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
    results: list[SdtmResult] = []

    def kept() -> Iterator[SdtmResult]:
        for result in assess_sdtm(reads, settings.assess):
            results.append(result)
            yield result

    records, failed = write_rs(kept(), out / "rs.csv")
    cases = (CaseResult(case_id=r.evaluator.subject_id, assessment=r.assessment, error=r.error) for r in results)
    failures = _write_tables(out / "cohort", cases, several_readers=True)
    log.info("evaluators: %d assessed, %d with an error; RS records: %d", len(results), len(failed), records)
    return failures


def _noted(results: Iterable[CaseResult], writer: AssessmentsWriter) -> Iterator[CaseResult]:
    for result in results:
        writer.add(result)
        for query in result.assessment.queries if result.assessment else ():
            # The case is judged nevertheless; its file carries all queries, this is for the person at the terminal.
            if query.severity == "DATA_ERROR":
                log.warning("subject %s: %s (%s)", result.case_id, query.text, ", ".join(query.lesions) or query.code)
        yield result


def _write_tables(cohort: Path, results: Iterable[CaseResult], *, several_readers: bool = False) -> int:
    """Write responses, subjects and failures piece by piece; return the number of failures."""
    failures = 0
    with ExitStack() as stack:
        responses, subjects, failed = (
            stack.enter_context(TableWriter(cohort, name)) for name in ("responses", "subjects", "failures")
        )
        source = iter(results)
        while chunk := list(islice(source, _CHUNK)):
            done = [result.assessment for result in chunk if result.assessment is not None]
            problems = [_problem(result.case_id, result.error) for result in chunk if result.error is not None]
            responses.write(frame("responses", [row for one in done for row in assessment_rows(one)]))
            # `subjects` has one row for each subject: which reader's it would be is for the adjudicator to say.
            rows = [] if several_readers else [assessment_subject_row(one) for one in done]
            subjects.write(frame("subjects", rows))
            failed.write(failures_frame(problem.row() for problem in problems))
            failures += len(problems)
    return failures


def _problem(subject_id: str, error: LesiontrackError) -> Problem:
    return Problem.of(error, subject_id=subject_id, stage="assess")
