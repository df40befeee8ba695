"""Subject, Visit, Scan, Site, Compartment: who was imaged when, and what was done to them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from lesiontrack.domain.geometry import Grid
from lesiontrack.errors import ClinicalError

__all__ = [
    "Arm",
    "ClinicalFacts",
    "Compartment",
    "Coverage",
    "Finding",
    "LocalTreatment",
    "Method",
    "Scan",
    "Site",
    "Subject",
    "Visit",
    "compartment_of",
]


class Site(StrEnum):
    """Where a lesion sits (contract, section 4)."""

    LIVER = "LIVER"
    LUNG = "LUNG"
    LYMPH_NODE = "LYMPH_NODE"
    PERITONEUM = "PERITONEUM"
    BONE = "BONE"
    ADRENAL = "ADRENAL"
    BRAIN = "BRAIN"
    OTHER = "OTHER"


class Compartment(StrEnum):
    """Liver, or everything else."""

    HEPATIC = "HEPATIC"
    EXTRAHEPATIC = "EXTRAHEPATIC"


class Arm(StrEnum):
    """The trial's arms; a study may name others, which are kept as they are."""

    LOCAL = "LOCAL"
    CHEMO = "CHEMO"


class Method(StrEnum):
    """How a lesion was treated locally."""

    RESECTION = "RESECTION"
    ABLATION = "ABLATION"
    SBRT = "SBRT"
    OTHER = "OTHER"


def compartment_of(site: str) -> Compartment:
    """Return HEPATIC for the liver and EXTRAHEPATIC for every other site (response rules, section 9)."""
    return Compartment.HEPATIC if site == Site.LIVER else Compartment.EXTRAHEPATIC


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTreatment:
    """One row of the clinical table ``local_treatments``.

    Exactly one of ``track_id``, ``place_lps_mm`` (with ``place_date``), ``all_lesions`` says what was treated, or none
    of them: unknown, to be placed by a zone segment or by absence after a resection.
    """

    date: dt.date
    method: str
    track_id: str | None = None
    tracking_uid: str | None = None
    place_lps_mm: tuple[float, float, float] | None = None
    place_date: dt.date | None = None
    all_lesions: bool = False
    session: str | None = None
    planned: bool = True
    margin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A read without a segmentation: one row of the clinical table ``findings``.

    ``reason`` is the reader's own, for example why a lesion was made a target against the proposal.
    """

    date: dt.date
    lesion: str
    site: str
    role: str
    status: str
    longest_diameter_mm: Decimal | None = None
    short_axis_mm: Decimal | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Whether a region was assessed at a visit: one row of the clinical table ``coverage``."""

    date: dt.date
    region: str
    assessed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalFacts:
    """What the clinical tables say of one subject and the images cannot.

    Attributes
    ----------
    new_therapies
        Days of anticancer therapies outside the protocol.
    """

    arm: str | None = None
    diagnosis_date: dt.date | None = None
    enrolment_date: dt.date | None = None
    randomisation_date: dt.date | None = None
    induction_start_date: dt.date | None = None
    treatment_start_date: dt.date | None = None
    death_date: dt.date | None = None
    last_alive_date: dt.date | None = None
    local_treatments: tuple[LocalTreatment, ...] = ()
    findings: tuple[Finding, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    new_therapies: tuple[dt.date, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One volume of a visit, as catalogued; no voxels.

    Attributes
    ----------
    series_uid
        DICOM Series Instance UID, or an identifier made from the file's place for other formats.
    grid
        Geometry from the headers; None where the series is not usable.
    files
        Where its image lies: paths, in slice order, or one volume file.
    segmentation_files
        Objects that segment this series, already joined and free of rivals.
    measured
        A segmentation belongs to it.
    problem
        Why it is not usable or not measured; empty when it is.
    notes
        What was mended when its geometry was made out ("1 duplicate slice(s) dropped").
    """

    series_uid: str
    date: dt.date
    modality: str
    phase_of_contrast: str = ""
    regions: tuple[str, ...] = ()
    slice_thickness_mm: float | None = None
    grid: Grid | None = None
    files: tuple[str, ...] = ()
    segmentation_files: tuple[str, ...] = ()
    measured: bool = False
    usable: bool = True
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Scans that belong together (contract, section 2). ``date`` is that of the last of them."""

    timepoint: int
    scans: tuple[Scan, ...]
    usable: bool = True
    problem: str = ""

    def __post_init__(self) -> None:
        if not self.scans:
            raise ClinicalError("a visit without scans", visit=str(self.timepoint))

    @property
    def date(self) -> dt.date:
        """Date of the last scan."""
        return max(scan.date for scan in self.scans)

    @property
    def measured_scans(self) -> tuple[Scan, ...]:
        """Usable scans that have a segmentation."""
        return tuple(scan for scan in self.scans if scan.usable and scan.measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One patient: visits in time order and the clinical facts, which may be absent."""

    subject_id: str
    visits: tuple[Visit, ...]
    clinical: ClinicalFacts | None = None

    def __post_init__(self) -> None:
        dates = [visit.date for visit in self.visits]
        if dates != sorted(dates) or [v.timepoint for v in self.visits] != list(range(len(self.visits))):
            raise ClinicalError("visits are not numbered in time order", subject_id=self.subject_id)
