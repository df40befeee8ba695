"""The panel for deciding: what is at hand, a button for each word, the reason, and what was said last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QLineEdit, QMenu, QToolButton, QVBoxLayout, QWidget

from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.study import Site
from lesiontrack.report import words
from lesiontrack_napari.panels.keys import KEYS, hint
from lesiontrack_napari.wording import METHODS, STATUSES

__all__ = ["DecidingPanel", "Say"]

# Called with the name of an action and its arguments.
Say = Callable[..., None]

_BUTTONS = (
    ("confirm", "confirm"),
    ("next", "next"),
    ("link", "link"),
    ("unlink", "unlink"),
    ("split", "split"),
    ("merge", "merge"),
    ("reject", "reject"),
    ("target", "target"),
    ("diameter", "diameter"),
    ("paint", "paint"),
    ("undo", "undo"),
    ("redo", "redo"),
)
_STATES = (LesionWord.ABSENT, LesionWord.TSTM, LesionWord.PRESENT, LesionWord.NE, LesionWord.UNEQUIVOCAL)
_OUTCOMES = (LesionWord.NO_VIABLE, LesionWord.RESIDUAL, LesionWord.LTP, LesionWord.NE)
_COLUMNS = 4
_HEAD_LINES, _MESSAGE_LINES = 5, 4
# Shift+Return and Ctrl+Return stay the window's.
_WITH = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier
_KEYS_SHOWN = {"Return": "\N{RETURN SYMBOL}", "Ctrl+Z": "^Z", "Ctrl+Shift+Z": "^\N{UPWARDS WHITE ARROW}Z"}


class _Reason(QLineEdit):
    """A line whose Return is its own: as the key of the window it would confirm the lesion instead."""

    def event(self, event: Any) -> bool:
        """Keep Return from the window's keys while typing."""
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.type() == QEvent.Type.ShortcutOverride and event.key() in keys and not event.modifiers() & _WITH:
            event.accept()
            return True
        return bool(super().event(event))


class DecidingPanel(QWidget):
    """Buttons and menus; each calls ``say(action, *arguments)``."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say
        self._again: Callable[[], None] | None = None
        self.head = QLabel("no lesion at hand")
        self.head.setWordWrap(True)
        self.head.setTextFormat(Qt.TextFormat.RichText)
        # Room for what is said of any lesion: the buttons under it must stay where they are.
        self.head.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.head.setFixedHeight(_HEAD_LINES * self.head.fontMetrics().lineSpacing() + 8)
        self.reason = _Reason()
        self.reason.setPlaceholderText("reason, where one is wanted")
        self.reason.returnPressed.connect(self._entered)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setFixedHeight(_MESSAGE_LINES * self.message.fontMetrics().lineSpacing() + 4)
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.buttons: dict[str, QToolButton] = {}
        self.setStyleSheet("QToolButton { border: 1px solid #5a626c; border-radius: 3px; padding: 3px }")
        grid = QGridLayout()
        grid.setSpacing(3)
        for n, (action, name) in enumerate(_BUTTONS):
            grid.addWidget(self._button(action, name), n // _COLUMNS, n % _COLUMNS)
        below = len(_BUTTONS) // _COLUMNS
        for n, menu in enumerate((self._state_menu(), self._treated_menu(), self._site_menu(), self._more_menu())):
            grid.addWidget(menu, below, n)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.setSpacing(3)
        layout.addWidget(self.head)
        layout.addLayout(grid)
        layout.addWidget(self.reason)
        layout.addWidget(self.message)

    # --- what is shown ----------------------------------------------------------------------------------------------

    def at_hand(self, colour: str, title: str, lines: Sequence[str]) -> None:
        """Show the lesion at hand; no title for none."""
        if not title:
            self.head.setText("<b>no lesion at hand</b><br>click one, or a row of the table; N is the next to read")
            return
        text = "<br>".join(line.replace("<", "&lt;") for line in lines)
        self.head.setText(
            f"<span style='color:{colour}; font-size:15pt'>\N{BLACK SQUARE}</span> <b>{title}</b><br>{text}"
        )
        self.head.setToolTip(f"<b>{title}</b><br>{text}")

    def tell(self, text: str, *, trouble: bool = False) -> None:
        """Say what was done, or why it could not be."""
        self.message.setStyleSheet("color: #ffb070" if trouble else "color: #a8d8a8")
        self.message.setText(text)
        self.message.setToolTip(text)

    def ask_reason(self, what: str, again: Callable[[], None]) -> None:
        """Ask for a reason; ``again`` repeats the action when it is given."""
        self._again = again
        self.tell(f"a reason is wanted: {what}; type it and press Return", trouble=True)
        self.reason.setFocus()

    def take_reason(self) -> str:
        """Return the reason that is typed, and clear it."""
        text = str(self.reason.text()).strip()
        self.reason.clear()
        return text

    def _entered(self) -> None:
        again, self._again = self._again, None
        if again is not None and self.reason.text().strip():
            again()
        # The keys are for deciding again.
        window = self.window()
        if window is not None:
            window.setFocus()

    # --- buttons ----------------------------------------------------------------------------------------------------

    def _button(self, action: str, name: str) -> QToolButton:
        button = QToolButton()
        key = KEYS[action][0]
        button.setText(f"{name} {_KEYS_SHOWN.get(key, key)}")
        button.setToolTip(hint(action))
        button.setSizePolicy(button.sizePolicy().Policy.Expanding, button.sizePolicy().Policy.Fixed)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda: self._say(action))
        self.buttons[action] = button
        return button

    def _menu_button(self, name: str, tip: str) -> tuple[QToolButton, QMenu]:
        button = QToolButton()
        button.setText(f"{name} \N{BLACK DOWN-POINTING SMALL TRIANGLE}")
        button.setToolTip(tip)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        button.setSizePolicy(button.sizePolicy().Policy.Expanding, button.sizePolicy().Policy.Fixed)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        menu = QMenu(button)
        button.setMenu(menu)
        self.buttons[name] = button
        return button, menu

    def _state_menu(self) -> QToolButton:
        button, menu = self._menu_button("status", "what is seen of the lesion at this visit")
        for status in _STATES:
            menu.addAction(STATUSES[status], lambda status=status: self._say("status", status))
        return button

    def _treated_menu(self) -> QToolButton:
        button, menu = self._menu_button("treated", "treated locally, and what the site shows at this visit")
        for method, name in METHODS.items():
            part = menu.addMenu(f"{name}, site shows")
            for outcome in _OUTCOMES:
                part.addAction(STATUSES[outcome], lambda m=method, o=outcome: self._say("treated", m, o))
        menu.addSeparator()
        for outcome in _OUTCOMES:
            menu.addAction(f"treated site: {STATUSES[outcome]}", lambda o=outcome: self._say("status", o))
        return button

    def _site_menu(self) -> QToolButton:
        button, menu = self._menu_button("site", "where the lesion sits")
        for site in Site:
            menu.addAction(words.phrase(site), lambda site=site: self._say("site", site))
        return button

    def _more_menu(self) -> QToolButton:
        button, menu = self._menu_button("more", "comment, new lesions, visit and case, pictures")
        for action in (
            "comment",
            "equivocal",
            "unequivocal",
            "confirm_visit",
            "confirm_case",
            "lock",
            "save",
            "picture",
        ):
            menu.addAction(f"{KEYS[action][1]}\t{KEYS[action][0]}", lambda action=action: self._say(action))
        menu.addAction("page of the case as HTML", lambda: self._say("page"))
        menu.addAction("page of the case as PDF", lambda: self._say("pdf"))
        return button


def treatment_date(dates: Sequence[dt.date], current: dt.date, before: dt.date | None) -> dt.date:
    """Return the date to propose for a treatment: a known one between the visit before and this, else the day before.

    Parameters
    ----------
    dates
        Of the subject's known local treatments.
    current, before
        Dates of the visit at hand and of the one before it.
    """
    fitting = [date for date in dates if date <= current and (before is None or date >= before)]
    return fitting[-1] if fitting else current - dt.timedelta(days=1)
