"""Phantom subjects: the constellation of the sample study, and images and masks of coarse visits against the truth."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lesiontrack.domain.geometry import SegmentKind
from lesiontrack.errors import StudyError
from lesiontrack.phantom import (
    Ellipsoid,
    Imaging,
    LesionPlan,
    MotionLimits,
    PhantomSubject,
    PhantomVisit,
    SubjectPlan,
    subject_plans,
    uid_of,
)
from lesiontrack.phantom.contrast import Tissue, appearance_of

PLANS = subject_plans(subjects=6, seed=20)
COARSE = Imaging(pixel_mm=3.0, slice_mm=5.0, matrix=128)


def coarse(plan: SubjectPlan, imaging: Imaging = COARSE) -> SubjectPlan:
    return replace(plan, visits=tuple(replace(visit, imaging=imaging) for visit in plan.visits))


@cache
def subject(number: int) -> PhantomSubject:
    return PhantomSubject(PLANS[number])


@cache
def visit(number: int, at: int) -> PhantomVisit:
    return PhantomSubject(coarse(PLANS[number])).visit(at)


def surface(body: Ellipsoid, n: int = 400) -> NDArray[np.float64]:
    """Points (n, 3) spread over an ellipsoid's surface (Fibonacci sphere)."""
    height = 1 - 2 * (np.arange(n) + 0.5) / n
    angle = np.pi * (1 + 5**0.5) * np.arange(n)
    ring = np.sqrt(1 - height**2)
    ball = np.column_stack([ring * np.cos(angle), ring * np.sin(angle), height])
    return np.asarray(ball * body.semi_axes_mm @ body.rotation.T + body.centre_lps_mm)


numbers = pytest.mark.parametrize("number", range(6))


@numbers
def test_planned_diameters_are_the_true_ones_at_every_visit(number: int) -> None:
    person = subject(number)
    for at in range(len(person.plan.visits)):
        sizes = {lesion.name: lesion.diameters_mm[at] for lesion in person.plan.lesions}
        bodies = {lesion.name: lesion for lesion in person.lesions_at(at)}
        assert set(bodies) == {name for name, size in sizes.items() if size is not None}
        for name, lesion in bodies.items():
            measured = lesion.body.axial_diameters_mm()[1 if lesion.site == "LYMPH_NODE" else 0]
            assert measured == pytest.approx(sizes[name], abs=1e-9)


@numbers
def test_lesions_are_at_least_four_mm_apart_at_every_visit(number: int) -> None:
    person = subject(number)
    for at in range(len(person.plan.visits)):
        shells = [(lesion.name, surface(lesion.body)) for lesion in person.lesions_at(at)]
        for (one, first), (other, second) in combinations(shells, 2):
            gap = np.linalg.norm(first[:, None] - second[None], axis=-1).min()
            assert gap >= 4.0, f"visit {at}: {one} and {other} are {gap:.1f} mm apart"


@numbers
def test_every_place_is_in_view_at_every_visit(number: int) -> None:
    person = subject(number)
    for at in range(len(person.plan.visits)):
        grid = person.grid_at(at)
        for lesion in person.placed:
            centre = person.motions[at].to_patient_space(lesion.centre_mm)
            assert grid.contains(centre, margin_mm=lesion.plan.largest_mm / 2 + 2), (at, lesion.plan.name)


@numbers
def test_liver_lesions_lie_in_the_liver_and_the_others_outside(number: int) -> None:
    person = subject(number)
    for at in range(len(person.plan.visits)):
        for lesion in person.lesions_at(at):
            own = person.motions[at].to_own_space(surface(lesion.body)).astype(np.float32)
            depth = person.anatomy.liver_distance_mm((own[:, 0], own[:, 1], own[:, 2]))
            if lesion.site == "LIVER":
                assert float(depth.max()) < 0.5, (at, lesion.name)
            else:
                assert float(depth.min()) > 3.0, (at, lesion.name)


def test_centres_follow_the_known_motion() -> None:
    person = subject(0)
    for name in ("T01", "T05"):
        places = []
        for at, motion in enumerate(person.motions):
            centre = next(lesion for lesion in person.lesions_at(at) if lesion.name == name).body.centre_lps_mm
            places.append(motion.to_own_space(centre))
        assert np.ptp(np.array(places), axis=0) == pytest.approx(np.zeros(3), abs=1e-6)
    raw = [np.linalg.norm(person.motions[0].shift_mm - motion.shift_mm) for motion in person.motions[1:]]
    assert max(raw) > 10


def test_a_recurrence_grows_at_the_edge_of_the_zone_and_outside_it() -> None:
    person = subject(5)
    for at in (4, 5):
        nodule = next(lesion for lesion in person.lesions_at(at) if lesion.recurrence_of)
        zone = next(zone for zone in person.zones_at(at) if zone.lesion == nodule.recurrence_of)
        distance = float(np.linalg.norm(nodule.body.centre_lps_mm - zone.body.centre_lps_mm))
        radius = float(zone.body.semi_axes_mm[0])
        assert distance > radius
        assert distance - radius - nodule.body.semi_axes_mm.max() < 0


def test_zones_are_larger_than_what_was_ablated_and_shrink() -> None:
    person = subject(4)
    before = {lesion.name: lesion.body for lesion in person.lesions_at(1)}
    radii = [{zone.lesion: float(zone.body.semi_axes_mm[0]) for zone in person.zones_at(at)} for at in (2, 3, 4)]
    assert set(before) == set(radii[0])
    for name, body in before.items():
        assert radii[0][name] >= body.semi_axes_mm.max() + 3
        assert radii[0][name] > radii[1][name] > radii[2][name]


@pytest.mark.parametrize(("number", "at"), [(0, 0), (1, 3), (3, 0), (5, 4)])
def test_masks_hold_every_lesion_once(number: int, at: int) -> None:
    made = visit(number, at)
    found, count = ndimage.label(made.segmentation.lesions > 0, np.ones((3, 3, 3)))
    assert count == len(made.lesions)
    centres = ndimage.center_of_mass(found > 0, found, range(1, count + 1))
    places = made.volume.grid.to_lps_mm(np.array(centres))
    volumes = np.bincount(found.ravel())[1:] * made.volume.grid.voxel_volume_mm3
    truth = np.array([lesion.body.centre_lps_mm for lesion in made.lesions])
    nearest = np.linalg.norm(places[:, None] - truth[None], axis=-1)
    assert sorted(nearest.argmin(axis=1)) == list(range(count))
    assert nearest.min(axis=1).max() < 1.5
    for volume, match in zip(volumes, nearest.argmin(axis=1), strict=True):
        body = made.lesions[match].body
        assert volume == pytest.approx(body.volume_mm3, rel=0.30)
    total = sum(lesion.body.volume_mm3 for lesion in made.lesions)
    assert volumes.sum() == pytest.approx(total, rel=0.04)


def test_instance_labels_carry_no_identity_from_visit_to_visit() -> None:
    first, second = visit(0, 0), visit(0, 1)
    assert {segment.name for segment in first.segmentation.segments} == {f"Lesion {n}" for n in range(1, 13)}
    shared = set(first.labels) & set(second.labels)
    assert sum(first.labels[label] == second.labels[label] for label in shared) < len(shared) / 2
    assert all(segment.tracking_uid is None and segment.single for segment in first.segmentation.segments)
    assert {segment.site for segment in first.segmentation.segments} == {"LIVER"}
    for label, name in first.labels.items():
        body = next(lesion.body for lesion in first.lesions if lesion.name == name)
        index = np.argwhere(first.segmentation.lesions == label).mean(axis=0)
        assert np.linalg.norm(first.volume.grid.to_lps_mm(index) - body.centre_lps_mm) < 1.5


def test_one_segment_for_all_liver_lesions() -> None:
    made = visit(1, 3)
    assert made.labels == {}
    (segment,) = made.segmentation.segments
    assert (segment.label, segment.site, segment.single, segment.kind) == (1, "LIVER", False, SegmentKind.LESION)
    assert set(np.unique(made.segmentation.lesions)) == {0, 1}


def test_a_visit_after_everything_was_ablated_has_zones_and_no_lesion() -> None:
    made = visit(4, 2)
    assert made.lesions == ()
    assert not made.segmentation.lesions.any()
    assert made.segmentation.zones is not None
    kinds = [segment.kind for segment in made.segmentation.segments if segment.kind == SegmentKind.ABLATION_ZONE]
    assert len(kinds) == 7 == len(np.unique(made.segmentation.zones)) - 1
    assert made.segmentation.liver is not None
    assert made.segmentation.liver[made.segmentation.zones > 0].all()


def test_the_liver_is_of_human_size_and_includes_its_lesions() -> None:
    made = visit(0, 0)
    assert made.segmentation.liver is not None
    litres = made.segmentation.liver.sum() * made.volume.grid.voxel_volume_mm3 / 1e6
    assert 1.3 < litres < 1.9
    assert made.segmentation.liver[made.segmentation.lesions > 0].all()
    sizes = np.bincount(ndimage.label(made.segmentation.liver)[0].ravel())[1:]
    assert sizes.max() > 0.999 * sizes.sum()


@pytest.mark.parametrize(("number", "at"), [(0, 0), (3, 0)])
def test_tissues_look_as_they_should(number: int, at: int) -> None:
    made = visit(number, at)
    values = made.appearance.values
    liver = made.segmentation.liver
    assert liver is not None
    lesions = made.segmentation.lesions > 0
    parenchyma = ndimage.binary_erosion(liver, iterations=2) & ~ndimage.binary_dilation(lesions, iterations=2)
    median = float(np.median(made.volume.voxels[parenchyma]))
    core = float(np.median(made.volume.voxels[ndimage.binary_erosion(lesions)]))
    tolerance = 0.2 * abs(values[Tissue.LIVER]) if made.volume.modality == "MR" else 6
    assert median == pytest.approx(values[Tissue.LIVER], abs=tolerance)
    assert core < median - 30
    corner = made.volume.voxels[:, :4, :4]
    assert np.unique(corner).tolist() == ([0] if made.volume.modality == "MR" else [-1000])


def test_noise_is_as_strong_as_asked_for() -> None:
    made = visit(0, 0)
    liver = made.segmentation.liver
    assert liver is not None
    flat = ndimage.binary_erosion(liver, iterations=3) & ~ndimage.binary_dilation(
        made.segmentation.lesions > 0, iterations=3
    )
    values = made.volume.voxels.astype(np.float64)
    rough = (values - ndimage.uniform_filter(values, (1, 9, 9)))[flat]
    spread = 1.4826 * np.median(np.abs(rough))
    assert 0.6 * made.appearance.noise < spread < 1.5 * made.appearance.noise


def test_a_resection_takes_a_gouge_out_of_the_liver() -> None:
    person = PhantomSubject(coarse(PLANS[5]), MotionLimits())
    assert person.defects_at(1) == ()
    defects = person.defects_at(2)
    assert len(defects) == 2
    made = visit(5, 4)
    assert made.segmentation.liver is not None
    motion = made.motion
    for defect in person.defects_at(4):
        index = np.rint(made.volume.grid.to_index(motion.to_patient_space(np.array(defect.centre_mm)))).astype(int)
        assert not made.segmentation.liver[tuple(index)]
        assert np.linalg.norm(np.subtract(defect.outside_mm, defect.centre_mm)) > defect.radius_mm


def test_the_same_seed_gives_the_same_visit_and_another_seed_another() -> None:
    tiny = Imaging(pixel_mm=6.0, slice_mm=10.0, matrix=64)
    plan = coarse(PLANS[0], tiny)
    one, two = PhantomSubject(plan).visit(1), PhantomSubject(plan).visit(1)
    assert np.array_equal(one.volume.voxels, two.volume.voxels)
    assert np.array_equal(one.segmentation.lesions, two.segmentation.lesions)
    assert one.volume.series_uid == two.volume.series_uid
    assert one.labels == two.labels
    other = PhantomSubject(replace(plan, seed=plan.seed + 1)).visit(1)
    assert not np.array_equal(one.volume.voxels, other.volume.voxels)
    assert one.volume.series_uid != other.volume.series_uid


def test_visits_come_in_order_each_with_its_own_coordinates() -> None:
    plan = coarse(PLANS[0], Imaging(pixel_mm=6.0, slice_mm=10.0, matrix=64))
    made = list(PhantomSubject(plan).visits())
    assert [each.number for each in made] == [0, 1, 2, 3, 4]
    assert len({each.volume.series_uid for each in made}) == 5
    assert len({tuple(each.volume.grid.origin_lps_mm) for each in made}) == 5
    assert len({uid for each in made for uid in each.volume.sop_instance_uids}) == 5 * 26


def test_touching_lesions_are_an_option() -> None:
    crowd = tuple(LesionPlan(name=f"T{n:02d}", site="LIVER", diameters_mm=(24.0,) * 5) for n in range(1, 25))
    plan = replace(PLANS[0], lesions=crowd, gap_mm=0.0)
    shells = [surface(lesion.body, 200) for lesion in PhantomSubject(plan).lesions_at(0)]
    gaps = [np.linalg.norm(a[:, None] - b[None], axis=-1).min() for a, b in combinations(shells, 2)]
    assert min(gaps) < 6.5


def test_more_lesions_than_the_liver_holds_are_refused() -> None:
    crowd = tuple(LesionPlan(name=f"T{n:02d}", site="LIVER", diameters_mm=(60.0,) * 5) for n in range(1, 12))
    with pytest.raises(StudyError, match="no room"):
        PhantomSubject(replace(PLANS[0], lesions=crowd))


def test_uids_are_valid_and_follow_from_their_parts() -> None:
    uid = uid_of("a", 1)
    assert uid == uid_of("a", 1) != uid_of("a", 2)
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    number = int(uid.removeprefix("2.25."))
    assert (number >> 76) & 0xF == 8
    assert (number >> 62) & 0x3 == 2


def test_an_unknown_appearance_is_an_error() -> None:
    with pytest.raises(KeyError):
        appearance_of("CT", "nephrographic")
