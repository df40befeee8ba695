"""The endpoints as the index tells them: estimates by arm with intervals, one test each, and the curves."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesiontrack.report import words
from lesiontrack.report.source import Result

__all__ = ["EndpointBlock", "Figure", "GroupLine", "MAIN", "endpoint_blocks"]

# The trial's endpoints (mission); all others are sensitivities or details.
MAIN = ("OS", "PFS", "HEPATIC_PD", "EXTRAHEPATIC_PD")
TITLES = {
    "OS": "Overall survival, from diagnosis",
    "OS_NAIVE": "Overall survival from diagnosis, without delayed entry",
    "OS_ENROLMENT": "Overall survival from enrolment",
    "PFS": "Progression-free survival, from treatment start",
    "PFS_EMA": "Progression-free survival, EMA-type censoring",
    "PFS_NEW": "Progression-free survival, new or unequivocal disease only",
    "PFS_STRICT": "Progression-free survival, RECIST 1.1 as written",
    "PFS_TREATMENT_PHASE": "Progression-free survival, growth in the treatment phase counted",
    "PFS_RANDOMISATION": "Progression-free survival from randomisation",
    "HEPATIC_PD": "Hepatic progression",
    "EXTRAHEPATIC_PD": "Extrahepatic progression",
    "HEPATIC_FIRST": "Hepatic as site of first progression",
    "EXTRAHEPATIC_FIRST": "Extrahepatic as site of first progression",
    "FIRST_PD": "First progression, any site",
    "LTP": "Local tumour progression, by treated lesion",
}
# Those that may have competing events.
_INCIDENCES = ("HEPATIC_PD", "EXTRAHEPATIC_PD", "HEPATIC_FIRST", "EXTRAHEPATIC_FIRST", "FIRST_PD", "LTP")
# The trial's horizon; where it is not among the times estimated, the last of them.
_HORIZON_DAYS = 1826
# Notes on what this page does not show.
_UNSHOWN = "beta product"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """One arm in one endpoint; times in days and months, rates in percent, each with its confidence interval."""

    group: str
    n: int
    events: int
    competing: int | None
    median: str
    median_months: str
    median_ci: str
    rate: str
    rate_ci: str
    at_risk: str
    followup: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A curve as an image of its own, so that no name in it can meet one of the page."""

    href: str
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointBlock:
    """One endpoint: a line for each arm, the comparison, the curve.

    Attributes
    ----------
    horizon
        What the rate is of: "5 years", or a number of days.
    test, p
        Name of the test and its p value; empty where there is none.
    effect
        Hazard ratio with its interval, where it could be estimated.
    """

    name: str
    title: str
    competing: bool
    horizon: str
    groups: tuple[GroupLine, ...]
    dropped: str
    test: str
    p: str
    effect: str
    figure: Figure | None

    @property
    def rate_of(self) -> str:
        """What the rates are; without a competing event in any group the summary holds event-free survival."""
        if self.competing:
            return "cumulative incidence"
        if self.name in _INCIDENCES:
            return "event-free, since no competing event occurred,"
        return "survival" if self.name.startswith("OS") else "event-free"

    @property
    def main(self) -> bool:
        """Whether it is one of the trial's endpoints."""
        return self.name in MAIN


def endpoint_blocks(result: Result) -> list[EndpointBlock]:
    """Return every endpoint of the summary, the trial's own first."""
    found: Mapping[str, Any] = result.summary.get("endpoints", {})
    order = list(TITLES)
    names = sorted(found, key=lambda name: (name not in MAIN, order.index(name) if name in order else 99, name))
    return [_block(result, name, found[name]) for name in names]


def _block(result: Result, name: str, block: Mapping[str, Any]) -> EndpointBlock:
    groups: Mapping[str, Any] = block.get("groups", {})
    competing = any("median" not in group for group in groups.values())
    times = [rate["time"] for group in groups.values() for rate in group.get("rates", ())]
    time = _HORIZON_DAYS if _HORIZON_DAYS in times else max(times, default=None)
    test, p = _test(block.get("comparisons", {}), competing=competing)
    return EndpointBlock(
        name=name,
        title=TITLES.get(name, name),
        competing=competing,
        horizon="" if time is None else "5 years" if time == _HORIZON_DAYS else f"{time:g} days",
        groups=tuple(_line(group, numbers, time, competing=competing) for group, numbers in groups.items()),
        dropped=_dropped(block.get("dropped", {})),
        test=test,
        p=p,
        effect=_effect(block.get("comparisons", {})),
        figure=_figure(result.out / "endpoints", name),
    )


def _line(group: str, numbers: Mapping[str, Any], time: float | None, *, competing: bool) -> GroupLine:
    rate: Mapping[str, Any] = next((r for r in numbers.get("rates", ()) if r["time"] == time), {})
    median, months = words.days_and_months(numbers.get("median"))
    followup, _ = words.days_and_months(numbers.get("followup_median"))
    notes = [("", numbers.get("note")), ("rate: ", rate.get("note"))]
    if not competing:
        notes.insert(1, ("median: ", numbers.get("median_note")))
    return GroupLine(
        group=group,
        n=numbers["n"],
        events=numbers["events"],
        competing=numbers.get("competing") if competing else None,
        median=median,
        median_months=months,
        median_ci="" if competing else _days_interval(numbers.get("median_ci")),
        rate=_percent(rate.get("estimate")),
        rate_ci=_percent_interval(rate.get("ci")),
        at_risk="" if not rate else str(rate["at_risk"]),
        followup=followup,
        notes=tuple(about + kept for about, note in notes if (kept := _shown(note))),
    )


def _shown(note: str | None) -> str:
    return "; ".join(part for part in (note or "").split("; ") if _UNSHOWN not in part)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _percent_interval(ci: Sequence[float | None] | None) -> str:
    if not ci or None in ci:
        return ""
    return f"{_percent(ci[0])}\N{EN DASH}{_percent(ci[1])}"


def _days_interval(ci: Sequence[float | None] | None) -> str:
    """Return an interval of days; a limit that is not reached is said to be so."""
    if not ci or (ci[0] is None and ci[1] is None):
        return ""
    low, high = (words.days_and_months(limit)[0] or "not reached" for limit in ci)
    return f"{low} to {high}"


def _test(comparisons: Mapping[str, Any], *, competing: bool) -> tuple[str, str]:
    found = comparisons.get("gray", {}).get("event", {}) if competing else comparisons.get("log_rank", {})
    p = (found or {}).get("p")
    name = "Gray" if competing else "log-rank"
    return (name, words.p_value(p)) if p is not None else ("", "")


def _effect(comparisons: Mapping[str, Any]) -> str:
    cox = comparisons.get("cox") or {}
    texts = []
    for group, numbers in (cox.get("groups") or {}).items():
        hr, ci = numbers.get("hr"), numbers.get("ci")
        if hr is not None and ci and None not in ci:
            low, high = ci
            texts.append(f"{hr:.2f} ({low:.2f}\N{EN DASH}{high:.2f}), {group} against {cox.get('reference')}")
    return "; ".join(texts)


def _dropped(dropped: Mapping[str, Any]) -> str:
    if not dropped.get("n"):
        return ""
    why = "; ".join(f"{n} {reason}" for reason, n in sorted((dropped.get("why") or {}).items()))
    return f"{dropped['n']} left out: {why}"


def _figure(folder: Path, name: str) -> Figure | None:
    for suffix, kind in (("cif", "cumulative incidence"), ("km", "Kaplan-Meier curve")):
        path = folder / f"{name}_{suffix}.svg"
        if path.is_file():
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            return Figure(href=f"data:image/svg+xml;base64,{data}", alt=f"{TITLES.get(name, name)}: {kind}")
    return None
