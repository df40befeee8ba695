"""Two readers with known differences: what is listed is what was planted, with its grounds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesiontrack.review.agreement_settings import AgreementSettings
from lesiontrack.review.case_reading import CaseReading, Cause, Outcome, ReadLesion, ReadVisit
from lesiontrack.review.choices import Choice, Standing, adjudicate, basis, majority
from lesiontrack.review.discordance import Discordance, discordances
from lesiontrack.review.lesion_differences import beyond
from lesiontrack.review.same_lesion import same_lesions

DATES = {t: dt.date(2021, 1, 4) + dt.timedelta(days=56 * t) for t in range(4)}
LIMITS = AgreementSettings()


def lesion(timepoint: int, number: int, mm: str, *, at: float = 0.0) -> ReadLesion:
    return ReadLesion(
        timepoint=timepoint,
        lesion_id=number,
        track_id=f"L{number:02d}",
        site="LIVER",
        length_mm=Decimal(mm),
        series_uid=f"1.2.{timepoint}",
        centroid_lps_mm=(30.0 * number + at, 0.0, 0.0),
        role="TARGET" if number < 3 else "NON_TARGET",
    )


def visit(timepoint: int, overall: str, *causes: Cause, new: str = "NO", sum_mm: str | None = None) -> ReadVisit:
    return ReadVisit(
        timepoint=timepoint,
        date=DATES[timepoint],
        phase="STUDY",
        overall=overall,
        target=overall,
        non_target="NON-CR/NON-PD",
        new_lesion=new,
        sum_mm=None if sum_mm is None else Decimal(sum_mm),
        causes=causes,
    )


def cause(timepoint: int, kind: str = "TARGET", site: str = "HEPATIC", *lesions: str) -> Cause:
    return Cause(
        kind=kind, date=DATES[timepoint], first_timepoint=timepoint, compartments=(site,), lesions=lesions or ("L01",)
    )


def outcome_of(visits: Sequence[ReadVisit]) -> Outcome:
    """Judge as the response rules do, section 9: the first PD dates it; a compartment has its own first date."""
    causes = [
        (cause.date, site) for v in visits if v.overall == "PD" for cause in v.causes for site in cause.compartments
    ]
    if not causes:
        return Outcome()
    first = min(date for date, _ in causes)
    sites = {site for date, site in causes if date == first}
    by_site = {s: min((d for d, site in causes if site == s), default=None) for s in ("HEPATIC", "EXTRAHEPATIC")}
    return Outcome(
        pd_date=first,
        pd_site="BOTH" if len(sites) == 2 else sites.pop(),
        first_hepatic_pd_date=by_site["HEPATIC"],
        first_extrahepatic_pd_date=by_site["EXTRAHEPATIC"],
    )


def reading(reader: str, *visits: ReadVisit, lesions: Sequence[ReadLesion] | None = None) -> CaseReading:
    own = lesions if lesions is not None else [lesion(t, n, "20.0") for t in DATES for n in (1, 2, 3)]
    return CaseReading(
        subject_id="S1",
        reader=reader,
        visits=visits,
        outcome=outcome_of(visits),
        lesions=tuple(own),
        targets={"STUDY": frozenset({"L01", "L02"})},
        dates=DATES,
    )


def stable(reader: str) -> CaseReading:
    return reading(reader, *(visit(t, "SD") for t in (1, 2, 3)))


def items(found: Sequence[Discordance]) -> list[str]:
    return [entry.item for entry in found]


# --- the list ---------------------------------------------------------------------------------------------------------


def test_readers_who_agree_differ_in_nothing() -> None:
    assert discordances([stable("AB"), stable("CD")], LIMITS) == ()
    assert discordances([stable("AB")], LIMITS) == ()


def test_every_kind_that_is_planted_is_listed_once() -> None:
    ab = reading("AB", visit(1, "SD"), visit(2, "PD", cause(2), sum_mm="48.0"), visit(3, "PD", cause(3)))
    cd = reading(
        "CD",
        visit(1, "SD"),
        visit(2, "SD", sum_mm="40.0"),
        visit(3, "PD", cause(3, "NEW", "EXTRAHEPATIC", "L09"), new="YES"),
        lesions=[
            *(lesion(t, n, "26.0" if (t, n) == (2, 2) else "20.0") for t in (0, 1, 2) for n in (1, 2, 3)),
            *(replace(lesion(3, n, "20.0"), series_uid="1.2.77") for n in (1, 2, 3)),
        ],
    )
    cd = replace(cd, targets={"STUDY": frozenset({"L01", "L03"})})
    found = {entry.item: entry for entry in discordances([cd, ab], LIMITS)}
    day = {t: date.isoformat() for t, date in DATES.items()}
    assert set(found) == {
        "pd_date",
        "pd_site",
        f"category@{day[2]}",
        f"new_lesion@{day[3]}",
        "targets",
        f"measurement@{day[2]}:L02",
        f"series@{day[3]}",
    }
    assert found["pd_date"].values == (("AB", day[2]), ("CD", day[3]))
    assert found["pd_site"].values == (("AB", "HEPATIC"), ("CD", "EXTRAHEPATIC"))
    assert found["targets"].values == (("AB", "L01, L02"), ("CD", "L01, L03"))
    assert found["targets"].lesions == ("L02", "L03")
    category = found[f"category@{day[2]}"]
    assert category.values == (("AB", "PD"), ("CD", "SD"))
    assert ("AB sum", Decimal("48.0")) in category.numbers
    assert ("CD sum", Decimal("40.0")) in category.numbers
    assert "L02 is measured differently (AB: 20.0 mm; CD: 26.0 mm)" in category.reason
    assert "AB alone L02; CD alone L03" in category.reason
    measurement = found[f"measurement@{day[2]}:L02"]
    assert "6.0 mm apart, 30 % of the smaller" in measurement.reason
    assert measurement.numbers == (("AB", Decimal("20.0")), ("CD", Decimal("26.0")))


def test_a_lesion_of_one_reader_alone_is_a_ground() -> None:
    ab = reading("AB", visit(1, "PD", cause(1, "NEW", "HEPATIC", "L04"), new="YES"), lesions=[lesion(1, 4, "9.0")])
    cd = reading("CD", visit(1, "SD"), lesions=[lesion(1, 1, "9.0")])
    cd = replace(cd, decisions={(1, 4): ("Reject (a vessel), decision 1f2e",)})
    found = {entry.item: entry for entry in discordances([ab, cd], LIMITS)}
    category = found[f"category@{DATES[1]}"]
    assert set(category.lesions) == {"L01", "L04"}
    assert "L04 is not a lesion to all (AB: LIVER 9.0 mm; CD: no lesion) [CD: Reject (a vessel)" in category.reason
    assert category.decisions == (("CD", "Reject (a vessel), decision 1f2e"),)


def test_the_grounds_of_an_earlier_visit_are_named_with_it() -> None:
    """A nadir that differs makes a category differ two visits later, where all lesions are measured alike."""
    ab, cd = stable("AB"), reading("CD", visit(1, "SD"), visit(2, "SD"), visit(3, "PD", cause(3)))
    cd = replace(
        cd,
        lesions=tuple(
            replace(x, length_mm=Decimal("16.0")) if x.timepoint == 1 and x.lesion_id == 1 else x for x in cd.lesions
        ),
    )
    found = {entry.item: entry for entry in discordances([ab, cd], LIMITS)}
    assert "at visit 1 L01 is measured differently (AB: 20.0 mm; CD: 16.0 mm)" in found[f"category@{DATES[3]}"].reason


def test_a_later_site_is_listed_where_date_and_site_of_progression_agree() -> None:
    both = (visit(1, "PD", cause(1)), visit(2, "PD", cause(2)))
    ab = reading("AB", *both, visit(3, "PD", cause(3, "NEW", "EXTRAHEPATIC")))
    cd = reading("CD", *both, visit(3, "PD", cause(3)))
    found = discordances([ab, cd], LIMITS)
    assert items(found) == ["first_extrahepatic_pd_date"]
    assert dict(found[0].values) == {"AB": DATES[3].isoformat(), "CD": "no PD"}


@pytest.mark.parametrize(
    ("a", "b", "differ"),
    [
        ("20.0", "25.0", True),
        ("25.0", "20.0", True),
        ("20.0", "24.9", False),
        ("30.0", "35.9", False),
        ("30.0", "36.0", True),
        ("0", "5.0", True),
        ("20.0", "20.0", False),
    ],
)
def test_both_limits_must_be_reached(a: str, b: str, differ: bool) -> None:
    assert beyond([Decimal(a), Decimal(b)], limit_mm=5.0, limit_percent=20.0) is differ


def test_equal_lengths_are_no_discordance_at_limits_of_zero() -> None:
    none = AgreementSettings(measurement_limit_mm=0, measurement_limit_percent=0)
    assert discordances([stable("AB"), stable("CD")], none) == ()


# --- which lesion is which --------------------------------------------------------------------------------------------


def test_added_lesions_are_matched_by_place_and_never_two_to_one() -> None:
    ab = [lesion(1, 1, "20.0"), lesion(1, 7, "9.0", at=0.0), lesion(1, 8, "9.0", at=-24.0)]
    cd = [lesion(1, 1, "20.0"), lesion(1, 9, "8.0", at=-55.0)]
    groups = same_lesions({"AB": ab, "CD": cd}, within_mm=10.0)
    numbers = [{reader: x.lesion_id for reader, x in group.items()} for group in groups]
    assert numbers == [{"AB": 1, "CD": 1}, {"AB": 7}, {"AB": 8, "CD": 9}]
    assert [len(g) for g in same_lesions({"AB": ab, "CD": cd}, within_mm=0.5)] == [2, 1, 1, 1]


def test_the_same_number_at_another_place_is_another_lesion() -> None:
    """Two readers each add a lesion; both get the next free number."""
    groups = same_lesions({"AB": [lesion(1, 7, "9.0")], "CD": [lesion(1, 7, "9.0", at=40.0)]}, within_mm=10.0)
    assert len(groups) == 2


@given(st.permutations(["AB", "CD", "EF"]), st.lists(st.sampled_from(["SD", "PD", "NE"]), min_size=3, max_size=3))
@settings(max_examples=30)
def test_the_order_of_readers_is_irrelevant(order: list[str], categories: list[str]) -> None:
    made = {
        r: reading(r, visit(1, c, *((cause(1),) if c == "PD" else ()))) for r, c in zip(("AB", "CD", "EF"), categories)
    }
    assert discordances([made[r] for r in order], LIMITS) == discordances(list(made.values()), LIMITS)
    assert bool(discordances(list(made.values()), LIMITS)) == (len(set(categories)) > 1)


# --- choices ----------------------------------------------------------------------------------------------------------


def two() -> tuple[CaseReading, CaseReading]:
    ab = reading("AB", visit(1, "SD"), visit(2, "PD", cause(2)), visit(3, "PD", cause(3)))
    cd = reading("CD", visit(1, "PR"), visit(2, "SD"), visit(3, "PD", cause(3, "NEW", "EXTRAHEPATIC"), new="YES"))
    return ab, cd


def choose(readings: Sequence[CaseReading], **chosen: str) -> list[Choice]:
    """Return a choice of each item; ``category_2`` stands for the category at visit 2."""
    found = discordances(readings, LIMITS)
    made = []
    for name, reader in chosen.items():
        kind, _, timepoint = name.rpartition("_")
        item = f"{kind}@{DATES[int(timepoint)]}" if timepoint.isdigit() else name
        made.append(
            Choice(
                subject_id="S1",
                item=item,
                chosen_reader=reader,
                reason="seen",
                adjudicator="EF",
                time="2021-09-01T10:00:00+00:00",
                basis=basis(readings, item, found),
            )
        )
    return made


def test_what_nobody_chose_is_open() -> None:
    readings = two()
    found = discordances(readings, LIMITS)
    made = adjudicate(readings, found, [], outcome_of)
    assert made.base is None
    assert {"pd_date", "pd_site", f"category@{DATES[1]}", f"category@{DATES[2]}"} <= set(made.open)
    assert made.standings["pd_date"] == (Standing.OPEN, None)
    assert made.standings[f"new_lesion@{DATES[3]}"] == (Standing.SETTLED, None)


@pytest.mark.parametrize("item", ["pd_date", "case"])
@pytest.mark.parametrize("reader", ["AB", "CD"])
def test_a_date_or_case_takes_the_whole_reading(item: str, reader: str) -> None:
    readings = two()
    made = adjudicate(readings, discordances(readings, LIMITS), choose(readings, **{item: reader}), outcome_of)
    assert (made.base, dict(made.owners), made.open) == (reader, {}, ())
    assert made.standings["pd_date"][0] is Standing.CHOSEN


def test_visits_may_be_of_different_readers() -> None:
    readings = two()
    made = adjudicate(
        readings, discordances(readings, LIMITS), choose(readings, pd_date="AB", category_1="CD"), outcome_of
    )
    assert (made.base, dict(made.owners)) == ("AB", {DATES[1]: "CD"})


def test_categories_alone_leave_open_what_hangs_on_the_other_visits() -> None:
    """With CD's stable visit 2 the date is visit 3 whoever reads it; its site is not."""
    readings = two()
    found = discordances(readings, LIMITS)
    made = adjudicate(readings, found, choose(readings, category="CD"), outcome_of)
    assert set(made.open) == {"pd_site", "first_hepatic_pd_date", "first_extrahepatic_pd_date"}
    made = adjudicate(readings, found, choose(readings, category="CD", pd_site="CD"), outcome_of)
    assert (made.base, made.open) == ("CD", ())
    made = adjudicate(readings, found, choose(readings, category="AB"), outcome_of)
    assert "pd_date" not in made.open
    assert "pd_site" not in made.open


def test_choices_that_cannot_hold_together_make_no_reading() -> None:
    readings = two()
    found = discordances(readings, LIMITS)
    made = adjudicate(readings, found, choose(readings, pd_date="AB", category_2="CD"), outcome_of)
    assert made.base is None
    assert "contradict" in str(made.contradiction)
    assert "pd_date" in made.open


def test_a_choice_is_stale_when_a_reader_changes_the_reading() -> None:
    ab, cd = two()
    choices = choose((ab, cd), pd_date="CD", category_1="AB")
    moved = replace(cd, visits=(cd.visits[0], visit(2, "NE"), cd.visits[2]))
    found = discordances((ab, moved), LIMITS)
    made = adjudicate((ab, moved), found, choices, outcome_of)
    assert made.base is None
    assert made.standings["pd_date"][0] is Standing.STALE
    assert made.standings[f"category@{DATES[1]}"][0] is Standing.CHOSEN
    assert [choice.item for choice in made.stale] == ["pd_date"]
    again = adjudicate((ab, cd), discordances((ab, cd), LIMITS), choices, outcome_of)
    assert (again.base, again.stale) == ("CD", ())


def test_a_later_choice_replaces_an_earlier_one_and_a_third_reader_asks_anew() -> None:
    readings = two()
    found = discordances(readings, LIMITS)
    choices = [*choose(readings, pd_date="AB"), *choose(readings, pd_date="CD")]
    assert adjudicate(readings, found, choices, outcome_of).base == "CD"
    third = replace(readings[0], reader="GH")
    made = adjudicate([*readings, third], discordances([*readings, third], LIMITS), choices, outcome_of)
    assert made.base is None
    assert made.standings["pd_date"][0] is Standing.STALE


def test_majority_is_more_than_half() -> None:
    ab, cd = two()
    assert majority([ab, cd]) is None
    assert majority([ab, cd, replace(cd, reader="EF")]) == "CD"
    assert majority([ab, replace(ab, reader="CD")]) == "AB"
    assert majority([]) is None
