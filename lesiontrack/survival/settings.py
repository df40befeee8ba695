"""Settings of the statistics room: what is estimated, and with how much confidence."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["SurvivalSettings", "TimeUnit"]

TimeUnit = Literal["days", "weeks", "months", "years"]


class SurvivalSettings(BaseModel):
    """How endpoints are estimated, compared and drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    times: tuple[float, ...] = Field(
        default=(365, 730, 1096, 1461, 1826),
        description="Landmark times in the unit of time_days, at which rates and their differences are given. "
        "Default: 1 to 5 years in days; 1826 is the trial's primary endpoint.",
    )
    tau: float = Field(
        default=1826,
        gt=0,
        description="Horizon of the restricted mean survival time, in the unit of time_days. Default: five years "
        "in days, the study period.",
    )
    confidence_level: float = Field(
        default=0.95, gt=0.5, lt=1, description="Two-sided confidence level of every interval. Default: 95 %."
    )
    adequate_risk_set: int = Field(
        default=10,
        ge=2,
        description="Subjects at risk from which a curve under delayed entry is trusted; the conditional estimate "
        "starts where the risk set has reached it (or half of the group, where that is fewer). Default: 10, below "
        "which one death moves the curve by more than a tenth.",
    )
    reference: str = Field(
        default="CHEMO",
        description="Group that others are compared with; the first group where it does not occur. Default: the "
        "control arm.",
    )
    time_unit: TimeUnit = Field(
        default="days",
        description="Unit of time_days in the table; only the time axis of figures depends on it. Default: days, "
        "as our own tables.",
    )
    days_per_month: float = Field(
        default=30.4375,
        gt=0,
        description="Days in a month on the time axis of figures. Default: 365.25 / 12.",
    )
    figure_width_mm: float = Field(
        default=180, ge=80, le=400, description="Width of a figure in mm. Default: two columns of a journal."
    )
    figure_dpi: int = Field(
        default=200, ge=50, le=600, description="Pixels per inch of the PNG. Default: sharp on screen and in print."
    )
