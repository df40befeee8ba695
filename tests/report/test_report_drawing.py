"""Layout, colours and pictures: nothing covers anything, a track keeps its colour, a place lands where it should."""

from __future__ import annotations

import base64
import datetime as dt
import io
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from lesiontrack.domain.view import View, ViewKind
from lesiontrack.report.layout import DateAxis, apart, lanes, nice_step
from lesiontrack.report.palette import COLOURS, Ink, ink_of
from lesiontrack.report.pictures import draw, ring_on

Floats = NDArray[np.float64]

# --- colours ---------------------------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes 2009, severity 1.0.
PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]])
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]])


def _linear(colour: str) -> Floats:
    srgb = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255.0
    linear: Floats = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return linear


def _oklab(linear: Floats) -> Floats:
    """Return OKLab (Ottosson 2020) of linear sRGB."""
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    lab: Floats = to_lab @ np.cbrt(np.clip(to_lms @ np.clip(linear, 0.0, None), 0.0, None))
    return lab


@pytest.mark.parametrize("seen", [np.eye(3), PROTAN, DEUTAN], ids=["normal", "protan", "deutan"])
def test_colours_are_told_apart_by_every_eye(seen: Floats) -> None:
    """The nearest two of thirty differ by more than twice what an eye just notices (0.02 in OKLab)."""
    lab = [_oklab(seen @ _linear(colour)) for colour in COLOURS]
    nearest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(lab, 2))
    assert len(COLOURS) >= 30
    assert nearest > 0.05


def test_thirty_colours_are_apart_by_ciede2000() -> None:
    """By another measure than the one they were chosen by; 1 is just noticed, side by side in good light."""
    lab = rgb2lab(np.array([[int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)] for colour in COLOURS[:30]]))
    distance = deltaE_ciede2000(lab[:, None], lab[None])
    assert distance[~np.eye(30, dtype=bool)].min() > 10.0


def test_a_track_keeps_its_ink_and_no_two_of_many_share_one() -> None:
    """Colours come again only with another line."""
    inks = [ink_of(place) for place in range(4 * len(COLOURS))]
    assert len(set(inks)) == len(inks)
    assert ink_of(3) == Ink(colour=COLOURS[3], dash="")


# --- layout ----------------------------------------------------------------------------------------------------------

PLACES = st.lists(st.floats(0.0, 300.0), min_size=1, max_size=12)


@given(PLACES)
def test_names_stand_apart_and_inside(wanted: list[float]) -> None:
    """Every two are the asked distance apart, in the order asked for."""
    placed = apart(wanted, room=15.0, low=0.0, high=300.0)
    order = sorted(range(len(wanted)), key=lambda n: (wanted[n], n))
    gaps = [placed[b] - placed[a] for a, b in itertools.pairwise(order)]
    assert all(gap >= 14.8 for gap in gaps)
    assert min(placed) >= -0.1 and max(placed) <= 300.1


def test_names_that_are_apart_stay_where_they_are() -> None:
    """Nothing moves without need."""
    assert apart([10.0, 50.0, 90.0], room=15.0, low=0.0, high=100.0) == [10.0, 50.0, 90.0]


@given(st.lists(st.tuples(st.floats(0.0, 500.0), st.floats(1.0, 120.0)), max_size=20))
def test_nothing_in_a_lane_covers_anything(parts: list[tuple[float, float]]) -> None:
    """Two spans that overlap are in different lanes, and no lane is empty."""
    spans = [(left, left + width) for left, width in parts]
    chosen = lanes(spans)
    for (n, one), (m, other) in itertools.combinations(enumerate(spans), 2):
        if chosen[n] == chosen[m]:
            assert one[1] <= other[0] or other[1] <= one[0]
    assert set(chosen) == set(range(max(chosen, default=-1) + 1))


@given(st.floats(0.1, 5000.0))
def test_a_step_is_round_and_divides_into_few_parts(highest: float) -> None:
    """1, 2 or 5 times a power of ten, at most six steps."""
    step = nice_step(highest)
    assert highest / step <= 6.0
    assert f"{step:e}"[0] in "125"


def test_dates_lie_on_the_axis_in_proportion() -> None:
    """Ticks are first days of months; a date beyond an end stands at that end."""
    axis = DateAxis.over(["2020-01-10", "2020-12-20"], left=0.0, right=1000.0)
    days = (axis.last - axis.first).days
    assert axis.at("2020-06-01") == pytest.approx(1000.0 * (dt.date(2020, 6, 1) - axis.first).days / days, abs=0.05)
    assert all(tick.at == axis.at(f"{tick.text}-01") for tick in axis.ticks())
    assert axis.ticks()
    assert axis.at("2030-01-01") == 1000.0
    assert not axis.holds("2030-01-01")


@pytest.mark.parametrize("dates", [["2020-05-05"], ["2020-01-01", "2020-01-02"], ["2000-01-01", "2024-01-01"]])
def test_an_axis_exists_for_any_dates(dates: list[str]) -> None:
    """A single day has an axis too, and ticks never stand closer than asked."""
    axis = DateAxis.over(dates, left=0.0, right=800.0)
    places = [tick.at for tick in axis.ticks()]
    assert all(b - a > 60.0 for a, b in itertools.pairwise(places))
    assert 0.0 < axis.at(dates[0]) < 800.0


# --- pictures --------------------------------------------------------------------------------------------------------


def _view(kind: ViewKind, shape: tuple[int, int] = (100, 120), **changes: object) -> View:
    j, i = np.indices(shape)
    values: dict[str, object] = {
        "timepoint": 1,
        "series_uid": "1.2",
        "kind": kind,
        "lesion_id": 1 if kind is ViewKind.LESION else None,
        "centre_lps_mm": (10.0, -20.0, 30.0),
        "pixels": (120 + 60 * np.sin(i / 9.0) * np.cos(j / 7.0)).astype(np.uint8),
        "pixel_mm": 0.5,
    }
    return View(**{**values, **changes})  # type: ignore[arg-type]


def _circle(row: float, column: float, radius: float) -> Floats:
    angle = np.linspace(0.0, 2.0 * np.pi, 30)
    return np.stack([row + radius * np.sin(angle), column + radius * np.cos(angle)], axis=1)


def test_the_picture_is_that_of_the_view() -> None:
    """What a browser decodes is the stored picture, but for what cannot be seen."""
    view = _view(ViewKind.LESION)
    picture = draw(view, track_of=lambda number: None, alt="")
    decoded = Image.open(io.BytesIO(base64.b64decode(picture.href.split(",")[1]))).convert("L")
    error = np.abs(np.asarray(decoded, dtype=float) - view.pixels.astype(float))
    assert decoded.size == (picture.width, picture.height) == (120, 100)
    assert error.mean() < 2.0


def test_lines_lie_where_they_were_measured() -> None:
    """The centre of pixel (row, column) is half a pixel from the picture's edge, columns across and rows down."""
    ends = np.array([[10.0, 20.0], [30.0, 40.0]])
    view = _view(ViewKind.LESION, contours=((1, np.array([[0.0, 0.0], [0.0, 9.0], [9.0, 9.0]])),), diameter_px=ends)
    picture = draw(view, track_of=lambda number: ("L01", ink_of(0)), alt="")
    assert picture.outlines[0].path == "M0.5 0.5L9.5 0.5L9.5 9.5Z"
    assert picture.outlines[0].ink == ink_of(0)
    assert picture.diameters == ((20.5, 10.5, 40.5, 30.5),)


def test_zones_and_lesions_without_a_track_are_no_track() -> None:
    """A treated zone is marked as one; a lesion that no track has gets no track's colour."""
    view = _view(ViewKind.LESION, contours=((-2, _circle(20, 20, 5)), (7, _circle(60, 60, 9))))
    picture = draw(view, track_of=lambda number: None, alt="")
    assert [outline.zone for outline in picture.outlines] == [True, False]
    assert not {outline.ink.colour for outline in picture.outlines} & set(COLOURS)


def test_a_place_is_ringed_where_it_lies() -> None:
    """LPS millimetres to pixels: x to the right, y down, from the middle of the picture."""
    view = _view(ViewKind.PLACE)
    ring = ring_on(view, (10.0 + 5.0, -20.0 - 10.0, 31.0), name="L03", colour="#000000")
    assert ring is not None
    assert (ring.x, ring.y) == (60.0 + 10.0, 50.0 - 20.0)
    assert ring_on(view, (10.0, -20.0, 40.0), name="L03", colour="#000000") is None
    assert ring_on(view, (90.0, -20.0, 30.0), name="L03", colour="#000000") is None


@pytest.mark.parametrize("seed", range(5))
def test_names_on_a_slice_cover_neither_each_other_nor_the_edge(seed: int) -> None:
    """Twelve lesions, each named once; the boxes of the names do not meet."""
    places = np.random.default_rng(seed).permutation([(60 + 60 * r, 80 + 80 * c) for r in range(3) for c in range(4)])
    contours = tuple((n + 1, _circle(float(r), float(c), 8.0)) for n, (r, c) in enumerate(places))
    view = _view(ViewKind.SLICE, shape=(260, 420), contours=contours)
    picture = draw(view, track_of=lambda number: (f"L{number:02d}", ink_of(number)), alt="")
    assert sorted(label.text for label in picture.labels) == [f"L{n:02d}" for n in range(1, 13)]
    boxes = [(b.x, b.y - b.size, b.x + 0.6 * b.size * len(b.text), b.y) for b in picture.labels]
    for one, other in itertools.combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    assert all(b[0] >= 0 and b[2] <= 420 and b[3] <= 260 for b in boxes)


def test_a_thumbnail_has_no_names() -> None:
    """Its row says which lesion it is."""
    view = _view(ViewKind.LESION, contours=((1, _circle(50, 50, 9)),))
    assert draw(view, track_of=lambda number: ("L01", ink_of(0)), alt="").labels == ()
