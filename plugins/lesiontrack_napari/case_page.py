"""The page of a case as its reader sees it now: verdict, table of lesions, each lesion through the visits.

It is made of the session alone, so that it holds nothing that is kept from the reader: no arm, no later visit, no other
reader's word. The HTML is plain enough for Qt to print (tables and pictures).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from PIL import Image

from lesiontrack.io.store import safe_name, write_text
from lesiontrack.report import words
from lesiontrack_napari.export import export_folder, lesion_strips
from lesiontrack_napari.session import Session
from lesiontrack_napari.verdict import PhaseVerdict

__all__ = ["case_html", "page_path", "write_case_page"]

# What a printed page holds.
_WIDTH_PX, _LESIONS_A_PAGE = 900, 2
_STYLE = (
    "body { font-family: sans-serif; font-size: 10pt } h1 { font-size: 15pt } h2 { font-size: 12pt }"
    "table { border-collapse: collapse } td, th { border: 1px solid #999999; padding: 2px 6px }"
)
_RESPONSES = ("visit", "date", "sum, mm", "from baseline", "from nadir", "targets", "non-targets", "new", "overall")


def write_case_page(session: Session) -> Path:
    """Write the page of the case into ``OUT/pictures``, and return it."""
    path = page_path(session, "html")
    write_text(path, case_html(session))
    return path


def page_path(session: Session, ending: str) -> Path:
    """Return where the page of a case is kept: by subject and reader."""
    return export_folder(session) / f"{safe_name(session.case.subject_id)}_{safe_name(session.reader)}.{ending}"


def case_html(session: Session) -> str:
    """Return the page of the case as one HTML file with its pictures in it."""
    return "\n".join(_lines(session))


def _lines(session: Session) -> Iterator[str]:
    subject = escape(session.case.subject_id)
    yield f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{subject}</title>"
    yield f"<style>{_STYLE}</style></head><body>"
    yield f"<h1>{subject}</h1><p>Reader {escape(session.reader)}; {_state(session)}</p>"
    for phase in session.verdicts:
        if phase.baseline_timepoint in session.revealed:
            yield from _phase(session, phase)
    yield f"<h2 style='page-break-before: always'>Lesions</h2>{_lesions(session)}"
    shown = {row.track_id: row for row in session.rows}
    strips = lesion_strips(session, [track for track in session.history.tracks if track.track_id in shown])
    for place, (name, strip) in enumerate(strips.items()):
        row = shown[name]
        title = ", ".join(part for part in (row.site, words.phrase(row.role), row.fate) if part)
        new_page = " style='page-break-before: always'" if place % _LESIONS_A_PAGE == 0 else ""
        yield f"<h2{new_page}>{name}: {escape(title)}</h2>{_picture(name, strip)}"
    yield "<p>Research software, no medical device.</p></body></html>"


def _state(session: Session) -> str:
    confirmed = [t for t in session.revealed if t in session.history.reading.confirmed]
    read = f"{len(confirmed)} of {len(session.visits())} visits confirmed" if confirmed else "no visit confirmed"
    hidden = len(session.case.machine.subject.visits) > len(session.visits())
    return f"{read}, {len(session.decisions)} decisions{'; later visits are not shown yet' if hidden else ''}"


def _phase(session: Session, phase: PhaseVerdict) -> Iterator[str]:
    shown = [visit for visit in phase.visits if visit.timepoint in session.revealed]
    yield f"<h2>{escape(words.phrase(phase.phase)).capitalize()} phase</h2>"
    if shown and len(shown) == len(phase.visits):
        yield f"<p><b>{escape(phase.progression)}</b>; {escape(phase.best)}</p>"
    base = words.mm(phase.baseline_sum_mm) or "\N{EN DASH}"
    yield f"<p>Baseline: visit {phase.baseline_timepoint}, {base} mm; targets {', '.join(phase.targets) or 'none'}</p>"
    rows = (
        (
            f"{visit.timepoint}",
            visit.date.isoformat(),
            words.mm(visit.sum_mm),
            visit.from_baseline,
            visit.from_nadir,
            visit.target,
            visit.non_target,
            visit.new_lesion.lower(),
            f"{visit.overall}{' (provisional)' if visit.provisional else ''}",
        )
        for visit in shown
    )
    yield _table(_RESPONSES, rows)
    reasons = [f"<li>visit {v.timepoint}: {escape(reason)}</li>" for v in shown for reason in v.reasons]
    yield f"<ul>{''.join(reasons)}</ul>" if reasons else ""


def _lesions(session: Session) -> str:
    dates = session.visit_dates()
    heads = ("lesion", "site", "role", *(f"{t}: {date.isoformat()}" for t, date in dates.items()))
    rows = (
        (row.track_id, row.site, words.phrase(row.role), *(row.cells[timepoint].text for timepoint in dates))
        for row in session.rows
    )
    return _table(heads, rows)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = ["".join(f"<th>{escape(head)}</th>" for head in heads)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    return "<table border='1' cellspacing='0' cellpadding='3'>" + "".join(f"<tr>{x}</tr>" for x in lines) + "</table>"


def _picture(track_id: str, strip: Image.Image) -> str:
    file = io.BytesIO()
    strip.save(file, format="PNG")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    width = min(_WIDTH_PX, strip.width)
    return f"<p><img width='{width}' alt='{track_id} at each visit' src='data:image/png;base64,{data}'></p>"
