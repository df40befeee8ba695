"""What a named case is: a plan, what its lesions truly become, and how its body changes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.lesion import Fate
from lesiontrack.errors import StudyError
from lesiontrack.phantom.motion import MotionLimits
from lesiontrack.phantom.plan import SubjectPlan

__all__ = ["Hepatectomy", "PhantomCase", "TrueTrack"]

# A quieter breath than the sample study's, so that what is out of view is so for certain.
_LIMITS = MotionLimits(breathing_mm=(4.0, 10.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueTrack:
    """One lesion through time, written down by hand.

    Attributes
    ----------
    lesions
        Names of the planned lesions that are this one: more than one where it falls apart or takes another in.
    fate
        At the last visit.
    split_at
        Timepoint at which it is first seen in fragments.
    merged_into, merged_at
        First lesion name of the track that it coalesced into, and the timepoint at which that is seen.
    out_of_view
        Timepoints at which its place is outside the field of view; it is not gone then.
    recurrence_of
        First lesion name of the treated track at whose zone it grew.
    """

    lesions: tuple[str, ...]
    fate: Fate = Fate.PERSISTS
    split_at: int | None = None
    merged_into: str | None = None
    merged_at: int | None = None
    out_of_view: tuple[int, ...] = ()
    recurrence_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hepatectomy:
    """The right part of the liver taken out, and what the remnant does afterwards.

    Attributes
    ----------
    first_visit
        The first scan after it, a number in the plan's visits.
    plane_x_mm
        All liver to the right of this own-space x is removed.
    shift_mm
        How far the remnant moves into the empty space, own space; what lies further off stays.
    growth
        Relative growth of lengths at the remnant's middle; less further out, 7 % over its lesions for 9 % here.
    """

    first_visit: int
    plane_x_mm: float
    shift_mm: tuple[float, float, float]
    growth: float

    def bumps(self, remnant_mm: tuple[float, float, float], width_mm: float = 100.0) -> NDArray[np.float64]:
        """Return (7, 7) rows for ``Motion.bumps`` that move and widen what lies around the remnant's centre.

        A motion maps patient space to the subject's own, so the shift enters with its sign turned. Widening: a pair of
        Gaussians at plus and minus one width along each axis, pushing inwards; the slope of such a pair at the centre
        is ``-2 a exp(-1/2) / w``.
        """
        centre = np.array(remnant_mm)
        amplitude = self.growth * width_mm * np.exp(0.5) / 2.0
        rows = [[*(-np.array(self.shift_mm)), *centre, width_mm]]
        pushed = [(side, axis) for axis in np.eye(3) for side in (1.0, -1.0)]
        rows += [[*(-side * amplitude * axis), *(centre + side * width_mm * axis), width_mm] for side, axis in pushed]
        return np.array(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomCase:
    """A subject that shows one thing, small enough to be made in a second or two.

    Attributes
    ----------
    plan
        Its ``visits`` are scans; ``plan.expected`` is the verdict, numbered by timepoint.
    timepoints
        The timepoint of each of the plan's visits: two scans of one visit share it.
    tracks
        Every true lesion, in exactly one of them.
    shapes
        Relative half axes along x, y, z of lesions whose shape matters; every other one with a fixed place in the
        liver is a ball, so that how far it reaches is known.
    hepatectomy
        None: nothing is resected but what the plan says.
    limits
        How far its visits differ from each other.
    """

    plan: SubjectPlan
    timepoints: tuple[int, ...]
    tracks: tuple[TrueTrack, ...]
    shapes: tuple[tuple[str, tuple[float, float, float]], ...] = ()
    hepatectomy: Hepatectomy | None = None
    limits: MotionLimits = _LIMITS

    def __post_init__(self) -> None:
        told = sorted(name for track in self.tracks for name in track.lesions)
        if told != sorted(lesion.name for lesion in self.plan.lesions):
            raise StudyError("every planned lesion belongs to one true track", found=", ".join(told))
        if len(self.timepoints) != len(self.plan.visits):
            raise StudyError("every scan belongs to a visit", found=str(len(self.timepoints)))

    def date_of(self, timepoint: int) -> dt.date:
        """Return the date of a timepoint: that of its last scan."""
        return max(self.plan.visit_date(number) for number, of in enumerate(self.timepoints) if of == timepoint)

    @property
    def one_scan_a_visit(self) -> bool:
        """Whether the plan's visits are the timepoints, as a written study's truth takes them to be."""
        return self.timepoints == tuple(range(len(self.plan.visits)))
