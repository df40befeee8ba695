"""Write a volume as a DICOM CT or MR series and a segmentation as DICOM SEG.

Attributes follow PS3.3: CT Image (A.3), MR Image (A.4) and Segmentation (A.51). Everything written is determined by
the arguments: no clock, no random UID, so that the same input gives the same bytes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.seg import SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    MRImageStorage,
)

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.errors import GeometryError, SegmentationError
from lesiontrack.io.codes import REGIONS
from lesiontrack.io.seg_write import IMPLEMENTATION_UID, fixed_clock, named_uid

__all__ = ["SeriesHeader", "localizer_slices", "write_segmentation", "write_series"]

_MANUFACTURER = "lesiontrack"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesHeader:
    """What a series says of itself beyond its voxels.

    Attributes
    ----------
    accession_number, study_description, series_description
        Free text; the series description names the contrast phase.
    window
        (centre, width) to display.
    agent
        Contrast agent; empty: none.
    sex, age_years
        Of the subject, invented.
    """

    subject_id: str
    patient_name: str
    date: dt.date
    time: str
    study_uid: str
    frame_of_reference_uid: str
    series_number: int
    accession_number: str = ""
    study_description: str = ""
    series_description: str = ""
    body_part: str = "ABDOMEN"
    window: tuple[int, int] = (60, 400)
    agent: str = ""
    sex: str = "O"
    age_years: int = 0
    patient_comments: str = ""


def write_series(volume: Volume, header: SeriesHeader, folder: Path) -> tuple[Path, ...]:
    """Write one file for each slice, JPEG-LS lossless, and return the paths in slice order.

    Parameters
    ----------
    volume
        int16 voxels: Hounsfield units from -1024 to 3071 (CT), or signal from 0 to 4095 (MR).
    header
        What the series says of itself.
    folder
        Is made.

    Raises
    ------
    GeometryError
        If the rows and columns of the grid are not perpendicular, or the values do not fit 12 bits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    offset = 1024 if volume.modality == "CT" else 0
    low, high = int(volume.voxels.min()), int(volume.voxels.max())
    if low + offset < 0 or high + offset > 4095:
        raise GeometryError("values do not fit 12 bits", found=f"{low} to {high}")
    stored = (volume.voxels.astype(np.int32) + offset).astype(np.uint16)
    paths = []
    for k in range(volume.grid.shape[0]):
        dataset = _slice(volume, header, k)
        dataset.PixelData = stored[k].tobytes()
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
        path = folder / f"{k + 1:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return tuple(paths)


def _file(sop_class: UID, sop_instance_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "LESIONTRACK"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = sop_instance_uid
    return dataset


def _describe(dataset: Dataset, header: SeriesHeader, modality: str, series_uid: str) -> None:
    """Patient, General Study, General Series, Frame of Reference and General Equipment modules."""
    day = header.date.strftime("%Y%m%d")
    if not (header.subject_id + header.patient_name).isascii():
        dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = header.patient_name, header.subject_id
    dataset.PatientBirthDate, dataset.PatientSex = "", header.sex
    dataset.PatientAge = f"{header.age_years:03d}Y"
    if header.patient_comments:
        dataset.PatientComments = header.patient_comments
    dataset.PatientIdentityRemoved, dataset.DeidentificationMethod = "YES", "SYNTHETIC"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = header.study_uid, series_uid
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = day
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = header.time
    dataset.ReferringPhysicianName, dataset.StudyID = "", header.accession_number or "1"
    dataset.AccessionNumber = header.accession_number
    dataset.StudyDescription, dataset.SeriesDescription = header.study_description, header.series_description
    dataset.Modality, dataset.SeriesNumber = modality, header.series_number
    dataset.BodyPartExamined, dataset.PatientPosition, dataset.Laterality = header.body_part, "HFS", None
    del dataset.Laterality  # the abdomen is not a paired part: the attribute must be absent
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = header.frame_of_reference_uid, ""
    dataset.Manufacturer, dataset.ManufacturerModelName = _MANUFACTURER, "phantom"


def _slice(volume: Volume, header: SeriesHeader, k: int) -> FileDataset:
    sop_class = CTImageStorage if volume.modality == "CT" else MRImageStorage
    dataset = _file(sop_class, volume.sop_instance_uids[k])
    _describe(dataset, header, volume.modality, volume.series_uid)
    _place(dataset, volume.grid, k, volume.slice_thickness_mm)
    dataset.InstanceNumber, dataset.AcquisitionNumber = volume.grid.shape[0] - k, 1
    dataset.ContrastBolusAgent = header.agent
    dataset.Rows, dataset.Columns = volume.grid.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = header.window
    if volume.modality == "CT":
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
        dataset.KVP = 120
    else:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "GR", "SP", "FS"
        dataset.MRAcquisitionType, dataset.EchoTrainLength = "3D", 1
        dataset.RepetitionTime, dataset.EchoTime, dataset.FlipAngle = 4.1, 1.9, 12
        dataset.MagneticFieldStrength = 1.5
    return dataset


def _place(dataset: Dataset, grid: Grid, k: int, slice_thickness_mm: float | None) -> None:
    """Image Plane module: position and orientation of slice ``k``."""
    steps = grid.affine[:3, :3]
    spacing = grid.spacing_mm
    row, column = steps[:, 2] / spacing[2], steps[:, 1] / spacing[1]
    if abs(float(row @ column)) > 1e-6:
        raise GeometryError("rows and columns are not perpendicular", found=f"{float(row @ column):.3g}")
    distance = float(abs(np.cross(row, column) @ steps[:, 0]))
    position = grid.to_lps_mm(np.array([k, 0, 0], dtype=np.float64))
    dataset.ImagePositionPatient = [round(float(value), 6) for value in position]
    dataset.ImageOrientationPatient = [round(float(value), 9) + 0.0 for value in (*row, *column)]
    dataset.PixelSpacing = [round(float(spacing[1]), 6), round(float(spacing[2]), 6)]
    dataset.SliceThickness = round(slice_thickness_mm if slice_thickness_mm is not None else distance, 6)
    dataset.SpacingBetweenSlices = round(distance, 6)
    dataset.SliceLocation = round(float(position @ np.cross(row, column)), 6)


def localizer_slices(volume: Volume, header: SeriesHeader, folder: Path, *, series_uid: str, sop_uid: str) -> Path:
    """Write a coronal localizer (the volume's mean along y) as a series of one image, and return its path.

    It is what a scanner stores before the helix: CT, ``ImageType`` with LOCALIZER, never part of a volume.
    """
    folder.mkdir(parents=True, exist_ok=True)
    projected = volume.voxels[::-1].mean(axis=1)
    picture = np.clip(np.rint(projected) + 1024, 0, 4095).astype(np.uint16)
    dataset = _file(CTImageStorage, sop_uid)
    _describe(dataset, header, "CT", series_uid)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    spacing = volume.grid.spacing_mm
    top = volume.grid.to_lps_mm(np.array([volume.grid.shape[0] - 1, volume.grid.shape[1] / 2, 0]))
    dataset.ImagePositionPatient = [round(float(value), 6) for value in top]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    dataset.PixelSpacing = [float(spacing[0]), float(spacing[2])]
    dataset.SliceThickness, dataset.InstanceNumber, dataset.AcquisitionNumber = 1.0, 1, 1
    dataset.ContrastBolusAgent = ""
    dataset.Rows, dataset.Columns = picture.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType, dataset.KVP = -1024, 1, "US", 120
    dataset.PixelData = picture.tobytes()
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    path = folder / "0001.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_segmentation(
    segmentation: Segmentation,
    source_files: Sequence[Path],
    path: Path,
    *,
    series_number: int,
    description: str,
    deflated: bool = True,
) -> Path:
    """Write a segmentation as one binary DICOM SEG: the liver, every lesion segment, every ablation zone.

    Empty frames are left out. UIDs follow from the source series and the content.

    Parameters
    ----------
    segmentation
        On the grid of the source series.
    source_files
        The series it belongs to, in slice order (k).
    path
        File to write; its folder is made.
    deflated
        Deflated transfer syntax (PS3.5 A.5), about a twentieth of the size; False: plain explicit VR little endian.

    Raises
    ------
    SegmentationError
        If there is nothing to write or the slices do not match.
    """
    sources = [_without_pixels(file) for file in source_files]
    if len(sources) != segmentation.grid.shape[0]:
        raise SegmentationError(
            "one source image for each slice is needed",
            file=path.name,
            found=str(len(sources)),
            expected=str(segmentation.grid.shape[0]),
        )
    masks, descriptions = _segments(segmentation)
    if not descriptions:
        raise SegmentationError("a segmentation without any segment", file=path.name)
    content = np.stack(masks, axis=-1).astype(np.uint8)
    series_uid = named_uid(sources[0].SeriesInstanceUID, description, "seg-series", np.packbits(content))
    written = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=content,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=series_uid,
        series_number=series_number,
        sop_instance_uid=named_uid(series_uid, "seg"),
        instance_number=1,
        manufacturer=_MANUFACTURER,
        manufacturer_model_name="phantom",
        software_versions="1",
        device_serial_number="0",
        content_label="LESIONS",
        content_description=description,
        content_creator_name="PHANTOM^SEGMENTER",
        series_description=description,
        omit_empty_frames=True,
    )
    fixed_clock(written, sources[0], named_uid(series_uid, "dimensions"))
    if deflated:
        written.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    written.save_as(path, enforce_file_format=True)
    return path


def _without_pixels(file: Path) -> Dataset:
    return dcmread(file, stop_before_pixels=True)


def _segments(segmentation: Segmentation) -> tuple[list[NDArray[np.bool_]], list[SegmentDescription]]:
    masks: list[NDArray[np.bool_]] = []
    descriptions: list[SegmentDescription] = []

    def add(mask: NDArray[np.bool_], label: str, category: Code, kind: Code, segment: Segment | None) -> None:
        if not mask.any():
            return
        masks.append(mask)
        region = REGIONS.get(segment.site or "") if segment is not None else None
        tracking = segment.tracking_uid if segment is not None else None
        descriptions.append(
            SegmentDescription(
                segment_number=len(masks),
                segment_label=label,
                segmented_property_category=category,
                segmented_property_type=kind,
                algorithm_type="MANUAL",
                tracking_uid=tracking,
                tracking_id=label if tracking else None,
                anatomic_regions=[region] if region is not None else None,
            )
        )

    if segmentation.liver is not None:
        add(segmentation.liver, "Liver", codes.SCT.AnatomicalStructure, codes.SCT.Liver, None)
    abnormal = codes.SCT.MorphologicallyAbnormalStructure
    for segment in segmentation.segments:
        if segment.kind == SegmentKind.LESION:
            mask = segmentation.lesions == segment.label
            add(mask, segment.name, abnormal, codes.SCT.NeoplasmSecondary, segment)
        elif segment.kind == SegmentKind.ABLATION_ZONE and segmentation.zones is not None:
            add(segmentation.zones == segment.label, segment.name, abnormal, codes.SCT.Necrosis, segment)
    return masks, descriptions
