"""Two scans to a transform, and how far to trust it."""

from lesiontrack.align.engines import require_engine
from lesiontrack.align.prepare import Prepared, prepare
from lesiontrack.align.registration import align
from lesiontrack.align.settings import AlignSettings

__all__ = ["AlignSettings", "Prepared", "align", "prepare", "require_engine"]
