"""An upper abdomen in the subject's own space: organs as signed distances, painted back to front.

The subject's own space is LPS mm, origin in the middle of the body at the height of the liver's centre. Nothing here
is voxels until it is asked for at given points, so that a visit samples the same body at any spacing, field of view
and deformation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.phantom.contrast import Appearance, Tissue
from lesiontrack.phantom.shapes import Coordinates, Field, capsule_distance_mm, ellipsoid_distance_mm

__all__ = ["Anatomy", "Canvas", "Defect"]

Box = tuple[tuple[float, float, float], tuple[float, float, float]]

_NOISE_CELL_MM = 6.0
_NOISE_HALF_MM = (210.0, 150.0, 210.0)


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

    def part(self, where: tuple[slice, slice, slice]) -> Coordinates:
        """Return the own-space coordinates of a sub-array."""
        x, y, z = (axis[where] for axis in self.points)
        return x, y, z


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A piece of liver taken out by a resection: a ball in the subject's own space."""

    centre_mm: tuple[float, float, float]
    radius_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Organ:
    tissue: Tissue
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    tilt_deg: float = 0.0

    @property
    def box(self) -> Box:
        reach = max(self.radii[:2]) if self.tilt_deg else 0.0
        spread = (max(self.radii[0], reach), max(self.radii[1], reach), self.radii[2])
        low = (self.centre[0] - spread[0], self.centre[1] - spread[1], self.centre[2] - spread[2])
        high = (self.centre[0] + spread[0], self.centre[1] + spread[1], self.centre[2] + spread[2])
        return low, high

    def distance(self, points: Coordinates) -> Field:
        return ellipsoid_distance_mm(points, self.centre, self.radii, self.tilt_deg)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tube:
    tissue: Tissue
    path: tuple[tuple[float, float, float], ...]
    radii: tuple[float, ...]

    @property
    def box(self) -> Box:
        nodes, widest = np.array(self.path), max(self.radii)
        low, high = nodes.min(axis=0) - widest, nodes.max(axis=0) + widest
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])

    def distance(self, points: Coordinates) -> Field:
        legs = zip(self.path[:-1], self.path[1:], self.radii[:-1], self.radii[1:], strict=True)
        distances = [capsule_distance_mm(points, a, b, (ra, rb)) for a, b, ra, rb in legs]
        return np.minimum.reduce(distances)


def _smooth_union(a: Field, b: Field, width_mm: float) -> Field:
    """Polynomial smooth minimum of two distances."""
    mix = np.clip(np.float32(0.5) + (b - a) / np.float32(2 * width_mm), 0, 1)
    union: Field = b + (a - b) * mix - np.float32(width_mm) * mix * (1 - mix)
    return union


_VESSELS = (
    _Tube(
        tissue=Tissue.PORTAL_VEIN,
        path=((8, 8, -45), (-8, 0, -14), (-34, -4, 4), (-62, -2, 10), (-92, 8, 2)),
        radii=(6, 7, 6.5, 5, 2.2),
    ),
    _Tube(tissue=Tissue.PORTAL_VEIN, path=((-62, -2, 10), (-82, -22, 30), (-100, -24, 44)), radii=(4.4, 3.2, 1.6)),
    _Tube(tissue=Tissue.PORTAL_VEIN, path=((-62, -2, 10), (-84, 24, -14), (-98, 34, -30)), radii=(4.2, 3.0, 1.6)),
    _Tube(tissue=Tissue.PORTAL_VEIN, path=((-34, -4, 4), (-22, -30, 22), (2, -50, 28), (30, -52, 32)), radii=(5, 4.4, 3.2, 1.6)),
    _Tube(tissue=Tissue.HEPATIC_VEIN, path=((-26, 26, 58), (-66, 20, 44), (-104, 10, 20)), radii=(5.4, 4.4, 1.8)),
    _Tube(tissue=Tissue.HEPATIC_VEIN, path=((-24, 24, 58), (-48, -8, 46), (-62, -38, 20)), radii=(5.2, 4.2, 1.8)),
    _Tube(tissue=Tissue.HEPATIC_VEIN, path=((-22, 20, 58), (-10, -16, 50), (20, -46, 40)), radii=(4.6, 3.6, 1.6)),
    _Tube(tissue=Tissue.HEPATIC_VEIN, path=((-28, 28, 30), (-62, 36, 8), (-86, 40, -20)), radii=(3.6, 3.0, 1.4)),
)
_TRUNKS = (
    _Tube(tissue=Tissue.ARTERY, path=((16, 42, 220), (14, 42, 40), (10, 38, -230)), radii=(11.5, 11, 9)),
    _Tube(tissue=Tissue.ARTERY, path=((12, 34, 4), (12, 14, 6)), radii=(4, 3)),
    _Tube(tissue=Tissue.ARTERY, path=((11, 34, -12), (9, 12, -30), (7, 8, -80)), radii=(4, 3.6, 3)),
    _Tube(tissue=Tissue.HEPATIC_VEIN, path=((-14, 8, 96), (-25, 26, 62), (-23, 32, 0), (-16, 36, -230)), radii=(12, 12, 11.5, 10.5)),
    _Tube(tissue=Tissue.PORTAL_VEIN, path=((8, 8, -45), (30, 14, -12), (62, 30, 8), (88, 36, 22)), radii=(5.5, 5, 4.6, 3.6)),
    _Tube(tissue=Tissue.PORTAL_VEIN, path=((8, 8, -45), (-2, 4, -120)), radii=(5.4, 4.4)),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """One subject's body: sizes of the body and the organs, and the texture that moves with them.

    Attributes
    ----------
    half_width_mm, half_depth_mm
        Of the body, skin to skin.
    fat_mm
        Thickness of the subcutaneous fat.
    liver_scale
        Size of the liver against the standard one.
    texture
        Smooth random field on a 6 mm lattice of the own space, unit variance.
    """

    half_width_mm: float
    half_depth_mm: float
    fat_mm: float
    liver_scale: float
    wobble: NDArray[np.float32]
    texture: Field = field(repr=False)
    coarse_texture: Field = field(repr=False)

    @classmethod
    def random(cls, rng: np.random.Generator) -> Anatomy:
        """Draw a subject."""
        shape = [int(2 * half / _NOISE_CELL_MM) + 1 for half in _NOISE_HALF_MM]

        def smooth(sigma: float) -> Field:
            noise = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), sigma, mode="wrap")
            return np.asarray(noise / noise.std(), dtype=np.float32)

        return cls(
            half_width_mm=float(rng.uniform(158, 166)),
            half_depth_mm=float(rng.uniform(108, 116)),
            fat_mm=float(rng.uniform(13, 20)),
            liver_scale=float(rng.uniform(0.985, 1.03)),
            wobble=rng.uniform(0, 2 * np.pi, 6).astype(np.float32),
            texture=smooth(0.8),
            coarse_texture=smooth(1.9),
        )

    # --- shapes -------------------------------------------------------------------------------------------------

    def liver_distance_mm(self, points: Coordinates) -> Field:
        """Signed distance to the liver's capsule (mm, negative inside), vessels and gallbladder fossa considered."""
        x, y, z = self._wobbled(points)
        s = self.liver_scale
        p = (x, y, z)
        right = ellipsoid_distance_mm(p, (-78, 4, 2), (62 * s, 72 * s, 80 * s), 12.0)
        inferior = ellipsoid_distance_mm(p, (-92, 6, -42), (40 * s, 56 * s, 52 * s), 8.0)
        left = ellipsoid_distance_mm(p, (-8, -44, 30), (66 * s, 36 * s, 34 * s), -14.0)
        caudate = ellipsoid_distance_mm(p, (-22, 14, 30), (22 * s, 18 * s, 26 * s))
        liver = _smooth_union(_smooth_union(_smooth_union(right, inferior, 8), left, 12), caudate, 6)
        hilum = ellipsoid_distance_mm(p, (-16, -12, -34), (34, 30, 32))
        kidney = self._organ("right_kidney").distance(p) - np.float32(4)
        bladder = self._organ("gallbladder").distance(p) - np.float32(1)
        for notch in (hilum, kidney, bladder):
            liver = np.maximum(liver, -notch)
        inside_wall = self._wall(points)[2] + np.float32(3)
        return np.maximum(liver, inside_wall)

    def _organ(self, name: str) -> _Organ:
        return {
            "right_kidney": _Organ(tissue=Tissue.KIDNEY, centre=(-60, 52, -66), radii=(27, 25, 52), tilt_deg=25),
            "left_kidney": _Organ(tissue=Tissue.KIDNEY, centre=(64, 50, -46), radii=(27, 25, 53), tilt_deg=-25),
            "gallbladder": _Organ(tissue=Tissue.FLUID, centre=(-46, -46, -38), radii=(15, 17, 25)),
            "spleen": _Organ(tissue=Tissue.SPLEEN, centre=(102, 32, 34), radii=(26, 50, 50), tilt_deg=-14),
            "stomach": _Organ(tissue=Tissue.BOWEL_WALL, centre=(64, -34, 34), radii=(42, 38, 46), tilt_deg=20),
            "heart": _Organ(tissue=Tissue.HEART, centre=(22, -40, 128), radii=(62, 48, 50), tilt_deg=25),
        }[name]

    def _wobbled(self, points: Coordinates) -> Coordinates:
        """Unsmooth the organs' outlines a little (about 3 mm at 60 to 90 mm wavelength), each subject in its own way."""
        x, y, z = points
        a = self.wobble
        third = np.float32(1 / 11.0)
        return (
            x + 2.6 * np.sin(y * third + a[0]) + 1.8 * np.sin(z * third * 0.8 + a[1]),
            y + 2.4 * np.sin(z * third + a[2]) + 2.0 * np.sin(x * third * 0.9 + a[3]),
            z + 2.6 * np.sin(x * third * 0.8 + a[4]) + 2.0 * np.sin(y * third + a[5]),
        )

    def _wall(self, points: Coordinates) -> tuple[Field, Field, Field]:
        """Return distances to the skin, to the muscle's outer and to its inner face (mm, negative inside)."""
        x, y, z = points
        waist = 1 - np.float32(0.05) * np.clip((-z - 20) / 140, 0, 1)
        a, b = np.float32(self.half_width_mm) * waist, np.float32(self.half_depth_mm) * waist
        power = np.float32(2.35)
        # A flat back: the posterior half is a little squarer than the belly.
        radius = (np.abs(x / a) ** power + np.abs((y + 2) / b) ** power) ** np.float32(1 / power)
        angle = np.arctan2(y / b, x / a)
        scale = a * np.cos(angle) ** 2 + b * np.sin(angle) ** 2
        skin = (radius - 1) * scale
        fat = np.float32(self.fat_mm) * (1 + np.float32(0.25) * np.sin(angle + np.float32(0.3)))
        outer = skin + fat
        return skin, outer, outer + np.float32(13)

    def _spine(self, points: Coordinates) -> Field:
        x, y, z = points
        body = np.sqrt((x / 23) ** 2 + ((y - 62) / 17) ** 2)
        distance: Field = (body - 1) * np.float32(19)
        return distance

    def sample(self, lattice: Field, points: Coordinates) -> Field:
        """Return a texture lattice at the given own-space points."""
        index = [(axis + half) / np.float32(_NOISE_CELL_MM) for axis, half in zip(points, _NOISE_HALF_MM, strict=True)]
        sampled: Field = ndimage.map_coordinates(lattice, index, order=1, mode="wrap", prefilter=False)
        return sampled

    # --- painting -----------------------------------------------------------------------------------------------

    def paint(self, canvas: Canvas, defects: tuple[Defect, ...] = ()) -> NDArray[np.bool_]:
        """Paint the whole body and return the liver's mask (lesions count as liver), bool (k, j, i)."""
        wall = self._wall(canvas.points)
        self._paint_wall(canvas, wall)
        liver = self.liver_distance_mm(canvas.points)
        for defect in defects:
            hole = ellipsoid_distance_mm(canvas.points, defect.centre_mm, (defect.radius_mm,) * 3)
            liver = np.maximum(liver, -hole)
        self._paint_bowel(canvas, wall[2])
        self._paint_thorax(canvas, wall[2], liver)
        self._paint_spine(canvas)
        self._paint_organs(canvas, wall[2])
        canvas.paint(Tissue.LIVER, liver)
        self._paint_texture(canvas, liver)
        for tube in (*_TRUNKS, *_VESSELS):
            self._paint_part(canvas, tube, inside=liver if tube in _VESSELS else None)
        self._paint_part(canvas, self._organ("gallbladder"))
        self._paint_ribs(canvas, wall[2])
        mask: NDArray[np.bool_] = liver <= 0
        return mask

    def _paint_part(self, canvas: Canvas, part: _Organ | _Tube, inside: Field | None = None) -> None:
        where = canvas.window(part.box)
        if where is None:
            return
        distance = part.distance(self._wobbled(canvas.part(where)))
        if inside is not None:
            distance = np.maximum(distance, inside[where] + np.float32(1))
        canvas.paint(part.tissue, distance, where)

    def _paint_wall(self, canvas: Canvas, wall: tuple[Field, Field, Field]) -> None:
        skin, outer, inner = wall
        x, y, _ = canvas.points
        canvas.values[...] = canvas.appearance.values[Tissue.AIR]
        canvas.paint(Tissue.SKIN, skin)
        canvas.paint(Tissue.FAT, skin + np.float32(2.2))
        canvas.paint(Tissue.MUSCLE, outer)
        # Layers of the flank's wall: thin sheets of fat between the muscles, lateral only.
        lateral = np.abs(x) > 70
        sheet = np.abs(outer + np.float32(6.5)) - np.float32(0.8)
        canvas.paint(Tissue.VISCERAL_FAT, np.where(lateral & (np.abs(y) < 70), sheet, np.float32(9)))
        canvas.paint(Tissue.VISCERAL_FAT, inner)
        side = np.abs(x)
        canvas.paint(Tissue.MUSCLE, ellipsoid_distance_mm((side, y, np.zeros_like(x)), (36, 84, 0), (30, 19, 1e4)))
        psoas = ellipsoid_distance_mm((side, y, canvas.points[2]), (34, 60, -150), (17, 19, 110))
        canvas.paint(Tissue.MUSCLE, psoas)

    def _paint_thorax(self, canvas: Canvas, inner: Field, liver: Field) -> None:
        x, y, z = canvas.points
        if float(z.max()) < 20:
            return
        recess = np.float32(42) - np.float32(0.28) * y + np.float32(0.10) * (np.float32(60) - np.abs(x))
        above = recess - z
        mediastinum = ellipsoid_distance_mm((x, y, np.zeros_like(z)), (4, 14, 0), (36, 60, 1e4))
        clear = np.maximum.reduce(
            [
                inner + np.float32(4),
                np.float32(5) - liver,
                np.float32(4) - self._spine(canvas.points),
                np.float32(3) - ellipsoid_distance_mm((np.abs(x), y, np.zeros_like(x)), (36, 84, 0), (30, 19, 1e4)),
                np.float32(2) - mediastinum,
            ]
        )
        for name in ("spleen", "stomach", "heart"):
            clear = np.maximum(clear, np.float32(5) - self._organ(name).distance(canvas.points))
        canvas.paint(Tissue.MUSCLE, np.maximum(clear, above) - np.float32(4))
        lung = np.maximum(clear, above)
        canvas.paint(Tissue.LUNG, lung)
        tree = np.abs(self.sample(self.texture, canvas.points))
        canvas.paint(Tissue.LUNG_VESSEL, np.maximum(lung + np.float32(4), (np.float32(2.15) - tree) * np.float32(6)))
        self._paint_part(canvas, self._organ("heart"))

    def _paint_spine(self, canvas: Canvas) -> None:
        x, y, z = canvas.points
        body = self._spine(canvas.points)
        canvas.paint(Tissue.BONE_CORTEX, body)
        canvas.paint(Tissue.BONE_MARROW, body + np.float32(2.5))
        disc = np.abs(np.mod(z + np.float32(17), np.float32(34)) - np.float32(17)) - np.float32(4)
        canvas.paint(Tissue.DISC, np.maximum(body, disc))
        flat = (x, y, np.zeros_like(x))
        arch = ellipsoid_distance_mm(flat, (0, 85, 0), (17, 14, 1e4))
        spinous = ellipsoid_distance_mm(flat, (0, 100, 0), (4, 15, 1e4))
        transverse = np.maximum(ellipsoid_distance_mm(flat, (0, 82, 0), (38, 5, 1e4)), -disc + np.float32(2))
        canvas.paint(Tissue.BONE_CORTEX, np.minimum.reduce([arch, spinous, transverse]))
        canvas.paint(Tissue.CORD, ellipsoid_distance_mm(flat, (0, 84, 0), (10, 8.5, 1e4)))

    def _paint_ribs(self, canvas: Canvas, inner: Field) -> None:
        x, y, z = canvas.points
        angle = np.arctan2(np.abs(x), y)  # 0 at the spine, pi at the front
        height = z + np.float32(34) * angle
        ring = np.abs(inner + np.float32(-4)) - np.float32(4)
        rib = np.abs(np.mod(height, np.float32(27)) - np.float32(13.5)) - np.float32(5.5)
        low = np.float32(-62) + np.float32(46) * np.maximum(angle - np.float32(0.9), 0) - z
        away = np.float32(0.35) - angle
        bone = np.maximum.reduce([ring, rib, low, away * 40])
        canvas.paint(Tissue.BONE_CORTEX, bone)
        canvas.paint(Tissue.BONE_MARROW, bone + np.float32(2.2))

    def _paint_organs(self, canvas: Canvas, inner: Field) -> None:
        for name in ("right_kidney", "left_kidney"):
            self._paint_kidney(canvas, self._organ(name))
        self._paint_pancreas(canvas)
        for name in ("spleen", "stomach"):
            organ = self._organ(name)
            where = canvas.window(organ.box)
            if where is None:
                continue
            points = canvas.part(where)
            distance = np.maximum(organ.distance(self._wobbled(points)), inner[where] + np.float32(3))
            canvas.paint(organ.tissue, distance, where)
            if name == "stomach":
                content = distance + np.float32(5)
                canvas.paint(Tissue.FLUID, content, where)
                canvas.paint(Tissue.GAS, np.maximum(content, points[1] + np.float32(48)), where)

    def _paint_kidney(self, canvas: Canvas, organ: _Organ) -> None:
        where = canvas.window(organ.box)
        if where is None:
            return
        points = canvas.part(where)
        distance = organ.distance(points)
        canvas.paint(Tissue.KIDNEY, distance, where)
        pyramids = np.cos((points[2] - organ.centre[2]) / np.float32(4.2)) * np.float32(5)
        canvas.paint(Tissue.KIDNEY_MEDULLA, np.maximum(distance + np.float32(7), pyramids), where)
        inward = -12.0 if organ.centre[0] > 0 else 12.0
        sinus = ellipsoid_distance_mm(
            points, (organ.centre[0] + inward, organ.centre[1] - 6, organ.centre[2]), (15, 9, 24)
        )
        canvas.paint(Tissue.VISCERAL_FAT, sinus, where)

    def _paint_pancreas(self, canvas: Canvas) -> None:
        tube = _Tube(
            tissue=Tissue.PANCREAS,
            path=((-18, -2, -42), (8, -14, -26), (40, 2, -6), (74, 22, 12)),
            radii=(14, 10, 9.5, 8),
        )
        where = canvas.window(tube.box)
        if where is None:
            return
        points = canvas.part(where)
        lobules = self.sample(self.texture, points) * np.float32(2.2)
        canvas.paint(tube.tissue, tube.distance(points) + lobules, where)

    def _paint_bowel(self, canvas: Canvas, inner: Field) -> None:
        x, y, z = canvas.points
        region = np.maximum.reduce([inner + np.float32(6), z + np.float32(34), y - np.float32(32)])
        if float(region.min()) > 0:
            return
        loops = self.sample(self.coarse_texture, canvas.points)
        wall = (np.abs(loops) - np.float32(1.5)) * np.float32(10)
        canvas.paint(Tissue.BOWEL_WALL, np.maximum(region, -(loops - np.float32(-0.2)) * np.float32(10)))
        canvas.paint(Tissue.FLUID, np.maximum(region, (np.float32(0.28) - loops) * np.float32(10)))
        gas = np.maximum((np.float32(0.75) - loops) * np.float32(10), y + np.float32(38))
        canvas.paint(Tissue.GAS, np.maximum(region, gas))
        del wall, x

    def _paint_texture(self, canvas: Canvas, liver: Field) -> None:
        """Give soft tissue an unevenness that belongs to the body, so that the inside of an organ can be followed."""
        inside = np.clip(-liver / np.float32(4), 0, 1)
        canvas.values += inside * self.sample(self.coarse_texture, canvas.points) * np.float32(canvas.appearance.texture)
