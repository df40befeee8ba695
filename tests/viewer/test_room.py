"""The reading room in a real viewer: what is on the screen is what the session says."""

from __future__ import annotations

import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.QtCore import QCoreApplication

from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.study import Method
from lesiontrack_napari.case_page import page_path
from lesiontrack_napari.deciding import Deciding
from lesiontrack_napari.panels.room import ReadingRoom
from lesiontrack_napari.panels.views import MAIN, PRIOR, Views
from lesiontrack_napari.session import Session
from tests.reading import SUBJECT


def _spin(times: int = 5) -> None:
    for _ in range(times):
        QCoreApplication.processEvents()


def _opened(room: ReadingRoom) -> tuple[Session, Views]:
    room.open_subject(SUBJECT)
    _spin()
    assert room.session is not None, room.deciding.message.text()
    assert room.views is not None
    return room.session, room.views


def test_the_manifest_is_valid() -> None:
    manifest = PluginManifest.from_distribution("lesiontrack-crlm")
    manifest.validate_imports()
    assert {widget.display_name for widget in manifest.contributions.widgets or []} == {"Reading room"}


def test_a_case_opens_from_the_worklist_in_two_equal_panes(room: ReadingRoom) -> None:
    assert room.cases.table.rowCount() == 2
    session, views = _opened(room)
    _spin(30)
    assert room.docks is not None
    room.docks.arrange()
    _spin(10)
    (width, height), (prior_width, prior_height) = room.docks.pane_sizes()
    assert abs(width - prior_width) <= 24
    assert abs(height - prior_height) <= 24
    assert views.shown[MAIN] is not None
    assert views.shown[PRIOR] is not None
    assert room.table.model.rowCount() == len(session.rows) == 6


def test_panes_scroll_together_through_the_registration(room: ReadingRoom) -> None:
    """The bodies are shifted by (3, -2, 4) mm a visit: so are the places looked at; unlinked, nothing follows."""
    session, views = _opened(room)
    room.go("L01", 2)
    main, prior = views.panes
    for step in (1, 2, -1):
        main.step(step)
        _spin(2)
        here, there = main.centre_mm(), prior.centre_mm()
        expected = views.linked.map(MAIN, here)
        assert expected is not None
        assert abs(expected[0] - there[0]) <= 2.6
        np.testing.assert_allclose(expected[1:], there[1:], atol=0.5)
    assert main.model.scene.camera.zoom == prior.model.scene.camera.zoom
    before = prior.centre_mm()
    room.acting.say("together")
    main.step(4)
    _spin(2)
    np.testing.assert_array_equal(before, prior.centre_mm())
    assert session.current == 2


def test_the_crosshair_is_where_the_other_visit_shows_the_same(room: ReadingRoom) -> None:
    """Over the lesion it is on the lesion, and 20 mm beside it 20 mm beside it: the bodies are only shifted."""
    session, views = _opened(room)
    room.go("L01", 2)
    main, prior = views.panes
    shown, other = views.shown
    lesion, before = session.sighting(2), session.sighting(1)
    assert shown is not None and other is not None and lesion is not None and before is not None
    middle = shown.frame.to_world(np.array(lesion.diameter_ends_lps_mm).mean(axis=0))
    on_it = other.frame.to_world(np.array(before.diameter_ends_lps_mm).mean(axis=0))
    for away in ((0.0, 0.0, 0.0), (0.0, 20.0, 0.0), (0.0, 0.0, -20.0)):
        room.hovered(MAIN, middle + away)
        assert prior.cross is not None and main.cross is not None
        assert prior.cross.visible and not main.cross.visible
        at = np.array(prior.cross.data_to_world(prior.cross.data[0]))
        np.testing.assert_allclose(at[1:], (on_it + away)[1:], atol=1.0)
        assert at[0] == prior.model.dims.point[0]
    room.acting.say("together")
    assert prior.cross is not None
    assert not prior.cross.visible
    room.acting.say("together")


def test_private_access_from_the_panels_is_an_error(room: ReadingRoom) -> None:
    """The filters of this folder reach every module of the plugin, not its first name alone."""
    module = {"__name__": "lesiontrack_napari.panels.anywhere", "viewer": room.viewer}
    with pytest.raises(FutureWarning, match="Private attribute access"):
        exec("viewer._layer_slicer", module)


def test_a_jump_shows_the_lesion_in_the_middle_of_both_panes(room: ReadingRoom) -> None:
    session, views = _opened(room)
    for name, timepoint in (("L02", 1), ("L03", 3)):
        room.go(name, timepoint)
        _spin()
        for pane, shown in zip(views.panes, views.shown, strict=True):
            assert shown is not None
            lesion = session.sighting(shown.timepoint)
            assert lesion is not None
            assert pane.lesion_at(shown.frame.to_world(np.array(lesion.centroid_lps_mm))) == lesion.lesion_id
            middle = shown.frame.to_world(np.array(lesion.diameter_ends_lps_mm).mean(axis=0))
            np.testing.assert_allclose(pane.centre_mm()[1:], middle[1:], atol=0.5)


def test_colours_on_the_canvas_are_the_tracks(room: ReadingRoom) -> None:
    """The outline on the screen has the colour of the table's row, in both panes."""
    session, views = _opened(room)
    room.go("L01", 1)
    _spin(20)
    assert room.docks is not None
    picture = room.docks.prior_widget.screenshot(flash=False)
    colour = session.colours["L01"]
    wanted = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)])
    near = np.abs(picture[..., :3].astype(int) - wanted).max(axis=-1) < 40
    assert near.sum() > 20
    assert views.panes[MAIN].labels is not None


def test_deciding_by_keys_changes_table_verdict_and_log(room: ReadingRoom) -> None:
    session, _ = _opened(room)
    room.go("L01", 3)
    before = room.table.model.rows[0].cells[3].text
    Deciding(session)
    room.acting.say("unlink")
    assert room.table.model.rows[0].cells[3].text != before
    room.acting.say("undo")
    assert room.table.model.rows[0].cells[3].text == before
    room.acting.say("redo")
    room.acting.say("undo")
    assert len(Session(session.case, "anna").decisions) == 4


def test_a_reason_is_asked_for_and_then_taken(room: ReadingRoom) -> None:
    session, _ = _opened(room)
    room.go("L02", 1)
    room.acting.say("reject")
    assert "reason" in room.deciding.message.text()
    assert not session.decisions
    room.deciding.reason.setText("a cyst")
    room.deciding.reason.returnPressed.emit()
    reasons = [decision.reason for decision in session.decisions]
    assert reasons == ["a cyst"]
    assert session.sighting(1, "L02") is None


def test_ablated_in_two_clicks_stands_in_the_table(room: ReadingRoom) -> None:
    session, _ = _opened(room)
    room.go("L05", 2)
    room.acting.say("treated", Method.ABLATION, LesionWord.NO_VIABLE)
    assert session.decisions, room.deciding.message.text()
    row = next(row for row in room.table.model.rows if row.track_id == "L05")
    assert row.fate == "ablated"


def test_painting_adds_a_measured_lesion_with_its_outline(room: ReadingRoom) -> None:
    session, views = _opened(room)
    session.select(None)
    room.choose_visit(2, prior=False)
    session.select(None)
    shown = views.shown[MAIN]
    assert shown is not None
    place = shown.frame.to_world(np.array([-60.0, 20.0, 10.0]))
    views.panes[MAIN].look_at(place)
    room.acting.say("paint")
    brush = room.acting.brush
    assert brush is not None
    at = np.round(brush.layer.world_to_data(views.panes[MAIN].centre_mm())).astype(int)
    brush.layer.data[at[0] - 1 : at[0] + 2, at[1] - 2 : at[1] + 3, at[2] - 3 : at[2] + 4] = 1
    room.acting.say("confirm")
    assert len(session.decisions) == 1, room.deciding.message.text()
    added = [x for x in session.history.lesions_at(2) if x.lesion_id > 5]
    assert len(added) == 1
    assert 20 <= float(added[0].longest_diameter_mm) <= 40
    assert views.panes[MAIN].lesion_at(shown.frame.to_world(np.array(added[0].centroid_lps_mm))) == added[0].lesion_id
    assert room.acting.brush is None


def test_all_series_of_a_visit_by_one_key(room: ReadingRoom) -> None:
    """The chest CT of visit 1 is shown at the same place of the patient, and the liver again after it."""
    session, views = _opened(room)
    room.go("L01", 1)
    assert len(session.scans(1)) == 2
    first = views.shown[MAIN]
    before = views.panes[MAIN].centre_mm()
    room.acting.say("series")
    second = views.shown[MAIN]
    assert first is not None
    assert second is not None
    assert second.scan.series_uid != first.scan.series_uid
    np.testing.assert_allclose(views.panes[MAIN].centre_mm()[1:], before[1:], atol=1.0)
    room.acting.say("series")
    third = views.shown[MAIN]
    assert third is not None
    assert third.scan.series_uid == first.scan.series_uid


def test_blink_window_and_outlines_come_and_go(room: ReadingRoom) -> None:
    _, views = _opened(room)
    main = views.panes[MAIN]
    assert main.image is not None
    room.acting.say("blink")
    assert views.blinking
    assert not main.image.visible
    room.acting.say("blink")
    assert main.image.visible
    before = tuple(main.image.contrast_limits)
    room.acting.say("window")
    assert tuple(main.image.contrast_limits) != before
    room.acting.say("outlines")
    assert main.labels is not None
    assert not main.labels.visible
    room.acting.say("outlines")
    assert main.labels.visible


def test_pictures_and_the_page_of_a_case(room: ReadingRoom) -> None:
    session, _ = _opened(room)
    room.go("L01", 1)
    room.acting.say("picture")
    picture = session.case.out / "pictures" / f"{SUBJECT}_L01.png"
    assert picture.stat().st_size > 10_000
    room.acting.say("page")
    page = page_path(session, "html")
    assert "data:image/png;base64," in page.read_text(encoding="utf-8")
    room.acting.say("pdf")
    assert page.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


def test_leaving_gives_napari_back_as_it_was(room: ReadingRoom) -> None:
    """No layer, no dock of ours is left, and another case can be opened afterwards."""
    _opened(room)
    viewer = room.viewer
    room.leave()
    _spin()
    assert len(viewer.layers) == 0
    _opened(room)
    assert len(viewer.layers) > 0
