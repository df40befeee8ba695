"""Touching lesions in one mask: separated where their shape says so, never across what is plainly one lesion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from lesiontrack.domain.geometry import Grid
from lesiontrack.domain.lesion import Certainty
from lesiontrack.measure.settings import MeasureSettings

__all__ = ["CONNECTED_26", "Pieces", "ellipsoid_fill", "separate"]

# Voxels that share a face, an edge or a corner are connected: an oblique thin lesion must not fall to pieces.
CONNECTED_26 = np.ones((3, 3, 3), dtype=bool)

# A peak of the distance counts from this share of a pixel above the pass to a higher one: below, it is rounding.
PEAK_PIXELS = 0.1
# What is asked of how well a body fills its ellipsoid, and its sections their ellipses (benchmarks/measure.py,
# scan_counts.py). Outlines are uneven by half a millimetre and by voxels: it is asked of the body smoothed by this
# share of its largest section's radius, in sections of so many pixels and this share of the largest, and what
# unevenness still takes is allowed: so much over the slices, and so many mm^2 over the squared radius of the (largest)
# section, both at pixels of at most 1.6 mm; coarser ones take more.
SMOOTH_RADII = 0.25
SECTION_PIXELS = 40
SECTION_SHARE = 0.3
SLICE_ROUGHNESS = 0.15
SOLID_ROUGHNESS_MM2 = 0.8
SECTION_ROUGHNESS_MM2 = 0.3
FINE_PIXEL_MM = 1.6
# A third body takes this much more than a second.
SECOND_LOBE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pieces:
    """One component in pieces.

    Attributes
    ----------
    labels
        int32 (k, j, i), 1 to ``count``.
    certainty, max_components
        One for each piece.
    notes
        The criterion, and what it found.
    """

    labels: NDArray[np.int32]
    count: int
    certainty: tuple[Certainty, ...]
    max_components: tuple[int, ...]
    notes: tuple[str, ...] = ()


def separate(mask: NDArray[np.bool_], grid: Grid, settings: MeasureSettings) -> Pieces:
    """Separate a 26-connected component into lesions.

    The distance to the outside has a peak inside each lesion and a saddle in the neck between two; the neck ratio is
    saddle over the lower peak. Basins (watershed of the distance, from its h-maxima) are joined again, widest neck
    first, until every neck is at most ``settings.split_neck_ratio``; how many there still are at
    ``confluent_neck_ratio`` is how many lesions the mask may be. A mask that fills the ellipsoid of its own moments
    is one lesion without further question.

    Parameters
    ----------
    mask
        bool (k, j, i), one component.
    grid
        Of ``mask``.
    """
    whole = Pieces(labels=mask.astype(np.int32), count=1, certainty=(Certainty.CERTAIN,), max_components=(1,))
    if ellipsoid_fill(mask) >= settings.ellipsoid_fill:
        return whole
    basins = _basins(mask, grid)
    possible, _ = _joined(basins, settings.confluent_neck_ratio)
    certain, widest = _joined(basins, settings.split_neck_ratio)
    certain = _stacked(certain, basins)
    if not settings.split_touching:
        certain = np.ones_like(certain)
    groups = np.unique(certain[1:])
    renumber = np.zeros(basins.count + 1, dtype=np.int32)
    renumber[1:] = np.searchsorted(groups, certain[1:]) + 1
    labels = renumber[basins.labels]
    bodies = {int(b): _lobes(possible[basins.labels] == b, grid, settings) for b in np.unique(possible[1:])}
    within = [np.unique(possible[1:][certain[1:] == group]) for group in groups]
    inner = tuple(sum(bodies[int(b)] for b in found) for found in within)
    if len(groups) == 1:
        return whole if inner[0] == 1 else _confluent(whole, inner, inner[0] > len(within[0]), settings)
    note = f"separated from a mask of {len(groups)} touching lesions: necks up to {widest:.2f} of the inner radius"
    return Pieces(
        labels=labels,
        count=len(groups),
        certainty=_certainties(labels, inner, widest <= settings.certain_neck_ratio),
        max_components=inner,
        notes=(note,),
    )


def _confluent(whole: Pieces, inner: tuple[int, ...], lobulated: bool, settings: MeasureSettings) -> Pieces:
    """Say that a mask is kept whole, may be several lesions, and why."""
    why = f"necks up to {settings.confluent_neck_ratio:g} of the inner radius"
    if lobulated:
        why = f"fills less of its ellipsoid than {settings.lobulated_fill:g}"
    note = f"may be up to {inner[0]} lesions: {why}"
    return replace(whole, certainty=(Certainty.CONFLUENT,), max_components=inner, notes=(note,))


def _lobes(mask: NDArray[np.bool_], grid: Grid, settings: MeasureSettings) -> int:
    """Return how many lesions a body between necks may be by how much of its ellipsoid it lacks, at most 3.

    Bodies that overlap deeply leave no neck, but together they fill an ellipsoid worse than one does, and so do their
    sections an ellipse. On one slice nothing is asked: a single outline is no evidence of two bodies without a neck.
    """
    slices = int(np.count_nonzero(mask.any(axis=(1, 2))))
    if slices < 2:
        return 1
    fine, spacing_mm, _ = _refined(mask, grid)
    pixel_mm2 = float(spacing_mm[1:].prod())
    # Squared radius of a circle of the largest section's area.
    radius2_mm2 = float(np.count_nonzero(fine, axis=(1, 2)).max()) * pixel_mm2 / np.pi
    smooth = _smoothed(fine, SMOOTH_RADII * np.sqrt(radius2_mm2) / spacing_mm)
    areas = np.count_nonzero(smooth, axis=(1, 2))
    asked = np.flatnonzero(areas >= max(SECTION_PIXELS, SECTION_SHARE * float(areas.max())))
    coarse = max(pixel_mm2 / FINE_PIXEL_MM**2, 1.0)
    rough_mm2 = coarse * SECTION_ROUGHNESS_MM2
    lacks = [1.0 - _ellipse_fill(smooth[k]) - rough_mm2 * np.pi / (float(areas[k]) * pixel_mm2) for k in asked]
    allowed = coarse * (SLICE_ROUGHNESS / slices + SOLID_ROUGHNESS_MM2 / radius2_mm2)
    lacks.append(1.0 - ellipsoid_fill(smooth) - allowed)
    beyond = max(lacks) - (1.0 - settings.lobulated_fill)
    return 1 if beyond <= 0.0 else 2 if beyond <= SECOND_LOBE else 3


def _smoothed(mask: NDArray[np.bool_], sigma: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return a mask with a smooth outline, of the same volume, padded by what smoothing reaches."""
    padded = np.pad(mask, [(n, n) for n in np.ceil(3.0 * sigma).astype(int)])
    blurred = ndimage.gaussian_filter(padded.astype(np.float32), sigma, truncate=3.0)
    size = np.count_nonzero(mask)
    return np.asarray(blurred >= np.partition(blurred.ravel(), -size)[-size])


def _ellipse_fill(section: NDArray[np.bool_]) -> float:
    """Return the area of a section over that of the ellipse with the same second moments, 1 for any ellipse."""
    index = np.argwhere(section).astype(np.float64)
    centred = index - index.mean(axis=0)
    covariance = centred.T @ centred / len(index) + np.eye(2) / 12.0
    # A solid ellipse with semi-axis a has variance a^2 / 4 along it.
    return float(len(index) / (4.0 * np.pi * np.sqrt(np.linalg.det(covariance))))


def ellipsoid_fill(mask: NDArray[np.bool_]) -> float:
    """Return the volume of a mask over that of the solid ellipsoid with the same second moments.

    1 for any ellipsoid on any grid (the ratio is affine invariant), less for every other solid. Each voxel counts as
    a unit cube (variance 1/12 along each axis), not as a point.
    """
    index = np.argwhere(mask).astype(np.float64)
    centred = index - index.mean(axis=0)
    covariance = centred.T @ centred / len(index) + np.eye(3) / 12.0
    # A solid ellipsoid with semi-axis a has variance a^2 / 5 along it.
    ellipsoid = 4.0 / 3.0 * np.pi * 5.0**1.5 * np.sqrt(np.linalg.det(covariance))
    return float(len(index) / ellipsoid)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Basins:
    """Watershed basins: labels (k, j, i), peak mm by label, saddle mm of each pair that touches."""

    labels: NDArray[np.int32]
    count: int
    peaks_mm: NDArray[np.float64]
    saddles_mm: dict[tuple[int, int], float]


def _basins(mask: NDArray[np.bool_], grid: Grid) -> _Basins:
    """Find the basins of the distance to the outside."""
    pixel_mm = float(grid.spacing_mm[1:].max())
    fine, spacing_mm, between = _refined(mask, grid)
    # From voxel centre to the centre of the nearest voxel outside, less the half voxel to the edge between them.
    distance_mm = ndimage.distance_transform_edt(fine, sampling=spacing_mm) - pixel_mm / 2.0
    distance_mm[~fine] = 0.0
    markers, count = ndimage.label(h_maxima(distance_mm, PEAK_PIXELS * pixel_mm), structure=CONNECTED_26)
    if count < 2:
        return _Basins(labels=mask.astype(np.int32), count=1, peaks_mm=np.zeros(2), saddles_mm={})
    labels = watershed(-distance_mm, markers, mask=fine, connectivity=CONNECTED_26).astype(np.int32)
    peaks = np.zeros(count + 1)
    peaks[1:] = ndimage.maximum(distance_mm, labels, index=np.arange(1, count + 1))
    saddles = _saddles_mm(labels, distance_mm)
    return _Basins(
        labels=labels[between::between, 1:-1, 1:-1][: mask.shape[0]], count=count, peaks_mm=peaks, saddles_mm=saddles
    )


def _refined(mask: NDArray[np.bool_], grid: Grid) -> tuple[NDArray[np.bool_], NDArray[np.float64], int]:
    """Pad a mask by a voxel and put slices between thick ones, by shape (Raya and Udupa, IEEE TMI 9:32-42, 1990).

    Between two slices the outline is where the mean of their signed in-plane distances is 0. Without it the distance
    to the outside would jump by a slice thickness, and necks with it.

    Returns
    -------
    fine
        bool (k', j + 2, i + 2); slice ``between * (k + 1)`` is slice k of the mask.
    spacing_mm
        (3,) of ``fine``.
    between
        Slices of ``fine`` for each of the mask.
    """
    spacing_mm = grid.spacing_mm.copy()
    padded = np.pad(mask, 1)
    between = max(1, int(np.rint(spacing_mm[0] / spacing_mm[1:].max())))
    if between == 1:
        return padded, spacing_mm, 1
    apart = np.array([1e6, *spacing_mm[1:]])
    signed_mm = ndimage.distance_transform_edt(padded, sampling=apart) - ndimage.distance_transform_edt(
        ~padded, sampling=apart
    )
    # A slice beyond the end has no outline of its own: the body ends half-way to it.
    occupied = np.flatnonzero(padded.any(axis=(1, 2)))
    for k in np.setdiff1d(np.arange(padded.shape[0]), occupied):
        signed_mm[k] = -signed_mm[occupied[np.abs(occupied - k).argmin()]].max()
    place = np.arange((padded.shape[0] - 1) * between + 1) / between
    below = np.minimum(place.astype(np.intp), padded.shape[0] - 2)
    share = (place - below)[:, None, None]
    spacing_mm[0] /= between
    return (1.0 - share) * signed_mm[below] + share * signed_mm[below + 1] > 0.0, spacing_mm, between


def _saddles_mm(labels: NDArray[np.int32], distance_mm: NDArray[np.float64]) -> dict[tuple[int, int], float]:
    """Return the height of the pass between each two basins that touch by a face."""
    saddles: dict[tuple[int, int], float] = {}
    for axis in range(3):
        low: tuple[slice, ...] = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        high: tuple[slice, ...] = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        at = np.nonzero((labels[low] != labels[high]) & (labels[low] > 0) & (labels[high] > 0))
        one, other = labels[low][at], labels[high][at]
        height = np.minimum(distance_mm[low][at], distance_mm[high][at])
        pairs = zip(np.minimum(one, other), np.maximum(one, other), height, strict=True)
        for first, second, pass_mm in pairs:
            key = (int(first), int(second))
            saddles[key] = max(saddles.get(key, 0.0), float(pass_mm))
    return saddles


def _joined(basins: _Basins, limit: float) -> tuple[NDArray[np.int32], float]:
    """Join basins whose neck ratio is above ``limit``, widest neck first.

    Returns
    -------
    group
        (count + 1,) the lowest basin number of each basin's group.
    widest
        The largest neck ratio that is left between two groups.
    """
    group = np.arange(basins.count + 1, dtype=np.int32)
    peaks_mm = basins.peaks_mm.copy()
    while True:
        ratios = {
            (int(group[a]), int(group[b])): saddle / max(min(peaks_mm[group[a]], peaks_mm[group[b]]), 1e-9)
            for (a, b), saddle in sorted(basins.saddles_mm.items(), key=lambda item: item[1])
            if group[a] != group[b]
        }
        if not ratios:
            return group, 0.0
        (one, other), widest = max(ratios.items(), key=lambda item: (item[1], (-item[0][0], -item[0][1])))
        if widest <= limit:
            return group, float(widest)
        keep, lose = min(one, other), max(one, other)
        peaks_mm[keep] = max(peaks_mm[keep], peaks_mm[lose])
        group[group == lose] = keep


def _stacked(group: NDArray[np.int32], basins: _Basins) -> NDArray[np.int32]:
    """Join groups that touch and of which each lies on one slice, another one each.

    Between two slices there is no outline: a neck there comes of putting slices between, and tells nothing of what is
    thinner than the slices. Such a mask is one lesion, maybe two.
    """
    joined = group.copy()
    slices = {
        int(one): np.unique(np.nonzero(np.isin(basins.labels, np.flatnonzero(group == one)))[0])
        for one in np.unique(group[1:])
    }
    for a, b in sorted(basins.saddles_mm):
        one, other = slices[int(group[a])], slices[int(group[b])]
        if group[a] != group[b] and max(len(one), len(other)) <= 1 and not np.array_equal(one, other):
            low, high = sorted((int(joined[a]), int(joined[b])))
            joined[joined == high] = low
    return joined


def _certainties(labels: NDArray[np.int32], inner: tuple[int, ...], sure: bool) -> tuple[Certainty, ...]:
    """Grade the pieces: where the necks are not narrow enough to be sure, only the largest is certain to be one."""
    largest = int(np.argmax(np.bincount(labels.ravel())[1:]))
    return tuple(
        Certainty.CONFLUENT if several > 1 else Certainty.CERTAIN if sure or number == largest else Certainty.PROBABLE
        for number, several in enumerate(inner)
    )
