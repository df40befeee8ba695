"""Confidence intervals: transformed intervals of a probability, the beta product procedure, and MOVER."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from lesiontrack.survival.sample import FloatArray, RiskTable

__all__ = [
    "Interval",
    "IntervalKind",
    "beta_product",
    "mover_difference",
    "normal_interval",
    "two_sided_p",
    "z_value",
]

IntervalKind = Literal["log-log", "log", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Two limits; each may be None where it is not estimable."""

    lower: float | None
    upper: float | None

    @property
    def known(self) -> bool:
        """Whether both limits are estimable."""
        return self.lower is not None and self.upper is not None

    def as_list(self) -> list[float | None]:
        """Return [lower, upper] for JSON."""
        return [self.lower, self.upper]


def z_value(level: float) -> float:
    """Return the standard normal quantile of a two-sided confidence ``level`` (1.96 for 0.95)."""
    return float(special.ndtri(0.5 + level / 2))


def two_sided_p(z: float) -> float:
    """Return the two-sided p of a standard normal deviate."""
    return float(2 * special.ndtr(-abs(z)))


def normal_interval(
    probability: FloatArray, se: FloatArray, level: float, kind: IntervalKind
) -> tuple[FloatArray, FloatArray]:
    """Return pointwise limits of a probability from its standard error.

    Parameters
    ----------
    probability, se
        (m,) estimates in [0, 1] and their standard errors.
    level
        Two-sided confidence level.
    kind
        ``log-log`` (log(-log p), Kalbfleisch & Prentice 1980), ``log`` (log p) or ``plain``; limits are
        clipped to [0, 1].

    Returns
    -------
    tuple
        (m,) lower and upper limits; NaN inside where undefined (estimate or standard error undefined, or
        probability 0), equal to 1 where the probability is 1 and its standard error 0.
    """
    z = z_value(level)
    with np.errstate(all="ignore"):
        if kind == "log-log":
            minus_log = -np.log(probability)
            spread = z * se / (probability * minus_log)
            lower, upper = np.exp(-minus_log * np.exp(spread)), np.exp(-minus_log * np.exp(-spread))
        elif kind == "log":
            spread = z * se / probability
            lower, upper = probability * np.exp(-spread), probability * np.exp(spread)
        else:
            lower, upper = probability - z * se, probability + z * se
    certain = (probability >= 1) & (se == 0)
    undefined = (probability <= 0) | ~np.isfinite(se)
    lower = np.where(undefined, np.nan, np.where(certain, 1.0, np.maximum(lower, 0.0)))
    upper = np.where(undefined, np.nan, np.where(certain, 1.0, np.minimum(upper, 1.0)))
    return lower, upper


def beta_product(table: RiskTable, time: float, level: float) -> Interval:
    """Return the beta product confidence interval of S(time), method of moments.

    The failure probabilities at the distinct event times are independent betas, Beta(n - d + 1, d); the upper
    limit takes the product over the events up to ``time``, the lower one also supposes that the next failure comes
    at once, Beta(n+, 1) with n+ still at risk after ``time``. The product is matched by one beta with the same two
    moments. Without censoring this is Clopper and Pearson's interval. It covers in small arms and near 0 and 1.

    Source: Fay, Brittain & Proschan, Biostatistics 2013;14:723-736.

    Parameters
    ----------
    table
        Counts of the group, without delayed entry.
    time
        Landmark.
    level
        Two-sided confidence level.
    """
    used = (table.time <= time) & (table.any_event > 0)
    n, d = table.at_risk[used].astype(np.float64), table.any_event[used].astype(np.float64)
    # Beta(n - d + 1, d): E = (n-d+1)/(n+1), E of the square = E * (n-d+2)/(n+2).
    log_mean = float(np.sum(np.log1p(-d / (n + 1))))
    log_square = log_mean + float(np.sum(np.log1p(-d / (n + 2))))
    tail = (1 - level) / 2
    later = table.time > time
    ends = table.any_event + table.censored
    still = float(ends[later].sum())
    if still == 0:
        lower = 0.0
    else:
        lower = _beta_quantile(tail, log_mean + np.log(still / (still + 1)), log_square + np.log(still / (still + 2)))
    upper = 1.0 if not used.any() else _beta_quantile(1 - tail, log_mean, log_square)
    return Interval(lower=lower, upper=upper)


def _beta_quantile(q: float, log_mean: float, log_square: float) -> float:
    """Return the quantile of the beta with the given log E[x] and log E[x squared]."""
    mean = np.exp(log_mean)
    # (E x^2 - mean^2) / mean^2 in logs: the difference of two nearly equal numbers otherwise.
    relative_variance = np.expm1(log_square - 2 * log_mean)
    size = (-np.expm1(log_square - log_mean)) / (mean * relative_variance)
    return float(special.betaincinv(mean * size, -np.expm1(log_mean) * size, q))


def mover_difference(first: float, first_ci: Interval, second: float, second_ci: Interval) -> Interval:
    """Return the interval of ``first - second`` from the two intervals (method of variance estimates recovery).

    Source: Donner & Zou, Statistical Methods in Medical Research 2012;21:347-359.
    """
    if first_ci.lower is None or first_ci.upper is None or second_ci.lower is None or second_ci.upper is None:
        return Interval(lower=None, upper=None)
    difference = first - second
    return Interval(
        lower=difference - float(np.hypot(first - first_ci.lower, second_ci.upper - second)),
        upper=difference + float(np.hypot(first_ci.upper - first, second - second_ci.lower)),
    )
