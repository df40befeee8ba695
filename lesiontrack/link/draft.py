"""Drafts of tracks: groups of lesions with what is known of them before they get their names."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lesiontrack.domain.lesion import Lesion
from lesiontrack.domain.study import LocalTreatment, Subject
from lesiontrack.link.evidence import Evidence

__all__ = ["Draft", "Visits", "drafts_of", "in_order", "members_before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A track in the making.

    Attributes
    ----------
    members
        Indices into ``Evidence.lesions``, ascending, hence in time order.
    treatments
        Local treatments of it, in date order.
    treated_from
        First usable visit that shows it treated; None while it is not.
    merged
        (timepoint, index of the lesion) it coalesced into.
    recurrence_of
        First member of the treated draft at whose site this one began.
    reasons
        Why a reader should look.
    """

    members: tuple[int, ...]
    treatments: tuple[LocalTreatment, ...] = ()
    treated_from: int | None = None
    merged: tuple[int, int] | None = None
    recurrence_of: int | None = None
    reasons: tuple[str, ...] = ()

    def because(self, *reasons: str) -> Draft:
        """Return the same draft with reasons added, each once."""
        new = [reason for reason in reasons if reason not in self.reasons]
        return replace(self, reasons=(*self.reasons, *new)) if new else self


class Visits:
    """The visits that count for linking: usable, with a segmentation (or with lesions that were read from one)."""

    def __init__(self, subject: Subject, lesions: tuple[Lesion, ...]) -> None:
        self.subject = subject
        with_lesions = {lesion.timepoint for lesion in lesions}
        self.numbers = tuple(
            visit.timepoint
            for visit in subject.visits
            if visit.usable and (visit.measured_scans or visit.timepoint in with_lesions)
        )

    def after(self, timepoint: int) -> tuple[int, ...]:
        """Return the later ones."""
        return tuple(number for number in self.numbers if number > timepoint)

    def next(self, timepoint: int) -> int | None:
        """Return the next one, None after the last."""
        later = self.after(timepoint)
        return later[0] if later else None

    def last_on_or_before(self, treatment: LocalTreatment) -> int | None:
        """Return the last one dated no later than a treatment: a scan on the day shows the state before it."""
        found = [n for n in self.numbers if self.subject.visits[n].date <= treatment.date]
        return found[-1] if found else None

    def first_after(self, treatment: LocalTreatment) -> int | None:
        """Return the first one dated after a treatment."""
        found = [n for n in self.numbers if self.subject.visits[n].date > treatment.date]
        return found[0] if found else None


def drafts_of(label: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> list[Draft]:
    """Return one draft for each group number."""
    count = int(label.max(initial=-1)) + 1
    return [Draft(members=tuple(int(i) for i in np.nonzero(label == number)[0])) for number in range(count)]


def in_order(drafts: list[Draft], evidence: Evidence) -> list[Draft]:
    """Return drafts by first visit, then falling diameter there, then position: the order of their names."""

    def key(draft: Draft) -> tuple[int, float, tuple[float, float, float], int]:
        first = evidence.lesions[draft.members[0]]
        here = [evidence.lesions[m] for m in draft.members if evidence.lesions[m].timepoint == first.timepoint]
        largest = max(lesion.longest_diameter_mm for lesion in here)
        return first.timepoint, -float(largest), first.centroid_lps_mm, draft.members[0]

    return sorted(drafts, key=key)


def members_at(draft: Draft, evidence: Evidence, timepoint: int) -> list[int]:
    """Return the members of a draft at a visit."""
    return [m for m in draft.members if evidence.lesions[m].timepoint == timepoint]


def members_before(draft: Draft, evidence: Evidence, timepoint: int) -> list[int]:
    """Return the members of a draft at the last visit before ``timepoint`` that shows it."""
    earlier = [m for m in draft.members if evidence.lesions[m].timepoint < timepoint]
    if not earlier:
        return []
    last = evidence.lesions[earlier[-1]].timepoint
    return [m for m in earlier if evidence.lesions[m].timepoint == last]
