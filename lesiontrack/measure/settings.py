"""Settings of the measuring room: what is one lesion, how sure that is, and when it can be measured."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["MeasureSettings"]


class MeasureSettings(BaseModel):
    """How masks become lesions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    speck_voxels: int = Field(
        default=4,
        ge=0,
        le=1000,
        description="A separate component of fewer voxels than this, and of less than speck_volume_mm3, is dropped and "
        "noted, unless it is the largest of its segment. Default: 4, fewer than any blob that extends along two axes.",
    )
    speck_volume_mm3: float = Field(
        default=15.0,
        ge=0,
        le=1000,
        description="Volume in mm3 from which a component is never a speck, however few its voxels. Default: 15, a "
        "sphere of 3 mm diameter, below what CT or MR resolves.",
    )
    fragment_gap_mm: float = Field(
        default=10.0,
        ge=0,
        le=100,
        description="Fragments of a segment that is marked as one lesion stay one lesion while the gap between them is "
        "at most this many mm. Default: 10, the size of a measurable lesion: fragments further apart are no drop-out "
        "of the segmentation.",
    )
    split_touching: bool = Field(
        default=True,
        description="Separate touching lesions in one mask where their shape says so. Off: only counted as confluent.",
    )
    split_neck_ratio: float = Field(
        default=0.75,
        gt=0,
        lt=1,
        description="Touching lesions are separated where the neck between them is at most this share of the inner "
        "radius of the smaller one. Default: 0.75, two equal spheres whose centres are 1.3 radii apart; at "
        "that none of 400 simulated single lesions, half of them lobulated, was cut.",
    )
    certain_neck_ratio: float = Field(
        default=0.4,
        gt=0,
        lt=1,
        description="At or below this neck ratio the separated lesions all are certain; above it only the largest is, "
        "the others are probable. Default: 0.4, equal spheres 1.83 radii apart.",
    )
    confluent_neck_ratio: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="A mask that is not separated is confluent, it may be several lesions, when it has a neck of at "
        "most this ratio. Default: 0.95; above, a neck is no more than the roughness of voxels.",
    )
    ellipsoid_fill: float = Field(
        default=0.97,
        gt=0,
        le=1,
        description="A mask that fills at least this share of the ellipsoid with its own moments is plainly one lesion "
        "and never separated. Default: 0.97; ellipsoids reach 0.98 to 1.00, two equal spheres in touch 0.82.",
    )
    lobulated_fill: float = Field(
        default=0.98,
        ge=0,
        le=1,
        description="A mask whose outline, smoothed by a quarter of its radius, fills less than this share of the "
        "ellipsoid with its own moments, or has a section that fills less than this share of its ellipse, is "
        "confluent: it may be two lesions, or three when it lacks 0.05 more; never on one slice. What voxels and an "
        "outline that is uneven by half a millimetre take is allowed for. Default: 0.98; of simulated single lesions "
        "fewer than one in ten is below. 0: never.",
    )
    site_overlap_fraction: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="A lesion without a named site is hepatic when at least this share of it lies in the liver mask. "
        "Default: 0.5, most of it.",
    )
    site_ring_fraction: float = Field(
        default=0.4,
        gt=0,
        le=1,
        description="Where the liver mask leaves lesions out, a lesion is hepatic when at least this share of the "
        "tissue around it (other lesions aside) is liver. Default: 0.4, a lesion a little less than half sunk into "
        "the liver; a node that lies against it reaches about 0.15.",
    )
    ring_mm: float = Field(
        default=3.0,
        gt=0,
        le=20,
        description="Width in mm of the tissue around a lesion that is looked at for site and contrast. Default: 3, "
        "two pixels of a coarse CT, so that it is not only partial volume.",
    )
    low_contrast_ratio: float = Field(
        default=0.5,
        ge=0,
        le=10,
        description="A lesion whose median differs from that of the tissue around it by less than this many standard "
        "deviations of that tissue is only probable. Default: 0.5, hardly seen by eye.",
    )
    too_small_mm: Decimal = Field(
        default=Decimal("5"),
        ge=0,
        le=20,
        description="A lesion with a diameter (node: short axis) below this many mm is too small to measure, and only "
        "probable. Default: 5 (RECIST 1.1, section 4.3.2).",
    )
    one_slice_too_small: bool = Field(
        default=True,
        description="A lesion on one slice only is too small to measure, and only probable. Default: yes, its extent "
        "across slices is unknown.",
    )
    measurable_mm: Decimal = Field(
        default=Decimal("10"),
        ge=0,
        le=100,
        description="Smallest longest diameter in mm of a measurable lesion. Default: 10 (RECIST 1.1, section 3.1.1).",
    )
    measurable_node_mm: Decimal = Field(
        default=Decimal("15"),
        ge=0,
        le=100,
        description="Smallest short axis in mm of a measurable lymph node. Default: 15 (RECIST 1.1, section 3.1.1).",
    )
    measurable_slices: Decimal = Field(
        default=Decimal("2"),
        ge=0,
        le=10,
        description="A measurable lesion is at least this many slice thicknesses long. Default: 2 (RECIST 1.1, "
        "section 3.1.1 and appendix II).",
    )
    bone_measurable: bool = Field(
        default=False,
        description="Take bone lesions as measurable by size. Default: no, only a soft-tissue part is measurable, and "
        "a mask does not tell it (RECIST 1.1, section 3.2).",
    )

    @model_validator(mode="after")
    def _neck_ratios_are_in_order(self) -> MeasureSettings:
        if not self.certain_neck_ratio <= self.split_neck_ratio <= self.confluent_neck_ratio:
            raise ValueError("certain_neck_ratio <= split_neck_ratio <= confluent_neck_ratio is needed")
        return self
