"""The protocol's checks on a choice of targets; they warn and forbid nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Lesion, Track
from lesiontrack.domain.study import Site
from lesiontrack.report import words

__all__ = ["target_warnings"]


def target_warnings(
    history: History, targets: Iterable[str], timepoint: int, settings: AssessSettings
) -> tuple[str, ...]:
    """Return what RECIST 1.1 (3.1.1, 4.2, appendix II) and the settings have against a choice of targets.

    Parameters
    ----------
    targets
        Track ids.
    timepoint
        The baseline at which they are chosen.
    """
    tracks = {track.track_id: track for track in history.tracks}
    chosen = [tracks[name] for name in sorted(targets) if name in tracks]
    return tuple(_warnings(history, chosen, timepoint, settings))


def _warnings(history: History, chosen: list[Track], timepoint: int, settings: AssessSettings) -> Iterator[str]:
    if len(chosen) > settings.max_targets:
        yield f"{len(chosen)} targets; at most {settings.max_targets} are allowed"
    for organ, number in Counter(track.site for track in chosen).items():
        if number > settings.max_targets_per_organ:
            yield f"{number} targets in the {words.phrase(organ)}; at most {settings.max_targets_per_organ} an organ"
    for track in chosen:
        lesions = history.fragments(track, timepoint)
        if not lesions:
            yield f"{track.track_id} is not seen at the baseline"
        for lesion in lesions:
            yield from _too_small(track.track_id, lesion, settings)


def _too_small(name: str, lesion: Lesion, settings: AssessSettings) -> Iterator[str]:
    node = lesion.site == Site.LYMPH_NODE
    size_mm = lesion.short_axis_mm if node else lesion.longest_diameter_mm
    least_mm = settings.node_measurable_mm if node else settings.lesion_measurable_mm
    if size_mm < least_mm:
        what = "short axis" if node else "longest diameter"
        yield f"{name}: {what} {words.mm(size_mm)} mm, a target needs {words.mm(least_mm)} mm"
    if lesion.slice_thickness_mm is not None:
        slices_mm = settings.slice_thickness_factor * words.exact(lesion.slice_thickness_mm)
        if size_mm < slices_mm:
            text = f"slices of {words.mm(lesion.slice_thickness_mm)} mm need {words.mm(slices_mm)} mm"
            yield f"{name}: {words.mm(size_mm)} mm; {text}"
