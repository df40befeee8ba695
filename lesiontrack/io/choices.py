"""The adjudicators' choices: ``adjudication/choices-<adjudicator>.jsonl`` of a result folder, append-only."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lesiontrack.domain.chain import genesis, seal
from lesiontrack.errors import DecisionError
from lesiontrack.io.chained_log import ChainedLog
from lesiontrack.io.store import safe_name
from lesiontrack.review.choices import Choice

__all__ = ["append_choices", "stored_choices"]

_FIELDS = tuple(name for name in Choice.__slots__ if name != "id")


def append_choices(out: Path, choices: Iterable[Choice], *, time: dt.datetime | None = None) -> list[Choice]:
    """Store choices, each on disk before the next; return them as stored, with the time now and their identifiers.

    Raises
    ------
    DecisionError
        If the log is damaged or cannot be written; what was stored before stays.
    """
    at = (time or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    logs: dict[str, ChainedLog] = {}
    stored = []
    for choice in choices:
        log = logs.setdefault(choice.adjudicator, _log(out, choice.adjudicator))
        payload = {name: value for name, value in asdict(replace(choice, time=at)).items() if name != "id"}
        stored.append(_choice(log.append(_sealed(payload)), log.path))
    return stored


def _sealed(payload: Mapping[str, Any]) -> Any:
    def make(previous: str) -> dict[str, Any]:
        return {**payload, "previous": previous, "id": seal(previous, payload)}

    return make


def stored_choices(out: Path) -> dict[str, tuple[Choice, ...]]:
    """Return every choice, by subject, in the order of their times.

    Raises
    ------
    DecisionError
        If a log is damaged, naming the file and the line.
    """
    found: list[Choice] = []
    for path in sorted((out / "adjudication").glob("choices-*.jsonl")):
        log = _log(out, _adjudicator_of(path))
        if log.path != path:
            raise DecisionError("a log of choices is not its adjudicator's", file=str(path))
        found += [_choice(record, path) for record in log.read().records]
    by_subject: dict[str, tuple[Choice, ...]] = {}
    for choice in sorted(found, key=lambda choice: choice.time):
        by_subject[choice.subject_id] = (*by_subject.get(choice.subject_id, ()), choice)
    return by_subject


def _log(out: Path, adjudicator: str) -> ChainedLog:
    folder = out / "adjudication"
    folder.mkdir(parents=True, exist_ok=True)
    first = genesis(log="choices", adjudicator=adjudicator)
    return ChainedLog(folder / f"choices-{safe_name(adjudicator)}.jsonl", folder / ".choices.lock", first)


def _adjudicator_of(path: Path) -> str:
    with path.open("rb") as file:
        line = file.readline()
    try:
        return str(json.loads(line)["adjudicator"])
    except (ValueError, KeyError, TypeError) as error:
        raise DecisionError("a log of choices does not say whose it is", file=str(path)) from error


def _choice(record: Mapping[str, Any], path: Path) -> Choice:
    if any(not isinstance(record.get(name), str) for name in (*_FIELDS, "id")):
        raise DecisionError("a choice lacks an entry", file=str(path), expected=", ".join(_FIELDS))
    return Choice(**{name: record[name] for name in (*_FIELDS, "id")})
