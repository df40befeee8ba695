"""Named censoring and competing cases in the form of a case file (response rules, section 11 and settled points).

Every expectation is written by hand. Days count from treatment start 2024-01-08; scans are due every 56 +- 7 days, so
that a gap of 126 days is the last that is none.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lesiontrack.io.censoring_cases import read_censoring_cases
from lesiontrack.survival.censor_cases import censoring_document

START = dt.date(2024, 1, 8)
Ending = tuple[int, int, str]


def on(day: int | None) -> str | None:
    """Return the ISO date of a day from the start."""
    return None if day is None else (START + dt.timedelta(days=day)).isoformat()


def pfs(*seen: tuple[int, str], **days: Any) -> dict[str, Any]:
    """Return a case: scans by day and overall response; further dates by their names, in days."""
    plain: dict[str, Any] = {
        name: days.pop(name) for name in ("baseline", "interval_days", "window_days") if name in days
    }
    return {
        "treatment_start": START.isoformat(),
        "interval_days": 56,
        "window_days": 7,
        "baseline": True,
        "assessments": [{"date": on(day), "overall": overall} for day, overall in seen],
        **{
            name: on(days.get(name))
            for name in ("pd_date", "death_date", "new_therapy_date", "clinical_progression_date")
        },
        **plain,
    }


def document(tmp_path: Path, kind: str, case: dict[str, Any]) -> dict[str, Any]:
    """Judge one case through a file."""
    file = tmp_path / "cases.json"
    file.write_text(json.dumps({kind: [{"id": "K", **case}]}), encoding="utf-8")
    (found,) = censoring_document(read_censoring_cases(file))[kind]
    return found


SD56, SD112 = (56, "SD"), (112, "SD")

PFS: Sequence[tuple[str, dict[str, Any], Ending, Ending]] = (
    ("PD at the first scan", pfs((56, "PD"), pd_date=56), (56, 1, "PD"), (56, 1, "PD")),
    (
        "the gap before a PD spans two scans that are NE",
        pfs(SD56, (112, "NE"), (168, "NE"), (183, "PD"), pd_date=183),
        (56, 0, "MISSED"),
        (183, 1, "PD"),
    ),
    (
        "one scan that is NE is within the limit",
        pfs(SD56, (112, "NE"), (168, "PD"), pd_date=168),
        (168, 1, "PD"),
        (168, 1, "PD"),
    ),
    (
        "an earlier long gap that ended with an adequate scan is forgiven",
        pfs(SD56, (250, "SD"), (306, "PD"), pd_date=306),
        (306, 1, "PD"),
        (306, 1, "PD"),
    ),
    ("a death 126 days after the last scan", pfs(SD56, death_date=182), (182, 1, "DEATH"), (182, 1, "DEATH")),
    ("a death 127 days after the last scan", pfs(SD56, death_date=183), (56, 0, "MISSED"), (183, 1, "DEATH")),
    ("no scan, death on day 126", pfs(death_date=126), (126, 1, "DEATH"), (126, 1, "DEATH")),
    ("no scan, death on day 127", pfs(death_date=127), (0, 0, "MISSED"), (127, 1, "DEATH")),
    ("first scan is PD on day 127", pfs((127, "PD"), pd_date=127), (0, 0, "MISSED"), (127, 1, "PD")),
    ("all scans NE, alive", pfs((56, "NE"), (112, "NE")), (0, 0, "NO_POSTBASELINE"), (0, 0, "NO_POSTBASELINE")),
    ("all scans NE, death on day 120", pfs((56, "NE"), death_date=120), (120, 1, "DEATH"), (120, 1, "DEATH")),
    ("no baseline, alive, scanned", pfs(SD56, baseline=False), (0, 0, "NO_BASELINE"), (0, 0, "NO_BASELINE")),
    (
        "no baseline, death on day 127",
        pfs((56, "NE"), death_date=127, baseline=False),
        (0, 0, "MISSED"),
        (127, 1, "DEATH"),
    ),
    (
        "new therapy on the day of PD does not censor",
        pfs(SD56, (112, "PD"), pd_date=112, new_therapy_date=112),
        (112, 1, "PD"),
        (112, 1, "PD"),
    ),
    (
        "new therapy after PD does not censor",
        pfs(SD56, (112, "PD"), pd_date=112, new_therapy_date=120),
        (112, 1, "PD"),
        (112, 1, "PD"),
    ),
    (
        "new therapy before any scan censors at the start",
        pfs(SD56, (112, "PD"), pd_date=112, new_therapy_date=30),
        (0, 0, "NEW_THERAPY"),
        (112, 1, "PD"),
    ),
    (
        "new therapy, and scans go on without PD",
        pfs(SD56, SD112, (168, "SD"), new_therapy_date=120),
        (112, 0, "NEW_THERAPY"),
        (168, 0, "LAST_ADEQUATE"),
    ),
    (
        "new therapy on a day whose scan is NE: the one before counts",
        pfs(SD56, (112, "NE"), (168, "PD"), pd_date=168, new_therapy_date=112),
        (56, 0, "NEW_THERAPY"),
        (168, 1, "PD"),
    ),
    (
        "new therapy within a long gap before PD",
        pfs(SD56, (250, "PD"), pd_date=250, new_therapy_date=100),
        (56, 0, "NEW_THERAPY"),
        (250, 1, "PD"),
    ),
    (
        "new therapy on the day of death does not censor",
        pfs(SD56, death_date=120, new_therapy_date=120),
        (120, 1, "DEATH"),
        (120, 1, "DEATH"),
    ),
    (
        "clinical progression, then PD by imaging",
        pfs(SD56, (112, "PD"), pd_date=112, clinical_progression_date=80),
        (112, 1, "PD"),
        (112, 1, "PD"),
    ),
    (
        "clinical progression, then death",
        pfs(SD56, death_date=120, clinical_progression_date=80),
        (120, 1, "DEATH"),
        (120, 1, "DEATH"),
    ),
    (
        "the last scan is NE, alive",
        pfs(SD56, SD112, (168, "NE")),
        (112, 0, "LAST_ADEQUATE"),
        (112, 0, "LAST_ADEQUATE"),
    ),
    (
        "NED, re-baseline and non-target responses are adequate",
        pfs((56, "REBASELINE"), (112, "NED"), (168, "NON-CR/NON-PD")),
        (168, 0, "LAST_ADEQUATE"),
        (168, 0, "LAST_ADEQUATE"),
    ),
    (
        "a back-dated PD is measured from the scan before its first sight",
        pfs(SD56, SD112, (168, "PD"), pd_date=112),
        (112, 1, "PD"),
        (112, 1, "PD"),
    ),
    (
        "12-weekly +- 2 weeks: 196 days are allowed",
        pfs((84, "SD"), (280, "PD"), pd_date=280, interval_days=84, window_days=14),
        (280, 1, "PD"),
        (280, 1, "PD"),
    ),
    (
        "12-weekly +- 2 weeks: 197 days are not",
        pfs((84, "SD"), (281, "PD"), pd_date=281, interval_days=84, window_days=14),
        (84, 0, "MISSED"),
        (281, 1, "PD"),
    ),
    (
        "death after PD plays no part",
        pfs(SD56, (112, "PD"), pd_date=112, death_date=130),
        (112, 1, "PD"),
        (112, 1, "PD"),
    ),
)


@pytest.mark.parametrize(("name", "case", "fda", "ema"), PFS, ids=[entry[0] for entry in PFS])
def test_a_named_censoring_case(tmp_path: Path, name: str, case: dict[str, Any], fda: Ending, ema: Ending) -> None:
    found = document(tmp_path, "pfs", case)
    for rule, (day, event, reason) in (("fda", fda), ("ema", ema)):
        assert found[rule] == {"date": on(day), "event": event, "reason": reason, "days": day}, rule


def sites(
    hepatic: int | None, elsewhere: int | None, *, death: int | None = None, same: bool = False, seen: Any = (224, 224)
) -> dict[str, Any]:
    """Return a competing case; ``seen``: the last imaging of the liver and elsewhere."""
    return {
        "treatment_start": START.isoformat(),
        "first_hepatic_pd_date": on(hepatic),
        "first_extrahepatic_pd_date": on(elsewhere),
        "same_visit": same,
        "death_date": on(death),
        "last_liver_imaging": on(seen[0]),
        "last_extrahepatic_imaging": on(seen[1]),
    }


Coded = tuple[int, int]
COMPETING: Sequence[tuple[str, dict[str, Any], Coded, Coded, Coded]] = (
    ("liver first, elsewhere later", sites(56, 112), (56, 1), (56, 1), (112, 1)),
    ("liver only", sites(56, None), (56, 1), (56, 1), (224, 0)),
    ("elsewhere only, alive", sites(None, 56), (224, 0), (56, 3), (56, 1)),
    ("death without progression", sites(None, None, death=100, seen=(56, 56)), (100, 2), (100, 2), (100, 2)),
    ("liver, then death", sites(56, None, death=100, seen=(56, 56)), (56, 1), (56, 1), (100, 2)),
    ("both on one day", sites(56, 56, same=True), (56, 1), (56, 1), (56, 1)),
    ("both at one visit, the liver's scan first", sites(52, 56, same=True), (52, 1), (52, 1), (56, 1)),
    ("both at one visit, the liver's scan last", sites(56, 52, same=True), (56, 1), (56, 1), (52, 1)),
    ("liver progression on the day of death", sites(100, None, death=100), (100, 1), (100, 1), (100, 2)),
    ("elsewhere on the day of death", sites(None, 100, death=100), (100, 2), (100, 3), (100, 1)),
    ("no event, liver imaging ends earlier", sites(None, None, seen=(112, 168)), (112, 0), (112, 0), (168, 0)),
    ("elsewhere first, liver imaging ends before death", sites(None, 56, death=300), (300, 2), (56, 3), (56, 1)),
)


@pytest.mark.parametrize(("name", "case", "any_liver", "first", "elsewhere"), COMPETING, ids=[x[0] for x in COMPETING])
def test_a_named_competing_case(
    tmp_path: Path, name: str, case: dict[str, Any], any_liver: Coded, first: Coded, elsewhere: Coded
) -> None:
    found = document(tmp_path, "competing", case)
    wanted = {"any_liver": any_liver, "first_site_liver": first, "any_extrahepatic": elsewhere}
    assert {key: found[key] for key in wanted} == {key: [on(day), code] for key, (day, code) in wanted.items()}


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        ("pfs", pfs(SD56, pd_date=112, death_date=100)),
        ("pfs", pfs(SD56, death_date=-3)),
        ("pfs", pfs(SD56, pd_date=-3)),
        ("competing", sites(120, None, death=100)),
        ("competing", sites(None, 120, death=100)),
    ],
)
def test_an_impossible_case_carries_an_error_and_nulls(tmp_path: Path, kind: str, case: dict[str, Any]) -> None:
    found = document(tmp_path, kind, case)
    assert found["error"]
    assert all(value is None for key, value in found.items() if key not in ("id", "error"))
