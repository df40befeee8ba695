"""Geometry that other loaders get wrong in silence: each case right within 0.5 mm, or refused by name.

Voxel values encode one world coordinate (50 x mm); each case is read three times, once for each coordinate.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesiontrack.errors import LesiontrackError
from lesiontrack.io.archive import index
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import read_scan

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
def plain(m: Any) -> None:
    m.write(m.stack())


@case()
def names_against_the_order(m: Any) -> None:
    m.write(m.stack(), backwards=True)


@case()
def instance_numbers_descend(m: Any) -> None:
    m.write(m.stack(step=(0, 0, -5)))


@case()
def instance_numbers_shuffled(m: Any) -> None:
    slices = m.stack()
    random.Random(3).shuffle(slices)
    for number, data in enumerate(slices):
        data.InstanceNumber = number
    m.write(slices)


@case()
def no_instance_numbers(m: Any) -> None:
    m.write(m.stack(InstanceNumber=None))


@case()
def no_preamble_implicit(m: Any) -> None:
    m.write(m.stack())
    for path in m.folder.iterdir():
        content = path.read_bytes()
        start = 132 + 12 + int.from_bytes(content[140:144], "little")
        path.write_bytes(content[start:])


@case()
def anisotropic_pixels(m: Any) -> None:
    m.spacing = (3.0, 1.5)
    m.write(m.stack())


@case()
def coronal(m: Any) -> None:
    m.write(m.stack(orientation=(1, 0, 0, 0, 0, -1), step=(0, 5, 0)))


@case()
def sagittal(m: Any) -> None:
    m.write(m.stack(orientation=(0, 1, 0, 0, 0, -1), step=(5, 0, 0)))


@case()
def feet_first_prone(m: Any) -> None:
    m.write(m.stack(orientation=(1, 0, 0, 0, -1, 0), step=(0, 0, 4)))


def _oblique() -> tuple[tuple[float, ...], np.ndarray[Any, Any]]:
    a, b = np.radians(20), np.radians(35)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    turn = about_z @ about_x
    return (*turn[:, 0], *turn[:, 1]), turn[:, 2]


@case()
def doubly_oblique(m: Any) -> None:
    orientation, normal = _oblique()
    m.write(m.stack(orientation=tuple(round(v, 6) for v in orientation), step=tuple(normal * 4)))


@case(note="gantry tilt of 15.0 degrees")
def gantry_tilt(m: Any) -> None:
    a = np.radians(15)
    m.write(m.stack(orientation=(1, 0, 0, 0, float(np.cos(a)), float(-np.sin(a))), step=(0, 0, 5)))


@case(note="gantry tilt")
def gantry_tilt_many_slices(m: Any) -> None:
    a = np.radians(-22.5)
    m.write(m.stack(n=20, orientation=(1, 0, 0, 0, float(np.cos(a)), float(-np.sin(a))), step=(0, 0, 2.5)))


@case()
def positions_rounded_to_a_tenth(m: Any) -> None:
    slices = [m.slice((-10, -20, round(-30 + 1.25 * k, 1))) for k in range(16)]
    m.write(slices)


@case(refused="missing slice.*10.00 mm between slices 4 and 5 of 7.*expected 5.00 mm")
def missing_slice(m: Any) -> None:
    slices = m.stack()
    m.write(slices[:4] + slices[5:])


@case(refused="missing slice")
def missing_two_slices_apart(m: Any) -> None:
    slices = m.stack(n=12)
    m.write([s for k, s in enumerate(slices) if k not in (3, 8)])


@case(refused="missing slice")
def missing_slice_of_thin_slices(m: Any) -> None:
    slices = m.stack(n=30, step=(0, 0, 0.3))
    m.write(slices[:14] + slices[15:])


@case(refused="missing slice")
def every_other_half_missing(m: Any) -> None:
    slices = m.stack(n=16)
    m.write(slices[:8] + slices[8::2])


@case(note="resampled linearly", settings=ArchiveSettings(missing_slices="resample"))
def missing_slice_resampled(m: Any) -> None:
    slices = m.stack()
    m.write(slices[:4] + slices[5:])


@case(note="resampled linearly", settings=ArchiveSettings(missing_slices="resample"))
def variable_spacing_resampled(m: Any) -> None:
    m.write([m.slice((-10, -20, z)) for z in (0, 2, 4, 6, 8, 12, 16, 20, 24)])


@case(refused="shifted in its plane", settings=ArchiveSettings(missing_slices="resample"))
def in_plane_shift_is_not_resampled(m: Any) -> None:
    slices = m.stack()
    m.write([*slices[:3], m.slice((-7, -20, -15)), *slices[4:]])


@case(refused="several different images at one place", settings=ArchiveSettings(missing_slices="resample"))
def two_images_at_one_place_are_not_resampled(m: Any) -> None:
    m.write([*m.stack(), m.slice((-10, -20, -15), offset=700)])


@case(refused="missing slice, or uneven distance")
def variable_spacing(m: Any) -> None:
    m.write([m.slice((-10, -20, z)) for z in (0, 2, 4, 6, 8, 12, 16, 20, 24)])


@case(refused="uneven distance")
def spacing_that_grows(m: Any) -> None:
    m.write([m.slice((-10, -20, 5 * k + 0.15 * k * k)) for k in range(9)])


@case(refused="uneven distance")
def one_slice_a_millimetre_off(m: Any) -> None:
    slices = m.stack()
    m.write([*slices[:3], m.slice((-10, -20, -14)), *slices[4:]])


@case()
def jitter_below_the_tolerance(m: Any) -> None:
    jitter = random.Random(1)
    m.write([m.slice((-10, -20, 5 * k + jitter.uniform(-0.08, 0.08))) for k in range(10)])


@case(note="1 duplicate slice")
def a_file_twice(m: Any) -> None:
    m.write(m.stack())
    shutil.copy(m.folder / "0003", m.folder / "copy")


@case(note="duplicate slice")
def the_whole_series_twice(m: Any) -> None:
    m.write(m.stack())
    for path in sorted(m.folder.iterdir()):
        shutil.copy(path, m.folder / f"copy{path.name}")


@case(note="1 duplicate slice")
def equal_slice_under_a_new_uid(m: Any) -> None:
    m.write([*m.stack(), m.slice((-10, -20, -15))])


@case(refused="several different images at one place")
def different_slice_at_one_place(m: Any) -> None:
    m.write([*m.stack(), m.slice((-10, -20, -15), offset=700)])


@case(refused="two different images under one SOP instance UID")
def different_images_under_one_uid(m: Any) -> None:
    slices = m.stack()
    other = m.slice((-10, -20, -15), offset=700, SOPInstanceUID=slices[3].SOPInstanceUID)
    other.file_meta.MediaStorageSOPInstanceUID = other.SOPInstanceUID
    m.write([*slices, other])


@case(note="1 localizer")
def localizer_in_the_series(m: Any) -> None:
    scout = m.slice((-100, 0, 80), orientation=(1, 0, 0, 0, 0, -1), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    m.write([scout, *m.stack()])


@case(note="1 localizer")
def localizer_of_another_matrix(m: Any) -> None:
    m.shape = (20, 30)
    scout = m.slice((-100, 0, 80), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    m.shape = (12, 14)
    m.write([scout, *m.stack()])


@case(note="across the volume dropped as localizer")
def localizer_that_is_not_marked(m: Any) -> None:
    m.write([m.slice((-100, 0, 80), orientation=(1, 0, 0, 0, 0, -1)), *m.stack()])


@case(ignored="localizer")
def only_localizers(m: Any) -> None:
    m.write(m.stack(n=3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))


@case(volumes=2, note="told apart by AcquisitionNumber")
def phases_blocked_by_acquisition(m: Any) -> None:
    m.write(m.stack(AcquisitionNumber=1) + m.stack(AcquisitionNumber=2, offset=PHASE_OFFSET))


@case(volumes=2, note="told apart by AcquisitionNumber")
def phases_interleaved_by_acquisition(m: Any) -> None:
    pairs = zip(m.stack(AcquisitionNumber=1), m.stack(AcquisitionNumber=2, offset=PHASE_OFFSET), strict=True)
    m.write(list(itertools.chain(*pairs)))


@case(volumes=2, note="phase after phase")
def phases_blocked_by_instance_number_alone(m: Any) -> None:
    m.write(m.stack() + m.stack(offset=PHASE_OFFSET), backwards=True)


@case(volumes=2, note="place after place")
def phases_interleaved_by_instance_number_alone(m: Any) -> None:
    slices = list(itertools.chain(*zip(m.stack(), m.stack(offset=PHASE_OFFSET), strict=True)))
    for number, data in enumerate(slices):
        data.InstanceNumber = number
    m.write(slices, backwards=True)


@case(volumes=3, note="TemporalPositionIdentifier")
def three_temporal_positions(m: Any) -> None:
    m.write([s for t in range(3) for s in m.stack(TemporalPositionIdentifier=t, offset=t * PHASE_OFFSET - 11000)])


@case(volumes=2, note="EchoTime")
def two_echoes(m: Any) -> None:
    m.write(m.stack(modality="MR", EchoTime=2.3) + m.stack(modality="MR", EchoTime=4.6, offset=PHASE_OFFSET))


@case(volumes=2, note="AcquisitionNumber")
def phases_that_cover_different_ranges(m: Any) -> None:
    second = m.stack(n=5, origin=(-10, -20, -20), AcquisitionNumber=2, offset=PHASE_OFFSET)
    m.write(m.stack(AcquisitionNumber=1) + second)


@case(volumes=2, note="AcquisitionNumber")
def phases_on_shifted_tables(m: Any) -> None:
    second = m.stack(origin=(-10, -20, -28), AcquisitionNumber=2, offset=PHASE_OFFSET)
    m.write(m.stack(AcquisitionNumber=1) + second)


@case()
def acquisition_number_runs_with_the_slices(m: Any) -> None:
    slices = m.stack()
    for number, data in enumerate(slices):
        data.AcquisitionNumber = number
    m.write(slices)


@case(refused="several different images at one place")
def phases_that_nothing_tells_apart(m: Any) -> None:
    slices = m.stack() + m.stack(offset=PHASE_OFFSET)
    numbers = list(range(16))
    random.Random(5).shuffle(numbers)
    for number, data in zip(numbers, slices, strict=True):
        data.InstanceNumber = number
    m.write(slices)


@case(refused="missing slice|several different images")
def a_phase_with_a_missing_slice(m: Any) -> None:
    second = m.stack(AcquisitionNumber=2, offset=PHASE_OFFSET)
    m.write(m.stack(AcquisitionNumber=1) + second[:3] + second[4:])


@case(refused="slice shifted in its plane")
def one_slice_shifted_in_its_plane(m: Any) -> None:
    slices = m.stack()
    m.write([*slices[:3], m.slice((-7, -20, -15)), *slices[4:]])


@case(refused="shifted in its plane")
def table_moved_half_way(m: Any) -> None:
    m.write(m.stack(n=5) + m.stack(n=5, origin=(-6, -20, -5)))


@case(refused="missing image position.*8 of 8")
def no_position_at_all(m: Any) -> None:
    m.write(m.stack(ImagePositionPatient=None))


@case(refused="missing image position.*1 of 8")
def one_slice_without_position(m: Any) -> None:
    m.write([*m.stack(n=7), m.slice((-10, -20, 5), ImagePositionPatient=None)])


@case(refused="missing image orientation")
def no_orientation(m: Any) -> None:
    m.write(m.stack(ImageOrientationPatient=None))


@case(refused="missing image pixel spacing")
def no_pixel_spacing(m: Any) -> None:
    m.write(m.stack(PixelSpacing=None))


@case(refused="pixel spacing is not positive")
def zero_pixel_spacing(m: Any) -> None:
    m.write(m.stack(PixelSpacing=[0, 0]))


@case(refused="not two perpendicular unit vectors")
def zero_orientation(m: Any) -> None:
    m.write(m.stack(ImageOrientationPatient=[0, 0, 0, 0, 0, 0]))


@case(refused="not two perpendicular unit vectors")
def skewed_orientation(m: Any) -> None:
    m.write(m.stack(ImageOrientationPatient=[1, 0, 0, 0.5, 0.866, 0]))


@case(refused="mixed matrix")
def mixed_matrix(m: Any) -> None:
    first = m.stack(n=5)
    m.shape = (20, 14)
    m.write(first + m.stack(n=5, origin=(-10, -20, -5)))


@case(refused="mixed pixel spacing")
def mixed_pixel_spacing(m: Any) -> None:
    first = m.stack(n=5)
    m.spacing = (2.2, 2.2)
    m.write(first + m.stack(n=5, origin=(-10, -20, -5)))


@case(refused="mixed orientation")
def mixed_orientation(m: Any) -> None:
    m.write(m.stack(n=5) + m.stack(n=5, orientation=(0, 1, 0, 0, 0, -1), step=(5, 0, 0)))


@case(refused="mixed orientation")
def one_slice_tilted(m: Any) -> None:
    a = np.radians(5)
    tilted = m.slice((-10, -20, 10), orientation=(1, 0, 0, 0, float(np.cos(a)), float(-np.sin(a))))
    m.write([*m.stack(), tilted])


@case(refused="mixed modalities")
def mixed_modalities(m: Any) -> None:
    m.write(m.stack(n=5) + m.stack(n=5, modality="MR", origin=(-10, -20, -5)))


@case(ignored="too few slices")
def single_slice(m: Any) -> None:
    m.write(m.stack(n=1))


@case(ignored="too few slices")
def two_slices(m: Any) -> None:
    m.write(m.stack(n=2))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(CASES))
def test_right_within_half_a_millimetre_or_refused_by_name(
    name: str, axis: int, makers: Callable[[str, int], Any], prove: Callable[..., None]
) -> None:
    build, expected = CASES[name]
    maker = makers(name, axis)
    build(maker)
    prove(maker, **expected)


def test_the_order_of_files_does_not_matter(makers: Callable[[str, int], Any]) -> None:
    forwards, backwards = makers("a", 2), makers("b", 2)
    for maker in (forwards, backwards):
        maker.write(maker.stack(AcquisitionNumber=1) + maker.stack(AcquisitionNumber=2), backwards=maker is backwards)
    found = [index(maker.folder, ArchiveSettings()).subjects[0].visits[0].scans for maker in (forwards, backwards)]
    assert [scan.series_uid for scan in found[0]] == [scan.series_uid for scan in found[1]]
    read = read_scan(ArchiveSettings(), LabelSettings())
    for one, other in zip(*found, strict=True):
        assert np.array_equal(read(one)[0].voxels, read(other)[0].voxels)
        assert read(one)[0].sop_instance_uids == read(other)[0].sop_instance_uids


def test_a_series_changed_after_the_catalogue_is_noticed(maker: Any) -> None:
    maker.write(maker.stack())
    scan = index(maker.folder, ArchiveSettings()).subjects[0].visits[0].scans[0]
    Path(scan.files[3]).write_bytes(Path(scan.files[2]).read_bytes())
    with pytest.raises(LesiontrackError):
        read_scan(ArchiveSettings(), LabelSettings())(scan)
