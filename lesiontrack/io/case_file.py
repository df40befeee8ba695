"""One case of a case file (contract, section 5) -> Reads; every refusal names subject, visit and field."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import ValidationError

from lesiontrack.assess.organs import organ_of
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.lesion import Role
from lesiontrack.domain.reads import (
    Form,
    LocalTherapy,
    Measurement,
    NewLesionRead,
    NewStatus,
    NonTargetRead,
    NonTargetStatus,
    ReadLesion,
    Reads,
    ReadVisit,
    SiteRead,
    SiteStatus,
)
from lesiontrack.domain.study import Method, Site
from lesiontrack.errors import LesiontrackError, ReadsError
from lesiontrack.io.json_stream import DUPLICATE

__all__ = ["CaseParser", "parse_date", "parse_length_mm"]

_Code = TypeVar("_Code", bound=StrEnum)
_ROLES = {"TARGET": Role.TARGET, "NON-TARGET": Role.NON_TARGET, "NON_TARGET": Role.NON_TARGET}
_STATES = {"ABSENT": Form.ABSENT, "TSTM": Form.TSTM, "NE": Form.NE, "TREATED": Form.NE}
_MASS = "/"


def parse_length_mm(value: object, field: str) -> Decimal:
    """Return a length in mm exactly as written.

    Raises
    ------
    ReadsError
        If it is no number, is negative, or is written with a decimal comma.
    """
    if isinstance(value, str) and "," in value:
        raise ReadsError(f"{field} has a decimal comma", found=value, expected="a decimal point")
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ReadsError(f"{field} is no number", found=repr(value), expected="mm")
    try:
        length_mm = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation as error:
        raise ReadsError(f"{field} is no number", found=repr(value), expected="mm") from error
    if not length_mm.is_finite() or length_mm < 0:
        what = "is negative" if length_mm.is_finite() else "is no number"
        raise ReadsError(f"{field} {what}", found=str(value), expected="0 mm or more")
    return length_mm


def parse_date(value: object, field: str) -> dt.date:
    """Return an ISO 8601 calendar date.

    Raises
    ------
    ReadsError
        If it is none.
    """
    try:
        if isinstance(value, str) and len(value) == 10:
            return dt.date.fromisoformat(value)
    except ValueError:
        pass
    raise ReadsError(f"{field} is no date", found=repr(value), expected="YYYY-MM-DD")


class CaseParser:
    """Makes reads of cases; remembers settings by the options that made them."""

    def __init__(self, settings: AssessSettings, defaults: Mapping[str, Any] | None = None) -> None:
        self._settings = settings
        self._defaults = dict(defaults or {})
        self._known: dict[str, AssessSettings] = {}

    def settings_of(self, case: Mapping[str, Any], subject_id: str) -> AssessSettings:
        """Return the settings with the options of a case; an unknown option is refused.

        Raises
        ------
        ReadsError
            Naming the option.
        """
        options = {**self._defaults, **_mapping(case.get("options") or {}, "options")}
        if not options:
            return self._settings
        key = json.dumps(options, sort_keys=True, default=str)
        if key not in self._known:
            try:
                self._known[key] = AssessSettings.model_validate({**self._settings.model_dump(), **options})
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(str(part) for part in first["loc"]) or "options"
                raise ReadsError(
                    f"option {field}: {first['msg']}", subject_id=subject_id, found=repr(first.get("input"))
                ) from error
        return self._known[key]

    def reads(self, case: Mapping[str, Any], subject_id: str, settings: AssessSettings) -> Reads:
        """Return the reads of a case.

        Raises
        ------
        ReadsError
            Naming subject, visit and field.
        """
        try:
            return _reads(_mapping(case, "case"), subject_id, settings)
        except LesiontrackError as error:
            raise error.at(subject_id=subject_id) from error


def _reads(case: Mapping[str, Any], subject_id: str, settings: AssessSettings) -> Reads:
    points = _sequence(case.get("timepoints"), "timepoints")
    if not points:
        raise ReadsError("no timepoints", expected="at least a baseline")
    start, new_therapy, death = (
        None if case.get(field) is None else parse_date(case[field], field)
        for field in ("treatment_start", "new_therapy_date", "death_date")
    )
    return Reads(
        subject_id=subject_id,
        lesions=tuple(_lesion(_mapping(x, "lesions"), settings) for x in _sequence(case.get("lesions", []), "lesions")),
        therapies=tuple(
            _therapy(_mapping(x, "local_treatment"))
            for x in _sequence(case.get("local_treatment") or [], "local_treatment")
        ),
        visits=tuple(_visit_at(index, _mapping(x, "timepoints"), settings) for index, x in enumerate(points)),
        treatment_start=start,
        new_therapy_date=new_therapy,
        death_date=death,
        reader="reader",
    )


def _lesion(entry: Mapping[str, Any], settings: AssessSettings) -> ReadLesion:
    name = _text(entry.get("id"), "lesions.id")
    role = str(entry.get("role")).strip().upper()
    if role not in _ROLES:
        raise ReadsError(
            f"lesions.role of {name} is unknown", found=repr(entry.get("role")), expected="TARGET or NON-TARGET"
        )
    organ = organ_of(_text(entry.get("organ"), f"lesions.organ of {name}"), direct_extension=settings.direct_extension)
    return ReadLesion(
        lesion_id=name, role=_ROLES[role], organ=organ, node=_is_node(entry, organ, f"lesions.node of {name}")
    )


def _is_node(entry: Mapping[str, Any], organ: str, field: str) -> bool:
    node = entry.get("node")
    if node is None:
        return organ == Site.LYMPH_NODE
    if not isinstance(node, bool):
        raise ReadsError(f"{field} is neither true nor false", found=repr(node))
    return node


def _therapy(entry: Mapping[str, Any]) -> LocalTherapy:
    name = _text(entry.get("lesion"), "local_treatment.lesion")
    method = _code(Method, entry.get("method"), f"local_treatment.method of {name}")
    date = parse_date(entry.get("date"), f"local_treatment.date of {name}")
    planned = entry.get("planned")
    if planned is not None and not isinstance(planned, bool):
        raise ReadsError(f"local_treatment.planned of {name} is neither true nor false", found=repr(planned))
    session = entry.get("session")
    return LocalTherapy(
        lesion=name, method=method.value, date=date, planned=planned, session=None if session is None else str(session)
    )


def _visit_at(index: int, point: Mapping[str, Any], settings: AssessSettings) -> ReadVisit:
    try:
        return _visit(index, point, settings)
    except LesiontrackError as error:
        raise error.at(visit=str(point.get("date") or f"number {index}")) from error


def _visit(index: int, point: Mapping[str, Any], settings: AssessSettings) -> ReadVisit:
    date = parse_date(point.get("date"), "date")
    dates = {
        name: parse_date(value, f"lesion_dates.{name}")
        for name, value in _mapping(point.get("lesion_dates") or {}, "lesion_dates").items()
    }
    rebaseline = point.get("rebaseline", False)
    if not isinstance(rebaseline, bool):
        raise ReadsError("rebaseline is neither true nor false", found=repr(rebaseline))
    return ReadVisit(
        timepoint=index,
        date=date,
        targets=_targets(_mapping(point.get("targets") or {}, "targets"), dates),
        nontargets=tuple(
            NonTargetRead(lesion=name, status=_code(NonTargetStatus, value, f"nontargets.{name}"), date=dates.get(name))
            for name, value in _mapping(point.get("nontargets") or {}, "nontargets").items()
        ),
        new=tuple(_new(_mapping(x, "new"), dates, settings) for x in _sequence(point.get("new") or [], "new")),
        sites=tuple(
            SiteRead(lesion=name, status=_code(SiteStatus, value, f"treated_sites.{name}"), date=dates.get(name))
            for name, value in _mapping(point.get("treated_sites") or {}, "treated_sites").items()
        ),
        rebaseline=rebaseline,
        scan_dates=tuple(sorted({*dates.values(), date})),
    )


def _targets(entries: Mapping[str, Any], dates: Mapping[str, dt.date]) -> tuple[Measurement, ...]:
    """Return the values of a visit; a member of a mass that is not done on its own (SDTM) is told by the mass."""
    values = [_measurement(name, value, dates) for name, value in entries.items()]
    merged = {name for value in values if len(value.lesions) > 1 for name in value.lesions}
    return tuple(
        value
        for value in values
        if len(value.lesions) > 1 or value.form is not Form.NE or value.lesions[0] not in merged
    )


def _measurement(name: str, value: Any, dates: Mapping[str, dt.date]) -> Measurement:
    field = f"targets.{name}"
    entry = _mapping(value, field)
    given = [form for form in ("mm", "state", "parts") if form in entry]
    if len(given) != 1:
        raise ReadsError(
            f"{field} has no value or several", found=json.dumps(entry, default=str), expected="mm, state or parts"
        )
    members = tuple(part.strip() for part in name.split(_MASS))
    own = [dates[x] for x in (name, *members) if x in dates]
    date = max(own) if own else None
    if "mm" in entry:
        return Measurement(lesions=members, form=Form.MM, mm=parse_length_mm(entry["mm"], f"{field}.mm"), date=date)
    if "parts" in entry:
        parts = tuple(parse_length_mm(x, f"{field}.parts") for x in _sequence(entry["parts"], f"{field}.parts"))
        if not parts:
            raise ReadsError(f"{field}.parts is empty", expected="at least one length")
        return Measurement(lesions=members, form=Form.PARTS, parts=parts, date=date)
    state = str(entry["state"]).strip().upper()
    if state not in _STATES:
        raise ReadsError(f"{field}.state is unknown", found=repr(entry["state"]), expected="ABSENT, TSTM or NE")
    return Measurement(lesions=members, form=_STATES[state], date=date, reason="TREATED" if state == "TREATED" else "")


def _new(entry: Mapping[str, Any], dates: Mapping[str, dt.date], settings: AssessSettings) -> NewLesionRead:
    name = _text(entry.get("id"), "new.id")
    organ = organ_of(_text(entry.get("organ"), f"new.organ of {name}"), direct_extension=settings.direct_extension)
    return NewLesionRead(
        lesion=name,
        organ=organ,
        status=_code(NewStatus, entry.get("status"), f"new.status of {name}"),
        node=_is_node(entry, organ, f"new.node of {name}"),
        date=dates.get(name),
        reason=str(entry.get("reason") or ""),
    )


def _code(codes: type[_Code], value: object, field: str) -> _Code:
    text = str(value).strip().upper().replace("-", "_")
    try:
        return codes(text)
    except ValueError as error:
        expected = ", ".join(code.value for code in codes)
        raise ReadsError(f"{field} is unknown", found=repr(value), expected=expected) from error


def _text(value: object, field: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ReadsError(f"{field} is missing", found=repr(value), expected="a name")
    return value.strip()


def _mapping(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ReadsError(f"{field} is no object", found=repr(value))
    if DUPLICATE in value:
        raise ReadsError(f"{field} holds one name twice", found=str(value[DUPLICATE]))
    return value


def _sequence(value: object, field: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise ReadsError(f"{field} is no list", found=repr(value))
    return value
