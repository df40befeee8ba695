"""From any scan to any other: directly, through others, back again, and honestly when there is no way."""

from __future__ import annotations

import numpy as np
import pytest

from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.history import Registration
from lesiontrack_napari.correspond import Correspondence

ORIGIN = np.zeros(3)


def _shift(mm: float) -> Transform:
    affine = np.eye(4)
    affine[0, 3] = mm
    return Transform(affine=affine)


def _registration(earlier: int, later: int, mm: float, *, trusted: bool = True) -> Registration:
    return Registration(
        timepoint_from=earlier,
        timepoint_to=later,
        series_from=f"S{earlier}",
        series_to=f"S{later}",
        method="test",
        forward=_shift(mm),
        backward=_shift(-mm),
        trusted=trusted,
    )


@pytest.fixture
def found() -> Correspondence:
    """Return the ways of four visits: 0-1, 0-2 and 1-2 registered, 2-3 not trusted."""
    pairs = [_registration(0, 1, 1), _registration(1, 2, 10), _registration(0, 2, 11.5)]
    return Correspondence([*pairs, _registration(2, 3, 100, trusted=False)])


def test_the_direct_way_is_taken_both_ways(found: Correspondence) -> None:
    assert found.way(0, "S0", 2, "S2").apply(ORIGIN)[0] == 11.5
    assert found.way(2, "S2", 0, "S0").apply(ORIGIN)[0] == -11.5


def test_there_is_a_way_through_other_visits(found: Correspondence) -> None:
    """1 to 3 goes by 2, and is trusted no more than its worst step."""
    way = found.way(1, "S1", 3, "S3")
    assert way.apply(ORIGIN)[0] == 110
    assert not way.trusted
    assert found.way(3, "S3", 1, "S1").apply(way.apply(ORIGIN))[0] == 0


def test_series_of_one_visit_share_the_patients_coordinates(found: Correspondence) -> None:
    """Another series of a visit stands where the registered one does."""
    assert found.way(1, "S1", 1, "chest").apply(ORIGIN)[0] == 0
    assert found.way(1, "chest", 0, "S0").apply(ORIGIN)[0] == -1


def test_no_way_is_not_taken_for_a_good_one() -> None:
    """Without a registration the scanner's coordinates stand in, and it is said."""
    way = Correspondence([]).way(0, "S0", 1, "S1")
    assert (way.known, way.trusted, way.apply(ORIGIN)[0]) == (False, False, 0)
