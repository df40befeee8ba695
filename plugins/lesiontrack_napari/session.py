"""A reading session: open a case, look, decide, undo; every decision is on disk before it counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Volume
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Lesion, Track
from lesiontrack.domain.outcome import Judgement
from lesiontrack.domain.study import Scan, Visit
from lesiontrack.errors import DecisionError, StudyError
from lesiontrack.io.decision_log import DecisionLog
from lesiontrack.io.history import label_map_files, load_history
from lesiontrack.io.moved import images_found_again
from lesiontrack.io.nifti import read_array
from lesiontrack.io.store import subject_folder
from lesiontrack.io.study import read_image
from lesiontrack.pipeline import Replayer, judge
from lesiontrack.review import (
    Act,
    Add,
    Decision,
    Item,
    Lock,
    Redraw,
    Replayed,
    Revoke,
    Unlock,
    alive,
    first_of,
    needs_reason,
)
from lesiontrack.settings import Settings
from lesiontrack_napari.checks import target_warnings
from lesiontrack_napari.correspond import Correspondence, Way
from lesiontrack_napari.frame import onto
from lesiontrack_napari.images import Images
from lesiontrack_napari.layers import track_colours
from lesiontrack_napari.masks import with_drawn
from lesiontrack_napari.opening import settings_of
from lesiontrack_napari.table import Known, Row, lesion_rows
from lesiontrack_napari.verdict import PhaseVerdict, live, verdicts

__all__ = ["Case", "ReasonWantedError", "Session", "open_case"]


class ReasonWantedError(DecisionError):
    """The rule book wants a reason for this decision."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A subject of a result folder, as the machine left it.

    Attributes
    ----------
    machine
        The history without any decision.
    label_maps
        Series -> file of its lesion label map.
    """

    out: Path
    machine: History
    settings: Settings
    label_maps: dict[str, Path]

    @property
    def subject_id(self) -> str:
        """Whose it is."""
        return self.machine.subject.subject_id


def open_case(out: Path, subject_id: str, *, study: Path | None = None) -> Case:
    """Open a subject of a result folder; no voxel is read.

    Parameters
    ----------
    study
        Where its images are now; None: where the run found them, seen from ``out`` if they were moved together.

    Raises
    ------
    StudyError
        If the folder holds no such subject, or its images are no longer there.
    """
    folder = subject_folder(out, subject_id)
    if not folder.is_dir():
        raise StudyError("no such subject in the result folder", subject_id=subject_id, file=str(out))
    settings, machine = settings_of(out), load_history(folder)
    subject = images_found_again(machine.subject, out, settings.archive, settings.labels, study=study)
    return Case(
        out=out,
        machine=replace(machine, subject=subject),
        settings=settings,
        label_maps=dict(label_map_files(folder)),
    )


class Session:
    """One reader at one case.

    What is shown follows from the machine's history and the reader's own decisions, nobody else's. A decision is
    appended to the reader's log, and synced, before anything changes on the screen: a crash loses nothing.

    Attributes
    ----------
    current, prior
        Timepoints of the two panes.
    track_id
        The lesion at hand; None for none.
    """

    def __init__(self, case: Case, reader: str) -> None:
        self.case = case
        self.settings = case.settings
        self.images = Images(self._read_volume)
        self._log = DecisionLog(case.out, case.subject_id, reader)
        self.reader = reader = self._log.reader
        self._replayer = Replayer(case.machine, case.settings)
        self._judging = live(case.settings)
        self._undone: list[Decision] = []
        self._item: Item | None = None
        self._listeners: list[Callable[[], None]] = []
        self.track_id: str | None = None
        self.decisions: tuple[Decision, ...] = self._log.read()
        self._whole = len(self._replayer.replay((), reader=reader).items)
        self._derive()
        usable = [visit.timepoint for visit in case.machine.subject.visits if visit.measured_scans]
        if not usable:
            raise StudyError("no visit that could be read", subject_id=case.subject_id)
        shown = [timepoint for timepoint in usable if timepoint in self.revealed]
        self.current = shown[min(1, len(shown) - 1)]
        self.prior = shown[0]

    # --- what there is ----------------------------------------------------------------------------------------------

    def _derive(self, replayed: Replayed | None = None) -> None:
        """Work out everything that follows from the decisions, which may have been replayed already."""
        self.replayed: Replayed = replayed or self._replayer.replay(self.decisions, reader=self.reader)
        self.history: History = self.replayed.history
        self.judgement: Judgement = judge(self.history, self._judging)
        self.verdicts: tuple[PhaseVerdict, ...] = verdicts(self.judgement, self.settings)
        self.colours: dict[str, str] = track_colours(self.history)
        todo = {item.track_id for item in self.items if item.track_id is not None}
        known = Known(shown=self.revealed, todo=todo, read=self._read_tracks())
        self.rows: tuple[Row, ...] = lesion_rows(self.history, self.judgement, known)
        self.correspondence = Correspondence(self.history.registrations)
        if self.track_id not in self.colours:
            self.track_id = None

    def _read_tracks(self) -> set[str]:
        """Return the tracks that a decision in force speaks of."""
        touched = {key for standing in self.replayed.applied for key in standing.touches}
        return {track.track_id for track in self.history.tracks if touched & set(track.lesions)}

    @property
    def items(self) -> tuple[Item, ...]:
        """What still needs a look at the visits that are shown, worst confidence first."""
        return tuple(item for item in self.replayed.items if item.timepoint in self.revealed)

    @property
    def progress(self) -> float:
        """Share of what needed a look that has had one, 0 to 1."""
        whole, left = self._whole, len(self.replayed.items)
        return 1.0 if whole == 0 else max(0.0, 1.0 - left / max(whole, left))

    @property
    def revealed(self) -> frozenset[int]:
        """Timepoints that the reader may see: with ``reveal = "chronological"`` those up to the first unlocked one."""
        timepoints = [visit.timepoint for visit in self.case.machine.subject.visits]
        if self.settings.review.reveal != "chronological":
            return frozenset(timepoints)
        unlocked = [t for t in timepoints if t not in self.replayed.locked]
        return frozenset(t for t in timepoints if not unlocked or t <= unlocked[0])

    def visits(self) -> tuple[Visit, ...]:
        """Return the visits that are shown."""
        return tuple(visit for visit in self.history.subject.visits if visit.timepoint in self.revealed)

    def track(self, track_id: str | None = None) -> Track | None:
        """Return a track, the one at hand by default."""
        wanted = track_id or self.track_id
        return next((track for track in self.history.tracks if track.track_id == wanted), None)

    def track_of(self, timepoint: int, lesion_id: int) -> Track | None:
        """Return the track that holds a lesion of a visit."""
        return next((track for track in self.history.tracks if (timepoint, lesion_id) in track.lesions), None)

    def sighting(self, timepoint: int, track_id: str | None = None) -> Lesion | None:
        """Return a track's largest lesion at a visit; None when it is not seen there."""
        track = self.track(track_id)
        seen = self.history.fragments(track, timepoint) if track else ()
        return max(seen, key=lambda lesion: lesion.volume_mm3, default=None)

    def place_lps_mm(self, timepoint: int, track_id: str | None = None) -> tuple[NDArray[np.float64], str] | None:
        """Return where a track is at a visit, and on which series: its diameter's middle, or its projected place."""
        track = self.track(track_id)
        if track is None:
            return None
        lesion = self.sighting(timepoint, track_id)
        if lesion is not None:
            return np.array(lesion.diameter_ends_lps_mm).mean(axis=0), lesion.series_uid
        entry = self.history.missing_at(track, timepoint)
        return None if entry is None else (np.array(entry.place_lps_mm), entry.series_uid)

    def warnings(self) -> tuple[str, ...]:
        """Return the protocol's checks on the targets of the study phase, or of the only phase there is."""
        if not self.verdicts:
            return ()
        phase = self.verdicts[0]
        if phase.baseline_timepoint not in self.revealed:
            return ()
        return target_warnings(self.history, phase.targets, phase.baseline_timepoint, self.settings.assess)

    # --- images -----------------------------------------------------------------------------------------------------

    def _read_volume(self, scan: Scan) -> Volume:
        return read_image(scan, self.settings.archive)

    def scans(self, timepoint: int) -> tuple[Scan, ...]:
        """Return the volumes of a visit that can be looked at, the measured ones first."""
        usable = [scan for scan in self.history.visit(timepoint).scans if scan.usable and scan.files]
        return tuple(sorted(usable, key=lambda scan: not scan.measured))

    def label_map(self, scan: Scan) -> NDArray[np.uint16] | None:
        """Return the lesion label map (k, j, i) on a scan's own grid, with what was drawn; None where it has none.

        Raises
        ------
        GeometryError
            If the stored label map is not of this scan.
        """
        file = self.case.label_maps.get(scan.series_uid)
        grid = self.images.volume(scan).grid
        machine = None
        if file is not None:
            stored, array = read_array(file)
            machine = onto(grid, stored, array.astype(np.uint16, copy=False))
        return with_drawn(machine, scan, self.replayed)

    def drawn_on(self, scan: Scan) -> tuple[str, ...]:
        """Return the decisions that have drawn on a scan: its label map changes only when they do."""
        return tuple(
            applied.decision.id
            for applied in self.replayed.applied
            if isinstance(applied.decision.act, Add | Redraw)
            and applied.decision.act.drawing.series_uid == scan.series_uid
        )

    def way(self, scan: tuple[int, str], other: tuple[int, str]) -> Way:
        """Return the way from one scan (timepoint, series) to another."""
        return self.correspondence.way(*scan, *other)

    # --- deciding ---------------------------------------------------------------------------------------------------

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a callable called after each change."""
        self._listeners.append(listener)

    def unlisten(self) -> None:
        """Forget all listeners."""
        self._listeners.clear()

    def decide(self, act: Act, reason: str = "") -> Decision:
        """Record a decision and work out what follows.

        Raises
        ------
        DecisionError
            If the act is impossible, would not be applied (of a visit that is closed, say), or needs a reason and has
            none; then nothing is recorded.
        """
        wanted = needs_reason(act)
        if wanted is not None and not reason.strip():
            raise ReasonWantedError(wanted, subject_id=self.case.subject_id)
        decision = self._record(act, reason)
        self._undone.clear()
        self._tell()
        return decision

    def _record(self, act: Act, reason: str = "") -> Decision:
        """Replay a decision before it is written: what could not be applied is refused here, not found out later."""
        time = dt.datetime.now(dt.UTC)
        last = self.decisions[-1].id if self.decisions else first_of(self.case.subject_id, self.reader)
        tried = Decision.make(act, reader=self.reader, previous=last, reason=reason, time=time)
        replayed = self._replayer.replay((*self.decisions, tried), reader=self.reader)
        for standing in replayed.inapplicable:
            if standing.decision.id == tried.id:
                raise DecisionError(f"not recorded: {standing.why}", subject_id=self.case.subject_id)
        decision = self._log.append(act, reason=reason, time=time)
        self.decisions += (decision,)
        # Another program of the same reader may have written in between: then this one stands elsewhere.
        self._derive(replayed if decision.id == tried.id else None)
        return decision

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    @property
    def can_undo(self) -> Decision | None:
        """The reader's last decision that is in force; None when there is none.

        Closing and opening a visit are never undone: opening one wants a reason, which an undo would go round.
        """
        in_force, _, _ = alive(self.decisions)
        return next((d for d in reversed(in_force) if not isinstance(d.act, Lock | Unlock)), None)

    @property
    def can_redo(self) -> bool:
        """Whether something was undone since the last new decision."""
        return bool(self._undone)

    def undo(self) -> Decision | None:
        """Revoke the last decision in force; the log keeps both. Return what was revoked.

        Raises
        ------
        DecisionError
            If it is of a visit that was closed since.
        """
        last = self.can_undo
        if last is not None:
            self._undone.append(self._record(Revoke(decision=last.id)))
            self._tell()
        return last

    def redo(self) -> bool:
        """Revoke the last revocation; return whether there was one."""
        if not self._undone:
            return False
        self._record(Revoke(decision=self._undone[-1].id))
        self._undone.pop()
        self._tell()
        return True

    # --- going through the case -------------------------------------------------------------------------------------

    def select(self, track_id: str | None) -> None:
        """Take a lesion at hand."""
        self.track_id = track_id if track_id in self.colours else None

    def next_item(self, step: int = 1) -> Item | None:
        """Return what needs a look next, after the one at hand; round at the end. None: all is read."""
        items = self.items
        if not items:
            return None
        here = items.index(self._item) if self._item in items else -1 if step > 0 else 0
        return items[(here + step) % len(items)]

    def take_item(self, item: Item | None) -> None:
        """Take what needs a look at hand."""
        self._item = item
        if item is not None and item.track_id is not None:
            self.select(item.track_id)

    @property
    def item(self) -> Item | None:
        """What needs a look and is at hand; None once the reader has gone elsewhere or decided it."""
        item = self._item
        if item is None or item not in self.items or item.timepoint != self.current:
            return None
        return item if item.track_id in (None, self.track_id) else None

    def companion_of(self, timepoint: int) -> int:
        """Return the visit to stand beside another: the shown, usable one before it, or after it for the first."""
        usable = [v.timepoint for v in self.visits() if v.measured_scans]
        before = [t for t in usable if t < timepoint]
        after = [t for t in usable if t > timepoint]
        return before[-1] if before else after[0] if after else timepoint

    def visit_dates(self) -> dict[int, dt.date]:
        """Return the date of each visit that is shown."""
        return {visit.timepoint: visit.date for visit in self.visits()}
