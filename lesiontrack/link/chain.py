"""Lesions of all visits to links, tracks and the ledger of the missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lesiontrack.domain.history import Registration
from lesiontrack.domain.lesion import Lesion, Link, Missing, Track, TreatedZone
from lesiontrack.domain.study import Subject
from lesiontrack.link.clusters import cluster
from lesiontrack.link.draft import Visits, drafts_of, in_order
from lesiontrack.link.evidence import Evidence
from lesiontrack.link.finish import Finish
from lesiontrack.link.ledger import ledger
from lesiontrack.link.linking import Sureness, links_of
from lesiontrack.link.naming import name
from lesiontrack.link.routes import Routes
from lesiontrack.link.settings import LinkSettings
from lesiontrack.link.shapes import merge, split
from lesiontrack.link.sites import cut_at_control, recurrences
from lesiontrack.link.told import as_told
from lesiontrack.link.treatments import treat

__all__ = ["Tracking", "chain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What belongs together through time.

    Attributes
    ----------
    links, tracks, missing
        As in ``domain.history.History``.
    problems
        Rows of ``local_treatments`` that fit no track, in words; for the failures table.
    """

    links: tuple[Link, ...]
    tracks: tuple[Track, ...]
    missing: tuple[Missing, ...]
    problems: tuple[str, ...] = ()


def chain(
    subject: Subject,
    lesions: Iterable[Lesion],
    zones: Sequence[TreatedZone],
    registrations: Iterable[Registration],
    settings: LinkSettings,
) -> Tracking:
    """Link lesions over all visits at once.

    Parameters
    ----------
    subject
        Visits and the clinical facts (local treatments).
    lesions, zones
        Of all usable visits, in any order.
    registrations
        Previous to this and baseline to this visit, by series; any further ones are used too.

    Returns
    -------
    Tracking
        The same for any order of the input.
    """
    evidence = Evidence(subject, lesions, Routes(subject, registrations), settings)
    visits = Visits(subject, evidence.lesions)
    visit_of = np.array([lesion.timepoint for lesion in evidence.lesions], dtype=np.intp)
    label = as_told(cluster(evidence.log_odds, visit_of), evidence)
    sureness = Sureness(evidence, label, settings)
    drafts = in_order(split(drafts_of(label), evidence, visits, settings), evidence)
    drafts = merge(drafts, evidence, visits, settings)
    treated = treat(drafts, evidence, visits, zones, name(drafts, evidence), settings)
    drafts = in_order(cut_at_control(treated.drafts, evidence, visits), evidence)
    drafts = recurrences(drafts, evidence, visits, zones, settings)
    names = name(drafts, evidence)
    links = [links_of(draft, evidence, sureness) for draft in drafts]
    missing = ledger(drafts, names.track_ids, evidence, visits, settings)
    finish = Finish(drafts, names, missing, evidence, visits, settings)
    ordered = sorted((link for found in links for link in found), key=_link_order)
    return Tracking(
        links=tuple(ordered),
        tracks=tuple(finish.track(number, found) for number, found in enumerate(links)),
        missing=missing,
        problems=treated.problems,
    )


def _link_order(link: Link) -> tuple[int, int, int, int]:
    return link.timepoint_from, link.timepoint_to, link.lesion_from, link.lesion_to
