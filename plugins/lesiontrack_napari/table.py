"""The lesion table: a row for each track, a cell for each visit; plain values for any screen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Lesion, LinkKind, Missing, MissingState, Track
from lesiontrack.domain.outcome import Judgement
from lesiontrack.domain.study import Site
from lesiontrack.report import words

__all__ = ["Cell", "Row", "RowFilter", "lesion_rows", "shown_mm"]

_GONE = {MissingState.NOT_SEEN: "not seen", MissingState.OUT_OF_VIEW: "out of view", MissingState.TREATED: "treated"}


class RowFilter(StrEnum):
    """Which rows are shown."""

    ALL = "all lesions"
    REVIEW = "needs review"
    TARGET = "targets"
    NEW = "new"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A track at a visit.

    Attributes
    ----------
    lesions
        Its lesion numbers there: none, one, or the fragments.
    text
        Length and change since it was last seen; or why there is none.
    confidence
        Of the least sure link from an earlier visit; None where there is none.
    place
        Whether there is anything to look at: the lesion, or its projected place.
    """

    lesions: tuple[int, ...]
    text: str
    confidence: float | None = None
    place: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A track: what it is, and a cell for each visit."""

    track_id: str
    site: str
    role: str
    fate: str
    new: bool
    vanished: bool
    todo: bool
    reasons: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def worst(self) -> float:
        """Confidence of its least sure link; 1 where it has none."""
        return min((cell.confidence for cell in self.cells if cell.confidence is not None), default=1.0)

    def passes(self, wanted: RowFilter) -> bool:
        """Tell whether a filter shows the row."""
        return {
            RowFilter.ALL: True,
            RowFilter.REVIEW: self.todo,
            RowFilter.TARGET: self.role == "TARGET",
            RowFilter.NEW: self.new,
            RowFilter.VANISHED: self.vanished,
        }[wanted]


def shown_mm(lesion: Lesion) -> Decimal:
    """Return the length that counts: the short axis of a node, else the longest diameter."""
    return lesion.short_axis_mm if lesion.site == Site.LYMPH_NODE else lesion.longest_diameter_mm


def lesion_rows(history: History, judgement: Judgement, todo: Collection[str]) -> tuple[Row, ...]:
    """Return a row for each track, in the order of tracks.

    Parameters
    ----------
    todo
        Tracks that still need a look.
    """
    roles = _roles(judgement)
    sure = _confidence(history)
    missing = {(entry.track_id, entry.timepoint): entry for entry in history.missing}
    return tuple(_row(history, track, roles, sure, missing, todo) for track in history.tracks)


def _row(
    history: History,
    track: Track,
    roles: Mapping[str, str],
    sure: Mapping[tuple[int, int], float],
    missing: Mapping[tuple[str, int], Missing],
    todo: Collection[str],
) -> Row:
    cells: list[Cell] = []
    before: Decimal | None = None
    for visit in history.subject.visits:
        lesions = history.fragments(track, visit.timepoint)
        if lesions:
            now = sum((shown_mm(lesion) for lesion in lesions), Decimal(0))
            cells.append(_seen(track, visit.timepoint, now, before, sure))
            before = now
        else:
            cells.append(_unseen(track, visit.timepoint, missing.get((track.track_id, visit.timepoint)), visit.usable))
    role = roles.get(track.track_id, "")
    return Row(
        track_id=track.track_id,
        site=words.phrase(track.site),
        role=role,
        fate=words.phrase(track.fate),
        new=role == "NEW" or (track.first_timepoint > 0 and track.parent_track_id is None),
        vanished=track.fate == "DISAPPEARED",
        todo=track.track_id in todo,
        reasons=track.reasons,
        cells=tuple(cells),
    )


def _seen(
    track: Track, timepoint: int, now: Decimal, before: Decimal | None, sure: Mapping[tuple[int, int], float]
) -> Cell:
    numbers = track.at(timepoint)
    found = [sure[timepoint, number] for number in numbers if (timepoint, number) in sure]
    parts = [words.mm(now)]
    if len(numbers) > 1:
        parts.append(f"({len(numbers)} parts)")
    if before is not None and before > 0:
        parts.append(f"{words.signed_percent(100 * (now - before) / before).split('.')[0]}%")
    elif before is None and timepoint > 0:
        parts.append("new")
    return Cell(lesions=numbers, text=" ".join(parts), confidence=min(found, default=None))


def _unseen(track: Track, timepoint: int, entry: Missing | None, usable: bool) -> Cell:
    if entry is not None:
        return Cell(lesions=(), text=_GONE[entry.state])
    if timepoint < track.first_timepoint:
        return Cell(lesions=(), text="", place=False)
    return Cell(lesions=(), text="–" if usable else "no images", place=False)


def _confidence(history: History) -> dict[tuple[int, int], float]:
    """Return for each lesion with a link from an earlier visit how sure the best such link is."""
    best: dict[tuple[int, int], float] = {}
    for link in history.links:
        if link.kind in LinkKind:
            key = (link.timepoint_to, link.lesion_to)
            best[key] = max(best.get(key, 0.0), link.confidence)
    return best


def _roles(judgement: Judgement) -> dict[str, str]:
    """Return each track's role, that of the study phase first."""
    roles: dict[str, str] = {}
    for phase in (judgement.induction, judgement.study):
        if phase is not None:
            roles |= {entry.track_id: entry.role.value for entry in phase.roles}
    return roles
