"""Named timelines of the date and site of progression (response rules, sections 6 and 9 and settled points).

Written by hand from the rules, none computed; the arithmetic stands beside each case.
"""

from __future__ import annotations

from tests.cases.catalogue import EQ, NODE, ONE, WITH_N, Case, new, on, visit

__all__ = ["CASES"]

TWO_SITES = {"T1": "LIVER", "T2": "LUNG"}
STILL = [("SD", "NA", "SD")]

CASES: tuple[Case, ...] = (
    # Liver +10 (133 %), lung +10 (150 %).
    Case(
        name="both compartments grew enough",
        rule="9 attribution 1",
        lesions=TWO_SITES,
        visits=[visit(T1=30, T2=20), visit(T1=40, T2=30)],
        expected=[("PD", "NA", "PD")],
        outcome={
            "pd_site": "BOTH",
            "pd_reasons": ["TARGET"],
            "first_hepatic_pd_date": on(56),
            "first_extrahepatic_pd_date": on(56),
        },
    ),
    # 61 against 50: liver -5, lung +16.
    Case(
        name="a shrinking compartment has no share in a sum progression",
        rule="9 attribution",
        lesions=TWO_SITES,
        visits=[visit(T1=30, T2=20), visit(T1=25, T2=36)],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC", "first_hepatic_pd_date": None},
    ),
    # Nadir visit 15 + 20 = 35; now 44 (+9, 126 %). Liver +3 there, lung +6 (130 %); against baseline the liver shrank.
    Case(
        name="attribution compares with the nadir visit",
        rule="9 attribution 1",
        lesions=TWO_SITES,
        visits=[visit(T1=30, T2=20), visit(T1=15, T2=20), visit(T1=18, T2=26)],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC"},
    ),
    # 18 -> 23 (+5, 128 %). Liver +2, node (now 11 mm) +3: neither enough, both grew.
    Case(
        name="a pathological node that grew a little has its share",
        rule="9 attribution 2",
        lesions=NODE,
        visits=[visit(T1=25, T2=15), visit(T1=10, T2=8), visit(T1=12, T2=11)],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        outcome={"pd_site": "BOTH"},
    ),
    # 14 -> 21.9 (+7.9). Liver +3 (10 -> 13), node 4 -> 8.9 still normal.
    Case(
        name="a node that is still normal has no share",
        rule="settled: normal nodes",
        lesions=NODE,
        visits=[visit(T1=25, T2=15), visit(T1=10, T2=4), visit(T1=13, T2="8.9")],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        outcome={"pd_site": "HEPATIC", "first_extrahepatic_pd_date": None},
    ),
    # 73 against 60. Liver by T2 alone 20 -> 44; lung 20 -> 29 (+9, 145 %). With T1 in it the liver would be 40 -> 44.
    Case(
        name="a partial sum compares only the lesions that were read",
        rule="settled: partial sum",
        lesions={"T1": "LIVER", "T2": "LIVER", "T3": "LUNG"},
        visits=[visit(T1=20, T2=20, T3=20), visit(T1="NE", T2=44, T3=29)],
        expected=[("PD", "NA", "PD")],
        sums=["73"],
        outcome={"pd_site": "BOTH"},
    ),
    Case(
        name="a mass of liver and lung goes with the larger one, the liver",
        rule="4 merge",
        lesions=TWO_SITES,
        visits=[visit(T1=30, T2=10), visit(T1_T2=50)],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_site": "HEPATIC"},
    ),
    Case(
        name="a mass of liver and lung goes with the larger one, the lung",
        rule="4 merge",
        lesions=TWO_SITES,
        visits=[visit(T1=10, T2=30), visit(T1_T2=50)],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC"},
    ),
    Case(
        name="organs in any spelling: resection margin and bile duct are hepatic, a hilar node is not",
        rule="settled: organs",
        lesions={"T1": "liver", "N1": "Resection margin", "N2": "hilar_lymph_node"},
        visits=[
            visit(T1=30, n={"N1": "PRESENT", "N2": "PRESENT"}),
            visit(T1=30, n={"N1": "UNEQUIVOCAL", "N2": "PRESENT"}),
            visit(T1=30, n={"N1": "PRESENT", "N2": "UNEQUIVOCAL"}),
            visit([new("X1", "intrahepatic bile duct")], T1=30, n={"N1": "PRESENT", "N2": "PRESENT"}),
        ],
        expected=[("SD", "PD", "PD"), ("SD", "PD", "PD"), ("SD", "NON-CR/NON-PD", "PD")],
        outcome={
            "pd_site": "HEPATIC",
            "first_hepatic_pd_date": on(56),
            "first_extrahepatic_pd_date": on(112),
        },
    ),
    Case(
        name="two new lesions in two compartments at one visit",
        rule="9",
        lesions=ONE,
        visits=[
            visit(T1=30),
            visit([new("X1"), new("X2", "LUNG")], T1=30, dates={"X1": "2024-03-04", "X2": "2024-02-28"}),
        ],
        expected=[("SD", "NA", "PD")],
        outcome={
            "pd_date": "2024-02-28",
            "pd_declared_date": on(56),
            "pd_site": "BOTH",
            "pd_reasons": ["NEW"],
            "first_hepatic_pd_date": "2024-03-04",
            "first_extrahepatic_pd_date": "2024-02-28",
        },
    ),
    # 30 -> 40 is PD too; the earliest scan is that of the non-target.
    Case(
        name="three triggers at one visit: the earliest scan dates it, all are named",
        rule="9",
        lesions={"T1": "LIVER", "N1": "LUNG"},
        visits=[
            visit(T1=30, n={"N1": "PRESENT"}),
            visit(
                [new("X1", "BONE")], T1=40, n={"N1": "UNEQUIVOCAL"}, dates={"T1": on(54), "N1": on(50), "X1": on(52)}
            ),
        ],
        expected=[("PD", "PD", "PD")],
        outcome={
            "pd_date": on(50),
            "pd_site": "BOTH",
            "pd_reasons": ["NEW", "NON-TARGET", "TARGET"],
            "first_hepatic_pd_date": on(54),
            "first_extrahepatic_pd_date": on(50),
        },
    ),
    Case(
        name="the dates of all targets count, also of one that shrank",
        rule="9",
        visits=[visit(T1=20, T2=20), visit(T1=40, T2=15, dates={"T1": on(50), "T2": on(55)})],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_date": on(55)},
    ),
    Case(
        name="a target without a date of its own has the visit's",
        rule="9",
        visits=[visit(T1=20, T2=20), visit(T1=40, T2=15, dates={"T1": on(50)})],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_date": on(56)},
    ),
    Case(
        name="reappearance is dated by the scan that shows it",
        rule="9",
        lesions=WITH_N,
        visits=[
            visit(T1=22, n={"N1": "PRESENT"}),
            visit(T1="ABSENT", n={"N1": "ABSENT"}),
            visit(T1="ABSENT", n={"N1": "PRESENT"}, dates={"T1": on(112), "N1": on(108)}),
        ],
        expected=[("CR", "CR", "CR"), ("CR", "NON-CR/NON-PD", "PD")],
        outcome={"pd_date": on(108), "pd_declared_date": on(112)},
    ),
    # --- equivocal lesions -----------------------------------------------------------------
    Case(
        name="first sight is dated by its own scan",
        rule="6 and 9",
        lesions=ONE,
        visits=[
            visit(T1=30),
            visit([new(status=EQ)], T1=30, dates={"X1": on(50)}),
            visit([new()], T1=30, dates={"X1": on(109)}),
        ],
        expected=[*STILL, ("SD", "NA", "PD")],
        outcome={"pd_date": on(50), "pd_declared_date": on(112), "first_hepatic_pd_date": on(50)},
    ),
    Case(
        name="without back-dating the scan that confirms dates it",
        rule="9",
        lesions=ONE,
        options={"backdate": False},
        visits=[
            visit(T1=30),
            visit([new(status=EQ)], T1=30, dates={"X1": on(50)}),
            visit([new()], T1=30, dates={"X1": on(109)}),
        ],
        expected=[*STILL, ("SD", "NA", "PD")],
        outcome={"pd_date": on(109), "pd_declared_date": on(112), "first_hepatic_pd_date": on(109)},
    ),
    # 60 stays PD against the nadir 40 at each later visit.
    Case(
        name="an equivocal lesion first seen after the first progression moves nothing",
        rule="settled: equivocal",
        visits=[
            visit(T1=20, T2=20),
            visit(T1=30, T2=30),
            visit([new("X1", "LUNG", EQ)], T1=30, T2=30),
            visit([new("X1", "LUNG")], T1=30, T2=30),
        ],
        expected=[("PD", "NA", "PD")] * 3,
        outcome={
            "pd_date": on(56),
            "pd_site": "HEPATIC",
            "pd_reasons": ["TARGET"],
            "first_extrahepatic_pd_date": on(112),
        },
    ),
    Case(
        name="an equivocal lesion first seen on the day of the first progression moves nothing",
        rule="settled: equivocal",
        visits=[
            visit(T1=20, T2=20),
            visit([new("X1", "LUNG", EQ)], T1=30, T2=30),
            visit([new("X1", "LUNG")], T1=20, T2=20),
        ],
        expected=[("PD", "NA", "PD"), ("SD", "NA", "PD")],
        outcome={
            "pd_date": on(56),
            "pd_declared_date": on(56),
            "pd_site": "HEPATIC",
            "pd_reasons": ["TARGET"],
            "first_extrahepatic_pd_date": on(56),
        },
    ),
    Case(
        name="an equivocal lesion first seen on a later scan of the first PD visit moves nothing",
        rule="settled: equivocal",
        visits=[
            visit(T1=20, T2=20),
            visit([new("X1", "LUNG", EQ)], T1=30, T2=30, dates={"T1": on(50), "T2": on(50), "X1": on(54)}),
            visit([new("X1", "LUNG")], T1=20, T2=20),
        ],
        expected=[("PD", "NA", "PD"), ("SD", "NA", "PD")],
        outcome={
            "pd_date": on(50),
            "pd_declared_date": on(56),
            "pd_site": "HEPATIC",
            "pd_reasons": ["TARGET"],
            "first_extrahepatic_pd_date": on(54),
        },
    ),
    Case(
        name="confirmed at the first PD visit: hepatic progression by sum there keeps its own first date",
        rule="settled: equivocal",
        visits=[
            visit(T1=20, T2=20),
            visit([new("X1", "LUNG", EQ)], T1=20, T2=20),
            visit([new("X1", "LUNG")], T1=30, T2=30),
        ],
        expected=[*STILL, ("PD", "NA", "PD")],
        outcome={
            "pd_date": on(56),
            "pd_declared_date": on(112),
            "pd_site": "EXTRAHEPATIC",
            "pd_reasons": ["NEW"],
            "first_hepatic_pd_date": on(112),
            "first_extrahepatic_pd_date": on(56),
            "bor_unconfirmed": "PD",
        },
    ),
    Case(
        name="two equivocal lesions confirmed: the one seen first has date and site",
        rule="settled: equivocal",
        lesions=ONE,
        visits=[
            visit(T1=30),
            visit([new("X1", "LUNG", EQ)], T1=30),
            visit([new("X1", "LUNG", EQ), new("X2", "LIVER", EQ)], T1=30),
            visit([new("X1", "LUNG"), new("X2", "LIVER")], T1=30),
        ],
        expected=[*STILL, *STILL, ("SD", "NA", "PD")],
        outcome={
            "pd_date": on(56),
            "pd_site": "EXTRAHEPATIC",
            "first_hepatic_pd_date": on(112),
            "first_extrahepatic_pd_date": on(56),
        },
    ),
    Case(
        name="two equivocal lesions of one visit, whatever the calendar days of its scans, give both sites",
        rule="9 and settled: equivocal",
        lesions=ONE,
        visits=[
            visit(T1=30),
            visit([new("X1", "LUNG", EQ), new("X2", "LIVER", EQ)], T1=30, dates={"X1": on(52), "X2": on(56)}),
            visit([new("X1", "LUNG"), new("X2", "LIVER")], T1=30),
        ],
        expected=[*STILL, ("SD", "NA", "PD")],
        outcome={
            "pd_date": on(52),
            "pd_site": "BOTH",
            "pd_reasons": ["NEW"],
            "first_hepatic_pd_date": on(56),
            "first_extrahepatic_pd_date": on(52),
        },
    ),
    Case(
        name="one equivocal lesion confirmed, the other dropped",
        rule="6",
        lesions=ONE,
        visits=[
            visit(T1=30),
            visit([new("X1", "LUNG", EQ)], T1=30),
            visit([new("X2", "LIVER", EQ)], T1=30),
            visit([new("X2", "LIVER")], T1=30),
        ],
        expected=[*STILL, *STILL, ("SD", "NA", "PD")],
        outcome={"pd_date": on(112), "pd_site": "HEPATIC", "first_extrahepatic_pd_date": None},
    ),
    Case(
        name="a progression back-dated after an earlier one of another lesion in between changes no first date twice",
        rule="settled: equivocal",
        lesions=ONE,
        visits=[
            visit(T1=30),
            visit([new("X1", "LUNG", EQ)], T1=30),
            visit([new("X1", "LUNG", EQ), new("X2", "LIVER")], T1=30),
            visit([new("X1", "LUNG")], T1=30),
        ],
        expected=[*STILL, ("SD", "NA", "PD"), ("SD", "NA", "PD")],
        outcome={
            "pd_date": on(56),
            "pd_declared_date": on(112),
            "pd_site": "EXTRAHEPATIC",
            "pd_reasons": ["NEW"],
            "first_hepatic_pd_date": on(112),
            "first_extrahepatic_pd_date": on(56),
            "bor_unconfirmed": "PD",
        },
    ),
)
