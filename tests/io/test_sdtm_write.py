"""Reads to TU, TR and RS: read back and assessed again, they give the responses they came from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesiontrack.assess import AssessSettings, assess, criteria
from lesiontrack.domain.lesion import Role
from lesiontrack.domain.outcome import Assessment
from lesiontrack.domain.reads import (
    Form,
    LocalTherapy,
    Measurement,
    NewLesionRead,
    NewStatus,
    NonTargetRead,
    NonTargetStatus,
    ReadLesion,
    Reads,
    ReadVisit,
    SiteRead,
    SiteStatus,
)
from lesiontrack.errors import TableError
from lesiontrack.io.cdisc_datasets import Container, Dataset, Variable, write_dataset
from lesiontrack.io.sdtm_reads import evaluators
from lesiontrack.io.sdtm_tables import read_domain
from lesiontrack.io.sdtm_write import RS, TR, TU, ReadRecords
from tests.assess.test_properties import timelines

SETTINGS = AssessSettings()
DAY = dt.date(2024, 1, 2)
Row = Mapping[str, str]


def _records(reads: Reads) -> ReadRecords:
    return ReadRecords(study_id="TRIAL", reads=reads, settings=SETTINGS)


def _text(record: Mapping[str, Any]) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in record.items()}


def _again(reads: Reads) -> Assessment:
    """Assess what TU and TR say."""
    records = _records(reads)
    (found,) = evaluators(map(_text, records.tumours()), map(_text, records.results()))
    return assess(found.reads(SETTINGS), SETTINGS)


def _categories(found: Assessment) -> list[tuple[Any, ...]]:
    return [(v.date, v.target, v.non_target, v.overall, v.sum_mm) for v in found.visits]


@given(st.one_of(timelines(), timelines(local=True)))
def test_what_is_written_is_judged_alike_when_it_is_read(reads: Reads) -> None:
    """Any timeline, treated or not: the responses of RECIST as written, visit by visit, and the date of progression."""
    found, expected = _again(reads), criteria()["recist11"](reads, SETTINGS)
    assert _categories(found) == _categories(expected)
    assert found.pd_date == expected.pd_date


def _reads(*visits: ReadVisit, lesions: tuple[ReadLesion, ...] = (), **more: Any) -> Reads:
    known = lesions or (
        ReadLesion(lesion_id="L01", role=Role.TARGET, organ="LIVER"),
        ReadLesion(lesion_id="L02", role=Role.TARGET, organ="LYMPH_NODE", node=True),
        ReadLesion(lesion_id="L03", role=Role.NON_TARGET, organ="ADRENAL"),
    )
    return Reads(subject_id="S-1", lesions=known, visits=visits, **more)


def _visit(number: int, *targets: Measurement, **more: Any) -> ReadVisit:
    return ReadVisit(timepoint=number + 2, date=DAY + dt.timedelta(days=56 * number), targets=targets, **more)


def _mm(name: str, value: str, **more: Any) -> Measurement:
    return Measurement(lesions=(name,), form=Form.MM, mm=Decimal(value), **more)


PRESENT = (NonTargetRead(lesion="L03", status=NonTargetStatus.PRESENT),)
BASELINE = _visit(0, _mm("L01", "30.5"), _mm("L02", "16"), nontargets=PRESENT)


def test_records_of_every_form() -> None:
    """A node by its short axis; fragments, a mass, too small, gone, not evaluable; a sum that is complete or not."""
    later = _visit(
        1,
        Measurement(lesions=("L01",), form=Form.PARTS, parts=(Decimal("12.5"), Decimal("6"))),
        Measurement(lesions=("L02",), form=Form.TSTM),
        new=(NewLesionRead(lesion="L04", organ="LUNG", status=NewStatus.EQUIVOCAL, date=DAY + dt.timedelta(days=54)),),
    )
    last = _visit(
        2,
        Measurement(lesions=("L01",), form=Form.ABSENT),
        Measurement(lesions=("L02",), form=Form.NE, reason="blurred"),
    )
    records = _records(_reads(BASELINE, later, last))
    assert [(r["TULNKID"], r["TUSTRESC"], r["TULOC"], r["VISIT"], r["TUDY"]) for r in records.tumours()] == [
        ("L01", "TARGET", "LIVER", "BASELINE", 1),
        ("L02", "TARGET", "LYMPH NODE", "BASELINE", 1),
        ("L03", "NON-TARGET", "ADRENAL GLAND", "BASELINE", 1),
        ("L04", "NEW", "LUNG", "VISIT 3", 57),
    ]
    found = [
        (r["TRLNKID"], r["TRTESTCD"], r["TRORRES"], r["TRSTRESN"], r["TRSTAT"], r["TRREASND"])
        for r in records.results()
    ]
    assert found == [
        ("L01", "LDIAM", "30.5", Decimal("30.5"), "", ""),
        ("L02", "LPERP", "16", Decimal("16"), "", ""),
        ("L03", "TUMSTATE", "PRESENT", None, "", ""),
        ("", "SUMDIAM", "46.5", Decimal("46.5"), "", ""),
        ("L01.1", "LDIAM", "12.5", Decimal("12.5"), "", ""),
        ("L01.2", "LDIAM", "6", Decimal("6"), "", ""),
        ("L02", "LPERP", "TOO SMALL TO MEASURE", Decimal("5"), "", ""),
        ("L04", "TUMSTATE", "EQUIVOCAL", None, "", ""),
        ("", "SUMDIAM", "23.5", Decimal("23.5"), "", ""),
        ("L01", "TUMSTATE", "ABSENT", None, "", ""),
        ("L02", "LPERP", "", None, "NOT DONE", "blurred"),
        ("", "SUMDIAM", "", None, "NOT DONE", "INCOMPLETE"),
    ]
    assert {r["TRDTC"] for r in records.results() if r["TRLNKID"] == "L04"} == {"2024-02-25"}


def test_a_mass_has_one_diameter_and_its_members_none() -> None:
    lesions = tuple(ReadLesion(lesion_id=name, role=Role.TARGET, organ="LIVER") for name in ("L01", "L02"))
    mass = Measurement(lesions=("L01", "L02"), form=Form.MM, mm=Decimal("44"))
    records = _records(_reads(_visit(0, _mm("L01", "20"), _mm("L02", "15")), _visit(1, mass), lesions=lesions))
    found = [(r["TRLNKID"], r["TRORRES"], r["TRREASND"]) for r in records.results() if r["VISIT"] == "VISIT 3"]
    assert found == [("L01", "", "TUMOR MERGED"), ("L02", "", "TUMOR MERGED"), ("L01/L02", "44", ""), ("", "44", "")]


def test_what_was_treated_is_not_done_and_local_progression_is_a_new_lesion() -> None:
    reads = _reads(
        BASELINE,
        _visit(1, _mm("L01", "9"), _mm("L02", "16"), nontargets=BASELINE.nontargets),
        _visit(
            2, _mm("L02", "16"), nontargets=BASELINE.nontargets, sites=(SiteRead(lesion="L01", status=SiteStatus.LTP),)
        ),
        therapies=(LocalTherapy(lesion="L01", method="ABLATION", date=DAY + dt.timedelta(days=10), planned=True),),
    )
    records = _records(reads)
    assert [r["TRREASND"] for r in records.results() if r["TRLNKID"] == "L01"][1:] == ["TREATED"]
    assert [r["TULNKID"] for r in records.tumours()][-1] == "L01-LTP"
    names = ("timepoint", "target", "non_target", "new_lesion", "overall")
    visits = criteria()["recist11"](reads, SETTINGS).visits
    rows = [{name: str(getattr(visit, name)) for name in names} for visit in visits]
    responses = list(records.responses(rows))
    assert [(r["RSTESTCD"], r["RSSTRESC"]) for r in responses] == [
        ("TRGRESP", "NE"),
        ("NTRGRESP", "NON-CR/NON-PD"),
        ("OVRLRESP", "NE"),
        ("TRGRESP", "NE"),
        ("NTRGRESP", "NON-CR/NON-PD"),
        ("NEWLPROG", "UNEQUIVOCAL"),
        ("OVRLRESP", "PD"),
    ]
    assert [str(v.overall) for v in _again(reads).visits] == ["NE", "PD"]


# --- containers -----------------------------------------------------------------------------------------------------

ROWS: list[dict[str, Any]] = [
    {"USUBJID": "=1+1 é", "TRSTRESN": Decimal("30.5"), "TRSTAT": "", "TRDTC": "2024-01-02"},
    {"USUBJID": "S,2", "TRSTRESN": None, "TRSTAT": "NOT DONE", "TRDTC": ""},
]


@pytest.mark.parametrize("container", list(Container))
@pytest.mark.parametrize("rows", [ROWS, ROWS[:0]], ids=["some", "none"])
def test_every_container_comes_back(container: Container, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    variables = tuple(v for v in TR if v.name in ROWS[0])
    data = Dataset(name="TR", label="Tumor Results", variables=variables, records=rows)
    path = write_dataset(data, tmp_path, container)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    domain = read_domain(path, ("USUBJID",), ("TRSTRESN", "TRSTAT", "TRDTC"))
    assert [record for subject in domain.subjects for record in domain.of(subject)] == [_text(row) for row in rows]


def test_a_text_that_transport_cannot_hold_is_refused(tmp_path: Path) -> None:
    data = Dataset(name="TR", label="x", variables=TR, records=[{"TRREASND": "x" * 201}])
    with pytest.raises(TableError, match=r"TR.TRREASND does not fit .*201 bytes"):
        write_dataset(data, tmp_path, Container.XPT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "label"), [("TOOLONGNAME", "x"), ("É", "x"), ("A", "x" * 41)])
def test_variables_fit_transport(name: str, label: str) -> None:
    with pytest.raises(TableError, match="does not fit SAS transport"):
        Variable(name, label)


def test_domains_have_the_variables_that_the_rule_book_asks_for() -> None:
    needed = {
        "TU": "REFID LNKID TESTCD TEST ORRES STRESC LOC METHOD EVAL EVALID ACPTFL DTC DY SEQ",
        "TR": "GRPID LNKGRP LNKID TESTCD TEST ORRES ORRESU STRESC STRESN STRESU STAT REASND METHOD EVAL EVALID DTC SEQ",
        "RS": "SEQ LNKGRP TESTCD TEST CAT ORRES STRESC STAT REASND EVAL EVALID ACPTFL DTC DY",
    }
    for domain, variables in (("TU", TU), ("TR", TR), ("RS", RS)):
        names = {variable.name for variable in variables}
        assert {f"{domain}{word}" for word in needed[domain].split()} | {"VISITNUM", "VISIT"} <= names
        assert [v.name for v in variables][:3] == ["STUDYID", "DOMAIN", "USUBJID"]
