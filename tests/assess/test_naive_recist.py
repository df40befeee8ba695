"""The engine against a second, naive reading of the rules, on timelines that nobody wrote."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lesiontrack.assess import AssessSettings, assess
from lesiontrack.io.case_file import CaseParser
from lesiontrack.io.reads import CaseResult, case_document
from tests.assess import naive_recist as naive

BASELINE = dt.date(2024, 1, 2)
ORGANS = ("LIVER", "LIVER", "LUNG", "LYMPH NODE", "BONE")
# More than hypothesis' default of 100, and as many as the profile says in the long run (`make soak`).
EXAMPLES = max(500, settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "default")).max_examples)
STATES = ("ABSENT", "ABSENT", "TSTM", "NE")


# Lengths near each other, so that the limits of 20 %, 5 mm, 30 % and 10 mm are met often and exactly.
@st.composite
def lengths(draw: st.DrawFn, base_mm: int) -> str:
    factor = draw(st.sampled_from((0, 20, 35, 50, 70, 80, 100, 100, 110, 120, 125, 150)))
    tenths = base_mm * factor // 10 + draw(st.sampled_from((-1, 0, 0, 0, 1)))
    return f"{max(tenths, 0) / 10:.1f}"


@st.composite
def values(draw: st.DrawFn, base_mm: int) -> dict[str, Any]:
    kind = draw(st.sampled_from(("mm",) * 7 + ("state",) * 3 + ("parts",)))
    if kind == "state":
        return {"state": draw(st.sampled_from(STATES))}
    if kind == "parts":
        return {"parts": [draw(lengths(base_mm // 2)), draw(lengths(base_mm // 2))]}
    return {"mm": draw(lengths(base_mm))}


@st.composite
def points(draw: st.DrawFn, lesions: list[dict[str, Any]], sizes: dict[str, int], date: dt.date) -> dict[str, Any]:
    targets: dict[str, Any] = {}
    names = [x["id"] for x in lesions if x["role"] == "TARGET"]
    hepatic = [x["id"] for x in lesions if x["role"] == "TARGET" and x["organ"] == "LIVER"]
    if len(hepatic) > 1 and draw(st.integers(0, 5)) == 0:
        targets["/".join(hepatic)] = draw(values(sum(sizes[x] for x in hepatic)))
        names = [x for x in names if x not in hepatic]
    for name in names:
        if draw(st.integers(0, 14)) > 0:
            targets[name] = draw(values(sizes[name]))
    quiet = st.sampled_from(("PRESENT", "ABSENT", "ABSENT", "ABSENT", "NE", "UNEQUIVOCAL"))
    others = {x["id"]: draw(quiet) for x in lesions if x["role"] == "NON-TARGET" and draw(st.integers(0, 9)) > 0}
    point: dict[str, Any] = {"date": date.isoformat(), "targets": targets, "nontargets": others}
    if draw(st.integers(0, 3)) == 0:
        found = draw(st.lists(st.sampled_from(("X1", "X2")), unique=True, min_size=1))
        status = st.sampled_from(("EQUIVOCAL", "EQUIVOCAL", "UNEQUIVOCAL"))
        point["new"] = [{"id": x, "organ": {"X1": "LIVER", "X2": "LUNG"}[x], "status": draw(status)} for x in found]
    return point


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    n_targets, n_others = draw(
        st.sampled_from(((1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (2, 2), (0, 1), (0, 2), (0, 0)))
    )
    organs = [draw(st.sampled_from(ORGANS)) for _ in range(n_targets + n_others)]
    lesions: list[dict[str, Any]] = [
        {
            "id": f"T{i + 1}" if i < n_targets else f"N{i + 1}",
            "role": "TARGET" if i < n_targets else "NON-TARGET",
            "organ": organ,
            "node": organ == "LYMPH NODE",
        }
        for i, organ in enumerate(organs)
    ]
    sizes = {x["id"]: draw(st.sampled_from((10, 15, 20, 25, 40))) for x in lesions}
    first: dict[str, Any] = {
        "date": BASELINE.isoformat(),
        "targets": {x: {"mm": sizes[x]} for x in sizes if x.startswith("T")},
        "nontargets": {x: "PRESENT" for x in sizes if x.startswith("N")},
    }
    if n_targets and draw(st.integers(0, 19)) == 0:
        first["targets"].popitem()
    dates = [BASELINE]
    for _ in range(draw(st.integers(1, 6))):
        dates.append(dates[-1] + dt.timedelta(days=draw(st.sampled_from((14, 27, 28, 42, 56)))))
    options = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "reappear_after_cr": st.just("target_cr"),
                "sticky_pr": st.just(True),
                "partial_pd": st.just(False),
                "nt_partial": st.just("NON-CR/NON-PD"),
                "backdate": st.just(False),
            },
        )
    )
    return {
        "id": "S",
        "treatment_start": (BASELINE + dt.timedelta(days=draw(st.integers(0, 6)))).isoformat(),
        "options": options,
        "lesions": lesions,
        "timepoints": [first, *(draw(points(lesions, sizes, date)) for date in dates[1:])],
    }


@settings(max_examples=EXAMPLES)
@given(cases())
def test_engine_and_naive_reading_agree(case: dict[str, Any]) -> None:
    parser = CaseParser(AssessSettings())
    chosen = parser.settings_of(case, "S")
    found = case_document(CaseResult(case_id="S", assessment=assess(parser.reads(case, "S", chosen), chosen)))
    visits = range(1, len(case["timepoints"]))
    got = [(v["target"], v["nontarget"], v["overall"]) for v in found["timepoints"]]
    assert got == [(naive.target(case, t), naive.nontarget(case, t), naive.overall(case, t)) for t in visits]
    for visit in found["timepoints"]:
        total = float(naive.total_mm(case, case["timepoints"][visit["tp"]]))
        assert visit["sum_mm"] == (None if visit["target"] in ("NE", "NA") else total)
    expected = naive.progression(case)
    assert {key: found[key] for key in expected} == expected
    assert found["bor_unconfirmed"] == naive.best(case, confirmed=False)
    assert found["bor_confirmed"] == naive.best(case, confirmed=True)
