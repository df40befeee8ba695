"""One subject's record for event derivation: clinical facts, imaged visits, judged visits, treated lesions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from lesiontrack.domain.follow_up import Assessed, FollowUp, SiteFollowUp
from lesiontrack.domain.study import Compartment
from lesiontrack.errors import ClinicalError
from lesiontrack.survival.coverage import ImagedVisit, imaged_visits
from lesiontrack.survival.event_settings import EventSettings
from lesiontrack.survival.facts import ClinicalRecord, Rows, as_date, as_text, clinical_record, rows_by_subject
from lesiontrack.survival.judged import Cue, Judged, choose_reader, judged_visits, progression_cues

__all__ = ["DISCORDANT", "Progression", "Sources", "SubjectRecord", "TreatedTrack", "progression", "read_record"]

DISCORDANT = "DISCORDANT"
# Columns of cohort/subjects that describe the subject at baseline (and the margin of its surgery).
_BASELINE_FACTS = ("count_hepatic", "disease_control", "eligible", "extrahepatic_at_baseline", "margin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The tables, by subject. ``clinical`` and ``therapies`` come from the trial, ``cohort`` is ``cohort/subjects``."""

    responses: Rows
    timepoints: Rows
    tracks: Rows
    failures: Rows
    cohort: Rows
    clinical: Rows
    therapies: Rows
    coverage: Rows

    @classmethod
    def from_tables(cls, tables: Mapping[str, pd.DataFrame], clinical: Mapping[str, pd.DataFrame]) -> Sources:
        """Group the cohort's tables and the clinical tables by subject; an absent table is an empty one."""
        return cls(
            responses=rows_by_subject(tables.get("responses")),
            timepoints=rows_by_subject(tables.get("timepoints")),
            tracks=rows_by_subject(tables.get("tracks")),
            failures=rows_by_subject(tables.get("failures")),
            cohort=rows_by_subject(tables.get("subjects")),
            clinical=rows_by_subject(clinical.get("subjects")),
            therapies=rows_by_subject(clinical.get("therapies")),
            coverage=rows_by_subject(clinical.get("coverage")),
        )

    def subject_ids(self) -> list[str]:
        """Return every subject that any table names, sorted."""
        return sorted({*self.clinical, *self.cohort, *self.timepoints, *self.responses})


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatedTrack:
    """A lesion that was treated locally: the day of its first treatment."""

    track_id: str
    compartment: str
    date: dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class Progression:
    """First progression under one reading, and the first at each site over the whole follow-up.

    ``cue`` is what dates it; ``site`` is None where no site explains it.
    """

    date: dt.date | None = None
    cue: Cue | None = None
    site: str | None = None
    hepatic: dt.date | None = None
    extrahepatic: dt.date | None = None
    cues: tuple[Cue, ...] = ()

    @property
    def sites_known(self) -> bool:
        """Whether the tables tell the site of every progression (which may be none)."""
        stated = all(cue.stated for cue in self.cues)
        return stated or self.hepatic is not None or self.extrahepatic is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRecord:
    """Everything event derivation knows of one subject, up to the data cut-off.

    Attributes
    ----------
    visits
        All visits by date, with what each imaged.
    judged
        Rule set -> judged visits of the study phase after treatment start, of the reader who decides.
    progression
        Under the primary rule set.
    unread
        Why nothing is known of this subject's images: ``NOT_PROCESSED`` after a failure, ``NO_IMAGES`` where the run
        knows of none, ``DISCORDANT`` where the readers differ and nobody's reading may decide; None otherwise.
    baseline_facts
        Results that describe the subject at baseline, as further covariates.
    visits_listed
        Whether the table ``timepoints`` knows the subject; responses alone begin after their baseline.
    remarks
        What is odd about the tables, for the people who keep them.
    """

    clinical: ClinicalRecord
    visits: tuple[ImagedVisit, ...] = ()
    judged: Mapping[str, tuple[Judged, ...]] = field(default_factory=dict)
    reader: str | None = None
    progression: Progression = field(default_factory=Progression)
    treated: tuple[TreatedTrack, ...] = ()
    unread: str | None = None
    baseline_facts: dict[str, Any] = field(default_factory=dict)
    visits_listed: bool = True
    remarks: tuple[str, ...] = ()

    @property
    def baseline(self) -> bool:
        """Whether a usable visit lies on or before treatment start (mission, "Two phases, two baselines")."""
        start = self.clinical.treatment_start_date
        if not self.visits_listed:
            return bool(self.judged)
        return start is not None and any(visit.usable and visit.date <= start for visit in self.visits)

    def imaging(self, compartment: str) -> tuple[dt.date, ...]:
        """Return the days on which a compartment was imaged."""
        if compartment == Compartment.HEPATIC:
            return tuple(visit.date for visit in self.visits if visit.liver)
        return tuple(visit.date for visit in self.visits if visit.extrahepatic)

    def assessments(self, rules: str) -> tuple[Assessed, ...]:
        """Return the assessments after treatment start; adequate when evaluable and completely imaged (section 11)."""
        complete = {visit.timepoint: visit.complete for visit in self.visits}
        return tuple(
            Assessed(
                date=visit.date,
                adequate=visit.evaluable and complete.get(visit.timepoint, True),
                timepoint=visit.timepoint,
            )
            for visit in self.judged.get(rules, ())
        )

    def follow_up(self, *, start: dt.date, rules: str, pd_date: dt.date | None, settings: EventSettings) -> FollowUp:
        """Return what the censoring of progression-free survival needs, from ``start`` on.

        Raises
        ------
        ClinicalError
            If the dates contradict each other.
        """
        treatment_start = self.clinical.treatment_start_date or start
        return FollowUp(
            start=start,
            baseline=self.baseline,
            schedule=settings.schedule_from(treatment_start),
            assessments=self.assessments(rules),
            pd_date=pd_date,
            death_date=self.clinical.death_date,
            new_therapy_date=self.clinical.new_therapy(start),
            schedule_start=treatment_start,
        )

    def site_follow_up(self, start: dt.date) -> SiteFollowUp:
        """Return what competing events by site need, from ``start`` on.

        Raises
        ------
        ClinicalError
            If the dates contradict each other.
        """
        first = self.progression
        return SiteFollowUp(
            start=start,
            first_hepatic_pd_date=first.hepatic,
            first_extrahepatic_pd_date=first.extrahepatic,
            same_visit=first.site == "BOTH",
            death_date=self.clinical.death_date,
            liver_imaging=self.imaging(Compartment.HEPATIC),
            extrahepatic_imaging=self.imaging(Compartment.EXTRAHEPATIC),
            unsited_pd_date=first.date if first.site is None else None,
        )


def read_record(subject_id: str, sources: Sources, settings: EventSettings) -> SubjectRecord:
    """Gather one subject's record from the tables.

    The clinical table ``subjects`` counts where it has the subject, else the row of ``cohort/subjects``.

    Raises
    ------
    LesiontrackError
        If a cell cannot be read.
    """
    own = sources.clinical.get(subject_id, [])
    cohort = sources.cohort.get(subject_id, [])
    clinical = clinical_record(subject_id, own or _dates_only(cohort), sources.therapies.get(subject_id, []))
    clinical = clinical.until_cutoff()
    responses = judged_visits(subject_id, sources.responses.get(subject_id, []))
    listed = sources.timepoints.get(subject_id, [])
    rows: Sequence[Mapping[str, Any]] = listed or _visits_of(responses)
    visits, wrong = imaged_visits(subject_id, rows, sources.coverage.get(subject_id, []), settings)
    chosen = choose_reader((visit.reader for visit in responses), settings)
    judged = {} if chosen.unresolved else _by_rules(responses, chosen.reader, clinical)
    return SubjectRecord(
        clinical=clinical,
        visits=tuple(visit for visit in visits if _known(visit.date, clinical)),
        judged=judged,
        reader=chosen.reader,
        progression=progression(judged.get(settings.primary_rules, ()), cohort[0] if cohort else {}),
        treated=_treated(subject_id, sources.tracks.get(subject_id, [])),
        unread=DISCORDANT if chosen.unresolved else None if rows else _unread(sources.failures.get(subject_id, [])),
        baseline_facts={name: cohort[0][name] for name in _BASELINE_FACTS if cohort and name in cohort[0]},
        visits_listed=bool(listed) or not rows,
        remarks=(*wrong, *(() if chosen.remark is None else (chosen.remark,))),
    )


def progression(visits: Sequence[Judged], cohort: Mapping[str, Any]) -> Progression:
    """Return the first progression of judged visits and the first by site.

    Source: response rules, section 9 and settled points: at one visit the earliest trigger dates it and every trigger
    gives its site; an equivocal lesion confirmed later moves it back, and site and reasons are then that lesion's.

    Parameters
    ----------
    cohort
        The subject's row of ``cohort/subjects``: gives sites where the responses do not state their triggers.
    """
    cues = progression_cues(visits)
    if not cues:
        return Progression()
    first = cues[0]
    if not all(cue.stated for cue in cues):
        return _as_summarised(cues, cohort)
    if first.backdated:
        deciding = [cue for cue in cues if cue.backdated and cue.first_timepoint == first.first_timepoint]
    else:
        deciding = [cue for cue in cues if cue.timepoint == first.timepoint]
    sites = {compartment for cue in deciding for compartment in cue.compartments}
    return Progression(
        date=first.date,
        cue=first,
        site="BOTH" if len(sites) > 1 else next(iter(sites), None),
        hepatic=_first_at(cues, Compartment.HEPATIC),
        extrahepatic=_first_at(cues, Compartment.EXTRAHEPATIC),
        cues=cues,
    )


def _unread(failures: Sequence[Mapping[str, Any]]) -> str:
    """Tell an error on the way from the images from images that were never there (or not in this run)."""
    stopped = [
        row
        for row in failures
        if as_text(row.get("severity")) != "WARNING" and as_text(row.get("stage")) not in ("clinical", "events")
    ]
    return "NOT_PROCESSED" if stopped else "NO_IMAGES"


def _as_summarised(cues: tuple[Cue, ...], cohort: Mapping[str, Any]) -> Progression:
    subject_id = str(cohort.get("subject_id", ""))
    dates = {
        name: as_date(cohort.get(name), column=name, subject_id=subject_id)
        for name in ("pd_date", "first_hepatic_pd_date", "first_extrahepatic_pd_date")
    }
    return Progression(
        date=dates["pd_date"] or cues[0].date,
        cue=cues[0],
        site=as_text(cohort.get("pd_site")),
        hepatic=dates["first_hepatic_pd_date"],
        extrahepatic=dates["first_extrahepatic_pd_date"],
        cues=cues,
    )


def _first_at(cues: Sequence[Cue], compartment: str) -> dt.date | None:
    return min((cue.date for cue in cues if compartment in cue.compartments), default=None)


def _known(date: dt.date, clinical: ClinicalRecord) -> bool:
    return clinical.data_cutoff_date is None or date <= clinical.data_cutoff_date


def _by_rules(
    responses: Sequence[Judged], reader: str | None, clinical: ClinicalRecord
) -> dict[str, tuple[Judged, ...]]:
    """Keep the reader's visits after treatment start and up to the cut-off, by rule set."""
    start = clinical.treatment_start_date
    judged: dict[str, tuple[Judged, ...]] = {}
    for visit in responses:
        if visit.reader == (reader or "") and _known(visit.date, clinical):
            known = judged.setdefault(visit.rules, ())
            if start is None or visit.date > start:
                judged[visit.rules] = (*known, visit)
    return judged


def _visits_of(responses: Sequence[Judged]) -> list[dict[str, Any]]:
    """Where no table of visits is there (reads without images), the judged visits are the visits."""
    seen = {visit.timepoint: visit.date for visit in responses}
    return [{"timepoint": timepoint, "date": date, "usable": True} for timepoint, date in sorted(seen.items())]


def _dates_only(cohort: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take the clinical dates of a row of ``cohort/subjects``; its other columns are results, not covariates."""
    keep = ("subject_id", "arm", "randomisation_date", "induction_start_date", "data_cutoff_date")
    dates = ("diagnosis_date", "enrolment_date", "treatment_start_date", "death_date", "last_alive_date")
    return [{key: row[key] for key in (*keep, *dates) if key in row} for row in cohort]


def _treated(subject_id: str, tracks: Sequence[Mapping[str, Any]]) -> tuple[TreatedTrack, ...]:
    found = []
    for row in tracks:
        date = as_date(row.get("treated_date"), column="tracks.treated_date", subject_id=subject_id)
        if date is None:
            continue
        track_id = as_text(row.get("track_id"))
        if track_id is None:
            raise ClinicalError("a track without a name", subject_id=subject_id)
        compartment = as_text(row.get("compartment")) or Compartment.HEPATIC.value
        found.append(TreatedTrack(track_id=track_id, compartment=compartment, date=date))
    return tuple(sorted(found, key=lambda track: track.track_id))
