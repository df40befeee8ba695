"""The six scenarios of the sample study, with their truth worked out by hand.

Sums of diameters are written beside each scenario. All stay well away from the thresholds of RECIST 1.1 (Eisenhauer et
al. 2009, section 4.3: -30 % from baseline, +20 % and +5 mm from the nadir), so that a measuring error of 1.5 mm for a
lesion changes no category, and the two largest lesions of an organ lead the third by more than 3 mm at both baselines.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import numpy as np

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

__all__ = ["SCENARIOS", "subject_plans"]

Sizes = tuple[float | None, ...]

_CT5 = Imaging(pixel_mm=2.0, slice_mm=5.0, matrix=192)
_CT4 = Imaging(pixel_mm=1.8, slice_mm=4.0, matrix=208)
_CT3 = Imaging(pixel_mm=2.1, slice_mm=3.0, matrix=184)
_CT_FINE = Imaging(pixel_mm=1.6, slice_mm=5.0, matrix=232)
_CT_WIDE = Imaging(pixel_mm=2.2, slice_mm=5.0, matrix=192)
_CT_ARTERIAL = Imaging(pixel_mm=1.9, slice_mm=5.0, matrix=200, phase="late arterial")
_MR = Imaging(modality="MR", pixel_mm=1.9, slice_mm=4.0, matrix=200)
_MR_THICK = Imaging(modality="MR", pixel_mm=2.0, slice_mm=5.0, matrix=192)

# Extrahepatic places in the subject's own space, mm: the right and the left lung's base, a mesenteric node.
_RIGHT_LUNG = (-92.0, 30.0, 104.0)
_LEFT_LUNG = (96.0, 10.0, 100.0)
_NODE = (0.0, 0.0, -78.0)


def _visits(days: tuple[int, ...], imaging: tuple[Imaging, ...]) -> tuple[VisitPlan, ...]:
    return tuple(VisitPlan(day=day, imaging=how) for day, how in zip(days, imaging, strict=True))


def _liver(name: str, *sizes: float | None, place: LesionPlace | None = None) -> LesionPlan:
    return LesionPlan(name=name, site="LIVER", diameters_mm=sizes, place=place or LesionPlace())


def _others(
    rng: np.random.Generator, first: int, count: int, course: tuple[float, ...], between: tuple[float, float]
) -> tuple[LesionPlan, ...]:
    """Return ``count`` further liver lesions that all follow one course of relative sizes, one size drawn for each."""
    sizes = np.round(rng.uniform(*between, size=count), 1)
    return tuple(
        _liver(f"T{first + number:02d}", *(round(float(size) * factor, 1) for factor in course))
        for number, size in enumerate(sizes)
    )


def _hepatic_pd_by_sum(rng: np.random.Generator) -> SubjectPlan:
    """Sums 90 -> 55 (-39 %: PR); study 55, 52 (-5 %: SD), 72 (+38 %, +20 mm over 52: PD), 82 (still PD)."""
    lesions = (
        _liver("T01", 48, 30, 28, 40, 46),
        _liver("T02", 42, 25, 24, 32, 36),
        *_others(rng, 3, 9, (1.0, 0.62, 0.60, 0.64, 0.68), (16.0, 29.0)),
        _liver("T12", 15, None, None, None, None),
    )
    return SubjectPlan(
        subject_id="",
        scenario="hepatic PD by sum",
        seed=0,
        clinical=ClinicalPlan(
            arm="CHEMO",
            first_scan=dt.date(2019, 2, 11),
            diagnosis_day=-24,
            induction_day=9,
            enrolment_day=97,
            treatment_day=105,
            last_alive_day=846,
            death_day=868,
            therapies=(("FOLFIRI + bevacizumab", 9, "Y"), ("irinotecan + cetuximab", 232, "N")),
            adverse_events=(("Neutropenia", 3, 133, "Y"), ("Fatigue", 2, 120, "Y"), ("Diarrhoea", 2, 140, "Y")),
            sex="M",
            age_years=63,
            n_primary_nodes=4,
        ),
        visits=_visits(
            (0, 91, 160, 217, 273), (replace(_CT5, localizer=True), _CT4, _CT5, _CT_FINE, _CT_WIDE)
        ),
        lesions=lesions,
        expected=Expected(
            count_hepatic=12,
            count_eligible="YES",
            disease_control="YES",
            induction=("PR",),
            study=("SD", "PD", "PD"),
            pd_visit=3,
            pd_site="HEPATIC",
            pd_subtype="GROWTH",
            pd_reasons=("TARGET",),
            first_hepatic_visit=3,
        ),
    )


def _hepatic_pd_by_new_lesion(rng: np.random.Generator) -> SubjectPlan:
    """Sums 84 -> 69 (-18 %: SD); study 69, 66, 64 with a new liver lesion of 16 mm (PD), 66 with a second one (PD)."""
    lesions = (
        _liver("T01", 45, 37, 35, 34, 35),
        _liver("T02", 39, 32, 31, 30, 31),
        *_others(rng, 3, 12, (1.0, 0.82, 0.78, 0.76, 0.78), (13.5, 26.0)),
        _liver("T15", None, None, None, 16, 22, place=LesionPlace(clear_mm=12)),
        _liver("T16", None, None, None, None, 15, place=LesionPlace(clear_mm=12)),
    )
    return SubjectPlan(
        subject_id="",
        scenario="hepatic PD by new lesion",
        seed=0,
        clinical=ClinicalPlan(
            arm="CHEMO",
            first_scan=dt.date(2018, 9, 3),
            diagnosis_day=-31,
            induction_day=7,
            enrolment_day=90,
            treatment_day=98,
            last_alive_day=611,
            death_day=640,
            therapies=(("FOLFOX + panitumumab", 7, "Y"), ("trifluridine/tipiracil", 225, "N")),
            adverse_events=(("Rash acneiform", 2, 30, "Y"), ("Peripheral sensory neuropathy", 3, 150, "Y")),
            sex="F",
            age_years=57,
            n_primary_nodes=7,
        ),
        visits=_visits((0, 84, 154, 210, 266), (_CT5, _CT5, _CT_WIDE, _CT4, _CT5)),
        lesions=lesions,
        instances=False,
        expected=Expected(
            count_hepatic=14,
            count_eligible="YES",
            disease_control="YES",
            induction=("SD",),
            study=("SD", "PD", "PD"),
            pd_visit=3,
            pd_site="HEPATIC",
            pd_subtype="INTRAHEPATIC_NEW",
            pd_reasons=("NEW",),
            first_hepatic_visit=3,
        ),
    )


def _extrahepatic_pd(rng: np.random.Generator) -> SubjectPlan:
    """Sums 82 -> 50 (-39 %: PR); two others resected; then 49, 48 with a new lung lesion (PD), 49 with a new liver one."""
    capsule = LesionPlace(near_capsule=True, clear_mm=10)
    lesions = (
        _liver("T01", 44, 27, 26, 25.5, 26, 26),
        _liver("T02", 38, 23, 23, 22.5, 23, 23),
        replace(_liver("T03", 25, 16, None, None, None, None, place=capsule), treated_by="RESECTION"),
        replace(_liver("T04", 22, 14, None, None, None, None, place=capsule), treated_by="RESECTION"),
        *_others(rng, 5, 9, (1.0, 0.60, 0.58, 0.58, 0.60, 0.60), (17.0, 26.0)),
        LesionPlan(
            name="T14",
            site="LUNG",
            diameters_mm=(None, None, None, 14, 18, 22),
            place=LesionPlace(centre_mm=_RIGHT_LUNG),
        ),
        _liver("T15", None, None, None, None, 17, 20, place=LesionPlace(clear_mm=14)),
    )
    return SubjectPlan(
        subject_id="",
        scenario="extrahepatic PD",
        seed=0,
        clinical=ClinicalPlan(
            arm="LOCAL",
            first_scan=dt.date(2018, 5, 14),
            diagnosis_day=-40,
            induction_day=10,
            enrolment_day=96,
            treatment_day=112,
            last_alive_day=1521,
            therapies=(("FOLFOXIRI + bevacizumab", 10, "Y"), ("FOLFIRI + aflibercept", 300, "N")),
            adverse_events=(("Bile leak", 3, 116, "Y"), ("Wound infection", 2, 121, "Y"), ("Anaemia", 2, 113, "Y")),
            sex="M",
            age_years=51,
            n_primary_nodes=2,
        ),
        visits=_visits((0, 91, 168, 225, 281, 337), (_CT5, _CT_FINE, _CT5, _CT4, _CT5, _CT_WIDE)),
        lesions=lesions,
        treatments=(TreatmentPlan(day=112, method="RESECTION", margin="R2"),),
        expected=Expected(
            count_hepatic=13,
            count_eligible="YES",
            disease_control="YES",
            induction=("PR",),
            study=("REBASELINE", "PD", "PD", "SD"),
            pd_visit=3,
            pd_site="EXTRAHEPATIC",
            pd_reasons=("NEW",),
            first_hepatic_visit=4,
            first_extrahepatic_visit=3,
        ),
    )


def _no_pd(rng: np.random.Generator) -> SubjectPlan:
    """MR with a node (short axis). Sums 97 -> 81.5 (-16 %: SD); 67 (-18 %: SD), 52 (-36 %: PR), 47.5 (PR), 49.5 (PR)."""
    lesions = (
        _liver("T01", 40, 34, 28, 22, 20, 21),
        _liver("T02", 35, 29.5, 24, 18, 16.5, 17),
        LesionPlan(
            name="T03",
            site="LYMPH_NODE",
            diameters_mm=(22, 18, 15, 12, 11, 11.5),
            place=LesionPlace(centre_mm=_NODE),
        ),
        *_others(rng, 4, 14, (1.0, 0.84, 0.78, 0.72, 0.70, 0.70), (14.5, 23.0)),
        _liver("T18", 15, 12.5, None, None, None, None),
    )
    return SubjectPlan(
        subject_id="",
        scenario="no PD",
        seed=0,
        clinical=ClinicalPlan(
            arm="CHEMO",
            first_scan=dt.date(2017, 10, 23),
            diagnosis_day=-19,
            induction_day=6,
            enrolment_day=88,
            treatment_day=95,
            last_alive_day=1902,
            therapies=(("FOLFOX + bevacizumab", 6, "Y"),),
            adverse_events=(("Hypertension", 3, 60, "Y"), ("Nausea", 1, 20, "Y")),
            sex="F",
            age_years=68,
            n_primary_nodes=1,
        ),
        visits=_visits((0, 84, 151, 208, 263, 320), (_MR, _MR_THICK, _MR, _MR_THICK, _MR_THICK, _MR)),
        lesions=lesions,
        expected=Expected(
            count_hepatic=17,
            count_eligible="YES",
            disease_control="YES",
            induction=("SD",),
            study=("SD", "PR", "PR", "PR"),
        ),
    )


def _fewer_than_ten(rng: np.random.Generator) -> SubjectPlan:
    """Seven lesions, sums 61 -> 49.5 (-19 %: SD); all ablated in one session; no disease afterwards (NED)."""
    course: tuple[Sizes, ...] = (
        (33, 27),
        (28, 22.5),
        *((float(size), round(float(size) * 0.8, 1)) for size in np.round(rng.uniform(15, 23, 5), 1)),
    )
    lesions = tuple(
        LesionPlan(
            name=f"T{number:02d}",
            site="LIVER",
            diameters_mm=(*sizes, None, None, None, None),
            treated_by="ABLATION",
            zone_mm=(None, None, *_zone(float(sizes[1] or 0), 4)),
            place=LesionPlace(clear_mm=4),
        )
        for number, sizes in enumerate(course, start=1)
    )
    return SubjectPlan(
        subject_id="",
        scenario="fewer than 10 lesions",
        seed=0,
        clinical=ClinicalPlan(
            arm="LOCAL",
            first_scan=dt.date(2019, 6, 17),
            diagnosis_day=-28,
            induction_day=8,
            enrolment_day=92,
            treatment_day=103,
            last_alive_day=1388,
            therapies=(("CAPOX + bevacizumab", 8, "Y"),),
            adverse_events=(("Liver abscess", 3, 125, "Y"), ("Abdominal pain", 2, 104, "Y")),
            sex="F",
            age_years=60,
            n_primary_nodes=0,
        ),
        visits=_visits((0, 90, 160, 216, 272, 328), (_CT4, _CT5, _CT5, _CT_WIDE, _CT_ARTERIAL, _CT5)),
        lesions=lesions,
        treatments=(TreatmentPlan(day=103, method="ABLATION", everything=True),),
        instances=False,
        expected=Expected(
            count_hepatic=7,
            count_eligible="NO",
            disease_control="YES",
            induction=("SD",),
            study=("REBASELINE", "NED", "NED", "NED"),
        ),
    )


def _local_tumour_progression(rng: np.random.Generator) -> SubjectPlan:
    """Sums 77 -> 61 (-21 %: SD); staged treatment of six; the target left is 31, 32, 33, 34; a nodule at a zone: LTP."""
    deep = LesionPlace(clear_mm=10)
    capsule = LesionPlace(near_capsule=True, clear_mm=10)
    gone: Sizes = (None, None, None, None)
    ablated = tuple(
        LesionPlan(
            name=name,
            site="LIVER",
            diameters_mm=(first, second, *gone),
            place=deep,
            treated_by="ABLATION",
            zone_mm=(None, None, *_zone(second, 4)),
        )
        for name, first, second in (("T03", 25.0, 20.0), ("T04", 22.0, 17.0), ("T05", 18.0, 14.0))
    )
    lesions = (
        _liver("T01", 41, 33, 31, 32, 33, 34),
        replace(_liver("T02", 36, 28, *gone, place=capsule), treated_by="RESECTION"),
        *ablated,
        replace(_liver("T06", 20, 16, *gone, place=capsule), treated_by="RESECTION"),
        replace(_liver("T07", 28, 23, 15, None, None, None, place=deep), treated_by="SBRT"),
        *_others(rng, 8, 4, (1.0, 0.80, 0.76, 0.76, 0.78, 0.80), (16.0, 28.0)),
        _liver("T12", None, None, None, None, 14, 20, place=LesionPlace(edge_of="T03")),
    )
    days = {"ABLATION": 110, "RESECTION": 131, "SBRT": 138}
    treatments = tuple(
        TreatmentPlan(
            day=days[lesion.treated_by],
            method=lesion.treated_by,
            lesion=lesion.name,
            seen_at=1,
            session=list(days).index(lesion.treated_by) + 1,
            margin="R0" if lesion.treated_by == "RESECTION" else "",
        )
        for lesion in lesions
        if lesion.treated_by
    )
    return SubjectPlan(
        subject_id="",
        scenario="local tumour progression",
        seed=0,
        clinical=ClinicalPlan(
            arm="LOCAL",
            first_scan=dt.date(2018, 1, 15),
            diagnosis_day=-35,
            induction_day=8,
            enrolment_day=98,
            treatment_day=110,
            last_alive_day=1240,
            death_day=1267,
            therapies=(("FOLFIRI + cetuximab", 8, "Y"), ("FOLFOX", 370, "N")),
            adverse_events=(
                ("Pleural effusion", 2, 113, "Y"),
                ("Hepatic failure", 4, 134, "Y"),
                ("Fatigue", 1, 150, "N"),
            ),
            sex="M",
            age_years=55,
            n_primary_nodes=3,
        ),
        visits=_visits((0, 91, 181, 237, 293, 349), (_CT5, _CT5, _CT_FINE, _CT5, _CT3, _CT_WIDE)),
        lesions=lesions,
        treatments=treatments,
        expected=Expected(
            count_hepatic=11,
            count_eligible="YES",
            disease_control="YES",
            induction=("SD",),
            study=("REBASELINE", "SD", "PD", "PD"),
            pd_visit=4,
            pd_site="HEPATIC",
            pd_subtype="LOCAL",
            pd_reasons=("LTP",),
            first_hepatic_visit=4,
        ),
    )


def _zone(lesion_mm: float, visits: int) -> tuple[float, ...]:
    """Diameters of an ablation zone: 6 mm of margin on every side at first, shrinking by 6 % from visit to visit."""
    return tuple(round((lesion_mm + 12.0) * 0.94**number, 1) for number in range(visits))


Scenario = Callable[[np.random.Generator], SubjectPlan]

SCENARIOS: tuple[Scenario, ...] = (
    _hepatic_pd_by_sum,
    _hepatic_pd_by_new_lesion,
    _extrahepatic_pd,
    _no_pd,
    _fewer_than_ten,
    _local_tumour_progression,
)


def subject_plans(*, subjects: int, seed: int) -> tuple[SubjectPlan, ...]:
    """Return the plans of a study: the scenarios in order, then again with other sizes, places, shapes and dates.

    Parameters
    ----------
    subjects
        How many.
    seed
        Everything random follows from it and from the subject's number.
    """
    plans = []
    for number in range(subjects):
        rng = np.random.default_rng([seed, number])
        plan = SCENARIOS[number % len(SCENARIOS)](rng)
        if number >= len(SCENARIOS):
            plan = replace(plan, clinical=_varied(plan.clinical, rng))
        plans.append(replace(plan, subject_id=f"PHANTOM-{number + 1:03d}", seed=seed * 100_003 + number))
    return tuple(plans)


def _varied(clinical: ClinicalPlan, rng: np.random.Generator) -> ClinicalPlan:
    """Move a repeated subject's calendar, and its follow-up after imaging ends, so that curves have something to show."""
    later = int(rng.integers(-120, 700))
    return replace(
        clinical,
        first_scan=clinical.first_scan + dt.timedelta(days=int(rng.integers(0, 500))),
        diagnosis_day=clinical.diagnosis_day - int(rng.integers(0, 30)),
        last_alive_day=clinical.last_alive_day + later,
        death_day=None if clinical.death_day is None else clinical.death_day + later,
        age_years=int(rng.integers(38, 79)),
        n_primary_nodes=int(rng.integers(0, 9)),
    )
