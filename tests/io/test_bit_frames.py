"""Frames of single bits follow each other without padding, so that most of them start within a byte."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from lesiontrack.io.dicom import frames_of


@given(
    rows=st.integers(1, 19),
    columns=st.integers(1, 19),
    frames=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_every_frame_comes_back_bit_for_bit(
    rows: int, columns: int, frames: int, seed: int, data: st.DataObject
) -> None:
    """Whatever the size of a frame, and whichever frames are asked for (PS3.5 8.1.1: low bit first)."""
    bits = np.random.default_rng(seed).integers(0, 2, (frames, rows, columns), dtype=np.uint8)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = rows, columns, frames
    dataset.BitsAllocated = dataset.BitsStored = dataset.SamplesPerPixel = 1
    dataset.HighBit, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 0, 0, "MONOCHROME2"
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)
    wanted = sorted(data.draw(st.sets(st.integers(0, frames - 1))))
    found = dict(frames_of(dataset, wanted))
    assert sorted(found) == wanted
    for number, frame in found.items():
        np.testing.assert_array_equal(frame, bits[number])
