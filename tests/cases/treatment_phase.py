"""Named timelines of what lies between treatment and re-baseline, and of what the re-baseline leaves behind.

Written by hand from the rules (section 10 and settled points), none computed.
"""

from __future__ import annotations

from tests.cases.catalogue import ANY, BOTH_TREATED, CLEAN, Case, new, on, visit

__all__ = ["CASES"]

NONE_LEFT = ("NA", "NA", "REBASELINE")
WITH_N = {"T1": "LIVER", "N1": "LIVER"}
IN_PHASE = {"pd_in_treatment_phase": True}
PRESENT = {"N1": "PRESENT"}
WORSE = {"N1": "UNEQUIVOCAL"}

CASES: tuple[Case, ...] = (
    # NED asks that no untreated lesion was present at the re-baseline; this one was.
    Case(
        name="a new untreated lesion at the re-baseline prevents NED afterwards",
        rule="settled: NED",
        treated=BOTH_TREATED,
        visits=[visit(T1=25, T2=20), visit([new()], rebaseline=True, sites=CLEAN), visit(sites=CLEAN)],
        expected=[("NA", "NA", "PD"), ("NA", "CR", "CR")],
        outcome={"bor_unconfirmed": "PD"},
    ),
    Case(
        name="by option unequivocal growth of an untreated non-target before the re-baseline is PD",
        rule="10 rebaseline 8",
        lesions=WITH_N,
        options=IN_PHASE,
        treated=(("T1", "ABLATION", 2),),
        visits=[visit(T1=25, n=PRESENT), visit(n=WORSE, sites={"T1": "NO_VIABLE"})],
        expected=[(ANY, ANY, "PD")],
        outcome={"pd_date": on(56), "pd_reasons": ["NON-TARGET"]},
        queries=["NO_REBASELINE"],
    ),
    Case(
        name="by option unequivocal growth of a non-target that the plan treats later means nothing",
        rule="10 rebaseline 8",
        lesions=WITH_N,
        options=IN_PHASE,
        treated=(("T1", "ABLATION", 2), ("N1", "ABLATION", 72)),
        visits=[
            visit(T1=25, n=PRESENT),
            visit(n=WORSE, sites={"T1": "NO_VIABLE"}),
            visit(rebaseline=True, sites={"T1": "NO_VIABLE", "N1": "NO_VIABLE"}),
        ],
        expected=[(ANY, ANY, "NE"), NONE_LEFT],
        outcome={"pd_date": None},
        queries=[],
    ),
    # 30 of 30 mm left.
    Case(
        name="as_measured: a resected non-target is gone until it is read as present",
        rule="10 as_measured",
        lesions=WITH_N,
        options={"local_mode": "as_measured"},
        treated=(("N1", "RESECTION", 2),),
        visits=[visit(T1=30, n=PRESENT), visit(T1=30), visit(T1=30, n=PRESENT)],
        expected=[("SD", "CR", "SD"), ("SD", "NON-CR/NON-PD", "SD")],
    ),
    # Found and treated between two sessions, it is of the plan; back after a clean re-baseline, it recurs, and its
    # progression is not dated to the sight before the treatment.
    Case(
        name="a new lesion that the plan treated progresses from the day on which it is seen again",
        rule="settled: planned new lesions; 9 new lesion",
        lesions={"T1": "LIVER"},
        treated=(("T1", "ABLATION", 2), ("X1", "ABLATION", 60)),
        visits=[
            visit(T1=25),
            visit([new()], sites={"T1": "NO_VIABLE"}),
            visit(rebaseline=True, sites={"T1": "NO_VIABLE", "X1": "NO_VIABLE"}),
            visit([new()], sites={"T1": "NO_VIABLE", "X1": "NO_VIABLE"}),
        ],
        expected=[(ANY, ANY, "NE"), NONE_LEFT, ("NA", "CR", "PD")],
        outcome={"pd_date": on(168), "pd_declared_date": on(168), "pd_reasons": ["NEW"], "pd_site": "HEPATIC"},
        queries=["PLANNED_NEW_LESION"],
    ),
)
