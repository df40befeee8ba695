"""What a phantom subject is to be: visits, lesions with the size of each at each visit, treatments, and the truth.

Everything here is decided by whoever writes the scenario, by hand; nothing is computed by the programs that the
phantom is there to check.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from lesiontrack.errors import StudyError

__all__ = [
    "ClinicalPlan",
    "Imaging",
    "LesionPlan",
    "LesionPlace",
    "Expected",
    "SubjectPlan",
    "TreatmentPlan",
    "VisitPlan",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imaging:
    """How a visit is imaged.

    ``pixel_mm`` is the in-plane spacing, ``slice_mm`` the slice thickness and distance, ``matrix`` the rows and
    columns, ``height_mm`` the extent along the body axis; ``localizer`` adds a localizer series. ``up_mm`` is how far
    the middle of the field of view lies above the usual one; ``liver_marked``: the segmentation marks the liver.
    """

    modality: str = "CT"
    phase: str = "portal venous"
    pixel_mm: float = 2.0
    slice_mm: float = 5.0
    matrix: int = 192
    height_mm: float = 260.0
    localizer: bool = False
    up_mm: float = 0.0
    liver_marked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPlan:
    """One visit; ``day`` counts from the first scan."""

    day: int
    imaging: Imaging


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionPlace:
    """Where a lesion is put.

    Attributes
    ----------
    centre_mm
        Fixed place in the subject's own space; None: a free place in the liver.
    near_capsule
        In the liver, close under its surface (a lesion to be resected).
    edge_of
        Name of a treated lesion: at the edge of its ablation zone.
    clear_mm
        Distance kept from the surface of every other lesion, beyond the study's least gap.
    """

    centre_mm: tuple[float, float, float] | None = None
    near_capsule: bool = False
    edge_of: str | None = None
    clear_mm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionPlan:
    """One true lesion.

    Attributes
    ----------
    name
        Its identity through all visits.
    site
        A ``domain.study.Site`` value.
    diameters_mm
        For each visit the longest axial diameter (short axis for a lymph node), None where it is not there.
    treated_by
        Method of its local treatment, None when it is left alone.
    zone_mm
        For each visit the diameter of its ablation zone, None where there is none; empty: never.
    """

    name: str
    site: str
    diameters_mm: tuple[float | None, ...]
    place: LesionPlace = LesionPlace()
    treated_by: str | None = None
    zone_mm: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        if self.zone_mm and len(self.zone_mm) != len(self.diameters_mm):
            raise StudyError(f"lesion {self.name}: one zone diameter for each visit is needed")
        if all(value is None for value in self.diameters_mm):
            raise StudyError(f"lesion {self.name} is never there")

    @property
    def largest_mm(self) -> float:
        """Largest diameter that the lesion or its zone ever has, mm."""
        return max(value for value in (*self.diameters_mm, *self.zone_mm) if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatmentPlan:
    """One row of the clinical table ``local_treatments``; ``day`` counts from the first scan.

    ``lesion`` with ``seen_at`` (visit number) is written as a place; ``everything`` as ``ALL``; neither: left empty.
    """

    day: int
    method: str
    lesion: str | None = None
    seen_at: int | None = None
    everything: bool = False
    session: int = 1
    margin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicalPlan:
    """Dates of a subject in days from the first scan; ``adverse_events``: (term, grade, day, related)."""

    arm: str
    first_scan: dt.date
    diagnosis_day: int
    induction_day: int
    enrolment_day: int
    treatment_day: int
    last_alive_day: int
    death_day: int | None = None
    therapies: tuple[tuple[str, int, str], ...] = ()
    adverse_events: tuple[tuple[str, int, int, str], ...] = ()
    sex: str = "M"
    age_years: int = 60
    n_primary_nodes: int = 0

    def date(self, day: int) -> dt.date:
        """Return the calendar date of a day."""
        return self.first_scan + dt.timedelta(days=day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The truth of a scenario, written down by hand; visits are numbers from 0 (the first scan).

    Attributes
    ----------
    induction
        Overall response at each visit after the first, up to the study baseline.
    study
        Overall response (local-therapy-aware rules) at each visit after the study baseline.
    """

    count_hepatic: int
    count_eligible: str
    disease_control: str
    induction: tuple[str, ...]
    study: tuple[str, ...]
    pd_visit: int | None = None
    pd_site: str = ""
    pd_subtype: str = ""
    pd_reasons: tuple[str, ...] = ()
    first_hepatic_visit: int | None = None
    first_extrahepatic_visit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectPlan:
    """One subject.

    Attributes
    ----------
    baseline
        Number of the visit that is the study baseline.
    instances
        True: one segment for each lesion; False: one segment for all liver lesions.
    regions_named
        The segments name their anatomic region; False: the site follows from overlap with the liver.
    gap_mm
        Least distance between the surfaces of two lesions; 0 lets them touch.
    """

    subject_id: str
    scenario: str
    seed: int
    clinical: ClinicalPlan
    visits: tuple[VisitPlan, ...]
    lesions: tuple[LesionPlan, ...]
    treatments: tuple[TreatmentPlan, ...] = ()
    expected: Expected
    baseline: int = 1
    instances: bool = True
    regions_named: bool = True
    gap_mm: float = 4.0

    def __post_init__(self) -> None:
        for lesion in self.lesions:
            if len(lesion.diameters_mm) != len(self.visits):
                raise StudyError(
                    f"lesion {lesion.name}: one diameter for each visit is needed",
                    subject_id=self.subject_id,
                    found=str(len(lesion.diameters_mm)),
                    expected=str(len(self.visits)),
                )

    def visit_date(self, number: int) -> dt.date:
        """Return the date of a visit."""
        return self.clinical.date(self.visits[number].day)
