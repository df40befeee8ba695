"""The plans of the named cases, with their truth worked out by hand.

Sums of diameters are written beside each case; all stay away from the thresholds of RECIST 1.1 (Eisenhauer et al. 2009,
section 4.3) by more than a measuring error of 1.5 mm for a lesion, and the two largest lesions of an organ lead the
third by more than 3 mm at both baselines.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np

from lesiontrack.domain.lesion import Fate
from lesiontrack.phantom.case_truth import Hepatectomy, PhantomCase, TrueTrack
from lesiontrack.phantom.courses import Sizes, liver_lesion, visits, zone_course
from lesiontrack.phantom.local_scenarios import local_tumour_progression
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

__all__ = ["hepatectomy", "merge", "several_volumes", "split", "staged", "ten_visits", "touch", "truncated"]

Point = tuple[float, float, float]

_COARSE = Imaging(pixel_mm=3.2, slice_mm=5.0, matrix=112, height_mm=230.0)
_DAYS = (0, 84, 154, 210)
_TREATMENT_DAY = 98
# Sizes of lesions that stay as they are and are too small to be targets.
_BYSTANDERS_MM = (18.0, 16.0, 14.5, 17.0, 15.0, 13.5)


def _at(name: str, centre_mm: Point, *sizes: float | None, clear_mm: float = 6.0) -> LesionPlan:
    return liver_lesion(name, *sizes, place=LesionPlace(centre_mm=centre_mm, clear_mm=clear_mm))


def _bystanders(first: int, count: int, scans: int) -> tuple[LesionPlan, ...]:
    return tuple(
        liver_lesion(f"T{first + n:02d}", *[_BYSTANDERS_MM[n]] * scans, place=LesionPlace(clear_mm=6))
        for n in range(count)
    )


def _alone(*lesions: LesionPlan) -> tuple[TrueTrack, ...]:
    return tuple(TrueTrack(lesions=(lesion.name,)) for lesion in lesions)


def _visits(days: tuple[int, ...]) -> tuple[VisitPlan, ...]:
    return visits(days, (_COARSE,) * len(days))


def _plan(scans: tuple[VisitPlan, ...], lesions: tuple[LesionPlan, ...], expected: Expected) -> SubjectPlan:
    """Return a plan of a subject under chemotherapy; ``cases`` gives it its id, name and seed."""
    return SubjectPlan(
        subject_id="",
        scenario="",
        seed=0,
        clinical=ClinicalPlan(
            arm="CHEMO",
            first_scan=dt.date(2019, 3, 4),
            diagnosis_day=-30,
            induction_day=7,
            enrolment_day=_TREATMENT_DAY - 8,
            treatment_day=_TREATMENT_DAY,
            last_alive_day=900,
            therapies=(("FOLFOX + bevacizumab", 7, "Y"),),
        ),
        visits=scans,
        lesions=lesions,
        expected=expected,
    )


def split() -> PhantomCase:
    """Sums 70 -> 67 (-4 %: SD); then the first is in two fragments, 22 + 18, which add up: 40 + 28 = 68 (SD)."""
    lesions = (
        _at("T01", (-85.0, 0.0, 8.0), 40, 38, None, clear_mm=14),
        _at("T01a", (-85.0, -9.2, 8.0), None, None, 22),
        _at("T01b", (-85.0, 16.8, 8.0), None, None, 18),
        liver_lesion("T02", 30, 29, 28, place=LesionPlace(clear_mm=8)),
        *_bystanders(3, 6, 3),
    )
    expected = Expected(count_hepatic=8, count_eligible="NO", disease_control="YES", induction=("SD",), study=("SD",))
    return PhantomCase(
        plan=_plan(_visits(_DAYS[:3]), lesions, expected),
        timepoints=(0, 1, 2),
        tracks=(TrueTrack(lesions=("T01", "T01a", "T01b"), split_at=2), *_alone(*lesions[3:])),
    )


def merge() -> PhantomCase:
    """Sums 56 -> 59 (+5 %: SD); the first takes in its neighbour of 22: 52 + 27 = 79 (+34 %, +20 mm: PD)."""
    lesions = (
        _at("T01", (-85.0, 0.0, 8.0), 30, 32, None),
        _at("T02", (-85.0, 32.0, 8.0), 20, 22, None),
        _at("T01+T02", (-85.0, 11.0, 8.0), None, None, 52, clear_mm=10),
        liver_lesion("T03", 26, 27, 27, place=LesionPlace(clear_mm=8)),
        *_bystanders(4, 5, 3),
    )
    expected = Expected(
        count_hepatic=8,
        count_eligible="NO",
        disease_control="YES",
        induction=("SD",),
        study=("PD",),
        pd_visit=2,
        pd_site="HEPATIC",
        pd_subtype="GROWTH",
        pd_reasons=("TARGET",),
        first_hepatic_visit=2,
    )
    return PhantomCase(
        plan=_plan(_visits(_DAYS[:3]), lesions, expected),
        timepoints=(0, 1, 2),
        tracks=(
            TrueTrack(lesions=("T01", "T01+T02")),
            TrueTrack(lesions=("T02",), fate=Fate.MERGED, merged_into="T01", merged_at=2),
            *_alone(*lesions[3:]),
        ),
        shapes=(("T01+T02", (0.67, 1.0, 0.67)),),
    )


def touch() -> PhantomCase:
    """Sums 60 -> 59 -> 60 (SD, SD); the two targets touch at every visit, and one segment holds all lesions."""
    lesions = (
        _at("T01", (-85.0, -10.0, 8.0), 32, 31, 32),
        _at("T02", (-85.0, 18.0, 8.0), 28, 28, 28),
        *_bystanders(3, 6, 3),
    )
    expected = Expected(count_hepatic=8, count_eligible="NO", disease_control="YES", induction=("SD",), study=("SD",))
    return PhantomCase(
        plan=replace(_plan(_visits(_DAYS[:3]), lesions, expected), instances=False),
        timepoints=(0, 1, 2),
        tracks=_alone(*lesions),
    )


def hepatectomy() -> PhantomCase:
    """Sums 66 -> 55 (-17 %: SD); the right liver is resected, one target is left: 30 (new baseline), 31 (SD)."""
    remnant = (
        _at("T01", (5.0, -44.0, 30.0), 36, 30, 30, 31),
        _at("T03", (-28.0, -30.0, 42.0), 16, 14, 14, 14),
        _at("T04", (-22.0, 16.0, 30.0), 15, 14, 14, 14),
    )
    removed = (
        _at("T02", (-100.0, 0.0, 20.0), 30, 25, None, None),
        _at("T05", (-82.0, 40.0, 10.0), 22, 18, None, None),
        _at("T06", (-90.0, -30.0, -20.0), 20, 17, None, None),
        _at("T07", (-105.0, 15.0, -30.0), 18, 15, None, None),
        _at("T08", (-75.0, 0.0, 52.0), 17, 14, None, None),
    )
    right = tuple(replace(lesion, treated_by="RESECTION") for lesion in removed)
    expected = Expected(
        count_hepatic=8, count_eligible="NO", disease_control="YES", induction=("SD",), study=("REBASELINE", "SD")
    )
    plan = _plan(_visits(_DAYS), (*remnant, *right), expected)
    return PhantomCase(
        plan=replace(
            plan,
            clinical=replace(plan.clinical, arm="LOCAL"),
            treatments=(TreatmentPlan(day=_TREATMENT_DAY, method="RESECTION", margin="R0"),),
        ),
        timepoints=(0, 1, 2, 3),
        tracks=(
            *_alone(*remnant),
            *(TrueTrack(lesions=(lesion.name,), fate=Fate.RESECTED) for lesion in right),
        ),
        hepatectomy=Hepatectomy(first_visit=2, plane_x_mm=-48.0, shift_mm=(-16.0, 4.0, -8.0), growth=0.09),
    )


def staged() -> PhantomCase:
    """The sample scenario of local tumour progression, treated in two sessions: ablation, four weeks later SBRT.

    Sums 77 -> 61 (-21 %: SD); the target left is 31, 32, 33, 34; a nodule at the edge of a zone is the progression.
    """
    first, second = _TREATMENT_DAY, _TREATMENT_DAY + 28
    sample = local_tumour_progression(np.random.default_rng(6))
    lesions = tuple(_ablated(lesion) if lesion.treated_by == "RESECTION" else lesion for lesion in sample.lesions)
    treatments = tuple(
        TreatmentPlan(
            day=first if lesion.treated_by == "ABLATION" else second,
            method=lesion.treated_by,
            lesion=lesion.name,
            seen_at=1,
            session=1 if lesion.treated_by == "ABLATION" else 2,
        )
        for lesion in lesions
        if lesion.treated_by
    )
    fates = {"ABLATION": Fate.ABLATED, "SBRT": Fate.IRRADIATED, None: Fate.PERSISTS}
    return PhantomCase(
        plan=replace(
            sample,
            clinical=replace(sample.clinical, treatment_day=first),
            visits=tuple(replace(visit, imaging=_COARSE) for visit in sample.visits),
            lesions=lesions,
            treatments=treatments,
        ),
        timepoints=tuple(range(len(sample.visits))),
        tracks=tuple(
            TrueTrack(lesions=(x.name,), fate=fates[x.treated_by], recurrence_of=x.place.edge_of) for x in lesions
        ),
    )


def _ablated(lesion: LesionPlan) -> LesionPlan:
    """Return a lesion that the sample resects as one that is ablated instead."""
    zones: Sizes = (None, None, *zone_course(float(lesion.diameters_mm[1] or 0), len(lesion.diameters_mm) - 2))
    return replace(lesion, treated_by="ABLATION", zone_mm=zones, place=LesionPlace(clear_mm=6))


def several_volumes() -> PhantomCase:
    """Sums 82 -> 72 (-12 %: SD); 73 (SD) with a new lung lesion (PD). A chest CT and a liver MR two days later."""
    chest = replace(_COARSE, height_mm=160.0, up_mm=157.0, liver_marked=False)
    liver = replace(_COARSE, modality="MR", height_mm=210.0, up_mm=-14.0)
    days = tuple(day + later for day in _DAYS[:3] for later in (0, 2))

    def twice(name: str, centre_mm: Point, *sizes: float | None, site: str = "LIVER") -> LesionPlan:
        both = tuple(size for size in sizes for _ in range(2))
        return LesionPlan(name=name, site=site, diameters_mm=both, place=LesionPlace(centre_mm=centre_mm, clear_mm=6))

    lesions = (
        twice("T01", (-90.0, 5.0, 5.0), 34, 30, 30),
        twice("T02", (-75.0, -35.0, -10.0), 28, 24, 24),
        twice("T03", (-70.0, 40.0, 10.0), 18, 16, 16),
        twice("T04", (-105.0, 20.0, -30.0), 16, 15, 15),
        twice("T05", (-85.0, 10.0, -45.0), 15, 14, 14),
        twice("T06", (-45.0, -15.0, 10.0), 14, 14, 14),
        twice("T07", (-92.0, 20.0, 145.0), 20, 18, 19, site="LUNG"),
        twice("T08", (85.0, 20.0, 150.0), None, None, 15, site="LUNG"),
    )
    expected = Expected(
        count_hepatic=6,
        count_eligible="NO",
        disease_control="YES",
        induction=("SD",),
        study=("PD",),
        pd_visit=2,
        pd_site="EXTRAHEPATIC",
        pd_reasons=("NEW",),
        first_extrahepatic_visit=2,
    )
    return PhantomCase(
        plan=replace(_plan(visits(days, (chest, liver) * 3), lesions, expected), baseline=3),
        timepoints=(0, 0, 1, 1, 2, 2),
        tracks=_alone(*lesions),
    )


def truncated() -> PhantomCase:
    """Sums 54 -> 50 -> 50 -> 51 (SD throughout); at the third visit the lower liver is out of the field of view."""
    upper = replace(_COARSE, height_mm=120.0, up_mm=52.0)
    seen = (
        _at("T01", (-80.0, 0.0, 42.0), 30, 28, 28, 29),
        _at("T02", (-2.0, -45.0, 36.0), 24, 22, 22, 22),
        _at("T03", (-62.0, 40.0, 40.0), 16, 16, 16, 16),
        _at("T04", (-108.0, 15.0, 36.0), 15, 15, 15, 15),
        _at("T05", (-55.0, -38.0, 40.0), 14, 14, 14, 14),
    )
    low = (
        _at("T06", (-100.0, 15.0, -60.0), 19, 18, 18, 18),
        _at("T07", (-85.0, -25.0, -50.0), 16, 15, 15, 15),
    )
    expected = Expected(
        count_hepatic=7, count_eligible="NO", disease_control="YES", induction=("SD",), study=("SD", "SD")
    )
    scans = visits(_DAYS, (_COARSE, _COARSE, upper, _COARSE))
    return PhantomCase(
        plan=_plan(scans, (*seen, *low), expected),
        timepoints=(0, 1, 2, 3),
        tracks=(*_alone(*seen), *(TrueTrack(lesions=(lesion.name,), out_of_view=(2,)) for lesion in low)),
    )


def ten_visits() -> PhantomCase:
    """Sums 74 -> 59 (-20 %: SD); 55, 52, 50, 48, 48, 49, 51 (SD), then 63 (+31 %, +15 mm over 48: PD)."""
    lesions = (
        liver_lesion("T01", 40, 32, 30, 28, 27, 26, 26, 27, 28, 35, place=LesionPlace(clear_mm=8)),
        liver_lesion("T02", 34, 27, 25, 24, 23, 22, 22, 22, 23, 28, place=LesionPlace(clear_mm=8)),
        *_bystanders(3, 6, 10),
    )
    expected = Expected(
        count_hepatic=8,
        count_eligible="NO",
        disease_control="YES",
        induction=("SD",),
        study=(*("SD",) * 7, "PD"),
        pd_visit=9,
        pd_site="HEPATIC",
        pd_subtype="GROWTH",
        pd_reasons=("TARGET",),
        first_hepatic_visit=9,
    )
    days = (0, 84, *(154 + 56 * n for n in range(8)))
    return PhantomCase(
        plan=_plan(_visits(days), lesions, expected), timepoints=tuple(range(10)), tracks=_alone(*lesions)
    )
