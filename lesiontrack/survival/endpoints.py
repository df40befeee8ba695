"""Each endpoint of the contract (section 3) for one subject: start, outcome, and what it rests on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lesiontrack.domain.follow_up import Cause, EventReason, EventStatus, Outcome
from lesiontrack.domain.outcome import TriggerKind
from lesiontrack.errors import ClinicalError
from lesiontrack.survival.censor import any_site, first_progression, first_site, pfs_ema, pfs_fda
from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.judged import Cue, progression_cues
from lesiontrack.survival.record import SubjectRecord, TreatedTrack

__all__ = ["ENDPOINTS", "Ended", "endpoints_of"]

ENDPOINTS = (
    "OS",
    "OS_NAIVE",
    "OS_ENROLMENT",
    "PFS",
    "PFS_EMA",
    "PFS_NEW",
    "PFS_STRICT",
    "PFS_TREATMENT_PHASE",
    "PFS_RANDOMISATION",
    "HEPATIC_PD",
    "EXTRAHEPATIC_PD",
    "HEPATIC_FIRST",
    "EXTRAHEPATIC_FIRST",
    "FIRST_PD",
    "LTP",
)

# Why an endpoint is null.
NO_TREATMENT_START = "NO_TREATMENT_START"
NO_DIAGNOSIS_DATE = "NO_DIAGNOSIS_DATE"
NO_ENROLMENT_DATE = "NO_ENROLMENT_DATE"
NO_SURVIVAL_DATE = "NO_SURVIVAL_DATE"
NO_RESPONSES = "NO_RESPONSES"
SITE_UNKNOWN = "SITE_UNKNOWN"
CONTRADICTION = "CONTRADICTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One endpoint of one subject (of one lesion, for LTP).

    Attributes
    ----------
    entry
        Day from which the subject is under observation, where that is later than ``start``.
    outcome
        None where the endpoint cannot be derived; ``why`` then says so, and ``error`` where dates contradict.
    cue
        The cause of progression behind the outcome.
    sources
        Column of the clinical table ``subjects`` -> date, for what the outcome takes from there.
    """

    endpoint: str
    start: dt.date | None
    outcome: Outcome | None = None
    why: str | None = None
    error: str | None = None
    entry: dt.date | None = None
    track_id: str | None = None
    rules: str | None = None
    reader: str | None = None
    cue: Cue | None = None
    sources: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def endpoints_of(record: SubjectRecord, settings: EventSettings) -> Iterator[Ended]:
    """Yield every endpoint of a subject in the order of :data:`ENDPOINTS`.

    A subject without treatment start has overall survival, and the others null with the reason.
    """
    yield from _overall_survival(record)
    yield from _progression_free(record, settings)
    yield from _by_site(record, settings)
    yield from _local_progression(record, settings)


def _derived(empty: Ended, derive: Callable[[], Ended], record: SubjectRecord) -> Ended:
    """Derive an endpoint; null where its dates contradict each other, or it rests on a contradicted death."""
    try:
        ended = derive()
    except ClinicalError as error:
        return replace(empty, why=CONTRADICTION, error=str(error.at(subject_id=record.clinical.subject_id)))
    rests_on_death = ended.outcome is not None and ended.outcome.reason is EventReason.DEATH
    if rests_on_death and record.clinical.death_contradicted:
        return replace(empty, why=CONTRADICTION)
    return ended


# --- overall survival ------------------------------------------------------------------------------------------------


def _overall_survival(record: SubjectRecord) -> Iterator[Ended]:
    """Overall survival from diagnosis with delayed entry, naive, and from enrolment (section 11, trap 1)."""
    facts = record.clinical
    diagnosis, enrolment = facts.diagnosis_date, facts.enrolment_date
    delayed = Ended(endpoint="OS", start=diagnosis, entry=enrolment)
    if diagnosis is not None and enrolment is None:
        # Entry at the diagnosis would count time in which nobody could be seen to die.
        yield replace(delayed, why=NO_ENROLMENT_DATE)
    else:
        yield _survival(record, delayed, NO_DIAGNOSIS_DATE)
    yield _survival(record, Ended(endpoint="OS_NAIVE", start=diagnosis), NO_DIAGNOSIS_DATE)
    yield _survival(record, Ended(endpoint="OS_ENROLMENT", start=enrolment), NO_ENROLMENT_DATE)


def _survival(record: SubjectRecord, empty: Ended, without_start: str) -> Ended:
    start = empty.start
    if start is None:
        return replace(empty, why=without_start)
    if record.clinical.death_contradicted:
        return replace(empty, why=CONTRADICTION)
    outcome, column = _last_known(record)
    if outcome is None:
        return replace(empty, why=NO_SURVIVAL_DATE)
    for name, date in (("enrolment", empty.entry), (column, outcome.date)):
        if date is not None and date < start:
            text = f"{name} before the start of {empty.endpoint}: negative time"
            error = ClinicalError(text, found=str(date), expected=f"from {start} on")
            return replace(empty, why=CONTRADICTION, error=str(error.at(subject_id=record.clinical.subject_id)))
    if empty.entry is not None and outcome.date < empty.entry:
        text = f"{column} before enrolment: {empty.endpoint} would end before it is observed"
        error = ClinicalError(text, found=str(outcome.date), expected=f"from {empty.entry} on")
        return replace(empty, why=CONTRADICTION, error=str(error.at(subject_id=record.clinical.subject_id)))
    flags = ("last known alive by imaging",) if column == "imaging_end" else ()
    return replace(empty, outcome=outcome, sources={column: outcome.date.isoformat()}, flags=flags)


def _last_known(record: SubjectRecord) -> tuple[Outcome | None, str]:
    """Return death, or the last day known alive: by the clinical table, and where that is silent by the last scan."""
    facts = record.clinical
    if facts.death_date is not None:
        return _exact(facts.death_date, "section 11: death from any cause"), "death_date"
    date, column = facts.last_alive_date, "last_alive_date"
    if date is None and record.visits:
        date, column = max(visit.date for visit in record.visits), "imaging_end"
    if date is None:
        return None, column
    cut = date == facts.data_cutoff_date
    reason = EventReason.DATA_CUTOFF if cut else EventReason.LAST_ALIVE
    rule = "section 11: alive; last known alive"
    return Outcome(date=date, status=EventStatus.CENSORED, reason=reason, left=date, right=None, rule=rule), column


def _exact(date: dt.date, rule: str) -> Outcome:
    return Outcome(
        date=date,
        status=EventStatus.EVENT,
        reason=EventReason.DEATH,
        left=date,
        right=date,
        rule=rule,
        cause=Cause.DEATH,
    )


# --- progression-free survival ---------------------------------------------------------------------------------------


def _progression_free(record: SubjectRecord, settings: EventSettings) -> Iterator[Ended]:
    primary = record.judged.get(settings.primary_rules, ())
    first = record.progression
    start = record.clinical.treatment_start_date
    base = Ended(endpoint="PFS", start=start, rules=settings.primary_rules, reader=record.reader, cue=first.cue)
    yield _pfs(record, base, first.date, settings)
    yield _pfs(record, replace(base, endpoint="PFS_EMA"), first.date, settings)
    readings = {
        "PFS_NEW": (settings.primary_rules, progression_cues(primary, unequivocal=True)),
        "PFS_STRICT": (settings.strict_rules, progression_cues(record.judged.get(settings.strict_rules, ()))),
        "PFS_TREATMENT_PHASE": (settings.primary_rules, progression_cues(primary, growth=True)),
    }
    for endpoint, (rules, cues) in readings.items():
        cue = cues[0] if cues else None
        variant = replace(base, endpoint=endpoint, rules=rules, cue=cue)
        yield _pfs(record, variant, None if cue is None else cue.date, settings)
    randomised = record.clinical.randomisation_date
    if randomised is not None:
        yield _pfs(record, replace(base, endpoint="PFS_RANDOMISATION", start=randomised), first.date, settings)


def _pfs(record: SubjectRecord, empty: Ended, pd_date: dt.date | None, settings: EventSettings) -> Ended:
    rules, start = empty.rules or "", empty.start
    empty = replace(empty, cue=None, start=start) if pd_date is None else empty
    why = _underivable(record, rules)
    if why is not None or start is None:
        return replace(empty, why=why or NO_TREATMENT_START, cue=None)

    def derive() -> Ended:
        follow_up = record.follow_up(start=start, rules=rules, pd_date=pd_date, settings=settings)
        outcome = pfs_ema(follow_up) if empty.endpoint == "PFS_EMA" else pfs_fda(follow_up)
        progressed = outcome.status is EventStatus.EVENT and outcome.reason is EventReason.PD
        if progressed:
            outcome = replace(outcome, cause=_cause(record, empty))
        return replace(
            empty, outcome=outcome, cue=empty.cue if progressed else None, sources=_facts(record, start, outcome)
        )

    return _derived(replace(empty, cue=None), derive, record)


def _cause(record: SubjectRecord, ended: Ended) -> Cause | None:
    """Return the site of the progression that ends a progression-free time, where it is known."""
    first = record.progression
    if ended.cue is not None and ended.cue == first.cue:
        return None if first.site is None else Cause(first.site)
    sites = set() if ended.cue is None else set(ended.cue.compartments)
    return Cause.BOTH if len(sites) > 1 else Cause(next(iter(sites))) if sites else None


def _underivable(record: SubjectRecord, rules: str) -> str | None:
    """Say why nothing after treatment start can be derived; None where it can."""
    start = record.clinical.treatment_start_date
    if start is None:
        return NO_TREATMENT_START
    if record.unread is not None:
        return record.unread
    followed = any(visit.usable and visit.date > start for visit in record.visits)
    if record.baseline and followed and rules not in record.judged:
        return NO_RESPONSES
    return None


def _facts(record: SubjectRecord, start: dt.date, outcome: Outcome) -> dict[str, str]:
    """Name the clinical facts that an outcome takes its date or its censoring from."""
    facts = record.clinical
    if outcome.reason is EventReason.DEATH and facts.death_date is not None:
        return {"death_date": facts.death_date.isoformat()}
    therapy = facts.new_therapy(start)
    if outcome.reason is EventReason.NEW_THERAPY and therapy is not None:
        return {"new_therapy_date": therapy.isoformat()}
    return {}


# --- by site ---------------------------------------------------------------------------------------------------------


def _by_site(record: SubjectRecord, settings: EventSettings) -> Iterator[Ended]:
    base = Ended(
        endpoint="HEPATIC_PD",
        start=record.clinical.treatment_start_date,
        rules=settings.primary_rules,
        reader=record.reader,
    )
    for endpoint, site in (("HEPATIC_PD", Cause.HEPATIC), ("EXTRAHEPATIC_PD", Cause.EXTRAHEPATIC)):
        yield _site_event(record, replace(base, endpoint=endpoint), any_site, site)
    for endpoint, site in (("HEPATIC_FIRST", Cause.HEPATIC), ("EXTRAHEPATIC_FIRST", Cause.EXTRAHEPATIC)):
        yield _site_event(record, replace(base, endpoint=endpoint), first_site, site)
    yield _site_event(
        record, replace(base, endpoint="FIRST_PD"), lambda follow_up, _: first_progression(follow_up), None
    )


def _site_event(record: SubjectRecord, empty: Ended, rule: Callable[[Any, Any], Outcome], site: Cause | None) -> Ended:
    why, start = _underivable(record, empty.rules or ""), empty.start
    if why is not None or start is None:
        return replace(empty, why=why or NO_TREATMENT_START)
    if not record.progression.sites_known:
        return replace(empty, why=SITE_UNKNOWN)

    def derive() -> Ended:
        outcome = rule(record.site_follow_up(start), site)
        cue = _cue_of(record, outcome) if outcome.reason is EventReason.PD else None
        if not record.baseline and outcome.status is EventStatus.CENSORED:
            outcome = replace(outcome, date=start, reason=EventReason.NO_BASELINE, left=start)
        return replace(empty, outcome=outcome, cue=cue, sources=_facts(record, start, outcome))

    return _derived(empty, derive, record)


def _cue_of(record: SubjectRecord, outcome: Outcome) -> Cue | None:
    """Return the cause of progression that gave an outcome its date, by its site where sites are stated."""
    dated = [cue for cue in record.progression.cues if cue.date == outcome.date]
    if outcome.cause in (Cause.HEPATIC, Cause.EXTRAHEPATIC):
        dated = [cue for cue in dated if outcome.cause in cue.compartments] or dated
    return next(iter(dated), record.progression.cue)


# --- local tumour progression ----------------------------------------------------------------------------------------


def _local_progression(record: SubjectRecord, settings: EventSettings) -> Iterator[Ended]:
    """Local tumour progression of each treated lesion from its own treatment on; death competes (section 11)."""
    for track in record.treated:
        empty = Ended(
            endpoint="LTP",
            start=track.date,
            track_id=track.track_id,
            rules=settings.primary_rules,
            reader=record.reader,
        )
        why = _underivable(record, settings.primary_rules)
        if why is not None:
            yield replace(empty, why=why)
            continue
        yield _derived(empty, _LocalSite(record, track, empty, settings).ended, record)


@dataclass(frozen=True, slots=True)
class _LocalSite:
    """One treated lesion's way to its local tumour progression."""

    record: SubjectRecord
    track: TreatedTrack
    empty: Ended
    settings: EventSettings

    def ended(self) -> Ended:
        """Return the endpoint; raises ClinicalError where its dates contradict each other."""
        track, death = self.track, self.record.clinical.death_date
        cue = self._cue()
        if death is not None and (death < track.date or (cue is not None and cue.date > death)):
            text = f"treatment or progression of {track.track_id} after death"
            raise ClinicalError(text, found=str(cue.date if cue else track.date), expected=f"at the latest {death}")
        if cue is not None:
            return replace(self.empty, outcome=self._event(cue), cue=cue)
        if death is not None:
            outcome = replace(_exact(death, "section 11: death competes"), status=EventStatus.COMPETING)
            return replace(self.empty, outcome=outcome, sources={"death_date": death.isoformat()})
        last = self._imaged()
        reason = EventReason.NO_POSTBASELINE if last is None else EventReason.LAST_ADEQUATE
        date = last or track.date
        rule = f"section 11: last adequate imaging of the treated site ({track.compartment})"
        outcome = Outcome(date=date, status=EventStatus.CENSORED, reason=reason, left=date, right=None, rule=rule)
        return replace(self.empty, outcome=outcome)

    def _event(self, cue: Cue) -> Outcome:
        return Outcome(
            date=cue.date,
            status=EventStatus.EVENT,
            reason=EventReason.PD,
            left=self._imaged(before=cue.date) or self.track.date,
            right=cue.date,
            rule="section 10: local tumour progression, viable tumour at a treated site after a control without",
            cause=Cause(self.track.compartment),
        )

    def _cue(self) -> Cue | None:
        """Return the first local tumour progression of this site after its treatment."""
        track = self.track
        for visit in self.record.judged.get(self.settings.primary_rules, ()):
            if visit.date <= track.date:
                continue
            stated = [c for c in visit.cues if c.kind == TriggerKind.LTP and track.track_id in c.lesions]
            if stated:
                return min(stated, key=lambda cue: cue.date)
            if visit.site_status.get(track.track_id) == "LTP":
                return Cue(
                    kind=TriggerKind.LTP,
                    date=visit.date,
                    timepoint=visit.timepoint,
                    first_timepoint=visit.timepoint,
                    compartments=(track.compartment,),
                    lesions=(track.track_id,),
                )
        return None

    def _imaged(self, *, before: dt.date | None = None) -> dt.date | None:
        """Return the last imaging of the site's compartment after its treatment that does not call the site NE."""
        judged = self.record.judged.get(self.settings.primary_rules, ())
        unread = {visit.date for visit in judged if visit.site_status.get(self.track.track_id) == "NE"}
        days = [
            day
            for day in self.record.imaging(self.track.compartment)
            if day > self.track.date and day not in unread and (before is None or day < before)
        ]
        return max(days, default=None)
