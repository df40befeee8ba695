"""The ledger of the missing: a known lesion that a visit does not show keeps its identity and its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lesiontrack.domain.lesion import Missing, MissingState
from lesiontrack.domain.study import Scan
from lesiontrack.link.draft import Draft, Visits
from lesiontrack.link.evidence import Evidence, Place
from lesiontrack.link.settings import LinkSettings

__all__ = ["ledger", "look"]


def ledger(
    drafts: Sequence[Draft], track_ids: Sequence[str], evidence: Evidence, visits: Visits, settings: LinkSettings
) -> tuple[Missing, ...]:
    """Return one entry for each track and later usable visit that does not show it, in order of visit and track.

    A track that has coalesced into another has no entries after that: it is seen, in the other's lesion.
    """
    entries: list[Missing] = []
    for draft, track_id in zip(drafts, track_ids, strict=True):
        seen = {evidence.lesions[m].timepoint for m in draft.members}
        since: int | None = None
        for timepoint in visits.after(min(seen)):
            if timepoint in seen:
                since = None
                continue
            if draft.merged is not None and timepoint >= draft.merged[0]:
                break
            since = timepoint if since is None else since
            entries.append(_entry(draft, track_id, timepoint, since, evidence, settings))
    return tuple(sorted(entries, key=lambda entry: (entry.timepoint, entry.track_id)))


def _entry(
    draft: Draft, track_id: str, timepoint: int, since: int, evidence: Evidence, settings: LinkSettings
) -> Missing:
    scan, place, in_view = look(draft, timepoint, evidence, settings)
    treated = draft.treated_from is not None and timepoint >= draft.treated_from
    state = MissingState.NOT_SEEN if in_view else MissingState.OUT_OF_VIEW
    return Missing(
        timepoint=timepoint,
        track_id=track_id,
        series_uid=scan.series_uid,
        place_lps_mm=(float(place.point_lps_mm[0]), float(place.point_lps_mm[1]), float(place.point_lps_mm[2])),
        state=MissingState.TREATED if treated else state,
        since_timepoint=since,
        trusted=place.trusted,
    )


def look(draft: Draft, timepoint: int, evidence: Evidence, settings: LinkSettings) -> tuple[Scan, Place, bool]:
    """Return the scan of a visit that should show a draft seen at others, the place there, whether it is in view.

    Scans with the place in view come first, then trusted routes, then the nearer route, then the series UID. Where no
    route leads to any scan, the last seen coordinates stand in, never trusted.
    """
    visit = evidence.subject.visits[timepoint]
    scans = visit.measured_scans or tuple(scan for scan in visit.scans if scan.usable) or visit.scans
    found: list[tuple[bool, bool, float, str, Scan, Place]] = []
    for scan in scans:
        place = evidence.joint_place(draft.members, scan.series_uid)
        if place is not None:
            in_view = scan.grid is None or bool(
                scan.grid.contains(place.point_lps_mm, margin_mm=_margin(scan, settings))
            )
            found.append((not in_view, not place.trusted, place.spread_mm, scan.series_uid, scan, place))
    if found:
        best = min(found, key=lambda f: f[:4])
        return best[4], best[5], not best[0]
    earlier = [m for m in draft.members if evidence.lesions[m].timepoint < timepoint]
    nearest = earlier[-1] if earlier else draft.members[0]
    point = np.array(evidence.lesions[nearest].centroid_lps_mm)
    scan = min(scans, key=lambda s: s.series_uid)
    in_view = scan.grid is None or bool(scan.grid.contains(point, margin_mm=_margin(scan, settings)))
    return scan, Place(point, 1e3, trusted=False), in_view


def _margin(scan: Scan, settings: LinkSettings) -> float:
    """Return the margin that a place must keep from a scan's edge; never so wide that a thin scan shows nothing."""
    if scan.grid is None:
        return settings.view_margin_mm
    extent = float((scan.grid.spacing_mm * np.array(scan.grid.shape)).min())
    return min(settings.view_margin_mm, extent / 4.0)
