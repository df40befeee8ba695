"""Whether a volume file says where it lies in the patient, in millimetres and without contradicting itself.

The libraries that read these files fill in what is missing, prefer one of two contradicting answers, and take any unit
for millimetres, without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lesiontrack.errors import GeometryError

__all__ = ["require_nifti_space", "require_space"]

# Of two transforms of one file; rounding of quaternions is far less.
_TOLERANCE_MM = 0.5
# NIfTI-1 header, xyzt_units: the lowest three bits.
_OTHER_UNITS = {1: "metres", 3: "micrometres"}
_LARGEST_HEADER_BYTES = 2**20
_META_PLACE = (("TransformMatrix", "Rotation", "Orientation"), ("Offset", "Position", "Origin"))


def require_nifti_space(image: Any) -> None:
    """Refuse a NIfTI image (nibabel's) without a patient space, in another unit than mm, or with two that disagree.

    Raises
    ------
    GeometryError
        If there is no one answer.
    """
    header = image.header
    known = [name for name in ("sform", "qform") if int(header[f"{name}_code"]) > 0]
    if not known:
        raise GeometryError("no patient space: neither sform nor qform is set")
    unit = int(header["xyzt_units"]) & 7
    if unit in _OTHER_UNITS:
        raise GeometryError("patient space in another unit", found=_OTHER_UNITS[unit], expected="mm")
    if len(known) == 2:
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in image.shape[:3]])).reshape(3, -1)
        # Impossible numbers are refused where the affine is used.
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs((header.get_sform() - header.get_qform())[:3] @ np.vstack([corners, np.ones(8)])).max()
        if apart > _TOLERANCE_MM:
            raise GeometryError("sform and qform disagree", found=f"{apart:.2f} mm", expected=f"{_TOLERANCE_MM} mm")


def require_space(path: Path, told: Mapping[str, str]) -> None:
    """Refuse a NRRD or MetaImage file without a patient space, or in another unit than mm.

    Parameters
    ----------
    told
        ITK's dictionary of the header: ITK turns every space that it knows into LPS and leaves others as they are.

    Raises
    ------
    GeometryError
        If there is no patient space, or not in mm.
    """
    if path.suffix.lower() in (".nrrd", ".nhdr"):
        space = told.get("NRRD_space")
        if space is None:
            raise GeometryError("no patient space: the NRRD header names none")
        if space != "left-posterior-superior":
            raise GeometryError("no patient space", found=space, expected="RAS, LAS or LPS")
        units = _fields(path, ":").get("space units", "")
        if units.replace('"', " ").split() not in ([], ["mm"] * 3):
            raise GeometryError("patient space in another unit", found=units, expected="mm")
    if path.suffix.lower() in (".mha", ".mhd"):
        fields = _fields(path, "=")
        if not all(any(name in fields for name in names) for names in _META_PLACE):
            raise GeometryError("no patient space: the MetaImage header has no matrix or no offset")


def _fields(path: Path, separator: str) -> dict[str, str]:
    """Return the lines of a header as name and value; it ends with an empty line or where the data starts."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        lines = file.read(_LARGEST_HEADER_BYTES).split(b"\n")
    for line in lines:
        name, found, value = line.decode("latin-1").strip().partition(separator)
        if not name:
            break
        if found:
            fields[name.strip()] = value.strip()
        if name.strip() == "ElementDataFile":
            break
    return fields
