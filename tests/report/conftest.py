"""A small result folder made by hand: every table row written out, so that a page can be held against it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lesiontrack.domain.view import View, ViewKind
from lesiontrack.io.store import write_json, write_subject, write_table, write_text
from lesiontrack.tables import COHORT_TABLES, empty, frame

Row = dict[str, Any]
Tables = dict[str, list[Row]]

START = dt.date(2020, 1, 6)
# Visit -> days from the first; the study baseline is visit 1.
VISITS = {0: 0, 1: 84, 2: 154, 3: 210, 4: 266, 5: 322}
RATES = {"estimate": 0.4123, "ci": [0.301, 0.512], "time": 1826, "at_risk": 12, "se": 0.05, "ci_method": "log-log"}


def day(timepoint: int) -> dt.date:
    """Return the date of a visit."""
    return START + dt.timedelta(days=VISITS[timepoint])


def length_mm(number: int, timepoint: int) -> Decimal:
    """Return the longest diameter of a lesion: each shrinks to visit 2 and grows after."""
    base = Decimal(12) + Decimal(number)
    factor = (Decimal("1"), Decimal("0.8"), Decimal("0.7"), Decimal("0.75"), Decimal("0.8"), Decimal("1.1"))[timepoint]
    return (base * factor).quantize(Decimal("0.1"))


def _outline(row: float, column: float, radius: float) -> NDArray[np.float64]:
    angle = np.linspace(0.0, 2.0 * np.pi, 40)
    return np.stack([row + radius * np.sin(angle), column + radius * np.cos(angle)], axis=1)


def _pixels(shape: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0.0, 12.0, shape)
    j, i = np.indices(shape)
    body = np.hypot((j - shape[0] / 2) / (shape[0] * 0.38), (i - shape[1] / 2) / (shape[1] * 0.46)) < 1
    return np.clip(np.where(body, 120.0, 8.0) + noise, 0, 255).astype(np.uint8)


def place(number: int) -> tuple[float, float, float]:
    """Return the centroid of a lesion, LPS mm."""
    return (-90.0 + 26.0 * (number % 6), -60.0 + 28.0 * (number // 6), 40.0 + 12.0 * (number % 3))


def case_views(lesions: list[Row], missing: list[Row]) -> list[View]:
    """Return a view of each lesion and place, and three whole slices for each visit."""
    views = []
    for n, row in enumerate(lesions):
        half = float(row["longest_diameter_mm"]) / 2 / 0.7
        views.append(
            View(
                timepoint=row["timepoint"],
                series_uid=row["series_uid"],
                kind=ViewKind.LESION,
                lesion_id=row["lesion_id"],
                centre_lps_mm=(row["x_lps_mm"], row["y_lps_mm"], row["z_lps_mm"]),
                pixels=_pixels((100, 100), n),
                pixel_mm=0.7,
                contours=((row["lesion_id"], _outline(49.5, 49.5, half)), (-1, _outline(20.0, 20.0, 9.0))),
                diameter_px=np.array([[49.5, 49.5 - half], [49.5, 49.5 + half]]),
                short_axis_px=np.array([[49.5 - half / 2, 49.5], [49.5 + half / 2, 49.5]]),
                slice_index=30,
            )
        )
    for n, row in enumerate(missing):
        views.append(
            View(
                timepoint=row["timepoint"],
                series_uid=row["series_uid"],
                kind=ViewKind.PLACE,
                lesion_id=None,
                centre_lps_mm=(row["x_lps_mm"] + 1.0, row["y_lps_mm"] - 2.0, row["z_lps_mm"]),
                pixels=_pixels((100, 100), 1000 + n),
                pixel_mm=0.7,
            )
        )
    for timepoint in sorted({row["timepoint"] for row in lesions}):
        for k in range(3):
            here = [row for row in lesions if row["timepoint"] == timepoint and row["lesion_id"] % 3 == k]
            contours = tuple(
                (
                    row["lesion_id"],
                    _outline(
                        119.5 + row["y_lps_mm"] / 1.25,
                        159.5 + row["x_lps_mm"] / 1.25,
                        float(row["longest_diameter_mm"]) / 2.5,
                    ),
                )
                for row in here
            )
            views.append(
                View(
                    timepoint=timepoint,
                    series_uid=f"1.2.{timepoint}",
                    kind=ViewKind.SLICE,
                    lesion_id=None,
                    centre_lps_mm=(0.0, 0.0, 40.0 + 12.0 * k),
                    pixels=_pixels((240, 320), 2000 + timepoint * 10 + k),
                    pixel_mm=1.25,
                    contours=contours,
                    slice_index=20 + 4 * k,
                )
            )
    return views


def full_case(subject_id: str, *, arm: str = "LOCAL", lesions: int = 16) -> tuple[Tables, list[View]]:
    """Return the tables and views of a subject with six visits, PD at visit 5 by sum and by a new lesion."""
    tables: Tables = {name: [] for name in COHORT_TABLES if name != "events"}
    for timepoint in VISITS:
        phase = "INDUCTION" if timepoint == 0 else "BOTH" if timepoint == 1 else "STUDY"
        tables["timepoints"].append(
            {
                "timepoint": timepoint,
                "date": day(timepoint),
                "phase": phase,
                "n_hepatic": lesions - 1,
                "n_extrahepatic": 1,
                "regions_assessed": ["LIVER", "LUNG"],
                "usable": True,
            }
        )
        tables["scans"].append(
            {
                "timepoint": timepoint,
                "series_uid": f"1.2.{timepoint}",
                "date": day(timepoint),
                "modality": "CT",
                "phase_of_contrast": "portal venous",
                "slice_thickness_mm": 2.5,
                "measured": True,
                "usable": True,
            }
        )
    for number in range(1, lesions + 1):
        _track(tables, number, lesions)
    tables["responses"] = [row for rules in ("recist11-local", "recist11") for row in _responses(rules)]
    tables["subjects"] = [_subject(arm)]
    tables["queries"] = [
        {
            "phase": "STUDY",
            "timepoint": 4,
            "severity": "QUERY",
            "code": "LOOK",
            "lesions": ["L03"],
            "text": "look at L03",
        }
    ]
    tables["robustness"] = [
        {
            "phase": "STUDY",
            "n_choices": 45,
            "pd_date_min": day(4),
            "pd_date_max": day(5),
            "overall_agreement": 0.875,
            "response_depends_on_choice": True,
            "rules": "recist11-local",
            "n_admissible": 45,
            "sampled": False,
            "n_pd": 40,
            "bor_counts": {"SD": 40, "PR": 5},
        }
    ]
    views = case_views(tables["lesions"], tables["missing"])
    for rows in tables.values():
        for row in rows:
            row["subject_id"] = subject_id
    return tables, views


def _track(tables: Tables, number: int, lesions: int) -> None:
    name, new, gone = f"L{number:02d}", number == lesions, number == 3
    node = number == 2
    x, y, z = place(number)
    first = 5 if new else 0
    tables["tracks"].append(
        {
            "track_id": name,
            "tracking_uid": f"2.25.{number}",
            "site": "LYMPH_NODE" if node else "LIVER",
            "compartment": "EXTRAHEPATIC" if node else "HEPATIC",
            "first_timepoint": first,
            "last_seen_timepoint": 3 if gone else 5,
            "fate": "ABLATED" if gone else "PERSISTS",
            "needs_review": gone or new,
            "reasons": ["not seen at visit 4"] if gone else [],
            "treated_date": day(3) + dt.timedelta(days=20) if gone else None,
        }
    )
    for phase in ("INDUCTION", "STUDY"):
        role = "NEW" if new else "TARGET" if number in (14, 15) else "NON_TARGET"
        if not new or phase == "STUDY":
            tables["roles"].append({"phase": phase, "track_id": name, "role": role, "measurable": True})
    for timepoint in VISITS:
        common = {"timepoint": timepoint, "series_uid": f"1.2.{timepoint}"}
        if timepoint < first:
            continue
        if gone and timepoint > 3:
            tables["missing"].append(
                {
                    **common,
                    "track_id": name,
                    "x_lps_mm": x,
                    "y_lps_mm": y,
                    "z_lps_mm": z,
                    "state": "TREATED",
                    "since_timepoint": 4,
                    "trusted": True,
                }
            )
            continue
        longest = length_mm(number, timepoint)
        tables["lesions"].append(
            {
                **common,
                "date": day(timepoint),
                "lesion_id": number,
                "track_id": name,
                "site": "LYMPH_NODE" if node else "LIVER",
                "compartment": "EXTRAHEPATIC" if node else "HEPATIC",
                "x_lps_mm": x,
                "y_lps_mm": y,
                "z_lps_mm": z,
                "longest_diameter_mm": longest,
                "short_axis_mm": (longest * Decimal("0.7")).quantize(Decimal("0.1")),
                "volume_mm3": float(longest) ** 3 / 2,
                "measurable": True,
                "status": "PRESENT",
                "sop_instance_uid": f"1.2.{timepoint}.{number}",
                "certainty": "CERTAIN",
            }
        )
        if timepoint > first:
            tables["links"].append(
                {
                    "timepoint_from": timepoint - 1,
                    "lesion_from": number,
                    "timepoint_to": timepoint,
                    "lesion_to": number,
                    "kind": "SAME",
                    "distance_mm": 1.2,
                    "confidence": 0.97,
                    "author": "machine",
                }
            )


def _sum(timepoint: int) -> Decimal:
    return length_mm(14, timepoint) + length_mm(15, timepoint)


def _responses(rules: str) -> list[Row]:
    rows = []
    overall = {2: "SD", 3: "SD", 4: "SD" if rules == "recist11-local" else "NE", 5: "PD"}
    for timepoint in range(2, 6):
        nadir = min(_sum(t) for t in range(1, timepoint))
        rows.append(_response("STUDY", rules, timepoint, overall[timepoint], (_sum(timepoint), _sum(1), nadir)))
    rows.append(_response("INDUCTION", rules, 1, "SD", (_sum(1), _sum(0), _sum(0))))
    return rows


def _response(phase: str, rules: str, timepoint: int, overall: str, sums: tuple[Decimal, Decimal, Decimal]) -> Row:
    date = day(timepoint)
    triggers = [
        {"kind": kind, "timepoint": timepoint, "date": date, "compartments": ["HEPATIC"], "lesions": names}
        for kind, names in (("NEW", ["L16"]), ("TARGET", ["L14", "L15"]))
    ]
    sentence = f"{overall}: the sum is {sums[0]} mm [L14, L15] (RECIST 1.1, 4.3.1)."
    return {
        "phase": phase,
        "rules": rules,
        "reader": "machine",
        "timepoint": timepoint,
        "date": date,
        "sum_mm": sums[0],
        "baseline_sum_mm": sums[1],
        "nadir_sum_mm": sums[2],
        "target": overall if overall != "NE" else "SD",
        "non_target": "NON-CR/NON-PD",
        "new_lesion": "YES" if overall == "PD" else "NO",
        "overall": overall,
        "provisional": True,
        "reasons": [{"rule": "target.x", "section": "4.3.1", "outcome": overall, "lesions": [], "sentence": sentence}],
        "triggers": triggers if overall == "PD" else [],
        "site_status": {"L03": "NO_VIABLE"} if timepoint > 3 else {},
        "post_pd": False,
        "rebaseline": False,
        "treatment_phase": False,
    }


def _subject(arm: str) -> Row:
    return {
        "arm": arm,
        "diagnosis_date": dt.date(2019, 12, 2),
        "enrolment_date": dt.date(2020, 3, 20),
        "treatment_start_date": dt.date(2020, 4, 1),
        "last_alive_date": dt.date(2021, 3, 1),
        "count_hepatic": 14,
        "count_low": 12,
        "count_high": 15,
        "count_eligible": "YES",
        "induction_response": "SD",
        "disease_control": "YES",
        "eligible": "YES",
        "bor_unconfirmed": "SD",
        "bor_confirmed": "SD",
        "disease_control_study": "YES",
        "pd_date": day(5),
        "pd_declared_date": day(5),
        "pd_site": "HEPATIC",
        "pd_subtype": "INTRAHEPATIC_NEW+GROWTH",
        "pd_reasons": ["NEW", "TARGET"],
        "first_hepatic_pd_date": day(5),
        "provisional": True,
        "count_deciding": ["L05"],
        "flags": ["the first scan is before induction"],
    }


def summary() -> dict[str, Any]:
    """Return a statistics document of two arms in the contract's form."""

    def survival(n: int, median: float | None) -> dict[str, Any]:
        group: dict[str, Any] = {"n": n, "events": n // 2, "competing": 0, "median": median, "median_ci": [301.0, None]}
        group |= {"followup_median": 1700.0, "rates": [RATES], "rates_competing": []}
        return group if median is not None else group | {"median_note": "not reached", "median_ci": [None, None]}

    competing = {"n": 40, "events": 12, "competing": 3, "rates": [RATES], "rates_competing": [], "followup_median": 900}
    compared = {
        "log_rank": {"statistic": 7.1, "df": 1, "p": 0.0077},
        "cox": {"reference": "CHEMO", "groups": {"LOCAL": {"hr": 0.67, "ci": [0.45, 0.99], "p": 0.04}}},
    }
    gray = {"gray": {"event": {"statistic": 3.2, "df": 1, "p": 0.0712}}}
    return {
        "endpoints": {
            "OS": {
                "dropped": {"n": 1, "why": {"no diagnosis date": 1}},
                "groups": {"CHEMO": survival(40, 1500.0), "LOCAL": survival(38, None)},
                "comparisons": compared,
            },
            "PFS_EMA": {"dropped": {"n": 0, "why": {}}, "groups": {"CHEMO": survival(9, 210.5)}, "comparisons": {}},
            "EXTRAHEPATIC_PD": {
                "dropped": {"n": 0, "why": {}},
                "groups": {"CHEMO": survival(8, None)},
                "comparisons": {},
            },
            "HEPATIC_PD": {"dropped": {"n": 0, "why": {}}, "groups": {"CHEMO": competing}, "comparisons": gray},
        }
    }


CURVE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 200"><rect width="400" height="200" fill="#fff"/></svg>'
)


@pytest.fixture(scope="session")
def make_result() -> Callable[..., Path]:
    """Return what writes a result folder from tables and views by subject."""

    def make(
        out: Path,
        cases: Mapping[str, tuple[Tables, list[View]]],
        *,
        extra: Mapping[str, list[Row]] | None = None,
        statistics: dict[str, Any] | None = None,
        settings: str = "",
    ) -> Path:
        joined: Tables = {name: list((extra or {}).get(name, ())) for name in COHORT_TABLES}
        for subject_id, (tables, views) in cases.items():
            for name, rows in tables.items():
                joined[name].extend(rows)
            own = {name: frame(name, rows) if rows else empty(name) for name, rows in tables.items()}
            write_subject(
                out, subject_id, frames=own, label_maps={}, registrations=(), views=views, provenance={"key": "x"}
            )
        for name, rows in joined.items():
            write_table(out / "cohort", name, frame(name, rows))
        write_json(out / "run.json", {"version": "9.9", "inputs": {"study": "trial", "files": 12, "refused": 1}})
        if statistics is not None:
            write_json(out / "endpoints" / "summary.json", statistics)
            write_text(out / "endpoints" / "OS_km.svg", CURVE)
        if settings:
            write_text(out / "settings.toml", settings)
        return out

    return make


@pytest.fixture(scope="session")
def full() -> Callable[..., tuple[Tables, list[View]]]:
    """Return what makes a subject with six visits."""
    return full_case


@pytest.fixture(scope="session")
def statistics() -> dict[str, Any]:
    """Return a statistics document."""
    return summary()


# --- reading a page --------------------------------------------------------------------------------------------------

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """A page taken apart: names and addresses in it, the cells of each table, all text; unbalanced tags are noted.

    Attributes
    ----------
    rows
        The texts of the cells of every table row, by the id of the row (or of its section) where it has one.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.scripts = 0
        self.text = ""
        self.rows: list[tuple[str, list[str]]] = []
        self.feed(text)
        self.close()
        self.faults += [f"never closed: {tag}" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag's names and addresses."""
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found.get("href", ""))
        self.sources += [found[name] for name in ("src", "href") if name in found and tag != "a"]
        self.faults += [f"handler {name}" for name in found if name.startswith("on")]
        self.scripts += tag == "script"
        if tag == "tr":
            self.rows.append((found.get("id", ""), []))
        if tag in ("td", "th") and self.rows:
            self.rows[-1][1].append("")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an empty element's addresses."""
        found = {name: value or "" for name, value in attrs}
        self.sources += [found[name] for name in ("src", "href") if name in found]

    def handle_endtag(self, tag: str) -> None:
        """Check that the element that ends is the one that is open."""
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"closes {tag}")

    def handle_data(self, data: str) -> None:
        """Collect text, in the table cell where there is one open."""
        if self.open and self.open[-1] in ("script", "style"):
            return
        self.text += data
        if ("td" in self.open or "th" in self.open) and self.rows and self.rows[-1][1]:
            self.rows[-1][1][-1] += data

    def cells(self, first: str) -> list[list[str]]:
        """Return the rows whose first cell is this text."""
        rows = [[" ".join(cell.split()) for cell in row] for _, row in self.rows]
        return [row for row in rows if row and row[0] == first]

    def row(self, anchor: str) -> list[str]:
        """Return the row with this id."""
        return next([" ".join(cell.split()) for cell in row] for name, row in self.rows if name == anchor)


@pytest.fixture(scope="session")
def parse() -> Callable[[Path], Page]:
    """Return what takes a page apart."""
    return lambda path: Page(path.read_text(encoding="utf-8"))
