"""View: what a reader sees of one place in one scan, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["View", "ViewKind"]

PointLps = tuple[float, float, float]


class ViewKind(StrEnum):
    """A square around a lesion, a square around the place of one that is gone, or a whole slice."""

    LESION = "LESION"
    PLACE = "PLACE"
    SLICE = "SLICE"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """An image of one slice or of a part of it, with the outlines that belong on it.

    Rows run down and columns to the right on the screen; pixels are square. A place in pixels is (row, column), the
    centre of the first pixel being (0, 0).

    Attributes
    ----------
    lesion_id
        The lesion that it shows; None for a whole slice and for the place of a lesion that is gone.
    centre_lps_mm
        The middle of the image, LPS mm of the scan.
    pixels
        uint8 (j, i), windowed.
    pixel_mm
        Edge of a pixel, mm.
    contours
        (lesion number, (n, 2) places in pixels) of every closed outline; negative numbers are treated zones.
    diameter_px, short_axis_px
        (2, 2) end points in pixels of the measured diameters; None where they do not lie in this slice.
    slice_index
        k of the slice in the volume.
    """

    timepoint: int
    series_uid: str
    kind: ViewKind
    lesion_id: int | None
    centre_lps_mm: PointLps
    pixels: NDArray[np.uint8]
    pixel_mm: float
    contours: tuple[tuple[int, NDArray[np.float64]], ...] = ()
    diameter_px: NDArray[np.float64] | None = None
    short_axis_px: NDArray[np.float64] | None = None
    slice_index: int = 0

    def describe(self) -> dict[str, Any]:
        """Return everything but the pixels in types that JSON knows; `from_description` is its inverse."""
        return {
            "timepoint": self.timepoint,
            "series_uid": self.series_uid,
            "kind": self.kind.value,
            "lesion_id": self.lesion_id,
            "centre_lps_mm": list(self.centre_lps_mm),
            "pixel_mm": self.pixel_mm,
            "contours": [[number, places.tolist()] for number, places in self.contours],
            "diameter_px": None if self.diameter_px is None else self.diameter_px.tolist(),
            "short_axis_px": None if self.short_axis_px is None else self.short_axis_px.tolist(),
            "slice_index": self.slice_index,
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any], pixels: NDArray[np.uint8]) -> View:
        """Rebuild a view from its description and its pixels, uint8 (j, i).

        Raises
        ------
        KeyError
            If the description lacks an entry.
        """
        x, y, z = (float(c) for c in description["centre_lps_mm"])
        return cls(
            timepoint=description["timepoint"],
            series_uid=description["series_uid"],
            kind=ViewKind(description["kind"]),
            lesion_id=description["lesion_id"],
            centre_lps_mm=(x, y, z),
            pixels=pixels,
            pixel_mm=description["pixel_mm"],
            contours=tuple((number, np.array(places)) for number, places in description["contours"]),
            diameter_px=_places(description["diameter_px"]),
            short_axis_px=_places(description["short_axis_px"]),
            slice_index=description["slice_index"],
        )


def _places(values: list[list[float]] | None) -> NDArray[np.float64] | None:
    return None if values is None else np.array(values, dtype=np.float64)
