"""What a reader takes away: a lesion through all visits that are shown, as one picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lesiontrack.domain.lesion import Track
from lesiontrack.domain.view import View
from lesiontrack.errors import DecisionError
from lesiontrack.io.store import safe_name
from lesiontrack.measure import lesion_view, place_view
from lesiontrack.report import words
from lesiontrack_napari.session import Session

__all__ = ["export_folder", "lesion_picture", "lesion_strips"]

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
    path = export_folder(session) / f"{safe_name(session.case.subject_id)}_{safe_name(track.track_id)}.png"
    lesion_strips(session, [track])[track.track_id].save(path)
    return path


def export_folder(session: Session) -> Path:
    """Return ``OUT/pictures``, made if need be."""
    folder = session.case.out / "pictures"
    folder.mkdir(exist_ok=True)
    return folder


def lesion_strips(session: Session, tracks: Iterable[Track]) -> dict[str, Image.Image]:
    """Return each lesion through all visits that are shown, side by side; each visit's images are read once."""
    tiles: dict[str, list[Image.Image]] = {track.track_id: [] for track in tracks}
    for visit in session.visits():
        for name, own in tiles.items():
            track = session.track(name)
            seen = visit.measured_scans and session.place_lps_mm(visit.timepoint, name) is not None
            if track is not None and seen:
                own.append(_tile(session, track, visit.timepoint))
    return {name: _side_by_side(own) for name, own in tiles.items() if own}


def _side_by_side(tiles: Sequence[Image.Image]) -> Image.Image:
    picture = Image.new("RGB", (_TILE_PX * len(tiles), _TILE_PX + _TEXT_PX), _BACK)
    for place, tile in enumerate(tiles):
        picture.paste(tile, (place * _TILE_PX, 0))
    return picture


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
