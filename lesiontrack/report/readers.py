"""The readers as the index tells them: how far they agree, where they differ, what an adjudicator chose."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesiontrack.io.store import read_json
from lesiontrack.report import words
from lesiontrack.report.estimates import Figure
from lesiontrack.report.source import Result, Row, page_of

__all__ = ["AgreementLine", "DiscordanceLine", "PairBlock", "Readers", "readers"]

_MEASURES = (
    ("category", "Overall response, by visit"),
    ("category_weighted", "CR, PR, SD, PD by visit, weighted"),
    ("pd", "Progression, yes or no"),
    ("pd_site", "Site of progression, where both see it"),
    ("first_progression_site", "Site of progression or none"),
)
_FIGURES = (
    ("categories", "categories of two readers"),
    ("sums", "Bland-Altman plot of sums"),
    ("pd_dates", "differences of dates of progression"),
)
_STATES = ("OPEN", "STALE", "CHOSEN", "SETTLED")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementLine:
    """One measure of agreement: what is counted, how many alike, kappa with its interval, or why there is none."""

    name: str
    n: int
    alike: str
    kappa: str
    ci: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairBlock:
    """Two readers: lines of agreement, dates and sums in a sentence each, figures."""

    title: str
    lines: tuple[AgreementLine, ...]
    sentences: tuple[str, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscordanceLine:
    """One item in which the readers of a subject differ; ``said`` is (reader, what that reader says)."""

    href: str
    row: Row
    said: tuple[tuple[str, str], ...]
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """The section; ``counts`` are (state, number of items) of those that occur."""

    pairs: tuple[PairBlock, ...]
    items: tuple[DiscordanceLine, ...]
    counts: tuple[tuple[str, int], ...]


def readers(result: Result) -> Readers | None:
    """Return the section on readers; None where no subject has two."""
    folder = result.out / "endpoints"
    path = folder / "agreement.json"
    document: Mapping[str, Any] = dict(read_json(path)) if path.is_file() else {}
    items = [_item(case.subject_id, row) for case in result.cases for row in case.rows("discordances")]
    if not document.get("pairs") and not items:
        return None
    found = Counter(item.state for item in items)
    return Readers(
        pairs=tuple(_pair(folder, pair) for pair in document.get("pairs", ())),
        items=tuple(sorted(items, key=lambda item: (not item.row["decides"], _STATES.index(item.state)))),
        counts=tuple((state, found[state]) for state in _STATES if found[state]),
    )


def _item(subject_id: str, row: Row) -> DiscordanceLine:
    said = tuple((str(reader), str(value)) for reader, value in sorted((row["readings"] or {}).items()))
    return DiscordanceLine(href=page_of(subject_id)[1], row=row, said=said, state=row["state"])


def _pair(folder: Path, pair: Mapping[str, Any]) -> PairBlock:
    first, second = pair["readers"]
    return PairBlock(
        title=f"{first} and {second}, {pair['n_subjects']} subjects",
        lines=tuple(_line(name, pair[key]) for key, name in _MEASURES),
        sentences=(_dates(first, second, pair["pd_date_days"]), _sums(first, second, pair["sum_mm"])),
        figures=tuple(_figures(folder, str(pair.get("figures", "")))),
    )


def _line(name: str, found: Mapping[str, Any]) -> AgreementLine:
    estimate = found.get("estimate")
    table: Sequence[Sequence[int]] = found.get("table", ())
    alike = sum(row[place] for place, row in enumerate(table))
    by_subject = found.get("ci_by_subject")
    interval = by_subject or found.get("ci")
    note = "; ".join(text for text in ("interval by subject" if by_subject else "", found.get("note") or "") if text)
    return AgreementLine(
        name=name,
        n=found["n"],
        alike=f"{alike} ({words.share(alike, found['n'])})" if found["n"] else "",
        kappa="" if estimate is None else f"{estimate:.2f}",
        ci="" if not interval else f"{interval[0]:.2f}\N{EN DASH}{interval[1]:.2f}",
        note=note,
    )


def _dates(first: str, second: str, found: Mapping[str, Any]) -> str:
    alone = f"to {first} alone {found['only_first']}, to {second} alone {found['only_second']}"
    if not found["n"]:
        return f"Date of progression: no subject in whom both see one; {alone}."
    median = found["quartiles"][1]
    return (
        f"Date of progression: the same day in {found['n_same_day']} of {found['n']}, {second} minus {first} "
        f"median {median:g} days, at most {found['largest']} days; progression {alone}."
    )


def _sums(first: str, second: str, found: Mapping[str, Any]) -> str:
    if found.get("bias") is None:
        return f"Sums of diameters: {found.get('note')}."
    bias_mm = round(found["bias"], 1) + 0.0  # no minus before a zero
    bias = f"Sums of diameters at {found['n']} visits, {second} minus {first}: bias {bias_mm:.1f} mm"
    if found.get("lower") is None:
        return f"{bias}; {found.get('note')}."
    return f"{bias}, limits of agreement {found['lower']:.1f} to {found['upper']:.1f} mm."


def _figures(folder: Path, stem: str) -> list[Figure]:
    found = []
    for name, alt in _FIGURES:
        path = folder / f"{stem}_{name}.svg"
        if stem and path.is_file():
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            found.append(Figure(href=f"data:image/svg+xml;base64,{data}", alt=alt))
    return found
