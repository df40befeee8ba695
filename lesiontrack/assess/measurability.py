"""Measurable or not at the baseline, and why (response rules, section 2; RECIST 1.1, 3.1 and appendix II).

For reads without images; lesions in images are judged when they are measured, by the same sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from lesiontrack.assess.settings import AssessSettings

__all__ = ["LesionKind", "Measurability", "Verdict", "judge_measurability"]

_CHEST_FILM_MM = Decimal(20)
_CT = ("CT", "MR", "PT")


class LesionKind(StrEnum):
    """What kind of lesion it is, as far as measurability asks."""

    SOLID = "SOLID"
    NODE = "NODE"
    BONE_SOFT_TISSUE = "BONE_SOFT_TISSUE"
    BONE_BLASTIC = "BONE_BLASTIC"
    SIMPLE_CYST = "SIMPLE_CYST"
    CYSTIC_METASTASIS = "CYSTIC_METASTASIS"
    EFFUSION = "EFFUSION"
    ASCITES = "ASCITES"
    LEPTOMENINGEAL = "LEPTOMENINGEAL"
    LYMPHANGITIC = "LYMPHANGITIC"
    ORGANOMEGALY = "ORGANOMEGALY"
    SKIN = "SKIN"


class Verdict(StrEnum):
    """What a lesion of the baseline may be."""

    MEASURABLE = "MEASURABLE"
    NON_MEASURABLE = "NON_MEASURABLE"
    NORMAL = "NORMAL"
    NO_LESION = "NO_LESION"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurability:
    """A verdict and its reason; only MEASURABLE may be a target, NORMAL and NO_LESION are not recorded."""

    verdict: Verdict
    reason: str


_NEVER = (
    LesionKind.BONE_BLASTIC,
    LesionKind.EFFUSION,
    LesionKind.ASCITES,
    LesionKind.LEPTOMENINGEAL,
    LesionKind.LYMPHANGITIC,
    LesionKind.ORGANOMEGALY,
)


def judge_measurability(
    length_mm: Decimal,
    settings: AssessSettings,
    *,
    kind: LesionKind = LesionKind.SOLID,
    modality: str = "CT",
    slice_thickness_mm: Decimal | None = None,
    treated_before: bool = False,
) -> Measurability:
    """Judge whether a lesion is measurable.

    Parameters
    ----------
    length_mm
        Longest diameter; the short axis of a node.
    modality
        DICOM modality of the scan: CT, MR, PT; ``CR`` or ``DX`` for a chest film, ``US`` for ultrasound.
    slice_thickness_mm
        Unknown (None) never passes silently: a CT or MR lesion is then UNKNOWN unless it is too small anyway.
    treated_before
        Irradiated or ablated before, without growth shown since.
    """
    if kind is LesionKind.SIMPLE_CYST:
        return Measurability(verdict=Verdict.NO_LESION, reason="a simple cyst is no lesion")
    if kind in _NEVER:
        return _not(f"{kind.value.lower().replace('_', ' ')} is never measurable")
    if kind is LesionKind.NODE and length_mm < settings.node_normal_mm:
        return Measurability(
            verdict=Verdict.NORMAL, reason=f"short axis {length_mm} mm is below {settings.node_normal_mm} mm"
        )
    if treated_before:
        return _not("irradiated or ablated before, without growth since")
    if modality == "US":
        return _not("seen by ultrasound only")
    limit_mm = _limit_mm(kind, modality, settings)
    if length_mm < limit_mm:
        return _not(f"{length_mm} mm is below {limit_mm} mm")
    if modality in _CT and kind is not LesionKind.SKIN:
        return _on_slices(length_mm, slice_thickness_mm, settings)
    return Measurability(verdict=Verdict.MEASURABLE, reason=f"{length_mm} mm, at least {limit_mm} mm")


def _limit_mm(kind: LesionKind, modality: str, settings: AssessSettings) -> Decimal:
    if modality in ("CR", "DX"):
        return _CHEST_FILM_MM
    return settings.node_measurable_mm if kind is LesionKind.NODE else settings.lesion_measurable_mm


def _on_slices(length_mm: Decimal, slice_thickness_mm: Decimal | None, settings: AssessSettings) -> Measurability:
    """Ask for twice the slice thickness, which only bites above 5 mm."""
    if slice_thickness_mm is None:
        return Measurability(verdict=Verdict.UNKNOWN, reason="slice thickness is unknown")
    needed_mm = settings.slice_thickness_factor * slice_thickness_mm
    if length_mm < needed_mm:
        return _not(f"{length_mm} mm is below {needed_mm} mm, {settings.slice_thickness_factor} slices")
    return Measurability(verdict=Verdict.MEASURABLE, reason=f"{length_mm} mm on {slice_thickness_mm} mm slices")


def _not(reason: str) -> Measurability:
    return Measurability(verdict=Verdict.NON_MEASURABLE, reason=reason)
