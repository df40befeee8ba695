"""The command that opens the viewer; it starts napari as a program and never imports it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from lesiontrack.cli.options import CommandError, ResultFolder
from lesiontrack.cli.program import app


@app.command()
def review(
    out: ResultFolder,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="ID", help="Open this case at once; without it, the worklist.")
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option("--reader", metavar="NAME", help="Who reads; without it, as the settings say, or the account."),
    ] = None,
    study: Annotated[
        Path | None, typer.Option("--study", metavar="STUDY", help="The study, where it was moved since it was run.")
    ] = None,
) -> None:
    """Open napari to read the cases of a result folder.

    Decisions are kept in OUT as they are made; `lesiontrack replay OUT` brings the results up to them.
    """
    from lesiontrack.batch import require_result
    from lesiontrack.io.store import subject_folder

    require_result(out)
    if study is not None and not study.is_dir():
        raise CommandError("no study folder", file=str(study), expected="--study STUDY")
    if subject is not None and not subject_folder(out, subject).is_dir():
        raise CommandError("no such subject in the result folder", subject_id=subject, file=str(out))
    missing = [name for name in ("napari", "PySide6") if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(
            f"the viewer needs {' and '.join(missing)}",
            expected="the extra napari: pip install 'lesiontrack-crlm[napari]'",
        )
    arguments = [str(out), subject or "", reader or "", "" if study is None else str(study)]
    done = subprocess.run([sys.executable, "-m", "lesiontrack_napari", *arguments], check=False)
    if done.returncode:
        raise typer.Exit(2)
