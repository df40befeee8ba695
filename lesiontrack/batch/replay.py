"""`lesiontrack replay`: what readers have decided since, and all that follows from it; no image is touched."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lesiontrack.batch.pool import failure_file, remember_failure, review
from lesiontrack.batch.readings import STAGE as ADJUDICATE
from lesiontrack.batch.readings import cohort_tables
from lesiontrack.batch.study import (
    Finished,
    failed_rows,
    require_result,
    rows_of_table,
    stored_settings,
    with_readings,
    write_cohort,
)
from lesiontrack.errors import StudyError
from lesiontrack.io.choices import stored_choices
from lesiontrack.io.clinical import read_clinical
from lesiontrack.io.store import read_json, read_table, sweep, write_json
from lesiontrack.settings import Settings
from lesiontrack.tables import COHORT_TABLES, failures_frame, validate

__all__ = ["replay_result"]

log = logging.getLogger(__name__)

# Rows of ``failures`` that are found anew: by replay, by comparing readers, and by deriving events.
_FOUND_ANEW = ("review", "events", ADJUDICATE)


def replay_result(out: Path, *, subjects: Sequence[str] = ()) -> Finished:
    """Replay the decisions of a result folder and bring everything that rests on them up to date.

    Files that would be the same again are left alone.

    Parameters
    ----------
    subjects
        Only these; by default all.

    Raises
    ------
    StudyError
        If the folder holds no result, or not these subjects.
    """
    require_result(out)
    sweep(out)
    settings = stored_settings(out, None)
    known = _subjects(out)
    unknown = sorted(set(subjects) - set(known))
    if unknown:
        raise StudyError("no such subject in the result folder", subject_id=unknown[0], file=str(out))
    for subject_id in subjects or known:
        if _may_be_replayed(out, subject_id):
            outcome = review(out, subject_id, settings)
            remember_failure(out, outcome)
            for problem in outcome.problems:
                log.warning("%s", problem.message)
    sound = [subject_id for subject_id in known if not failure_file(out, subject_id).is_file()]
    record = read_json(out / "run.json") if (out / "run.json").is_file() else {}
    key = with_readings(str(record.get("inputs_key")), out, sound)
    failed = [row for subject_id in known for row in failed_rows(out, subject_id)]
    before = read_table(out / "cohort", "failures")
    if record.get("key") == key and all(row in rows_of_table(before) for row in failed):
        log.info("nothing to replay: no decision since the last time")
        return Finished(failures=len(before), changed=False)
    # Killed from here on, the next run must write the cohort's tables anew.
    write_json(out / "run.json", {name: value for name, value in record.items() if name != "key"})
    failures = _update_cohort(out, sound, failed, settings)
    write_json(out / "run.json", {**record, "key": key})
    return Finished(failures=failures, changed=True)


def _subjects(out: Path) -> list[str]:
    found = (out / "subjects").glob("*/provenance.json")
    return sorted(str(read_json(path)["subject_id"]) for path in found)


def _may_be_replayed(out: Path, subject_id: str) -> bool:
    """A subject that failed before its images were done has nothing to replay onto; one that failed here may do now."""
    return all(row["stage"] == "review" for row in failed_rows(out, subject_id))


def _update_cohort(out: Path, sound: Sequence[str], failed: list[dict[str, object]], settings: Settings) -> int:
    names = [name for name in COHORT_TABLES if name not in ("events", "discordances")]
    assembled = cohort_tables(out, names, sound, settings, stored_choices(out))
    tables = assembled.tables
    before = {name: read_table(out / "cohort", name) for name in ("subjects", "failures")}
    tables["subjects"] = _with_the_others(tables["subjects"], before["subjects"], set(_subjects(out)))
    kept = [row for row in rows_of_table(before["failures"]) if row["stage"] not in _FOUND_ANEW]
    fresh = [row for row in rows_of_table(tables["failures"]) if row["stage"] == "review"]
    again = [row for row in failed if row not in kept]
    tables["failures"] = failures_frame([*kept, *fresh, *again])
    return write_cohort(out, assembled, read_clinical(out / "clinical"), settings)


def _with_the_others(subjects: pd.DataFrame, before: pd.DataFrame, with_images: set[str]) -> pd.DataFrame:
    """Keep the rows of subjects that have no images: nobody can decide anything of them."""
    others = before[~before["subject_id"].isin(with_images)]
    parts = [part for part in (subjects, others) if len(part)]
    joined = pd.concat(parts, ignore_index=True) if parts else subjects
    return validate("subjects", joined.sort_values("subject_id", kind="stable", ignore_index=True))
