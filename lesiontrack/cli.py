"""Parse, call, print. Every command of the contract that is built; exit codes 0, 1, 2."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from pathlib import Path
from typing import Annotated

import click
import typer

from lesiontrack import __version__
from lesiontrack.errors import LesiontrackError

__all__ = ["app", "main"]

app = typer.Typer(
    name="lesiontrack",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Serial liver CT/MRI with segmentations: lesion tracks, RECIST 1.1 responses, progression dates and site, "
    "survival endpoints.",
    epilog="Exit codes: 0 done; 1 done, with rows in cohort/failures; 2 the command or its input is unusable.",
)

Out = Annotated[Path, typer.Option("--out", help="Folder to write to; made when it is not there.")]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="TOML file whose settings override the study's study.toml.")
]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same files, byte for byte.")]


def _numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise click.UsageError(f"{option}: found {text!r}, expected numbers separated by commas") from error


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _exit(failures: int) -> None:
    if failures:
        raise typer.Exit(1)


def _report(out: Path, *, changed: bool) -> None:
    """Write the report where its tables changed or it is not there."""
    from lesiontrack.report import write_report

    if changed or not (out / "report" / "index.html").is_file():
        typer.echo(f"report: {write_report(out)}")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when a command fails.")] = False,
) -> None:
    """Take the options that come before a command."""
    if version:
        typer.echo(f"lesiontrack {__version__}")
        raise typer.Exit
    _log(debug)


def _log(debug: bool) -> None:
    """Print our own messages and nobody else's: the libraries' messages may quote what a file says of a patient."""
    logging.getLogger().addHandler(logging.NullHandler())
    ours = logging.getLogger("lesiontrack")
    ours.handlers.clear()
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    ours.addHandler(handler)
    ours.propagate = False
    ours.setLevel(logging.DEBUG if debug else logging.INFO)


def main() -> None:
    """Run the command line; the one place where every error becomes one line on stderr and exit code 2."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        code = app(["--debug", *arguments] if debug else arguments, standalone_mode=False)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.exceptions.Abort:
        print("lesiontrack: interrupted", file=sys.stderr)
        code = 130
    except click.ClickException as error:
        print(f"lesiontrack: {error.format_message()}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("lesiontrack: interrupted; what was finished is stored, run again to go on", file=sys.stderr)
        code = 130
    except Exception as error:
        if debug:
            traceback.print_exc()
        kind = "" if isinstance(error, LesiontrackError | OSError) else f"{type(error).__name__}: "
        print(f"lesiontrack: {kind}{_one_line(error)}", file=sys.stderr)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="Study folder: images/, clinical/, optional study.toml.")],
    out: Out,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Subjects worked on at the same time.")] = 1,
    subject: Annotated[list[str] | None, typer.Option("--subject", help="Only this subject; repeat for more.")] = None,
    settings: SettingsFile = None,
    force: Annotated[bool, typer.Option("--force", help="Do again what is already done.")] = False,
) -> None:
    """Run the main job: images to tracks, responses, event dates, endpoints and a report.

    A second run does only what is missing or whose input has changed.
    """
    from lesiontrack.batch import run_study

    finished = run_study(
        study, out, workers=workers, subjects=tuple(subject or ()), settings_file=settings, force=force
    )
    _report(out, changed=finished.changed)
    _exit(finished.failures)


@app.command()
def index(
    archive: Annotated[Path, typer.Argument(help="Study folder, or any folder of images.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the catalogue here; without it, only print.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare file contents by hash, not only size and date.")
    ] = False,
    settings: SettingsFile = None,
) -> None:
    """Catalogue an archive: subjects, visits, series, segmentations, and every refused file with the reason."""
    from lesiontrack.batch import index_archive

    text, problems = index_archive(archive, out, verify=verify, settings_file=settings)
    typer.echo(text)
    _exit(problems)


@app.command()
def assess(
    reads: Annotated[Path, typer.Argument(help="A case file (JSON), or a folder with SDTM tu and tr tables.")],
    out: Out,
    settings: SettingsFile = None,
) -> None:
    """Assess response from measurements alone, without images."""
    from lesiontrack.batch import assess_reads

    _exit(assess_reads(reads, out, settings_file=settings))


@app.command()
def endpoints(
    out_folder: Annotated[Path | None, typer.Argument(metavar="[OUT]", help="Result folder of a run.")] = None,
    clinical: Annotated[
        Path | None, typer.Option("--clinical", help="Clinical tables to use instead of the study's.")
    ] = None,
    settings: SettingsFile = None,
    cases: Annotated[
        Path | None, typer.Option("--cases", help="File of censoring cases instead of a result folder.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="With --cases: where censoring.json is written.")] = None,
) -> None:
    """Derive event dates anew from responses and clinical tables; no image is touched."""
    from lesiontrack.batch import censor_cases, derive_endpoints

    if cases is not None:
        if out is None or out_folder is not None:
            raise click.UsageError("--cases FILE goes with --out DIR and without a result folder")
        _exit(censor_cases(cases, out, settings_file=settings))
        return
    if out_folder is None:
        raise click.UsageError("a result folder is needed, or --cases FILE --out DIR")
    finished = derive_endpoints(out_folder, clinical=clinical, settings_file=settings)
    _report(out_folder, changed=finished.changed)
    _exit(finished.failures)


@app.command()
def survival(
    events: Annotated[Path, typer.Argument(help="Events table, CSV or Parquet: ours or anyone's in the same columns.")],
    out: Out,
    by: Annotated[str | None, typer.Option("--by", help="Column that tells the groups apart.")] = None,
    times: Annotated[str | None, typer.Option("--times", help="Times for rates, separated by commas.")] = None,
    tau: Annotated[float | None, typer.Option("--tau", help="Horizon of the restricted mean survival time.")] = None,
    strata: Annotated[str | None, typer.Option("--strata", help="Column to stratify comparisons by.")] = None,
    adjust: Annotated[str | None, typer.Option("--adjust", help="Columns to adjust for, separated by commas.")] = None,
    adverse_events: Annotated[
        Path | None, typer.Option("--adverse-events", help="Adverse events table: worst grade by arm is added.")
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Estimate and compare: statistics, figures and the numbers behind them from an events table."""
    from lesiontrack.batch import analyse_events

    analyse_events(
        events,
        out,
        by=by,
        times=_numbers(times, "--times"),
        tau=tau,
        strata=strata,
        adjust=_names(adjust),
        adverse_events=adverse_events,
        settings_file=settings,
    )


@app.command()
def report(out: Annotated[Path, typer.Argument(help="Result folder of a run.")]) -> None:
    """Write the report again from the tables of a result folder."""
    from lesiontrack.batch import require_result
    from lesiontrack.report import write_report

    require_result(out)
    typer.echo(str(write_report(out)))


@app.command()
def trace(
    out: Annotated[Path, typer.Argument(help="Result folder of a run.")],
    subject: Annotated[str | None, typer.Option("--subject", help="The subject's id.")] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="For example PFS.")] = None,
    lesion: Annotated[str | None, typer.Option("--lesion", help="Track id: all that rests on this lesion.")] = None,
    sop_instance: Annotated[
        str | None, typer.Option("--sop-instance", help="SOP Instance UID: all that rests on this image.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the evidence of a date: rule, lesions, measurements, images, readers; or what rests on a lesion or image."""
    from lesiontrack.batch import trace_result

    found = trace_result(out, subject_id=subject, endpoint=endpoint, lesion=lesion, sop_instance=sop_instance)
    typer.echo(json.dumps(found.to_dict(), indent=1, sort_keys=True) if as_json else str(found))


@app.command()
def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write; must be empty or not there.")],
    subjects: Annotated[int, typer.Option("--subjects", min=1, help="How many subjects.")] = 6,
    seed: Seed = 20,
) -> None:
    """Write a synthetic imaging study, DICOM with segmentations and clinical tables, whose truth is known."""
    from lesiontrack.io.phantom_study import write_phantom_study

    write_phantom_study(folder, subjects=subjects, seed=seed)


@app.command()
def settings() -> None:
    """Print every setting as commented TOML with its default, unit and reason."""
    from lesiontrack.settings import Settings, as_toml

    typer.echo(as_toml(Settings()), nl=False)


if __name__ == "__main__":
    main()
