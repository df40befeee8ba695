"""Overall response at a visit: Tables 1 and 2 of RECIST 1.1, with NED (response rules, sections 7 and 10)."""

from __future__ import annotations

from dataclasses import dataclass

from lesiontrack.domain.outcome import Reason, Response, Trigger, TriggerKind

__all__ = ["Components", "overall_response", "table_1", "table_2"]

_TABLE_1 = "RECIST 1.1, 4.4.1, table 1"
_TABLE_2 = "RECIST 1.1, 4.4.1, table 2"
_NED = "rule book, 7 and 10"

_WORDS = {
    TriggerKind.TARGET: "target progression",
    TriggerKind.NON_TARGET: "unequivocal non-target progression",
    TriggerKind.NEW: "a new lesion",
    TriggerKind.LTP: "local tumour progression at a treated site",
    TriggerKind.REAPPEARANCE: "disease is seen again after a complete response",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """What an overall response is made of.

    ``disease_free`` when nothing untreated was there at the baseline in force: NED takes the place of CR.
    """

    target: Response
    non_target: Response
    triggers: tuple[Trigger, ...]
    disease_free: bool


def overall_response(parts: Components) -> tuple[Response, Reason]:
    """Return the overall response of an ordinary visit and why; first match wins."""
    if parts.triggers:
        return Response.PD, _progression(parts.triggers)
    if parts.disease_free:
        return _with_nothing_left(parts)
    if parts.target is Response.NA:
        return _reasoned(table_2(parts.non_target), parts, _TABLE_2)
    return _reasoned(table_1(parts.target, parts.non_target), parts, _TABLE_1)


def table_1(target: Response, non_target: Response, *, new: bool = False) -> Response:
    """Combine components where there is target disease (RECIST 1.1, table 1)."""
    if Response.PD in (target, non_target) or new:
        return Response.PD
    if target is Response.CR:
        return Response.CR if non_target in (Response.CR, Response.NA) else Response.PR
    return target


def table_2(non_target: Response, *, new: bool = False) -> Response:
    """Combine components where there is non-target disease only (RECIST 1.1, table 2)."""
    return Response.PD if new else non_target


def _progression(triggers: tuple[Trigger, ...]) -> Reason:
    kinds = sorted({trigger.kind for trigger in triggers})
    lesions = tuple(dict.fromkeys(name for trigger in triggers for name in trigger.lesions))
    only_again = kinds == [TriggerKind.REAPPEARANCE]
    return Reason(
        rule="overall.reappearance" if only_again else "overall.pd",
        section="RECIST 1.1, 4.4.4" if only_again else _TABLE_1,
        outcome=Response.PD.value,
        text=" and ".join(_WORDS[kind] for kind in kinds),
        lesions=lesions,
        scans=tuple(sorted({scan for trigger in triggers for scan in trigger.scans})),
    )


def _with_nothing_left(parts: Components) -> tuple[Response, Reason]:
    """No disease at the baseline, or none left after local treatment: NED while that is so."""
    if parts.target is Response.NE:
        return _reasoned(Response.NE, parts, _NED)
    seen = parts.target not in (Response.NA, Response.CR)
    if seen:
        return _reasoned(table_1(parts.target, parts.non_target), parts, _TABLE_1)
    if parts.non_target in (Response.CR, Response.NA):
        return _reasoned(Response.NED, parts, _NED)
    return _reasoned(table_2(parts.non_target), parts, _TABLE_2)


def _reasoned(overall: Response, parts: Components, section: str) -> tuple[Response, Reason]:
    text = f"target {parts.target.value}, non-target {parts.non_target.value}, no new lesion"
    rule = "overall.ned" if overall is Response.NED else "overall.table"
    return overall, Reason(rule=rule, section=section, outcome=overall.value, text=text)
