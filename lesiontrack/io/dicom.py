"""DICOM series to volumes: geometry from the headers first, then pixels into one preallocated array."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless

from lesiontrack.domain.geometry import Volume
from lesiontrack.domain.study import Scan
from lesiontrack.errors import GeometryError, ImageError, LesiontrackError
from lesiontrack.io.dataset import DECODE_ERRORS, frame_count, numbers, quiet_pydicom, read_dataset, text, whole
from lesiontrack.io.headers import Plane, read_planes
from lesiontrack.io.series import Stack, stacks_of
from lesiontrack.io.settings import ArchiveSettings

__all__ = ["frames_of", "pixel_digest", "read_dicom_volume", "same_pixels", "stack_of"]

Stored = NDArray[Any]
Voxels = NDArray[np.int16] | NDArray[np.float32]
_INT16 = np.iinfo(np.int16)
# Where pydicom's first choice among equal decoders is not the fastest.
_FASTEST_DECODER: Mapping[str, str] = {JPEGLSLossless: "pyjpegls", JPEGLSNearLossless: "pyjpegls"}


def read_dicom_volume(scan: Scan, settings: ArchiveSettings) -> Volume:
    """Read the pixels of a catalogued scan.

    The geometry is derived again from the headers that come with the pixels, so that a file that was changed after
    the catalogue was made is noticed.

    Returns
    -------
    Volume
        Voxels (k, j, i); int16 where every rescaled value fits exactly, else float32. Hounsfield units for CT.

    Raises
    ------
    ImageError
        If a file is damaged, truncated, or has changed since it was catalogued.
    """
    with quiet_pydicom():
        planes = tuple(plane for file in scan.files for plane in read_planes(file))
        stack = stack_of(scan, planes, settings)
        voxels, thickness = _voxels(stack)
    if stack.uneven:
        voxels = _resampled(voxels, stack)
    return Volume(
        grid=stack.grid,
        voxels=voxels,
        modality=scan.modality,
        series_uid=scan.series_uid,
        sop_instance_uids=_instances(stack),
        slice_thickness_mm=scan.slice_thickness_mm or thickness or float(stack.grid.spacing_mm[0]),
        notes=tuple(dict.fromkeys((*scan.notes, *stack.notes))),
    )


def stack_of(scan: Scan, planes: tuple[Plane, ...], settings: ArchiveSettings) -> Stack:
    """Assemble the planes of a scan's files again, as they were catalogued.

    Raises
    ------
    GeometryError
        If they do not give the volume that the catalogue has.
    """
    part = int(scan.series_uid.rpartition("#")[2]) if "#" in scan.series_uid else 0
    stacks = stacks_of(planes, settings, same_pixels)
    # The files of one phase assemble into one stack; only a multi-frame file still holds all phases.
    stack = stacks[0] if len(stacks) == 1 else next((one for one in stacks if one.part == part), None)
    if stack is None or (scan.grid is not None and not stack.grid.is_close(scan.grid)):
        raise GeometryError("the files have changed since they were catalogued", file=scan.files[0])
    return stack


def _instances(stack: Stack) -> tuple[str, ...]:
    uids = tuple(plane.sop_instance_uid for plane in stack.planes)
    if len(uids) == stack.grid.shape[0]:
        return uids
    places = np.array([plane.position_lps_mm for plane in stack.planes])
    centres = stack.grid.to_lps_mm(np.array([[k, 0, 0] for k in range(stack.grid.shape[0])]))
    nearest = [int(np.argmin(np.linalg.norm(places - centre, axis=1))) for centre in centres]
    return tuple(uids[i] for i in nearest)


def _voxels(stack: Stack) -> tuple[Voxels, float | None]:
    """Read all planes of a stack, file by file, into one array in slice order."""
    wanted: dict[str, dict[int, int]] = {}
    for k, plane in enumerate(stack.planes):
        wanted.setdefault(plane.file, {})[plane.frame] = k
    voxels: Voxels = np.empty((len(stack.planes), *stack.grid.shape[1:]), dtype=np.int16)
    thickness, bare = None, 0
    for file, frames in wanted.items():
        try:
            dataset, _ = read_dataset(file)
            thickness = thickness or numbers(dataset, "SliceThickness", 1)
            for frame, stored in frames_of(dataset, sorted(frames)):
                if stored.shape != voxels.shape[1:]:
                    raise ImageError("not one value for each pixel", file=file, found=str(stored.shape))
                source = _rescale_source(dataset, frame)
                bare += "RescaleSlope" not in source and "RescaleIntercept" not in source
                voxels = _put(voxels, frames[frame], stored, _rescale(source))
        except LesiontrackError as error:
            raise error.at(file=file) from error
        except DECODE_ERRORS as error:
            raise ImageError("pixels cannot be decoded", file=file, found=type(error).__name__) from error
    if 0 < bare < len(stack.planes):
        raise ImageError("rescale missing", file=stack.planes[0].file, found=f"{bare} of {len(stack.planes)} slices")
    return voxels, thickness[0] if thickness else None


def frames_of(dataset: Dataset, wanted: list[int]) -> Iterator[tuple[int, Stored]]:
    """Yield (frame, stored values (rows, columns)) of a data set, one frame in memory at a time."""
    length = dataset.get("PixelData")
    if length is None:
        raise ImageError("no pixel data")
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        _require_bytes(dataset)
        if int(dataset.BitsAllocated) == 1 and syntax.is_little_endian:
            yield from _frames_of_bits(dataset, wanted)
            return
        if _is_plain(dataset):
            yield from _plain_frames(dataset, wanted)
            return
    decoder = _FASTEST_DECODER.get(syntax, "")
    frames = iter_pixels(dataset, indices=wanted, raw=True, decoding_plugin=decoder)
    for number in wanted:
        try:
            stored = next(frames)
        except BaseException as error:
            # The RLE decoder is Rust: on damaged data it panics with a class that no module exports and that is no
            # Exception. Everything else goes on as it came.
            if type(error).__name__ == "PanicException":
                raise ImageError("pixels cannot be decoded", found="panic of the decoder") from error
            raise
        yield number, stored


def _is_plain(dataset: Dataset) -> bool:
    """Tell whether pixels are one little-endian number of 16 bits each, as nearly all CT and MR."""
    stored = whole(dataset, "BitsStored") or 0
    return (
        dataset.file_meta.TransferSyntaxUID.is_little_endian
        and whole(dataset, "BitsAllocated") == 16
        and (whole(dataset, "SamplesPerPixel") or 1) == 1
        and 1 <= stored <= 16
        and whole(dataset, "PixelRepresentation") in (0, 1)
    )


def _plain_frames(dataset: Dataset, wanted: list[int]) -> Iterator[tuple[int, Stored]]:
    """Hand out such frames without a copy; pydicom's way to them takes longer than reading the file."""
    shape = (frame_count(dataset), int(dataset.Rows), int(dataset.Columns))
    kind = "<i2" if int(dataset.PixelRepresentation) else "<u2"
    pixels = np.frombuffer(dataset.PixelData, dtype=kind, count=int(np.prod(shape))).reshape(shape)
    # Above the bits stored anything may stand, the sign's continuation included (PS3.5 8.1.1).
    spare = 16 - int(dataset.BitsStored)
    for number in wanted:
        yield number, (pixels[number] << spare) >> spare if spare else pixels[number]


def _frames_of_bits(dataset: Dataset, wanted: list[int]) -> Iterator[tuple[int, Stored]]:
    """Unpack frames of single bits, which follow each other without padding, low bit first (PS3.5 8.1.1).

    A frame can start and end within a byte; pydicom 3.0 hands out too many bits then.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    packed = np.frombuffer(dataset.PixelData, dtype=np.uint8)
    for number in wanted:
        first, into = divmod(number * rows * columns, 8)
        last = first + (into + rows * columns + 7) // 8
        bits = np.unpackbits(packed[first:last], bitorder="little")
        yield number, bits[into : into + rows * columns].reshape(rows, columns)


def _require_bytes(dataset: Dataset) -> None:
    bits = int(dataset.Rows) * int(dataset.Columns) * frame_count(dataset) * int(dataset.BitsAllocated)
    need = (bits * int(dataset.get("SamplesPerPixel", 1)) + 7) // 8
    found = len(dataset.PixelData)
    if found < need:
        raise ImageError("pixel data truncated", found=f"{found} bytes", expected=f"{need}")
    # Padding is a few bytes; a row more means that rows or columns are not what the header says.
    if found >= need + max(64, int(dataset.Columns) * int(dataset.BitsAllocated) // 8):
        raise ImageError("pixel data longer than the header claims", found=f"{found} bytes", expected=f"{need}")


def _rescale(source: Dataset) -> tuple[float, float]:
    """Return a frame's rescale slope and intercept (PS3.3 C.11.1, C.7.6.16.2.9)."""
    if "ModalityLUTSequence" in source:
        raise ImageError("values by a look-up table are not supported")
    slope = (numbers(source, "RescaleSlope", 1) or (1.0,))[0]
    intercept = (numbers(source, "RescaleIntercept", 1) or (0.0,))[0]
    if slope == 0:
        raise ImageError("rescale slope is 0: every voxel would be equal")
    return slope, intercept


def _rescale_source(dataset: Dataset, frame: int) -> Dataset:
    for groups, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        items = dataset.get(groups) or []
        if index < len(items):
            for found in items[index].get("PixelValueTransformationSequence") or []:
                return Dataset(found)
    return dataset


def _put(voxels: Voxels, k: int, stored: Stored, rescale: tuple[float, float]) -> Voxels:
    """Rescale and store one plane; the volume becomes float32 as soon as one value does not fit int16 exactly."""
    slope, intercept = rescale
    whole = np.issubdtype(stored.dtype, np.integer) and slope.is_integer() and intercept.is_integer()
    if not whole:
        voxels = voxels.astype(np.float32, copy=False)
        voxels[k] = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        return voxels
    ends = [int(stored.min()) * int(slope) + int(intercept), int(stored.max()) * int(slope) + int(intercept)]
    if voxels.dtype == np.int16 and _INT16.min <= min(ends) and max(ends) <= _INT16.max:
        # In place and modulo 2**16, which is exact because every result fits.
        plane = voxels[k]
        np.copyto(plane, stored, casting="unsafe")
        plane *= np.array(int(slope)).astype(np.int16)
        plane += np.array(int(intercept)).astype(np.int16)
        return voxels
    voxels = voxels.astype(np.float32, copy=False)
    voxels[k] = stored.astype(np.int64) * int(slope) + int(intercept)
    return voxels


def same_pixels(one: Plane, other: Plane) -> bool:
    """Tell whether two planes have equal stored pixels."""
    if one.file == other.file and one.frame == other.frame:
        return True
    try:
        return pixel_digest(one) == pixel_digest(other)
    except ImageError:
        return False


def pixel_digest(plane: Plane) -> str:
    """Return a digest of a plane's stored pixels and their rescale.

    Raises
    ------
    ImageError
        If they cannot be decoded.
    """
    with quiet_pydicom():
        dataset, _ = read_dataset(plane.file)
        try:
            for _, stored in frames_of(dataset, [plane.frame]):
                scale = f"{stored.dtype}{text(dataset, 'RescaleSlope')}/{text(dataset, 'RescaleIntercept')}"
                return hashlib.sha256(scale.encode() + stored.tobytes()).hexdigest()
        except DECODE_ERRORS as error:
            raise ImageError("pixels cannot be decoded", file=plane.file) from error
    raise ImageError("no pixel data", file=plane.file)


def _resampled(voxels: Voxels, stack: Stack) -> Voxels:
    """Interpolate unevenly spaced planes linearly onto the even grid."""
    normal = stack.grid.direction[:, 0]
    places = np.array([plane.position_lps_mm for plane in stack.planes]) @ normal
    wanted = places[0] + np.arange(stack.grid.shape[0]) * stack.grid.spacing_mm[0]
    upper = np.clip(np.searchsorted(places, wanted), 1, len(places) - 1)
    share = np.clip((wanted - places[upper - 1]) / (places[upper] - places[upper - 1]), 0, 1)
    out = np.empty(stack.grid.shape, dtype=voxels.dtype)
    for k, (high, part) in enumerate(zip(upper, share)):
        plane = voxels[high - 1] * (1 - part) + voxels[high] * part
        out[k] = np.rint(plane) if voxels.dtype == np.int16 else plane
    result: Voxels = out
    return result
