"""Case files in, ``assessments.json`` out (contract, section 5); one case in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from lesiontrack.assess import PRIMARY, AssessSettings, LocalMode, by_every_criterion
from lesiontrack.domain.outcome import Assessment, Duration, Response, VisitResponse
from lesiontrack.errors import LesiontrackError, ReadsError, StudyError
from lesiontrack.io.case_file import CaseParser
from lesiontrack.io.json_stream import stream_items

__all__ = ["AssessmentsWriter", "CaseResult", "assess_cases", "case_document"]


# The option `local_mode` of a case says which of the rule sets its document shows; all of them are in the tables.
_RULES = {
    LocalMode.REBASELINE: PRIMARY,
    LocalMode.STRICT_NE: "recist11",
    LocalMode.AS_MEASURED: "recist11-as-measured",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One case: its assessment, or the error that stands in its way.

    Attributes
    ----------
    assessment
        By the rule set that the case asks for.
    by_rules
        By every registered criterion.
    """

    case_id: str
    assessment: Assessment | None = None
    by_rules: Mapping[str, Assessment] = field(default_factory=dict)
    error: LesiontrackError | None = None


def assess_cases(path: Path, settings: AssessSettings) -> Iterator[CaseResult]:
    """Assess a case file, case by case, in the order of the file; a case that cannot be assessed stops no other.

    ``meta.defaults``, where it precedes the cases, are options of every case.

    Raises
    ------
    StudyError
        If the file is no case file at all.
    """
    parser = CaseParser(settings)
    seen: set[str] = set()
    for member in stream_items(path, "cases"):
        if member.is_item:
            yield _assess_case(member.value, len(seen) + 1, parser, seen)
        elif member.key == "cases":
            raise StudyError("`cases` is no list", file=str(path), found=type(member.value).__name__)
        elif member.key == "meta" and isinstance(member.value, dict):
            defaults = member.value.get("defaults")
            parser = CaseParser(settings, defaults if isinstance(defaults, dict) else None)
    if not seen and not any(member.key == "cases" for member in stream_items(path, "")):
        raise StudyError("no case file", file=str(path), expected='an object with a list "cases"')


def _assess_case(item: Any, number: int, parser: CaseParser, seen: set[str]) -> CaseResult:
    case_id = str(item["id"]) if isinstance(item, dict) and item.get("id") not in (None, "") else f"case {number}"
    try:
        if not isinstance(item, dict) or item.get("id") in (None, ""):
            raise ReadsError("id is missing", subject_id=case_id, found=repr(item)[:80])
        if case_id in seen:
            raise ReadsError("id occurs twice in the file", subject_id=case_id)
        settings = parser.settings_of(item, case_id)
        reads = parser.reads(item, case_id, settings)
        # Each rule set by its own name, whatever the case shows.
        by_rules = by_every_criterion(reads, settings.model_copy(update={"local_mode": LocalMode.REBASELINE}))
        return CaseResult(case_id=case_id, assessment=by_rules[_RULES[settings.local_mode]], by_rules=by_rules)
    except LesiontrackError as error:
        return CaseResult(case_id=case_id, error=error.at(subject_id=case_id))
    finally:
        seen.add(case_id)


def case_document(result: CaseResult) -> dict[str, Any]:
    """Return one case of ``assessments.json``, in the spelling of the golden file; lengths as JSON numbers."""
    if result.assessment is None:
        return {"id": result.case_id, "error": str(result.error)}
    found = result.assessment
    return {
        "id": result.case_id,
        "timepoints": [_timepoint(visit) for visit in found.visits],
        "bor_unconfirmed": found.bor_unconfirmed.value,
        "bor_confirmed": found.bor_confirmed.value,
        "pd_date": _iso(found.pd_date),
        "pd_declared_date": _iso(found.pd_declared_date),
        "pd_site": found.pd_site,
        "pd_subtype": found.pd_subtype,
        "pd_reasons": list(found.pd_reasons),
        "first_hepatic_pd_date": _iso(found.first_hepatic_pd_date),
        "first_extrahepatic_pd_date": _iso(found.first_extrahepatic_pd_date),
        "disease_control": found.disease_control,
        "disease_control_by_ned_alone": found.control_by_ned,
        "disease_control_at_days": {str(day): control for day, control in found.disease_control_at_days},
        "duration_of_response": _lasted(found.duration_of_response),
        "duration_of_stable_disease": _lasted(found.duration_of_stable_disease),
        "reasons": [reason.to_dict() for reason in found.reasons],
        "queries": [query.to_dict() for query in found.queries],
    }


def _timepoint(visit: VisitResponse) -> dict[str, Any]:
    # The sum of a re-baseline visit is a baseline, not a sum that is judged.
    total = None if visit.target is Response.REBASELINE else visit.sum_mm
    return {
        "tp": visit.timepoint,
        "date": visit.date.isoformat(),
        "target": visit.target.value,
        "nontarget": visit.non_target.value,
        "overall": visit.overall.value,
        "sum_mm": None if total is None else _number(total),
        "reasons": [reason.sentence() for reason in visit.reasons],
    }


def _lasted(duration: Duration | None) -> dict[str, Any] | None:
    return None if duration is None else duration.to_dict()


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _iso(value: Any) -> str | None:
    return None if value is None else str(value.isoformat())


class AssessmentsWriter:
    """Writes ``assessments.json`` case by case; the file appears whole, when the block ends without an error.

    Examples
    --------
    >>> with AssessmentsWriter(out / "assessments.json") as writer:  # doctest: +SKIP
    ...     for result in assess_cases(cases, settings):
    ...         writer.add(result)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_cases = 0
        self.n_errors = 0
        self._aside = path.with_name(path.name + ".part")
        self._file: TextIO | None = None

    def __enter__(self) -> AssessmentsWriter:
        """Open the file aside."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._aside.open("w", encoding="utf-8", newline="\n")
        self._file.write('{"cases": [')
        return self

    def add(self, result: CaseResult) -> None:
        """Write one case."""
        if self._file is None:
            raise ValueError("the writer is not open")
        self._file.write(",\n" if self.n_cases else "\n")
        self._file.write(json.dumps(case_document(result), ensure_ascii=False, allow_nan=False))
        self.n_cases += 1
        self.n_errors += result.error is not None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and put it in its place, or remove what was begun."""
        if self._file is None:
            return
        self._file.write("\n]}\n")
        self._file.close()
        if kind is None:
            self._aside.replace(self.path)
        else:
            self._aside.unlink(missing_ok=True)
