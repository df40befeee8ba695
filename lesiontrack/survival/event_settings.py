"""Settings of event derivation: the planned schedule, what counts as imaged, whose reads decide."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lesiontrack.domain.follow_up import Schedule, ScheduleStep

__all__ = ["EventSettings", "ScheduleChange"]


class ScheduleChange(BaseModel):
    """From a day on, assessments are planned at another interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_date: dt.date | None = Field(
        default=None, description="Calendar date from which the change is in force; give this or from_day."
    )
    from_day: int | None = Field(
        default=None,
        ge=0,
        description="Day after treatment start (day 0) from which the change is in force; give this or from_date.",
    )
    interval_days: int = Field(ge=1, description="Planned days between assessments from then on.")
    window_days: int = Field(ge=0, description="Days that an assessment may be late from then on.")

    @model_validator(mode="after")
    def _one_beginning(self) -> ScheduleChange:
        if (self.from_date is None) == (self.from_day is None):
            raise ValueError("a change of the schedule has either from_date or from_day")
        return self


class EventSettings(BaseModel):
    """How event dates are derived from responses and clinical tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    assessment_interval_days: int = Field(
        default=56,
        ge=1,
        description="Planned days between assessments. Default: 8 weeks, the interval at which colorectal trials scan.",
    )
    assessment_window_days: int = Field(
        default=7,
        ge=0,
        description="Days that an assessment may be late. A gap of more than two intervals and two windows "
        "counts as two missed assessments. Default: one week.",
    )
    schedule: tuple[ScheduleChange, ...] = Field(
        default=(),
        description="Changes of the schedule by date, each {from_date or from_day, interval_days, window_days}. "
        "Default: none.",
    )
    assume_extrahepatic_imaged: bool = Field(
        default=True,
        description="Whether a visit of which the table `coverage` says nothing is taken to have imaged the regions "
        "outside the liver. Default: true, as trial protocols demand it; the report states it.",
    )
    required_regions: tuple[str, ...] = Field(
        default=(),
        description="Regions outside the liver that an adequate assessment must have imaged, as named in the table "
        "`coverage`; others named there are then ignored. Default: every region outside the liver that is named.",
    )
    coverage_window_days: int = Field(
        default=14,
        ge=0,
        description="A row of `coverage` belongs to the visit whose last scan is at most this many days later. "
        "Default: the longest a visit lasts.",
    )
    reader: str | None = Field(
        default=None,
        description="Whose reading feeds the endpoints: machine, a reader's name, adjudicated (the readers where they "
        "agree, and an adjudicator's choices where they do not) or majority (what more than half of the readers say of "
        "progression). Default: the adjudicated reading where there is one, else that of the only reader, else that of "
        "the first reader by name, with a warning; where nobody has read, the machine's.",
    )
    unresolved_reader: str | None = Field(
        default=None,
        description="With reader = adjudicated or majority: whose reading (a name, or machine) stands, with a warning, "
        "for a subject in whom readers differ and nobody has chosen. Default: nobody's, the subject's endpoints from "
        "imaging are not derived until an adjudicator has chosen.",
    )
    primary_rules: str = Field(
        default="recist11-local",
        description="Rule set of the responses that feed the endpoints. Default: RECIST 1.1 with the declared rule for "
        "locally treated lesions, the same as RECIST where nothing was treated.",
    )
    strict_rules: str = Field(
        default="recist11",
        description="Rule set of the endpoint PFS_STRICT. Default: RECIST 1.1 as written, a treated lesion is NE.",
    )

    @model_validator(mode="after")
    def _two_rule_sets(self) -> EventSettings:
        if "recist11-as-measured" in (self.primary_rules, self.strict_rules):
            raise ValueError("recist11-as-measured is a sensitivity and never feeds an endpoint")
        return self

    def schedule_from(self, start: dt.date) -> Schedule:
        """Return the schedule of a subject whose treatment starts on ``start``."""
        changes = [
            ScheduleStep(
                interval_days=change.interval_days,
                window_days=change.window_days,
                from_date=change.from_date or start + dt.timedelta(days=change.from_day or 0),
            )
            for change in self.schedule
        ]
        first = ScheduleStep(interval_days=self.assessment_interval_days, window_days=self.assessment_window_days)
        return Schedule(steps=(first, *sorted(changes, key=lambda step: step.from_date or start)))
