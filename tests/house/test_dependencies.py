"""What the package imports is what its own declaration installs: a clean environment must be able to run it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path


def _imported(folder: Path) -> dict[str, Path]:
    """Return every foreign top-level module that any file imports, with one file that does."""
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], file)
    return {name: file for name, file in found.items() if name not in sys.stdlib_module_names and name != folder.name}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_declared(project_root: Path) -> None:
    """No import rests on what another package, or a tool of the tests, happens to bring along."""
    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]
    declared = {_plain(re.split(r"[<>=!~\[; ]", line)[0]) for line in project["dependencies"]}
    imported, owners = _imported(project_root / "lesiontrack"), packages_distributions()
    assert len(imported) > 10
    undeclared = {
        name: str(file)
        for name, file in imported.items()
        if not {_plain(owner) for owner in owners.get(name, [])} & declared
    }
    assert not undeclared
