"""The machine's history of a subject in its result folder: read again without an image, to the last bit.

``machine.json`` holds all of it but the transforms, which are in ``transforms.npz``, and the reading, which is in the
readers' logs of decisions.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lesiontrack.domain.geometry import Grid, Transform
from lesiontrack.domain.history import History, Registration
from lesiontrack.domain.lesion import Lesion, Link, Missing, Track, TreatedZone
from lesiontrack.domain.plain import from_plain, to_plain
from lesiontrack.domain.study import Subject
from lesiontrack.errors import LesiontrackError, TableError

__all__ = ["MACHINE_FILE", "label_map_files", "load_history", "machine_document", "transform_arrays"]

MACHINE_FILE = "machine.json"
_TRANSFORMS = "transforms.npz"
# Raised when what an older version wrote can no longer be read as it is.
_FORMAT = 1
_PARTS: Mapping[str, type[Any]] = {
    "lesions": Lesion,
    "zones": TreatedZone,
    "links": Link,
    "tracks": Track,
    "missing": Missing,
}


def machine_document(history: History, label_maps: Mapping[str, str]) -> dict[str, Any]:
    """Return a history in types that JSON knows.

    Parameters
    ----------
    label_maps
        Series Instance UID -> stem of the file of its label map.
    """
    return {
        "format": _FORMAT,
        "subject": to_plain(history.subject),
        **{name: to_plain(getattr(history, name)) for name in _PARTS},
        "registrations": [_registration(entry) for entry in history.registrations],
        "label_maps": dict(label_maps),
    }


def _registration(entry: Registration) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(entry) if field.name not in ("forward", "backward")]
    return {name: to_plain(getattr(entry, name)) for name in names}


def transform_arrays(registrations: Iterable[Registration]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the transforms as named arrays: ``<from>|<series>|<to>|<series>|<way>|<what>``."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for entry in registrations:
        for way, transform in (("forward", entry.forward), ("backward", entry.backward)):
            key = _key(entry.timepoint_from, entry.series_from, entry.timepoint_to, entry.series_to, way)
            arrays[f"{key}|affine"] = transform.affine
            if transform.displacement_mm is not None and transform.grid is not None:
                arrays[f"{key}|displacement_mm"] = transform.displacement_mm
                arrays[f"{key}|grid_affine"] = transform.grid.affine
    return arrays


def _key(*parts: object) -> str:
    return "|".join(str(part) for part in parts)


def load_history(folder: Path) -> History:
    """Read the machine's history of a subject from its folder.

    Raises
    ------
    TableError
        If it is not there (a result of an older version: run again), or damaged.
    """
    document = _document(folder)
    try:
        with np.load(folder / _TRANSFORMS, allow_pickle=False) as arrays:
            registrations = tuple(_loaded(entry, arrays) for entry in document["registrations"])
        parts: dict[str, Any] = {
            name: tuple(from_plain(kind, item) for item in document[name]) for name, kind in _PARTS.items()
        }
        subject = from_plain(Subject, document["subject"])
        return History(subject=subject, registrations=registrations, **parts)
    except (OSError, KeyError, TypeError, ValueError, ArithmeticError, LesiontrackError) as error:
        raise TableError(
            f"the stored history cannot be read: {error}", file=str(folder / MACHINE_FILE), expected="run again"
        ) from error


def _document(folder: Path) -> dict[str, Any]:
    path = folder / MACHINE_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TableError(
            "the machine's history is not stored", file=str(path), expected="`lesiontrack run` by this version"
        ) from error
    except ValueError as error:
        raise TableError(f"the stored history is damaged: {error}", file=str(path), expected="run again") from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        found = str(document.get("format")) if isinstance(document, dict) else type(document).__name__
        raise TableError("the stored history has another format", file=str(path), found=found, expected=str(_FORMAT))
    return document


def _loaded(entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> Registration:
    names = ("timepoint_from", "series_from", "timepoint_to", "series_to")
    key = _key(*(entry[name] for name in names))
    forward, backward = _transform(arrays, f"{key}|forward"), _transform(arrays, f"{key}|backward")
    return Registration(**entry, forward=forward, backward=backward)


def _transform(arrays: Mapping[str, np.ndarray[Any, Any]], key: str) -> Transform:
    if f"{key}|displacement_mm" not in arrays:
        return Transform(affine=arrays[f"{key}|affine"])
    displacement = arrays[f"{key}|displacement_mm"]
    shape = (displacement.shape[0], displacement.shape[1], displacement.shape[2])
    grid = Grid(shape=shape, affine=arrays[f"{key}|grid_affine"])
    return Transform(affine=arrays[f"{key}|affine"], displacement_mm=displacement, grid=grid)


def label_map_files(folder: Path) -> dict[str, Path]:
    """Return the label map of each measured series: Series Instance UID -> file, label = lesion number."""
    return {uid: folder / f"{stem}.nii.gz" for uid, stem in _document(folder)["label_maps"].items()}
