"""Show, at the end of a run, how many reference numbers were compared and how far they were off."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

PROPERTY = "compared_with_r"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each data set and statistic; the numbers come back from workers with the reports."""
    counts: dict[tuple[str, str], tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []):
            if name == PROPERTY:
                for data_set, statistic, number, worst in json.loads(str(value)):
                    seen = counts[data_set, statistic]
                    counts[data_set, statistic] = (seen[0] + number, max(seen[1], worst))
    if not counts:
        return
    terminalreporter.section("survival statistics compared with R (survival 3.5-3, cmprsk 2.2-11)")
    terminalreporter.write_line(f"{'data set':<16}{'statistic':<44}{'numbers':>8}  largest relative difference")
    for (data_set, statistic), (number, worst) in sorted(counts.items()):
        terminalreporter.write_line(f"{data_set:<16}{statistic:<44}{number:>8}  {worst:.1e}")
    terminalreporter.write_line(f"{'all':<60}{sum(n for n, _ in counts.values()):>8}")
