"""Asks a key server for content keys: one POST, answered within a minute, or tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import httpx2

from adaptation.adapters.addresses import PUBLIC_ONLY, AddressPolicy
from adaptation.adapters.answers import is_about_a_certificate, reason, untrusted
from adaptation.adapters.http import Connection, connection
from adaptation.adapters.masking import masked
from adaptation.errors import Cancelled, SourceError, Transient

ANSWER_SECONDS = 60.0
"""For one try, with all of its answer."""
WAITS_SECONDS = (1.0, 3.0)
"""Before the second try and before the third."""
HEADERS = {"Content-Type": "application/xml", "Accept": "application/xml", "X-Speke-Version": "2.0"}
_MAY_PASS = frozenset({408, 425, 429})


def ask_key_server(  # noqa: PLR0913  (three say what, the others how)
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    most_bytes: int,
    policy: AddressPolicy = PUBLIC_ONLY,
    cancelled: threading.Event | None = None,
) -> bytes:
    """The server's answer; it may hold keys, so no part of it is shown anywhere.

    Args:
        url: http or https.
        body: XML.
        headers: that the server knows the client by, secret.
        most_bytes: of the answer.
        policy: which addresses may be reached. Redirections are not followed.
        cancelled: set from elsewhere to stop within a second.

    Raises:
        SourceError: `key_server_refused`, `source_url`, `source_certificate`,
            `address_forbidden`.
        Transient: `key_server_failed`, of the last try.
        Cancelled: `cancelled` was set.
    """
    stop = cancelled or threading.Event()
    waits = list(WAITS_SECONDS)
    while True:
        try:
            with connection(stop, policy) as link:
                return _once(link, url, body, {**headers, **HEADERS}, most_bytes)
        except Transient:
            if not waits and not stop.is_set():
                raise
            if stop.is_set() or stop.wait(waits.pop(0)):
                raise Cancelled(f"Stopped asking {masked(url)}") from None


def _once(
    link: Connection, url: str, body: bytes, headers: Mapping[str, str], most_bytes: int
) -> bytes:
    link.ends_at = time.monotonic() + ANSWER_SECONDS
    try:
        response = link.post(url, headers, body)
        try:
            _refuse(response.status_code, url)
            return _read(response, url, most_bytes)
        finally:
            response.close()
    except httpx2.TransportError as error:
        if is_about_a_certificate(error):
            raise untrusted(url, error) from error
        is_late = time.monotonic() >= link.ends_at
        raise _failed(url, "no answer within a minute" if is_late else reason(error)) from error


def _refuse(status: int, url: str) -> None:
    if status >= 500 or status in _MAY_PASS:
        raise _failed(url, f"it answered {status}")
    if status != 200:
        raise SourceError(
            f"the key server {masked(url)} gives no keys: it answered {status}",
            code="key_server_refused",
            hint="Check key_server, the headers in key_server_secret, and that the server knows"
            " the content; redirections are not followed.",
        )


def _read(response: httpx2.Response, url: str, most_bytes: int) -> bytes:
    content = bytearray()
    for piece in response.iter_bytes():
        content += piece
        if len(content) > most_bytes:
            raise SourceError(
                f"the key server {masked(url)} sends more than {most_bytes:,} bytes",
                code="key_server_refused",
                hint="Check that key_server is the address that answers with CPIX documents.",
            )
    return bytes(content)


def _failed(url: str, why: str) -> Transient:
    return Transient(
        f"the key server {masked(url)} cannot be asked: {why}",
        code="key_server_failed",
        hint="Check the address and that the server runs; it is asked again with the next try.",
    )
