"""What a reader takes away: a lesion through all visits as one picture, and the page of the case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lesiontrack.domain.lesion import Track
from lesiontrack.domain.view import View
from lesiontrack.errors import DecisionError
from lesiontrack.io.store import safe_name
from lesiontrack.measure import lesion_view, place_view
from lesiontrack.report import words, write_page
from lesiontrack_napari.session import Session

__all__ = ["case_page", "lesion_picture"]

_TILE_PX = 300
_TEXT_PX = 34
_BACK, _INK, _OTHERS, _ZONE = "#101214", "#e6e6e6", "#808080", "#c8c8c8"


def lesion_picture(session: Session) -> Path:
    """Write the lesion at hand through all visits that are shown, side by side, into ``OUT/pictures``.

    Raises
    ------
    DecisionError
        If there is no lesion at hand.
    """
    track = session.track()
    if track is None:
        raise DecisionError("no lesion at hand: click one, or a row of the table")
    tiles = [
        _tile(session, track, visit.timepoint)
        for visit in session.visits()
        if visit.measured_scans and session.place_lps_mm(visit.timepoint) is not None
    ]
    picture = Image.new("RGB", (_TILE_PX * len(tiles), _TILE_PX + _TEXT_PX), _BACK)
    for place, tile in enumerate(tiles):
        picture.paste(tile, (place * _TILE_PX, 0))
    folder = session.case.out / "pictures"
    folder.mkdir(exist_ok=True)
    path = folder / f"{safe_name(session.case.subject_id)}_{safe_name(track.track_id)}.png"
    picture.save(path)
    return path


def _tile(session: Session, track: Track, timepoint: int) -> Image.Image:
    """Return one visit's picture: the slice of the diameter, or the projected place, with its words below."""
    view, said = _view(session, track, timepoint)
    scale = _TILE_PX / max(view.pixels.shape)
    size = (round(view.pixels.shape[1] * scale), round(view.pixels.shape[0] * scale))
    picture = Image.new("RGB", (_TILE_PX, _TILE_PX + _TEXT_PX), _BACK)
    picture.paste(Image.fromarray(view.pixels).convert("RGB").resize(size, Image.Resampling.BICUBIC), (0, 0))
    draw = ImageDraw.Draw(picture)
    colour = session.colours[track.track_id]
    own = set(track.at(timepoint))
    for number, places in view.contours:
        ink = _ZONE if number < 0 else colour if number in own else _OTHERS
        draw.line([_at(place, scale) for place in places], fill=ink, width=2 if number in own else 1)
    if view.diameter_px is not None:
        draw.line([_at(place, scale) for place in view.diameter_px], fill=colour, width=2)
    date = session.history.visit(timepoint).date.isoformat()
    draw.text((6, _TILE_PX + 8), f"{track.track_id}  {date}  {said}", fill=_INK, font=ImageFont.load_default(14))
    return picture


def _at(place: np.ndarray, scale: float) -> tuple[float, float]:
    """Return (x, y) of the picture for (row, column) of the view, whose first pixel's centre is (0, 0)."""
    return (float(place[1]) + 0.5) * scale, (float(place[0]) + 0.5) * scale


def _view(session: Session, track: Track, timepoint: int) -> tuple[View, str]:
    found = session.place_lps_mm(timepoint, track.track_id)
    assert found is not None  # only visits with a place are asked for
    place, series = found
    scan = next(scan for scan in session.scans(timepoint) if scan.series_uid == series)
    volume = session.images.volume(scan)
    labels = session.label_map(scan)
    labels = np.zeros(volume.grid.shape, np.uint16) if labels is None else labels
    lesion = session.sighting(timepoint, track.track_id)
    if lesion is not None:
        return lesion_view(volume, labels, lesion), f"{words.mm(lesion.longest_diameter_mm)} mm"
    x, y, z = (float(value) for value in place)
    said = next(row for row in session.rows if row.track_id == track.track_id).cells[timepoint].text
    return place_view(volume, labels, (x, y, z), timepoint=timepoint), said


def case_page(session: Session) -> Path:
    """Write the report's page of the case from the stored results, and return it.

    What was decided since the results were last brought up to date is not in it yet.
    """
    return write_page(session.case.out, session.case.subject_id)
