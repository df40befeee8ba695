"""Accuracy and cost of alignment and linking on simulated subjects that no setting was tuned on.

``python -m benchmarks.tracking`` prints the tables of README.md, section "Tracking". Tuning used seeds below 700.
Strata without images are cheap and many; strata with images also compare the engines, elastix where it is installed.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.deep_lesion_pairs import deep_lesion_rows
from benchmarks.full_size import full_size_rows
from benchmarks.imaged_subjects import ImagedPlan, imaged
from benchmarks.simulated_subjects import Plan, Simulated, simulate
from lesiontrack.align import AlignSettings, Prepared, align
from lesiontrack.align.body import fit_body
from lesiontrack.align.elastix import follow_by_elastix, require_elastix
from lesiontrack.align.liver import fit_liver
from lesiontrack.domain.geometry import Transform
from lesiontrack.domain.history import Registration
from lesiontrack.domain.lesion import MissingState
from lesiontrack.errors import SettingsError
from lesiontrack.link import LinkSettings, Tracking, chain

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
    "images, 30+, hard": replace(FAR, n=34, apart_mm=13.0, radii_mm=(2.5, 8.0)),
    "images, dense 10 mm": replace(SMALL, apart_mm=10.0, vanish=0.15, new=0.2),
    "images, CT to MR": replace(NEAR, looks=("portal", "T1", "portal"), oblique=True),
    "images, CT to MR, hard": replace(FAR, looks=("portal", "T2", "portal"), oblique=True),
    "images, hepatectomy": replace(NEAR, n=24, resected_at=1),
    "images, no liver marked": replace(NEAR, unmarked=(0, 1, 2)),
}
ENGINES = ("blocks", "surface", "elastix")
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
    counts: list[tuple[int, int, int, int]] = field(default_factory=list)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
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


def ours(subject: Simulated, tally: Tally, settings: AlignSettings | None = None) -> None:
    """Align and chain, with the defaults but for the engine."""
    registrations: list[Registration] = []
    for a, b in pairs_of(len(subject.prepared)):
        registrations.append(align(subject.prepared[a], subject.prepared[b], settings or AlignSettings()))
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
    tally.changes += changes(subject, tracking)
    tally.centres_mm += [e for r in registrations for e in centre_errors(subject, r)]


def place_errors(subject: Simulated, tracking: Tracking) -> list[float]:
    """Distances of vanished lesions' places from the truth; those that a resection removed have no true place."""
    number_of = {t.track_id: subject.truth[t.lesions[0]] for t in tracking.tracks}
    return [
        float(np.linalg.norm(np.array(m.place_lps_mm) - subject.places[number_of[m.track_id]][m.timepoint]))
        for m in tracking.missing
        if m.state is MissingState.NOT_SEEN and (m.timepoint, number_of[m.track_id]) in subject.gone
    ]


def changes(subject: Simulated, tracking: Tracking) -> Counter[tuple[str, str]]:
    """Count (true, found) states of each lesion at each visit after the first, one it has been seen before or not.

    ``same``, ``new``, ``gone`` (or not marked) and ``out of view``; a lesion that is taken for another is ``other``.
    """
    states: Counter[tuple[str, str]] = Counter()
    number = dict(subject.truth)
    before = {(x.timepoint_to, x.lesion_to): (x.timepoint_from, x.lesion_from) for x in tracking.links}
    ledger = {(m.track_id, m.timepoint): m.state for m in tracking.missing}
    held = {key: track.track_id for track in tracking.tracks for key in track.lesions}
    for visit in range(1, len(subject.subject.visits)):
        known = {n for (v, _), n in number.items() if v < visit}
        shown = {n: key for key, n in number.items() if key[0] == visit}
        for n, key in shown.items():
            source = before.get(key)
            found = "new" if source is None else "same" if number[source] == n else "other"
            states["same" if n in known else "new", found] += 1
        for n in known - set(shown):
            last = max(key for key, m in number.items() if m == n and key[0] < visit)
            state = ledger.get((held[last], visit))
            grid = subject.subject.visits[visit].scans[0].grid
            true = "gone" if grid is None or grid.contains(subject.places[n][visit], margin_mm=5.0) else "out of view"
            named = {MissingState.NOT_SEEN: "gone", MissingState.OUT_OF_VIEW: "out of view"}
            states[true, "other" if state is None else named.get(state, "gone")] += 1
    return states


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
        way = _peer(subject.prepared[a], subject.prepared[b], engine)
        tally.align_s.append(time.process_time() - began)
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
    tally.edges(found, wanted)
    taken = {b for _, b in found}
    tally.beginners({(x.timepoint, x.lesion_id) for x in subject.lesions if x.timepoint > 0} - taken, new)


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


def elastix_is_installed() -> bool:
    """Tell whether the extra is there."""
    try:
        require_elastix()
    except SettingsError:
        return False
    return True


def run(seeds: range, names: list[str], elastix: int) -> dict[str, dict[str, Tally]]:
    """Run every method on every stratum; elastix on the first so many subjects of those with images."""
    results: dict[str, dict[str, Tally]] = {}
    for name in names:
        tallies: dict[str, Tally] = {}
        for seed in seeds:
            if name in STRATA:
                _each(simulate(STRATA[name], seed), tallies, elastix=False)
                continue
            made = imaged(IMAGED[name], seed)
            _each(made.simulated, tallies, elastix=seed - seeds.start < elastix)
            tallies["lesiontrack"].counts += made.counts
        results[name] = tallies
        print("\n".join(_rows(name, tallies)), flush=True)
    return results


def _each(subject: Simulated, tallies: dict[str, Tally], *, elastix: bool) -> None:
    """Run every method on one subject."""
    shown = any(prepared.image.any() for prepared in subject.prepared)
    for peer in ("centroid", "surface affine", *(["elastix 300"] if elastix else [])):
        plain(subject, tallies.setdefault(f"{peer}, plain gate", Tally()), peer)
    ours(subject, tallies.setdefault("lesiontrack", Tally()))
    for engine in ENGINES[1:] if shown else ():
        if engine != "elastix" or elastix:
            ours(subject, tallies.setdefault(f"lesiontrack, engine {engine}", Tally()), AlignSettings(engine=engine))


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
        true, low, number, high = np.array(t.counts or [(0, 0, 0, 0)]).T
        counted = f"{100 * np.mean(true == number):.0f} / {100 * np.mean((low <= true) & (true <= high)):.0f} %"
        yield (
            f"| {name} | {method} | {t.right / max(t.found, 1):.3f} | {t.right / max(t.wanted, 1):.3f} "
            f"| {f1(t.right, t.found, t.wanted):.3f} ({t.wanted}) | {f1(t.new_right, t.new_found, t.new_wanted):.3f} "
            f"| {centre} | {places} | {counted if t.counts else ''} | {seconds:.2f} |"
        )


def confusion(results: dict[str, dict[str, Tally]]) -> Iterator[str]:
    """True against found state of every lesion at every visit after the first, all strata together."""
    total: Counter[tuple[str, str]] = Counter()
    for tallies in results.values():
        total += tallies["lesiontrack"].changes
    columns = ("same", "new", "gone", "out of view", "other")
    yield f"| true | {' | '.join(columns)} |\n|{'---|' * 6}"
    for true in columns[:-1]:
        yield f"| {true} | {' | '.join(str(total[true, found]) for found in columns)} |"


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


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=6, help="subjects in each stratum")
    parser.add_argument("--seed", type=int, default=20000, help="first seed; tuning used seeds below 700")
    parser.add_argument("--stratum", action="append", choices=[*STRATA, *IMAGED], help="only this one")
    parser.add_argument("--elastix", type=int, default=1, help="subjects with images that elastix is run on as well")
    options = parser.parse_args()
    columns = ["stratum", "method", "precision", "recall", "F1 (links)", "new-lesion F1"]
    columns += ["centre error mean / p95 mm, < 10 mm", "vanished place mm (n)", "count exact / within", "CPU s a pair"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    seeds = range(options.seed, options.seed + options.subjects)
    elastix = options.elastix if elastix_is_installed() else 0
    results = run(seeds, options.stratum or [*STRATA, *IMAGED], elastix)
    print("\n" + "\n".join(confusion(results)))
    print("\n" + "\n".join(calibration(results)))
    if options.stratum is None:
        print("\n" + "\n".join(deep_lesion_rows()))
        print("\n" + "\n".join(full_size_rows(elastix=elastix > 0)))


if __name__ == "__main__":
    main()
