"""NIfTI, NRRD and MetaImage: patient spaces that are odd, missing or contradict themselves; files cut short."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from tests.io.hard_cases.case import Cases
from tests.io.making import PER_MM, Maker

CASES = Cases()
SHAPE = (14, 12, 8)
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def _affine(
    columns: Sequence[Sequence[float]] = ((2, 0, 0), (0, 2, 0), (0, 0, 5)),
    origin: Sequence[float] = (-10.0, -20.0, -30.0),
) -> NDArray[np.float64]:
    """Return (i, j, k) to LPS mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(columns, dtype=float).T
    affine[:3, 3] = origin
    return affine


def _values(m: Maker, affine: NDArray[np.float64]) -> NDArray[np.int16]:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), axis=-1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    return np.rint(points[..., m.axis] * PER_MM).astype(np.int16)


def _place(m: Maker, name: str) -> Path:
    folder = m.folder / "S1" / "2020-01-06"
    folder.mkdir(parents=True)
    return folder / name


def _nifti(m: Maker, affine: NDArray[np.float64] | None = None, *, name: str = "ct.nii.gz", **how: Any) -> Path:
    """Write a NIfTI file; ``how``: sform, qform (affines to LPS, or None for unset), values."""
    true = _affine() if affine is None else affine
    image = nibabel.Nifti1Image(how.get("values", _values(m, true)), _LPS @ true)
    for form, setter in (("sform", image.set_sform), ("qform", image.set_qform)):
        wanted = how.get(form, true)
        setter(None if wanted is None else _LPS @ wanted, code=0 if wanted is None else 1)
    if "units" in how:
        image.header.set_xyzt_units(how["units"])
    path = _place(m, name)
    nibabel.save(image, path)
    return path


def _itk(m: Maker, name: str, affine: NDArray[np.float64] | None = None) -> Path:
    true = _affine() if affine is None else affine
    image = sitk.GetImageFromArray(_values(m, true).transpose(2, 1, 0))
    spacing = np.linalg.norm(true[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((true[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(true[:3, 3].tolist())
    path = _place(m, name)
    sitk.WriteImage(image, str(path))
    return path


_TURN = ((1.6, 1.2, 0), (-1.2, 1.6, 0), (0, 0, 5))
_LEFT_HANDED = ((-2, 0, 0), (0, 2, 0), (0, 0, 5))
_SAGITTAL = ((0, 2, 0), (0, 0, -2), (5, 0, 0))
_SHEARED = ((2, 0, 0), (0, 2, 0), (0, 1.2, 5))


@CASES.case()
def nifti_turned(m: Maker) -> None:
    _nifti(m, _affine(_TURN))


@CASES.case()
def nifti_left_handed(m: Maker) -> None:
    _nifti(m, _affine(_LEFT_HANDED))


@CASES.case()
def nifti_sagittal(m: Maker) -> None:
    _nifti(m, _affine(_SAGITTAL))


@CASES.case()
def nifti_sheared(m: Maker) -> None:
    _nifti(m, _affine(_SHEARED), qform=None)


@CASES.case()
def nifti_qform_alone(m: Maker) -> None:
    _nifti(m, _affine(_TURN), sform=None)


@CASES.case(refused="sform and qform")
def nifti_sform_and_qform_disagree(m: Maker) -> None:
    _nifti(m, qform=_affine(origin=(-10, -20, -20)))


@CASES.case()
def nifti_sform_and_qform_agree_but_for_rounding(m: Maker) -> None:
    _nifti(m, qform=_affine(origin=(-10.01, -20, -30)))


@CASES.case(refused="neither sform nor qform")
def nifti_without_a_patient_space(m: Maker) -> None:
    _nifti(m, sform=None, qform=None)


@CASES.case(refused="patient space|without volume")
def nifti_affine_of_zeros(m: Maker) -> None:
    path = _nifti(m, qform=None, name="ct.nii")
    content = bytearray(path.read_bytes())
    content[280:328] = bytes(48)
    path.write_bytes(content)


@CASES.case(refused="patient space")
def nifti_affine_that_is_no_number(m: Maker) -> None:
    path = _nifti(m, qform=None, name="ct.nii")
    content = bytearray(path.read_bytes())
    content[280:284] = np.float32(np.nan).tobytes()
    path.write_bytes(content)


@CASES.case(refused="unit")
def nifti_in_metres(m: Maker) -> None:
    small = _affine(((0.002, 0, 0), (0, 0.002, 0), (0, 0, 0.005)), (-0.01, -0.02, -0.03))
    _nifti(m, small, values=_values(m, _affine()), units="meter")


@CASES.case(refused="not a volume")
def nifti_of_three_phases(m: Maker) -> None:
    values = _values(m, _affine())
    _nifti(m, values=np.stack([values, values + 100, values + 200], axis=-1))


@CASES.case()
def nifti_of_one_phase_in_four_axes(m: Maker) -> None:
    _nifti(m, values=_values(m, _affine())[..., None])


def _scale(m: Maker, slope: float, intercept: float, values: NDArray[np.int16]) -> None:
    path = _nifti(m, values=values, name="ct.nii")
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([slope, intercept], dtype=np.float32).tobytes()
    path.write_bytes(content)


@CASES.case()
def nifti_slope_zero_means_none(m: Maker) -> None:
    _scale(m, 0, 0, _values(m, _affine()))


@CASES.case()
def nifti_slope_zero_with_an_intercept_means_none(m: Maker) -> None:
    _scale(m, 0, -1024, _values(m, _affine()))


@CASES.case()
def nifti_slope_and_intercept(m: Maker) -> None:
    _scale(m, 2, -1000, ((_values(m, _affine()).astype(int) + 1000) / 2).astype(np.int16))


@CASES.case()
def nifti_slope_that_is_no_number_means_none(m: Maker) -> None:
    _scale(m, float("nan"), 0, _values(m, _affine()))


@CASES.case(refused="truncated|damaged")
def nifti_cut_short(m: Maker) -> None:
    path = _nifti(m, name="ct.nii")
    path.write_bytes(path.read_bytes()[:-300])


@CASES.case(refused="truncated|damaged")
def nifti_packed_and_cut_short(m: Maker) -> None:
    path = _nifti(m)
    path.write_bytes(path.read_bytes()[:-60])


@CASES.case(refused="truncated|damaged")
def nifti_cut_short_then_packed(m: Maker) -> None:
    path = _nifti(m)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-300]))


@CASES.case()
def nifti_big_endian(m: Maker) -> None:
    affine = _affine()
    header = nibabel.Nifti1Header(endianness=">")
    image = nibabel.Nifti1Image(_values(m, affine).astype(">i2"), _LPS @ affine, header)
    nibabel.save(image, _place(m, "ct.nii"))


@CASES.case()
def nifti_2(m: Maker) -> None:
    nibabel.save(nibabel.Nifti2Image(_values(m, _affine()), _LPS @ _affine()), _place(m, "ct.nii.gz"))


@CASES.case(refused="not one number for each voxel")
def nifti_in_colour(m: Maker) -> None:
    values = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(values, _LPS @ _affine()), _place(m, "ct.nii.gz"))


def _nrrd(m: Maker, space: str, signs: Sequence[int], *, extra: str = "", cut: int = 0) -> None:
    """Write a NRRD by hand: the affine of the plain case, in another space."""
    lines = [
        f"space: {space}" if space else "",
        "space directions: "
        + " ".join(
            f"({','.join(str(v * s) for v, s in zip(step, signs))})" for step in ((2, 0, 0), (0, 2, 0), (0, 0, 5))
        ),
        f"space origin: ({','.join(str(v * s) for v, s in zip((-10, -20, -30), signs))})",
    ]
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 14 12 8\nendian: little\nencoding: raw\n"
    text = head + "".join(f"{line}\n" for line in lines if line) + extra + "\n"
    content = text.encode() + _values(m, _affine()).transpose(2, 1, 0).tobytes()
    _place(m, "ct.nrrd").write_bytes(content[: len(content) - cut])


@CASES.case()
def nrrd_lps(m: Maker) -> None:
    _nrrd(m, "left-posterior-superior", (1, 1, 1))


@CASES.case()
def nrrd_ras(m: Maker) -> None:
    _nrrd(m, "right-anterior-superior", (-1, -1, 1))


@CASES.case()
def nrrd_ras_in_letters(m: Maker) -> None:
    _nrrd(m, "RAS", (-1, -1, 1))


@CASES.case()
def nrrd_las(m: Maker) -> None:
    _nrrd(m, "left-anterior-superior", (1, -1, 1))


@CASES.case(refused="patient space")
def nrrd_in_the_scanners_space(m: Maker) -> None:
    _nrrd(m, "scanner-xyz", (1, 1, 1))


@CASES.case(refused="unit")
def nrrd_in_metres(m: Maker) -> None:
    _nrrd(m, "left-posterior-superior", (1, 1, 1), extra='space units: "m" "m" "m"\n')


@CASES.case()
def nrrd_in_millimetres_by_name(m: Maker) -> None:
    _nrrd(m, "left-posterior-superior", (1, 1, 1), extra='space units: "mm" "mm" "mm"\n')


@CASES.case(refused="truncated|damaged")
def nrrd_cut_short(m: Maker) -> None:
    _nrrd(m, "left-posterior-superior", (1, 1, 1), cut=300)


@CASES.case()
def nrrd_packed_left_handed(m: Maker) -> None:
    _itk(m, "ct.nrrd", _affine(_LEFT_HANDED))


@CASES.case()
def nrrd_sheared(m: Maker) -> None:
    _itk(m, "ct.nrrd", _affine(_SHEARED))


@CASES.case()
def mha_turned(m: Maker) -> None:
    _itk(m, "ct.mha", _affine(_TURN))


@CASES.case()
def mha_sheared(m: Maker) -> None:
    _itk(m, "ct.mha", _affine(_SHEARED))


@CASES.case()
def mhd_with_its_data_beside_it(m: Maker) -> None:
    _itk(m, "ct.mhd", _affine(_LEFT_HANDED))


@CASES.case(refused="truncated|damaged")
def mha_cut_short(m: Maker) -> None:
    path = _itk(m, "ct.mha")
    path.write_bytes(path.read_bytes()[:-300])


@CASES.case(refused="truncated|damaged")
def mha_packed_and_cut_short(m: Maker) -> None:
    path = _itk(m, "ct.mha")
    sitk.WriteImage(sitk.ReadImage(str(path)), str(path), useCompression=True)
    path.write_bytes(path.read_bytes()[:-60])


@CASES.case(refused="damaged")
def mhd_without_its_data(m: Maker) -> None:
    path = _itk(m, "ct.mhd")
    path.with_suffix(".raw").unlink()


@CASES.case(refused="patient space")
def mha_without_a_patient_space(m: Maker) -> None:
    path = _itk(m, "ct.mha")
    head, _, data = path.read_bytes().partition(b"ElementDataFile")
    kept = [line for line in head.splitlines() if not line.startswith((b"TransformMatrix", b"Offset"))]
    path.write_bytes(b"\n".join(kept) + b"\nElementDataFile" + data)
