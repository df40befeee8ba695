"""Target response at a visit: the conditions of the response rules, section 4, in their order; the first hit wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from lesiontrack.assess.settings import AssessSettings
from lesiontrack.assess.sums import TargetSum, progressed
from lesiontrack.domain.outcome import Reason, Response

__all__ = ["TARGET_RULES", "TargetCourse", "target_response"]

_4_3_1 = "RECIST 1.1, 4.3.1"
_4_4_2 = "RECIST 1.1, 4.4.2"


@dataclass(slots=True)
class TargetCourse:
    """What the targets did since the baseline in force.

    Attributes
    ----------
    baseline
        The baseline's sum; without a complete one nothing can be compared.
    nadir
        The earliest visit with the smallest complete sum so far, baseline included; None when the baseline is not
        complete.
    had_cr
        A target CR at an earlier visit.
    response_holds
        A target CR or PR since the last overall PD (for ``sticky_pr``).
    """

    baseline: TargetSum
    nadir: TargetSum | None
    had_cr: bool = False
    response_holds: bool = False

    @classmethod
    def start(cls, baseline: TargetSum) -> TargetCourse:
        """Begin at a baseline or re-baseline: an incomplete one sets neither baseline nor nadir sum."""
        return cls(baseline=baseline, nadir=None if baseline.missing else baseline)

    def advance(self, now: TargetSum, target: Response, overall: Response) -> None:
        """Take in a visit, after it was judged. Incomplete sums never set the nadir."""
        if self.nadir is not None and not now.missing and now.known_mm < self.nadir.known_mm:
            self.nadir = now
        self.had_cr = self.had_cr or target is Response.CR
        self.response_holds = self.response_holds or target in (Response.CR, Response.PR)
        if overall is Response.PD:
            self.response_holds = False


@dataclass(frozen=True, slots=True)
class _Case:
    """The numbers a condition looks at."""

    now: TargetSum
    baseline_mm: Decimal
    nadir: TargetSum
    course: TargetCourse
    settings: AssessSettings

    def reason(self, rule: str, outcome: Response, section: str, text: str, *more: tuple[str, Decimal]) -> Reason:
        return Reason(
            rule=f"target.{rule}",
            section=section,
            outcome=outcome.value,
            text=text,
            lesions=self.now.measured,
            numbers=(
                ("sum_mm", self.now.known_mm),
                ("baseline_mm", self.baseline_mm),
                ("nadir_mm", self.nadir.known_mm),
                *more,
            ),
            scans=self.now.scans,
        )

    def growth(self) -> tuple[tuple[str, Decimal], ...]:
        return (
            ("change_mm", self.now.known_mm - self.nadir.known_mm),
            ("pd_abs_mm", self.settings.pd_abs_mm),
            ("pd_pct", self.settings.pd_pct),
        )


_Rule = Callable[[_Case], tuple[Response, Reason] | None]


def partial_sum_progression(case: _Case) -> tuple[Response, Reason] | None:
    """Condition 1: a target is missing, and what is known already proves progression."""
    if not case.now.missing or not case.settings.partial_pd:
        return None
    if not progressed(case.now.known_mm, case.nadir.known_mm, case.settings):
        return None
    text = (
        "the known part {sum_mm} mm of an incomplete sum is {change_mm} mm over the nadir {nadir_mm} mm, at least "
        "{pd_abs_mm} mm and {pd_pct} %"
    )
    return Response.PD, case.reason("pd_partial_sum", Response.PD, _4_4_2, text, *case.growth())


def incomplete(case: _Case) -> tuple[Response, Reason] | None:
    """Condition 2: a target is missing, and nothing is proved."""
    if not case.now.missing:
        return None
    reason = Reason(
        rule="target.ne_missing",
        section=_4_4_2,
        outcome=Response.NE.value,
        text="no value for these targets; what is known, {known_mm} mm, proves no progression",
        lesions=case.now.missing,
        numbers=(("known_mm", case.now.known_mm), ("nadir_mm", case.nadir.known_mm)),
        scans=case.now.scans,
    )
    return Response.NE, reason


def complete_response(case: _Case) -> tuple[Response, Reason] | None:
    """Condition 3: every non-node gone and every node normal; the sum need not be 0."""
    if any(value.is_visible(case.settings.node_normal_mm) for value in case.now.values):
        return None
    text = "all targets are gone, nodes are below {node_normal_mm} mm"
    limit = ("node_normal_mm", case.settings.node_normal_mm)
    return Response.CR, case.reason("cr", Response.CR, _4_3_1, text, limit)


def sum_progression(case: _Case) -> tuple[Response, Reason] | None:
    """Condition 4: 20 % and 5 mm over the nadir; beats PR."""
    if not progressed(case.now.known_mm, case.nadir.known_mm, case.settings):
        return None
    text = "the sum {sum_mm} mm is {change_mm} mm over the nadir {nadir_mm} mm, at least {pd_abs_mm} mm and {pd_pct} %"
    return Response.PD, case.reason("pd_sum", Response.PD, _4_3_1, text, *case.growth())


def reappearance_after_target_cr(case: _Case) -> tuple[Response, Reason] | None:
    """Condition 5, an option: a target is seen again after a target CR."""
    if case.settings.reappear_after_cr != "target_cr" or not case.course.had_cr:
        return None
    text = "a target is seen again after a target CR; the sum is {sum_mm} mm"
    return Response.PD, case.reason("pd_after_target_cr", Response.PD, "rule book, 4, condition 5", text)


def partial_response(case: _Case) -> tuple[Response, Reason] | None:
    """Condition 6: 30 % below the baseline."""
    if 100 * case.now.known_mm > (100 - case.settings.pr_pct) * case.baseline_mm:
        return None
    text = "the sum {sum_mm} mm is at least {pr_pct} % below the baseline {baseline_mm} mm"
    return Response.PR, case.reason("pr", Response.PR, _4_3_1, text, ("pr_pct", case.settings.pr_pct))


def continuing_partial_response(case: _Case) -> tuple[Response, Reason] | None:
    """Condition 7, an option: a response goes on until progression."""
    if not case.settings.sticky_pr or not case.course.response_holds:
        return None
    text = "an earlier response goes on, since nothing progressed; the sum is {sum_mm} mm"
    return Response.PR, case.reason("pr_continues", Response.PR, "rule book, 4, condition 7", text)


def stable_disease(case: _Case) -> tuple[Response, Reason] | None:
    """Condition 8: neither response nor progression."""
    text = "the sum {sum_mm} mm is neither PR against {baseline_mm} mm nor PD against the nadir {nadir_mm} mm"
    return Response.SD, case.reason("sd", Response.SD, _4_3_1, text, *case.growth())


TARGET_RULES: tuple[_Rule, ...] = (
    partial_sum_progression,
    incomplete,
    complete_response,
    sum_progression,
    reappearance_after_target_cr,
    partial_response,
    continuing_partial_response,
    stable_disease,
)


def target_response(now: TargetSum, course: TargetCourse, settings: AssessSettings) -> tuple[Response, Reason]:
    """Return the target response of a visit and why.

    Without targets it is NA; with an incomplete baseline NE for ever (response rules, section 4, note f).
    """
    if not now.values and not now.missing:
        return Response.NA, Reason(rule="target.na", section=_4_3_1, outcome="NA", text="there is no target")
    if course.nadir is None:
        reason = Reason(
            rule="target.ne_no_baseline",
            section="rule book, 4, note f",
            outcome="NE",
            text="the baseline has no value for these targets, so nothing can be compared",
            lesions=course.baseline.missing,
            scans=course.baseline.scans,
        )
        return Response.NE, reason
    case = _Case(now, course.baseline.known_mm, course.nadir, course, settings)
    for rule in TARGET_RULES:
        hit = rule(case)
        if hit is not None:
            return hit
    raise AssertionError("stable_disease always holds")
