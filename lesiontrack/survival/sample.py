"""The observations of one group, and the counts at each time that every estimator starts from.

Everything here is one sort or one count over whole arrays: O(n log n), no loop over subjects or times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["BoolArray", "FloatArray", "IntArray", "RiskTable", "Sample", "at_risk_at", "count_at", "risk_table"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_DENSE_PER_ROW = 4
"""Whole-number times are counted in bins as long as there are at most this many bins for a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Follow-up of n subjects (or lesions).

    Parameters
    ----------
    time
        (n,) end of follow-up, in any unit, at least 0.
    status
        (n,) 0 censored, 1 event, 2 competing event.
    entry
        (n,) delayed entry (left truncation) in the unit of ``time``; a subject is at risk in (entry, time].
        0 or less means followed from the origin. None when nobody enters late.
    cluster
        (n,) whole number of the cluster (the subject, where rows are lesions); None when rows are independent.
    """

    time: FloatArray
    status: IntArray
    entry: FloatArray | None = None
    cluster: IntArray | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.time.size)

    @property
    def delayed(self) -> bool:
        """Whether anybody enters after the origin."""
        return self.entry is not None and bool((self.entry > 0).any())

    def take(self, keep: BoolArray | IntArray) -> Sample:
        """Return the rows ``keep`` as a sample of their own."""
        return Sample(
            time=self.time[keep],
            status=self.status[keep],
            entry=None if self.entry is None else self.entry[keep],
            cluster=None if self.cluster is None else self.cluster[keep],
        )

    def with_status(self, status: IntArray) -> Sample:
        """Return the same follow-up with other status codes."""
        return replace(self, status=status)

    def event_free(self) -> Sample:
        """Return the sample with every event, competing or not, as the event (for the overall curve)."""
        return self.with_status((self.status > 0).astype(np.int64))

    def cause_specific(self, cause: int) -> Sample:
        """Return the sample with ``cause`` as event 1 and every other event censored."""
        return self.with_status((self.status == cause).astype(np.int64))

    def swapped(self) -> Sample:
        """Return the sample with event and competing event exchanged."""
        return self.with_status(np.where(self.status == 0, 0, 3 - self.status).astype(np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskTable:
    """Counts at each distinct observed time.

    Parameters
    ----------
    time
        (m,) distinct times, ascending.
    at_risk
        (m,) rows with entry < t <= time.
    events, competing, censored
        (m,) rows that end at t with status 1, 2, 0.
    n
        Rows in total.
    """

    time: FloatArray
    at_risk: IntArray
    events: IntArray
    competing: IntArray
    censored: IntArray
    n: int

    @property
    def any_event(self) -> IntArray:
        """(m,) rows that end at t with an event of either kind."""
        return self.events + self.competing

    @property
    def last_time(self) -> float:
        """Longest follow-up (0 for an empty sample)."""
        return float(self.time[-1]) if self.time.size else 0.0


def risk_table(sample: Sample) -> RiskTable:
    """Count exits by kind and rows at risk at each distinct time.

    Ties need no breaking: an event and a censoring at one time are both at risk at that time.
    """
    time, (exits, events, competing) = _exits(sample)
    at_risk = sample.n - np.concatenate(([0], np.cumsum(exits)[:-1])) if time.size else exits
    if sample.entry is not None and sample.delayed:
        # Not yet under observation at t: entered at t or later. An entry of 0 or less is no delay, so that a
        # row with time 0 stays at risk at 0.
        late = np.sort(sample.entry[sample.entry > 0])
        at_risk = at_risk - (late.size - np.searchsorted(late, time, side="left"))
    return RiskTable(
        time=time,
        at_risk=at_risk.astype(np.int64),
        events=events,
        competing=competing,
        censored=exits - events - competing,
        n=sample.n,
    )


def count_at(values: FloatArray, grid: FloatArray) -> IntArray:
    """Return how many ``values`` equal each point of the ascending ``grid`` ((k,), (m,) -> (m,)).

    Values that are not on the grid are not counted.
    """
    if grid.size == 0:
        return np.zeros(0, dtype=np.int64)
    bins = _dense_size(values, grid)
    if bins:
        return np.bincount(values.astype(np.int64), minlength=bins)[grid.astype(np.int64)].astype(np.int64)
    ordered = np.sort(values)
    upper = np.searchsorted(ordered, grid, side="right")
    return (upper - np.searchsorted(ordered, grid, side="left")).astype(np.int64)


def at_risk_at(sample: Sample, grid: FloatArray) -> IntArray:
    """Return the rows with entry < t <= time at each point of the ascending ``grid`` ((m,))."""
    bins = _dense_size(sample.time, grid)
    if bins:
        gone = np.concatenate(([0], np.cumsum(np.bincount(sample.time.astype(np.int64), minlength=bins))))
        at_risk = sample.n - gone[grid.astype(np.int64)]
    else:
        at_risk = sample.n - np.searchsorted(np.sort(sample.time), grid, side="left")
    if sample.entry is not None and sample.delayed:
        late = np.sort(sample.entry[sample.entry > 0])
        at_risk = at_risk - (late.size - np.searchsorted(late, grid, side="left"))
    return np.asarray(at_risk, dtype=np.int64)


def _exits(sample: Sample) -> tuple[FloatArray, tuple[IntArray, IntArray, IntArray]]:
    """Return the distinct times ascending, and the exits, events and competing events at each."""
    bins = _dense_size(sample.time, sample.time)
    if bins:
        place = sample.time.astype(np.int64)
        counts = np.bincount(place * 3 + sample.status, minlength=3 * bins).reshape(bins, 3)
        exits = counts.sum(axis=1)
        found = np.flatnonzero(exits)
        return found.astype(np.float64), (exits[found], counts[found, 1], counts[found, 2])
    if sample.n == 0:
        none = np.zeros(0, dtype=np.int64)
        return np.zeros(0), (none, none, none)
    order = np.argsort(sample.time)
    ordered, status = sample.time[order], sample.status[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    exits = np.diff(np.concatenate((first, [ordered.size])))
    one, two = (np.add.reduceat(status == code, first, dtype=np.int64) for code in (1, 2))
    return ordered[first], (exits.astype(np.int64), one, two)


def _dense_size(values: FloatArray, grid: FloatArray) -> int:
    """Return the number of bins when both arrays are whole, non-negative and dense; else 0."""
    if values.size == 0 or grid.size == 0:
        return 0
    highest = max(float(values.max()), float(grid.max()))
    if highest > _DENSE_PER_ROW * values.size + 65536 or min(float(values.min()), float(grid.min())) < 0:
        return 0
    if not bool((np.trunc(values) == values).all()):
        return 0
    if grid is not values and not bool((np.trunc(grid) == grid).all()):
        return 0
    return int(highest) + 1
