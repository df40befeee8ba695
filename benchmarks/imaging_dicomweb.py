"""Speed of a DICOMweb archive against a folder, side by side: the same series, in turns, in one run.

    python -m benchmarks.imaging_dicomweb                    # 200 slices of 512 by 512, 7 rounds
    python -m benchmarks.imaging_dicomweb --slices 60 --rounds 3 --sizes 64 128 256 512

Starts Orthanc (Debian: orthanc, orthanc-dicomweb) on loopback, stores one series of each kind in it and in a folder,
and prints instances a second, as a markdown table: the data sets alone (pydicom from the folder; WADO-RS by series,
then pydicom), and the whole way to a volume, as the main job goes it; from the folder with its files in the page cache
and without. Beside them what the server hands out to a client that drops it, and its own processor time: none can be
faster. Exit code 1 where a volume from the server takes more than twice as long as from the folder.
"""

from __future__ import annotations

import argparse
import datetime as dt
import http.client
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import numpy as np
import pydicom
from pydicom.uid import RLELossless

from benchmarks.imaging_catalogue import forget
from lesiontrack.domain.geometry import Grid, Volume
from lesiontrack.domain.study import Scan
from lesiontrack.io.archive import index
from lesiontrack.io.dicom_write import SeriesHeader, write_series
from lesiontrack.io.dicomweb import DicomwebAddress, WebObject, at_hand
from lesiontrack.io.held import open_object
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read
from lesiontrack.phantom import uid_of
from tests.servers.orthanc import MISSING, Orthanc, program, run_orthanc

T = TypeVar("T")
SETTINGS, NO_LABELS = ArchiveSettings(), LabelSettings()
LEAST_SHARE = 0.5


def write_noisy_series(folder: Path, kind: str, slices: int, size: int = 512) -> None:
    """Write a CT series of noise on a slope, which compresses about as well as a real one."""
    grid = Grid.from_axes(
        shape=(slices, size, size),
        origin_lps_mm=np.array([-180.0, -180.0, 0.0]),
        steps_lps_mm=np.array([[0, 0, 1.25], [0, 0.7, 0], [0.7, 0, 0]]).T,
    )
    source = np.random.default_rng(7)
    voxels = (source.normal(0, 12, grid.shape) + np.linspace(-200, 200, size)).astype(np.int16)
    uid = uid_of("benchmark", kind)
    volume = Volume(
        grid=grid,
        voxels=voxels,
        modality="CT",
        series_uid=uid,
        sop_instance_uids=tuple(uid_of(uid, k) for k in range(slices)),
        slice_thickness_mm=1.25,
    )
    header = SeriesHeader(
        subject_id=f"BENCH-{kind}",
        patient_name="BENCH",
        date=dt.date(2020, 1, 6),
        time="083000",
        study_uid=uid_of(uid, "study"),
        frame_of_reference_uid=uid_of(uid, "frame"),
        series_number=1,
        series_description="noise",
        body_part="ABDOMEN",
        patient_comments="",
    )
    for file in write_series(volume, header, folder):
        dataset = pydicom.dcmread(file)
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress(generate_instance_uid=False)
        if kind.startswith("RLE"):
            dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(file)


def scan_of(root: Path | DicomwebAddress, subject_id: str) -> Scan:
    """Return the one scan of a subject."""
    return index(root, SETTINGS).subject(subject_id).visits[0].scans[0]


def data_sets(scan: Scan) -> int:
    """Read every data set of a scan, wherever it lies, with its pixels; return the bytes of pixel data."""
    with at_hand(scan, SETTINGS):
        return sum(_pixel_bytes(file) for file in scan.files)


def _pixel_bytes(name: str) -> int:
    with open_object(name) as file:
        return len(pydicom.dcmread(file).PixelData)


def volume(scan: Scan) -> int:
    """Read a scan to a volume; return its bytes."""
    return read(scan, SETTINGS, NO_LABELS)[0].voxels.nbytes


def seconds(do: Callable[[Scan], T], scan: Scan) -> tuple[float, T]:
    """Return how long it takes, and what it returned."""
    started = time.perf_counter()
    made = do(scan)
    return time.perf_counter() - started, made


def dropped(scan: Scan) -> None:
    """Receive what a server has of a scan into one buffer, and keep nothing of it."""
    one = WebObject.parse(scan.files[0])
    server = urlsplit(one.address.url)
    connection = http.client.HTTPConnection(server.hostname or "", server.port)
    headers = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    connection.request("GET", f"{server.path}/studies/{one.study_uid}/series/{one.series_uid}", headers=headers)
    buffer = bytearray(2**20)
    with connection.getresponse() as answer:
        while answer.readinto(buffer):
            pass
    connection.close()


def processor_seconds(process: int) -> float:
    """Return the processor time that a process has used."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Row:
    """What was measured of one series: medians of paired rounds, instances a second."""

    what: str
    warm: float
    cold: float
    server: float
    web: float
    of_warm: float
    of_cold: float
    server_ms: float

    def __str__(self) -> str:
        numbers = f"{self.warm:.0f} | {self.cold:.0f} | {self.server:.0f} | {self.web:.0f}"
        return f"| {self.what} | {numbers} | {self.of_warm:.2f} | {self.of_cold:.2f} | {self.server_ms:.2f} |"


def compare(folder: Path, server: Orthanc, kind: str, rounds: int) -> list[Row]:
    """Measure one series, in turns: from the folder, with and without the page cache, the server alone, all of it."""
    here, there = scan_of(folder, f"BENCH-{kind}"), scan_of(DicomwebAddress.parse(server.archive), f"BENCH-{kind}")
    count, rows = len(here.files), []
    for name, do in (("data sets", data_sets), ("volume", volume)):
        times = []
        used_s = 0.0
        for _ in range(rounds):
            local_s, local_made = seconds(do, here)
            forget(Path("/"), here.files)
            cold_s, _ = seconds(do, here)
            started = processor_seconds(server.process)
            alone_s = seconds(dropped, there)[0]
            used_s += processor_seconds(server.process) - started
            web_s, web_made = seconds(do, there)
            if local_made != web_made:
                raise SystemExit(f"{kind}, {name}: {local_made} bytes from the folder, {web_made} from the server")
            times.append((local_s, cold_s, alone_s, web_s))
        warm, cold, alone, web = (count / statistics.median(column) for column in zip(*times))
        rows.append(
            Row(
                what=f"{kind}, {name}",
                warm=warm,
                cold=cold,
                server=alone,
                web=web,
                of_warm=statistics.median(one[0] / one[3] for one in times),
                of_cold=statistics.median(one[1] / one[3] for one in times),
                server_ms=1000 * used_s / rounds / count,
            )
        )
    return rows


def main() -> int:
    """Measure and print; return 1 where a volume from the server takes more than twice as long as from the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512], help="rows and columns of a slice")
    asked = parser.parse_args()
    if program() is None:
        print(MISSING, file=sys.stderr)
        return 0
    print(f"{asked.slices} slices, {asked.rounds} rounds; instances a second, share of the folder's rate\n")
    head = "folder | folder, cold | server, dropped | WADO-RS by series | share | of cold | server, CPU ms"
    print(f"| series, what is made of it | {head} |")
    print("|---|---|---|---|---|---|---|---|")
    rows = [row for size in asked.sizes for row in _of_size(size, asked.slices, asked.rounds)]
    print(f"\npeak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return int(any(row.of_warm < LEAST_SHARE for row in rows if row.what.endswith("volume")))


def _of_size(size: int, slices: int, rounds: int) -> list[Row]:
    """Measure and print the series of one size of slice."""
    rows = []
    kinds = [f"{kind} {size}" for kind in ("plain", "RLE")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in kinds:
            write_noisy_series(folder / "images" / kind.replace(" ", "-"), kind, slices, size)
        (folder / "orthanc").mkdir()
        os.sync()
        with run_orthanc(folder / "orthanc") as server:
            server.add(sorted((folder / "images").rglob("*.dcm")))
            for kind in kinds:
                found = compare(folder / "images", server, kind, rounds)
                print("\n".join(map(str, found)), flush=True)
                rows += found
    return rows


if __name__ == "__main__":
    sys.exit(main())
