"""What measurements and links rest on in turn: registrations between visits, and the decisions of readers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lesiontrack.trace.rows import as_decision, as_link, as_registration, parsed
from lesiontrack.trace.values import Row, TracedDecision, TracedLink, TracedRegistration

__all__ = ["decisions_behind", "links_of", "registrations_between"]

# Readings that are made of several readers' decisions.
_MADE = ("adjudicated", "majority")


def links_of(links: Sequence[Row], lesions: Collection[tuple[int, int]], last: int) -> tuple[TracedLink, ...]:
    """Return the links that end in a track's lesions, up to a visit."""
    found = [
        row
        for row in links
        if (int(row["timepoint_to"]), int(row["lesion_to"])) in lesions
        and (int(row["timepoint_from"]), int(row["lesion_from"])) in lesions
        and int(row["timepoint_to"]) <= last
    ]
    return tuple(as_link(row) for row in sorted(found, key=lambda r: (int(r["timepoint_to"]), int(r["lesion_to"]))))


def registrations_between(registrations: Sequence[Row], visits: Collection[int]) -> tuple[TracedRegistration, ...]:
    """Return how these visits were brought together."""
    found = [as_registration(row) for row in registrations]
    kept = [r for r in found if r.timepoint_from in visits and r.timepoint_to in visits]
    return tuple(sorted(kept, key=lambda r: (r.timepoint_to, r.timepoint_from, r.method)))


def decisions_behind(
    decisions: Sequence[Row],
    *,
    reader: str | None,
    tracks: Collection[str],
    lesions: Collection[tuple[int, int]],
    dates: Collection[str],
) -> tuple[TracedDecision, ...]:
    """Return the decisions in force, or no longer applicable, that touch lesions or sign visits.

    Parameters
    ----------
    reader
        Whose reading is asked about; None, or a reading made of several: anybody's.
    dates
        Of the scans of the visits.
    """
    found: list[TracedDecision] = []
    for row in decisions:
        if row["state"] not in ("APPLIED", "INAPPLICABLE") or (reader not in (None, *_MADE, row["reader"])):
            continue
        touched = {(int(t), int(n)) for t, n in parsed(row.get("touches"), [])}
        named = set(parsed(row.get("tracks"), []))
        visit = parsed(row.get("what"), {}).get("visit") or {}
        signs = not touched and (visit.get("date") in dates or row["act"] == "ConfirmCase")
        if touched & set(lesions) or named & set(tracks) or signs:
            found.append(as_decision(row))
    return tuple(sorted(found, key=lambda decision: (decision.time, decision.decision_id)))
