"""Where a sum progressed, and what a progression is called (response rules, section 9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from lesiontrack.assess.settings import AssessSettings
from lesiontrack.assess.sums import TargetSum, Value, progressed
from lesiontrack.domain.outcome import Trigger, TriggerKind
from lesiontrack.domain.reads import ReadLesion
from lesiontrack.domain.study import Compartment

__all__ = ["attribute_sum", "pd_site", "pd_subtype"]

_ZERO = Decimal(0)


def attribute_sum(
    now: TargetSum, nadir: TargetSum, baseline: TargetSum, lesions: Mapping[str, ReadLesion], settings: AssessSettings
) -> tuple[tuple[Compartment, ...], tuple[str, ...]]:
    """Attribute a sum progression to compartments.

    Those whose own sub-sum grew by 20 % and 5 mm against its value at the nadir visit; if none, every one whose
    sub-sum grew. Left out: nodes that are normal now, and lesions without a value now (response rules, section 9 and
    settled points).

    Returns
    -------
    compartments, lesions
        Empty when only normal nodes grew. The lesions are those of the compartments that have a share in it.
    """
    counted = [value for value in now.values if not _is_normal_node(value, settings)]
    home = _homes((*now.values, *nadir.values), baseline, lesions)
    names = {name for value in counted for name in value.lesions}
    grew: list[Compartment] = []
    enough: list[Compartment] = []
    for compartment in Compartment:
        after = sum((v.mm for v in counted if home[v.lesions[0]] is compartment), _ZERO)
        before = sum(
            (v.mm for v in nadir.values if home[v.lesions[0]] is compartment and names & set(v.lesions)), _ZERO
        )
        if after > before:
            grew.append(compartment)
            if progressed(after, before, settings):
                enough.append(compartment)
    chosen = tuple(enough or grew)
    return chosen, tuple(name for v in counted if home[v.lesions[0]] in chosen for name in v.lesions)


def _is_normal_node(value: Value, settings: AssessSettings) -> bool:
    return value.node and value.mm < settings.node_normal_mm


def _homes(values: Iterable[Value], baseline: TargetSum, lesions: Mapping[str, ReadLesion]) -> dict[str, Compartment]:
    """Return each lesion's compartment; members of a mass go with the larger one (response rules, section 4).

    Masses of the two visits that share a member are one body.
    """
    values = tuple(values)
    size = {name: value.mm for value in baseline.values for name in value.lesions}
    body = {name: {name} for value in (*values, *baseline.values) for name in value.lesions}
    for value in values:
        joined = set().union(*(body[name] for name in value.lesions))
        body.update(dict.fromkeys(joined, joined))
    largest = {name: max(members, key=lambda x: (size.get(x, _ZERO), x)) for name, members in body.items()}
    return {name: lesions[most].compartment for name, most in largest.items()}


def pd_site(triggers: Iterable[Trigger]) -> str | None:
    """Return HEPATIC, EXTRAHEPATIC or BOTH, or None when no trigger has a site."""
    found = {compartment for trigger in triggers for compartment in trigger.compartments}
    if len(found) == len(Compartment):
        return "BOTH"
    return next(iter(found)).value if found else None


def pd_subtype(triggers: Iterable[Trigger]) -> str | None:
    """Return what hepatic progression is: LOCAL, INTRAHEPATIC_NEW, GROWTH, joined by + where several hold."""
    names = {TriggerKind.LTP: "LOCAL", TriggerKind.NEW: "INTRAHEPATIC_NEW"}
    hepatic = [trigger for trigger in triggers if Compartment.HEPATIC in trigger.compartments]
    found = {names.get(trigger.kind, "GROWTH") for trigger in hepatic}
    order = ("LOCAL", "INTRAHEPATIC_NEW", "GROWTH")
    return "+".join(name for name in order if name in found) or None
