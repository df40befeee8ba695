"""Commands of the people who read: readers, and who adjudicates between them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesiontrack.cli.options import ResultFolder, SettingsFile, exit_with, write_report_of
from lesiontrack.cli.program import app


@app.command()
def adjudicate(
    out: ResultFolder,
    choices: Annotated[
        Path | None,
        typer.Option(
            "--choices",
            metavar="FILE",
            help="CSV of choices: subject_id, item (as listed, or case for all of a subject), chosen_reader, reason.",
        ),
    ] = None,
    adjudicator: Annotated[
        str, typer.Option("--adjudicator", metavar="NAME", help="Who chooses; recorded with each choice.")
    ] = "adjudicator",
    settings: SettingsFile = None,
) -> None:
    """List where readers differ and why; take the adjudicator's choices.

    For every subject that two readers have read: category, date and site of progression, new lesions, targets,
    measurements and series, down to the lesion. Choices are kept for good and stand until a reader changes the reading.
    """
    from lesiontrack.batch import adjudicate_readings

    done = adjudicate_readings(out, choices_file=choices, adjudicator=adjudicator, settings_file=settings)
    typer.echo(done.text)
    write_report_of(out, changed=done.finished.changed)
    exit_with(done.finished.failures)
