"""Label maps: NIfTI, NRRD and MetaImage by value, 3D Slicer's ``.seg.nrrd`` by name, and folders of single masks.

Beside a volume ``NAME.nii.gz`` lie ``NAME_seg.nii.gz``, ``NAME.seg.nrrd``, or a folder ``NAME_seg/`` with one mask for
each structure, named by its file (the output folder of TotalSegmentator). Segment names and layers of
``.seg.nrrd`` are those of 3D Slicer's documentation, "Segmentations: segmentation file (.seg.nrrd) format".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, SegmentKind
from lesiontrack.errors import ImageError, SegmentationError
from lesiontrack.io.headers import Header
from lesiontrack.io.nifti import in_mask_folder, layout_header, problem_of, read_array, read_layers
from lesiontrack.io.placing import Mark, voxels_on
from lesiontrack.io.settings import LabelSettings, Meaning

__all__ = [
    "LabelMap",
    "contents_of_map",
    "grid_of_map",
    "is_single_mask",
    "marks_of_map",
    "read_label_map",
    "read_map_header",
]

# In place of a value: every voxel above zero is the structure that the file is named after.
_WHOLE_FILE = ""
# The largest value that NIfTI's and NRRD's signed integers hold; nobody numbers lesions higher.
_LARGEST_LABEL = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelMap:
    """A label map as it is stored.

    Attributes
    ----------
    layers
        One or more arrays (k, j, i) of whole numbers, 0 for background; segments that overlap are in different layers.
    names
        The name of a segment by layer and value; empty where the file names none.
    structure
        Of a mask in a folder: the structure that its file is named after; else empty.
    """

    grid: Grid
    layers: tuple[NDArray[Any], ...]
    names: Mapping[tuple[int, int], str]
    structure: str = ""

    def segments(self) -> tuple[tuple[int, int, str], ...]:
        """Return (layer, value, name) of every segment that is named or has a voxel."""
        found = dict(self.names)
        for number, layer in enumerate(self.layers):
            for value in np.unique(layer).tolist():
                if value != 0:
                    found.setdefault((number, int(value)), "")
        return tuple((layer, value, name) for (layer, value), name in sorted(found.items()))


def read_label_map(path: Path | str) -> LabelMap:
    """Read a label map.

    Raises
    ------
    ImageError
        If the file is damaged, holds values that are no whole numbers, or, in a folder of masks, several values.
    """
    path = Path(path)
    if path.suffix.lower() == ".nrrd":
        grid, layers, header = read_layers(path)
        names = _segment_names(header)
    else:
        grid, array = read_array(path)
        layers, names = (array,), {}
    for layer in layers:
        if not _holds_labels(layer):
            raise ImageError(
                "a label map holds values that are no labels", file=str(path), expected="whole numbers from 0 up"
            )
    structure = _stem(path) if in_mask_folder(path) else ""
    found = LabelMap(grid=grid, layers=layers, names={} if structure else names, structure=structure)
    if structure and len(found.segments()) > 1:
        raise ImageError(
            "a file in a folder of masks marks one structure, with one value",
            file=str(path),
            found=f"values {', '.join(str(value) for _, value, _ in found.segments()[:8])}",
            expected="0 and 1; a map of several values goes beside its volume as NAME_seg",
        )
    return found


def _holds_labels(layer: NDArray[Any]) -> bool:
    """Tell whether every value is a whole number from 0 to the largest label there is; NaN and infinities are none."""
    if layer.size == 0:
        return True
    low, high = layer.min(), layer.max()
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > _LARGEST_LABEL:
        return False
    return bool(np.issubdtype(layer.dtype, np.integer) or np.array_equal(layer, np.rint(layer)))


def _stem(path: Path) -> str:
    return path.name.split(".", 1)[0]


def _segment_names(header: Mapping[str, str]) -> dict[tuple[int, int], str]:
    """Return segment names by layer and value; files before Slicer 4.11 give each segment a layer of its own."""
    names: dict[tuple[int, int], str] = {}
    number = 0
    while (name := header.get(f"Segment{number}_Name")) is not None:
        try:
            layer = int(header.get(f"Segment{number}_Layer", number))
            value = int(header.get(f"Segment{number}_LabelValue", 1))
        except ValueError as error:
            raise ImageError("a segment's layer or value is no number", found=f"segment {number}") from error
        names[(layer, value)] = name.strip()
        number += 1
    return names


def read_map_header(path: Path) -> Header:
    """Catalogue one label map: whose it is, on which grid, and the values and names that it holds."""
    known = layout_header(path, "label map")
    if known.problem:
        return known
    try:
        found = read_label_map(path)
    except ImageError as error:
        return replace(known, problem=problem_of(error))
    segments = ((0, _WHOLE_FILE, found.structure),) if found.structure else found.segments()
    return replace(
        known,
        sop_instance_uid=known.series_uid,
        contents=(
            tuple(str(value) for _, value, _ in segments),
            tuple(str(n) for n in found.grid.shape),
            tuple(repr(float(a)) for a in found.grid.affine.ravel()),
            tuple(name for _, _, name in segments),
        ),
        source=(path.name,) if not found.structure else (path.parent.name, path.name),
        slice_thickness_mm=float(found.grid.spacing_mm[0]),
    )


def grid_of_map(header: Header) -> Grid:
    """Return the grid that the catalogue keeps of a label map."""
    k, j, i = (int(value) for value in header.contents[1])
    return Grid(shape=(k, j, i), affine=np.array([float(value) for value in header.contents[2]]).reshape(4, 4))


def is_single_mask(header: Header) -> bool:
    """Tell whether a label map is one of a folder of masks."""
    return header.kind == "label map" and in_mask_folder(Path(header.path))


def contents_of_map(header: Header, labels: LabelSettings) -> frozenset[tuple[SegmentKind, str | None]]:
    """Return the kinds, and sites of lesions, that a label map marks; empty when it marks nothing of interest."""
    if not header.contents:
        return frozenset()
    meanings = (_meaning(value, name, labels) for value, name in zip(header.contents[0], header.contents[3]))
    return frozenset((meaning[0], meaning[1]) for meaning in meanings if meaning is not None)


def _meaning(value: str, name: str, labels: LabelSettings) -> Meaning | None:
    if value == _WHOLE_FILE:
        return labels.meaning_of_pattern(name)
    return labels.meaning_of_label(int(value), name) if int(value) > 0 else None


def marks_of_map(file: str, grid: Grid, labels: LabelSettings) -> tuple[tuple[Mark, ...], tuple[str, ...]]:
    """Read what a label map marks, brought onto a volume's grid; and notes.

    Raises
    ------
    SegmentationError
        Without ``[labels]``, off the volume, or when it holds labels but none that ``[labels]`` names.
    """
    if not labels.is_set:
        raise SegmentationError("a label map needs [labels] to say what its values mean", file=file)
    found = read_label_map(file)
    if found.structure:
        return _single_mark(found, file, grid, labels)
    marks, notes = [], []
    for layer, value, name in found.segments():
        meaning = _meaning(str(value), name, labels)
        if meaning is None:
            continue
        voxels, note = voxels_on(grid, found.grid, found.layers[layer] == value)
        notes += [note] if note else []
        marks.append(_mark(name or str(value), meaning, voxels))
    held = [name or str(value) for _, value, name in found.segments()]
    if not marks and (labels.names_liver or held):
        raise SegmentationError(
            "the label map holds no label that [labels] names", file=file, found=f"[{', '.join(held[:20])}]"
        )
    return tuple(marks), tuple(dict.fromkeys(notes))


def _single_mark(
    found: LabelMap, file: str, grid: Grid, labels: LabelSettings
) -> tuple[tuple[Mark, ...], tuple[str, ...]]:
    meaning = labels.meaning_of_pattern(found.structure)
    if meaning is None:
        raise SegmentationError("[labels] does not name this structure", file=file, found=found.structure)
    voxels, note = voxels_on(grid, found.grid, found.layers[0] > 0)
    return (_mark(found.structure, meaning, voxels),), ((note,) if note else ())


def _mark(name: str, meaning: Meaning, voxels: NDArray[np.intp]) -> Mark:
    kind, site, single = meaning
    return Mark(name=name, kind=kind, site=site, single=single, voxels=voxels)
