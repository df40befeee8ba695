"""A reading room in a real viewer, taken down again in the order that napari and Qt survive."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import QCoreApplication, QEvent

from lesiontrack_napari.panels.room import ReadingRoom
from tests.reading import make_result


@pytest.fixture(scope="session", autouse=True)
def settled() -> Iterator[None]:
    """Take what is imported out of the garbage collector's sight: napari collects whenever a layer is removed."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the small result folder, made once; never write into it."""
    return make_result(tmp_path_factory.mktemp("reading"))


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the small result folder, for one test."""
    return Path(shutil.copytree(made, tmp_path / "out"))


@pytest.fixture
def room(out: Path, make_napari_viewer_proxy: Callable[..., Any]) -> Iterator[ReadingRoom]:
    """Return the reading room with the worklist of the small result folder; the viewer is napari's public proxy."""
    viewer = make_napari_viewer_proxy(show=True)
    reading = ReadingRoom(viewer)
    viewer.window.add_dock_widget(reading, name="reading room", area="right")
    viewer.window.resize(1366, 768)
    reading.open_result(out, "anna")
    yield reading
    reading.leave()
    del reading
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QCoreApplication.processEvents()
