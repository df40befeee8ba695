"""Whole slices of all visits side by side: a row holds the slices that show the same lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np

from lesiontrack.domain.view import View
from lesiontrack.report.matrix import Album
from lesiontrack.report.palette import ink_of
from lesiontrack.report.pictures import Picture, Ring, draw, ring_on
from lesiontrack.report.source import Case

__all__ = ["Slice", "slice_rows"]

# A pixel brighter than this, 0 to 255, is not air; a line belongs to the body when so much of it is not.
_AIR, _IN_BODY = 30, 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One slice; ``z_mm`` is the height of its middle in the scan's patient coordinates."""

    timepoint: int
    k: int
    z_mm: str
    picture: Picture
    shows: tuple[str, ...]


@dataclass(slots=True)
class _Group:
    """A row in the making: the tracks that it shows so far, and its slice of each visit."""

    tracks: set[str]
    height_mm: float
    views: dict[int, View]


def slice_rows(case: Case, album: Album) -> list[list[Slice | None]]:
    """Return rows of slices, top of the body first, each with one entry for each visit (None: no such slice).

    Slices without a counterpart at any other visit stand together in the last rows.
    """
    timepoints = [row["timepoint"] for row in case.rows("timepoints")]
    groups: list[_Group] = []
    for timepoint in timepoints:
        _share_out(groups, [_body(view) for view in album.slices if view.timepoint == timepoint], album)
    groups.sort(key=lambda group: -group.height_mm)
    shared = [group.views for group in groups if len(group.views) > 1]
    rows = [[_slice(case, album, views.get(timepoint)) for timepoint in timepoints] for views in shared]
    alone: dict[int, list[View]] = {timepoint: [] for timepoint in timepoints}
    for group in groups:
        for timepoint, view in group.views.items() if len(group.views) == 1 else ():
            alone[timepoint].append(view)
    packed = zip_longest(*alone.values())
    return rows + [[_slice(case, album, view) for view in views] for views in packed]


def _body(view: View) -> View:
    """Return the part of a slice that holds the body, so that the lesions are not lost in air."""
    bright = view.pixels > _AIR
    found = [np.flatnonzero(bright.mean(axis=axis) > _IN_BODY) for axis in (1, 0)]
    if any(line.size == 0 for line in found):
        return view
    size = np.array(view.pixels.shape)
    room = np.ceil(0.02 * size).astype(int)
    marked = [places for _, places in view.contours]
    low = np.min([[line[0] for line in found], *(places.min(axis=0) for places in marked)], axis=0).astype(int) - room
    high = np.max([[line[-1] for line in found], *(places.max(axis=0) for places in marked)], axis=0).astype(int) + room
    low, high = np.maximum(low, 0), np.minimum(high + 1, size)
    down, across = ((low + high - size) / 2.0 * view.pixel_mm).tolist()
    x, y, z = view.centre_lps_mm
    return replace(
        view,
        pixels=view.pixels[low[0] : high[0], low[1] : high[1]],
        contours=tuple((number, places - low) for number, places in view.contours),
        centre_lps_mm=(x + across, y + down, z),
    )


def _share_out(groups: list[_Group], views: Sequence[View], album: Album) -> None:
    """Give each slice of a visit to the row with which it shares most lesions, else to a row of its own."""
    shown = [_tracks(view, album) for view in views]
    pairs = sorted(
        (-len(tracks & group.tracks), n, g)
        for n, tracks in enumerate(shown)
        for g, group in enumerate(groups)
        if tracks & group.tracks
    )
    placed: dict[int, _Group] = {}
    used: set[int] = set()
    for _, n, g in pairs:
        if n not in placed and g not in used:
            placed[n] = groups[g]
            used.add(g)
    for n, view in enumerate(views):
        group = placed.get(n)
        if group is None:
            group = _Group(tracks=set(), height_mm=view.centre_lps_mm[2], views={})
            groups.append(group)
        group.views[view.timepoint] = view
        group.tracks |= shown[n]


def _tracks(view: View, album: Album) -> set[str]:
    find = album.track_at(view.timepoint)
    return {found[0] for number, _ in view.contours if number > 0 and (found := find(number)) is not None}


def _slice(case: Case, album: Album, view: View | None) -> Slice | None:
    if view is None:
        return None
    tracks = tuple(sorted(_tracks(view, album), key=lambda name: case.tracks[name]))
    rings = _rings(case, view)
    missing = [f"place of {ring.name}" for ring in rings]
    alt = f"Visit {view.timepoint}, slice {view.slice_index}: {', '.join([*tracks, *missing]) or 'no lesion'}"
    return Slice(
        timepoint=view.timepoint,
        k=view.slice_index,
        z_mm=f"{view.centre_lps_mm[2]:.1f}".replace("-", "\N{MINUS SIGN}"),
        picture=draw(view, track_of=album.track_at(view.timepoint), alt=alt, rings=rings),
        shows=tracks,
    )


def _rings(case: Case, view: View) -> list[Ring]:
    """Return the places of lesions that this slice should show and does not."""
    rings = []
    for row in case.rows("missing"):
        axes = [row[f"{axis}_lps_mm"] for axis in "xyz"]
        here = row["timepoint"] == view.timepoint and row["series_uid"] in (None, view.series_uid)
        if not here or None in axes or row["state"] == "OUT_OF_VIEW":
            continue
        colour = ink_of(case.tracks.get(row["track_id"], 0)).colour
        ring = ring_on(view, (axes[0], axes[1], axes[2]), name=row["track_id"], colour=colour)
        if ring is not None:
            rings.append(ring)
    return rings
