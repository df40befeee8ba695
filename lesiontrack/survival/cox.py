"""Cox regression: Efron's or Breslow's ties, strata, delayed entry, clusters, and the proportional-hazards test.

Sources: Efron 1977 for ties; Lin & Wei 1989 for the robust covariance; Grambsch & Therneau 1994 for the test, in its
score form (Therneau, survival 3: the score test of adding g(t) x to the model), with g the Kaplan-Meier transform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lesiontrack.survival.compare import ChiSquare, chi_square
from lesiontrack.survival.curves import kaplan_meier
from lesiontrack.survival.influence import cluster_sums
from lesiontrack.survival.likelihood import Evaluation, Maximum, independent_columns, maximise
from lesiontrack.survival.sample import FloatArray, IntArray, Sample

__all__ = ["CoxFit", "Ties", "cox_regression", "robust_log_rank"]

Ties = Literal["efron", "breslow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoxFit:
    """A fitted model.

    Parameters
    ----------
    coefficients
        (p,) log hazard ratios; NaN where not estimable (constant, aliased, or no finite maximum).
    covariance
        (p, p) inverse information, or the clustered sandwich; NaN likewise.
    robust
        Whether ``covariance`` is the sandwich.
    log_likelihood
        Partial log-likelihood at 0 and at the estimate.
    score_test
        The score test of all coefficients at 0.
    proportionality, proportionality_by_term
        Score test of proportional hazards for all terms together, and for each ((p,), None where not estimable).
    n, events
        Rows and events used.
    """

    coefficients: FloatArray
    covariance: FloatArray
    robust: bool
    log_likelihood: tuple[float, float]
    score_test: ChiSquare | None
    proportionality: ChiSquare | None
    proportionality_by_term: tuple[ChiSquare | None, ...]
    n: int
    events: int

    @property
    def se(self) -> FloatArray:
        """(p,) standard errors."""
        return np.sqrt(np.diag(self.covariance))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stratum:
    """One stratum in order of time, with its m distinct event times and its deaths.

    ``tie`` is the place of a death's time among the event times and ``share`` the part r/d of its tied set that
    has left before it (0 for Breslow).
    """

    rows: IntArray
    x: FloatArray
    first_at_risk: IntArray
    by_entry: IntArray
    first_to_enter: IntArray
    deaths: IntArray
    tie: IntArray
    share: FloatArray
    events_passed: IntArray
    events_before_entry: IntArray
    event_time: FloatArray

    def sums(self, values: FloatArray) -> FloatArray:
        """Return the sums of ``values`` ((n,) or (n, q)) over the risk set of each event time."""
        total = _suffix_sums(values)[self.first_at_risk]
        if self.by_entry.size:
            total = total - _suffix_sums(values[self.by_entry])[self.first_to_enter]
        return total

    def tied(self, values: FloatArray) -> FloatArray:
        """Return the sums of ``values`` over the deaths at each event time."""
        out = np.zeros((self.event_time.size, *values.shape[1:]))
        np.add.at(out, self.tie, values[self.deaths])
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """How the fitted columns stand in the caller's matrix: its width, their places, and what they were divided by."""

    width: int
    columns: list[int]
    scale: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moments:
    """Weight and linear predictor of each row ((n,)), and the risk set at each death: sum (d,), mean, covariance."""

    relative_risk: FloatArray
    linear: FloatArray
    sum_of_risks: FloatArray
    mean: FloatArray
    covariance: FloatArray


def cox_regression(
    sample: Sample, x: FloatArray, strata: IntArray | None = None, *, ties: Ties = "efron"
) -> CoxFit | None:
    """Fit log hazard ratios of status above 0.

    Parameters
    ----------
    sample
        Follow-up; delayed entry is honoured, clusters give the sandwich covariance.
    x
        (n, p) covariates without missing values.
    strata
        (n,) stratum of each row, 0..s-1.
    ties
        How tied events are treated.

    Returns
    -------
    CoxFit or None
        None where there is no event or no covariate that varies.
    """
    columns = independent_columns(x)
    if not columns or not (sample.status > 0).any():
        return None
    centre, scale = x[:, columns].mean(axis=0), x[:, columns].std(axis=0)
    blocks = _arrange(sample, (x[:, columns] - centre) / scale, strata, ties)
    found = maximise(lambda beta: _evaluate(blocks, beta), len(columns))
    covariance = found.covariance()
    if sample.cluster is not None:
        residuals = _score_residuals(blocks, found.coefficients, sample.n)
        covariance = _sandwich(covariance, cluster_sums(residuals, sample.cluster))
    shape = _Shape(width=x.shape[1], columns=columns, scale=scale)
    return _assemble(found, covariance, sample, _proportionality(blocks, found, sample), shape)


def robust_log_rank(sample: Sample, x: FloatArray, strata: IntArray | None = None) -> ChiSquare | None:
    """Return the log-rank test of the columns of ``x`` with clustered errors (Lee, Wei & Amato 1992).

    The score of Cox's model at 0, its covariance from the score residuals summed within clusters.
    """
    columns = independent_columns(x)
    if not columns or not (sample.status > 0).any():
        return None
    blocks = _arrange(sample, x[:, columns] - x[:, columns].mean(axis=0), strata, "breslow")
    residuals = cluster_sums(_score_residuals(blocks, np.zeros(len(columns)), sample.n), sample.cluster)
    return chi_square(residuals.sum(axis=0), residuals.T @ residuals)


def _arrange(sample: Sample, x: FloatArray, strata: IntArray | None, ties: Ties) -> list[_Stratum]:
    """Return the strata that have events, each sorted by time."""
    if strata is None:
        parts = [np.arange(sample.n)]
    else:
        parts = [np.flatnonzero(strata == s) for s in range(int(strata.max()) + 1)]
    return [_arrange_one(sample, x, rows, ties) for rows in parts if (sample.status[rows] > 0).any()]


def _arrange_one(sample: Sample, x: FloatArray, rows: IntArray, ties: Ties) -> _Stratum:
    rows = rows[np.argsort(sample.time[rows], kind="stable")]
    time, dead = sample.time[rows], sample.status[rows] > 0
    event_time, tie, many = np.unique(time[dead], return_inverse=True, return_counts=True)
    share = np.zeros(tie.size)
    if ties == "efron":
        share = (np.arange(tie.size) - (np.cumsum(many) - many)[tie]) / many[tie]
    late: IntArray = np.zeros(0, dtype=np.int64)
    entered = np.zeros(rows.size, dtype=np.int64)
    first_to_enter = np.zeros(event_time.size, dtype=np.int64)
    if sample.entry is not None and sample.delayed:
        entry = sample.entry[rows]
        late = np.flatnonzero(entry > 0)
        late = late[np.argsort(entry[late], kind="stable")]
        first_to_enter = np.searchsorted(entry[late], event_time, side="left").astype(np.int64)
        entered[late] = np.searchsorted(event_time, entry[late], side="right")
    return _Stratum(
        rows=rows,
        x=x[rows],
        first_at_risk=np.searchsorted(time, event_time, side="left").astype(np.int64),
        by_entry=late,
        first_to_enter=first_to_enter,
        deaths=np.flatnonzero(dead),
        tie=tie.astype(np.int64),
        share=share,
        events_passed=np.searchsorted(event_time, time, side="right").astype(np.int64),
        events_before_entry=entered,
        event_time=event_time,
    )


def _suffix_sums(values: FloatArray) -> FloatArray:
    """Return the sums from each place to the end, with a last 0: (n, ...) -> (n + 1, ...)."""
    out = np.zeros((values.shape[0] + 1, *values.shape[1:]))
    out[:-1] = np.cumsum(values[::-1], axis=0)[::-1]
    return out


def _moments(block: _Stratum, beta: FloatArray) -> _Moments:
    """Return the weighted moments of the risk set at each death."""
    p = beta.size
    linear = block.x @ beta
    linear = linear - linear.max()
    risk = np.exp(linear)
    weighted = risk[:, None] * block.x
    upper = np.triu_indices(p)
    products = weighted[:, upper[0]] * block.x[:, upper[1]]

    def over(values: FloatArray) -> FloatArray:
        whole, tied = block.sums(values)[block.tie], block.tied(values)[block.tie]
        share = block.share if values.ndim == 1 else block.share[:, None]
        return np.asarray(whole - share * tied)

    total = over(risk)
    mean = over(weighted) / total[:, None]
    second = np.empty((total.size, p, p))
    second[:, upper[0], upper[1]] = over(products) / total[:, None]
    second[:, upper[1], upper[0]] = second[:, upper[0], upper[1]]
    covariance = second - mean[:, :, None] * mean[:, None, :]
    return _Moments(relative_risk=risk, linear=linear, sum_of_risks=total, mean=mean, covariance=covariance)


def _evaluate(blocks: list[_Stratum], beta: FloatArray) -> Evaluation:
    value, score, information = 0.0, np.zeros(beta.size), np.zeros((beta.size, beta.size))
    for block in blocks:
        m = _moments(block, beta)
        value += float(np.sum(m.linear[block.deaths] - np.log(m.sum_of_risks)))
        score += (block.x[block.deaths] - m.mean).sum(axis=0)
        information += m.covariance.sum(axis=0)
    return Evaluation(value=value, score=score, information=information)


def _score_residuals(blocks: list[_Stratum], beta: FloatArray, n: int) -> FloatArray:
    """Return each row's share of the score ((n, p)); a death counts with its Efron weight in its own tied set."""
    out = np.zeros((n, beta.size))
    for block in blocks:
        m, size = _moments(block, beta), block.event_time.size
        step = np.column_stack((1 / m.sum_of_risks, m.mean / m.sum_of_risks[:, None]))
        full, part, centre = (
            np.zeros((size, beta.size + 1)),
            np.zeros((size, beta.size + 1)),
            np.zeros((size, beta.size)),
        )
        np.add.at(full, block.tie, step)
        np.add.at(part, block.tie, (1 - block.share)[:, None] * step)
        np.add.at(centre, block.tie, m.mean)
        run = np.concatenate((np.zeros((1, full.shape[1])), np.cumsum(full, axis=0)))
        hazard = run[block.events_passed] - run[np.minimum(block.events_before_entry, block.events_passed)]
        hazard[block.deaths] += (part - full)[block.tie]
        residual = -m.relative_risk[:, None] * (block.x * hazard[:, :1] - hazard[:, 1:])
        many = np.bincount(block.tie, minlength=size)
        residual[block.deaths] += block.x[block.deaths] - (centre / many[:, None])[block.tie]
        out[block.rows] = residual
    return out


def _sandwich(covariance: FloatArray, residuals: FloatArray) -> FloatArray:
    """Return A^-1 B A^-1 over the estimable coefficients."""
    keep = np.isfinite(np.diag(covariance))
    out = np.full(covariance.shape, np.nan)
    influence = residuals[:, keep] @ covariance[np.ix_(keep, keep)]
    out[np.ix_(keep, keep)] = influence.T @ influence
    return out


def _proportionality(
    blocks: list[_Stratum], found: Maximum, sample: Sample
) -> tuple[ChiSquare | None, tuple[ChiSquare | None, ...]]:
    """Return the score tests of g(t) x, g(t) = 1 - S(t-), for all settled terms and for each."""
    keep = np.flatnonzero(found.settled)
    p = keep.size
    everyone = kaplan_meier(sample)
    score, cross, square = np.zeros(p), np.zeros((p, p)), np.zeros((p, p))
    times = np.concatenate([b.event_time[b.tie] for b in blocks])
    centre = float(np.mean(_transform(everyone.table.time, everyone.survival, times)))
    for block in blocks:
        m = _moments(block, found.coefficients)
        g = _transform(everyone.table.time, everyone.survival, block.event_time[block.tie]) - centre
        covariance = m.covariance[:, keep[:, None], keep[None, :]]
        score += g @ (block.x[block.deaths] - m.mean)[:, keep]
        cross += np.einsum("d,dij->ij", g, covariance)
        square += np.einsum("d,dij->ij", g**2, covariance)
    by_term: list[ChiSquare | None] = [None] * found.settled.size
    if p == 0:
        return None, tuple(by_term)
    information = found.end.information[np.ix_(keep, keep)]
    schur = square - cross @ np.linalg.solve(information, cross)
    for place, column in enumerate(keep):
        by_term[column] = _safe_chi_square(score[[place]], schur[[place]][:, [place]], square[place, place])
    return _safe_chi_square(score, schur, float(square.max())), tuple(by_term)


def _safe_chi_square(score: FloatArray, covariance: FloatArray, size: float) -> ChiSquare | None:
    """Return the test, None where time does not vary (all events at one time)."""
    return None if float(np.abs(covariance).max()) <= 1e-12 * abs(size) else chi_square(score, covariance)


def _transform(time: FloatArray, survival: FloatArray, at: FloatArray) -> FloatArray:
    """Return 1 - S just before each time."""
    before = np.concatenate(([1.0], survival))
    return 1 - before[np.searchsorted(time, at, side="left")]


def _assemble(
    found: Maximum,
    covariance: FloatArray,
    sample: Sample,
    tests: tuple[ChiSquare | None, tuple[ChiSquare | None, ...]],
    shape: _Shape,
) -> CoxFit:
    """Put the coefficients back on the scale and into the columns of the caller."""
    coefficients, full = np.full(shape.width, np.nan), np.full((shape.width, shape.width), np.nan)
    columns, scale = shape.columns, shape.scale
    coefficients[columns] = np.where(found.settled, found.coefficients / scale, np.nan)
    full[np.ix_(columns, columns)] = covariance / np.outer(scale, scale)
    by_term: list[ChiSquare | None] = [None] * shape.width
    for column, test in zip(columns, tests[1], strict=True):
        by_term[column] = test
    return CoxFit(
        coefficients=coefficients,
        covariance=full,
        robust=sample.cluster is not None,
        log_likelihood=(found.start.value, found.end.value),
        score_test=chi_square(found.start.score, found.start.information),
        proportionality=tests[0],
        proportionality_by_term=tuple(by_term),
        n=sample.n,
        events=int((sample.status > 0).sum()),
    )
