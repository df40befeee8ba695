"""What the images show at locally treated sites: the machine's proposal, a reader's word before it (contract, 4)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from lesiontrack.assess.findings import ReaderRows
from lesiontrack.assess.looks import Looks
from lesiontrack.assess.newcomers import Newcomers
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Track
from lesiontrack.domain.reads import SiteRead, SiteStatus
from lesiontrack.domain.study import Visit

__all__ = ["TreatedSites"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A track that shows at a treated site: the treated lesion itself, or one that began beside it."""

    track: Track
    date: dt.date
    scan: str


class TreatedSites:
    """Status of every treated site at every visit after its first treatment."""

    def __init__(
        self, history: History, looks: Looks, newcomers: Newcomers, rows: ReaderRows, settings: AssessSettings
    ) -> None:
        self._history = history
        self._looks = looks
        self._newcomers = newcomers
        self._rows = rows
        self._settings = settings
        self._around: dict[str, list[Track]] = {}
        for track in history.tracks:
            if track.recurrence_of is not None:
                self._around.setdefault(track.recurrence_of, []).append(track)
        first: dict[str, dt.date] = {}
        for therapy in looks.therapies():
            first.setdefault(therapy.lesion, therapy.date)
        self._reads = {(name, t): read for name, day in first.items() for t, read in self._follow(name, day)}
        self.treated = frozenset(first)

    def at(self, timepoint: int) -> tuple[SiteRead, ...]:
        """Return the status of each treated site at a visit."""
        return tuple(read for (_, visit), read in sorted(self._reads.items()) if visit == timepoint)

    def explains(self, track: Track, timepoint: int) -> bool:
        """Tell whether a lesion is told by the status of a treated site, and so is no new lesion of its own."""
        return (track.recurrence_of, timepoint) in self._reads

    def _follow(self, lesion: str, treated: dt.date) -> Iterable[tuple[int, SiteRead]]:
        had_clean_control = False
        for visit in self._history.subject.visits:
            if visit.date <= treated:
                continue
            read = self._read(lesion, visit) or self._shown(lesion, visit, had_clean_control)
            had_clean_control = had_clean_control or read.status is SiteStatus.NO_VIABLE
            yield visit.timepoint, read

    def _read(self, lesion: str, visit: Visit) -> SiteRead | None:
        """Return a reader's word on the site, or on a lesion that began beside it."""
        names = [lesion, *(track.track_id for track in self._around.get(lesion, ()))]
        for name in names:
            said = self._rows.site(name, visit.timepoint)
            # That a lesion beside the site cannot be evaluated says nothing of the site.
            if said is not None and (name == lesion or said[0] is not SiteStatus.NE):
                return SiteRead(lesion=lesion, status=said[0], date=said[1], reason="read")
        return None

    def _shown(self, lesion: str, visit: Visit, had_clean_control: bool) -> SiteRead:
        """RESIDUAL until a control shows none; from then on LTP when it passes the gates of a new lesion."""
        seen = list(self._seen(lesion, visit.timepoint))
        if not seen:
            return self._nothing(lesion, visit.timepoint)
        first = seen[0]
        if not had_clean_control:
            return SiteRead(
                lesion=lesion, status=SiteStatus.RESIDUAL, date=first.date, scan=first.scan, reason="seen at the site"
            )
        doubts: tuple[str, ...] = ()
        for item in seen:
            start = item.track.first_timepoint if item.track.track_id != lesion else visit.timepoint
            doubts = self._newcomers.doubts(item.track, start, visit.timepoint)
            if not doubts:
                reason = f"{item.track.track_id} at the site, after a control without it"
                return SiteRead(lesion=lesion, status=SiteStatus.LTP, date=item.date, scan=item.scan, reason=reason)
        # As with any new lesion, what may be none has no effect until a reader or a later scan decides.
        return SiteRead(
            lesion=lesion, status=SiteStatus.NO_VIABLE, date=first.date, scan=first.scan, reason=", ".join(doubts)
        )

    def _seen(self, lesion: str, timepoint: int) -> Iterable[_Seen]:
        for track in (self._looks.tracks[lesion], *self._around.get(lesion, ())):
            lesions = self._looks.lesions(track.track_id, timepoint)
            if lesions:
                yield _Seen(track=track, date=lesions[0].date, scan=lesions[0].series_uid)

    def _nothing(self, lesion: str, timepoint: int) -> SiteRead:
        """Nothing marked there: no viable tumour when the place is in view and the segmentation complete, else NE.

        The registration need not be trusted: whatever a complete segmentation marks is judged, here or elsewhere.
        """
        entry = self._looks.entry(lesion, timepoint)
        if entry is None:
            return SiteRead(lesion=lesion, status=SiteStatus.NE, reason="no place is known at this visit")
        if not self._settings.segmentation_complete:
            return SiteRead(
                lesion=lesion, status=SiteStatus.NE, scan=entry.series_uid, reason="incomplete segmentation"
            )
        if not self._looks.in_view(timepoint, entry.series_uid, entry.place_lps_mm):
            return SiteRead(lesion=lesion, status=SiteStatus.NE, scan=entry.series_uid, reason="out of view")
        reason = "nothing marked at the site"
        return SiteRead(lesion=lesion, status=SiteStatus.NO_VIABLE, scan=entry.series_uid, reason=reason)
