"""Two panes at two visits of a session: what each shows, and where both look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Volume
from lesiontrack.domain.study import Scan
from lesiontrack.report import words
from lesiontrack_napari.frame import Frame, frame_of
from lesiontrack_napari.layers import (
    Outlines,
    diameter_lines,
    label_colours,
    marks,
    outlines,
    window_of,
)
from lesiontrack_napari.panels.linked import LinkedPanes
from lesiontrack_napari.panels.pane import Pane
from lesiontrack_napari.session import Session

__all__ = ["MAIN", "PRIOR", "Shown", "Views"]

Floats = NDArray[np.float64]

MAIN, PRIOR = 0, 1
# How wide a part of the patient is shown after a jump, mm.
_FIELD_MM = 220.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """What a pane shows: a scan of a visit."""

    timepoint: int
    scan: Scan
    volume: Volume
    frame: Frame

    @property
    def key(self) -> tuple[int, str]:
        """The scan, as correspondences name it."""
        return self.timepoint, self.scan.series_uid


class Views:
    """Shows visits in the main pane and in the prior's, and moves both.

    Attributes
    ----------
    shown
        What the main pane and the prior's show; None before.
    presets
        Modality -> the grey window that its images are shown with, where the reader has chosen one.
    """

    def __init__(self, main: Any, prior: Any) -> None:
        self.panes = (Pane(main), Pane(prior))
        self.linked = LinkedPanes(*self.panes)
        self.shown: list[Shown | None] = [None, None]
        self.presets: dict[str, str] = {}
        self._outlines: list[tuple[tuple[str, ...], Outlines] | None] = [None, None]
        self.blinking = False

    def clear(self) -> None:
        """Empty both panes."""
        self.linked.set_ways(None, None)
        self.blinking = False
        for pane in self.panes:
            pane.clear()
        self.shown = [None, None]
        self._outlines = [None, None]

    # --- what is shown ----------------------------------------------------------------------------------------------

    def show(
        self, session: Session, side: int, timepoint: int, scan: Scan | None = None, *, lesions: bool = True
    ) -> None:
        """Show a visit on a side: a scan of it, by default the one that is measured; its lesions now or by ``draw``.

        Raises
        ------
        LesiontrackError
            If its images cannot be read; the pane keeps what it showed.
        """
        self.unblink()
        scan = scan or session.scans(timepoint)[0]
        before = self.shown[side]
        if before is not None and before.key == (timepoint, scan.series_uid):
            self.draw(session, side)
            return
        volume = session.images.volume(scan)
        frame = frame_of(volume.grid)
        looked = self._looked_at(session, side, timepoint, scan)
        kind = words.phrase(scan.phase_of_contrast) or " ".join(scan.regions)
        title = f"visit {timepoint}   {scan.date.isoformat()}\n{scan.modality} {kind}"
        self.linked.set_ways(None, None)
        self.panes[side].show_scan(volume, frame, self._window(volume), title)
        self.shown[side] = Shown(timepoint=timepoint, scan=scan, volume=volume, frame=frame)
        self._outlines[side] = None
        self._set_ways(session)
        if lesions:
            self.draw(session, side)
        if looked is not None:
            self.panes[side].look_at(frame.to_world(looked))

    def _looked_at(self, session: Session, side: int, timepoint: int, scan: Scan) -> Floats | None:
        """Return where a pane looks, LPS mm of the scan that it is about to show."""
        before, pane = self.shown[side], self.panes[side]
        if before is None or pane.model.dims.ndim != 3:
            return None
        way = session.way(before.key, (timepoint, scan.series_uid))
        return way.apply(before.frame.to_lps_mm(pane.centre_mm()))

    def _set_ways(self, session: Session) -> None:
        main, prior = self.shown
        if main is not None and prior is not None:
            self.linked.set_ways(session.way(main.key, prior.key), session.way(prior.key, main.key))

    def draw(self, session: Session, side: int) -> None:
        """Draw a side's lesions anew: outlines, diameters, marks."""
        shown = self.shown[side]
        if shown is None:
            return
        history, colours = session.history, session.colours
        drawn = session.drawn_on(shown.scan)
        kept, crop = self._outlines[side], None
        if kept is None or kept[0] != drawn:
            label_map = session.label_map(shown.scan)
            crop = outlines(label_map if label_map is not None else np.zeros((1, 1, 1), np.uint16), shown.frame)
            self._outlines[side] = (drawn, crop)
        numbers = label_colours(history, shown.timepoint, colours)
        lines = diameter_lines(history, shown.timepoint, shown.frame, colours)
        self.panes[side].show_lesions(crop, numbers, lines, marks(history, shown.timepoint, shown.frame, colours))

    def set_preset(self, preset: str) -> None:
        """Take another grey window for the main image's modality, on both sides."""
        main = self.shown[MAIN]
        if main is None or self.presets.get(main.volume.modality) == preset:
            return
        self.presets[main.volume.modality] = preset
        for pane, shown in zip(self.panes, self.shown, strict=True):
            if shown is not None and pane.image is not None:
                pane.image.contrast_limits = self._window(shown.volume)

    def _window(self, volume: Volume) -> tuple[float, float]:
        return window_of(volume, self.presets.get(volume.modality, ""))

    def set_outlines(self, visible: bool) -> None:
        """Show or hide outlines, diameters and marks on both sides."""
        for pane in self.panes:
            pane.set_drawings(visible)

    # --- where both look --------------------------------------------------------------------------------------------

    def go(self, session: Session) -> None:
        """Look at the lesion at hand on both sides: its own slice where it is seen, its projected place elsewhere."""
        places = [self._place(session, side) for side in (MAIN, PRIOR)]
        linked, self.linked.on = self.linked.on, False
        try:
            for side, place in enumerate(places):
                if place is not None:
                    self.panes[side].look_at(place, self.zoom())
                    self.panes[side].show_cross(None)
        finally:
            self.linked.on = linked
        self.linked.hold(places[MAIN], places[PRIOR])

    def _place(self, session: Session, side: int) -> Floats | None:
        """Return the world place of the lesion at hand on a side."""
        shown = self.shown[side]
        if shown is None:
            return None
        found = session.place_lps_mm(shown.timepoint)
        if found is not None:
            place, series = found
            way = session.way((shown.timepoint, series), shown.key)
            return shown.frame.to_world(way.apply(place))
        other = self.shown[1 - side]
        there = session.place_lps_mm(other.timepoint) if other is not None else None
        if other is None or there is None:
            return None
        return shown.frame.to_world(session.way((other.timepoint, there[1]), shown.key).apply(there[0]))

    def zoom(self) -> float:
        """Return the zoom at which the field shown after a jump fills the smaller pane: millimetres are one length."""
        smallest = min(min(pane.model.canvas.size) for pane in self.panes)
        return float(max(smallest, 50)) / _FIELD_MM

    def lesion_at(self, side: int, place_mm: Floats) -> tuple[int, int] | None:
        """Return visit and number of the lesion at a world place of a side; None where there is none."""
        shown = self.shown[side]
        number = self.panes[side].lesion_at(place_mm) if shown is not None else 0
        return None if shown is None or not number else (shown.timepoint, number)

    # --- blink ------------------------------------------------------------------------------------------------------

    def blink(self) -> None:
        """Lay the prior's image over the main one, moved so that the middle of the canvas shows the same place."""
        main, prior = self.shown
        if self.blinking or main is None or prior is None:
            self.unblink()
            return
        pane = self.panes[MAIN]
        here = pane.centre_mm()
        there = self.linked.map(MAIN, here)
        if there is None:
            return
        moved = here - prior.frame.on_slice(there)
        pane.overlay(prior.volume, prior.frame, moved, self._window(prior.volume))
        self.blinking = True

    def unblink(self) -> None:
        """Show the main image again."""
        if self.blinking:
            self.panes[MAIN].unlay()
            self.blinking = False
