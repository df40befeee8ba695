"""Options and arguments that commands share, and what they do alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesiontrack.errors import LesiontrackError

__all__ = [
    "CommandError",
    "Out",
    "OwnSettingsFile",
    "ResultFolder",
    "SettingsFile",
    "exit_with",
    "folder_to_write",
    "names",
    "numbers",
    "write_report_of",
]


class CommandError(LesiontrackError):
    """The command line itself cannot be used."""


def folder_to_write(path: Path | None) -> Path | None:
    """Refuse a file where a folder is meant to be written."""
    if path is not None and path.exists() and not path.is_dir():
        raise CommandError("--out names a file", file=str(path), expected="a folder, there or not")
    return path


Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="DIR", callback=folder_to_write, help="Folder for the results; made when it is not there."
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="TOML file; its settings override the study's study.toml."),
]
OwnSettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="TOML file of settings that differ from the defaults."),
]
ResultFolder = Annotated[Path, typer.Argument(metavar="OUT", help="Result folder: the OUT of `lesiontrack run`.")]


def numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise CommandError(f"{option} is unclear", found=repr(text), expected="numbers separated by commas") from error


def names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def exit_with(failures: int) -> None:
    if failures:
        raise typer.Exit(1)


def write_report_of(out: Path, *, changed: bool) -> None:
    """Write the report where its tables changed or it is not there."""
    from lesiontrack.report import write_report

    if changed or not (out / "report" / "index.html").is_file():
        typer.echo(f"report: {write_report(out)}")
