"""The engines that follow the inside of the liver, all behind one call."""

from __future__ import annotations

from collections.abc import Callable

from lesiontrack.align.elastix import follow_by_elastix, require_elastix
from lesiontrack.align.interior import follow_interior, refine_interior
from lesiontrack.align.prepare import Prepared
from lesiontrack.align.settings import AlignSettings
from lesiontrack.domain.geometry import Transform

__all__ = ["Engine", "engine", "refiner", "require_engine"]

Engine = Callable[[Prepared, Prepared, Transform], Transform | None]
"""(earlier, later, start) -> the start, bent by what both images show; None where they show nothing. Maps lead from
the later scan's points to the earlier's; the later scan is fixed."""


def engine(settings: AlignSettings) -> Engine:
    """Return the engine of a name."""
    engines: dict[str, Engine] = {
        "blocks": follow_interior,
        "elastix": follow_by_elastix,
        "surface": lambda earlier, later, start: None,
    }
    return engines[settings.engine]


def refiner(settings: AlignSettings) -> Engine | None:
    """Return what follows the images once more, from a map that the lesions have bent; None where the engine cannot."""
    return refine_interior if settings.engine == "blocks" else None


def require_engine(settings: AlignSettings) -> None:
    """Raise a SettingsError when the engine of the settings cannot run here; for those who start a long run."""
    if settings.engine == "elastix":
        require_elastix()
