"""Pixels and encodings: rescale, multi-frame, truncation, transfer syntaxes."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pydicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.io.hard_cases.case import Build, Case, Cases
from tests.io.making import PHASE_OFFSET, Maker

CASES = Cases()


@CASES.case()
def rescale_by_slice(m: Maker) -> None:
    slices = [m.slice((-10, -20, -30 + 5 * k), slope=1 + k % 3, intercept=-1024 + 10 * k) for k in range(8)]
    m.write(slices)


@CASES.case()
def rescale_that_is_not_integral(m: Maker) -> None:
    slices = [m.slice((-10, -20, -30 + 5 * k), slope=0.5 + 0.1 * k, intercept=-3.25) for k in range(8)]
    m.write(slices)


@CASES.case(refused="rescale slope is 0")
def rescale_slope_zero(m: Maker) -> None:
    m.write(m.stack(RescaleSlope=0))


@CASES.case()
def unsigned_twelve_bits(m: Maker) -> None:
    slices = m.stack()
    for data in slices:
        stored = np.frombuffer(data.PixelData, dtype="<i2").astype(np.int64) + 2048
        assert stored.min() >= 0 and stored.max() < 4096
        data.PixelData = stored.astype("<u2").tobytes()
        data.BitsStored, data.HighBit, data.PixelRepresentation, data.RescaleIntercept = 12, 11, 0, -2048
    m.write(slices)


@CASES.case()
def values_beyond_int16(m: Maker) -> None:
    slices = m.stack()
    for data in slices:
        stored = np.frombuffer(data.PixelData, dtype="<i2").astype(np.int64) + 30000
        data.PixelData = stored.astype("<u2").tobytes()
        data.PixelRepresentation, data.RescaleIntercept = 0, 10000
    m.write(slices)
    m.added = 40000


@CASES.case()
def enhanced_ct(m: Maker) -> None:
    m.write([m.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in range(8)], modality="CT")])


@CASES.case()
def enhanced_mr_frames_shuffled_slope_by_frame(m: Maker) -> None:
    frames = [{"position": (-10, -20, -30 + 5 * k), "slope": 0.5 + 0.25 * k} for k in range(8)]
    random.Random(2).shuffle(frames)
    m.write([m.enhanced(frames)])


@CASES.case(volumes=2, note="TemporalPositionIndex")
def enhanced_mr_two_temporal_positions(m: Maker) -> None:
    frames = [
        {"position": (-10, -20, -30 + 5 * k), "temporal": t + 1, "offset": t * PHASE_OFFSET}
        for k in range(8)
        for t in range(2)
    ]
    m.write([m.enhanced(frames)])


@CASES.case(volumes=2, note="StackID")
def enhanced_mr_two_stacks(m: Maker) -> None:
    frames = [
        {"position": (-10, -20, -30 + 5 * k), "stack": t + 1, "offset": t * PHASE_OFFSET}
        for t in range(2)
        for k in range(8)
    ]
    m.write([m.enhanced(frames)])


@CASES.case(refused="missing slice")
def enhanced_with_a_missing_slice(m: Maker) -> None:
    m.write([m.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in range(8) if k != 4])])


@CASES.case(refused="missing image position.*1 of 8")
def enhanced_frame_without_position(m: Maker) -> None:
    frames = [{"position": (-10, -20, -30 + 5 * k) if k else None} for k in range(8)]
    m.write([m.enhanced(frames)])


@CASES.case(refused="mixed orientation")
def enhanced_with_mixed_orientation(m: Maker) -> None:
    frames: list[dict[str, Any]] = [{"position": (-10, -20, -30 + 5 * k)} for k in range(4)]
    frames += [{"position": (-10, -20, -30), "orientation": (0, 1, 0, 0, 0, -1)} for _ in range(4)]
    m.write([m.enhanced(frames)])


@CASES.case(refused="truncated")
def a_file_cut_in_its_pixels(m: Maker) -> None:
    m.write(m.stack())
    path = m.folder / "0004"
    path.write_bytes(path.read_bytes()[:-100])


@CASES.case(refused="truncated")
def enhanced_cut_in_its_pixels(m: Maker) -> None:
    m.write([m.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in range(8)])])
    path = m.folder / "0000"
    path.write_bytes(path.read_bytes()[:-1000])


@CASES.case(refused="truncated")
def claims_thirty_thousand_squared(m: Maker) -> None:
    m.write(m.stack(Rows=30000, Columns=30000))


@CASES.case(refused="missing image position.*1 of 8")
def a_position_that_is_no_number(m: Maker) -> None:
    m.write(m.stack())
    path = m.folder / "0004"
    path.write_bytes(path.read_bytes().replace(b"-10.0\\-20.0\\-10.0", b"-10.0\\-20.0\\nan  "))


def _syntax(uid: str) -> Build:
    def build(m: Maker) -> None:
        m.shape = (40, 48)
        slices = m.stack()
        for data in slices:
            data.compress(uid, generate_instance_uid=False)
        m.write(slices)

    return build


def _encoding(uid: str, *, little: bool = True) -> Build:
    def build(m: Maker) -> None:
        slices = m.stack()
        for data in slices:
            data.file_meta.TransferSyntaxUID = pydicom.uid.UID(uid)
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


for name, build in {
    "syntax_implicit": _encoding(ImplicitVRLittleEndian),
    "syntax_big_endian": _encoding(ExplicitVRBigEndian, little=False),
    "syntax_deflated": _encoding(DeflatedExplicitVRLittleEndian),
    "syntax_rle": _syntax(RLELossless),
    "syntax_jpeg_ls": _syntax(JPEGLSLossless),
    "syntax_jpeg_2000": _syntax(JPEG2000Lossless),
}.items():
    CASES.add(Case(name=name, build=build))
