"""The real volumes that lesions are put into, from the reference data beside the project, each with its liver.

None of it is copied into the project; sources and licences are in the reference data's ATTRIBUTION.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.uid import UID
from scipy import ndimage

from lesiontrack.domain.geometry import Grid, Volume
from lesiontrack.io.archive import index
from lesiontrack.io.nifti import read_array
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read
from lesiontrack.phantom import Imaging, MotionLimits, uid_of
from lesiontrack.phantom.real import RealAnatomy
from lesiontrack.phantom.real_course import RealSizes

__all__ = ["SOURCES", "Source", "liver_by_threshold"]

_LIVER = 5
"""TotalSegmentator's label, the same for CT and MR."""

_STRONG = MotionLimits(turn_deg=6.0, breathing_mm=(20.0, 36.0), bump_mm=8.0, wave_mm=4.0)
_FEW_SLICES = MotionLimits(turn_deg=1.0, breathing_mm=(4.0, 10.0), bump_mm=2.5, wave_mm=1.0)
"""For volumes of 40 to 60 mm: stronger motion would leave too few planes that show the liver from side to side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A real volume: how it is read from the reference data, how its visits are imaged, what lesions it holds."""

    name: str
    anatomy: Callable[[Path], RealAnatomy]
    imaging: tuple[Imaging, Imaging, Imaging]
    sizes: RealSizes
    lesions: int = 14


def liver_by_threshold(volume: Volume) -> NDArray[np.bool_]:
    """Find the liver of a portal venous CT with an enhancement of 95 to 145 HU, by threshold and opening.

    1. Every third row and column, smoothed by a Gaussian of 0.3 slices and 1 pixel; keep 95 to 145 HU.
    2. Keep what lies deeper than 12 mm under the surface of that: vessels, bowel and the vena cava are thinner.
    3. Its largest component is the liver's core (the spleen is smaller); grow it by 13 mm within the threshold.
    4. Close gaps of a voxel, fill holes, and repeat rows and columns.

    It is no segmentation tool: it was looked at on this one volume, where it follows the capsule, takes a little of the
    heart's apex and leaves out the hilum.
    """
    coarse = np.clip(volume.voxels[:, ::3, ::3], -200, 300).astype(np.float32)
    spacing = volume.grid.spacing_mm * (1, 3, 3)
    smooth = ndimage.gaussian_filter(coarse, (0.3, 1.0, 1.0))
    tissue = (smooth > 95) & (smooth < 145)
    parts, count = ndimage.label(ndimage.distance_transform_edt(tissue, sampling=spacing) > 12)
    sizes = ndimage.sum_labels(parts > 0, parts, np.arange(1, count + 1))
    core = parts == 1 + int(np.argmax(sizes))
    grown = tissue & (ndimage.distance_transform_edt(~core, sampling=spacing) <= 13)
    mask = ndimage.binary_fill_holes(ndimage.binary_closing(grown) | grown)
    rows, columns = volume.grid.shape[1:]
    whole: NDArray[np.bool_] = np.repeat(np.repeat(mask, 3, axis=1), 3, axis=2)[:, :rows, :columns]
    return whole


def _read_dicom(folder: Path) -> Volume:
    settings, labels = ArchiveSettings(), LabelSettings()
    (subject,) = index(folder, settings, labels=labels).subjects
    return read(subject.visits[0].scans[0], settings, labels)[0]


def _crlm(data: Path, *, marked: bool = True, limits: MotionLimits | None = None) -> RealAnatomy:
    """Portal venous CT of a patient of the Colorectal-Liver-Metastases collection: 41 slices of 5 mm."""
    volume = _read_dicom(data / "imaging" / "crlm_ct_1004")
    region = liver_by_threshold(volume)
    return RealAnatomy(volume=volume, region=region, marked=marked, limits=limits or MotionLimits())


def _totalseg_dicom(data: Path) -> RealAnatomy:
    """Portal venous CT, 20 slices of 2 mm; its files were stripped of all identifiers, which are put back first."""
    source = data / "imaging" / "totalseg"
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(sorted((source / "example_ct_dicom").iterdir())):
            dataset = pydicom.dcmread(path)
            dataset.PatientID = "TOTALSEG"
            for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
                setattr(dataset, name, uid_of("totalseg", name))
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(uid_of("totalseg", number))
            dataset.save_as(Path(folder) / f"{number:03d}.dcm")
        volume = _read_dicom(Path(folder))
    grid, labels = read_array(source / "example_seg_dicom.nii.gz")
    return RealAnatomy(volume=volume, region=_onto(volume.grid, grid, labels == _LIVER), limits=_FEW_SLICES)


def _totalseg_nifti(data: Path, image: str, labels: str, modality: str, limits: MotionLimits) -> RealAnatomy:
    source = data / "imaging" / "totalseg"
    grid, voxels = read_array(source / f"{image}.nii.gz")
    volume = Volume(grid=grid, voxels=voxels.astype(np.int16), modality=modality, series_uid=uid_of("totalseg", image))
    label_grid, label_map = read_array(source / f"{labels}.nii.gz")
    return RealAnatomy(volume=volume, region=_onto(grid, label_grid, label_map == _LIVER), limits=limits)


def _onto(grid: Grid, from_grid: Grid, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask on another grid of the same planes and pixels, whichever way its rows run."""
    matrix = np.linalg.inv(from_grid.affine) @ grid.affine
    found: NDArray[np.bool_] = ndimage.affine_transform(
        mask.astype(np.uint8), matrix[:3, :3], matrix[:3, 3], output_shape=grid.shape, order=0
    ).astype(bool)
    return found


def _ct(data: Path) -> RealAnatomy:
    """CT of 3 mm voxels, 112 slices, noisy and hardly enhanced."""
    return _totalseg_nifti(data, "example_ct", "example_seg_fast_force_split", "CT", MotionLimits())


def _mr(data: Path) -> RealAnatomy:
    """MR of 3 mm voxels, 20 slices: the lower part of a liver."""
    return _totalseg_nifti(data, "example_mr_sm", "example_seg_mr", "MR", _FEW_SLICES)


def _imaging(*spacings: tuple[float, float]) -> tuple[Imaging, Imaging, Imaging]:
    first, second, third = (Imaging(pixel_mm=pixel, slice_mm=distance) for pixel, distance in spacings)
    return first, second, third


_CRLM = Source(
    name="crlm",
    anatomy=_crlm,
    imaging=_imaging((1.2, 5.0), (1.4, 4.0), (1.3, 5.0)),
    sizes=RealSizes(),
)
_THIN = RealSizes(leading_mm=(17.0, 14.5), between_mm=(8.0, 11.0), new_mm=9.0)

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        _CRLM,
        replace(_CRLM, name="crlm, no liver marked", anatomy=lambda data: _crlm(data, marked=False)),
        replace(
            _CRLM,
            name="crlm, 40 lesions, strong motion",
            anatomy=lambda data: _crlm(data, limits=_STRONG),
            sizes=RealSizes(leading_mm=(19.0, 16.0), between_mm=(6.0, 11.0), new_mm=8.0),
            lesions=40,
        ),
        Source(
            name="totalseg CT 2 mm",
            anatomy=_totalseg_dicom,
            imaging=_imaging((1.3, 2.0), (1.5, 2.5), (1.4, 2.0)),
            sizes=_THIN,
        ),
        Source(
            name="totalseg CT 3 mm",
            anatomy=_ct,
            imaging=_imaging((1.5, 3.0), (1.8, 4.0), (1.6, 3.0)),
            sizes=RealSizes(leading_mm=(23.0, 20.0), between_mm=(9.0, 16.0), new_mm=12.0),
        ),
        Source(
            name="totalseg MR 3 mm",
            anatomy=_mr,
            imaging=_imaging((1.5, 3.0), (1.8, 4.0), (1.6, 3.0)),
            sizes=_THIN,
        ),
    )
}
