"""All named timelines."""

from __future__ import annotations

from tests.cases import (
    best_response,
    catalogue,
    local_dates,
    local_treatment,
    sites_and_dates,
    sum_causes,
    target_sums,
    treatment_phase,
)

__all__ = ["CASES"]

CASES = (
    *catalogue.CASES,
    *target_sums.CASES,
    *best_response.CASES,
    *sites_and_dates.CASES,
    *local_treatment.CASES,
    *local_dates.CASES,
    *sum_causes.CASES,
    *treatment_phase.CASES,
)
