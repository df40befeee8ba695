"""What a reader says: in the clinical table ``findings``, and by decisions that were replayed onto the history.

A row's ``lesion`` is a track id, or any other name for a lesion of its own. A reader's word wins over the machine, and
a decision over a row of the table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from lesiontrack.assess.looks import is_node
from lesiontrack.assess.organs import organ_of
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Role
from lesiontrack.domain.outcome import Query
from lesiontrack.domain.reads import Form, Measurement, NewStatus, NonTargetStatus, SiteStatus
from lesiontrack.domain.study import Finding, Subject

__all__ = ["ReaderRows", "findings_by_visit"]

_TARGET_FORMS = {"ABSENT": Form.ABSENT, "TSTM": Form.TSTM, "NE": Form.NE}
_NONTARGET = {
    "PRESENT": NonTargetStatus.PRESENT,
    "TSTM": NonTargetStatus.PRESENT,
    "ABSENT": NonTargetStatus.ABSENT,
    "UNEQUIVOCAL": NonTargetStatus.UNEQUIVOCAL,
    "NE": NonTargetStatus.NE,
}
_NEW = {
    "UNEQUIVOCAL": NewStatus.UNEQUIVOCAL,
    "EQUIVOCAL": NewStatus.EQUIVOCAL,
    # A reader who lists a lesion as new and present has no doubt of it.
    "PRESENT": NewStatus.UNEQUIVOCAL,
    "TSTM": NewStatus.UNEQUIVOCAL,
}
_SITE = {status.value: status for status in SiteStatus}


def findings_by_visit(subject: Subject) -> tuple[dict[int, list[Finding]], list[Finding]]:
    """Return each visit's rows, and the rows whose date lies in no visit."""
    placed: dict[int, list[Finding]] = {}
    lost: list[Finding] = []
    for row in subject.clinical.findings if subject.clinical else ():
        spans = ((v.timepoint, min(s.date for s in v.scans), v.date) for v in subject.visits)
        timepoint = next((t for t, first, last in spans if first <= row.date <= last), None)
        if timepoint is None:
            lost.append(row)
        else:
            placed.setdefault(timepoint, []).append(row)
    return placed, lost


class ReaderRows:
    """Rows of ``findings`` by lesion and visit; the last row of a lesion at a visit is the one that counts."""

    def __init__(self, history: History) -> None:
        by_visit, lost = findings_by_visit(history.subject)
        names = {track.track_id: track.track_id for track in history.tracks}
        names |= {track.tracking_uid: track.track_id for track in history.tracks if track.tracking_uid}
        self._rows: dict[tuple[str, int], Finding] = {}
        self.own: dict[str, Finding] = {}
        for timepoint, rows in by_visit.items():
            for row in rows:
                lesion = names.get(row.lesion, row.lesion)
                self._rows[lesion, timepoint] = row
                if lesion not in names:
                    self.own.setdefault(lesion, row)
        tracks = {track.track_id: track for track in history.tracks}
        for word in history.reading.words:
            site = tracks[word.track_id].site
            row = Finding(date=word.date, lesion=word.track_id, site=site, role="", status=word.status.value)
            self._rows[word.track_id, word.timepoint] = row
        self._roles = {(word.track_id, word.timepoint): word for word in history.reading.roles}
        self.visits = frozenset(by_visit) | frozenset(word.timepoint for word in history.reading.words)
        self._lost = lost

    def row(self, lesion: str, timepoint: int) -> Finding | None:
        """Return what a reader says of a lesion at a visit."""
        return self._rows.get((lesion, timepoint))

    def role(self, lesion: str, timepoint: int) -> str | None:
        """Return the role that a reader gives a lesion at a visit: TARGET, NON_TARGET, NEW."""
        decided = self._roles.get((lesion, timepoint))
        if decided is not None:
            return decided.role.value
        row = self.row(lesion, timepoint)
        return row.role.upper().replace("-", "_") if row is not None and row.role else None

    def role_reason(self, lesion: str, timepoint: int) -> str:
        """Return why a reader gives a lesion its role; empty where that is not said."""
        decided = self._roles.get((lesion, timepoint))
        row = self.row(lesion, timepoint)
        return decided.reason if decided is not None else row.reason if row is not None else ""

    def chosen(self, lesion: str, timepoint: int) -> bool:
        """Tell whether a reader decided that a lesion is a target, measurable or not."""
        decided = self._roles.get((lesion, timepoint))
        return decided is not None and decided.role is Role.TARGET

    def timepoints(self, lesion: str) -> list[int]:
        """Return the visits at which a reader says something of a lesion."""
        return sorted(timepoint for name, timepoint in self._rows if name == lesion)

    def queries(self) -> Iterable[Query]:
        """Say which rows belong to no visit."""
        for row in self._lost:
            text = f"finding of {row.date.isoformat()} lies in no visit and is left out"
            yield Query(code="FINDING_WITHOUT_VISIT", severity="DATA_ERROR", text=text, lesions=(row.lesion,))

    # --- a row as a read --------------------------------------------------------------------------------------------

    def target(self, lesion: str, timepoint: int) -> Measurement | None:
        """Return a target's value, where a reader gives one."""
        row = self.row(lesion, timepoint)
        if row is None:
            return None
        length_mm = row_length_mm(row)
        if row.status in _TARGET_FORMS:
            return Measurement(lesions=(lesion,), form=_TARGET_FORMS[row.status], date=row.date, reason="read")
        if length_mm is not None:
            return Measurement(lesions=(lesion,), form=Form.MM, mm=length_mm, date=row.date, reason="read")
        return None

    def nontarget(self, lesion: str, timepoint: int) -> tuple[NonTargetStatus, dt.date] | None:
        """Return a non-target's status and its day, where a reader gives one.

        A lesion that a reader once listed as NEW and that the baseline already holds is simply there.
        """
        row = self.row(lesion, timepoint)
        if row is None:
            return None
        if self.role(lesion, timepoint) == "NEW" and row.status in _NEW:
            return NonTargetStatus.PRESENT, row.date
        return (_NONTARGET[row.status], row.date) if row.status in _NONTARGET else None

    def new(self, lesion: str, timepoint: int) -> NewStatus | None:
        """Return how sure a reader is of a new lesion; None where the reader says nothing, or that it is none."""
        row = self.row(lesion, timepoint)
        return None if row is None else _NEW.get(row.status)

    def site(self, lesion: str, timepoint: int) -> tuple[SiteStatus, dt.date] | None:
        """Return a treated site's status and its day, where a reader gives one."""
        row = self.row(lesion, timepoint)
        return None if row is None or row.status not in _SITE else (_SITE[row.status], row.date)


def row_organ(row: Finding) -> str:
    """Return the organ of a row, in the contract's spelling."""
    return organ_of(row.site)


def row_length_mm(row: Finding) -> Decimal | None:
    """Return the diameter that counts of a row, mm; None without one."""
    return row.short_axis_mm if is_node(row_organ(row)) else row.longest_diameter_mm
