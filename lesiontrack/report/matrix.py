"""The lesion-by-visit matrix: each track at each visit with its picture, its length and what became of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lesiontrack.domain.view import View, ViewKind
from lesiontrack.report import words
from lesiontrack.report.chart import deciding_length
from lesiontrack.report.palette import Ink, ink_of
from lesiontrack.report.pictures import Picture, draw, ring_on
from lesiontrack.report.source import Case, Row

__all__ = ["Album", "Cell", "TrackRow", "matrix"]

# A picture of a place shows another place too when that is at most this far from its middle.
_SHOWS_MM = 25.0
_STATES = {"NOT_SEEN": "not seen", "OUT_OF_VIEW": "out of view", "TREATED": "treated site"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One track at one visit.

    Attributes
    ----------
    state
        ``seen``, or in words why there is no length.
    sizes
        (longest diameter, short axis), mm, of each of its lesions: more than one where it is in fragments.
    node
        The short axis counts, not the longest diameter.
    change
        Percent from the track's last length that counts.
    marks
        What a reader must know: new, too small to measure, seen after treatment ...
    link
        Confidence of the link to the visit before.
    image
        SOP Instance UIDs of the slices measured.
    """

    anchor: str
    timepoint: int
    state: str
    pictures: tuple[Picture, ...] = ()
    sizes: tuple[tuple[str, str], ...] = ()
    node: bool = False
    change: str = ""
    marks: tuple[str, ...] = ()
    link: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRow:
    """One track; ``roles`` are (phase, role, why) and ``review`` the reasons why a reader should look."""

    anchor: str
    track_id: str
    ink: Ink
    site: str
    fate: str
    roles: tuple[tuple[str, str, str], ...]
    needs_review: bool
    review: tuple[str, ...]
    notes: tuple[str, ...]
    cells: tuple[Cell, ...]


class Album:
    """The stored views of a subject, found by lesion or by place."""

    def __init__(self, case: Case, views: Sequence[View]) -> None:
        self.case = case
        self.slices = tuple(view for view in views if view.kind is ViewKind.SLICE)
        self._near = [view for view in views if view.kind is not ViewKind.SLICE]
        self._of_lesion = {(view.timepoint, view.lesion_id): view for view in views if view.kind is ViewKind.LESION}
        self._track_of = {
            (row["timepoint"], row["lesion_id"]): row["track_id"]
            for row in case.rows("lesions")
            if row["track_id"] is not None
        }

    def track_at(self, timepoint: int) -> Callable[[int], tuple[str, Ink] | None]:
        """Return what gives the track and ink of a lesion number at a visit."""
        tracks = self.case.tracks

        def find(number: int) -> tuple[str, Ink] | None:
            name = self._track_of.get((timepoint, number))
            return None if name is None or name not in tracks else (name, ink_of(tracks[name]))

        return find

    def lesion(self, row: Row, track_id: str) -> Picture | None:
        """Return the picture of a lesion; None where none is stored."""
        view = self._of_lesion.get((row["timepoint"], row["lesion_id"]))
        if view is None:
            return None
        alt = f"{track_id} at visit {row['timepoint']}, {words.mm(row['longest_diameter_mm'])} mm"
        return draw(view, track_of=self.track_at(row["timepoint"]), alt=alt)

    def place(self, row: Row) -> Picture | None:
        """Return the picture of the place where a lesion that is not seen should lie; None where none is stored."""
        axes = [row[f"{axis}_lps_mm"] for axis in "xyz"]
        if None in axes:
            return None
        place = (axes[0], axes[1], axes[2])
        views = [v for v in self._near if v.timepoint == row["timepoint"] and row["series_uid"] in (None, v.series_uid)]
        ink = ink_of(self.case.tracks.get(row["track_id"], 0))
        for view in sorted(views, key=lambda v: math.dist(v.centre_lps_mm, place)):
            if math.dist(view.centre_lps_mm, place) > _SHOWS_MM:
                break
            ring = ring_on(view, place, name=row["track_id"], colour=ink.colour)
            if ring is not None:
                alt = f"Place of {row['track_id']} at visit {row['timepoint']}, {_STATES[row['state']]}"
                return draw(view, track_of=self.track_at(row["timepoint"]), alt=alt, rings=(ring,))
        return None


def matrix(case: Case, album: Album, sites: Mapping[tuple[int, str], str] | None = None) -> list[TrackRow]:
    """Return a row for each track, in the subject's order; ``sites`` has (visit, track) -> status of a treated site."""
    return [_Builder(case, album, row, sites or {}).build() for row in case.rows("tracks")]


class _Builder:
    """Makes one track's row."""

    def __init__(self, case: Case, album: Album, track: Row, sites: Mapping[tuple[int, str], str]) -> None:
        self.case, self.album, self.track, self.sites = case, album, track, sites
        self.name: str = track["track_id"]
        self.place = case.tracks[self.name]
        self.seen: dict[int, list[Row]] = defaultdict(list)
        for row in case.rows("lesions"):
            if row["track_id"] == self.name:
                self.seen[row["timepoint"]].append(row)
        self.missing = {row["timepoint"]: row for row in case.rows("missing") if row["track_id"] == self.name}
        self.links = [row for row in case.rows("links") if self._is_mine(row["timepoint_to"], row["lesion_to"])]

    def _is_mine(self, timepoint: int, number: int) -> bool:
        return any(row["lesion_id"] == number for row in self.seen.get(timepoint, ()))

    def build(self) -> TrackRow:
        track = self.track
        roles = [row for row in self.case.rows("roles") if row["track_id"] == self.name]
        return TrackRow(
            anchor=f"track-{self.place}",
            track_id=self.name,
            ink=ink_of(self.place),
            site=words.phrase(track["site"]),
            fate=words.phrase(track["fate"]),
            roles=tuple((row["phase"], words.phrase(row["role"]), row["reason"] or "") for row in roles),
            needs_review=bool(track["needs_review"]),
            review=tuple(track["reasons"] or ()),
            notes=tuple(self._notes()),
            cells=tuple(self._cells()),
        )

    def _notes(self) -> Iterator[str]:
        if self.track["treated_date"] is not None:
            yield f"treated {self.track['treated_date']}"
        if self.track["recurrence_of"] is not None:
            yield f"at the treated site of {self.track['recurrence_of']}"
        if self.track["merged_into"] is not None:
            yield f"merged into {self.track['merged_into']}"

    def _cells(self) -> Iterator[Cell]:
        before: float | None = None
        for visit in self.case.rows("timepoints"):
            timepoint = visit["timepoint"]
            anchor = f"cell-{self.place}-{timepoint}"
            rows = self.seen.get(timepoint)
            if rows:
                cell, length = self._seen(rows, anchor, before)
                before = length if length is not None else before
                yield cell
            elif timepoint in self.missing:
                yield self._missing(self.missing[timepoint], anchor)
            else:
                yield Cell(anchor=anchor, timepoint=timepoint, state=self._absence(visit))

    def _absence(self, visit: Row) -> str:
        if not visit["usable"]:
            return "visit unusable"
        if visit["timepoint"] < self.track["first_timepoint"]:
            return "not yet seen"
        if self.track["merged_into"] is not None:
            return f"merged into {self.track['merged_into']}"
        return "no record"

    def _seen(self, rows: Sequence[Row], anchor: str, before: float | None) -> tuple[Cell, float | None]:
        lengths = [deciding_length(row) for row in rows]
        known = [words.exact(length) for length in lengths if length is not None]
        total = float(sum(known)) if known and len(known) == len(rows) else None
        pictures = [self.album.lesion(row, self.name) for row in rows]
        cell = Cell(
            anchor=anchor,
            timepoint=rows[0]["timepoint"],
            state="seen",
            pictures=tuple(picture for picture in pictures if picture is not None),
            sizes=tuple((words.mm(row["longest_diameter_mm"]), words.mm(row["short_axis_mm"])) for row in rows),
            node=rows[0]["site"] == "LYMPH_NODE",
            change=words.signed_percent(words.percent_change(total, before)),
            marks=tuple(self._marks(rows)),
            link=self._confidence(rows[0]["timepoint"]),
            image="\n".join(row["sop_instance_uid"] for row in rows if row["sop_instance_uid"]),
        )
        return cell, total

    def _marks(self, rows: Sequence[Row]) -> Iterator[str]:
        timepoint = rows[0]["timepoint"]
        new = any(row["track_id"] == self.name and row["role"] == "NEW" for row in self.case.rows("roles"))
        if new and timepoint == self.track["first_timepoint"]:
            yield "new"
        treated = self.track["treated_date"]
        site = self.sites.get((timepoint, self.name))
        if treated is not None and rows[0]["date"] > treated:
            yield f"seen after treatment{f': {site}' if site else ''}"
        yield from (words.phrase(status) for status in sorted({row["status"] for row in rows} - {"PRESENT"}))
        yield from (words.phrase(c) for c in sorted({row["certainty"] for row in rows} - {None, "CERTAIN"}))

    def _confidence(self, timepoint: int) -> str:
        found = [row["confidence"] for row in self.links if row["timepoint_to"] == timepoint]
        known = [confidence for confidence in found if confidence is not None]
        return f"{max(known):.2f}" if known else ""

    def _missing(self, row: Row, anchor: str) -> Cell:
        picture = self.album.place(row)
        doubt = () if row["trusted"] else ("registration not trusted",)
        site = self.sites.get((row["timepoint"], self.name))
        return Cell(
            anchor=anchor,
            timepoint=row["timepoint"],
            state=_STATES[row["state"]] + (f": {site}" if site else ""),
            pictures=() if picture is None else (picture,),
            marks=doubt,
        )
