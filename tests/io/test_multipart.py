"""Multipart answers: the same parts however they arrive, and never a part that is not whole."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesiontrack.io.multipart import CutShortError, MultipartError, boundary_of, parts
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
    return [bytes(part) for part in parts(_chunks(body, size), _MARK, most_bytes=most_bytes)]


@given(_PARTS, st.integers(1, 60))
def test_parts_come_back_byte_for_byte_however_they_arrive(sent: list[bytes], size: int) -> None:
    assert _parts(multipart(sent), size) == sent


@given(_PARTS, st.integers(1, 60), st.data())
def test_a_length_that_a_part_tells_is_used_where_it_is_right_and_does_no_harm_where_it_is_wrong(
    sent: list[bytes], size: int, data: st.DataObject
) -> None:
    lengths = [data.draw(st.sampled_from([len(part), None, 0, len(part) + 1, len(part) - 1, 10**5])) for part in sent]
    told = [length if length is None or length >= 0 else None for length in lengths]
    assert _parts(multipart(sent, lengths=told), size) == sent


def test_a_part_is_taken_by_its_length_without_a_search() -> None:
    # With the boundary in its middle it could not be told otherwise.
    part = b"one\r\n--" + _MARK + b"two"
    assert _parts(multipart([part, part], lengths=[len(part)] * 2)) == [part, part]


@given(_PARTS, st.integers(1, 60), st.data())
def test_an_answer_that_is_cut_anywhere_is_noticed(sent: list[bytes], size: int, data: st.DataObject) -> None:
    body = multipart(sent, lengths=[len(part) for part in sent] if data.draw(st.booleans()) else ())
    # The line end after the closing boundary is no part of it.
    cut = data.draw(st.integers(0, len(body) - 3))
    with pytest.raises(CutShortError):
        _parts(body[:cut], size)


def test_whole_parts_come_before_the_cut_and_the_half_one_never() -> None:
    arriving = parts(_chunks(multipart([b"whole", b"half of a part"])[:-30], 9), _MARK, most_bytes=100)
    assert bytes(next(arriving)) == b"whole"
    with pytest.raises(CutShortError):
        next(arriving)


def test_a_preamble_and_a_part_without_headers_are_allowed() -> None:
    assert _parts(b"preamble\r\n--%b\r\n\r\nplain\r\n--%b--" % (_MARK, _MARK)) == [b"plain"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (multipart([b"<html>"], part_type="text/html"), "a part of type text/html"),
        (multipart([b"x" * 2000]), "more than 1000 bytes"),
        (multipart([b"x" * 2000], lengths=[2000]), "more than 1000 bytes"),
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


def test_of_a_long_answer_only_one_part_is_in_memory() -> None:
    part = b"--%b\r\n\r\n" % _MARK + b"\1" * 2**20 + b"\r\n"
    tracemalloc.start()
    try:
        with pytest.raises(CutShortError):
            for content in parts((part for _ in range(40)), _MARK, most_bytes=2**21):
                assert len(content) == 2**20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 2**20
