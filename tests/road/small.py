"""Small studies written by hand: a liver of a few hundred voxels a side, lesions where a test puts them.

Nothing here is drawn at random: a visit is its lesions, its shift and its grid, so that a test can say what the tables
must hold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.io.dicom_write import SeriesHeader, write_segmentation, write_series
from lesiontrack.phantom import uid_of

__all__ = ["FAR", "PLACES", "Place", "SmallStudy", "six"]

Point = tuple[float, float, float]

_LIVER_CENTRE = (-30.0, 0.0, 0.0)
_LIVER_AXES = (75.0, 65.0, 60.0)
# Bright vessels in the liver, LPS mm: (start, end, radius).
_VESSELS = (((-90, -10, 0), (20, 10, 10), 5), ((-40, -50, -20), (-30, 50, 20), 5), ((-60, 20, -45), (-20, -10, 45), 6))
_VALUES = {"CT": (-1000, 40, 110, 190, 55), "MR": (5, 220, 520, 800, 300)}
PATIENT_NAME = "ZWETSCHGE^QUIRINUS"
PATIENT_BIRTH_DATE = "19310229"

# Places in the liver, at least 40 mm apart from centre to centre.
PLACES: tuple[Point, ...] = (
    (-75.0, 0.0, 0.0),
    (-30.0, 38.0, 0.0),
    (-30.0, -38.0, 0.0),
    (15.0, 0.0, 0.0),
    (-30.0, 0.0, 36.0),
    (-30.0, 0.0, -36.0),
)
FAR: Point = (75.0, 60.0, 20.0)


@dataclass(frozen=True)
class Place:
    """A ball: where (LPS mm, before the visit's shift), how wide (mm), of which site; ``zone``: a treated zone."""

    centre: Point
    mm: float
    site: str = "LIVER"
    zone: bool = False


def six(*sizes_mm: float | None) -> tuple[Place, ...]:
    """Return lesions at the first places of the liver; None leaves a place empty."""
    return tuple(Place(centre, mm) for centre, mm in zip(PLACES, sizes_mm) if mm is not None)


def _points(grid: Grid) -> NDArray[np.float64]:
    index = np.indices(grid.shape).reshape(3, -1).T.astype(np.float64)
    return grid.to_lps_mm(index).reshape(*grid.shape, 3)


def _ball(points: NDArray[np.float64], place: Place) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.linalg.norm(points - place.centre, axis=-1) <= place.mm / 2
    return inside


def _tube(points: NDArray[np.float64], start: Sequence[float], end: Sequence[float], mm: float) -> NDArray[np.bool_]:
    axis = np.subtract(end, start)
    along = np.clip((points - start) @ axis / (axis @ axis), 0, 1)
    inside: NDArray[np.bool_] = np.linalg.norm(points - start - along[..., None] * axis, axis=-1) <= mm
    return inside


@dataclass
class SmallStudy:
    """A study folder in the making; ``scan`` adds a series, ``table`` a clinical table."""

    root: Path
    clinical: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def scan(
        self,
        subject_id: str,
        date: str,
        lesions: Sequence[Place] = (),
        *,
        name: str = "a",
        modality: str = "CT",
        shift: Point = (0.0, 0.0, 0.0),
        bottom_mm: float = -70.0,
        slices: int = 28,
        segmented: bool = True,
        liver: bool = True,
        frame: str | None = None,
        description: str = "portal venous",
        body_part: str = "ABDOMEN",
        segmenter: str = "Liver and lesions",
    ) -> Path:
        """Write one series, 5 mm slices of 64 by 64 pixels of 4 mm, with its SEG; return the visit's folder."""
        grid = Grid.from_axes(
            shape=(slices, 64, 64),
            origin_lps_mm=np.array([-126.0, -126.0, bottom_mm]) + np.array(shift),
            steps_lps_mm=np.array([[0, 0, 5.0], [0, 4.0, 0], [4.0, 0, 0]]).T,
        )
        voxels, segmentation = _picture(grid, lesions, shift, modality, liver=liver)
        uid = uid_of(subject_id, date, name, "series")
        volume = Volume(
            grid=grid,
            voxels=voxels,
            modality=modality,
            series_uid=uid,
            sop_instance_uids=tuple(uid_of(uid, k) for k in range(slices)),
            slice_thickness_mm=5.0,
        )
        study = uid_of(subject_id, date, "study")
        header = SeriesHeader(
            subject_id=subject_id,
            patient_name=PATIENT_NAME,
            date=dt.date.fromisoformat(date),
            time="083000",
            study_uid=study,
            frame_of_reference_uid=uid_of(study, frame or "frame"),
            series_number=ord(name[0]),
            series_description=description,
            body_part=body_part,
            patient_comments="ZWETSCHGE lives at the mill",
        )
        folder = self.root / "images" / uid_of(subject_id)[-8:] / f"{date}{name}"
        files = write_series(volume, header, folder / "volume")
        if segmented:
            write_segmentation(segmentation, files, folder / "seg.dcm", series_number=99, description=segmenter)
        return folder

    def row(self, table: str, **values: object) -> None:
        """Add a row to a clinical table."""
        self.clinical.setdefault(table, []).append(values)

    def subject(self, subject_id: str, **dates: str) -> None:
        """Add a row of ``subjects``: diagnosed before, alive after."""
        usual = {"arm": "CHEMO", "diagnosis_date": "2019-12-01", "last_alive_date": "2022-01-01"}
        self.row("subjects", subject_id=subject_id, **{**usual, **dates})

    def write(self, settings: str = "") -> Path:
        """Write the clinical tables and ``study.toml``; return the study folder."""
        for table, rows in self.clinical.items():
            columns = list(dict.fromkeys(name for row in rows for name in row))
            lines = [",".join(columns)]
            lines += [",".join(_cell(row.get(name, "")) for name in columns) for row in rows]
            path = self.root / "clinical" / f"{table}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        (self.root / "study.toml").write_text(settings, encoding="utf-8")
        return self.root


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def _picture(
    grid: Grid, lesions: Sequence[Place], shift: Point, modality: str, *, liver: bool
) -> tuple[NDArray[np.int16], Segmentation]:
    air, tissue, parenchyma, vessel, tumour = _VALUES[modality]
    points = _points(grid) - np.array(shift)
    voxels = np.full(grid.shape, air, dtype=np.int16)
    voxels[((points[..., 0] / 115) ** 2 + (points[..., 1] / 95) ** 2) <= 1] = tissue
    organ = (((points - _LIVER_CENTRE) / _LIVER_AXES) ** 2).sum(axis=-1) <= 1
    voxels[organ] = parenchyma
    for start, end, mm in _VESSELS:
        voxels[organ & _tube(points, start, end, mm)] = vessel
    marks = {False: np.zeros(grid.shape, np.uint16), True: np.zeros(grid.shape, np.uint16)}
    segments = []
    for label, place in enumerate(lesions, start=1):
        ball = _ball(points, place)
        voxels[ball] = 20 if place.zone else tumour
        marks[place.zone][ball] = label
        kind = SegmentKind.ABLATION_ZONE if place.zone else SegmentKind.LESION
        text = f"Ablation zone {label}" if place.zone else f"Lesion {label}"
        segments.append(Segment(label=label, name=text, kind=kind, site=place.site, single=True))
    noise = np.random.default_rng(1).normal(0, 4, grid.shape)
    segmentation = Segmentation(
        grid=grid,
        liver=organ if liver else None,
        lesions=marks[False],
        zones=marks[True] if any(place.zone for place in lesions) else None,
        segments=tuple(segments),
    )
    return np.clip(voxels + noise, -1000 if modality == "CT" else 0, 3000).astype(np.int16), segmentation
