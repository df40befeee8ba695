"""Decisions that are a reader's word: statuses, treated outcomes, newness, roles, targets, sites, confirmations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lesiontrack.domain.grouping import Grouping, Key
from lesiontrack.domain.lesion import Certainty, Lesion, Role
from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.study import Visit
from lesiontrack.errors import DecisionError
from lesiontrack.review.acts import (
    Comment,
    ConfirmCase,
    ConfirmLesion,
    ConfirmVisit,
    Lock,
    SetNewness,
    SetRole,
    SetSite,
    SetStatus,
    SetTargets,
    SetTreated,
    Unlock,
)
from lesiontrack.review.decision import Decision
from lesiontrack.review.docket import Docket
from lesiontrack.review.references import VisitRef
from lesiontrack.review.revision import RoleSaid, Said

__all__ = ["Confirmed", "confirmations", "roles_said", "statuses_said", "with_sites"]


def with_sites(docket: Docket, lesions: dict[Key, Lesion], grouping: Grouping) -> dict[Key, Lesion]:
    """Give every lesion of a group the site that a reader gave to one of them, the latest where there are several."""
    sites: dict[Key, tuple[int, str]] = {}
    for decision, act in docket.of(SetSite):
        found = docket.lesions(decision, [act.lesion])
        if found is not None:
            key = found[0]
            sites[key] = (docket.place[decision.id], act.site)
            group = next(group for group in grouping.groups if key in group)
            old = str(lesions[key].site)
            docket.enter(decision, "site", group, old=old, new=act.site, timepoint=key[0], lesions=(key,))
    moved = dict(lesions)
    for group in grouping.groups:
        said = [sites[key] for key in group if key in sites]
        if said:
            moved |= {key: replace(lesions[key], site=max(said)[1]) for key in group}
    return moved


def statuses_said(docket: Docket, grouping: Grouping, baselines: frozenset[int]) -> tuple[Said, ...]:
    """Return what is said of lesions at visits, in the order of the decisions.

    Parameters
    ----------
    grouping
        Which lesions are one.
    baselines
        Visits from which a phase starts: what is seen at the last one before a visit is not new at that visit.
    """
    said: list[Said] = []
    for decision in docket.live:
        act = decision.act
        if decision.id in docket.states or not isinstance(act, SetStatus | SetNewness | SetTreated):
            continue
        found = docket.lesions(decision, [act.lesion])
        visit = act.lesion.visit if isinstance(act, SetNewness) else act.visit
        if found is None or visit is None:
            continue
        timepoint = _visit(docket, decision, visit)
        if timepoint is None:
            continue
        if isinstance(act, SetNewness):
            baseline = max((t for t in baselines if t < timepoint), default=None)
            group = next(group for group in grouping.groups if found[0] in group)
            if baseline is None or any(key[0] == baseline for key in group):
                seen = f"is there at the baseline, visit {baseline}" if baseline is not None else "is at the baseline"
                docket.drop(decision, f"lesion {found[0][1]} of visit {timepoint} is not a new one: it {seen}")
                continue
            status = LesionWord(act.newness.value)
        else:
            status = act.status if isinstance(act, SetStatus) else act.outcome or LesionWord.PRESENT
        said.append(
            Said(
                lesion=found[0],
                timepoint=timepoint,
                status=status,
                date=visit.date,
                series_uid=visit.series_uid,
                decision=decision,
            )
        )
    return tuple(said)


def roles_said(docket: Docket, baselines: frozenset[int]) -> tuple[RoleSaid, ...]:
    """Return the roles that are given, in the order of the decisions.

    Parameters
    ----------
    baselines
        Visits from which a phase starts: a role is one for such a visit.
    """
    said: list[RoleSaid] = []
    for decision in docket.live:
        act = decision.act
        if decision.id in docket.states or not isinstance(act, SetRole | SetTargets):
            continue
        refs = [act.lesion] if isinstance(act, SetRole) else list(act.lesions)
        found = docket.lesions(decision, refs)
        visit = act.lesion.visit if isinstance(act, SetRole) else act.visit
        timepoint = None if found is None else _visit(docket, decision, visit)
        if found is None or timepoint is None:
            continue
        astray = [key for key in found if key[0] != timepoint]
        if timepoint not in baselines or astray:
            docket.drop(decision, f"visit {astray[0][0] if astray else timepoint} is not the baseline it speaks of")
            continue
        if isinstance(act, SetRole):
            said.append(RoleSaid(lesion=found[0], timepoint=timepoint, role=act.role, decision=decision))
        else:
            said.append(RoleSaid(lesion=None, timepoint=timepoint, role=Role.NON_TARGET, decision=decision))
            said += [RoleSaid(lesion=k, timepoint=timepoint, role=Role.TARGET, decision=decision) for k in found]
    return tuple(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What a reader has signed: visits, lesions, the case; and which visits are closed.

    ``sure`` are the lesions that count as one for certain now.
    """

    visits: frozenset[int]
    locked: frozenset[int]
    lesions: frozenset[Key]
    sure: frozenset[Key]
    whole_case: bool


def confirmations(docket: Docket, lesions: Mapping[Key, Lesion], grouping: Grouping) -> Confirmed:
    """Return what was confirmed and closed; what is commented is entered too."""
    visits: set[int] = set()
    locked: set[int] = set()
    confirmed: set[Key] = set()
    sure: set[Key] = set()
    signed: dt.date | None = None
    for decision in docket.live:
        act = decision.act
        if decision.id in docket.states:
            continue
        if isinstance(act, ConfirmCase):
            signed = dt.date.fromisoformat(decision.time[:10])
            docket.enter(decision, "confirmed", "case", old="no", new="case")
        elif isinstance(act, ConfirmLesion):
            found = docket.lesions(decision, [act.lesion])
            if found is not None:
                confirmed.update(found)
                sure |= _made_sure(docket, decision, found[0], lesions, grouping)
                docket.enter(decision, "confirmed", found, old="no", new="lesion", timepoint=found[0][0], lesions=found)
        elif isinstance(act, ConfirmVisit | Lock | Unlock):
            _close(docket, decision, act, visits, locked)
        elif isinstance(act, Comment):
            _comment(docket, decision, act)
    every = {visit.timepoint for visit in docket.machine.subject.visits}
    known = every if signed is None else {v.timepoint for v in docket.machine.subject.visits if _was_there(v, signed)}
    return Confirmed(
        visits=frozenset(visits | locked | (set() if signed is None else known)),
        locked=frozenset(locked),
        lesions=frozenset(confirmed),
        sure=frozenset(sure),
        whole_case=signed is not None and known == every,
    )


def _made_sure(
    docket: Docket, decision: Decision, key: Key, lesions: Mapping[Key, Lesion], grouping: Grouping
) -> set[Key]:
    """Return the probable lesions that are certain once confirmed; how many a confluent one is stays open."""
    group = next(group for group in grouping.groups if key in group)
    sure = {key for key in group if lesions[key].certainty is Certainty.PROBABLE}
    for one in sorted(sure):
        old, new = Certainty.PROBABLE.value, Certainty.CERTAIN.value
        docket.enter(decision, "certainty", one, old=old, new=new, timepoint=one[0], lesions=(one,))
    return sure


def _was_there(visit: Visit, signed: dt.date) -> bool:
    """Tell whether a visit can have been seen by who signed the case; where it is evening it may be the day after."""
    return all(scan.date <= signed + dt.timedelta(days=1) for scan in visit.scans)


def _close(
    docket: Docket, decision: Decision, act: ConfirmVisit | Lock | Unlock, visits: set[int], locked: set[int]
) -> None:
    timepoint = _visit(docket, decision, act.visit)
    if timepoint is None:
        return
    if isinstance(act, ConfirmVisit):
        visits.add(timepoint)
        docket.enter(decision, "confirmed", timepoint, old="no", new="visit", timepoint=timepoint)
    elif isinstance(act, Lock):
        locked.add(timepoint)
        docket.enter(decision, "locked", timepoint, old="no", new="yes", timepoint=timepoint)
    else:
        locked.discard(timepoint)
        docket.enter(decision, "locked", timepoint, old="no", new="no", timepoint=timepoint)


def _comment(docket: Docket, decision: Decision, act: Comment) -> None:
    found = docket.lesions(decision, [act.lesion]) if act.lesion is not None else ()
    timepoint = _visit(docket, decision, act.visit) if act.visit is not None else None
    if found is None or decision.id in docket.states:
        return
    at = timepoint if timepoint is not None else found[0][0] if found else None
    docket.enter(decision, "comment", decision.id, old=None, new=act.text, timepoint=at, lesions=found)


def _visit(docket: Docket, decision: Decision, ref: VisitRef) -> int | None:
    """Return the visit that a decision names; None, and the decision listed, where it is not there."""
    try:
        return docket.finder.visit(ref)
    except DecisionError as error:
        docket.drop(decision, str(error))
        return None
