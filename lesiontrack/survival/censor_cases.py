"""Censoring cases judged by the rules: the document ``censoring.json`` (contract, section 5)."""

from __future__ import annotations

from typing import Any

from lesiontrack.domain.follow_up import Cause, CensoringCases, CompetingCase, EventStatus, FollowUp, Outcome, PfsCase
from lesiontrack.survival.censor import any_site, first_site, pfs_ema, pfs_fda

__all__ = ["censoring_document"]

_CODE_DEATH = 2
_CODE_OTHER_SITE_FIRST = 3


def censoring_document(cases: CensoringCases) -> dict[str, list[dict[str, Any]]]:
    """Judge every case.

    Returns
    -------
    dict
        ``{"pfs": [{"id", "fda", "ema"}], "competing": [{"id", "any_liver", "first_site_liver", "any_extrahepatic"}]}``
        with dates in ISO 8601, days as date differences, and the competing codes 0 censored, 1 event of interest,
        2 death, 3 other progression first. A case that cannot be judged has nulls and ``error``.
    """
    return {"pfs": [_pfs(case) for case in cases.pfs], "competing": [_competing(case) for case in cases.competing]}


def _pfs(case: PfsCase) -> dict[str, Any]:
    if case.follow_up is None:
        return {"id": case.case_id, "fda": None, "ema": None, "error": case.error}
    return {
        "id": case.case_id,
        "fda": _result(case.follow_up, pfs_fda(case.follow_up)),
        "ema": _result(case.follow_up, pfs_ema(case.follow_up)),
    }


def _result(follow_up: FollowUp, outcome: Outcome) -> dict[str, Any]:
    return {
        "date": outcome.date.isoformat(),
        "event": int(outcome.status is EventStatus.EVENT),
        "reason": outcome.reason.value,
        "days": (outcome.date - follow_up.start).days,
    }


def _competing(case: CompetingCase) -> dict[str, Any]:
    if case.follow_up is None:
        empty = dict.fromkeys(("any_liver", "first_site_liver", "any_extrahepatic"))
        return {"id": case.case_id, **empty, "error": case.error}
    return {
        "id": case.case_id,
        "any_liver": _coded(any_site(case.follow_up, Cause.HEPATIC)),
        "first_site_liver": _coded(first_site(case.follow_up, Cause.HEPATIC)),
        "any_extrahepatic": _coded(any_site(case.follow_up, Cause.EXTRAHEPATIC)),
    }


def _coded(outcome: Outcome) -> list[str | int]:
    code = int(outcome.status)
    if outcome.status is EventStatus.COMPETING:
        code = _CODE_DEATH if outcome.cause is Cause.DEATH else _CODE_OTHER_SITE_FIRST
    return [outcome.date.isoformat(), code]
