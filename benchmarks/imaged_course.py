"""The lesions of a subject with images: where, how large, from when to when, and which are parts of which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.imaged_anatomy import ImagedAnatomy, Tumour, raster_points
from benchmarks.imaged_plan import ImagedPlan

__all__ = ["Course"]

Points = NDArray[np.float64]


# A long lesion is this many times as long as wide; its parts lie this many of its half widths from its middle.
_LONG = 2.0
_PART_PLACE, _PART_RADIUS = 1.15, 0.8


@dataclass(slots=True)
class Course:
    """Which lesions there are, when, and of which size.

    Attributes
    ----------
    born, dies
        First visit that has the lesion, and first that has it no more.
    factor
        (visits, n) size at each visit over the lesion's own.
    whole_of
        Number of a part to that of the long lesion which it comes of or goes into.
    """

    tumours: list[Tumour]
    born: NDArray[np.intp]
    dies: NDArray[np.intp]
    factor: Points
    whole_of: dict[int, int]

    @classmethod
    def draw(cls, rng: np.random.Generator, plan: ImagedPlan, anatomy: ImagedAnatomy) -> Course:
        """Draw one; long lesions that fall into parts, or are made of them, come first."""
        total, long = plan.n + round(plan.n * plan.new * (plan.visits - 1)), plan.splits + plan.merges
        radii = np.exp(rng.uniform(np.log(plan.radii_mm[0]), np.log(plan.radii_mm[1]), total))
        radii[:long] = rng.uniform(5.5, 8.0, long)
        centres = _centres(rng, plan, anatomy, np.where(np.arange(total) < long, _LONG, 1.0) * radii)
        total = len(centres)
        born = np.zeros(total, dtype=np.intp)
        born[plan.n :] = 1 + np.arange(max(total - plan.n, 0)) % max(plan.visits - 1, 1)
        dies = np.full(total, plan.visits, dtype=np.intp)
        for visit in range(1, plan.visits):
            alive = np.nonzero((born < visit) & (dies > visit) & (np.arange(total) >= long))[0]
            dies[alive[rng.random(len(alive)) < plan.vanish]] = visit
        growth = np.exp(np.cumsum(rng.normal(0.0, plan.growth, (plan.visits, total)), axis=0))
        growth[:, :long] = 1.0
        tumours = [Tumour.draw(rng, c, r) for c, r in zip(centres, radii, strict=False)]
        course = cls(tumours, born, dies, growth, {})
        for number in range(long):
            course._part(rng, number, 1 + number % (plan.visits - 1), split=number < plan.splits)
        return course

    def _part(self, rng: np.random.Generator, number: int, visit: int, *, split: bool) -> None:
        """Make a lesion long, and give it two parts that follow it from a visit on, or that it follows."""
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        round_one, visits = self.tumours[number], len(self.factor)
        self.tumours[number] = round_one.smoothed().along(axis, _LONG)
        span = (0, visit) if split else (visit, visits)
        self.born[number], self.dies[number] = span
        for side in (-1.0, 1.0):
            centre = round_one.centre + side * _PART_PLACE * round_one.radius * axis
            radius = _PART_RADIUS * round_one.radius * rng.uniform(0.85, 1.0)
            self.whole_of[len(self.tumours)] = number
            self.tumours.append(Tumour.draw(rng, centre, radius).smoothed())
            self.born = np.append(self.born, visit if split else 0)
            self.dies = np.append(self.dies, visits if split else visit)
            self.factor = np.column_stack([self.factor, np.ones(visits)])


def _centres(rng: np.random.Generator, plan: ImagedPlan, anatomy: ImagedAnatomy, radii: Points) -> list[Points]:
    places = raster_points()[anatomy.liver.values < -4.0]
    found: list[Points] = []
    spacing = plan.apart_mm
    for radius in radii:
        for attempt in range(3000):
            centre = places[int(rng.integers(len(places)))] + rng.uniform(-1.2, 1.2, 3)
            gaps = [
                np.linalg.norm(centre - o) - max(spacing, 1.45 * (radius + r))
                for o, r in zip(found, radii, strict=False)
            ]
            if min(gaps, default=1.0) > 0:
                found.append(centre)
                break
            if attempt % 1000 == 999:
                spacing *= 0.9
    return found
