"""Linking real lesions: the validation pairs of DeepLesion with an affine initialisation (Cai et al. 2021, DLT).

There are points and no images: a lesion's predicted place in the target scan is where an affine fit of the images put
it. What is measured is what the other lesions of the same pair of scans add to that.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.real_anatomy import reference_data
from benchmarks.simulated_subjects import make_lesion, make_subject
from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.history import Registration
from lesiontrack.domain.lesion import Lesion
from lesiontrack.link import LinkSettings, Tracking, chain

__all__ = ["deep_lesion_rows"]

Points = NDArray[np.float64]
Pair = list[dict[str, Any]]

_PLAIN_GATE_MM = 8.0


def _pairs() -> list[Pair]:
    """Return the lesions of each pair of scans."""
    path = reference_data() / "imaging" / "dlt" / "valid.json"
    if not path.exists():
        return []
    by_scans: dict[tuple[str, str], Pair] = defaultdict(list)
    for row in json.loads(path.read_text()).values():
        by_scans[row["source"], row["target"]].append(row)
    return [by_scans[key] for key in sorted(by_scans)]


def _point(row: dict[str, Any], key: str) -> Points:
    """Return a place in the target scan, mm: places are in voxels of it."""
    return np.array(row[key], dtype=np.float64) * np.array(row["target spacing"], dtype=np.float64)


def _lesion(row: dict[str, Any], number: int, visit: int) -> Lesion:
    """Return a lesion at its (predicted) place; its size from the pixel diameters of its own scan."""
    side = ("source", "target")[visit]
    radius = float(np.mean(row[f"{side} recist diameter"]) * row[f"{side} spacing"][0] / 2.0)
    return make_lesion(visit, number, _point(row, ("predict target center", "target center")[visit]), radius)


def _chained(lesions: list[Lesion]) -> Tracking:
    same = Registration(
        timepoint_from=0,
        timepoint_to=1,
        series_from="S0",
        series_to="S1",
        method="affine",
        forward=Transform.identity(),
        backward=Transform.identity(),
    )
    return chain(make_subject(2, extent_mm=2000.0), lesions, (), [same], LinkSettings())


def _left_out(pair: Pair) -> Iterator[tuple[float, float]]:
    """Yield, for each lesion that the other scan is made not to show, the errors of the affine and of the ledger."""
    for out, row in enumerate(pair):
        lesions = [_lesion(x, n, 0) for n, x in enumerate(pair, 1)]
        lesions += [_lesion(x, n, 1) for n, x in enumerate(pair, 1) if n != out + 1]
        tracking = _chained(lesions)
        of = {key: track.track_id for track in tracking.tracks for key in track.lesions}
        for entry in tracking.missing:
            if entry.track_id == of[0, out + 1]:
                goal = _point(row, "target center")
                yield (
                    float(np.linalg.norm(_point(row, "predict target center") - goal)),
                    float(np.linalg.norm(np.array(entry.place_lps_mm) - goal)),
                )


def _plainly(pair: Pair) -> tuple[int, int]:
    """Return right and found links of one assignment with a gate."""
    start = np.array([_point(row, "predict target center") for row in pair])
    goal = np.array([_point(row, "target center") for row in pair])
    cost = np.linalg.norm(start[:, None] - goal[None], axis=-1)
    rows, columns = linear_sum_assignment(np.minimum(cost, _PLAIN_GATE_MM))
    near = cost[rows, columns] < _PLAIN_GATE_MM
    return int((near & (rows == columns)).sum()), int(near.sum())


def deep_lesion_rows() -> Iterator[str]:
    """Yield what was found, in sentences."""
    pairs = _pairs()
    if not pairs:
        yield "DeepLesion pairs: the reference data is not there"
        return
    rows = [row for pair in pairs for row in pair]
    affine = [float(np.linalg.norm(_point(r, "target center") - _point(r, "predict target center"))) for r in rows]
    yield f"DeepLesion: {len(rows)} lesions in {len(pairs)} pairs of scans; affine alone {np.mean(affine):.1f} mm,"
    yield f"{100 * np.mean(np.array(affine) < 10):.0f} % within 10 mm"
    right = found = wanted = 0
    for pair in (p for p in pairs if len(p) > 1):
        both = [_lesion(x, n, visit) for visit in (0, 1) for n, x in enumerate(pair, 1)]
        links = {(x.lesion_from, x.lesion_to) for x in _chained(both).links}
        right += sum(a == b for a, b in links)
        found += len(links)
        wanted += len(pair)
    plain = np.array([_plainly(pair) for pair in pairs if len(pair) > 1]).sum(axis=0)
    yield f"a plain gate of {_PLAIN_GATE_MM:g} mm: precision {plain[0] / plain[1]:.3f}, recall {plain[0] / wanted:.3f}"
    yield f"pairs with several lesions: {wanted} links, precision {right / found:.3f}, recall {right / wanted:.3f}"
    errors = np.array([e for pair in pairs if len(pair) > 1 for e in _left_out(pair)])
    yield f"a lesion left out of the second scan ({len(errors)}): affine alone {errors[:, 0].mean():.1f} mm,"
    yield f"its place by the others {errors[:, 1].mean():.1f} mm"
