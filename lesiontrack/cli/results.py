"""Commands that work on a result folder."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lesiontrack.cli.options import CommandError, ResultFolder
from lesiontrack.cli.program import app


@app.command()
def report(out: ResultFolder) -> None:
    """Write OUT/report/index.html again from the tables."""
    from lesiontrack.batch import require_result
    from lesiontrack.report import write_report

    require_result(out)
    typer.echo(str(write_report(out)))


@app.command()
def trace(
    out: ResultFolder,
    subject: Annotated[str | None, typer.Option("--subject", metavar="ID", help="The subject's id.")] = None,
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="NAME", help="PFS, OS, HEPATIC_PD, ...: the evidence of its date."),
    ] = None,
    lesion: Annotated[
        str | None, typer.Option("--lesion", metavar="ID", help="Track id, such as L03: all that rests on this lesion.")
    ] = None,
    sop_instance: Annotated[
        str | None,
        typer.Option("--sop-instance", metavar="UID", help="SOP Instance UID: all that rests on this image."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show where a date comes from, or what rests on a lesion or image.

    Forwards, with --subject and --endpoint: the rule, lesions, measurements, images and readers behind the date.
    Backwards, with --lesion or --sop-instance: every measurement, response and endpoint that rests on it.
    """
    if len([name for name in (endpoint, lesion, sop_instance) if name is not None]) != 1:
        raise CommandError(
            "say what to trace", expected="--subject ID --endpoint PFS, --subject ID --lesion L01 or --sop-instance UID"
        )
    if endpoint is not None and subject is None:
        raise CommandError("--endpoint says nothing of whose", expected="--subject ID with it")
    from lesiontrack.batch import trace_result

    endpoint = endpoint.upper() if endpoint is not None else None
    found = trace_result(out, subject_id=subject, endpoint=endpoint, lesion=lesion, sop_instance=sop_instance)
    typer.echo(json.dumps(found.to_dict(), indent=1, sort_keys=True) if as_json else str(found))
