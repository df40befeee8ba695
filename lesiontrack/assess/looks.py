"""What each visit shows of each track, by the machine's defaults (contract, section 4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np

from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Fate, Lesion, LesionStatus, Missing, MissingState, Track, TreatedZone
from lesiontrack.domain.reads import Form, LocalTherapy, Measurement
from lesiontrack.domain.study import Method, Site

__all__ = ["Look", "LookState", "Looks", "is_node", "length_mm"]

_FATE_METHOD = {Fate.RESECTED: Method.RESECTION, Fate.ABLATED: Method.ABLATION, Fate.IRRADIATED: Method.SBRT}


class LookState(StrEnum):
    """What a visit shows of a track."""

    SEEN = "SEEN"
    MERGED = "MERGED"
    ABSENT = "ABSENT"
    NE = "NE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One track at one visit: its lesions when seen, those of the mass when coalesced, else why it is not there."""

    state: LookState
    lesions: tuple[Lesion, ...] = ()
    into: str | None = None
    reason: str = ""


def is_node(site: str) -> bool:
    """Tell whether the short axis counts (response rules, section 2)."""
    return site == Site.LYMPH_NODE


def length_mm(lesion: Lesion) -> Decimal:
    """Return the diameter that counts, mm: the short axis of a node, else the longest diameter."""
    return lesion.short_axis_mm if is_node(lesion.site) else lesion.longest_diameter_mm


class Looks:
    """Every track at every visit of one history."""

    def __init__(self, history: History, settings: AssessSettings) -> None:
        self._history = history
        self._settings = settings
        self.tracks: dict[str, Track] = {track.track_id: track for track in history.tracks}
        self._missing: dict[tuple[str, int], Missing] = {(m.track_id, m.timepoint): m for m in history.missing}
        self._children: dict[str, list[Track]] = {}
        for track in history.tracks:
            if track.parent_track_id is not None:
                self._children.setdefault(track.parent_track_id, []).append(track)

    def entry(self, track_id: str, timepoint: int) -> Missing | None:
        """Return the ledger's entry for a track that a visit does not show."""
        return self._missing.get((track_id, timepoint))

    def at(self, track_id: str, timepoint: int) -> Look:
        """Return what a visit shows of a track."""
        lesions = self.lesions(track_id, timepoint)
        if lesions:
            return Look(state=LookState.SEEN, lesions=lesions)
        track = self.tracks[track_id]
        if track.merged_into in self.tracks and timepoint > track.last_seen_timepoint:
            return self._coalesced(track, timepoint)
        return self._absence(track_id, timepoint)

    def lesions(self, track_id: str, timepoint: int) -> tuple[Lesion, ...]:
        """Return a track's fragments at a visit, those followed on their own included, all of one scan."""
        tracks = [self.tracks[track_id], *self._children.get(track_id, ())]
        found = [lesion for track in tracks for lesion in self._history.fragments(track, timepoint)]
        series = {lesion.series_uid for lesion in found}
        if len(series) > 1:
            chosen = self._scan_to_read(track_id, series, timepoint)
            found = [lesion for lesion in found if lesion.series_uid == chosen]
        return tuple(found)

    def _scan_to_read(self, track_id: str, series: set[str], timepoint: int) -> str:
        """Choose the scan of the modality on which the track was first seen: like is compared with like."""
        first_timepoint, number = self.tracks[track_id].lesions[0]
        first = self._history.lesion(first_timepoint, number).series_uid
        modality = self.modality(first_timepoint, first)
        return min(series, key=lambda uid: (self.modality(timepoint, uid) != modality, uid))

    def modality(self, timepoint: int, series_uid: str) -> str | None:
        """Return the modality of a scan of a visit."""
        for scan in self._history.visit(timepoint).scans:
            if scan.series_uid == series_uid:
                return scan.modality
        return None

    def _coalesced(self, track: Track, timepoint: int, passed: frozenset[str] = frozenset()) -> Look:
        """Follow a track into the mass that took it, and on into the mass that took that one."""
        mass = self.tracks.get(track.merged_into or "")
        if mass is None or mass.track_id in passed:
            return Look(state=LookState.NE, reason="its mass is not followed")
        lesions = self.lesions(mass.track_id, timepoint)
        if lesions:
            return Look(state=LookState.MERGED, lesions=lesions, into=mass.track_id)
        if mass.merged_into is None or timepoint <= mass.last_seen_timepoint:
            return self._absence(mass.track_id, timepoint)
        return self._coalesced(mass, timepoint, passed | {mass.track_id})

    def _absence(self, track_id: str, timepoint: int) -> Look:
        """Absent only when registration is trusted, the place in view and the segmentation complete; else NE."""
        entry = self.entry(track_id, timepoint)
        if entry is None:
            return Look(state=LookState.NE, reason="no place is known at this visit")
        if entry.state is MissingState.OUT_OF_VIEW:
            return Look(state=LookState.NE, reason="out of view")
        if not entry.trusted:
            return Look(state=LookState.NE, reason="not seen, on an untrusted registration")
        if not self._settings.segmentation_complete:
            return Look(state=LookState.NE, reason="not seen, in a segmentation that need not be complete")
        return Look(state=LookState.ABSENT, reason="not seen, its place in view")

    # --- values -----------------------------------------------------------------------------------------------------

    def measurement(self, members: tuple[str, ...], look: Look) -> Measurement:
        """Return a look as the value of its track, or of all members of a mass."""
        if look.state in (LookState.ABSENT, LookState.NE):
            form = Form.ABSENT if look.state is LookState.ABSENT else Form.NE
            return Measurement(lesions=members, form=form, reason=look.reason)
        # Fragments of a look lie on one scan.
        scan, date = look.lesions[0].series_uid, look.lesions[0].date
        if len(look.lesions) == 1:
            (lesion,) = look.lesions
            if lesion.status is LesionStatus.TSTM:
                return Measurement(lesions=members, form=Form.TSTM, date=date, scan=scan)
            return Measurement(lesions=members, form=Form.MM, mm=length_mm(lesion), date=date, scan=scan)
        parts = tuple(self._part_mm(lesion) for lesion in look.lesions)
        return Measurement(lesions=members, form=Form.PARTS, parts=parts, date=date, scan=scan)

    def _part_mm(self, lesion: Lesion) -> Decimal:
        return self._settings.tstm_mm if lesion.status is LesionStatus.TSTM else length_mm(lesion)

    def total_mm(self, lesions: Iterable[Lesion]) -> Decimal:
        """Return the diameters that count, added up, mm."""
        return sum((self._part_mm(lesion) for lesion in lesions), Decimal(0))

    # --- treatments -------------------------------------------------------------------------------------------------

    def therapies(self) -> tuple[LocalTherapy, ...]:
        """Return every local treatment of a known track.

        A treated zone that no row of ``local_treatments`` explains is a treatment too, dated by the last usable visit
        before it, the earliest that it can have been.
        """
        found = [
            LocalTherapy(lesion=track.track_id, method=t.method, date=t.date, session=t.session, planned=t.planned)
            for track in self._history.tracks
            for t in track.treatments
        ]
        for track in self._history.tracks:
            if track.treatments or track.fate not in _FATE_METHOD:
                continue
            treated = [m.timepoint for m in self._history.missing if self._is_treated(m, track)]
            before = [v.date for v in self._history.subject.visits if v.usable and treated and v.timepoint < treated[0]]
            if before:
                method = _FATE_METHOD[track.fate].value
                found.append(LocalTherapy(lesion=track.track_id, method=method, date=before[-1], planned=True))
        return tuple(sorted(found, key=lambda t: (t.date, t.lesion)))

    @staticmethod
    def _is_treated(entry: Missing, track: Track) -> bool:
        return entry.track_id == track.track_id and entry.state is MissingState.TREATED

    def in_view(self, timepoint: int, series_uid: str, place_lps_mm: tuple[float, float, float]) -> bool:
        """Tell whether a place lies in a scan of a visit; a scan of unknown extent shows it."""
        for scan in self._history.visit(timepoint).scans:
            if scan.series_uid == series_uid:
                return scan.grid is None or bool(scan.grid.contains(np.array(place_lps_mm)))
        return False

    def zone_near(self, track_id: str, timepoint: int) -> TreatedZone | None:
        """Return the segmented treated zone over a track's place at a visit, the nearest one."""
        entry = self.entry(track_id, timepoint)
        if entry is None:
            return None
        place = np.array(entry.place_lps_mm)

        def away_mm(zone: TreatedZone) -> float:
            return float(np.linalg.norm(np.array(zone.centroid_lps_mm) - place))

        zones = (zone for zone in self._history.zones if zone.series_uid == entry.series_uid)
        near = [zone for zone in zones if away_mm(zone) <= zone.radius_mm]
        return min(near, key=lambda zone: (away_mm(zone), zone.zone_id), default=None)
