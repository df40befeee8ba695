"""Every hard imaging case, read by lesiontrack and by SimpleITK as a script would: right, refused, or silently wrong.

The cases are those of the tests (``tests/io/hard_cases``): voxel values encode a world coordinate, so that each voxel's
place can be checked; each case is read three times, once for each coordinate, and the worst is shown.
``python -m benchmarks.imaging_hard_cases [--data FOLDER]``; FOLDER holds ``dicom2nifti`` and ``malformed``, real files.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lesiontrack.domain.geometry import Grid
from lesiontrack.errors import LesiontrackError
from lesiontrack.io.archive import index
from lesiontrack.io.catalogue import Catalogue
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read_scan
from tests.io.hard_cases.all_cases import CASES
from tests.io.hard_cases.case import BOUND_MM, Case, Reading, distance_mm, read_back, write
from tests.io.making import Maker

_MOST_VOXELS = 10**7
_VOLUME_FILES = ("*.nii", "*.nii.gz", "*.nrrd", "*.mha", "*.mhd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a reader made of a case, in words; ``wrong``: a volume that differs from the truth, without an error."""

    words: str
    wrong: bool


def images_by_simpleitk(folder: Path) -> list[sitk.Image]:
    """Read a folder as the manuals show it: each series of the directory, or the volume file."""
    files = [path for pattern in _VOLUME_FILES for path in folder.rglob(pattern)]
    if files:
        return [sitk.ReadImage(str(path)) for path in files]
    images = []
    for series in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series))
        images.append(reader.Execute())
    return images


def reading_by_simpleitk(maker: Maker) -> Reading:
    """Read a case and measure how far its voxels are from where they say."""
    images = images_by_simpleitk(maker.folder)
    phases, errors = [], []
    for image in images:
        if image.GetNumberOfPixels() > _MOST_VOXELS:
            # Gigabytes out of a file of kilobytes: whatever is in them is no voxel of the case.
            return Reading(outcome="read", volumes=(0,), error_mm=float("inf"))
        steps = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
        array = sitk.GetArrayFromImage(image)
        grid = Grid.from_axes(
            shape=array.shape[:3], origin_lps_mm=np.array(image.GetOrigin()), steps_lps_mm=steps.T[::-1]
        )
        phase, error = distance_mm(array, grid, maker)
        phases.append(phase)
        errors.append(error)
    return Reading(outcome="read" if images else "ignored", volumes=tuple(phases), error_mm=max(errors, default=0.0))


def answers_by_simpleitk() -> dict[str, str]:
    """Let SimpleITK read every case, in a process that may crash and goes on behind the case that killed it."""
    names, answers = list(CASES), dict[str, str]()
    while len(answers) < len(names):
        done = _by_itself("--from", names[len(answers)])
        for line in done.stdout.splitlines():
            name, _, answer = line.partition(" ")
            answers[name] = answer
        if done.returncode < 0:
            answers[names[len(answers)]] = f"crash {-done.returncode}"
        elif done.returncode:
            raise RuntimeError(done.stderr)
    return answers


def read_from(name: str) -> None:
    """Print what SimpleITK makes of each case from one on; the body of that process."""
    names = list(CASES)
    for case in (CASES[name] for name in names[names.index(name) :]):
        with tempfile.TemporaryFile() as said:
            kept = os.dup(2)
            os.dup2(said.fileno(), 2)
            answer = one(case)
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            warned = " warns" if b"WARNING" in said.read().upper() else ""
        print(case.name, answer + warned, flush=True)


def verdict_by_simpleitk(case: Case, answer: str) -> Verdict:
    """Put an answer into words."""
    outcome, *more = answer.split()
    warned = ", warns" if "warns" in more else ""
    if outcome == "crash":
        return Verdict(words=f"crashes (signal {more[0]})", wrong=False)
    if outcome in ("error", "ignored"):
        return Verdict(words="error" if outcome == "error" else "no image", wrong=False)
    if outcome == "merged":
        return Verdict(words=f"**{more[0]} volumes for {case.volumes}**{warned}", wrong=True)
    if float(more[0]) > BOUND_MM:
        words = "**voxels that the file has not**" if more[0] == "inf" else f"**{float(more[0]):.1f} mm off**"
        return Verdict(words=f"{words}{warned}", wrong=True)
    return Verdict(words=f"{float(more[0]):.2f} mm{warned}", wrong=False)


def one(case: Case) -> str:
    """Return what SimpleITK makes of a case: ``read MM``, ``merged COUNT``, ``ignored`` or ``error``."""
    worst = 0.0
    for axis in (0, 1, 2):
        with tempfile.TemporaryDirectory() as folder:
            maker = write(case, Path(folder) / "images", axis)
            try:
                found = reading_by_simpleitk(maker)
            except (RuntimeError, ValueError, LesiontrackError):
                return "error"
        if found.outcome == "ignored":
            return "ignored"
        if not (case.refused or case.ignored) and len(found.volumes) != case.volumes and found.error_mm <= BOUND_MM:
            return f"merged {len(found.volumes)}"
        worst = max(worst, found.error_mm)
    return f"read {worst:.3f}"


def verdict_by_lesiontrack(case: Case) -> Verdict:
    """Read a case by lesiontrack; the worst of the three coordinates."""
    worst, said = 0.0, ""
    for axis in (0, 1, 2):
        with tempfile.TemporaryDirectory() as folder:
            found = read_back(write(case, Path(folder) / "images", axis), case.settings)
        if found.outcome != "read":
            wanted = case.refused or case.ignored
            told = _without_places(found.said, folder)
            return Verdict(words=f"{found.outcome}: {told}", wrong=not wanted or not re.search(wanted, found.said))
        worst, said = max(worst, found.error_mm), found.said
        if case.refused or case.ignored or len(set(found.volumes)) != case.volumes:
            return Verdict(words=f"**{len(found.volumes)} volumes read**", wrong=True)
    note = f"; {said}" if said else ""
    return Verdict(words=f"{worst:.2f} mm{note}", wrong=worst > BOUND_MM)


def _without_places(said: str, folder: str) -> str:
    told = re.sub(rf"(visit [-\d]+, )?file {re.escape(folder)}\S*: ", "", said.partition("; visit")[0])
    return told.replace(f"{folder}/images/", "")[:110]


def table() -> tuple[list[str], Counter[str]]:
    """Return the lines of the table, and how often each reader is silently wrong."""
    lines = ["| case | lesiontrack | SimpleITK |", "|---|---|---|"]
    wrong: Counter[str] = Counter()
    answers = answers_by_simpleitk()
    for case in CASES.values():
        ours, theirs = verdict_by_lesiontrack(case), verdict_by_simpleitk(case, answers[case.name])
        wrong.update({"lesiontrack": ours.wrong, "SimpleITK": theirs.wrong, "cases": 1})
        lines.append(f"| {case.name.replace('_', ' ')} | {ours.words} | {theirs.words} |")
    return lines, wrong


def real_files(data: Path) -> Iterator[str]:
    """Yield the rows of the real folders: what lesiontrack reads, refuses and ignores, and what SimpleITK returns."""
    folders = sorted(path for path in (data / "dicom2nifti").iterdir() if path.is_dir())
    yield "| real files | lesiontrack | SimpleITK |"
    yield "|---|---|---|"
    for folder in folders:
        yield f"| {folder.relative_to(data)} | {_ours(folder)} | {_theirs(folder)} |"
    for path in sorted((data / "malformed").glob("*.dcm")):
        with tempfile.TemporaryDirectory() as temporary:
            (Path(temporary) / path.name).symlink_to(path)
            yield f"| malformed/{path.name} | {_ours(Path(temporary))} | {_theirs(path)} |"


def _ours(folder: Path) -> str:
    catalogue = index(folder, ArchiveSettings())
    shapes = list(_shapes(catalogue))
    notices = [*catalogue.refused, *catalogue.ignored]
    told = dict.fromkeys(notice.reason.partition(" (")[0] for notice in notices)
    return "; ".join([*shapes, *(reason for reason in told if not any(reason in shape for shape in shapes))][:3])


def _shapes(catalogue: Catalogue) -> Iterator[str]:
    for subject in catalogue.subjects:
        for scan in (scan for visit in subject.visits for scan in visit.scans if scan.usable):
            try:
                volume, _ = read_scan(ArchiveSettings(), LabelSettings())(scan)
            except LesiontrackError as error:
                yield f"refused: {error.message}"
            else:
                size = " x ".join(str(n) for n in volume.voxels.shape[::-1])
                yield "; ".join(
                    [f"{size}, {' x '.join(f'{mm:.2f}' for mm in volume.grid.spacing_mm[::-1])} mm", *volume.notes]
                )


def _theirs(place: Path) -> str:
    done = _by_itself("--place", str(place))
    if done.returncode < 0:
        return f"crashes (signal {-done.returncode})"
    return (done.stdout.strip() or "no image") + _warned(done) if done.returncode == 0 else "error"


def sizes_by_simpleitk(place: Path) -> str:
    """Return size and spacing of each image that SimpleITK finds in a file, or in a folder and those in it."""
    if place.is_file():
        images = [sitk.ReadImage(str(place))]
    else:
        folders = [place, *sorted(path for path in place.rglob("*") if path.is_dir())]
        images = [image for folder in folders for image in images_by_simpleitk(folder)]
    return "; ".join(
        f"{' x '.join(map(str, image.GetSize()))}, {' x '.join(f'{mm:.2f}' for mm in image.GetSpacing())} mm"
        for image in images
    )


def _by_itself(*words: str) -> subprocess.CompletedProcess[str]:
    """Run this program for one task in a process of its own, which may crash."""
    command = [sys.executable, "-m", "benchmarks.imaging_hard_cases", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _warned(done: subprocess.CompletedProcess[str]) -> str:
    return ", warns" if "WARNING" in done.stderr.upper() else ""


def main() -> int:
    """Print the tables; 1 when lesiontrack is silently wrong anywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="first", help="a case to go on from by SimpleITK, for this program's own use")
    parser.add_argument("--place", type=Path, help="a file or folder to read by SimpleITK, likewise")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("LESIONTRACK_SHARED_DATA", "../shared/data")))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.first:
        read_from(given.first)
        return 0
    if given.place:
        print(sizes_by_simpleitk(given.place))
        return 0
    lines, wrong = table()
    print("\n".join(lines))
    ours, theirs = wrong["lesiontrack"], wrong["SimpleITK"]
    print(f"\nOf {wrong['cases']} cases silently wrong: lesiontrack {ours}, SimpleITK {theirs}\n")
    if (given.data / "imaging").is_dir():
        print("\n".join(real_files(given.data / "imaging")))
    return 1 if wrong["lesiontrack"] else 0


if __name__ == "__main__":
    sys.exit(main())
