"""The mouse in a pane: click a lesion, drag the ends of a diameter, draw a new one; everything else stays napari's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from napari.layers import Vectors
from numpy.typing import NDArray

from lesiontrack_napari.panels.pane import Pane

__all__ = ["Mouse", "MouseUser"]

Floats = NDArray[np.float64]

# How near, in screen pixels, the mouse must be to the end of a diameter to take hold of it, and how far it may move
# between press and release of a click.
_GRIP_PX = 9.0
_STILL_PX = 3.0


class MouseUser(Protocol):
    """What is told of the mouse; ``side`` is 0 for the main pane and 1 for the prior, places are world mm."""

    def clicked(self, side: int, place_mm: Floats, *, more: bool) -> None:
        """Told of a click; ``more`` with Ctrl held."""

    def hovered(self, side: int, place_mm: Floats) -> None:
        """Told where the mouse is."""

    def diameter_dragged(self, side: int, lesion_id: int, ends_mm: Floats) -> None:
        """Told of new ends (2, 3) of a lesion's diameter."""

    def diameter_drawn(self, side: int, ends_mm: Floats) -> None:
        """Told of a diameter (2, 3) that was drawn."""


class Mouse:
    """Watches one pane.

    Attributes
    ----------
    drawing
        The next drag draws a diameter.
    painting
        The mouse is a brush: it is napari's alone.
    """

    def __init__(self, pane: Pane, side: int, user: MouseUser) -> None:
        self._pane = pane
        self._side = side
        self._user = user
        self.drawing = False
        self.painting = False
        self._line: Vectors | None = None
        pane.model.mouse_drag_callbacks.append(self._drag)
        pane.model.mouse_move_callbacks.append(self._move)

    def disconnect(self) -> None:
        """Take our callbacks and our line off, and no others."""
        for callbacks, own in (
            (self._pane.model.mouse_drag_callbacks, self._drag),
            (self._pane.model.mouse_move_callbacks, self._move),
        ):
            if own in callbacks:
                callbacks.remove(own)
        if self._line is not None and self._line in self._pane.model.layers:
            self._pane.model.layers.remove(self._line)
        self._line = None

    def _move(self, viewer: Any, event: Any) -> None:
        if self._pane.model.dims.ndim == 3 and not self.painting:
            self._user.hovered(self._side, np.array(event.position, dtype=np.float64))

    def _drag(self, viewer: Any, event: Any) -> Iterator[None]:
        if self._pane.model.dims.ndim != 3 or self.painting or event.button != 1:
            return
        start = np.array(event.position, dtype=np.float64)
        grip = None if self.drawing else self._grip(start)
        if self.drawing or grip is not None:
            yield from self._pull(start, grip, event)
            return
        pressed = np.array(event.pos)
        yield
        still = True
        while event.type == "mouse_move":
            still = still and _near(event, pressed)
            yield
        if still and _near(event, pressed):
            self._user.clicked(self._side, start, more="Control" in event.modifiers)

    def _grip(self, place_mm: Floats) -> tuple[int, int] | None:
        """Return which line (its row) and which end of it are within reach on the slice shown."""
        lines, drawn = self._pane.diameters, self._pane.lines
        if lines is None or drawn is None or not drawn.visible or not len(lines.ends_mm):
            return None
        ends = lines.ends_mm
        axis = self._pane.slice_axis
        step_mm = float(self._pane.frame.scale_mm[axis]) if self._pane.frame is not None else 1.0
        away = np.linalg.norm(ends - place_mm, axis=-1)
        away[np.abs(ends[:, 0, axis] - self._pane.model.dims.point[axis]) > step_mm / 2] = np.inf
        row, end = np.unravel_index(int(np.argmin(away)), away.shape)
        within = float(away[row, end]) * self._pane.model.scene.camera.zoom <= _GRIP_PX
        return (int(row), int(end)) if within else None

    def _pull(self, start: Floats, grip: tuple[int, int] | None, event: Any) -> Iterator[None]:
        """Follow a drag with a line; hand it over when the button is let go."""
        camera = self._pane.model.scene.camera
        lines, frame, pressed = self._pane.diameters, self._pane.frame, np.array(event.pos)
        ends = np.stack([start, start]) if grip is None or lines is None else lines.ends_mm[grip[0]].copy()
        end = 1 if grip is None else grip[1]
        # The end goes as far as the mouse goes: it was not taken hold of at its very middle.
        off = ends[end] - start
        self._thread(ends)
        # After the line is there: napari lets a camera pan again whenever another layer becomes the active one, and a
        # canvas that pans goes along with the mouse, so that nothing would be dragged.
        camera.mouse_pan = False
        try:
            yield
            while event.type == "mouse_move":
                self._thread(self._pulled(ends, end, event, off))
                yield
            # napari holds moves back that come fast, and lets the release overtake them: only the release itself has
            # the place where the button was let go.
            ends = self._pulled(ends, end, event, off)
        finally:
            camera.mouse_pan = True
            self._thread(None)
        if _near(event, pressed) or self._pane.frame is not frame or self._pane.diameters is not lines:
            return
        if grip is None or lines is None:
            self._user.diameter_drawn(self._side, ends)
        else:
            self._user.diameter_dragged(self._side, int(lines.features["lesion"].iloc[grip[0]]), ends)

    def _pulled(self, ends: Floats, end: int, event: Any, off: Floats) -> Floats:
        """Return the ends with one of them where the mouse is, on the slice of the other."""
        pulled = ends.copy()
        pulled[end] = np.array(event.position, dtype=np.float64) + off
        pulled[end, self._pane.slice_axis] = pulled[1 - end, self._pane.slice_axis]
        return pulled

    def _thread(self, ends: Floats | None) -> None:
        """Show the line that is being drawn; None hides it, and leaves nothing that would count as a place."""
        model = self._pane.model
        if self._line is None or self._line not in model.layers:
            if ends is None:
                return
            active = model.layers.selection.active
            self._line = model.add_vectors(
                np.zeros((1, 2, 3)),
                name="caliper",
                ndim=3,
                edge_width=0.9,
                edge_color="#ffffff",
                vector_style="line",
                **self._pane.drawing_kind(),
            )
            model.layers.selection.active = active
        if ends is not None:
            first, second = self._pane.to_drawing(ends)
            self._line.scale = self._pane.drawing_kind()["scale"]
            self._line.translate = self._pane.drawing_kind()["translate"]
            self._line.data = np.stack([first, second - first])[None]
        else:
            self._line.data = np.zeros((0, 2, 3))
        self._line.visible = ends is not None


def _near(event: Any, pressed: Floats) -> bool:
    """Tell whether the mouse is where it was pressed, as far as a hand can keep it still."""
    return float(np.linalg.norm(np.array(event.pos) - pressed)) <= _STILL_PX
