"""Declared schemas: order, types, codes, empty tables."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesiontrack.domain.lesion import LinkKind
from lesiontrack.errors import TableError
from lesiontrack.tables import COHORT_TABLES, empty, frame, validate

# Contract, section 3: the columns that each table has at least.
CONTRACT = {
    "scans": "subject_id timepoint series_uid date modality phase_of_contrast regions slice_thickness_mm measured "
    "usable problem",
    "timepoints": "subject_id timepoint date phase n_hepatic n_extrahepatic regions_assessed usable problem",
    "lesions": "subject_id timepoint date series_uid lesion_id track_id site compartment x_lps_mm y_lps_mm z_lps_mm "
    "longest_diameter_mm short_axis_mm volume_mm3 measurable status sop_instance_uid d1_x_lps_mm d1_y_lps_mm "
    "d1_z_lps_mm d2_x_lps_mm d2_y_lps_mm d2_z_lps_mm",
    "links": "subject_id timepoint_from lesion_from timepoint_to lesion_to kind distance_mm confidence author",
    "tracks": "subject_id track_id tracking_uid site compartment first_timepoint last_seen_timepoint fate needs_review",
    "roles": "subject_id phase track_id role measurable reason",
    "missing": "subject_id timepoint track_id x_lps_mm y_lps_mm z_lps_mm state since_timepoint",
    "registrations": "subject_id timepoint_from timepoint_to method liver_dice residual_mm folding_fraction seconds "
    "trusted",
    "responses": "subject_id phase rules reader timepoint date sum_mm baseline_sum_mm nadir_sum_mm target non_target "
    "new_lesion overall provisional reasons",
    "robustness": "subject_id phase n_choices pd_date_min pd_date_max overall_agreement response_depends_on_choice",
    "subjects": "subject_id arm diagnosis_date enrolment_date treatment_start_date death_date last_alive_date "
    "count_hepatic count_low count_high count_eligible induction_response disease_control eligible "
    "extrahepatic_at_baseline margin bor_unconfirmed bor_confirmed disease_control_study pd_date pd_declared_date "
    "pd_site pd_subtype pd_reasons first_hepatic_pd_date first_extrahepatic_pd_date new_therapy_date "
    "last_adequate_overall last_adequate_liver last_adequate_extrahepatic imaging_end provisional",
    "events": "subject_id arm endpoint track_id rules reader start_date entry_days date time_days left_days right_days "
    "status cause reason evidence",
    "failures": "subject_id timepoint file stage severity error message",
}


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_contract_columns_come_first_and_in_order(name: str) -> None:
    """Every public column is declared under its name."""
    wanted = CONTRACT[name].split()
    assert list(COHORT_TABLES[name].columns)[: len(wanted)] == wanted


@pytest.mark.parametrize("name", sorted(COHORT_TABLES))
def test_empty_table_keeps_its_types(name: str) -> None:
    """A cohort without rows has the same types as one with rows."""
    table = empty(name)
    assert list(table.columns) == list(COHORT_TABLES[name].columns)
    assert validate(name, table).equals(table)
    assert {str(dtype) for dtype in table.dtypes} <= {"string", "Int64", "float64", "boolean"}


def test_values_become_cells() -> None:
    """Dates are ISO text, codes plain text, lists JSON, and what is not named is empty."""
    table = frame(
        "timepoints",
        [
            {
                "subject_id": "A",
                "timepoint": 0,
                "date": dt.date(2024, 1, 2),
                "regions_assessed": ["LIVER"],
                "usable": True,
            }
        ],
    )
    row = table.iloc[0]
    assert row["date"] == "2024-01-02"
    assert json.loads(row["regions_assessed"]) == ["LIVER"]
    assert row.isna()["n_hepatic"]


def _link(**changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "subject_id": "A",
        "timepoint_from": 0,
        "lesion_from": 1,
        "timepoint_to": 1,
        "lesion_to": 1,
        "kind": LinkKind.SAME,
        "distance_mm": 1.0,
        "confidence": 0.9,
        "author": "machine",
    }
    return {**row, **changes}


@pytest.mark.parametrize(
    ("change", "said"),
    [({"kind": "COUSIN"}, "kind"), ({"author": None}, "author"), ({"colour": "red"}, "colour")],
)
def test_breaking_the_schema_is_refused(change: dict[str, object], said: str) -> None:
    """An unknown code, an empty required cell or an undeclared column is named."""
    assert len(frame("links", [_link()])) == 1
    with pytest.raises(TableError, match=said):
        frame("links", [_link(**change)])


@given(st.decimals(min_value=0, max_value=500, places=1))
def test_a_length_keeps_its_decimals(length: Decimal) -> None:
    """The shortest form of the stored number is the decimal that was measured."""
    row = {
        "subject_id": "A",
        "phase": "STUDY",
        "rules": "recist11",
        "reader": "machine",
        "timepoint": 1,
        "date": dt.date(2024, 1, 2),
        "provisional": True,
        "sum_mm": length,
    }
    assert Decimal(repr(float(frame("responses", [row])["sum_mm"].iloc[0]))) == length
