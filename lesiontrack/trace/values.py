"""What a trace is made of: the event, the visit, the lesion, the measurement; as JSON values and as readable lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = [
    "Measured",
    "RestsOn",
    "Row",
    "Trace",
    "TracedDecision",
    "TracedEvent",
    "TracedLesion",
    "TracedLink",
    "TracedRegistration",
    "TracedResponse",
    "Traces",
    "status_text",
]

Row = dict[str, Any]

_STATUS = {0: "censored", 1: "event", 2: "competing event"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One lesion in one visit; lengths in mm, volume in mm3."""

    timepoint: int
    date: str | None
    lesion_id: int | None
    longest_diameter_mm: float | None
    short_axis_mm: float | None
    volume_mm3: float | None
    status: str | None
    series_uid: str | None
    sop_instance_uid: str | None
    ends_lps_mm: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    @property
    def key(self) -> tuple[int, int | None]:
        """Visit and number."""
        return self.timepoint, self.lesion_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedLink:
    """One lesion seen again: how sure, and by whom (``machine`` or a reader)."""

    timepoint_from: int
    timepoint_to: int
    kind: str
    confidence: float | None
    distance_mm: float | None
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRegistration:
    """How two visits were brought together, and how far that is trusted."""

    timepoint_from: int
    timepoint_to: int
    method: str
    liver_dice: float | None
    residual_mm: float | None
    trusted: bool
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedDecision:
    """What a reader decided, when and why, and what became of it."""

    reader: str
    time: str
    act: str
    state: str
    tracks: tuple[str, ...]
    reason: str | None
    why: str | None
    decision_id: str
    what: Row

    def __str__(self) -> str:
        """Return it as one line."""
        of = f" of {', '.join(self.tracks)}" if self.tracks else ""
        because = f": {self.reason}" if self.reason else ""
        state = "" if self.state == "APPLIED" else f" [{self.state.lower()}{f', {self.why}' if self.why else ''}]"
        return f"{self.time[:19]}Z {self.reader}, {self.act}{of}{because}{state} ({self.decision_id[:12]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedLesion:
    """A lesion behind an endpoint: its measurements at the visits that decided, and how they were linked."""

    track_id: str
    site: str | None
    compartment: str | None
    role: str | None
    tracking_uid: str | None
    measurements: tuple[Measured, ...]
    role_reason: str | None = None
    links: tuple[TracedLink, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedResponse:
    """One row of ``responses`` with its reasons."""

    phase: str
    rules: str
    reader: str
    timepoint: int
    date: str | None
    target: str | None
    non_target: str | None
    new_lesion: str | None
    overall: str | None
    sum_mm: float | None
    baseline_sum_mm: float | None
    nadir_sum_mm: float | None
    provisional: bool
    reasons: tuple[Row, ...]

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Phase, rules, reader, timepoint."""
        return self.phase, self.rules, self.reader, self.timepoint


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedEvent:
    """One row of ``events``."""

    subject_id: str
    endpoint: str
    track_id: str | None
    rules: str | None
    reader: str | None
    start_date: str | None
    date: str | None
    time_days: int | None
    status: int | None
    cause: str | None
    reason: str | None
    rule: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The evidence of one endpoint of one subject.

    Attributes
    ----------
    sentence
        The whole in one sentence, for a person.
    responses
        The visit that shows or censors it; before it the visit on which its lesion was first seen, where that differs.
    clinical
        Column of the clinical table ``subjects`` -> date.
    readers
        Whose reads, links and decisions it rests on, ``machine`` included.
    registrations
        Between the visits that it rests on.
    decisions
        Of the reading that it rests on: those that touch its lesions or sign its visits.
    made_by
        Version of the program and the settings that differ from the defaults.
    """

    event: TracedEvent
    sentence: str
    responses: tuple[TracedResponse, ...]
    lesions: tuple[TracedLesion, ...]
    clinical: Mapping[str, str] = field(default_factory=dict)
    readers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    registrations: tuple[TracedRegistration, ...] = ()
    decisions: tuple[TracedDecision, ...] = ()
    made_by: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sop_instance_uids(self) -> tuple[str, ...]:
        """Return the images on which its lesions were measured, each once."""
        found = [m.sop_instance_uid for lesion in self.lesions for m in lesion.measurements]
        return tuple(dict.fromkeys(uid for uid in found if uid))

    def to_dict(self) -> Row:
        """Return plain JSON values."""
        return {
            **asdict(self.event),
            "sentence": self.sentence,
            "responses": [asdict(response) for response in self.responses],
            "lesions": [asdict(lesion) for lesion in self.lesions],
            "sop_instance_uids": list(self.sop_instance_uids),
            "clinical": dict(self.clinical),
            "readers": list(self.readers),
            "flags": list(self.flags),
            "registrations": [asdict(registration) for registration in self.registrations],
            "decisions": [asdict(decision) for decision in self.decisions],
            "made_by": dict(self.made_by),
        }

    def __str__(self) -> str:
        """Return it as readable lines."""
        lines = [self.sentence, f"  rule: {self.event.rule or 'none'}"]
        lines += [f"  clinical: {column} {date}" for column, date in self.clinical.items()]
        for response in self.responses:
            lines += _response_lines(response)
        for lesion in self.lesions:
            parts = [f"lesion {lesion.track_id}", lesion.site, lesion.role, lesion.tracking_uid]
            lines.append(f"  {', '.join(part for part in parts if part)}")
            lines += [f"    {lesion.role.lower()}: {lesion.role_reason}"] if lesion.role and lesion.role_reason else []
            lines += [f"    {_measured_line(measured)}" for measured in lesion.measurements]
            lines += [f"    {_link_line(link)}" for link in lesion.links]
        lines += [f"  {_registration_line(registration)}" for registration in self.registrations]
        lines += [f"  decision: {decision}" for decision in self.decisions]
        if self.readers:
            lines.append(f"  readers: {', '.join(self.readers)}")
        lines += [f"  note: {flag}" for flag in self.flags]
        return "\n".join([*lines, *_made_by_lines(self.made_by)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """The evidence of an endpoint that has a row for each lesion, of all of them."""

    subject_id: str
    endpoint: str
    traces: tuple[Trace, ...]

    def to_dict(self) -> Row:
        """Return plain JSON values."""
        return {
            "subject_id": self.subject_id,
            "endpoint": self.endpoint,
            "by_lesion": [found.to_dict() for found in self.traces],
            "sop_instance_uids": list(dict.fromkeys(uid for found in self.traces for uid in found.sop_instance_uids)),
        }

    def __str__(self) -> str:
        """Return it as readable lines."""
        return "\n".join(str(found) for found in self.traces)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestsOn:
    """Everything that rests on a lesion or an image.

    Attributes
    ----------
    what
        What was asked about.
    tracks
        The lesions concerned.
    """

    subject_id: str
    what: str
    tracks: tuple[str, ...]
    measurements: tuple[Measured, ...]
    responses: tuple[TracedResponse, ...]
    events: tuple[TracedEvent, ...]
    decisions: tuple[TracedDecision, ...] = ()

    def to_dict(self) -> Row:
        """Return plain JSON values."""
        return {
            "subject_id": self.subject_id,
            "what": self.what,
            "tracks": list(self.tracks),
            "measurements": [asdict(measured) for measured in self.measurements],
            "responses": [asdict(response) for response in self.responses],
            "events": [asdict(event) for event in self.events],
            "decisions": [asdict(decision) for decision in self.decisions],
            "endpoints": list(dict.fromkeys(event.endpoint for event in self.events)),
        }

    def __str__(self) -> str:
        """Return it as readable lines."""
        lines = [f"subject {self.subject_id}, {self.what}: lesion {', '.join(self.tracks) or 'none'}"]
        lines += [f"  measured: {_measured_line(measured)}" for measured in self.measurements]
        lines += [f"  decision: {decision}" for decision in self.decisions]
        for response in self.responses:
            key = f"{response.phase} {response.rules} by {response.reader}"
            lines.append(f"  response: visit {response.timepoint} {response.date} {response.overall} ({key})")
        for event in self.events:
            of = f" of {event.track_id}" if event.track_id else ""
            lines.append(f"  endpoint: {event.endpoint}{of} {event.date} {status_text(event.status)} ({event.reason})")
        if not self.responses and not self.events:
            lines.append("  no response and no endpoint rests on it")
        return "\n".join(lines)


def status_text(status: int | None) -> str:
    """Return a status code in words."""
    return "not derived" if status is None else _STATUS.get(status, f"status {status}")


def _response_lines(response: TracedResponse) -> list[str]:
    sums = [
        f"{name} {value:g} mm"
        for name, value in (
            ("sum", response.sum_mm),
            ("baseline", response.baseline_sum_mm),
            ("nadir", response.nadir_sum_mm),
        )
        if value is not None
    ]
    components = f"target {response.target}, non-target {response.non_target}, new {response.new_lesion}"
    provisional = ", provisional" if response.provisional else ""
    lines = [
        f"  visit {response.timepoint} {response.date}: {response.overall} "
        f"({components}; {response.rules} by {response.reader}{provisional})"
    ]
    if sums:
        lines.append(f"    {', '.join(sums)}")
    return lines + [f"    {reason.get('sentence') or reason.get('rule')}" for reason in response.reasons]


def _measured_line(measured: Measured) -> str:
    parts = [f"visit {measured.timepoint} {measured.date}"]
    if measured.longest_diameter_mm is not None:
        parts.append(f"{measured.longest_diameter_mm:g} x {measured.short_axis_mm or 0:g} mm")
    parts += [part for part in (measured.status, measured.sop_instance_uid) if part]
    if measured.ends_lps_mm is not None:
        first, second = (f"({', '.join(f'{x:.1f}' for x in end)})" for end in measured.ends_lps_mm)
        parts.append(f"from {first} to {second} mm")
    return ", ".join(parts)


def _link_line(link: TracedLink) -> str:
    sure = "" if link.confidence is None else f", confidence {link.confidence:.2f}"
    kind = "" if link.kind == "SAME" else f" ({link.kind.lower()})"
    return f"linked visit {link.timepoint_from} to {link.timepoint_to}{kind}{sure}, by {link.author}"


def _registration_line(registration: TracedRegistration) -> str:
    dice, residual = registration.liver_dice, registration.residual_mm
    parts = [
        f"registration visit {registration.timepoint_from} to {registration.timepoint_to}: {registration.method}",
        "" if dice is None else f"liver Dice {dice:.3f}",
        "" if residual is None else f"residual {residual:.1f} mm",
        "trusted" if registration.trusted else f"not trusted ({registration.reason or 'no reason given'})",
    ]
    return ", ".join(part for part in parts if part)


def _made_by_lines(made_by: Mapping[str, Any]) -> list[str]:
    if not made_by:
        return []
    changed = ", ".join(f"{name} = {value}" for name, value in dict(made_by.get("settings", {})).items())
    return [f"  made by: lesiontrack {made_by.get('version', '')}; settings: {changed or 'all at their defaults'}"]
