"""A visit of a history <-> what napari draws of it: plain arrays and features; imports no napari and no Qt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Volume
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Lesion, MissingState, Track, TreatedZone
from lesiontrack.report import words
from lesiontrack.report.palette import COLOURS
from lesiontrack_napari.frame import Frame
from lesiontrack_napari.table import shown_mm
from lesiontrack_napari.wording import method_words

__all__ = [
    "MR_WINDOWS",
    "WINDOWS",
    "Lines",
    "Marks",
    "Outlines",
    "diameter_lines",
    "label_colours",
    "marks",
    "outlines",
    "presets_of",
    "track_colours",
    "window_of",
]

Points = NDArray[np.float64]
PlainColour = str

# Centre and width in HU, as radiologists set them.
WINDOWS = {"liver": (80, 180), "abdomen": (50, 400), "lung": (-600, 1500), "bone": (400, 1800)}
# Percentiles of the values, for everything that is not in HU.
MR_WINDOWS = {"MR 1-99.5 %": (1.0, 99.5), "MR 5-98 %": (5.0, 98.0), "MR 1-100 %": (1.0, 100.0)}
# A lesion that no track holds (one that a reader rejected, say) is drawn grey.
_NO_TRACK = "#9a9a9a"
# Room around the lesions in the crop of the label map, voxels.
_MARGIN = 2
# Ends of a diameter are where the mouse takes hold of it; names stand over their lesion and have no mark of their own.
_SYMBOLS = {"gone": "ring", "treated": "square", "new": "star", "end": "disc", "lesion": "disc"}
_SIZES_MM = {"gone": 10.0, "treated": 18.0, "new": 5.0, "end": 1.8, "name": 0.1}
# Names stand over a lesion, and under a place where none is seen: what lies near keeps its own.
_NAME_OVER_MM = 5.0
# Letters are drawn in black first, a little aside, so that they are read on any grey.
_SHADOWS_MM = ((0.3, 0.3), (-0.3, -0.3), (0.3, -0.3), (-0.3, 0.3))
_SHADOW = "#000000"
# A mark smaller than this is on its own slice only.
_SMALL_MM = 6.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlines:
    """The part of a label map that holds lesions, on world axes.

    ``labels`` is (z, y, x), value = lesion number; ``translate_mm`` is the world place of its first voxel.
    """

    labels: NDArray[np.uint16]
    scale_mm: Points
    translate_mm: Points


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lines:
    """Longest diameters: ``ends_mm`` (n, 2, 3) world mm, and one row of ``features`` for each."""

    ends_mm: Points
    features: pd.DataFrame

    def same_as(self, other: Lines) -> bool:
        """Tell whether nothing needs to be drawn anew."""
        return np.array_equal(self.ends_mm, other.ends_mm) and self.features.equals(other.features)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marks:
    """Places to look at, each as the slices through a sphere, so that it is seen on more than one.

    ``places_mm`` (n, 3) world mm and ``sizes_mm`` (n,) diameters; features: track_id, kind, symbol, colour, drawn
    (False for places that only bear letters), and text with its colour, ink, on the middle slice.
    """

    places_mm: Points
    sizes_mm: Points
    features: pd.DataFrame

    def same_as(self, other: Marks) -> bool:
        """Tell whether nothing needs to be drawn anew."""
        same = np.array_equal(self.places_mm, other.places_mm) and np.array_equal(self.sizes_mm, other.sizes_mm)
        return same and self.features.equals(other.features)


def presets_of(modality: str) -> tuple[str, ...]:
    """Return the names of the grey windows that a modality has, the usual one first."""
    return tuple(WINDOWS if modality == "CT" else MR_WINDOWS)


def window_of(volume: Volume, preset: str = "") -> tuple[float, float]:
    """Return the grey window (lowest, highest) of a preset, of the usual one where the modality does not have it."""
    names = presets_of(volume.modality)
    preset = preset if preset in names else names[0]
    if volume.modality == "CT":
        centre, width = WINDOWS[preset]
        return centre - width / 2, centre + width / 2
    step = [max(1, n // 64) for n in volume.voxels.shape]
    low, high = np.percentile(volume.voxels[:: step[0], :: step[1], :: step[2]], MR_WINDOWS[preset])
    return float(low), float(max(high, low + 1))


def track_colours(history: History) -> dict[str, PlainColour]:
    """Return each track's colour, by its place in the subject's order: the same at every visit, as in the report."""
    return {track.track_id: COLOURS[place % len(COLOURS)] for place, track in enumerate(history.tracks)}


def label_colours(history: History, timepoint: int, colours: Mapping[str, PlainColour]) -> dict[int, PlainColour]:
    """Return the colour of each lesion number of a visit."""
    of_track = _tracks_at(history, timepoint)
    return {
        lesion.lesion_id: colours[track.track_id] if (track := of_track.get(lesion.lesion_id)) else _NO_TRACK
        for lesion in history.lesions_at(timepoint)
    }


def _tracks_at(history: History, timepoint: int) -> dict[int, Track]:
    return {number: track for track in history.tracks for number in track.at(timepoint)}


def outlines(label_map: NDArray[np.uint16], frame: Frame) -> Outlines:
    """Crop a label map (k, j, i) to the box that holds its lesions, on world axes; one voxel where there is none."""
    whole = frame.view(label_map)
    box = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(whole.any(axis=others))
        first = max(int(found[0]) - _MARGIN, 0) if len(found) else 0
        last = min(int(found[-1]) + _MARGIN + 1, whole.shape[axis]) if len(found) else 1
        box.append(slice(first, last))
    start = np.array([part.start for part in box], dtype=np.float64)
    return Outlines(
        labels=np.ascontiguousarray(whole[tuple(box)], dtype=np.uint16),
        scale_mm=frame.scale_mm,
        translate_mm=frame.translate_mm + start * frame.scale_mm,
    )


def diameter_lines(history: History, timepoint: int, frame: Frame, colours: Mapping[str, PlainColour]) -> Lines:
    """Return the longest diameter of each lesion of a visit, on the scan's own slices."""
    of_track = _tracks_at(history, timepoint)
    ends, rows = [], []
    for lesion in history.lesions_at(timepoint):
        track = of_track.get(lesion.lesion_id)
        pair = frame.to_world(np.array(lesion.diameter_ends_lps_mm))
        pair[:, frame.slice_axis] = frame.on_slice(pair.mean(axis=0))[frame.slice_axis]
        ends.append(pair)
        rows.append(
            {
                "lesion": lesion.lesion_id,
                "track_id": track.track_id if track else "",
                "colour": colours.get(track.track_id, _NO_TRACK) if track else _NO_TRACK,
            }
        )
    features = pd.DataFrame(rows, columns=["lesion", "track_id", "colour"])
    return Lines(ends_mm=np.array(ends, dtype=np.float64).reshape(-1, 2, 3), features=features)


def _line_text(lesion: Lesion, track: Track | None) -> str:
    name = track.track_id if track else "no track"
    kind = " (short axis)" if shown_mm(lesion) != lesion.longest_diameter_mm else ""
    new = "  NEW" if track is not None and track.first_timepoint == lesion.timepoint > 0 else ""
    return f"{name}  {words.mm(shown_mm(lesion))} mm{kind}{new}"


def marks(history: History, timepoint: int, frame: Frame, colours: Mapping[str, PlainColour]) -> Marks:
    """Return the ghosts of vanished lesions at their projected places, the treated sites, and what is new here."""
    found = [*_unseen(history, timepoint), *_other_zones(history, timepoint), *_seen(history, timepoint)]
    places: list[Points] = []
    sizes: list[float] = []
    rows: list[dict[str, object]] = []

    def add(place: Points, size_mm: float, mark: _Mark, **features: object) -> None:
        places.append(place)
        sizes.append(size_mm)
        colour = colours.get(mark.track_id, _NO_TRACK)
        usual = {"kind": mark.kind, "symbol": _SYMBOLS[mark.kind], "text": "", "ink": _ink(colour), "drawn": True}
        rows.append({"track_id": mark.track_id, "colour": colour, **usual, **features})

    for mark in found:
        if mark.kind == "lesion":
            continue
        at = frame.on_slice(frame.to_world(np.array(mark.place_lps_mm)))
        for away_mm, size_mm in _sections(mark.size_mm, float(frame.scale_mm[frame.slice_axis])):
            place = at.copy()
            place[frame.slice_axis] += away_mm
            add(place, size_mm, mark)
    # Names come last: nothing is drawn over them.
    for mark in found:
        for place, ink in _letters(mark, frame, colours) if mark.text else ():
            add(place, _SIZES_MM["name"], mark, kind="name", symbol="disc", text=mark.text, ink=ink, drawn=False)
    return Marks(
        places_mm=np.array(places, dtype=np.float64).reshape(-1, 3),
        sizes_mm=np.array(sizes, dtype=np.float64),
        features=pd.DataFrame(rows, columns=["track_id", "kind", "symbol", "colour", "text", "ink", "drawn"]),
    )


def _letters(mark: _Mark, frame: Frame, colours: Mapping[str, PlainColour]) -> Iterator[tuple[Points, PlainColour]]:
    """Yield where a mark's name is written, and in which colour: its shadow first."""
    rows, columns = (axis for axis in range(3) if axis != frame.slice_axis)
    place = frame.on_slice(frame.to_world(np.array(mark.place_lps_mm)))
    # On axial slices rows run down the screen; on all others the head is up.
    over = -1.0 if rows == 1 else 1.0
    away_mm = mark.size_mm / 2 + _NAME_OVER_MM
    place[rows] += away_mm * (over if mark.kind == "lesion" else -over)
    for down_mm, right_mm in _SHADOWS_MM:
        shadow = place.copy()
        shadow[rows] += down_mm
        shadow[columns] += right_mm
        yield shadow, _SHADOW
    yield place, _ink(colours.get(mark.track_id, _NO_TRACK))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """A place; ``lesion`` is one that is outlined already and has only its name here."""

    place_lps_mm: tuple[float, float, float]
    track_id: str
    kind: str
    size_mm: float
    text: str = ""


def _sections(diameter_mm: float, step_mm: float) -> Iterator[tuple[float, float]]:
    """Yield how far each slice through a sphere is from its middle, and the diameter there, mm."""
    reach = int(diameter_mm / 2 / step_mm) if diameter_mm > _SMALL_MM else 0
    for slices in range(-reach, reach + 1):
        away_mm = slices * step_mm
        yield away_mm, max(2 * ((diameter_mm / 2) ** 2 - away_mm**2) ** 0.5, diameter_mm / 4)


def _unseen(history: History, timepoint: int) -> Iterator[_Mark]:
    """Yield each vanished lesion's ghost, of its last size, and each treated site, of its zone's size if it has one."""
    tracks = {track.track_id: track for track in history.tracks}
    for entry in history.missing:
        if entry.timepoint != timepoint or entry.state == MissingState.OUT_OF_VIEW:
            continue
        track = tracks[entry.track_id]
        doubt = "" if entry.trusted else ", place uncertain"
        if entry.state != MissingState.TREATED:
            last = max(x.longest_diameter_mm for x in history.fragments(track, _last_seen(track, timepoint)))
            size_mm, text = max(float(last), _SIZES_MM["gone"]), f"{entry.track_id}  not seen{doubt}"
            yield _Mark(
                place_lps_mm=entry.place_lps_mm, track_id=entry.track_id, kind="gone", size_mm=size_mm, text=text
            )
            continue
        zone = _zone_around(history, timepoint, entry.place_lps_mm)
        text = f"{entry.track_id}  {_treated_text(track)}{doubt}"
        yield _Mark(
            place_lps_mm=entry.place_lps_mm if zone is None else zone.centroid_lps_mm,
            track_id=entry.track_id,
            kind="treated",
            size_mm=_SIZES_MM["treated"] if zone is None else float(zone.longest_diameter_mm),
            text=text if zone is None else f"{text}, zone {words.mm(zone.longest_diameter_mm)} mm",
        )


def _last_seen(track: Track, before: int) -> int:
    return max((t for t, _ in track.lesions if t < before), default=track.first_timepoint)


def _zone_around(history: History, timepoint: int, place_lps_mm: tuple[float, float, float]) -> TreatedZone | None:
    """Return the treated zone that a place lies in, as if zones were spheres."""
    for zone in history.zones:
        away_mm = float(np.linalg.norm(np.subtract(zone.centroid_lps_mm, place_lps_mm)))
        if zone.timepoint == timepoint and away_mm <= float(zone.longest_diameter_mm) / 2:
            return zone
    return None


def _other_zones(history: History, timepoint: int) -> Iterator[_Mark]:
    """Yield the treated zones that no lesion's projected place lies in."""
    taken = [
        _zone_around(history, timepoint, entry.place_lps_mm)
        for entry in history.missing
        if entry.timepoint == timepoint and entry.state == MissingState.TREATED
    ]
    for zone in history.zones:
        if zone.timepoint == timepoint and zone not in taken:
            size_mm = float(zone.longest_diameter_mm)
            text = f"treated zone  {words.mm(zone.longest_diameter_mm)} mm"
            yield _Mark(place_lps_mm=zone.centroid_lps_mm, track_id="", kind="treated", size_mm=size_mm, text=text)


def _seen(history: History, timepoint: int) -> Iterator[_Mark]:
    """Yield each lesion's name with its length, the ends of its diameter, and a star where it is new."""
    of_track = _tracks_at(history, timepoint)
    for lesion in history.lesions_at(timepoint):
        track = of_track.get(lesion.lesion_id)
        name = track.track_id if track is not None else ""
        for end in lesion.diameter_ends_lps_mm:
            yield _Mark(place_lps_mm=end, track_id=name, kind="end", size_mm=_SIZES_MM["end"])
        if track is not None and track.first_timepoint == timepoint > 0 and track.parent_track_id is None:
            yield _Mark(place_lps_mm=lesion.centroid_lps_mm, track_id=name, kind="new", size_mm=_SIZES_MM["new"])
        x, y, z = (float(value) for value in np.mean(lesion.diameter_ends_lps_mm, axis=0))
        size_mm = float(lesion.longest_diameter_mm)
        yield _Mark(
            place_lps_mm=(x, y, z), track_id=name, kind="lesion", size_mm=size_mm, text=_line_text(lesion, track)
        )


def _ink(colour: PlainColour) -> PlainColour:
    """Return a colour four fifths of the way to white: letters are thin, and stand on grey."""
    return "#" + "".join(f"{(int(colour[n : n + 2], 16) + 4 * 255) // 5:02x}" for n in (1, 3, 5))


def _treated_text(track: Track) -> str:
    return method_words(track.treatments[-1].method) if track.treatments else "treated"
