"""Walk docs/own-data.md: one small patient in the forms that other programs write, to the right count and tracks.

The layout, ``[labels]`` and the clinical table are taken from the page itself.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lesiontrack.domain.geometry import Grid
from lesiontrack.io.dicom_write import SeriesHeader, write_segmentation, write_series
from lesiontrack.phantom import (
    ClinicalPlan,
    Expected,
    Imaging,
    LesionPlan,
    PhantomSubject,
    PhantomVisit,
    SubjectPlan,
    VisitPlan,
    uid_of,
)
from tests.pages import Page
from tests.running import lesiontrack

SUBJECT = "CASE-01"
# Longest diameter at either visit, mm: E is gone at the second, N is new.
SIZES: dict[str, tuple[float | None, float | None]] = {
    "A": (34.0, 38.0),
    "B": (28.0, 24.0),
    "C": (24.0, 26.0),
    "D": (22.0, 22.0),
    "E": (20.0, None),
    "F": (18.0, 20.0),
    "N": (None, 22.0),
}
IMAGING = Imaging(pixel_mm=3.0, slice_mm=5.0, matrix=120, height_mm=230.0)
PLAN = SubjectPlan(
    subject_id=SUBJECT,
    scenario="own data",
    seed=7,
    clinical=ClinicalPlan(
        arm="LOCAL",
        first_scan=dt.date(2021, 3, 1),
        diagnosis_day=-19,
        induction_day=5,
        enrolment_day=92,
        treatment_day=105,
        last_alive_day=365,
    ),
    visits=(VisitPlan(day=0, imaging=IMAGING), VisitPlan(day=84, imaging=IMAGING)),
    lesions=tuple(LesionPlan(name=name, site="LIVER", diameters_mm=sizes) for name, sizes in SIZES.items()),
    expected=Expected(count_hepatic=6, count_eligible="NO", disease_control="NO", induction=("PD",), study=()),
)


@dataclass(frozen=True)
class Patient:
    """The patient as made in memory, written anew in each form."""

    visits: Sequence[PhantomVisit]

    def folder(self, study: Path, visit: PhantomVisit) -> Path:
        """Return the folder of a visit, made."""
        path = study / "images" / SUBJECT / PLAN.visit_date(visit.number).isoformat()
        path.mkdir(parents=True, exist_ok=True)
        return path


@pytest.fixture(scope="module")
def patient() -> Patient:
    """Return two visits in memory."""
    return Patient(visits=tuple(PhantomSubject(PLAN).visits()))


@pytest.fixture(scope="module")
def page(project_root: Path) -> Page:
    """Return the page that is walked."""
    return Page.read(project_root / "docs" / "own-data.md")


# --- the forms ------------------------------------------------------------------------------------------------------


def _dicom(visit: PhantomVisit, folder: Path) -> tuple[Path, ...]:
    study = uid_of(PLAN.seed, visit.number, "study")
    header = SeriesHeader(
        subject_id=SUBJECT,
        patient_name="CASE^01",
        date=PLAN.visit_date(visit.number),
        time="083000",
        study_uid=study,
        frame_of_reference_uid=uid_of(study, "frame"),
        series_number=2,
        series_description="Abdomen portal venous",
    )
    return write_series(visit.volume, header, folder)


def _code(value: str, meaning: str) -> list[Dataset]:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", meaning
    return [code]


def _slicer_dicom_seg(patient: Patient, study: Path) -> None:
    """Write DICOM with DICOM SEG whose segments are all coded as tissue, as 3D Slicer does until told otherwise."""
    for visit in patient.visits:
        folder = study / "images" / f"export {visit.number}"
        files = _dicom(visit, folder)
        seg = write_segmentation(
            visit.segmentation, files, folder / "seg.dcm", series_number=9, description="Segmentation", deflated=False
        )
        dataset = pydicom.dcmread(seg)
        for segment in dataset.SegmentSequence:
            segment.SegmentedPropertyCategoryCodeSequence = _code("85756007", "Tissue")
            segment.SegmentedPropertyTypeCodeSequence = _code("85756007", "Tissue")
            if "AnatomicRegionSequence" in segment:
                del segment.AnatomicRegionSequence
        dataset.save_as(seg)


def _layered(visit: PhantomVisit) -> tuple[list[NDArray[np.uint8]], list[tuple[str, int, int]]]:
    """Return the liver and, overlapping it and so in a layer of its own, the lesions; with (name, layer, value)."""
    segmentation = visit.segmentation
    assert segmentation.liver is not None
    layers = [segmentation.liver.astype(np.uint8), segmentation.lesions.astype(np.uint8)]
    values = [int(value) for value in np.unique(layers[1]) if value]
    return layers, [("Liver", 0, 1), *((f"Lesion_{value}", 1, value) for value in values)]


def _seg_nrrd(visit: PhantomVisit, path: Path) -> None:
    """Write a .seg.nrrd as 3D Slicer does: cut out around the segments, layers as the first axis."""
    layers, segments = _layered(visit)
    used = np.argwhere(np.any(layers, axis=0))
    low, high = used.min(axis=0), used.max(axis=0) + 1
    cut = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    stacked = np.stack([layer[cut] for layer in layers], axis=-1)
    k, j, i, n = stacked.shape
    grid = visit.volume.grid
    steps = [_vector(grid.affine[:3, axis]) for axis in (2, 1, 0)]
    lines = [
        "NRRD0004",
        "type: unsigned char",
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: {n} {i} {j} {k}",
        f"space directions: none {' '.join(steps)}",
        "kinds: list domain domain domain",
        "encoding: raw",
        f"space origin: {_vector(grid.to_lps_mm(low.astype(np.float64)))}",
    ]
    for number, (name, layer, value) in enumerate(segments):
        lines += [f"Segment{number}_{key}:={text}" for key, text in _slicer_keys(number, name, layer, value)]
    path.write_bytes("\n".join([*lines, "", ""]).encode() + np.ascontiguousarray(stacked).tobytes())


def _slicer_keys(number: int, name: str, layer: int, value: int) -> list[tuple[str, object]]:
    return [("ID", f"Segment_{number + 1}"), ("LabelValue", value), ("Layer", layer), ("Name", name)]


def _vector(values: NDArray[np.float64]) -> str:
    return f"({','.join(repr(float(value)) for value in values)})"


def _slicer_nrrd(patient: Patient, study: Path) -> None:
    """Write the volume as NRRD and the segmentation beside it under the same name."""
    for visit in patient.visits:
        folder, grid = patient.folder(study, visit), visit.volume.grid
        image = sitk.GetImageFromArray(visit.volume.voxels)
        image.SetSpacing([float(step) for step in grid.spacing_mm[::-1]])
        image.SetOrigin([float(value) for value in grid.affine[:3, 3]])
        image.SetDirection((grid.affine[:3, [2, 1, 0]] / grid.spacing_mm[::-1]).ravel().tolist())
        sitk.WriteImage(image, str(folder / "scan.nrrd"))
        _seg_nrrd(visit, folder / "scan.seg.nrrd")


def _slicer_nrrd_on_dicom(patient: Patient, study: Path) -> None:
    """Write the scan as DICOM and the segmentation beside it, under the name that 3D Slicer gives."""
    for visit in patient.visits:
        folder = patient.folder(study, visit)
        _dicom(visit, folder / "dicom")
        _seg_nrrd(visit, folder / "Segmentation.seg.nrrd")


def _nifti(path: Path, grid: Grid, array: NDArray[Any]) -> None:
    """Write NIfTI as dcm2niix does: rows turned, so that the second axis runs to anterior."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine[:, [2, 1, 0, 3]]
    affine[:3, 3] += affine[:3, 1] * (array.shape[1] - 1)
    affine[:3, 1] *= -1
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array[:, ::-1].transpose(2, 1, 0), affine), path)


def _totalsegmentator(patient: Patient, study: Path) -> None:
    """Write the organs by value (liver 5; 1 and 2, the spleen and a kidney, elsewhere) and tumours in a folder."""
    for visit in patient.visits:
        folder, grid = patient.folder(study, visit), visit.volume.grid
        assert visit.segmentation.liver is not None
        organs = np.where(visit.segmentation.liver, 5, 0).astype(np.uint8)
        organs[3:9, 70:80, 80:90] = np.where(organs[3:9, 70:80, 80:90] == 0, 1, 5)
        organs[3:9, 90:96, 80:90] = np.where(organs[3:9, 90:96, 80:90] == 0, 2, 5)
        vessels = np.zeros_like(organs)
        vessels[20, 40:50, 40] = 1
        _nifti(folder / "scan.nii.gz", grid, visit.volume.voxels)
        _nifti(folder / "scan_seg.nii.gz", grid, organs)
        _nifti(folder / "scan_seg" / "liver_tumor.nii.gz", grid, (visit.segmentation.lesions > 0).astype(np.uint8))
        _nifti(folder / "scan_seg" / "liver_vessels.nii.gz", grid, vessels)


def _nnunet(patient: Patient, study: Path) -> None:
    """Write the liver as 1 and all lesions as 2."""
    for visit in patient.visits:
        folder, grid = patient.folder(study, visit), visit.volume.grid
        assert visit.segmentation.liver is not None
        labels = visit.segmentation.liver.astype(np.uint8)
        labels[visit.segmentation.lesions > 0] = 2
        _nifti(folder / "scan.nii.gz", grid, visit.volume.voxels)
        _nifti(folder / "scan_seg.nii.gz", grid, labels)


FORMS: dict[str, tuple[str, Callable[[Patient, Path], None]]] = {
    "slicer-dicom-seg": ("3D Slicer, exported as DICOM SEG", _slicer_dicom_seg),
    "slicer-seg-nrrd": ("3D Slicer, saved as .seg.nrrd", _slicer_nrrd),
    "slicer-seg-nrrd-on-dicom": ("3D Slicer, saved as .seg.nrrd", _slicer_nrrd_on_dicom),
    "totalsegmentator": ("TotalSegmentator", _totalsegmentator),
    "nnunet": ("nnU-Net", _nnunet),
}


# --- the walk -------------------------------------------------------------------------------------------------------


def _layout(page: Page, heading: str, study: Path) -> None:
    """Check that what was written is laid out as the page shows it for that form."""
    shown = re.findall(r"^images/CASE-01/2021-03-01/(\S+)", "\n".join(page.blocks("", heading)), re.MULTILINE)
    there = [path for path in (study / "images" / SUBJECT / "2021-03-01").rglob("*") if path.is_file()]
    for file in there:
        inside = file.relative_to(study / "images" / SUBJECT / "2021-03-01")
        assert any(inside.match(pattern) for pattern in shown), f"{inside} is not on the page"


@pytest.mark.parametrize("form", FORMS)
def test_each_form_ends_in_the_right_count_and_tracks(form: str, patient: Patient, page: Page, tmp_path: Path) -> None:
    """Six lesions, then six; five keep their track, one is gone, one is new; diameters within a pixel."""
    heading, write = FORMS[form]
    study, out = tmp_path / "study", tmp_path / "out"
    write(patient, study)
    if form != "slicer-dicom-seg":
        _layout(page, heading, study)
    (labels,) = page.blocks("toml", heading)
    (study / "study.toml").write_text(labels)
    (study / "clinical").mkdir()
    (study / "clinical" / "subjects.csv").write_text(page.blocks("csv", "3. Clinical tables")[0])
    done = lesiontrack("run", study, "--out", out)
    assert done.returncode == 0, done.stderr
    lesions = pd.read_parquet(out / "cohort" / "lesions.parquet")
    assert lesions.groupby("timepoint").size().to_dict() == {0: 6, 1: 6}
    assert set(lesions["site"]) == {"LIVER"}
    names = [_true_name(row, patient) for _, row in lesions.iterrows()]
    seen = lesions.assign(name=names).groupby("name")
    assert {name: sorted(rows["timepoint"]) for name, rows in seen} == {
        name: [number for number, size in enumerate(sizes) if size is not None] for name, sizes in SIZES.items()
    }
    assert all(rows["track_id"].nunique() == 1 for _, rows in seen)
    assert lesions["track_id"].nunique() == len(SIZES)
    for name, rows in seen:
        for timepoint, measured_mm in zip(rows["timepoint"], rows["longest_diameter_mm"], strict=True):
            assert measured_mm == pytest.approx(SIZES[str(name)][timepoint], abs=IMAGING.pixel_mm)
    subject = pd.read_parquet(out / "cohort" / "subjects.parquet").iloc[0]
    assert (subject["count_hepatic"], subject["arm"]) == (6, "LOCAL")


def _true_name(row: pd.Series[Any], patient: Patient) -> str:
    """Return the true lesion at a measured lesion's place."""
    place = row[["x_lps_mm", "y_lps_mm", "z_lps_mm"]].to_numpy(dtype=float)
    apart = {
        lesion.name: float(np.linalg.norm(np.asarray(lesion.body.centre_lps_mm) - place))
        for lesion in patient.visits[int(row["timepoint"])].lesions
    }
    nearest = min(apart, key=lambda name: apart[name])
    assert apart[nearest] < IMAGING.slice_mm
    return nearest
