"""Alignment against known smooth maps: accuracy, trust, inverse, order, and the cases with little to go by."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulated_subjects import Plan, Simulated, simulate
from lesiontrack.align import AlignSettings, Prepared, align
from lesiontrack.domain.geometry import Grid
from lesiontrack.domain.history import Registration

SETTINGS = AlignSettings()


@pytest.fixture(scope="module")
def mild() -> Simulated:
    """Two visits, mild motion, 16 lesions."""
    return simulate(Plan(n=16, visits=2), 11)


@pytest.fixture(scope="module")
def hard() -> Simulated:
    """Two visits, 30 mm of breathing, turned patient, 24 lesions."""
    return simulate(Plan(n=24, visits=2, level="hard"), 12)


@pytest.fixture(scope="module")
def resected() -> Simulated:
    """A right hepatectomy between the visits."""
    return simulate(Plan(n=24, visits=2, resected_at=1), 13)


def errors_mm(subject: Simulated, registration: Registration) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Distances of the projected places of lesions seen at both visits from the truth."""
    both = {n for (v, _), n in subject.truth.items() if v == 0} & {n for (v, _), n in subject.truth.items() if v == 1}
    first = np.array([subject.places[n][0] for n in sorted(both)])
    second = np.array([subject.places[n][1] for n in sorted(both)])
    return np.asarray(np.linalg.norm(registration.forward.apply(first) - second, axis=1))


def without_lesions(prepared: Prepared, keep: int = 0) -> Prepared:
    """The same scan with only its first lesions."""
    return replace(prepared, points_lps_mm=prepared.points_lps_mm[:keep], radii_mm=prepared.radii_mm[:keep])


def same(a: Registration, b: Registration) -> bool:
    """Equality of everything but the time it took."""
    return pickle.dumps(replace(a, seconds=0.0)) == pickle.dumps(replace(b, seconds=0.0))


def test_mild_motion_is_followed_within_two_millimetres(mild: Simulated) -> None:
    registration = align(mild.prepared[0], mild.prepared[1], SETTINGS)
    assert errors_mm(mild, registration).mean() < 2.0
    assert registration.trusted, registration.reason
    assert registration.method.endswith("constellation")
    assert registration.liver_dice is not None
    assert registration.liver_dice > 0.9
    assert registration.folding_fraction == 0.0


def test_deep_breathing_and_a_turned_patient_are_followed(hard: Simulated) -> None:
    registration = align(hard.prepared[0], hard.prepared[1], SETTINGS)
    assert errors_mm(hard, registration).mean() < 4.0
    assert registration.residual_mm is not None


def test_after_a_hepatectomy_what_remains_is_followed(resected: Simulated) -> None:
    registration = align(resected.prepared[0], resected.prepared[1], SETTINGS)
    assert errors_mm(resected, registration).mean() < 4.0


def test_a_scan_against_itself_is_the_identity(mild: Simulated) -> None:
    registration = align(mild.prepared[0], mild.prepared[0], SETTINGS)
    points = mild.prepared[0].points_lps_mm
    np.testing.assert_allclose(registration.forward.apply(points), points, atol=0.2)
    assert registration.liver_dice is not None
    assert registration.liver_dice > 0.99
    assert registration.trusted


def moved(prepared: Prepared, shift_mm: tuple[float, float, float]) -> Prepared:
    """The same scan with the patient lying elsewhere."""

    def carried(grid: Grid) -> Grid:
        affine = grid.affine.copy()
        affine[:3, 3] += shift_mm
        return replace(grid, affine=affine)

    return replace(
        prepared,
        scan=carried(prepared.scan),
        grid=carried(prepared.grid),
        body_grid=carried(prepared.body_grid),
        points_lps_mm=prepared.points_lps_mm + shift_mm,
    )


def test_where_the_patient_lies_in_either_scan_changes_nothing(mild: Simulated) -> None:
    still = align(mild.prepared[0], mild.prepared[1], SETTINGS)
    first, second = (60.0, -35.0, 80.0), (-20.0, 15.0, -140.0)
    carried = align(moved(mild.prepared[0], first), moved(mild.prepared[1], second), SETTINGS)
    places = mild.prepared[1].points_lps_mm
    apart = carried.backward.apply(places + second) - first - still.backward.apply(places)
    assert np.abs(apart).max() < 0.5
    assert carried.trusted == still.trusted


def test_forward_is_the_inverse_of_backward(hard: Simulated) -> None:
    registration = align(hard.prepared[0], hard.prepared[1], SETTINGS)
    points = hard.prepared[0].points_lps_mm
    back = registration.backward.apply(registration.forward.apply(points))
    assert np.abs(back - points).max() < 0.5


def test_the_result_is_the_same_every_time_and_after_pickling(hard: Simulated) -> None:
    first = align(hard.prepared[0], hard.prepared[1], SETTINGS)
    copies = pickle.loads(pickle.dumps(hard.prepared[:2]))
    assert same(first, align(copies[0], copies[1], SETTINGS))


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_few_lesions_leave_the_map_to_the_liver(mild: Simulated, keep: int) -> None:
    earlier, later = (without_lesions(p, keep) for p in mild.prepared[:2])
    registration = align(earlier, later, SETTINGS)
    assert errors_mm(mild, registration).mean() < 5.0
    assert registration.method == "liver-affine"
    assert registration.residual_mm is None
    assert registration.trusted


def test_a_map_that_leaves_the_bounds_of_an_affine_falls_back_to_rigid(mild: Simulated) -> None:
    strict = AlignSettings(determinant_low=1.0, determinant_high=1.0)
    earlier, later = (without_lesions(p) for p in mild.prepared[:2])
    registration = align(earlier, later, strict)
    assert registration.method == "liver-rigid"
    assert abs(np.linalg.det(registration.backward.affine[:3, :3]) - 1.0) < 1e-9


def test_unrelated_lesions_are_not_trusted(mild: Simulated) -> None:
    rng = np.random.default_rng(5)
    points = rng.uniform(-60, 60, (16, 3)) + mild.prepared[1].points_lps_mm.mean(axis=0)
    other = replace(mild.prepared[1], points_lps_mm=points, radii_mm=np.full(16, 5.0))
    registration = align(mild.prepared[0], other, SETTINGS)
    assert not registration.trusted
    assert registration.reason


def test_livers_that_do_not_overlap_are_not_trusted(mild: Simulated) -> None:
    later = without_lesions(mild.prepared[1])
    assert later.distance_mm is not None
    # A ball of 30 mm where the liver was: nothing that an affine within bounds could make of the first liver.
    centre = np.array(later.grid.shape) / 2.0
    index = np.moveaxis(np.indices(later.grid.shape), 0, -1)
    ball = np.clip(5.0 * np.linalg.norm(index - centre, axis=-1) - 30.0, -40, 40).astype(np.float16)
    small = replace(later, distance_mm=ball, liver_volume_mm3=mild.prepared[0].liver_volume_mm3)
    registration = align(without_lesions(mild.prepared[0]), small, SETTINGS)
    assert not registration.trusted
    assert "liver overlap" in registration.reason
