"""What was judged of one subject, ready to be read: courses of responses, each visit's verdict, the one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from markupsafe import Markup, escape

from lesiontrack.report import words
from lesiontrack.report.source import Case, Row
from lesiontrack.settings import Settings

__all__ = [
    "Banner",
    "Course",
    "Verdict",
    "banner",
    "courses",
    "linked",
    "treated_sites",
    "track_anchor",
    "visit_anchor",
]

_PHASES = ("STUDY", "INDUCTION")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One visit of a course, in words; ``row`` is its row of ``responses``, None for the baseline.

    Attributes
    ----------
    value_mm
        The sum, mm, where there is one.
    from_baseline, from_nadir
        Change of the sum in percent; ``nadir_mm`` is the change from the nadir in mm. Empty at a re-baseline, where
        the sum is the new baseline itself.
    flags
        What must be known with the verdict.
    reasons
        One sentence each, lesions linked to their rows.
    """

    anchor: str
    timepoint: int
    date: str
    row: Row | None
    value_mm: float | None
    from_baseline: str = ""
    from_nadir: str = ""
    nadir_mm: str = ""
    flags: tuple[str, ...] = ()
    reasons: tuple[Markup, ...] = ()

    @property
    def sum_mm(self) -> str:
        """The sum as it is shown."""
        return words.mm(self.value_mm)

    @property
    def overall(self) -> str:
        """The overall response; ``baseline`` where there is none to give."""
        return "baseline" if self.row is None else str(self.row["overall"] or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """All visits of one phase under one rule set by one reader, the baseline first where it is known.

    Attributes
    ----------
    primary
        Its rule set and reader feed the endpoints.
    differs
        Visits whose overall response is another than in the primary course of the phase.
    """

    phase: str
    rules: str
    reader: str
    primary: bool
    verdicts: tuple[Verdict, ...]
    differs: tuple[str, ...] = ()

    @property
    def judged(self) -> tuple[Verdict, ...]:
        """The visits after the baseline."""
        return tuple(verdict for verdict in self.verdicts if verdict.row is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """The verdict in one line and one sentence; ``tone`` is ``bad``, ``good``, ``open`` or ``failed``."""

    tone: str
    headline: str
    sentence: Markup


def track_anchor(case: Case, track_id: str) -> str | None:
    """Return the anchor of a track's row in the matrix; None for a name that is no track."""
    place = case.tracks.get(track_id)
    return None if place is None else f"track-{place}"


def visit_anchor(timepoint: int) -> str:
    """Return the anchor of a visit's column in the matrix."""
    return f"visit-{timepoint}"


def linked(case: Case, text: str, timepoint: int | None = None) -> Markup:
    """Return a sentence with every track that it names linked to its row in the matrix, or to its cell at a visit."""
    tracks = case.tracks
    if not tracks:
        return escape(text)
    names = "|".join(re.escape(name) for name in sorted(tracks, key=len, reverse=True))
    parts = re.split(rf"(?<!\w)({names})(?!\w)", text)
    at_visit = timepoint is not None and timepoint in case.dates
    return Markup("").join(
        Markup('<a href="#{}">{}</a>').format(
            f"cell-{tracks[part]}-{timepoint}" if at_visit else f"track-{tracks[part]}", part
        )
        if place % 2
        else escape(part)
        for place, part in enumerate(parts)
    )


# --- courses ---------------------------------------------------------------------------------------------------------


def courses(case: Case, settings: Settings) -> list[Course]:
    """Return every course of responses, the study phase first and in it the one that feeds the endpoints."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in case.rows("responses"):
        groups.setdefault((row["phase"], row["rules"], row["reader"]), []).append(row)
    order = [settings.events.primary_rules, settings.events.strict_rules]
    first_reader = _reader(case, settings, sorted({reader for _, _, reader in groups}))

    def rank(key: tuple[str, str, str]) -> tuple[object, ...]:
        phase, rules, reader = key
        return (
            _PHASES.index(phase),
            reader != first_reader,
            order.index(rules) if rules in order else len(order),
            rules,
            reader,
        )

    found: list[Course] = []
    for place, key in enumerate(sorted(groups, key=rank)):
        phase, rules, reader = key
        rows = sorted(groups[key], key=lambda row: int(row["timepoint"]))
        main = next((course for course in found if course.phase == phase and course.primary), None)
        found.append(
            Course(
                phase=phase,
                rules=rules,
                reader=reader,
                primary=rules == order[0] and reader == first_reader,
                verdicts=_verdicts(case, rows, f"verdict-{place}", _baseline_sum(groups, key)),
                differs=() if main is None else _differing(main, rows),
            )
        )
    return found


def _reader(case: Case, settings: Settings, readers: Sequence[str]) -> str | None:
    """Return whose responses feed the endpoints, as the events say, else as the settings or the names do."""
    named: set[str] = {row["reader"] for row in case.rows("events") if row["reader"] in readers}
    if named:
        return min(named)
    if settings.events.reader in readers:
        return settings.events.reader
    return next(iter(readers), None)


def _differing(main: Course, rows: Sequence[Row]) -> tuple[str, ...]:
    usual = {verdict.timepoint: verdict.overall for verdict in main.judged}
    return tuple(
        f"visit {row['timepoint']}: {row['overall']} instead of {usual[row['timepoint']]}"
        for row in rows
        if row["timepoint"] in usual and row["overall"] != usual[row["timepoint"]]
    )


def _baseline_sum(groups: Mapping[tuple[str, str, str], list[Row]], key: tuple[str, str, str]) -> float | None:
    """Return the sum before treatment, mm: where a course begins with a re-baseline, another rule set's has it.

    All rule sets of a phase start from the same baseline and the same targets.
    """
    phase, _, reader = key
    alike = [rows for other, rows in groups.items() if (other[0], other[2]) == (phase, reader)]
    for rows in (groups[key], *alike):
        first = min(rows, key=lambda row: int(row["timepoint"]))
        if not first["rebaseline"] and not first["treatment_phase"] and first["baseline_sum_mm"] is not None:
            return float(first["baseline_sum_mm"])
    return None


def _verdicts(case: Case, rows: Sequence[Row], anchor: str, baseline_mm: float | None) -> tuple[Verdict, ...]:
    first = rows[0]
    at = _baseline_timepoint(case, first)
    verdicts = [_verdict(case, row, f"{anchor}-{row['timepoint']}") for row in rows]
    if at is not None:
        baseline = Verdict(anchor=f"{anchor}-{at}", timepoint=at, date=case.dates[at], row=None, value_mm=baseline_mm)
        verdicts.insert(0, baseline)
    return tuple(verdicts)


def _baseline_timepoint(case: Case, first: Row) -> int | None:
    """Return the visit that a phase starts from: its first, or for the study phase the one that both share."""
    wanted = ("BOTH",) if first["phase"] == "STUDY" else ("INDUCTION", "BOTH")
    visits = [
        row["timepoint"]
        for row in case.rows("timepoints")
        if row["phase"] in wanted and row["usable"] and row["timepoint"] < first["timepoint"]
    ]
    if first["phase"] == "STUDY":
        return max(visits, default=None)
    return min(visits, default=None)


def _verdict(case: Case, row: Row, anchor: str) -> Verdict:
    compared = not row["rebaseline"]
    now, baseline, nadir = row["sum_mm"], row["baseline_sum_mm"], row["nadir_sum_mm"]
    flags = {
        "re-baseline": row["rebaseline"],
        "treatment phase": row["treatment_phase"] and not row["rebaseline"],
        "after first PD": row["post_pd"],
        "provisional": row["provisional"],
    }
    sites: dict[str, list[str]] = {}
    for name, code in sorted((row["site_status"] or {}).items()):
        sites.setdefault(site_phrase(code), []).append(name)
    treated = [f"treated site{'s'[: len(names) > 1]} {', '.join(names)}: {what}" for what, names in sites.items()]
    return Verdict(
        anchor=anchor,
        timepoint=row["timepoint"],
        date=row["date"],
        row=row,
        value_mm=now,
        from_baseline=words.signed_percent(words.percent_change(now, baseline)) if compared else "",
        from_nadir=words.signed_percent(words.percent_change(now, nadir)) if compared else "",
        nadir_mm=words.signed_mm(words.change(now, nadir)) if compared else "",
        flags=tuple(text for text, holds in flags.items() if holds),
        reasons=(
            *(linked(case, reason["sentence"], row["timepoint"]) for reason in row["reasons"] or ()),
            *(linked(case, site, row["timepoint"]) for site in treated),
            *(linked(case, growth_note(trigger), row["timepoint"]) for trigger in row["treatment_phase_growth"] or ()),
        ),
    )


def treated_sites(all_courses: Sequence[Course]) -> dict[tuple[int, str], str]:
    """Return (visit, track) -> status of its treated site in words, as the course that feeds the endpoints has it."""
    return {
        (verdict.timepoint, name): site_phrase(code)
        for course in all_courses
        if course.phase == "STUDY" and course.primary
        for verdict in course.judged
        for name, code in ((verdict.row or {}).get("site_status") or {}).items()
    }


def site_phrase(code: str) -> str:
    """Return the status of a treated site in words."""
    return {"NO_VIABLE": "no viable tumour", "RESIDUAL": "residual tumour", "NE": "not evaluable"}.get(
        code, words.phrase(code)
    )


def growth_note(trigger: Row) -> str:
    """Return the note on growth during the treatment phase, which the settings do not let count."""
    return f"growth in the treatment phase, not counted as progression: {', '.join(trigger['lesions'])}"


# --- the one sentence ------------------------------------------------------------------------------------------------


def banner(case: Case, all_courses: Sequence[Course]) -> Banner:
    """Return when and where the subject progressed and why, or up to when it did not."""
    subject = case.subject
    main = next((course for course in all_courses if course.phase == "STUDY" and course.primary), None)
    errors = [row for row in case.rows("failures") if row["severity"] == "ERROR"]
    if subject["pd_date"] is not None:
        where = "site not explained by any lesion" if subject["pd_site"] is None else words.phrase(subject["pd_site"])
        return Banner(
            tone="bad", headline=f"Progression on {subject['pd_date']}: {where}", sentence=_why(case, subject, main)
        )
    evaluable = [v for v in main.judged if v.overall != "NE"] if main is not None else []
    if evaluable:
        return _progression_free(case, evaluable[-1])
    if errors and not case.rows("lesions") and not case.rows("responses"):
        return Banner(tone="failed", headline="Not processed", sentence=escape(errors[0]["message"]))
    unread = _after(case, None)
    flags = "; ".join(subject["flags"] or ())
    why = f"No visit after the study baseline could be evaluated.{unread} {flags}".strip()
    return Banner(tone="open", headline="Response in the study phase not assessed", sentence=linked(case, why))


def _progression_free(case: Case, last: Verdict) -> Banner:
    link = Markup('<a href="#{}">{}</a>').format(last.anchor, last.date)
    sentence = Markup("Last evaluable assessment {}: {}. Best overall response {}.{}").format(
        link, last.overall, case.subject["bor_unconfirmed"] or "not stated", _after(case, last.date)
    )
    return Banner(tone="good", headline=f"No progression up to {last.date}", sentence=sentence)


def _after(case: Case, date: str | None) -> str:
    """Say how many visits after a date cannot be used."""
    unusable = [v for v in case.rows("timepoints") if not v["usable"] and (date is None or v["date"] > date)]
    if not unusable:
        return ""
    one = len(unusable) == 1
    return f" {len(unusable)} {'later ' if date else ''}visit{' is' if one else 's are'} unusable."


def _why(case: Case, subject: Row, main: Course | None) -> Markup:
    declared = subject["pd_declared_date"] or subject["pd_date"]
    shown = [] if main is None else [v for v in main.judged if v.overall == "PD"]
    verdict = next((v for v in shown if v.date == declared), shown[0] if shown else None)
    if verdict is None or verdict.row is None:
        return escape("; ".join(words.trigger(code) for code in subject["pd_reasons"] or ()) or "No reason is stored.")
    triggers = verdict.row["triggers"] or []
    decisive = [trigger for trigger in triggers if trigger["date"] == subject["pd_date"]] or triggers
    causes = "; ".join(_cause(trigger, verdict.row) for trigger in decisive)
    text = Markup('<a href="#{}">Visit {}</a>: {}').format(
        verdict.anchor, verdict.timepoint, linked(case, causes, verdict.timepoint)
    )
    subtypes = (subject["pd_subtype"] or "").split("+")
    if subject["pd_subtype"]:
        text += f" (hepatic subtype: {', '.join(words.phrase(code) for code in subtypes)})"
    if declared != subject["pd_date"]:
        text += f". Declared on {declared} and dated back to the first sight"
    return text + "."


def _cause(trigger: Row, row: Row) -> str:
    text = words.trigger(trigger["kind"])
    if trigger["lesions"]:
        text += f" {', '.join(trigger['lesions'])}"
    over = words.change(row["sum_mm"], row["nadir_sum_mm"])
    if trigger["kind"] == "TARGET" and over is not None and over > Decimal(0):
        percent = words.signed_percent(words.percent_change(row["sum_mm"], row["nadir_sum_mm"]))
        rise = f"{words.signed_mm(over)} mm" + (f", {percent} %" if percent else "")
        text += f", sum {words.mm(row['sum_mm'])} mm ({rise} over the nadir of {words.mm(row['nadir_sum_mm'])} mm)"
    return text
