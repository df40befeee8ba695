"""What the commands around the main job do, one function each."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lesiontrack import __version__
from lesiontrack.batch.index_text import catalogue_text
from lesiontrack.batch.progress import FileCount, new_bar
from lesiontrack.batch.study import require_result, study_settings
from lesiontrack.errors import ClinicalError, StudyError
from lesiontrack.io.archive import index
from lesiontrack.io.catalogue import Catalogue
from lesiontrack.io.censoring_cases import read_censoring_cases
from lesiontrack.io.clinical import read_clinical
from lesiontrack.io.dicomweb import DicomwebAddress, is_dicomweb
from lesiontrack.io.store import read_json, read_table, write_json, write_table
from lesiontrack.io.study import locate
from lesiontrack.settings import differing, load_settings
from lesiontrack.survival.analyse import Request, analyse
from lesiontrack.survival.censor_cases import censoring_document
from lesiontrack.survival.event_checks import STAGE, problem
from lesiontrack.tables import COHORT_TABLES, failures_frame, frame
from lesiontrack.trace import RestsOn, Trace, Traces, trace

__all__ = ["analyse_events", "censor_cases", "index_archive", "trace_result"]

log = logging.getLogger(__name__)


def index_archive(archive: str, out: Path | None, *, verify: bool, settings_file: Path | None) -> tuple[str, int]:
    """Catalogue an archive; return what to print and the number of problems.

    With ``out`` the catalogue (SQLite), the tables ``scans`` and ``failures`` and the list of files that were ignored
    or refused are written there; a second call then opens only what is new.

    Parameters
    ----------
    archive
        A study folder, any folder of images, or ``dicomweb+http://host/path``.
    """
    images: Path | DicomwebAddress
    if is_dicomweb(archive):
        settings = load_settings(*([settings_file] if settings_file is not None else []))
        images, clinical = DicomwebAddress.parse(archive), {}
    else:
        settings = study_settings(Path(archive), settings_file) if Path(archive).is_dir() else load_settings()
        folder = locate(Path(archive), settings.archive.images)
        images, clinical = folder.images, dict(read_clinical(folder.clinical).facts)
    if out is not None:
        if isinstance(images, Path) and images.resolve() in (out.resolve(), *out.resolve().parents):
            raise StudyError("the catalogue would lie inside the images", file=str(out), expected="a folder elsewhere")
        out.mkdir(parents=True, exist_ok=True)
    bar = new_bar()
    with bar or nullcontext():
        catalogue = index(
            images,
            settings.archive,
            labels=settings.labels,
            clinical=clinical,
            database=out / "catalogue.sqlite" if out is not None else None,
            verify=verify,
            progress=FileCount(bar),
        )
    if not catalogue.files and not catalogue.failures:
        raise StudyError("no file in the archive", file=catalogue.root, expected="images: DICOM, NIfTI, NRRD or MHA")
    if out is not None:
        _write_catalogue(out, catalogue)
    return catalogue_text(catalogue, settings.archive), len(catalogue.failures)


def _write_catalogue(out: Path, catalogue: Catalogue) -> None:
    names = (
        "series_uid",
        "date",
        "modality",
        "phase_of_contrast",
        "slice_thickness_mm",
        "measured",
        "usable",
        "problem",
    )
    rows = [
        {
            "subject_id": subject.subject_id,
            "timepoint": visit.timepoint,
            "regions": list(scan.regions),
            **{name: getattr(scan, name) for name in names},
        }
        for subject in catalogue.subjects
        for visit in subject.visits
        for scan in visit.scans
    ]
    write_table(out, "scans", frame("scans", rows))
    write_table(out, "failures", failures_frame(problem.row() for problem in catalogue.failures))
    notices = [("ignored", n) for n in catalogue.ignored] + [("refused", n) for n in catalogue.refused]
    write_json(
        out / "files.json",
        [
            {"state": state, "file": file, "reason": n.reason, "subject_id": n.subject_id, "series_uid": n.series_uid}
            for state, n in notices
            for file in (n.file, *n.others)
        ],
    )


def censor_cases(cases: Path, out: Path, *, settings_file: Path | None) -> int:
    """Judge a file of censoring cases into ``OUT/censoring.json``; return the number of cases with an error.

    Each of these has a row in ``OUT/cohort/failures``, beside the rows that a result there may have already.
    """
    if settings_file is not None:
        load_settings(settings_file)
    document = censoring_document(read_censoring_cases(cases))
    write_json(out / "censoring.json", document)
    judged = [case for part in document.values() for case in part]
    failed = [case for case in judged if "error" in case]
    for case in failed:
        log.warning("%s", case["error"])
    before = read_table(out / "cohort", "failures").astype(object)
    plain = before.where(before.notna(), None).to_dict("records")
    rows = [{str(name): value for name, value in row.items()} for row in plain]
    ids = {case["id"] for case in judged}
    kept = [row for row in rows if row["stage"] != STAGE or row["subject_id"] not in ids]
    if failed or len(kept) < len(rows):
        found = [problem(case["id"], ClinicalError.__name__, case["error"]) for case in failed]
        write_table(out / "cohort", "failures", failures_frame([*kept, *found]))
    return len(failed)


def analyse_events(
    events: Path,
    out: Path,
    *,
    by: str | None,
    times: Sequence[float] | None,
    tau: float | None,
    strata: str | None,
    adjust: Sequence[str],
    adverse_events: Path | None,
    settings_file: Path | None,
) -> None:
    """Write statistics and figures of anyone's events table."""
    settings = load_settings(*([settings_file] if settings_file is not None else []))
    request = Request(by=by, times=times, tau=tau, strata=strata, adjust=adjust, adverse_events=adverse_events)
    analyse(events, out, request, settings.survival)


def trace_result(
    out: Path, *, subject_id: str | None, endpoint: str | None, lesion: str | None, sop_instance: str | None
) -> Trace | Traces | RestsOn:
    """Walk from a date to its evidence, or from a lesion or image to all that rests on it."""
    require_result(out)
    tables = {name: read_table(out / "cohort", name) for name in COHORT_TABLES}
    return trace(
        tables,
        subject_id=subject_id,
        endpoint=endpoint,
        lesion=lesion,
        sop_instance=sop_instance,
        made_by=_made_by(out),
    )


def _made_by(out: Path) -> dict[str, Any]:
    """Return the version of the program that made a result, and the settings that differ from the defaults."""
    record = read_json(out / "run.json") if (out / "run.json").is_file() else {}
    stored = out / "settings.toml"
    settings = load_settings(*([stored] if stored.is_file() else []))
    changed = {name: value for name, (value, _, _) in differing(settings).items()}
    return {
        "version": record.get("version", __version__),
        "environment": record.get("environment", {}),
        "settings": json.loads(json.dumps(changed, default=_as_json)),
    }


def _as_json(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
