"""Named timelines of best overall response and disease control (response rules, section 8 and settled points).

Written by hand from the rules, none computed. With one target of 30 mm: 20 is PR, 30 is SD, 40 is PD.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.cases.catalogue import EQ, ONE, ONLY_N, WITH_N, Case, new, visit

__all__ = ["CASES"]

_SIZE = {"CR": "ABSENT", "PR": 20, "SD": 30, "NE": "NE", "PD": 40}


def sequence(name: str, said: str, days: Sequence[int], unconfirmed: str, confirmed: str, **options: Any) -> Case:
    """Return a case whose overall responses, one target of 30 mm, are those named; after PR 22 is SD and 26 PD."""
    responses = said.split()
    later = _SIZE | {"SD": 22, "PD": 26}
    sizes = [(later if "PR" in responses[:i] else _SIZE)[what] for i, what in enumerate(responses)]
    control = unconfirmed in ("CR", "PR", "SD")
    return Case(
        name=name,
        rule="8 table 3",
        lesions=ONE,
        days=(-6, *days),
        options=options,
        visits=[visit(T1=30), *(visit(T1=size) for size in sizes)],
        expected=[(what, "NA", what) for what in responses],
        outcome={"bor_unconfirmed": unconfirmed, "bor_confirmed": confirmed, "disease_control": control},
    )


ALL_HERE = {"N1": "PRESENT", "N2": "PRESENT"}
ALL_GONE = {"N1": "ABSENT", "N2": "ABSENT"}


def others(name: str, days: Sequence[int], statuses: Sequence[dict[str, str]], best: str, confirmed: str) -> Case:
    """Return a case of non-target disease only."""
    said = ["CR" if one == ALL_GONE else "NON-CR/NON-PD" for one in statuses]
    return Case(
        name=name,
        rule="8 table 3",
        lesions=ONLY_N,
        days=(-6, *days),
        visits=[visit(n=ALL_HERE), *(visit(n=one) for one in statuses)],
        expected=[("NA", what, what) for what in said],
        outcome={"bor_unconfirmed": best, "bor_confirmed": confirmed},
    )


CASES: tuple[Case, ...] = (
    sequence("a second PR after 27 days leaves SD", "PR PR", (30, 57), "PR", "SD"),
    sequence("a second PR after 28 days confirms", "PR PR", (30, 58), "PR", "PR"),
    sequence("confirm_days is an option", "PR PR", (30, 57), "PR", "PR", confirm_days=27),
    sequence("a second CR after 27 days leaves SD", "CR CR", (56, 83), "CR", "SD"),
    sequence("a second CR after 28 days confirms the first", "CR CR", (56, 84), "CR", "CR"),
    sequence("a third CR confirms the first where the second is too early", "CR CR CR", (56, 70, 84), "CR", "CR"),
    sequence("an early PR and then PD", "PR PD", (20, 40), "PR", "PD"),
    sequence("an early PR alone", "PR", (20,), "PR", "NE"),
    sequence("an early SD alone", "SD", (41,), "NE", "NE"),
    sequence("an early SD, NE, then nothing", "SD NE", (41, 97), "NE", "NE"),
    sequence("NE, then SD late enough", "NE SD", (30, 60), "SD", "SD"),
    sequence("NE, then PD", "NE PD", (56, 112), "PD", "PD"),
    sequence("an early SD and a late one", "SD SD PD", (20, 60, 100), "SD", "SD"),
    sequence("min_sd_days is an option", "SD", (55,), "NE", "NE", min_sd_days=56),
    sequence("min_sd_days of 56 on day 56", "SD", (56,), "SD", "SD", min_sd_days=56),
    sequence("PR, SD, PR confirms nothing", "PR SD PR", (56, 112, 168), "PR", "SD"),
    sequence("PR, SD, PR, PR: the later two do", "PR SD PR PR", (56, 112, 168, 224), "PR", "PR"),
    sequence("PR, NE, PR", "PR NE PR", (56, 112, 168), "PR", "PR"),
    sequence("PR, NE, PR with no NE allowed", "PR NE PR", (56, 112, 168), "PR", "SD", max_ne_between=0),
    sequence("PR, NE, NE, PR with two NE allowed", "PR NE NE PR", (56, 112, 168, 224), "PR", "PR", max_ne_between=2),
    sequence("PR, NE, CR", "PR NE CR", (56, 112, 168), "CR", "PR"),
    sequence("PR, then CR too early, then CR", "PR CR CR", (56, 70, 98), "CR", "CR"),
    sequence("CR, NE, NE, CR: one NE too many", "CR NE NE CR", (56, 112, 168, 224), "CR", "SD"),
    sequence("PR, NE, then PD", "PR NE PD", (56, 112, 168), "PR", "SD"),
    sequence("an early PR, NE, then PD", "PR NE PD", (30, 60, 90), "PR", "PD"),
    sequence("SD, PR, PR", "SD PR PR", (56, 112, 168), "PR", "PR"),
    sequence("SD, then PR once", "SD PR", (20, 60), "PR", "SD"),
    sequence("only NE", "NE NE", (56, 112), "NE", "NE"),
    others("non-target disease: day 41 is too early", (41,), [ALL_HERE], "NE", "NE"),
    others("non-target disease: day 42 counts", (42,), [ALL_HERE], "NON-CR/NON-PD", "NON-CR/NON-PD"),
    others("non-target disease: CR confirmed after 28 days", (56, 84), [ALL_GONE, ALL_GONE], "CR", "CR"),
    others("non-target disease: no CR after 27 days", (56, 83), [ALL_GONE, ALL_GONE], "CR", "NON-CR/NON-PD"),
    others("non-target disease: an early CR alone", (30,), [ALL_GONE], "CR", "NE"),
    Case(
        name="non-target disease: an early CR, then PD",
        rule="8 table 3",
        lesions=ONLY_N,
        days=(-6, 30, 86),
        visits=[visit(n=ALL_HERE), visit(n=ALL_GONE), visit([new()], n=ALL_GONE)],
        expected=[("NA", "CR", "CR"), ("NA", "CR", "PD")],
        outcome={"bor_unconfirmed": "CR", "bor_confirmed": "PD", "disease_control": True},
    ),
    # PR on day 56; CR on day 70 is 14 days later; the PR of day 90 comes after a CR.
    Case(
        name="a PR after a CR confirms no PR before it",
        rule="8 table 3",
        lesions=WITH_N,
        days=(-6, 56, 70, 90),
        visits=[
            visit(T1=30, n={"N1": "PRESENT"}),
            visit(T1=20, n={"N1": "PRESENT"}),
            visit(T1="ABSENT", n={"N1": "ABSENT"}),
            visit(T1="ABSENT", n={"N1": "NE"}),
        ],
        expected=[("PR", "NON-CR/NON-PD", "PR"), ("CR", "CR", "CR"), ("CR", "NE", "PR")],
        outcome={"bor_unconfirmed": "CR", "bor_confirmed": "SD"},
    ),
    Case(
        name="no visit after the baseline",
        rule="settled: no assessment",
        visits=[visit(T1=20, T2=20)],
        expected=[],
        outcome={"bor_unconfirmed": "NE", "bor_confirmed": "NE", "disease_control": False, "pd_date": None},
    ),
    Case(
        name="the visit to which progression moves back counts as PD",
        rule="settled: equivocal",
        lesions=ONE,
        visits=[visit(T1=30), visit([new(status=EQ)], T1=30), visit([new(status=EQ)], T1=30), visit([new()], T1=30)],
        expected=[("SD", "NA", "SD"), ("SD", "NA", "SD"), ("SD", "NA", "PD")],
        outcome={"bor_unconfirmed": "PD", "bor_confirmed": "PD", "disease_control": False},
    ),
    Case(
        name="a PR on the visit to which progression moves back confirms nothing",
        rule="settled: equivocal",
        lesions=ONE,
        visits=[visit(T1=30), visit(T1=20), visit([new(status=EQ)], T1=20), visit([new()], T1=20)],
        expected=[("PR", "NA", "PR"), ("PR", "NA", "PR"), ("PR", "NA", "PD")],
        outcome={"bor_unconfirmed": "PR", "bor_confirmed": "SD", "disease_control": True},
    ),
    Case(
        name="without back-dating that PR confirms",
        rule="9",
        lesions=ONE,
        options={"backdate": False},
        visits=[visit(T1=30), visit(T1=20), visit([new(status=EQ)], T1=20), visit([new()], T1=20)],
        expected=[("PR", "NA", "PR"), ("PR", "NA", "PR"), ("PR", "NA", "PD")],
        outcome={"bor_unconfirmed": "PR", "bor_confirmed": "PR"},
    ),
    Case(
        name="a progression back-dated beyond a later CR takes it away",
        rule="settled: equivocal",
        lesions=ONE,
        visits=[visit(T1=30), visit([new(status=EQ)], T1=30), visit(T1="ABSENT"), visit([new()], T1="ABSENT")],
        expected=[("SD", "NA", "SD"), ("CR", "NA", "CR"), ("CR", "NA", "PD")],
        outcome={"bor_unconfirmed": "PD", "bor_confirmed": "PD"},
    ),
    Case(
        name="no disease at baseline: NED counts at any day and is control by NED alone",
        rule="settled: BOR rank",
        lesions={},
        days=(-6, 20),
        visits=[visit(), visit()],
        expected=[("NA", "NA", "NED")],
        outcome={
            "bor_unconfirmed": "NED",
            "bor_confirmed": "NED",
            "disease_control": True,
            "disease_control_by_ned_alone": True,
        },
    ),
)
