"""Preparation and the body's map on phantom volumes: what is kept, how small, and scans without a marked liver."""

from __future__ import annotations

import datetime as dt
import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from lesiontrack.align import AlignSettings, Prepared, align, prepare
from lesiontrack.domain.geometry import Grid, Volume
from lesiontrack.domain.lesion import Lesion
from lesiontrack.measure import MeasureSettings, measure
from lesiontrack.phantom import Imaging, PhantomSubject, PhantomVisit, subject_plans

SETTINGS = AlignSettings()
COARSE = Imaging(pixel_mm=3.0, slice_mm=5.0, matrix=128)


@cache
def subject() -> PhantomSubject:
    """A phantom with a lymph node, coarsely imaged."""
    plan = subject_plans(subjects=4, seed=20)[3]
    return PhantomSubject(replace(plan, visits=tuple(replace(v, imaging=COARSE) for v in plan.visits)))


@cache
def observed(number: int) -> tuple[PhantomVisit, tuple[Lesion, ...]]:
    """A visit and its measured lesions."""
    visit = subject().visit(number)
    found = measure(
        visit.volume, visit.segmentation, timepoint=number, date=dt.date(2024, 1, 1), settings=MeasureSettings()
    )
    return visit, found.lesions


@cache
def prepared(number: int, *, liver: bool = True) -> Prepared:
    """A prepared visit, with or without its liver."""
    visit, lesions = observed(number)
    segmentation = visit.segmentation if liver else replace(visit.segmentation, liver=None)
    return prepare(visit.volume, segmentation, lesions, timepoint=number, settings=SETTINGS)


def errors_mm(first: int, second: int, found: object, site: str) -> list[float]:
    """Distances of projected lesion places from the truth."""
    from lesiontrack.domain.history import Registration

    assert isinstance(found, Registration)
    errors = []
    for lesion in subject().placed:
        if lesion.plan.site == site:
            start = subject().motions[first].to_patient_space(lesion.centre_mm)
            goal = subject().motions[second].to_patient_space(lesion.centre_mm)
            errors.append(float(np.linalg.norm(found.forward.apply(start) - goal)))
    return errors


def test_a_prepared_scan_is_small_and_survives_pickling() -> None:
    kept = prepared(0)
    text = pickle.dumps(kept)
    assert len(text) < 8_000_000
    again = pickle.loads(text)
    np.testing.assert_array_equal(again.image, kept.image)
    assert again.grid.is_close(kept.grid)


def test_the_livers_volume_and_centre_are_kept() -> None:
    visit, _ = observed(0)
    mask = visit.segmentation.liver
    assert mask is not None
    truth_mm3 = np.count_nonzero(mask) * visit.volume.grid.voxel_volume_mm3
    kept = prepared(0)
    assert kept.liver_volume_mm3 == pytest.approx(truth_mm3, rel=0.02)
    assert kept.distance_mm is not None
    assert np.count_nonzero(kept.distance_mm < 0) * 27.0 == pytest.approx(truth_mm3, rel=0.03)
    centre = visit.volume.grid.to_lps_mm(np.argwhere(mask).mean(axis=0))
    assert kept.liver_centre_lps_mm is not None
    np.testing.assert_allclose(kept.liver_centre_lps_mm, centre, atol=1.0)


def test_hepatic_and_other_lesions_are_kept_apart_in_order_of_position() -> None:
    _, lesions = observed(0)
    kept = prepared(0)
    hepatic = sorted(x.centroid_lps_mm for x in lesions if x.site == "LIVER")
    np.testing.assert_allclose(kept.points_lps_mm, np.array(hepatic))
    assert len(kept.other_points_lps_mm) == len(lesions) - len(hepatic) == 1


def test_the_order_of_lesions_does_not_matter() -> None:
    visit, lesions = observed(0)
    turned = prepare(visit.volume, visit.segmentation, lesions[::-1], timepoint=0, settings=SETTINGS)
    assert pickle.dumps(turned) == pickle.dumps(prepared(0))


def test_phantom_visits_are_brought_together() -> None:
    found = align(prepared(0), prepared(1), SETTINGS)
    assert found.trusted, found.reason
    assert np.mean(errors_mm(0, 1, found, "LIVER")) < 2.0
    assert np.mean(errors_mm(0, 1, found, "LYMPH_NODE")) < 15.0


def test_without_a_liver_mask_the_body_and_the_lesions_serve() -> None:
    found = align(prepared(0, liver=False), prepared(1, liver=False), SETTINGS)
    assert found.liver_dice is None
    assert found.method.startswith(("body-rigid", "votes"))
    assert np.mean(errors_mm(0, 1, found, "LIVER")) < 3.0


def test_without_liver_and_lesions_the_body_map_is_not_trusted_and_says_so() -> None:
    bare = [replace(prepared(n, liver=False), points_lps_mm=np.zeros((0, 3)), radii_mm=np.zeros(0)) for n in (0, 1)]
    found = align(bare[0], bare[1], SETTINGS)
    assert not found.trusted
    assert "no liver mask" in found.reason


def test_the_image_is_resampled_where_it_lies() -> None:
    """A ramp along each axis of a sheared, anisotropic grid keeps its value at every place after resampling."""
    steps = np.array([[1.0, 0.5, 4.0], [0.0, 1.5, 0.0], [1.2, 0.0, 0.0]])
    grid = Grid.from_axes(shape=(20, 80, 90), origin_lps_mm=np.array([-40.0, -60.0, 10.0]), steps_lps_mm=steps)
    points = grid.to_lps_mm(np.indices(grid.shape).reshape(3, -1).T.astype(np.float64))
    values = (points @ np.array([0.8, -0.5, 1.1])).reshape(grid.shape)
    volume = Volume(grid=grid, voxels=values.astype(np.float32), modality="CT", series_uid="ramp")
    kept = prepare(volume, None, (), timepoint=0, settings=SETTINGS)
    centre = kept.grid.to_lps_mm(np.indices(kept.grid.shape).reshape(3, -1).T.astype(np.float64))
    well_inside = grid.contains(centre, margin_mm=8.0)
    expected = np.clip(centre[well_inside] @ np.array([0.8, -0.5, 1.1]), -120, 260)
    got = kept.image.ravel()[well_inside]
    assert np.count_nonzero(well_inside) > 100
    assert np.abs(got - expected).max() < 1.5
