"""How fast an archive is catalogued, against a plain read of 8 KiB of each file, side by side in one run.

The archive is made: CT headers of some hundred elements with private ones and sequences, as real archives have them.
``python -m benchmarks.imaging_catalogue --files 20000``
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from lesiontrack.io.archive import index
from lesiontrack.io.catalogue import walk
from lesiontrack.io.reader import Open, answer
from lesiontrack.io.settings import ArchiveSettings
from tests.io.making import Maker

_SLICES = 100
_VISITS = 4


def make_archive(folder: Path, files: int) -> None:
    """Write subjects of four visits, one series of 100 slices each."""
    maker = Maker(folder)
    maker.shape = (64, 64)
    patterns = maker.stack(n=_SLICES, step=(0.0, 0.0, 2.5))
    for data in patterns:
        _fill(data)
    for number in range(files // _SLICES):
        subject, visit = divmod(number, _VISITS)
        for k, data in enumerate(patterns):
            data.PatientID, data.StudyDate = f"S{subject:05d}", f"2020{1 + 3 * visit:02d}06"
            data.StudyInstanceUID, data.SeriesInstanceUID = f"1.2.4.{number}", f"1.2.3.{number}"
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(f"1.2.3.{number}.{k}")
        maker.folder = folder / f"S{subject:05d}" / str(visit)
        maker.write(patterns)
    os.sync()


def _fill(data: Dataset) -> None:
    """Add what a scanner's header holds besides what is needed."""
    texts = "Manufacturer InstitutionName StationName ProtocolName PatientAge SeriesDescription BodyPartExamined"
    for word in (*texts.split(), "ManufacturerModelName", "SoftwareVersions", "ConvolutionKernel", "FilterType"):
        setattr(data, word, {"PatientAge": "045Y", "BodyPartExamined": "ABDOMEN"}.get(word, f"{word} 1"[:16]))
    for number in range(50):
        data.add_new(0x00191002 + number, "DS", str(number * 1.25))
    data.add_new(0x00290010, "LO", "A SCANNER 1")
    data.add_new(0x00291010, "OB", bytes(1500))
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "CTABD", "L", "CT abdomen"
    data.ProcedureCodeSequence = Items([item])
    data.ReferencedImageSequence = Items([item, item])


def forget(root: Path, paths: Sequence[str]) -> None:
    """Drop the files' pages, so that the next read goes to the disk."""
    for path in paths:
        descriptor = os.open(root / path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def seconds(work: Callable[[], object], before: Callable[[], object], rounds: int) -> float:
    """Return the median time of some work, each time after its preparation."""
    times = []
    for _ in range(rounds):
        before()
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root, kept = Path(temporary) / "archive", Path(temporary) / "kept"
        make_archive(root, given.files)
        print(report(root, kept, given.rounds))


def report(root: Path, kept: Path, rounds: int) -> str:
    """Measure all rows on one archive; return the table."""
    paths = [path for path, _, _ in walk(root)]
    settings, database = ArchiveSettings(), kept / "catalogue.sqlite"
    part = paths[:: max(1, len(paths) // 4000)]

    def cold() -> None:
        forget(root, part)

    def plain() -> None:
        for path in part:
            with open(f"{root}/{path}", "rb") as file:  # noqa: PTH123
                file.read(8192)

    def by_pydicom() -> None:
        for path in part:
            pydicom.dcmread(f"{root}/{path}", stop_before_pixels=True)

    def ours() -> None:
        answer(Open(str(root), part, b"k", hashed=False))

    def anew() -> None:
        database.unlink(missing_ok=True)
        forget(root, paths)

    rates = {
        name: len(part) / seconds(work, cold, rounds)
        for name, work in (("read 8 KiB", plain), ("pydicom, header", by_pydicom), ("lesiontrack, header", ours))
    }
    lines = ["| one process, cold files | files/s | of the 8-KiB read |", "|---|---|---|"]
    lines += [f"| {name} | {rate:.0f} | {rate / rates['read 8 KiB']:.1%} |" for name, rate in rates.items()]
    whole = {}
    for workers in (1, len(os.sched_getaffinity(0))):
        whole[workers] = seconds(lambda: index(root, settings, database=database, workers=workers), anew, rounds)  # noqa: B023
    again = seconds(lambda: index(root, settings, database=database), lambda: None, rounds)
    lines += ["", f"| whole index, {len(paths)} files | s | against unchanged |", "|---|---|---|"]
    lines += [f"| {workers} process(es) | {taken:.2f} | {taken / again:.0f} |" for workers, taken in whole.items()]
    hashed = seconds(lambda: index(root, settings, database=database, verify=True), lambda: None, 1)
    lines += [f"| `--verify` | {hashed:.2f} | {hashed / again:.0f} |", f"| nothing changed | {again:.3f} | 1 |"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
