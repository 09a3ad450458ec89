"""What a server's answer to a request for a source means: bytes, a refusal, or "not now"."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from adaptation.adapters.masking import masked
from adaptation.adapters.partial import Entity
from adaptation.errors import SourceError, Transient

_NOT_FOUND = ("source_not_found", "Check the address; the server knows no such file.")
_FORBIDDEN = (
    "source_forbidden",
    "Give an address with access: a signed one, or user and password.",
)
_REFUSALS = {404: _NOT_FOUND, 410: _NOT_FOUND, 401: _FORBIDDEN, 403: _FORBIDDEN}
_BUSY = frozenset({408, 425, 429})
_WEB_PAGE = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body)\b", re.I)


class Interrupted(Transient):
    """A try ended for a reason that may pass."""

    wait_seconds = 0.0
    """How long the server asked to be left alone."""


def refuse_what_is_no_source(response: httpx2.Response, url: str) -> None:
    """Raise what an answer's status and headers already say."""
    status = response.status_code
    if status in _BUSY or status >= 500:
        error = Interrupted(
            f"{masked(url)} answered {status} {response.reason_phrase}",
            code="fetch_failed",
            hint="The server is busy or broken; try again later.",
        )
        error.wait_seconds = _retry_after_seconds(response)
        raise error
    if status not in (200, 206):
        code, hint = _REFUSALS.get(status, ("source_refused", "Give the address of the file."))
        raise SourceError(
            f"{masked(url)} answered {status} {response.reason_phrase}", code=code, hint=hint
        )
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise SourceError(
            f"{masked(url)} is sent compressed although that was refused",
            code="source_encoded",
            hint="Switch off Content-Encoding for this file on its server.",
        )
    if _media_type(response) in ("text/html", "application/xhtml+xml"):
        raise _web_page(url)


def refuse_what_is_no_media(head: bytes, url: str) -> None:
    """Raise what the first bytes themselves say, whatever type was announced."""
    if not head:
        raise SourceError(
            f"{masked(url)} is empty",
            code="source_empty",
            hint="Check the file on its server: it has 0 bytes.",
        )
    if _WEB_PAGE.match(head):
        raise _web_page(url)


def _web_page(url: str) -> SourceError:
    return SourceError(
        f"{masked(url)} is a web page, not a video",
        code="source_is_web_page",
        hint="Give the address of the file itself; a page often asks for a login first.",
    )


def untrusted(url: str, error: Exception) -> SourceError:
    """Give the error for a host that cannot show who it is; another try would not help."""
    return SourceError(
        f"{masked(url)} has a certificate this machine does not trust: {reason(error)}",
        code="source_certificate",
        hint="Name your certificate authority in SSL_CERT_FILE, or mend the server's certificate.",
    )


def is_about_a_certificate(error: BaseException | None) -> bool:
    """Tell whether a failed connection failed on the server's certificate."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def reason(error: Exception) -> str:
    """Give an error's words, or its name when it has none."""
    return str(error) or type(error).__name__


def entity_of(response: httpx2.Response) -> Entity:
    """Give what the headers of an answer say about its body."""
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() and not chunked else None
    etag = response.headers.get("ETag", "")
    return Entity(
        _validator(response), total, total is not None or chunked, _media_type(response), etag
    )


def _validator(response: httpx2.Response) -> str:
    """Give what may stand in If-Range: a strong ETag, or a date that cannot hide a change."""
    etag: str = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    modified: str = response.headers.get("Last-Modified", "")
    written, sent = _date(modified), _date(response.headers.get("Date", ""))
    # RFC 9110 §8.8.2.2: a file written in the second it was sent may be written again in it.
    if written and sent and (sent - written).total_seconds() >= 1:
        return modified
    return ""


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def content_range(response: httpx2.Response) -> tuple[int, int | None]:
    """Give the first byte's position and the whole size; -1 for an answer without meaning."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if match is None:
        return -1, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _retry_after_seconds(response: httpx2.Response) -> float:
    value: str = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    moment = _date(value)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment else 0.0


def _media_type(response: httpx2.Response) -> str:
    value: str = response.headers.get("Content-Type", "")
    return value.partition(";")[0].strip().lower()
