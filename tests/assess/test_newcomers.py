"""The gates of a new lesion that the machine found: earlier views of its place, treated zones, size."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from lesiontrack.assess import AssessSettings
from lesiontrack.assess.looks import Looks
from lesiontrack.assess.newcomers import Newcomers
from lesiontrack.domain.geometry import Grid
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import TreatedZone
from lesiontrack.domain.study import Scan
from tests.assess.build import BOX, Builder, day

DATES = [day(1), day(60), day(120)]
# A field of view that holds none of the tracks.
ELSEWHERE = Grid(shape=BOX.shape, affine=BOX.affine + np.outer([1, 1, 1, 0], [0, 0, 0, 2000]))


def doubts(history: History, first: int, timepoint: int, name: str = "L02") -> tuple[str, ...]:
    settings = AssessSettings()
    looks = Looks(history, settings)
    return Newcomers(history, looks, settings).doubts(looks.tracks[name], first, timepoint)


def history(*sizes: float | list[float] | None, trusted: dict[int, bool] | None = None) -> History:
    return Builder(DATES, trusted=trusted or {}).track(30, 30, 30).track(*sizes).build()


def with_scan(found: History, timepoint: int, **changes: object) -> History:
    """Change the scan of a visit."""
    visits = list(found.subject.visits)
    scan = replace(visits[timepoint].scans[0], **changes)  # type: ignore[arg-type]
    visits[timepoint] = replace(visits[timepoint], scans=(scan,))
    return replace(found, subject=replace(found.subject, visits=tuple(visits)))


def test_a_lesion_without_doubt() -> None:
    assert doubts(history(None, 12, 12), 1, 1) == ()


def test_the_visit_with_fewer_doubts_decides() -> None:
    found = history(None, 12, 12, trusted={1: False})
    assert doubts(found, 1, 1) == ("UNTRUSTED_REGISTRATION",)
    assert doubts(found, 1, 2) == ()


def test_one_fragment_that_is_large_enough_will_do() -> None:
    assert doubts(history(None, [4.0, 8.0], None), 1, 1) == ()
    assert doubts(history(None, [4.0, 4.9], None), 1, 1) == ("TOO_SMALL",)


def test_one_earlier_scan_that_had_the_place_in_view_will_do() -> None:
    found = history(None, None, 12)
    assert doubts(with_scan(found, 1, grid=ELSEWHERE), 2, 2) == ()
    assert doubts(with_scan(found, 0, grid=ELSEWHERE), 2, 2) == ()
    neither = with_scan(with_scan(found, 0, grid=ELSEWHERE), 1, grid=ELSEWHERE)
    assert doubts(neither, 2, 2) == ("PLACE_NOT_IN_VIEW_BEFORE",)


def test_a_scan_at_or_after_first_sight_is_no_earlier_view() -> None:
    found = history(None, 12, 12)
    late = replace(found, registrations=tuple(way for way in found.registrations if way.timepoint_from == 1))
    assert doubts(late, 1, 2) == ("NO_EARLIER_VIEW",)


def test_a_visit_that_cannot_be_used_is_no_earlier_view() -> None:
    found = history(None, None, 12, trusted={2: True})
    only = replace(found, registrations=tuple(way for way in found.registrations if way.timepoint_from == 1))
    assert doubts(only, 2, 2) == ()
    visits = list(only.subject.visits)
    visits[1] = replace(visits[1], usable=False)
    assert doubts(replace(only, subject=replace(only.subject, visits=tuple(visits))), 2, 2) == ("NO_EARLIER_VIEW",)


def test_a_registration_of_another_scan_of_the_visit_says_nothing() -> None:
    found = history(None, 12, 12)
    other = tuple(replace(way, series_to="1.2.99") for way in found.registrations)
    visits = list(found.subject.visits)
    visits[1] = replace(visits[1], scans=(*visits[1].scans, Scan(series_uid="1.2.99", date=DATES[1], modality="CT")))
    elsewhere = replace(found, registrations=other, subject=replace(found.subject, visits=tuple(visits)))
    assert doubts(elsewhere, 1, 1) == ("NO_EARLIER_VIEW",)


def zone(series_uid: str, x_mm: float, volume_mm3: float = 8000.0, timepoint: int = 1) -> TreatedZone:
    _, y, z = Builder(DATES).place(1)
    return TreatedZone(
        timepoint=timepoint,
        zone_id=1,
        series_uid=series_uid,
        centroid_lps_mm=(x_mm, y, z),
        volume_mm3=volume_mm3,
        longest_diameter_mm=Decimal("30.0"),
    )


@pytest.mark.parametrize(
    ("found_zone", "inside"),
    [
        (zone("1.2.1", 40.0), True),
        (zone("1.2.1", 45.0), True),
        # 8000 mm3 are a sphere of 12.4 mm radius.
        (zone("1.2.1", 53.0), False),
        # The other scan of the visit has its own coordinates.
        (zone("1.2.99", 40.0), False),
        (zone("1.2.2", 40.0, timepoint=2), False),
    ],
)
def test_a_lesion_in_a_treated_zone_of_its_own_scan(found_zone: TreatedZone, inside: bool) -> None:
    found = replace(history(None, 12, 12), zones=(found_zone,))
    assert doubts(found, 1, 1) == (("TREATED_ZONE",) if inside else ())


def test_the_rim_of_a_zone_is_of_the_zone() -> None:
    # The volume whose sphere has a radius of exactly 8 mm in floating point.
    volume = 4.0 / 3.0 * math.pi * 8.0**3
    while (rim := zone("1.2.1", 40.0 - 8.0, volume)).radius_mm < 8.0:
        volume = math.nextafter(volume, math.inf)
    assert rim.radius_mm == 8.0
    assert doubts(replace(history(None, 12, 12), zones=(rim,)), 1, 1) == ("TREATED_ZONE",)
