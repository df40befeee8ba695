"""A session with a DICOMweb service: credentials, time-outs, no redirects, and no answer without end.

Credentials come from the environment alone; no message or log line of ours holds them.
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from lesiontrack.io.multipart import MultipartError

__all__ = ["PASSWORD", "TOKEN", "USER", "new_session"]

log = logging.getLogger(__name__)

USER = "LESIONTRACK_DICOMWEB_USER"
PASSWORD = "LESIONTRACK_DICOMWEB_PASSWORD"
TOKEN = "LESIONTRACK_DICOMWEB_TOKEN"

# Honest answers are far smaller: metadata of a series of thousands of slices, a whole series.
_MOST_JSON_BYTES = 2**29
_MOST_SERIES_BYTES = 2**35


def new_session(url: str, timeout_s: float) -> requests.Session:
    """Return a session for the service at an address.

    Parameters
    ----------
    timeout_s
        How long it may take to connect, and between two pieces of an answer.
    """
    session = requests.Session()
    session.auth = _Credentials()
    # Credentials and subject ids go to the address that was named, and to no other.
    session.max_redirects = 0
    session.hooks = {"response": [_bound]}
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Patient(timeout_s))
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
    """Gives every request a time-out; retries are the server's own, which also cover an answer that breaks off."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(max_retries=0)
        self._timeout_s = timeout_s

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:  # type: ignore[override]
        """Send a request."""
        return super().send(request, **{**how, "timeout": self._timeout_s})


class _Bounded:
    """The body of an answer that stops with an error where it grows too long, also when it is inflated."""

    def __init__(self, raw: Any, most_bytes: int) -> None:
        self._raw = raw
        self._left = most_bytes

    def stream(self, amount: int, decode_content: bool | None = None) -> Iterator[bytes]:
        for chunk in self._raw.stream(amount, decode_content=decode_content):
            self._left -= len(chunk)
            if self._left < 0:
                raise MultipartError("an answer without end")
            yield chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def _bound(response: requests.Response, **_: Any) -> requests.Response:
    streamed = response.headers.get("Content-Type", "").startswith("multipart/")
    response.raw = _Bounded(response.raw, _MOST_SERIES_BYTES if streamed else _MOST_JSON_BYTES)
    return response
