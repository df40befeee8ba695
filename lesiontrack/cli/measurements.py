"""Commands that start from numbers: reads, clinical tables, events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesiontrack.cli.options import (
    CommandError,
    Out,
    OwnSettingsFile,
    SettingsFile,
    exit_with,
    folder_to_write,
    names,
    numbers,
    write_report_of,
)
from lesiontrack.cli.program import app


@app.command()
def assess(
    reads: Annotated[
        Path, typer.Argument(metavar="READS", help="A case file (JSON), or a folder with SDTM tables tu and tr.")
    ],
    out: Out,
    settings: OwnSettingsFile = None,
) -> None:
    """Judge response from measurements alone, without images.

    For measurements that readers have made already: RECIST 1.1 with local treatment, visit by visit.
    """
    from lesiontrack.batch import assess_reads

    exit_with(assess_reads(reads, out, settings_file=settings))


@app.command()
def endpoints(
    out_folder: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="Result folder: the OUT of `lesiontrack run`.")
    ] = None,
    clinical: Annotated[
        Path | None,
        typer.Option("--clinical", metavar="DIR", help="Clinical tables to use instead of those that were run with."),
    ] = None,
    settings: SettingsFile = None,
    cases: Annotated[
        Path | None,
        typer.Option("--cases", metavar="FILE", help="Censoring cases (JSON) instead of a result folder."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", callback=folder_to_write, help="With --cases: folder for censoring.json."),
    ] = None,
) -> None:
    """Derive event dates again, for example by other censoring rules.

    From the stored responses and the clinical tables; no image is touched. The tables of events, the statistics and
    the report in OUT are written anew.
    """
    from lesiontrack.batch import censor_cases, derive_endpoints

    if cases is not None:
        if out is None or out_folder is not None:
            raise CommandError("--cases FILE goes with --out DIR and without a result folder")
        exit_with(censor_cases(cases, out, settings_file=settings))
        return
    if out_folder is None:
        raise CommandError("nothing to work on", expected="a result folder, or --cases FILE --out DIR")
    finished = derive_endpoints(out_folder, clinical=clinical, settings_file=settings)
    write_report_of(out_folder, changed=finished.changed)
    exit_with(finished.failures)


@app.command()
def survival(
    events: Annotated[
        Path,
        typer.Argument(
            metavar="EVENTS",
            help="CSV or Parquet with time_days and status (0 censored, 1 event, 2 competing event), and if need be "
            "subject_id, endpoint, entry_days: OUT/cohort/events.csv, or a table of your own.",
        ),
    ],
    out: Out,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="Column with the groups to compare, for example arm.")
    ] = None,
    times: Annotated[
        str | None,
        typer.Option("--times", metavar="T,T", help="Times at which rates are given, in the unit of time_days."),
    ] = None,
    tau: Annotated[
        float | None,
        typer.Option("--tau", metavar="T", help="Horizon of the restricted mean survival time, same unit."),
    ] = None,
    strata: Annotated[
        str | None, typer.Option("--strata", metavar="COLUMN", help="Column to stratify the comparisons by.")
    ] = None,
    adjust: Annotated[
        str | None,
        typer.Option("--adjust", metavar="COLUMN,COLUMN", help="Covariates of the adjusted Cox and Fine-Gray models."),
    ] = None,
    adverse_events: Annotated[
        Path | None,
        typer.Option(
            "--adverse-events", metavar="FILE", help="Table of adverse events: adds the worst grade by group."
        ),
    ] = None,
    settings: OwnSettingsFile = None,
) -> None:
    """Compute survival statistics and figures from an events table.

    Kaplan-Meier or, with competing events, cumulative incidence; medians, rates, restricted means; with --by also
    log-rank, Cox, Gray and Fine-Gray. Writes DIR/summary.json and each figure with the numbers behind it.
    """
    from lesiontrack.batch import analyse_events

    analyse_events(
        events,
        out,
        by=by,
        times=numbers(times, "--times"),
        tau=tau,
        strata=strata,
        adjust=names(adjust),
        adverse_events=adverse_events,
        settings_file=settings,
    )
