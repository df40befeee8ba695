"""A sample of planted bugs: each must be found. All of them: `python benchmarks/mutate_rules.py` (in `make soak`)."""

from __future__ import annotations

import json
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


NAMES = """
import json
from benchmarks.mutate_rules import EQUIVALENT, OPEN, ROOM, SETTLED, mutants_of
known = json.loads(EQUIVALENT.read_text())
names = [m.name for module in sorted({name.split(".")[0] for name in known}) for m in mutants_of(module)]
files = [module for module in SETTLED + OPEN if (ROOM / f"{module}.py").is_file()]
print(json.dumps({"counts": [names.count(name) for name in known], "modules": SETTLED + OPEN, "files": files}))
"""


def test_each_explanation_of_a_survivor_excuses_one_place_of_the_sources(project_root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", NAMES], cwd=project_root, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert set(found["counts"]) == {1}
    assert len(set(found["modules"])) == len(found["modules"]) == len(found["files"])
