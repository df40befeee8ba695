"""Every statistic of the reference files that the program offers, within 1e-6 (relative) of R.

Through ``summarise`` where the summary holds it, else through the function that computes it.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesiontrack.survival.compare import log_rank
from lesiontrack.survival.cox import Ties, cox_regression
from lesiontrack.survival.curves import kaplan_meier, reverse_follow_up
from lesiontrack.survival.fine_gray import fine_gray_regression
from lesiontrack.survival.gray import gray_test
from lesiontrack.survival.interval_censored import npmle
from lesiontrack.survival.intervals import IntervalKind
from lesiontrack.survival.sample import IntArray, Sample
from lesiontrack.survival.summary import summarise

RELATIVE = 1e-6
KINDS: tuple[tuple[str, IntervalKind], ...] = (("ci_log", "log"), ("ci_loglog", "log-log"), ("ci_plain", "plain"))


@dataclass
class Tally:
    """Compares numbers and counts them by statistic."""

    counts: dict[str, tuple[int, float]] = field(default_factory=lambda: defaultdict(lambda: (0, 0.0)))

    def same(self, statistic: str, got: object, expected: object) -> None:
        """Compare two numbers, or two sequences of numbers; None only equals None."""
        if isinstance(expected, list | tuple | np.ndarray):
            values = list(got)  # type: ignore[call-overload]
            assert len(values) == len(expected), statistic
            for one, other in zip(values, expected, strict=True):
                self.same(statistic, one, other)
            return
        number, worst = self.counts[statistic]
        if expected is None:
            assert got is None or (isinstance(got, float) and math.isnan(got)), f"{statistic}: {got}, R has none"
            self.counts[statistic] = (number + 1, worst)
            return
        assert isinstance(got, int | float | np.number), f"{statistic}: {got!r} instead of {expected}"
        assert isinstance(expected, int | float)
        off = abs(float(got) - expected) / max(abs(expected), 1e-6)
        assert off <= RELATIVE, f"{statistic}: {got} instead of {expected}"
        self.counts[statistic] = (number + 1, max(worst, off))


def sample(time: Any, status: Any) -> Sample:
    """Return a sample without delayed entry."""
    return Sample(time=np.asarray(time, dtype=np.float64), status=np.asarray(status, dtype=np.int64))


def codes(column: pd.Series[Any]) -> IntArray:
    """Return the groups as 0..k-1 in sorted order."""
    return np.unique(column.astype(str), return_inverse=True)[1].astype(np.int64)


def endpoint(frame: pd.DataFrame, time: str, status: str, group: str, **options: Any) -> dict[str, Any]:
    """Return the summary block of a table whose columns are renamed to the contract's."""
    unused = frame.columns.intersection([c for c in ("arm", "status") if c not in (group, status)])
    table = frame.drop(columns=unused).rename(columns={time: "time_days", status: "status", group: "arm"})
    found: dict[str, Any] = summarise(table, by="arm", **options)["endpoints"]["EVENT"]
    json.dumps(found, allow_nan=False)
    return found


def check_curves(tally: Tally, frame: pd.DataFrame, names: tuple[str, str, str], expected: dict[str, Any]) -> None:
    """Kaplan-Meier: rates, errors, limits, quantiles, the whole curve, follow-up."""
    time, status, group = names
    times = next(iter(expected.values()))["times"]
    block = endpoint(frame, time, status, group, times=times)
    for label, want in expected.items():
        got = block["groups"][label]
        tally.same("n, events", (got["n"], got["events"]), (want["n"], want["events"]))
        for place, rate in enumerate(got["rates"]):
            tally.same("KM at risk", rate["at_risk"], want["n_risk"][place])
            if rate["estimate"] is None:
                # Beyond the last follow-up R carries the curve on; the program says that it is not estimable.
                assert want["n_risk"][place] == 0 and rate["note"]
                continue
            tally.same("KM survival", rate["estimate"], want["surv"][place])
            tally.same("KM standard error", rate["se"], want["se_greenwood"][place])
            limits = [want["ci_loglog"][side][place] for side in ("lower", "upper")]
            tally.same("KM log-log limits", rate["ci"], limits)
        quantiles = want["quantiles"]
        assert [q["probability"] for q in got["quantiles"]] == quantiles["probs"]
        tally.same("KM quantiles", [q["estimate"] for q in got["quantiles"]], quantiles["ci_loglog"]["est"])
        for side, name in enumerate(("lower", "upper")):
            tally.same("KM quantile limits", [q["ci"][side] for q in got["quantiles"]], quantiles["ci_loglog"][name])
        tally.same("follow-up median", got["followup_median"], want["reverse_km_median_followup"]["est"])
        tally.same("KM median", got["median"], quantiles["ci_loglog"]["est"][1])
        rows = frame[frame[group].astype(str) == label]
        check_curve_functions(tally, sample(rows[time], rows[status]), want)


def check_curve_functions(tally: Tally, rows: Sample, want: dict[str, Any]) -> None:
    """The other kinds of limits, every step of the curve, and the limits of follow-up."""
    curve = kaplan_meier(rows)
    places = np.searchsorted(curve.table.time, want["times"], side="right") - 1
    for name, kind in KINDS:
        lower, upper = curve.band(0.95, kind)
        for place, low, high in zip(places, want[name]["lower"], want[name]["upper"], strict=True):
            if place >= 0:
                tally.same(f"KM {kind} limits", (float(lower[place]), float(upper[place])), (low, high))
        for index, probability in enumerate(want["quantiles"]["probs"]):
            estimate, ci = curve.quantile(probability, 0.95, kind)
            quantiles = want["quantiles"][name]
            tally.same("KM quantiles", estimate, quantiles["est"][index])
            tally.same("KM quantile limits", ci.as_list(), (quantiles["lower"][index], quantiles["upper"][index]))
    if "full_curve" in want:
        full = want["full_curve"]
        tally.same("KM curve", curve.table.time, full["time"])
        tally.same("KM curve", curve.table.at_risk, full["n_risk"])
        tally.same("KM curve", curve.table.events, full["n_event"])
        tally.same("KM curve", curve.table.censored, full["n_censor"])
        tally.same("KM curve", curve.survival, full["surv"])
    follow_up, ci = reverse_follow_up(rows).quantile(0.5, 0.95, "log")
    reverse = want["reverse_km_median_followup"]
    tally.same("follow-up median", follow_up, reverse["est"])
    tally.same("follow-up limits", ci.as_list(), (reverse["lower_log"], reverse["upper_log"]))


def check_log_rank(
    tally: Tally, frame: pd.DataFrame, names: tuple[str, str, str], expected: dict[str, Any], strata: str | None = None
) -> None:
    """Log-rank and Peto-Peto tests, observed and expected numbers."""
    time, status, group = names
    block = endpoint(frame, time, status, group, strata=strata)
    found = block["comparisons"]["log_rank" if strata is None else "log_rank_stratified"]
    want = expected["logrank"]
    tally.same("log-rank", (found["statistic"], found["df"], found["p"]), (want["chi2"], want["df"], want["p"]))
    inner = None if strata is None else codes(frame[strata])
    for name, rho in (("logrank", 0.0), ("peto_peto_rho1", 1.0)):
        test = log_rank(sample(frame[time], frame[status]), codes(frame[group]), inner, rho=rho)
        want = expected[name]
        assert test.test is not None
        tally.same(f"log-rank, rho {rho:g}", (test.test.statistic, test.test.p), (want["chi2"], want["p"]))
        # R's groups stand in the order of its factor, ours sorted: compare as sets.
        tally.same("log-rank sums", sorted(test.observed), sorted(want["observed"]))
        tally.same("log-rank sums", sorted(test.expected), sorted(want["expected"]))


def check_cox(
    tally: Tally, frame: pd.DataFrame, names: tuple[str, str], model: dict[str, Any], strata: str | None = None
) -> None:
    """One Cox model: coefficients, errors, likelihoods, tests, proportional hazards."""
    ties: Ties = "breslow" if model["ties"] == "breslow" else "efron"
    used = frame.dropna(subset=model["terms"])
    inner = None if strata is None else codes(used[strata])
    fit = cox_regression(sample(used[names[0]], used[names[1]]), used[model["terms"]].to_numpy(float), inner, ties=ties)
    assert fit is not None
    tally.same("Cox n, events", (fit.n, fit.events), (model["n"], model["nevent"]))
    tally.same(f"Cox coefficient, {ties}", fit.coefficients, model["coef"])
    tally.same(f"Cox standard error, {ties}", fit.se, model["se"])
    tally.same("Cox hazard ratio", np.exp(fit.coefficients), model["hr"])
    tally.same("Cox log-likelihood", fit.log_likelihood, model["loglik"])
    tally.same("Cox likelihood ratio", 2 * (fit.log_likelihood[1] - fit.log_likelihood[0]), model["lr_test"][0])
    assert fit.score_test is not None and fit.proportionality is not None
    tally.same(
        "Cox score test", (fit.score_test.statistic, fit.score_test.p), (model["score_test"][0], model["score_test"][2])
    )
    zph = model["zph_km"]
    tests = [*fit.proportionality_by_term, fit.proportionality]
    if len(zph["chisq"]) == len(tests):
        for test, statistic, p in zip(tests, zph["chisq"], zph["p"], strict=True):
            assert test is not None
            tally.same("Cox proportional hazards", (test.statistic, test.p), (statistic, p))
    else:  # a factor is one term in R
        tally.same("Cox proportional hazards", fit.proportionality.statistic, zph["chisq"][-1])


def check_adjusted(
    tally: Tally, frame: pd.DataFrame, names: tuple[str, str, str], terms: Sequence[str], model: dict[str, Any]
) -> None:
    """The group and adjusted Cox models of the summary (Efron)."""
    time, status, group = names
    found = endpoint(frame, time, status, group, adjust=[t for t in terms if t != group])["comparisons"]
    want = model["coef"], model["se"], model["hr"], model["hr_lower95"], model["hr_upper95"], model["p_wald"]
    if len(terms) == 1:
        (ratio,) = found["cox"]["groups"].values()
        ratios = [ratio]
        tally.same("Cox proportional hazards", found["cox"]["ph_test_p"], model["zph_km"]["p"][-1])
    else:
        ratios = list(found["cox_adjusted"]["terms"].values())
        assert list(found["cox_adjusted"]["terms"])[1:] == [t for t in terms if t != group]
    for place, ratio in enumerate(ratios):
        got = ratio["log_hr"], ratio["se"], ratio["hr"], *ratio["ci"], ratio["p"]
        tally.same("Cox model in the summary", got, [column[place] for column in want])


def check_restricted_mean(
    tally: Tally, frame: pd.DataFrame, names: tuple[str, str, str], expected: dict[str, Any]
) -> None:
    """Restricted means and their difference."""
    found = endpoint(frame, *names, tau=expected["tau"])
    for label, want in expected["groups"].items():
        got = found["groups"][label]["rmst"]
        tally.same("RMST", (got["estimate"], got["se"]), (want["rmst"], want["se"]))
    first, second = expected["groups"]
    pairs, want = found["comparisons"]["rmst_difference"]["pairs"], expected["diff_second_minus_first"]
    got, sign = (pairs[f"{second}-{first}"], 1) if f"{second}-{first}" in pairs else (pairs[f"{first}-{second}"], -1)
    limits = sorted(sign * limit for limit in got["ci"])
    tally.same("RMST difference", sign * got["estimate"], want["est"])
    tally.same("RMST difference", (got["se"], *limits, got["p"]), [want[k] for k in ("se", "lower", "upper", "p")])


def check_landmark(tally: Tally, frame: pd.DataFrame, names: tuple[str, str, str], expected: dict[str, Any]) -> None:
    """Rates at a landmark and the complementary log-log test of their difference."""
    found = endpoint(frame, *names, times=[expected["t"]])
    for place, label in enumerate(expected["groups"]):
        (rate,) = found["groups"][label]["rates"]
        tally.same("landmark rate", (rate["estimate"], rate["se"]), (expected["surv"][place], expected["se"][place]))
    first, second = expected["groups"]
    (difference,) = found["comparisons"]["landmark_difference"]
    pairs, want = difference["pairs"], expected["diff_second_minus_first"]
    got, sign = (pairs[f"{second}-{first}"], 1) if f"{second}-{first}" in pairs else (pairs[f"{first}-{second}"], -1)
    tally.same("landmark difference", sign * got["estimate"], want["est"])
    test = expected["cloglog_test"]
    tally.same("landmark test", (got["statistic"], got["p"]), (test["chi2"], test["p"]))


def check_incidence(
    tally: Tally, frame: pd.DataFrame, names: tuple[str, str, str], expected: dict[str, Any], strata: str | None
) -> None:
    """Cumulative incidence of both kinds of event with delta errors, and Gray's tests."""
    time, status, group = names
    times = next(iter(expected["groups"].values()))["1"]["times"]
    found = endpoint(frame, time, status, group, times=times, strata=strata)
    for label, causes in expected["groups"].items():
        for cause, key in (("1", "rates"), ("2", "rates_competing")):
            for place, rate in enumerate(found["groups"][label][key]):
                if rate["estimate"] is None:
                    assert rate["at_risk"] == 0 and rate["note"]
                    continue
                tally.same("cumulative incidence", rate["estimate"], causes[cause]["cif"][place])
                tally.same("cumulative incidence error", rate["se"], causes[cause]["se_survfit_ij"][place])
    comparisons = found["comparisons"]
    everybody = sample(frame[time], frame[status])
    for cause, key in (("1", "event"), ("2", "competing")):
        want = expected["gray"][cause]
        got = comparisons["gray"][key]
        tally.same("Gray's test", [got[k] for k in ("statistic", "df", "p")], [want[k] for k in ("chi2", "df", "p")])
        if strata is not None:
            got, want = comparisons["gray_stratified"][key], expected["gray_stratified"][cause]
            got_values = [got[k] for k in ("statistic", "df", "p")]
            tally.same("Gray's test, stratified", got_values, [want[k] for k in ("chi2", "df", "p")])
        weighted = gray_test(everybody if cause == "1" else everybody.swapped(), codes(frame[group]), rho=1.0)
        assert weighted is not None
        tally.same("Gray's test, rho 1", weighted.statistic, expected["gray_rho1"][cause]["chi2"])


def check_competing_regression(
    tally: Tally, frame: pd.DataFrame, names: tuple[str, str, str | None], expected: dict[str, Any]
) -> None:
    """Fine-Gray and cause-specific models of both causes, by function and, with a group, in the summary."""
    time, status, group = names
    for cause, model in expected.items():
        terms = model["terms"]
        used = frame.dropna(subset=terms)
        rows = sample(used[time], used[status])
        rows = rows if cause == "1" else rows.swapped()
        x = used[terms].to_numpy(float)
        fit = fine_gray_regression(rows, x)
        assert fit is not None
        want = model["fine_gray"]
        tally.same("Fine-Gray coefficient", fit.coefficients, want["coef"])
        tally.same("Fine-Gray robust error", fit.se, want["se_robust"])
        tally.same("Fine-Gray naive error", np.sqrt(np.diag(fit.naive_covariance)), want["se_naive"])
        tally.same("Fine-Gray log-likelihood", fit.log_likelihood[1], want["loglik"])
        for ties in ("efron", "breslow"):
            cox, want = cox_regression(rows.cause_specific(1), x, ties=ties), model[f"cause_specific_cox_{ties}"]
            assert cox is not None
            tally.same(f"cause-specific Cox, {ties}", [*cox.coefficients, *cox.se], [*want["coef"], *want["se"]])
        if group is not None:
            swapped = frame.assign(**{status: frame[status] if cause == "1" else frame[status].map({0: 0, 1: 2, 2: 1})})
            found = endpoint(swapped, time, status, group, adjust=[t for t in terms if t not in (group, "male")])
            check_models_in_summary(tally, found["comparisons"], terms, group, model)


def check_models_in_summary(
    tally: Tally, comparisons: dict[str, Any], terms: Sequence[str], group: str, model: dict[str, Any]
) -> None:
    """The adjusted models of the summary against R's."""
    order = {term: place for place, term in enumerate(terms)}
    for name, ratio, kind in (("fine_gray", "log_shr", "se_robust"), ("cause_specific_cox_efron", "log_hr", "se")):
        block = comparisons["fine_gray_adjusted" if name == "fine_gray" else "cox_adjusted"]["terms"]
        assert len(block) == len(terms)
        for term, got in block.items():
            place = order[term] if term in order else order[group if group in order else "male"]
            want = model[name]["coef"][place], model[name][kind][place]
            tally.same(f"{name} in the summary", (got[ratio], got["se"]), want)


def aml(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    names = ("time", "status", "group")
    check_curves(tally, d, names, e["km"])
    check_log_rank(tally, d, names, e["logrank"])
    d = d.assign(groupNonmaintained=(d["group"] == "Nonmaintained").astype(int))
    for model in e["cox"]:
        if model["ties"] in ("efron", "breslow"):
            check_cox(tally, d, ("time", "status"), model)
    check_adjusted(tally, d, names, ["groupNonmaintained"], e["cox"][0])
    check_restricted_mean(tally, d, names, e["rmst"])
    check_landmark(tally, d, names, e["landmark"])


def halfstep(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    check_curves(tally, d, ("time", "status", "group"), e["km"])
    check_log_rank(tally, d, ("time", "status", "group"), e["logrank"])


def lung(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    names = ("time", "status", "sex")
    check_curves(tally, d, names, e["km"])
    check_log_rank(tally, d, names, e["logrank"])
    for model in e["cox"]:
        check_cox(tally, d, ("time", "status"), model)
        if model["ties"] == "efron":
            check_adjusted(tally, d, names, model["terms"], model)
    check_restricted_mean(tally, d, names, e["rmst"])
    check_landmark(tally, d, names, e["landmark"])


def veteran(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    names = ("time", "status", "trt")
    check_curves(tally, d, names, e["km"])
    check_log_rank(tally, d, names, e["logrank"])
    check_log_rank(tally, d, names, e["logrank_stratified_by_celltype"], strata="celltype")
    check_log_rank(tally, d, ("time", "status", "celltype"), e["logrank_4group_celltype"])
    for level in d["celltype"].unique():
        d[f"celltype_f{level}"] = (d["celltype"] == level).astype(int)
    for model in e["cox"]:
        check_cox(tally, d, ("time", "status"), model, "celltype" if "strata" in model["formula"] else None)
    check_adjusted(tally, d, names, e["cox"][0]["terms"], e["cox"][0])
    check_restricted_mean(tally, d, names, e["rmst"])
    check_landmark(tally, d, names, e["landmark"])


def colon(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    names = ("os_time", "os_status", "rx")
    check_curves(tally, d, names, e["km_os"])
    check_curves(tally, d, ("pfs_time", "pfs_status", "rx"), e["km_pfs"])
    check_log_rank(tally, d, names, e["logrank_os_3arm"])
    two = d[d["rx"].isin(["Obs", "Lev_5FU"])].assign(arm=lambda f: (f["rx"] == "Lev_5FU").astype(int))
    check_log_rank(tally, two, names, e["logrank_os_2arm"])
    check_log_rank(tally, two, names, e["logrank_os_2arm_strat_node4"], strata="node4")
    for model in e["cox"]:
        which = "pfs" if "pfs" in model["formula"] else "os"
        check_cox(tally, two, (f"{which}_time", f"{which}_status"), model)
        if model["ties"] == "efron":
            check_adjusted(tally, two, (f"{which}_time", f"{which}_status", "arm"), model["terms"], model)
    for name, model in e["subgroup_node4"]["models"].items():
        part = two[two["node4"] == int(name.partition("=")[2])]
        check_cox(tally, part, ("os_time", "os_status"), model)
    interaction(tally, d, e)
    check_restricted_mean(tally, two, names, e["rmst"])
    check_landmark(tally, two, names, e["landmark_5y"])
    check_incidence(tally, d, ("pfs_time", "cr_event", "rx"), e["cif_3arm"], None)
    check_incidence(tally, two, ("pfs_time", "cr_event", "rx"), e["cif_2arm"], "node4")
    check_competing_regression(tally, two, ("pfs_time", "cr_event", "arm"), e["competing_regression"])


def mgus2(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    d = d.assign(male=(d["sex"] == "M").astype(int), any_event=(d["event"] > 0).astype(int))
    check_incidence(tally, d, ("time", "event", "sex"), e["cif"], None)
    check_competing_regression(tally, d, ("time", "event", "sex"), e["competing_regression"])
    check_curves(tally, d, ("time", "any_event", "sex"), e["km_os_composite"])
    check_log_rank(tally, d, ("time", "any_event", "sex"), e["logrank_composite"])


def melanoma(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    d = d.assign(any_event=(d["event"] > 0).astype(int))
    check_incidence(tally, d, ("time", "event", "ulcer"), e["cif"], "sex")
    check_competing_regression(tally, d, ("time", "event", "ulcer"), e["competing_regression"])
    check_curves(tally, d, ("time", "any_event", "ulcer"), e["km_os"])
    check_log_rank(tally, d, ("time", "any_event", "ulcer"), e["logrank"])


def cmprsk_example(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    check_incidence(tally, d, ("time", "event", "group"), e["cif"], "stratum")


def crr_example(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    check_competing_regression(tally, d, ("time", "event", None), e["competing_regression"])


def lung_interval(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    want = e["npmle"]
    curve = npmle(d["left"].to_numpy(float), d["right"].fillna(np.inf).to_numpy(float))
    tally.same("NPMLE intervals", curve.left, want["left"])
    tally.same("NPMLE intervals", [r if np.isfinite(r) else None for r in curve.right], want["right"])
    tally.same("NPMLE masses", curve.mass, want["p"])
    tally.same("NPMLE log-likelihood", curve.log_likelihood, want["loglik"])
    for time, lowest, highest in zip(want["times"], want["surv_lower"], want["surv_upper"], strict=True):
        tally.same("NPMLE survival", curve.at(time), (lowest, highest))
    table = d.assign(time_days=d["right"].fillna(d["left"]), left_days=d["left"], right_days=d["right"])
    (rates,) = [
        g["interval_censored"]["rates"]
        for g in summarise(table, times=want["times"])["endpoints"]["EVENT"]["groups"].values()
    ]
    tally.same("NPMLE in the summary", [r["lowest"] for r in rates], want["surv_lower"])
    tally.same("NPMLE in the summary", [r["highest"] for r in rates], want["surv_upper"])


def interaction(tally: Tally, d: pd.DataFrame, e: dict[str, Any]) -> None:
    two = d[d["rx"].isin(["Obs", "Lev_5FU"])]
    arm, node = (two["rx"] == "Lev_5FU").to_numpy(float), two["node4"].to_numpy(float)
    rows, want = sample(two["os_time"], two["os_status"]), e["subgroup_node4"]["interaction_lrt"]
    main, full = (cox_regression(rows, np.column_stack(x)) for x in ((arm, node), (arm, node, arm * node)))
    assert main is not None and full is not None
    tally.same("interaction", 2 * (full.log_likelihood[1] - main.log_likelihood[1]), want["chi2"])
    found = float(full.coefficients[2]), float(full.se[2])
    tally.same("interaction", found, (want["coef_interaction"], want["se_interaction"]))


Check = Callable[[Tally, pd.DataFrame, dict[str, Any]], None]
LEAST: dict[Check, int] = {
    aml: 190,
    halfstep: 170,
    lung: 1200,
    veteran: 900,
    colon: 9000,
    mgus2: 2500,
    melanoma: 1150,
    cmprsk_example: 86,
    crr_example: 40,
    lung_interval: 120,
}


@pytest.mark.parametrize("check", list(LEAST), ids=lambda check: check.__name__)
def test_statistics_equal_r(check: Check, shared_data: Path, record_property: Callable[[str, object], None]) -> None:
    folder = shared_data / "survival"
    name = check.__name__
    expected = json.loads((folder / f"{name}.expected.json").read_text(encoding="utf-8"))
    tally = Tally()
    check(tally, pd.read_csv(folder / f"{name}.csv"), expected)
    compared = sum(number for number, _ in tally.counts.values())
    assert compared >= LEAST[check], f"only {compared} numbers of {name} were compared"
    rows = [(name, statistic, number, worst) for statistic, (number, worst) in tally.counts.items()]
    record_property("compared_with_r", json.dumps(rows))
