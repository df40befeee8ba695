"""Every command as a tired person calls it: wrong input ends in exit code 2 and one line, and help says what to do."""

from __future__ import annotations

import csv
import importlib.util
import itertools
import json
import logging
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lesiontrack import __version__
from lesiontrack.cli import main
from lesiontrack.settings import Settings
from tests.running import Ran

COMMANDS = (
    "run",
    "index",
    "assess",
    "endpoints",
    "survival",
    "adjudicate",
    "report",
    "replay",
    "trace",
    "export",
    "phantom",
    "settings",
    "review",
)
EVENTS = "subject_id,time_days,status,arm\nA,10,1,X\nB,20,0,Y\nC,30,1,X\n"

Call = Callable[..., "Said"]


class Said:
    """How a command ended and what it printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def line(self) -> str:
        """Return the one line of a refusal."""
        lines = [line for line in self.err.splitlines() if line and not line.startswith("INFO ")]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("lesiontrack: ")
        return lines[0].removeprefix("lesiontrack: ")


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Return a function that calls the command line in this process."""

    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["lesiontrack", *(str(argument) for argument in arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capfd.readouterr()
        return Said(int(stop.value.code or 0), printed.out, printed.err)

    yield run
    ours = logging.getLogger("lesiontrack")
    ours.handlers.clear()
    ours.propagate = True
    ours.setLevel(logging.NOTSET)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of wrong things, in which the commands are called."""
    monkeypatch.chdir(tmp_path)
    for name in ("folder", "nothing"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / "note.txt").write_text("a note")
    for name, text in {
        "file.txt": "hello",
        "empty.csv": "",
        "header.csv": "subject_id,time_days,status\n",
        "semicolons.csv": "subject_id;time_days;status\nA;10;1\n",
        "good.csv": EVENTS,
        "no-time.csv": "subject_id,time,status\nA,10,1\n",
        "negative.csv": "subject_id,time_days,status,arm\nA,10,1,X\nB,-10,1,X\n",
        "word.csv": "subject_id,time_days,status,arm\nA,ten,1,X\n",
        "status.csv": "subject_id,time_days,status,arm\nA,10,5,X\n",
        "twice.csv": "subject_id,time_days,status,arm\nA,10,1,X\nA,20,1,X\n",
        "half.json": '{"cases": [',
        "list.json": "[]",
        "other.json": '{"patients": []}',
        "half.toml": "x = [",
        "bounds.toml": "visit_window_days = -3\n",
        "unknown.toml": "visit_window_dayz = 3\n",
        "nested.toml": "[link]\nreview_belo = 0.5\n",
    }.items():
        (tmp_path / name).write_text(text)
    for name in ("latin.csv", "latin.json", "latin.toml", "latin.parquet"):
        (tmp_path / name).write_bytes("subject_id,time_days,status\nM\u00fcller,10,1\n".encode("latin-1"))
    return tmp_path


# --- wrong input ----------------------------------------------------------------------------------------------------

# What is called, and what the line must hold: what, where, expected.
WRONG: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ruin", ("No such command", "ruin")),
    ("--colour", ("--colour",)),
    ("run", ("STUDY", "--help")),
    ("run folder", ("--out", "--help")),
    ("run nowhere --out o", ("nowhere", "no study folder", "expected")),
    ("run file.txt --out o", ("file.txt", "no study folder", "expected")),
    ("run nothing --out o", ("nothing", "no subject", "expected")),
    ("run folder --out o", ("folder", "no subject", "1 ignored", "expected")),
    ("run folder --out file.txt", ("--out", "file.txt", "expected a folder")),
    ("run folder --out folder", ("folder", "inside the images", "expected a folder elsewhere")),
    ("run folder --out o --workers 0", ("--workers", "1")),
    ("run folder --out o --workers -2", ("--workers", "1")),
    ("run folder --out o --workers two", ("--workers", "integer")),
    ("run folder --out o --settings nowhere.toml", ("nowhere.toml", "No such file", "expected")),
    ("run folder --out o --settings folder", ("file folder", "directory", "expected a file")),
    ("run folder --out o --settings half.toml", ("half.toml", "expected TOML")),
    ("run folder --out o --settings latin.toml", ("latin.toml", "expected TOML in UTF-8")),
    ("run folder --out o --settings bounds.toml", ("bounds.toml", "visit_window_days", "greater than or equal to 0")),
    ("run folder --out o --settings unknown.toml", ("unknown.toml", "visit_window_dayz", "lesiontrack settings")),
    ("run folder --out o --settings nested.toml", ("nested.toml", "link.review_belo", "lesiontrack settings")),
    ("index", ("ARCHIVE", "--help")),
    ("index nowhere", ("nowhere", "no study folder", "expected")),
    ("index file.txt", ("file.txt", "no study folder", "expected")),
    ("index nothing", ("nothing", "no file", "expected images")),
    ("index folder --out file.txt", ("--out", "file.txt", "expected a folder")),
    ("index folder --settings half.toml", ("half.toml", "expected TOML")),
    ("assess nowhere.json --out o", ("nowhere.json", "no such reads", "expected a case file")),
    ("assess folder --out o", ("folder", "TU", "expected tu.csv")),
    ("assess empty.csv --out o", ("empty.csv", "not valid JSON", "expected")),
    ("assess half.json --out o", ("half.json", "not valid JSON", "ends too early")),
    ("assess list.json --out o", ("list.json", "expected")),
    ("assess other.json --out o", ("other.json", "no case file", "cases")),
    ("assess good.csv --out o", ("good.csv", "not valid JSON", "expected")),
    ("assess latin.json --out o", ("latin.json", "UTF-8")),
    ("assess other.json --out file.txt", ("--out", "file.txt", "expected a folder")),
    ("endpoints", ("nothing to work on", "expected a result folder")),
    ("endpoints nowhere", ("nowhere", "no result folder", "lesiontrack run")),
    ("endpoints folder", ("folder", "no result folder", "lesiontrack run")),
    ("endpoints file.txt", ("file.txt", "no result folder", "lesiontrack run")),
    ("endpoints --cases other.json", ("--out",)),
    ("endpoints folder --cases other.json --out o", ("--cases", "without a result folder")),
    ("endpoints --cases nowhere.json --out o", ("nowhere.json", "cannot be read")),
    ("endpoints --cases folder --out o", ("folder", "cannot be read")),
    ("endpoints --cases half.json --out o", ("half.json", "cannot be read")),
    ("endpoints --cases other.json --out o", ("other.json", "expected", "pfs")),
    ("endpoints --cases other.json --out file.txt", ("--out", "file.txt", "expected a folder")),
    ("survival good.csv", ("--out",)),
    ("survival nowhere.csv --out o", ("nowhere.csv", "expected a CSV or Parquet file")),
    ("survival folder --out o", ("folder", "expected a CSV or Parquet file")),
    ("survival empty.csv --out o", ("empty.csv", "expected a header and rows")),
    ("survival header.csv --out o", ("header.csv", "no rows", "expected")),
    (
        "survival semicolons.csv --out o",
        ("semicolons.csv", "subject_id;time_days;status", "expected time_days, status"),
    ),
    ("survival no-time.csv --out o", ("no-time.csv", "lacks time_days", "expected time_days, status")),
    ("survival negative.csv --out o", ("negative.csv", "subject B", "time_days", "found -10", "0 or more")),
    ("survival word.csv --out o", ("word.csv", "subject A", "found ten", "expected a number")),
    ("survival status.csv --out o", ("status.csv", "subject A", "found 5", "0 censored, 1 event, 2 competing")),
    ("survival twice.csv --out o", ("twice.csv", "subject A", "more than once", "expected one row")),
    ("survival latin.csv --out o", ("latin.csv", "expected CSV in UTF-8")),
    ("survival latin.parquet --out o", ("latin.parquet", "expected CSV in UTF-8, or Parquet")),
    ("survival good.csv --out file.txt", ("--out", "file.txt", "expected a folder")),
    ("survival good.csv --out o --by sex", ("good.csv", "lacks sex", "found subject_id")),
    ("survival good.csv --out o --strata sex", ("good.csv", "lacks sex")),
    ("survival good.csv --out o --adjust age,sex", ("good.csv", "lacks age, sex")),
    ("survival good.csv --out o --times abc", ("--times", "'abc'", "expected numbers separated by commas")),
    ("survival good.csv --out o --times 1;2", ("--times", "'1;2'", "expected numbers separated by commas")),
    ("survival good.csv --out o --times=", ("--times", "expected numbers")),
    ("survival good.csv --out o --times=-5", ("time", "-5", "expected 0 or more")),
    ("survival good.csv --out o --times nan", ("time", "nan", "expected 0 or more")),
    ("survival good.csv --out o --tau x", ("--tau", "number")),
    ("survival good.csv --out o --tau=-3", ("tau", "-3", "expected more than 0")),
    ("survival good.csv --out o --adverse-events nowhere.csv", ("nowhere.csv", "expected a CSV or Parquet file")),
    ("survival good.csv --out o --adverse-events good.csv", ("good.csv", "lacks term, grade")),
    ("report nowhere", ("nowhere", "no result folder", "lesiontrack run")),
    ("report folder", ("folder", "no result folder", "lesiontrack run")),
    ("report file.txt", ("file.txt", "no result folder", "lesiontrack run")),
    ("trace folder", ("say what to trace", "expected --subject ID --endpoint PFS")),
    ("trace folder --endpoint PFS", ("--endpoint", "--subject ID")),
    ("trace folder --subject A --endpoint PFS --lesion L01", ("say what to trace", "--lesion")),
    ("trace nowhere --subject A --endpoint PFS", ("nowhere", "no result folder", "lesiontrack run")),
    ("trace file.txt --subject A --endpoint PFS", ("file.txt", "no result folder", "lesiontrack run")),
    ("phantom folder", ("folder", "never written over", "expected an empty or new folder")),
    ("phantom file.txt", ("file.txt", "never written over", "expected an empty or new folder")),
    ("phantom new --subjects 0", ("--subjects", "1")),
    ("phantom new --subjects -4", ("--subjects", "1")),
    ("phantom new --seed -1", ("--seed", "0")),
    ("settings all", ("unexpected", "all")),
)


@pytest.mark.parametrize(("called", "held"), WRONG, ids=[called for called, _ in WRONG])
def test_wrong_input_is_one_clear_line(here: Path, call: Call, called: str, held: tuple[str, ...]) -> None:
    """Exit code 2; the line says what, where and what was expected; nothing is harmed or left behind."""
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    said = call(*called.split())
    assert said.code == 2, said.err
    assert "Traceback" not in said.err + said.out
    missing = [text for text in held if text not in said.line]
    assert not missing, f"{said.line!r} does not say {missing}"
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not (here / "new").exists()


def test_a_traceback_only_on_request(here: Path, call: Call) -> None:
    """--debug, before or after the command, shows where it came from."""
    for arguments in (("--debug", "report", "folder"), ("report", "folder", "--debug")):
        said = call(*arguments)
        assert said.code == 2
        assert "Traceback" in said.err
        assert said.err.splitlines()[-1].startswith("lesiontrack: ")


@pytest.mark.parametrize(
    ("table", "text", "held"),
    [
        ("subjects.csv", b"subject_id,arm\nM\xfcller,LOCAL\n", ("subjects.csv", "UTF-8")),
        ("subjects.csv", b"", ("subjects.csv", "no header")),
        ("subjects.csv", b"patient,arm\nA,LOCAL\n", ("subjects.csv", "lacks the column subject_id", "found patient")),
        ("therapies.csv", b"subject_id,date\nA,2021-01-01\n", ("therapies.csv", "lacks the column in_protocol")),
        ("subjects.csv", b"subject_id,arm,arm\nA,LOCAL,LOCAL\n", ("subjects.csv", "column arm twice")),
    ],
    ids=["not UTF-8", "empty", "wrong column", "missing column", "column twice"],
)
def test_a_clinical_table_that_cannot_be_used_is_named(
    here: Path, call: Call, table: str, text: bytes, held: tuple[str, ...]
) -> None:
    """A table that is wrong as a whole stops the run before any work, with its name."""
    (here / "folder" / "clinical").mkdir()
    (here / "folder" / "clinical" / table).write_bytes(text)
    for command in (("run", "folder", "--out", "o"), ("index", "folder")):
        said = call(*command)
        assert said.code == 2
        assert all(part in said.line for part in held), said.line


@pytest.mark.parametrize(
    ("called", "held"),
    [
        ("trace OUT --subject NOBODY --endpoint PFS", ("NOBODY", "expected an id of cohort/subjects")),
        ("trace OUT --subject PHANTOM-001 --endpoint PSF", ("PHANTOM-001", "no endpoint PSF", "expected", "PFS")),
        ("trace OUT --subject PHANTOM-001 --lesion L99", ("PHANTOM-001", "found L99", "expected L01")),
        ("trace OUT --sop-instance 1.2.3", ("found 1.2.3", "expected")),
        ("endpoints OUT --clinical nowhere", ("nowhere", "no folder of clinical tables")),
        ("endpoints OUT --clinical file.txt", ("file.txt", "no folder of clinical tables")),
        ("endpoints OUT --settings bounds.toml", ("bounds.toml", "visit_window_days", "greater than or equal to 0")),
        ("assess other.json --out OUT", ("results of a run", "expected another folder")),
        ("phantom OUT", ("never written over", "expected an empty or new folder")),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_wrong_question_of_a_result_is_one_clear_line(
    call: Call, sample_run: Ran, called: str, held: tuple[str, ...]
) -> None:
    """Nothing of the result is touched."""
    before = {path: path.stat().st_mtime_ns for path in sample_run.out.rglob("*")}
    said = call(*(str(sample_run.out) if word == "OUT" else word for word in called.split()))
    assert said.code == 2
    assert all(text in said.line for text in held), said.line
    assert {path: path.stat().st_mtime_ns for path in sample_run.out.rglob("*")} == before


# --- right input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_says_what_it_does_and_explains_every_option(call: Call, command: str) -> None:
    """Help ends well; every option and argument has an explanation."""
    said = call(*command.split(), "--help")
    assert said.code == 0
    assert said.out.startswith("Usage: lesiontrack")
    listed = said.out.split("Options:\n")[1].split("\n\n")[0]
    entries = [entry for entry in re.split(r"^  (?=\S)", listed, flags=re.MULTILINE) if entry.strip()]
    assert all(re.search(r"\s{2,}[A-Z]", entry) for entry in entries), entries


def test_help_lists_every_command_and_no_other(call: Call) -> None:
    """What is not built is not listed; calling nothing is asking for help."""
    said = call("--help")
    listed = said.out.split("Commands:")[1].split("Exit codes")[0]
    assert [line.split()[0] for line in listed.splitlines() if line.strip()] == list(COMMANDS)
    assert call().out == said.out


def test_version(call: Call) -> None:
    assert call("--version").out == f"lesiontrack {__version__}\n"


def test_settings_are_toml_and_each_is_explained(call: Call) -> None:
    """What is printed can be given back, and every setting has a comment above it."""
    said = call("settings")
    assert said.code == 0
    assert Settings.model_validate(tomllib.loads(said.out)) == Settings()
    lines = said.out.splitlines()
    bare = [line for above, line in itertools.pairwise(lines) if " = " in line and not above.startswith("#")]
    assert [line for line in bare if not line.startswith("#")] == []


def test_survival_of_a_foreign_table(here: Path, call: Call) -> None:
    """Fractions of days, groups and times as asked for."""
    said = call("survival", "good.csv", "--out", "new/statistics", "--by", "arm", "--times", "5,15.5", "--tau", "20")
    assert said.code == 0, said.err
    groups = json.loads((here / "new" / "statistics" / "summary.json").read_text())["endpoints"]["EVENT"]["groups"]
    assert sorted(groups) == ["X", "Y"]
    assert [rate["time"] for rate in groups["X"]["rates"]] == [5, 15.5]
    assert groups["X"]["rates"][0]["estimate"] == 1
    assert groups["X"]["rates"][1]["estimate"] == 0.5


def test_index_lists_what_it_ignores(here: Path, call: Call) -> None:
    """A folder of other things is no error of ``index``: every file is listed with the reason."""
    said = call("index", "folder", "--out", "o")
    assert said.code == 0
    assert "note.txt: neither DICOM nor" in said.out
    with (here / "o" / "scans.csv").open() as file:
        assert list(csv.DictReader(file)) == []


def test_the_viewer_is_an_extra_and_its_lack_is_said_plainly(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without napari: one line that names what to install. A subject that is not there is said first."""
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "responses.csv").write_text("")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = call("review", tmp_path)
    assert said.code == 2
    assert "pip install 'lesiontrack-crlm[napari]'" in said.line
    assert "no such subject" in call("review", tmp_path, "--subject", "A").line
    assert "no result folder" in call("review", tmp_path / "cohort").line
