"""Declared schemas of every table, and the way from the domain's values to rows.

``seen``, ``response`` and ``reading`` declare, ``schema`` builds and checks, ``rows`` and ``judged`` convert. Frames
have the declared columns in the declared order and the declared types also when they are empty.
"""

from lesiontrack.tables.columns import Column, Kind, Table
from lesiontrack.tables.judged import (
    assessment_rows,
    assessment_subject_row,
    judgement_frames,
    outcome_row,
    query_rows,
    unseen_subjects_frame,
    with_clinical_facts,
)
from lesiontrack.tables.rows import failures_frame, history_frames
from lesiontrack.tables.schema import COHORT_TABLES, empty, frame, validate

__all__ = [
    "COHORT_TABLES",
    "Column",
    "Kind",
    "Table",
    "assessment_rows",
    "assessment_subject_row",
    "empty",
    "failures_frame",
    "frame",
    "history_frames",
    "judgement_frames",
    "outcome_row",
    "query_rows",
    "unseen_subjects_frame",
    "validate",
    "with_clinical_facts",
]
