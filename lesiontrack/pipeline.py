"""observe: what the images say; replay: as a reader has corrected it; judge: what it means.

Volumes are read one at a time and dropped; what alignment needs of a scan is small and kept for all visits, so that no
volume is read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from lesiontrack import assess, review
from lesiontrack.align import Prepared, align, prepare
from lesiontrack.domain.geometry import Grid, Segmentation, Volume
from lesiontrack.domain.history import History, Registration
from lesiontrack.domain.lesion import Lesion, TreatedZone
from lesiontrack.domain.outcome import Judgement
from lesiontrack.domain.problem import Problem
from lesiontrack.domain.rivals import Preference, preference
from lesiontrack.domain.study import Compartment, Scan, Site, Subject, Visit
from lesiontrack.domain.view import View
from lesiontrack.errors import ArchiveError, LesiontrackError, SegmentationError
from lesiontrack.link import Regrouper, chain
from lesiontrack.measure import Measured, is_measurable, lesion_view, measure, place_view, slice_view
from lesiontrack.review import Decision, Replayed
from lesiontrack.settings import Settings

__all__ = ["Observed", "Read", "Replayer", "judge", "observe", "replay"]

Read = Callable[[Scan], tuple[Volume, Segmentation | None]]

# Shown in the report for each scan: as many whole slices as cover its lesions, at most this many.
_SLICES_PER_SCAN = 6
# A lesion seen this near to an earlier one's projected place shows that place already.
_SHOWN_WITHIN_MM = 8.0
# Two scans of one visit show the same extrahepatic lesion when its places differ by no more than breathing.
_SAME_PLACE_MM = 20.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observed:
    """What the images of one subject say.

    Attributes
    ----------
    label_maps
        File stem -> (grid, uint16 (k, j, i)), label = lesion number.
    map_of
        Series Instance UID -> file stem of its label map.
    notes
        What was mended or left out without harm: a tilt resampled, a speck dropped.
    """

    history: History
    label_maps: dict[str, tuple[Grid, NDArray[np.uint16]]]
    map_of: dict[str, str]
    views: tuple[View, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


class _Road:
    """The state of one subject's way through its visits."""

    def __init__(self, subject: Subject, read: Read, settings: Settings) -> None:
        self.subject = subject
        self.read = read
        self.settings = settings
        self.visits: list[Visit] = []
        self.lesions: list[Lesion] = []
        self.zones: list[TreatedZone] = []
        self.registrations: list[Registration] = []
        self.prepared: list[Prepared] = []
        self.views: list[View] = []
        self.label_maps: dict[str, tuple[Grid, NDArray[np.uint16]]] = {}
        self.map_of: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.liver_modality: str | None = None

    def visit(self, visit: Visit) -> None:
        """Observe one visit; what cannot be used is marked so and the road goes on."""
        if not visit.usable:
            self.visits.append(visit)
            return
        done = {s.series_uid: self._scan(visit, s) for s in sorted(visit.measured_scans, key=self._preference)}
        seen = replace(visit, scans=tuple(done.get(scan.series_uid, scan) for scan in visit.scans))
        if not seen.measured_scans:
            problem = "; ".join(s.problem for s in seen.scans if s.problem) or "no segmentation in this visit"
            seen = replace(seen, usable=False, problem=problem)
            if not any(p.timepoint == visit.timepoint for p in self.problems):
                self._note(SegmentationError(problem), stage="read", timepoint=visit.timepoint)
        self.visits.append(seen)

    def _preference(self, scan: Scan) -> Preference:
        """Order rival scans of a visit."""
        patterns = [str(pattern) for pattern in self.settings.archive.series_preference]
        return preference(scan, patterns, baseline_modality=self.liver_modality)

    def _scan(self, visit: Visit, scan: Scan) -> Scan:
        stage = "read"
        try:
            volume, segmentation = self.read(scan)
            if segmentation is None:
                raise SegmentationError("the scan has no segmentation")
            stage = "measure"
            first = 1 + max((x.lesion_id for x in self.lesions if x.timepoint == visit.timepoint), default=0)
            measured = measure(
                volume,
                segmentation,
                timepoint=visit.timepoint,
                date=scan.date,
                first_lesion_id=first,
                settings=self.settings.measure,
            )
            measured = self._once(visit, scan, measured)
            stage = "register"
            self._register(visit, volume, segmentation, measured)
        except ArchiveError:
            # Says nothing of the scan: a result without it would look like a whole one, and never be made again.
            raise
        except LesiontrackError as error:
            self._note(error, stage=stage, timepoint=visit.timepoint)
            return replace(scan, usable=False, problem=error.message)
        found = dict.fromkeys((*volume.notes, *segmentation.notes, *measured.notes))
        self.notes.extend(f"visit {visit.timepoint}: {note}" for note in found)
        self.lesions.extend(measured.lesions)
        self.zones.extend(measured.zones)
        stem = f"lesions_t{visit.timepoint:02d}"
        if stem in self.label_maps:
            stem = f"{stem}_{len(self.label_maps)}"
        self.label_maps[stem] = (volume.grid, measured.label_map)
        self.map_of[scan.series_uid] = stem
        return scan

    def _once(self, visit: Visit, scan: Scan, measured: Measured) -> Measured:
        """Leave out what a preferred scan of the same visit has measured already: one lesion must not count twice.

        Liver lesions are measured on one scan of a visit, the first that shows any; elsewhere a lesion of the same
        site near an earlier one's place is taken for the same one (scans of one visit share the patient's coordinates,
        but for breathing).
        """
        before = [x for x in self.lesions if x.timepoint == visit.timepoint]
        liver_done = any(x.compartment == Compartment.HEPATIC for x in before)
        twice = [x.lesion_id for x in measured.lesions if _is_measured(x, before, liver_done=liver_done)]
        if self.liver_modality is None and any(x.compartment == Compartment.HEPATIC for x in measured.lesions):
            self.liver_modality = scan.modality
        if not twice:
            return measured
        note = f"{len(twice)} lesions left out: measured on another series of this visit"
        labels = np.where(np.isin(measured.label_map, twice), np.uint16(0), measured.label_map)
        kept = tuple(x for x in measured.lesions if x.lesion_id not in twice)
        zones = () if liver_done else measured.zones
        return replace(measured, lesions=kept, zones=zones, label_map=labels, notes=(*measured.notes, note))

    def _register(self, visit: Visit, volume: Volume, segmentation: Segmentation, measured: Measured) -> None:
        now = prepare(volume, segmentation, measured.lesions, timepoint=visit.timepoint, settings=self.settings.align)
        found = [align(earlier, now, self.settings.align) for earlier in _partners(self.prepared, now)]
        self.views.extend(self._views(visit.timepoint, volume, segmentation.zones, measured, found))
        self.registrations.extend(found)
        self.prepared.append(now)

    def _views(
        self,
        timepoint: int,
        volume: Volume,
        zones: NDArray[np.uint16] | None,
        measured: Measured,
        found: list[Registration],
    ) -> Iterator[View]:
        labels = measured.label_map
        for lesion in measured.lesions:
            yield lesion_view(volume, labels, lesion, zones=zones)
        for k in _slices_that_cover(labels, [x.lesion_id for x in measured.lesions]):
            yield slice_view(volume, labels, k, timepoint=timepoint, zones=zones)
        for place in self._vanished_places(measured, found):
            yield place_view(volume, labels, place, timepoint=timepoint, zones=zones)

    def _vanished_places(self, measured: Measured, found: list[Registration]) -> list[tuple[float, float, float]]:
        """Projected places, LPS mm, of earlier lesions near which this scan shows none."""
        shown = [x.centroid_lps_mm for x in measured.lesions]
        places: list[tuple[float, float, float]] = []
        for registration in found:
            for lesion in self.lesions:
                if (lesion.timepoint, lesion.series_uid) != (registration.timepoint_from, registration.series_from):
                    continue
                place = registration.forward.apply(np.array(lesion.centroid_lps_mm))
                if all(np.linalg.norm(place - np.array(other)) > _SHOWN_WITHIN_MM for other in (*shown, *places)):
                    places.append((float(place[0]), float(place[1]), float(place[2])))
        return places

    def _note(self, error: LesiontrackError, *, stage: str, timepoint: int) -> None:
        placed = error.at(subject_id=self.subject.subject_id, visit=str(timepoint))
        self.problems.append(Problem.of(placed, subject_id=self.subject.subject_id, stage=stage, timepoint=timepoint))


def _is_measured(lesion: Lesion, before: list[Lesion], *, liver_done: bool) -> bool:
    if lesion.compartment == Compartment.HEPATIC:
        return liver_done
    return any(
        other.site == lesion.site
        and np.linalg.norm(np.subtract(other.centroid_lps_mm, lesion.centroid_lps_mm)) <= _SAME_PLACE_MM
        for other in before
    )


def _partners(prepared: list[Prepared], now: Prepared) -> list[Prepared]:
    """Return the scans to align with: of the previous visit and of the first one, those that show the same region.

    A scan shows the liver when its segmentation marks it, or a lesion in it.
    """
    earlier = [p for p in prepared if p.timepoint < now.timepoint and _shows_liver(p) == _shows_liver(now)]
    if not earlier:
        return []
    wanted = {earlier[0].timepoint, earlier[-1].timepoint}
    return [p for p in earlier if p.timepoint in wanted]


def _shows_liver(prepared: Prepared) -> bool:
    return prepared.distance_mm is not None or len(prepared.points_lps_mm) > 0


def _slices_that_cover(labels: NDArray[np.uint16], numbers: list[int]) -> list[int]:
    """Choose slices, greedily, to cut each lesion with few; ascending k. Without lesions, the middle one."""
    if not numbers:
        return [labels.shape[0] // 2]
    occupied = np.zeros((labels.shape[0], max(numbers) + 1), dtype=bool)
    for k in range(labels.shape[0]):
        present = np.unique(labels[k])
        occupied[k, present[present > 0]] = True
    chosen: list[int] = []
    while occupied.any() and len(chosen) < _SLICES_PER_SCAN:
        k = int(occupied.sum(axis=1).argmax())
        chosen.append(k)
        occupied[:, occupied[k]] = False
    return sorted(chosen)


def observe(subject: Subject, read: Read, settings: Settings) -> Observed:
    """Read, measure, register and link all visits of one subject.

    Parameters
    ----------
    read
        Gives a scan's volume and what is marked in it.

    Where no visit at all can be used the history holds the visits, each with what is wrong with it, and a problem says
    so: an unusable visit stays known (contract, section 4).
    """
    road = _Road(subject, read, settings)
    for visit in subject.visits:
        road.visit(visit)
    seen = replace(subject, visits=tuple(road.visits))
    if not any(visit.usable for visit in seen.visits):
        why = "; ".join(dict.fromkeys(visit.problem for visit in seen.visits if visit.problem))
        nothing = SegmentationError(f"no visit can be used: {why}", subject_id=subject.subject_id)
        road.problems.append(Problem.of(nothing, subject_id=subject.subject_id, stage="observe"))
    tracking = chain(seen, road.lesions, road.zones, road.registrations, settings.link)
    unplaced = [
        Problem(subject_id=subject.subject_id, stage="link", error="ClinicalError", severity="WARNING", message=message)
        for message in tracking.problems
    ]
    history = History(
        subject=seen,
        lesions=tuple(road.lesions),
        zones=tuple(road.zones),
        registrations=tuple(road.registrations),
        links=tracking.links,
        tracks=tracking.tracks,
        missing=tracking.missing,
    )
    return Observed(
        history=history,
        label_maps=road.label_maps,
        map_of=road.map_of,
        views=tuple(road.views),
        problems=(*road.problems, *unplaced),
        notes=tuple(road.notes),
    )


def judge(history: History, settings: Settings) -> Judgement:
    """Judge a history: roles, responses by each rule set, progression, eligibility, robustness."""
    return assess.judge(history, settings.assess)


class Replayer:
    """Replays decisions onto one machine's history, again and again; keeps what linking has computed.

    Parameters
    ----------
    machine
        As observed: a history onto which nothing was replayed.
    """

    def __init__(self, machine: History, settings: Settings) -> None:
        self._machine = machine
        self._settings = settings
        self._regrouper = Regrouper(machine, settings.link)

    def replay(self, decisions: Sequence[Decision], *, reader: str | None = None) -> Replayed:
        """Return the history as read; without a decision in force the machine's own.

        Parameters
        ----------
        decisions
            Of this subject, in the order in which they were made.
        reader
            Whose reading it becomes; by default that of the only reader.
        """
        revision = review.revise(
            self._machine,
            decisions,
            measurable=self._is_measurable,
            baselines=assess.baselines(self._machine),
            reader=reader,
        )
        review_below = self._settings.link.review_below
        if not revision.in_force:
            return review.untouched(revision, review_below=review_below)
        tracking = self._regrouper.tracking(revision.lesions, revision.grouping)
        return review.complete(
            revision,
            links=tracking.links,
            tracks=tracking.tracks,
            missing=tracking.missing,
            review_below=review_below,
        )

    def _is_measurable(self, lesion: Lesion) -> bool:
        """A slice thickness that nobody knows lets nothing pass (response rules, section 2)."""
        if lesion.slice_thickness_mm is None:
            return False
        size_mm = lesion.short_axis_mm if lesion.site == Site.LYMPH_NODE else lesion.longest_diameter_mm
        return is_measurable(size_mm, lesion.site, Decimal(str(lesion.slice_thickness_mm)), self._settings.measure)


def replay(
    machine: History, decisions: Sequence[Decision], settings: Settings, *, reader: str | None = None
) -> Replayed:
    """Replay decisions onto a machine's history; pure. See `Replayer`."""
    return Replayer(machine, settings).replay(decisions, reader=reader)
