"""The worklist: the cases of a result folder, unread and least sure first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from lesiontrack_napari.worklist import Entry, Wanted, shown, with_share

__all__ = ["CaseList"]

# Name and what it means.
_COLUMNS = {
    "case": "double-click or Return opens it",
    "arm": "",
    "status": "how far you have read it",
    "visits": "",
    "lesions": "how many there are, each counted once",
    "check": "how many lesions the program wants looked at",
    "sure": "how sure the program is of its least sure link",
}
_COURSE = ("visits", "lesions", "check", "sure")
_ANY = {"arm": "any arm", "site": "any site", "status": "any status"}


class CaseList(QWidget):
    """A case is opened by a double click or Return; ``open_case(subject_id)`` is called."""

    def __init__(self, open_case: Callable[[str], None]) -> None:
        super().__init__()
        self._open = open_case
        self._entries: tuple[Entry, ...] = ()
        self._shown: tuple[Entry, ...] = ()
        self.filters = {name: QComboBox() for name in _ANY}
        self.search = QLineEdit()
        self.search.setPlaceholderText("find a case")
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(20)
        self.table.setStyleSheet(
            "QTableWidget { font-size: 9pt } QHeaderView::section { font-size: 8pt; padding: 2px }"
        )
        for column, tip in enumerate(_COLUMNS.values()):
            self.table.horizontalHeaderItem(column).setToolTip(tip)
        self.table.itemActivated.connect(lambda item: self._open(self._shown[item.row()].subject_id))
        top = QHBoxLayout()
        for box in self.filters.values():
            box.currentIndexChanged.connect(lambda _: self._refill())
            top.addWidget(box)
        self.search.textChanged.connect(lambda _: self._refill())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(top)
        layout.addWidget(self.search)
        layout.addWidget(self.table)

    @property
    def first(self) -> str | None:
        """The case that heads the list; None when it is empty."""
        return self._shown[0].subject_id if self._shown else None

    def fill(self, entries: Sequence[Entry], *, hide_course: bool = False) -> None:
        """Show cases, in their order; ``hide_course``: nothing that later visits tell."""
        for name in _COURSE:
            self.table.setColumnHidden(list(_COLUMNS).index(name), hide_course)
        self._entries = tuple(entries)
        choices = {
            "arm": sorted({entry.arm for entry in entries} - {""}),
            "site": sorted({site for entry in entries for site in entry.sites}),
            "status": ["unread", "begun", "read"],
        }
        for name, box in self.filters.items():
            kept = box.currentText()
            box.blockSignals(True)
            box.clear()
            box.addItems([_ANY[name], *choices[name]])
            box.setCurrentText(kept if kept in choices[name] else _ANY[name])
            box.setVisible(name != "arm" or bool(choices["arm"]))
            box.blockSignals(False)
        self.table.setColumnHidden(1, not choices["arm"])
        self._refill()

    def read_now(self, subject_id: str, read: float) -> None:
        """Show how far a case is read now."""
        self._entries = with_share(self._entries, subject_id, read)
        self._refill()

    def _refill(self) -> None:
        chosen = {name: "" if box.currentIndex() <= 0 else box.currentText() for name, box in self.filters.items()}
        self._shown = shown(self._entries, Wanted(**chosen, text=str(self.search.text()).strip()))
        self.table.setRowCount(len(self._shown))
        for row, entry in enumerate(self._shown):
            sure = f"{100 * entry.worst:.0f} %"
            texts = (entry.subject_id, entry.arm, entry.status, str(entry.visits), str(entry.lesions))
            for column, text in enumerate((*texts, str(entry.to_review), sure)):
                item = QTableWidgetItem(text)
                if column > 2:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        if self._shown:
            self.table.setCurrentCell(0, 0)
