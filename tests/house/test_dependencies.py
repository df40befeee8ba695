"""What the package imports is what its own declaration installs: a clean environment must be able to run it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

# Loaded only by those who installed the extra: its imports may rest on that extra.
OF_AN_EXTRA = {
    "io/dicomweb_server.py": "dicomweb",
    "io/dicomweb_session.py": "dicomweb",
    "align/elastix.py": "elastix",
}


def _imported(files: list[Path], folder: Path) -> dict[str, Path]:
    """Return every foreign top-level module that any of the files imports, with one file that does."""
    found: dict[str, Path] = {}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], file)
    return {name: file for name, file in found.items() if name not in sys.stdlib_module_names and name != folder.name}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _undeclared(files: list[Path], folder: Path, declared: list[str]) -> dict[str, str]:
    names = {_plain(re.split(r"[<>=!~\[; ]", line)[0]) for line in declared}
    owners = packages_distributions()
    imported = _imported(files, folder)
    assert imported
    return {
        name: str(file)
        for name, file in imported.items()
        if not {_plain(owner) for owner in owners.get(name, [])} & names
    }


def test_every_import_is_declared(project_root: Path) -> None:
    """No import rests on what another package, or a tool of the tests, happens to bring along."""
    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]
    folder = project_root / "lesiontrack"
    extras = {folder / name: project["optional-dependencies"][extra] for name, extra in OF_AN_EXTRA.items()}
    always = [file for file in sorted(folder.rglob("*.py")) if file not in extras]
    assert len(always) > 100
    assert not _undeclared(always, folder, project["dependencies"])
    installed = packages_distributions()
    for file, extra in extras.items():
        # What is not installed here was brought along by nobody: the tests run without elastix and its 1.6 GB.
        undeclared = _undeclared([file], folder, [*project["dependencies"], *extra])
        assert not {name: where for name, where in undeclared.items() if name in installed}


def test_the_tests_have_what_the_extras_need(project_root: Path) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(project["dicomweb"]) <= set(project["test"])
