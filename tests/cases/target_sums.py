"""Named timelines of target sums, non-targets and overall response (response rules, sections 1 and 4 to 7).

Written by hand from the rules, none computed; the arithmetic stands beside each case.
"""

from __future__ import annotations

from tests.cases.catalogue import NODE, ONE, ONLY_N, WITH_N, Case, new, visit

__all__ = ["CASES"]

THREE = {"T1": "LIVER", "T2": "LIVER", "T3": "LUNG"}
HERE = {"N1": "PRESENT"}
GONE = {"N1": "ABSENT"}
NODE_AND_N = {"T1": "LIVER", "T2": "LYMPH NODE", "N1": "LUNG"}

CASES: tuple[Case, ...] = (
    # 59.9: +9.9 mm but 119.8 %; 60: exactly 120 %.
    Case(
        name="a tenth below 20 % over the nadir is no PD, exactly 20 % is",
        rule="4 condition 4",
        lesions=ONE,
        visits=[visit(T1=60), visit(T1=50), visit(T1="59.9"), visit(T1=60)],
        expected=[("SD", "NA", "SD"), ("SD", "NA", "SD"), ("PD", "NA", "PD")],
        sums=["50", "59.9", "60"],
    ),
    # 3010 against 3012.
    Case(
        name="exactly 5 mm but 19.9 % is SD",
        rule="4 condition 4",
        lesions=ONE,
        visits=[visit(T1="25.1"), visit(T1="30.1")],
        expected=[("SD", "NA", "SD")],
    ),
    # 24.95 x 1.2 = 29.94 exactly, +4.99 mm.
    Case(
        name="exactly 20 % but 4.99 mm is SD, with two decimals kept",
        rule="4 note c",
        lesions=ONE,
        visits=[visit(T1="24.95"), visit(T1="29.94")],
        expected=[("SD", "NA", "SD")],
        sums=["29.94"],
    ),
    Case(
        name="slow growth is measured from the nadir and not from the visit before",
        rule="4",
        lesions=ONE,
        visits=[visit(T1=40), visit(T1=44), visit(T1="47.9"), visit(T1=48)],
        expected=[("SD", "NA", "SD"), ("SD", "NA", "SD"), ("PD", "NA", "PD")],
    ),
    # 5 -> 10: +5 mm, 200 %.
    Case(
        name="from too small to measure to 10 mm is PD",
        rule="1 and 4",
        lesions=ONE,
        visits=[visit(T1=12), visit(T1="TSTM"), visit(T1=10)],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        sums=["5", "10"],
    ),
    # 5 -> 9.9: +4.9 mm; 9.9 of 12 is 82.5 %.
    Case(
        name="from too small to measure to 9.9 mm is SD",
        rule="1 and 4",
        lesions=ONE,
        visits=[visit(T1=12), visit(T1="TSTM"), visit(T1="9.9")],
        expected=[("PR", "NA", "PR"), ("SD", "NA", "SD")],
    ),
    # 3 -> 8: a readable 3 mm stays 3 mm, so +5 mm.
    Case(
        name="a readable 3 mm is the nadir, not 5 mm",
        rule="4 note h",
        lesions=ONE,
        visits=[visit(T1=12), visit(T1=3), visit(T1=8)],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        sums=["3", "8"],
    ),
    Case(
        name="tstm_mm is an option",
        rule="10 options",
        lesions=ONE,
        options={"tstm_mm": 4},
        visits=[visit(T1=12), visit(T1="TSTM"), visit(T1=9)],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        sums=["4", "9"],
    ),
    Case(
        name="a length of 0 mm is gone",
        rule="4 condition 3",
        lesions=ONE,
        visits=[visit(T1=12), visit(T1=0)],
        expected=[("CR", "NA", "CR")],
        sums=["0"],
    ),
    Case(
        name="a remnant of 0.1 mm is not gone",
        rule="4 condition 3",
        lesions=ONE,
        visits=[visit(T1=12), visit(T1="0.1")],
        expected=[("PR", "NA", "PR")],
    ),
    # 26 + 9 = 35 of 50.
    Case(
        name="a normal node still counts in the sum",
        rule="4 note g",
        lesions=NODE,
        visits=[visit(T1=30, T2=20), visit(T1=26, T2=9), visit(T1=26, T2="9.1")],
        expected=[("PR", "NA", "PR"), ("SD", "NA", "SD")],
        sums=["35", "35.1"],
    ),
    Case(
        name="a node too small to measure is normal",
        rule="4 condition 3",
        lesions=NODE,
        visits=[visit(T1=30, T2=20), visit(T1="ABSENT", T2="TSTM")],
        expected=[("CR", "NA", "CR")],
        sums=["5"],
    ),
    Case(
        name="a node that is gone counts 0",
        rule="4 condition 3",
        lesions=NODE,
        visits=[visit(T1=30, T2=20), visit(T1="ABSENT", T2="ABSENT")],
        expected=[("CR", "NA", "CR")],
        sums=["0"],
    ),
    # 6 + 5 = 11.
    Case(
        name="fragments of a node add up to a pathological one",
        rule="4 split",
        lesions=NODE,
        visits=[visit(T1=30, T2=20), visit(T1="ABSENT", T2=[6, 5])],
        expected=[("PR", "NA", "PR")],
        sums=["11"],
    ),
    Case(
        name="a node alone: 9.9 is CR, 10 afterwards is PD by reappearance",
        rule="4 and 7",
        lesions={"T1": "LYMPH_NODE"},
        visits=[visit(T1=15), visit(T1="9.9"), visit(T1=10)],
        expected=[("CR", "NA", "CR"), ("PR", "NA", "PD")],
        outcome={"pd_reasons": ["REAPPEARANCE"], "pd_site": "EXTRAHEPATIC", "bor_confirmed": "SD"},
    ),
    Case(
        name="node_normal_mm is an option",
        rule="10 options",
        lesions=NODE,
        options={"node_normal_mm": 12},
        visits=[visit(T1=30, T2=20), visit(T1="ABSENT", T2="11.9"), visit(T1="ABSENT", T2=12)],
        expected=[("CR", "NA", "CR"), ("PR", "NA", "PD")],
    ),
    # 20 + 16 = 36: +6 mm, exactly 20 %.
    Case(
        name="fragments that add up to 20 % more are PD",
        rule="4 split",
        lesions=ONE,
        visits=[visit(T1=30), visit(T1=[20, 16])],
        expected=[("PD", "NA", "PD")],
        sums=["36"],
    ),
    # 38 -> 30 (SD, nadir) -> 35 (+5 mm, 116.7 %) -> 36 (+6 mm, exactly 20 %).
    Case(
        name="a merged mass that separates again returns to its members",
        rule="4 merge",
        visits=[visit(T1=20, T2=18), visit(T1_T2=30), visit(T1=18, T2=17), visit(T1=18, T2=18)],
        expected=[("SD", "NA", "SD"), ("SD", "NA", "SD"), ("PD", "NA", "PD")],
        sums=["30", "35", "36"],
        outcome={"pd_site": "HEPATIC", "pd_reasons": ["TARGET"]},
    ),
    # 25 + (4 + 6) = 35 of 50.
    Case(
        name="a mass and a fragmented lesion in one sum",
        rule="4 split and merge",
        lesions=THREE,
        visits=[visit(T1=20, T2=15, T3=15), visit(T1_T2=25, T3=[4, 6])],
        expected=[("PR", "NA", "PR")],
        sums=["35"],
    ),
    Case(
        name="a mass that cannot be read leaves all its members missing",
        rule="4 merge",
        visits=[visit(T1=20, T2=18), visit(T1_T2="NE")],
        expected=[("NE", "NA", "NE")],
        sums=[None],
    ),
    Case(
        name="a mass that is gone is CR",
        rule="4 merge",
        visits=[visit(T1=20, T2=18), visit(T1_T2="ABSENT")],
        expected=[("CR", "NA", "CR")],
        sums=["0"],
    ),
    Case(
        name="a mass too small to measure counts 5 mm once",
        rule="4 merge",
        visits=[visit(T1=20, T2=18), visit(T1_T2="TSTM")],
        expected=[("PR", "NA", "PR")],
        sums=["5"],
    ),
    Case(
        name="a mass of three",
        rule="4 merge",
        lesions={"T1": "LIVER", "T2": "LIVER", "T3": "LIVER"},
        visits=[visit(T1=20, T2=18, T3=12), visit(T1_T2_T3=60)],
        expected=[("PD", "NA", "PD")],
        sums=["60"],
    ),
    # 60 against N 50: +10 mm, exactly 20 %.
    Case(
        name="a mass alone proves PD while the third target is missing",
        rule="4 condition 1",
        lesions=THREE,
        visits=[visit(T1=20, T2=15, T3=15), visit(T1_T2=60)],
        expected=[("PD", "NA", "PD")],
        sums=["60"],
        outcome={"pd_site": "HEPATIC"},
    ),
    # 24.9: +4.9 mm; 25: +5 mm and 125 %.
    Case(
        name="a partial sum needs the 5 mm as well",
        rule="4 condition 1",
        visits=[visit(T1=10, T2=10), visit(T1="24.9"), visit(T1=25)],
        expected=[("NE", "NA", "NE"), ("PD", "NA", "PD")],
        sums=[None, "25"],
    ),
    # The partial 80 is PD by the nadir 50; the complete 61 that follows too (+11 mm, 122 %), the complete 59 not.
    Case(
        name="a partial progression moves no reference",
        rule="4 note e",
        lesions=THREE,
        visits=[
            visit(T1=20, T2=18, T3=12),
            visit(T1=45, T2=35, T3="NE"),
            visit(T1=25, T2=24, T3=12),
            visit(T1=25, T2=22, T3=12),
        ],
        expected=[("PD", "NA", "PD"), ("PD", "NA", "PD"), ("SD", "NA", "SD")],
        sums=["80", "61", "59"],
    ),
    Case(
        name="a visit that mentions no target is NE",
        rule="contract 5",
        visits=[visit(T1=20, T2=18), visit()],
        expected=[("NE", "NA", "NE")],
        outcome={"bor_unconfirmed": "NE", "disease_control": False},
    ),
    Case(
        name="no baseline sum: non-target progression still is PD",
        rule="4 note f",
        lesions={"T1": "LIVER", "T2": "LIVER", "N1": "LUNG"},
        visits=[
            visit(T1=20, n=HERE),
            visit(T1="ABSENT", T2="ABSENT", n=GONE),
            visit(T1=60, T2=60, n={"N1": "UNEQUIVOCAL"}),
        ],
        expected=[("NE", "CR", "NE"), ("NE", "PD", "PD")],
        sums=[None, None],
        outcome={"pd_site": "EXTRAHEPATIC", "pd_reasons": ["NON-TARGET"]},
    ),
    Case(
        name="the percentages and the 5 mm are options",
        rule="10 options",
        options={"pd_pct": 25, "pd_abs_mm": 10, "pr_pct": 50},
        visits=[
            visit(T1=60, T2=40),
            visit(T1=30, T2="20.1"),
            visit(T1=30, T2=20),
            visit(T1=40, T2=22),
            visit(T1=41, T2="21.5"),
        ],
        expected=[("SD", "NA", "SD"), ("PR", "NA", "PR"), ("SD", "NA", "SD"), ("PD", "NA", "PD")],
    ),
    # 75 against the nadir 70: +5 mm, 107 %.
    Case(
        name="by arithmetic a PR may become SD without progression",
        rule="4 sticky_pr",
        visits=[visit(T1=60, T2=40), visit(T1=40, T2=30), visit(T1=45, T2=30)],
        expected=[("PR", "NA", "PR"), ("SD", "NA", "SD")],
        outcome={"bor_unconfirmed": "PR", "bor_confirmed": "SD"},
    ),
    Case(
        name="by option the PR goes on, across a visit that is NE too",
        rule="4 condition 7",
        options={"sticky_pr": True},
        visits=[visit(T1=60, T2=40), visit(T1=40, T2=30), visit(T1=45), visit(T1=45, T2=30)],
        expected=[("PR", "NA", "PR"), ("NE", "NA", "NE"), ("PR", "NA", "PR")],
        outcome={"bor_confirmed": "PR"},
    ),
    # 4 of 5 mm is 80 %, and no PD by +4 mm.
    Case(
        name="by option a target CR too goes on as PR",
        rule="4 condition 7",
        lesions=WITH_N,
        options={"sticky_pr": True},
        visits=[visit(T1=5, n=HERE), visit(T1="ABSENT", n=HERE), visit(T1=4, n=HERE)],
        expected=[("CR", "NON-CR/NON-PD", "PR"), ("PR", "NON-CR/NON-PD", "PR")],
    ),
    Case(
        name="by arithmetic the same is SD",
        rule="4 condition 8",
        lesions=WITH_N,
        visits=[visit(T1=5, n=HERE), visit(T1="ABSENT", n=HERE), visit(T1=4, n=HERE)],
        expected=[("CR", "NON-CR/NON-PD", "PR"), ("SD", "NON-CR/NON-PD", "SD")],
    ),
    Case(
        name="target_cr: a node of 10 mm after a target CR is PD, extrahepatic",
        rule="4 condition 5",
        lesions=NODE_AND_N,
        options={"reappear_after_cr": "target_cr"},
        visits=[visit(T1=20, T2=15, n=HERE), visit(T1="ABSENT", T2=9, n=HERE), visit(T1="ABSENT", T2=10, n=HERE)],
        expected=[("CR", "NON-CR/NON-PD", "PR"), ("PD", "NON-CR/NON-PD", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC", "pd_reasons": ["TARGET"]},
    ),
    Case(
        name="overall_cr: the same node after a target CR alone is PR",
        rule="4 condition 6",
        lesions=NODE_AND_N,
        visits=[visit(T1=20, T2=15, n=HERE), visit(T1="ABSENT", T2=9, n=HERE), visit(T1="ABSENT", T2=10, n=HERE)],
        expected=[("CR", "NON-CR/NON-PD", "PR"), ("PR", "NON-CR/NON-PD", "PR")],
        outcome={"pd_date": None},
    ),
    Case(
        name="target_cr: with another target missing the response is NE",
        rule="4 order",
        options={"reappear_after_cr": "target_cr"},
        lesions={"T1": "LIVER", "T2": "LIVER", "N1": "LUNG"},
        visits=[visit(T1=20, T2=15, n=HERE), visit(T1="ABSENT", T2="ABSENT", n=HERE), visit(T1=3, n=HERE)],
        expected=[("CR", "NON-CR/NON-PD", "PR"), ("NE", "NON-CR/NON-PD", "NE")],
    ),
    # --- sections 5 to 7 ------------------------------------------------------------------
    Case(
        name="unequivocal progression of one non-target beats another not evaluable",
        rule="5",
        lesions={"T1": "LIVER", "N1": "LIVER", "N2": "LUNG"},
        visits=[
            visit(T1=30, n={"N1": "PRESENT", "N2": "PRESENT"}),
            visit(T1=20, n={"N1": "NE", "N2": "UNEQUIVOCAL"}),
        ],
        expected=[("PR", "PD", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC"},
    ),
    Case(
        name="one non-target gone and one not evaluable is NE",
        rule="5",
        lesions={"T1": "LIVER", "N1": "LIVER", "N2": "LUNG"},
        visits=[visit(T1=30, n={"N1": "PRESENT", "N2": "PRESENT"}), visit(T1="ABSENT", n={"N1": "ABSENT", "N2": "NE"})],
        expected=[("CR", "NE", "PR")],
    ),
    Case(
        name="nt_partial: one gone and one not evaluable stays NE",
        rule="5",
        options={"nt_partial": "NON-CR/NON-PD"},
        lesions={"T1": "LIVER", "N1": "LIVER", "N2": "LUNG"},
        visits=[visit(T1=30, n={"N1": "PRESENT", "N2": "PRESENT"}), visit(T1=30, n={"N1": "ABSENT", "N2": "NE"})],
        expected=[("SD", "NE", "SD")],
    ),
    Case(
        name="Table 1: stable targets decide whatever non-targets do short of progression",
        rule="7 table 1",
        lesions=WITH_N,
        visits=[visit(T1=30, n=HERE), visit(T1=30, n=GONE), visit(T1=30, n=HERE), visit(T1=30, n={"N1": "NE"})],
        expected=[("SD", "CR", "SD"), ("SD", "NON-CR/NON-PD", "SD"), ("SD", "NE", "SD")],
    ),
    Case(
        name="Table 1: missing targets give NE whatever non-targets do short of progression",
        rule="7 table 1",
        lesions=WITH_N,
        visits=[
            visit(T1=30, n=HERE),
            visit(n=GONE),
            visit(n=HERE),
            visit(n={"N1": "NE"}),
            visit(n={"N1": "UNEQUIVOCAL"}),
        ],
        expected=[("NE", "CR", "NE"), ("NE", "NON-CR/NON-PD", "NE"), ("NE", "NE", "NE"), ("NE", "PD", "PD")],
    ),
    Case(
        name="Table 1: a target CR with all non-targets gone is CR",
        rule="7 table 1",
        lesions=WITH_N,
        visits=[visit(T1=30, n=HERE), visit(T1="ABSENT", n=GONE)],
        expected=[("CR", "CR", "CR")],
    ),
    Case(
        name="a new lesion beats a complete response of the rest",
        rule="7 table 1",
        lesions=WITH_N,
        visits=[visit(T1=30, n=HERE), visit([new(organ="BONE")], T1="ABSENT", n=GONE)],
        expected=[("CR", "CR", "PD")],
        outcome={"bor_unconfirmed": "PD", "pd_site": "EXTRAHEPATIC", "pd_reasons": ["NEW"]},
    ),
    Case(
        name="after CR a new lesion is the reason, though disease is seen again too",
        rule="9 triggers",
        lesions=ONE,
        visits=[visit(T1=22), visit(T1="ABSENT"), visit([new(organ="LUNG")], T1=3)],
        expected=[("CR", "NA", "CR"), ("PR", "NA", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC", "pd_reasons": ["NEW"], "first_hepatic_pd_date": None},
    ),
    Case(
        name="disease seen again in both compartments after CR",
        rule="7 and 9",
        lesions=WITH_N,
        visits=[visit(T1=22, n=HERE), visit(T1="ABSENT", n=GONE), visit(T1=3, n=HERE)],
        expected=[("CR", "CR", "CR"), ("PR", "NON-CR/NON-PD", "PD")],
        outcome={"pd_site": "BOTH", "pd_reasons": ["REAPPEARANCE"]},
    ),
    Case(
        name="a visit not evaluable between does not undo the earlier CR",
        rule="7",
        lesions=ONE,
        visits=[visit(T1=22), visit(T1="ABSENT"), visit(), visit(T1=2)],
        expected=[("CR", "NA", "CR"), ("NE", "NA", "NE"), ("PR", "NA", "PD")],
    ),
    Case(
        name="after progression by a new lesion the rest is judged anew, CR included",
        rule="settled: after PD",
        lesions=ONE,
        visits=[visit(T1=22), visit([new()], T1=15), visit(T1="ABSENT")],
        expected=[("PR", "NA", "PD"), ("CR", "NA", "CR")],
        outcome={"bor_unconfirmed": "PD", "bor_confirmed": "PD", "disease_control": False},
    ),
    Case(
        name="non-target disease only: a new lesion is PD though all is gone",
        rule="7 table 2",
        lesions=ONLY_N,
        visits=[visit(n={"N1": "PRESENT", "N2": "PRESENT"}), visit([new()], n={"N1": "ABSENT", "N2": "ABSENT"})],
        expected=[("NA", "CR", "PD")],
        outcome={"pd_site": "HEPATIC", "pd_reasons": ["NEW"]},
    ),
    Case(
        name="non-target disease only: seen again after CR is PD",
        rule="7",
        lesions=ONLY_N,
        visits=[
            visit(n={"N1": "PRESENT", "N2": "PRESENT"}),
            visit(n={"N1": "ABSENT", "N2": "ABSENT"}),
            visit(n={"N1": "PRESENT", "N2": "ABSENT"}),
        ],
        expected=[("NA", "CR", "CR"), ("NA", "NON-CR/NON-PD", "PD")],
        outcome={
            "pd_site": "HEPATIC",
            "pd_reasons": ["REAPPEARANCE"],
            "bor_unconfirmed": "CR",
            "bor_confirmed": "NON-CR/NON-PD",
        },
    ),
)
