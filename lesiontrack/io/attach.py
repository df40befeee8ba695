"""Which segmentations belong to which volume: by reference, joined when they differ in kind, never mixed when rival."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesiontrack.domain.geometry import SegmentKind
from lesiontrack.domain.rivals import preference
from lesiontrack.domain.study import Scan
from lesiontrack.errors import SegmentationError
from lesiontrack.io.headers import Header
from lesiontrack.io.label_map import contents_of_map, grid_of_map, is_single_mask
from lesiontrack.io.nifti import is_label_map_or_volume
from lesiontrack.io.placing import share_voxels
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.sites import meaning_of_segment

__all__ = ["Content", "VolumeKey", "contents_of", "free_of_rivals", "target_volume", "volume_beside"]

Content = tuple[SegmentKind, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeKey:
    """What a segmentation may reference of a volume."""

    series_uid: str
    volume_id: str
    sop_instance_uids: frozenset[str]


def contents_of(header: Header, labels: LabelSettings) -> frozenset[Content]:
    """Return the kinds (and sites of lesions) that a segmentation marks, from its header.

    Raises
    ------
    SegmentationError
        If it marks nothing of interest, or needs ``[labels]`` to be understood.
    """
    found: set[Content] = set()
    if header.kind == "label map":
        return contents_of_map(header, labels)
    if header.kind == "structures" and not labels.is_set:
        names = ", ".join(entry[1] for entry in header.contents[:8])
        raise SegmentationError("an RTSTRUCT needs [labels] to say what its names mean", file=header.path, found=names)
    for entry in header.contents:
        if header.kind == "structures":
            named = labels.meaning_of_name(entry[1])
            if named is not None:
                found.add((named[0], named[1]))
        else:
            coded = meaning_of_segment(entry, labels)
            if coded is not None:
                found.add(coded)
    if not found:
        names = ", ".join(entry[1] for entry in header.contents[:8])
        raise SegmentationError(
            "marks neither liver nor lesion nor treated zone", file=header.path, found=names or "no segment"
        )
    return frozenset(found)


def target_volume(header: Header, volumes: Sequence[VolumeKey]) -> VolumeKey:
    """Return the volume that a segmentation references: the one that holds most of the instances it names.

    Raises
    ------
    SegmentationError
        If it references nothing that the archive holds as a volume of this subject.
    """
    best: tuple[int, VolumeKey] | None = None
    for series_uid, instances in header.references:
        for volume in volumes:
            shared = len(volume.sop_instance_uids.intersection(instances))
            if series_uid and series_uid != volume.series_uid:
                continue
            if not series_uid and not shared:
                continue
            if best is None or shared > best[0]:
                best = (shared, volume)
    if best is None:
        named = ", ".join(uid for uid, _ in header.references if uid) or "no series"
        raise SegmentationError(
            "references no volume of this subject", file=header.path, found=named, expected="a series of the archive"
        )
    return best[1]


def volume_beside(header: Header, scans: Sequence[Scan], settings: ArchiveSettings) -> tuple[str, str]:
    """Return the volume that a label map is of, and a note where there was a choice.

    It is the one of its name, else the one DICOM series of its voxels and date: DICOM has no file name to go by, and a
    map on the same voxels (dcm2niix and 3D Slicer keep them) leaves no doubt. Of several, phases of one acquisition,
    it is the one that the settings prefer, or the only one that is portal venous.

    Raises
    ------
    SegmentationError
        If there is no such volume, or no reason to prefer one.
    """
    if any(scan.series_uid == header.series_uid for scan in scans):
        return header.series_uid, ""
    if header.problem:
        raise SegmentationError(header.problem, file=header.path)
    alike = [
        scan
        for scan in scans
        if scan.files and not is_label_map_or_volume(Path(scan.files[0])) and scan.date.isoformat() == header.date
        if scan.grid is not None and share_voxels(scan.grid, grid_of_map(header))
    ]
    patterns = [str(pattern) for pattern in settings.series_preference]
    # By setting and phase alone: on the same voxels nothing else is a reason.
    ranks = [(order[0], order[2]) for order in (preference(scan, patterns) for scan in alike)]
    best = [scan.series_uid for scan, rank in zip(alike, ranks) if rank == min(ranks)]
    if len(best) == 1:
        note = f"label map that fits {len(alike)} series of its date alike, taken to be of this one"
        return best[0], note if len(alike) > 1 else ""
    raise SegmentationError(
        "label map that fits several DICOM series of its date alike; name one by series_preference"
        if alike
        else "label map without its volume",
        file=header.path,
        found=", ".join(scan.series_uid for scan in alike),
        expected="NAME_seg beside NAME, or one DICOM series of this PatientID and date on the same voxels",
    )


def free_of_rivals(
    segmentations: Mapping[str, tuple[Header, frozenset[Content]]], settings: ArchiveSettings
) -> tuple[str, ...]:
    """Return the files to join for one volume: those with lesions first, so that their liver goes first.

    Two segmentations are rivals when both mark lesions and their sites may be the same. A rival of the one that
    ``segmentation_source`` names is left out.

    Raises
    ------
    SegmentationError
        If rivals remain.
    """
    chosen = dict(segmentations)
    rivals = _rivals(chosen)
    if rivals:
        keep = _preferred([chosen[path][0] for path in rivals], settings)
        for path in rivals:
            if keep is not None and _are_rivals(chosen[keep], chosen[path]):
                del chosen[path]
        rivals = _rivals(chosen)
    if rivals:
        raise SegmentationError(
            f"{len(rivals)} rival lesion segmentations on one series; name one by segmentation_source",
            file=min(rivals),
            found=", ".join(sorted(rivals)),
        )
    with_lesions = {path: any(kind == SegmentKind.LESION for kind, _ in chosen[path][1]) for path in chosen}
    return tuple(sorted(chosen, key=lambda path: (not with_lesions[path], path)))


def _rivals(chosen: Mapping[str, tuple[Header, frozenset[Content]]]) -> list[str]:
    return [path for path, one in chosen.items() if any(_are_rivals(one, other) for other in chosen.values())]


def _are_rivals(one: tuple[Header, frozenset[Content]], other: tuple[Header, frozenset[Content]]) -> bool:
    if _object_of(one[0]) == _object_of(other[0]):
        return False
    sites = [{site for kind, site in content if kind == SegmentKind.LESION} for _, content in (one, other)]
    if not sites[0] or not sites[1]:
        return False
    # Lesions without a site may be anywhere, so they may be the other's lesions too.
    return None in sites[0] | sites[1] or bool(sites[0] & sites[1])


def _object_of(header: Header) -> str:
    """Return what a file belongs to: the masks of one folder are one segmentation."""
    return str(Path(header.path).parent) if is_single_mask(header) else header.path


def _preferred(rivals: Sequence[Header], settings: ArchiveSettings) -> str | None:
    """Return the one rival that the first matching pattern of ``segmentation_source`` names."""
    for pattern in settings.segmentation_source:
        matching = [
            header.path
            for header in rivals
            if any(re.search(str(pattern), value, re.IGNORECASE) for value in header.source)
        ]
        if len(matching) == 1:
            return matching[0]
    return None
