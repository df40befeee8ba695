"""The strip over the images: the visits to choose from, the grey window, the switches, and how much is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QProgressBar, QScrollArea, QToolButton, QWidget

from lesiontrack_napari.panels.deciding import Say
from lesiontrack_napari.panels.keys import hint

__all__ = ["Stop", "VisitStrip"]

_CURRENT = "QToolButton { background: #2c5d8f; font-weight: bold; }"
_SWITCH = (
    "QToolButton { border: 1px solid #5a626c; border-radius: 3px; padding: 3px 6px; color: #9aa2ac }"
    "QToolButton:checked { background: #2c5d8f; color: #ffffff }"
)
_PRIOR = "QToolButton { background: #4a4f57; border: 1px solid #9ab; }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A visit of the strip."""

    timepoint: int
    date: str
    overall: str
    usable: bool
    locked: bool
    read: bool = False


class VisitStrip(QWidget):
    """Click a visit to read it, right-click to take it as the prior."""

    def __init__(self, say: Say, choose: Callable[[int, bool], None]) -> None:
        super().__init__()
        self._choose = choose
        self._buttons: dict[int, QToolButton] = {}
        self.subject = QLabel()
        self.subject.setTextFormat(Qt.TextFormat.RichText)
        self._visits = QHBoxLayout()
        self._visits.setSpacing(3)
        self._visits.setContentsMargins(0, 0, 0, 0)
        inside = QWidget()
        inside.setLayout(self._visits)
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.window_preset = QComboBox()
        self.window_preset.setToolTip(hint("window"))
        self.window_preset.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.window_preset.currentTextChanged.connect(lambda name: say("preset", name))
        self.series = QComboBox()
        self.series.setToolTip(hint("series"))
        self.series.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.series.setMaximumWidth(150)
        self.series.activated.connect(lambda n: say("series_at", n))
        self.together = self._switch("linked", "together", say, on=True)
        self.outlines = self._switch("outlines", "outlines", say, on=True)
        self.blink = self._switch("blink", "blink", say, on=False)
        self.progress = QProgressBar()
        self.progress.setFixedWidth(100)
        self.progress.setFormat("read %p %")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 2)
        layout.setSpacing(6)
        layout.addWidget(self.subject)
        layout.addWidget(area, 1)
        for widget in (self.series, self.window_preset, self.together, self.outlines, self.blink, self.progress):
            layout.addWidget(widget)
        self.setFixedHeight(46)

    def _switch(self, name: str, action: str, say: Say, *, on: bool) -> QToolButton:
        button = QToolButton()
        button.setText(name)
        button.setCheckable(True)
        button.setStyleSheet(_SWITCH)
        button.setChecked(on)
        button.setToolTip(hint(action))
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda: say(action))
        return button

    def fill(self, subject: str, stops: Sequence[Stop], current: int, prior: int, read: float) -> None:
        """Show the visits of a case."""
        self.subject.setText(subject)
        if [stop.timepoint for stop in stops] != list(self._buttons):
            self._make(stops)
        for stop in stops:
            button = self._buttons[stop.timepoint]
            marks = (" \N{CHECK MARK}" if stop.read else "") + (" closed" if stop.locked else "")
            button.setText(f"{stop.timepoint}  {stop.overall or 'visit'}{marks}\n{stop.date}")
            button.setEnabled(stop.usable)
            button.setStyleSheet(_CURRENT if stop.timepoint == current else _PRIOR if stop.timepoint == prior else "")
            said = f"{'read' if stop.read else 'not read yet'}{', closed' if stop.locked else ''}"
            button.setToolTip(f"{said}; click: read this visit; right-click: take it as the prior")
        if self.progress.value() != round(100 * read):
            self.progress.setValue(round(100 * read))

    def offer_presets(self, names: Sequence[str], chosen: str) -> None:
        """Offer the grey windows of what is shown."""
        box = self.window_preset
        box.blockSignals(True)
        if [box.itemText(n) for n in range(box.count())] != list(names):
            box.clear()
            box.addItems(list(names))
        box.setCurrentText(chosen or names[0])
        box.blockSignals(False)

    def _make(self, stops: Sequence[Stop]) -> None:
        while self._visits.count():
            taken = self._visits.takeAt(0)
            if taken.widget() is not None:
                taken.widget().deleteLater()
        self._buttons = {}
        for stop in stops:
            button = QToolButton()
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _=False, t=stop.timepoint: self._choose(t, False))
            button.installEventFilter(self)
            self._buttons[stop.timepoint] = button
            self._visits.addWidget(button)
        self._visits.addStretch(1)

    def eventFilter(self, watched: QObject, event: Any) -> bool:  # noqa: N802 - Qt's name
        """Take a right click for choosing the prior."""
        if event.type() == QEvent.Type.MouseButtonPress and event.button() == Qt.MouseButton.RightButton:
            for timepoint, button in self._buttons.items():
                if button is watched and button.isEnabled():
                    self._choose(timepoint, True)
                    return True
        return False
