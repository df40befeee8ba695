"""The reading room: the widget that napari opens; puts a session on the screen and the reader's hands on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEventLoop, Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton, QSplitter, QTabWidget, QVBoxLayout, QWidget

from lesiontrack.report import words
from lesiontrack_napari.layers import presets_of
from lesiontrack_napari.opening import reader_of, share_read, shares_read
from lesiontrack_napari.panels.acting import Acting
from lesiontrack_napari.panels.cases import CaseList
from lesiontrack_napari.panels.deciding import DecidingPanel
from lesiontrack_napari.panels.docks import Docks
from lesiontrack_napari.panels.lesions import LesionTable
from lesiontrack_napari.panels.mouse import Mouse
from lesiontrack_napari.panels.shortcuts import Shortcuts
from lesiontrack_napari.panels.strip import Stop, VisitStrip
from lesiontrack_napari.panels.verdict import VerdictView
from lesiontrack_napari.panels.views import MAIN, PRIOR, Views
from lesiontrack_napari.session import Session, open_case
from lesiontrack_napari.wording import asked
from lesiontrack_napari.worklist import entries

__all__ = ["ReadingRoom"]

Floats = NDArray[np.float64]


class ReadingRoom(QWidget):
    """Opens result folders and cases, and keeps every panel true to the session.

    Parameters
    ----------
    napari_viewer
        napari hands it in by this name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.session: Session | None = None
        self.out: Path | None = None
        self.reader = ""
        self._study: Path | None = None
        self.picked: list[tuple[int, int]] = []
        self.docks: Docks | None = None
        self.views: Views | None = None
        self._mice: tuple[Mouse, ...] = ()
        self._shortcuts: Shortcuts | None = None
        self._hover: tuple[int, Floats] | None = None
        self.acting = Acting(self)
        self.deciding = DecidingPanel(self.acting.say)
        self.verdict = VerdictView()
        self.table = LesionTable(self.go)
        self.strip = VisitStrip(self.acting.say, self.choose_visit)
        self.cases = CaseList(self.open_subject)
        self._assemble()

    def _assemble(self) -> None:
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.deciding)
        split.addWidget(self.verdict)
        split.setStretchFactor(1, 1)
        split.setChildrenCollapsible(False)
        folder = QPushButton("open a result folder …")
        folder.clicked.connect(self._ask_folder)
        listed = QWidget()
        column = QVBoxLayout(listed)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(folder)
        column.addWidget(self.cases)
        self.tabs = QTabWidget()
        self.tabs.addTab(listed, "cases")
        self.tabs.addTab(split, "read")
        self.tabs.currentChanged.connect(self._turned_to)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)

    # --- opening ----------------------------------------------------------------------------------------------------

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Result folder of `lesiontrack run`")
        if chosen:
            self.acting.guarded(lambda: self.open_result(Path(chosen)))

    def open_result(self, out: Path, reader: str = "", *, study: Path | None = None) -> None:
        """Show the worklist of a result folder; ``study`` is where its images are now, if not where it was run.

        Raises
        ------
        LesiontrackError
            If it is none.
        """
        self.out, self.reader, self._study = out, reader_of(out, reader), study
        settings, shares = shares_read(out, self.reader)
        listed = entries(out, shares, hide_arm=settings.review.hide_arm)
        self.cases.fill(listed, hide_course=settings.review.reveal == "chronological")
        self.tabs.setCurrentIndex(0)

    def open_subject(self, subject_id: str) -> None:
        """Open a case of the result folder; what goes wrong is told in the panel."""
        self.cases.setEnabled(False)
        self.viewer.status = f"opening {subject_id} …"
        QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        try:
            self.acting.guarded(lambda: self.open_case(subject_id))
        finally:
            # Keys that were pressed while nothing could be seen decide nothing.
            QApplication.processEvents()
            self.cases.setEnabled(True)
            self._listen_to_keys()
            QApplication.restoreOverrideCursor()
            self.viewer.status = ""

    def open_case(self, subject_id: str) -> None:
        """Open a case of the result folder.

        Raises
        ------
        LesiontrackError
            If it cannot be read.
        """
        if self.out is not None:
            self.open_session(Session(open_case(self.out, subject_id, study=self._study), self.reader))

    def open_first(self) -> None:
        """Open the case that heads the worklist."""
        if self.cases.first is not None:
            self.open_subject(self.cases.first)

    def open_session(self, session: Session) -> None:
        """Put a session on the screen, in place of the one before."""
        if self.session is not None:
            self.session.unlisten()
        if self.docks is None:
            self._furnish()
        assert self.views is not None  # just furnished
        self.views.clear()
        self.session, self.picked = session, []
        session.listen(self.refresh)
        item = session.next_item()
        session.select(session.rows[0].track_id if session.rows else None)
        session.take_item(item)
        if item is not None and session.history.visit(item.timepoint).measured_scans:
            session.current = item.timepoint
        session.prior = session.companion_of(session.current)
        for side, timepoint in ((PRIOR, session.prior), (MAIN, session.current)):
            self.views.show(session, side, timepoint, lesions=False)
        self.tabs.setCurrentIndex(1)
        self.refresh()
        self.views.go(session)
        self.tell("" if item is None else asked(item))

    def _furnish(self) -> None:
        """Put the docks into the window; done at the first case."""
        self.docks = Docks(self.viewer)
        self.docks.show(self.strip, self.table, self)
        self.views = Views(self.viewer, self.docks.prior_model)
        self._mice = tuple(Mouse(pane, side, self) for side, pane in enumerate(self.views.panes))
        self.docks.arranged.connect(self._look_again)
        self._shortcuts = Shortcuts(self.window(), self.acting.say)

    def _look_again(self) -> None:
        """Look at the lesion at hand once the panes have their sizes."""
        if self.session is not None and self.views is not None:
            self.views.go(self.session)

    def _turned_to(self, tab: int) -> None:
        """Take keys for the case only while it is read, and show the worklist as it is now."""
        self._listen_to_keys()
        if tab == 0 and self.session is not None and self.out is not None:
            subject_id = self.session.case.subject_id
            self.cases.read_now(subject_id, share_read(self.out, subject_id, self.reader))

    def _listen_to_keys(self) -> None:
        if self._shortcuts is not None:
            self._shortcuts.listen(self.tabs.currentIndex() == 1 and self.cases.isEnabled())

    def leave(self) -> None:
        """Take everything off the window again; decisions need no saving."""
        if self.session is not None:
            self.session.unlisten()
        if self._shortcuts is not None:
            self._shortcuts.close()
            self._shortcuts = None
        for mouse in self._mice:
            mouse.disconnect()
        self._mice = ()
        self.acting.stop()
        if self.views is not None:
            self.views.linked.disconnect()
            self.views.clear()
        if self.docks is not None:
            self.docks.close(keep=self)
        self.session = self.views = self.docks = None

    # --- showing ----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring every panel to what the session says now."""
        session, views = self.session, self.views
        if session is None or views is None:
            return
        if session.current not in session.revealed or session.prior not in session.revealed:
            session.current = max(session.revealed & {session.current, *session.revealed})
            session.prior = session.companion_of(session.current)
            views.show(session, PRIOR, session.prior)
            views.show(session, MAIN, session.current)
        for side in (MAIN, PRIOR):
            views.draw(session, side)
        self._refill()

    def _refill(self) -> None:
        """Fill the panels that show no image."""
        session = self.session
        if session is None:
            return
        if self.docks is not None and len(session.rows) != self.table.count_all:
            self.docks.arrange_soon()
        dates = session.visit_dates()
        headings = [(t, f"{t}: {date.isoformat()}") for t, date in dates.items()]
        at = (session.track_id, session.current)
        self.table.fill(session.rows, session.colours, headings, at, session.settings.link.review_below)
        self.verdict.fill(session.verdicts, session.current, session.revealed, session.judgement.missing)
        name = f"<b>{session.case.subject_id}</b><br>reader {session.reader}"
        self.strip.fill(name, self._stops(session), session.current, session.prior, session.progress)
        self._fill_series(session)
        self._show_at_hand(session)

    def _stops(self, session: Session) -> list[Stop]:
        overall = {visit.timepoint: visit.overall for phase in session.verdicts[::-1] for visit in phase.visits}
        return [
            Stop(
                timepoint=visit.timepoint,
                date=visit.date.isoformat(),
                overall=overall.get(visit.timepoint, ""),
                usable=bool(visit.measured_scans),
                locked=visit.timepoint in session.replayed.locked,
                read=visit.timepoint in session.history.reading.confirmed,
            )
            for visit in session.visits()
        ]

    def _fill_series(self, session: Session) -> None:
        assert self.views is not None  # a session is on the screen
        shown, box = self.views.shown[MAIN], self.strip.series
        scans = session.scans(session.current)
        box.clear()
        box.addItems([" ".join(n for n in (s.modality, s.phase_of_contrast, *s.regions) if n) for s in scans])
        uids = [scan.series_uid for scan in scans]
        if shown is not None and shown.scan.series_uid in uids:
            box.setCurrentIndex(uids.index(shown.scan.series_uid))
        box.setVisible(len(scans) > 1)
        if shown is not None:
            modality = shown.volume.modality
            self.strip.offer_presets(presets_of(modality), self.views.presets.get(modality, ""))

    def _show_at_hand(self, session: Session) -> None:
        track = session.track()
        if track is None:
            self.deciding.at_hand("", "", ())
            return
        row = next((row for row in session.rows if row.track_id == track.track_id), None)
        if row is None:  # of a visit that is not shown yet
            self.deciding.at_hand("", "", ())
            return
        cell = row.cells[session.current]
        sure = "" if cell.confidence is None else f", link {100 * cell.confidence:.0f} % sure"
        role = words.phrase(row.role) or "no role"
        lines = [
            f"visit {session.current}: {cell.text or 'not there yet'}{sure}",
            *(reason.split("; ")[0] for reason in row.reasons[:2]),
        ]
        lines += [f"picked: {', '.join(f'{n} at visit {t}' for t, n in self.picked)}"] if self.picked else []
        lines += [f"\N{WARNING SIGN} {warning}" for warning in session.warnings()[:2]]
        self.deciding.at_hand(
            session.colours[track.track_id],
            f"{track.track_id}  {', '.join(n for n in (row.site, role, row.fate) if n)}",
            lines,
        )

    def go(self, track_id: str | None, timepoint: int | None = None) -> None:
        """Take a lesion and a visit at hand, and look there on both sides."""
        session = self.session
        if session is not None and self.views is not None:
            session.select(track_id)
            if timepoint is not None and timepoint != session.current:
                self.choose_visit(timepoint, prior=False)
            self.views.go(session)
            self._refill()

    def choose_visit(self, timepoint: int, prior: bool) -> None:
        """Take a visit as the current one (its prior is the one before), or as the prior."""
        session, views = self.session, self.views
        if session is None or views is None or timepoint not in session.revealed or not session.scans(timepoint):
            return

        def show() -> None:
            if prior:
                session.prior = timepoint
            else:
                session.current, session.prior = timepoint, session.companion_of(timepoint)
            views.show(session, PRIOR, session.prior)
            views.show(session, MAIN, session.current)
            views.go(session)
            self._refill()

        self.acting.stop()
        self.acting.guarded(show)

    # --- the mouse --------------------------------------------------------------------------------------------------

    def under_cursor(self) -> tuple[int, int] | None:
        """Return visit and number of the lesion under the cursor."""
        if self._hover is None or self.views is None:
            return None
        return self.views.lesion_at(*self._hover)

    def hovered(self, side: int, place_mm: Floats) -> None:
        """Show the corresponding point in the other pane."""
        self._hover = (side, place_mm)
        if self.views is not None and self.views.linked.on:
            self.views.panes[1 - side].show_cross(self.views.linked.map(side, place_mm))
            self.views.panes[side].show_cross(None)

    def clicked(self, side: int, place_mm: Floats, *, more: bool) -> None:
        """Take the lesion that is clicked at hand; with Ctrl, pick it for a split or a merge."""
        found = self.views.lesion_at(side, place_mm) if self.views is not None else None
        session = self.session
        if found is None or session is None:
            return
        if more:
            self.picked = [key for key in self.picked if key != found] + ([found] if found not in self.picked else [])
            self._show_at_hand(session)
            return
        track = session.track_of(*found)
        if track is not None:
            session.select(track.track_id)
            self._refill()

    def diameter_dragged(self, side: int, lesion_id: int, ends_mm: Floats) -> None:
        """Take the new ends of a diameter."""
        shown = self.views.shown[side] if self.views is not None else None
        if shown is not None:
            self.acting.take_diameter(shown.timepoint, lesion_id, shown.frame.to_lps_mm(ends_mm))

    def diameter_drawn(self, side: int, ends_mm: Floats) -> None:
        """Take a new lesion by its diameter."""
        shown = self.views.shown[side] if self.views is not None else None
        for mouse in self._mice:
            mouse.drawing = False
        if shown is not None:
            self.acting.add_diameter(shown, shown.frame.to_lps_mm(ends_mm))

    def set_mouse(self, *, drawing: bool, painting: bool) -> None:
        """Say what the next drag in the panes does."""
        for mouse in self._mice:
            mouse.drawing, mouse.painting = drawing, painting

    def tell(self, text: str, *, trouble: bool = False) -> None:
        """Tell the reader something."""
        self.deciding.tell(text, trouble=trouble)
        if trouble and self.session is None:
            self.viewer.status = text
