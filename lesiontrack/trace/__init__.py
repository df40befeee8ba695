"""From a date to its evidence and back, over the tables of the result folder.

:func:`trace` walks from an endpoint to the rule, the lesions, their measurements, the SOP Instance UIDs and the readers
behind it; :func:`rests_on` walks from a lesion or an image to every response and endpoint that rests on it.
"""

from lesiontrack.trace.values import Measured, RestsOn, Trace, TracedEvent, TracedLesion, TracedResponse
from lesiontrack.trace.walk import rests_on, trace

__all__ = ["Measured", "RestsOn", "Trace", "TracedEvent", "TracedLesion", "TracedResponse", "rests_on", "trace"]
