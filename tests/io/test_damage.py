"""Damaged files of every kind: an error of ours that names the file, never another, and never a warning."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from lesiontrack.errors import LesiontrackError
from lesiontrack.io.archive import index
from lesiontrack.io.dataset import quiet_pydicom
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read_scan

LABELS = LabelSettings.model_validate({"liver": 1, "hepatic": [2, "les"]})
SETTINGS = ArchiveSettings()
# More rounds explore further; the default keeps the unit tests short.
ROUNDS = int(os.environ.get("LESIONTRACK_DAMAGE_ROUNDS", "60"))
MASK = np.zeros((5, 12, 14, 1), dtype=np.uint8)
MASK[1:4, 3:8, 4:9] = 1


def _damage(content: bytes, chance: random.Random) -> bytes:
    """Flip, cut, double or zero some of a file."""
    broken = bytearray(content)
    kind = chance.choice(("flip", "flip", "header", "cut", "zero", "double", "insert"))
    if kind == "cut":
        return bytes(broken[: chance.randrange(len(broken))])
    at = chance.randrange(len(broken))
    if kind == "double":
        return bytes(broken[:at] + broken[at // 2 :])
    if kind == "insert":
        return bytes(broken[:at] + chance.randbytes(chance.randrange(1, 9)) + broken[at:])
    if kind == "zero":
        broken[at : at + 40] = bytes(len(broken[at : at + 40]))
        return bytes(broken)
    reach = min(len(broken), 1500) if kind == "header" else len(broken)
    for _ in range(chance.randrange(1, 12)):
        broken[chance.randrange(reach)] = chance.randrange(256)
    return bytes(broken)


def _use_everything(folder: Path) -> int:
    """Catalogue and read all that is usable; return how many scans said why they are not."""
    catalogue = index(folder, SETTINGS, labels=LABELS)
    read = read_scan(SETTINGS, LABELS)
    refused = 0
    for subject in catalogue.subjects:
        for visit in subject.visits:
            for scan in visit.scans:
                try:
                    volume, _ = read(scan)
                    assert np.isfinite(volume.voxels).all()
                except LesiontrackError as error:
                    assert str(error)
                    refused += 1
    return refused


def _series(maker: Any, make_seg: Callable[..., Any], syntax: str) -> None:
    slices = maker.stack(n=5)
    seg = make_seg(slices, MASK, [{"label": "Lesion"}])
    if syntax:
        for data in slices:
            data.compress(syntax, generate_instance_uid=False)
    maker.write(slices)
    maker.write([seg], prefix="seg")


@pytest.mark.parametrize("syntax", ["", "1.2.840.10008.1.2.5"])
@pytest.mark.parametrize("victim", ["0002", "seg0000"])
def test_a_damaged_dicom_file_ends_in_an_error_of_ours(
    maker: Any, make_seg: Callable[..., Any], syntax: str, victim: str
) -> None:
    _series(maker, make_seg, syntax)
    path = maker.folder / victim
    whole, chance = path.read_bytes(), random.Random(f"{victim}{syntax}")
    for _ in range(ROUNDS):
        path.write_bytes(_damage(whole, chance))
        _use_everything(maker.folder)


def test_the_file_without_pixels_is_named_and_not_the_first_of_its_series(maker: Any) -> None:
    slices = maker.stack(n=5)
    for data in slices:
        data.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    del slices[3].PixelData
    maker.write(slices)
    (subject,) = index(maker.folder, SETTINGS, labels=LABELS).subjects
    with pytest.raises(LesiontrackError, match="no pixel data") as caught:
        read_scan(SETTINGS, LABELS)(subject.visits[0].scans[0])
    assert caught.value.file == str(maker.folder / "0003")


def test_a_damaged_enhanced_file_ends_in_an_error_of_ours(maker: Any) -> None:
    maker.write([maker.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in range(5)])])
    path = maker.folder / "0000"
    whole, chance = path.read_bytes(), random.Random(4)
    for _ in range(ROUNDS):
        path.write_bytes(_damage(whole, chance))
        _use_everything(maker.folder)


@pytest.mark.parametrize("victim", ["a.nii.gz", "a_seg.nii.gz", "a.nii", "a_seg.nii"])
def test_a_damaged_nifti_file_ends_in_an_error_of_ours(tmp_path: Path, victim: str) -> None:
    folder = tmp_path / "S1" / "2020-01-02"
    folder.mkdir(parents=True)
    suffix = victim.partition(".")[2]
    for name, array in ((f"a.{suffix}", MASK[..., 0].astype(np.int16) * 300), (f"a_seg.{suffix}", MASK[..., 0])):
        nibabel.save(nibabel.Nifti1Image(array.astype(np.int16), np.diag([2.0, 2, 5, 1])), folder / name)
    path = folder / victim
    whole, chance = path.read_bytes(), random.Random(victim)
    for _ in range(ROUNDS):
        path.write_bytes(_damage(whole, chance))
        _use_everything(tmp_path)


def test_a_deflated_bomb_is_refused(maker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesiontrack.io.dataset._LARGEST_OBJECT_BYTES", 2**24)
    monkeypatch.setattr("lesiontrack.io.dataset._LARGEST_HEADER_BYTES", 2**22)
    maker.write(maker.stack(n=4))
    path = maker.folder / "0001"
    content = path.read_bytes()
    start = 132 + 12 + int.from_bytes(content[140:144], "little")
    squeeze = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = squeeze.compress(content[start:-336])
    for _ in range(40):
        bomb += squeeze.compress(bytes(2**20))
    bomb += squeeze.flush()
    meta = content[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    grown = len(meta) - start
    length = int.from_bytes(meta[140:144], "little") + grown
    meta = meta[:140] + length.to_bytes(4, "little") + meta[144:]
    at = meta.index(b"1.2.840.10008.1.2.1.99") - 2
    meta = meta[:at] + (22).to_bytes(2, "little") + meta[at + 2 :]
    path.write_bytes(meta + bomb)
    assert _use_everything(maker.folder) >= 1


def test_twenty_thousand_nested_sequences_are_a_refused_file(maker: Any) -> None:
    """They crash readers that go down by recursion in compiled code."""
    maker.write(maker.stack(n=5))
    path = maker.folder / "0002"
    content = path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00")
    # (0040,0260) of undefined length, one item of undefined length, and so on down.
    step = b"\x40\x00\x60\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(content[:at] + step * 20_000)
    told = {notice.file: notice.reason for notice in index(maker.folder, SETTINGS).refused}
    assert "not a readable DICOM object" in told[str(path)]
    # And without it the rest has a gap.
    assert any("missing slice" in reason for reason in told.values())


def test_uids_and_ids_that_are_paths_or_formulas_are_text_and_nothing_else(maker: Any, tmp_path: Path) -> None:
    maker.subject_id, maker.series_uid = '=HYPERLINK("http://x")', "../../etc/x"
    with quiet_pydicom():
        maker.write(maker.stack(n=5))
    before = sorted(tmp_path.rglob("*"))
    (subject,) = index(maker.folder, SETTINGS).subjects
    assert subject.subject_id == '=HYPERLINK("http://x")'
    assert subject.visits[0].scans[0].series_uid == "../../etc/x"
    assert sorted(tmp_path.rglob("*")) == before
