"""The interior of the liver by elastix: an extra, for those who have the processor time and 1.6 GB of disk.

Klein et al. 2010, IEEE TMI 29:196-205. Follow-up fixed, so that only tissue that still exists is asked for its place.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.align.grids import composed, lattice_over, points_of
from lesiontrack.align.prepare import Prepared
from lesiontrack.domain.geometry import Grid, Transform
from lesiontrack.errors import SettingsError

__all__ = ["follow_by_elastix", "require_elastix"]

_MASK_MM = 8.0
_CONTROL_MM = 9.0
_SAMPLES = 6000
_SPLINE_MM = 30.0
_SEED = 121212
_STAGES = (("rigid", "EulerTransform", (8, 4, 2)), ("affine", "AffineTransform", (4, 2)), ("bspline", "", (4, 2, 1)))


def follow_by_elastix(
    earlier: Prepared, later: Prepared, start: Transform, *, iterations: int = 150, stages: int = 3
) -> Transform | None:
    """Refine a map of the later scan's points to the earlier's by Mattes mutual information: rigid, affine, B-spline.

    Parameters
    ----------
    iterations
        Of the optimiser at each resolution.

    Returns
    -------
    Transform
        None without a liver in the later scan, or where either image shows nothing.

    Raises
    ------
    SettingsError
        If itk-elastix is not installed.
    """
    if later.distance_mm is None or not later.image.any() or not earlier.image.any():
        return None
    require_elastix()
    import itk

    there = start.apply(points_of(later.grid))
    index = np.moveaxis(earlier.grid.to_index(there), -1, 0)
    moving = ndimage.map_coordinates(
        earlier.image.astype(np.float32), index, order=1, mode="nearest", output=np.float32
    )
    fixed = later.image.astype(np.float32)
    mask = (later.distance_mm < _MASK_MM).astype(np.uint8)
    field = _field(itk, (fixed, moving, mask), later.grid, iterations, _STAGES[:stages])
    lattice = lattice_over(later.grid, _CONTROL_MM)
    at = np.moveaxis(later.grid.to_index(points_of(lattice)), -1, 0)
    moved = [ndimage.map_coordinates(field[..., axis], at, order=1, mode="nearest") for axis in range(3)]
    return composed(start, lattice, np.stack(moved, axis=-1).astype(np.float32))


def require_elastix() -> None:
    """Raise a SettingsError that names the extra when itk-elastix is not installed; nothing is imported yet."""
    try:
        version("itk-elastix")
    except PackageNotFoundError as error:
        raise SettingsError(
            'align.engine = "elastix" needs the extra: pip install "lesiontrack-crlm[elastix]"',
            found="itk-elastix is not installed",
        ) from error


def _image(itk: Any, values: NDArray[Any], grid: Grid) -> Any:
    """Wrap an array; working grids lie along the LPS axes."""
    image = itk.image_view_from_array(np.ascontiguousarray(values))
    image.SetSpacing([float(grid.spacing_mm[axis]) for axis in (2, 1, 0)])
    image.SetOrigin([float(x) for x in grid.origin_lps_mm])
    return image


def _parameters(itk: Any, iterations: int, stages: tuple[tuple[str, str, tuple[int, ...]], ...]) -> Any:
    found = itk.ParameterObject.New()
    for name, transform, shrink in stages:
        values = found.GetDefaultParameterMap(name, len(shrink), _SPLINE_MM)
        changed = {
            "Metric": ["AdvancedMattesMutualInformation"],
            "Registration": ["MultiResolutionRegistration"],
            "MaximumNumberOfIterations": [str(iterations)],
            "NumberOfSpatialSamples": [str(_SAMPLES)],
            "NewSamplesEveryIteration": ["true"],
            "ImageSampler": ["RandomCoordinate"],
            "RandomSeed": [str(_SEED)],
            "ImagePyramidSchedule": [str(s) for s in shrink for _ in range(3)],
            "AutomaticTransformInitialization": ["false"],
            "WriteResultImage": ["false"],
            "ErodeMask": ["false"],
        }
        for key, value in changed.items():
            values[key] = value
        if transform:
            values["Transform"] = [transform]
        found.AddParameterMap(values)
    return found


def _field(
    itk: Any,
    images: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]],
    grid: Grid,
    iterations: int,
    stages: tuple[tuple[str, str, tuple[int, ...]], ...],
) -> NDArray[np.float32]:
    """Return the displacement (k, j, i, 3), LPS mm, on the grid."""
    fixed, moving, mask = (_image(itk, values, grid) for values in images)
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(1)
    _, transform = itk.elastix_registration_method(
        fixed,
        moving,
        parameter_object=_parameters(itk, iterations, stages),
        fixed_mask=mask,
        log_to_console=False,
        number_of_threads=1,
    )
    # It writes the field as a file besides returning it.
    with tempfile.TemporaryDirectory() as folder:
        moved = itk.transformix_deformation_field(moving, transform, output_directory=folder)
        return np.array(itk.array_from_image(moved), dtype=np.float32)
