"""Pixels and encodings that other loaders get wrong in silence: rescale, multi-frame, truncation, transfer syntaxes.

Voxel values encode one world coordinate (50 x mm); each case is read three times, once for each coordinate.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

PHASE_OFFSET = 11000
Build = Callable[[Any], None]
CASES: dict[str, tuple[Build, dict[str, Any]]] = {}


def case(**expected: Any) -> Callable[[Build], Build]:
    """Register a case under the name of its function."""

    def register(build: Build) -> Build:
        CASES[build.__name__] = (build, expected)
        return build

    return register


@case()
def rescale_by_slice(m: Any) -> None:
    slices = [m.slice((-10, -20, -30 + 5 * k), slope=1 + k % 3, intercept=-1024 + 10 * k) for k in range(8)]
    m.write(slices)


@case()
def rescale_that_is_not_integral(m: Any) -> None:
    slices = [m.slice((-10, -20, -30 + 5 * k), slope=0.5 + 0.1 * k, intercept=-3.25) for k in range(8)]
    m.write(slices)


@case(refused="rescale slope is 0")
def rescale_slope_zero(m: Any) -> None:
    m.write(m.stack(RescaleSlope=0))


@case()
def unsigned_twelve_bits(m: Any) -> None:
    slices = m.stack()
    for data in slices:
        stored = np.frombuffer(data.PixelData, dtype="<i2").astype(np.int64) + 2048
        assert stored.min() >= 0 and stored.max() < 4096
        data.PixelData = stored.astype("<u2").tobytes()
        data.BitsStored, data.HighBit, data.PixelRepresentation, data.RescaleIntercept = 12, 11, 0, -2048
    m.write(slices)


@case()
def values_beyond_int16(m: Any) -> None:
    slices = m.stack()
    for data in slices:
        stored = np.frombuffer(data.PixelData, dtype="<i2").astype(np.int64) + 30000
        data.PixelData = stored.astype("<u2").tobytes()
        data.PixelRepresentation, data.RescaleIntercept = 0, 10000
    m.write(slices)
    m.added = 40000


@case()
def enhanced_ct(m: Any) -> None:
    m.write([m.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in range(8)], modality="CT")])


@case()
def enhanced_mr_frames_shuffled_slope_by_frame(m: Any) -> None:
    frames = [{"position": (-10, -20, -30 + 5 * k), "slope": 0.5 + 0.25 * k} for k in range(8)]
    random.Random(2).shuffle(frames)
    m.write([m.enhanced(frames)])


@case(volumes=2, note="TemporalPositionIndex")
def enhanced_mr_two_temporal_positions(m: Any) -> None:
    frames = [
        {"position": (-10, -20, -30 + 5 * k), "temporal": t + 1, "offset": t * PHASE_OFFSET}
        for k in range(8)
        for t in range(2)
    ]
    m.write([m.enhanced(frames)])


@case(volumes=2, note="StackID")
def enhanced_mr_two_stacks(m: Any) -> None:
    frames = [
        {"position": (-10, -20, -30 + 5 * k), "stack": t + 1, "offset": t * PHASE_OFFSET}
        for t in range(2)
        for k in range(8)
    ]
    m.write([m.enhanced(frames)])


@case(refused="missing slice")
def enhanced_with_a_missing_slice(m: Any) -> None:
    m.write([m.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in range(8) if k != 4])])


@case(refused="missing image position.*1 of 8")
def enhanced_frame_without_position(m: Any) -> None:
    frames = [{"position": (-10, -20, -30 + 5 * k) if k else None} for k in range(8)]
    m.write([m.enhanced(frames)])


@case(refused="mixed orientation")
def enhanced_with_mixed_orientation(m: Any) -> None:
    frames: list[dict[str, Any]] = [{"position": (-10, -20, -30 + 5 * k)} for k in range(4)]
    frames += [{"position": (-10, -20, -30), "orientation": (0, 1, 0, 0, 0, -1)} for _ in range(4)]
    m.write([m.enhanced(frames)])


@case(refused="truncated")
def a_file_cut_in_its_pixels(m: Any) -> None:
    m.write(m.stack())
    path = m.folder / "0004"
    path.write_bytes(path.read_bytes()[:-100])


@case(refused="truncated")
def enhanced_cut_in_its_pixels(m: Any) -> None:
    m.write([m.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in range(8)])])
    path = m.folder / "0000"
    path.write_bytes(path.read_bytes()[:-1000])


@case(refused="truncated")
def claims_thirty_thousand_squared(m: Any) -> None:
    m.write(m.stack(Rows=30000, Columns=30000))


@case(refused="missing image position.*1 of 8")
def a_position_that_is_no_number(m: Any) -> None:
    m.write(m.stack())
    path = m.folder / "0004"
    path.write_bytes(path.read_bytes().replace(b"-10.0\\-20.0\\-10.0", b"-10.0\\-20.0\\nan  "))


def _syntax(uid: str) -> Build:
    def build(m: Any) -> None:
        m.shape = (40, 48)
        slices = m.stack()
        for data in slices:
            data.compress(uid, generate_instance_uid=False)
        m.write(slices)

    return build


def _encoding(uid: str, *, little: bool = True) -> Build:
    def build(m: Any) -> None:
        slices = m.stack()
        for data in slices:
            data.file_meta.TransferSyntaxUID = uid
            if not little:
                data.PixelData = np.frombuffer(data.PixelData, dtype="<i2").astype(">i2").tobytes()
        if little:
            m.write(slices)
        else:
            m.folder.mkdir()
            for data in slices:
                path = m.folder / str(data.InstanceNumber)
                pydicom.dcmwrite(path, data, implicit_vr=False, little_endian=False, force_encoding=True)

    return build


CASES["syntax_implicit"] = (_encoding(ImplicitVRLittleEndian), {})
CASES["syntax_big_endian"] = (_encoding(ExplicitVRBigEndian, little=False), {})
CASES["syntax_deflated"] = (_encoding(DeflatedExplicitVRLittleEndian), {})
CASES["syntax_rle"] = (_syntax(RLELossless), {})
CASES["syntax_jpeg_ls"] = (_syntax(JPEGLSLossless), {})
CASES["syntax_jpeg_2000"] = (_syntax(JPEG2000Lossless), {})


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(CASES))
def test_right_within_half_a_millimetre_or_refused_by_name(
    name: str, axis: int, makers: Callable[[str, int], Any], prove: Callable[..., None]
) -> None:
    build, expected = CASES[name]
    maker = makers(name, axis)
    build(maker)
    prove(maker, **expected)
