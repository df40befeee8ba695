"""Run the command line as a person does, and keep what it wrote and said."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Ran:
    """A finished command: where it wrote, how it ended, what it said."""

    study: Path
    out: Path
    code: int
    said: str

    def table(self, name: str) -> pd.DataFrame:
        """Return a table of the cohort."""
        return pd.read_parquet(self.out / "cohort" / f"{name}.parquet")

    def truth(self, name: str) -> pd.DataFrame:
        """Return a table of the study's truth."""
        return pd.read_csv(self.study / "truth" / f"{name}.csv")


def lesiontrack(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person does."""
    command = [str(BIN / "lesiontrack"), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})
