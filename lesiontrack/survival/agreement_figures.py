"""Figures of the agreement of two readers, each with the numbers behind it as a table."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lesiontrack.survival.agreement import Kappa, Limits
from lesiontrack.survival.agreement_record import PairAgreement
from lesiontrack.survival.figure_layout import GREY, Header, Sheet, colour, save
from lesiontrack.survival.settings import SurvivalSettings

__all__ = ["write_agreement_figures"]


def write_agreement_figures(pair: PairAgreement, folder: Path, stem: str, settings: SurvivalSettings) -> list[Path]:
    """Write ``<stem>_categories``, ``<stem>_sums`` and ``<stem>_pd_dates``, each as .svg, .png and .csv.

    A figure without anything to draw is not written; its table is, without rows.
    """
    drawings = {
        "categories": (bool(pair.category.n), lambda: _categories(pair, settings), _category_table(pair)),
        "sums": (bool(pair.sum_pairs), lambda: _sums(pair, settings), _sum_table(pair)),
        "pd_dates": (bool(pair.dates), lambda: _dates(pair, settings), _date_table(pair)),
    }
    paths: list[Path] = []
    for name, (drawn, draw, table) in drawings.items():
        path = folder / f"{stem}_{name}"
        if drawn:
            paths += save(draw, path, settings)
        table.to_csv(path.with_name(path.name + ".csv"), index=False, lineterminator="\n", float_format="%.15g")
        paths.append(path.with_name(path.name + ".csv"))
    return paths


# --- categories -----------------------------------------------------------------------------------------------------


def _categories(pair: PairAgreement, settings: SurvivalSettings) -> Figure:
    """Draw how often the readers gave each pair of categories."""
    found = pair.category
    headers = [
        Header(text=f"Overall response by visit: {pair.readers[0]} and {pair.readers[1]}", bold=True),
        Header(text=f"{found.n} visits of {pair.n_subjects} subjects; {_kappa_text('kappa', found)}"),
        Header(text=f"{'-'.join(('CR', 'PR', 'SD', 'PD'))}: {_kappa_text('weighted kappa', pair.category_weighted)}"),
    ]
    sheet = Sheet(settings, headers, (), axes_height_in=3.4)
    axes = sheet.axes()
    counts = np.array(found.table)
    axes.imshow(counts, cmap="Blues", vmin=0, vmax=max(1, 2 * counts.max()), aspect="auto")
    for i, j in np.ndindex(*counts.shape):
        weight = "bold" if i == j else "normal"
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontweight=weight)
    places = range(len(found.categories))
    axes.set_xticks(places, found.categories)
    axes.set_yticks(places, found.categories)
    # A name at the left would meet the long names of categories.
    axes.set_xlabel(f"rows {pair.readers[0]}, columns {pair.readers[1]}", parse_math=False)
    axes.tick_params(length=0)
    sheet.write()
    return sheet.figure


def _kappa_text(name: str, found: Kappa) -> str:
    if found.estimate is None:
        return f"{name} not defined ({found.note})"
    interval = found.ci_by_subject or found.ci
    by = "by subject " if found.ci_by_subject else ""
    between = "" if interval is None else f" (CI {by}{interval[0]:.2f} to {interval[1]:.2f})"
    return f"{name} {found.estimate:.2f}{between}, {100 * (found.observed or 0):.0f} % alike"


def _category_table(pair: PairAgreement) -> pd.DataFrame:
    found = pair.category
    first, second = pair.readers
    rows = [
        {"reader_1": first, "reader_2": second, "category_1": a, "category_2": b, "n": found.table[i][j]}
        for i, a in enumerate(found.categories)
        for j, b in enumerate(found.categories)
    ]
    return pd.DataFrame(rows, columns=["reader_1", "reader_2", "category_1", "category_2", "n"])


# --- sums -----------------------------------------------------------------------------------------------------------


def _sums(pair: PairAgreement, settings: SurvivalSettings) -> Figure:
    """Draw the differences of sums against their mean, with the limits of agreement (Bland and Altman, 1986)."""
    limits = pair.sums[0]
    headers = [
        Header(text=f"Sum of diameters: {pair.readers[1]} minus {pair.readers[0]}", bold=True),
        Header(text=f"{limits.n} visits of {limits.n_subjects} subjects; {_limits_text(limits)}"),
    ]
    sheet = Sheet(settings, headers, ())
    axes = sheet.axes()
    table = _sum_table(pair)
    axes.plot(table["mean_mm"], table["difference_mm"], "o", color=colour(0), markersize=3.5, alpha=0.7, mew=0)
    lines = ((limits.bias, limits.bias_ci), (limits.lower, limits.lower_ci), (limits.upper, limits.upper_ci))
    for place, (height, band) in enumerate(lines):
        if height is None:
            continue
        axes.axhline(height, color=colour(1), linewidth=1.2, linestyle="-" if place == 0 else (0, (5, 1.6)))
        if band is not None:
            axes.axhspan(*band, color=colour(1), alpha=0.12, linewidth=0)
    _plain(axes, "Mean of the two sums (mm)", "Difference (mm)")
    sheet.write()
    return sheet.figure


def _limits_text(limits: Limits) -> str:
    if limits.bias is None:
        return str(limits.note)
    if limits.lower is None or limits.upper is None:
        return f"bias {limits.bias:.1f} mm ({limits.note})"
    share = f"{100 * limits.level:g} %"
    return f"bias {limits.bias:.1f} mm, {share} limits of agreement {limits.lower:.1f} to {limits.upper:.1f} mm"


def _sum_table(pair: PairAgreement) -> pd.DataFrame:
    columns = ["subject_id", "date", "sum_1_mm", "sum_2_mm"]
    table = pd.DataFrame(list(pair.sum_pairs), columns=columns)
    table["mean_mm"] = (table["sum_1_mm"] + table["sum_2_mm"]) / 2
    table["difference_mm"] = table["sum_2_mm"] - table["sum_1_mm"]
    return table


# --- dates of progression -------------------------------------------------------------------------------------------


def _dates(pair: PairAgreement, settings: SurvivalSettings) -> Figure:
    """Draw the difference in days of each subject in whom both readers see progression, in order of size."""
    found = pair.pd_days
    same = f"{found.n_same_day} of {found.n} on the same day"
    alone = f"progression to {pair.readers[0]} alone {found.only_first}, to {pair.readers[1]} alone {found.only_second}"
    headers = [
        Header(text=f"Date of progression: {pair.readers[1]} minus {pair.readers[0]}", bold=True),
        Header(text=f"{same}; {alone}"),
    ]
    sheet = Sheet(settings, headers, ())
    axes = sheet.axes()
    days = np.sort(np.array(found.days))
    at = np.arange(1, days.size + 1)
    axes.vlines(at, 0, days, color=colour(0), linewidth=1.0)
    axes.plot(at, days, "o", color=colour(0), markersize=4, mew=0)
    axes.axhline(0, color=GREY, linewidth=0.8)
    reach = max(7.0, 1.1 * float(np.abs(days).max()))
    axes.set_ylim(-reach, reach)
    axes.set_xlim(0, days.size + 1)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    step = max(1, math.ceil(days.size / 12))
    ticks = list(range(1, days.size + 1, step))
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    _plain(axes, "Subjects, by difference", "Difference (days)")
    sheet.write()
    return sheet.figure


def _plain(axes: Axes, xlabel: str, ylabel: str) -> None:
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.tick_params(length=3, width=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.5)
    axes.set_axisbelow(True)


def _date_table(pair: PairAgreement) -> pd.DataFrame:
    return pd.DataFrame(list(pair.dates), columns=["subject_id", "pd_date_1", "pd_date_2", "days"])
