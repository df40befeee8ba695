"""The scenarios in the order of the sample study, and the plans of a whole study."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lesiontrack.phantom.chemo_scenarios import hepatic_pd_by_new_lesion, hepatic_pd_by_sum, no_pd
from lesiontrack.phantom.local_scenarios import extrahepatic_pd, fewer_than_ten, local_tumour_progression
from lesiontrack.phantom.plan import ClinicalPlan, SubjectPlan

__all__ = ["SCENARIOS", "subject_plans"]

Scenario = Callable[[np.random.Generator], SubjectPlan]

SCENARIOS: tuple[Scenario, ...] = (
    hepatic_pd_by_sum,
    hepatic_pd_by_new_lesion,
    extrahepatic_pd,
    no_pd,
    fewer_than_ten,
    local_tumour_progression,
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
    """Move a repeated subject's calendar and its follow-up after imaging, so that curves have something to show."""
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
