"""Tables of what the images show: scans, visits, lesions, and what belongs together."""

from __future__ import annotations

from lesiontrack.tables.columns import (
    BOOL,
    COMPARTMENT,
    DATE,
    DAY,
    FLAG,
    FLOAT,
    ID,
    INT,
    JSON,
    NUMBER,
    PHASE,
    TEXT,
    Column,
    Kind,
    Table,
    point,
)

__all__ = ["LESIONS", "LINKS", "MISSING", "REGISTRATIONS", "ROLES", "SCANS", "TIMEPOINTS", "TRACKS"]

SCANS = Table(
    "scans",
    {
        "subject_id": ID,
        "timepoint": INT,
        "series_uid": ID,
        "date": DATE,
        "modality": TEXT,
        "phase_of_contrast": TEXT,
        "regions": JSON,
        "slice_thickness_mm": FLOAT,
        "measured": FLAG,
        "usable": FLAG,
        "problem": TEXT,
    },
)

TIMEPOINTS = Table(
    "timepoints",
    {
        "subject_id": ID,
        "timepoint": NUMBER,
        "date": DAY,
        "phase": Column(Kind.TEXT, codes=("INDUCTION", "STUDY", "BOTH")),
        "n_hepatic": INT,
        "n_extrahepatic": INT,
        "regions_assessed": JSON,
        "usable": FLAG,
        "problem": TEXT,
    },
)

LESIONS = Table(
    "lesions",
    {
        "subject_id": ID,
        "timepoint": NUMBER,
        "date": DAY,
        "series_uid": ID,
        "lesion_id": NUMBER,
        "track_id": TEXT,
        "site": ID,
        "compartment": COMPARTMENT,
        **point(),
        "longest_diameter_mm": FLOAT,
        "short_axis_mm": FLOAT,
        "volume_mm3": FLOAT,
        "measurable": FLAG,
        "status": ID,
        "sop_instance_uid": TEXT,
        **point("d1_"),
        **point("d2_"),
        **point("s1_"),
        **point("s2_"),
        "certainty": TEXT,
        "max_components": INT,
        "n_slices": INT,
        "slice_thickness_mm": FLOAT,
        "notes": JSON,
    },
)

LINKS = Table(
    "links",
    {
        "subject_id": ID,
        "timepoint_from": NUMBER,
        "lesion_from": NUMBER,
        "timepoint_to": NUMBER,
        "lesion_to": NUMBER,
        "kind": Column(Kind.TEXT, nullable=False, codes=("SAME", "SPLIT", "MERGE")),
        "distance_mm": FLOAT,
        "confidence": FLOAT,
        "author": ID,
    },
)

TRACKS = Table(
    "tracks",
    {
        "subject_id": ID,
        "track_id": ID,
        "tracking_uid": ID,
        "site": ID,
        "compartment": COMPARTMENT,
        "first_timepoint": NUMBER,
        "last_seen_timepoint": NUMBER,
        "fate": Column(
            Kind.TEXT,
            nullable=False,
            codes=("PERSISTS", "DISAPPEARED", "MERGED", "RESECTED", "ABLATED", "IRRADIATED"),
        ),
        "needs_review": FLAG,
        "reasons": JSON,
        "treated_date": DATE,
        "recurrence_of": TEXT,
        "merged_into": TEXT,
    },
)

ROLES = Table(
    "roles",
    {
        "subject_id": ID,
        "phase": PHASE,
        "track_id": ID,
        "role": Column(Kind.TEXT, nullable=False, codes=("TARGET", "NON_TARGET", "NEW")),
        "measurable": BOOL,
        "reason": TEXT,
    },
)

MISSING = Table(
    "missing",
    {
        "subject_id": ID,
        "timepoint": NUMBER,
        "track_id": ID,
        **point(),
        "state": Column(Kind.TEXT, nullable=False, codes=("NOT_SEEN", "OUT_OF_VIEW", "TREATED")),
        "since_timepoint": NUMBER,
        "series_uid": TEXT,
        "trusted": FLAG,
    },
)

REGISTRATIONS = Table(
    "registrations",
    {
        "subject_id": ID,
        "timepoint_from": NUMBER,
        "timepoint_to": NUMBER,
        "method": ID,
        "liver_dice": FLOAT,
        "residual_mm": FLOAT,
        "folding_fraction": FLOAT,
        "seconds": FLOAT,
        "trusted": FLAG,
        "reason": TEXT,
        "series_from": TEXT,
        "series_to": TEXT,
    },
)
