"""Two prepared scans to a registration: start, match, bend, verify, and say how far to trust it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lesiontrack.align.body import fit_body
from lesiontrack.align.constellation import Constellation, Matched, candidate_shifts, match
from lesiontrack.align.engines import engine, refiner
from lesiontrack.align.field import backward_map, bent, folding, inverse_map
from lesiontrack.align.liver import compose, fit_liver, liver_overlap, volume_ratio
from lesiontrack.align.prepare import Prepared
from lesiontrack.align.settings import AlignSettings
from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.history import Registration
from lesiontrack.domain.landmarks import Landmarks

__all__ = ["align"]

Points = NDArray[np.float64]

# Overlap (Dice) that the images may cost before the surfaces are believed instead.
_OVERLAP_LOSS = 0.03
_NO_LANDMARKS = Landmarks.between(np.zeros((0, 3)), np.zeros((0, 3)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Start:
    """Where matching begins: a later-to-earlier map, and what it came from."""

    way: Transform
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """The best start with what was matched from it."""

    start: _Start
    matched: Matched | None


def align(earlier: Prepared, later: Prepared, settings: AlignSettings) -> Registration:
    """Bring an earlier and a later scan together, the later one being fixed.

    The annealed constellation of the lesions decides where there are enough of them; the livers' surfaces give the
    start and the check; between them the images show how the liver bent inside; the body's rigid fit serves what lies
    outside the liver and scans without a marked liver.
    Deterministic: no random numbers, one thread wherever sums could depend on it, lesions in order of position.

    Returns
    -------
    Registration
        ``backward`` maps the later scan's points to the earlier's, ``forward`` is its inverse.
    """
    began = time.process_time()
    lesions = Constellation(
        fixed_lps_mm=later.points_lps_mm,
        moving_lps_mm=earlier.points_lps_mm,
        fixed_radii_mm=later.radii_mm,
        moving_radii_mm=earlier.radii_mm,
    )
    liver = fit_liver(earlier, later, settings)
    body = _body(earlier, later, None if liver is None else liver.rigid)
    starts = [] if liver is None else [_Start(way=Transform(affine=liver.affine), name=f"liver-{liver.method}")]
    if liver is None:
        starts.append(_Start(way=Transform(affine=body), name="body-rigid"))
    ratio = volume_ratio(earlier, later)
    resected = ratio is not None and ratio <= settings.resection_volume_fraction
    found = _best(lesions, starts, resected=resected, settings=settings)
    found = _inside(earlier, later, lesions, found, settings)
    enough = found.matched is not None and len(found.matched.fixed) >= settings.min_landmarks
    found = _again(earlier, later, lesions, found, settings) if enough else found
    landmarks = found.matched.landmarks if enough and found.matched is not None else _NO_LANDMARKS
    backward = backward_map(
        later,
        body=body if len(earlier.other_points_lps_mm) or len(later.other_points_lps_mm) else found.start.way.affine,
        liver=found.start.way,
        landmarks=landmarks,
        spacing_mm=settings.field_spacing_mm,
    )
    registration = Registration(
        timepoint_from=earlier.timepoint,
        timepoint_to=later.timepoint,
        series_from=earlier.series_uid,
        series_to=later.series_uid,
        method=found.start.name + ("+constellation" if enough else ""),
        forward=inverse_map(backward, earlier.scan, settings.field_spacing_mm),
        backward=backward,
        folding_fraction=folding(backward, later),
    )
    registration = _judged(registration, earlier, later, found if enough else replace(found, matched=None), settings)
    return replace(registration, seconds=time.process_time() - began)


def _body(earlier: Prepared, later: Prepared, liver_rigid: Points | None) -> Points:
    """Return the rigid map of the body; the liver's own where nothing outside it needs one."""
    if liver_rigid is not None and not len(earlier.other_points_lps_mm) and not len(later.other_points_lps_mm):
        return liver_rigid
    from_header, metric = fit_body(earlier, later, None)
    if liver_rigid is None:
        return from_header
    from_liver, other = fit_body(earlier, later, liver_rigid)
    return from_liver if other < metric else from_header


def _best(lesions: Constellation, starts: list[_Start], *, resected: bool, settings: AlignSettings) -> _Found:
    """Match from every start and keep the one whose pairs agree best; look further when few lesions find a partner."""
    fewer = min(len(lesions.fixed_lps_mm), len(lesions.moving_lps_mm))
    if fewer == 0:
        return _Found(start=starts[0], matched=None)
    best = max((_try(lesions, start, settings) for start in starts), key=_score)
    if fewer < settings.min_landmarks:
        return best
    matched = 0 if best.matched is None else len(best.matched.fixed)
    if resected or matched < 0.7 * fewer:
        linear = best.start.way.affine[:3, :3]
        # A surface fit to a remnant may turn and scale it wrongly: try the votes without the affine's turn as well.
        for turn, label in ((linear, "votes"), (np.eye(3), "votes-unturned")):
            for shift in candidate_shifts(lesions, turn):
                affine = compose(turn, np.zeros(3), shift)
                best = max(best, _try(lesions, _Start(way=Transform(affine=affine), name=label), settings), key=_score)
    return best


def _inside(
    earlier: Prepared, later: Prepared, lesions: Constellation, found: _Found, settings: AlignSettings
) -> _Found:
    """Let the images inside the liver bend the best start, unless the lesions then agree less or the livers part.

    Where lesions found partners, the images begin where the trend of them all leads: a surface that is cut by the edge
    of a scan, or lost a part, may leave more than the images can reach.
    """
    start_way = found.start.way
    if found.matched is not None and len(found.matched.fixed) >= settings.min_landmarks:
        start_way = bent(later, start_way, found.matched.landmarks, settings.smoothness_start_mm)
    way = engine(settings)(earlier, later, start_way)
    if way is None:
        return found
    start = _Start(way=way, name=f"{found.start.name}+{settings.engine}")
    if min(len(lesions.fixed_lps_mm), len(lesions.moving_lps_mm)) >= settings.min_landmarks:
        return max(_try(lesions, start, settings), found, key=_score)
    before, after = (liver_overlap(earlier, later, one) for one in (found.start.way, way))
    if after is not None and before is not None and after[0] < before[0] - _OVERLAP_LOSS:
        return found
    return _try(lesions, start, settings) if found.matched is not None else replace(found, start=start)


def _again(
    earlier: Prepared, later: Prepared, lesions: Constellation, found: _Found, settings: AlignSettings
) -> _Found:
    """Let the images bend the map once more, from where the lesions have led it, unless the livers then part.

    The pairs stay as they were, with the residuals that they had: the map has since been drawn to them, so that they
    would look right by their own doing.
    """
    refine, matched = refiner(settings), found.matched
    if refine is None or matched is None:
        return found
    led = bent(later, found.start.way, matched.landmarks)
    way = refine(earlier, later, led)
    if way is None:
        return found
    before, after = (liver_overlap(earlier, later, one) for one in (led, way))
    if after is not None and before is not None and after[0] < before[0] - _OVERLAP_LOSS:
        return found
    fixed, moving = lesions.fixed_lps_mm[matched.fixed], lesions.moving_lps_mm[matched.moving]
    left = replace(matched.landmarks, displacement_mm=moving - way.apply(fixed))
    return _Found(start=replace(found.start, way=way), matched=replace(matched, landmarks=left))


def _try(lesions: Constellation, start: _Start, settings: AlignSettings) -> _Found:
    return _Found(start=start, matched=match(lesions, start.way, settings))


def _score(found: _Found) -> float:
    return -1.0 if found.matched is None else found.matched.score


def _judged(
    registration: Registration, earlier: Prepared, later: Prepared, found: _Found, settings: AlignSettings
) -> Registration:
    """Fill in the measures of trust and decide on it."""
    ratio = volume_ratio(earlier, later)
    resected = ratio is not None and ratio <= settings.resection_volume_fraction
    overlap = liver_overlap(earlier, later, registration.backward)
    residual = None
    if found.matched is not None and len(found.matched.fixed) >= settings.min_landmarks:
        residual = float(np.sqrt((found.matched.residual_mm**2).mean()))
    doubts = _doubts(earlier, later, found, settings)
    if overlap is not None:
        # After a resection (or where a cut view hides one and the lesions agree) the remnant must lie in the old liver.
        kept = max(overlap) if resected or _supported(earlier, later, found) else overlap[0]
        if kept < settings.trust_dice:
            doubts.append(f"liver overlap {kept:.2f} below {settings.trust_dice:.2f}")
    if residual is not None and residual > settings.trust_residual_mm:
        doubts.append(f"landmark residual {residual:.1f} mm above {settings.trust_residual_mm:.1f} mm")
    if registration.folding_fraction > settings.trust_folding:
        doubts.append(f"map folds in {100 * registration.folding_fraction:.1f} % of the liver")
    return replace(
        registration,
        liver_dice=None if overlap is None else overlap[0],
        residual_mm=residual,
        trusted=not doubts,
        reason="; ".join(doubts),
    )


def _doubts(earlier: Prepared, later: Prepared, found: _Found, settings: AlignSettings) -> list[str]:
    """Return what speaks against the map before any measure of it."""
    doubts: list[str] = []
    fewer = min(len(earlier.points_lps_mm), len(later.points_lps_mm))
    pairs = 0 if found.matched is None else len(found.matched.fixed)
    if (earlier.distance_mm is None or later.distance_mm is None) and not _supported(earlier, later, found):
        which = "earlier" if earlier.distance_mm is None else "later"
        doubts.append(f"no liver mask in the {which} scan and too few matched lesions to make up for it")
    if fewer >= 6 and pairs < settings.trust_matched_fraction * fewer:
        doubts.append(f"only {pairs} of {fewer} lesions find a partner")
    return doubts


def _supported(earlier: Prepared, later: Prepared, found: _Found) -> bool:
    """Tell whether so many lesions agree that they alone carry the map."""
    fewer = min(len(earlier.points_lps_mm), len(later.points_lps_mm))
    pairs = 0 if found.matched is None else len(found.matched.fixed)
    return pairs >= 6 and pairs >= 0.7 * fewer
