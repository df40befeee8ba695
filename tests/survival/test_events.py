"""Events from tables: each endpoint of small hand-made subjects, by dates worked out by hand."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesiontrack.survival.endpoints import ENDPOINTS
from lesiontrack.survival.event_checks import os_before_pfs
from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.events import Derived, derive
from lesiontrack.tables import validate
from lesiontrack.trace import evidence_of, rests_on

START = dt.date(2024, 1, 8)
Row = dict[str, Any]
Tables = dict[str, pd.DataFrame]


def day(number: int) -> str:
    return (START + dt.timedelta(days=number)).isoformat()


def cue(kind: str, at: int, *compartments: str, lesions: Sequence[str] = ("L09",), first: int | None = None) -> Row:
    """Build a trigger of the column ``triggers``; ``first`` is the visit of first sight where that is earlier."""
    return {
        "kind": kind,
        "date": day(at),
        "compartments": list(compartments),
        "lesions": list(lesions),
        **({} if first is None else {"first_timepoint": first}),
    }


def visit(
    timepoint: int,
    at: int,
    overall: str,
    *triggers: Row,
    growth: Sequence[Row] = (),
    sites: Mapping[str, str] | None = None,
) -> Row:
    return {
        "timepoint": timepoint,
        "date": day(at),
        "overall": overall,
        "triggers": json.dumps(list(triggers)),
        "treatment_phase_growth": json.dumps(list(growth)),
        "site_status": json.dumps(sites or {}),
    }


class Study:
    """One subject's tables, by days from treatment start; strict RECIST judges like the primary rules unless given."""

    def __init__(self, *visits: Row, strict: Sequence[Row] | None = None, **clinical: Any) -> None:
        self.subject: Row = {
            "subject_id": "S1",
            "arm": "LOCAL",
            "diagnosis_date": day(-200),
            "enrolment_date": day(-20),
            "treatment_start_date": day(0),
            "death_date": None,
            "last_alive_date": day(600),
        } | clinical
        self.rows = [
            {"subject_id": "S1", "phase": "STUDY", "rules": rules, "reader": "machine", **row}
            for rules, rows in (
                ("recist11-local", visits),
                ("recist11", visits if strict is None else strict),
                ("recist11-as-measured", (visit(9, 30, "PD", cue("TARGET", 30, "HEPATIC")),)),
            )
            for row in rows
        ]
        self.timepoints = [
            {"subject_id": "S1", "timepoint": 0, "date": day(-7), "phase": "BOTH", "usable": True},
            *(
                {
                    "subject_id": "S1",
                    "timepoint": row["timepoint"],
                    "date": row["date"],
                    "phase": "STUDY",
                    "usable": True,
                }
                for row in visits
            ),
        ]
        self.therapies: list[Row] = []
        self.coverage: list[Row] = []
        self.tracks: list[Row] = []

    def tables(self) -> tuple[Tables, Tables]:
        cohort = {
            "responses": pd.DataFrame(self.rows),
            "timepoints": pd.DataFrame(self.timepoints),
            "tracks": pd.DataFrame(self.tracks),
        }
        clinical = {
            "subjects": pd.DataFrame([self.subject]),
            "therapies": pd.DataFrame(self.therapies),
            "coverage": pd.DataFrame(self.coverage),
        }
        return cohort, clinical

    def derive(self, **settings: Any) -> Derived:
        return derive(*self.tables(), EventSettings(**settings))


def one(derived: Derived, endpoint: str) -> Row:
    rows = derived.events[derived.events["endpoint"] == endpoint]
    assert len(rows) == 1, endpoint
    return {str(key): None if pd.isna(value) else value for key, value in rows.iloc[0].items()}


def brief(derived: Derived, endpoint: str) -> tuple[int | None, int | None, str | None]:
    row = one(derived, endpoint)
    return row["time_days"], row["status"], row["reason"]


STABLE = (visit(1, 56, "SD"), visit(2, 112, "SD"))


def test_every_endpoint_has_a_row_in_the_contracts_order() -> None:
    study = Study(*STABLE, randomisation_date=day(-10))
    study.tracks = [{"subject_id": "S1", "track_id": "L01", "compartment": "HEPATIC", "treated_date": day(0)}]
    events = study.derive().events
    assert tuple(events["endpoint"]) == ENDPOINTS
    validate("events", events)


def test_overall_survival_starts_at_diagnosis_and_enters_at_enrolment() -> None:
    derived = Study(*STABLE, death_date=day(500), last_alive_date=None).derive()
    row = one(derived, "OS")
    assert (row["start_date"], row["entry_days"], row["time_days"], row["status"]) == (day(-200), 180, 700, 1)
    assert (row["cause"], row["reason"]) == ("DEATH", "DEATH")
    assert one(derived, "OS_NAIVE")["entry_days"] == 0
    assert brief(derived, "OS_ENROLMENT") == (520, 1, "DEATH")


def test_alive_is_censored_when_last_known_alive() -> None:
    assert brief(Study(*STABLE).derive(), "OS") == (800, 0, "LAST_ALIVE")


def test_without_enrolment_only_the_delayed_entry_is_missing() -> None:
    derived = Study(*STABLE, enrolment_date=None).derive()
    assert brief(derived, "OS") == (None, None, "NO_ENROLMENT_DATE")
    assert brief(derived, "OS_NAIVE") == (800, 0, "LAST_ALIVE")


def test_a_life_that_ends_before_enrolment_is_refused_with_delayed_entry() -> None:
    derived = Study(*STABLE, death_date=day(-30), last_alive_date=None).derive()
    assert brief(derived, "OS") == (None, None, "CONTRADICTION")
    assert brief(derived, "OS_NAIVE") == (170, 1, "DEATH")
    assert any("death_date before enrolment" in problem["message"] for problem in derived.problems)


def test_without_treatment_start_only_overall_survival_is_derived() -> None:
    derived = Study(*STABLE, treatment_start_date=None).derive()
    assert brief(derived, "OS") == (800, 0, "LAST_ALIVE")
    others = derived.events[~derived.events["endpoint"].str.startswith("OS")]
    assert set(others["reason"]) == {"NO_TREATMENT_START"}
    assert others[["date", "time_days", "status"]].isna().all().all()
    assert derived.problems == ()


def test_silent_clinical_table_leaves_life_to_the_last_scan_and_says_so() -> None:
    derived = Study(*STABLE, last_alive_date=None).derive()
    assert brief(derived, "OS_NAIVE") == (312, 0, "LAST_ALIVE")
    assert "last known alive by imaging" in one(derived, "OS")["evidence"]
    assert [problem["severity"] for problem in derived.problems] == ["WARNING"]


def test_progression_by_sum_at_both_sites() -> None:
    both = (cue("NEW", 112, "EXTRAHEPATIC", lesions=("L11",)), cue("TARGET", 116, "HEPATIC", lesions=("L01", "L02")))
    derived = Study(visit(1, 56, "SD"), visit(2, 116, "PD", *both)).derive()
    assert brief(derived, "PFS") == (112, 1, "PD")
    assert one(derived, "PFS")["cause"] == "BOTH"
    assert (one(derived, "PFS")["left_days"], one(derived, "PFS")["right_days"]) == (56, 112)
    assert brief(derived, "HEPATIC_PD") == (116, 1, "PD")
    assert brief(derived, "EXTRAHEPATIC_PD") == (112, 1, "PD")
    assert (brief(derived, "HEPATIC_FIRST"), one(derived, "HEPATIC_FIRST")["cause"]) == ((116, 1, "PD"), "BOTH")
    assert (brief(derived, "FIRST_PD"), one(derived, "FIRST_PD")["cause"]) == ((112, 1, "PD"), "BOTH")
    assert brief(derived, "PFS_NEW") == (112, 1, "PD")


def test_evidence_points_to_the_response_and_its_lesions() -> None:
    derived = Study(visit(1, 56, "SD"), visit(2, 112, "PD", cue("TARGET", 112, "HEPATIC", lesions=("L01",)))).derive()
    evidence = json.loads(one(derived, "PFS")["evidence"])
    assert evidence["response"] == {
        "phase": "STUDY",
        "rules": "recist11-local",
        "reader": "machine",
        "timepoint": 2,
        "first_timepoint": 2,
    }
    assert (evidence["trigger"], evidence["lesions"]) == ("TARGET", ["L01"])
    assert "section 11" in evidence["rule"]
    assert json.loads(one(derived, "OS")["evidence"])["clinical"] == {"last_alive_date": day(600)}


def test_every_derived_event_can_be_traced_and_found_again_from_its_lesions() -> None:
    confirmed = cue("NEW", 56, "EXTRAHEPATIC", lesions=("L11",), first=1)
    grown = cue("TARGET", 56, "HEPATIC", lesions=("L05",))
    study = treated(
        visit(1, 56, "SD", growth=(grown,), sites={"L01": "NO_VIABLE"}),
        visit(2, 112, "PD", confirmed, cue("TARGET", 112, "HEPATIC", lesions=("L03", "L04"))),
        visit(3, 168, "PD", cue("LTP", 168, "HEPATIC", lesions=("L01",)), sites={"L01": "LTP"}),
    )
    tables = study.tables()[0] | {"events": study.derive().events}
    lesions = set()
    for endpoint in tables["events"]["endpoint"]:
        found = evidence_of(tables, "S1", endpoint)
        for lesion in found.lesions:
            assert found.event in rests_on(tables, "S1", lesion=lesion.track_id).events, (endpoint, lesion.track_id)
            lesions.add((endpoint, lesion.track_id))
    assert {("PFS", "L11"), ("HEPATIC_PD", "L03"), ("LTP", "L01"), ("PFS_TREATMENT_PHASE", "L05")} <= lesions


@pytest.mark.parametrize(
    ("column", "cell", "text"),
    [
        ("triggers", "{not json", "triggers is no JSON"),
        ("triggers", '{"kind": "NEW"}', "triggers has the wrong form"),
        ("triggers", '[{"kind": "NEW", "date": "May"}]', "triggers is no date"),
        ("site_status", "[]", "site_status has the wrong form"),
    ],
)
def test_unreadable_cell_of_responses_names_subject_and_column(column: str, cell: str, text: str) -> None:
    study = Study(visit(1, 56, "PD", cue("NEW", 56, "HEPATIC")))
    study.rows[0][column] = cell
    problems = study.derive().problems
    assert [(problem["subject_id"], text in problem["message"]) for problem in problems] == [("S1", True)]


def test_site_that_progresses_later_is_followed_past_the_first_progression() -> None:
    derived = Study(
        visit(1, 56, "PD", cue("NEW", 56, "EXTRAHEPATIC")),
        visit(2, 112, "SD"),
        visit(3, 168, "PD", cue("TARGET", 168, "HEPATIC")),
    ).derive()
    assert brief(derived, "PFS") == (56, 1, "PD")
    assert brief(derived, "HEPATIC_PD") == (168, 1, "PD")
    assert one(derived, "HEPATIC_PD")["left_days"] == 112
    assert (brief(derived, "HEPATIC_FIRST"), one(derived, "HEPATIC_FIRST")["cause"]) == ((56, 2, "PD"), "EXTRAHEPATIC")


def test_equivocal_lesion_confirmed_later_moves_the_progression_back() -> None:
    confirmed = cue("NEW", 56, "EXTRAHEPATIC", lesions=("L11",), first=1)
    derived = Study(visit(1, 56, "SD"), visit(2, 112, "PD", cue("TARGET", 112, "HEPATIC"), confirmed)).derive()
    row = one(derived, "PFS")
    assert (row["time_days"], row["cause"]) == (56, "EXTRAHEPATIC")
    assert json.loads(row["evidence"])["response"]["first_timepoint"] == 1
    assert one(derived, "FIRST_PD")["cause"] == "EXTRAHEPATIC"
    assert brief(derived, "HEPATIC_FIRST") == (56, 2, "PD")


def test_new_disease_reading_ignores_growth() -> None:
    derived = Study(
        visit(1, 56, "PD", cue("TARGET", 56, "HEPATIC")), visit(2, 112, "PD", cue("NON-TARGET", 112, "HEPATIC"))
    ).derive()
    assert brief(derived, "PFS") == (56, 1, "PD")
    assert brief(derived, "PFS_NEW") == (112, 1, "PD")


def test_strict_reading_takes_the_rules_as_written() -> None:
    strict = (visit(1, 56, "NE"), visit(2, 112, "NE"))
    derived = Study(*STABLE, strict=strict).derive()
    assert brief(derived, "PFS") == (112, 0, "LAST_ADEQUATE")
    assert brief(derived, "PFS_STRICT") == (0, 0, "NO_POSTBASELINE")
    assert one(derived, "PFS_STRICT")["rules"] == "recist11"


def test_growth_in_the_treatment_phase_counts_only_in_its_own_reading() -> None:
    grown = cue("TARGET", 60, "HEPATIC", lesions=("L02",))
    derived = Study(visit(1, 60, "REBASELINE", growth=(grown,)), visit(2, 116, "SD")).derive()
    assert brief(derived, "PFS") == (116, 0, "LAST_ADEQUATE")
    assert brief(derived, "PFS_TREATMENT_PHASE") == (60, 1, "PD")


def test_measured_as_it_stands_feeds_no_endpoint() -> None:
    assert "recist11-as-measured" not in set(Study(*STABLE).derive().events["rules"].dropna())
    with pytest.raises(ValueError, match="never feeds an endpoint"):
        EventSettings(primary_rules="recist11-as-measured")


def test_randomisation_gives_its_own_row_and_gaps_are_counted_from_treatment_start() -> None:
    first = visit(1, 120, "PD", cue("NEW", 120, "HEPATIC"))
    derived = Study(first, randomisation_date=day(-30)).derive()
    assert brief(derived, "PFS_RANDOMISATION") == (150, 1, "PD")
    assert "PFS_RANDOMISATION" not in set(Study(*STABLE).derive().events["endpoint"])


def test_new_therapy_censors_by_fda_only_and_only_outside_the_protocol() -> None:
    study = Study(visit(1, 56, "SD"), visit(2, 112, "SD"), visit(3, 168, "PD", cue("NEW", 168, "HEPATIC")))
    study.therapies = [{"subject_id": "S1", "date": day(80), "name": "FOLFOX", "in_protocol": "Y"}]
    assert brief(study.derive(), "PFS") == (168, 1, "PD")
    study.therapies.append({"subject_id": "S1", "date": day(120), "name": "trial drug", "in_protocol": "N"})
    derived = study.derive()
    assert brief(derived, "PFS") == (112, 0, "NEW_THERAPY")
    assert brief(derived, "PFS_EMA") == (168, 1, "PD")
    assert derived.follow_up["new_therapy_date"].tolist() == [day(120)]
    assert json.loads(one(derived, "PFS")["evidence"])["clinical"] == {"new_therapy_date": day(120)}


def test_unusable_visit_is_a_missed_assessment() -> None:
    study = Study(visit(1, 56, "SD"), visit(3, 184, "PD", cue("NEW", 184, "HEPATIC")))
    study.timepoints.insert(
        2, {"subject_id": "S1", "timepoint": 2, "date": day(112), "phase": "STUDY", "usable": False}
    )
    derived = study.derive()
    assert brief(derived, "PFS") == (56, 0, "MISSED")
    assert brief(derived, "PFS_EMA") == (184, 1, "PD")


def test_longer_planned_interval_forgives_the_same_gap() -> None:
    study = Study(visit(1, 56, "SD"), visit(3, 184, "PD", cue("NEW", 184, "HEPATIC")))
    assert brief(study.derive(assessment_interval_days=84), "PFS") == (184, 1, "PD")
    change = {"from_day": 30, "interval_days": 84, "window_days": 7}
    assert brief(study.derive(schedule=[change]), "PFS") == (184, 1, "PD")


# --- coverage -----------------------------------------------------------------------------------------------


def covered(study: Study, *rows: tuple[int, str, str]) -> Study:
    study.coverage = [
        {"subject_id": "S1", "date": day(at), "region": region, "assessed": assessed} for at, region, assessed in rows
    ]
    return study


def test_unscanned_chest_is_not_free_of_progression() -> None:
    derived = covered(Study(*STABLE), (112, "CHEST", "N")).derive()
    assert brief(derived, "EXTRAHEPATIC_PD") == (56, 0, "LAST_ADEQUATE")
    assert brief(derived, "HEPATIC_PD") == (112, 0, "LAST_ADEQUATE")
    assert brief(derived, "HEPATIC_FIRST") == (56, 0, "LAST_ADEQUATE")
    assert brief(derived, "PFS") == (56, 0, "LAST_ADEQUATE")
    assert derived.follow_up["last_adequate_extrahepatic"].tolist() == [day(56)]
    assert derived.follow_up["last_adequate_liver"].tolist() == [day(112)]


def test_without_the_assumption_only_stated_regions_count() -> None:
    study = covered(Study(*STABLE), (56, "CHEST", "Y"))
    assert brief(study.derive(assume_extrahepatic_imaged=False), "EXTRAHEPATIC_PD") == (56, 0, "LAST_ADEQUATE")
    assert brief(study.derive(), "EXTRAHEPATIC_PD") == (112, 0, "LAST_ADEQUATE")


def test_only_required_regions_matter_where_they_are_named() -> None:
    study = covered(Study(*STABLE), (112, "PELVIS", "N"))
    assert brief(study.derive(required_regions=["CHEST"]), "PFS") == (112, 0, "LAST_ADEQUATE")
    assert brief(study.derive(required_regions=["PELVIS"]), "PFS") == (56, 0, "LAST_ADEQUATE")


def test_coverage_of_an_earlier_scan_day_belongs_to_its_visit_and_a_stray_one_is_named() -> None:
    derived = covered(Study(*STABLE), (105, "CHEST", "N"), (80, "CHEST", "N")).derive()
    assert brief(derived, "EXTRAHEPATIC_PD") == (56, 0, "LAST_ADEQUATE")
    assert [day(80) in problem["message"] for problem in derived.problems] == [True]


def test_liver_that_was_not_assessed_is_not_covered() -> None:
    assert brief(covered(Study(*STABLE), (112, "LIVER", "N")).derive(), "HEPATIC_PD") == (56, 0, "LAST_ADEQUATE")


# --- local tumour progression -------------------------------------------------------------------------------


def treated(*visits: Row, **clinical: Any) -> Study:
    study = Study(*visits, **clinical)
    study.tracks = [
        {"subject_id": "S1", "track_id": "L01", "compartment": "HEPATIC", "treated_date": day(10)},
        {"subject_id": "S1", "track_id": "L02", "compartment": "HEPATIC", "treated_date": None},
    ]
    return study


def test_local_progression_runs_from_the_lesions_own_treatment() -> None:
    clean = visit(1, 60, "REBASELINE", sites={"L01": "NO_VIABLE"})
    recurred = visit(2, 116, "PD", cue("LTP", 114, "HEPATIC", lesions=("L01",)), sites={"L01": "LTP"})
    row = one(treated(clean, recurred).derive(), "LTP")
    assert (row["track_id"], row["start_date"], row["time_days"], row["status"]) == ("L01", day(10), 104, 1)
    assert (row["left_days"], row["right_days"], row["cause"]) == (50, 104, "HEPATIC")


def test_residual_tumour_is_no_local_progression_and_an_unread_site_is_not_followed() -> None:
    visits = (visit(1, 60, "REBASELINE", sites={"L01": "RESIDUAL"}), visit(2, 116, "SD", sites={"L01": "NE"}))
    assert brief(treated(*visits).derive(), "LTP") == (50, 0, "LAST_ADEQUATE")


def test_death_competes_with_local_progression() -> None:
    derived = treated(
        visit(1, 60, "REBASELINE", sites={"L01": "NO_VIABLE"}), death_date=day(90), last_alive_date=None
    ).derive()
    row = one(derived, "LTP")
    assert (row["time_days"], row["status"], row["cause"]) == (80, 2, "DEATH")


# --- no baseline, no responses, no images -------------------------------------------------------------------


def test_no_scan_before_treatment_is_no_baseline() -> None:
    study = Study(last_alive_date=day(300))
    study.rows = []
    study.timepoints[0]["date"] = day(56)
    derived = study.derive()
    assert brief(derived, "PFS") == (0, 0, "NO_BASELINE")
    assert brief(derived, "HEPATIC_PD") == (0, 0, "NO_BASELINE")


def test_subject_that_could_not_be_processed_is_not_called_free_of_progression() -> None:
    study = Study()
    study.rows, study.timepoints = [], []
    cohort, clinical = study.tables()
    cohort["failures"] = pd.DataFrame([{"subject_id": "S1", "stage": "read", "severity": "ERROR"}])
    derived = derive(cohort, clinical, EventSettings())
    assert brief(derived, "PFS") == (None, None, "NOT_PROCESSED")
    assert brief(derived, "OS") == (800, 0, "LAST_ALIVE")


def test_subject_without_any_image_is_not_called_free_of_progression() -> None:
    study = Study()
    study.rows, study.timepoints = [], []
    derived = study.derive()
    assert brief(derived, "PFS") == (None, None, "NO_IMAGES")
    assert brief(derived, "OS") == (800, 0, "LAST_ALIVE")


def test_baseline_results_become_covariates() -> None:
    cohort, clinical = Study(*STABLE, margin="R1").tables()
    summary = {"count_hepatic": 12, "extrahepatic_at_baseline": True, "margin": "R0", "bor_confirmed": "SD"}
    cohort["subjects"] = pd.DataFrame([{"subject_id": "S1", **summary}])
    row = one(derive(cohort, clinical, EventSettings()), "PFS")
    assert (row["count_hepatic"], row["extrahepatic_at_baseline"], row["margin"]) == (12, True, "R1")
    assert "bor_confirmed" not in row


def test_scans_without_responses_are_not_called_free_of_progression() -> None:
    study = Study(*STABLE)
    study.rows = [row for row in study.rows if row["rules"] != "recist11"]
    derived = study.derive()
    assert brief(derived, "PFS_STRICT") == (None, None, "NO_RESPONSES")
    assert brief(derived, "PFS") == (112, 0, "LAST_ADEQUATE")


def test_responses_without_triggers_are_dated_by_the_visit_and_sited_by_the_summary() -> None:
    study = Study(visit(1, 56, "SD"), visit(2, 112, "PD"))
    for row in study.rows:
        for column in ("triggers", "treatment_phase_growth", "site_status"):
            del row[column]
        row |= {"target": "PD" if row["overall"] == "PD" else "SD", "non_target": "NA", "new_lesion": "NO"}
    cohort, clinical = study.tables()
    assert brief(derive(cohort, clinical, EventSettings()), "HEPATIC_PD") == (None, None, "SITE_UNKNOWN")
    summary = {"pd_date": day(110), "pd_site": "HEPATIC", "first_hepatic_pd_date": day(110)}
    cohort["subjects"] = pd.DataFrame([{"subject_id": "S1", "first_extrahepatic_pd_date": None, **summary}])
    derived = derive(cohort, clinical, EventSettings())
    assert brief(derived, "PFS") == (110, 1, "PD")
    assert brief(derived, "HEPATIC_PD") == (110, 1, "PD")
    assert brief(derived, "PFS_NEW") == (112, 0, "LAST_ADEQUATE")


# --- readers, cut-off, covariates ---------------------------------------------------------------------------


def test_the_reader_who_decides() -> None:
    study = Study(*STABLE)
    early = [row | {"reader": "AB"} | visit(1, 56, "PD", cue("NEW", 56, "HEPATIC")) for row in study.rows[:1]]
    study.rows += early
    assert one(study.derive(), "PFS")["reader"] == "AB"
    assert one(study.derive(reader="machine"), "PFS")["reader"] == "machine"
    study.rows += [row | {"reader": "CD"} for row in early]
    derived = study.derive()
    assert one(derived, "PFS")["reader"] == "AB"
    assert any("several readers" in problem["message"] for problem in derived.problems)
    study.rows += [row | {"reader": "adjudicated"} for row in early]
    assert one(study.derive(), "PFS")["reader"] == "adjudicated"


def test_data_cut_off_hides_what_came_later() -> None:
    progressed = (visit(1, 56, "SD"), visit(2, 112, "PD", cue("NEW", 112, "HEPATIC")))
    study = Study(*progressed, death_date=day(200), last_alive_date=None, data_cutoff_date=day(100))
    derived = study.derive()
    assert brief(derived, "PFS") == (56, 0, "LAST_ADEQUATE")
    assert brief(derived, "OS") == (300, 0, "DATA_CUTOFF")
    assert derived.follow_up["imaging_end"].tolist() == [day(56)]


def test_further_clinical_columns_become_covariates() -> None:
    row = one(Study(*STABLE, age=61, sex="F", cause="other").derive(), "PFS")
    assert (row["age"], row["sex"], row["clinical_cause"], row["cause"]) == (61, "F", "other", None)


# --- checks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clinical", "text", "null", "kept"),
    [
        ({"death_date": day(300), "last_alive_date": day(301)}, "death before last alive", "OS", "HEPATIC_PD"),
        ({"death_date": day(80), "last_alive_date": None}, "progression after death", "PFS", "OS"),
        ({"diagnosis_date": day(-10)}, "enrolment before diagnosis", "OS", "PFS"),
        ({"diagnosis_date": day(10)}, "treatment start before diagnosis", "OS", "PFS"),
        ({"last_alive_date": day(-300)}, "negative time", "OS_NAIVE", "PFS"),
        ({"treatment_start_date": day(115)}, "progression before the start", "PFS", "OS"),
    ],
)
def test_contradiction_names_the_subject_and_stops_only_what_rests_on_it(
    clinical: Row, text: str, null: str, kept: str
) -> None:
    earlier = cue("NEW", 112, "HEPATIC", first=1)
    derived = Study(visit(1, 56, "SD"), visit(2, 116, "PD", earlier), **clinical).derive()
    messages = [problem["message"] for problem in derived.problems]
    assert any(text in message and "S1" in message for message in messages), messages
    assert one(derived, null)["reason"] in {"CONTRADICTION", "NO_ENROLMENT_DATE"}
    assert one(derived, null)["time_days"] is None
    assert one(derived, kept)["time_days"] is not None
    assert (derived.events["time_days"].dropna() >= 0).all()


def test_overall_survival_censored_before_progression_is_flagged() -> None:
    derived = Study(*STABLE, last_alive_date=day(100)).derive()
    assert [problem["severity"] for problem in derived.problems] == ["WARNING"]
    assert "OS censored before PFS" in derived.problems[0]["message"]
    assert brief(derived, "PFS") == (112, 0, "LAST_ADEQUATE")
    assert brief(derived, "OS") == (300, 0, "LAST_ALIVE")


def test_foreign_table_of_times_is_checked_too(shared_data: Path) -> None:
    adtte = pd.read_csv(shared_data / "recist" / "adam_adtte_onco.csv", dtype=str)
    names = {"USUBJID": "subject_id", "PARAMCD": "endpoint", "ADT": "date"}
    events = adtte.rename(columns=names).assign(status=1 - adtte["CNSR"].astype(int))
    assert [problem["subject_id"] for problem in os_before_pfs(events)] == ["01-701-1115"]


def test_scan_after_the_day_last_alive_is_flagged_without_responses_at_stake() -> None:
    derived = Study(visit(1, 56, "SD"), visit(2, 112, "NE"), last_alive_date=day(100)).derive()
    assert ["last alive before the last scan" in problem["message"] for problem in derived.problems] == [True]


def test_progression_of_normal_nodes_alone_has_no_site_and_is_flagged() -> None:
    derived = Study(visit(1, 56, "PD", cue("TARGET", 56))).derive()
    assert brief(derived, "FIRST_PD") == (56, 1, "PD")
    assert one(derived, "FIRST_PD")["cause"] is None
    assert brief(derived, "HEPATIC_FIRST") == (56, 2, "PD")
    assert "no site" in derived.problems[0]["message"]


def test_unreadable_date_of_one_subject_stops_no_other() -> None:
    cohort, clinical = Study(*STABLE).tables()
    second = clinical["subjects"].assign(subject_id="S2", death_date="31.12.2024")
    clinical["subjects"] = pd.concat([clinical["subjects"], second])
    derived = derive(cohort, clinical, EventSettings())
    assert set(derived.events["subject_id"]) == {"S1"}
    assert [problem["subject_id"] for problem in derived.problems] == ["S2"]
    assert "death_date" in derived.problems[0]["message"]


def test_empty_cohort_gives_empty_tables() -> None:
    derived = derive({}, {}, EventSettings())
    assert derived.events.empty
    assert "time_days" in derived.events.columns
    assert derived.problems == ()


# --- properties ---------------------------------------------------------------------------------------------

KINDS = ("NEW", "NON-TARGET", "TARGET", "LTP", "REAPPEARANCE")
SITES = st.lists(st.sampled_from(["HEPATIC", "EXTRAHEPATIC"]), min_size=1, max_size=2, unique=True)


@st.composite
def studies(draw: st.DrawFn) -> Study:
    days = sorted(draw(st.lists(st.integers(1, 700), min_size=1, max_size=7, unique=True)))
    visits = []
    for number, at in enumerate(days, start=1):
        overall = draw(st.sampled_from(["SD", "PR", "NE", "PD", "REBASELINE"]))
        causes = [cue(draw(st.sampled_from(KINDS)), at, *draw(SITES))] if overall == "PD" else []
        visits.append(visit(number, at, overall, *causes, sites={"L01": draw(st.sampled_from(["NO_VIABLE", "NE"]))}))
    death = draw(st.none() | st.integers(days[-1], 800))
    alive = None if death is not None else day(draw(st.integers(days[-1], 900)))
    study = treated(*visits, death_date=None if death is None else day(death), last_alive_date=alive)
    if draw(st.booleans()):
        study.therapies = [{"subject_id": "S1", "date": day(draw(st.integers(0, 700))), "in_protocol": "N"}]
    return study


def moved(frame: pd.DataFrame, days: int) -> pd.DataFrame:
    def later(cell: Any) -> Any:
        if isinstance(cell, str) and len(cell) == 10 and cell[4] == "-":
            return (dt.date.fromisoformat(cell) + dt.timedelta(days=days)).isoformat()
        if isinstance(cell, str) and cell.startswith("[{"):
            return json.dumps([{key: later(value) for key, value in entry.items()} for entry in json.loads(cell)])
        return cell

    return frame.map(later)


@settings(max_examples=25)
@given(studies(), st.integers(-2000, 2000))
def test_shifting_all_dates_shifts_every_event(study: Study, days: int) -> None:
    cohort, clinical = study.tables()
    here = derive(cohort, clinical, EventSettings()).events
    there = derive(
        {name: moved(table, days) for name, table in cohort.items()},
        {name: moved(table, days) for name, table in clinical.items()},
        EventSettings(),
    ).events
    same = [
        "subject_id",
        "endpoint",
        "track_id",
        "entry_days",
        "time_days",
        "left_days",
        "right_days",
        "status",
        "cause",
    ]
    pd.testing.assert_frame_equal(here[[*same, "reason"]], there[[*same, "reason"]])
    pd.testing.assert_series_equal(moved(here[["date"]].astype(object), days)["date"], there["date"].astype(object))


@settings(max_examples=25)
@given(studies(), st.randoms(use_true_random=False))
def test_order_of_rows_is_irrelevant(study: Study, random: Any) -> None:
    cohort, clinical = study.tables()
    seed = random.randrange(2**31)
    mixed = {name: table.sample(frac=1, random_state=seed) for name, table in cohort.items()}
    here, there = derive(cohort, clinical, EventSettings()), derive(mixed, clinical, EventSettings())
    pd.testing.assert_frame_equal(here.events, there.events)


@settings(max_examples=25)
@given(studies())
def test_visits_after_the_first_progression_leave_progression_free_survival_alone(study: Study) -> None:
    first = min(
        (row["timepoint"] for row in study.rows if row["overall"] == "PD" and row["timepoint"] != 9), default=99
    )
    whole = study.derive()
    study.rows = [row for row in study.rows if row["timepoint"] <= first]
    study.timepoints = [row for row in study.timepoints if row["timepoint"] <= first]
    cut = study.derive()
    for endpoint in ("PFS", "PFS_EMA", "PFS_STRICT", "FIRST_PD"):
        here, there = one(whole, endpoint), one(cut, endpoint)
        assert [here[key] for key in ("date", "status", "reason", "cause")] == [
            there[key] for key in ("date", "status", "reason", "cause")
        ]


@settings(max_examples=25)
@given(studies())
def test_what_holds_of_every_event(study: Study) -> None:
    derived = study.derive()
    events = derived.events.dropna(subset=["time_days"])
    assert (events["time_days"] >= 0).all()
    assert (events["left_days"] <= events["time_days"]).all()
    assert (events["right_days"].dropna() == events.loc[events["right_days"].notna(), "time_days"]).all()
    assert events.loc[events["status"] == 0, "right_days"].isna().all()
    by_name = {str(row["endpoint"]): row for row in events.to_dict("records")}
    assert by_name["PFS"]["time_days"] <= by_name["PFS_EMA"]["time_days"]
    # Any progression at a site is never earlier than the first progression of all.
    for endpoint in ("HEPATIC_PD", "EXTRAHEPATIC_PD"):
        if by_name[endpoint]["status"] == 1:
            assert by_name[endpoint]["time_days"] >= by_name["FIRST_PD"]["time_days"]
