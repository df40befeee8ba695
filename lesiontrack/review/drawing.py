"""Drawing: a lesion as a reader outlined or measured it, with the voxels where there are any."""

from __future__ import annotations

import base64
import datetime as dt
import math
import zlib
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.lesion import Lesion
from lesiontrack.errors import DecisionError
from lesiontrack.review.references import LesionRef, PointLps

__all__ = ["Drawing", "Ends", "Mask", "length_mm"]

Ends = tuple[PointLps, PointLps]

_TENTH = Decimal("0.1")


def length_mm(ends_lps_mm: Ends) -> Decimal:
    """Return the distance of two end points, rounded once to 0.1 mm as measured lengths are.

    Raises
    ------
    DecisionError
        If it is no length: not finite, or below 0.1 mm.
    """
    length = math.dist(*ends_lps_mm)
    rounded = Decimal(length).quantize(_TENTH, rounding=ROUND_HALF_EVEN) if math.isfinite(length) else Decimal(0)
    if rounded <= 0:
        raise DecisionError("end points that span no diameter", found=str(ends_lps_mm), expected="0.1 mm or more")
    return rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """Voxels of one lesion in a series: a box of its grid, one bit a voxel, packed into text.

    ``start_kji`` and ``shape`` are in (k, j, i) of the series' grid.
    """

    start_kji: tuple[int, int, int]
    shape: tuple[int, int, int]
    packed: str

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Mask:
        """Pack a mask (k, j, i) on the series' whole grid.

        Raises
        ------
        DecisionError
            If it has no voxel.
        """
        if not mask.any():
            raise DecisionError("an outline without a voxel")
        bounds = [np.nonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))[0] for axis in range(3)]
        start = (int(bounds[0][0]), int(bounds[1][0]), int(bounds[2][0]))
        stop = [int(b[-1]) + 1 for b in bounds]
        box = mask[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]
        packed = base64.b64encode(zlib.compress(np.packbits(box).tobytes(), 9)).decode("ascii")
        return cls(start_kji=start, shape=(box.shape[0], box.shape[1], box.shape[2]), packed=packed)

    def on(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """Return the mask on a grid of a shape, bool (k, j, i).

        Raises
        ------
        DecisionError
            If its box does not lie in that grid: the series is another than the one drawn on.
        """
        stop = tuple(a + n for a, n in zip(self.start_kji, self.shape, strict=True))
        if any(a < 0 or b > n for a, b, n in zip(self.start_kji, stop, shape, strict=True)):
            raise DecisionError("an outline does not lie in its series", found=str(stop), expected=f"within {shape}")
        bits = np.frombuffer(zlib.decompress(base64.b64decode(self.packed)), dtype=np.uint8)
        count = self.shape[0] * self.shape[1] * self.shape[2]
        whole = np.zeros(shape, dtype=np.bool_)
        box = np.unpackbits(bits, count=count).astype(np.bool_).reshape(self.shape)
        whole[self.start_kji[0] : stop[0], self.start_kji[1] : stop[1], self.start_kji[2] : stop[2]] = box
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A lesion in one scan by a reader's hand; the meaning of each field is that of ``domain.lesion.Lesion``."""

    date: dt.date
    series_uid: str
    site: str
    centroid_lps_mm: PointLps
    longest_diameter_mm: Decimal
    short_axis_mm: Decimal
    volume_mm3: float
    diameter_ends_lps_mm: Ends
    short_axis_ends_lps_mm: Ends | None = None
    sop_instance_uid: str = ""
    slice_index: int = 0
    n_slices: int = 1
    slice_thickness_mm: float | None = None
    mask: Mask | None = None

    def __post_init__(self) -> None:
        if not self.volume_mm3 > 0 or self.longest_diameter_mm <= 0:
            raise DecisionError("a drawn lesion without a size", found=f"{self.longest_diameter_mm} mm")

    @classmethod
    def of(cls, lesion: Lesion, mask: NDArray[np.bool_] | None = None) -> Drawing:
        """Take what was measured of an outline; ``mask`` (k, j, i) is the outline on the series' grid."""
        return cls(
            date=lesion.date,
            series_uid=lesion.series_uid,
            site=str(lesion.site),
            centroid_lps_mm=lesion.centroid_lps_mm,
            longest_diameter_mm=lesion.longest_diameter_mm,
            short_axis_mm=lesion.short_axis_mm,
            volume_mm3=lesion.volume_mm3,
            diameter_ends_lps_mm=lesion.diameter_ends_lps_mm,
            short_axis_ends_lps_mm=lesion.short_axis_ends_lps_mm,
            sop_instance_uid=lesion.sop_instance_uid,
            slice_index=lesion.slice_index,
            n_slices=lesion.n_slices,
            slice_thickness_mm=lesion.slice_thickness_mm,
            mask=None if mask is None else Mask.of(mask),
        )

    @classmethod
    def of_diameter(
        cls,
        ends_lps_mm: Ends,
        *,
        date: dt.date,
        series_uid: str,
        site: str,
        short_axis_ends_lps_mm: Ends | None = None,
        slice_thickness_mm: float | None = None,
    ) -> Drawing:
        """Take a diameter alone: the lesion counts as the sphere on it, and its short axis, if not drawn, as long."""
        longest = length_mm(ends_lps_mm)
        short = length_mm(short_axis_ends_lps_mm) if short_axis_ends_lps_mm is not None else longest
        (ax, ay, az), (bx, by, bz) = ends_lps_mm
        return cls(
            date=date,
            series_uid=series_uid,
            site=site,
            centroid_lps_mm=((ax + bx) / 2, (ay + by) / 2, (az + bz) / 2),
            longest_diameter_mm=longest,
            short_axis_mm=min(short, longest),
            volume_mm3=math.pi / 6.0 * float(longest) ** 3,
            diameter_ends_lps_mm=ends_lps_mm,
            short_axis_ends_lps_mm=short_axis_ends_lps_mm,
            slice_thickness_mm=slice_thickness_mm,
        )

    @property
    def ref(self) -> LesionRef:
        """How later decisions name the drawn lesion."""
        return LesionRef(
            date=self.date,
            series_uid=self.series_uid,
            place_lps_mm=self.centroid_lps_mm,
            volume_mm3=self.volume_mm3,
        )
