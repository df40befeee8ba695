"""The keys of the reading room on the window, in place of napari's own that are the same."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtGui import QAction, QKeySequence, QShortcut
from qtpy.QtWidgets import QMenu, QWidget

from lesiontrack_napari.panels.deciding import Say
from lesiontrack_napari.panels.keys import KEYS

__all__ = ["Shortcuts"]


class Shortcuts:
    """Listens to the keys of ``keys.KEYS`` on a window and says the action of each.

    A key that a menu of napari has too would do neither of the two (Qt calls it ambiguous): it is taken off the menu
    until `close`.
    """

    def __init__(self, window: QWidget, say: Say) -> None:
        self._shortcuts: list[QShortcut] = []
        self._menus: list[tuple[QAction, list[QKeySequence]]] = []
        for action, (key, _) in KEYS.items():
            for name in (key, "Enter") if key == "Return" else (key,):
                shortcut = QShortcut(QKeySequence(name), window)
                shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
                shortcut.activated.connect(_speaker(say, action))
                self._shortcuts.append(shortcut)
        ours = {shortcut.key().toString() for shortcut in self._shortcuts}
        for entry in {entry for menu in window.findChildren(QMenu) for entry in menu.actions()}:
            theirs = entry.shortcuts()
            kept = [key for key in theirs if key.toString() not in ours]
            if len(kept) < len(theirs):
                self._menus.append((entry, theirs))
                entry.setShortcuts(kept)

    def listen(self, on: bool) -> None:
        """Take keys, or leave them to whatever has the focus."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(on)

    def close(self) -> None:
        """Give napari its keys back."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts.clear()
        for entry, theirs in self._menus:
            entry.setShortcuts(theirs)
        self._menus.clear()


def _speaker(say: Say, action: str) -> Callable[[], None]:
    return lambda: say(action)
