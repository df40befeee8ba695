"""Drags of a diameter's end, by mouse events on the canvas of the prior pane."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QPoint, Qt
from qtpy.QtTest import QTest

from lesiontrack_napari.panels.room import ReadingRoom
from lesiontrack_napari.panels.views import PRIOR
from tests.reading import SUBJECT


def _length(room: ReadingRoom) -> float:
    assert room.session is not None
    lesion = room.session.sighting(2, "L01")
    assert lesion is not None
    return float(lesion.longest_diameter_mm)


def _drag(room: ReadingRoom, by_px: tuple[int, int], *, back: bool = False) -> np.ndarray:
    """Drag an end of L01's diameter at visit 2, without a rest; return how far, mm (z, y, x)."""
    assert room.docks is not None and room.views is not None and room.session is not None
    room.go("L01", 3)
    for _ in range(10):
        QCoreApplication.processEvents()
    pane, native = room.views.panes[PRIOR], room.docks.prior_widget.canvas.native
    lines = pane.diameters
    assert lines is not None
    lesion = room.session.sighting(2)
    assert lesion is not None
    row = list(lines.features["lesion"]).index(lesion.lesion_id)
    camera = pane.model.scene.camera
    away = (lines.ends_mm[row, 1, 1:] - np.array(camera.center[1:])) * camera.zoom
    # A hand takes hold near the end, not of its very middle.
    start = QPoint(round(native.width() / 2 + away[1]) + 2, round(native.height() / 2 + away[0]) - 1)
    end = start + QPoint(*by_px)
    QTest.mouseMove(native, start)
    QTest.mousePress(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    for part in (0.2, 0.5, 0.8, 1.0):
        QTest.mouseMove(native, start + (end - start) * part)
    let_go = start + QPoint(1, 1) if back else end
    QTest.mouseMove(native, let_go)
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, let_go)
    for _ in range(10):
        QCoreApplication.processEvents()
    moved: np.ndarray = np.array([0.0, by_px[1], by_px[0]]) / camera.zoom
    return moved


@pytest.mark.parametrize("times", [1, 2])
def test_a_drag_ends_where_the_button_is_let_go(room: ReadingRoom, times: int) -> None:
    """However fast, and the first time too, when the line that follows the mouse is new to the canvas."""
    room.open_subject(SUBJECT)
    session, views = room.session, room.views
    assert session is not None and views is not None
    for n in range(1, times + 1):
        lesion = session.sighting(2, "L01")
        assert lesion is not None
        before = np.array(lesion.diameter_ends_lps_mm)
        by = _drag(room, (40, 30))
        assert len(session.decisions) == n, room.deciding.message.text()
        lesion = session.sighting(2, "L01")
        assert lesion is not None
        shown = views.shown[PRIOR]
        assert shown is not None
        moved = shown.frame.to_world(np.array(lesion.diameter_ends_lps_mm)) - shown.frame.to_world(before)
        np.testing.assert_allclose(moved, [np.zeros(3), by], atol=1.0 / views.panes[PRIOR].model.scene.camera.zoom)
        assert views.panes[PRIOR].model.scene.camera.mouse_pan


def test_a_drag_that_changes_nothing_is_no_decision(room: ReadingRoom) -> None:
    """Neither a press with a trembling hand, nor a drag that is taken back."""
    room.open_subject(SUBJECT)
    assert room.session is not None
    before = _length(room)
    _drag(room, (1, 1))
    _drag(room, (40, 30), back=True)
    assert not room.session.decisions
    assert _length(room) == before
