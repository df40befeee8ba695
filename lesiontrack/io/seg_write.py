"""Structures marked in a volume to DICOM Segmentation objects (PS3.3 A.51), binary or label map.

Everything written follows from the arguments: no clock and no random UID, so that the same input gives the same bytes
and an object may be written twice without becoming another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.seg import SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from lesiontrack import __version__
from lesiontrack.errors import SegmentationError
from lesiontrack.io.codes import ALGORITHM, algorithm_name
from lesiontrack.io.source_images import SourceImages

__all__ = [
    "IMPLEMENTATION_UID",
    "SegKind",
    "SegWriter",
    "Structure",
    "WrittenSegment",
    "fixed_clock",
    "layers_of",
    "named_uid",
]

IMPLEMENTATION_UID = UID("2.25.151517186419417046312931741513406093843")
_MANUFACTURER = "lesiontrack"


class SegKind(StrEnum):
    """How the voxels are stored: a bit mask for each segment, or one number for each voxel."""

    BINARY = "binary"
    LABELMAP = "labelmap"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Structure:
    """One marked structure, to become a segment.

    Attributes
    ----------
    voxels
        Flat indices (n,) into the volume's array (k, j, i).
    tracking
        Tracking ID and UID; None for what is not followed.
    max_components
        How many lesions it may be at most; above 1 where they have flowed together.
    """

    label: str
    voxels: NDArray[np.intp] = field(repr=False)
    category: Code
    kind: Code
    region: Code | None = None
    tracking: tuple[str, str] | None = None
    max_components: int = 1


@dataclass(frozen=True, slots=True)
class WrittenSegment:
    """Where a structure went: object and segment number."""

    sop_class_uid: str
    sop_instance_uid: str
    segment_number: int


def named_uid(*parts: object) -> str:
    """Return a UID under 2.25 that follows from the parts; arrays count with their bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else str(part).encode())
        digest.update(b"/")
    number = bytearray(digest.digest()[:16])
    number[6] = number[6] & 0x0F | 0x80
    number[8] = number[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(bytes(number), 'big')}"


def layers_of(structures: Sequence[Structure]) -> tuple[tuple[Structure, ...], ...]:
    """Part structures into layers none of which holds a voxel twice, each into the first that has room for it."""
    size = 1 + max((int(structure.voxels.max(initial=0)) for structure in structures), default=0)
    layers: list[tuple[NDArray[np.bool_], list[Structure]]] = []
    for structure in structures:
        free = next((layer for layer in layers if not layer[0][structure.voxels].any()), None)
        if free is None:
            free = (np.zeros(size, dtype=bool), [])
            layers.append(free)
        free[0][structure.voxels] = True
        free[1].append(structure)
    return tuple(tuple(members) for _, members in layers)


class SegWriter:
    """Writes the segmentations of one scan into a folder."""

    def __init__(self, images: SourceImages, *, kind: SegKind, series_number: int, description: str) -> None:
        self._images = images
        self._kind = kind
        self._series_number = series_number
        self._description = description

    def write(self, structures: Sequence[Structure], path: Path) -> tuple[tuple[WrittenSegment, ...], list[Path]]:
        """Write structures; return where each went, in their order, and the files.

        A binary segmentation holds them all. Those of a label map must not overlap: what does goes into further
        objects, ``<stem>_2.dcm`` and so on, of the same series.

        Raises
        ------
        SegmentationError
            If there is nothing to write.
        """
        if not structures:
            raise SegmentationError("a segmentation without any segment", file=path.name)
        layers = layers_of(structures) if self._kind is SegKind.LABELMAP else (tuple(structures),)
        series_uid = named_uid(
            self._images.headers[0].SeriesInstanceUID, self._kind, *(_identity(layer) for layer in layers)
        )
        written: dict[int, WrittenSegment] = {}
        files: list[Path] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        for place, layer in enumerate(layers, start=1):
            made = self._object(layer, series_uid, place)
            here = path if place == 1 else path.with_name(f"{path.stem}_{place}{path.suffix}")
            made.save_as(here, enforce_file_format=True)
            files.append(here)
            for number, structure in enumerate(layer, start=1):
                written[id(structure)] = WrittenSegment(made.SOPClassUID, made.SOPInstanceUID, number)
        return tuple(written[id(structure)] for structure in structures), files

    def _object(self, structures: Sequence[Structure], series_uid: str, number: int) -> Dataset:
        sources, content = self._content(structures)
        binary = self._kind is SegKind.BINARY
        made: Dataset = hd.seg.Segmentation(
            source_images=sources,
            pixel_array=content,
            segmentation_type=SegmentationTypeValues.BINARY if binary else SegmentationTypeValues.LABELMAP,
            segment_descriptions=[_described(n, structure) for n, structure in enumerate(structures, start=1)],
            series_instance_uid=series_uid,
            series_number=self._series_number,
            sop_instance_uid=named_uid(series_uid, number),
            instance_number=number,
            manufacturer=_MANUFACTURER,
            manufacturer_model_name=ALGORITHM,
            software_versions=__version__,
            device_serial_number="0",
            content_label="LESIONS",
            content_description=self._description,
            content_creator_name="LESIONTRACK^",
            series_description=self._description,
            transfer_syntax_uid=ExplicitVRLittleEndian if binary else RLELossless,
            omit_empty_frames=True,
        )
        fixed_clock(made, sources[0], named_uid(series_uid, number, "dimensions"))
        return made

    def _content(self, structures: Sequence[Structure]) -> tuple[list[Dataset], NDArray[np.uint8] | NDArray[np.uint16]]:
        """Return the images to name and the pixels: (frames, rows, columns), for bit masks (..., segments)."""
        frames, pixels = self._frames(structures)
        rows, columns = self._images.grid.shape[1:]
        if self._kind is SegKind.LABELMAP:
            kind = np.uint8 if len(structures) < 256 else np.uint16
            labels = np.zeros((frames.count, rows * columns), dtype=kind)
            for number, (at, pixel) in enumerate(pixels, start=1):
                labels[at, pixel] = number
            return frames.sources, labels.reshape(frames.count, rows, columns)
        masks = np.zeros((frames.count, rows * columns, len(structures)), dtype=np.uint8)
        for number, (at, pixel) in enumerate(pixels):
            masks[at, pixel, number] = 1
        return frames.sources, masks.reshape(frames.count, rows, columns, len(structures))

    def _frames(self, structures: Sequence[Structure]) -> tuple[_Frames, list[tuple[NDArray[np.intp], ...]]]:
        """Return the frames to write and, by structure, (frame, pixel) of its voxels; empty slices are left out."""
        images, size = self._images, int(np.prod(self._images.grid.shape[1:]))
        split = [np.divmod(structure.voxels, size) for structure in structures]
        place = np.zeros(images.grid.shape[0], dtype=np.intp)
        if images.is_multi_frame:
            place[:] = [frame for _, frame in images.frames]
            frames = _Frames(count=int(images.headers[0].NumberOfFrames), sources=[images.headers[0]])
        else:
            used = np.unique(np.concatenate([k for k, _ in split]))
            # A structure without a voxel still is a segment; one image must be named for it.
            used = used if len(used) else np.array([0])
            place[used] = np.arange(len(used))
            frames = _Frames(count=len(used), sources=[images.headers[images.frames[k][0]] for k in used])
        return frames, [(place[k], pixel) for k, pixel in split]


@dataclass(frozen=True, slots=True)
class _Frames:
    count: int
    sources: list[Dataset]


def _identity(structures: Sequence[Structure]) -> str:
    """Return a digest of all that is said of structures."""
    said = [
        (
            s.label,
            tuple(s.category),
            tuple(s.kind),
            tuple(s.region or ()),
            s.tracking,
            s.max_components,
            named_uid(s.voxels),
        )
        for s in structures
    ]
    return named_uid(said, __version__)


def _described(number: int, structure: Structure) -> SegmentDescription:
    tracking_id, tracking_uid = structure.tracking or (None, None)
    return SegmentDescription(
        segment_number=number,
        segment_label=structure.label,
        segmented_property_category=structure.category,
        segmented_property_type=structure.kind,
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=algorithm_name(structure.max_components), family=codes.DCM.MorphologicalOperations, version=__version__
        ),
        tracking_uid=tracking_uid,
        tracking_id=tracking_id,
        anatomic_regions=[structure.region] if structure.region is not None else None,
    )


def fixed_clock(written: Dataset, source: Dataset, dimension_uid: str) -> None:
    """Put the source's dates where highdicom puts the present, and name-based UIDs where it draws random ones."""
    date = source.get("SeriesDate") or source.StudyDate
    time = source.get("SeriesTime") or source.get("StudyTime") or "000000"
    for keyword in ("ContentDate", "SeriesDate", "InstanceCreationDate"):
        setattr(written, keyword, date)
    for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
        setattr(written, keyword, time)
    for sequence in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in written.get(sequence) or ():
            if "DimensionOrganizationUID" in item:
                item.DimensionOrganizationUID = dimension_uid
    if "ContributingEquipmentSequence" in written:
        del written.ContributingEquipmentSequence
    written.file_meta.ImplementationClassUID = IMPLEMENTATION_UID
    written.file_meta.ImplementationVersionName = "LESIONTRACK"
