"""Subdistribution hazards: Fine and Gray's regression with its robust covariance.

Written from Fine JP & Gray RJ, A proportional hazards model for the subdistribution of a competing risk, Journal of
the American Statistical Association 1999;94:496-509. A subject with a competing event stays in the risk set with
weight G(t-) / G(X-), G the Kaplan-Meier estimate of censoring; tied events are treated by Breslow's rule. The
covariance adds to each subject's score the part that comes from estimating G (their psi).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesiontrack.survival.influence import cluster_sums
from lesiontrack.survival.likelihood import Evaluation, independent_columns, maximise
from lesiontrack.survival.sample import BoolArray, FloatArray, IntArray, Sample

__all__ = ["FineGrayFit", "fine_gray_regression"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FineGrayFit:
    """A fitted model.

    Parameters
    ----------
    coefficients
        (p,) log subdistribution hazard ratios; NaN where not estimable.
    covariance, naive_covariance
        (p, p) robust covariance (clustered where rows are), and the inverse information.
    log_likelihood
        Log pseudo-likelihood at 0 and at the estimate.
    n, events
        Rows and events used.
    """

    coefficients: FloatArray
    covariance: FloatArray
    naive_covariance: FloatArray
    log_likelihood: tuple[float, float]
    n: int
    events: int

    @property
    def se(self) -> FloatArray:
        """(p,) robust standard errors."""
        return np.sqrt(np.diag(self.covariance))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arranged:
    """Rows in order of time; u are the m distinct times of event 1.

    ``censoring_before`` is G(X-) of each row and ``censoring_at_event`` G(u-); ``first_at_risk`` the first row with
    X >= u, which is also the number of rows with X < u.
    """

    time: FloatArray
    status: IntArray
    x: FloatArray
    event_time: FloatArray
    event_count: FloatArray
    first_at_risk: IntArray
    censoring_before: FloatArray
    censoring_at_event: FloatArray

    @property
    def competing(self) -> BoolArray:
        """(n,) rows with a competing event."""
        return np.asarray(self.status == 2)

    def sums(self, values: FloatArray) -> FloatArray:
        """Return the weighted sums of ``values`` ((n,) or (n, q)) over the subdistribution risk set at each u."""
        alive = _running(values[::-1])[::-1][self.first_at_risk]
        column = (slice(None),) + (None,) * (values.ndim - 1)
        gone = _running(values * (self.competing / self.censoring_before)[column])[self.first_at_risk]
        return np.asarray(alive + self.censoring_at_event[column] * gone)


def fine_gray_regression(sample: Sample, x: FloatArray) -> FineGrayFit | None:
    """Fit log subdistribution hazard ratios of status 1 against status 2.

    Parameters
    ----------
    sample
        Follow-up without delayed entry; clusters are summed in the robust covariance (Zhou et al. 2012).
    x
        (n, p) covariates without missing values.

    Returns
    -------
    FineGrayFit or None
        None where there is no event 1 or no covariate that varies.
    """
    columns = independent_columns(x)
    events = int((sample.status == 1).sum())
    if not columns or events == 0:
        return None
    centre, scale = x[:, columns].mean(axis=0), x[:, columns].std(axis=0)
    order = np.argsort(sample.time, kind="stable")
    data = _arrange(sample, (x[:, columns] - centre) / scale, order)
    found = maximise(lambda beta: _evaluate(data, beta), len(columns))
    naive = found.covariance()
    residuals = np.empty((sample.n, len(columns)))
    residuals[order] = _score_residuals(data, found.coefficients)
    keep = found.settled
    influence = cluster_sums(residuals, sample.cluster)[:, keep] @ naive[np.ix_(keep, keep)]
    robust = np.full_like(naive, np.nan)
    robust[np.ix_(keep, keep)] = influence.T @ influence
    coefficients = np.full(x.shape[1], np.nan)
    coefficients[columns] = np.where(keep, found.coefficients / scale, np.nan)
    return FineGrayFit(
        coefficients=coefficients,
        covariance=_spread(robust / np.outer(scale, scale), columns, x.shape[1]),
        naive_covariance=_spread(naive / np.outer(scale, scale), columns, x.shape[1]),
        log_likelihood=(found.start.value, found.end.value),
        n=sample.n,
        events=events,
    )


def _spread(matrix: FloatArray, columns: list[int], width: int) -> FloatArray:
    out = np.full((width, width), np.nan)
    out[np.ix_(columns, columns)] = matrix
    return out


def _running(values: FloatArray) -> FloatArray:
    """Return the sums before each place and in all: (n, ...) -> (n + 1, ...)."""
    out = np.zeros((values.shape[0] + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=out[1:])
    return out


def _arrange(sample: Sample, x: FloatArray, order: IntArray) -> _Arranged:
    time, status = sample.time[order], sample.status[order]
    distinct, place, ends = np.unique(time, return_inverse=True, return_counts=True)
    at_risk = time.size - (np.cumsum(ends) - ends)
    censored = np.bincount(place[status == 0], minlength=distinct.size)
    before = np.concatenate(([1.0], np.cumprod(1 - censored / at_risk)[:-1]))
    event_time, event_count = np.unique(time[status == 1], return_counts=True)
    return _Arranged(
        time=time,
        status=status,
        x=x[order],
        event_time=event_time,
        event_count=event_count.astype(np.float64),
        first_at_risk=np.searchsorted(time, event_time, side="left").astype(np.int64),
        censoring_before=before[place],
        censoring_at_event=before[np.searchsorted(distinct, event_time)],
    )


def _risk_sums(data: _Arranged, beta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the linear predictor less its largest, its exponential ((n,)), and the weighted sum of that ((m,))."""
    linear = data.x @ beta
    linear = linear - linear.max()
    risk = np.exp(linear)
    return linear, risk, data.sums(risk)


def _evaluate(data: _Arranged, beta: FloatArray) -> Evaluation:
    p = beta.size
    linear, risk, total = _risk_sums(data, beta)
    weighted = risk[:, None] * data.x
    upper = np.triu_indices(p)
    mean = data.sums(weighted) / total[:, None]
    second = data.sums(weighted[:, upper[0]] * data.x[:, upper[1]]) / total[:, None]
    information = np.empty((p, p))
    pairs = data.event_count @ (second - mean[:, upper[0]] * mean[:, upper[1]])
    information[upper], information[upper[1], upper[0]] = pairs, pairs
    own = data.status == 1
    return Evaluation(
        value=float(linear[own].sum() - data.event_count @ np.log(total)),
        score=data.x[own].sum(axis=0) - data.event_count @ mean,
        information=information,
    )


def _score_residuals(data: _Arranged, beta: FloatArray) -> FloatArray:
    """Return eta + psi of each row ((n, p)), rows in order of time."""
    _, risk, total = _risk_sums(data, beta)
    mean = data.sums(risk[:, None] * data.x) / total[:, None]
    hazard = data.event_count / total
    # Columns: 1 and the risk-set mean, integrated against the baseline subdistribution hazard.
    step = np.column_stack((hazard, mean * hazard[:, None]))
    passed = np.searchsorted(data.event_time, data.time, side="right")
    seen = _running(step)[passed]
    tail = _running((step * data.censoring_at_event[:, None])[::-1])[::-1]
    inverse = data.competing / data.censoring_before
    seen = seen + inverse[:, None] * tail[passed]
    eta = -risk[:, None] * (data.x * seen[:, :1] - seen[:, 1:])
    own = data.status == 1
    eta[own] += data.x[own] - mean[passed[own] - 1]
    return eta + _psi(data, risk * inverse, tail)


def _psi(data: _Arranged, kept: FloatArray, tail: FloatArray) -> FloatArray:
    """Return the part of each row's score that comes from estimating the censoring distribution ((n, p)).

    q(u) sums, over competing events before u, the score they still contribute at event times from u on; it is
    integrated against the censoring martingale over the number at risk.
    """
    first = np.searchsorted(data.time, data.time, side="left")
    at_risk = (data.time.size - first).astype(np.float64)
    later = tail[np.searchsorted(data.event_time, data.time, side="left")]
    weight, weighted_x = _running(kept)[first], _running(kept[:, None] * data.x)[first]
    q = weighted_x * later[:, :1] - weight[:, None] * later[:, 1:]
    ratio = q / at_risk[:, None]
    censored = (data.status == 0)[:, None]
    # One step of the censoring hazard for each censored row, up to and including the row's own time.
    compensator = _running(censored * ratio / at_risk[:, None])
    last = np.searchsorted(data.time, data.time, side="right")
    return np.asarray(censored * ratio - compensator[last])
