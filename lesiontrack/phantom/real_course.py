"""A course to be found in a real volume: a baseline and two follow-ups, with its truth worked out by hand.

Lesions besides the two largest, which are the target lesions of RECIST 1.1 (Eisenhauer et al. 2009, section 3.1.1: two
for each organ), stay more than 3 mm below them, so that a measuring error of 1.5 mm changes no choice.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lesiontrack.errors import StudyError
from lesiontrack.phantom.courses import Sizes, liver_lesion, visits
from lesiontrack.phantom.plan import ClinicalPlan, Expected, Imaging, LesionPlace, LesionPlan, SubjectPlan
from lesiontrack.phantom.real import RealAnatomy, RealSubject

__all__ = ["RealCourse", "RealSizes", "real_subject"]

_GROWN = 1.3
_FEWEST = 5
_FIRST_SCAN = dt.date(2022, 3, 7)
_DAYS = (0, 63, 126)
_CLEAR_OF_NEW_MM = 10.0


class RealCourse(StrEnum):
    """When it progresses.

    ``EARLY``: at the second visit two are gone, one is new and the rest has grown by 30 %; the third is like it.
    ``LATE``: at the second visit one is gone and nothing else has changed; at the third another is gone, one is new
    and the rest has grown by 30 %.
    """

    EARLY = "EARLY"
    LATE = "LATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealSizes:
    """How large lesions are at the first visit, longest axial diameter, mm.

    ``leading_mm`` are the two target lesions; the others are drawn from ``between_mm``; ``new_mm`` is the new one's.
    """

    leading_mm: tuple[float, float] = (26.0, 22.0)
    between_mm: tuple[float, float] = (9.0, 18.0)
    new_mm: float = 12.0

    def __post_init__(self) -> None:
        if min(self.leading_mm) < self.between_mm[1] + 3.0:
            raise StudyError("the two largest lesions must lead the others by 3 mm", found=str(self.between_mm[1]))


def real_subject(
    subject_id: str,
    anatomy: RealAnatomy,
    *,
    seed: int,
    lesions: int = 14,
    imaging: tuple[Imaging, Imaging, Imaging],
    sizes: RealSizes | None = None,
) -> RealSubject:
    """Put ``lesions`` lesions and a later one into a volume, or as many as fit; the course is early for odd seeds.

    Parameters
    ----------
    anatomy
        The real volume.
    seed
        Everything random follows from it.
    imaging
        Of the three visits; ``pixel_mm`` and ``slice_mm`` count.

    Raises
    ------
    StudyError
        If there is no room for five lesions and the new one.
    """
    course = RealCourse.EARLY if seed % 2 else RealCourse.LATE
    for count in range(lesions, _FEWEST - 1, -1):
        plan = _plan(subject_id, course, count, sizes or RealSizes(), np.random.default_rng([seed, 9]))
        modality = anatomy.volume.modality
        how = tuple(replace(each, modality=modality) for each in imaging)
        plan = replace(plan, seed=seed, visits=visits(_DAYS, how))
        try:
            return RealSubject(plan, anatomy)
        except StudyError as error:
            last = error
    raise last


def _course(course: RealCourse, size_mm: float, gone: int | None) -> Sizes:
    """Return a lesion's diameters; ``gone`` is the order, 0 or 1, in which it vanishes."""
    grown = round(size_mm * _GROWN, 1)
    if course == RealCourse.EARLY:
        return (size_mm, None, None) if gone is not None else (size_mm, grown, grown)
    second = None if gone == 0 else size_mm
    return (size_mm, second, None if gone is not None else grown)


def _lesions(course: RealCourse, count: int, sizes: RealSizes, rng: np.random.Generator) -> tuple[LesionPlan, ...]:
    others = [round(float(size), 1) for size in rng.uniform(*sizes.between_mm, size=count - 2)]
    first = [liver_lesion(f"T{n + 1:02d}", *_course(course, size, None)) for n, size in enumerate(sizes.leading_mm)]
    gone = {0: 0, 1: 1}
    rest = [liver_lesion(f"T{n + 3:02d}", *_course(course, size, gone.get(n))) for n, size in enumerate(others)]
    later = (None, sizes.new_mm, sizes.new_mm) if course == RealCourse.EARLY else (None, None, sizes.new_mm)
    new = liver_lesion(f"T{count + 1:02d}", *later, place=LesionPlace(clear_mm=_CLEAR_OF_NEW_MM))
    return (*first, *rest, new)


def _plan(subject_id: str, course: RealCourse, count: int, sizes: RealSizes, rng: np.random.Generator) -> SubjectPlan:
    progressed = 1 if course == RealCourse.EARLY else 2
    return SubjectPlan(
        subject_id=subject_id,
        scenario=f"real anatomy, {course.lower()} hepatic PD by growth and a new lesion",
        seed=0,
        clinical=ClinicalPlan(
            arm="CHEMO",
            first_scan=_FIRST_SCAN,
            diagnosis_day=-40,
            induction_day=-30,
            enrolment_day=2,
            treatment_day=7,
            last_alive_day=400,
            therapies=(("FOLFOX + panitumumab", 7, "Y"),),
        ),
        visits=visits(_DAYS, (Imaging(), Imaging(), Imaging())),
        lesions=_lesions(course, count, sizes, rng),
        expected=Expected(
            count_hepatic=count,
            count_eligible="YES" if count >= 10 else "NO",
            disease_control="NOT ASSESSED",
            induction=(),
            study=("PD", "PD") if course == RealCourse.EARLY else ("SD", "PD"),
            pd_visit=progressed,
            pd_site="HEPATIC",
            pd_subtype="INTRAHEPATIC_NEW+GROWTH",
            first_hepatic_visit=progressed,
        ),
        baseline=0,
        regions_named=True,
    )
