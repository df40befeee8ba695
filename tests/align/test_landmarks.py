"""What matched points say of the displacement elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lesiontrack.domain.landmarks import Landmarks

Points = NDArray[np.float64]


def bend(points: Points) -> Points:
    """A shift, a slope, and a bend of 3 mm."""
    return 2.0 + points * 0.04 + 3.0 * np.sin(np.roll(points, 1, axis=1) / 45.0)


def scattered(seed: int, n: int) -> Points:
    return np.random.default_rng(seed).uniform(-70.0, 70.0, (n, 3))


def test_between_landmarks_a_smooth_bend_is_restored_better_than_by_local_planes() -> None:
    points, at = scattered(1, 25), scattered(2, 200) * 0.8
    marks = Landmarks.between(points, bend(points))
    kriged, planes = (
        float(np.linalg.norm(found - bend(at), axis=1).mean())
        for found in (marks.interpolate(at), marks.predict(at, smoothness_mm=30.0))
    )
    assert kriged < 0.7 * planes
    assert kriged < 1.0


def test_without_landmarks_and_without_belief_nothing_moves() -> None:
    at = scattered(3, 5)
    none = Landmarks.between(np.zeros((0, 3)), np.zeros((0, 3)))
    assert not none.interpolate(at).any()
    assert none.interpolate(np.zeros((0, 3))).shape == (0, 3)
    points = scattered(4, 6)
    assert not replace(Landmarks.between(points, bend(points)), weight=np.zeros(6)).interpolate(at).any()


def test_a_landmark_that_is_not_believed_pulls_less() -> None:
    points = scattered(5, 20)
    moved = np.zeros((20, 3))
    moved[7, 0] = 15.0
    pulled = Landmarks.between(points, moved)
    doubted = replace(pulled, weight=np.where(np.arange(20) == 7, 0.01, 1.0))
    strong, weak = (float(marks.interpolate(points[7:8])[0, 0]) for marks in (pulled, doubted))
    assert 0.0 <= weak < 0.3 * strong < 15.0


@given(seed=st.integers(0, 2**16), n=st.integers(1, 30))
def test_order_and_place_of_the_landmarks_make_no_difference(seed: int, n: int) -> None:
    points, at = scattered(seed, n), scattered(seed + 1, 9)
    moved = bend(points)
    found = Landmarks.between(points, moved).interpolate(at)
    order = np.random.default_rng(seed).permutation(n)
    np.testing.assert_allclose(Landmarks.between(points[order], moved[order]).interpolate(at), found, atol=1e-6)
    away = np.array([300.0, -200.0, 1500.0])
    np.testing.assert_allclose(Landmarks.between(points + away, moved).interpolate(at + away), found, atol=1e-4)
