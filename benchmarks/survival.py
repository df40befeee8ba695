"""Speed of the survival statistics beside lifelines and statsmodels, in one run on the same rows.

Run ``python -m benchmarks.survival`` from the project's root (``--rows 1000,100000,1000000 --repeats 3``). Prints a
markdown table of the best of the repeats. The rows are whole days, heavily tied, and made without a random generator.
Libraries that take longer than ``--patience`` seconds at one size are not run at the next.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lesiontrack.survival.compare import log_rank
from lesiontrack.survival.curves import kaplan_meier
from lesiontrack.survival.gray import gray_test
from lesiontrack.survival.incidence import aalen_johansen
from lesiontrack.survival.sample import FloatArray, IntArray, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Rows in whole days, and the same with fractions, with status 0, 1, 2 and two groups."""

    days: FloatArray
    fractions: FloatArray
    status: IntArray
    group: IntArray

    def rows(self, *, whole: bool = True) -> Sample:
        """Return the rows as a sample."""
        return Sample(time=self.days if whole else self.fractions, status=self.status)


def cohort(n: int) -> Cohort:
    """Return ``n`` rows over five years; low-discrepancy sequences stand in for chance."""
    place = np.arange(1, n + 1, dtype=np.float64)
    u, v, w = (np.modf(place * step)[0] for step in (0.6180339887498949, 0.7548776662466927, 0.5698402909980532))
    event, censoring = -900 * np.log1p(-u), 2200 * v
    status = np.where(event > censoring, 0, np.where(w < 0.35, 2, 1)).astype(np.int64)
    exact = np.minimum(event, censoring)
    return Cohort(days=np.ceil(exact), fractions=exact, status=status, group=(np.arange(n) % 2).astype(np.int64))


def ours() -> dict[str, Callable[[Cohort], object]]:
    """Return what is timed here, by name."""
    return {
        "KM": lambda c: kaplan_meier(c.rows()).band(0.95, "log-log"),
        "KM, fractions of days": lambda c: kaplan_meier(c.rows(whole=False)).band(0.95, "log-log"),
        "log-rank": lambda c: log_rank(c.rows(), c.group),
        "CIF": lambda c: aalen_johansen(c.rows()).band(0.95),
        "Gray's test": lambda c: gray_test(c.rows(), c.group),
    }


def with_lifelines() -> dict[str, Callable[[Cohort], object]]:
    """Return lifelines' counterparts."""
    from lifelines import AalenJohansenFitter, KaplanMeierFitter
    from lifelines.statistics import logrank_test

    def compared(c: Cohort) -> object:
        first, event = c.group == 0, c.status > 0
        return logrank_test(c.days[first], c.days[~first], event[first], event[~first]).test_statistic

    return {
        "KM": lambda c: KaplanMeierFitter().fit(c.days, c.status > 0),
        "KM, fractions of days": lambda c: KaplanMeierFitter().fit(c.fractions, c.status > 0),
        "log-rank": compared,
        "CIF": lambda c: AalenJohansenFitter(seed=1).fit(c.days, c.status, event_of_interest=1),
    }


def with_statsmodels() -> dict[str, Callable[[Cohort], object]]:
    """Return statsmodels' counterparts."""
    from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight, survdiff

    return {
        "KM": lambda c: SurvfuncRight(c.days, (c.status > 0).astype(int)).surv_prob_se,
        "KM, fractions of days": lambda c: SurvfuncRight(c.fractions, (c.status > 0).astype(int)).surv_prob_se,
        "log-rank": lambda c: survdiff(c.days, (c.status > 0).astype(int), c.group),
        "CIF": lambda c: CumIncidenceRight(c.days, c.status).cinc_se,
    }


def best_of(task: Callable[[Cohort], object], rows: Cohort, repeats: int) -> float:
    """Return the shortest wall time in seconds; a run of over 10 s is not repeated."""
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        task(rows)
        times.append(time.perf_counter() - start)
        if times[-1] > 10:
            break
    return min(times)


def main() -> None:
    """Time everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1000,100000,1000000")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--patience", type=float, default=60.0)
    options = parser.parse_args()
    # The libraries warn about their own use of pandas; that is not what is measured.
    warnings.simplefilter("ignore")
    programs = {"lesiontrack": ours(), "lifelines": with_lifelines(), "statsmodels": with_statsmodels()}
    given_up: set[tuple[str, str]] = set()
    print(
        "| statistic | rows | lesiontrack ms | lifelines ms | statsmodels ms | lifelines / ours | statsmodels / ours |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for n in (int(text) for text in options.rows.split(",")):
        rows = cohort(n)
        for statistic in programs["lesiontrack"]:
            seconds: dict[str, float | None] = {}
            for program, tasks in programs.items():
                seconds[program] = None
                if statistic in tasks and (program, statistic) not in given_up:
                    seconds[program] = taken = best_of(tasks[statistic], rows, options.repeats)
                    if taken > options.patience:
                        given_up.add((program, statistic))
            own = seconds["lesiontrack"] or float("nan")
            cells = [f"{s * 1000:.2f}" if s is not None else "-" for s in seconds.values()]
            ratios = [f"{s / own:.1f}" if s is not None else "-" for s in list(seconds.values())[1:]]
            print(f"| {statistic} | {n} | {' | '.join(cells + ratios)} |", flush=True)


if __name__ == "__main__":
    main()
