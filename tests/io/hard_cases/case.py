"""A hard case: a series whose voxel values tell where each voxel lies, and what must become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid
from lesiontrack.errors import LesiontrackError
from lesiontrack.io.archive import index
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read_scan
from tests.io.making import PER_MM, PHASE_OFFSET, Maker

__all__ = ["BOUND_MM", "Build", "Case", "Cases", "Reading", "distance_mm", "read_back"]

BOUND_MM = 0.5
Build = Callable[[Maker], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a series holds, and what must become of it.

    Attributes
    ----------
    build
        Writes the files.
    volumes
        How many volumes are to be read.
    refused, ignored
        Pattern of the reason, where it must not be read.
    note
        What must be said of it.
    """

    name: str
    build: Build
    volumes: int = 1
    refused: str = ""
    ignored: str = ""
    note: str = ""
    settings: ArchiveSettings = field(default_factory=ArchiveSettings)


class Cases(dict[str, Case]):
    """Cases by name; ``case`` registers one under the name of its function."""

    def case(
        self,
        *,
        volumes: int = 1,
        refused: str = "",
        ignored: str = "",
        note: str = "",
        settings: ArchiveSettings | None = None,
    ) -> Callable[[Build], Build]:
        """Return the decorator that registers a case."""

        def register(build: Build) -> Build:
            self.add(
                Case(
                    name=build.__name__,
                    build=build,
                    volumes=volumes,
                    refused=refused,
                    ignored=ignored,
                    note=note,
                    settings=settings or ArchiveSettings(),
                )
            )
            return build

        return register

    def add(self, case: Case) -> None:
        """Register a case; a name stands for one."""
        assert case.name not in self, case.name
        self[case.name] = case


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What became of a case.

    Attributes
    ----------
    outcome
        "read", "refused" or "ignored".
    volumes
        Phase of each volume that was read.
    error_mm
        Furthest distance of a voxel from where its value says that it is.
    said
        The reasons or notes.
    """

    outcome: str
    volumes: tuple[int, ...] = ()
    error_mm: float = 0.0
    said: str = ""

    @property
    def silently_wrong(self) -> bool:
        """Whether a volume was handed out whose voxels lie elsewhere."""
        return self.outcome == "read" and self.error_mm > BOUND_MM


def read_back(maker: Maker, settings: ArchiveSettings) -> Reading:
    """Catalogue and read what a maker wrote."""
    catalogue = index(maker.folder, settings)
    scans = [scan for subject in catalogue.subjects for visit in subject.visits for scan in visit.scans]
    told = [notice.reason for notice in (*catalogue.refused, *catalogue.ignored)]
    read = read_scan(settings, LabelSettings())
    phases: list[int] = []
    errors: list[float] = []
    notes: list[str] = []
    refusals: list[str] = []
    for scan in scans:
        try:
            volume, _ = read(scan)
        except LesiontrackError as error:
            refusals.append(str(error))
            continue
        assert not volume.sop_instance_uids or len(volume.sop_instance_uids) == volume.grid.shape[0]
        phase, error_mm = distance_mm(volume.voxels, volume.grid, maker)
        phases.append(phase)
        errors.append(error_mm)
        notes += volume.notes
    if phases:
        said = "; ".join(dict.fromkeys((*notes, *refusals)))
        return Reading(outcome="read", volumes=tuple(phases), error_mm=max(errors), said=said)
    outcome = "refused" if refusals or catalogue.refused else "ignored"
    return Reading(outcome=outcome, said="; ".join(dict.fromkeys((*refusals, *told))))


def distance_mm(voxels: NDArray[np.generic], grid: Grid, maker: Maker) -> tuple[int, float]:
    """Return which phase a volume shows, and how far its worst voxel lies from where its value says.

    Every voxel is looked at, so that a slice of another phase cannot hide.
    """
    index_kji = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    points = grid.to_lps_mm(index_kji.astype(np.float64))
    difference = voxels.astype(np.float64) - maker.added - PER_MM * points[..., maker.axis]
    phase = round(float(np.median(difference)) / PHASE_OFFSET)
    return phase, float(np.abs(difference - phase * PHASE_OFFSET).max()) / PER_MM


def write(case: Case, folder: Path, axis: int) -> Maker:
    """Write a case, its values encoding one LPS coordinate."""
    maker = Maker(folder, axis)
    case.build(maker)
    return maker
