"""From a date to its evidence and back, over the tables of the result folder.

:func:`evidence_of` walks from an endpoint to the rule, the lesions, their measurements, the SOP Instance UIDs and the
readers behind it; :func:`rests_on` from a lesion or an image to every response and endpoint that rests on it;
:func:`trace` does either, as asked.
"""

from lesiontrack.trace.values import Measured, RestsOn, Trace, TracedEvent, TracedLesion, TracedResponse, Traces
from lesiontrack.trace.walk import evidence_of, rests_on, trace

__all__ = [
    "Measured",
    "RestsOn",
    "Trace",
    "TracedEvent",
    "TracedLesion",
    "TracedResponse",
    "Traces",
    "evidence_of",
    "rests_on",
    "trace",
]
