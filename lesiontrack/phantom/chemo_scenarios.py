"""Scenarios of the chemotherapy arm, with their truth worked out by hand.

Sums of diameters are written beside each scenario. All stay well away from the thresholds of RECIST 1.1 (Eisenhauer et
al. 2009, section 4.3: -30 % from baseline, +20 % and +5 mm from the nadir), so that a measuring error of 1.5 mm for a
lesion changes no category, and the two largest lesions of an organ lead the third by more than 3 mm at both baselines.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np

from lesiontrack.phantom.courses import (
    CT4,
    CT5,
    CT_FINE,
    CT_WIDE,
    MR,
    MR_THICK,
    NODE,
    liver_lesion,
    other_lesions,
    visits,
)
from lesiontrack.phantom.plan import (
    ClinicalPlan,
    Expected,
    LesionPlace,
    LesionPlan,
    SubjectPlan,
)

__all__ = ["hepatic_pd_by_new_lesion", "hepatic_pd_by_sum", "no_pd"]


def hepatic_pd_by_sum(rng: np.random.Generator) -> SubjectPlan:
    """Sums 90 -> 55 (-39 %: PR); study 55, 52 (-5 %: SD), 72 (+38 %, +20 mm over 52: PD), 82 (still PD)."""
    lesions = (
        liver_lesion("T01", 48, 30, 28, 40, 46),
        liver_lesion("T02", 42, 25, 24, 32, 36),
        *other_lesions(rng, 3, 9, (1.0, 0.62, 0.60, 0.64, 0.68), (16.0, 29.0)),
        liver_lesion("T12", 15, None, None, None, None),
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
        visits=visits((0, 91, 160, 217, 273), (replace(CT5, localizer=True), CT4, CT5, CT_FINE, CT_WIDE)),
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


def hepatic_pd_by_new_lesion(rng: np.random.Generator) -> SubjectPlan:
    """Sums 84 -> 69 (-18 %: SD); study 69, 66, 64 with a new liver lesion of 16 mm (PD), 66 with a second one (PD)."""
    lesions = (
        liver_lesion("T01", 45, 37, 35, 34, 35),
        liver_lesion("T02", 39, 32, 31, 30, 31),
        *other_lesions(rng, 3, 12, (1.0, 0.82, 0.78, 0.76, 0.78), (13.5, 26.0)),
        liver_lesion("T15", None, None, None, 16, 22, place=LesionPlace(clear_mm=12)),
        liver_lesion("T16", None, None, None, None, 15, place=LesionPlace(clear_mm=12)),
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
        visits=visits((0, 84, 154, 210, 266), (CT5, CT5, CT_WIDE, CT4, CT5)),
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


def no_pd(rng: np.random.Generator) -> SubjectPlan:
    """MR, node by short axis. Sums 97 -> 81.5 (-16 %: SD); 67 (-18 %: SD), 51 (-37 %: PR), 51.5 (PR)."""
    lesions = (
        liver_lesion("T01", 40, 34, 28, 22, 22),
        liver_lesion("T02", 35, 29.5, 24, 17, 17.5),
        LesionPlan(
            name="T03",
            site="LYMPH_NODE",
            diameters_mm=(22, 18, 15, 12, 12),
            place=LesionPlace(centre_mm=NODE),
        ),
        *other_lesions(rng, 4, 14, (1.0, 0.84, 0.78, 0.72, 0.72), (14.5, 23.0)),
        liver_lesion("T18", 15, 12.5, None, None, None),
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
        visits=visits((0, 84, 151, 208, 263), (MR, MR_THICK, MR_THICK, MR_THICK, MR)),
        lesions=lesions,
        expected=Expected(
            count_hepatic=17,
            count_eligible="YES",
            disease_control="YES",
            induction=("SD",),
            study=("SD", "PR", "PR"),
        ),
    )
