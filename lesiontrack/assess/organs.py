"""Organs as people write them -> the sites of the contract, on which compartments rest (response rules, section 9)."""

from __future__ import annotations

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


@lru_cache(maxsize=4096)
def organ_of(text: str, *, direct_extension: str = "HEPATIC") -> str:
    """Return an organ in one spelling: upper case, underscores, one name for what is one organ.

    Examples
    --------
    >>> organ_of("lymph node")
    'LYMPH_NODE'
    >>> organ_of("Resection margin")
    'LIVER'
    """
    name = "_".join(text.strip().upper().replace("_", " ").replace("-", " ").split())
    if name in _LIVER:
        return Site.LIVER.value
    if name in _DIRECT_EXTENSION:
        return Site.LIVER.value if direct_extension == "HEPATIC" else Site.OTHER.value
    for side in ("LEFT_", "RIGHT_"):
        name = name.removeprefix(side)
    for side in ("_LEFT", "_RIGHT"):
        name = name.removesuffix(side)
    if name.endswith(("_LYMPH_NODE", "_LYMPH_NODES")) or name.startswith(("LYMPH_NODE_", "LYMPH_NODES_")):
        return Site.LYMPH_NODE.value
    return str(_ONE_ORGAN.get(name, name))
