"""The house itself: import contracts, types, lint, and what must never be committed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    [
        ("lint-imports", "--no-cache"),
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--no-cache", "--check", "."),
        ("mypy",),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_check_passes(command: tuple[str, ...]) -> None:
    """Each part of `make check` is green."""
    done = _run(str(BIN / command[0]), *command[1:])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def _tracked() -> list[Path]:
    listed = _run("git", "ls-files", "-z").stdout.split("\0")
    return [ROOT / name for name in listed if name]


def test_no_lock_file_and_no_index_is_named() -> None:
    """Versions are bounded in pyproject.toml; a lock file would name a package index."""
    names = {path.name for path in _tracked()}
    assert names
    assert not names & {"uv.lock", "poetry.lock", "pdm.lock", "package-lock.json", "Pipfile.lock"}


def test_sources_have_no_room_for_everything() -> None:
    """A module is named for what it does, not for being useful."""
    stems = {path.stem for path in (ROOT / "lesiontrack").rglob("*.py")}
    assert "pipeline" in stems
    assert not {stem for stem in stems if re.fullmatch(r"utils?|helpers?|common|misc|managers?", stem)}
