"""What all figures share: palette, time axis, header lines, table of numbers, and byte-stable saving."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from lesiontrack.survival.sample import FloatArray
from lesiontrack.survival.settings import SurvivalSettings, TimeUnit

__all__ = ["GREY", "Header", "Row", "Sheet", "TimeAxis", "colour", "dashes", "save", "style_axes", "time_axis"]

GREY = "#555555"
# Okabe and Ito's palette, distinct under the common colour-vision deficiencies; dashes repeat the distinction.
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A6D00", "#56B4E9", "#000000")
_DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    (0, ()),
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (8, 2)),
    (0, (2, 2)),
)
_RC: dict[Any, Any] = {
    "svg.hashsalt": "lesiontrack",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "path.simplify": False,
    "agg.path.chunksize": 20000,
}
_INCH_MM = 25.4
_LINE_IN = 0.17
"""Height of a line of text."""
_STEPS: dict[TimeUnit, tuple[float, ...]] = {
    "days": (1, 2, 5, 7, 10, 14, 20, 30),
    "weeks": (1, 2, 4, 8, 12, 26, 52, 104, 260),
    "months": (0.5, 1, 2, 3, 6, 12, 24, 36, 60, 120),
    "years": (0.25, 0.5, 1, 2, 5, 10, 20),
}
_MOST_TICKS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAxis:
    """A time axis.

    Parameters
    ----------
    label
        Axis title.
    per_unit
        Units of the table in one unit of the axis.
    ticks
        Ticks in units of the axis, from 0.
    end
        Right end in units of the axis.
    """

    label: str
    per_unit: float
    ticks: tuple[float, ...]
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A line above the axes, with the line style of a curve before it where ``group`` is given.

    Only ``text`` is shortened where the line is too long, never ``tail``.
    """

    text: str
    tail: str = ""
    group: int | None = None
    bold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table below the axes: a caption over its full width, or a label with a number at each tick."""

    label: str
    numbers: tuple[int, ...] | None = None
    group: int | None = None


def colour(group: int) -> str:
    """Return the colour of a group."""
    return _PALETTE[group % len(_PALETTE)]


def dashes(group: int) -> tuple[int, tuple[float, ...]]:
    """Return the line style of a group."""
    return _DASHES[group % len(_DASHES)]


def time_axis(longest: float, settings: SurvivalSettings) -> TimeAxis:
    """Choose months or years for days (years beyond three of them), and ticks that are few and round.

    Parameters
    ----------
    longest
        Longest follow-up in the unit of the table.
    settings
        Unit of the table and days in a month.
    """
    unit: TimeUnit = settings.time_unit
    per_unit = 1.0
    if unit == "days" and longest > 2 * settings.days_per_month:
        long = longest > 36.5 * settings.days_per_month
        unit, per_unit = ("years", 12 * settings.days_per_month) if long else ("months", settings.days_per_month)
    span = max(longest / per_unit, 1e-9)
    step = next((s for s in _STEPS[unit] if span / s <= _MOST_TICKS - 1), None)
    if step is None or span / step < 1:
        power = 10.0 ** math.floor(math.log10(span / (_MOST_TICKS - 1)))
        step = next(m * power for m in (1, 2, 5, 10) if span / (m * power) <= _MOST_TICKS - 1)
    ticks = tuple(float(step * i) for i in range(math.floor(span / step * (1 + 1e-12)) + 1))
    return TimeAxis(label=f"Time ({unit})", per_unit=per_unit, ticks=ticks, end=span * 1.02)


class Sheet:
    """A figure laid out in inches: header lines, one row of axes, a table of numbers below.

    Parameters
    ----------
    settings
        Width.
    headers, rows
        Lines above and table rows below the axes.
    axes_height_in
        Height of the axes.
    """

    _LEFT, _RIGHT, _TOP, _BOTTOM, _AXIS = 1.04, 0.18, 0.10, 0.08, 0.46

    def __init__(
        self, settings: SurvivalSettings, headers: Sequence[Header], rows: Sequence[Row], axes_height_in: float = 3.2
    ) -> None:
        self.width_in = settings.figure_width_mm / _INCH_MM
        self.axes_height_in = axes_height_in
        self._headers, self._rows = headers, rows
        self._above = self._TOP + len(headers) * _LINE_IN + 0.10
        self._below = self._AXIS + (len(rows) * _LINE_IN + 0.05 if rows else 0.0) + self._BOTTOM
        self.height_in = self._above + axes_height_in + self._below
        self.figure = Figure(figsize=(self.width_in, self.height_in))
        self.canvas = FigureCanvasAgg(self.figure)

    def axes(self, place: int = 0, of: int = 1, gap_in: float = 0.25) -> Axes:
        """Return the axes at ``place`` of ``of`` side by side."""
        room = self.width_in - self._LEFT - self._RIGHT - gap_in * (of - 1)
        width, left = room / of, self._LEFT + place * (room / of + gap_in)
        return self.figure.add_axes(
            (
                left / self.width_in,
                self._below / self.height_in,
                width / self.width_in,
                self.axes_height_in / self.height_in,
            )
        )

    def write(self, axes: Axes | None = None, ticks: Iterable[float] = ()) -> None:
        """Write the header lines, and the table below ``axes`` aligned with its ticks."""
        room = self.width_in - 0.10 - self._RIGHT
        for line, header in enumerate(self._headers):
            y = self.height_in - self._TOP - (line + 0.5) * _LINE_IN
            x = 0.10
            if header.group is not None:
                self._sample(x, y, header.group)
                x += 0.42
            weight = "bold" if header.bold else "normal"
            self._text(x, y, header.text, room - (x - 0.10), tail=header.tail, fontweight=weight)
        for line, row in enumerate(self._rows):
            y = self._BOTTOM + (len(self._rows) - line - 0.5) * _LINE_IN
            tint = GREY if row.group is None else colour(row.group)
            if row.numbers is None or axes is None:
                self._text(0.10, y, row.label, room, color=tint, fontweight="bold")
                continue
            self._text(0.20, y, row.label, self._LEFT - 0.42, color=GREY, fontsize=7)
            for tick, number in zip(ticks, row.numbers, strict=True):
                x = float(axes.transData.transform((tick, 0))[0]) / self.figure.dpi
                self._text(x, y, f"{number}", 1.0, ha="center", fontsize=7)

    def _sample(self, x: float, y: float, group: int) -> None:
        self.figure.add_artist(
            Line2D(
                [x / self.width_in, (x + 0.34) / self.width_in],
                [y / self.height_in] * 2,
                color=colour(group),
                linestyle=dashes(group),
                linewidth=1.6,
                transform=self.figure.transFigure,
            )
        )

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        room: float,
        *,
        tail: str = "",
        **style: Any,
    ) -> None:
        """Write at (x, y) inches; ``text`` is shortened where it and ``tail`` are wider than ``room`` inches."""
        artist = self.figure.text(
            x / self.width_in,
            y / self.height_in,
            text + tail,
            **{"ha": "left", "va": "center_baseline", "fontsize": 8.0, "parse_math": False, **style},
        )
        self.fit(artist, text, room, tail)

    def fit(self, artist: Text, text: str, room: float, tail: str = "") -> None:
        """Shorten the text of ``artist``, all but ``tail``, with an ellipsis until it fits into ``room`` inches."""
        width = self._width_in(artist)
        while width > room and len(text) > 1:
            # Step down in proportion to the excess; at least one character, so that it ends.
            kept = int(len(text) - max(1, (width - room) / width * (len(text) + len(tail)) * 0.7))
            text = text[: max(1, kept)]
            artist.set_text(text.rstrip() + "…" + tail)
            width = self._width_in(artist)

    def _width_in(self, artist: Text) -> float:
        renderer = self.canvas.get_renderer()  # type: ignore[no-untyped-call]
        return float(artist.get_window_extent(renderer).width) / self.figure.dpi


def style_axes(axes: Axes, scale: TimeAxis, ylabel: str | None) -> None:
    """Give the axes their limits, ticks and titles: probability from 0 to 1 over time from 0."""
    axes.set_xlim(-scale.end * 0.015, scale.end)
    axes.set_ylim(-0.01, 1.02)
    axes.set_xticks(scale.ticks, [f"{tick:g}" for tick in scale.ticks])
    heights: FloatArray = np.linspace(0, 1, 6)
    axes.set_yticks(heights, [f"{height:.0%}" for height in heights] if ylabel is not None else [""] * heights.size)
    axes.set_xlabel(scale.label)
    if ylabel is not None:
        axes.set_ylabel(ylabel)
    axes.tick_params(length=3, width=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.5)
    axes.set_axisbelow(True)


def save(draw: Callable[[], Figure], stem: Path, settings: SurvivalSettings) -> tuple[Path, Path]:
    """Draw once and write ``stem.svg`` and ``stem.png`` without date, version or random ids."""
    with matplotlib.rc_context(_RC):
        figure = draw()
        svg, png = stem.with_name(stem.name + ".svg"), stem.with_name(stem.name + ".png")
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=settings.figure_dpi, metadata={"Software": None})
    return svg, png
