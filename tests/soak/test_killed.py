"""kill -9 in the middle of a run, and run again: nothing lost, no debris, only what is missing is done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.road.small import SmallStudy, six
from tests.running import BIN, lesiontrack

SUBJECTS = ("K1", "K2", "K3")
SOAK = bool(os.environ.get("LESIONTRACK_SOAK"))
# Kill as soon as so many subjects are stored, or after so many seconds: the catalogue, a subject, the cohort's tables.
MOMENTS: tuple[tuple[int, float], ...] = ((1, 0.0),) + ((tuple((0, 0.5 * n) for n in range(1, 40))) if SOAK else ())


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study of three subjects with one small scan each."""
    made = SmallStudy(tmp_path_factory.mktemp("killed") / "study")
    for name in SUBJECTS:
        made.scan(name, "2020-01-01", six(20, 24), slices=26)
        made.subject(name, treatment_start_date="2020-01-05", enrolment_date="2020-01-02")
    return made.write()


@pytest.fixture(scope="module")
def undisturbed(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the result of a run that nobody disturbs."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert lesiontrack("run", study, "--out", out).returncode == 0
    return out


def _stored(out: Path) -> dict[str, int]:
    """Return the subjects whose folder is whole, and when it was written."""
    found = (out / "subjects" / name / "provenance.json" for name in SUBJECTS)
    return {path.parent.name: path.stat().st_mtime_ns for path in found if path.is_file()}


def _run_and_kill(study: Path, out: Path, subjects: int, seconds: float) -> None:
    """Start a run and kill it with its workers, without a word."""
    command = [str(BIN / "lesiontrack"), "run", str(study), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as run:
        began = time.monotonic()
        while run.poll() is None and (len(_stored(out)) < subjects or time.monotonic() - began < seconds):
            time.sleep(0.02)
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)


def _texts(folder: Path) -> dict[str, str]:
    """Return every table of a folder as text; the time that a registration took is no result."""
    tables = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.csv"))}
    timed = pd.read_csv(folder / "registrations.csv", dtype="string")
    return tables | {"registrations.csv": timed.drop(columns="seconds").to_csv()}


@pytest.mark.soak
@pytest.mark.parametrize(("subjects", "seconds"), MOMENTS)
def test_a_killed_run_is_taken_up(
    study: Path, undisturbed: Path, tmp_path: Path, subjects: int, seconds: float
) -> None:
    """Whatever was whole is kept as it is, whatever was not is done, and the tables are those of a quiet run."""
    out = tmp_path / "out"
    _run_and_kill(study, out, subjects, seconds)
    kept = _stored(out)
    (out / "subjects").mkdir(parents=True, exist_ok=True)
    if (out / "status.json").is_file():
        (out / "subjects" / ".writing-debris").mkdir()
    else:
        shutil.rmtree(out)
    done = lesiontrack("run", study, "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"{len(SUBJECTS) - len(kept)} done, {len(kept)} already done" in done.stderr
    assert {name: _stored(out)[name] for name in kept} == kept
    assert not list(out.rglob(".*"))
    assert _texts(out / "cohort") == _texts(undisturbed / "cohort")
    assert (out / "endpoints" / "summary.json").read_bytes() == (
        undisturbed / "endpoints" / "summary.json"
    ).read_bytes()
    assert (out / "report" / "index.html").is_file()
