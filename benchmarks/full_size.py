"""Processor time and memory of one pair of 512 x 512 x 120 volumes, without reading and measuring, linking included."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import pickle
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesiontrack.align import AlignSettings, Prepared, align, prepare
from lesiontrack.align.body import fit_body
from lesiontrack.align.elastix import follow_by_elastix
from lesiontrack.domain.geometry import Grid, Segmentation, Transform, Volume
from lesiontrack.domain.study import ClinicalFacts, Scan, Subject, Visit
from lesiontrack.link import LinkSettings, chain
from lesiontrack.measure import MeasureSettings, measure
from lesiontrack.phantom import Imaging, PhantomSubject, PhantomVisit, subject_plans

__all__ = ["full_size_rows"]


def _subject() -> PhantomSubject:
    plan = subject_plans(subjects=1, seed=3)[0]
    imaging = Imaging(pixel_mm=1.5, slice_mm=4.5, matrix=256, height_mm=270.0)
    return PhantomSubject(replace(plan, visits=tuple(replace(v, imaging=imaging) for v in plan.visits)))


def _doubled(visit: PhantomVisit) -> tuple[Volume, Segmentation]:
    """Return a visit with every voxel in eight: painting the phantom at full size would take minutes."""
    coarse = visit.volume.grid
    steps = coarse.affine[:3, :3].T / 2.0
    k, j, i = coarse.shape
    grid = Grid.from_axes(
        shape=(2 * k, 2 * j, 2 * i), origin_lps_mm=coarse.to_lps_mm(np.full(3, -0.25)), steps_lps_mm=steps
    )

    def fine(values: NDArray[Any]) -> NDArray[Any]:
        return values.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)

    uids = tuple(f"{uid}.{half}" for uid in visit.volume.sop_instance_uids for half in (1, 2))
    marked = visit.segmentation
    return (
        replace(visit.volume, grid=grid, voxels=fine(visit.volume.voxels), sop_instance_uids=uids),
        replace(
            marked,
            grid=grid,
            liver=None if marked.liver is None else fine(marked.liver),
            lesions=fine(marked.lesions),
            zones=None if marked.zones is None else fine(marked.zones),
        ),
    )


def _written(folder: Path) -> None:
    """Write what is measured in both visits, so that making the phantom does not count."""
    for number in (0, 1):
        visit = _subject().visit(number)
        day = dt.date(2024, 1, 1 + 60 * number % 28)
        volume, segmentation = _doubled(visit)
        found = measure(volume, segmentation, timepoint=number, date=day, settings=MeasureSettings())
        with (folder / f"{number}.pickle").open("wb") as file:
            pickle.dump((volume, segmentation, found.lesions), file)


def _peak_mb() -> float:
    """Return the most memory that this process has held, MB (Linux); ``ru_maxrss`` would be its parent's at first."""
    status = Path("/proc/self/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) / 1024.0


def _spent(folder: Path, method: str) -> tuple[float, float, float]:
    """Return CPU seconds, peak memory in MB beyond the interpreter with its libraries, mean error of the centres."""
    base = _peak_mb()
    if method == "elastix":
        import itk

        _ = itk.elastix_registration_method
        base = _peak_mb()
    seconds, kept, lesions, visits = 0.0, list[Prepared](), [], []
    for number in (0, 1):
        with (folder / f"{number}.pickle").open("rb") as file:
            volume, segmentation, found = pickle.load(file)
        began = time.process_time()
        kept.append(prepare(volume, segmentation, found, timepoint=number, settings=AlignSettings()))
        seconds += time.process_time() - began
        lesions += found
        scan = Scan(series_uid=volume.series_uid, date=found[0].date, modality="CT", grid=volume.grid, measured=True)
        visits.append(Visit(timepoint=number, scans=(scan,)))
    began = time.process_time()
    if method == "elastix":
        body = Transform(affine=fit_body(kept[0], kept[1], None)[0])
        backward = follow_by_elastix(kept[0], kept[1], body, iterations=300) or body
    else:
        registration = align(kept[0], kept[1], AlignSettings())
        backward = registration.backward
        subject = Subject(subject_id="FULL", visits=tuple(visits), clinical=ClinicalFacts())
        chain(subject, lesions, (), [registration], LinkSettings())
    seconds += time.process_time() - began
    peak = _peak_mb() - base
    made = _subject()
    liver = [x for x in made.placed if x.plan.site == "LIVER"]
    first, second = (np.array([made.motions[n].to_patient_space(x.centre_mm) for x in liver]) for n in (0, 1))
    return seconds, peak, float(np.linalg.norm(backward.apply(second) - first, axis=1).mean())


def full_size_rows(*, elastix: bool) -> Iterator[str]:
    """Yield one table row for each method, each in a process of its own, one after the other."""
    yield "| 512 x 512 x 120 | CPU s a pair | peak MB beyond the libraries | centre error mm |\n|---|---|---|---|"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _written(folder)
        context = multiprocessing.get_context("spawn")
        for method in ("lesiontrack", *(["elastix"] if elastix else [])):
            with context.Pool(1) as pool:
                seconds, peak, error = pool.apply(_spent, (folder, method))
            label = "elastix 300, alignment alone" if method == "elastix" else "lesiontrack, linking included"
            yield f"| {label} | {seconds:.2f} | {peak:.0f} | {error:.2f} |"
