"""The command line as a whole: its options before a command, its log, its errors as one line and an exit code."""

from __future__ import annotations

import logging
import sys
import traceback
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
        code = app(["--debug", *arguments] if debug else arguments, prog_name="lesiontrack", standalone_mode=False)
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
