"""The sum of diameters through a phase: sum, baseline, nadir, the sum from which it progresses, and each target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from lesiontrack.report import words
from lesiontrack.report.judged import Course, Verdict
from lesiontrack.report.layout import DateAxis, Tick, apart, nice_step
from lesiontrack.report.palette import Ink, ink_of
from lesiontrack.report.source import Case, Row
from lesiontrack.settings import Settings

__all__ = ["Chart", "Dot", "Series", "sum_chart"]

WIDTH, HEIGHT = 1120.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 96.0, 20.0, 54.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A measured point with its number; ``y_text`` is the foot of the number."""

    x: float
    y: float
    text: str = ""
    y_text: float = 0.0
    href: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line: unbroken stretches as SVG points, its dots, and its name at the right end or ``aside`` its last dot."""

    name: str
    stretches: tuple[str, ...]
    dots: tuple[Dot, ...]
    ink: Ink | None = None
    y_name: float = 0.0
    y_end: float = 0.0
    x_end: float = 0.0
    aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is in force at one visit: a level from the visit before to this one."""

    kind: str
    x1: float
    x2: float
    y: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The drawing; ``rebaselines`` are the places of re-baseline visits, ``gaps`` of visits without a sum."""

    title: str
    width: float
    height: float
    left: float
    right: float
    bottom: float
    top: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    steps: tuple[Step, ...]
    total: Series
    targets: tuple[Series, ...]
    visits: tuple[Dot, ...]
    rebaselines: tuple[float, ...]
    gaps: tuple[Dot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    axis: DateAxis
    highest: float

    def x(self, date: str) -> float:
        return self.axis.at(date)

    def y(self, length_mm: float | Decimal) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * float(length_mm) / self.highest, 1)


def pd_threshold(nadir_mm: float, settings: Settings) -> Decimal:
    """Return the sum, mm, from which a visit progresses: both the relative and the absolute growth are needed."""
    nadir, rules = words.exact(nadir_mm), settings.assess
    return max(nadir * (100 + rules.pd_pct) / 100, nadir + rules.pd_abs_mm)


def sum_chart(case: Case, course: Course, settings: Settings) -> Chart | None:
    """Return the chart of a course; None where no visit has a sum."""
    sums = {verdict.timepoint: verdict.value_mm for verdict in course.verdicts}
    if all(value is None for value in sums.values()):
        return None
    lengths = _lengths(case, course)
    levels = _levels(course, settings)
    highest = max(
        [float(v) for v in sums.values() if v is not None]
        + [float(level) for _, _, _, level in levels]
        + [value for points in lengths.values() for value in points.values()]
    )
    step = nice_step(highest * 1.08 or 1.0)
    top = step * -(-highest * 1.08 // step) or step
    axis = DateAxis.over([verdict.date for verdict in course.verdicts], left=_LEFT, right=WIDTH - _RIGHT)
    scale = _Scale(axis=axis, highest=top)
    named = _named([_total(course, sums, scale), *_targets(case, course, lengths, scale)])
    return Chart(
        title=f"{course.phase.capitalize()} phase",
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        bottom=HEIGHT - _BOTTOM,
        top=_TOP,
        x_ticks=tuple(axis.ticks()),
        y_ticks=tuple(Tick(at=scale.y(n * step), text=f"{n * step:g}") for n in range(round(top / step) + 1)),
        steps=tuple(_step(kind, start, verdict, level, scale) for kind, start, verdict, level in levels),
        total=named[0],
        targets=tuple(named[1:]),
        visits=tuple(
            Dot(x=scale.x(v.date), y=0.0, text=f"{v.timepoint}", href=f"#{v.anchor}") for v in course.verdicts
        ),
        rebaselines=tuple(scale.x(v.date) for v in course.judged if v.row is not None and v.row["rebaseline"]),
        gaps=tuple(
            Dot(x=scale.x(v.date), y=HEIGHT - _BOTTOM, text="no sum", href=f"#{v.anchor}")
            for v in course.verdicts
            if sums[v.timepoint] is None
        ),
    )


def _levels(course: Course, settings: Settings) -> list[tuple[str, Verdict, Verdict, Decimal]]:
    """Return (kind, visit before, visit, mm) of what each visit is compared with; a re-baseline with nothing."""
    levels: list[tuple[str, Verdict, Verdict, Decimal]] = []
    for before, verdict in zip(course.verdicts, course.verdicts[1:], strict=False):
        row = verdict.row
        if row is None or row["rebaseline"]:
            continue
        if row["baseline_sum_mm"] is not None:
            levels.append(("baseline", before, verdict, words.exact(row["baseline_sum_mm"])))
        if row["nadir_sum_mm"] is not None:
            levels.append(("nadir", before, verdict, words.exact(row["nadir_sum_mm"])))
            levels.append(("threshold", before, verdict, pd_threshold(row["nadir_sum_mm"], settings)))
    return levels


def _step(kind: str, before: Verdict, verdict: Verdict, level: Decimal, scale: _Scale) -> Step:
    name = {"baseline": "baseline sum", "nadir": "nadir", "threshold": "progression from"}[kind]
    return Step(
        kind=kind,
        x1=scale.x(before.date),
        x2=scale.x(verdict.date),
        y=scale.y(level),
        title=f"Visit {verdict.timepoint}: {name} {words.mm(level)} mm",
    )


def _total(course: Course, sums: Mapping[int, float | None], scale: _Scale) -> Series:
    dots: list[Dot] = []
    stretches: list[list[str]] = [[]]
    for verdict in course.verdicts:
        value = sums[verdict.timepoint]
        rebased = verdict.row is not None and verdict.row["rebaseline"]
        if value is None or rebased:
            stretches.append([])
        if value is None:
            continue
        x, y = scale.x(verdict.date), scale.y(value)
        stretches[-1].append(f"{x:g},{y:g}")
        crowded = bool(dots) and x - dots[-1].x < 46.0 and dots[-1].y_text < dots[-1].y
        dots.append(
            Dot(
                x=x,
                y=y,
                text=words.mm(value),
                y_text=round(y + 18.0 if crowded else y - 9.0, 1),
                href=f"#{verdict.anchor}",
                title=f"Visit {verdict.timepoint}, {verdict.date}: sum {words.mm(value)} mm",
            )
        )
    lines = tuple(" ".join(points) for points in stretches if len(points) > 1)
    return Series(name="sum", stretches=lines, dots=tuple(dots), x_end=dots[-1].x, y_end=dots[-1].y)


def _lengths(case: Case, course: Course) -> dict[str, dict[int, float]]:
    """Return for each target its length at each visit: the short axis of a node, otherwise the longest diameter."""
    targets = [
        row["track_id"] for row in case.rows("roles") if row["phase"] == course.phase and row["role"] == "TARGET"
    ]
    visits = {verdict.timepoint for verdict in course.verdicts}
    lengths: dict[str, dict[int, float]] = {name: {} for name in targets}
    for row in case.rows("lesions"):
        value = deciding_length(row)
        if row["track_id"] in lengths and row["timepoint"] in visits and value is not None:
            points = lengths[row["track_id"]]
            points[row["timepoint"]] = float(words.exact(points.get(row["timepoint"], 0.0)) + words.exact(value))
    return {name: points for name, points in lengths.items() if points}


def deciding_length(lesion: Row) -> float | None:
    """Return the length that counts: short axis of a lymph node, longest diameter of all else (RECIST 1.1, 3.1)."""
    length: float | None = lesion["short_axis_mm" if lesion["site"] == "LYMPH_NODE" else "longest_diameter_mm"]
    return length


def _targets(case: Case, course: Course, lengths: Mapping[str, Mapping[int, float]], scale: _Scale) -> list[Series]:
    series = []
    for name, points in lengths.items():
        dots = [
            Dot(
                x=scale.x(verdict.date),
                y=scale.y(points[verdict.timepoint]),
                title=f"{name}, visit {verdict.timepoint}: {words.mm(points[verdict.timepoint])} mm",
            )
            for verdict in course.verdicts
            if verdict.timepoint in points
        ]
        line = " ".join(f"{dot.x:g},{dot.y:g}" for dot in dots)
        series.append(
            Series(
                name=name,
                stretches=(line,),
                dots=tuple(dots),
                ink=ink_of(case.tracks.get(name, 0)),
                x_end=dots[-1].x,
                y_end=dots[-1].y,
            )
        )
    return series


def _named(series: Sequence[Series]) -> list[Series]:
    """Give each series the height of its name: at the right end off the others, or beside a last dot far from it."""
    last = max(one.x_end for one in series)
    ends = [one.y_end + 4.0 for one in series if one.x_end == last]
    heights = iter(apart(ends, room=15.0, low=_TOP + 4.0, high=HEIGHT - _BOTTOM))
    return [
        replace(one, y_name=next(heights)) if one.x_end == last else replace(one, y_name=one.y_end + 4.0, aside=True)
        for one in series
    ]
