"""What a reader says reaches the readings and the verdict; the protocol's checks warn and forbid nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Fate
from lesiontrack.domain.reading import LesionWord
from lesiontrack.domain.reads import NewStatus
from lesiontrack.domain.study import Site
from lesiontrack.errors import DecisionError
from lesiontrack.review import SetTargets, Split
from lesiontrack_napari.deciding import Deciding
from lesiontrack_napari.session import ReasonWantedError, Session
from tests.plugin.reading_case import make_session
from tests.review.machine import CENTRES, make_extra, track_of


def _at(session: Session, timepoint: int, number: int) -> Deciding:
    """Take the lesion of a visit, and the visit, at hand."""
    session.select(track_of(session.history, timepoint, number).track_id)
    session.current = timepoint
    return Deciding(session)


def _by_number(history: History, timepoint: int, number: int) -> str:
    return track_of(history, timepoint, number).track_id


def _overall(session: Session) -> dict[int, str]:
    return {visit.timepoint: visit.overall for visit in session.verdicts[0].visits}


def test_a_split_makes_the_parts_one_lesion(tmp_path: Path) -> None:
    """The parts stand in one row, with the sum of their lengths; undone, they are two rows again."""
    part = make_extra(2, 40, CENTRES[8] + [9.0, 0.0, 0.0], 3.0)
    session = make_session(tmp_path, visits=3, extra=[part])
    assert _by_number(session.history, 2, 40) != _by_number(session.history, 1, 9)
    made = _at(session, 1, 9).split([(2, 9), (2, 40)])
    assert isinstance(made.act, Split)
    assert track_of(session.history, 1, 9).at(2) == (9, 40)
    cell = next(row for row in session.rows if row.track_id == session.track_id).cells[2]
    assert cell.text.startswith("28.0 (2 parts)")
    session.undo()
    assert track_of(session.history, 1, 9).at(2) == (9,)


def test_a_merge_ends_the_smaller_part_in_the_mass(tmp_path: Path) -> None:
    session = make_session(tmp_path, visits=3, skip={(2, 1)})
    _at(session, 2, 3).merge([(1, 1), (1, 2)])
    other = track_of(session.history, 1, 1)
    assert other.fate is Fate.MERGED
    assert other.merged_into == _by_number(session.history, 2, 3)
    assert "merged" in next(row for row in session.rows if row.track_id == other.track_id).fate


def test_parts_of_two_visits_are_refused(tmp_path: Path) -> None:
    """Nothing is recorded."""
    session = make_session(tmp_path)
    with pytest.raises(DecisionError, match="not of one visit"):
        _at(session, 3, 1).merge([(1, 1), (2, 2)])
    assert session.decisions == ()


def test_a_non_target_that_grew_beyond_doubt_is_progression(tmp_path: Path) -> None:
    """The reader's word alone, with a reason if it is wanted, decides the visit, and no other one."""
    session = make_session(tmp_path)
    number = next(n for n in range(1, 11) if _by_number(session.history, 0, n) not in session.verdicts[0].targets)
    before = _overall(session)
    assert "PD" not in before.values()
    _at(session, 2, number).set_status(LesionWord.UNEQUIVOCAL, "grown beyond doubt")
    assert _overall(session)[2] == "PD"
    assert _overall(session)[1] == before[1]
    session.undo()
    assert _overall(session) == before


def test_a_target_that_cannot_be_measured_leaves_the_visit_unread(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    name = session.verdicts[0].targets[0]
    session.select(name)
    session.current = 2
    Deciding(session).set_status(LesionWord.NE, "motion")
    visit = session.verdicts[0].visit(2)
    assert visit is not None
    assert (visit.target, visit.overall) == ("NE", "NE")


def test_a_site_that_is_set_is_the_lesions_at_every_visit(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    _at(session, 1, 4).set_site(Site.LUNG)
    row = next(row for row in session.rows if row.track_id == session.track_id)
    assert row.site == "lung"
    assert {track.track_id for track in session.history.tracks if track.site == "LUNG"} == {session.track_id}


@pytest.mark.parametrize(
    ("newness", "said", "progresses"), [(NewStatus.UNEQUIVOCAL, "YES", True), (NewStatus.EQUIVOCAL, "EQUIVOCAL", False)]
)
def test_a_new_lesion_progresses_when_it_is_beyond_doubt(
    tmp_path: Path, newness: NewStatus, said: str, progresses: bool
) -> None:
    """Lesion 10 is seen from the third visit on."""
    session = make_session(tmp_path, skip={(0, 9), (1, 9)})
    _at(session, 2, 10).set_newness(newness, "by its look")
    visit = session.verdicts[0].visit(2)
    assert visit is not None
    assert visit.new_lesion == said
    assert (visit.overall == "PD") == progresses


def test_the_target_set_is_exactly_what_is_said(tmp_path: Path) -> None:
    """With a reason; the sum at the baseline is that of the two."""
    session = make_session(tmp_path)
    names = [_by_number(session.history, 0, number) for number in (3, 4)]
    with pytest.raises(ReasonWantedError):
        Deciding(session).set_targets(names, "")
    assert session.decisions == ()
    made = Deciding(session).set_targets(names, "measured best")
    assert isinstance(made.act, SetTargets)
    phase = session.verdicts[0]
    assert sorted(phase.targets) == sorted(names)
    assert phase.baseline_sum_mm is not None
    assert float(phase.baseline_sum_mm) == pytest.approx(2 * (7.0 + 7.5))
    assert session.warnings() == ()


def test_more_than_five_targets_warn(tmp_path: Path) -> None:
    """Six, two in each of three organs: none too many for an organ, one too many in all."""
    session = make_session(tmp_path)
    sites = {1: Site.LUNG, 2: Site.LUNG, 3: Site.PERITONEUM, 4: Site.PERITONEUM}
    for number, site in sites.items():
        _at(session, 0, number).set_site(site)
    names = [_by_number(session.history, 0, number) for number in (1, 2, 3, 4, 8, 9)]
    Deciding(session).set_targets(names, "for the test")
    assert len(session.verdicts[0].targets) == 6
    assert session.warnings() == ("6 targets; at most 5 are allowed",)
    Deciding(session).set_targets(names[1:], "for the test")
    assert session.warnings() == ()


def test_more_than_two_targets_of_an_organ_warn(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    names = [_by_number(session.history, 0, number) for number in (7, 8, 9)]
    Deciding(session).set_targets(names, "for the test")
    assert session.warnings() == ("3 targets in the liver; at most 2 an organ",)


def test_a_target_below_10_mm_warns(tmp_path: Path) -> None:
    """9.8 mm, on slices of 2.5 mm; 10.0 mm does not warn."""
    session = make_session(tmp_path, radius={(0, 0): 4.9, (0, 1): 5.0})
    names = [_by_number(session.history, 0, number) for number in (1, 2)]
    Deciding(session).set_targets(names, "for the test")
    assert session.warnings() == (f"{names[0]}: longest diameter 9.8 mm, a target needs 10.0 mm",)


def test_a_target_thinner_than_two_slices_warns(tmp_path: Path) -> None:
    """12 mm on slices of 7 mm: above 10 mm, below 14 mm."""
    thick = replace(make_extra(0, 40, np.array([60.0, 60.0, 60.0]), 6.0), slice_thickness_mm=7.0)
    session = make_session(tmp_path, extra=[thick])
    names = [_by_number(session.history, 0, number) for number in (9, 40)]
    Deciding(session).set_targets(names, "for the test")
    assert session.warnings() == (f"{names[1]}: 12.0 mm; slices of 7.0 mm need 14.0 mm",)
