"""What lies around a lesion: the tissue that tells its site and its contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.domain.geometry import Segmentation, Volume
from lesiontrack.domain.study import Site
from lesiontrack.measure.components import Part
from lesiontrack.measure.settings import MeasureSettings

__all__ = ["Surroundings", "contrast_ratio", "site_of", "surroundings"]

Box = tuple[slice, ...]

# Median absolute deviation to standard deviation, for a normal distribution.
MAD_TO_SD = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surroundings:
    """A lesion's crop, wide enough for the tissue around it.

    Attributes
    ----------
    box
        Where in the volume the crop lies.
    inside
        bool (k, j, i), the lesion.
    ring
        bool (k, j, i), the tissue within ``ring_mm`` of it that belongs to no lesion.
    """

    box: Box
    inside: NDArray[np.bool_]
    ring: NDArray[np.bool_]


def surroundings(part: Part, segmentation: Segmentation, settings: MeasureSettings) -> Surroundings:
    """Crop a lesion with the ring of tissue around it, cut where the volume ends."""
    spacing_mm = segmentation.grid.spacing_mm
    # In-plane at least one voxel; across slices only as far as the ring truly reaches.
    steps = np.floor(settings.ring_mm / spacing_mm + 1e-6).astype(int)
    steps[1:] = np.maximum(steps[1:], 1)
    shape = segmentation.grid.shape
    k, j, i = (
        slice(max(0, s.start - int(n)), min(size, s.stop + int(n)))
        for s, n, size in zip(part.box, steps, shape, strict=True)
    )
    inside = np.zeros((k.stop - k.start, j.stop - j.start, i.stop - i.start), dtype=bool)
    inner_k, inner_j, inner_i = (
        slice(s.start - o.start, s.stop - o.start) for s, o in zip(part.box, (k, j, i), strict=True)
    )
    inside[inner_k, inner_j, inner_i] = part.mask
    ring = _grown(inside, steps, spacing_mm) & (segmentation.lesions[k, j, i] == 0)
    return Surroundings(box=(k, j, i), inside=inside, ring=ring)


def _grown(mask: NDArray[np.bool_], steps: NDArray[np.int_], spacing_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Grow a mask by a box of ``steps`` voxels, one axis after the other (separable, hence fast)."""
    size = tuple(int(2 * n + 1) for n in steps)
    grown: NDArray[np.bool_] = ndimage.maximum_filter(mask, size=size, mode="constant", cval=0)
    return grown


def site_of(part: Part, around: Surroundings, segmentation: Segmentation, settings: MeasureSettings) -> str:
    """Tell a lesion's site.

    The segment's own, where it names one; LIVER where enough of the lesion lies in the liver mask, or, for masks that
    leave lesions out, enough of the tissue around it; else OTHER.
    """
    if part.segment.site is not None:
        return part.segment.site
    if segmentation.liver is None:
        return Site.OTHER
    liver = segmentation.liver[around.box]
    if np.count_nonzero(liver & around.inside) >= settings.site_overlap_fraction * np.count_nonzero(around.inside):
        return Site.LIVER
    ring_voxels = np.count_nonzero(around.ring)
    ring_liver = np.count_nonzero(liver & around.ring)
    return Site.LIVER if ring_voxels and ring_liver >= settings.site_ring_fraction * ring_voxels else Site.OTHER


def contrast_ratio(volume: Volume, around: Surroundings) -> float | None:
    """Return how far a lesion's median lies from that of the tissue around it, in that tissue's standard deviations.

    None where the volume is flat there or nothing surrounds the lesion: then contrast says nothing.
    """
    voxels = volume.voxels[around.box]
    outside = voxels[around.ring]
    if outside.size == 0:
        return None
    middle = float(np.median(outside))
    spread = MAD_TO_SD * float(np.median(np.abs(outside - middle)))
    difference = abs(float(np.median(voxels[around.inside])) - middle)
    if spread == 0.0:
        return None
    return difference / spread
