"""What ``lesiontrack index`` prints: short enough to read at night, and nothing left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lesiontrack.batch.index_text import catalogue_text
from lesiontrack.io.archive import index
from lesiontrack.io.settings import ArchiveSettings

MASK = np.zeros((8, 12, 14, 1), dtype=np.uint8)
MASK[2:5, 3:8, 4:9] = 1


def test_many_files_of_one_fate_are_one_line(maker: Any) -> None:
    maker.write(maker.stack())
    for number in range(50):
        (maker.folder / f"note{number:02d}.txt").write_text("junk")
    text = catalogue_text(index(maker.folder, ArchiveSettings()), ArchiveSettings())
    assert text.startswith("58 files, 58 opened, 50 ignored, 0 refused; 1 subjects, 1 problems")
    assert text.count("neither DICOM") == 1 and "note00.txt and 49 more" in text
    assert str(maker.folder) not in text


def test_the_choice_among_rival_series_is_said_and_can_be_set(maker: Any, make_seg: Callable[..., Any]) -> None:
    for number, phase in ((1, "arterial"), (2, "portal venous")):
        maker.series_uid = f"1.2.3.{number}"
        slices = maker.stack(SeriesDescription=phase)
        uid = f"1.2.9.{number}"
        seg = make_seg(slices, MASK, [{"label": "Lesion"}], series_uid=uid, sop_uid=f"{uid}.1")
        maker.write([*slices, seg], prefix=f"{number}-")
    catalogue = index(maker.folder, ArchiveSettings())
    for preference, first in ((), "PORTAL_VENOUS"), (("arterial",), "ARTERIAL"):
        text = catalogue_text(catalogue, ArchiveSettings(series_preference=preference))
        (line,) = [line for line in text.splitlines() if "choice 1 of 2" in line]
        assert first in line
