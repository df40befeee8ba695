"""Views of a scan as pictures for a page: the image small, and what is drawn on it as lines."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesiontrack.domain.view import View, ViewKind
from lesiontrack.report.palette import Ink

__all__ = ["Label", "Outline", "Picture", "Ring", "draw", "ring_on"]

Floats = NDArray[np.float64]

# Only the picture of the report is compressed with loss; nothing is measured on it.
_QUALITY = 86
_ZONE = Ink(colour="#FFFFFF", dash="1.5 2.5")
_UNTRACKED = Ink(colour="#C9C9C9", dash="")
# A place lies on a slice that passes it at most this far away.
_ON_SLICE_MM = 4.0
# Share of a bold capital's or digit's width in the size of its letters, rounded up.
_LETTER = 0.64


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """One closed line; ``path`` is SVG in pixels of the picture."""

    path: str
    ink: Ink
    zone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Where a lesion that is not seen should lie."""

    x: float
    y: float
    r: float
    colour: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name beside what it names, with a line to it where it had to move away; ``size`` is that of its letters."""

    text: str
    x: float
    y: float
    size: float
    leader: tuple[float, float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture and its lines, all in pixels of the picture.

    Attributes
    ----------
    href
        The image as a data address.
    diameters
        End points (x1, y1, x2, y2), longest first.
    bar
        Length of the scale bar in pixels, and in mm.
    alt
        What it shows, for those who cannot see it.
    whole
        A whole slice, not a thumbnail.
    """

    width: int
    height: int
    href: str
    alt: str
    outlines: tuple[Outline, ...] = ()
    diameters: tuple[tuple[float, float, float, float], ...] = ()
    labels: tuple[Label, ...] = ()
    rings: tuple[Ring, ...] = ()
    bar: tuple[float, int] = (0.0, 0)
    whole: bool = False

    @property
    def line(self) -> float:
        """Width of a line, pixels, that looks the same on thumbnails and, finer, on whole slices."""
        return round(max(self.width, self.height) / (160.0 if self.whole else 80.0), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """A name and the box (left, top, right, bottom) of what it names."""

    text: str
    box: tuple[float, float, float, float]


def draw(
    view: View,
    *,
    track_of: Callable[[int], tuple[str, Ink] | None],
    alt: str,
    rings: Iterable[Ring] = (),
) -> Picture:
    """Turn a view into a picture; on a whole slice the tracks' names stand beside their outlines.

    Parameters
    ----------
    track_of
        Gives the track and its ink for a lesion number of the view's visit; None where it has none.
    rings
        Places of lesions that are not seen, in pixels of the view.
    """
    rows, columns = view.pixels.shape
    outlines: list[Outline] = []
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    for number, places in view.contours:
        found = track_of(number) if number > 0 else None
        ink = _ZONE if number < 0 else found[1] if found else _UNTRACKED
        outlines.append(Outline(path=_path(places), ink=ink, zone=number < 0))
        if found:
            boxes.setdefault(found[0], []).append(_box(places))
    shown = tuple(rings)
    names = [_Name(text=name, box=box) for name, parts in boxes.items() for box in _largest(parts)]
    names += [_Name(text=r.name, box=(r.x - r.r, r.y - r.r, r.x + r.r, r.y + r.r)) for r in shown]
    return Picture(
        width=columns,
        height=rows,
        href=_encode(view.pixels),
        alt=alt,
        outlines=tuple(outlines),
        diameters=tuple(_ends(ends) for ends in (view.diameter_px, view.short_axis_px) if ends is not None),
        labels=tuple(_placed(names, columns, rows)) if view.kind is ViewKind.SLICE else (),
        rings=shown,
        bar=_bar(columns, view.pixel_mm),
        whole=view.kind is ViewKind.SLICE,
    )


def ring_on(view: View, place_lps_mm: tuple[float, float, float], *, name: str, colour: str) -> Ring | None:
    """Return the ring of a place, LPS mm, on an axial view shown the radiological way; None where it lies outside."""
    across, down, along = (p - c for p, c in zip(place_lps_mm, view.centre_lps_mm, strict=True))
    rows, columns = view.pixels.shape
    x, y = columns / 2.0 + across / view.pixel_mm, rows / 2.0 + down / view.pixel_mm
    if abs(along) > _ON_SLICE_MM or not (0 <= x <= columns and 0 <= y <= rows):
        return None
    return Ring(x=_short(x), y=_short(y), r=_short(max(6.0 / view.pixel_mm, columns / 40.0)), colour=colour, name=name)


def _encode(pixels: NDArray[np.uint8]) -> str:
    """Return an 8-bit picture as a data address, as small as it stays good to look at."""
    target = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB").save(target, "WEBP", quality=_QUALITY, method=1)
    return "data:image/webp;base64," + base64.b64encode(target.getvalue()).decode("ascii")


def _short(value: float) -> float:
    return round(float(value), 1)


def _path(places: Floats) -> str:
    """Return a closed outline, (n, 2) rows and columns of pixel centres, as an SVG path."""
    points = np.round(places + 0.5, 1)
    kept = np.append(True, (np.diff(points, axis=0) != 0).any(axis=1))
    return "M" + "L".join(f"{x:g} {y:g}" for y, x in points[kept]) + "Z"


def _box(places: Floats) -> tuple[float, float, float, float]:
    """Return the box around an outline: left, top, right, bottom."""
    (top, left), (bottom, right) = places.min(axis=0) + 0.5, places.max(axis=0) + 0.5
    return float(left), float(top), float(right), float(bottom)


def _ends(ends: Floats) -> tuple[float, float, float, float]:
    (y1, x1), (y2, x2) = ends + 0.5
    return _short(x1), _short(y1), _short(x2), _short(y2)


def _bar(columns: int, pixel_mm: float) -> tuple[float, int]:
    """Return a scale bar of a round length, about a fifth of the picture."""
    length_mm = max((n for n in (5, 10, 20, 50, 100) if n <= columns * pixel_mm / 4.0), default=5)
    return _short(length_mm / pixel_mm), length_mm


def _largest(boxes: list[tuple[float, float, float, float]]) -> list[tuple[float, float, float, float]]:
    """Return the largest box alone: a lesion in several pieces is named once."""
    return [max(boxes, key=lambda b: (b[2] - b[0]) * (b[3] - b[1]))]


# --- names that do not cover each other ------------------------------------------------------------------------------


def _placed(names: list[_Name], width: int, height: int) -> Iterator[Label]:
    """Place each name near its outline, off the other outlines and names where there is room."""
    size = max(width, height) / 25.0
    taken = [name.box for name in names]
    for name in names:
        room = (len(name.text) * size * _LETTER, size)
        best: tuple[float, tuple[float, float, float, float]] | None = None
        for distance, box in _candidates(name.box, room, size):
            if box[0] < 1 or box[1] < 1 or box[2] > width - 1 or box[3] > height - 1:
                continue
            cost = distance + 5.0 * sum(_overlap(box, other) for other in taken)
            if best is None or cost < best[0]:
                best = (cost, box)
        if best is None:
            continue
        taken.append(best[1])
        yield Label(
            text=name.text,
            x=_short(best[1][0]),
            y=_short(best[1][3] - 0.16 * size),
            size=_short(size),
            leader=_leader(name.box, best[1], 1.6 * size),
        )


def _candidates(
    box: tuple[float, float, float, float], room: tuple[float, float], size: float
) -> Iterator[tuple[float, tuple[float, float, float, float]]]:
    """Yield (distance, box) of places around a box, near ones first."""
    left, top, right, bottom = box
    middle_x, middle_y = (left + right) / 2.0, (top + bottom) / 2.0
    for step in range(7):
        away = (0.25 + 0.9 * step) * size
        for across, down in ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1)):
            x = right + away if across > 0 else left - away - room[0] if across < 0 else middle_x - room[0] / 2.0
            y = bottom + away if down > 0 else top - away - room[1] if down < 0 else middle_y - room[1] / 2.0
            yield away, (x, y, x + room[0], y + room[1])


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across * down if across > 0 and down > 0 else 0.0


def _leader(
    box: tuple[float, float, float, float], label: tuple[float, float, float, float], from_px: float
) -> tuple[float, float, float, float] | None:
    """Return the line from a name to its outline, where the two are further apart than ``from_px``."""
    ends = []
    for first, second in (((box[0] + box[2]) / 2, 0), ((box[1] + box[3]) / 2, 1)):
        near = min(max(first, label[second]), label[second + 2])
        far = min(max(near, box[second]), box[second + 2])
        ends.append((near, far))
    (x1, x2), (y1, y2) = ends
    if float(np.hypot(x1 - x2, y1 - y2)) < from_px:
        return None
    return _short(x1), _short(y1), _short(x2), _short(y2)
