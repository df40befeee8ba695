"""DICOM Segmentation objects: binary, fractional and label map, frame by frame onto the image they segment."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lesiontrack.domain.geometry import Grid, SegmentKind, Volume
from lesiontrack.errors import SegmentationError
from lesiontrack.io.codes import own_components
from lesiontrack.io.dataset import frame_count, items, numbers, read_dataset, text
from lesiontrack.io.dicom import frames_of
from lesiontrack.io.headers import planes_of, read_header
from lesiontrack.io.placing import LATTICE_TOLERANCE_VOXELS, Mark, flat, require_inside, same_lattice, voxels_on
from lesiontrack.io.settings import LabelSettings
from lesiontrack.io.sites import meaning_of_segment

__all__ = ["marks_of_seg", "segment_voxels"]

# A frame that names its source image must lie where that image lies.
_MISPLACED_MM = 0.5

Pixels = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Frame:
    """One frame: where it lies, the image it was drawn on, and its segment (None in a label map)."""

    number: int
    affine: NDArray[np.float64]
    segment: int | None
    sources: tuple[str, ...]


def marks_of_seg(
    file: str, volume: Volume, frame_of_reference_uid: str, threshold: float, labels: LabelSettings
) -> tuple[tuple[Mark, ...], tuple[str, ...]]:
    """Read the segments of interest of a SEG onto the grid of the volume it segments.

    Parameters
    ----------
    threshold
        Share of a fractional segment's maximum from which a voxel is marked.

    Returns
    -------
    marks
        One for each segment of interest, those without a voxel included.
    notes
        What was mended or decided.

    Raises
    ------
    SegmentationError
        If its frames do not lie on the image, or nothing in it is of interest.
    """
    segments = {int(entry[0]): entry for entry in read_header(file).contents if entry[0]}
    meanings = {number: meaning_of_segment(entry, labels) for number, entry in segments.items()}
    wanted = {number: meaning for number, meaning in meanings.items() if meaning is not None}
    if not wanted:
        raise SegmentationError("marks neither liver nor lesion nor treated zone", file=file)
    voxels, notes = segment_voxels(file, volume, frame_of_reference_uid, threshold, frozenset(wanted))
    marks = tuple(
        Mark(
            name=segments[number][1],
            kind=kind,
            site=site,
            tracking_uid=segments[number][5] or None,
            # What this program wrote has been taken apart into lesions, and these followed, already.
            single=kind == SegmentKind.LESION and own_components(segments[number][6]) is not None,
            tracked=own_components(segments[number][6]) is not None,
            max_components=own_components(segments[number][6]) or 1,
            voxels=voxels.get(number, np.empty(0, dtype=np.intp)),
        )
        for number, (kind, site) in sorted(wanted.items())
    )
    return marks, notes


def segment_voxels(
    file: str, volume: Volume, frame_of_reference_uid: str, threshold: float, wanted: frozenset[int]
) -> tuple[dict[int, NDArray[np.intp]], tuple[str, ...]]:
    """Return, by segment number, flat indices into the volume's array; and notes.

    Raises
    ------
    SegmentationError
        If the frames do not lie on the image.
    """
    dataset, _ = read_dataset(file)
    frames = _frames(dataset, file, volume)
    _require_on_source(dataset, frames, volume)
    pixels = _pixels(dataset, frames, wanted, threshold)
    return _placed(dataset, frames, pixels, volume, frame_of_reference_uid)


def _frames(dataset: Dataset, file: str, volume: Volume) -> list[_Frame]:
    """Return the frames with their affine: (row, column, 1) to LPS mm, as a (3, 3) matrix."""
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    count = frame_count(dataset)
    planes = planes_of(dataset, file)[:count]
    if len(planes) < count:
        raise SegmentationError("fewer frames described than stored", found=str(len(planes)), expected=str(count))
    index = {uid: k for k, uid in enumerate(volume.sop_instance_uids)}
    shared = (items(dataset, "SharedFunctionalGroupsSequence") or [Dataset()])[0]
    frames = []
    for plane, group in zip(planes, groups):
        sources = tuple(
            text(source, "ReferencedSOPInstanceUID")
            for derivation in items(group, "DerivationImageSequence")
            for source in items(derivation, "SourceImageSequence")
        )
        identified = items(group, "SegmentIdentificationSequence") or items(shared, "SegmentIdentificationSequence")
        segment = int(identified[0].ReferencedSegmentNumber) if identified else None
        position = plane.position_lps_mm
        if position is None and len(sources) == 1 and sources[0] in index:
            position = tuple(volume.grid.to_lps_mm(np.array([index[sources[0]], 0.0, 0.0])).tolist())
        if position is None or plane.orientation is None or plane.spacing_mm is None:
            raise SegmentationError("a frame does not say where it lies", found=f"frame {plane.frame + 1}")
        row, column = np.array(plane.orientation[:3]), np.array(plane.orientation[3:])
        affine = np.stack([column * plane.spacing_mm[0], row * plane.spacing_mm[1], np.array(position)], axis=1)
        frames.append(_Frame(number=plane.frame, affine=affine, segment=segment, sources=sources))
    return frames


def _require_on_source(dataset: Dataset, frames: list[_Frame], volume: Volume) -> None:
    """Refuse frames that name an image of the volume as their source but do not lie on it."""
    grid = volume.grid
    if (int(dataset.Rows), int(dataset.Columns)) != grid.shape[1:] or len(set(volume.sop_instance_uids)) < 2:
        return
    index = {uid: k for k, uid in enumerate(volume.sop_instance_uids)}
    for frame in frames:
        known = [index[uid] for uid in frame.sources if uid in index]
        if len(known) != 1 or not np.allclose(np.abs(frame.affine[:, :2]), np.abs(grid.affine[:3, 1:3]), atol=1e-2):
            continue
        # The centre of the frame: a frame stored with flipped axes still lies on its image.
        centre = frame.affine @ np.array([(grid.shape[1] - 1) / 2, (grid.shape[2] - 1) / 2, 1.0])
        image = grid.to_lps_mm(np.array([known[0], (grid.shape[1] - 1) / 2, (grid.shape[2] - 1) / 2]))
        off = float(np.linalg.norm(centre - image))
        if off > _MISPLACED_MM:
            raise SegmentationError(
                f"frame {frame.number + 1} does not lie on the image that it names as its source",
                found=f"{off:.2f} mm away",
                expected=f"at most {_MISPLACED_MM} mm",
            )


def _pixels(
    dataset: Dataset, frames: list[_Frame], wanted: frozenset[int], threshold: float
) -> dict[int, dict[int, Pixels]]:
    """Return, by segment and frame, the marked pixels (n, 2) in (row, column)."""
    kind = text(dataset, "SegmentationType")
    found: dict[int, dict[int, Pixels]] = defaultdict(dict)
    needed = [frame.number for frame in frames if frame.segment is None or frame.segment in wanted]
    top = int(text(dataset, "MaximumFractionalValue") or 255)
    least = threshold * top if kind == "FRACTIONAL" else 1
    for number, stored in frames_of(dataset, needed):
        segment = frames[number].segment
        if segment is None:
            for value in np.intersect1d(np.unique(stored), list(wanted)).tolist():
                found[value][number] = np.argwhere(stored == value)
        else:
            marked = np.argwhere(stored >= least)
            if len(marked):
                found[segment][number] = marked
    return found


def _placed(
    dataset: Dataset,
    frames: list[_Frame],
    pixels: dict[int, dict[int, Pixels]],
    volume: Volume,
    frame_of_reference_uid: str,
) -> tuple[dict[int, NDArray[np.intp]], tuple[str, ...]]:
    """Bring all pixels onto the image: voxel for voxel where every frame lies on its lattice, else resampled."""
    own_uid = text(dataset, "FrameOfReferenceUID")
    foreign = bool(own_uid and frame_of_reference_uid and own_uid != frame_of_reference_uid)
    extent = np.array([dataset.Rows, dataset.Columns], dtype=np.float64)
    used = {number for by_frame in pixels.values() for number in by_frame}
    if all(_on_lattice(frames[number], volume.grid, extent) for number in used):
        notes = ("another frame of reference than the image's, but on its voxels",) if foreign else ()
        placed = {segment: _direct(by_frame, frames, volume.grid) for segment, by_frame in pixels.items()}
        return placed, notes
    if foreign:
        raise SegmentationError(
            "another frame of reference than the image's, and not on its voxels",
            found=own_uid,
            expected=frame_of_reference_uid,
        )
    own = _own_grid(dataset, frames)
    placed, remarks = {}, []
    for segment, by_frame in pixels.items():
        mask = np.zeros(own.shape, dtype=bool)
        for number, marked in by_frame.items():
            k = round(float(own.to_index(frames[number].affine[:, 2])[0]))
            mask[k, marked[:, 0], marked[:, 1]] = True
        placed[segment], note = voxels_on(volume.grid, own, mask)
        remarks.append(note)
    return placed, tuple(dict.fromkeys(note for note in remarks if note))


def _on_lattice(frame: _Frame, grid: Grid, extent: NDArray[np.float64]) -> bool:
    inverse = np.linalg.inv(grid.affine[:3, :3])
    base = grid.to_index(frame.affine[:, 2])
    return bool(
        np.abs(base - np.rint(base)).max() <= LATTICE_TOLERANCE_VOXELS
        and same_lattice(inverse @ frame.affine[:, :2], extent)
    )


def _direct(by_frame: dict[int, Pixels], frames: list[_Frame], grid: Grid) -> NDArray[np.intp]:
    inverse = np.linalg.inv(grid.affine[:3, :3])
    index = []
    for number, marked in by_frame.items():
        frame = frames[number]
        base = np.rint(grid.to_index(frame.affine[:, 2])).astype(np.intp)
        steps = np.rint(inverse @ frame.affine[:, :2]).astype(np.intp)
        index.append(base + marked @ steps.T)
    whole = np.concatenate(index)
    inside = np.all((whole >= 0) & (whole < np.array(grid.shape)), axis=1)
    require_inside(inside, grid, grid.to_lps_mm(whole))
    return flat(whole[inside], grid)


def _own_grid(dataset: Dataset, frames: list[_Frame]) -> Grid:
    """Return the grid that the frames span; slices that were left out because they are empty are filled in."""
    first = frames[0].affine
    normal = np.cross(first[:, 1], first[:, 0])
    normal /= np.linalg.norm(normal)
    places = np.array([frame.affine[:, 2] @ normal for frame in frames])
    apart = np.unique(np.round(places - places.min(), 3))
    gaps = np.diff(apart)
    distance = _declared_distance(dataset) or (float(gaps.min()) if len(gaps) else _declared_thickness(dataset))
    slices = (places - places.min()) / distance
    if np.abs(slices - np.rint(slices)).max() > LATTICE_TOLERANCE_VOXELS:
        raise SegmentationError("frames are not evenly spaced", found=f"{apart[:6].tolist()} mm")
    lowest = frames[int(places.argmin())]
    return Grid.from_axes(
        shape=(round(float(slices.max())) + 1, int(dataset.Rows), int(dataset.Columns)),
        origin_lps_mm=lowest.affine[:, 2],
        steps_lps_mm=np.array([normal * distance, first[:, 0], first[:, 1]]),
    )


def _measure(dataset: Dataset, keyword: str) -> float | None:
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in items(dataset, groups):
            for measures in items(group, "PixelMeasuresSequence"):
                value = numbers(measures, keyword, 1)
                if value and value[0] > 0:
                    return value[0]
    return None


def _declared_distance(dataset: Dataset) -> float | None:
    return _measure(dataset, "SpacingBetweenSlices")


def _declared_thickness(dataset: Dataset) -> float:
    return _measure(dataset, "SliceThickness") or 1.0
