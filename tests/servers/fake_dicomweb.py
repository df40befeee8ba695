"""A DICOMweb service of our own on loopback, over a few files, that can be told how to fail.

It answers what a well-behaved server does until a fault matches a request's path.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pydicom

__all__ = ["BOUNDARY", "Fault", "FakeDicomweb", "multipart", "serve"]

BOUNDARY = "fake-boundary"
# By content: the same files are served again and again.
_METADATA: dict[bytes, dict[str, Any]] = {}
_JSON = "application/dicom+json"
_MULTIPART = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


@dataclass
class Fault:
    """What happens to requests whose path matches, ``times`` times (or always).

    Attributes
    ----------
    how
        "status": ``status`` and ``headers`` and no more. "silent": no answer. "cut": the answer breaks off after
        ``share`` of it, with the length that it should have had, or, with ``unannounced``, without any length.
        "answer": ``body`` of ``content_type``, with ``headers``, in place of the true one. "endless": ``body`` over
        and over.
        "hang up": the connection closes before a word. "trickle": the true answer, a byte every ``pause_s``;
        with ``unannounced`` its header too.
    """

    path: str
    how: str = "status"
    times: int = -1
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    share: float = 0.5
    unannounced: bool = False
    pause_s: float = 0.1
    body: bytes = b""
    content_type: str = _JSON


def multipart(
    parts: Sequence[bytes],
    boundary: str = BOUNDARY,
    part_type: str = "application/dicom",
    lengths: Sequence[int | None] = (),
) -> bytes:
    """Return a multipart body; each part's header tells a length where one is given, right or wrong."""
    out = b""
    for part, length in zip_longest(parts, lengths[: len(parts)]):
        told = b"" if length is None else b"Content-Length: %d\r\n" % length
        out += b"--%b\r\nContent-Type: %b\r\n%b\r\n%b\r\n" % (boundary.encode(), part_type.encode(), told, part)
    return out + f"--{boundary}--\r\n".encode()


@dataclass
class FakeDicomweb:
    """The service: its files, its faults, and the requests that it has seen."""

    files: dict[str, Path] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    stored: list[bytes] = field(default_factory=list)
    most_results: int = 1000
    url: str = ""

    def add(self, *files: Path) -> FakeDicomweb:
        """Offer files."""
        for file in files:
            head = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
            self.files[str(head.SOPInstanceUID)] = file
        return self

    @property
    def archive(self) -> str:
        """The address as ``study.toml`` has it."""
        return f"dicomweb+{self.url}"

    def asked(self, pattern: str) -> int:
        """Return how many requests matched a pattern."""
        return sum(re.search(pattern, path) is not None for path in self.requests)

    def metadata(self) -> list[tuple[Path, dict[str, Any]]]:
        """Return each file with its metadata as DICOM JSON."""
        found = []
        for file in self.files.values():
            content = file.read_bytes()
            if content not in _METADATA:
                dataset = pydicom.dcmread(file, stop_before_pixels=True)
                _METADATA[content] = dataset.to_json_dict(bulk_data_element_handler=lambda _: f"{self.url}/bulk")
            found.append((file, _METADATA[content]))
        return found


def _value(entry: dict[str, Any], tag: str) -> Any:
    return (entry.get(tag, {}).get("Value") or [""])[0]


_LEVELS = {"studies": "study", "series": "series", "instances": "instance"}
_UIDS = {"study": "0020000D", "series": "0020000E", "instance": "00080018"}
_SHOWN = {
    "study": ("00080020", "00100020", "0020000D"),
    "series": ("00080060", "0020000D", "0020000E", "0008103E"),
    "instance": ("00080016", "00080018", "0020000D", "0020000E", "00200013"),
}
_COUNTS = {"study": {"00201206": "series", "00201208": "instance"}, "series": {"00201209": "instance"}, "instance": {}}


def _search(entries: Sequence[dict[str, Any]], level: str) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        groups.setdefault(_value(entry, _UIDS[level]), []).append(entry)
    results = []
    for uid in sorted(groups):
        result = {tag: groups[uid][0][tag] for tag in _SHOWN[level] if tag in groups[uid][0]}
        for tag, below in _COUNTS[level].items():
            count = len({_value(entry, _UIDS[below]) for entry in groups[uid]})
            result[tag] = {"vr": "IS", "Value": [count]}
        results.append(result)
    return results


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake: FakeDicomweb

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a search or a retrieval, or fail as told."""
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/dicomweb/")
        self.fake.requests.append(path)
        self.fake.authorizations.append(self.headers.get("Authorization"))
        body, content_type = self._true_answer(path, parse_qs(parts.query))
        fault = self._fault(path)
        if fault is None:
            self._send(body, content_type, status=200 if body else 404)
        else:
            self._fail(fault, body, content_type)

    def do_POST(self) -> None:
        """Take what is stored, and say so."""
        body = self._body()
        self.fake.requests.append("POST")
        fault = self._fault("POST")
        if fault is not None:
            self._fail(fault, b"", _JSON)
            return
        part = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
        self.fake.stored.append(part)
        dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(part))
        item = {"00081155": {"vr": "UI", "Value": [str(dataset.SOPInstanceUID)]}}
        answer = {"00081199": {"vr": "SQ", "Value": [item]}}
        self._send(json.dumps(answer).encode(), _JSON)

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _fault(self, path: str) -> Fault | None:
        for fault in self.fake.faults:
            if fault.times != 0 and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None

    def _true_answer(self, path: str, query: dict[str, list[str]]) -> tuple[bytes, str]:
        words = path.strip("/").split("/")
        named = {_LEVELS[word]: uid for word, uid in zip(words[::2], words[1::2])}
        chosen = [
            (file, entry)
            for file, entry in self.fake.metadata()
            if all(_value(entry, _UIDS[level]) == uid for level, uid in named.items())
        ]
        if words[-1] == "metadata":
            return json.dumps([entry for _, entry in chosen]).encode(), _JSON
        if len(words) % 2 == 0:
            return (multipart([file.read_bytes() for file, _ in chosen]) if chosen else b""), _MULTIPART
        level = _LEVELS[words[-1]]
        results = _search([entry for _, entry in chosen], level)
        first = int(query.get("offset", ["0"])[0])
        most = min(self.fake.most_results, int(query.get("limit", ["1000"])[0]))
        return json.dumps(results[first : first + most]).encode(), _JSON

    def _send(self, body: bytes, content_type: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, fault: Fault, body: bytes, content_type: str) -> None:
        self.close_connection = True
        if fault.how == "status":
            self._send(b"PatientName ZWETSCHGE^QUIRINUS", "text/plain", fault.status, fault.headers)
        elif fault.how == "silent":
            time.sleep(8)
        elif fault.how == "answer":
            self._send(fault.body, fault.content_type, headers=fault.headers)
        elif fault.how == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault.how == "trickle":
            self._trickle(fault, body, content_type)
        else:
            self.send_response(200)
            self.send_header("Content-Type", fault.content_type if fault.how == "endless" else content_type)
            if not fault.unannounced and fault.how != "endless":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fault.how == "cut":
                self.wfile.write(body[: int(len(body) * fault.share)])
            while fault.how == "endless":
                self.wfile.write(fault.body)

    def _trickle(self, fault: Fault, body: bytes, content_type: str) -> None:
        """Send an answer byte by byte until nobody listens any more."""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        slow = head + body if fault.unannounced else body
        if not fault.unannounced:
            self.wfile.write(head)
        for byte in slow:
            self.wfile.write(bytes([byte]))
            time.sleep(fault.pause_s)


class _Service(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that turn away."""


@contextmanager
def serve(*files: Path) -> Iterator[FakeDicomweb]:
    """Run the service on a free port of loopback while the block lasts."""
    fake = FakeDicomweb().add(*files)
    handler = type("Handler", (_Handler,), {"fake": fake})
    with _Service(("127.0.0.1", 0), handler) as service:
        fake.url = f"http://127.0.0.1:{service.server_address[1]}/dicomweb"
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            service.shutdown()
            thread.join()
