"""What judging yields as rows: roles, responses, outcomes, robustness, exploratory curves, and the subject's line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from lesiontrack.domain.outcome import Assessment, Judgement, PhaseJudgement, Trigger, VisitResponse
from lesiontrack.domain.study import ClinicalFacts
from lesiontrack.tables.schema import frame

__all__ = [
    "assessment_rows",
    "assessment_subject_row",
    "judgement_frames",
    "outcome_row",
    "query_rows",
    "unseen_subjects_frame",
    "with_clinical_facts",
]

Row = dict[str, Any]

# From the best to the worst; a patient with several resections has the worst.
_MARGINS = ("R0", "R1", "R2")
_SUBJECT_DATES = ("diagnosis_date", "enrolment_date", "treatment_start_date", "death_date", "last_alive_date")


def judgement_frames(judgement: Judgement, clinical: ClinicalFacts | None) -> dict[str, pd.DataFrame]:
    """Return the tables that judging fills, the subject's line included."""
    phases = [phase for phase in (judgement.induction, judgement.study) if phase is not None]
    assessments = [x for phase in phases for x in phase.assessments.values()]
    rows: dict[str, list[Row]] = {
        "roles": [_role(entry) for phase in phases for entry in phase.roles],
        "responses": [row for x in assessments for row in assessment_rows(x)],
        "outcomes": [outcome_row(x) for x in assessments],
        "robustness": [_robustness(phase) for phase in phases if phase.robustness is not None],
        "exploratory": [{name: getattr(point, name) for name in point.__slots__} for point in judgement.curves],
        "queries": list(_queries(judgement)),
        "subjects": [_subject(judgement, clinical)],
    }
    return {
        name: frame(name, [{"subject_id": judgement.subject_id, **row} for row in table])
        for name, table in rows.items()
    }


def assessment_rows(assessment: Assessment) -> list[Row]:
    """Return one row of ``responses`` for each visit of an assessment."""
    return [_response(assessment, visit) for visit in assessment.visits]


def outcome_row(assessment: Assessment) -> Row:
    """Return the row of ``outcomes``: what an assessment says of all visits together, and why."""
    same = (
        "subject_id",
        "phase",
        "rules",
        "reader",
        "baseline_timepoint",
        "baseline_date",
        "baseline_sum_mm",
        "n_assessed",
        "bor_unconfirmed",
        "bor_confirmed",
        "disease_control",
        "control_by_ned",
        "pd_date",
        "pd_declared_date",
        "pd_timepoint",
        "pd_site",
        "pd_subtype",
        "first_hepatic_pd_date",
        "first_extrahepatic_pd_date",
        "provisional",
    )
    response, stable = assessment.duration_of_response, assessment.duration_of_stable_disease
    return {
        **{name: getattr(assessment, name) for name in same},
        "pd_reasons": list(assessment.pd_reasons),
        "disease_control_at_days": {str(day): control for day, control in assessment.disease_control_at_days},
        "response_days": response.days if response else None,
        "response_ended": response.event if response else None,
        "duration_of_response": response.to_dict() if response else None,
        "stable_days": stable.days if stable else None,
        "stable_ended": stable.event if stable else None,
        "duration_of_stable_disease": stable.to_dict() if stable else None,
        "reasons": [reason.to_dict() for reason in assessment.reasons],
    }


def query_rows(assessment: Assessment) -> list[Row]:
    """Return one row of ``queries`` for each query of an assessment."""
    return [{"phase": assessment.phase, **query.to_dict()} for query in assessment.queries]


def _response(assessment: Assessment, visit: VisitResponse) -> Row:
    same = (
        "timepoint",
        "date",
        "sum_mm",
        "baseline_sum_mm",
        "nadir_sum_mm",
        "target",
        "non_target",
        "new_lesion",
        "overall",
        "provisional",
        "post_pd",
        "rebaseline",
        "treatment_phase",
    )
    return {
        "subject_id": assessment.subject_id,
        "phase": assessment.phase,
        "rules": assessment.rules,
        "reader": assessment.reader,
        **{name: getattr(visit, name) for name in same},
        "reasons": [reason.to_dict() for reason in visit.reasons],
        "triggers": [_trigger(trigger) for trigger in visit.triggers],
        "treatment_phase_growth": [_trigger(trigger) for trigger in visit.treatment_phase_growth],
        "site_status": dict(visit.site_status),
    }


def _trigger(trigger: Trigger) -> Row:
    return {name: getattr(trigger, name) for name in trigger.__slots__}


def _role(entry: Any) -> Row:
    return {name: getattr(entry, name) for name in ("phase", "track_id", "role", "measurable", "reason")}


def _robustness(phase: PhaseJudgement) -> Row:
    found = phase.robustness
    assert found is not None  # filtered by the caller
    row = {name: getattr(found, name) for name in found.__slots__ if name != "bor_counts"}
    return {**row, "bor_counts": dict(found.bor_counts)}


def _queries(judgement: Judgement) -> Iterable[Row]:
    for query in judgement.queries:
        yield {"phase": None, **query.to_dict()}
    for phase in (judgement.induction, judgement.study):
        if phase is not None and "recist11-local" in phase.assessments:
            yield from query_rows(phase.assessments["recist11-local"])


def _subject(judgement: Judgement, clinical: ClinicalFacts | None) -> Row:
    facts = clinical or ClinicalFacts()
    eligibility = judgement.eligibility
    row: Row = {
        **_facts(facts),
        "count_hepatic": eligibility.count_hepatic,
        "count_low": eligibility.count_low,
        "count_high": eligibility.count_high,
        "count_eligible": eligibility.count_eligible,
        "count_margin": eligibility.margin_to_limit,
        "count_deciding": list(eligibility.deciding_lesions),
        "induction_response": eligibility.induction_response,
        "disease_control": eligibility.disease_control,
        "eligible": eligibility.eligible,
        "extrahepatic_at_baseline": eligibility.extrahepatic_at_baseline,
        "flags": [*eligibility.flags, *judgement.missing],
        "provisional": judgement.provisional,
    }
    return {**row, **_study_outcome(judgement.primary)}


def _facts(facts: ClinicalFacts) -> Row:
    dates = {name: getattr(facts, name) for name in _SUBJECT_DATES}
    return {"arm": facts.arm, **dates, "margin": _worst_margin(facts)}


def unseen_subjects_frame(facts: Iterable[tuple[str, ClinicalFacts | None]]) -> pd.DataFrame:
    """Return rows of ``subjects`` for subjects of whose images nothing is known: nothing is assessed or assumed."""
    unknown = {
        "count_eligible": "UNCERTAIN",
        "disease_control": "NOT ASSESSED",
        "eligible": "UNCERTAIN",
        "flags": ["no images that could be judged"],
    }
    return frame("subjects", [{"subject_id": s, **_facts(f or ClinicalFacts()), **unknown} for s, f in facts])


def _worst_margin(facts: ClinicalFacts) -> str | None:
    found = [_MARGINS.index(t.margin) for t in facts.local_treatments if t.margin in _MARGINS]
    return _MARGINS[max(found)] if found else None


def with_clinical_facts(subjects: pd.DataFrame, facts: Mapping[str, ClinicalFacts]) -> pd.DataFrame:
    """Return ``subjects`` with the arm, dates and margin that the clinical tables give now; results stay."""
    plain = subjects.astype(object).where(subjects.notna(), None).to_dict("records")
    rows: list[Row] = [{str(name): value for name, value in row.items()} for row in plain]
    return frame("subjects", [row | (_facts(facts[s]) if (s := row["subject_id"]) in facts else {}) for row in rows])


def assessment_subject_row(assessment: Assessment) -> Row:
    """Return the row of ``subjects`` that reads alone can fill: no clinical fact but treatment start, no count."""
    return {
        "subject_id": assessment.subject_id,
        "treatment_start_date": assessment.treatment_start,
        "provisional": assessment.provisional,
        **_study_outcome(assessment),
    }


def _study_outcome(primary: Assessment | None) -> Row:
    if primary is None:
        return {}
    names = (
        "bor_unconfirmed",
        "bor_confirmed",
        "pd_date",
        "pd_declared_date",
        "pd_site",
        "pd_subtype",
        "first_hepatic_pd_date",
        "first_extrahepatic_pd_date",
    )
    return {
        **{name: getattr(primary, name) for name in names},
        "pd_reasons": list(primary.pd_reasons),
        "disease_control_study": _control(primary),
        "imaging_end": primary.visits[-1].date if primary.visits else primary.baseline_date,
    }


def _control(primary: Assessment) -> str:
    if not primary.n_assessed:
        return "NOT ASSESSED"
    return "YES" if primary.disease_control else "NO"
