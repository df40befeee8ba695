"""A multipart answer (RFC 2046), part by part: whole parts or an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email.message import Message

import numpy as np

__all__ = ["CutShortError", "MultipartError", "boundary_of", "parts"]

_MOST_HEADER_BYTES = 16 * 1024
# Memory for parts is taken in blocks of this size, for which numpy asks the system for large pages: clearing small
# ones, one fault for each, takes as long as receiving what goes there.
_BLOCK_BYTES = 2**25


class MultipartError(Exception):
    """The answer is not what a multipart answer with DICOM objects must be; asking again will not help."""


class CutShortError(Exception):
    """The answer ends before its closing boundary: the sender died, or the line did."""


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a Content-Type header names.

    Raises
    ------
    MultipartError
        If the answer is not multipart, or names no boundary.
    """
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/related" or not boundary:
        raise MultipartError(message.get_content_type())
    return boundary.encode("ascii", "replace")


def parts(chunks: Iterable[bytes], boundary: bytes, *, most_bytes: int) -> Iterator[memoryview]:
    """Yield each part when it is whole, in the order of arrival; no more than a block of them is kept here.

    A part whose header tells its length is not searched for its end; it is where that length is not followed by a
    boundary.

    Parameters
    ----------
    most_bytes
        Of a part; a sender that goes on and on is stopped there.

    Raises
    ------
    MultipartError
        If a part is malformed, is no DICOM object, or is larger.
    CutShortError
        If the answer ends early.
    """
    mark = b"\r\n--" + boundary
    # The line end that precedes a boundary belongs to it; the first one stands at the very start and has none.
    stream, room = _Stream(chunks, b"\r\n"), _Room()
    stream.until(mark, most_bytes=_MOST_HEADER_BYTES)
    while stream.peek(2) != b"--":
        length = _length_of(stream.until(b"\r\n\r\n", most_bytes=_MOST_HEADER_BYTES))
        if length is not None and length <= most_bytes:
            place = room.of(length)
            if stream.fill(place, mark):
                yield place.toreadonly()
                continue
        yield memoryview(stream.until(mark, most_bytes=most_bytes))


def _length_of(head: bytes) -> int | None:
    """Return the length that a part's header tells; None where it tells none."""
    length = None
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.split(";")[0].strip()
        if name == "content-type" and value.lower() != "application/dicom":
            raise MultipartError(f"a part of type {value[:60]}")
        if name == "content-length" and value.isascii() and value.isdigit() and len(value) < 20:
            length = int(value)
    return length


class _Room:
    """Memory for one part after the other; a block is free again when nobody has a part in it any more."""

    def __init__(self) -> None:
        self._block = memoryview(bytearray())

    def of(self, size: int) -> memoryview:
        """Return room for so many bytes."""
        if size > len(self._block):
            self._block = np.empty(max(size, _BLOCK_BYTES), dtype=np.uint8).data
        taken, self._block = self._block[:size], self._block[size:]
        return taken


class _Stream:
    """Bytes that arrive in chunks, taken up to a mark; copied as seldom as can be, for there are many."""

    def __init__(self, chunks: Iterable[bytes], start: bytes) -> None:
        self._chunks = iter(chunks)
        self._data = start
        self._at = 0

    def _next(self) -> bytes:
        for chunk in self._chunks:
            if chunk:
                return chunk
        raise CutShortError

    def peek(self, count: int) -> bytes:
        """Return the next bytes without taking them."""
        while len(self._data) - self._at < count:
            self._data, self._at = self._data[self._at :] + self._next(), 0
        return self._data[self._at : self._at + count]

    def fill(self, place: memoryview, mark: bytes) -> bool:
        """Fill a place and take the mark that follows; where none does, take nothing and return False."""
        filled = 0
        try:
            while True:
                here = memoryview(self._data)[self._at : self._at + len(place) - filled]
                place[filled : filled + len(here)] = here
                self._at += len(here)
                filled += len(here)
                if filled == len(place):
                    break
                self._data, self._at = self._next(), 0
            follows = self.peek(len(mark)) == mark
        except CutShortError:
            follows = False
        if follows:
            self._at += len(mark)
        else:
            self._data, self._at = bytes(place[:filled]) + self._data[self._at :], 0
        return follows

    def until(self, mark: bytes, *, most_bytes: int) -> bytes:
        """Return everything before the next mark, and take the mark itself."""
        passed: list[bytes | memoryview] = []
        size, place = 0, self._data.find(mark, self._at)
        while place < 0:
            # A mark may stand across two chunks: its length is held back and looked at with the start of the next one.
            end = max(self._at, len(self._data) - len(mark) + 1)
            passed.append(memoryview(self._data)[self._at : end])
            size += end - self._at
            if size > most_bytes:
                break
            held_back, chunk = self._data[end:], self._next()
            seam = (held_back + chunk[: len(mark) - 1]).find(mark)
            if seam >= 0 or len(chunk) < len(mark):
                self._data, self._at, place = held_back + chunk, 0, seam
            else:
                passed.append(held_back)
                size += len(held_back)
                self._data, self._at, place = chunk, 0, chunk.find(mark)
        if size + max(0, place - self._at) > most_bytes:
            raise MultipartError(f"more than {most_bytes} bytes where a part or its header should have ended")
        passed.append(memoryview(self._data)[self._at : place])
        self._at = place + len(mark)
        return b"".join(passed)
