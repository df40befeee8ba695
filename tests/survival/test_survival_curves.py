"""Curves: analytic truth, properties, delayed entry, the beta product interval, clustered errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lesiontrack.survival.curves import adequate_from, kaplan_meier, quantile
from lesiontrack.survival.incidence import aalen_johansen
from lesiontrack.survival.intervals import Interval, beta_product, mover_difference
from lesiontrack.survival.rmst import mean_difference, restricted_mean
from lesiontrack.survival.sample import Sample, at_risk_at, risk_table


def sample(
    time: list[float], status: list[int], entry: list[float] | None = None, cluster: list[int] | None = None
) -> Sample:
    return Sample(
        time=np.asarray(time, dtype=np.float64),
        status=np.asarray(status, dtype=np.int64),
        entry=None if entry is None else np.asarray(entry, dtype=np.float64),
        cluster=None if cluster is None else np.asarray(cluster, dtype=np.int64),
    )


ROWS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), min_size=1, max_size=40)
FRACTIONS = st.lists(st.tuples(st.integers(0, 40).map(lambda v: v / 7), st.integers(0, 2)), min_size=1, max_size=40)


def split(rows: Sequence[tuple[float, int]]) -> Sample:
    return sample([t for t, _ in rows], [s for _, s in rows])


@given(FRACTIONS)
def test_counts_are_those_of_a_count_by_hand(rows: list[tuple[float, int]]) -> None:
    table = risk_table(split(rows))
    for place, time in enumerate(table.time):
        assert table.at_risk[place] == sum(t >= time for t, _ in rows)
        here = [s for t, s in rows if t == time]
        assert (table.censored[place], table.events[place], table.competing[place]) == tuple(
            here.count(k) for k in range(3)
        )
    assert table.time.tolist() == sorted({t for t, _ in rows})


@given(ROWS)
def test_whole_days_and_fractions_take_different_roads_to_the_same_counts(rows: list[tuple[int, int]]) -> None:
    whole, halves = risk_table(split(list(rows))), risk_table(split([(t + 0.5, s) for t, s in rows]))
    assert whole.time.tolist() == (halves.time - 0.5).tolist()
    for name in ("at_risk", "events", "competing", "censored"):
        assert getattr(whole, name).tolist() == getattr(halves, name).tolist()


@given(ROWS)
def test_without_competing_events_incidence_is_one_minus_kaplan_meier(rows: list[tuple[int, int]]) -> None:
    plain = split([(t, min(s, 1)) for t, s in rows])
    curve, incidence = kaplan_meier(plain), aalen_johansen(plain)
    np.testing.assert_allclose(incidence.incidence, 1 - curve.survival, atol=1e-12)
    known = np.isfinite(curve.se)
    np.testing.assert_allclose(incidence.se[known], curve.se[known], atol=1e-9)


@given(ROWS)
def test_event_competing_event_and_neither_add_to_one(rows: list[tuple[int, int]]) -> None:
    one, two = aalen_johansen(split(list(rows))), aalen_johansen(split(list(rows)).swapped())
    np.testing.assert_allclose(one.incidence + two.incidence + one.event_free, 1.0, atol=1e-12)


@given(ROWS)
def test_entry_at_the_origin_is_no_delay(rows: list[tuple[int, int]]) -> None:
    plain = split(list(rows))
    entered = sample([t for t, _ in rows], [s for _, s in rows], entry=[-1.0 if t % 2 else 0.0 for t, _ in rows])
    assert not entered.delayed
    np.testing.assert_array_equal(kaplan_meier(plain).survival, kaplan_meier(entered).survival)
    np.testing.assert_array_equal(aalen_johansen(plain).se, aalen_johansen(entered).se)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, int]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(aalen_johansen(split(list(rows))).se, aalen_johansen(split(shuffled)).se)


@given(ROWS)
def test_the_unit_of_time_does_not_matter(rows: list[tuple[int, int]]) -> None:
    days, weeks = kaplan_meier(split(list(rows))), kaplan_meier(split([(t / 8, s) for t, s in rows]))
    np.testing.assert_allclose(days.survival, weeks.survival, rtol=1e-14)
    for probability in (0.25, 0.5, 0.75):
        (first, ci), (second, other) = days.quantile(probability), weeks.quantile(probability)
        scaled = [None if v is None else v / 8 for v in (first, ci.lower, ci.upper)]
        assert scaled == [second, other.lower, other.upper]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20), st.integers(0, 1)), min_size=1, max_size=30))
def test_risk_sets_under_delayed_entry_are_open_at_entry(rows: list[tuple[int, int, int]]) -> None:
    entered = sample([float(e + d) for e, d, _ in rows], [s for _, _, s in rows], entry=[float(e) for e, _, _ in rows])
    grid = np.arange(0.0, 42.0, 0.5)
    expected = [sum((e < t or e == 0) and e + d >= t for e, d, _ in rows) for t in grid]
    assert at_risk_at(entered, grid).tolist() == expected
    table = risk_table(entered)
    assert table.at_risk.tolist() == at_risk_at(entered, table.time).tolist()


@given(ROWS)
def test_influence_with_one_row_a_cluster_gives_the_closed_form_errors(rows: list[tuple[int, int]]) -> None:
    plain = split(list(rows))
    single = sample([t for t, _ in rows], [s for _, s in rows], cluster=list(range(len(rows))))
    known = np.isfinite(kaplan_meier(plain).se)
    np.testing.assert_allclose(kaplan_meier(single).se[known], kaplan_meier(plain).se[known], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(aalen_johansen(single).se, aalen_johansen(plain).se, rtol=1e-6, atol=1e-8)
    tau = max(t for t, _ in rows) * 0.7 + 0.1
    one, other = restricted_mean(plain, tau), restricted_mean(single, tau)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.se == pytest.approx(one.se, rel=1e-8, abs=1e-9)


def test_doubling_every_row_within_its_cluster_changes_no_error() -> None:
    time, status = [3.0, 5, 5, 8, 9, 12], [1, 0, 2, 1, 2, 0]
    once = sample(time, status, cluster=list(range(6)))
    twice = sample(time * 2, status * 2, cluster=list(range(6)) * 2)
    np.testing.assert_allclose(aalen_johansen(twice).se, aalen_johansen(once).se, rtol=1e-12)
    known = np.isfinite(kaplan_meier(once).se)
    np.testing.assert_allclose(kaplan_meier(twice).se[known], kaplan_meier(once).se[known], rtol=1e-12)


@pytest.mark.parametrize(("alive", "n"), [(0, 8), (1, 20), (7, 12), (30, 30), (39, 40)])
def test_beta_product_without_censoring_is_clopper_pearson(alive: int, n: int) -> None:
    rows = sample([float(i + 1) for i in range(n - alive)] + [100.0] * alive, [1] * (n - alive) + [0] * alive)
    ci = beta_product(risk_table(rows), 50.0, 0.95)
    exact = stats.binomtest(alive, n).proportion_ci(0.95, method="exact")
    assert ci.lower == pytest.approx(exact.low, abs=1e-12)
    assert ci.upper == pytest.approx(exact.high, abs=1e-12)


def test_beta_product_covers_at_five_percent_survival_where_log_log_does_not() -> None:
    # One arm of 20, exponential, S(5 years) = 0.05, nobody censored before: exact over the binomial outcomes.
    n, truth, covered, covered_log_log = 20, 0.05, 0.0, 0.0
    for alive in range(n + 1):
        rows = sample([float(i + 1) for i in range(n - alive)] + [100.0] * alive, [1] * (n - alive) + [0] * alive)
        chance = float(stats.binom.pmf(alive, n, truth))
        ci = beta_product(risk_table(rows), 50.0, 0.95)
        assert ci.lower is not None and ci.upper is not None
        covered += chance * (ci.lower <= truth <= ci.upper)
        lower, upper = kaplan_meier(rows).band(0.95, "log-log")
        place = int(np.searchsorted(kaplan_meier(rows).table.time, 50.0, side="right")) - 1
        covered_log_log += chance * bool(place >= 0 and lower[place] <= truth <= upper[place])
    assert covered >= 0.95
    assert covered_log_log < 0.7


def test_beta_product_widens_downwards_as_censoring_thins_the_risk_set() -> None:
    early = sample([10.0, 20] + [30.0] * 10, [1, 1] + [0] * 10)
    late = sample([10.0, 20] + [21.0] * 8 + [30.0] * 2, [1, 1] + [0] * 10)
    one, other = beta_product(risk_table(early), 25.0, 0.95), beta_product(risk_table(late), 25.0, 0.95)
    assert one.lower is not None and other.lower is not None
    assert other.lower < one.lower
    assert other.upper == one.upper


def test_quantile_of_a_flat_piece_is_its_middle_and_at_the_end_reaches_to_the_last_time() -> None:
    assert quantile(np.array([1.0, 2, 5]), np.array([0.75, 0.5, 0.25]), 0.5) == 3.5
    assert quantile(np.array([1.0, 2, 6]), np.array([0.75, 0.5, 0.5]), 0.5) == 4.0
    assert quantile(np.array([1.0, 2, 6]), np.array([0.75, 0.4, 0.4]), 0.5) == 2.0
    assert quantile(np.array([1.0, 2]), np.array([0.9, 0.6]), 0.5) is None
    assert quantile(np.array([1.0, 2, 6]), np.array([0.75, 0.5, np.nan]), 0.5) is None
    assert quantile(np.array([]), np.array([]), 0.5) is None


def test_mean_difference_and_mover_by_hand() -> None:
    first, second = restricted_mean(sample([2.0, 4], [1, 1]), 4.0), restricted_mean(sample([1.0, 3], [1, 1]), 4.0)
    assert first is not None and second is not None
    assert (first.estimate, second.estimate) == (3.0, 2.0)
    found = mean_difference(first, second, 0.95)
    assert found.estimate == 1.0
    assert found.se == pytest.approx(np.hypot(first.se, second.se))
    ci = mover_difference(0.6, Interval(lower=0.4, upper=0.75), 0.3, Interval(lower=0.2, upper=0.5))
    assert ci.lower == pytest.approx(0.3 - np.hypot(0.2, 0.2))
    assert ci.upper == pytest.approx(0.3 + np.hypot(0.15, 0.1))
    unknown = Interval(lower=None, upper=None)
    assert not mover_difference(0.6, unknown, 0.3, Interval(lower=0.2, upper=0.5)).known


def test_restricted_mean_beyond_follow_up_is_not_estimable_unless_nobody_is_left() -> None:
    assert restricted_mean(sample([2.0, 4], [1, 0]), 5.0) is None
    complete = restricted_mean(sample([2.0, 4], [1, 1]), 5.0)
    assert complete is not None and complete.estimate == 3.0


def test_an_early_risk_set_that_dies_out_is_found_and_the_conditional_curve_goes_on() -> None:
    rows = sample([4.0, 20, 30, 40, 50, 60], [1, 1, 1, 0, 1, 0], entry=[1.0, 10, 10, 10, 10, 10])
    late = adequate_from(rows, 3)
    assert late is not None
    assert (late.emptied_at, late.smallest_risk_set, late.smallest_at) == (4.0, 1, 4.0)
    assert (late.earliest_entry, late.latest_entry, late.conditional_from) == (1.0, 10.0, 4.0)
    assert kaplan_meier(rows).at(30.0) == 0.0
    assert kaplan_meier(rows, after=late.conditional_from).at(30.0) == pytest.approx(0.6)


def test_delayed_entry_corrects_what_immortal_time_adds() -> None:
    # Nobody can die before enrolment: the naive curve stays above the one with delayed entry.
    time, status, entry = [12.0, 15, 18, 25, 30, 33], [1, 1, 0, 1, 1, 0], [0.0, 8, 10, 16, 20, 29]
    naive, corrected = kaplan_meier(sample(time, status)), kaplan_meier(sample(time, status, entry=entry))
    assert all(naive.at(t) >= corrected.at(t) for t in (12, 15, 25, 30))
    assert corrected.at(12.0) == pytest.approx(2 / 3)
