"""Settings of reading: who reads, and what a reader must not see."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ReviewSettings"]


class ReviewSettings(BaseModel):
    """How cases are read. Other readers' decisions are never shown to a reader, whatever is set here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reader_name: str = Field(
        "", max_length=80, description="the reader's name; empty: as --reader says, or else the account's name."
    )
    hide_arm: bool = Field(
        True, description="keep the arm from the reader, as a blinded central review does; off: the worklist shows it."
    )
    reveal: Literal["all", "chronological"] = Field(
        "all",
        description="show all visits at once, or with chronological each one only when those before it are locked.",
    )
