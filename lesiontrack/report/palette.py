"""The colour of each track, the same on every picture, chart and table of a subject."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COLOURS", "Ink", "ink_of"]

# Chosen one by one, each as far as possible from those before it in OKLab (Ottosson 2020), where the distance of two
# colours is the least of how normal, protanopic and deuteranopic eyes see them (Machado et al. 2009). Lightness 0.52
# to 0.89, so that each stands out from grey scans and from a page, light or dark. The last six are as far as possible
# by CIEDE2000, among those that are far enough by OKLab. tests/report holds them to it.
COLOURS = (
    "#FA960B",
    "#1651F5",
    "#BE0264",
    "#47E5FA",
    "#8292CD",
    "#D8DE98",
    "#EA6171",
    "#7156AA",
    "#AE6704",
    "#D3B1AE",
    "#59BBFB",
    "#409E92",
    "#78F010",
    "#4D7DE8",
    "#3A83A6",
    "#BAB46F",
    "#C68627",
    "#9BEBCC",
    "#A54A28",
    "#A9A3BF",
    "#9714CD",
    "#BA5660",
    "#209AF7",
    "#964885",
    "#FC8AE4",
    "#B45ACC",
    "#E4C09C",
    "#8A6C84",
    "#A8D2D2",
    "#C66C48",
)
# When the colours are used up they come again with another line.
_DASHES = ("", "5 2", "1.5 2", "6 2 1.5 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """How the lines of one track are drawn; ``dash`` is an SVG dash pattern, empty for a full line."""

    colour: str
    dash: str


def ink_of(place: int) -> Ink:
    """Return the ink of the track at ``place`` (0, 1, ...) in the subject's order of tracks."""
    return Ink(colour=COLOURS[place % len(COLOURS)], dash=_DASHES[place // len(COLOURS) % len(_DASHES)])
