"""DICOM series whose voxel values tell where in the world the voxel lies, for the reading tests."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
)

__all__ = ["AXIAL", "PER_MM", "PHASE_OFFSET", "Maker", "segmentation"]

# Voxel values are so many times the coordinate, mm; phases are told apart by multiples of the offset.
PER_MM = 50
PHASE_OFFSET = 11000
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class Maker:
    """Builds series in memory and writes them into one folder. ``axis``: which LPS coordinate the values encode."""

    def __init__(self, folder: Path, axis: int = 2) -> None:
        self.folder = folder
        self.axis = axis
        self.counter = itertools.count(1)
        self.shape = (12, 14)
        self.spacing = (2.0, 2.0)
        self.series_uid = "1.2.3.1"
        self.subject_id = "S1"
        self.date = "20200106"
        # Added by a case to every voxel on top of the coordinate.
        self.added = 0

    def values(self, position: Sequence[float], orientation: Sequence[float], offset: int = 0) -> NDArray[np.float64]:
        """Return 50 x the coordinate (mm) of each voxel centre, plus an offset; shape (rows, columns)."""
        rows, columns = self.shape
        j, i = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        row, column = np.array(orientation[:3]), np.array(orientation[3:])
        points = np.array(position) + j[..., None] * self.spacing[0] * column + i[..., None] * self.spacing[1] * row
        coordinate: NDArray[np.float64] = points[..., self.axis] * PER_MM + offset
        return coordinate

    def slice(
        self,
        position: Sequence[float],
        *,
        orientation: Sequence[float] = AXIAL,
        modality: str = "CT",
        slope: float = 1,
        intercept: float = 0,
        offset: int = 0,
        **elements: Any,
    ) -> FileDataset:
        """Build one single-frame image; ``elements`` set or (None) remove attributes."""
        number = next(self.counter)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
        meta.MediaStorageSOPInstanceUID = UID(f"{self.series_uid}.{number}")
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        data.PatientID, data.PatientName, data.PatientSex = self.subject_id, "DOE^JANE", "F"
        data.PatientBirthDate, data.AccessionNumber, data.StudyID, data.StudyTime = "19500102", "", "", "101010"
        data.ReferringPhysicianName = ""
        data.StudyDate, data.StudyInstanceUID = self.date, f"1.2.4.{self.date}"
        data.SeriesInstanceUID, data.FrameOfReferenceUID = self.series_uid, f"1.2.5.{self.date}"
        data.Modality, data.ImageType = modality, ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.Rows, data.Columns = self.shape
        data.PixelSpacing, data.SliceThickness = list(self.spacing), 5.0
        data.ImagePositionPatient, data.ImageOrientationPatient = list(position), list(orientation)
        data.InstanceNumber = number
        self.pixels(data, self.values(position, orientation, offset), slope, intercept)
        for name, value in elements.items():
            if value is None:
                del data[name]
            else:
                setattr(data, name, value)
        return data

    def pixels(self, data: Dataset, values: NDArray[np.float64], slope: float = 1, intercept: float = 0) -> None:
        """Store values as signed 16-bit pixels behind a rescale."""
        stored = np.rint((values - intercept) / slope)
        assert np.abs(stored).max() < 32768
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
        data.PixelData = stored.astype("<i2").tobytes()
        data["PixelData"].VR = "OW"
        data.RescaleSlope, data.RescaleIntercept = slope, intercept

    def stack(
        self,
        n: int = 8,
        *,
        origin: Sequence[float] = (-10.0, -20.0, -30.0),
        step: Sequence[float] = (0.0, 0.0, 5.0),
        **common: Any,
    ) -> list[FileDataset]:
        """Build evenly spaced slices."""
        return [self.slice(tuple(np.array(origin) + k * np.array(step)), **common) for k in range(n)]

    def enhanced(self, frames: Sequence[dict[str, Any]], *, modality: str = "MR") -> FileDataset:
        """Build one enhanced multi-frame image; each frame: position, and optionally orientation, slope, temporal."""
        data = self.slice((0, 0, 0), modality=modality)
        data.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage if modality == "CT" else EnhancedMRImageStorage
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
            del data[name]
        del data.RescaleSlope, data.RescaleIntercept
        data.NumberOfFrames = len(frames)
        groups, stored = [], []
        for frame in frames:
            orientation = frame.get("orientation", AXIAL)
            slope = frame.get("slope", 1)
            group = Dataset()
            if frame.get("position") is not None:
                group.PlanePositionSequence = Items([_item(ImagePositionPatient=list(frame["position"]))])
            group.PlaneOrientationSequence = Items([_item(ImageOrientationPatient=list(orientation))])
            group.PixelValueTransformationSequence = Items(
                [_item(RescaleSlope=slope, RescaleIntercept=0, RescaleType="US")]
            )
            content = _item(StackID=str(frame.get("stack", "1")), InStackPositionNumber=1)
            if "temporal" in frame:
                content.TemporalPositionIndex = frame["temporal"]
            group.FrameContentSequence = Items([content])
            groups.append(group)
            values = self.values(frame.get("position") or (0, 0, 0), orientation, frame.get("offset", 0))
            stored.append(np.rint(values / slope).astype("<i2"))
        data.SharedFunctionalGroupsSequence = Items(
            [_item(PixelMeasuresSequence=Items([_item(PixelSpacing=list(self.spacing), SliceThickness=5.0)]))]
        )
        data.PerFrameFunctionalGroupsSequence = Items(groups)
        data.PixelData = np.stack(stored).tobytes()
        return data

    def write(self, datasets: Sequence[FileDataset], *, prefix: str = "", backwards: bool = False) -> Path:
        """Write into the folder, names in order or against it; return the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(datasets):
            name = f"{prefix}{len(datasets) - number if backwards else number:04d}"
            data.save_as(self.folder / name, enforce_file_format=True)
        return self.folder


def _item(**elements: Any) -> Dataset:
    data = Dataset()
    for name, value in elements.items():
        setattr(data, name, value)
    return data


def segmentation(
    sources: Sequence[FileDataset],
    masks: NDArray[Any],
    segments: Sequence[dict[str, Any]],
    *,
    kind: str = "BINARY",
    **options: Any,
) -> Any:
    """Build a DICOM SEG of source images with highdicom.

    Parameters
    ----------
    masks
        (slices, rows, columns, segments), in the order of the sources; label map: (slices, rows, columns).
    segments
        label, category ("tissue", "anatomy", "abnormal"), type ("liver", "lesion", "spleen"), region, tracking_uid.
    """
    descriptions = []
    for number, segment in enumerate(segments, start=1):
        region = segment.get("region")
        descriptions.append(
            hd.seg.SegmentDescription(
                segment_number=number,
                segment_label=segment.get("label", f"Segment {number}"),
                segmented_property_category=_CATEGORIES[segment.get("category", "abnormal")],
                segmented_property_type=_TYPES[segment.get("type", "lesion")],
                algorithm_type="MANUAL",
                anatomic_regions=[_REGIONS[region]] if region else None,
                tracking_uid=segment.get("tracking_uid"),
                tracking_id=segment.get("label", "x") if segment.get("tracking_uid") else None,
            )
        )
    made = hd.seg.Segmentation(
        source_images=list(sources),
        pixel_array=masks,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=options.pop("series_uid", "1.2.9.1"),
        series_number=90,
        sop_instance_uid=options.pop("sop_uid", "1.2.9.1.1"),
        instance_number=1,
        manufacturer="Maker",
        manufacturer_model_name="Model",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    made.PatientID = sources[0].PatientID
    return made


_CATEGORIES = {
    "anatomy": Code("123037004", "SCT", "Anatomical Structure"),
    "tissue": Code("85756007", "SCT", "Tissue"),
    "abnormal": Code("49755003", "SCT", "Morphologically Abnormal Structure"),
}
_TYPES = {
    "liver": Code("10200004", "SCT", "Liver"),
    "spleen": Code("78961009", "SCT", "Spleen"),
    "lesion": Code("52988006", "SCT", "Lesion"),
}
_REGIONS = {
    "liver": Code("10200004", "SCT", "Liver"),
    "lung": Code("39607008", "SCT", "Lung"),
    "node": Code("59441001", "SCT", "Lymph node"),
    "kidney": Code("64033007", "SCT", "Kidney"),
}
