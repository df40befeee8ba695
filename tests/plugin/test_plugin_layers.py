"""What is drawn of a visit, without a screen."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import numpy as np

from lesiontrack.domain.geometry import Grid, Volume
from lesiontrack.domain.lesion import TreatedZone
from lesiontrack.domain.study import LocalTreatment
from lesiontrack.report.palette import ink_of
from lesiontrack_napari.frame import Frame, frame_of
from lesiontrack_napari.layers import (
    diameter_lines,
    label_colours,
    marks,
    outlines,
    presets_of,
    track_colours,
    window_of,
)
from tests.review.machine import day, machine, make_extra, track_of

# Slices 5 mm apart, low enough and high enough for all of the constellation.
GRID = Grid.from_axes(
    shape=(40, 60, 60),
    origin_lps_mm=np.array([-90.0, -90.0, -100.0]),
    steps_lps_mm=np.array([[0, 0, 5.0], [0, 3.0, 0], [3.0, 0, 0]]),
)


def _frame() -> Frame:
    return frame_of(GRID)


def test_a_track_has_one_colour_at_every_visit() -> None:
    history = machine()
    colours = track_colours(history)
    assert len(set(colours.values())) == len(history.tracks)
    for timepoint in range(4):
        shown = label_colours(history, timepoint, colours)
        for number, colour in shown.items():
            assert colour == colours[track_of(history, timepoint, number).track_id]


def test_thirty_lesions_have_thirty_colours_those_of_the_report() -> None:
    places = [np.array([x, y, z], float) for z in (-60, 60) for x in range(-80, 81, 40) for y in range(-80, 81, 80)]
    history = machine(1, extra=[make_extra(0, 41 + n, place, 5.0) for n, place in enumerate(places[:20])])
    colours = track_colours(history)
    assert len(history.tracks) == len(set(colours.values())) == 30
    assert list(colours.values()) == [ink_of(place).colour for place in range(30)]


def test_outlines_are_a_crop_that_lies_where_it_was_cut() -> None:
    """Only the box around the lesions is kept, and its first voxel says where it lies."""
    labels = np.zeros(GRID.shape, dtype=np.uint16)
    labels[20:22, 30:33, 10:12] = 7
    found = outlines(labels, _frame())
    assert found.labels.shape < GRID.shape
    at = np.argwhere(found.labels == 7)[0]
    world = found.translate_mm + at * found.scale_mm
    np.testing.assert_allclose(world, GRID.to_lps_mm(np.array([20.0, 30, 10]))[::-1])
    assert (found.labels == 7).sum() == (labels == 7).sum()
    assert outlines(np.zeros_like(labels), _frame()).labels.size == 1


def test_a_diameter_lies_on_one_slice_and_keeps_its_length() -> None:
    history, frame = machine(), _frame()
    lines = diameter_lines(history, 1, frame, track_colours(history))
    assert len(lines.ends_mm) == 10
    for ends, number in zip(lines.ends_mm, lines.features["lesion"], strict=True):
        assert ends[0, 0] == ends[1, 0]
        lesion = history.lesion(1, int(number))
        expected = np.diff(np.array(lesion.diameter_ends_lps_mm), axis=0)
        np.testing.assert_allclose(np.diff(ends, axis=0)[0, 1:], expected[0, 1::-1], atol=1e-6)


def test_a_vanished_lesion_leaves_a_ghost_and_a_new_one_a_star() -> None:
    """Lesion 3 is seen at the first visit alone, lesion 10 from the third on."""
    skip = [(1, 2), (2, 2), (3, 2), (0, 9), (1, 9)]
    history, frame = machine(skip=skip), _frame()
    found = marks(history, 2, frame, track_colours(history)).features
    gone = found[found["kind"] == "gone"]
    assert set(gone["track_id"]) == {track_of(history, 0, 3).track_id}
    named = found[found["text"].str.contains("not seen")]
    assert set(named["track_id"]) == set(gone["track_id"])
    assert len(named[named["ink"] != "#000000"]) == 1
    assert set(found[found["kind"] == "new"]["track_id"]) == {track_of(history, 2, 10).track_id}
    # The ghost is a sphere: it is seen on more than one slice.
    assert len(gone) > 1


def test_a_treated_site_is_marked_apart_from_a_ghost() -> None:
    treated = LocalTreatment(date=day(1.5), method="ABLATION", place_lps_mm=(0.0, 0.0, 0.0), place_date=day(1))
    history = machine(skip=[(2, 0), (3, 0)], treatments=[treated])
    found = marks(history, 2, _frame(), track_colours(history)).features
    assert set(found[found["kind"] == "treated"]["symbol"]) == {"square"}
    assert found["text"].str.contains("ablated").any()
    assert isinstance(day(1), dt.date)


def test_a_zone_and_the_lesion_in_it_are_one_mark_of_the_zones_size() -> None:
    treated = LocalTreatment(date=day(1.5), method="ABLATION", place_lps_mm=(0.0, 0.0, 0.0), place_date=day(1))
    history = machine(skip=[(2, 0), (3, 0)], treatments=[treated])
    entry = next(entry for entry in history.missing if entry.timepoint == 2)

    def zone(away_mm: float) -> TreatedZone:
        x, y, z = entry.place_lps_mm
        return TreatedZone(
            timepoint=2,
            zone_id=1,
            series_uid=entry.series_uid,
            centroid_lps_mm=(x + away_mm, y, z),
            volume_mm3=14137.0,
            longest_diameter_mm=Decimal("30.0"),
        )

    for away_mm, texts in ((3.0, {"ablated, zone 30.0 mm"}), (40.0, {"ablated", "treated zone  30.0 mm"})):
        seen = marks(replace(history, zones=(zone(away_mm),)), 2, _frame(), track_colours(history))
        named = seen.features[seen.features["text"].str.contains("ablated|zone") & (seen.features["ink"] != "#000000")]
        assert {text.removeprefix(entry.track_id).strip() for text in named["text"]} == texts
        squares = seen.sizes_mm[(seen.features["kind"] == "treated").to_numpy()]
        assert squares.max() == 30.0


def test_unchanged_drawings_are_known_as_the_same() -> None:
    """A decision that moves nothing has nothing drawn anew."""
    history, frame = machine(), _frame()
    colours = track_colours(history)
    lines, found = diameter_lines(history, 1, frame, colours), marks(history, 1, frame, colours)
    assert lines.same_as(diameter_lines(history, 1, frame, colours))
    assert not lines.same_as(diameter_lines(history, 2, frame, dict.fromkeys(colours, "#123456")))
    assert found.same_as(marks(history, 1, frame, colours))


def test_every_window_of_an_mr_differs_and_a_preset_of_ct_is_none_of_it() -> None:
    values = np.arange(1000, dtype=np.int16).reshape(10, 10, 10)
    grid = Grid.from_axes(shape=(10, 10, 10), origin_lps_mm=np.zeros(3), steps_lps_mm=np.eye(3)[::-1])
    mr = Volume(grid=grid, voxels=values, modality="MR", series_uid="1.2")
    windows = [window_of(mr, name) for name in presets_of("MR")]
    assert len(set(windows)) == len(windows)
    assert windows[0] == tuple(np.percentile(values, (1.0, 99.5)))
    assert window_of(mr, "lung") == windows[0]
    ct = replace(mr, modality="CT")
    assert window_of(ct, "lung") == (-1350.0, 150.0)
    assert window_of(ct, "MR 5-98 %") == window_of(ct, presets_of("CT")[0]) == (-10.0, 170.0)
