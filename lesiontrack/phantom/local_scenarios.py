"""Scenarios of the local treatment arm, with their truth worked out by hand.

Sums of diameters are written beside each scenario. All stay well away from the thresholds of RECIST 1.1 (Eisenhauer et
al. 2009, section 4.3: -30 % from baseline, +20 % and +5 mm from the nadir), so that a measuring error of 1.5 mm for a
lesion changes no category, and the two largest lesions of an organ lead the third by more than 3 mm at both baselines.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np

from lesiontrack.phantom.courses import (
    CT3,
    CT4,
    CT5,
    CT_ARTERIAL,
    CT_FINE,
    CT_WIDE,
    RIGHT_LUNG,
    Sizes,
    liver_lesion,
    other_lesions,
    visits,
    zone_course,
)
from lesiontrack.phantom.plan import (
    ClinicalPlan,
    Expected,
    LesionPlace,
    LesionPlan,
    SubjectPlan,
    TreatmentPlan,
)

__all__ = ["extrahepatic_pd", "fewer_than_ten", "local_tumour_progression"]


def extrahepatic_pd(rng: np.random.Generator) -> SubjectPlan:
    """Sums 82 -> 50 (-39 %: PR); two others resected; then 49, 48 with a new lung lesion (PD), then a new liver one."""
    capsule = LesionPlace(near_capsule=True, clear_mm=10)
    lesions = (
        liver_lesion("T01", 44, 27, 26, 25.5, 26),
        liver_lesion("T02", 38, 23, 23, 22.5, 23),
        replace(liver_lesion("T03", 25, 16, None, None, None, place=capsule), treated_by="RESECTION"),
        replace(liver_lesion("T04", 22, 14, None, None, None, place=capsule), treated_by="RESECTION"),
        *other_lesions(rng, 5, 9, (1.0, 0.60, 0.58, 0.58, 0.60), (17.0, 26.0)),
        LesionPlan(
            name="T14",
            site="LUNG",
            diameters_mm=(None, None, None, 14, 18),
            place=LesionPlace(centre_mm=RIGHT_LUNG),
        ),
        liver_lesion("T15", None, None, None, None, 17, place=LesionPlace(clear_mm=14)),
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
        visits=visits((0, 91, 168, 225, 281), (CT5, CT_FINE, CT5, CT4, CT_WIDE)),
        lesions=lesions,
        treatments=(TreatmentPlan(day=112, method="RESECTION", margin="R2"),),
        expected=Expected(
            count_hepatic=13,
            count_eligible="YES",
            disease_control="YES",
            induction=("PR",),
            study=("REBASELINE", "PD", "PD"),
            pd_visit=3,
            pd_site="EXTRAHEPATIC",
            pd_reasons=("NEW",),
            first_hepatic_visit=4,
            first_extrahepatic_visit=3,
        ),
    )


def fewer_than_ten(rng: np.random.Generator) -> SubjectPlan:
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
            diameters_mm=(*sizes, None, None, None),
            treated_by="ABLATION",
            zone_mm=(None, None, *zone_course(float(sizes[1] or 0), 3)),
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
        visits=visits((0, 90, 160, 216, 272), (CT4, CT5, CT_WIDE, CT_ARTERIAL, CT5)),
        lesions=lesions,
        treatments=(TreatmentPlan(day=103, method="ABLATION", everything=True),),
        instances=False,
        expected=Expected(
            count_hepatic=7,
            count_eligible="NO",
            disease_control="YES",
            induction=("SD",),
            study=("REBASELINE", "NED", "NED"),
        ),
    )


def local_tumour_progression(rng: np.random.Generator) -> SubjectPlan:
    """Sums 77 -> 61 (-21 %: SD); staged treatment of six; the target left is 31, 32, 33, 34; nodule at a zone: LTP."""
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
            zone_mm=(None, None, *zone_course(second, 4)),
        )
        for name, first, second in (("T03", 25.0, 20.0), ("T04", 22.0, 17.0), ("T05", 18.0, 14.0))
    )
    lesions = (
        liver_lesion("T01", 41, 33, 31, 32, 33, 34),
        replace(liver_lesion("T02", 36, 28, *gone, place=capsule), treated_by="RESECTION"),
        *ablated,
        replace(liver_lesion("T06", 20, 16, *gone, place=capsule), treated_by="RESECTION"),
        replace(liver_lesion("T07", 28, 23, 15, None, None, None, place=deep), treated_by="SBRT"),
        *other_lesions(rng, 8, 4, (1.0, 0.80, 0.76, 0.76, 0.78, 0.80), (16.0, 28.0)),
        liver_lesion("T12", None, None, None, None, 14, 20, place=LesionPlace(edge_of="T03")),
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
        visits=visits((0, 91, 181, 237, 293, 349), (CT5, CT5, CT_FINE, CT5, CT3, CT_WIDE)),
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
