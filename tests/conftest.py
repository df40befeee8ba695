"""What all tests share: where the reference data lies, the main job run once, and hypothesis' profile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.running import Ran, lesiontrack

ROOT = Path(__file__).resolve().parents[1]

# One seed for all: a red run must be repeatable on another machine. `make soak` explores with the profile "soak".
settings.register_profile(
    "default", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("soak", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each file to one worker, and all tests of the sample run to the same one, so that it runs once."""
    for item in items:
        shared = "sample_run" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("sample_run" if shared else item.location[0]))


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Return the project's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of reference data beside the project; skip where it is absent."""
    folder = Path(os.environ.get("LESIONTRACK_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"reference data not found at {folder} (set LESIONTRACK_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def sample_scans() -> Path:
    """Return the sample study that the project ships."""
    folder = ROOT / "sample_scans"
    assert (folder / "images").is_dir(), "make it with `lesiontrack phantom sample_scans --subjects 6 --seed 20`"
    return folder


@pytest.fixture(scope="session")
def sample_run(sample_scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Return the main job on the sample study, run once for all tests of a worker; never write into it."""
    out = tmp_path_factory.mktemp("sample") / "out"
    done = lesiontrack("run", sample_scans, "--out", out, "--workers", "2")
    return Ran(study=sample_scans, out=out, code=done.returncode, said=done.stdout + done.stderr)
