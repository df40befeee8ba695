"""From labels to parts: which voxels are one lesion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind
from lesiontrack.domain.lesion import Certainty
from lesiontrack.measure.settings import MeasureSettings
from lesiontrack.measure.touching import CONNECTED_26, separate

__all__ = ["Part", "Parts", "lesion_parts", "zone_parts"]

Box = tuple[slice, ...]
Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """The voxels of one lesion or zone.

    Attributes
    ----------
    box
        Where in the volume its crop lies.
    mask
        bool (k, j, i), the crop.
    certainty, max_components, notes
        As far as the shape alone tells.
    """

    box: Box
    mask: NDArray[np.bool_]
    segment: Segment
    certainty: Certainty = Certainty.CERTAIN
    max_components: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """Parts of one volume, and what was left out of them, in words."""

    parts: tuple[Part, ...]
    dropped: tuple[str, ...] = ()


def lesion_parts(segmentation: Segmentation, settings: MeasureSettings) -> Parts:
    """Split the lesion labels into lesions.

    The 26-connected components of a segment are lesions, touching ones separated (`touching.separate`); a segment that
    is marked as one lesion stays whole unless its fragments lie further apart than ``settings.fragment_gap_mm``.

    Raises
    ------
    GeometryError
        If a label is described by no segment.
    """
    parts: list[Part] = []
    dropped: list[str] = []
    for box, mask, segment in _labelled(segmentation.lesions, segmentation, SegmentKind.LESION):
        grid = _crop_grid(segmentation.grid, box)
        if segment.single:
            found = _fragment_groups(mask, grid, settings.fragment_gap_mm)
        else:
            found = _components(mask)
        kept, specks = _without_specks(found[0], found[1], grid.voxel_volume_mm3, settings)
        if specks:
            dropped.append(f"segment {segment.label}: {specks} specks dropped")
        noted = (f"one of {len(kept)} distant parts of one segment",) if segment.single and len(kept) > 1 else ()
        for part_box, part_mask in kept:
            part = Part(
                box=_inside(box, part_box),
                mask=part_mask,
                segment=segment,
                certainty=Certainty.CONFLUENT if segment.max_components > 1 else Certainty.CERTAIN,
                max_components=segment.max_components,
                notes=noted,
            )
            parts.extend([part] if segment.single else _separated(part, segmentation.grid, settings))
    return Parts(parts=tuple(parts), dropped=tuple(dropped))


def zone_parts(segmentation: Segmentation) -> tuple[Part, ...]:
    """Return the treated zones: the 26-connected components of each zone label, whole where it is marked as one."""
    if segmentation.zones is None:
        return ()
    parts: list[Part] = []
    for box, mask, segment in _labelled(segmentation.zones, segmentation, SegmentKind.ABLATION_ZONE):
        if segment.single:
            parts.append(Part(box=box, mask=mask, segment=segment))
            continue
        labels, count = _components(mask)
        parts.extend(
            Part(box=_inside(box, part_box), mask=labels[part_box] == number, segment=segment)
            for number, part_box in _boxes(labels, count)
        )
    return tuple(parts)


def _labelled(
    labels: NDArray[np.uint16], segmentation: Segmentation, kind: SegmentKind
) -> Iterator[tuple[Box, NDArray[np.bool_], Segment]]:
    """Yield box, crop mask and segment of each label that has voxels."""
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            yield box, labels[box] == label, segmentation.segment(label, kind)


def _components(mask: NDArray[np.bool_]) -> tuple[Labels, int]:
    """Label the 26-connected components of a mask."""
    labels = np.zeros(mask.shape, dtype=np.int32)
    count = ndimage.label(mask, structure=CONNECTED_26, output=labels)
    return labels, int(count)


def _fragment_groups(mask: NDArray[np.bool_], grid: Grid, gap_mm: float) -> tuple[Labels, int]:
    """Label the fragments of a mask, those within ``gap_mm`` of each other alike.

    Two fragments meet when each grows by half the gap: no path between them leaves their common box.
    """
    labels, count = _components(mask)
    if count < 2:
        return labels, count
    distance_mm = ndimage.distance_transform_edt(~mask, sampling=grid.spacing_mm)
    grown, groups = _components(distance_mm <= gap_mm / 2.0)
    grown[~mask] = 0
    return grown, groups


def _without_specks(
    labels: Labels, count: int, voxel_mm3: float, settings: MeasureSettings
) -> tuple[list[tuple[Box, NDArray[np.bool_]]], int]:
    """Return box and mask of each component that is no speck, and the number of specks."""
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    speck = (sizes < settings.speck_voxels) & (sizes * voxel_mm3 < settings.speck_volume_mm3)
    speck[int(np.argmax(sizes))] = False
    kept = [(box, labels[box] == number) for number, box in _boxes(labels, count) if not speck[number - 1]]
    return kept, int(speck.sum())


def _separated(part: Part, grid: Grid, settings: MeasureSettings) -> list[Part]:
    """Separate touching lesions in one component; where the volume's edge cuts it, its fill tells nothing."""
    if any(s.start == 0 or s.stop == n for s, n in zip(part.box, grid.shape, strict=True)):
        settings = settings.model_copy(update={"lobulated_fill": 0.0})
    pieces = separate(part.mask, _crop_grid(grid, part.box), settings)
    if pieces.count == 1:
        several = pieces.max_components[0] > 1
        certainty = Certainty.CONFLUENT if several else Certainty.CERTAIN
        return [
            replace(
                part,
                certainty=certainty,
                max_components=pieces.max_components[0],
                notes=part.notes + pieces.notes,
            )
        ]
    return [
        Part(
            box=_inside(part.box, box),
            mask=pieces.labels[box] == number,
            segment=part.segment,
            certainty=pieces.certainty[number - 1],
            max_components=pieces.max_components[number - 1],
            notes=part.notes + pieces.notes,
        )
        for number, box in _boxes(pieces.labels, pieces.count)
    ]


def _boxes(labels: Labels, count: int) -> list[tuple[int, Box]]:
    """Return number and box of each label that has voxels."""
    found = enumerate(ndimage.find_objects(labels, max_label=count), start=1)
    return [(number, box) for number, box in found if box is not None]


def _inside(outer: Box, inner: Box) -> Box:
    """Express a box of a crop in the coordinates of the array that the crop was taken from."""
    return tuple(slice(o.start + n.start, o.start + n.stop) for o, n in zip(outer, inner, strict=True))


def _crop_grid(grid: Grid, box: Box) -> Grid:
    """Return the grid of a box."""
    k, j, i = box
    return grid.crop((k.start, j.start, i.start), (k.stop - k.start, j.stop - j.start, i.stop - i.start))
