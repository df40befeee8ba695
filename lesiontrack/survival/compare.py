"""Comparisons of groups: log-rank tests, and differences at a landmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from lesiontrack.survival.intervals import two_sided_p
from lesiontrack.survival.sample import FloatArray, IntArray, Sample, at_risk_at, count_at

__all__ = ["ChiSquare", "LogRank", "chi_square", "complementary_log_log_p", "log_rank"]

_NEGLIGIBLE = 1e-12
"""A variance below this share of the largest one is 0 but for rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChiSquare:
    """A chi-square test."""

    statistic: float
    df: int
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRank:
    """A (weighted) log-rank test with what it is made of.

    Parameters
    ----------
    test
        The test; None where no comparison is possible.
    observed, expected
        (k,) (weighted) events of each group, observed and expected under equal hazards.
    """

    test: ChiSquare | None
    observed: FloatArray
    expected: FloatArray


def chi_square(score: FloatArray, covariance: FloatArray) -> ChiSquare | None:
    """Return score' covariance^- score over the directions that vary; None when none does.

    Parameters
    ----------
    score
        (k,) sums that are 0 under the hypothesis.
    covariance
        (k, k) their covariance; may have less than full rank, as when the scores sum to 0.
    """
    if score.size == 0 or not np.isfinite(covariance).all():
        return None
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    varying = values > max(float(values[-1]), 0.0) * _NEGLIGIBLE * score.size
    if not varying.any():
        return None
    turned = vectors.T @ score
    statistic = float(np.sum(turned[varying] ** 2 / values[varying]))
    df = int(varying.sum())
    return ChiSquare(statistic=statistic, df=df, p=float(special.chdtrc(df, statistic)))


def log_rank(sample: Sample, group: IntArray, strata: IntArray | None = None, *, rho: float = 0.0) -> LogRank:
    """Compare the hazards of status above 0 between groups.

    Parameters
    ----------
    sample
        Follow-up of everybody; delayed entry is honoured.
    group
        (n,) group of each row, 0..k-1.
    strata
        (n,) stratum of each row, 0..s-1; the comparison is within strata.
    rho
        Weight S(t-)^rho: 0 the log-rank test, 1 Peto and Peto's (Harrington & Fleming 1982).
    """
    k = int(group.max()) + 1 if group.size else 0
    if not k:
        return LogRank(test=None, observed=np.zeros(0), expected=np.zeros(0))
    observed, expected, covariance = np.zeros(k), np.zeros(k), np.zeros((k, k))
    for stratum in range(int(strata.max()) + 1) if strata is not None and strata.size else (None,):
        rows = slice(None) if stratum is None or strata is None else np.flatnonzero(strata == stratum)
        part = sample if stratum is None else sample.take(np.asarray(rows))
        more = _one_stratum(part, group[rows], k, rho)
        observed, expected, covariance = observed + more[0], expected + more[1], covariance + more[2]
    return LogRank(test=chi_square(observed - expected, covariance), observed=observed, expected=expected)


def _one_stratum(sample: Sample, group: IntArray, k: int, rho: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return observed, expected ((k,)) and the hypergeometric covariance ((k, k)) of one stratum."""
    grid = _event_times(sample)
    parts = [sample.take(group == g) for g in range(k)]
    events = np.stack([count_at(part.time[part.status > 0], grid) for part in parts])
    at_risk = np.stack([at_risk_at(part, grid) for part in parts]).astype(np.float64)
    d, n = events.sum(axis=0).astype(np.float64), at_risk.sum(axis=0)
    weight = np.ones_like(n)
    if rho:
        weight = np.concatenate(([1.0], np.cumprod(1 - d / n)[:-1]))[: n.size] ** rho
    share = at_risk / n
    spread = weight**2 * d * np.where(n > 1, (n - d) / np.maximum(n - 1, 1), 0.0)
    covariance = np.diag(share @ spread) - (share * spread) @ share.T
    return events @ weight, share @ (weight * d), covariance


def _event_times(sample: Sample) -> FloatArray:
    """Return the distinct times of events, ascending."""
    times = np.sort(sample.time[sample.status > 0])
    if times.size == 0:
        return times
    return times[np.concatenate(([True], times[1:] != times[:-1]))]


def complementary_log_log_p(
    probabilities: Sequence[float], errors: Sequence[float | None]
) -> tuple[float | None, float | None]:
    """Test two probabilities for equality on the log(-log p) scale.

    Source: Klein, Logan, Harhoff & Andersen, Statistics in Medicine 2007;26:4505-4519.

    Returns
    -------
    tuple
        Chi-square on one degree of freedom and its p; (None, None) where a probability is 0 or 1.
    """
    (first, second), (first_se, second_se) = probabilities, errors
    if first_se is None or second_se is None or not (0 < first < 1 and 0 < second < 1):
        return None, None
    minus = (-np.log(first), -np.log(second))
    spread = np.hypot(first_se / (first * minus[0]), second_se / (second * minus[1]))
    if spread == 0:
        return None, None
    z = float((np.log(minus[0]) - np.log(minus[1])) / spread)
    return z * z, two_sided_p(z)
