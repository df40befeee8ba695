"""A small result folder to read in the viewer: two cases, one with a lesion that goes and one that comes."""

from __future__ import annotations

from pathlib import Path

from lesiontrack.batch import run_study
from tests.road.small import SmallStudy, six

__all__ = ["SUBJECT", "make_result"]

SUBJECT = "READ-1"
_OTHER = "READ-2"
_DATES = ("2020-01-06", "2020-03-02", "2020-05-04", "2020-07-06")


def make_result(folder: Path, *, others: bool = True) -> Path:
    """Write the study and run the main job on it; return the result folder.

    ``others``: whether there is a second case too.

    The first case: lesion sizes 30, 26, 22, 20, 18, 16 mm; the fourth vanishes at visit 2; the sixth is new at visit 1;
    the first grows at visit 3. Visit 1 has a chest CT as well. Treatment starts after the first visit.
    """
    study = SmallStudy(folder / "study")
    sizes = (
        (30, 26, 22, 20, 18, None),
        (29, 25, 21, 14, 18, 16),
        (28, 25, 20, None, 18, 17),
        (44, 26, 20, None, 18, 18),
    )
    for number, (date, mm) in enumerate(zip(_DATES, sizes, strict=True)):
        study.scan(SUBJECT, date, six(*mm), shift=(3.0 * number, -2.0 * number, 4.0 * number))
    study.scan(SUBJECT, _DATES[1], (), name="b", segmented=False, liver=False, description="chest", body_part="CHEST")
    for date in _DATES[:2] if others else ():
        study.scan(_OTHER, date, six(24, 20))
    study.subject(SUBJECT, treatment_start_date="2020-01-20", arm="LOCAL")
    if others:
        study.subject(_OTHER, treatment_start_date="2020-01-20")
    out = folder / "out"
    run_study(study.write(), out, workers=2)
    return out
