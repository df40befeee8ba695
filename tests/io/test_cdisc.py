"""SDTM in and out: containers, evaluators, visits keyed by date, splits, merges, what was not done."""

from __future__ import annotations

import csv
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from lesiontrack.assess import AssessSettings
from lesiontrack.domain.outcome import Assessment
from lesiontrack.errors import StudyError, TableError
from lesiontrack.io.cdisc import SdtmResult, assess_sdtm, write_rs

TU = ["STUDYID", "USUBJID", "TUTESTCD", "TULNKID", "TUSTRESC", "TULOC", "TUEVAL", "TUEVALID"]
TR_TEXT = [
    "STUDYID", "USUBJID", "TRLNKID", "TRTESTCD", "TRORRES", "TRSTRESC", "TRSTRESU",
    "TRSTAT", "TRREASND", "VISIT", "TRDTC", "TREVAL", "TREVALID", "TRACPTFL",
]  # fmt: skip
TR = [*TR_TEXT, "VISITNUM"]

Row = dict[str, str]


def tu(name: str, role: str = "TARGET", site: str = "LIVER", **more: str) -> Row:
    return {
        "STUDYID": "ST", "USUBJID": "S1", "TUTESTCD": "TUMIDENT", "TULNKID": name, "TUSTRESC": role, "TULOC": site,
        "TUEVAL": "INVESTIGATOR", "TUEVALID": "", **more,
    }  # fmt: skip


def tr(name: str, value: str, day: str, number: str, test: str = "LDIAM", **more: str) -> Row:
    return {
        "STUDYID": "ST", "USUBJID": "S1", "TRLNKID": name, "TRTESTCD": test, "TRORRES": value, "TRSTRESC": value,
        "TRSTRESU": "mm" if test != "TUMSTATE" else "", "TRSTAT": "", "TRREASND": "", "VISITNUM": number,
        "VISIT": f"VISIT {number}", "TRDTC": day, "TREVAL": "INVESTIGATOR", "TREVALID": "", "TRACPTFL": "", **more,
    }  # fmt: skip


def write_csv(path: Path, columns: list[str], rows: list[Row], *, encoding: str = "utf-8") -> None:
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def folder_of(tmp_path: Path, tumours: list[Row], results: list[Row]) -> Path:
    write_csv(tmp_path / "tu.csv", TU, tumours)
    write_csv(tmp_path / "tr.csv", TR, results)
    return tmp_path


def results_of(tmp_path: Path, tumours: list[Row], results: list[Row]) -> list[SdtmResult]:
    return list(assess_sdtm(folder_of(tmp_path, tumours, results), AssessSettings()))


def only(tmp_path: Path, tumours: list[Row], results: list[Row]) -> Assessment:
    found = results_of(tmp_path, tumours, results)
    assert len(found) == 1
    assert found[0].error is None, found[0].error
    assert found[0].assessment is not None
    return found[0].assessment


TWO = [tu("T01"), tu("T02", site="LYMPH NODE")]
BASE = [
    tr("T01", "30", "2024-01-02", "1"),
    tr("T02", "20", "2024-01-02", "1", "LPERP"),
    tr("T02", "25", "2024-01-02", "1", "LDIAM"),
]


def test_a_node_counts_by_its_short_axis(tmp_path: Path) -> None:
    later = [tr("T01", "0", "2024-03-04", "2"), tr("T02", "9.9", "2024-03-04", "2", "LPERP")]
    found = only(tmp_path, TWO, BASE + later)
    assert found.baseline_sum_mm == 50
    assert found.visits[0].overall == "CR"


def test_a_node_without_short_axis_is_not_evaluable_and_diameter_serves_both(tmp_path: Path) -> None:
    later = [tr("T01", "30", "2024-03-04", "2"), tr("T02", "20", "2024-03-04", "2", "LDIAM")]
    assert only(tmp_path, TWO, BASE + later).visits[0].overall == "NE"
    later = [tr("T01", "30", "2024-03-04", "2", "DIAMETER"), tr("T02", "20", "2024-03-04", "2", "DIAMETER")]
    assert only(tmp_path, TWO, BASE + later).visits[0].overall == "SD"


def test_too_small_counts_5_and_not_done_is_missing(tmp_path: Path) -> None:
    small = tr("T01", "5", "2024-03-04", "2", TRORRES="TOO SMALL TO MEASURE")
    found = only(tmp_path, TWO, [*BASE, small, tr("T02", "10", "2024-03-04", "2", "LPERP")])
    assert found.visits[0].sum_mm == 15
    not_done = tr("T01", "", "", "2", TRSTAT="NOT DONE", TRREASND="SCAN NOT PERFORMED")
    found = only(tmp_path, TWO, [*BASE, not_done, tr("T02", "10", "2024-03-04", "2", "LPERP")])
    assert found.visits[0].target == "NE"


def test_centimetres_become_millimetres_exactly(tmp_path: Path) -> None:
    later = tr("T01", "2.1", "2024-03-04", "2", TRSTRESU="cm")
    found = only(tmp_path, [tu("T01")], [tr("T01", "30", "2024-01-02", "1"), later])
    assert str(found.visits[0].sum_mm) == "21.0"
    assert found.visits[0].target == "PR"


def test_fragments_add_up_and_a_mass_has_one_diameter(tmp_path: Path) -> None:
    tumours = [tu("T01"), tu("T02")]
    base = [tr("T01", "30", "2024-01-02", "1"), tr("T02", "20", "2024-01-02", "1")]
    split = [
        tr("T01.1", "12", "2024-03-04", "2"),
        tr("T01.2", "10", "2024-03-04", "2"),
        tr("T02", "18", "2024-03-04", "2"),
    ]
    merged = [
        tr("T01/T02", "44", "2024-04-29", "3"),
        tr("T01", "", "2024-04-29", "3", TRSTAT="NOT DONE", TRREASND="TUMOR MERGED"),
        tr("T02", "", "2024-04-29", "3", TRSTAT="NOT DONE", TRREASND="TUMOR MERGED"),
    ]
    found = only(tmp_path, tumours, base + split + merged)
    assert [visit.sum_mm for visit in found.visits] == [40, 44]


def test_two_dates_under_one_visit_number_are_two_visits_when_a_lesion_has_values_on_both(tmp_path: Path) -> None:
    later = [tr("T01", "20", "2024-03-04", "99"), tr("T01", "29", "2024-05-06", "99")]
    found = only(tmp_path, [tu("T01")], [tr("T01", "30", "2024-01-02", "1"), *later])
    assert [(visit.date.isoformat(), visit.overall) for visit in found.visits] == [
        ("2024-03-04", "PR"),
        ("2024-05-06", "PD"),
    ]


def test_two_scan_days_of_different_lesions_are_one_visit(tmp_path: Path) -> None:
    later = [tr("T01", "40", "2024-03-04", "2"), tr("T02", "30", "2024-03-08", "2", "LPERP")]
    found = only(tmp_path, TWO, BASE + later)
    assert len(found.visits) == 1
    assert found.pd_date is not None and found.pd_date.isoformat() == "2024-03-08"


def test_a_partial_date_is_imputed_after_the_visit_before_and_written_as_recorded(tmp_path: Path) -> None:
    later = [tr("T01", "30", "2024-03-04", "2"), tr("T01", "40", "2024-03", "3"), tr("T01", "41", "2024-06-01", "4")]
    found = only(tmp_path, [tu("T01")], [tr("T01", "30", "2024-01-02", "1"), *later])
    assert [visit.date.isoformat() for visit in found.visits] == ["2024-03-04", "2024-03-05", "2024-06-01"]
    write_rs(assess_sdtm(tmp_path, AssessSettings()), tmp_path / "rs.csv")
    with (tmp_path / "rs.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["RSTESTCD"] == "OVRLRESP"]
    assert [(row["RSDTC"], row["RSDY"]) for row in rows] == [
        ("2024-03-04", "63"),
        ("2024-03", ""),
        ("2024-06-01", "152"),
    ]


def test_new_lesions_and_non_targets(tmp_path: Path) -> None:
    tumours = [tu("T01"), tu("NT01", "NON-TARGET", "LUNG"), tu("NEW01", "NEW", "BONE")]
    base = [tr("T01", "30", "2024-01-02", "1"), tr("NT01", "PRESENT", "2024-01-02", "1", "TUMSTATE")]
    later = [
        tr("T01", "30", "2024-03-04", "2"),
        tr("NT01", "PRESENT", "2024-03-04", "2", "TUMSTATE"),
        tr("NEW01", "EQUIVOCAL", "2024-03-04", "2", "TUMSTATE"),
        tr("T01", "30", "2024-04-29", "3"),
        tr("NT01", "UNEQUIVOCAL INCREASE", "2024-04-29", "3", "TUMSTATE"),
        tr("NEW01", "UNEQUIVOCAL", "2024-04-29", "3", "TUMSTATE"),
    ]
    found = only(tmp_path, tumours, base + later)
    assert [(v.non_target, v.new_lesion, v.overall) for v in found.visits] == [
        ("NON-CR/NON-PD", "EQUIVOCAL", "SD"),
        ("PD", "YES", "PD"),
    ]
    assert found.pd_date is not None and found.pd_date.isoformat() == "2024-03-04"


def test_each_evaluator_is_assessed_by_himself(tmp_path: Path) -> None:
    tumours = [tu("T01"), tu("T01", TUEVAL="INDEPENDENT ASSESSOR", TUEVALID="R1")]
    other = {"TREVAL": "INDEPENDENT ASSESSOR", "TREVALID": "R1", "TRACPTFL": "Y"}
    rows = [
        tr("T01", "30", "2024-01-02", "1"),
        tr("T01", "30", "2024-01-02", "1", **other),
        tr("T01", "20", "2024-03-04", "2"),
        tr("T01", "29", "2024-03-04", "2", **other),
    ]
    folder = folder_of(tmp_path, tumours, rows)
    n_records, failed = write_rs(assess_sdtm(folder, AssessSettings()), tmp_path / "rs.csv")
    assert (n_records, failed) == (4, ())
    with (tmp_path / "rs.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    overall = {
        (r["RSEVAL"], r["RSEVALID"]): (r["RSSTRESC"], r["RSACPTFL"]) for r in written if r["RSTESTCD"] == "OVRLRESP"
    }
    assert overall == {("INVESTIGATOR", ""): ("PR", ""), ("INDEPENDENT ASSESSOR", "R1"): ("SD", "Y")}
    assert [row["RSSEQ"] for row in written] == ["1", "2", "3", "4"]


def test_a_bad_record_names_subject_visit_and_field_and_the_others_go_on(tmp_path: Path) -> None:
    bad = [
        ("12,5", "decimal comma"),
        ("-3", "negative"),
        ("large", "no number"),
    ]
    for text, said in bad:
        rows = [*BASE, tr("T01", text, "2024-03-04", "2")]
        other = [{**tu("T01"), "USUBJID": "S2"}]
        other_rows = [
            {**tr("T01", "30", "2024-01-02", "1"), "USUBJID": "S2"},
            {**tr("T01", "20", "2024-03-04", "2"), "USUBJID": "S2"},
        ]
        found = results_of(tmp_path, TWO + other, rows + other_rows)
        assert found[0].error is not None and found[1].error is None
        for words in ("subject S1", "VISIT 2", "LDIAM of T01", said):
            assert words in str(found[0].error)


@pytest.mark.parametrize(
    ("tumours", "results", "said"),
    [
        ([tu("T01", "INDEX")], BASE[:1], "TUSTRESC of T01 is unknown"),
        ([tu("T01"), tu("T01", "NON-TARGET")], BASE[:1], "identifies two lesions"),
        ([tu("T01")], [tr("T01", "30", "2.1.24", "1")], "TRDTC is no date"),
        ([tu("T01")], [tr("T01", "30", "", "1")], "TRDTC is empty"),
        ([tu("T01")], [tr("T01", "30", "2024-01-02", "1", TRSTRESU="inch")], "unit is unknown"),
        ([tu("N1", "NON-TARGET")], [tr("N1", "BIGGER", "2024-01-02", "1", "TUMSTATE")], "TUMSTATE of N1 is unknown"),
        ([tu("T01")], [], "no results in TR"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, tumours: list[Row], results: list[Row], said: str) -> None:
    found = results_of(tmp_path, tumours, results)
    assert [said in str(result.error) for result in found] == [True]


def test_the_same_from_csv_with_a_byte_order_mark_from_dataset_json_and_from_transport(tmp_path: Path) -> None:
    later = [tr("T01", "20.5", "2024-03-04", "2"), tr("T02", "9.9", "2024-03-04", "2", "LPERP")]
    rows = BASE + later
    writers: dict[str, Any] = {
        "bom": lambda path, columns, data: write_csv(path.with_suffix(".csv"), columns, data, encoding="utf-8-sig"),
        "json": write_dataset_json,
        "old json": write_dataset_json_1_0,
        "ndjson": write_ndjson,
        "xpt": write_xpt,
    }
    for name, write in writers.items():
        folder = tmp_path / name
        folder.mkdir()
        write(folder / "tu", TU, TWO)
        write(folder / "tr", TR, rows)
        found = list(assess_sdtm(folder, AssessSettings()))
        assert [(r.error, r.assessment and str(r.assessment.visits[0].sum_mm)) for r in found] == [(None, "30.4")], name


def write_dataset_json(path: Path, columns: list[str], rows: list[Row]) -> None:
    document = {
        "datasetJSONVersion": "1.1.0",
        "name": path.name.upper(),
        "columns": [{"itemOID": f"IT.{name}", "name": name, "dataType": "string"} for name in columns],
        "rows": [[row.get(name) for name in columns] for row in rows],
    }
    path.with_suffix(".json").write_text(json.dumps(document))


def write_dataset_json_1_0(path: Path, columns: list[str], rows: list[Row]) -> None:
    items = [{"OID": f"IT.{name}", "name": name} for name in columns]
    data = [[row.get(name) for name in columns] for row in rows]
    document = {"clinicalData": {"itemGroupData": {"IG.X": {"items": items, "itemData": data}}}}
    path.with_suffix(".json").write_text(json.dumps(document))


def write_ndjson(path: Path, columns: list[str], rows: list[Row]) -> None:
    lines = [json.dumps({"columns": [{"name": name} for name in columns]})]
    lines += [json.dumps([row.get(name) for name in columns]) for row in rows]
    path.with_suffix(".ndjson").write_text("\n".join(lines) + "\n")


def _ibm(number: float) -> bytes:
    """Return a number as an IBM 370 double, which SAS transport files hold."""
    if number == 0:
        return bytes(8)
    exponent = 64
    while number >= 1:
        number /= 16
        exponent += 1
    while number < 1 / 16:
        number *= 16
        exponent -= 1
    return struct.pack(">BQ", exponent, int(number * 2**56))[:1] + int(number * 2**56).to_bytes(7, "big")


def write_xpt(path: Path, columns: list[str], rows: list[Row]) -> None:
    """Write a SAS version 5 transport file: text of 40 bytes, VISITNUM as a number."""
    head = b"HEADER RECORD*******%s HEADER RECORD!!!!!!!%s  "
    stamp = b"01JAN24:00:00:00"
    text = bytearray(head % (b"LIBRARY", b"0" * 30))
    text += b"SAS     SAS     SASLIB  9.4     X64" + b" " * 29 + stamp
    text += stamp.ljust(80)
    text += head % (b"MEMBER ", b"000000000000000001600000000140")
    text += head % (b"DSCRPTR", b"0" * 30)
    text += b"SAS     " + path.name.upper().encode().ljust(8) + b"SASDATA 9.4     X64".ljust(48) + stamp
    text += stamp.ljust(80)
    text += head % (b"NAMESTR", b"000000%04d00000000000000000000" % len(columns))
    place, names = 0, bytearray()
    for number, name in enumerate(columns, start=1):
        numeric = name == "VISITNUM"
        length = 8 if numeric else 40
        names += struct.pack(
            ">hhhh8s40s8shhh2s8shhl52s", 1 if numeric else 2, 0, length, number, name.encode().ljust(8),
            name.encode().ljust(40), b" " * 8, 0, 0, 0, b"\0\0", b" " * 8, 0, 0, place, b"\0" * 52,
        )  # fmt: skip
        place += length
    text += names.ljust(-(-len(names) // 80) * 80)
    text += head % (b"OBS    ", b"0" * 30)
    data = bytearray()
    for row in rows:
        for name in columns:
            data += _ibm(float(row[name])) if name == "VISITNUM" else row[name].encode().ljust(40)
    text += data.ljust(-(-len(data) // 80) * 80)
    path.with_suffix(".xpt").write_bytes(bytes(text))


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no domain TU"):
        list(assess_sdtm(tmp_path, AssessSettings()))
    write_csv(tmp_path / "tu.csv", TU, TWO)
    with pytest.raises(StudyError, match="no domain TR"):
        list(assess_sdtm(tmp_path, AssessSettings()))
    (tmp_path / "tr.csv").write_text("USUBJID;TRLNKID\nS1;T01\n")
    with pytest.raises(TableError, match="semicolon"):
        list(assess_sdtm(tmp_path, AssessSettings()))
    write_csv(tmp_path / "TR.CSV", TR, BASE)
    with pytest.raises(StudyError, match="several files"):
        list(assess_sdtm(tmp_path, AssessSettings()))


@pytest.mark.parametrize("name", ["tr.json", "tr.ndjson", "tr.xpt", "tr.csv"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    write_csv(tmp_path / "tu.csv", TU, TWO)
    (tmp_path / name).write_bytes(b'{"rows": 1}' if name != "tr.csv" else b"\xff\xfe\x00")
    with pytest.raises(TableError):
        list(assess_sdtm(tmp_path, AssessSettings()))


# --- a new lesion that only TU knows ----------------------------------------------------------------------------------

FOLLOWED = [tr("T01", "30", "2024-01-02", "1"), tr("T01", "30", "2024-03-04", "2"), tr("T01", "30", "2024-04-29", "3")]


@pytest.mark.parametrize(
    ("identified", "date"),
    [
        ({"VISITNUM": "2", "TUDTC": "2024-03-04"}, "2024-03-04"),
        ({"VISITNUM": "2", "TUDTC": "2024-03-02"}, "2024-03-02"),
        ({"VISITNUM": "2", "TUDTC": ""}, "2024-03-04"),
        ({"VISITNUM": "", "TUDTC": "2024-03-04"}, "2024-03-04"),
        ({"VISITNUM": "2", "TUDTC": "2024-03"}, "2024-03-04"),
    ],
)
def test_a_new_lesion_without_results_is_progression_where_it_was_identified(
    tmp_path: Path, identified: dict[str, str], date: str
) -> None:
    new = {**tu("NEW01", "NEW", "BONE"), **identified}
    write_csv(tmp_path / "tu.csv", [*TU, "VISITNUM", "TUDTC"], [tu("T01"), new])
    write_csv(tmp_path / "tr.csv", TR, FOLLOWED)
    (result,) = assess_sdtm(tmp_path, AssessSettings())
    found = result.assessment
    assert found is not None
    assert [visit.overall for visit in found.visits] == ["PD", "SD"]
    assert (str(found.pd_date), found.pd_site, found.pd_reasons) == (date, "EXTRAHEPATIC", ("NEW",))


def test_a_new_lesion_of_a_visit_without_results_is_no_silence(tmp_path: Path) -> None:
    new = {**tu("NEW01", "NEW", "BONE"), "VISITNUM": "9", "TUDTC": "2024-06-24"}
    write_csv(tmp_path / "tu.csv", [*TU, "VISITNUM", "TUDTC"], [tu("T01"), new])
    write_csv(tmp_path / "tr.csv", TR, FOLLOWED)
    (result,) = assess_sdtm(tmp_path, AssessSettings())
    assert "subject S1, visit 9: new lesion NEW01 of TU has no results in TR" in str(result.error)


def test_of_two_days_under_one_visit_number_the_day_decides(tmp_path: Path) -> None:
    new = {**tu("NEW01", "NEW", "BONE"), "VISITNUM": "2", "TUDTC": "2024-03-20"}
    write_csv(tmp_path / "tu.csv", [*TU, "VISITNUM", "TUDTC"], [tu("T01"), new])
    write_csv(tmp_path / "tr.csv", TR, [*FOLLOWED, tr("T01", "30", "2024-03-20", "2")])
    (result,) = assess_sdtm(tmp_path, AssessSettings())
    assert result.assessment is not None
    assert [visit.overall for visit in result.assessment.visits] == ["SD", "PD", "SD"]
