"""Read the fenced blocks of a page of Markdown, by the heading they stand under."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "Page"]

_FENCE = re.compile(r"^```(\w*)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the heading above it, its text."""

    language: str
    heading: str
    text: str


@dataclass(frozen=True)
class Page:
    """A page and its fenced blocks, in order."""

    path: Path
    fenced: tuple[Block, ...]

    @classmethod
    def read(cls, path: Path) -> Page:
        """Read a page."""
        text = path.read_text(encoding="utf-8")
        # A "#" within a fence is a comment and no heading.
        plain = _FENCE.sub(lambda match: " " * len(match.group(0)), text)
        headings = [(match.start(), match.group(1)) for match in _HEADING.finditer(plain)]
        return cls(
            path=path,
            fenced=tuple(
                Block(
                    language=match.group(1),
                    heading=([""] + [name for start, name in headings if start < match.start()])[-1],
                    text=match.group(2),
                )
                for match in _FENCE.finditer(text)
            ),
        )

    def blocks(self, language: str, heading: str | None = None) -> list[str]:
        """Return the texts of the blocks in a language, all of them or those directly under a heading."""
        return [
            block.text
            for block in self.fenced
            if block.language == language and (heading is None or block.heading == heading)
        ]

    def commands(self) -> list[str]:
        """Return the lines of the shell blocks, without comments."""
        lines = [line.split("#", 1)[0].strip() for text in self.blocks("sh") for line in text.splitlines()]
        return [line for line in lines if line]
