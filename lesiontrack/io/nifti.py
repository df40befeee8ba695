"""NIfTI, NRRD and MHA: volumes and label maps with their patient space. The only place that knows RAS.

Layout: ``<subject>/<YYYY-MM-DD>/NAME.nii.gz`` with its label map beside it (``label_map``).
"""

from __future__ import annotations

import datetime as dt
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, Volume
from lesiontrack.domain.study import Scan
from lesiontrack.errors import GeometryError, ImageError
from lesiontrack.io.headers import VOLUME_SUFFIXES, Header
from lesiontrack.io.patient_space import require_nifti_space, require_space

__all__ = [
    "image_name",
    "in_mask_folder",
    "is_label_map_or_volume",
    "layout_header",
    "problem_of",
    "read_array",
    "read_grid",
    "read_layers",
    "read_volume_file",
    "read_volume_header",
    "write_label_map",
]

# What marks a label map, or a folder of masks, by name; ".seg" is 3D Slicer's.
_SEGMENTATION = ("_seg", ".seg")
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# The slice axis is the one with clearly the largest step; else the one along the body.
_CLEARLY_THICKER = 1.2
_CT_AIR = -200
_INT16 = np.iinfo(np.int16)
_MOST_VOXELS = 2**31
# Deflate packs at most so many bytes into one.
_BEST_DEFLATION = 1032
# No scanner places a voxel further away, mm.
_FURTHEST_MM = 1e5
# What nibabel raises on damaged files.
_DAMAGE = (
    ImageFileError,
    HeaderDataError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    OverflowError,
    ZeroDivisionError,
    zlib.error,
)


def is_label_map_or_volume(path: Path) -> bool:
    """Tell by name whether a file is NIfTI, NRRD or MetaImage (their content has no reliable magic when packed)."""
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def in_mask_folder(path: Path) -> bool:
    """Tell whether a file lies in a folder ``NAME_seg``, where each file is the mask of one structure."""
    return path.parent.name.lower().endswith("_seg")


def image_name(path: Path) -> tuple[str, bool]:
    """Return the name of the volume that a file is or belongs to, without suffixes, and whether it is a label map."""
    lower = path.name.lower()
    suffix = next(suffix for suffix in VOLUME_SUFFIXES if lower.endswith(suffix))
    name = path.parent.name if in_mask_folder(path) else path.name[: -len(suffix)]
    return (name[:-4], True) if name.lower().endswith(_SEGMENTATION) else (name, False)


def layout_header(path: Path, kind: str) -> Header:
    """Return what a file's place in the layout says: whose it is and from when."""
    visit = path.parent.parent if in_mask_folder(path) else path.parent
    subject_id, date = visit.parent.name, visit.name
    try:
        dt.date.fromisoformat(date)
    except ValueError:
        return Header(path=str(path), kind=kind, problem="not laid out as <subject>/<YYYY-MM-DD>/NAME")
    series_uid = "/".join((subject_id, date, image_name(path)[0]))
    return Header(path=str(path), kind=kind, subject_id=subject_id, series_uid=series_uid, date=date)


def problem_of(error: ImageError) -> str:
    """Return an error as the catalogue keeps it."""
    return f"{error.message}{f' ({error.found})' if error.found else ''}"


def read_volume_header(path: Path) -> Header:
    """Catalogue one volume: its place in the layout says whose it is and from when. Pixels are read, to find damage."""
    known = layout_header(path, "volume")
    if known.problem:
        return known
    try:
        grid, array = read_array(path)
    except ImageError as error:
        return replace(known, problem=problem_of(error))
    return replace(
        known,
        modality=_modality(image_name(path)[0], array),
        sop_instance_uid=known.series_uid,
        contents=((), tuple(str(n) for n in grid.shape), tuple(repr(float(a)) for a in grid.affine.ravel())),
        source=(path.name,),
        slice_thickness_mm=float(grid.spacing_mm[0]),
    )


def _modality(name: str, array: NDArray[Any]) -> str:
    """Say CT or MR by name, else by values: only CT goes far below zero."""
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if words & {"ct", "cect", "ncct"}:
        return "CT"
    if words & {"mr", "mri", "t1", "t2", "dwi", "adc", "t1w", "t2w"}:
        return "MR"
    return "CT" if float(array.min()) < _CT_AIR else "MR"


def read_array(path: Path | str) -> tuple[Grid, NDArray[Any]]:
    """Read a volume or a label map.

    Returns
    -------
    grid
        k is the slice axis; LPS mm.
    array
        (k, j, i) with the type of the file, or float32 where the file scales its values.

    Raises
    ------
    ImageError
        If the file is damaged, has no three axes, or its patient space is missing or impossible.
    """
    path = Path(path)
    try:
        affine, array = _read_nifti(path) if ".nii" in path.suffixes else _read_itk(path)
        grid = _checked_grid(affine, array, path)
    except ImageError as error:
        raise type(error)(error.message, file=str(path), found=error.found, expected=error.expected) from error
    return _slices_first(grid, array)


def _checked_grid(affine: NDArray[np.float64], array: NDArray[Any], path: Path) -> Grid:
    if not np.isfinite(affine).all() or np.abs(affine).max() > _FURTHEST_MM:
        raise GeometryError("impossible patient space", found=str(affine[:3].tolist()))
    return Grid(shape=_shape(array, path), affine=affine)


def _shape(array: NDArray[Any], path: Path) -> tuple[int, int, int]:
    if array.ndim != 3:
        raise ImageError("not a volume", file=str(path), found=f"{array.ndim} axes", expected="3")
    if array.dtype.kind not in "biuf":
        raise ImageError("not one number for each voxel", file=str(path), found=str(array.dtype))
    return (int(array.shape[0]), int(array.shape[1]), int(array.shape[2]))


def _read_nifti(path: Path) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the affine (i, j, k order of axes as stored, to LPS) and the array as stored."""
    try:
        image = nibabel.load(path)
        require_nifti_space(image)
        if int(np.prod(image.shape, dtype=np.float64)) > _MOST_VOXELS:
            raise ImageError("more voxels than an image can have", found=str(image.shape))
        _require_room(path, image)
        slope, intercept = image.dataobj.slope, image.dataobj.inter
        scaled = not (slope == 1 and intercept == 0)
        # A damaged scale overflows: what comes of it is no number, and is refused where numbers are needed.
        with np.errstate(over="ignore", invalid="ignore"):
            array = np.asarray(image.dataobj, dtype=np.float32 if scaled else None)
    except _DAMAGE as error:
        raise ImageError("damaged NIfTI file", found=type(error).__name__) from error
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    affine = np.asarray(image.affine, dtype=np.float64)
    return _RAS_TO_LPS @ affine, array


def _require_room(path: Path, image: Any) -> None:
    """Refuse a file that is too short for what it claims, before memory is set aside for it."""
    claimed = int(np.prod(image.shape, dtype=np.float64)) * image.get_data_dtype().itemsize
    packed = path.suffix == ".gz"
    if claimed > path.stat().st_size * (_BEST_DEFLATION if packed else 1):
        raise ImageError("image data truncated", found=f"{path.stat().st_size} bytes", expected=f"{claimed}")


def read_layers(path: Path) -> tuple[Grid, tuple[NDArray[Any], ...], dict[str, str]]:
    """Read a label map of one or more layers (3D Slicer's ``.seg.nrrd``), with the texts of its header.

    Raises
    ------
    ImageError
        As ``read_array``.
    """
    try:
        affine, array, header = _read_itk_layers(path)
        layers = (array,) if array.ndim == 3 else tuple(np.moveaxis(array, -1, 0))
        grid = _checked_grid(affine, layers[0], path)
    except ImageError as error:
        raise type(error)(error.message, file=str(path), found=error.found, expected=error.expected) from error
    turned = [_slices_first(grid, layer) for layer in layers]
    return turned[0][0], tuple(layer for _, layer in turned), header


def _read_itk(path: Path) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the affine ((k, j, i) to LPS) and the array (k, j, i)."""
    affine, array, _ = _read_itk_layers(path)
    if array.ndim != 3:
        raise ImageError("not a volume", found=f"{array.shape[-1]} values in a voxel", expected="one")
    return affine, array


def _read_itk_layers(path: Path) -> tuple[NDArray[np.float64], NDArray[Any], dict[str, str]]:
    """Return the affine ((k, j, i) to LPS), the array (k, j, i) or (k, j, i, layer), and the header's texts."""
    try:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        size = reader.GetSize()
        if int(np.prod(size, dtype=np.float64)) > _MOST_VOXELS:
            raise ImageError("more voxels than an image can have", found=str(size))
        image = reader.Execute()
    except RuntimeError as error:
        raise ImageError("damaged image file", found=type(error).__name__) from error
    if image.GetDimension() != 3:
        raise ImageError("not a volume", found=f"{image.GetDimension()} axes", expected="3")
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    require_space(path, header)
    affine = np.eye(4)
    steps = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, :3] = steps[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return affine, sitk.GetArrayFromImage(image), header


def _slices_first(grid: Grid, array: NDArray[Any]) -> tuple[Grid, NDArray[Any]]:
    """Reorder the axes, without flipping any: slices, rows, columns.

    The slice axis is the one with clearly the largest step, else the one nearest to the body's length; of the other
    two, the one nearest to left-right (for sagittal slices: to front-back) becomes the columns.
    """
    spacing, direction = grid.spacing_mm, np.abs(grid.direction)
    widest = np.argsort(spacing)
    along_body = int(np.argmax(direction[2]))
    k = int(widest[2]) if spacing[widest[2]] >= _CLEARLY_THICKER * spacing[widest[1]] else along_body
    rest = [axis for axis in range(3) if axis != k]
    # Columns run left-right where the slice shows it; a sagittal slice shows front-back instead.
    shown = 0 if int(np.argmax(direction[:, k])) != 0 else 1
    i = max(rest, key=lambda axis: direction[shown, axis])
    j = next(axis for axis in rest if axis != i)
    order = (k, j, i)
    affine = np.array(grid.affine)
    affine[:, :3] = grid.affine[:, list(order)]
    shape = (grid.shape[k], grid.shape[j], grid.shape[i])
    return Grid(shape=shape, affine=affine), np.ascontiguousarray(array.transpose(order))


def read_grid(header: Header) -> Grid:
    """Return the grid that the catalogue keeps of a volume file."""
    _, shape, affine = header.contents
    k, j, i = (int(value) for value in shape)
    return Grid(shape=(k, j, i), affine=np.array([float(value) for value in affine]).reshape(4, 4))


def read_volume_file(scan: Scan) -> Volume:
    """Read a NIfTI, NRRD or MetaImage volume.

    Returns
    -------
    Volume
        int16 where every value fits exactly, else float32.

    Raises
    ------
    ImageError
        If the file is damaged or has changed since it was catalogued.
    """
    grid, array = read_array(scan.files[0])
    if scan.grid is not None and not grid.is_close(scan.grid):
        raise GeometryError("the file has changed since it was catalogued", file=scan.files[0])
    if not np.isfinite(array).all():
        raise ImageError("voxels that are no numbers", file=scan.files[0])
    low, high = float(array.min()), float(array.max())
    fits = np.issubdtype(array.dtype, np.integer) and low >= _INT16.min and high <= _INT16.max
    voxels: NDArray[np.int16] | NDArray[np.float32] = (
        array.astype(np.int16, copy=False) if fits else array.astype(np.float32, copy=False)
    )
    return Volume(
        grid=grid,
        voxels=voxels,
        modality=scan.modality,
        series_uid=scan.series_uid,
        slice_thickness_mm=scan.slice_thickness_mm,
    )


def write_label_map(path: Path, grid: Grid, labels: NDArray[np.uint16]) -> None:
    """Write a label map (k, j, i) as NIfTI, in RAS as the format asks, with the axes (i, j, k) of the scan."""
    affine = _RAS_TO_LPS @ grid.affine
    affine[:, :3] = affine[:, [2, 1, 0]]
    image = nibabel.Nifti1Image(np.ascontiguousarray(labels.transpose(2, 1, 0)), affine)
    # A sheared grid has no qform: only the sform says where the voxels are.
    image.set_sform(affine, code=1)
    image.set_qform(None, code=0)
    nibabel.save(image, path)
