"""Accuracy and cost of alignment and linking on simulated subjects that no setting was tuned on.

``python benchmarks/tracking.py`` prints the tables of README.md, section "Tracking". Tuning used seeds below 500.
"""

from __future__ import annotations

import argparse
import datetime as dt
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.simulated_subjects import Plan, Simulated, simulate
from lesiontrack.align import AlignSettings, Prepared, align, prepare
from lesiontrack.align.liver import fit_liver
from lesiontrack.domain.history import Registration
from lesiontrack.domain.lesion import MissingState
from lesiontrack.link import LinkSettings, Tracking, chain
from lesiontrack.measure import MeasureSettings, measure
from lesiontrack.phantom import Imaging, PhantomSubject, subject_plans

Points = NDArray[np.float64]
Key = tuple[int, int]
Edges = set[tuple[Key, Key]]

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
}
PLAIN_GATE_MM = 8.0


@dataclass(slots=True)
class Tally:
    """Counts of one method in one stratum."""

    right: int = 0
    found: int = 0
    wanted: int = 0
    new_right: int = 0
    new_found: int = 0
    new_wanted: int = 0
    places_mm: list[float] = field(default_factory=list)
    centres_mm: list[float] = field(default_factory=list)
    confidences: list[tuple[float, bool]] = field(default_factory=list)
    align_s: list[float] = field(default_factory=list)
    link_s: list[float] = field(default_factory=list)

    def edges(self, found: Edges, wanted: Edges) -> None:
        """Count links."""
        self.right += len(found & wanted)
        self.found += len(found)
        self.wanted += len(wanted)

    def beginners(self, found: set[Key], wanted: set[Key]) -> None:
        """Count lesions called new."""
        self.new_right += len(found & wanted)
        self.new_found += len(found)
        self.new_wanted += len(wanted)


def f1(right: int, found: int, wanted: int) -> float:
    """Harmonic mean of precision and recall; 1 where there was nothing to find and nothing was found."""
    return 2.0 * right / (found + wanted) if found + wanted else 1.0


def pairs_of(count: int) -> list[tuple[int, int]]:
    """Previous to this and baseline to this."""
    return [(a, b) for b in range(1, count) for a in sorted({0, b - 1})]


def truth(subject: Simulated) -> tuple[Edges, set[Key]]:
    """Consecutive sightings of each lesion, and first sightings after the first visit."""
    seen: dict[int, list[Key]] = {}
    for key, number in sorted(subject.truth.items()):
        seen.setdefault(number, []).append(key)
    edges = {(a, b) for keys in seen.values() for a, b in pairwise(keys)}
    return edges, {keys[0] for keys in seen.values() if keys[0][0] > 0}


def ours(subject: Simulated, tally: Tally) -> None:
    """Align and chain with the defaults."""
    registrations: list[Registration] = []
    for a, b in pairs_of(len(subject.prepared)):
        registrations.append(align(subject.prepared[a], subject.prepared[b], AlignSettings()))
        tally.align_s.append(registrations[-1].seconds)
    began = time.process_time()
    tracking = chain(subject.subject, subject.lesions, (), registrations, LinkSettings())
    tally.link_s.append((time.process_time() - began) / len(registrations))
    wanted, new = truth(subject)
    found = {((x.timepoint_from, x.lesion_from), (x.timepoint_to, x.lesion_to)) for x in tracking.links}
    tally.edges(found, wanted)
    tally.beginners({t.lesions[0] for t in tracking.tracks if t.first_timepoint > 0}, new)
    for link in tracking.links:
        first, second = (link.timepoint_from, link.lesion_from), (link.timepoint_to, link.lesion_to)
        tally.confidences.append((link.confidence, subject.truth[first] == subject.truth[second]))
    tally.places_mm += place_errors(subject, tracking)
    tally.centres_mm += [e for r in registrations for e in centre_errors(subject, r)]


def place_errors(subject: Simulated, tracking: Tracking) -> list[float]:
    """Distances of vanished lesions' places from the truth; those that a resection removed have no true place."""
    number_of = {t.track_id: subject.truth[t.lesions[0]] for t in tracking.tracks}
    return [
        float(np.linalg.norm(np.array(m.place_lps_mm) - subject.places[number_of[m.track_id]][m.timepoint]))
        for m in tracking.missing
        if m.state is MissingState.NOT_SEEN and (m.timepoint, number_of[m.track_id]) in subject.gone
    ]


def centre_errors(subject: Simulated, registration: Registration) -> list[float]:
    """Distances of projected true centres from true centres, lesions seen at both visits."""
    a, b = registration.timepoint_from, registration.timepoint_to
    numbers = [{n for (visit, _), n in subject.truth.items() if visit == one} for one in (a, b)]
    both = sorted(numbers[0] & numbers[1])
    if not both:
        return []
    first = np.array([subject.places[n][a] for n in both])
    second = np.array([subject.places[n][b] for n in both])
    return [float(e) for e in np.linalg.norm(registration.forward.apply(first) - second, axis=1)]


def plain(subject: Simulated, tally: Tally, engine: str) -> None:
    """Previous to this only, one map, one assignment with a fixed gate: what a simple tool does."""
    wanted, new = truth(subject)
    found: Edges = set()
    for a, b in pairwise(range(len(subject.prepared))):
        began = time.process_time()
        matrix = _peer(subject.prepared[a], subject.prepared[b], engine)
        tally.align_s.append(time.process_time() - began)
        first = [x for x in subject.lesions if x.timepoint == a]
        second = [x for x in subject.lesions if x.timepoint == b]
        if not first or not second:
            continue
        later = np.array([x.centroid_lps_mm for x in second]) @ matrix[:3, :3].T + matrix[:3, 3]
        earlier = np.array([x.centroid_lps_mm for x in first])
        cost = np.linalg.norm(earlier[:, None] - later[None], axis=-1)
        rows, columns = linear_sum_assignment(np.minimum(cost, PLAIN_GATE_MM))
        for i, j in zip(rows, columns, strict=True):
            if cost[i, j] < PLAIN_GATE_MM:
                found.add(((a, first[i].lesion_id), (b, second[j].lesion_id)))
    tally.edges(found, wanted)
    taken = {b for _, b in found}
    tally.beginners({(x.timepoint, x.lesion_id) for x in subject.lesions if x.timepoint > 0} - taken, new)


def _peer(earlier: Prepared, later: Prepared, engine: str) -> Points:
    """Later to earlier: the livers' centroids, or the affine fit of their surfaces."""
    if engine == "surface affine":
        fit = fit_liver(earlier, later, AlignSettings())
        if fit is not None:
            return fit.affine
    matrix = np.eye(4)
    start, goal = later.liver_centre_lps_mm, earlier.liver_centre_lps_mm
    if start is not None and goal is not None:
        matrix[:3, 3] = goal - start
    return matrix


def run(seeds: range, names: list[str]) -> dict[str, dict[str, Tally]]:
    """Run every method on every stratum."""
    results: dict[str, dict[str, Tally]] = {}
    for name in names:
        tallies = {"centroid, plain gate": Tally(), "surface affine, plain gate": Tally(), "lesiontrack": Tally()}
        for seed in seeds:
            subject = simulate(STRATA[name], seed)
            plain(subject, tallies["centroid, plain gate"], "centroid")
            plain(subject, tallies["surface affine, plain gate"], "surface affine")
            ours(subject, tallies["lesiontrack"])
        results[name] = tallies
        print("\n".join(_rows(name, tallies)), flush=True)
    return results


def _rows(name: str, tallies: dict[str, Tally]) -> Iterator[str]:
    for method, t in tallies.items():
        places = f"{np.mean(t.places_mm):.1f} ({len(t.places_mm)})" if t.places_mm else ""
        centres = np.array(t.centres_mm)
        centre = (
            f"{centres.mean():.1f} / {np.percentile(centres, 95):.1f}, {100 * (centres < 10).mean():.0f} %"
            if len(centres)
            else ""
        )
        seconds = np.mean(t.align_s) + (np.mean(t.link_s) if t.link_s else 0.0)
        yield (
            f"| {name} | {method} | {t.right / max(t.found, 1):.3f} | {t.right / max(t.wanted, 1):.3f} "
            f"| {f1(t.right, t.found, t.wanted):.3f} | {f1(t.new_right, t.new_found, t.new_wanted):.3f} "
            f"| {centre} | {places} | {seconds:.2f} |"
        )


def calibration(results: dict[str, dict[str, Tally]]) -> Iterator[str]:
    """Stated confidence against the share of links that are right, all strata together."""
    stated = np.array([c for t in results.values() for c in t["lesiontrack"].confidences], dtype=np.float64).reshape(
        -1, 2
    )
    edges = [0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1.001]
    yield "| stated confidence | links | mean stated | right |"
    yield "|---|---|---|---|"
    for low, high in pairwise(edges):
        inside = (stated[:, 0] >= low) & (stated[:, 0] < high)
        if inside.any():
            mean, right = stated[inside].mean(axis=0)
            yield f"| {low:g} to {min(high, 1.0):g} | {np.count_nonzero(inside)} | {mean:.4f} | {right:.4f} |"


def full_size() -> Iterator[str]:
    """CPU time and memory of one pair of 512 x 512 x 120 phantom volumes, reading and measuring left out."""
    plan = subject_plans(subjects=1, seed=3)[0]
    imaging = Imaging(pixel_mm=0.75, slice_mm=2.25, matrix=512, height_mm=270.0)
    subject = PhantomSubject(replace(plan, visits=tuple(replace(v, imaging=imaging) for v in plan.visits)))
    kept: list[Prepared] = []
    seconds, peak = 0.0, 0
    for number in (0, 1):
        visit = subject.visit(number)
        day = dt.date(2024, 1, 1)
        found = measure(visit.volume, visit.segmentation, timepoint=number, date=day, settings=MeasureSettings())
        began = time.process_time()
        prepare(visit.volume, visit.segmentation, found.lesions, timepoint=number, settings=AlignSettings())
        seconds += time.process_time() - began
        # Once more with every allocation traced, which slows it down.
        tracemalloc.start()
        kept.append(
            prepare(visit.volume, visit.segmentation, found.lesions, timepoint=number, settings=AlignSettings())
        )
        peak = max(peak, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    began = time.process_time()
    registration = align(kept[0], kept[1], AlignSettings())
    seconds += time.process_time() - began
    tracemalloc.start()
    align(kept[0], kept[1], AlignSettings())
    peak = max(peak, tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    errors = []
    for lesion in subject.placed:
        if lesion.plan.site == "LIVER":
            start, goal = (subject.motions[n].to_patient_space(lesion.centre_mm) for n in (0, 1))
            errors.append(float(np.linalg.norm(registration.forward.apply(start) - goal)))
    yield f"512 x 512 x 120 phantom pair: {seconds:.2f} CPU s for preparing both scans and aligning them;"
    yield f"lesion centre error {np.mean(errors):.2f} mm; trusted: {registration.trusted};"
    yield f"peak memory beyond the volume itself {peak / 2**20:.0f} MB"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=12, help="subjects in each stratum")
    parser.add_argument("--seed", type=int, default=9000, help="first seed; tuning used seeds below 500")
    parser.add_argument("--stratum", action="append", choices=list(STRATA), help="only this one")
    options = parser.parse_args()
    columns = ["stratum", "method", "precision", "recall", "F1", "new-lesion F1", "centre error mean / p95 mm, < 10 mm"]
    columns += ["vanished place mm (n)", "CPU s a pair"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    results = run(range(options.seed, options.seed + options.subjects), options.stratum or list(STRATA))
    print("\n" + "\n".join(calibration(results)))
    if options.stratum is None:
        print("\n" + "\n".join(full_size()))


if __name__ == "__main__":
    main()
