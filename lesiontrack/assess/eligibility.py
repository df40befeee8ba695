"""Ten or more colorectal liver metastases, and disease control (mission; contract, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

from lesiontrack.assess.phases import Phases
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.history import History
from lesiontrack.domain.lesion import Certainty, Lesion
from lesiontrack.domain.outcome import Assessment, Eligibility, Response
from lesiontrack.domain.study import Compartment

__all__ = ["judge_eligibility"]

_CONTROLLED = (Response.CR, Response.PR, Response.SD, Response.NON_CR_NON_PD, Response.NED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    low: int
    hepatic: int
    high: int
    deciding: tuple[str, ...]


def judge_eligibility(
    history: History, phases: Phases, induction: Assessment | None, settings: AssessSettings
) -> Eligibility:
    """Judge eligibility: the count on the first scan, disease control at the last one before treatment.

    Parameters
    ----------
    induction
        The induction phase as judged; None without a baseline.
    """
    count = None if phases.induction_baseline is None else _count(history, phases.induction_baseline)
    response, control = _disease_control(phases, induction)
    countable = _count_eligible(count, settings)
    return Eligibility(
        count_hepatic=count.hepatic if count else None,
        count_low=count.low if count else None,
        count_high=count.high if count else None,
        count_eligible=countable,
        deciding_lesions=count.deciding if count else (),
        margin_to_limit=count.hepatic - settings.count_limit if count else None,
        induction_response=response,
        disease_control=control,
        eligible=_eligible(countable, control),
        extrahepatic_at_baseline=_extrahepatic(history, phases),
        flags=_flags(history, phases),
    )


def _count(history: History, timepoint: int) -> _Count:
    """Count hepatic lesions: all; only those surely there; and as many as confluent masks may hold."""
    track_of = {key: track.track_id for track in history.tracks for key in track.lesions}
    hepatic = [x for x in history.lesions_at(timepoint) if x.compartment is Compartment.HEPATIC]
    probable = [lesion for lesion in hepatic if lesion.certainty is Certainty.PROBABLE]
    unsure = [lesion for lesion in hepatic if lesion in probable or lesion.max_components > 1]
    return _Count(
        low=len(hepatic) - len(probable),
        hepatic=len(hepatic),
        high=sum(lesion.max_components for lesion in hepatic),
        deciding=tuple(sorted(_name(lesion, track_of) for lesion in unsure)),
    )


def _name(lesion: Lesion, track_of: dict[tuple[int, int], str]) -> str:
    return track_of.get((lesion.timepoint, lesion.lesion_id), f"lesion {lesion.lesion_id}")


def _count_eligible(count: _Count | None, settings: AssessSettings) -> str:
    if count is None:
        return "UNCERTAIN"
    if count.low >= settings.count_limit:
        return "YES"
    return "NO" if count.high < settings.count_limit else "UNCERTAIN"


def _disease_control(phases: Phases, induction: Assessment | None) -> tuple[Response | None, str]:
    """Return the induction response at the study baseline, and whether it is disease control.

    PD there or at any earlier induction visit: NO. NE, or fewer than two visits before treatment: NOT ASSESSED.
    """
    visits = induction.visits if induction is not None else ()
    if phases.study_baseline is None or not visits:
        return None, "NOT ASSESSED"
    response = visits[-1].overall
    if any(visit.overall is Response.PD for visit in visits):
        return response, "NO"
    return response, "YES" if response in _CONTROLLED else "NOT ASSESSED"


def _eligible(count_eligible: str, disease_control: str) -> str:
    if "NO" in (count_eligible, disease_control):
        return "NO"
    return "YES" if (count_eligible, disease_control) == ("YES", "YES") else "UNCERTAIN"


def _extrahepatic(history: History, phases: Phases) -> bool | None:
    """Tell whether disease outside the liver is seen at the study baseline, or without one at the first scan."""
    timepoint = phases.study_baseline if phases.study_baseline is not None else phases.induction_baseline
    if timepoint is None:
        return None
    return any(lesion.compartment is Compartment.EXTRAHEPATIC for lesion in history.lesions_at(timepoint))


def _flags(history: History, phases: Phases) -> tuple[str, ...]:
    found = []
    if phases.induction_baseline is None:
        found.append("count not assessed: no scan before treatment")
    else:
        clinical = history.subject.clinical
        started = clinical.induction_start_date if clinical else None
        if started is not None and history.visit(phases.induction_baseline).date > started:
            found.append("count after chemotherapy: the first scan is after induction_start_date")
    return tuple(found)
