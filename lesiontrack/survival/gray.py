"""Gray's test: are the cumulative incidences of one kind of event the same in k groups?

Written from Gray RJ, A class of K-sample tests for comparing the cumulative incidence of a competing risk,
Annals of Statistics 1988;16:1141-1154. In its notation, for group r at time t: Y_r at risk, S_r the probability of
no event, F_r the incidence, h_r = Y_r / S_r(t-), R_r = h_r (1 - F_r(t-)), and F the common incidence under the
hypothesis, estimated by the sum of dN_1. / h. over time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesiontrack.survival.compare import ChiSquare, chi_square
from lesiontrack.survival.sample import FloatArray, IntArray, Sample, at_risk_at, count_at

__all__ = ["gray_test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Counts of the k groups at the m distinct times of events: all (m, k), and F as (m,)."""

    d1: FloatArray
    d2: FloatArray
    at_risk: FloatArray
    survival_before: FloatArray
    survival: FloatArray
    incidence_before: FloatArray


def gray_test(sample: Sample, group: IntArray, strata: IntArray | None = None, *, rho: float = 0.0) -> ChiSquare | None:
    """Test the incidence of status 1 against status 2 for equality between groups.

    Parameters
    ----------
    sample
        Follow-up of everybody, without delayed entry.
    group
        (n,) group of each row, 0..k-1.
    strata
        (n,) stratum of each row, 0..s-1: scores and covariances are summed over strata.
    rho
        Weight (1 - F(t-))^rho.

    Returns
    -------
    ChiSquare or None
        None where no event 1 allows a comparison.
    """
    k = int(group.max()) + 1 if group.size else 0
    score, covariance = np.zeros(k), np.zeros((k, k))
    for stratum in range(int(strata.max()) + 1) if strata is not None and strata.size else (None,):
        rows = np.arange(sample.n) if stratum is None or strata is None else np.flatnonzero(strata == stratum)
        counts = _count(sample.take(rows), group[rows], k)
        if counts.d1.sum() > 0:
            more_score, more_covariance = _one_stratum(counts, rho)
            score, covariance = score + more_score, covariance + more_covariance
    return chi_square(score, covariance)


def _count(sample: Sample, group: IntArray, k: int) -> _Counts:
    times = np.sort(sample.time[sample.status > 0])
    grid = times[np.concatenate(([True], times[1:] != times[:-1]))] if times.size else times
    parts = [sample.take(group == g) for g in range(k)]

    def tally(status: int) -> FloatArray:
        return np.stack([count_at(p.time[p.status == status], grid) for p in parts], axis=1).astype(np.float64)

    d1, d2 = tally(1), tally(2)
    at_risk = np.stack([at_risk_at(p, grid) for p in parts], axis=1).astype(np.float64)
    present = np.maximum(at_risk, 1)
    survival: FloatArray = np.asarray(np.cumprod(1 - (d1 + d2) / present, axis=0), dtype=np.float64)
    before = _lagged(survival, 1.0)
    incidence: FloatArray = np.asarray(np.cumsum(before * d1 / present, axis=0), dtype=np.float64)
    return _Counts(
        d1=d1,
        d2=d2,
        at_risk=at_risk,
        survival_before=before,
        survival=survival,
        incidence_before=_lagged(incidence, 0.0),
    )


def _lagged(values: FloatArray, first: float) -> FloatArray:
    """Return the values just before each time."""
    return np.concatenate((np.full((1, values.shape[1]), first), values[:-1]))


def _one_stratum(counts: _Counts, rho: float) -> tuple[FloatArray, FloatArray]:
    """Return the scores ((k,)) and their covariance ((k, k)) in one stratum."""
    present = counts.at_risk > 0
    h = np.where(present, counts.at_risk / np.where(present, counts.survival_before, 1.0), 0.0)
    risk = h * (1 - counts.incidence_before)
    d1 = counts.d1.sum(axis=1)
    h_all = h.sum(axis=1)
    jump = d1 / h_all
    common = np.cumsum(jump)
    weight = (1 - (common - jump)) ** rho
    score = weight @ (counts.d1 - risk * (d1 / risk.sum(axis=1))[:, None])
    return score, _covariance(counts, h, jump, weight)


def _covariance(counts: _Counts, h: FloatArray, jump: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the covariance of the scores (Gray 1988, section 3) with finite-population factors for ties.

    Score k moves with the martingales of group r by
    S_r(t-) [a_kr(t) + (1 - (1 - F) / S_r) (c_kr(end) - c_kr(t))] for event 1 and
    -S_r(t-) (1 - F) / S_r (c_kr(end) - c_kr(t)) for event 2, where a_kr = W h_r (delta_kr - h_k / h.) and c_kr is its
    integral against dF / (1 - F). Where d events share a time the variance is that of drawing without replacement.
    """
    k = h.shape[1]
    common = np.cumsum(jump)
    left, left_before = 1 - common, 1 - (common - jump)
    hazard = np.where(left_before > 1e-12, jump / np.maximum(left_before, 1e-12), 0.0)
    share = h / h.sum(axis=1)[:, None]
    present = counts.at_risk > 0
    alive = counts.survival > 0
    ratio = np.where(alive, left[:, None] / np.where(alive, counts.survival, 1.0), 0.0)
    d1, at_risk = counts.d1.sum(axis=1)[:, None], np.maximum(counts.at_risk, 1)
    before = counts.survival_before
    # Variance of the own event's martingale under the hypothesis: dF / (S_r(t-) Y_r).
    first = np.where(present, jump[:, None] / (np.where(present, before, 1.0) * at_risk), 0.0)
    first = first * _without_replacement(d1, h.sum(axis=1)[:, None] * before)
    second = np.where(present, counts.d2 / at_risk**2, 0.0) * _without_replacement(counts.d2, counts.at_risk)
    one, two = np.empty((k, *h.shape)), np.empty((k, *h.shape))
    for group in range(k):
        a = weight[:, None] * h * ((np.arange(k) == group) - share[:, group : group + 1])
        c = np.cumsum(a * hazard[:, None], axis=0)
        rest = c[-1] - c
        one[group] = before * (a + np.where(alive, 1 - ratio, 1.0) * rest)
        two[group] = before * ratio * rest
    flat_one, flat_two = one.reshape(k, -1), two.reshape(k, -1)
    return np.asarray((flat_one * first.ravel()) @ flat_one.T + (flat_two * second.ravel()) @ flat_two.T)


def _without_replacement(d: FloatArray, n: FloatArray) -> FloatArray:
    """Return 1 - (d - 1) / (n - 1), and 1 where at most one is drawn."""
    several = (d > 1) & (n > 1)
    return np.where(several, 1 - (d - 1) / np.where(several, n - 1, 1.0), 1.0)
