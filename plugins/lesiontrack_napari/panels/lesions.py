"""The lesion table: a row a track, a column a visit; a click goes there in both panes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, Qt
from qtpy.QtGui import QBrush, QColor, QFont, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from lesiontrack_napari.table import Row, RowFilter

__all__ = ["LesionTable"]

_FIXED = ("lesion", "role", "site")
_ROLES = {"TARGET": "target", "NON_TARGET": "non-target", "NEW": "new"}
# Confidence below which a cell is coloured as unsure; the text says it too.
_UNSURE, _DOUBTFUL = QColor("#7a4a12"), QColor("#5c4a1f")
_DONE = QColor("#2f4f37")
_ROW_PX, _EDGES_PX = 20, 16


class _Model(QAbstractTableModel):
    """Rows of the table for Qt."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[Row, ...] = ()
        self.colours: dict[str, str] = {}
        self.visits: tuple[tuple[int, str], ...] = ()
        self.review_below = 0.5

    def fill(self, rows: Sequence[Row], colours: dict[str, str], visits: Sequence[tuple[int, str]]) -> None:
        """Take other rows; ``visits`` is (timepoint, heading) of each column."""
        self.beginResetModel()
        self.rows, self.colours, self.visits = tuple(rows), dict(colours), tuple(visits)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Return the number of rows."""
        return len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Return the number of columns."""
        return len(_FIXED) + len(self.visits)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        """Return a column's heading."""
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        return _FIXED[section] if section < len(_FIXED) else self.visits[section - len(_FIXED)][1]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.DecorationRole and column == 0:
            square = QPixmap(12, 12)
            square.fill(QColor(self.colours.get(row.track_id, "#9a9a9a")))
            return square
        if role == Qt.ItemDataRole.BackgroundRole:
            return self._background(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row, column)
        if role == Qt.ItemDataRole.FontRole and column == 0 and row.todo:
            font = QFont()
            font.setBold(True)
            return font
        return None

    def _text(self, row: Row, column: int) -> str:
        if column >= len(_FIXED):
            return row.cells[self.visits[column - len(_FIXED)][0]].text
        return (f"{row.track_id}{' •' if row.todo else ''}", _ROLES.get(row.role, row.role), row.site)[column]

    def _background(self, row: Row, column: int) -> QBrush | None:
        if column < len(_FIXED):
            return QBrush(_DONE) if column == 0 and row.read and not row.todo else None
        sure = row.cells[self.visits[column - len(_FIXED)][0]].confidence
        if sure is None or sure >= 0.9 or not row.todo:
            return None
        return QBrush(_UNSURE if sure < self.review_below else _DOUBTFUL)

    def _tip(self, row: Row, column: int) -> str:
        if column < len(_FIXED):
            return "\n".join((f"{row.track_id}, {row.site}: {row.fate}", *row.reasons))
        cell = row.cells[self.visits[column - len(_FIXED)][0]]
        sure = "" if cell.confidence is None else f"\nlink {100 * cell.confidence:.0f} % sure"
        return f"{row.track_id} at visit {self.visits[column - len(_FIXED)][0]}: {cell.text or 'not seen yet'}{sure}"


class LesionTable(QWidget):
    """The table with its filter; ``go(track_id, timepoint)`` is called when the reader chooses a cell."""

    def __init__(self, go: Callable[[str, int | None], None]) -> None:
        super().__init__()
        self._go = go
        self._all: tuple[Row, ...] = ()
        self._filling = False
        self.model = _Model()
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(_ROW_PX)
        self.view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for column in range(len(_FIXED)):
            self.view.horizontalHeader().setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.view.setAlternatingRowColors(False)
        self.view.selectionModel().currentChanged.connect(self._chosen)
        self.view.clicked.connect(lambda index: self._chosen(index))
        self.filter = QComboBox()
        self.filter.addItems([wanted.value for wanted in RowFilter])
        self.filter.currentIndexChanged.connect(lambda _: self._refill())
        self.count = QLabel()
        top = QHBoxLayout()
        top.addWidget(self.filter)
        top.addWidget(self.count, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 0, 2, 2)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self.view)

    def sizeHint(self) -> Any:  # noqa: N802 - Qt's name
        """Ask for little height: the images need it more."""
        hint = super().sizeHint()
        hint.setHeight(190)
        return hint

    @property
    def count_all(self) -> int:
        """How many rows there are, shown or not."""
        return len(self._all)

    def whole_height(self) -> int:
        """Return the height at which no row is hidden, pixels."""
        around = int(self.view.horizontalHeader().sizeHint().height() + self.filter.sizeHint().height())
        return around + _ROW_PX * max(len(self._all), 1) + _EDGES_PX

    def step(self, rows: int) -> str | None:
        """Return the track so many rows on from the one at hand, of those shown; None beyond the ends."""
        names = [row.track_id for row in self.model.rows]
        here, _ = self._at()
        at = names.index(here) + rows if here in names else 0
        return names[at] if 0 <= at < len(names) else None

    def minimumSizeHint(self) -> Any:  # noqa: N802 - Qt's name
        """Leave the rest to the images on a small screen."""
        hint = super().minimumSizeHint()
        hint.setHeight(90)
        return hint

    def fill(
        self,
        rows: Sequence[Row],
        colours: dict[str, str],
        visits: Sequence[tuple[int, str]],
        at: tuple[str | None, int],
        review_below: float,
    ) -> None:
        """Show rows; ``at`` is the track and visit at hand."""
        self._all = tuple(rows)
        self.model.colours = dict(colours)
        self.model.visits = tuple(visits)
        self.model.review_below = review_below
        self._refill(at)

    def _refill(self, at: tuple[str | None, int] | None = None) -> None:
        wanted = RowFilter(self.filter.currentText())
        at = at or self._at()
        shown = [row for row in self._all if row.passes(wanted)]
        self._filling = True
        try:
            self.model.fill(shown, self.model.colours, self.model.visits)
            self.count.setText(
                f"{len(shown)} of {len(self._all)} lesions   • to be looked at   green: read   brown: an unsure link"
            )
            self.mark(*at)
        finally:
            self._filling = False

    def _at(self) -> tuple[str | None, int]:
        index = self.view.currentIndex()
        if not index.isValid() or index.row() >= len(self.model.rows):
            return None, -1
        return self.model.rows[index.row()].track_id, self._timepoint(index.column()) or 0

    def mark(self, track_id: str | None, timepoint: int) -> None:
        """Select the cell of the track and visit at hand, and nothing where the filter hides it."""
        filling, self._filling = self._filling, True
        try:
            row = next((n for n, row in enumerate(self.model.rows) if row.track_id == track_id), None)
            columns = [n for n, (visit, _) in enumerate(self.model.visits) if visit == timepoint]
            if row is None:
                self.view.clearSelection()
                return
            index = self.model.index(row, len(_FIXED) + columns[0] if columns else 0)
            self.view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self.view.scrollTo(index)
        finally:
            self._filling = filling

    def _timepoint(self, column: int) -> int | None:
        return self.model.visits[column - len(_FIXED)][0] if column >= len(_FIXED) else None

    def _chosen(self, index: QModelIndex, _: QModelIndex | None = None) -> None:
        if not self._filling and index.isValid():
            self._go(self.model.rows[index.row()].track_id, self._timepoint(index.column()))
