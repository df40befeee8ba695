"""Commands to start with: a synthetic study, and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesiontrack.cli.program import app


@app.command()
def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write; must be empty or not there.")],
    subjects: Annotated[int, typer.Option("--subjects", metavar="N", min=1, help="How many subjects.")] = 6,
    seed: Annotated[
        int, typer.Option("--seed", metavar="S", min=0, help="The same seed gives the same files, byte for byte.")
    ] = 20,
) -> None:
    """Write a synthetic study whose truth is known.

    DICOM with segmentations and clinical tables, as a trial would hand them over; DIR/truth says what a run must find.
    """
    from lesiontrack.io.phantom_study import write_phantom_study

    write_phantom_study(folder, subjects=subjects, seed=seed)


@app.command()
def settings() -> None:
    """Print every setting with its default, unit and reason.

    As TOML: copy what should differ into STUDY/study.toml, or into a file for --settings.
    """
    from lesiontrack.settings import Settings, as_toml

    typer.echo(as_toml(Settings()), nl=False)
