"""What a method found against what is true: links, new lesions, states, places, counts, diameters, cost."""

from __future__ import annotations

import ctypes
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.simulated_subjects import Simulated
from lesiontrack.domain.history import Registration
from lesiontrack.domain.lesion import LinkKind, MissingState
from lesiontrack.link import Tracking

__all__ = [
    "COLUMNS",
    "Edges",
    "Key",
    "Tally",
    "calibration",
    "centre_errors",
    "changes",
    "confusion",
    "f1",
    "is_right",
    "place_errors",
    "rows",
    "truth",
]

Key = tuple[int, int]
Edges = set[tuple[Key, Key]]


@dataclass(slots=True)
class Tally:
    """What one method did in one stratum.

    Attributes
    ----------
    counts
        (true, low, hepatic, high) of each visit.
    diameters_pixels
        (measured, true) longest diameters in pixels.
    spent_s, pairs, peak_mb
        CPU seconds in all, the pairs of scans that they served, and the most memory that one step took.
    """

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
    diameters_pixels: list[tuple[float, float]] = field(default_factory=list)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    spent_s: float = 0.0
    pairs: int = 0
    peak_mb: float = 0.0

    def links(self, subject: Simulated, found: Edges) -> None:
        """Count links by the true lesions that they join, each once: a piece of a lesion cut in two is a count's fault.

        Where such a piece is called new, or is linked with another lesion, it counts here as well.
        """
        wanted, _ = truth(subject)
        named = {(_named(subject, a), _named(subject, b)) for a, b in found}
        self.right += len(named & wanted)
        self.found += len(named)
        self.wanted += len(wanted)

    def beginners(self, subject: Simulated, found: set[Key]) -> None:
        """Count lesions called new."""
        _, wanted = truth(subject)
        named = {_named(subject, key) for key in found}
        self.new_right += len(named & wanted)
        self.new_found += len(named)
        self.new_wanted += len(wanted)

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count CPU seconds, and the memory at the worst moment beyond what was held before (Linux, glibc)."""
        # What was freed before is given back first, or it would serve again unseen.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before, began = _memory_mb("VmRSS"), time.process_time()
        yield
        self.spent_s += time.process_time() - began
        self.peak_mb = max(self.peak_mb, _memory_mb("VmHWM") - before)


def _memory_mb(kind: str) -> float:
    return float(Path("/proc/self/status").read_text().split(f"{kind}:")[1].split()[0]) / 1024.0


def f1(right: int, found: int, wanted: int) -> float:
    """Harmonic mean of precision and recall; 1 where there was nothing to find and nothing was found."""
    return 2.0 * right / (found + wanted) if found + wanted else 1.0


def _named(subject: Simulated, key: Key) -> Key:
    """Return (timepoint, number of the true lesion) of (timepoint, lesion_id)."""
    return key[0], subject.truth[key]


def truth(subject: Simulated) -> tuple[Edges, set[Key]]:
    """Return the links of consecutive sightings, and the first sightings of what is new, by (timepoint, number).

    A whole is linked with each of its parts where it falls into them or they flow into it; neither is new then.
    """
    seen: dict[int, list[Key]] = {}
    for key in sorted({_named(subject, key) for key in subject.truth}):
        seen.setdefault(key[1], []).append(key)
    edges = {(a, b) for keys in seen.values() for a, b in pairwise(keys)}
    begun = {keys[0] for keys in seen.values() if keys[0][0] > 0}
    for part, whole in subject.whole_of.items():
        if part in seen and whole in seen:
            first, second = sorted((seen[part], seen[whole]), key=lambda keys: keys[0][0])
            edges.add((first[-1], second[0]))
            begun.discard(second[0])
    return edges, begun


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

    ``same``, ``split`` (a part, where its whole was seen last), ``merge`` (a whole, where its parts were), ``new``,
    ``gone`` (or not marked) and ``out of view``; a lesion that is taken for another is ``other``.
    """
    states: Counter[tuple[str, str]] = Counter()
    number = {key: subject.whole_of.get(n, n) for key, n in subject.truth.items()}
    sources: dict[Key, list[tuple[Key, LinkKind]]] = {}
    for link in tracking.links:
        source = (link.timepoint_from, link.lesion_from)
        sources.setdefault((link.timepoint_to, link.lesion_to), []).append((source, link.kind))
    for key, n in number.items():
        if key[0] > 0:
            begun = all(m != n or v >= key[0] for (v, _), m in number.items())
            true = "new" if begun else _true_kind(subject, key)
            states[true, _found_kind(number, key, sources.get(key, []))] += 1
    ledger = {(m.track_id, m.timepoint): m.state for m in tracking.missing}
    held = {key: track.track_id for track in tracking.tracks for key in track.lesions}
    named = {MissingState.NOT_SEEN: "gone", MissingState.OUT_OF_VIEW: "out of view", None: "other"}
    for visit in range(1, len(subject.subject.visits)):
        known = {n for (v, _), n in number.items() if v < visit}
        for n in known - {m for (v, _), m in number.items() if v == visit}:
            last = max(key for key, m in number.items() if m == n and key[0] < visit)
            grid = subject.subject.visits[visit].scans[0].grid
            in_view = grid is None or grid.contains(subject.places[n][visit], margin_mm=5.0)
            states["gone" if in_view else "out of view", named[ledger.get((held[last], visit))]] += 1
    return states


def _true_kind(subject: Simulated, key: Key) -> str:
    """Tell a first sighting of a part after its whole, or of a whole after its parts, from any other known lesion."""
    n = subject.truth[key]
    if any(m == n and v < key[0] for (v, _), m in subject.truth.items()):
        return "same"
    return "split" if n in subject.whole_of else "merge" if n in subject.whole_of.values() else "same"


def _found_kind(number: Mapping[Key, int], key: Key, sources: Sequence[tuple[Key, LinkKind]]) -> str:
    if not sources:
        return "new"
    if any(number[source] != number[key] for source, _ in sources):
        return "other"
    kinds = {kind for _, kind in sources}
    return "merge" if LinkKind.MERGE in kinds else "split" if LinkKind.SPLIT in kinds else "same"


def is_right(subject: Simulated, first: Key, second: Key) -> bool:
    """Tell whether two sightings are of one lesion, or of a whole and its part."""
    a, b = subject.truth[first], subject.truth[second]
    return a == b or subject.whole_of.get(a) == b or subject.whole_of.get(b) == a


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


COLUMNS = (
    "stratum",
    "method",
    "precision",
    "recall",
    "F1 (links)",
    "new-lesion F1",
    "centre error mean / p95 mm, < 10 mm",
    "vanished place mm (n)",
    "count exact / within, mean error",
    "diameter bias / mean error, pixels (n)",
    "CPU s a pair",
    "peak MB a pair",
)


def rows(name: str, tallies: Mapping[str, Tally]) -> Iterator[str]:
    """Yield a row for each method in a stratum."""
    for method, t in tallies.items():
        cells = (
            name,
            method,
            f"{t.right / max(t.found, 1):.3f}",
            f"{t.right / max(t.wanted, 1):.3f}",
            f"{f1(t.right, t.found, t.wanted):.3f} ({t.wanted})",
            f"{f1(t.new_right, t.new_found, t.new_wanted):.3f}",
            _centres(t),
            f"{np.mean(t.places_mm):.1f} ({len(t.places_mm)})" if t.places_mm else "",
            _counts(t),
            _diameters(t),
            f"{t.spent_s / max(t.pairs, 1):.2f}",
            f"{t.peak_mb:.0f}",
        )
        yield f"| {' | '.join(cells)} |"


def _centres(tally: Tally) -> str:
    error = np.array(tally.centres_mm)
    if not len(error):
        return ""
    return f"{error.mean():.1f} / {np.percentile(error, 95):.1f}, {100 * (error < 10).mean():.0f} %"


def _counts(tally: Tally) -> str:
    if not tally.counts:
        return ""
    true, low, number, high = np.array(tally.counts).T
    within = (low <= true) & (true <= high)
    return f"{100 * np.mean(true == number):.0f} / {100 * np.mean(within):.0f} %, {np.abs(true - number).mean():.2f}"


def _diameters(tally: Tally) -> str:
    if not tally.diameters_pixels:
        return ""
    found, true = np.array(tally.diameters_pixels).T
    error = found - true
    return f"{error.mean():+.2f} / {np.abs(error).mean():.2f} ({len(error)})"


def confusion(results: dict[str, dict[str, Tally]]) -> Iterator[str]:
    """True against found state of every lesion at every visit after the first, all strata together."""
    total: Counter[tuple[str, str]] = Counter()
    for tallies in results.values():
        total += tallies["lesiontrack"].changes
    columns = ("same", "split", "merge", "new", "gone", "out of view", "other")
    yield f"| true | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}"
    for true in columns[:-1]:
        yield f"| {true} | {' | '.join(str(total[true, found]) for found in columns)} |"


def calibration(tallies: Iterable[Tally]) -> Iterator[str]:
    """Stated confidence against the share of links that are right, all strata together."""
    stated = np.array([c for tally in tallies for c in tally.confidences], dtype=np.float64).reshape(-1, 2)
    edges = [0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1.001]
    yield "| stated confidence | links | mean stated | right |\n|---|---|---|---|"
    for low, high in pairwise(edges):
        inside = (stated[:, 0] >= low) & (stated[:, 0] < high)
        if inside.any():
            mean, right = stated[inside].mean(axis=0)
            yield f"| {low:g} to {min(high, 1.0):g} | {np.count_nonzero(inside)} | {mean:.4f} | {right:.4f} |"
