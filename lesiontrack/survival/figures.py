"""Figures of an endpoint, each with the numbers behind it as a table.

Kaplan-Meier curves carry the numbers at risk, censored and with an event below the time axis (the KMunicate layout,
Morris et al., BMJ Open 2019;9:e030215); cumulative incidence is drawn by group and stacked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesiontrack.survival.curves import KaplanMeier, kaplan_meier
from lesiontrack.survival.estimates import Json
from lesiontrack.survival.figure_layout import (
    GREY,
    Header,
    Row,
    Sheet,
    TimeAxis,
    colour,
    dashes,
    save,
    style_axes,
    time_axis,
)
from lesiontrack.survival.incidence import CumulativeIncidence, aalen_johansen
from lesiontrack.survival.intake import ALL, EndpointData
from lesiontrack.survival.sample import FloatArray, Sample, at_risk_at
from lesiontrack.survival.settings import SurvivalSettings

__all__ = ["EndpointFigures", "steps", "write_figures"]

_TITLES = {
    "OS": "Overall survival from diagnosis",
    "OS_NAIVE": "Overall survival from diagnosis, without delayed entry",
    "OS_ENROLMENT": "Overall survival from enrolment",
    "PFS": "Progression-free survival from treatment start",
    "PFS_EMA": "Progression-free survival, EMA censoring",
    "PFS_NEW": "Progression-free survival, new or unequivocal disease only",
    "PFS_STRICT": "Progression-free survival, RECIST as written",
    "PFS_TREATMENT_PHASE": "Progression-free survival, growth during the treatment phase counted",
    "PFS_RANDOMISATION": "Progression-free survival from randomisation",
    "HEPATIC_PD": "Cumulative incidence of hepatic progression",
    "EXTRAHEPATIC_PD": "Cumulative incidence of extrahepatic progression",
    "HEPATIC_FIRST": "Cumulative incidence of hepatic first progression",
    "EXTRAHEPATIC_FIRST": "Cumulative incidence of extrahepatic first progression",
    "FIRST_PD": "Cumulative incidence of first progression",
    "LTP": "Local tumour progression, by treated lesion",
}
_INCIDENCE = ("HEPATIC_PD", "EXTRAHEPATIC_PD", "HEPATIC_FIRST", "EXTRAHEPATIC_FIRST", "FIRST_PD", "LTP")
"""Drawn as cumulative incidence also where no competing event happened, so that a study's figures are of one kind."""
_MOST_MARKS = 150
"""Censoring marks are drawn for groups up to this size; larger ones would be a thick line."""
_MOST_PANELS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFigures:
    """What the figures of one endpoint are drawn from: its rows, and its block of the summary."""

    data: EndpointData
    block: Json
    settings: SurvivalSettings

    def sample(self, group: int) -> Sample:
        """Return the follow-up of one group."""
        return self.data.members(group)

    @property
    def title(self) -> str:
        """Title of the endpoint."""
        return _TITLES.get(self.data.name, self.data.name)

    @property
    def incidence(self) -> bool:
        """Whether cumulative incidence is drawn rather than survival."""
        return self.data.competing or self.data.name in _INCIDENCE

    @property
    def scale(self) -> TimeAxis:
        """Time axis that holds the longest follow-up."""
        longest = float(self.data.sample.time.max()) if self.data.sample.n else 0.0
        return time_axis(longest if longest > 0 else 1.0, self.settings)


def write_figures(figures: EndpointFigures, folder: Path, stem: str) -> list[Path]:
    """Write the figures of an endpoint and their numbers into ``folder``.

    Survival endpoints get ``<stem>_km``, those of cumulative incidence ``<stem>_cif`` and ``<stem>_cif_stacked``: each
    as .svg, .png and .csv, and the numbers below the axis as ``..._numbers.csv``. Nothing is drawn without groups.
    """
    paths: list[Path] = []
    if not figures.data.labels:
        return paths
    if figures.incidence:
        events = {g: aalen_johansen(figures.sample(g)) for g in range(len(figures.data.labels))}
        others = {g: aalen_johansen(figures.sample(g).swapped()) for g in events}
        paths += save(lambda: _incidence_by_group(figures, events), folder / f"{stem}_cif", figures.settings)
        paths += save(lambda: _stacked(figures, events, others), folder / f"{stem}_cif_stacked", figures.settings)
        level = figures.settings.confidence_level
        by_group = {g: (c.incidence, *c.band(level)) for g, c in events.items()}
        paths.append(_write_csv(_curve_table(figures, by_group, 0.0), folder / f"{stem}_cif.csv"))
        stacks = _stacked_table(figures, events, others)
        paths.append(_write_csv(stacks, folder / f"{stem}_cif_stacked.csv"))
        paths.append(_write_csv(_numbers_table(figures), folder / f"{stem}_cif_numbers.csv"))
        return paths
    curves = {g: kaplan_meier(figures.sample(g)) for g in range(len(figures.data.labels))}
    level = figures.settings.confidence_level
    paths += save(lambda: _survival(figures, curves), folder / f"{stem}_km", figures.settings)
    steps = {g: (c.survival, *c.band(level, "log-log")) for g, c in curves.items()}
    paths.append(_write_csv(_curve_table(figures, steps, 1.0), folder / f"{stem}_km.csv"))
    paths.append(_write_csv(_numbers_table(figures), folder / f"{stem}_km_numbers.csv"))
    return paths


def _write_csv(table: pd.DataFrame, path: Path) -> Path:
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.15g")
    return path


# -- Kaplan-Meier ----------------------------------------------------------------------------------------------------


def _survival(figures: EndpointFigures, curves: dict[int, KaplanMeier]) -> Figure:
    scale = figures.scale
    sheet = Sheet(figures.settings, _headers(figures, scale), _rows(figures, scale))
    axes = sheet.axes()
    style_axes(axes, scale, "Event-free probability" if figures.data.name not in _TITLES else "Probability")
    for group, curve in curves.items():
        if curve.table.time.size == 0:
            continue
        lower, upper = curve.band(figures.settings.confidence_level, "log-log")
        time = _draw(axes, scale, group, curve.table.time, (curve.survival, lower, upper), start=1.0)
        if curve.table.n <= _MOST_MARKS:
            marked = curve.table.censored > 0
            axes.plot(time[1:][marked], curve.survival[marked], "|", color=colour(group), markersize=5, mew=0.9)
    _draw_medians(axes, scale, figures)
    sheet.write(axes, scale.ticks)
    return sheet.figure


def _draw(
    axes: Axes, scale: TimeAxis, group: int, time: FloatArray, heights: tuple[FloatArray, ...], start: float
) -> FloatArray:
    """Draw a step curve with its band; return its times on the axis, from 0."""
    estimate, lower, upper = (np.concatenate(([start], h)) for h in heights)
    at = np.concatenate(([0.0], time)) / scale.per_unit
    axes.fill_between(
        steps(at, at)[0], steps(at, lower)[1], steps(at, upper)[1], color=colour(group), alpha=0.16, linewidth=0
    )
    axes.step(at, estimate, where="post", color=colour(group), linestyle=dashes(group), linewidth=1.5)
    return np.asarray(at)


def steps(time: FloatArray, height: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the corners of a step curve ((m,) -> (2m - 1,)).

    Each height holds to the next time also where the next height is undefined: matplotlib's own steps would end a
    band one step early there.
    """
    return np.repeat(time, 2)[1:], np.repeat(height, 2)[:-1]


def _draw_medians(axes: Axes, scale: TimeAxis, figures: EndpointFigures) -> None:
    """Draw the line at one half to the longest median, and drop each median to the axis."""
    medians = {group: figures.block["groups"][label]["median"] for group, label in enumerate(figures.data.labels)}
    known = {g: m / scale.per_unit for g, m in medians.items() if m is not None}
    if not known:
        return
    axes.plot([0, max(known.values())], [0.5, 0.5], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    for group, median in known.items():
        axes.plot([median, median], [-0.01, 0.5], color=colour(group), linewidth=0.8, linestyle=(0, (2, 2)))


def _headers(figures: EndpointFigures, scale: TimeAxis) -> list[Header]:
    """Return title, one line for each group, and the tests."""
    lines = [Header(text=figures.title, bold=True)]
    for group, label in enumerate(figures.data.labels):
        numbers = figures.block["groups"][label]
        name = "All subjects" if label == ALL else label
        lines.append(Header(text=name, tail=f": {_group_text(numbers, scale, figures)}", group=group))
    tests = _test_text(figures)
    if tests:
        lines.append(Header(text=tests))
    if figures.data.sample.delayed:
        lines.append(Header(text="Delayed entry: subjects are at risk from their entry on."))
    return lines


def _group_text(numbers: Json, scale: TimeAxis, figures: EndpointFigures) -> str:
    if numbers["n"] == 0:
        return "no subject"
    unit = "lesions" if figures.data.sample.cluster is not None else "n"
    text = f"{unit} = {numbers['n']}, events = {numbers['events']}"
    if figures.incidence:
        return f"{text}, competing = {numbers['competing']}"
    low, high = (_on_axis(limit, scale) for limit in numbers["median_ci"])
    median = _on_axis(numbers["median"], scale)
    level = f"{figures.settings.confidence_level * 100:g} %"
    unit_name = scale.label.partition("(")[2].rstrip(")")
    if numbers["median"] is None and numbers["median_ci"][0] is None:
        return f"{text}, median not reached"
    reached = median if numbers["median"] is None else f"{median} {unit_name}"
    return f"{text}, median {reached} ({level} CI {low} to {high})"


def _on_axis(time: float | None, scale: TimeAxis) -> str:
    return "not reached" if time is None else f"{time / scale.per_unit:.1f}"


def _test_text(figures: EndpointFigures) -> str:
    comparisons = figures.block["comparisons"]
    if not comparisons:
        return ""
    parts = []
    if figures.data.competing:
        for name, key in (("event", "event"), ("competing event", "competing")):
            p = comparisons["gray"][key]["p"]
            parts.append(f"Gray's test, {name}: {_p_text(p)}")
        return "; ".join(parts)
    parts.append(f"Log-rank: {_p_text(comparisons['log_rank']['p'])}")
    stratified = comparisons["log_rank_stratified"]
    if stratified:
        parts.append(f"stratified: {_p_text(stratified['p'])}")
    ratios = comparisons["cox"]["groups"]
    if len(ratios) == 1:
        (name, ratio), reference = next(iter(ratios.items())), comparisons["cox"]["reference"]
        if ratio["hr"] is not None and None not in ratio["ci"]:
            low, high = ratio["ci"]
            parts.append(f"hazard ratio {ratio['hr']:.2f} ({low:.2f} to {high:.2f}), {name} : {reference}")
    return "; ".join(parts)


def _p_text(p: float | None) -> str:
    if p is None:
        return "not estimable"
    if p < 0.0001:
        return "p < 0.0001"
    return f"p = {p:.4f}" if p < 0.01 else f"p = {p:.2f}"


# -- Cumulative incidence --------------------------------------------------------------------------------------------


def _incidence_by_group(figures: EndpointFigures, curves: dict[int, CumulativeIncidence]) -> Figure:
    scale = figures.scale
    sheet = Sheet(figures.settings, _headers(figures, scale), _rows(figures, scale))
    axes = sheet.axes()
    style_axes(axes, scale, "Cumulative incidence")
    for group, curve in curves.items():
        if curve.table.time.size:
            lower, upper = curve.band(figures.settings.confidence_level)
            _draw(axes, scale, group, curve.table.time, (curve.incidence, lower, upper), start=0.0)
    sheet.write(axes, scale.ticks)
    return sheet.figure


def _stacked(
    figures: EndpointFigures, events: dict[int, CumulativeIncidence], others: dict[int, CumulativeIncidence]
) -> Figure:
    """Draw event, competing event and neither as shares of the group, one panel for each of the first groups."""
    scale = figures.scale
    shown = list(events)[:_MOST_PANELS]
    headers = [Header(text=f"{figures.title}: shares of each group", bold=True)]
    if len(events) > len(shown):
        headers.append(Header(text=f"The first {len(shown)} of {len(events)} groups; the table holds all."))
    headers.append(Header(text="Event", group=0))
    headers.append(Header(text="Competing event", group=1))
    # Panel names stand in the header region of the sheet as a line of their own, so that they cannot run into data.
    headers.append(Header(text=""))
    sheet = Sheet(figures.settings, headers, (), axes_height_in=2.9)
    for place, group in enumerate(shown):
        axes = sheet.axes(place, len(shown))
        style_axes(axes, scale, "Share of the group" if place == 0 else None)
        name = figures.data.labels[group]
        _panel_title(sheet, axes, "All subjects" if name == ALL else name, len(shown))
        curve = events[group]
        if curve.table.time.size == 0:
            axes.text(0.5, 0.5, "no subject", transform=axes.transAxes, ha="center", va="center", color=GREY)
            continue
        at = np.concatenate(([0.0], curve.table.time)) / scale.per_unit
        first = np.concatenate(([0.0], curve.incidence))
        both = first + np.concatenate(([0.0], others[group].incidence))
        axes.fill_between(at, 0, first, step="post", color=colour(0), alpha=0.75, linewidth=0)
        axes.fill_between(at, first, both, step="post", color=colour(1), alpha=0.55, linewidth=0, hatch="////")
        axes.step(at, first, where="post", color=colour(0), linewidth=1.2)
        axes.step(at, both, where="post", color=colour(1), linewidth=1.2, linestyle=dashes(1))
    sheet.write()
    return sheet.figure


def _panel_title(sheet: Sheet, axes: Axes, text: str, panels: int) -> None:
    title = axes.set_title(text, fontsize=8, loc="left", parse_math=False)
    sheet.fit(title, text, axes.get_position().width * sheet.width_in + (0.0 if panels > 1 else 0.1))


# -- Numbers ---------------------------------------------------------------------------------------------------------


def _counts(figures: EndpointFigures, group: int, scale: TimeAxis) -> dict[str, tuple[int, ...]]:
    """Return, at each tick, who is at risk and who left before it, by kind; these add to those who had entered."""
    sample = figures.sample(group)
    times = np.asarray(scale.ticks) * scale.per_unit
    if sample.n == 0:
        zeros = (0,) * times.size
        counts = {"At risk": zeros, "Censored": zeros, "Events": zeros}
        return counts | ({"Competing": zeros} if figures.incidence else {})

    def before(status: int) -> tuple[int, ...]:
        return tuple(np.searchsorted(np.sort(sample.time[sample.status == status]), times, side="left").tolist())

    counts = {"At risk": tuple(at_risk_at(sample, times).tolist()), "Censored": before(0), "Events": before(1)}
    return counts | ({"Competing": before(2)} if figures.incidence else {})


def _rows(figures: EndpointFigures, scale: TimeAxis) -> list[Row]:
    rows: list[Row] = []
    for group, label in enumerate(figures.data.labels):
        rows.append(Row(label="All subjects" if label == ALL else label, group=group))
        rows += [Row(label=name, numbers=n) for name, n in _counts(figures, group, scale).items()]
    return rows


def _numbers_table(figures: EndpointFigures) -> pd.DataFrame:
    """Return the table below the axis: one row for each group and tick."""
    scale = figures.scale
    parts = []
    for group, label in enumerate(figures.data.labels):
        counts = {k.lower().replace(" ", "_"): v for k, v in _counts(figures, group, scale).items()}
        times = np.asarray(scale.ticks) * scale.per_unit
        parts.append(pd.DataFrame({"group": label, "time": times, **counts}))
    return pd.concat(parts, ignore_index=True)


def _curve_table(
    figures: EndpointFigures, steps: dict[int, tuple[FloatArray, FloatArray, FloatArray]], start: float
) -> pd.DataFrame:
    """Return every step of the curves with its counts and limits."""
    parts = []
    for group, (estimate, lower, upper) in steps.items():
        sample = figures.sample(group)
        table = kaplan_meier(sample).table if not figures.incidence else aalen_johansen(sample).table
        part = pd.DataFrame(
            {
                "group": figures.data.labels[group],
                "time": np.concatenate(([0.0], table.time)),
                "at_risk": np.concatenate(([int(at_risk_at(sample, np.zeros(1))[0])], table.at_risk)),
                "events": np.concatenate(([0], table.events)),
                "competing": np.concatenate(([0], table.competing)),
                "censored": np.concatenate(([0], table.censored)),
                "estimate": np.concatenate(([start], estimate)),
                "ci_lower": np.concatenate(([start], lower)),
                "ci_upper": np.concatenate(([start], upper)),
            }
        )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _stacked_table(
    figures: EndpointFigures, events: dict[int, CumulativeIncidence], others: dict[int, CumulativeIncidence]
) -> pd.DataFrame:
    """Return the shares of each group at every step."""
    parts = []
    for group, curve in events.items():
        part = pd.DataFrame(
            {
                "group": figures.data.labels[group],
                "time": np.concatenate(([0.0], curve.table.time)),
                "event": np.concatenate(([0.0], curve.incidence)),
                "competing": np.concatenate(([0.0], others[group].incidence)),
                "neither": np.concatenate(([1.0], curve.event_free)),
            }
        )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
