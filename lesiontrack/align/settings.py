"""Settings of alignment."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AlignSettings"]


class AlignSettings(BaseModel):
    """How two scans are brought together, and when the result is trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Literal["blocks", "elastix", "surface"] = Field(
        default="blocks",
        description="What follows the inside of the liver between its surfaces and its lesions: blocks (our own, numpy "
        "and scipy alone), elastix (the extra of that name; several times the time) or surface (nothing does).",
    )
    spacing_mm: float = Field(
        default=3.0,
        ge=1.0,
        le=10.0,
        description="Voxel size of the working image, mm; 3 mm sees all that a 3 mm error needs.",
    )
    margin_mm: float = Field(
        default=25.0, ge=5.0, le=100.0, description="Margin around the liver that is kept in the working image, mm."
    )
    body_spacing_mm: float = Field(
        default=7.0,
        ge=3.0,
        le=20.0,
        description="Voxel size of the whole-body image for what lies outside the liver, mm.",
    )
    field_spacing_mm: float = Field(
        default=12.0,
        ge=4.0,
        le=40.0,
        description="Spacing of the stored displacement grid, mm; well under smoothness_end_mm.",
    )
    rounds: int = Field(
        default=8,
        ge=1,
        le=50,
        description="Rounds in which lesions are assigned and their displacement is predicted anew.",
    )
    gate_start_mm: float = Field(
        default=26.0, gt=0.0, le=100.0, description="Largest cost of a pair in the first round, mm."
    )
    gate_end_mm: float = Field(
        default=8.0, gt=0.0, le=50.0, description="Largest cost of a pair in the last round among crowded lesions, mm."
    )
    gate_sparse_mm: float = Field(
        default=18.0,
        gt=0.0,
        le=50.0,
        description="Largest cost of a pair in the last round where lesions stand apart, mm.",
    )
    gate_share: float = Field(
        default=0.8, gt=0.0, le=2.0, description="Gate of the last round over the distance to the nearest neighbour."
    )
    smoothness_start_mm: float = Field(
        default=80.0,
        gt=0.0,
        le=1000.0,
        description="Width of the displacement's smoothing in the first round, mm: nearly affine.",
    )
    smoothness_end_mm: float = Field(
        default=30.0, gt=0.0, le=1000.0, description="Width of the displacement's smoothing in the last round, mm."
    )
    size_weight_mm: float = Field(
        default=4.0,
        ge=0.0,
        le=50.0,
        description="Cost of a size change, mm for each unit of |log((r0 + 1) / (r1 + 1))|.",
    )
    min_landmarks: int = Field(
        default=4,
        ge=1,
        le=50,
        description="Fewer matched lesions than this do not bend the map; liver and image decide.",
    )
    determinant_low: float = Field(
        default=0.6,
        gt=0.0,
        le=1.0,
        description="Below this volume ratio the affine liver fit falls back to a rigid one.",
    )
    determinant_high: float = Field(
        default=1.7,
        ge=1.0,
        le=5.0,
        description="Above this volume ratio the affine liver fit falls back to a rigid one.",
    )
    resection_volume_fraction: float = Field(
        default=0.8,
        gt=0.0,
        le=1.0,
        description="Liver volume ratio at or below which a resection is assumed (down by a fifth or more).",
    )
    trust_dice: float = Field(
        default=0.80,
        ge=0.0,
        le=1.0,
        description="Least liver overlap after alignment (Dice; after a resection, share of the remnant inside).",
    )
    trust_residual_mm: float = Field(
        default=8.0,
        gt=0.0,
        le=50.0,
        description="Largest root mean square leave-one-out residual of matched lesions, mm.",
    )
    trust_matched_fraction: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="Least share of the lesions of the visit with fewer that find a partner (from 6 lesions on).",
    )
    trust_folding: float = Field(
        default=0.005, ge=0.0, le=1.0, description="Largest share of the liver where the map may fold."
    )
