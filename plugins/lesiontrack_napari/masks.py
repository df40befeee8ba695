"""What readers have drawn, on a scan's label map; and what a painted mask measures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Segment, Segmentation, SegmentKind, Volume
from lesiontrack.domain.lesion import Lesion
from lesiontrack.domain.study import Scan
from lesiontrack.errors import SegmentationError
from lesiontrack.measure import MeasureSettings, measure
from lesiontrack.review import Add, Redraw, Replayed

__all__ = ["measured", "with_drawn"]

Labels = NDArray[np.uint16]
# Room around a painted mask for measuring, voxels, so that nothing counts as cut by an edge that is not the scan's.
_ROOM = 3


def with_drawn(label_map: Labels | None, scan: Scan, replayed: Replayed) -> Labels | None:
    """Return a scan's label map (k, j, i) with the lesions that a reader added or outlined anew, by their numbers."""
    for applied in replayed.applied:
        act = applied.decision.act
        if not isinstance(act, Add | Redraw) or act.drawing.mask is None or act.drawing.series_uid != scan.series_uid:
            continue
        shape = scan.grid.shape if scan.grid is not None else None
        if label_map is None and shape is not None:
            label_map = np.zeros(shape, dtype=np.uint16)
        if label_map is None:
            continue
        for timepoint, number in applied.touches:
            if replayed.history.visit(timepoint).date >= scan.date and _is_there(replayed, timepoint, number, scan):
                label_map = np.where(label_map == number, np.uint16(0), label_map)
                label_map[act.drawing.mask.on(label_map.shape)] = number
    return label_map


def _is_there(replayed: Replayed, timepoint: int, number: int, scan: Scan) -> bool:
    return any(
        lesion.lesion_id == number and lesion.series_uid == scan.series_uid
        for lesion in replayed.history.lesions_at(timepoint)
    )


def measured(
    volume: Volume, mask: NDArray[np.bool_], scan: Scan, *, timepoint: int, site: str, settings: MeasureSettings
) -> Lesion:
    """Measure one painted mask, bool (k, j, i) on the volume's grid, as the machine measures its own.

    Raises
    ------
    SegmentationError
        If nothing is painted, or too little to be a lesion.
    """
    if not mask.any():
        raise SegmentationError("nothing is painted", visit=scan.date.isoformat())
    box = tuple(_span(mask, axis) for axis in range(3))
    start = tuple(part.start for part in box)
    crop = mask[box]
    grid = volume.grid.crop(start, crop.shape)
    uids = volume.sop_instance_uids[box[0]] if volume.sop_instance_uids else ()
    part = replace(volume, grid=grid, voxels=volume.voxels[box], sop_instance_uids=uids)
    segment = Segment(label=1, name="painted", kind=SegmentKind.LESION, site=site, single=True)
    segmentation = Segmentation(grid=grid, liver=None, lesions=crop.astype(np.uint16), segments=(segment,))
    found = measure(part, segmentation, timepoint=timepoint, date=scan.date, settings=settings)
    if not found.lesions:
        raise SegmentationError("too little is painted to be a lesion", visit=scan.date.isoformat())
    lesion = found.lesions[0]
    return replace(lesion, slice_index=lesion.slice_index + box[0].start)


def _span(mask: NDArray[np.bool_], axis: int) -> slice:
    filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
    return slice(max(int(filled[0]) - _ROOM, 0), min(int(filled[-1]) + 1 + _ROOM, mask.shape[axis]))
