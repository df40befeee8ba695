"""Cumulative incidence with competing events: the Aalen-Johansen estimate and its delta-method errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesiontrack.survival.influence import cluster_sums, running_influence
from lesiontrack.survival.intervals import IntervalKind, normal_interval
from lesiontrack.survival.sample import FloatArray, RiskTable, Sample, risk_table

__all__ = ["CumulativeIncidence", "aalen_johansen"]


_ROUNDING = 1e-14


@dataclass(frozen=True, slots=True, kw_only=True)
class CumulativeIncidence:
    """The probability of having had event 1 by time t, competing events standing in its way.

    Parameters
    ----------
    table
        Counts at the m distinct times.
    incidence
        (m,) F1(t), right continuous.
    se
        (m,) delta-method standard error of F1(t).
    event_free
        (m,) probability of neither event by t.
    """

    table: RiskTable
    incidence: FloatArray
    se: FloatArray
    event_free: FloatArray

    def at(self, time: float) -> float:
        """Return F1(time); carried forward after the last time."""
        place = int(np.searchsorted(self.table.time, time, side="right")) - 1
        return 0.0 if place < 0 else float(self.incidence[place])

    def se_at(self, time: float) -> float:
        """Return the standard error of F1(time)."""
        place = int(np.searchsorted(self.table.time, time, side="right")) - 1
        return 0.0 if place < 0 else float(self.se[place])

    def defined_at(self, time: float) -> bool:
        """Whether F1(time) is known: within follow-up, or after nobody is left without an event."""
        return self.table.time.size > 0 and (time <= self.table.last_time or float(self.event_free[-1]) == 0.0)

    def band(self, level: float, kind: IntervalKind = "log-log") -> tuple[FloatArray, FloatArray]:
        """Return pointwise (m,) limits of F1, log-log meaning log(-log F1); NaN where F1 is 0."""
        return normal_interval(self.incidence, self.se, level, kind)


def aalen_johansen(sample: Sample) -> CumulativeIncidence:
    """Return the cumulative incidence of status 1 against status 2.

    Ties between events, competing events and censorings need no breaking: each kind has its own hazard at the
    time, with everybody observed to that time at risk (Aalen & Johansen 1978).
    """
    table = risk_table(sample)
    n = table.at_risk.astype(np.float64)
    event_free: FloatArray = np.asarray(np.cumprod(1 - table.any_event / n), dtype=np.float64)
    before: FloatArray = np.concatenate(([1.0], event_free))[: n.size]
    incidence: FloatArray = np.asarray(np.cumsum(before * table.events / n), dtype=np.float64)
    se = _delta_se(table, incidence, before)
    if sample.cluster is not None:
        se = _clustered_se(sample, table, incidence, before)
    return CumulativeIncidence(table=table, incidence=incidence, se=se, event_free=event_free)


def _delta_se(table: RiskTable, incidence: FloatArray, before: FloatArray) -> FloatArray:
    """Return the delta-method standard error at each time.

    Var F1(t) = sum over u <= t of (F1(t) - F1(u))^2 d / (n (n - d)) + S(u-)^2 d1 (n - d1) / n^3
    - 2 (F1(t) - F1(u)) S(u-) d1 / n^2 (Marubini & Valsecchi 1995, 10.5; R's survfit), with the square
    written out so that one pass of cumulative sums gives every t.
    """
    n = table.at_risk.astype(np.float64)
    d, d1 = table.any_event.astype(np.float64), table.events.astype(np.float64)
    # Where everybody at risk has an event, F1 moves no more and the first term is 0 times infinity: 0.
    spread = np.where(d < n, d / (n * np.maximum(n - d, 1)), 0.0)
    cross = before * d1 / n**2
    own = before**2 * d1 * (n - d1) / n**3
    scale = incidence**2 * np.cumsum(spread) + np.cumsum(own)
    variance = (
        incidence**2 * np.cumsum(spread)
        - 2 * incidence * np.cumsum(spread * incidence + cross)
        + np.cumsum(spread * incidence**2 + own + 2 * cross * incidence)
    )
    # What is left of terms that cancel (all have had event 1) is rounding, not an error.
    return np.asarray(np.sqrt(np.where(variance > _ROUNDING * scale, variance, 0.0)), dtype=np.float64)


def _clustered_se(sample: Sample, table: RiskTable, incidence: FloatArray, before: FloatArray) -> FloatArray:
    """Return the infinitesimal jackknife error at each time, rows of a cluster taken together."""
    n, d = table.at_risk.astype(np.float64), table.any_event.astype(np.float64)
    inverse = np.where(d < n, n / np.maximum(n - d, 1), 0.0)
    # The slope by the hazard of any event at u is -(F1(t) - F1(u)) / (1 - h(u)): linear in F1(t), so two
    # running influences serve every t.
    falling = running_influence(sample, table, inverse)
    fixed = running_influence(sample, table, incidence * inverse, before)
    se, last = np.zeros_like(incidence), 0.0
    for place in range(se.size):
        if d[place] > 0:
            rows = fixed.upto(place) - incidence[place] * falling.upto(place)
            last = float(np.sqrt(np.sum(cluster_sums(rows, sample.cluster) ** 2)))
        se[place] = last
    return se
