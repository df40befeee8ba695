"""Talk to a DICOMweb service: QIDO-RS, WADO-RS and STOW-RS, with time-outs, retries and bounds on what it may send.

Searches, metadata and storing go through dicomweb-client. Whole objects are kept as the bytes that came: the client
decodes each, inflates a deflated one without a bound, and takes the rest of an answer that broke off for an object.

No message or log line of ours holds any text of the server.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pydicom
import requests
from dicomweb_client.web import DICOMwebClient
from urllib3.exceptions import HTTPError as BrokenTransferError
from urllib3.exceptions import ReadTimeoutError

from lesiontrack.errors import ArchiveError, ImageError, StudyError
from lesiontrack.io.dataset import quiet_pydicom, text
from lesiontrack.io.dicomweb import DicomwebAddress, is_uid
from lesiontrack.io.dicomweb_session import PASSWORD, TOKEN, USER, TricklingAnswerError, new_session
from lesiontrack.io.elements import plain_elements
from lesiontrack.io.headers import SIZE_KEYWORDS, read_header, size_problem
from lesiontrack.io.held import held
from lesiontrack.io.multipart import CutShortError, MultipartError, boundary_of, parts

__all__ = ["Server", "value_of"]


Json = Mapping[str, Any]
_Answer = TypeVar("_Answer")

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
# After so many requests in a row that failed with all their retries, the server is left alone for a while: a night's
# run must not wait for each of its subjects in turn.
_PATIENCE = 3
_LEFT_ALONE_S = 60.0
_PAGE = 1000
# Small enough to stay in the processor's memory until it is where it belongs.
_CHUNK_BYTES = 2**18
# An honest multi-frame object, and an honest series, are far smaller.
_MOST_OBJECT_BYTES = 2**30
_MOST_HELD_BYTES = 2**32
# A name for an object while it is looked at, and what is looked at.
_RECEIVED = "dicomweb:received"
_IDENTITY = ("SOPInstanceUID", "SeriesInstanceUID", *SIZE_KEYWORDS)
_AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'


class Server:
    """A DICOMweb service.

    Parameters
    ----------
    timeout_s
        How long it may take to connect, and between two pieces of an answer.
    attempts
        How often a request is made before it counts as failed.
    least_bytes_per_s
        What an answer must bring on average over each ``timeout_s``, from its first byte on.
    """

    def __init__(self, address: DicomwebAddress, *, timeout_s: float, attempts: int, least_bytes_per_s: float) -> None:
        self.address = address
        self._attempts = attempts
        self._failed_in_a_row = 0
        self._failed_at_s = 0.0
        self._session = new_session(address.url, timeout_s, least_bytes_per_s)
        self._client = DICOMwebClient(address.url, session=self._session)
        self._client.set_http_retry_params(retry=False)

    # --- searching ----------------------------------------------------------------------------------------------------

    def studies(self) -> list[Json]:
        """Return the search results of all studies.

        Raises
        ------
        ArchiveError
            As each method of this class: if the server does not answer, or not as it must.
        """
        return self._all("studies", self._client.search_for_studies, "0020000D", None)

    def series(self, study: Json) -> list[Json]:
        """Return the search results of a study's series; fewer than the study claims is an error."""
        uid = value_of(study, "0020000D")
        search = partial(self._client.search_for_series, study_instance_uid=uid)
        return self._all(f"studies/{uid}/series", search, "0020000E", value_of(study, "00201206"))

    def instances(self, study_uid: str, series: Json) -> list[Json]:
        """Return the search results of a series' instances; fewer than the series claims is an error."""
        uid = value_of(series, "0020000E")
        search = partial(self._client.search_for_instances, study_instance_uid=study_uid, series_instance_uid=uid)
        place = f"studies/{study_uid}/series/{uid}/instances"
        return self._all(place, search, "00080018", value_of(series, "00201209"))

    def metadata(self, study_uid: str, series_uid: str) -> list[Json]:
        """Return the metadata (DICOM JSON, no bulk data) of all instances of a series."""
        place = f"studies/{study_uid}/series/{series_uid}/metadata"
        return self._json(place, lambda: self._client.retrieve_series_metadata(study_uid, series_uid))

    def _all(self, place: str, search: Callable[..., object], uid_tag: str, count: object) -> list[Json]:
        """Gather all pages of a search: a server may hand out fewer results than were asked for, or all of them again.

        Parameters
        ----------
        count
            How many there are by what the server said before; None where it did not say.
        """
        found: dict[str, Json] = {}
        while len(found) != count:
            page = partial(search, limit=_PAGE, offset=len(found))
            results = {value_of(result, uid_tag): result for result in self._json(place, page)}
            if not all(is_uid(uid) for uid in results):
                raise ArchiveError("a search result without a valid UID", file=self._name(place))
            if not results.keys() - found.keys():
                break
            found |= results
        if isinstance(count, int) and len(found) < count:
            raise ArchiveError(
                "the server does not list all that it says it has",
                file=self._name(place),
                found=str(len(found)),
                expected=str(count),
            )
        return list(found.values())

    def _json(self, place: str, request: Callable[[], object]) -> list[Json]:
        def ask() -> list[Json]:
            answer = request()
            if not isinstance(answer, list) or not all(isinstance(entry, dict) for entry in answer):
                raise MultipartError("no list of data sets")
            return answer

        return self._persistently(place, ask)

    # --- objects ------------------------------------------------------------------------------------------------------

    def fetch(
        self, study_uid: str, series_uid: str, wanted: set[str], *, by_series: bool = True
    ) -> dict[str, memoryview]:
        """Retrieve instances of a series (WADO-RS), as they are stored on the server, into memory.

        Parameters
        ----------
        by_series
            Retrieve the series in one request and keep the wanted instances, instead of one request for each.

        Returns
        -------
        dict
            SOP Instance UID -> object; every wanted one, each whole.
        """
        series = f"studies/{study_uid}/series/{series_uid}"
        places = [series] if by_series else [f"{series}/instances/{uid}" for uid in sorted(wanted)]
        found: dict[str, memoryview] = {}
        for place in places:
            found |= self._persistently(place, partial(self._retrieve, place, series_uid, wanted))
        missing = wanted - found.keys()
        if missing:
            raise ArchiveError(
                "the server has not sent every instance of the series",
                file=self._name(series),
                found=f"{len(found)} of {len(wanted)}; {min(missing)} is missing",
            )
        return found

    def _retrieve(self, place: str, series_uid: str, wanted: set[str]) -> dict[str, memoryview]:
        found: dict[str, memoryview] = {}
        left = _MOST_HELD_BYTES
        with self._session.get(f"{self.address.url}/{place}", headers={"Accept": _AS_STORED}, stream=True) as response:
            response.raise_for_status()
            boundary = boundary_of(response.headers.get("Content-Type", ""))
            for content in parts(response.iter_content(_CHUNK_BYTES), boundary, most_bytes=_MOST_OBJECT_BYTES):
                uid, problem = _identified(content, series_uid)
                if uid in found:
                    raise MultipartError("an instance twice")
                if uid not in wanted:
                    continue
                if problem:
                    raise ImageError(problem, file=self._name(f"{place}/instances/{uid}"))
                left -= len(content)
                if left < 0:
                    raise MultipartError(f"more than {_MOST_HELD_BYTES} bytes of a series")
                found[uid] = content
        return found

    def store(self, file: Path) -> None:
        """Store a DICOM file (STOW-RS) and see that the server confirms it."""
        with quiet_pydicom():
            dataset = pydicom.dcmread(file)
        uid = text(dataset, "SOPInstanceUID")

        def send() -> pydicom.Dataset:
            with quiet_pydicom():
                return self._client.store_instances([dataset])

        answer = self._persistently("studies", send)
        stored = {text(item, "ReferencedSOPInstanceUID") for item in answer.get("ReferencedSOPSequence") or []}
        failed = [text(item, "FailureReason") for item in answer.get("FailedSOPSequence") or []]
        if uid not in stored or failed:
            raise ArchiveError(
                "the server does not confirm that it has stored an object",
                file=str(file),
                found=f"failure reason {failed[0]}" if failed else "no reference to it in the answer",
            )

    # --- asking -------------------------------------------------------------------------------------------------------

    def _name(self, place: str) -> str:
        return f"{self.address.name}/{place}"

    def _persistently(self, place: str, request: Callable[[], _Answer]) -> _Answer:
        """Make a request until it succeeds, waiting longer each time, or until it is clear that it will not."""
        if self._failed_in_a_row >= _PATIENCE and time.monotonic() - self._failed_at_s < _LEFT_ALONE_S:
            raise ArchiveError(
                f"not asked: the server has failed {self._failed_in_a_row} requests in a row", file=self._name(place)
            )
        attempt, wait_s = 1, _FIRST_WAIT_S
        while True:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    answer = request()
            except (requests.RequestException, BrokenTransferError, CutShortError) as error:
                if attempt >= self._attempts or not _may_pass(error):
                    self._failed_in_a_row += _may_pass(error)
                    self._failed_at_s = time.monotonic()
                    raise self._failure(place, error, attempt) from error
                time.sleep(max(wait_s, _asked_to_wait_s(error)))
                attempt, wait_s = attempt + 1, min(2 * wait_s, _LONGEST_WAIT_S)
            except MultipartError as error:
                raise ArchiveError(
                    "the server's answer is not what it must be", file=self._name(place), found=str(error)
                ) from error
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise ArchiveError(
                    "the server's answer cannot be understood", file=self._name(place), found=type(error).__name__
                ) from error
            else:
                self._failed_in_a_row = 0
                return answer

    def _failure(self, place: str, error: Exception, attempts: int) -> ArchiveError | StudyError:
        status = _status_of(error)
        if status in (401, 403):
            return ArchiveError(
                "the server refuses access",
                file=self._name(place),
                found=f"HTTP {status}",
                expected=f"{USER} and {PASSWORD}, or {TOKEN}, in the environment",
            )
        if isinstance(error, requests.TooManyRedirects):
            return ArchiveError(
                "the server sends us elsewhere", file=self._name(place), expected="the address that it answers at"
            )
        what = f"HTTP {status}" if status else _word(error)
        tries = f", {attempts} times" if attempts > 1 else ""
        return ArchiveError("the server does not do what it is asked", file=self._name(place), found=f"{what}{tries}")


_NO_ANSWER = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    BrokenTransferError,
    CutShortError,
)
# What lies behind an error says more than the error itself.
_CAUSES: Mapping[type[BaseException], str] = {
    TricklingAnswerError: "an answer that trickles",
    ReadTimeoutError: "no answer in time",
}
_WORDS: Mapping[type[Exception], str] = {
    requests.ConnectionError: "no connection",
    requests.ConnectTimeout: "no connection in time",
    requests.ReadTimeout: "no answer in time",
    requests.exceptions.SSLError: "no trusted certificate",
    requests.exceptions.ChunkedEncodingError: "an answer that breaks off",
    requests.exceptions.JSONDecodeError: "an answer that is no DICOM JSON",
    CutShortError: "an answer that breaks off",
}


def _word(error: Exception) -> str:
    """Return what an error means, told by what caused it where that is known."""
    chain: list[BaseException] = [error]
    while (behind := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(behind)
    kinds = {type(one) for one in chain}
    found = next((word for kind, word in _CAUSES.items() if kind in kinds), None)
    return found or _WORDS.get(type(error), type(error).__name__)


def _status_of(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    return response.status_code if response is not None else None


def _may_pass(error: Exception) -> bool:
    status = _status_of(error)
    if isinstance(error, requests.HTTPError):
        return status in _PASSING
    return isinstance(error, _NO_ANSWER) and not isinstance(error, requests.exceptions.SSLError)


def _asked_to_wait_s(error: Exception) -> float:
    """Return how long the server asks to be left alone, within reason; dates are not understood."""
    response = getattr(error, "response", None)
    value = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(value), _LONGEST_WAIT_S) if value.isascii() and value.isdigit() else 0.0


def value_of(result: Json, tag: str) -> Any:
    """Return the first value of an attribute in DICOM JSON; None where it has none."""
    element = result.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, Sequence) and values else None


def _identified(content: memoryview, series_uid: str) -> tuple[str, str]:
    """Return the SOP Instance UID of a received object, and why it cannot hold the pixels that it claims, if so."""
    with held({_RECEIVED: content}):
        plain, _ = plain_elements(_RECEIVED, _IDENTITY)
        if plain is not None:
            uid, its_series = plain.texts.get("SOPInstanceUID", ""), plain.texts.get("SeriesInstanceUID", "")
            problem = size_problem(plain, plain.size, plain.left) if "Rows" in plain and "Columns" in plain else ""
        else:
            header = read_header(_RECEIVED)
            uid, its_series, problem = header.sop_instance_uid, header.series_uid, header.problem
    if not uid:
        raise MultipartError(problem or "no DICOM object")
    if its_series != series_uid:
        raise MultipartError("an instance of another series")
    return uid, problem
