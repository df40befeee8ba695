"""What a phase makes of a history: who is in its baseline, who is new, and the values of each visit."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from lesiontrack.assess import AssessSettings
from lesiontrack.assess.phase_reads import PhaseReads, Readings
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Fate, MissingState, Role
from lesiontrack.domain.reading import Reading, RoleWord
from lesiontrack.domain.reads import Form, NewStatus, NonTargetStatus, Phase, Reads, ReadVisit
from lesiontrack.domain.study import Finding
from tests.assess.build import Builder, day, treatment

DATES = [day(1), day(60), day(120), day(180)]
TREATMENT_START = day(8)
HIDDEN, TREATED = MissingState.OUT_OF_VIEW, MissingState.TREATED


def phase(
    found: Builder | History,
    *timepoints: int,
    kind: Phase = Phase.STUDY,
    reader: str = "machine",
    start: dt.date | None = TREATMENT_START,
    **settings: Any,
) -> PhaseReads:
    """Return a phase of a history: its visits, the first of them the baseline; all by default."""
    history = found if isinstance(found, History) else found.build()
    readings = Readings(history, AssessSettings.model_validate(settings), reader)
    return PhaseReads(readings, kind, timepoints or tuple(range(len(history.subject.visits))), start)


def roles(part: PhaseReads) -> dict[str, tuple[str, bool | None, str]]:
    found = part.roles(part.proposal())
    return {entry.track_id: (entry.role.value, entry.measurable, entry.reason) for entry in found}


def reads(part: PhaseReads) -> Reads:
    return part.reads(part.proposal())


def values(visit: ReadVisit) -> dict[str, tuple[Form, Decimal | None]]:
    return {value.name: (value.form, value.mm) for value in visit.targets}


def row(timepoint: int, lesion: str, status: str, role: str = "TARGET", site: str = "LIVER", **more: Any) -> Finding:
    return Finding(date=DATES[timepoint], lesion=lesion, site=site, role=role, status=status, **more)


def said(*rows: Finding) -> Builder:
    """Make a history with a lesion of 30 mm and a reader's rows."""
    return Builder(DATES, clinical={"findings": rows}).track(30, 30, 30, 30)


# --- who is in the baseline -------------------------------------------------------------------------------------------


def test_each_lesion_of_the_baseline_has_its_role_and_why() -> None:
    row_before = treatment(day(10))
    builder = Builder(DATES)
    builder.track(30, 30, 30, 30).track(None, [4.0, 12.0], 12, 12).track(None, 8, 8, 8)
    builder.track(20, 20, 20, 20, treatments=(row_before,))
    builder.track(None, 20, 20, 20, near=3, recurrence_of="L04")
    found = phase(builder, 1, 2, 3)
    assert roles(found) == {
        "L01": ("TARGET", True, "measurable, 30 mm"),
        "L02": ("TARGET", True, "measurable, 16.0 mm"),
        "L03": ("NON_TARGET", False, "not measurable"),
        "L04": ("NON_TARGET", True, "at a locally treated site: no target"),
        "L05": ("NON_TARGET", True, "at a locally treated site: no target"),
    }


def test_a_measurable_lesion_beyond_the_two_of_an_organ_says_so() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30).track(20, 20, 20, 20).track(15, 15, 15, 15).track(8, 8, 8, 8)
    assert roles(phase(builder))["L03"] == ("NON_TARGET", True, "measurable, 15 mm, beyond the targets allowed")
    assert roles(phase(builder))["L04"] == ("NON_TARGET", False, "not measurable")


def test_a_measurable_lesion_that_a_reader_makes_a_non_target_is_one_by_choice() -> None:
    builder = Builder(DATES, clinical={"findings": (row(0, "L01", "PRESENT", "NON_TARGET"),)})
    assert roles(phase(builder.track(30, 30, 30, 30)))["L01"] == (
        "NON_TARGET",
        True,
        "by a reader: measurable, 30 mm",
    )


def test_a_treatment_on_the_day_of_the_baseline_comes_after_it() -> None:
    for date, role in ((DATES[1], "TARGET"), (DATES[1] - dt.timedelta(days=1), "NON_TARGET")):
        builder = Builder(DATES).track(30, 30, 30, 30, treatments=(treatment(date),))
        assert roles(phase(builder, 1, 2, 3))["L01"][0] == role


def test_a_choice_against_the_rules_is_kept_and_queried() -> None:
    history = Builder(DATES).track(30, 30, 30, 30).track(8, 8, 8, 8).build()
    words = (RoleWord(track_id="L02", timepoint=0, role=Role.TARGET, reason="sharp edge"),)
    part = phase(replace(history, reading=Reading(reader="anna", roles=words)), reader="anna")
    assert roles(part)["L02"] == ("TARGET", False, "by a reader: sharp edge; not measurable")
    assert [(q.code, q.lesions, q.timepoint) for q in part.queries] == [("TARGET_BY_CHOICE", ("L02",), 0)]
    # Neither a choice that the rules admit, nor one that makes it no target, is a matter.
    words = (RoleWord(track_id="L02", timepoint=0, role=Role.NON_TARGET),)
    part = phase(replace(history, reading=Reading(reader="anna", roles=words)), reader="anna")
    assert (part.queries, [candidate.lesion_id for candidate in part.candidates()]) == ([], ["L01"])
    words = (RoleWord(track_id="L01", timepoint=0, role=Role.TARGET),)
    part = phase(replace(history, reading=Reading(reader="anna", roles=words)), reader="anna")
    assert (part.queries, roles(part)["L01"][0]) == ([], "TARGET")


def test_a_fragment_that_is_followed_on_its_own_is_no_lesion_of_the_baseline() -> None:
    builder = Builder(DATES).track(30, 14, 14, 14).track(None, 12, 12, 12, parent_track_id="L01")
    assert list(roles(phase(builder))) == ["L01"]
    assert list(roles(phase(Builder(DATES).track(30, 14, 14, 14, parent_track_id="L99")))) == ["L01"]


def test_a_lesion_first_seen_after_the_phase_is_none_of_it() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30).track(None, None, None, 12)
    assert list(roles(phase(builder, 0, 1, 2))) == ["L01"]
    assert roles(phase(builder))["L02"] == ("NEW", None, "not seen up to the baseline")


def test_a_lesion_in_a_mass_at_the_baseline_is_queried_when_a_part_of_it_is_seen_again() -> None:
    builder = Builder(DATES).track(20, None, None, None, merged_into="L02").track(18, 35, 35, 35)
    part = phase(builder, 1, 2, 3)
    assert (list(roles(part)), part.queries) == (["L02"], [])
    part = phase(builder.track(None, None, 12, 12, parent_track_id="L01"), 1, 2, 3)
    assert list(roles(part)) == ["L02"]
    assert [(q.code, q.timepoint, q.lesions) for q in part.queries] == [("SEPARATED_MASS", 2, ("L01",))]
    assert part.queries[0].text.startswith("coalesced into L02 at the baseline")


def test_a_lesion_that_the_baseline_cannot_show_is_a_non_target() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30).track(20, None, 20, 20, states={1: HIDDEN})
    role, measurable, reason = roles(phase(builder, 1, 2, 3))["L02"]
    assert (role, measurable) == ("NON_TARGET", False)
    assert reason == "known before, not evaluable at the baseline: out of view"


def test_a_lesion_gone_before_the_baseline_is_new_when_it_is_back_and_nothing_otherwise() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30).track(20, None, 20, 20).track(20, None, None, None)
    part = phase(builder, 1, 2, 3)
    assert roles(part)["L02"] == ("NEW", None, "gone before the baseline, seen again")
    assert "L03" not in roles(part)
    assert [(q.code, q.timepoint, q.lesions) for q in part.queries] == [("REAPPEARING_NEW", 2, ("L02",))]
    as_known = phase(builder, 1, 2, 3, reappearing_counts_as_new=False)
    assert roles(as_known)["L02"] == ("NON_TARGET", False, "known before, absent at the baseline")
    assert as_known.queries == []


def test_a_lesion_treated_before_the_baseline_and_not_seen_there_is_a_site_and_no_lesion() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30)
    builder.track(20, None, None, None, state=TREATED, treatments=(treatment(day(10)),), fate=Fate.ABLATED)
    part = phase(builder, 1, 2, 3)
    assert list(roles(part)) == ["L01"]
    assert [[site.lesion for site in visit.sites] for visit in reads(part).visits] == [[], ["L02"], ["L02"]]


def test_a_lesion_beside_a_treated_site_says_so() -> None:
    builder = Builder(DATES)
    builder.track(20, None, None, None, state=TREATED, treatments=(treatment(day(10)),), fate=Fate.ABLATED)
    builder.track(None, None, 12, 12, near=0, recurrence_of="L01")
    assert roles(phase(builder))["L02"] == (
        "NEW",
        None,
        "not seen up to the baseline, at the treated site of L01",
    )


# --- lesions that only a reader speaks of -----------------------------------------------------------------------------


def test_a_reader_s_own_lesion_is_of_the_baseline_unless_it_is_called_new_later() -> None:
    known = roles(phase(said(row(0, "X1", "PRESENT", "NON_TARGET"))))
    assert known["X1"] == ("NON_TARGET", False, "by a reader: by a reader, without a segmentation")
    assert roles(phase(said(row(1, "X1", "PRESENT", "NON_TARGET"))))["X1"][0] == "NON_TARGET"
    assert roles(phase(said(row(0, "X1", "UNEQUIVOCAL", "NEW"))))["X1"][0] == "NON_TARGET"
    assert roles(phase(said(row(1, "X1", "UNEQUIVOCAL", "NEW"))))["X1"] == (
        "NEW",
        None,
        "by a reader, without a segmentation",
    )


def test_a_reader_s_own_target_needs_a_length_at_the_baseline() -> None:
    length_mm = Decimal("22.5")
    rows = (row(visit, "X1", "PRESENT", longest_diameter_mm=length_mm) for visit in (0, 1))
    found = reads(phase(said(*rows)))
    assert {x.lesion_id: (x.role.value, x.measurable) for x in found.lesions}["X1"] == ("TARGET", True)
    assert values(found.visits[1])["X1"] == (Form.MM, Decimal("22.5"))
    assert values(found.visits[2])["X1"] == (Form.NE, None)
    without = (
        row(0, "X1", "PRESENT"),
        row(1, "X1", "PRESENT", longest_diameter_mm=length_mm),
        row(0, "X1", "PRESENT", "NON_TARGET", longest_diameter_mm=length_mm),
    )
    for only in without:
        part = phase(said(only))
        assert roles(part)["X1"][:2] == ("NON_TARGET", False)
        assert [candidate.lesion_id for candidate in part.candidates()] == ["L01"]


def test_a_reader_s_own_lesion_of_another_phase_is_none_of_this_one() -> None:
    builder = said(row(3, "X1", "PRESENT", "NON_TARGET"), row(3, "X2", "UNEQUIVOCAL", "NEW"))
    assert list(roles(phase(builder, 0, 1, 2))) == ["L01"]
    assert list(roles(phase(builder))) == ["L01", "X1", "X2"]
    both = said(row(0, "X1", "PRESENT", "NON_TARGET"), row(3, "X1", "PRESENT", "NON_TARGET"))
    assert roles(phase(both, 0, 1, 2))["X1"][0] == "NON_TARGET"
    new = said(row(1, "X2", "UNEQUIVOCAL", "NEW"), row(3, "X2", "UNEQUIVOCAL", "NEW"))
    assert list(roles(phase(new, 0, 1, 2))) == ["L01", "X2"]


def test_a_reader_s_own_node_is_one_by_its_site() -> None:
    builder = said(
        row(0, "X1", "PRESENT", site="LYMPH_NODE", longest_diameter_mm=Decimal(30), short_axis_mm=Decimal(18)),
        row(1, "X2", "UNEQUIVOCAL", "NEW", site="LYMPH_NODE"),
    )
    found = reads(phase(builder))
    assert {x.lesion_id: x.node for x in found.lesions} == {"L01": False, "X1": True}
    assert values(found.visits[0])["X1"] == (Form.MM, Decimal(18))
    assert [(x.lesion, x.node, x.date, x.reason) for x in found.visits[1].new] == [("X2", True, DATES[1], "read")]


# --- values -----------------------------------------------------------------------------------------------------------


def test_targets_of_one_mass_share_a_value_and_each_has_its_own_elsewhere() -> None:
    builder = Builder(DATES).track(20, 20, None, None, merged_into="L02").track(18, 18, 42, 42)
    names = [list(values(visit)) for visit in reads(phase(builder)).visits]
    assert names == [["L01", "L02"], ["L01", "L02"], ["L01/L02"], ["L01/L02"]]


def test_a_mass_of_which_a_member_was_treated_is_the_mass_and_no_zone() -> None:
    builder = Builder(DATES).track(20, 20, None, None, merged_into="L02", treatments=(treatment(day(70)),))
    builder.track(18, 18, 42, 42)
    assert values(reads(phase(builder)).visits[2]) == {"L01/L02": (Form.MM, Decimal(42))}


def zoned(method: str, *more: Any, seen: float | None = None) -> ReadVisit:
    """Return the visit after the treatment of a lesion of which a zone of 35 mm is segmented there."""
    builder = Builder(DATES[:2]).track(30, seen, state=TREATED, treatments=(treatment(day(10), method), *more))
    return reads(phase(builder.zone(1, 0, "35.0"))).visits[1]


def test_the_zone_of_an_ablated_target_is_what_as_measured_takes_for_the_lesion() -> None:
    assert values(zoned("ABLATION")) == {"L01": (Form.MM, Decimal("35.0"))}
    assert values(zoned("SBRT")) == {"L01": (Form.MM, Decimal("35.0"))}
    assert zoned("ABLATION").targets[0].scan == "1.2.1"


def test_a_lesion_that_is_seen_or_resected_is_not_its_zone() -> None:
    assert values(zoned("ABLATION", seen=12.0)) == {"L01": (Form.MM, Decimal("12.0"))}
    assert values(zoned("RESECTION")) == {"L01": (Form.ABSENT, None)}
    assert values(zoned("ABLATION", treatment(day(20), "RESECTION"))) == {"L01": (Form.ABSENT, None)}
    assert values(zoned("RESECTION", treatment(day(20), "ABLATION"))) == {"L01": (Form.MM, Decimal("35.0"))}


def test_a_lesion_that_is_gone_beside_a_treated_one_is_gone() -> None:
    builder = Builder(DATES[:2]).track(30, None)
    builder.track(20, None, state=TREATED, treatments=(treatment(day(10)),)).zone(1, 1, "35.0")
    assert values(reads(phase(builder)).visits[1]) == {
        "L01": (Form.ABSENT, None),
        "L02": (Form.MM, Decimal("35.0")),
    }


def test_a_zone_counts_from_the_day_after_the_treatment() -> None:
    builder = Builder(DATES[:2]).track(30, None, treatments=(treatment(DATES[1]),)).zone(1, 0, "35.0")
    assert values(reads(phase(builder)).visits[1]) == {"L01": (Form.ABSENT, None)}


def test_a_treated_target_without_a_zone_is_not_evaluable() -> None:
    builder = Builder(DATES[:2]).track(30, None, state=TREATED, treatments=(treatment(day(10)),))
    (value,) = reads(phase(builder)).visits[1].targets
    assert (value.form, value.reason) == (Form.NE, "treated, no zone segmented")


def test_a_non_target_is_what_a_reader_says_and_else_what_is_seen() -> None:
    builder = Builder(DATES, clinical={"findings": (row(2, "L02", "NE", "NON_TARGET"),)})
    builder.track(30, 30, 30, 30).track(8, 8, 8, None)
    statuses = [visit.nontargets[0] for visit in reads(phase(builder)).visits]
    assert [(x.status, x.date, x.scan, x.reason) for x in statuses] == [
        (NonTargetStatus.PRESENT, DATES[0], "1.2.0", ""),
        (NonTargetStatus.PRESENT, DATES[1], "1.2.1", ""),
        (NonTargetStatus.NE, DATES[2], "", "read"),
        (NonTargetStatus.ABSENT, None, "", "not seen, its place in view"),
    ]


# --- new lesions, sites, plan -----------------------------------------------------------------------------------------


def test_a_new_lesion_is_dated_by_its_scan_and_by_the_reader_where_none_shows_it() -> None:
    rows = (row(2, "L02", "EQUIVOCAL", "NEW"), row(3, "L02", "ABSENT", "NEW"))
    builder = Builder(DATES, clinical={"findings": rows}).track(30, 30, 30, 30).track(None, 12, None, 12)
    new = [visit.new for visit in reads(phase(builder)).visits]
    assert (new[0], new[3]) == ((), ())
    assert [(x.status, x.date, x.scan, x.reason) for x in new[1]] == [(NewStatus.UNEQUIVOCAL, DATES[1], "1.2.1", "")]
    assert [(x.status, x.date, x.scan, x.reason) for x in new[2]] == [(NewStatus.EQUIVOCAL, DATES[2], "", "read")]


def test_a_reader_s_own_new_lesion_that_is_absent_is_no_sight_of_it() -> None:
    found = reads(phase(said(row(1, "X1", "ABSENT", "NEW"), row(2, "X1", "EQUIVOCAL", "NEW"))))
    assert [[new.status for new in visit.new] for visit in found.visits] == [[], [], [NewStatus.EQUIVOCAL], []]


def test_a_new_node_is_one() -> None:
    builder = Builder(DATES).track(30, 30, 30, 30).track(None, 16, 16, 16, site="LYMPH_NODE")
    assert [new.node for new in reads(phase(builder)).visits[1].new] == [True]


def test_treatments_after_the_induction_are_the_study_phase_s() -> None:
    rows = tuple(treatment(date) for date in (DATES[1], DATES[2], DATES[2] + dt.timedelta(days=1)))
    builder = Builder(DATES, clinical={"local_treatments": rows}).track(30, 30, 30, 30, treatments=rows)
    induction = reads(phase(builder, 0, 1, 2, kind=Phase.INDUCTION))
    assert [t.date for t in induction.therapies] == [DATES[1]]
    assert [t.date for t in reads(phase(builder, 0, 1, 2)).therapies] == [row.date for row in rows]


def test_the_baseline_has_neither_new_lesions_nor_sites() -> None:
    builder = Builder(DATES)
    builder.track(30, None, None, None, state=TREATED, treatments=(treatment(day(10)),), fate=Fate.ABLATED)
    baseline, *later = reads(phase(builder, 1, 2, 3)).visits
    assert (baseline.new, baseline.sites) == ((), ())
    assert all(visit.sites for visit in later)


@pytest.mark.parametrize(
    ("own", "confirmed", "reader", "provisional"),
    [
        ("machine", (), "machine", True),
        ("machine", (), "anna", False),
        ("anna", (), "anna", True),
        ("anna", (0, 1), "anna", False),
        ("anna", (1,), "machine", True),
    ],
)
def test_a_visit_is_provisional_until_a_reader_stands_for_it(
    own: str, confirmed: tuple[int, ...], reader: str, provisional: bool
) -> None:
    history = replace(Builder(DATES[:2]).track(30, 30).build(), reading=Reading(reader=own, confirmed=confirmed))
    assert [visit.provisional for visit in reads(phase(history, reader=reader)).visits] == [provisional] * 2


def test_what_the_clinical_tables_say_of_therapy_and_death() -> None:
    facts = {"new_therapies": (day(7), day(8), day(9)), "death_date": day(400)}
    builder = Builder(DATES, clinical=facts).track(30, 30, 30, 30)
    found = reads(phase(builder))
    assert (found.new_therapy_date, found.death_date) == (day(8), day(400))
    assert reads(phase(builder, start=None)).new_therapy_date is None
    without = reads(phase(Builder(DATES, clinical=None).track(30, 30, 30, 30)))
    assert (without.new_therapy_date, without.death_date) == (None, None)
