"""All pairs of visits at once: the odds between any two lesions, and where each should be anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.lesion import Lesion
from lesiontrack.domain.study import Compartment, Subject
from lesiontrack.link.pairs import ODDS_LIMIT, Crowd, Pairing, pair
from lesiontrack.link.routes import Routes
from lesiontrack.link.settings import LinkSettings

__all__ = ["Evidence", "Place"]

Points = NDArray[np.float64]


class Place:
    """A projected place: (3,) LPS mm in a series, its error along each axis, and whether the way there is trusted."""

    __slots__ = ("point_lps_mm", "spread_mm", "trusted")

    def __init__(self, point_lps_mm: Points, spread_mm: float, *, trusted: bool) -> None:
        self.point_lps_mm = point_lps_mm
        self.spread_mm = spread_mm
        self.trusted = trusted


class Evidence:
    """The lesions of a subject in a canonical order, and what every pair of scans says of them.

    Attributes
    ----------
    lesions
        In order of visit, series and position; all indices here are into this tuple.
    log_odds
        (n, n) symmetric: same against unrelated; 0 where nothing is known, minus infinity within a visit or between
        groups (a hepatic lesion is only ever a hepatic one; outside the liver only the same site).
    distance_mm
        (n, n) projected earlier centre to later centre, NaN where no route leads.
    """

    def __init__(self, subject: Subject, lesions: Iterable[Lesion], routes: Routes, settings: LinkSettings) -> None:
        self.subject = subject
        self.lesions: tuple[Lesion, ...] = tuple(sorted(lesions, key=_canonical))
        self.routes = routes
        self._settings = settings
        n = len(self.lesions)
        self.log_odds = np.zeros((n, n))
        self.distance_mm = np.full((n, n), np.nan)
        self._pairings: dict[tuple[str, str, str], Pairing] = {}
        self._members = self._by_scan()
        self._rank = {index: rank for found in self._members.values() for rank, index in enumerate(found)}
        self._forbid()
        for source, target in self._scan_pairs():
            self._weigh(source, target)

    def place(self, index: int, series_uid: str) -> Place | None:
        """Project a lesion into another scan, refined by the lesions that both scans show; None without a route."""
        lesion = self.lesions[index]
        route = self.routes.between(lesion.series_uid, series_uid)
        if route is None:
            return None
        group = _group(lesion)
        ahead = self._pairings.get((group, lesion.series_uid, series_uid))
        behind = self._pairings.get((group, series_uid, lesion.series_uid))
        if ahead is not None:
            return Place(ahead.forward_lps_mm[self._rank[index]], ahead.spread_mm, trusted=ahead.trusted)
        if behind is not None:
            return Place(behind.backward_lps_mm[self._rank[index]], behind.spread_mm, trusted=behind.trusted)
        point = np.array(lesion.centroid_lps_mm)
        hepatic = lesion.compartment is Compartment.HEPATIC
        spread = self._settings.spread_mm if hepatic else self._settings.extrahepatic_spread_mm
        return Place(route.project(point)[0], 2.0 * spread * max(route.cost, 1.0), trusted=route.trusted)

    def joint_place(self, members: Sequence[int], series_uid: str) -> Place | None:
        """Project a track, the precision-weighted mean over its lesions' projections; None without any route."""
        places = [place for index in members if (place := self.place(index, series_uid)) is not None]
        if not places:
            return None
        trusted = [place for place in places if place.trusted]
        used = trusted or places
        weight = np.array([1.0 / place.spread_mm**2 for place in used])
        point = np.average([place.point_lps_mm for place in used], axis=0, weights=weight)
        return Place(point, float(1.0 / np.sqrt(weight.max())), trusted=bool(trusted))

    def restated(self, lesions: Iterable[Lesion]) -> Evidence:
        """Return the same evidence with lesions that are the same to linking, but for diameters and the like.

        Each replaces the one of its visit and number; the others stay, so that they still hold the field.
        """
        found = {(lesion.timepoint, lesion.lesion_id): lesion for lesion in lesions}
        other = copy(self)
        other.lesions = tuple(found.get((x.timepoint, x.lesion_id), x) for x in self.lesions)
        return other

    def group(self, index: int) -> str:
        """Return which lesions a lesion may be linked to: all hepatic ones, or those of the same site."""
        return _group(self.lesions[index])

    def _by_scan(self) -> dict[tuple[int, str, str], list[int]]:
        found: dict[tuple[int, str, str], list[int]] = {}
        for index, lesion in enumerate(self.lesions):
            found.setdefault((lesion.timepoint, lesion.series_uid, _group(lesion)), []).append(index)
        return found

    def _forbid(self) -> None:
        group = np.array([_group(lesion) for lesion in self.lesions])
        visit = np.array([lesion.timepoint for lesion in self.lesions])
        if len(group):
            self.log_odds[(group[:, None] != group[None]) | (visit[:, None] == visit[None])] = -np.inf

    def _scan_pairs(self) -> list[tuple[tuple[int, str, str], tuple[int, str, str]]]:
        keys = sorted(self._members)
        return [(a, b) for a in keys for b in keys if a[0] < b[0] and a[2] == b[2]]

    def _weigh(self, source: tuple[int, str, str], target: tuple[int, str, str]) -> None:
        there = self.routes.between(source[1], target[1])
        back = self.routes.between(target[1], source[1])
        if there is None or back is None:
            return
        rows, columns = self._members[source], self._members[target]
        pairing = pair(self._crowd(rows), self._crowd(columns), there, back, self._settings)
        self._pairings[(source[2], source[1], target[1])] = pairing
        odds = np.clip(pairing.log_odds + self._uid_bonus(rows, columns), -ODDS_LIMIT, ODDS_LIMIT)
        self.log_odds[np.ix_(rows, columns)] = odds
        self.log_odds[np.ix_(columns, rows)] = odds.T
        self.distance_mm[np.ix_(rows, columns)] = pairing.distance_mm
        self.distance_mm[np.ix_(columns, rows)] = pairing.distance_mm.T

    def _crowd(self, members: list[int]) -> Crowd:
        lesions = [self.lesions[index] for index in members]
        return Crowd(
            points_lps_mm=np.array([lesion.centroid_lps_mm for lesion in lesions], dtype=np.float64),
            radii_mm=np.array([lesion.radius_mm for lesion in lesions]),
            hepatic=lesions[0].compartment is Compartment.HEPATIC,
        )

    def _uid_bonus(self, rows: list[int], columns: list[int]) -> Points:
        """Favour pairs that carry one tracking UID, where it is unique in both scans."""
        bonus = np.zeros((len(rows), len(columns)))
        first = [self.lesions[index].tracking_uid for index in rows]
        second = [self.lesions[index].tracking_uid for index in columns]
        for i, uid in enumerate(first):
            if uid and first.count(uid) == 1 and second.count(uid) == 1:
                bonus[i, second.index(uid)] = self._settings.tracking_uid_bonus
        return bonus


def _canonical(lesion: Lesion) -> tuple[int, str, tuple[float, float, float], int]:
    return lesion.timepoint, lesion.series_uid, lesion.centroid_lps_mm, lesion.lesion_id


def _group(lesion: Lesion) -> str:
    return "HEPATIC" if lesion.compartment is Compartment.HEPATIC else lesion.site
