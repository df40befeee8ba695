"""Target proposal, every other choice of targets, and what depends on it."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations
from math import comb

from hypothesis import given
from hypothesis import strategies as st

from lesiontrack.assess import AssessSettings, judge
from lesiontrack.assess.targets import Candidate, TargetChoices, propose_targets
from tests.assess.build import Builder, day


def candidate(name: str, organ: str, length: str) -> Candidate:
    return Candidate(lesion_id=name, organ=organ, length_mm=Decimal(length))


candidates_of = st.lists(
    st.tuples(st.sampled_from(["LIVER", "LUNG", "BONE", "BRAIN"]), st.integers(100, 500)), max_size=9
).map(lambda items: [candidate(f"L{n:02d}", organ, str(mm / 10)) for n, (organ, mm) in enumerate(items)])


@given(candidates_of, st.randoms(use_true_random=False))
def test_the_proposal_keeps_the_caps_prefers_the_largest_and_ignores_order(
    candidates: list[Candidate], source: object
) -> None:
    settings = AssessSettings()
    chosen = propose_targets(candidates, settings)
    assert len(chosen) <= 5
    by_id = {c.lesion_id: c for c in candidates}
    for organ in {c.organ for c in candidates}:
        inside = [by_id[name] for name in chosen if by_id[name].organ == organ]
        outside = [c for c in candidates if c.organ == organ and c.lesion_id not in chosen]
        assert len(inside) <= 2
        for kept in inside:
            assert all(kept.length_mm >= left.length_mm for left in outside)
    shuffled = list(candidates)
    source.shuffle(shuffled)  # type: ignore[attr-defined]
    assert propose_targets(shuffled, settings) == chosen


def test_a_reader_s_targets_come_first_and_count_towards_the_caps() -> None:
    settings = AssessSettings()
    small = candidate("L9", "LIVER", "11")
    others = [candidate("L1", "LIVER", "50"), candidate("L2", "LIVER", "40"), candidate("L3", "LUNG", "12")]
    assert propose_targets(others, settings, fixed=[small]) == ("L9", "L1", "L3")


def test_a_target_that_a_reader_has_set_is_not_taken_again() -> None:
    liver, lung = candidate("L1", "LIVER", "50"), candidate("L2", "LUNG", "12")
    assert propose_targets([liver, lung], AssessSettings(), fixed=[liver]) == ("L1", "L2")
    one_each = AssessSettings(max_targets_per_organ=1)
    assert propose_targets([candidate("L3", "LIVER", "60"), lung], one_each, fixed=[liver]) == ("L1", "L2")


def brute_force(candidates: list[Candidate], settings: AssessSettings) -> set[frozenset[str]]:
    """Every set within the caps that no further lesion fits into, of the largest size."""
    found: dict[int, set[frozenset[str]]] = {}
    for size in range(len(candidates) + 1):
        for chosen in combinations(candidates, size):
            organs = [c.organ for c in chosen]
            if size <= settings.max_targets and all(organs.count(x) <= settings.max_targets_per_organ for x in organs):
                found.setdefault(size, set()).add(frozenset(c.lesion_id for c in chosen))
    return found[max(found)]


@given(candidates_of)
def test_the_choices_are_all_that_fill_the_caps_and_hold_the_proposal(candidates: list[Candidate]) -> None:
    settings = AssessSettings()
    choices = TargetChoices(candidates, settings)
    found = list(choices)
    assert len(found) == len(set(found)) == choices.n_admissible
    assert set(found) == brute_force(candidates, settings)
    assert frozenset(propose_targets(candidates, settings)) in set(found)


def test_ten_lesions_in_one_organ_have_45_choices() -> None:
    choices = TargetChoices([candidate(f"L{n}", "LIVER", "20") for n in range(10)], AssessSettings())
    assert choices.n_admissible == 45
    assert not choices.sampled


def test_as_many_choices_as_are_judged_one_by_one_are_not_sampled() -> None:
    candidates = [candidate(f"L{n}", "LIVER", "20") for n in range(10)]
    assert not TargetChoices(candidates, AssessSettings(max_choices=45)).sampled
    assert TargetChoices(candidates, AssessSettings(max_choices=44)).sampled


def test_too_many_choices_are_sampled_the_same_each_time() -> None:
    settings = AssessSettings(max_choices=50)
    candidates = [candidate(f"L{n:02d}", "LIVER" if n < 20 else "LUNG", "20") for n in range(30)]
    choices = TargetChoices(candidates, settings)
    assert choices.n_admissible == comb(20, 2) * comb(10, 2)
    assert choices.sampled
    first = list(choices)
    assert len(set(first)) == 50
    assert list(choices) == first
    other = TargetChoices(candidates, AssessSettings(max_choices=50, choice_seed=1))
    assert list(other) != first


def test_the_outcome_that_depends_on_the_choice_says_so() -> None:
    # L01 and L02 shrink, L03 grows: pairs with L03 progress, the pair of the others does not.
    builder = Builder([day(1), day(60), day(120)]).track(30, 28, 27).track(28, 26, 26).track(20, 34, 50)
    found = judge(builder.build(), AssessSettings()).study
    assert found is not None and found.robustness is not None
    robust = found.robustness
    assert (robust.n_choices, robust.n_admissible, robust.sampled) == (3, 3, False)
    assert robust.response_depends_on_choice
    assert robust.n_pd == 2
    # 50 to 62 is 24 %, 48 to 60 is 25 %: both at the first visit.
    assert (robust.pd_date_min, robust.pd_date_max) == (day(60), day(60))
    assert dict(robust.bor_counts) == {"PD": 2, "SD": 1}
    assert robust.overall_agreement == 2 / 3
    assert found.assessments["recist11-local"].pd_date is None


def test_an_outcome_that_does_not_depend_on_the_choice_says_so_too() -> None:
    builder = Builder([day(1), day(60)])
    for _ in range(10):
        builder.track(30, 20)
    found = judge(builder.build(), AssessSettings()).study
    assert found is not None and found.robustness is not None
    assert (found.robustness.n_choices, found.robustness.overall_agreement) == (45, 1.0)
    assert not found.robustness.response_depends_on_choice
    assert (found.robustness.pd_date_min, found.robustness.n_pd) == (None, 0)


def test_the_earliest_and_the_latest_progression_over_the_choices() -> None:
    # L02 grows at once, L03 a visit later, L01 and L04 never: each pair progresses when its first grower does.
    builder = Builder([day(1), day(60), day(120), day(180)])
    builder.track(20, 20, 20, 20).track(20, 40, 40, 40).track(20, 20, 20, 60).track(20, 20, 20, 20)
    found = judge(builder.build(), AssessSettings()).study
    assert found is not None and found.robustness is not None
    robust = found.robustness
    assert (robust.pd_date_min, robust.pd_date_max, robust.n_pd) == (day(60), day(180), 5)
    # Of six pairs the three with L02 progress at the first two visits, and at the last all but L01 with L04.
    assert robust.overall_agreement == (3 / 6 + 3 / 6 + 5 / 6) / 3


def test_without_a_visit_after_the_baseline_there_is_no_agreement_to_tell() -> None:
    found = judge(Builder([day(1)]).track(20).build(), AssessSettings()).study
    assert found is not None and found.robustness is not None
    assert (found.robustness.n_choices, found.robustness.overall_agreement) == (1, None)


def test_exploratory_curves_hold_all_lesions() -> None:
    builder = Builder([day(1), day(60)], trusted={1: False}).track(30, 20).track("TSTM", "TSTM").track(12, None)
    curves = judge(builder.build(), AssessSettings()).curves
    assert [(p.n_lesions, str(p.all_lesion_sum_mm), p.complete) for p in curves] == [
        (3, "47", True),
        (2, "25", False),
    ]
