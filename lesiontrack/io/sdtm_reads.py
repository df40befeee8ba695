"""Records of TU and TR -> Reads of one subject by one evaluator (response rules, section 12)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from lesiontrack.assess.organs import organ_of
from lesiontrack.assess.settings import AssessSettings
from lesiontrack.domain.lesion import Role
from lesiontrack.domain.reads import (
    Form,
    Measurement,
    NewLesionRead,
    NewStatus,
    NonTargetRead,
    NonTargetStatus,
    ReadLesion,
    Reads,
    ReadVisit,
)
from lesiontrack.domain.study import Site
from lesiontrack.errors import LesiontrackError, ReadsError
from lesiontrack.io.case_file import parse_length_mm
from lesiontrack.io.sdtm_visits import Record, SdtmVisit, visits_of

__all__ = ["Evaluator", "SdtmVisit", "evaluators"]

_ROLES = {
    "TARGET": Role.TARGET,
    "NON-TARGET": Role.NON_TARGET,
    "NON TARGET": Role.NON_TARGET,
    "NON_TARGET": Role.NON_TARGET,
    "NEW": Role.NEW,
}
_DIAMETERS = ("LDIAM", "LPERP", "DIAMETER")
_STATES = ("TUMSTATE", "LNSTATE")
_STATUS = {
    "PRESENT": NonTargetStatus.PRESENT,
    "PATHOLOGICAL": NonTargetStatus.PRESENT,
    "ABSENT": NonTargetStatus.ABSENT,
    "NON-PATHOLOGICAL": NonTargetStatus.ABSENT,
    "NONPATHOLOGICAL": NonTargetStatus.ABSENT,
    "UNEQUIVOCAL": NonTargetStatus.UNEQUIVOCAL,
    "UNEQUIVOCAL INCREASE": NonTargetStatus.UNEQUIVOCAL,
    "UNEQUIVOCAL PROGRESSION": NonTargetStatus.UNEQUIVOCAL,
    "WORSENED": NonTargetStatus.UNEQUIVOCAL,
    "NE": NonTargetStatus.NE,
    "NOT EVALUABLE": NonTargetStatus.NE,
    "INEVALUABLE": NonTargetStatus.NE,
}
_MM_PER_UNIT = {"": Decimal(1), "MM": Decimal(1), "CM": Decimal(10)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """One subject as one evaluator reads it."""

    study_id: str
    subject_id: str
    role: str
    name: str
    tumours: tuple[Record, ...]
    results: tuple[Record, ...]

    @property
    def visits(self) -> tuple[SdtmVisit, ...]:
        """Visits in time order.

        Raises
        ------
        ReadsError
            If a date cannot be read.
        """
        return tuple(visits_of(self.results))

    def reads(self, settings: AssessSettings) -> Reads:
        """Return the reads of this evaluator.

        Raises
        ------
        ReadsError
            Naming subject, visit and field.
        """
        try:
            visits = self.visits
            lesions = _Lesions(self, settings)
            lesions.place_without_results(visits)
            return Reads(
                subject_id=self.subject_id,
                reader=self.name or self.role or "evaluator",
                treatment_start=visits[0].date,
                lesions=tuple(lesions.baseline.values()),
                visits=tuple(lesions.visit(visit) for visit in visits),
            )
        except LesiontrackError as error:
            raise error.at(subject_id=self.subject_id) from error


def evaluators(tumours: Iterable[Record], results: Iterable[Record]) -> tuple[Evaluator, ...]:
    """Part the records of TU and TR by subject and evaluator, in the order in which TR names them."""
    by_key: dict[tuple[str, str, str], list[Record]] = {}
    for record in results:
        by_key.setdefault(_key(record, "TR"), []).append(record)
    identified: dict[tuple[str, str, str], list[Record]] = {}
    for record in tumours:
        identified.setdefault(_key(record, "TU"), []).append(record)
    keys = [*by_key, *(key for key in identified if key not in by_key)]
    return tuple(
        Evaluator(
            study_id=next((x.get("STUDYID", "") for x in (*by_key.get(key, ()), *identified.get(key, ()))), ""),
            subject_id=key[0],
            role=key[1],
            name=key[2],
            tumours=tuple(identified.get(key, ())),
            results=tuple(by_key.get(key, ())),
        )
        for key in keys
    )


def _key(record: Record, domain: str) -> tuple[str, str, str]:
    return record["USUBJID"], record.get(f"{domain}EVAL", ""), record.get(f"{domain}EVALID", "")


# --- lesions --------------------------------------------------------------------------------------------------------


class _Lesions:
    """The lesions that an evaluator identified, and their values at a visit."""

    def __init__(self, evaluator: Evaluator, settings: AssessSettings) -> None:
        self.baseline: dict[str, ReadLesion] = {}
        self._new: dict[str, str] = {}
        self._settings = settings
        self._evaluator = evaluator
        self._identified_at: dict[int, list[NewLesionRead]] = {}
        for record in evaluator.tumours:
            if record.get("TUTESTCD", "TUMIDENT") == "TUMIDENT":
                self._identify(record)

    def _identify(self, record: Record) -> None:
        name, said = record["TULNKID"], record["TUSTRESC"].strip().upper()
        if said not in _ROLES:
            raise ReadsError(f"TUSTRESC of {name} is unknown", found=repr(said), expected="TARGET, NON-TARGET or NEW")
        organ = organ_of(record.get("TULOC", "") or "OTHER", direct_extension=self._settings.direct_extension)
        if _ROLES[said] is Role.NEW:
            self._new[name] = organ
            return
        lesion = ReadLesion(lesion_id=name, role=_ROLES[said], organ=organ, node=organ == Site.LYMPH_NODE)
        if self.baseline.setdefault(name, lesion) != lesion:
            raise ReadsError(f"TULNKID {name} identifies two lesions", found=f"{self.baseline[name].role}, {said}")

    def place_without_results(self, visits: tuple[SdtmVisit, ...]) -> None:
        """Give a new lesion that TU identifies and TR never mentions to the visit at which it was identified.

        Raises
        ------
        ReadsError
            If TR has no such visit: a progression must not be lost.
        """
        told = {record["TRLNKID"] for record in self._evaluator.results}
        for record in self._evaluator.tumours:
            name = record["TULNKID"]
            if name not in self._new or name in told or record.get("TUTESTCD", "TUMIDENT") != "TUMIDENT":
                continue
            visit = _visit_of(record, visits)
            if visit is None:
                raise ReadsError(
                    f"new lesion {name} of TU has no results in TR, and its visit has none",
                    visit=record.get("VISIT") or record.get("VISITNUM") or record.get("TUDTC", ""),
                    expected="results at that visit",
                )
            lesion = NewLesionRead(
                lesion=name,
                organ=self._new[name],
                status=NewStatus.UNEQUIVOCAL,
                node=self._new[name] == Site.LYMPH_NODE,
                date=_scan_date({"TRDTC": record.get("TUDTC", "")}, visit),
            )
            self._identified_at.setdefault(visit.timepoint, []).append(lesion)

    def visit(self, visit: SdtmVisit) -> ReadVisit:
        """Return all that is recorded at a visit."""
        by_lesion: dict[str, list[Record]] = {}
        for record in visit.records:
            by_lesion.setdefault(record["TRLNKID"], []).append(record)
        try:
            return ReadVisit(
                timepoint=visit.timepoint,
                date=visit.date,
                targets=tuple(self._targets(by_lesion, visit)),
                nontargets=tuple(self._nontargets(by_lesion, visit)),
                new=(*self._new_lesions(by_lesion, visit), *self._identified_at.get(visit.timepoint, ())),
                scan_dates=tuple(sorted({_scan_date(r, visit) for r in visit.records})),
            )
        except LesiontrackError as error:
            raise error.at(visit=visit.name or visit.date.isoformat()) from error

    def _members(self, name: str) -> tuple[tuple[str, ...], bool] | None:
        """Return the targets that a link id stands for, and whether it is a fragment of one; None for no target."""
        if name in self.baseline:
            return ((name,), False) if self.baseline[name].role is Role.TARGET else None
        members = tuple(part.strip() for part in name.split("/"))
        if len(members) > 1 and all(self._is_target(part) for part in members):
            return members, False
        parent, dot, _ = name.rpartition(".")
        return ((parent,), True) if dot and self._is_target(parent) else None

    def _is_target(self, name: str) -> bool:
        return name in self.baseline and self.baseline[name].role is Role.TARGET

    def _targets(self, by_lesion: Mapping[str, list[Record]], visit: SdtmVisit) -> Iterable[Measurement]:
        fragments: dict[str, list[Measurement]] = {}
        whole: dict[tuple[str, ...], Measurement] = {}
        for name, records in by_lesion.items():
            known = self._members(name)
            if known is None:
                continue
            members, fragment = known
            value = self._measurement(members, records, visit)
            if fragment:
                fragments.setdefault(members[0], []).append(value)
            else:
                whole[members] = value
        merged = {name for members in whole if len(members) > 1 for name in members}
        for members, value in whole.items():
            if (len(members) == 1 and members[0] in merged) or members[0] in fragments:
                continue
            yield value
        for parent, values in fragments.items():
            yield self._joined(parent, values)

    def _joined(self, parent: str, values: list[Measurement]) -> Measurement:
        """Add up the fragments of a lesion; one that cannot be read leaves the lesion not evaluable."""
        parts = []
        for value in values:
            if value.form is Form.NE:
                return Measurement(lesions=(parent,), form=Form.NE, reason=value.reason, date=value.date)
            fixed = {Form.TSTM: self._settings.tstm_mm, Form.ABSENT: Decimal(0)}
            parts.append(value.mm if value.mm is not None else fixed[value.form])
        date = max((v.date for v in values if v.date is not None), default=None)
        return Measurement(lesions=(parent,), form=Form.PARTS, parts=tuple(parts), date=date)

    def _measurement(self, members: tuple[str, ...], records: list[Record], visit: SdtmVisit) -> Measurement:
        node = all(self.baseline[name].node for name in members)
        wanted = ("LPERP", "DIAMETER") if node else ("LDIAM", "DIAMETER")
        by_test = {record["TRTESTCD"]: record for record in records}
        record = next((by_test[code] for code in wanted if code in by_test), None)
        if record is None:
            state = next((by_test[code] for code in _STATES if code in by_test), None)
            if state is not None and _state(state) is NonTargetStatus.ABSENT:
                return Measurement(lesions=members, form=Form.ABSENT, date=_scan_date(state, visit))
            reason = next((r.get("TRREASND", "") for r in records if r.get("TRREASND")), f"no {wanted[0]}")
            return Measurement(lesions=members, form=Form.NE, reason=reason)
        return _value(members, record, _scan_date(record, visit))

    def _nontargets(self, by_lesion: Mapping[str, list[Record]], visit: SdtmVisit) -> Iterable[NonTargetRead]:
        for name, records in by_lesion.items():
            if name not in self.baseline or self.baseline[name].role is not Role.NON_TARGET:
                continue
            record = next((r for r in records if r["TRTESTCD"] in _STATES), None)
            status = NonTargetStatus.NE if record is None else _state(record)
            date = None if record is None else _scan_date(record, visit)
            yield NonTargetRead(lesion=name, status=status, date=date)

    def _new_lesions(self, by_lesion: Mapping[str, list[Record]], visit: SdtmVisit) -> Iterable[NewLesionRead]:
        for name, records in by_lesion.items():
            if name not in self._new:
                continue
            said = {_said(record) for record in records}
            if "ABSENT" in said or all(_not_done(record) for record in records):
                continue
            status = NewStatus.EQUIVOCAL if "EQUIVOCAL" in said else NewStatus.UNEQUIVOCAL
            organ = self._new[name]
            date = min(_scan_date(record, visit) for record in records)
            yield NewLesionRead(lesion=name, organ=organ, status=status, node=organ == Site.LYMPH_NODE, date=date)


def _visit_of(record: Record, visits: Iterable[SdtmVisit]) -> SdtmVisit | None:
    """Return the visit at which TU identifies a lesion: by number, and where that leaves several or none, by day."""
    number, day = record.get("VISITNUM", ""), record.get("TUDTC", "")[:10]
    numbered = [visit for visit in visits if number and visit.number == number]
    on_day = [
        visit
        for visit in numbered or visits
        if day and any(result.get("TRDTC", "")[:10] == day for result in visit.records)
    ]
    return next(iter((*on_day, *numbered)), None)


def _said(record: Record) -> str:
    return (record.get("TRSTRESC") or record.get("TRORRES") or "").strip().upper()


def _not_done(record: Record) -> bool:
    return record.get("TRSTAT", "").strip().upper() == "NOT DONE"


def _state(record: Record) -> NonTargetStatus:
    said = _said(record)
    if _not_done(record) or not said:
        return NonTargetStatus.NE
    if said not in _STATUS:
        raise ReadsError(
            f"{record['TRTESTCD']} of {record['TRLNKID']} is unknown", found=repr(said), expected=", ".join(_STATUS)
        )
    return _STATUS[said]


def _scan_date(record: Record, visit: SdtmVisit) -> dt.date:
    """Return the record's own day; the visit's where it has none, or a partial one."""
    try:
        return dt.date.fromisoformat(record.get("TRDTC", "")[:10])
    except ValueError:
        return visit.date


def _value(members: tuple[str, ...], record: Record, date: dt.date) -> Measurement:
    """Return a diameter record as a value: too small to measure, not done, or a length exactly as recorded."""
    name = f"{record['TRTESTCD']} of {record['TRLNKID']}"
    original = record.get("TRORRES", "").strip().upper()
    said = (record.get("TRSTRESC") or "").strip()
    if _not_done(record):
        return Measurement(lesions=members, form=Form.NE, reason=record.get("TRREASND", "") or "NOT DONE")
    if "TOO SMALL" in original or "TOO SMALL" in said.upper():
        return Measurement(lesions=members, form=Form.TSTM, date=date)
    if said.upper() in ("ABSENT", "NE", "NOT EVALUABLE"):
        form = Form.ABSENT if said.upper() == "ABSENT" else Form.NE
        return Measurement(lesions=members, form=form, date=date, reason="" if form is Form.ABSENT else said)
    unit = (record.get("TRSTRESU") or record.get("TRORRESU") or "").strip().upper()
    if unit not in _MM_PER_UNIT:
        raise ReadsError(f"{name}: unit is unknown", found=unit, expected="mm or cm")
    text = said or record.get("TRSTRESN", "") or record.get("TRORRES", "")
    if not text:
        return Measurement(lesions=members, form=Form.NE, reason="no result")
    length_mm = parse_length_mm(text, name) * _MM_PER_UNIT[unit]
    return Measurement(lesions=members, form=Form.MM, mm=length_mm, date=date)
