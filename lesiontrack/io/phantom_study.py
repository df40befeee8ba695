"""Write phantom subjects as a study folder: DICOM images with SEG, clinical tables, study.toml, and the truth."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from lesiontrack.errors import StudyError
from lesiontrack.io.dicom_write import SeriesHeader, localizer_slices, write_segmentation, write_series
from lesiontrack.phantom import MadeSubject, PhantomSubject, PhantomVisit, SubjectPlan, subject_plans, uid_of

__all__ = ["write_made_subjects", "write_phantom_study", "write_subjects"]

Row = Mapping[str, object]

_TREATMENT_COLUMNS = (
    "subject_id",
    "date",
    "method",
    "track_id",
    "tracking_uid",
    "x_lps_mm",
    "y_lps_mm",
    "z_lps_mm",
    "timepoint_date",
    "session",
    "planned",
    "margin",
)
_THERAPY_COLUMNS = ("subject_id", "date", "name", "in_protocol")
_EVENT_COLUMNS = ("subject_id", "term", "grade", "start_date", "related")
_ZONE_COLUMNS = ("subject_id", "timepoint", "date", "true_lesion", "x_lps_mm", "y_lps_mm", "z_lps_mm", "diameter_mm")

_STUDY_TOML = """\
# A synthetic study: every subject is invented, and truth/ says what a run must find.
# Written by `lesiontrack phantom`.

[labels]
# Segments whose label matches are treated zones, never lesions.
ablation_zone = "ablation|zone|treated"
"""


def write_phantom_study(
    folder: Path,
    *,
    subjects: int,
    seed: int,
    progress: Callable[[str], None] | None = None,
) -> tuple[SubjectPlan, ...]:
    """Write a study of phantom subjects; the same seed gives the same bytes.

    Parameters
    ----------
    folder
        The study folder; ``images/``, ``clinical/``, ``truth/`` and ``study.toml`` are written into it.
    subjects
        How many; the first six are the sample scenarios, then they repeat with other sizes, places and dates.
    seed
        Everything random follows from it.
    progress
        Called with a subject's id when it is complete.

    Returns
    -------
    tuple of SubjectPlan
        What was written, truth included.

    Raises
    ------
    StudyError
        If the folder holds anything already: a study is never mixed with another.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(
            "a phantom study is never written over anything", file=str(folder), expected="an empty or new folder"
        )
    plans = subject_plans(subjects=subjects, seed=seed)
    write_subjects(folder, plans, progress=progress)
    return plans


def write_subjects(
    folder: Path, plans: Sequence[SubjectPlan], *, progress: Callable[[str], None] | None = None
) -> None:
    """Write the given subjects as a study folder; as ``write_phantom_study``, for plans of one's own."""
    write_made_subjects(folder, (PhantomSubject(plan) for plan in plans), progress=progress)


def write_made_subjects(
    folder: Path, subjects: Iterable[MadeSubject], *, progress: Callable[[str], None] | None = None
) -> None:
    """Write subjects, of whatever anatomy, as a study folder; one is in memory at a time."""
    truth: dict[str, list[Row]] = {"lesions": [], "zones": [], "visits": []}
    treatments: list[Row] = []
    plans: list[SubjectPlan] = []
    for subject in subjects:
        plan = subject.plan
        plans.append(plan)
        for visit in subject.visits():
            _write_visit(subject, visit, folder / "images" / plan.subject_id)
            truth["visits"].append(_visit_row(plan, visit))
            truth["lesions"].extend(_lesion_rows(plan, visit))
            truth["zones"].extend(_zone_rows(plan, visit))
        treatments.extend(_treatment_rows(subject))
        if progress is not None:
            progress(plan.subject_id)
    _write_clinical(folder / "clinical", plans, treatments)
    _write_truth(folder / "truth", plans, truth)
    (folder / "study.toml").write_text(_STUDY_TOML, encoding="utf-8")


# --- images ---------------------------------------------------------------------------------------------------------


def _header(subject: MadeSubject, visit: PhantomVisit, number: int, description: str) -> SeriesHeader:
    plan, clinical = subject.plan, subject.plan.clinical
    study = uid_of(plan.seed, plan.subject_id, visit.number, "study")
    return SeriesHeader(
        subject_id=plan.subject_id,
        patient_name=f"PHANTOM^{plan.subject_id.rsplit('-', 1)[-1]}",
        date=plan.visit_date(visit.number),
        time=f"{8 + visit.number:02d}3000",
        study_uid=study,
        frame_of_reference_uid=uid_of(study, "frame"),
        series_number=number,
        accession_number=f"PH{plan.subject_id.rsplit('-', 1)[-1]}{visit.number:02d}",
        study_description=f"{visit.appearance.modality} abdomen",
        series_description=description,
        window=visit.appearance.window,
        agent="PHANTOM CONTRAST",
        sex=clinical.sex,
        age_years=clinical.age_years + plan.visits[visit.number].day // 365,
    )


def _write_visit(subject: MadeSubject, visit: PhantomVisit, folder: Path) -> None:
    here = folder / subject.plan.visit_date(visit.number).isoformat()
    appearance, imaging = visit.appearance, visit.plan.imaging
    kind = "T1 FS" if appearance.modality == "MR" else "Abdomen"
    files = write_series(
        visit.volume,
        _header(subject, visit, 2, f"{kind} {appearance.phase} {imaging.slice_mm:g} mm"),
        here / "volume",
    )
    if imaging.localizer:
        uid = uid_of(visit.volume.series_uid, "localizer")
        localizer_slices(
            visit.volume,
            _header(subject, visit, 1, "Localizer"),
            here / "localizer",
            series_uid=uid,
            sop_uid=uid_of(uid, 1),
        )
    write_segmentation(visit.segmentation, files, here / "seg.dcm", series_number=100, description="Liver and lesions")


# --- truth ----------------------------------------------------------------------------------------------------------


def _mm(value: float) -> str:
    return f"{value:.3f}"


def _visit_row(plan: SubjectPlan, visit: PhantomVisit) -> Row:
    imaging = visit.plan.imaging
    return {
        "subject_id": plan.subject_id,
        "timepoint": visit.number,
        "date": plan.visit_date(visit.number).isoformat(),
        "modality": imaging.modality,
        "phase_of_contrast": imaging.phase,
        "series_uid": visit.volume.series_uid,
        "pixel_mm": imaging.pixel_mm,
        "slice_mm": imaging.slice_mm,
        "breathing_mm": _mm(visit.motion.breathing_mm),
        "n_hepatic": sum(lesion.site == "LIVER" for lesion in visit.lesions),
        "n_extrahepatic": sum(lesion.site != "LIVER" for lesion in visit.lesions),
        "n_zones": len(visit.zones),
    }


def _lesion_rows(plan: SubjectPlan, visit: PhantomVisit) -> Iterable[Row]:
    grid = visit.volume.grid
    planes = grid.to_lps_mm(np.array([[k, 0, 0] for k in range(grid.shape[0])]))[:, 2]
    number_of = {name: label for label, name in visit.labels.items()}
    for lesion in visit.lesions:
        longest, short = lesion.body.axial_diameters_mm()
        seen, seen_short = lesion.body.sampled_diameters_mm(planes)
        x, y, z = lesion.body.centre_lps_mm
        yield {
            "subject_id": plan.subject_id,
            "timepoint": visit.number,
            "date": plan.visit_date(visit.number).isoformat(),
            "true_lesion": lesion.name,
            "site": lesion.site,
            "x_lps_mm": _mm(x),
            "y_lps_mm": _mm(y),
            "z_lps_mm": _mm(z),
            "longest_diameter_mm": _mm(longest),
            "short_axis_mm": _mm(short),
            "volume_mm3": f"{lesion.body.volume_mm3:.1f}",
            "sampled_longest_diameter_mm": _mm(seen),
            "sampled_short_axis_mm": _mm(seen_short),
            "n_slices": int((abs(planes - z) < lesion.body.half_height_mm).sum()),
            "segment_label": number_of.get(lesion.name, ""),
            "recurrence_of": lesion.recurrence_of or "",
        }


def _zone_rows(plan: SubjectPlan, visit: PhantomVisit) -> Iterable[Row]:
    for zone in visit.zones:
        x, y, z = zone.body.centre_lps_mm
        yield {
            "subject_id": plan.subject_id,
            "timepoint": visit.number,
            "date": plan.visit_date(visit.number).isoformat(),
            "true_lesion": zone.lesion,
            "x_lps_mm": _mm(x),
            "y_lps_mm": _mm(y),
            "z_lps_mm": _mm(z),
            "diameter_mm": _mm(2 * float(zone.body.semi_axes_mm[0])),
        }


def _subject_truth(plan: SubjectPlan) -> Row:
    expected = plan.expected

    def date(number: int | None) -> str:
        return "" if number is None else plan.visit_date(number).isoformat()

    yes = expected.count_eligible == "YES" and expected.disease_control == "YES"
    return {
        "subject_id": plan.subject_id,
        "scenario": plan.scenario,
        "arm": plan.clinical.arm,
        "count_hepatic": expected.count_hepatic,
        "count_eligible": expected.count_eligible,
        "induction_response": expected.induction[-1] if expected.induction else "",
        "disease_control": expected.disease_control,
        "eligible": "YES" if yes else "NO",
        "pd_date": date(expected.pd_visit),
        "pd_site": expected.pd_site,
        "pd_subtype": expected.pd_subtype,
        "pd_reasons": "|".join(expected.pd_reasons),
        "first_hepatic_pd_date": date(expected.first_hepatic_visit),
        "first_extrahepatic_pd_date": date(expected.first_extrahepatic_visit),
    }


def _response_rows(plan: SubjectPlan) -> Iterable[Row]:
    phases = (("INDUCTION", 1, plan.expected.induction), ("STUDY", plan.baseline + 1, plan.expected.study))
    for phase, first, responses in phases:
        for number, overall in enumerate(responses, start=first):
            yield {
                "subject_id": plan.subject_id,
                "phase": phase,
                "timepoint": number,
                "date": plan.visit_date(number).isoformat(),
                "overall": overall,
            }


# --- clinical tables ------------------------------------------------------------------------------------------------


def _subject_row(plan: SubjectPlan) -> Row:
    clinical = plan.clinical
    return {
        "subject_id": plan.subject_id,
        "arm": clinical.arm,
        "diagnosis_date": clinical.date(clinical.diagnosis_day),
        "induction_start_date": clinical.date(clinical.induction_day),
        "enrolment_date": clinical.date(clinical.enrolment_day),
        "treatment_start_date": clinical.date(clinical.treatment_day),
        "death_date": "" if clinical.death_day is None else clinical.date(clinical.death_day),
        "last_alive_date": clinical.date(clinical.last_alive_day),
        "sex": clinical.sex,
        "age": clinical.age_years,
        "primary_nodes": clinical.n_primary_nodes,
    }


def _treatment_rows(subject: MadeSubject) -> Iterable[Row]:
    plan = subject.plan
    for treatment in plan.treatments:
        row: dict[str, object] = dict.fromkeys(_TREATMENT_COLUMNS, "")
        row |= {
            "subject_id": plan.subject_id,
            "date": plan.clinical.date(treatment.day),
            "method": treatment.method,
            "session": treatment.session,
            "planned": "Y",
            "margin": treatment.margin,
        }
        if treatment.everything:
            row["track_id"] = "ALL"
        elif treatment.lesion is not None and treatment.seen_at is not None:
            there = {lesion.name: lesion for lesion in subject.lesions_at(treatment.seen_at)}
            places = zip(("x_lps_mm", "y_lps_mm", "z_lps_mm"), there[treatment.lesion].body.centre_lps_mm, strict=True)
            row |= {column: f"{value:.1f}" for column, value in places}
            row["timepoint_date"] = plan.visit_date(treatment.seen_at)
        yield row


def _write_clinical(folder: Path, plans: Sequence[SubjectPlan], treatments: Sequence[Row]) -> None:
    therapies = [
        {"subject_id": plan.subject_id, "date": plan.clinical.date(day), "name": name, "in_protocol": inside}
        for plan in plans
        for name, day, inside in plan.clinical.therapies
    ]
    events = [
        {
            "subject_id": plan.subject_id,
            "term": term,
            "grade": grade,
            "start_date": plan.clinical.date(day),
            "related": related,
        }
        for plan in plans
        for term, grade, day, related in plan.clinical.adverse_events
    ]
    _write_csv(folder / "subjects.csv", [_subject_row(plan) for plan in plans])
    _write_csv(folder / "local_treatments.csv", treatments, _TREATMENT_COLUMNS)
    _write_csv(folder / "therapies.csv", therapies, _THERAPY_COLUMNS)
    _write_csv(folder / "adverse_events.csv", events, _EVENT_COLUMNS)


def _write_truth(folder: Path, plans: Sequence[SubjectPlan], truth: Mapping[str, Sequence[Row]]) -> None:
    _write_csv(folder / "subjects.csv", [_subject_truth(plan) for plan in plans])
    _write_csv(folder / "responses.csv", [row for plan in plans for row in _response_rows(plan)])
    for name, rows in truth.items():
        _write_csv(folder / f"{name}.csv", rows, _ZONE_COLUMNS if name == "zones" else ())


def _write_csv(path: Path, rows: Sequence[Row], columns: Sequence[str] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(columns or rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
