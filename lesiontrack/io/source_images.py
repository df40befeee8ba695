"""The images that an exported object refers to: their headers, without anything that need not be copied.

Of the patient only the PatientID is kept, of the study its UID and when it was; the other attributes that DICOM wants
to be there (Type 2) are there and empty. Everything else that is kept says where a pixel lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from lesiontrack.domain.geometry import Grid
from lesiontrack.domain.study import Scan
from lesiontrack.errors import GeometryError, SegmentationError
from lesiontrack.io.dataset import quiet_pydicom, read_dataset
from lesiontrack.io.dicom import stack_of
from lesiontrack.io.headers import Plane, planes_of
from lesiontrack.io.nifti import is_label_map_or_volume
from lesiontrack.io.series import Stack
from lesiontrack.io.settings import ArchiveSettings

__all__ = ["SourceImages", "read_source_images"]

_KEPT = (
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "PatientID",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "SeriesInstanceUID",
    "SeriesDate",
    "SeriesTime",
    "Modality",
    "InstanceNumber",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
)
_EMPTY = (
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "PositionReferenceIndicator",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceImages:
    """The images of one scan, as far as an object that refers to them needs to know them.

    Attributes
    ----------
    grid
        Of the volume that they make.
    headers
        One data set a file, in slice order of their first plane.
    frames
        For each slice k: which of the headers, and which frame of it (0 for an image of one frame).
    """

    grid: Grid
    headers: tuple[Dataset, ...]
    frames: tuple[tuple[int, int], ...]

    @property
    def sop_instance_uids(self) -> tuple[str, ...]:
        """SOP Instance UID of each slice k."""
        return tuple(str(self.headers[header].SOPInstanceUID) for header, _ in self.frames)

    @property
    def frame_of_reference_uid(self) -> str:
        """Frame of reference that the positions of this scan are given in."""
        return str(self.headers[0].FrameOfReferenceUID)

    @property
    def is_multi_frame(self) -> bool:
        """Whether the volume lies in one file of several frames."""
        return "NumberOfFrames" in self.headers[0] and int(self.headers[0].NumberOfFrames) > 1


def read_source_images(scan: Scan, settings: ArchiveSettings) -> SourceImages:
    """Read the headers of a scan's images.

    Raises
    ------
    SegmentationError
        If the scan has no images that a DICOM object could refer to.
    GeometryError
        If the files are no longer those that were catalogued, or the volume was interpolated between them.
    """
    if is_label_map_or_volume(Path(scan.files[0])):
        raise SegmentationError(
            "no DICOM images to refer to", file=scan.files[0], found="a volume file", expected="a DICOM series"
        )
    with quiet_pydicom():
        found = {file: read_dataset(file, pixels=False)[0] for file in scan.files}
        planes = {file: planes_of(dataset, file) for file, dataset in found.items()}
        stack = stack_of(scan, tuple(plane for own in planes.values() for plane in own), settings)
        _require_one_image_each(scan, stack, found)
        files = tuple(dict.fromkeys(plane.file for plane in stack.planes))
        headers = tuple(_kept(found[file], planes[file], stack) for file in files)
    number = {file: place for place, file in enumerate(files)}
    return SourceImages(
        grid=stack.grid,
        headers=headers,
        frames=tuple((number[plane.file], plane.frame) for plane in stack.planes),
    )


def _require_one_image_each(scan: Scan, stack: Stack, found: Mapping[str, Dataset]) -> None:
    file = scan.files[0]
    if stack.uneven:
        raise GeometryError("slices were interpolated: no image shows them", file=file, expected="evenly spaced images")
    without = [name for name, dataset in found.items() if not dataset.get("FrameOfReferenceUID")]
    if without:
        raise GeometryError("no frame of reference, which a segmentation must name", file=without[0])
    several = len({plane.file for plane in stack.planes}) not in (1, len(stack.planes))
    if several:
        raise GeometryError("several files of several frames make one volume", file=file)


def _kept(dataset: Dataset, planes: Sequence[Plane], stack: Stack) -> Dataset:
    kept = Dataset()
    for keyword in _KEPT:
        if keyword in dataset:
            kept[keyword] = dataset[keyword]
    for keyword in _EMPTY:
        if keyword not in kept:
            setattr(kept, keyword, "")
    if "PerFrameFunctionalGroupsSequence" in dataset:
        _place_frames(kept, planes, stack)
    elif not kept.get("SliceThickness"):
        kept.SliceThickness = round(_distance_mm(stack.grid), 6)
    return kept


def _place_frames(kept: Dataset, planes: Sequence[Plane], stack: Stack) -> None:
    """Say where the frames lie: orientation and size once, as the volume has them, and a position for each.

    Frames of another orientation are not of this volume, and nothing that is written refers to them.
    """
    first = stack.planes[0]
    orientation, measures, shared = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = list(first.orientation or ())
    measures.PixelSpacing = list(first.spacing_mm or ())
    measures.SliceThickness = round(_distance_mm(stack.grid), 6)
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Items([orientation]), Items([measures])
    kept.SharedFunctionalGroupsSequence = Items([shared])
    groups = []
    for plane in planes:
        position, group = Dataset(), Dataset()
        position.ImagePositionPatient = list(plane.position_lps_mm or (0.0, 0.0, 0.0))
        group.PlanePositionSequence = Items([position])
        groups.append(group)
    kept.PerFrameFunctionalGroupsSequence = Items(groups)


def _distance_mm(grid: Grid) -> float:
    """Return the distance of the slices' planes, mm; on a sheared grid less than the step."""
    normal = np.cross(grid.affine[:3, 1], grid.affine[:3, 2])
    return abs(float(grid.affine[:3, 0] @ normal)) / float(np.linalg.norm(normal))
