"""Agreement over a cohort, for each pair of readers, as a document and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from lesiontrack.review.agreement_settings import AgreementSettings
from lesiontrack.review.case_reading import CaseReading, Outcome
from lesiontrack.survival.agreement import (
    DateDifferences,
    Kappa,
    Limits,
    date_differences,
    kappa,
    limits_of_agreement,
)
from lesiontrack.survival.estimates import Json
from lesiontrack.survival.readings import Case

__all__ = ["PairAgreement", "agreement_document", "agreement_table", "pairs_of"]

CATEGORIES = ("CR", "PR", "NED", "SD", "NON-CR/NON-PD", "PD", "NE", "REBASELINE")
ORDERED = ("CR", "PR", "SD", "PD")
"""The categories that have an order, for the weighted kappa; visits with another one are left out of it."""
YES_NO = ("YES", "NO")
SITES = ("HEPATIC", "EXTRAHEPATIC", "BOTH")
NONE = "NONE"

Rating = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAgreement:
    """Agreement of two readers.

    Attributes
    ----------
    category, category_weighted
        Of visits of the study phase that both judged.
    pd, site, first_site
        Of subjects: whether they progressed; the site where both say so; the site, with NONE for no progression.
    sums
        Limits of agreement of sums of diameters, in mm and in percent.
    sum_pairs
        (subject, date, first reader's sum, second reader's), mm, at visits where both have one.
    dates
        (subject, first reader's date of progression, second reader's, days from the first to the second).
    """

    readers: tuple[str, str]
    n_subjects: int
    category: Kappa
    category_weighted: Kappa
    pd: Kappa
    site: Kappa
    first_site: Kappa
    pd_days: DateDifferences
    sums: tuple[Limits, Limits]
    sum_pairs: tuple[tuple[str, str, float, float], ...]
    dates: tuple[tuple[str, str, str, int], ...]
    discordances: Mapping[str, int]


def pairs_of(cases: Iterable[Case], settings: AgreementSettings, *, level: float) -> list[PairAgreement]:
    """Measure the agreement of every two readers over the subjects that both read.

    Parameters
    ----------
    level
        Two-sided confidence level.
    """
    shared: dict[tuple[str, str], list[tuple[CaseReading, CaseReading, Case]]] = {}
    for case in cases:
        for first, second in combinations(sorted(case.readings, key=lambda reading: reading.reader), 2):
            shared.setdefault((first.reader, second.reader), []).append((first, second, case))
    return [_pair(readers, read, settings, level) for readers, read in sorted(shared.items())]


def _pair(
    readers: tuple[str, str],
    read: list[tuple[CaseReading, CaseReading, Case]],
    settings: AgreementSettings,
    level: float,
) -> PairAgreement:
    visits = [rating for first, second, _ in read for rating in _visit_ratings(first, second)]
    ordered = [rating for rating in visits if rating[1] in ORDERED and rating[2] in ORDERED]
    outcomes = [(first.subject_id, first.outcome, second.outcome) for first, second, _ in read]
    sums = [pair for first, second, _ in read for pair in _sum_pairs(first, second)]
    dates = [
        (subject, a.pd_date.isoformat(), b.pd_date.isoformat(), (b.pd_date - a.pd_date).days)
        for subject, a, b in outcomes
        if a.pd_date is not None and b.pd_date is not None
    ]
    plain = [(subject, first, second) for subject, _, first, second in sums]
    samples, seed = settings.bootstrap_samples, settings.bootstrap_seed
    return PairAgreement(
        readers=readers,
        n_subjects=len(read),
        category=kappa(visits, CATEGORIES, level=level, resamples=samples, seed=seed),
        category_weighted=kappa(ordered, ORDERED, weights="linear", level=level, resamples=samples, seed=seed),
        pd=kappa([(s, _yes_no(a), _yes_no(b)) for s, a, b in outcomes], YES_NO, level=level),
        site=kappa([(s, a.pd_site, b.pd_site) for s, a, b in outcomes if a.pd_site and b.pd_site], SITES, level=level),
        first_site=kappa([(s, _site(a), _site(b)) for s, a, b in outcomes], (*SITES, _UNSITED, NONE), level=level),
        pd_days=date_differences(
            [days for *_, days in dates],
            only_first=sum(a.pd_date is not None and b.pd_date is None for _, a, b in outcomes),
            only_second=sum(a.pd_date is None and b.pd_date is not None for _, a, b in outcomes),
        ),
        sums=(
            limits_of_agreement(plain, unit="mm", level=level),
            limits_of_agreement(plain, unit="percent", level=level),
        ),
        sum_pairs=tuple(sums),
        dates=tuple(dates),
        discordances=Counter(
            entry.kind.value for _, _, case in read for entry in case.found if _differ(entry.values, readers)
        ),
    )


_UNSITED = "NO SITE"


def _differ(values: Iterable[tuple[str, str]], readers: tuple[str, str]) -> bool:
    said = [value for reader, value in values if reader in readers]
    return len(set(said)) > 1


def _visit_ratings(first: CaseReading, second: CaseReading) -> Iterator[Rating]:
    for visit in first.visits:
        other = second.visit(visit.date)
        if visit.phase == "STUDY" and other is not None and visit.overall and other.overall:
            yield first.subject_id, visit.overall, other.overall


def _sum_pairs(first: CaseReading, second: CaseReading) -> Iterator[tuple[str, str, float, float]]:
    for visit in first.visits:
        other = second.visit(visit.date)
        if visit.phase == "STUDY" and other is not None and visit.sum_mm is not None and other.sum_mm is not None:
            yield first.subject_id, visit.date.isoformat(), float(visit.sum_mm), float(other.sum_mm)


def _yes_no(outcome: Outcome) -> str:
    return "NO" if outcome.pd_date is None else "YES"


def _site(outcome: Outcome) -> str:
    if outcome.pd_date is None:
        return NONE
    return outcome.pd_site or _UNSITED


def agreement_document(pairs: Iterable[PairAgreement], *, level: float) -> Json:
    """Return the agreement of all pairs as plain JSON values."""
    return {
        "confidence_level": level,
        "pairs": [
            {
                "readers": list(pair.readers),
                "n_subjects": pair.n_subjects,
                "category": asdict(pair.category),
                "category_weighted": asdict(pair.category_weighted),
                "pd": asdict(pair.pd),
                "pd_site": asdict(pair.site),
                "first_progression_site": asdict(pair.first_site),
                "pd_date_days": asdict(pair.pd_days),
                "sum_mm": asdict(pair.sums[0]),
                "sum_percent": asdict(pair.sums[1]),
                "discordances": dict(sorted(pair.discordances.items())),
            }
            for pair in pairs
        ],
    }


def agreement_table(pairs: Iterable[PairAgreement]) -> pd.DataFrame:
    """Return one row for each pair of readers and measure; what a measure does not have is empty."""
    rows: list[dict[str, Any]] = []
    for pair in pairs:
        plain = {"reader_1": pair.readers[0], "reader_2": pair.readers[1], "n_subjects": pair.n_subjects}
        kappas = {
            "category": pair.category,
            "category_weighted": pair.category_weighted,
            "pd": pair.pd,
            "pd_site": pair.site,
            "first_progression_site": pair.first_site,
        }
        rows += [
            {**plain, "measure": name, "statistic": "kappa", **_kappa_row(found)} for name, found in kappas.items()
        ]
        rows.append({**plain, "measure": "pd_date", "statistic": "difference_days", **_days_row(pair.pd_days)})
        rows += [
            {**plain, "measure": "sum", "statistic": f"difference_{limits.unit}", **_limits_row(limits)}
            for limits in pair.sums
        ]
    return pd.DataFrame(rows, columns=[*_COLUMNS])


_COLUMNS = (
    *("reader_1", "reader_2", "measure", "statistic", "n", "n_subjects", "observed", "expected", "estimate", "se"),
    *("ci_low", "ci_high", "ci_method", "ci_by_subject_low", "ci_by_subject_high", "ci_by_subject_method"),
    *("sd", "limit_low", "limit_high", "quartile_1", "median", "quartile_3", "n_equal", "only_reader_1"),
    *("only_reader_2", "note"),
)


def _kappa_row(found: Kappa) -> dict[str, Any]:
    low, high = found.ci or (None, None)
    subject_low, subject_high = found.ci_by_subject or (None, None)
    return {
        "n": found.n,
        "observed": found.observed,
        "expected": found.expected,
        "estimate": found.estimate,
        "se": found.se,
        "ci_low": low,
        "ci_high": high,
        "ci_method": found.ci_method,
        "ci_by_subject_low": subject_low,
        "ci_by_subject_high": subject_high,
        "ci_by_subject_method": found.ci_by_subject_method,
        "n_equal": sum(row[place] for place, row in enumerate(found.table)),
        "note": found.note,
    }


def _days_row(found: DateDifferences) -> dict[str, Any]:
    quartiles = found.quartiles or (None, None, None)
    return {
        "n": found.n,
        "estimate": found.mean,
        "sd": found.sd,
        **dict(zip(("quartile_1", "median", "quartile_3"), quartiles, strict=True)),
        "n_equal": found.n_same_day,
        "only_reader_1": found.only_first,
        "only_reader_2": found.only_second,
        "note": found.note,
    }


def _limits_row(found: Limits) -> dict[str, Any]:
    low, high = found.bias_ci or (None, None)
    return {
        "n": found.n,
        "estimate": found.bias,
        "sd": found.sd,
        "ci_low": low,
        "ci_high": high,
        "ci_method": found.method,
        "limit_low": found.lower,
        "limit_high": found.upper,
        "note": found.note,
    }
