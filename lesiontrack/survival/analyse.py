"""An events table in, a folder of statistics and figures out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lesiontrack.errors import TableError
from lesiontrack.survival.adverse import worst_grades
from lesiontrack.survival.estimates import Json
from lesiontrack.survival.figures import EndpointFigures, write_figures
from lesiontrack.survival.intake import Plan, endpoints, read_table
from lesiontrack.survival.settings import SurvivalSettings
from lesiontrack.survival.summary import summarise_endpoint, with_horizons

__all__ = ["Request", "analyse"]

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to analyse, as on the command line; see ``summarise`` for the meaning of each.

    ``adverse_events`` is a table or its path, None without one.
    """

    by: str | None = None
    times: Sequence[float] | None = None
    tau: float | None = None
    strata: str | None = None
    adjust: Sequence[str] = ()
    adverse_events: pd.DataFrame | Path | None = None


def analyse(
    events: pd.DataFrame | Path, out: Path, request: Request | None = None, settings: SurvivalSettings | None = None
) -> Json:
    """Write ``summary.json``, the figures with their numbers, and the adverse-event table into ``out``.

    Parameters
    ----------
    events
        An events table, or the path of its CSV or Parquet file.
    out
        Folder, made if need be.
    request
        Groups, landmarks, strata, covariates.
    settings
        Everything else.

    Returns
    -------
    dict
        The document written to ``summary.json``.

    Raises
    ------
    TableError
        The file is empty or unreadable, a column is missing, or a value is impossible.
    SettingsError
        A landmark or the horizon is impossible.
    """
    wanted = request or Request()
    chosen = with_horizons(settings or SurvivalSettings(), wanted.times, wanted.tau)
    frame = _frame(events)
    plan = Plan(by=wanted.by, strata=wanted.strata, adjust=tuple(wanted.adjust))
    with _named(events):
        parts = list(endpoints(frame, plan))
    adverse = None
    if wanted.adverse_events is not None:
        with _named(wanted.adverse_events):
            adverse = worst_grades(_frame(wanted.adverse_events), frame, wanted.by)
    document: Json = {"endpoints": {data.name: summarise_endpoint(data, plan, chosen) for data in parts}}
    out.mkdir(parents=True, exist_ok=True)
    if adverse is not None:
        adverse.to_csv(out / "adverse_events.csv", index=False, lineterminator="\n")
        document["adverse_events"] = json.loads(adverse.to_json(orient="records"))
    stems = _stems([data.name for data in parts])
    for data in parts:
        block = document["endpoints"][data.name]
        write_figures(EndpointFigures(data=data, block=block, settings=chosen), out, stems[data.name])
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (out / "summary.json").write_text(text + "\n", encoding="utf-8")
    return document


@contextmanager
def _named(table: pd.DataFrame | Path) -> Iterator[None]:
    """Name the file in what is wrong with its content."""
    try:
        yield
    except TableError as error:
        raise error.at(file=str(table) if isinstance(table, Path) else None) from error


def _frame(table: pd.DataFrame | Path) -> pd.DataFrame:
    """Return the table; one from a file must have rows."""
    if isinstance(table, pd.DataFrame):
        return table
    frame = read_table(table)
    if frame.empty:
        raise TableError("the table has no rows", file=str(table), expected="at least one row")
    return frame


def _stems(names: Sequence[str]) -> dict[str, str]:
    """Return a file name for each endpoint, safe on any system and different for different endpoints."""
    stems: dict[str, str] = {}
    for name in names:
        stem = base = _UNSAFE.sub("_", name).strip(".") or "endpoint"
        number = 2
        while stem.lower() in {taken.lower() for taken in stems.values()}:
            stem, number = f"{base}_{number}", number + 1
        stems[name] = stem
    return stems
