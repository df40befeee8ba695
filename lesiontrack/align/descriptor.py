"""What a voxel's surroundings look like, whatever the modality or contrast phase.

The self-similarity context (Heinrich et al. 2013, MICCAI, LNCS 8149:187-194): how unlike each other the patches beside
a voxel are, pair by pair. Which patches are alike is anatomy; how bright they are does not enter. Each of the twelve
values is kept in six steps as five bits, so that one machine word holds a voxel's description and the number of bits
in which two words differ (their Hamming distance) is how unlike two voxels are.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["BITS", "self_similarity"]

Field = NDArray[np.float32]
Words = NDArray[np.uint64]

_SIDES = tuple(tuple(sign if axis == a else 0 for a in range(3)) for axis in range(3) for sign in (-1, 1))
# Pairs of the six neighbours that do not lie opposite each other.
_PAIRS = tuple((a, b) for a, b in combinations(_SIDES, 2) if any(p + q for p, q in zip(a, b, strict=True)))
_STEPS = 5
BITS = _STEPS * len(_PAIRS)
# n of five bits, so that words differ in as many bits as values in steps.
_CODES = np.array([(1 << n) - 1 for n in range(_STEPS + 1)], dtype=np.uint64)
_PATCH = 3
# Standard deviation of the smoothing before anything is compared, voxels: noise looks like no vessel.
_SMOOTHING = 0.6
# Where nothing varies the variance is held at this share of the mean one, which edges of the body make large.
_FLAT = 0.004
_STEEP = 20.0


def self_similarity(image: Field) -> Words:
    """Describe every voxel of an image.

    Parameters
    ----------
    image
        (k, j, i), any unit.

    Returns
    -------
    (k, j, i) words of ``BITS`` bits; all the same in a constant image.
    """
    calm = ndimage.gaussian_filter(image, _SMOOTHING, mode="nearest")
    padded = np.pad(calm, 1, mode="edge")
    moved = {
        side: padded[tuple(slice(1 + s, 1 + s + n) for s, n in zip(side, image.shape, strict=True))] for side in _SIDES
    }
    unlike = np.empty((len(_PAIRS), *image.shape), dtype=np.float32)
    for channel, (a, b) in enumerate(_PAIRS):
        ndimage.uniform_filter(np.square(moved[a] - moved[b]), _PATCH, output=unlike[channel], mode="nearest")
    unlike -= unlike.min(axis=0)
    variance = unlike.mean(axis=0)
    mean = float(variance.mean())
    words = np.zeros(image.shape, dtype=np.uint64)
    if mean <= 0.0:
        return words
    np.clip(variance, _FLAT * mean, _STEEP * mean, out=variance)
    for channel in unlike:
        alike = np.exp(-channel / variance)
        step = np.minimum((alike * (_STEPS + 1)).astype(np.intp), _STEPS)
        words = (words << np.uint64(_STEPS)) | _CODES[step]
    return words
