"""Which track a local treatment was given to (contract, section 2, table ``local_treatments``)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lesiontrack.domain.lesion import TreatedZone
from lesiontrack.domain.study import Compartment, LocalTreatment, Method
from lesiontrack.link.draft import Draft, Visits, members_at
from lesiontrack.link.evidence import Evidence
from lesiontrack.link.settings import LinkSettings

__all__ = ["Names", "Treated", "treat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The track id and tracking UID that each draft has before any treatment is looked at.

    ``begun_uids`` are the UIDs that it would have, did it begin with a later one of its lesions: a recurrence at a
    treated site had a track of its own in an earlier run, and is one lesion with the treated one before treatments
    are looked at.
    """

    track_ids: tuple[str, ...]
    tracking_uids: tuple[str, ...]
    begun_uids: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Treated:
    """Drafts with their treatments, and what could not be placed."""

    drafts: list[Draft]
    problems: tuple[str, ...]


class _Placing:
    """Everything that placing a treatment looks at."""

    def __init__(
        self,
        drafts: list[Draft],
        evidence: Evidence,
        visits: Visits,
        zones: Sequence[TreatedZone],
        settings: LinkSettings,
    ) -> None:
        self.drafts = list(drafts)
        self.evidence = evidence
        self.visits = visits
        self.zones = sorted(zones, key=lambda z: (z.timepoint, z.series_uid, z.centroid_lps_mm))
        self.settings = settings
        self.problems: list[str] = []

    def give(self, number: int, treatment: LocalTreatment, *reasons: str) -> None:
        """Record a treatment of a draft."""
        draft = self.drafts[number]
        if treatment in draft.treatments:
            return
        given = tuple(sorted((*draft.treatments, treatment), key=lambda t: (t.date, t.method)))
        first = self.visits.first_after(given[0])
        self.drafts[number] = replace(draft, treatments=given, treated_from=first).because(*reasons)

    def vanished(self, number: int, before: int, after: int) -> bool:
        """Tell whether a draft was seen up to a visit and is not at a later one, untreated as far as is known."""
        draft = self.drafts[number]
        seen = {self.evidence.lesions[m].timepoint for m in draft.members}
        return not draft.treatments and draft.merged is None and any(t <= before for t in seen) and after not in seen

    def hepatic(self, number: int) -> bool:
        """Tell whether a draft is in the liver."""
        return self.evidence.lesions[self.drafts[number].members[0]].compartment is Compartment.HEPATIC

    def edge_distance(self, number: int, zone: TreatedZone) -> float | None:
        """Return how far a draft's projected place lies outside a zone, mm (negative inside); None without a route."""
        members = [m for m in self.drafts[number].members if self.evidence.lesions[m].timepoint < zone.timepoint]
        place = self.evidence.joint_place(members, zone.series_uid)
        if place is None:
            return None
        return float(np.linalg.norm(place.point_lps_mm - np.array(zone.centroid_lps_mm))) - zone.radius_mm


def treat(
    drafts: list[Draft],
    evidence: Evidence,
    visits: Visits,
    zones: Sequence[TreatedZone],
    names: Names,
    settings: LinkSettings,
    *,
    read: Sequence[tuple[int, LocalTreatment]] = (),
) -> Treated:
    """Give every row of ``local_treatments`` to the drafts that it names, then place the rows that name none.

    Parameters
    ----------
    read
        (index of a lesion, treatment) that a reader gives; a row that names nothing, of the same day and method, is
        then the same treatment.

    Returns
    -------
    Treated
        Drafts in the same order; sentences about rows that fit no track.
    """
    placing = _Placing(drafts, evidence, visits, zones, settings)
    for member, treatment in read:
        placing.give(next(n for n, draft in enumerate(drafts) if member in draft.members), treatment)
    said = {(treatment.date, treatment.method) for _, treatment in read}
    clinical = evidence.subject.clinical
    rows = sorted(clinical.local_treatments if clinical else (), key=lambda t: (t.date, t.method, t.session or ""))
    unknown: dict[tuple[dt.date, str], list[LocalTreatment]] = {}
    for row in rows:
        if row.track_id is not None or row.tracking_uid is not None:
            _by_name(placing, row, names)
        elif row.place_lps_mm is not None:
            _by_place(placing, row)
        elif row.all_lesions:
            _all(placing, row)
        elif (row.date, row.method) not in said:
            unknown.setdefault((row.date, row.method), []).append(row)
    for group in unknown.values():
        _by_traces(placing, group)
    _zones_without_row(placing)
    return Treated(drafts=placing.drafts, problems=tuple(placing.problems))


def _by_name(placing: _Placing, row: LocalTreatment, names: Names) -> None:
    """Find the track by its tracking UID, which survives renumbering; by its id only where no UID is given."""
    if row.tracking_uid is not None:
        found = [n for n, uid in enumerate(names.tracking_uids) if uid == row.tracking_uid]
        found = found or [n for n, known in enumerate(names.begun_uids) if row.tracking_uid in known]
        if found and row.track_id is not None and names.track_ids[found[0]] != row.track_id:
            placing.drafts[found[0]] = placing.drafts[found[0]].because(
                f"TREATMENT_NAME: the treatment of {row.date} names {row.track_id}, its tracking UID is this track's"
            )
    else:
        found = [n for n, track_id in enumerate(names.track_ids) if track_id == row.track_id]
    if not found:
        placing.problems.append(
            f"{row.method} of {row.date}: no track {row.track_id or ''} {row.tracking_uid or ''}".rstrip()
        )
        return
    placing.give(found[0], row)


def _by_place(placing: _Placing, row: LocalTreatment) -> None:
    """Find the lesion nearest to a treated place at the visit in whose coordinates the place is given."""
    evidence, gate = placing.evidence, placing.settings.place_gate_mm
    place = np.array(row.place_lps_mm, dtype=np.float64)
    scans = _scans_of(placing, row)
    best: tuple[float, int] | None = None
    for number, draft in enumerate(placing.drafts):
        for timepoint, series in scans:
            seen = [m for m in members_at(draft, evidence, timepoint) if evidence.lesions[m].series_uid == series]
            for member in seen:
                lesion = evidence.lesions[member]
                centre_distance = float(np.linalg.norm(np.array(lesion.centroid_lps_mm) - place))
                if centre_distance - lesion.radius_mm <= gate and (best is None or (centre_distance, number) < best):
                    best = (centre_distance, number)
    if best is None:
        best = _projected_nearest(placing, row, scans)
        if best is None:
            placing.problems.append(f"{row.method} of {row.date}: no lesion within {gate:g} mm of the treated place")
            return
        placing.give(best[1], row, "TREATMENT_PLACED: by the projected place of a lesion not seen on that scan")
        return
    placing.give(best[1], row)


def _scans_of(placing: _Placing, row: LocalTreatment) -> list[tuple[int, str]]:
    """Return (timepoint, series) of the scans of the place's date; without a date, of the last visit before."""
    visits = placing.evidence.subject.visits
    if row.place_date is None:
        before = placing.visits.last_on_or_before(row)
        return [] if before is None else [(before, scan.series_uid) for scan in visits[before].scans]
    same_day = [(v.timepoint, s.series_uid) for v in visits for s in v.scans if s.date == row.place_date]
    return same_day or [(v.timepoint, s.series_uid) for v in visits for s in v.scans if v.date == row.place_date]


def _projected_nearest(
    placing: _Placing, row: LocalTreatment, scans: list[tuple[int, str]]
) -> tuple[float, int] | None:
    """Return (distance, number) of the draft whose projected place is nearest within the gate; None without one."""
    place = np.array(row.place_lps_mm, dtype=np.float64)
    best: tuple[float, int] | None = None
    for number, draft in enumerate(placing.drafts):
        for _, series in scans:
            projected = placing.evidence.joint_place(draft.members, series)
            if projected is None:
                continue
            distance = float(np.linalg.norm(projected.point_lps_mm - place))
            radius = placing.evidence.lesions[draft.members[0]].radius_mm
            if distance - radius <= placing.settings.place_gate_mm and (best is None or (distance, number) < best):
                best = (distance, number)
    return best


def _all(placing: _Placing, row: LocalTreatment) -> None:
    """Treat every hepatic lesion that is present at the last visit before."""
    before = placing.visits.last_on_or_before(row)
    if before is None:
        return  # history: it was treated before anything was imaged, and what was is not to be seen
    found = [
        number
        for number, draft in enumerate(placing.drafts)
        if placing.hepatic(number) and members_at(draft, placing.evidence, before)
    ]
    if not found:
        placing.problems.append(f"{row.method} of {row.date}: ALL names no lesion, none is seen before it")
    for number in found:
        placing.give(number, row)


def _by_traces(placing: _Placing, rows: list[LocalTreatment]) -> None:
    """Place treatments that name nothing: by the zones they left, or after a resection by what is gone."""
    row = rows[0]
    before, after = placing.visits.last_on_or_before(row), placing.visits.first_after(row)
    if before is None or after is None:
        # History, or not imaged yet: nothing is wrong with the row, and assessing says that no lesion is known for it.
        return
    if row.method == Method.RESECTION:
        numbers = [n for n in range(len(placing.drafts)) if placing.hepatic(n) and placing.vanished(n, before, after)]
        reason = "TREATMENT_PLACED: gone after the resection"
    else:
        numbers = _at_zones(placing, before, after)
        reason = "TREATMENT_PLACED: nearest to a treated zone"
    if not numbers:
        placing.problems.append(f"{row.method} of {row.date}: nothing in the images shows what was treated")
    for position, number in enumerate(numbers):
        placing.give(number, rows[min(position, len(rows) - 1)], reason)


def _at_zones(placing: _Placing, before: int, after: int) -> list[int]:
    """Return the drafts at the zones of the first visit from ``after`` on that shows any, explained zones left out."""
    shown = [zone.timepoint for zone in placing.zones if zone.timepoint >= after]
    numbers: list[int] = []
    for zone in placing.zones:
        if shown and zone.timepoint == min(shown) and not _explained(placing, zone):
            numbers += [n for n in _of_zone(placing, zone, before, after) if n not in numbers]
    return numbers


def _explained(placing: _Placing, zone: TreatedZone) -> bool:
    """Tell whether a draft that is known to be treated lies at a zone."""
    for number, draft in enumerate(placing.drafts):
        if draft.treated_from is not None and draft.treated_from <= zone.timepoint:
            distance = placing.edge_distance(number, zone)
            if distance is not None and distance <= placing.settings.zone_gate_mm:
                return True
    return False


def _of_zone(placing: _Placing, zone: TreatedZone, before: int, after: int) -> list[int]:
    """Return the drafts that a zone covers: vanished ones inside it, else the nearest vanished, else one still seen."""
    reach = placing.settings.zone_gate_mm
    known = [n for n in range(len(placing.drafts)) if placing.hepatic(n) and not placing.drafts[n].treatments]
    distances = {n: d for n in known if (d := placing.edge_distance(n, zone)) is not None and d <= reach}
    gone = {n: d for n, d in distances.items() if placing.vanished(n, before, after)}
    inside = sorted(n for n, d in gone.items() if d <= 0)
    if inside:
        return inside
    nearest = min(gone or distances, key=lambda n: (distances[n], n), default=None)
    return [] if nearest is None else [nearest]


def _zones_without_row(placing: _Placing) -> None:
    """A zone that no row explains is still a treated site: its lesion counts as treated from there on, flagged."""
    for zone in placing.zones:
        before = [number for number in placing.visits.numbers if number < zone.timepoint]
        if not before or _explained(placing, zone):
            continue
        for number in _of_zone(placing, zone, before[-1], zone.timepoint):
            draft = placing.drafts[number]
            placing.drafts[number] = replace(draft, treated_from=zone.timepoint).because(
                f"ZONE_WITHOUT_TREATMENT: visit {zone.timepoint} marks a treated zone here, no table row names it"
            )
