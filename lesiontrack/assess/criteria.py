"""The door for criteria: entry points of the group ``lesiontrack.criteria``; RECIST 1.1 goes through it like anyone's.

A package registers a criterion in its pyproject.toml::

    [project.entry-points."lesiontrack.criteria"]
    my-criterion = "my_package:my_criterion"

where ``my_criterion(reads, settings)`` returns an Assessment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from lesiontrack.assess.engine import assess
from lesiontrack.assess.local import locally_treated
from lesiontrack.assess.settings import AssessSettings, LocalMode
from lesiontrack.domain.outcome import Assessment
from lesiontrack.domain.reads import Reads
from lesiontrack.errors import SettingsError

__all__ = [
    "GROUP",
    "PRIMARY",
    "Criterion",
    "by_every_criterion",
    "criteria",
    "recist11",
    "recist11_as_measured",
    "recist11_local",
]

GROUP = "lesiontrack.criteria"
PRIMARY = "recist11-local"


class Criterion(Protocol):
    """Judges reads. Its name is that of the entry point, and the assessment's ``rules``."""

    def __call__(self, reads: Reads, settings: AssessSettings) -> Assessment:
        """Return what the criterion says of one subject, one phase, one reader."""
        ...


def recist11_local(reads: Reads, settings: AssessSettings) -> Assessment:
    """RECIST 1.1, locally treated lesions by the declared rule; RECIST itself where nothing was treated."""
    return assess(reads, settings, rules=PRIMARY)


def recist11(reads: Reads, settings: AssessSettings) -> Assessment:
    """RECIST 1.1 as written: a treated lesion is NE."""
    return assess(reads, _with_mode(settings, LocalMode.STRICT_NE), rules="recist11")


def recist11_as_measured(reads: Reads, settings: AssessSettings) -> Assessment:
    """RECIST 1.1 with the resected as 0 and the zone as a lesion; a sensitivity that never feeds an endpoint."""
    return assess(reads, _with_mode(settings, LocalMode.AS_MEASURED), rules="recist11-as-measured")


def _with_mode(settings: AssessSettings, mode: LocalMode) -> AssessSettings:
    return settings.model_copy(update={"local_mode": mode})


# For a source tree that is not installed and so has no entry points of its own.
_OWN: Mapping[str, Criterion] = {
    PRIMARY: recist11_local,
    "recist11": recist11,
    "recist11-as-measured": recist11_as_measured,
}


@cache
def criteria() -> Mapping[str, Criterion]:
    """Return all registered criteria by name, the project's own first.

    Raises
    ------
    SettingsError
        If two packages register one name, or a registered criterion cannot be loaded.
    """
    found: dict[str, Criterion] = dict(_OWN)
    origin: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        if origin.get(entry.name, entry.value) != entry.value or (entry.name in _OWN and not _is_own(entry.value)):
            raise SettingsError(f"criterion {entry.name} is registered twice", found=entry.value)
        origin[entry.name] = entry.value
        try:
            loaded = entry.load()
        except (ImportError, AttributeError) as error:
            raise SettingsError(f"criterion {entry.name} cannot be loaded: {error}", found=entry.value) from error
        if not callable(loaded):
            raise SettingsError(f"criterion {entry.name} is no function", found=entry.value)
        found[entry.name] = loaded
    return found


def by_every_criterion(reads: Reads, settings: AssessSettings) -> Mapping[str, Assessment]:
    """Judge reads under every registered criterion: name -> assessment.

    Raises
    ------
    SettingsError
        If a registered criterion cannot be used.
    """
    found: dict[str, Assessment] = {}
    for name, criterion in criteria().items():
        if name in _OWN and PRIMARY in found and not locally_treated(reads):
            # The project's own rule sets differ in what they make of local treatment, and in nothing else.
            found[name] = replace(found[PRIMARY], rules=name)
        else:
            found[name] = criterion(reads, settings)
    return found


def _is_own(value: str) -> bool:
    return value.startswith(f"{__name__}:")
