"""Commands that work on a result folder."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lesiontrack.cli.options import CommandError, ResultFolder, exit_with, write_report_of
from lesiontrack.cli.program import app


@app.command()
def report(out: ResultFolder) -> None:
    """Write OUT/report/index.html again from the tables."""
    from lesiontrack.batch import require_result
    from lesiontrack.report import write_report

    require_result(out)
    typer.echo(str(write_report(out)))


@app.command()
def replay(
    out: ResultFolder,
    subject: Annotated[
        list[str] | None, typer.Option("--subject", metavar="ID", help="Only this subject; may be given several times.")
    ] = None,
) -> None:
    """Apply review decisions and update everything downstream: responses, events, endpoints, report.

    No image is touched, and no file that would be the same again. A decision that no longer applies is listed in
    cohort/decisions and in cohort/failures, with the reason.
    """
    from lesiontrack.batch import replay_result

    done = replay_result(out, subjects=subject or ())
    write_report_of(out, changed=done.changed)
    exit_with(done.failures)


@app.command()
def trace(
    out: ResultFolder,
    subject: Annotated[str | None, typer.Option("--subject", metavar="ID", help="The subject's id.")] = None,
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="NAME", help="PFS, OS, HEPATIC_PD, ...: the evidence of its date."),
    ] = None,
    lesion: Annotated[
        str | None, typer.Option("--lesion", metavar="ID", help="Track id, such as L03: all that rests on this lesion.")
    ] = None,
    sop_instance: Annotated[
        str | None,
        typer.Option("--sop-instance", metavar="UID", help="SOP Instance UID: all that rests on this image."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show where a date comes from, or what rests on a lesion or image.

    Forwards, with --subject and --endpoint: the rule, lesions, measurements, images and readers behind the date.
    Backwards, with --lesion or --sop-instance: every measurement, response and endpoint that rests on it.
    """
    if len([name for name in (endpoint, lesion, sop_instance) if name is not None]) != 1:
        raise CommandError(
            "say what to trace", expected="--subject ID --endpoint PFS, --subject ID --lesion L01 or --sop-instance UID"
        )
    if endpoint is not None and subject is None:
        raise CommandError("--endpoint says nothing of whose", expected="--subject ID with it")
    from lesiontrack.batch import trace_result

    endpoint = endpoint.upper() if endpoint is not None else None
    found = trace_result(out, subject_id=subject, endpoint=endpoint, lesion=lesion, sop_instance=sop_instance)
    typer.echo(json.dumps(found.to_dict(), indent=1, sort_keys=True) if as_json else str(found))


class Format(StrEnum):
    """What `lesiontrack export` can write."""

    SDTM = "sdtm"
    ADAM = "adam"
    DICOM_SEG = "dicom-seg"
    DICOM_SR = "dicom-sr"


class Voxels(StrEnum):
    """How a segmentation stores its voxels."""

    BINARY = "binary"
    LABELMAP = "labelmap"


class Files(StrEnum):
    """How data sets are stored."""

    CSV = "csv"
    XPT = "xpt"
    DATASET_JSON = "dataset-json"


def _target(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise CommandError("--to names a file", file=str(path), expected="a folder, there or not")
    return path


@app.command()
def export(
    out: ResultFolder,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="Data sets (sdtm, adam), segmentations (dicom-seg), or reports with their segmentations (dicom-sr).",
        ),
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", callback=_target, help="Folder to write; export.json lists it all.")
    ],
    container: Annotated[
        Files, typer.Option("--container", help="File format of data sets; xpt is SAS transport, version 5.")
    ] = Files.CSV,
    study: Annotated[
        Path | None,
        typer.Option("--study", metavar="STUDY", help="For DICOM: the study, where it was moved since it was run."),
    ] = None,
    segmentation: Annotated[
        Voxels,
        typer.Option("--segmentation", help="Bit masks, which may overlap; or a label map, overlaps in further files."),
    ] = Voxels.BINARY,
    subject: Annotated[
        list[str] | None, typer.Option("--subject", metavar="ID", help="Only this subject; repeat for more.")
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="For DICOM: store the files in the study's DICOMweb archive too.")
    ] = False,
) -> None:
    """Write the results in standard formats.

    SDTM: TU, TR and RS, each reader by himself, by RECIST 1.1 as written. ADaM: ADSL, ADTR, ADRS and ADTTE.

    DICOM: for each visit a segmentation, and with dicom-sr a report too, which refer to the images of the study. A
    lesion has the same tracking UID at every visit. Of the patient only the PatientID is copied.
    """
    subjects = tuple(subject or ())
    if form in (Format.SDTM, Format.ADAM):
        _export_datasets(out, to, form, container, subjects)
        return
    if form is Format.DICOM_SR and segmentation is Voxels.LABELMAP:
        raise CommandError("reports refer to the segments of bit masks", expected="--segmentation binary")
    from lesiontrack.batch.export_dicom import DicomExport, export_dicom
    from lesiontrack.io.seg_write import SegKind

    done = export_dicom(
        DicomExport(
            out=out,
            to=to,
            study=study,
            reports=form is Format.DICOM_SR,
            kind=SegKind(segmentation.value),
            subjects=subjects,
            store=store,
        )
    )
    typer.echo(f"{len(done.files)} files in {to}; visits refused: {done.refused}")
    exit_with(done.refused)


def _export_datasets(out: Path, to: Path, form: Format, container: Files, subjects: tuple[str, ...]) -> None:
    from lesiontrack.batch.export_cdisc import CdiscExport, export_cdisc
    from lesiontrack.io.cdisc_datasets import Container

    done = export_cdisc(
        CdiscExport(out=out, to=to, model=form.value, container=Container(container.value), subjects=subjects)
    )
    typer.echo(f"{len(done.files)} data sets in {to}; subjects refused: {done.refused}")
    exit_with(done.refused)
