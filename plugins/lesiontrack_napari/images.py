"""Images: the volumes of a case, read when they are looked at, two of them kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from lesiontrack.domain.geometry import Volume
from lesiontrack.domain.study import Scan

__all__ = ["Images"]

ReadVolume = Callable[[Scan], Volume]


class Images:
    """Reads volumes through the project's own readers and keeps the last few.

    Parameters
    ----------
    keep
        How many stay in memory: one for each pane.
    """

    def __init__(self, read: ReadVolume, *, keep: int = 2) -> None:
        self._read = read
        self._keep = keep
        self._kept: OrderedDict[str, Volume] = OrderedDict()

    def volume(self, scan: Scan) -> Volume:
        """Return the voxels of a scan.

        Raises
        ------
        LesiontrackError
            With visit and file, if they are not there or cannot be trusted.
        """
        if scan.series_uid in self._kept:
            self._kept.move_to_end(scan.series_uid)
            return self._kept[scan.series_uid]
        while len(self._kept) >= self._keep:
            self._kept.popitem(last=False)
        self._kept[scan.series_uid] = self._read(scan)
        return self._kept[scan.series_uid]

    def forget(self) -> None:
        """Let all of them go."""
        self._kept.clear()
