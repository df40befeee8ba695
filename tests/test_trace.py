"""From a date to the pixel and back, over small hand-made tables."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesiontrack.errors import TableError
from lesiontrack.trace import RestsOn, Trace, evidence_of, rests_on, trace

Row = dict[str, Any]
SUBJECT = "S1"
DATES = {0: "2024-01-02", 1: "2024-03-04", 2: "2024-04-29"}
# Track, timepoint, longest diameter in mm. L01 and L02 are the targets; L03 is new at visit 2.
MEASURED = (
    ("L01", 0, 30.0),
    ("L01", 1, 20.0),
    ("L01", 2, 28.0),
    ("L02", 0, 20.0),
    ("L02", 1, 15.0),
    ("L02", 2, 16.0),
    ("L03", 2, 9.0),
    ("L04", 1, 8.0),
)


def uid(track: str, timepoint: int) -> str:
    return f"2.25.{track[1:]}{timepoint}"


def reason(rule: str, *lesions: str) -> Row:
    return {"rule": rule, "section": "4.3", "lesions": list(lesions), "numbers": {}, "sentence": f"because of {rule}"}


def response(
    timepoint: int, overall: str, reasons: list[Row], triggers: list[Row], *, rules: str = "recist11-local"
) -> Row:
    sums = {1: (35.0, 50.0, 50.0), 2: (44.0, 50.0, 35.0)}[timepoint]
    return {
        "subject_id": SUBJECT,
        "phase": "STUDY",
        "rules": rules,
        "reader": "AB",
        "timepoint": timepoint,
        "date": DATES[timepoint],
        "target": overall,
        "non_target": "NA",
        "new_lesion": "NO",
        "overall": overall,
        "sum_mm": sums[0],
        "baseline_sum_mm": sums[1],
        "nadir_sum_mm": sums[2],
        "provisional": True,
        "reasons": json.dumps(reasons),
        "triggers": json.dumps(triggers),
        "site_status": json.dumps({"L04": "NO_VIABLE"} if timepoint == 1 else {}),
    }


def event(endpoint: str, evidence: Row, **more: Any) -> Row:
    return {
        "subject_id": SUBJECT,
        "endpoint": endpoint,
        "track_id": None,
        "rules": "recist11-local",
        "reader": "AB",
        "start_date": "2024-01-08",
        "date": "2024-04-29",
        "time_days": 112,
        "status": 1,
        "cause": "HEPATIC",
        "reason": "PD",
        "evidence": json.dumps(evidence),
    } | more


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    source = {"phase": "STUDY", "rules": "recist11-local", "reader": "AB", "timepoint": 2, "first_timepoint": 2}
    pd_evidence = {"rule": "section 11: documented progression", "response": source, "trigger": "TARGET"}
    events = [
        event("PFS", pd_evidence | {"lesions": ["L01", "L02"]}),
        event(
            "OS",
            {"rule": "section 11: death", "clinical": {"death_date": "2024-09-01"}},
            rules=None,
            reader=None,
            date="2024-09-01",
            cause="DEATH",
            reason="DEATH",
        ),
        event(
            "EXTRAHEPATIC_PD",
            {"rule": "section 11: last imaging", "visit": {"timepoint": 2, "date": DATES[2]}},
            status=0,
            cause=None,
            reason="LAST_ADEQUATE",
        ),
        event(
            "PFS_RANDOMISATION", {"rule": "not derived"}, date=None, time_days=None, status=None, reason="CONTRADICTION"
        ),
        *(
            event(
                "LTP",
                {"rule": "section 11: last imaging", "visit": {"timepoint": 1, "date": DATES[1]}},
                track_id=track,
                date=DATES[1],
                status=0,
                cause=None,
                reason="LAST_ADEQUATE",
            )
            for track in ("L04", "L05")
        ),
    ]
    trigger = {"kind": "TARGET", "date": DATES[2], "lesions": ["L01", "L02"], "first_timepoint": 2}
    return {
        "events": pd.DataFrame(events),
        "responses": pd.DataFrame(
            [
                response(1, "PR", [reason("target.pr", "L01", "L02")], []),
                response(2, "PD", [reason("target.pd_sum", "L01", "L02")], [trigger]),
                response(2, "NE", [reason("target.ne", "L01")], [], rules="recist11"),
            ]
        ),
        "lesions": pd.DataFrame(
            [
                {
                    "subject_id": SUBJECT,
                    "timepoint": timepoint,
                    "date": DATES[timepoint],
                    "series_uid": f"series{timepoint}",
                    "lesion_id": int(track[1:]),
                    "track_id": track,
                    "longest_diameter_mm": length,
                    "short_axis_mm": length / 2,
                    "volume_mm3": 100.0,
                    "status": "PRESENT",
                    "sop_instance_uid": uid(track, timepoint),
                }
                for track, timepoint, length in MEASURED
            ]
        ),
        "tracks": pd.DataFrame(
            [
                {"subject_id": SUBJECT, "track_id": track, "tracking_uid": f"2.25.99{track[1:]}", "site": "LIVER"}
                for track in ("L01", "L02", "L03", "L04", "L05")
            ]
        ),
        "roles": pd.DataFrame([{"subject_id": SUBJECT, "phase": "STUDY", "track_id": "L01", "role": "TARGET"}]),
        "timepoints": pd.DataFrame(
            [
                {"subject_id": SUBJECT, "timepoint": number, "date": date, "phase": "BOTH" if number == 0 else "STUDY"}
                for number, date in DATES.items()
            ]
        ),
        "links": pd.DataFrame(
            [
                {
                    "subject_id": SUBJECT,
                    "timepoint_from": 1,
                    "lesion_from": 1,
                    "timepoint_to": 2,
                    "lesion_to": 1,
                    "author": "CD",
                }
            ]
        ),
    }


def test_progression_leads_to_lesions_images_and_readers(tables: dict[str, pd.DataFrame]) -> None:
    found = evidence_of(tables, SUBJECT, "PFS")
    assert found.event.rule == "section 11: documented progression"
    assert [(r.timepoint, r.overall) for r in found.responses] == [(2, "PD")]
    assert [r["rule"] for r in found.responses[0].reasons] == ["target.pd_sum"]
    assert [lesion.track_id for lesion in found.lesions] == ["L01", "L02"]
    # Baseline, nadir and the visit itself: the three that a sum progression compares.
    assert [m.timepoint for m in found.lesions[0].measurements] == [0, 1, 2]
    assert found.sop_instance_uids == tuple(uid(track, t) for track in ("L01", "L02") for t in (0, 1, 2))
    assert found.lesions[0].role == "TARGET"
    assert found.readers == ("AB", "CD")


def test_sentence_says_what_when_and_where(tables: dict[str, pd.DataFrame]) -> None:
    found = evidence_of(tables, SUBJECT, "PFS")
    assert found.sentence == (
        "Subject S1: PFS on 2024-04-29, day 112 from 2024-01-08: event, PD at HEPATIC by TARGET in L01, L02."
    )
    text = str(found)
    for part in (found.sentence, "sum 44 mm, baseline 50 mm, nadir 35 mm", "because of target.pd_sum", uid("L02", 1)):
        assert part in text


def test_death_leads_to_the_clinical_table_and_to_no_image(tables: dict[str, pd.DataFrame]) -> None:
    found = evidence_of(tables, SUBJECT, "OS")
    assert found.clinical == {"death_date": "2024-09-01"}
    assert (found.responses, found.lesions, found.sop_instance_uids, found.readers) == ((), (), (), ())


def test_censored_time_leads_to_the_visit_that_ends_it(tables: dict[str, pd.DataFrame]) -> None:
    found = evidence_of(tables, SUBJECT, "EXTRAHEPATIC_PD")
    assert [(r.timepoint, r.rules) for r in found.responses] == [(2, "recist11-local")]
    assert "censored, LAST_ADEQUATE" in found.sentence


def test_endpoint_that_is_not_derived_says_why(tables: dict[str, pd.DataFrame]) -> None:
    assert evidence_of(tables, SUBJECT, "PFS_RANDOMISATION").sentence.endswith("is not derived (CONTRADICTION).")


def test_dictionary_is_json_and_complete(tables: dict[str, pd.DataFrame]) -> None:
    document = json.loads(json.dumps(evidence_of(tables, SUBJECT, "PFS").to_dict()))
    assert document["endpoint"] == "PFS"
    assert document["lesions"][0]["measurements"][2]["sop_instance_uid"] == uid("L01", 2)
    assert document["responses"][0]["reasons"][0]["rule"] == "target.pd_sum"
    assert document["sop_instance_uids"]


def test_endpoint_by_lesion_needs_the_lesion(tables: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(TableError, match="row for each lesion") as error:
        evidence_of(tables, SUBJECT, "LTP")
    assert error.value.expected == "one of L04, L05"
    assert evidence_of(tables, SUBJECT, "LTP", track_id="L04").event.track_id == "L04"


@pytest.mark.parametrize(
    ("subject_id", "endpoint", "text"), [("S1", "DFS", "no endpoint DFS"), ("S9", "PFS", "no table")]
)
def test_unknown_names_are_refused_with_what_there_is(
    tables: dict[str, pd.DataFrame], subject_id: str, endpoint: str, text: str
) -> None:
    with pytest.raises(TableError, match=text):
        evidence_of(tables, subject_id, endpoint)


def test_lesion_leads_back_to_every_response_and_endpoint(tables: dict[str, pd.DataFrame]) -> None:
    found = rests_on(tables, SUBJECT, lesion="L01")
    assert [(r.rules, r.timepoint) for r in found.responses] == [
        ("recist11", 2),
        ("recist11-local", 1),
        ("recist11-local", 2),
    ]
    assert [event.endpoint for event in found.events][:2] == ["PFS", "EXTRAHEPATIC_PD"]
    assert "OS" not in {event.endpoint for event in found.events}
    assert rests_on(tables, SUBJECT, lesion="2.25.9901").responses == found.responses


def test_lesion_that_nothing_names_bears_nothing(tables: dict[str, pd.DataFrame]) -> None:
    found = rests_on(tables, SUBJECT, lesion="L03")
    assert (found.responses, found.events) == ((), ())
    assert "nothing" in str(found) or "no response" in str(found)


def test_treated_lesion_leads_to_its_own_endpoint(tables: dict[str, pd.DataFrame]) -> None:
    events = rests_on(tables, SUBJECT, lesion="L04").events
    assert ("LTP", "L04") in {(event.endpoint, event.track_id) for event in events}


def test_image_of_the_nadir_bears_the_progression(tables: dict[str, pd.DataFrame]) -> None:
    found = rests_on(tables, SUBJECT, sop_instance=uid("L02", 1))
    assert found.tracks == ("L02",)
    assert {(r.rules, r.timepoint) for r in found.responses} == {("recist11-local", 1), ("recist11-local", 2)}
    assert "PFS" in {event.endpoint for event in found.events}


def test_image_of_the_last_visit_does_not_bear_the_earlier_one(tables: dict[str, pd.DataFrame]) -> None:
    found = rests_on(tables, SUBJECT, sop_instance=uid("L02", 2))
    assert {r.timepoint for r in found.responses} == {2}


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ({}, "either a lesion or a SOP"),
        ({"lesion": "L01", "sop_instance": "1.2"}, "either a lesion or a SOP"),
        ({"lesion": "L77"}, "no such lesion"),
        ({"sop_instance": "1.2"}, "no lesion is measured"),
    ],
)
def test_backward_asks_for_one_known_thing(tables: dict[str, pd.DataFrame], names: dict[str, str], text: str) -> None:
    with pytest.raises(TableError, match=text):
        rests_on(tables, SUBJECT, **names)


def test_reads_without_images_know_their_lesions_by_the_responses(tables: dict[str, pd.DataFrame]) -> None:
    reads = {name: tables[name] for name in ("events", "responses")}
    assert [lesion.track_id for lesion in evidence_of(reads, SUBJECT, "PFS").lesions] == ["L01", "L02"]
    assert "PFS" in {event.endpoint for event in rests_on(reads, SUBJECT, lesion="L02").events}


def test_one_question_goes_either_way(tables: dict[str, pd.DataFrame]) -> None:
    assert trace(tables, subject_id=SUBJECT, endpoint="PFS") == evidence_of(tables, SUBJECT, "PFS")
    assert trace(tables, SUBJECT, "LTP", lesion="L05") == evidence_of(tables, SUBJECT, "LTP", track_id="L05")
    assert trace(tables, SUBJECT, lesion="L02") == rests_on(tables, SUBJECT, lesion="L02")
    both = trace(tables, SUBJECT, "LTP")
    assert [row["track_id"] for row in both.to_dict()["by_lesion"]] == ["L04", "L05"]
    assert "lesion L04" in str(both)
    by_image = trace(tables, sop_instance=uid("L02", 1))
    assert isinstance(by_image, RestsOn)
    assert by_image.subject_id == SUBJECT
    by_uid = trace(tables, lesion="2.25.9901")
    assert isinstance(by_uid, RestsOn)
    assert by_uid.tracks == ("L01",)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ({}, "no subject is named"),
        ({"lesion": "L01"}, "no subject is named"),
        ({"sop_instance": "1.2.3"}, "no lesion is measured"),
        ({"subject_id": SUBJECT}, "either a lesion or a SOP"),
        ({"subject_id": SUBJECT, "endpoint": "PFS", "sop_instance": "1.2"}, "not both"),
    ],
)
def test_incomplete_question_is_refused(tables: dict[str, pd.DataFrame], question: dict[str, str], text: str) -> None:
    with pytest.raises(TableError, match=text):
        trace(tables, **question)  # type: ignore[arg-type]


def test_growth_that_only_one_reading_counts_is_found_from_the_lesion(tables: dict[str, pd.DataFrame]) -> None:
    grown = tables["responses"].assign(treatment_phase_growth=json.dumps([{"kind": "TARGET", "lesions": ["L03"]}]))
    found = rests_on(tables | {"responses": grown}, SUBJECT, lesion="L03")
    assert "PFS" in {event.endpoint for event in found.events}


def walked_both_ways(tables: dict[str, pd.DataFrame], found: Trace) -> bool:
    lesions = [rests_on(tables, SUBJECT, lesion=lesion.track_id) for lesion in found.lesions]
    images = [rests_on(tables, SUBJECT, sop_instance=image) for image in found.sop_instance_uids]
    return all(found.event in back.events for back in [*lesions, *images])


@pytest.mark.parametrize("endpoint", ["PFS", "EXTRAHEPATIC_PD"])
def test_whatever_an_endpoint_rests_on_leads_back_to_it(tables: dict[str, pd.DataFrame], endpoint: str) -> None:
    found = evidence_of(tables, SUBJECT, endpoint)
    assert found.sop_instance_uids
    assert walked_both_ways(tables, found)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows_is_irrelevant(tables: dict[str, pd.DataFrame], seed: int) -> None:
    mixed = {name: table.sample(frac=1, random_state=seed) for name, table in tables.items()}
    assert evidence_of(mixed, SUBJECT, "PFS") == evidence_of(tables, SUBJECT, "PFS")
