"""Kaplan-Meier curves with Greenwood's errors, confidence bands, quantiles and delayed entry.

The product-limit estimate under delayed entry is the same product over the risk sets (entry, time]
(Kalbfleisch & Prentice 1980, 1.3; Tsai, Jewell & Wang 1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesiontrack.survival.influence import cluster_sums, running_influence
from lesiontrack.survival.intervals import Interval, IntervalKind, normal_interval
from lesiontrack.survival.sample import FloatArray, IntArray, RiskTable, Sample, risk_table

__all__ = ["DelayedEntry", "KaplanMeier", "adequate_from", "kaplan_meier", "quantile", "reverse_follow_up"]

_FLAT = 1.4901161193847656e-08
"""Two survival probabilities closer than this are one (the square root of the machine epsilon)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KaplanMeier:
    """A product-limit curve.

    Parameters
    ----------
    table
        Counts at the m distinct times.
    survival
        (m,) S(t), right continuous.
    se
        (m,) Greenwood's standard error of S(t); NaN where S is 0 (undefined, never a number in the output).
    """

    table: RiskTable
    survival: FloatArray
    se: FloatArray

    def at(self, time: float) -> float:
        """Return S(time), 1 before the first time; carried forward after the last."""
        place = int(np.searchsorted(self.table.time, time, side="right")) - 1
        return 1.0 if place < 0 else float(self.survival[place])

    def se_at(self, time: float) -> float | None:
        """Return the standard error of S(time), None where S is 0."""
        place = int(np.searchsorted(self.table.time, time, side="right")) - 1
        if place < 0:
            return 0.0
        return float(self.se[place]) if np.isfinite(self.se[place]) else None

    def defined_at(self, time: float) -> bool:
        """Whether S(time) is known: within follow-up, or after everybody has had the event."""
        return self.table.time.size > 0 and (time <= self.table.last_time or float(self.survival[-1]) == 0.0)

    def band(self, level: float, kind: IntervalKind) -> tuple[FloatArray, FloatArray]:
        """Return the pointwise (m,) lower and upper limits; NaN where undefined."""
        return normal_interval(self.survival, self.se, level, kind)

    def quantile(
        self, probability: float, level: float = 0.95, kind: IntervalKind = "log-log"
    ) -> tuple[float | None, Interval]:
        """Return the time by which ``probability`` of subjects had the event, with Brookmeyer and Crowley's limits.

        The limits are where the band of S crosses 1 - probability (Biometrics 1982;38:29-41).
        """
        lower, upper = self.band(level, kind)
        times = self.table.time
        return quantile(times, self.survival, probability), Interval(
            lower=quantile(times, lower, probability), upper=quantile(times, upper, probability)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayedEntry:
    """What delayed entry does to a curve.

    Parameters
    ----------
    earliest_entry, latest_entry
        First and last entry, in the unit of time.
    smallest_risk_set, smallest_at
        Fewest at risk at an event before the risk set peaks, and when; None without such an event.
    emptied_at
        Time at which the risk set died out although others entered later: from there the product is 0 and says
        nothing; None where that did not happen.
    conditional_from
        Time from which the risk set is adequate.
    """

    earliest_entry: float
    latest_entry: float
    smallest_risk_set: int | None
    smallest_at: float | None
    emptied_at: float | None
    conditional_from: float


def kaplan_meier(sample: Sample, *, after: float | None = None) -> KaplanMeier:
    """Return the product-limit curve of ``sample``, every status above 0 being the event.

    Parameters
    ----------
    sample
        Follow-up; may have delayed entry and clusters.
    after
        Give the curve conditional on surviving beyond this time: earlier events are left out.
    """
    table = risk_table(sample)
    events = table.any_event if after is None else np.where(table.time > after, table.any_event, 0)
    n, d = table.at_risk.astype(np.float64), events.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival: FloatArray = np.asarray(np.cumprod(1 - d / n), dtype=np.float64)
        greenwood = np.cumsum(np.where(d > 0, d / (n * (n - d)), 0.0))
        se = np.where(survival > 0, survival * np.sqrt(greenwood), np.nan)
    if sample.cluster is not None:
        se = np.where(survival > 0, _clustered_se(sample, table, events, survival), np.nan)
    return KaplanMeier(table=table, survival=survival, se=se)


def _clustered_se(sample: Sample, table: RiskTable, events: IntArray, survival: FloatArray) -> FloatArray:
    """Return the infinitesimal jackknife error of S at each time, rows of a cluster taken together."""
    n, d = table.at_risk.astype(np.float64), events.astype(np.float64)
    slope = np.where((d > 0) & (d < n), -n / np.maximum(n - d, 1), 0.0)  # derivative of log S by each hazard
    influence = running_influence(sample, table, slope)
    se, last = np.zeros_like(survival), 0.0
    for place in range(se.size):
        if d[place] > 0:
            totals = cluster_sums(influence.upto(place), sample.cluster)
            last = float(np.sqrt(np.sum(totals**2)))
        se[place] = survival[place] * last
    return se


def quantile(time: FloatArray, survival: FloatArray, probability: float) -> float | None:
    """Return where a falling step curve crosses 1 - probability.

    Where the curve is flat at exactly that height the middle of the flat piece is returned, as in a sample median;
    a flat piece at the end reaches to the last time. This is R's and SAS's rule.

    Parameters
    ----------
    time, survival
        (m,) steps of the curve; NaN heights (an undefined limit) are ignored.
    probability
        Share of subjects with the event, in (0, 1).
    """
    height = 1.0 - survival
    known = np.isfinite(height)
    if not known.any():
        return None
    heights, times = height[known], time[known]
    # A band need not fall at every step; its first crossing counts.
    reached = heights + _FLAT >= probability
    if not reached.any():
        return None
    first = int(np.argmax(reached))
    passed = heights - _FLAT >= probability
    if passed.any():
        return float(times[first] + times[int(np.argmax(passed))]) / 2
    # Flat at the very height to the end of the curve; with an undefined tail there is no end to take.
    return float(times[first] + time[-1]) / 2 if bool(known[-1]) else None


def reverse_follow_up(sample: Sample) -> KaplanMeier:
    """Return the reverse Kaplan-Meier curve of follow-up: censoring is the event (Schemper & Smith 1996)."""
    return kaplan_meier(sample.with_status((sample.status == 0).astype(np.int64)))


def adequate_from(sample: Sample, adequate: int) -> DelayedEntry | None:
    """Describe the risk set under delayed entry; None when nobody enters late.

    Parameters
    ----------
    sample
        Follow-up of one group.
    adequate
        Number at risk from which the curve is trusted; at most half of the group.
    """
    if sample.entry is None or not sample.delayed:
        return None
    table = risk_table(sample)
    enough = min(adequate, max(1, (sample.n + 1) // 2))
    earliest, latest = float(max(sample.entry.min(), 0.0)), float(sample.entry.max())
    at_event = np.flatnonzero(table.any_event > 0)
    before_peak = at_event[at_event <= int(np.argmax(table.at_risk))]
    small = before_peak[table.at_risk[before_peak] < enough]
    start = earliest if small.size == 0 else max(earliest, float(table.time[small[-1]]))
    least = before_peak[int(np.argmin(table.at_risk[before_peak]))] if before_peak.size else None
    died_out = at_event[table.any_event[at_event] == table.at_risk[at_event]]
    emptied = float(table.time[died_out[0]]) if died_out.size else None
    if emptied is not None and emptied >= table.last_time:
        emptied = None
    return DelayedEntry(
        earliest_entry=earliest,
        latest_entry=latest,
        smallest_risk_set=None if least is None else int(table.at_risk[least]),
        smallest_at=None if least is None else float(table.time[least]),
        emptied_at=emptied,
        conditional_from=start,
    )
