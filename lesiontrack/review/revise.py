"""revise(machine, decisions) -> Revision: everything that decisions say, resolved; no track is derived here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Certainty, Lesion
from lesiontrack.domain.reading import MACHINE
from lesiontrack.review.decision import Decision
from lesiontrack.review.docket import Docket
from lesiontrack.review.lesions import revised_lesions
from lesiontrack.review.relations import grouping_of
from lesiontrack.review.revision import Revision
from lesiontrack.review.words import confirmations, roles_said, statuses_said, with_sites

__all__ = ["revise"]


def revise(
    machine: History,
    decisions: Sequence[Decision],
    *,
    measurable: Callable[[Lesion], bool],
    baselines: frozenset[int],
    reader: str | None = None,
) -> Revision:
    """Resolve decisions to the lesions and visits of a history.

    Parameters
    ----------
    machine
        As observed, without decisions.
    decisions
        Of one subject, in the order in which they were made, revocations included.
    measurable
        Tells whether a lesion whose size or site was corrected is measurable.
    baselines
        Visits from which the phases start.
    reader
        Whose reading it becomes; by default that of the only reader of the decisions.
    """
    docket = Docket(machine, decisions)
    lesions = revised_lesions(docket, measurable)
    grouping = grouping_of(docket, lesions)
    moved = with_sites(docket, lesions, grouping)
    lesions = {key: x if x is lesions[key] else _judged(x, measurable) for key, x in moved.items()}
    said = statuses_said(docket, grouping, baselines)
    roles = roles_said(docket, baselines)
    confirmed = confirmations(docket, lesions, grouping)
    lesions |= {key: replace(lesions[key], certainty=Certainty.CERTAIN) for key in confirmed.sure}
    readers = sorted({decision.reader for decision in docket.live})
    return Revision(
        machine=machine,
        reader=reader or (readers[0] if len(readers) == 1 else "+".join(readers) or MACHINE),
        decisions=tuple(decisions),
        lesions=tuple(_in_the_machines_order(machine, lesions)),
        grouping=grouping,
        entries=docket.in_order(),
        said=said,
        roles=roles,
        touches={name: frozenset(found) for name, found in docket.touches.items()},
        states=docket.states,
        why=docket.why,
        confirmed=confirmed.visits,
        locked=confirmed.locked,
        looked_at=confirmed.lesions,
        whole_case=confirmed.whole_case,
    )


def _judged(lesion: Lesion, measurable: Callable[[Lesion], bool]) -> Lesion:
    return replace(lesion, measurable=measurable(lesion))


def _in_the_machines_order(machine: History, lesions: dict[tuple[int, int], Lesion]) -> list[Lesion]:
    known = [(x.timepoint, x.lesion_id) for x in machine.lesions]
    kept = [lesions[key] for key in known if key in lesions]
    return [*kept, *(lesions[key] for key in sorted(set(lesions) - set(known)))]
