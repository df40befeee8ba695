"""The lesion table: a row for each track, a cell for each visit; plain values for any screen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Lesion, LinkKind, Missing, MissingState, Track
from lesiontrack.domain.outcome import Judgement
from lesiontrack.domain.study import Site
from lesiontrack.report import words
from lesiontrack_napari.wording import STATUSES, method_words, plain_reason

__all__ = ["Cell", "Known", "Row", "RowFilter", "lesion_rows", "shown_mm"]

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


_HIDDEN = Cell(lesions=(), text="", place=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A track: what it is, and a cell for each visit.

    Attributes
    ----------
    todo
        It still needs a look.
    read
        The reader has said something of it that is in force.
    reasons
        Why the machine wants it looked at, in plain words.
    """

    track_id: str
    site: str
    role: str
    fate: str
    new: bool
    vanished: bool
    todo: bool
    read: bool
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a reader may know: timepoints that are shown; and tracks still to look at, and read."""

    shown: frozenset[int]
    todo: Collection[str]
    read: Collection[str]


def lesion_rows(history: History, judgement: Judgement, known: Known) -> tuple[Row, ...]:
    """Return a row for each track that is seen at a visit that is shown, in the order of tracks.

    While later visits are hidden no row says what becomes of its lesion there.
    """
    roles = _roles(judgement, known.shown)
    cells = _Cells(history)
    return tuple(
        _row(track, roles.get(track.track_id, ""), cells.of(track), known, history)
        for track in history.tracks
        if track.first_timepoint in known.shown
    )


def _row(track: Track, role: str, cells: tuple[Cell, ...], known: Known, history: History) -> Row:
    whole = all(visit.timepoint in known.shown for visit in history.subject.visits)
    return Row(
        track_id=track.track_id,
        site=words.phrase(track.site),
        role=role,
        fate=words.phrase(track.fate) if whole else "",
        new=role == "NEW" or (track.first_timepoint > 0 and track.parent_track_id is None),
        vanished=whole and track.fate == "DISAPPEARED",
        todo=track.track_id in known.todo,
        read=track.track_id in known.read,
        reasons=tuple(plain_reason(reason) for reason in track.reasons) if whole else (),
        cells=tuple(cell if n in known.shown else _HIDDEN for n, cell in enumerate(cells)),
    )


class _Cells:
    """Makes the cells of tracks."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._sure = _confidence(history)
        self._missing = {(entry.track_id, entry.timepoint): entry for entry in history.missing}
        self._said = {(word.track_id, word.timepoint): word.status for word in history.reading.words}

    def of(self, track: Track) -> tuple[Cell, ...]:
        """Return a track's cells, one a visit."""
        cells: list[Cell] = []
        before: Decimal | None = None
        for visit in self._history.subject.visits:
            lesions = self._history.fragments(track, visit.timepoint)
            if lesions:
                now = sum((shown_mm(lesion) for lesion in lesions), Decimal(0))
                cells.append(_seen(track, visit.timepoint, now, before, self._sure))
                before = now
            else:
                entry = self._missing.get((track.track_id, visit.timepoint))
                cells.append(_unseen(track, visit.timepoint, entry, visit.usable))
            said = self._said.get((track.track_id, visit.timepoint))
            if said is not None:
                cells[-1] = replace(cells[-1], text=f"{cells[-1].text}, {STATUSES[said]}".removeprefix(", "))
        return tuple(cells)


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
        treated = entry.state == MissingState.TREATED and track.treatments
        return Cell(lesions=(), text=method_words(track.treatments[-1].method) if treated else _GONE[entry.state])
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


def _roles(judgement: Judgement, shown: frozenset[int]) -> dict[str, str]:
    """Return each track's role, that of the study phase first; of a phase whose baseline is hidden none."""
    roles: dict[str, str] = {}
    for phase in (judgement.induction, judgement.study):
        if phase is not None and phase.baseline_timepoint in shown:
            roles |= {entry.track_id: entry.role.value for entry in phase.roles}
    return roles
