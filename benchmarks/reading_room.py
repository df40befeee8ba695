"""The reading room on four visits of 512 x 512 x 300: opening, linked slice steps, memory, steps and decisions.

Needs the extra napari and a screen: ``xvfb-run -a -s "-screen 0 1920x1200x24" python -m benchmarks.reading_room``. Each
ratio is of two things measured in turn in the same run. ``--soak`` does 5,000 slice steps and 500 decisions.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.components import ViewerModel
from napari.qt import QtViewer
from qtpy.QtCore import QCoreApplication

from benchmarks.simulated_subjects import make_lesion
from lesiontrack.domain.geometry import Grid, Transform, Volume
from lesiontrack.domain.history import History, Registration
from lesiontrack.domain.study import ClinicalFacts, Scan, Subject, Visit
from lesiontrack.io.dicom_write import SeriesHeader, write_series
from lesiontrack.io.nifti import read_array, write_label_map
from lesiontrack.io.store import subject_folder, write_json
from lesiontrack.io.study import read_image
from lesiontrack.link import LinkSettings, chain
from lesiontrack.phantom import uid_of
from lesiontrack.settings import Settings
from lesiontrack_napari.deciding import Deciding
from lesiontrack_napari.panels.room import ReadingRoom
from lesiontrack_napari.panels.views import MAIN
from lesiontrack_napari.session import Case, Session

SHAPE = (300, 512, 512)
VISITS = 4
LESIONS = 14
STEP_MM = (1.5, 0.8, 0.8)


def _grid(visit: int) -> Grid:
    shift = 2.0 * visit
    steps = np.diag(STEP_MM)[:, ::-1]
    return Grid.from_axes(shape=SHAPE, origin_lps_mm=np.array([-204.0, -204.0, -225.0 + shift]), steps_lps_mm=steps)


def _mb() -> float:
    """Resident memory of this process, MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _spin(times: int = 3) -> None:
    for _ in range(times):
        QCoreApplication.processEvents()


def make_case(folder: Path, visits: int = VISITS, lesions: int = LESIONS) -> Case:
    """Write the images of a case as DICOM, its label maps, and return it."""
    source = np.random.default_rng(5)
    centres = source.uniform(-70, 70, (lesions, 3))
    radii = source.uniform(5, 14, lesions)
    scans, found, maps = [], [], {}
    subject_folder(folder, "BENCH").mkdir(parents=True)
    for visit in range(visits):
        grid = _grid(visit)
        voxels = source.normal(60, 15, SHAPE).astype(np.int16)
        labels = np.zeros(SHAPE, dtype=np.uint16)
        date = dt.date(2024, 1, 1) + dt.timedelta(days=56 * visit)
        uid = uid_of("BENCH", visit)
        for number, (centre, radius) in enumerate(zip(centres, radii, strict=True), start=1):
            _draw(grid, voxels, labels, centre + np.array([0, 0, 2.0 * visit]), radius, number)
            lesion = make_lesion(visit, number, centre + np.array([0, 0, 2.0 * visit]), radius)
            found.append(replace(lesion, series_uid=uid, date=date, slice_thickness_mm=1.5))
        volume = Volume(grid=grid, voxels=voxels, modality="CT", series_uid=uid, slice_thickness_mm=1.5)
        volume = replace(volume, sop_instance_uids=tuple(uid_of(uid, k) for k in range(SHAPE[0])))
        header = SeriesHeader(
            subject_id="BENCH",
            patient_name="BENCH",
            date=date,
            time="080000",
            study_uid=uid_of(uid, "study"),
            frame_of_reference_uid=uid_of(uid, "frame"),
            series_number=1,
            series_description="portal venous",
            body_part="ABDOMEN",
        )
        files = write_series(volume, header, folder / f"images{visit}")
        maps[uid] = subject_folder(folder, "BENCH") / f"lesions_t{visit:02d}.nii.gz"
        write_label_map(maps[uid], grid, labels)
        names = tuple(str(file) for file in files)
        scan = Scan(series_uid=uid, date=date, modality="CT", grid=grid, files=names, measured=True)
        scans.append(Visit(timepoint=visit, scans=(scan,)))
    subject = Subject(
        subject_id="BENCH",
        visits=tuple(scans),
        clinical=ClinicalFacts(treatment_start_date=dt.date(2024, 1, 10)),
    )
    write_json(subject_folder(folder, "BENCH") / "provenance.json", {"subject_id": "BENCH"})
    return Case(out=folder, machine=_history(subject, found), settings=Settings(), label_maps=maps)


def _draw(grid: Grid, voxels: np.ndarray, labels: np.ndarray, centre: np.ndarray, radius: float, number: int) -> None:
    middle = np.round(grid.to_index(centre)).astype(int)
    reach = np.ceil(radius / np.array(STEP_MM)).astype(int)
    box = tuple(slice(a - b, a + b + 1) for a, b in zip(middle, reach, strict=True))
    index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), axis=-1)
    ball = np.linalg.norm(grid.to_lps_mm(index.astype(float)) - centre, axis=-1) <= radius
    labels[box][ball] = number
    voxels[box][ball] = 20


def _history(subject: Subject, lesions: list[Any]) -> History:
    """Return the history: linked, every pair of visits registered by a smooth field as alignment makes them."""
    uids = [visit.scans[0].series_uid for visit in subject.visits]
    grid = Grid.from_axes(shape=(45, 41, 41), origin_lps_mm=np.full(3, -220.0), steps_lps_mm=10 * np.eye(3)[::-1])
    pairs = sorted({(a, b) for b in range(1, len(uids)) for a in (b - 1, 0)})
    registrations = tuple(
        Registration(
            timepoint_from=a,
            timepoint_to=b,
            series_from=uids[a],
            series_to=uids[b],
            method="bench",
            forward=_shift(grid, 2.0 * (b - a)),
            backward=_shift(grid, -2.0 * (b - a)),
            residual_mm=1.0,
        )
        for a, b in pairs
    )
    linked = chain(subject, lesions, [], registrations, LinkSettings())
    return History(
        subject=subject,
        lesions=tuple(lesions),
        registrations=registrations,
        links=linked.links,
        tracks=linked.tracks,
        missing=linked.missing,
    )


def _shift(grid: Grid, mm: float) -> Transform:
    field = np.zeros((*grid.shape, 3), dtype=np.float32)
    field[..., 2] = mm
    return Transform(affine=np.eye(4), displacement_mm=field, grid=grid)


def _timed(do: Callable[[], object]) -> tuple[float, float]:
    """Return seconds by the clock, and of processor time."""
    clock, used = time.perf_counter(), time.process_time()
    do()
    return time.perf_counter() - clock, time.process_time() - used


def _steps(step: Callable[[int], None], times: int) -> list[float]:
    """Return processor seconds of each slice step, drawing included."""

    def one(by: int) -> None:
        step(by)
        _spin(2)

    return [_timed(partial(one, 1 if n % 60 < 30 else -1))[1] for n in range(times)]


def plain_panes(case: Case, times: int) -> tuple[list[float], float]:
    """Return napari's own two panes: steps of image and labels in a viewer and in an embedded one; memory in MB."""
    before = _mb()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1900, 1140)
    other = ViewerModel()
    widget = QtViewer(other)
    dock = viewer.window.add_dock_widget(widget, area="left")
    for visit, model in ((0, other), (1, viewer)):
        scan = case.machine.visit(visit).scans[0]
        volume = read_image(scan, case.settings.archive)
        model.add_image(volume.voxels, scale=STEP_MM, contrast_limits=(-10, 170))
        labels = model.add_labels(read_array(case.label_maps[scan.series_uid])[1].astype(np.uint16), scale=STEP_MM)
        labels.contour = 1
    _spin(10)

    def step(by: int) -> None:
        for model in (viewer, other):
            model.dims.set_current_step(0, model.dims.current_step[0] + by)

    taken, used = _steps(step, times), _mb() - before
    other.layers.clear()
    viewer.window.remove_dock_widget(dock)
    widget.close()
    widget.setParent(None)
    widget.deleteLater()
    viewer.close()
    _spin(10)
    gc.collect()
    return taken, used


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soak", action="store_true", help="5,000 slice steps and 500 decisions")
    parser.add_argument("--steps", type=int, default=120)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        case = make_case(Path(folder))
        measure(case, chosen.steps, soak=chosen.soak)


def _open_empty() -> None:
    napari.Viewer(show=True)
    _spin(10)


def measure(case: Case, steps: int, *, soak: bool) -> None:
    """Print the figures of one case."""
    napari.Viewer(show=True).close()
    _spin(10)
    empty, empty_cpu = _timed(_open_empty)
    napari.current_viewer().close()
    reading, reading_cpu = _timed(
        lambda: [read_image(case.machine.visit(v).scans[0], case.settings.archive) for v in (0, 1)]
    )
    plain, _ = plain_panes(case, steps)
    gc.collect()
    before = _mb()
    holder: dict[str, ReadingRoom] = {}

    def open_room() -> None:
        viewer = napari.Viewer(show=True)
        room = ReadingRoom(viewer)
        viewer.window.add_dock_widget(room, area="right")
        viewer.window.resize(1900, 1140)
        room.open_session(Session(case, "bench"))
        _spin(10)
        holder["room"] = room

    opening, opening_cpu = _timed(open_room)
    room = holder["room"]
    memory = _mb() - before
    assert room.views is not None
    pane = room.views.panes[MAIN]
    linked = _steps(pane.step, steps)
    volumes = 2 * np.prod(SHAPE) * 2 / 2**20
    print(
        f"empty napari {empty:.2f} s ({empty_cpu:.2f} s processor); two volumes {reading:.2f} s ({reading_cpu:.2f} s)"
    )
    print(f"opening {opening:.2f} s ({opening_cpu:.2f} s): {opening / (empty + reading):.2f} times by the clock,")
    print(f"  {opening_cpu / (empty_cpu + reading_cpu):.2f} times by processor time")
    ours, theirs = statistics.median(linked), statistics.median(plain)
    print(
        f"slice step: linked {1000 * ours:.0f} ms, napari's two panes {1000 * theirs:.0f} ms: {ours / theirs:.2f} times"
    )
    print(f"memory: {memory:.0f} MB more than before opening; the two volumes {volumes:.0f} MB: {memory / volumes:.2f}")
    if soak:
        _soak(room)


def _soak(room: ReadingRoom) -> None:
    assert room.views is not None
    assert room.session is not None
    pane, session = room.views.panes[MAIN], room.session
    start = _mb()
    for part in range(10):
        taken = _steps(pane.step, 500)
        _report("steps", 500 * (part + 1), taken, _mb() - start)
    names = list(session.colours)
    deciding, start = Deciding(session), _mb()

    def decide(n: int) -> None:
        session.select(names[n % len(names)])
        if n % 2:
            session.undo()
        else:
            deciding.confirm()
        _spin(1)

    for part in range(10):
        taken = [_timed(partial(decide, 50 * part + n))[1] for n in range(50)]
        _report("decisions", 50 * (part + 1), taken, _mb() - start)


def _report(what: str, done: int, taken: list[float], grown_mb: float) -> None:
    print(f"{done} {what}: median {1000 * statistics.median(taken):.0f} ms, memory {grown_mb:+.0f} MB", flush=True)


if __name__ == "__main__":
    main()
