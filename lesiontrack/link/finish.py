"""Drafts to tracks: what became of each, and why a reader should look."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lesiontrack.domain.lesion import Fate, Link, Missing, MissingState, Track
from lesiontrack.domain.reading import MACHINE
from lesiontrack.domain.study import Method
from lesiontrack.link.draft import Draft, Visits, members_at
from lesiontrack.link.evidence import Evidence
from lesiontrack.link.linking import probability
from lesiontrack.link.overlooked import overlooked
from lesiontrack.link.settings import LinkSettings
from lesiontrack.link.treatments import Names

__all__ = ["Finish"]

_FATE_OF = {
    str(Method.RESECTION): Fate.RESECTED,
    str(Method.ABLATION): Fate.ABLATED,
    str(Method.SBRT): Fate.IRRADIATED,
}
# An earlier lesion that could be a new one with less than this probability is not worth a reader's time.
_RIVAL_PROBABILITY = 0.2


def _never(_: Draft, __: Draft) -> bool:
    return False


class Finish:
    """Makes tracks of drafts, all of them being known; ``apart`` tells which a reader said are not the same."""

    def __init__(
        self,
        drafts: Sequence[Draft],
        names: Names,
        missing: Sequence[Missing],
        evidence: Evidence,
        visits: Visits,
        settings: LinkSettings,
        *,
        apart: Callable[[Draft, Draft], bool] = _never,
    ) -> None:
        self._drafts = drafts
        self._apart = apart
        self._names = names
        self._missing = missing
        self._evidence = evidence
        self._visits = visits
        self._settings = settings
        self._track_of = {m: names.track_ids[n] for n, draft in enumerate(drafts) for m in draft.members}

    def track(self, number: int, links: Sequence[Link]) -> Track:
        """Return a draft's track.

        Parameters
        ----------
        number
            Which draft.
        links
            Its links.
        """
        draft, lesions = self._drafts[number], self._evidence.lesions
        absent = [entry for entry in self._missing if entry.track_id == self._names.track_ids[number]]
        fate, notes = self._fate(draft, absent)
        draft = draft.because(*_unsure_links(links, self._settings), *self._gaps(draft, absent))
        rivals = self._rivals(draft)
        draft = draft.because(*rivals, *notes)
        if draft.recurrence_of is None and not rivals:
            draft = draft.because(*overlooked(draft, self._evidence, self._visits, self._settings))
        return Track(
            track_id=self._names.track_ids[number],
            tracking_uid=self._names.tracking_uids[number],
            site=lesions[draft.members[0]].site,
            lesions=tuple(sorted((lesions[m].timepoint, lesions[m].lesion_id) for m in draft.members)),
            fate=fate,
            needs_review=bool(draft.reasons),
            treatments=draft.treatments,
            merged_into=None if draft.merged is None else self._track_of[draft.merged[1]],
            reasons=draft.reasons,
            recurrence_of=None if draft.recurrence_of is None else self._track_of[draft.recurrence_of],
        )

    def _fate(self, draft: Draft, absent: Sequence[Missing]) -> tuple[Fate, tuple[str, ...]]:
        """Return the fate at the last usable visit, and what is odd about it.

        A treated lesion has the fate of its last treatment before that visit, seen or not; only a resected lesion that
        is still seen contradicts its treatment. A lesion whose place was out of view is not gone.
        """
        lesions = self._evidence.lesions
        last = self._visits.numbers[-1]
        seen_last = lesions[draft.members[-1]].timepoint
        if draft.treated_from is not None:
            day = self._evidence.subject.visits[last].date
            methods = [t.method for t in draft.treatments if t.date < day] or [str(Method.ABLATION)]
            fate = _FATE_OF.get(str(methods[-1]), Fate.ABLATED)
            if fate is Fate.RESECTED and seen_last >= draft.treated_from:
                return Fate.PERSISTS, (f"RESECTED_YET_SEEN: at visit {seen_last}",)
            return fate, ()
        if draft.merged is not None:
            return Fate.MERGED, ()
        gone = [e for e in absent if e.timepoint > seen_last and e.state is MissingState.NOT_SEEN]
        if not gone:
            return Fate.PERSISTS, ()
        doubts = (
            () if all(e.trusted for e in gone) else ("GONE_UNTRUSTED: its place rests on an untrusted registration",)
        )
        return Fate.DISAPPEARED, doubts

    def _gaps(self, draft: Draft, absent: Sequence[Missing]) -> tuple[str, ...]:
        """Name visits between two sightings at which the place was in view and no lesion was marked."""
        last = self._evidence.lesions[draft.members[-1]].timepoint
        return tuple(
            f"MISSED_BETWEEN: not marked at visit {entry.timepoint}, seen before and after"
            for entry in absent
            if entry.timepoint < last and entry.state is not MissingState.OUT_OF_VIEW
        )

    def _rivals(self, draft: Draft) -> tuple[str, ...]:
        """Name the earlier track that a later beginner could be, where it is not seen at that visit.

        A treated lesion is no rival: what is seen at its site later is named by ``recurrence_of``.
        """
        first = self._evidence.lesions[draft.members[0]].timepoint
        odds = self._evidence.log_odds[draft.members[0]]
        found: list[tuple[float, str]] = []
        for other in self._drafts:
            earlier = [m for m in other.members if self._evidence.lesions[m].timepoint < first]
            treated = other.treated_from is not None and other.treated_from <= first
            if (
                other is draft
                or treated
                or not earlier
                or members_at(other, self._evidence, first)
                or self._apart(other, draft)
            ):
                continue
            known = odds[earlier][np.isfinite(odds[earlier])]
            if len(known):
                value = np.array([known.sum() / np.sqrt(len(known))])
                found.append((float(probability(value, self._settings)[0]), self._track_of[other.members[0]]))
        if not found:
            return ()
        likely, name = max(found, key=lambda f: (f[0], f[1]))
        if likely < _RIVAL_PROBABILITY:
            return ()
        code = "NEW_MAYBE_SAME" if likely >= self._settings.review_below else "NEW_UNSURE"
        return (f"{code}: could be {name} ({likely:.2f})",)


def _unsure_links(links: Sequence[Link], settings: LinkSettings) -> tuple[str, ...]:
    return tuple(
        f"LINK_UNSURE: visit {link.timepoint_from} to {link.timepoint_to} ({link.confidence:.2f})"
        for link in links
        if link.confidence < settings.review_below and link.author == MACHINE
    )
