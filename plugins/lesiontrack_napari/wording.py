"""How the reading room words what the program names by codes: readers see no code."""

from __future__ import annotations

from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.study import Method
from lesiontrack.report import words
from lesiontrack.review import Act, Item, ItemKind

__all__ = ["METHODS", "STATUSES", "asked", "method_words", "plain_act", "plain_reason"]

STATUSES: dict[LesionWord, str] = {
    LesionWord.PRESENT: "present",
    LesionWord.ABSENT: "absent",
    LesionWord.TSTM: "too small to measure",
    LesionWord.NE: "not evaluable",
    LesionWord.UNEQUIVOCAL: "unequivocal progression",
    LesionWord.EQUIVOCAL: "equivocal",
    LesionWord.NO_VIABLE: "no viable tumour",
    LesionWord.RESIDUAL: "residual tumour",
    LesionWord.LTP: "local tumour progression",
}
METHODS: dict[Method, str] = {Method.ABLATION: "ablated", Method.RESECTION: "resected", Method.SBRT: "irradiated"}
# What the machine says of a lesion that it wants looked at, before its own words.
_DOUBTS = {
    "NEW_UNSURE": "new?",
    "NEW_MAYBE_SAME": "new?",
    "LINK_UNSURE": "unsure link,",
    "TREATMENT_PLACED": "treated?",
    "TREATMENT_NAME": "treated?",
}


def method_words(method: str) -> str:
    """Return what a local treatment did: "ablated"."""
    return next((said for known, said in METHODS.items() if known == method), words.phrase(method))


def plain_reason(reason: str) -> str:
    """Return why a lesion is to be looked at; of ``NEW_UNSURE: could be L06 (0.33)`` "new? could be L06 (33 %)"."""
    code, _, rest = reason.partition(": ")
    head, bracket, number = rest.rpartition("(")
    if bracket and number[:-1].replace(".", "", 1).isdigit():
        rest = f"{head}({100 * float(number[:-1]):.0f} %)"
    return f"{_DOUBTS.get(code, words.phrase(code) + ':')} {rest}" if rest else words.phrase(code)


def asked(item: Item) -> str:
    """Return what a reader is asked about an item."""
    if item.kind is ItemKind.VISIT:
        return f"Visit {item.timepoint}: all of it read? Return says so."
    if item.kind is ItemKind.LINK:
        sure = f"{100 * item.confidence:.0f} % sure"
        return f"{item.track_id} at visit {item.timepoint}: the same lesion? ({sure}) Return: yes; U: no."
    why = "; ".join(plain_reason(reason).split("; ")[0] for reason in item.reasons)
    return f"{item.track_id} at visit {item.timepoint}: {why}. Return: it is right."


def plain_act(act: Act) -> str:
    """Return what kind of decision an act is: of ``ConfirmLesion`` "confirm lesion"."""
    name = type(act).__name__
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
