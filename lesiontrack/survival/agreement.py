"""Agreement of two readers: Cohen's kappa with intervals, differences in days, limits of agreement.

What cannot be estimated is None with a note, never 0 and never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa

from lesiontrack.survival.sample import FloatArray

__all__ = ["DateDifferences", "Kappa", "Limits", "date_differences", "kappa", "limits_of_agreement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Cohen's kappa of two readers.

    Attributes
    ----------
    categories
        In the order of the rows (first reader) and columns (second reader) of ``table``.
    table
        Counts, (k, k).
    observed, expected
        Share of agreement, and that expected by chance; weighted where the kappa is.
    se, ci, ci_method
        Large-sample standard error and interval (Fleiss, Cohen and Everitt, Psychol Bull 1969;72:323-327).
    ci_by_subject, ci_by_subject_method
        Percentile interval over resamples of subjects, where a subject gives several ratings.
    """

    n: int
    categories: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]
    weights: str
    observed: float | None = None
    expected: float | None = None
    estimate: float | None = None
    se: float | None = None
    ci: tuple[float, float] | None = None
    ci_method: str | None = None
    ci_by_subject: tuple[float, float] | None = None
    ci_by_subject_method: str | None = None
    note: str | None = None


def kappa(
    ratings: Sequence[tuple[Hashable, str, str]],
    categories: Sequence[str],
    *,
    weights: str = "none",
    level: float = 0.95,
    resamples: int = 0,
    seed: int = 20,
) -> Kappa:
    """Return Cohen's kappa.

    Parameters
    ----------
    ratings
        (subject, first reader's category, second reader's category).
    categories
        Every category that may occur; with weights, in their order.
    weights
        ``none``, or ``linear``: disagreement counts by how many categories lie between (Cicchetti and Allison, 1971).
    level
        Of the intervals, two-sided.
    resamples
        Resamples of subjects for ``ci_by_subject``; 0 for none. Subjects are resampled whole, since the visits of one
        are not independent and the large-sample interval takes them to be.
    seed
        Of the resampling.
    """
    used = [name for name in categories if any(name in (a, b) for _, a, b in ratings)]
    table = _table(ratings, used)
    plain = Kappa(
        n=len(ratings),
        categories=tuple(used),
        table=tuple(tuple(int(n) for n in row) for row in table),
        weights=weights,
    )
    if not ratings:
        return _noted(plain, "nothing was rated by both readers")
    disagreement = _disagreement([categories.index(name) for name in used], weights)
    observed, expected = _shares(table[np.newaxis], disagreement)
    shares = {"observed": 1.0 - float(observed[0]), "expected": 1.0 - float(expected[0])}
    if expected[0] <= 0:
        return _noted(plain, "both readers used one category only: kappa is not defined", **shares)
    estimate = 1.0 - float(observed[0] / expected[0])
    found = _noted(plain, None, **shares, estimate=estimate)
    found = _with_large_sample_interval(found, table, disagreement, weights, level)
    return _with_interval_by_subject(found, ratings, disagreement, level, resamples, seed)


def _noted(found: Kappa, note: str | None, **more: Any) -> Kappa:
    notes = "; ".join(text for text in (found.note, note) if text)
    return replace(found, **more, note=notes or None)


def _table(ratings: Sequence[tuple[Hashable, str, str]], categories: Sequence[str]) -> FloatArray:
    place = {name: n for n, name in enumerate(categories)}
    table: FloatArray = np.zeros((len(categories), len(categories)))
    for _, first, second in ratings:
        table[place[first], place[second]] += 1
    return table


def _disagreement(places: Sequence[int], weights: str) -> FloatArray:
    """Return how much each pair of categories disagrees, 0 to 1, (k, k)."""
    at = np.asarray(places, dtype=float)
    apart: FloatArray = np.abs(at[:, np.newaxis] - at)
    if weights == "none":
        return (apart > 0).astype(float)
    scaled: FloatArray = apart / max(float(apart.max()), 1.0)
    return scaled


def _shares(tables: FloatArray, disagreement: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the disagreement observed and expected by chance of each of (m, k, k) tables, each (m,)."""
    n = tables.sum(axis=(1, 2))
    chance = tables.sum(axis=2)[:, :, np.newaxis] * tables.sum(axis=1)[:, np.newaxis, :] / n[:, None, None]
    return (tables * disagreement).sum(axis=(1, 2)) / n, (chance * disagreement).sum(axis=(1, 2)) / n


def _with_large_sample_interval(
    found: Kappa, table: FloatArray, disagreement: FloatArray, weights: str, level: float
) -> Kappa:
    # Its test against 0, which is not used here, divides by a standard error that may be 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        result = cohens_kappa(table) if weights == "none" else cohens_kappa(table, weights=disagreement)
    variance = float(result.var_kappa)
    if not math.isfinite(variance) or variance <= 1e-12 or found.estimate is None:
        return _noted(found, "no large-sample interval: its standard error is 0")
    se = math.sqrt(variance)
    z = float(stats.norm.ppf(0.5 + level / 2))
    low, high = max(-1.0, found.estimate - z * se), min(1.0, found.estimate + z * se)
    method = "large-sample, Fleiss-Cohen-Everitt"
    return _noted(found, None, se=se, ci=(low, high), ci_method=method)


def _with_interval_by_subject(
    found: Kappa,
    ratings: Sequence[tuple[Hashable, str, str]],
    disagreement: FloatArray,
    level: float,
    resamples: int,
    seed: int,
) -> Kappa:
    by_subject: dict[Hashable, list[tuple[Hashable, str, str]]] = {}
    for rating in ratings:
        by_subject.setdefault(rating[0], []).append(rating)
    n = len(by_subject)
    if resamples == 0 or n == len(ratings):
        return found
    if n < 2:
        return _noted(found, "one subject only: no interval by subject")
    tables = np.stack([_table(own, found.categories) for own in by_subject.values()])
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=resamples)
    observed, expected = _shares(np.einsum("bn,nij->bij", draws, tables), disagreement)
    known = expected > 0
    if not known.all():
        # Resamples in which both readers used one category only say nothing.
        observed, expected = observed[known], expected[known]
    if expected.size < resamples / 2:
        return _noted(found, "no interval by subject: kappa is not defined in most resamples")
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(1.0 - observed / expected, [tail, 100 - tail])
    if low == high:
        return _noted(found, "no interval by subject: every resample agrees alike")
    method = f"percentile of {int(expected.size)} resamples of subjects"
    return _noted(found, None, ci_by_subject=(float(low), float(high)), ci_by_subject_method=method)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateDifferences:
    """Differences of two readers' dates, in days, second reader minus first; of subjects in whom both have one.

    ``mean``, ``sd`` and ``quartiles`` (lower, median, upper) are of the signed differences, ``mean_absolute`` of their
    size; ``only_first`` and ``only_second`` count subjects in whom one reader alone has a date.
    """

    n: int
    n_same_day: int
    only_first: int
    only_second: int
    days: tuple[int, ...]
    mean: float | None = None
    sd: float | None = None
    quartiles: tuple[float, float, float] | None = None
    mean_absolute: float | None = None
    largest: int | None = None
    note: str | None = None


def date_differences(days: Sequence[int], *, only_first: int, only_second: int) -> DateDifferences:
    """Summarise differences of dates in days."""
    found = DateDifferences(
        n=len(days), n_same_day=days.count(0), only_first=only_first, only_second=only_second, days=tuple(days)
    )
    if not days:
        return replace(found, note="no subject in whom both readers have a date")
    values = np.asarray(days, dtype=float)
    low, middle, high = (float(q) for q in np.percentile(values, [25, 50, 75]))
    return replace(
        found,
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)) if values.size > 1 else None,
        quartiles=(low, middle, high),
        mean_absolute=float(np.abs(values).mean()),
        largest=max(days, key=abs),
        note=None if values.size > 1 else "one subject: no standard deviation",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bland and Altman's limits of agreement, second reader minus first.

    Attributes
    ----------
    bias, sd
        Mean and standard deviation of the differences; the latter allows for several pairs of one subject where
        there are any (variance between subjects and within, Bland and Altman, J Biopharm Stat 2007;17:571-582).
    lower, upper
        bias -/+ z times sd; the limits that hold ``level`` of differences.
    bias_ci, lower_ci, upper_ci
        Large-sample intervals (Bland and Altman, Stat Methods Med Res 1999;8:135-160), of as many independent
        differences as there are subjects.
    """

    n: int
    n_subjects: int
    unit: str
    level: float
    bias: float | None = None
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None
    bias_ci: tuple[float, float] | None = None
    lower_ci: tuple[float, float] | None = None
    upper_ci: tuple[float, float] | None = None
    method: str | None = None
    note: str | None = None


def limits_of_agreement(
    pairs: Sequence[tuple[Hashable, float, float]], *, unit: str = "mm", level: float = 0.95
) -> Limits:
    """Return the limits of agreement of paired values.

    Parameters
    ----------
    pairs
        (subject, first reader's value, second reader's value).
    unit
        ``mm``, or ``percent``: differences are then in percent of each pair's mean; pairs with mean 0 are equal.
    level
        Share of differences between the limits, and level of the intervals.
    """
    of_subject: dict[Hashable, list[float]] = {}
    for subject, first, second in pairs:
        mean = (first + second) / 2
        difference = second - first if unit == "mm" else 100 * (second - first) / mean if mean else 0.0
        of_subject.setdefault(subject, []).append(difference)
    values = np.array([value for own in of_subject.values() for value in own])
    found = Limits(n=values.size, n_subjects=len(of_subject), unit=unit, level=level)
    if values.size < 2:
        note = "no pair of sums" if not values.size else "one pair of sums: no limits"
        bias = float(values[0]) if values.size else None
        return replace(found, bias=bias, note=note)
    bias, repeated = float(values.mean()), values.size > len(of_subject)
    if repeated and len(of_subject) < 2:
        return replace(found, bias=bias, note="one subject only: no limits")
    sd = _sd_of_repeated(list(of_subject.values())) if repeated else float(values.std(ddof=1))
    z = float(stats.norm.ppf(0.5 + level / 2))
    n = len(of_subject)
    # The variance of a limit is that of the mean, s2 / n, and of z s, z2 s2 / 2 (n - 1).
    half_bias = z * sd / math.sqrt(n)
    half_limit = z * sd * math.sqrt(1 / n + z * z / (2 * (n - 1)))
    lower, upper = bias - z * sd, bias + z * sd
    return replace(
        found,
        bias=bias,
        sd=sd,
        lower=lower,
        upper=upper,
        bias_ci=(bias - half_bias, bias + half_bias),
        lower_ci=(lower - half_limit, lower + half_limit),
        upper_ci=(upper - half_limit, upper + half_limit),
        method="Bland-Altman, repeated pairs of a subject" if repeated else "Bland-Altman",
    )


def _sd_of_repeated(by_subject: Sequence[Sequence[float]]) -> float:
    """Return the standard deviation of one difference of one subject: components of variance, one-way."""
    counts = np.array([len(own) for own in by_subject], dtype=float)
    means = np.array([np.mean(own) for own in by_subject])
    total, n = float(counts.sum()), len(by_subject)
    grand = float((counts * means).sum() / total)
    within = sum(float(((np.asarray(own) - mean) ** 2).sum()) for own, mean in zip(by_subject, means, strict=True))
    within_ms = within / (total - n)
    between_ms = float((counts * (means - grand) ** 2).sum()) / (n - 1)
    divisor = (total**2 - float((counts**2).sum())) / ((n - 1) * total)
    return math.sqrt(max(0.0, (between_ms - within_ms) / divisor) + within_ms)
