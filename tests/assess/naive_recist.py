"""A second, deliberately naive reading of the rule book, to hold the engine against: no class, no state, no reuse.

It takes a case in the form of a case file without local treatment, looks at every earlier visit anew each time, and
counts in fractions. It shares no code with ``lesiontrack.assess``; where the two differ, one of them misread the rules.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any

Case = dict[str, Any]
Point = dict[str, Any]


def option(case: Case, name: str, default: Any) -> Any:
    """Return an option of the case, else the rule book's default."""
    return case["options"].get(name, default)


def ids(case: Case, role: str) -> list[str]:
    """Return the lesions of a role."""
    return [x["id"] for x in case["lesions"] if x["role"] == role]


def length_mm(value: Point) -> Fraction | None:
    """Section 1: what a value contributes."""
    if "mm" in value:
        return Fraction(str(value["mm"]))
    if "parts" in value:
        return sum((Fraction(str(x)) for x in value["parts"]), Fraction(0))
    return {"ABSENT": Fraction(0), "TSTM": Fraction(5), "NE": None}[value["state"]]


def masses(case: Case, point: Point) -> dict[tuple[str, ...], Fraction]:
    """Return the lengths read at a visit, each with the targets that it covers."""
    read = {tuple(key.split("/")): length_mm(value) for key, value in point.get("targets", {}).items()}
    return {key: value for key, value in read.items() if value is not None}


def missing(case: Case, point: Point) -> bool:
    """Tell whether a target has no value."""
    covered = {name for key in masses(case, point) for name in key}
    return any(name not in covered for name in ids(case, "TARGET"))


def total_mm(case: Case, point: Point) -> Fraction:
    """Return the known part of the sum."""
    return sum(masses(case, point).values(), Fraction(0))


def seen(case: Case, point: Point) -> list[str]:
    """Return targets that are disease: above 0, nodes from 10 mm on; a mass is a node when all its members are."""
    nodes = {x["id"] for x in case["lesions"] if x["node"]}
    return [
        name
        for key, mm in masses(case, point).items()
        for name in key
        if (mm >= 10 if nodes.issuperset(key) else mm > 0)
    ]


def grew(now_mm: Fraction, before_mm: Fraction) -> bool:
    """Section 4: 20 % and 5 mm."""
    return now_mm - before_mm >= 5 and 100 * now_mm >= 120 * before_mm


def target(case: Case, t: int) -> str:
    """Section 4: the table of conditions, top down."""
    points = case["timepoints"]
    if not ids(case, "TARGET"):
        return "NA"
    if missing(case, points[0]):
        return "NE"
    baseline = total_mm(case, points[0])
    nadir = min(total_mm(case, p) for p in points[:t] if not missing(case, p))
    now = total_mm(case, points[t])
    if missing(case, points[t]):
        return "PD" if option(case, "partial_pd", True) and grew(now, nadir) else "NE"
    if not seen(case, points[t]):
        return "CR"
    if grew(now, nadir):
        return "PD"
    earlier = [target(case, s) for s in range(1, t)]
    if option(case, "reappear_after_cr", "overall_cr") == "target_cr" and "CR" in earlier:
        return "PD"
    if 100 * now <= 70 * baseline:
        return "PR"
    last_pd = max((s for s in range(1, t) if overall(case, s) == "PD"), default=0)
    if option(case, "sticky_pr", False) and any(x in ("CR", "PR") for x in earlier[last_pd:]):
        return "PR"
    return "SD"


def nontarget(case: Case, t: int) -> str:
    """Section 5."""
    said = [case["timepoints"][t].get("nontargets", {}).get(name, "NE") for name in ids(case, "NON-TARGET")]
    if not said:
        return "NA"
    if "UNEQUIVOCAL" in said:
        return "PD"
    if all(x == "ABSENT" for x in said):
        return "CR"
    if "NE" in said and not (option(case, "nt_partial", "NE") != "NE" and "PRESENT" in said):
        return "NE"
    return "NON-CR/NON-PD"


def new(point: Point) -> list[Point]:
    """Return the unequivocal new lesions of a visit."""
    return [x for x in point.get("new", []) if x["status"] == "UNEQUIVOCAL"]


def seen_again(case: Case, t: int) -> list[str]:
    """Section 7: what is visible after an earlier overall CR (NED where there was no disease at all)."""
    if not any(overall(case, s) in ("CR", "NED") for s in range(1, t)):
        return []
    said = case["timepoints"][t].get("nontargets", {})
    return [*seen(case, case["timepoints"][t]), *(x for x in ids(case, "NON-TARGET") if said.get(x) == "PRESENT")]


def overall(case: Case, t: int) -> str:
    """Section 7: Tables 1 and 2, first match."""
    left, middle = target(case, t), nontarget(case, t)
    if left == "PD" or middle == "PD" or new(case["timepoints"][t]) or seen_again(case, t):
        return "PD"
    if not case["lesions"]:
        return "NED"
    if left == "NA":
        return middle
    if left == "CR":
        return "CR" if middle in ("CR", "NA") else "PR"
    return left


def hepatic(organ: str) -> bool:
    """Section 9: only the liver."""
    return organ == "LIVER"


def sum_sites(case: Case, t: int) -> set[bool]:
    """Section 9: compartments (True: hepatic) of a sum progression, without masses across compartments."""
    points = case["timepoints"]
    complete = [s for s in range(t) if not missing(case, points[s])]
    at = min(complete, key=lambda s: (total_mm(case, points[s]), s))
    organ = {x["id"]: x["organ"] for x in case["lesions"]}
    nodes = {x["id"] for x in case["lesions"] if x["node"]}
    now = {k: mm for k, mm in masses(case, points[t]).items() if not (nodes.issuperset(k) and mm < 10)}
    measured = {name for key in now for name in key}
    some, enough = set(), set()
    for side in (True, False):
        after = sum((mm for k, mm in now.items() if hepatic(organ[k[0]]) == side), Fraction(0))
        before = sum(
            (
                mm
                for k, mm in masses(case, points[at]).items()
                if hepatic(organ[k[0]]) == side and measured.intersection(k)
            ),
            Fraction(0),
        )
        if after > before:
            some.add(side)
        if grew(after, before):
            enough.add(side)
    return enough or some


def causes(case: Case, t: int) -> list[tuple[str, int, set[bool]]]:
    """Return the triggers of a visit: kind, the visit that dates it, its compartments."""
    points = case["timepoints"]
    organ = {x["id"]: x["organ"] for x in case["lesions"]}
    found: list[tuple[str, int, set[bool]]] = []
    for lesion in new(points[t]):
        first = min(s for s in range(t + 1) if any(x["id"] == lesion["id"] for x in points[s].get("new", [])))
        at = first if option(case, "backdate", True) else t
        found.append(("NEW", at, {hepatic(lesion["organ"])}))
    said = points[t].get("nontargets", {})
    found += [("NON-TARGET", t, {hepatic(organ[x])}) for x, status in said.items() if status == "UNEQUIVOCAL"]
    if target(case, t) == "PD":
        found.append(("TARGET", t, sum_sites(case, t)))
    return found or [("REAPPEARANCE", t, {hepatic(organ[x])}) for x in seen_again(case, t)]


def progression(case: Case) -> dict[str, Any]:
    """Section 9 and settled points: date, site, reasons, first dates by compartment."""
    points = case["timepoints"]
    visits = [t for t in range(1, len(points)) if overall(case, t) == "PD"]
    everything = [(t, *cause) for t in visits for cause in causes(case, t)]
    first_dates = {
        side: min((points[at]["date"] for _, _, at, sites in everything if side in sites), default=None)
        for side in (True, False)
    }
    outcome: dict[str, Any] = {
        "pd_date": None,
        "pd_declared_date": None,
        "pd_site": None,
        "pd_reasons": [],
        "first_hepatic_pd_date": first_dates[True],
        "first_extrahepatic_pd_date": first_dates[False],
    }
    if not visits:
        return outcome
    declared = visits[0]
    at = min([declared, *(x[2] for x in everything)])
    deciding = [x for x in everything if x[2] == at and (at < declared or x[0] == declared)]
    sites = set().union(*(x[3] for x in deciding))
    site = "BOTH" if len(sites) == 2 else {True: "HEPATIC", False: "EXTRAHEPATIC"}[sites.pop()] if sites else None
    return outcome | {
        "pd_date": points[at]["date"],
        "pd_declared_date": points[declared]["date"],
        "pd_site": site,
        "pd_reasons": sorted({x[1] for x in deciding}),
    }


def counted(case: Case) -> list[tuple[int, str]]:
    """Section 8: day from treatment start and response of the visits that count."""
    points = case["timepoints"]
    start = dt.date.fromisoformat(case["treatment_start"])
    moved = progression(case)["pd_date"]
    found = []
    for t in range(1, len(points)):
        day = (dt.date.fromisoformat(points[t]["date"]) - start).days
        said = "PD" if points[t]["date"] == moved else overall(case, t)
        if day >= 0:
            found.append((day, said))
            if said == "PD":
                break
    return found


def best(case: Case, *, confirmed: bool) -> str:
    """Section 8 with Table 3."""
    said = counted(case)
    has_targets = bool(ids(case, "TARGET"))
    late = {x for day, x in said if day >= 42}
    responses = {x for _, x in said}
    if not confirmed:
        order = ["CR", "PR", "NED", "SD", "NON-CR/NON-PD", "PD"]
        able = [x for x in order if x in (late if x in ("SD", "NON-CR/NON-PD") else responses)]
        return able[0] if able else "NE"
    pairs = [(i, j) for i in range(len(said)) for j in range(i + 1, len(said)) if said[j][0] - said[i][0] >= 28]
    for wanted, confirming in (("CR", {"CR"}), ("PR", {"CR", "PR"})):
        for i, j in pairs:
            between = [x for _, x in said[i + 1 : j]]
            if said[i][1] != wanted or said[j][1] not in confirming:
                continue
            allowed = set(between) <= confirming | {"NE"} and between.count("NE") <= 1
            path = [x for _, x in said[: j + 1]]
            pr_after_cr = any(x == "PR" and "CR" in path[:k] for k, x in enumerate(path) if k > i)
            if allowed and not (wanted == "PR" and pr_after_cr):
                return wanted
    if "NED" in responses:
        return "NED"
    if has_targets and late & {"CR", "PR", "SD"}:
        return "SD"
    if late & {"NON-CR/NON-PD", "CR"}:
        return "NON-CR/NON-PD"
    return "PD" if "PD" in responses else "NE"
