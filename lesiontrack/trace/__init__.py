"""From a date to its evidence and back, over the tables of the result folder.

:func:`evidence_of` walks from an endpoint to the rule, the lesions, their measurements with end points and SOP Instance
UIDs, the links and registrations, and the decisions of readers behind it; :func:`rests_on` from a lesion or an image to
every response and endpoint that rests on it; :func:`trace` does either, as asked; :func:`traces_of` walks from every
endpoint of a subject.
"""

from lesiontrack.trace.values import (
    Measured,
    RestsOn,
    Trace,
    TracedDecision,
    TracedEvent,
    TracedLesion,
    TracedLink,
    TracedRegistration,
    TracedResponse,
    Traces,
)
from lesiontrack.trace.walk import evidence_of, rests_on, trace, traces_of

__all__ = [
    "Measured",
    "RestsOn",
    "Trace",
    "TracedDecision",
    "TracedEvent",
    "TracedLesion",
    "TracedLink",
    "TracedRegistration",
    "TracedResponse",
    "Traces",
    "evidence_of",
    "rests_on",
    "trace",
    "traces_of",
]
