"""The known deformation: invertible, smooth, and of the size that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesiontrack.errors import GeometryError
from lesiontrack.phantom.motion import Motion, MotionLimits


def drawn(seed: int, limits: MotionLimits | None = None) -> Motion:
    return Motion.random(np.random.default_rng(seed), limits or MotionLimits())


@settings(max_examples=40)
@given(st.integers(0, 2**31))
def test_there_and_back_is_the_same_point(seed: int) -> None:
    motion = drawn(seed)
    points = np.random.default_rng(seed).uniform([-150, -100, -130], [150, 100, 130], (50, 3))
    assert motion.to_own_space(motion.to_patient_space(points)) == pytest.approx(points, abs=1e-8)
    assert motion.to_patient_space(motion.to_own_space(points)) == pytest.approx(points, abs=1e-8)


@settings(max_examples=30)
@given(st.integers(0, 2**31))
def test_the_map_never_folds_even_at_thirty_mm_of_breath(seed: int) -> None:
    motion = drawn(seed, MotionLimits(breathing_mm=(30.0, 30.0)))
    axes = [np.linspace(-160, 160, 9), np.linspace(-110, 110, 7), np.linspace(-130, 130, 9)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) + motion.shift_mm
    step = 0.5
    columns = [
        (motion.to_own_space(points + step * axis) - motion.to_own_space(points - step * axis)) / (2 * step)
        for axis in np.eye(3)
    ]
    assert np.linalg.det(np.stack(columns, axis=-1)).min() > 0.3


@given(st.integers(0, 2**31))
def test_breathing_is_within_its_range_and_moves_the_liver(seed: int) -> None:
    limits = MotionLimits(breathing_mm=(12.0, 30.0), bump_mm=0.0, wave_mm=0.0, turn_deg=0.0, scale=0.0)
    motion = drawn(seed, limits)
    assert 12.0 <= abs(motion.breathing_mm) <= 30.0
    at_liver = np.array([-30.0, 0.0, 10.0])
    moved = motion.to_own_space(at_liver + motion.shift_mm) - at_liver
    assert moved[2] == pytest.approx(motion.breathing_mm)


def test_the_turn_is_a_rotation_near_to_the_linear_part() -> None:
    motion = drawn(4)
    assert motion.turn @ motion.turn.T == pytest.approx(np.eye(3))
    assert np.linalg.det(motion.turn) == pytest.approx(1.0)
    assert np.abs(motion.turn @ motion.linear - np.eye(3)).max() < 0.03


def test_identity_moves_nothing() -> None:
    points = np.array([[1.0, 2.0, 3.0], [-40.0, 5.0, 60.0]])
    assert np.array_equal(Motion.identity().to_own_space(points), points)
    assert Motion.identity().to_patient_space(points) == pytest.approx(points)
    assert Motion.identity().breathing_mm == 0.0


def test_a_map_that_folds_is_refused() -> None:
    folding = Motion(
        linear=np.eye(3),
        shift_mm=np.zeros(3),
        bumps=np.array([[0.0, 0.0, 200.0, 0.0, 0.0, 0.0, 20.0]]),
        waves=np.zeros((0, 7)),
    )
    with pytest.raises(GeometryError, match="cannot be inverted"):
        folding.to_patient_space(np.array([[0.0, 0.0, 30.0], [3.0, 2.0, 120.0]]))


def test_single_and_double_precision_agree() -> None:
    motion = drawn(9)
    x, y, z = np.random.default_rng(1).uniform(-120, 120, (3, 200))
    fine = motion.displacement_mm(x, y, z)
    coarse = motion.displacement_mm(*(axis.astype(np.float32) for axis in (x, y, z)))
    for a, b in zip(fine, coarse, strict=True):
        assert b.dtype == np.float32
        assert b == pytest.approx(a, abs=1e-3)
