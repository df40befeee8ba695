"""Commands that start from images: the main job, the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesiontrack.cli.options import Out, SettingsFile, exit_with, folder_to_write, write_report_of
from lesiontrack.cli.program import app


@app.command()
def run(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY", help="Study folder with images/ and, if any, clinical/ and study.toml.")
    ],
    out: Out,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, help="Subjects worked on at the same time.")
    ] = 1,
    subject: Annotated[
        list[str] | None, typer.Option("--subject", metavar="ID", help="Only this subject; repeat for more.")
    ] = None,
    settings: SettingsFile = None,
    force: Annotated[bool, typer.Option("--force", help="Do everything again, also what is already done.")] = False,
) -> None:
    """Do the main job: images to tracks, responses, dates and a report.

    Reads the scans and what is marked in them, measures every lesion, follows it through time, judges each visit by
    RECIST 1.1, derives progression dates and survival endpoints, and writes OUT/report/index.html.

    A second run does only what is missing or whose input has changed. One subject's failure stops no other.
    """
    from lesiontrack.batch import run_study

    finished = run_study(
        study, out, workers=workers, subjects=tuple(subject or ()), settings_file=settings, force=force
    )
    write_report_of(out, changed=finished.changed)
    exit_with(finished.failures)


@app.command()
def index(
    archive: Annotated[
        str,
        typer.Argument(
            metavar="ARCHIVE", help="Study folder, any folder of images, or dicomweb+http://host/path (or https)."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            callback=folder_to_write,
            help="Folder for the catalogue; without it, it is only printed.",
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="With --out: compare files by content, not only by size and time.")
    ] = False,
    settings: SettingsFile = None,
) -> None:
    """List what an archive holds, and what is refused and why.

    Subjects, visits, series and segmentations, without reading a pixel of DICOM. A good first look at a new study.
    """
    from lesiontrack.batch import index_archive

    text, problems = index_archive(archive, out, verify=verify, settings_file=settings)
    typer.echo(text)
    exit_with(problems)
