"""Restricted mean survival time: the area under the product-limit curve to a horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesiontrack.survival.curves import KaplanMeier, kaplan_meier
from lesiontrack.survival.influence import cluster_sums, running_influence
from lesiontrack.survival.intervals import Interval, two_sided_p, z_value
from lesiontrack.survival.sample import FloatArray, Sample

__all__ = ["MeanDifference", "RestrictedMean", "mean_difference", "restricted_mean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedMean:
    """Mean of min(T, tau) and its standard error, in the unit of time."""

    tau: float
    estimate: float
    se: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """Difference of two restricted means with its normal interval."""

    estimate: float
    se: float
    ci: Interval
    p: float | None


def restricted_mean(sample: Sample, tau: float) -> RestrictedMean | None:
    """Return the restricted mean to ``tau``; None where the curve is not known that far.

    The variance is the one of the mean, sum of (area from t to tau)^2 d / (n (n - d)) over the event times
    (Andersen, Hansen & Klein 2004), not that of min(T, tau).
    """
    curve = kaplan_meier(sample)
    if not curve.defined_at(tau):
        return None
    table = curve.table
    inside = table.time < tau
    knots = np.concatenate(([0.0], table.time[inside], [tau]))
    heights = np.concatenate(([1.0], curve.survival[inside]))
    pieces = heights * np.diff(knots)
    after: FloatArray = np.concatenate((np.cumsum(pieces[::-1])[::-1][1:], np.zeros(int((~inside).sum()))))
    if sample.cluster is not None:
        return RestrictedMean(tau=tau, estimate=float(pieces.sum()), se=_clustered_se(sample, curve, after))
    n, d = table.at_risk.astype(np.float64), table.any_event.astype(np.float64)
    variance = np.sum(np.where(d < n, after**2 * d / (n * np.maximum(n - d, 1)), 0.0))
    return RestrictedMean(tau=tau, estimate=float(pieces.sum()), se=float(np.sqrt(variance)))


def _clustered_se(sample: Sample, curve: KaplanMeier, after: FloatArray) -> float:
    """Return the infinitesimal jackknife error of the area, rows of a cluster taken together."""
    table = curve.table
    n, d = table.at_risk.astype(np.float64), table.any_event.astype(np.float64)
    slope = np.where((d > 0) & (d < n), -after * n / np.maximum(n - d, 1), 0.0)
    rows = running_influence(sample, table, slope).upto(table.time.size - 1)
    return float(np.sqrt(np.sum(cluster_sums(rows, sample.cluster) ** 2)))


def mean_difference(first: RestrictedMean, second: RestrictedMean, level: float) -> MeanDifference:
    """Return ``first - second`` of two independent groups at the same horizon."""
    estimate, se = first.estimate - second.estimate, float(np.hypot(first.se, second.se))
    half = z_value(level) * se
    return MeanDifference(
        estimate=estimate,
        se=se,
        ci=Interval(lower=estimate - half, upper=estimate + half),
        p=two_sided_p(estimate / se) if se > 0 else None,
    )
