"""What other loaders get wrong in silence: each case right within 0.5 mm, or refused by name.

Voxel values encode one world coordinate (50 x mm); each case is read three times, once for each coordinate.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesiontrack.errors import LesiontrackError
from lesiontrack.io.archive import index
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read_scan
from tests.io.hard_cases.all_cases import CASES
from tests.io.hard_cases.case import BOUND_MM, read_back, write


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(CASES))
def test_right_within_half_a_millimetre_or_refused_by_name(name: str, axis: int, tmp_path: Path) -> None:
    case = CASES[name]
    found = read_back(write(case, tmp_path / "images", axis), case.settings)
    if case.refused or case.ignored:
        assert found.outcome == ("refused" if case.refused else "ignored")
        assert re.search(case.refused or case.ignored, found.said)
        return
    assert found.outcome == "read", found.said
    assert found.error_mm <= BOUND_MM
    # Each phase once: a phase that is read twice hides one that is lost.
    assert len(set(found.volumes)) == len(found.volumes) == case.volumes
    assert case.note in found.said


def test_the_order_of_files_does_not_matter(makers: Callable[[str, int], Any]) -> None:
    forwards, backwards = makers("a", 2), makers("b", 2)
    for maker in (forwards, backwards):
        maker.write(maker.stack(AcquisitionNumber=1) + maker.stack(AcquisitionNumber=2), backwards=maker is backwards)
    found = [index(maker.folder, ArchiveSettings()).subjects[0].visits[0].scans for maker in (forwards, backwards)]
    assert [scan.series_uid for scan in found[0]] == [scan.series_uid for scan in found[1]]
    read = read_scan(ArchiveSettings(), LabelSettings())
    for one, other in zip(*found, strict=True):
        assert np.array_equal(read(one)[0].voxels, read(other)[0].voxels)
        assert read(one)[0].sop_instance_uids == read(other)[0].sop_instance_uids


def test_a_series_changed_after_the_catalogue_is_noticed(maker: Any) -> None:
    maker.write(maker.stack())
    scan = index(maker.folder, ArchiveSettings()).subjects[0].visits[0].scans[0]
    Path(scan.files[3]).write_bytes(Path(scan.files[2]).read_bytes())
    with pytest.raises(LesiontrackError):
        read_scan(ArchiveSettings(), LabelSettings())(scan)
