"""Censoring rules of progression-free survival and competing events, each boundary by name."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesiontrack.domain.follow_up import (
    Assessed,
    Cause,
    EventReason,
    EventStatus,
    FollowUp,
    Outcome,
    Schedule,
    ScheduleStep,
    SiteFollowUp,
)
from lesiontrack.errors import ClinicalError
from lesiontrack.survival.censor import any_site, first_progression, first_site, pfs_ema, pfs_fda
from lesiontrack.survival.event_settings import EventSettings, ScheduleChange

START = dt.date(2024, 1, 8)
WEEKLY8 = Schedule(steps=(ScheduleStep(interval_days=56, window_days=7),))


def day(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


def followed(
    *adequate: int,
    unread: tuple[int, ...] = (),
    pd: int | None = None,
    death: int | None = None,
    therapy: int | None = None,
    baseline: bool = True,
) -> FollowUp:
    """Build a follow-up from days after the start."""
    return FollowUp(
        start=START,
        baseline=baseline,
        schedule=WEEKLY8,
        assessments=tuple(
            Assessed(date=day(number), adequate=number not in unread) for number in sorted({*adequate, *unread})
        ),
        pd_date=None if pd is None else day(pd),
        death_date=None if death is None else day(death),
        new_therapy_date=None if therapy is None else day(therapy),
    )


def brief(outcome: Outcome) -> tuple[int, int, str]:
    return (outcome.date - START).days, int(outcome.status), outcome.reason.value


@pytest.mark.parametrize(
    ("name", "follow_up", "fda", "ema"),
    [
        ("progression", followed(56, 112, pd=112), (112, 1, "PD"), (112, 1, "PD")),
        ("no event", followed(56, 112), (112, 0, "LAST_ADEQUATE"), (112, 0, "LAST_ADEQUATE")),
        ("death on day 126 after a scan", followed(56, death=182), (182, 1, "DEATH"), (182, 1, "DEATH")),
        ("death on day 127 after a scan", followed(56, death=183), (56, 0, "MISSED"), (183, 1, "DEATH")),
        ("first scan is PD on day 126", followed(126, pd=126), (126, 1, "PD"), (126, 1, "PD")),
        ("first scan is PD on day 127", followed(127, pd=127), (0, 0, "MISSED"), (127, 1, "PD")),
        (
            "unread scans do not bridge a gap",
            followed(56, 200, unread=(112, 168), pd=200),
            (56, 0, "MISSED"),
            (200, 1, "PD"),
        ),
        ("an early gap is forgiven", followed(200, 256, pd=256), (256, 1, "PD"), (256, 1, "PD")),
        ("death without a scan, day 126", followed(death=126), (126, 1, "DEATH"), (126, 1, "DEATH")),
        ("death without a scan, day 127", followed(death=127), (0, 0, "MISSED"), (127, 1, "DEATH")),
        ("only unread scans, alive", followed(unread=(56, 112)), (0, 0, "NO_POSTBASELINE"), (0, 0, "NO_POSTBASELINE")),
        ("a scan on the day of death", followed(56, 200, death=200), (200, 1, "DEATH"), (200, 1, "DEATH")),
        ("therapy on the day of PD", followed(56, 112, pd=112, therapy=112), (112, 1, "PD"), (112, 1, "PD")),
        ("therapy the day before PD", followed(56, 112, pd=112, therapy=111), (56, 0, "NEW_THERAPY"), (112, 1, "PD")),
        (
            "therapy on the day of a scan",
            followed(56, 112, therapy=112),
            (112, 0, "NEW_THERAPY"),
            (112, 0, "LAST_ADEQUATE"),
        ),
        ("therapy before any scan", followed(56, 112, pd=112, therapy=20), (0, 0, "NEW_THERAPY"), (112, 1, "PD")),
        ("therapy, then death", followed(56, death=120, therapy=80), (56, 0, "NEW_THERAPY"), (120, 1, "DEATH")),
        ("therapy before the start", followed(56, 112, pd=112, therapy=-5), (112, 1, "PD"), (112, 1, "PD")),
        ("therapy after PD", followed(56, 112, pd=112, therapy=113), (112, 1, "PD"), (112, 1, "PD")),
        ("therapy on the day of the start", followed(56, therapy=0), (0, 0, "NEW_THERAPY"), (56, 0, "LAST_ADEQUATE")),
        ("only a scan on the day of the start", followed(0), (0, 0, "NO_POSTBASELINE"), (0, 0, "NO_POSTBASELINE")),
        ("death on the day of the start", followed(death=0), (0, 1, "DEATH"), (0, 1, "DEATH")),
        ("no baseline, alive", followed(56, baseline=False), (0, 0, "NO_BASELINE"), (0, 0, "NO_BASELINE")),
        ("no baseline, late death", followed(56, 112, death=140, baseline=False), (0, 0, "MISSED"), (140, 1, "DEATH")),
        (
            "scans up to the start do not count",
            followed(-10, 0, 56),
            (56, 0, "LAST_ADEQUATE"),
            (56, 0, "LAST_ADEQUATE"),
        ),
        ("PD and death on one day", followed(56, 112, pd=112, death=112), (112, 1, "PD"), (112, 1, "PD")),
    ],
)
def test_pfs(name: str, follow_up: FollowUp, fda: tuple[int, int, str], ema: tuple[int, int, str]) -> None:
    assert (brief(pfs_fda(follow_up)), brief(pfs_ema(follow_up))) == (fda, ema), name


def test_interval_of_a_progression_begins_at_the_last_adequate_scan() -> None:
    outcome = pfs_fda(followed(56, 168, unread=(112,), pd=168))
    assert (outcome.left, outcome.right) == (day(56), day(168))


def test_interval_of_a_death_is_its_day_and_of_censoring_open() -> None:
    died, alive = pfs_fda(followed(56, death=70)), pfs_fda(followed(56))
    assert (died.left, died.right) == (day(70), day(70))
    assert (alive.left, alive.right) == (day(56), None)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"pd": 100, "death": 90}, "progression after death"),
        ({"pd": -1}, "progression before the start"),
        ({"death": -1}, "death before the start"),
    ],
)
def test_impossible_dates_are_refused(change: dict[str, int], text: str) -> None:
    with pytest.raises(ClinicalError, match=text):
        followed(56, **change)  # type: ignore[arg-type]


def test_gap_uses_the_schedule_in_force_when_each_assessment_is_due() -> None:
    change = ScheduleChange(from_day=100, interval_days=84, window_days=14)
    schedule = EventSettings(schedule=(change,)).schedule_from(START)
    # Before the change 2 x (56 + 7) days; after it 2 x (84 + 14); across it one of each.
    assert schedule.two_missed_deadline(day(0)) == day(126)
    assert schedule.two_missed_deadline(day(100)) == day(296)
    assert schedule.two_missed_deadline(day(60)) == day(60 + 63 + 98)


def test_schedule_changes_by_date_and_by_day_are_put_in_order() -> None:
    later = ScheduleChange(from_date=day(300), interval_days=112, window_days=14)
    sooner = ScheduleChange(from_day=150, interval_days=84, window_days=7)
    steps = EventSettings(schedule=(later, sooner)).schedule_from(START).steps
    assert [step.from_date for step in steps] == [None, day(150), day(300)]


@pytest.mark.parametrize("beginning", [{}, {"from_date": START, "from_day": 3}])
def test_a_schedule_change_has_one_beginning(beginning: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="either from_date or from_day"):
        ScheduleChange(interval_days=84, window_days=7, **beginning)


def sites(
    hepatic: int | None = None,
    extrahepatic: int | None = None,
    *,
    death: int | None = None,
    same_visit: bool = False,
    liver: tuple[int, ...] = (56, 112, 168),
    elsewhere: tuple[int, ...] = (56, 112),
) -> SiteFollowUp:
    return SiteFollowUp(
        start=START,
        first_hepatic_pd_date=None if hepatic is None else day(hepatic),
        first_extrahepatic_pd_date=None if extrahepatic is None else day(extrahepatic),
        same_visit=same_visit,
        death_date=None if death is None else day(death),
        liver_imaging=tuple(day(number) for number in liver),
        extrahepatic_imaging=tuple(day(number) for number in elsewhere),
    )


def coded(outcome: Outcome) -> tuple[int, int, str | None]:
    return (outcome.date - START).days, int(outcome.status), outcome.cause


@pytest.mark.parametrize(
    ("name", "follow_up", "any_liver", "first_liver", "any_elsewhere", "first_elsewhere", "three"),
    [
        ("none", sites(), (168, 0, None), (112, 0, None), (112, 0, None), (112, 0, None), (112, 0, None)),
        (
            "death only",
            sites(death=150),
            (150, 2, "DEATH"),
            (150, 2, "DEATH"),
            (150, 2, "DEATH"),
            (150, 2, "DEATH"),
            (150, 2, "DEATH"),
        ),
        (
            "liver first, lung later",
            sites(112, 168),
            (112, 1, "HEPATIC"),
            (112, 1, "HEPATIC"),
            (168, 1, "EXTRAHEPATIC"),
            (112, 2, "HEPATIC"),
            (112, 1, "HEPATIC"),
        ),
        (
            "both at one visit on two days",
            sites(116, 112, same_visit=True),
            (116, 1, "HEPATIC"),
            (116, 1, "BOTH"),
            (112, 1, "EXTRAHEPATIC"),
            (112, 1, "BOTH"),
            (112, 1, "BOTH"),
        ),
        (
            "both on one day",
            sites(112, 112),
            (112, 1, "HEPATIC"),
            (112, 1, "BOTH"),
            (112, 1, "EXTRAHEPATIC"),
            (112, 1, "BOTH"),
            (112, 1, "BOTH"),
        ),
        (
            "death on the day of liver progression",
            sites(112, death=112),
            (112, 1, "HEPATIC"),
            (112, 1, "HEPATIC"),
            (112, 2, "DEATH"),
            (112, 2, "HEPATIC"),
            (112, 1, "HEPATIC"),
        ),
        (
            "the chest was never imaged",
            sites(elsewhere=()),
            (168, 0, None),
            (0, 0, None),
            (0, 0, None),
            (0, 0, None),
            (0, 0, None),
        ),
    ],
)
def test_competing_events(
    name: str,
    follow_up: SiteFollowUp,
    any_liver: tuple[int, int, str | None],
    first_liver: tuple[int, int, str | None],
    any_elsewhere: tuple[int, int, str | None],
    first_elsewhere: tuple[int, int, str | None],
    three: tuple[int, int, str | None],
) -> None:
    assert coded(any_site(follow_up, Cause.HEPATIC)) == any_liver, name
    assert coded(first_site(follow_up, Cause.HEPATIC)) == first_liver, name
    assert coded(any_site(follow_up, Cause.EXTRAHEPATIC)) == any_elsewhere, name
    assert coded(first_site(follow_up, Cause.EXTRAHEPATIC)) == first_elsewhere, name
    assert coded(first_progression(follow_up)) == three, name


def test_a_progression_without_a_site_competes_with_both_sites() -> None:
    follow_up = replace(sites(168), unsited_pd_date=day(112))
    assert coded(first_progression(follow_up)) == (112, 1, None)
    assert coded(first_site(follow_up, Cause.HEPATIC)) == (112, 2, None)
    assert coded(any_site(follow_up, Cause.HEPATIC)) == (168, 1, "HEPATIC")


def test_interval_by_site_begins_at_that_compartments_imaging() -> None:
    assert any_site(sites(extrahepatic=200), Cause.EXTRAHEPATIC).left == day(112)
    assert any_site(sites(hepatic=200), Cause.HEPATIC).left == day(168)


def test_imaging_on_the_day_of_progression_or_of_the_start_is_no_earlier_look() -> None:
    assert any_site(sites(hepatic=112), Cause.HEPATIC).left == day(56)
    assert any_site(sites(hepatic=112, liver=(0, 112)), Cause.HEPATIC).left == START
    assert any_site(sites(liver=(-7, 0)), Cause.HEPATIC).reason is EventReason.NO_POSTBASELINE
    assert first_progression(replace(sites(), unsited_pd_date=day(112))).left == day(56)
    assert first_progression(replace(sites(), unsited_pd_date=day(150))).left == day(112)


@pytest.mark.parametrize(("interval_days", "window_days"), [(0, 7), (56, -1)])
def test_a_schedule_step_needs_a_positive_interval(interval_days: int, window_days: int) -> None:
    with pytest.raises(ClinicalError, match="positive interval"):
        ScheduleStep(interval_days=interval_days, window_days=window_days)
    assert ScheduleStep(interval_days=1, window_days=0).window_days == 0


def test_a_schedule_begins_undated_and_goes_on_in_order() -> None:
    first = ScheduleStep(interval_days=56, window_days=7)
    later, latest = (replace(first, from_date=day(number)) for number in (100, 200))
    for steps in ((), (later,), (first, first), (first, latest, later)):
        with pytest.raises(ClinicalError, match="schedule"):
            Schedule(steps=steps)


def test_death_is_no_site() -> None:
    with pytest.raises(ValueError, match="no site"):
        any_site(sites(), Cause.DEATH)


# --- properties -----------------------------------------------------------------------------------------------------

maybe_day = st.none() | st.integers(1, 900)


@st.composite
def follow_ups(draw: st.DrawFn) -> FollowUp:
    numbers = draw(st.lists(st.integers(1, 900), max_size=12, unique=True))
    pd = draw(maybe_day)
    death = draw(maybe_day)
    if pd is not None and death is not None and death < pd:
        pd, death = death, pd
    unread = tuple(draw(st.sets(st.sampled_from(numbers)))) if numbers else ()
    if pd is not None:
        unread = tuple(number for number in unread if number != pd)
    return followed(*numbers, unread=unread, pd=pd, death=death, therapy=draw(maybe_day), baseline=draw(st.booleans()))


def shifted(follow_up: FollowUp, by: dt.timedelta) -> FollowUp:
    def moved(date: dt.date | None) -> dt.date | None:
        return None if date is None else date + by

    return replace(
        follow_up,
        start=follow_up.start + by,
        assessments=tuple(replace(a, date=a.date + by) for a in follow_up.assessments),
        pd_date=moved(follow_up.pd_date),
        death_date=moved(follow_up.death_date),
        new_therapy_date=moved(follow_up.new_therapy_date),
    )


@given(follow_ups(), st.integers(-3000, 3000))
def test_shifting_all_dates_shifts_the_outcome(follow_up: FollowUp, days: int) -> None:
    by = dt.timedelta(days=days)
    for rule in (pfs_fda, pfs_ema):
        here, there = rule(follow_up), rule(shifted(follow_up, by))
        assert (there.date - by, there.status, there.reason, there.left - by) == (
            here.date,
            here.status,
            here.reason,
            here.left,
        )


@given(follow_ups(), st.randoms(use_true_random=False))
def test_order_of_assessments_is_irrelevant(follow_up: FollowUp, random: object) -> None:
    shuffled = list(follow_up.assessments)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = replace(follow_up, assessments=tuple(shuffled))
    assert (pfs_fda(other), pfs_ema(other)) == (pfs_fda(follow_up), pfs_ema(follow_up))


@given(follow_ups())
def test_visits_after_progression_change_nothing(follow_up: FollowUp) -> None:
    if follow_up.pd_date is None or not follow_up.baseline:
        return
    until = follow_up.pd_date
    cut = replace(follow_up, assessments=tuple(a for a in follow_up.assessments if a.date <= until))
    assert (pfs_fda(cut), pfs_ema(cut)) == (pfs_fda(follow_up), pfs_ema(follow_up))


@given(follow_ups())
def test_fda_never_ends_later_and_agrees_on_every_event(follow_up: FollowUp) -> None:
    fda, ema = pfs_fda(follow_up), pfs_ema(follow_up)
    assert fda.date <= ema.date
    if fda.status is EventStatus.EVENT:
        assert fda == ema
    assert follow_up.start <= fda.left <= fda.date
    if fda.reason in (EventReason.MISSED, EventReason.NEW_THERAPY, EventReason.LAST_ADEQUATE):
        read = {a.date for a in follow_up.assessments if a.adequate}
        assert fda.date in read | {follow_up.start}


@given(
    st.none() | st.integers(1, 900), st.none() | st.integers(1, 900), st.none() | st.integers(900, 1000), st.booleans()
)
def test_first_sites_partition_the_first_progression(
    hepatic: int | None, extrahepatic: int | None, death: int | None, same_visit: bool
) -> None:
    follow_up = sites(hepatic, extrahepatic, death=death, same_visit=same_visit)
    three = first_progression(follow_up)
    events = {
        site for site in (Cause.HEPATIC, Cause.EXTRAHEPATIC) if first_site(follow_up, site).status is EventStatus.EVENT
    }
    expected = {Cause.HEPATIC, Cause.EXTRAHEPATIC} if three.cause is Cause.BOTH else {three.cause}
    assert events == (expected if three.status is EventStatus.EVENT else set())
