"""Every hard case, for the tests and for the table of `benchmarks/imaging_hard_cases.py`."""

from __future__ import annotations

from tests.io.hard_cases import encodings, files, geometry, scanners, series
from tests.io.hard_cases.case import Cases

__all__ = ["CASES"]

CASES = Cases()
for _module in (geometry, series, encodings, scanners, files):
    for _case in _module.CASES.values():
        CASES.add(_case)
