"""Numbers as they are shown: exact, with a sign, never rounded onto a threshold."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesiontrack.report import words


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (12.0, "12.0"),
        (9.96, "9.96"),
        (12.3, "12.3"),
        (0.0, "0.0"),
        (Decimal("4.95"), "4.95"),
        (100.0, "100.0"),
    ],
)
def test_a_length_keeps_the_decimals_it_was_read_with(value: float | None, shown: str) -> None:
    """One decimal for the machine's lengths, more where a reader gave more: 9.96 mm is not 10.0 mm."""
    assert words.mm(value) == shown


@given(st.decimals(min_value=0, max_value=500, places=1))
def test_the_machine_length_shown_is_the_one_stored(length: Decimal) -> None:
    """A length of one decimal comes back exactly from its stored form."""
    assert Decimal(words.mm(float(length))) == length


@pytest.mark.parametrize(
    ("now", "before", "shown"),
    [
        (60.0, 50.0, "+20.0"),
        (59.98, 50.0, "+19.96"),
        (59.9999, 50.0, "+19.9998"),
        (35.0, 50.0, "\u221230.0"),
        (35.01, 50.0, "\u221229.98"),
        (50.0, 50.0, "0.0"),
        (58.3, 37.1, "+57.1"),
        (10.0, 0.0, ""),
        (None, 50.0, ""),
    ],
)
def test_a_change_is_never_rounded_onto_a_threshold(now: float | None, before: float, shown: str) -> None:
    """19.96 % does not read as the 20 % that it misses."""
    assert words.signed_percent(words.percent_change(now, before)) == shown


@given(st.decimals(min_value=1, max_value=300, places=1), st.decimals(min_value=1, max_value=300, places=1))
def test_a_shown_change_lies_on_the_right_side_of_the_thresholds(now: Decimal, before: Decimal) -> None:
    """Whoever reads the number comes to the category that the exact number gives."""
    exact = words.percent_change(float(now), float(before))
    assert exact is not None
    shown = Decimal(words.signed_percent(exact).replace("\u2212", "-"))
    assert abs(shown - exact) <= Decimal("0.05")
    assert (shown >= 20) == (exact >= 20)
    assert (shown <= -30) == (exact <= -30)


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (None, ""),
        (0.0077, "0.008"),
        (0.0004, "<0.001"),
        (0.04996, "0.04996"),
        (0.05, "0.050"),
        (0.3, "0.300"),
        (1.0, ">0.999"),
    ],
)
def test_a_p_value_never_reads_as_a_threshold_that_it_is_not(p: float | None, shown: str) -> None:
    """0.04996 is not shown as 0.050."""
    assert words.p_value(p) == shown


@pytest.mark.parametrize(
    ("days", "shown"), [(1500.0, ("1500", "49.3")), (210.5, ("210.5", "6.9")), (0, ("0", "0.0")), (None, ("", ""))]
)
def test_times_are_days_and_months_of_30_4375_days(days: float | None, shown: tuple[str, str]) -> None:
    """Days stay as they are; halves, which a median can have, too."""
    assert words.days_and_months(days) == shown


def test_shares_of_nobody_are_no_number() -> None:
    """Nothing of nothing is not 0 %."""
    assert words.share(1, 3) == "33.3\u00a0%"
    assert words.share(0, 0) == "\u2013"


@pytest.mark.parametrize(
    ("count", "shown"), [((12, 12, 12), "12"), ((14, 12, 15), "14 (12\u201315)"), ((None, None, None), "")]
)
def test_a_count_shows_its_range_where_it_has_one(count: tuple[int | None, ...], shown: str) -> None:
    """A certain count stands alone."""
    assert words.count_range(*count) == shown
