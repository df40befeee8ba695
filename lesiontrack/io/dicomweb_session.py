"""A session with a DICOMweb service: credentials, time-outs, no redirects, no answer without end, none that trickles.

Credentials come from the environment alone; no message or log line of ours holds them.
"""

from __future__ import annotations

import base64
import http.client
import io
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from lesiontrack.io.multipart import MultipartError

__all__ = ["PASSWORD", "TOKEN", "USER", "TricklingAnswerError", "new_session"]

log = logging.getLogger(__name__)

USER = "LESIONTRACK_DICOMWEB_USER"
PASSWORD = "LESIONTRACK_DICOMWEB_PASSWORD"
TOKEN = "LESIONTRACK_DICOMWEB_TOKEN"

# Honest answers are far smaller: metadata of a series of thousands of slices, a whole series.
_MOST_JSON_BYTES = 2**29
_MOST_SERIES_BYTES = 2**35


class TricklingAnswerError(TimeoutError):
    """An answer that comes, but so slowly that it may never end."""


def new_session(url: str, timeout_s: float, least_bytes_per_s: float = 0.0) -> requests.Session:
    """Return a session for the service at an address.

    Parameters
    ----------
    timeout_s
        How long it may take to connect, and between two pieces of an answer.
    least_bytes_per_s
        What an answer must bring on average over each ``timeout_s`` of waiting for it, from its first byte on.
    """
    session = requests.Session()
    session.auth = _Credentials()
    # Credentials and subject ids go to the address that was named, and to no other.
    session.max_redirects = 0
    session.hooks = {"response": [_bound]}
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Patient(timeout_s, least_bytes_per_s))
    if url.startswith("http://") and not _is_loopback(url) and _authorization():
        log.warning("credentials go to %s unencrypted; https would hide them", url)
    return session


def _authorization() -> str:
    """Return the header's value that the environment gives; empty where it gives none."""
    token, user = os.environ.get(TOKEN, ""), os.environ.get(USER, "")
    if token:
        return f"Bearer {token}"
    pair = f"{user}:{os.environ.get(PASSWORD, '')}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}" if user else ""


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")


class _Credentials(AuthBase):
    """Adds what the environment holds; with nothing there it adds nothing, not even what ``.netrc`` says."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        value = _authorization()
        if value:
            request.headers["Authorization"] = value
        return request


class _Patient(HTTPAdapter):
    """Gives every request a time-out and its answer a least rate.

    Retries are the server's own, which also cover an answer that breaks off.
    """

    def __init__(self, timeout_s: float, least_bytes_per_s: float) -> None:
        super().__init__(max_retries=0)
        self._timeout_s = timeout_s
        self._pools = _pools(_Pace(timeout_s, least_bytes_per_s))

    def get_connection_with_tls_context(self, *given: Any, **named: Any) -> Any:
        """Return the pool of a request's connections; a proxy's pools are made at its first request."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            manager.pool_classes_by_scheme = self._pools
        return super().get_connection_with_tls_context(*given, **named)

    def proxy_manager_for(self, *given: Any, **named: Any) -> Any:
        """Return what makes the connections through a proxy."""
        manager = super().proxy_manager_for(*given, **named)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:  # type: ignore[override]
        """Send a request."""
        return super().send(request, **{**how, "timeout": self._timeout_s})


class _Pace:
    """The least rate of an answer, over a window of waiting.

    Only the time spent waiting for bytes counts, none of our own; and none before the first byte, when a server may
    be looking for what it was asked.
    """

    def __init__(self, window_s: float, least_bytes_per_s: float) -> None:
        self.window_s = window_s
        self.least_bytes_per_s = least_bytes_per_s


class _Paced(io.RawIOBase):
    """The bytes of an answer as they come; they stop with an error where they trickle."""

    def __init__(self, raw: io.RawIOBase, pace: _Pace) -> None:
        self._raw = raw
        self._pace = pace
        self._begun = False
        self._waited_s = 0.0
        self._came = 0

    def readable(self) -> bool:
        return True

    def readinto(self, place: Any) -> int | None:
        started = time.monotonic()
        count = self._raw.readinto(place)
        if self._begun:
            self._waited_s += time.monotonic() - started
        self._begun = True
        self._came += count or 0
        if count and self._waited_s >= self._pace.window_s:
            if self._came < self._pace.least_bytes_per_s * self._waited_s:
                raise TricklingAnswerError("an answer that trickles")
            self._waited_s, self._came = 0.0, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PacedResponse(http.client.HTTPResponse):
    """An answer, header and body, that is read at a pace."""

    def __init__(self, sock: socket.socket, *given: Any, pace: _Pace, **named: Any) -> None:
        super().__init__(sock, *given, **named)
        self.fp = io.BufferedReader(_Paced(self.fp.detach(), pace))


def _pools(pace: _Pace) -> Mapping[str, type[HTTPConnectionPool]]:
    """Return, by scheme, pools of connections whose answers are read at a pace."""
    answer = staticmethod(partial(_PacedResponse, pace=pace))
    plain = type("PacedHTTPConnection", (HTTPConnection,), {"response_class": answer})
    secure = type("PacedHTTPSConnection", (HTTPSConnection,), {"response_class": answer})
    return {
        "http": type("PacedHTTPPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("PacedHTTPSPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


class _Bounded:
    """The body of an answer that stops with an error where it grows too long, also when it is inflated."""

    def __init__(self, raw: Any, most_bytes: int) -> None:
        self._raw = raw
        self._left = most_bytes

    def stream(self, amount: int, decode_content: bool | None = None) -> Iterator[bytes]:
        whole = False
        try:
            for chunk in self._raw.stream(amount, decode_content=decode_content):
                self._left -= len(chunk)
                if self._left < 0:
                    raise MultipartError("an answer without end")
                yield chunk
            whole = True
        finally:
            # Where all of an answer is asked for at once nobody else does: the connection would stay open until it
            # is collected, with a ResourceWarning wherever that happens to be.
            if not whole:
                self._raw.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def _bound(response: requests.Response, **_: Any) -> requests.Response:
    streamed = response.headers.get("Content-Type", "").startswith("multipart/")
    response.raw = _Bounded(response.raw, _MOST_SERIES_BYTES if streamed else _MOST_JSON_BYTES)
    return response
