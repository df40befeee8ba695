"""Which mask of a lesion goes out: the one that the tables speak of, the machine's or a reader's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lesiontrack.batch.export_segments import LesionMasks, lesion_structures
from lesiontrack.batch.subject_tables import SubjectTables
from lesiontrack.domain.geometry import Grid
from lesiontrack.errors import SegmentationError
from lesiontrack.io.nifti import write_label_map
from lesiontrack.io.source_images import SourceImages
from lesiontrack.review.drawing import Mask
from lesiontrack.tables import frame

SHAPE = (6, 20, 20)


def _grid(x: float = -20.0) -> Grid:
    steps = np.array([[0, 0, 5.0], [0, 2.0, 0], [2.0, 0, 0]])
    return Grid.from_axes(shape=SHAPE, origin_lps_mm=np.array([x, -20.0, 0.0]), steps_lps_mm=steps)


def _mask(*corner: int, size: int = 4) -> NDArray[np.bool_]:
    k, j, i = corner
    mask = np.zeros(SHAPE, dtype=bool)
    mask[k : k + 2, j : j + size, i : i + size] = True
    return mask


def _row(number: int, track: str, mask: NDArray[np.bool_], **more: Any) -> dict[str, Any]:
    centre = _grid().to_lps_mm(np.argwhere(mask).mean(axis=0))
    places = {f"{axis}_lps_mm": round(float(value), 3) for axis, value in zip("xyz", centre)}
    return {
        "subject_id": "S",
        "timepoint": 1,
        "date": "2020-01-06",
        "series_uid": "1.2",
        "lesion_id": number,
        "track_id": track,
        "site": "LIVER",
        "compartment": "HEPATIC",
        "measurable": True,
        "status": "PRESENT",
        "volume_mm3": round(float(mask.sum()) * _grid().voxel_volume_mm3, 1),
        **places,
        **more,
    }


def _tables(*rows: dict[str, Any]) -> SubjectTables:
    tracks = [
        {
            "subject_id": "S",
            "track_id": track,
            "tracking_uid": f"2.25.{n}",
            "site": "LIVER",
            "compartment": "HEPATIC",
            "first_timepoint": 1,
            "last_seen_timepoint": 1,
            "fate": "PERSISTS",
            "needs_review": False,
        }
        for n, track in enumerate(sorted({row["track_id"] for row in rows if row["track_id"]}), start=1)
    ]
    return SubjectTables("S", {"lesions": frame("lesions", rows), "tracks": frame("tracks", tracks)})


def _written(folder: Path, *masks: NDArray[np.bool_], grid: Grid | None = None) -> LesionMasks:
    labels = np.zeros(SHAPE, dtype=np.uint16)
    for number, mask in enumerate(masks, start=1):
        labels[mask] = number
    write_label_map(folder / "lesions_t01.nii.gz", grid or _grid(), labels)
    return LesionMasks(maps=[folder / "lesions_t01.nii.gz"], drawn={})


def _found(tables: SubjectTables, masks: LesionMasks) -> dict[str, NDArray[np.bool_]]:
    images = SourceImages(grid=_grid(), headers=(), frames=())
    found = {}
    for _, structure in lesion_structures(tables, 1, images, "1.2", masks):
        mask = np.zeros(SHAPE, dtype=bool)
        mask.reshape(-1)[structure.voxels] = True
        found[structure.label] = mask
    return found


A, B, MOVED, LARGER = _mask(1, 2, 2), _mask(3, 10, 10), _mask(2, 2, 3), _mask(1, 2, 2, size=6)


def test_the_machines_masks(tmp_path: Path) -> None:
    found = _found(_tables(_row(1, "L01", A), _row(2, "L02", B)), _written(tmp_path, A, B))
    assert list(found) == ["L01", "L02"]
    assert np.array_equal(found["L01"], A) and np.array_equal(found["L02"], B)


@pytest.mark.parametrize("drawn", [MOVED, LARGER])
def test_a_redrawn_lesion_has_the_readers_outline(tmp_path: Path, drawn: NDArray[np.bool_]) -> None:
    masks = _written(tmp_path, A, B)
    masks = LesionMasks(maps=masks.maps, drawn={1: [Mask.of(drawn)]})
    assert np.array_equal(_found(_tables(_row(1, "L01", drawn)), masks)["L01"], drawn)
    # Where another reading decides, the table speaks of the machine's.
    assert np.array_equal(_found(_tables(_row(1, "L01", A)), masks)["L01"], A)


def test_an_added_lesion_has_an_outline_or_none(tmp_path: Path) -> None:
    masks = LesionMasks(maps=_written(tmp_path, A).maps, drawn={7: [Mask.of(B)]})
    tables = _tables(_row(1, "L01", A), _row(7, "L02", B), _row(8, "L03", LARGER))
    assert list(_found(tables, masks)) == ["L01", "L02"]


def test_a_redrawn_diameter_leaves_no_mask_that_is_not_its_own(tmp_path: Path) -> None:
    assert _found(_tables(_row(1, "L01", A, volume_mm3=99.0)), _written(tmp_path, A)) == {}


def test_rejected_lesions_and_those_of_other_scans_stay_out(tmp_path: Path) -> None:
    other = _mask(3, 2, 2)
    tables = _tables(_row(1, "L01", A), _row(2, "", B, track_id=None), _row(3, "L03", other, series_uid="1.3"))
    assert list(_found(tables, _written(tmp_path, A, B, other))) == ["L01"]


def test_fragments_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    found = _found(_tables(_row(1, "L01", A), _row(2, "L01", B)), _written(tmp_path, A, B))
    assert list(found) == ["L01.1", "L01.2"]


def test_a_label_map_between_the_voxels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SegmentationError, match="not on the same grid"):
        _found(_tables(_row(1, "L01", A)), _written(tmp_path, A, grid=_grid(x=-19.2)))
