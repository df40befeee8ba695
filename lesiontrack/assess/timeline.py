"""One subject's visits, judged in time order: the state that a baseline starts and each visit moves on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from lesiontrack.assess.local import LocalPlan, Stage, VisitPlan
from lesiontrack.assess.nontarget import SITE_AS_NONTARGET, non_target_response
from lesiontrack.assess.overall import Components, overall_response
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.assess.sums import TargetSum, add_up
from lesiontrack.assess.target import TargetCourse, target_response
from lesiontrack.assess.triggers import Sighting, TriggerFinder
from lesiontrack.domain.outcome import Query, Reason, Response, Trigger, VisitResponse
from lesiontrack.domain.reads import NewStatus, NonTargetStatus, ReadLesion, Reads, ReadVisit

__all__ = ["Timeline", "judge_visits"]

_TREATMENT = "rule book, 10, rebaseline 2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All visits after the baseline, judged, and what came up on the way."""

    baseline: TargetSum
    visits: tuple[VisitResponse, ...]
    queries: tuple[Query, ...]


@dataclass(slots=True)
class _State:
    """What the visits so far leave behind."""

    course: TargetCourse
    disease_free: bool
    had_complete_response: bool = False
    progressed: bool = False
    first_sights: dict[str, Sighting] = field(default_factory=dict)
    sums: list[TargetSum] = field(default_factory=list)


def judge_visits(reads: Reads, settings: AssessSettings) -> Timeline:
    """Judge every visit after the baseline (response rules, sections 4 to 7 and 10)."""
    return _Walk(reads, settings).run()


class _Walk:
    """The way through one subject's visits."""

    def __init__(self, reads: Reads, settings: AssessSettings) -> None:
        self.reads = reads
        self.settings = settings
        self.plan = LocalPlan(reads, settings)
        self.targets: Mapping[str, ReadLesion] = {x.lesion_id: x for x in reads.targets}
        self.nontargets = {x.lesion_id: x for x in reads.nontargets}
        self.baseline = add_up(reads.baseline, self.targets, settings)
        self.finder = TriggerFinder(reads, settings)
        self.queries: list[Query] = []
        self.state = _State(course=TargetCourse.start(self.baseline), disease_free=not reads.lesions)
        self.state.sums.append(self.baseline)

    def run(self) -> Timeline:
        judged: list[VisitResponse] = []
        for index in range(1, len(self.reads.visits)):
            response = self._visit(index)
            judged.append(response)
            self.state.progressed = self.state.progressed or response.overall is Response.PD
        if not self.plan.untouched:
            self.queries.extend(self.plan.queries())
        return Timeline(baseline=self.baseline, visits=tuple(judged), queries=tuple(self.queries))

    def _visit(self, index: int) -> VisitResponse:
        visit, plan = self.reads.visits[index], self.plan.at(index)
        new = self._new(visit, index)
        if plan.stage in (Stage.TREATMENT, Stage.REBASELINE):
            return self._treatment_phase(visit, plan, new)
        return self._ordinary(visit, plan, new)

    # --- an ordinary visit -----------------------------------------------------------------------------------------

    def _ordinary(self, visit: ReadVisit, plan: VisitPlan, new: list[Trigger]) -> VisitResponse:
        state, course = self.state, self.state.course
        targets = self._in_force(plan)
        now = add_up(visit, targets, self.settings, without=plan.lost, gone=plan.gone)
        target, target_reason = target_response(now, course, self.settings)
        statuses = self._statuses(visit, plan)
        non_target, nt_reason = non_target_response(statuses, self.settings)
        triggers = [*new, *self.finder.non_targets(visit, statuses), *self.finder.treated_sites(visit)]
        if target is Response.PD:
            triggers.append(self._sum_trigger(visit, now))
        if not triggers and state.had_complete_response:
            triggers.extend(self.finder.seen_again(visit, now, self._untreated(statuses, plan)))
        parts = Components(
            target=target, non_target=non_target, triggers=tuple(triggers), disease_free=state.disease_free
        )
        overall, overall_reason = overall_response(parts)
        response = VisitResponse(
            timepoint=visit.timepoint,
            date=visit.date,
            target=target,
            non_target=non_target,
            new_lesion=_new_lesion(visit, new),
            overall=overall,
            sum_mm=_sum_shown(now, target),
            baseline_sum_mm=course.baseline.complete_mm if targets else None,
            nadir_sum_mm=course.nadir.known_mm if course.nadir and targets else None,
            nadir_timepoint=course.nadir.timepoint if course.nadir and targets else None,
            provisional=visit.provisional,
            post_pd=state.progressed,
            reasons=(target_reason, nt_reason, *_new_reasons(new), overall_reason),
            triggers=tuple(triggers),
            site_status=_sites(visit),
            regions=visit.regions,
        )
        course.advance(now, target, overall)
        state.sums.append(now)
        state.had_complete_response = state.had_complete_response or overall in (Response.CR, Response.NED)
        return response

    def _in_force(self, plan: VisitPlan) -> Mapping[str, ReadLesion]:
        if not plan.left:
            return self.targets
        return {name: lesion for name, lesion in self.targets.items() if name not in plan.left}

    def _statuses(self, visit: ReadVisit, plan: VisitPlan) -> dict[str, NonTargetStatus]:
        """Return what each non-target and each treated site acts as; what is not mentioned is NE."""
        read = {x.lesion: x.status for x in visit.nontargets}
        statuses: dict[str, NonTargetStatus] = {}
        for name in self.nontargets:
            status = read.get(name, NonTargetStatus.NE)
            if name in plan.left:
                continue
            if name in plan.gone and status is NonTargetStatus.NE:
                status = NonTargetStatus.ABSENT
            statuses[name] = NonTargetStatus.NE if name in plan.lost else status
        if plan.sites:
            sites = {x.lesion: SITE_AS_NONTARGET[x.status] for x in visit.sites}
            for name in sorted(plan.sites):
                statuses[name] = sites.get(name, read.get(name, NonTargetStatus.NE))
        return statuses

    def _untreated(self, statuses: Mapping[str, NonTargetStatus], plan: VisitPlan) -> list[str]:
        """Return non-targets that are seen; residual tumour at a treated site is queried, not converted."""
        return [
            name for name, status in statuses.items() if status is NonTargetStatus.PRESENT and name not in plan.sites
        ]

    def _sum_trigger(self, visit: ReadVisit, now: TargetSum) -> Trigger:
        course = self.state.course
        trigger, query = self.finder.target_sum(visit, now, course.nadir or course.baseline, course.baseline)
        self.queries.extend(query)
        return trigger

    # --- between treatment and re-baseline -------------------------------------------------------------------------

    def _treatment_phase(self, visit: ReadVisit, plan: VisitPlan, new: list[Trigger]) -> VisitResponse:
        growth = self._growth(visit, plan)
        triggers = [*new, *self.finder.treated_sites(visit)]
        if self.settings.pd_in_treatment_phase:
            triggers.extend(growth)
        rebaseline = plan.stage is Stage.REBASELINE
        remaining = self._in_force(plan)
        now = add_up(visit, remaining, self.settings, without=plan.lost)
        if triggers:
            overall, reason = overall_response(
                Components(target=Response.NE, non_target=Response.NE, triggers=tuple(triggers), disease_free=False)
            )
        else:
            overall, reason = _waiting(rebaseline)
        if growth and not self.settings.pd_in_treatment_phase:
            text = "growth of untreated disease between treatment and re-baseline; no progression by the settings"
            lesions = tuple(name for trigger in growth for name in trigger.lesions)
            self.queries.append(
                Query(code="TREATMENT_PHASE_GROWTH", text=text, timepoint=visit.timepoint, lesions=lesions)
            )
        response = VisitResponse(
            timepoint=visit.timepoint,
            date=visit.date,
            target=_target_in_phase(rebaseline, bool(remaining if rebaseline else self.targets)),
            non_target=Response.NA if rebaseline or not self.nontargets else Response.NE,
            new_lesion=_new_lesion(visit, new),
            overall=overall,
            sum_mm=now.complete_mm if rebaseline and remaining else None,
            baseline_sum_mm=now.complete_mm if rebaseline and remaining else None,
            provisional=visit.provisional,
            post_pd=self.state.progressed,
            rebaseline=rebaseline,
            treatment_phase=True,
            reasons=(*_new_reasons(new), reason),
            triggers=tuple(triggers),
            treatment_phase_growth=tuple(replace(trigger, treatment_phase=True) for trigger in growth),
            site_status=_sites(visit),
            regions=visit.regions,
        )
        if rebaseline:
            self._restart(visit, plan, now, new)
        else:
            self.state.sums.append(add_up(visit, self.targets, self.settings))
        return response

    def _growth(self, visit: ReadVisit, plan: VisitPlan) -> list[Trigger]:
        """Find growth of lesions that the plan does not treat, against their own smallest sum so far."""
        untreated = frozenset(self.targets) - plan.planned - plan.left - plan.lost
        now = add_up(visit, self.targets, self.settings).restricted(untreated)
        earlier = [total.restricted(untreated) for total in self.state.sums]
        found = self.finder.growth(visit, now, earlier)
        statuses = {
            x.lesion: x.status for x in visit.nontargets if x.lesion not in plan.planned | plan.left | plan.lost
        }
        return [*found, *self.finder.non_targets(visit, statuses)]

    def _restart(self, visit: ReadVisit, plan: VisitPlan, now: TargetSum, new: list[Trigger]) -> None:
        """Begin anew: baseline and nadir of the untreated targets, and whether anything untreated is left."""
        read = {x.lesion: x.status for x in visit.nontargets}
        left_over = [name for name in self.nontargets if name not in plan.left]
        seen = any(read.get(name, NonTargetStatus.NE) is not NonTargetStatus.ABSENT for name in left_over)
        seen = seen or bool(now.missing) or bool(new)
        seen = seen or any(value.is_visible(self.settings.node_normal_mm) for value in now.values)
        self.state.course = TargetCourse.start(now)
        self.state.sums = [now]
        self.state.disease_free = not seen
        self.state.had_complete_response = False

    # --- new lesions -----------------------------------------------------------------------------------------------

    def _new(self, visit: ReadVisit, index: int) -> list[Trigger]:
        """Return a trigger for each unequivocal new lesion that the plan does not treat; remember first sights."""
        found: list[Trigger] = []
        for finding in visit.new:
            first = self.state.first_sights.setdefault(finding.lesion, Sighting.of(finding, visit))
            if finding.status is not NewStatus.UNEQUIVOCAL:
                continue
            if self.plan.plan_treats(finding, index):
                # Treated, it is no longer new: should it come back, that is a sight of its own.
                del self.state.first_sights[finding.lesion]
                text = "a new lesion that the plan treats: no progression"
                self.queries.append(
                    Query(
                        code="PLANNED_NEW_LESION",
                        text=text,
                        severity="NOTE",
                        timepoint=visit.timepoint,
                        lesions=(finding.lesion,),
                    )
                )
                continue
            found.append(self.finder.new_lesion(visit, finding, first))
        return found


def _sum_shown(now: TargetSum, target: Response) -> Decimal | None:
    """Return the sum a table shows: the known part where it proves progression, none where it is not evaluable."""
    if target in (Response.NE, Response.NA):
        return None
    return now.known_mm


def _target_in_phase(rebaseline: bool, any_target: bool) -> Response:
    """Return the target column between treatment and re-baseline, where nothing is judged (settled points)."""
    if not any_target:
        return Response.NA
    return Response.REBASELINE if rebaseline else Response.NE


def _waiting(rebaseline: bool) -> tuple[Response, Reason]:
    if rebaseline:
        outcome, rule, text = (
            Response.REBASELINE,
            "rebaseline",
            "first scan after the last planned session: the baseline restarts",
        )
    else:
        outcome, rule, text = Response.NE, "treatment_phase", "locally treated, and not yet re-baselined"
    return outcome, Reason(rule=f"overall.{rule}", section=_TREATMENT, outcome=outcome.value, text=text)


def _new_lesion(visit: ReadVisit, new: list[Trigger]) -> str:
    if new:
        return "YES"
    return "EQUIVOCAL" if any(x.status is NewStatus.EQUIVOCAL for x in visit.new) else "NO"


def _new_reasons(new: list[Trigger]) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            rule="new.unequivocal",
            section="RECIST 1.1, 4.3.5",
            outcome=Response.PD.value,
            text="an unequivocal new lesion",
            lesions=trigger.lesions,
            scans=trigger.scans,
        )
        for trigger in new
    )


def _sites(visit: ReadVisit) -> tuple[tuple[str, str], ...]:
    return tuple((site.lesion, site.status.value) for site in visit.sites)
