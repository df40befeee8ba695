"""Identities that segmentations of this program's own carry: what an earlier run, or its readers, made out.

Anybody's tracking UIDs are evidence (`evidence.Evidence`); these are the answer, so that a reader's correction that was
exported is not undone when the export is run again.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lesiontrack.link.evidence import Evidence

__all__ = ["as_told", "told_apart"]

Labels = NDArray[np.intp]


def as_told(label: Labels, evidence: Evidence) -> Labels:
    """Return the groups with lesions of one told identity together and of two apart.

    Parameters
    ----------
    label
        (n,) group of each lesion of ``evidence``.

    Returns
    -------
    ndarray
        (n,), numbered anew. A lesion of which nothing is told goes with the told lesion of its group that it is most
        probably the same as.
    """
    told = [_told(index, evidence) for index in range(len(label))]
    if not any(told):
        return label
    names: list[object] = []
    for index, own in enumerate(told):
        rivals = [other for other in np.flatnonzero(label == label[index]) if told[other]]
        if own is None and rivals:
            own = told[max(rivals, key=lambda other: (evidence.log_odds[index, other], -other))]
        names.append(own if own is not None else int(label[index]))
    order = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names], dtype=np.intp)


def told_apart(one: Iterable[int], other: Iterable[int], evidence: Evidence) -> bool:
    """Tell whether lesions of both are told to be different ones."""
    first, second = ({_told(index, evidence) for index in members} - {None} for members in (one, other))
    return bool(first and second and first.isdisjoint(second))


def _told(index: int, evidence: Evidence) -> tuple[str, str] | None:
    lesion = evidence.lesions[index]
    return (evidence.group(index), lesion.tracking_uid) if lesion.tracked and lesion.tracking_uid else None
