"""What must hold for any constellation: order of input, rigid motion of all visits, and the direction of time."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.simulated_subjects import START, Plan, Simulated, make_lesion, make_subject, simulate
from lesiontrack.align import AlignSettings, align
from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.history import Registration
from lesiontrack.domain.lesion import Fate, Lesion, LinkKind, MissingState
from lesiontrack.link import LinkSettings, Tracking, chain

SETTINGS = LinkSettings()
Edge = tuple[tuple[int, int], tuple[int, int]]


def registration(a: int, b: int, shift: NDArray[np.float64]) -> Registration:
    """Registration between two visits of ``make_subject`` that is a translation."""
    forward, backward = np.eye(4), np.eye(4)
    forward[:3, 3], backward[:3, 3] = shift, -shift
    return Registration(
        timepoint_from=a,
        timepoint_to=b,
        series_from=f"S{a}",
        series_to=f"S{b}",
        method="test",
        forward=Transform(affine=forward),
        backward=Transform(affine=backward),
        residual_mm=2.0,
    )


def edges(tracking: Tracking) -> set[Edge]:
    """Pairs of (timepoint, lesion) that are linked."""
    return {((x.timepoint_from, x.lesion_from), (x.timepoint_to, x.lesion_to)) for x in tracking.links}


def true_edges(subject: Simulated) -> set[Edge]:
    """Consecutive sightings of each true lesion."""
    seen: dict[int, list[tuple[int, int]]] = {}
    for key, number in sorted(subject.truth.items()):
        seen.setdefault(number, []).append(key)
    return {(a, b) for keys in seen.values() for a, b in pairwise(keys)}


@st.composite
def two_visits(draw: st.DrawFn) -> tuple[list[Lesion], list[Lesion]]:
    """Visits with up to twelve lesions, at least 18 mm apart, moved by up to 3 mm each; some vanish, some are new."""
    cells = draw(st.lists(st.integers(0, 124), min_size=1, max_size=12, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    first: list[Lesion] = []
    second: list[Lesion] = []
    for number, cell in enumerate(cells, start=1):
        centre = 24.0 * np.array([cell // 25, cell // 5 % 5, cell % 5]) - 48.0 + rng.uniform(-3, 3, 3)
        radius = float(rng.uniform(3, 8))
        there = draw(st.sampled_from(["both", "both", "both", "gone", "new"]))
        if there != "new":
            first.append(make_lesion(0, number, centre, radius))
        if there != "gone":
            second.append(make_lesion(1, number, centre + rng.uniform(-1.5, 1.5, 3), radius))
    return first, second


@given(visits=two_visits(), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_the_order_of_lesions_and_registrations_changes_nothing(
    visits: tuple[list[Lesion], list[Lesion]], seed: int
) -> None:
    lesions = [*visits[0], *visits[1]]
    shuffled = [lesions[i] for i in np.random.default_rng(seed).permutation(len(lesions))]
    maps = [registration(0, 1, np.zeros(3))]
    subject = make_subject(2)
    assert chain(subject, lesions, (), maps, SETTINGS) == chain(subject, shuffled, (), maps[::-1], SETTINGS)


@given(visits=two_visits())
@settings(max_examples=40)
def test_each_lesion_is_in_exactly_one_track_and_each_gap_in_the_ledger(
    visits: tuple[list[Lesion], list[Lesion]],
) -> None:
    lesions = [*visits[0], *visits[1]]
    tracking = chain(make_subject(2), lesions, (), [registration(0, 1, np.zeros(3))], SETTINGS)
    held = [key for track in tracking.tracks for key in track.lesions]
    assert sorted(held) == sorted((x.timepoint, x.lesion_id) for x in lesions)
    merged = {t.track_id for t in tracking.tracks if t.merged_into is not None}
    absent = {t.track_id for t in tracking.tracks if t.first_timepoint == 0 and not t.at(1)} - merged
    # Where the second visit has no lesions at all it is still a measured visit.
    assert {m.track_id for m in tracking.missing} == absent
    assert all(0.0 <= x.confidence <= 1.0 for x in tracking.links)


@given(visits=two_visits())
@settings(max_examples=30)
def test_a_visit_against_itself_links_each_lesion_to_itself(visits: tuple[list[Lesion], list[Lesion]]) -> None:
    again = [replace(x, timepoint=1, series_uid="S1") for x in visits[0]]
    tracking = chain(make_subject(2), [*visits[0], *again], (), [registration(0, 1, np.zeros(3))], SETTINGS)
    assert edges(tracking) == {((0, x.lesion_id), (1, x.lesion_id)) for x in visits[0]}
    assert not tracking.missing and all(track.first_timepoint == 0 for track in tracking.tracks)


@given(visits=two_visits())
@settings(max_examples=40)
def test_turning_time_round_swaps_new_and_disappeared(visits: tuple[list[Lesion], list[Lesion]]) -> None:
    ahead = chain(make_subject(2), [*visits[0], *visits[1]], (), [registration(0, 1, np.zeros(3))], SETTINGS)
    turned = [replace(x, timepoint=1 - x.timepoint, series_uid=f"S{1 - x.timepoint}") for v in visits for x in v]
    back = chain(make_subject(2), turned, (), [registration(0, 1, np.zeros(3))], SETTINGS)
    if any(link.kind is not LinkKind.SAME for tracking in (ahead, back) for link in tracking.links):
        return  # Parts that join the whole are one track ahead and keep their identity back: not each other's mirror.
    assert edges(ahead) == {((0, b[1]), (1, a[1])) for a, b in edges(back)}
    assert only_at(ahead, 0) == only_at(back, 1), "what disappeared is new the other way"
    assert only_at(ahead, 1) == only_at(back, 0), "what is new disappears the other way"
    assert {m.track_id for m in ahead.missing} == {t.track_id for t in ahead.tracks if t.fate is Fate.DISAPPEARED}


def only_at(tracking: Tracking, timepoint: int) -> set[int]:
    """Lesions, by number, whose track has no other visit."""
    return {t.lesions[0][1] for t in tracking.tracks if {visit for visit, _ in t.lesions} == {timepoint}}


@given(
    visits=two_visits(),
    shift=st.tuples(*[st.floats(-100, 100)] * 3),
    angle=st.floats(-0.5, 0.5),
)
@settings(max_examples=30)
def test_moving_both_visits_rigidly_changes_no_link(
    visits: tuple[list[Lesion], list[Lesion]], shift: tuple[float, float, float], angle: float
) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])

    def moved(lesion: Lesion) -> Lesion:
        x, y, z = (float(v) for v in turn @ np.array(lesion.centroid_lps_mm) + shift)
        return replace(lesion, centroid_lps_mm=(x, y, z))

    maps = [registration(0, 1, np.zeros(3))]
    still = chain(make_subject(2), [*visits[0], *visits[1]], (), maps, SETTINGS)
    carried = [moved(x) for v in visits for x in v]
    found = chain(make_subject(2), carried, (), maps, SETTINGS)
    assert edges(found) == edges(still)
    measured = [[(x.distance_mm, x.confidence) for x in one.links] for one in (found, still)]
    np.testing.assert_allclose(np.reshape(measured[0], (-1, 2)), np.reshape(measured[1], (-1, 2)), atol=0.011)


def chained(subject: Simulated) -> Tracking:
    """Align previous and baseline to each visit, and chain."""
    count = len(subject.subject.visits)
    pairs = [(a, b) for b in range(1, count) for a in sorted({0, b - 1})]
    maps = [align(subject.prepared[a], subject.prepared[b], AlignSettings()) for a, b in pairs]
    return chain(subject.subject, subject.lesions, (), maps, SETTINGS)


def test_a_subject_over_four_visits_is_linked_without_an_error() -> None:
    """Thirty millimetres of breathing, turned patient, cut fields of view, a lesion missed now and then."""
    subject = simulate(Plan(n=16, visits=4, level="hard", cut_views=True, missed=0.02), 4321)
    assert edges(chained(subject)) == true_edges(subject)


def test_the_places_of_vanished_lesions_are_known_to_three_millimetres() -> None:
    subject = simulate(Plan(n=24, visits=3, vanish=0.15), 99)
    tracking = chained(subject)
    number_of = {t.track_id: subject.truth[t.lesions[0]] for t in tracking.tracks}
    errors = [
        float(np.linalg.norm(np.array(m.place_lps_mm) - subject.places[number_of[m.track_id]][m.timepoint]))
        for m in tracking.missing
        if m.state is MissingState.NOT_SEEN
    ]
    assert len(errors) >= 4
    assert np.mean(errors) < 3.0


def test_crowded_lesions_of_which_many_vanish_and_appear_are_linked() -> None:
    subject = simulate(Plan(n=40, visits=2, apart_mm=10, crowded=True, vanish=0.15, new=0.2), 77)
    tracking = chained(subject)
    found, wanted = edges(tracking), true_edges(subject)
    assert 2 * len(found & wanted) / (len(found) + len(wanted)) >= 0.985


def test_dates_do_not_matter_without_treatments() -> None:
    lesions = [make_lesion(v, 1, np.zeros(3), 5.0) for v in (0, 1)]
    later = [replace(x, date=START + dt.timedelta(days=900 + x.timepoint)) for x in lesions]
    maps = [registration(0, 1, np.zeros(3))]
    first = chain(make_subject(2), lesions, (), maps, SETTINGS)
    assert first == chain(make_subject(2), later, (), maps, SETTINGS)
    assert len(first.links) == 1
