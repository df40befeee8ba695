"""Two panes that scroll, zoom and point together through the registration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesiontrack_napari.correspond import Way
from lesiontrack_napari.panels.pane import Pane

__all__ = ["LinkedPanes"]

Floats = NDArray[np.float64]


class LinkedPanes:
    """Keeps two panes at corresponding places; either may lead.

    Attributes
    ----------
    on
        The reader's switch: off, each pane moves by itself.
    """

    def __init__(self, first: Pane, second: Pane) -> None:
        self._panes = (first, second)
        self._ways: tuple[Way | None, Way | None] = (None, None)
        self._busy = False
        self._held: tuple[Floats, Floats] | None = None
        self._callbacks: list[tuple[Any, Callable[[Any], None]]] = []
        self.on = True
        for place in (0, 1):
            self._connect(place)

    def _connect(self, place: int) -> None:
        model = self._panes[place].model

        def follow(event: Any = None) -> None:
            self.follow(place)

        for emitter in (
            model.dims.events.current_step,
            model.scene.camera.events.center,
            model.scene.camera.events.zoom,
        ):
            emitter.connect(follow)
            self._callbacks.append((emitter, follow))

    def disconnect(self) -> None:
        """Stop following; to be called before either viewer closes."""
        for emitter, callback in self._callbacks:
            emitter.disconnect(callback)
        self._callbacks.clear()

    def set_ways(self, forth: Way | None, back: Way | None) -> None:
        """Set the ways from the first pane's scan to the second's and back; None while a pane is empty."""
        self._ways = (forth, back)
        self._held = None

    def hold(self, first_mm: Floats | None, second_mm: Floats | None) -> None:
        """Match the panes at two world places that show the same lesion, and go on from there by the registration.

        What the registration is off at the lesion is taken off everywhere, so that the lesion stays matched.
        """
        # Measured against the registration itself, not against what was held before.
        self._held = None
        mapped = None if first_mm is None else self.map(0, first_mm)
        back = None if second_mm is None else self.map(1, second_mm)
        if mapped is not None and back is not None and first_mm is not None and second_mm is not None:
            self._held = (second_mm - mapped, first_mm - back)

    def map(self, place: int, points_mm: Floats) -> Floats | None:
        """Map world points (..., 3) of a pane to the other pane's world; None where there is no way."""
        way, here, there = self._ways[place], self._panes[place].frame, self._panes[1 - place].frame
        if way is None or here is None or there is None:
            return None
        mapped = there.to_world(way.apply(here.to_lps_mm(points_mm)))
        return mapped if self._held is None else mapped + self._held[place]

    def follow(self, leader: int) -> None:
        """Bring the other pane to where a pane looks."""
        if self._busy or not self.on:
            return
        lead, other = self._panes[leader], self._panes[1 - leader]
        # Closing viewers fall back to two dimensions; there is nothing to follow then.
        if lead.model.dims.ndim != 3 or other.model.dims.ndim != 3:
            return
        mapped = self.map(leader, lead.centre_mm())
        if mapped is None:
            return
        self._busy = True
        try:
            other.look_at(mapped, lead.model.scene.camera.zoom)
        finally:
            self._busy = False
