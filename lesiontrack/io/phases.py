"""Free text of headers to the few words that leave the reader: phase of contrast and region. Nothing else does."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["phase_of_contrast", "regions_of"]

# Radiology's usual words (LI-RADS v2018, technique); "late arterial" is arterial, so arterial goes first.
_PHASES = (
    (r"hepatobil|\bhbp\b|\b20 ?min", "HEPATOBILIARY"),
    (r"arter|\bhap\b", "ARTERIAL"),
    (r"portal|venous|\bpvp?\b|\bpv[ _-]|\bven\b", "PORTAL_VENOUS"),
    (r"delay|equilib|\blate\b", "DELAYED"),
    (r"non[ _-]?con|pre[ _-]?con|unenhanced|nativ|plain|without contrast|\bnc\b", "NATIVE"),
)
_REGIONS = (
    (r"HEAD|BRAIN|SKULL", "BRAIN"),
    (r"NECK", "NECK"),
    (r"CHEST|THORAX|LUNG|\bCAP\b|\bTAP\b|WHOLE ?BODY", "CHEST"),
    (r"ABD|\bCAP\b|\bTAP\b|WHOLE ?BODY", "ABDOMEN"),
    (r"LIVER|HEPAT", "LIVER"),
    (r"PELV|\bCAP\b|\bTAP\b|WHOLE ?BODY", "PELVIS"),
)


@lru_cache(maxsize=4096)
def phase_of_contrast(text: str) -> str:
    """Return the phase of contrast that a description names; empty when it names none."""
    words = text.replace("_", " ")
    return next((phase for pattern, phase in _PHASES if re.search(pattern, words, re.IGNORECASE)), "")


@lru_cache(maxsize=4096)
def regions_of(body_part: str) -> tuple[str, ...]:
    """Return the regions that BodyPartExamined names."""
    words = body_part.upper().replace("_", " ")
    return tuple(region for pattern, region in _REGIONS if re.search(pattern, words))
