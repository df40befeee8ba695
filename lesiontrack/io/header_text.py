"""A header as text and back, as the catalogue keeps it and as reader processes send it."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from lesiontrack.io.headers import Header, Plane

__all__ = ["header_from_text", "header_to_text"]

_STORED = tuple(field.name for field in fields(Header) if field.name not in ("path", "planes"))
_PLANE_STORED = tuple(field.name for field in fields(Plane) if field.name != "file")
_encode = json.JSONEncoder(separators=(",", ":")).encode


def header_to_text(header: Header) -> str:
    """Return a header, but for its path, as JSON text."""
    values = [getattr(header, name) for name in _STORED]
    planes = [[getattr(plane, name) for name in _PLANE_STORED] for plane in header.planes]
    return _encode([values, planes])


def header_from_text(row: str, path: str) -> Header:
    """Build the header that the text holds."""
    values, planes = json.loads(row)
    named = dict(zip(_STORED, (_tuples(value) for value in values)))
    return Header(path=path, planes=tuple(_plane(path, plane) for plane in planes), **named)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _plane(path: str, values: list[Any]) -> Plane:
    return Plane(file=path, **dict(zip(_PLANE_STORED, (_tuples(value) for value in values))))
