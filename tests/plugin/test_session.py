"""A session: what a reader decides is on disk at once, can be undone, and changes the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.study import Method, Site
from lesiontrack.errors import DecisionError
from lesiontrack.review import ItemKind
from lesiontrack_napari import case_page
from lesiontrack_napari.deciding import Deciding
from lesiontrack_napari.session import ReasonWantedError, Session
from tests.plugin.reading_case import make_case, make_session
from tests.review.machine import day

# (visit, number of the centre) -> radius, mm: the two largest lesions, at the last visit.
GROWN = {(3, 7): 16.0, (3, 8): 17.0}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Return a session at four visits; the two largest lesions have grown at the last."""
    return make_session(tmp_path, radius=GROWN)


def _overall(session: Session) -> list[str]:
    return [visit.overall for visit in session.verdicts[0].visits]


def test_a_case_opens_with_the_machines_verdict(session: Session) -> None:
    assert session.verdicts[0].phase == "STUDY"
    # By size: radii of 11 and 10 mm are the largest of the constellation at the baseline.
    largest = {row.track_id for row in sorted(session.rows, key=lambda r: -float(r.cells[0].text.split()[0]))[:2]}
    assert set(session.verdicts[0].targets) == largest
    assert _overall(session)[-1] == "PD"
    assert session.progress == 0
    assert len(session.rows) == 10


def test_a_decision_is_on_disk_before_it_shows(session: Session) -> None:
    """Another program that looks at the log while the listeners are told finds the decision there."""
    seen: list[int] = []
    other = make_case(session.case.out, radius=GROWN)
    session.listen(lambda: seen.append(len(Session(other, "anna").decisions)))
    session.select("L01")
    Deciding(session).confirm()
    assert seen == [1]


def test_all_is_there_after_closing_and_opening_again(session: Session) -> None:
    """Nothing is saved but the log, and nothing else is needed."""
    session.select("L02")
    session.current = 2
    Deciding(session).unlink()
    Deciding(session).comment("looks like a cyst")
    again = Session(session.case, "anna")
    assert [row.cells for row in again.rows] == [row.cells for row in session.rows]
    assert again.decisions == session.decisions


def test_undo_and_redo_restore_exactly(session: Session) -> None:
    before, overall = [row.cells for row in session.rows], _overall(session)
    session.select("L02")
    session.current = 2
    Deciding(session).unlink()
    cut = [row.cells for row in session.rows]
    assert cut != before
    assert session.undo() is not None
    assert ([row.cells for row in session.rows], _overall(session)) == (before, overall)
    assert session.redo()
    assert [row.cells for row in session.rows] == cut
    assert not session.redo()
    # Nothing was deleted on the way: cut, revoked, revocation revoked.
    assert len(session.decisions) == 3
    session.undo()
    assert [row.cells for row in session.rows] == before
    assert session.undo() is None


def test_a_wrong_link_is_cut_and_made_right(session: Session) -> None:
    """Cut L02 at visit 2, then link what was cut off to it again."""
    session.select("L02")
    session.current = 2
    number = session.sighting(2)
    assert number is not None
    Deciding(session).unlink()
    assert session.sighting(2, "L02") is None
    session.select("L02")
    Deciding(session).link_to(2, number.lesion_id)
    found = session.sighting(2, "L02")
    assert found is not None
    assert found.lesion_id == number.lesion_id


def test_a_corrected_diameter_changes_the_verdict(session: Session) -> None:
    """The growth that made the progression is measured away: the targets are as long as before."""
    for timepoint, number in GROWN:
        lesion = session.history.lesion(timepoint, number + 1)
        before = session.history.lesion(2, number + 1)
        ends = np.array(lesion.diameter_ends_lps_mm)
        middle, half = ends.mean(axis=0), np.diff(ends, axis=0)[0] / 2
        half *= float(before.longest_diameter_mm) / float(lesion.longest_diameter_mm)
        Deciding(session).correct_diameter(timepoint, lesion.lesion_id, np.stack([middle - half, middle + half]))
    assert "PD" not in _overall(session)
    assert session.verdicts[0].progression == "no progression"


def test_a_lesion_set_to_ablated_is_a_treated_site(session: Session) -> None:
    session.select("L03")
    session.current = 2
    Deciding(session).set_treated(Method.ABLATION, day(1.5), LesionWord.NO_VIABLE)
    row = next(row for row in session.rows if row.track_id == "L03")
    assert "ablat" in row.fate
    track = session.track("L03")
    assert track is not None
    assert track.treatments[0].method == "ABLATION"


def test_what_the_rule_book_wants_a_reason_for_asks_for_it(session: Session) -> None:
    """Nothing is recorded without it."""
    session.select("L01")
    with pytest.raises(ReasonWantedError, match="instead"):
        Deciding(session).reject("")
    assert session.decisions == ()
    Deciding(session).reject("a haemangioma")
    assert session.sighting(session.current, "L01") is None


def test_nothing_at_hand_is_told(session: Session) -> None:
    session.select(None)
    with pytest.raises(DecisionError, match="no lesion at hand"):
        Deciding(session).confirm()
    session.select("L01")
    with pytest.raises(DecisionError, match="pick two"):
        Deciding(session).split([(1, 1)])


def test_targets_beyond_the_protocol_warn(session: Session) -> None:
    """Three targets in one organ are the reader's to choose, and said to be one too many."""
    session.current = session.verdicts[0].baseline_timepoint
    assert session.warnings() == ()
    for name in [name for name in session.colours if name not in session.verdicts[0].targets][:3]:
        session.select(name)
        Deciding(session).toggle_target("measured best")
    assert len(session.verdicts[0].targets) == 3
    assert "3 targets in the liver; at most 2 an organ" in session.warnings()


def test_one_reader_never_sees_another(session: Session) -> None:
    session.select("L02")
    session.current = 2
    Deciding(session).unlink()
    other = Session(session.case, "ben")
    assert other.decisions == ()
    assert other.sighting(2, "L02") is not None


def test_a_case_is_read_when_nothing_is_left(session: Session) -> None:
    """Going from item to item and confirming ends, and the share that is read only grows."""
    deciding, shares = Deciding(session), [session.progress]
    for _ in range(40):
        item = session.next_item()
        if item is None:
            break
        session.take_item(item)
        session.current = item.timepoint
        deciding.confirm_visit() if item.kind is ItemKind.VISIT else deciding.confirm()
        shares.append(session.progress)
    assert session.items == ()
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_chronological_reading_shows_later_visits_when_earlier_ones_are_locked(tmp_path: Path) -> None:
    session = make_session(tmp_path, review={"reveal": "chronological"})
    assert session.revealed == {0}
    assert [visit.timepoint for visit in session.visits()] == [0]
    assert all(item.timepoint == 0 for item in session.items)
    session.current = 0
    Deciding(session).lock()
    assert session.revealed == {0, 1}
    session.current = 0
    with pytest.raises(ReasonWantedError):
        Deciding(session).lock()
    Deciding(session).lock("measured the wrong lesion")
    assert session.revealed == {0}


def test_nothing_is_recorded_of_a_closed_visit(session: Session) -> None:
    """The reader is told at once, the log keeps nothing of it, and what was decided before stands and stays."""
    session.select("L02")
    session.current = 2
    lesion = session.sighting(2)
    assert lesion is not None
    Deciding(session).unlink()
    cut_off = session.track_of(2, lesion.lesion_id)
    assert cut_off is not None
    session.select(cut_off.track_id)
    Deciding(session).lock()
    before, told = session.decisions, []
    session.listen(lambda: told.append(True))
    for decide in (
        lambda: Deciding(session).set_status(LesionWord.ABSENT, "nothing there"),
        lambda: Deciding(session).reject("a vessel"),
        session.undo,
    ):
        with pytest.raises(DecisionError, match="not recorded: visit 2 was closed before"):
            decide()
    assert session.decisions == before == Session(session.case, "anna").decisions
    assert not session.replayed.inapplicable
    assert not told
    session.current = 1
    assert session.can_undo is not None and not session.can_redo
    Deciding(session).set_status(LesionWord.NE, "blurred")
    session.current = 2
    Deciding(session).lock("the wrong lesion was cut")
    assert session.undo() is not None
    assert session.undo() is not None
    assert session.can_undo is None
    assert session.replayed.locked == frozenset()
    assert not session.replayed.inapplicable


def test_what_is_said_of_a_rejected_lesion_is_refused(session: Session) -> None:
    """It is still outlined, so that a reader can point at it."""
    session.select("L02")
    session.current = 2
    lesion = session.sighting(2)
    assert lesion is not None
    Deciding(session).reject("a cyst")
    key, ends = (2, lesion.lesion_id), np.array(lesion.diameter_ends_lps_mm) * 1.1
    said: tuple[Callable[[], object], ...] = (
        lambda: Deciding(session).correct_diameter(*key, ends),
        lambda: Deciding(session).link_to(*key),
        lambda: Deciding(session).merge([key, (2, 1)]),
    )
    for decide in said:
        with pytest.raises(DecisionError, match=f"lesion {lesion.lesion_id} of visit 2 was rejected"):
            decide()
    assert len(session.decisions) == len(Session(session.case, "anna").decisions) == 1


def test_hidden_visits_say_nothing_of_what_becomes_of_a_lesion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lesion 3 vanishes at the second visit, lesion 10 is new at the third: a reader of the first learns neither."""
    skip = [(1, 2), (2, 2), (3, 2), (0, 9), (1, 9)]
    session = make_session(tmp_path, skip=skip, review={"reveal": "chronological"})
    names = {row.track_id for row in session.rows}
    assert names == {track.track_id for track in session.history.tracks if track.first_timepoint == 0}
    assert all(not row.fate and not row.vanished and not row.reasons for row in session.rows)
    assert all(not cell.text for row in session.rows for cell in row.cells[1:])
    # The case has no images; the words are what could tell.
    monkeypatch.setattr(case_page, "lesion_strips", lambda *_: {})
    page = case_page.case_html(session)
    assert "later visits are not shown yet" in page
    assert "progression" not in page
    assert all(visit.date.isoformat() not in page for visit in session.history.subject.visits[1:])
    session.current = 0
    Deciding(session).lock()
    session.current = 1
    assert any(row.cells[1].text == "not seen" for row in session.rows)


def test_a_reason_a_reader_gave_stands_in_the_table(session: Session) -> None:
    session.select("L01")
    session.current = 3
    Deciding(session).set_status(LesionWord.TSTM, "a rim only")
    row = next(row for row in session.rows if row.track_id == "L01")
    assert row.cells[3].text.endswith("too small to measure")
    assert row.read


def test_a_diameter_alone_adds_a_lesion(session: Session) -> None:
    scan = session.history.visit(2).scans[0]
    ends = np.array([[60.0, 60, 60], [75, 60, 60]])
    Deciding(session).add_diameter(scan, ends, Site.LUNG)
    added = [track for track in session.history.tracks if track.site == "LUNG"]
    assert [track.first_timepoint for track in added] == [2]
    with pytest.raises(DecisionError, match="less than 1 mm"):
        Deciding(session).add_diameter(scan, ends * 0 + np.array([[0, 0, 0], [0.4, 0, 0]]))


def test_a_verdict_follows_within_a_blink(session: Session) -> None:
    """Not a benchmark: an order of magnitude above what it takes, so that only another order fails it."""
    begun = time.process_time()
    for name in list(session.colours)[:5]:
        session.select(name)
        Deciding(session).confirm()
    assert (time.process_time() - begun) / 5 < 0.5
