"""Parse, call, print. Every command of the contract that is built; exit codes 0, 1, 2."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from lesiontrack import __version__
from lesiontrack.errors import LesiontrackError

__all__ = ["app", "main"]

app = typer.Typer(
    name="lesiontrack",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Serial liver CT/MRI with segmentations: lesion tracks, RECIST 1.1 responses, progression dates and site, "
    "survival endpoints.",
    epilog="Exit codes: 0 done; 1 done, but something failed and is listed in cohort/failures; 2 the command or its "
    "input cannot be used: one line says what, where, and what was expected (with --debug, a traceback too).",
)


class CommandError(LesiontrackError):
    """The command line itself cannot be used."""


def _folder(path: Path | None) -> Path | None:
    """Refuse a file where a folder is meant to be written."""
    if path is not None and path.exists() and not path.is_dir():
        raise CommandError("--out names a file", file=str(path), expected="a folder, there or not")
    return path


Out = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", callback=_folder, help="Folder for the results; made when it is not there."),
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


def _numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise CommandError(f"{option} is unclear", found=repr(text), expected="numbers separated by commas") from error


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
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"] or ["--help"]
    try:
        code = app(["--debug", *arguments] if debug else arguments, standalone_mode=False)
    except typer.Exit as stop:
        code = stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print("lesiontrack: interrupted; what was finished is stored, run again to go on", file=sys.stderr)
        code = 130
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"lesiontrack: {_one_line(error)}", file=sys.stderr)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


def _one_line(error: Exception) -> str:
    """Return what, where and what was expected."""
    if isinstance(error, LesiontrackError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f"file {error.filename}: {error.strerror}" if error.filename else error.strerror
    elif hasattr(error, "format_message"):
        # Of the command line's parser, which names the option at fault; its class is not the same in all of typer.
        text = f"{error.format_message()} (see: lesiontrack --help, lesiontrack COMMAND --help)"
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())


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
    _report(out, changed=finished.changed)
    _exit(finished.failures)


@app.command()
def index(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="Study folder, or any folder of images.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", callback=_folder, help="Folder for the catalogue; without it, it is only printed."
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
    _exit(problems)


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

    _exit(assess_reads(reads, out, settings_file=settings))


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
        typer.Option("--out", metavar="DIR", callback=_folder, help="With --cases: folder for censoring.json."),
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
        _exit(censor_cases(cases, out, settings_file=settings))
        return
    if out_folder is None:
        raise CommandError("nothing to work on", expected="a result folder, or --cases FILE --out DIR")
    finished = derive_endpoints(out_folder, clinical=clinical, settings_file=settings)
    _report(out_folder, changed=finished.changed)
    _exit(finished.failures)


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
        times=_numbers(times, "--times"),
        tau=tau,
        strata=strata,
        adjust=_names(adjust),
        adverse_events=adverse_events,
        settings_file=settings,
    )


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


if __name__ == "__main__":
    main()
