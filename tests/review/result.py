"""A result folder made of histories, as the main job leaves it, without an image."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from lesiontrack.batch.pool import Job, store
from lesiontrack.batch.readings import cohort_tables
from lesiontrack.batch.study import with_readings, write_cohort
from lesiontrack.domain.history import History
from lesiontrack.domain.study import ClinicalFacts
from lesiontrack.io.clinical import read_clinical
from lesiontrack.io.store import read_json, write_json, write_text
from lesiontrack.pipeline import Observed
from lesiontrack.settings import Settings, as_toml
from lesiontrack.tables import COHORT_TABLES

__all__ = ["files_of", "make_result", "rerun"]

_DATES = ("diagnosis_date", "enrolment_date", "treatment_start_date", "death_date", "last_alive_date")


def make_result(out: Path, histories: Mapping[str, History], settings: Settings | None = None) -> Path:
    """Write subjects and cohort as `lesiontrack run` does."""
    chosen = settings or Settings()
    write_text(out / "settings.toml", as_toml(chosen))
    write_json(out / "status.json", {})
    _write_clinical(out / "clinical", histories)
    for subject_id, history in histories.items():
        rerun(out, subject_id, history, chosen)
    names = [name for name in COHORT_TABLES if name not in ("events", "discordances")]
    assembled = cohort_tables(out, names, sorted(histories), chosen, {})
    write_cohort(out, assembled, read_clinical(out / "clinical"), chosen)
    key = with_readings("inputs", out, sorted(histories))
    write_json(out / "run.json", {"version": "test", "inputs_key": "inputs", "key": key})
    return out


def rerun(out: Path, subject_id: str, history: History, settings: Settings | None = None) -> None:
    """Store a subject as a worker of a rerun does, over what is there; the cohort is then to be written anew."""
    record = out / "run.json"
    if record.is_file():
        write_json(record, {name: value for name, value in read_json(record).items() if name != "key"})
    subject = replace(history.subject, subject_id=subject_id)
    observed = Observed(
        history=replace(history, subject=subject), label_maps={}, map_of={}, views=(), problems=(), notes=()
    )
    key = hashlib.sha256(repr((history.links, history.lesions)).encode()).hexdigest()
    store(Job(subject=subject, settings=settings or Settings(), out=out, key=key), observed)


def _write_clinical(folder: Path, histories: Mapping[str, History]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for subject_id, history in histories.items():
        facts = history.subject.clinical or ClinicalFacts()
        rows.append({"subject_id": subject_id, "arm": "CHEMO", **{name: getattr(facts, name) for name in _DATES}})
    pd.DataFrame(rows).to_csv(folder / "subjects.csv", index=False)


def files_of(folder: Path) -> dict[str, tuple[int, str]]:
    """Return every file below a folder: name -> (time of its last change, digest)."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ".locks" not in path.parts:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(folder))] = (path.stat().st_mtime_ns, digest)
    return found
