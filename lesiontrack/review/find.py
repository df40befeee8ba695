"""Find again what a decision speaks of: visits by series and date, lesions by place and overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lesiontrack.domain.grouping import Key
from lesiontrack.domain.history import History
from lesiontrack.errors import DecisionError
from lesiontrack.review.references import LesionRef, PointLps, VisitRef

__all__ = ["Finder", "sphere_overlap"]

# Dice overlap of equal-volume spheres from which two outlines are one lesion; a half of a lesion cut in two has 0.67.
_SAME = 0.3
# A second lesion that overlaps nearly as much as the best leaves it open which of them is meant.
_AS_GOOD = 0.8


def sphere_overlap(first: tuple[PointLps, float], second: tuple[PointLps, float]) -> float:
    """Return the Dice overlap of two spheres, each (centre in mm, volume in mm3): 1 for the same, 0 for none."""
    distance = math.dist(first[0], second[0])
    big, small = sorted((_radius(first[1]), _radius(second[1])), reverse=True)
    total = first[1] + second[1]
    if distance >= big + small:
        return 0.0
    if distance <= big - small:
        return 2.0 * min(first[1], second[1]) / total
    # The lens of two spheres (Weisstein, "Sphere-Sphere Intersection").
    lens = math.pi * (big + small - distance) ** 2
    lens *= distance**2 + 2.0 * distance * (big + small) - 3.0 * (big - small) ** 2
    return min(2.0 * lens / (12.0 * distance) / total, 1.0)


def _radius(volume: float) -> float:
    return math.cbrt(3.0 * volume / (4.0 * math.pi))


@dataclass(frozen=True, slots=True)
class _Shape:
    key: Key
    place: PointLps
    volume: float


class Finder:
    """The visits and lesions of a history, as decisions may have known them: one lesion may have had several shapes."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._visit_of = {s.series_uid: v.timepoint for v in history.subject.visits for s in v.scans}
        self._shapes: dict[str, list[_Shape]] = {}
        self._hidden: set[Key] = set()
        for lesion in history.lesions:
            key = (lesion.timepoint, lesion.lesion_id)
            self.know(key, lesion.series_uid, lesion.centroid_lps_mm, lesion.volume_mm3)

    def know(self, key: Key, series_uid: str, place: PointLps, volume_mm3: float) -> None:
        """Learn a shape of a lesion, beside those it had."""
        self._shapes.setdefault(series_uid, []).append(_Shape(key, place, volume_mm3))

    def hide(self, key: Key) -> None:
        """Find a lesion only where no other is: it was rejected."""
        self._hidden.add(key)

    def forget_unnumbered(self) -> None:
        """Forget the shapes of lesions that had no number yet (0)."""
        for uid, shapes in self._shapes.items():
            self._shapes[uid] = [shape for shape in shapes if shape.key[1]]

    def visit(self, ref: VisitRef) -> int:
        """Return the visit that holds a series; without it, the one that has a scan of its date.

        Raises
        ------
        DecisionError
            If there is none.
        """
        found = self._visit_of.get(ref.series_uid)
        if found is not None:
            return found
        for visit in self._history.subject.visits:
            if any(scan.date == ref.date for scan in visit.scans):
                return visit.timepoint
        raise DecisionError("no visit holds the scan that it speaks of", visit=ref.date.isoformat())

    def lesion(self, ref: LesionRef) -> Key:
        """Return the lesion that overlaps most with where the reader saw it.

        In the series it was seen in; where no lesion is measured there any more, in the other series of the visit.

        Raises
        ------
        DecisionError
            If none overlaps enough, or two do.
        """
        timepoint = self.visit(ref.visit)
        shapes = self._shapes.get(ref.series_uid) or [
            shape for found in self._shapes.values() for shape in found if shape.key[0] == timepoint
        ]
        return _best(shapes, ref, self._hidden)

    def overlapping(self, ref: LesionRef, least: float) -> Key | None:
        """Return the lesion of the same series that overlaps at least so much, None where none does."""
        own = (ref.place_lps_mm, ref.volume_mm3)
        shapes = [s for s in self._shapes.get(ref.series_uid, ()) if s.key not in self._hidden]
        best = max(((sphere_overlap(own, (s.place, s.volume)), s.key) for s in shapes), default=(0.0, (0, 0)))
        return best[1] if best[0] >= least else None


def _best(shapes: list[_Shape], ref: LesionRef, hidden: set[Key]) -> Key:
    """Return the lesion whose shape overlaps most; a rejected one only where no other overlaps about as much."""
    overlaps: dict[Key, float] = {}
    for shape in shapes:
        overlap = sphere_overlap((ref.place_lps_mm, ref.volume_mm3), (shape.place, shape.volume))
        overlaps[shape.key] = max(overlap, overlaps.get(shape.key, 0.0))
    ranked = sorted(overlaps, key=lambda key: (-overlaps[key], key))
    x, y, z = ref.place_lps_mm
    where = {"visit": ref.date.isoformat(), "expected": f"one at ({x:.1f}, {y:.1f}, {z:.1f}) mm"}
    if not ranked or overlaps[ranked[0]] < _SAME:
        best = f"best overlap {overlaps[ranked[0]]:.2f}" if ranked else "no lesion at this visit"
        raise DecisionError("no lesion is where it was seen", found=best, **where)
    likely = [key for key in ranked if overlaps[key] >= max(_SAME, _AS_GOOD * overlaps[ranked[0]])]
    shown = [key for key in likely if key not in hidden] or likely[:1]
    if len(shown) > 1:
        both = f"lesions {shown[0][1]} and {shown[1][1]}"
        raise DecisionError("two lesions are where one was seen", found=both, **where)
    return shown[0]
