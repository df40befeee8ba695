"""Loading one CT volume: time against a plain read of the files' bytes, and memory beyond the volume, beside peers.

Of compressed files the time is the decoder's, and a plain read of their bytes says little: beside it stands the
processor time, and its share of the fastest peer's. Each reader runs in a process of its own, in turns, so that all
meet the same machine, on files that no cache holds; medians of some rounds.
``python -m benchmarks.imaging_load --slices 120``
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gdcm
import highdicom
import numpy as np
import pydicom
import SimpleITK as sitk

from benchmarks.imaging_catalogue import forget
from lesiontrack.io.archive import index
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read_scan
from tests.io.making import Maker

_SIZE = 512
_SYNTAXES = {
    "uncompressed": "",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000, lossless": "1.2.840.10008.1.2.4.90",
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG, lossless": "1.2.840.10008.1.2.4.70",
}
_MIB = 2**20


def make_series(folder: Path, slices: int, syntax: str) -> None:
    """Write axial CT slices of 512 x 512 with noise, as scanners' have."""
    maker = Maker(folder)
    maker.shape, maker.spacing = (_SIZE, _SIZE), (0.8, 0.8)
    noise = np.random.default_rng(1).normal(0, 12, (_SIZE, _SIZE))
    series = []
    for k in range(slices):
        data = maker.slice((-200.0, -200.0, -300 + 2.5 * k), intercept=-1024)
        maker.pixels(data, np.roll(noise, 7 * k, axis=1) + 40, 1, -1024)
        if syntax and syntax != _SYNTAXES["JPEG, lossless"]:
            data.compress(syntax, generate_instance_uid=False)
        series.append(data)
    maker.write(series)
    if syntax == _SYNTAXES["JPEG, lossless"]:
        for path in folder.iterdir():
            _to_jpeg(str(path))


def _to_jpeg(path: str) -> None:
    """Compress a file by GDCM, where pydicom has no encoder."""
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(path)
    done = reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    done = done and change.Change()
    writer.SetFileName(path)
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not (done and writer.Write()):
        raise SystemExit("GDCM does not compress")


def _files(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.iterdir())]


def plain(folder: Path) -> Any:
    """Read the bytes of each file and drop them."""
    return sum(len(Path(path).read_bytes()) for path in _files(folder))


def lesiontrack(folder: Path) -> Any:
    """Read the scan that the catalogue holds; the catalogue is made before the clock starts."""
    (visit,) = index(folder, ArchiveSettings()).subjects[0].visits
    read, scan = read_scan(ArchiveSettings(), LabelSettings()), visit.scans[0]
    return lambda: read(scan)[0].voxels


def simpleitk(folder: Path) -> Any:
    """Read a sorted list of files."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def by_pydicom(folder: Path) -> Any:
    """Read into one int16 array."""
    files = _files(folder)
    voxels = np.empty((len(files), _SIZE, _SIZE), dtype=np.int16)
    for k, path in enumerate(files):
        data = pydicom.dcmread(path)
        voxels[k] = data.pixel_array * np.int16(data.RescaleSlope) + np.int16(data.RescaleIntercept)
    return voxels


def by_highdicom(folder: Path) -> Any:
    """Read a volume."""
    return highdicom.get_volume_from_series([pydicom.dcmread(path) for path in _files(folder)])


READERS: dict[str, Callable[[Path], Any]] = {
    "plain read": plain,
    "lesiontrack": lesiontrack,
    "SimpleITK, file list": simpleitk,
    "pydicom, int16": by_pydicom,
    "highdicom": by_highdicom,
}


def timed(name: str, folder: Path) -> str:
    """Return seconds, processor seconds and MiB of peak memory beyond what was there before; the body of a process."""
    work = READERS[name]
    if name == "lesiontrack":
        prepared = work(folder)
        work = lambda _: prepared()  # noqa: E731
    else:
        # What a reader loads at first use is not its work on this series.
        pydicom.dcmread(_files(folder)[0]).pixel_array  # noqa: B018
    forget(folder, [Path(path).name for path in _files(folder)])
    # Linux forgets its high-water mark of this process's memory.
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_mib()
    start, used = time.perf_counter(), time.process_time()
    kept = work(folder)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    more = _peak_mib() - before
    del kept
    return f"{seconds} {used} {more}"


def _peak_mib() -> float:
    """Return the largest memory since the mark was last forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=2, help="a reader and a folder, for this program's own use")
    given = parser.parse_args()
    if given.one:
        print(timed(given.one[0], Path(given.one[1])))
        return
    volume = given.slices * _SIZE * _SIZE * 2 / _MIB
    for title, syntax in _SYNTAXES.items():
        with tempfile.TemporaryDirectory() as folder:
            make_series(Path(folder), given.slices, syntax)
            os.sync()
            print(
                f"\n| {title}, {volume:.0f} MiB of int16 | s | of the plain read | CPU s | of the fastest peer's "
                "| peak memory, of the volume |"
            )
            print("|---|---|---|---|---|---|")
            print("\n".join(report(folder, volume, given.rounds)))


def report(folder: str, volume_mib: float, rounds: int) -> list[str]:
    """Return the rows of one series."""
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in READERS}
    for _ in range(rounds):
        for name in READERS:
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.imaging_load", "--one", name, folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name].append(tuple(float(word) for word in done.stdout.split()))
    median = {name: statistics.median(run[0] for run in runs) for name, runs in found.items()}
    used = {name: statistics.median(run[1] for run in runs) for name, runs in found.items()}
    fastest = min(seconds for name, seconds in used.items() if name not in ("plain read", "lesiontrack"))
    return [
        f"| {name} | {median[name]:.3f} | {median[name] / median['plain read']:.1f} | {used[name]:.3f} | "
        f"{used[name] / fastest:.2f} | {statistics.median(run[2] for run in runs) / volume_mib:.2f} |"
        for name, runs in found.items()
    ]


if __name__ == "__main__":
    main()
