"""A subject folder opened as plain layers: one number a track at every visit, places in millimetres."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lesiontrack.domain.geometry import Grid
from lesiontrack.errors import LesiontrackError
from lesiontrack.io import store
from lesiontrack.tables import empty, frame
from lesiontrack_napari.reader import get_reader, subject_layers

GRID = Grid(shape=(3, 4, 5), affine=np.array([[0, 0, 2.0, -10], [0, 2.0, 0, 5], [5.0, 0, 0, 100], [0, 0, 0, 1]]))


def _lesion(timepoint: int, lesion_id: int, track_id: str, index: tuple[int, int, int]) -> dict[str, object]:
    place = dict(zip(["x_lps_mm", "y_lps_mm", "z_lps_mm"], GRID.to_lps_mm(np.array(index, float)), strict=True))
    ends = {f"{end}_{name}": value for end in ("d1", "d2") for name, value in place.items()}
    row = {"timepoint": timepoint, "lesion_id": lesion_id, "track_id": track_id, **place, **ends}
    fixed = {"subject_id": "A", "date": "2024-01-02", "series_uid": "1", "site": "LIVER", "compartment": "HEPATIC"}
    return {**fixed, **row, "longest_diameter_mm": 12.5, "measurable": True, "status": "PRESENT"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a subject of two visits whose lesion numbers swap while the tracks stay."""
    label_maps = {}
    for timepoint, (first, second) in enumerate([(1, 2), (2, 1)]):
        labels = np.zeros(GRID.shape, dtype=np.uint16)
        labels[1, 1, 1], labels[2, 3, 4] = first, second
        label_maps[f"lesions_t{timepoint:02d}"] = (GRID, labels)
    rows = [
        _lesion(0, 1, "L01", (1, 1, 1)),
        _lesion(0, 2, "L02", (2, 3, 4)),
        _lesion(1, 2, "L01", (1, 1, 1)),
        _lesion(1, 1, "L02", (2, 3, 4)),
    ]
    track = {"subject_id": "A", "tracking_uid": "2.25.1", "site": "LIVER", "compartment": "HEPATIC"}
    seen = {"first_timepoint": 0, "last_seen_timepoint": 1, "fate": "PERSISTS", "needs_review": False}
    tracks = [{**track, **seen, "track_id": name} for name in ("L01", "L02")]
    return store.write_subject(
        tmp_path,
        "A",
        frames={"lesions": frame("lesions", rows), "tracks": frame("tracks", tracks), "missing": empty("missing")},
        label_maps=label_maps,
        registrations=[],
        views=[],
        provenance={"key": "k"},
    )


def test_a_track_has_one_number_at_every_visit(folder: Path) -> None:
    """Lesion numbers swap between the visits; what is drawn does not."""
    labels = [data for data, _, kind in subject_layers(folder) if kind == "labels"]
    assert len(labels) == 2
    for array in labels:
        assert (array[1, 1, 1], array[2, 3, 4]) == (1, 2)


def test_places_are_patient_millimetres_in_napari_order(folder: Path) -> None:
    """A diameter's end lies on the voxel that the label layer's affine puts there."""
    layers = subject_layers(folder)
    affine = layers[0][1]["affine"]
    (ends, *_) = layers[1][0]
    np.testing.assert_allclose(affine @ [1, 1, 1, 1], [*ends[0], 1.0])
    np.testing.assert_allclose(ends[0], GRID.to_lps_mm(np.ones(3))[::-1])


def test_only_a_subject_of_ours_is_taken(folder: Path, tmp_path: Path) -> None:
    """Other folders and lists of files are left to other readers; an empty subject says what is missing."""
    reader = get_reader(str(folder))
    assert reader is not None
    assert len(reader(str(folder))) == 6
    assert get_reader(str(tmp_path)) is None
    assert get_reader([str(folder)]) is None
    for file in folder.glob("*.nii.gz"):
        file.unlink()
    with pytest.raises(LesiontrackError, match="no measured visit"):
        subject_layers(folder)


def test_no_screen_is_needed() -> None:
    """Importing the reader and the session imports neither napari nor Qt."""
    code = (
        "import sys, lesiontrack_napari.session, lesiontrack_napari.reader, lesiontrack_napari.export;"
        "print([m for m in sys.modules if m in ('napari', 'qtpy', 'PySide6')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
