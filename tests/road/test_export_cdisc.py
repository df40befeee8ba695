"""The sample's results as CDISC data sets: consistent with the tables, and judged alike when `assess` reads them."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from lesiontrack.batch.export_cdisc import CdiscExport, export_cdisc
from lesiontrack.errors import StudyError
from lesiontrack.io.cdisc_datasets import Container
from lesiontrack.io.sdtm_tables import find_domain
from tests.running import Ran, lesiontrack

Row = dict[str, str]


@pytest.fixture(scope="module")
def sdtm(sample_run: Ran, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TU, TR and RS, by the command."""
    to = tmp_path_factory.mktemp("cdisc") / "sdtm"
    done = lesiontrack("export", sample_run.out, "--format", "sdtm", "--to", to)
    assert (done.returncode, done.stderr) == (0, "")
    return to


@pytest.fixture(scope="module")
def adam(sample_run: Ran, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Row]]:
    """The ADaM data sets."""
    to = tmp_path_factory.mktemp("cdisc") / "adam"
    export_cdisc(CdiscExport(out=sample_run.out, to=to, model="adam"))
    return {name: _rows(to, name) for name in ("adsl", "adtr", "adrs", "adtte")}


def _rows(folder: Path, domain: str) -> list[Row]:
    """Read a data set of any container by code that is not ours."""
    path = find_domain(folder, domain)
    assert path is not None
    if path.suffix == ".xpt":
        table = pyreadstat.read_xport(str(path))[0]
        return [{name: _text(value) for name, value in row.items()} for row in table.to_dict("records")]
    if path.suffix == ".json":
        document = json.loads(path.read_text(encoding="utf-8"))
        names = [column["name"] for column in document["columns"]]
        return [dict(zip(names, map(_text, row), strict=True)) for row in document["rows"]]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _text(value: object) -> str:
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _responses(rows: list[Row]) -> Counter[tuple[str, ...]]:
    names = ("USUBJID", "RSEVALID", "RSTESTCD", "RSSTRESC", "VISITNUM", "VISIT", "RSDTC")
    return Counter(tuple(row[name] for name in names) for row in rows)


@pytest.mark.parametrize("container", [Container.CSV, Container.XPT])
def test_assess_reads_it_back_and_gives_the_same_responses(
    container: Container, sample_run: Ran, sdtm: Path, tmp_path: Path
) -> None:
    """RS of the run, from the tables, and RS that `assess` derives from TU and TR: record for record."""
    folder = sdtm
    if container is not Container.CSV:
        folder = tmp_path / "sdtm"
        export_cdisc(CdiscExport(out=sample_run.out, to=folder, model="sdtm", container=container))
    expected = _responses(_rows(folder, "rs"))
    reads = tmp_path / "reads"
    reads.mkdir()
    for domain in ("tu", "tr"):
        path = find_domain(folder, domain)
        assert path is not None
        (reads / path.name).write_bytes(path.read_bytes())
    done = lesiontrack("assess", reads, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "rs.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert len(expected) > 40
    assert _responses(found) == expected


def test_rs_has_what_the_table_has(sdtm: Path, sample_run: Ran) -> None:
    table = sample_run.table("responses")
    rows = table[(table["rules"] == "recist11") & (table["phase"] == "STUDY")]
    expected = {(row["subject_id"], str(row["timepoint"])): row["overall"] for row in rows.to_dict("records")}
    found = {(r["USUBJID"], r["VISITNUM"]): r["RSORRES"] for r in _rows(sdtm, "rs") if r["RSTESTCD"] == "OVRLRESP"}
    assert found == expected


def test_records_point_to_each_other(sdtm: Path, sample_run: Ran) -> None:
    """Each result's lesion is identified, once; sequence numbers are unique in a subject; dates are those of scans."""
    tu, tr, rs = (_rows(sdtm, name) for name in ("tu", "tr", "rs"))
    known = Counter((row["USUBJID"], row["TULNKID"]) for row in tu)
    assert set(known.values()) == {1}
    linked = {(row["USUBJID"], part.split(".")[0]) for row in tr for part in row["TRLNKID"].split("/") if part}
    assert linked == set(known)
    for rows, name in ((tu, "TUSEQ"), (tr, "TRSEQ"), (rs, "RSSEQ")):
        assert set(Counter((row["USUBJID"], row[name]) for row in rows).values()) == {1}
    dates = {(row["subject_id"], row["date"]) for row in sample_run.table("scans").to_dict("records")}
    assert {(row["USUBJID"], row["TRDTC"]) for row in tr} <= dates
    assert {row["TRLNKGRP"] for row in tr} >= {row["RSLNKGRP"] for row in rs}
    assert {row["TRMETHOD"] for row in tr if row["TRREFID"]} == {"CT SCAN", "MRI"}


def test_adsl_has_each_subject_once(adam: dict[str, list[Row]], sample_run: Ran) -> None:
    subjects = {row["subject_id"]: row for row in sample_run.table("subjects").to_dict("records")}
    assert [row["USUBJID"] for row in adam["adsl"]] == sorted(subjects)
    for row in adam["adsl"]:
        own = subjects[row["USUBJID"]]
        assert (row["ARM"], row["TRTSDT"]) == (own["arm"], own["treatment_start_date"])
        assert row["CRLMN"] == str(own["count_hepatic"])


def test_adtte_is_the_events_table(adam: dict[str, list[Row]], sample_run: Ran) -> None:
    """One record an endpoint, censored 1, event 0, competing 2; first and last day are counted; sources are there."""
    events = sample_run.table("events")
    events = events[events["status"].notna()]
    assert len(adam["adtte"]) == len(events)
    for code, endpoint in (("OS", "OS"), ("PFS", "PFS"), ("PFSEMA", "PFS_EMA"), ("TTHPD", "HEPATIC_PD")):
        found = {
            row["USUBJID"]: (row["CNSR"], row["ADT"], row["AVAL"]) for row in adam["adtte"] if row["PARAMCD"] == code
        }
        own = events[events["endpoint"] == endpoint].to_dict("records")
        wanted = {0: "1", 1: "0", 2: "2"}
        assert found == {r["subject_id"]: (wanted[r["status"]], r["date"], str(r["time_days"] + 1)) for r in own}
    sequences = {(row["USUBJID"], row["ASEQ"]): row for row in adam["adrs"]}
    for row in adam["adtte"]:
        days = (dt.date.fromisoformat(row["ADT"]) - dt.date.fromisoformat(row["STARTDT"])).days
        assert row["AVAL"] == str(days + 1)
        if row["SRCDOM"] == "ADRS":
            assert sequences[row["USUBJID"], row["SRCSEQ"]]["ADT"] == row["ADT"]
        elif row["SRCVAR"]:
            (subject,) = [one for one in adam["adsl"] if one["USUBJID"] == row["USUBJID"]]
            assert subject[row["SRCVAR"]] == row["ADT"]


def test_adrs_and_adtr_have_the_primary_rule_set_too(adam: dict[str, list[Row]], sample_run: Ran) -> None:
    responses = sample_run.table("responses")
    for rules in ("recist11-local", "recist11"):
        own = responses[responses["rules"] == rules].to_dict("records")
        overall = Counter((r["subject_id"], r["date"], r["overall"]) for r in own)
        found = [r for r in adam["adrs"] if r["PARAMCD"] == "OVR" and r["RULESET"] == rules]
        assert Counter((r["USUBJID"], r["ADT"], r["AVALC"]) for r in found) == overall
    sums = [r for r in own if r["phase"] == "STUDY" and not pd.isna(r["sum_mm"])]
    found = [r for r in adam["adtr"] if r["PARAMCD"] == "SDIAM" and r["RULESET"] == "recist11" and r["AVAL"]]
    assert Counter((r["USUBJID"], r["ADT"], float(r["AVAL"])) for r in found) == Counter(
        (r["subject_id"], r["date"], r["sum_mm"]) for r in sums
    )
    for row in adam["adtr"]:
        if row["CHG"]:
            assert float(row["CHG"]) == pytest.approx(float(row["AVAL"]) - float(row["BASE"]), abs=1e-9)
            assert float(row["PCHG"]) == pytest.approx(100 * float(row["CHG"]) / float(row["BASE"]), abs=1e-4)


def test_a_subject_nobody_knows(sample_run: Ran, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such subject"):
        export_cdisc(CdiscExport(out=sample_run.out, to=tmp_path / "x", model="adam", subjects=("nobody",)))
    assert not (tmp_path / "x").exists()
