"""What a result holds of one scan, as structures to be segments: liver, lesions by track, treated zones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesiontrack.batch.subject_tables import SubjectTables
from lesiontrack.domain.geometry import Segmentation, SegmentKind, Volume
from lesiontrack.domain.study import Scan
from lesiontrack.errors import SegmentationError
from lesiontrack.io.codes import ABNORMAL, ANATOMICAL, LIVER, MALIGNANT, REGIONS, TREATED_ZONE
from lesiontrack.io.nifti import read_array
from lesiontrack.io.placing import voxels_on
from lesiontrack.io.seg_write import Structure
from lesiontrack.io.segmentation import read_segmentation
from lesiontrack.io.source_images import SourceImages
from lesiontrack.settings import Settings

__all__ = ["lesion_structures", "surroundings"]


def lesion_structures(
    tables: SubjectTables, timepoint: int, images: SourceImages, series_uid: str, maps: Sequence[Path]
) -> list[tuple[int, Structure]]:
    """Return (lesion number, structure) of the lesions of a scan that have a mask, in the order of their tracks.

    Parameters
    ----------
    maps
        Lesion label maps of the visit; those that hold lesions of this scan are on its grid.

    Raises
    ------
    SegmentationError
        If such a map is not on the grid of the images.
    """
    rows = tables.lesions(timepoint, series_uid)
    masks = _masks(images, {int(row["lesion_id"]) for row in rows}, maps)
    found = []
    for row in rows:
        number = int(row["lesion_id"])
        # A lesion that a reader added by its diameter has no mask.
        if number not in masks:
            continue
        structure = Structure(
            label=row["label"],
            voxels=np.sort(masks[number]),
            category=ABNORMAL,
            kind=MALIGNANT,
            region=REGIONS.get(str(row["site"]), REGIONS["OTHER"]),
            tracking=(row["label"], tables.tracking_uid(str(row["track_id"]))),
        )
        found.append((number, structure))
    return found


def _masks(images: SourceImages, wanted: set[int], maps: Sequence[Path]) -> dict[int, NDArray[np.intp]]:
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
