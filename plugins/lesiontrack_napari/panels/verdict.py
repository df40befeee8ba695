"""The live verdict: the sums and categories by visit, the curve of the sum, and the reasons in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from lesiontrack.report import words
from lesiontrack_napari.verdict import PhaseVerdict

__all__ = ["Curve", "VerdictView"]

_COLUMNS = ("", "sum", "base %", "nadir %", "T", "NT", "new", "overall")
_MEANINGS = (
    "visit",
    "sum of the targets' diameters, mm",
    "change of the sum since the baseline, %",
    "change of the sum since its smallest value, %",
    "target lesions",
    "non-target lesions; nCnP: neither complete response nor progression",
    "new lesions",
    "overall response",
)
_LIMIT_PX = 9.0
_SHADES = {
    "PD": "#8a2f2f",
    "PR": "#2f6b3a",
    "CR": "#2f6b3a",
    "NED": "#2f6b3a",
    "SD": "#31507a",
    "NON-CR/NON-PD": "#31507a",
}
_LINE, _LIMIT, _AXIS = QColor("#f0f0f0"), QColor("#e06060"), QColor("#808890")


class Curve(QWidget):
    """The sum of diameters against time, with the limit of progression in force at each visit."""

    def __init__(self) -> None:
        super().__init__()
        self._phase: PhaseVerdict | None = None
        self.setMinimumHeight(96)
        self.setMaximumHeight(150)

    def show_phase(self, phase: PhaseVerdict | None) -> None:
        """Draw a phase."""
        self._phase = phase
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._phase is None or not self._phase.curve:
            painter.setPen(_AXIS)
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "no sum of diameters")
            return
        box = QRectF(34, 14, max(self.width() - 48, 10), max(self.height() - 34, 10))
        days = [date.toordinal() for date, _ in (*self._phase.curve, *self._phase.limit_mm)]
        top = max(float(value) for _, value in (*self._phase.curve, *self._phase.limit_mm)) * 1.12 or 1.0
        first, span = min(days), max(max(days) - min(days), 1)

        def at(date: Any, value: Any) -> QPointF:
            x = box.left() + box.width() * (date.toordinal() - first) / span
            return QPointF(x, box.bottom() - box.height() * float(value) / top)

        self._axes(painter, box)
        painter.setPen(QPen(_LIMIT, 1.4, Qt.PenStyle.DashLine))
        limits = [at(*point) for point in self._phase.limit_mm]
        painter.drawPolyline(QPolygonF(limits))
        painter.setPen(QPen(_LIMIT, 1.8))
        for spot in limits:
            painter.drawLine(spot + QPointF(-_LIMIT_PX, 0), spot + QPointF(_LIMIT_PX, 0))
        painter.setPen(QPen(_LINE, 1.8))
        painter.drawPolyline(QPolygonF([at(*point) for point in self._phase.curve]))
        for date, value in self._phase.curve:
            spot = at(date, value)
            painter.setBrush(_LINE)
            painter.drawEllipse(spot, 3.0, 3.0)
            where = QRectF(min(max(spot.x() - 24, 0), self.width() - 48), spot.y() - 17, 48, 14)
            painter.drawText(where, Qt.AlignmentFlag.AlignCenter, words.mm(value))

    def _axes(self, painter: QPainter, box: QRectF) -> None:
        painter.setPen(QPen(_AXIS, 1.0))
        painter.drawLine(box.bottomLeft(), box.bottomRight())
        painter.drawLine(box.bottomLeft(), box.topLeft())
        painter.drawText(QRectF(0, box.bottom() - 8, 32, 14), Qt.AlignmentFlag.AlignRight, "0")
        under = QRectF(box.left(), box.bottom() + 3, box.width(), 14)
        painter.drawText(under, Qt.AlignmentFlag.AlignLeft, "sum of diameters, mm")
        painter.setPen(_LIMIT)
        painter.drawText(under, Qt.AlignmentFlag.AlignRight, "limit of PD")


class VerdictView(QWidget):
    """Everything that follows from the readings."""

    def __init__(self) -> None:
        super().__init__()
        self._phases: tuple[PhaseVerdict, ...] = ()
        self._current = 0
        self.phase = QComboBox()
        self.phase.currentIndexChanged.connect(lambda _: self._show())
        self.headline = QLabel()
        self.headline.setWordWrap(True)
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(20)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header = self.table.horizontalHeader()
        header.setMinimumSectionSize(20)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setStyleSheet(
            "QTableWidget { font-size: 9pt } QHeaderView::section { font-size: 8pt; padding: 1px }"
        )
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        # In the middle of a stretched column a heading may stand beyond the edge of a narrow window.
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column, tip in enumerate(_MEANINGS):
            self.table.horizontalHeaderItem(column).setToolTip(tip)
        self.curve = Curve()
        self.reasons = QTextBrowser()
        self.reasons.setMinimumHeight(60)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.setSpacing(3)
        for widget in (self.phase, self.headline, self.table, self.curve, self.reasons):
            layout.addWidget(widget)

    def fill(self, phases: Sequence[PhaseVerdict], current: int, shown: frozenset[int], missing: Sequence[str]) -> None:
        """Show phases; ``current`` is the visit at hand, ``shown`` the timepoints that the reader may see."""
        self._phases, self._current, self._shown_visits = tuple(phases), current, shown
        self._missing = tuple(missing)
        names = [f"{words.phrase(phase.phase)} phase" for phase in self._phases]
        if [self.phase.itemText(n) for n in range(self.phase.count())] != names:
            self.phase.blockSignals(True)
            self.phase.clear()
            self.phase.addItems(names)
            self.phase.blockSignals(False)
        self._show()

    def _show(self) -> None:
        chosen = self.phase.currentIndex()
        if not 0 <= chosen < len(self._phases):
            self.headline.setText("; ".join(self._missing) or "nothing can be judged")
            self.table.setRowCount(0)
            self.curve.show_phase(None)
            self.reasons.clear()
            return
        phase = self._phases[chosen]
        base = "–" if phase.baseline_sum_mm is None else f"{words.mm(phase.baseline_sum_mm)} mm"
        whole = self._shown_visits >= {visit.timepoint for visit in phase.visits}
        outcome = f"<b>{phase.progression}</b>; {phase.best}" if whole else "<b>later visits are not shown yet</b>"
        if phase.baseline_timepoint not in self._shown_visits:
            self._not_yet()
            return
        targets = ", ".join(phase.targets) or "none"
        self.headline.setText(f"{outcome}<br>baseline visit {phase.baseline_timepoint}: {base}; targets {targets}")
        self._rows(phase)
        self.curve.show_phase(phase if whole else None)
        visit = phase.visit(self._current)
        said = visit.reasons if visit is not None and self._current in self._shown_visits else ()
        head = f"visit {self._current}: {visit.overall if visit is not None and said else self._unjudged(phase)}"
        lines = "".join(f"<li>{_escaped(reason)}</li>" for reason in said)
        queries = "".join(f"<li>{_escaped(query)}</li>" for query in phase.queries) if whole else ""
        asked = f"<b>to check</b><ul>{queries}</ul>" if queries else ""
        self.reasons.setHtml(f"<b>{head}</b><ul>{lines}</ul>{asked}")

    def _not_yet(self) -> None:
        """Show nothing of a phase whose baseline is not shown yet."""
        self.headline.setText("<b>the baseline of this phase is not shown yet</b>")
        self.table.setRowCount(0)
        self.curve.show_phase(None)
        self.reasons.clear()

    def _unjudged(self, phase: PhaseVerdict) -> str:
        """Return why the visit at hand has no verdict in a phase."""
        name = words.phrase(phase.phase)
        if self._current == phase.baseline_timepoint:
            return f"the baseline of the {name} phase"
        before = self._current < phase.baseline_timepoint
        return f"before the baseline of the {name} phase" if before else f"not judged in the {name} phase"

    def _rows(self, phase: PhaseVerdict) -> None:
        visits = [visit for visit in phase.visits if visit.timepoint in self._shown_visits]
        self.table.setRowCount(len(visits))
        for row, visit in enumerate(visits):
            total = "–" if visit.sum_mm is None else words.mm(visit.sum_mm)
            texts: tuple[str, ...] = (
                f"{visit.timepoint}",
                total,
                visit.from_baseline.rstrip(" %"),
                visit.from_nadir.rstrip(" %"),
            )
            # Where the baseline restarts the overall response says so.
            target = "–" if visit.target == "REBASELINE" else _short(visit.target)
            texts += (target, _short(visit.non_target), visit.new_lesion.lower(), _short(visit.overall))
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(f"{visit.date.isoformat()}, {_MEANINGS[column]}: {text}")
                if visit.timepoint == self._current:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                if column == len(_COLUMNS) - 1:
                    item.setBackground(QColor(_SHADES.get(visit.overall, "#4a4a4a")))
                self.table.setItem(row, column, item)
        height = 26 + 20 * max(len(visits), 1)
        self.table.setFixedHeight(min(height, 26 + 20 * 6))


def _short(category: str) -> str:
    return {"NON-CR/NON-PD": "nCnP", "NA": "–", "REBASELINE": "restart"}.get(category, category)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
