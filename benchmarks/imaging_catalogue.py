"""How fast an archive is catalogued, against a plain read of 8 KiB of each file, side by side in one run.

The archive is made: CT headers of some hundred elements with private ones and sequences, as real archives have them.
``python -m benchmarks.imaging_catalogue --files 20000``
``python -m benchmarks.imaging_catalogue --growth 12500 50000 200000``: `lesiontrack index` by itself on archives of
these sizes, with its memory, to see what grows faster than they do.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
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
    """Write subjects of four visits, one series of 100 slices each: one series, under other names."""
    maker = Maker(folder)
    maker.shape = (64, 64)
    patterns = []
    for k, data in enumerate(maker.stack(n=_SLICES, step=(0.0, 0.0, 2.5))):
        _fill(data)
        data.PatientID, data.StudyDate = "S00000", "20200106"
        data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.4.100000", "1.2.3.100000"
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(f"1.2.5.100000.{k + 100}")
        stream = io.BytesIO()
        pydicom.dcmwrite(stream, data, enforce_file_format=True)
        patterns.append(stream.getvalue())
    for number in range(files // _SLICES):
        subject, visit = divmod(number, _VISITS)
        place = folder / f"S{subject:05d}" / str(visit)
        place.mkdir(parents=True)
        for k, content in enumerate(patterns):
            # Of the same length, so that nothing else of the file changes.
            named = content.replace(b"S00000", b"S%05d" % subject).replace(b"20200106", b"2020%02d06" % (1 + 3 * visit))
            (place / f"{k:03d}").write_bytes(named.replace(b".100000", b".%06d" % (100000 + number)))
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
    parser.add_argument("--growth", type=int, nargs="+", help="sizes of archives to index by the command itself")
    given = parser.parse_args()
    if given.growth:
        print("| files | what | s | CPU s | files/s | peak memory, MiB | catalogue, bytes a file |")
        print("|---|---|---|---|---|---|---|")
        for files in given.growth:
            print("\n".join(grown(files)), flush=True)
        return
    with tempfile.TemporaryDirectory() as temporary:
        root, kept = Path(temporary) / "archive", Path(temporary) / "kept"
        make_archive(root, given.files)
        print(report(root, kept, given.rounds))


def grown(files: int) -> list[str]:
    """Index an archive of a size by the command, anew, unchanged and with its hashes; return the rows."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        root, kept = Path(temporary) / "archive", Path(temporary) / "kept"
        make_archive(root, files)
        forget(root, [path for path, _, _ in walk(root)])
        for what, more in (("anew, cold", []), ("unchanged", []), ("`--verify`", ["--verify"])):
            command = [sys.executable, "-m", "lesiontrack.cli", "index", str(root), "--out", str(kept), *more]
            start = time.perf_counter()
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # The largest of the process and of those that it waited for.
            _, status, used = os.wait4(child.pid, 0)
            taken = time.perf_counter() - start
            child.returncode = os.waitstatus_to_exitcode(status)
            # 1: no visit of these has a segmentation, and the command says so.
            if child.returncode != 1:
                raise SystemExit(f"{' '.join(command)}: exit code {child.returncode}")
            size = sum(file.stat().st_size for file in kept.rglob("*") if file.is_file()) / files
            rows.append(
                f"| {files} | {what} | {taken:.1f} | {used.ru_utime + used.ru_stime:.1f} | {files / taken:.0f} | "
                f"{used.ru_maxrss / 1024:.0f} | {size:.0f} |"
            )
    return rows


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
