"""DICOM codes of segments to what they mark: liver, lesion or treated zone, and a lesion's site (contract, section 2).

Codes are SNOMED CT, and the old SNOMED RT spellings that many archives still hold (PS3.16 annex L).
"""

from __future__ import annotations

import re

from lesiontrack.domain.geometry import SegmentKind
from lesiontrack.domain.study import Site
from lesiontrack.io.codes import TREATED_ZONE
from lesiontrack.io.settings import LabelSettings

__all__ = ["meaning_of_segment", "site_of_region"]

_ABNORMAL = frozenset({"49755003", "M-01000"})
_LIVER = frozenset({"10200004", "T-62000", "T-62002"})

_SITE_BY_CODE = {
    **dict.fromkeys(("10200004", "T-62000", "T-62002", "71133005", "48521005", "79271001"), Site.LIVER),
    **dict.fromkeys(("39607008", "T-28000", "44029006", "3341006", "T-28500", "T-28100"), Site.LUNG),
    **dict.fromkeys(("59441001", "T-C4000", "T-C4600", "59503006"), Site.LYMPH_NODE),
    **dict.fromkeys(("15425007", "T-D4400", "T-D4010", "27398004", "89837001"), Site.PERITONEUM),
    **dict.fromkeys(("272673000", "T-D016E", "90780006", "421060004", "51282000", "T-11500"), Site.BONE),
    **dict.fromkeys(("23451007", "T-B3000", "38360002", "29392005"), Site.ADRENAL),
    **dict.fromkeys(("12738006", "T-A0100"), Site.BRAIN),
}

# Nodes first: a "hepatic lymph node" is a node.
_SITE_BY_MEANING = (
    (r"lymph|\bnodes?\b|\bnodal\b", Site.LYMPH_NODE),
    (r"liver|hepatic|hepatis", Site.LIVER),
    (r"\blungs?\b|pulmon", Site.LUNG),
    (r"periton|oment|mesenter", Site.PERITONEUM),
    (r"adrenal|suprarenal", Site.ADRENAL),
    (r"\bbones?\b|vertebra|spine|sacrum|\brib\b|pelvic bone|femur|sternum", Site.BONE),
    (r"brain|cerebr|cerebell", Site.BRAIN),
)


def site_of_region(code: str) -> Site | None:
    """Return the site of ``scheme|value|meaning``; None without a code, OTHER for a place of no own site."""
    if not code:
        return None
    _, value, meaning = (*code.split("|", 2), "", "")[:3]
    if value in _SITE_BY_CODE:
        return _SITE_BY_CODE[value]
    for pattern, site in _SITE_BY_MEANING:
        if re.search(pattern, meaning, re.IGNORECASE):
            return site
    return Site.OTHER


def _code_value(code: str) -> str:
    return (*code.split("|"), "")[1]


def meaning_of_segment(segment: tuple[str, ...], labels: LabelSettings) -> tuple[SegmentKind, str | None] | None:
    """Return what a SEG segment marks, and its site; None for structures of no interest.

    Its codes go first. Where they say neither liver nor lesion (3D Slicer codes a segment as "Tissue" until its user
    chooses otherwise), a pattern of ``[labels]`` that matches its label decides.

    Parameters
    ----------
    segment
        (number, label, category, type, region, tracking UID, algorithm), codes as ``scheme|value|meaning``.
    """
    label, category, kind, region = segment[1:5]
    if labels.is_zone_name(label) or kind.split("|")[:2] == [TREATED_ZONE.scheme_designator, TREATED_ZONE.value]:
        return (SegmentKind.ABLATION_ZONE, None)
    category_code, kind_code = (_code_value(code) for code in (category, kind))
    if category_code in _ABNORMAL:
        return (SegmentKind.LESION, site_of_region(region))
    if kind_code in _LIVER:
        return (SegmentKind.LIVER, None)
    named = labels.meaning_of_pattern(label)
    return None if named is None else named[:2]
