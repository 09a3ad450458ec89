"""Requests to one server: sent, sent again where that is safe, and errors read out of answers."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from adaptation import __version__
from adaptation.errors import ApiError, ServerUnavailable, SettingsError

PAUSE_SECONDS = 0.5
"""Before the second try; doubled before each further one."""
MOST_PAUSE_SECONDS = 10.0
MOST_WAIT_SECONDS = 60.0
"""A server that asks for a longer wait than this is not waited for."""
BUSY = frozenset({502, 503, 504})
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Nothing has reached the server."""


class Connection:
    """One server with the headers of one client."""

    def __init__(
        self, server: str, name: str, key: str, *, timeout_seconds: float, tries: int
    ) -> None:
        address = _checked_address(server)
        self.server = str(address).rstrip("/")
        self.tries = max(1, tries)
        self._timeout_seconds = timeout_seconds
        self._http = httpx2.Client(
            base_url=self.server,
            headers={
                "client": _checked_word(name, "the client's name"),
                "api-key": _checked_word(key, "the api-key"),
                "User-Agent": f"adaptation/{__version__}",
            },
            timeout=timeout_seconds,
            # What is on this machine is not asked for through a proxy.
            trust_env=not _is_loopback(address.host),
        )

    def close(self) -> None:
        """Close what is open."""
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> Any:
        """The JSON of a good answer.

        Args:
            method: GET, POST and so on.
            path: from the server's address, with its query.
            body: sent as JSON; None: nothing.
            headers: beside the client's.
            repeatable: whether a second request does no harm when the answer to the first was
                lost; None: GET alone.

        Raises:
            ApiError: the server says no.
            ServerUnavailable: it does not answer.
        """
        safe = method == "GET" if repeatable is None else repeatable
        request = self._http.build_request(method, path, json=body, headers=headers)
        for attempt in range(1, self.tries + 1):
            last = attempt == self.tries
            try:
                answer = self._http.send(request)
            except httpx2.RequestError as error:
                if last or not (safe or isinstance(error, UNSENT)):
                    raise self.unavailable(error) from error
                time.sleep(pause_seconds(attempt))
                continue
            wait = _wait_seconds(answer, attempt, safe=safe)
            if last or wait is None:
                break
            time.sleep(wait)
        return self._json_of(answer)

    @contextmanager
    def streaming(
        self, path: str, *, headers: Mapping[str, str], silence_seconds: float
    ) -> Iterator[Iterator[bytes]]:
        """The pieces of an answer as they come, until the block ends.

        Raises:
            ApiError: the server says no.
            httpx2.RequestError: the connection is lost, or silent for too long.
        """
        timeout = httpx2.Timeout(self._timeout_seconds, read=silence_seconds)
        asked = {"Accept": "text/event-stream", **headers}
        with self._http.stream("GET", path, headers=asked, timeout=timeout) as answer:
            if answer.status_code != 200:
                answer.read()
                raise self._refusal(answer)
            yield answer.iter_bytes()

    def unavailable(self, error: Exception) -> ServerUnavailable:
        """A lost connection in words."""
        reason = str(error) or type(error).__name__
        return ServerUnavailable(
            f"{self.server} does not answer: {reason}",
            hint="Check the address, and that `adaptation serve` or `adaptation api` runs there.",
        )

    def _json_of(self, answer: httpx2.Response) -> Any:
        if not answer.is_success:
            raise self._refusal(answer)
        try:
            return answer.json()
        except ValueError as error:
            raise self.unreadable(answer.status_code) from error

    def unreadable(self, status: int) -> ApiError:
        """An answer that is none of this API's."""
        return ApiError(
            status,
            f"{self.server} answers {status} with something else than this API does",
            hint="Check the address: another service, or a proxy, may answer there.",
        )

    def _refusal(self, answer: httpx2.Response) -> ApiError:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or "error" not in body:
            return self.unreadable(answer.status_code)
        hint, message = str(body.get("hint", "")), str(body["error"])
        # The sentence of the contract has the remedy in it; here it stands by itself.
        message = message.removesuffix(f". {hint}") if hint else message
        code = str(body.get("code") or "") or None
        error = ApiError(answer.status_code, message, code=code, hint=hint)
        error.request_id = str(body.get("request_id", ""))
        error.job_id = body["id"] if isinstance(body.get("id"), int) else None
        error.retry_after_seconds = retry_after_seconds(answer)
        return error


def pause_seconds(attempt: int) -> float:
    """How long to wait after so many tries that failed, 1 or more."""
    return min(PAUSE_SECONDS * 2.0 ** min(attempt - 1, 10), MOST_PAUSE_SECONDS)


def retry_after_seconds(answer: httpx2.Response) -> float | None:
    """The header Retry-After (RFC 9110 §10.2.3); None: there is none that can be read."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _wait_seconds(answer: httpx2.Response, attempt: int, *, safe: bool) -> float | None:
    """When to ask again; None: this answer stands."""
    if answer.status_code != 429 and not (safe and answer.status_code in BUSY):
        return None
    asked = retry_after_seconds(answer)
    wait = pause_seconds(attempt) if asked is None else asked
    return wait if wait <= MOST_WAIT_SECONDS else None


def _checked_address(server: str) -> httpx2.URL:
    try:
        address = httpx2.URL(server)
    except httpx2.InvalidURL:
        address = httpx2.URL("")
    named = _HOST.fullmatch(address.host) is not None
    if address.scheme not in {"http", "https"} or not named or address.userinfo:
        raise SettingsError(
            f"{server!r:.200} is no address of a server",
            code="server_invalid",
            hint="Write it as https://adaptation.example.org or http://127.0.0.1:8020.",
        )
    return address


def _checked_word(word: str, what: str) -> str:
    if not word or not word.isascii() or not word.isprintable() or " " in word:
        raise SettingsError(
            f"{what} is {'missing' if not word else 'none: it holds other signs than a key does'}",
            code="credentials_missing",
            hint="`adaptation client add NAME`, on the server, gives a name and its key.",
        )
    return word


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
