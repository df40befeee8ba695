"""Reads of one subject by one reader to SDTM: TU, TR and RS (response rules, section 12).

SDTM knows RECIST as written: what was treated locally is not done from then on, with the reason TREATED, and local
progression at a treated site is a new lesion. So TU and TR say what rule set ``recist11`` judges, and RS holds its
responses; the responses by the declared local rule are in ADaM.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from lesiontrack.assess import AssessSettings, LocalMode
from lesiontrack.assess.local import LocalPlan
from lesiontrack.domain.lesion import Role
from lesiontrack.domain.reads import (
    Form,
    Measurement,
    NewLesionRead,
    NewStatus,
    NonTargetStatus,
    Reads,
    ReadVisit,
    SiteStatus,
)
from lesiontrack.io.cdisc_datasets import Variable

__all__ = ["RS", "RULES", "TR", "TU", "ReadRecords", "Record", "evaluator", "study_day", "visit_name"]

# The rule set whose responses RS holds.
RULES = "recist11"

_COMMON = (
    Variable("STUDYID", "Study Identifier"),
    Variable("DOMAIN", "Domain Abbreviation"),
    Variable("USUBJID", "Unique Subject Identifier"),
)


def _timing(prefix: str) -> tuple[Variable, ...]:
    return (
        Variable(f"{prefix}EVAL", "Evaluator"),
        Variable(f"{prefix}EVALID", "Evaluator Identifier"),
        Variable(f"{prefix}ACPTFL", "Accepted Record Flag"),
        Variable("VISITNUM", "Visit Number", number=True),
        Variable("VISIT", "Visit Name"),
        Variable("EPOCH", "Epoch"),
        Variable(f"{prefix}DTC", "Date/Time of Collection"),
        Variable(f"{prefix}DY", "Study Day of Collection", number=True),
    )


TU = (
    *_COMMON,
    Variable("TUSEQ", "Sequence Number", number=True),
    Variable("TUREFID", "Reference ID"),
    Variable("TULNKID", "Link ID"),
    Variable("TUTESTCD", "Tumor Identification Short Name"),
    Variable("TUTEST", "Tumor Identification Test Name"),
    Variable("TUORRES", "Tumor Identification Result"),
    Variable("TUSTRESC", "Tumor Identification Result Std. Format"),
    Variable("TULOC", "Location of the Tumor"),
    Variable("TUMETHOD", "Method of Identification"),
    *_timing("TU"),
)
TR = (
    *_COMMON,
    Variable("TRSEQ", "Sequence Number", number=True),
    Variable("TRGRPID", "Group ID"),
    Variable("TRREFID", "Reference ID"),
    Variable("TRLNKID", "Link ID"),
    Variable("TRLNKGRP", "Link Group ID"),
    Variable("TRTESTCD", "Tumor Assessment Short Name"),
    Variable("TRTEST", "Tumor Assessment Test Name"),
    Variable("TRORRES", "Result or Finding in Original Units"),
    Variable("TRORRESU", "Original Units"),
    Variable("TRSTRESC", "Character Result in Std Format"),
    Variable("TRSTRESN", "Numeric Result in Standard Units", number=True),
    Variable("TRSTRESU", "Standard Units"),
    Variable("TRSTAT", "Completion Status"),
    Variable("TRREASND", "Reason Not Done"),
    Variable("TRMETHOD", "Method Used to Identify the Tumor"),
    *_timing("TR"),
)
RS = (
    *_COMMON,
    Variable("RSSEQ", "Sequence Number", number=True),
    Variable("RSLNKGRP", "Link Group ID"),
    Variable("RSTESTCD", "Assessment Short Name"),
    Variable("RSTEST", "Assessment Name"),
    Variable("RSCAT", "Category for Assessment"),
    Variable("RSORRES", "Result or Finding in Original Units"),
    Variable("RSSTRESC", "Character Result/Finding in Std Format"),
    Variable("RSSTAT", "Completion Status"),
    Variable("RSREASND", "Reason Not Done"),
    *_timing("RS"),
)

_ROLES = {Role.TARGET: "TARGET", Role.NON_TARGET: "NON-TARGET", Role.NEW: "NEW"}
_LOCATIONS = {"LYMPH_NODE": "LYMPH NODE", "ADRENAL": "ADRENAL GLAND"}
_METHODS = {"CT": "CT SCAN", "MR": "MRI"}
_TESTS = {
    "LDIAM": "Longest Diameter",
    "LPERP": "Longest Perpendicular",
    "TUMSTATE": "Tumor State",
    "SUMDIAM": "Sum of Diameter",
}
_RESPONSE_TESTS = {
    "TRGRESP": "Target Response",
    "NTRGRESP": "Non-target Response",
    "NEWLPROG": "New Lesion Progression",
    "OVRLRESP": "Overall Response",
}
_NEW = {"YES": "UNEQUIVOCAL", "EQUIVOCAL": "EQUIVOCAL"}
_TREATED = "TREATED"

Record = dict[str, str | int | float | Decimal | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    """What a result is of: test, visit, group, and its own scan and date where they are known."""

    test: str
    visit: ReadVisit
    group: str
    date: dt.date | None = None
    scan: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecords:
    """Makes the records of one subject's reads.

    Attributes
    ----------
    study_id
        STUDYID.
    modalities
        Series UID -> DICOM modality.
    """

    study_id: str
    reads: Reads
    settings: AssessSettings
    modalities: Mapping[str, str] = field(default_factory=dict)

    def tumours(self) -> Iterator[Record]:
        """Yield the records of TU: baseline lesions, then new ones where they are first seen."""
        baseline = self.reads.baseline
        scans = {name: value.scan for value in baseline.targets for name in value.lesions}
        scans |= {read.lesion: read.scan for read in baseline.nontargets}
        for lesion in self.reads.lesions:
            scan = scans.get(lesion.lesion_id, "")
            yield self._tumour(lesion.lesion_id, _ROLES[lesion.role], lesion.organ, baseline, scan)
        seen: set[str] = set()
        for index, visit in enumerate(self.reads.visits):
            for finding in self._new(index, visit):
                if finding.lesion not in seen:
                    seen.add(finding.lesion)
                    yield self._tumour(finding.lesion, "NEW", finding.organ, visit, finding.scan)

    def _tumour(self, name: str, role: str, organ: str, visit: ReadVisit, scan: str) -> Record:
        return {
            **self._who("TU", visit, visit.date),
            "TUREFID": scan,
            "TULNKID": name,
            "TUTESTCD": "TUMIDENT",
            "TUTEST": "Tumor Identification",
            "TUORRES": role,
            "TUSTRESC": role,
            "TULOC": _LOCATIONS.get(organ, organ.replace("_", " ")),
            "TUMETHOD": self._method(scan),
        }

    def results(self) -> Iterator[Record]:
        """Yield the records of TR, visit by visit: targets, non-targets, new lesions, and that the visit was read."""
        plan = LocalPlan(self.reads, self.settings.model_copy(update={"local_mode": LocalMode.STRICT_NE}))
        for index, visit in enumerate(self.reads.visits):
            lost = plan.at(index).lost if index else frozenset[str]()
            for value in visit.targets:
                yield from self._target(value, visit, lost)
            for read in visit.nontargets:
                where = _Where(test="TUMSTATE", visit=visit, group="NON-TARGET", date=read.date, scan=read.scan)
                treated = read.lesion in lost
                state = None if treated or read.status is NonTargetStatus.NE else read.status.value
                yield self._result(where, read.lesion, said=state, reason=_TREATED if treated else read.reason)
            for finding in self._new(index, visit):
                where = _Where(test="TUMSTATE", visit=visit, group="NEW", date=finding.date, scan=finding.scan)
                treated = plan.plan_treats(finding, index)
                said = None if treated else finding.status.value
                yield self._result(where, finding.lesion, said=said, reason="TREATED AS PLANNED" if treated else "")
            yield self._sum(visit, lost)

    def responses(self, rows: Iterable[Mapping[str, str]]) -> Iterator[Record]:
        """Yield the records of RS from rows of ``responses`` of these reads under ``recist11``.

        NED is no RECIST term: it goes out as NE in the standard result (response rules, section 12).
        """
        visits = {visit.timepoint: visit for visit in self.reads.visits}
        for row in rows:
            visit = visits[int(row["timepoint"])]
            local = any(site.status is SiteStatus.LTP for site in visit.sites)
            values = {
                "TRGRESP": row["target"],
                "NTRGRESP": row["non_target"],
                "NEWLPROG": _NEW.get("YES" if local else row["new_lesion"], ""),
                "OVRLRESP": row["overall"],
            }
            for test, value in values.items():
                if value not in ("", "NA"):
                    yield {
                        **self._who("RS", visit, visit.date),
                        "RSLNKGRP": _link_group(visit.timepoint),
                        "RSTESTCD": test,
                        "RSTEST": _RESPONSE_TESTS[test],
                        "RSCAT": "RECIST 1.1",
                        "RSORRES": value,
                        "RSSTRESC": "NE" if value in ("NED", "REBASELINE") else value,
                    }

    def _new(self, index: int, visit: ReadVisit) -> Iterator[NewLesionRead]:
        """Yield new lesions, and local progression at treated sites as such."""
        yield from visit.new
        organs = {lesion.lesion_id: lesion.organ for lesion in self.reads.lesions}
        for site in visit.sites if index else ():
            if site.status is SiteStatus.LTP:
                yield NewLesionRead(
                    lesion=f"{site.lesion}-LTP",
                    organ=organs.get(site.lesion, "LIVER"),
                    status=NewStatus.UNEQUIVOCAL,
                    date=site.date,
                    scan=site.scan,
                )

    def _target(self, value: Measurement, visit: ReadVisit, lost: frozenset[str]) -> Iterator[Record]:
        nodes = {lesion.lesion_id for lesion in self.reads.lesions if lesion.node}
        test = "LPERP" if nodes.issuperset(value.lesions) else "LDIAM"
        where = _Where(test=test, visit=visit, group="TARGET", date=value.date, scan=value.scan)
        if len(value.lesions) > 1:
            for name in value.lesions:
                yield self._result(where, name, reason="TUMOR MERGED")
        if lost.intersection(value.lesions):
            yield self._result(where, value.name, reason=_TREATED)
        elif value.form is Form.MM:
            yield self._result(where, value.name, said=str(value.mm), number=value.mm)
        elif value.form is Form.PARTS:
            for number, part in enumerate(value.parts, start=1):
                yield self._result(where, f"{value.name}.{number}", said=str(part), number=part)
        elif value.form is Form.TSTM:
            fixed = self._result(where, value.name, said=str(self.settings.tstm_mm), number=self.settings.tstm_mm)
            yield {**fixed, "TRORRES": "TOO SMALL TO MEASURE", "TRORRESU": ""}
        elif value.form is Form.ABSENT:
            yield self._result(replace(where, test="TUMSTATE"), value.name, said="ABSENT")
        else:
            yield self._result(where, value.name, reason=value.reason or "NOT EVALUABLE")

    def _result(
        self, where: _Where, name: str, *, said: str | None = None, number: Decimal | None = None, reason: str = ""
    ) -> Record:
        unit = "mm" if number is not None else ""
        return {
            **self._who("TR", where.visit, where.date or where.visit.date),
            "TRGRPID": where.group,
            "TRREFID": where.scan,
            "TRLNKID": name,
            "TRLNKGRP": _link_group(where.visit.timepoint),
            "TRTESTCD": where.test,
            "TRTEST": _TESTS[where.test],
            "TRORRES": said or "",
            "TRORRESU": unit,
            "TRSTRESC": said or "",
            "TRSTRESN": number,
            "TRSTRESU": unit,
            "TRSTAT": "NOT DONE" if said is None else "",
            "TRREASND": reason[:200] if said is None else "",
            "TRMETHOD": self._method(where.scan),
        }

    def _sum(self, visit: ReadVisit, lost: frozenset[str]) -> Record:
        """Return the sum of diameters, dated as the visit; it has no method, and no value where a target has none."""
        known = [value for value in visit.targets if value.form is not Form.NE and not lost.intersection(value.lesions)]
        complete = bool(known) and len(known) == len(visit.targets)
        total = sum((self._length_mm(value) for value in known), Decimal(0)) if complete else None
        where = _Where(test="SUMDIAM", visit=visit, group="TARGET")
        reason = "INCOMPLETE" if self.reads.targets else "NO TARGET"
        return self._result(where, "", said=str(total) if complete else None, number=total, reason=reason)

    def _length_mm(self, value: Measurement) -> Decimal:
        if value.form is Form.TSTM:
            return self.settings.tstm_mm
        return value.mm if value.mm is not None else sum(value.parts, Decimal(0))

    def _who(self, domain: str, visit: ReadVisit, date: dt.date) -> Record:
        return {
            "STUDYID": self.study_id,
            "DOMAIN": domain,
            "USUBJID": self.reads.subject_id,
            **evaluator(domain, self.reads.reader, accepted=not visit.provisional),
            "VISITNUM": visit.timepoint,
            "VISIT": visit_name(visit.timepoint, self.reads.baseline.timepoint),
            "EPOCH": _epoch(self.reads.phase),
            f"{domain}DTC": date.isoformat(),
            f"{domain}DY": study_day(date, self.reads.baseline.date),
        }

    def _method(self, scan: str) -> str:
        return _METHODS.get(self.modalities.get(scan, ""), "")


def evaluator(prefix: str, reader: str, *, accepted: bool) -> Record:
    """Return who read: the machine is an algorithm whose records nobody has accepted; a person is an assessor."""
    return {
        f"{prefix}EVAL": "INDEPENDENT ASSESSOR",
        f"{prefix}EVALID": reader.upper()[:40],
        f"{prefix}ACPTFL": "Y" if accepted else "",
    }


def visit_name(timepoint: int, baseline: int) -> str:
    """Return VISIT."""
    return "BASELINE" if timepoint == baseline else f"VISIT {timepoint}"


def study_day(date: dt.date, start: dt.date) -> int:
    """Return the CDISC study day: there is no day 0."""
    days = (date - start).days
    return days + 1 if days >= 0 else days


def _epoch(phase: str) -> str:
    return "TREATMENT" if phase == "STUDY" else "INDUCTION"


def _link_group(timepoint: int) -> str:
    return f"A{timepoint}"
