"""Many subjects: resume, isolate, report progress; the cohort; and the doors of the commands around the main job."""

from lesiontrack.batch.doors import analyse_events, assess_reads, censor_cases, index_archive, trace_result
from lesiontrack.batch.study import derive_endpoints, require_result, run_study

__all__ = [
    "analyse_events",
    "assess_reads",
    "censor_cases",
    "derive_endpoints",
    "index_archive",
    "require_result",
    "run_study",
    "trace_result",
]
