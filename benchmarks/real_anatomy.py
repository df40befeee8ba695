"""Accuracy of the whole main job on synthetic lesions in real anatomy, moved by a synthetic deformation.

``python -m benchmarks.real_anatomy`` prints the table of README.md, section "Real anatomy".
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.real_volumes import SOURCES, Source
from lesiontrack.io.phantom_study import write_made_subjects
from lesiontrack.phantom.real import RealAnatomy, RealSubject
from lesiontrack.phantom.real_course import real_subject

__all__ = ["Score", "reference_data", "score", "subject_id", "write_study"]

AXES = ["x_lps_mm", "y_lps_mm", "z_lps_mm"]
PLAIN_GATE_MM = 15.0
FURTHEST_MM = 5.0
"""A found lesion whose centroid is further from every true centre is no true lesion."""

Key = tuple[int, str]


def reference_data() -> Path:
    """Return the folder of reference data beside the project."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("LESIONTRACK_SHARED_DATA", beside))


def write_study(folder: Path, data: Path, cases: Iterable[tuple[Source, int]]) -> None:
    """Write a subject for each source and seed; its id tells both."""
    anatomies: dict[str, RealAnatomy] = {}

    def subjects() -> Iterable[RealSubject]:
        for source, seed in cases:
            if source.name not in anatomies:
                anatomies.clear()
                anatomies[source.name] = source.anatomy(data)
            yield real_subject(
                subject_id(source, seed),
                anatomies[source.name],
                seed=seed,
                lesions=source.lesions,
                imaging=source.imaging,
                sizes=source.sizes,
            )

    write_made_subjects(folder, subjects())


def subject_id(source: Source, seed: int) -> str:
    """Return the id under which a source's subject is written."""
    name = "".join(letter if letter.isalnum() else "-" for letter in source.name.upper())
    return f"{name}-{seed:03d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a subject's result compares with its truth.

    Attributes
    ----------
    true_lesions, lesions_right
        Sightings over all visits: how many there are, and how many were found once and nothing else.
    lesions_found
        How many were found, wrong ones included.
    links_true, links_found, links_right
        Pairs of consecutive sightings of one lesion.
    plain_found, plain_right
        The same of a plain peer that is given the true centres: shift the centroids onto each other, assign once.
    bent_mm
        How far each lesion moved from visit to visit beyond what all moved on average.
    broken
        True lesions in several tracks, and tracks of several true lesions.
    error_mm, error_pixels
        Longest diameter against the longest chord of the ellipsoid in the slices that were taken, each sighting.
    whole_error_mm
        The same against the ellipsoid itself.
    wrong
        What ``truth/subjects.csv`` and ``truth/responses.csv`` say and the result does not: name to (found, true).
    trusted
        Registrations that are trusted, of all.
    """

    subject_id: str
    planned: int
    true_lesions: int
    lesions_found: int
    lesions_right: int
    links_true: int
    links_found: int
    links_right: int
    plain_found: int
    plain_right: int
    bent_mm: NDArray[np.float64]
    broken: tuple[str, ...]
    error_mm: NDArray[np.float64]
    error_pixels: NDArray[np.float64]
    whole_error_mm: NDArray[np.float64]
    wrong: dict[str, tuple[str, str]]
    trusted: tuple[int, int]

    @property
    def edge_f1(self) -> float:
        """F1 of the links."""
        return 2.0 * self.links_right / (self.links_found + self.links_true)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """The tables of one subject, found and true."""

    subject_id: str
    study: Path
    out: Path

    def found(self, name: str) -> pd.DataFrame:
        table = pd.read_parquet(self.out / "cohort" / f"{name}.parquet")
        return table[table["subject_id"] == self.subject_id]

    def truth(self, name: str) -> pd.DataFrame:
        table = pd.read_csv(self.study / "truth" / f"{name}.csv", keep_default_na=False)
        return table[table["subject_id"] == self.subject_id]


def score(study: Path, out: Path, subject: str) -> Score:
    """Compare one subject's tables with the truth that was written beside its images."""
    result = _Result(subject_id=subject, study=study, out=out)
    truth = result.truth("lesions")
    found = _named(result.found("lesions"), truth)
    known = found[found["true_lesion"] != ""]
    name_of = {(int(t), int(n)): str(name) for t, n, name in found[["timepoint", "lesion_id", "true_lesion"]].values}
    links: set[tuple[Key, Key]] = set()
    for row in result.found("links").to_dict("records"):
        a, b = int(row["timepoint_from"]), int(row["timepoint_to"])
        links.add(((a, name_of[a, int(row["lesion_from"])]), (b, name_of[b, int(row["lesion_to"])])))
    wanted, plain = _true_links(truth), _plain_links(truth)
    once = found.groupby(["timepoint", "true_lesion"]).size()
    registrations = result.found("registrations")
    return Score(
        subject_id=subject,
        planned=int((truth["timepoint"] == 0).sum()),
        true_lesions=len(truth),
        lesions_found=len(found),
        lesions_right=sum(int(once.get((t, n), 0)) == 1 for t, n in truth[["timepoint", "true_lesion"]].values),
        links_true=len(wanted),
        links_found=len(result.found("links")),
        links_right=len(links & wanted),
        plain_found=len(plain),
        plain_right=len(plain & wanted),
        bent_mm=_bent_mm(truth),
        broken=_broken(known),
        error_mm=(known["longest_diameter_mm"] - known["sampled_mm"]).to_numpy(dtype=np.float64),
        error_pixels=_in_pixels(known, result.truth("visits")),
        whole_error_mm=(known["longest_diameter_mm"] - known["true_mm"]).to_numpy(dtype=np.float64),
        wrong=_wrong(result),
        trusted=(int(registrations["trusted"].sum()), len(registrations)),
    )


def _named(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Give each found lesion the nearest true one of its visit; none where that is far away."""
    rows = []
    for lesion in found.to_dict("records"):
        true = truth[truth["timepoint"] == lesion["timepoint"]]
        place = np.array([lesion[axis] for axis in AXES], dtype=np.float64)
        distance = np.linalg.norm(true[AXES].to_numpy(dtype=np.float64) - place, axis=1)
        best = true.iloc[int(distance.argmin())]
        near = distance.min() <= FURTHEST_MM
        rows.append(
            {
                **lesion,
                "true_lesion": best["true_lesion"] if near else "",
                "sampled_mm": float(best["sampled_longest_diameter_mm"]),
                "true_mm": float(best["longest_diameter_mm"]),
            }
        )
    return pd.DataFrame(rows)


def _true_links(truth: pd.DataFrame) -> set[tuple[Key, Key]]:
    """Consecutive sightings of each lesion."""
    links: set[tuple[Key, Key]] = set()
    for name, own in truth.groupby("true_lesion"):
        visits = sorted(int(t) for t in own["timepoint"])
        links |= {((a, str(name)), (b, str(name))) for a, b in pairwise(visits)}
    return links


def _centres(truth: pd.DataFrame, visit: int) -> pd.DataFrame:
    own = truth[truth["timepoint"] == visit].set_index("true_lesion")
    return own[AXES].astype(np.float64)


def _plain_links(truth: pd.DataFrame) -> set[tuple[Key, Key]]:
    """Visit to next visit with the lesions' centroids on each other, one assignment, a gate of 15 mm."""
    links: set[tuple[Key, Key]] = set()
    for a, b in pairwise(sorted({int(t) for t in truth["timepoint"]})):
        first, second = _centres(truth, a), _centres(truth, b)
        apart = (first - first.mean()).to_numpy()[:, None] - (second - second.mean()).to_numpy()[None]
        cost = np.minimum(np.linalg.norm(apart, axis=-1), PLAIN_GATE_MM)
        for i, j in np.stack(linear_sum_assignment(cost), axis=-1).tolist():
            if cost[i, j] < PLAIN_GATE_MM:
                links.add(((a, str(first.index[i])), (b, str(second.index[j]))))
    return links


def _bent_mm(truth: pd.DataFrame) -> NDArray[np.float64]:
    found = []
    for a, b in pairwise(sorted({int(t) for t in truth["timepoint"]})):
        moved = (_centres(truth, b) - _centres(truth, a)).dropna()
        found.append(np.linalg.norm((moved - moved.mean()).to_numpy(), axis=1))
    return np.concatenate(found)


def _broken(known: pd.DataFrame) -> tuple[str, ...]:
    """Tracks and true lesions must be the same partition."""
    several = [(f"lesion {name}", own["track_id"].nunique()) for name, own in known.groupby("true_lesion")]
    several += [(f"track {name}", own["true_lesion"].nunique()) for name, own in known.groupby("track_id")]
    return tuple(name for name, count in several if count > 1)


def _in_pixels(known: pd.DataFrame, visits: pd.DataFrame) -> NDArray[np.float64]:
    pixel_mm = visits.set_index("timepoint")["pixel_mm"]
    error = known["longest_diameter_mm"] - known["sampled_mm"]
    pixels: NDArray[np.float64] = (error / known["timepoint"].map(pixel_mm)).to_numpy(dtype=np.float64)
    return pixels


def _wrong(result: _Result) -> dict[str, tuple[str, str]]:
    """Compare counts, dates, sites and the responses by visit."""
    columns = ["count_hepatic", "count_eligible", "disease_control", "pd_date", "pd_site", "pd_subtype"]
    columns += ["first_hepatic_pd_date", "first_extrahepatic_pd_date"]
    found, true = result.found("subjects").iloc[0], result.truth("subjects").iloc[0]
    pairs = {name: (_text(found[name]), _text(true[name])) for name in columns}
    responses = result.found("responses")
    responses = responses[(responses["rules"] == "recist11-local") & (responses["phase"] == "STUDY")]
    overall = responses.set_index("timepoint")["overall"]
    for row in result.truth("responses").to_dict("records"):
        visit = int(row["timepoint"])
        pairs[f"response at visit {visit}"] = (_text(overall.get(visit)), _text(row["overall"]))
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _text(value: object) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


COLUMNS = (
    "volume",
    "subjects",
    "lesions",
    "count right",
    "sightings right",
    "edge F1",
    "of a plain peer",
    "bending mean / max, mm",
    "tracks broken",
    "diameter error: bias / mean / 95 %, mm",
    "bias / mean, pixels",
    "against the ellipsoid, mm",
    "PD date right",
    "PD site right",
    "PD subtype right",
    "responses right",
    "registrations trusted",
)


def table_row(name: str, scores: Sequence[Score]) -> str:
    """Return one row of the table."""

    def total(field: str) -> int:
        return sum(int(getattr(one, field)) for one in scores)

    def joined(field: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(one, field) for one in scores])

    def right(field: str) -> str:
        return str(sum(not any(wrong.startswith(field) for wrong in one.wrong) for one in scores))

    error, pixels, bent = joined("error_mm"), joined("error_pixels"), joined("bent_mm")
    planned = sorted({one.planned for one in scores})
    cells = (
        name,
        str(len(scores)),
        str(planned[0]) if len(planned) == 1 else f"{planned[0]} to {planned[-1]}",
        right("count_hepatic"),
        f"{total('lesions_right')} of {total('true_lesions')}",
        f"{2 * total('links_right') / (total('links_found') + total('links_true')):.3f}",
        f"{2 * total('plain_right') / (total('plain_found') + total('links_true')):.3f}",
        f"{bent.mean():.1f} / {bent.max():.1f}",
        str(sum(len(one.broken) for one in scores)),
        f"{error.mean():+.2f} / {np.abs(error).mean():.2f} / {np.percentile(np.abs(error), 95):.2f}",
        f"{pixels.mean():+.2f} / {np.abs(pixels).mean():.2f}",
        f"{np.abs(joined('whole_error_mm')).mean():.2f}",
        right("pd_date"),
        right("pd_site"),
        right("pd_subtype"),
        right("response"),
        f"{sum(one.trusted[0] for one in scores)} of {sum(one.trusted[1] for one in scores)}",
    )
    return f"| {' | '.join(cells)} |"


def _run(study: Path, out: Path, workers: int) -> None:
    program = str(Path(sys.executable).parent / "lesiontrack")
    command = [program, "run", str(study), "--out", str(out), "--workers", str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"the run ended with exit code {done.returncode}: {done.stderr}", file=sys.stderr)


def main() -> int:
    """Print the table; exit code 1 when any verdict, count or track is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="subjects from each volume")
    parser.add_argument("--seed", type=int, default=100, help="first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--source", action="append", choices=list(SOURCES), help="only this volume")
    parser.add_argument("--keep", type=Path, help="keep studies and results in this folder")
    options = parser.parse_args()
    lines, faults = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"], 0
    with tempfile.TemporaryDirectory() as folder:
        for name in options.source or SOURCES:
            here = (options.keep or Path(folder)) / subject_id(SOURCES[name], options.seed)
            cases = [(SOURCES[name], options.seed + n) for n in range(options.seeds)]
            write_study(here / "study", reference_data(), cases)
            _run(here / "study", here / "out", options.workers)
            scores = [score(here / "study", here / "out", subject_id(*case)) for case in cases]
            lines.append(table_row(name, scores))
            for one in scores:
                if one.wrong or one.broken:
                    faults += 1
                    print(f"{one.subject_id}: {one.wrong} {one.broken}", file=sys.stderr)
    print("\n".join(lines))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
