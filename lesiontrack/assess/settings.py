"""Every option of the rule book, with its default and why it is that."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = ["AssessSettings", "LocalMode"]


class LocalMode(StrEnum):
    """How a locally treated lesion counts (response rules, section 10)."""

    REBASELINE = "rebaseline"
    STRICT_NE = "strict_ne"
    AS_MEASURED = "as_measured"


class AssessSettings(BaseModel):
    """Response by RECIST 1.1. The defaults are the guideline's, and where it is silent the rule book's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pd_pct: Decimal = Field(
        Decimal(20),
        gt=0,
        le=1000,
        description="growth over the nadir, %, from which a sum progresses; RECIST 1.1, 4.3.1.",
    )
    pd_abs_mm: Decimal = Field(
        Decimal(5), ge=0, le=100, description="growth over the nadir, mm, needed as well; RECIST 1.1, 4.3.1."
    )
    pr_pct: Decimal = Field(
        Decimal(30), gt=0, lt=100, description="shrinkage from baseline, %, from which it is PR; RECIST 1.1, 4.3.1."
    )
    node_normal_mm: Decimal = Field(
        Decimal(10), gt=0, le=50, description="short axis, mm, below which a node is normal; RECIST 1.1, 3.1 and 4.3.1."
    )
    tstm_mm: Decimal = Field(
        Decimal(5),
        ge=0,
        le=20,
        description="what a lesion too small to measure counts, mm, whatever the slice thickness; RECIST 1.1, 4.3.2.",
    )
    lesion_measurable_mm: Decimal = Field(
        Decimal(10),
        gt=0,
        le=100,
        description="longest diameter, mm, from which a lesion is measurable; RECIST 1.1, 3.1.1.",
    )
    node_measurable_mm: Decimal = Field(
        Decimal(15), gt=0, le=100, description="short axis, mm, from which a node is measurable; RECIST 1.1, 3.1.1."
    )
    slice_thickness_factor: Decimal = Field(
        Decimal(2),
        ge=1,
        le=5,
        description="a measurable lesion spans so many slice thicknesses; RECIST 1.1, appendix II.",
    )
    max_targets: int = Field(5, ge=1, le=50, description="targets in all; RECIST 1.1, 4.2.")
    max_targets_per_organ: int = Field(
        2, ge=1, le=50, description="targets an organ; all nodes are one organ, so is a pair; RECIST 1.1, 4.2."
    )
    baseline_max_age_days: int = Field(
        28, ge=0, le=365, description="a baseline older than this before treatment, days, is flagged; RECIST 1.1, 4.2."
    )
    min_sd_days: int = Field(
        42, ge=0, le=365, description="days from treatment start from which SD counts; RECIST 1.1, 4.6.3: 6 to 8 weeks."
    )
    confirm_days: int = Field(
        28, ge=0, le=365, description="days between a response and its confirmation; RECIST 1.1, 4.6.1: 4 weeks."
    )
    max_ne_between: int = Field(
        1, ge=0, le=20, description="NE visits allowed between a response and its confirmation; RECIST 1.1, table 3."
    )
    accept_sd_between: bool = Field(
        False, description="let one SD stand between a PR and its confirmation; off, since RECIST 1.1 does not say so."
    )
    reappear_after_cr: Literal["overall_cr", "target_cr"] = Field(
        "overall_cr",
        description="disease seen again is PD after an overall CR (RECIST 1.1, 4.4.4), or already after a target CR.",
    )
    sticky_pr: bool = Field(
        False, description="a PR goes on until PD; off: each visit is compared with the baseline anew, as readers do."
    )
    partial_pd: bool = Field(
        True, description="a sum that lacks lesions is PD when what is known already proves it; RECIST 1.1, 4.4.2."
    )
    nt_partial: Literal["NE", "NON-CR/NON-PD"] = Field(
        "NE", description="non-target response when some are NE and at least one is present; NE claims the least."
    )
    target_pd_date: Literal["last_target_scan", "earliest_target_scan", "earliest_scan"] = Field(
        "last_target_scan", description="date of a progression by sum in a visit of several scan dates; the FDA's."
    )
    response_date: Literal["last_scan", "earliest_scan"] = Field(
        "last_scan", description="date of CR, PR and SD in a visit of several scan dates; the last shows all of it."
    )
    pd_scan_date: Literal["scan", "visit"] = Field(
        "scan",
        description="progression by new lesion, non-target or treated site: date of the scan showing it, or visit.",
    )
    backdate: bool = Field(
        True, description="an equivocal lesion confirmed later dates progression to its first sight; RECIST 1.1, 4.3.5."
    )
    bor_stops_at_new_therapy: bool = Field(
        False, description="leave out visits after new anticancer therapy from best overall response; the protocol's."
    )
    non_cr_non_pd_is_control: bool = Field(
        True, description="NON-CR/NON-PD counts as disease control; non-target disease can do no better but CR."
    )
    ned_is_control: bool = Field(
        True, description="NED counts as disease control; control by NED alone is flagged, since one arm only has it."
    )
    disease_control_days: tuple[int, ...] = Field(
        (84,), description="days from treatment start at which disease control is told too, since scans differ by arm."
    )
    local_mode: LocalMode = Field(
        LocalMode.REBASELINE, description="how locally treated lesions count in `recist11-local`; the trial's own rule."
    )
    pd_in_treatment_phase: bool = Field(
        False,
        description="growth of an untreated lesion before the re-baseline is PD; off: flagged, the baseline restarts.",
    )
    rebaseline_min_days: int = Field(
        28, ge=0, le=365, description="re-baseline at the earliest, days after the last planned session: 4 weeks."
    )
    rebaseline_max_days: int = Field(
        84, ge=0, le=730, description="re-baseline at the latest, days after the last planned session: 12 weeks."
    )
    retreat_window_days: int = Field(
        180,
        ge=0,
        le=1000,
        description="planned sessions and retreatment of residual tumour, days from the first session, are one plan.",
    )
    sbrt_quiet_days: int = Field(
        180, ge=0, le=1000, description="no progression by size alone at a site irradiated less than this ago, days."
    )
    new_lesion_min_mm: Decimal = Field(
        Decimal(5), ge=0, le=50, description="a new lesion found by the machine is unequivocal from this diameter, mm."
    )
    new_node_min_mm: Decimal = Field(
        Decimal(15), ge=0, le=50, description="a new node is unequivocal from this short axis, mm; below: look again."
    )
    segmentation_complete: bool = Field(
        True, description="the segmenter marks every lesion, so that an unmarked one is absent; false: it is NE."
    )
    reappearing_counts_as_new: bool = Field(
        True, description="a lesion gone before the study baseline and seen after it is NEW in the study phase."
    )
    direct_extension: Literal["HEPATIC", "EXTRAHEPATIC"] = Field(
        "HEPATIC", description="site of direct growth out of the liver; no rule decides it, the liver is its origin."
    )
    count_limit: int = Field(
        10, ge=1, le=200, description="colorectal liver metastases needed to be eligible; the trial's."
    )
    max_choices: int = Field(
        1000, ge=1, le=100_000, description="choices of targets judged one by one; beyond, a seeded sample of so many."
    )
    choice_seed: int = Field(
        20090228, ge=0, description="seed of that sample, so that the figure is the same each time."
    )

    @field_validator("nt_partial", mode="before")
    @classmethod
    def _nt_partial_spelling(cls, value: object) -> object:
        if isinstance(value, bool):
            return "NON-CR/NON-PD" if value else "NE"
        return value.strip().upper().replace("_", "-") if isinstance(value, str) else value

    @field_validator("response_date", mode="before")
    @classmethod
    def _response_date_spelling(cls, value: object) -> object:
        """Take the rule book's own word for the option (section 9)."""
        return "earliest_scan" if value == "earliest" else value

    @field_validator("ned_is_control", mode="before")
    @classmethod
    def _ned_is_control_spelling(cls, value: object) -> object:
        """Take the rule book's words for the default (section 10): it counts, and is told apart by a flag."""
        return True if value == "reported separately" else value

    @model_validator(mode="after")
    def _window_is_ordered(self) -> AssessSettings:
        if self.rebaseline_max_days < self.rebaseline_min_days:
            raise ValueError("rebaseline_max_days is before rebaseline_min_days")
        return self
