"""Influence of each row on an estimate: standard errors of rows that are not independent.

A statistic of the hazards at the distinct times has, for row i, the influence
sum over l of slope_l * (dN_il - Y_il h_l) / n_l (infinitesimal jackknife; Efron & Tibshirani 1993, chapter 21;
Therneau & Grambsch 2000, chapter 7). Summed within clusters and squared it gives a variance that allows for
lesions of one subject; with one row for each cluster it equals Greenwood's and the delta method's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesiontrack.survival.sample import FloatArray, IntArray, RiskTable, Sample

__all__ = ["RunningInfluence", "cluster_sums", "running_influence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningInfluence:
    """Influence of every row as a function of the last time that counts.

    Parameters
    ----------
    jump
        (n,) contribution of the row's own event.
    exit_place, entry_place
        (n,) index into the distinct times of the exit, and of the first time at risk.
    drift
        (m + 1,) cumulative compensator.
    """

    jump: FloatArray
    exit_place: IntArray
    entry_place: IntArray
    drift: FloatArray

    def upto(self, place: int) -> FloatArray:
        """Return the (n,) influence of the rows on the statistic built from times 0..place."""
        last = np.minimum(self.exit_place, place) + 1
        first = np.minimum(self.entry_place, last)
        own = np.where(self.exit_place <= place, self.jump, 0.0)
        return np.asarray(own - (self.drift[last] - self.drift[first]), dtype=np.float64)


def running_influence(
    sample: Sample, table: RiskTable, slope_any: FloatArray, slope_event: FloatArray | None = None
) -> RunningInfluence:
    """Return the running influence of a statistic with the given derivatives.

    Parameters
    ----------
    sample, table
        Follow-up and its counts at m distinct times.
    slope_any
        (m,) derivative by the hazard of any event at each time.
    slope_event
        (m,) derivative by the hazard of event 1 on top of that.
    """
    n = np.maximum(table.at_risk, 1).astype(np.float64)
    one = np.zeros_like(slope_any) if slope_event is None else slope_event
    exit_place = np.searchsorted(table.time, sample.time, side="left").astype(np.int64)
    entry_place = np.zeros_like(exit_place)
    if sample.entry is not None:
        late = sample.entry > 0
        entry_place[late] = np.searchsorted(table.time, sample.entry[late], side="right")
    jump = (sample.status > 0) * slope_any[exit_place] + (sample.status == 1) * one[exit_place]
    step = (slope_any * table.any_event + one * table.events) / n**2
    return RunningInfluence(
        jump=jump / n[exit_place],
        exit_place=exit_place,
        entry_place=entry_place,
        drift=np.concatenate(([0.0], np.cumsum(step))),
    )


def cluster_sums(values: FloatArray, cluster: IntArray | None) -> FloatArray:
    """Return the sums of ``values`` ((n,) or (n, p)) within clusters; the values themselves without clusters."""
    if cluster is None:
        return values
    if values.ndim == 1:
        return np.bincount(cluster, weights=values).astype(np.float64)
    return np.stack([np.bincount(cluster, weights=column) for column in values.T], axis=1)
