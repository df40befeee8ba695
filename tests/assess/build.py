"""Small hand-made histories: one scan a visit, lesions placed by hand, every registration the identity."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from lesiontrack.domain.geometry import Grid, Transform
from lesiontrack.domain.history import History, Registration
from lesiontrack.domain.lesion import (
    Certainty,
    Fate,
    Lesion,
    LesionStatus,
    Missing,
    MissingState,
    Track,
    TreatedZone,
)
from lesiontrack.domain.study import ClinicalFacts, LocalTreatment, Scan, Subject, Visit

BASE = dt.date(2024, 1, 2)
START = dt.date(2024, 1, 8)
BOX = Grid(shape=(40, 100, 100), affine=np.diag([5.0, 3.0, 3.0, 1.0])[[2, 1, 0, 3]])


def day(number: int) -> dt.date:
    """Return a day counted from 2024-01-01."""
    return dt.date(2024, 1, 1) + dt.timedelta(days=number)


@dataclass
class Builder:
    """Collects visits, tracks and clinical facts; ``build`` makes the history.

    A track is given by its diameters, one for each visit: a number (mm), None (not seen), a list (fragments), or
    "TSTM". Tracks lie 20 mm apart.
    """

    dates: Sequence[dt.date]
    modality: str | Sequence[str] = "CT"
    usable: Sequence[bool] | None = None
    start: dt.date | None = START
    clinical: Mapping[str, Any] | None = field(default_factory=dict)
    trusted: bool | Mapping[int, bool] = True
    _tracks: list[Track] = field(default_factory=list)
    _lesions: list[Lesion] = field(default_factory=list)
    _missing: list[Missing] = field(default_factory=list)
    _zones: list[TreatedZone] = field(default_factory=list)
    _next: dict[int, int] = field(default_factory=dict)

    def _is_trusted(self, timepoint: int) -> bool:
        return self.trusted if isinstance(self.trusted, bool) else self.trusted.get(timepoint, True)

    def _is_usable(self, timepoint: int) -> bool:
        return self.usable is None or self.usable[timepoint]

    def place(self, number: int) -> tuple[float, float, float]:
        """Return the place of the n-th track, LPS mm."""
        return (20.0 + 20.0 * (number % 10), 30.0 + 20.0 * (number // 10), 60.0)

    def track(
        self,
        *sizes: float | str | list[float] | None,
        site: str = "LIVER",
        name: str | None = None,
        state: MissingState = MissingState.NOT_SEEN,
        states: Mapping[int, MissingState] | None = None,
        near: int | None = None,
        measurable: bool | None = None,
        certainty: Certainty = Certainty.CERTAIN,
        max_components: int = 1,
        **more: Any,
    ) -> Builder:
        """Add a track; sizes are the diameters that count (short axis for a node)."""
        number = len(self._tracks)
        name = name or f"L{number + 1:02d}"
        at = self.place(number if near is None else near)
        seen: list[tuple[int, int]] = []
        for timepoint, size in enumerate(sizes):
            if size is None or not self._is_usable(timepoint):
                continue
            for part in size if isinstance(size, list) else [size]:
                lesion_id = self._next[timepoint] = self._next.get(timepoint, 0) + 1
                self._lesions.append(
                    self._lesion(timepoint, lesion_id, part, site, at, measurable, certainty, max_components)
                )
                seen.append((timepoint, lesion_id))
        first = seen[0][0]
        since: int | None = None
        for timepoint, size in enumerate(sizes):
            if timepoint <= first or not self._is_usable(timepoint):
                continue
            if size is not None:
                since = None
                continue
            since = timepoint if since is None else since
            given = (states or {}).get(timepoint, state)
            if more.get("merged_into") is None or timepoint < seen[-1][0]:
                self._missing.append(self._gone(timepoint, name, at, given, since))
        self._tracks.append(
            Track(
                track_id=name,
                tracking_uid=f"2.25.{number + 1}",
                site=site,
                lesions=tuple(seen),
                fate=more.pop("fate", Fate.PERSISTS),
                **more,
            )
        )
        return self

    def _lesion(
        self,
        timepoint: int,
        lesion_id: int,
        size: float | str,
        site: str,
        at: tuple[float, float, float],
        measurable: bool | None,
        certainty: Certainty,
        max_components: int,
    ) -> Lesion:
        length = Decimal("4.0") if size == "TSTM" else Decimal(str(size))
        limit = 15 if site == "LYMPH_NODE" else 10
        return Lesion(
            timepoint=timepoint,
            lesion_id=lesion_id,
            series_uid=f"1.2.{timepoint}",
            date=self.dates[timepoint],
            site=site,
            centroid_lps_mm=at,
            longest_diameter_mm=length if site != "LYMPH_NODE" else length + 5,
            short_axis_mm=length,
            volume_mm3=float(length) ** 3 / 2,
            measurable=length >= limit if measurable is None else measurable,
            status=LesionStatus.TSTM if size == "TSTM" else LesionStatus.PRESENT,
            sop_instance_uid=f"1.2.{timepoint}.{lesion_id}",
            diameter_ends_lps_mm=(at, at),
            certainty=certainty,
            max_components=max_components,
        )

    def _gone(
        self, timepoint: int, name: str, at: tuple[float, float, float], state: MissingState, since: int
    ) -> Missing:
        return Missing(
            timepoint=timepoint,
            track_id=name,
            series_uid=f"1.2.{timepoint}",
            place_lps_mm=at,
            state=state,
            since_timepoint=since,
            trusted=self._is_trusted(timepoint),
        )

    def zone(self, timepoint: int, track_number: int, longest_diameter_mm: str = "30.0") -> Builder:
        """Add a segmented treated zone at a track's place."""
        self._zones.append(
            TreatedZone(
                timepoint=timepoint,
                zone_id=len(self._zones) + 1,
                series_uid=f"1.2.{timepoint}",
                centroid_lps_mm=self.place(track_number),
                volume_mm3=8000.0,
                longest_diameter_mm=Decimal(longest_diameter_mm),
            )
        )
        return self

    def build(self) -> History:
        """Make the history; every visit is registered with the first and the previous one."""
        modalities = [self.modality] * len(self.dates) if isinstance(self.modality, str) else list(self.modality)
        visits = tuple(
            Visit(
                timepoint=timepoint,
                scans=(
                    Scan(
                        series_uid=f"1.2.{timepoint}",
                        date=date,
                        modality=modalities[timepoint],
                        grid=BOX,
                        measured=self._is_usable(timepoint),
                        usable=self._is_usable(timepoint),
                    ),
                ),
                usable=self._is_usable(timepoint),
            )
            for timepoint, date in enumerate(self.dates)
        )
        facts = None
        if self.clinical is not None:
            facts = ClinicalFacts(treatment_start_date=self.start, **self.clinical)
        return History(
            subject=Subject(subject_id="S1", visits=visits, clinical=facts),
            lesions=tuple(self._lesions),
            zones=tuple(self._zones),
            registrations=tuple(self._registrations()),
            tracks=tuple(self._tracks),
            missing=tuple(self._missing),
        )

    def _registrations(self) -> Iterable[Registration]:
        numbers = [n for n in range(len(self.dates)) if self._is_usable(n)]
        for position, later in enumerate(numbers[1:], start=1):
            for earlier in sorted({numbers[0], numbers[position - 1]}):
                yield Registration(
                    timepoint_from=earlier,
                    timepoint_to=later,
                    series_from=f"1.2.{earlier}",
                    series_to=f"1.2.{later}",
                    method="identity",
                    forward=Transform.identity(),
                    backward=Transform.identity(),
                    trusted=self._is_trusted(later),
                    reason="" if self._is_trusted(later) else "made so",
                )


def treatment(date: dt.date, method: str = "ABLATION", *, planned: bool = True, **more: Any) -> LocalTreatment:
    """Return a row of ``local_treatments``."""
    return LocalTreatment(date=date, method=method, planned=planned, **more)
