"""Multipart answers: the same parts however they arrive, and never a part that is not whole."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesiontrack.io.multipart import CutShortError, MultipartError, boundary_of, part_files
from tests.servers.fake_dicomweb import BOUNDARY, multipart

_MARK = BOUNDARY.encode()
# Bytes that nearly are a boundary are the ones that a search for it can trip over.
_PART = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n--", b"\r\n--" + _MARK[:-1], _MARK, b"DICM", b"\0"]), max_size=12
).map(b"".join)
_PARTS = st.lists(_PART.filter(lambda part: b"\r\n--" + _MARK not in b"\r\n" + part), max_size=5)


def _chunks(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def _parts(body: bytes, size: int = 7, most_bytes: int = 10**6) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        files = part_files(_chunks(body, size), _MARK, Path(folder), most_bytes=most_bytes)
        return [file.read_bytes() for file in files]


@given(_PARTS, st.integers(1, 60))
def test_parts_come_back_byte_for_byte_however_they_arrive(parts: list[bytes], size: int) -> None:
    assert _parts(multipart(parts), size) == parts


@given(_PARTS, st.integers(1, 60), st.data())
def test_an_answer_that_is_cut_anywhere_is_noticed(parts: list[bytes], size: int, data: st.DataObject) -> None:
    body = multipart(parts)
    # The line end after the closing boundary is no part of it.
    cut = data.draw(st.integers(0, len(body) - 3))
    with pytest.raises(CutShortError):
        _parts(body[:cut], size)


def test_a_part_that_is_cut_short_leaves_no_file(tmp_path: Path) -> None:
    body = multipart([b"whole", b"half of a part"])
    files = part_files(_chunks(body[:-30], 9), _MARK, tmp_path, most_bytes=100)
    assert next(files).read_bytes() == b"whole"
    with pytest.raises(CutShortError):
        next(files)
    assert [path.name for path in tmp_path.iterdir()] == ["000001.dcm"]


def test_a_preamble_and_a_part_without_headers_are_allowed() -> None:
    assert _parts(b"preamble\r\n--%b\r\n\r\nplain\r\n--%b--" % (_MARK, _MARK)) == [b"plain"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (multipart([b"<html>"], part_type="text/html"), "a part of type text/html"),
        (multipart([b"x" * 2000]), "more than 1000 bytes"),
        (b"--" + _MARK + b"\r\n" + b"X-Long: " + b"y" * 20000, "more than 16384 bytes"),
        (b"z" * 20000, "more than 16384 bytes"),
    ],
)
def test_what_is_no_dicom_or_has_no_end_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(MultipartError, match=why):
        _parts(body, most_bytes=1000)


@pytest.mark.parametrize(
    "value", ["text/html", "application/dicom", "", "multipart/related; type=x", "multipart/mixed; boundary=b"]
)
def test_an_answer_that_is_not_multipart_is_refused(value: str) -> None:
    with pytest.raises(MultipartError):
        boundary_of(value)


@pytest.mark.parametrize(
    "value", ['multipart/related; type="application/dicom"; boundary=b', 'Multipart/Related;boundary="b";type=t']
)
def test_the_boundary_is_found_with_and_without_quotes(value: str) -> None:
    assert boundary_of(value) == b"b"


def test_a_long_answer_needs_little_memory(tmp_path: Path) -> None:
    part = b"--%b\r\n\r\n" % _MARK + b"\1" * 2**20 + b"\r\n"
    chunks = (part for _ in range(40))
    tracemalloc.start()
    try:
        with pytest.raises(CutShortError):
            for file in part_files(chunks, _MARK, tmp_path, most_bytes=2**21):
                assert file.stat().st_size == 2**20
                file.unlink()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 2**20
