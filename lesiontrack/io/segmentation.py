"""What is marked in a volume: DICOM SEG, RTSTRUCT and label maps, brought onto the volume's own grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.domain.study import Scan
from lesiontrack.errors import ImageError, SegmentationError
from lesiontrack.io.dataset import DECODE_ERRORS, quiet_pydicom, read_dataset, text
from lesiontrack.io.headers import read_header
from lesiontrack.io.label_map import marks_of_map
from lesiontrack.io.nifti import is_label_map_or_volume
from lesiontrack.io.placing import Mark
from lesiontrack.io.rtstruct import region_mask
from lesiontrack.io.seg import marks_of_seg
from lesiontrack.io.settings import ArchiveSettings, LabelSettings

__all__ = ["read_segmentation"]


_LARGEST_LABEL = 2**31


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Source:
    """What one object marks."""

    identifier: str
    marks: tuple[Mark, ...]
    notes: tuple[str, ...] = ()


def read_segmentation(
    scan: Scan, volume: Volume, settings: ArchiveSettings, labels: LabelSettings
) -> Segmentation | None:
    """Read and join what segments a scan; None when nothing does.

    Parameters
    ----------
    volume
        The scan's own volume: the masks come back on its grid.

    Raises
    ------
    SegmentationError
        If a segmentation is foreign to the image, lies off it, or marks nothing of interest.
    """
    if not scan.segmentation_files:
        return None
    sources = []
    for file in scan.segmentation_files:
        try:
            sources.append(_read_source(file, scan, volume, settings, labels))
        except (SegmentationError, ImageError) as error:
            raise SegmentationError(
                error.message, file=file, found=error.found, expected=error.expected, visit=scan.date.isoformat()
            ) from error
    return _joined(sources, volume.grid)


def _read_source(file: str, scan: Scan, volume: Volume, settings: ArchiveSettings, labels: LabelSettings) -> _Source:
    if is_label_map_or_volume(Path(file)):
        marks, notes = marks_of_map(file, volume.grid, labels)
        return _Source(identifier=Path(file).name, marks=marks, notes=notes)
    with quiet_pydicom():
        header = read_header(file)
        if header.problem:
            raise SegmentationError(header.problem, file=file)
        try:
            if header.kind == "structures":
                return _structures(file, volume.grid, labels)
            frame_uid = _frame_of_reference(scan)
            marks, notes = marks_of_seg(file, volume, frame_uid, settings.fractional_threshold, labels)
            return _Source(identifier=header.sop_instance_uid, marks=marks, notes=notes)
        except DECODE_ERRORS as error:
            raise SegmentationError("segmentation cannot be decoded", file=file, found=type(error).__name__) from error


def _frame_of_reference(scan: Scan) -> str:
    dataset, _ = read_dataset(scan.files[0], pixels=False)
    return text(dataset, "FrameOfReferenceUID")


def _structures(file: str, grid: Grid, labels: LabelSettings) -> _Source:
    """Raster the regions of an RTSTRUCT whose names ``[labels]`` knows."""
    if not labels.is_set:
        raise SegmentationError("an RTSTRUCT needs [labels] to say what its names mean", file=file)
    dataset, _ = read_dataset(file)
    marks = []
    for region in dataset.get("StructureSetROISequence") or []:
        name = text(region, "ROIName")
        meaning = labels.meaning_of_name(name)
        if meaning is None:
            continue
        mask = region_mask(dataset, int(region.ROINumber), grid)
        kind, site, single = meaning
        marks.append(Mark(name=name, kind=kind, site=site, single=single, voxels=np.flatnonzero(mask)))
    return _Source(identifier=text(dataset, "SOPInstanceUID"), marks=tuple(marks))


def _joined(sources: Sequence[_Source], grid: Grid) -> Segmentation:
    """Join what several objects mark: all lesions and zones; the liver of the first object that has one."""
    livers = [source for source in sources if any(mark.kind == SegmentKind.LIVER for mark in source.marks)]
    liver = _mask(_of_kind(livers[0].marks, SegmentKind.LIVER), grid) if livers else None
    notes = [note for source in sources for note in source.notes]
    if len(livers) > 1:
        notes.append(f"the liver is marked {len(livers)} times; that of {livers[0].identifier} is used")
    marks = [mark for source in sources for mark in source.marks]
    lesions, lesion_segments, overlap = _labelled(_of_kind(marks, SegmentKind.LESION), grid)
    zones, zone_segments, _ = _labelled(_of_kind(marks, SegmentKind.ABLATION_ZONE), grid)
    if overlap:
        notes.append(f"lesion segments overlap in {overlap} voxels, which were given to the smaller lesion")
    return Segmentation(
        grid=grid,
        liver=liver,
        lesions=lesions,
        zones=zones if zone_segments else None,
        segments=(*lesion_segments, *zone_segments),
        sources=tuple(source.identifier for source in sources),
        notes=tuple(dict.fromkeys(notes)),
    )


def _of_kind(marks: Iterable[Mark], kind: SegmentKind) -> list[Mark]:
    return [mark for mark in marks if mark.kind == kind]


def _mask(marks: Iterable[Mark], grid: Grid) -> NDArray[np.bool_]:
    mask = np.zeros(grid.shape, dtype=bool)
    for mark in marks:
        mask.reshape(-1)[mark.voxels] = True
    return mask


def _labelled(marks: list[Mark], grid: Grid) -> tuple[NDArray[np.uint16], tuple[Segment, ...], int]:
    """Number the marks 1, 2, ... in one array; the smaller of overlapping marks is kept whole."""
    if len(marks) > np.iinfo(np.uint16).max:
        raise SegmentationError("more segments than a label map holds", found=str(len(marks)))
    array = np.zeros(grid.shape, dtype=np.uint16)
    flat = array.reshape(-1)
    for label, mark in sorted(_numbered(marks), key=lambda pair: (-len(pair[1].voxels), -pair[0])):
        flat[mark.voxels] = label
    segments = tuple(
        Segment(
            label=label,
            name=mark.name,
            kind=mark.kind,
            site=mark.site,
            tracking_uid=mark.tracking_uid,
            single=mark.single,
            tracked=mark.tracked,
            max_components=mark.max_components,
        )
        for label, mark in _numbered(marks)
    )
    overlap = sum(len(mark.voxels) for mark in marks) - int(np.count_nonzero(array))
    return array, segments, overlap


def _numbered(marks: Sequence[Mark]) -> Iterator[tuple[int, Mark]]:
    return enumerate(marks, start=1)
