"""What must hold for any timeline (response rules, section 14), whatever the mode and the options."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lesiontrack.assess import AssessSettings, assess
from lesiontrack.domain.lesion import Role
from lesiontrack.domain.outcome import Assessment, Response
from lesiontrack.domain.reads import (
    Form,
    LocalTherapy,
    Measurement,
    NewLesionRead,
    NewStatus,
    NonTargetRead,
    NonTargetStatus,
    ReadLesion,
    Reads,
    ReadVisit,
    SiteRead,
    SiteStatus,
)

DAY = dt.date(2024, 1, 2)
ORGANS = ("LIVER", "LUNG", "LYMPH_NODE", "BONE")
_lengths = st.integers(0, 600).map(lambda tenths: Decimal(tenths) / 10)


@st.composite
def measurements(draw: st.DrawFn, name: str) -> Measurement:
    form = draw(st.sampled_from([Form.MM] * 8 + [Form.ABSENT] * 3 + [Form.TSTM, Form.NE, Form.PARTS]))
    parts = tuple(draw(st.lists(_lengths, min_size=1, max_size=3))) if form is Form.PARTS else ()
    return Measurement(lesions=(name,), form=form, mm=draw(_lengths) if form is Form.MM else None, parts=parts)


@st.composite
def read_visits(draw: st.DrawFn, index: int, day: dt.date, lesions: tuple[ReadLesion, ...], local: bool) -> ReadVisit:
    targets = [x.lesion_id for x in lesions if x.role is Role.TARGET]
    others = [x.lesion_id for x in lesions if x.role is Role.NON_TARGET]
    if index == 0:
        sizes = tuple(
            Measurement(lesions=(name,), form=Form.MM, mm=draw(st.integers(100, 600)) / Decimal(10)) for name in targets
        )
        present = tuple(NonTargetRead(lesion=name, status=NonTargetStatus.PRESENT) for name in others)
        return ReadVisit(timepoint=0, date=day, targets=sizes, nontargets=present)
    read = [name for name in targets if draw(st.integers(0, 9)) > 0]
    found = draw(st.lists(st.sampled_from(["X1", "X2"]), unique=True, max_size=1)) if draw(st.booleans()) else []
    sites = draw(st.lists(st.sampled_from([*targets, *others]), unique=True)) if local and (targets or others) else []
    return ReadVisit(
        timepoint=index,
        date=day,
        targets=tuple(draw(measurements(name)) for name in read),
        nontargets=tuple(
            NonTargetRead(lesion=name, status=draw(st.sampled_from(list(NonTargetStatus)))) for name in others
        ),
        new=tuple(
            NewLesionRead(
                lesion=name, organ={"X1": "LIVER", "X2": "LUNG"}[name], status=draw(st.sampled_from(list(NewStatus)))
            )
            for name in found
        ),
        sites=tuple(SiteRead(lesion=name, status=draw(st.sampled_from(list(SiteStatus)))) for name in sites),
        rebaseline=local and draw(st.integers(0, 2)) == 0,
    )


@st.composite
def timelines(draw: st.DrawFn, *, local: bool = False, non_targets: int = 0) -> Reads:
    lesions = tuple(
        ReadLesion(lesion_id=f"{kind}{n}", role=role, organ=organ, node=organ == "LYMPH_NODE")
        for kind, role, low, high in (("T", Role.TARGET, 0, 3), ("N", Role.NON_TARGET, non_targets, 2))
        for n, organ in enumerate(draw(st.lists(st.sampled_from(ORGANS), min_size=low, max_size=high)), start=1)
    )
    gaps = draw(st.lists(st.integers(14, 90), min_size=1, max_size=6))
    days = [DAY + dt.timedelta(days=sum(gaps[:n])) for n in range(len(gaps) + 1)]
    visits = tuple(draw(read_visits(index, day, lesions, local)) for index, day in enumerate(days))
    therapies: tuple[LocalTherapy, ...] = ()
    if local and lesions:
        names = draw(st.lists(st.sampled_from([x.lesion_id for x in lesions]), unique=True, min_size=1))
        therapies = tuple(
            LocalTherapy(
                lesion=name,
                method=draw(st.sampled_from(["RESECTION", "ABLATION", "SBRT"])),
                date=DAY + dt.timedelta(days=draw(st.integers(0, 100))),
            )
            for name in names
        )
    return Reads(
        subject_id="S",
        lesions=lesions,
        visits=visits,
        therapies=therapies,
        treatment_start=DAY + dt.timedelta(days=draw(st.integers(0, 6))),
    )


any_timeline = st.one_of(timelines(), timelines(local=True))
any_settings = st.builds(
    AssessSettings,
    reappear_after_cr=st.sampled_from(["overall_cr", "target_cr"]),
    sticky_pr=st.booleans(),
    partial_pd=st.booleans(),
    backdate=st.booleans(),
    nt_partial=st.sampled_from(["NE", "NON-CR/NON-PD"]),
    local_mode=st.sampled_from(["rebaseline", "strict_ne", "as_measured"]),
    pd_in_treatment_phase=st.booleans(),
)


def said(found: Assessment) -> dict[str, Any]:
    """Return all that an assessment says, without the order in which lesions are listed."""
    return {
        "visits": [
            (v.timepoint, v.date, v.target, v.non_target, v.new_lesion, v.overall, v.sum_mm, v.nadir_sum_mm)
            for v in found.visits
        ],
        "bor": (found.bor_unconfirmed, found.bor_confirmed, found.disease_control),
        "pd": (found.pd_date, found.pd_declared_date, found.pd_site, found.pd_subtype, found.pd_reasons),
        "first": (found.first_hepatic_pd_date, found.first_extrahepatic_pd_date),
    }


@given(any_timeline, any_settings)
def test_the_order_of_lesions_is_irrelevant(reads: Reads, settings: AssessSettings) -> None:
    turned = replace(
        reads,
        lesions=reads.lesions[::-1],
        therapies=reads.therapies[::-1],
        visits=tuple(
            replace(v, targets=v.targets[::-1], nontargets=v.nontargets[::-1], new=v.new[::-1], sites=v.sites[::-1])
            for v in reads.visits
        ),
    )
    assert said(assess(turned, settings)) == said(assess(reads, settings))


@given(timelines(non_targets=1), any_settings)
def test_an_absent_non_target_more_changes_nothing(reads: Reads, settings: AssessSettings) -> None:
    more = replace(
        reads,
        lesions=(*reads.lesions, ReadLesion(lesion_id="N9", role=Role.NON_TARGET, organ="LUNG")),
        visits=tuple(
            replace(v, nontargets=(*v.nontargets, NonTargetRead(lesion="N9", status=NonTargetStatus.ABSENT)))
            for v in reads.visits
        ),
    )
    assert said(assess(more, settings)) == said(assess(reads, settings))


@given(any_timeline, any_settings)
def test_within_one_baseline_the_nadir_never_rises(reads: Reads, settings: AssessSettings) -> None:
    before: Decimal | None = None
    for visit in assess(reads, settings).visits:
        if visit.rebaseline or visit.nadir_sum_mm is None:
            before = None
            continue
        assert before is None or visit.nadir_sum_mm <= before
        before = visit.nadir_sum_mm


@given(any_timeline, any_settings)
def test_visits_after_the_first_pd_change_neither_its_date_nor_best_response(
    reads: Reads, settings: AssessSettings
) -> None:
    found = assess(reads, settings)
    first = next((i for i, v in enumerate(found.visits) if v.overall is Response.PD), None)
    if first is None or any(t.first_timepoint < t.timepoint for v in found.visits[first + 1 :] for t in v.triggers):
        return
    # A re-baseline that comes later tells what was planned: it belongs to what is known of the visits before it.
    if reads.therapies and any(v.rebaseline for v in reads.visits[first + 2 :]):
        return
    cut = assess(replace(reads, visits=reads.visits[: first + 2]), settings)
    assert (cut.pd_date, cut.pd_declared_date, cut.pd_site) == (found.pd_date, found.pd_declared_date, found.pd_site)
    assert (cut.bor_unconfirmed, cut.bor_confirmed) == (found.bor_unconfirmed, found.bor_confirmed)


@given(any_timeline, any_settings)
def test_an_unequivocal_new_lesion_outside_the_plan_is_always_pd(reads: Reads, settings: AssessSettings) -> None:
    found = assess(reads, settings)
    for read in reads.visits[1:]:
        if any(x.status is NewStatus.UNEQUIVOCAL for x in read.new):
            visit = found.visit(read.timepoint)
            assert visit is not None and visit.overall is Response.PD


@given(any_timeline, any_settings)
def test_local_progression_is_pd_in_every_mode(reads: Reads, settings: AssessSettings) -> None:
    found = assess(reads, settings)
    for read in reads.visits[1:]:
        if any(x.status is SiteStatus.LTP for x in read.sites):
            visit = found.visit(read.timepoint)
            assert visit is not None and visit.overall is Response.PD


@given(timelines(), any_settings)
def test_a_missing_target_never_gives_cr_pr_or_sd(reads: Reads, settings: AssessSettings) -> None:
    found = assess(reads, settings)
    wanted = {x.lesion_id for x in reads.targets}
    for read in reads.visits[1:]:
        known = {name for value in read.targets if value.form is not Form.NE for name in value.lesions}
        if wanted - known:
            visit = found.visit(read.timepoint)
            assert visit is not None
            assert visit.target in (Response.NE, Response.PD)
            assert visit.overall in (Response.NE, Response.PD)


@given(any_timeline, any_settings, st.integers(-400, 400))
def test_shifting_all_dates_shifts_all_dates(reads: Reads, settings: AssessSettings, days: int) -> None:
    shift = dt.timedelta(days=days)
    moved = replace(
        reads,
        treatment_start=reads.treatment_start + shift if reads.treatment_start else None,
        therapies=tuple(replace(t, date=t.date + shift) for t in reads.therapies),
        visits=tuple(replace(v, date=v.date + shift) for v in reads.visits),
    )
    before, after = assess(reads, settings), assess(moved, settings)
    assert [v.overall for v in after.visits] == [v.overall for v in before.visits]
    for name in ("pd_date", "pd_declared_date", "first_hepatic_pd_date", "first_extrahepatic_pd_date"):
        old, new = getattr(before, name), getattr(after, name)
        assert new == (old + shift if old is not None else None)
    assert (after.bor_unconfirmed, after.bor_confirmed) == (before.bor_unconfirmed, before.bor_confirmed)


@given(any_timeline, any_settings)
def test_every_category_carries_its_rule_and_its_evidence(reads: Reads, settings: AssessSettings) -> None:
    found = assess(reads, settings)
    for visit in found.visits:
        assert visit.reasons
        assert visit.reasons[-1].rule.startswith("overall.")
        assert visit.reasons[-1].outcome == visit.overall
        for reason in visit.reasons:
            assert reason.section
            assert "{" not in reason.sentence()
            assert all(isinstance(value, Decimal) for _, value in reason.numbers)
        assert bool(visit.triggers) == (visit.overall is Response.PD)
        assert all(trigger.lesions for trigger in visit.triggers)
    rules = [reason.rule for reason in found.reasons]
    assert rules[:2] == ["bor.unconfirmed", "bor.confirmed"]
    assert [x.outcome for x in found.reasons[:2]] == [found.bor_unconfirmed, found.bor_confirmed]
    assert all("{" not in reason.sentence() for reason in found.reasons)
    assert (found.pd_date is None) == (not found.pd_triggers) == ("pd_site.triggers" not in rules)
    if found.pd_date is not None and found.pd_declared_date is not None:
        assert found.pd_date <= found.pd_declared_date


@given(timelines(), any_settings)
def test_where_nothing_was_treated_the_three_modes_are_one(reads: Reads, settings: AssessSettings) -> None:
    modes = [
        said(assess(reads, settings.model_copy(update={"local_mode": AssessSettings(local_mode=mode).local_mode})))
        for mode in ("rebaseline", "strict_ne", "as_measured")
    ]
    assert modes[0] == modes[1] == modes[2]


@given(timelines(), st.integers(1, 4))
def test_the_unit_of_length_does_not_matter_where_no_length_is_absolute(reads: Reads, factor: int) -> None:
    """Scaling every length, and every threshold given in mm, changes no category."""
    settings = AssessSettings()
    scaled_settings = AssessSettings(
        pd_abs_mm=settings.pd_abs_mm * factor,
        node_normal_mm=settings.node_normal_mm * factor,
        tstm_mm=settings.tstm_mm * factor,
    )
    scaled = replace(
        reads,
        visits=tuple(
            replace(
                v,
                targets=tuple(
                    replace(
                        m, mm=None if m.mm is None else m.mm * factor, parts=tuple(part * factor for part in m.parts)
                    )
                    for m in v.targets
                ),
            )
            for v in reads.visits
        ),
    )
    before, after = assess(reads, settings), assess(scaled, scaled_settings)
    assert [v.overall for v in before.visits] == [v.overall for v in after.visits]
    assert (before.pd_date, before.pd_site) == (after.pd_date, after.pd_site)
