"""What each tissue looks like: Hounsfield units by contrast phase, and the signal of a fat-suppressed T1 MR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Appearance", "Tissue", "appearance_of"]


class Tissue(StrEnum):
    """Tissues that the anatomy is painted with."""

    AIR = "air"
    SKIN = "skin"
    FAT = "fat"
    VISCERAL_FAT = "visceral_fat"
    MUSCLE = "muscle"
    BONE_CORTEX = "bone_cortex"
    BONE_MARROW = "bone_marrow"
    DISC = "disc"
    CORD = "cord"
    LUNG = "lung"
    LUNG_VESSEL = "lung_vessel"
    HEART = "heart"
    ARTERY = "artery"
    PORTAL_VEIN = "portal_vein"
    HEPATIC_VEIN = "hepatic_vein"
    LIVER = "liver"
    SPLEEN = "spleen"
    KIDNEY = "kidney"
    KIDNEY_MEDULLA = "kidney_medulla"
    PANCREAS = "pancreas"
    BOWEL_WALL = "bowel_wall"
    FLUID = "fluid"
    GAS = "gas"
    LESION_CORE = "lesion_core"
    LESION_RIM = "lesion_rim"
    SOFT_METASTASIS = "soft_metastasis"
    ABLATION_ZONE = "ablation_zone"
    ZONE_RIM = "zone_rim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """Values of the tissues at one visit.

    Attributes
    ----------
    modality
        DICOM modality.
    phase
        Contrast phase, as written into the series description.
    values
        Hounsfield units (CT) or arbitrary signal (MR) of every tissue.
    noise
        Standard deviation of the noise, in the same units.
    texture
        Standard deviation of the tissue's own unevenness, which moves with the body.
    window
        (centre, width) to display.
    """

    modality: str
    phase: str
    values: Mapping[Tissue, float]
    noise: float
    texture: float
    window: tuple[int, int]


_CT_PORTAL: dict[Tissue, float] = {
    Tissue.AIR: -1000,
    Tissue.SKIN: 10,
    Tissue.FAT: -106,
    Tissue.VISCERAL_FAT: -98,
    Tissue.MUSCLE: 62,
    Tissue.BONE_CORTEX: 480,
    Tissue.BONE_MARROW: 190,
    Tissue.DISC: 85,
    Tissue.CORD: 30,
    Tissue.LUNG: -860,
    Tissue.LUNG_VESSEL: -120,
    Tissue.HEART: 140,
    Tissue.ARTERY: 165,
    Tissue.PORTAL_VEIN: 178,
    Tissue.HEPATIC_VEIN: 165,
    Tissue.LIVER: 112,
    Tissue.SPLEEN: 124,
    Tissue.KIDNEY: 195,
    Tissue.KIDNEY_MEDULLA: 165,
    Tissue.PANCREAS: 98,
    Tissue.BOWEL_WALL: 84,
    Tissue.FLUID: 12,
    Tissue.GAS: -920,
    Tissue.LESION_CORE: 46,
    Tissue.LESION_RIM: 68,
    Tissue.SOFT_METASTASIS: 72,
    Tissue.ABLATION_ZONE: 24,
    Tissue.ZONE_RIM: 88,
}

_CT_ARTERIAL: dict[Tissue, float] = {
    **_CT_PORTAL,
    Tissue.HEART: 260,
    Tissue.ARTERY: 330,
    Tissue.PORTAL_VEIN: 105,
    Tissue.HEPATIC_VEIN: 70,
    Tissue.LIVER: 82,
    Tissue.SPLEEN: 138,
    Tissue.KIDNEY: 205,
    Tissue.KIDNEY_MEDULLA: 95,
    Tissue.PANCREAS: 120,
    Tissue.LESION_CORE: 40,
    Tissue.LESION_RIM: 76,
}

_MR_T1_PORTAL: dict[Tissue, float] = {
    Tissue.AIR: 8,
    Tissue.SKIN: 160,
    Tissue.FAT: 110,
    Tissue.VISCERAL_FAT: 95,
    Tissue.MUSCLE: 240,
    Tissue.BONE_CORTEX: 60,
    Tissue.BONE_MARROW: 170,
    Tissue.DISC: 190,
    Tissue.CORD: 150,
    Tissue.LUNG: 18,
    Tissue.LUNG_VESSEL: 230,
    Tissue.HEART: 470,
    Tissue.ARTERY: 560,
    Tissue.PORTAL_VEIN: 590,
    Tissue.HEPATIC_VEIN: 560,
    Tissue.LIVER: 410,
    Tissue.SPLEEN: 430,
    Tissue.KIDNEY: 560,
    Tissue.KIDNEY_MEDULLA: 480,
    Tissue.PANCREAS: 380,
    Tissue.BOWEL_WALL: 330,
    Tissue.FLUID: 90,
    Tissue.GAS: 10,
    Tissue.LESION_CORE: 170,
    Tissue.LESION_RIM: 265,
    Tissue.SOFT_METASTASIS: 270,
    Tissue.ABLATION_ZONE: 120,
    Tissue.ZONE_RIM: 330,
}

_APPEARANCES = {
    ("CT", "portal venous"): Appearance(
        modality="CT", phase="portal venous", values=_CT_PORTAL, noise=4.5, texture=3.5, window=(60, 400)
    ),
    ("CT", "late arterial"): Appearance(
        modality="CT", phase="late arterial", values=_CT_ARTERIAL, noise=4.5, texture=3.5, window=(60, 400)
    ),
    ("MR", "portal venous"): Appearance(
        modality="MR", phase="portal venous", values=_MR_T1_PORTAL, noise=5.0, texture=8.0, window=(320, 640)
    ),
}


def appearance_of(modality: str, phase: str) -> Appearance:
    """Return the appearance of a modality ("CT", "MR") and a contrast phase ("portal venous", "late arterial").

    Raises
    ------
    KeyError
        If the phantom has no such appearance.
    """
    return _APPEARANCES[(modality, phase)]
