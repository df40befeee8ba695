"""The keys of the reading room, in one place: the panels, the tool tips and the help read them from here."""

from __future__ import annotations

__all__ = ["KEYS", "hint"]

# Action -> (key, what it does). Keys are Qt's names.
KEYS: dict[str, tuple[str, str]] = {
    "confirm": ("Return", "confirm the lesion at all visits, or the visit that is asked about, and go to the next"),
    "next": ("N", "next lesion that needs a look"),
    "previous": ("Shift+N", "previous lesion that needs a look"),
    "row_next": ("PgDown", "next lesion of the table"),
    "row_previous": ("PgUp", "previous lesion of the table"),
    "visit_next": (".", "next visit"),
    "visit_previous": (",", "previous visit"),
    "link": ("L", "link the lesion at hand to the lesion under the cursor"),
    "unlink": ("U", "cut the lesion at hand from the visits before"),
    "split": ("S", "the Ctrl-clicked lesions are the parts of the lesion at hand"),
    "merge": ("M", "the Ctrl-clicked lesions have coalesced into the lesion at hand"),
    "reject": ("R", "no lesion"),
    "target": ("T", "target or non-target"),
    "diameter": ("D", "draw the diameter of a lesion that is not marked"),
    "paint": ("P", "paint a lesion; once more to finish"),
    "comment": ("C", "comment on the lesion at hand"),
    "equivocal": ("E", "new lesion: equivocal"),
    "unequivocal": ("Shift+E", "new lesion: unequivocal"),
    "confirm_visit": ("Shift+Return", "the visit is read"),
    "confirm_case": ("Ctrl+Return", "the case is read"),
    "undo": ("Ctrl+Z", "undo"),
    "redo": ("Ctrl+Shift+Z", "redo"),
    "blink": ("B", "blink: the prior in place of the current visit, and back"),
    "together": ("G", "scroll together or apart"),
    "outlines": ("H", "show or hide outlines and diameters"),
    "window": ("W", "next grey window"),
    "series": ("V", "next series of the visit"),
    "lock": ("K", "close the visit, or open it again"),
    "save": ("Ctrl+S", "update responses and endpoints from the decisions"),
    "picture": ("Ctrl+P", "picture of the lesion through all visits"),
    "escape": ("Escape", "leave drawing or painting"),
    "slice_up": ("Up", "one slice up"),
    "slice_down": ("Down", "one slice down"),
}


def hint(action: str) -> str:
    """Return what an action does and its key, for a tool tip."""
    key, what = KEYS[action]
    return f"{what} ({key})"
