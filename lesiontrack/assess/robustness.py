"""How far response and date of progression depend on which lesions were chosen as targets (response rules, 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from lesiontrack.assess.targets import TargetChoices
from lesiontrack.domain.outcome import Assessment, Robustness
from lesiontrack.domain.reads import Phase

__all__ = ["judge_choices"]


def judge_choices(
    phase: Phase, rules: str, choices: TargetChoices, judged: Callable[[frozenset[str]], Assessment]
) -> Robustness:
    """Judge a phase under every admissible choice of targets, or a seeded sample of them.

    Parameters
    ----------
    judged
        Gives the assessment of the phase for a choice of targets.
    """
    found = [judged(chosen) for chosen in choices]
    dates = [assessment.pd_date for assessment in found if assessment.pd_date is not None]
    outcomes = {
        (a.bor_unconfirmed, a.bor_confirmed, a.pd_date, tuple(visit.overall for visit in a.visits)) for a in found
    }
    best = Counter(assessment.bor_unconfirmed.value for assessment in found)
    return Robustness(
        phase=phase,
        rules=rules,
        n_choices=len(found),
        n_admissible=choices.n_admissible,
        sampled=choices.sampled,
        n_pd=len(dates),
        pd_date_min=min(dates, default=None),
        pd_date_max=max(dates, default=None),
        overall_agreement=_agreement(found),
        response_depends_on_choice=len(outcomes) > 1,
        bor_counts=tuple(sorted(best.items())),
    )


def _agreement(found: Sequence[Assessment]) -> float | None:
    """Return the mean over visits of the share of choices that have the most frequent overall response."""
    by_visit = zip(*([visit.overall for visit in assessment.visits] for assessment in found), strict=True)
    shares = [max(Counter(overall).values()) / len(found) for overall in by_visit]
    return sum(shares) / len(shares) if shares else None
