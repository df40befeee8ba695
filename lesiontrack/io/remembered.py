"""A finished catalogue as text and back, so that an archive in which nothing changed is not worked out again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from lesiontrack.domain.geometry import Grid
from lesiontrack.domain.study import Scan, Subject, Visit
from lesiontrack.io.catalogue import Catalogue, Notice, Problem

__all__ = ["catalogue_from_text", "catalogue_to_text"]


def catalogue_to_text(catalogue: Catalogue) -> str:
    """Return a catalogue as JSON text."""
    return json.dumps(_plain(catalogue), separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Grid):
        return [list(value.shape), [float(number) for number in value.affine.ravel()]]
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Catalogue | Subject | Visit | Scan | Notice | Problem):
        return {name: _plain(getattr(value, name)) for name in value.__slots__}
    return value


def catalogue_from_text(text: str) -> Catalogue:
    """Build the catalogue that the text holds. No file counts as freshly opened."""
    stored = json.loads(text)
    return Catalogue(
        root=stored["root"],
        subjects=tuple(_subject(entry) for entry in stored["subjects"]),
        ignored=tuple(_notice(entry) for entry in stored["ignored"]),
        refused=tuple(_notice(entry) for entry in stored["refused"]),
        failures=tuple(Problem(**{**entry, "date": _date(entry["date"])}) for entry in stored["failures"]),
        notes=tuple((uid, note) for uid, note in stored["notes"]),
        files=stored["files"],
        needs_labels=tuple(stored["needs_labels"]),
    )


def _notice(entry: Mapping[str, Any]) -> Notice:
    return Notice(**{**entry, "others": tuple(entry["others"])})


def _date(value: str | None) -> dt.date | None:
    return None if value is None else dt.date.fromisoformat(value)


def _subject(entry: Mapping[str, Any]) -> Subject:
    visits = tuple(
        Visit(**{**visit, "scans": tuple(_scan(scan) for scan in visit["scans"])}) for visit in entry["visits"]
    )
    return Subject(subject_id=entry["subject_id"], visits=visits)


def _scan(entry: Mapping[str, Any]) -> Scan:
    grid = None
    if entry["grid"] is not None:
        (k, j, i), affine = entry["grid"]
        grid = Grid(shape=(k, j, i), affine=np.array(affine).reshape(4, 4))
    lists = {name: tuple(entry[name]) for name in ("regions", "files", "segmentation_files", "notes")}
    return Scan(**{**entry, **lists, "date": dt.date.fromisoformat(entry["date"]), "grid": grid})
