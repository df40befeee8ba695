"""Rival scans of one visit that show the same region: which one is measured."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lesiontrack.domain.study import Scan

__all__ = ["Preference", "preference", "searched_text"]

Preference = tuple[int, bool, bool, float, str]
"""Sorts scans, the one to be measured first."""


def preference(scan: Scan, patterns: Sequence[str], *, baseline_modality: str | None = None) -> Preference:
    """Return the place of a scan among its rivals.

    What the settings name goes first, then the baseline's modality, a portal venous phase, thin slices; the series UID
    settles what is left, so that the order of files never does.

    Parameters
    ----------
    patterns
        Case-insensitive, best first, searched in ``searched_text``.
    baseline_modality
        Modality on which the subject's liver was first measured; None before that.
    """
    named = next((n for n, pattern in enumerate(patterns) if _matches(pattern, scan)), len(patterns))
    other_modality = baseline_modality is not None and scan.modality != baseline_modality
    thickness_mm = scan.slice_thickness_mm if scan.slice_thickness_mm is not None else float("inf")
    return (named, other_modality, "portal" not in scan.phase_of_contrast.lower(), thickness_mm, scan.series_uid)


def _matches(pattern: str, scan: Scan) -> bool:
    return re.search(pattern, searched_text(scan), re.IGNORECASE) is not None


def searched_text(scan: Scan) -> str:
    """Return what patterns are searched in: modality, phase of contrast, series UID."""
    return f"{scan.modality} {scan.phase_of_contrast} {scan.series_uid}"
