"""Where slices lie: order, orientation, tilt, gaps."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from lesiontrack.io.settings import ArchiveSettings
from tests.io.hard_cases.case import Cases
from tests.io.making import Maker

CASES = Cases()


@CASES.case()
def plain(m: Maker) -> None:
    m.write(m.stack())


@CASES.case()
def names_against_the_order(m: Maker) -> None:
    m.write(m.stack(), backwards=True)


@CASES.case()
def instance_numbers_descend(m: Maker) -> None:
    m.write(m.stack(step=(0, 0, -5)))


@CASES.case()
def instance_numbers_shuffled(m: Maker) -> None:
    slices = m.stack()
    random.Random(3).shuffle(slices)
    for number, data in enumerate(slices):
        data.InstanceNumber = number
    m.write(slices)


@CASES.case()
def no_instance_numbers(m: Maker) -> None:
    m.write(m.stack(InstanceNumber=None))


@CASES.case()
def no_preamble_implicit(m: Maker) -> None:
    m.write(m.stack())
    for path in m.folder.iterdir():
        content = path.read_bytes()
        start = 132 + 12 + int.from_bytes(content[140:144], "little")
        path.write_bytes(content[start:])


@CASES.case()
def anisotropic_pixels(m: Maker) -> None:
    m.spacing = (3.0, 1.5)
    m.write(m.stack())


@CASES.case()
def coronal(m: Maker) -> None:
    m.write(m.stack(orientation=(1, 0, 0, 0, 0, -1), step=(0, 5, 0)))


@CASES.case()
def sagittal(m: Maker) -> None:
    m.write(m.stack(orientation=(0, 1, 0, 0, 0, -1), step=(5, 0, 0)))


@CASES.case()
def feet_first_prone(m: Maker) -> None:
    m.write(m.stack(orientation=(1, 0, 0, 0, -1, 0), step=(0, 0, 4)))


def _oblique() -> tuple[tuple[float, ...], NDArray[np.float64]]:
    a, b = np.radians(20), np.radians(35)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    turn = about_z @ about_x
    return (*turn[:, 0], *turn[:, 1]), turn[:, 2]


@CASES.case()
def doubly_oblique(m: Maker) -> None:
    orientation, normal = _oblique()
    m.write(m.stack(orientation=tuple(round(v, 6) for v in orientation), step=tuple(normal * 4)))


@CASES.case(note="gantry tilt of 15.0 degrees")
def gantry_tilt(m: Maker) -> None:
    a = np.radians(15)
    m.write(m.stack(orientation=(1, 0, 0, 0, float(np.cos(a)), float(-np.sin(a))), step=(0, 0, 5)))


@CASES.case(note="gantry tilt")
def gantry_tilt_many_slices(m: Maker) -> None:
    a = np.radians(-22.5)
    m.write(m.stack(n=20, orientation=(1, 0, 0, 0, float(np.cos(a)), float(-np.sin(a))), step=(0, 0, 2.5)))


@CASES.case()
def positions_rounded_to_a_tenth(m: Maker) -> None:
    slices = [m.slice((-10, -20, round(-30 + 1.25 * k, 1))) for k in range(16)]
    m.write(slices)


@CASES.case(refused="missing slice.*10.00 mm between slices 4 and 5 of 7.*expected 5.00 mm")
def missing_slice(m: Maker) -> None:
    slices = m.stack()
    m.write(slices[:4] + slices[5:])


@CASES.case(refused="missing slice")
def missing_two_slices_apart(m: Maker) -> None:
    slices = m.stack(n=12)
    m.write([s for k, s in enumerate(slices) if k not in (3, 8)])


@CASES.case(refused="missing slice")
def missing_slice_of_thin_slices(m: Maker) -> None:
    slices = m.stack(n=30, step=(0, 0, 0.3))
    m.write(slices[:14] + slices[15:])


@CASES.case(refused="missing slice")
def every_other_half_missing(m: Maker) -> None:
    slices = m.stack(n=16)
    m.write(slices[:8] + slices[8::2])


@CASES.case(note="resampled linearly", settings=ArchiveSettings(missing_slices="resample"))
def missing_slice_resampled(m: Maker) -> None:
    slices = m.stack()
    m.write(slices[:4] + slices[5:])


@CASES.case(note="resampled linearly", settings=ArchiveSettings(missing_slices="resample"))
def variable_spacing_resampled(m: Maker) -> None:
    m.write([m.slice((-10, -20, z)) for z in (0, 2, 4, 6, 8, 12, 16, 20, 24)])


@CASES.case(refused="shifted in its plane", settings=ArchiveSettings(missing_slices="resample"))
def in_plane_shift_is_not_resampled(m: Maker) -> None:
    slices = m.stack()
    m.write([*slices[:3], m.slice((-7, -20, -15)), *slices[4:]])


@CASES.case(refused="several different images at one place", settings=ArchiveSettings(missing_slices="resample"))
def two_images_at_one_place_are_not_resampled(m: Maker) -> None:
    m.write([*m.stack(), m.slice((-10, -20, -15), offset=700)])


@CASES.case(refused="missing slice, or uneven distance")
def variable_spacing(m: Maker) -> None:
    m.write([m.slice((-10, -20, z)) for z in (0, 2, 4, 6, 8, 12, 16, 20, 24)])


@CASES.case(refused="uneven distance")
def spacing_that_grows(m: Maker) -> None:
    m.write([m.slice((-10, -20, 5 * k + 0.15 * k * k)) for k in range(9)])


@CASES.case(refused="uneven distance")
def one_slice_a_millimetre_off(m: Maker) -> None:
    slices = m.stack()
    m.write([*slices[:3], m.slice((-10, -20, -14)), *slices[4:]])


@CASES.case()
def jitter_below_the_tolerance(m: Maker) -> None:
    jitter = random.Random(1)
    m.write([m.slice((-10, -20, 5 * k + jitter.uniform(-0.08, 0.08))) for k in range(10)])
