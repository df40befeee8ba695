"""A history, seen from one baseline -> Reads, for any choice of targets (contract, section 4)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lesiontrack.assess.findings import ReaderRows, row_length_mm, row_organ
from lesiontrack.assess.looks import Looks, LookState, is_node
from lesiontrack.assess.newcomers import Newcomers
from lesiontrack.assess.rebaseline import make_plan
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.assess.targets import Candidate, propose_targets
from lesiontrack.assess.treated_sites import TreatedSites
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Lesion, Role, Track
from lesiontrack.domain.outcome import Query, RoleAssignment
from lesiontrack.domain.reading import MACHINE
from lesiontrack.domain.reads import (
    Form,
    Measurement,
    NewLesionRead,
    NewStatus,
    NonTargetRead,
    NonTargetStatus,
    Phase,
    ReadLesion,
    Reads,
    ReadVisit,
)
from lesiontrack.domain.study import Method

__all__ = ["PhaseReads", "Readings"]

_STATUS = {
    LookState.SEEN: NonTargetStatus.PRESENT,
    LookState.MERGED: NonTargetStatus.PRESENT,
    LookState.ABSENT: NonTargetStatus.ABSENT,
    LookState.NE: NonTargetStatus.NE,
}


class Readings:
    """What both phases share: looks, gates, treated sites and a reader's rows of one history."""

    def __init__(self, history: History, settings: AssessSettings, reader: str) -> None:
        self.history = history
        self.settings = settings
        self.reader = reader
        self.rows = ReaderRows(history)
        self.looks = Looks(history, settings)
        self.newcomers = Newcomers(history, self.looks, settings)
        self.sites = TreatedSites(history, self.looks, self.newcomers, self.rows, settings)
        self.therapies = self.looks.therapies()

    def is_provisional(self, timepoint: int) -> bool:
        """Tell whether no reader stands for what is read at a visit (contract, section 4)."""
        own = self.history.reading.reader
        return self.reader == MACHINE or (own != MACHINE and timepoint not in self.history.reading.confirmed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A lesion that the baseline holds."""

    lesion_id: str
    organ: str
    candidate: Candidate | None
    reason: str
    measurable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _New:
    """A track that the baseline does not hold; ``first`` is where it counts as first seen."""

    track: Track
    first: int
    reason: str


class PhaseReads:
    """One phase: who is in the baseline, who is new, and the reads for a choice of targets.

    Parameters
    ----------
    timepoints
        Visits of the phase that can be judged; the first is the baseline.
    start
        Day 0 of durations.
    """

    def __init__(self, readings: Readings, phase: Phase, timepoints: tuple[int, ...], start: dt.date | None) -> None:
        self._readings = readings
        self._settings = readings.settings
        self.phase = phase
        self.timepoints = timepoints
        self._baseline = timepoints[0]
        self._start = start
        self._baseline_date = readings.history.visit(self._baseline).date
        self.queries: list[Query] = []
        last = readings.history.visit(timepoints[-1]).date
        # What comes after the induction phase is the study phase's to judge.
        self._therapies = tuple(t for t in readings.therapies if phase is Phase.STUDY or t.date < last)
        self._known: dict[str, _Known] = {}
        self._new: dict[str, _New] = {}
        for track in readings.history.tracks:
            if track.parent_track_id not in readings.looks.tracks:
                self._place(track)
        for lesion in readings.rows.own:
            self._place_own(lesion)
        self._plan = make_plan(readings.history, self._therapies, timepoints, self._settings)

    # --- who is who -------------------------------------------------------------------------------------------------

    def _place(self, track: Track) -> None:
        """Put a track into the baseline, among the new ones, or nowhere."""
        baseline, looks = self._baseline, self._readings.looks
        # Of a track that the baseline does not show these are all later.
        later = [t for t in self.timepoints if looks.lesions(track.track_id, t)]
        if track.first_timepoint > baseline:
            if later:
                self._new[track.track_id] = _New(track=track, first=later[0], reason="not seen up to the baseline")
            return
        look = looks.at(track.track_id, baseline)
        if look.state is LookState.SEEN:
            self._known[track.track_id] = self._seen_at_baseline(track, look.lesions)
        elif look.state is LookState.MERGED:
            if later:
                text = f"coalesced into {look.into} at the baseline and seen on its own again: not followed by itself"
                self._query("SEPARATED_MASS", text, later[0], track.track_id)
        elif self._treated_before(track):
            return
        elif look.state is LookState.NE:
            known = _Known(
                lesion_id=track.track_id,
                organ=track.site,
                candidate=None,
                reason=f"known before, not evaluable at the baseline: {look.reason}",
                measurable=False,
            )
            self._known[track.track_id] = known
        elif later:
            self._vanished(track, later[0])

    def _treated_before(self, track: Track) -> bool:
        return any(t.lesion == track.track_id and t.date < self._baseline_date for t in self._readings.therapies)

    def _vanished(self, track: Track, seen_again: int) -> None:
        """A lesion gone before the baseline and seen after it is NEW, flagged (``reappearing_counts_as_new``)."""
        if self._settings.reappearing_counts_as_new:
            self._new[track.track_id] = _New(
                track=track, first=seen_again, reason="gone before the baseline, seen again"
            )
            text = "gone before the baseline and seen again: counted as new"
            self._query("REAPPEARING_NEW", text, seen_again, track.track_id)
            return
        self._known[track.track_id] = _Known(
            lesion_id=track.track_id,
            organ=track.site,
            candidate=None,
            reason="known before, absent at the baseline",
            measurable=False,
        )

    def _seen_at_baseline(self, track: Track, lesions: tuple[Lesion, ...]) -> _Known:
        measurable = any(lesion.measurable for lesion in lesions)
        before = self._treated_before(track) or track.recurrence_of is not None
        admissible = measurable and not before
        length_mm = self._readings.looks.total_mm(lesions)
        if admissible:
            reason = f"measurable, {length_mm} mm"
        else:
            reason = "at a locally treated site: no target" if before else "not measurable"
        chosen = self._readings.rows.chosen(track.track_id, self._baseline)
        candidate = None
        if admissible or chosen:
            candidate = Candidate(lesion_id=track.track_id, organ=track.site, length_mm=length_mm)
        if chosen and not admissible:
            text = f"a target by a reader's choice, though {reason}"
            self._query("TARGET_BY_CHOICE", text, self._baseline, track.track_id)
        return _Known(
            lesion_id=track.track_id, organ=track.site, candidate=candidate, reason=reason, measurable=measurable
        )

    def _place_own(self, lesion: str) -> None:
        """A lesion that only a reader speaks of: in the baseline by its row there, new by its role."""
        rows = self._readings.rows
        first, row = rows.timepoints(lesion)[0], rows.own[lesion]
        if rows.role(lesion, first) == Role.NEW and first > self._baseline:
            return
        if not any(t in self.timepoints for t in rows.timepoints(lesion)):
            return
        at_baseline = rows.row(lesion, self._baseline)
        length_mm = row_length_mm(at_baseline) if at_baseline is not None else None
        organ = row_organ(row)
        candidate = None
        if length_mm is not None and rows.role(lesion, self._baseline) == Role.TARGET:
            candidate = Candidate(lesion_id=lesion, organ=organ, length_mm=length_mm)
        reason = "by a reader, without a segmentation"
        self._known[lesion] = _Known(
            lesion_id=lesion, organ=organ, candidate=candidate, reason=reason, measurable=candidate is not None
        )

    def _query(self, code: str, text: str, timepoint: int, lesion: str) -> None:
        self.queries.append(Query(code=code, text=text, timepoint=timepoint, lesions=(lesion,)))

    # --- targets ----------------------------------------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """Return what may be a target."""
        return [known.candidate for known in self._known.values() if known.candidate is not None]

    def _role_read(self, lesion: str) -> str | None:
        return self._readings.rows.role(lesion, self._baseline)

    def proposal(self) -> frozenset[str]:
        """Return the targets: a reader's first, then the machine's proposal among those no reader has spoken of."""
        candidates = self.candidates()
        fixed = [c for c in candidates if self._role_read(c.lesion_id) == Role.TARGET]
        free = [c for c in candidates if self._role_read(c.lesion_id) is None]
        return frozenset(propose_targets(free, self._settings, fixed=fixed))

    def roles(self, targets: frozenset[str]) -> tuple[RoleAssignment, ...]:
        """Return what each lesion is in this phase, and why."""
        found = []
        for known in self._known.values():
            chosen = known.lesion_id in targets
            role = Role.TARGET if chosen else Role.NON_TARGET
            why = self._readings.rows.role_reason(known.lesion_id, self._baseline)
            by = f"by a reader: {f'{why}; ' if why else ''}" if self._role_read(known.lesion_id) == role else ""
            also = ", beyond the targets allowed" if known.candidate is not None and not chosen and not by else ""
            found.append(self._role(known.lesion_id, role, known.measurable, f"{by}{known.reason}{also}"))
        for new in self._new.values():
            reason = new.reason
            if new.track.recurrence_of is not None:
                reason += f", at the treated site of {new.track.recurrence_of}"
            found.append(self._role(new.track.track_id, Role.NEW, None, reason))
        found.extend(
            self._role(lesion, Role.NEW, None, "by a reader, without a segmentation") for lesion in self._own_new()
        )
        return tuple(sorted(found, key=lambda entry: entry.track_id))

    def _role(self, lesion: str, role: Role, measurable: bool | None, reason: str) -> RoleAssignment:
        return RoleAssignment(phase=self.phase, track_id=lesion, role=role, measurable=measurable, reason=reason)

    def _own_new(self) -> list[str]:
        rows = self._readings.rows
        return [x for x in rows.own if x not in self._known and any(t in self.timepoints for t in rows.timepoints(x))]

    # --- reads ------------------------------------------------------------------------------------------------------

    def reads(self, targets: frozenset[str]) -> Reads:
        """Return the reads of the phase for a choice of targets; all other baseline lesions are non-targets."""
        readings, clinical = self._readings, self._readings.history.subject.clinical
        return Reads(
            subject_id=readings.history.subject.subject_id,
            phase=self.phase,
            reader=readings.reader,
            treatment_start=self._start,
            lesions=tuple(
                ReadLesion(
                    lesion_id=known.lesion_id,
                    role=Role.TARGET if known.lesion_id in targets else Role.NON_TARGET,
                    organ=known.organ,
                    node=is_node(known.organ),
                    measurable=known.measurable,
                )
                for known in self._known.values()
            ),
            visits=tuple(self._visit(timepoint, targets) for timepoint in self.timepoints),
            therapies=tuple(replace(t, planned=self._plan.includes(t)) for t in self._therapies),
            new_therapy_date=self._new_therapy_date(),
            death_date=clinical.death_date if clinical else None,
        )

    def _new_therapy_date(self) -> dt.date | None:
        """Return the first anticancer therapy outside the protocol from day 0 on."""
        clinical, start = self._readings.history.subject.clinical, self._start
        if clinical is None or start is None:
            return None
        return min((day for day in clinical.new_therapies if day >= start), default=None)

    def _visit(self, timepoint: int, targets: frozenset[str]) -> ReadVisit:
        visit = self._readings.history.visit(timepoint)
        after = timepoint != self._baseline
        return ReadVisit(
            timepoint=timepoint,
            date=visit.date,
            targets=tuple(self._measurements(timepoint, targets)),
            nontargets=tuple(self._nontarget(x, timepoint) for x in self._known if x not in targets),
            new=tuple(self._new_reads(timepoint)) if after else (),
            sites=self._readings.sites.at(timepoint) if after else (),
            rebaseline=timepoint == self._plan.rebaseline,
            scan_dates=tuple(sorted({scan.date for scan in visit.scans})),
            provisional=self._readings.is_provisional(timepoint),
        )

    def _measurements(self, timepoint: int, targets: frozenset[str]) -> Iterable[Measurement]:
        """Yield a value for each target; targets that have coalesced into one mass share one."""
        looks, rows = self._readings.looks, self._readings.rows
        masses: dict[str, list[str]] = {}
        for lesion in sorted(targets):
            read = rows.target(lesion, timepoint)
            if read is not None or lesion not in looks.tracks:
                yield read or Measurement(lesions=(lesion,), form=Form.NE, reason="no read at this visit")
                continue
            look = looks.at(lesion, timepoint)
            masses.setdefault(look.into or lesion, []).append(lesion)
        for lead, members in masses.items():
            zone = self._zone(members, timepoint)
            yield zone or looks.measurement(tuple(members), looks.at(lead, timepoint))

    def _zone(self, members: list[str], timepoint: int) -> Measurement | None:
        """Return the treated zone in a target's place, which ``as_measured`` takes for the lesion."""
        if len(members) > 1:
            return None
        (lesion,), looks = members, self._readings.looks
        date = self._readings.history.visit(timepoint).date
        methods = [t.method for t in self._readings.therapies if t.lesion == lesion and t.date < date]
        if looks.lesions(lesion, timepoint) or not methods or methods[-1] == Method.RESECTION:
            return None
        zone = looks.zone_near(lesion, timepoint)
        if zone is None:
            return Measurement(lesions=(lesion,), form=Form.NE, reason="treated, no zone segmented")
        return Measurement(
            lesions=(lesion,), form=Form.MM, mm=zone.longest_diameter_mm, scan=zone.series_uid, reason="treated zone"
        )

    def _nontarget(self, lesion: str, timepoint: int) -> NonTargetRead:
        looks, rows = self._readings.looks, self._readings.rows
        said = rows.nontarget(lesion, timepoint)
        if said is not None:
            return NonTargetRead(lesion=lesion, status=said[0], date=said[1], reason="read")
        if lesion not in looks.tracks:
            return NonTargetRead(lesion=lesion, status=NonTargetStatus.NE, reason="no read at this visit")
        look = looks.at(lesion, timepoint)
        date = look.lesions[0].date if look.lesions else None
        scan = look.lesions[0].series_uid if look.lesions else ""
        return NonTargetRead(lesion=lesion, status=_STATUS[look.state], date=date, scan=scan, reason=look.reason)

    # --- new lesions ------------------------------------------------------------------------------------------------

    def _new_reads(self, timepoint: int) -> Iterable[NewLesionRead]:
        for new in self._new.values():
            found = self._new_track(new, timepoint)
            if found is not None:
                yield found
        rows = self._readings.rows
        for lesion in self._own_new():
            row, status = rows.row(lesion, timepoint), rows.new(lesion, timepoint)
            if row is not None and status is not None:
                organ = row_organ(row)
                yield NewLesionRead(
                    lesion=lesion, organ=organ, status=status, node=is_node(organ), date=row.date, reason="read"
                )

    def _new_track(self, new: _New, timepoint: int) -> NewLesionRead | None:
        track, rows = new.track, self._readings.rows
        lesions = self._readings.looks.lesions(track.track_id, timepoint)
        row = rows.row(track.track_id, timepoint)
        said_on = row.date if row is not None else None
        if row is not None:
            status = rows.new(track.track_id, timepoint)
            reason = "read"
            if status is None:
                return None
        elif not lesions or self._readings.sites.explains(track, timepoint):
            return None
        else:
            doubts = self._readings.newcomers.doubts(track, new.first, timepoint)
            status = NewStatus.EQUIVOCAL if doubts else NewStatus.UNEQUIVOCAL
            reason = ", ".join(doubts)
        return NewLesionRead(
            lesion=track.track_id,
            organ=track.site,
            status=status,
            node=is_node(track.site),
            date=lesions[0].date if lesions else said_on,
            scan=lesions[0].series_uid if lesions else "",
            reason=reason,
        )
