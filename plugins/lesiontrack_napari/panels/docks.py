"""Where everything sits: napari's canvas, the prior beside it as wide, strip above, table below, words right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.qt import QtViewer
from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QDockWidget, QMainWindow, QStyle, QWidget

from lesiontrack_napari.panels.lesions import LesionTable

__all__ = ["Docks", "put_away", "widen"]

# napari's own docks, which a reader does not need; the Window menu brings them back.
_NAPARIS = ("layer list", "layer controls", "console")
# Width of the words on a window of common width and on a wide one; the table shows all rows if it may take so much.
_WORDS_WIDTH, _WIDE_WORDS, _WIDE_WINDOW = 350, 400, 1600
_SETTLED_MS, _MOST_TRIES, _EQUAL_PX = 80, 8, 12
_TABLE_SHARE, _TALL_SHARE, _TALL_WINDOW = 0.24, 0.32, 1000


class Docks(QObject):
    """Adds the docks to napari's window and keeps the two panes equal; `close` takes all of it down again.

    Attributes
    ----------
    prior_model
        The embedded viewer's model.
    arranged
        Emitted when the panes have their sizes.
    """

    arranged = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self.prior_model = ViewerModel(title="prior")
        self._prior: QtViewer | None = QtViewer(self.prior_model)
        self._docks: dict[str, QDockWidget] = {}
        self._hidden: list[QDockWidget] = []
        self._window: QMainWindow | None = None
        self._whole_table: Callable[[], int] = lambda: 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(30)
        self._timer.timeout.connect(self.arrange)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(_SETTLED_MS)
        self._settling.timeout.connect(self._settled)
        self._tries = 0

    def show(self, strip: QWidget, table: LesionTable, words: QWidget) -> None:
        """Put the panels into the window."""
        self._whole_table = table.whole_height
        self._add("prior", self._prior, "left")
        self._add("visits", strip, "top")
        self._add("lesions", table, "bottom")
        self._add("words", words, "right")
        window = strip.window()
        assert isinstance(window, QMainWindow)  # a dock's window is the main window
        self._window = window
        window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        window.setCorner(Qt.Corner.TopRightCorner, Qt.DockWidgetArea.TopDockWidgetArea)
        window.setCorner(Qt.Corner.TopLeftCorner, Qt.DockWidgetArea.TopDockWidgetArea)
        window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.BottomDockWidgetArea)
        self._hidden += put_away(window)
        for dock in self._docks.values():
            # Without title bars the two panes have one height, and the images more room.
            dock.setTitleBarWidget(QWidget(dock))
        window.installEventFilter(self)
        self._timer.start()

    def _add(self, name: str, widget: Any, area: str) -> None:
        """Dock a widget, unless napari has done it already; keep Qt's own dock, not napari's proxy of it."""
        if _dock_of(widget) is None:
            self._viewer.window.add_dock_widget(widget, name=name, area=area, allowed_areas=[area])
        dock = _dock_of(widget)
        assert dock is not None  # just added
        self._docks[name] = dock

    def eventFilter(self, watched: QObject, event: Any) -> bool:  # noqa: N802 - Qt's name
        """Keep the panes equal when the window changes its size."""
        if watched is self._window and event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._timer.start()
        return False

    def arrange_soon(self) -> None:
        """Arrange once Qt has done what it is at."""
        self._timer.start()

    def arrange(self) -> None:
        """Give the words their width, the table its height, and each pane half of the rest."""
        window, prior = self._window, self._prior
        if window is None or prior is None or window.centralWidget() is None:
            return
        docks = self._docks
        words = _WIDE_WORDS if window.width() >= _WIDE_WINDOW else _WORDS_WIDTH
        window.resizeDocks([docks["words"]], [words], Qt.Orientation.Horizontal)
        share = _TALL_SHARE if window.height() >= _TALL_WINDOW else _TABLE_SHARE
        height = min(self._whole_table(), int(window.height() * share))
        window.resizeDocks([docks["lesions"]], [max(height, 130)], Qt.Orientation.Vertical)
        # What the words leave, not what the panes have now: Qt lays out later.
        between = window.style().pixelMetric(QStyle.PixelMetric.PM_DockWidgetSeparatorExtent)
        both = window.width() - words - 2 * between
        window.resizeDocks([docks["prior"], docks["words"]], [both // 2, words], Qt.Orientation.Horizontal)
        # The canvases learn of their sizes when Qt has laid the window out.
        self._settling.start()

    def _settled(self) -> None:
        """Arrange again where the panes are not equal yet: Qt gives what it can at the time."""
        if self._window is None:
            return
        (main, _), (prior, _) = self.pane_sizes()
        self._tries = self._tries + 1 if abs(main - prior) > _EQUAL_PX and self._tries < _MOST_TRIES else 0
        if self._tries:
            self.arrange()
        else:
            self.arranged.emit()

    def pane_sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return width and height of the main canvas's and of the prior's place, pixels."""
        assert self._window is not None and self._prior is not None  # asked while shown
        main, prior = self._window.centralWidget(), self._prior
        return (main.width(), main.height()), (prior.width(), prior.height())

    @property
    def prior_widget(self) -> QtViewer:
        """The embedded viewer's widget."""
        assert self._prior is not None  # asked while shown
        return self._prior

    def close(self, keep: QWidget | None = None) -> None:
        """Take the docks off in the order that napari survives; ``keep`` is a widget whose dock stays napari's."""
        self._timer.stop()
        self._settling.stop()
        if self._prior is None:
            return
        if self._window is not None:
            self._window.removeEventFilter(self)
        self.prior_model.layers.clear()
        for name, dock in self._docks.items():
            if keep is not None and name == "words":
                continue
            widget = dock.widget()
            try:
                self._viewer.window.remove_dock_widget(dock)
            except (LookupError, RuntimeError):
                # napari's window is closing and has taken it already.
                continue
            finally:
                del widget
        self._prior.close()
        self._prior.setParent(None)
        self._prior.deleteLater()
        self._prior = None
        for dock in self._hidden:
            dock.show()
        self._docks.clear()
        self._hidden.clear()
        self._window = None


def put_away(window: QWidget) -> list[QDockWidget]:
    """Hide napari's own docks, which a reader does not need, and return those that were shown."""
    found = [dock for dock in window.findChildren(QDockWidget) if dock.objectName() in _NAPARIS and dock.isVisible()]
    for dock in found:
        dock.hide()
    return found


def widen(widget: QWidget, width: int) -> None:
    """Give the dock that a widget is in another width, pixels."""
    dock, window = _dock_of(widget), widget.window()
    if dock is not None and isinstance(window, QMainWindow):
        window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)


def _dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that napari has already put a widget into."""
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parent()
    return parent
