"""How readers differ in the lesions of a visit: seen or not, length, role, links; the grounds of a discordance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from lesiontrack.review.case_reading import CaseReading, ReadLesion
from lesiontrack.review.same_lesion import SeenBy, same_lesions

__all__ = ["LesionDifference", "VisitLesions", "beyond"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionDifference:
    """One difference in one lesion.

    Attributes
    ----------
    kind
        ``SEEN``, ``LENGTH``, ``ROLE`` or ``LINKS``.
    lesion
        Name for a person: a track, or a lesion's number where no reader gives it a track.
    values
        (reader, what it is to that reader).
    numbers
        (name, mm) where lengths are compared.
    decisions
        (reader, what that reader decided of it).
    """

    kind: str
    lesion: str
    lesion_id: int
    values: tuple[tuple[str, str], ...]
    numbers: tuple[tuple[str, Decimal], ...] = ()
    decisions: tuple[tuple[str, str], ...] = ()

    def sentence(self) -> str:
        """Return it for a person."""
        said = "; ".join(f"{reader}: {value}" for reader, value in self.values)
        decided = "".join(f" [{reader}: {what}]" for reader, what in self.decisions)
        return f"{self.lesion} {_WORDS[self.kind]} ({said}){decided}"


_WORDS = {
    "SEEN": "is not a lesion to all",
    "LENGTH": "is measured differently",
    "ROLE": "has another role",
    "LINKS": "is followed differently",
}


class VisitLesions:
    """The lesions of one visit as several readers left them, each lesion once.

    Parameters
    ----------
    readings
        Of one subject.
    timepoint
        The visit.
    within_mm
        As for :func:`same_lesions`.
    """

    def __init__(self, readings: Sequence[CaseReading], timepoint: int, *, within_mm: float) -> None:
        self.timepoint = timepoint
        self._readings = {reading.reader: reading for reading in readings if reading.lesions}
        seen = {reader: reading.lesions_at(timepoint) for reader, reading in self._readings.items()}
        self.groups: tuple[SeenBy, ...] = same_lesions(seen, within_mm=within_mm)

    def name(self, group: SeenBy) -> str:
        """Return the track of the first reader who gives the lesion one, else its number."""
        named = next((lesion.track_id for lesion in group.values() if lesion.track_id), None)
        return named or f"lesion {next(iter(group.values())).lesion_id}"

    def names_of(self, reader: str, tracks: frozenset[str]) -> dict[str, str]:
        """Return, for those of a reader's tracks that the visit shows, the name that all readers share."""
        mine = [(group[reader].track_id, self.name(group)) for group in self.groups if reader in group]
        return {track: name for track, name in mine if track is not None and track in tracks}

    def series(self) -> Mapping[str, tuple[str, ...]]:
        """Return the series in which each reader has lesions; a reader without any is left out."""
        found = {
            reader: tuple(sorted({lesion.series_uid for lesion in reading.lesions_at(self.timepoint)}))
            for reader, reading in self._readings.items()
        }
        return {reader: series for reader, series in found.items() if series}

    def lengths(self) -> Iterator[tuple[SeenBy, LesionDifference]]:
        """Yield every lesion that all readers who see it measured, and not all alike."""
        for group in self.groups:
            lengths = {reader: lesion.length_mm for reader, lesion in group.items()}
            known = {reader: length for reader, length in lengths.items() if length is not None}
            if len(known) > 1 and len(set(known.values())) > 1:
                yield group, self._difference("LENGTH", group, known)

    def differences(self) -> list[LesionDifference]:
        """Return every difference in every lesion of the visit."""
        found = [self._difference("SEEN", g, self._seen(g)) for g in self.groups if len(g) < len(self._readings)]
        found += [difference for _, difference in self.lengths()]
        for kind, values_of in (("ROLE", self._roles), ("LINKS", self._links)):
            for group in self.groups:
                values = values_of(group)
                if len(set(values.values())) > 1:
                    found.append(self._difference(kind, group, values))
        return found

    def _seen(self, group: SeenBy) -> dict[str, str]:
        return {reader: self._as_seen(group.get(reader)) for reader in self._readings}

    def _as_seen(self, lesion: ReadLesion | None) -> str:
        if lesion is None:
            return "no lesion"
        length = "" if lesion.length_mm is None else f" {lesion.length_mm} mm"
        return f"{lesion.site}{length}"

    def _roles(self, group: SeenBy) -> dict[str, str]:
        return {reader: lesion.role or "no role" for reader, lesion in group.items()}

    def _links(self, group: SeenBy) -> dict[str, str]:
        """Return the visits at which each reader sees the same lesion, this visit and those before it."""
        return {reader: self._followed(reader, lesion) for reader, lesion in group.items()}

    def _followed(self, reader: str, lesion: ReadLesion) -> str:
        if lesion.track_id is None:
            return "in no track"
        before = sorted(
            (other.timepoint, other.lesion_id)
            for other in self._readings[reader].lesions
            if other.track_id == lesion.track_id and other.timepoint < self.timepoint
        )
        return "first seen here" if not before else "as " + ", ".join(f"{n} at visit {t}" for t, n in before)

    def _difference(self, kind: str, group: SeenBy, values: Mapping[str, str | Decimal]) -> LesionDifference:
        return LesionDifference(
            kind=kind,
            lesion=self.name(group),
            lesion_id=next(iter(group.values())).lesion_id,
            values=tuple((r, f"{v} mm" if isinstance(v, Decimal) else v) for r, v in values.items()),
            numbers=tuple((reader, value) for reader, value in values.items() if isinstance(value, Decimal)),
            decisions=tuple(self._decisions(group)),
        )

    def _decisions(self, group: SeenBy) -> Iterator[tuple[str, str]]:
        """Yield what the readers decided of a lesion; who rejected it has none, but the machine's number is known."""
        number = next(iter(group.values())).lesion_id
        for reader, reading in self._readings.items():
            lesion_id = group[reader].lesion_id if reader in group else number
            for what in reading.decisions.get((self.timepoint, lesion_id), ()):
                yield reader, what


def beyond(lengths: Sequence[Decimal], *, limit_mm: float, limit_percent: float) -> bool:
    """Tell whether the largest and smallest of several lengths differ by both limits or more; equal ones never do."""
    smallest, largest = min(lengths), max(lengths)
    apart = largest - smallest
    return apart > 0 and apart >= Decimal(str(limit_mm)) and 100 * apart >= Decimal(str(limit_percent)) * smallest
