"""A sample of planted bugs: each must be found. All of them: `python benchmarks/mutate_rules.py` (in `make soak`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.soak
@pytest.mark.parametrize("module", ["target", "best"])
def test_planted_bugs_in_the_rule_code_are_found(module: str, project_root: Path) -> None:
    command = [sys.executable, "benchmarks/mutate_rules.py", module, "--sample", "8", "--stages", "2"]
    done = subprocess.run(command, cwd=project_root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("8 mutants, 8 killed")
