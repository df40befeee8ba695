"""Read a large JSON document piece by piece: the items of one top-level array, in constant memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from lesiontrack.errors import StudyError

__all__ = ["DUPLICATE", "Member", "stream_items"]

_CHUNK = 1 << 20
_LONGEST_ITEM = 1 << 26
# A key that a JSON object holds twice is kept under this name, so that its owner can name the place.
DUPLICATE = "\0duplicate key"


class Member(NamedTuple):
    """A top-level member, or with ``is_item`` one item of the top-level array asked for."""

    key: str
    value: Any
    is_item: bool


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                made[DUPLICATE] = key
            seen.add(key)
    return made


def stream_items(path: Path, array: str) -> Iterator[Member]:
    """Yield each top-level member, and each item of one top-level array by itself.

    Numbers with a fraction come as ``decimal.Decimal``. A byte order mark is skipped.

    Raises
    ------
    StudyError
        If the file cannot be read or is no JSON object: with the file and the place.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from _Reader(file, path).members(array)
    except OSError as error:
        raise StudyError("the file cannot be read", file=str(path), found=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise StudyError("the file is not UTF-8", file=str(path), found=f"byte {error.start}") from error


class _Reader:
    def __init__(self, file: TextIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._text = ""
        self._at = 0
        self._dropped = 0
        self._ended = False
        self._decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_constant=Decimal)

    def members(self, array: str) -> Iterator[Member]:
        self._expect("{")
        if self._peek() == "}":
            return
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise self._error("a name in quotes")
            self._expect(":")
            if key == array and self._peek() == "[":
                for item in self._items():
                    yield Member(key, item, True)
            else:
                yield Member(key, self._value(), False)
            if self._next("a comma or the closing brace") == "}":
                return

    def _items(self) -> Iterator[Any]:
        self._expect("[")
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            found = self._next("a comma or the closing bracket")
            if found == "]":
                return
            if found != ",":
                raise self._error("a comma or the closing bracket")

    def _value(self) -> Any:
        self._peek()
        size = _CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended or len(self._text) - self._at > _LONGEST_ITEM:
                    raise self._error(error.msg, self._dropped + error.pos) from error
            except RecursionError as error:
                raise self._error("values nested less deeply") from error
            else:
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            self._fill(size)
            size *= 2

    def _fill(self, size: int) -> None:
        more = self._file.read(size)
        self._ended = not more
        self._dropped += self._at
        self._text = self._text[self._at :] + more
        self._at = 0

    def _peek(self) -> str:
        while True:
            while self._at < len(self._text):
                if not self._text[self._at].isspace():
                    return self._text[self._at]
                self._at += 1
            if self._ended:
                raise self._error("more: the file ends too early")
            self._fill(_CHUNK)

    def _next(self, expected: str) -> str:
        found = self._peek()
        if found not in ",]}":
            raise self._error(expected)
        self._at += 1
        return found

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise self._error(f"'{character}'")
        self._at += 1

    def _error(self, expected: str, place: int | None = None) -> StudyError:
        where = self._dropped + self._at if place is None else place
        return StudyError("not valid JSON", file=str(self._path), found=f"at character {where}", expected=expected)
