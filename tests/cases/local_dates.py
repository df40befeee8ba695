"""Named timelines of the days of local treatment: on, before and after a scan, inside the plan and outside of it.

Written by hand from the rules, none computed. A treatment on the day of a scan comes after that scan; a session is
planned as stated, else when dated no later than a re-baseline visit (response rules, section 10 and settled points).
"""

from __future__ import annotations

from tests.cases.catalogue import ANY, BOTH_TREATED, CLEAN, ONE, Case, new, on, visit

__all__ = ["CASES"]

RESTART = ("REBASELINE", "NA", "REBASELINE")
NONE_LEFT = ("NA", "NA", "REBASELINE")
NED = ("NA", "CR", "NED")
WAITING = (ANY, ANY, "NE")
SITE = {"T1": "NO_VIABLE"}
IN_PHASE = {"pd_in_treatment_phase": True}

CASES: tuple[Case, ...] = (
    # --- the day of a scan --------------------------------------------------------------
    # Before the baseline it would be history, and 30 mm of 50 a PR.
    Case(
        name="a session on the day of the baseline makes what is measured next not evaluable",
        rule="10",
        treated=(("T1", "ABLATION", -6),),
        visits=[visit(T1=30, T2=20), visit(T1=10, T2=20)],
        expected=[WAITING],
    ),
    Case(
        name="strict_ne: the same",
        rule="10 strict_ne",
        options={"local_mode": "strict_ne"},
        treated=(("T1", "ABLATION", -6),),
        visits=[visit(T1=30, T2=20), visit(T1=10, T2=20)],
        expected=[("NE", "NA", "NE")],
    ),
    # T2 has no status at the re-baseline: only the date of its session says that it has left.
    Case(
        name="a target treated on the day of the re-baseline has left the sum",
        rule="settled: planned",
        treated=(("T1", "ABLATION", 2), ("T2", "ABLATION", 56)),
        visits=[visit(T1=30, T2=20), visit(T2=20, rebaseline=True, sites=SITE), visit(sites=CLEAN)],
        expected=[NONE_LEFT, NED],
        queries=["REBASELINE_OUTSIDE_WINDOW"],
    ),
    Case(
        name="a new lesion treated on the day of the re-baseline that shows it is planned",
        rule="settled: planned",
        treated=(*BOTH_TREATED, ("X1", "ABLATION", 56)),
        visits=[
            visit(T1=25, T2=20),
            visit([new()], rebaseline=True, sites=CLEAN),
            visit(sites={**CLEAN, "X1": "NO_VIABLE"}),
        ],
        expected=[NONE_LEFT, NED],
        outcome={"pd_date": None},
    ),
    Case(
        name="a flag at the baseline is no re-baseline: a plan may still treat what is new",
        rule="10 rebaseline 2",
        treated=(("X1", "ABLATION", 70),),
        visits=[
            visit(T1=25, T2=20, rebaseline=True),
            visit([new()], T1=25, T2=20),
            visit(T1=25, T2=20, rebaseline=True, sites={"X1": "NO_VIABLE"}),
        ],
        expected=[("SD", "NA", "SD"), RESTART],
        outcome={"pd_date": None},
    ),
    # --- which plan ---------------------------------------------------------------------
    # T2 20 -> 26: +6 mm, 130 %. The re-baseline of day 112 ends the plan of T1; the session of day 120 is of the next.
    Case(
        name="by option growth before the first re-baseline is PD though a second plan treats it",
        rule="10 rebaseline 8",
        options=IN_PHASE,
        treated=(("T1", "ABLATION", 2), ("T2", "ABLATION", 120)),
        visits=[
            visit(T1=25, T2=20),
            visit(T2=26, sites=SITE),
            visit(T2=26, rebaseline=True, sites=SITE),
            visit(rebaseline=True, sites=CLEAN),
        ],
        expected=[(ANY, ANY, "PD"), ("REBASELINE", "NA", "PD"), NONE_LEFT],
        outcome={"pd_date": on(56), "pd_reasons": ["TARGET"]},
    ),
    Case(
        name="by option growth of a target that is treated on the day of the re-baseline means nothing",
        rule="10 rebaseline 8",
        options=IN_PHASE,
        treated=(("T1", "ABLATION", 2), ("T2", "ABLATION", 112)),
        visits=[visit(T1=25, T2=20), visit(T2=26, sites=SITE), visit(rebaseline=True, sites=CLEAN)],
        expected=[WAITING, NONE_LEFT],
        outcome={"pd_date": None},
    ),
    Case(
        name="by option growth of a target that is treated outside the plan later is PD",
        rule="10 rebaseline 8",
        options=IN_PHASE,
        treated=(("T1", "ABLATION", 2), ("T2", "ABLATION", 72, False)),
        visits=[visit(T1=25, T2=20), visit(T2=26, sites=SITE), visit(rebaseline=True, sites=CLEAN)],
        expected=[(ANY, ANY, "PD"), NONE_LEFT],
        outcome={"pd_date": on(56), "pd_reasons": ["TARGET"]},
    ),
    Case(
        name="a session stated to be planned treats a new lesion without any re-baseline visit",
        rule="settled: planned",
        treated=(("X1", "ABLATION", 70, True),),
        visits=[visit(T1=25, T2=20), visit([new()], T1=25, T2=20)],
        expected=[("SD", "NA", "SD")],
        outcome={"pd_date": None},
    ),
    Case(
        name="a session stated to be outside the plan excuses no new lesion",
        rule="settled: planned",
        treated=(*BOTH_TREATED, ("X1", "ABLATION", 70, False)),
        visits=[
            visit(T1=25, T2=20),
            visit([new()], sites=CLEAN),
            visit(rebaseline=True, sites={**CLEAN, "X1": "NO_VIABLE"}),
        ],
        expected=[(ANY, ANY, "PD"), NONE_LEFT],
        outcome={"pd_date": on(56), "pd_reasons": ["NEW"]},
    ),
    Case(
        name="a new lesion whose planned session follows the next and last visit is PD",
        rule="settled: planned",
        treated=(("X1", "ABLATION", 120, True),),
        visits=[visit(T1=25, T2=20), visit([new()], T1=25, T2=20), visit(T1=25, T2=20)],
        expected=[("SD", "NA", "PD"), ("SD", "NA", "SD")],
        outcome={"pd_date": on(56), "pd_reasons": ["NEW"]},
    ),
    # --- the window of the re-baseline: 28 to 84 days after the last planned session ----
    Case(
        name="a re-baseline 28 days after the session is within the window",
        rule="10 rebaseline 2",
        lesions=ONE,
        treated=(("T1", "ABLATION", 28),),
        visits=[visit(T1=25), visit(rebaseline=True, sites=SITE)],
        expected=[NONE_LEFT],
        queries=[],
    ),
    Case(
        name="a re-baseline 27 days after the session is early",
        rule="10 rebaseline 2",
        lesions=ONE,
        treated=(("T1", "ABLATION", 29),),
        visits=[visit(T1=25), visit(rebaseline=True, sites=SITE)],
        expected=[NONE_LEFT],
        queries=["REBASELINE_OUTSIDE_WINDOW"],
    ),
    Case(
        name="a re-baseline 84 days after the session is within the window",
        rule="10 rebaseline 2",
        lesions=ONE,
        days=(-6, 90),
        treated=(("T1", "ABLATION", 6),),
        visits=[visit(T1=25), visit(rebaseline=True, sites=SITE)],
        expected=[NONE_LEFT],
        queries=[],
    ),
    Case(
        name="a re-baseline 85 days after the session is late",
        rule="10 rebaseline 2",
        lesions=ONE,
        days=(-6, 90),
        treated=(("T1", "ABLATION", 5),),
        visits=[visit(T1=25), visit(rebaseline=True, sites=SITE)],
        expected=[NONE_LEFT],
        queries=["REBASELINE_OUTSIDE_WINDOW"],
    ),
    Case(
        name="a re-baseline on the day of the only session is outside the window, not without treatment",
        rule="10 rebaseline 2",
        lesions=ONE,
        treated=(("T1", "ABLATION", 56),),
        visits=[visit(T1=25), visit(rebaseline=True, sites=SITE)],
        expected=[NONE_LEFT],
        queries=["REBASELINE_OUTSIDE_WINDOW"],
    ),
    # 40 days after the last session, 110 after the first.
    Case(
        name="the window of the re-baseline counts from the last session",
        rule="10 rebaseline 9",
        treated=(("T1", "ABLATION", 2), ("T2", "RESECTION", 72)),
        visits=[visit(T1=25, T2=20), visit(T2=20, sites=SITE), visit(rebaseline=True, sites=CLEAN)],
        expected=[WAITING, NONE_LEFT],
        queries=[],
    ),
    # --- the quiet time after SBRT ------------------------------------------------------
    Case(
        name="local progression that SBRT treats on the same day was not seen in its quiet time",
        rule="10 rebaseline 7",
        lesions=ONE,
        treated=(("T1", "ABLATION", 2), ("T1", "SBRT", 112)),
        visits=[visit(T1=25), visit(rebaseline=True, sites=SITE), visit(sites={"T1": "LTP"})],
        expected=[NONE_LEFT, ("NA", "PD", "PD")],
        queries=[],
    ),
    Case(
        name="local progression on the day after SBRT is in its quiet time",
        rule="10 rebaseline 7",
        lesions=ONE,
        treated=(("T1", "ABLATION", 2), ("T1", "SBRT", 111)),
        visits=[visit(T1=25), visit(rebaseline=True, sites=SITE), visit(sites={"T1": "LTP"})],
        expected=[NONE_LEFT, ("NA", "PD", "PD")],
        queries=["LTP_IN_QUIET_TIME"],
    ),
    Case(
        name="the quiet time of one site is not that of another",
        rule="10 rebaseline 7",
        treated=(("T1", "SBRT", 2), ("T2", "ABLATION", 2)),
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites=CLEAN),
            visit(sites={"T1": "NO_VIABLE", "T2": "LTP"}),
        ],
        expected=[NONE_LEFT, ("NA", "PD", "PD")],
        queries=[],
    ),
    Case(
        name="a clean site beside it does not hide local progression in the quiet time",
        rule="10 rebaseline 7",
        treated=(("T1", "SBRT", 2), ("T2", "ABLATION", 2)),
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites=CLEAN),
            visit(sites={"T1": "LTP", "T2": "NO_VIABLE"}),
        ],
        expected=[NONE_LEFT, ("NA", "PD", "PD")],
        queries=["LTP_IN_QUIET_TIME"],
    ),
)
