"""What a voxel's surroundings look like, whatever the modality or contrast phase.

The self-similarity context (Heinrich et al. 2013, MICCAI, LNCS 8149:187-194): how unlike each other the patches beside
a voxel are, pair by pair. Which patches are alike is anatomy; how bright they are does not enter.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["CHANNELS", "self_similarity"]

Field = NDArray[np.float32]

_SIDES = tuple(tuple(sign if axis == a else 0 for a in range(3)) for axis in range(3) for sign in (-1, 1))
# Pairs of the six neighbours that do not lie opposite each other.
_PAIRS = tuple((a, b) for a, b in combinations(_SIDES, 2) if any(p + q for p, q in zip(a, b, strict=True)))
CHANNELS = len(_PAIRS)
_PATCH = 3
# Where nothing varies the variance is held at this share of the mean one.
_FLAT = 0.05


def self_similarity(image: Field) -> Field:
    """Describe every voxel of an image.

    Parameters
    ----------
    image
        (k, j, i), any unit.

    Returns
    -------
    (k, j, i, 12), each value from 0 (this pair of patches is the least alike) to 1; all 1 in a constant image.
    """
    padded = np.pad(image, 1, mode="edge")
    moved = {
        side: padded[tuple(slice(1 + s, 1 + s + n) for s, n in zip(side, image.shape, strict=True))] for side in _SIDES
    }
    unlike = np.empty((CHANNELS, *image.shape), dtype=np.float32)
    for channel, (a, b) in enumerate(_PAIRS):
        ndimage.uniform_filter(np.square(moved[a] - moved[b]), _PATCH, output=unlike[channel], mode="nearest")
    unlike -= unlike.min(axis=0)
    variance = unlike.mean(axis=0)
    mean = float(variance.mean())
    if mean <= 0.0:
        return np.ones((*image.shape, CHANNELS), dtype=np.float32)
    np.clip(variance, _FLAT * mean, mean / _FLAT, out=variance)
    described = np.exp(-unlike / variance)
    return np.ascontiguousarray(np.moveaxis(described, 0, -1))
