"""How a body lies at a visit: a known, smooth, invertible map between patient space and the subject's own space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from lesiontrack.errors import GeometryError

__all__ = ["Motion", "MotionLimits"]

Points = NDArray[np.float64]

_INVERSE_STEPS = 200
_INVERSE_TOLERANCE_MM = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionLimits:
    """How far a visit may differ from the subject's own space.

    Attributes
    ----------
    shift_mm
        Largest table and positioning offset along x, y, z.
    turn_deg
        Largest rotation about each axis.
    scale
        Largest relative change of size along each axis (weight, inspiration).
    breathing_mm
        Range of the superior-inferior shift of the upper abdomen; its sign is that of a deeper or a flatter breath.
    bump_mm, wave_mm
        Largest amplitude of the local bumps (Gaussian, 50 to 75 mm wide) and of the long waves (200 to 320 mm).
    """

    shift_mm: tuple[float, float, float] = (18.0, 14.0, 60.0)
    turn_deg: float = 3.0
    scale: float = 0.02
    breathing_mm: tuple[float, float] = (5.0, 25.0)
    bump_mm: float = 5.0
    wave_mm: float = 2.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Motion:
    """Patient space p of one visit to the subject's own space q: ``r = M (p - t)``, ``q = r + u(r)``.

    ``u`` is a sum of Gaussian bumps (breathing is one wide bump along z) and plane waves, with a gradient below one, so
    that the map is invertible and the inverse is found by fixed-point iteration to 1e-9 mm.

    Attributes
    ----------
    linear
        (3, 3) matrix M.
    shift_mm
        (3,), t: where the subject's origin lies in patient space, LPS mm.
    bumps
        (n, 7): amplitude x, y, z; centre x, y, z; width (standard deviation), mm.
    waves
        (m, 7): amplitude x, y, z in mm; wave vector x, y, z in radian/mm; phase in radian.
    """

    linear: NDArray[np.float64]
    shift_mm: Points
    bumps: NDArray[np.float64]
    waves: NDArray[np.float64]

    @classmethod
    def identity(cls) -> Motion:
        """Return the map that moves nothing."""
        return cls(linear=np.eye(3), shift_mm=np.zeros(3), bumps=np.zeros((0, 7)), waves=np.zeros((0, 7)))

    @classmethod
    def random(cls, rng: np.random.Generator, limits: MotionLimits) -> Motion:
        """Draw a repositioning, a breath and a smooth deformation within ``limits``."""
        turn = Rotation.from_euler("xyz", rng.uniform(-1, 1, 3) * limits.turn_deg * [0.5, 0.5, 1.0], degrees=True)
        scale = 1.0 + rng.uniform(-1, 1, 3) * limits.scale
        breath = rng.uniform(*limits.breathing_mm) * rng.choice([-1.0, 1.0])
        bumps = [[0.0, 0.25 * breath, breath, -30.0, 0.0, 10.0, 120.0]]
        for _ in range(5):
            centre = rng.uniform([-110, -60, -80], [60, 60, 90])
            bumps.append([*(rng.uniform(-1, 1, 3) * limits.bump_mm), *centre, rng.uniform(50, 75)])
        waves = []
        for _ in range(2):
            direction = rng.normal(size=3)
            vector = direction / np.linalg.norm(direction) * 2 * np.pi / rng.uniform(200, 320)
            waves.append([*(rng.uniform(-1, 1, 3) * limits.wave_mm), *vector, rng.uniform(0, 2 * np.pi)])
        return cls(
            linear=np.diag(scale) @ turn.as_matrix(),
            shift_mm=rng.uniform(-1, 1, 3) * limits.shift_mm,
            bumps=np.array(bumps),
            waves=np.array(waves),
        )

    @property
    def turn(self) -> NDArray[np.float64]:
        """(3, 3) rotation part of the way from the subject's space to patient space (polar decomposition)."""
        left, _, right = np.linalg.svd(self.linear.T)
        rotation: NDArray[np.float64] = left @ right
        return rotation

    @property
    def breathing_mm(self) -> float:
        """Superior-inferior shift of the upper abdomen, mm."""
        return float(self.bumps[0, 2]) if len(self.bumps) else 0.0

    def displacement_mm(self, x: Points, y: Points, z: Points) -> tuple[Points, Points, Points]:
        """Return u at r = (x, y, z), arrays of one shape and of any float type, mm."""
        kind = x.dtype.type
        moved = [np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)]
        for *amplitude, cx, cy, cz, width in self.bumps:
            square = (x - kind(cx)) ** 2 + (y - kind(cy)) ** 2 + (z - kind(cz)) ** 2
            weight = np.exp(square * kind(-0.5 / width**2))
            for total, value in zip(moved, amplitude, strict=True):
                total += kind(value) * weight
        for *amplitude, kx, ky, kz, phase in self.waves:
            weight = np.sin(kind(kx) * x + kind(ky) * y + kind(kz) * z + kind(phase))
            for total, value in zip(moved, amplitude, strict=True):
                total += kind(value) * weight
        return moved[0], moved[1], moved[2]

    def to_own_space(self, points_lps_mm: Points) -> Points:
        """Map patient space (..., 3), LPS mm, to the subject's own space (..., 3)."""
        r = (np.asarray(points_lps_mm, dtype=np.float64) - self.shift_mm) @ self.linear.T
        own: Points = r + np.stack(self.displacement_mm(r[..., 0], r[..., 1], r[..., 2]), axis=-1)
        return own

    def to_patient_space(self, points_own_mm: Points) -> Points:
        """Map the subject's own space (..., 3) to patient space (..., 3), LPS mm.

        Raises
        ------
        GeometryError
            If the iteration does not converge: the deformation folds.
        """
        own = np.asarray(points_own_mm, dtype=np.float64)
        r = own.copy()
        for _ in range(_INVERSE_STEPS):
            following = own - np.stack(self.displacement_mm(r[..., 0], r[..., 1], r[..., 2]), axis=-1)
            change = float(np.abs(following - r).max(initial=0.0))
            r = following
            if change < _INVERSE_TOLERANCE_MM:
                placed: Points = r @ np.linalg.inv(self.linear).T + self.shift_mm
                return placed
        raise GeometryError("the deformation cannot be inverted", found=f"{change:.2g} mm left")
