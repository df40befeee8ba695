"""What a subject's page is made of: charts with their thresholds, the one sentence, the cells of the matrix."""

from __future__ import annotations

import base64
import datetime as dt
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lesiontrack.domain.view import View, ViewKind
from lesiontrack.report.chart import Chart, pd_threshold, sum_chart
from lesiontrack.report.cohort import changed_settings
from lesiontrack.report.judged import banner, courses, linked
from lesiontrack.report.matrix import Album, matrix
from lesiontrack.report.slices import slice_rows
from lesiontrack.report.source import Case, Row, rows_of, what_happened
from lesiontrack.report.timeline import WIDTH, timeline
from lesiontrack.settings import Settings
from lesiontrack.tables import COHORT_TABLES, frame

Full = Callable[..., tuple[dict[str, list[Row]], list[Any]]]


def _case(tables: dict[str, list[Row]]) -> Case:
    """Return a case as it is read back from its tables."""
    parsed = {name: rows_of(name, frame(name, rows)) for name, rows in tables.items() if rows}
    return Case(subject_id="A", tables=parsed)


def _edit(rows: list[Row], where: Callable[[Row], bool], **values: object) -> None:
    for row in rows:
        if where(row):
            row.update(values)


def _chart(case: Case, settings: Settings | None = None) -> Chart:
    settings = settings or Settings()
    chart = sum_chart(case, courses(case, settings)[0], settings)
    assert chart is not None
    return chart


# --- charts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nadir", "threshold"), [(50.0, "60"), (25.0, "30"), (20.0, "25"), (10.0, "15"), (37.1, "44.52"), (0.0, "5")]
)
def test_the_threshold_needs_both_20_percent_and_5_mm(nadir: float, threshold: str) -> None:
    """RECIST 1.1, 4.3.1: below 25 mm the absolute growth decides, above it the relative one."""
    assert pd_threshold(nadir, Settings()) == Decimal(threshold)


@given(st.decimals(min_value=0, max_value=400, places=1), st.decimals(min_value=0, max_value=400, places=1))
def test_a_sum_progresses_exactly_from_the_line_drawn(nadir: Decimal, now: Decimal) -> None:
    """The line is the rule, not an approximation to it."""
    progresses = now - nadir >= 5 and 100 * now >= 120 * nadir
    assert (now >= pd_threshold(float(nadir), Settings())) == progresses


def test_the_chart_draws_the_stored_sums_to_scale(full: Full) -> None:
    """Every sum of the course, baseline included, at its height; steps at the levels in force."""
    case = _case(full("A")[0])
    chart = _chart(case)
    assert [dot.text for dot in chart.total.dots] == ["42.4", "37.1", "39.7", "42.4", "58.3"]
    zero, top = (next(t.at for t in chart.y_ticks if t.text == text) for text in ("0", chart.y_ticks[-1].text))
    scale = (zero - top) / float(chart.y_ticks[-1].text)
    assert [dot.y for dot in chart.total.dots] == pytest.approx(
        [zero - scale * value for value in (42.4, 37.1, 39.7, 42.4, 58.3)], abs=0.1
    )
    levels = {(step.kind, step.title.split()[-2]) for step in chart.steps if step.title.startswith("Visit 5")}
    assert levels == {("baseline", "42.4"), ("nadir", "37.1"), ("threshold", "44.52")}
    assert [series.name for series in chart.targets] == ["L14", "L15"]


def test_a_rebaseline_breaks_the_line_and_keeps_the_first_baseline(full: Full) -> None:
    """Before the re-baseline stands the sum that the other rule set starts from; nothing is compared there."""
    tables, _ = full("A")
    first = tables["responses"][0]
    first.update(rebaseline=True, treatment_phase=True, overall="REBASELINE", baseline_sum_mm=first["sum_mm"])
    first.update(nadir_sum_mm=None)
    case = _case(tables)
    chart = _chart(case)
    assert chart.total.dots[0].text == "42.4"
    assert len(chart.rebaselines) == 1
    assert not [step for step in chart.steps if step.title.startswith("Visit 2")]
    assert all(f"{chart.total.dots[0].x:g}," not in points for points in chart.total.stretches)
    verdict = courses(case, Settings())[0].judged[0]
    assert (verdict.from_baseline, verdict.from_nadir, verdict.nadir_mm) == ("", "", "")
    assert "re-baseline" in verdict.flags


def test_a_visit_without_a_sum_is_a_gap(full: Full) -> None:
    """The line does not run through it."""
    tables, _ = full("A")
    _edit(tables["responses"], lambda row: row["timepoint"] == 3, sum_mm=None, overall="NE")
    chart = _chart(_case(tables))
    assert len(chart.gaps) == 1
    assert len(chart.total.stretches) == 2
    assert len(chart.total.dots) == 4


def test_a_node_is_drawn_by_its_short_axis(full: Full) -> None:
    """RECIST 1.1, 3.1: nodes count by the short axis."""
    tables, _ = full("A")
    _edit(tables["roles"], lambda row: row["track_id"] == "L02", role="TARGET")
    chart = _chart(_case(tables))
    node = next(series for series in chart.targets if series.name == "L02")
    assert node.dots[0].title == "L02, visit 1: 7.8 mm"


# --- the one sentence ------------------------------------------------------------------------------------------------


def test_a_backdated_progression_says_when_it_was_declared(full: Full) -> None:
    """Date of the first sight, and the visit that confirmed it."""
    tables, _ = full("A")
    tables["subjects"][0].update(pd_date=dt.date(2020, 9, 28), pd_reasons=["NEW"])
    for row in tables["responses"]:
        for trigger in row["triggers"]:
            trigger["date"] = dt.date(2020, 9, 28) if trigger["kind"] == "NEW" else trigger["date"]
    case = _case(tables)
    found = banner(case, courses(case, Settings()))
    assert found.headline == "Progression on 2020-09-28: hepatic"
    assert "Declared on 2020-11-23 and dated back to the first sight." in found.sentence
    assert "growth of the target" not in found.sentence


@pytest.mark.parametrize(
    ("overall", "tone", "headline"),
    [
        ("SD", "good", "No progression up to 2020-11-23"),
        ("NE", "open", "Response in the study phase not assessed"),
    ],
)
def test_without_progression_the_last_evaluable_visit_is_named(
    full: Full, overall: str, tone: str, headline: str
) -> None:
    """Visits that could not be evaluated are no evidence of anything."""
    tables, _ = full("A")
    _edit(tables["responses"], lambda row: True, overall=overall, triggers=[])
    tables["subjects"][0].update(pd_date=None, pd_site=None, pd_subtype=None)
    case = _case(tables)
    found = banner(case, courses(case, Settings()))
    assert (found.tone, found.headline) == (tone, headline)


def test_unusable_visits_after_the_last_one_are_counted(full: Full) -> None:
    """A gap is told, not hidden."""
    tables, _ = full("A")
    tables["responses"] = [row for row in tables["responses"] if row["timepoint"] < 4]
    tables["subjects"][0].update(pd_date=None, pd_site=None, pd_subtype=None)
    _edit(tables["timepoints"], lambda row: row["timepoint"] > 3, usable=False)
    case = _case(tables)
    assert "2 later visits are unusable." in banner(case, courses(case, Settings())).sentence


def test_the_reader_who_feeds_the_endpoints_comes_first(full: Full) -> None:
    """As the events say; another reader's courses follow."""
    tables, _ = full("A")
    other = [{**row, "reader": "anna"} for row in tables["responses"]]
    tables["responses"] = other + tables["responses"]
    tables["events"] = [{"subject_id": "A", "endpoint": "PFS", "reader": "machine"}]
    found = courses(_case(tables), Settings())
    assert [(c.phase, c.rules, c.reader, c.primary) for c in found[:2]] == [
        ("STUDY", "recist11-local", "machine", True),
        ("STUDY", "recist11", "machine", False),
    ]
    assert sum(course.primary for course in found) == 2
    assert len(found) == 8


def test_only_whole_names_are_linked(full: Full) -> None:
    """L01 in L010 is no lesion, and nothing but names becomes an element."""
    case = _case(full("A")[0])
    text = linked(case, "L01 <b>, L010, xL02 and L02.")
    assert str(text) == '<a href="#track-0">L01</a> &lt;b&gt;, L010, xL02 and <a href="#track-1">L02</a>.'
    assert '"#cell-1-5"' in linked(case, "L02", 5)
    assert '"#track-1"' in linked(case, "L02", 99)


# --- the matrix ------------------------------------------------------------------------------------------------------


def test_fragments_are_shown_each_and_compared_together(full: Full) -> None:
    """12.0 + 8.0 mm after 13.0 mm is more by 53.8 %."""
    tables, views = full("A")
    _edit(tables["lesions"], lambda r: r["track_id"] == "L01" and r["timepoint"] == 1, longest_diameter_mm=Decimal(12))
    extra = next(r for r in tables["lesions"] if r["track_id"] == "L01" and r["timepoint"] == 1)
    tables["lesions"].append({**extra, "lesion_id": 90, "longest_diameter_mm": Decimal(8)})
    case = _case(tables)
    cell = matrix(case, Album(case, views))[0].cells[1]
    assert [long for long, _ in cell.sizes] == ["12.0", "8.0"]
    assert cell.change == "+53.8"


@pytest.mark.parametrize(
    ("state", "trusted", "shown", "marks"),
    [("OUT_OF_VIEW", True, "out of view", ()), ("NOT_SEEN", False, "not seen", ("registration not trusted",))],
)
def test_an_absence_says_what_it_is(full: Full, state: str, trusted: bool, shown: str, marks: tuple[str, ...]) -> None:
    """Out of view is not the same as not seen, and a doubtful projection is said to be doubtful."""
    tables, views = full("A")
    _edit(tables["missing"], lambda row: True, state=state, trusted=trusted)
    case = _case(tables)
    cell = matrix(case, Album(case, views))[2].cells[4]
    assert (cell.state, cell.marks) == (shown, marks)
    ring = cell.pictures[0].rings[0]
    assert (ring.x, ring.y) == pytest.approx((50.0 - 1.0 / 0.7, 50.0 + 2.0 / 0.7), abs=0.06)


def test_absences_without_a_record_are_told_apart(full: Full) -> None:
    """Before its first sight, merged into another, an unusable visit."""
    tables, views = full("A")
    _edit(tables["tracks"], lambda row: row["track_id"] == "L01", merged_into="L04", fate="MERGED")
    tables["lesions"] = [row for row in tables["lesions"] if row["track_id"] != "L01" or row["timepoint"] < 2]
    _edit(tables["timepoints"], lambda row: row["timepoint"] == 3, usable=False)
    case = _case(tables)
    row = matrix(case, Album(case, views))[0]
    assert [cell.state for cell in row.cells[2:5]] == ["merged into L04", "visit unusable", "merged into L04"]
    assert row.notes == ("merged into L04",)


def test_one_track_has_one_colour_everywhere(full: Full) -> None:
    """In the matrix, on its thumbnails, on whole slices and in the chart."""
    tables, views = full("A")
    case = _case(tables)
    album = Album(case, views)
    rows = matrix(case, album)
    chart = _chart(case)
    slices = [one for row in slice_rows(case, album) for one in row if one is not None]
    for row in rows:
        colours = {o.ink for cell in row.cells if cell.state == "seen" for p in cell.pictures for o in p.outlines[:1]}
        assert colours == {row.ink}
    for series in chart.targets:
        assert series.ink == next(row.ink for row in rows if row.track_id == series.name)
    inks = {row.track_id: row.ink for row in rows}
    for one in slices:
        assert [outline.ink for outline in one.picture.outlines] == [inks[name] for name in one.shows]


def test_slices_with_the_same_lesions_stand_in_one_row(full: Full) -> None:
    """Three rows of six visits, top of the body first."""
    tables, views = full("A")
    case = _case(tables)
    rows = slice_rows(case, Album(case, views))
    assert [[one.timepoint for one in row if one is not None] for row in rows] == [[0, 1, 2, 3, 4, 5]] * 3
    assert [row[0].z_mm for row in rows if row[0] is not None] == ["64.0", "52.0", "40.0"]
    assert {one.picture.rings[0].name for row in rows for one in row if one is not None and one.picture.rings} == {
        "L03"
    }


def test_a_slice_without_its_air_keeps_every_line_in_place(full: Full) -> None:
    """An off-centre body on a wide picture: outline, ring and pixels move together when the air is cut away."""
    tables, _ = full("A")
    pixels = np.zeros((100, 220), dtype=np.uint8)
    pixels[30:80, 120:210] = 90
    pixels[50:55, 170:181] = 250
    outline = np.array([[50.0, 170.0], [50.0, 180.0], [54.0, 180.0], [54.0, 170.0]])
    # The middle of the bright mark, from the middle of the picture.
    x_mm, y_mm = 2.0 * (175.5 - 110.0), 2.0 * (52.5 - 50.0)
    missing = next(row for row in tables["missing"] if row["timepoint"] == 4)
    missing.update(x_lps_mm=7.0 + x_mm, y_lps_mm=-3.0 + y_mm, z_lps_mm=30.0)
    view = View(
        timepoint=4,
        series_uid="1.2.4",
        kind=ViewKind.SLICE,
        lesion_id=None,
        centre_lps_mm=(7.0, -3.0, 30.0),
        pixels=pixels,
        pixel_mm=2.0,
        contours=((1, outline),),
    )
    case = _case(tables)
    shown = slice_rows(case, Album(case, [view]))[0][4]
    assert shown is not None
    picture = shown.picture
    assert (picture.width, picture.height) == (90 + 2 * 5, 50 + 2 * 2)
    assert picture.outlines[0].path == "M55.5 22.5L65.5 22.5L65.5 26.5L55.5 26.5Z"
    assert (picture.rings[0].x, picture.rings[0].y) == pytest.approx((60.5, 24.5), abs=0.06)
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.href.split(",")[1]))).convert("L"), dtype=float)
    assert decoded[22:27, 55:66].mean() > 200
    assert decoded[40:50, 20:50].mean() == pytest.approx(90, abs=3)


# --- timeline and the rest -------------------------------------------------------------------------------------------


def test_the_timeline_keeps_everything_inside_and_apart(full: Full) -> None:
    """Nothing leaves the drawing; events years after the last scan stand at its edge with an arrow."""
    tables, _ = full("A")
    tables["subjects"][0].update(death_date=dt.date(2027, 1, 1))
    case = _case(tables)
    drawing = timeline(case, courses(case, Settings()))
    assert drawing is not None
    marks = [mark for lane in drawing.lanes for mark in lane.marks]
    assert all(0 < mark.x < WIDTH for mark in marks)
    assert [mark.text for mark in marks if "death" in mark.text] == ["death 2027-01-01 \u2192"]
    scans = [mark.x for mark in marks if mark.tone == "scan"]
    assert max(scans) - min(scans) > WIDTH / 3
    assert "ablation L03 2020-08-23" in [mark.text for mark in marks]


def test_a_message_is_not_repeated_by_its_row() -> None:
    """Subject, visit and file stand beside it; a message in another form stays whole."""
    row = {"subject_id": "A", "file": "x: y.dcm", "message": "subject A, file x: y.dcm: no pixels (found 0)"}
    assert what_happened(row) == "no pixels (found 0)"
    assert what_happened({**row, "file": None, "message": "subject A: gone: quite"}) == "gone: quite"
    assert what_happened({**row, "message": "no row in subjects"}) == "no row in subjects"


def test_default_settings_change_nothing() -> None:
    """Only what differs is listed."""
    assert changed_settings(Settings()) == []


def test_a_case_without_rows_is_empty_not_broken() -> None:
    """Every column of a subject that has no row is empty."""
    case = Case(subject_id="A", tables={})
    assert set(case.subject) == set(COHORT_TABLES["subjects"].columns)
    assert courses(case, Settings()) == []
    assert timeline(case, []) is None
    assert matrix(case, Album(case, [])) == []
    assert slice_rows(case, Album(case, [])) == []
