"""Acts: everything that a reader may decide, as frozen values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lesiontrack.domain.lesion import LinkKind, Role
from lesiontrack.domain.plain import from_plain, to_plain
from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.reads import NewStatus
from lesiontrack.domain.study import Method, Site
from lesiontrack.errors import DecisionError
from lesiontrack.review.drawing import Drawing, Ends, length_mm
from lesiontrack.review.references import LesionRef, VisitRef

__all__ = [
    "Act",
    "Add",
    "Comment",
    "ConfirmCase",
    "ConfirmLesion",
    "ConfirmLink",
    "ConfirmVisit",
    "CorrectDiameter",
    "Link",
    "Lock",
    "Merge",
    "Redraw",
    "Reject",
    "Revoke",
    "SetNewness",
    "SetRole",
    "SetSite",
    "SetStatus",
    "SetTargets",
    "SetTreated",
    "Split",
    "Unlink",
    "Unlock",
    "act_from_plain",
    "act_to_plain",
    "needs_reason",
]

_SITE_WORDS = (LesionWord.NO_VIABLE, LesionWord.RESIDUAL, LesionWord.LTP, LesionWord.NE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two lesions of two visits are the same; what contradicts it is cut."""

    earlier: LesionRef
    later: LesionRef

    def __post_init__(self) -> None:
        _differ(self.earlier, self.later)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlink:
    """Two lesions are not the same, nor part and mass."""

    earlier: LesionRef
    later: LesionRef

    def __post_init__(self) -> None:
        _differ(self.earlier, self.later)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The parts are fragments of the whole: one track, their diameters add up (response rules, section 4)."""

    whole: LesionRef
    parts: tuple[LesionRef, ...]

    def __post_init__(self) -> None:
        _differ(self.whole, *self.parts)
        if len(self.parts) < 2:
            raise DecisionError("a lesion splits into two parts or more", found=str(len(self.parts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """The parts have coalesced into one mass, measured once for all of them (response rules, section 4)."""

    parts: tuple[LesionRef, ...]
    mass: LesionRef

    def __post_init__(self) -> None:
        _differ(self.mass, *self.parts)
        if len(self.parts) < 2:
            raise DecisionError("a mass has two parts or more", found=str(len(self.parts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """It is no lesion: haemorrhage, biopsy track, treated zone, perfusion defect (response rules, section 6)."""

    lesion: LesionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """A lesion that the machine does not have."""

    drawing: Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Redraw:
    """Another outline of a lesion, measured anew; the same series."""

    lesion: LesionRef
    drawing: Drawing

    def __post_init__(self) -> None:
        if self.drawing.series_uid != self.lesion.series_uid:
            raise DecisionError("an outline drawn on another series than its lesion's", found=self.drawing.series_uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSite:
    """The lesion, at all visits, sits elsewhere."""

    lesion: LesionRef
    site: str

    def __post_init__(self) -> None:
        if self.site not in {site.value for site in Site}:
            raise DecisionError("an unknown site", found=self.site, expected=", ".join(Site))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRole:
    """Target or non-target from a baseline on; ``lesion`` is named at that baseline visit."""

    lesion: LesionRef
    role: Role

    def __post_init__(self) -> None:
        if self.role is Role.NEW:
            raise DecisionError("new is what a lesion is by when it is first seen", expected="TARGET or NON_TARGET")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTargets:
    """Exactly these lesions are the targets of a baseline; each is named at that visit."""

    visit: VisitRef
    lesions: tuple[LesionRef, ...]

    def __post_init__(self) -> None:
        _differ(*self.lesions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStatus:
    """What is seen of a lesion at a visit; ``lesion`` is any sighting of it, at this visit or another."""

    lesion: LesionRef
    visit: VisitRef
    status: LesionWord

    def __post_init__(self) -> None:
        if self.status is LesionWord.EQUIVOCAL:
            raise DecisionError("equivocal is said of a new lesion", expected="SetNewness")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTreated:
    """A lesion was treated locally; ``outcome`` is what its site shows at ``visit``, where that is said at once."""

    lesion: LesionRef
    method: Method
    date: dt.date
    visit: VisitRef | None = None
    outcome: LesionWord | None = None

    def __post_init__(self) -> None:
        if (self.visit is None) != (self.outcome is None):
            raise DecisionError("an outcome of a treatment and its visit belong together")
        if self.outcome is not None and self.outcome not in _SITE_WORDS:
            raise DecisionError("no outcome of a local treatment", found=self.outcome, expected=", ".join(_SITE_WORDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNewness:
    """How sure it is that a lesion, at its own visit, is a new one."""

    lesion: LesionRef
    newness: NewStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectDiameter:
    """Other end points of a diameter; its length follows from them, rounded once to 0.1 mm."""

    lesion: LesionRef
    ends_lps_mm: Ends
    axis: Literal["LONGEST", "SHORT"] = "LONGEST"
    sop_instance_uid: str = ""
    slice_index: int | None = None

    def __post_init__(self) -> None:
        if self.axis not in ("LONGEST", "SHORT"):
            raise DecisionError("an unknown axis", found=self.axis, expected="LONGEST or SHORT")
        length_mm(self.ends_lps_mm)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmLink:
    """The link is right, and stays so whatever a later engine says."""

    earlier: LesionRef
    later: LesionRef
    kind: LinkKind = LinkKind.SAME

    def __post_init__(self) -> None:
        _differ(self.earlier, self.later)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmLesion:
    """The lesion was looked at through all visits, and is right; unless it is confluent, it surely counts as one."""

    lesion: LesionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmVisit:
    """The visit is read: its categories are no longer provisional."""

    visit: VisitRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmCase:
    """All visits are read and nothing is left to look at; of visits imaged after it was decided it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A remark on a lesion, a visit or the case; changes nothing."""

    text: str
    lesion: LesionRef | None = None
    visit: VisitRef | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise DecisionError("a comment without words")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """An earlier decision of the same reader no longer holds; to revoke a revocation is to decide it again."""

    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The visit is read and closed, before any later one is shown (chronological reading); it counts as confirmed."""

    visit: VisitRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlock:
    """A closed visit is open again."""

    visit: VisitRef


Act = (
    Link
    | Unlink
    | Split
    | Merge
    | Reject
    | Add
    | Redraw
    | SetSite
    | SetRole
    | SetTargets
    | SetStatus
    | SetTreated
    | SetNewness
    | CorrectDiameter
    | ConfirmLink
    | ConfirmLesion
    | ConfirmVisit
    | ConfirmCase
    | Comment
    | Revoke
    | Lock
    | Unlock
)
_KINDS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in Act.__args__}


def _differ(*lesions: LesionRef) -> None:
    if len(set(lesions)) != len(lesions):
        raise DecisionError("a decision names one lesion twice")


def needs_reason(act: Act) -> str | None:
    """Return why the rule book wants a reason for an act; None where it wants none."""
    if isinstance(act, Reject):
        return "what it is instead (response rules, section 6)"
    if isinstance(act, SetRole | SetTargets):
        return "why the proposal is overridden (response rules, section 3)"
    if isinstance(act, SetStatus) and act.status is LesionWord.NE:
        return "why it is not evaluable (response rules, section 1)"
    if isinstance(act, SetStatus) and act.status is LesionWord.UNEQUIVOCAL:
        return "what makes the progression unequivocal (response rules, section 5)"
    if isinstance(act, SetNewness) and act.newness is NewStatus.EQUIVOCAL:
        return "why it is equivocal (response rules, section 6)"
    if isinstance(act, Unlock):
        return "why a closed visit is opened"
    return None


def act_to_plain(act: Act) -> dict[str, Any]:
    """Return an act in types that JSON knows, its kind under ``act``."""
    return {"act": type(act).__name__, **to_plain(act)}


def act_from_plain(plain: Mapping[str, Any]) -> Act:
    """Rebuild an act.

    Raises
    ------
    DecisionError
        If it is none.
    """
    kind = _KINDS.get(str(plain.get("act")))
    if kind is None:
        raise DecisionError("an unknown kind of decision", found=str(plain.get("act")), expected=", ".join(_KINDS))
    try:
        act: Act = from_plain(kind, {name: value for name, value in plain.items() if name != "act"})
    except (TypeError, ValueError, KeyError, ArithmeticError, AttributeError) as error:
        raise DecisionError(f"a {kind.__name__} cannot be read: {error}") from error
    return act
