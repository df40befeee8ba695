"""The main job: a study folder in, a result folder out; and the cohort from the subjects' tables."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from lesiontrack import __version__
from lesiontrack.align import require_engine
from lesiontrack.batch.decided import readings_digest
from lesiontrack.batch.pool import Job, Outcome, failure_file, process_all, subject_key
from lesiontrack.batch.progress import Watch
from lesiontrack.batch.readings import STAGE as ADJUDICATE
from lesiontrack.batch.readings import Assembled, cohort_tables, reassembled
from lesiontrack.domain.problem import Problem
from lesiontrack.domain.study import Subject
from lesiontrack.errors import StudyError
from lesiontrack.io.choices import stored_choices
from lesiontrack.io.clinical import TABLES as CLINICAL_TABLES
from lesiontrack.io.clinical import Clinical, read_clinical
from lesiontrack.io.dicomweb import DicomwebAddress
from lesiontrack.io.store import put_folder, read_json, read_table, sweep, write_json, write_table, write_text
from lesiontrack.io.study import Study, locate, open_study, without_row
from lesiontrack.settings import Settings, as_toml, load_settings
from lesiontrack.survival.agreement_files import write_agreement
from lesiontrack.survival.analyse import Request, analyse
from lesiontrack.survival.events import FOLLOW_UP_COLUMNS, derive
from lesiontrack.tables import (
    COHORT_TABLES,
    failures_frame,
    unseen_subjects_frame,
    validate,
    with_clinical_facts,
)

__all__ = [
    "Finished",
    "derive_endpoints",
    "failed_rows",
    "require_result",
    "rewrite_cohort",
    "rows_of_table",
    "run_study",
    "stored_settings",
    "with_readings",
    "write_cohort",
]

log = logging.getLogger(__name__)

# Libraries whose version can change a number or a picture.
_LIBRARIES = ("numpy", "scipy", "pandas", "SimpleITK", "pydicom", "highdicom", "scikit-image", "matplotlib")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left in the result folder: rows of ``cohort/failures``, and whether any table changed."""

    failures: int
    changed: bool


def run_study(
    study_folder: Path,
    out: Path,
    *,
    workers: int,
    subjects: Sequence[str] = (),
    settings_file: Path | None = None,
    force: bool = False,
) -> Finished:
    """Run the main job up to the cohort's tables and statistics; the report is written from them by the caller.

    Parameters
    ----------
    subjects
        Only these; the others' earlier results stay in the cohort.
    force
        Do again what is already done with the same inputs.

    Raises
    ------
    StudyError, SettingsError, ClinicalError
        If the study as a whole cannot be used.
    """
    settings = study_settings(study_folder, settings_file)
    require_engine(settings.align)
    _prepare_out(out, locate(study_folder, settings.archive.images).images)
    with Watch(out) as watch:
        study = open_study(
            study_folder,
            settings.archive,
            settings.labels,
            database=out / "catalogue.sqlite",
            progress=watch.files,
        )
        jobs = _jobs(study, settings, out, subjects)
        watch.start(len(jobs))
        outcomes = process_all(jobs, workers=workers, done=watch.subject, force=force)
        _copy_clinical(study.folder.clinical, out / "clinical")
        write_text(out / "settings.toml", as_toml(settings))
        finished = _finish(study, settings, out, jobs, outcomes, force=force)
        watch.finish(finished.failures)
    return finished


def study_settings(study_folder: Path, settings_file: Path | None) -> Settings:
    """Return the settings in force: the study's own, overridden by a file named on the command line."""
    own = study_folder / "study.toml"
    return load_settings(*[file for file in (own if own.is_file() else None, settings_file) if file is not None])


def _prepare_out(out: Path, images: Path | DicomwebAddress) -> None:
    if isinstance(images, Path) and images.resolve() in (out.resolve(), *out.resolve().parents):
        raise StudyError("the result folder lies inside the images", file=str(out), expected="a folder elsewhere")
    if out.is_file():
        raise StudyError("the result folder is a file", file=str(out))
    if out.is_dir() and any(out.iterdir()) and not (out / "status.json").is_file():
        raise StudyError(
            "the folder is not empty and holds no results of ours", file=str(out), expected="an empty or new folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)


def _jobs(study: Study, settings: Settings, out: Path, wanted: Sequence[str]) -> list[Job]:
    known = {subject.subject_id for subject in study.subjects}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise StudyError("no such subject in the archive", subject_id=unknown[0])
    problems: dict[str | None, list[Problem]] = {}
    for problem in study.problems:
        problems.setdefault(problem.subject_id, []).append(problem)
    return [
        Job(
            subject=subject,
            settings=settings,
            out=out,
            key=subject_key(subject, settings),
            problems=tuple(_placed(problem, subject) for problem in problems.get(subject.subject_id, ())),
        )
        for subject in study.subjects
        if not wanted or subject.subject_id in wanted
    ]


def _placed(problem: Problem, subject: Subject) -> Problem:
    """Give a problem that knows only its date the timepoint of that visit."""
    if problem.timepoint is not None or problem.date is None:
        return problem
    for visit in subject.visits:
        if any(scan.date == problem.date for scan in visit.scans):
            return Problem(
                **{
                    **{name: getattr(problem, name) for name in problem.__slots__},
                    "timepoint": visit.timepoint,
                }
            )
    return problem


def _copy_clinical(source: Path, target: Path) -> None:
    """Keep the clinical tables with the results: events are derived from them again without the study."""
    shutil.rmtree(target, ignore_errors=True)
    for table in CLINICAL_TABLES:
        for suffix in ("csv", "parquet"):
            file = source / f"{table}.{suffix}"
            if file.is_file():
                target.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target / file.name)


def _finish(
    study: Study, settings: Settings, out: Path, jobs: Sequence[Job], outcomes: Sequence[Outcome], *, force: bool
) -> Finished:
    inputs_key = _cohort_key(settings, jobs, outcomes, study.folder.clinical)
    ids = sorted(subject.subject_id for subject in study.subjects)
    # What a subject once was is no result of what it is now: where it has failed since, the old one stays out.
    sound = [subject_id for subject_id in ids if not failure_file(out, subject_id).is_file()]
    key = with_readings(inputs_key, out, sound)
    previous = read_json(out / "run.json") if (out / "run.json").is_file() else {}
    unchanged = all(outcome.state == "kept" for outcome in outcomes) and previous.get("key") == key
    if unchanged and not force:
        return Finished(failures=len(read_table(out / "cohort", "failures")), changed=False)
    names = [name for name in COHORT_TABLES if name not in ("events", "discordances")]
    assembled = cohort_tables(out, names, sound, settings, stored_choices(out))
    tables = assembled.tables
    tables["subjects"] = _with_the_unseen(tables["subjects"], study)
    mine = {job.subject.subject_id for job in jobs}
    stray = [problem.row() for problem in study.problems if problem.subject_id not in {*ids, *mine}]
    failed = [row for subject_id in ids for row in failed_rows(out, subject_id)]
    tables["failures"] = failures_frame([*rows_of_table(tables["failures"]), *failed, *stray])
    # Killed from here on, the next run must not take the old record for these tables, nor the old report for theirs.
    for stale in (out / "run.json", out / "report" / "index.html"):
        stale.unlink(missing_ok=True)
    failures = write_cohort(out, assembled, study.clinical, settings)
    write_json(out / "run.json", _run_record(study, out, key, inputs_key))
    return Finished(failures=failures, changed=True)


def with_readings(inputs_key: str, out: Path, subject_ids: Iterable[str]) -> str:
    """Return the key of the cohort's tables: of what went in, and of what readers decided."""
    return hashlib.sha256(f"{inputs_key}\n{readings_digest(out, subject_ids)}".encode()).hexdigest()


def _with_the_unseen(subjects: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Add the subjects that have no images that could be judged: what the clinical tables say of them is known."""
    seen = set(subjects["subject_id"])
    facts = {subject.subject_id: subject.clinical for subject in study.subjects} | dict(study.clinical.facts)
    unseen = [(name, facts[name]) for name in sorted(facts) if name not in seen]
    if not unseen:
        return subjects
    parts = [part for part in (subjects, unseen_subjects_frame(unseen)) if len(part)]
    joined = pd.concat(parts, ignore_index=True).sort_values("subject_id", kind="stable", ignore_index=True)
    return validate("subjects", joined)


def failed_rows(out: Path, subject_id: str) -> list[dict[str, Any]]:
    """Return the rows of ``failures`` of a subject that has none else."""
    path = failure_file(out, subject_id)
    return list(read_json(path)) if path.is_file() else []


def rows_of_table(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as plain values, None for empty."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _cohort_key(settings: Settings, jobs: Iterable[Job], outcomes: Iterable[Outcome], clinical: Path) -> str:
    digest = hashlib.sha256(f"{__version__}\n{settings.model_dump_json()}".encode())
    for job in sorted(jobs, key=lambda job: job.subject.subject_id):
        digest.update(f"{job.subject.subject_id}\0{job.key}\n".encode())
    for outcome in sorted(outcomes, key=lambda outcome: outcome.subject_id):
        digest.update(f"{outcome.subject_id}\0{outcome.state == 'failed'}\n".encode())
    for file in sorted(clinical.glob("*")) if clinical.is_dir() else ():
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _forget_key(out: Path) -> None:
    """Let the next run write the cohort's tables anew: these rest on other settings or clinical tables than its own."""
    record = read_json(out / "run.json") if (out / "run.json").is_file() else {}
    if "key" in record:
        write_json(out / "run.json", {name: value for name, value in record.items() if name != "key"})


def _run_record(study: Study, out: Path, key: str, inputs_key: str) -> dict[str, Any]:
    return {
        "version": __version__,
        "key": key,
        "inputs_key": inputs_key,
        "inputs": {
            "study": study.folder.root.resolve().name,
            # Where an export finds the images again, as long as both folders are moved together.
            "archive": os.path.relpath(study.folder.root.resolve(), out.resolve()),
            "subjects": len(study.subjects),
            "files": study.catalogue.files,
            "ignored": len(study.catalogue.ignored),
            "refused": len(study.catalogue.refused),
        },
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            **{name: version(name) for name in _LIBRARIES},
        },
    }


def write_cohort(out: Path, assembled: Assembled, clinical: Clinical, settings: Settings) -> int:
    """Derive events from the cohort's tables, write all of them, analyse; return the number of failures."""
    tables = assembled.tables
    derived = derive(tables, clinical.tables, settings.events)
    problems = [problem.row() for problem in assembled.problems(settings)]
    written = dict(tables)
    written["events"] = derived.events
    written["subjects"] = _with_follow_up(tables["subjects"], derived.follow_up)
    written["failures"] = failures_frame([*rows_of_table(tables["failures"]), *problems, *derived.problems])
    for name, data in written.items():
        write_table(out / "cohort", name, data)
    request = Request(by="arm", adverse_events=clinical.tables.get("adverse_events"))
    aside = Path(tempfile.mkdtemp(dir=out, prefix=".writing-"))
    analyse(derived.events, aside, request, settings.survival)
    write_agreement(assembled.compared.cases.values(), aside, settings.agreement, settings.survival)
    put_folder(aside, out / "endpoints")
    return len(written["failures"])


def _with_follow_up(subjects: pd.DataFrame, follow_up: pd.DataFrame) -> pd.DataFrame:
    found = follow_up.set_index("subject_id")
    filled = subjects.copy()
    for column in FOLLOW_UP_COLUMNS:
        filled[column] = filled["subject_id"].map(found[column]).astype("string")
    return validate("subjects", filled)


def require_result(out: Path) -> None:
    """Check that a folder holds the cohort's tables.

    Raises
    ------
    StudyError
        If it does not.
    """
    if not (out / "cohort" / "responses.parquet").is_file() and not (out / "cohort" / "responses.csv").is_file():
        raise StudyError("no result folder", file=str(out), expected="the OUT of `lesiontrack run`")


def stored_settings(out: Path, settings_file: Path | None) -> Settings:
    """Return the settings that a result was made with, overridden by a file named on the command line."""
    stored = out / "settings.toml"
    return load_settings(*[file for file in (stored if stored.is_file() else None, settings_file) if file is not None])


def derive_endpoints(out: Path, *, clinical: Path | None, settings_file: Path | None) -> Finished:
    """Derive events anew from stored responses and clinical tables; no image is touched."""
    require_result(out)
    settings = stored_settings(out, settings_file)
    if clinical is not None and not clinical.is_dir():
        raise StudyError("no folder of clinical tables", file=str(clinical))
    tables = {name: read_table(out / "cohort", name) for name in COHORT_TABLES if name != "events"}
    assembled = reassembled(out, tables, settings, stored_choices(out))
    return rewrite_cohort(out, assembled, settings, clinical=clinical)


def rewrite_cohort(out: Path, assembled: Assembled, settings: Settings, *, clinical: Path | None = None) -> Finished:
    """Derive events anew and write every table, the statistics and the settings.

    Parameters
    ----------
    clinical
        Folder of clinical tables; those kept with the result where None.
    """
    tables_of = read_clinical(clinical if clinical is not None else out / "clinical")
    tables = assembled.tables
    kept = [row for row in rows_of_table(tables["failures"]) if row["stage"] not in (ADJUDICATE, "clinical", "events")]
    found = (*tables_of.problems, *without_row(dict.fromkeys(tables["timepoints"]["subject_id"]), tables_of))
    tables["failures"] = failures_frame([*kept, *(problem.row() for problem in found)])
    tables["subjects"] = with_clinical_facts(tables["subjects"], tables_of.facts)
    _forget_key(out)
    failures = write_cohort(out, assembled, tables_of, settings)
    write_text(out / "settings.toml", as_toml(settings))
    log.info("events derived anew; rows in cohort/failures: %d", failures)
    return Finished(failures=failures, changed=True)
