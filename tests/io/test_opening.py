"""Reader processes: what kills one is one refused file; shared out or not, the catalogue is the same."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from lesiontrack.errors import LesiontrackError
from lesiontrack.io import opening
from lesiontrack.io.archive import index
from lesiontrack.io.reader import Decode, Open
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read_scan

SETTINGS = ArchiveSettings()


@pytest.fixture
def shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let even a few files be shared out, three at a time."""
    monkeypatch.setattr(opening, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(opening, "_CHUNK", 3)


def _subjects(maker: Any, count: int = 3) -> Path:
    for number in range(count):
        maker.subject_id, maker.series_uid = f"S{number}", f"1.2.3.{number}"
        maker.write(maker.stack(), prefix=f"S{number}-")
    folder: Path = maker.folder
    return folder


def test_shared_out_or_not_the_catalogue_is_the_same(maker: Any, request: pytest.FixtureRequest) -> None:
    folder = _subjects(maker)
    alone = index(folder, SETTINGS)
    request.getfixturevalue("shared_out")
    for workers in (1, 2):
        shared = index(folder, SETTINGS, workers=workers)
        assert shared.files == alone.files == 24
        assert [s.subject_id for s in shared.subjects] == ["S0", "S1", "S2"]
        assert [[scan.files for v in s.visits for scan in v.scans] for s in shared.subjects] == [
            [scan.files for v in s.visits for scan in v.scans] for s in alone.subjects
        ]


@pytest.mark.usefixtures("shared_out")
def test_a_file_that_kills_its_reader_is_refused_and_no_other(maker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _subjects(maker)
    (folder / "deadly").write_bytes((folder / "S1-0000").read_bytes())
    start = opening._Reader.start

    def killed(reader: Any, task: Open | Decode) -> None:
        deadly = isinstance(task, Open) and "deadly" in task.paths
        if deadly:
            # Stopped, so that it cannot answer before it is killed.
            reader.process.send_signal(signal.SIGSTOP)
        start(reader, task)
        if deadly:
            reader.process.kill()

    monkeypatch.setattr(opening._Reader, "start", killed)
    catalogue = index(folder, SETTINGS, workers=2)
    (notice,) = catalogue.refused
    assert Path(notice.file).name == "deadly" and "killed the reading process" in notice.reason
    assert [len(s.visits[0].scans[0].files) for s in catalogue.subjects] == [8, 8, 8]


def _forge(path: Path) -> None:
    """Claim 17 bits a sample in a JPEG-LS image: its decoder aborts the process."""
    content = bytearray(path.read_bytes())
    content[content.index(b"\xff\xf7") + 4] = 17
    path.write_bytes(content)


def test_a_forged_image_that_aborts_the_decoder_does_not_take_the_catalogue_with_it(maker: Any) -> None:
    maker.shape = (40, 48)
    slices = maker.stack()
    twin = maker.slice((-10, -20, -15))
    for data in (*slices, twin):
        data.compress("1.2.840.10008.1.2.4.80", generate_instance_uid=False)
    maker.write(slices)
    maker.write([twin], prefix="twin")
    _forge(maker.folder / "0003")
    catalogue = index(maker.folder, SETTINGS)
    (notice,) = catalogue.refused
    assert "several different images at one place" in notice.reason
    (scan,) = catalogue.subjects[0].visits[0].scans
    with pytest.raises(LesiontrackError, match="several different images"):
        read_scan(SETTINGS, LabelSettings())(scan)


def test_readers_are_kept_for_the_next_archive_and_end_with_the_program(maker: Any) -> None:
    folder = _subjects(maker, 1)
    (folder / "copy.nii.gz").write_bytes(b"no NIfTI")
    index(folder, SETTINGS)
    before = [reader.process.pid for reader in opening._idle]
    index(folder, SETTINGS)
    assert before and [reader.process.pid for reader in opening._idle] == before
    for reader in opening._idle:
        reader.process.kill()
        reader.process.wait()
    # One that died meanwhile is replaced, and nothing is said to be deadly.
    assert "killed" not in index(folder, SETTINGS).refused[0].reason
    assert [reader.process.pid for reader in opening._idle] != before
    opening._end_idle()
    assert opening._idle == []
