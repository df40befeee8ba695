"""How a decision names a visit and a lesion, so that it finds them again after a rerun with another engine.

Never by number: a visit by the series that was looked at and its date, a lesion by its place and size in that series.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from lesiontrack.domain.lesion import Lesion
from lesiontrack.domain.study import Visit
from lesiontrack.errors import DecisionError

__all__ = ["LesionRef", "PointLps", "VisitRef"]

PointLps = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRef:
    """A visit: the date and the Series Instance UID of one of its scans."""

    date: dt.date
    series_uid: str

    @classmethod
    def of(cls, visit: Visit) -> VisitRef:
        """Name a visit by its first measured scan, or its first scan."""
        scan = (visit.measured_scans or visit.scans)[0]
        return cls(date=scan.date, series_uid=scan.series_uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionRef:
    """A lesion in one scan.

    Attributes
    ----------
    date, series_uid
        Of the scan.
    place_lps_mm
        Its centroid in the scan's own patient coordinates, LPS mm.
    volume_mm3
        Its volume: with the place, a sphere whose overlap with a later run's lesions tells which of them it is.
    """

    date: dt.date
    series_uid: str
    place_lps_mm: PointLps
    volume_mm3: float

    def __post_init__(self) -> None:
        if not self.volume_mm3 > 0:
            raise DecisionError("a decision names a lesion without a volume", found=str(self.volume_mm3))

    @classmethod
    def of(cls, lesion: Lesion) -> LesionRef:
        """Name a lesion as it is measured now."""
        return cls(
            date=lesion.date,
            series_uid=lesion.series_uid,
            place_lps_mm=lesion.centroid_lps_mm,
            volume_mm3=lesion.volume_mm3,
        )

    @property
    def visit(self) -> VisitRef:
        """The visit that it is seen in."""
        return VisitRef(date=self.date, series_uid=self.series_uid)
