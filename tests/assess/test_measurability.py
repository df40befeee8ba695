"""Measurable at the baseline or not: the boundary tests of the response rules, section 2."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from lesiontrack.assess import AssessSettings
from lesiontrack.assess.measurability import LesionKind, judge_measurability
from lesiontrack.assess.organs import organ_of

NODE = {"kind": LesionKind.NODE}


@pytest.mark.parametrize(
    ("length", "thickness", "more", "verdict"),
    [
        ("9.9", "5", {}, "NON_MEASURABLE"),
        ("10.0", "5", {}, "MEASURABLE"),
        ("14.0", "8", {}, "NON_MEASURABLE"),
        ("15.9", "8", {}, "NON_MEASURABLE"),
        ("16.0", "8", {}, "MEASURABLE"),
        ("9.9", "5", NODE, "NORMAL"),
        ("10.0", "5", NODE, "NON_MEASURABLE"),
        ("14.9", "5", NODE, "NON_MEASURABLE"),
        ("15.0", "5", NODE, "MEASURABLE"),
        ("15.0", "8", NODE, "NON_MEASURABLE"),
        ("30", None, {}, "UNKNOWN"),
        ("9.9", None, {}, "NON_MEASURABLE"),
        ("30", "5", {"treated_before": True}, "NON_MEASURABLE"),
        ("30", "5", {"modality": "US"}, "NON_MEASURABLE"),
        ("19.9", None, {"modality": "CR"}, "NON_MEASURABLE"),
        ("20", None, {"modality": "CR"}, "MEASURABLE"),
        ("10", None, {"kind": LesionKind.SKIN, "modality": "XC"}, "MEASURABLE"),
        ("10", None, {"kind": LesionKind.SKIN}, "MEASURABLE"),
        ("40", "5", {"kind": LesionKind.BONE_BLASTIC}, "NON_MEASURABLE"),
        ("40", "5", {"kind": LesionKind.BONE_SOFT_TISSUE}, "MEASURABLE"),
        ("40", "5", {"kind": LesionKind.SIMPLE_CYST}, "NO_LESION"),
        ("40", "5", {"kind": LesionKind.CYSTIC_METASTASIS}, "MEASURABLE"),
        ("40", "5", {"kind": LesionKind.ASCITES}, "NON_MEASURABLE"),
    ],
)
def test_measurability(length: str, thickness: str | None, more: dict[str, Any], verdict: str) -> None:
    found = judge_measurability(
        Decimal(length), AssessSettings(), slice_thickness_mm=Decimal(thickness) if thickness else None, **more
    )
    assert found.verdict == verdict
    assert found.reason


@pytest.mark.parametrize(
    ("text", "organ"),
    [
        ("LIVER", "LIVER"),
        ("Resection margin", "LIVER"),
        ("intrahepatic bile duct", "LIVER"),
        ("lymph node", "LYMPH_NODE"),
        ("LYMPH_NODE", "LYMPH_NODE"),
        ("portal lymph nodes", "LYMPH_NODE"),
        ("Lymph node, portal", "LYMPH_NODE"),
        ("lymph nodes hilar", "LYMPH_NODE"),
        ("liver hilum lymph node", "LYMPH_NODE"),
        ("left hepatic lymph node 8a", "LYMPH_NODE"),
        ("lymph nodeless", "LYMPH_NODELESS"),
        ("LIVER, LEFT LOBE", "LIVER"),
        ("Liver segment 4", "LIVER"),
        ("liver S8", "LIVER"),
        ("liver segments IVa/IVb", "LIVER"),
        ("liver, segments 5 and 6", "LIVER"),
        ("right hepatic lobe", "LIVER"),
        ("hepatic_segment_7", "LIVER"),
        ("left lobe of a thing", "LOBE_OF_A_THING"),
        ("hepatic flexure", "HEPATIC_FLEXURE"),
        ("hepatic artery", "HEPATIC_ARTERY"),
        ("LUNG, RIGHT UPPER LOBE", "LUNG"),
        ("lungs, left", "LUNG"),
        ("T12", "T12"),
        ("left lung", "LUNG"),
        ("LUNG-RIGHT", "LUNG"),
        ("Adrenal gland", "ADRENAL"),
        ("diaphragm", "DIAPHRAGM"),
        ("Direct extension", "LIVER"),
    ],
)
def test_organs(text: str, organ: str) -> None:
    assert organ_of(text) == organ


def test_direct_growth_out_of_the_liver_is_an_option() -> None:
    assert organ_of("direct extension", direct_extension="EXTRAHEPATIC") == "OTHER"
