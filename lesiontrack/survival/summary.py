"""The whole statistics document of an events table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lesiontrack.errors import SettingsError
from lesiontrack.survival.comparisons import Comparison, compare_groups
from lesiontrack.survival.estimates import Json, group_block, interval_block
from lesiontrack.survival.intake import EndpointData, Plan, endpoints
from lesiontrack.survival.settings import SurvivalSettings

__all__ = ["summarise", "summarise_endpoint", "with_horizons"]


def summarise(
    events: pd.DataFrame,
    *,
    by: str | None = None,
    times: Sequence[float] | None = None,
    tau: float | None = None,
    strata: str | None = None,
    adjust: Sequence[str] = (),
    settings: SurvivalSettings | None = None,
) -> Json:
    """Return the estimates and comparisons of every endpoint in ``events``.

    Parameters
    ----------
    events
        ``time_days``, ``status`` (0 censored, 1 event, 2 competing); optional ``subject_id``, ``endpoint`` (without
        it the table is one endpoint named ``EVENT``), ``entry_days`` (delayed entry), ``track_id`` (lesions: standard
        errors are then clustered by subject), and the columns named below. Times are in any one unit.
    by
        Column of the groups; None for one group, ``ALL``.
    times, tau
        Landmarks and the horizon of the restricted mean, in the unit of ``time_days``; None for the settings'.
    strata
        Column of the strata of stratified comparisons.
    adjust
        Covariates of adjusted models.
    settings
        Everything else.

    Returns
    -------
    dict
        ``{"endpoints": {name: {"dropped", "groups", "comparisons"}}}``, ready for JSON: no NaN, no infinity; what
        cannot be estimated is None with a ``note``.

    Raises
    ------
    TableError
        A column is missing, or a value is impossible (the subject is named).
    SettingsError
        A landmark or horizon is not a positive number.
    """
    chosen = with_horizons(settings or SurvivalSettings(), times, tau)
    plan = Plan(by=by, strata=strata, adjust=tuple(adjust))
    return {"endpoints": {data.name: summarise_endpoint(data, plan, chosen) for data in endpoints(events, plan)}}


def with_horizons(settings: SurvivalSettings, times: Sequence[float] | None, tau: float | None) -> SurvivalSettings:
    """Return the settings with the landmarks and horizon of a call, checked."""
    changed: dict[str, object] = {}
    if times is not None:
        if any(not 0 <= time < float("inf") for time in times):
            raise SettingsError("a landmark time is impossible", found=str(list(times)), expected="0 or more")
        changed["times"] = tuple(sorted(set(times)))
    if tau is not None:
        if not 0 < tau < float("inf"):
            raise SettingsError("the horizon tau is impossible", found=str(tau), expected="more than 0")
        changed["tau"] = tau
    return settings.model_copy(update=changed)


def summarise_endpoint(data: EndpointData, plan: Plan, settings: SurvivalSettings) -> Json:
    """Return the block of one endpoint."""
    groups = {
        label: group_block(data.members(place), settings, competing=data.competing)
        for place, label in enumerate(data.labels)
    }
    if data.interval is not None and not (data.competing or data.sample.delayed):
        for place, label in enumerate(data.labels):
            left, right = (ends[data.group == place] for ends in data.interval)
            groups[label]["interval_censored"] = interval_block(left, right, settings)
    block: Json = {
        "dropped": {"n": sum(data.dropped.values()), "why": data.dropped},
        "groups": groups,
        "comparisons": compare_groups(Comparison(data=data, plan=plan, settings=settings, groups=groups)),
    }
    notes = _notes(data)
    return block | ({"notes": notes} if notes else {})


def _notes(data: EndpointData) -> list[str]:
    """Say what was done that a reader would not expect."""
    notes = []
    if data.sample.n == 0:
        notes.append("no usable row: nothing is estimable")
    if data.competing:
        notes.append(
            "cumulative incidence by Aalen-Johansen with delta-method standard errors; cox and log_rank are "
            "cause-specific (competing events censored)"
        )
    if data.sample.cluster is not None:
        notes.append(
            "rows are lesions: standard errors of rates, restricted means, log-rank, Cox and Fine-Gray are clustered "
            "by subject; the beta product interval and Gray's test are not defined"
        )
    if data.sample.delayed:
        notes.append(
            "delayed entry: a subject is at risk after its entry; the beta product interval, Gray's test and "
            "Fine-Gray's model are not defined"
        )
    return notes
