"""Decisions on what lesions there are and what they measure: reject, add, redraw, correct a diameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lesiontrack.domain.grouping import Key
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Certainty, Lesion, LesionStatus
from lesiontrack.errors import DecisionError
from lesiontrack.review.acts import Add, CorrectDiameter, Redraw, Reject
from lesiontrack.review.decision import Decision
from lesiontrack.review.docket import Docket
from lesiontrack.review.drawing import Drawing, length_mm

__all__ = ["Measurable", "revised_lesions"]

Measurable = Callable[[Lesion], bool]

# A drawn lesion that overlaps one of the machine's this much (Dice of equal-volume spheres) is that one.
_THE_SAME = 0.5
# A diameter that passes by its lesion at more than this is another's: a slip of the reader or of a program.
_BESIDE_MM = 10.0


def revised_lesions(docket: Docket, measurable: Measurable) -> dict[Key, Lesion]:
    """Return the lesions that are there, by visit and number, as the decisions in force have them.

    Parameters
    ----------
    measurable
        Tells by size, site and slice thickness whether a lesion whose size was corrected is measurable.
    """
    lesions = {(x.timepoint, x.lesion_id): x for x in docket.machine.lesions}
    waiting = _reject(docket, [decision for decision, _ in docket.of(Reject)], last=False)
    lesions |= _added(docket, lesions)
    for decision, act in docket.of(Redraw):
        found = docket.lesions(decision, [act.lesion])
        if found is not None:
            ref = act.drawing.ref
            docket.finder.know(found[0], ref.series_uid, ref.place_lps_mm, ref.volume_mm3)
    _reject(docket, waiting, last=True)
    _correct(docket, lesions)
    changed = {key: x for key, x in lesions.items() if x is not _machine(docket).get(key)}
    lesions |= {key: replace(x, measurable=measurable(x)) for key, x in changed.items()}
    return {key: x for key, x in lesions.items() if key not in docket.rejected}


def _machine(docket: Docket) -> dict[Key, Lesion]:
    return {(x.timepoint, x.lesion_id): x for x in docket.machine.lesions}


def _reject(docket: Docket, decisions: list[Decision], *, last: bool) -> list[Decision]:
    """Reject what is found; return decisions that may still find a lesion that a reader has drawn."""
    waiting: list[Decision] = []
    for decision in decisions:
        assert isinstance(decision.act, Reject)  # as gathered
        try:
            key = docket.finder.lesion(decision.act.lesion)
        except DecisionError as error:
            if last:
                docket.drop(decision, str(error))
            waiting.append(decision)
            continue
        docket.touches[decision.id].add(key)
        docket.rejected.setdefault(key, decision)
        docket.enter(
            decision, "lesion", key, old="present", new=f"rejected: {decision.reason}", timepoint=key[0], lesions=(key,)
        )
    for key in docket.rejected:
        docket.finder.hide(key)
    return waiting


def _added(docket: Docket, lesions: dict[Key, Lesion]) -> dict[Key, Lesion]:
    """Number the lesions that a reader adds, in each visit above the machine's and in order of place."""
    accepted: list[tuple[int, Drawing, Decision]] = []
    for decision, act in docket.of(Add):
        ref = act.drawing.ref
        try:
            timepoint = docket.finder.visit(ref.visit)
        except DecisionError as error:
            docket.drop(decision, str(error))
            continue
        known = docket.finder.overlapping(ref, _THE_SAME)
        if known is not None:
            docket.touches[decision.id].add(known)
            by_hand = known[1] == 0
            docket.drop(decision, "added twice" if by_hand else f"lesion {known[1]} of the machine is there")
            continue
        docket.finder.know((timepoint, 0), ref.series_uid, ref.place_lps_mm, ref.volume_mm3)
        accepted.append((timepoint, act.drawing, decision))
    docket.finder.forget_unnumbered()
    made: dict[Key, Lesion] = {}
    for timepoint, drawing, decision in sorted(accepted, key=lambda a: (a[0], a[1].series_uid, a[1].centroid_lps_mm)):
        number = 1 + max((key[1] for key in (*lesions, *made) if key[0] == timepoint), default=0)
        key = (timepoint, number)
        made[key] = _lesion(timepoint, number, _with_thickness(drawing, docket.machine))
        docket.finder.know(key, drawing.series_uid, drawing.centroid_lps_mm, drawing.volume_mm3)
        docket.touches[decision.id].add(key)
        new = f"added, {drawing.longest_diameter_mm} mm, {drawing.site}"
        docket.enter(decision, "lesion", key, old=None, new=new, timepoint=timepoint, lesions=(key,))
    return made


def _with_thickness(drawing: Drawing, machine: History) -> Drawing:
    """Give a drawing that does not know its slice thickness that of the other lesions of its series, or its scan's."""
    known = [x.slice_thickness_mm for x in machine.lesions if x.series_uid == drawing.series_uid]
    known += [
        s.slice_thickness_mm for v in machine.subject.visits for s in v.scans if s.series_uid == drawing.series_uid
    ]
    thickness = next((mm for mm in (drawing.slice_thickness_mm, *known) if mm is not None), None)
    return replace(drawing, slice_thickness_mm=thickness)


def _lesion(timepoint: int, number: int, drawing: Drawing) -> Lesion:
    return Lesion(
        timepoint=timepoint,
        lesion_id=number,
        series_uid=drawing.series_uid,
        date=drawing.date,
        site=drawing.site,
        centroid_lps_mm=drawing.centroid_lps_mm,
        longest_diameter_mm=drawing.longest_diameter_mm,
        short_axis_mm=drawing.short_axis_mm,
        volume_mm3=drawing.volume_mm3,
        measurable=False,  # told once all corrections are in
        sop_instance_uid=drawing.sop_instance_uid,
        diameter_ends_lps_mm=drawing.diameter_ends_lps_mm,
        short_axis_ends_lps_mm=drawing.short_axis_ends_lps_mm,
        slice_index=drawing.slice_index,
        n_slices=drawing.n_slices,
        slice_thickness_mm=drawing.slice_thickness_mm,
        notes=("drawn by a reader",),
    )


def _correct(docket: Docket, lesions: dict[Key, Lesion]) -> None:
    """Take outlines and diameters in the order of their decisions: each replaces what was before it."""
    for decision in docket.live:
        act = decision.act
        if not isinstance(act, Redraw | CorrectDiameter) or decision.id in docket.states:
            continue
        found = docket.lesions(decision, [act.lesion])
        if found is None:
            continue
        key = found[0]
        if isinstance(act, Redraw):
            lesions[key] = _redrawn(lesions[key], act.drawing)
            _enter_length(docket, decision, "LONGEST", key, lesions[key])
            _enter_length(docket, decision, "SHORT", key, lesions[key])
        elif (apart_mm := _apart_mm(lesions[key], act)) > _BESIDE_MM:
            docket.drop(decision, f"the diameter lies {apart_mm:.0f} mm beside lesion {key[1]} of visit {key[0]}")
        else:
            lesions[key] = _with_diameter(lesions[key], act)
            _enter_length(docket, decision, act.axis, key, lesions[key])


def _apart_mm(lesion: Lesion, act: CorrectDiameter) -> float:
    """Return how far a drawn diameter passes by the lesion's equal-volume sphere, mm; 0 where it meets it."""
    first, last, centre = (np.asarray(p, dtype=float) for p in (*act.ends_lps_mm, lesion.centroid_lps_mm))
    along = last - first
    share = np.clip(np.dot(centre - first, along) / max(float(np.dot(along, along)), 1e-12), 0.0, 1.0)
    return max(0.0, float(np.linalg.norm(first + share * along - centre)) - lesion.radius_mm)


def _enter_length(docket: Docket, decision: Decision, axis: str, key: Key, lesion: Lesion) -> None:
    field = "longest_diameter_mm" if axis == "LONGEST" else "short_axis_mm"
    machine = _machine(docket).get(key)
    old = None if machine is None else str(getattr(machine, field))
    docket.enter(decision, field, key, old=old, new=str(getattr(lesion, field)), timepoint=key[0], lesions=(key,))


def _redrawn(lesion: Lesion, drawing: Drawing) -> Lesion:
    return replace(
        lesion,
        centroid_lps_mm=drawing.centroid_lps_mm,
        longest_diameter_mm=drawing.longest_diameter_mm,
        short_axis_mm=drawing.short_axis_mm,
        volume_mm3=drawing.volume_mm3,
        status=LesionStatus.PRESENT,
        sop_instance_uid=drawing.sop_instance_uid or lesion.sop_instance_uid,
        diameter_ends_lps_mm=drawing.diameter_ends_lps_mm,
        short_axis_ends_lps_mm=drawing.short_axis_ends_lps_mm,
        slice_index=drawing.slice_index,
        n_slices=drawing.n_slices,
        certainty=Certainty.CERTAIN,
        max_components=1,
    )


def _with_diameter(lesion: Lesion, act: CorrectDiameter) -> Lesion:
    """Return a lesion with another diameter; a value that a reader measured is readable, however small (rules, 4)."""
    length = length_mm(act.ends_lps_mm)
    if act.axis == "SHORT":
        return replace(
            lesion, short_axis_mm=length, short_axis_ends_lps_mm=act.ends_lps_mm, status=LesionStatus.PRESENT
        )
    return replace(
        lesion,
        longest_diameter_mm=length,
        diameter_ends_lps_mm=act.ends_lps_mm,
        sop_instance_uid=act.sop_instance_uid or lesion.sop_instance_uid,
        slice_index=lesion.slice_index if act.slice_index is None else act.slice_index,
        status=LesionStatus.PRESENT,
    )
