"""judge(history, settings) -> Judgement: both phases under every criterion, eligibility, robustness."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from lesiontrack.assess.criteria import PRIMARY, by_every_criterion, criteria
from lesiontrack.assess.eligibility import judge_eligibility
from lesiontrack.assess.findings import ReaderRows
from lesiontrack.assess.looks import LookState
from lesiontrack.assess.phase_reads import PhaseReads, Readings
from lesiontrack.assess.phases import Phases, split_phases
from lesiontrack.assess.robustness import judge_choices
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.assess.sums import progressed
from lesiontrack.assess.targets import TargetChoices
from lesiontrack.domain.history import History
from lesiontrack.domain.outcome import ExploratoryPoint, Judgement, PhaseJudgement, Query
from lesiontrack.domain.reads import Phase, Reads
from lesiontrack.domain.study import Site

__all__ = ["baselines", "judge", "judged_reads", "timepoint_phases"]

# Volume growth that goes with 20 % in diameter (RECIST 1.1, 4.3.4): 1.2 to the third power.
_VOLUME_GROWTH = 1.73
_LIVER = ("LIVER", "HEPATIC")


def judge(history: History, settings: AssessSettings, *, reader: str | None = None) -> Judgement:
    """Judge one subject from what its images, clinical facts and readers say.

    Parameters
    ----------
    history
        With or without decisions replayed onto it.
    reader
        Whose history it is, by default the one that the history names; what is judged from ``machine`` alone is
        provisional.
    """
    reader = reader or history.reading.reader
    readings = Readings(history, settings, reader)
    phases = split_phases(history.subject, readings.rows.visits)
    queries = [*readings.rows.queries(), *_unplaced_queries(readings)]
    judged: dict[Phase, PhaseJudgement] = {}
    for part in _parts(history, readings, phases):
        judged[part.phase] = _judge_phase(part, settings)
        queries.extend(part.queries)
    induction, study = judged.get(Phase.INDUCTION), judged.get(Phase.STUDY)
    curves = tuple(_curve(readings))
    first = induction.assessments.get(PRIMARY) if induction is not None else None
    return Judgement(
        subject_id=history.subject.subject_id,
        reader=reader,
        induction=induction,
        study=study,
        eligibility=judge_eligibility(history, phases, first, settings),
        phases=phases.labels,
        regions=_regions(history),
        curves=curves,
        missing=phases.missing,
        queries=(*queries, *_growth_queries(curves, phases, settings)),
    )


def judged_reads(history: History, settings: AssessSettings) -> tuple[Reads, ...]:
    """Return what `judge` judges: the reads of each phase that has visits, induction first."""
    readings = Readings(history, settings, history.reading.reader)
    phases = split_phases(history.subject, readings.rows.visits)
    return tuple(_reads(part) for part in _parts(history, readings, phases))


def _parts(history: History, readings: Readings, phases: Phases) -> Iterable[PhaseReads]:
    clinical = history.subject.clinical
    if phases.induction:
        yield PhaseReads(readings, Phase.INDUCTION, phases.induction, _induction_start(history, phases))
    if phases.study:
        yield PhaseReads(readings, Phase.STUDY, phases.study, clinical.treatment_start_date if clinical else None)


def _reads(part: PhaseReads) -> Reads:
    return part.reads(part.proposal())


def timepoint_phases(history: History) -> Mapping[int, str]:
    """Return the phase of each visit, as the table ``timepoints`` has it: INDUCTION, STUDY, BOTH."""
    return split_phases(history.subject, ReaderRows(history).visits).labels


def baselines(history: History) -> frozenset[int]:
    """Return the visits from which a phase starts: roles are given there."""
    phases = split_phases(history.subject, ReaderRows(history).visits)
    return frozenset(part[0] for part in (phases.induction, phases.study) if part)


def _induction_start(history: History, phases: Phases) -> dt.date:
    """Day 0 of the induction phase: the start of induction where known, else its baseline."""
    clinical = history.subject.clinical
    started = clinical.induction_start_date if clinical else None
    return started or history.visit(phases.induction[0]).date


def _judge_phase(part: PhaseReads, settings: AssessSettings) -> PhaseJudgement:
    """Judge one phase under every criterion, and the primary one under every choice of targets."""
    targets = part.proposal()
    reads = part.reads(targets)
    primary = criteria()[PRIMARY]
    choices = TargetChoices(part.candidates(), settings)
    return PhaseJudgement(
        phase=part.phase,
        baseline_timepoint=part.timepoints[0],
        timepoints=part.timepoints,
        assessments=by_every_criterion(reads, settings),
        roles=part.roles(targets),
        robustness=judge_choices(part.phase, PRIMARY, choices, lambda chosen: primary(part.reads(chosen), settings)),
    )


def _curve(readings: Readings) -> Iterable[ExploratoryPoint]:
    """Yield all lesions of each usable visit together: diameters and volume, beside RECIST."""
    looks = readings.looks
    for visit in readings.history.subject.visits:
        if not visit.usable:
            continue
        tracks = [t for t in looks.tracks.values() if t.parent_track_id not in looks.tracks]
        seen = [x for track in tracks for x in looks.lesions(track.track_id, visit.timepoint)]
        known = [t.track_id for t in tracks if t.first_timepoint <= visit.timepoint]
        yield ExploratoryPoint(
            timepoint=visit.timepoint,
            date=visit.date,
            n_lesions=len(seen),
            all_lesion_sum_mm=looks.total_mm(seen),
            total_volume_mm3=float(sum(lesion.volume_mm3 for lesion in seen)),
            complete=all(looks.at(name, visit.timepoint).state is not LookState.NE for name in known),
        )


def _growth_queries(curves: tuple[ExploratoryPoint, ...], phases: Phases, settings: AssessSettings) -> Iterable[Query]:
    """Propose, never decide: all lesions together grew as much as would be progression (response rules, section 5)."""
    study = [point for point in curves if point.timepoint in phases.study]
    for index, point in enumerate(study):
        earlier = study[:index]
        if not earlier:
            continue
        smallest_mm = min(other.all_lesion_sum_mm for other in earlier)
        smallest_mm3 = min(other.total_volume_mm3 for other in earlier)
        if progressed(point.all_lesion_sum_mm, smallest_mm, settings) or (
            smallest_mm3 > 0 and point.total_volume_mm3 >= _VOLUME_GROWTH * smallest_mm3
        ):
            text = (
                f"all lesions together: {point.all_lesion_sum_mm} mm against {smallest_mm} mm at best; "
                "unequivocal progression of non-targets is a reader's to say"
            )
            yield Query(code="ALL_LESION_GROWTH", text=text, timepoint=point.timepoint)


def _unplaced_queries(readings: Readings) -> Iterable[Query]:
    """Say which local treatments no track was found for."""
    clinical = readings.history.subject.clinical
    placed = {(t.date, t.method) for track in readings.history.tracks for t in track.treatments}
    for row in clinical.local_treatments if clinical else ():
        if (row.date, row.method) not in placed:
            text = f"{row.method} of {row.date.isoformat()}: no lesion is known that it treated"
            yield Query(code="TREATMENT_UNPLACED", text=text)


def _regions(history: History) -> dict[int, tuple[str, ...]]:
    """Return the regions assessed at each visit: the liver when usable, and what ``coverage`` and the scans say.

    Regions outside the liver of which nothing is said are not listed here; whether they are taken as imaged is a
    setting of event derivation (``assume_extrahepatic_imaged``).
    """
    clinical = history.subject.clinical
    found: dict[int, tuple[str, ...]] = {}
    for visit in history.subject.visits:
        first = min(scan.date for scan in visit.scans)
        stated = {
            row.region.upper(): row.assessed
            for row in (clinical.coverage if clinical else ())
            if first <= row.date <= visit.date
        }
        # What an unusable visit imaged nobody has assessed, unless the table ``coverage`` says so.
        seen = [scan for scan in visit.scans if scan.usable] if visit.usable else []
        regions = {region for scan in seen for region in scan.regions}
        regions |= {Site.LIVER.value} if visit.usable else set()
        regions |= {region for region, assessed in stated.items() if assessed}
        denied = {region for region, assessed in stated.items() if not assessed}
        if denied & set(_LIVER):
            denied |= set(_LIVER)
        found[visit.timepoint] = tuple(sorted(regions - denied))
    return found
