"""What a result holds of one scan, as structures to be segments: liver, lesions by track, treated zones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesiontrack.batch.subject_tables import Row, SubjectTables, point_of, text_of
from lesiontrack.domain.geometry import Grid, Segmentation, SegmentKind, Volume
from lesiontrack.domain.study import Scan
from lesiontrack.errors import SegmentationError
from lesiontrack.io.codes import ABNORMAL, ANATOMICAL, LIVER, MALIGNANT, REGIONS, TREATED_ZONE
from lesiontrack.io.nifti import read_array
from lesiontrack.io.placing import voxels_on
from lesiontrack.io.seg_write import Structure
from lesiontrack.io.segmentation import read_segmentation
from lesiontrack.io.source_images import SourceImages
from lesiontrack.review.drawing import Mask
from lesiontrack.settings import Settings

__all__ = ["LesionMasks", "lesion_structures", "surroundings"]

# Tables hold places to a thousandth and volumes to a tenth.
_SAME_PLACE_MM = 0.002
_SAME_VOLUME_MM3 = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionMasks:
    """Where the masks of a visit's lesions may lie.

    Attributes
    ----------
    maps
        The visit's label maps, of the machine; those that hold lesions of a scan are on its voxels.
    drawn
        Lesion number -> outlines that readers drew of it.
    """

    maps: Sequence[Path]
    drawn: Mapping[int, Sequence[Mask]]


def lesion_structures(
    tables: SubjectTables, timepoint: int, images: SourceImages, series_uid: str, masks: LesionMasks
) -> list[tuple[int, Structure]]:
    """Return (lesion number, structure) of the lesions of a scan that have a mask, in the order of their tracks.

    Of several masks of one lesion, the machine's and readers', it is that of which the table's centre and volume are. A
    lesion of which none is (a reader drew its diameter alone) has no structure.

    Raises
    ------
    SegmentationError
        If a label map that holds lesions of this scan is not on its voxels.
    """
    rows = tables.lesions(timepoint, series_uid)
    machine = _machine_masks(images, {int(row["lesion_id"]) for row in rows}, masks.maps)
    found = []
    for row in rows:
        number = int(row["lesion_id"])
        known = [np.flatnonzero(mask.on(images.grid.shape)) for mask in masks.drawn.get(number, ())]
        known += [machine[number]] if number in machine else []
        voxels = next((voxels for voxels in known if _is_of(row, voxels, images.grid)), None)
        if voxels is None:
            continue
        structure = Structure(
            label=row["label"],
            voxels=np.sort(voxels),
            category=ABNORMAL,
            kind=MALIGNANT,
            region=REGIONS.get(str(row["site"]), REGIONS["OTHER"]),
            tracking=(row["label"], tables.tracking_uid(str(row["track_id"]))),
            max_components=int(row["max_components"]) if text_of(row["max_components"]) else 1,
        )
        found.append((number, structure))
    return found


def _is_of(row: Row, voxels: NDArray[np.intp], grid: Grid) -> bool:
    """Tell whether the centre and volume that the table holds are those of a mask."""
    place = point_of(row, "")
    index = np.stack(np.unravel_index(voxels, grid.shape), axis=1).astype(np.float64)
    centre = grid.to_lps_mm(index.mean(axis=0))
    near = place is not None and float(np.abs(centre - np.array(place)).max()) <= _SAME_PLACE_MM
    return near and abs(len(voxels) * grid.voxel_volume_mm3 - float(row["volume_mm3"])) <= _SAME_VOLUME_MM3


def _machine_masks(images: SourceImages, wanted: set[int], maps: Sequence[Path]) -> dict[int, NDArray[np.intp]]:
    """Return by lesion number the flat indices of its voxels, from whichever of the visit's label maps holds it."""
    found: dict[int, NDArray[np.intp]] = {}
    for path in maps if wanted else ():
        grid, labels = read_array(path)
        for number in wanted.intersection(np.unique(labels).tolist()):
            voxels, note = voxels_on(images.grid, grid, labels == number)
            if note:
                raise SegmentationError("label map and images are not on the same grid", file=path.name)
            found[number] = voxels
    return found


def surroundings(scan: Scan, images: SourceImages, settings: Settings) -> tuple[list[Structure], list[Structure]]:
    """Return the liver, and the treated zones, as the segmentation that the scan was measured by marks them."""
    blank = Volume(
        grid=images.grid,
        voxels=np.broadcast_to(np.int16(0), images.grid.shape),
        modality=scan.modality,
        series_uid=scan.series_uid,
        sop_instance_uids=images.sop_instance_uids,
    )
    marked = read_segmentation(scan, blank, settings.archive, settings.labels)
    if marked is None:
        return [], []
    liver = []
    if marked.liver is not None and marked.liver.any():
        voxels = np.flatnonzero(marked.liver)
        liver = [Structure(label="Liver", voxels=voxels, category=ANATOMICAL, kind=LIVER)]
    return liver, list(_zones(marked))


def _zones(marked: Segmentation) -> Iterator[Structure]:
    for segment in marked.segments if marked.zones is not None else ():
        voxels = np.flatnonzero(marked.zones == segment.label)
        if segment.kind is SegmentKind.ABLATION_ZONE and len(voxels):
            # Its own name is free text of the source, which may name anybody.
            label = f"Treated zone {segment.label}"
            yield Structure(label=label, voxels=voxels, category=ABNORMAL, kind=TREATED_ZONE, region=LIVER)
