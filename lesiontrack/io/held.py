"""Objects that are in memory for a while and opened by name, like files: what was fetched from an archive.

Nothing of them touches a disk, so that nothing of a patient can stay there, however a process ends.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["held", "open_object"]

_HELD: list[Mapping[str, memoryview]] = []


@contextmanager
def held(objects: Mapping[str, memoryview]) -> Iterator[None]:
    """Let objects be opened by their names while the block lasts; a file of the same name is hidden."""
    _HELD.append(objects)
    try:
        yield
    finally:
        # The same mapping, not an equal one.
        _HELD[:] = [other for other in _HELD if other is not objects]


def open_object(name: Path | str) -> BinaryIO:
    """Open what is held under a name, else the file of that name.

    Raises
    ------
    OSError
        If there is neither.
    """
    for objects in reversed(_HELD):
        content = objects.get(str(name))
        if content is not None:
            return io.BufferedReader(_Held(str(name), content))
    return open(name, "rb")  # noqa: PTH123 (a Path costs as much as a walk over a header)


class _Held(io.RawIOBase):
    """What is held as a file; a copy of it, as ``BytesIO`` makes, would take as long as receiving it."""

    def __init__(self, name: str, content: memoryview) -> None:
        self.name = name
        self._content = content
        self._at = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be gone through in any order."""
        return True

    def readinto(self, place: Any) -> int:
        """Copy what follows into a place; return how much that was."""
        count = max(0, min(len(place), len(self._content) - self._at))
        memoryview(place)[:count] = self._content[self._at : self._at + count]
        self._at += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere; return where that is."""
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._content)}[whence]
        if at < 0:
            raise ValueError("before the start")
        self._at = at
        return at

    def tell(self) -> int:
        """Return where it is."""
        return self._at
