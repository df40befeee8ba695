"""Settings of the comparison of readers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AgreementSettings"]


class AgreementSettings(BaseModel):
    """When two readers differ, and how far their agreement is resampled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measurement_limit_mm: float = Field(
        default=5.0,
        ge=0,
        description="Two readers' diameters of one lesion are a discordance when they differ by at least this many mm "
        "and by at least measurement_limit_percent. Default: 5 mm, the growth that RECIST asks for.",
    )
    measurement_limit_percent: float = Field(
        default=20.0,
        ge=0,
        description="The same in percent of the smaller of the two diameters. Default: 20 %, the growth that RECIST "
        "asks for.",
    )
    same_lesion_mm: float = Field(
        default=10.0,
        ge=0,
        description="A lesion that a reader added is another reader's own where both have the same site and their "
        "centres are no farther apart than this. Default: 10 mm, the smallest measurable lesion.",
    )
    bootstrap_samples: int = Field(
        default=2000,
        ge=200,
        description="Resamples of subjects behind an interval that allows for several visits of one subject. Default: "
        "2000, from which a percentile of 2.5 is steady to about a tenth of its width.",
    )
    bootstrap_seed: int = Field(default=20, ge=0, description="Seed of these resamples: the same numbers every time.")
