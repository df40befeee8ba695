"""Reads and histories -> assessments: RECIST 1.1, locally treated lesions, eligibility, robustness."""

from lesiontrack.assess.criteria import GROUP, PRIMARY, Criterion, by_every_criterion, criteria
from lesiontrack.assess.engine import assess
from lesiontrack.assess.judgement import baselines, judge, judged_reads, timepoint_phases
from lesiontrack.assess.settings import AssessSettings, LocalMode

__all__ = [
    "GROUP",
    "PRIMARY",
    "AssessSettings",
    "Criterion",
    "LocalMode",
    "assess",
    "baselines",
    "by_every_criterion",
    "criteria",
    "judge",
    "judged_reads",
    "timepoint_phases",
]
