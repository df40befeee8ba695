"""Reads and histories -> assessments: RECIST 1.1, locally treated lesions, eligibility, robustness."""

from lesiontrack.assess.engine import assess
from lesiontrack.assess.settings import AssessSettings, LocalMode

__all__ = ["AssessSettings", "LocalMode", "assess"]
