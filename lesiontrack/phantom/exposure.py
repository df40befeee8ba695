"""From a body to an image: the points of a grid in the subject's own space, lesions drawn exactly, noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.domain.geometry import Grid
from lesiontrack.phantom.contrast import Tissue
from lesiontrack.phantom.motion import Motion
from lesiontrack.phantom.organs import Canvas
from lesiontrack.phantom.shapes import Coordinates, Ellipsoid

__all__ = ["draw_body", "expose", "own_space_points", "tissues_of"]


def tissues_of(site: str) -> tuple[Tissue, Tissue]:
    """Return core and rim of a lesion at a site."""
    if site == "LIVER":
        return Tissue.LESION_CORE, Tissue.LESION_RIM
    return Tissue.SOFT_METASTASIS, Tissue.SOFT_METASTASIS


def own_space_points(grid: Grid, motion: Motion) -> Coordinates:
    """Return own-space x, y, z of every voxel, float32 (k, j, i); 1e-4 mm of rounding is nothing to an image."""
    whole = motion.linear @ grid.affine[:3, :3]
    start = motion.linear @ (grid.origin_lps_mm - motion.shift_mm)
    k, j, i = np.ogrid[tuple(slice(0, n) for n in grid.shape)]
    x, y, z = ((whole[a, 0] * k + (whole[a, 1] * j + whole[a, 2] * i + start[a])).astype(np.float32) for a in range(3))
    ux, uy, uz = motion.displacement_mm(x, y, z)
    return x + ux, y + uy, z + uz


def draw_body(
    canvas: Canvas,
    grid: Grid,
    body: Ellipsoid,
    tissues: tuple[Tissue, Tissue],
    mark: tuple[NDArray[np.uint16], int],
) -> None:
    """Draw a body with core and rim, and label the voxels whose centres lie in it: no warp, its truth stays exact."""
    reach = body.half_extent_mm + 2 * canvas.edge_mm
    corners = grid.to_index(np.array([body.centre_lps_mm - reach, body.centre_lps_mm + reach]))
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, grid.shape)
    if (high <= low).any():
        return
    where = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), axis=-1)
    level = body.level(grid.to_lps_mm(index))
    size = float(body.semi_axes_mm.min())
    core, rim = tissues
    canvas.paint(rim, ((level - 1.0) * size).astype(np.float32), where)
    canvas.paint(core, ((level - 1.0) * size + max(1.5, 0.18 * size)).astype(np.float32), where)
    labels, label = mark
    labels[where][level <= 1.0] = label


def expose(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.int16]:
    """Add the scanner's noise, correlated in the plane as a soft kernel makes it, and store as 16-bit integers."""
    appearance = canvas.appearance
    noise = rng.standard_normal(canvas.values.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, (0.0, 1.4, 1.4))
    values = canvas.values
    if appearance.modality == "CT":
        exposed = values + noise * np.float32(appearance.noise / noise.std())
        exposed[values < -995] = -1000
        return np.clip(np.rint(exposed), -1000, 3000).astype(np.int16)
    k, j, i = np.ogrid[tuple(slice(0, 1, n * 1j) for n in values.shape)]
    coil = (1.0 + 0.18 * np.cos(np.pi * (j - 0.35)) + 0.06 * np.sin(2 * np.pi * i) + 0.0 * k).astype(np.float32)
    exposed = np.abs(values * coil + noise * np.float32(appearance.noise / noise.std()))
    exposed[values < 8.5] = 0  # the scanner's background mask
    return np.clip(np.rint(exposed), 0, 4095).astype(np.int16)
