"""The worklist of a cohort: which case to read next; from the cohort's tables alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from lesiontrack.errors import StudyError
from lesiontrack.io.store import read_table
from lesiontrack.report import words

__all__ = ["Entry", "Wanted", "entries", "shown", "with_share"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A case.

    Attributes
    ----------
    arm
        Empty where the reader must not know it.
    sites
        Of its lesions, in plain words.
    lesions
        How many there are, each counted once.
    worst
        Confidence of its least sure link; 1 where it has none.
    to_review
        Tracks that the machine wants looked at.
    read
        Share of the case that this reader has read, 0 to 1.
    """

    subject_id: str
    arm: str
    sites: tuple[str, ...]
    visits: int
    lesions: int
    worst: float
    to_review: int
    read: float = 0.0

    @property
    def status(self) -> str:
        """``unread``, ``begun`` or ``read``."""
        return "unread" if self.read <= 0 else "read" if self.read >= 1 else "begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the list is narrowed to; empty is everything."""

    arm: str = ""
    site: str = ""
    status: str = ""
    text: str = ""

    def passes(self, entry: Entry) -> bool:
        """Tell whether an entry is wanted."""
        return (
            self.arm in ("", entry.arm)
            and (not self.site or self.site in entry.sites)
            and self.status in ("", entry.status)
            and self.text.lower() in entry.subject_id.lower()
        )


def entries(out: Path, read: Mapping[str, float], *, hide_arm: bool) -> tuple[Entry, ...]:
    """Return the cases of a result folder: unread first, then begun, then read; the least sure first in each.

    Parameters
    ----------
    read
        Subject -> share of the case that this reader has read; 0 where absent.
    hide_arm
        By the settings: the reader must not know the arm.

    Raises
    ------
    StudyError
        If the folder holds no cohort.
    """
    cohort = out / "cohort"
    timepoints = read_table(cohort, "timepoints")
    if timepoints.empty:
        raise StudyError("no case to read in the result folder", file=str(out), expected="the OUT of `lesiontrack run`")
    tracks, links = (read_table(cohort, name) for name in ("tracks", "links"))
    arms = {} if hide_arm else _by_subject(read_table(cohort, "subjects"), "arm")
    counted = tracks.groupby("subject_id").size()
    worst = links.groupby("subject_id")["confidence"].min()
    review = tracks[tracks["needs_review"].astype(bool)].groupby("subject_id").size()
    sites = {str(name): sorted(set(group)) for name, group in tracks.groupby("subject_id")["site"]}
    found = [
        Entry(
            subject_id=str(name),
            arm=str(arms.get(str(name)) or ""),
            sites=tuple(words.phrase(site) for site in sites.get(str(name), ())),
            visits=len(visits),
            lesions=int(counted.get(name, 0)),
            worst=float(worst.get(name, 1.0)),
            to_review=int(review.get(name, 0)),
            read=read.get(str(name), 0.0),
        )
        for name, visits in timepoints.groupby("subject_id")
    ]
    return tuple(sorted(found, key=_urgency))


def _by_subject(table: pd.DataFrame, column: str) -> dict[str, object]:
    filled = table[table[column].notna()]
    return dict(zip(filled["subject_id"].astype(str), filled[column], strict=True))


def _urgency(entry: Entry) -> tuple[int, float, str]:
    return ({"unread": 0, "begun": 1, "read": 2}[entry.status], entry.worst, entry.subject_id)


def with_share(listed: Iterable[Entry], subject_id: str, read: float) -> tuple[Entry, ...]:
    """Return the entries, in their order, with how far one case is read now."""
    found = (replace(entry, read=read) if entry.subject_id == subject_id else entry for entry in listed)
    return tuple(sorted(found, key=_urgency))


def shown(listed: Iterable[Entry], wanted: Wanted) -> tuple[Entry, ...]:
    """Return the entries that are wanted, in their order."""
    return tuple(entry for entry in listed if wanted.passes(entry))
