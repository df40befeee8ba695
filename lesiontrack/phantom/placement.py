"""Where the lesions of a subject lie: in the liver, apart from each other at every visit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.errors import StudyError
from lesiontrack.phantom.anatomy import Anatomy
from lesiontrack.phantom.plan import LesionPlan, SubjectPlan
from lesiontrack.phantom.shapes import Ellipsoid, random_rotation

__all__ = ["Room", "PlacedLesion", "place_lesions", "room_of"]

Points = NDArray[np.float64]

_STEP_MM = 3.0
_CAPSULE_MM = 4.0
_UNDER_CAPSULE_MM = 9.0
_BEYOND_ZONE_MM = 2.0
_STRETCH = 1.06
"""Local change of length of the deformation between visits that the gaps must survive."""
_ATTEMPTS = 300


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedLesion:
    """A planned lesion with its place (own space, mm) and its shape (any size; scaled for each visit)."""

    plan: LesionPlan
    centre_mm: Points
    shape: Ellipsoid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Room:
    """Points (n, 3) inside the liver, own space, and how deep each lies under the capsule (n,), mm."""

    points_mm: Points
    depth_mm: Points


def room_of(anatomy: Anatomy) -> Room:
    """Return where in a body's liver a lesion can lie."""
    axes = [np.arange(low, high, _STEP_MM, dtype=np.float32) for low, high in ((-160, 90), (-100, 100), (-110, 110))]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    inside = anatomy.liver_distance_mm((x, y, z)) < 0
    depth = ndimage.distance_transform_edt(inside, sampling=_STEP_MM) - _STEP_MM / 2
    chosen = depth > _CAPSULE_MM
    points = np.stack([x[chosen], y[chosen], z[chosen]], axis=-1).astype(np.float64)
    return Room(points_mm=points, depth_mm=depth[chosen].astype(np.float64))


def _shape(rng: np.random.Generator) -> Ellipsoid:
    """Return an ellipsoid of random orientation and moderate flattening, 20 mm long; sizes come later."""
    axes = 10.0 * np.array([1.0, rng.uniform(0.80, 0.95), rng.uniform(0.75, 0.92)])
    return Ellipsoid(centre_lps_mm=np.zeros(3), semi_axes_mm=axes, rotation=random_rotation(rng))


def _reach_mm(plan: LesionPlan, shape: Ellipsoid) -> float:
    """Return the radius of the ball that holds the lesion, and its zone, at every visit."""
    sizes = [value for value in plan.diameters_mm if value is not None]
    axis = "short" if plan.site == "LYMPH_NODE" else "longest"
    body = shape.scaled_to(max(sizes), axis=axis).semi_axes_mm.max()
    zone = max((value for value in plan.zone_mm if value is not None), default=0.0) / 2.0
    return float(max(body, zone))


def place_lesions(plan: SubjectPlan, room: Room, rng: np.random.Generator) -> tuple[PlacedLesion, ...]:
    """Find a place and a shape for every lesion of a plan, in the plan's order.

    Raises
    ------
    StudyError
        If the liver has no room for them.
    """
    for _ in range(_ATTEMPTS):
        placed = _attempt(plan, room, rng)
        if placed is not None:
            return tuple(placed[lesion.name] for lesion in plan.lesions)
    raise StudyError(
        "the liver has no room for the planned lesions", subject_id=plan.subject_id, found=str(len(plan.lesions))
    )


def _attempt(plan: SubjectPlan, room: Room, rng: np.random.Generator) -> dict[str, PlacedLesion] | None:
    gap = max(plan.gap_mm, max(visit.imaging.slice_mm for visit in plan.visits) + 1.5) if plan.gap_mm else 0.0
    shapes = {lesion.name: _shape(rng) for lesion in plan.lesions}
    reach = {lesion.name: _reach_mm(lesion, shapes[lesion.name]) for lesion in plan.lesions}
    placed: dict[str, PlacedLesion] = {}
    for lesion in sorted(plan.lesions, key=lambda each: (each.place.edge_of is not None, -reach[each.name])):
        centre = _centre(lesion, room, placed, reach, gap, rng)
        if centre is None:
            return None
        placed[lesion.name] = PlacedLesion(plan=lesion, centre_mm=centre, shape=shapes[lesion.name])
    return placed


def _centre(
    lesion: LesionPlan,
    room: Room,
    placed: dict[str, PlacedLesion],
    reach: dict[str, float],
    gap_mm: float,
    rng: np.random.Generator,
) -> Points | None:
    place, own = lesion.place, reach[lesion.name]
    if place.centre_mm is not None:
        return np.array(place.centre_mm, dtype=np.float64)
    if place.edge_of is not None:
        candidates = _at_zone_edge(placed[place.edge_of], lesion, rng)
        nearest, depth = _nearest(room, candidates)
        free = (depth >= own + _CAPSULE_MM) & (nearest < 2 * _STEP_MM)
    else:
        candidates = room.points_mm
        limit = _UNDER_CAPSULE_MM if place.near_capsule else np.inf
        free = (room.depth_mm >= own + _CAPSULE_MM) & (room.depth_mm <= own + _CAPSULE_MM + limit)
    for name, other in placed.items():
        if name == place.edge_of:
            continue
        clear = gap_mm + max(place.clear_mm, other.plan.place.clear_mm)
        distance = np.linalg.norm(candidates - other.centre_mm, axis=-1)
        free &= distance >= _STRETCH * (own + reach[name] + clear)
    choices = np.flatnonzero(free)
    if not len(choices):
        return None
    chosen: Points = candidates[rng.choice(choices)]
    return chosen


def _at_zone_edge(treated: PlacedLesion, lesion: LesionPlan, rng: np.random.Generator) -> Points:
    """Return places (n, 3) whose centre lies just outside the treated lesion's zone at the lesion's first visit."""
    first = next(number for number, size in enumerate(lesion.diameters_mm) if size is not None)
    zone = treated.plan.zone_mm[first]
    if zone is None:
        raise StudyError(f"lesion {lesion.name}: {treated.plan.name} has no zone at visit {first}")
    directions = rng.normal(size=(200, 3))
    directions[:, 2] *= 0.4
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    places: Points = treated.centre_mm + directions * (zone / 2.0 + _BEYOND_ZONE_MM)
    return places


def _nearest(room: Room, points: Points) -> tuple[Points, Points]:
    """Return for each point the distance to the nearest point of the liver's room, and the depth there."""
    distance = np.linalg.norm(room.points_mm[None] - points[:, None], axis=-1)
    index = distance.argmin(axis=1)
    return distance[np.arange(len(points)), index], room.depth_mm[index]
