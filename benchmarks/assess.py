"""Speed and memory of ``assess`` without images, on simulated subjects of eight visits.

    python benchmarks/assess.py                        # 10,000 and 100,000 subjects
    python benchmarks/assess.py --subjects 1000 2000

Writes a case file of made-up measurements, assesses it through the same door as ``lesiontrack assess`` in a process of
its own, and prints seconds, cases a second and peak memory as a markdown table.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

VISITS = 8
ROOT = Path(__file__).resolve().parents[1]


def simulated_case(number: int, source: random.Random) -> dict[str, Any]:
    """Return a subject of three targets, one non-target and eight visits; a tenth progresses by a new lesion."""
    start = dt.date(2020, 1, 1) + dt.timedelta(days=source.randrange(1000))
    sizes = [source.uniform(15, 60) for _ in range(3)]
    points = []
    for visit in range(VISITS):
        sizes = [max(0.0, size * source.gauss(0.97 if visit < 4 else 1.05, 0.08)) for size in sizes]
        point: dict[str, Any] = {
            "date": (start + dt.timedelta(days=56 * visit)).isoformat(),
            "targets": {f"T{n}": {"mm": f"{size:.1f}"} for n, size in enumerate(sizes, start=1)},
            "nontargets": {"N1": "PRESENT"},
        }
        if visit and source.random() < 0.1 / VISITS:
            point["new"] = [{"id": "X1", "organ": "LUNG", "status": "UNEQUIVOCAL"}]
        points.append(point)
    organs = ("LIVER", "LIVER", "LUNG")
    lesions = [{"id": f"T{n}", "role": "TARGET", "organ": organ, "node": False} for n, organ in enumerate(organs, 1)]
    lesions.append({"id": "N1", "role": "NON-TARGET", "organ": "LIVER", "node": False})
    return {
        "id": f"SIM-{number:06d}",
        "treatment_start": (start + dt.timedelta(days=5)).isoformat(),
        "options": {},
        "lesions": lesions,
        "local_treatment": [],
        "timepoints": points,
    }


def write_cases(path: Path, subjects: int) -> None:
    """Write a case file, the same each time."""
    source = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        file.write('{"cases": [')
        for number in range(subjects):
            file.write((",\n" if number else "\n") + json.dumps(simulated_case(number, source)))
        file.write("\n]}\n")


def assess_file(path: Path, out: Path) -> None:
    """Assess a case file into ``out``."""
    from lesiontrack.assess import AssessSettings
    from lesiontrack.io.reads import AssessmentsWriter, assess_cases

    with AssessmentsWriter(out) as writer:
        for result in assess_cases(path, AssessSettings()):
            writer.add(result)
    if writer.n_errors:
        raise SystemExit(f"{writer.n_errors} cases failed")


def main() -> None:
    """Time each size in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--subjects", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--child", nargs=2, metavar=("CASES", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if options.child:
        start = time.process_time(), time.monotonic()
        assess_file(Path(options.child[0]), Path(options.child[1]))
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(time.process_time() - start[0], time.monotonic() - start[1], used.ru_maxrss / 1024)
        return
    print("| subjects | visits | file MB | CPU s | wall s | subjects / CPU s | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    for subjects in options.subjects:
        with tempfile.TemporaryDirectory() as folder:
            cases = Path(folder) / "cases.json"
            write_cases(cases, subjects)
            command = [sys.executable, __file__, "--child", str(cases), str(Path(folder) / "assessments.json")]
            line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            cpu, wall, memory = (float(word) for word in line)
            size = cases.stat().st_size / 1e6
            rate = f"{subjects / cpu:,.0f}"
            print(f"| {subjects:,} | {VISITS} | {size:.0f} | {cpu:.1f} | {wall:.1f} | {rate} | {memory:.0f} |")


if __name__ == "__main__":
    main()
