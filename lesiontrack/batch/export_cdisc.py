"""Results to CDISC: SDTM (TU, TR, RS) and ADaM (ADSL, ADTR, ADRS, ADTTE) of the whole cohort."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesiontrack.assess import judged_reads
from lesiontrack.batch.as_read import histories
from lesiontrack.batch.study import require_result
from lesiontrack.batch.subject_tables import CohortTables, Row, SubjectTables, text_of
from lesiontrack.domain.reads import Phase, Reads
from lesiontrack.errors import LesiontrackError, StudyError
from lesiontrack.io.adam_write import (
    ADRS,
    ADSL,
    ADTR,
    ADTTE,
    adrs_records,
    adsl_record,
    adtr_records,
    adtte_records,
)
from lesiontrack.io.cdisc_datasets import Container, Dataset, Variable, write_dataset
from lesiontrack.io.sdtm_write import RS, RULES, TR, TU, ReadRecords, Record
from lesiontrack.io.store import read_json, write_json
from lesiontrack.settings import Settings, load_settings

__all__ = ["CdiscExport", "CdiscExported", "export_cdisc"]

log = logging.getLogger(__name__)

_SDTM: Mapping[str, tuple[str, tuple[Variable, ...]]] = {
    "TU": ("Tumor/Lesion Identification", TU),
    "TR": ("Tumor/Lesion Results", TR),
    "RS": ("Disease Response", RS),
}
_ADAM: Mapping[str, tuple[str, tuple[Variable, ...]]] = {
    "ADSL": ("Subject-Level Analysis", ADSL),
    "ADTR": ("Tumor Results Analysis", ADTR),
    "ADRS": ("Response Analysis", ADRS),
    "ADTTE": ("Time-to-Event Analysis", ADTTE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CdiscExport:
    """What to export.

    Attributes
    ----------
    model
        ``sdtm`` or ``adam``.
    """

    out: Path
    to: Path
    model: str
    container: Container = Container.CSV
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CdiscExported:
    """What was written, and how many subjects were refused."""

    files: tuple[Path, ...]
    refused: int


def export_cdisc(request: CdiscExport) -> CdiscExported:
    """Write the data sets of a model into a folder, and ``export.json`` with their names.

    A subject whose reads cannot be had again is named there with the reason, and stops no other.

    Raises
    ------
    StudyError
        If there is no result folder, or no such subject.
    TableError
        If a text does not fit the container.
    """
    require_result(request.out)
    stored = request.out / "settings.toml"
    settings = load_settings(*([stored] if stored.is_file() else []))
    tables = CohortTables(request.out)
    unknown = sorted(set(request.subjects) - set(tables.subject_ids))
    if unknown:
        raise StudyError("no such subject in the result folder", subject_id=unknown[0])
    domains = _SDTM if request.model == "sdtm" else _ADAM
    records: dict[str, list[Record]] = {name: [] for name in domains}
    refused: list[dict[str, Any]] = []
    study_id = _study_id(request.out)
    for subject_id in tables.subject_ids:
        if request.subjects and subject_id not in request.subjects:
            continue
        subject = _Subject(request.out, study_id, tables.of(subject_id), settings)
        try:
            found = subject.sdtm() if request.model == "sdtm" else subject.adam()
        except LesiontrackError as error:
            placed = error.at(subject_id=subject_id)
            refused.append({"subject_id": subject_id, "error": type(error).__name__, "message": str(placed)})
            log.warning("%s", placed)
            continue
        for name, own in found.items():
            records[name] += own
    files = tuple(
        write_dataset(
            Dataset(name=name, label=label, variables=variables, records=records[name]), request.to, request.container
        )
        for name, (label, variables) in domains.items()
    )
    write_json(request.to / "export.json", {"files": sorted(file.name for file in files), "refused": refused})
    return CdiscExported(files=files, refused=len(refused))


def _study_id(out: Path) -> str:
    run = out / "run.json"
    known = read_json(run).get("inputs", {}).get("study") if run.is_file() else None
    return str(known or "STUDY")


class _Subject:
    """Makes the records of one subject."""

    def __init__(self, out: Path, study_id: str, tables: SubjectTables, settings: Settings) -> None:
        self._out = out
        self._study_id = study_id
        self._tables = tables
        self._settings = settings

    def sdtm(self) -> dict[str, list[Record]]:
        """Return TU, TR and RS: one phase, each reader by himself."""
        found: dict[str, list[Record]] = {"TU": [], "TR": [], "RS": []}
        for reads, records in self._read():
            found["TU"] += records.tumours()
            found["TR"] += records.results()
            found["RS"] += records.responses(self._responses(reads, RULES))
        return {name: list(_numbered(own, f"{name}SEQ")) for name, own in found.items()}

    def adam(self) -> dict[str, list[Record]]:
        """Return ADSL, ADTR, ADRS and ADTTE."""
        (subject,) = self._tables.rows("subjects")
        responses = list(adrs_records(self._study_id, subject, self._tables.rows("responses")))
        measured = [
            record
            for reads, _ in self._read()
            for record in adtr_records(self._study_id, subject, reads, self._responses(reads))
        ]
        return {
            "ADSL": [adsl_record(self._study_id, subject)],
            "ADTR": list(_numbered(measured, "ASEQ")),
            "ADRS": responses,
            "ADTTE": list(adtte_records(self._study_id, self._tables.rows("events"), responses)),
        }

    def _read(self) -> Iterator[tuple[Reads, ReadRecords]]:
        """Yield the reads of the study phase, without one those of induction, of each reader whose responses there are.

        Two phases have two baselines, and a lesion may be a target of the one and not of the other; SDTM identifies a
        lesion once.
        """
        for history in histories(self._out, self._tables.subject_id, self._settings):
            reads = judged_reads(history, self._settings.assess)
            chosen = next((r for r in reads if r.phase is Phase.STUDY), reads[0] if reads else None)
            # A reader whose decisions are no longer in force has no responses of his own.
            if chosen is not None and self._responses(chosen):
                modalities = {s.series_uid: s.modality for v in history.subject.visits for s in v.scans}
                yield (
                    chosen,
                    ReadRecords(
                        study_id=self._study_id, reads=chosen, settings=self._settings.assess, modalities=modalities
                    ),
                )

    def _responses(self, reads: Reads, rules: str | None = None) -> list[Row]:
        where = {"phase": str(reads.phase), "reader": reads.reader} | ({"rules": rules} if rules else {})
        found = self._tables.rows("responses", **where)
        names = ("target", "non_target", "new_lesion", "overall")
        return [{**row, **{name: text_of(row[name]) for name in names}} for row in found]


def _numbered(records: Iterable[Record], name: str) -> Iterator[Record]:
    for number, record in enumerate(records, start=1):
        yield {**record, name: number}
