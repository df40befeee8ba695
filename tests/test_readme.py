"""Every command of the README and of docs/own-data.md runs; every setting loads; what the pages name is there."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from lesiontrack.io.clinical import read_clinical
from lesiontrack.settings import load_settings
from tests.conftest import ROOT
from tests.pages import Page
from tests.running import Ran, lesiontrack

PAGES = tuple(Page.read(ROOT / name) for name in ("README.md", "docs/own-data.md"))
COMMANDS = tuple(dict.fromkeys(line for page in PAGES for line in page.commands()))
OURS = tuple(line for line in COMMANDS if line.startswith("lesiontrack "))
# It opens a window and waits: tests/viewer does that.
WITH_A_SCREEN = "lesiontrack review "
BLOCKS = tuple((page.path.name, block) for page in PAGES for block in page.fenced)


def _cases(path: Path) -> Path:
    """Write the least case file: one lesion that grows from 40 to 60 mm."""
    case = {
        "id": "A",
        "treatment_start": "2021-01-10",
        "lesions": [{"id": "T1", "role": "TARGET", "organ": "LIVER", "node": False}],
        "timepoints": [
            {"tp": 0, "date": "2021-01-01", "targets": {"T1": {"mm": 40}}},
            {"tp": 1, "date": "2021-03-01", "targets": {"T1": {"mm": 60}}},
        ],
    }
    path.write_text(json.dumps({"cases": [case]}))
    return path


@pytest.fixture(scope="module")
def workplace(sample_run: Ran, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copy of the sample's results, which the commands may change."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(sample_run.out, folder / "OUT")
    _cases(folder / "CASES.json")
    (folder / "SETTINGS.toml").write_text("assessment_interval_days = 84\n")
    return folder


def _filled(line: str, study: Path, workplace: Path, fresh: Path) -> list[str]:
    """Put real things in the place of the words in capitals; fewer subjects, and one worker less, in a phantom."""
    subjects = pd.read_parquet(workplace / "OUT" / "cohort" / "subjects.parquet")
    words = {
        "STUDY": str(study),
        "OUT": str(workplace / "OUT"),
        "EVENTS.csv": str(workplace / "OUT" / "cohort" / "events.csv"),
        "CASES.json": str(workplace / "CASES.json"),
        "SETTINGS.toml": str(workplace / "SETTINGS.toml"),
        "DIR": str(fresh / "DIR"),
        "ID": str(subjects["subject_id"].iloc[0]),
    }
    filled = [words.get(word, word) for word in shlex.split(line)]
    for at, (option, value) in enumerate(itertools.pairwise(filled)):
        if option == "--subjects":
            assert int(value) >= 1
            filled[at + 1] = "1"
    left = [word for word in filled if re.fullmatch(r"[A-Z]+(\.\w+)?", word) and word not in ("PFS",)]
    assert not left, f"{left} in {line!r} stands for nothing known"
    return filled[1:]


@pytest.mark.parametrize("line", [line for line in OURS if not line.startswith(WITH_A_SCREEN)])
def test_the_command_runs(line: str, sample_run: Ran, workplace: Path, tmp_path: Path) -> None:
    """As it stands on the page, with real folders in the place of the words in capitals: exit code 0."""
    done = lesiontrack(*_filled(line, sample_run.study, workplace, tmp_path))
    assert done.returncode == 0, done.stderr
    if " --out DIR" in line or "phantom DIR" in line:
        assert any((tmp_path / "DIR").iterdir())
    else:
        assert done.stdout or done.stderr


def test_the_pages_show_every_command_that_there_is() -> None:
    """A newcomer sees each command once; ``report`` is written by ``run`` and ``endpoints`` by themselves."""
    listed = lesiontrack("--help").stdout.split("Commands:")[1].split("Exit codes")[0]
    there = {line.split()[0] for line in listed.splitlines() if line.strip()}
    assert {line.split()[1] for line in OURS} == there - {"report"}


def test_other_lines_are_make_targets_or_the_installation() -> None:
    """No other kind of command is shown as runnable, and every target exists."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    others = [line for line in COMMANDS if line not in OURS and line != "pip install ."]
    assert others
    for line in others:
        program, target = line.split()
        assert program == "make"
        assert target in targets


@pytest.mark.parametrize(
    ("where", "text"),
    [(f"{name}: {block.heading}", block.text) for name, block in BLOCKS if block.language == "toml"],
    ids=lambda value: value if ": " in value and "\n" not in value else "",
)
def test_settings_on_the_pages_load(where: str, text: str, tmp_path: Path) -> None:
    """Every TOML block is a study.toml that loads and differs from the defaults."""
    file = tmp_path / "study.toml"
    file.write_text(text)
    assert tomllib.loads(text), where
    assert load_settings(file) != load_settings(), where


def test_clinical_tables_on_the_pages_are_read(tmp_path: Path) -> None:
    """The minimal tables are complete: nothing is missing, nobody is refused."""
    subjects, treatments = PAGES[1].blocks("csv")
    (tmp_path / "subjects.csv").write_text(subjects)
    (tmp_path / "local_treatments.csv").write_text(treatments)
    clinical = read_clinical(tmp_path)
    assert clinical.problems == ()
    assert [treatment.method for treatment in clinical.facts["CASE-01"].local_treatments] == ["ABLATION"]


def test_columns_that_the_page_names_are_in_the_tables(sample_run: Ran) -> None:
    """Section 5 of docs/own-data.md lists tables with their most asked for columns."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", PAGES[1].path.read_text(), re.MULTILINE)
    assert len(rows) == 6
    for table, columns in rows:
        named = [part.split()[0] for part in re.split(r"[;,] (?![^(]*\))", columns) if "_" in part or part.isalpha()]
        there = set(sample_run.table(table).columns)
        missing = [name for name in named if name not in there and name != "use"]
        assert named
        assert not missing, table


def test_refusals_on_the_page_are_those_of_the_program() -> None:
    """Each message in section 7 of docs/own-data.md is said by the program in these words."""
    section = PAGES[1].path.read_text().split("## 7.")[1]
    messages = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")][1:]
    source = " ".join(path.read_text() for path in (ROOT / "lesiontrack").rglob("*.py"))
    assert len(messages) >= 10
    for message in messages:
        if "..." not in message and "(" not in message and " or with " not in message:
            assert message in source, message


def test_links_and_pictures_are_there() -> None:
    """Everything that a page points to is in the project."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.path.read_text()):
            assert target.startswith("https://") or (page.path.parent / target).exists(), target
    assert (ROOT / "docs" / "report.png").stat().st_size <= 400_000
