"""Lesions of all visits to groups that are one lesion each: the largest total of log odds, one lesion a visit.

Block-coordinate ascent: the lesions of one visit at a time are reassigned among the groups of all other visits, past
and future, by an optimal assignment, and groups that agree are joined, until nothing changes. No step lowers the
total, so it ends; nothing in it depends on the direction of time but the first guess.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["cluster", "confidences"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_MAX_SWEEPS = 20
_FORBIDDEN = -1e6


def cluster(log_odds: Floats, visit: Ints) -> Ints:
    """Group lesions.

    Parameters
    ----------
    log_odds
        (n, n) symmetric; minus infinity forbids two lesions in one group.
    visit
        (n,) timepoint of each lesion.

    Returns
    -------
    (n,) group numbers, 0 upwards in order of the first member.
    """
    odds = np.where(np.isfinite(log_odds), log_odds, _FORBIDDEN)
    np.fill_diagonal(odds, 0.0)
    label = np.arange(len(visit))
    visits = np.unique(visit)
    placed = np.zeros(len(visit), dtype=bool)
    for now in visits:
        label = _reassign(odds, label, np.nonzero(visit == now)[0], placed & (visit != now))
        placed |= visit == now
    for _ in range(_MAX_SWEEPS):
        before = label.copy()
        label = _joined(odds, label)
        for now in visits:
            label = _reassign(odds, label, np.nonzero(visit == now)[0], visit != now)
        if np.array_equal(_tidy(before), _tidy(label)):
            break
    return _tidy(label)


def _reassign(odds: Floats, label: Ints, here: Ints, others: NDArray[np.bool_]) -> Ints:
    """Assign the lesions of one visit to the groups of the others, or to groups of their own."""
    names = np.unique(label[others])
    new = label.copy()
    new[here] = len(label) + here
    if not len(names):
        return _tidy(new)
    member = (label[:, None] == names[None]) & others[:, None]
    gain = odds[here] @ member.astype(np.float64)
    padded = np.zeros((len(here), len(names) + len(here)))
    padded[:, : len(names)] = np.minimum(-gain, 1.0)
    rows, columns = linear_sum_assignment(padded)
    for row, column in zip(rows, columns, strict=True):
        if column < len(names) and gain[row, column] > 0:
            new[here[row]] = names[column]
    return _tidy(new)


def _joined(odds: Floats, label: Ints) -> Ints:
    """Join groups while the best join gains."""
    label = _tidy(label)
    while True:
        count = int(label.max(initial=-1)) + 1
        member = (label[:, None] == np.arange(count)[None]).astype(np.float64)
        gain = member.T @ odds @ member
        gain[np.tril_indices(count)] = 0.0
        if not count or gain.max() <= 1e-9:
            return label
        first, second = np.unravel_index(int(gain.argmax()), gain.shape)
        label = _tidy(np.where(label == second, first, label))


def _tidy(label: Ints) -> Ints:
    """Number groups in order of their first members."""
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.intp)
    order[np.argsort(first)] = np.arange(len(first))
    tidy: Ints = order[inverse]
    return tidy


def confidences(log_odds: Floats, visit: Ints, label: Ints) -> Floats:
    """Return (n, n) log odds that two lesions of one group belong together, against all rivals of either.

    The evidence for a lesion in a group is the mean over the group's other visits times the square root of their
    number, since errors of one subject's registrations are not independent. Rivals are the other groups that the
    lesion could join and the other lesions of its visit that could take its place. Zero outside groups.
    """
    odds = np.where(np.isfinite(log_odds), log_odds, _FORBIDDEN)
    n = len(visit)
    result = np.zeros((n, n))
    count = int(label.max(initial=-1)) + 1
    member = (label[:, None] == np.arange(count)[None]).astype(np.float64)
    for now in np.unique(visit):
        here = np.nonzero(visit == now)[0]
        others = member * (visit != now)[:, None]
        size = others.sum(axis=0)
        gain = (odds[here] @ others) / np.sqrt(np.maximum(size, 1.0))
        gain[:, size == 0] = _FORBIDDEN
        for row, index in enumerate(here):
            own = label[index]
            if size[own] == 0:
                continue
            rivals = np.concatenate([np.delete(gain[row], own), np.delete(gain[:, own], row), [0.0]])
            value = gain[row, own] - np.logaddexp.reduce(rivals)
            mates = np.nonzero((label == own) & (visit != now))[0]
            result[index, mates] = value
    # Each end has its own rivals; the link is as sure as its less sure end.
    weaker: Floats = np.minimum(result, result.T)
    return weaker
