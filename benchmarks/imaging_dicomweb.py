"""Speed of a DICOMweb archive against a folder, side by side: the same series, in turns, in one run.

    python -m benchmarks.imaging_dicomweb                    # 200 slices of 512 by 512, 7 rounds
    python -m benchmarks.imaging_dicomweb --slices 60 --rounds 3

Starts Orthanc (Debian: orthanc, orthanc-dicomweb) on loopback, stores one series of each kind in it and in a folder,
and prints instances a second, as a markdown table: the data sets alone (pydicom from the folder; WADO-RS by series,
then pydicom), and the whole way to a volume, as the main job goes it. Exit code 1 where a volume from the server
takes more than twice as long as from the folder.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import RLELossless

from lesiontrack.domain.geometry import Grid, Volume
from lesiontrack.domain.study import Scan
from lesiontrack.io.archive import index
from lesiontrack.io.dicom_write import SeriesHeader, write_series
from lesiontrack.io.dicomweb import DicomwebAddress, at_hand
from lesiontrack.io.held import open_object
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read
from lesiontrack.phantom import uid_of
from tests.servers.orthanc import MISSING, Orthanc, program, run_orthanc

SETTINGS, NO_LABELS = ArchiveSettings(), LabelSettings()
LEAST_SHARE = 0.5


def write_noisy_series(folder: Path, kind: str, slices: int) -> None:
    """Write a CT series of noise on a slope, which compresses about as well as a real one."""
    grid = Grid.from_axes(
        shape=(slices, 512, 512),
        origin_lps_mm=np.array([-180.0, -180.0, 0.0]),
        steps_lps_mm=np.array([[0, 0, 1.25], [0, 0.7, 0], [0.7, 0, 0]]).T,
    )
    source = np.random.default_rng(7)
    voxels = (source.normal(0, 12, grid.shape) + np.linspace(-200, 200, 512)).astype(np.int16)
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
        if kind == "RLE":
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


def seconds(do: Callable[[Scan], int], scan: Scan) -> tuple[float, int]:
    """Return how long it takes, and what it returned."""
    started = time.perf_counter()
    made = do(scan)
    return time.perf_counter() - started, made


def compare(folder: Path, server: Orthanc, kind: str, rounds: int) -> list[tuple[str, float, float, float]]:
    """Return (what, instances a second from the folder, from the server, median share of the paired rounds)."""
    here, there = scan_of(folder, f"BENCH-{kind}"), scan_of(DicomwebAddress.parse(server.archive), f"BENCH-{kind}")
    rows = []
    for name, do in (("data sets", data_sets), ("volume", volume)):
        pairs = []
        for _ in range(rounds):
            (local_s, local_made), (web_s, web_made) = seconds(do, here), seconds(do, there)
            if local_made != web_made:
                raise SystemExit(f"{kind}, {name}: {local_made} bytes from the folder, {web_made} from the server")
            pairs.append((local_s, web_s))
        rate = [len(here.files) / statistics.median(column) for column in zip(*pairs)]
        rows.append((f"{kind}, {name}", rate[0], rate[1], statistics.median(a / b for a, b in pairs)))
    return rows


def main() -> int:
    """Measure and print; return 1 where the server is less than half as fast as the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    if program() is None:
        print(MISSING, file=sys.stderr)
        return 0
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("plain", "RLE"):
            write_noisy_series(folder / "images" / kind, kind, asked.slices)
        (folder / "orthanc").mkdir()
        with run_orthanc(folder / "orthanc") as server:
            server.add(sorted((folder / "images").rglob("*.dcm")))
            for kind in ("plain", "RLE"):
                rows += compare(folder / "images", server, kind, asked.rounds)
    print(f"{asked.slices} slices of 512 by 512, {asked.rounds} rounds; instances a second\n")
    print("| series, what is made of it | folder | WADO-RS by series | share |\n|---|---|---|---|")
    for what, local, web, share in rows:
        print(f"| {what} | {local:.0f} | {web:.0f} | {share:.2f} |")
    print(f"\npeak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return int(any(share < LEAST_SHARE for *_, share in rows))


if __name__ == "__main__":
    sys.exit(main())
