"""The cohort at a glance: counts by arm, what went wrong, and the worklist by what needs attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lesiontrack.report import words
from lesiontrack.report.source import Case, Result, Row, page_of
from lesiontrack.settings import Settings, differing

__all__ = [
    "Card",
    "Glance",
    "GlanceRow",
    "Setting",
    "WorkItem",
    "assumptions",
    "cards",
    "changed_settings",
    "failures",
    "glance",
    "worklist",
]

NO_ARM = "no arm"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlanceRow:
    """One category: how many subjects of each arm, with their share; the last entry is the whole cohort."""

    name: str
    counts: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The cohort by arm; ``sizes`` are the subjects of each arm and of the whole."""

    arms: tuple[str, ...]
    sizes: tuple[int, ...]
    blocks: tuple[tuple[str, str, tuple[GlanceRow, ...]], ...]
    provisional: int
    assessed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One number of the cohort."""

    name: str
    value: str
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One subject of the worklist.

    Attributes
    ----------
    rank
        Sorts first what needs attention most.
    attention
        Why it needs attention; empty when nothing does.
    """

    subject_id: str
    href: str
    subject: Row
    arm: str
    count: str
    n_review: int
    n_queries: int
    attention: tuple[str, ...]
    rank: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting that differs from its default."""

    name: str
    value: str
    default: str
    meaning: str


def arm_of(case: Case) -> str:
    """Return the subject's arm, or that it has none."""
    return case.subject["arm"] or NO_ARM


# --- counts ----------------------------------------------------------------------------------------------------------


def glance(result: Result) -> Glance:
    """Count subjects by arm: eligibility, disease control, first progression, best response, deaths."""
    arms = tuple(sorted({arm_of(case) for case in result.cases}))
    groups = [[case for case in result.cases if arm_of(case) == arm] for arm in arms]
    groups.append(list(result.cases))
    limit = result.settings.assess.count_limit

    def block(title: str, note: str, column: Callable[[Row], str], order: Sequence[tuple[str, str]]) -> Any:
        tallies = [Counter(column(case.subject) for case in group) for group in groups]
        others = sorted({key for tally in tallies for key in tally} - {key for key, _ in order})
        rows = tuple(
            GlanceRow(
                name=name,
                counts=tuple((t[key], words.share(t[key], len(g))) for t, g in zip(tallies, groups, strict=True)),
            )
            for key, name in (*order, *((other, other) for other in others))
        )
        return title, note, rows

    return Glance(
        arms=arms,
        sizes=tuple(len(group) for group in groups),
        blocks=(
            block(f"At least {limit} liver metastases", "count on the first scan", _code("count_eligible"), _YES_NO),
            block("Disease control", "at the study baseline", _code("disease_control"), _CONTROL),
            block("Eligible", "both of the above", _code("eligible"), _YES_NO),
            block("First progression", "study phase, by site", _first_progression, _PROGRESSION),
            block("Best overall response", "study phase, unconfirmed", _code("bor_unconfirmed"), _RESPONSES),
            block("Survival", "", lambda row: "dead" if row["death_date"] else "alive", _ALIVE),
        ),
        provisional=sum(bool(case.subject["provisional"]) for case in result.cases),
        assessed=sum(case.subject["provisional"] is not None for case in result.cases),
    )


def cards(result: Result) -> list[Card]:
    """Return the cohort in a few numbers."""
    subjects = [case.subject for case in result.cases]
    whole = len(subjects)

    def of_all(name: str, part: int) -> Card:
        return Card(name=f"{name} ({words.share(part, whole)})", value=str(part))

    errors = sum(row["severity"] == "ERROR" for row, _ in failures(result))
    arms = Counter(arm_of(case) for case in result.cases)
    by_arm = ", ".join(f"{arms[arm]} {arm}" for arm in sorted(arms))
    return [
        Card(name=f"subjects: {by_arm}", value=str(whole)),
        of_all("eligible", sum(row["eligible"] == "YES" for row in subjects)),
        of_all("disease control", sum(row["disease_control"] == "YES" for row in subjects)),
        of_all("progressed", sum(row["pd_date"] is not None for row in subjects)),
        of_all("died", sum(row["death_date"] is not None for row in subjects)),
        of_all("read completely", sum(row["read_state"] == "COMPLETE" for row in subjects)),
        Card(name="errors", value=str(errors), tone="bad" if errors else ""),
    ]


_UNKNOWN = "unknown"
_YES_NO = (("YES", "yes"), ("UNCERTAIN", "uncertain"), ("NO", "no"), (_UNKNOWN, "not known"))
_CONTROL = (("YES", "yes"), ("NO", "no"), ("NOT ASSESSED", "not assessed"), (_UNKNOWN, "not known"))
_PROGRESSION = (
    ("HEPATIC", "hepatic"),
    ("EXTRAHEPATIC", "extrahepatic"),
    ("BOTH", "hepatic and extrahepatic"),
    ("SITELESS", "site not explained"),
    ("NONE", "none seen"),
    (_UNKNOWN, "not assessed"),
)
_RESPONSES = (
    *((code, code) for code in ("CR", "PR", "NED", "SD", "NON-CR/NON-PD", "PD", "NE")),
    (_UNKNOWN, "not assessed"),
)
_ALIVE = (("dead", "dead"), ("alive", "not known to be dead"))


def _code(column: str) -> Callable[[Row], str]:
    return lambda row: row[column] or _UNKNOWN


def _first_progression(row: Row) -> str:
    if row["pd_date"] is not None:
        return row["pd_site"] or "SITELESS"
    return "NONE" if row["bor_unconfirmed"] is not None else _UNKNOWN


# --- what went wrong -------------------------------------------------------------------------------------------------


def failures(result: Result) -> list[tuple[Row, str]]:
    """Return every failure with the link to its subject's page, errors first."""
    found = [(row, "") for row in result.stray]
    for case in result.cases:
        found += [(row, page_of(case.subject_id)[1]) for row in case.rows("failures")]
    return sorted(found, key=lambda pair: (pair[0]["severity"] != "ERROR", pair[0]["subject_id"] or ""))


# --- the worklist ----------------------------------------------------------------------------------------------------


def worklist(result: Result) -> list[WorkItem]:
    """Return all subjects, those that need attention most first."""
    return sorted((_work_item(case) for case in result.cases), key=lambda item: item.rank)


def _work_item(case: Case) -> WorkItem:
    subject = case.subject
    severities = Counter(row["severity"] for row in case.rows("failures"))
    queries = Counter(row["severity"] for row in case.rows("queries"))
    left = subject["n_to_review"]
    reviews = left if left is not None else sum(bool(row["needs_review"]) for row in case.rows("tracks"))
    asked = queries["QUERY"] + queries["DATA_ERROR"]
    wanted = (
        (severities["ERROR"], "error"),
        (queries["DATA_ERROR"], "data error"),
        (severities["WARNING"], "warning"),
        (subject["n_inapplicable"] or 0, "decision that no longer applies"),
        (int(subject["count_eligible"] == "UNCERTAIN"), "count uncertain"),
        (int(subject["disease_control"] == "NOT ASSESSED"), "disease control not assessed"),
    )
    attention = [
        text if text.startswith(("count", "disease")) else f"{n} {_several(text) if n > 1 else text}"
        for n, text in wanted
        if n
    ]
    return WorkItem(
        subject_id=case.subject_id,
        href=page_of(case.subject_id)[1],
        subject=subject,
        arm=arm_of(case),
        count=words.count_range(subject["count_hepatic"], subject["count_low"], subject["count_high"]),
        n_review=reviews,
        n_queries=asked,
        attention=tuple(attention),
        rank=(*(-n for n, _ in wanted), -reviews, -asked, case.subject_id),
    )


def _several(text: str) -> str:
    return (
        text.replace("decision that no longer applies", "decisions that no longer apply")
        if "no longer" in text
        else f"{text}s"
    )


# --- assumptions and settings ----------------------------------------------------------------------------------------


def assumptions(settings: Settings) -> list[str]:
    """Return in sentences what the results take for granted."""
    events, assess = settings.events, settings.assess
    imaged = (
        "A visit is taken to have imaged the regions outside the liver unless the table coverage says otherwise "
        "(assume_extrahepatic_imaged = true)."
        if events.assume_extrahepatic_imaged
        else "A visit has imaged the regions outside the liver only where the table coverage says so "
        "(assume_extrahepatic_imaged = false)."
    )
    complete = (
        "The segmentation of a visit is taken to be complete: a known lesion in view that it does not mark is absent "
        "(segmentation_complete = true)."
        if assess.segmentation_complete
        else "The segmentation of a visit is not taken to be complete: a known lesion that it does not mark is not "
        "evaluable (segmentation_complete = false)."
    )
    schedule = (
        f"Assessments are planned every {events.assessment_interval_days} days, {events.assessment_window_days} days "
        "late at most"
        + (", changed by date as the settings say" if events.schedule else "")
        + "; a longer gap than two intervals and two windows counts as two missed assessments."
    )
    rules = (
        f"Endpoints rest on the rule set {events.primary_rules}: {words.phrase(events.primary_rules)}, in both arms "
        f"alike (local_mode = {assess.local_mode})."
    )
    return [
        imaged,
        complete,
        schedule,
        rules,
        _WHOSE.get(events.reader, f"Endpoints rest on {events.reader}'s reading."),
    ]


_WHOSE = {
    None: "Endpoints rest on the adjudicated reading where there is one, else on the only reader's, else on that of "
    "the first reader by name, with a warning; where nobody has read, on the machine's.",
    "machine": "Endpoints rest on the machine's reading.",
    "adjudicated": "Endpoints rest on the adjudicated reading; where readers differ and nobody has chosen, none from "
    "imaging is derived.",
    "majority": "Endpoints rest on what more than half of the readers say of progression; without a majority none from "
    "imaging is derived.",
}


def changed_settings(settings: Settings) -> list[Setting]:
    """Return the settings whose value differs from the default."""
    return [
        Setting(name=name, value=_shown(value), default=_shown(default), meaning=meaning)
        for name, (value, default, meaning) in differing(settings).items()
    ]


def _shown(value: Any) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and value:
        return ", ".join(_shown(item) for item in value)
    return "not set" if value is None or value == () or value == {} else str(value)
