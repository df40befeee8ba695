"""Objects that are in memory for a while and opened by name, like files: what was fetched from an archive.

Nothing of them touches a disk, so that nothing of a patient can stay there, however a process ends.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["held", "open_object"]

_HELD: list[Mapping[str, bytes]] = []


@contextmanager
def held(objects: Mapping[str, bytes]) -> Iterator[None]:
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
            return io.BytesIO(content)
    return open(name, "rb")  # noqa: PTH123 (a Path costs as much as a walk over a header)
