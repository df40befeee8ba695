"""The declared columns of each table of the result folder (contract, section 3)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import pandas as pd
import pandera.pandas as pa

from lesiontrack.errors import TableError

__all__ = ["COHORT_TABLES", "Column", "Kind", "Table", "empty", "frame", "validate"]


class Kind(StrEnum):
    """How a column is held in a frame and in Parquet."""

    TEXT = "text"
    DATE = "date"  # ISO 8601 calendar date as text: exact, sortable, the same in CSV and Parquet
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    JSON = "json"  # a list or an object, as JSON text


_DTYPES = {
    Kind.TEXT: "string",
    Kind.DATE: "string",
    Kind.INT: "Int64",
    Kind.FLOAT: "float64",
    Kind.BOOL: "boolean",
    Kind.JSON: "string",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its kind, whether it may be empty, and the codes it is restricted to."""

    kind: Kind
    nullable: bool = True
    codes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name and its columns in order. ``open`` tables may carry further columns (covariates)."""

    name: str
    columns: Mapping[str, Column]
    open: bool = False

    def schema(self) -> pa.DataFrameSchema:
        """Return the pandera schema."""
        return pa.DataFrameSchema(
            {
                name: pa.Column(_DTYPES[c.kind], checks=_checks(c), nullable=c.nullable)
                for name, c in self.columns.items()
            },
            strict=not self.open,
            ordered=not self.open,
            name=self.name,
        )


def _checks(column: Column) -> list[pa.Check]:
    checks: list[pa.Check] = []
    if column.codes is not None:
        checks.append(pa.Check.isin(column.codes))
    if column.kind is Kind.DATE:
        checks.append(pa.Check.str_matches(r"^\d{4}-\d{2}-\d{2}$"))
    return checks


_TEXT = Column(Kind.TEXT)
_ID = Column(Kind.TEXT, nullable=False)
_DATE = Column(Kind.DATE)
_DAY = Column(Kind.DATE, nullable=False)
_INT = Column(Kind.INT)
_NUMBER = Column(Kind.INT, nullable=False)
_FLOAT = Column(Kind.FLOAT)
_BOOL = Column(Kind.BOOL)
_FLAG = Column(Kind.BOOL, nullable=False)
_JSON = Column(Kind.JSON)
_COMPARTMENT = Column(Kind.TEXT, nullable=False, codes=("HEPATIC", "EXTRAHEPATIC"))
_PD_SITE = Column(Kind.TEXT, codes=("HEPATIC", "EXTRAHEPATIC", "BOTH"))
_YES_NO_UNCERTAIN = Column(Kind.TEXT, codes=("YES", "NO", "UNCERTAIN"))
_CONTROL = Column(Kind.TEXT, codes=("YES", "NO", "NOT ASSESSED"))
_OVERALL = Column(Kind.TEXT, codes=("CR", "PR", "SD", "PD", "NE", "NON-CR/NON-PD", "NED", "REBASELINE"))
_PHASE = Column(Kind.TEXT, nullable=False, codes=("INDUCTION", "STUDY"))


def _point(prefix: str = "") -> dict[str, Column]:
    return {f"{prefix}{axis}_lps_mm": _FLOAT for axis in "xyz"}


SCANS = Table(
    "scans",
    {
        "subject_id": _ID,
        "timepoint": _INT,
        "series_uid": _ID,
        "date": _DATE,
        "modality": _TEXT,
        "phase_of_contrast": _TEXT,
        "regions": _JSON,
        "slice_thickness_mm": _FLOAT,
        "measured": _FLAG,
        "usable": _FLAG,
        "problem": _TEXT,
    },
)

TIMEPOINTS = Table(
    "timepoints",
    {
        "subject_id": _ID,
        "timepoint": _NUMBER,
        "date": _DAY,
        "phase": Column(Kind.TEXT, codes=("INDUCTION", "STUDY", "BOTH")),
        "n_hepatic": _INT,
        "n_extrahepatic": _INT,
        "regions_assessed": _JSON,
        "usable": _FLAG,
        "problem": _TEXT,
    },
)

LESIONS = Table(
    "lesions",
    {
        "subject_id": _ID,
        "timepoint": _NUMBER,
        "date": _DAY,
        "series_uid": _ID,
        "lesion_id": _NUMBER,
        "track_id": _TEXT,
        "site": _ID,
        "compartment": _COMPARTMENT,
        **_point(),
        "longest_diameter_mm": _FLOAT,
        "short_axis_mm": _FLOAT,
        "volume_mm3": _FLOAT,
        "measurable": _FLAG,
        "status": _ID,
        "sop_instance_uid": _TEXT,
        **_point("d1_"),
        **_point("d2_"),
        **_point("s1_"),
        **_point("s2_"),
        "certainty": _TEXT,
        "max_components": _INT,
        "n_slices": _INT,
        "slice_thickness_mm": _FLOAT,
        "notes": _JSON,
    },
)

LINKS = Table(
    "links",
    {
        "subject_id": _ID,
        "timepoint_from": _NUMBER,
        "lesion_from": _NUMBER,
        "timepoint_to": _NUMBER,
        "lesion_to": _NUMBER,
        "kind": Column(Kind.TEXT, nullable=False, codes=("SAME", "SPLIT", "MERGE")),
        "distance_mm": _FLOAT,
        "confidence": _FLOAT,
        "author": _ID,
    },
)

TRACKS = Table(
    "tracks",
    {
        "subject_id": _ID,
        "track_id": _ID,
        "tracking_uid": _ID,
        "site": _ID,
        "compartment": _COMPARTMENT,
        "first_timepoint": _NUMBER,
        "last_seen_timepoint": _NUMBER,
        "fate": Column(
            Kind.TEXT,
            nullable=False,
            codes=("PERSISTS", "DISAPPEARED", "MERGED", "RESECTED", "ABLATED", "IRRADIATED"),
        ),
        "needs_review": _FLAG,
        "reasons": _JSON,
        "treated_date": _DATE,
        "recurrence_of": _TEXT,
        "merged_into": _TEXT,
    },
)

ROLES = Table(
    "roles",
    {
        "subject_id": _ID,
        "phase": _PHASE,
        "track_id": _ID,
        "role": Column(Kind.TEXT, nullable=False, codes=("TARGET", "NON_TARGET", "NEW")),
        "measurable": _BOOL,
        "reason": _TEXT,
    },
)

MISSING = Table(
    "missing",
    {
        "subject_id": _ID,
        "timepoint": _NUMBER,
        "track_id": _ID,
        **_point(),
        "state": Column(Kind.TEXT, nullable=False, codes=("NOT_SEEN", "OUT_OF_VIEW", "TREATED")),
        "since_timepoint": _NUMBER,
        "series_uid": _TEXT,
        "trusted": _FLAG,
    },
)

REGISTRATIONS = Table(
    "registrations",
    {
        "subject_id": _ID,
        "timepoint_from": _NUMBER,
        "timepoint_to": _NUMBER,
        "method": _ID,
        "liver_dice": _FLOAT,
        "residual_mm": _FLOAT,
        "folding_fraction": _FLOAT,
        "seconds": _FLOAT,
        "trusted": _FLAG,
        "reason": _TEXT,
        "series_from": _TEXT,
        "series_to": _TEXT,
    },
)

RESPONSES = Table(
    "responses",
    {
        "subject_id": _ID,
        "phase": _PHASE,
        "rules": _ID,
        "reader": _ID,
        "timepoint": _NUMBER,
        "date": _DAY,
        "sum_mm": _FLOAT,
        "baseline_sum_mm": _FLOAT,
        "nadir_sum_mm": _FLOAT,
        "target": _TEXT,
        "non_target": _TEXT,
        "new_lesion": _TEXT,
        "overall": _OVERALL,
        "provisional": _FLAG,
        "reasons": _JSON,
        "triggers": _JSON,
        "treatment_phase_growth": _JSON,
        "site_status": _JSON,
        "post_pd": _BOOL,
        "rebaseline": _BOOL,
        "treatment_phase": _BOOL,
        "taken_from": _TEXT,
    },
)

OUTCOMES = Table(
    "outcomes",
    {
        "subject_id": _ID,
        "phase": _PHASE,
        "rules": _ID,
        "reader": _ID,
        "baseline_timepoint": _NUMBER,
        "baseline_date": _DAY,
        "baseline_sum_mm": _FLOAT,
        "n_assessed": _NUMBER,
        "bor_unconfirmed": _OVERALL,
        "bor_confirmed": _OVERALL,
        "disease_control": _FLAG,
        "control_by_ned": _FLAG,
        "disease_control_at_days": _JSON,
        "pd_date": _DATE,
        "pd_declared_date": _DATE,
        "pd_timepoint": _INT,
        "pd_site": _PD_SITE,
        "pd_subtype": _TEXT,
        "pd_reasons": _JSON,
        "first_hepatic_pd_date": _DATE,
        "first_extrahepatic_pd_date": _DATE,
        "response_days": _INT,
        "response_ended": _BOOL,
        "duration_of_response": _JSON,
        "stable_days": _INT,
        "stable_ended": _BOOL,
        "duration_of_stable_disease": _JSON,
        "reasons": _JSON,
        "provisional": _FLAG,
    },
)

ROBUSTNESS = Table(
    "robustness",
    {
        "subject_id": _ID,
        "phase": _PHASE,
        "n_choices": _NUMBER,
        "pd_date_min": _DATE,
        "pd_date_max": _DATE,
        "overall_agreement": _FLOAT,
        "response_depends_on_choice": _BOOL,
        "rules": _TEXT,
        "n_admissible": _INT,
        "sampled": _BOOL,
        "n_pd": _INT,
        "bor_counts": _JSON,
    },
)

EXPLORATORY = Table(
    "exploratory",
    {
        "subject_id": _ID,
        "timepoint": _NUMBER,
        "date": _DAY,
        "n_lesions": _NUMBER,
        "all_lesion_sum_mm": _FLOAT,
        "total_volume_mm3": _FLOAT,
        "complete": _FLAG,
    },
)

QUERIES = Table(
    "queries",
    {
        "subject_id": _ID,
        "phase": _TEXT,
        "timepoint": _INT,
        "severity": Column(Kind.TEXT, nullable=False, codes=("DATA_ERROR", "QUERY", "NOTE")),
        "code": _ID,
        "lesions": _JSON,
        "text": _ID,
    },
)

DISCORDANCES = Table(
    "discordances",
    {
        "subject_id": _ID,
        "item": _ID,
        "kind": _ID,
        "phase": _TEXT,
        "timepoint": _INT,
        "date": _DATE,
        "readings": Column(Kind.JSON, nullable=False),
        "reason": _TEXT,
        "lesions": _JSON,
        "numbers": _JSON,
        "decisions": _JSON,
        "decides": _FLAG,
        "state": Column(Kind.TEXT, nullable=False, codes=("OPEN", "CHOSEN", "SETTLED", "STALE")),
        "chosen_reader": _TEXT,
        "choice_reason": _TEXT,
        "adjudicator": _TEXT,
        "chosen_at": _TEXT,
        "choice": _TEXT,
    },
)

SUBJECTS = Table(
    "subjects",
    {
        "subject_id": _ID,
        "arm": _TEXT,
        "diagnosis_date": _DATE,
        "enrolment_date": _DATE,
        "treatment_start_date": _DATE,
        "death_date": _DATE,
        "last_alive_date": _DATE,
        "count_hepatic": _INT,
        "count_low": _INT,
        "count_high": _INT,
        "count_eligible": _YES_NO_UNCERTAIN,
        "induction_response": _OVERALL,
        "disease_control": _CONTROL,
        "eligible": _YES_NO_UNCERTAIN,
        "extrahepatic_at_baseline": _BOOL,
        "margin": _TEXT,
        "bor_unconfirmed": _TEXT,
        "bor_confirmed": _TEXT,
        "disease_control_study": _TEXT,
        "pd_date": _DATE,
        "pd_declared_date": _DATE,
        "pd_site": _PD_SITE,
        "pd_subtype": _TEXT,
        "pd_reasons": _JSON,
        "first_hepatic_pd_date": _DATE,
        "first_extrahepatic_pd_date": _DATE,
        "new_therapy_date": _DATE,
        "last_adequate_overall": _DATE,
        "last_adequate_liver": _DATE,
        "last_adequate_extrahepatic": _DATE,
        "imaging_end": _DATE,
        "provisional": _BOOL,
        "count_margin": _INT,
        "count_deciding": _JSON,
        "flags": _JSON,
        "reading": _TEXT,
        "read_state": Column(Kind.TEXT, codes=("UNREAD", "IN_PROGRESS", "COMPLETE")),
        "n_to_review": _INT,
        "n_inapplicable": _INT,
    },
)

EVENTS = Table(
    "events",
    {
        "subject_id": _ID,
        "arm": _TEXT,
        "endpoint": _ID,
        "track_id": _TEXT,
        "rules": _TEXT,
        "reader": _TEXT,
        "start_date": _DATE,
        "entry_days": _INT,
        "date": _DATE,
        "time_days": _INT,
        "left_days": _INT,
        "right_days": _INT,
        "status": _INT,
        "cause": _TEXT,
        "reason": _TEXT,
        "evidence": _JSON,
    },
    open=True,
)

FAILURES = Table(
    "failures",
    {
        "subject_id": _TEXT,
        "timepoint": _INT,
        "file": _TEXT,
        "stage": _ID,
        "severity": Column(Kind.TEXT, nullable=False, codes=("ERROR", "WARNING")),
        "error": _ID,
        "message": _ID,
    },
)

DECISIONS = Table(
    "decisions",
    {
        "subject_id": _ID,
        "reader": _ID,
        "decision_id": _ID,
        "time": _ID,
        "act": _ID,
        "state": Column(Kind.TEXT, nullable=False, codes=("APPLIED", "SUPERSEDED", "REVOKED", "INAPPLICABLE")),
        "why": _TEXT,
        "reason": _TEXT,
        "tracks": _JSON,
        "touches": _JSON,
        "what": _JSON,
        "previous": _ID,
    },
)

AUDIT = Table(
    "audit",
    {
        "subject_id": _ID,
        "reader": _ID,
        "time": _ID,
        "field": _ID,
        "timepoint": _INT,
        "date": _DATE,
        "track_id": _TEXT,
        "lesions": _JSON,
        "old": _TEXT,
        "new": _TEXT,
        "reason": _TEXT,
        "decision_id": _ID,
    },
)

PROGRESS = Table(
    "progress",
    {
        "subject_id": _ID,
        "reader": _ID,
        "kind": Column(Kind.TEXT, nullable=False, codes=("LINK", "LESION", "VISIT")),
        "timepoint": _NUMBER,
        "track_id": _TEXT,
        "lesions": _JSON,
        "confidence": _FLOAT,
        "reasons": _JSON,
    },
)

COHORT_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        SCANS,
        TIMEPOINTS,
        LESIONS,
        LINKS,
        TRACKS,
        ROLES,
        MISSING,
        REGISTRATIONS,
        RESPONSES,
        OUTCOMES,
        ROBUSTNESS,
        EXPLORATORY,
        QUERIES,
        DISCORDANCES,
        SUBJECTS,
        DECISIONS,
        AUDIT,
        PROGRESS,
        EVENTS,
        FAILURES,
    )
}


def empty(name: str) -> pd.DataFrame:
    """Return a table without rows, with its declared columns and types."""
    return frame(name, [])


def frame(name: str, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a table from rows of domain values.

    Dates become ISO text, decimals floats whose shortest form is the decimal, enumerations their codes, lists and
    objects JSON text; what a row does not name is empty.

    Raises
    ------
    TableError
        If a row names an undeclared column of a closed table, or a value breaks the declared schema.
    """
    table = COHORT_TABLES[name]
    listed = [dict(row) for row in rows]
    extra = sorted({key for row in listed for key in row} - set(table.columns))
    if extra and not table.open:
        raise TableError(f"table {name} does not declare these columns", found=", ".join(extra))
    data: dict[str, pd.Series[Any]] = {}
    for column, declared in table.columns.items():
        values = [_cell(row.get(column), declared.kind) for row in listed]
        data[column] = pd.Series(values, dtype=_DTYPES[declared.kind])
    for column in extra:
        data[column] = pd.Series([_cell(row.get(column), None) for row in listed]).convert_dtypes(
            convert_floating=False, convert_integer=True
        )
    return validate(name, pd.DataFrame(data))


def validate(name: str, data: pd.DataFrame) -> pd.DataFrame:
    """Check a frame against its declared schema and return it.

    Raises
    ------
    TableError
        With the table, the column and the offending value.
    """
    try:
        validated: pd.DataFrame = COHORT_TABLES[name].schema().validate(data)
    except (pa.errors.SchemaError, pa.errors.SchemaErrors) as error:
        raise TableError(f"table {name} breaks its declared schema: {str(error).splitlines()[0]}") from error
    return validated


def _cell(value: Any, kind: Kind | None) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if value is None or (value == "" and kind is Kind.DATE):
        return None
    if kind is Kind.JSON and not isinstance(value, str):
        return json.dumps(value, default=_jsonable, sort_keys=True)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value


def _jsonable(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
