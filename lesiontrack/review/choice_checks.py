"""A choice as an adjudicator writes it, held against what there is to choose."""

from __future__ import annotations

from collections.abc import Sequence

from lesiontrack.errors import DecisionError
from lesiontrack.review.choices import CASE
from lesiontrack.review.discordance import Discordance, DiscordanceKind

__all__ = ["checked_item", "checked_reader"]


def checked_item(text: str, found: Sequence[Discordance], *, subject_id: str) -> str:
    """Return the item that a text names: in any case, and with a visit's number in place of its date.

    Raises
    ------
    DecisionError
        If the readers do not differ in it.
    """
    wanted = text.strip().lower().replace(" ", "_")
    named = {CASE: CASE} | {entry.kind.value.lower(): entry.kind.value.lower() for entry in found}
    for entry in found:
        named[entry.item.lower()] = entry.item
        if entry.date is not None and entry.timepoint is not None:
            named[entry.item.lower().replace(f"@{entry.date.isoformat()}", f"@{entry.timepoint}")] = entry.item
    if wanted in named:
        return named[wanted]
    listed = [entry.item for entry in found]
    known = wanted.partition("@")[0].upper() in DiscordanceKind.__members__
    raise DecisionError(
        "the readers do not differ in this item" if known else "no such item",
        subject_id=subject_id,
        found=text,
        expected=", ".join([*listed[:8], *(["..."] if len(listed) > 8 else []), CASE]),
    )


def checked_reader(
    text: str, item: str, found: Sequence[Discordance], readers: Sequence[str], *, subject_id: str
) -> str:
    """Return the reader that a text names; for one item, of those who say something of it.

    Raises
    ------
    DecisionError
        If there is no such reader.
    """
    one = next((entry for entry in found if entry.item == item), None)
    able = list(readers) if one is None else [reader for reader, _ in one.values]
    if text in able:
        return text
    alike = [reader for reader in able if reader.lower() == text.strip().lower()]
    if len(alike) == 1:
        return alike[0]
    raise DecisionError(
        f"no such reader of {item}", subject_id=subject_id, found=text, expected=f"one of {', '.join(able)}"
    )
