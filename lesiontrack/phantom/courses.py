"""What scenarios are written with: ways of imaging, places outside the liver, lesions and their courses."""

from __future__ import annotations

import numpy as np

from lesiontrack.phantom.plan import Imaging, LesionPlace, LesionPlan, VisitPlan

__all__ = [
    "CT3",
    "CT4",
    "CT5",
    "CT_ARTERIAL",
    "CT_FINE",
    "CT_WIDE",
    "MR",
    "MR_THICK",
    "NODE",
    "RIGHT_LUNG",
    "Sizes",
    "liver_lesion",
    "other_lesions",
    "visits",
    "zone_course",
]

Sizes = tuple[float | None, ...]

CT5 = Imaging(pixel_mm=2.2, slice_mm=5.0, matrix=168)
CT4 = Imaging(pixel_mm=2.0, slice_mm=4.0, matrix=192)
CT3 = Imaging(pixel_mm=2.2, slice_mm=3.0, matrix=176)
CT_FINE = Imaging(pixel_mm=1.6, slice_mm=5.0, matrix=224)
CT_WIDE = Imaging(pixel_mm=2.0, slice_mm=5.0, matrix=212)
CT_ARTERIAL = Imaging(pixel_mm=1.8, slice_mm=5.0, matrix=208, phase="late arterial")
MR = Imaging(modality="MR", pixel_mm=2.2, slice_mm=4.0, matrix=176)
MR_THICK = Imaging(modality="MR", pixel_mm=2.1, slice_mm=5.0, matrix=180)

# Extrahepatic places in the subject's own space, mm: the base of the right lung, a mesenteric node.
RIGHT_LUNG = (-92.0, 30.0, 96.0)
NODE = (0.0, 0.0, -78.0)


def visits(days: tuple[int, ...], imaging: tuple[Imaging, ...]) -> tuple[VisitPlan, ...]:
    """Return visits on the given days, each with its imaging."""
    return tuple(VisitPlan(day=day, imaging=how) for day, how in zip(days, imaging, strict=True))


def liver_lesion(name: str, *sizes: float | None, place: LesionPlace | None = None) -> LesionPlan:
    """Return a liver lesion with its diameter at each visit."""
    return LesionPlan(name=name, site="LIVER", diameters_mm=sizes, place=place or LesionPlace())


def other_lesions(
    rng: np.random.Generator, first: int, count: int, course: tuple[float, ...], between: tuple[float, float]
) -> tuple[LesionPlan, ...]:
    """Return ``count`` further liver lesions that all follow one course of relative sizes, one size drawn for each."""
    sizes = np.round(rng.uniform(*between, size=count), 1)
    return tuple(
        liver_lesion(f"T{first + number:02d}", *(round(float(size) * factor, 1) for factor in course))
        for number, size in enumerate(sizes)
    )


def zone_course(lesion_mm: float, visits: int) -> tuple[float, ...]:
    """Diameters of an ablation zone: 6 mm of margin on every side at first, shrinking by 6 % from visit to visit."""
    return tuple(round((lesion_mm + 12.0) * 0.94**number, 1) for number in range(visits))
