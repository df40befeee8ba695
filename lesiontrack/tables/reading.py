"""Tables of what readers decided, what that changed, where they differ, and what is left to read."""

from __future__ import annotations

from lesiontrack.tables.columns import DATE, FLAG, FLOAT, ID, INT, JSON, NUMBER, TEXT, Column, Kind, Table

__all__ = ["AUDIT", "DECISIONS", "DISCORDANCES", "PROGRESS"]

DISCORDANCES = Table(
    "discordances",
    {
        "subject_id": ID,
        "item": ID,
        "kind": ID,
        "phase": TEXT,
        "timepoint": INT,
        "date": DATE,
        "readings": Column(Kind.JSON, nullable=False),
        "reason": TEXT,
        "lesions": JSON,
        "numbers": JSON,
        "decisions": JSON,
        "decides": FLAG,
        "state": Column(Kind.TEXT, nullable=False, codes=("OPEN", "CHOSEN", "SETTLED", "STALE")),
        "chosen_reader": TEXT,
        "choice_reason": TEXT,
        "adjudicator": TEXT,
        "chosen_at": TEXT,
        "choice": TEXT,
    },
)

DECISIONS = Table(
    "decisions",
    {
        "subject_id": ID,
        "reader": ID,
        "decision_id": ID,
        "time": ID,
        "act": ID,
        "state": Column(Kind.TEXT, nullable=False, codes=("APPLIED", "SUPERSEDED", "REVOKED", "INAPPLICABLE")),
        "why": TEXT,
        "reason": TEXT,
        "tracks": JSON,
        "touches": JSON,
        "what": JSON,
        "previous": ID,
    },
)

AUDIT = Table(
    "audit",
    {
        "subject_id": ID,
        "reader": ID,
        "time": ID,
        "field": ID,
        "timepoint": INT,
        "date": DATE,
        "track_id": TEXT,
        "lesions": JSON,
        "old": TEXT,
        "new": TEXT,
        "reason": TEXT,
        "decision_id": ID,
    },
)

PROGRESS = Table(
    "progress",
    {
        "subject_id": ID,
        "reader": ID,
        "kind": Column(Kind.TEXT, nullable=False, codes=("LINK", "LESION", "VISIT")),
        "timepoint": NUMBER,
        "track_id": TEXT,
        "lesions": JSON,
        "confidence": FLOAT,
        "reasons": JSON,
    },
)
