"""The reading room as its own program for `test_window`: on SIGUSR1 it writes where things are on the screen."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QPoint, QTimer

from lesiontrack_napari.panels.room import ReadingRoom
from lesiontrack_napari.panels.views import MAIN, PRIOR


def _global(widget: Any, x: float, y: float) -> list[int]:
    point = widget.mapToGlobal(QPoint(round(x), round(y)))
    return [point.x(), point.y()]


def _canvas(room: ReadingRoom, side: int) -> Any:
    assert room.docks is not None
    viewer = room.viewer.window._qt_viewer if side == MAIN else room.docks.prior_widget
    return viewer.canvas.native


def _on_canvas(room: ReadingRoom, side: int, place_mm: np.ndarray) -> list[int]:
    assert room.views is not None
    pane, native = room.views.panes[side], _canvas(room, side)
    rows, columns = pane.plane_axes
    camera = pane.model.scene.camera
    y = (place_mm[rows] - camera.center[1]) * camera.zoom + native.height() / 2
    x = (place_mm[columns] - camera.center[2]) * camera.zoom + native.width() / 2
    return _global(native, x, y)


def _cells(room: ReadingRoom) -> dict[str, list[int]]:
    table, found = room.table, {}
    for row, entry in enumerate(table.model.rows):
        for column, (timepoint, _) in enumerate(table.model.visits, start=3):
            rect = table.view.visualRect(table.model.index(row, column))
            found[f"{entry.track_id}@{timepoint}"] = _global(
                table.view.viewport(), rect.center().x(), rect.center().y()
            )
    return found


def _ends(room: ReadingRoom) -> dict[str, list[list[int]]]:
    found: dict[str, list[list[int]]] = {}
    for side, name in ((MAIN, "main"), (PRIOR, "prior")):
        lines = room.views.panes[side].diameters if room.views is not None else None
        for ends, number in zip(lines.ends_mm, lines.features["lesion"], strict=True) if lines is not None else ():
            found[f"{name}:{number}"] = [_on_canvas(room, side, end) for end in ends]
    return found


def _lesions(room: ReadingRoom) -> dict[str, list[int]]:
    """Return the middle of each lesion of the main pane, by track."""
    session, views = room.session, room.views
    shown = views.shown[MAIN] if views is not None else None
    found: dict[str, list[int]] = {}
    if session is None or shown is None:
        return found
    for lesion in session.history.lesions_at(shown.timepoint):
        track = session.track_of(shown.timepoint, lesion.lesion_id)
        if track is not None:
            place = shown.frame.to_world(np.array(lesion.centroid_lps_mm))
            found[track.track_id] = _on_canvas(room, MAIN, place)
    return found


def where(room: ReadingRoom) -> dict[str, Any]:
    """Return global coordinates of what a reader clicks, and what the panels say."""
    cases = room.cases.table
    rows = {}
    for n in range(cases.rowCount()):
        middle = cases.visualItemRect(cases.item(n, 0)).center()
        rows[cases.item(n, 0).text()] = _global(cases.viewport(), middle.x(), middle.y())
    said: dict[str, Any] = {"cases": rows, "message": room.deciding.message.text(), "ready": room.session is not None}
    if room.session is None or room.docks is None:
        return said
    buttons = {name: _global(b, b.width() / 2, b.height() / 2) for name, b in room.deciding.buttons.items()}
    tables = {row.track_id: [cell.text for cell in row.cells] for row in room.table.model.rows}
    verdict = [[room.verdict.table.item(r, c).text() for c in range(8)] for r in range(room.verdict.table.rowCount())]
    return said | {
        "cells": _cells(room),
        "buttons": buttons,
        "ends": _ends(room),
        "lesions": _lesions(room),
        "table": tables,
        "fates": {row.track_id: row.fate for row in room.table.model.rows},
        "verdict": verdict,
        "panes": room.docks.pane_sizes(),
        "window": [room.window().width(), room.window().height()],
        "at": [room.session.track_id, room.session.current, room.session.prior],
        "decisions": len(room.session.decisions),
    }


def main(out: str, answer: str) -> None:
    """Open the worklist of a result folder, on the whole screen."""
    viewer = napari.Viewer(title="lesiontrack", show=False)
    room = ReadingRoom(viewer)
    room.open_result(Path(out), "anna")
    viewer.window.add_dock_widget(room, name="reading room", area="right")
    viewer.show()
    viewer.window._qt_window.showMaximized()
    asked: list[int] = []
    signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
    timer = QTimer()

    def tell() -> None:
        if asked:
            asked.clear()
            aside = Path(answer + ".new")
            aside.write_text(json.dumps(where(room), default=int))
            aside.replace(answer)

    timer.timeout.connect(tell)
    timer.start(50)
    Path(answer).write_text("{}")
    napari.run()


if __name__ == "__main__":
    main(*sys.argv[1:3])
