"""Two readers decide, each on the machine's history alone; the command line lists, adjudicates and follows changes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lesiontrack import review
from lesiontrack.assess import AssessSettings
from lesiontrack.batch import adjudicate_readings, replay_result
from lesiontrack.batch.study import derive_endpoints, stored_settings
from lesiontrack.domain.history import History
from lesiontrack.domain.reads import NewStatus
from lesiontrack.io.decision_log import DecisionLog
from lesiontrack.io.store import read_table, reading_folder, subject_folder
from lesiontrack.settings import Settings
from tests.review.machine import CENTRES, day, machine, make_extra, ref, renumbered, visit_ref
from tests.review.result import make_result, rerun
from tests.running import lesiontrack

ANNA, BEA = "anna", "bea"
# A small lesion that the machine finds at the last visit, beside the tenth centre.
SMALL = make_extra(3, 50, CENTRES[3] + [-25.0, 22.0, 10.0], 6.0)


def history(*, new: bool) -> History:
    """Return a machine's history: targets that keep their size, and a new lesion at the last visit or none."""
    found = machine(4, extra=[SMALL] if new else [])
    clinical = found.subject.clinical
    assert clinical is not None
    facts = replace(clinical, diagnosis_date=day(-1), enrolment_date=day(0.2), last_alive_date=day(6))
    return replace(found, subject=replace(found.subject, clinical=facts))


HISTORIES = {"S1": history(new=False), "S2": history(new=True), "S3": history(new=True), "S4": history(new=False)}


def decide(out: Path, subject: str, reader: str, *acts: Any) -> None:
    log = DecisionLog(out, subject, reader)
    for act in acts:
        log.append(act, reason="as seen")


def longer(subject: str, visit: int, number: int, mm: float) -> Any:
    """Correct a longest diameter to ``mm`` through the lesion's centre."""
    lesion = HISTORIES[subject].lesion(visit, number)
    x, y, z = lesion.centroid_lps_mm
    ends = ((x - mm / 2, y, z), (x + mm / 2, y, z))
    return review.CorrectDiameter(lesion=review.LesionRef.of(lesion), ends_lps_mm=ends)


def targets(subject: str) -> list[int]:
    """Return the numbers of the two lesions that the machine takes as targets: the two largest."""
    found = HISTORIES[subject]
    largest = sorted(found.lesions_at(0), key=lambda x: (-x.longest_diameter_mm, x.lesion_id))
    return [lesion.lesion_id for lesion in largest[:2]]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a result that two readers have read, with what they differ in planted.

    S1: bea measures a target 10 mm longer at visit 2 (progression there). S2: bea rejects the machine's new lesion. S3:
    both confirm. S4: anna takes another lesion as target; nothing follows from it.
    """
    with pytest.MonkeyPatch.context() as patched:
        # Nobody asks for statistics here: they take most of the time and are tested for themselves.
        patched.setattr("lesiontrack.batch.study.analyse", lambda *_: None)
        return _made(tmp_path_factory.mktemp("read") / "out")


def _made(folder: Path) -> Path:
    # Robustness over all choices of targets is not looked at here.
    out = make_result(folder, HISTORIES, Settings(assess=AssessSettings(max_choices=1)))
    for subject in HISTORIES:
        for reader in (ANNA, BEA):
            decide(out, subject, reader, review.ConfirmCase())
    first, second = targets("S1")
    decide(out, "S1", BEA, longer("S1", 2, first, float(HISTORIES["S1"].lesion(2, first).longest_diameter_mm) + 10.0))
    decide(out, "S2", BEA, review.Reject(lesion=ref(HISTORIES["S2"], 3, 50)))
    decide(out, "S3", ANNA, review.SetNewness(lesion=ref(HISTORIES["S3"], 3, 50), newness=NewStatus.UNEQUIVOCAL))
    decide(out, "S3", BEA, review.SetNewness(lesion=ref(HISTORIES["S3"], 3, 50), newness=NewStatus.UNEQUIVOCAL))
    third = next(x.lesion_id for x in HISTORIES["S4"].lesions_at(0) if x.lesion_id not in (first, second))
    chosen = tuple(ref(HISTORIES["S4"], 0, number) for number in (first, third))
    decide(out, "S4", ANNA, review.SetTargets(visit=visit_ref(HISTORIES["S4"], 0), lesions=chosen))
    assert replay_result(out).failures == 2  # warned: two readers of S1 and of S2 differ and nobody has chosen
    return out


def discordances(out: Path) -> dict[tuple[str, str], dict[str, Any]]:
    table = read_table(out / "cohort", "discordances")
    rows = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
    return {(row["subject_id"], row["item"]): row for row in rows}


def pfs(out: Path) -> dict[str, tuple[Any, Any, Any]]:
    events = read_table(out / "cohort", "events")
    plain = events.astype(object).where(events.notna(), None)
    rows = plain[plain["endpoint"] == "PFS"]
    return {str(row.subject_id): (row.date, row.status, row.reader) for row in rows.itertuples()}


def warnings(out: Path, subject: str, stage: str) -> str:
    table = read_table(out / "cohort", "failures")
    return " ".join(table[(table["subject_id"] == subject) & (table["stage"] == stage)]["message"])


@pytest.fixture(scope="module")
def listed(read: Path) -> str:
    done = lesiontrack("adjudicate", read)
    assert done.returncode == 1
    return done.stdout


@pytest.fixture
def out(read: Path, listed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy to choose and change in, where nobody asks for statistics and figures."""
    assert listed
    shutil.copytree(read, tmp_path / "out")
    monkeypatch.setattr("lesiontrack.batch.study.analyse", lambda *_: None)
    monkeypatch.setattr("lesiontrack.batch.study.write_agreement", lambda *_: None)
    return tmp_path / "out"


def choose(out: Path, *rows: str, reader: str | None = "adjudicated") -> None:
    """Take an adjudicator's choices, with a setting of whose reading feeds the endpoints."""
    choices, settings = out.parent / "choices.csv", out.parent / "settings.toml"
    choices.write_text("\n".join(["subject_id,item,chosen_reader,reason", *rows]) + "\n")
    settings.write_text("" if reader is None else f'[events]\nreader = "{reader}"\n')
    adjudicate_readings(out, choices_file=choices, adjudicator="cleo", settings_file=settings)


# --- what was planted -------------------------------------------------------------------------------------------------


def test_the_list_and_its_grounds_are_what_was_planted(read: Path, listed: str) -> None:
    at = {n: day(n).isoformat() for n in range(4)}
    found = discordances(read)
    assert {key: json.loads(row["readings"]) for key, row in found.items()} == {
        ("S1", f"category@{at[2]}"): {ANNA: "SD", BEA: "PD"},
        ("S1", "pd_date"): {ANNA: "no PD", BEA: at[2]},
        ("S1", f"measurement@{at[2]}:L01"): {ANNA: "22.0", BEA: "32.0"},
        ("S2", f"category@{at[3]}"): {ANNA: "PD", BEA: "SD"},
        ("S2", "pd_date"): {ANNA: at[3], BEA: "no PD"},
        ("S2", f"new_lesion@{at[3]}"): {ANNA: "YES", BEA: "NO"},
        ("S4", "targets"): {ANNA: "L01, L09", BEA: "L01, L02"},
        ("S4", "targets:induction"): {ANNA: "L01, L09", BEA: "L01, L02"},
    }
    grounds = found["S1", f"category@{at[2]}"]
    assert "L01 is measured differently (anna: 22.0 mm; bea: 32.0 mm)" in grounds["reason"]
    assert json.loads(grounds["numbers"])["bea sum"] == "52.0"
    correction = DecisionLog(read, "S1", BEA).read()[-1]
    assert json.loads(grounds["decisions"]) == [[BEA, f"CorrectDiameter (as seen), decision {correction.id[:12]}"]]
    rejected = found["S2", "pd_date"]
    assert "L11 is not a lesion to all (anna: LIVER 12.0 mm; bea: no lesion) [bea: Reject" in rejected["reason"]
    assert "4 subjects read by two readers or more, 3 with discordances: 4 open" in listed


def test_agreement_is_what_was_planted(read: Path, listed: str) -> None:
    assert listed
    (pair,) = json.loads((read / "endpoints" / "agreement.json").read_text())["pairs"]
    assert pair["category"]["categories"] == ["SD", "PD"]
    assert pair["category"]["table"] == [[9, 1], [1, 1]]
    assert pair["category"]["estimate"] == pytest.approx((10 / 12 - 104 / 144) / (1 - 104 / 144))
    assert pair["pd"]["table"] == [[1, 1], [1, 1]]
    assert pair["pd"]["estimate"] == pytest.approx(0.0)
    assert (pair["pd_date_days"]["days"], pair["pd_date_days"]["only_first"], pair["pd_date_days"]["only_second"]) == (
        [0],
        1,
        1,
    )
    points = pd.read_csv(read / "endpoints" / f"agreement_{ANNA}_{BEA}_sums.csv")
    planted = points[points["difference_mm"] != 0]
    # One length in S1, and another pair of targets at each visit in S4.
    assert planted[planted["subject_id"] == "S1"]["difference_mm"].tolist() == [10.0]
    assert set(planted["subject_id"]) == {"S1", "S4"}
    assert pair["sum_mm"]["bias"] == pytest.approx(points["difference_mm"].sum() / 12)


def test_readers_are_blind_to_each_other(out: Path) -> None:
    """Without the other's decisions a reader's tables are the same, byte for byte."""
    folder = reading_folder(out, "S1", ANNA)
    before = {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
    assert "responses.parquet" in before
    for path in subject_folder(out, "S1").glob("decisions-bea*.jsonl"):
        path.unlink()
    replay_result(out)
    assert {path.name: path.read_bytes() for path in folder.glob("*.parquet")} == before
    responses = read_table(out / "cohort", "responses")
    assert set(responses[responses["subject_id"] == "S1"]["reader"]) == {"machine", ANNA}


# --- whose reading feeds the endpoints --------------------------------------------------------------------------------


def test_choices_reach_the_endpoints_from_the_command_line(read: Path, listed: str, tmp_path: Path) -> None:
    assert listed
    folder = tmp_path / "out"
    shutil.copytree(read, folder)
    (tmp_path / "settings.toml").write_text('[events]\nreader = "adjudicated"\n')
    (tmp_path / "choices.csv").write_text(
        "subject_id,item,chosen_reader,reason\n"
        f"S1,category@2,{BEA},the line is drawn through the whole lesion\nS2,pd_date,{BEA},a biopsy track\n"
    )
    done = lesiontrack(
        *("adjudicate", folder, "--choices", tmp_path / "choices.csv"),
        *("--adjudicator", "cleo", "--settings", tmp_path / "settings.toml"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert pfs(folder) == {
        "S1": (day(2).isoformat(), 1, "adjudicated"),
        "S2": (day(3).isoformat(), 0, "adjudicated"),
        "S3": (day(3).isoformat(), 1, "adjudicated"),
        "S4": (day(3).isoformat(), 0, "adjudicated"),
    }
    # The cohort's other tables are those of the reading that decides: bea's S2 has no lesion 50.
    lesions = read_table(folder / "cohort", "lesions")
    assert {s: int(((lesions["subject_id"] == s) & (lesions["timepoint"] == 3)).sum()) for s in ("S2", "S3")} == {
        "S2": 10,
        "S3": 11,
    }
    subjects = read_table(folder / "cohort", "subjects").set_index("subject_id")
    assert subjects.loc["S1", "pd_date"] == day(2).isoformat()
    assert subjects["pd_date"].isna()["S2"]
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "by cleo on" in page
    assert "a biopsy track" in page


@pytest.mark.parametrize(
    ("reader", "expected"),
    [
        (BEA, {"S1": (day(2), 1, BEA), "S2": (day(3), 0, BEA)}),
        ("adjudicated", {"S1": (None, None, None), "S2": (None, None, None)}),
    ],
)
def test_whose_reading_is_a_setting(out: Path, reader: str, expected: dict[str, tuple[Any, Any, Any]]) -> None:
    settings = out.parent / "settings.toml"
    settings.write_text(f'[events]\nreader = "{reader}"\n')
    derive_endpoints(out, clinical=None, settings_file=settings)
    found = pfs(out)
    for subject, (date, status, who) in expected.items():
        assert found[subject] == (None if date is None else date.isoformat(), status, who)
    undecided = reader == "adjudicated"
    named = warnings(out, "S1", "adjudicate")
    assert (ANNA in named and BEA in named) is undecided
    subjects = read_table(out / "cohort", "subjects").set_index("subject_id")
    assert ("DISCORDANT" in str(subjects.loc["S1", "flags"])) is undecided


def test_choices_survive_a_rerun_by_another_engine_and_not_a_change_of_reading(out: Path) -> None:
    choose(out, f"S1,pd_date,{BEA},drawn well", f"S2,pd_date,{BEA},a biopsy track")
    assert pfs(out)["S1"] == (day(2).isoformat(), 1, "adjudicated")
    for subject in ("S1", "S2"):
        rerun(out, subject, renumbered(HISTORIES[subject], shift=80), stored_settings(out, None))
    replay_result(out)
    assert discordances(out)["S1", "pd_date"]["state"] == "CHOSEN"
    assert pfs(out)["S1"] == (day(2).isoformat(), 1, "adjudicated")

    correction = DecisionLog(out, "S1", BEA).read()[-1]
    decide(out, "S1", BEA, review.Revoke(decision=correction.id))
    decide(out, "S1", BEA, longer("S1", 1, targets("S1")[0], 32.0))
    replay_result(out)
    assert pfs(out)["S1"] == (None, None, None)
    assert discordances(out)["S1", "pd_date"]["state"] == "STALE"
    assert "was made on other readings" in warnings(out, "S1", "adjudicate")
    assert pfs(out)["S2"] == (day(3).isoformat(), 0, "adjudicated")
    choose(out, f"S1,pd_date,{BEA},still drawn well")
    assert pfs(out)["S1"] == (day(1).isoformat(), 1, "adjudicated")
    assert warnings(out, "S1", "adjudicate") == ""
