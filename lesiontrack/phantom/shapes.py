"""Shapes with exact measures: the ellipsoid of a lesion, and the signed distances that organs are built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from lesiontrack.errors import StudyError

__all__ = ["Ellipsoid", "capsule_distance_mm", "ellipsoid_distance_mm", "random_rotation"]

Points = NDArray[np.float64]
Coordinates = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ellipsoid:
    """A solid ellipsoid in patient space.

    Its points p satisfy ``(p - c)' A (p - c) <= 1`` with ``A = R diag(1/a^2) R'``. Every plane section parallel to
    the axial plane is an ellipse similar to the one through the centre, so the longest axial diameter and the chord
    perpendicular to it are the two axes of that central section: exact, with no voxel involved.

    Attributes
    ----------
    centre_lps_mm
        (3,), LPS mm.
    semi_axes_mm
        (3,), mm, along the columns of ``rotation``.
    rotation
        (3, 3) orthonormal, columns in LPS.
    """

    centre_lps_mm: Points
    semi_axes_mm: Points
    rotation: NDArray[np.float64]

    def __post_init__(self) -> None:
        if min(self.semi_axes_mm) <= 0:
            raise StudyError("an ellipsoid needs positive axes", found=str(self.semi_axes_mm))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3) matrix A of the quadratic form, 1/mm2."""
        form: NDArray[np.float64] = self.rotation @ np.diag(1.0 / np.square(self.semi_axes_mm)) @ self.rotation.T
        return form

    @property
    def volume_mm3(self) -> float:
        """Volume, mm3."""
        return float(4.0 / 3.0 * np.pi * np.prod(self.semi_axes_mm))

    @property
    def half_height_mm(self) -> float:
        """Half of the extent along the body axis, mm."""
        return float(self.half_extent_mm[2])

    @property
    def half_extent_mm(self) -> Points:
        """Half of the extent along x, y, z, mm, shape (3,)."""
        extent: Points = np.sqrt(np.diag(np.linalg.inv(self.matrix)))
        return extent

    def axial_diameters_mm(self, offset_mm: float = 0.0) -> tuple[float, float]:
        """Return (longest, perpendicular) diameter of the axial section ``offset_mm`` above the centre; 0, 0 outside.

        The section of ``q' A q <= 1`` by ``z = h`` is centred at ``-B^-1 b h`` with B the upper left 2 x 2 block and b
        the rest of its column; it is ``u' B u <= 1 - h^2 / (A^-1)_zz``.
        """
        shrink = 1.0 - (offset_mm / self.half_height_mm) ** 2
        if shrink <= 0.0:
            return 0.0, 0.0
        eigenvalues = np.linalg.eigvalsh(self.matrix[:2, :2])
        longest, shortest = 2.0 * np.sqrt(shrink / eigenvalues)
        return float(longest), float(shortest)

    def sampled_diameters_mm(self, slice_z_mm: Points) -> tuple[float, float]:
        """Return (longest, perpendicular) diameter over the axial planes at ``slice_z_mm`` only (n,)."""
        offsets = np.abs(np.asarray(slice_z_mm) - self.centre_lps_mm[2])
        return self.axial_diameters_mm(float(offsets.min()))

    def level(self, points_lps_mm: Points) -> Points:
        """Return for points (..., 3) the normalised radius: below 1 inside, 1 on the surface."""
        local = (np.asarray(points_lps_mm, dtype=np.float64) - self.centre_lps_mm) @ self.rotation / self.semi_axes_mm
        radius: Points = np.linalg.norm(local, axis=-1)
        return radius

    def scaled_to(self, diameter_mm: float, *, axis: str = "longest") -> Ellipsoid:
        """Return the similar ellipsoid whose longest (or ``axis="short"``) axial diameter is ``diameter_mm``."""
        longest, shortest = self.axial_diameters_mm()
        factor = diameter_mm / (longest if axis == "longest" else shortest)
        return Ellipsoid(
            centre_lps_mm=self.centre_lps_mm, semi_axes_mm=self.semi_axes_mm * factor, rotation=self.rotation
        )

    def placed(self, centre_lps_mm: Points, turn: NDArray[np.float64]) -> Ellipsoid:
        """Return the same body at another centre, turned by the (3, 3) rotation ``turn``."""
        return Ellipsoid(
            centre_lps_mm=np.asarray(centre_lps_mm, dtype=np.float64),
            semi_axes_mm=self.semi_axes_mm,
            rotation=turn @ self.rotation,
        )


def random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a uniformly distributed (3, 3) rotation matrix."""
    matrix: NDArray[np.float64] = Rotation.from_quat(rng.normal(size=4)).as_matrix()
    return matrix


def ellipsoid_distance_mm(
    points: Coordinates, centre_mm: Sequence[float], radii_mm: Sequence[float], tilt_deg: float = 0.0
) -> Field:
    """Approximate signed distance (mm, negative inside) to an ellipsoid tilted by ``tilt_deg`` about the body axis.

    The first-order estimate ``k0 (k0 - 1) / k1`` (k0 the normalised radius, k1 its scaled gradient), exact on the
    surface; good enough to blend organ edges, never used for a lesion's truth.
    """
    x, y, z = (axis - np.float32(c) for axis, c in zip(points, centre_mm, strict=True))
    if tilt_deg:
        cosine, sine = np.float32(np.cos(np.deg2rad(tilt_deg))), np.float32(np.sin(np.deg2rad(tilt_deg)))
        x, y = cosine * x + sine * y, cosine * y - sine * x
    a, b, c = (np.float32(1.0 / r) for r in radii_mm)
    ux, uy, uz = x * a, y * b, z * c
    k0 = np.sqrt(ux * ux + uy * uy + uz * uz)
    ux, uy, uz = ux * a, uy * b, uz * c
    k1 = np.sqrt(ux * ux + uy * uy + uz * uz)
    distance: Field = k0 * (k0 - np.float32(1.0)) / np.maximum(k1, np.float32(1e-6))
    return distance


def capsule_distance_mm(
    points: Coordinates, start_mm: Sequence[float], end_mm: Sequence[float], radii_mm: tuple[float, float]
) -> Field:
    """Signed distance (mm) to a tapering tube from ``start_mm`` (first radius) to ``end_mm`` (second radius)."""
    start, axis = (
        np.asarray(start_mm, dtype=np.float32),
        np.asarray(end_mm, dtype=np.float32) - np.asarray(start_mm, dtype=np.float32),
    )
    x, y, z = (values - s for values, s in zip(points, start, strict=True))
    along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / np.float32(axis @ axis), 0, 1)
    dx, dy, dz = x - along * axis[0], y - along * axis[1], z - along * axis[2]
    radius = np.float32(radii_mm[0]) + along * np.float32(radii_mm[1] - radii_mm[0])
    distance: Field = np.sqrt(dx * dx + dy * dy + dz * dz) - radius
    return distance
