"""The page of a case as PDF, printed by Qt."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QMarginsF
from qtpy.QtGui import QPageLayout, QPageSize, QPdfWriter, QTextDocument

from lesiontrack_napari.case_page import case_html, page_path
from lesiontrack_napari.session import Session

__all__ = ["write_case_pdf"]

_DPI = 96


def write_case_pdf(session: Session) -> Path:
    """Write the page of the case as PDF, A4 across, into ``OUT/pictures``, and return it; whole or not at all."""
    path = page_path(session, "pdf")
    aside = path.with_suffix(".pdf.part")
    writer = QPdfWriter(str(aside))
    writer.setTitle(session.case.subject_id)
    writer.setResolution(_DPI)
    # Qt's documents bring margins of their own, of 2 cm.
    a4 = QPageSize(QPageSize.PageSizeId.A4)
    writer.setPageLayout(QPageLayout(a4, QPageLayout.Orientation.Landscape, QMarginsF()))
    document = QTextDocument()
    document.setHtml(case_html(session))
    document.print_(writer)
    del writer
    aside.replace(path)
    return path
