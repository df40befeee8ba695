"""Named timelines of locally treated lesions (response rules, section 10 and settled points).

Written by hand from the rules, none computed; the arithmetic stands beside each case.
"""

from __future__ import annotations

from tests.cases.catalogue import ANY, BOTH_TREATED, CLEAN, EQ, ONE, ONLY_N, Case, new, on, visit

__all__ = ["CASES"]

RESTART = ("REBASELINE", "NA", "REBASELINE")
NONE_LEFT = ("NA", "NA", "REBASELINE")
NED = ("NA", "CR", "NED")
FIRST_TREATED = (("T1", "ABLATION", 2),)
SITE = {"T1": "NO_VIABLE"}
STRICT = {"local_mode": "strict_ne"}
MEASURED = {"local_mode": "as_measured"}
TREATED_AND_N = {"T1": "LIVER", "N1": "LUNG"}
THREE = {"T1": "LIVER", "T2": "LIVER", "T3": "LIVER"}
STAGED = (("T1", "ABLATION", 2), ("T3", "RESECTION", 72))

CASES: tuple[Case, ...] = (
    # --- rebaseline ---------------------------------------------------------------------
    # N restarts at 40: 44 is +10 %, 48 is +8 mm and exactly 20 %. Against the old 25 both would be PD.
    Case(
        name="baseline and nadir restart with the untreated targets",
        rule="10 rebaseline 2",
        treated=FIRST_TREATED,
        visits=[
            visit(T1=30, T2=25),
            visit(T2=40, rebaseline=True, sites=SITE),
            visit(T2=44, sites=SITE),
            visit(T2=48, sites=SITE),
        ],
        expected=[RESTART, ("SD", "CR", "SD"), ("PD", "CR", "PD")],
        sums=[None, "44", "48"],
        outcome={"pd_site": "HEPATIC", "pd_reasons": ["TARGET"]},
    ),
    Case(
        name="a response before the treatment is not confirmed by one after the re-baseline",
        rule="8 and 10",
        treated=(("T1", "ABLATION", 60),),
        visits=[
            visit(T1=30, T2=30),
            visit(T1=10, T2=20),
            visit(T2=20, rebaseline=True, sites=SITE),
            visit(T2=14, sites=SITE),
        ],
        expected=[("PR", "NA", "PR"), RESTART, ("PR", "CR", "PR")],
        outcome={"bor_unconfirmed": "PR", "bor_confirmed": "SD"},
    ),
    Case(
        name="an untreated target missing at the re-baseline leaves no sum to compare with",
        rule="4 note f",
        treated=FIRST_TREATED,
        visits=[
            visit(T1=30, T2=25),
            visit(T2="NE", rebaseline=True, sites=SITE),
            visit(T2=20, sites=SITE),
            visit(T2=60, sites=SITE),
        ],
        expected=[RESTART, ("NE", "CR", "NE"), ("NE", "CR", "NE")],
        sums=[None, None, None],
    ),
    Case(
        name="residual tumour at a treated site acts as a non-target that is present",
        rule="10 rebaseline 3",
        treated=FIRST_TREATED,
        visits=[
            visit(T1=30, T2=30),
            visit(T2=30, rebaseline=True, sites={"T1": "RESIDUAL"}),
            visit(T2=21, sites={"T1": "RESIDUAL"}),
            visit(T2="ABSENT", sites={"T1": "RESIDUAL"}),
            visit(T2="ABSENT", sites=SITE),
        ],
        expected=[RESTART, ("PR", "NON-CR/NON-PD", "PR"), ("CR", "NON-CR/NON-PD", "PR"), ("CR", "CR", "CR")],
        sums=[None, "21", "0", "0"],
    ),
    Case(
        name="residual tumour where none was before is queried, not converted",
        rule="10 rebaseline 5",
        treated=BOTH_TREATED,
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites=CLEAN),
            visit(sites=CLEAN),
            visit(sites={"T1": "RESIDUAL", "T2": "NO_VIABLE"}),
        ],
        expected=[NONE_LEFT, NED, ("NA", "NON-CR/NON-PD", "NON-CR/NON-PD")],
        outcome={"pd_date": None, "bor_unconfirmed": "NED"},
    ),
    # The session of day 120 is dated before the second re-baseline, so it is planned.
    Case(
        name="residual tumour, treated again, a second re-baseline, NED",
        rule="10 rebaseline 5 and settled: planned",
        treated=(*BOTH_TREATED, ("T1", "ABLATION", 120)),
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites={"T1": "RESIDUAL", "T2": "NO_VIABLE"}),
            visit(sites={"T1": "RESIDUAL", "T2": "NO_VIABLE"}),
            visit(rebaseline=True, sites=CLEAN),
            visit(sites=CLEAN),
        ],
        expected=[NONE_LEFT, ("NA", "NON-CR/NON-PD", "NON-CR/NON-PD"), NONE_LEFT, NED],
        outcome={"bor_unconfirmed": "NED", "bor_confirmed": "NED", "disease_control": True, "pd_date": None},
    ),
    Case(
        name="residual tumour, then none, then local progression",
        rule="10 rebaseline 3 to 5",
        treated=BOTH_TREATED,
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites={"T1": "RESIDUAL", "T2": "NO_VIABLE"}),
            visit(sites=CLEAN),
            visit(sites={"T1": "LTP", "T2": "NO_VIABLE"}),
        ],
        expected=[NONE_LEFT, NED, ("NA", "PD", "PD")],
        outcome={"pd_date": on(168), "pd_site": "HEPATIC", "pd_reasons": ["LTP"], "pd_subtype": "LOCAL"},
    ),
    Case(
        name="local progression, treated again: each visit stands on its own entries",
        rule="settled: after PD",
        treated=BOTH_TREATED,
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites=CLEAN),
            visit(sites={"T1": "LTP", "T2": "NO_VIABLE"}),
            visit(sites=CLEAN),
        ],
        expected=[NONE_LEFT, ("NA", "PD", "PD"), NED],
        outcome={"bor_unconfirmed": "PD", "disease_control": False},
    ),
    Case(
        name="local progression and a new lung lesion at one visit",
        rule="9",
        treated=BOTH_TREATED,
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites=CLEAN),
            visit([new(organ="LUNG")], sites={"T1": "LTP", "T2": "NO_VIABLE"}, dates={"T1": on(112), "X1": on(108)}),
        ],
        expected=[NONE_LEFT, ("NA", "PD", "PD")],
        outcome={
            "pd_date": on(108),
            "pd_site": "BOTH",
            "pd_reasons": ["LTP", "NEW"],
            "first_hepatic_pd_date": on(112),
            "first_extrahepatic_pd_date": on(108),
        },
    ),
    Case(
        name="a treated site not evaluable keeps from NED",
        rule="10 rebaseline 3",
        treated=BOTH_TREATED,
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites=CLEAN),
            visit(sites={"T1": "NE", "T2": "NO_VIABLE"}),
            visit(sites=CLEAN),
        ],
        expected=[NONE_LEFT, ("NA", "NE", "NE"), NED],
    ),
    Case(
        name="non-target disease only, all of it treated",
        rule="10 rebaseline 4",
        lesions=ONLY_N,
        treated=(("N1", "ABLATION", 2), ("N2", "SBRT", 2)),
        visits=[
            visit(n={"N1": "PRESENT", "N2": "PRESENT"}),
            visit(rebaseline=True, sites={"N1": "NO_VIABLE", "N2": "NO_VIABLE"}),
            visit(sites={"N1": "NO_VIABLE", "N2": "NO_VIABLE"}),
        ],
        expected=[NONE_LEFT, NED],
        outcome={"bor_unconfirmed": "NED"},
    ),
    Case(
        name="a non-target left untreated: NON-CR/NON-PD, then progression",
        rule="7 table 2",
        lesions=TREATED_AND_N,
        treated=FIRST_TREATED,
        visits=[
            visit(T1=25, n={"N1": "PRESENT"}),
            visit(rebaseline=True, n={"N1": "PRESENT"}, sites=SITE),
            visit(n={"N1": "PRESENT"}, sites=SITE),
            visit(n={"N1": "UNEQUIVOCAL"}, sites=SITE),
        ],
        expected=[NONE_LEFT, ("NA", "NON-CR/NON-PD", "NON-CR/NON-PD"), ("NA", "PD", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC", "pd_reasons": ["NON-TARGET"], "bor_unconfirmed": "NON-CR/NON-PD"},
    ),
    Case(
        name="an equivocal lesion at the re-baseline, confirmed later, dates progression to it",
        rule="settled: equivocal",
        treated=BOTH_TREATED,
        visits=[
            visit(T1=25, T2=20),
            visit([new(organ="LUNG", status=EQ)], rebaseline=True, sites=CLEAN),
            visit([new(organ="LUNG", status=EQ)], sites=CLEAN),
            visit([new(organ="LUNG")], sites=CLEAN),
        ],
        expected=[NONE_LEFT, NED, ("NA", "CR", "PD")],
        outcome={"pd_date": on(56), "pd_declared_date": on(168), "bor_unconfirmed": "PD", "pd_site": "EXTRAHEPATIC"},
    ),
    Case(
        name="a new lesion at the re-baseline that is treated afterwards is PD",
        rule="settled: planned",
        treated=(*BOTH_TREATED, ("X1", "ABLATION", 70)),
        visits=[
            visit(T1=25, T2=20),
            visit([new()], rebaseline=True, sites=CLEAN),
            visit(sites={**CLEAN, "X1": "NO_VIABLE"}),
        ],
        expected=[("NA", "NA", "PD"), (ANY, "CR", ANY)],
        outcome={"pd_date": on(56), "pd_reasons": ["NEW"], "bor_unconfirmed": "PD"},
    ),
    Case(
        name="the session on the day of the re-baseline visit is planned",
        rule="settled: planned",
        treated=(*BOTH_TREATED, ("X1", "ABLATION", 111)),
        visits=[
            visit(T1=25, T2=20),
            visit([new()], sites=CLEAN),
            visit(rebaseline=True, sites={**CLEAN, "X1": "NO_VIABLE"}),
        ],
        expected=[(ANY, ANY, "NE"), NONE_LEFT],
        outcome={"pd_date": None},
    ),
    Case(
        name="treated and never re-baselined is NE, a new lesion PD",
        rule="contract 4",
        treated=FIRST_TREATED,
        visits=[
            visit(T1=25, T2=20),
            visit(T2=20, sites=SITE),
            visit(T2=20, sites=SITE),
            visit([new()], T2=20, sites=SITE),
        ],
        expected=[(ANY, ANY, "NE"), (ANY, ANY, "NE"), (ANY, ANY, "PD")],
        outcome={"bor_unconfirmed": "PD", "pd_date": on(168)},
    ),
    Case(
        name="local progression between two sessions is PD",
        rule="settled: LTP",
        lesions=THREE,
        treated=STAGED,
        visits=[
            visit(T1=25, T2=20, T3=15),
            visit(T2=20, T3=15, sites={"T1": "LTP"}),
            visit(T2=20, rebaseline=True, sites={"T1": "NO_VIABLE", "T3": "NO_VIABLE"}),
        ],
        expected=[(ANY, ANY, "PD"), RESTART],
        outcome={"pd_date": on(56), "pd_reasons": ["LTP"], "pd_site": "HEPATIC"},
    ),
    # T2 20 -> 26: +6 mm, 130 %.
    Case(
        name="growth of an untreated target between two sessions is flagged only",
        rule="10 rebaseline 8",
        lesions=THREE,
        treated=STAGED,
        visits=[
            visit(T1=25, T2=20, T3=15),
            visit(T2=26, T3=15, sites=SITE),
            visit(T2=26, rebaseline=True, sites={"T1": "NO_VIABLE", "T3": "NO_VIABLE"}),
            visit(T2=26, sites={"T1": "NO_VIABLE", "T3": "NO_VIABLE"}),
        ],
        expected=[(ANY, ANY, "NE"), RESTART, ("SD", "CR", "SD")],
        outcome={"pd_date": None, "bor_unconfirmed": "SD"},
    ),
    Case(
        name="by option it is PD at that visit",
        rule="10 rebaseline 8",
        lesions=THREE,
        treated=STAGED,
        options={"pd_in_treatment_phase": True},
        visits=[
            visit(T1=25, T2=20, T3=15),
            visit(T2=26, T3=15, sites=SITE),
            visit(T2=26, rebaseline=True, sites={"T1": "NO_VIABLE", "T3": "NO_VIABLE"}),
        ],
        expected=[(ANY, ANY, "PD"), ("REBASELINE", "NA", "PD")],
        outcome={"pd_date": on(56), "pd_reasons": ["TARGET"], "pd_site": "HEPATIC", "bor_unconfirmed": "PD"},
    ),
    # 25 -> 29.9: +4.9 mm.
    Case(
        name="by option growth below the limits is none",
        rule="10 rebaseline 8",
        treated=FIRST_TREATED,
        options={"pd_in_treatment_phase": True},
        visits=[visit(T1=30, T2=25), visit(T2="29.9", rebaseline=True, sites=SITE)],
        expected=[RESTART],
        outcome={"pd_date": None},
    ),
    Case(
        name="by option growth of the lesion that is treated later means nothing",
        rule="10 rebaseline 8",
        treated=(("T1", "ABLATION", 2), ("T2", "ABLATION", 72)),
        options={"pd_in_treatment_phase": True},
        visits=[visit(T1=30, T2=20), visit(T2=40, sites=SITE), visit(rebaseline=True, sites=CLEAN)],
        expected=[(ANY, ANY, "NE"), NONE_LEFT],
        outcome={"pd_date": None},
    ),
    Case(
        name="PR, then surgery of all: NED; best response stays PR",
        rule="settled: BOR rank",
        treated=(("T1", "RESECTION", 60), ("T2", "RESECTION", 60)),
        visits=[visit(T1=30, T2=30), visit(T1=20, T2=20), visit(rebaseline=True, sites=CLEAN), visit(sites=CLEAN)],
        expected=[("PR", "NA", "PR"), NONE_LEFT, NED],
        outcome={"bor_unconfirmed": "PR", "bor_confirmed": "NED", "disease_control_by_ned_alone": False},
    ),
    # --- strict_ne ----------------------------------------------------------------------
    Case(
        name="strict_ne: a treated non-target is NE, the targets go on",
        rule="10 strict_ne",
        lesions=TREATED_AND_N,
        options=STRICT,
        treated=(("N1", "SBRT", 2),),
        visits=[
            visit(T1=30, n={"N1": "PRESENT"}),
            visit(T1=20, n={"N1": "ABSENT"}, sites={"N1": "NO_VIABLE"}),
            visit(T1="ABSENT"),
        ],
        expected=[("PR", "NE", "PR"), ("CR", "NE", "PR")],
    ),
    # 60 of the untreated target against N 50.
    Case(
        name="strict_ne: the untreated part alone may prove progression",
        rule="4 condition 1",
        options=STRICT,
        treated=FIRST_TREATED,
        visits=[visit(T1=30, T2=20), visit(T2="59.9", sites=SITE), visit(T2=60, sites=SITE)],
        expected=[("NE", "NA", "NE"), ("PD", "NA", "PD")],
        sums=[None, "60"],
    ),
    Case(
        name="strict_ne: all treated is NE throughout, recurrence is PD",
        rule="10 strict_ne",
        options=STRICT,
        treated=BOTH_TREATED,
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites=CLEAN),
            visit(sites=CLEAN),
            visit([new(organ="LUNG")], sites=CLEAN),
        ],
        expected=[("NE", "NA", "NE"), ("NE", "NA", "NE"), ("NE", "NA", "PD")],
        outcome={"bor_unconfirmed": "PD", "pd_site": "EXTRAHEPATIC"},
    ),
    Case(
        name="strict_ne: responses before the treatment stand",
        rule="10 strict_ne",
        lesions=ONE,
        options=STRICT,
        treated=(("T1", "ABLATION", 120),),
        visits=[visit(T1=30), visit(T1=20), visit(T1=20), visit(T1=35, sites=SITE)],
        expected=[("PR", "NA", "PR"), ("PR", "NA", "PR"), ("NE", "NA", "NE")],
        outcome={"bor_confirmed": "PR"},
    ),
    # --- as_measured --------------------------------------------------------------------
    Case(
        name="as_measured: local progression is PD, the non-target column stays",
        rule="settled: LTP",
        lesions={"T1": "LIVER", "T2": "LIVER", "N1": "LUNG"},
        options=MEASURED,
        treated=FIRST_TREATED,
        visits=[
            visit(T1=25, T2=20, n={"N1": "PRESENT"}),
            visit(T1=26, T2=20, n={"N1": "PRESENT"}, sites={"T1": "LTP"}),
        ],
        expected=[("SD", "NON-CR/NON-PD", "PD")],
        outcome={"pd_reasons": ["LTP"], "pd_site": "HEPATIC"},
    ),
    Case(
        name="as_measured: all resected looks like CR, the zone grown like PD",
        rule="10 as_measured",
        options=MEASURED,
        treated=(("T1", "RESECTION", 2), ("T2", "RESECTION", 2)),
        visits=[visit(T1=25, T2=20), visit(T1="ABSENT", T2="ABSENT"), visit(T1="ABSENT", T2="ABSENT")],
        expected=[("CR", "NA", "CR"), ("CR", "NA", "CR")],
        outcome={"bor_confirmed": "CR"},
    ),
    Case(
        name="as_measured: an ablated target that nobody measured is missing",
        rule="10 as_measured",
        options=MEASURED,
        treated=FIRST_TREATED,
        visits=[visit(T1=25, T2=20), visit(T2=20, sites=SITE)],
        expected=[("NE", "NA", "NE")],
    ),
    Case(
        name="as_measured: a resected non-target is gone unless it is read",
        rule="10 as_measured",
        lesions=TREATED_AND_N,
        options=MEASURED,
        treated=(("N1", "RESECTION", 2),),
        visits=[
            visit(T1=25, n={"N1": "PRESENT"}),
            visit(T1=25),
            visit(T1=25, n={"N1": "NE"}),
            visit(T1=25, n={"N1": "PRESENT"}),
        ],
        expected=[("SD", "CR", "SD"), ("SD", "CR", "SD"), ("SD", "NON-CR/NON-PD", "SD")],
    ),
    Case(
        name="by option unequivocal progression of an untreated non-target before the re-baseline is PD",
        rule="10 rebaseline 8",
        lesions={"T1": "LIVER", "N1": "LIVER", "N2": "LUNG"},
        options={"pd_in_treatment_phase": True},
        treated=(("T1", "ABLATION", 2), ("N1", "ABLATION", 72)),
        visits=[
            visit(T1=25, n={"N1": "PRESENT", "N2": "PRESENT"}),
            visit(n={"N1": "UNEQUIVOCAL", "N2": "PRESENT"}, sites=SITE),
            visit(n={"N2": "UNEQUIVOCAL"}, rebaseline=True, sites={"T1": "NO_VIABLE", "N1": "NO_VIABLE"}),
        ],
        expected=[(ANY, ANY, "NE"), ("NA", "NA", "PD")],
        outcome={"pd_date": on(112), "pd_reasons": ["NON-TARGET"], "pd_site": "EXTRAHEPATIC"},
    ),
)
