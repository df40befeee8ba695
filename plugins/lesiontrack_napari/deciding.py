"""What a reader says with one keystroke or two clicks, as decisions about the lesion at hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.lesion import Lesion, Role
from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.reads import NewStatus
from lesiontrack.domain.study import Method, Scan, Site
from lesiontrack.errors import DecisionError
from lesiontrack.review import (
    Add,
    Comment,
    ConfirmCase,
    ConfirmLesion,
    ConfirmVisit,
    CorrectDiameter,
    Decision,
    Drawing,
    LesionRef,
    Link,
    Lock,
    Merge,
    Redraw,
    Reject,
    SetNewness,
    SetRole,
    SetSite,
    SetStatus,
    SetTargets,
    SetTreated,
    Split,
    Unlink,
    Unlock,
    VisitRef,
)
from lesiontrack_napari.masks import measured
from lesiontrack_napari.session import Session

__all__ = ["Deciding"]

Floats = NDArray[np.float64]
_SHORTEST_DRAG_MM = Decimal(1)


class Deciding:
    """The reader's words for the lesion and the visit at hand; each is recorded at once.

    Every method raises DecisionError when there is nothing at hand that it could be said of, or when the rule book
    wants a reason and there is none.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    # --- which lesion is which --------------------------------------------------------------------------------------

    def link_to(self, timepoint: int, lesion_id: int) -> Decision:
        """Say that a lesion of a visit is the one at hand, which is seen at another visit."""
        other = self._lesion(timepoint, lesion_id)
        own = self._nearest_sighting(timepoint, besides=(timepoint, lesion_id))
        earlier, later = sorted((own, other), key=lambda lesion: lesion.timepoint)
        return self._session.decide(Link(earlier=LesionRef.of(earlier), later=LesionRef.of(later)))

    def unlink(self) -> Decision:
        """Say that the lesion at hand, from the visit at hand on, is not the one of the visits before."""
        session = self._session
        later = self._seen_here()
        track = session.track()
        before = [t for t, _ in (track.lesions if track else ()) if t < session.current]
        if not before:
            raise DecisionError(f"{session.track_id} is first seen at this visit: there is nothing to cut before it")
        earlier = session.sighting(before[-1])
        assert earlier is not None  # the track holds a lesion at that visit
        return session.decide(Unlink(earlier=LesionRef.of(earlier), later=LesionRef.of(later)))

    def split(self, parts: Sequence[tuple[int, int]]) -> Decision:
        """Say that lesions of a later visit are the parts of the one at hand."""
        lesions = self._picked(parts)
        whole = self._nearest_sighting(lesions[0].timepoint, besides=parts[0])
        refs = tuple(LesionRef.of(lesion) for lesion in lesions)
        return self._session.decide(Split(whole=LesionRef.of(whole), parts=refs))

    def merge(self, parts: Sequence[tuple[int, int]]) -> Decision:
        """Say that lesions of an earlier visit have coalesced into the one at hand."""
        refs = tuple(LesionRef.of(lesion) for lesion in self._picked(parts))
        return self._session.decide(Merge(parts=refs, mass=LesionRef.of(self._seen_here())))

    def reject(self, reason: str) -> Decision:
        """Say that what is marked here is no lesion."""
        return self._session.decide(Reject(lesion=LesionRef.of(self._seen_here())), reason)

    # --- what it is -------------------------------------------------------------------------------------------------

    def set_site(self, site: Site) -> Decision:
        """Say where the lesion at hand sits."""
        return self._session.decide(SetSite(lesion=LesionRef.of(self._sighting()), site=site.value))

    def toggle_target(self, reason: str) -> Decision:
        """Make the lesion at hand a target of its phase's baseline, or a non-target when it is one."""
        session = self._session
        if not session.verdicts:
            raise DecisionError("no baseline: there are no targets")
        phase = session.verdicts[0]
        lesion = session.sighting(phase.baseline_timepoint)
        if lesion is None:
            raise DecisionError(f"{session.track_id} is not seen at the baseline: it cannot be a target")
        role = Role.NON_TARGET if session.track_id in phase.targets else Role.TARGET
        return session.decide(SetRole(lesion=LesionRef.of(lesion), role=role), reason)

    def set_targets(self, track_ids: Iterable[str], reason: str) -> Decision:
        """Say that exactly these are the targets."""
        session = self._session
        if not session.verdicts:
            raise DecisionError("no baseline: there are no targets")
        timepoint = session.verdicts[0].baseline_timepoint
        seen = [session.sighting(timepoint, name) for name in track_ids]
        refs = tuple(LesionRef.of(lesion) for lesion in seen if lesion is not None)
        visit = VisitRef.of(session.history.visit(timepoint))
        return session.decide(SetTargets(visit=visit, lesions=refs), reason)

    def set_status(self, status: LesionWord, reason: str = "") -> Decision:
        """Say what is seen of the lesion at hand at the visit at hand."""
        return self._session.decide(
            SetStatus(lesion=LesionRef.of(self._sighting()), visit=self._visit(), status=status), reason
        )

    def set_treated(
        self, method: Method, date: dt.date, outcome: LesionWord | None = None, reason: str = ""
    ) -> Decision:
        """Say that the lesion at hand was treated locally, and what its site shows at the visit at hand."""
        act = SetTreated(
            lesion=LesionRef.of(self._sighting_before(date)),
            method=method,
            date=date,
            visit=None if outcome is None else self._visit(),
            outcome=outcome,
        )
        return self._session.decide(act, reason)

    def set_newness(self, newness: NewStatus, reason: str = "") -> Decision:
        """Say how sure it is that the lesion at hand is new."""
        return self._session.decide(SetNewness(lesion=LesionRef.of(self._seen_here()), newness=newness), reason)

    # --- measures ---------------------------------------------------------------------------------------------------

    def correct_diameter(self, timepoint: int, lesion_id: int, ends_lps_mm: Floats) -> Decision:
        """Take other ends (2, 3), LPS mm, of a lesion's longest diameter."""
        lesion = self._lesion(timepoint, lesion_id)
        return self._session.decide(CorrectDiameter(lesion=LesionRef.of(lesion), ends_lps_mm=_ends(ends_lps_mm)))

    def add_diameter(self, scan: Scan, ends_lps_mm: Floats, site: Site = Site.LIVER) -> Decision:
        """Add a lesion that is marked by its diameter alone: ends (2, 3), LPS mm."""
        drawing = Drawing.of_diameter(
            _ends(ends_lps_mm),
            date=scan.date,
            series_uid=scan.series_uid,
            site=site.value,
            slice_thickness_mm=scan.slice_thickness_mm,
        )
        if drawing.longest_diameter_mm < _SHORTEST_DRAG_MM:
            raise DecisionError("a diameter of less than 1 mm: drag from one edge of the lesion to the other")
        return self._session.decide(Add(drawing=drawing))

    def paint(self, scan: Scan, timepoint: int, mask: NDArray[np.bool_], lesion_id: int | None) -> Decision:
        """Take a painted mask (k, j, i) as a new lesion, or as another outline of one; it is measured at once."""
        session = self._session
        old = None if lesion_id is None else self._lesion(timepoint, lesion_id)
        lesion = measured(
            session.images.volume(scan),
            mask,
            scan,
            timepoint=timepoint,
            site=old.site if old is not None else Site.LIVER.value,
            settings=session.settings.measure,
        )
        drawing = Drawing.of(lesion, mask)
        act = Add(drawing=drawing) if old is None else Redraw(lesion=LesionRef.of(old), drawing=drawing)
        return session.decide(act)

    # --- read -------------------------------------------------------------------------------------------------------

    def confirm(self) -> Decision:
        """Say that the lesion at hand is right at all visits."""
        return self._session.decide(ConfirmLesion(lesion=LesionRef.of(self._sighting())))

    def confirm_visit(self) -> Decision:
        """Say that the visit at hand is read."""
        return self._session.decide(ConfirmVisit(visit=self._visit()))

    def confirm_case(self) -> Decision:
        """Say that the case is read."""
        return self._session.decide(ConfirmCase())

    def lock(self, reason: str = "") -> Decision:
        """Close the visit at hand, or open it again when it is closed."""
        locked = self._session.current in self._session.replayed.locked
        return self._session.decide(Unlock(visit=self._visit()) if locked else Lock(visit=self._visit()), reason)

    def comment(self, text: str) -> Decision:
        """Remark on the lesion at hand, or on the visit when there is none."""
        lesion = LesionRef.of(self._sighting()) if self._session.track() else None
        return self._session.decide(Comment(text=text, lesion=lesion, visit=self._visit()))

    # --- what is at hand --------------------------------------------------------------------------------------------

    def _visit(self) -> VisitRef:
        return VisitRef.of(self._session.history.visit(self._session.current))

    def _lesion(self, timepoint: int, lesion_id: int) -> Lesion:
        """Return a lesion that the reader points at; one that was rejected is still outlined, and is none."""
        found = next((x for x in self._session.history.lesions_at(timepoint) if x.lesion_id == lesion_id), None)
        if found is None:
            raise DecisionError(f"lesion {lesion_id} of visit {timepoint} was rejected: undo that to speak of it")
        return found

    def _seen_here(self) -> Lesion:
        """Return the lesion at hand at the visit at hand."""
        lesion = self._session.sighting(self._session.current)
        if lesion is None:
            raise DecisionError(f"{self._at_hand()} is not seen at visit {self._session.current}")
        return lesion

    def _sighting(self) -> Lesion:
        """Return the lesion at hand at the visit at hand or, not seen there, at the nearest one."""
        return self._session.sighting(self._session.current) or self._nearest_sighting(self._session.current)

    def _sighting_before(self, date: dt.date) -> Lesion:
        track, session = self._session.track(self._at_hand()), self._session
        seen = [session.history.lesion(*key) for key in (track.lesions if track else ())]
        before = [lesion for lesion in seen if lesion.date <= date]
        if not before:
            raise DecisionError(f"{session.track_id} is not seen before {date.isoformat()}: nothing was there to treat")
        return before[-1]

    def _nearest_sighting(self, timepoint: int, besides: tuple[int, int] | None = None) -> Lesion:
        """Return the lesion at hand at another visit: the last one before, else the first one after."""
        track = self._session.track(self._at_hand())
        keys = [key for key in (track.lesions if track else ()) if key[0] != timepoint and key != besides]
        if not keys:
            raise DecisionError(f"{self._session.track_id} is seen at no other visit")
        before = [key for key in keys if key[0] < timepoint]
        return self._session.history.lesion(*(before[-1] if before else keys[0]))

    def _at_hand(self) -> str:
        if self._session.track_id is None:
            raise DecisionError("no lesion at hand: click one, or a row of the table")
        return self._session.track_id

    def _picked(self, parts: Sequence[tuple[int, int]]) -> list[Lesion]:
        if len(parts) < 2:
            raise DecisionError("pick two lesions or more first: Ctrl-click them in one pane")
        if len({timepoint for timepoint, _ in parts}) != 1:
            raise DecisionError("the lesions picked are not of one visit")
        return [self._lesion(*key) for key in parts]


def _ends(ends_lps_mm: Floats) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    (ax, ay, az), (bx, by, bz) = np.round(np.asarray(ends_lps_mm, dtype=np.float64), 3).tolist()
    return (ax, ay, az), (bx, by, bz)
