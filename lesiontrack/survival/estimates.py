"""The block of one group in summary.json: median, rates, restricted mean, follow-up, delayed entry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lesiontrack.survival.curves import DelayedEntry, KaplanMeier, adequate_from, kaplan_meier, reverse_follow_up
from lesiontrack.survival.incidence import CumulativeIncidence, aalen_johansen
from lesiontrack.survival.interval_censored import npmle
from lesiontrack.survival.intervals import Interval, beta_product, normal_interval
from lesiontrack.survival.rmst import restricted_mean
from lesiontrack.survival.sample import FloatArray, Sample, at_risk_at
from lesiontrack.survival.settings import SurvivalSettings

__all__ = [
    "Json",
    "curve_rate",
    "group_block",
    "incidence_rate",
    "interval_block",
    "landmark_interval",
    "number",
]

Json = dict[str, Any]

_MOST_INTERVALS = 5000
"""Rows up to which the estimate from intervals is computed: it needs rows times intervals of memory."""
_NO_SUBJECT = "not estimable: the group has no subject"
_PAST_END = "not estimable: beyond the last follow-up of the group at {:g}"
_EMPTIED = "not estimable: the risk set died out at {:g} while others entered later; see delayed_entry"


def number(value: float | None) -> float | None:
    """Return a finite float, or None: JSON holds neither NaN nor infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def group_block(sample: Sample, settings: SurvivalSettings, *, competing: bool) -> Json:
    """Return the estimates of one group.

    Parameters
    ----------
    sample
        Follow-up of the group.
    settings
        Times, horizon and confidence.
    competing
        Whether the endpoint has competing events (in any group): rates are then cumulative incidences.
    """
    block: Json = {
        "n": sample.n,
        "events": int((sample.status == 1).sum()),
        "competing": int((sample.status == 2).sum()),
    }
    if sample.cluster is not None:
        block["subjects"] = len(set(sample.cluster.tolist()))
    late = adequate_from(sample, settings.adequate_risk_set)
    if competing:
        block |= _competing_block(sample, settings, late)
    else:
        block |= _survival_block(sample, settings, late)
    follow_up, _ = reverse_follow_up(sample).quantile(0.5)
    block["followup_median"] = number(follow_up)
    if sample.n == 0:
        block["note"] = _NO_SUBJECT
    if late is not None:
        block["delayed_entry"] = _delayed_block(sample, late, settings, competing=competing)
    return block


def interval_block(left: FloatArray, right: FloatArray, settings: SurvivalSettings) -> Json:
    """Return the estimate that takes progressions as lying between two visits (a sensitivity analysis).

    Parameters
    ----------
    left, right
        (n,) intervals (left, right] of one group, infinite ``right`` for censored rows.
    settings
        Landmark times.
    """
    if not 0 < left.size <= _MOST_INTERVALS:
        reason = _NO_SUBJECT if left.size == 0 else f"not computed for more than {_MOST_INTERVALS} rows"
        return {"rates": [], "median_interval": [None, None], "note": reason}
    curve, last = npmle(left, right), float(left[np.isinf(right)].max(initial=0.0))
    reach = max(last, float(right[np.isfinite(right)].max(initial=0.0)))
    rates = []
    for time in settings.times:
        lowest, highest = curve.at(time)
        known = time <= reach or highest == 0
        rate: Json = {"time": time, "lowest": lowest if known else None, "highest": highest if known else None}
        rates.append(rate if known else rate | {"note": _PAST_END.format(reach)})
    return {"rates": rates, "median_interval": list(curve.median() or (None, None)), "method": "NPMLE, (left, right]"}


def _survival_block(sample: Sample, settings: SurvivalSettings, late: DelayedEntry | None) -> Json:
    curve = kaplan_meier(sample)
    emptied = late.emptied_at if late is not None else None
    block: Json = _median(curve, settings, emptied)
    block["rates"] = [curve_rate(sample, curve, time, settings, emptied) for time in settings.times]
    block["rates_competing"] = []
    block["rmst"] = _rmst_block(sample, curve, settings, emptied)
    return block


def _median(curve: KaplanMeier, settings: SurvivalSettings, emptied: float | None) -> Json:
    """Return the median and quartiles with Brookmeyer and Crowley's limits."""
    quantiles = []
    for probability in (0.25, 0.5, 0.75):
        estimate, ci = curve.quantile(probability, settings.confidence_level)
        if emptied is not None and (estimate is None or estimate >= emptied):
            estimate, ci = None, Interval(lower=None, upper=None)
        quantiles.append({"probability": probability, "estimate": number(estimate), "ci": ci.as_list()})
    block: Json = {"median": quantiles[1]["estimate"], "median_ci": quantiles[1]["ci"], "quantiles": quantiles}
    if block["median"] is None:
        reason = "survival does not fall to one half" if emptied is None else _EMPTIED.format(emptied)
        block["median_note"] = reason if emptied is not None else f"not reached: {reason}"
    return block


def curve_rate(
    sample: Sample, curve: KaplanMeier, time: float, settings: SurvivalSettings, emptied: float | None = None
) -> Json:
    """Return S(time) with its log-log and beta product intervals, or null with the reason."""
    rate: Json = {
        "time": time,
        "estimate": None,
        "ci": [None, None],
        "ci_method": "log-log",
        "se": None,
        "at_risk": _at_risk(sample, time),
        "ci_beta_product": [None, None],
    }
    missing = _why_undefined(curve, sample, time, emptied)
    if missing is not None:
        return rate | {"note": missing}
    estimate, se = curve.at(time), curve.se_at(time)
    rate |= {"estimate": estimate, "se": se}
    notes = []
    if se is None:
        notes.append("the log-log interval is not estimable: the estimate is 0")
    else:
        rate["ci"] = _log_log(estimate, se, settings).as_list()
        if estimate == 1:
            notes.append("no event yet: the log-log interval has no width, the beta product interval has")
    if sample.delayed or sample.cluster is not None:
        why = "under delayed entry" if sample.delayed else "for clustered lesions"
        notes.append(f"the beta product interval is not defined {why}")
    else:
        rate["ci_beta_product"] = beta_product(curve.table, time, settings.confidence_level).as_list()
    return rate | ({"note": "; ".join(notes)} if notes else {})


def _at_risk(sample: Sample, time: float) -> int:
    """Return the number at risk at ``time``, counting exits at that time as still at risk."""
    return int(at_risk_at(sample, np.asarray([time]))[0])


def _why_undefined(
    curve: KaplanMeier | CumulativeIncidence, sample: Sample, time: float, emptied: float | None
) -> str | None:
    if sample.n == 0:
        return _NO_SUBJECT
    if emptied is not None and time >= emptied:
        return _EMPTIED.format(emptied)
    if not curve.defined_at(time):
        return _PAST_END.format(curve.table.last_time)
    return None


def _log_log(estimate: float, se: float, settings: SurvivalSettings) -> Interval:
    """Return the log-log interval of one probability."""
    lower, upper = normal_interval(np.asarray([estimate]), np.asarray([se]), settings.confidence_level, "log-log")
    return Interval(lower=number(float(lower[0])), upper=number(float(upper[0])))


def landmark_interval(rate: Json) -> Interval:
    """Return the interval of a rate on which a difference is built: beta product where there is one."""
    limits = rate["ci_beta_product"] if None not in rate.get("ci_beta_product", [None]) else rate["ci"]
    return Interval(lower=limits[0], upper=limits[1])


def incidence_rate(
    sample: Sample, curve: CumulativeIncidence, time: float, settings: SurvivalSettings, emptied: float | None = None
) -> Json:
    """Return the cumulative incidence at ``time`` with its log-log interval, or null with the reason."""
    rate: Json = {
        "time": time,
        "estimate": None,
        "ci": [None, None],
        "ci_method": "log-log",
        "se": None,
        "se_method": "delta",
        "at_risk": _at_risk(sample, time),
    }
    missing = _why_undefined(curve, sample, time, emptied)
    if missing is not None:
        return rate | {"note": missing}
    estimate, se = min(curve.at(time), 1.0), curve.se_at(time)
    rate |= {"estimate": estimate, "se": se}
    if estimate <= 0:
        return rate | {"note": "the interval is not estimable: no event yet"}
    rate["ci"] = _log_log(estimate, se, settings).as_list()
    if sample.cluster is not None:
        rate["se_method"] = "infinitesimal jackknife, clustered by subject"
    return rate


def _competing_block(sample: Sample, settings: SurvivalSettings, late: DelayedEntry | None) -> Json:
    emptied = late.emptied_at if late is not None else None
    event, other = aalen_johansen(sample), aalen_johansen(sample.swapped())
    return {
        "rates": [incidence_rate(sample, event, t, settings, emptied) for t in settings.times],
        "rates_competing": [incidence_rate(sample.swapped(), other, t, settings, emptied) for t in settings.times],
        "rmst": {
            "tau": settings.tau,
            "estimate": None,
            "se": None,
            "note": "not estimable: an endpoint with competing events has no survival curve of its own",
        },
    }


def _rmst_block(sample: Sample, curve: KaplanMeier, settings: SurvivalSettings, emptied: float | None) -> Json:
    block: Json = {"tau": settings.tau, "estimate": None, "se": None}
    missing = _why_undefined(curve, sample, settings.tau, emptied)
    mean = restricted_mean(sample, settings.tau) if missing is None else None
    if mean is None:
        return block | {"note": missing or _NO_SUBJECT}
    block |= {"estimate": mean.estimate, "se": mean.se}
    return block | ({"note": "no event before tau: the standard error has no width"} if mean.se == 0 else {})


def _delayed_block(sample: Sample, late: DelayedEntry, settings: SurvivalSettings, *, competing: bool) -> Json:
    """Return what delayed entry does, and the curve conditional on reaching an adequate risk set."""
    block: Json = {
        "earliest_entry": late.earliest_entry,
        "latest_entry": late.latest_entry,
        "smallest_risk_set": late.smallest_risk_set,
        "smallest_risk_set_time": late.smallest_at,
        "emptied_at": late.emptied_at,
        "conditional_from": late.conditional_from,
    }
    if competing:
        return block
    curve = kaplan_meier(sample, after=late.conditional_from)
    estimate, ci = curve.quantile(0.5, settings.confidence_level)
    block["conditional"] = {
        "given_survival_to": late.conditional_from,
        "median": number(estimate),
        "median_ci": ci.as_list(),
        "rates": [curve_rate(sample, curve, time, settings) for time in settings.times if time > late.conditional_from],
    }
    return block
