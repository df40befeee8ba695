"""The comparisons of one endpoint in summary.json. What cannot be estimated is null, with the reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesiontrack.survival.compare import ChiSquare, complementary_log_log_p, log_rank
from lesiontrack.survival.cox import CoxFit, cox_regression, robust_log_rank
from lesiontrack.survival.design import adjusted_design, indicators, stratum_codes
from lesiontrack.survival.estimates import Json, landmark_interval, number
from lesiontrack.survival.fine_gray import FineGrayFit, fine_gray_regression
from lesiontrack.survival.gray import gray_test
from lesiontrack.survival.intake import EndpointData, Plan
from lesiontrack.survival.intervals import mover_difference, two_sided_p, z_value
from lesiontrack.survival.rmst import RestrictedMean, mean_difference
from lesiontrack.survival.sample import BoolArray, IntArray, Sample
from lesiontrack.survival.settings import SurvivalSettings

__all__ = ["Comparison", "compare_groups"]

_ONE_GROUP = "not estimable: fewer than two groups have subjects"
_NO_EVENT = "not estimable: no event to compare"
_DELAYED = "not estimable under delayed entry"
_LEVEL_WITHOUT_EVENT = "not estimable: no event in this group"
_REFERENCE_WITHOUT_EVENT = "not estimable: no event in the reference group"
_NO_MAXIMUM = "not estimable: constant, a combination of other terms, or without a finite maximum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything a comparison of groups needs.

    Parameters
    ----------
    data
        The endpoint.
    plan
        Columns that split, stratify and adjust.
    settings
        Times, horizon and confidence.
    groups
        The estimates of each group, by name, as they stand in the summary.
    """

    data: EndpointData
    plan: Plan
    settings: SurvivalSettings
    groups: dict[str, Json]

    @property
    def present(self) -> tuple[int, ...]:
        """Groups that have subjects."""
        return tuple(int(g) for g in np.unique(self.data.group))

    @property
    def reference(self) -> int | None:
        """The reference group: the one of the settings, else the first that has subjects."""
        labels = self.data.labels
        if self.settings.reference in labels and labels.index(self.settings.reference) in self.present:
            return labels.index(self.settings.reference)
        return self.present[0] if self.present else None

    def pairs(self) -> list[tuple[int, int]]:
        """Return (group, other) for each difference: every later group less each earlier, the reference first."""
        if self.reference is None:
            return []
        order = [self.reference, *(g for g in self.present if g != self.reference)]
        return [(order[j], order[i]) for j in range(1, len(order)) for i in range(j)]

    def pair_name(self, pair: tuple[int, int]) -> str:
        """Return the name of a difference, ``group-other``."""
        return f"{self.data.labels[pair[0]]}-{self.data.labels[pair[1]]}"

    def stratified(self) -> tuple[IntArray, BoolArray] | None:
        """Return the strata and the rows that have one; None without strata."""
        return None if self.plan.strata is None else stratum_codes(self.data.covariates[self.plan.strata])


def compare_groups(comparison: Comparison) -> Json:
    """Return the ``comparisons`` block: {} where the table is not split into groups."""
    if len(comparison.data.labels) < 2:
        return {}
    sample, everyone = comparison.data.sample, np.ones(comparison.data.sample.n, dtype=bool)
    first = sample.cause_specific(1)
    strata = comparison.stratified()
    competing = comparison.data.competing
    block: Json = {
        "log_rank": _log_rank_block(comparison, first, None, everyone),
        "log_rank_stratified": {} if strata is None else _log_rank_block(comparison, first, *strata),
        "cox": _cox_block(comparison, first, None, everyone),
        "cox_stratified": {} if strata is None else _cox_block(comparison, first, *strata),
        "cox_adjusted": _cox_adjusted(comparison, first),
        "gray": _gray_block(comparison, None, everyone) if competing else {},
        "gray_stratified": _gray_block(comparison, *strata) if competing and strata is not None else {},
        "fine_gray": _fine_gray_block(comparison) if competing else {},
        "fine_gray_adjusted": _fine_gray_adjusted(comparison) if competing else {"terms": {}},
        "rmst_difference": {} if competing else _rmst_differences(comparison),
        "landmark_difference": _landmark_differences(comparison),
    }
    return block


def _test(test: ChiSquare | None, note: str) -> Json:
    if test is None:
        return {"statistic": None, "df": None, "p": None, "note": note}
    return {"statistic": test.statistic, "df": test.df, "p": test.p}


def _stratum_note(strata: IntArray | None, keep: BoolArray) -> Json:
    """Say how many strata there are and how many rows have none."""
    if strata is None:
        return {}
    note: Json = {"strata": int(np.unique(strata[keep]).size)}
    return note | ({"dropped": int((~keep).sum())} if not keep.all() else {})


def _why_no_test(comparison: Comparison) -> str:
    return _ONE_GROUP if len(comparison.present) < 2 else _NO_EVENT


def _recoded(strata: IntArray | None, keep: BoolArray) -> IntArray | None:
    return None if strata is None else np.unique(strata[keep], return_inverse=True)[1].astype(np.int64)


def _log_rank_block(comparison: Comparison, sample: Sample, strata: IntArray | None, keep: BoolArray) -> Json:
    part, group, inner = sample.take(keep), comparison.data.group[keep], _recoded(strata, keep)
    if part.cluster is not None:
        others = tuple(g for g in comparison.present if g != comparison.reference)
        test = robust_log_rank(part, indicators(group, others), inner)
        return _test(test, _why_no_test(comparison)) | {"method": "clustered by subject"} | _stratum_note(strata, keep)
    return _test(log_rank(part, group, inner).test, _why_no_test(comparison)) | _stratum_note(strata, keep)


def _gray_block(comparison: Comparison, strata: IntArray | None, keep: BoolArray) -> Json:
    sample = comparison.data.sample.take(keep)
    group, inner = comparison.data.group[keep], _recoded(strata, keep)
    if sample.delayed or sample.cluster is not None:
        why = _DELAYED if sample.delayed else "not estimable: lesions of one subject are not independent; see fine_gray"
        return {"event": _test(None, why), "competing": _test(None, why)}
    return {
        "event": _test(gray_test(sample, group, inner), _why_no_test(comparison)),
        "competing": _test(gray_test(sample.swapped(), group, inner), _why_no_test(comparison)),
    } | _stratum_note(strata, keep)


def _ratio(log_ratio: float, se: float, level: float, kind: str) -> Json:
    """Return a (sub)hazard ratio with its Wald interval and p; null where it is not estimable."""
    if not (np.isfinite(log_ratio) and np.isfinite(se) and se > 0):
        return {f"log_{kind}": None, "se": None, kind: None, "ci": [None, None], "p": None, "note": _NO_MAXIMUM}
    half = z_value(level) * se
    ci = [_exp(log_ratio - half), _exp(log_ratio + half)]
    return {f"log_{kind}": log_ratio, "se": se, kind: _exp(log_ratio), "ci": ci, "p": two_sided_p(log_ratio / se)}


def _exp(value: float) -> float | None:
    with np.errstate(over="ignore"):
        return number(float(np.exp(value)))


def _estimable(comparison: Comparison, status: IntArray, group: IntArray) -> tuple[tuple[int, ...], dict[int, str]]:
    """Return the groups with events other than the reference, and why the others have no ratio."""
    reference = comparison.reference
    with_events = set(np.unique(group[status == 1]).tolist())
    others = [g for g in range(len(comparison.data.labels)) if g != reference]
    if reference not in with_events:
        return (), dict.fromkeys(others, _REFERENCE_WITHOUT_EVENT if with_events else _LEVEL_WITHOUT_EVENT)
    absent = {g: _LEVEL_WITHOUT_EVENT for g in others if g not in with_events}
    return tuple(g for g in others if g in with_events), absent


def _group_ratios(
    comparison: Comparison, fit: CoxFit | FineGrayFit | None, levels: tuple[int, ...], absent: dict[int, str], kind: str
) -> Json:
    """Return the ``groups`` of a model by name, in sorted order."""
    labels, level = comparison.data.labels, comparison.settings.confidence_level
    out: dict[int, Json] = {}
    for g, note in absent.items():
        out[g] = _ratio(np.nan, np.nan, level, kind) | {"note": note}
    for place, g in enumerate(levels):
        found = (np.nan, np.nan) if fit is None else (float(fit.coefficients[place]), float(fit.se[place]))
        out[g] = _ratio(*found, level, kind)
    return {labels[g]: out[g] for g in sorted(out)}


def _cox_block(comparison: Comparison, sample: Sample, strata: IntArray | None, keep: BoolArray) -> Json:
    if len(comparison.present) < 2 or comparison.reference is None:
        return {"reference": None, "groups": {}, "ph_test_p": None, "note": _ONE_GROUP}
    group, status = comparison.data.group[keep], sample.status[keep]
    levels, absent = _estimable(comparison, status, group)
    # A group without events has its maximum at minus infinity, where its rows no longer weigh: the others' estimates
    # are those without it.
    used = np.flatnonzero(keep)[np.isin(group, (comparison.reference, *levels))]
    inner = None if strata is None else np.unique(strata[used], return_inverse=True)[1].astype(np.int64)
    fit = None
    if levels:
        fit = cox_regression(sample.take(used), indicators(comparison.data.group[used], levels), inner)
    block: Json = {
        "reference": comparison.data.labels[comparison.reference],
        "groups": _group_ratios(comparison, fit, levels, absent, "hr"),
        "ph_test_p": None if fit is None or fit.proportionality is None else fit.proportionality.p,
        "ties": "efron",
    }
    return block | _model_notes(sample, fit, "log_rank") | _stratum_note(strata, keep)


def _model_notes(sample: Sample, fit: CoxFit | FineGrayFit | None, other: str) -> Json:
    notes: Json = {} if fit is None else {"n": fit.n, "events": fit.events}
    if sample.cluster is not None:
        notes["se_method"] = "robust, clustered by subject"
    elif other != "log_rank":
        notes["se_method"] = "robust"
    return notes


def _terms(terms: tuple[str, ...], fit: CoxFit | FineGrayFit | None, level: float, kind: str) -> Json:
    if fit is None:
        return {term: _ratio(np.nan, np.nan, level, kind) for term in terms}
    return {term: _ratio(float(fit.coefficients[i]), float(fit.se[i]), level, kind) for i, term in enumerate(terms)}


def _cox_adjusted(comparison: Comparison, sample: Sample) -> Json:
    if not comparison.plan.adjust:
        return {"terms": {}}
    design = adjusted_design(comparison.data, comparison.plan.by, comparison.plan.adjust, comparison.reference)
    fit = cox_regression(sample.take(design.keep), design.x) if design.keep.any() else None
    block: Json = {"terms": _terms(design.terms, fit, comparison.settings.confidence_level, "hr")}
    block |= {"references": design.references, "dropped": int((~design.keep).sum())}
    block["ph_test_p"] = None if fit is None or fit.proportionality is None else fit.proportionality.p
    return block | _model_notes(sample, fit, "log_rank")


def _fine_gray_block(comparison: Comparison) -> Json:
    sample, group = comparison.data.sample, comparison.data.group
    if len(comparison.present) < 2 or comparison.reference is None:
        return {"reference": None, "groups": {}, "note": _ONE_GROUP}
    levels, absent = _estimable(comparison, sample.status, group)
    if sample.delayed:
        levels, absent = (), dict.fromkeys((*levels, *absent), _DELAYED)
    used = np.isin(group, (comparison.reference, *levels))
    fit = fine_gray_regression(sample.take(used), indicators(group[used], levels)) if levels else None
    return {
        "reference": comparison.data.labels[comparison.reference],
        "groups": _group_ratios(comparison, fit, levels, absent, "shr"),
    } | _model_notes(sample, fit, "gray")


def _fine_gray_adjusted(comparison: Comparison) -> Json:
    if not comparison.plan.adjust:
        return {"terms": {}}
    sample = comparison.data.sample
    design = adjusted_design(comparison.data, comparison.plan.by, comparison.plan.adjust, comparison.reference)
    fit = None
    if design.keep.any() and not sample.delayed:
        fit = fine_gray_regression(sample.take(design.keep), design.x)
    block: Json = {"terms": _terms(design.terms, fit, comparison.settings.confidence_level, "shr")}
    if sample.delayed:
        block["note"] = _DELAYED
    block |= {"references": design.references, "dropped": int((~design.keep).sum())}
    return block | _model_notes(sample, fit, "gray")


def _rmst_differences(comparison: Comparison) -> Json:
    """Return the differences of restricted means; null for a group whose curve does not reach the horizon."""
    pairs: Json = {}
    for pair in comparison.pairs():
        first, second = (comparison.groups[comparison.data.labels[g]]["rmst"] for g in pair)
        name = comparison.pair_name(pair)
        if first["estimate"] is None or second["estimate"] is None:
            pairs[name] = {
                "estimate": None,
                "se": None,
                "ci": [None, None],
                "p": None,
                "note": first.get("note") or second.get("note"),
            }
            continue
        means = [RestrictedMean(tau=m["tau"], estimate=m["estimate"], se=m["se"]) for m in (first, second)]
        found = mean_difference(means[0], means[1], comparison.settings.confidence_level)
        pairs[name] = {"estimate": found.estimate, "se": found.se, "ci": found.ci.as_list(), "p": found.p}
        pairs[name] |= _dependence_note(comparison)
    return {"tau": comparison.settings.tau, "pairs": pairs}


def _dependence_note(comparison: Comparison) -> Json:
    """Warn where one subject has lesions in both groups: the groups are then not independent."""
    cluster = comparison.data.sample.cluster
    if cluster is None:
        return {}
    both = pd.DataFrame({"c": cluster, "g": comparison.data.group}).groupby("c")["g"].nunique()
    if bool((both > 1).any()):
        return {"note": f"{int((both > 1).sum())} subjects have lesions in several groups: treated as independent"}
    return {}


def _landmark_differences(comparison: Comparison) -> list[Json]:
    out = []
    for place, time in enumerate(comparison.settings.times):
        pairs = {
            comparison.pair_name(pair): _landmark_pair(
                *(comparison.groups[comparison.data.labels[g]]["rates"][place] for g in pair)
            )
            for pair in comparison.pairs()
        }
        out.append({"time": time, "pairs": pairs})
    return out


def _landmark_pair(first: Json, second: Json) -> Json:
    """Return the difference of two rates: MOVER on their limits, p by the complementary log-log test."""
    if first["estimate"] is None or second["estimate"] is None:
        return {
            "estimate": None,
            "ci": [None, None],
            "ci_method": "MOVER",
            "p": None,
            "note": first.get("note") if first["estimate"] is None else second.get("note"),
        }
    ci = mover_difference(first["estimate"], landmark_interval(first), second["estimate"], landmark_interval(second))
    statistic, p = complementary_log_log_p((first["estimate"], second["estimate"]), (first["se"], second["se"]))
    product = None not in first.get("ci_beta_product", [None]) and None not in second.get("ci_beta_product", [None])
    pair: Json = {
        "estimate": first["estimate"] - second["estimate"],
        "ci": ci.as_list(),
        "ci_method": "MOVER",
        "limits": "beta product" if product else "log-log",
        "statistic": statistic,
        "p": p,
    }
    if p is None:
        pair["note"] = "the complementary log-log test is not estimable: a rate is 0 or 1"
    return pair
