"""Reading: what a reader says of a history, in the history's own tracks and visits; what assessment honours.

It carries words, never categories: what follows from them is the rules' to say.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from lesiontrack.domain.lesion import Role

__all__ = ["MACHINE", "LesionWord", "Reading", "RoleWord", "Word"]

# The reader of a history onto which no decision was replayed.
MACHINE = "machine"


class LesionWord(StrEnum):
    """What a reader may say of a lesion at a visit: the codes of the clinical table ``findings`` (contract, 2)."""

    PRESENT = "PRESENT"
    ABSENT = "ABSENT"
    TSTM = "TSTM"
    NE = "NE"
    UNEQUIVOCAL = "UNEQUIVOCAL"
    EQUIVOCAL = "EQUIVOCAL"
    NO_VIABLE = "NO_VIABLE"
    RESIDUAL = "RESIDUAL"
    LTP = "LTP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One lesion at one visit, as a reader sees it.

    Attributes
    ----------
    date, series_uid
        Of the scan it was said of.
    decision
        Identifier of the decision.
    """

    track_id: str
    timepoint: int
    status: LesionWord
    date: dt.date
    series_uid: str = ""
    reason: str = ""
    decision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleWord:
    """What a lesion is to RECIST from a baseline on; ``timepoint`` is that baseline."""

    track_id: str
    timepoint: int
    role: Role
    reason: str = ""
    decision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Whose history it is, and the words that came with it.

    Attributes
    ----------
    words, roles
        At most one of each for a track and visit.
    confirmed
        Visits that the reader has signed: what is judged there is no longer provisional.
    """

    reader: str = MACHINE
    words: tuple[Word, ...] = ()
    roles: tuple[RoleWord, ...] = ()
    confirmed: tuple[int, ...] = ()

    def word(self, track_id: str, timepoint: int) -> Word | None:
        """Return what is said of a track at a visit."""
        return next((w for w in self.words if (w.track_id, w.timepoint) == (track_id, timepoint)), None)

    def role(self, track_id: str, timepoint: int) -> RoleWord | None:
        """Return the role given to a track at a baseline."""
        return next((w for w in self.roles if (w.track_id, w.timepoint) == (track_id, timepoint)), None)
