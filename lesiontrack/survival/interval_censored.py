"""Survival from intervals: an event known only to lie between two visits.

The non-parametric maximum likelihood estimate puts mass on Turnbull's intervals (Journal of the Royal Statistical
Society B 1976;38:290-295); the masses are found by the constrained Newton method of Wang (Journal of the Royal
Statistical Society B 2007;69:185-198), a non-negative least-squares step with halving.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from lesiontrack.survival.sample import FloatArray

__all__ = ["IntervalCurve", "npmle"]

_STEPS = 200
_GRADIENT = 1e-9
"""The climb ends where no interval's derivative exceeds n by more than this share of n."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalCurve:
    """Masses on the m intervals (left, right] that carry any.

    Parameters
    ----------
    left, right
        (m,) ends, ascending; the last right end may be infinite.
    mass
        (m,) probabilities, adding to 1.
    log_likelihood
        At the estimate.
    """

    left: FloatArray
    right: FloatArray
    mass: FloatArray
    log_likelihood: float

    def at(self, time: float) -> tuple[float, float]:
        """Return the lowest and the highest S(time) that fit: inside an interval with mass they differ."""
        gone, touched = self.mass[self.right <= time].sum(), self.mass[self.left < time].sum()
        return float(max(1 - touched, 0.0)), float(max(1 - gone, 0.0))

    def median(self) -> tuple[float, float] | None:
        """Return the interval in which S falls to one half; None where it does not."""
        place = int(np.searchsorted(np.cumsum(self.mass), 0.5 - 1e-12))
        if place >= self.mass.size or not np.isfinite(self.right[place]):
            return None
        return float(self.left[place]), float(self.right[place])


def npmle(left: FloatArray, right: FloatArray) -> IntervalCurve:
    """Return the estimate from observations (left, right].

    Parameters
    ----------
    left, right
        (n,) the event lies after ``left`` and not after ``right``; infinite ``right`` for a censored subject, and
        ``left`` just below ``right`` (``numpy.nextafter``) for an exactly known time.

    Raises
    ------
    ValueError
        An interval is empty.
    """
    if left.size == 0 or bool((right <= left).any()):
        raise ValueError("npmle needs at least one observation, each with left < right")
    start, end = _innermost(left, right)
    inside = ((start[None, :] >= left[:, None]) & (end[None, :] <= right[:, None])).astype(np.float64)
    mass = _masses(inside)
    kept = mass > 0
    value = float(np.log(inside @ mass).sum())
    return IntervalCurve(left=start[kept], right=end[kept], mass=mass[kept], log_likelihood=value)


def _innermost(left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the intervals that begin with a left end and end with the next right end, nothing in between."""
    ends = np.concatenate((left, right))
    is_right = np.concatenate((np.zeros(left.size), np.ones(right.size)))
    # At one time a right end, being closed, comes before a left end, being open.
    order = np.lexsort((1 - is_right, ends))
    ends, is_right = ends[order], is_right[order]
    first = np.flatnonzero((is_right[:-1] == 0) & (is_right[1:] == 1))
    return ends[first], ends[first + 1]


def _masses(inside: FloatArray) -> FloatArray:
    """Maximise the sum of log(inside @ mass) over the simplex ((n, m) -> (m,))."""
    n, m = inside.shape
    mass = np.full(m, 1.0 / m)
    value = float(np.log(inside @ mass).sum())
    for _ in range(_STEPS):
        scaled = inside / (inside @ mass)[:, None]
        if float(scaled.sum(axis=0).max()) <= n * (1 + _GRADIENT):
            break
        # The quadratic model of the log-likelihood around the masses, with their sum as one heavily weighted row.
        rows = np.vstack((scaled, np.full((1, m), float(n))))
        found, _ = nnls(rows, np.concatenate((np.full(n, 2.0), [float(n)])))
        step = found / found.sum() - mass
        share = 1.0
        while share > 1e-10:
            trial = np.maximum(mass + share * step, 0.0)
            likelihood = inside @ trial
            if bool((likelihood > 0).all()) and float(np.log(likelihood).sum()) >= value - 1e-13 * abs(value):
                break
            share /= 2
        else:
            break
        mass, value = trial, float(np.log(likelihood).sum())
    return np.asarray(np.where(mass > 1e-12, mass, 0.0) / mass[mass > 1e-12].sum())
