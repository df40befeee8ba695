"""Everything that one subject's page says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from lesiontrack.domain.view import View
from lesiontrack.report import words
from lesiontrack.report.chart import sum_chart
from lesiontrack.report.decisions import decision_lines, left_to_review, net_changes, traces
from lesiontrack.report.judged import Course, banner, courses, linked, track_anchor, treated_sites, visit_anchor
from lesiontrack.report.matrix import Album, matrix
from lesiontrack.report.slices import slice_rows
from lesiontrack.report.source import Case, Row, what_happened
from lesiontrack.report.timeline import timeline
from lesiontrack.settings import Settings

__all__ = ["EndpointLine", "Fact", "case_page"]

_STATUS = {0: "censored", 1: "event", 2: "competing event"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A named value of the subject; ``href`` leads to its evidence, ``note`` is what must be known with it."""

    name: str
    value: str
    href: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLine:
    """One endpoint of the subject, with the rule and the evidence of its date."""

    row: Row
    status: str
    days: str
    months: str
    interval: str
    href: str
    evidence: Markup
    trace: tuple[Markup, ...]


def case_page(case: Case, views: Sequence[View], settings: Settings) -> dict[str, Any]:
    """Return what the template of a subject's page is given."""
    found = courses(case, settings)
    album = Album(case, views)
    rows = matrix(case, album, treated_sites(found))
    charts = [sum_chart(case, course, settings) for course in found if course.primary]
    return {
        "case": case,
        "subject": case.subject,
        "banner": banner(case, found),
        "facts": _facts(case, found, settings),
        "timeline": timeline(case, found),
        "charts": [chart for chart in charts if chart is not None],
        "phases": [(phase, [c for c in found if c.phase == phase]) for phase in dict.fromkeys(c.phase for c in found)],
        "robustness": {
            row["phase"]: _robustness(row)
            for row in case.rows("robustness")
            if row["rules"] in (None, settings.events.primary_rules)
        },
        "visits": case.rows("timepoints"),
        "matrix": rows,
        "has_pictures": any(cell.pictures for row in rows for cell in row.cells),
        "slices": slice_rows(case, album),
        "endpoints": [
            _endpoint(case, found, row, lines) for row, lines in zip(case.rows("events"), traces(case), strict=True)
        ],
        "decisions": decision_lines(case),
        "changes": net_changes(case),
        "left": left_to_review(case),
        "queries": _queries(case),
        "failures": case.rows("failures"),
        "scans": case.rows("scans"),
        "registrations": case.rows("registrations"),
        "exploratory": case.rows("exploratory"),
        "link_text": lambda text: linked(case, text),
        "what": what_happened,
        "words": words,
        "visit_anchor": visit_anchor,
    }


def _queries(case: Case) -> list[tuple[Row, Markup, int]]:
    """Return each query with its text linked and how often it is stored: the same one is shown once."""
    seen: dict[tuple[Any, ...], tuple[Row, int]] = {}
    for row in case.rows("queries"):
        key = (row["severity"], row["phase"], row["timepoint"], row["code"], row["text"], tuple(row["lesions"] or ()))
        seen[key] = (row, seen.get(key, (row, 0))[1] + 1)
    return [(row, linked(case, row["text"]), n) for row, n in seen.values()]


# --- facts -----------------------------------------------------------------------------------------------------------


def _facts(case: Case, found: Sequence[Course], settings: Settings) -> list[tuple[str, list[Fact]]]:
    subject = case.subject
    count = words.count_range(subject["count_hepatic"], subject["count_low"], subject["count_high"])
    deciding = ", ".join(subject["count_deciding"] or ())
    eligibility = [
        Fact(name="Liver metastases", value=count, note=f"decided by {deciding}" if deciding else ""),
        Fact(name=f"At least {settings.assess.count_limit}", value=subject["count_eligible"] or ""),
        Fact(name="Disease control", value=subject["disease_control"] or "", note=_response(subject)),
        Fact(name="Eligible", value=subject["eligible"] or ""),
        Fact(name="Extrahepatic at baseline", value=_yes_no(subject["extrahepatic_at_baseline"])),
    ]
    outcome = [
        Fact(name="Best overall response", value=subject["bor_unconfirmed"] or "", note=_confirmed(subject)),
        Fact(name="Disease control, study phase", value=subject["disease_control_study"] or ""),
        Fact(name="Resection margin", value=subject["margin"] or ""),
        Fact(name="Progression", value=subject["pd_date"] or "", href=_evidence_of_pd(case, found, "pd_date")),
        *_site_facts(case, found),
    ]
    dates = [
        Fact(name=name, value=subject[column] or "")
        for name, column in (
            ("Diagnosis", "diagnosis_date"),
            ("Enrolment", "enrolment_date"),
            ("Treatment start", "treatment_start_date"),
            ("New anticancer therapy", "new_therapy_date"),
            ("Last adequate assessment", "last_adequate_overall"),
            ("Last liver imaging", "last_adequate_liver"),
            ("Last extrahepatic imaging", "last_adequate_extrahepatic"),
            ("Last known alive", "last_alive_date"),
            ("Death", "death_date"),
        )
    ]
    groups = [("Eligibility", eligibility), ("Outcome in the study phase", outcome), ("Dates", dates)]
    return [(title, [fact for fact in facts if fact.value]) for title, facts in groups]


def _response(subject: Row) -> str:
    return f"induction response {subject['induction_response']}" if subject["induction_response"] else ""


def _confirmed(subject: Row) -> str:
    return f"confirmed: {subject['bor_confirmed']}" if subject["bor_confirmed"] else ""


def _yes_no(value: bool | None) -> str:
    return "" if value is None else "YES" if value else "NO"


def _site_facts(case: Case, found: Sequence[Course]) -> list[Fact]:
    subject = case.subject
    return [
        Fact(
            name="Site",
            value=words.phrase(subject["pd_site"]),
            note=", ".join(words.phrase(code) for code in (subject["pd_subtype"] or "").split("+")),
        ),
        Fact(
            name="First hepatic progression",
            value=subject["first_hepatic_pd_date"] or "",
            href=_evidence_of_pd(case, found, "first_hepatic_pd_date"),
        ),
        Fact(
            name="First extrahepatic progression",
            value=subject["first_extrahepatic_pd_date"] or "",
            href=_evidence_of_pd(case, found, "first_extrahepatic_pd_date"),
        ),
    ]


def _evidence_of_pd(case: Case, found: Sequence[Course], column: str) -> str:
    """Return the link to the verdict whose triggers give a progression its date."""
    date = case.subject[column]
    site = {"first_hepatic_pd_date": "HEPATIC", "first_extrahepatic_pd_date": "EXTRAHEPATIC"}.get(column)
    main = next((course for course in found if course.phase == "STUDY" and course.primary), None)
    for verdict in main.judged if main is not None and date is not None else ():
        for trigger in (verdict.row or {}).get("triggers") or ():
            if trigger["date"] == date and (site is None or site in trigger["compartments"]):
                return f"#{verdict.anchor}"
    return ""


def _robustness(row: Row) -> str:
    """Return in one sentence how far the outcome depends on which targets were chosen."""
    choices = f"all {row['n_choices']}" if not row["sampled"] else f"{row['n_choices']} of {row['n_admissible']}"
    text = f"Over {choices} admissible choices of targets, "
    if row["n_pd"] is not None:
        text += f"{row['n_pd']} progress"
        if row["pd_date_min"] is not None:
            same = row["pd_date_min"] == row["pd_date_max"]
            text += f" (on {row['pd_date_min']})" if same else f" ({row['pd_date_min']} to {row['pd_date_max']})"
        text += "; "
    if row["overall_agreement"] is not None:
        text += f"mean agreement of the overall response {100 * row['overall_agreement']:.1f}\N{NO-BREAK SPACE}%; "
    counts = "".join(f", {name} {n}" for name, n in sorted((row["bor_counts"] or {}).items()))
    depends = row["response_depends_on_choice"]
    verdict = "the response depends on the choice" if depends else "the response does not depend on the choice"
    return text + verdict + (f". Best overall response: {counts[2:]}." if counts else ".")


# --- endpoints -------------------------------------------------------------------------------------------------------


def _endpoint(case: Case, found: Sequence[Course], row: Row, trace: tuple[Markup, ...]) -> EndpointLine:
    evidence: Row = row["evidence"] or {}
    days, months = words.days_and_months(row["time_days"])
    left, right = row["left_days"], row["right_days"]
    interval = f"({left}, {right}]" if row["status"] == 1 and right is not None and left != right else ""
    return EndpointLine(
        row=row,
        status=_STATUS.get(row["status"], "not derived"),
        days=days,
        months=months,
        interval=interval,
        href=_evidence_link(found, evidence),
        evidence=_evidence_text(case, evidence),
        trace=trace,
    )


def _evidence_link(found: Sequence[Course], evidence: Row) -> str:
    response = evidence.get("response")
    if response:
        for course in found:
            same = (course.phase, course.rules, course.reader) == (
                response.get("phase"),
                response.get("rules"),
                response.get("reader"),
            )
            for verdict in course.verdicts if same else ():
                if verdict.timepoint == response.get("timepoint"):
                    return f"#{verdict.anchor}"
    visit = evidence.get("visit")
    return f"#{visit_anchor(visit['timepoint'])}" if visit else ""


def _evidence_text(case: Case, evidence: Row) -> Markup:
    parts = [linked(case, str(evidence.get("rule", "")))]
    lesions = [name for name in evidence.get("lesions") or () if track_anchor(case, name) is not None]
    if lesions:
        at = (evidence.get("response") or {}).get("timepoint")
        parts.append(linked(case, f"Lesions {', '.join(lesions)}", at))
    parts += [escape(f"{name} {value}") for name, value in sorted((evidence.get("clinical") or {}).items())]
    parts += [linked(case, str(flag)) for flag in evidence.get("flags") or ()]
    return Markup(". ").join(part for part in parts if part)
