"""Synthetic truth: subjects whose lesions, motion, response and events are known because they were planned."""

from lesiontrack.phantom.motion import Motion, MotionLimits
from lesiontrack.phantom.plan import (
    ClinicalPlan,
    Expected,
    Imaging,
    LesionPlace,
    LesionPlan,
    SubjectPlan,
    TreatmentPlan,
    VisitPlan,
)
from lesiontrack.phantom.scenarios import SCENARIOS, subject_plans
from lesiontrack.phantom.shapes import Ellipsoid
from lesiontrack.phantom.subject import MadeSubject, PhantomSubject, PhantomVisit, TrueLesion, TrueZone, uid_of

__all__ = [
    "SCENARIOS",
    "ClinicalPlan",
    "Ellipsoid",
    "Expected",
    "Imaging",
    "LesionPlace",
    "LesionPlan",
    "MadeSubject",
    "Motion",
    "MotionLimits",
    "PhantomSubject",
    "PhantomVisit",
    "SubjectPlan",
    "TreatmentPlan",
    "TrueLesion",
    "TrueZone",
    "VisitPlan",
    "subject_plans",
    "uid_of",
]
