"""Write the report: everything on disk that it needs is read here, and every page is written here."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from lesiontrack.errors import StudyError
from lesiontrack.io.store import load_views, subject_folder, write_text
from lesiontrack.report import words
from lesiontrack.report.case import case_page
from lesiontrack.report.cohort import assumptions, cards, changed_settings, failures, glance, worklist
from lesiontrack.report.estimates import endpoint_blocks
from lesiontrack.report.readers import readers
from lesiontrack.report.source import Result, page_of, what_happened

__all__ = ["write_page", "write_report"]


def write_report(out: Path) -> Path:
    """Write ``report/index.html`` and a page for each subject from what a result folder holds.

    Every page is complete in itself: no network, no other file. The same folder gives the same bytes. Pages of
    subjects that are no longer in the folder are removed.

    Parameters
    ----------
    out
        Result folder.

    Returns
    -------
    Path
        The index.

    Raises
    ------
    TableError, SettingsError
        A table or the settings of the result folder is damaged.
    """
    result = Result.read(out)
    environment = _environment()
    folder = out / "report"
    written = {folder / "index.html"}
    template = environment.get_template("subject.html")
    written |= {_write_subject(result, place, template) for place in range(len(result.cases))}
    write_text(folder / "index.html", _index(result, environment.get_template("index.html")))
    for stale in set(folder.glob("*.html")) - written:
        stale.unlink()
    return folder / "index.html"


def write_page(out: Path, subject_id: str) -> Path:
    """Write the page of one subject alone, from what a result folder holds, and return it.

    Raises
    ------
    StudyError
        If the result folder has no such subject.
    TableError, SettingsError
        A table or the settings of the result folder is damaged.
    """
    result = Result.read(out)
    places = [place for place, case in enumerate(result.cases) if case.subject_id == subject_id]
    if not places:
        raise StudyError("no such subject in the result folder", subject_id=subject_id, file=str(out))
    return _write_subject(result, places[0], _environment().get_template("subject.html"))


def _write_subject(result: Result, place: int, template: Template) -> Path:
    """Write the page of the case at a place of the result's order."""
    case = result.cases[place]
    path = result.out / "report" / page_of(case.subject_id)[0]
    views = load_views(subject_folder(result.out, case.subject_id))
    neighbours = [result.cases[n] if 0 <= n < len(result.cases) else None for n in (place - 1, place + 1)]
    links = [None if one is None else (one.subject_id, page_of(one.subject_id)[1]) for one in neighbours]
    write_text(path, template.render(**case_page(case, views, result.settings), neighbours=links, run=result.run))
    return path


def _index(result: Result, template: Template) -> str:
    blocks = endpoint_blocks(result)
    return template.render(
        run=result.run,
        glance=glance(result),
        cards=cards(result),
        failures=failures(result),
        main=[block for block in blocks if block.main],
        others=[block for block in blocks if not block.main],
        readers=readers(result),
        items=worklist(result),
        assumptions=assumptions(result.settings),
        changed=changed_settings(result.settings),
        confidence=f"{100 * result.settings.survival.confidence_level:g}",
        what=what_happened,
        words=words,
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("lesiontrack.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
