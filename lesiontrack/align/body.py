"""The whole body, rigidly: for what lies outside the liver, and where a liver is not marked."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from lesiontrack.align.prepare import Prepared

__all__ = ["fit_body"]

Points = NDArray[np.float64]

_BINS = 32
_SEED = 1


def fit_body(earlier: Prepared, later: Prepared, start: Points | None) -> tuple[Points, float]:
    """Fit the later scan rigidly to the earlier by mutual information of the coarse whole-body images.

    Parameters
    ----------
    start
        (4, 4) rigid map later to earlier to begin with, or None: the scans' own coordinates and, as a second try,
        their centres. The better one is kept.

    Returns
    -------
    affine, metric
        (4, 4) later LPS mm to earlier LPS mm; Mattes mutual information reached (Mattes et al. 2003, IEEE TMI
        22:120-128), negative, lower is better.
    """
    fixed, moving = _image(later), _image(earlier)
    centre = later.body_grid.to_lps_mm((np.array(later.body_grid.shape) - 1) / 2.0)
    goal = earlier.body_grid.to_lps_mm((np.array(earlier.body_grid.shape) - 1) / 2.0)
    starts = [start] if start is not None else [np.eye(4), _shift(goal - centre)]
    if start is None and np.linalg.norm(goal - centre) < 5.0:
        starts = starts[:1]
    results = [_register(fixed, moving, centre, one) for one in starts]
    return min(results, key=lambda result: result[1])


def _shift(shift_mm: Points) -> Points:
    affine = np.eye(4)
    affine[:3, 3] = shift_mm
    return affine


def _image(prepared: Prepared) -> sitk.Image:
    """Return the coarse body as a SimpleITK image; its grid lies along the LPS axes, so the direction is identity."""
    image = sitk.GetImageFromArray(prepared.body.astype(np.float32))
    image.SetSpacing([float(prepared.body_grid.spacing_mm[axis]) for axis in (2, 1, 0)])
    image.SetOrigin([float(x) for x in prepared.body_grid.origin_lps_mm])
    return image


def _register(fixed: sitk.Image, moving: sitk.Image, centre: Points, start: Points) -> tuple[Points, float]:
    transform = sitk.Euler3DTransform()
    transform.SetCenter([float(x) for x in centre])
    transform.SetMatrix([float(x) for x in start[:3, :3].ravel()], 1e-6)
    transform.SetTranslation([float(x) for x in start[:3, :3] @ centre + start[:3, 3] - centre])
    method = sitk.ImageRegistrationMethod()
    # One thread: sums over threads would differ in the last digits with the number of cores.
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.25, _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(4.0, 0.02, 60, relaxationFactor=0.5)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([8.0, 3.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:
        # The images do not overlap from this start: the start itself is the answer, at the worst metric.
        return start, 0.0
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = np.array(transform.GetTranslation()) + centre - matrix @ centre
    return affine, float(method.GetMetricValue())
