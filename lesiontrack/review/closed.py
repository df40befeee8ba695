"""Closed visits: after a reader has locked a visit, and until it is opened again, nothing more is decided of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lesiontrack.errors import DecisionError
from lesiontrack.review.acts import (
    Act,
    Add,
    Comment,
    ConfirmCase,
    ConfirmLesion,
    ConfirmLink,
    ConfirmVisit,
    Link,
    Lock,
    Merge,
    Revoke,
    SetStatus,
    SetTargets,
    SetTreated,
    Split,
    Unlink,
    Unlock,
)
from lesiontrack.review.decision import Decision, alive
from lesiontrack.review.find import Finder
from lesiontrack.review.references import VisitRef

__all__ = ["too_late"]


def too_late(decisions: Sequence[Decision], finder: Finder) -> Mapping[str, int]:
    """Return the decisions that came after their visit was closed: identifier -> visit.

    A decision is of the latest visit that it changes; a link from a closed visit to an open one is of the open one.
    What changes nothing (a remark, a confirmation) is never too late. Nor is taking back what was itself too late;
    taking back what was decided before the visit was closed is.
    """
    known = {decision.id: decision for decision in decisions}
    closed = dict(_closed_when(decisions, finder))
    in_force, _, _ = alive(decisions)
    own = {decision.id: _visit(decision.act, finder) for decision in decisions}
    undone_late: dict[str, int] = {}
    for decision in decisions:
        source = _undone(decision, known)
        visit = None if source is None else own[source.id]
        if source is None or visit is None:
            continue
        if visit in closed[decision.id] and visit not in closed[source.id]:
            undone_late[decision.id] = visit
    if undone_late:
        in_force, _, _ = alive([decision for decision in decisions if decision.id not in undone_late])
    late = {d.id: visit for d in in_force if (visit := own[d.id]) in closed[d.id] and visit is not None}
    return {**undone_late, **late}


def _closed_when(decisions: Sequence[Decision], finder: Finder) -> Iterator[tuple[str, frozenset[int | None]]]:
    """Yield with each decision the visits that were closed when it was made; a lock that was taken back closed none."""
    in_force = {decision.id for decision in alive(decisions)[0]}
    closed: set[int | None] = set()
    for decision in decisions:
        yield decision.id, frozenset(closed)
        if decision.id in in_force and isinstance(decision.act, Lock | Unlock):
            visit = _found(decision.act.visit, finder)
            (closed.add if isinstance(decision.act, Lock) else closed.discard)(visit)


def _undone(decision: Decision, known: Mapping[str, Decision]) -> Decision | None:
    """Return what a revocation, or a revocation of one, is about in the end; None for any other decision."""
    source: Decision | None = decision
    while source is not None and isinstance(source.act, Revoke):
        # Of an earlier one only: identifiers are digests, so that a circle cannot be written.
        source = known.get(source.act.decision)
    return None if source is decision else source


def _visit(act: Act, finder: Finder) -> int | None:
    """Return the latest visit that an act changes; None where it changes none, or none that is there."""
    found = [_found(ref, finder) for ref in _visits(act)]
    return max((visit for visit in found if visit is not None), default=None)


def _visits(act: Act) -> list[VisitRef]:
    if isinstance(act, Comment | ConfirmCase | ConfirmLesion | ConfirmLink | ConfirmVisit | Lock | Unlock | Revoke):
        return []
    if isinstance(act, Link | Unlink):
        return [act.earlier.visit, act.later.visit]
    if isinstance(act, Split):
        return [act.whole.visit, *(part.visit for part in act.parts)]
    if isinstance(act, Merge):
        return [act.mass.visit, *(part.visit for part in act.parts)]
    if isinstance(act, Add):
        return [act.drawing.ref.visit]
    if isinstance(act, SetStatus | SetTargets):
        return [act.visit]
    if isinstance(act, SetTreated):
        return [] if act.visit is None else [act.visit]
    return [act.lesion.visit]


def _found(ref: VisitRef, finder: Finder) -> int | None:
    try:
        return finder.visit(ref)
    except DecisionError:
        return None
