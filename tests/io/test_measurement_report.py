"""TID 1500 reports: those of others as what they say, our own as what they were written from."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import highdicom as hd
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.sr.coding import Code

from lesiontrack.domain.study import Site
from lesiontrack.errors import ImageError
from lesiontrack.io.measurement_report import Group, Reference, read_measurement_report
from lesiontrack.io.report_write import write_visit_report
from lesiontrack.io.visit_report import ReportedLesion, ReportedResponse, VisitReport, read_visit_report

CT = "1.2.840.10008.5.1.4.1.1.2"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"


# --- reports of others ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def imaging(shared_data: Path) -> Path:
    return shared_data / "imaging"


def _values(group: Group) -> list[tuple[str, str, str]]:
    return [(measured.name.meaning, str(measured.value), measured.unit) for measured in group.measurements]


def test_dcmqi_example(imaging: Path) -> None:
    """The example of dcmqi: a segment, 22 measurements, a time point that is none of them."""
    report = read_measurement_report(imaging / "dcmqi" / "sr-example" / "sr.dcm")
    (group,) = report.groups
    assert (group.tracking_id, group.finding and group.finding.meaning) == ("primary tumor", "Neoplasm, Primary")
    assert [site.meaning for site in group.sites] == ["pharyngeal tonsil (adenoid)"]
    assert group.time_point.name == "1"
    found = _values(group)
    assert len(found) == 22
    assert found[4] == ("Volume", "33.5824", "ml")
    assert {m.derivation.meaning for m in group.measurements if m.derivation} >= {"Mean", "Minimum", "Maximum"}
    segmentation = pydicom.dcmread(imaging / "dcmqi" / "sr-example" / "seg.dcm", stop_before_pixels=True)
    assert [(s.sop_instance_uid, s.segment) for s in group.segments] == [(segmentation.SOPInstanceUID, 1)]


def test_highdicom_examples(imaging: Path) -> None:
    folder = imaging / "highdicom_seg"
    (planar,) = read_measurement_report(folder / "sr_document.dcm").groups
    assert _values(planar) == [("Area of defined region", "1.7", "cm2")]
    (circle,) = planar.regions
    assert (circle.graphic_type, circle.points) == ("CIRCLE", ((58.0, 52.0), (58.0, 41.0)))
    assert circle.image is not None and circle.image.sop_class_uid == CT
    groups = read_measurement_report(folder / "sr_document_with_multiple_groups.dcm").groups
    assert [group.tracking_id for group in groups] == ["Image0001", "LungNodule0001", "Aorta0001", "Vertebra0001"]
    assert [_values(group)[0][1:] for group in groups] == [
        ("-119.07385253906", "[hnsf'U]"),
        ("10.0", "mm"),
        ("20.0", "mm"),
        ("200.0", "mm3"),
    ]
    assert groups[1].evaluations[0].value.meaning == "Not significant"
    assert groups[3].regions[0].points[0] == pytest.approx((123.5, 234.1, -23.7), abs=1e-5)


def test_reports_of_public_archives(imaging: Path) -> None:
    (lung,) = [read_measurement_report(path) for path in (imaging / "ohif" / "nlst_sr").iterdir()]
    assert len(lung.groups) == 8
    assert {group.sites[0].value for group in lung.groups} == {"39607008"}
    assert all(group.regions[0].image is not None and len(group.regions[0].points) == 5 for group in lung.groups)
    (prostate,) = [read_measurement_report(path) for path in (imaging / "ohif" / "prostatex_sr").iterdir()]
    assert [group.tracking_id for group in prostate.groups] == ["2", "1"]
    assert [len(group.regions[0].points[0]) for group in prostate.groups] == [3, 3]


def test_what_is_no_report_is_refused(imaging: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no imaging measurement report"):
        read_measurement_report(imaging / "highdicom_seg" / "ct_image.dcm")
    with pytest.raises(ImageError, match="report without a time point"):
        read_visit_report(imaging / "highdicom_seg" / "sr_document.dcm")
    (tmp_path / "x.dcm").write_bytes(b"nothing")
    with pytest.raises(ImageError):
        read_measurement_report(tmp_path / "x.dcm")


# --- our own --------------------------------------------------------------------------------------------------------


def _header(sop_class: str, uid: str, modality: str) -> pydicom.Dataset:
    header = pydicom.Dataset()
    header.SOPClassUID, header.SOPInstanceUID, header.SeriesInstanceUID = sop_class, uid, f"{uid}.9"
    header.StudyInstanceUID, header.PatientID, header.Modality = "1.2.3", "=1+1 é", modality
    header.SpecificCharacterSet = "ISO_IR 192"
    header.StudyDate, header.StudyTime, header.SeriesDate = "20200106", "083000", "20200106"
    for keyword in ("PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        setattr(header, keyword, "")
    header.ReferringPhysicianName = ""
    header.Rows = header.Columns = 64
    return header


EVIDENCE = [_header(CT, "1.2.3.4", "CT"), _header(SEG, "1.2.3.5", "SEG")]
WORDS = st.sampled_from(["CR", "PR", "SD", "PD", "NE", "NON-CR/NON-PD", "NED", "REBASELINE"])
AXIS = st.integers(-900_000, 900_000).map(lambda n: n / 1000)
CHORDS = st.tuples(st.tuples(AXIS, AXIS, AXIS), st.tuples(AXIS, AXIS, AXIS))
LENGTHS = st.integers(0, 4000).map(lambda n: Decimal(n) / 10)
ROLES = st.sets(
    st.tuples(st.sampled_from(["INDUCTION", "STUDY"]), st.sampled_from(["TARGET", "NON_TARGET", "NEW"])), max_size=2
)


@st.composite
def lesions(draw: st.DrawFn, number: int) -> ReportedLesion:
    """Any lesion: with or without lengths, mask and roles."""
    measured, masked = draw(st.booleans()), draw(st.booleans())
    short = draw(st.booleans()) and measured
    image = Reference(sop_class_uid=CT, sop_instance_uid="1.2.3.4", frames=draw(st.sampled_from([(), (7,)])))
    return ReportedLesion(
        tracking_id=f"L{number:02d}",
        tracking_uid=f"2.25.{draw(st.integers(1, 2))}",
        site=draw(st.sampled_from([str(site) for site in Site])),
        status=draw(st.sampled_from(["PRESENT", "TSTM"])),
        frame_of_reference_uid="1.2.9" if measured else "",
        longest_diameter_mm=draw(LENGTHS) if measured else None,
        longest_ends_lps_mm=draw(CHORDS) if measured else None,
        short_axis_mm=draw(LENGTHS) if short else None,
        short_ends_lps_mm=draw(CHORDS) if short else None,
        volume_mm3=draw(st.none() | LENGTHS),
        roles=tuple(sorted(draw(ROLES))),
        image=image if measured else None,
        segment=Reference(sop_class_uid=SEG, sop_instance_uid="1.2.3.5", segment=number) if masked else None,
    )


@st.composite
def reports(draw: st.DrawFn) -> VisitReport:
    """Any report."""
    keys = draw(
        st.sets(st.tuples(st.sampled_from(["INDUCTION", "STUDY"]), st.sampled_from(["recist11", "own"])), max_size=3)
    )
    return VisitReport(
        subject_id="=1+1 é",
        timepoint=draw(st.integers(0, 40)),
        date=draw(st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1))),
        is_baseline=draw(st.booleans()),
        days_from_baseline=draw(st.integers(-400, 4000)),
        lesions=tuple(draw(lesions(number)) for number in range(1, draw(st.integers(0, 3)) + 1)),
        responses=tuple(
            ReportedResponse(
                phase=phase,
                rules=rules,
                reader=draw(st.sampled_from(["machine", "A. Reader"])),
                overall=draw(WORDS),
                target=draw(WORDS | st.sampled_from(["NA", ""])),
                non_target=draw(WORDS | st.sampled_from(["NA", ""])),
                new_lesion=draw(st.sampled_from(["YES", "NO", "EQUIVOCAL", ""])),
                provisional=draw(st.booleans()),
            )
            for phase, rules in sorted(keys)
        ),
    )


@given(report=reports())
@settings(max_examples=30)
def test_a_report_comes_back_as_what_it_was_written_from(
    report: VisitReport, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("report") / "sr.dcm"
    write_visit_report(report, EVIDENCE, path, series_number=1)
    assert read_visit_report(path) == report


def _visit(**changes: Any) -> VisitReport:
    lesion = ReportedLesion(
        tracking_id="L01",
        tracking_uid="2.25.7",
        site="LIVER",
        status="PRESENT",
        frame_of_reference_uid="1.2.9",
        longest_diameter_mm=Decimal("12.3"),
        longest_ends_lps_mm=((0.1, 0.2, 0.3), (12.4, 0.2, 0.3)),
        volume_mm3=Decimal("1234.5"),
        roles=(("STUDY", "TARGET"),),
        image=Reference(sop_class_uid=CT, sop_instance_uid="1.2.3.4"),
        segment=Reference(sop_class_uid=SEG, sop_instance_uid="1.2.3.5", segment=2),
    )
    response = ReportedResponse(
        phase="STUDY", rules="recist11-local", reader="machine", overall="PD", target="PD", non_target="NON-CR/NON-PD"
    )
    return VisitReport(
        subject_id="S",
        timepoint=2,
        date=dt.date(2020, 5, 4),
        is_baseline=False,
        days_from_baseline=56,
        lesions=(lesion,),
        responses=(response,),
        **changes,
    )


def test_words_have_the_codes_of_the_standard(tmp_path: Path) -> None:
    """RECIST 1.1, roles at baseline, component responses and the time point by their DICOM codes."""
    report = read_measurement_report(write_visit_report(_visit(), EVIDENCE, tmp_path / "sr.dcm", series_number=1))
    lengths, masked = report.groups
    values = [(e.value.scheme_designator, e.value.value) for e in (*lengths.evaluations, *report.evaluations)]
    assert values[1:] == [
        ("DCM", "112074"),
        ("99LESIONTRACK", "PD"),
        ("DCM", "112043"),
        ("DCM", "112046"),
    ]
    criteria = [value for e in report.evaluations for name, value in e.said if name.value == "112021"]
    assert {value.value for value in criteria if isinstance(value, Code)} == {"126081"}
    assert lengths.time_point == masked.time_point
    assert (lengths.time_point.order, lengths.time_point.offset) == (2, Decimal(56))
    assert lengths.time_point.offset_unit == "d"
    assert lengths.time_point.kind is not None and lengths.time_point.kind.value == "126074"
    assert [m.name.value for m in (*lengths.measurements, *masked.measurements)] == ["103339001", "118565006"]


def test_highdicom_reads_the_groups(tmp_path: Path) -> None:
    """Filtered by name, as its own measurements hold the time point's order and offset too."""
    path = write_visit_report(_visit(), EVIDENCE, tmp_path / "sr.dcm", series_number=1)
    content = hd.sr.srread(path).content
    (volumetric,) = content.get_volumetric_roi_measurement_groups(tracking_uid="2.25.7")
    (volume,) = volumetric.get_measurements(name=Code("118565006", "SCT", "Volume"))
    assert volume.value == 1234.5
    assert volumetric.referenced_segment.referenced_sop_instance_uid == "1.2.3.5"
    (lengths,) = content.get_image_measurement_groups(tracking_uid="2.25.7")
    (longest,) = lengths.get_measurements(name=Code("103339001", "SCT", "Long axis"))
    assert longest.value == 12.3


def test_a_code_value_fits_its_field() -> None:
    from lesiontrack.io import codes, visit_report

    own = [*visit_report.CONCEPTS.values(), *visit_report.PHASES.values(), *codes.ROLES.values(), codes.TREATED_ZONE]
    own += [visit_report.word_code("overall", word) for word in ("NON-CR/NON-PD", "REBASELINE", "EQUIVOCAL")]
    assert all(len(code.value) <= 16 and len(code.scheme_designator) <= 16 and len(code.meaning) <= 64 for code in own)
