"""Settings of linking."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LinkSettings"]


class LinkSettings(BaseModel):
    """How lesions of several visits are joined into tracks, and what is shown to a reader."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate_start_mm: float = Field(
        default=14.0, gt=0.0, le=100.0, description="Largest cost of a pair in the first round of refinement, mm."
    )
    gate_end_mm: float = Field(
        default=8.0, gt=0.0, le=50.0, description="Largest cost of a pair in the last round among crowded lesions, mm."
    )
    gate_sparse_mm: float = Field(
        default=14.0,
        gt=0.0,
        le=50.0,
        description="Largest cost of a pair in the last round where lesions stand apart, mm.",
    )
    gate_share: float = Field(
        default=0.8, gt=0.0, le=2.0, description="Gate of the last round over the distance to the nearest neighbour."
    )
    gate_untrusted_mm: float = Field(
        default=22.0, gt=0.0, le=100.0, description="First gate where the registration is not trusted, mm."
    )
    rounds: int = Field(default=4, ge=1, le=50, description="Rounds of refinement by the constellation of the others.")
    smoothness_start_mm: float = Field(
        default=70.0,
        gt=0.0,
        le=1000.0,
        description="Width over which lesions share their residual in the first round, mm.",
    )
    smoothness_end_mm: float = Field(
        default=30.0,
        gt=0.0,
        le=1000.0,
        description="Width over which lesions share their residual in the last round, mm.",
    )
    size_weight_mm: float = Field(
        default=4.0,
        ge=0.0,
        le=50.0,
        description="Cost of a size change, mm for each unit of |log((r0 + 1) / (r1 + 1))|.",
    )
    size_spread: float = Field(
        default=0.45,
        gt=0.0,
        le=5.0,
        description="Standard deviation of log((r0 + 1) / (r1 + 1)) of one lesion between two visits.",
    )
    spread_mm: float = Field(
        default=2.0,
        gt=0.0,
        le=20.0,
        description="Expected error of a projected place along each axis, mm; a few pairs' worth of prior.",
    )
    spread_floor_mm: float = Field(
        default=1.0,
        gt=0.0,
        le=20.0,
        description="Least error of a projected place along each axis, mm: segmentation moves centroids.",
    )
    extrahepatic_spread_mm: float = Field(
        default=6.0,
        gt=0.0,
        le=50.0,
        description="The same outside the liver, where the rigid body map is all there is, mm.",
    )
    extrahepatic_gate_mm: float = Field(
        default=30.0, gt=0.0, le=100.0, description="First gate outside the liver, mm; lesions there are few."
    )
    alone_odds: float = Field(
        default=0.1, gt=0.0, le=10.0, description="Prior odds that a lesion has no partner at the other visit."
    )
    tracking_uid_bonus: float = Field(
        default=4.0,
        ge=0.0,
        le=20.0,
        description="Log odds gained when the segmentations give both lesions one tracking UID.",
    )
    confidence_scale: float = Field(
        default=1.0,
        gt=0.0,
        le=5.0,
        description="Slope that calibrates log odds to observed frequencies (benchmarks/tracking.py).",
    )
    confidence_offset: float = Field(
        default=0.0, ge=-10.0, le=10.0, description="Offset that calibrates log odds to observed frequencies."
    )
    review_below: float = Field(
        default=0.8, ge=0.0, le=1.0, description="Links with less confidence than this are shown to a reader."
    )
    view_margin_mm: float = Field(
        default=5.0, ge=0.0, le=50.0, description="A place nearer to the edge of a scan than this, mm, is out of view."
    )
    fragment_reach: float = Field(
        default=1.3,
        ge=0.5,
        le=3.0,
        description="A fragment's centre lies within this many radii (of the sphere of equal volume) of the lesion it "
        "split from. Default: 1.3, the parts of a lesion twice as long as wide at 1.0, and what projecting adds.",
    )
    place_gate_mm: float = Field(
        default=15.0,
        gt=0.0,
        le=100.0,
        description="Largest distance from a treated place to the edge of the lesion it names, mm.",
    )
    zone_gate_mm: float = Field(
        default=10.0,
        gt=0.0,
        le=100.0,
        description="Largest distance from a vanished lesion's place to the edge of a treated zone, mm.",
    )
    recurrence_mm: float = Field(
        default=10.0,
        ge=0.0,
        le=100.0,
        description="A new lesion whose edge is nearer than this to a treated site's edge may be its recurrence, mm.",
    )
    missed_doubling_days: float = Field(
        default=30.0,
        gt=0.0,
        le=1000.0,
        description="A track that begins at a later visit is shown to a reader as maybe missed before (a suggestion, "
        "it changes nothing else) where it would have been marked unless its volume doubled in fewer days than this. "
        "Default: 30, about a third of the mean of liver metastases that surgeons did not find (86 days; Finlay et al. "
        "1988, Br J Surg 75:641-644).",
    )
    missed_from_mm: float = Field(
        default=5.0,
        gt=0.0,
        le=50.0,
        description="Diameter in mm from which a lesion would have been marked. Default: 5, below it a lesion is too "
        "small to measure.",
    )
