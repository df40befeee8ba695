"""What is impossible or unlikely in a subject's dates: named, and nothing else is stopped by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from lesiontrack.domain.follow_up import EventReason
from lesiontrack.survival.endpoints import Ended
from lesiontrack.survival.record import SubjectRecord

__all__ = ["STAGE", "os_before_pfs", "problem", "problems_of"]

STAGE = "events"


def problem(subject_id: str, error: str, message: str, *, severity: str = "ERROR") -> dict[str, Any]:
    """Return a row of ``cohort/failures``."""
    return {
        "subject_id": subject_id,
        "timepoint": None,
        "file": None,
        "stage": STAGE,
        "severity": severity,
        "error": error,
        "message": message,
    }


def problems_of(record: SubjectRecord, ended: Iterable[Ended]) -> list[dict[str, Any]]:
    """Return what is wrong with a subject's dates (response rules, section 11, "Checks"), each once.

    Errors made an endpoint null; warnings did not.
    """
    endpoints = tuple(ended)
    subject_id = record.clinical.subject_id
    found = [
        *(problem(subject_id, "ClinicalError", text) for text in _contradictions(record, endpoints)),
        *(problem(subject_id, "ClinicalError", text, severity="WARNING") for text in _oddities(record, endpoints)),
    ]
    return list({entry["message"]: entry for entry in found}.values())


def os_before_pfs(events: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a warning for each subject whose overall survival is censored before its progression-free survival.

    Whoever was scanned or progressed was alive then, so the day last known alive is wrong (response rules, section 11:
    last_alive >= last scan).

    Parameters
    ----------
    events
        Columns subject_id, endpoint, date (ISO 8601), status; ours, or anyone's of that form.
    """
    known = events.dropna(subset=["date", "status"])
    censored = known[known["endpoint"].astype(str).str.startswith("OS") & (known["status"] == 0)]
    survival = dict(zip(censored["subject_id"].astype(str), censored["date"].astype(str)))
    progression = known[known["endpoint"] == "PFS"]
    return [
        problem(
            subject_id,
            "ClinicalError",
            f"subject {subject_id}: OS censored before PFS (OS {survival[subject_id]}, PFS {date})",
            severity="WARNING",
        )
        for subject_id, date in zip(progression["subject_id"].astype(str), progression["date"].astype(str))
        if survival.get(subject_id, date) < date
    ]


def _contradictions(record: SubjectRecord, ended: tuple[Ended, ...]) -> Iterator[str]:
    facts = record.clinical
    where = f"subject {facts.subject_id}"
    if facts.death_contradicted:
        yield f"{where}: death before last alive (death {facts.death_date}, last alive {facts.last_alive_date})"
    diagnosis = facts.diagnosis_date
    if diagnosis is not None:
        for name, date in (("treatment start", facts.treatment_start_date), ("enrolment", facts.enrolment_date)):
            if date is not None and date < diagnosis:
                yield f"{where}: {name} before diagnosis ({name} {date}, diagnosis {diagnosis})"
    yield from dict.fromkeys(entry.error for entry in ended if entry.error is not None)


def _oddities(record: SubjectRecord, ended: tuple[Ended, ...]) -> Iterator[str]:
    facts = record.clinical
    where = f"subject {facts.subject_id}"
    last_scan = max((visit.date for visit in record.visits), default=None)
    pfs = next((entry.outcome.date for entry in ended if entry.endpoint == "PFS" and entry.outcome is not None), None)
    alive = facts.last_alive_date
    # Where it is before PFS too, os_before_pfs says so.
    before_pfs = alive is not None and pfs is not None and alive < pfs
    if (
        facts.death_date is None
        and alive is not None
        and last_scan is not None
        and alive < last_scan
        and not before_pfs
    ):
        yield f"{where}: last alive before the last scan (last alive {alive}, last scan {last_scan})"
    if facts.death_date is not None and last_scan is not None and last_scan > facts.death_date:
        yield f"{where}: scan after death (death {facts.death_date}, scan {last_scan})"
    if any(entry.endpoint == "OS_NAIVE" and _by_imaging(entry) for entry in ended):
        yield f"{where}: neither death_date nor last_alive_date; OS ends at the last scan"
    first = record.progression
    if first.date is not None and first.cue is not None and first.site is None and first.cue.stated:
        yield f"{where}: progression of {first.date} has no site (normal nodes alone explain it)"
    for remark in record.remarks:
        yield f"{where}: {remark}"


def _by_imaging(entry: Ended) -> bool:
    return (
        entry.outcome is not None and entry.outcome.reason is EventReason.LAST_ALIVE and "imaging_end" in entry.sources
    )
