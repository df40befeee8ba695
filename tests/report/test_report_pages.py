"""The pages against the tables that they are made from."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from lesiontrack.errors import SettingsError
from lesiontrack.io.store import read_table, safe_name
from lesiontrack.report import write_report
from lesiontrack.report.source import page_of

HOSTILE = "<script>alert('x')</script>&\"/../=HYPERLINK(1)"
MAX_PAGE_BYTES = 6_000_000

Make = Callable[..., Path]
Parse = Callable[[Path], Any]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, make_result: Make, full: Any, statistics: dict[str, Any]) -> Path:
    """Return a result folder of four subjects, with its report: full, hostile id, without lesions, failed."""
    folder: Path = tmp_path_factory.mktemp("result") / "out"
    bare: dict[str, list[dict[str, Any]]] = {name: [] for name in full("EMPTY")[0]}
    bare["subjects"] = [{"subject_id": "EMPTY", "arm": "CHEMO", "count_eligible": "NO", "provisional": False}]
    bare["timepoints"] = [
        {"subject_id": "EMPTY", "timepoint": 0, "date": "2020-01-06", "phase": "INDUCTION", "usable": True}
    ]
    evidence = {
        "rule": "first documented progression",
        "response": {"phase": "STUDY", "rules": "recist11-local", "reader": "machine", "timepoint": 5},
        "lesions": ["L16"],
    }
    extra = {
        "events": [
            {
                "subject_id": "CRLM-001",
                "arm": "LOCAL",
                "endpoint": "PFS",
                "rules": "recist11-local",
                "reader": "machine",
                "start_date": dt.date(2020, 4, 1),
                "date": dt.date(2020, 11, 23),
                "time_days": 236,
                "left_days": 180,
                "right_days": 236,
                "status": 1,
                "cause": "HEPATIC",
                "reason": "PD",
                "evidence": evidence,
            },
            {"subject_id": "CRLM-001", "endpoint": "OS", "reason": "NO_DIAGNOSIS", "evidence": {"rule": "not derived"}},
        ],
        "failures": [
            _failure("FAILED", "ERROR", "subject FAILED, file a/b.dcm: slice 12 is missing", file="a/b.dcm"),
            _failure("CRLM-001", "WARNING", "a SEG references nothing <b>", timepoint=3),
            _failure(None, "WARNING", "no series at all", file="stray.dcm"),
        ],
    }
    cases = {"CRLM-001": full("CRLM-001"), HOSTILE: full(HOSTILE, arm="<i>CHEMO</i>", lesions=4), "EMPTY": (bare, [])}
    settings = "[events]\nassume_extrahepatic_imaged = false\n\n[assess]\nmin_sd_days = 49\n"
    make_result(folder, cases, extra=extra, statistics=statistics, settings=settings)
    write_report(folder)
    return folder


def _failure(subject_id: str | None, severity: str, message: str, **more: object) -> dict[str, object]:
    row = {"subject_id": subject_id, "stage": "read", "severity": severity, "error": "ImageError", "message": message}
    return {**row, **more}


def _page(out: Path, subject_id: str) -> Path:
    return out / "report" / page_of(subject_id)[0]


def test_every_subject_that_any_table_names_has_a_page(out: Path) -> None:
    """Also one that only failed."""
    names = {path.name for path in (out / "report").iterdir()}
    assert names == {"index.html", *(page_of(i)[0] for i in ("CRLM-001", HOSTILE, "EMPTY", "FAILED"))}


# --- self-contained, well-formed, safe -------------------------------------------------------------------------------


def test_pages_are_well_formed_and_every_link_leads_somewhere(out: Path, parse: Parse) -> None:
    """Tags balance, no id occurs twice, every anchor exists, here or on the page that the link names."""
    pages = {path.name: parse(path) for path in (out / "report").glob("*.html")}
    for name, page in pages.items():
        assert page.faults == [], name
        assert len(page.ids) == len(set(page.ids)), name
        for link in page.links:
            target, _, anchor = link.partition("#")
            there = pages[unquote(target)] if target else page
            assert not anchor or anchor in there.ids, f"{name}: {link}"


def test_pages_need_nothing_from_outside(out: Path, parse: Parse) -> None:
    """No address but data and neighbouring pages, and none in styles or scripts."""
    for path in (out / "report").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"(?<!xmlns=\")https?://", text), path.name
        assert not re.findall(r"@import|url\(|fetch\(|XMLHttpRequest", text), path.name
        page = parse(path)
        assert all(source.startswith("data:image/") for source in page.sources), path.name


def test_hostile_ids_and_messages_are_only_text(out: Path, parse: Parse) -> None:
    """An id or message with HTML in it makes no element; each page has its own script and no other."""
    for path in (out / "report").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert "<i>CHEMO" not in text
        assert "nothing <b>" not in text
        assert parse(path).scripts == 1
    index = parse(out / "report" / "index.html")
    assert HOSTILE in index.text
    assert "<i>CHEMO</i>" in index.text
    assert "/" not in page_of(HOSTILE)[0]


def test_the_same_folder_gives_the_same_bytes(out: Path) -> None:
    """Nothing in a page depends on the day or on the order of a set."""
    before = {path.name: path.read_bytes() for path in (out / "report").iterdir()}
    write_report(out)
    assert {path.name: path.read_bytes() for path in (out / "report").iterdir()} == before


def test_a_page_of_16_lesions_and_6_visits_is_small(out: Path) -> None:
    """It can be sent by mail."""
    assert 100_000 < _page(out, "CRLM-001").stat().st_size < MAX_PAGE_BYTES


def test_pages_of_subjects_that_are_gone_are_removed(tmp_path: Path, make_result: Make, full: Any) -> None:
    """No page outlives its subject."""
    folder = make_result(tmp_path / "out", {"A": full("A", lesions=3)})
    write_report(folder)
    assert _page(folder, "A").is_file()
    make_result(folder, {"B": full("B", lesions=3)})
    write_report(folder)
    assert sorted(path.name for path in (folder / "report").iterdir()) == ["B.html", "index.html"]


def test_a_subject_named_index_does_not_overwrite_the_index() -> None:
    """Not even where the file system ignores case."""
    names = [page_of(name)[0].lower() for name in ("INDEX", "index", "Index")]
    assert "index.html" not in names
    assert len(set(names)) == 3
    assert page_of("A%B.C")[0] == f"{safe_name('A%B.C')}.html"


# --- the index -------------------------------------------------------------------------------------------------------


def test_the_index_counts_what_the_table_of_subjects_holds(out: Path, parse: Parse) -> None:
    """Counts by arm and their shares, the failed subject among them as without arm."""
    index = parse(out / "report" / "index.html")
    subjects = read_table(out / "cohort", "subjects")
    hepatic = int((subjects["pd_site"] == "HEPATIC").sum())
    assert (len(subjects), hepatic) == (3, 2)
    # Arms in order: <i>CHEMO</i>, CHEMO, LOCAL, no arm; the last pair of cells is the whole cohort.
    assert index.cells("hepatic") == [
        ["hepatic", "1", "100.0 %", "0", "0.0 %", "1", "100.0 %", "0", "0.0 %", "2", "50.0 %"]
    ]
    assert index.cells("none seen") == []
    assert [row[-2:] for row in index.cells("no")] == [["1", "25.0 %"]]
    assert "2 of 3 judged subjects rest on findings of the machine" in index.text


def test_statistics_are_those_of_the_summary(out: Path, parse: Parse) -> None:
    """Medians, rates with intervals, p values; what was not reached or left out is said."""
    index = parse(out / "report" / "index.html")
    rows = {tuple(row) for _, row in index.rows}
    os_chemo = ("CHEMO", "40", "20", "", "1500", "301 to not reached", "49.3", "41.2", "30.1\u201351.2", "12", "1700")
    os_local = ("LOCAL", "38", "19", "", "", "", "", "41.2", "30.1\u201351.2", "12", "1700")
    hepatic = ("CHEMO", "40", "12", "3", "", "", "", "41.2", "30.1\u201351.2", "12", "900")
    ema = ("CHEMO", "9", "4", "", "210.5", "301 to not reached", "6.9", "41.2", "30.1\u201351.2", "12", "1700")
    assert {os_chemo, os_local, hepatic, ema} <= rows
    text = " ".join(index.text.split())
    assert "OS; rate: survival at 5 years; log-rank test p = 0.008; hazard ratio 0.67 (0.45\u20130.99), LOCAL" in text
    assert "1 left out: 1 no diagnosis date" in text
    assert "HEPATIC_PD; rate: cumulative incidence at 5 years; Gray test p = 0.071" in text
    assert "EXTRAHEPATIC_PD; rate: event-free, since no competing event occurred, at 5 years" in text
    assert "LOCAL: median: not reached" in text


def test_the_curves_are_in_the_page(out: Path) -> None:
    """The figure's own bytes, as an image of their own."""
    import base64

    svg = base64.b64encode((out / "endpoints" / "OS_km.svg").read_bytes()).decode()
    text = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert f'src="data:image/svg+xml;base64,{svg}"' in text


def test_failures_come_first_and_errors_before_warnings(out: Path, parse: Parse) -> None:
    """Each once, without repeating what stands beside it; the stray one has no subject."""
    index = parse(out / "report" / "index.html")
    text = index.text
    assert text.index("Failures") < text.index("1 error and 2 warnings.") < text.index("Provisional.")
    assert text.index("slice 12 is missing") < text.index("a SEG references nothing <b>")
    assert index.cells("FAILED")[0][1:4] == ["", "error", "read"]
    assert "subject FAILED, file" not in text
    assert index.cells("none")[0][4].startswith("no series at all")


def test_the_worklist_is_sorted_by_what_needs_attention(out: Path, parse: Parse) -> None:
    """Errors, then warnings, then lesions to review; the row tells what the tables hold."""
    index = parse(out / "report" / "index.html")
    rows = [[" ".join(cell.split()) for cell in row] for _, row in index.rows if len(row) == 13]
    assert [row[0] for row in rows[1:]] == ["FAILED", "CRLM-001", HOSTILE, "EMPTY"]
    row = rows[2]
    assert row[1:12] == [
        "LOCAL",
        "14 (12\u201315)",
        "YES",
        "YES",
        "SD",
        "2020-11-23",
        "hepatic",
        "intrahepatic new, growth",
        "",
        "2",
        "1",
    ]
    assert row[12] == "1 warning"


def test_assumptions_and_changed_settings_are_stated(out: Path, parse: Parse) -> None:
    """Both changed settings with value and default, and no other."""
    index = parse(out / "report" / "index.html")
    assert "assume_extrahepatic_imaged = false" in index.text
    assert index.cells("events.assume_extrahepatic_imaged")[0][1:3] == ["false", "true"]
    assert index.cells("assess.min_sd_days")[0][1:3] == ["49", "42"]
    assert sum(row[0].startswith(("assess.", "events.", "link.")) for _, row in index.rows if row) == 2


# --- a subject's page ------------------------------------------------------------------------------------------------


def test_the_verdict_says_when_where_and_why(out: Path, parse: Parse) -> None:
    """Date, site, lesions and sums of the progression."""
    text = " ".join(parse(_page(out, "CRLM-001")).text.split())
    assert "Progression on 2020-11-23: hepatic" in text
    assert (
        "Visit 5: new lesion L16; growth of the target lesions L14, L15, sum 58.3 mm "
        "(+21.2 mm, +57.1 % over the nadir of 37.1 mm) (hepatic subtype: intrahepatic new, growth)."
    ) in text


def test_every_response_is_shown_with_its_own_numbers(out: Path, parse: Parse) -> None:
    """Sum and exact changes of each row of the table of responses, in the order of courses."""
    page = parse(_page(out, "CRLM-001"))
    data = read_table(out / "cohort", "responses")
    data = data[data["subject_id"] == "CRLM-001"]
    shown = {anchor: page.row(anchor) for anchor, _ in page.rows if anchor.startswith("verdict-")}
    order = [
        ("STUDY", "recist11-local"),
        ("STUDY", "recist11"),
        ("INDUCTION", "recist11-local"),
        ("INDUCTION", "recist11"),
    ]
    for row in data.to_dict("records"):
        cells = shown[f"verdict-{order.index((row['phase'], row['rules']))}-{row['timepoint']}"]
        now, base, nadir = (Decimal(repr(row[f"{name}sum_mm"])) for name in ("", "baseline_", "nadir_"))
        assert cells[:2] == [str(row["timepoint"]), row["date"]]
        assert cells[2:6] == [row["target"], row["non_target"], row["new_lesion"].lower(), row["overall"]]
        assert Decimal(cells[6]) == now
        numbers = [Decimal(cell.replace("\u2212", "-")) for cell in cells[7:10]]
        assert abs(numbers[0] - 100 * (now - base) / base) <= Decimal("0.05")
        assert abs(numbers[1] - 100 * (now - nadir) / nadir) <= Decimal("0.05")
        assert numbers[2] == now - nadir
    assert shown["verdict-0-1"][2] == "baseline"
    assert Decimal(shown["verdict-0-1"][3]) == Decimal("42.4")


def test_reasons_are_sentences_with_links_to_the_lesions(out: Path, parse: Parse) -> None:
    """Each reason of the table stands on the page, and rule sets that differ say where."""
    text = " ".join(parse(_page(out, "CRLM-001")).text.split())
    responses = read_table(out / "cohort", "responses")
    for cell in responses[responses["subject_id"] == "CRLM-001"]["reasons"]:
        assert all(reason["sentence"] in text for reason in json.loads(cell))
    assert "treated site L03: no viable tumour" in text
    assert "visit 4: NE instead of SD" in text
    html = _page(out, "CRLM-001").read_text(encoding="utf-8")
    assert 'the sum is 58.3 mm [<a href="#cell-13-5">L14</a>, <a href="#cell-14-5">L15</a>]' in html


def test_every_lesion_is_shown_with_its_own_lengths(out: Path, parse: Parse) -> None:
    """Longest diameter and short axis at every visit; the change is of the length that counts."""
    page = parse(_page(out, "CRLM-001"))
    lesions = read_table(out / "cohort", "lesions")
    lesions = lesions[lesions["subject_id"] == "CRLM-001"]
    for row in lesions.to_dict("records"):
        cells = page.row(f"track-{int(row['track_id'][1:]) - 1}")
        shown = cells[1 + row["timepoint"]]
        lengths = re.search(r"(\S+) × (\S+) mm", shown)
        assert lengths is not None, shown
        assert [float(n) for n in lengths.groups()] == [row["longest_diameter_mm"], row["short_axis_mm"]]
    for name, rows in lesions.groupby("track_id"):
        node = name == "L02"
        lengths_mm = dict(zip(rows["timepoint"], rows["short_axis_mm" if node else "longest_diameter_mm"], strict=True))
        cells = page.row(f"track-{int(str(name)[1:]) - 1}")
        for timepoint, length_mm in lengths_mm.items():
            shown_change = re.search(r"mm (\S+) %", cells[1 + timepoint])
            before_mm = lengths_mm.get(timepoint - 1)
            assert (shown_change is None) == (before_mm is None)
            if shown_change is not None and before_mm is not None:
                change = float(shown_change[1].replace("\u2212", "-"))
                assert change == pytest.approx(100 * (length_mm / before_mm - 1), abs=0.051)
    assert page.row("track-1")[2].endswith("11.2 × 7.8 mm \u221220.4 % link 0.97")
    assert page.row("track-2")[5].endswith("treated site: no viable tumour")
    assert page.row("track-15")[1] == "not yet seen"
    assert page.row("track-15")[6].endswith("new")
    assert "needs review not seen at visit 4" in page.row("track-2")[0]


def test_each_lesion_and_place_has_its_picture(out: Path) -> None:
    """One picture for each lesion, place and slice, and the ring where a lesion is gone."""
    text = _page(out, "CRLM-001").read_text(encoding="utf-8")
    lesions = read_table(out / "cohort", "lesions")
    lesions = lesions[lesions["subject_id"] == "CRLM-001"]
    for row in lesions.to_dict("records"):
        assert f"<title>{row['track_id']} at visit {row['timepoint']}, {row['longest_diameter_mm']} mm</title>" in text
    assert text.count("<title>Place of L03 at visit") == 2
    assert text.count('<svg class="picture"') == len(lesions) + 2 + 18
    assert text.count('<circle class="pic-line"') >= 2


def test_endpoints_link_to_their_evidence(out: Path, parse: Parse) -> None:
    """A derived time leads to the verdict that made it; an underivable one says why."""
    page = parse(_page(out, "CRLM-001"))
    row = page.cells("PFS")[0]
    assert row[1:8] == ["2020-04-01", "2020-11-23", "236", "7.8", "event", "hepatic", "PD"]
    told, _, trace = row[8].partition(" where it comes from")
    assert told == "first documented progression. Lesions L16. Between days (180, 236]."
    assert "visit 5 2020-11-23, 30.8 x 21.6 mm, PRESENT, 1.2.5.16" in trace
    assert '<a href="#verdict-0-5">2020-11-23</a>' in _page(out, "CRLM-001").read_text(encoding="utf-8")
    assert page.cells("OS")[0][5:8] == ["not derived", "", "NO_DIAGNOSIS"]


def test_a_subject_without_lesions_says_so_and_invents_nothing(out: Path, parse: Parse) -> None:
    """No verdict, no chart, no matrix; the visit is listed."""
    page = parse(_page(out, "EMPTY"))
    assert "Response in the study phase not assessed" in page.text
    assert "Lesions by visit" not in page.text
    assert "visit-0" in page.ids
    assert "0 lesions followed" in page.text


def test_a_failed_subject_shows_its_failure(out: Path, parse: Parse) -> None:
    """The message is the verdict."""
    text = parse(_page(out, "FAILED")).text
    assert "Not processed" in text
    assert "slice 12 is missing" in text


# --- folders with little in them -------------------------------------------------------------------------------------


def test_an_empty_cohort_has_a_report(tmp_path: Path, make_result: Make, parse: Parse) -> None:
    """Without subjects and statistics the index says so."""
    index = parse(write_report(make_result(tmp_path / "out", {})))
    assert index.faults == []
    assert "There is no subject in this result folder." in index.text
    assert "No endpoint was analysed." in index.text


def test_a_folder_without_anything_has_a_report(tmp_path: Path, parse: Parse) -> None:
    """Absent tables and documents count as empty."""
    index = parse(write_report(tmp_path))
    assert index.faults == []
    assert "Every setting has its default." in index.text


def test_damaged_settings_are_named(tmp_path: Path, make_result: Make) -> None:
    """A report never tells settings that were not in force."""
    folder = make_result(tmp_path / "out", {}, settings="[assess]\nno_such_setting = 1\n")
    with pytest.raises(SettingsError, match="no_such_setting"):
        write_report(folder)
