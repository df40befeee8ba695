"""SDTM tumour domains: TU and TR in, assessed one evaluator at a time, RS out (response rules, section 12).

Every assessment is keyed by subject, evaluator, visit and scan date, never by visit number alone: where one visit
number holds two values of one lesion on two days, these are two visits.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from lesiontrack.assess import PRIMARY, AssessSettings, by_every_criterion
from lesiontrack.domain.outcome import Assessment, Response, VisitResponse
from lesiontrack.errors import LesiontrackError, StudyError
from lesiontrack.io.sdtm_reads import Evaluator, SdtmVisit, evaluators
from lesiontrack.io.sdtm_tables import find_domain, read_domain

__all__ = ["RS_COLUMNS", "RsWriter", "SdtmResult", "assess_sdtm", "read_sdtm", "rs_records", "write_rs"]

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


# What is read of the domains beside the columns that they must have.
_TU_OPTIONAL = ("STUDYID", "TUTESTCD", "TULOC", "TUEVAL", "TUEVALID", "VISITNUM", "VISIT", "TUDTC")
_TR_OPTIONAL = (
    "STUDYID",
    "TRLNKGRP",
    "TRORRES",
    "TRORRESU",
    "TRSTRESC",
    "TRSTRESN",
    "TRSTRESU",
    "TRSTAT",
    "TRREASND",
    "TREVAL",
    "TREVALID",
    "TRACPTFL",
    "VISITNUM",
    "VISIT",
)


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


def read_sdtm(folder: Path) -> Iterator[Evaluator]:
    """Read TU and TR of a folder and part them by subject and evaluator, in the order in which TR names them.

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
    tumours = read_domain(tu, ("USUBJID", "TULNKID", "TUSTRESC"), _TU_OPTIONAL)
    results = read_domain(tr, ("USUBJID", "TRLNKID", "TRTESTCD", "TRDTC"), _TR_OPTIONAL)
    for subject_id in dict.fromkeys((*results.subjects, *tumours.subjects)):
        yield from evaluators(tumours.of(subject_id), results.of(subject_id))


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


class RsWriter:
    """Writes ``rs.csv`` result by result; the file appears whole, when the block ends without an error."""

    def __init__(self, path: Path) -> None:
        self.n_results = 0
        self.n_records = 0
        self.failed: list[SdtmResult] = []
        self._path = path
        self._aside = path.with_name(path.name + ".part")
        self._sequence: Counter[str] = Counter()

    def __enter__(self) -> RsWriter:
        """Open the file aside."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._aside.open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, RS_COLUMNS, lineterminator="\n")
        self._writer.writeheader()
        return self

    def add(self, result: SdtmResult) -> None:
        """Write the records of one evaluator; one with an error is kept in ``failed``."""
        self.n_results += 1
        if result.assessment is None:
            self.failed.append(result)
        for record in rs_records(result):
            self._sequence[result.subject_id] += 1
            self.n_records += 1
            self._writer.writerow({**record, "RSSEQ": self._sequence[result.subject_id]})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and put it in its place, or remove what was begun."""
        self._file.close()
        if kind is None:
            self._aside.replace(self._path)
        else:
            self._aside.unlink(missing_ok=True)


def write_rs(results: Iterable[SdtmResult], path: Path) -> tuple[int, tuple[SdtmResult, ...]]:
    """Write ``rs.csv``; return the number of records and the results that have an error."""
    with RsWriter(path) as writer:
        for result in results:
            writer.add(result)
    return writer.n_records, tuple(writer.failed)


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
