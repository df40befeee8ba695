"""A machine's history made of points: a constellation of lesions through visits under the identity map."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated_subjects import START, make_lesion, make_subject
from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.history import History, Registration
from lesiontrack.domain.lesion import Lesion, Track, TreatedZone
from lesiontrack.domain.study import ClinicalFacts, LocalTreatment
from lesiontrack.link import LinkSettings, chain
from lesiontrack.review import LesionRef, VisitRef

# Ten lesions, 28 mm and more apart, radii all different.
CENTRES = np.array(
    [
        [0, 0, 0],
        [40, 0, 5],
        [0, 38, -6],
        [-36, 4, 8],
        [5, -35, 20],
        [30, 30, 40],
        [-30, 30, -38],
        [20, -40, -35],
        [-40, -40, 0],
        [10, 0, 60],
    ],
    dtype=float,
)
RADII = (6.0, 6.5, 7.0, 7.5, 8.0, 8.5, 9.0, 10.0, 11.0, 5.5)


def day(visit: float) -> dt.date:
    """Date of a visit, or between two of them."""
    return START + dt.timedelta(days=round(56 * visit))


def machine(
    visits: int = 4,
    *,
    skip: Collection[tuple[int, int]] = (),
    radius: Mapping[tuple[int, int], float] | None = None,
    extra: Iterable[Lesion] = (),
    treatments: Iterable[LocalTreatment] = (),
    zones: Iterable[TreatedZone] = (),
    start: float | None = 0.5,
) -> History:
    """Return what linking makes of the constellation.

    Parameters
    ----------
    skip
        (visit, number of the centre) that is not seen.
    radius
        (visit, number) -> mm, where it is not the centre's own.
    start
        Treatment start, in visits; None: not known.
    """
    sizes = radius or {}
    lesions = [
        replace(make_lesion(t, n + 1, CENTRES[n], sizes.get((t, n), RADII[n])), slice_thickness_mm=2.5)
        for t in range(visits)
        for n in range(len(CENTRES))
        if (t, n) not in set(skip)
    ]
    lesions += list(extra)
    begun = None if start is None else day(start)
    clinical = ClinicalFacts(treatment_start_date=begun, local_treatments=tuple(treatments))
    subject = make_subject(visits, clinical=clinical)
    registrations = tuple(_identity(a, b) for a, b in sorted({(a, b) for b in range(1, visits) for a in (b - 1, 0)}))
    found = chain(subject, lesions, list(zones), registrations, LinkSettings())
    return History(
        subject=subject,
        lesions=tuple(lesions),
        zones=tuple(zones),
        registrations=registrations,
        links=found.links,
        tracks=found.tracks,
        missing=found.missing,
    )


def _identity(earlier: int, later: int) -> Registration:
    return Registration(
        timepoint_from=earlier,
        timepoint_to=later,
        series_from=f"S{earlier}",
        series_to=f"S{later}",
        method="test",
        forward=Transform.identity(),
        backward=Transform.identity(),
        residual_mm=1.0,
    )


def ref(history: History, visit: int, number: int) -> LesionRef:
    """Name a lesion as decisions do."""
    return LesionRef.of(history.lesion(visit, number))


def visit_ref(history: History, visit: int) -> VisitRef:
    """Name a visit as decisions do."""
    return VisitRef.of(history.visit(visit))


def track_of(history: History, visit: int, number: int) -> Track:
    """Return the track that holds a lesion."""
    return next(track for track in history.tracks if (visit, number) in track.lesions)


def renumbered(history: History, shift: int = 40) -> History:
    """Return the history as another engine might give it: the same lesions under other numbers, nothing linked."""
    moved = tuple(replace(x, lesion_id=shift - x.lesion_id) for x in history.lesions)
    found = chain(history.subject, moved, list(history.zones), history.registrations, LinkSettings())
    return replace(history, lesions=moved, links=found.links, tracks=found.tracks, missing=found.missing)


def make_extra(visit: int, number: int, centre: NDArray[np.float64], radius: float) -> Lesion:
    """Return a further lesion of a visit."""
    return replace(make_lesion(visit, number, centre, radius), slice_thickness_mm=2.5)
