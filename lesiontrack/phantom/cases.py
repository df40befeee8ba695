"""Named cases: small subjects, each of which shows one thing that happens to patients, with its truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum

import numpy as np

from lesiontrack.phantom import case_plans
from lesiontrack.phantom.anatomy import Defect
from lesiontrack.phantom.case_truth import Hepatectomy, PhantomCase
from lesiontrack.phantom.motion import Motion
from lesiontrack.phantom.placement import PlacedLesion
from lesiontrack.phantom.plan import SubjectPlan
from lesiontrack.phantom.shapes import Ellipsoid
from lesiontrack.phantom.subject import PhantomSubject

__all__ = ["CaseName", "CaseSubject", "case", "case_plan", "case_subject"]

# Middle of what a right hepatectomy leaves, own space, mm.
_REMNANT_MM = (-5.0, -35.0, 28.0)
# A ball this wide cuts the liver in a plane, to within 3 mm over its height.
_PLANE_RADIUS_MM = 1000.0


class CaseName(StrEnum):
    """What a case shows."""

    SPLIT = "SPLIT"
    MERGE = "MERGE"
    TOUCH = "TOUCH"
    HEPATECTOMY = "HEPATECTOMY"
    STAGED = "STAGED"
    SEVERAL_VOLUMES = "SEVERAL_VOLUMES"
    TRUNCATED = "TRUNCATED"
    TEN_VISITS = "TEN_VISITS"


_MAKERS: Mapping[CaseName, Callable[[], PhantomCase]] = {
    CaseName.SPLIT: case_plans.split,
    CaseName.MERGE: case_plans.merge,
    CaseName.TOUCH: case_plans.touch,
    CaseName.HEPATECTOMY: case_plans.hepatectomy,
    CaseName.STAGED: case_plans.staged,
    CaseName.SEVERAL_VOLUMES: case_plans.several_volumes,
    CaseName.TRUNCATED: case_plans.truncated,
    CaseName.TEN_VISITS: case_plans.ten_visits,
}


def case(name: CaseName) -> PhantomCase:
    """Return a case: its plan, its true tracks and verdict, and how its body changes."""
    made = _MAKERS[name]()
    plan = replace(made.plan, subject_id=f"CASE-{name}", scenario=str(name), seed=1 + list(CaseName).index(name))
    return replace(made, plan=plan)


def case_plan(name: CaseName) -> SubjectPlan:
    """Return the plan of a case."""
    return case(name).plan


def case_subject(name: CaseName) -> CaseSubject:
    """Return a case as a subject whose visits can be made.

    ``io.phantom_study.write_made_subjects`` writes it as a study, truth included, where ``one_scan_a_visit`` holds.
    """
    return CaseSubject(case(name))


class CaseSubject(PhantomSubject):
    """The subject of a case.

    Parameters
    ----------
    case
        What it is to show.
    """

    def __init__(self, case: PhantomCase) -> None:
        super().__init__(case.plan, case.limits)
        self.case = case
        shapes = dict(case.shapes)
        self.placed = tuple(_shaped(lesion, shapes.get(lesion.plan.name)) for lesion in self.placed)
        if case.hepatectomy is not None:
            self.motions = tuple(
                _after(motion, case.hepatectomy) if number >= case.hepatectomy.first_visit else motion
                for number, motion in enumerate(self.motions)
            )

    def defects_at(self, number: int) -> tuple[Defect, ...]:
        """Return what resections have taken out of the liver by a visit (own space)."""
        cut = self.case.hepatectomy
        if cut is None:
            return super().defects_at(number)
        if number < cut.first_visit:
            return ()
        middle = cut.plane_x_mm - _PLANE_RADIUS_MM
        return (
            Defect(centre_mm=(middle, 0.0, 0.0), outside_mm=(middle - 1000.0, 0.0, 0.0), radius_mm=_PLANE_RADIUS_MM),
        )


def _shaped(lesion: PlacedLesion, axes: tuple[float, float, float] | None) -> PlacedLesion:
    if axes is None and (lesion.plan.place.centre_mm is None or lesion.plan.site != "LIVER"):
        return lesion
    body = Ellipsoid(
        centre_lps_mm=np.zeros(3), semi_axes_mm=10.0 * np.array(axes or (1.0, 1.0, 1.0)), rotation=np.eye(3)
    )
    return replace(lesion, shape=body)


def _after(motion: Motion, cut: Hepatectomy) -> Motion:
    return replace(motion, bumps=np.vstack([motion.bumps, cut.bumps(_REMNANT_MM)]))
