"""Clinical tables: typed, forgiving of spreadsheets, exact about what is wrong; one bad row stops nobody else."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesiontrack.domain.study import ClinicalFacts, Coverage, Finding, LocalTreatment
from lesiontrack.errors import ClinicalError
from lesiontrack.io.clinical import read_clinical

HEADER = "subject_id,arm,diagnosis_date,enrolment_date,treatment_start_date,death_date,last_alive_date"


def _write(folder: Path, **tables: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in tables.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return folder


def test_no_folder_is_no_facts(tmp_path: Path) -> None:
    clinical = read_clinical(tmp_path / "clinical")
    assert (dict(clinical.facts), dict(clinical.tables), clinical.problems) == ({}, {}, ())


def test_all_tables_become_facts(tmp_path: Path) -> None:
    folder = _write(
        tmp_path,
        subjects=f"{HEADER},randomisation_date,induction_start_date,age\n"
        "S1,LOCAL,2019-01-02,2019-05-01,2019-06-01,,2023-01-01,2019-05-15,2019-02-01,61\n",
        local_treatments="subject_id,date,method,track_id,tracking_uid,x_lps_mm,y_lps_mm,z_lps_mm,timepoint_date,"
        "session,planned,margin\n"
        "S1,2019-06-10,SBRT,ALL,,,,,,,N,\n"
        "S1,2019-06-01,resection,,,1.5,-2,30.25,2019-05-20,1,Y,R0\n"
        "S1,2019-06-02,ABLATION,L03,1.2.3,,,,,1,,\n",
        therapies="subject_id,date,name,in_protocol\nS1,2020-01-01,FOLFIRI,N\nS1,2019-06-01,FOLFOX,Y\n",
        findings="subject_id,date,lesion,site,role,status,longest_diameter_mm,short_axis_mm,reason\n"
        "S1,2019-08-01,T1,lymph node,TARGET,PRESENT,23.10,15,well delimited\n",
        adverse_events="subject_id,term,grade,start_date,related\nS1,Pain,2,2019-07-01,Y\n",
        coverage="subject_id,date,region,assessed\nS1,2019-08-01,chest,N\n",
    )
    clinical = read_clinical(folder)
    assert clinical.problems == ()
    assert clinical.facts["S1"] == ClinicalFacts(
        arm="LOCAL",
        diagnosis_date=dt.date(2019, 1, 2),
        enrolment_date=dt.date(2019, 5, 1),
        randomisation_date=dt.date(2019, 5, 15),
        induction_start_date=dt.date(2019, 2, 1),
        treatment_start_date=dt.date(2019, 6, 1),
        last_alive_date=dt.date(2023, 1, 1),
        local_treatments=(
            LocalTreatment(
                date=dt.date(2019, 6, 1),
                method="RESECTION",
                place_lps_mm=(1.5, -2.0, 30.25),
                place_date=dt.date(2019, 5, 20),
                session="1",
                margin="R0",
            ),
            LocalTreatment(
                date=dt.date(2019, 6, 2), method="ABLATION", track_id="L03", tracking_uid="1.2.3", session="1"
            ),
            LocalTreatment(date=dt.date(2019, 6, 10), method="SBRT", all_lesions=True, planned=False),
        ),
        findings=(
            Finding(
                date=dt.date(2019, 8, 1),
                lesion="T1",
                site="LYMPH_NODE",
                role="TARGET",
                status="PRESENT",
                longest_diameter_mm=Decimal("23.10"),
                short_axis_mm=Decimal("15"),
                reason="well delimited",
            ),
        ),
        coverage=(Coverage(date=dt.date(2019, 8, 1), region="CHEST", assessed=False),),
        new_therapies=(dt.date(2020, 1, 1),),
    )
    assert str(clinical.facts["S1"].findings[0].longest_diameter_mm) == "23.10", "decimals are kept as written"
    assert dict(clinical.covariates["S1"]) == {"age": "61"}
    assert set(clinical.tables) == {
        "subjects",
        "local_treatments",
        "therapies",
        "findings",
        "adverse_events",
        "coverage",
    }
    assert clinical.tables["therapies"].to_dict("records") == [
        {"subject_id": "S1", "date": dt.date(2020, 1, 1), "name": "FOLFIRI", "in_protocol": "N"},
        {"subject_id": "S1", "date": dt.date(2019, 6, 1), "name": "FOLFOX", "in_protocol": "Y"},
    ]
    assert clinical.tables["adverse_events"]["grade"].tolist() == [2]
    assert clinical.tables["subjects"]["death_date"].tolist() == [None]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("\ufeffsubject_id,arm\nS1,LOCAL\n", "a byte order mark"),
        ("subject_id;arm\r\nS1;LOCAL\r\n", "semicolons and Windows line ends"),
        ("subject_id\tarm\nS1\tLOCAL\n", "tabs"),
        ('subject_id,arm\n"S1","LOCAL"\n\n,\n', "quotes and empty lines"),
        (" subject_id , arm \n S1 , LOCAL \n", "blanks"),
        ("arm,subject_id\nLOCAL,S1\n", "another order"),
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, content: str, what: str) -> None:
    clinical = read_clinical(_write(tmp_path, subjects=content))
    assert clinical.facts == {"S1": ClinicalFacts(arm="LOCAL")}, what
    assert clinical.problems == ()


def test_the_guard_against_formulas_is_stripped_and_ids_stay_text(tmp_path: Path) -> None:
    clinical = read_clinical(_write(tmp_path, subjects="subject_id,arm,note\n'=1+1,LOCAL,'kept\n007,CHEMO,'-3\n"))
    assert sorted(clinical.facts) == ["007", "=1+1"]
    assert clinical.covariates["=1+1"]["note"] == "'kept"
    assert clinical.covariates["007"]["note"] == "-3"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            "S2,LOCAL,02.01.2019,,,,",
            r"table subjects, row 3, column diagnosis_date \(found '02\.01\.2019'; expected an IS",
        ),
        ("S2,LOCAL,2019-02-30,,,,", "expected a date of the calendar"),
        ("S2,LOCAL,2019-02,,,,", "expected an ISO 8601 date"),
        ("S2,LOCAL,NA,,,,", "found 'NA'"),
        ("S2,LOCAL,2019-02-01 00:00,,,,", "expected an ISO 8601 date"),
        ("S2,LOCAL,,,,,,spare", "more cells than columns"),
    ],
)
def test_a_bad_row_names_table_row_subject_and_column_and_stops_nobody_else(
    tmp_path: Path, row: str, reason: str
) -> None:
    folder = _write(tmp_path, subjects=f"{HEADER}\nS1,LOCAL,2019-01-02,,,,\n{row}\nS3,CHEMO,,,,,\n")
    clinical = read_clinical(folder)
    assert sorted(clinical.facts) == ["S1", "S3"]
    (problem,) = clinical.problems
    assert (problem.subject_id, problem.stage, problem.error, problem.severity) == (
        "S2",
        "clinical",
        "ClinicalError",
        "ERROR",
    )
    assert "subject S2" in problem.message
    with pytest.raises(ClinicalError, match=reason):
        raise ClinicalError(problem.message)
    assert sorted(clinical.tables["subjects"]["subject_id"]) == ["S1", "S3"]


@pytest.mark.parametrize(
    ("table", "content", "reason"),
    [
        ("local_treatments", "subject_id,date,method\nS1,,ABLATION\n", "row 2, column date: empty"),
        (
            "local_treatments",
            "subject_id,date,method\nS1,2020-01-01,LASER\n",
            "column method.*expected one of RESECTION",
        ),
        (
            "local_treatments",
            "subject_id,date,method,x_lps_mm,y_lps_mm,z_lps_mm\nS1,2020-01-01,SBRT,1,2,\n",
            "a place needs x_lps_mm",
        ),
        (
            "local_treatments",
            "subject_id;date;method;x_lps_mm\nS1;2020-01-01;SBRT;12,5\n",
            "column x_lps_mm.*found '12,5'.*with a point and not a comma",
        ),
        ("therapies", "subject_id,date,in_protocol\nS1,2020-01-01,maybe\n", "column in_protocol.*expected Y or N"),
        ("adverse_events", "subject_id,term,grade\nS1,Pain,6\n", "column grade.*from 1 to 5"),
        (
            "findings",
            "subject_id,date,lesion,role,status,longest_diameter_mm\nS1,2020-01-01,T1,TARGET,PRESENT,-3\n",
            "column longest_diameter_mm.*from 0 to 1000",
        ),
        (
            "findings",
            "subject_id,date,lesion,role,status,longest_diameter_mm\nS1,2020-01-01,T1,TARGET,PRESENT,NaN\n",
            "column longest_diameter_mm",
        ),
        ("coverage", "subject_id,date,region,assessed\nS1,2020-01-01,,Y\n", "column region: empty"),
    ],
)
def test_a_bad_row_of_any_table_withholds_the_subjects_facts(
    tmp_path: Path, table: str, content: str, reason: str
) -> None:
    folder = _write(tmp_path, subjects="subject_id,arm\nS1,LOCAL\nS2,CHEMO\n", **{table: content})
    clinical = read_clinical(folder)
    assert sorted(clinical.facts) == ["S2"]
    assert all("S1" not in set(frame["subject_id"]) for frame in clinical.tables.values())
    (problem,) = clinical.problems
    with pytest.raises(ClinicalError, match=reason):
        raise ClinicalError(problem.message)


def test_two_rows_of_one_subject_are_a_problem_of_that_subject(tmp_path: Path) -> None:
    clinical = read_clinical(_write(tmp_path, subjects="subject_id,arm\nS1,LOCAL\nS2,LOCAL\nS1,CHEMO\n"))
    assert sorted(clinical.facts) == ["S2"]
    assert "two rows" in clinical.problems[0].message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "has no header"),
        ("patient,arm\nS1,LOCAL\n", "lacks the column subject_id"),
        ("subject_id,arm,arm\nS1,A,B\n", "has the column arm twice"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(ClinicalError, match=reason):
        read_clinical(_write(tmp_path, subjects=content))


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "subjects.csv").write_bytes("subject_id,arm\nMüller,LOCAL\n".encode("latin-1"))
    with pytest.raises(ClinicalError, match=r"not UTF-8 text \(found byte 16"):
        read_clinical(tmp_path)


def test_parquet_gives_the_same_facts_as_csv(tmp_path: Path) -> None:
    text = "subject_id,arm,treatment_start_date,age\nS1,LOCAL,2020-02-01,61\nS2,CHEMO,,\n"
    from_csv = read_clinical(_write(tmp_path / "a", subjects=text))
    (tmp_path / "b").mkdir()
    frame = pd.DataFrame(
        {
            "subject_id": ["S1", "S2"],
            "arm": ["LOCAL", "CHEMO"],
            "treatment_start_date": pd.to_datetime(["2020-02-01", ""]),
            "age": [61.0, None],
        }
    )
    frame.to_parquet(tmp_path / "b" / "subjects.parquet")
    from_parquet = read_clinical(tmp_path / "b")
    assert from_parquet.facts == from_csv.facts
    assert from_parquet.covariates == from_csv.covariates


def test_a_table_in_both_formats_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, subjects="subject_id\nS1\n")
    pd.DataFrame({"subject_id": ["S1"]}).to_parquet(tmp_path / "subjects.parquet")
    with pytest.raises(ClinicalError, match="there twice"):
        read_clinical(tmp_path)


@given(
    rows=st.permutations(["S1,LOCAL,2020-01-01", "S2,CHEMO,", "S3,LOCAL,not a date", "S4,X,2021-01-01"]),
)
def test_the_order_of_rows_does_not_matter(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    folder = tmp_path_factory.mktemp("clinical")
    clinical = read_clinical(_write(folder, subjects="\n".join(["subject_id,arm,death_date", *rows])))
    assert sorted(clinical.facts) == ["S1", "S2", "S4"]
    assert [problem.subject_id for problem in clinical.problems] == ["S3"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("subjects.parquet", b"PAR1 cut off"), ("subjects.csv", b"subject_id,arm\nA," + b"x" * 200_000)],
)
def test_a_table_that_cannot_be_read_at_all_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClinicalError, match="table subjects is no") as caught:
        read_clinical(tmp_path)
    assert caught.value.file == str(tmp_path / name)
