"""A subject's result folder -> napari's layer data; imports no napari and no Qt.

World coordinates are patient millimetres in napari's axis order: superior, posterior, left (z, y, x of LPS). Each visit
is three layers: the lesions, labelled by track so that a lesion has one colour at every visit, their longest diameters
as lines, and the projected places of the known lesions that the visit does not show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid
from lesiontrack.errors import LesiontrackError
from lesiontrack.io.nifti import read_array
from lesiontrack.io.store import read_table

__all__ = ["LayerData", "get_reader", "subject_layers"]

LayerData = tuple[Any, dict[str, Any], str]

# LPS (x, y, z) to napari's world (z, y, x).
_TO_WORLD = [2, 1, 0]


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader of a subject's folder, or None for anything else (napari's reader contribution)."""
    if not isinstance(path, str) or not (Path(path) / "provenance.json").is_file():
        return None
    return _read


def _read(path: str | Sequence[str]) -> list[LayerData]:
    return subject_layers(Path(path if isinstance(path, str) else path[0]))


def subject_layers(folder: Path) -> list[LayerData]:
    """Return the layers of all measured visits of one subject, in time order.

    Raises
    ------
    LesiontrackError
        If the folder's tables cannot be read.
    """
    lesions, missing = read_table(folder, "lesions"), read_table(folder, "missing")
    numbers = {track: n for n, track in enumerate(read_table(folder, "tracks")["track_id"], start=1)}
    layers: list[LayerData] = []
    for file in sorted(folder.glob("lesions_t*.nii.gz")):
        timepoint = int(file.name.removeprefix("lesions_t")[:2])
        seen = lesions[lesions["timepoint"] == timepoint]
        layers.append(_labels(file, seen, numbers, timepoint))
        layers.append(_diameters(seen, timepoint))
        layers.append(_ghosts(missing[missing["timepoint"] == timepoint], timepoint))
    if not layers:
        raise LesiontrackError("no measured visit in this folder", file=str(folder), expected="lesions_t00.nii.gz")
    return layers


def _labels(file: Path, seen: pd.DataFrame, numbers: dict[str, int], timepoint: int) -> LayerData:
    """Return the label map of a visit, each lesion with its track's number; untracked ones keep none."""
    grid, array = read_array(file)
    lookup = np.zeros(int(array.max(initial=0)) + 1, dtype=np.uint16)
    for lesion, track in zip(seen["lesion_id"], seen["track_id"], strict=True):
        if lesion < len(lookup):
            lookup[lesion] = numbers.get(track, 0)
    metadata = {"timepoint": timepoint, "tracks": {number: track for track, number in numbers.items()}}
    named = {"name": f"visit {timepoint}: lesions", "affine": world_affine(grid), "metadata": metadata}
    return lookup[array.astype(np.intp)], named, "labels"


def world_affine(grid: Grid) -> NDArray[np.float64]:
    """Return the (4, 4) map from (k, j, i) to napari's world (superior, posterior, left), mm."""
    affine = np.array(grid.affine)
    affine[:3] = affine[_TO_WORLD]
    return affine


def _points(table: pd.DataFrame, prefix: str = "") -> NDArray[np.float64]:
    return table[[f"{prefix}{axis}_lps_mm" for axis in "zyx"]].to_numpy(dtype=np.float64)


def _diameters(seen: pd.DataFrame, timepoint: int) -> LayerData:
    ends = np.stack([_points(seen, "d1_"), _points(seen, "d2_")], axis=1)
    features = seen[["track_id", "longest_diameter_mm", "site"]].reset_index(drop=True)
    text = {"string": "{track_id} {longest_diameter_mm:.1f} mm", "size": 8}
    named = {
        "name": f"visit {timepoint}: longest diameters",
        "shape_type": "line",
        "edge_width": 0.6,
        "features": features,
        "text": text,
        "metadata": {"timepoint": timepoint},
    }
    return list(ends), named, "shapes"


def _ghosts(missing: pd.DataFrame, timepoint: int) -> LayerData:
    features = missing[["track_id", "state"]].reset_index(drop=True)
    named = {
        "name": f"visit {timepoint}: places of lesions not seen",
        "symbol": "ring",
        "size": 10,
        "features": features,
        "metadata": {"timepoint": timepoint},
    }
    return _points(missing), named, "points"
