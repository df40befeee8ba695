"""Agreement of two readers against published tables, textbook formulas and planted differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from lesiontrack.survival.agreement import date_differences, kappa, limits_of_agreement

CATEGORIES = ("CR", "PR", "SD", "PD")


def ratings_of(table: list[list[int]], names: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Return one rating of one subject each for every count of a table."""
    pairs = [(names[i], names[j]) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]
    return [(number, first, second) for number, (first, second) in enumerate(pairs)]


def test_published_table() -> None:
    """Fleiss, Statistical methods for rates and proportions, 2nd ed. 1981, table 13.1: kappa 0.676, se 0.088."""
    found = kappa(ratings_of([[75, 1, 4], [5, 4, 1], [0, 0, 10]], ("P", "N", "O")), ("P", "N", "O"))
    assert found.n == 100
    assert found.observed == pytest.approx(0.89)
    assert found.expected == pytest.approx(0.66)
    assert found.estimate == pytest.approx(0.676, abs=5e-4)
    assert found.se == pytest.approx(0.088, abs=5e-4)
    assert found.ci is not None
    assert found.ci == pytest.approx((0.676 - 1.96 * 0.088, 0.676 + 1.96 * 0.088), abs=2e-3)
    assert found.ci_method == "large-sample, Fleiss-Cohen-Everitt"


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=4, max_size=4),
    st.sampled_from(["none", "linear"]),
)
@settings(max_examples=60)
def test_as_statsmodels_and_by_hand(table: list[list[int]], weights: str) -> None:
    """The estimate and its standard error are statsmodels'; the estimate is the textbook's sum by hand."""
    found = kappa(ratings_of(table, CATEGORIES), CATEGORIES, weights=weights)
    counts = np.array(table, dtype=float)
    if counts.sum() == 0:
        assert found.estimate is None
        assert found.note == "nothing was rated by both readers"
        return
    shares = counts / counts.sum()
    apart = {(i, j): float(i != j) if weights == "none" else abs(i - j) / 3 for i in range(4) for j in range(4)}
    observed = sum(shares[i, j] * w for (i, j), w in apart.items())
    expected = sum(shares[i].sum() * shares[:, j].sum() * w for (i, j), w in apart.items())
    if expected == 0:
        assert found.estimate is None
        assert "one category only" in str(found.note)
        return
    assert found.estimate == pytest.approx(1 - observed / expected, abs=1e-12)
    keep = [n for n in range(4) if counts[n].sum() + counts[:, n].sum() > 0]
    used = counts[np.ix_(keep, keep)]
    scores = np.array(keep, dtype=float)
    theirs = cohens_kappa(used) if weights == "none" else cohens_kappa(used, weights=scores, wt="linear")
    assert found.estimate == pytest.approx(theirs.kappa, abs=1e-12)
    if found.se is not None:
        assert found.se == pytest.approx(theirs.std_kappa, abs=1e-9)


def test_undefined_kappa_is_null_with_a_note() -> None:
    """Two readers who both always say SD agree, and kappa is not 1, not 0 and not NaN."""
    found = kappa([(n, "SD", "SD") for n in range(5)], CATEGORIES)
    assert (found.estimate, found.se, found.ci) == (None, None, None)
    assert found.observed == 1.0
    assert "not defined" in str(found.note)


def test_perfect_agreement_has_no_large_sample_interval() -> None:
    """Its standard error is 0, which is no knowledge: the interval is withheld."""
    found = kappa([(n, name, name) for n, name in enumerate(("SD", "PD") * 3)], CATEGORIES)
    assert found.estimate == 1.0
    assert found.ci is None
    assert "standard error is 0" in str(found.note)


def test_one_reader_with_one_category_agrees_as_by_chance() -> None:
    """Two visits of one subject, of which the readers share one: kappa is 0, and nothing is warned of."""
    found = kappa([("S1", "SD", "PD"), ("S1", "PD", "PD")], CATEGORIES, resamples=200)
    assert found.estimate == pytest.approx(0.0)
    assert found.ci_by_subject is None
    assert "one subject only" in str(found.note)


def test_one_step_apart_counts_less_than_three() -> None:
    """Weighted kappa tells SD for PD from CR for PD; unweighted does not."""
    base = [(n, name, name) for n, name in enumerate(CATEGORIES * 3)]
    near, far = [*base, (99, "SD", "PD")], [*base, (99, "CR", "PD")]
    weighted = [kappa(ratings, CATEGORIES, weights="linear").estimate for ratings in (near, far)]
    assert weighted[0] is not None
    assert weighted[1] is not None
    assert weighted[0] > weighted[1]


def test_visits_of_one_subject_are_not_independent() -> None:
    """Repeating each subject's ratings narrows the large-sample interval, and not that by subject."""
    rng = np.random.default_rng(5)
    once = [(n, CATEGORIES[a], CATEGORIES[b]) for n, (a, b) in enumerate(rng.integers(1, 4, size=(60, 2)))]
    once += [(100 + n, CATEGORIES[a], CATEGORIES[a]) for n, a in enumerate(rng.integers(1, 4, size=60))]
    fourfold = [rating for rating in once for _ in range(4)]
    a = kappa(once, CATEGORIES)
    b = kappa(fourfold, CATEGORIES, resamples=2000)
    assert a.ci is not None
    assert b.ci is not None
    assert b.ci_by_subject is not None
    assert b.ci[1] - b.ci[0] < 0.6 * (a.ci[1] - a.ci[0])
    assert b.ci_by_subject[1] - b.ci_by_subject[0] == pytest.approx(a.ci[1] - a.ci[0], rel=0.12)
    assert a.ci_by_subject is None


def test_dates() -> None:
    """Days are second minus first; subjects in whom one reader alone has a date are counted apart."""
    found = date_differences([0, 0, 56, -28, 0], only_first=2, only_second=1)
    assert (found.n, found.n_same_day, found.only_first, found.only_second) == (5, 3, 2, 1)
    assert found.mean == pytest.approx(5.6)
    assert found.quartiles == (0.0, 0.0, 0.0)
    assert found.mean_absolute == pytest.approx(16.8)
    assert found.largest == 56
    nothing = date_differences([], only_first=0, only_second=3)
    assert (nothing.mean, nothing.quartiles) == (None, None)
    assert nothing.note is not None


def test_published_limits_of_agreement() -> None:
    """Bland and Altman, Lancet 1986, peak flow by two meters: bias -2.1, sd 38.8, limits -79.7 and 75.5 l/min."""
    wright = (494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427)
    mini = (512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451)
    found = limits_of_agreement([(n, m, w) for n, (w, m) in enumerate(zip(wright, mini, strict=True))])
    assert found.bias == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    assert found.lower == pytest.approx(-2.1 - 1.96 * 38.8, abs=0.2)
    assert found.upper == pytest.approx(-2.1 + 1.96 * 38.8, abs=0.2)
    assert found.method == "Bland-Altman"


def test_repeated_pairs_of_a_subject_widen_the_limits() -> None:
    """With unequal numbers of pairs by subject the components of variance are the ones planted."""
    rng = np.random.default_rng(11)
    pairs = []
    for subject in range(4000):
        own = rng.normal(0.0, 3.0)
        for _ in range(int(rng.integers(1, 5))):
            first = rng.uniform(40, 120)
            pairs.append((subject, first, first + 1.5 + own + rng.normal(0.0, 4.0)))
    found = limits_of_agreement(pairs)
    assert found.bias == pytest.approx(1.5, abs=0.2)
    assert found.sd == pytest.approx(math.hypot(3.0, 4.0), rel=0.02)
    assert found.upper == pytest.approx(1.5 + 1.96 * 5, rel=0.03)


def test_limits_in_percent_and_without_pairs() -> None:
    found = limits_of_agreement([(1, 90.0, 110.0), (2, 0.0, 0.0)], unit="percent")
    assert found.bias == pytest.approx(10.0)
    assert limits_of_agreement([]).bias is None
    assert limits_of_agreement([(1, 2.0, 3.0)]).note == "one pair of sums: no limits"
    assert limits_of_agreement([(1, 2.0, 3.0), (1, 2.0, 5.0)]).sd is None
