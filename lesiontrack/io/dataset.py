"""One DICOM file, read safely: damaged, forged and inflated files end in an error, and no value is echoed."""

from __future__ import annotations

import datetime as dt
import io
import logging
import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lesiontrack.errors import ImageError
from lesiontrack.io.elements import Elements
from lesiontrack.io.held import open_object

__all__ = [
    "DECODE_ERRORS",
    "Headed",
    "day",
    "frame_count",
    "is_dicom",
    "items",
    "numbers",
    "quiet_pydicom",
    "read_dataset",
    "text",
    "transfer_syntax",
    "whole",
]

Headed = Dataset | Elements
"""A header, by pydicom or by the walk over plain files; the functions here ask either."""

# What pydicom and its decoders raise on damaged files, by experience with damaged files. Listed rather than caught
# broadly, so that a fault of our own is not taken for a fault of the data.
DECODE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    AttributeError,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    OverflowError,
    struct.error,
    zlib.error,
    RecursionError,
    AssertionError,
)

# Deflate packs zeros a thousandfold, so a ratio tells nothing; a header with its frames, and a whole object, do not
# honestly pass these.
_FILE_META_BYTES = 4096
_TEXT_VRS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI", "UT", "UC"})
_LARGEST_HEADER_BYTES = 64 * 2**20
_LARGEST_OBJECT_BYTES = 2**30


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom's warnings and log lines from echoing values of the header, while the block runs."""
    logger = logging.getLogger("pydicom")
    was, mode = logger.disabled, pydicom.config.settings.reading_validation_mode
    logger.disabled = True
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was
        pydicom.config.settings.reading_validation_mode = mode


def text(dataset: Headed, keyword: str) -> str:
    """Return an element as stripped text; empty where absent or unreadable. Several values are parted by backslashes.

    Plain text is taken from the bytes as they stand: pydicom's conversion, many times slower, is for the rest.
    """
    if isinstance(dataset, Elements):
        return dataset.texts.get(keyword, "")
    tag = _tag(keyword)
    try:
        if tag not in dataset:
            return ""
        element = dataset.get_item(tag)
        if isinstance(element, RawDataElement) and isinstance(element.value, bytes) and _is_plain(element, tag):
            return element.value.decode("ascii").strip("\0 ")
        value = dataset[tag].value
    except DECODE_ERRORS:
        return ""
    if value is None:
        return ""
    if isinstance(value, MultiValue | list | tuple):
        return "\\".join(str(part) for part in value).strip("\0 ")
    return str(value).strip("\0 ")


@cache
def _tag(keyword: str) -> BaseTag:
    number = tag_for_keyword(keyword)
    if number is None:
        raise KeyError(keyword)
    return Tag(number)


@cache
def _vr(tag: BaseTag) -> str:
    return dictionary_VR(tag)


def _is_plain(element: RawDataElement, tag: BaseTag) -> bool:
    return (element.VR or _vr(tag)) in _TEXT_VRS and element.value is not None and element.value.isascii()


def whole(dataset: Headed, keyword: str) -> int | None:
    """Return an element as a whole number; None where it is absent or empty.

    Raises
    ------
    ValueError, TypeError
        If it is anything else.
    """
    if isinstance(dataset, Elements):
        found = dataset.texts.get(keyword)
        return None if found is None else int(found)
    value = dataset.get(keyword)
    return None if value is None else int(value)


@cache
def _uid(value: str) -> UID:
    return UID(value)


def transfer_syntax(dataset: Headed) -> UID:
    """Return the transfer syntax."""
    if isinstance(dataset, Elements):
        return _uid(dataset.syntax)
    syntax: UID = dataset.file_meta.TransferSyntaxUID
    return syntax


def numbers(dataset: Headed, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return an element as ``count`` finite numbers; None where it is absent or anything else."""
    parts = text(dataset, keyword).split("\\")
    if len(parts) != count:
        return None
    try:
        values = tuple(float(part) for part in parts)
    except ValueError:
        return None
    return values if all(math.isfinite(value) for value in values) else None


def frame_count(dataset: Headed) -> int:
    """Return the number of frames that a header claims; 1 where it claims none."""
    value = numbers(dataset, "NumberOfFrames", 1)
    return max(1, int(value[0])) if value else 1


def day(dataset: Headed, keyword: str) -> str:
    """Return a DICOM date (also the old form with dots, and the start of a date-time) as ISO 8601; empty if none."""
    value = text(dataset, keyword).replace(".", "") if keyword.endswith("Date") else text(dataset, keyword)
    try:
        return dt.date(int(value[:4]), int(value[4:6]), int(value[6:8])).isoformat()
    except ValueError:
        return ""


def is_dicom(head: bytes) -> bool:
    """Tell by its first 132 bytes whether a file is DICOM: the magic word, or a first element of group 2 or 8."""
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8 or head[:4] not in _FIRST_TAGS:
        return False
    # An explicit VR is two capitals; an implicit length of a first element is small.
    return head[4:6].isalpha() or int.from_bytes(head[4:8], "little") < 256


# (0002,xxxx) and (0008,00xx), little and big endian: the first element of a data set without a preamble.
_FIRST_TAGS = frozenset(
    struct.pack(order, group, element)
    for order in ("<HH", ">HH")
    for group, elements in ((2, range(0x20)), (8, range(0x100)))
    for element in elements
)


def read_dataset(path: Path | str, *, pixels: bool = True) -> tuple[Dataset, int | None]:
    """Read a DICOM file, with or without its pixels; never more than a bounded amount of inflated data.

    Returns
    -------
    dataset
        With ``file_meta.TransferSyntaxUID`` always set.
    left
        Bytes that follow the header; None when pixels are read or when their number is not known.

    Raises
    ------
    ImageError
        If the file is no readable DICOM object.
    """
    try:
        with open_object(path) as file:
            stream, size = _inflated(file, str(path), whole=pixels)
            dataset = read_partial(stream, stop_when=None if pixels else _after_header, force=True)
            left = None if pixels or size is None else size - stream.tell()
    except DECODE_ERRORS as error:
        raise ImageError("not a readable DICOM object", file=str(path), found=type(error).__name__) from error
    meta = dataset.file_meta if hasattr(dataset, "file_meta") else FileMetaDataset()
    if "TransferSyntaxUID" not in meta:
        implicit = dataset.original_encoding[0]
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset.file_meta = meta
    return dataset, left


def _after_header(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    """Stop at the pixels, and at the zeros that fill a forged file."""
    return tag.group == 0x7FE0 or tag == 0


def _inflated(file: BinaryIO, path: str, *, whole: bool) -> tuple[BinaryIO, int | None]:
    """Return a stream of the file and its size; a deflated data set is inflated, to a limit.

    A header needs little: where only that is wanted, inflation stops early and the size is not known.
    """
    head = file.read(_FILE_META_BYTES)
    deflated = head[128:132] == b"DICM" and DeflatedExplicitVRLittleEndian.encode() in head
    meta = _file_meta(head) if deflated else FileMetaDataset()
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return file, size
    file.seek(132 + 12 + int(meta.FileMetaInformationGroupLength))
    limit = _LARGEST_OBJECT_BYTES if whole else _LARGEST_HEADER_BYTES
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(file.read(), limit)
    cut = bool(inflater.unconsumed_tail)
    if cut and whole:
        raise ImageError("deflated data expands too far", file=path, expected=f"at most {limit} bytes")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta, is_implicit_VR=False, is_little_endian=True)
    out = io.BytesIO()
    pydicom.dcmwrite(out, plain, implicit_vr=False, little_endian=True, enforce_file_format=False)
    out.write(body)
    whole_size = None if cut else out.tell()
    out.seek(0)
    return out, whole_size


def _file_meta(head: bytes) -> FileMetaDataset:
    """Return the file meta information that a file starts with: explicit, little endian (PS3.10, 7.1)."""
    end = 132 + 12 + int.from_bytes(head[140:144], "little")
    return FileMetaDataset(pydicom.filereader.read_dataset(io.BytesIO(head[132:end]), False, True))


def items(dataset: Headed, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where it is absent (the walk over plain files keeps no sequence)."""
    if isinstance(dataset, Elements):
        return []
    value = dataset.get(keyword)
    return list(value) if isinstance(value, pydicom.sequence.Sequence) else []
