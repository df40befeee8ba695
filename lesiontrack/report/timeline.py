"""The timeline of a subject: scans, responses, treatments and events over calendar time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lesiontrack.report import words
from lesiontrack.report.judged import Course, visit_anchor
from lesiontrack.report.layout import DateAxis, Tick, lanes, text_width
from lesiontrack.report.source import Case

__all__ = ["Lane", "Mark", "Timeline", "timeline"]

WIDTH = 1120.0
_LEFT, _RIGHT, _TOP = 128.0, 12.0, 10.0
_ROW, _GAP, _LETTERS = 21.0, 9.0, 12.0
_FATES = {"RESECTED": "resection", "ABLATED": "ablation", "IRRADIATED": "irradiation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point in time with its name.

    ``boxed`` ones are a name in a frame centred on the point; the others a dot with the name beside it, to the
    left of the point where ``anchor`` is ``end``. ``tone`` is a CSS class.
    """

    date: str
    text: str
    tone: str = ""
    boxed: bool = False
    href: str | None = None
    title: str = ""
    x: float = 0.0
    y: float = 0.0
    anchor: str = "start"

    @property
    def width(self) -> float:
        """Width of the frame."""
        return round(text_width(self.text, _LETTERS) + 10.0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One kind of thing; ``y`` is the middle of its first row, ``bottom`` the line below it."""

    name: str
    y: float
    bottom: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The drawing; ``start_x`` is where treatment starts, None where that is not known."""

    width: float
    height: float
    left: float
    axis_y: float
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    start_x: float | None


def timeline(case: Case, courses: Sequence[Course]) -> Timeline | None:
    """Return a subject's timeline; None where nothing has a date."""
    kinds = {
        "Scans": list(_scans(case)),
        "Response, induction": list(_responses(courses, "INDUCTION")),
        "Response, study": list(_responses(courses, "STUDY")),
        "Treatment": list(_treatments(case)),
        "Events": list(_events(case)),
    }
    if not any(kinds.values()):
        return None
    axis = DateAxis.over(_span(kinds), left=_LEFT, right=WIDTH - _RIGHT)
    placed: list[Lane] = []
    top = _TOP
    for name, marks in kinds.items():
        if marks:
            placed.append(_lane(name, marks, axis, top))
            top = placed[-1].bottom
    start = case.subject["treatment_start_date"]
    return Timeline(
        width=WIDTH,
        height=top + 26.0,
        left=_LEFT,
        axis_y=top + 4.0,
        lanes=tuple(placed),
        ticks=tuple(axis.ticks()),
        start_x=None if start is None or not axis.holds(start) else axis.at(start),
    )


def _span(kinds: Mapping[str, Sequence[Mark]]) -> list[str]:
    """Return the dates that the axis must hold.

    Those of scans, responses and progressions, and of the others those that are near: years of survival after the
    last scan would squeeze all scans into a corner, so such events stand at the edge with an arrow.
    """
    every = [mark for marks in kinds.values() for mark in marks]
    near = [mark.date for mark in every if mark.boxed or (mark.tone == "bad" and mark.href)] or [every[0].date]
    first, last = (dt.date.fromisoformat(date) for date in (min(near), max(near)))
    room = max((last - first) / 2, dt.timedelta(days=60))
    others = [mark.date for mark in every if first - room <= dt.date.fromisoformat(mark.date) <= last + room]
    return [*near, *others]


def _lane(name: str, marks: Sequence[Mark], axis: DateAxis, top: float) -> Lane:
    spans, sides = [], []
    shown = [mark if axis.holds(mark.date) else replace(mark, text=_beyond(mark, axis)) for mark in marks]
    for mark in shown:
        x, width = axis.at(mark.date), text_width(mark.text, _LETTERS)
        side = "middle" if mark.boxed else "end" if x + 10.0 + width > WIDTH - _RIGHT else "start"
        left = {"middle": x - mark.width / 2.0, "end": x - 10.0 - width, "start": x - 5.0}[side]
        right = {"middle": x + mark.width / 2.0, "end": x + 5.0, "start": x + 10.0 + width}[side]
        spans.append((left, right + 8.0))
        sides.append((x, side))
    rows = lanes(spans)
    first = top + _GAP + _ROW / 2.0
    done = tuple(
        replace(mark, x=x, y=first + _ROW * row, anchor=side)
        for mark, (x, side), row in zip(shown, sides, rows, strict=True)
    )
    return Lane(name=name, y=first, bottom=top + 2.0 * _GAP + _ROW * (max(rows) + 1), marks=done)


def _beyond(mark: Mark, axis: DateAxis) -> str:
    before = dt.date.fromisoformat(mark.date) < axis.first
    return f"\N{LEFTWARDS ARROW} {mark.text}" if before else f"{mark.text} \N{RIGHTWARDS ARROW}"


def _scans(case: Case) -> Iterator[Mark]:
    for row in case.rows("timepoints"):
        number = row["timepoint"]
        yield Mark(
            date=row["date"],
            text=f"{number}" if row["usable"] else f"{number} unusable",
            tone="scan" if row["usable"] else "unusable",
            boxed=True,
            href=f"#{visit_anchor(number)}",
            title=f"Visit {number}, {row['date']}" + (f": {row['problem']}" if row["problem"] else ""),
        )


def _responses(courses: Sequence[Course], phase: str) -> Iterator[Mark]:
    for course in courses:
        if course.phase != phase or not course.primary:
            continue
        for verdict in course.judged:
            yield Mark(
                date=verdict.date,
                text=verdict.overall,
                tone=f"r-{verdict.overall.split('/')[0].lower()}",
                boxed=True,
                href=f"#{verdict.anchor}",
                title=f"Visit {verdict.timepoint}, {verdict.date}: {verdict.overall}",
            )


def _treatments(case: Case) -> Iterator[Mark]:
    start = case.subject["treatment_start_date"]
    if start is not None:
        yield Mark(date=start, text=f"treatment start {start}", tone="treat")
    treated: dict[tuple[str, str], list[str]] = {}
    for row in case.rows("tracks"):
        if row["treated_date"] is not None:
            method = _FATES.get(row["fate"], "local treatment")
            treated.setdefault((row["treated_date"], method), []).append(row["track_id"])
    for (date, method), tracks in sorted(treated.items()):
        shown = ", ".join(tracks) if len(tracks) <= 4 else f"{', '.join(tracks[:3])} and {len(tracks) - 3} more"
        yield Mark(date=date, text=f"{method} {shown} {date}", tone="treat", title=", ".join(tracks))
    therapy = case.subject["new_therapy_date"]
    if therapy is not None:
        yield Mark(date=therapy, text=f"new anticancer therapy {therapy}", tone="treat")


def _events(case: Case) -> Iterator[Mark]:
    subject = case.subject
    site = f", {words.phrase(subject['pd_site'])}" if subject["pd_site"] else ""
    named = (
        ("diagnosis_date", "diagnosis", ""),
        ("enrolment_date", "enrolment", ""),
        ("pd_date", f"progression{site}", "bad"),
        ("first_hepatic_pd_date", "first hepatic progression", "bad"),
        ("first_extrahepatic_pd_date", "first extrahepatic progression", "bad"),
        ("last_alive_date", "last known alive", ""),
        ("death_date", "death", "bad"),
    )
    for column, text, tone in named:
        date = subject[column]
        if date is None or (column.startswith("first_") and date == subject["pd_date"]):
            continue
        if column == "last_alive_date" and date == subject["death_date"]:
            continue
        yield Mark(date=date, text=f"{text} {date}", tone=tone, href="#verdict" if column == "pd_date" else None)
