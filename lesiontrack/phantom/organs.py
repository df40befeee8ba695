"""What organs are painted with: the canvas, ellipsoidal organs, tubes, and the vessels of an upper abdomen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesiontrack.phantom.contrast import Appearance, Tissue
from lesiontrack.phantom.shapes import Coordinates, Field, capsule_distance_mm, ellipsoid_distance_mm

__all__ = ["LIVER_VESSELS", "ORGANS", "TRUNKS", "Box", "Canvas", "Organ", "Tube", "smooth_union"]

Box = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(slots=True, kw_only=True)
class Canvas:
    """Image under work: ``values`` (k, j, i) at the points whose own-space coordinates are ``points``.

    ``edge_mm`` is the width over which two tissues blend (partial volume).
    """

    points: Coordinates
    values: Field
    appearance: Appearance
    edge_mm: float

    def paint(self, tissue: Tissue, distance_mm: Field, where: tuple[slice, ...] = ()) -> None:
        """Blend a tissue in where its signed distance is negative; ``where`` is the sub-array that it covers."""
        weight = np.clip(np.float32(0.5) - distance_mm / np.float32(self.edge_mm), 0, 1)
        target = self.values[where] if where else self.values
        target += weight * (np.float32(self.appearance.values[tissue]) - target)

    def window(self, box: Box) -> tuple[slice, slice, slice] | None:
        """Return the sub-array that holds a box of the own space, or None when the image does not show it."""
        step = 4
        inside = np.ones_like(self.values[::step, ::step, ::step], dtype=bool)
        margin = 3.0 * step + 8.0
        for axis, low, high in zip(self.points, *box, strict=True):
            coarse = axis[::step, ::step, ::step]
            inside &= (coarse >= low - margin) & (coarse <= high + margin)
        found = np.argwhere(inside)
        if not len(found):
            return None
        low_kji, high_kji = found.min(axis=0) * step, (found.max(axis=0) + 1) * step
        k, j, i = (slice(int(max(a - step, 0)), int(b + step)) for a, b in zip(low_kji, high_kji, strict=True))
        return k, j, i

    def within(self, where: tuple[slice, slice, slice]) -> Canvas:
        """Return a canvas that is a view of a sub-array: what is painted there is painted here."""
        return Canvas(
            points=self.part(where), values=self.values[where], appearance=self.appearance, edge_mm=self.edge_mm
        )

    def part(self, where: tuple[slice, slice, slice]) -> Coordinates:
        """Return the own-space coordinates of a sub-array."""
        x, y, z = (axis[where] for axis in self.points)
        return x, y, z


@dataclass(frozen=True, slots=True, kw_only=True)
class Organ:
    """An ellipsoid of one tissue, turned by ``tilt_deg`` about the body axis; own space, mm."""

    tissue: Tissue
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    tilt_deg: float = 0.0

    @property
    def box(self) -> Box:
        """Corners of the box that holds it."""
        reach = max(self.radii[:2]) if self.tilt_deg else 0.0
        spread = (max(self.radii[0], reach), max(self.radii[1], reach), self.radii[2])
        low = (self.centre[0] - spread[0], self.centre[1] - spread[1], self.centre[2] - spread[2])
        high = (self.centre[0] + spread[0], self.centre[1] + spread[1], self.centre[2] + spread[2])
        return low, high

    def distance(self, points: Coordinates) -> Field:
        """Signed distance, mm, negative inside."""
        return ellipsoid_distance_mm(points, self.centre, self.radii, self.tilt_deg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tube:
    """A chain of tapering tubes of one tissue through ``path``; own space, mm."""

    tissue: Tissue
    path: tuple[tuple[float, float, float], ...]
    radii: tuple[float, ...]

    @property
    def box(self) -> Box:
        """Corners of the box that holds it."""
        nodes, widest = np.array(self.path), max(self.radii)
        low, high = nodes.min(axis=0) - widest, nodes.max(axis=0) + widest
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])

    def distance(self, points: Coordinates) -> Field:
        """Signed distance, mm, negative inside."""
        legs = zip(self.path[:-1], self.path[1:], self.radii[:-1], self.radii[1:], strict=True)
        distances = [capsule_distance_mm(points, a, b, (ra, rb)) for a, b, ra, rb in legs]
        nearest: Field = np.minimum.reduce(distances)
        return nearest


def smooth_union(a: Field, b: Field, width_mm: float) -> Field:
    """Polynomial smooth minimum of two distances."""
    mix = np.clip(np.float32(0.5) + (b - a) / np.float32(2 * width_mm), 0, 1)
    union: Field = b + (a - b) * mix - np.float32(width_mm) * mix * (1 - mix)
    return union


LIVER_VESSELS = (
    Tube(
        tissue=Tissue.PORTAL_VEIN,
        path=((8, 8, -45), (-8, 0, -14), (-34, -4, 4), (-62, -2, 10), (-92, 8, 2)),
        radii=(6, 7, 6.5, 5, 2.2),
    ),
    Tube(tissue=Tissue.PORTAL_VEIN, path=((-62, -2, 10), (-82, -22, 30), (-100, -24, 44)), radii=(4.4, 3.2, 1.6)),
    Tube(tissue=Tissue.PORTAL_VEIN, path=((-62, -2, 10), (-84, 24, -14), (-98, 34, -30)), radii=(4.2, 3.0, 1.6)),
    Tube(
        tissue=Tissue.PORTAL_VEIN,
        path=((-34, -4, 4), (-22, -30, 22), (2, -50, 28), (30, -52, 32)),
        radii=(5, 4.4, 3.2, 1.6),
    ),
    Tube(tissue=Tissue.HEPATIC_VEIN, path=((-26, 26, 58), (-66, 20, 44), (-104, 10, 20)), radii=(5.4, 4.4, 1.8)),
    Tube(tissue=Tissue.HEPATIC_VEIN, path=((-24, 24, 58), (-48, -8, 46), (-62, -38, 20)), radii=(5.2, 4.2, 1.8)),
    Tube(tissue=Tissue.HEPATIC_VEIN, path=((-22, 20, 58), (-10, -16, 50), (20, -46, 40)), radii=(4.6, 3.6, 1.6)),
    Tube(tissue=Tissue.HEPATIC_VEIN, path=((-28, 28, 30), (-62, 36, 8), (-86, 40, -20)), radii=(3.6, 3.0, 1.4)),
)
TRUNKS = (
    Tube(tissue=Tissue.ARTERY, path=((16, 42, 220), (14, 42, 40), (10, 38, -230)), radii=(11.5, 11, 9)),
    Tube(tissue=Tissue.ARTERY, path=((12, 34, 4), (12, 14, 6)), radii=(4, 3)),
    Tube(tissue=Tissue.ARTERY, path=((11, 34, -12), (9, 12, -30), (7, 8, -80)), radii=(4, 3.6, 3)),
    Tube(
        tissue=Tissue.HEPATIC_VEIN,
        path=((-14, 8, 96), (-25, 26, 62), (-23, 32, 0), (-16, 36, -230)),
        radii=(12, 12, 11.5, 10.5),
    ),
    Tube(
        tissue=Tissue.PORTAL_VEIN,
        path=((8, 8, -45), (30, 14, -12), (62, 30, 8), (88, 36, 22)),
        radii=(5.5, 5, 4.6, 3.6),
    ),
    Tube(tissue=Tissue.PORTAL_VEIN, path=((8, 8, -45), (-2, 4, -120)), radii=(5.4, 4.4)),
)

ORGANS = {
    "right_kidney": Organ(tissue=Tissue.KIDNEY, centre=(-60, 52, -66), radii=(27, 25, 52), tilt_deg=25),
    "left_kidney": Organ(tissue=Tissue.KIDNEY, centre=(64, 50, -46), radii=(27, 25, 53), tilt_deg=-25),
    "gallbladder": Organ(tissue=Tissue.FLUID, centre=(-46, -46, -38), radii=(15, 17, 25)),
    "spleen": Organ(tissue=Tissue.SPLEEN, centre=(102, 32, 34), radii=(26, 50, 50), tilt_deg=-14),
    "stomach": Organ(tissue=Tissue.BOWEL_WALL, centre=(64, -34, 34), radii=(42, 38, 46), tilt_deg=20),
    "heart": Organ(tissue=Tissue.HEART, centre=(22, -40, 128), radii=(62, 48, 50), tilt_deg=25),
}
