"""What got in the way of one who read cases by hand: keys that did nothing, unequal pictures, codes for words."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtGui import QKeyEvent, QShortcut
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QMenu

from lesiontrack_napari.panels.keys import KEYS
from lesiontrack_napari.panels.room import ReadingRoom
from lesiontrack_napari.wording import asked
from tests.reading import SUBJECT


def _menu_keys(room: ReadingRoom) -> set[str]:
    entries = {entry for menu in room.window().findChildren(QMenu) for entry in menu.actions()}
    return {key.toString() for entry in entries for key in entry.shortcuts()}


def _wait(room: ReadingRoom, milliseconds: int = 400) -> None:
    QTest.qWait(milliseconds)
    QCoreApplication.processEvents()


def _keys(room: ReadingRoom) -> list[QShortcut]:
    names = {key for key, _ in KEYS.values()}
    return [each for each in room.window().findChildren(QShortcut) if each.key().toString() in names]


def test_a_reader_meets_nothing_in_the_way(room: ReadingRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """One case in one window: keys, pictures, words, worklist."""
    theirs = _menu_keys(room)
    assert "Ctrl+S" in theirs
    # A key that is pressed while the case opens decides nothing.
    early: list[bool] = []
    show = room.open_session

    def show_while_a_key_is_pressed(session: object) -> None:
        show(session)  # type: ignore[arg-type]
        early.extend(each.isEnabled() for each in _keys(room))

    monkeypatch.setattr(room, "open_session", show_while_a_key_is_pressed)
    room.open_subject(SUBJECT)
    assert early
    assert not any(early)
    session, views = room.session, room.views
    assert session is not None and views is not None and room.docks is not None
    assert all(each.isEnabled() for each in _keys(room))
    # What is asked stands there from the beginning, in words.
    assert session.item is not None
    assert room.deciding.message.text() == asked(session.item)

    # A key that a menu has too would do neither of the two.
    assert not _menu_keys(room) & {key for key, _ in KEYS.values()}

    # Both panes show a millimetre at the same length.
    _wait(room)
    zooms = [pane.model.scene.camera.zoom for pane in views.panes]
    assert zooms[0] == pytest.approx(zooms[1])

    # The buttons stay where they are, whatever is said over them.
    place = room.deciding.buttons["confirm"].pos()
    room.deciding.at_hand("#ffffff", "L01", ["one line"] * 4)
    _wait(room, 50)
    assert room.deciding.buttons["confirm"].pos() == place

    # Down the table with a key; confirmed lesions are green, others are not.
    room.go("L01", 1)
    room.acting.say("row_next")
    assert session.track_id == "L02"
    rows = {row.track_id: row for row in room.table.model.rows}
    assert not rows["L02"].read
    room.acting.say("confirm")
    assert {row.track_id: row.read for row in room.table.model.rows}["L02"]
    assert session.track_id == "L03"
    assert room.deciding.message.text().startswith("L02 confirmed")
    room.acting.say("undo")
    assert room.deciding.message.text() == "undone: confirm lesion"
    room.acting.say("lock")
    assert room.deciding.message.text() == "visit 1 closed"

    # Return in the line of reasons is the line's: as the window's key it would confirm the lesion.
    for modifier, own in ((Qt.KeyboardModifier.NoModifier, True), (Qt.KeyboardModifier.ShiftModifier, False)):
        press = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Return, modifier)
        press.ignore()
        QCoreApplication.sendEvent(room.deciding.reason, press)
        assert press.isAccepted() is own

    # The worklist shows how far the case is read now, and its keys are its own.
    room.tabs.setCurrentIndex(0)
    row = room.cases.table.findItems(SUBJECT, Qt.MatchFlag.MatchExactly)[0].row()
    assert room.cases.table.item(row, 2).text() == "begun"
    assert not any(each.isEnabled() for each in _keys(room))
    room.tabs.setCurrentIndex(1)
    room.leave()
    assert _menu_keys(room) == theirs
