"""From mask to lesions: numbering, components, site, measurability, certainty, zones and count."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from lesiontrack.domain.geometry import Grid, Segment, Segmentation, SegmentKind, Volume
from lesiontrack.domain.lesion import Certainty, Lesion, LesionStatus
from lesiontrack.domain.study import Site
from lesiontrack.errors import GeometryError, SegmentationError
from lesiontrack.measure import Measured, MeasureSettings, count, measure

Labels = NDArray[np.uint16]
DAY = dt.date(2021, 3, 4)
SHAPE = (24, 64, 64)
SLICE_MM, PIXEL_MM = 2.5, 1.0
LIVER = Segment(label=1, name="liver lesions", kind=SegmentKind.LESION, site=Site.LIVER)


def grid_of(shape: tuple[int, int, int] = SHAPE, slice_mm: float = SLICE_MM) -> Grid:
    steps = np.array([[0, 0, slice_mm], [0, PIXEL_MM, 0], [PIXEL_MM, 0, 0]], dtype=float)
    return Grid.from_axes(shape=shape, origin_lps_mm=np.array([-30.0, -200.0, 50.0]), steps_lps_mm=steps)


def ball(centre_kji: tuple[float, float, float], radius_mm: float, slice_mm: float = SLICE_MM) -> NDArray[np.bool_]:
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    offset_mm = (index - np.array(centre_kji)) * np.array([slice_mm, PIXEL_MM, PIXEL_MM])
    inside: NDArray[np.bool_] = (offset_mm**2).sum(axis=-1) <= radius_mm**2
    return inside


def labelled(*masks: NDArray[np.bool_], separate: bool = False) -> Labels:
    labels = np.zeros(SHAPE, dtype=np.uint16)
    for number, mask in enumerate(masks, start=1):
        labels[mask] = number if separate else 1
    return labels


def run(
    labels: Labels,
    *segments: Segment,
    liver: NDArray[np.bool_] | None = None,
    zones: Labels | None = None,
    settings: MeasureSettings | None = None,
    volume: Volume | None = None,
    first: int = 1,
) -> Measured:
    segmentation = Segmentation(
        grid=grid_of(labels.shape), liver=liver, lesions=labels, zones=zones, segments=segments or (LIVER,)
    )
    return measure(
        volume or volume_of(labels),
        segmentation,
        timepoint=2,
        date=DAY,
        first_lesion_id=first,
        settings=settings or MeasureSettings(),
    )


def volume_of(labels: Labels, *, contrast: int = -60, thickness_mm: float | None = 2.5) -> Volume:
    noise = np.random.default_rng(1).integers(-20, 21, labels.shape)
    voxels = (110 + noise + contrast * (labels > 0)).astype(np.int16)
    return Volume(
        grid=grid_of(labels.shape),
        voxels=voxels,
        modality="CT",
        series_uid="1.2.3",
        sop_instance_uids=tuple(f"1.2.3.{k}" for k in range(labels.shape[0])),
        slice_thickness_mm=thickness_mm,
    )


def test_a_lesion_carries_everything_that_was_measured() -> None:
    found = run(labelled(ball((12, 30, 20), 9.0)))
    (lesion,) = found.lesions
    assert (lesion.timepoint, lesion.lesion_id, lesion.series_uid, lesion.date) == (2, 1, "1.2.3", DAY)
    assert lesion.site == Site.LIVER
    assert lesion.centroid_lps_mm == pytest.approx((-10.0, -170.0, 80.0))
    assert lesion.longest_diameter_mm == pytest.approx(Decimal("18.0"), abs=Decimal("0.4"))
    assert lesion.short_axis_mm == pytest.approx(Decimal("18.0"), abs=Decimal("0.4"))
    assert lesion.longest_diameter_mm.as_tuple().exponent == -1
    assert lesion.volume_mm3 == pytest.approx(np.count_nonzero(found.label_map) * 2.5)
    assert lesion.volume_mm3 == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.05)
    assert (lesion.slice_index, lesion.n_slices, lesion.sop_instance_uid) == (12, 7, "1.2.3.12")
    assert {round(end[2], 6) for end in lesion.diameter_ends_lps_mm} == {80.0}
    assert (lesion.measurable, lesion.status) == (True, LesionStatus.PRESENT)
    assert (lesion.certainty, lesion.max_components, lesion.notes) == (Certainty.CERTAIN, 1, ())
    assert found.label_map.dtype == np.uint16
    assert (found.label_map == labelled(ball((12, 30, 20), 9.0))).all()


def test_lesions_are_numbered_from_the_largest_then_by_place() -> None:
    masks = [ball((12, 15, 45), 5.0), ball((12, 45, 15), 8.0), ball((5, 15, 15), 5.0)]
    found = run(labelled(*masks), first=7)
    assert [lesion.lesion_id for lesion in found.lesions] == [7, 8, 9]
    assert found.label_map[12, 45, 15] == 7
    assert found.label_map[5, 15, 15] == 8
    assert found.label_map[12, 15, 45] == 9


def test_numbers_do_not_depend_on_the_labels_of_the_segments() -> None:
    masks = [ball((12, 15, 45), 5.0), ball((12, 45, 15), 8.0), ball((6, 15, 15), 6.0)]
    maps = []
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        segments = [
            Segment(label=n, name=str(n), kind=SegmentKind.LESION, site=Site.LIVER, single=True) for n in (1, 2, 3)
        ]
        maps.append(run(labelled(*(masks[n] for n in order), separate=True), *segments).label_map)
    assert (maps[0] == maps[1]).all()
    assert (maps[0] == maps[2]).all()


def test_voxels_that_share_a_corner_are_one_lesion() -> None:
    labels = np.zeros(SHAPE, dtype=np.uint16)
    labels[10:13, 20:25, 20:25] = 1
    labels[13:16, 25:30, 25:30] = 1
    (lesion,) = run(labels, settings=MeasureSettings(split_touching=False)).lesions
    assert (lesion.certainty, lesion.max_components) == (Certainty.CONFLUENT, 2)
    assert lesion.notes == ("may be up to 2 lesions: necks up to 0.95 of the inner radius",)


def test_specks_are_dropped_and_noted() -> None:
    labels = labelled(ball((12, 30, 20), 9.0))
    labels[3, 50, 50] = 1
    labels[20, 5, 5:7] = 1
    found = run(labels)
    assert len(found.lesions) == 1
    assert found.notes == ("segment 1: 2 specks dropped",)
    assert found.label_map[3, 50, 50] == 0
    kept = run(labels, settings=MeasureSettings(speck_voxels=0))
    assert len(kept.lesions) == 3
    assert kept.notes == ()


def test_a_segment_that_is_all_speck_stays() -> None:
    labels = np.zeros(SHAPE, dtype=np.uint16)
    labels[3, 50, 50] = 1
    (lesion,) = run(labels).lesions
    assert (lesion.status, lesion.certainty, lesion.measurable) == (LesionStatus.TSTM, Certainty.PROBABLE, False)


@pytest.mark.parametrize(("gap_mm", "lesions"), [(8.0, 1), (12.0, 2)])
def test_fragments_of_one_lesion_stay_together_unless_far_apart(gap_mm: float, lesions: int) -> None:
    single = Segment(label=1, name="a", kind=SegmentKind.LESION, site=Site.LIVER, tracking_uid="2.25.1", single=True)
    found = run(labelled(ball((12, 30, 15), 5.0), ball((12, 30, 25 + gap_mm), 5.0)), single)
    assert len(found.lesions) == lesions
    assert {lesion.tracking_uid for lesion in found.lesions} == {"2.25.1"}
    notes = [lesion.notes for lesion in found.lesions]
    assert notes == ([()] if lesions == 1 else [("one of 2 distant parts of one segment",)] * 2)
    if lesions == 1:
        assert found.lesions[0].longest_diameter_mm > 25


@pytest.mark.parametrize("excluded", [False, True])
def test_a_lesion_in_the_liver_is_hepatic_even_where_the_liver_mask_leaves_lesions_out(excluded: bool) -> None:
    unnamed = Segment(label=1, name="lesion", kind=SegmentKind.LESION)
    inner, neighbour, outer = ball((12, 30, 20), 6.0), ball((12, 30, 33), 5.0), ball((12, 30, 56), 5.0)
    liver = np.zeros(SHAPE, dtype=bool)
    liver[2:22, 5:60, 5:49] = True
    if excluded:
        liver &= ~(inner | neighbour)
    found = run(labelled(inner, neighbour, outer), unnamed, liver=liver)
    sites = {int(found.label_map[12, 30, i]): i for i in (20, 33, 56)}
    assert {sites[lesion.lesion_id]: lesion.site for lesion in found.lesions} == {
        20: Site.LIVER,
        33: Site.LIVER,
        56: Site.OTHER,
    }


@pytest.mark.parametrize(("sunk_mm", "site"), [(0.0, Site.OTHER), (6.0, Site.LIVER)])
def test_a_lesion_at_the_surface_is_hepatic_when_half_sunk_into_the_liver(sunk_mm: float, site: Site) -> None:
    unnamed = Segment(label=1, name="lesion", kind=SegmentKind.LESION)
    lesion = ball((12, 30, 40 + 6.0 - sunk_mm), 6.0)
    liver = np.zeros(SHAPE, dtype=bool)
    liver[2:22, 5:60, 5:40] = True
    found = run(labelled(lesion), unnamed, liver=liver & ~lesion)
    assert found.lesions[0].site == site


def test_the_segment_s_own_site_wins_and_without_a_liver_it_is_other() -> None:
    lung = Segment(label=1, name="lung", kind=SegmentKind.LESION, site=Site.LUNG)
    unnamed = Segment(label=1, name="lesion", kind=SegmentKind.LESION)
    labels = labelled(ball((12, 30, 20), 6.0))
    assert run(labels, lung, liver=np.ones(SHAPE, dtype=bool)).lesions[0].site == Site.LUNG
    assert run(labels, unnamed).lesions[0].site == Site.OTHER


@pytest.mark.parametrize(
    ("site", "radius_mm", "thickness_mm", "measurable"),
    [
        (Site.LIVER, 5.4, 2.5, True),
        (Site.LIVER, 4.5, 2.5, False),
        (Site.LIVER, 7.0, 8.0, False),
        (Site.LIVER, 8.5, 8.0, True),
        (Site.LYMPH_NODE, 7.0, 2.5, False),
        (Site.LYMPH_NODE, 8.0, 2.5, True),
        (Site.BONE, 9.0, 2.5, False),
    ],
)
def test_measurability_follows_size_slice_thickness_and_site(
    site: Site, radius_mm: float, thickness_mm: float, measurable: bool
) -> None:
    labels = labelled(ball((12, 30, 20), radius_mm))
    segment = Segment(label=1, name="x", kind=SegmentKind.LESION, site=site)
    found = run(labels, segment, volume=volume_of(labels, thickness_mm=thickness_mm))
    assert found.lesions[0].measurable is measurable


def test_the_limit_itself_is_measurable_and_a_tenth_below_is_not() -> None:
    labels = labelled(ball((12, 30, 20), 9.0))
    length = run(labels).lesions[0].longest_diameter_mm
    at = run(labels, settings=MeasureSettings(measurable_mm=length))
    above = run(labels, settings=MeasureSettings(measurable_mm=length + Decimal("0.1")))
    assert (at.lesions[0].measurable, above.lesions[0].measurable) == (True, False)


def test_unknown_slice_thickness_is_not_passed_in_silence() -> None:
    labels = labelled(ball((12, 30, 20), 9.0))
    found = run(labels, volume=volume_of(labels, thickness_mm=None))
    assert found.lesions[0].slice_thickness_mm == 2.5
    assert found.notes == ("slice thickness not declared: slice distance 2.50 mm taken",)
    gap = run(labels, volume=volume_of(labels, thickness_mm=2.0))
    assert gap.lesions[0].slice_thickness_mm == 2.5
    assert gap.notes == ("slices 2.00 mm thick lie 2.50 mm apart: the distance taken",)


def test_tiny_lesions_and_those_on_one_slice_are_too_small_to_measure() -> None:
    flat = np.zeros(SHAPE, dtype=bool)
    flat[12, 20:34, 20:34] = True
    for mask in (ball((12, 30, 20), 2.0), flat):
        (lesion,) = run(labelled(mask)).lesions
        assert lesion.status is LesionStatus.TSTM
        assert not lesion.measurable
        assert lesion.certainty is Certainty.PROBABLE
        assert lesion.notes == ("too small to measure",)
    (kept,) = run(labelled(flat), settings=MeasureSettings(one_slice_too_small=False)).lesions
    assert (kept.status, kept.measurable) == (LesionStatus.PRESENT, True)


@pytest.mark.parametrize("centre", [(0.0, 30.0, 20.0), (23.0, 30.0, 20.0), (12.0, 2.0, 20.0), (12.0, 30.0, 62.0)])
def test_a_lesion_cut_by_the_volume_s_edge_is_only_probable(centre: tuple[float, float, float]) -> None:
    (lesion,) = run(labelled(ball(centre, 8.0))).lesions
    assert lesion.certainty is Certainty.PROBABLE
    assert "cut by the edge of the volume" in lesion.notes


def test_a_lesion_without_contrast_is_only_probable() -> None:
    labels = labelled(ball((12, 30, 20), 8.0))
    (lesion,) = run(labels, volume=volume_of(labels, contrast=-2)).lesions
    assert lesion.certainty is Certainty.PROBABLE
    assert lesion.notes[0].startswith("low contrast: 0.")


def test_a_flat_image_says_nothing_of_contrast() -> None:
    labels = labelled(ball((12, 30, 20), 8.0))
    flat = Volume(
        grid=grid_of(), voxels=np.zeros(SHAPE, dtype=np.int16), modality="CT", series_uid="1", slice_thickness_mm=2.5
    )
    (lesion,) = run(labels, volume=flat).lesions
    assert lesion.certainty is Certainty.CERTAIN
    assert lesion.sop_instance_uid == ""


def test_zones_are_measured_and_never_lesions() -> None:
    zones = np.zeros(SHAPE, dtype=np.uint16)
    zones[ball((12, 30, 20), 10.0)] = 4
    zones[ball((12, 30, 50), 7.0)] = 4
    zone = Segment(label=4, name="ablation", kind=SegmentKind.ABLATION_ZONE)
    rim = ball((12, 30, 29), 4.0)
    found = run(labelled(rim), LIVER, zone, zones=zones)
    assert [z.zone_id for z in found.zones] == [1, 2]
    # A ball centred on a voxel reaches exactly to voxel centres on four sides: the worst case, half a pixel too long.
    assert found.zones[0].longest_diameter_mm == pytest.approx(Decimal("20.0"), abs=Decimal("0.6"))
    assert found.zones[0].centroid_lps_mm == pytest.approx((-10.0, -170.0, 80.0))
    assert found.zones[1].volume_mm3 == pytest.approx(np.count_nonzero(ball((12, 30, 50), 7.0)) * 2.5)
    (lesion,) = found.lesions
    assert lesion.notes == ("overlaps a treated zone",)
    assert (found.label_map > 0).sum() == rim.sum()


def test_a_segmentation_without_lesions_gives_none() -> None:
    found = run(np.zeros(SHAPE, dtype=np.uint16))
    assert (found.lesions, found.zones, found.notes) == ((), (), ())
    assert not found.label_map.any()
    assert count(found.lesions).high == 0


def test_a_foreign_grid_is_refused() -> None:
    labels = labelled(ball((12, 30, 20), 8.0))
    segmentation = Segmentation(grid=grid_of(slice_mm=3.0), liver=None, lesions=labels, segments=(LIVER,))
    with pytest.raises(GeometryError, match="not on the same grid"):
        measure(volume_of(labels), segmentation, timepoint=0, date=DAY, settings=MeasureSettings())


def test_a_label_without_a_segment_is_refused() -> None:
    labels = labelled(ball((12, 30, 20), 8.0)) * np.uint16(3)
    with pytest.raises(GeometryError, match="label 3"):
        run(labels)


def test_more_lesions_than_numbers_are_refused() -> None:
    with pytest.raises(SegmentationError, match="more lesions"):
        run(labelled(ball((12, 30, 20), 8.0)), first=65536)


def test_measuring_leaves_its_input_alone() -> None:
    labels = labelled(ball((12, 30, 20), 8.0), ball((12, 30, 36), 8.0))
    before = labels.copy()
    run(labels)
    assert (labels == before).all()


def lesion_of(number: int, certainty: Certainty, components: int = 1, site: str = Site.LIVER) -> Lesion:
    ends = ((0.0, 0.0, 0.0), (10.0, 0.0, 0.0))
    return Lesion(
        timepoint=0,
        lesion_id=number,
        series_uid="1",
        date=DAY,
        site=site,
        centroid_lps_mm=(5.0, 0.0, 0.0),
        longest_diameter_mm=Decimal("10.0"),
        short_axis_mm=Decimal("8.0"),
        volume_mm3=500.0,
        measurable=True,
        diameter_ends_lps_mm=ends,
        certainty=certainty,
        max_components=components,
    )


def test_the_count_has_bounds_and_names_who_decides() -> None:
    lesions = [
        lesion_of(1, Certainty.CERTAIN),
        lesion_of(2, Certainty.CONFLUENT, 3),
        lesion_of(3, Certainty.PROBABLE),
        lesion_of(4, Certainty.PROBABLE, site=Site.LUNG),
        lesion_of(5, Certainty.CERTAIN),
    ]
    found = count(lesions)
    assert (found.low, found.hepatic, found.high) == (3, 4, 6)
    assert found.deciding == ((0, 2), (0, 3))
    assert count(reversed(lesions)) == found


def test_the_count_of_certain_lesions_is_exact() -> None:
    found = count([lesion_of(n, Certainty.CERTAIN) for n in range(1, 13)])
    assert (found.low, found.hepatic, found.high, found.deciding) == (12, 12, 12, ())


def test_settings_refuse_necks_out_of_order_and_unknown_names() -> None:
    with pytest.raises(ValidationError, match="certain_neck_ratio <= split_neck_ratio"):
        MeasureSettings(split_neck_ratio=0.3)
    with pytest.raises(ValidationError, match="Extra inputs"):
        MeasureSettings.model_validate({"neck": 1})


def test_every_setting_says_what_it_is() -> None:
    for name, field in MeasureSettings.model_fields.items():
        assert field.description, name
        assert "Default" in field.description or name == "split_touching", name


def test_a_single_segment_may_still_be_said_to_be_several_lesions() -> None:
    """What an earlier run could not take apart stays uncertain in the count, though it is measured as one."""
    segment = Segment(label=1, name="L01", kind=SegmentKind.LESION, site=Site.LIVER, single=True, max_components=3)
    (lesion,) = run(labelled(ball((12, 30, 20), 9.0)), segment).lesions
    assert (lesion.certainty, lesion.max_components) == (Certainty.CONFLUENT, 3)
