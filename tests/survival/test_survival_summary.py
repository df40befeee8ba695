"""The summary document: keys of the contract, honest gaps, refusals, delayed entry and lesions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lesiontrack.errors import SettingsError, TableError
from lesiontrack.survival.adverse import worst_grades
from lesiontrack.survival.analyse import Request, analyse
from lesiontrack.survival.intake import read_table
from lesiontrack.survival.settings import SurvivalSettings
from lesiontrack.survival.summary import summarise


def table(n: int = 24, **columns: Any) -> pd.DataFrame:
    """Return a small table: two arms, three stages, all kinds of follow-up."""
    frame = pd.DataFrame(
        {
            "subject_id": [f"S{i:02d}" for i in range(n)],
            "arm": ["LOCAL" if i % 2 else "CHEMO" for i in range(n)],
            "time_days": [(37 * i) % 101 + 5 for i in range(n)],
            "status": [0 if i % 4 == 3 else 1 for i in range(n)],
            "stage": ["I", "II", "III"] * (n // 3),
            "age": [40 + (i * 7) % 30 for i in range(n)],
        }
    )
    return frame.assign(**columns)


def one(frame: pd.DataFrame, **options: Any) -> dict[str, Any]:
    """Return the block of the only endpoint, after a trip through strict JSON."""
    chosen: dict[str, Any] = {"by": "arm", "times": [30, 60], "tau": 60} | options
    document = summarise(frame, **chosen)
    document = json.loads(json.dumps(document, allow_nan=False))
    (block,) = document["endpoints"].values()
    assert isinstance(block, dict)
    return block


def test_the_keys_are_the_contracts() -> None:
    block = one(table(endpoint="OS"), strata="stage", adjust=["age", "stage"])
    group = block["groups"]["LOCAL"]
    assert {
        "n",
        "events",
        "competing",
        "median",
        "median_ci",
        "followup_median",
        "rates",
        "rates_competing",
        "rmst",
    } <= set(group)
    assert {"time", "estimate", "ci", "ci_method", "se", "at_risk", "ci_beta_product"} <= set(group["rates"][0])
    assert set(group["rmst"]) == {"tau", "estimate", "se"}
    comparisons = block["comparisons"]
    assert set(comparisons) == {
        "log_rank",
        "log_rank_stratified",
        "cox",
        "cox_stratified",
        "cox_adjusted",
        "gray",
        "gray_stratified",
        "fine_gray",
        "fine_gray_adjusted",
        "rmst_difference",
        "landmark_difference",
    }
    assert comparisons["cox"]["reference"] == "CHEMO"
    assert {"log_hr", "se", "hr", "ci", "p"} == set(comparisons["cox"]["groups"]["LOCAL"])
    assert list(comparisons["cox_adjusted"]["terms"]) == ["armLOCAL", "age", "stageII", "stageIII"]
    assert comparisons["cox_stratified"]["strata"] == 3
    assert list(comparisons["rmst_difference"]["pairs"]) == ["LOCAL-CHEMO"]
    landmark = comparisons["landmark_difference"][0]["pairs"]["LOCAL-CHEMO"]
    assert landmark["ci_method"] == "MOVER" and {"estimate", "ci", "p"} <= set(landmark)
    assert block["dropped"] == {"n": 0, "why": {}}


def test_competing_endpoints_hold_incidences_and_no_median() -> None:
    frame = table(status=[i % 3 for i in range(24)])
    block = one(frame, strata="stage", adjust=["age"])
    group = block["groups"]["CHEMO"]
    assert "median" not in group and group["rmst"]["estimate"] is None and group["rmst"]["note"]
    total = [a["estimate"] + b["estimate"] for a, b in zip(group["rates"], group["rates_competing"], strict=True)]
    assert all(0 < value <= 1 for value in total)
    assert group["rates"][0]["se_method"] == "delta"
    comparisons = block["comparisons"]
    assert set(comparisons["gray"]) == {"event", "competing"}
    assert comparisons["gray_stratified"]["event"]["df"] == 1
    assert {"log_shr", "se"} <= set(comparisons["fine_gray"]["groups"]["LOCAL"])
    assert list(comparisons["fine_gray_adjusted"]["terms"]) == ["armLOCAL", "age"]
    swapped = one(frame.assign(status=frame["status"].map({0: 0, 1: 2, 2: 1})))["comparisons"]
    assert swapped["gray"]["event"] == comparisons["gray"]["competing"]


def test_a_cause_specific_model_censors_the_competing_events() -> None:
    frame = table(status=[i % 3 for i in range(24)])
    alone = one(frame.assign(status=(frame["status"] == 1).astype(int)))
    assert one(frame)["comparisons"]["cox"] == alone["comparisons"]["cox"]


def test_without_groups_there_is_one_called_all_and_nothing_is_compared() -> None:
    block = one(table(), by=None)
    assert list(block["groups"]) == ["ALL"] and block["comparisons"] == {}
    assert one(table(arm="LOCAL"))["comparisons"] == {}
    assert list(summarise(table())["endpoints"]) == ["EVENT"]


def test_groups_stand_in_order_of_size_when_they_are_numbers() -> None:
    block = one(table(arm=[[10.0, 2.0, None][i % 3] for i in range(24)]))
    assert list(block["groups"]) == ["2", "10"]
    assert block["comparisons"]["cox"]["reference"] == "2"
    assert block["dropped"] == {"n": 8, "why": {"missing arm": 8}}


def test_three_groups_give_every_pair_with_the_reference_first() -> None:
    block = one(table(arm=["B", "CHEMO", "A"] * 8))
    assert list(block["comparisons"]["rmst_difference"]["pairs"]) == ["A-CHEMO", "B-CHEMO", "B-A"]
    assert block["comparisons"]["log_rank"]["df"] == 2


def test_dropped_rows_are_counted_by_their_first_reason() -> None:
    frame = table(entry_days=0.0)
    frame.loc[0, ["time_days", "status"]] = None
    frame.loc[1, "status"] = None
    frame.loc[2, "arm"] = None
    frame.loc[3, "entry_days"] = None
    frame.loc[4, "entry_days"] = 500
    block = one(frame)
    assert block["dropped"]["n"] == 5
    assert block["dropped"]["why"] == {
        "missing time": 1,
        "missing status": 1,
        "missing arm": 1,
        "missing entry": 1,
        "entry not before the end of follow-up": 1,
    }
    assert sum(g["n"] for g in block["groups"].values()) == 19


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time_days": [-3, *range(1, 24)]}, ("S00", "time_days", "-3")),
        ({"time_days": [float("inf"), *range(1, 24)]}, ("S00", "time_days", "inf")),
        ({"time_days": ["soon", *range(1, 24)]}, ("S00", "time_days", "soon")),
        ({"status": [1, 7, *([0] * 22)]}, ("S01", "status", "7")),
        ({"status": [1, 0.5, *([0] * 22)]}, ("S01", "status", "0.5")),
        ({"subject_id": ["S05"] * 24}, ("S05", "more than once")),
        ({"endpoint": [None, *(["OS"] * 23)]}, ("S00", "endpoint")),
    ],
)
def test_impossible_values_are_refused_with_the_subject(change: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(TableError) as caught:
        one(table(**change))
    assert all(word in str(caught.value) for word in words)


def test_missing_columns_and_horizons_are_refused() -> None:
    with pytest.raises(TableError, match="lacks arm"):
        summarise(table().drop(columns="arm"), by="arm")
    with pytest.raises(TableError, match="lacks age"):
        summarise(table().drop(columns="age"), by="arm", adjust=["age"])
    with pytest.raises(SettingsError, match="landmark"):
        summarise(table(), times=[-1])
    with pytest.raises(SettingsError, match="tau"):
        summarise(table(), tau=float("nan"))


def test_no_events_is_not_estimable_but_the_beta_product_interval_is() -> None:
    block = one(table(status=0))
    rate = block["groups"]["LOCAL"]["rates"][0]
    assert rate["estimate"] == 1 and rate["ci_beta_product"][0] < 0.9 and "beta product" in rate["note"]
    assert block["groups"]["LOCAL"]["median"] is None and block["groups"]["LOCAL"]["median_note"]
    for name in ("log_rank",):
        assert block["comparisons"][name]["p"] is None and "no event" in block["comparisons"][name]["note"]
    ratio = block["comparisons"]["cox"]["groups"]["LOCAL"]
    assert ratio["hr"] is None and ratio["ci"] == [None, None] and "no event" in ratio["note"]
    assert block["comparisons"]["rmst_difference"]["pairs"]["LOCAL-CHEMO"]["p"] is None


def test_a_level_without_events_has_no_ratio_and_leaves_the_others_alone() -> None:
    frame = table(arm=["CHEMO", "A", "NONE"] * 8)
    frame.loc[frame["arm"] == "NONE", "status"] = 0
    groups = one(frame)["comparisons"]["cox"]["groups"]
    assert groups["NONE"]["log_hr"] is None and "no event in this group" in groups["NONE"]["note"]
    two = one(frame[frame["arm"] != "NONE"])["comparisons"]["cox"]["groups"]
    assert groups["A"] == two["A"]
    frame.loc[frame["arm"] == "CHEMO", "status"] = 0
    assert "reference" in one(frame)["comparisons"]["cox"]["groups"]["A"]["note"]


def test_all_censored_at_the_origin() -> None:
    block = one(table(status=0, time_days=0))
    rate = block["groups"]["CHEMO"]["rates"][0]
    assert rate["estimate"] is None and "beyond the last follow-up" in rate["note"]
    assert block["groups"]["CHEMO"]["rmst"]["estimate"] is None
    pair = block["comparisons"]["landmark_difference"][0]["pairs"]["LOCAL-CHEMO"]
    assert pair["estimate"] is None and pair["note"]


def test_beyond_follow_up_a_rate_is_null_and_survival_zero_has_no_log_log_interval() -> None:
    frame = pd.DataFrame({"time_days": [1, 2, 3, 1, 2, 3], "status": [1, 1, 1, 1, 1, 0], "arm": list("AAABBB")})
    block = one(frame, times=[3, 10], tau=3)
    dead, alive = block["groups"]["A"]["rates"], block["groups"]["B"]["rates"]
    assert [r["estimate"] for r in dead] == [0, 0] and dead[0]["ci"] == [None, None] and dead[0]["note"]
    assert dead[0]["ci_beta_product"][1] > 0.5
    assert alive[0]["estimate"] == pytest.approx(1 / 3) and alive[1]["estimate"] is None


def test_an_empty_group_and_an_empty_table_are_said_to_be_empty() -> None:
    frame = table()
    frame.loc[frame["arm"] == "LOCAL", "time_days"] = None
    block = one(frame, strata="stage", adjust=["age"])
    assert block["groups"]["LOCAL"]["n"] == 0 and "no subject" in block["groups"]["LOCAL"]["note"]
    assert "fewer than two groups" in block["comparisons"]["log_rank"]["note"]
    assert block["comparisons"]["cox"]["groups"] == {}
    assert summarise(table().iloc[:0].assign(endpoint="x"), by="arm") == {"endpoints": {}}


@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("kind", [{}, {"status": [2, 1] * 12}, {"track_id": "L1"}, {"entry_days": 1.0}])
def test_an_endpoint_that_no_subject_reaches_is_null_with_its_reason(left: int, kind: dict[str, Any]) -> None:
    """An endpoint may be underivable for the whole cohort (no enrolment date anywhere): still a document."""
    frame = table(**kind).astype({"time_days": "Int64", "status": "Int64"})
    frame.loc[left:, ["time_days", "status"]] = pd.NA
    block = one(frame, strata="stage", adjust=["age"])
    assert block["dropped"]["n"] == 24 - left
    assert block["groups"]["CHEMO"]["n"] == left
    assert block["comparisons"]["log_rank"]["p"] is None
    assert "fewer than two groups" in block["comparisons"]["log_rank"]["note"]


def test_delayed_entry_reports_its_risk_set_and_what_it_rules_out() -> None:
    frame = table(entry_days=[float(i % 5) for i in range(24)])
    block = one(frame)
    late = block["groups"]["LOCAL"]["delayed_entry"]
    assert late["earliest_entry"] == 0 and late["latest_entry"] == 4 and late["conditional"]["rates"]
    assert block["groups"]["LOCAL"]["rates"][0]["ci_beta_product"] == [None, None]
    competing = one(frame.assign(status=[i % 3 for i in range(24)]), adjust=["age"])["comparisons"]
    assert competing["gray"]["event"]["p"] is None and "delayed entry" in competing["gray"]["event"]["note"]
    assert "delayed entry" in competing["fine_gray"]["groups"]["LOCAL"]["note"]
    assert competing["cox"]["groups"]["LOCAL"]["log_hr"] is not None
    without = one(table(entry_days=0.0))
    assert without == one(table())


def test_a_risk_set_that_dies_out_early_makes_rates_null_and_points_to_the_conditional_curve() -> None:
    frame = pd.DataFrame(
        {
            "time_days": [4.0, 20, 30, 40, 50, 60],
            "status": [1, 1, 1, 0, 1, 0],
            "entry_days": [1.0, 10, 10, 10, 10, 10],
        }
    )
    group = one(frame, by=None, times=[3, 35], tau=50)["groups"]["ALL"]
    assert [r["estimate"] for r in group["rates"]] == [1, None]
    assert "died out at 4" in group["rates"][1]["note"] and group["median"] is None
    assert group["delayed_entry"]["conditional"]["rates"][0]["estimate"] == pytest.approx(0.6)


def test_lesions_are_clustered_by_subject() -> None:
    lesions = table(subject_id=[f"S{i // 3}" for i in range(24)], track_id=[f"T{i}" for i in range(24)], endpoint="LTP")
    block, alone = one(lesions), one(table())
    group = block["groups"]["LOCAL"]
    assert group["subjects"] == 8 and group["n"] == 12
    assert group["rates"][0]["estimate"] == alone["groups"]["LOCAL"]["rates"][0]["estimate"]
    assert group["rates"][0]["se"] != alone["groups"]["LOCAL"]["rates"][0]["se"]
    assert block["comparisons"]["log_rank"]["method"] == "clustered by subject"
    assert "clustered" in block["comparisons"]["cox"]["se_method"]
    assert any("lesions" in note for note in block["notes"])
    assert "in several groups" in block["comparisons"]["rmst_difference"]["pairs"]["LOCAL-CHEMO"]["note"]
    with pytest.raises(TableError, match="lesion of the subject occurs more than once"):
        one(pd.concat([lesions, lesions]))


def test_rows_with_missing_covariates_leave_only_the_adjusted_model() -> None:
    frame = table()
    frame.loc[:3, "age"] = None
    block = one(frame, adjust=["age"])
    assert block["comparisons"]["cox_adjusted"]["dropped"] == 4
    assert block["comparisons"]["cox_adjusted"]["n"] == 20 and block["comparisons"]["cox"]["n"] == 24


def test_intervals_give_a_sensitivity_estimate_and_exact_times_the_kaplan_meier_one() -> None:
    exact = one(table(left_days=None, right_days=None))
    assert "interval_censored" not in exact["groups"]["LOCAL"]
    frame = table(left_days=lambda f: f["time_days"], right_days=lambda f: f["time_days"])
    group = one(frame)["groups"]["LOCAL"]
    for rate, other in zip(group["interval_censored"]["rates"], group["rates"], strict=True):
        assert rate["lowest"] == pytest.approx(other["estimate"], rel=1e-7)
        assert rate["highest"] == pytest.approx(other["estimate"], rel=1e-7)
    wide = one(frame.assign(left_days=frame["time_days"] - 5), times=range(1, 100))["groups"]["LOCAL"][
        "interval_censored"
    ]
    assert any(rate["lowest"] < rate["highest"] for rate in wide["rates"] if rate["lowest"] is not None)
    with pytest.raises(TableError, match="left_days"):
        one(frame.assign(left_days=frame["time_days"] + 1))


def test_nullable_columns_and_rows_that_could_not_be_derived() -> None:
    frame = pd.DataFrame(
        {
            "subject_id": pd.array(list("abcdef"), dtype="string"),
            "endpoint": pd.array(["PFS"] * 6, dtype="string"),
            "arm": pd.array(["LOCAL", "CHEMO", "LOCAL", "CHEMO", "LOCAL", pd.NA], dtype="string"),
            "time_days": pd.array([5, 8, 9, None, 20, 30], dtype="Int64"),
            "status": pd.array([1, 0, 1, None, 0, 1], dtype="Int64"),
            "entry_days": pd.array([None] * 6, dtype="Int64"),
            "track_id": pd.array([None] * 6, dtype="string"),
            "age": pd.array([1, 2, 3, 4, 5, None], dtype="Int64"),
        }
    )
    block = one(frame, times=[6], tau=8, adjust=["age"])
    assert block["dropped"] == {"n": 2, "why": {"missing time": 1, "missing arm": 1}}
    assert [g["n"] for g in block["groups"].values()] == [1, 3]
    assert block["comparisons"]["cox_adjusted"]["terms"]["armLOCAL"]["log_hr"] is None


def test_settings_are_bounded_and_used() -> None:
    narrow = one(table(), settings=SurvivalSettings(confidence_level=0.6))["groups"]["LOCAL"]["rates"][0]["ci"]
    wide = one(table())["groups"]["LOCAL"]["rates"][0]["ci"]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert one(table(), settings=SurvivalSettings(reference="LOCAL"))["comparisons"]["cox"]["reference"] == "LOCAL"
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        SurvivalSettings(adequate_risk_set=1)


def test_files_are_read_as_tables(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("subject_id,arm,time_days,status\n001,'=x,5,1\n002,NA,8,0\n", encoding="utf-8")
    frame = read_table(path)
    assert frame["subject_id"].tolist() == ["001", "002"]
    assert frame["arm"].iloc[0] == "=x" and pd.isna(frame["arm"].iloc[1])
    frame.to_parquet(tmp_path / "events.parquet")
    assert read_table(tmp_path / "events.parquet")["time_days"].tolist() == [5, 8]
    for name, content, words in (("a", "", "empty"), ("b", "time_days,status\n", "no rows")):
        (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
        with pytest.raises(TableError, match=words):
            analyse(tmp_path / f"{name}.csv", tmp_path / "out")
    (tmp_path / "c.parquet").write_bytes(b"not parquet")
    with pytest.raises(TableError, match="cannot be read"):
        read_table(tmp_path / "c.parquet")
    with pytest.raises(TableError, match="no such table"):
        read_table(tmp_path / "missing.csv")
    assert not (tmp_path / "out").exists()


def test_worst_grades_count_each_subject_once_by_term_and_arm() -> None:
    subjects = pd.DataFrame({"subject_id": ["a", "b", "c", "a"], "arm": ["LOCAL", "LOCAL", "CHEMO", "LOCAL"]})
    events = pd.DataFrame(
        {
            "subject_id": ["a", "a", "a", "b", "z"],
            "term": ["Pain", "Pain", "Fever", "Pain", "Pain"],
            "grade": [1, 3, 2, 2, 5],
            "related": ["N", "Y", "N", "N", "Y"],
        }
    )
    found = worst_grades(events, subjects, "arm").set_index(["relation", "term", "group"]).to_dict("index")
    pain = found["ALL", "Pain", "LOCAL"]
    assert (pain["subjects"], pain["grade_3"], pain["grade_2"], pain["any_grade"]) == (2, 1, 1, 2)
    assert (pain["grade_3_or_worse"], pain["grade_3_or_worse_percent"]) == (1, 50.0)
    assert found["ALL", "ANY", "LOCAL"]["any_grade"] == 2
    assert found["RELATED", "Pain", "LOCAL"]["any_grade"] == 1
    assert found["ALL", "Pain", "CHEMO"]["any_grade_percent"] == 0
    with pytest.raises(TableError, match="subject b: impossible grade"):
        worst_grades(events.assign(grade=[1, 3, 2, 9, 1]), subjects, "arm")
    with pytest.raises(TableError, match="two groups"):
        worst_grades(events, subjects.assign(arm=["LOCAL", "LOCAL", "CHEMO", "CHEMO"]), "arm")


def test_analyse_writes_the_document_it_returns(tmp_path: Path) -> None:
    adverse = pd.DataFrame({"subject_id": ["S00"], "term": ["Pain"], "grade": [2]})
    frame = pd.concat(
        [table(endpoint="OS"), table(endpoint="a/b"), table(endpoint="a:b", status=[i % 3 for i in range(24)])]
    )
    document = analyse(frame, tmp_path / "out", Request(by="arm", times=[30], tau=60, adverse_events=adverse))
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8")) == document
    assert list(document["endpoints"]) == ["OS", "a/b", "a:b"] and len(document["adverse_events"]) == 4
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"OS_km.svg", "OS_km.png", "OS_km.csv", "OS_km_numbers.csv", "adverse_events.csv"} <= names
    assert {"a_b_km.svg", "a_b_2_cif.svg", "a_b_2_cif_stacked.png", "a_b_2_cif_stacked.csv"} <= names
