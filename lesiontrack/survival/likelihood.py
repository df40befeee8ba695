"""Newton's method for a concave log-likelihood, and what its end says about estimability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lesiontrack.survival.sample import BoolArray, FloatArray

__all__ = ["Evaluation", "Maximum", "independent_columns", "maximise"]

_STEPS = 80
_CONVERGED = 1e-10
"""Largest step, in standard deviations of a covariate, that ends the climb."""
_EPSILON = 1e-12
"""Relative change of the log-likelihood that is rounding."""
_SPENT = 1e-10
"""Information below this share of what there was at 0 is none."""
_RUNNING = 1e-4
"""A step this large while the log-likelihood stands still belongs to a coefficient without finite maximum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Log-likelihood, score ((p,)) and information ((p, p)) at one point."""

    value: float
    score: FloatArray
    information: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Maximum:
    """Where the iteration ended.

    Parameters
    ----------
    coefficients
        (p,) estimate.
    start, end
        The evaluation at 0 and at the estimate.
    settled
        (p,) False where a coefficient still ran away when the likelihood had stopped growing: it has no finite
        maximum (a level without events, separation).
    """

    coefficients: FloatArray
    start: Evaluation
    end: Evaluation
    settled: BoolArray

    def covariance(self) -> FloatArray:
        """Return the inverse information of the settled coefficients, (p, p) with NaN for the others."""
        out = np.full(self.end.information.shape, np.nan)
        keep = np.ix_(self.settled, self.settled)
        if self.settled.any():
            out[keep] = np.linalg.inv(self.end.information[keep])
        return out


def maximise(evaluate: Callable[[FloatArray], Evaluation], p: int) -> Maximum:
    """Climb from 0 by Newton steps, halved while they overshoot.

    Parameters
    ----------
    evaluate
        Log-likelihood and derivatives at (p,) coefficients of standardised covariates.
    p
        Number of coefficients.
    """
    point, step = np.zeros(p), np.full(p, np.inf)
    # A step too far may underflow to a likelihood of 0: it is halved, not reported.
    with np.errstate(all="ignore"):
        start = here = evaluate(point)
        for _ in range(_STEPS):
            try:
                step = np.linalg.solve(here.information, here.score)
            except np.linalg.LinAlgError:
                break
            there = evaluate(point + step)
            slack = abs(here.value) * _EPSILON
            while not there.value >= here.value - slack and np.abs(step).max() > _CONVERGED:
                step = step / 2
                there = evaluate(point + step)
            gain = there.value - here.value
            point, here = point + step, there
            if np.abs(step).max() < _CONVERGED or (gain <= slack and np.abs(step).max() > _RUNNING):
                break
    return Maximum(coefficients=point, start=start, end=here, settled=_settled(start, here, step))


def _settled(start: Evaluation, end: Evaluation, step: FloatArray) -> BoolArray:
    """Return which coefficients stand still at a point that still holds information about them ((p,))."""
    left = np.diag(end.information)
    settled = (np.abs(step) <= _RUNNING) & (left > _SPENT * np.diag(start.information))
    kept = np.ix_(settled, settled)
    scale = np.sqrt(np.where(settled, left, 1.0))
    # Together they must be told apart as well: a singular matrix has no inverse to report.
    together = (end.information / np.outer(scale, scale))[kept]
    if settled.any() and not float(np.linalg.eigvalsh(together)[0]) > _SPENT:
        return np.zeros_like(settled)
    return np.asarray(settled)


def independent_columns(x: FloatArray) -> list[int]:
    """Return the columns of ``x`` ((n, p)) that are neither constant nor a combination of earlier ones."""
    kept: list[int] = []
    basis = np.zeros((x.shape[0], 0))
    for column in range(x.shape[1]):
        centred = x[:, column] - x[:, column].mean()
        size = float(np.linalg.norm(centred))
        if size <= 1e-10 * (float(np.linalg.norm(x[:, column])) + 1e-300):
            continue
        rest = centred / size
        for _ in range(2):  # twice is enough against cancellation
            rest = rest - basis @ (basis.T @ rest)
        left = float(np.linalg.norm(rest))
        if left > 1e-9:
            kept.append(column)
            basis = np.column_stack((basis, rest / left))
    return kept
