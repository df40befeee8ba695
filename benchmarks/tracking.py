"""Accuracy and cost of alignment and linking on simulated subjects that no setting was tuned on.

``python -m benchmarks.tracking`` prints the tables of README.md, section "Tracking". Tuning used seeds below
1000 and 40000 to 41000.
Strata without images are cheap and many; strata with images also compare the engines, elastix where it is installed.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.deep_lesion_pairs import deep_lesion_rows
from benchmarks.full_size import full_size_rows
from benchmarks.imaged_subjects import ImagedPlan, imaged
from benchmarks.simulated_subjects import Plan, Simulated, simulate
from benchmarks.tracking_scores import (
    COLUMNS,
    Edges,
    Tally,
    calibration,
    centre_errors,
    changes,
    confusion,
    is_right,
    place_errors,
    rows,
)
from lesiontrack.align import AlignSettings, Prepared, align
from lesiontrack.align.body import fit_body
from lesiontrack.align.elastix import follow_by_elastix, require_elastix
from lesiontrack.align.liver import fit_liver
from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.history import Registration
from lesiontrack.errors import SettingsError
from lesiontrack.link import LinkSettings, chain

Points = NDArray[np.float64]
CROWDED = Plan(n=40, visits=2, apart_mm=10.0, crowded=True, vanish=0.15, new=0.20)
STRATA: dict[str, Plan] = {
    "under 10, mild": Plan(n=7),
    "10-29, mild": Plan(n=20),
    "30+, mild": Plan(n=40, apart_mm=14.0),
    "10-29, hard": Plan(n=18, level="hard", visits=4, cut_views=True, missed=0.02),
    "30+, hard": Plan(n=36, level="hard", visits=4, apart_mm=14.0, cut_views=True, missed=0.02),
    "dense 10 mm, mild": CROWDED,
    "dense 10 mm, hard": replace(CROWDED, level="hard"),
    "hepatectomy, mild": Plan(n=24, resected_at=1),
    "hepatectomy, hard": Plan(n=24, level="hard", resected_at=1),
    "ambiguous": replace(
        CROWDED, level="hard", visits=3, apart_mm=8.0, vanish=0.2, new=0.25, missed=0.05, noise_mm=1.2
    ),
}
FAR = ImagedPlan(n=18, looks=("portal",) * 3, breathing_mm=(20.0, 40.0), turn_deg=4.0)
NEAR = ImagedPlan(n=18, looks=("portal",) * 3, bend_mm=2.7)
SMALL = replace(NEAR, n=36, looks=("portal", "arterial"), slices_mm=(1.0, 2.5), radii_mm=(2.2, 4.2))
IMAGED: dict[str, ImagedPlan] = {
    "images, 1-3, mild": replace(NEAR, n=3),
    "images, 1-3, hard": replace(FAR, n=3),
    "images, 10-29, mild": NEAR,
    "images, 10-29, hard": replace(
        FAR, looks=("portal", "arterial", "portal"), slices_mm=(0.8, 2.5, 5.0, 8.0), cut_views=True, missed=0.02
    ),
    "images, 30+, mild": replace(NEAR, n=34, apart_mm=13.0, radii_mm=(2.5, 8.0)),
    "images, 30+, hard": replace(FAR, n=34, apart_mm=13.0, radii_mm=(2.5, 8.0)),
    "images, dense 10 mm": replace(SMALL, apart_mm=10.0, vanish=0.15, new=0.2),
    "images, CT to MR": replace(NEAR, looks=("portal", "T1", "portal"), grids=("oblique", "coronal")),
    "images, CT to MR, hard": replace(FAR, looks=("portal", "T2", "portal"), grids=("oblique", "coronal")),
    "images, hepatectomy": replace(NEAR, n=24, resected_at=1),
    "images, hepatectomy, hard": replace(FAR, n=24, resected_at=1),
    "images, splits and merges": replace(
        NEAR, n=14, splits=4, merges=4, new=0.04, vanish=0.04, slices_mm=(1.0, 2.5), breathing_mm=(8.0, 20.0)
    ),
    "images, ten visits": replace(
        FAR, n=12, looks=("portal", "arterial") * 5, apart_mm=24.0, growth=0.06, new=0.02, vanish=0.02, missed=0.02
    ),
    "images, grids": replace(NEAR, grids=("oblique", "coronal", "flipped", "tilted")),
    "images, no liver marked": replace(NEAR, unmarked=(0, 1, 2)),
}
PLAIN_GATE_MM = 8.0


def pairs_of(count: int) -> list[tuple[int, int]]:
    """Previous to this and baseline to this."""
    return [(a, b) for b in range(1, count) for a in sorted({0, b - 1})]


def ours(subject: Simulated, tally: Tally, settings: AlignSettings | None = None) -> None:
    """Align and chain, with the defaults but for the engine."""
    registrations: list[Registration] = []
    for a, b in pairs_of(len(subject.prepared)):
        with tally.spending():
            registrations.append(align(subject.prepared[a], subject.prepared[b], settings or AlignSettings()))
    with tally.spending():
        tracking = chain(subject.subject, subject.lesions, (), registrations, LinkSettings())
    tally.spent_s += sum(subject.prepare_s)
    tally.pairs += len(registrations)
    tally.links(subject, {((x.timepoint_from, x.lesion_from), (x.timepoint_to, x.lesion_to)) for x in tracking.links})
    tally.beginners(subject, {t.lesions[0] for t in tracking.tracks if t.first_timepoint > 0})
    for link in tracking.links:
        first, second = (link.timepoint_from, link.lesion_from), (link.timepoint_to, link.lesion_to)
        tally.confidences.append((link.confidence, is_right(subject, first, second)))
    tally.places_mm += place_errors(subject, tracking)
    tally.changes += changes(subject, tracking)
    tally.centres_mm += [e for r in registrations for e in centre_errors(subject, r)]


def plain(subject: Simulated, tally: Tally, engine: str) -> None:
    """Previous to this only, one map, one assignment with a fixed gate: what a simple tool does."""
    found: Edges = set()
    tally.spent_s += sum(subject.prepare_s)
    tally.pairs += len(subject.prepared) - 1
    for a, b in pairwise(range(len(subject.prepared))):
        with tally.spending():
            way = _peer(subject.prepared[a], subject.prepared[b], engine)
        first = [x for x in subject.lesions if x.timepoint == a]
        second = [x for x in subject.lesions if x.timepoint == b]
        if not first or not second:
            continue
        later = way.apply(np.array([x.centroid_lps_mm for x in second]))
        earlier = np.array([x.centroid_lps_mm for x in first])
        cost = np.linalg.norm(earlier[:, None] - later[None], axis=-1)
        rows, columns = linear_sum_assignment(np.minimum(cost, PLAIN_GATE_MM))
        for i, j in zip(rows, columns, strict=True):
            if cost[i, j] < PLAIN_GATE_MM:
                found.add(((a, first[i].lesion_id), (b, second[j].lesion_id)))
        numbers = [{n for (visit, _), n in subject.truth.items() if visit == one} for one in (a, b)]
        for n in sorted(numbers[0] & numbers[1]):
            apart = way.apply(subject.places[n][b]) - subject.places[n][a]
            tally.centres_mm.append(float(np.linalg.norm(apart)))
    tally.links(subject, found)
    taken = {b for _, b in found}
    tally.beginners(subject, {(x.timepoint, x.lesion_id) for x in subject.lesions if x.timepoint > 0} - taken)


def _peer(earlier: Prepared, later: Prepared, engine: str) -> Transform:
    """Later to earlier: the livers' centroids, the affine fit of their surfaces, or elastix after the body's fit."""
    if engine == "elastix 300":
        body = Transform(affine=fit_body(earlier, later, None)[0])
        return follow_by_elastix(earlier, later, body, iterations=300) or body
    fit = fit_liver(earlier, later, AlignSettings()) if engine == "surface affine" else None
    if fit is not None:
        return Transform(affine=fit.affine)
    matrix = np.eye(4)
    start, goal = later.liver_centre_lps_mm, earlier.liver_centre_lps_mm
    if start is not None and goal is not None:
        matrix[:3, 3] = goal - start
    return Transform(affine=matrix)


def elastix_is_there() -> bool:
    """Tell whether the extra is there, and load it, so that the first pair does not pay for it."""
    try:
        require_elastix()
    except SettingsError:
        return False
    itk = importlib.import_module("itk")
    return hasattr(itk, "elastix_registration_method")


def run(seeds: range, names: list[str], elastix: int, engines: Sequence[str] = ()) -> dict[str, dict[str, Tally]]:
    """Run every method on every stratum; elastix, the peer, on the first so many subjects of those with images."""
    results: dict[str, dict[str, Tally]] = {}
    for name in names:
        tallies: dict[str, Tally] = {}
        for seed in seeds:
            if name in STRATA:
                _each(simulate(STRATA[name], seed), tallies)
                continue
            made = imaged(IMAGED[name], seed)
            _each(made.simulated, tallies, elastix=seed - seeds.start < elastix, engines=engines)
            own = tallies["lesiontrack"]
            own.counts += made.counts
            own.diameters_pixels += [(a / made.pixel_mm, b / made.pixel_mm) for a, b in made.diameters_mm]
        results[name] = tallies
        print("\n".join(rows(name, tallies)), flush=True)
    return results


def _each(subject: Simulated, tallies: dict[str, Tally], *, elastix: bool = False, engines: Sequence[str] = ()) -> None:
    """Run every method on one subject; our other engines only where they are named."""
    for peer in ("centroid", "surface affine", *(["elastix 300"] if elastix else [])):
        plain(subject, tallies.setdefault(f"{peer}, plain gate", Tally()), peer)
    ours(subject, tallies.setdefault("lesiontrack", Tally()))
    for engine in engines:
        ours(subject, tallies.setdefault(f"lesiontrack, engine {engine}", Tally()), AlignSettings(engine=engine))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=2, help="subjects in each stratum")
    parser.add_argument("--seed", type=int, default=50000, help="first seed; see above for those of tuning")
    parser.add_argument("--stratum", action="append", choices=[*STRATA, *IMAGED], help="only this one")
    parser.add_argument("--elastix", type=int, default=1, help="subjects with images that elastix is run on as well")
    parser.add_argument("--engine", action="append", choices=["surface", "elastix"], help="this engine of ours as well")
    options = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    seeds = range(options.seed, options.seed + options.subjects)
    elastix = options.elastix if options.elastix and elastix_is_there() else 0
    results = run(seeds, options.stratum or [*STRATA, *IMAGED], elastix, options.engine or ())
    print("\n" + "\n".join(confusion(results)))
    print("\n" + "\n".join(calibration(tallies["lesiontrack"] for tallies in results.values())))
    if options.stratum is None:
        print("\n" + "\n".join(deep_lesion_rows()))
        print("\n" + "\n".join(full_size_rows(elastix=elastix > 0)))


if __name__ == "__main__":
    main()
