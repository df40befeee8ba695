"""The named cases through the whole road in memory: each against the truth that its author wrote down."""

from __future__ import annotations

import csv
import datetime as dt
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from lesiontrack.domain.geometry import Segmentation, Volume
from lesiontrack.domain.lesion import LinkKind, MissingState, Track
from lesiontrack.domain.outcome import Judgement
from lesiontrack.domain.reads import NewStatus
from lesiontrack.domain.study import ClinicalFacts, LocalTreatment, Scan, Subject, Visit
from lesiontrack.io.phantom_study import write_made_subjects
from lesiontrack.phantom import LesionPlace, PhantomVisit
from lesiontrack.phantom.case_truth import TrueTrack
from lesiontrack.phantom.cases import CaseName, CaseSubject, case, case_plan, case_subject
from lesiontrack.pipeline import Observed, judge, observe, replay
from lesiontrack.review import LesionRef, SetNewness, sequence
from lesiontrack.settings import Settings

# A measured centre is nearer than this to that of its true lesion.
NEAR_MM = 5.0

# Left to `make soak`; the other cases are its sample.
LONG = (CaseName.STAGED, CaseName.TEN_VISITS)

# One case's new lesion rests on an untrusted registration: the truth is what a reader makes of it, below.
WITH_A_READER = CaseName.SEVERAL_VOLUMES


def cases(*, without: CaseName | None = None) -> pytest.MarkDecorator:
    """Run a test for every case but one."""
    names = [name for name in CaseName if name is not without]
    params = [pytest.param(name, marks=pytest.mark.xdist_group(f"case {name}"), id=name) for name in names]
    return pytest.mark.parametrize("name", params)


def only(name: CaseName) -> pytest.MarkDecorator:
    return pytest.mark.xdist_group(f"case {name}")


@dataclass(frozen=True)
class Gone:
    """A case that went through the road; ``names``: (timepoint, lesion number) -> the true lesion nearest to it."""

    subject: CaseSubject
    visits: tuple[PhantomVisit, ...]
    seen: Observed
    judged: Judgement
    names: Mapping[tuple[int, int], str]

    def track_of(self, true: TrueTrack) -> Track:
        """Return the one track that holds a true lesion's sightings."""
        tracks = self.seen.history.tracks
        found = [t for t in tracks if any(self.names[key] in true.lesions for key in t.lesions)]
        assert len(found) == 1, f"{true.lesions} in {len(found)} tracks"
        return found[0]

    def in_view(self, number: int) -> set[str]:
        """Return the true lesions that one of the plan's scans shows."""
        visit = self.visits[number]
        return {x.name for x in visit.lesions if visit.volume.grid.contains(x.body.centre_lps_mm)}


def _treatments(subject: CaseSubject) -> Iterator[LocalTreatment]:
    plan = subject.plan
    for row in plan.treatments:
        place: tuple[float, float, float] | None = None
        if row.lesion is not None and row.seen_at is not None:
            (body,) = (x.body for x in subject.lesions_at(row.seen_at) if x.name == row.lesion)
            x, y, z = body.centre_lps_mm
            place = (float(x), float(y), float(z))
        yield LocalTreatment(
            date=plan.clinical.date(row.day),
            method=row.method,
            place_lps_mm=place,
            place_date=None if row.seen_at is None else plan.visit_date(row.seen_at),
            all_lesions=row.everything,
            session=str(row.session),
        )


def _scan(visit: PhantomVisit, day: dt.date) -> Scan:
    return Scan(
        series_uid=visit.volume.series_uid,
        date=day,
        modality=visit.volume.modality,
        phase_of_contrast=visit.appearance.phase,
        slice_thickness_mm=visit.volume.slice_thickness_mm,
        grid=visit.volume.grid,
        measured=True,
    )


def _names(visits: tuple[PhantomVisit, ...], seen: Observed) -> dict[tuple[int, int], str]:
    by_series = {visit.volume.series_uid: visit for visit in visits}
    names = {}
    for lesion in seen.history.lesions:
        true = by_series[lesion.series_uid].lesions
        apart = [np.linalg.norm(x.body.centre_lps_mm - np.array(lesion.centroid_lps_mm)) for x in true]
        assert min(apart) < NEAR_MM, f"visit {lesion.timepoint}: lesion {lesion.lesion_id} is no true lesion"
        names[(lesion.timepoint, lesion.lesion_id)] = true[int(np.argmin(apart))].name
    return names


@cache
def gone(name: CaseName) -> Gone:
    if name in LONG and "LESIONTRACK_SOAK" not in os.environ:
        pytest.skip("six and ten visits take minutes: in `make soak`")
    subject = case_subject(name)
    visits = tuple(subject.visits())
    made: dict[str, tuple[Volume, Segmentation]] = {v.volume.series_uid: (v.volume, v.segmentation) for v in visits}
    scans: dict[int, list[Scan]] = defaultdict(list)
    for visit, timepoint in zip(visits, subject.case.timepoints, strict=True):
        scans[timepoint].append(_scan(visit, subject.plan.visit_date(visit.number)))
    clinical = subject.plan.clinical
    person = Subject(
        subject_id=subject.plan.subject_id,
        visits=tuple(Visit(timepoint=n, scans=tuple(own)) for n, own in sorted(scans.items())),
        clinical=ClinicalFacts(
            arm=clinical.arm,
            induction_start_date=clinical.date(clinical.induction_day),
            treatment_start_date=clinical.date(clinical.treatment_day),
            local_treatments=tuple(_treatments(subject)),
        ),
    )
    seen = observe(person, lambda scan: made[scan.series_uid], Settings())
    return Gone(subject, visits, seen, judge(seen.history, Settings()), _names(visits, seen))


# --- what every case must fulfil ------------------------------------------------------------------------------------


@cases()
def test_every_lesion_in_view_is_measured_once(name: CaseName) -> None:
    ran = gone(name)
    assert not [problem for problem in ran.seen.problems if problem.severity != "WARNING"]
    timepoints = ran.subject.case.timepoints
    for timepoint in sorted(set(timepoints)):
        shown = [x for number, of in enumerate(timepoints) if of == timepoint for x in ran.in_view(number)]
        assert sorted(found for (at, _), found in ran.names.items() if at == timepoint) == sorted(shown)


@cases()
def test_tracks_are_the_true_ones(name: CaseName) -> None:
    ran = gone(name)
    found = sorted(sorted({ran.names[key] for key in track.lesions}) for track in ran.seen.history.tracks)
    assert found == sorted(sorted(true.lesions) for true in ran.subject.case.tracks)


@cases()
def test_fates_are_the_true_ones(name: CaseName) -> None:
    ran = gone(name)
    by_lesion = {true.lesions[0]: ran.track_of(true) for true in ran.subject.case.tracks}
    for true in ran.subject.case.tracks:
        track = ran.track_of(true)
        assert track.fate == true.fate, true.lesions
        assert track.merged_into == (by_lesion[true.merged_into].track_id if true.merged_into else None)
        assert track.recurrence_of == (by_lesion[true.recurrence_of].track_id if true.recurrence_of else None)


@cases()
def test_splits_and_merges_are_linked_as_such_and_nothing_else_is(name: CaseName) -> None:
    ran = gone(name)
    expected = set()
    for true in ran.subject.case.tracks:
        first, *later = true.lesions
        if true.split_at is not None:
            expected |= {(LinkKind.SPLIT, true.split_at, first, part) for part in later}
        if true.merged_into is not None and true.merged_at is not None:
            (into,) = (x for x in ran.subject.case.tracks if x.lesions[0] == true.merged_into)
            expected.add((LinkKind.MERGE, true.merged_at, first, into.lesions[-1]))
    found = {
        (
            link.kind,
            link.timepoint_to,
            ran.names[(link.timepoint_from, link.lesion_from)],
            ran.names[(link.timepoint_to, link.lesion_to)],
        )
        for link in ran.seen.history.links
        if link.kind is not LinkKind.SAME
    }
    assert found == expected


@cases()
def test_what_is_out_of_view_is_not_gone(name: CaseName) -> None:
    ran = gone(name)
    expected = {(ran.track_of(x).track_id, at) for x in ran.subject.case.tracks for at in x.out_of_view}
    missing = ran.seen.history.missing
    assert {(x.track_id, x.timepoint) for x in missing if x.state is MissingState.OUT_OF_VIEW} == expected
    for entry in missing:
        if entry.state is MissingState.TREATED:
            (track,) = (t for t in ran.seen.history.tracks if t.track_id == entry.track_id)
            assert track.treatments


@cases(without=WITH_A_READER)
def test_the_verdict_is_the_truth(name: CaseName) -> None:
    ran = gone(name)
    verdict_is_true(ran, ran.judged)


def verdict_is_true(ran: Gone, found: Judgement, *, new_on: dt.date | None = None) -> None:
    """Compare with the truth; ``new_on``: the scan of a visit of several scans that shows what is new."""
    expected, judged, study = ran.subject.plan.expected, found.eligibility, found.primary
    assert study is not None and found.induction is not None
    assert (judged.count_hepatic, judged.count_eligible) == (expected.count_hepatic, expected.count_eligible)
    assert judged.disease_control == expected.disease_control
    induction = found.induction.assessments["recist11-local"]
    assert tuple(str(visit.overall) for visit in induction.visits) == expected.induction
    assert tuple(str(visit.overall) for visit in study.visits) == expected.study

    def date(timepoint: int | None) -> dt.date | None:
        return None if timepoint is None else new_on or ran.subject.case.date_of(timepoint)

    assert study.pd_date == date(expected.pd_visit)
    assert (study.pd_site or "", study.pd_subtype or "") == (expected.pd_site, expected.pd_subtype)
    assert study.pd_reasons == expected.pd_reasons
    assert study.first_hepatic_pd_date == date(expected.first_hepatic_visit)
    assert study.first_extrahepatic_pd_date == date(expected.first_extrahepatic_visit)


# --- what only one of them shows ------------------------------------------------------------------------------------


@only(CaseName.SPLIT)
def test_fragments_add_up_in_the_sum() -> None:
    study = gone(CaseName.SPLIT).judged.primary
    assert study is not None
    assert float(study.visits[0].sum_mm or 0) == pytest.approx(22 + 18 + 28, abs=4.5)


@only(CaseName.TOUCH)
def test_touching_lesions_are_one_piece_of_mask() -> None:
    """The case is what it says: without a separation there would be one lesion fewer at every visit."""
    for visit in gone(CaseName.TOUCH).visits:
        _, pieces = ndimage.label(visit.segmentation.lesions > 0, np.ones((3, 3, 3)))
        assert pieces == len(visit.lesions) - 1


@only(CaseName.HEPATECTOMY)
def test_the_remnant_is_what_is_left_moved_and_grown() -> None:
    """More than half of the liver goes; distances between the lesions of the remnant grow by 5 to 10 %."""
    ran = gone(CaseName.HEPATECTOMY)
    litres = []
    for visit in ran.visits:
        assert visit.segmentation.liver is not None
        litres.append(float(visit.segmentation.liver.sum()) * visit.volume.grid.voxel_volume_mm3 / 1e6)
    assert 0.2 < litres[2] / litres[1] < 0.5
    unharmed = CaseSubject(replace(ran.subject.case, hepatectomy=None))
    there = np.array([x.body.centre_lps_mm for x in unharmed.lesions_at(2)])
    here = np.array([x.body.centre_lps_mm for x in ran.subject.lesions_at(2)])
    assert len(here) == 3
    assert np.linalg.norm(here - there, axis=1).min() > 10
    grown = [
        np.linalg.norm(here[a] - here[b]) / np.linalg.norm(there[a] - there[b]) for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert 1.05 < np.mean(grown) < 1.10


@only(CaseName.STAGED)
def test_both_sessions_are_one_treatment_phase() -> None:
    """Ablation and SBRT four weeks later: one re-baseline, after the second."""
    ran = gone(CaseName.STAGED)
    study = ran.judged.primary
    assert study is not None
    assert [visit.rebaseline for visit in study.visits] == [True, False, False, False]
    sessions = {t.session for track in ran.seen.history.tracks for t in track.treatments}
    assert sessions == {"1", "2"}


@only(CaseName.SEVERAL_VOLUMES)
def test_each_volume_of_a_visit_gives_its_own_lesions() -> None:
    ran = gone(CaseName.SEVERAL_VOLUMES)
    modality = {scan.series_uid: scan.modality for visit in ran.seen.history.subject.visits for scan in visit.scans}
    assert {(x.site, modality[x.series_uid]) for x in ran.seen.history.lesions} == {("LIVER", "MR"), ("LUNG", "CT")}


@only(WITH_A_READER)
def test_a_new_lesion_on_an_untrusted_registration_is_equivocal_until_a_reader_decides() -> None:
    """Contract, section 4: a machine's new lesion is unequivocal only where the registration is trusted.

    The chest CTs mark no liver and have one lesion to match, so that theirs is not.
    """
    ran = gone(WITH_A_READER)
    (track,) = [track for track in ran.seen.history.tracks if track.first_timepoint == 2]
    new = ran.seen.history.lesion(*track.lesions[0])
    ways = [way for way in ran.seen.history.registrations if way.series_to == new.series_uid]
    assert ways and not any(way.trusted for way in ways) and all("no liver mask" in way.reason for way in ways)
    study = ran.judged.primary
    assert study is not None and study.pd_date is None and study.first_extrahepatic_pd_date is None
    last = study.visits[-1]
    assert (str(last.overall), last.new_lesion) == ("SD", "EQUIVOCAL")
    said = SetNewness(lesion=LesionRef.of(new), newness=NewStatus.UNEQUIVOCAL)
    decisions = sequence([said], subject_id=ran.subject.plan.subject_id, reader="reader")
    read = replay(ran.seen.history, decisions, Settings())
    # Progression by a new lesion is dated by the scan that shows it (response rules): the chest CT, not the visit.
    assert new.date < ran.subject.case.date_of(2)
    verdict_is_true(ran, judge(read.history, Settings()), new_on=new.date)


@only(CaseName.TRUNCATED)
def test_the_field_of_view_cuts_the_liver() -> None:
    liver = gone(CaseName.TRUNCATED).visits[2].segmentation.liver
    assert liver is not None
    assert liver[0].any() and not gone(CaseName.TRUNCATED).visits[1].segmentation.liver[0].any()  # type: ignore[index]


@only(CaseName.TEN_VISITS)
def test_every_lesion_is_one_track_over_ten_visits() -> None:
    for track in gone(CaseName.TEN_VISITS).seen.history.tracks:
        assert [timepoint for timepoint, _ in track.lesions] == list(range(10))


# --- the cases themselves -------------------------------------------------------------------------------------------


@cases()
def test_a_case_is_always_the_same(name: CaseName) -> None:
    assert case(name) == case(name)
    assert case_plan(name).subject_id == f"CASE-{name}"
    assert any(lesion.place != LesionPlace() for lesion in case_plan(name).lesions)


def test_cases_are_written_as_a_study(tmp_path: Path) -> None:
    """Files and truth of a case, by the writer of phantom studies; a visit of two scans is beyond that truth's form."""
    assert [name for name in CaseName if not case(name).one_scan_a_visit] == [CaseName.SEVERAL_VOLUMES]
    write_made_subjects(tmp_path, [case_subject(CaseName.SPLIT)])
    with (tmp_path / "truth" / "lesions.csv").open() as file:
        rows = list(csv.DictReader(file))
    at_last = {row["true_lesion"]: float(row["longest_diameter_mm"]) for row in rows if row["timepoint"] == "2"}
    assert (at_last["T01a"], at_last["T01b"], at_last.get("T01")) == (22.0, 18.0, None)
    assert len(list((tmp_path / "images" / "CASE-SPLIT").glob("*/seg.dcm"))) == 3
