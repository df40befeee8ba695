"""The run on the sample study reproduces its truth: counts, identity of every lesion, control, dates, sites."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.road.conftest import Ran, lesiontrack

AXES = ["x_lps_mm", "y_lps_mm", "z_lps_mm"]


def _matched(ran: Ran) -> pd.DataFrame:
    """Pair every measured lesion with the true one whose centre is nearest; one row for each measured lesion."""
    truth, rows = ran.truth("lesions"), []
    for (subject_id, timepoint), found in ran.table("lesions").groupby(["subject_id", "timepoint"]):
        true = truth[(truth["subject_id"] == subject_id) & (truth["timepoint"] == timepoint)]
        for _, lesion in found.iterrows():
            distance = np.linalg.norm(true[AXES].to_numpy() - lesion[AXES].to_numpy(dtype=float), axis=1)
            best = true.iloc[int(distance.argmin())]
            rows.append({**lesion, "true_lesion": best["true_lesion"], "apart_mm": distance.min(), "truth": best})
    return pd.DataFrame(rows)


def test_the_job_ends_without_a_failure(sample_run: Ran) -> None:
    """Exit code 0, no row in failures, the report is written."""
    assert sample_run.code == 0, sample_run.said
    assert sample_run.table("failures").empty
    assert (sample_run.out / "report" / "index.html").is_file()
    assert json.loads((sample_run.out / "status.json").read_text())["state"] == "finished"


def test_every_lesion_is_found_once(sample_run: Ran) -> None:
    """At each visit the measured lesions are the true ones, one for one."""
    matched = _matched(sample_run)
    assert len(matched) > 300
    assert matched["apart_mm"].max() < 4.0
    measured = matched.groupby(["subject_id", "timepoint"])["true_lesion"].agg(sorted)
    truth = sample_run.truth("lesions").groupby(["subject_id", "timepoint"])["true_lesion"].agg(sorted)
    pd.testing.assert_series_equal(measured, truth, check_index_type=False)


def test_every_lesion_keeps_its_identity(sample_run: Ran) -> None:
    """Tracks and true lesions are the same partition, in every subject."""
    matched = _matched(sample_run)
    for subject_id, own in matched.groupby("subject_id"):
        lesions_of, tracks_of = defaultdict(set), defaultdict(set)
        for track_id, true_lesion in zip(own["track_id"], own["true_lesion"], strict=True):
            lesions_of[track_id].add(true_lesion)
            tracks_of[true_lesion].add(track_id)
        broken = {true: sorted(tracks) for true, tracks in tracks_of.items() if len(tracks) > 1}
        mixed = {track: sorted(true) for track, true in lesions_of.items() if len(true) > 1}
        assert not broken, f"{subject_id}: true lesions in several tracks"
        assert not mixed, f"{subject_id}: tracks of several true lesions"


def test_diameters_are_within_half_a_voxel_without_bias(sample_run: Ran) -> None:
    """Against the longest chord of the true ellipsoid in the best slice that was sampled, in pixels of each scan."""
    matched = _matched(sample_run)
    visits = sample_run.truth("visits").set_index(["subject_id", "timepoint"])["pixel_mm"]
    pixel_mm = np.array([visits[key] for key in zip(matched["subject_id"], matched["timepoint"], strict=True)])
    true_mm = np.array([truth["sampled_longest_diameter_mm"] for truth in matched["truth"]])
    error = (matched["longest_diameter_mm"].to_numpy() - true_mm) / pixel_mm
    assert abs(error.mean()) < 0.1
    assert np.abs(error).mean() < 0.5
    # Against the ellipsoid itself the slices' distance counts too; still within half a voxel's diagonal on average.
    whole = np.array([truth["longest_diameter_mm"] for truth in matched["truth"]])
    assert np.abs(matched["longest_diameter_mm"].to_numpy() - whole).mean() < 1.0


@pytest.mark.parametrize(
    "column",
    [
        "arm",
        "count_hepatic",
        "count_eligible",
        "induction_response",
        "disease_control",
        "eligible",
        "pd_date",
        "pd_site",
        "pd_subtype",
        "first_hepatic_pd_date",
        "first_extrahepatic_pd_date",
    ],
)
def test_the_verdict_is_the_truth(sample_run: Ran, column: str) -> None:
    """What the scenario was built to be is what the run says, subject by subject."""
    found = sample_run.table("subjects").set_index("subject_id")[column]
    truth = sample_run.truth("subjects").set_index("subject_id")[column]
    assert len(found) == len(truth) == 6
    for subject_id, value in zip(truth.index.astype(str), truth, strict=True):
        if pd.isna(value):
            assert pd.isna(found[subject_id]), f"{subject_id}: {found[subject_id]} where the truth is empty"
        else:
            assert found[subject_id] == value, subject_id


def test_the_samples_cover_what_they_promise(sample_run: Ran) -> None:
    """Both arms, and each of the situations that the sample study is for."""
    truth = sample_run.truth("subjects")
    assert set(truth["arm"]) == {"LOCAL", "CHEMO"}
    assert {"HEPATIC", "EXTRAHEPATIC"} <= set(truth["pd_site"].dropna())
    assert {"GROWTH", "INTRAHEPATIC_NEW", "LOCAL"} <= set(truth["pd_subtype"].dropna())
    assert truth["pd_date"].isna().any()
    assert (truth["count_hepatic"] < 10).any()
    size = sum(path.stat().st_size for path in sample_run.study.rglob("*") if path.is_file())
    assert size <= 25 * 2**20


def test_responses_by_visit_are_the_truth(sample_run: Ran) -> None:
    """Every visit's overall response under the rule set that feeds the endpoints."""
    table = sample_run.table("responses")
    primary = table[table["rules"] == "recist11-local"].set_index(["subject_id", "phase", "timepoint"])["overall"]
    truth = sample_run.truth("responses").set_index(["subject_id", "phase", "timepoint"])["overall"]
    assert len(truth) > 20
    wrong = {key: (primary.get(key), value) for key, value in truth.items() if primary.get(key) != value}
    assert not wrong


def test_a_second_run_does_nothing(sample_run: Ran) -> None:
    """Nothing that is done is touched again."""
    before = {path: path.stat().st_mtime_ns for path in (sample_run.out / "subjects").rglob("*") if path.is_file()}
    before |= {path: path.stat().st_mtime_ns for path in (sample_run.out / "cohort").rglob("*")}
    done = lesiontrack("run", sample_run.study, "--out", sample_run.out, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "0 done, 6 already done" in done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_events_follow_from_the_truth(sample_run: Ran) -> None:
    """Progression-free survival ends on the true date of progression, and overall survival on that of death."""
    events = {(row["subject_id"], row["endpoint"]): row for row in sample_run.table("events").to_dict("records")}
    clinical = pd.read_csv(sample_run.study / "clinical" / "subjects.csv").to_dict("records")
    people = {person["subject_id"]: person for person in clinical}
    for truth in sample_run.truth("subjects").to_dict("records"):
        person, pfs = people[truth["subject_id"]], events[(truth["subject_id"], "PFS")]
        if isinstance(truth["pd_date"], str):
            assert (pfs["date"], pfs["status"], pfs["reason"]) == (truth["pd_date"], 1, "PD")
        overall = events[(truth["subject_id"], "OS")]
        assert overall["status"] == int(isinstance(person["death_date"], str))
        assert overall["start_date"] == person["diagnosis_date"]


def test_endpoints_again_from_the_tables_alone(sample_run: Ran, tmp_path: Path) -> None:
    """An analyst's rerun gives the same events, and another rule gives others, without an image."""
    import shutil

    out = tmp_path / "out"
    shutil.copytree(sample_run.out, out, ignore=shutil.ignore_patterns("*.nii.gz", "*.npz"))
    done = lesiontrack("endpoints", out)
    assert done.returncode == 0, done.stderr
    same = pd.read_parquet(out / "cohort" / "events.parquet")
    pd.testing.assert_frame_equal(same, sample_run.table("events"))
    settings = tmp_path / "settings.toml"
    settings.write_text("assessment_interval_days = 10\nassessment_window_days = 0\n")
    assert lesiontrack("endpoints", out, "--settings", settings).returncode == 0
    other = pd.read_parquet(out / "cohort" / "events.parquet")
    assert "MISSED" in set(other[other["endpoint"] == "PFS"]["reason"])


def test_trace_walks_from_a_date_to_images_and_back(sample_run: Ran) -> None:
    """The evidence of a progression names images of the study, and each image leads back to the endpoint."""
    truth = sample_run.truth("subjects").set_index("subject_id")
    subject_id = str(truth.index[truth["pd_reasons"].eq("NEW").fillna(False)][0])
    done = lesiontrack("trace", sample_run.out, "--subject", subject_id, "--endpoint", "PFS", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["date"] == truth.loc[subject_id, "pd_date"]
    images = found["sop_instance_uids"]
    assert images
    assert set(images) <= set(sample_run.table("lesions")["sop_instance_uid"])
    back = lesiontrack("trace", sample_run.out, "--subject", subject_id, "--sop-instance", images[0], "--json")
    assert "PFS" in json.loads(back.stdout)["endpoints"]
