"""History: one subject through time, immutable."""

from __future__ import annotations

from dataclasses import dataclass, field

from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.lesion import Lesion, Link, Missing, Track, TreatedZone
from lesiontrack.domain.reading import Reading
from lesiontrack.domain.study import Subject, Visit
from lesiontrack.errors import ReadsError

__all__ = ["History", "Registration"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registration:
    """How one scan maps to a later one, and how far to trust it.

    Attributes
    ----------
    forward
        Earlier patient space to later patient space, LPS mm to LPS mm.
    backward
        Later to earlier (computed with the follow-up fixed; ``forward`` is its inverse).
    liver_dice
        Overlap of the livers after alignment; None without two liver masks.
    residual_mm
        Root mean square distance of matched landmarks (lesions); None with too few of them.
    folding_fraction
        Share of the liver where the map folds (Jacobian determinant at or below 0).
    trusted
        False when it must not decide anything on its own.
    reason
        Why it is not trusted.
    """

    timepoint_from: int
    timepoint_to: int
    series_from: str
    series_to: str
    method: str
    forward: Transform
    backward: Transform
    liver_dice: float | None = None
    residual_mm: float | None = None
    folding_fraction: float = 0.0
    seconds: float = 0.0
    trusted: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Everything the images of one subject say, with or without human decisions replayed onto it.

    Attributes
    ----------
    lesions, zones
        Of all visits.
    links, tracks, missing
        What belongs together through time.
    reading
        Whose it is, and what was said of its lesions beyond what they are.
    """

    subject: Subject
    lesions: tuple[Lesion, ...] = ()
    zones: tuple[TreatedZone, ...] = ()
    registrations: tuple[Registration, ...] = ()
    links: tuple[Link, ...] = ()
    tracks: tuple[Track, ...] = ()
    missing: tuple[Missing, ...] = ()
    reading: Reading = field(default_factory=Reading)
    _index: dict[tuple[int, int], Lesion] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = {(lesion.timepoint, lesion.lesion_id): lesion for lesion in self.lesions}
        if len(index) != len(self.lesions):
            raise ReadsError("a lesion number occurs twice in a visit", subject_id=self.subject.subject_id)
        for track in self.tracks:
            for key in track.lesions:
                if key not in index:
                    raise ReadsError(
                        f"track {track.track_id} holds a lesion that no visit has",
                        subject_id=self.subject.subject_id,
                        found=str(key),
                    )
        object.__setattr__(self, "_index", index)

    def lesion(self, timepoint: int, lesion_id: int) -> Lesion:
        """Return a lesion by visit and number."""
        return self._index[(timepoint, lesion_id)]

    def lesions_at(self, timepoint: int) -> tuple[Lesion, ...]:
        """Return the lesions of a visit."""
        return tuple(lesion for lesion in self.lesions if lesion.timepoint == timepoint)

    def fragments(self, track: Track, timepoint: int) -> tuple[Lesion, ...]:
        """Return a track's lesions at a visit: none, one, or several fragments."""
        return tuple(self.lesion(timepoint, number) for number in track.at(timepoint))

    def missing_at(self, track: Track, timepoint: int) -> Missing | None:
        """Return the ledger's entry for a track that a visit does not show, if there is one."""
        for entry in self.missing:
            if entry.track_id == track.track_id and entry.timepoint == timepoint:
                return entry
        return None

    def visit(self, timepoint: int) -> Visit:
        """Return a visit by its number."""
        return self.subject.visits[timepoint]
