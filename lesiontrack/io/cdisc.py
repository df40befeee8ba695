"""SDTM tumour domains: TU and TR in, assessed one evaluator at a time, RS out (response rules, section 12).

Every assessment is keyed by subject, evaluator, visit and scan date, never by visit number alone: where one visit
number holds two values of one lesion on two days, these are two visits.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lesiontrack.assess import PRIMARY, AssessSettings, by_every_criterion
from lesiontrack.domain.outcome import Assessment, Response, VisitResponse
from lesiontrack.errors import LesiontrackError, StudyError
from lesiontrack.io.sdtm_reads import Evaluator, SdtmVisit, evaluators
from lesiontrack.io.sdtm_tables import find_domain, read_domain

__all__ = ["RS_COLUMNS", "SdtmResult", "assess_sdtm", "read_sdtm", "rs_records", "write_rs"]

RS_COLUMNS = (
    "STUDYID",
    "DOMAIN",
    "USUBJID",
    "RSSEQ",
    "RSLNKGRP",
    "RSTESTCD",
    "RSTEST",
    "RSCAT",
    "RSORRES",
    "RSSTRESC",
    "RSSTAT",
    "RSREASND",
    "RSEVAL",
    "RSEVALID",
    "RSACPTFL",
    "VISITNUM",
    "VISIT",
    "RSDTC",
    "RSDY",
)
_TESTS = {
    "TRGRESP": "Target Response",
    "NTRGRESP": "Non-target Response",
    "NEWLPROG": "New Lesion Progression",
    "OVRLRESP": "Overall Response",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SdtmResult:
    """One subject as one evaluator reads it: its assessment by every criterion, or the error that stands in its way."""

    evaluator: Evaluator
    by_rules: Mapping[str, Assessment] = field(default_factory=dict)
    error: LesiontrackError | None = None

    @property
    def subject_id(self) -> str:
        """USUBJID."""
        return self.evaluator.subject_id

    @property
    def assessment(self) -> Assessment | None:
        """By the rule set that feeds the endpoints; it goes out as RS."""
        return self.by_rules.get(PRIMARY)


def read_sdtm(folder: Path) -> tuple[Evaluator, ...]:
    """Read TU and TR of a folder and part them by subject and evaluator.

    Raises
    ------
    StudyError, TableError
        If a domain is missing or cannot be read.
    """
    files = {domain: find_domain(folder, domain) for domain in ("tu", "tr")}
    for domain, file in files.items():
        if file is None:
            raise StudyError(
                f"no domain {domain.upper()}", file=str(folder), expected=f"{domain}.csv, {domain}.xpt or {domain}.json"
            )
    tu, tr = files["tu"], files["tr"]
    assert tu is not None and tr is not None  # told above
    return evaluators(
        read_domain(tu, ("USUBJID", "TULNKID", "TUSTRESC")),
        read_domain(tr, ("USUBJID", "TRLNKID", "TRTESTCD", "TRDTC")),
    )


def assess_sdtm(folder: Path, settings: AssessSettings) -> Iterator[SdtmResult]:
    """Assess a folder with TU and TR, subject by subject and evaluator by evaluator; an error stops no other.

    Raises
    ------
    StudyError, TableError
        If the folder cannot be used at all.
    """
    for evaluator in read_sdtm(folder):
        try:
            yield SdtmResult(evaluator=evaluator, by_rules=by_every_criterion(evaluator.reads(settings), settings))
        except LesiontrackError as error:
            yield SdtmResult(evaluator=evaluator, error=error.at(subject_id=evaluator.subject_id))


def write_rs(results: Iterable[SdtmResult], path: Path) -> tuple[int, tuple[SdtmResult, ...]]:
    """Write ``rs.csv``; return the number of records and the results that have an error.

    The file appears whole, when all is written.
    """
    failed: list[SdtmResult] = []
    sequence: dict[str, int] = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    try:
        with aside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, RS_COLUMNS, lineterminator="\n")
            writer.writeheader()
            for result in results:
                if result.assessment is None:
                    failed.append(result)
                    continue
                for record in rs_records(result):
                    sequence[result.subject_id] = sequence.get(result.subject_id, 0) + 1
                    writer.writerow({**record, "RSSEQ": sequence[result.subject_id]})
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return sum(sequence.values()), tuple(failed)


def rs_records(result: SdtmResult) -> Iterator[dict[str, str]]:
    """Yield the RS records of an assessment, without RSSEQ: component and overall responses of each visit.

    NED is no RECIST term (response rules, section 12): it goes out as NE, with the reason.
    """
    if result.assessment is None:
        return
    visits = {visit.timepoint: visit for visit in result.evaluator.visits}
    start = result.assessment.baseline_date
    for response in result.assessment.visits:
        visit = visits[response.timepoint]
        for code, value in _components(response):
            yield _record(result.evaluator, visit, code, value, start)


def _components(response: VisitResponse) -> Iterator[tuple[str, str]]:
    if response.target is not Response.NA:
        yield "TRGRESP", response.target.value
    if response.non_target is not Response.NA:
        yield "NTRGRESP", response.non_target.value
    if response.new_lesion != "NO":
        yield "NEWLPROG", "UNEQUIVOCAL" if response.new_lesion == "YES" else "EQUIVOCAL"
    yield "OVRLRESP", response.overall.value


def _record(evaluator: Evaluator, visit: SdtmVisit, code: str, value: str, start: dt.date) -> dict[str, str]:
    standard = "NE" if value in (Response.NED, Response.REBASELINE) else value
    days = (visit.date - start).days
    return {
        "STUDYID": evaluator.study_id,
        "DOMAIN": "RS",
        "USUBJID": evaluator.subject_id,
        "RSLNKGRP": visit.link_group,
        "RSTESTCD": code,
        "RSTEST": _TESTS[code],
        "RSCAT": "RECIST 1.1",
        "RSORRES": value,
        "RSSTRESC": standard,
        "RSSTAT": "",
        "RSREASND": "",
        "RSEVAL": evaluator.role,
        "RSEVALID": evaluator.name,
        "RSACPTFL": visit.accepted,
        "VISITNUM": visit.number,
        "VISIT": visit.name,
        "RSDTC": visit.date_text,
        # Study day counts from the baseline scan: TU and TR do not hold the reference start (CDISC: no day 0).
        "RSDY": "" if visit.imputed else str(days + 1 if days >= 0 else days),
    }
