"""Named timelines of what a growing sum is put down to: compartments, normal nodes, treatment phase.

Written by hand from the rules, none computed; the arithmetic stands beside each case.
"""

from __future__ import annotations

from tests.cases.catalogue import NODE, Case, new, on, visit

__all__ = ["CASES"]

RESTART = ("REBASELINE", "NA", "REBASELINE")
SITE = {"T1": "NO_VIABLE"}
THREE = {"T1": "LIVER", "T2": "LIVER", "T3": "LIVER"}
FIRST_TREATED = (("T1", "ABLATION", 60),)
IN_PHASE = {"pd_in_treatment_phase": True}
PARTS_DO_NOT_COUNT = {"pd_in_treatment_phase": True, "partial_pd": False}
AFTER_TARGET_CR = {"reappear_after_cr": "target_cr"}
SD = ("SD", "NA", "SD")
PR = ("PR", "NA", "PR")
PD = ("PD", "NA", "PD")

CASES: tuple[Case, ...] = (
    # --- target_cr ----------------------------------------------------------------------
    # Liver 20 -> 30; lung 20 is seen, and did not grow.
    Case(
        name="target_cr: a sum that grew is attributed to what grew",
        rule="9 attribution",
        lesions={"T1": "LIVER", "T2": "LUNG"},
        options=AFTER_TARGET_CR,
        visits=[visit(T1=20, T2=20), visit(T1=30, T2=20)],
        expected=[PD],
        outcome={"pd_site": "HEPATIC"},
    ),
    # The nadir is 3 + 4 = 7 at day 56, so at day 168 nothing has grown; the liver lesion is seen again.
    Case(
        name="target_cr: what is seen again without growth has the site where it is seen",
        rule="4 condition 5 and 9",
        lesions=NODE,
        options=AFTER_TARGET_CR,
        visits=[visit(T1=30, T2=20), visit(T1=3, T2=4), visit(T1="ABSENT", T2=9), visit(T1=3, T2=4)],
        expected=[PR, ("CR", "NA", "CR"), PD],
        outcome={"pd_site": "HEPATIC", "pd_reasons": ["TARGET"]},
    ),
    # --- normal nodes -------------------------------------------------------------------
    # 24 -> 30: +6, 125 %; without T2 20 -> 21. A small lesion of the liver is no node.
    Case(
        name="growth of a small liver lesion is no growth of a normal node",
        rule="settled: normal nodes",
        visits=[visit(T1=20, T2=4), visit(T1=21, T2=9)],
        expected=[PD],
        queries=["TARGET_NOT_MEASURABLE"],
    ),
    # 35 -> 43: +8, 122.9 %; without the node nothing.
    Case(
        name="growth of a pathological node is flagged as nothing else",
        rule="settled: normal nodes",
        lesions=NODE,
        visits=[visit(T1=20, T2=15), visit(T1=20, T2=23)],
        expected=[PD],
        outcome={"pd_site": "EXTRAHEPATIC"},
        queries=[],
    ),
    # 25 -> 30: +5, 120 %. A node of 10 mm is not normal.
    Case(
        name="a node that reaches 10 mm is pathological and carries the progression",
        rule="settled: normal nodes",
        lesions=NODE,
        visits=[visit(T1=25, T2=15), visit(T1=20, T2=5), visit(T1=20, T2=10)],
        expected=[PR, PD],
        outcome={"pd_site": "EXTRAHEPATIC"},
        queries=[],
    ),
    # 33 -> 39.6: +6.6, exactly 120 %; the liver alone 25 -> 30: exactly +5, exactly 120 %.
    Case(
        name="a progression that holds exactly without the normal node is not flagged",
        rule="4 table and settled: normal nodes",
        lesions=NODE,
        visits=[visit(T1=30, T2=15), visit(T1=25, T2=8), visit(T1=30, T2="9.6")],
        expected=[SD, PD],
        outcome={"pd_site": "HEPATIC"},
        queries=[],
    ),
    # 30 -> 38.9: +8.9, 129.7 %; the liver alone 25 -> 29.9: +4.9.
    Case(
        name="a progression that just fails without the normal node is flagged",
        rule="4 table and settled: normal nodes",
        lesions=NODE,
        visits=[visit(T1=30, T2=15), visit(T1=25, T2=5), visit(T1="29.9", T2=9)],
        expected=[PR, PD],
        outcome={"pd_site": "HEPATIC"},
        queries=["PD_WITH_NORMAL_NODES"],
    ),
    # --- masses -------------------------------------------------------------------------
    # At the nadir T2 and T3 are one (20 + 30 = 50), now T1 and T2 are (45 + 20 = 65), +15, 130 %. T3 was the largest.
    Case(
        name="masses of two visits that share a member are one body, in the organ of the largest",
        rule="4 split and merge",
        lesions={"T1": "LIVER", "T2": "LIVER", "T3": "LUNG"},
        visits=[visit(T1=20, T2=10, T3=30), visit(T1=20, T2_T3=30), visit(T1_T2=45, T3=20)],
        expected=[SD, PD],
        outcome={"pd_site": "EXTRAHEPATIC"},
        queries=["PD_WITH_MERGE"],
    ),
    # --- first sight --------------------------------------------------------------------
    Case(
        name="a first sight dated after the visit that confirms it moves nothing back",
        rule="settled: equivocal",
        visits=[
            visit(T1=30, T2=30),
            visit([new(status="EQUIVOCAL")], T1=20, T2=20, dates={"X1": on(120)}),
            visit([new()], T1=20, T2=20),
        ],
        expected=[PR, ("PR", "NA", "PD")],
        outcome={
            "pd_date": on(112),
            "pd_declared_date": on(112),
            "pd_site": "HEPATIC",
            "pd_reasons": ["NEW"],
            "bor_unconfirmed": "PR",
        },
    ),
    # --- growth of nothing --------------------------------------------------------------
    Case(
        name="where 0 mm of growth suffice, nothing read after a nadir of 0 is not evaluable",
        rule="4 conditions 1 and 2",
        lesions={"T1": "LIVER", "N1": "LUNG"},
        options={"pd_abs_mm": 0},
        visits=[visit(T1=20, n={"N1": "PRESENT"}), visit(T1="ABSENT", n={"N1": "PRESENT"}), visit(n={"N1": "PRESENT"})],
        expected=[("CR", "NON-CR/NON-PD", "PR"), ("NE", "NON-CR/NON-PD", "NE")],
    ),
    # 20 -> 24: +4, exactly 120 %.
    Case(
        name="where 0 mm of growth suffice, 20 % alone is PD",
        rule="4 condition 4",
        lesions={"T1": "LIVER"},
        options={"pd_abs_mm": 0},
        visits=[visit(T1=20), visit(T1=24)],
        expected=[PD],
    ),
    # --- before the re-baseline ---------------------------------------------------------
    # T2 60 against T2 + T3 = 35: +25, 171 %, though T3 is not read.
    Case(
        name="by option what is known of the untreated targets may prove progression before the re-baseline",
        rule="10 rebaseline 8 and 4 condition 1",
        lesions=THREE,
        options=IN_PHASE,
        treated=FIRST_TREATED,
        days=(-6, 112),
        visits=[visit(T1=30, T2=20, T3=15), visit(T2=60, T3="NE", rebaseline=True, sites=SITE)],
        expected=[("REBASELINE", "NA", "PD")],
        outcome={"pd_date": on(112), "pd_reasons": ["TARGET"]},
    ),
    Case(
        name="without partial_pd it proves nothing there either",
        rule="10 rebaseline 8 and 4 condition 2",
        lesions=THREE,
        options=PARTS_DO_NOT_COUNT,
        treated=FIRST_TREATED,
        days=(-6, 112),
        visits=[visit(T1=30, T2=20, T3=15), visit(T2=60, T3="NE", rebaseline=True, sites=SITE)],
        expected=[RESTART],
        outcome={"pd_date": None},
    ),
    Case(
        name="without partial_pd a complete sum still progresses before the re-baseline",
        rule="10 rebaseline 8",
        lesions=THREE,
        options=PARTS_DO_NOT_COUNT,
        treated=FIRST_TREATED,
        days=(-6, 112),
        visits=[visit(T1=30, T2=20, T3=15), visit(T2=60, T3=15, rebaseline=True, sites=SITE)],
        expected=[("REBASELINE", "NA", "PD")],
        outcome={"pd_date": on(112), "pd_reasons": ["TARGET"]},
    ),
    # 35 -> 45: +10, 128.6 %, though one of the two is gone.
    Case(
        name="by option growth before the re-baseline counts though another target is gone",
        rule="10 rebaseline 8",
        lesions=THREE,
        options=IN_PHASE,
        treated=FIRST_TREATED,
        days=(-6, 112),
        visits=[visit(T1=30, T2=20, T3=15), visit(T2=45, T3="ABSENT", rebaseline=True, sites=SITE)],
        expected=[("REBASELINE", "NA", "PD")],
        outcome={"pd_date": on(112)},
    ),
    Case(
        name="by option an untreated target without a baseline value has no growth before the re-baseline",
        rule="4 note f",
        options=IN_PHASE,
        treated=FIRST_TREATED,
        days=(-6, 112),
        visits=[visit(T1=30, T2="NE"), visit(T2=60, rebaseline=True, sites=SITE)],
        expected=[RESTART],
        outcome={"pd_date": None},
    ),
    # T2 + T3 is 30 at day 56 and at day 112, 40 at the re-baseline: +10, 133 %. Since day 56 only the lung grew.
    Case(
        name="by option the earliest of equal nadirs is the nadir visit of growth before the re-baseline",
        rule="settled: nadir ties",
        lesions={"T1": "LIVER", "T2": "LIVER", "T3": "LUNG"},
        options=IN_PHASE,
        treated=(("T1", "ABLATION", 120),),
        visits=[
            visit(T1=30, T2=30, T3=30),
            visit(T1=30, T2=20, T3=10),
            visit(T1=30, T2=10, T3=20),
            visit(T2=20, T3=20, rebaseline=True, sites=SITE),
        ],
        expected=[PR, PR, ("REBASELINE", "NA", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC"},
    ),
    Case(
        name="by option nothing untreated, no growth before the re-baseline",
        rule="10 rebaseline 8",
        lesions={"T1": "LIVER"},
        options={"pd_in_treatment_phase": True, "pd_abs_mm": 0},
        treated=FIRST_TREATED,
        days=(-6, 112),
        visits=[visit(T1=30), visit(rebaseline=True, sites=SITE)],
        expected=[("NA", "NA", "REBASELINE")],
        queries=[],
    ),
)
