"""The domain's values as rows of the declared tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from lesiontrack.domain.history import History, Registration
from lesiontrack.domain.lesion import Lesion, Missing, Track
from lesiontrack.domain.study import Scan, Visit
from lesiontrack.tables.schema import frame

__all__ = ["failures_frame", "history_frames"]

Row = dict[str, Any]


def history_frames(
    history: History, *, phases: Mapping[int, str], regions: Mapping[int, tuple[str, ...]]
) -> dict[str, pd.DataFrame]:
    """Return the tables that images alone fill: scans, timepoints, lesions, links, tracks, missing, registrations.

    Parameters
    ----------
    phases, regions
        For each timepoint, the trial phase and the regions assessed, as judged.
    """
    subject_id = history.subject.subject_id
    track_of = {key: track.track_id for track in history.tracks for key in track.lesions}
    rows: dict[str, list[Row]] = {
        "scans": [_scan(visit, scan) for visit in history.subject.visits for scan in visit.scans],
        "timepoints": [
            _timepoint(history, visit, phases.get(visit.timepoint), regions.get(visit.timepoint, ()))
            for visit in history.subject.visits
        ],
        "lesions": [_lesion(x, track_of.get((x.timepoint, x.lesion_id))) for x in history.lesions],
        "links": [{name: getattr(link, name) for name in link.__slots__} for link in history.links],
        "tracks": [_track(track) for track in history.tracks],
        "missing": [_missing(entry) for entry in history.missing],
        "registrations": [_registration(entry) for entry in history.registrations],
    }
    return {name: frame(name, [{"subject_id": subject_id, **row} for row in table]) for name, table in rows.items()}


def failures_frame(problems: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the table ``failures``."""
    return frame("failures", problems)


def _axes(point: tuple[float, float, float], prefix: str = "") -> Row:
    return {f"{prefix}{axis}_lps_mm": round(value, 3) for axis, value in zip("xyz", point, strict=True)}


def _scan(visit: Visit, scan: Scan) -> Row:
    names = (
        "series_uid",
        "date",
        "modality",
        "phase_of_contrast",
        "slice_thickness_mm",
        "measured",
        "usable",
        "problem",
    )
    return {
        "timepoint": visit.timepoint,
        "regions": list(scan.regions),
        **{name: getattr(scan, name) for name in names},
    }


def _timepoint(history: History, visit: Visit, phase: str | None, regions: tuple[str, ...]) -> Row:
    lesions = history.lesions_at(visit.timepoint)
    hepatic = sum(lesion.compartment == "HEPATIC" for lesion in lesions)
    return {
        "timepoint": visit.timepoint,
        "date": visit.date,
        "phase": phase,
        "n_hepatic": hepatic if visit.usable else None,
        "n_extrahepatic": len(lesions) - hepatic if visit.usable else None,
        "regions_assessed": list(regions),
        "usable": visit.usable,
        "problem": visit.problem,
    }


def _lesion(lesion: Lesion, track_id: str | None) -> Row:
    names = (
        "timepoint",
        "date",
        "series_uid",
        "lesion_id",
        "site",
        "compartment",
        "longest_diameter_mm",
        "short_axis_mm",
        "measurable",
        "status",
        "sop_instance_uid",
        "certainty",
        "max_components",
        "n_slices",
        "slice_thickness_mm",
    )
    first, second = lesion.diameter_ends_lps_mm
    short = lesion.short_axis_ends_lps_mm
    return {
        **{name: getattr(lesion, name) for name in names},
        "track_id": track_id,
        "volume_mm3": round(lesion.volume_mm3, 1),
        "notes": list(lesion.notes),
        **_axes(lesion.centroid_lps_mm),
        **_axes(first, "d1_"),
        **_axes(second, "d2_"),
        **(_axes(short[0], "s1_") | _axes(short[1], "s2_") if short is not None else {}),
    }


def _track(track: Track) -> Row:
    names = (
        "track_id",
        "tracking_uid",
        "site",
        "compartment",
        "first_timepoint",
        "last_seen_timepoint",
        "fate",
        "needs_review",
        "recurrence_of",
        "merged_into",
    )
    return {
        **{name: getattr(track, name) for name in names},
        "reasons": list(track.reasons),
        "treated_date": track.treatments[0].date if track.treatments else None,
    }


def _missing(entry: Missing) -> Row:
    names = ("timepoint", "track_id", "state", "since_timepoint", "series_uid", "trusted")
    return {**{name: getattr(entry, name) for name in names}, **_axes(entry.place_lps_mm)}


def _registration(entry: Registration) -> Row:
    names = (
        "timepoint_from",
        "timepoint_to",
        "method",
        "liver_dice",
        "residual_mm",
        "folding_fraction",
        "seconds",
        "trusted",
        "reason",
        "series_from",
        "series_to",
    )
    return {name: getattr(entry, name) for name in names}
