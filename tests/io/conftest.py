"""Fixtures of the reading tests: makers of series whose voxel values tell where in the world the voxel lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.io.making import Maker, segmentation


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    """Return a maker of series in a folder of this test."""
    return Maker(tmp_path / "images")


@pytest.fixture
def makers(tmp_path: Path) -> Callable[[str, int], Maker]:
    """Return a function: name of a folder, axis whose coordinate the values encode -> maker."""

    def make(name: str, axis: int) -> Maker:
        return Maker(tmp_path / name, axis)

    return make


@pytest.fixture
def truncate() -> Callable[[Path, int], None]:
    """Return a function that cuts bytes off the end of a file."""

    def cut(path: Path, count: int) -> None:
        path.write_bytes(path.read_bytes()[:-count])

    return cut


@pytest.fixture
def make_seg() -> Callable[..., Any]:
    """Return the function that builds a DICOM SEG."""
    return segmentation
