"""The scores of the tracking benchmark on answers that are known by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from benchmarks.simulated_subjects import Simulated, make_subject
from benchmarks.tracking_scores import Key, Tally, f1, truth
from benchmarks.true_chords import longest_chord_mm


def subject(sightings: Mapping[Key, int], *, whole_of: Mapping[int, int] | None = None) -> Simulated:
    """Three visits of which only the identities of lesions are known."""
    return Simulated(
        subject=make_subject(3),
        lesions=(),
        prepared=(),
        truth=dict(sightings),
        places={},
        whole_of=dict(whole_of or {}),
    )


def test_a_split_and_a_merge_are_links_of_the_whole_with_each_part() -> None:
    """Lesion 0 falls into 1 and 2 at visit 1; 3 and 4 flow into 5 at visit 2; 6 is new at visit 1."""
    made = subject(
        {(0, 1): 0, (1, 1): 1, (1, 2): 2, (0, 3): 3, (0, 4): 4, (1, 3): 3, (1, 4): 4, (2, 1): 5, (1, 6): 6},
        whole_of={1: 0, 2: 0, 3: 5, 4: 5},
    )
    edges, new = truth(made)
    assert edges == {
        ((0, 0), (1, 1)),
        ((0, 0), (1, 2)),
        ((0, 3), (1, 3)),
        ((0, 4), (1, 4)),
        ((1, 3), (2, 5)),
        ((1, 4), (2, 5)),
    }
    assert new == {(1, 6)}


def test_a_lesion_cut_in_two_counts_once_as_a_link_and_as_wrongly_new_where_it_is_called_so() -> None:
    """Lesion 7 is measured in two pieces at visit 1, of which the second is not linked."""
    made = subject({(0, 1): 7, (1, 1): 7, (1, 2): 7, (2, 1): 7})
    tally = Tally()
    tally.links(made, {((0, 1), (1, 1)), ((1, 1), (2, 1))})
    tally.beginners(made, {(1, 2)})
    assert (tally.right, tally.found, tally.wanted) == (2, 2, 2)
    assert (tally.new_right, tally.new_found, tally.new_wanted) == (0, 1, 0)
    assert f1(tally.new_right, tally.new_found, tally.new_wanted) == 0.0


def test_a_link_between_two_lesions_is_wrong() -> None:
    made = subject({(0, 1): 1, (0, 2): 2, (1, 1): 1, (1, 2): 2})
    tally = Tally()
    tally.links(made, {((0, 1), (1, 2)), ((0, 2), (1, 1))})
    assert (tally.right, tally.found, tally.wanted) == (0, 2, 2)


def test_the_longest_chord_is_that_of_the_outline_between_the_pixels() -> None:
    """An ellipse of semi-axes 7.3 and 4.1 pixels, turned by 30 degrees, a smaller one on the next slice."""
    j, i = np.indices((31, 31)) - 15.2
    along, across = 0.5 * np.sqrt(3.0) * i + 0.5 * j, 0.5 * np.sqrt(3.0) * j - 0.5 * i
    level = np.hypot(along / 7.3, across / 4.1)
    assert longest_chord_mm(np.stack([level, 1.5 * level]), 0.8) == pytest.approx(2 * 7.3 * 0.8, abs=0.02)
