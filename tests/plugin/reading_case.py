"""A case to read without images: a constellation of points through four visits, and a folder for the decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lesiontrack.io.store import subject_folder, write_json
from lesiontrack.settings import Settings
from lesiontrack_napari.session import Case, Session
from tests.review.machine import machine

__all__ = ["make_case", "make_session"]


def make_case(out: Path, *, review: dict[str, Any] | None = None, **points: Any) -> Case:
    """Return a case of `tests.review.machine`, its folder made in ``out``."""
    history = machine(**points)
    folder = subject_folder(out, history.subject.subject_id)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "provenance.json", {"subject_id": history.subject.subject_id})
    settings = Settings.model_validate({"review": review or {}})
    return Case(out=out, machine=history, settings=settings, label_maps={})


def make_session(out: Path, reader: str = "anna", **case: Any) -> Session:
    """Return a reader's session at such a case."""
    return Session(make_case(out, **case), reader)
