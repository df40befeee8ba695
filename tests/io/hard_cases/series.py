"""What one series mixes: duplicates, localizers, phases, matrices; and what it lacks."""

from __future__ import annotations

import itertools
import random
import shutil

import numpy as np

from tests.io.hard_cases.case import Cases
from tests.io.making import PHASE_OFFSET, Maker

CASES = Cases()


@CASES.case(note="1 duplicate slice")
def a_file_twice(m: Maker) -> None:
    m.write(m.stack())
    shutil.copy(m.folder / "0003", m.folder / "copy")


@CASES.case(note="duplicate slice")
def the_whole_series_twice(m: Maker) -> None:
    m.write(m.stack())
    for path in sorted(m.folder.iterdir()):
        shutil.copy(path, m.folder / f"copy{path.name}")


@CASES.case(note="1 duplicate slice")
def equal_slice_under_a_new_uid(m: Maker) -> None:
    m.write([*m.stack(), m.slice((-10, -20, -15))])


@CASES.case(refused="several different images at one place")
def different_slice_at_one_place(m: Maker) -> None:
    m.write([*m.stack(), m.slice((-10, -20, -15), offset=700)])


@CASES.case(refused="two different images under one SOP instance UID")
def different_images_under_one_uid(m: Maker) -> None:
    slices = m.stack()
    other = m.slice((-10, -20, -15), offset=700, SOPInstanceUID=slices[3].SOPInstanceUID)
    other.file_meta.MediaStorageSOPInstanceUID = other.SOPInstanceUID
    m.write([*slices, other])


@CASES.case(note="1 localizer")
def localizer_in_the_series(m: Maker) -> None:
    scout = m.slice((-100, 0, 80), orientation=(1, 0, 0, 0, 0, -1), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    m.write([scout, *m.stack()])


@CASES.case(note="1 localizer")
def localizer_of_another_matrix(m: Maker) -> None:
    m.shape = (20, 30)
    scout = m.slice((-100, 0, 80), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    m.shape = (12, 14)
    m.write([scout, *m.stack()])


@CASES.case(note="across the volume dropped as localizer")
def localizer_that_is_not_marked(m: Maker) -> None:
    m.write([m.slice((-100, 0, 80), orientation=(1, 0, 0, 0, 0, -1)), *m.stack()])


@CASES.case(ignored="localizer")
def only_localizers(m: Maker) -> None:
    m.write(m.stack(n=3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))


@CASES.case(volumes=2, note="told apart by AcquisitionNumber")
def phases_blocked_by_acquisition(m: Maker) -> None:
    m.write(m.stack(AcquisitionNumber=1) + m.stack(AcquisitionNumber=2, offset=PHASE_OFFSET))


@CASES.case(volumes=2, note="told apart by AcquisitionNumber")
def phases_interleaved_by_acquisition(m: Maker) -> None:
    pairs = zip(m.stack(AcquisitionNumber=1), m.stack(AcquisitionNumber=2, offset=PHASE_OFFSET), strict=True)
    m.write(list(itertools.chain(*pairs)))


@CASES.case(volumes=2, note="phase after phase")
def phases_blocked_by_instance_number_alone(m: Maker) -> None:
    m.write(m.stack() + m.stack(offset=PHASE_OFFSET), backwards=True)


@CASES.case(volumes=2, note="place after place")
def phases_interleaved_by_instance_number_alone(m: Maker) -> None:
    slices = list(itertools.chain(*zip(m.stack(), m.stack(offset=PHASE_OFFSET), strict=True)))
    for number, data in enumerate(slices):
        data.InstanceNumber = number
    m.write(slices, backwards=True)


@CASES.case(volumes=3, note="TemporalPositionIdentifier")
def three_temporal_positions(m: Maker) -> None:
    m.write([s for t in range(3) for s in m.stack(TemporalPositionIdentifier=t, offset=t * PHASE_OFFSET - 11000)])


@CASES.case(volumes=2, note="EchoTime")
def two_echoes(m: Maker) -> None:
    m.write(m.stack(modality="MR", EchoTime=2.3) + m.stack(modality="MR", EchoTime=4.6, offset=PHASE_OFFSET))


@CASES.case(volumes=2, note="AcquisitionNumber")
def phases_that_cover_different_ranges(m: Maker) -> None:
    second = m.stack(n=5, origin=(-10, -20, -20), AcquisitionNumber=2, offset=PHASE_OFFSET)
    m.write(m.stack(AcquisitionNumber=1) + second)


@CASES.case(volumes=2, note="AcquisitionNumber")
def phases_on_shifted_tables(m: Maker) -> None:
    second = m.stack(origin=(-10, -20, -28), AcquisitionNumber=2, offset=PHASE_OFFSET)
    m.write(m.stack(AcquisitionNumber=1) + second)


@CASES.case()
def acquisition_number_runs_with_the_slices(m: Maker) -> None:
    slices = m.stack()
    for number, data in enumerate(slices):
        data.AcquisitionNumber = number
    m.write(slices)


@CASES.case(refused="several different images at one place")
def phases_that_nothing_tells_apart(m: Maker) -> None:
    slices = m.stack() + m.stack(offset=PHASE_OFFSET)
    numbers = list(range(16))
    random.Random(5).shuffle(numbers)
    for number, data in zip(numbers, slices, strict=True):
        data.InstanceNumber = number
    m.write(slices)


@CASES.case(refused="missing slice|several different images")
def a_phase_with_a_missing_slice(m: Maker) -> None:
    second = m.stack(AcquisitionNumber=2, offset=PHASE_OFFSET)
    m.write(m.stack(AcquisitionNumber=1) + second[:3] + second[4:])


@CASES.case(refused="slice shifted in its plane")
def one_slice_shifted_in_its_plane(m: Maker) -> None:
    slices = m.stack()
    m.write([*slices[:3], m.slice((-7, -20, -15)), *slices[4:]])


@CASES.case(refused="shifted in its plane")
def table_moved_half_way(m: Maker) -> None:
    m.write(m.stack(n=5) + m.stack(n=5, origin=(-6, -20, -5)))


@CASES.case(refused="missing image position.*8 of 8")
def no_position_at_all(m: Maker) -> None:
    m.write(m.stack(ImagePositionPatient=None))


@CASES.case(refused="missing image position.*1 of 8")
def one_slice_without_position(m: Maker) -> None:
    m.write([*m.stack(n=7), m.slice((-10, -20, 5), ImagePositionPatient=None)])


@CASES.case(refused="missing image orientation")
def no_orientation(m: Maker) -> None:
    m.write(m.stack(ImageOrientationPatient=None))


@CASES.case(refused="missing image pixel spacing")
def no_pixel_spacing(m: Maker) -> None:
    m.write(m.stack(PixelSpacing=None))


@CASES.case(refused="pixel spacing is not positive")
def zero_pixel_spacing(m: Maker) -> None:
    m.write(m.stack(PixelSpacing=[0, 0]))


@CASES.case(refused="not two perpendicular unit vectors")
def zero_orientation(m: Maker) -> None:
    m.write(m.stack(ImageOrientationPatient=[0, 0, 0, 0, 0, 0]))


@CASES.case(refused="not two perpendicular unit vectors")
def skewed_orientation(m: Maker) -> None:
    m.write(m.stack(ImageOrientationPatient=[1, 0, 0, 0.5, 0.866, 0]))


@CASES.case(refused="mixed matrix")
def mixed_matrix(m: Maker) -> None:
    first = m.stack(n=5)
    m.shape = (20, 14)
    m.write(first + m.stack(n=5, origin=(-10, -20, -5)))


@CASES.case(refused="mixed pixel spacing")
def mixed_pixel_spacing(m: Maker) -> None:
    first = m.stack(n=5)
    m.spacing = (2.2, 2.2)
    m.write(first + m.stack(n=5, origin=(-10, -20, -5)))


@CASES.case(refused="mixed orientation")
def mixed_orientation(m: Maker) -> None:
    m.write(m.stack(n=5) + m.stack(n=5, orientation=(0, 1, 0, 0, 0, -1), step=(5, 0, 0)))


@CASES.case(refused="mixed orientation")
def one_slice_tilted(m: Maker) -> None:
    a = np.radians(5)
    tilted = m.slice((-10, -20, 10), orientation=(1, 0, 0, 0, float(np.cos(a)), float(-np.sin(a))))
    m.write([*m.stack(), tilted])


@CASES.case(refused="mixed modalities")
def mixed_modalities(m: Maker) -> None:
    m.write(m.stack(n=5) + m.stack(n=5, modality="MR", origin=(-10, -20, -5)))


@CASES.case(ignored="too few slices")
def single_slice(m: Maker) -> None:
    m.write(m.stack(n=1))


@CASES.case(ignored="too few slices")
def two_slices(m: Maker) -> None:
    m.write(m.stack(n=2))
