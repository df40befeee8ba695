"""The plain elements of a DICOM header by one walk over its bytes: what makes cataloguing fast.

pydicom builds objects for every element; of most files the catalogue asks for a few dozen short texts and numbers. A
file that is in any way out of the ordinary (big endian, deflated, functional groups, an order, type or character set
that is not plain) is left to pydicom: the walk returns None rather than guess. Encodings by PS3.5, sections 6.2, 7.1
and 7.5.
"""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.uid import (
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from lesiontrack.io.held import open_object

__all__ = ["Elements", "plain_elements"]

# A header without private bulk fits the first; with it, hardly ever not the second.
_FIRST_BYTES = 2**14
_MOST_BYTES = 2**21
_MOST_NESTED = 16
_UNDEFINED = 0xFFFFFFFF
_PIXELS = 0x7FE0
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SPECIFIC_CHARACTER_SET = 0x00080005

_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_TEXT_VRS = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UI UC UT".split())
_NUMBER_VRS = {b"US": "<H", b"SS": "<h", b"UL": "<I", b"SL": "<i", b"FD": "<d", b"FL": "<f"}
_PLAIN_SYNTAXES = frozenset(map(str, AllTransferSyntaxes)) - {DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian}
# Character sets whose bytes are characters, without escapes.
_CODECS = {"": "ascii", "ISO_IR 6": "ascii", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}

_explicit_head = struct.Struct("<HH2sH").unpack_from
_implicit_head = struct.Struct("<HHI").unpack_from
_long_length = struct.Struct("<I").unpack_from


class _NotPlainError(Exception):
    """The walk does not understand the file."""


class _NeedMoreError(Exception):
    """The header goes on behind the bytes at hand."""


class Elements:
    """Texts of a header's elements by keyword, as ``dataset.text`` would give them.

    Attributes
    ----------
    syntax
        Transfer syntax UID.
    left
        Bytes that follow the header.
    size
        Of the file, bytes.
    """

    __slots__ = ("left", "size", "syntax", "texts")

    def __init__(self, *, syntax: str, texts: dict[str, str], left: int, size: int) -> None:
        self.syntax = syntax
        self.texts = texts
        self.left = left
        self.size = size

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.texts


@cache
def _wanted(keywords: tuple[str, ...]) -> dict[int, tuple[str, bytes]]:
    """Return keyword and type by tag."""
    found = {}
    for keyword in keywords:
        tag = tag_for_keyword(keyword)
        assert tag is not None and keyword_for_tag(tag) == keyword
        found[tag] = (keyword, dictionary_VR(tag).encode())
    return found


def plain_elements(
    path: Path | str, keywords: tuple[str, ...], groups: frozenset[int] = frozenset()
) -> tuple[Elements | None, bytes]:
    """Return the elements of a plain DICOM file, and its first bytes.

    Parameters
    ----------
    keywords
        Elements to return; others are skipped.
    groups
        Tags whose presence makes the file one for pydicom.

    Returns
    -------
    elements
        None where the file is not plain.
    head
        The file's first bytes, at least 132 where it has so many.
    """
    with open_object(path) as file:
        head = file.read(_FIRST_BYTES)
        if head[128:132] != b"DICM":
            return None, head
        size = file.seek(0, 2)
        data = head
        while True:
            try:
                return _walk(data, size, _wanted(keywords), groups), head
            except (_NotPlainError, UnicodeDecodeError):
                return None, head
            except (_NeedMoreError, struct.error):
                if len(data) >= min(size, _MOST_BYTES):
                    return None, head
                file.seek(0)
                data = file.read(_MOST_BYTES)


def _walk(data: bytes, size: int, wanted: dict[int, tuple[str, bytes]], groups: frozenset[int]) -> Elements:
    syntax, at = _meta(data)
    if syntax not in _PLAIN_SYNTAXES:
        raise _NotPlainError
    implicit = syntax == ImplicitVRLittleEndian
    texts: dict[str, str] = {}
    codec, last, end = "ascii", 0x0002FFFF, len(data)
    while at != size:
        if implicit:
            group, element, length = _implicit_head(data, at)
            vr = b""
            at += 8
        else:
            group, element, vr, length = _explicit_head(data, at)
            at += 8
            if vr in _LONG_VRS:
                length = _long_length(data, at)[0]
                at += 4
            elif vr not in _SHORT_VRS:
                raise _NotPlainError
        if group == _PIXELS:
            at -= 12 if vr in _LONG_VRS else 8
            break
        tag = group << 16 | element
        if tag <= last or tag in groups:
            raise _NotPlainError
        last = tag
        if length == _UNDEFINED:
            if vr == b"UN" or tag in wanted:
                raise _NotPlainError
            at = _after_items(data, at, implicit, 0)
            continue
        after = at + length
        if after > end:
            raise _NotPlainError if after > size else _NeedMoreError
        if tag in wanted:
            keyword, known = wanted[tag]
            if vr and vr != known and not (vr in _TEXT_VRS and known in _TEXT_VRS):
                raise _NotPlainError
            texts[keyword] = _text(data[at:after], known, codec)
        elif tag == _SPECIFIC_CHARACTER_SET:
            codec = _codec(data[at:after])
        at = after
    return Elements(syntax=syntax, texts=texts, left=size - at, size=size)


def _meta(data: bytes) -> tuple[str, int]:
    """Return the transfer syntax and where the data set starts."""
    at, syntax = 132, ""
    while True:
        group, element, vr, length = _explicit_head(data, at)
        if group != 2:
            break
        at += 8
        if vr in _LONG_VRS:
            length = _long_length(data, at)[0]
            at += 4
        elif vr not in _SHORT_VRS:
            raise _NotPlainError
        if at + length > len(data):
            raise _NotPlainError
        if element == 0x0010:
            syntax = data[at : at + length].decode("ascii").strip("\0 ")
        at += length
    if not syntax:
        raise _NotPlainError
    return syntax, at


def _codec(value: bytes) -> str:
    """Return the codec of a character set; "" where it is none of the plain ones, so that only ASCII is read."""
    return _CODECS.get(value.decode("ascii").strip("\0 "), "ascii")


def _text(value: bytes, vr: bytes, codec: str) -> str:
    """Return a value as ``dataset.text`` would; what would need more than its bytes is out of the ordinary."""
    if vr in _TEXT_VRS:
        return (value.decode("ascii") if value.isascii() else value.decode(codec)).strip("\0 ")
    form = _NUMBER_VRS.get(vr)
    if not value and vr != b"US":
        return ""
    if form is None or len(value) != struct.calcsize(form):
        raise _NotPlainError
    return str(struct.unpack(form, value)[0])


def _after_items(data: bytes, at: int, implicit: bool, depth: int) -> int:
    """Return where a sequence of undefined length ends."""
    if depth > _MOST_NESTED:
        raise _NotPlainError
    while True:
        group, element, length = _implicit_head(data, at)
        at += 8
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            return at
        if tag != _ITEM:
            raise _NotPlainError
        at = at + length if length != _UNDEFINED else _after_elements(data, at, implicit, depth)
        if at > len(data):
            raise _NeedMoreError


def _after_elements(data: bytes, at: int, implicit: bool, depth: int) -> int:
    """Return where an item of undefined length ends."""
    while True:
        group, element, length = _implicit_head(data, at)
        if group << 16 | element == _ITEM_END:
            return at + 8
        if implicit:
            at += 8
        else:
            _, _, vr, length = _explicit_head(data, at)
            at += 8
            if vr in _LONG_VRS:
                length = _long_length(data, at)[0]
                at += 4
                if vr == b"UN" and length == _UNDEFINED:
                    raise _NotPlainError
            elif vr not in _SHORT_VRS:
                raise _NotPlainError
        at = at + length if length != _UNDEFINED else _after_items(data, at, implicit, depth + 1)
        if at > len(data):
            raise _NeedMoreError
