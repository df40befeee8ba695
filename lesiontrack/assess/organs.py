"""Organs as people write them -> the sites of the contract, on which compartments rest (response rules, section 9)."""

from __future__ import annotations

import re
from functools import lru_cache

from lesiontrack.domain.study import Site

__all__ = ["organ_of"]

# HEPATIC is the parenchyma with resection margin, treated site and intrahepatic bile duct; hilar and portal nodes,
# diaphragm and abdominal wall are not.
_LIVER = frozenset(
    {
        "LIVER",
        "HEPATIC",
        "LIVER_PARENCHYMA",
        "HEPATIC_LOBE",
        "LIVER_LOBE",
        "RESECTION_MARGIN",
        "LIVER_RESECTION_MARGIN",
        "ABLATION_SITE",
        "ABLATION_ZONE",
        "SBRT_SITE",
        "TREATED_SITE",
        "INTRAHEPATIC_BILE_DUCT",
        "BILE_DUCT_INTRAHEPATIC",
    }
)
_DIRECT_EXTENSION = frozenset({"DIRECT_EXTENSION", "LIVER_DIRECT_EXTENSION"})
# All nodes are one organ, and so is a pair (response rules, section 3).
_ONE_ORGAN = {
    "NODE": Site.LYMPH_NODE,
    "LYMPH_NODES": Site.LYMPH_NODE,
    "LYMPHNODE": Site.LYMPH_NODE,
    "LUNGS": Site.LUNG,
    "ADRENAL_GLAND": Site.ADRENAL,
    "ADRENAL_GLANDS": Site.ADRENAL,
    "PERITONEAL": Site.PERITONEUM,
    "KIDNEYS": "KIDNEY",
}
# A part of an organ is that organ: "LIVER, LEFT LOBE", "liver segment IVb", "LUNG, RIGHT UPPER LOBE".
_MADE_OF_PARTS = frozenset({"LIVER", "HEPATIC", "LUNG", "LUNGS"})
_PART = re.compile(
    r"LEFT|RIGHT|UPPER|LOWER|MIDDLE|MEDIAL|LATERAL|ANTERIOR|POSTERIOR|SUPERIOR|INFERIOR|CENTRAL|"
    r"CAUDATE|QUADRATE|LINGULA|DOME|LOBES?|SEGMENTS?|SECTIONS?|SECTORS?|AND|(SEG|S)?([0-9]+|[IVX]+)[AB]?"
)
_NODE = re.compile(r"(?:^|_)LYMPH_NODES?(?:_|$)")


@lru_cache(maxsize=4096)
def organ_of(text: str, *, direct_extension: str = "HEPATIC") -> str:
    """Return an organ in one spelling: upper case, underscores, one name for what is one organ.

    Examples
    --------
    >>> organ_of("lymph node")
    'LYMPH_NODE'
    >>> organ_of("Resection margin")
    'LIVER'
    >>> organ_of("Liver, segment 4b")
    'LIVER'
    >>> organ_of("hepatic flexure")
    'HEPATIC_FLEXURE'
    """
    name = re.sub(r"[\W_]+", "_", text.upper()).strip("_")
    if name in _DIRECT_EXTENSION:
        return Site.LIVER.value if direct_extension == "HEPATIC" else Site.OTHER.value
    name = _whole(name)
    if name in _LIVER:
        return Site.LIVER.value
    if _NODE.search(name):
        return Site.LYMPH_NODE.value
    return str(_ONE_ORGAN.get(name, name))


def _whole(name: str) -> str:
    """Leave out what tells a part of an organ, and the side of a paired one."""
    words = name.split("_")
    whole = "_".join(word for word in words if not _PART.fullmatch(word))
    return whole if whole in _MADE_OF_PARTS else "_".join(word for word in words if word not in ("LEFT", "RIGHT"))
