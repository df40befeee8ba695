"""What is to be simulated with images, and on which grids it is scanned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from lesiontrack.domain.geometry import Grid

__all__ = ["ImagedPlan", "scan_grid"]

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagedPlan:
    """What to simulate.

    Attributes
    ----------
    n, apart_mm, radii_mm
        Lesions at the first visit, least distance of their centres, range of their mean radii.
    looks
        Names in ``LOOKS``, one for each visit.
    slices_mm
        To be drawn from.
    breathing_mm, turn_deg, bend_mm
        Range of the liver's own shift along the body; standard deviations of its turn and of the spline's knots.
    growth
        Standard deviation of the logarithm of a lesion's growth from visit to visit.
    unmarked
        Visits whose segmentation marks no liver.
    outline_mm
        Standard deviation of the unevenness of drawn outlines.
    grids
        How a scan's axes lie, to be drawn from: ``axial``; ``oblique``, turned by up to 12 degrees about each axis;
        ``coronal`` slices; ``flipped``, axes run backwards; ``tilted``, a gantry's 8 to 20 degrees: a sheared grid.
    splits, merges
        Long lesions that fall into two at some visit, and two that flow into a long one.
    """

    n: int
    looks: tuple[str, ...] = ("portal", "portal")
    apart_mm: float = 16.0
    radii_mm: tuple[float, float] = (4.0, 12.0)
    slices_mm: tuple[float, ...] = (1.0, 2.5, 5.0)
    pixel_mm: float = 1.6
    breathing_mm: tuple[float, float] = (3.0, 12.0)
    turn_deg: float = 2.0
    bend_mm: float = 5.0
    growth: float = 0.14
    vanish: float = 0.08
    new: float = 0.08
    missed: float = 0.0
    cut_views: bool = False
    resected_at: int | None = None
    unmarked: tuple[int, ...] = ()
    outline_mm: float = 0.5
    grids: tuple[str, ...] = ("axial",)
    splits: int = 0
    merges: int = 0

    @property
    def visits(self) -> int:
        """How many visits."""
        return len(self.looks)


def scan_grid(rng: np.random.Generator, plan: ImagedPlan, at: Points) -> Grid:
    """Return a scan's grid: liver and some of the body; now and then a field of view that cuts the liver.

    Parameters
    ----------
    at
        (n, 3) LPS mm, points all over the liver.
    """
    around = np.array([35.0, 30.0, 0.0])
    low, high = at.min(axis=0) - around, at.max(axis=0) + around
    low[2], high[2] = low[2] - rng.uniform(10, 50), high[2] + rng.uniform(10, 40)
    if plan.cut_views and rng.random() < 0.5:
        cut = rng.uniform(0.06, 0.22) * (at[:, 2].max() - at[:, 2].min())
        if rng.random() < 0.5:
            high[2] = at[:, 2].max() - cut
        else:
            low[2] = at[:, 2].min() + cut
    steps, box = _axes(rng, plan), high - low
    # As many voxels along each axis as take in the whole box, whichever way the axes run.
    across = np.abs(np.linalg.inv(steps.T)) @ box
    size = np.maximum(np.floor(across).astype(int), 3)
    origin = (low + high) / 2 - ((size - 1) / 2.0) @ steps
    return Grid.from_axes(shape=(int(size[0]), int(size[1]), int(size[2])), origin_lps_mm=origin, steps_lps_mm=steps)


def _axes(rng: np.random.Generator, plan: ImagedPlan) -> Points:
    """Return the steps (3, 3) from slice to slice, row to row and column to column."""
    kind, slice_mm = str(rng.choice(plan.grids)), float(rng.choice(plan.slices_mm))
    steps = np.array([[0, 0, slice_mm], [0, plan.pixel_mm, 0], [plan.pixel_mm, 0, 0]], dtype=np.float64)
    if kind == "oblique":
        steps = steps @ Rotation.from_euler("xyz", rng.uniform(-12, 12, 3), degrees=True).as_matrix().T
    elif kind == "coronal":
        steps = np.array([[0, slice_mm, 0], [0, 0, -plan.pixel_mm], [plan.pixel_mm, 0, 0]])
    elif kind == "flipped":
        steps *= rng.choice([-1.0, 1.0], (3, 1))
    elif kind == "tilted":
        steps[0, 1] = slice_mm * np.tan(np.radians(rng.uniform(8, 20) * rng.choice([-1.0, 1.0])))
    return steps
