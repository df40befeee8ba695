"""Problem: something that went wrong and stopped nothing else; one row of the table ``failures``."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from lesiontrack.errors import LesiontrackError

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One row of the table ``failures`` (contract, section 3).

    Attributes
    ----------
    stage
        ``index``, ``read``, ``measure``, ``register``, ``link``, ``observe``, ``assess``, ``clinical`` or ``events``.
    error
        Name of the error's type.
    date
        Of the visit, where the timepoint is not known yet.
    severity
        "ERROR": a visit or subject cannot be used; "WARNING": it can, without this file.
    """

    subject_id: str | None
    stage: str
    error: str
    message: str
    date: dt.date | None = None
    timepoint: int | None = None
    file: str = ""
    severity: str = "ERROR"

    @classmethod
    def of(
        cls,
        error: LesiontrackError,
        *,
        subject_id: str | None,
        stage: str,
        date: dt.date | None = None,
        timepoint: int | None = None,
        severity: str = "ERROR",
    ) -> Problem:
        """Build from an error."""
        return cls(
            subject_id=subject_id,
            stage=stage,
            error=type(error).__name__,
            message=str(error),
            date=date,
            timepoint=timepoint,
            file=error.file or "",
            severity=severity,
        )

    def row(self) -> dict[str, Any]:
        """Return the row of ``failures``."""
        names = ("subject_id", "timepoint", "file", "stage", "severity", "error", "message")
        return {name: getattr(self, name) for name in names}
