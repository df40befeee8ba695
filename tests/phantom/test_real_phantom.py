"""Lesions put into a given volume: in the region, apart, in view, moved by the known map, and darker than the liver."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lesiontrack.domain.geometry import Grid, SegmentKind, Volume
from lesiontrack.errors import GeometryError, StudyError
from lesiontrack.phantom import Imaging, Motion, MotionLimits
from lesiontrack.phantom.real import RealAnatomy, RealSubject
from lesiontrack.phantom.real_course import RealSizes, real_subject

IMAGING = (
    Imaging(pixel_mm=2.0, slice_mm=4.0),
    Imaging(pixel_mm=2.5, slice_mm=3.0),
    Imaging(pixel_mm=2.2, slice_mm=4.0),
)
SHAPE = (40, 100, 120)
LIVER_HU = 110


def _grid(flip: bool = False) -> Grid:
    """2 mm pixels and 4 mm planes; ``flip`` lets rows and columns run to the right and to the front, as in NIfTI."""
    sign = -1.0 if flip else 1.0
    steps = np.array([[0, 0, 4.0], [0, 2.0 * sign, 0], [2.0 * sign, 0, 0]])
    return Grid.from_axes(shape=SHAPE, origin_lps_mm=np.array([-17.0, 40.0, 510.0]), steps_lps_mm=steps)


def _ball_liver() -> NDArray[np.bool_]:
    k, j, i = np.indices(SHAPE)
    liver: NDArray[np.bool_] = ((k - 20) * 4.0) ** 2 + ((j - 50) * 2.0) ** 2 + ((i - 50) * 2.0) ** 2 <= 70.0**2
    return liver


def _anatomy(*, marked: bool = True, flip: bool = False, modality: str = "CT") -> RealAnatomy:
    """Return a ball of a liver in muscle; the test volumes are plain so that every change is the module's own."""
    liver = _ball_liver()
    voxels = np.where(liver, LIVER_HU, 50).astype(np.int16)
    voxels[:, :5] = -1000 if modality == "CT" else 0
    return RealAnatomy(
        volume=Volume(grid=_grid(flip), voxels=voxels, modality=modality, series_uid="1.2"), region=liver, marked=marked
    )


@pytest.fixture(scope="module", params=[1, 2, 3, 4])
def subject(request: pytest.FixtureRequest) -> RealSubject:
    """Return a subject for each of four seeds: both courses, each with rows and columns either way."""
    seed = int(request.param)
    return real_subject("R-1", _anatomy(flip=seed > 2), seed=seed, imaging=IMAGING)


def test_lesions_have_the_planned_axes_at_every_visit(subject: RealSubject) -> None:
    for number in range(3):
        for lesion in subject.lesions_at(number):
            plan = next(each for each in subject.plan.lesions if each.name == lesion.name)
            assert lesion.body.axial_diameters_mm()[0] == pytest.approx(plan.diameters_mm[number], abs=1e-9)


def test_two_go_one_comes_and_the_rest_grows_by_30_percent(subject: RealSubject) -> None:
    first, last = ({x.name: x.body for x in subject.lesions_at(n)} for n in (0, 2))
    assert len(first) == 14
    assert len(set(first) - set(last)) == 2
    assert len(set(last) - set(first)) == 1
    for name in set(first) & set(last):
        grown = last[name].axial_diameters_mm()[0] / first[name].axial_diameters_mm()[0]
        assert grown == pytest.approx(1.3, abs=0.01)


def test_lesions_lie_in_the_liver_apart_and_in_view(subject: RealSubject) -> None:
    for number in range(3):
        visit = subject.visit(number)
        marks = visit.segmentation.lesions
        assert visit.segmentation.liver is not None
        # The liver's own mask at this visit, by the map alone: lesions are counted into the segmentation's.
        _, share = subject.anatomy.sample(_points(subject, number))
        assert (share[marks > 0] > 0.5).all()
        top = visit.volume.grid.to_lps_mm(np.array([visit.volume.grid.shape[0] - 1.0, 0, 0]))[2]
        bodies = [lesion.body for lesion in visit.lesions]
        for body in bodies:
            z, half = body.centre_lps_mm[2], body.half_height_mm
            assert visit.volume.grid.origin_lps_mm[2] <= z - half
            assert z + half <= top
        for a, one in enumerate(bodies):
            for other in bodies[:a]:
                apart = np.linalg.norm(one.centre_lps_mm - other.centre_lps_mm)
                assert apart > one.semi_axes_mm.max() + other.semi_axes_mm.max() + 1.0


def _points(subject: RealSubject, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    grid = subject.grid_at(number)
    index = np.moveaxis(np.indices(grid.shape), 0, -1).astype(np.float64)
    own = subject.motions[number].to_own_space(grid.to_lps_mm(index)).astype(np.float32)
    return own[..., 0], own[..., 1], own[..., 2]


def test_centres_fall_anywhere_between_the_planes(subject: RealSubject) -> None:
    """On the planes of the volume, every lesion of the first visit would be cut at its widest."""
    heights = np.array([lesion.body.centre_lps_mm[2] for lesion in subject.lesions_at(0)])
    grid = subject.grid_at(0)
    off = (heights - grid.origin_lps_mm[2]) / grid.spacing_mm[0] % 1.0
    assert np.ptp(off) > 0.5


def test_marked_voxels_are_those_in_the_ellipsoids(subject: RealSubject) -> None:
    visit = subject.visit(1)
    inside = np.zeros(visit.volume.grid.shape, dtype=bool)
    points = visit.volume.grid.to_lps_mm(np.moveaxis(np.indices(visit.volume.grid.shape), 0, -1).astype(np.float64))
    for lesion in visit.lesions:
        inside |= lesion.body.level(points) <= 1.0
    np.testing.assert_array_equal(visit.segmentation.lesions > 0, inside)
    for label, name in visit.labels.items():
        centre = next(lesion.body.centre_lps_mm for lesion in visit.lesions if lesion.name == name)
        marked = np.argwhere(visit.segmentation.lesions == label).astype(np.float64)
        assert np.linalg.norm(visit.volume.grid.to_lps_mm(marked).mean(axis=0) - centre) < 1.5


def test_lesions_are_darker_than_the_liver_and_uneven(subject: RealSubject) -> None:
    for number in range(3):
        visit = subject.visit(number)
        assert visit.segmentation.liver is not None
        lesions = visit.volume.voxels[visit.segmentation.lesions > 0]
        liver = visit.volume.voxels[visit.segmentation.liver & (visit.segmentation.lesions == 0)]
        assert 20 < float(np.median(liver)) - float(np.median(lesions)) < 60
        assert lesions.std() > visit.appearance.noise


def test_the_first_visit_is_the_volume_itself() -> None:
    """Before lesions and noise, at the volume's own spacing: voxel for voxel."""
    anatomy = _anatomy()
    first = (Imaging(pixel_mm=2.0, slice_mm=4.0), *IMAGING[1:])
    subject = real_subject("R-1", anatomy, seed=1, imaging=first)
    grid = subject.grid_at(0)
    canvas, liver = subject.painted(0, grid)
    start = anatomy.volume.grid.to_index(grid.origin_lps_mm + anatomy.centre_lps_mm)
    assert start == pytest.approx(start.round(), abs=1e-6)
    k, j, i = start.round().astype(int)
    part = (slice(k, k + grid.shape[0]), slice(j, j + grid.shape[1]), slice(i, i + grid.shape[2]))
    np.testing.assert_allclose(canvas.values, anatomy.volume.voxels[part], atol=0.01)
    np.testing.assert_array_equal(liver, anatomy.region[part])


@pytest.mark.parametrize("flip", [False, True])
def test_later_visits_show_what_the_map_says(flip: bool) -> None:
    """In a volume whose values are a ramp, every voxel tells which place it came from."""
    base = _anatomy(flip=flip, modality="MR")
    index = np.moveaxis(np.indices(SHAPE), 0, -1).astype(np.float64)
    heights = base.volume.grid.to_lps_mm(index)[..., 2] - 500.0
    volume = Volume(grid=base.volume.grid, voxels=heights.astype(np.float32), modality="MR", series_uid="1.2")
    anatomy = RealAnatomy(volume=volume, region=base.region)
    subject = real_subject("R-1", anatomy, seed=3, imaging=IMAGING)
    _, _, z = _points(subject, 1)
    expected = np.clip(z + anatomy.centre_lps_mm[2] - 500.0, heights.min(), heights.max())
    sampled, _ = anatomy.sample(_points(subject, 1))
    np.testing.assert_allclose(sampled, expected, atol=0.01)
    # The contrast of another day is one factor for the whole image.
    factor = subject.painted(1, subject.grid_at(1))[0].values / sampled
    assert factor.std() < 1e-4
    assert 0.88 <= factor.mean() <= 1.12


def test_later_visits_move_the_anatomy_and_the_lesions_by_the_same_map(subject: RealSubject) -> None:
    for lesion in subject.lesions_at(0):
        own = subject.motions[0].to_own_space(lesion.body.centre_lps_mm)
        later = {each.name: each for each in subject.lesions_at(2)}.get(lesion.name)
        if later is not None:
            back = subject.motions[2].to_own_space(later.body.centre_lps_mm)
            assert back == pytest.approx(own, abs=1e-6)
            assert np.linalg.norm(later.body.centre_lps_mm - lesion.body.centre_lps_mm) > 3.0


def test_planes_run_from_end_to_end_of_the_volume_and_not_beyond(subject: RealSubject) -> None:
    """Around the liver no plane shows what the real volume does not hold."""
    low, high = subject.anatomy.slab_mm
    for number in range(3):
        _, share = subject.anatomy.sample(_points(subject, number))
        z = _points(subject, number)[2][share > 0.5]
        assert low - 1.0 <= z.min()
        assert z.max() <= high + 1.0


def test_the_liver_is_marked_only_where_it_is_known() -> None:
    visit = real_subject("R-1", _anatomy(marked=False), seed=1, imaging=IMAGING).visit(0)
    assert visit.segmentation.liver is None
    assert {segment.kind for segment in visit.segmentation.segments} == {SegmentKind.LESION}
    assert len(visit.segmentation.segments) == 14


def test_mr_lesions_are_darker_in_proportion() -> None:
    visit = real_subject("R-1", _anatomy(modality="MR"), seed=2, imaging=IMAGING).visit(0)
    assert visit.volume.modality == "MR"
    assert visit.segmentation.liver is not None
    lesions = visit.volume.voxels[visit.segmentation.lesions > 0]
    liver = visit.volume.voxels[visit.segmentation.liver & (visit.segmentation.lesions == 0)]
    assert 0.5 < np.median(lesions) / np.median(liver) < 0.85


def test_the_same_seed_gives_the_same_voxels_and_another_seed_others() -> None:
    one, same, other = (real_subject("R-1", _anatomy(), seed=seed, imaging=IMAGING).visit(1) for seed in (5, 5, 7))
    np.testing.assert_array_equal(one.volume.voxels, same.volume.voxels)
    np.testing.assert_array_equal(one.segmentation.lesions, same.segmentation.lesions)
    assert one.volume.grid.origin_lps_mm != pytest.approx(other.volume.grid.origin_lps_mm)


def test_as_many_lesions_as_fit() -> None:
    """A region of 60 mm has room for fewer than 14; the plan, and its truth, say how many."""
    anatomy = _anatomy()
    k, j, i = np.indices(SHAPE)
    small = ((k - 20) * 4.0) ** 2 + ((j - 50) * 2.0) ** 2 + ((i - 50) * 2.0) ** 2 <= 36.0**2
    sizes = RealSizes(leading_mm=(14.0, 12.0), between_mm=(6.0, 8.0), new_mm=7.0)
    fewer = RealAnatomy(volume=anatomy.volume, region=small, limits=MotionLimits(breathing_mm=(2.0, 4.0), bump_mm=1.0))
    subject = real_subject("R-1", fewer, seed=1, imaging=IMAGING, sizes=sizes)
    planned = subject.plan.expected.count_hepatic
    assert 5 <= planned < 14
    assert len(subject.lesions_at(0)) == planned
    with pytest.raises(StudyError, match="no room"):
        real_subject("R-1", fewer, seed=1, imaging=IMAGING)


def test_what_cannot_be_done_is_refused() -> None:
    anatomy = _anatomy()
    with pytest.raises(GeometryError, match="not on the volume's grid"):
        RealAnatomy(volume=anatomy.volume, region=anatomy.region[1:])
    with pytest.raises(StudyError, match="no region"):
        RealAnatomy(volume=anatomy.volume, region=np.zeros(SHAPE, dtype=bool))
    turned = np.array([[0, 0, 4.0], [0.6, 1.9, 0], [1.9, -0.6, 0]])
    oblique = Grid.from_axes(shape=SHAPE, origin_lps_mm=np.zeros(3), steps_lps_mm=turned)
    with pytest.raises(GeometryError, match="axial"):
        RealAnatomy(
            volume=Volume(grid=oblique, voxels=anatomy.volume.voxels, modality="CT", series_uid="1.2"),
            region=anatomy.region,
        )
    with pytest.raises(StudyError, match="lead the others"):
        RealSizes(leading_mm=(20.0, 15.0), between_mm=(8.0, 13.0))


def test_the_first_motion_is_none() -> None:
    subject = real_subject("R-1", _anatomy(), seed=1, imaging=IMAGING)
    assert subject.motions[0].breathing_mm == Motion.identity().breathing_mm == 0.0
    assert abs(subject.motions[1].breathing_mm) >= 5.0
