"""A multipart answer (RFC 2046), part by part: whole parts or an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email.message import Message

__all__ = ["CutShortError", "MultipartError", "boundary_of", "parts"]

_MOST_HEADER_BYTES = 16 * 1024


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


def parts(chunks: Iterable[bytes], boundary: bytes, *, most_bytes: int) -> Iterator[bytes]:
    """Yield each part when it is whole, in the order of arrival; no more than one of them is kept here.

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
    stream = _Stream(chunks, b"\r\n")
    stream.until(mark, most_bytes=_MOST_HEADER_BYTES)
    while stream.peek(2) != b"--":
        _require_dicom(stream.until(b"\r\n\r\n", most_bytes=_MOST_HEADER_BYTES))
        yield stream.until(mark, most_bytes=most_bytes)


def _require_dicom(head: bytes) -> None:
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type" and value.split(";")[0].strip().lower() != "application/dicom":
            raise MultipartError(f"a part of type {value.split(';')[0].strip()[:60]}")


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
