"""Whether a lesion that the baseline does not know is a new one beyond doubt (contract, section 4)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lesiontrack.assess.looks import Looks, is_node
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.history import History, Registration
from lesiontrack.domain.lesion import Lesion, Track

__all__ = ["Newcomers"]

# Set by linking when an earlier lesion could be the same above its `review_below`.
_COULD_BE_EARLIER = "NEW_MAYBE_SAME"


class Newcomers:
    """Gates that a new lesion found by the machine must pass to be unequivocal."""

    def __init__(self, history: History, looks: Looks, settings: AssessSettings) -> None:
        self._history = history
        self._looks = looks
        self._settings = settings

    def doubts(self, track: Track, first_timepoint: int, timepoint: int) -> tuple[str, ...]:
        """Return why a track seen at a visit may be no new lesion; empty: unequivocal.

        Parameters
        ----------
        first_timepoint
            Where it was first seen, as a new lesion.
        timepoint
            The visit in question; size is that of this visit, so that a finding may become unequivocal by growing.
        """
        lesions = self._looks.lesions(track.track_id, timepoint)
        found = [*self._view_doubts(track, first_timepoint, timepoint)]
        if any(reason.startswith(_COULD_BE_EARLIER) for reason in track.reasons):
            found.append("MAYBE_EARLIER_LESION")
        if self._in_zone(lesions):
            found.append("TREATED_ZONE")
        if not any(self._large_enough(lesion) for lesion in lesions):
            found.append("TOO_SMALL")
        return tuple(found)

    def _large_enough(self, lesion: Lesion) -> bool:
        if is_node(lesion.site):
            return lesion.short_axis_mm >= self._settings.new_node_min_mm
        return lesion.longest_diameter_mm >= self._settings.new_lesion_min_mm

    def _in_zone(self, lesions: Iterable[Lesion]) -> bool:
        """Tell whether a lesion's centre lies in a segmented treated zone."""
        return any(
            zone.series_uid == lesion.series_uid
            and float(np.linalg.norm(np.subtract(zone.centroid_lps_mm, lesion.centroid_lps_mm))) <= zone.radius_mm
            for lesion in lesions
            for zone in self._history.zones
        )

    def _view_doubts(self, track: Track, first_timepoint: int, timepoint: int) -> tuple[str, ...]:
        """Return doubts about where it was before: by the visit of first sight or by this one, whichever has fewer."""
        each = [
            self._doubts_from(lesion, first_timepoint)
            for visit in sorted({first_timepoint, timepoint})
            for lesion in self._looks.lesions(track.track_id, visit)
        ]
        return min(each, key=lambda found: (len(found), found), default=("NO_EARLIER_VIEW",))

    def _doubts_from(self, lesion: Lesion, first_timepoint: int) -> tuple[str, ...]:
        """Look from a lesion back to scans before its first sight: trusted, same modality, place in view."""
        ways = [
            way
            for way in self._history.registrations
            if way.series_to == lesion.series_uid
            and way.timepoint_from < first_timepoint
            and self._history.visit(way.timepoint_from).usable
        ]
        if not ways:
            return ("NO_EARLIER_VIEW",)
        modality = self._looks.modality(lesion.timepoint, lesion.series_uid)
        alike = [w for w in ways if self._looks.modality(w.timepoint_from, w.series_from) == modality]
        if not alike:
            return ("MODALITY_CHANGE",)
        trusted = [way for way in alike if way.trusted]
        if not trusted:
            return ("UNTRUSTED_REGISTRATION",)
        return () if any(self._was_in_view(way, lesion) for way in trusted) else ("PLACE_NOT_IN_VIEW_BEFORE",)

    def _was_in_view(self, way: Registration, lesion: Lesion) -> bool:
        x, y, z = way.backward.apply(np.array(lesion.centroid_lps_mm))
        return self._looks.in_view(way.timepoint_from, way.series_from, (float(x), float(y), float(z)))
