"""Files of censoring cases: JSON in, follow-ups out (contract, section 5).

A case whose dates contradict each other, or that lacks what the rules need, carries an error; the others go on.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lesiontrack.domain.follow_up import (
    Assessed,
    CensoringCases,
    CompetingCase,
    FollowUp,
    PfsCase,
    Schedule,
    ScheduleStep,
    SiteFollowUp,
)
from lesiontrack.errors import ClinicalError, LesiontrackError, StudyError

__all__ = ["read_censoring_cases"]

Case = Mapping[str, Any]
T = TypeVar("T")

_OVERALL = ("CR", "PR", "SD", "PD", "NE", "NON-CR/NON-PD", "NED", "REBASELINE")


def read_censoring_cases(path: Path) -> CensoringCases:
    """Read a file of censoring cases.

    Parameters
    ----------
    path
        JSON object with lists ``pfs`` and ``competing``, either of which may be absent.

    Raises
    ------
    StudyError
        If the file cannot be read, is no JSON, or holds neither list.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StudyError(f"censoring cases cannot be read: {error}", file=str(path)) from error
    lists = {name: document.get(name, []) for name in ("pfs", "competing")} if isinstance(document, dict) else {}
    if not any(name in document for name in lists) or not all(isinstance(cases, list) for cases in lists.values()):
        raise StudyError(
            "no censoring cases", file=str(path), expected='an object with the lists "pfs" and "competing"'
        )
    return CensoringCases(
        pfs=tuple(
            PfsCase(case_id=_id(case, number), follow_up=found, error=error)
            for number, case in enumerate(lists["pfs"])
            for found, error in [_attempt(_follow_up, case, _id(case, number))]
        ),
        competing=tuple(
            CompetingCase(case_id=_id(case, number), follow_up=found, error=error)
            for number, case in enumerate(lists["competing"])
            for found, error in [_attempt(_site_follow_up, case, _id(case, number))]
        ),
    )


def _id(case: object, number: int) -> str:
    found = case.get("id") if isinstance(case, dict) else None
    return f"#{number + 1}" if found is None else str(found)


def _attempt(read: Callable[[Case], T], case: object, case_id: str) -> tuple[T | None, str | None]:
    try:
        if not isinstance(case, dict):
            raise ClinicalError("a case is an object", found=type(case).__name__)
        return read(case), None
    except LesiontrackError as error:
        return None, str(error.at(subject_id=case_id))


def _follow_up(case: Case) -> FollowUp:
    step = ScheduleStep(interval_days=_days(case, "interval_days"), window_days=_days(case, "window_days"))
    rows = case.get("assessments") or []
    if not isinstance(rows, list):
        raise ClinicalError("assessments is no list", found=type(rows).__name__)
    pd_date = _date(case, "pd_date")
    assessed = tuple(_assessed(row) for row in rows)
    baseline = _baseline(case)
    if baseline and pd_date is None and any(row.get("overall") == "PD" for row in rows):
        raise ClinicalError("an assessment is PD and pd_date is empty", expected="the date of the first progression")
    return FollowUp(
        start=_required_date(case, "treatment_start"),
        baseline=baseline,
        schedule=Schedule(steps=(step,)),
        assessments=assessed,
        pd_date=pd_date,
        death_date=_date(case, "death_date"),
        new_therapy_date=_date(case, "new_therapy_date"),
    )


def _assessed(row: object) -> Assessed:
    if not isinstance(row, dict):
        raise ClinicalError("an assessment is an object", found=type(row).__name__)
    overall = row.get("overall")
    if overall is not None and overall not in _OVERALL:
        raise ClinicalError("unknown overall response", found=str(overall), expected=", ".join(_OVERALL))
    # Not evaluable or missing is not adequate (response rules, section 11).
    return Assessed(date=_required_date(row, "date"), adequate=overall not in (None, "NE"))


def _site_follow_up(case: Case) -> SiteFollowUp:
    liver, elsewhere = _date(case, "last_liver_imaging"), _date(case, "last_extrahepatic_imaging")
    return SiteFollowUp(
        start=_required_date(case, "treatment_start"),
        first_hepatic_pd_date=_date(case, "first_hepatic_pd_date"),
        first_extrahepatic_pd_date=_date(case, "first_extrahepatic_pd_date"),
        same_visit=bool(case.get("same_visit", False)),
        death_date=_date(case, "death_date"),
        liver_imaging=() if liver is None else (liver,),
        extrahepatic_imaging=() if elsewhere is None else (elsewhere,),
    )


def _baseline(case: Case) -> bool:
    found = case.get("baseline", True)
    if not isinstance(found, bool):
        raise ClinicalError("baseline tells whether there was one", found=repr(found), expected="true or false")
    return found


def _days(case: Case, key: str) -> int:
    found = case.get(key)
    if isinstance(found, bool) or not isinstance(found, int):
        raise ClinicalError(f"{key} is no whole number of days", found=repr(found))
    return found


def _date(case: Case, key: str) -> dt.date | None:
    found = case.get(key)
    if found is None or found == "":
        return None
    try:
        return dt.date.fromisoformat(found)
    except (TypeError, ValueError) as error:
        raise ClinicalError(f"{key} is no date", found=repr(found), expected="YYYY-MM-DD") from error


def _required_date(case: Case, key: str) -> dt.date:
    found = _date(case, key)
    if found is None:
        raise ClinicalError(f"{key} is missing", expected="YYYY-MM-DD")
    return found
