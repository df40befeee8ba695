"""Cohort tables to ADaM: ADSL, ADTR, ADRS and ADTTE (response rules, section 12).

Both rule sets of the endpoints stand side by side, told apart by RULESET. Days count as ADaM counts them, first and
last day included: AVAL of ADTTE is one more than ``time_days``. A competing event has CNSR 2; EVTCAUSE says which.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from lesiontrack.domain.reads import Form, Measurement, Reads
from lesiontrack.io.cdisc_datasets import Variable
from lesiontrack.io.sdtm_write import Record, study_day, visit_name

__all__ = ["ADRS", "ADSL", "ADTR", "ADTTE", "adrs_records", "adsl_record", "adtr_records", "adtte_records"]

Row = Mapping[str, Any]

# The rule sets that feed an endpoint, the primary one first.
_RULES = ("recist11-local", "recist11")

_ID = (Variable("STUDYID", "Study Identifier"), Variable("USUBJID", "Unique Subject Identifier"))
_VISIT = (
    Variable("ADT", "Analysis Date"),
    Variable("ADY", "Analysis Relative Day", number=True),
    Variable("AVISIT", "Analysis Visit"),
    Variable("AVISITN", "Analysis Visit (N)", number=True),
    Variable("EPOCH", "Epoch"),
    Variable("RULESET", "Rule Set"),
    Variable("READER", "Reader"),
)
_SUBJECT = {
    "ARM": ("Planned Arm", "arm"),
    "DIAGDT": ("Date of Diagnosis", "diagnosis_date"),
    "ENRLDT": ("Date of Enrolment", "enrolment_date"),
    "TRTSDT": ("Date of First Treatment", "treatment_start_date"),
    "DTHDT": ("Date of Death", "death_date"),
    "LSTALVDT": ("Date Last Known Alive", "last_alive_date"),
    "ELIGFL": ("Eligible (YES, NO, UNCERTAIN)", "eligible"),
    "DISCTRL": ("Disease Control after Induction", "disease_control"),
    "INDRESP": ("Response at End of Induction", "induction_response"),
    "EXHBLFL": ("Extrahepatic Disease at Baseline", "extrahepatic_at_baseline"),
    "MARGIN": ("Resection Margin", "margin"),
    "NACTDT": ("Date of New Anticancer Therapy", "new_therapy_date"),
    "IMGENDT": ("Date on Which Imaging Ended", "imaging_end"),
}
_COUNTS = {
    "CRLMN": ("Number of Liver Metastases", "count_hepatic"),
    "CRLMLOW": ("Number of Liver Metastases, at Least", "count_low"),
    "CRLMHIGH": ("Number of Liver Metastases, at Most", "count_high"),
}
ADSL = (
    *_ID,
    *(Variable(name, label) for name, (label, _) in _SUBJECT.items()),
    *(Variable(name, label, number=True) for name, (label, _) in _COUNTS.items()),
)
ADTR = (
    *_ID,
    Variable("ASEQ", "Analysis Sequence Number", number=True),
    Variable("PARAMCD", "Parameter Code"),
    Variable("PARAM", "Parameter"),
    Variable("TRLNKID", "Link ID"),
    Variable("AVAL", "Analysis Value", number=True),
    Variable("AVALC", "Analysis Value (C)"),
    Variable("BASE", "Baseline Value", number=True),
    Variable("CHG", "Change from Baseline", number=True),
    Variable("PCHG", "Percent Change from Baseline", number=True),
    Variable("NADIR", "Nadir", number=True),
    Variable("CHGNAD", "Change from Nadir", number=True),
    Variable("PCHGNAD", "Percent Change from Nadir", number=True),
    Variable("LSEXP", "Number of Lesions Expected", number=True),
    Variable("LSASS", "Number of Lesions Assessed", number=True),
    Variable("ABLFL", "Baseline Record Flag"),
    Variable("PDFL", "Progressive Disease Flag"),
    Variable("ANL01FL", "Analysis Flag 01"),
    *_VISIT,
)
ADRS = (
    *_ID,
    Variable("ASEQ", "Analysis Sequence Number", number=True),
    Variable("PARAMCD", "Parameter Code"),
    Variable("PARAM", "Parameter"),
    Variable("AVALC", "Analysis Value (C)"),
    Variable("ANL01FL", "Analysis Flag 01"),
    *_VISIT,
)
ADTTE = (
    *_ID,
    Variable("ASEQ", "Analysis Sequence Number", number=True),
    Variable("ARM", "Planned Arm"),
    Variable("PARAMCD", "Parameter Code"),
    Variable("PARAM", "Parameter"),
    Variable("TRLNKID", "Link ID"),
    Variable("AVAL", "Analysis Value", number=True),
    Variable("AVALU", "Analysis Value Unit"),
    Variable("ENTRYDY", "Day of Entry into Observation", number=True),
    Variable("STARTDT", "Time-to-Event Origin Date"),
    Variable("ADT", "Analysis Date"),
    Variable("CNSR", "Censor (0 Event, 1 None, 2 Competing)", number=True),
    Variable("EVTCAUSE", "Cause of Event"),
    Variable("EVNTDESC", "Event or Censoring Description"),
    Variable("CNSDTDSC", "Censor Date Description"),
    Variable("SRCDOM", "Source Data"),
    Variable("SRCVAR", "Source Variable"),
    Variable("SRCSEQ", "Source Sequence Number", number=True),
    Variable("RULESET", "Rule Set"),
    Variable("READER", "Reader"),
)
_ENDPOINTS = {
    "OS": ("OS", "Overall Survival from Diagnosis"),
    "OS_NAIVE": ("OSNAIVE", "Overall Survival from Diagnosis, No Delayed Entry"),
    "OS_ENROLMENT": ("OSENROL", "Overall Survival from Enrolment"),
    "PFS": ("PFS", "Progression-Free Survival"),
    "PFS_EMA": ("PFSEMA", "Progression-Free Survival, EMA-Type Censoring"),
    "PFS_NEW": ("PFSNEW", "Progression-Free Survival, New or Unequivocal Disease"),
    "PFS_STRICT": ("PFSSTR", "Progression-Free Survival, RECIST as Written"),
    "PFS_TREATMENT_PHASE": ("PFSTRTP", "Progression-Free Survival, Growth in Treatment Counts"),
    "PFS_RANDOMISATION": ("PFSRAND", "Progression-Free Survival from Randomisation"),
    "HEPATIC_PD": ("TTHPD", "Time to Hepatic Progression"),
    "EXTRAHEPATIC_PD": ("TTEPD", "Time to Extrahepatic Progression"),
    "HEPATIC_FIRST": ("TTHFST", "Time to First Progression, Hepatic"),
    "EXTRAHEPATIC_FIRST": ("TTEFST", "Time to First Progression, Extrahepatic"),
    "FIRST_PD": ("TTFPD", "Time to First Progression, Any Site"),
    "LTP": ("TTLTP", "Time to Local Tumor Progression"),
}
_CENSORED = {0: 1, 1: 0, 2: 2}


def adsl_record(study_id: str, subject: Row) -> Record:
    """Return a subject's record of ADSL, from its row of ``subjects``."""
    texts = {name: _text(subject[column]) for name, (_, column) in _SUBJECT.items()}
    texts["EXHBLFL"] = {"True": "Y", "False": "N"}.get(texts["EXHBLFL"], "")
    numbers = {name: _number(subject[column]) for name, (_, column) in _COUNTS.items()}
    return {"STUDYID": study_id, "USUBJID": str(subject["subject_id"]), **texts, **numbers}


# --- ADRS -----------------------------------------------------------------------------------------------------------


def adrs_records(study_id: str, subject: Row, responses: Iterable[Row]) -> Iterator[Record]:
    """Yield the records of ADRS: overall response by visit, then what follows from them for the subject.

    Parameters
    ----------
    subject
        Row of ``subjects``; it speaks of the study phase under the primary rule set.
    responses
        Rows of ``responses`` of this subject.
    """
    who = {"STUDYID": study_id, "USUBJID": str(subject["subject_id"])}
    sequence = 0
    for row in responses:
        if row["rules"] not in _RULES:
            continue
        sequence += 1
        yield {
            **who,
            "ASEQ": sequence,
            "PARAMCD": "OVR",
            "PARAM": "Overall Response by Visit",
            "AVALC": _text(row["overall"]),
            "ANL01FL": "" if _text(row["post_pd"]) == "True" else "Y",
            **_when(row, subject),
        }
    for code, label, value, date in _derived(subject):
        sequence += 1
        yield {
            **who,
            "ASEQ": sequence,
            "PARAMCD": code,
            "PARAM": label,
            "AVALC": value,
            "ANL01FL": "Y",
            "ADT": date,
            "ADY": _day(date, subject),
            "RULESET": "" if code in ("DEATH", "LSTA") else _RULES[0],
        }


def _derived(subject: Row) -> Iterator[tuple[str, str, str, str]]:
    def flag(column: str) -> tuple[str, str]:
        date = _text(subject[column])
        return ("Y" if date else "N"), date

    yield ("PD", "Disease Progression", *flag("pd_date"))
    yield ("HEPPD", "Hepatic Progression", *flag("first_hepatic_pd_date"))
    yield ("EXHPD", "Extrahepatic Progression", *flag("first_extrahepatic_pd_date"))
    yield ("BOR", "Best Overall Response, Unconfirmed", _text(subject["bor_unconfirmed"]) or "MISSING", "")
    yield ("CBOR", "Best Overall Response, Confirmed", _text(subject["bor_confirmed"]) or "MISSING", "")
    yield ("CB", "Disease Control by Best Response", _text(subject["disease_control_study"]), "")
    yield ("LSTA", "Last Adequate Disease Assessment", *flag("last_adequate_overall"))
    yield ("DEATH", "Death", *flag("death_date"))


def _when(row: Row, subject: Row) -> Record:
    timepoint = int(row["timepoint"])
    return {
        "ADT": str(row["date"]),
        "ADY": _day(str(row["date"]), subject),
        "AVISIT": visit_name(timepoint, -1),
        "AVISITN": timepoint,
        "EPOCH": "TREATMENT" if row["phase"] == "STUDY" else "INDUCTION",
        "RULESET": str(row["rules"]),
        "READER": str(row["reader"]),
    }


def _day(date: str, subject: Row) -> int | None:
    start = _text(subject["treatment_start_date"])
    return study_day(dt.date.fromisoformat(date), dt.date.fromisoformat(start)) if date and start else None


# --- ADTR -----------------------------------------------------------------------------------------------------------


def adtr_records(study_id: str, subject: Row, reads: Reads, responses: Iterable[Row]) -> Iterator[Record]:
    """Yield the records of ADTR: each target at each visit as measured, and the sums of both rule sets.

    Parameters
    ----------
    reads
        Of one phase and reader.
    responses
        Rows of ``responses`` of the same phase and reader.
    """
    who = {"STUDYID": study_id, "USUBJID": reads.subject_id}
    for sequence, record in enumerate((*_lesions(reads, subject), *_sums(reads, subject, responses)), start=1):
        yield {**who, "ASEQ": sequence, **record}


def _lesions(reads: Reads, subject: Row) -> Iterator[Record]:
    codes = {target.lesion_id: number for number, target in enumerate(reads.targets, start=1)}
    nodes = {target.lesion_id for target in reads.targets if target.node}
    base: dict[str, Decimal] = {}
    for visit in reads.visits:
        for value in visit.targets:
            first = value.lesions[0]
            length = _length_mm(value)
            if visit is reads.baseline and length is not None:
                base[value.name] = length
            row = {"timepoint": visit.timepoint, "date": value.date or visit.date, "phase": reads.phase}
            yield {
                "PARAMCD": f"{'NLDIAM' if first in nodes else 'LDIAM'}{codes[first]}",
                "PARAM": f"Target Lesion {codes[first]} Diameter (mm)",
                "TRLNKID": value.name,
                "AVAL": length,
                "AVALC": "" if value.form is Form.MM else value.form.value,
                **_change(length, base.get(value.name)),
                "ABLFL": "Y" if visit is reads.baseline else "",
                "ANL01FL": "Y" if length is not None else "",
                **_when({**row, "rules": "", "reader": reads.reader}, subject),
            }


def _length_mm(value: Measurement) -> Decimal | None:
    fixed = {Form.ABSENT: Decimal(0), Form.TSTM: Decimal(5), Form.NE: None}
    if value.form in fixed:
        return fixed[value.form]
    return value.mm if value.mm is not None else sum(value.parts, Decimal(0))


def _change(value: Decimal | None, base: Decimal | None) -> Record:
    change = value - base if value is not None and base is not None else None
    return {"BASE": base, "CHG": change, "PCHG": _percent(change, base)}


def _percent(change: Decimal | None, of: Decimal | None) -> Decimal | None:
    return None if change is None or not of else (100 * change / of).quantize(Decimal("0.0001"))


def _sums(reads: Reads, subject: Row, responses: Iterable[Row]) -> Iterator[Record]:
    visits = {visit.timepoint: visit for visit in reads.visits}
    for row in responses:
        if row["rules"] not in _RULES or int(row["timepoint"]) not in visits:
            continue
        total, base, nadir = (_decimal(row[name]) for name in ("sum_mm", "baseline_sum_mm", "nadir_sum_mm"))
        fall = total - nadir if total is not None and nadir is not None else None
        assessed = [value for value in visits[int(row["timepoint"])].targets if value.form is not Form.NE]
        yield {
            "PARAMCD": "SDIAM",
            "PARAM": "Sum of Target Lesion Diameters (mm)",
            "AVAL": total,
            **_change(total, base),
            "NADIR": nadir,
            "CHGNAD": fall,
            "PCHGNAD": _percent(fall, nadir),
            "LSEXP": len(reads.targets),
            "LSASS": sum(len(value.lesions) for value in assessed),
            "PDFL": "Y" if row["target"] == "PD" else "",
            "ANL01FL": "Y" if total is not None else "",
            **_when(row, subject),
        }


# --- ADTTE ----------------------------------------------------------------------------------------------------------


def adtte_records(study_id: str, events: Iterable[Row], responses: Iterable[Record]) -> Iterator[Record]:
    """Yield the records of ADTTE, one for each endpoint that could be derived.

    Parameters
    ----------
    events
        Rows of ``events`` of one subject.
    responses
        Its records of ADRS, which dates of assessments point to.
    """
    known = list(responses)
    sequence = 0
    for row in events:
        if row["endpoint"] not in _ENDPOINTS or _text(row["status"]) == "" or not _text(row["date"]):
            continue
        sequence += 1
        code, label = _ENDPOINTS[row["endpoint"]]
        status, reason, cause = int(row["status"]), _text(row["reason"]), _text(row["cause"])
        yield {
            "STUDYID": study_id,
            "USUBJID": str(row["subject_id"]),
            "ASEQ": sequence,
            "ARM": _text(row["arm"]),
            "PARAMCD": code,
            "PARAM": label,
            "TRLNKID": _text(row["track_id"]),
            "AVAL": int(row["time_days"]) + 1,
            "AVALU": "DAYS",
            "ENTRYDY": int(row["entry_days"]) + 1 if _text(row["entry_days"]) else None,
            "STARTDT": _text(row["start_date"]),
            "ADT": _text(row["date"]),
            "CNSR": _CENSORED[status],
            "EVTCAUSE": cause,
            "EVNTDESC": reason,
            "CNSDTDSC": reason if status == 0 else "",
            **_source(row, reason, known),
            "RULESET": _text(row["rules"]),
            "READER": _text(row["reader"]),
        }


def _source(row: Row, reason: str, responses: Iterable[Record]) -> Record:
    """Return where a date comes from: death and the last contact from ADSL, the others from an assessment in ADRS."""
    if reason == "DEATH":
        return {"SRCDOM": "ADSL", "SRCVAR": "DTHDT", "SRCSEQ": None}
    if reason == "LAST_ALIVE":
        return {"SRCDOM": "ADSL", "SRCVAR": "LSTALVDT", "SRCSEQ": None}
    date, rules = _text(row["date"]), _text(row["rules"])
    for record in responses:
        if record["PARAMCD"] == "OVR" and record["ADT"] == date and record["RULESET"] == rules:
            return {"SRCDOM": "ADRS", "SRCVAR": "ADT", "SRCSEQ": record["ASEQ"]}
    start = _text(row["start_date"])
    return {"SRCDOM": "ADSL", "SRCVAR": "TRTSDT" if date == start else "", "SRCSEQ": None}


def _text(value: Any) -> str:
    return "" if value is None or value != value or str(value) == "<NA>" else str(value)


def _number(value: Any) -> int | None:
    return int(value) if _text(value) else None


def _decimal(value: Any) -> Decimal | None:
    return Decimal(repr(float(value))) if _text(value) else None
