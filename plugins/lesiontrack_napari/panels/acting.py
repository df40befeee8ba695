"""What each key and button does; every refusal is told where the reader looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.reads import NewStatus
from lesiontrack.domain.study import Method, Site
from lesiontrack.errors import LesiontrackError
from lesiontrack.report import words
from lesiontrack.review import Decision, ItemKind
from lesiontrack_napari.deciding import Deciding
from lesiontrack_napari.panels.brush import Brush
from lesiontrack_napari.panels.deciding import treatment_date
from lesiontrack_napari.panels.views import MAIN, Shown, Views
from lesiontrack_napari.session import ReasonWantedError, Session
from lesiontrack_napari.wording import METHODS, STATUSES, asked, plain_act

if TYPE_CHECKING:
    from lesiontrack_napari.panels.room import ReadingRoom

__all__ = ["Acting"]

Floats = NDArray[np.float64]

_ALL_READ = "Nothing is left to look at. Ctrl+Return: the case is read."
_CASE_READ = 'Case read. Ctrl+S brings the results up to it; the next case is under "cases".'


class Acting:
    """Turns actions (see `keys.KEYS`) into what the session and the views do."""

    def __init__(self, room: ReadingRoom) -> None:
        self._room = room
        self._brush: tuple[Brush, Shown, int | None] | None = None

    # --- saying -----------------------------------------------------------------------------------------------------

    def say(self, action: str, *arguments: Any) -> None:
        """Do an action by its name; nothing happens before a case is open."""
        if self._room.session is not None and self._room.views is not None:
            self.guarded(lambda: getattr(self, f"do_{action}")(*arguments))

    def guarded(self, act: Callable[[], object]) -> None:
        """Do something, and tell the reader when it is refused, or ask for the reason that it wants."""
        try:
            act()
        except ReasonWantedError as wanted:
            self._room.deciding.ask_reason(wanted.message, lambda: self.guarded(act))
        except LesiontrackError as error:
            self._room.tell(str(error), trouble=True)

    @property
    def brush(self) -> Brush | None:
        """The brush in hand; None while nothing is painted."""
        return None if self._brush is None else self._brush[0]

    @property
    def _session(self) -> Session:
        assert self._room.session is not None  # `say` lets nothing through without one
        return self._room.session

    @property
    def _views(self) -> Views:
        assert self._room.views is not None  # as above
        return self._room.views

    def _decided(self, make: Callable[[Deciding, str], Decision | None], said: str) -> None:
        """Record a decision and say what it was."""
        room = self._room
        reason = str(room.deciding.reason.text()).strip()
        picked, room.picked = room.picked, []
        try:
            make(Deciding(self._session), reason)
        except LesiontrackError:
            room.picked = picked
            raise
        room.deciding.reason.clear()
        room.tell(said)

    # --- going through the case -------------------------------------------------------------------------------------

    def do_next(self, step: int = 1, said: str = "") -> None:
        """Go to what needs a look next; ``said`` is what was decided just before."""
        item = self._session.next_item(step)
        if item is None:
            self._room.tell(f"{said}{_ALL_READ}")
            return
        self._session.take_item(item)
        self._room.go(self._session.track_id, item.timepoint)
        self._room.tell(f"{said}{asked(item)}")

    def do_previous(self) -> None:
        """Go back to what needs a look."""
        self.do_next(-1)

    def do_row_next(self, step: int = 1, said: str = "") -> None:
        """Go to the next lesion of the table, at the same visit."""
        name = self._room.table.step(step)
        if name is None:
            self._room.tell(f"{said}No further lesion in the table; N: what is still to be looked at.")
            return
        self._room.go(name, self._session.current)
        self._room.tell(said)

    def do_row_previous(self) -> None:
        """Go to the lesion before."""
        self.do_row_next(-1)

    def do_visit_next(self, step: int = 1) -> None:
        """Go to the next visit."""
        timepoints = [visit.timepoint for visit in self._session.visits() if visit.measured_scans]
        here = timepoints.index(self._session.current)
        self._room.choose_visit(timepoints[min(max(here + step, 0), len(timepoints) - 1)], prior=False)

    def do_visit_previous(self) -> None:
        """Go to the visit before."""
        self.do_visit_next(-1)

    def do_slice_up(self) -> None:
        """Go one slice up."""
        self._views.panes[MAIN].step(1)

    def do_slice_down(self) -> None:
        """Go one slice down."""
        self._views.panes[MAIN].step(-1)

    # --- looking ----------------------------------------------------------------------------------------------------

    def do_together(self) -> None:
        """Scroll together, or each pane by itself."""
        linked = self._views.linked
        linked.on = not linked.on
        self._room.strip.together.setChecked(linked.on)
        for pane in self._views.panes:
            pane.show_cross(None)
        linked.follow(MAIN)

    def do_outlines(self) -> None:
        """Show or hide what is drawn on the images."""
        button = self._room.strip.outlines
        labels = self._views.panes[MAIN].labels
        visible = labels is None or not labels.visible
        button.setChecked(visible)
        self._views.set_outlines(visible)

    def do_blink(self) -> None:
        """Show the prior in the main pane, or the current visit again."""
        self._views.blink()
        self._room.strip.blink.setChecked(self._views.blinking)

    def do_preset(self, name: str) -> None:
        """Take a grey window."""
        self._views.set_preset(name)

    def do_window(self) -> None:
        """Take the next grey window."""
        box = self._room.strip.window_preset
        box.setCurrentIndex((box.currentIndex() + 1) % max(box.count(), 1))

    def do_series(self) -> None:
        """Show the next series of the visit in the main pane."""
        scans, shown = self._session.scans(self._session.current), self._views.shown[MAIN]
        if len(scans) < 2:
            self._room.tell(f"visit {self._session.current} has no other series")
            return
        uids = [scan.series_uid for scan in scans]
        here = uids.index(shown.scan.series_uid) if shown is not None and shown.scan.series_uid in uids else -1
        self.do_series_at((here + 1) % len(scans))

    def do_series_at(self, number: int) -> None:
        """Show a series of the visit in the main pane."""
        scans = self._session.scans(self._session.current)
        self._views.show(self._session, MAIN, self._session.current, scans[number])
        self._room.refresh()

    # --- deciding ---------------------------------------------------------------------------------------------------

    def do_confirm(self) -> None:
        """Confirm the lesion at hand, or finish painting, and go on."""
        if self._brush is not None:
            self.do_paint()
            return
        item, name = self._session.item, self._session.track_id
        if item is not None and item.kind is ItemKind.VISIT:
            said = f"visit {self._session.current} read"
            self._decided(lambda d, _: d.confirm_visit(), said)
        else:
            said = f"{name} confirmed"
            self._decided(lambda d, _: d.confirm(), said)
        # Whoever goes through the table stays in it.
        go_on = self.do_row_next if item is None else self.do_next
        go_on(said=f"{said}. ")

    def do_link(self) -> None:
        """Link the lesion at hand to the one under the cursor."""
        found = self._room.under_cursor()
        if found is None:
            self._room.tell("no lesion under the cursor to link to", trouble=True)
            return
        name = self._session.track_id
        self._decided(lambda d, _: d.link_to(*found), f"{name} linked to lesion {found[1]} of visit {found[0]}")

    def do_unlink(self) -> None:
        """Cut the lesion at hand from the visits before."""
        name, visit = self._session.track_id, self._session.current
        self._decided(lambda d, _: d.unlink(), f"{name} cut before visit {visit}")

    def do_split(self) -> None:
        """Say that the picked lesions are parts of the one at hand."""
        picked = list(self._room.picked)
        self._decided(lambda d, _: d.split(picked), f"{self._session.track_id} split into {len(picked)} parts")

    def do_merge(self) -> None:
        """Say that the picked lesions have become the one at hand."""
        picked = list(self._room.picked)
        self._decided(lambda d, _: d.merge(picked), f"{len(picked)} lesions coalesced into {self._session.track_id}")

    def do_reject(self) -> None:
        """Say that the lesion at hand is none at this visit."""
        name, visit = self._session.track_id, self._session.current
        self._decided(lambda d, reason: d.reject(reason), f"{name}: no lesion at visit {visit}")

    def do_target(self) -> None:
        """Make the lesion at hand a target, or no target."""
        name = self._session.track_id
        self._decided(lambda d, reason: d.toggle_target(reason), f"{name}: role changed")
        warnings = self._session.warnings()
        if warnings:
            self._room.tell("; ".join(warnings), trouble=True)

    def do_status(self, status: LesionWord) -> None:
        """Say what is seen of the lesion at hand."""
        name, visit = self._session.track_id, self._session.current
        self._decided(lambda d, reason: d.set_status(status, reason), f"{name}: {STATUSES[status]} at visit {visit}")

    def do_treated(self, method: Method, outcome: LesionWord) -> None:
        """Say that the lesion at hand was treated, and what its site shows."""
        session = self._session
        clinical = session.history.subject.clinical
        known = sorted(t.date for t in clinical.local_treatments) if clinical else []
        earlier = [v.date for v in session.visits() if v.timepoint < session.current]
        date = treatment_date(known, session.history.visit(session.current).date, earlier[-1] if earlier else None)
        said = (
            f"{session.track_id}: {METHODS[method]} {date.isoformat()}, {STATUSES[outcome]} at visit {session.current}"
        )
        self._decided(lambda d, reason: d.set_treated(method, date, outcome, reason), said)

    def do_site(self, site: Site) -> None:
        """Say where the lesion at hand sits."""
        self._decided(lambda d, _: d.set_site(site), f"{self._session.track_id}: {words.phrase(site)}")

    def do_equivocal(self, newness: NewStatus = NewStatus.EQUIVOCAL) -> None:
        """Say how sure it is that the lesion at hand is new."""
        said = f"{self._session.track_id}: new, {newness.value.lower()}"
        self._decided(lambda d, reason: d.set_newness(newness, reason), said)

    def do_unequivocal(self) -> None:
        """Say that the lesion at hand is new beyond doubt."""
        self.do_equivocal(NewStatus.UNEQUIVOCAL)

    def do_comment(self) -> None:
        """Take what is typed as a comment."""
        text = str(self._room.deciding.reason.text()).strip()
        if not text:
            raise ReasonWantedError("what the comment says")
        self._decided(lambda d, _: d.comment(text), "comment kept")

    def do_confirm_visit(self) -> None:
        """Say that the visit is read."""
        self._decided(lambda d, _: d.confirm_visit(), f"visit {self._session.current} read")

    def do_confirm_case(self) -> None:
        """Say that the case is read."""
        self._decided(lambda d, _: d.confirm_case(), _CASE_READ)

    def do_lock(self) -> None:
        """Close or open the visit."""
        visit = self._session.current
        now = "open again" if visit in self._session.replayed.locked else "closed"
        self._decided(lambda d, reason: d.lock(reason), f"visit {visit} {now}")

    def do_undo(self) -> None:
        """Undo a brush stroke while painting, else the last decision."""
        if self._brush is not None:
            self._brush[0].undo()
            return
        undone = self._session.undo()
        name = "nothing to undo" if undone is None else f"undone: {plain_act(undone.act)}"
        self._room.tell(name)

    def do_redo(self) -> None:
        """Decide again what was undone last."""
        self._room.tell("done again" if self._session.redo() else "nothing was undone")

    # --- drawing ----------------------------------------------------------------------------------------------------

    def take_diameter(self, timepoint: int, lesion_id: int, ends_lps_mm: Floats) -> None:
        """Take other ends of a diameter."""
        self.guarded(
            lambda: self._decided(
                lambda d, _: d.correct_diameter(timepoint, lesion_id, ends_lps_mm),
                f"diameter of lesion {lesion_id} at visit {timepoint} corrected",
            )
        )

    def do_diameter(self) -> None:
        """Have the next drag draw a diameter."""
        self._room.set_mouse(drawing=True, painting=False)
        self._room.tell("drag from one edge of the lesion to the other; Escape leaves it")

    def add_diameter(self, shown: Shown, ends_lps_mm: Floats) -> None:
        """Take a new lesion by its diameter."""
        self.guarded(
            lambda: self._decided(
                lambda d, _: d.add_diameter(shown.scan, ends_lps_mm), f"lesion added at visit {shown.timepoint}"
            )
        )

    def do_paint(self) -> None:
        """Begin to paint the lesion at hand, or a new one where none is seen; once more: take what is painted."""
        if self._brush is not None:
            self._finish_painting()
            return
        session, shown = self._session, self._views.shown[MAIN]
        assert shown is not None  # a session is on the screen
        lesion = session.sighting(shown.timepoint)
        lesion = lesion if lesion is not None and lesion.series_uid == shown.scan.series_uid else None
        old = None
        if lesion is not None:
            label_map = session.label_map(shown.scan)
            old = None if label_map is None else label_map == lesion.lesion_id
        centre = self._views.panes[MAIN].centre_mm()
        brush = Brush(self._views.panes[MAIN].model, shown, centre, old)
        self._brush = (brush, shown, None if lesion is None else lesion.lesion_id)
        self._room.set_mouse(drawing=False, painting=True)
        what = f"{session.track_id}'s outline" if lesion is not None else "a new lesion"
        self._room.tell(f"painting {what}: P or Return takes it, Escape leaves it, [ and ] change the brush")

    def _finish_painting(self) -> None:
        assert self._brush is not None  # the caller has looked
        brush, shown, lesion_id = self._brush
        mask = brush.mask()
        self.stop()
        self._decided(
            lambda d, _: d.paint(shown.scan, shown.timepoint, mask, lesion_id),
            f"painted at visit {shown.timepoint} and measured",
        )

    def do_escape(self) -> None:
        """Leave drawing and painting, let go of what was picked."""
        self.stop()
        self._room.picked = []
        self._room.refresh()

    def stop(self) -> None:
        """Leave drawing and painting."""
        if self._brush is not None:
            self._brush[0].close()
            self._brush = None
        self._room.set_mouse(drawing=False, painting=False)

    # --- keeping ----------------------------------------------------------------------------------------------------

    def do_save(self) -> None:
        """Bring responses, events and endpoints up to the decisions."""
        from lesiontrack_napari.panels.saving import replay_in_background

        replay_in_background(self._room)

    def do_picture(self) -> None:
        """Write a picture of the lesion at hand through all visits."""
        from lesiontrack_napari.export import lesion_picture

        path = lesion_picture(self._session)
        self._room.tell(f"picture: {path}")

    def do_page(self) -> None:
        """Write the page of the case."""
        from lesiontrack_napari.case_page import write_case_page

        self._room.tell(f"page: {write_case_page(self._session)}")

    def do_pdf(self) -> None:
        """Write the page of the case as PDF."""
        from lesiontrack_napari.panels.printing import write_case_pdf

        self._room.tell(f"PDF: {write_case_pdf(self._session)}")
