"""kill -9 while a reader decides: opened again, every decision that was taken is there, and reading goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lesiontrack_napari.deciding import Deciding
from tests.plugin.reading_case import make_session

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("after", [1, 2, 23])
def test_nothing_that_was_decided_is_lost(tmp_path: Path, after: int) -> None:
    command = [sys.executable, "-m", "tests.plugin.deciding_on", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        taken = [reader.stdout.readline().strip() for _ in range(after)]
        reader.kill()
        taken += reader.stdout.read().split()
    again = make_session(tmp_path)
    found = [decision.id for decision in again.decisions]
    assert found[: len(taken)] == taken
    # One may be on disk that nobody was told of.
    assert len(found) - len(taken) in (0, 1)
    again.select("L01")
    Deciding(again).comment("went on")
    assert make_session(tmp_path).decisions == again.decisions
    assert not make_session(tmp_path).replayed.inapplicable
