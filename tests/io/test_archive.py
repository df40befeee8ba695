"""Subjects, visits, attached segmentations, rivals, identities; the catalogue's memory."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from lesiontrack.domain.study import ClinicalFacts, LocalTreatment, Scan
from lesiontrack.errors import StudyError
from lesiontrack.io.archive import index
from lesiontrack.io.settings import ArchiveSettings, LabelSettings
from lesiontrack.io.study import locate, open_study, read_scan
from lesiontrack.io.visits import group_into_visits, treatment_dates

MakeSeg = Callable[..., Any]
SETTINGS = ArchiveSettings()
MASK = np.zeros((8, 12, 14), dtype=np.uint8)
MASK[2:5, 3:8, 4:9] = 1
LESION = [{"label": "Lesion"}]
LIVER = [{"category": "anatomy", "type": "liver"}]


def _visit(maker: Any, make_seg: MakeSeg, date: str, *, seg: bool = True, subject_id: str = "S1") -> None:
    """Write one study: a CT of 8 slices and its segmentation."""
    maker.date, maker.subject_id = date, subject_id
    maker.series_uid = f"1.2.3.{date}.{sum(map(ord, subject_id))}"
    slices = maker.stack()
    maker.write(slices, prefix=f"{subject_id}-{date}-")
    if seg:
        uid = f"{maker.series_uid}.9"
        maker.write([make_seg(slices, MASK[..., None], LESION, series_uid=uid, sop_uid=f"{uid}.1")], prefix=f"{uid}-")


def test_subjects_and_visits_in_time_order(maker: Any, make_seg: MakeSeg) -> None:
    for date in ("20200601", "20200106", "20200120", "20200121"):
        _visit(maker, make_seg, date)
    _visit(maker, make_seg, "20190101", subject_id="A0")
    catalogue = index(maker.folder, SETTINGS)
    assert [subject.subject_id for subject in catalogue.subjects] == ["A0", "S1"]
    visits = catalogue.subject("S1").visits
    assert [[scan.date.isoformat() for scan in visit.scans] for visit in visits] == [
        ["2020-01-06", "2020-01-20"],
        ["2020-01-21"],
        ["2020-06-01"],
    ]
    assert [visit.date.isoformat() for visit in visits] == ["2020-01-20", "2020-01-21", "2020-06-01"]
    assert all(visit.usable for visit in visits)
    assert catalogue.failures == ()
    with pytest.raises(StudyError, match="no such subject"):
        catalogue.subject("Z")


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2020-01-05", [["2020-01-06", "2020-01-13"]]),
        ("2020-01-06", [["2020-01-06"], ["2020-01-13"]]),
        ("2020-01-12", [["2020-01-06"], ["2020-01-13"]]),
        # A scan on the day of treatment belongs before it.
        ("2020-01-13", [["2020-01-06", "2020-01-13"]]),
    ],
)
@pytest.mark.parametrize("kind", ["treatment start", "local treatment"])
def test_no_visit_spans_a_treatment(
    maker: Any, make_seg: MakeSeg, start: str, expected: list[list[str]], kind: str
) -> None:
    for date in ("20200106", "20200113"):
        _visit(maker, make_seg, date)
    day = dt.date.fromisoformat(start)
    if kind == "treatment start":
        facts = ClinicalFacts(treatment_start_date=day)
    else:
        facts = ClinicalFacts(local_treatments=(LocalTreatment(date=day, method="ABLATION"),))
    catalogue = index(maker.folder, SETTINGS, clinical={"S1": facts})
    found = [[scan.date.isoformat() for scan in visit.scans] for visit in catalogue.subjects[0].visits]
    assert found == expected


@given(
    days=st.lists(st.integers(0, 200), min_size=1, max_size=12),
    window=st.integers(0, 30),
    barriers=st.lists(st.integers(0, 200), max_size=3),
    seed=st.randoms(),
)
def test_visits_never_exceed_the_window_nor_span_a_treatment(
    days: list[int], window: int, barriers: list[int], seed: Any
) -> None:
    epoch = dt.date(2020, 1, 1)
    scans = [
        Scan(series_uid=str(number), date=epoch + dt.timedelta(day), modality="CT") for number, day in enumerate(days)
    ]
    cuts = [epoch + dt.timedelta(day) for day in barriers]
    groups = group_into_visits(scans, window_days=window, barriers=cuts)
    assert sorted(scan.series_uid for group in groups for scan in group) == sorted(scan.series_uid for scan in scans)
    for group in groups:
        first, last = group[0].date, group[-1].date
        assert (last - first).days <= window
        assert not any(first <= cut < last for cut in cuts)
    shuffled = list(scans)
    seed.shuffle(shuffled)
    assert group_into_visits(shuffled, window_days=window, barriers=cuts) == groups


def test_treatment_dates_of_nobody() -> None:
    assert treatment_dates(None) == ()


def test_a_visit_holds_several_volumes_and_measures_the_segmented_one(maker: Any, make_seg: MakeSeg) -> None:
    _visit(maker, make_seg, "20200106")
    maker.series_uid = "1.2.3.88"
    maker.write(maker.stack(modality="MR", SeriesDescription="T1 arterial"), prefix="mr")
    (visit,) = index(maker.folder, SETTINGS).subjects[0].visits
    assert [(scan.modality, scan.measured, scan.phase_of_contrast) for scan in visit.scans] == [
        ("CT", True, ""),
        ("MR", False, "ARTERIAL"),
    ]
    assert [scan.modality for scan in visit.measured_scans] == ["CT"]


def test_a_visit_without_segmentation_is_unusable_and_a_failure(maker: Any, make_seg: MakeSeg) -> None:
    _visit(maker, make_seg, "20200106")
    _visit(maker, make_seg, "20200406", seg=False)
    catalogue = index(maker.folder, SETTINGS)
    visits = catalogue.subjects[0].visits
    assert [visit.usable for visit in visits] == [True, False]
    (failure,) = catalogue.failures
    assert (failure.subject_id, failure.timepoint, failure.severity) == ("S1", 1, "ERROR")
    assert "no segmentation" in failure.message and "2020-04-06" in failure.message


def _report_beside(maker: Any) -> Dataset:
    """Return a measurement report of the study that was written last: one finding with a tracking UID, one without."""
    image = pydicom.dcmread(next(path for path in sorted(maker.folder.iterdir()) if path.name.startswith("S1-")))
    group = _item("CONTAINER", "125007", Items([_item("UIDREF", "112040")]))
    report = Dataset()
    report.update(_item("CONTAINER", "126000"))
    measured = _item("CONTAINER", "126010", Items([group, _item("CONTAINER", "125007")]))
    report.ContentSequence = Items([measured])
    for word in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate"):
        setattr(report, word, image[word].value)
    report.Modality, report.SOPClassUID, report.SOPInstanceUID = "SR", "1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.99"
    report.SeriesInstanceUID = "1.2.3.98"
    return report


def _item(kind: str, code: str, content: Any = None) -> Dataset:
    name, item = Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = code, "DCM", "a concept"
    item.ValueType, item.ConceptNameCodeSequence = kind, Items([name])
    if kind == "UIDREF":
        item.UID = "1.2.3.4"
    if content is not None:
        item.ContentSequence = content
    return item


@pytest.mark.parametrize("seg", [True, False])
def test_a_measurement_report_is_listed_with_what_it_holds_and_replaces_no_segmentation(
    maker: Any, make_seg: MakeSeg, seg: bool
) -> None:
    _visit(maker, make_seg, "20200106", seg=seg)
    report = _report_beside(maker)
    report.save_as(maker.folder / "sr", implicit_vr=False, little_endian=True)
    found = index(maker.folder, SETTINGS)
    (notice,) = found.ignored
    assert Path(notice.file).name == "sr"
    assert "a measurement report (findings: 2, with a tracking UID: 1)" in notice.reason
    assert "the table findings" in notice.reason
    ((visit,),) = [subject.visits for subject in found.subjects]
    assert visit.usable is seg
    assert ("the measurement report of its study does not replace one" in visit.problem) is not seg


def test_a_structured_report_of_another_kind_is_no_measurement_report(maker: Any, make_seg: MakeSeg) -> None:
    _visit(maker, make_seg, "20200106", seg=False)
    report = _report_beside(maker)
    report.ConceptNameCodeSequence[0].CodeValue = "121060"
    report.save_as(maker.folder / "sr", implicit_vr=False, little_endian=True)
    found = index(maker.folder, SETTINGS)
    assert [notice.reason for notice in found.ignored] == ["no CT or MR image (modality SR)"]
    assert "measurement report" not in found.subjects[0].visits[0].problem


def test_a_segmentation_that_references_nothing_known_names_its_file(maker: Any, make_seg: MakeSeg) -> None:
    _visit(maker, make_seg, "20200106")
    slices = maker.stack()
    foreign = make_seg(slices, MASK[..., None], LESION, series_uid="1.2.9.5", sop_uid="1.2.9.5.1")
    foreign.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3.404"
    _visit(maker, make_seg, "20200406", seg=False)
    foreign.StudyInstanceUID, foreign.StudyDate = "1.2.4.20200406", "20200406"
    maker.write([foreign], prefix="foreign")
    catalogue = index(maker.folder, SETTINGS)
    assert [visit.usable for visit in catalogue.subjects[0].visits] == [True, False]
    (failure,) = catalogue.failures
    assert (failure.stage, failure.timepoint, failure.error) == ("segmentation", 1, "SegmentationError")
    assert failure.file.endswith("foreign0000") and "1.2.3.404" in failure.message


def test_segmentations_that_differ_in_kind_are_joined(maker: Any, make_seg: MakeSeg) -> None:
    slices = maker.stack()
    maker.write(slices)
    whole = np.ones((8, 12, 14, 1), dtype=np.uint8)
    maker.write([make_seg(slices, whole, LIVER, series_uid="1.2.9.1", sop_uid="1.2.9.1.1")], prefix="liver")
    maker.write([make_seg(slices, MASK[..., None], LESION, series_uid="1.2.9.2", sop_uid="1.2.9.2.1")], prefix="les")
    zone = [{"label": "Ablation zone"}]
    maker.write([make_seg(slices, MASK[::-1][..., None], zone, series_uid="1.2.9.3", sop_uid="1.2.9.3.1")], prefix="z")
    (visit,) = index(maker.folder, SETTINGS).subjects[0].visits
    _, found = read_scan(SETTINGS, LabelSettings())(visit.scans[0])
    assert found is not None and found.liver is not None and found.zones is not None
    assert found.liver.all()
    assert np.array_equal(found.lesions, MASK)
    assert np.array_equal(found.zones, MASK[::-1])
    assert sorted(found.sources) == ["1.2.9.1.1", "1.2.9.2.1", "1.2.9.3.1"]


def _rivals(maker: Any, make_seg: MakeSeg, regions: tuple[str | None, str | None] = (None, None)) -> None:
    slices = maker.stack()
    maker.write(slices)
    for number, region in enumerate(regions, start=1):
        made = make_seg(
            slices,
            np.roll(MASK, number, axis=2)[..., None],
            [{"label": f"Lesion {number}", "region": region}],
            series_uid=f"1.2.9.{number}",
            sop_uid=f"1.2.9.{number}.1",
            series_description=f"Reader {number}",
        )
        maker.write([made], prefix=f"seg{number}-")


def test_rival_lesion_segmentations_make_the_visit_unusable(maker: Any, make_seg: MakeSeg) -> None:
    _rivals(maker, make_seg)
    catalogue = index(maker.folder, SETTINGS)
    (visit,) = catalogue.subjects[0].visits
    assert not visit.usable and "2 rival lesion segmentations" in visit.problem
    (failure,) = catalogue.failures
    assert "segmentation_source" in failure.message and failure.timepoint == 0
    assert len(catalogue.refused) == 2


@pytest.mark.parametrize(("source", "name"), [("reader 2", "Lesion 2"), (["nobody", "READER 1"], "Lesion 1")])
def test_segmentation_source_chooses_among_rivals(maker: Any, make_seg: MakeSeg, source: Any, name: str) -> None:
    _rivals(maker, make_seg)
    settings = ArchiveSettings.model_validate({"segmentation_source": source})
    catalogue = index(maker.folder, settings)
    (visit,) = catalogue.subjects[0].visits
    assert visit.usable and catalogue.failures == ()
    _, found = read_scan(settings, LabelSettings())(visit.scans[0])
    assert found is not None
    assert [segment.name for segment in found.segments] == [name]


def test_lesion_segmentations_of_different_sites_are_no_rivals(maker: Any, make_seg: MakeSeg) -> None:
    _rivals(maker, make_seg, ("liver", "lung"))
    (visit,) = index(maker.folder, SETTINGS).subjects[0].visits
    _, found = read_scan(SETTINGS, LabelSettings())(visit.scans[0])
    assert found is not None
    assert sorted(str(segment.site) for segment in found.segments) == ["LIVER", "LUNG"]


def test_a_copy_of_a_segmentation_is_no_rival(maker: Any, make_seg: MakeSeg) -> None:
    _visit(maker, make_seg, "20200106")
    (seg,) = [path for path in maker.folder.iterdir() if ".9-" in path.name]
    shutil.copy(seg, maker.folder / "copy")
    catalogue = index(maker.folder, SETTINGS)
    assert catalogue.subjects[0].visits[0].usable
    assert "second copy" in catalogue.ignored[0].reason


@pytest.mark.parametrize(
    ("element", "value", "what"),
    [
        ("PatientBirthDate", "19610203", "birth date"),
        ("PatientSex", "M", "sex"),
        ("PatientName", "ROE^RICHARD", "name"),
    ],
)
def test_one_id_with_two_identities_is_refused_by_name_and_tells_nothing_else(
    maker: Any, make_seg: MakeSeg, element: str, value: str, what: str
) -> None:
    _visit(maker, make_seg, "20200106", subject_id="GOOD")
    maker.subject_id, maker.series_uid = "S1", "1.2.3.1"
    maker.write(maker.stack(), prefix="one")
    maker.series_uid = "1.2.3.2"
    maker.write(maker.stack(**{element: value}), prefix="two")
    catalogue = index(maker.folder, SETTINGS)
    assert [subject.subject_id for subject in catalogue.subjects] == ["GOOD"]
    (failure,) = catalogue.failures
    assert failure.subject_id == "S1" and f"patient's {what}" in failure.message
    told = " ".join([failure.message, *(notice.reason for notice in catalogue.refused)]).upper()
    assert not any(word in told for word in ("DOE", "ROE", "JANE", "1950", "1961"))


def test_an_empty_or_differently_spaced_attribute_is_no_contradiction(maker: Any) -> None:
    maker.write(maker.stack(), prefix="one")
    maker.series_uid = "1.2.3.2"
    maker.write(maker.stack(PatientName="Doe Jane", PatientBirthDate="", PatientSex=""), prefix="two")
    assert len(index(maker.folder, SETTINGS).subjects) == 1


def test_one_id_from_two_issuers_is_refused(maker: Any) -> None:
    maker.write(maker.stack(IssuerOfPatientID="A"), prefix="one")
    maker.series_uid = "1.2.3.2"
    maker.write(maker.stack(IssuerOfPatientID="B"), prefix="two")
    catalogue = index(maker.folder, SETTINGS)
    assert catalogue.subjects == ()
    assert "2 issuers" in catalogue.failures[0].message


def test_the_database_holds_no_patient_attribute(maker: Any, tmp_path: Path) -> None:
    maker.write(maker.stack())
    database = tmp_path / "out" / "catalogue.sqlite"
    index(maker.folder, SETTINGS, database=database)
    content = database.read_bytes()
    assert b"S1" in content
    assert b"DOE" not in content and b"JANE" not in content and b"19500102" not in content


def test_only_new_and_changed_files_are_opened_again(maker: Any, tmp_path: Path) -> None:
    maker.write(maker.stack())
    database = tmp_path / "catalogue.sqlite"
    first = index(maker.folder, SETTINGS, database=database)
    again = index(maker.folder, SETTINGS, database=database)
    assert (first.files, first.fresh, again.fresh) == (8, 8, 0)
    assert again == replace(first, fresh=0, subjects=again.subjects)
    _assert_same(first, again)
    # The same files under other settings: worked out anew, though no file is opened.
    narrow = index(maker.folder, ArchiveSettings(minimum_slices=9), database=database)
    assert narrow.fresh == 0 and narrow.subjects == ()
    os.utime(maker.folder / "0003", ns=(1, 1))
    maker.write([maker.slice((-10, -20, 10))], prefix="new")
    (maker.folder / "0000").unlink()
    third = index(maker.folder, SETTINGS, database=database)
    assert (third.files, third.fresh) == (8, 2)
    scan = third.subjects[0].visits[0].scans[0]
    assert scan.grid is not None and scan.grid.origin_lps_mm[2] == pytest.approx(-25)


def _assert_same(one: Any, other: Any) -> None:
    for before, after in zip(one.subjects[0].visits[0].scans, other.subjects[0].visits[0].scans, strict=True):
        assert before.files == after.files
        assert before.grid.is_close(after.grid, tolerance_mm=0)
        assert (before.date, before.notes, before.slice_thickness_mm) == (
            after.date,
            after.notes,
            after.slice_thickness_mm,
        )


def test_verify_finds_a_change_behind_an_unchanged_size_and_time(maker: Any, tmp_path: Path) -> None:
    maker.write(maker.stack())
    database = tmp_path / "catalogue.sqlite"
    assert index(maker.folder, SETTINGS, database=database, verify=True).changed == ()
    path = maker.folder / "0003"
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert index(maker.folder, SETTINGS, database=database).changed == ()
    assert index(maker.folder, SETTINGS, database=database, verify=True).changed == ("0003",)


def test_a_database_that_is_none_is_refused_by_name(maker: Any, tmp_path: Path) -> None:
    maker.write(maker.stack())
    database = tmp_path / "catalogue.sqlite"
    database.write_text("this is no database, and it is longer than a header of sqlite\n" * 9)
    with pytest.raises(StudyError, match="no SQLite database"):
        index(maker.folder, SETTINGS, database=database)


def test_progress_counts_every_file(maker: Any) -> None:
    maker.write(maker.stack())
    seen: list[tuple[int, int]] = []
    index(maker.folder, SETTINGS, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (8, 8)
    assert seen == sorted(seen)


def test_a_file_name_says_nothing_and_text_is_ignored(maker: Any) -> None:
    maker.write(maker.stack())
    (maker.folder / "0000").rename(maker.folder / "readme.txt")
    (maker.folder / "notes.dcm").write_text("not DICOM at all")
    (maker.folder / "empty.dcm").touch()
    catalogue = index(maker.folder, SETTINGS)
    assert len(catalogue.subjects[0].visits[0].scans[0].files) == 8
    assert sorted(Path(notice.file).name for notice in catalogue.ignored) == ["empty.dcm", "notes.dcm"]


def test_links_to_folders_and_to_nothing_are_named_and_the_rest_is_read(maker: Any, tmp_path: Path) -> None:
    maker.write(maker.stack())
    (tmp_path / "elsewhere").mkdir()
    (maker.folder / "linked").symlink_to(tmp_path / "elsewhere")
    (maker.folder / "0000a").symlink_to(tmp_path / "nothing")
    catalogue = index(maker.folder, SETTINGS)
    told = {Path(notice.file).name: notice.reason for notice in catalogue.refused}
    assert "not followed" in told["linked"] and "No such file" in told["0000a"]
    assert len(catalogue.subjects[0].visits[0].scans[0].files) == 8


def test_every_file_that_a_volume_leaves_out_is_listed(maker: Any) -> None:
    scout = maker.slice((-100, 0, 80), orientation=(1, 0, 0, 0, 0, -1), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    maker.write([scout, *maker.stack()])
    shutil.copy(maker.folder / "0003", maker.folder / "copy")
    (notice,) = index(maker.folder, SETTINGS).ignored
    assert {Path(file).name for file in (notice.file, *notice.others)} == {"0000", "copy"}
    assert "1 localizer" in notice.reason and "1 duplicate" in notice.reason


def test_the_file_that_spoils_a_series_is_the_one_that_its_failure_names(
    maker: Any, truncate: Callable[[Path, int], None]
) -> None:
    maker.write(maker.stack())
    truncate(maker.folder / "0005", 50)
    (failure,) = index(maker.folder, SETTINGS).failures
    assert Path(failure.file).name == "0005" and "truncated" in failure.message


def test_a_series_without_date_or_subject_is_refused(maker: Any) -> None:
    maker.write(maker.stack(StudyDate=""), prefix="a")
    maker.series_uid = "1.2.3.2"
    maker.write(maker.stack(PatientID=""), prefix="b")
    catalogue = index(maker.folder, SETTINGS)
    assert catalogue.subjects == ()
    assert {notice.reason for notice in catalogue.refused} == {"no date", "no PatientID: the subject is not known"}


def test_open_study_joins_images_and_clinical_tables(maker: Any, make_seg: MakeSeg) -> None:
    _visit(maker, make_seg, "20200106")
    _visit(maker, make_seg, "20200107", subject_id="S2")
    clinical = maker.folder.parent / "clinical"
    clinical.mkdir()
    (clinical / "subjects.csv").write_text("subject_id,arm,treatment_start_date,age\nS1,LOCAL,2020-02-01,61\n")
    study = open_study(maker.folder.parent, SETTINGS, LabelSettings())
    assert [subject.subject_id for subject in study.subjects] == ["S1", "S2"]
    assert study.subjects[0].clinical == ClinicalFacts(arm="LOCAL", treatment_start_date=dt.date(2020, 2, 1))
    assert study.subjects[1].clinical is None
    assert dict(study.clinical.covariates["S1"]) == {"age": "61"}
    (problem,) = study.problems
    assert (problem.subject_id, problem.stage) == ("S2", "clinical")


def test_a_folder_without_images_is_itself_the_archive(maker: Any, make_seg: MakeSeg) -> None:
    _visit(maker, make_seg, "20200106")
    assert locate(maker.folder).images == maker.folder
    assert locate(maker.folder.parent).images == maker.folder
    assert len(open_study(maker.folder, SETTINGS, LabelSettings()).subjects) == 1


def test_study_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study folder"):
        locate(tmp_path / "nowhere")
    with pytest.raises(StudyError, match="are not there"):
        locate(tmp_path, "elsewhere")
    with pytest.raises(StudyError, match="no address of a DICOMweb archive"):
        locate(tmp_path, "dicomweb+ftp://localhost/x")
    with pytest.raises(StudyError, match="no subject with a volume"):
        open_study(tmp_path, SETTINGS, LabelSettings())
