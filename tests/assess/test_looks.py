"""What each visit shows of each track: masses, fragments, several scans, treatments, zones (contract, section 4)."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from lesiontrack.assess import AssessSettings
from lesiontrack.assess.looks import Looks, LookState, length_mm
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Fate, MissingState, TreatedZone
from lesiontrack.domain.reads import Form
from lesiontrack.domain.study import Scan
from tests.assess.build import Builder, day, treatment

DATES = [day(1), day(60), day(120), day(180)]
TREATED = MissingState.TREATED


def looks(found: History | Builder) -> Looks:
    return Looks(found if isinstance(found, History) else found.build(), AssessSettings())


def states(found: Looks, name: str = "L01") -> list[str]:
    return [found.at(name, timepoint).state.value for timepoint in range(len(DATES))]


def test_the_short_axis_of_a_node_counts_and_the_longest_diameter_of_all_else() -> None:
    history = Builder(DATES).track(16, site="LYMPH_NODE").track(16).build()
    node, other = history.lesions_at(0)
    assert (str(node.longest_diameter_mm), str(node.short_axis_mm)) == ("21", "16")
    assert length_mm(node) == 16
    assert length_mm(replace(other, short_axis_mm=Decimal(9))) == 16


# --- masses -----------------------------------------------------------------------------------------------------------


def test_a_track_that_is_missed_before_it_coalesces_is_gone_there_and_in_the_mass_later() -> None:
    found = looks(Builder(DATES).track(20, None, 20, None, merged_into="L02").track(18, 18, 18, 42))
    assert states(found) == ["SEEN", "ABSENT", "SEEN", "MERGED"]
    assert found.at("L01", 3).into == "L02"


def test_a_mass_that_is_taken_by_another_is_followed_there() -> None:
    builder = Builder(DATES).track(20, None, None, None, merged_into="L02")
    builder.track(18, 30, None, None, merged_into="L03").track(16, 16, 40, 45)
    found = looks(builder)
    assert [found.at("L01", timepoint).into for timepoint in (1, 2, 3)] == ["L02", "L03", "L03"]
    assert states(found) == ["SEEN", "MERGED", "MERGED", "MERGED"]


def test_a_mass_that_a_visit_misses_is_what_its_own_place_says() -> None:
    builder = Builder(DATES).track(20, None, None, None, merged_into="L02").track(18, 30, None, 30)
    assert states(looks(builder)) == ["SEEN", "MERGED", "ABSENT", "MERGED"]
    hidden = Builder(DATES).track(20, None, None, None, merged_into="L02")
    hidden.track(18, 30, None, None, state=MissingState.OUT_OF_VIEW)
    assert states(looks(hidden)) == ["SEEN", "MERGED", "NE", "NE"]
    gone = Builder(DATES).track(20, None, None, None, merged_into="L02").track(18, 30, None, None)
    assert states(looks(gone)) == ["SEEN", "MERGED", "ABSENT", "ABSENT"]
    lost = Builder(DATES).track(20, None, None, None, merged_into="L02")
    lost.track(18, 30, None, None, merged_into="L99")
    assert (states(looks(lost))[2], looks(lost).at("L01", 2).reason) == ("NE", "its mass is not followed")
    # Missed before it goes on into the next mass: its own ledger is asked, not that mass.
    chain = Builder(DATES).track(20, None, None, None, merged_into="L02")
    chain.track(18, None, 30, None, merged_into="L03").track(16, 16, 16, 45)
    assert states(looks(chain)) == ["SEEN", "ABSENT", "MERGED", "MERGED"]
    assert looks(chain).at("L01", 3).into == "L03"


def test_masses_that_name_each_other_are_not_followed_round_and_round() -> None:
    builder = (
        Builder(DATES).track(20, None, None, None, merged_into="L02").track(18, None, None, None, merged_into="L01")
    )
    found = looks(builder).at("L01", 1)
    assert (found.state, found.reason) == (LookState.NE, "its mass is not followed")


def test_a_mass_that_is_no_track_leaves_the_track_to_its_own_ledger() -> None:
    found = looks(Builder(DATES).track(20, None, None, None, merged_into="L99"))
    assert (found.at("L01", 1).state, found.at("L01", 1).reason) == (LookState.NE, "no place is known at this visit")


# --- fragments and scans ----------------------------------------------------------------------------------------------


def test_a_fragment_that_is_followed_on_its_own_belongs_to_its_parent() -> None:
    builder = Builder(DATES).track(30, 14, 14, None).track(None, 12, None, None, parent_track_id="L01")
    found = looks(builder)
    assert [len(found.lesions("L01", timepoint)) for timepoint in range(4)] == [1, 2, 1, 0]
    assert [len(found.lesions("L02", timepoint)) for timepoint in range(4)] == [0, 1, 0, 0]
    value = found.measurement(("L01",), found.at("L01", 1))
    assert (value.form, value.parts) == (Form.PARTS, (Decimal(14), Decimal(12)))


@pytest.mark.parametrize(("size", "form", "mm"), [(12, Form.MM, 12), ("TSTM", Form.TSTM, None)])
def test_one_lesion_is_a_number_or_too_small_to_be_one(size: float | str, form: Form, mm: int | None) -> None:
    found = looks(Builder(DATES).track(size))
    value = found.measurement(("L01",), found.at("L01", 0))
    assert (value.form, value.mm, value.parts, value.date, value.scan) == (form, mm, (), DATES[0], "1.2.0")


def seen_on_both(first: str, *, also: int) -> History:
    """Make a track of which a visit shows one piece on CT (1.2.n) and one on MR (1.1.n); first seen on ``first``."""
    history = Builder(DATES, modality=[first, "CT", "CT", "CT"]).track(20, 20, 20, 20).build()
    visits = list(history.subject.visits)
    own = visits[also].scans[0]
    visits[also] = replace(
        visits[also], scans=(own, Scan(series_uid=f"1.1.{also}", date=own.date, modality="MR", usable=True))
    )
    extra = replace(history.lesion(also, 1), lesion_id=2, series_uid=f"1.1.{also}", longest_diameter_mm=Decimal(22))
    track = replace(history.tracks[0], lesions=tuple(sorted((*history.tracks[0].lesions, (also, 2)))))
    return replace(
        history,
        subject=replace(history.subject, visits=tuple(visits)),
        lesions=(*history.lesions, extra),
        tracks=(track,),
    )


@pytest.mark.parametrize(("first", "chosen", "mm"), [("CT", "1.2.2", 20), ("MR", "1.1.2", 22)])
def test_of_two_scans_of_a_visit_the_one_of_the_first_modality_is_read(first: str, chosen: str, mm: int) -> None:
    found = looks(seen_on_both(first, also=2))
    (lesion,) = found.lesions("L01", 2)
    assert (lesion.series_uid, lesion.longest_diameter_mm) == (chosen, Decimal(mm))


def test_where_neither_scan_is_of_the_first_modality_the_choice_is_the_same_each_time() -> None:
    (lesion,) = looks(seen_on_both("PT", also=2)).lesions("L01", 2)
    assert lesion.series_uid == "1.1.2"


def test_a_place_is_in_view_of_a_scan_of_the_visit_that_holds_it() -> None:
    history = Builder(DATES).track(20).build()
    found = looks(history)
    assert found.in_view(0, "1.2.0", (20.0, 30.0, 60.0))
    assert not found.in_view(0, "1.2.0", (20.0, 30.0, 6000.0))
    assert not found.in_view(0, "1.2.1", (20.0, 30.0, 60.0))
    visits = list(history.subject.visits)
    visits[0] = replace(visits[0], scans=(replace(visits[0].scans[0], grid=None),))
    unknown = looks(replace(history, subject=replace(history.subject, visits=tuple(visits))))
    assert unknown.in_view(0, "1.2.0", (20.0, 30.0, 6000.0))


# --- treatments and zones ---------------------------------------------------------------------------------------------


def unexplained(
    *sizes: float | None, fate: Fate = Fate.ABLATED, usable: list[bool] | None = None, **more: Any
) -> Builder:
    """Make a track that its ledger calls treated where it is not seen, without a row that says so."""
    return Builder(DATES, usable=usable).track(*sizes, state=TREATED, fate=fate, **more)


@pytest.mark.parametrize(
    ("builder", "date"),
    [
        (unexplained(20, 20, None, None), DATES[1]),
        (unexplained(20, 20, None, None, usable=[True, False, True, True]), DATES[0]),
        (unexplained(20, 20, None, None, fate=Fate.DISAPPEARED), None),
        (unexplained(20, 20, 20, 20), None),
        (Builder(DATES).track(20, 20, None, None, fate=Fate.ABLATED), None),
        (
            Builder(DATES).track(
                20, None, 20, None, fate=Fate.ABLATED, state=TREATED, states={1: MissingState.NOT_SEEN}
            ),
            DATES[2],
        ),
    ],
)
def test_a_treated_site_that_no_row_explains_is_dated_by_the_last_usable_visit_before_it(
    builder: Builder, date: dt.date | None
) -> None:
    # Another track that is treated from the first control on, by a row of its own.
    row = treatment(day(2))
    builder.track(30, None, None, None, state=TREATED, treatments=(row,), fate=Fate.RESECTED)
    own = [t for t in looks(builder).therapies() if t.lesion == "L01"]
    assert [t.date for t in own] == ([] if date is None else [date])
    assert all(t.planned and t.method == "ABLATION" for t in own)


def test_a_row_explains_a_treated_site() -> None:
    row = treatment(day(70), "RESECTION", planned=False, session="2")
    found = looks(Builder(DATES).track(20, 20, None, None, state=TREATED, treatments=(row,), fate=Fate.RESECTED))
    (therapy,) = found.therapies()
    assert (therapy.date, therapy.method, therapy.planned, therapy.session) == (day(70), "RESECTION", False, "2")


def zone(number: int, x_mm: float, series_uid: str = "1.2.1", volume_mm3: float = 8000.0) -> TreatedZone:
    return TreatedZone(
        timepoint=1,
        zone_id=number,
        series_uid=series_uid,
        centroid_lps_mm=(x_mm, 30.0, 60.0),
        volume_mm3=volume_mm3,
        longest_diameter_mm=Decimal(number),
    )


@pytest.mark.parametrize(
    ("zones", "chosen"),
    [
        ((zone(1, 25.0), zone(2, 22.0)), 2),
        ((zone(2, 22.0), zone(1, 22.0)), 1),
        # 8000 mm3 are a sphere of 12.4 mm radius.
        ((zone(1, 33.0),), None),
        ((zone(1, 22.0, "1.2.2"),), None),
        ((zone(1, 22.0, "1.2.99"), zone(2, 30.0)), 2),
        ((), None),
    ],
)
def test_the_nearest_zone_of_the_scan_over_a_track_s_place(zones: tuple[TreatedZone, ...], chosen: int | None) -> None:
    history = Builder(DATES).track(20, None, None, None, state=TREATED).build()
    found = looks(replace(history, zones=zones)).zone_near("L01", 1)
    assert (found.zone_id if found is not None else None) == chosen


def test_the_rim_of_a_zone_is_of_the_zone() -> None:
    volume = 4.0 / 3.0 * math.pi * 8.0**3
    while (rim := zone(1, 28.0, volume_mm3=volume)).radius_mm < 8.0:
        volume = math.nextafter(volume, math.inf)
    assert rim.radius_mm == 8.0
    history = Builder(DATES).track(20, None, None, None, state=TREATED).build()
    assert looks(replace(history, zones=(rim,))).zone_near("L01", 1) == rim


def test_a_track_that_is_seen_has_no_zone_in_its_place() -> None:
    history = Builder(DATES).track(20, 20, None, None).build()
    assert looks(replace(history, zones=(zone(1, 20.0),))).zone_near("L01", 1) is None
