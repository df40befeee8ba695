"""A reader's rows: which visit they belong to, and what each status says."""

from __future__ import annotations

import datetime as dt

from lesiontrack.assess import AssessSettings, judge
from lesiontrack.assess.findings import findings_by_visit
from lesiontrack.domain.outcome import Response
from lesiontrack.domain.study import ClinicalFacts, Finding, Scan, Subject, Visit
from tests.assess.build import Builder, day

DATES = [day(1), day(60), day(120), day(180)]


def finding(date: dt.date, lesion: str, status: str, role: str) -> Finding:
    return Finding(date=date, lesion=lesion, site="LIVER", role=role, status=status)


def test_a_row_belongs_to_the_visit_whose_scans_span_its_day() -> None:
    scans = tuple(Scan(series_uid=f"1.{n}", date=day(n), modality="CT") for n in (60, 64))
    rows = tuple(finding(day(n), f"X{n}", "PRESENT", "NON_TARGET") for n in (59, 60, 62, 64, 65))
    subject = Subject(subject_id="S1", visits=(Visit(timepoint=0, scans=scans),), clinical=ClinicalFacts(findings=rows))
    placed, lost = findings_by_visit(subject)
    assert [row.lesion for row in placed[0]] == ["X60", "X62", "X64"]
    assert [row.lesion for row in lost] == ["X59", "X65"]


def test_a_lesion_once_listed_as_new_that_the_baseline_holds_is_there_or_gone() -> None:
    rows = (
        finding(DATES[1], "X1", "UNEQUIVOCAL", "NEW"),
        finding(DATES[2], "X1", "PRESENT", "NEW"),
        finding(DATES[3], "X1", "ABSENT", "NEW"),
    )
    builder = Builder(DATES, start=day(70), clinical={"findings": rows}).track(30, 30, 30, 30)
    found = judge(builder.build(), AssessSettings()).primary
    assert found is not None
    assert [visit.non_target for visit in found.visits] == [Response.NON_CR_NON_PD, Response.CR]
    assert [visit.new_lesion for visit in found.visits] == ["NO", "NO"]


def test_a_row_without_a_role_leaves_the_choice_of_targets_to_the_proposal() -> None:
    rows = (finding(DATES[0], "L01", "PRESENT", ""),)
    builder = Builder(DATES, clinical={"findings": rows}).track(30, 30, 30, 30)
    found = judge(builder.build(), AssessSettings()).study
    assert found is not None
    assert {role.track_id: (role.role.value, role.reason) for role in found.roles} == {
        "L01": ("TARGET", "measurable, 30 mm")
    }
