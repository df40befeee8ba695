"""The brush: a lesion is painted in a box around it, so that no second volume is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesiontrack_napari.panels.views import Shown

__all__ = ["Brush"]

# Half the box, mm, in each direction: more than the largest lesion that is painted by hand.
_REACH_MM = 70.0
_SIZE_MM = 6.0


class Brush:
    """A labels layer over a pane; napari's own painting, sizes and undo work in it."""

    def __init__(self, model: Any, shown: Shown, centre_mm: NDArray[np.float64], old: NDArray[np.bool_] | None) -> None:
        frame = shown.frame
        self._model = model
        self._shown = shown
        size = np.array(frame.grid.shape)[list(frame.order)]
        middle = (centre_mm - frame.translate_mm) / frame.scale_mm
        reach = _REACH_MM / frame.scale_mm
        first = np.clip(np.floor(middle - reach), 0, size - 1).astype(int)
        last = np.clip(np.ceil(middle + reach) + 1, first + 1, size).astype(int)
        self._box = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        painted = np.zeros(tuple(last - first), dtype=np.uint8)
        if old is not None:
            painted[frame.view(old)[self._box]] = 1
        self.layer = model.add_labels(
            painted,
            name="paint",
            scale=frame.scale_mm,
            translate=frame.translate_mm + first * frame.scale_mm,
            opacity=0.45,
            units=("mm", "mm", "mm"),
            axis_labels=("z", "y", "x"),
        )
        self.layer.selected_label = 1
        self.layer.brush_size = max(2, round(_SIZE_MM / float(frame.scale_mm[-1])))
        self.layer.mode = "paint"
        model.layers.selection.active = self.layer

    def mask(self) -> NDArray[np.bool_]:
        """Return what is painted, bool (k, j, i) on the scan's grid."""
        whole = np.zeros(self._shown.frame.grid.shape, dtype=np.bool_)
        self._shown.frame.view(whole)[self._box] = np.asarray(self.layer.data) > 0
        return whole

    def undo(self) -> None:
        """Take the last stroke back."""
        self.layer.undo()

    def close(self) -> None:
        """Take the layer off."""
        if self.layer in self._model.layers:
            self._model.layers.remove(self.layer)
