"""The fast walk over plain headers gives what pydicom gives, or leaves the file to it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from lesiontrack.io import headers
from lesiontrack.io.elements import plain_elements
from lesiontrack.io.headers import Header, read_header

KEY = b"k" * 16


def _by_pydicom(path: Path, monkeypatch: pytest.MonkeyPatch) -> Header:
    with monkeypatch.context() as patched:
        patched.setattr(headers, "plain_elements", lambda file, *_: (None, Path(file).read_bytes()[:200]))
        return read_header(path, key=KEY)


def _taken(path: Path) -> bool:
    """Whether the walk, and not pydicom, reads the file."""
    elements, _ = plain_elements(path, headers._PLAIN, headers._NOT_PLAIN)
    return elements is not None


def test_every_reference_file_has_the_header_that_pydicom_gives_it(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = 0
    for path in sorted((shared_data / "imaging").rglob("*")):
        if path.is_file():
            assert read_header(path, key=KEY) == _by_pydicom(path, monkeypatch), path.name
            taken += _taken(path)
    # The walk is worth having only if it takes the greater part of real files.
    assert taken > 150


@pytest.mark.parametrize(
    ("charset", "name"),
    [("ISO_IR 192", "Müller^Zoë"), ("ISO_IR 100", "Müller^Zoë"), ("ISO_IR 144", "Иванов^Иван"), ("", "DOE^JANE")],
)
def test_names_in_other_alphabets_have_one_digest(
    maker: Any, charset: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data,) = maker.stack(n=1, SeriesDescription="späte Phase" if charset.endswith("0") else "late")
    data.SpecificCharacterSet, data.PatientName = charset or None, name
    path = maker.write([data]) / "0000"
    header = read_header(path, key=KEY)
    assert header.identity[0]
    assert header == _by_pydicom(path, monkeypatch)


def test_damaged_headers_are_read_as_pydicom_reads_them(maker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flipped bytes: where the walk takes a file that pydicom takes too, both see the same."""
    path = maker.write(maker.stack(n=1, ImageComments="x" * 200)) / "0000"
    whole, chance = path.read_bytes(), random.Random(11)
    seen = 0
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(128, len(broken))] = chance.randrange(256)
        path.write_bytes(broken)
        ours, theirs = read_header(path, key=KEY), _by_pydicom(path, monkeypatch)
        seen += _taken(path)
        assert ours == theirs
    assert seen > 100


def test_bulk_before_the_pixels_is_stepped_over(maker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (data,) = maker.stack(n=1)
    data.add_new(0x00291010, "OB", bytes(100_000))
    path = maker.write([data]) / "0000"
    assert _taken(path)
    assert read_header(path, key=KEY) == _by_pydicom(path, monkeypatch)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.3.4"])
def test_what_is_not_plain_is_left_to_pydicom(maker: Any, syntax: str) -> None:
    path = maker.write(maker.stack(n=1)) / "0000"
    content = path.read_bytes()
    # The element that names the syntax: its length is the two bytes before the value.
    at = content.index(b"1.2.840.10008.1.2.1\0")
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    path.write_bytes(content[: at - 2] + len(value).to_bytes(2, "little") + value + content[at + 20 :])
    assert not _taken(path)
