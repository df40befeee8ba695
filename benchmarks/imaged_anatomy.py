"""Livers of random blobs with two branching trees of vessels, and what scans show of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

__all__ = ["HIGH_MM", "LOOKS", "LOW_MM", "ImagedAnatomy", "Look", "Tumour", "raster_points"]

Points = NDArray[np.float64]
Field = NDArray[np.float32]

_CELL_MM = 2.5
LOW_MM, HIGH_MM = np.array([-125.0, -100.0, -115.0]), np.array([145.0, 100.0, 115.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a scan shows: modality and the values of liver, portal and hepatic veins, lesion, lesion's rim, noise."""

    modality: str
    liver: float
    portal: float
    veins: float
    lesion: float
    rim: float
    noise: float


LOOKS = {
    "portal": Look(modality="CT", liver=108, portal=168, veins=160, lesion=58, rim=75, noise=14),
    "arterial": Look(modality="CT", liver=80, portal=115, veins=70, lesion=62, rim=105, noise=16),
    "plain": Look(modality="CT", liver=58, portal=42, veins=40, lesion=38, rim=40, noise=16),
    "T1": Look(modality="MR", liver=420, portal=330, veins=300, lesion=210, rim=250, noise=18),
    "T2": Look(modality="MR", liver=160, portal=70, veins=55, lesion=330, rim=260, noise=14),
    "hepatobiliary": Look(modality="MR", liver=620, portal=260, veins=250, lesion=180, rim=200, noise=20),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Raster:
    """A field on the subject's own space, ``_CELL_MM`` apart, (z, y, x)."""

    values: Field

    def at(self, own: Points) -> NDArray[np.float64]:
        index = ((own - LOW_MM) / _CELL_MM)[..., ::-1]
        return np.asarray(
            ndimage.map_coordinates(self.values, np.moveaxis(index, -1, 0), order=1, mode="nearest"), dtype=np.float64
        )


def raster_points() -> Points:
    axes = [np.arange(low, high + _CELL_MM / 2, _CELL_MM) for low, high in zip(LOW_MM, HIGH_MM, strict=True)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    return np.stack([x, y, z], axis=-1)


class ImagedAnatomy:
    """Liver, vessels and body of one subject in its own space."""

    def __init__(self, rng: np.random.Generator) -> None:
        points = raster_points()
        self.litres = float(rng.uniform(1.2, 2.1))
        self.liver = _Raster(_liver_distance(rng, points, self.litres))
        inside = self.liver.values < -2.0
        self.portal = _Raster(_tree(rng, points, np.array([5.0, 5.0, -15.0]), inside, 6.5))
        self.veins = _Raster(_tree(rng, points, np.array([5.0, 45.0, 60.0]), inside, 7.0))
        noise = ndimage.gaussian_filter(rng.standard_normal(points.shape[:3]).astype(np.float32), 2.5)
        self.texture = _Raster(noise / noise.std())
        self.body = _body(rng)


def _liver_distance(rng: np.random.Generator, points: Points, litres: float) -> Field:
    """Return the signed distance to the level of a sum of blobs that encloses the wanted volume."""
    blobs = [
        ((-35, 5, 0), (62, 55, 62)),
        ((-45, 15, -45), (38, 40, 42)),
        ((45, -25, 15), (58, 36, 36)),
        ((15, 20, 25), (35, 40, 40)),
    ]
    total = np.zeros(points.shape[:3])
    for centre, size in blobs:
        at = np.array(centre) + rng.normal(0.0, 8.0, 3)
        axes = np.array(size) * np.exp(rng.normal(0.0, 0.12, 3)) / 1.6
        turned = (points - at) @ Rotation.from_rotvec(rng.normal(0.0, 0.25, 3)).as_matrix()
        total += np.exp(-0.5 * ((turned / axes) ** 2).sum(axis=-1))
    total += 2.5 * ndimage.gaussian_filter(rng.standard_normal(total.shape), 6.0)
    edge = np.any((points - LOW_MM < 12) | (HIGH_MM - points < 12), axis=-1)
    total[edge] = 0.0
    count = int(litres * 1e6 / _CELL_MM**3)
    level = np.partition(total.ravel(), -count)[-count]
    labels, _ = ndimage.label(total >= level)
    mask = labels == np.bincount(labels[labels > 0]).argmax()
    outer = ndimage.distance_transform_edt(~mask, sampling=_CELL_MM)
    inner = ndimage.distance_transform_edt(mask, sampling=_CELL_MM)
    return np.where(mask, _CELL_MM / 2 - inner, outer - _CELL_MM / 2).astype(np.float32)


def _tree(rng: np.random.Generator, points: Points, root: Points, inside: NDArray[np.bool_], radius: float) -> Field:
    """Return how much of each cell is vessel, 0 to 1: a tree that branches from a root through the liver."""
    distance = np.full(points.shape[:3], 99.0, dtype=np.float32)
    goals = points[inside][rng.permutation(int(inside.sum()))[:45]]
    nodes, sizes = [root], [radius]
    for goal in goals[np.argsort(np.linalg.norm(goals - root, axis=1))]:
        near = int(np.argmin([np.linalg.norm(goal - n) for n in nodes]))
        start, size = nodes[near], max(0.8 * sizes[near], 1.6)
        middle = (start + goal) / 2 + rng.normal(0.0, 4.0, 3)
        for a, b in ((start, middle), (middle, goal)):
            _carve(distance, a, b, size)
        nodes += [middle, goal]
        sizes += [size, size]
    return np.asarray(np.clip(0.5 - distance / _CELL_MM, 0, 1) * inside, dtype=np.float32)


def _carve(distance: Field, a: Points, b: Points, radius: float) -> None:
    """Lower a distance field to that of a capsule, within a box around it."""
    reach = radius + 2 * _CELL_MM
    low = np.maximum(np.floor((np.minimum(a, b) - reach - LOW_MM) / _CELL_MM).astype(int), 0)[::-1]
    high = np.minimum(np.ceil((np.maximum(a, b) + reach - LOW_MM) / _CELL_MM).astype(int)[::-1] + 1, distance.shape)
    if (high <= low).any():
        return
    box = tuple(slice(int(x), int(y)) for x, y in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*(np.arange(x, y) for x, y in zip(low, high, strict=True)), indexing="ij"), axis=-1)
    at = index[..., ::-1] * _CELL_MM + LOW_MM
    share = np.clip(((at - a) @ (b - a)) / max(float((b - a) @ (b - a)), 1e-6), 0, 1)
    distance[box] = np.minimum(distance[box], np.linalg.norm(at - a - share[..., None] * (b - a), axis=-1) - radius)


def _body(rng: np.random.Generator) -> tuple[float, float, Field]:
    """Return half width, half depth and a lattice of lumps (20 mm) for what lies around the liver."""
    lumps = ndimage.gaussian_filter(rng.standard_normal((40, 40, 40)).astype(np.float32), 0.9, mode="wrap")
    return float(rng.uniform(150, 180)), float(rng.uniform(105, 130)), np.asarray(lumps / lumps.std(), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Tumour:
    """A star-shaped lesion, point-symmetric so that its centroid is its centre; stretched along an axis."""

    centre: Points
    radius: float
    axes: Points
    heights: Points
    axis: Points = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))
    long: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator, centre: Points, radius: float) -> Tumour:
        axes = rng.normal(size=(4, 3))
        return cls(centre, radius, axes / np.linalg.norm(axes, axis=1, keepdims=True), rng.uniform(-0.28, 0.28, 4))

    @property
    def reach(self) -> float:
        """How far from the centre it may extend."""
        return 2.0 * self.radius * self.long

    def smoothed(self) -> Tumour:
        """Return it with lower lumps, so that two of them that lie apart do not touch."""
        return replace(self, heights=0.4 * self.heights)

    def along(self, axis: Points, long: float) -> Tumour:
        """Return it stretched along a unit vector."""
        return replace(self, axis=axis, long=long)

    def level(self, offset: Points, factor: float) -> NDArray[np.float64]:
        """Return distance along the ray over the radius there; below 1 inside."""
        offset = offset - (1.0 - 1.0 / self.long) * (offset @ self.axis)[..., None] * self.axis
        length = np.linalg.norm(offset, axis=-1)
        along = (offset / np.maximum(length, 1e-9)[..., None]) @ self.axes.T
        radius = self.radius * factor * (1.0 + ((along**2 - 1 / 3) * self.heights).sum(axis=-1))
        return np.asarray(length / np.maximum(radius, 0.2 * self.radius * factor), dtype=np.float64)
