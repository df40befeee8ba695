"""Candidates: volumes on their way to scans, with what a segmentation may reference of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lesiontrack.domain.study import Scan
from lesiontrack.io.attach import VolumeKey
from lesiontrack.io.headers import Header
from lesiontrack.io.nifti import image_name, read_grid
from lesiontrack.io.phases import phase_of_contrast
from lesiontrack.io.series import Stack

__all__ = ["Candidate", "of_series", "of_volume_file", "volume_name"]


@dataclass(slots=True)
class Candidate:
    """One volume on its way to a scan, with what a segmentation may reference of it."""

    scan: Scan
    key: VolumeKey
    study_uid: str


def of_volume_file(header: Header, modality: str) -> Candidate:
    """Return the candidate of a NIfTI, NRRD or MetaImage volume; one with a problem is unusable and says why.

    Parameters
    ----------
    modality
        Of the settings: "auto", or what every such volume is.
    """
    scan = Scan(
        series_uid=header.series_uid,
        date=dt.date.fromisoformat(header.date),
        modality=header.modality if modality == "auto" else modality,
        phase_of_contrast=phase_of_contrast(image_name(Path(header.path))[0]),
        slice_thickness_mm=header.slice_thickness_mm,
        grid=None if header.problem else read_grid(header),
        files=(header.path,),
        usable=not header.problem,
        problem=header.problem,
    )
    key = VolumeKey(series_uid=header.series_uid, volume_id=header.series_uid, sop_instance_uids=frozenset())
    return Candidate(scan=scan, key=key, study_uid="")


def volume_name(series_uid: str, stack: Stack) -> str:
    """Return what one volume of a series is called."""
    return f"{series_uid}#{stack.part}" if stack.part else series_uid


def of_series(first: Header, headers: Sequence[Header], stack: Stack | None, problem: str) -> Candidate:
    """Build the scan of one volume; without a stack it is unusable and says why."""
    files: tuple[str, ...]
    if stack is None:
        # The file that the problem is about goes first.
        others = sorted(header.path for header in headers if header is not first)
        volume_id, files = first.series_uid, (first.path, *others)
        instances = frozenset(header.sop_instance_uid for header in headers)
    else:
        volume_id = volume_name(first.series_uid, stack)
        files = tuple(dict.fromkeys(plane.file for plane in stack.planes))
        instances = frozenset(plane.sop_instance_uid for plane in stack.planes)
    held = set(files)
    of_files = [header for header in headers if header.path in held]
    scan = Scan(
        series_uid=volume_id,
        date=min(dt.date.fromisoformat(header.date) for header in headers),
        modality=first.modality,
        phase_of_contrast=first.phase_of_contrast,
        regions=first.regions,
        slice_thickness_mm=next((h.slice_thickness_mm for h in of_files if h.slice_thickness_mm), None),
        grid=stack.grid if stack else None,
        files=files,
        usable=stack is not None,
        problem=problem,
        notes=stack.notes if stack else (),
    )
    key = VolumeKey(series_uid=first.series_uid, volume_id=volume_id, sop_instance_uids=instances)
    return Candidate(scan=scan, key=key, study_uid=first.study_uid)
