"""The two walks: from an endpoint to its evidence, and from a lesion or an image to what rests on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lesiontrack.errors import TableError
from lesiontrack.trace.grounds import decisions_behind, links_of, registrations_between
from lesiontrack.trace.rows import as_event, as_measured, as_response, own_rows, parsed
from lesiontrack.trace.values import (
    RestsOn,
    Row,
    Trace,
    TracedDecision,
    TracedEvent,
    TracedLesion,
    TracedResponse,
    Traces,
    status_text,
)

__all__ = ["evidence_of", "rests_on", "trace", "traces_of"]


def trace(
    tables: Mapping[str, pd.DataFrame],
    subject_id: str | None = None,
    endpoint: str | None = None,
    *,
    lesion: str | None = None,
    sop_instance: str | None = None,
    made_by: Mapping[str, Any] | None = None,
) -> Trace | Traces | RestsOn:
    """Walk from an endpoint to its evidence or, without an endpoint, from a lesion or an image to what rests on it.

    Parameters
    ----------
    tables
        ``events``, and for the way to the pixel ``responses``, ``lesions``, ``tracks``, ``roles``, ``timepoints``,
        ``links``, ``registrations``, ``scans``, ``decisions``; an absent one is empty.
    subject_id
        May be left out with a tracking UID or a SOP Instance UID, which name one subject.
    endpoint
        Where it has a row for each lesion, all of them, or with ``lesion`` that one.
    made_by
        Version of the program and settings, to be told with the evidence.

    Raises
    ------
    TableError
        If nothing or nobody of the name exists, or the question is not complete.
    """
    subject_id = subject_id or _subject_of(tables, lesion, sop_instance)
    if endpoint is None:
        return rests_on(tables, subject_id, lesion=lesion, sop_instance=sop_instance)
    if sop_instance is not None:
        raise TableError("name an endpoint or an image, not both", subject_id=subject_id)
    rows = _Subject(tables, subject_id).rows("events")
    lesions = [str(row["track_id"]) for row in rows if row["endpoint"] == endpoint and row.get("track_id") is not None]
    if lesion is None and len(lesions) > 1:
        found = (evidence_of(tables, subject_id, endpoint, track_id=name) for name in lesions)
        told = tuple(replace(one, made_by=made_by or {}) for one in found)
        return Traces(subject_id=subject_id, endpoint=endpoint, traces=told)
    return replace(evidence_of(tables, subject_id, endpoint, track_id=lesion), made_by=made_by or {})


def _subject_of(tables: Mapping[str, pd.DataFrame], lesion: str | None, sop_instance: str | None) -> str:
    """Return the one subject that has a lesion of this tracking UID, or was imaged on this instance."""
    for name, column, value in (("lesions", "sop_instance_uid", sop_instance), ("tracks", "tracking_uid", lesion)):
        table = tables.get(name)
        if value is None or table is None or column not in table.columns:
            continue
        found = sorted(set(table.loc[table[column].eq(value).fillna(False).astype(bool), "subject_id"].astype(str)))
        if len(found) == 1:
            return found[0]
        if name == "lesions":
            raise TableError("no lesion is measured on this image", found=value, expected="name the subject")
    raise TableError("no subject is named", expected="a subject, a tracking UID or a SOP Instance UID")


def evidence_of(
    tables: Mapping[str, pd.DataFrame], subject_id: str, endpoint: str, *, track_id: str | None = None
) -> Trace:
    """Return the evidence of an endpoint.

    Parameters
    ----------
    tables
        As for :func:`trace`.
    track_id
        Which lesion, for an endpoint that has a row for each.

    Raises
    ------
    TableError
        If there is no such subject or endpoint, or the endpoint needs a lesion to be named.
    """
    subject = _Subject(tables, subject_id)
    rows = [row for row in subject.rows("events") if row["endpoint"] == endpoint]
    if track_id is not None:
        rows = [row for row in rows if row.get("track_id") == track_id]
    if not rows:
        has = sorted({str(row["endpoint"]) for row in subject.rows("events")})
        raise TableError(
            f"no endpoint {endpoint}{f' of lesion {track_id}' if track_id else ''}",
            subject_id=subject_id,
            expected=", ".join(has) or "an events table that knows this subject",
        )
    if len(rows) > 1:
        names = ", ".join(str(row.get("track_id")) for row in rows)
        raise TableError(f"{endpoint} has a row for each lesion", subject_id=subject_id, expected=f"one of {names}")
    return subject.trace(rows[0])


def traces_of(tables: Mapping[str, pd.DataFrame], subject_id: str) -> tuple[Trace, ...]:
    """Return the evidence of every endpoint of a subject, in the order of its events."""
    subject = _Subject(tables, subject_id)
    return tuple(subject.trace(row) for row in subject.rows("events"))


def rests_on(
    tables: Mapping[str, pd.DataFrame], subject_id: str, *, lesion: str | None = None, sop_instance: str | None = None
) -> RestsOn:
    """Return every response and endpoint that rests on a lesion or on an image.

    A response rests on a lesion that its reasons or triggers name. It rests on an image when it rests on a lesion
    measured there, and the image is of its own visit or of one that it compares with: baseline, nadir, first sight.

    Parameters
    ----------
    lesion
        Track id or tracking UID.
    sop_instance
        SOP Instance UID.

    Raises
    ------
    TableError
        If not exactly one of the two is given, or nothing of the name exists.
    """
    if (lesion is None) == (sop_instance is None):
        raise TableError("name either a lesion or a SOP Instance UID", subject_id=subject_id)
    subject = _Subject(tables, subject_id)
    if lesion is not None:
        return subject.rests_on_lesion(lesion)
    return subject.rests_on_image(str(sop_instance))


class _Subject:
    """One subject's rows of every table."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], subject_id: str) -> None:
        self.subject_id = subject_id
        self._tables = {name: own_rows(table, subject_id) for name, table in tables.items()}
        if not any(self._tables.values()):
            raise TableError("no table knows this subject", subject_id=subject_id, expected="an id of cohort/subjects")

    def rows(self, table: str) -> list[Row]:
        return self._tables.get(table, [])

    # --- from an endpoint to its evidence ---------------------------------------------------------------------------

    def trace(self, row: Row) -> Trace:
        evidence = parsed(row.get("evidence"), {})
        source = evidence.get("response") or {}
        shown = self._responses_of(row, evidence)
        lesions = list(dict.fromkeys([*evidence.get("lesions", []), *_reason_lesions(shown)]))
        visits = {response.timepoint for response in shown}
        visits |= {int(source[key]) for key in ("timepoint", "first_timepoint") if source.get(key) is not None}
        for response in shown:
            visits |= self._compared_visits(response)
        traced = tuple(self._lesion(name, visits, str(source.get("phase", "STUDY"))) for name in lesions)
        event = as_event(row, evidence)
        linked = {t for lesion in traced for link in lesion.links for t in (link.timepoint_from, link.timepoint_to)}
        decisions = self._decisions(event.reader, lesions, visits)
        return Trace(
            event=event,
            sentence=_sentence(event, evidence),
            responses=tuple(shown),
            lesions=traced,
            clinical=evidence.get("clinical", {}),
            readers=tuple(sorted({*self._readers(event, lesions), *(decision.reader for decision in decisions)})),
            flags=tuple(evidence.get("flags", ())),
            registrations=registrations_between(self.rows("registrations"), visits | linked) if traced else (),
            decisions=decisions,
        )

    def _keys(self, tracks: Iterable[str]) -> set[tuple[int, int]]:
        """Return visit and number of the lesions of tracks."""
        wanted = set(tracks)
        rows = [row for row in self.rows("lesions") if row.get("track_id") in wanted]
        return {(int(row["timepoint"]), int(row["lesion_id"])) for row in rows}

    def _decisions(self, reader: str | None, tracks: Sequence[str], visits: set[int]) -> tuple[TracedDecision, ...]:
        """Return the decisions behind tracks and visits."""
        return decisions_behind(
            self.rows("decisions"),
            reader=reader,
            tracks=tracks,
            lesions=self._keys(tracks),
            dates={str(row["date"]) for row in self.rows("scans") if row.get("timepoint") in visits},
        )

    def _responses_of(self, row: Row, evidence: Row) -> list[TracedResponse]:
        source, visit = evidence.get("response") or {}, evidence.get("visit") or {}
        wanted = {source.get("timepoint"), source.get("first_timepoint"), visit.get("timepoint")} - {None}
        return [
            response
            for response in self._responses()
            if response.timepoint in wanted
            and response.phase == source.get("phase", "STUDY")
            and (response.rules, response.reader) == (row.get("rules"), row.get("reader"))
        ]

    def _responses(self) -> list[TracedResponse]:
        found = [as_response(row) for row in self.rows("responses")]
        return sorted(found, key=lambda response: response.key)

    def _compared_visits(self, response: TracedResponse) -> set[int]:
        """Return the visits that a response compares with: the baseline, the nadir, the first sight of its lesions."""
        visits = {entry for entry in (self._baseline(response.phase), self._nadir(response)) if entry is not None}
        for row in self.rows("responses"):
            if as_response(row).key == response.key:
                visits |= {
                    int(trigger["first_timepoint"])
                    for trigger in parsed(row.get("triggers"), [])
                    if trigger.get("first_timepoint") is not None
                }
        return visits

    def _baseline(self, phase: str) -> int | None:
        """Return the first visit of a phase; that of the study is the visit that belongs to both."""
        wanted = ("INDUCTION", "BOTH") if phase == "INDUCTION" else ("BOTH",)
        visits = [int(row["timepoint"]) for row in self.rows("timepoints") if row.get("phase") in wanted]
        return min(visits, default=None)

    def _nadir(self, response: TracedResponse) -> int | None:
        """Return the earliest visit whose sum is the nadir in force (settled points: ties go to the earliest)."""
        if response.nadir_sum_mm is None:
            return None
        same = [
            other.timepoint
            for other in self._responses()
            if other.key[:3] == response.key[:3]
            and other.timepoint < response.timepoint
            and other.sum_mm == response.nadir_sum_mm
        ]
        return min(same, default=None)

    def _lesion(self, track_id: str, visits: Iterable[int], phase: str) -> TracedLesion:
        track = next((row for row in self.rows("tracks") if row.get("track_id") == track_id), {})
        roles = [r for r in self.rows("roles") if r.get("track_id") == track_id and r.get("phase") == phase]
        wanted = set(visits)
        return TracedLesion(
            track_id=track_id,
            site=track.get("site"),
            compartment=track.get("compartment"),
            role=roles[0].get("role") if roles else None,
            role_reason=roles[0].get("reason") if roles else None,
            links=links_of(self.rows("links"), self._keys([track_id]), max(wanted, default=0)),
            tracking_uid=track.get("tracking_uid"),
            measurements=tuple(
                as_measured(row)
                for row in sorted(self.rows("lesions"), key=lambda row: (int(row["timepoint"]), int(row["lesion_id"])))
                if row.get("track_id") == track_id and int(row["timepoint"]) in wanted
            ),
        )

    def _readers(self, event: TracedEvent, tracks: Sequence[str]) -> tuple[str, ...]:
        keys = self._keys(tracks)
        authors = {
            str(row["author"])
            for row in self.rows("links")
            if (int(row["timepoint_to"]), int(row["lesion_to"])) in keys and row.get("author")
        }
        return tuple(sorted(authors | ({event.reader} if event.reader else set())))

    # --- and back ---------------------------------------------------------------------------------------------------

    def rests_on_lesion(self, lesion: str) -> RestsOn:
        named = [
            str(row["track_id"])
            for row in self.rows("tracks")
            if lesion in (row.get("track_id"), row.get("tracking_uid"))
        ]
        # Reads without images have no table of tracks: their lesions are known by the responses that name them.
        tracks = set(named) or (
            {lesion} if any(lesion in self._named(row) for row in self.rows("responses")) else set()
        )
        if not tracks:
            known = sorted(str(row["track_id"]) for row in self.rows("tracks"))
            raise TableError("no such lesion", subject_id=self.subject_id, found=lesion, expected=", ".join(known))
        rows = [row for row in self.rows("lesions") if row.get("track_id") in tracks]
        return self._rests(f"lesion {lesion}", tracks, rows, visits=None)

    def rests_on_image(self, sop_instance: str) -> RestsOn:
        rows = [row for row in self.rows("lesions") if row.get("sop_instance_uid") == sop_instance]
        if not rows:
            raise TableError(
                "no lesion is measured on this image",
                subject_id=self.subject_id,
                found=sop_instance,
                expected="the SOP Instance UID of a slice that holds a longest diameter",
            )
        tracks = {str(row["track_id"]) for row in rows if row.get("track_id")}
        return self._rests(f"image {sop_instance}", tracks, rows, visits={int(row["timepoint"]) for row in rows})

    def _rests(self, what: str, tracks: set[str], rows: list[Row], *, visits: set[int] | None) -> RestsOn:
        """Gather what rests on ``tracks``, as measured in ``visits`` (None: in any)."""
        responses = [
            as_response(row) for row in self.rows("responses") if tracks & self._named(row) and self._uses(row, visits)
        ]
        keys = {response.key for response in responses}
        events = [
            as_event(row, evidence)
            for row in self.rows("events")
            for evidence in [parsed(row.get("evidence"), {})]
            if self._event_rests(row, evidence, tracks, keys, visits)
        ]
        return RestsOn(
            subject_id=self.subject_id,
            what=what,
            tracks=tuple(sorted(tracks)),
            measurements=tuple(as_measured(row) for row in sorted(rows, key=lambda row: int(row["timepoint"]))),
            responses=tuple(sorted(responses, key=lambda response: response.key)),
            events=tuple(events),
            decisions=self._decisions(None, sorted(tracks), set()),
        )

    def _named(self, row: Row) -> set[str]:
        """Return the lesions that a response's reasons, triggers and treated sites name."""
        entries = [
            entry
            for column in ("reasons", "triggers", "treatment_phase_growth")
            for entry in parsed(row.get(column), [])
        ]
        return {str(name) for entry in entries for name in entry.get("lesions", ())} | set(
            parsed(row.get("site_status"), {})
        )

    def _uses(self, row: Row, visits: set[int] | None) -> bool:
        response = as_response(row)
        return visits is None or bool(visits & ({response.timepoint} | self._compared_visits(response)))

    def _event_rests(
        self,
        row: Row,
        evidence: Row,
        tracks: set[str],
        keys: set[tuple[str, str, str, int]],
        visits: set[int] | None,
    ) -> bool:
        """Tell whether an event's own visit is among the responses ``keys``, or it is of a lesion in ``tracks``."""
        source, visit = evidence.get("response") or {}, evidence.get("visit") or {}
        phase = str(source.get("phase", "STUDY"))
        own = {
            (phase, str(row.get("rules")), str(row.get("reader")), int(timepoint))
            for timepoint in (source.get("timepoint"), source.get("first_timepoint"), visit.get("timepoint"))
            if timepoint is not None
        }
        return bool(own & keys) or (visits is None and row.get("track_id") in tracks)


def _reason_lesions(responses: Iterable[TracedResponse]) -> list[str]:
    return [str(name) for response in responses for reason in response.reasons for name in reason.get("lesions", ())]


def _sentence(event: TracedEvent, evidence: Row) -> str:
    of = f" of lesion {event.track_id}" if event.track_id else ""
    if event.date is None:
        return f"Subject {event.subject_id}: {event.endpoint}{of} is not derived ({event.reason})."
    by = f" by {evidence['trigger']}" if evidence.get("trigger") else ""
    in_lesions = f" in {', '.join(evidence['lesions'])}" if evidence.get("lesions") else ""
    at = f" at {event.cause}" if event.cause and event.cause != "DEATH" else ""
    return (
        f"Subject {event.subject_id}: {event.endpoint}{of} on {event.date}, day {event.time_days} from "
        f"{event.start_date}: {status_text(event.status)}, {event.reason}{at}{by}{in_lesions}."
    )
