"""The report: one self-contained page for the cohort and one for each subject."""

from lesiontrack.report.write import write_page, write_report

__all__ = ["write_page", "write_report"]
