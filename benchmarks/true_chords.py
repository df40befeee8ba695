"""The longest chord of an outline that is known as a field: what a diameter is measured against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import find_contours

__all__ = ["longest_chord_mm"]

_FINE = 4


def longest_chord_mm(level: NDArray[np.float64], pixel_mm: float) -> float:
    """Return the longest chord of the outline ``level == 1`` over all slices.

    Parameters
    ----------
    level
        (k, j, i) at the voxel centres, below 1 inside; between them it is a cubic spline.
    pixel_mm
        Of the square pixels.
    """
    longest = 0.0
    for section in level:
        if not (section < 1.0).any():
            continue
        fine = ndimage.zoom(section, [(_FINE * (n - 1) + 1) / n for n in section.shape], order=3, mode="nearest")
        for outline in find_contours(fine, 1.0):
            points = outline[ConvexHull(outline).vertices] if len(outline) > 8 else outline
            longest = max(longest, float(pdist(points).max()) * pixel_mm / _FINE)
    return longest
