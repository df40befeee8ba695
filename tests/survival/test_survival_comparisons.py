"""Comparisons: invariances, degenerate cases, clusters, delayed entry, and agreement between methods."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lesiontrack.survival.compare import chi_square, complementary_log_log_p, log_rank
from lesiontrack.survival.cox import cox_regression, robust_log_rank
from lesiontrack.survival.fine_gray import fine_gray_regression
from lesiontrack.survival.gray import gray_test
from lesiontrack.survival.likelihood import independent_columns
from lesiontrack.survival.sample import Sample

ROWS = st.lists(st.tuples(st.integers(1, 25), st.integers(0, 2), st.integers(0, 1)), min_size=8, max_size=50)


def sample(rows: list[tuple[int, int, int]], **more: np.ndarray) -> Sample:
    return Sample(
        time=np.array([r[0] for r in rows], dtype=np.float64),
        status=np.array([r[1] for r in rows], dtype=np.int64),
        **more,
    )


def groups(rows: list[tuple[int, int, int]]) -> np.ndarray:
    return np.array([r[2] for r in rows], dtype=np.int64)


@given(ROWS, st.integers(2, 9))
def test_tests_do_not_depend_on_the_unit_of_time_or_the_order_of_rows(
    rows: list[tuple[int, int, int]], factor: int
) -> None:
    turned = [(t * factor, s, g) for t, s, g in reversed(rows)]
    for test in (gray_test, lambda s, g: log_rank(s.cause_specific(1), g).test):
        one, other = test(sample(rows), groups(rows)), test(sample(turned), groups(turned))
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert other.statistic == pytest.approx(one.statistic, rel=1e-8, abs=1e-9)


@given(ROWS)
def test_log_rank_is_the_score_test_of_cox_where_no_times_are_tied(rows: list[tuple[int, int, int]]) -> None:
    untied = [(100 * t + place, s, g) for place, (t, s, g) in enumerate(rows)]
    first = sample(untied).cause_specific(1)
    test = log_rank(first, groups(untied)).test
    fit = cox_regression(first, groups(untied)[:, None].astype(float))
    assume(test is not None and fit is not None and fit.score_test is not None)
    assert test is not None and fit is not None and fit.score_test is not None
    assert fit.score_test.statistic == pytest.approx(test.statistic, rel=1e-9, abs=1e-10)


@given(ROWS)
def test_gray_without_competing_events_has_the_score_of_the_log_rank_test(rows: list[tuple[int, int, int]]) -> None:
    # R_k = Y_k where F = 1 - S: the scores are equal, and both tests see the same direction.
    plain = [(t, min(s, 1), g) for t, s, g in rows]
    gray, other = gray_test(sample(plain), groups(plain)), log_rank(sample(plain), groups(plain))
    if gray is None or other.test is None:
        return
    zero = abs(float(other.observed[0] - other.expected[0])) < 1e-9
    assert (gray.statistic < 1e-9) == zero


@given(ROWS)
def test_without_competing_events_fine_gray_is_cox_with_breslow_ties(rows: list[tuple[int, int, int]]) -> None:
    plain = [(t, min(s, 1), g) for t, s, g in rows]
    x = groups(plain)[:, None].astype(float)
    one, other = fine_gray_regression(sample(plain), x), cox_regression(sample(plain), x, ties="breslow")
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        np.testing.assert_allclose(one.coefficients, other.coefficients, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(np.diag(one.naive_covariance), np.diag(other.covariance), rtol=1e-6)


@given(ROWS)
def test_one_stratum_is_no_strata(rows: list[tuple[int, int, int]]) -> None:
    one = np.zeros(len(rows), dtype=np.int64)
    plain, stratified = gray_test(sample(rows), groups(rows)), gray_test(sample(rows), groups(rows), one)
    assert plain == stratified
    first = sample(rows).cause_specific(1)
    np.testing.assert_array_equal(log_rank(first, groups(rows)).expected, log_rank(first, groups(rows), one).expected)


@given(ROWS)
def test_groups_that_are_copies_do_not_differ(rows: list[tuple[int, int, int]]) -> None:
    twins = [(t, s, g) for t, s, _ in rows for g in (0, 1)]
    for test in (
        gray_test(sample(twins), groups(twins)),
        log_rank(sample(twins).cause_specific(1), groups(twins)).test,
    ):
        assert test is None or test.statistic == pytest.approx(0.0, abs=1e-15)


def test_delayed_entry_of_zero_changes_no_regression_and_a_real_one_leaves_the_risk_set() -> None:
    rows = [(5, 1, 0), (8, 1, 1), (9, 0, 0), (12, 1, 1), (14, 1, 0), (20, 1, 1)]
    x = groups(rows)[:, None].astype(float)
    plain, zero = cox_regression(sample(rows), x), cox_regression(sample(rows, entry=np.zeros(6)), x)
    assert plain is not None and zero is not None
    np.testing.assert_array_equal(plain.coefficients, zero.coefficients)
    # The subject that enters at 6 is not at risk at 5: dropping it from that risk set is all that entry does.
    late = cox_regression(sample(rows, entry=np.array([0.0, 6, 0, 0, 0, 0])), x)
    assert late is not None

    def by_hand(beta: float) -> float:
        at_risk = [(5, 0, [0, 2, 3, 4, 5]), (8, 1, [1, 2, 3, 4, 5]), (12, 1, [3, 4, 5]), (14, 0, [4, 5]), (20, 1, [5])]
        return float(sum(beta * g - np.log(sum(np.exp(beta * rows[i][2]) for i in m)) for _, g, m in at_risk))

    beta = float(late.coefficients[0])
    assert by_hand(beta) == pytest.approx(late.log_likelihood[1])
    assert all(by_hand(beta) > by_hand(beta + step) for step in (-1e-4, 1e-4))


def test_a_covariate_that_separates_is_not_estimable_and_the_others_are() -> None:
    rows = [(t, 1 if t <= 10 else 0, t % 2) for t in range(1, 21)]
    separating = np.array([1.0 if t <= 10 else 0.0 for t, _, _ in rows])
    fit = cox_regression(sample(rows), np.column_stack((separating, groups(rows))))
    alone = fine_gray_regression(sample(rows), separating[:, None])
    assert fit is not None and alone is not None
    assert np.isnan(fit.coefficients[0]) and np.isnan(fit.se[0])
    assert np.isfinite(fit.coefficients[1]) and np.isfinite(fit.se[1])
    assert np.isnan(alone.coefficients[0])


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(0, 3), st.integers(-3, 3)), min_size=1, max_size=12
    )
)
def test_tiny_and_separated_tables_give_numbers_or_gaps_but_never_an_accident(
    rows: list[tuple[int, int, int, int]],
) -> None:
    follow_up = sample([(t, s, 0) for t, s, _, _ in rows])
    x = np.array([[a, b, a * b] for _, _, a, b in rows], dtype=np.float64)
    for fit in (cox_regression(follow_up.cause_specific(1), x), fine_gray_regression(follow_up, x)):
        if fit is None:
            continue
        known = np.isfinite(fit.coefficients)
        assert np.isfinite(fit.se[known]).all()
        assert np.isnan(fit.se[~known]).all()


def test_constant_and_aliased_columns_are_left_out() -> None:
    v = np.array([2.0, 5, 1, 0, 4, 3])
    x = np.column_stack((np.ones(6), v, 3 - 2 * v, (v - 2) ** 2))
    assert independent_columns(x) == [1, 3]
    rows = [(t, 1, t % 2) for t in range(1, 7)]
    fit = cox_regression(sample(rows), x)
    assert fit is not None
    assert np.isnan(fit.coefficients).tolist() == [True, False, True, False]
    assert cox_regression(sample(rows), np.ones((6, 1))) is None
    assert cox_regression(sample([(t, 0, 0) for t in range(1, 7)]), x) is None


def test_clustered_tests_ignore_rows_that_only_repeat_their_cluster() -> None:
    rows = [(5, 1, 0), (8, 1, 1), (9, 0, 0), (12, 1, 1), (14, 1, 0), (20, 1, 1), (22, 2, 0), (23, 1, 1)]
    x = groups(rows)[:, None].astype(float)
    ids = np.arange(8, dtype=np.int64)
    once, twice = sample(rows, cluster=ids), sample(rows * 2, cluster=np.tile(ids, 2))
    doubled = np.vstack((x, x))
    one, other = robust_log_rank(once.cause_specific(1), x), robust_log_rank(twice.cause_specific(1), doubled)
    assert one is not None and other is not None
    assert other.statistic == pytest.approx(one.statistic, rel=1e-9)
    first, second = cox_regression(once, x, ties="breslow"), cox_regression(twice, doubled, ties="breslow")
    assert first is not None and second is not None and second.robust
    np.testing.assert_allclose(second.se, first.se, rtol=1e-9)
    fine, again = fine_gray_regression(once, x), fine_gray_regression(twice, doubled)
    assert fine is not None and again is not None
    np.testing.assert_allclose(again.se, fine.se, rtol=1e-9)


def test_complementary_log_log_test_is_undefined_at_zero_and_one() -> None:
    assert complementary_log_log_p((0.0, 0.5), (None, 0.1)) == (None, None)
    assert complementary_log_log_p((1.0, 0.5), (0.0, 0.1)) == (None, None)
    statistic, p = complementary_log_log_p((0.5, 0.5), (0.1, 0.2))
    assert (statistic, p) == (0.0, 1.0)


def test_chi_square_counts_only_directions_that_vary() -> None:
    test = chi_square(np.array([1.0, -1.0]), np.array([[2.0, -2.0], [-2.0, 2.0]]))
    assert test is not None
    assert test.statistic == pytest.approx(0.5)
    assert test.df == 1
    assert chi_square(np.zeros(2), np.zeros((2, 2))) is None


def test_no_global_random_generator_is_touched_and_nothing_is_random() -> None:
    rows = [(t % 13 + 1, t % 3, t % 2) for t in range(60)]
    x = groups(rows)[:, None].astype(float)
    np.random.seed(11)  # noqa: NPY002
    random.seed(11)
    before, plain = np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index] # noqa: NPY002
    results = [(gray_test(sample(rows), groups(rows)), fine_gray_regression(sample(rows), x)) for _ in range(2)]
    (gray, fit), (again, refit) = results
    assert gray == again and fit is not None and refit is not None
    assert fit.coefficients.tobytes() == refit.coefficients.tobytes()
    assert fit.covariance.tobytes() == refit.covariance.tobytes()
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index] # noqa: NPY002
    assert random.getstate() == plain
