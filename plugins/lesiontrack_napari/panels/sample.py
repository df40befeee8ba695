"""napari's sample menu: a synthetic case, made by the phantom and run as any study is, open in the reading room."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QProcess

from lesiontrack_napari.panels.room import ReadingRoom

__all__ = ["make_sample", "sample_study"]

_SEED = 20
_NAME = "synthetic case, being made"

LayerData = tuple[Any, dict[str, Any], str]


def sample_study() -> list[LayerData]:
    """Open the reading room, and a synthetic case in it as soon as it is made (about a minute).

    napari wants a layer from every sample: an empty one holds the place until then.
    """
    viewer = napari.current_viewer()
    room = ReadingRoom(viewer)
    viewer.window.add_dock_widget(room, name="reading room", area="right")
    room.tell("a synthetic case is being made and read by the machine …")
    make_sample(room, viewer)
    return [(np.zeros((0, 3)), {"name": _NAME, "ndim": 3}, "points")]


def make_sample(room: ReadingRoom, viewer: Any) -> QProcess:
    """Start to make the case in a temporary folder; the room opens it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="lesiontrack-sample-"))
    study, out = folder / "study", folder / "out"
    commands = [
        ["phantom", str(study), "--subjects", "1", "--seed", str(_SEED)],
        ["run", str(study), "--out", str(out)],
    ]
    process = QProcess(room)

    def go_on(code: int = 0, _: object = None) -> None:
        if code not in (0, 1):
            room.tell(f"the synthetic case could not be made (exit code {code})", trouble=True)
        elif commands:
            process.start(sys.executable, ["-m", "lesiontrack.cli", *commands.pop(0)])
        else:
            for layer in [layer for layer in viewer.layers if layer.name == _NAME]:
                viewer.layers.remove(layer)
            room.acting.guarded(lambda: _open(room, out))

    process.finished.connect(go_on)
    go_on()
    return process


def _open(room: ReadingRoom, out: Path) -> None:
    room.open_result(out)
    room.open_first()
    room.tell("a synthetic case, not a patient")
