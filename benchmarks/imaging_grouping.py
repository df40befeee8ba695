"""A million real public series grouped into subjects and visits by the code that an archive goes through.

The metadata are those of the package ``idc-index-data`` (NCI Imaging Data Commons), which only this needs:
``pip install '.[bench]'``, then ``python -m benchmarks.imaging_grouping``
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import resource
import time
from collections.abc import Iterator

import idc_index_data
import pyarrow.parquet

from lesiontrack.domain.study import Scan, Visit
from lesiontrack.io.phases import phase_of_contrast, regions_of
from lesiontrack.io.settings import ArchiveSettings
from lesiontrack.io.visits import visits_of

_COLUMNS = ["PatientID", "SeriesInstanceUID", "StudyDate", "Modality", "SeriesDescription", "BodyPartExamined"]


def rows() -> Iterator[tuple[str, Scan]]:
    """Yield every series with its subject, sorted by subject, as the catalogue's rows come."""
    table = pyarrow.parquet.read_table(idc_index_data.IDC_INDEX_PARQUET_FILEPATH, columns=_COLUMNS)
    table = table.sort_by("PatientID")
    for batch in table.to_batches(max_chunksize=50_000):
        for subject, uid, date, modality, description, part in zip(*(batch[name].to_pylist() for name in _COLUMNS)):
            yield (
                subject,
                Scan(
                    series_uid=uid,
                    date=dt.date.fromisoformat(date) if date else dt.date(1900, 1, 1),
                    modality=modality,
                    phase_of_contrast=phase_of_contrast(description or ""),
                    regions=regions_of(part or ""),
                ),
            )


def grouped(scans: Iterator[tuple[str, Scan]], settings: ArchiveSettings) -> Iterator[tuple[Visit, ...]]:
    """Yield each subject's visits."""
    for _, series in itertools.groupby(scans, key=lambda row: row[0]):
        yield visits_of([scan for _, scan in series], settings, None)


def main() -> None:
    """Print one row."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    start = time.process_time()
    scans = list(rows())
    read = time.process_time()
    subjects = list(grouped(iter(scans), ArchiveSettings()))
    end = time.process_time()
    visits = [visit for subject in subjects for visit in subject]
    several = sum(len(visit.scans) > 1 for visit in visits)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        "| series | subjects | visits | of several series | table to scans, CPU s | subjects and visits, CPU s | GiB |"
    )
    print("|---|---|---|---|---|---|---|")
    counts = f"{len(scans)} | {len(subjects)} | {len(visits)} | {several}"
    print(f"| {counts} | {read - start:.1f} | {end - read:.1f} | {peak:.1f} |")


if __name__ == "__main__":
    main()
