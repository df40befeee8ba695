"""A pane: one visit in one napari canvas, with its lesions, letters, scale bar and crosshair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from napari.components import ViewerModel
from napari.components.overlays import TextOverlay
from napari.layers import Image, Labels, Points, Vectors
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Volume
from lesiontrack_napari.frame import Frame
from lesiontrack_napari.layers import Lines, Marks, Outlines

__all__ = ["Pane"]

Floats = NDArray[np.float64]

_AXES = {"units": ("mm", "mm", "mm"), "axis_labels": ("z", "y", "x")}
_EDGES = {"top": "top_center", "bottom": "bottom_center", "left": "middle_left", "right": "middle_right"}
_TEXT_COLOUR = "#f0f0f0"
_TEXT = {"string": "{text}", "color": {"feature": "ink"}, "size": 12, "anchor": "center"}
_CROSS_COLOUR = "#ffe800"
# Screen pixels: what a mouse still hits, and the size of the crosshair.
_CROSS_PX = 22
_BORDER_MM = 1.0


class Pane:
    """Draws one visit; knows nothing of the other pane, of sessions and of decisions.

    Attributes
    ----------
    model
        The viewer, napari's own or an embedded one.
    frame
        Of the scan that is shown; None before the first.
    """

    def __init__(self, model: Any) -> None:
        self.model: ViewerModel = model
        self.frame: Frame | None = None
        self.image: Image | None = None
        self.labels: Labels | None = None
        self.lines: Vectors | None = None
        self.diameters: Lines | None = None
        self._marked: Marks | None = None
        self._outlines: Outlines | None = None
        self._over: Image | None = None
        self._colours: dict[int, str] = {}
        self.marks: Points | None = None
        self.cross: Points | None = None
        self._letters()

    # --- what is shown ----------------------------------------------------------------------------------------------

    def show_scan(self, volume: Volume, frame: Frame, window: tuple[float, float], title: str) -> None:
        """Show a scan's voxels in place of the one before.

        Layers stay and take other data: napari collects all garbage of the process whenever one is removed.
        """
        self.frame = frame
        voxels = frame.view(volume.voxels)
        if self.image is not None and self.image.data.dtype != voxels.dtype:
            self._drop(self.image)
            self.image = None
        if self.image is None:
            self.image = self._add_image(voxels, "scan", frame, window)
            self.model.layers.move(self.model.layers.index(self.image), 0)
        else:
            self.image.data = voxels
            self._place(self.image, frame.scale_mm, frame.translate_mm)
            for layer in (self.lines, self.marks, self.cross):
                if layer is not None:
                    self._place(layer, frame.drawing_scale_mm, frame.drawing_translate_mm)
            self.diameters = self._marked = None
        low, high = (-1024.0, 3071.0) if volume.modality == "CT" else (min(window[0], 0.0), 4 * window[1])
        self.image.contrast_limits_range = (min(low, window[0]), max(high, window[1]))
        self.image.contrast_limits = window
        self._orient(frame)
        self.model.canvas.overlays["title"].text = title

    def _add_image(self, voxels: NDArray[Any], name: str, frame: Frame, window: tuple[float, float]) -> Image:
        return self.model.add_image(
            voxels,
            name=name,
            scale=frame.scale_mm,
            translate=frame.translate_mm,
            contrast_limits=window,
            colormap="gray",
            interpolation2d="linear",
            **_AXES,
        )

    def show_lesions(self, outlines: Outlines | None, colours: Mapping[int, str], lines: Lines, marks: Marks) -> None:
        """Show outlines, diameters and marks in place of those before; ``None`` leaves the outlines' voxels."""
        self._show_outlines(outlines, colours)
        self._show_lines(lines)
        self._show_marks(marks)
        if self.cross is None:
            self._add_cross()
        if self.model.layers.selection.active is not self.image:
            self.model.layers.selection.active = self.image

    def _show_outlines(self, outlines: Outlines | None, colours: Mapping[int, str]) -> None:
        self._outlines = outlines or self._outlines
        if self.labels is None and outlines is not None:
            self.labels = self.model.add_labels(
                outlines.labels,
                name="lesions",
                scale=outlines.scale_mm,
                translate=outlines.translate_mm,
                colormap=_label_colormap(colours),
                opacity=0.9,
                **_AXES,
            )
            self.labels.contour = 1
        elif self.labels is not None:
            if outlines is not None:
                self.labels.data = outlines.labels
                self._place(self.labels, outlines.scale_mm, outlines.translate_mm)
            if colours != self._colours:
                self.labels.colormap = _label_colormap(colours)
        self._colours = dict(colours)

    def _show_lines(self, lines: Lines) -> None:
        if self.lines is not None and self.diameters is not None and lines.same_as(self.diameters):
            return
        ends = self.to_drawing(lines.ends_mm)
        vectors = np.stack([ends[:, 0], ends[:, 1] - ends[:, 0]], axis=1)
        colours = _rgba(lines.features["colour"])
        if self.lines is None:
            self.lines = self.model.add_vectors(
                vectors,
                name="diameters",
                ndim=3,
                edge_width=0.7,
                edge_color=colours,
                vector_style="line",
                **self.drawing_kind(),
            )
        else:
            self.lines.data = vectors
            self.lines.edge_color = colours
        self.diameters = lines

    def _show_marks(self, marks: Marks) -> None:
        if self.marks is not None and self._marked is not None and marks.same_as(self._marked):
            return
        self._marked = marks
        colours = _rgba(marks.features["colour"])
        colours[~marks.features["drawn"].to_numpy(dtype=bool), 3] = 0.0
        symbols, borders = list(marks.features["symbol"]), _borders(marks.sizes_mm)
        # napari takes sizes in the units of the last axis, which on sagittal slices is the one across them.
        assert self.frame is not None  # nothing is drawn before there is a scan
        sizes = marks.sizes_mm / float(self.frame.drawing_scale_mm[-1])
        if self.marks is None:
            self.marks = self.model.add_points(
                self.to_drawing(marks.places_mm),
                name="marks",
                ndim=3,
                size=sizes if len(sizes) else 10.0,
                symbol=symbols or "ring",
                face_color="transparent",
                border_color=colours if len(colours) else "white",
                border_width=borders if len(sizes) else 0.1,
                features=marks.features,
                text=_TEXT if symbols else None,
                **self.drawing_kind(),
            )
            return
        self.marks.data = self.to_drawing(marks.places_mm)
        self.marks.features = marks.features
        if symbols:
            self.marks.size = sizes
            self.marks.symbol = symbols
            self.marks.border_color = colours
            self.marks.border_width = borders
            self.marks.face_color = np.zeros((len(symbols), 4))
            self.marks.text = _TEXT

    def drawing_kind(self) -> dict[str, Any]:
        """Return what every layer of points or lines over the scan is made with."""
        assert self.frame is not None  # nothing is drawn before there is a scan
        return {"scale": self.frame.drawing_scale_mm, "translate": self.frame.drawing_translate_mm, **_AXES}

    def to_drawing(self, points_mm: Floats) -> Floats:
        """Map world mm (..., 3) to the coordinates of such a layer."""
        assert self.frame is not None  # as above
        return self.frame.to_drawing(points_mm)

    def _place(self, layer: Any, scale_mm: Floats, translate_mm: Floats) -> None:
        if not np.array_equal(layer.scale, scale_mm):
            layer.scale = scale_mm
        if not np.array_equal(layer.translate, translate_mm):
            layer.translate = translate_mm
        # The slice was cut from the new data where the old ones lay.
        layer.refresh()

    def clear(self) -> None:
        """Take everything off."""
        for layer in (self.cross, self.marks, self.lines, self.labels, self.image):
            self._drop(layer)
        self.image = self.labels = self.lines = self.marks = self.cross = self.frame = self.diameters = self._marked = (
            None
        )

    def _drop(self, layer: Any) -> None:
        if layer is not None and layer in self.model.layers:
            self.model.layers.remove(layer)

    def set_drawings(self, visible: bool) -> None:
        """Show or hide outlines, diameters and marks."""
        for layer in (self.labels, self.lines, self.marks):
            if layer is not None:
                layer.visible = visible

    def overlay(self, volume: Volume, frame: Frame, moved_mm: Floats, window: tuple[float, float]) -> None:
        """Show another scan in the image's place, moved by world mm; `unlay` brings the own one back."""
        if self.image is None or self.frame is None:
            return
        self.image.visible = False
        if self._over is not None and self._over.data.dtype != volume.voxels.dtype:
            self._drop(self._over)
            self._over = None
        if self._over is None or self._over not in self.model.layers:
            self._over = self._add_image(frame.view(volume.voxels), "blink", frame, window)
            self.model.layers.move(self.model.layers.index(self._over), 1)
        else:
            self._over.data = frame.view(volume.voxels)
        self._place(self._over, frame.scale_mm, frame.translate_mm + moved_mm)
        self._over.contrast_limits = window
        self._over.visible = True
        self.model.layers.selection.active = self.image

    def unlay(self) -> None:
        """Bring the own scan back, and let the other one's voxels go."""
        if self._over is not None and self._over.visible:
            self._over.visible = False
            self._over.data = np.zeros((2, 2, 2), dtype=self._over.data.dtype)
        if self.image is not None:
            self.image.visible = True

    # --- orientation ------------------------------------------------------------------------------------------------

    def _orient(self, frame: Frame) -> None:
        """Show the scan's own slices, upright: the head up, the patient's right on the left."""
        sliced = frame.slice_axis
        rows, columns = (axis for axis in range(3) if axis != sliced)
        self.model.dims.order = (sliced, rows, columns)
        self.model.scene.camera.orientation2d = ("up" if rows == 0 else "down", "right")
        for edge, letter in frame.letters(rows, columns).items():
            self.model.canvas.overlays[f"side_{edge}"].text = letter

    def _letters(self) -> None:
        overlays = self.model.canvas.overlays
        for edge, position in _EDGES.items():
            overlays[f"side_{edge}"] = TextOverlay(
                text="", position=position, visible=True, color=_TEXT_COLOUR, box=True, font_size=12
            )
        overlays["title"] = TextOverlay(
            text="", position="top_left", visible=True, color=_TEXT_COLOUR, box=True, font_size=11
        )
        overlays.scale_bar.visible = True
        overlays.scale_bar.position = "bottom_right"

    # --- where it looks ---------------------------------------------------------------------------------------------

    @property
    def slice_axis(self) -> int:
        """World axis that the slider moves along."""
        return int(self.model.dims.order[0])

    @property
    def plane_axes(self) -> tuple[int, int]:
        """World axes on the screen, downwards and to the right."""
        return int(self.model.dims.order[1]), int(self.model.dims.order[2])

    def centre_mm(self) -> Floats:
        """Return the world place in the middle of the canvas, on the slice shown."""
        place = np.array(self.model.dims.point[:3], dtype=np.float64)
        for axis, value in zip(self.plane_axes, self.model.scene.camera.center[-2:], strict=True):
            place[axis] = value
        return place

    def look_at(self, place_mm: Floats, zoom: float | None = None, *, centre: bool = True) -> None:
        """Show the slice that holds a world place, in the middle of the canvas."""
        if self.model.dims.ndim != 3 or self.frame is None:
            return
        place_mm = self.frame.on_slice(place_mm)
        self.model.dims.set_point(self.slice_axis, float(place_mm[self.slice_axis]))
        camera = self.model.scene.camera
        if zoom is not None and camera.zoom != zoom:
            camera.zoom = zoom
        if centre:
            rows, columns = self.plane_axes
            camera.center = (0.0, float(place_mm[rows]), float(place_mm[columns]))

    def step(self, slices: int) -> None:
        """Go on by some slices; positive is towards the head for axial ones."""
        if self.model.dims.ndim == 3:
            axis = self.slice_axis
            now = self.model.dims.current_step[axis]
            last = self.model.dims.nsteps[axis] - 1
            self.model.dims.set_current_step(axis, int(np.clip(now + slices, 0, last)))

    # --- crosshair --------------------------------------------------------------------------------------------------

    def _add_cross(self) -> None:
        self.cross = self.model.add_points(
            np.zeros((1, 3)),
            name="crosshair",
            ndim=3,
            symbol="disc",
            size=10.0,
            # A circle: what it points at must be seen.
            face_color="transparent",
            border_color=_CROSS_COLOUR,
            border_width=0.1,
            canvas_size_limits=(_CROSS_PX, _CROSS_PX),
            visible=False,
            **self.drawing_kind(),
        )

    def show_cross(self, place_mm: Floats | None) -> None:
        """Show the corresponding point on the slice that is open; None hides it."""
        if self.cross is None:
            return
        if place_mm is None:
            if self.cross.visible:
                self.cross.visible = False
            return
        place = np.array(place_mm, dtype=np.float64)
        place[self.slice_axis] = self.model.dims.point[self.slice_axis]
        self.cross.data = self.to_drawing(place[None])
        if not self.cross.visible:
            self.cross.visible = True

    # --- what lies where --------------------------------------------------------------------------------------------

    def lesion_at(self, place_mm: Floats) -> int:
        """Return the lesion number at a world place, 0 where there is none."""
        if self._outlines is None:
            return 0
        at = np.round((np.asarray(place_mm) - self._outlines.translate_mm) / self._outlines.scale_mm).astype(np.intp)
        inside = bool((at >= 0).all() and (at < self._outlines.labels.shape).all())
        return int(self._outlines.labels[tuple(at)]) if inside else 0


def _label_colormap(colours: Mapping[int, str]) -> DirectLabelColormap:
    table: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    return DirectLabelColormap(color_dict=table | dict(colours))


def _borders(sizes_mm: Floats) -> Floats:
    """Return the border of each mark as a part of its size: of one width, mm."""
    return np.clip(_BORDER_MM / sizes_mm, 0.02, 0.3)


def _rgba(colours: pd.Series[str]) -> Floats:
    """Return colours (n, 4), 0 to 1."""
    named = [[int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)] + [1.0] for colour in colours]
    return np.array(named, dtype=np.float64).reshape(-1, 4)
