"""The catalogue of named timelines: each a short story of one subject, with the assessment that the rule book gives it.

Every case is written by hand from the rules, none computed. Lesions: ``T*`` targets, ``N*`` non-targets; ``X*`` new.
Visits are on the days given, counted from treatment start (the baseline on day -6).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lesiontrack.assess import AssessSettings, assess
from lesiontrack.domain.reads import Reads
from lesiontrack.io.case_file import CaseParser
from lesiontrack.io.reads import CaseResult, case_document

__all__ = ["ANY", "CASES", "Case", "by_name", "new", "on", "visit"]

# Matches every category.
ANY = "*"

START = dt.date(2024, 1, 8)


def on(day: int) -> str:
    """Return the ISO date of a day from treatment start."""
    return (START + dt.timedelta(days=day)).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A timeline and what is expected of it.

    Attributes
    ----------
    lesions
        id -> organ; ``T`` ids are targets, others non-targets.
    visits
        One mapping for each, the baseline first, in the form of a case file without dates.
    expected
        For each visit after the baseline: target, non-target, overall; ANY where the rules leave a component open.
    sums
        For each visit after the baseline, where given: ``sum_mm``.
    treated
        Lesion, method, day; and whether it was planned, where that is stated.
    queries
        Where given: the codes of all queries, in order.
    outcome
        Expected members of the case's outcome, in the spelling of ``assessments.json``.
    """

    name: str
    rule: str
    visits: Sequence[Mapping[str, Any]]
    expected: Sequence[tuple[str, str, str]]
    lesions: Mapping[str, str] = field(default_factory=lambda: {"T1": "LIVER", "T2": "LIVER"})
    days: Sequence[int] = (-6, 56, 112, 168, 224, 280)
    treated: Sequence[tuple[str, str, int] | tuple[str, str, int, bool]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    outcome: Mapping[str, Any] = field(default_factory=dict)
    sums: Sequence[str | None] | None = None
    queries: Sequence[str] | None = None

    def document(self) -> dict[str, Any]:
        """Return the case in the form of a case file."""
        return {
            "id": self.name,
            "treatment_start": START.isoformat(),
            "options": dict(self.options),
            "lesions": [
                {
                    "id": name,
                    "role": "TARGET" if name.startswith("T") else "NON-TARGET",
                    "organ": organ,
                    "node": organ.replace("_", " ") == "LYMPH NODE",
                }
                for name, organ in self.lesions.items()
            ],
            "local_treatment": [
                {"lesion": name, "method": method, "date": on(day), "planned": planned[0] if planned else None}
                for name, method, day, *planned in self.treated
            ],
            "timepoints": [{"date": on(day), **visit} for day, visit in zip(self.days, self.visits, strict=False)],
        }

    def settings(self) -> AssessSettings:
        """Return the settings with the case's options."""
        return CaseParser(AssessSettings()).settings_of(self.document(), self.name)

    def reads(self) -> Reads:
        """Return the case as reads."""
        return CaseParser(AssessSettings()).reads(self.document(), self.name, self.settings())

    def differences(self) -> list[str]:
        """Assess the case and return what differs from what is expected, one line each."""
        found = assess(self.reads(), self.settings())
        document = case_document(CaseResult(case_id=self.name, assessment=found))
        lines = [] if len(found.visits) == len(self.expected) else [f"{len(found.visits)} visits"]
        for judged, wanted in zip(found.visits, self.expected, strict=False):
            got = (judged.target.value, judged.non_target.value, judged.overall.value)
            if any(right not in (ANY, left) for left, right in zip(got, wanted, strict=True)):
                lines.append(f"visit {judged.timepoint}: {got}, expected {wanted}")
        if self.sums is not None:
            wanted_sums = [None if text is None else float(text) for text in self.sums]
            got_sums = [point["sum_mm"] for point in document["timepoints"]]
            if got_sums != wanted_sums:
                lines.append(f"sums {got_sums}, expected {wanted_sums}")
        for key, value in self.outcome.items():
            if document[key] != value:
                lines.append(f"{key}: {document[key]}, expected {value}")
        codes = [query["code"] for query in document["queries"]]
        if self.queries is not None and codes != list(self.queries):
            lines.append(f"queries {codes}, expected {list(self.queries)}")
        return lines


def sizes(**values: Any) -> dict[str, Any]:
    """Return targets' values: a number or text in mm, a state, or a list of parts; T1_T2 is a mass."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        key = name.replace("_", "/")
        if isinstance(value, list):
            made[key] = {"parts": value}
        elif isinstance(value, str) and value.isupper():
            made[key] = {"state": value}
        else:
            made[key] = {"mm": value}
    return made


def visit(_new: Sequence[tuple[str, str, str]] = (), **parts: Any) -> dict[str, Any]:
    """Return a visit: targets by their names, ``n`` non-targets, ``sites``, ``dates``, ``rebaseline``."""
    made: dict[str, Any] = {}
    for key, name in (("n", "nontargets"), ("sites", "treated_sites"), ("dates", "lesion_dates")):
        if key in parts:
            made[name] = parts.pop(key)
    if parts.pop("rebaseline", False):
        made["rebaseline"] = True
    if _new:
        made["new"] = [{"id": name, "organ": organ, "status": status} for name, organ, status in _new]
    return {"targets": sizes(**parts), **made}


def new(name: str = "X1", organ: str = "LIVER", status: str = "UNEQUIVOCAL") -> tuple[str, str, str]:
    """Return a new lesion."""
    return name, organ, status


ONE = {"T1": "LIVER"}
NODE = {"T1": "LIVER", "T2": "LYMPH NODE"}
WITH_N = {"T1": "LIVER", "N1": "LUNG"}
ONLY_N = {"N1": "LIVER", "N2": "LUNG"}
EQ = "EQUIVOCAL"
CLEAN = {"T1": "NO_VIABLE", "T2": "NO_VIABLE"}
BOTH_TREATED = (("T1", "ABLATION", 2), ("T2", "RESECTION", 2))

CASES: tuple[Case, ...] = (
    # --- target response: section 4, boundary table ----------------------------------------
    Case(
        name="exactly 30 % below is PR",
        rule="4",
        visits=[visit(T1=60, T2=40), visit(T1=40, T2=30)],
        expected=[("PR", "NA", "PR")],
    ),
    Case(
        name="29.9 % below is SD",
        rule="4",
        visits=[visit(T1=60, T2=40), visit(T1=40, T2="30.1")],
        expected=[("SD", "NA", "SD")],
    ),
    Case(
        name="14.0 to 9.8 is PR, where binary floats fail",
        rule="4 note c",
        lesions=ONE,
        visits=[visit(T1="14.0"), visit(T1="9.8")],
        expected=[("PR", "NA", "PR")],
    ),
    Case(
        name="12.4 to 17.4 is PD, where binary floats fail",
        rule="4 note c",
        lesions=ONE,
        visits=[visit(T1="12.4"), visit(T1="17.4")],
        expected=[("PD", "NA", "PD")],
    ),
    Case(
        name="27 to 32.4 is PD, exactly 20 %",
        rule="4 note c",
        lesions=ONE,
        visits=[visit(T1=27), visit(T1="32.4")],
        expected=[("PD", "NA", "PD")],
    ),
    Case(
        name="PR by sum though 25 % over a small nadir by 4.9 mm",
        rule="4",
        lesions=ONE,
        visits=[visit(T1=60), visit(T1="19.6"), visit(T1="24.5")],
        expected=[("PR", "NA", "PR"), ("PR", "NA", "PR")],
    ),
    Case(
        name="nadir 0 then 4 without overall CR is PR",
        rule="4",
        lesions=WITH_N,
        visits=[
            visit(T1=22, n={"N1": "PRESENT"}),
            visit(T1="ABSENT", n={"N1": "PRESENT"}),
            visit(T1=4, n={"N1": "PRESENT"}),
        ],
        expected=[("CR", "NON-CR/NON-PD", "PR"), ("PR", "NON-CR/NON-PD", "PR")],
    ),
    Case(
        name="nadir 0 then 4 after a target CR is PD by option, reason TARGET",
        rule="4 condition 5",
        lesions=WITH_N,
        options={"reappear_after_cr": "target_cr"},
        visits=[
            visit(T1=22, n={"N1": "PRESENT"}),
            visit(T1="ABSENT", n={"N1": "PRESENT"}),
            visit(T1=4, n={"N1": "PRESENT"}),
            visit(T1=4, n={"N1": "PRESENT"}),
        ],
        expected=[("CR", "NON-CR/NON-PD", "PR"), ("PD", "NON-CR/NON-PD", "PD"), ("PD", "NON-CR/NON-PD", "PD")],
        outcome={"pd_reasons": ["TARGET"], "pd_site": "HEPATIC"},
    ),
    Case(
        name="nadir 0 then 5 is PD",
        rule="4",
        lesions=WITH_N,
        visits=[
            visit(T1=22, n={"N1": "PRESENT"}),
            visit(T1="ABSENT", n={"N1": "PRESENT"}),
            visit(T1=5, n={"N1": "PRESENT"}),
        ],
        expected=[("CR", "NON-CR/NON-PD", "PR"), ("PD", "NON-CR/NON-PD", "PD")],
    ),
    Case(
        name="too small to measure after overall CR is reappearance",
        rule="7",
        lesions=ONE,
        visits=[visit(T1=12), visit(T1="ABSENT"), visit(T1="TSTM")],
        expected=[("CR", "NA", "CR"), ("PD", "NA", "PD")],
        outcome={"pd_reasons": ["TARGET"]},
    ),
    Case(
        name="a node of 10 after overall CR is reappearance",
        rule="7",
        lesions=NODE,
        visits=[visit(T1=30, T2=20), visit(T1="ABSENT", T2=8), visit(T1="ABSENT", T2="9.9"), visit(T1="ABSENT", T2=10)],
        expected=[("CR", "NA", "CR"), ("CR", "NA", "CR"), ("PR", "NA", "PD")],
        outcome={"pd_reasons": ["REAPPEARANCE"], "pd_site": "EXTRAHEPATIC"},
    ),
    Case(
        name="reappearance is told although another target is missing",
        rule="7",
        visits=[visit(T1=20, T2=15), visit(T1="ABSENT", T2="ABSENT"), visit(T1=3)],
        expected=[("CR", "NA", "CR"), ("NE", "NA", "PD")],
        outcome={"pd_reasons": ["REAPPEARANCE"]},
    ),
    Case(
        name="an incomplete sum is no nadir",
        rule="4 note e",
        visits=[visit(T1=60, T2=40), visit(T1=35, T2=25), visit(T1=25, T2="NE"), visit(T1=40, T2=30)],
        expected=[("PR", "NA", "PR"), ("NE", "NA", "NE"), ("PR", "NA", "PR")],
    ),
    Case(
        name="a partial sum below the limits is NE",
        rule="4 condition 2",
        visits=[visit(T1=30, T2=20), visit(T1="59.9")],
        expected=[("NE", "NA", "NE")],
    ),
    Case(
        name="a partial sum of exactly 20 % more is PD",
        rule="4 condition 1",
        visits=[visit(T1=30, T2=20), visit(T1=60)],
        expected=[("PD", "NA", "PD")],
    ),
    Case(
        name="growth of a normal node is counted in the sum and flagged",
        rule="4 table",
        lesions=NODE,
        visits=[visit(T1=25, T2=15), visit(T1=10, T2=5), visit(T1=12, T2=9)],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        outcome={"pd_site": "HEPATIC"},
    ),
    Case(
        name="a sum progression by normal nodes alone has no site",
        rule="settled: normal nodes",
        lesions=NODE,
        visits=[visit(T1=25, T2=15), visit(T1=1, T2=4), visit(T1=1, T2="9.9")],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        outcome={"pd_site": None, "pd_reasons": ["TARGET"], "first_extrahepatic_pd_date": None},
    ),
    Case(
        name="PR goes on by option until PD",
        rule="4 condition 7",
        lesions=ONE,
        options={"sticky_pr": True},
        visits=[visit(T1=50), visit(T1=35), visit(T1="36.5"), visit(T1=45), visit(T1=41)],
        expected=[("PR", "NA", "PR"), ("PR", "NA", "PR"), ("PD", "NA", "PD"), ("SD", "NA", "SD")],
    ),
    Case(
        name="a continuing PR ends with an overall PD",
        rule="settled: sticky_pr",
        lesions=ONE,
        options={"sticky_pr": True},
        visits=[visit(T1=50), visit(T1=35), visit([new()], T1=36), visit(T1=36)],
        expected=[("PR", "NA", "PR"), ("PR", "NA", "PD"), ("SD", "NA", "SD")],
    ),
    Case(
        name="the earliest of equal nadirs is the nadir visit",
        rule="settled: nadir ties",
        lesions={"T1": "LIVER", "T2": "LUNG"},
        visits=[visit(T1=30, T2=30), visit(T1=20, T2=10), visit(T1=10, T2=20), visit(T1=20, T2=20)],
        expected=[("PR", "NA", "PR"), ("PR", "NA", "PR"), ("PD", "NA", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC"},
    ),
    Case(
        name="target_cr: nothing reappears without an earlier target CR",
        rule="4 condition 5",
        lesions=ONE,
        options={"reappear_after_cr": "target_cr"},
        visits=[visit(T1=30), visit(T1=27)],
        expected=[("SD", "NA", "SD")],
    ),
    Case(
        name="sticky_pr: without an earlier response nothing goes on",
        rule="4 condition 7",
        lesions=ONE,
        options={"sticky_pr": True},
        visits=[visit(T1=30), visit(T1=27)],
        expected=[("SD", "NA", "SD")],
    ),
    Case(
        name="sticky_pr: a new baseline ends a continuing response",
        rule="4 condition 7",
        options={"sticky_pr": True},
        treated=(("T1", "ABLATION", 60),),
        visits=[
            visit(T1=30, T2=30),
            visit(T1=10, T2=20),
            visit(T2=20, rebaseline=True, sites={"T1": "NO_VIABLE"}),
            visit(T2=20, sites={"T1": "NO_VIABLE"}),
        ],
        expected=[("PR", "NA", "PR"), ("REBASELINE", "NA", "REBASELINE"), ("SD", "CR", "SD")],
    ),
    Case(
        name="sticky_pr: a visit that cannot be evaluated ends no response",
        rule="4 condition 7",
        lesions=ONE,
        options={"sticky_pr": True},
        visits=[visit(T1=50), visit(T1=35), visit(), visit(T1=38)],
        expected=[("PR", "NA", "PR"), ("NE", "NA", "NE"), ("PR", "NA", "PR")],
    ),
    Case(
        name="without sticky_pr each visit is compared with the baseline anew",
        rule="4 note on continuing PR",
        lesions=ONE,
        visits=[visit(T1=50), visit(T1=35), visit(T1=38)],
        expected=[("PR", "NA", "PR"), ("SD", "NA", "SD")],
    ),
    Case(
        name="a mass of a node and another lesion is no node",
        rule="4 split and merge",
        lesions=NODE,
        visits=[visit(T1=30, T2=20), visit(T1_T2=8), visit(T1="ABSENT", T2=8)],
        expected=[("PR", "NA", "PR"), ("CR", "NA", "CR")],
    ),
    Case(
        name="a mass of two nodes is a node",
        rule="4 split and merge",
        lesions={"T1": "LYMPH NODE", "T2": "LYMPH NODE"},
        visits=[visit(T1=30, T2=20), visit(T1_T2="9.9"), visit(T1_T2=10)],
        expected=[("CR", "NA", "CR"), ("PR", "NA", "PD")],
    ),
    Case(
        name="a mass with a treated member cannot be told apart",
        rule="10 strict_ne",
        options={"local_mode": "strict_ne"},
        treated=(("T1", "ABLATION", 2),),
        visits=[visit(T1=30, T2=20), visit(T1_T2=55)],
        expected=[("NE", "NA", "NE")],
    ),
    # --- non-target and overall: sections 5 and 7 ----------------------------------------
    Case(
        name="one non-target not evaluable makes all of them NE",
        rule="5",
        lesions={"T1": "LIVER", "N1": "LIVER", "N2": "LUNG"},
        visits=[
            visit(T1=30, n={"N1": "PRESENT", "N2": "PRESENT"}),
            visit(T1=30, n={"N1": "PRESENT", "N2": "NE"}),
            visit(T1=30, n={"N1": "PRESENT"}),
        ],
        expected=[("SD", "NE", "SD"), ("SD", "NE", "SD")],
    ),
    Case(
        name="nt_partial lets a present one speak",
        rule="5",
        lesions={"T1": "LIVER", "N1": "LIVER", "N2": "LUNG"},
        options={"nt_partial": "NON-CR/NON-PD"},
        visits=[
            visit(T1=30, n={"N1": "PRESENT", "N2": "PRESENT"}),
            visit(T1=30, n={"N1": "PRESENT"}),
            visit(T1=30, n={"N1": "ABSENT"}),
        ],
        expected=[("SD", "NON-CR/NON-PD", "SD"), ("SD", "NE", "SD")],
    ),
    Case(
        name="no disease at baseline is NED until something new",
        rule="7",
        lesions={},
        visits=[visit(), visit(), visit([new(organ="LUNG")])],
        expected=[("NA", "NA", "NED"), ("NA", "NA", "PD")],
        outcome={"bor_unconfirmed": "NED", "pd_site": "EXTRAHEPATIC"},
    ),
    Case(
        name="non-target disease not evaluable is NE",
        rule="7 table 2",
        lesions=ONLY_N,
        visits=[visit(n={"N1": "PRESENT", "N2": "PRESENT"}), visit(n={"N1": "PRESENT"})],
        expected=[("NA", "NE", "NE")],
        outcome={"bor_unconfirmed": "NE"},
    ),
    Case(
        name="an unconfirmed CR of non-target disease leaves NON-CR/NON-PD",
        rule="8 table 3",
        lesions=ONLY_N,
        visits=[visit(n={"N1": "PRESENT", "N2": "PRESENT"}), visit(n={"N1": "ABSENT", "N2": "ABSENT"})],
        expected=[("NA", "CR", "CR")],
        outcome={"bor_unconfirmed": "CR", "bor_confirmed": "NON-CR/NON-PD"},
    ),
    Case(
        name="after the first PD each visit stands on its own entries",
        rule="settled: after PD",
        lesions=ONE,
        visits=[visit(T1=30), visit([new()], T1=30), visit(T1=30)],
        expected=[("SD", "NA", "PD"), ("SD", "NA", "SD")],
        outcome={"bor_unconfirmed": "PD"},
    ),
    # --- best overall response: section 8 ----------------------------------------
    Case(
        name="confirmation after 28 days",
        rule="8",
        lesions=ONE,
        days=(-6, 56, 84),
        visits=[visit(T1=30), visit(T1=20), visit(T1=20)],
        expected=[("PR", "NA", "PR")] * 2,
        outcome={"bor_confirmed": "PR"},
    ),
    Case(
        name="no confirmation after 27 days",
        rule="8",
        lesions=ONE,
        days=(-6, 56, 83),
        visits=[visit(T1=30), visit(T1=20), visit(T1=20)],
        expected=[("PR", "NA", "PR")] * 2,
        outcome={"bor_unconfirmed": "PR", "bor_confirmed": "SD"},
    ),
    Case(
        name="one NE between is allowed",
        rule="8",
        lesions=ONE,
        visits=[visit(T1=30), visit(T1="ABSENT"), visit(), visit(T1="ABSENT")],
        expected=[("CR", "NA", "CR"), ("NE", "NA", "NE"), ("CR", "NA", "CR")],
        outcome={"bor_confirmed": "CR"},
    ),
    Case(
        name="a PR after a CR confirms nothing",
        rule="8 table 3",
        lesions=WITH_N,
        visits=[
            visit(T1=30, n={"N1": "PRESENT"}),
            visit(T1="ABSENT", n={"N1": "ABSENT"}),
            visit(T1="ABSENT"),
            visit(T1="ABSENT"),
        ],
        expected=[("CR", "CR", "CR"), ("CR", "NE", "PR"), ("CR", "NE", "PR")],
        outcome={"bor_unconfirmed": "CR", "bor_confirmed": "SD"},
    ),
    Case(
        name="a PR is confirmed by a CR",
        rule="8 table 3",
        lesions=ONE,
        visits=[visit(T1=30), visit(T1=20), visit(T1="ABSENT")],
        expected=[("PR", "NA", "PR"), ("CR", "NA", "CR")],
        outcome={"bor_unconfirmed": "CR", "bor_confirmed": "PR"},
    ),
    Case(
        name="visits before treatment start are not counted",
        rule="8",
        lesions=ONE,
        days=(-20, -2, 30),
        visits=[visit(T1=30), visit(T1=20), visit(T1=25)],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        outcome={"bor_unconfirmed": "PD"},
    ),
    # --- dates and sites: section 9 ----------------------------------------
    Case(
        name="a sum progression is dated by the last scan of its targets",
        rule="9",
        visits=[
            visit(T1=20, T2=20),
            visit(T1=30, T2=30, dates={"T1": on(50), "T2": on(54)}),
        ],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_date": on(54), "pd_declared_date": on(56)},
    ),
    Case(
        name="a target that was not read does not date the sum",
        rule="9",
        lesions={"T1": "LIVER", "T2": "LIVER", "T3": "LUNG"},
        visits=[
            visit(T1=20, T2=20, T3=10),
            visit(T1=40, T2=40, T3="NE", dates={"T1": on(50), "T2": on(52), "T3": on(55)}),
        ],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_date": on(52)},
    ),
    Case(
        name="by option the earliest scan of the targets",
        rule="9",
        options={"target_pd_date": "earliest_target_scan"},
        visits=[
            visit(T1=20, T2=20),
            visit([new(status=EQ)], T1=30, T2=30, dates={"T1": on(50), "T2": on(54), "X1": on(49)}),
        ],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_date": on(50)},
    ),
    Case(
        name="by option the earliest scan of the visit",
        rule="9",
        options={"target_pd_date": "earliest_scan"},
        visits=[
            visit(T1=20, T2=20),
            visit([new(status=EQ)], T1=30, T2=30, dates={"T1": on(50), "T2": on(54), "X1": on(49)}),
        ],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_date": on(49)},
    ),
    Case(
        name="a compartment that grew enough is named alone",
        rule="9 attribution 1",
        lesions={"T1": "LIVER", "T2": "LUNG"},
        visits=[visit(T1=30, T2=30), visit(T1=44, T2=34)],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_site": "HEPATIC"},
    ),
    Case(
        name="a compartment of exactly 20 % and 5 mm more is named alone",
        rule="9 attribution 1",
        lesions={"T1": "LIVER", "T2": "LUNG"},
        visits=[visit(T1=25, T2=5), visit(T1=30, T2="9.9")],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_site": "HEPATIC"},
    ),
    Case(
        name="a compartment just below 20 % is not named alone",
        rule="9 attribution 2",
        lesions={"T1": "LIVER", "T2": "LUNG"},
        visits=[visit(T1="25.1", T2=5), visit(T1="30.1", T2="9.9")],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_site": "BOTH"},
    ),
    Case(
        name="a small lesion that is no node counts for its compartment",
        rule="9 attribution 1",
        lesions={"T1": "LIVER", "T2": "LUNG"},
        visits=[visit(T1=20, T2=15), visit(T1=4, T2=10), visit(T1=9, T2="10.5")],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        outcome={"pd_site": "HEPATIC"},
    ),
    Case(
        name="a node of exactly 10 mm counts for its compartment",
        rule="settled: normal nodes",
        lesions=NODE,
        visits=[visit(T1=20, T2=15), visit(T1=2, T2=4), visit(T1=2, T2=10)],
        expected=[("PR", "NA", "PR"), ("PD", "NA", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC"},
    ),
    Case(
        name="a mass goes with its larger member, whatever comes first",
        rule="4 split and merge",
        lesions={"T1": "LIVER", "T2": "LUNG"},
        visits=[visit(T1=20, T2=30), visit(T1_T2=70)],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC"},
    ),
    Case(
        name="a partial sum is attributed by the lesions that were measured",
        rule="settled: partial sum",
        lesions={"T1": "LIVER", "T2": "LIVER", "T3": "LUNG"},
        visits=[visit(T1=30, T2=20, T3=10), visit(T2=45, T3=30)],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_site": "BOTH"},
    ),
    Case(
        name="of two equivocal lesions confirmed together the one seen first dates progression",
        rule="settled: equivocal",
        visits=[
            visit(T1=20, T2=20),
            visit([new("X1", "LUNG", EQ)], T1=20, T2=20),
            visit([new("X2", "LIVER", EQ)], T1=20, T2=20),
            visit([new("X1", "LUNG"), new("X2", "LIVER")], T1=20, T2=20),
        ],
        expected=[("SD", "NA", "SD"), ("SD", "NA", "SD"), ("SD", "NA", "PD")],
        outcome={
            "pd_date": on(56),
            "pd_site": "EXTRAHEPATIC",
            "first_hepatic_pd_date": on(112),
            "bor_unconfirmed": "PD",
        },
    ),
    Case(
        name="an equivocal lesion first seen at the first PD visit does not precede it",
        rule="settled: equivocal",
        visits=[
            visit(T1=20, T2=20),
            visit([new("X1", "LUNG", EQ)], T1=30, T2=30),
            visit([new("X1", "LUNG")], T1=30, T2=30),
        ],
        expected=[("PD", "NA", "PD"), ("PD", "NA", "PD")],
        outcome={"pd_date": on(56), "pd_site": "HEPATIC", "first_extrahepatic_pd_date": on(56)},
    ),
    Case(
        name="where none grew enough, all that grew are named",
        rule="9 attribution 2",
        lesions={"T1": "LIVER", "T2": "LUNG"},
        visits=[visit(T1=15, T2=15), visit(T1=18, T2="19.9")],
        expected=[("PD", "NA", "PD")],
        outcome={"pd_site": "BOTH"},
    ),
    Case(
        name="the first dates by site go on after the first progression",
        rule="9",
        visits=[
            visit(T1=20, T2=20),
            visit([new("X1", "LUNG")], T1=20, T2=20),
            visit([new("X2", "LIVER")], T1=20, T2=20),
        ],
        expected=[("SD", "NA", "PD"), ("SD", "NA", "PD")],
        outcome={
            "pd_site": "EXTRAHEPATIC",
            "first_extrahepatic_pd_date": on(56),
            "first_hepatic_pd_date": on(112),
        },
    ),
    Case(
        name="a later confirmation moves an earlier progression back, and takes site and reasons",
        rule="settled: equivocal",
        visits=[
            visit(T1=20, T2=20),
            visit([new("X1", "LUNG", EQ)], T1=20, T2=20),
            visit(T1=30, T2=30),
            visit([new("X1", "LUNG")], T1=30, T2=30),
        ],
        expected=[("SD", "NA", "SD"), ("PD", "NA", "PD"), ("PD", "NA", "PD")],
        outcome={
            "pd_date": on(56),
            "pd_declared_date": on(112),
            "pd_site": "EXTRAHEPATIC",
            "pd_reasons": ["NEW"],
            "bor_unconfirmed": "PD",
            "first_hepatic_pd_date": on(112),
        },
    ),
    Case(
        name="confirmed with other triggers, site and reasons are the back-dated lesion's",
        rule="settled: equivocal",
        visits=[
            visit(T1=20, T2=20),
            visit([new("X1", "LUNG", EQ)], T1=20, T2=20),
            visit([new("X1", "LUNG"), new("X2", "BONE")], T1=30, T2=30),
        ],
        expected=[("SD", "NA", "SD"), ("PD", "NA", "PD")],
        outcome={"pd_date": on(56), "pd_site": "EXTRAHEPATIC", "pd_reasons": ["NEW"]},
    ),
    Case(
        name="without back-dating the visit that confirms counts, with all its triggers",
        rule="9",
        options={"backdate": False},
        visits=[
            visit(T1=20, T2=20),
            visit([new("X1", "LUNG", EQ)], T1=20, T2=20),
            visit([new("X1", "LUNG")], T1=30, T2=30),
        ],
        expected=[("SD", "NA", "SD"), ("PD", "NA", "PD")],
        outcome={"pd_date": on(112), "pd_site": "BOTH", "pd_reasons": ["NEW", "TARGET"], "bor_unconfirmed": "SD"},
    ),
    Case(
        name="an equivocal lesion that is never confirmed has no effect",
        rule="6",
        visits=[visit(T1=20, T2=20), visit([new("X1", "LIVER", EQ)], T1=20, T2=20), visit(T1=20, T2=20)],
        expected=[("SD", "NA", "SD")] * 2,
        outcome={"pd_date": None},
    ),
    # --- local treatment: section 10 ----------------------------------------
    Case(
        name="local progression after NED is a hepatic recurrence",
        rule="10 rebaseline 4",
        treated=BOTH_TREATED,
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites=CLEAN),
            visit(sites=CLEAN),
            visit(sites={"T1": "LTP", "T2": "NO_VIABLE"}),
        ],
        expected=[("NA", "NA", "REBASELINE"), ("NA", "CR", "NED"), ("NA", "PD", "PD")],
        outcome={"pd_site": "HEPATIC", "pd_subtype": "LOCAL", "pd_reasons": ["LTP"], "bor_unconfirmed": "NED"},
    ),
    Case(
        name="residual tumour is no progression and no NED",
        rule="10 rebaseline 5",
        treated=BOTH_TREATED,
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites={"T1": "RESIDUAL", "T2": "NO_VIABLE"}),
            visit(sites={"T1": "RESIDUAL", "T2": "NO_VIABLE"}),
            visit(sites=CLEAN),
        ],
        expected=[
            ("NA", "NA", "REBASELINE"),
            ("NA", "NON-CR/NON-PD", "NON-CR/NON-PD"),
            ("NA", "CR", "NED"),
        ],
    ),
    Case(
        name="a treated site that is not mentioned is NE",
        rule="settled: unmentioned",
        treated=BOTH_TREATED,
        visits=[visit(T1=25, T2=20), visit(rebaseline=True, sites=CLEAN), visit(sites={"T1": "NO_VIABLE"})],
        expected=[("NA", "NA", "REBASELINE"), ("NA", "NE", "NE")],
    ),
    Case(
        name="an absent non-target at the re-baseline does not prevent NED",
        rule="settled: NED",
        lesions={"T1": "LIVER", "N1": "LIVER"},
        treated=(("T1", "ABLATION", 2),),
        visits=[
            visit(T1=25, n={"N1": "PRESENT"}),
            visit(rebaseline=True, n={"N1": "ABSENT"}, sites={"T1": "NO_VIABLE"}),
            visit(n={"N1": "ABSENT"}, sites={"T1": "NO_VIABLE"}),
        ],
        expected=[("NA", "NA", "REBASELINE"), ("NA", "CR", "NED")],
    ),
    Case(
        name="a non-target left untreated gives CR when it goes, not NED",
        rule="settled: NED",
        lesions={"T1": "LIVER", "N1": "LIVER"},
        treated=(("T1", "ABLATION", 2),),
        visits=[
            visit(T1=25, n={"N1": "PRESENT"}),
            visit(rebaseline=True, n={"N1": "PRESENT"}, sites={"T1": "NO_VIABLE"}),
            visit(n={"N1": "ABSENT"}, sites={"T1": "NO_VIABLE"}),
        ],
        expected=[("NA", "NA", "REBASELINE"), ("NA", "CR", "CR")],
    ),
    Case(
        name="a new lesion at the re-baseline is PD",
        rule="10 rebaseline 2",
        treated=BOTH_TREATED,
        visits=[visit(T1=25, T2=20), visit([new()], rebaseline=True, sites=CLEAN)],
        expected=[("NA", "NA", "PD")],
        outcome={"pd_reasons": ["NEW"], "bor_unconfirmed": "PD"},
    ),
    Case(
        name="a new lesion that the plan treats before the next visit is none",
        rule="10 rebaseline 9",
        treated=(*BOTH_TREATED, ("X1", "ABLATION", 70)),
        visits=[
            visit(T1=25, T2=20),
            visit([new()], sites=CLEAN),
            visit(rebaseline=True, sites={**CLEAN, "X1": "NO_VIABLE"}),
            visit(sites={**CLEAN, "X1": "NO_VIABLE"}),
        ],
        expected=[("NE", "NA", "NE"), ("NA", "NA", "REBASELINE"), ("NA", "CR", "NED")],
        outcome={"pd_date": None},
    ),
    Case(
        name="a recurrence treated later is progression",
        rule="settled: planned",
        treated=(*BOTH_TREATED, ("X1", "ABLATION", 120)),
        visits=[
            visit(T1=25, T2=20),
            visit(rebaseline=True, sites=CLEAN),
            visit([new()], sites=CLEAN),
            visit(sites={**CLEAN, "X1": "NO_VIABLE"}),
        ],
        expected=[("NA", "NA", "REBASELINE"), ("NA", "CR", "PD"), ("NA", "CR", "NED")],
    ),
    Case(
        name="unequivocal growth of a non-target before the re-baseline is flagged only",
        rule="10 rebaseline 8",
        lesions={"T1": "LIVER", "N1": "LUNG"},
        treated=(("T1", "SBRT", 2),),
        visits=[visit(T1=25, n={"N1": "PRESENT"}), visit(rebaseline=True, n={"N1": "UNEQUIVOCAL"})],
        expected=[("NA", "NA", "REBASELINE")],
    ),
    Case(
        name="after the re-baseline a mass with a treated member cannot be told apart",
        rule="10 rebaseline 2",
        treated=(("T1", "ABLATION", 2),),
        visits=[
            visit(T1=30, T2=20),
            visit(T2=20, rebaseline=True, sites={"T1": "NO_VIABLE"}),
            visit(T1_T2=55, sites={"T1": "NO_VIABLE"}),
        ],
        expected=[("REBASELINE", "NA", "REBASELINE"), ("NE", "CR", "NE")],
    ),
    Case(
        name="by option growth before the re-baseline is measured from the smallest complete sum since the baseline",
        rule="10 rebaseline 8",
        options={"pd_in_treatment_phase": True},
        lesions={"T1": "LIVER", "T2": "LUNG", "T3": "LUNG"},
        treated=(("T1", "ABLATION", 230),),
        visits=[
            visit(T1=30, T2=20, T3=10),
            visit(T1=30, T2=18, T3=10),
            visit(T1=30, T2=16, T3=9),
            visit(T1=30, T2=16),
            visit(T1=30, T2=18, T3=10),
            visit(T2=20, T3=10, rebaseline=True, sites={"T1": "NO_VIABLE"}),
        ],
        expected=[
            ("SD", "NA", "SD"),
            ("SD", "NA", "SD"),
            ("NE", "NA", "NE"),
            ("SD", "NA", "SD"),
            ("REBASELINE", "NA", "PD"),
        ],
        outcome={"pd_site": "EXTRAHEPATIC", "pd_reasons": ["TARGET"]},
    ),
    Case(
        name="by option no growth of 5 mm before the re-baseline, no progression",
        rule="10 rebaseline 8",
        options={"pd_in_treatment_phase": True},
        lesions={"T1": "LIVER", "T2": "LUNG"},
        treated=(("T1", "ABLATION", 60),),
        visits=[
            visit(T1=30, T2=20),
            visit(T1=30, T2=16),
            visit(T2="20.9", rebaseline=True, sites={"T1": "NO_VIABLE"}),
        ],
        expected=[("SD", "NA", "SD"), ("REBASELINE", "NA", "REBASELINE")],
    ),
    Case(
        name="two plans, two re-baselines",
        rule="10 rebaseline 9",
        treated=(("T1", "ABLATION", 2), ("T2", "ABLATION", 60)),
        lesions={"T1": "LIVER", "T2": "LIVER"},
        visits=[
            visit(T1=30, T2=20),
            visit(T2=20, rebaseline=True, sites={"T1": "NO_VIABLE"}),
            visit(sites=CLEAN),
            visit(rebaseline=True, sites=CLEAN),
            visit(sites=CLEAN),
        ],
        expected=[
            ("REBASELINE", "NA", "REBASELINE"),
            ("NE", "NA", "NE"),
            ("NA", "NA", "REBASELINE"),
            ("NA", "CR", "NED"),
        ],
    ),
    Case(
        name="a recurrence after a first re-baseline is PD though a second plan treats it",
        rule="settled: planned",
        treated=(*BOTH_TREATED, ("X1", "ABLATION", 120)),
        visits=[
            visit(T1=30, T2=20),
            visit(rebaseline=True, sites=CLEAN),
            visit([new()], sites=CLEAN),
            visit(rebaseline=True, sites={**CLEAN, "X1": "NO_VIABLE"}),
        ],
        expected=[("NA", "NA", "REBASELINE"), ("NA", "CR", "PD"), ("NA", "NA", "REBASELINE")],
    ),
    Case(
        name="a new lesion that was treated by the re-baseline is none there",
        rule="10 rebaseline 2",
        treated=(*BOTH_TREATED, ("X1", "ABLATION", 50)),
        visits=[visit(T1=30, T2=20), visit([new()], rebaseline=True, sites=CLEAN)],
        expected=[("NA", "NA", "REBASELINE")],
    ),
    Case(
        name="a new lesion treated only after the next visit is PD",
        rule="settled: planned",
        treated=(*BOTH_TREATED, ("X1", "ABLATION", 120)),
        visits=[
            visit(T1=30, T2=20),
            visit([new()], sites=CLEAN),
            visit(sites=CLEAN),
            visit(rebaseline=True, sites={**CLEAN, "X1": "NO_VIABLE"}),
        ],
        expected=[("NE", "NA", "PD"), ("NE", "NA", "NE"), ("NA", "NA", "REBASELINE")],
    ),
    Case(
        name="a new lesion treated on the day of the next visit is PD: that scan came first",
        rule="settled: planned",
        treated=(*BOTH_TREATED, ("X1", "ABLATION", 112)),
        visits=[
            visit(T1=30, T2=20),
            visit([new()], sites=CLEAN),
            visit(sites=CLEAN),
            visit(rebaseline=True, sites={**CLEAN, "X1": "NO_VIABLE"}),
        ],
        expected=[("NE", "NA", "PD"), ("NE", "NA", "NE"), ("NA", "NA", "REBASELINE")],
    ),
    Case(
        name="without a re-baseline visit no plan is known to treat a new lesion",
        rule="settled: planned",
        treated=(("X1", "ABLATION", 70),),
        visits=[visit(T1=30, T2=20), visit([new()], T1=30, T2=20), visit()],
        expected=[("SD", "NA", "PD"), ("NE", "NA", "NE")],
    ),
    Case(
        name="treated and never re-baselined is not evaluable, whatever grows",
        rule="10 rebaseline 2",
        treated=(("T1", "ABLATION", 2),),
        visits=[visit(T1=30, T2=20), visit(T2=80)],
        expected=[("NE", "NA", "NE")],
    ),
    Case(
        name="a session on the day of the re-baseline is behind it",
        rule="settled: planned",
        treated=(("T1", "ABLATION", 2), ("T2", "ABLATION", 56)),
        visits=[visit(T1=30, T2=20), visit(rebaseline=True, sites=CLEAN), visit(sites=CLEAN)],
        expected=[("NA", "NA", "REBASELINE"), ("NA", "CR", "NED")],
    ),
    Case(
        name="a session on the day of the baseline comes after that scan",
        rule="10",
        lesions=ONE,
        treated=(("T1", "ABLATION", -6),),
        visits=[visit(T1=30), visit(), visit(rebaseline=True, sites={"T1": "NO_VIABLE"})],
        expected=[("NE", "NA", "NE"), ("NA", "NA", "REBASELINE")],
    ),
    Case(
        name="a session before the baseline is history",
        rule="10",
        lesions=ONE,
        treated=(("T1", "ABLATION", -7),),
        visits=[visit(T1=30), visit(T1=20)],
        expected=[("PR", "NA", "PR")],
    ),
    Case(
        name="as_measured: what is resected later is measured before",
        rule="10 as_measured",
        options={"local_mode": "as_measured"},
        treated=(("T1", "RESECTION", 56), ("T2", "ABLATION", 2)),
        visits=[visit(T1=30, T2=20), visit(T2=20), visit(T2=20), visit()],
        expected=[("NE", "NA", "NE"), ("PR", "NA", "PR"), ("NE", "NA", "NE")],
    ),
    Case(
        name="strict_ne: a visit on the day of the session comes before it",
        rule="10 strict_ne",
        lesions=ONE,
        options={"local_mode": "strict_ne"},
        treated=(("T1", "ABLATION", 56),),
        visits=[visit(T1=30), visit(T1=30), visit(T1=30)],
        expected=[("SD", "NA", "SD"), ("NE", "NA", "NE")],
    ),
    Case(
        name="a target treated after the re-baseline is lost from then on",
        rule="10, EORTC",
        treated=(("T1", "ABLATION", 2), ("T2", "ABLATION", 112)),
        visits=[
            visit(T1=30, T2=20),
            visit(T2=20, rebaseline=True, sites={"T1": "NO_VIABLE"}),
            visit(T2=20, sites={"T1": "NO_VIABLE"}),
            visit(T2=20, sites={"T1": "NO_VIABLE"}),
        ],
        expected=[("REBASELINE", "NA", "REBASELINE"), ("SD", "CR", "SD"), ("NE", "CR", "NE")],
    ),
    Case(
        name="strict_ne: a site that is read is a treated one",
        rule="10 strict_ne",
        options={"local_mode": "strict_ne"},
        visits=[visit(T1=30, T2=20), visit(T1=30, T2=20, sites={"T1": "RESIDUAL"}), visit(T1=30, T2=20)],
        expected=[("NE", "NA", "NE"), ("NE", "NA", "NE")],
    ),
    Case(
        name="strict_ne: a treated lesion is NE throughout",
        rule="10 strict_ne",
        options={"local_mode": "strict_ne"},
        treated=(("T1", "ABLATION", 2),),
        visits=[
            visit(T1=25, T2=20),
            visit(T1=40, T2=20, rebaseline=True, sites={"T1": "NO_VIABLE"}),
            visit(T1=40, T2=20, sites={"T1": "NO_VIABLE"}),
        ],
        expected=[("NE", "NA", "NE"), ("NE", "NA", "NE")],
        outcome={"bor_unconfirmed": "NE"},
    ),
    Case(
        name="strict_ne: local progression is PD, the non-target column stays",
        rule="settled: LTP",
        options={"local_mode": "strict_ne"},
        lesions={"T1": "LIVER", "T2": "LIVER", "N1": "LUNG"},
        treated=(("T1", "ABLATION", 2),),
        visits=[
            visit(T1=25, T2=20, n={"N1": "PRESENT"}),
            visit(T2=20, n={"N1": "PRESENT"}, sites={"T1": "LTP"}),
        ],
        expected=[("NE", "NON-CR/NON-PD", "PD")],
        outcome={"pd_reasons": ["LTP"], "pd_site": "HEPATIC", "pd_subtype": "LOCAL"},
    ),
    Case(
        name="as_measured: a resected target counts 0 without being mentioned",
        rule="10 as_measured",
        options={"local_mode": "as_measured"},
        treated=(("T1", "RESECTION", 2),),
        visits=[visit(T1=25, T2=20), visit(T2=20)],
        expected=[("PR", "NA", "PR")],
    ),
    Case(
        name="a visit on the day of the session comes before it",
        rule="10",
        lesions=ONE,
        treated=(("T1", "ABLATION", 56),),
        visits=[visit(T1=25), visit(T1=25), visit(rebaseline=True, sites={"T1": "NO_VIABLE"})],
        expected=[("SD", "NA", "SD"), ("NA", "NA", "REBASELINE")],
    ),
    Case(
        name="local progression of a treated lung lesion is extrahepatic",
        rule="9",
        lesions={"T1": "LUNG"},
        treated=(("T1", "SBRT", 2),),
        visits=[visit(T1=25), visit(rebaseline=True, sites={"T1": "NO_VIABLE"}), visit(sites={"T1": "LTP"})],
        expected=[("NA", "NA", "REBASELINE"), ("NA", "PD", "PD")],
        outcome={"pd_site": "EXTRAHEPATIC", "pd_subtype": None},
    ),
)


def by_name(name: str) -> Case:
    """Return a case."""
    return next(case for case in CASES if case.name == name)
