"""Many subjects: resume, isolate, report progress; the cohort; and the doors of the commands around the main job."""

from lesiontrack.batch.adjudication import Adjudicated, adjudicate_readings
from lesiontrack.batch.doors import analyse_events, censor_cases, index_archive, trace_result
from lesiontrack.batch.reads import assess_reads
from lesiontrack.batch.replay import replay_result
from lesiontrack.batch.study import Finished, derive_endpoints, require_result, run_study

__all__ = [
    "Adjudicated",
    "Finished",
    "adjudicate_readings",
    "analyse_events",
    "assess_reads",
    "censor_cases",
    "derive_endpoints",
    "index_archive",
    "replay_result",
    "require_result",
    "run_study",
    "trace_result",
]
