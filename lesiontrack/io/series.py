"""Image planes to volumes: one trustworthy geometry, or a refusal by name. Works from headers, before any pixel.

What can be made right is made right and noted (phases split, duplicates of equal content dropped, a localizer
dropped, a tilted gantry read as the sheared grid that it is); what cannot (missing slice, missing position, mixed
orientation) is refused.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid
from lesiontrack.errors import GeometryError
from lesiontrack.io.headers import PHASE_KEYS, Plane
from lesiontrack.io.settings import ArchiveSettings

__all__ = ["NotAVolumeError", "SameContent", "Stack", "stacks_of"]

# 5e-4 in a unit direction moves the far corner of a 500 mm field by 0.25 mm: inside the bound of 0.5 mm.
_DIRECTION_TOLERANCE = 5e-4
_TILT_NOTE_DEGREES = 0.1
_MOST_GROUPS = 64
# Attributes of which two values never belong to one volume that both of them cover.
_CONTRASTS = tuple(
    PHASE_KEYS.index(word)
    for word in (
        "TemporalPositionIdentifier",
        "TemporalPositionIndex",
        "AcquisitionNumber",
        "EchoNumbers",
        "EchoTime",
        "InversionTime",
        "DiffusionBValue",
    )
)
# No scanner places a voxel further away or makes a wider one, mm.
_FURTHEST_MM = 1e5
_WIDEST_MM = 100.0

SameContent = Callable[[Plane, Plane], bool]


class NotAVolumeError(GeometryError):
    """The series was never meant as a volume: a localizer, a single slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A volume of a series, from headers alone: planes in slice order along the normal, and their grid.

    Attributes
    ----------
    part
        0 when the series is one volume, else 1, 2, ... for its phases.
    uneven
        True when the planes are not evenly spaced and are to be resampled onto ``grid``.
    """

    planes: tuple[Plane, ...]
    grid: Grid
    notes: tuple[str, ...] = ()
    part: int = 0
    uneven: bool = False


def stacks_of(planes: Sequence[Plane], settings: ArchiveSettings, same_content: SameContent) -> tuple[Stack, ...]:
    """Return the volumes that the planes of one series hold.

    Parameters
    ----------
    same_content
        Tells whether two planes have equal pixels; asked only of planes that claim the same place.

    Raises
    ------
    NotAVolumeError
        If the series is a localizer or has too few slices.
    GeometryError
        If there is no single trustworthy geometry; the message names what is wrong and where.
    """
    kept, notes = _without_localizers(list(planes))
    _require_geometry(kept)
    if len(kept) < settings.minimum_slices:
        raise NotAVolumeError(
            "too few slices for a volume", found=str(len(kept)), expected=str(settings.minimum_slices)
        )
    kept, more = _one_orientation(kept)
    notes += more
    _require_one_matrix(kept)
    if len(kept) < settings.minimum_slices:
        raise NotAVolumeError(
            "too few slices for a volume", found=str(len(kept)), expected=str(settings.minimum_slices)
        )
    kept, more = _without_repeated_instances(kept, same_content)
    notes += more
    for candidates, remark in _readings(kept, same_content, settings):
        stacks = [_stack(group, settings) for group in candidates]
        good = [stack for stack in stacks if isinstance(stack, Stack)]
        if len(good) == len(stacks):
            return _numbered(good, (*notes, *remark))
    only = _stack(kept, settings)
    if isinstance(only, Stack):
        return _numbered([only], tuple(notes))
    if settings.missing_slices == "resample" and "distance" in only.message:
        return _numbered([_uneven(kept)], (*notes, "uneven slices resampled linearly"))
    raise only


def _numbered(stacks: list[Stack], notes: tuple[str, ...]) -> tuple[Stack, ...]:
    many = len(stacks) > 1
    return tuple(
        replace(stack, notes=(*notes, *stack.notes), part=number if many else 0)
        for number, stack in enumerate(stacks, start=1)
    )


def _without_localizers(planes: list[Plane]) -> tuple[list[Plane], list[str]]:
    kept = [plane for plane in planes if not plane.localizer]
    if not kept:
        raise NotAVolumeError("localizer")
    dropped = len(planes) - len(kept)
    return kept, [f"{dropped} localizer image(s) dropped"] if dropped else []


def _require_geometry(planes: list[Plane]) -> None:
    """Refuse planes whose place, direction or pixel size the header does not say or says impossibly."""
    total = len(planes)
    for name, attribute in (
        ("position", "position_lps_mm"),
        ("orientation", "orientation"),
        ("pixel spacing", "spacing_mm"),
    ):
        lacking = sum(getattr(plane, attribute) is None for plane in planes)
        if lacking:
            raise GeometryError(f"missing image {name}", found=f"{lacking} of {total} slices without it")
    for plane in planes:
        row, column = _directions(plane)[:3], _directions(plane)[3:]
        lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
        if np.abs(lengths - 1).max() > 1e-2 or abs(row @ column) > 1e-2:
            raise GeometryError("orientation is not two perpendicular unit vectors", found=str(plane.orientation))
        if np.abs(_place(plane)).max() > _FURTHEST_MM or _spacing(plane).max() > _WIDEST_MM:
            raise GeometryError(
                "impossible position or pixel spacing", found=str((plane.position_lps_mm, plane.spacing_mm))
            )
        if _spacing(plane).min() <= 0:
            raise GeometryError("pixel spacing is not positive", found=str(plane.spacing_mm))


def _one_orientation(planes: list[Plane]) -> tuple[list[Plane], list[str]]:
    """Keep the series' one orientation; up to three images across a volume are a localizer that was not marked."""
    groups: list[list[Plane]] = []
    for plane in planes:
        for group in groups:
            if np.abs(_directions(plane) - _directions(group[0])).max() <= _DIRECTION_TOLERANCE:
                group.append(plane)
                break
        else:
            groups.append([plane])
    if len(groups) == 1:
        return planes, []
    groups.sort(key=len, reverse=True)
    main, others = groups[0], [plane for group in groups[1:] for plane in group]
    across = all(abs(_normal(plane) @ _normal(main[0])) < np.cos(np.radians(45)) for plane in others)
    if across and len(others) <= 3 and len(main) >= 5 and len(main) >= 4 * len(others):
        return main, [f"{len(others)} image(s) across the volume dropped as localizer"]
    raise GeometryError("mixed orientation", found=" and ".join(f"{len(group)} slices" for group in groups[:4]))


def _directions(plane: Plane) -> NDArray[np.float64]:
    """Directions of increasing column and row, shape (6,)."""
    return np.array(plane.orientation, dtype=np.float64)


def _spacing(plane: Plane) -> NDArray[np.float64]:
    """Distance between rows and between columns, mm, shape (2,)."""
    return np.array(plane.spacing_mm, dtype=np.float64)


def _place(plane: Plane) -> NDArray[np.float64]:
    """Centre of the first pixel, LPS mm, shape (3,)."""
    return np.array(plane.position_lps_mm, dtype=np.float64)


def _normal(plane: Plane) -> NDArray[np.float64]:
    normal = np.cross(_directions(plane)[:3], _directions(plane)[3:])
    unit: NDArray[np.float64] = normal / np.linalg.norm(normal)
    return unit


def _require_one_matrix(planes: list[Plane]) -> None:
    sizes = Counter((plane.rows, plane.columns) for plane in planes)
    if len(sizes) > 1:
        raise GeometryError("mixed matrix", found=", ".join(f"{n} slices of {r}x{c}" for (r, c), n in sizes.items()))
    spacing = np.array([_spacing(plane) for plane in planes])
    reach = np.abs(spacing - spacing[0]).max() * max(planes[0].rows, planes[0].columns)
    if reach > 0.25:
        raise GeometryError("mixed pixel spacing", found=str(np.unique(spacing, axis=0)[:3].tolist()))


def _without_repeated_instances(planes: list[Plane], same_content: SameContent) -> tuple[list[Plane], list[str]]:
    """Drop copies of one SOP instance; two different images under one UID are refused."""
    first: dict[tuple[str, int], Plane] = {}
    dropped = 0
    for plane in planes:
        key = (plane.sop_instance_uid, plane.frame)
        earlier = first.setdefault(key, plane)
        if earlier is plane:
            continue
        if earlier.position_lps_mm != plane.position_lps_mm or not same_content(earlier, plane):
            raise GeometryError("two different images under one SOP instance UID", found=plane.sop_instance_uid)
        dropped += 1
    return list(first.values()), [f"{dropped} duplicate slice(s) dropped"] if dropped else []


def _readings(
    planes: list[Plane], same_content: SameContent, settings: ArchiveSettings
) -> Iterable[tuple[list[list[Plane]], tuple[str, ...]]]:
    """Yield ways to read the planes as volumes, the plainest first; each is tried only when those before fail."""
    for word in _CONTRASTS:
        groups = _grouped(planes, (word,))
        if groups and _cover_one_range(groups):
            yield groups, (f"{len(groups)} volumes in one series, told apart by {_names((word,))}",)
    yield [planes], ()
    for words in itertools.chain(((i,) for i in range(len(PHASE_KEYS))), itertools.combinations(range(8), 2)):
        groups = _grouped(planes, words)
        if groups:
            yield groups, (f"{len(groups)} volumes in one series, told apart by {_names(words)}",)
    unique, dropped = _without_equal_neighbours(planes, same_content)
    if dropped:
        yield [unique], (f"{dropped} duplicate slice(s) dropped",)
    for groups, how in _by_order(planes):
        yield groups, (f"{len(groups)} volumes in one series, told apart by the order of instance numbers ({how})",)


def _cover_one_range(groups: list[list[Plane]]) -> bool:
    """Tell whether groups lie between each other rather than end to end.

    Phases whose places interleave look like one volume of finer spacing.
    """
    normal = _normal(groups[0][0])
    ends = [(float(places.min()), float(places.max())) for places in (_along(group, normal) for group in groups)]
    shared = min(high for _, high in ends) - max(low for low, _ in ends)
    return shared > 0.5 * min(high - low for low, high in ends)


def _names(words: tuple[int, ...]) -> str:
    return " and ".join(PHASE_KEYS[word] for word in words)


def _grouped(planes: list[Plane], words: tuple[int, ...]) -> list[list[Plane]]:
    """Group by attributes; empty when they do not tell at least two full groups apart."""
    groups: dict[tuple[str, ...], list[Plane]] = defaultdict(list)
    for plane in planes:
        if not plane.keys:
            return []
        groups[tuple(plane.keys[word] for word in words)].append(plane)
    if not 2 <= len(groups) <= _MOST_GROUPS or min(len(group) for group in groups.values()) < 3:
        return []
    return [groups[key] for key in sorted(groups, key=_natural)]


def _natural(key: tuple[str, ...]) -> tuple[tuple[float, str], ...]:
    out = []
    for value in key:
        try:
            out.append((float(value), value))
        except ValueError:
            out.append((float("inf"), value))
    return tuple(out)


def _places(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """Return each plane's place along the normal, mm, shape (n,)."""
    return _along(planes, _normal(planes[0]))


def _along(planes: Sequence[Plane], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    positions = np.array([plane.position_lps_mm for plane in planes], dtype=np.float64)
    places: NDArray[np.float64] = positions @ normal
    return places


def _without_equal_neighbours(planes: list[Plane], same_content: SameContent) -> tuple[list[Plane], int]:
    """Drop planes that repeat another's place with equal pixels."""
    kept: list[Plane] = []
    by_place: dict[tuple[float, ...], list[Plane]] = defaultdict(list)
    dropped = 0
    for plane in planes:
        assert plane.position_lps_mm is not None
        place = tuple(round(value, 3) for value in plane.position_lps_mm)
        if any(same_content(other, plane) for other in by_place[place]):
            dropped += 1
            continue
        by_place[place].append(plane)
        kept.append(plane)
    return kept, dropped


def _by_order(planes: list[Plane]) -> Iterable[tuple[list[list[Plane]], str]]:
    """Yield phases by instance number, where it runs strictly phase after phase or strictly place after place."""
    if any(plane.instance is None for plane in planes) or len({plane.instance for plane in planes}) != len(planes):
        return
    ordered = sorted(planes, key=lambda plane: plane.instance or 0)
    places = np.round(_places(ordered), 2)
    n_places = len(set(places.tolist()))
    if n_places < 3 or len(ordered) % n_places or n_places == len(ordered):
        return
    n_phases = len(ordered) // n_places
    blocked = [ordered[i * n_places : (i + 1) * n_places] for i in range(n_phases)]
    runs = places.reshape(n_phases, n_places)
    if all(np.array_equal(run, runs[0]) for run in runs):
        yield blocked, "phase after phase"
        return
    if all(len(set(group)) == 1 for group in places.reshape(n_places, n_phases).tolist()):
        yield [ordered[i::n_phases] for i in range(n_phases)], "place after place"


def _stack(planes: list[Plane], settings: ArchiveSettings) -> Stack | GeometryError:
    """Return the volume of evenly spaced planes, or the error that says why they are none."""
    places = _places(planes)
    order = np.argsort(places, kind="stable")
    ordered = [planes[i] for i in order]
    gaps = np.diff(places[order])
    fault = _spacing_fault(ordered, gaps, settings)
    if fault is not None:
        return fault
    positions = np.array([plane.position_lps_mm for plane in ordered], dtype=np.float64)
    # Least squares line through all positions: rounding of single headers does not add up along the stack.
    index = np.arange(len(ordered)) - (len(ordered) - 1) / 2
    step = index @ (positions - positions.mean(axis=0)) / (index @ index)
    line = positions.mean(axis=0) + index[:, None] * step
    off = np.linalg.norm(positions - line, axis=1)
    if off.max() > settings.position_tolerance_mm:
        worst = int(off.argmax())
        along = abs(float((positions - line)[worst] @ _normal(ordered[0])))
        what = "uneven distance between slices" if along > off[worst] / 2 else "slice shifted in its plane"
        return GeometryError(
            what,
            found=f"slice {worst + 1} of {len(ordered)} is {off[worst]:.2f} mm off the regular grid",
            expected=f"at most {settings.position_tolerance_mm} mm",
        )
    return Stack(planes=tuple(ordered), grid=_grid(ordered, line[0], step), notes=_tilt(ordered[0], step))


def _spacing_fault(ordered: list[Plane], gaps: NDArray[np.float64], settings: ArchiveSettings) -> GeometryError | None:
    if len(ordered) < settings.minimum_slices:
        return NotAVolumeError(
            "too few slices for a volume", found=str(len(ordered)), expected=str(settings.minimum_slices)
        )
    middle = float(np.median(gaps))
    if (gaps < 0.01).any():
        same = int((gaps < 0.01).sum()) + 1
        return GeometryError("several different images at one place", found=f"{same} of {len(ordered)} slices")
    if gaps.max() >= 1.5 * middle or gaps.min() <= middle / 1.5:
        worst = int(gaps.argmax())
        return GeometryError(
            "missing slice, or uneven distance between slices",
            found=f"{gaps.max():.2f} mm between slices {worst + 1} and {worst + 2} of {len(ordered)}",
            expected=f"{middle:.2f} mm",
        )
    return None


def _grid(ordered: Sequence[Plane], origin: NDArray[np.float64], step: NDArray[np.float64]) -> Grid:
    first = ordered[0]
    orientation = np.mean([_directions(plane) for plane in ordered], axis=0)
    spacing = np.mean([_spacing(plane) for plane in ordered], axis=0)
    row = orientation[:3] / np.linalg.norm(orientation[:3])
    column = orientation[3:] / np.linalg.norm(orientation[3:])
    return Grid.from_axes(
        shape=(len(ordered), first.rows, first.columns),
        origin_lps_mm=origin,
        steps_lps_mm=np.array([step, column * spacing[0], row * spacing[1]]),
    )


def _tilt(plane: Plane, step: NDArray[np.float64]) -> tuple[str, ...]:
    cosine = float(step @ _normal(plane) / np.linalg.norm(step))
    degrees = float(np.degrees(np.arccos(min(1.0, cosine))))
    return (f"gantry tilt of {degrees:.1f} degrees, read as a sheared grid",) if degrees > _TILT_NOTE_DEGREES else ()


def _uneven(planes: list[Plane]) -> Stack:
    """Return a stack whose planes are to be resampled onto an even grid with the median distance."""
    places = _places(planes)
    order = np.argsort(places, kind="stable")
    ordered = [planes[i] for i in order]
    middle = float(np.median(np.diff(places[order])))
    origin = np.array(ordered[0].position_lps_mm)
    count = int(np.floor((places.max() - places.min()) / middle + 1e-6)) + 1
    grid = _grid(ordered, origin, _normal(ordered[0]) * middle)
    return Stack(
        planes=tuple(ordered),
        grid=Grid(shape=(count, *grid.shape[1:]), affine=grid.affine),
        uneven=True,
    )
