"""An upper abdomen in the subject's own space: organs as signed distances, painted back to front.

The subject's own space is LPS mm, origin in the middle of the body at the height of the liver's centre. Nothing here
is voxels until it is asked for at given points, so that a visit samples the same body at any spacing, field of view
and deformation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.phantom.contrast import Tissue
from lesiontrack.phantom.organs import LIVER_VESSELS, ORGANS, TRUNKS, Box, Canvas, Organ, Tube, smooth_union
from lesiontrack.phantom.shapes import Coordinates, Field, capsule_distance_mm, ellipsoid_distance_mm

__all__ = ["Anatomy", "Defect"]

_CHEST: Box = ((-300.0, -300.0, 10.0), (300.0, 300.0, 400.0))
_BELLY: Box = ((-300.0, -300.0, -400.0), (300.0, 60.0, 0.0))
_RIGHT_COLON: Box = ((-160.0, -60.0, -300.0), (-60.0, 70.0, -58.0))
_NOISE_CELL_MM = 6.0
_NOISE_HALF_MM = (210.0, 150.0, 210.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A wedge of liver taken out by a resection, own space: a gouge from ``centre_mm`` out through the capsule."""

    centre_mm: tuple[float, float, float]
    outside_mm: tuple[float, float, float]
    radius_mm: float


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
        liver = smooth_union(smooth_union(smooth_union(right, inferior, 8), left, 12), caudate, 6)
        hilum = ellipsoid_distance_mm(p, (-16, -12, -34), (34, 30, 32))
        kidney = ORGANS["right_kidney"].distance(p) - np.float32(4)
        bladder = ORGANS["gallbladder"].distance(p) - np.float32(1)
        for notch in (hilum, kidney, bladder):
            liver = np.maximum(liver, -notch)
        inside_wall = self._wall(points)[2] + np.float32(3)
        bounded: Field = np.maximum(liver, inside_wall)
        return bounded

    def outward(self, point_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the unit direction (3,) in which the liver's capsule is nearest, own space."""
        step = 2.0 * np.vstack([np.eye(3), -np.eye(3)])
        around = (point_mm + step).astype(np.float32)
        distance = self.liver_distance_mm((around[:, 0], around[:, 1], around[:, 2])).astype(np.float64)
        slope: NDArray[np.float64] = distance[:3] - distance[3:]
        return slope / np.linalg.norm(slope)

    def _wobbled(self, points: Coordinates) -> Coordinates:
        """Roughen the organs' outlines a little (about 3 mm at 60 to 90 mm wavelength), each subject's its own way."""
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
        x, y, _ = points
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
        liver = whole = self.liver_distance_mm(canvas.points)
        for defect in defects:
            ends = (defect.radius_mm, 1.15 * defect.radius_mm)
            hole = capsule_distance_mm(canvas.points, defect.centre_mm, defect.outside_mm, ends)
            liver = np.maximum(liver, -hole)
        self._paint_bowel(canvas, wall[2])
        self._paint_thorax(canvas, wall[2], whole)
        self._paint_spine(canvas)
        self._paint_organs(canvas, wall[2])
        canvas.paint(Tissue.LIVER, liver)
        self._paint_texture(canvas, liver)
        for tube in (*TRUNKS, *LIVER_VESSELS):
            self._paint_part(canvas, tube, inside=liver if tube in LIVER_VESSELS else None)
        self._paint_part(canvas, ORGANS["gallbladder"])
        self._paint_ribs(canvas, wall[2])
        mask: NDArray[np.bool_] = liver <= 0
        return mask

    def _paint_part(self, canvas: Canvas, part: Organ | Tube, inside: Field | None = None) -> None:
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

    def _paint_thorax(self, whole: Canvas, inner: Field, liver: Field) -> None:
        where = whole.window(_CHEST)
        if where is None:
            return
        canvas, inner, liver = whole.within(where), inner[where], liver[where]
        x, y, z = canvas.points
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
            clear = np.maximum(clear, np.float32(5) - ORGANS[name].distance(canvas.points))
        canvas.paint(Tissue.MUSCLE, np.maximum(clear, above) - np.float32(4))
        lung = np.maximum(clear, above)
        canvas.paint(Tissue.LUNG, lung)
        tree = np.abs(self.sample(self.texture, canvas.points))
        canvas.paint(Tissue.LUNG_VESSEL, np.maximum(lung + np.float32(4), (np.float32(1.75) - tree) * np.float32(6)))
        self._paint_part(whole, ORGANS["heart"])

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
            self._paint_kidney(canvas, ORGANS[name])
        self._paint_pancreas(canvas)
        for name in ("spleen", "stomach"):
            organ = ORGANS[name]
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

    def _paint_kidney(self, canvas: Canvas, organ: Organ) -> None:
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
        tube = Tube(
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

    def _paint_bowel(self, whole: Canvas, inner: Field) -> None:
        where = whole.window(_BELLY)
        if where is None:
            return
        canvas, inner = whole.within(where), inner[where]
        x, y, z = canvas.points
        left = np.float32(1) / (np.float32(1) + np.exp((np.float32(16) - x) / np.float32(8)))
        below = z + np.float32(44) - np.float32(34) * left
        front = np.maximum.reduce([inner + np.float32(9), below, y - np.float32(14), np.abs(x) - np.float32(96)])
        loops = self.sample(self.coarse_texture, canvas.points)
        # A tube of 26 mm: a shell of the random field is wall, its inside content; the outside stays mesenteric fat.
        wall = np.abs(loops - np.float32(0.75)) * np.float32(11) - np.float32(7.5)
        canvas.paint(Tissue.BOWEL_WALL, np.maximum(front, wall))
        content = np.maximum(front + np.float32(3), wall + np.float32(3.2))
        canvas.paint(Tissue.FLUID, content)
        canvas.paint(Tissue.GAS, np.maximum(content, y + np.float32(52)))
        for side, top in ((np.float32(-1), -58.0), (np.float32(1), -20.0)):
            self._paint_colon(canvas, side, top)

    def _paint_colon(self, whole: Canvas, side: np.float32, top_mm: float) -> None:
        """Paint the ascending (right) or descending (left) colon: a haustrated tube with stool and gas in front."""
        where = whole.window(((60.0, -60.0, -300.0), (160.0, 70.0, top_mm)) if side > 0 else _RIGHT_COLON)
        if where is None:
            return
        canvas = whole.within(where)
        x, y, z = canvas.points
        haustra = np.float32(2.2) * np.sin(z / np.float32(5.5))
        middle_x = side * np.float32(self.half_width_mm - self.fat_mm - 46) + np.float32(5) * np.sin(z / np.float32(31))
        middle_y = np.float32(12) + np.float32(6) * np.cos(z / np.float32(37))
        radius = np.float32(20 if side < 0 else 15) + haustra
        tube = np.sqrt((x - middle_x) ** 2 + (y - middle_y) ** 2) - radius
        tube = np.maximum(tube, z - np.float32(top_mm))
        canvas.paint(Tissue.BOWEL_WALL, tube)
        inside = tube + np.float32(2.5)
        canvas.paint(Tissue.FLUID, inside)
        stool = self.sample(self.texture, canvas.points) * np.float32(4)
        canvas.paint(Tissue.GAS, np.maximum(inside, np.minimum(y - middle_y + np.float32(7), np.float32(7) - stool)))

    def _paint_texture(self, canvas: Canvas, liver: Field) -> None:
        """Give soft tissue an unevenness that belongs to the body, so that the inside of an organ can be followed."""
        inside = np.clip(-liver / np.float32(4), 0, 1)
        canvas.values += (
            inside * self.sample(self.coarse_texture, canvas.points) * np.float32(canvas.appearance.texture)
        )
