"""The subject's line where its reading was put together from several readers', or where nobody's may decide."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.facts import Row, as_text, rows_by_subject
from lesiontrack.survival.judged import judged_visits
from lesiontrack.survival.readings import Made
from lesiontrack.survival.record import DISCORDANT, progression

__all__ = ["undecided_row", "with_made_outcome"]

_PROGRESSION = (
    "pd_date",
    "pd_declared_date",
    "pd_site",
    "pd_subtype",
    "pd_reasons",
    "first_hepatic_pd_date",
    "first_extrahepatic_pd_date",
)
_RESPONSE = ("bor_unconfirmed", "bor_confirmed", "disease_control_study")


def undecided_row(row: Row) -> Row:
    """Return a row of ``subjects`` that says nothing of the study phase, since the readers differ in it."""
    flags = [*json.loads(row.get("flags") or "[]"), f"{DISCORDANT}: the readers differ and nobody has chosen"]
    return {**row, **dict.fromkeys((*_PROGRESSION, *_RESPONSE)), "flags": flags}


def with_made_outcome(row: Row, name: str, made: Made, responses: pd.DataFrame, settings: EventSettings) -> Row:
    """Return a row of ``subjects`` with the progression of visits of several readers put together.

    Best overall response, disease control and subtype rest on more than these visits; they are left empty.

    Parameters
    ----------
    row
        Of the reader whose reading it is for the most part.
    name
        Of the reading made.
    responses
        The table, with the rows of the reading made.
    """
    subject_id = str(row["subject_id"])
    own = responses[(responses["subject_id"] == subject_id) & (responses["reader"] == name)]
    rows = [r for r in rows_by_subject(own).get(subject_id, []) if as_text(r.get("rules")) == settings.primary_rules]
    visits = judged_visits(subject_id, rows)
    first = progression(visits, {})
    declared = next((visit.date for visit in visits if visit.cues), None)
    deciding = [cue.kind for cue in first.cues if first.cue is not None and cue.timepoint == first.cue.timepoint]
    readers = sorted({made.base, *made.owners.values()})
    flags = [*json.loads(row.get("flags") or "[]"), f"reading put together from {', '.join(readers)}"]
    outcome: dict[str, Any] = {
        "pd_date": first.date,
        "pd_declared_date": declared,
        "pd_site": first.site,
        "pd_reasons": sorted(set(deciding)),
        "first_hepatic_pd_date": first.hepatic,
        "first_extrahepatic_pd_date": first.extrahepatic,
    }
    return {**row, **dict.fromkeys((*_PROGRESSION, *_RESPONSE)), **outcome, "flags": flags}
