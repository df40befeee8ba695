"""Two readers with planted differences, from the command line: what is listed and measured is what was planted."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lesiontrack.batch import adjudicate_readings, assess_reads
from lesiontrack.batch.readings import reassembled
from lesiontrack.errors import LesiontrackError
from lesiontrack.io.choices import stored_choices
from lesiontrack.io.clinical import read_clinical
from lesiontrack.io.store import read_table, write_text
from lesiontrack.settings import load_settings
from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.events import derive
from lesiontrack.tables import COHORT_TABLES
from tests.running import lesiontrack

TU = ("STUDYID", "USUBJID", "TUTESTCD", "TULNKID", "TUSTRESC", "TULOC", "TUEVAL", "TUEVALID")
TR = (
    *("STUDYID", "USUBJID", "TRLNKID", "TRTESTCD", "TRORRES", "TRSTRESC", "TRSTRESU", "TRSTAT", "TRREASND"),
    *("VISITNUM", "VISIT", "TRDTC", "TREVAL", "TREVALID", "TRACPTFL"),
)
DAYS = ("2024-01-02", "2024-03-04", "2024-04-29", "2024-06-24")
# Liver and lung lesion at baseline and three visits, mm.
STABLE = ((30, 30, 30, 30), (20, 20, 20, 20))
SHRINKS = ((30, 18, 16, 16), (20, 12, 12, 12))
GROWS = ((30, 30, 30, 45), (20, 20, 20, 20))
SUBJECTS = {f"S{n:02d}": (STABLE, SHRINKS, GROWS)[n % 3] for n in range(1, 22)}
# What the second reader has that the first has not: subject -> lesions, or a new lesion at the last visit.
PLANTED: dict[str, Any] = {
    "S02": ((30, 30, 45, 45), (20, 20, 20, 20)),  # progression one visit earlier
    "S05": ((30, 30, 30, 30), (20, 20, 20, 35)),  # the same date, in the lung
    "S09": ((30, 30, 22, 30), (20, 20, 12, 20)),  # a partial response that was none, and progression from it
    "S12": "NEW",  # a new lesion in the bone
    "S15": ((30, 31, 30, 30), (20, 20, 21, 20)),  # sums that differ and categories that do not
}
FIRST, SECOND = "R1", "R2"


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _reads(folder: Path, planted: dict[str, Any]) -> Path:
    """Write TU and TR of two evaluators: both as SUBJECTS has it, the second with what is planted."""
    folder.mkdir(exist_ok=True)
    tumours, results = [], []
    for subject, sizes in SUBJECTS.items():
        for reader in (FIRST, SECOND):
            own = planted.get(subject, sizes) if reader == SECOND else sizes
            plain = {"STUDYID": "ST", "USUBJID": subject}
            evaluator = {"TREVAL": "INDEPENDENT ASSESSOR", "TREVALID": reader}
            lesions = sizes if own == "NEW" else own
            new = (("N01", "BONE", "NEW"),) if own == "NEW" else ()
            sites = (("T01", "LIVER", "TARGET"), ("T02", "LUNG", "TARGET"), *new)
            tumours += [
                {**plain, "TUTESTCD": "TUMIDENT", "TULNKID": name, "TUSTRESC": role, "TULOC": site}
                | {"TUEVAL": "INDEPENDENT ASSESSOR", "TUEVALID": reader}
                for name, site, role in sites
            ]
            for number, day in enumerate(DAYS):
                where = {**plain, **evaluator, "VISITNUM": str(number + 1), "VISIT": f"V{number}", "TRDTC": day}
                for (name, *_), mm in zip(sites, (one[number] for one in lesions), strict=False):
                    value = {"TRTESTCD": "LDIAM", "TRORRES": str(mm), "TRSTRESC": str(mm), "TRSTRESU": "mm"}
                    results.append({**where, **value, "TRLNKID": name})
            if own == "NEW":
                value = {"TRTESTCD": "TUMSTATE", "TRORRES": "UNEQUIVOCAL", "TRSTRESC": "UNEQUIVOCAL"}
                results.append({**where, **value, "TRLNKID": "N01"})
    _write(folder / "tu.csv", TU, tumours)
    _write(folder / "tr.csv", TR, results)
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the result of reads that two evaluators made, compared."""
    folder = tmp_path_factory.mktemp("two")
    done = lesiontrack("assess", _reads(folder / "reads", PLANTED), "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def said(judged: Path) -> str:
    done = lesiontrack("adjudicate", judged)
    assert done.returncode == 0, done.stderr
    return done.stdout


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _listed(out: Path) -> dict[tuple[str, str], dict[str, str]]:
    rows = records(read_table(out / "cohort", "discordances"))
    return {(row["subject_id"], row["item"]): json.loads(row["readings"]) for row in rows}


def test_the_list_is_what_was_planted(judged: Path, said: str) -> None:
    d = DAYS
    assert _listed(judged) == {
        ("S02", "pd_date"): {FIRST: d[3], SECOND: d[2]},
        ("S02", f"category@{d[2]}"): {FIRST: "SD", SECOND: "PD"},
        ("S05", "pd_site"): {FIRST: "HEPATIC", SECOND: "EXTRAHEPATIC"},
        ("S09", "pd_date"): {FIRST: "no PD", SECOND: d[3]},
        ("S09", f"category@{d[2]}"): {FIRST: "SD", SECOND: "PR"},
        ("S09", f"category@{d[3]}"): {FIRST: "SD", SECOND: "PD"},
        ("S12", "pd_date"): {FIRST: "no PD", SECOND: d[3]},
        ("S12", f"category@{d[3]}"): {FIRST: "SD", SECOND: "PD"},
        ("S12", f"new_lesion@{d[3]}"): {FIRST: "NO", SECOND: "YES"},
    }
    assert "21 subjects read by two readers or more, 4 with discordances" in said
    assert f"category@{d[2]}" in said
    assert f"{FIRST} SD | {SECOND} PD" in said
    assert "sum 65.0 mm" in said


def _kappa(pairs: Counter[tuple[str, str]]) -> float:
    """Cohen's kappa by hand."""
    n = sum(pairs.values())
    alike = sum(count for (a, b), count in pairs.items() if a == b) / n
    names = {name for pair in pairs for name in pair}
    first = {name: sum(c for (a, _), c in pairs.items() if a == name) / n for name in names}
    second = {name: sum(c for (_, b), c in pairs.items() if b == name) / n for name in names}
    chance = sum(first[name] * second[name] for name in names)
    return (alike - chance) / (1 - chance)


def test_agreement_is_what_was_planted(judged: Path, said: str) -> None:
    assert said
    (pair,) = json.loads((judged / "endpoints" / "agreement.json").read_text())["pairs"]
    assert pair["readers"] == [FIRST, SECOND]
    assert pair["n_subjects"] == 21
    # Seven subjects are stable throughout, seven respond at every visit, seven are stable twice and then progress.
    categories = Counter({("SD", "SD"): 35 - 4, ("PR", "PR"): 21, ("PD", "PD"): 7})
    categories += Counter({("SD", "PD"): 3, ("SD", "PR"): 1})
    assert pair["category"]["n"] == 63
    assert pair["category"]["estimate"] == pytest.approx(_kappa(categories))
    assert pair["category"]["observed"] == pytest.approx(59 / 63)
    progressed = Counter({("YES", "YES"): 7, ("NO", "YES"): 2, ("NO", "NO"): 12})
    assert pair["pd"]["estimate"] == pytest.approx(_kappa(progressed))
    sites = Counter({("HEPATIC", "HEPATIC"): 6, ("HEPATIC", "EXTRAHEPATIC"): 1})
    assert pair["pd_site"]["n"] == 7
    assert pair["pd_site"]["estimate"] == pytest.approx(_kappa(sites))
    earlier = (dt.date.fromisoformat(DAYS[2]) - dt.date.fromisoformat(DAYS[3])).days
    assert sorted(pair["pd_date_days"]["days"]) == [earlier, 0, 0, 0, 0, 0, 0]
    assert (pair["pd_date_days"]["only_first"], pair["pd_date_days"]["only_second"]) == (0, 2)
    planted = {("S02", 2): 15, ("S05", 3): 0, ("S09", 2): -16, ("S15", 1): 1, ("S15", 2): 1}
    assert pair["sum_mm"]["n"] == 63
    assert pair["sum_mm"]["bias"] == pytest.approx(sum(planted.values()) / 63)
    points = pd.read_csv(judged / "endpoints" / f"agreement_{FIRST}_{SECOND}_sums.csv")
    differ = points[points["difference_mm"] != 0]
    assert {(s, DAYS.index(day)): d for s, day, d in zip(differ.subject_id, differ.date, differ.difference_mm)} == {
        key: value for key, value in planted.items() if value
    }
    table = pd.read_csv(judged / "endpoints" / "agreement.csv").set_index(["measure", "statistic"])
    assert table.loc[("category", "kappa"), "estimate"] == pytest.approx(_kappa(categories))
    assert table.loc[("pd_date", "difference_days"), "n_equal"] == 6


def test_figures_are_the_same_bytes_every_time(judged: Path, said: str) -> None:
    assert said
    before = {path.name: path.read_bytes() for path in (judged / "endpoints").glob("agreement*")}
    assert {name.rpartition(".")[2] for name in before} == {"json", "csv", "svg", "png"}
    assert lesiontrack("adjudicate", judged).returncode == 0
    assert {path.name: path.read_bytes() for path in (judged / "endpoints").glob("agreement*")} == before


def test_the_report_tells_of_the_readers(judged: Path, said: str) -> None:
    assert said
    page = (judged / "report" / "index.html").read_text(encoding="utf-8")
    section = page.split('<section id="readers">')[1].split("</section>")[0]
    assert "R1 and R2, 21 subjects" in section
    assert section.count("data:image/svg+xml") == 3
    assert section.count("<a href=") == 9
    assert "9 open" not in section
    assert "8 open, 1 settled" in section
    assert "the same day in 6 of 7" in section


# --- choices ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def out(judged: Path, said: str, tmp_path: Path) -> Path:
    """Return a copy of the result, to choose in; everybody started treatment after the baseline."""
    assert said
    shutil.copytree(judged, tmp_path / "out")
    lines = [f"{subject},LOCAL,2023-11-01,2024-01-03,2024-01-03,,2024-09-01" for subject in SUBJECTS]
    header = "subject_id,arm,diagnosis_date,enrolment_date,treatment_start_date,death_date,last_alive_date"
    write_text(tmp_path / "out" / "clinical" / "subjects.csv", "\n".join([header, *lines]) + "\n")
    return tmp_path / "out"


def _adjudicate(out: Path, *rows: str, header: str = "subject_id,item,chosen_reader,reason") -> Any:
    file = out.parent / "choices.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    settings = out.parent / "settings.toml"
    if not settings.exists():
        settings.write_text("")
    return lesiontrack("adjudicate", out, "--choices", file, "--adjudicator", "EF", "--settings", settings)


def _warnings(out: Path, stage: str) -> dict[str, str]:
    table = read_table(out / "cohort", "failures")
    rows = table[table["stage"] == stage]
    assert set(rows["severity"]) <= {"WARNING"}
    return dict(zip(rows["subject_id"], rows["message"]))


def _derived(out: Path, **events: str) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return each subject's PFS and the messages, by settings, without statistics and figures."""
    settings = load_settings().model_copy(update={"events": EventSettings(**events)})
    tables = {name: read_table(out / "cohort", name) for name in COHORT_TABLES if name != "events"}
    made = reassembled(out, tables, settings, stored_choices(out))
    found = derive(made.tables, read_clinical(out / "clinical").tables, settings.events)
    plain = found.events.astype(object).where(found.events.notna(), None)
    pfs = {str(row["subject_id"]): row for row in records(plain[plain["endpoint"] == "PFS"])}
    return pfs, [row["message"] for row in found.problems]


def test_whose_reading_feeds_the_endpoints(out: Path) -> None:
    """Adjudicated: agreed cases are derived, an open one is nobody's; choosing closes it; a reader's name is obeyed."""
    pfs, said = _derived(out, reader="adjudicated")
    assert pfs["S08"]["date"] == DAYS[3]
    differ = {"S02", "S05", "S09", "S12"}
    assert {row["reader"] for subject, row in pfs.items() if subject not in differ} == {"adjudicated"}
    for subject in differ:
        assert (pfs[subject]["date"], pfs[subject]["status"], pfs[subject]["reason"]) == (None, None, "DISCORDANT")
        assert any(subject in text and "no adjudicated reading" in text for text in said)

    (out.parent / "settings.toml").write_text('[events]\nreader = "adjudicated"\n')
    done = _adjudicate(out, f"S09,case,{FIRST},another phase of contrast")
    assert done.returncode == 1
    named = _warnings(out, "adjudicate")
    assert set(named) == {"S02", "S05", "S12"}
    assert f"pd_date ({FIRST} {DAYS[3]}, {SECOND} {DAYS[2]})" in named["S02"]
    done = _adjudicate(
        out,
        f"S02,pd_date,{SECOND},the growth is there already",
        f"S05,pd_site,{FIRST},the lung lesion is not a metastasis",
        f"S12,category@3,{SECOND},bone lesion confirmed",
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "0 open" in done.stdout
    assert _warnings(out, "adjudicate") == {}
    pfs, said = _derived(out, reader="adjudicated")
    assert said == []
    assert (pfs["S02"]["date"], pfs["S02"]["reader"]) == (DAYS[2], "adjudicated")
    assert (pfs["S05"]["date"], pfs["S05"]["cause"]) == (DAYS[3], "HEPATIC")
    assert pfs["S09"]["status"] == 0
    assert (pfs["S12"]["date"], pfs["S12"]["cause"]) == (DAYS[3], "EXTRAHEPATIC")
    responses = read_table(out / "cohort", "responses")
    taken = responses[(responses["reader"] == "adjudicated") & (responses["subject_id"] == "S12")]
    assert dict(zip(taken["date"], taken["taken_from"])) == {DAYS[1]: FIRST, DAYS[2]: FIRST, DAYS[3]: SECOND}

    by_name, _ = _derived(out, reader=SECOND)
    assert (by_name["S02"]["date"], by_name["S02"]["reader"]) == (DAYS[2], SECOND)
    assert (by_name["S09"]["date"], by_name["S09"]["reader"]) == (DAYS[3], SECOND)


def test_two_readers_have_no_majority_where_they_differ(out: Path) -> None:
    pfs, said = _derived(out, reader="majority")
    assert (pfs["S08"]["reader"], pfs["S08"]["date"]) == ("majority", DAYS[3])
    assert pfs["S02"]["reason"] == "DISCORDANT"
    assert any("S02" in text and "no majority reading" in text for text in said)
    pfs, said = _derived(out, reader="majority", unresolved_reader=SECOND)
    assert (pfs["S02"]["reader"], pfs["S02"]["date"]) == (SECOND, DAYS[2])
    assert any("S02" in text and f"that of {SECOND} stands" in text for text in said)


def test_without_a_setting_agreement_decides_and_else_the_first_by_name_with_a_warning(out: Path) -> None:
    pfs, said = _derived(out)
    assert (pfs["S08"]["reader"], pfs["S02"]["reader"], pfs["S02"]["date"]) == ("adjudicated", FIRST, DAYS[3])
    assert {text[8:11] for text in said if "none adjudicated" in text} == {"S02", "S05", "S09", "S12"}


def test_choices_are_kept_and_those_on_other_readings_are_flagged(
    out: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A later choice stands beside the earlier; the reader's change makes it stale; going back makes it hold again."""
    monkeypatch.setattr("lesiontrack.batch.adjudication.write_agreement", lambda *_: None)
    file = out.parent / "choices.csv"

    def choose(row: str) -> int:
        file.write_text(f"subject_id,item,chosen_reader,reason\n{row}\n")
        done = adjudicate_readings(out, choices_file=file, adjudicator="EF", settings_file=None)
        return done.finished.failures

    assert choose(f"S02,pd_date,{FIRST},too small") == 0
    assert choose(f"S02,pd_date,{SECOND},large enough") == 0
    with caplog.at_level("INFO"):
        assert choose(f"S02,pd_date,{SECOND},large enough") == 0
    assert "choices: 0 taken, 1 were there already" in caplog.messages
    kept = stored_choices(out)["S02"]
    assert [(c.chosen_reader, c.reason, c.adjudicator) for c in kept] == [
        (FIRST, "too small", "EF"),
        (SECOND, "large enough", "EF"),
    ]
    assert _derived(out, reader="adjudicated")[0]["S02"]["date"] == DAYS[2]

    moved = {**PLANTED, "S02": ((30, 45, 45, 45), (20, 20, 20, 20))}
    elsewhere = out.parent / "moved"
    assert assess_reads(_reads(out.parent / "reads2", moved), elsewhere, settings_file=None) == 0
    before = {name: (out / "cohort" / name).read_bytes() for name in ("responses.parquet", "responses.csv")}
    for name in before:
        (out / "cohort" / name).write_bytes((elsewhere / "cohort" / name).read_bytes())
    done = adjudicate_readings(out, choices_file=None, adjudicator="EF", settings_file=None)
    assert done.finished.failures == 1
    states = read_table(out / "cohort", "discordances").set_index(["subject_id", "item"])["state"]
    assert states.loc[("S02", "pd_date")] == "STALE"
    assert "the choice of pd_date (R2, by EF" in _warnings(out, "adjudicate")["S02"]
    assert "counts no more" in _warnings(out, "adjudicate")["S02"]
    assert _derived(out, reader="adjudicated")[0]["S02"]["reason"] == "DISCORDANT"
    for name, data in before.items():
        (out / "cohort" / name).write_bytes(data)
    assert _derived(out, reader="adjudicated")[0]["S02"]["date"] == DAYS[2]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("X99,case,R1,seen", "row 3: no subject that two readers have read (found X99"),
        ("S02,nonsense,R1,seen", "row 3: no such item (found nonsense"),
        ("S02,targets,R1,seen", "row 3: the readers do not differ in this item (found targets"),
        ("S02,pd_date,R3,seen", "row 3: no such reader of pd_date (found R3; expected one of R1, R2)"),
        ("S02,pd_date,machine,seen", "row 3: no such reader of pd_date (found machine"),
        ("S02,pd_date,R1,", "row 3 of the choices has no reason"),
        ("S02,pd_date,,seen", "row 3 of the choices has no chosen_reader"),
        ("S05,pd_site,R2,seen", "row 2 chooses another reader for pd_site"),
    ],
)
def test_a_choice_that_cannot_be_taken_refuses_all(judged: Path, tmp_path: Path, row: str, what: str) -> None:
    file = tmp_path / "choices.csv"
    file.write_text(f"subject_id,item,chosen_reader,reason\nS05,pd_site,R1,seen\n{row}\n", encoding="utf-8")
    with pytest.raises(LesiontrackError) as refused:
        adjudicate_readings(judged, choices_file=file, adjudicator="EF", settings_file=None)
    assert what in str(refused.value)
    assert str(file) in str(refused.value)
    assert stored_choices(judged) == {}
