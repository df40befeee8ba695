"""What scanners, archives and anonymisers do to headers and pixels."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID

from tests.io.hard_cases.case import Cases
from tests.io.making import PHASE_OFFSET, Maker

CASES = Cases()
ORIGIN = (-10.0, -20.0, -30.0)


def _stored(data: FileDataset) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.frombuffer(data.PixelData, dtype="<i2").astype(np.int64)


@CASES.case()
def rows_and_columns_run_backwards(m: Maker) -> None:
    m.write(m.stack(orientation=(-1, 0, 0, 0, -1, 0), step=(0, 0, -5)))


@CASES.case(refused="mixed orientation")
def half_of_the_slices_turned_by_180_degrees(m: Maker) -> None:
    turned = m.stack(n=4, origin=(16, 2, -10), orientation=(-1, 0, 0, 0, -1, 0))
    m.write(m.stack(n=4) + turned)


@CASES.case()
def spacing_between_slices_contradicts_the_positions(m: Maker) -> None:
    m.write(m.stack(SpacingBetweenSlices=3.0))


@CASES.case()
def slice_location_contradicts_the_positions(m: Maker) -> None:
    slices = m.stack()
    for number, data in enumerate(slices):
        data.SliceLocation = -3.0 * number
    m.write(slices)


@CASES.case()
def pixel_spacing_beside_another_at_the_detector(m: Maker) -> None:
    m.write(m.stack(ImagerPixelSpacing=[1.4, 1.4], NominalScannedPixelSpacing=[1.4, 1.4]))


@CASES.case(refused="missing image pixel spacing")
def pixel_spacing_at_the_detector_only(m: Maker) -> None:
    m.write(m.stack(PixelSpacing=None, ImagerPixelSpacing=[2.0, 2.0]))


@CASES.case(refused="missing image pixel spacing")
def pixel_aspect_ratio_only(m: Maker) -> None:
    m.write(m.stack(PixelSpacing=None, PixelAspectRatio=[1, 1]))


@CASES.case()
def monochrome_1(m: Maker) -> None:
    m.write(m.stack(PhotometricInterpretation="MONOCHROME1"))


@CASES.case(refused="not one value for each pixel")
def colour(m: Maker) -> None:
    slices = m.stack()
    for data in slices:
        grey = (_stored(data) % 256).astype(np.uint8)
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
        data.PixelData = np.repeat(grey, 3).tobytes()
    m.write(slices)


def _twelve_bits(m: Maker, *, signed: bool, above: int) -> None:
    """Store 12 of 16 bits; the four above them hold something else."""
    slices = m.stack()
    for data in slices:
        values = _stored(data) if signed else _stored(data) + 2048
        stored = (values & 0x0FFF) | (above << 12)
        data.PixelData = stored.astype("<u2").tobytes()
        data.BitsStored, data.HighBit, data.PixelRepresentation = 12, 11, int(signed)
        data.RescaleIntercept = 0 if signed else -2048
    m.write(slices)


@CASES.case()
def signed_twelve_bits_without_sign_extension(m: Maker) -> None:
    _twelve_bits(m, signed=True, above=0)


@CASES.case()
def overlay_in_the_bits_above_twelve(m: Maker) -> None:
    _twelve_bits(m, signed=False, above=0b0101)


@CASES.case(refused="high bit")
def twelve_bits_at_the_top_of_sixteen(m: Maker) -> None:
    slices = m.stack()
    for data in slices:
        data.PixelData = ((_stored(data) + 2048) << 4).astype("<u2").tobytes()
        data.BitsStored, data.HighBit, data.PixelRepresentation, data.RescaleIntercept = 12, 15, 0, -2048
    m.write(slices)


@CASES.case()
def thirty_two_bits(m: Maker) -> None:
    slices = m.stack()
    for data in slices:
        data.PixelData = _stored(data).astype("<i4").tobytes()
        data.BitsAllocated, data.BitsStored, data.HighBit = 32, 32, 31
    m.write(slices)


@CASES.case()
def bits_differ_from_slice_to_slice(m: Maker) -> None:
    slices = m.stack()
    for data in slices[::2]:
        data.PixelData = (_stored(data) + 2048).astype("<u2").tobytes()
        data.BitsStored, data.HighBit, data.PixelRepresentation, data.RescaleIntercept = 12, 11, 0, -2048
    m.write(slices)


@CASES.case(refused="rescale.*1 of 8")
def one_slice_without_its_rescale(m: Maker) -> None:
    slices = [m.slice((-10, -20, -30 + 5 * k), intercept=-1024) for k in range(8)]
    del slices[3].RescaleSlope, slices[3].RescaleIntercept
    m.write(slices)


@CASES.case(refused="look-up table")
def values_by_a_look_up_table(m: Maker) -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [3, 0, 16])
    item.add_new("LUTData", "OW", bytes(6))
    item.ModalityLUTType = "US"
    m.write(m.stack(ModalityLUTSequence=Items([item])))


@CASES.case(refused="longer than")
def rows_claim_half_of_the_pixels(m: Maker) -> None:
    m.write(m.stack(Rows=6))


@CASES.case()
def pixels_padded_to_an_odd_length(m: Maker) -> None:
    slices = m.stack()
    for data in slices:
        data.PixelData += bytes(6)
    m.write(slices)


@CASES.case(refused="frames of reference")
def two_frames_of_reference(m: Maker) -> None:
    first = m.stack(n=4)
    m.write(first + m.stack(n=4, origin=(-10, -20, -10), FrameOfReferenceUID="1.2.5.99"))


@CASES.case(note="1 localizer")
def localizer_of_another_frame_of_reference(m: Maker) -> None:
    scout = m.slice((-100, 0, 80), orientation=(1, 0, 0, 0, 0, -1), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    scout.FrameOfReferenceUID = "1.2.5.99"
    m.write([scout, *m.stack()])


@CASES.case(refused="2 studies")
def one_series_uid_in_two_studies(m: Maker) -> None:
    later = m.stack(offset=PHASE_OFFSET, StudyDate="20200601", StudyInstanceUID="1.2.4.99", AcquisitionNumber=2)
    m.write(m.stack(AcquisitionNumber=1) + later)


@CASES.case(refused="dates")
def one_study_of_two_dates(m: Maker) -> None:
    m.write(m.stack(AcquisitionNumber=1) + m.stack(offset=PHASE_OFFSET, StudyDate="20200601", AcquisitionNumber=2))


@CASES.case(refused="two different images under one SOP instance UID")
def every_slice_under_one_uid(m: Maker) -> None:
    slices = m.stack()
    for data in slices:
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.1.1")
    m.write(slices)


@CASES.case(refused="missing image position.*8 of 8")
def decimal_commas(m: Maker) -> None:
    m.write(m.stack())
    for path in m.folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"-10.0\\-20.0\\", b"-10,0\\-20,0\\"))


@CASES.case(volumes=2, note="DiffusionBValue")
def two_b_values(m: Maker) -> None:
    pairs = zip(
        m.stack(modality="MR", DiffusionBValue=50.0),
        m.stack(modality="MR", DiffusionBValue=800.0, offset=PHASE_OFFSET),
        strict=True,
    )
    m.write(list(itertools.chain(*pairs)))


@CASES.case(volumes=2, note="EchoTime")
def echoes_on_interleaved_places(m: Maker) -> None:
    """Together they look like one volume of half the spacing."""
    first = m.stack(step=(0, 0, 10), modality="MR", EchoTime=2.3)
    second = m.stack(step=(0, 0, 10), origin=(-10, -20, -25), modality="MR", EchoTime=4.6, offset=PHASE_OFFSET)
    m.write(first + second)


@CASES.case(volumes=2, note="AcquisitionNumber")
def phases_on_a_table_shifted_by_half_a_slice(m: Maker) -> None:
    first = m.stack(step=(0, 0, 10), AcquisitionNumber=1)
    m.write(first + m.stack(step=(0, 0, 10), origin=(-10, -20, -25), AcquisitionNumber=2, offset=PHASE_OFFSET))


@CASES.case()
def two_acquisitions_end_to_end(m: Maker) -> None:
    m.write(m.stack(n=5, AcquisitionNumber=1) + m.stack(n=5, origin=(-10, -20, -5), AcquisitionNumber=2))


@CASES.case(refused="missing slice")
def tilted_gantry_with_a_missing_slice(m: Maker) -> None:
    a = np.radians(12)
    slices = m.stack(n=9, orientation=(1, 0, 0, 0, float(np.cos(a)), float(-np.sin(a))))
    m.write(slices[:4] + slices[5:])


@CASES.case(refused="missing slice|uneven")
def two_gaps_of_equal_size(m: Maker) -> None:
    m.write([m.slice((-10, -20, z)) for z in (0, 5, 10, 20, 25, 30, 40, 45, 50)])


@CASES.case()
def enhanced_in_two_files(m: Maker) -> None:
    parts = [
        m.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in ks], modality="CT") for ks in (range(4), range(4, 8))
    ]
    for number, data in enumerate(parts, start=1):
        data.ConcatenationUID, data.InConcatenationNumber, data.InConcatenationTotalNumber = "1.2.6.1", number, 2
    m.write(parts)


@CASES.case(refused="frames")
def enhanced_with_fewer_groups_than_frames(m: Maker) -> None:
    data = m.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in range(8)])
    data.PerFrameFunctionalGroupsSequence = Items(list(data.PerFrameFunctionalGroupsSequence)[:7])
    m.write([data])


@CASES.case(refused="frames|truncated")
def enhanced_with_more_groups_than_frames(m: Maker) -> None:
    data = m.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in range(8)])
    data.PixelData, data.NumberOfFrames = data.PixelData[: 7 * 12 * 14 * 2], 7
    m.write([data])


@CASES.case(refused="missing image position")
def frames_without_functional_groups(m: Maker) -> None:
    data = m.enhanced([{"position": (-10, -20, -30 + 5 * k)} for k in range(8)])
    del data.PerFrameFunctionalGroupsSequence, data.SharedFunctionalGroupsSequence
    data.ImagePositionPatient, data.ImageOrientationPatient = [-10, -20, -30], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.GridFrameOffsetVector = [2, 2], [5 * k for k in range(8)]
    m.write([data])


@CASES.case(volumes=2, note="EchoTime")
def enhanced_mr_two_echoes(m: Maker) -> None:
    frames = [
        {"position": (-10, -20, -30 + 5 * k), "offset": t * PHASE_OFFSET, "stack": "1"}
        for k in range(8)
        for t in range(2)
    ]
    data = m.enhanced(frames)
    for number, group in enumerate(data.PerFrameFunctionalGroupsSequence):
        echo = Dataset()
        echo.EffectiveEchoTime = 2.3 if number % 2 == 0 else 4.6
        group.MREchoSequence = Items([echo])
    m.write([data])
